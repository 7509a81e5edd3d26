//! A small media track for each participant, sealed under the epoch's key for that track.
//!
//! Payload: `u64 key id | u64 sequence | AES-128-GCM ciphertext`; the first 16 bytes and the track's name
//! are authenticated too. Key and nonce come from [`Participant::track_base_key`] by HKDF-Expand. The key
//! id is the MLS epoch. A receiver learns an epoch's keys before the sender may use them for long
//! ([`SWITCH`]); what comes under a key not known yet is held, and the keys of the last epochs are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use bytes::Bytes;
use moq_mls::engine::Engine;
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls::{Object, Participant, Timestamp};

/// The namespace field of media.
pub const MEDIA: &str = "media";
/// How long a sender goes on under the old key when members came in; none when somebody went out.
pub const SWITCH: Duration = Duration::from_millis(400);
/// Epochs whose keys are kept to open what comes late.
const KEPT_EPOCHS: usize = 8;
/// How long, and how many, objects under an unknown key are held.
const HELD: (Duration, usize) = (Duration::from_secs(10), 4096);
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

struct Key {
    aead: LessSafeKey,
    salt: [u8; 12],
}

struct Length(usize);
impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Key {
    fn new(base: &[u8]) -> Result<Self> {
        let prk = Prk::new_less_safe(HKDF_SHA256, base);
        let expand = |label: &[u8], out: &mut [u8]| -> Result<()> {
            let label = [label];
            let okm = prk.expand(&label, Length(out.len())).map_err(|_| anyhow!("HKDF"))?;
            okm.fill(out).map_err(|_| anyhow!("HKDF"))
        };
        let (mut key, mut salt) = ([0; 16], [0; 12]);
        expand(b"moq-mls live media key", &mut key)?;
        expand(b"moq-mls live media salt", &mut salt)?;
        let aead = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| anyhow!("AES key"))?;
        Ok(Self { aead: LessSafeKey::new(aead), salt })
    }

    fn nonce(&self, sequence: u64) -> Nonce {
        let mut nonce = self.salt;
        nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(n, s)| *n ^= s);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What came of the objects of one track, counted from the first that was opened.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The first and the last sequence that was opened.
    pub opened_range: Option<(u64, u64)>,
    /// Opened.
    pub opened: u64,
    /// Opened, of these, after they were held for their key.
    pub late: u64,
    /// Never opened: no key, or not authentic.
    pub unopenable: u64,
    /// The newest key id under which one was opened.
    pub newest_key: u64,
}

impl Received {
    /// Missing between the first that was opened and `last`, the last that was sent.
    pub fn lost(&self, last: u64) -> u64 {
        self.opened_range.map_or(0, |(first, _)| (last + 1).saturating_sub(first).saturating_sub(self.opened))
    }
}

/// Sends one track and opens those of others.
pub struct Media {
    group: GroupName,
    me: SenderId,
    /// By epoch, then by track.
    keys: BTreeMap<u64, BTreeMap<FullTrackName, Key>>,
    send_epoch: Option<u64>,
    switch: Option<(Timestamp, u64)>,
    first: u64,
    next: u64,
    held: VecDeque<(Timestamp, Object)>,
    received: BTreeMap<FullTrackName, Received>,
}

impl Media {
    /// Nothing sent and nothing known. Sequences begin at the time in milliseconds: a participant that
    /// restarts within an epoch must not use a nonce twice.
    pub fn new(group: GroupName, me: SenderId, now: Timestamp) -> Self {
        let first = now.as_millis();
        Self {
            group,
            me,
            keys: BTreeMap::new(),
            send_epoch: None,
            switch: None,
            first,
            next: first,
            held: VecDeque::new(),
            received: BTreeMap::new(),
        }
    }

