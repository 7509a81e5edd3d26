//! The lines of a log, read back.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::action::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::config::{Admission, Config, SafetyMode};
use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::engine::{Credential, GroupMark, RatchetTreeObject, TREE_KEY_LEN, TreePlace};
use crate::event::{Command, Event, Failure, Object};
use crate::join_request::JoinRequest;
use crate::policy::{CommitPolicy, Committers};
use crate::recording::{LOG_VERSION, Secrets, settings};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{CommitTrackPolicy, FullTrackName, GroupName, Location, SenderId, TrackNamespace};

/// The first line.
#[derive(Clone, Debug)]
pub struct Header {
    /// What the participant's engine is: `seeded NAME SEED` can be had again.
    pub engine: String,
    /// The configuration.
    pub config: Config,
    /// Whether the log has secrets.
    pub secrets: Secrets,
    /// The participant, if the log has its engine's answers.
    pub answers: Option<SenderId>,
}

/// Reads the first line.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn header(line: &Value) -> Result<Header, String> {
    if line.get("version").and_then(Value::as_u64) != Some(LOG_VERSION) {
        return Err("not a log of this version".to_owned());
    }
    let mut config = Config::new(GroupName::new(hex(line, "group")?).map_err(|e| e.to_string())?);
    config.params.mode = mode(line)?;
    config.admission = pick(text(line, "admission")?, &[Admission::Open, Admission::Ask])?;
    config.params.commit_tracks = policy(line)?;
    config.params.service_key = maybe_hex(line, "service_key")?;
    config.params.tree_objects = line.get("tree_objects").is_none();
    if line.get("tree_threshold").is_some() {
        config.tree_threshold = small(line, "tree_threshold")?;
    }
    config.successor = line.get("successor").is_none();
    config.follow_offers = line.get("follow_offers").is_some();
    config.policy = commit_policy(line)?;
    for (name, value) in numbers(line, "limits")? {
        known(settings::set_limit(&mut config.limits, &name, value), &name)?;
    }
    for (name, value) in numbers(line, "timers")? {
        known(settings::set_timer(&mut config.timers, &name, value), &name)?;
    }
    let secrets = if flag(line, "secrets")? { Secrets::Included } else { Secrets::Withheld };
    let answers = line.get("answers").map(|_| sender(line, "sender")).transpose()?;
    Ok(Header { engine: text(line, "engine")?.to_owned(), config, secrets, answers })
}

fn commit_policy(line: &Value) -> Result<CommitPolicy, String> {
    let mut policy = CommitPolicy::default();
    let Some(said) = line.get("policy") else { return Ok(policy) };
    for (name, committers) in [("adds", &mut policy.adds), ("removes", &mut policy.removes)] {
        if said.get(name).is_some() {
            let sender =
                |v: &Value| SenderId::new(bytes_of(v).ok_or("no sender")?).map_err(|e| e.to_string());
            *committers = Committers::Only(list(said, name)?.iter().map(sender).collect::<Result<_, _>>()?);
        }
    }
    for (name, most) in [
        ("most_adds", &mut policy.most_adds),
        ("most_removes", &mut policy.most_removes),
        ("most_bytes", &mut policy.most_bytes),
    ] {
        if said.get(name).is_some() {
            *most = small(said, name)?;
        }
    }
    Ok(policy)
}

fn known(set: bool, name: &str) -> Result<(), String> {
    if set { Ok(()) } else { Err(format!("unknown setting {name:?}")) }
}

/// A line's object of numbers, empty if it has none of that name.
fn numbers(line: &Value, name: &str) -> Result<Vec<(String, u64)>, String> {
    let Some(object) = line.get(name) else { return Ok(Vec::new()) };
    let names = object.as_object().ok_or_else(|| format!("no object {name:?}"))?.keys();
    names.map(|n| Ok((n.clone(), number(object, n)?))).collect()
}

fn pick<T: Copy + std::fmt::Debug>(word: &str, all: &[T]) -> Result<T, String> {
    let found = all.iter().find(|v| format!("{v:?}").eq_ignore_ascii_case(word));
    found.copied().ok_or_else(|| format!("unknown {word:?}"))
}

pub(super) fn mode(line: &Value) -> Result<SafetyMode, String> {
    let name = text(line, "mode")?;
    SafetyMode::from_name(name).ok_or_else(|| format!("unknown {name:?}"))
}

