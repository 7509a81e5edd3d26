//! A full track name as one byte string.

use bytes::{Bytes, BytesMut};

use crate::codec::varint;
use crate::tracks::FullTrackName;

impl FullTrackName {
    /// The full track name as Secure Objects puts it into key derivation: the number of namespace fields,
    /// each field with its length, then the name with its length; numbers and lengths are varints.
    pub fn to_serialized(&self) -> Bytes {
        let fields = self.namespace.fields();
        let mut out = BytesMut::new();
        // Counts and lengths of names are far below what a varint can hold.
        let _ = varint::encode(fields.len() as u64, "fields", &mut out);
        for field in fields.iter().chain([&self.name]) {
            let _ = varint::encode(field.len() as u64, "length", &mut out);
            out.extend_from_slice(field);
        }
        out.freeze()
    }
}
