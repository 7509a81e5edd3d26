//! Serialized properties, as the spec's vectors have them: type, 2 bytes; varint(length); value.

use bytes::Buf;

use crate::codec::varint;

/// The Key ID, immutable. Its value is a varint (the vectors only show 7 as `07`).
pub const KEY_ID: u16 = 0x0002;
/// The list of encrypted properties, behind the payload in the plaintext.
pub const ENCRYPTED_LIST: u16 = 0x000a;
/// Padding, last in the encrypted list: [`push_padding`] makes it, and [`iter`] ends before it.
pub const PADDING: u16 = 0x0032;
/// What padding takes beside its zero bytes: type, and a length of 4 bytes.
pub const PADDING_OVERHEAD: usize = 2 + 4;

/// Appends a property.
pub fn push(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    // No slice is near 2^62 bytes long.
    let _ = varint::encode(value.len() as u64, "property length", out);
    out.extend_from_slice(value);
}

/// Appends padding of `len` zero bytes, and [`PADDING_OVERHEAD`] more, so that the object's size says less of what is
/// in it. It goes last in the encrypted list.
///
/// Its length is always 4 bytes big-endian, unlike that of other properties, as the spec's steps of processing have
/// it. (Their figure has 2.) Receivers skip it and all behind it, whichever length it has.
pub fn push_padding(out: &mut Vec<u8>, len: u32) {
    out.extend_from_slice(&PADDING.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.resize(out.len().saturating_add(usize::try_from(len).unwrap_or(usize::MAX)), 0);
}

/// The Key ID property; `None` for one of 2^62 or more, which no varint holds.
pub fn key_id_property(key_id: u64) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(8);
    varint::encode(key_id, "key id", &mut value).ok()?;
    let mut out = Vec::with_capacity(11);
    push(&mut out, KEY_ID, &value);
    Some(out)
}

/// The key id in serialized immutable properties; `None` if they are malformed, or hold no Key ID or two.
pub fn key_id(immutable: &[u8]) -> Option<u64> {
    let mut found = None;
    for property in iter(immutable) {
        let (kind, mut value) = property?;
        if kind == KEY_ID {
            let id = varint::decode(&mut value).ok().filter(|_| value.is_empty())?;
            if found.replace(id).is_some() {
                return None;
            }
        }
    }
    found
}

/// The properties one by one, type and value, up to padding; `None` where they are malformed, and then no more.
pub fn iter(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() || bytes.starts_with(&PADDING.to_be_bytes()) {
            return None;
        }
        let next = read(&mut bytes);
        if next.is_none() {
            bytes = &[];
        }
        Some(next)
    })
}

pub(super) fn read<'a>(bytes: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let kind = bytes.try_get_u16().ok()?;
    let len = usize::try_from(varint::decode(bytes).ok()?).ok()?;
    let (value, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some((kind, value))
}
