//! What peers made, judged by itself or on a group.
//!
//! All that mls-rs says of their bytes is a rejection, also where it names the crypto provider: what a peer can
//! bring about must not count as a failure of ours.

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{
    CommitEffect, ContentType, ExportedTree, GroupContext, LeafNode, LeafNodeSource, ProposalSender,
    ReceivedMessage,
};
use mls_rs::mls_rs_codec::MlsDecode;
use mls_rs::{ExtensionList, MlsMessageDescription};

use crate::engine::{
    CLOCK_TOLERANCE, KeyPackageClaim, KeyPackageInfo, MessageKind, OwnKeyPackage, Rejection, StagedCommit,
    WelcomeInfo,
};
use crate::mls::client::MlsEngine;
use crate::mls::error::{Stop, invalid};
use crate::mls::group::MlsGroup;
use crate::mls::leaves::leaf_at;
use crate::mls::message::{
    credential, gap, handshake, leaf_key, leaf_of, mls_time, origin, parse, removed, sent_in, spent,
    tree_place, updated,
};
use crate::mls::params::{group_params, takes_plain_mls};
use crate::mls::settings::{Inner, MAX_LIFETIME, PARAMS_EXTENSION, SMALL_WELCOME};
use crate::time::Timestamp;

impl<C: MlsConfig> MlsEngine<C> {
    /// What a KeyPackage says of itself.
    pub(super) fn claimed(&self, message: &Bytes) -> Result<KeyPackageClaim, Stop> {
        let parsed = parse(message)?;
        let key_package = parsed.as_key_package().ok_or(Rejection::Malformed)?;
        let origin = origin(&leaf_of(message)?.extensions)?;
        Ok(KeyPackageClaim {
            sender: self.fingerprint(key_package.signing_identity())?,
            object_id: origin.map(|origin| origin.object_id),
            group: origin.map(|origin| origin.group),
        })
    }

    /// Validates a KeyPackage: by our rules, then by mls-rs's.
    pub(super) fn judge_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, Stop> {
        let parsed = parse(message)?;
        let key_package = parsed.as_key_package().ok_or(Rejection::Malformed)?;
        if key_package.cipher_suite() != self.suite {
            return Err(Rejection::Unsupported("cipher suite").into());
        }
        let leaf = leaf_of(message)?;
        let LeafNodeSource::KeyPackage(lifetime) = &leaf.leaf_node_source else {
            return Err(Rejection::Malformed.into());
        };
        if lifetime.not_after < lifetime.not_before {
            return Err(Rejection::Malformed.into());
        }
        let origin = origin(&leaf.extensions)?;
        let longest = if origin.is_some() { MAX_LIFETIME } else { self.draft_lifetime };
        if gap(lifetime.not_before, lifetime.not_after) > longest {
            return Err(Rejection::Invalid("a KeyPackage that lives for too long".into()).into());
        }
        let params = ExtensionType::new(PARAMS_EXTENSION);
        if origin.is_some() && !leaf.capabilities.extensions.contains(&params) {
            return Err(Rejection::Unsupported("our leaf extension without our group extension").into());
        }
        let identity = key_package.signing_identity();
        let info = KeyPackageInfo {
            sender: self.fingerprint(identity)?,
            identity: self.identity(identity, &ExtensionList::new())?,
            credential: credential(identity)?,
            key_package_ref: self.primitives.key_package_ref(&parsed)?.into(),
            object_id: origin.map(|origin| origin.object_id),
            group: origin.map(|origin| origin.group),
            leaf_key: leaf_key(origin, &leaf),
            begins: Timestamp::from_secs(lifetime.not_before.seconds_since_epoch()),
            expires: Timestamp::from_secs(lifetime.not_after.seconds_since_epoch()),
        };
        let mut scratch = self.scratch(now)?;
        // mls-rs has the provider check the init key only, and providers let more pass than they should. A member to
        // whose leaf nothing can be sealed would keep all others from committing.
        self.kem().check(&key_package.hpke_init_key)?;
        self.kem().check(&leaf.public_key)?;
        self.primitives.check_kem_key(&leaf.public_key)?;
        let early = gap(mls_time(now), lifetime.not_before) <= CLOCK_TOLERANCE;
        let at = if early { mls_time(now).max(lifetime.not_before) } else { mls_time(now) };
        match scratch.process_incoming_message_with_time(parsed, at) {
            Ok(ReceivedMessage::KeyPackage(_)) => Ok(info),
            Ok(_) => Err(Rejection::Malformed.into()),
            Err(e) => Err(invalid(e)),
        }
    }

