//! Messages of others, worked on with a group that is a value.

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::error::MlsError;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ContentType, NewEpoch, ReceivedMessage};
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::{MlsMessage, MlsMessageDescription};

use crate::engine::{EngineError, Member, Next, OwnKeyPackage, Rejection};
use crate::mls::altered::altered;
use crate::mls::client::MlsEngine;
use crate::mls::error::{Stop, invalid, provider};
use crate::mls::group::MlsGroup;
use crate::mls::leaves::{LeafKeys, leaf_at};
use crate::mls::message::{credential, handshake, leaf_key, leaf_node, origin, parse, sent_in};
use crate::mls::params::takes_plain_mls;
use crate::mls::settings::Inner;
use crate::time::Timestamp;

/// Whether a message that failed with `error` left the group as it was, judged by trying it again.
///
/// First the sender data of a PrivateMessage is opened, with keys of the epoch that never change. A stranger comes
/// no further. Then the sender's key is taken out of the group, whether or not the content opens with it: the
/// second try of such a message does not find it any more ([`MlsError::KeyMissing`]). Of a PublicMessage, the
/// membership tag is verified first, and a stranger cannot make one.
fn changed_nothing<C: MlsConfig>(group: &mut Inner<C>, message: MlsMessage, error: &MlsError) -> bool {
    let early = |error: &MlsError| {
        matches!(
            error,
            MlsError::CryptoProviderError(_)
                | MlsError::InvalidMembershipTag
                | MlsError::CantProcessMessageFromSelf
                | MlsError::ProtocolVersionMismatch
        )
    };
    early(error) && group.process_incoming_message(message).is_err_and(|again| early(&again))
}

impl<C: MlsConfig> MlsEngine<C> {
    /// A group that `committer` has just advanced, without what mls-rs may remember of the epoch before. `kept` are
    /// the leaves before, less the removed.
    pub(super) fn next(
        &self,
        mut group: Inner<C>,
        kept: LeafKeys,
        committer: u32,
        added: &[Member],
    ) -> Result<Next<MlsGroup<C>>, Stop> {
        let mut keys = kept;
        for leaf in added.iter().map(|member| member.leaf_index).chain([committer]) {
            keys.update(&group.export_tree(), leaf)?;
        }
        debug_assert!(keys == LeafKeys::of::<C>(&group), "a commit changed another leaf");
        if self.states.must_flush() {
            let _guard = self.slots();
            group.write_to_storage().map_err(provider)?;
            self.states.take();
        }
        Ok(Next {
            context_hash: self.context_hash(group.context())?,
            group: MlsGroup::with_keys(group, keys),
        })
    }

    /// Processes a handshake message with content of the type `wanted` on the group taken, after those of `proposals`.
    /// Returns the group after it, and its leaves' keys before it. A message that changed nothing gives the group
    /// back. When the KeyPackages that it adds live, and whether credentials are good, the caller has to judge.
    pub(super) fn process(
        &self,
        group: &MlsGroup<C>,
        bytes: &[u8],
        wanted: ContentType,
        proposals: &[Bytes],
    ) -> Result<(Inner<C>, LeafKeys, ReceivedMessage), Stop> {
        let plain =
            self.with(group, |group| Ok::<_, EngineError>(takes_plain_mls(&group.context().extensions)))?;
        let message = handshake(bytes, wanted, plain)?;
        if let Some(mark) = group.tried(|tried| self.mark_known(tried, bytes))?
            && group.tried(|tried| tried.failed(&mark))
        {
            return Err(altered().into());
        }
        // Before a group is used up for it.
        self.with(group, |group| Ok::<_, Stop>(sent_in::<C>(&message, group)?))?;
        let (mut next, keys) = self.take(group)?;
        for proposal in proposals {
            // Judged when it came. What fails now, no commit can refer to.
            if let Ok(proposal) = handshake(proposal, ContentType::Proposal, plain) {
                next.process_incoming_message(proposal).ok();
            }
        }
        let error = match next.process_incoming_message(message) {
            Ok(received) => return Ok((next, keys, received)),
            Err(error) => error,
        };
        let again = handshake(bytes, wanted, plain)?;
        let as_it_was = changed_nothing::<C>(&mut next, again, &error).then_some(next);
        // Whether a commit that opened is good may depend on the embedder.
        let for_good = wanted == ContentType::Proposal || matches!(error, MlsError::CryptoProviderError(_));
        if as_it_was.is_none()
            && for_good
            && let Some(mark) = self.mark(bytes)?
        {
            group.tried(|tried| tried.fail(mark));
        }
        if !plain && matches!(error, MlsError::ProposalNotFound) {
            // Without plain MLS no proposal is sent by itself, so there is nothing to wait for.
            Self::give_back(group, None, keys);
            return Err(Rejection::Forbidden("a proposal by reference").into());
        }
        let stranger = as_it_was.is_some()
            && matches!(error, MlsError::CryptoProviderError(_) | MlsError::InvalidMembershipTag);
        // The proposals took their senders' keys.
        Self::give_back(group, as_it_was.filter(|_| proposals.is_empty()), keys);
        Err(if stranger { Rejection::Stranger.into() } else { invalid(error) })
    }

