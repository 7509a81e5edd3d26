//! Runs a log of [`recording`](crate::recording) again, and finds the first line that comes out otherwise.
//!
//! The log's events are given to a fresh participant at their times; everything that it then does is
//! written down by a [`Recorder`] and must be the log's own lines, byte for byte. That takes an engine
//! that draws the same randomness: the log's `engine` must be `seeded NAME SEED`
//! ([`seeded_crypto`](super::seeded_crypto)).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::seeded_crypto::{SeededEngine, seeded_engine};
use crate::action::{Action, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::event::{Command, Event, Failure, Object};
use crate::participant::{Admission, Config, Participant, SafetyMode};
use crate::recording::{LOG_VERSION, Recorder, Secrets};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use crate::tracks::{CommitTrackPolicy, FullTrackName, GroupName, Location, SenderId, TrackNamespace};

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Events given, those before a difference.
    pub steps: u64,
    /// The first line that came out otherwise.
    pub difference: Option<Difference>,
}

/// A line of the log that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its number, from 1.
    pub line: usize,
    /// What the log has.
    pub logged: String,
    /// What came out; `None` for nothing.
    pub found: Option<String>,
}

/// A log that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ReplayError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

struct Run {
    engine: (String, u64),
    config: Config,
    recorder: Recorder,
    participant: Option<Participant<SeededEngine>>,
    durable: Option<Snapshot>,
}

/// Replays a log, and calls `shown` with each of its lines that came out as it is.
///
/// # Errors
/// [`ReplayError`] for a line that is no line of a log, or of an engine that cannot be had again.
pub fn replay(log: &str, mut shown: impl FnMut(usize, &str)) -> Result<Replayed, ReplayError> {
    let mut run: Option<Run> = None;
    let mut found: VecDeque<String> = VecDeque::new();
    let mut steps = 0;
    for (at, line) in log.lines().enumerate() {
        let number = at.saturating_add(1);
        let fail = |what: String| ReplayError { line: number, what };
        let value: Value = serde_json::from_str(line).map_err(|e| fail(e.to_string()))?;
        if found.is_empty() {
            match &mut run {
                None => run = Some(begin(&value).map_err(fail)?),
                Some(run) => {
                    if run.step(&value).map_err(fail)? {
                        steps += 1;
                    }
                }
            }
            found = run.iter_mut().flat_map(|r| r.lines()).collect();
        }
        let next = found.pop_front();
        if next.as_deref() != Some(line) {
            let difference = Difference { line: number, logged: line.to_owned(), found: next };
            return Ok(Replayed { steps, difference: Some(difference) });
        }
        shown(number, line);
    }
    if let Some(extra) = found.pop_front() {
        let line = log.lines().count().saturating_add(1);
        let difference = Difference { line, logged: String::new(), found: Some(extra) };
        return Ok(Replayed { steps, difference: Some(difference) });
    }
    Ok(Replayed { steps, difference: None })
}

fn begin(header: &Value) -> Result<Run, String> {
    if header.get("version").and_then(Value::as_u64) != Some(LOG_VERSION) {
        return Err("not a log of this version".to_owned());
    }
    let engine = text(header, "engine")?;
    let seeded = engine.strip_prefix("seeded ").and_then(|rest| rest.rsplit_once(' '));
    let (name, seed) = seeded.ok_or_else(|| format!("the engine {engine:?} cannot be had again"))?;
    let seed: u64 = seed.parse().map_err(|_| "seed".to_owned())?;
    let mut config = Config::new(GroupName::new(hex(header, "group")?).map_err(|e| e.to_string())?);
    config.mode =
        pick(text(header, "mode")?, &[SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory])?;
    config.admission = pick(text(header, "admission")?, &[Admission::Open, Admission::Ask])?;
    config.commit_tracks = match text(header, "commit_tracks")? {
        "shared" => CommitTrackPolicy::Shared,
        "per_sender" => CommitTrackPolicy::PerSender,
        other => return Err(format!("commit_tracks {other:?}")),
    };
    config.service_key = maybe_hex(header, "service_key")?;
    let secrets = match header.get("secrets").and_then(Value::as_bool) {
        Some(true) => Secrets::Included,
        Some(false) => Secrets::Withheld,
        None => return Err("secrets".to_owned()),
    };
    let recorder = Recorder::replaying(engine, &config, secrets);
    Ok(Run { engine: (name.to_owned(), seed), config, recorder, participant: None, durable: None })
}

