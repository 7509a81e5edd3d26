//! A relay that keeps objects as values.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::event::Object;
use crate::tracks::{FullTrackName, Location};

/// All objects that were published, by track and place. The first payload at a place stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    tracks: BTreeMap<FullTrackName, BTreeMap<Location, Bytes>>,
    conflicts: u64,
}

impl Store {
    /// Keeps an object; `false` if its place is taken.
    pub fn put(&mut self, object: &Object) -> bool {
        let track = match self.tracks.get_mut(&object.track) {
            Some(track) => track,
            None => self.tracks.entry(object.track.clone()).or_default(),
        };
        if let Some(there) = track.get(&object.location) {
            self.conflicts = self.conflicts.saturating_add(u64::from(*there != object.payload));
            return false;
        }
        track.insert(object.location, object.payload.clone());
        true
    }

    /// Takes an object away, as a relay whose cache is full does.
    pub fn remove(&mut self, track: &FullTrackName, at: &Location) -> Option<Bytes> {
        self.tracks.get_mut(track)?.remove(at)
    }

    /// Forgets every object.
    pub fn clear(&mut self) {
        self.tracks.clear();
    }

    /// How often another payload came for a place that was taken.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// The payloads of a track, in the order of their places; `None` if nothing was published on it.
    pub fn track(&self, track: &FullTrackName) -> Option<&BTreeMap<Location, Bytes>> {
        self.tracks.get(track)
    }

    /// All objects of the tracks that are wanted, by track and place.
    pub fn objects(&self, wanted: impl Fn(&FullTrackName) -> bool) -> impl Iterator<Item = Object> {
        let tracks = self.tracks.iter().filter(move |(track, _)| wanted(track));
        tracks.flat_map(|(track, objects)| objects.iter().map(|(at, payload)| object(track, *at, payload)))
    }

    /// The objects of one track in these MOQT groups.
    pub fn range(&self, track: &FullTrackName, groups: &RangeInclusive<u64>) -> impl Iterator<Item = Object> {
        let first = Location { group_id: *groups.start(), object_id: 0 };
        let last = Location { group_id: *groups.end(), object_id: u64::MAX };
        // A range that ends before it begins is none to a map.
        let objects = self.tracks.get_key_value(track).filter(|_| first <= last).into_iter();
        objects.flat_map(move |(track, objects)| {
            objects.range(first..=last).map(move |(at, payload)| object(track, *at, payload))
        })
    }
}

fn object(track: &FullTrackName, location: Location, payload: &Bytes) -> Object {
    Object { track: track.clone(), location, payload: payload.clone() }
}
