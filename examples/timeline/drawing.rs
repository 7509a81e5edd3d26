//! The page around the figure, and every step as text.

use std::fmt::Write as _;

use super::describing::{Line, event, fetched, result};
use super::fields::integer;
use super::figure::{self, badge, shape};
use super::html::{escape, seconds};
use super::log::{Kind, Severity, Step};
use super::objects::Clocks;
use super::places::Content;
use super::run::Run;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is loaded, not even from the page's own folder.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Returns the page.
pub(super) fn page(run: &Run) -> String {
    let group = run.logs.first().map(|log| log.group.clone()).unwrap_or_default();
    let title = escape(&format!("{group}: a recorded run"));
    let mut out = String::new();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<header>\n<h1>Group <bdi>{}</bdi></h1>\n",
        escape(&group)
    );
    facts(&mut out, run);
    out.push_str("</header>\n");
    legend(&mut out, run);
    let _ = writeln!(
        out,
        "<div class=\"figure\">\n{}<div class=\"scroll\" id=\"scroll\">\n{}</div>\n</div>",
        figure::lanes(run),
        figure::svg(run)
    );
    out.push_str(
        "<aside id=\"panel\" aria-live=\"polite\"><p class=\"hint\">Point at a step to read it. A click keeps it; Esc \
         lets go. With the keyboard: Tab to a lane, then the arrows.</p></aside>\n",
    );
    steps(&mut out, run);
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn facts(out: &mut String, run: &Run) {
    let all = || run.logs.iter().flat_map(|log| &log.steps);
    let first = run.layout.first;
    let last = all().map(|step| step.at).max().unwrap_or_default();
    let epochs = all().filter_map(|step| integer(step.state()?, "epoch")).max();
    let faults = all().filter(|step| step.severity() == Severity::Fault).count();
    let refusals = all().filter(|step| step.severity() == Severity::Refusal).count();
    let mode = run.logs.first().map(|log| log.mode.clone()).unwrap_or_default();
    let _ = writeln!(
        out,
        "<p class=\"facts\">{} · mode {} · {} · {} · {} · {} · {} from <time id=\"began\" \
         data-ms=\"{first}\">{first} ms since 1970</time></p>",
        count(run.logs.len(), "participant"),
        escape(&mode),
        epochs.map_or_else(|| "no epoch".to_owned(), |epoch| format!("up to epoch {epoch}")),
        count(all().count(), "step"),
        count(faults, "fault"),
        count(refusals, "refusal"),
        seconds(last.saturating_sub(first)),
    );
    match &run.clocks {
        Clocks::Agree => {}
        Clocks::Moved(moved) => {
            let moved = moved.iter().enumerate().filter(|(_, by)| **by != 0);
            let moved: Vec<_> = moved.map(|(log, by)| format!("{} by {by} ms", run.title(log))).collect();
            let _ = writeln!(
                out,
                "<p class=\"clocks\">The clocks differ. Moved, so that no object comes before it is published: {}.</p>",
                escape(&moved.join(", "))
            );
        }
        Clocks::Contradict => out.push_str(
            "<p class=\"clocks\">The clocks contradict each other: some objects come before they are published.</p>\n",
        ),
    }
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

fn sample(class: &str, outline: &str) -> String {
    format!(
        "<svg width=\"16\" height=\"16\" viewBox=\"-8 -8 16 16\"><g class=\"{class}\"><path d=\"{outline}\"/></g></svg>"
    )
}

fn legend(out: &mut String, run: &Run) {
    out.push_str("<section class=\"legend\" aria-label=\"legend\">\n<p class=\"zoom\">\n");
    for (id, sign, label) in [
        ("out", "−", "narrower"),
        ("in", "+", "wider"),
        ("whole", "fit", "all of it"),
        ("usual", "1:1", "the usual scale"),
    ] {
        let _ = writeln!(
            out,
            "<button id=\"zoom-{id}\" title=\"{label}\" aria-label=\"{label}\">{sign}</button>"
        );
    }
    out.push_str("</p>\n<p><b>a step begins with</b>\n");
    let kinds = [
        (Kind::Start, "start, restart"),
        (Kind::Command, "command"),
        (Kind::Object, "object"),
        (Kind::Reply, "reply"),
        (Kind::Timer, "timer"),
        (Kind::Other, "other event"),
    ];
    for (kind, name) in kinds {
        let (class, outline) = shape(kind);
        let _ = writeln!(out, "<span>{}{name}</span>", sample(class, outline));
    }
    out.push_str("</p>\n<p><b>and has</b>\n");
    let wrong = [
        (Severity::Fault, "a fault of others"),
        (Severity::Refusal, "a refusal"),
        (Severity::Trouble, "a failed request, or something missing"),
    ];
    for (severity, name) in wrong {
        if let Some((class, outline)) = badge(severity) {
            let class = format!("badge {class}");
            let _ = writeln!(
                out,
                "<span><svg width=\"16\" height=\"16\" viewBox=\"-8 -8 16 16\"><path class=\"{class}\" d=\"{outline}\"/></svg>\
                 {name}</span>"
            );
        }
    }
    out.push_str("</p>\n<p><b>objects</b>\n");
    for content in Content::ALL {
        let class = content.class();
        let many = run.messages.iter().filter(|message| message.content == content).count();
        if many > 0 {
            toggle(out, class, content.name(), many);
        }
    }
    if !run.increments.is_empty() {
        toggle(out, "o-increment", "increment of the counter", run.increments.len());
    }
    out.push_str(
        "<span class=\"note\">dashed: fetched</span></p>\n<p class=\"note\">Bands are epochs, one colour each. Waits are \
         cut short where a line is dotted. Steps of one moment stand side by side.</p>\n</section>\n",
    );
}

fn toggle(out: &mut String, class: &str, name: &str, many: usize) {
    let _ = writeln!(
        out,
        "<label><input type=\"checkbox\" checked=\"checked\" data-class=\"{class}\"/><svg width=\"22\" height=\"10\">\
         <line class=\"{class} on\" x1=\"1\" y1=\"5\" x2=\"21\" y2=\"5\"/></svg>{name} <small>{many}</small></label>"
    );
}

/// Writes every step as text, for those who read without the figure, and for the panel.
fn steps(out: &mut String, run: &Run) {
    out.push_str("<section class=\"steps\">\n<h2>All steps</h2>\n");
    out.push_str("<details>\n<summary>counter service</summary>\n<ol>\n");
    for (slot, by) in run.slots() {
        let step = run.logs.get(by.log).and_then(|log| log.steps.get(by.answered));
        let Some(step) = step else { continue };
        let fields = event(step, &run.names).fields;
        let _ = writeln!(
            out,
            "<li id=\"sc-{slot}\"><p><time>{}</time> <b>slot {slot} is filled</b> for {} <span>{}</span></p></li>",
            seconds(step.at.saturating_sub(run.layout.first)),
            escape(&run.title(by.log)),
            escape(&fields),
        );
    }
    out.push_str("</ol>\n</details>\n");
    for (number, log) in run.logs.iter().enumerate() {
        let _ = writeln!(
            out,
            "<details>\n<summary><bdi>{}</bdi> <small>{}, {}</small></summary>\n<ol>",
            escape(&run.title(number)),
            escape(log.file_name()),
            count(log.steps.len(), "step")
        );
        for (at, step) in log.steps.iter().enumerate() {
            step_text(out, run, (number, at), step);
        }
        out.push_str("</ol>\n</details>\n");
    }
    out.push_str("</section>\n");
}

fn step_text(out: &mut String, run: &Run, (number, at): (usize, usize), step: &Step) {
    let Line { title, fields, .. } = event(step, &run.names);
    let _ = writeln!(
        out,
        "<li id=\"s{number}-{at}\"><p><time>{}</time> <b>{}</b> <span>{}</span> <small>line {}</small></p>",
        seconds(step.at.saturating_sub(run.layout.first)),
        escape(&title),
        escape(&fields),
        step.line,
    );
    let lines: Vec<Line> = fetched(step, &run.names)
        .into_iter()
        .chain(step.results.iter().map(|line| result(line, &run.names)))
        .collect();
    if !lines.is_empty() || step.answers > 0 {
        out.push_str("<ul>\n");
        for Line { title, fields, severity } in lines {
            let class = badge(severity).map_or("fine", |(class, _)| class);
            let _ = writeln!(
                out,
                "<li class=\"{class}\">{} <span>{}</span></li>",
                escape(&title),
                escape(&fields)
            );
        }
        if step.answers > 0 {
            let _ = writeln!(out, "<li class=\"note\">{} of the engine</li>", count(step.answers, "answer"));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</li>\n");
}
