//! A media track for each participant, sealed as MoQ Secure Objects under the group's epochs.
//!
//! A frame of moq-relay has no properties, so the key id goes before the sealed payload: 8 bytes, big-endian. It is
//! authenticated as the property it stands for. What is sealed is `u64 time of sealing, ms | text`.
//!
//! A receiver here never forgets a key. So a participant that went out tries what an attacker would try.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use moq_mls::keys::{EpochKeyRing, EpochSecret, RingConfig, WaitQueue, WaitQueueLimits};
use moq_mls::secure_objects::aws_lc::AwsLc;
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, OpenError, SecureTrack, Suite, properties};
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls::{Object, Timestamp};
use moq_mls_tokio::{MediaSigns, MediaTrack, Status};

#[path = "../../live/src/media/received.rs"]
mod received;
pub use self::received::Received;

const MEDIA: &str = "media";
const SUITE: Suite = Suite::Aes128Gcm;
const PRIORITY: u8 = 128;
/// Objects to one MOQT group.
const PER_GROUP: u64 = 64;
/// An epoch is sealed with after this at the latest.
const SWITCH_AFTER: Duration = Duration::from_millis(500);

/// Returns when media here switches to another epoch.
pub fn ring() -> RingConfig {
    let mut ring = RingConfig::default();
    ring.switch_after = SWITCH_AFTER;
    ring
}

/// Returns the namespace of a group's media tracks.
///
/// # Errors
/// None for a name of a group.
pub fn namespace(group: &GroupName) -> Result<TrackNamespace> {
    Ok(TrackNamespace::new(vec![group.as_bytes().clone(), Bytes::from_static(MEDIA.as_bytes())])?)
}

/// Media of one participant: its own track, and those of all others.
pub struct Media {
    group: GroupName,
    me: SenderId,
    ring: EpochKeyRing,
    own: MediaTrack,
    /// Every secret of any epoch that it was in.
    hoard: BTreeMap<u64, EpochSecret>,
    tracks: BTreeMap<SenderId, SecureTrack>,
    waiting: WaitQueue<Object>,
    received: BTreeMap<SenderId, Received>,
    members: Vec<SenderId>,
    went: BTreeMap<SenderId, Timestamp>,
    is_member: bool,
    next_sequence: u64,
    last_sent: Option<u64>,
}

impl Media {
    /// Makes the media of `me`. Sequences begin at the time, so those of two runs differ.
    ///
    /// # Errors
    /// None for a name of a group.
    pub fn new(group: GroupName, me: SenderId, now: Timestamp) -> Result<Self> {
        let name = FullTrackName { namespace: namespace(&group)?, name: me.as_bytes().clone() };
        Ok(Self {
            ring: EpochKeyRing::new(ring(), me.clone()),
            own: MediaTrack::new(SecureTrack::new(Arc::new(AwsLc), SUITE, name)),
            group,
            me,
            hoard: BTreeMap::new(),
            tracks: BTreeMap::new(),
            waiting: WaitQueue::new(WaitQueueLimits::default()),
            received: BTreeMap::new(),
            members: Vec::new(),
            went: BTreeMap::new(),
            is_member: false,
            next_sequence: now.as_millis(),
            last_sent: None,
        })
    }

    /// Takes the keys that the driver has now.
    ///
    /// # Errors
    /// If a key cannot be derived.
    pub fn take_ring(&mut self, now: Timestamp, ring: &EpochKeyRing, signs: &mut MediaSigns) -> Result<()> {
        self.ring = ring.clone();
        self.follow_ring(now, signs)
    }

    fn follow_ring(&mut self, now: Timestamp, signs: &mut MediaSigns) -> Result<()> {
        while self.ring.poll_notice().is_some() {}
        self.own.follow(&self.ring)?;
        for secret in self.ring.epochs().filter_map(|epoch| self.ring.open_with(epoch)) {
            self.hoard.insert(secret.epoch(), secret.clone());
            self.tracks.values_mut().try_for_each(|track| track.add_epoch(secret))?;
        }
        if let Some(newest) = self.ring.epochs().last() {
            for waited in self.waiting.take_up_to(newest) {
                self.open(now, waited.object, true, signs)?;
            }
        }
        Ok(())
    }

    /// Takes the members of the present epoch.
    ///
    /// # Errors
    /// If a key cannot be derived.
    pub fn take_members(&mut self, now: Timestamp, status: &Status) -> Result<()> {
        self.is_member = status.epoch.is_some();
        if !self.is_member {
            return Ok(());
        }
        let members: Vec<SenderId> = status.members.iter().map(|m| m.sender.clone()).collect();
        for gone in self.members.iter().filter(|before| !members.contains(before)) {
            self.went.insert(gone.clone(), now);
        }
        for member in &members {
            if !self.tracks.contains_key(member) {
                let name =
                    FullTrackName { namespace: namespace(&self.group)?, name: member.as_bytes().clone() };
                let mut track = SecureTrack::new(Arc::new(AwsLc), SUITE, name);
                self.hoard.values().try_for_each(|secret| track.add_epoch(secret))?;
                self.tracks.insert(member.clone(), track);
            }
        }
        self.members = members;
        Ok(())
    }

