//! Control messages on a MoQT draft-02 wire: the draft's three (section 4.2) and the few around them.
//!
//! A control stream there is a sequence of `Type (i), fields`, without a length: a message ends where
//! its last field ends. So decoding is incremental. [`DecodeError::Incomplete`] says how many more
//! bytes are needed at least, [`DecodeError::Malformed`] that no more bytes can help, and a length over
//! its limit is malformed at once. [`ControlDecoder`] does it for a stream that arrives in pieces.
//!
//! Decoding is total: any bytes give a value or an error, and nothing is allocated that the input does
//! not hold already: with [`Bytes`] as input, every field is a view of it.
//!
//! The draft gives its three messages no type numbers; [`SUBSCRIBE_NAMESPACE`],
//! [`SUBSCRIBE_NAMESPACE_RESPONSE`] and [`NAMESPACE_INFO`] are ours, from the range that draft-02
//! leaves free. Namespaces on this wire are one flat byte string ([`TrackNamespace::to_flat`]).
//!
//! [`TrackNamespace::to_flat`]: crate::tracks::TrackNamespace::to_flat

mod announce;
mod announce_ok;
mod namespace_info;
mod object_stream;
pub mod params;
mod subscribe;
mod subscribe_done;
mod subscribe_namespace;
mod subscribe_namespace_response;
mod subscribe_ok;
pub mod tree_object;
mod unsubscribe;
pub mod varint;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use self::announce::Announce;
pub use self::announce_ok::AnnounceOk;
pub use self::namespace_info::NamespaceInfo;
pub use self::object_stream::ObjectStream;
pub use self::subscribe::{Filter, Subscribe};
pub use self::subscribe_done::SubscribeDone;
pub use self::subscribe_namespace::SubscribeNamespace;
pub use self::subscribe_namespace_response::SubscribeNamespaceResponse;
pub use self::subscribe_ok::SubscribeOk;
pub use self::unsubscribe::Unsubscribe;
use crate::tracks::{FullTrackName, Location, MAX_FULL_TRACK_NAME};

/// Message type of OBJECT_STREAM (draft-02 section 6.2).
pub const OBJECT_STREAM: u64 = 0x0;
/// Message type of SUBSCRIBE.
pub const SUBSCRIBE: u64 = 0x3;
/// Message type of SUBSCRIBE_OK.
pub const SUBSCRIBE_OK: u64 = 0x4;
/// Message type of ANNOUNCE.
pub const ANNOUNCE: u64 = 0x6;
/// Message type of ANNOUNCE_OK.
pub const ANNOUNCE_OK: u64 = 0x7;
/// Message type of UNSUBSCRIBE.
pub const UNSUBSCRIBE: u64 = 0xa;
/// Message type of SUBSCRIBE_DONE, draft-02's SUBSCRIBE_FIN.
pub const SUBSCRIBE_DONE: u64 = 0xb;
/// Message type of SUBSCRIBE_NAMESPACE. Ours: the draft assigns none.
pub const SUBSCRIBE_NAMESPACE: u64 = 0x11;
/// Message type of SUBSCRIBE_NAMESPACE_RESPONSE. Ours: the draft assigns none.
pub const SUBSCRIBE_NAMESPACE_RESPONSE: u64 = 0x12;
/// Message type of NAMESPACE_INFO. Ours: the draft assigns none.
pub const NAMESPACE_INFO: u64 = 0x13;

/// Longest reason phrase, bytes.
pub const MAX_REASON: usize = 1024;

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

/// Any control message that is known here, with its type in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum ControlMessage {
    Announce(Announce),
    AnnounceOk(AnnounceOk),
    NamespaceInfo(NamespaceInfo),
    Subscribe(Subscribe),
    SubscribeDone(SubscribeDone),
    SubscribeNamespace(SubscribeNamespace),
    SubscribeNamespaceResponse(SubscribeNamespaceResponse),
    SubscribeOk(SubscribeOk),
    Unsubscribe(Unsubscribe),
}

macro_rules! each_message {
    ($($name:ident = $kind:ident),+ $(,)?) => {
        impl ControlMessage {
            /// The message's type number.
            pub fn kind(&self) -> u64 {
                match self { $(Self::$name(_) => $kind,)+ }
            }
        }

        impl Encode for ControlMessage {
            fn encoded_len(&self) -> usize {
                varint::encoded_len(self.kind())
                    + match self { $(Self::$name(message) => message.encoded_len(),)+ }
            }

            fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
                varint::encode(self.kind(), "type", out)?;
                match self { $(Self::$name(message) => message.encode(out),)+ }
            }
        }

        impl Decode for ControlMessage {
            #[inline]
            fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
                match varint::decode(input)? {
                    $($kind => $name::decode(input).map(Self::$name),)+
                    other => Err(DecodeError::UnknownType(other)),
                }
            }
        }

        $(impl From<$name> for ControlMessage {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })+
    };
}
each_message! {
    Announce = ANNOUNCE,
    AnnounceOk = ANNOUNCE_OK,
    NamespaceInfo = NAMESPACE_INFO,
    Subscribe = SUBSCRIBE,
    SubscribeDone = SUBSCRIBE_DONE,
    SubscribeNamespace = SUBSCRIBE_NAMESPACE,
    SubscribeNamespaceResponse = SUBSCRIBE_NAMESPACE_RESPONSE,
    SubscribeOk = SUBSCRIBE_OK,
    Unsubscribe = UNSUBSCRIBE,
}

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

