//! A key ring that survives a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Buf, BufMut};

use super::ring::Held;
use super::{EpochKeyRing, EpochSecret, Kdf, RingConfig, RingNotice, SwitchReason};
use crate::Secret;
use crate::snapshot::SnapshotError;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// "MQKR", then the format's version.
const MAGIC: &[u8; 4] = b"MQKR";
/// The format this crate writes and the only one it reads.
const VERSION: u16 = 1;

impl EpochKeyRing {
    /// What [`restore`](Self::restore) takes: the secrets of all epochs held and the deadlines that run.
    ///
    /// Store it, sealed like a snapshot and in place of the one before, whenever notices were polled, before
    /// acting on them. Notices not polled are no part of it. It holds each epoch for as long as the ring
    /// does, so that storing it costs [`RingConfig::keep`] of forward secrecy at rest: an embedder that would
    /// rather lose what is on its way across a restart than keep past epochs on disk does not store it.
    pub fn save(&self) -> Secret {
        let entries = self.held.values().map(|held| held.secret.as_bytes().len().saturating_add(64));
        let names = self.members.iter().map(|m| m.as_bytes().len().saturating_mul(2).saturating_add(24));
        // Room for all: what grows would leave copies of secrets behind.
        let room = entries.chain(names).fold(64 + self.me.as_bytes().len(), usize::saturating_add);
        let mut out = Vec::with_capacity(room);
        out.put_slice(MAGIC);
        out.put_u16(VERSION);
        put_bytes(&mut out, self.me.as_bytes());
        out.put_u64(self.latest.as_millis());
        put_option(&mut out, self.sending);
        out.put_u64(self.members.len() as u64);
        self.members.iter().for_each(|member| put_bytes(&mut out, member.as_bytes()));
        out.put_u64(self.seen.len() as u64);
        for (sender, epoch) in &self.seen {
            put_bytes(&mut out, sender.as_bytes());
            out.put_u64(*epoch);
        }
        out.put_u64(self.held.len() as u64);
        for (epoch, held) in &self.held {
            out.put_u64(*epoch);
            put_bytes(&mut out, held.secret.as_bytes());
            out.put_u64(held.ready.as_millis());
            for at in [held.superseded, held.removal, held.quorum] {
                put_option(&mut out, at.map(Timestamp::as_millis));
            }
        }
        Secret::new(out)
    }

    /// The ring of `me` as it was [`save`](Self::save)d, with notices of all it holds. `kdf` is the one of
    /// the group's cipher suite ([`Engine::kdf`](crate::engine::Engine::kdf)). What came due in the meantime
    /// is done: a switch after a removal is not put off by a restart.
    ///
    /// Then call [`on_restore`](Self::on_restore), for what was passed after the ring was stored.
    ///
    /// # Errors
    /// [`SnapshotError`] for bytes that are no saved ring, of another version, or of another participant.
    pub fn restore(
        config: RingConfig,
        me: SenderId,
        kdf: Arc<dyn Kdf>,
        saved: &Secret,
        now: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let mut from = saved.as_bytes();
        let magic = from.split_off(..MAGIC.len()).ok_or(SnapshotError::Malformed)?;
        if magic != MAGIC {
            return Err(SnapshotError::Malformed);
        }
        match from.try_get_u16() {
            Ok(VERSION) => {}
            Ok(other) => return Err(SnapshotError::Version(other)),
            Err(_) => return Err(SnapshotError::Malformed),
        }
        if bytes(&mut from)? != me.as_bytes() {
            return Err(SnapshotError::OtherParticipant);
        }
        let mut ring = Self::new(config, me);
        ring.latest = Timestamp::from_millis(number(&mut from)?);
        ring.sending = option(&mut from)?;
        // Built up one by one: a count that is a lie runs out of bytes, and allocates nothing before.
        let mut members = BTreeSet::new();
        for _ in 0..number(&mut from)? {
            members.insert(sender(&mut from)?);
        }
        ring.members = members;
        let mut seen = BTreeMap::new();
        for _ in 0..number(&mut from)? {
            seen.insert(sender(&mut from)?, number(&mut from)?);
        }
        ring.seen = seen;
        for _ in 0..number(&mut from)? {
            let epoch = number(&mut from)?;
            let secret = Secret::new(bytes(&mut from)?.to_vec());
            if secret.len() != kdf.hash_len() {
                return Err(SnapshotError::Malformed);
            }
            let held = Held {
                secret: EpochSecret::from_parts(epoch, secret, &kdf),
                ready: Timestamp::from_millis(number(&mut from)?),
                superseded: option(&mut from)?.map(Timestamp::from_millis),
                removal: option(&mut from)?.map(Timestamp::from_millis),
                quorum: option(&mut from)?.map(Timestamp::from_millis),
            };
            ring.held.insert(epoch, held);
            ring.notices.push_back(RingNotice::EpochReady { epoch });
        }
        if !from.is_empty() || ring.sending.is_some_and(|epoch| !ring.held.contains_key(&epoch)) {
            return Err(SnapshotError::Malformed);
        }
        ring.follow_clock(now);
        if let Some(epoch) = ring.sending.take() {
            ring.switch(epoch, SwitchReason::Restored);
        }
        ring.settle(now);
        Ok(ring)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u64(bytes.len() as u64);
    out.put_slice(bytes);
}

fn put_option(out: &mut Vec<u8>, number: Option<u64>) {
    out.put_u8(u8::from(number.is_some()));
    if let Some(number) = number {
        out.put_u64(number);
    }
}

fn number(from: &mut &[u8]) -> Result<u64, SnapshotError> {
    from.try_get_u64().map_err(|_| SnapshotError::Malformed)
}

fn option(from: &mut &[u8]) -> Result<Option<u64>, SnapshotError> {
    match from.try_get_u8() {
        Ok(0) => Ok(None),
        Ok(1) => number(from).map(Some),
        _ => Err(SnapshotError::Malformed),
    }
}

fn bytes<'a>(from: &mut &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    let len = usize::try_from(number(from)?).map_err(|_| SnapshotError::Malformed)?;
    from.split_off(..len).ok_or(SnapshotError::Malformed)
}

fn sender(from: &mut &[u8]) -> Result<SenderId, SnapshotError> {
    SenderId::new(bytes(from)?.to_vec()).map_err(|_| SnapshotError::Malformed)
}
