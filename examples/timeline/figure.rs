//! The figure: lanes, bands, steps and messages as SVG.
//!
//! What moves when the figure is stretched has its place at the usual scale in `data-x`, and where it has a length, in
//! `data-w`; `page.js` reads them.

use std::fmt::Write as _;

use serde_json::Value;

use super::describing::{event, participant, short_id};
use super::fields::{integer, text};
use super::html::{escape, px, seconds};
use super::layout::{LONGEST, MARGIN};
use super::log::{Kind, Log, Severity};
use super::objects::At;
use super::run::Run;
use super::slots::Increment;

/// The height of the axis.
const AXIS: f64 = 40.0;
/// The height of the counter's lane.
const COUNTER: f64 = 46.0;
/// The height of a participant's lane.
const LANE: f64 = 66.0;
/// Between two labels of the axis, at least.
const LABEL: f64 = 84.0;
/// Between two times on the axis that get a label at some scale.
const NEAR: f64 = 12.0;
/// Between two slots.
const SLOT: f64 = 24.0;
/// An object that takes longer, in milliseconds, is drawn faintly.
const LATE: i64 = 2000;
/// Between two epochs' hues: the golden angle, so that neighbours never look alike.
const HUE: u64 = 137;

/// Returns how high the figure is.
pub(super) fn height(run: &Run) -> f64 {
    lane(run.logs.len()) + 8.0
}

/// Returns where a lane begins.
fn lane(number: usize) -> f64 {
    (0..number).fold(AXIS + COUNTER, |top, _| top + LANE)
}

/// Returns where the steps of a lane are.
fn middle(number: usize) -> f64 {
    lane(number) + LANE * 0.6
}

