//! One object's bytes, with room around the payload for what sealing adds.

use std::fmt;

use zeroize::Zeroize;

use crate::codec::varint;
use crate::secure_objects::object::SealError;
use crate::secure_objects::properties;
use crate::secure_objects::suite::Suite;

/// In memory the plaintext begins at a multiple of this where its length takes as many bytes as that of a full
/// buffer: ciphers are faster on bytes that begin with a cache line.
const ALIGNED: usize = 64;
const TAG: usize = Suite::MAX_TAG;

/// A buffer for one object at a time: write the payload, seal, send, [`clear`](Self::clear).
///
/// It leaves room before the payload for its length and behind it for the tag, so that sealing moves no
/// byte. With room reserved ([`with_capacity`](Self::with_capacity)) it never allocates.
#[derive(Clone)]
pub struct ObjectBuffer {
    bytes: Vec<u8>,
    /// Where the payload begins: room for the longest varint before it.
    head: usize,
    /// Where the plaintext or the ciphertext begins.
    start: usize,
    sealed: bool,
}

impl ObjectBuffer {
    /// A buffer for payloads, and encrypted properties, of up to `len` bytes together.
    pub fn with_capacity(len: usize) -> Self {
        // The longest varint, what alignment takes, type and length of the list of properties, the tag.
        let mut bytes: Vec<u8> = Vec::with_capacity(len.saturating_add(8 + ALIGNED + 10 + TAG));
        // Room for the longest varint stays before it.
        let aligned = 8 + bytes.as_ptr().wrapping_add(8).align_offset(ALIGNED).min(ALIGNED - 1);
        let head = aligned + varint::encoded_len(len as u64);
        bytes.resize(head, 0);
        Self { bytes, head, start: head, sealed: false }
    }

    /// Empties it for the next payload. The room stays.
    pub fn clear(&mut self) {
        self.bytes.truncate(self.head);
        self.start = self.head;
        self.sealed = false;
    }

    /// Appends to the payload. What was sealed before goes.
    pub fn extend_from_slice(&mut self, payload: &[u8]) {
        if self.sealed {
            self.clear();
        }
        self.bytes.extend_from_slice(payload);
    }

    /// The payload so far, or the sealed object.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Number of bytes of [`as_slice`](Self::as_slice).
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    #[inline]
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Puts length before and properties behind the payload, and room for the longest tag behind all:
    /// plaintext and tag. The caller has seen that it is not sealed, and cuts the tag to size.
    #[inline]
    pub(super) fn frame(&mut self, encrypted: &[u8]) -> Result<(&mut [u8], &mut [u8; TAG]), SealError> {
        let len = self.len() as u64;
        let start = self.head.saturating_sub(varint::encoded_len(len));
        let Some(mut head) = self.bytes.get_mut(start..self.head) else { return Err(SealError::TooLong) };
        varint::encode(len, "payload length", &mut head).map_err(|_| SealError::TooLong)?;
        if !encrypted.is_empty() {
            properties::push(&mut self.bytes, properties::ENCRYPTED_LIST, encrypted);
        }
        self.bytes.extend_from_slice(&[0; TAG]);
        self.start = start;
        self.sealed = true;
        let bytes = self.bytes.get_mut(start..).unwrap_or_default();
        bytes.split_last_chunk_mut().ok_or(SealError::TooLong)
    }

    /// Takes away what the tag does not fill of its room.
    #[inline]
    pub(super) fn cut(&mut self, tag_len: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(TAG.saturating_sub(tag_len)));
    }
}

impl Drop for ObjectBuffer {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for ObjectBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectBuffer({} bytes{})", self.len(), if self.sealed { ", sealed" } else { "" })
    }
}
