//! Which published object came where.

use std::collections::BTreeMap;

use super::fields::text;
use super::log::{Kind, Log};
use super::places::{Content, Place, content};

/// A step: the log and the step in it, both from 0.
pub(super) type At = (usize, usize);

/// An object on its way.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) from: At,
    pub(super) to: At,
    pub(super) content: Content,
    /// Whether the receiver asked for it.
    pub(super) fetched: bool,
}

/// How the clocks of the logs go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clocks {
    /// No object came before it was published.
    Agree,
    /// They differ: how many milliseconds each log was moved.
    Moved(Vec<i64>),
    /// No moving of whole logs puts all objects in order.
    Contradict,
}

/// The objects that came to others, once for each receiver, and what they say of the clocks.
pub(super) fn match_objects(logs: &mut [Log]) -> (Vec<Message>, Clocks) {
    let mut published: BTreeMap<Place, At> = BTreeMap::new();
    for (l, log) in logs.iter().enumerate() {
        for (s, step) in log.steps.iter().enumerate() {
            let publishing = step.results.iter().filter(|line| text(line, "action") == Some("publish"));
            for place in publishing.filter_map(Place::of) {
                published.entry(place).or_insert((l, s));
            }
        }
    }
    let mut messages = Vec::new();
    for (l, log) in logs.iter().enumerate() {
        for (s, step) in log.steps.iter().enumerate() {
            for (place, content) in step.objects().filter_map(content) {
                let from = published.get(&place).filter(|(publisher, _)| *publisher != l);
                let fetched = step.kind != Kind::Object;
                messages.extend(from.map(|&from| Message { from, to: (l, s), content, fetched }));
            }
        }
    }
    let clocks = clocks(logs, &messages);
    if let Clocks::Moved(moved) = &clocks {
        for (log, moved) in logs.iter_mut().zip(moved) {
            log.steps.iter_mut().for_each(|step| step.at = step.at.saturating_add(*moved));
        }
    }
    (messages, clocks)
}

/// Returns the least by which logs must be moved so that no object comes before it is published: the longest paths
/// in the graph of what must be before what.
fn clocks(logs: &[Log], messages: &[Message]) -> Clocks {
    let at = |(log, step): At| logs.get(log).and_then(|log| log.steps.get(step)).map_or(0, |step| step.at);
    let mut early: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for message in messages {
        let by = at(message.from).saturating_sub(at(message.to));
        let worst = early.entry((message.from.0, message.to.0)).or_insert(by);
        *worst = by.max(*worst);
    }
    let mut moved = vec![0_i64; logs.len()];
    for _ in 0..=logs.len() {
        let mut changed = false;
        for (&(from, to), by) in &early {
            let least = moved.get(from).copied().unwrap_or_default().saturating_add(*by);
            if let Some(moved) = moved.get_mut(to).filter(|moved| **moved < least) {
                (*moved, changed) = (least, true);
            }
        }
        if !changed {
            let agree = moved.iter().all(|moved| *moved == 0);
            return if agree { Clocks::Agree } else { Clocks::Moved(moved) };
        }
    }
    Clocks::Contradict
}
