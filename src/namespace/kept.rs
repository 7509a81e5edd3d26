//! The newest objects of a track, by arrival: a place far ahead must not push out what comes later.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::tracks::Location;

/// A bounded number of objects of one track.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    objects: BTreeMap<Location, Bytes>,
    arrivals: VecDeque<Location>,
}

impl Kept {
    pub(super) fn get(&self, at: &Location) -> Option<&Bytes> {
        self.objects.get(at)
    }

    /// Keeps an object, and of all the newest `most`, but at least this one.
    pub(super) fn put(&mut self, at: Location, payload: Bytes, most: usize) {
        if self.objects.insert(at, payload).is_none() {
            self.arrivals.push_back(at);
        }
        while self.arrivals.len() > most.max(1) {
            if let Some(oldest) = self.arrivals.pop_front() {
                self.objects.remove(&oldest);
            }
        }
    }

    pub(super) fn last(&self) -> Option<Location> {
        self.objects.keys().next_back().copied()
    }

    /// In the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Location, Bytes)> + '_ {
        self.objects.iter().map(|(at, payload)| (*at, payload.clone()))
    }
}
