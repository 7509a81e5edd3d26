//! A log as steps.

use std::collections::BTreeMap;

use moq_mls::recording::LOG_VERSION;
use serde_json::Value;

use super::error::TimelineError;
use super::fields::{decoded, integer, text};
use super::places::Place;

/// What begins a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    Restore,
    Command,
    Object,
    Reply,
    Timer,
    Other,
}

/// How bad a step is, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Nothing is wrong.
    Fine,
    /// A request failed, or something is missing.
    Trouble,
    /// An intent, an event or a participant was refused.
    Refusal,
    /// Another participant, the relay or the service is at fault.
    Fault,
}

/// An event or a start, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The number of its first line in the file, from 1.
    pub(super) line: usize,
    /// When, in milliseconds since 1970, by the participant's clock; later corrected.
    pub(super) at: i64,
    pub(super) kind: Kind,
    /// The line that begins it.
    pub(super) event: Value,
    /// Its other lines, without the engine's answers.
    pub(super) results: Vec<Value>,
    /// How many answers of the engine there are.
    pub(super) answers: usize,
}

/// One participant's log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) file: String,
    /// The group's name, as text.
    pub(super) group: String,
    pub(super) mode: String,
    /// The participant's SenderId, if the log has it.
    pub(super) sender: Option<String>,
    pub(super) steps: Vec<Step>,
    /// Names by SenderId, of all participants that the log names.
    names: BTreeMap<String, String>,
}

impl Log {
    /// Reads a log. A last line without its line break is not looked at: a process that was killed may leave one.
    pub(super) fn read(file: &str, text_of_file: &str) -> Result<Self, TimelineError> {
        let fail = |line: usize, what: &str| TimelineError::NoLog {
            file: file.to_owned(),
            line,
            what: what.to_owned(),
        };
        let whole = text_of_file.rfind('\n').and_then(|end| text_of_file.get(..end)).unwrap_or_default();
        let mut lines = whole.lines().enumerate().map(|(at, line)| (at.saturating_add(1), line));
        let (_, first) = lines.next().ok_or_else(|| fail(1, "no log of a participant"))?;
        let header: Value = serde_json::from_str(first).map_err(|_| fail(1, "no log of a participant"))?;
        let group = text(&header, "group").and_then(|group| hex::decode(group).ok());
        let (Some("moq-mls participant"), Some(group)) = (text(&header, "log"), group) else {
            return Err(fail(1, "no log of a participant"));
        };
        if integer(&header, "version") != Some(LOG_VERSION) {
            return Err(fail(1, &format!("a log of another version than {LOG_VERSION}")));
        }
        let mut log = Self {
            file: file.to_owned(),
            group: String::from_utf8_lossy(&group).into_owned(),
            mode: text(&header, "mode").unwrap_or_default().to_owned(),
            sender: text(&header, "sender").and_then(decoded),
            steps: Vec::new(),
            names: BTreeMap::new(),
        };
        for (number, line) in lines {
            let line: Value = serde_json::from_str(line).map_err(|error| fail(number, &error.to_string()))?;
            log.add(number, line).map_err(|what| fail(number, what))?;
        }
        if let (Some(sender), Some(name)) = (&log.sender, seeded_name(&header)) {
            log.names.entry(sender.clone()).or_insert(name);
        }
        Ok(log)
    }

    fn add(&mut self, number: usize, line: Value) -> Result<(), &'static str> {
        if !line.is_object() {
            return Err("no line of a log");
        }
        if let Some(kind) = kind(&line) {
            let at =
                integer(&line, "at").and_then(|at| i64::try_from(at).ok()).ok_or("a step without a time")?;
            self.steps.push(Step { line: number, at, kind, event: line, results: Vec::new(), answers: 0 });
            return Ok(());
        }
        let step = self.steps.last_mut().ok_or("nothing was started")?;
        if line.get("answer").is_some() {
            step.answers = step.answers.saturating_add(1);
            named(&line, &mut self.names);
        } else if ["action", "notify", "error", "state"].iter().any(|name| line.get(name).is_some()) {
            named_in_notice(&line, &mut self.names);
            if self.sender.is_none() && text(&line, "action") == Some("publish") {
                self.sender = Place::of(&line).and_then(|place| place.owner());
            }
            step.results.push(line);
        } else {
            return Err("no line of a log");
        }
        Ok(())
    }

    /// Returns its file's name, without the folder: a page is the same wherever the logs are.
    pub(super) fn file_name(&self) -> &str {
        self.file.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// Returns what all generations of its group have in common.
    pub(super) fn root(&self) -> &str {
        self.group.split('~').next().unwrap_or_default()
    }
}

