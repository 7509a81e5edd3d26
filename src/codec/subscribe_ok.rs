//! SUBSCRIBE_OK (draft-02 section 6.5).

use bytes::{Buf, BufMut};

use crate::codec::fields::{decode_largest, encode_largest, largest_len};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};
use crate::tracks::Location;

/// A publisher or relay serves a SUBSCRIBE.
///
/// `Subscribe ID (i), Expires (i), ContentExists (f), [Largest Group ID (i)], [Largest Object ID (i)]`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SubscribeOk {
    /// The subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
    /// Milliseconds until the subscription ends; 0: it does not.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub expires: u64,
    /// The newest object, if there is one.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::largest))]
    pub largest: Option<Location>,
}

impl Encode for SubscribeOk {
    fn encoded_len(&self) -> usize {
        varint::encoded_len(self.subscribe_id) + varint::encoded_len(self.expires) + largest_len(self.largest)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.subscribe_id, "subscribe id", out)?;
        varint::encode(self.expires, "expires", out)?;
        encode_largest(self.largest, out)
    }
}

impl Decode for SubscribeOk {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        Ok(Self {
            subscribe_id: varint::decode(input)?,
            expires: varint::decode(input)?,
            largest: decode_largest(input)?,
        })
    }
}