pub(super) fn policy(line: &Value) -> Result<CommitTrackPolicy, String> {
    let name = text(line, "commit_tracks")?;
    CommitTrackPolicy::from_name(name).ok_or_else(|| format!("commit_tracks {name:?}"))
}

pub(super) fn flag(line: &Value, name: &str) -> Result<bool, String> {
    line.get(name).and_then(Value::as_bool).ok_or_else(|| format!("no flag {name:?}"))
}

/// A number that is no larger than its type.
pub(super) fn small<T: TryFrom<u64>>(line: &Value, name: &str) -> Result<T, String> {
    number(line, name)?.try_into().map_err(|_| format!("{name:?} is too large"))
}

pub(super) fn list<'a>(line: &'a Value, name: &str) -> Result<&'a [Value], String> {
    line.get(name).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| format!("no list {name:?}"))
}

pub(super) fn text<'a>(line: &'a Value, name: &str) -> Result<&'a str, String> {
    line.get(name).and_then(Value::as_str).ok_or_else(|| format!("no text {name:?}"))
}

pub(super) fn number(line: &Value, name: &str) -> Result<u64, String> {
    let value = line.get(name);
    let number = value.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
    number.ok_or_else(|| format!("no number {name:?}"))
}

pub(super) fn bytes_of(value: &Value) -> Option<Bytes> {
    hex::decode(value.as_str()?).ok().map(Bytes::from)
}

pub(super) fn hex(line: &Value, name: &str) -> Result<Bytes, String> {
    line.get(name).and_then(bytes_of).ok_or_else(|| format!("no bytes {name:?}"))
}

pub(super) fn maybe_hex(line: &Value, name: &str) -> Result<Option<Bytes>, String> {
    line.get(name).map(|_| hex(line, name)).transpose()
}

pub(super) fn sender(line: &Value, name: &str) -> Result<SenderId, String> {
    SenderId::new(hex(line, name)?).map_err(|e| e.to_string())
}

pub(super) fn pin(line: &Value, name: &str) -> Result<Option<Pin>, String> {
    let bytes = maybe_hex(line, name)?;
    bytes.map(|b| Pin::from_slice(&b).ok_or_else(|| format!("bad {name:?}"))).transpose()
}

pub(super) fn place(line: &Value) -> Result<(FullTrackName, Location), String> {
    let fields: Option<Vec<Bytes>> = list(line, "namespace")?.iter().map(bytes_of).collect();
    let namespace = TrackNamespace::new(fields.ok_or("bad namespace")?).map_err(|e| e.to_string())?;
    let location = Location { group_id: number(line, "group")?, object_id: number(line, "object")? };
    Ok((FullTrackName { namespace, name: hex(line, "track")? }, location))
}

fn object(line: &Value) -> Result<Object, String> {
    let (track, location) = place(line)?;
    Ok(Object { track, location, payload: hex(line, "payload")? })
}

pub(super) fn failure(line: &Value) -> Result<Option<Failure>, String> {
    Ok(match line.get("failed").and_then(Value::as_str) {
        None => None,
        Some("not_sent") => Some(Failure::NotSent),
        Some("unknown") => Some(Failure::Unknown),
        Some("refused") => Some(Failure::Refused(number(line, "code")?)),
        Some(other) => return Err(format!("unknown failure {other:?}")),
    })
}

/// The reply, unless the line says how it failed.
pub(super) fn reply<T>(
    line: &Value,
    ok: impl FnOnce() -> Result<T, String>,
) -> Result<Result<T, Failure>, String> {
    match failure(line)? {
        Some(failure) => Ok(Err(failure)),
        None => ok().map(Ok),
    }
}

pub(super) fn counter(line: &Value) -> Result<CounterState, String> {
    Ok(CounterState {
        current: number(line, "current")?,
        pin: pin(line, "pin")?,
        receipt: maybe_hex(line, "receipt")?,
        pin_forgotten: line.get("pin_forgotten").is_some(),
    })
}

pub(super) fn reason(line: &Value) -> Result<Reason, String> {
    let word = text(line, "reason")?;
    Reason::ALL.into_iter().find(|r| r.as_str() == word).ok_or_else(|| format!("unknown reason {word:?}"))
}

