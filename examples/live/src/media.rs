//! A small media track for each participant, sealed as MoQ Secure Objects under the group's epochs.
//!
//! Which epoch to seal with, and which ones still open, is the [`EpochKeyRing`]'s word; [`SecureTrack`]
//! derives each track's keys and seals. Objects under an epoch that is not known yet wait in a
//! [`WaitQueue`]. The Key ID travels as an object property ([`crate::mapping`]); the payload is
//! `u64 time of sealing, ms | text`.
//!
//! A location must never be sealed twice under one key, and after a restart the ring seals nothing unless it is told
//! from where on. Each run begins at the time in milliseconds, and none seals more than an object each millisecond, so
//! that it lies above all runs before it, also if the state was put back. In case the clock was, locations are
//! reserved in the [`StateDir`] too, durably, before they are used; without one the participant's key, and so its
//! track, dies with it.

mod received;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use moq_mls::engine::Engine;
use moq_mls::keys::{
    EpochKeyRing, EpochSecret, RingConfig, RingNotice, SwitchReason, WaitQueue, WaitQueueLimits,
};
use moq_mls::secure_objects::aws_lc::AwsLc;
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, OpenError, SecureTrack, Suite, properties};
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls::{Notice, Object, Participant, Timestamp};

pub use self::received::Received;
use crate::session::{PRIORITY, WireObject};
use crate::state_dir::StateDir;

/// The namespace field of media.
pub const MEDIA: &str = "media";
/// The suite that everybody has.
const SUITE: Suite = Suite::Aes128Gcm;
/// An epoch is sealed with after this at the latest.
const SWITCH_AFTER: Duration = Duration::from_millis(500);
/// Objects to one MOQT group.
const PER_GROUP: u64 = 64;
/// Locations that are reserved at once: skipped by a restart, and fewer than the milliseconds that it takes.
const RESERVED: u64 = 64;

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
    /// Once out of the group, go on with every key it ever had, as an attacker would: to show that they
    /// open nothing.
    pub hoards_keys: bool,
}

impl Default for MediaConfig {
    /// As the ring's own, but a newcomer, who can open nothing from before its first epoch, waits less.
    fn default() -> Self {
        let mut ring = RingConfig::default();
        ring.switch_after = SWITCH_AFTER;
        Self { ring, hoards_keys: false }
    }
}

/// The sequences of this participant's objects: 64 to a MOQT group.
struct Sequences {
    next: u64,
    reserved: u64,
    state: Option<Arc<StateDir>>,
}

impl Sequences {
    fn new(state: Option<Arc<StateDir>>, now: Timestamp) -> Result<Self> {
        let reserved = state.as_ref().map(|dir| dir.reserved()).transpose()?.unwrap_or(0);
        let next = reserved.max(now.as_millis());
        Ok(Self { next, reserved: next, state })
    }

    /// Where this one lies.
    fn location(sequence: u64) -> Location {
        Location { group: sequence / PER_GROUP, object: sequence % PER_GROUP }
    }

