//! What an engine answered, written down, so that a run with real randomness can be replayed.
//!
//! Over 400 lines: one trait, whose every method is written down in its own way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, GroupView, Judged, Kdf, KeyPackageClaim,
    KeyPackageInfo, Member, MessageKind, Next, OwnKeyPackage, RatchetTreeObject, StagedCommit, Survey,
    WelcomeInfo,
};
use crate::recording::answer_log::AnswerLog;
use crate::recording::format::Secrets;
use crate::recording::json::Object as Json;
use crate::recording::lines;
use crate::recording::told::{self, about, failure, member, rejected};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// An engine that does what another does, and writes down each answer: see [`recording`](crate::recording) for its use.
///
/// With [`Secrets::Withheld`], private keys, group states, exported secrets and opened ratchet trees are written
/// as their lengths. The key of a tree object is written as a hash. That is enough to replay a run, because the
/// machine hands secrets on and never looks into them; it only hashes some, and what comes of that is written
/// down.
///
/// The cost is one line per question and a hash of what was asked; a roster is written whole, once per
/// epoch. Nothing is written twice, and what is asked outside a recorded step is thrown away.
pub struct RecordedEngine<E> {
    inner: E,
    answers: AnswerLog,
    groups: Mutex<u64>,
    exported: Mutex<VecDeque<Secret>>,
}

/// Of how many exported secrets it is known that they are secret, the newest.
const EXPORTED: usize = 256;
/// What is longer is no message about a secret.
const HASHED: usize = 1024;

/// The clone, for trying out, has a log of its own that nobody reads.
impl<E: Clone> Clone for RecordedEngine<E> {
    fn clone(&self) -> Self {
        let groups = *self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            inner: self.inner.clone(),
            answers: AnswerLog::new(self.answers.secrets),
            groups: Mutex::new(groups),
            exported: Mutex::default(),
        }
    }
}

/// A group state with its number in the log, counted from the participant's last start.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordedGroup<G> {
    number: u64,
    inner: G,
}

/// Half-open results: what to write of an answer.
type Told<T> = (T, Json);

impl<E: Engine> RecordedEngine<E> {
    /// Writes down what `inner` answers from now on. After a restart, pass the same log to the new engine.
    pub fn new(inner: E, answers: &AnswerLog) -> Self {
        // What was left over belongs to a run that is over.
        answers.take();
        Self { inner, answers: answers.clone(), groups: Mutex::default(), exported: Mutex::default() }
    }

    /// The engine that answers.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// Where the answers go.
    pub fn answers(&self) -> &AnswerLog {
        &self.answers
    }

    fn keep(&self, inner: E::Group) -> RecordedGroup<E::Group> {
        let mut next = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next = number.saturating_add(1);
        RecordedGroup { number, inner }
    }

    fn next(&self, next: Next<E::Group>, line: Json) -> Told<Next<RecordedGroup<E::Group>>> {
        let Next { group, context_hash } = next;
        let group = self.keep(group);
        let line = line.number("gives", group.number).hex("context_hash", &context_hash);
        (Next { group, context_hash }, line)
    }

