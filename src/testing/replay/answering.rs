//! An engine that says what another said.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;

use super::failing::failed;
use super::reading::{
    credential, flag, hash, hex, leaf_key, list, mark, maybe_hex, mode, number, policy, sender, sequence,
    small, text, tree_object,
};
use crate::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, GroupView, Judged, Kdf, KeyPackageClaim,
    KeyPackageInfo, Member, MessageKind, Next, OwnKeyPackage, RatchetTreeObject, StagedCommit, Survey,
    WelcomeInfo,
};
use crate::secret::Secret;
use crate::testing::seeded_crypto::sha256;
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// What stands for an exported secret that the log withholds: what is hashed with it in is in the log.
const STAND_IN: &[u8; 16] = b"withheld secret ";

/// Answers that wait to be asked for, in order. Clones are one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Mutex<VecDeque<Value>>>);

impl Answers {
    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, answer: Value) {
        self.queue().push_back(answer);
    }

    pub(super) fn clear(&self) {
        self.queue().clear();
    }
}

/// The log has no answer to what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the log does not have it: {0}")]
struct NotThere(String);

/// Answers from a log, in its order. A group is nothing: the log knows which. What the log withholds is zeros.
#[derive(Clone, Debug)]
pub(super) struct AnsweringEngine {
    sender: SenderId,
    answers: Answers,
}

/// No state of a group, and no tree, is larger.
const MOST_SECRET_BYTES: u64 = 1 << 26;

type Read<T> = Result<T, String>;

impl AnsweringEngine {
    pub(super) fn new(sender: SenderId, answers: Answers) -> Self {
        Self { sender, answers }
    }

    /// The next answer, if it is to this question.
    fn next(&self, question: &str) -> Read<Value> {
        let mut queue = self.answers.queue();
        match queue.front() {
            Some(answer) if answer.get("answer").and_then(Value::as_str) == Some(question) => {}
            _ => return Err(question.to_owned()),
        }
        queue.pop_front().ok_or_else(|| question.to_owned())
    }

    /// Returns the answer about an own state.
    fn answer<T>(&self, question: &str, read: impl FnOnce(&Value) -> Read<T>) -> Result<T, EngineError> {
        let answer = self.next(question).map_err(not_there)?;
        match failed(&answer).map_err(not_there)? {
            Some(failed) => Err(failed.failure()),
            None => read(&answer).map_err(not_there),
        }
    }

    /// The answer about what a peer made.
    fn judged<T>(&self, question: &str, read: impl FnOnce(&Value) -> Read<T>) -> Judged<T> {
        let answer = self.next(question).map_err(not_there)?;
        match failed(&answer).map_err(not_there)? {
            Some(failed) => failed.rejection().map(Err),
            None => read(&answer).map(Ok).map_err(not_there),
        }
    }

    fn good(&self, question: &str) -> bool {
        self.next(question).is_ok_and(|answer| flag(&answer, "good") == Ok(true))
    }
}

fn not_there(what: String) -> EngineError {
    EngineError::Provider(Box::new(NotThere(what)))
}

/// The secret, or as many zeros.
fn secret(line: &Value, name: &str) -> Read<Bytes> {
    match line.get(name) {
        Some(Value::String(_)) => hex(line, name),
        // More than any group state has: such a log is not worth the memory.
        _ if number(line, name)? > MOST_SECRET_BYTES => Err(format!("{name:?} is too large")),
        _ => Ok(vec![0; small(line, name)?].into()),
    }
}

fn member(line: &Value) -> Read<Member> {
    Ok(Member {
        leaf_index: small(line, "leaf")?,
        sender: sender(line, "sender")?,
        identity: hex(line, "identity")?,
        credential: credential(line)?,
        key_package_object_id: sequence(line)?,
        leaf_key: leaf_key(line)?,
    })
}

fn members(line: &Value, name: &str) -> Read<Vec<Member>> {
    list(line, name)?.iter().map(member).collect()
}

fn params(line: &Value) -> Read<Option<ContextParams>> {
    let Some(line) = line.get("params") else { return Ok(None) };
    let service_key_hash =
        line.get("service_key_hash").map(|_| hash(line, "service_key_hash")).transpose()?;
    Ok(Some(ContextParams {
        mode: mode(line)?,
        commit_tracks: policy(line)?,
        tree_objects: flag(line, "tree_objects")?,
        service_key_hash,
        epoch_base: line.get("epoch_base").map_or(Ok(0), |_| number(line, "epoch_base"))?,
    }))
}

fn next(line: &Value) -> Read<Next<()>> {
    Ok(Next { group: (), context_hash: hash(line, "context_hash")? })
}

