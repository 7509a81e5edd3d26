//! A value and its wire form.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message goes on beyond the bytes at hand.
    #[error("at least {needed} more bytes are needed")]
    Incomplete {
        /// At least so many more bytes; never 0.
        needed: usize,
    },
    /// No continuation makes this a message.
    #[error("malformed {field}")]
    Malformed {
        /// The field at fault.
        field: &'static str,
    },
    /// A message type that is not known here. Without a length, nothing after it can be read.
    #[error("unknown message type {0:#x}")]
    UnknownType(u64),
    /// Bytes are left over where there should be none.
    #[error("{0} bytes after the message")]
    TrailingBytes(usize),
}

/// Why a value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A number over 2^62 - 1, or a field over its length limit.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field at fault.
        field: &'static str,
    },
}

/// A value with a wire form.
pub trait Encode {
    /// The exact number of bytes that [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize;

    /// Appends the wire form.
    ///
    /// # Errors
    /// [`EncodeError`], after which `out` may hold a part of it.
    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError>;

    /// The wire form by itself.
    ///
    /// # Errors
    /// [`EncodeError`].
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        self.encode(&mut out)?;
        Ok(out.freeze())
    }
}

/// A value read from its wire form.
pub trait Decode: Sized {
    /// Reads one value and leaves what follows it.
    ///
    /// # Errors
    /// [`DecodeError`], after which part of the input may have been taken.
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError>;
}
