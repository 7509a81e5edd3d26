//! The leaves of a group's ratchet tree, and which of them a commit changes.

use std::ops::Range;

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::{ExportedTree, LeafIndex, LeafNode, Node};

use crate::mls::error::{Stop, invalid};
use crate::mls::settings::Inner;

/// One leaf of a tree; `None` if it is blank. (mls-rs's roster clones what it gives.) A commit says which, so
/// a leaf that cannot be is the commit's fault.
pub(super) fn leaf_at<'a>(tree: &'a ExportedTree, leaf: u32) -> Result<Option<&'a LeafNode>, Stop> {
    tree.get_leaf(LeafIndex::try_from(leaf).map_err(invalid)?).map_err(invalid)
}

/// The leaves of a tree that are not blank: the even nodes (RFC 9420 appendix C).
pub(super) fn leaves<'a>(tree: &'a ExportedTree) -> impl Iterator<Item = (u32, &'a LeafNode)> {
    (0..).zip(tree.nodes().iter().step_by(2)).filter_map(|(at, node)| match node {
        Some(Node::Leaf(leaf)) => Some((at, leaf)),
        _ => None,
    })
}

/// The public keys of a tree's leaves, in one piece: what a commit must be compared with. It goes along from
/// epoch to epoch: to walk through a large tree costs more than all else that is done here.
#[derive(Clone, Default)]
pub(super) struct LeafKeys {
    bytes: Vec<u8>,
    leaves: Vec<Leaf>,
}

/// Where a leaf's key is; of a leaf that is blank now, where its last key was.
#[derive(Clone)]
struct Leaf {
    key: Range<usize>,
    blank: bool,
}

impl LeafKeys {
    pub(super) fn of<C: MlsConfig>(group: &Inner<C>) -> Self {
        let tree = group.export_tree();
        let mut this = Self { bytes: Vec::new(), leaves: Vec::with_capacity(tree.nodes().len() / 2 + 1) };
        leaves(&tree).for_each(|(at, leaf)| this.set(at, &leaf.public_key));
        this
    }

    /// `None` for a blank leaf, and beyond the last.
    pub(super) fn at(&self, leaf: u32) -> Option<&[u8]> {
        let leaf = self.leaves.get(usize::try_from(leaf).ok()?).filter(|leaf| !leaf.blank)?;
        self.bytes.get(leaf.key.clone())
    }

    /// Makes a leaf blank.
    pub(super) fn remove(&mut self, leaf: u32) {
        if let Some(leaf) = usize::try_from(leaf).ok().and_then(|leaf| self.leaves.get_mut(leaf)) {
            leaf.blank = true;
        }
    }

    /// Takes over the leaf that `tree` has now.
    pub(super) fn update(&mut self, tree: &ExportedTree, leaf: u32) -> Result<(), Stop> {
        match leaf_at(tree, leaf)? {
            Some(new) => self.set(leaf, &new.public_key),
            None => self.remove(leaf),
        }
        Ok(())
    }

    fn set(&mut self, leaf: u32, key: &[u8]) {
        let Ok(at) = usize::try_from(leaf) else { return };
        if at >= self.leaves.len() {
            self.leaves.resize(at.saturating_add(1), Leaf { key: 0..0, blank: true });
        }
        let Some(leaf) = self.leaves.get_mut(at) else { return };
        match self.bytes.get_mut(leaf.key.clone()) {
            // All keys of a suite have one length.
            Some(held) if held.len() == key.len() => held.copy_from_slice(key),
            _ => {
                let begin = self.bytes.len();
                self.bytes.extend_from_slice(key);
                leaf.key = begin..self.bytes.len();
            }
        }
        leaf.blank = false;
    }

    /// The leaves that are blank, in order, and then those that are not there yet.
    pub(super) fn free(&self) -> impl Iterator<Item = u32> {
        (0..).filter(|leaf| self.at(*leaf).is_none())
    }
}

// As leaves: how many blank ones end the tree makes no difference.
impl PartialEq for LeafKeys {
    fn eq(&self, other: &Self) -> bool {
        (0..).take(self.leaves.len().max(other.leaves.len())).all(|leaf| self.at(leaf) == other.at(leaf))
    }
}
