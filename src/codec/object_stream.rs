//! OBJECT_STREAM: one object on a stream of its own (draft-02 section 6.2).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// Message type of OBJECT_STREAM (draft-02 section 6.2).
pub const OBJECT_STREAM: u64 = 0x0;

/// An object and the names that place it.
///
/// `Type (i), Subscribe ID (i), Track Alias (i), Group ID (i), Object ID (i), Object Send Order (i),
/// Object Payload (..)`; the payload ends with the stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ObjectStream {
    /// The subscription it is sent for.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
    /// The track's alias in that subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub track_alias: u64,
    /// MOQT group id.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub group: u64,
    /// MOQT object id.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub object: u64,
    /// Smaller goes first.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub send_order: u64,
    /// The payload.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub payload: Bytes,
}

impl Encode for ObjectStream {
    fn encoded_len(&self) -> usize {
        varint::encoded_len(OBJECT_STREAM)
            + varint::encoded_len(self.subscribe_id)
            + varint::encoded_len(self.track_alias)
            + varint::encoded_len(self.group)
            + varint::encoded_len(self.object)
            + varint::encoded_len(self.send_order)
            + self.payload.len()
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(OBJECT_STREAM, "type", out)?;
        varint::encode(self.subscribe_id, "subscribe id", out)?;
        varint::encode(self.track_alias, "track alias", out)?;
        varint::encode(self.group, "group id", out)?;
        varint::encode(self.object, "object id", out)?;
        varint::encode(self.send_order, "send order", out)?;
        out.put_slice(&self.payload);
        Ok(())
    }
}

impl Decode for ObjectStream {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        let kind = varint::decode(input)?;
        if kind != OBJECT_STREAM {
            return Err(DecodeError::UnknownType(kind));
        }
        Ok(Self {
            subscribe_id: varint::decode(input)?,
            track_alias: varint::decode(input)?,
            group: varint::decode(input)?,
            object: varint::decode(input)?,
            send_order: varint::decode(input)?,
            // The input is a whole stream: all that is left is the payload.
            payload: input.copy_to_bytes(input.remaining()),
        })
    }
}
