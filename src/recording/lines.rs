//! One line of the log for each thing that can happen.

use crate::action::{Action, FetchTarget};
use crate::config::Config;
use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply, Pin};
use crate::engine::{ContextParams, TreePlace};
use crate::event::{Command, Event};
use crate::participant::Phase;
use crate::policy::{CommitPolicy, Committers};
use crate::recording::format::{LOG_VERSION, Secrets};
use crate::recording::json::Object as Json;
use crate::recording::settings;
use crate::request::Failure;
use crate::time::Timestamp;
use crate::time::millis;
use crate::tracks::{FullTrackName, Location, Object, SenderId, TrackNamespace};

/// The parameters in a group's GroupContext.
pub(super) fn params(params: &ContextParams) -> Json {
    let line = Json::new()
        .text("mode", params.mode.name())
        .text("commit_tracks", params.commit_tracks.name())
        .flag("tree_objects", params.tree_objects);
    let line = match params.epoch_base {
        0 => line,
        base => line.number("epoch_base", base),
    };
    match &params.service_key_hash {
        Some(hash) => line.hex("service_key_hash", hash),
        None => line,
    }
}

/// What differs from the default.
fn commit_policy(policy: &CommitPolicy) -> Json {
    let CommitPolicy { adds, removes, most_adds, most_removes, most_bytes } = policy;
    let mut line = Json::new();
    for (name, committers) in [("adds", adds), ("removes", removes)] {
        if let Committers::Only(some) = committers {
            line = line.hexes(name, some.iter().map(|sender| &sender.as_bytes()[..]));
        }
    }
    for (name, most) in [("most_adds", most_adds), ("most_removes", most_removes), ("most_bytes", most_bytes)]
    {
        if *most != usize::MAX {
            line = line.number(name, *most as u64);
        }
    }
    line
}

/// `answers`: the participant whose engine's answers the log has.
pub(super) fn header(engine: &str, config: &Config, secrets: Secrets, answers: Option<&SenderId>) -> Json {
    let mut line = Json::new()
        .text("log", "moq-mls participant")
        .number("version", LOG_VERSION)
        .flag("secrets", secrets == Secrets::Included)
        .text("engine", engine)
        .hex("group", config.group.as_bytes())
        .text("mode", config.params.mode.name())
        .text("commit_tracks", config.params.commit_tracks.name())
        .text("admission", &word(&config.admission));
    if let Some(key) = &config.params.service_key {
        line = line.hex("service_key", key);
    }
    if !config.params.tree_objects {
        line = line.flag("tree_objects", false);
    }
    if config.tree_threshold != Config::new(config.group.clone()).tree_threshold {
        line = line.number("tree_threshold", config.tree_threshold as u64);
    }
    if config.follow_offers {
        line = line.flag("follow_offers", true);
    }
    if !config.successor {
        line = line.flag("successor", false);
    }
    if config.policy != CommitPolicy::default() {
        line = line.object("policy", commit_policy(&config.policy));
    }
    let numbers = |named: Vec<(&str, u64)>| named.into_iter().fold(Json::new(), |l, (n, v)| l.number(n, v));
    let limits: Vec<_> = settings::limits(&config.limits).collect();
    if !limits.is_empty() {
        line = line.object("limits", numbers(limits));
    }
    let timers: Vec<_> = settings::timers(&config.timers).collect();
    if !timers.is_empty() {
        line = line.object("timers", numbers(timers));
    }
    if let Some(who) = answers {
        line = line.flag("answers", true).hex("sender", who.as_bytes());
    }
    line
}

/// A unit variant's name in lower case.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_ascii_lowercase()
}

pub(super) fn state(
    phase: Phase,
    epoch: Option<u64>,
    authenticator: Option<&[u8]>,
    context_hash: Option<&[u8; 32]>,
) -> Json {
    let mut line = Json::new().text("state", &word(&phase));
    if let Some(epoch) = epoch {
        line = line.number("epoch", epoch);
    }
    if let Some(authenticator) = authenticator {
        line = line.hex("authenticator", authenticator);
    }
    match context_hash {
        Some(hash) => line.hex("context_hash", hash),
        None => line,
    }
}

fn namespace(line: Json, namespace: &TrackNamespace) -> Json {
    line.hexes("namespace", namespace.fields().iter().map(|f| &f[..]))
}

fn track(line: Json, track: &FullTrackName) -> Json {
    namespace(line, &track.namespace).hex("track", &track.name)
}

