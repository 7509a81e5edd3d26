//! SUBSCRIBE_DONE: no more objects for a subscription (draft-02 section 6.4).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{
    MAX_REASON, bytes_len, decode_bytes, decode_largest, encode_bytes, encode_largest, largest_len,
};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};
use crate::tracks::Location;

/// A subscription is over.
///
/// `Subscribe ID (i), Status Code (i), Reason Phrase (b), ContentExists (f), [Final Group (i)], [Final Object (i)]`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SubscribeDone {
    /// The subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
    /// 0: all was sent.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub status: u64,
    /// For people, at most 1024 bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub reason: Bytes,
    /// The last object, if there was one.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::largest))]
    pub last: Option<Location>,
}

impl Encode for SubscribeDone {
    fn encoded_len(&self) -> usize {
        varint::encoded_len(self.subscribe_id)
            + varint::encoded_len(self.status)
            + bytes_len(&self.reason)
            + largest_len(self.last)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.subscribe_id, "subscribe id", out)?;
        varint::encode(self.status, "status code", out)?;
        encode_bytes(&self.reason, MAX_REASON, "reason phrase", out)?;
        encode_largest(self.last, out)
    }
}

impl Decode for SubscribeDone {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        Ok(Self {
            subscribe_id: varint::decode(input)?,
            status: varint::decode(input)?,
            reason: decode_bytes(MAX_REASON, "reason phrase", input)?,
            last: decode_largest(input)?,
        })
    }
}
