//! What symbolic messages say.

use bytes::Bytes;

use super::leaf::{Leaf, write_leaves};
use super::mix::{mix, mix64};
use super::wire::{Kind, Reader, Writer};
use crate::engine::Rejection;
use crate::time::Timestamp;

pub(super) fn invalid(why: &'static str) -> Rejection {
    Rejection::Invalid(why.into())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPackage {
    pub(super) leaf: Leaf,
    pub(super) begins: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) poisoned: bool,
}

impl KeyPackage {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::KeyPackage);
        self.leaf.write(&mut out);
        out.u64(self.begins.as_millis());
        out.u64(self.expires.as_millis());
        out.flag(self.poisoned);
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        let leaf = Leaf::read(from)?;
        let begins = Timestamp::from_millis(from.u64()?);
        let expires = Timestamp::from_millis(from.u64()?);
        Ok(Self { leaf, begins, expires, poisoned: from.flag()? })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::KeyPackage)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }

    pub(super) fn reference(message: &Bytes) -> Bytes {
        let hash = mix("reference", &[message]);
        Bytes::copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

/// The public init key that belongs to a private one.
pub(super) fn public(secret: &[u8]) -> u64 {
    mix64("init key", &[secret])
}

/// The header that every handshake message shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) group_id: Bytes,
    pub(super) epoch: u64,
}

impl Header {
    pub(super) fn write(&self, out: &mut Writer) {
        out.bytes(&self.group_id);
        out.u64(self.epoch);
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self { group_id: from.bytes()?, epoch: from.u64()? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) header: Header,
    /// The [seal](State::seal) of the very state it was built on: another one cannot open it.
    pub(super) parent: [u8; 32],
    pub(super) committer: u32,
    /// What makes two commits of one content two commits: the committer's incarnation and a count.
    pub(super) nonce: (u64, u64),
    pub(super) faulty: bool,
    pub(super) removes: Vec<u32>,
    pub(super) adds: Vec<Bytes>,
}

impl Commit {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::Commit);
        self.header.write(&mut out);
        out.hash(&self.parent);
        out.u32(self.committer);
        out.u64(self.nonce.0);
        out.u64(self.nonce.1);
        out.flag(self.faulty);
        out.list(self.removes.iter(), |out, leaf| out.u32(*leaf));
        out.list(self.adds.iter(), |out, add| out.bytes(add));
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self {
            header: Header::read(from)?,
            parent: from.hash()?,
            committer: from.u32()?,
            nonce: (from.u64()?, from.u64()?),
            faulty: from.flag()?,
            removes: from.list(Reader::u32)?,
            adds: from.list(Reader::bytes)?,
        })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::Commit)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leave {
    pub(super) header: Header,
    pub(super) parent: [u8; 32],
    pub(super) leaf: u32,
}

impl Leave {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::Leave);
        self.header.write(&mut out);
        out.hash(&self.parent);
        out.u32(self.leaf);
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self { header: Header::read(from)?, parent: from.hash()?, leaf: from.u32()? })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::Leave)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }
}

/// The whole group, for who holds the private init key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) reference: Bytes,
    pub(super) init: u64,
    /// Without its leaves, if they are sent apart.
    pub(super) state: State,
    pub(super) apart: Option<Apart>,
    pub(super) spent: Option<u64>,
}

/// Leaves sent apart: where they are, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    /// As in the GroupInfo extension.
    pub(super) place: Bytes,
    pub(super) leaves: [u8; 32],
}

impl Welcome {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::new(Kind::Welcome);
        out.bytes(&self.reference);
        out.u64(self.init);
        self.state.write(&mut out);
        out.option(self.apart.as_ref(), |out, apart| {
            out.bytes(&apart.place);
            out.hash(&apart.leaves);
        });
        out.option(self.spent, Writer::u64);
        out.finish()
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self {
            reference: from.bytes()?,
            init: from.u64()?,
            state: State::read(from)?,
            apart: from.option(|from| Ok(Apart { place: from.bytes()?, leaves: from.hash()? }))?,
            spent: from.option(Reader::u64)?,
        })
    }

    pub(super) fn decode(message: &Bytes) -> Result<Self, Rejection> {
        let mut from = Reader::open_as(message, Kind::Welcome)?;
        let this = Self::read(&mut from)?;
        from.end()?;
        Ok(this)
    }
}

