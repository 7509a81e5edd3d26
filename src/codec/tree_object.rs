//! The place and the key of a ratchet tree that its Welcomes come without, as the content of a GroupInfo
//! extension (of this crate).
//!
//! `version (1) = 2 | MOQT object id (8) | key (16) | SenderId of the publisher, absent for the shared tree track`,
//! integers big-endian. Group, tree namespace and MOQT group are those of the Welcome.

use bytes::{Buf, BufMut, Bytes};

use crate::engine::{RatchetTreeObject, TREE_KEY_LEN, TreePlace};
use crate::secret::Secret;
use crate::tracks::SenderId;

const VERSION: u8 = 2;

/// A reference to a tree that this crate cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tree object: bad {0}")]
pub struct TreeObjectError(&'static str);

/// Encodes the extension's content.
pub fn encode(tree: &RatchetTreeObject) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_u64(tree.place.object_id);
    out.put_slice(tree.key.as_bytes());
    if let Some(publisher) = &tree.place.publisher {
        out.put_slice(publisher.as_bytes());
    }
    out
}

/// Decodes the extension's content.
///
/// # Errors
/// [`TreeObjectError`] names the field: an unknown version, a SenderId that is too long, or a wrong length.
pub fn decode(content: &[u8]) -> Result<RatchetTreeObject, TreeObjectError> {
    let mut from = content;
    let short = |_| TreeObjectError("length");
    if from.try_get_u8().map_err(short)? != VERSION {
        return Err(TreeObjectError("version"));
    }
    let object = from.try_get_u64().map_err(short)?;
    let (key, publisher) = from.split_at_checked(TREE_KEY_LEN).ok_or(TreeObjectError("length"))?;
    let publisher = match publisher {
        [] => None,
        id => Some(SenderId::new(Bytes::copy_from_slice(id)).map_err(|_| TreeObjectError("publisher"))?),
    };
    Ok(RatchetTreeObject {
        place: TreePlace { publisher, object_id: object },
        key: Secret::new(key.to_vec()),
    })
}