    /// Does what is due by now.
    ///
    /// # Errors
    /// If a key cannot be derived.
    pub fn handle_timeout(&mut self, now: Timestamp, signs: &mut MediaSigns) -> Result<()> {
        for waited in self.waiting.expired(now) {
            self.count_unopenable(&waited.object);
        }
        self.ring.handle_timeout(now);
        if self.ring.poll_notice().is_some() {
            self.follow_ring(now, signs)?;
        }
        Ok(())
    }

    /// Seals the next object; `None` for a participant that is no member, or whose ring is silent.
    ///
    /// # Errors
    /// If it cannot be sealed.
    pub fn seal(&mut self, now: Timestamp, text: &str, signs: &mut MediaSigns) -> Result<Option<Object>> {
        self.handle_timeout(now, signs)?;
        if !self.is_member || self.ring.sealing().is_err() {
            return Ok(None);
        }
        let track = self.own.track();
        let Some(key) = track.sealing_key() else { return Ok(None) };
        let (key_id, immutable) = (key.key_id(), key.key_id_property().to_vec());
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let location = Location { group_id: sequence / PER_GROUP, object_id: sequence % PER_GROUP };
        let mut buffer = ObjectBuffer::with_capacity(64);
        buffer.extend_from_slice(&now.as_millis().to_be_bytes());
        buffer.extend_from_slice(text.as_bytes());
        let header = ObjectHeader { location, priority: PRIORITY, immutable: &immutable };
        track.seal(&header, &[], &mut buffer)?;
        let payload = [&key_id.to_be_bytes(), buffer.as_slice()].concat().into();
        self.last_sent = Some(sequence);
        let track = FullTrackName { namespace: namespace(&self.group)?, name: self.me.as_bytes().clone() };
        Ok(Some(Object { track, location, payload }))
    }

    /// Takes in an object of a media track.
    ///
    /// # Errors
    /// If a key cannot be derived.
    pub fn receive(&mut self, now: Timestamp, object: Object, signs: &mut MediaSigns) -> Result<()> {
        self.handle_timeout(now, signs)?;
        self.open(now, object, false, signs)
    }

    fn open(&mut self, now: Timestamp, object: Object, waited: bool, signs: &mut MediaSigns) -> Result<()> {
        let sender = SenderId::new(object.track.name.clone())?;
        let Some((key_id, sealed)) = object.payload.split_first_chunk() else {
            self.count_unopenable(&object);
            return Ok(());
        };
        let (key_id, mut bytes) = (u64::from_be_bytes(*key_id), sealed.to_vec());
        let immutable = properties::key_id_property(key_id).unwrap_or_default();
        let header = ObjectHeader { location: object.location, priority: PRIORITY, immutable: &immutable };
        let opened = match self.tracks.get_mut(&sender) {
            Some(track) => track.open(&header, &mut bytes).map(|opened| sealed_at(opened.payload)),
            None => Err(OpenError::UnknownKey(key_id)),
        };
        match opened {
            Ok(Some(at)) => {
                let Location { group_id, object_id } = object.location;
                let sequence = group_id.saturating_mul(PER_GROUP).saturating_add(object_id);
                let is_member = self.is_member;
                self.received
                    .entry(sender.clone())
                    .or_default()
                    .note(sequence, key_id, at, waited, is_member);
                signs.opened(&sender, key_id);
            }
            Err(OpenError::UnknownKey(_)) if self.ring.may_come(key_id) => {
                let size = object.payload.len();
                for gone in self.waiting.push(now, key_id, object, size) {
                    self.count_unopenable(&gone.object);
                }
            }
            Ok(None) | Err(_) => self.count_unopenable(&object),
        }
        Ok(())
    }

    fn count_unopenable(&mut self, object: &Object) {
        if let Ok(sender) = SenderId::new(object.track.name.clone()) {
            self.received.entry(sender).or_default().unopenable += 1;
        }
    }

    /// Returns when something is due next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.ring.poll_timeout().into_iter().chain(self.waiting.poll_timeout()).min()
    }

    /// Returns what came, by sender.
    pub fn received(&self) -> &BTreeMap<SenderId, Received> {
        &self.received
    }

    /// Returns how many objects wait for their key.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the sequence of the last object sent.
    pub fn last_sent(&self) -> Option<u64> {
        self.last_sent
    }

    /// Returns who went out while this participant was a member, and when it heard of it.
    pub fn went(&self) -> &BTreeMap<SenderId, Timestamp> {
        &self.went
    }
}

fn sealed_at(payload: &[u8]) -> Option<Timestamp> {
    let (time, _text) = payload.split_first_chunk()?;
    Some(Timestamp::from_millis(u64::from_be_bytes(*time)))
}
