//! The media of a participant: one key ring, and the keys of each track, kept in step with it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use moq_mls::keys::{EpochKeyRing, EpochKeys, RingNotice, TrackBaseKey};
use moq_mls::secure_objects::{
    Ciphers, ObjectBuffer, ObjectHeader, ObjectKey, OpenError, SecureTrack, Suite, properties,
};
use moq_mls::tracks::{FullTrackName, Location, SenderId};
use moq_mls::{Event as CoreEvent, Notice as CoreNotice, Secret, Timestamp};
use zeroize::Zeroize;

use crate::action::KeysNotice;
use crate::error::Error;

/// Where an object of a media track is, and how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectPlace {
    /// The MOQT group id.
    pub group_id: u64,
    /// The object id in that group, below 2^32.
    pub object_id: u64,
    /// The publisher priority.
    pub priority: u8,
}

/// An object that opened. Both parts are in the participant's own buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OpenedObject<'a> {
    /// The payload.
    pub payload: &'a [u8],
    /// The encrypted properties, serialized; empty if there are none.
    pub encrypted: &'a [u8],
}

/// A media track. One that was removed stays, without keys, for as long as one that it sealed with can be made again:
/// else the same key would seal the same places a second time.
struct Track {
    suite: Suite,
    by_namespace: bool,
    keys: SecureTrack,
    /// The last epoch that it had a key of, once it was removed.
    removed: Option<u64>,
}

/// A track that was added, and not removed.
fn in_use(tracks: &mut BTreeMap<u32, Track>, number: u32) -> Result<&mut Track, Error> {
    tracks.get_mut(&number).filter(|track| track.removed.is_none()).ok_or(Error::NoSuchTrack(number))
}

pub(crate) struct Media {
    ring: EpochKeyRing,
    ciphers: Arc<dyn Ciphers + Send + Sync>,
    tracks: BTreeMap<u32, Track>,
    next_track: u32,
    sealing_from: Option<Location>,
    notices: VecDeque<KeysNotice>,
    sealed: ObjectBuffer,
    properties: Vec<u8>,
    opened: Vec<u8>,
    /// Where payload and encrypted properties are in it.
    parts: (Range<usize>, Range<usize>),
}

impl Drop for Media {
    fn drop(&mut self) {
        self.opened.zeroize();
    }
}

impl Media {
    pub(crate) fn new(ring: EpochKeyRing, ciphers: Arc<dyn Ciphers + Send + Sync>) -> Self {
        Self {
            ring,
            ciphers,
            tracks: BTreeMap::new(),
            next_track: 1,
            sealing_from: None,
            notices: VecDeque::new(),
            sealed: ObjectBuffer::with_capacity(2048),
            properties: Vec::new(),
            opened: Vec::new(),
            parts: (0..0, 0..0),
        }
    }

    pub(crate) fn ring(&self) -> &EpochKeyRing {
        &self.ring
    }

    /// Takes in the epochs of a participant that was restored.
    pub(crate) fn on_restore(&mut self, now: Timestamp, keys: Vec<EpochKeys>) -> Result<(), Error> {
        self.ring.on_restore(now, keys);
        self.settle()
    }

