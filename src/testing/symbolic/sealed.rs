//! An application message, for who has the keys of its epoch.

use bytes::Bytes;

use crate::engine::Rejection;
use crate::testing::symbolic::group::SymbolicGroup;
use crate::testing::symbolic::message::{Header, invalid};
use crate::testing::symbolic::wire::{Kind, Reader, Writer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    header: Header,
    parent: [u8; 32],
    leaf: u32,
    data: Bytes,
}

impl Sealed {
    pub(super) fn new(group: &SymbolicGroup, data: &[u8]) -> Self {
        let state = &group.state;
        let data = Bytes::copy_from_slice(data);
        Self { header: state.header(), parent: state.seal(), leaf: group.own, data }
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::Sealed);
        self.header.write(&mut out);
        out.hash(&self.parent);
        out.u32(self.leaf);
        out.bytes(&self.data);
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self { header: Header::read(from)?, parent: from.hash()?, leaf: from.u32()?, data: from.bytes()? })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::Sealed)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }

    pub(super) fn open(self, group: &SymbolicGroup) -> Result<(u32, Bytes), Rejection> {
        group.state.check(&self.header, &self.parent)?;
        match group.state.at(self.leaf) {
            None => Err(invalid("not by a member")),
            Some(_) if self.leaf == group.own => Err(Rejection::Own),
            Some(_) => Ok((self.leaf, self.data)),
        }
    }
}
