//! The newest objects of every track, within bounds that hold over all tracks together.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::namespace::name::{Name, own};
use crate::namespace::table::Table;
use crate::tracks::Location;

/// What an object counts for beside its payload, bytes, and a track beside its objects and its name.
const OBJECT: usize = 192;
const TRACK: usize = 1024;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Room {
    /// Objects of each track, but at least one.
    pub(super) each: usize,
    pub(super) tracks: usize,
    pub(super) bytes: usize,
}

/// The objects of one track, by arrival: a place far ahead must not push out what comes later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Track {
    objects: Table<Location, Bytes>,
    arrivals: VecDeque<Location>,
    /// When it was last used.
    used: u64,
}

/// A bounded number of objects of a bounded number of tracks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    room: Room,
    tracks: Table<Name, Track>,
    by_use: Table<u64, Name>,
    uses: u64,
    bytes: usize,
    dropped: u64,
}

impl Kept {
    pub(super) fn new(room: Room) -> Self {
        let (tracks, by_use) = (Table::default(), Table::default());
        Self { room, tracks, by_use, uses: 0, bytes: 0, dropped: 0 }
    }

    pub(super) fn get(&self, name: &Name, at: &Location) -> Option<&Bytes> {
        self.tracks.get(name)?.objects.get(at)
    }

    /// The place furthest on of a track.
    pub(super) fn last(&self, name: &Name) -> Option<Location> {
        self.tracks.get(name)?.objects.last().map(|(at, _)| *at)
    }

    /// The objects of a track, in the order of their places.
    pub(super) fn of(&self, name: &Name) -> impl Iterator<Item = (Location, Bytes)> + use<'_> {
        let objects = self.tracks.get(name).into_iter().flat_map(|track| track.objects.iter());
        objects.map(|(at, payload)| (*at, payload.clone()))
    }

    /// The tracks of a namespace.
    pub(super) fn under<'a>(&'a self, namespace: &'a Bytes) -> impl Iterator<Item = &'a Name> {
        self.tracks.under(namespace)
    }

    /// Objects that went for want of room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn clear(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::new(self.room) };
    }

    /// Keeps a track, with no object yet.
    pub(super) fn start(&mut self, name: &Name) {
        if !self.tracks.contains(name) {
            self.bytes = self.bytes.saturating_add(track_cost(name));
            self.tracks.insert(name.clone(), Track::default());
        }
        self.touch(name);
        self.make_room();
    }

    /// Keeps a copy of an object, and of its track's the newest.
    pub(super) fn put(&mut self, name: &Name, at: Location, payload: &Bytes) {
        if object_cost(payload).saturating_add(track_cost(name)) > self.room.bytes {
            // All others would go for it, and then it too.
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.start(name);
        let Some(track) = self.tracks.get_mut(name) else { return };
        self.bytes = self.bytes.saturating_add(object_cost(payload));
        match track.objects.insert(at, own(payload)) {
            Some(old) => self.bytes = self.bytes.saturating_sub(object_cost(&old)),
            None => track.arrivals.push_back(at),
        }
        while track.arrivals.len() > self.room.each.max(1) {
            self.bytes = self.bytes.saturating_sub(track.drop_oldest().unwrap_or(0));
        }
        self.make_room();
    }

    /// Makes a track the most recently used one.
    pub(super) fn touch(&mut self, name: &Name) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        self.uses = self.uses.saturating_add(1);
        self.by_use.remove(&track.used);
        track.used = self.uses;
        self.by_use.insert(self.uses, name.clone());
    }

    fn make_room(&mut self) {
        while self.tracks.len() > self.room.tracks || self.bytes > self.room.bytes {
            let Some((used, name)) = self.by_use.first().map(|(used, name)| (*used, name.clone())) else {
                return;
            };
            let Some(track) = self.tracks.get_mut(&name) else { return };
            if let Some(freed) = track.drop_oldest() {
                self.dropped = self.dropped.saturating_add(1);
                self.bytes = self.bytes.saturating_sub(freed);
            }
            if track.arrivals.is_empty() {
                self.tracks.remove(&name);
                self.by_use.remove(&used);
                self.bytes = self.bytes.saturating_sub(track_cost(&name));
            }
        }
    }
}

impl Track {
    /// Drops the object that came first; what it counted for.
    fn drop_oldest(&mut self) -> Option<usize> {
        let oldest = self.arrivals.pop_front()?;
        self.objects.remove(&oldest).map(|payload| object_cost(&payload))
    }
}

fn object_cost(payload: &Bytes) -> usize {
    payload.len().saturating_add(OBJECT)
}

fn track_cost(name: &Name) -> usize {
    name.0.len().saturating_add(name.1.len()).saturating_add(TRACK)
}
