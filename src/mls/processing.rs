//! Messages of others, worked on with a group that is a value.

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::error::MlsError;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ContentType, NewEpoch, ReceivedMessage};
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::time::MlsTime;
use mls_rs::{MlsMessage, MlsMessageDescription};

use crate::engine::{EngineError, Member, Next, OwnKeyPackage, Rejection};
use crate::mls::altered::altered;
use crate::mls::client::MlsEngine;
use crate::mls::error::{Stop, invalid, provider};
use crate::mls::group::MlsGroup;
use crate::mls::leaves::{LeafKeys, leaf_at};
use crate::mls::message::{credential, leaf_node, mls_time, origin, parse, private, sent_in};
use crate::mls::settings::{CLOCK_SKEW, Inner};
use crate::time::Timestamp;

/// Whether a message that failed with `error` left the group as it was, judged by trying it again.
///
/// First the sender data of a PrivateMessage is opened, with keys of the epoch that never change. A stranger comes
/// no further. Then the sender's key is taken out of the group, whether or not the content opens with it: the
/// second try of such a message does not find it any more ([`MlsError::KeyMissing`]).
fn changed_nothing<C: MlsConfig>(
    group: &mut Inner<C>,
    message: MlsMessage,
    at: MlsTime,
    error: &MlsError,
) -> bool {
    let early = |error: &MlsError| {
        matches!(
            error,
            MlsError::CryptoProviderError(_)
                | MlsError::CantProcessMessageFromSelf
                | MlsError::ProtocolVersionMismatch
        )
    };
    early(error) && group.process_incoming_message_with_time(message, at).is_err_and(|again| early(&again))
}

impl<C: MlsConfig> MlsEngine<C> {
    /// A group that `author` has just advanced, without what mls-rs may remember of the epoch before. `kept` are
    /// the leaves before, less the removed.
    pub(super) fn next(
        &self,
        mut group: Inner<C>,
        kept: LeafKeys,
        author: u32,
        added: &[Member],
    ) -> Result<Next<MlsGroup<C>>, Stop> {
        let mut keys = kept;
        for leaf in added.iter().map(|member| member.leaf).chain([author]) {
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

    /// Processes a PrivateMessage with content of the type `wanted` on the group taken, and returns the group after
    /// it, and its leaves' keys before it. A message that changed nothing gives the group back. A KeyPackage that it adds may have expired since, or come from a clock ahead
    /// of ours, however far: the message is then judged, on another one, at a time at which it lived. The committer was
    /// the one to judge (RFC 9420 section 7.3), and a member whose clock is wrong must not lose the group over it.
    pub(super) fn process(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        bytes: &[u8],
        wanted: ContentType,
    ) -> Result<(Inner<C>, LeafKeys, ReceivedMessage), Stop> {
        const ATTEMPTS: usize = 8;
        let mut at = mls_time(now);
        for _ in 0..ATTEMPTS {
            let message = private(bytes, wanted)?;
            if let Some(mark) = group.tried(|tried| self.mark_known(tried, bytes))?
                && group.tried(|tried| tried.failed(&mark))
            {
                return Err(altered().into());
            }
            // Before a group is used up for it.
            self.with(group, |group| Ok::<_, Stop>(sent_in::<C>(&message, group)?))?;
            let (mut next, keys) = self.take(group)?;
            match next.process_incoming_message_with_time(message, at) {
                Ok(received) => return Ok((next, keys, received)),
                Err(MlsError::InvalidLifetime { not_before, not_after, .. }) => {
                    Self::give_back(group, None, keys);
                    // All that one commit adds lived at one time. What was made in the same hour begins before this.
                    let begun =
                        MlsTime::from(not_before.seconds_since_epoch().saturating_add(CLOCK_SKEW.as_secs()));
                    at = if at < not_before { begun.min(not_after) } else { not_after };
                }
                Err(e) => {
                    let again = private(bytes, wanted)?;
                    let as_it_was = changed_nothing::<C>(&mut next, again, at, &e).then_some(next);
                    // Whether a commit that opened is good may depend on the embedder, and on the time.
                    let for_good =
                        wanted == ContentType::Proposal || matches!(e, MlsError::CryptoProviderError(_));
                    if as_it_was.is_none()
                        && for_good
                        && let Some(mark) = self.mark(bytes)?
                    {
                        group.tried(|tried| tried.fail(mark));
                    }
                    let stranger = as_it_was.is_some() && matches!(e, MlsError::CryptoProviderError(_));
                    Self::give_back(group, as_it_was, keys);
                    return Err(if stranger { Rejection::Stranger.into() } else { invalid(e) });
                }
            }
        }
        Err(Rejection::Expired.into())
    }

    /// The members that a commit with `adds` adds, looked up in the roster after it: each took the leftmost
    /// leaf that was free (RFC 9420 section 12.1.1).
    pub(super) fn added(&self, group: &Inner<C>, kept: &LeafKeys, adds: usize) -> Result<Vec<Member>, Stop> {
        let tree = group.export_tree();
        let member = |leaf| self.member(group, leaf, leaf_at(&tree, leaf)?.ok_or(Rejection::Malformed)?);
        kept.free().take(adds).map(member).collect()
    }

    /// The members that `epoch`, which removes us, adds: mls-rs does not go there.
    pub(super) fn added_without_us(
        &self,
        group: &Inner<C>,
        epoch: &NewEpoch,
        kept: &LeafKeys,
    ) -> Result<Vec<Member>, Stop> {
        let mut free = kept.free();
        let mut added = Vec::new();
        for proposal in &epoch.applied_proposals {
            let Proposal::Add(add) = &proposal.proposal else { continue };
            let identity = add.signing_identity();
            let bytes = add.key_package().mls_encode_to_vec().map_err(|_| Rejection::Malformed)?;
            added.push(Member {
                leaf: free.next().ok_or(Rejection::Malformed)?,
                sender: self.fingerprint(identity)?,
                identity: self.identity(identity, &group.context().extensions)?,
                credential: credential(identity)?,
                sequence: origin(&leaf_node(&bytes)?.extensions)
                    .unwrap_or_default()
                    .map(|origin| origin.sequence),
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
            .find_map(|r| keys.iter().find(|key| key.reference[..] == r[..]))
            .ok_or(Rejection::NotForMe)?;
        // Our own bytes, whatever the Welcome is.
        let data =
            KeyPackageData::mls_decode_exhaustive(key.secret.as_bytes()).map_err(|_| EngineError::State)?;
        let _guard = self.slots();
        self.key_packages.put(key.reference.to_vec(), data);
        let result = f(&message, key);
        self.key_packages.take();
        result
    }
}