fn numbers<T: TryFrom<u64>>(line: &Value, name: &str) -> Read<Vec<T>> {
    let small =
        |v: &Value| v.as_u64().and_then(|n| n.try_into().ok()).ok_or(format!("{name:?} is too large"));
    list(line, name)?.iter().map(small).collect()
}

fn survey(line: &Value) -> Read<Survey> {
    Ok(Survey {
        invalid_leaves: numbers(line, "invalid_leaves")?,
        taken: numbers(line, "taken")?.into_iter().zip(numbers(line, "taken_by")?).collect(),
        clashing: numbers(line, "clashing")?,
        leaves: small(line, "leaves")?,
        members: small(line, "members")?,
        commit_bytes: small(line, "commit_bytes")?,
        member_bytes: small(line, "member_bytes")?,
        welcome_bytes: small(line, "welcome_bytes")?,
        tree_bytes: small(line, "tree_bytes")?,
        node_bytes: small(line, "node_bytes")?,
    })
}

fn built(line: &Value) -> Read<CommitOutput<()>> {
    let welcomes = list(line, "welcomes")?.iter().map(|w| Ok((sender(w, "to")?, hex(w, "payload")?)));
    Ok(CommitOutput {
        commit: hex(line, "commit")?,
        welcomes: welcomes.collect::<Read<_>>()?,
        tree: maybe_hex(line, "tree")?,
        added: members(line, "added")?,
        next: next(line)?,
    })
}

