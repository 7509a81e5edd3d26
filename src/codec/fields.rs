//! Fields that several messages have.

use bytes::{Buf, BufMut, Bytes};

use crate::codec::varint;
use crate::codec::wire::{DecodeError, EncodeError};
use crate::tracks::{Location, MAX_FULL_TRACK_NAME};

/// Longest reason phrase, bytes.
pub const MAX_REASON: usize = 1024;

/// `(b)`: varint length and bytes (draft-02 section 1.3).
pub(super) fn encode_bytes<B: BufMut>(
    bytes: &Bytes,
    most: usize,
    field: &'static str,
    out: &mut B,
) -> Result<(), EncodeError> {
    if bytes.len() > most {
        return Err(EncodeError::OutOfRange { field });
    }
    varint::encode(bytes.len() as u64, field, out)?;
    out.put_slice(bytes);
    Ok(())
}

pub(super) fn bytes_len(bytes: &Bytes) -> usize {
    varint::encoded_len(bytes.len() as u64).saturating_add(bytes.len())
}

/// `(b)`, no longer than `most`.
#[inline]
pub(super) fn decode_bytes<B: Buf>(
    most: usize,
    field: &'static str,
    input: &mut B,
) -> Result<Bytes, DecodeError> {
    let len = varint::decode(input)?;
    let len = usize::try_from(len).ok().filter(|len| *len <= most).ok_or(DecodeError::Malformed { field })?;
    match len.checked_sub(input.remaining()) {
        None | Some(0) => Ok(input.copy_to_bytes(len)),
        Some(needed) => Err(DecodeError::Incomplete { needed }),
    }
}

/// A namespace and a track name, together no longer than a full track name may be.
#[inline]
pub(super) fn decode_full_name<B: Buf>(input: &mut B) -> Result<(Bytes, Bytes), DecodeError> {
    let namespace = decode_bytes(MAX_FULL_TRACK_NAME, "track namespace", input)?;
    let left = MAX_FULL_TRACK_NAME.saturating_sub(namespace.len());
    let name = decode_bytes(left, "track name", input)?;
    Ok((namespace, name))
}

pub(super) fn encode_full_name<B: BufMut>(
    namespace: &Bytes,
    name: &Bytes,
    out: &mut B,
) -> Result<(), EncodeError> {
    encode_bytes(namespace, MAX_FULL_TRACK_NAME, "track namespace", out)?;
    let left = MAX_FULL_TRACK_NAME.saturating_sub(namespace.len());
    encode_bytes(name, left, "track name", out)
}

/// `(f)`: one byte, 0 or 1.
pub(super) fn decode_flag<B: Buf>(field: &'static str, input: &mut B) -> Result<bool, DecodeError> {
    match input.try_get_u8() {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        Ok(_) => Err(DecodeError::Malformed { field }),
        Err(_) => Err(DecodeError::Incomplete { needed: 1 }),
    }
}

/// `ContentExists (f), [Group (i)], [Object (i)]`, as SUBSCRIBE_OK and SUBSCRIBE_DONE end.
pub(super) fn decode_largest<B: Buf>(input: &mut B) -> Result<Option<Location>, DecodeError> {
    if !decode_flag("content exists", input)? {
        return Ok(None);
    }
    Ok(Some(Location { group_id: varint::decode(input)?, object_id: varint::decode(input)? }))
}

pub(super) fn encode_largest<B: BufMut>(largest: Option<Location>, out: &mut B) -> Result<(), EncodeError> {
    out.put_u8(u8::from(largest.is_some()));
    if let Some(Location { group_id: group, object_id: object }) = largest {
        varint::encode(group, "largest group", out)?;
        varint::encode(object, "largest object", out)?;
    }
    Ok(())
}

pub(super) fn largest_len(largest: Option<Location>) -> usize {
    1 + largest.map_or(0, |at| varint::encoded_len(at.group_id) + varint::encoded_len(at.object_id))
}
