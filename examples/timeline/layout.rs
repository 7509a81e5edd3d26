//! Where steps are: time goes from left to right, and long waits are cut short.

use std::collections::{BTreeMap, BTreeSet};

use super::log::Log;
use super::objects::{At, Message};

/// Between two steps of a lane.
const STEP: f64 = 15.0;
/// From an object's publication to its arrival, at least.
const ON_THE_WAY: f64 = 10.0;
/// How far a millisecond goes.
const MILLISECOND: f64 = 0.2;
/// How far the longest wait goes.
pub(super) const LONGEST: f64 = 90.0;
/// Left of the first step, and right of the last.
pub(super) const MARGIN: f64 = 24.0;

/// A time that has a place on the axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) x: f64,
    /// In milliseconds from the first step on.
    pub(super) at: i64,
    /// How long nothing happened before it.
    pub(super) after: i64,
    /// Whether that was cut short.
    pub(super) cut: bool,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// For each log, where each step is.
    pub(super) steps: Vec<Vec<f64>>,
    /// All times at which something happens.
    pub(super) ticks: Vec<Tick>,
    pub(super) width: f64,
    /// When the first step is, in milliseconds since 1970.
    pub(super) first: i64,
}

impl Layout {
    /// Returns where a step is.
    pub(super) fn x(&self, (log, step): At) -> f64 {
        self.steps.get(log).and_then(|steps| steps.get(step)).copied().unwrap_or_default()
    }
}

/// Puts each step at its time, right of the step before it, and right of where its objects come from.
pub(super) fn arrange(logs: &[Log], messages: &[Message]) -> Layout {
    let mut sources: BTreeMap<At, Vec<At>> = BTreeMap::new();
    for message in messages {
        sources.entry(message.to).or_default().push(message.from);
    }
    // A clock that was put back moves nothing to the left.
    let mut times: BTreeMap<i64, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (l, log) in logs.iter().enumerate() {
        let mut latest = i64::MIN;
        for (s, step) in log.steps.iter().enumerate() {
            latest = latest.max(step.at);
            times.entry(latest).or_default().entry(l).or_default().push(s);
        }
    }
    let first = times.keys().next().copied().unwrap_or_default();
    let mut placed: BTreeMap<At, f64> = BTreeMap::new();
    let mut ends: Vec<f64> = vec![MARGIN; logs.len()];
    let (mut ticks, mut base, mut before) = (Vec::new(), MARGIN, first);
    for (time, lanes) in &times {
        let wait = millis(time.saturating_sub(before)) * MILLISECOND;
        base += wait.min(LONGEST);
        // Only a lane's own crowd moves the axis on.
        base = lanes.keys().filter_map(|lane| ends.get(*lane)).fold(base, |a, b| a.max(*b));
        let after = time.saturating_sub(before);
        ticks.push(Tick { x: base, at: time.saturating_sub(first), after, cut: wait > LONGEST });
        before = *time;
        let mut waiting: BTreeSet<At> =
            lanes.iter().flat_map(|(lane, steps)| steps.iter().map(move |step| (*lane, *step))).collect();
        while let Some(next) = next_step(&waiting, &sources) {
            waiting.remove(&next);
            let came = sources.get(&next).into_iter().flatten().filter_map(|from| placed.get(from));
            let end = ends.get(next.0).copied().unwrap_or_default();
            let x = came.fold(base.max(end), |x, from| x.max(from + ON_THE_WAY));
            placed.insert(next, x);
            if let Some(end) = ends.get_mut(next.0) {
                *end = x + STEP;
            }
        }
    }
    let width = placed.values().fold(base, |a, b| a.max(*b)) + MARGIN;
    let mut steps: Vec<Vec<f64>> = logs.iter().map(|log| vec![0.0; log.steps.len()]).collect();
    for ((log, step), x) in placed {
        if let Some(slot) = steps.get_mut(log).and_then(|steps| steps.get_mut(step)) {
            *slot = x;
        }
    }
    Layout { steps, ticks, width, first }
}

/// Returns the first step of a lane whose objects are all on their way; if a circle leaves none, the very first.
fn next_step(waiting: &BTreeSet<At>, sources: &BTreeMap<At, Vec<At>>) -> Option<At> {
    let is_first = |at: &At| at.1.checked_sub(1).is_none_or(|before| !waiting.contains(&(at.0, before)));
    let is_ready = |at: &At| sources.get(at).into_iter().flatten().all(|from| !waiting.contains(from));
    let ready = waiting.iter().find(|at| is_first(at) && is_ready(at));
    ready.or_else(|| waiting.first()).copied()
}

fn millis(time: i64) -> f64 {
    i32::try_from(time).map_or(f64::from(i32::MAX), f64::from)
}
