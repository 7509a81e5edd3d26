//! [`Engine`] for [`MlsEngine`]: each call with the time it happens at.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{
    CommitEffect, ContentType, ExportedTree, GroupContext, LeafNodeSource, ProposalSender, ReceivedMessage,
};
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::time::MlsTime;
use mls_rs::{ExtensionList, MlsMessageDescription};

use crate::codec::{params, tree_object};
use crate::engine::{
    Built, Engine, EngineError, GroupParams, GroupView, Kdf, KeyPackageInfo, Member, MessageKind,
    OwnKeyPackage, TreeObject, Trial, WelcomeInfo,
};
use crate::mls::client::MlsEngine;
use crate::mls::error::{invalid, provider};
use crate::mls::group::MlsGroup;
use crate::mls::leaves::{LeafKeys, leaf_at, leaves};
use crate::mls::message::{
    credential, extension, gap, group_params, leaf_node, mls_time, parse, removed, sequence,
    sequence_extension, tree_place,
};
use crate::mls::settings::{CLOCK_SKEW, MAX_LIFETIME, PARAMS_EXTENSION, SMALL_WELCOME, TREE_EXTENSION};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{FullTrackName, GroupName, Location, SenderId};

impl<C: MlsConfig> MlsEngine<C> {
    /// One commit, built and applied on a group taken; with `apart`, its Welcomes come without the tree.
    fn commit(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        apart: Option<&TreeObject>,
    ) -> Result<Built<MlsGroup<C>>, EngineError> {
        let (mut next, mut kept) = self.take(group)?;
        removes.iter().for_each(|leaf| kept.remove(*leaf));
        let mut recipients = BTreeMap::new();
        let mut builder = next.commit_builder().commit_time(mls_time(now));
        for leaf in removes {
            builder = builder.remove_member(*leaf).map_err(invalid)?;
        }
        for bytes in adds {
            let message = parse(bytes)?;
            let identity = message.as_key_package().ok_or(EngineError::Malformed)?.signing_identity();
            let sender = self.fingerprint(identity)?;
            recipients.insert(self.primitives.key_package_ref(&message)?, sender);
            builder = builder.add_member(message).map_err(invalid)?;
        }
        if let Some(tree) = apart {
            builder = builder.set_group_info_ext(extension(TREE_EXTENSION, tree_object::encode(tree)));
        }
        let (output, secrets) = {
            let _guard = self.slots();
            self.rules.set_apart(apart.is_some());
            let built = builder.build_detached();
            self.rules.set_apart(false);
            built.map_err(invalid)?
        };
        // Applied on the very group it was built on: the secrets fit no other state, and mls-rs
        // would not notice.
        next.apply_detached_commit(secrets).map_err(provider)?;

        let mut welcomes = Vec::with_capacity(output.welcome_messages.len());
        for welcome in &output.welcome_messages {
            let reference = match welcome.welcome_key_package_references().as_slice() {
                [one] => one.to_vec(),
                _ => return Err(EngineError::Unsupported("a Welcome for more than one")),
            };
            let recipient = recipients
                .remove(&reference)
                .ok_or(EngineError::Unsupported("a Welcome for nobody we added"))?;
            welcomes.push((recipient, welcome.to_bytes().map_err(provider)?.into()));
        }
        if !recipients.is_empty() {
            return Err(EngineError::Unsupported("an add without a Welcome"));
        }
        let tree = match (apart, &output.ratchet_tree) {
            (Some(apart), Some(tree)) => {
                let tree = tree.to_bytes().map_err(provider)?;
                Some(self.primitives.seal(&apart.key, &tree)?.into())
            }
            _ => None,
        };
        let added = self.added(&next, &kept, adds.len())?;
        let author = next.current_member_index();
        Ok(Built {
            commit: output.commit_message.to_bytes().map_err(provider)?.into(),
            welcomes,
            tree,
            next: self.next(next, kept, author, &added)?,
            added,
        })
    }
}

