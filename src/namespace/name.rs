//! Names as they are kept, and what they cost.

use bytes::{Bytes, BytesMut};

/// Flat namespace and track name.
pub(super) type Name = (Bytes, Bytes);

/// What an entry counts for beside its name, bytes: its places in all the maps.
const ENTRY: usize = 1024;

/// Copies a field: as received, it would keep the whole receive buffer alive.
pub(super) fn own(field: &Bytes) -> Bytes {
    Bytes::copy_from_slice(field)
}

/// Copies both fields, into one piece.
pub(super) fn own_name(namespace: &Bytes, name: &Bytes) -> Name {
    let mut both = BytesMut::with_capacity(namespace.len().saturating_add(name.len()));
    both.extend_from_slice(namespace);
    both.extend_from_slice(name);
    let mut track = both.freeze();
    (track.split_to(namespace.len()), track)
}

/// What an entry of this name counts for.
pub(super) fn cost(name: &Name) -> usize {
    name.0.len().saturating_add(name.1.len()).saturating_add(ENTRY)
}

/// Entries of one kind, with a bound on their number and on their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    entries: usize,
    bytes: usize,
}

impl Budget {
    /// Whether one more of this cost fits.
    pub(super) fn fits(&self, cost: usize, entries: usize, bytes: usize) -> bool {
        self.entries < entries && self.bytes.saturating_add(cost) <= bytes
    }

    pub(super) fn add(&mut self, cost: usize) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost);
    }

    pub(super) fn sub(&mut self, cost: usize) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost);
    }
}
