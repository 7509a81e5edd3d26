//! A control stream that arrives in pieces.

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::message::ControlMessage;
use crate::codec::wire::{Decode, DecodeError};

/// Cuts a control stream that arrives in pieces into messages.
///
/// The messages are views of the received bytes: what is pushed is copied once, and a message costs no
/// allocation of its own.
#[derive(Clone, Debug, Default)]
pub struct ControlDecoder {
    /// What messages are cut from.
    ready: Bytes,
    /// What came since. Joined to `ready` only when a message may be whole, so that a message that comes
    /// byte by byte is not copied at every byte.
    late: BytesMut,
    needed: usize,
}

impl ControlDecoder {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.late.extend_from_slice(bytes);
        self.needed = self.needed.saturating_sub(bytes.len());
    }

    /// The next message, or `None` until more bytes come. A message that is not whole is not taken.
    ///
    /// # Errors
    /// Any [`DecodeError`] but `Incomplete`: the stream is lost, for nothing says where the next
    /// message begins.
    pub fn next_message(&mut self) -> Result<Option<ControlMessage>, DecodeError> {
        if self.needed > 0 || self.buffered() == 0 {
            return Ok(None);
        }
        self.join();
        let mut views = Views { of: &self.ready, at: 0 };
        match ControlMessage::decode(&mut views) {
            Ok(message) => {
                let len = views.at;
                self.ready.advance(len);
                Ok(Some(message))
            }
            Err(DecodeError::Incomplete { needed }) => {
                self.needed = needed;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn join(&mut self) {
        if !self.ready.is_empty() && !self.late.is_empty() {
            let mut all = BytesMut::with_capacity(self.buffered());
            all.extend_from_slice(&self.ready);
            all.extend_from_slice(&self.late);
            self.late = all;
            self.ready.clear();
        }
        if self.ready.is_empty() {
            self.ready = self.late.split().freeze();
        }
    }

    /// Bytes received and not yet taken as messages: at most one unfinished message, which the limits
    /// on every field bound.
    pub fn buffered(&self) -> usize {
        self.ready.len().saturating_add(self.late.len())
    }
}

/// Shared bytes as input that stay whole: what is read is a view, and what turns out to be too short is
/// read again from its start.
struct Views<'a> {
    of: &'a Bytes,
    at: usize,
}

impl Buf for Views<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.of.len().saturating_sub(self.at)
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.of.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn advance(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }

    #[inline]
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let from = self.at;
        self.at = from.saturating_add(len);
        self.of.slice(from..self.at)
    }
}