    /// The next one, which was never used before, by this process or another.
    fn take(&mut self) -> Result<u64> {
        if self.next >= self.reserved {
            self.reserved = self.next + RESERVED;
            if let Some(dir) = &self.state {
                dir.reserve(self.reserved)?;
            }
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// Sends one track and opens those of others.
pub struct Media {
    config: MediaConfig,
    group: GroupName,
    me: SenderId,
    ring: EpochKeyRing,
    /// One's own among them.
    tracks: BTreeMap<FullTrackName, SecureTrack>,
    waiting: WaitQueue<WireObject>,
    sequences: Sequences,
    last_sent: Option<u64>,
    member: bool,
    /// Every secret that an attacker would still have.
    hoard: Vec<EpochSecret>,
    members: Vec<SenderId>,
    went: BTreeMap<SenderId, Timestamp>,
    received: BTreeMap<FullTrackName, Received>,
    buffer: ObjectBuffer,
}

impl Media {
    /// Nothing sent and nothing known.
    pub fn new(
        config: MediaConfig,
        group: GroupName,
        me: SenderId,
        state: Option<Arc<StateDir>>,
        now: Timestamp,
    ) -> Result<Self> {
        Ok(Self {
            ring: EpochKeyRing::new(config.ring.clone(), me.clone()),
            config,
            group,
            me,
            tracks: BTreeMap::new(),
            waiting: WaitQueue::new(WaitQueueLimits::default()),
            sequences: Sequences::new(state, now)?,
            last_sent: None,
            member: false,
            hoard: Vec::new(),
            members: Vec::new(),
            went: BTreeMap::new(),
            received: BTreeMap::new(),
            buffer: ObjectBuffer::with_capacity(256),
        })
    }

    /// Takes the epochs of a restored participant: no notice tells them.
    pub fn restored<E: Engine>(&mut self, now: Timestamp, participant: &Participant<E>) -> Result<()> {
        self.ring.on_restore(now, participant.all_epoch_keys()?);
        self.ring.sealing_from(Sequences::location(self.sequences.next));
        if participant.epoch().is_some() {
            self.take_members(now, participant)?;
        }
        self.follow_ring(now)
    }

    /// Takes what the participant told, at the moment it was polled: an epoch passed at once is given only then.
    pub fn on_notice<E: Engine>(
        &mut self,
        now: Timestamp,
        participant: &Participant<E>,
        notice: &Notice,
    ) -> Result<()> {
        match notice {
            Notice::Epoch { epoch, .. } => {
                self.ring.on_notice(now, notice, |epoch| participant.epoch_keys(epoch))?;
                if self.config.hoards_keys {
                    self.hoard.push(participant.epoch_secret(*epoch)?);
                }
                if participant.epoch() == Some(*epoch) {
                    self.take_members(now, participant)?;
                }
            }
            Notice::Removed { .. } | Notice::Left | Notice::LeaveUnheard => {
                self.member = false;
                if !self.config.hoards_keys {
                    self.ring.on_notice(now, notice, |epoch| participant.epoch_keys(epoch))?;
                }
            }
            _ => return Ok(()),
        }
        self.follow_ring(now)
    }

    /// The members of the newest epoch.
    fn take_members<E: Engine>(&mut self, now: Timestamp, participant: &Participant<E>) -> Result<()> {
        let members: Vec<SenderId> = participant.members().map(|m| m.sender.clone()).collect();
        for gone in self.members.iter().filter(|before| !members.contains(before)) {
            self.went.insert(gone.clone(), now);
        }
        for member in &members {
            self.track(&track(&self.group, member)?)?;
        }
        self.member = true;
        self.members = members;
        Ok(())
    }

    /// The track, with the keys of all epochs that are held.
    fn track(&mut self, name: &FullTrackName) -> Result<&mut SecureTrack> {
        if !self.tracks.contains_key(name) {
            let mut track = SecureTrack::new(Arc::new(AwsLc), SUITE, name.clone());
            let held = self.ring.epochs().filter_map(|epoch| self.ring.open_with(epoch));
            for secret in held.chain(&self.hoard) {
                track.add_epoch(secret)?;
            }
            if let Some(sending) = self.ring.seal_with() {
                track.send_with(sending.epoch());
            }
            self.tracks.insert(name.clone(), track);
        }
        self.tracks.get_mut(name).context("a track that was just made")
    }

    /// Does what the ring says, with the keys of every track.
    fn follow_ring(&mut self, now: Timestamp) -> Result<()> {
        while let Some(notice) = self.ring.poll_notice() {
            match notice {
                RingNotice::EpochReady { epoch } => {
                    if let Some(secret) = self.ring.open_with(epoch) {
                        for track in self.tracks.values_mut() {
                            track.add_epoch(secret)?;
                        }
                    }
                    // What came under an epoch that was jumped over comes to nothing now.
                    for waited in self.waiting.take_up_to(epoch) {
                        self.open(now, waited.object, true)?;
                    }
                }
                RingNotice::SendWith { epoch, why } => {
                    tracing::debug!(epoch, ?why, first = why == SwitchReason::First, "media: sealing with");
                    for track in self.tracks.values_mut() {
                        track.send_with(epoch);
                    }
                }
                RingNotice::Silent { why } => {
                    tracing::warn!(%why, "media: sealing nothing");
                    self.tracks.values_mut().for_each(SecureTrack::send_nothing);
                }
                RingNotice::Forgotten { epoch, .. } if !self.config.hoards_keys => {
                    self.tracks.values_mut().for_each(|track| track.forget(epoch));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<()> {
        self.ring.handle_timeout(now);
        for waited in self.waiting.expired(now) {
            self.count(&waited.object.object.track).unopenable += 1;
        }
        self.follow_ring(now)
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.ring.poll_timeout().into_iter().chain(self.waiting.poll_timeout()).min()
    }

    /// Seals the next object; `None` when this participant is no member, or its ring is silent.
    pub fn seal(&mut self, now: Timestamp, text: &str) -> Result<Option<WireObject>> {
        self.handle_timeout(now)?;
        if !self.member || self.ring.sealing().is_err() {
            return Ok(None);
        }
        let name = track(&self.group, &self.me)?;
        let sequence = self.sequences.take()?;
        let location = Sequences::location(sequence);
        let mut buffer = std::mem::replace(&mut self.buffer, ObjectBuffer::with_capacity(0));
        buffer.clear();
        buffer.extend_from_slice(&now.as_millis().to_be_bytes());
        buffer.extend_from_slice(text.as_bytes());
        let track = self.track(&name)?;
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
    pub fn receive(&mut self, now: Timestamp, object: WireObject) -> Result<()> {
        self.handle_timeout(now)?;
        self.open(now, object, false)
    }

    fn open(&mut self, now: Timestamp, wire: WireObject, waited: bool) -> Result<()> {
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
            Some(track) => track.open(&header, &mut bytes).map(|opened| sealed_at(opened.payload)),
            None => Err(OpenError::UnknownKey(key_id)),
        };
        match outcome {
            Ok(Some(sealed)) => {
                let sequence = location.group.saturating_mul(PER_GROUP).saturating_add(location.object);
                let member = self.member;
                self.count(&name).note(sequence, key_id, sealed, waited, member);
                self.ring.seen(now, &SenderId::new(name.name)?, key_id);
                self.follow_ring(now)?;
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

fn sealed_at(payload: &[u8]) -> Option<Timestamp> {
    let (time, _text) = payload.split_first_chunk()?;
    Some(Timestamp::from_millis(u64::from_be_bytes(*time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_uses_no_sequence_again() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_700_000_000);
        let take = |many: u64| {
            let dir = Arc::new(StateDir::open(folder.path()).unwrap());
            let mut sequences = Sequences::new(Some(dir), now).unwrap();
            (0..many).map(|_| sequences.take().unwrap()).collect::<Vec<_>>()
        };
        let all = [take(3), take(RESERVED + 1), take(0), take(2)].concat();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        // The folder is empty again, and more time has passed than there were objects.
        let mut back = Sequences::new(None, now.after(Duration::from_secs(1))).unwrap();
        assert!(back.take().unwrap() > all[all.len() - 1]);
    }
}
