//! What a line of a log says, for people. All of it is plain text, not yet escaped.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{decoded, integer, text};
use super::log::{Kind, Severity, Step, severity};
use super::places::content;

/// The largest MOQT group: a fetch up to it goes to the end.
const LAST: u64 = (1 << 62) - 1;
/// How many digits of a hash tell it from others.
const DIGITS: usize = 16;
/// How many digits of a SenderId tell it from others.
const SHORT: usize = 6;
/// Fields that are shown first, in this order; the others follow by name.
const FIRST: [&str; 8] = ["id", "result", "failed", "code", "val", "current", "epoch", "sender"];
/// Fields that the title of a line has.
const IN_TITLE: [&str; 12] = [
    "at",
    "event",
    "action",
    "command",
    "start",
    "error",
    "state",
    "notify",
    "namespace",
    "track",
    "payload",
    "objects",
];

/// A line in two parts.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) title: String,
    pub(super) fields: String,
    pub(super) severity: Severity,
}

/// Names of participants by SenderId.
pub(super) type Names = BTreeMap<String, String>;

/// Returns a participant's name and the first digits of its SenderId.
pub(super) fn participant(sender: &str, names: &Names) -> String {
    let short = short_id(sender);
    names.get(sender).map_or(short.clone(), |name| format!("{name} ({short})"))
}

/// Returns the first digits of a SenderId.
pub(super) fn short_id(sender: &str) -> String {
    sender.chars().take(SHORT).collect()
}

/// Describes what begins a step.
pub(super) fn event(step: &Step, names: &Names) -> Line {
    let line = &step.event;
    let name = text(line, "event").unwrap_or_default().replace('_', " ");
    let title = match step.kind {
        Kind::Start => "starts".to_owned(),
        Kind::Restore => "starts again from its last snapshot".to_owned(),
        Kind::Command => format!("command: {}", text(line, "command").unwrap_or_default()),
        Kind::Object => format!("receives {}", object(line, names)),
        Kind::Reply => match line.get("objects").and_then(Value::as_array) {
            Some(objects) => format!("{name}: {} objects", objects.len()),
            None => name,
        },
        Kind::Timer | Kind::Other => name,
    };
    let severity = if line.get("failed").is_some() { Severity::Trouble } else { Severity::Fine };
    Line { title, fields: fields(line, names), severity }
}

/// Describes the objects of a fetch reply.
pub(super) fn fetched(step: &Step, names: &Names) -> Vec<Line> {
    let objects = step.event.get("objects").and_then(Value::as_array);
    let line = |o: &Value| Line { title: object(o, names), fields: String::new(), severity: Severity::Fine };
    objects.into_iter().flatten().map(line).collect()
}

/// Describes what came of a step.
pub(super) fn result(line: &Value, names: &Names) -> Line {
    let title = if let Some(error) = text(line, "error") {
        format!("refused: {error}")
    } else if let Some(state) = text(line, "state") {
        format!("is now: {state}")
    } else if let Some(notify) = line.get("notify") {
        format!("notice: {}", with_names(text(notify, "detail").unwrap_or_default(), names))
    } else {
        let action = text(line, "action").unwrap_or_default().replace('_', " ");
        match (line.get("namespace"), line.get("payload")) {
            (_, Some(_)) => format!("{action} {}", object(line, names)),
            (Some(_), None) => format!("{action} {}", track(line, names)),
            (None, None) => action,
        }
    };
    Line { title, fields: fields(line, names), severity: severity(line) }
}

/// Returns what object it is, where, and how long.
fn object(line: &Value, names: &Names) -> String {
    let Some((place, content)) = content(line) else { return "an object".to_owned() };
    let bytes = text(line, "payload").map_or(0, |payload| payload.len() / 2);
    let (group, id) = (place.group, place.object);
    format!("{} at {}, group {group}, object {id}: {bytes} bytes", content.name(), track(line, names))
}

/// Returns a namespace or a full track name as a path.
fn track(line: &Value, names: &Names) -> String {
    let fields = line.get("namespace").and_then(Value::as_array);
    let all = fields.into_iter().flatten().chain(line.get("track")).filter_map(Value::as_str);
    let one = |field: &str| match decoded(field) {
        Some(sender) if names.contains_key(&sender) => participant(&sender, names),
        Some(long) if long.len() > DIGITS && long.bytes().all(|b| b.is_ascii_hexdigit()) => short_id(&long),
        Some(text) => text,
        None => shortened(field),
    };
    all.map(one).collect::<Vec<_>>().join("/")
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(DIGITS).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

fn fields(line: &Value, names: &Names) -> String {
    let Some(all) = line.as_object() else { return String::new() };
    // A location is in the title.
    let placed = line.get("track").is_some();
    let is_in_title = |name: &&str| IN_TITLE.contains(name) || placed && ["group", "object"].contains(name);
    let mut rest: Vec<&str> = all.keys().map(String::as_str).filter(|name| !is_in_title(name)).collect();
    rest.sort_by_key(|name| (FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()), *name));
    let shown = rest.into_iter().filter_map(|name| {
        let value = all.get(name)?;
        let value = match (name, value) {
            ("sender" | "replacing" | "peer", Value::String(hex)) => {
                decoded(hex).map_or_else(|| shortened(hex), |sender| participant(&sender, names))
            }
            ("last", _) if integer(line, "last") == Some(LAST) => "end".to_owned(),
            ("commit" | "receipt" | "credential" | "payload", Value::String(hex)) => {
                format!("{} bytes", hex.len() / 2)
            }
            (_, Value::String(text)) if text.bytes().all(|b| b.is_ascii_digit()) => text.clone(),
            (_, Value::String(text)) => shortened(text),
            (_, other) => other.to_string(),
        };
        Some(format!("{} {value}", name.replace('_', " ")))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Replaces each `SenderId(S)` in a notice by the participant's name.
fn with_names(detail: &str, names: &Names) -> String {
    let mut parts = detail.split("SenderId(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((sender, rest)) => {
                out.push_str(&participant(sender, names));
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    out
}