/// `(b)`: varint length and bytes (draft-02 section 1.3).
fn encode_bytes<B: BufMut>(
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

fn bytes_len(bytes: &Bytes) -> usize {
    varint::encoded_len(bytes.len() as u64).saturating_add(bytes.len())
}

/// `(b)`, no longer than `most`.
#[inline]
fn decode_bytes<B: Buf>(most: usize, field: &'static str, input: &mut B) -> Result<Bytes, DecodeError> {
    let len = varint::decode(input)?;
    let len = usize::try_from(len).ok().filter(|len| *len <= most).ok_or(DecodeError::Malformed { field })?;
    match len.checked_sub(input.remaining()) {
        None | Some(0) => Ok(input.copy_to_bytes(len)),
        Some(needed) => Err(DecodeError::Incomplete { needed }),
    }
}

impl FullTrackName {
    /// The full track name as Secure Objects puts it into key derivation: the number of namespace fields,
    /// each field with its length, then the name with its length; numbers and lengths are varints.
    pub fn to_serialized(&self) -> Bytes {
        let fields = self.namespace.fields();
        let mut out = BytesMut::new();
        // Counts and lengths of names are far below what a varint can hold.
        let _ = varint::encode(fields.len() as u64, "fields", &mut out);
        for field in fields.iter().chain([&self.name]) {
            let _ = varint::encode(field.len() as u64, "length", &mut out);
            out.extend_from_slice(field);
        }
        out.freeze()
    }
}

/// A namespace and a track name, together no longer than a full track name may be.
#[inline]
fn decode_full_name<B: Buf>(input: &mut B) -> Result<(Bytes, Bytes), DecodeError> {
    let namespace = decode_bytes(MAX_FULL_TRACK_NAME, "track namespace", input)?;
    let left = MAX_FULL_TRACK_NAME.saturating_sub(namespace.len());
    let name = decode_bytes(left, "track name", input)?;
    Ok((namespace, name))
}

fn encode_full_name<B: BufMut>(namespace: &Bytes, name: &Bytes, out: &mut B) -> Result<(), EncodeError> {
    encode_bytes(namespace, MAX_FULL_TRACK_NAME, "track namespace", out)?;
    let left = MAX_FULL_TRACK_NAME.saturating_sub(namespace.len());
    encode_bytes(name, left, "track name", out)
}

/// `(f)`: one byte, 0 or 1.
fn decode_flag<B: Buf>(field: &'static str, input: &mut B) -> Result<bool, DecodeError> {
    match input.try_get_u8() {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        Ok(_) => Err(DecodeError::Malformed { field }),
        Err(_) => Err(DecodeError::Incomplete { needed: 1 }),
    }
}

/// `ContentExists (f), [Group (i)], [Object (i)]`, as SUBSCRIBE_OK and SUBSCRIBE_DONE end.
fn decode_largest<B: Buf>(input: &mut B) -> Result<Option<Location>, DecodeError> {
    if !decode_flag("content exists", input)? {
        return Ok(None);
    }
    Ok(Some(Location { group: varint::decode(input)?, object: varint::decode(input)? }))
}

fn encode_largest<B: BufMut>(largest: Option<Location>, out: &mut B) -> Result<(), EncodeError> {
    out.put_u8(u8::from(largest.is_some()));
    if let Some(Location { group, object }) = largest {
        varint::encode(group, "largest group", out)?;
        varint::encode(object, "largest object", out)?;
    }
    Ok(())
}

fn largest_len(largest: Option<Location>) -> usize {
    1 + largest.map_or(0, |at| varint::encoded_len(at.group) + varint::encoded_len(at.object))
}

/// Generators for the messages' fields.
#[cfg(feature = "arbitrary")]
pub(crate) mod any {
    use arbitrary::{Result, Unstructured};
    use bytes::Bytes;

    use super::varint::MAX;
    use crate::tracks::Location;

    pub(crate) fn varint(u: &mut Unstructured<'_>) -> Result<u64> {
        u.int_in_range(0..=MAX)
    }

    pub(crate) fn bytes(u: &mut Unstructured<'_>) -> Result<Bytes> {
        let len = u.arbitrary_len::<u8>()?.min(super::MAX_REASON);
        Ok(Bytes::copy_from_slice(u.bytes(len)?))
    }

    pub(crate) fn optional_bytes(u: &mut Unstructured<'_>) -> Result<Option<Bytes>> {
        if u.arbitrary()? { bytes(u).map(Some) } else { Ok(None) }
    }

    pub(crate) fn largest(u: &mut Unstructured<'_>) -> Result<Option<Location>> {
        if u.arbitrary()? { Ok(Some(Location { group: varint(u)?, object: varint(u)? })) } else { Ok(None) }
    }
}
#[cfg(feature = "arbitrary")]
pub(crate) use any::optional_bytes as arbitrary_bytes;
