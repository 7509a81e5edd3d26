//! A member's place in a state, and the leaves of a state sent apart.

use bytes::Bytes;

use super::wire::{Kind, Reader, Writer};
use crate::codec::leaf_origin::LeafOrigin;
use crate::engine::{Credential, Member, Rejection};
use crate::tracks::SenderId;

/// A member's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Leaf {
    pub(super) sender: SenderId,
    pub(super) identity: Bytes,
    pub(super) origin: Option<LeafOrigin>,
    /// The public init key of the KeyPackage it came by.
    pub(super) init: u64,
}

impl Leaf {
    pub(super) fn write(&self, out: &mut Writer) {
        out.bytes(self.sender.as_bytes());
        out.bytes(&self.identity);
        out.option(self.origin, |out, origin| {
            out.u64(origin.object_id);
            out.bytes(&origin.group);
        });
        out.u64(self.init);
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self {
            sender: SenderId::new(from.bytes()?).map_err(|_| Rejection::Malformed)?,
            identity: from.bytes()?,
            origin: from.option(|from| {
                Ok(LeafOrigin {
                    object_id: from.u64()?,
                    group: from.bytes()?.as_ref().try_into().map_err(|_| Rejection::Malformed)?,
                })
            })?,
            init: from.u64()?,
        })
    }

    pub(super) fn credential(&self) -> Credential {
        Credential::basic(self.identity.clone())
    }

    /// What tells it from others of its sender, if no number does: a leaf comes with its init key.
    pub(super) fn key(&self) -> Option<Bytes> {
        self.origin.is_none().then(|| Bytes::copy_from_slice(&self.init.to_be_bytes()))
    }

    pub(super) fn member(&self, leaf: u32) -> Member {
        Member {
            leaf_index: leaf,
            sender: self.sender.clone(),
            identity: self.identity.clone(),
            credential: self.credential(),
            key_package_object_id: self.origin.map(|origin| origin.object_id),
            leaf_key: self.key(),
        }
    }
}

/// The leaves of a state, sealed under a key; the empty key opens to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) key: Bytes,
    pub(super) leaves: Vec<Option<Leaf>>,
}

impl Tree {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::Tree);
        out.bytes(&self.key);
        write_leaves(&mut out, &self.leaves);
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self { key: from.bytes()?, leaves: from.list(|from| from.option(Leaf::read))? })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::Tree)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }
}

pub(super) fn write_leaves(out: &mut Writer, leaves: &[Option<Leaf>]) {
    out.list(leaves.iter(), |out, leaf| out.option(leaf.as_ref(), |out, leaf| leaf.write(out)));
}
