//! SUBSCRIBE_NAMESPACE_RESPONSE (draft section 4.2.2).
//!
//! The draft writes `[Reason Phrase (b)]`, optional, and says nowhere when it is there. Here it is there
//! exactly if the status is not 0.

use std::num::NonZeroU64;

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{MAX_REASON, bytes_len, decode_bytes, encode_bytes};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// How a SUBSCRIBE_NAMESPACE was received.
///
/// `Subscribe Namespace ID (i), Status Code (i), [Reason Phrase (b)]`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscribeNamespaceResponse {
    /// The request.
    pub id: u64,
    /// `Err`: the status code, not 0, and the reason phrase, at most 1024 bytes.
    pub result: Result<(), (NonZeroU64, Bytes)>,
}

impl Encode for SubscribeNamespaceResponse {
    fn encoded_len(&self) -> usize {
        let rest = match &self.result {
            Ok(()) => 1,
            Err((status, reason)) => varint::encoded_len(status.get()) + bytes_len(reason),
        };
        varint::encoded_len(self.id) + rest
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.id, "subscribe namespace id", out)?;
        match &self.result {
            Ok(()) => varint::encode(0, "status code", out),
            Err((status, reason)) => {
                varint::encode(status.get(), "status code", out)?;
                encode_bytes(reason, MAX_REASON, "reason phrase", out)
            }
        }
    }
}

impl Decode for SubscribeNamespaceResponse {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        let id = varint::decode(input)?;
        let result = match NonZeroU64::new(varint::decode(input)?) {
            None => Ok(()),
            Some(status) => Err((status, decode_bytes(MAX_REASON, "reason phrase", input)?)),
        };
        Ok(Self { id, result })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SubscribeNamespaceResponse {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let id = crate::codec::any::varint(u)?;
        let result = match NonZeroU64::new(crate::codec::any::varint(u)?) {
            None => Ok(()),
            Some(status) => Err((status, crate::codec::any::bytes(u)?)),
        };
        Ok(Self { id, result })
    }
}