pub(super) fn place(line: Json, name: &FullTrackName, at: Location) -> Json {
    track(line, name).number("group", at.group_id).number("object", at.object_id)
}

pub(super) fn tree_place(line: Json, place: &TreePlace) -> Json {
    let line = line.number("object", place.object_id);
    match &place.publisher {
        Some(publisher) => sender(line, "publisher", publisher),
        None => line,
    }
}

fn object(line: Json, object: &Object) -> Json {
    place(line, &object.track, object.location).hex("payload", &object.payload)
}

fn sender(line: Json, name: &str, sender: &SenderId) -> Json {
    line.hex(name, sender.as_bytes())
}

fn failure(line: Json, failure: Failure) -> Json {
    match failure {
        Failure::NotSent => line.text("failed", "not_sent"),
        Failure::Unknown => line.text("failed", "unknown"),
        Failure::Refused(code) => line.text("failed", "refused").number("code", code),
    }
}

fn unit(line: Json, reply: &Result<(), Failure>) -> Json {
    match reply {
        Ok(()) => line,
        Err(f) => failure(line, *f),
    }
}

fn pin(line: Json, name: &str, pin: Option<&Pin>) -> Json {
    match pin {
        Some(pin) => line.hex(name, pin.as_bytes()),
        None => line,
    }
}

fn counter(line: Json, state: &CounterState) -> Json {
    let line = pin(line.number("current", state.current), "pin", state.pin.as_ref());
    let line = match &state.receipt {
        Some(receipt) => line.hex("receipt", receipt),
        None => line,
    };
    if state.pin_forgotten { line.flag("pin_forgotten", true) } else { line }
}

fn command(line: Json, command: &Command) -> Json {
    let line = line.text("event", "command");
    match command {
        Command::Join => line.text("command", "join"),
        Command::Admit { request, replacing } => {
            let credential = request.credential();
            let line = sender(line.text("command", "admit"), "sender", request.sender())
                .number("credential_type", u64::from(credential.kind))
                .hex("credential", &credential.data);
            let line = match request.key_package_ref() {
                Some(reference) => line.hex("key_package_ref", reference),
                None => line,
            };
            match replacing {
                Some(other) => sender(line, "replacing", other),
                None => line,
            }
        }
        Command::Refuse(who) => sender(line.text("command", "refuse"), "sender", who),
        Command::Add(message) => line.text("command", "add").hex("payload", message),
        Command::Remove(who) => sender(line.text("command", "remove"), "sender", who),
        Command::Gone(who) => sender(line.text("command", "gone"), "sender", who),
        Command::Update => line.text("command", "update"),
        Command::Leave => line.text("command", "leave"),
        Command::Follow(group) => line.text("command", "follow").hex("group", group.as_bytes()),
    }
}

