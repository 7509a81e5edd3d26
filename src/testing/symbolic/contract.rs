//! What an engine has to do, without cryptography.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::params;
use crate::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, GroupView, Judged, Kdf, KeyPackageClaim,
    KeyPackageInfo, Member, MessageKind, OwnKeyPackage, RatchetTreeObject, Rejection, StagedCommit, Survey,
    TREE_KEY_LEN, WelcomeInfo,
};
use crate::secret::Secret;
use crate::testing::sha256;
use crate::testing::symbolic::engine::{SymbolicEngine, origin};
use crate::testing::symbolic::group::{SymbolicGroup, group_params};
use crate::testing::symbolic::leaf::Tree;
use crate::testing::symbolic::message::{Commit, Header, KeyPackage, Leave, State, Welcome, invalid, public};
use crate::testing::symbolic::mix::mix;
use crate::testing::symbolic::outside::receipt;
use crate::testing::symbolic::sealed::Sealed;
use crate::testing::symbolic::wire::{Kind, Reader};
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

fn kind(message: &Bytes) -> Result<MessageKind, Rejection> {
    let (kind, mut from) = Reader::open(message)?;
    let kind = match kind {
        Kind::KeyPackage => KeyPackage::read(&mut from).map(|_| MessageKind::KeyPackage)?,
        Kind::Welcome => Welcome::read(&mut from).map(|_| MessageKind::Welcome)?,
        Kind::Commit => {
            let Header { group_id, epoch } = Commit::read(&mut from)?.header;
            MessageKind::Commit { group_id, epoch }
        }
        Kind::Leave => {
            let Header { group_id, epoch } = Leave::read(&mut from)?.header;
            MessageKind::Proposal { group_id, epoch }
        }
        Kind::Tree => Tree::read(&mut from).map(|_| MessageKind::Other)?,
        Kind::Sealed => Sealed::read(&mut from).map(|_| MessageKind::Other)?,
        Kind::Other => MessageKind::Other,
        Kind::Saved => return Err(Rejection::Malformed),
    };
    match from.end() {
        // A header is read without a key, and so without a check.
        Ok(()) | Err(Rejection::Invalid(_)) => Ok(kind),
        Err(error) => Err(error),
    }
}

fn open_tree(tree: &RatchetTreeObject, payload: &Bytes) -> Result<Bytes, Rejection> {
    let Tree { key, leaves } = Tree::decode(payload)?;
    if key != tree.key.as_bytes() {
        return Err(invalid("a tree under another key"));
    }
    Ok(Tree { key: Bytes::new(), leaves }.encode())
}