impl<C: MlsConfig> Engine for MlsEngine<C> {
    type Group = MlsGroup<C>;

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        self.primitives.sha256(data)
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.primitives.verify_ed25519(service_key, message, signature)
    }

    fn generate_key_package(&mut self, now: Timestamp, sequence: u64) -> Result<OwnKeyPackage, EngineError> {
        // Whoever needs another KeyPackage did not join by that one.
        *self.welcomed() = None;
        let begins = mls_time(now).seconds_since_epoch().saturating_sub(CLOCK_SKEW.as_secs());
        let _guard = self.slots();
        let message = self
            .client
            .generate_key_package_message(
                ExtensionList::new(),
                sequence_extension(sequence),
                Some(MlsTime::from(begins)),
            )
            .map_err(provider)?;
        let (reference, data) =
            self.key_packages.take().ok_or(EngineError::Unsupported("mls-rs stored no KeyPackage"))?;
        Ok(OwnKeyPackage {
            sequence,
            message: message.to_bytes().map_err(provider)?.into(),
            reference: reference.into(),
            expires: Timestamp::from_secs(data.expiration),
            secret: Secret::new(data.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?),
        })
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, EngineError> {
        let parsed = parse(message)?;
        let key_package = parsed.as_key_package().ok_or(EngineError::Malformed)?;
        if key_package.cipher_suite() != self.suite {
            return Err(EngineError::Unsupported("cipher suite"));
        }
        // MLSMessage is version, wire format, KeyPackage.
        let leaf = leaf_node(message.get(4..).unwrap_or_default())?;
        let LeafNodeSource::KeyPackage(lifetime) = &leaf.leaf_node_source else {
            return Err(EngineError::Malformed);
        };
        if lifetime.not_after < lifetime.not_before {
            return Err(EngineError::Malformed);
        }
        if gap(lifetime.not_before, lifetime.not_after) > MAX_LIFETIME {
            return Err(EngineError::Invalid("a KeyPackage that lives for more than seven days".into()));
        }
        let sequence = sequence(&leaf.extensions)?;
        let params = ExtensionType::new(PARAMS_EXTENSION);
        if sequence.is_some() && !leaf.capabilities.extensions.contains(&params) {
            return Err(EngineError::Unsupported("our leaf extension without our group extension"));
        }
        let identity = key_package.signing_identity();
        let info = KeyPackageInfo {
            sender: self.fingerprint(identity)?,
            identity: self.identity(identity, &ExtensionList::new())?,
            credential: credential(identity)?,
            reference: self.primitives.key_package_ref(&parsed)?.into(),
            sequence,
            expires: Timestamp::from_secs(lifetime.not_after.seconds_since_epoch()),
        };
        match self.scratch(now)?.process_incoming_message_with_time(parsed, mls_time(now)) {
            Ok(ReceivedMessage::KeyPackage(_)) => Ok(info),
            Ok(_) => Err(EngineError::Malformed),
            Err(e) => Err(invalid(e)),
        }
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &GroupParams,
        sequence: u64,
    ) -> Result<MlsGroup<C>, EngineError> {
        // Members that know only the draft can be in a group without our extension alone.
        let params = if *params == GroupParams::draft() {
            ExtensionList::new()
        } else {
            extension(PARAMS_EXTENSION, params::encode(params))
        };
        self.client
            .create_group_with_id(
                group.as_bytes().to_vec(),
                params,
                sequence_extension(sequence),
                Some(mls_time(now)),
            )
            .map(|group| MlsGroup::new(Box::new(group)))
            .map_err(provider)
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, EngineError> {
        self.with_welcomed(welcome, keys, |message, key| {
            let facts = |context: &GroupContext, extensions: &ExtensionList, has_tree| {
                Ok(WelcomeInfo {
                    group_id: Bytes::copy_from_slice(&context.group_id),
                    epoch: context.epoch,
                    context_hash: self.context_hash(context)?,
                    reference: key.reference.clone(),
                    params: group_params(&context.extensions)?,
                    has_tree,
                    tree: tree_place(extensions)?,
                })
            };
            if SMALL_WELCOME.contains(&welcome.len())
                && let Ok((group, info)) = self.client.join_group(None, message, None)
            {
                let facts = facts(group.context(), &info.group_info_extensions, true)?;
                *self.welcomed() = Some((welcome.clone(), key.clone(), Box::new(group)));
                return Ok(facts);
            }
            let info = self.client.examine_welcome_message(message).map_err(invalid)?;
            let has_tree = info.extensions().has_extension(ExtensionType::RATCHET_TREE);
            facts(info.group_context(), info.extensions(), has_tree)
        })
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<MlsGroup<C>, EngineError> {
        let tree = tree
            .map(|bytes| ExportedTree::mls_decode_exhaustive(bytes).map_err(|_| EngineError::Malformed))
            .transpose()?;
        let opened = self.welcomed().take_if(|(of, by, _)| tree.is_none() && of == welcome && by == key);
        let group = match opened {
            Some((.., group)) => group,
            // No time here: a member that has not committed since it joined still has the leaf of
            // its KeyPackage, and must not close the group to newcomers when that expires. (mls-rs
            // reads no clock instead.) Credentials are checked below.
            None => self.with_welcomed(welcome, std::slice::from_ref(key), |message, _| {
                self.client.join_group(tree, message, None).map(|(group, _)| Box::new(group)).map_err(invalid)
            })?,
        };
        group_params(&group.context().extensions)?;
        for identity in group.roster().member_identities_iter() {
            self.validate_credential(&group, identity, now)?;
        }
        Ok(MlsGroup::new(group))
    }

    fn view(&self, group: &MlsGroup<C>) -> Result<GroupView, EngineError> {
        self.with(group, |group| {
            Ok(GroupView {
                group_id: Bytes::copy_from_slice(group.group_id()),
                epoch: group.current_epoch(),
                context_hash: self.context_hash(group.context())?,
                leaf: group.current_member_index(),
                members: group.roster().member_identities_iter().count(),
                params: group_params(&group.context().extensions)?,
            })
        })
    }

    fn roster(&self, group: &MlsGroup<C>) -> Result<Vec<Member>, EngineError> {
        self.with(group, |group| {
            leaves(&group.export_tree()).map(|(at, leaf)| self.member(group, at, leaf)).collect()
        })
    }

    fn credential_valid(&self, group: &MlsGroup<C>, member: &Member, now: Timestamp) -> bool {
        self.with(group, |group| {
            let Some(held) = group.member_at_index(member.leaf) else { return Ok(false) };
            Ok(self.fingerprint(&held.signing_identity).is_ok_and(|sender| sender == member.sender)
                && self.validate_credential(group, &held.signing_identity, now).is_ok())
        })
        .unwrap_or(false)
    }

    fn classify(&self, message: &Bytes) -> Result<MessageKind, EngineError> {
        Ok(match parse(message)?.description() {
            MlsMessageDescription::KeyPackage => MessageKind::KeyPackage,
            MlsMessageDescription::Welcome { .. } => MessageKind::Welcome,
            MlsMessageDescription::PrivateProtocolMessage { group_id, epoch_id, content_type }
            | MlsMessageDescription::PublicProtocolMessage { group_id, epoch_id, content_type, .. } => {
                let group_id = Bytes::copy_from_slice(group_id);
                match content_type {
                    ContentType::Commit => MessageKind::Commit { group_id, epoch: epoch_id },
                    ContentType::Proposal => MessageKind::Proposal { group_id, epoch: epoch_id },
                    ContentType::Application => MessageKind::Other,
                }
            }
            MlsMessageDescription::GroupInfo => MessageKind::Other,
        })
    }

    fn trial(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        commit: &Bytes,
    ) -> Result<Trial<MlsGroup<C>>, EngineError> {
        let mut before = LeafKeys::default();
        let take = |engine: &Self, group: &MlsGroup<C>| {
            let (next, keys) = engine.take(group)?;
            before = keys;
            Ok(next)
        };
        let (next, received) = self.process(group, take, now, commit, ContentType::Commit)?;
        let ReceivedMessage::Commit(commit) = received else { return Err(EngineError::Malformed) };
        if commit.is_external {
            return Err(EngineError::Forbidden("an external commit"));
        }
        let (epoch, stays) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, true),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, false),
            CommitEffect::ReInit(_) => return Err(EngineError::Forbidden("a reinitialization")),
        };
        let removed = removed(epoch);
        let author = commit.committer;
        // Only a path gives the committer another leaf key. mls-rs asks for one where RFC 9420
        // does, which is not where all there is are adds.
        let unchanged = || {
            let tree = next.export_tree();
            let leaf = leaf_at(&tree, author)?;
            Ok::<_, EngineError>(before.at(author) == leaf.map(|leaf| &leaf.public_key[..]))
        };
        if stays && unchanged()? {
            return Err(EngineError::Forbidden("a commit without a path"));
        }
        let mut kept = before;
        removed.iter().for_each(|leaf| kept.remove(*leaf));
        if !stays {
            let added = self.added_without_us(&next, epoch, &kept)?;
            return Ok(Trial { author, removed, added, next: None });
        }
        let adds = epoch.applied_proposals.iter().filter(|p| matches!(p.proposal, Proposal::Add(_))).count();
        let added = self.added(&next, &kept, adds)?;
        let next = self.next(next, kept, author, &added)?;
        Ok(Trial { author, removed, added, next: Some(next) })
    }

    fn build(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Result<Built<MlsGroup<C>>, EngineError> {
        self.commit(group, now, adds, removes, None)
    }

    fn build_apart(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        track: &FullTrackName,
        location: Location,
    ) -> Result<Built<MlsGroup<C>>, EngineError> {
        let key = self.primitives.tree_key()?;
        let tree = TreeObject { track: track.clone(), location, key };
        self.commit(group, now, adds, removes, Some(&tree))
    }

    fn open_tree(&self, tree: &TreeObject, payload: &Bytes) -> Result<Bytes, EngineError> {
        self.primitives.open(&tree.key, payload).map(Bytes::from)
    }

    fn propose_leave(&self, group: &MlsGroup<C>, _now: Timestamp) -> Result<Bytes, EngineError> {
        let mut clone = self.cloned(group)?;
        let own = clone.current_member_index();
        let message = clone.propose_remove(own, Vec::new()).map_err(provider)?;
        message.to_bytes().map(Bytes::from).map_err(provider)
    }

    fn open_leave(&self, group: &MlsGroup<C>, now: Timestamp, message: &Bytes) -> Result<u32, EngineError> {
        // The epoch goes on with this very group.
        let (_, received) = self.process(group, Self::cloned, now, message, ContentType::Proposal)?;
        let ReceivedMessage::Proposal(received) = received else { return Err(EngineError::Malformed) };
        match (received.sender, &received.proposal) {
            (ProposalSender::Member(leaf), Proposal::Remove(p)) if p.to_remove() == leaf => Ok(leaf),
            _ => Err(EngineError::Invalid("not a wish of a member to leave".into())),
        }
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
