//! ANNOUNCE (draft-02 section 6.7).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{bytes_len, decode_bytes, encode_bytes};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};
use crate::tracks::MAX_FULL_TRACK_NAME;

/// A publisher says under which namespace it will publish.
///
/// `Track Namespace (b), Number of Parameters (i)`; no parameter is known here, so the number is 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Announce {
    /// The namespace, flat, at most 4096 bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub namespace: Bytes,
}

impl Encode for Announce {
    fn encoded_len(&self) -> usize {
        bytes_len(&self.namespace) + 1
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        encode_bytes(&self.namespace, MAX_FULL_TRACK_NAME, "track namespace", out)?;
        varint::encode(0, "parameters", out)
    }
}

impl Decode for Announce {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        let namespace = decode_bytes(MAX_FULL_TRACK_NAME, "track namespace", input)?;
        match varint::decode(input)? {
            0 => Ok(Self { namespace }),
            _ => Err(DecodeError::Malformed { field: "parameters" }),
        }
    }
}
