//! Where a leaf comes from, as the content of a leaf extension (an extension of this crate).
//!
//! `sequence (8) | group (32)`, the integer big-endian.

/// The KeyPackage that a leaf comes from, and what it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafOrigin {
    /// Its object id on the KeyPackage track.
    pub sequence: u64,
    /// SHA-256 of the group's [root name](crate::tracks::GroupName::root).
    pub group: [u8; 32],
}

/// An origin that this crate cannot read: it has another length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf origin: bad length")]
pub struct LeafOriginError;

/// The extension's content: 40 bytes.
pub fn encode(origin: &LeafOrigin) -> Vec<u8> {
    [&origin.sequence.to_be_bytes()[..], &origin.group].concat()
}

/// Reads the extension's content.
///
/// # Errors
/// [`LeafOriginError`] for any other length.
pub fn decode(content: &[u8]) -> Result<LeafOrigin, LeafOriginError> {
    let (sequence, group) = content.split_first_chunk::<8>().ok_or(LeafOriginError)?;
    Ok(LeafOrigin {
        sequence: u64::from_be_bytes(*sequence),
        group: group.try_into().map_err(|_| LeafOriginError)?,
    })
}