/// `token` says what is shown of a lock token.
pub(super) fn event(now: Timestamp, event: &Event, token: impl Fn(&[u8]) -> Vec<u8>) -> Json {
    let line = Json::new().number("at", now.as_millis());
    match event {
        Event::Command(c) => command(line, c),
        Event::Object(o) => object(line.text("event", "object"), o),
        Event::SubscribeReply { id, reply } => {
            unit(line.text("event", "subscribe_reply").number("id", id.0), reply)
        }
        Event::PublishReply { id, reply } => {
            unit(line.text("event", "publish_reply").number("id", id.0), reply)
        }
        Event::FetchReply { id, reply } => {
            let line = line.text("event", "fetch_reply").number("id", id.0);
            match reply {
                Ok(objects) => line.objects("objects", objects.iter().map(|o| object(Json::new(), o))),
                Err(f) => failure(line, *f),
            }
        }
        Event::LockReply { id, reply } => {
            let line = line.text("event", "lock_reply").number("id", id.0);
            match reply {
                Ok(LockReply::Ok { lock_id, expires_in }) => {
                    let line = line.text("result", "ok").number("expires_in_ms", millis(*expires_in));
                    match lock_id {
                        Some(id) => line.hex("lock_id", &token(id)),
                        None => line,
                    }
                }
                Ok(LockReply::Conflict { retry_later }) => {
                    line.text("result", "conflict").number("retry_later_ms", millis(*retry_later))
                }
                Ok(LockReply::CounterError(state)) => counter(line.text("result", "counter_error"), state),
                Ok(LockReply::Error(reason)) => line.text("result", "error").text("reason", reason.as_str()),
                Err(f) => failure(line, *f),
            }
        }
        Event::IncrementReply { id, reply } => {
            let line = line.text("event", "increment_reply").number("id", id.0);
            match reply {
                Ok(IncrementReply::Ok(state)) => counter(line.text("result", "ok"), state),
                Ok(IncrementReply::CounterError(state)) => {
                    counter(line.text("result", "counter_error"), state)
                }
                Ok(IncrementReply::WrongKey(state)) => counter(line.text("result", "wrong_key"), state),
                Ok(IncrementReply::Error(reason)) => {
                    line.text("result", "error").text("reason", reason.as_str())
                }
                Err(f) => failure(line, *f),
            }
        }
        Event::CommitReply { id, reply } => {
            let line = line.text("event", "commit_reply").number("id", id.0);
            match reply {
                Ok(CommitReply::Found { state, commit }) => {
                    counter(line.text("result", "ok"), state).hex("commit", commit)
                }
                Ok(CommitReply::CounterError(state)) => counter(line.text("result", "counter_error"), state),
                Ok(CommitReply::Error(reason)) => {
                    line.text("result", "error").text("reason", reason.as_str())
                }
                Err(f) => failure(line, *f),
            }
        }
        Event::PeerAuthenticator { peer, epoch, authenticator } => {
            sender(line.text("event", "peer_authenticator"), "peer", peer)
                .number("epoch", *epoch)
                .hex("authenticator", authenticator)
        }
        Event::MediaOpened { peer, epoch } => {
            sender(line.text("event", "media_opened"), "peer", peer).number("epoch", *epoch)
        }
        Event::MediaAhead { epoch } => line.text("event", "media_ahead").number("epoch", *epoch),
        Event::ServiceTime(at) => line.text("event", "service_time").number("time", at.as_millis()),
        Event::RetryAfter(wait) => line.text("event", "retry_after").number("ms", millis(*wait)),
        Event::Timer => line.text("event", "timer"),
    }
}

pub(super) fn action(action: &Action, secrets: Secrets, token: impl Fn(&[u8]) -> Vec<u8>) -> Json {
    let line = Json::new();
    match action {
        Action::Persist(snapshot) => {
            let line = line.text("action", "persist").number("bytes", snapshot.len() as u64);
            match secrets {
                Secrets::Included => line.hex("snapshot", &snapshot.to_bytes()),
                Secrets::Withheld => line,
            }
        }
        Action::Announce { namespace: n } => namespace(line.text("action", "announce"), n),
        Action::SubscribeNamespace { id, namespace: n } => {
            namespace(line.text("action", "subscribe_namespace").number("id", id.0), n)
        }
        Action::Subscribe { id, track: t } => track(line.text("action", "subscribe").number("id", id.0), t),
        Action::Unsubscribe { id } => line.text("action", "unsubscribe").number("id", id.0),
        Action::Fetch { id, target, groups } => {
            let line = line.text("action", "fetch").number("id", id.0);
            let line = match target {
                FetchTarget::Track(t) => track(line, t),
                FetchTarget::Namespace(n) => namespace(line, n),
            };
            line.number("first", *groups.start()).number("last", *groups.end())
        }
        Action::Publish { id, object: o } => object(line.text("action", "publish").number("id", id.0), o),
        Action::Lock { id, request } => {
            line.text("action", "lock").number("id", id.0).number("val", request.val)
        }
        Action::Increment { id, request } => {
            let mut line = line.text("action", "increment").number("id", id.0);
            if let Some(val) = request.val {
                line = line.number("val", val);
            }
            if let Some(lock_id) = &request.lock_id {
                line = line.hex("lock_id", &token(lock_id));
            }
            let line = pin(pin(line, "prev", request.prev.as_ref()), "pin", request.pin.as_ref());
            let line = match (&request.key, secrets) {
                (Some(key), Secrets::Included) => line.hex("key", key),
                (Some(key), Secrets::Withheld) => line.number("key_bytes", key.len() as u64),
                (None, _) => line,
            };
            match &request.commit {
                Some(commit) => line.number("commit_bytes", commit.len() as u64),
                None => line,
            }
        }
        Action::GetCommit { id, request } => {
            line.text("action", "get_commit").number("id", id.0).number("val", request.val)
        }
        Action::Notify(notice) => {
            let text = format!("{notice:?}");
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            let (name, _) = text.split_at(end);
            line.object("notify", Json::new().text("notice", name).text("detail", &text))
        }
    }
}
