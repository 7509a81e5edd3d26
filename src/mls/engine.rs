//! [`Engine`] for [`MlsEngine`]: each call with the time it happens at.

use std::sync::Arc;

use bytes::Bytes;
use mls_rs::ExtensionList;
use mls_rs::client_builder::MlsConfig;
use mls_rs::mls_rs_codec::MlsEncode;
use mls_rs::time::MlsTime;

use crate::codec::params;
use crate::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, GroupView, Judged, Kdf, KeyPackageClaim,
    KeyPackageInfo, Member, MessageKind, OwnKeyPackage, RatchetTreeObject, StagedCommit, Survey, WelcomeInfo,
};
use crate::mls::client::MlsEngine;
use crate::mls::error::{Stop, judged, provider};
use crate::mls::group::MlsGroup;
use crate::mls::judging::kind;
use crate::mls::leaves::leaves;
use crate::mls::message::{extension, mls_time};
use crate::mls::params::group_params;
use crate::mls::settings::{CLOCK_SKEW, PARAMS_EXTENSION};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

impl<C: MlsConfig> Engine for MlsEngine<C> {
    type Group = MlsGroup<C>;

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        self.primitives.sha256(data)
    }

    fn is_service_key(&self, key: &[u8]) -> bool {
        key.len() == 32
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.primitives.verify_ed25519(service_key, message, signature)
    }

    fn random(&mut self) -> Result<u64, EngineError> {
        self.primitives.random()
    }

    fn generate_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError> {
        // A client that needs another KeyPackage did not join by that one.
        *self.welcomed() = None;
        let origin = self.origin(group, object_id)?;
        let begins = mls_time(now).seconds_since_epoch().saturating_sub(CLOCK_SKEW.as_secs());
        let _guard = self.slots();
        let message = self
            .client
            .generate_key_package_message(ExtensionList::new(), origin, Some(MlsTime::from(begins)))
            .map_err(provider)?;
        let (reference, data) =
            self.key_packages.take().ok_or(EngineError::Unsupported("mls-rs stored no KeyPackage"))?;
        Ok(OwnKeyPackage {
            object_id,
            message: message.to_bytes().map_err(provider)?.into(),
            key_package_ref: reference.into(),
            expires: Timestamp::from_secs(data.expiration),
            secret: Secret::new(data.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?),
        })
    }

    fn peek_key_package(&self, message: &Bytes) -> Judged<KeyPackageClaim> {
        judged(self.claimed(message))
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo> {
        judged(self.judge_key_package(now, message))
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &ContextParams,
        object_id: u64,
    ) -> Result<MlsGroup<C>, EngineError> {
        // Members that know only the draft can be in a group without our extension alone.
        let params = if *params == ContextParams::draft() {
            ExtensionList::new()
        } else {
            extension(PARAMS_EXTENSION, params::encode(params))
        };
        let origin = self.origin(group, object_id)?;
        self.client
            .create_group_with_id(group.as_bytes().to_vec(), params, origin, Some(mls_time(now)))
            .map(|group| MlsGroup::new(Box::new(group)))
            .map_err(provider)
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        judged(self.judge_welcome(welcome, keys))
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<MlsGroup<C>> {
        judged(self.join_by(now, welcome, key, tree))
    }

    fn view(&self, group: &MlsGroup<C>) -> Result<GroupView, EngineError> {
        self.with(group, |group| {
            Ok(GroupView {
                group_id: Bytes::copy_from_slice(group.group_id()),
                epoch: group.current_epoch(),
                context_hash: self.context_hash(group.context())?,
                leaf_index: group.current_member_index(),
                members: group.roster().member_identities_iter().count(),
                // Readable since the group was entered: no commit changes the extensions.
                params: group_params(&group.context().extensions).map_err(EngineError::unexpected)?,
            })
        })
    }

    fn roster(&self, group: &MlsGroup<C>) -> Result<Vec<Member>, EngineError> {
        // The identity provider was asked about each leaf when it came in.
        self.with(group, |group| {
            let tree = group.export_tree();
            leaves(&tree).map(|(at, leaf)| self.member(group, at, leaf).map_err(Stop::ours)).collect()
        })
    }

    fn credential_valid(&self, group: &MlsGroup<C>, member: &Member, now: Timestamp) -> bool {
        self.with(group, |group| {
            let Some(held) = group.member_at_index(member.leaf_index) else { return Ok(false) };
            Ok::<_, EngineError>(
                self.fingerprint(&held.signing_identity).is_ok_and(|sender| sender == member.sender)
                    && self.validate_credential(group, &held.signing_identity, now).is_ok(),
            )
        })
        .unwrap_or(false)
    }

    fn classify(&self, message: &Bytes) -> Judged<MessageKind> {
        Ok(kind(message))
    }

    fn stage_commit_with(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Judged<StagedCommit<MlsGroup<C>>> {
        judged(self.judge_commit(group, now, commit, proposals))
    }

    fn inspect_proposal(&self, group: &MlsGroup<C>, _: Timestamp, message: &Bytes) -> Judged<()> {
        judged(self.judge_proposal(group, message))
    }

    fn survey(
        &self,
        group: &MlsGroup<C>,
        key_packages: &[Bytes],
        by_sealing: bool,
    ) -> Result<Survey, EngineError> {
        self.with(group, |group| self.look_over(group, key_packages, by_sealing))
    }

    fn create_commit_with(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        attached: &Attached,
    ) -> Judged<CommitOutput<MlsGroup<C>>> {
        let tree = match &attached.tree {
            Some(place) => Some(RatchetTreeObject { place: place.clone(), key: self.primitives.tree_key()? }),
            None => None,
        };
        judged(self.commit(group, now, adds, removes, tree.as_ref(), attached.spent))
    }

    fn open_tree(&self, tree: &RatchetTreeObject, payload: &Bytes) -> Judged<Bytes> {
        Ok(self.primitives.open(&tree.key, payload).map(Bytes::from))
    }

    fn propose_leave(&self, group: &MlsGroup<C>, _now: Timestamp) -> Result<Bytes, EngineError> {
        let mut clone = self.cloned(group)?;
        let own = clone.current_member_index();
        let message = clone.propose_remove(own, Vec::new()).map_err(provider)?;
        message.to_bytes().map(Bytes::from).map_err(provider)
    }

    fn open_leave(&self, group: &MlsGroup<C>, _: Timestamp, message: &Bytes) -> Judged<u32> {
        judged(self.judge_leave(group, message))
    }

    fn seal(&self, group: &MlsGroup<C>, data: &[u8]) -> Result<Bytes, EngineError> {
        let mut clone = self.cloned(group)?;
        let message = clone.encrypt_application_message(data, Vec::new()).map_err(provider)?;
        message.to_bytes().map(Bytes::from).map_err(provider)
    }

    fn open(&self, group: &MlsGroup<C>, now: Timestamp, message: &Bytes) -> Judged<(u32, Bytes)> {
        judged(self.judge_application(group, now, message))
    }

    fn export_secret(
        &self,
        group: &MlsGroup<C>,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let secret = self.with(group, |g| g.export_secret(label, context, len).map_err(provider))?;
        Ok(Secret::new(secret.to_vec()))
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        self.primitives.clone()
    }

    fn epoch_authenticator(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        self.with(group, |g| Ok(Bytes::copy_from_slice(&g.epoch_authenticator().map_err(provider)?)))
    }

    fn save(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        self.save_group(group)
    }

    fn load(&self, bytes: &Bytes) -> Result<MlsGroup<C>, EngineError> {
        self.load_group(bytes)
    }
}
