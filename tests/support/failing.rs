//! An engine whose provider fails when a test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use moq_mls::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, GroupView, Judged, Kdf, KeyPackageClaim,
    KeyPackageInfo, Member, MessageKind, OwnKeyPackage, RatchetTreeObject, Rejection, StagedCommit, Survey,
    WelcomeInfo,
};
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Secret, Timestamp};

/// What a failure of [`Failing`] says.
pub const FAILURE: &str = "made to fail";

/// Which call fails. Clones are one plan.
#[derive(Clone, Default)]
pub struct Plan(Arc<Mutex<Calls>>);

#[derive(Default)]
struct Calls {
    /// A method, how many of its calls are still to work, and the error of the one after.
    next: Option<(&'static str, u64, EngineError)>,
    failed: u64,
    /// How many commits are still to be refused.
    refused: u64,
    made: BTreeMap<&'static str, u64>,
}

impl Plan {
    /// Lets a later call of `method` fail, once: the next one, or the one after so many that work.
    pub fn fail(&self, method: &'static str, after: u64) {
        self.fail_with(method, after, EngineError::Provider(FAILURE.into()));
    }

    /// The same, with an error of the test's own.
    pub fn fail_with(&self, method: &'static str, after: u64, error: EngineError) {
        self.0.lock().unwrap().next = Some((method, after, error));
    }

    /// Lets no commit be built for so many calls.
    pub fn refuse(&self, calls: u64) {
        self.0.lock().unwrap().refused = calls;
    }

    fn refuses(&self) -> bool {
        let refused = &mut self.0.lock().unwrap().refused;
        let left = *refused;
        *refused = left.saturating_sub(1);
        left > 0
    }

    /// How many calls failed.
    pub fn failed(&self) -> u64 {
        self.0.lock().unwrap().failed
    }

    /// How often each method was called.
    pub fn made(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap().made.clone()
    }

    fn call(&self, method: &'static str) -> Result<(), EngineError> {
        let mut calls = self.0.lock().unwrap();
        *calls.made.entry(method).or_default() += 1;
        if let Some((of, after, _)) = &mut calls.next
            && *of == method
            && *after > 0
        {
            *after -= 1;
        } else if let Some((.., error)) = calls.next.take_if(|(of, ..)| *of == method) {
            calls.failed += 1;
            return Err(error);
        }
        Ok(())
    }
}

/// Does what `inner` does, until the plan lets it fail.
#[derive(Clone)]
pub struct Failing<E> {
    pub inner: E,
    pub plan: Plan,
}

impl<E: Engine> Engine for Failing<E> {
    type Group = E::Group;

    fn sender_id(&self) -> &SenderId {
        self.inner.sender_id()
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        self.plan.call("sha256")?;
        self.inner.sha256(data)
    }

    fn is_service_key(&self, key: &[u8]) -> bool {
        self.inner.is_service_key(key)
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.inner.verify_receipt(service_key, message, signature)
    }

    fn random(&mut self) -> Result<u64, EngineError> {
        self.plan.call("random")?;
        self.inner.random()
    }

    fn generate_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError> {
        self.plan.call("generate_key_package")?;
        self.inner.generate_key_package(now, group, object_id)
    }

    fn peek_key_package(&self, message: &Bytes) -> Judged<KeyPackageClaim> {
        self.plan.call("peek_key_package")?;
        self.inner.peek_key_package(message)
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo> {
        self.plan.call("inspect_key_package")?;
        self.inner.inspect_key_package(now, message)
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &ContextParams,
        object_id: u64,
    ) -> Result<E::Group, EngineError> {
        self.plan.call("create")?;
        self.inner.create(now, group, params, object_id)
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        self.plan.call("examine_welcome")?;
        self.inner.examine_welcome(welcome, keys)
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<E::Group> {
        self.plan.call("join")?;
        self.inner.join(now, welcome, key, tree)
    }

    fn view(&self, group: &E::Group) -> Result<GroupView, EngineError> {
        self.plan.call("view")?;
        self.inner.view(group)
    }

    fn roster(&self, group: &E::Group) -> Result<Vec<Member>, EngineError> {
        self.plan.call("roster")?;
        self.inner.roster(group)
    }

    fn credential_valid(&self, group: &E::Group, member: &Member, now: Timestamp) -> bool {
        self.inner.credential_valid(group, member, now)
    }

    fn classify(&self, message: &Bytes) -> Judged<MessageKind> {
        self.plan.call("classify")?;
        self.inner.classify(message)
    }

    fn stage_commit_with(
        &self,
        group: &E::Group,
        now: Timestamp,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Judged<StagedCommit<E::Group>> {
        self.plan.call("stage_commit")?;
        self.inner.stage_commit_with(group, now, commit, proposals)
    }

    fn inspect_proposal(&self, group: &E::Group, now: Timestamp, message: &Bytes) -> Judged<()> {
        self.plan.call("inspect_proposal")?;
        self.inner.inspect_proposal(group, now, message)
    }

    fn survey(
        &self,
        group: &E::Group,
        key_packages: &[Bytes],
        by_sealing: bool,
    ) -> Result<Survey, EngineError> {
        self.plan.call("survey")?;
        self.inner.survey(group, key_packages, by_sealing)
    }

    fn create_commit_with(
        &self,
        group: &E::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        attached: &Attached,
    ) -> Judged<CommitOutput<E::Group>> {
        self.plan.call(if attached.tree.is_some() { "create_commit_apart" } else { "create_commit" })?;
        if attached.tree.is_none() && self.plan.refuses() {
            return Ok(Err(Rejection::Invalid("made to be refused".into())));
        }
        self.inner.create_commit_with(group, now, adds, removes, attached)
    }

    fn open_tree(&self, tree: &RatchetTreeObject, payload: &Bytes) -> Judged<Bytes> {
        self.plan.call("open_tree")?;
        self.inner.open_tree(tree, payload)
    }

    fn propose_leave(&self, group: &E::Group, now: Timestamp) -> Result<Bytes, EngineError> {
        self.plan.call("propose_leave")?;
        self.inner.propose_leave(group, now)
    }

    fn open_leave(&self, group: &E::Group, now: Timestamp, message: &Bytes) -> Judged<u32> {
        self.plan.call("open_leave")?;
        self.inner.open_leave(group, now, message)
    }

    fn seal(&self, group: &E::Group, data: &[u8]) -> Result<Bytes, EngineError> {
        self.plan.call("seal")?;
        self.inner.seal(group, data)
    }

    fn open(&self, group: &E::Group, now: Timestamp, message: &Bytes) -> Judged<(u32, Bytes)> {
        self.plan.call("open")?;
        self.inner.open(group, now, message)
    }

    fn export_secret(
        &self,
        group: &E::Group,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        self.plan.call("export_secret")?;
        self.inner.export_secret(group, label, context, len)
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        self.inner.kdf()
    }

    fn epoch_authenticator(&self, group: &E::Group) -> Result<Bytes, EngineError> {
        self.plan.call("epoch_authenticator")?;
        self.inner.epoch_authenticator(group)
    }

    fn save(&self, group: &E::Group) -> Result<Bytes, EngineError> {
        self.plan.call("save")?;
        self.inner.save(group)
    }

    fn load(&self, bytes: &Bytes) -> Result<E::Group, EngineError> {
        self.plan.call("load")?;
        self.inner.load(bytes)
    }
}