fn pick<T: Copy + std::fmt::Debug>(word: &str, all: &[T]) -> Result<T, String> {
    let found = all.iter().find(|v| format!("{v:?}").eq_ignore_ascii_case(word));
    found.copied().ok_or_else(|| format!("unknown {word:?}"))
}

impl Run {
    fn lines(&mut self) -> Vec<String> {
        self.recorder.take().lines().map(str::to_owned).collect()
    }

    /// Does what the line says was done; whether it was an event.
    fn step(&mut self, line: &Value) -> Result<bool, String> {
        if let Some(start) = line.get("start").and_then(Value::as_str) {
            let now = Timestamp::from_millis(number(line, "at")?);
            let engine = seeded_engine(&self.engine.0, self.engine.1);
            let config = self.config.clone();
            let started = match (start, &self.durable) {
                ("new", _) => Participant::new(engine, config, now),
                ("restore", Some(durable)) => Participant::restore(engine, config, durable, now),
                _ => return Err(format!("cannot start {start:?}")),
            };
            let participant = started.map_err(|e| e.to_string())?;
            self.recorder.started(&participant, now, start == "restore");
            self.participant = Some(participant);
            return Ok(false);
        }
        let participant = self.participant.as_mut().ok_or("nothing was started")?;
        if line.get("event").is_some() {
            let event = event(line)?;
            // An error is a line of its own.
            let _ = self.recorder.handle(participant, Timestamp::from_millis(number(line, "at")?), event);
            return Ok(true);
        }
        if let Some(Action::Persist(snapshot)) = self.recorder.poll_action(participant) {
            self.durable = Some(snapshot);
        }
        Ok(false)
    }
}

fn text<'a>(line: &'a Value, name: &str) -> Result<&'a str, String> {
    line.get(name).and_then(Value::as_str).ok_or_else(|| format!("no text {name:?}"))
}

fn number(line: &Value, name: &str) -> Result<u64, String> {
    let value = line.get(name);
    let number = value.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
    number.ok_or_else(|| format!("no number {name:?}"))
}

fn bytes_of(value: &Value) -> Option<Bytes> {
    hex::decode(value.as_str()?).ok().map(Bytes::from)
}

fn hex(line: &Value, name: &str) -> Result<Bytes, String> {
    line.get(name).and_then(bytes_of).ok_or_else(|| format!("no bytes {name:?}"))
}

fn maybe_hex(line: &Value, name: &str) -> Result<Option<Bytes>, String> {
    line.get(name).map(|_| hex(line, name)).transpose()
}

fn sender(line: &Value, name: &str) -> Result<SenderId, String> {
    SenderId::new(hex(line, name)?).map_err(|e| e.to_string())
}

fn pin(line: &Value, name: &str) -> Result<Option<Pin>, String> {
    let bytes = maybe_hex(line, name)?;
    bytes.map(|b| Pin::from_slice(&b).ok_or_else(|| format!("bad {name:?}"))).transpose()
}

fn object(line: &Value) -> Result<Object, String> {
    let fields = line.get("namespace").and_then(Value::as_array).ok_or("no namespace")?;
    let fields: Option<Vec<Bytes>> = fields.iter().map(bytes_of).collect();
    let namespace = TrackNamespace::new(fields.ok_or("bad namespace")?).map_err(|e| e.to_string())?;
    Ok(Object {
        track: FullTrackName { namespace, name: hex(line, "track")? },
        location: Location { group: number(line, "group")?, object: number(line, "object")? },
        payload: hex(line, "payload")?,
    })
}

