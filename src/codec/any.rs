//! Generators for the messages' fields.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;

use crate::codec::fields::MAX_REASON;
use crate::codec::varint::MAX;
use crate::tracks::Location;

pub(crate) fn varint(u: &mut Unstructured<'_>) -> Result<u64> {
    u.int_in_range(0..=MAX)
}

pub(crate) fn bytes(u: &mut Unstructured<'_>) -> Result<Bytes> {
    let len = u.arbitrary_len::<u8>()?.min(MAX_REASON);
    Ok(Bytes::copy_from_slice(u.bytes(len)?))
}

pub(crate) fn optional_bytes(u: &mut Unstructured<'_>) -> Result<Option<Bytes>> {
    if u.arbitrary()? { bytes(u).map(Some) } else { Ok(None) }
}

/// At most as long as a receipt may be, never empty.
pub(crate) fn short_bytes(u: &mut Unstructured<'_>) -> Result<Bytes> {
    let len = u.int_in_range(1..=256_usize)?;
    let mut out = vec![0; len];
    u.fill_buffer(&mut out)?;
    Ok(out.into())
}

pub(crate) fn optional_short_bytes(u: &mut Unstructured<'_>) -> Result<Option<Bytes>> {
    if u.arbitrary()? { short_bytes(u).map(Some) } else { Ok(None) }
}

pub(crate) fn largest(u: &mut Unstructured<'_>) -> Result<Option<Location>> {
    if u.arbitrary()? { Ok(Some(Location { group_id: varint(u)?, object_id: varint(u)? })) } else { Ok(None) }
}
