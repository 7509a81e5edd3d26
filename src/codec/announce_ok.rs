//! ANNOUNCE_OK (draft-02 section 6.8).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{bytes_len, decode_bytes, encode_bytes};
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};
use crate::tracks::MAX_FULL_TRACK_NAME;

/// The receiver of an ANNOUNCE took it up.
///
/// `Track Namespace (b)`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AnnounceOk {
    /// The namespace that was announced, flat.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub namespace: Bytes,
}

impl Encode for AnnounceOk {
    fn encoded_len(&self) -> usize {
        bytes_len(&self.namespace)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        encode_bytes(&self.namespace, MAX_FULL_TRACK_NAME, "track namespace", out)
    }
}

impl Decode for AnnounceOk {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        Ok(Self { namespace: decode_bytes(MAX_FULL_TRACK_NAME, "track namespace", input)? })
    }
}
