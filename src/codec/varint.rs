//! Variable-length integers, RFC 9000 section 16: 1, 2, 4 or 8 bytes, up to 2^62 - 1.

use bytes::{Buf, BufMut};

use crate::codec::wire::{DecodeError, EncodeError};

/// The largest number a varint can hold.
pub const MAX: u64 = (1 << 62) - 1;

/// Bytes in the shortest encoding; 8 also for a number that has none.
pub const fn encoded_len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Appends the shortest encoding.
///
/// # Errors
/// [`EncodeError::OutOfRange`] for `field` if the number is over [`MAX`].
pub fn encode<B: BufMut>(value: u64, field: &'static str, out: &mut B) -> Result<(), EncodeError> {
    // The two high bits say the length; the matches below keep them free.
    match value {
        0..=0x3f => out.put_u8(value as u8),
        0x40..=0x3fff => out.put_u16(value as u16 + 0x4000),
        0x4000..=0x3fff_ffff => out.put_u32(value as u32 + 0x8000_0000),
        0x4000_0000..=MAX => out.put_u64(value | 0xc000_0000_0000_0000),
        _ => return Err(EncodeError::OutOfRange { field }),
    }
    Ok(())
}

/// Reads a number in any of its encodings: RFC 9000 does not ask for the shortest.
///
/// # Errors
/// [`DecodeError::Incomplete`]; nothing is taken then.
#[inline]
pub fn decode<B: Buf>(input: &mut B) -> Result<u64, DecodeError> {
    // Nearly always all of it is in one piece, and is read without asking for the rest.
    let (value, len) = match *input.chunk() {
        [a @ 0..0x40, ..] => (u64::from(a), 1),
        [a @ 0x40..0x80, b, ..] => (u64::from(u16::from_be_bytes([a, b]) & 0x3fff), 2),
        [a @ 0x80..0xc0, b, c, d, ..] => (u64::from(u32::from_be_bytes([a, b, c, d]) & 0x3fff_ffff), 4),
        [a @ 0xc0..=0xff, b, c, d, e, f, g, h, ..] => (u64::from_be_bytes([a, b, c, d, e, f, g, h]) & MAX, 8),
        _ => return decode_in_pieces(input),
    };
    input.advance(len);
    Ok(value)
}

/// A number that is cut by the end of a chunk, or of the input.
#[cold]
fn decode_in_pieces<B: Buf>(input: &mut B) -> Result<u64, DecodeError> {
    let Some(first) = input.chunk().first() else {
        return Err(DecodeError::Incomplete { needed: 1 });
    };
    let len = 1_usize << (first >> 6);
    match len.checked_sub(input.remaining()) {
        None | Some(0) => {}
        Some(needed) => return Err(DecodeError::Incomplete { needed }),
    }
    let whole = input.try_get_uint(len).map_err(|_| DecodeError::Incomplete { needed: 1 })?;
    // The two high bits of the first byte said the length.
    Ok(whole & (u64::MAX >> (64 - 8 * len) >> 2))
}