impl Engine for SymbolicEngine {
    type Group = SymbolicGroup;

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        Ok(sha256(data))
    }

    fn is_service_key(&self, _: &[u8]) -> bool {
        true
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        receipt(service_key, message) == signature
    }

    fn random(&mut self) -> Result<u64, EngineError> {
        let [a, b, c, d, e, f, g, h, ..] = self.draw("random");
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn generate_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError> {
        Ok(self.key_package(now, Some(origin(group, object_id)), false))
    }

    fn peek_key_package(&self, message: &Bytes) -> Judged<KeyPackageClaim> {
        Ok(KeyPackage::decode(message).map(|KeyPackage { leaf, .. }| KeyPackageClaim {
            sender: leaf.sender,
            object_id: leaf.origin.map(|origin| origin.object_id),
            group: leaf.origin.map(|origin| origin.group),
        }))
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo> {
        Ok(self.judge_key_package(now, message))
    }

    fn create(
        &mut self,
        _now: Timestamp,
        group: &GroupName,
        params: &ContextParams,
        object_id: u64,
    ) -> Result<SymbolicGroup, EngineError> {
        let params = (*params != ContextParams::draft()).then(|| Bytes::from(params::encode(params)));
        let fresh = self.draw("create");
        let leaf = self.leaf(Some(origin(group, object_id)), public(&fresh));
        let state = State {
            group_id: group.as_bytes().clone(),
            epoch: 0,
            context: mix("genesis", &[group.as_bytes(), params.as_deref().unwrap_or_default(), &fresh]),
            keys: mix("genesis keys", &[&fresh]),
            params,
            leaves: vec![Some(leaf)],
        };
        Ok(SymbolicGroup { own: 0, state: Arc::new(state) })
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        Ok(self.judge_welcome(welcome, keys))
    }

    fn join(
        &mut self,
        _now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<SymbolicGroup> {
        Ok(self.join_by(welcome, key, tree))
    }

    fn view(&self, group: &SymbolicGroup) -> Result<GroupView, EngineError> {
        let state = &group.state;
        Ok(GroupView {
            group_id: state.group_id.clone(),
            epoch: state.epoch,
            context_hash: state.context,
            leaf_index: group.own,
            members: state.members().count(),
            params: group_params(state).map_err(EngineError::unexpected)?,
        })
    }

    fn roster(&self, group: &SymbolicGroup) -> Result<Vec<Member>, EngineError> {
        Ok(group.state.members().map(|(leaf, member)| member.member(leaf)).collect())
    }

    fn credential_valid(&self, group: &SymbolicGroup, member: &Member, _now: Timestamp) -> bool {
        group
            .state
            .at(member.leaf_index)
            .is_some_and(|leaf| leaf.sender == member.sender && self.trusts(leaf).is_ok())
    }

    fn classify(&self, message: &Bytes) -> Judged<MessageKind> {
        Ok(kind(message))
    }

    /// No commit of its own refers to proposals.
    fn stage_commit_with(
        &self,
        group: &SymbolicGroup,
        _now: Timestamp,
        commit: &Bytes,
        _proposals: &[Bytes],
    ) -> Judged<StagedCommit<SymbolicGroup>> {
        Ok(self.judge_commit(group, commit))
    }

    fn inspect_proposal(&self, _: &SymbolicGroup, _: Timestamp, _: &Bytes) -> Judged<()> {
        Ok(Err(Rejection::Forbidden("a proposal by reference")))
    }

    /// The bytes are bounds for symbolic messages.
    fn survey(
        &self,
        group: &SymbolicGroup,
        key_packages: &[Bytes],
        _by_sealing: bool,
    ) -> Result<Survey, EngineError> {
        Ok(self.look_over(group, key_packages))
    }

    fn create_commit_with(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        attached: &Attached,
    ) -> Judged<CommitOutput<SymbolicGroup>> {
        let tree = attached.tree.as_ref().map(|place| {
            // One key per state and committer stands for a fresh one: a second commit has other leaves at most.
            let key = mix("tree key", &[&group.state.keys, self.sender.as_bytes()]);
            let key = Secret::new(key.into_iter().take(TREE_KEY_LEN).collect());
            RatchetTreeObject { place: place.clone(), key }
        });
        Ok(self.commit(group, now, adds, removes, false, tree.as_ref(), attached.spent))
    }

    fn open_tree(&self, tree: &RatchetTreeObject, payload: &Bytes) -> Judged<Bytes> {
        Ok(open_tree(tree, payload))
    }

    fn propose_leave(&self, group: &SymbolicGroup, _now: Timestamp) -> Result<Bytes, EngineError> {
        let state = &group.state;
        Ok(Leave { header: state.header(), parent: state.seal(), leaf: group.own }.encode())
    }

    fn open_leave(&self, group: &SymbolicGroup, _now: Timestamp, message: &Bytes) -> Judged<u32> {
        Ok(group.open_leave(message))
    }

    fn seal(&self, group: &SymbolicGroup, data: &[u8]) -> Result<Bytes, EngineError> {
        Ok(Sealed::new(group, data).encode())
    }

    fn open(&self, group: &SymbolicGroup, _now: Timestamp, message: &Bytes) -> Judged<(u32, Bytes)> {
        Ok(Sealed::decode(message).and_then(|sealed| sealed.open(group)))
    }

    fn export_secret(
        &self,
        group: &SymbolicGroup,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let root = mix("exporter", &[&group.state.keys, label, context]);
        SymbolicKdf.expand(&root, b"exporter", len)
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        Arc::new(SymbolicKdf)
    }

    fn epoch_authenticator(&self, group: &SymbolicGroup) -> Result<Bytes, EngineError> {
        Ok(Bytes::copy_from_slice(&mix("authenticator", &[&group.state.keys])))
    }

    fn save(&self, group: &SymbolicGroup) -> Result<Bytes, EngineError> {
        Ok(group.state.save(group.own))
    }

    fn load(&self, bytes: &Bytes) -> Result<SymbolicGroup, EngineError> {
        let (own, state) = State::load(bytes).map_err(|_| EngineError::State)?;
        Ok(SymbolicGroup { own, state: Arc::new(state) })
    }
}

struct SymbolicKdf;

impl Kdf for SymbolicKdf {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        Ok(Secret::new(mix("extract", &[salt, ikm]).to_vec()))
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError> {
        let blocks = (0_u64..).flat_map(|i| mix("expand", &[prk, info, &i.to_be_bytes()]));
        Ok(Secret::new(blocks.take(len).collect()))
    }

    fn hash_len(&self) -> usize {
        32
    }
}