    /// The members that a commit with `adds` adds, looked up in the roster after it: each took the leftmost
    /// leaf that was free (RFC 9420 section 12.1.1). Of a commit of another, judged at `followed_at`.
    pub(super) fn added(
        &self,
        group: &Inner<C>,
        kept: &LeafKeys,
        adds: usize,
        followed_at: Option<Timestamp>,
    ) -> Result<Vec<Member>, Stop> {
        let tree = group.export_tree();
        let member = |at| {
            let leaf = leaf_at(&tree, at)?.ok_or(Rejection::Malformed)?;
            followed_at.map_or(Ok(()), |now| self.judge_leaf(group, leaf, now))?;
            self.member(group, at, leaf)
        };
        kept.free().take(adds).map(member).collect()
    }

    /// The members that `epoch`, which removes us, adds: mls-rs does not go there.
    pub(super) fn added_without_us(
        &self,
        group: &Inner<C>,
        epoch: &NewEpoch,
        kept: &LeafKeys,
        now: Timestamp,
    ) -> Result<Vec<Member>, Stop> {
        let mut free = kept.free();
        let mut added = Vec::new();
        for proposal in &epoch.applied_proposals {
            let Proposal::Add(add) = &proposal.proposal else { continue };
            let identity = add.signing_identity();
            let bytes = add.key_package().mls_encode_to_vec().map_err(|_| Rejection::Malformed)?;
            let leaf = leaf_node(&bytes)?;
            self.judge_leaf(group, &leaf, now)?;
            let origin = origin(&leaf.extensions).unwrap_or_default();
            added.push(Member {
                leaf_index: free.next().ok_or(Rejection::Malformed)?,
                sender: self.fingerprint(identity)?,
                identity: self.identity(identity, &group.context().extensions)?,
                credential: credential(identity)?,
                key_package_object_id: origin.map(|origin| origin.object_id),
                leaf_key: leaf_key(origin, &leaf),
            });
        }
        Ok(added)
    }

    /// Runs `f` with the keys of the first of `keys` that `welcome` was made for, and of no other.
    pub(super) fn with_welcomed<T>(
        &self,
        welcome: &Bytes,
        keys: &[OwnKeyPackage],
        f: impl FnOnce(&MlsMessage, &OwnKeyPackage) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let message = parse(welcome)?;
        let MlsMessageDescription::Welcome { key_package_refs, .. } = message.description() else {
            return Err(Rejection::Malformed.into());
        };
        let key = key_package_refs
            .iter()
            .find_map(|r| keys.iter().find(|key| key.key_package_ref[..] == r[..]))
            .ok_or(Rejection::NotForMe)?;
        // Our own bytes, whatever the Welcome is.
        let data =
            KeyPackageData::mls_decode_exhaustive(key.secret.as_bytes()).map_err(|_| EngineError::State)?;
        let _guard = self.slots();
        self.key_packages.put(key.key_package_ref.to_vec(), data);
        let result = f(&message, key);
        self.key_packages.take();
        result
    }
}
