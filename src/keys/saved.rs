//! A key ring that survives a restart.

use std::sync::Arc;

use crate::engine::Kdf;
use crate::keys::ring::{EpochKeyRing, Held};
use crate::keys::ring_config::{RingConfig, RingNotice, SwitchReason};
use crate::keys::secret::EpochSecret;
use crate::secret::Secret;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// "MQKR", then the format's version.
const MAGIC: &[u8; 4] = b"MQKR";
/// The format this crate writes and the only one it reads.
const VERSION: u16 = 2;

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
        let mut out = Writer::of(MAGIC, VERSION, room);
        out.bytes(self.me.as_bytes());
        out.u64(self.latest.as_millis());
        out.option(self.behind.map(Timestamp::as_millis), Writer::u64);
        out.option(self.sending, Writer::u64);
        out.list(self.members.iter(), |out, member| out.bytes(member.as_bytes()));
        out.list(self.seen.iter(), |out, (sender, epoch)| {
            out.bytes(sender.as_bytes());
            out.u64(*epoch);
        });
        out.list(self.held.values(), |out, held| {
            held.secret.write(out);
            out.u64(held.ready.as_millis());
            for at in [held.superseded, held.removal, held.quorum] {
                out.option(at.map(Timestamp::as_millis), Writer::u64);
            }
        });
        out.into_secret()
    }

    /// The ring of `me` as it was [`save`](Self::save)d, with notices of all it holds. `kdf` is the one of
    /// the group's cipher suite ([`Engine::kdf`](crate::engine::Engine::kdf)). What came due in the meantime
    /// is done: a switch after a removal is not put off by a restart.
    ///
    /// Then call [`on_restore`](Self::on_restore), for what was passed after the ring was stored. Nothing is sealed
    /// with what is held now ([`Silence::Restored`](crate::keys::Silence)) unless
    /// [`sealing_from`](Self::sealing_from) says from where on.
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
        let mut from = Reader::of(saved.clone().into_shared(), MAGIC, VERSION)?;
        if from.bytes()? != me.as_bytes() {
            return Err(SnapshotError::OtherParticipant);
        }
        let mut ring = Self::new(config, me);
        ring.latest = Timestamp::from_millis(from.u64()?);
        ring.behind = from.option(|from| from.u64().map(Timestamp::from_millis))?;
        ring.sending = from.option(Reader::u64)?;
        ring.members = from.list(Reader::sender)?.into_iter().collect();
        ring.seen = from.list(|from| Ok((from.sender()?, from.u64()?)))?.into_iter().collect();
        let time = |from: &mut Reader| from.u64().map(Timestamp::from_millis);
        let held = from.list(|from| {
            Ok(Held {
                secret: EpochSecret::read(from, &kdf)?,
                ready: time(from)?,
                superseded: from.option(time)?,
                removal: from.option(time)?,
                quorum: from.option(time)?,
            })
        })?;
        from.end()?;
        ring.held = held.into_iter().map(|held| (held.secret.epoch(), held)).collect();
        ring.notices.extend(ring.held.keys().map(|epoch| RingNotice::EpochReady { epoch: *epoch }));
        if ring.sending.is_some_and(|epoch| !ring.held.contains_key(&epoch)) {
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
