//! A small media track for each participant, sealed as MoQ Secure Objects under the group's epochs.
//!
//! The [`EpochKeyRing`] decides which epoch to seal with, and which ones still open. [`SecureTrack`]
//! derives each track's keys and seals. Objects under an epoch that is not known yet wait in a
//! [`WaitQueue`]. The Key ID travels as an object property ([`crate::mapping`]); the payload is
//! `u64 time of sealing, ms | text`.
//!
//! A location must never be sealed twice under one key. So after a restart nothing is sealed before a commit of this run
//! has made another epoch ([`moq_mls::keys`], "Restart"). That holds for a state folder that was put back or copied, too.
//! Of two processes that run copies of one folder, the commit of one shows the other that it is not alone
//! ([`Notice::Doubled`](moq_mls::Notice::Doubled)). A run begins at the time in milliseconds: receivers tell runs apart.

mod received;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use moq_mls::keys::{EpochKeyRing, EpochSecret, RingConfig, WaitQueue, WaitQueueLimits};
use moq_mls::secure_objects::aws_lc::AwsLc;
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, OpenError, SecureTrack, Suite, properties};
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls::{Object, Timestamp};
use moq_mls_tokio::{MediaSigns, MediaTrack, Status};

pub use self::received::Received;
use crate::session::{PRIORITY, WireObject};

/// The namespace field of media.
pub const MEDIA: &str = "media";
/// The suite that everybody has.
const SUITE: Suite = Suite::Aes128Gcm;
/// An epoch is sealed with after this at the latest.
const SWITCH_AFTER: Duration = Duration::from_millis(500);
/// Objects to one MOQT group.
const PER_GROUP: u64 = 64;

/// The namespace of a group's media tracks.
pub fn namespace(group: &GroupName) -> Result<TrackNamespace> {
    Ok(TrackNamespace::new(vec![group.as_bytes().clone(), Bytes::from_static(MEDIA.as_bytes())])?)
}

/// A member's media track.
pub fn track(group: &GroupName, sender: &SenderId) -> Result<FullTrackName> {
    Ok(FullTrackName { namespace: namespace(group)?, name: sender.as_bytes().clone() })
}

/// How a participant's media behaves.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// When its ring switches and forgets.
    pub ring: RingConfig,
    /// What may wait for the key of an epoch that is not known yet.
    pub waiting: WaitQueueLimits,
    /// Once out of the group, go on with every key it ever had, as an attacker would: to show that they
    /// open nothing.
    pub hoards_keys: bool,
}

impl Default for MediaConfig {
    /// As the ring's own, but a newcomer, who can open nothing from before its first epoch, waits less.
    fn default() -> Self {
        let mut ring = RingConfig::default();
        ring.switch_after = SWITCH_AFTER;
        Self { ring, waiting: WaitQueueLimits::default(), hoards_keys: false }
    }
}

/// Returns the location of the object with this sequence.
fn location(sequence: u64) -> Location {
    Location { group_id: sequence / PER_GROUP, object_id: sequence % PER_GROUP }
}

/// Sends one track and opens those of others.
pub struct Media {
    config: MediaConfig,
    group: GroupName,
    me: SenderId,
    /// As the driver's was, with the time that passed since.
    ring: EpochKeyRing,
    /// The participant's own among them.
    tracks: BTreeMap<FullTrackName, MediaTrack>,
    waiting: WaitQueue<WireObject>,
    /// The sequence of the next object; 64 are a MOQT group.
    next_sequence: u64,
    last_sent: Option<u64>,
    member: bool,
    /// Every secret that an attacker would still have.
    hoard: BTreeMap<u64, EpochSecret>,
    members: Vec<SenderId>,
    epoch: Option<u64>,
    went: BTreeMap<SenderId, Timestamp>,
    received: BTreeMap<FullTrackName, Received>,
    buffer: ObjectBuffer,
}