fn kind(line: &Value) -> Option<Kind> {
    match (text(line, "start"), text(line, "event")) {
        (Some("restore"), _) => Some(Kind::Restore),
        (Some(_), _) => Some(Kind::Start),
        (None, Some("command")) => Some(Kind::Command),
        (None, Some("object")) => Some(Kind::Object),
        (None, Some("timer")) => Some(Kind::Timer),
        (None, Some(event)) if event.ends_with("_reply") => Some(Kind::Reply),
        (None, Some(_)) => Some(Kind::Other),
        (None, None) => None,
    }
}

impl Step {
    /// Returns the worst of what happened in it.
    pub(super) fn severity(&self) -> Severity {
        let refused = matches!(text(&self.event, "result"), Some("wrong_key" | "error"));
        let event = match self.event.get("failed") {
            Some(_) => Severity::Trouble,
            None if refused => Severity::Refusal,
            None => Severity::Fine,
        };
        self.results.iter().map(severity).fold(event, Severity::max)
    }

    /// Returns the objects that it brings.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        let fetched = self.event.get("objects").and_then(Value::as_array);
        let own = (self.kind == Kind::Object).then_some(&self.event);
        own.into_iter().chain(fetched.into_iter().flatten())
    }

    /// Returns where the participant stands after it, if that changed.
    pub(super) fn state(&self) -> Option<&Value> {
        self.results.iter().rev().find(|line| line.get("state").is_some())
    }
}

/// Returns how bad a line is.
pub(super) fn severity(line: &Value) -> Severity {
    if line.get("error").is_some() {
        return Severity::Refusal;
    }
    let Some(notice) = line.get("notify").and_then(|notify| text(notify, "notice")) else {
        return Severity::Fine;
    };
    match notice {
        "ForkDetected" | "DeadSlot" | "FaultyCommit" | "ServiceFault" | "ParamsMismatch" | "UnderAttack"
        | "ClockSkew" | "Doubled" | "PeerFault" | "AgainstPolicy" | "Recovery" | "InvalidLeafKey" => {
            Severity::Fault
        }
        "Refused" | "StateErased" => Severity::Refusal,
        "JoinStalled" | "NotReadBack" | "TreeMissing" | "Rejoining" | "LeaveUnheard"
        | "CredentialExpired" => Severity::Trouble,
        _ => Severity::Fine,
    }
}

/// Returns the name of a participant with the seeded engine of `testing`.
fn seeded_name(header: &Value) -> Option<String> {
    let (name, _) = text(header, "engine")?.strip_prefix("seeded ")?.rsplit_once(' ')?;
    Some(name.to_owned())
}

/// Collects the members that an answer of an engine names.
fn named(value: &Value, names: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named(item, names)),
        Value::Object(fields) => {
            let pair = |name| fields.get(name).and_then(Value::as_str).and_then(decoded);
            if let (Some(sender), Some(identity)) = (pair("sender"), pair("identity")) {
                names.entry(sender).or_insert(identity);
            }
            fields.values().for_each(|field| named(field, names));
        }
        _ => {}
    }
}

/// Collects a newcomer that a notice names: `... SenderId(S), ... credential: Credential(1, NAME) }`.
fn named_in_notice(line: &Value, names: &mut BTreeMap<String, String>) {
    let Some(detail) = line.get("notify").and_then(|notify| text(notify, "detail")) else { return };
    let Some(rest) = detail.strip_prefix("MemberJoined { sender: SenderId(") else { return };
    let Some((sender, rest)) = rest.split_once(')') else { return };
    let name = rest.split_once("credential: Credential(1, ").and_then(|(_, name)| name.strip_suffix(") }"));
    if let Some(name) = name {
        names.entry(sender.to_owned()).or_insert_with(|| name.to_owned());
    }
}

/// Returns the names of participants by SenderId, as all logs have them.
pub(super) fn names(logs: &[Log]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (sender, name) in logs.iter().flat_map(|log| &log.names) {
        all.entry(sender.clone()).or_insert_with(|| name.clone());
    }
    all
}
