//! NAMESPACE_INFO (draft section 4.2.3).

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{bytes_len, decode_full_name, encode_full_name};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// A publisher is about to publish a new track under a namespace that was asked for: an implicit
/// subscription, until the subscriber ends it with UNSUBSCRIBE.
///
/// `Track Alias (i), Subscribe ID (i), Mapped Track Namespace (b), Mapped Track Name (b), Mapped Request Id (i)`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct NamespaceInfo {
    /// The publisher's short name for the track, which its objects carry.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub track_alias: u64,
    /// The publisher's name for the implicit subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
    /// The track's namespace, flat; with the name at most 4096 bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub namespace: Bytes,
    /// The track's name.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub name: Bytes,
    /// The Subscribe Namespace ID of the SUBSCRIBE_NAMESPACE that this answers.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub request_id: u64,
}

impl Encode for NamespaceInfo {
    fn encoded_len(&self) -> usize {
        varint::encoded_len(self.track_alias)
            + varint::encoded_len(self.subscribe_id)
            + bytes_len(&self.namespace)
            + bytes_len(&self.name)
            + varint::encoded_len(self.request_id)
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.track_alias, "track alias", out)?;
        varint::encode(self.subscribe_id, "subscribe id", out)?;
        encode_full_name(&self.namespace, &self.name, out)?;
        varint::encode(self.request_id, "mapped request id", out)
    }
}

impl Decode for NamespaceInfo {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        let (track_alias, subscribe_id) = (varint::decode(input)?, varint::decode(input)?);
        let (namespace, name) = decode_full_name(input)?;
        Ok(Self { track_alias, subscribe_id, namespace, name, request_id: varint::decode(input)? })
    }
}
