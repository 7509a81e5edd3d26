//! What a commit is put together by: whose keys are good, who clashes with whom, and what weighs how much.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{NewEpoch, Node};
use mls_rs::mls_rs_codec::MlsSize;

use crate::engine::{EngineError, Rejection, Survey};
use crate::mls::client::MlsEngine;
use crate::mls::error::Stop;
use crate::mls::leaves::{leaf_at, leaves};
use crate::mls::message::leaf_of;
use crate::mls::settings::Inner;

/// The longest output of a hash in use with MLS, bytes.
const HASH: usize = 64;
/// Tag of an AEAD, and the lengths of the two vectors that make an HPKE ciphertext, bytes.
const SEALED: usize = 16 + 8;
/// A commit's header, signature, tags and vectors' lengths, bytes; the signatures in use take 132 at most.
const COMMIT: usize = 1024;
/// The same of a Welcome, and what this crate puts into a GroupInfo.
const WELCOME: usize = 2048;

impl<C: MlsConfig> MlsEngine<C> {
    /// Checks the HPKE keys of the path that `committer` has just put into the tree. All members check the same ones by
    /// the same list, so that all follow a commit or none does. To a node's key of low order others would seal
    /// secrets of later epochs for everybody.
    pub(super) fn check_path(&self, group: &Inner<C>, committer: u32) -> Result<(), Stop> {
        let kem = self.kem();
        let tree = group.export_tree();
        let leaf = leaf_at(&tree, committer)?.ok_or(Rejection::Malformed)?;
        kem.check(&leaf.public_key)?;
        for node in direct_path(committer, tree.total_leaf_count()) {
            // A blank one is not in the filtered path (RFC 9420 section 4.1.2).
            let node = usize::try_from(node).ok().and_then(|at| tree.nodes().get(at));
            if let Some(Some(Node::Parent(parent))) = node {
                kem.check(&parent.public_key)?;
            }
        }
        Ok(())
    }

    /// Checks the init keys of the KeyPackages that a commit adds: a provider may or may not have done it, and members
    /// with other providers must not part over it. A bad leaf key does not part them: the next commit removes it.
    pub(super) fn check_adds(&self, epoch: &NewEpoch) -> Result<(), Rejection> {
        let kem = self.kem();
        epoch.applied_proposals.iter().try_for_each(|applied| match &applied.proposal {
            Proposal::Add(add) => kem.check(&add.key_package().hpke_init_key),
            _ => Ok(()),
        })
    }

    /// The [`Survey`] of a group.
    pub(super) fn look_over(
        &self,
        group: &Inner<C>,
        key_packages: &[Bytes],
        by_sealing: bool,
    ) -> Result<Survey, EngineError> {
        let (kem, own) = (self.kem(), group.current_member_index());
        let tree = group.export_tree();
        let own_leaf = leaf_at(&tree, own).ok().flatten();
        let others = || leaves(&tree).filter(|(at, _)| *at != own);
        let mut invalid_leaves: Vec<u32> =
            others().filter(|(_, leaf)| kem.check(&leaf.public_key).is_err()).map(|(at, _)| at).collect();
        if by_sealing {
            let good = others().filter(|(at, _)| !invalid_leaves.contains(at));
            let (sealed, refused): (Vec<_>, Vec<_>) =
                good.partition(|(_, leaf)| self.primitives.seals_to(&leaf.public_key));
            // A provider that refuses all keys is itself at fault.
            if !sealed.is_empty() || own_leaf.is_some_and(|leaf| self.primitives.seals_to(&leaf.public_key)) {
                invalid_leaves.extend(refused.iter().map(|(at, _)| *at));
            }
            invalid_leaves.sort_unstable();
        }
        let (mut taken, mut clashing) = (Vec::new(), Vec::new());
        let (mut of_members, mut seen) = (BTreeMap::new(), BTreeSet::new());
        if !key_packages.is_empty() {
            of_members = leaves(&tree).map(|(at, leaf)| (&leaf.public_key[..], at)).collect();
        }
        for (at, key_package) in key_packages.iter().enumerate() {
            // What cannot be read cannot be built in, which the commit will say.
            let Ok(leaf) = leaf_of(key_package) else { continue };
            if let Some(member) = of_members.get(&leaf.public_key[..]) {
                taken.push((at, *member));
            } else if !seen.insert(leaf.public_key.to_vec()) {
                clashing.push(at);
            }
        }
        let own_leaf = own_leaf.map_or(0, MlsSize::mls_encoded_len);
        Ok(Survey {
            invalid_leaves,
            taken,
            clashing,
            leaves: usize::try_from(tree.total_leaf_count()).unwrap_or(usize::MAX),
            members: leaves(&tree).count(),
            commit_bytes: COMMIT + group.group_id().len() + own_leaf + HASH,
            member_bytes: kem.output_len() + HASH + SEALED,
            welcome_bytes: WELCOME + group.context().mls_encoded_len() + kem.output_len() + 4 * HASH,
            tree_bytes: tree.byte_size(),
            node_bytes: kem.public_key_len() + HASH + 32,
        })
    }
}

/// The nodes above a leaf, from below, in a tree with `leaves` leaves, a power of two (RFC 9420 appendix C).
fn direct_path(leaf: u32, leaves: u32) -> impl Iterator<Item = u64> {
    let levels = u64::from(leaves).max(1).trailing_zeros();
    (1..=levels).map(move |level| {
        let width = 1_u64 << (level + 1);
        (2 * u64::from(leaf) / width) * width + width / 2 - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_leaf_goes_to_the_root() {
        let path = |leaf, leaves| direct_path(leaf, leaves).collect::<Vec<_>>();
        // The trees of RFC 9420 appendix C.
        assert_eq!(path(0, 1), [0; 0]);
        assert_eq!(path(0, 8), [1, 3, 7]);
        assert_eq!(path(3, 8), [5, 3, 7]);
        assert_eq!(path(4, 8), [9, 11, 7]);
        assert_eq!(path(7, 8), [13, 11, 7]);
    }
}