/// What all members of one epoch share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State {
    pub(super) group_id: Bytes,
    pub(super) epoch: u64,
    /// Everything that happened so far, mixed: what all can see of a state.
    pub(super) context: [u8; 32],
    /// What all secrets follow from. It follows itself from the state before and the commit, so that members
    /// agree. A client that made up a Welcome may have made up the keys, too.
    pub(super) keys: [u8; 32],
    /// As in the GroupContext extension.
    pub(super) params: Option<Bytes>,
    /// The last one is never blank.
    pub(super) leaves: Vec<Option<Leaf>>,
}

impl State {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.group_id);
        out.u64(self.epoch);
        out.hash(&self.context);
        out.hash(&self.keys);
        out.option(self.params.as_ref(), |out, params| out.bytes(params));
        write_leaves(out, &self.leaves);
    }

    fn read(from: &mut Reader) -> Result<Self, Rejection> {
        Ok(Self {
            group_id: from.bytes()?,
            epoch: from.u64()?,
            context: from.hash()?,
            keys: from.hash()?,
            params: from.option(Reader::bytes)?,
            leaves: from.list(|from| from.option(Leaf::read))?,
        })
    }

    pub(super) fn save(&self, own: u32) -> Bytes {
        let mut out = Writer::new(Kind::Saved);
        out.u32(own);
        self.write(&mut out);
        out.finish()
    }

    pub(super) fn load(bytes: &Bytes) -> Result<(u32, Self), Rejection> {
        let mut from = Reader::open_as(bytes, Kind::Saved)?;
        let (own, state) = (from.u32()?, Self::read(&mut from)?);
        from.end()?;
        Ok((own, state))
    }

    pub(super) fn header(&self) -> Header {
        Header { group_id: self.group_id.clone(), epoch: self.epoch }
    }

    pub(super) fn at(&self, leaf: u32) -> Option<&Leaf> {
        usize::try_from(leaf).ok().and_then(|leaf| self.leaves.get(leaf))?.as_ref()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (u32, &Leaf)> {
        (0_u32..).zip(&self.leaves).filter_map(|(leaf, member)| Some((leaf, member.as_ref()?)))
    }

    /// What a handshake message is sealed with in this state: by its keys, and bound to its context.
    pub(super) fn seal(&self) -> [u8; 32] {
        mix("seal", &[&self.keys, &self.context])
    }

    /// That a handshake message was made in this very state, under its keys.
    pub(super) fn check(&self, header: &Header, parent: &[u8; 32]) -> Result<(), Rejection> {
        if header.group_id != self.group_id {
            Err(invalid("of another group"))
        } else if header.epoch != self.epoch {
            Err(invalid("of another epoch"))
        } else if *parent != self.seal() {
            Err(Rejection::Stranger)
        } else {
            Ok(())
        }
    }

    /// The state after `commit`, whose bytes are `message`, and the leaves that it fills. `judge` may
    /// refuse a KeyPackage.
    pub(super) fn after(
        &self,
        commit: &Commit,
        message: &Bytes,
        judge: impl Fn(&KeyPackage) -> Result<(), Rejection>,
    ) -> Result<(Self, Vec<u32>), Rejection> {
        let epoch = self.epoch.checked_add(1).ok_or(invalid("no epoch comes after this"))?;
        let mut leaves = self.leaves.clone();
        for leaf in &commit.removes {
            if *leaf == commit.committer {
                return Err(invalid("a committer that removes itself"));
            }
            let place = usize::try_from(*leaf).ok().and_then(|leaf| leaves.get_mut(leaf));
            place.and_then(Option::take).ok_or(invalid("nobody is at that leaf"))?;
        }
        let mut added = Vec::with_capacity(commit.adds.len());
        // Adds fill blanks from the left, so the search goes on where it stopped.
        let mut free = 0;
        for message in &commit.adds {
            let new = KeyPackage::decode(message)?;
            judge(&new)?;
            if new.poisoned {
                return Err(invalid("a KeyPackage that nobody can add"));
            }
            if leaves.iter().flatten().any(|member| member.sender == new.leaf.sender) {
                return Err(invalid("a member already"));
            }
            while leaves.get(free).is_some_and(Option::is_some) {
                free += 1;
            }
            match leaves.get_mut(free) {
                Some(blank) => *blank = Some(new.leaf),
                None => leaves.push(Some(new.leaf)),
            }
            added.push(u32::try_from(free).map_err(|_| invalid("too many leaves"))?);
        }
        while leaves.last().is_some_and(Option::is_none) {
            leaves.pop();
        }
        let state = Self {
            group_id: self.group_id.clone(),
            epoch,
            context: mix("context", &[&self.context, message]),
            keys: mix("keys", &[&self.keys, message]),
            params: self.params.clone(),
            leaves,
        };
        Ok((state, added))
    }
}
