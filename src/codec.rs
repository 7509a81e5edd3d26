//! Control messages on the wire.

pub mod params;
#[cfg(feature = "arbitrary")]
pub(crate) fn arbitrary_bytes(
    u: &mut arbitrary::Unstructured<'_>,
) -> arbitrary::Result<Option<bytes::Bytes>> {
    Ok(Option::<Vec<u8>>::arbitrary(u)?.map(bytes::Bytes::from))
}
#[cfg(feature = "arbitrary")]
use arbitrary::Arbitrary;