impl Media {
    /// Nothing sent and nothing known.
    pub fn new(config: MediaConfig, group: GroupName, me: SenderId, now: Timestamp) -> Self {
        Self {
            ring: EpochKeyRing::new(config.ring.clone(), me.clone()),
            waiting: WaitQueue::new(config.waiting),
            config,
            group,
            me,
            tracks: BTreeMap::new(),
            next_sequence: now.as_millis(),
            last_sent: None,
            member: false,
            hoard: BTreeMap::new(),
            members: Vec::new(),
            epoch: None,
            went: BTreeMap::new(),
            received: BTreeMap::new(),
            buffer: ObjectBuffer::with_capacity(256),
        }
    }

    /// Takes the keys that the driver has now.
    pub fn take_ring(&mut self, now: Timestamp, ring: &EpochKeyRing, signs: &mut MediaSigns) -> Result<()> {
        self.ring = ring.clone();
        self.follow_ring(now, signs)
    }

    /// Takes the members of a new epoch; with none, it is out.
    pub fn take_members(&mut self, now: Timestamp, status: &Status) -> Result<()> {
        self.member = status.epoch.is_some();
        if status.epoch == self.epoch || status.epoch.is_none() {
            return Ok(());
        }
        self.epoch = status.epoch;
        let members: Vec<SenderId> = status.members.iter().map(|m| m.sender.clone()).collect();
        for gone in self.members.iter().filter(|before| !members.contains(before)) {
            self.went.insert(gone.clone(), now);
        }
        for member in &members {
            self.track(&track(&self.group, member)?)?;
        }
        self.members = members;
        Ok(())
    }

    /// The track, with the keys of all epochs that are held.
    fn track(&mut self, name: &FullTrackName) -> Result<&mut MediaTrack> {
        if !self.tracks.contains_key(name) {
            let mut track = MediaTrack::new(SecureTrack::new(Arc::new(AwsLc), SUITE, name.clone()));
            follow(&mut track, &self.ring, self.config.hoards_keys.then_some(&self.hoard))?;
            self.tracks.insert(name.clone(), track);
        }
        self.tracks.get_mut(name).context("a track that was just made")
    }

    /// Does what the ring says, with the keys of every track.
    fn follow_ring(&mut self, now: Timestamp, signs: &mut MediaSigns) -> Result<()> {
        while self.ring.poll_notice().is_some() {}
        for secret in self.ring.epochs().filter_map(|epoch| self.ring.open_with(epoch)) {
            if self.config.hoards_keys {
                self.hoard.insert(secret.epoch(), secret.clone());
            }
        }
        for track in self.tracks.values_mut() {
            follow(track, &self.ring, self.config.hoards_keys.then_some(&self.hoard))?;
        }
        // What came under an epoch that was jumped over comes to nothing now.
        if let Some(newest) = self.ring.epochs().last() {
            for waited in self.waiting.take_up_to(newest) {
                self.open(now, waited.object, true, signs)?;
            }
        }
        Ok(())
    }

    /// Does what is due by now: a switch to another epoch waits for no other task.
    pub fn handle_timeout(&mut self, now: Timestamp, signs: &mut MediaSigns) -> Result<()> {
        for waited in self.waiting.expired(now) {
            self.count(&waited.object.object.track).unopenable += 1;
        }
        self.ring.handle_timeout(now);
        if self.ring.poll_notice().is_some() {
            self.follow_ring(now, signs)?;
        }
        Ok(())
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.ring.poll_timeout().into_iter().chain(self.waiting.poll_timeout()).min()
    }