    /// The first 8 bytes of a hash of what was asked: enough to see that the same was asked again.
    fn asked<'a>(&self, line: Json, parts: impl IntoIterator<Item = &'a [u8]>) -> Json {
        let mut all = Vec::new();
        for part in parts {
            all.extend((part.len() as u64).to_be_bytes());
            all.extend(part);
        }
        match self.inner.sha256(&all) {
            Ok(hash) => line.hex("asked", hash.first_chunk::<8>().map_or(&[], |h| h)),
            Err(_) => line,
        }
    }

    fn secret(&self, line: Json, name: &str, secret: &[u8]) -> Json {
        match self.answers.secrets {
            Secrets::Included => line.hex(name, secret),
            Secrets::Withheld => line.number(name, secret.len() as u64),
        }
    }

    /// Notes a secret that the log withholds.
    fn remember(&self, secret: &Secret) {
        if self.answers.secrets == Secrets::Withheld && !secret.as_bytes().is_empty() {
            let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
            exported.push_back(secret.clone());
            if exported.len() > EXPORTED {
                exported.pop_front();
            }
        }
    }

    /// Whether a withheld secret is in some bytes.
    fn hides(&self, data: &[u8]) -> bool {
        let exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |secret: &Secret| {
            let secret = secret.as_bytes();
            data.windows(secret.len().max(1)).any(|part| part == secret)
        };
        data.len() <= HASHED && exported.iter().any(within)
    }

    fn answer<T, U>(
        &self,
        line: Json,
        result: Result<T, EngineError>,
        tell: impl FnOnce(T, Json) -> Told<U>,
    ) -> Result<U, EngineError> {
        match result {
            Ok(value) => {
                let (value, line) = tell(value, line);
                self.answers.push(line);
                Ok(value)
            }
            Err(error) => {
                self.answers.push(failure(line, &error));
                Err(error)
            }
        }
    }

    fn judged<T, U>(
        &self,
        line: Json,
        result: Judged<T>,
        tell: impl FnOnce(T, Json) -> Told<U>,
    ) -> Judged<U> {
        match result {
            Ok(Ok(value)) => {
                let (value, line) = tell(value, line);
                self.answers.push(line);
                Ok(Ok(value))
            }
            Ok(Err(rejection)) => {
                self.answers.push(rejected(line, &rejection));
                Ok(Err(rejection))
            }
            Err(error) => {
                self.answers.push(told::our_failure(line, &error));
                Err(error)
            }
        }
    }

    fn built(
        &self,
        built: CommitOutput<E::Group>,
        line: Json,
    ) -> Told<CommitOutput<RecordedGroup<E::Group>>> {
        let CommitOutput { commit, welcomes, tree, added, next } = built;
        let mut line = line.hex("commit", &commit).objects(
            "welcomes",
            welcomes.iter().map(|(to, w)| Json::new().hex("to", to.as_bytes()).hex("payload", w)),
        );
        if let Some(tree) = &tree {
            line = line.hex("tree", tree);
        }
        let (next, line) = self.next(next, line.objects("added", added.iter().map(member)));
        (CommitOutput { commit, welcomes, tree, added, next }, line)
    }
}

fn of<G>(name: &str, group: &RecordedGroup<G>) -> Json {
    about(name).number("group", group.number)
}

impl<E: Engine> Engine for RecordedEngine<E> {
    type Group = RecordedGroup<E::Group>;

    fn sender_id(&self) -> &SenderId {
        self.inner.sender_id()
    }