    /// Takes the keys of a new epoch: receive at once, send soon, and at once if somebody is out.
    pub fn enter<E: Engine>(
        &mut self,
        now: Timestamp,
        participant: &Participant<E>,
        someone_out: bool,
    ) -> Result<()> {
        let Some(epoch) = participant.epoch() else { return Ok(()) };
        let mut keys = BTreeMap::new();
        for member in participant.members() {
            let track = track(&self.group, &member.sender)?;
            let base = participant.track_base_key(&track)?;
            keys.insert(track, Key::new(base.key.as_bytes())?);
        }
        self.keys.insert(epoch, keys);
        while self.keys.len() > KEPT_EPOCHS {
            self.keys.pop_first();
        }
        if someone_out || self.send_epoch.is_none() {
            self.send_epoch = Some(epoch);
            self.switch = None;
        } else {
            self.switch = Some((now.after(SWITCH), epoch));
        }
        for (since, object) in std::mem::take(&mut self.held) {
            self.try_open(since, object, true);
        }
        Ok(())
    }

    /// Forgets how to send: this participant is out.
    pub fn stop(&mut self) {
        self.send_epoch = None;
        self.switch = None;
    }

    /// Seals the next object; `None` when this participant is no member.
    pub fn seal(&mut self, now: Timestamp, payload: &[u8]) -> Result<Option<Object>> {
        if let Some((_, epoch)) = self.switch.take_if(|(at, _)| *at <= now) {
            self.send_epoch = Some(epoch);
        }
        let track = track(&self.group, &self.me)?;
        let Some((epoch, key)) = self.send_epoch.and_then(|e| Some((e, self.keys.get(&e)?.get(&track)?)))
        else {
            return Ok(None);
        };
        let sequence = self.next;
        let mut out = [epoch.to_be_bytes(), sequence.to_be_bytes()].concat();
        let aad = aad(&out, &track);
        let mut sealed = payload.to_vec();
        key.aead
            .seal_in_place_append_tag(key.nonce(sequence), aad, &mut sealed)
            .map_err(|_| anyhow!("seal"))?;
        out.append(&mut sealed);
        self.next += 1;
        let location = Location { group: sequence / PER_GROUP, object: sequence % PER_GROUP };
        Ok(Some(Object { track, location, payload: out.into() }))
    }

    /// Takes in an object of a media track.
    pub fn receive(&mut self, now: Timestamp, object: Object) {
        self.try_open(now, object, false);
        while let Some((since, _)) = self.held.front() {
            if now.since(*since) < HELD.0 && self.held.len() <= HELD.1 {
                break;
            }
            if let Some((_, object)) = self.held.pop_front() {
                self.received.entry(object.track).or_default().unopenable += 1;
            }
        }
    }

    fn try_open(&mut self, since: Timestamp, object: Object, late: bool) {
        let newest = self.keys.last_key_value().map(|(epoch, _)| *epoch);
        let word = |at: usize| {
            object.payload.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes)
        };
        let (Some(epoch), Some(sequence)) = (word(0), word(8)) else {
            self.received.entry(object.track).or_default().unopenable += 1;
            return;
        };
        let Some(key) = self.keys.get(&epoch).and_then(|keys| keys.get(&object.track)) else {
            if newest.is_none_or(|newest| epoch > newest) {
                self.held.push_back((since, object));
            } else {
                self.received.entry(object.track).or_default().unopenable += 1;
            }
            return;
        };
        let (head, sealed) = object.payload.split_at(16);
        let mut sealed = sealed.to_vec();
        let opened =
            key.aead.open_in_place(key.nonce(sequence), aad(head, &object.track), &mut sealed).is_ok();
        let received = self.received.entry(object.track).or_default();
        if !opened {
            received.unopenable += 1;
            return;
        }
        received.opened += 1;
        received.late += u64::from(late);
        received.newest_key = received.newest_key.max(epoch);
        let (first, last) = received.opened_range.unwrap_or((sequence, sequence));
        received.opened_range = Some((first.min(sequence), last.max(sequence)));
    }

    /// By track.
    pub fn received(&self) -> &BTreeMap<FullTrackName, Received> {
        &self.received
    }

    /// Objects that wait for their key.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The sequence of the last object sent; `None` before the first.
    pub fn last_sent(&self) -> Option<u64> {
        (self.next > self.first).then(|| self.next - 1)
    }
}

fn aad(head: &[u8], track: &FullTrackName) -> Aad<Vec<u8>> {
    Aad::from([head, &track.to_serialized()].concat())
}