    /// Looks into a Welcome without joining.
    pub(super) fn judge_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, Stop> {
        self.with_welcomed(welcome, keys, |message, key| {
            let facts = |context: &GroupContext, extensions: &ExtensionList, has_tree| {
                Ok(WelcomeInfo {
                    group_id: Bytes::copy_from_slice(&context.group_id),
                    epoch: context.epoch,
                    context_hash: self.context_hash(context)?,
                    key_package_ref: key.key_package_ref.clone(),
                    params: group_params(&context.extensions)?,
                    has_tree,
                    tree: tree_place(extensions)?,
                    spent: spent(extensions)?,
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

    /// Joins by a Welcome.
    pub(super) fn join_by(
        &self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<MlsGroup<C>, Stop> {
        let tree = tree
            .map(|bytes| ExportedTree::mls_decode_exhaustive(bytes).map_err(|_| Rejection::Malformed))
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
            // Nobody is in who cannot be described.
            self.identity(identity, &group.context().extensions)?;
        }
        Ok(MlsGroup::new(group))
    }

    /// Processes another member's commit on a group taken.
    pub(super) fn judge_commit(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Result<StagedCommit<MlsGroup<C>>, Stop> {
        let (next, before, received) = self.process(group, commit, ContentType::Commit, proposals)?;
        let ReceivedMessage::Commit(commit) = received else {
            return Err(Rejection::Malformed.into());
        };
        if commit.is_external {
            return Err(Rejection::Forbidden("an external commit").into());
        }
        let (epoch, stays) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, true),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, false),
            CommitEffect::ReInit(_) => return Err(Rejection::Forbidden("a reinitialization").into()),
        };
        let removed = removed(epoch);
        let committer = commit.committer;
        // Only a path gives the committer another leaf key. mls-rs asks for one where RFC 9420
        // does, which is not where all there is are adds.
        let unchanged = || {
            let tree = next.export_tree();
            let leaf = leaf_at(&tree, committer)?;
            Ok::<_, Stop>(before.at(committer) == leaf.map(|leaf| &leaf.public_key[..]))
        };
        if stays && !takes_plain_mls(&next.context().extensions) && unchanged()? {
            return Err(Rejection::Forbidden("a commit without a path").into());
        }
        self.check_adds(epoch)?;
        if stays {
            self.check_path(&next, committer)?;
        }
        let mut kept = before;
        removed.iter().for_each(|leaf| kept.remove(*leaf));
        if !stays {
            let added = self.added_without_us(&next, epoch, &kept, now)?;
            return Ok(StagedCommit { committer, updated: Vec::new(), removed, added, next: None });
        }
        let adds = epoch.applied_proposals.iter().filter(|p| matches!(p.proposal, Proposal::Add(_))).count();
        let added = self.added(&next, &kept, adds, Some(now))?;
        let updated = {
            let tree = next.export_tree();
            let mut leaves = updated(epoch);
            leaves.iter().try_for_each(|leaf| kept.update(&tree, *leaf))?;
            leaves.push(committer);
            let member = |at| self.member(&next, at, leaf_at(&tree, at)?.ok_or(Rejection::Malformed)?);
            leaves.into_iter().map(member).collect::<Result<_, Stop>>()?
        };
        let next = self.next(next, kept, committer, &added)?;
        Ok(StagedCommit { committer, updated, removed, added, next: Some(next) })
    }

    /// Judges a leaf that a commit brought into `group`: the credential by the time it is. Of the lifetime the
    /// committer was the judge (RFC 9420 section 7.3), and a member whose clock is wrong must not lose the group over
    /// it.
    pub(super) fn judge_leaf(&self, group: &Inner<C>, leaf: &LeafNode, now: Timestamp) -> Result<(), Stop> {
        if let LeafNodeSource::KeyPackage(lifetime) = &leaf.leaf_node_source
            && lifetime.not_after < lifetime.not_before
        {
            return Err(Rejection::Expired.into());
        }
        Ok(self.validate_credential(group, &leaf.signing_identity, now)?)
    }

    /// Opens a leave request on a group taken.
    pub(super) fn judge_leave(&self, group: &MlsGroup<C>, message: &Bytes) -> Result<u32, Stop> {
        let mark = group.tried(|tried| self.mark_known(tried, message))?;
        if let Some(answer) = mark.and_then(|mark| group.tried(|tried| tried.leave(&mark))) {
            return Ok(answer?);
        }
        let (_, keys, received) = self.process(group, message, ContentType::Proposal, &[])?;
        // The epoch goes on with the group as it was saved: this one has used up the sender's key.
        Self::give_back(group, None, keys);
        let ReceivedMessage::Proposal(received) = received else {
            return Err(Rejection::Malformed.into());
        };
        let leaf = match (received.sender, &received.proposal) {
            (ProposalSender::Member(leaf), Proposal::Remove(p)) if p.to_remove() == leaf => Some(leaf),
            _ => None,
        };
        if let Some(mark) = self.mark(message)? {
            group.tried(|tried| match leaf {
                Some(leaf) => tried.open(mark, leaf),
                None => tried.fail(mark),
            });
        }
        leaf.ok_or(Rejection::Invalid("not a wish of a member to leave".into()).into())
    }
}

impl<C: MlsConfig> MlsEngine<C> {
    /// Judges a proposal for commits to refer to, on a group taken.
    pub(super) fn judge_proposal(&self, group: &MlsGroup<C>, message: &Bytes) -> Result<(), Stop> {
        if !self.with(group, |group| Ok::<_, Stop>(takes_plain_mls(&group.context().extensions)))? {
            return Err(Rejection::Forbidden("a proposal by reference").into());
        }
        let (_, keys, received) = self.process(group, message, ContentType::Proposal, &[])?;
        Self::give_back(group, None, keys);
        match received {
            ReceivedMessage::Proposal(p) if matches!(p.sender, ProposalSender::Member(_)) => Ok(()),
            _ => Err(Rejection::Forbidden("a proposal of a client that is no member").into()),
        }
    }
}

impl<C: MlsConfig> MlsEngine<C> {
    /// Opens an application message on a clone.
    pub(super) fn judge_application(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        message: &Bytes,
    ) -> Result<(u32, Bytes), Stop> {
        let message = handshake(message, ContentType::Application, false)?;
        // Before a clone is made for it.
        self.with(group, |group| Ok::<_, Stop>(sent_in::<C>(&message, group)?))?;
        let mut clone = self.cloned(group)?;
        match clone.process_incoming_message_with_time(message, mls_time(now)) {
            Ok(ReceivedMessage::ApplicationMessage(opened)) => {
                Ok((opened.sender_index, Bytes::copy_from_slice(opened.data())))
            }
            Ok(_) => Err(Rejection::Malformed.into()),
            Err(e) => Err(invalid(e)),
        }
    }
}

/// Says what kind of MLS message this is.
pub(super) fn kind(message: &[u8]) -> Result<MessageKind, Rejection> {
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
