//! The keys of media, and what media says of the group.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use moq_mls::keys::{EpochKeyRing, EpochSecret};
use moq_mls::secure_objects::{KeyError, SecureTrack};
use moq_mls::tracks::SenderId;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The same sign is given this often at most: media comes a thousand times a second.
const EVERY: Duration = Duration::from_secs(5);

/// What media says.
#[derive(Debug)]
pub(crate) enum Sign {
    /// An object of that sender was opened with the keys of that epoch.
    Opened(SenderId, u64),
    /// An object came under a key id that is not held.
    Unopened(u64),
}

/// Tells the participant what its media shows: who is on which epoch, and that the group may be ahead.
///
/// Say it for every object. Members then switch to a new epoch as soon as all are on it, and ask the counter service
/// less often. Nothing is lost if it is not said.
#[derive(Clone, Debug)]
pub struct MediaSigns {
    signs: mpsc::Sender<Sign>,
    opened: BTreeMap<SenderId, (u64, Instant)>,
    unopened: Option<Instant>,
}

impl MediaSigns {
    pub(crate) fn new(signs: mpsc::Sender<Sign>) -> Self {
        Self { signs, opened: BTreeMap::new(), unopened: None }
    }

    /// Notes that an object of `sender` was opened with the keys of `epoch`. Say it only of what opened.
    pub fn opened(&mut self, sender: &SenderId, epoch: u64) {
        let now = Instant::now();
        if let Some((newest, at)) = self.opened.get(sender)
            && (epoch < *newest || (epoch == *newest && now < *at + EVERY))
        {
            return;
        }
        // Without room it is said with the next object.
        if self.signs.try_send(Sign::Opened(sender.clone(), epoch)).is_ok() {
            self.opened.insert(sender.clone(), (epoch, now));
        }
    }

    /// Notes that an object came whose key id is not held. Anybody can make such objects up; the participant knows.
    pub fn unopened(&mut self, key_id: u64) {
        let now = Instant::now();
        if self.unopened.is_none_or(|at| now >= at + EVERY)
            && self.signs.try_send(Sign::Unopened(key_id)).is_ok()
        {
            self.unopened = Some(now);
        }
    }
}

/// A track that has the keys of a ring: it opens with every epoch that the ring holds, and seals with the ring's choice.
#[derive(Debug)]
pub struct MediaTrack {
    track: SecureTrack,
    held: BTreeMap<u64, EpochSecret>,
}

impl MediaTrack {
    /// Takes a track that has no keys yet.
    pub fn new(track: SecureTrack) -> Self {
        Self { track, held: BTreeMap::new() }
    }

    /// Takes over what the ring holds now. Call it at each change of [`Handle::media_keys`](crate::Handle::media_keys).
    ///
    /// # Errors
    /// [`KeyError`] if a key cannot be derived.
    pub fn follow(&mut self, ring: &EpochKeyRing) -> Result<(), KeyError> {
        let Self { track, held } = self;
        // After a fork an epoch comes again with another secret.
        held.retain(|epoch, secret| {
            let kept = ring.open_with(*epoch) == Some(secret);
            if !kept {
                track.forget(*epoch);
            }
            kept
        });
        for secret in ring.epochs().filter_map(|epoch| ring.open_with(epoch)) {
            if let Entry::Vacant(entry) = held.entry(secret.epoch()) {
                track.add_epoch(secret)?;
                entry.insert(secret.clone());
            }
        }
        match ring.seal_with() {
            Some(secret) => _ = track.send_with(secret.epoch()),
            None => track.send_nothing(),
        }
        Ok(())
    }

    /// Returns the track, to seal and to open with.
    pub fn track(&mut self) -> &mut SecureTrack {
        &mut self.track
    }
}
