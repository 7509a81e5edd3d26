//! Messages, times and extensions between mls-rs's types and this crate's.

use std::ops::Range;
use std::time::Duration;

use mls_rs::client_builder::MlsConfig;
use mls_rs::crypto::HpkePublicKey;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ContentType, ExportedTree, LeafIndex, LeafNode, NewEpoch, Node};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::time::MlsTime;
use mls_rs::{Extension, ExtensionList, MlsMessage, MlsMessageDescription};

use super::error::invalid;
use super::{Inner, PARAMS_EXTENSION, SEQUENCE_EXTENSION, TREE_EXTENSION};
use crate::codec::{params, tree_object};
use crate::engine::{Credential, EngineError, GroupParams, TreeObject};
use crate::time::Timestamp;

pub(super) fn mls_time(t: Timestamp) -> MlsTime {
    MlsTime::from(t.as_secs())
}

/// From `earlier` to `later`; zero if they are the other way round (`MlsTime - MlsTime` would panic).
pub(super) fn gap(earlier: MlsTime, later: MlsTime) -> Duration {
    Duration::from_secs(later.seconds_since_epoch().saturating_sub(earlier.seconds_since_epoch()))
}

pub(super) fn into_any(error: impl mls_rs::error::IntoAnyError) -> mls_rs::error::AnyError {
    error.into_any_error()
}

pub(super) fn parse(message: &[u8]) -> Result<MlsMessage, EngineError> {
    MlsMessage::from_bytes(message).map_err(|_| EngineError::Malformed)
}

/// A PrivateMessage with content of the type `wanted`.
pub(super) fn private(message: &[u8], wanted: ContentType) -> Result<MlsMessage, EngineError> {
    let message = parse(message)?;
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { content_type, .. } if content_type == wanted => {}
        MlsMessageDescription::PublicProtocolMessage { .. } => {
            return Err(EngineError::Forbidden("a handshake message that is not encrypted"));
        }
        _ => return Err(EngineError::Malformed),
    }
    Ok(message)
}

/// Whether `message` was sent in the group's epoch.
pub(super) fn sent_in<C: MlsConfig>(message: &MlsMessage, group: &Inner<C>) -> Result<(), EngineError> {
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { group_id, epoch_id, .. }
            if group_id == group.group_id() && epoch_id == group.current_epoch() =>
        {
            Ok(())
        }
        _ => Err(EngineError::Invalid("of another group or epoch".into())),
    }
}

pub(super) fn extension(kind: u16, data: Vec<u8>) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(kind), data));
    list
}

pub(super) fn sequence_extension(sequence: u64) -> ExtensionList {
    extension(SEQUENCE_EXTENSION, sequence.to_be_bytes().to_vec())
}

pub(super) fn sequence(extensions: &ExtensionList) -> Result<Option<u64>, EngineError> {
    let Some(found) = extensions.get(ExtensionType::new(SEQUENCE_EXTENSION)) else { return Ok(None) };
    let bytes = found.extension_data.as_slice().try_into().map_err(|_| EngineError::Malformed)?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

pub(super) fn group_params(extensions: &ExtensionList) -> Result<Option<GroupParams>, EngineError> {
    let found = extensions.get(ExtensionType::new(PARAMS_EXTENSION));
    found
        .map(|e| params::decode(&e.extension_data))
        .transpose()
        .map_err(|e| EngineError::Invalid(Box::new(e)))
}

/// Where the tree of a Welcome lies that comes without it.
pub(super) fn tree_place(extensions: &ExtensionList) -> Result<Option<TreeObject>, EngineError> {
    let found = extensions.get(ExtensionType::new(TREE_EXTENSION));
    found
        .map(|e| tree_object::decode(&e.extension_data))
        .transpose()
        .map_err(|e| EngineError::Invalid(Box::new(e)))
}

/// The type and the content of the one vector that a credential of any type consists of.
pub(super) fn credential(identity: &SigningIdentity) -> Result<Credential, EngineError> {
    let bytes = identity.credential.mls_encode_to_vec().map_err(|_| EngineError::Malformed)?;
    let mut rest = bytes.get(2..).unwrap_or_default();
    let data: Vec<u8> =
        mls_rs::mls_rs_codec::byte_vec::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)?;
    Ok(Credential { kind: identity.credential.credential_type().raw_value(), data: data.into() })
}

/// The leaf of a KeyPackage, which mls-rs keeps to itself: it comes after version, cipher suite and
/// init key (RFC 9420 section 10).
pub(super) fn leaf_node(key_package: &[u8]) -> Result<LeafNode, EngineError> {
    let mut rest = key_package.get(4..).unwrap_or_default();
    HpkePublicKey::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)?;
    LeafNode::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)
}

/// One leaf of a tree; `None` if it is blank. (mls-rs's roster clones what it gives.)
pub(super) fn leaf_at<'a>(tree: &'a ExportedTree, leaf: u32) -> Result<Option<&'a LeafNode>, EngineError> {
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

/// Where a leaf's key lies, or the last one's of a leaf that is blank now.
#[derive(Clone, Default)]
struct Leaf {
    key: Range<usize>,
    blank: bool,
}

impl LeafKeys {
    pub(super) fn of<C: MlsConfig>(group: &Inner<C>) -> Self {
        let tree = group.export_tree();
        let mut this = Self { bytes: Vec::new(), leaves: Vec::with_capacity(tree.nodes().len() / 2 + 1) };
        // Leaves are the even nodes (RFC 9420 appendix C).
        for node in tree.nodes().iter().step_by(2) {
            let begin = this.bytes.len();
            if let Some(Node::Leaf(leaf)) = node {
                this.bytes.extend_from_slice(&leaf.public_key);
            }
            this.leaves.push(Leaf { key: begin..this.bytes.len(), blank: begin == this.bytes.len() });
        }
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
    pub(super) fn update(&mut self, tree: &ExportedTree, leaf: u32) -> Result<(), EngineError> {
        let Some(new) = leaf_at(tree, leaf)? else {
            self.remove(leaf);
            return Ok(());
        };
        let at = usize::try_from(leaf).map_err(|_| EngineError::Malformed)?;
        if at >= self.leaves.len() {
            self.leaves.resize(at.saturating_add(1), Leaf { key: 0..0, blank: true });
        }
        let Some(leaf) = self.leaves.get_mut(at) else { return Ok(()) };
        match self.bytes.get_mut(leaf.key.clone()) {
            // All keys of a suite have one length.
            Some(held) if held.len() == new.public_key.len() => held.copy_from_slice(&new.public_key),
            _ => {
                let begin = self.bytes.len();
                self.bytes.extend_from_slice(&new.public_key);
                leaf.key = begin..self.bytes.len();
            }
        }
        leaf.blank = false;
        Ok(())
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

pub(super) fn removed(epoch: &NewEpoch) -> Vec<u32> {
    let leaf = |p: &Proposal| match p {
        Proposal::Remove(remove) => Some(remove.to_remove()),
        _ => None,
    };
    epoch.applied_proposals.iter().filter_map(|p| leaf(&p.proposal)).collect()
}
