//! Where a leaf comes from, as the content of a leaf extension (an extension of this crate).
//!
//! `object_id (8) | group (16)`, the integer big-endian. Each byte of it is twice in what a joiner costs the group: in
//! the commit that adds it, and in the ratchet tree.

use crate::engine::GroupMark;

/// The KeyPackage that a leaf comes from, and what it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafOrigin {
    /// Its object id on the KeyPackage track.
    pub object_id: u64,
    /// The mark of the group's [root name](crate::tracks::GroupName::root).
    pub group: GroupMark,
}

impl LeafOrigin {
    /// Makes the origin of a KeyPackage, from its object id and the SHA-256 of the group's root name.
    pub fn new(object_id: u64, root_hash: &[u8; 32]) -> Self {
        Self { object_id, group: mark(root_hash) }
    }
}

/// Returns the mark of a group, from the SHA-256 of its root name: the first 16 bytes. What it must withstand is
/// another name with the same mark.
pub fn mark(root_hash: &[u8; 32]) -> GroupMark {
    let mut mark = GroupMark::default();
    mark.iter_mut().zip(root_hash).for_each(|(to, from)| *to = *from);
    mark
}

/// An origin that this crate cannot read: it has another length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf origin: bad length")]
pub struct LeafOriginError;

/// Encodes the extension's content: 24 bytes.
pub fn encode(origin: &LeafOrigin) -> Vec<u8> {
    [&origin.object_id.to_be_bytes()[..], &origin.group].concat()
}

/// Decodes the extension's content.
///
/// # Errors
/// [`LeafOriginError`] for any other length.
pub fn decode(content: &[u8]) -> Result<LeafOrigin, LeafOriginError> {
    let (object_id, group) = content.split_first_chunk::<8>().ok_or(LeafOriginError)?;
    Ok(LeafOrigin {
        object_id: u64::from_be_bytes(*object_id),
        group: group.try_into().map_err(|_| LeafOriginError)?,
    })
}
