//! The place and the key of a ratchet tree that its Welcomes come without, as the content of a GroupInfo
//! extension (of this crate).
//!
//! `version (1) | number of namespace fields (1) | fields, name (each length (2), bytes) | MOQT group (8) |
//! object (8) | key (16)`, integers big-endian.

use bytes::{Buf, BufMut, Bytes};

use crate::engine::{TREE_KEY_LEN, TreeObject};
use crate::secret::Secret;
use crate::tracks::{FullTrackName, Location, MAX_FULL_TRACK_NAME, TrackNamespace};

const VERSION: u8 = 1;

/// A reference to a tree that this crate cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tree object: bad {0}")]
pub struct TreeObjectError(&'static str);

/// The extension's content.
pub fn encode(tree: &TreeObject) -> Vec<u8> {
    let fields = tree.track.namespace.fields();
    let mut out = vec![VERSION, u8::try_from(fields.len()).unwrap_or(u8::MAX)];
    for field in fields.iter().chain([&tree.track.name]) {
        // A full track name is at most 4096 bytes.
        out.put_u16(u16::try_from(field.len()).unwrap_or(u16::MAX));
        out.put_slice(field);
    }
    out.put_u64(tree.location.group);
    out.put_u64(tree.location.object);
    out.put_slice(tree.key.as_bytes());
    out
}

/// Reads the extension's content.
///
/// # Errors
/// [`TreeObjectError`] names the field: an unknown version, a name MoQT does not allow, or a wrong length.
pub fn decode(content: &[u8]) -> Result<TreeObject, TreeObjectError> {
    let mut from = content;
    let short = |_| TreeObjectError("length");
    if from.try_get_u8().map_err(short)? != VERSION {
        return Err(TreeObjectError("version"));
    }
    let count = from.try_get_u8().map_err(short)?;
    let mut field = || {
        let len = usize::from(from.try_get_u16().map_err(short)?);
        let (field, rest) = from.split_at_checked(len).ok_or(TreeObjectError("length"))?;
        from = rest;
        Ok(Bytes::copy_from_slice(field))
    };
    let fields = (0..count).map(|_| field()).collect::<Result<Vec<_>, _>>()?;
    let name = field()?;
    let namespace = TrackNamespace::new(fields).map_err(|_| TreeObjectError("track"))?;
    if namespace.fields().iter().map(Bytes::len).sum::<usize>() + name.len() > MAX_FULL_TRACK_NAME {
        return Err(TreeObjectError("track"));
    }
    let group = from.try_get_u64().map_err(short)?;
    let object = from.try_get_u64().map_err(short)?;
    if from.len() != TREE_KEY_LEN {
        return Err(TreeObjectError("length"));
    }
    Ok(TreeObject {
        track: FullTrackName { namespace, name },
        location: Location { group, object },
        key: Secret::new(from.to_vec()),
    })
}
