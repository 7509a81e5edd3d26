//! SUBSCRIBE_NAMESPACE (draft section 4.2.1).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{bytes_len, decode_bytes, encode_bytes};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};
use crate::tracks::MAX_FULL_TRACK_NAME;

/// A subscriber wants every track that is or will be under a namespace.
///
/// `Track Namespace (b), Subscribe Namespace ID (i)`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SubscribeNamespace {
    /// The namespace, flat, at most 4096 bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub namespace: Bytes,
    /// The subscriber's name for this request.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub id: u64,
}

impl Encode for SubscribeNamespace {
    fn encoded_len(&self) -> usize {
        bytes_len(&self.namespace) + varint::encoded_len(self.id)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        encode_bytes(&self.namespace, MAX_FULL_TRACK_NAME, "track namespace", out)?;
        varint::encode(self.id, "subscribe namespace id", out)
    }
}

impl Decode for SubscribeNamespace {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        Ok(Self {
            namespace: decode_bytes(MAX_FULL_TRACK_NAME, "track namespace", input)?,
            id: varint::decode(input)?,
        })
    }
}
