//! UNSUBSCRIBE (draft-02 section 6.6).

use bytes::{Buf, BufMut};

use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// A subscriber wants no more of a subscription, explicit or by NAMESPACE_INFO.
///
/// `Subscribe ID (i)`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Unsubscribe {
    /// The subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
}

impl Encode for Unsubscribe {
    fn encoded_len(&self) -> usize {
        varint::encoded_len(self.subscribe_id)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.subscribe_id, "subscribe id", out)
    }
}

impl Decode for Unsubscribe {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        Ok(Self { subscribe_id: varint::decode(input)? })
    }
}