/// Draws all of it.
pub(super) fn svg(run: &Run) -> String {
    let mut out = String::new();
    let (width, height) = (px(run.layout.width), px(height(run)));
    let _ = writeln!(
        out,
        "<svg id=\"run\" role=\"group\" aria-label=\"the run\" width=\"{width}\" height=\"{height}\" \
         data-w=\"{width}\" data-axis=\"{}\">",
        px(AXIS)
    );
    axis(&mut out, run);
    out.push_str("<g class=\"bands\">\n");
    for (number, log) in run.logs.iter().enumerate() {
        bands(&mut out, run, number, log);
    }
    out.push_str("</g>\n<g class=\"messages\">\n");
    requests(&mut out, run);
    messages(&mut out, run);
    out.push_str("</g>\n<g class=\"marks\">\n");
    slots(&mut out, run);
    for (number, log) in run.logs.iter().enumerate() {
        let _ = writeln!(out, "<g aria-label=\"{}\">", escape(&run.title(number)));
        for at in 0..log.steps.len() {
            mark(&mut out, run, (number, at));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn axis(out: &mut String, run: &Run) {
    out.push_str("<g class=\"axis\">\n");
    let bottom = px(height(run));
    let (mut labelled, mut last) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for tick in &run.layout.ticks {
        let x = px(tick.x);
        if tick.cut {
            let middle = px(tick.x - LONGEST / 2.0);
            let _ = writeln!(
                out,
                "<g class=\"cut\" data-x=\"{middle}\" transform=\"translate({middle} 0)\"><path d=\"M0 {} V{bottom}\"/>\
                 <text y=\"{}\">{}</text></g>",
                px(AXIS),
                px(AXIS - 5.0),
                seconds(tick.after),
            );
        }
        if !tick.cut && tick.x - last < NEAR {
            continue;
        }
        last = tick.x;
        let off = if tick.x - labelled < LABEL { " off" } else { "" };
        if off.is_empty() {
            labelled = tick.x;
        }
        let _ = writeln!(
            out,
            "<g class=\"tick{off}\" data-x=\"{x}\" transform=\"translate({x} 0)\"><path d=\"M0 20 V{bottom}\"/>\
             <text y=\"14\">{}</text></g>",
            seconds(tick.at),
        );
    }
    out.push_str("</g>\n");
}

/// Draws where a participant stands, from each change to the next.
fn bands(out: &mut String, run: &Run, number: usize, log: &Log) {
    let changes: Vec<(f64, &Value)> = (log.steps.iter().enumerate())
        .filter_map(|(at, step)| Some((run.layout.x((number, at)) - 7.0, step.state()?)))
        .collect();
    let end = log.steps.len().checked_sub(1).map_or(MARGIN, |last| run.layout.x((number, last))) + 12.0;
    let ends = changes.iter().skip(1).map(|(x, _)| *x).chain([end]);
    for ((x, state), end) in changes.iter().zip(ends) {
        let phase = text(state, "state").unwrap_or_default();
        let (class, long, short) = match integer(state, "epoch") {
            Some(epoch) => {
                let hue = epoch.wrapping_mul(HUE) % 360;
                (format!("epoch\" style=\"--h:{hue}"), format!("epoch {epoch}"), epoch.to_string())
            }
            None => ("phase".to_owned(), phase.to_owned(), String::new()),
        };
        let width = end - x;
        let shown = if width >= room(&long) {
            &long
        } else if width >= room(&short) {
            &short
        } else {
            ""
        };
        let (top, width, x) = (px(lane(number) + 3.0), px(width), px(*x));
        let (long, short, shown) = (escape(&long), escape(&short), escape(shown));
        let _ = writeln!(
            out,
            "<g class=\"{class}\" data-x=\"{x}\" transform=\"translate({x} {top})\"><rect width=\"{width}\" \
             data-w=\"{width}\" height=\"{}\"/><text x=\"5\" y=\"13\" data-long=\"{long}\" \
             data-short=\"{short}\">{shown}</text></g>",
            px(LANE - 6.0),
        );
    }
}

/// Returns how long a label is, with what is around it.
fn room(label: &str) -> f64 {
    label.chars().fold(10.0, |length, _| length + 6.5)
}

fn messages(out: &mut String, run: &Run) {
    for message in &run.messages {
        let ((from, published), (to, came)) = (message.from, message.to);
        let (x, x2) = (run.layout.x(message.from), run.layout.x(message.to));
        let (y, y2) = (middle(from), middle(to));
        let at =
            |(log, step): At| run.logs.get(log).and_then(|log| log.steps.get(step)).map_or(0, |step| step.at);
        let asked = if message.fetched { " fetched" } else { "" };
        let late = if at(message.to).saturating_sub(at(message.from)) > LATE { " late" } else { "" };
        let (x, x2, y, y2) = (px(x), px(x2), px(y), px(y2));
        let _ = writeln!(
            out,
            "<line class=\"{}{asked}{late}\" data-f=\"{from}-{published}\" data-t=\"{to}-{came}\" data-x=\"{x}\" \
             data-x2=\"{x2}\" x1=\"{x}\" y1=\"{y}\" x2=\"{x2}\" y2=\"{y2}\"/>",
            message.content.class(),
        );
    }
}

/// Returns where each increment meets the counter's lane.
fn meeting(run: &Run, increment: &Increment) -> f64 {
    let x = |step| run.layout.x((increment.log, step));
    f64::midpoint(x(increment.asked), x(increment.answered))
}

/// Draws the way of each increment to the service, and back.
fn requests(out: &mut String, run: &Run) {
    let y2 = px(AXIS + COUNTER / 2.0);
    for increment in &run.increments {
        let (log, y) = (increment.log, px(middle(increment.log)));
        let refused = if increment.filled { "" } else { " lost" };
        let x2 = px(meeting(run, increment));
        for step in [increment.asked, increment.answered] {
            let x = px(run.layout.x((log, step)));
            let _ = writeln!(
                out,
                "<line class=\"o-increment{refused}\" data-f=\"{log}-{}\" data-t=\"{log}-{}\" data-x=\"{x}\" \
                 data-x2=\"{x2}\" x1=\"{x}\" y1=\"{y}\" x2=\"{x2}\" y2=\"{y2}\"/>",
                increment.asked, increment.answered,
            );
        }
    }
}

/// Draws the slots that were filled.
fn slots(out: &mut String, run: &Run) {
    let mut filled: Vec<_> = run.slots().into_iter().map(|(slot, by)| (meeting(run, by), slot, by)).collect();
    filled.sort_by(|a, b| a.0.total_cmp(&b.0));
    out.push_str("<g aria-label=\"counter service\">\n");
    let mut free = f64::NEG_INFINITY;
    for (x, slot, by) in filled {
        free = x.max(free + SLOT);
        let (x, y) = (px(free), px(AXIS + COUNTER / 2.0));
        let hue = slot.wrapping_mul(HUE) % 360;
        let label = escape(&format!("slot {slot}, filled for {}", run.title(by.log)));
        let _ = writeln!(
            out,
            "<a id=\"mc-{slot}\" class=\"slot\" href=\"#sc-{slot}\" aria-label=\"{label}\" style=\"--h:{hue}\" \
             data-x=\"{x}\" data-y=\"{y}\" transform=\"translate({x} {y})\"><rect x=\"-10\" y=\"-9\" width=\"20\" \
             height=\"18\" rx=\"4\"/><text y=\"4\">{slot}</text></a>",
        );
    }
    out.push_str("</g>\n");
}

/// Returns the outline of a kind of step.
pub(super) fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Start | Kind::Restore => ("start", "M0 -7 L7 0 L0 7 L-7 0 Z"),
        Kind::Command => ("command", "M-5.5 -5.5 H5.5 V5.5 H-5.5 Z"),
        Kind::Object => ("object", "M-5 0 A5 5 0 1 1 5 0 A5 5 0 1 1 -5 0 Z"),
        Kind::Reply => ("reply", "M-4 0 A4 4 0 1 1 4 0 A4 4 0 1 1 -4 0 Z"),
        Kind::Timer => ("timer", "M-4.5 -5 H4.5 L-4.5 5 H4.5 Z"),
        Kind::Other => ("other", "M-3 0 A3 3 0 1 1 3 0 A3 3 0 1 1 -3 0 Z"),
    }
}

/// Returns the class and the outline of what is wrong with a step.
pub(super) fn badge(severity: Severity) -> Option<(&'static str, &'static str)> {
    match severity {
        Severity::Fine => None,
        Severity::Trouble => Some(("trouble", "M-4 0 A4 4 0 1 1 4 0 A4 4 0 1 1 -4 0 Z")),
        Severity::Refusal => Some(("refusal", "M-4 -4 L4 4 M4 -4 L-4 4")),
        Severity::Fault => Some(("fault", "M0 -5.5 L6 5 H-6 Z")),
    }
}

fn mark(out: &mut String, run: &Run, (number, at): At) {
    let Some(step) = run.logs.get(number).and_then(|log| log.steps.get(at)) else { return };
    let (class, outline) = shape(step.kind);
    let (x, y) = (px(run.layout.x((number, at))), px(middle(number)));
    let when = seconds(step.at.saturating_sub(run.layout.first));
    let label = escape(&format!("{when}: {}", event(step, &run.names).title));
    let badge = badge(step.severity()).map_or(String::new(), |(class, outline)| {
        format!("<path class=\"badge {class}\" transform=\"translate(0 -15)\" d=\"{outline}\"/>")
    });
    // One stop of the tab key for each lane; arrows go on from there.
    let stop = if at == 0 { 0 } else { -1 };
    let _ = writeln!(
        out,
        "<a id=\"m{number}-{at}\" class=\"{class}\" href=\"#s{number}-{at}\" tabindex=\"{stop}\" \
         aria-label=\"{label}\" data-x=\"{x}\" data-y=\"{y}\" transform=\"translate({x} {y})\"><path d=\"{outline}\"/>\
         {badge}</a>",
    );
}

/// Returns what is left of the lanes: who they are of, and how they ended.
pub(super) fn lanes(run: &Run) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<div class=\"lanes\">\n<p class=\"when\" style=\"height:{}px\">time</p>\n\
         <p style=\"height:{}px\"><b>counter service</b><span>slots</span></p>",
        px(AXIS),
        px(COUNTER),
    );
    for log in &run.logs {
        let state = log.steps.iter().rev().find_map(|step| step.state());
        let now = state.map_or_else(String::new, |state| match integer(state, "epoch") {
            Some(epoch) => format!("ends at epoch {epoch}"),
            None => format!("ends {}", text(state, "state").unwrap_or_default().replace("ended", "outside")),
        });
        let name = log.sender.as_ref().and_then(|sender| run.names.get(sender));
        let name = name.cloned().unwrap_or_else(|| log.file_name().to_owned());
        let short = log.sender.as_ref().map_or_else(String::new, |sender| short_id(sender));
        let _ = writeln!(
            out,
            "<p style=\"height:{}px\" title=\"{}\"><b><bdi>{}</bdi></b><span>{} {}</span></p>",
            px(LANE),
            escape(&format!(
                "{}: {}",
                log.file_name(),
                log.sender.as_deref().map_or(String::new(), |s| participant(s, &run.names))
            )),
            escape(&name),
            escape(&short),
            escape(&now),
        );
    }
    out.push_str("</div>\n");
    out
}