fn failure(line: &Value) -> Result<Option<Failure>, String> {
    Ok(match line.get("failed").and_then(Value::as_str) {
        None => None,
        Some("not_sent") => Some(Failure::NotSent),
        Some("unknown") => Some(Failure::Unknown),
        Some("refused") => Some(Failure::Refused(number(line, "code")?)),
        Some(other) => return Err(format!("unknown failure {other:?}")),
    })
}

/// The reply, unless the line says how it failed.
fn reply<T>(line: &Value, ok: impl FnOnce() -> Result<T, String>) -> Result<Result<T, Failure>, String> {
    match failure(line)? {
        Some(failure) => Ok(Err(failure)),
        None => ok().map(Ok),
    }
}

fn counter(line: &Value) -> Result<CounterState, String> {
    Ok(CounterState {
        current: number(line, "current")?,
        pin: pin(line, "pin")?,
        receipt: maybe_hex(line, "receipt")?,
        pin_forgotten: line.get("pin_forgotten").is_some(),
    })
}

fn reason(line: &Value) -> Result<Reason, String> {
    let word = text(line, "reason")?;
    Reason::ALL.into_iter().find(|r| r.as_str() == word).ok_or_else(|| format!("unknown reason {word:?}"))
}

fn event(line: &Value) -> Result<Event, String> {
    let id = || number(line, "id");
    Ok(match text(line, "event")? {
        "command" => command(line)?.into(),
        "object" => Event::Object(object(line)?),
        "subscribe_reply" => Event::SubscribeReply { id: SubscribeId(id()?), reply: reply(line, || Ok(()))? },
        "publish_reply" => Event::PublishReply { id: PublishId(id()?), reply: reply(line, || Ok(()))? },
        "fetch_reply" => {
            let objects = || {
                let objects = line.get("objects").and_then(Value::as_array).ok_or("no objects")?;
                objects.iter().map(object).collect()
            };
            Event::FetchReply { id: FetchId(id()?), reply: reply(line, objects)? }
        }
        "lock_reply" => {
            let ok = || {
                Ok(match text(line, "result")? {
                    "ok" => LockReply::Ok {
                        lock_id: maybe_hex(line, "lock_id")?,
                        expires_in: Duration::from_millis(number(line, "expires_in_ms")?),
                    },
                    "conflict" => LockReply::Conflict {
                        retry_later: Duration::from_millis(number(line, "retry_later_ms")?),
                    },
                    "counter_error" => LockReply::CounterError(counter(line)?),
                    _ => LockReply::Error(reason(line)?),
                })
            };
            Event::LockReply { id: LockRequestId(id()?), reply: reply(line, ok)? }
        }
        "increment_reply" => {
            let ok = || {
                Ok(match text(line, "result")? {
                    "ok" => IncrementReply::Ok(counter(line)?),
                    "counter_error" => IncrementReply::CounterError(counter(line)?),
                    _ => IncrementReply::Error(reason(line)?),
                })
            };
            Event::IncrementReply { id: IncrementRequestId(id()?), reply: reply(line, ok)? }
        }
        "peer_authenticator" => Event::PeerAuthenticator {
            peer: sender(line, "peer")?,
            epoch: number(line, "epoch")?,
            authenticator: hex(line, "authenticator")?,
        },
        "timer" => Event::Timer,
        other => return Err(format!("unknown event {other:?}")),
    })
}

fn command(line: &Value) -> Result<Command, String> {
    let who = || sender(line, "sender");
    Ok(match text(line, "command")? {
        "join" => Command::Join,
        "admit" => Command::Admit {
            sender: who()?,
            replacing: line.get("replacing").map(|_| sender(line, "replacing")).transpose()?,
        },
        "refuse" => Command::Refuse(who()?),
        "add" => Command::Add(hex(line, "payload")?),
        "remove" => Command::Remove(who()?),
        "gone" => Command::Gone(who()?),
        "update" => Command::Update,
        "leave" => Command::Leave,
        other => return Err(format!("unknown command {other:?}")),
    })
}