impl Engine for AnsweringEngine {
    type Group = ();

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        if data.windows(STAND_IN.len()).any(|part| part == STAND_IN) {
            return self.answer("sha256", |line| hash(line, "hash"));
        }
        Ok(sha256(data))
    }

    fn is_service_key(&self, _: &[u8]) -> bool {
        true
    }

    fn verify_receipt(&self, _: &[u8], _: &[u8], _: &[u8]) -> bool {
        self.good("verify_receipt")
    }

    fn random(&mut self) -> Result<u64, EngineError> {
        self.answer("random", |line| number(line, "bits"))
    }

    fn generate_key_package(
        &mut self,
        _: Timestamp,
        _: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError> {
        self.answer("generate_key_package", |line| {
            Ok(OwnKeyPackage {
                object_id,
                message: hex(line, "payload")?,
                key_package_ref: hex(line, "reference")?,
                secret: Secret::new(secret(line, "secret")?.to_vec()),
                expires: Timestamp::from_millis(number(line, "expires")?),
            })
        })
    }

    fn peek_key_package(&self, _: &Bytes) -> Judged<KeyPackageClaim> {
        self.judged("peek_key_package", |line| {
            Ok(KeyPackageClaim {
                sender: sender(line, "sender")?,
                object_id: sequence(line)?,
                group: line.get("group").map(|_| mark(line)).transpose()?,
            })
        })
    }

    fn inspect_key_package(&self, _: Timestamp, _: &Bytes) -> Judged<KeyPackageInfo> {
        self.judged("inspect_key_package", |line| {
            Ok(KeyPackageInfo {
                sender: sender(line, "sender")?,
                identity: hex(line, "identity")?,
                credential: credential(line)?,
                key_package_ref: hex(line, "reference")?,
                object_id: sequence(line)?,
                group: line.get("group").map(|_| mark(line)).transpose()?,
                leaf_key: leaf_key(line)?,
                begins: Timestamp::from_millis(number(line, "begins")?),
                expires: Timestamp::from_millis(number(line, "expires")?),
            })
        })
    }

    fn create(&mut self, _: Timestamp, _: &GroupName, _: &ContextParams, _: u64) -> Result<(), EngineError> {
        self.answer("create", |_| Ok(()))
    }

    fn examine_welcome(&self, _: &Bytes, _: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        self.judged("examine_welcome", |line| {
            Ok(WelcomeInfo {
                group_id: hex(line, "group_id")?,
                epoch: number(line, "epoch")?,
                context_hash: hash(line, "context_hash")?,
                key_package_ref: hex(line, "reference")?,
                params: params(line)?,
                has_tree: flag(line, "has_tree")?,
                spent: line.get("spent").map(|_| number(line, "spent")).transpose()?,
                tree: line.get("tree").map(tree_object).transpose()?,
            })
        })
    }

    fn join(&mut self, _: Timestamp, _: &Bytes, _: &OwnKeyPackage, _: Option<&Bytes>) -> Judged<()> {
        self.judged("join", |_| Ok(()))
    }

    fn view(&self, _: &()) -> Result<GroupView, EngineError> {
        self.answer("view", |line| {
            Ok(GroupView {
                group_id: hex(line, "group_id")?,
                epoch: number(line, "epoch")?,
                context_hash: hash(line, "context_hash")?,
                leaf_index: small(line, "leaf")?,
                members: small(line, "members")?,
                params: params(line)?,
            })
        })
    }

    fn roster(&self, _: &()) -> Result<Vec<Member>, EngineError> {
        self.answer("roster", |line| members(line, "members"))
    }

    fn credential_valid(&self, _: &(), _: &Member, _: Timestamp) -> bool {
        self.good("credential_valid")
    }

    fn classify(&self, _: &Bytes) -> Judged<MessageKind> {
        self.judged("classify", |line| {
            let at = || Ok::<_, String>((hex(line, "group_id")?, number(line, "epoch")?));
            Ok(match text(line, "kind")? {
                "key_package" => MessageKind::KeyPackage,
                "welcome" => MessageKind::Welcome,
                "commit" => at().map(|(group_id, epoch)| MessageKind::Commit { group_id, epoch })?,
                "proposal" => at().map(|(group_id, epoch)| MessageKind::Proposal { group_id, epoch })?,
                _ => MessageKind::Other,
            })
        })
    }

    fn inspect_proposal(&self, _: &(), _: Timestamp, _: &Bytes) -> Judged<()> {
        self.judged("inspect_proposal", |_| Ok(()))
    }

    fn survey(&self, _: &(), _: &[Bytes], _: bool) -> Result<Survey, EngineError> {
        self.answer("survey", survey)
    }

    fn stage_commit_with(&self, _: &(), _: Timestamp, _: &Bytes, _: &[Bytes]) -> Judged<StagedCommit<()>> {
        self.judged("stage_commit", |line| {
            Ok(StagedCommit {
                committer: small(line, "author")?,
                updated: members(line, "updated")?,
                removed: numbers(line, "removed")?,
                added: members(line, "added")?,
                next: line.get("gives").map(|_| next(line)).transpose()?,
            })
        })
    }

    fn create_commit_with(
        &self,
        _: &(),
        _: Timestamp,
        _: &[Bytes],
        _: &[u32],
        _: &Attached,
    ) -> Judged<CommitOutput<()>> {
        self.judged("create_commit", built)
    }

    fn open_tree(&self, _: &RatchetTreeObject, _: &Bytes) -> Judged<Bytes> {
        self.judged("open_tree", |line| secret(line, "tree"))
    }

    fn propose_leave(&self, _: &(), _: Timestamp) -> Result<Bytes, EngineError> {
        self.answer("propose_leave", |line| hex(line, "payload"))
    }

    fn open_leave(&self, _: &(), _: Timestamp, _: &Bytes) -> Judged<u32> {
        self.judged("open_leave", |line| small(line, "leaf"))
    }

    fn seal(&self, _: &(), _: &[u8]) -> Result<Bytes, EngineError> {
        self.answer("seal", |line| hex(line, "payload"))
    }

    fn open(&self, _: &(), _: Timestamp, _: &Bytes) -> Judged<(u32, Bytes)> {
        self.judged("open", |line| Ok((small(line, "leaf")?, hex(line, "data")?)))
    }

    fn export_secret(&self, _: &(), _: &[u8], _: &[u8], _: usize) -> Result<Secret, EngineError> {
        self.answer("export_secret", |line| {
            let mut exported = secret(line, "secret")?.to_vec();
            if line.get("secret").is_some_and(Value::is_number) {
                exported.iter_mut().zip(STAND_IN.iter().cycle()).for_each(|(to, from)| *to = *from);
            }
            Ok(Secret::new(exported))
        })
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        let bytes: Read<u8> = self.next("kdf").and_then(|line| small(&line, "bytes"));
        Arc::new(Blank(bytes.unwrap_or_default().into()))
    }

    fn epoch_authenticator(&self, _: &()) -> Result<Bytes, EngineError> {
        self.answer("epoch_authenticator", |line| hex(line, "authenticator"))
    }

    fn save(&self, _: &()) -> Result<Bytes, EngineError> {
        self.answer("save", |line| secret(line, "state"))
    }

    fn load(&self, _: &Bytes) -> Result<(), EngineError> {
        self.answer("load", |_| Ok(()))
    }
}

/// A hash of this length that hashes nothing: no secret of a replay is one.
struct Blank(usize);

impl Kdf for Blank {
    fn extract(&self, _: &[u8], _: &[u8]) -> Result<Secret, EngineError> {
        Ok(Secret::new(vec![0; self.0]))
    }

    fn expand(&self, _: &[u8], _: &[u8], len: usize) -> Result<Secret, EngineError> {
        Ok(Secret::new(vec![0; len]))
    }

    fn hash_len(&self) -> usize {
        self.0
    }
}