    /// Seals the next object; `None` when this participant is no member, or its ring is silent.
    pub fn seal(&mut self, now: Timestamp, text: &str, signs: &mut MediaSigns) -> Result<Option<WireObject>> {
        self.handle_timeout(now, signs)?;
        if !self.member || self.ring.sealing().is_err() {
            return Ok(None);
        }
        let name = track(&self.group, &self.me)?;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let location = location(sequence);
        let mut buffer = std::mem::replace(&mut self.buffer, ObjectBuffer::with_capacity(0));
        buffer.clear();
        buffer.extend_from_slice(&now.as_millis().to_be_bytes());
        buffer.extend_from_slice(text.as_bytes());
        let track = self.track(&name)?.track();
        let key = track.sealing_key().context("no epoch to seal with")?;
        let (key_id, immutable) = (key.key_id(), key.key_id_property().to_vec());
        let header = ObjectHeader { location, priority: PRIORITY, immutable: &immutable };
        track.seal(&header, &[], &mut buffer)?;
        let payload = Bytes::copy_from_slice(buffer.as_slice());
        self.buffer = buffer;
        self.last_sent = Some(sequence);
        Ok(Some(WireObject { object: Object { track: name, location, payload }, key_id: Some(key_id) }))
    }

    /// Takes in an object of a media track.
    pub fn receive(&mut self, now: Timestamp, object: WireObject, signs: &mut MediaSigns) -> Result<()> {
        self.handle_timeout(now, signs)?;
        self.open(now, object, false, signs)
    }

    fn open(&mut self, now: Timestamp, wire: WireObject, waited: bool, signs: &mut MediaSigns) -> Result<()> {
        let name = wire.object.track.clone();
        let Some(key_id) = wire.key_id else {
            self.count(&name).unopenable += 1;
            return Ok(());
        };
        let (location, size) = (wire.object.location, wire.object.payload.len());
        let immutable = properties::key_id_property(key_id).unwrap_or_default();
        let header = ObjectHeader { location, priority: PRIORITY, immutable: &immutable };
        let mut bytes = wire.object.payload.to_vec();
        if self.config.hoards_keys {
            self.track(&name)?;
        }
        // Members have tracks; nobody else may make this participant remember a name.
        let outcome = match self.tracks.get_mut(&name) {
            Some(track) => track.track().open(&header, &mut bytes).map(|opened| sealed_at(opened.payload)),
            None => Err(OpenError::UnknownKey(key_id)),
        };
        match outcome {
            Ok(Some(sealed)) => {
                let sequence = location.group_id.saturating_mul(PER_GROUP).saturating_add(location.object_id);
                let member = self.member;
                self.count(&name).note(sequence, key_id, sealed, waited, member);
                signs.opened(&SenderId::new(name.name)?, key_id);
            }
            Err(OpenError::UnknownKey(_)) if self.ring.may_come(key_id) => {
                for gone in self.waiting.push(now, key_id, wire, size) {
                    self.count(&gone.object.object.track).unopenable += 1;
                }
            }
            Ok(None) | Err(_) => self.count(&name).unopenable += 1,
        }
        Ok(())
    }

    fn count(&mut self, track: &FullTrackName) -> &mut Received {
        self.received.entry(track.clone()).or_default()
    }

    /// By track.
    pub fn received(&self) -> &BTreeMap<FullTrackName, Received> {
        &self.received
    }

    /// Objects that wait for their key.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The sequence of the last object sent; `None` before the first.
    pub fn last_sent(&self) -> Option<u64> {
        self.last_sent
    }

    /// Who went out while this participant was a member, and when it heard of it.
    pub fn went(&self) -> &BTreeMap<SenderId, Timestamp> {
        &self.went
    }
}

/// Gives a track the keys of the ring; with a hoard, those too, and none is given up.
fn follow(
    track: &mut MediaTrack,
    ring: &EpochKeyRing,
    hoard: Option<&BTreeMap<u64, EpochSecret>>,
) -> Result<()> {
    let Some(hoard) = hoard else { return Ok(track.follow(ring)?) };
    let track = track.track();
    hoard.values().try_for_each(|secret| track.add_epoch(secret))?;
    match ring.seal_with() {
        Some(secret) => _ = track.send_with(secret.epoch()),
        None => track.send_nothing(),
    }
    Ok(())
}

fn sealed_at(payload: &[u8]) -> Option<Timestamp> {
    let (time, _text) = payload.split_first_chunk()?;
    Some(Timestamp::from_millis(u64::from_be_bytes(*time)))
}