    pub(crate) fn on_notice(
        &mut self,
        now: Timestamp,
        notice: &CoreNotice,
        keys: impl FnOnce(u64) -> Result<EpochKeys, moq_mls::Error>,
    ) -> Result<(), Error> {
        self.ring.on_notice(now, notice, keys)?;
        self.settle()
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Result<(), Error> {
        self.ring.handle_timeout(now);
        self.settle()
    }

    pub(crate) fn switch_now(&mut self, now: Timestamp) -> Result<(), Error> {
        self.ring.switch_now(now);
        self.settle()
    }

    pub(crate) fn sealing_from(&mut self, location: Location) -> Result<(), Error> {
        self.sealing_from = Some(location);
        self.ring.sealing_from(location);
        self.tracks.values_mut().for_each(|track| track.keys.sealing_from(location));
        self.settle()
    }

    pub(crate) fn poll_notice(&mut self) -> Option<KeysNotice> {
        self.notices.pop_front()
    }

    pub(crate) fn poll_sign(&mut self) -> Option<CoreEvent> {
        self.ring.poll_sign()
    }

    /// Brings every track in step with the ring.
    fn settle(&mut self) -> Result<(), Error> {
        while let Some(notice) = self.ring.poll_notice() {
            match notice {
                RingNotice::EpochReady { epoch } => {
                    let Some(secret) = self.ring.open_with(epoch) else { continue };
                    let mut in_use = self.tracks.values_mut().filter(|track| track.removed.is_none());
                    in_use.try_for_each(|track| track.keys.add_epoch(secret))?;
                    self.notices.push_back(KeysNotice::EpochReady { epoch });
                }
                RingNotice::SendWith { epoch, reason } => {
                    self.tracks.values_mut().for_each(|track| _ = track.keys.send_with(epoch));
                    self.notices.push_back(KeysNotice::SendWith { epoch, reason: reason.into() });
                }
                RingNotice::Silent { reason } => {
                    self.tracks.values_mut().for_each(|track| track.keys.send_nothing());
                    self.notices.push_back(KeysNotice::Silent { reason: reason.into() });
                }
                RingNotice::Forgotten { epoch, reason } => {
                    self.tracks.values_mut().for_each(|track| track.keys.forget(epoch));
                    let oldest = self.ring.epochs().min();
                    self.tracks.retain(|_, track| {
                        track.removed.is_none_or(|last| oldest.is_some_and(|o| o <= last))
                    });
                    self.notices.push_back(KeysNotice::Forgotten { epoch, reason: reason.into() });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn add_track(
        &mut self,
        suite: u16,
        track: FullTrackName,
        by_namespace: bool,
    ) -> Result<u32, Error> {
        let unknown = Error::UnknownCode { what: "Secure Objects suite", code: suite.into() };
        let suite = Suite::from_value(suite).ok_or(unknown)?;
        // What the ciphers lack shows before the first epoch, too.
        ObjectKey::new(&*self.ciphers, suite, &track, &TrackBaseKey::new(0, Secret::new(vec![0; 32])))
            .map_err(|_| Error::Unsupported("the Secure Objects suite"))?;
        let is_same =
            |t: &Track| t.suite == suite && t.by_namespace == by_namespace && *t.keys.track() == track;
        let known = self.tracks.iter().find(|(_, t)| is_same(t)).map(|(number, _)| *number);
        let number = known.unwrap_or(self.next_track);
        if known.is_none() {
            self.next_track = number.checked_add(1).ok_or(Error::Unsupported("more tracks"))?;
        }
        let track = self.tracks.entry(number).or_insert_with(|| {
            let mut keys = SecureTrack::new(Arc::clone(&self.ciphers), suite, track);
            if by_namespace {
                keys = keys.with_namespace_key();
            }
            if let Some(location) = self.sealing_from {
                keys.sealing_from(location);
            }
            Track { suite, by_namespace, keys, removed: None }
        });
        track.removed = None;
        let epochs: Vec<u64> = self.ring.epochs().collect();
        let mut secrets = epochs.iter().filter_map(|epoch| self.ring.open_with(*epoch));
        secrets.try_for_each(|secret| track.keys.add_epoch(secret))?;
        if let Some(secret) = self.ring.seal_with() {
            track.keys.send_with(secret.epoch());
        }
        Ok(number)
    }

    pub(crate) fn remove_track(&mut self, track: u32) -> Result<(), Error> {
        let track = in_use(&mut self.tracks, track)?;
        self.ring.epochs().for_each(|epoch| track.keys.forget(epoch));
        track.removed = Some(self.ring.epochs().max().unwrap_or(0));
        Ok(())
    }

    pub(crate) fn key_id_property(&self, track: u32) -> Result<Option<&[u8]>, Error> {
        let held = self.tracks.get(&track).filter(|track| track.removed.is_none());
        Ok(held.ok_or(Error::NoSuchTrack(track))?.keys.key_id_property())
    }

    pub(crate) fn seal(
        &mut self,
        track: u32,
        place: ObjectPlace,
        immutable: Option<&[u8]>,
        payload: &[u8],
        encrypted: &[u8],
    ) -> Result<(&[u8], &[u8]), Error> {
        let keys = &mut in_use(&mut self.tracks, track)?.keys;
        self.properties.clear();
        self.properties.extend_from_slice(immutable.or(keys.key_id_property()).unwrap_or_default());
        self.sealed.clear();
        self.sealed.extend_from_slice(payload);
        let ObjectPlace { group_id, object_id, priority } = place;
        let location = Location { group_id, object_id };
        let header = ObjectHeader { location, priority, immutable: &self.properties };
        if let Err(error) = keys.seal(&header, encrypted, &mut self.sealed) {
            self.sealed.clear();
            return Err(error.into());
        }
        Ok((&self.properties, self.sealed.as_slice()))
    }

    /// Opens an object into the own buffer, from which [`opened`](Self::opened) returns its parts.
    pub(crate) fn open(
        &mut self,
        now: Timestamp,
        track: u32,
        place: ObjectPlace,
        immutable: &[u8],
        object: &[u8],
        publisher: Option<&SenderId>,
    ) -> Result<(), Error> {
        let keys = &mut in_use(&mut self.tracks, track)?.keys;
        self.opened.zeroize();
        self.opened.extend_from_slice(object);
        self.parts = (0..0, 0..0);
        let ObjectPlace { group_id, object_id, priority } = place;
        let header = ObjectHeader { location: Location { group_id, object_id }, priority, immutable };
        let base = self.opened.as_ptr().addr();
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().saturating_sub(base);
            if part.is_empty() { 0..0 } else { start..start.saturating_add(part.len()) }
        };
        let parts = keys.open(&header, &mut self.opened).map(|o| (range(o.payload), range(o.encrypted)));
        match parts {
            Ok(parts) => {
                self.parts = parts;
                if let (Some(publisher), Some(epoch)) = (publisher, properties::key_id(immutable)) {
                    self.ring.seen(now, publisher, epoch);
                }
                self.settle()
            }
            Err(error) => {
                if let OpenError::UnknownKey(key_id) = error {
                    self.ring.unopened(now, key_id);
                }
                Err(error.into())
            }
        }
    }

    /// Returns the object that was opened last.
    pub(crate) fn opened(&self) -> OpenedObject<'_> {
        let part = |range: &Range<usize>| self.opened.get(range.clone()).unwrap_or_default();
        OpenedObject { payload: part(&self.parts.0), encrypted: part(&self.parts.1) }
    }
}
