//! What an engine can answer, as pieces of a line.

use bytes::Bytes;

use crate::engine::{
    ContextParams, Credential, EngineError, GroupView, KeyPackageClaim, KeyPackageInfo, Member, MessageKind,
    Rejection, Survey, WelcomeInfo,
};
use crate::recording::json::Object as Json;
use crate::recording::lines;
use crate::tracks::SenderId;

/// Begins the line of an answer.
pub(super) fn about(name: &str) -> Json {
    Json::new().text("answer", name)
}

/// Ends it with a failure of the engine.
pub(super) fn failure(line: Json, error: &EngineError) -> Json {
    match error {
        EngineError::Unsupported(what) => failed(line, "unsupported", what),
        EngineError::State => failed(line, "malformed", ""),
        EngineError::Provider(why) => failed(line, "provider", &why.to_string()),
    }
}

/// Ends it with a failure where a rejection could be, too: of all names but one there are both.
pub(super) fn our_failure(line: Json, error: &EngineError) -> Json {
    let line = failure(line, error);
    if matches!(error, EngineError::Provider(_)) { line } else { line.flag("ours", true) }
}

/// Ends it with the reason why a message was refused.
pub(super) fn rejected(line: Json, rejection: &Rejection) -> Json {
    match rejection {
        Rejection::Malformed => failed(line, "malformed", ""),
        Rejection::Unsupported(what) => failed(line, "unsupported", what),
        Rejection::Expired => failed(line, "expired", ""),
        Rejection::NotForMe => failed(line, "not_for_me", ""),
        Rejection::Own => failed(line, "own", ""),
        Rejection::Stranger => failed(line, "stranger", ""),
        Rejection::MissingProposal => failed(line, "missing_proposal", ""),
        Rejection::Forbidden(what) => failed(line, "forbidden", what),
        Rejection::Invalid(why) => failed(line, "invalid", &why.to_string()),
    }
}

fn failed(line: Json, kind: &str, detail: &str) -> Json {
    let line = line.text("failed", kind);
    if detail.is_empty() { line } else { line.text("detail", detail) }
}

fn identity(line: Json, sender: &SenderId, identity: &[u8], credential: &Credential) -> Json {
    line.hex("sender", sender.as_bytes())
        .hex("identity", identity)
        .number("credential_type", u64::from(credential.kind))
        .hex("credential", &credential.data)
}

fn maybe(line: Json, name: &str, number: Option<u64>) -> Json {
    match number {
        Some(number) => line.number(name, number),
        None => line,
    }
}

/// Describes a member.
pub(super) fn member(m: &Member) -> Json {
    let line = Json::new().number("leaf", u64::from(m.leaf_index));
    let line =
        maybe(identity(line, &m.sender, &m.identity, &m.credential), "sequence", m.key_package_object_id);
    leaf_key(line, m.leaf_key.as_ref())
}

fn leaf_key(line: Json, key: Option<&Bytes>) -> Json {
    match key {
        Some(key) => line.hex("leaf_key", key),
        None => line,
    }
}

fn params(line: Json, params: Option<&ContextParams>) -> Json {
    match params {
        Some(params) => line.object("params", lines::params(params)),
        None => line,
    }
}

/// Describes what a KeyPackage says of itself.
pub(super) fn claim(line: Json, claim: &KeyPackageClaim) -> Json {
    let line = line.hex("sender", claim.sender.as_bytes());
    let line = match &claim.group {
        Some(group) => line.hex("group", group),
        None => line,
    };
    maybe(line, "sequence", claim.object_id)
}

/// Describes a KeyPackage.
pub(super) fn key_package(line: Json, info: &KeyPackageInfo) -> Json {
    let line = identity(line, &info.sender, &info.identity, &info.credential);
    let line = match &info.group {
        Some(group) => line.hex("group", group),
        None => line,
    };
    let line = maybe(line.hex("reference", &info.key_package_ref), "sequence", info.object_id);
    leaf_key(line, info.leaf_key.as_ref())
        .number("begins", info.begins.as_millis())
        .number("expires", info.expires.as_millis())
}

/// Describes a Welcome, but for the place of its tree.
pub(super) fn welcome(line: Json, info: &WelcomeInfo) -> Json {
    let line = line
        .hex("group_id", &info.group_id)
        .number("epoch", info.epoch)
        .hex("context_hash", &info.context_hash)
        .hex("reference", &info.key_package_ref)
        .flag("has_tree", info.has_tree);
    params(maybe(line, "spent", info.spent), info.params.as_ref())
}

/// Describes a group state.
pub(super) fn view(line: Json, view: &GroupView) -> Json {
    let line = line
        .hex("group_id", &view.group_id)
        .number("epoch", view.epoch)
        .hex("context_hash", &view.context_hash)
        .number("leaf", u64::from(view.leaf_index))
        .number("members", view.members as u64);
    params(line, view.params.as_ref())
}

/// Describes what a commit is put together by.
pub(super) fn survey(line: Json, survey: &Survey) -> Json {
    line.numbers("invalid_leaves", survey.invalid_leaves.iter().map(|leaf| u64::from(*leaf)))
        .numbers("taken", survey.taken.iter().map(|(at, _)| *at as u64))
        .numbers("taken_by", survey.taken.iter().map(|(_, leaf)| u64::from(*leaf)))
        .numbers("clashing", survey.clashing.iter().map(|at| *at as u64))
        .number("leaves", survey.leaves as u64)
        .number("members", survey.members as u64)
        .number("commit_bytes", survey.commit_bytes as u64)
        .number("member_bytes", survey.member_bytes as u64)
        .number("welcome_bytes", survey.welcome_bytes as u64)
        .number("tree_bytes", survey.tree_bytes as u64)
        .number("node_bytes", survey.node_bytes as u64)
}

/// Says what kind of message it is.
pub(super) fn kind(line: Json, kind: &MessageKind) -> Json {
    match kind {
        MessageKind::KeyPackage => line.text("kind", "key_package"),
        MessageKind::Welcome => line.text("kind", "welcome"),
        MessageKind::Commit { group_id, epoch } => {
            line.text("kind", "commit").hex("group_id", group_id).number("epoch", *epoch)
        }
        MessageKind::Proposal { group_id, epoch } => {
            line.text("kind", "proposal").hex("group_id", group_id).number("epoch", *epoch)
        }
        MessageKind::Other => line.text("kind", "other"),
    }
}
