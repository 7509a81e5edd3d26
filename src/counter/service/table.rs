//! The counters of a service, within its bounds: how many, of whom, and how many bytes of commits.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::counter::service::config::ServiceConfig;
use crate::counter::service::slots::Counter;
use crate::time::Timestamp;
use crate::tracks::GroupName;

/// How many resting counters are looked at to make room for a source that is over its own bound.
const LOOKS: usize = 64;

/// A counter in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    counter: Counter,
    /// Who started it, while that is known.
    source: Option<Bytes>,
    /// Under which time it is listed in `locked` or `young`, if it is.
    listed: Option<Timestamp>,
    /// Bytes of its commits.
    bytes: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Table {
    places: BTreeMap<GroupName, Place>,
    /// Counters without any slot, by the deadline of their lock: then they say nothing.
    locked: BTreeSet<(Timestamp, GroupName)>,
    /// Counters with slot 0 alone, by when they were last asked about.
    young: BTreeSet<(Timestamp, GroupName)>,
    started: BTreeMap<Bytes, usize>,
    /// Counters that hold commits, by the bytes of them.
    holders: BTreeSet<(usize, GroupName)>,
    /// Bytes of all commits.
    bytes: usize,
}

impl Table {
    pub(super) fn get(&self, id: &GroupName) -> Option<&Counter> {
        self.places.get(id).map(|place| &place.counter)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupName, &Counter)> {
        self.places.iter().map(|(id, place)| (id, &place.counter))
    }

    /// Puts a counter in place, over what was there; its source stays the one that started it.
    pub(super) fn put(&mut self, now: Timestamp, id: &GroupName, counter: Counter, source: Option<Bytes>) {
        if self.with(now, id, |there| *there = counter.clone()).is_some() {
            return;
        }
        if let Some(source) = &source {
            let count = self.started.entry(source.clone()).or_insert(0);
            *count = count.saturating_add(1);
        }
        self.place(now, id, Place { counter, source, listed: None, bytes: 0 });
    }

    /// Runs `step` on a counter that is there, and notes that it was asked about.
    pub(super) fn with<R>(
        &mut self,
        now: Timestamp,
        id: &GroupName,
        step: impl FnOnce(&mut Counter) -> R,
    ) -> Option<R> {
        let mut place = self.places.remove(id)?;
        self.unlist(id, &place);
        let result = step(&mut place.counter);
        self.place(now, id, place);
        Some(result)
    }

    pub(super) fn remove(&mut self, id: &GroupName) -> Option<Counter> {
        let place = self.places.remove(id)?;
        self.unlist(id, &place);
        if let Some(source) = &place.source {
            let left = self.started.get(source).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.started.remove(source);
            } else {
                self.started.insert(source.clone(), left);
            }
        }
        Some(place.counter)
    }

    /// Returns whether `source` may start another counter, for which one that rests makes room if it must.
    pub(super) fn make_room(
        &mut self,
        now: Timestamp,
        source: Option<&Bytes>,
        config: &ServiceConfig,
    ) -> bool {
        let rests = |(touched, _): &&(Timestamp, GroupName)| now >= touched.after(config.idle);
        let over = |table: &Self| {
            let started = source.and_then(|source| table.started.get(source));
            started.is_some_and(|count| *count >= config.max_counters_per_source)
        };
        if over(self) {
            let own = |(_, id): &&(Timestamp, GroupName)| {
                self.places.get(id).is_some_and(|place| place.source.as_ref() == source)
            };
            let mut resting = self.young.iter().take_while(rests).take(LOOKS);
            let Some((_, id)) = resting.find(own).cloned() else { return false };
            self.remove(&id);
            if over(self) {
                return false;
            }
        }
        if self.places.len() < config.max_counters {
            return true;
        }
        let Some((_, id)) = self.young.first().filter(rests).cloned() else { return false };
        self.remove(&id);
        self.places.len() < config.max_counters
    }

    /// Gives back the places of counters that were locked at 0 and never used. Two for each
    /// request, which adds at most one: no request pays for a flood.
    pub(super) fn reclaim(&mut self, now: Timestamp, config: &ServiceConfig) {
        for _ in 0..2 {
            match self.locked.first() {
                Some((until, id)) if *until <= now => {
                    let id = id.clone();
                    self.remove(&id);
                }
                _ => break,
            }
        }
        // What was noted while the clock was ahead is the last in its list, and would stay until then.
        if let Some((_, id)) = self.locked.last().cloned() {
            let lock = self.get(&id).and_then(Counter::lock_held);
            if lock.is_some_and(|lock| lock.is_from_ahead(now, config.lease)) {
                self.remove(&id);
            }
        }
        if let Some((_, id)) = self.young.last().filter(|(touched, _)| *touched > now).cloned() {
            self.with(now, &id, |_| ());
        }
    }

    /// Drops commits until all together are within the bound: each time the oldest of the counter that holds
    /// most, so that none that holds less than an equal share pays for the others.
    pub(super) fn shed(&mut self, config: &ServiceConfig) {
        while self.bytes > config.max_commit_bytes {
            let Some((bytes, id)) = self.holders.pop_last() else { return };
            let Some(place) = self.places.get_mut(&id) else { continue };
            let dropped = place.counter.drop_commit().map_or(bytes, |commit| commit.len());
            place.bytes = bytes.saturating_sub(dropped);
            self.bytes = self.bytes.saturating_sub(dropped);
            if place.bytes > 0 {
                self.holders.insert((place.bytes, id));
            }
        }
    }

    /// Puts a place that is in no list into the map, and into the lists where it belongs now.
    fn place(&mut self, now: Timestamp, id: &GroupName, mut place: Place) {
        place.bytes = place.counter.commit_bytes();
        place.listed = match (place.counter.next(), place.counter.lock_held()) {
            (0, Some(lock)) => Some(lock.until),
            (1, _) => Some(now),
            _ => None,
        };
        if let Some(listed) = place.listed {
            let list = if place.counter.next() == 0 { &mut self.locked } else { &mut self.young };
            list.insert((listed, id.clone()));
        }
        if place.bytes > 0 {
            self.bytes = self.bytes.saturating_add(place.bytes);
            self.holders.insert((place.bytes, id.clone()));
        }
        self.places.insert(id.clone(), place);
    }

    /// Takes a place out of the lists, under what was noted when it was listed.
    fn unlist(&mut self, id: &GroupName, place: &Place) {
        if let Some(listed) = place.listed {
            let entry = (listed, id.clone());
            let list = if place.counter.next() == 0 { &mut self.locked } else { &mut self.young };
            list.remove(&entry);
        }
        if place.bytes > 0 {
            self.bytes = self.bytes.saturating_sub(place.bytes);
            self.holders.remove(&(place.bytes, id.clone()));
        }
    }
}