    /// Not written down, unless it is of a secret that is withheld: else, the replay can compute it.
    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        let hash = self.inner.sha256(data);
        if !self.hides(data) {
            return hash;
        }
        self.answer(about("sha256"), hash, |hash, line| (hash, line.hex("hash", &hash)))
    }

    fn is_service_key(&self, key: &[u8]) -> bool {
        self.inner.is_service_key(key)
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let good = self.inner.verify_receipt(service_key, message, signature);
        let line = self.asked(about("verify_receipt"), [service_key, message, signature]);
        self.answers.push(line.flag("good", good));
        good
    }

    fn random(&mut self) -> Result<u64, EngineError> {
        let drawn = self.inner.random();
        self.answer(about("random"), drawn, |bits, line| (bits, line.number("bits", bits)))
    }

    fn generate_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError> {
        let made = self.inner.generate_key_package(now, group, object_id);
        self.answer(about("generate_key_package").number("sequence", object_id), made, |key, line| {
            let line = line.hex("payload", &key.message).hex("reference", &key.key_package_ref);
            let line =
                self.secret(line, "secret", key.secret.as_bytes()).number("expires", key.expires.as_millis());
            (key, line)
        })
    }

    fn peek_key_package(&self, message: &Bytes) -> Judged<KeyPackageClaim> {
        let line = self.asked(about("peek_key_package"), [&message[..]]);
        self.judged(line, self.inner.peek_key_package(message), |claim, line| {
            let line = told::claim(line, &claim);
            (claim, line)
        })
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo> {
        let line = self.asked(about("inspect_key_package"), [&message[..]]);
        self.judged(line, self.inner.inspect_key_package(now, message), |info, line| {
            let line = told::key_package(line, &info);
            (info, line)
        })
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &ContextParams,
        object_id: u64,
    ) -> Result<Self::Group, EngineError> {
        let made = self.inner.create(now, group, params, object_id);
        self.answer(about("create").number("sequence", object_id), made, |group, line| {
            let group = self.keep(group);
            let line = line.number("gives", group.number);
            (group, line)
        })
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        let parts = std::iter::once(&welcome[..]).chain(keys.iter().map(|k| &k.key_package_ref[..]));
        let line = self.asked(about("examine_welcome"), parts);
        self.judged(line, self.inner.examine_welcome(welcome, keys), |info, line| {
            let mut line = told::welcome(line, &info);
            if let Some(tree) = &info.tree {
                let place = lines::tree_place(Json::new(), &tree.place);
                let place = match self.answers.secrets {
                    Secrets::Included => place.hex("key", tree.key.as_bytes()),
                    // The machine compares trees, so what stands for a key must differ as keys do.
                    Secrets::Withheld if self.answers.hashed => place.hex("key_hash", tree.key.as_bytes()),
                    Secrets::Withheld => {
                        let hash = self.inner.sha256(tree.key.as_bytes()).unwrap_or_default();
                        place.hex("key_hash", hash.first_chunk::<16>().map_or(&[], |h| h))
                    }
                };
                line = line.object("tree", place);
            }
            (info, line)
        })
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<Self::Group> {
        let line =
            self.asked(about("join"), [&welcome[..], &key.key_package_ref]).flag("tree", tree.is_some());
        let joined = self.inner.join(now, welcome, key, tree);
        self.judged(line, joined, |group, line| {
            let group = self.keep(group);
            let line = line.number("gives", group.number);
            (group, line)
        })
    }

    fn view(&self, group: &Self::Group) -> Result<GroupView, EngineError> {
        self.answer(of("view", group), self.inner.view(&group.inner), |view, line| {
            let line = told::view(line, &view);
            (view, line)
        })
    }

    fn roster(&self, group: &Self::Group) -> Result<Vec<Member>, EngineError> {
        self.answer(of("roster", group), self.inner.roster(&group.inner), |roster, line| {
            let line = line.objects("members", roster.iter().map(member));
            (roster, line)
        })
    }

    fn credential_valid(&self, group: &Self::Group, member: &Member, now: Timestamp) -> bool {
        let good = self.inner.credential_valid(&group.inner, member, now);
        let line = of("credential_valid", group).number("leaf", u64::from(member.leaf_index));
        self.answers.push(line.flag("good", good));
        good
    }

    fn classify(&self, message: &Bytes) -> Judged<MessageKind> {
        let line = self.asked(about("classify"), [&message[..]]);
        self.judged(line, self.inner.classify(message), |kind, line| {
            let line = told::kind(line, &kind);
            (kind, line)
        })
    }

    fn inspect_proposal(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<()> {
        let line = self.asked(of("inspect_proposal", group), [&message[..]]);
        self.judged(line, self.inner.inspect_proposal(&group.inner, now, message), |(), line| ((), line))
    }

    fn stage_commit_with(
        &self,
        group: &Self::Group,
        now: Timestamp,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Judged<StagedCommit<Self::Group>> {
        let asked = std::iter::once(&commit[..]).chain(proposals.iter().map(|proposal| &proposal[..]));
        let line = self.asked(of("stage_commit", group), asked);
        let staged = self.inner.stage_commit_with(&group.inner, now, commit, proposals);
        self.judged(line, staged, |staged, line| {
            let StagedCommit { committer, updated, removed, added, next } = staged;
            let line = line
                .number("author", u64::from(committer))
                .numbers("removed", removed.iter().map(|leaf| u64::from(*leaf)))
                .objects("updated", updated.iter().map(member))
                .objects("added", added.iter().map(member));
            let (next, line) = match next {
                Some(next) => {
                    let (next, line) = self.next(next, line);
                    (Some(next), line)
                }
                None => (None, line),
            };
            (StagedCommit { committer, updated, removed, added, next }, line)
        })
    }

    fn survey(
        &self,
        group: &Self::Group,
        key_packages: &[Bytes],
        by_sealing: bool,
    ) -> Result<Survey, EngineError> {
        let line = self.asked(of("survey", group), key_packages.iter().map(|k| &k[..]));
        let survey = self.inner.survey(&group.inner, key_packages, by_sealing);
        self.answer(line.flag("by_sealing", by_sealing), survey, |survey, line| {
            let line = told::survey(line, &survey);
            (survey, line)
        })
    }

    fn create_commit_with(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        attached: &Attached,
    ) -> Judged<CommitOutput<Self::Group>> {
        let mut line = self.asked(of("create_commit", group), adds.iter().map(|a| &a[..]));
        line = line.numbers("removes", removes.iter().map(|leaf| u64::from(*leaf)));
        if let Some(place) = &attached.tree {
            line = line.object("at", lines::tree_place(Json::new(), place));
        }
        if let Some(spent) = attached.spent {
            line = line.number("spent", spent);
        }
        let built = self.inner.create_commit_with(&group.inner, now, adds, removes, attached);
        self.judged(line, built, |built, line| self.built(built, line))
    }

    fn open_tree(&self, tree: &RatchetTreeObject, payload: &Bytes) -> Judged<Bytes> {
        let line = self.asked(about("open_tree"), [&payload[..]]);
        self.judged(line, self.inner.open_tree(tree, payload), |tree, line| {
            let line = self.secret(line, "tree", &tree);
            (tree, line)
        })
    }

    fn propose_leave(&self, group: &Self::Group, now: Timestamp) -> Result<Bytes, EngineError> {
        let made = self.inner.propose_leave(&group.inner, now);
        self.answer(of("propose_leave", group), made, |message, line| {
            let line = line.hex("payload", &message);
            (message, line)
        })
    }

    fn open_leave(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<u32> {
        let line = self.asked(of("open_leave", group), [&message[..]]);
        self.judged(line, self.inner.open_leave(&group.inner, now, message), |leaf, line| {
            (leaf, line.number("leaf", u64::from(leaf)))
        })
    }

    fn seal(&self, group: &Self::Group, data: &[u8]) -> Result<Bytes, EngineError> {
        let line = self.asked(of("seal", group), [data]);
        self.answer(line, self.inner.seal(&group.inner, data), |message, line| {
            let line = line.hex("payload", &message);
            (message, line)
        })
    }

    fn open(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<(u32, Bytes)> {
        let line = self.asked(of("open", group), [&message[..]]);
        self.judged(line, self.inner.open(&group.inner, now, message), |(leaf, data), line| {
            let line = line.number("leaf", u64::from(leaf)).hex("data", &data);
            ((leaf, data), line)
        })
    }

    fn export_secret(
        &self,
        group: &Self::Group,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let line = self.asked(of("export_secret", group), [label, context, &(len as u64).to_be_bytes()]);
        self.answer(line, self.inner.export_secret(&group.inner, label, context, len), |secret, line| {
            self.remember(&secret);
            let line = self.secret(line, "secret", secret.as_bytes());
            (secret, line)
        })
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        let kdf = self.inner.kdf();
        self.answers.push(about("kdf").number("bytes", kdf.hash_len() as u64));
        kdf
    }

    fn epoch_authenticator(&self, group: &Self::Group) -> Result<Bytes, EngineError> {
        let found = self.inner.epoch_authenticator(&group.inner);
        self.answer(of("epoch_authenticator", group), found, |authenticator, line| {
            let line = line.hex("authenticator", &authenticator);
            (authenticator, line)
        })
    }

    fn save(&self, group: &Self::Group) -> Result<Bytes, EngineError> {
        self.answer(of("save", group), self.inner.save(&group.inner), |saved, line| {
            let line = self.secret(line, "state", &saved);
            (saved, line)
        })
    }

    fn load(&self, bytes: &Bytes) -> Result<Self::Group, EngineError> {
        self.answer(about("load"), self.inner.load(bytes), |group, line| {
            let group = self.keep(group);
            let line = line.number("gives", group.number);
            (group, line)
        })
    }
}
