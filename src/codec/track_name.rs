//! A full track name as one byte string.

use bytes::{Bytes, BytesMut};

use crate::codec::varint;
use crate::tracks::{FullTrackName, TrackNamespace};

impl FullTrackName {
    /// The full track name as Secure Objects puts it into key derivation: the number of namespace fields,
    /// each field with its length, then the name with its length; numbers and lengths are varints.
    pub fn to_serialized(&self) -> Bytes {
        serialized(&self.namespace, Some(&self.name))
    }
}

impl TrackNamespace {
    /// Gives the namespace as it begins a [`FullTrackName::to_serialized`]: the number of fields, then each field
    /// with its length.
    pub fn to_serialized(&self) -> Bytes {
        serialized(self, None)
    }
}

fn serialized(namespace: &TrackNamespace, name: Option<&Bytes>) -> Bytes {
    let fields = namespace.fields();
    let mut out = BytesMut::new();
    // Counts and lengths of names are far below what a varint can hold.
    let _ = varint::encode(fields.len() as u64, "fields", &mut out);
    for field in fields.iter().chain(name) {
        let _ = varint::encode(field.len() as u64, "length", &mut out);
        out.extend_from_slice(field);
    }
    out.freeze()
}