/// Reads the line of an event, without its time.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn event(line: &Value) -> Result<Event, String> {
    let id = || number(line, "id");
    Ok(match text(line, "event")? {
        "command" => command(line)?.into(),
        "object" => Event::Object(object(line)?),
        "subscribe_reply" => Event::SubscribeReply { id: SubscribeId(id()?), reply: reply(line, || Ok(()))? },
        "publish_reply" => Event::PublishReply { id: PublishId(id()?), reply: reply(line, || Ok(()))? },
        "fetch_reply" => {
            let objects = || list(line, "objects")?.iter().map(object).collect();
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
                    "wrong_key" => IncrementReply::WrongKey(counter(line)?),
                    _ => IncrementReply::Error(reason(line)?),
                })
            };
            Event::IncrementReply { id: IncrementRequestId(id()?), reply: reply(line, ok)? }
        }
        "commit_reply" => {
            let ok = || {
                Ok(match text(line, "result")? {
                    "ok" => CommitReply::Found { state: counter(line)?, commit: hex(line, "commit")? },
                    "counter_error" => CommitReply::CounterError(counter(line)?),
                    _ => CommitReply::Error(reason(line)?),
                })
            };
            Event::CommitReply { id: CommitRequestId(id()?), reply: reply(line, ok)? }
        }
        "peer_authenticator" => Event::PeerAuthenticator {
            peer: sender(line, "peer")?,
            epoch: number(line, "epoch")?,
            authenticator: hex(line, "authenticator")?,
        },
        "media_opened" => Event::MediaOpened { peer: sender(line, "peer")?, epoch: number(line, "epoch")? },
        "media_ahead" => Event::MediaAhead { epoch: number(line, "epoch")? },
        "service_time" => Event::ServiceTime(Timestamp::from_millis(number(line, "time")?)),
        "retry_after" => Event::RetryAfter(Duration::from_millis(number(line, "ms")?)),
        "timer" => Event::Timer,
        other => return Err(format!("unknown event {other:?}")),
    })
}

fn request(line: &Value) -> Result<JoinRequest, String> {
    let expected = JoinRequest::expected(sender(line, "sender")?, credential(line)?);
    Ok(match maybe_hex(line, "key_package_ref")? {
        Some(reference) => expected.seen_by(reference),
        None => expected,
    })
}

/// The credential of a line.
pub(super) fn credential(line: &Value) -> Result<Credential, String> {
    Ok(Credential { kind: small(line, "credential_type")?, data: hex(line, "credential")? })
}

pub(super) fn hash(line: &Value, name: &str) -> Result<[u8; 32], String> {
    hex(line, name)?[..].try_into().map_err(|_| format!("no hash {name:?}"))
}

/// The object id of the KeyPackage that a leaf came from, if it says so.
pub(super) fn sequence(line: &Value) -> Result<Option<u64>, String> {
    line.get("sequence").map(|_| number(line, "sequence")).transpose()
}

/// The key of a leaf that says nothing of where it came from.
pub(super) fn leaf_key(line: &Value) -> Result<Option<Bytes>, String> {
    line.get("leaf_key").map(|_| hex(line, "leaf_key")).transpose()
}

pub(super) fn command(line: &Value) -> Result<Command, String> {
    let who = || sender(line, "sender");
    Ok(match text(line, "command")? {
        "join" => Command::Join,
        "admit" => Command::Admit {
            request: request(line)?,
            replacing: line.get("replacing").map(|_| sender(line, "replacing")).transpose()?,
        },
        "refuse" => Command::Refuse(who()?),
        "add" => Command::Add(hex(line, "payload")?),
        "remove" => Command::Remove(who()?),
        "gone" => Command::Gone(who()?),
        "update" => Command::Update,
        "leave" => Command::Leave,
        "follow" => Command::Follow(GroupName::new(hex(line, "group")?).map_err(|e| e.to_string())?),
        other => return Err(format!("unknown command {other:?}")),
    })
}

pub(super) fn mark(line: &Value) -> Result<GroupMark, String> {
    hex(line, "group")?.as_ref().try_into().map_err(|_| "no mark of a group".to_owned())
}

pub(super) fn tree_object(line: &Value) -> Result<RatchetTreeObject, String> {
    let publisher = line.get("publisher").map(|_| sender(line, "publisher")).transpose()?;
    let place = TreePlace { publisher, object_id: number(line, "object")? };
    let key = match line.get("key_hash") {
        Some(_) => hex(line, "key_hash")?,
        None => hex(line, "key")?,
    };
    if key.len() != TREE_KEY_LEN {
        return Err("no tree key".to_owned());
    }
    Ok(RatchetTreeObject { place, key: Secret::new(key.to_vec()) })
}
