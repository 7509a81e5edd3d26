//! What media needs of a member: the secrets of its epochs (draft section 8).

use crate::engine::Engine;
use crate::error::{Error, Misuse};
use crate::keys::{EpochKeys, EpochSecret, TrackBaseKey};
use crate::participant::Participant;
use crate::tracks::FullTrackName;

impl<E: Engine> Participant<E> {
    /// Returns the secret of an epoch: of the current one at any time, and of one that was passed for
    /// [`Timers::epoch_secrets`](crate::Timers::epoch_secrets) after the [`Notice::Epoch`](crate::Notice::Epoch) of a
    /// later one was polled.
    ///
    /// So there is no hurry: a member that catches up passes several epochs in one call, while others may still send
    /// with any of them.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`]; [`Misuse::EpochGone`] for any other epoch.
    pub fn epoch_secret(&self, epoch: u64) -> Result<EpochSecret, Error> {
        if let Some(passed) = self.cx.passed.of(epoch) {
            return Ok(passed.clone());
        }
        let current = &self.member().ok_or(Misuse::NotAMember)?.epoch;
        if current.shown() != epoch {
            return Err(Misuse::EpochGone.into());
        }
        Ok(current.secret(&self.cx))
    }

    /// Returns every secret that [`epoch_secret`](Self::epoch_secret) gives now, oldest first; none for one that is
    /// no member. After [`restore`](Self::restore), which gives no notice of an epoch, this is what a key ring
    /// may lack.
    pub fn epoch_secrets(&self) -> Vec<EpochSecret> {
        let Some(member) = self.member() else { return Vec::new() };
        let current = member.epoch.shown();
        let passed = self.cx.passed.iter().filter(|secret| secret.epoch() != current).cloned();
        passed.chain([member.epoch.secret(&self.cx)]).collect()
    }

    /// Returns what a key ring needs of an epoch that [`epoch_secret`](Self::epoch_secret) gives now.
    ///
    /// Only the newest epoch's members are known, and they must not stand for those of one that was passed
    /// at once: who was removed since could read it still.
    ///
    /// # Errors
    /// Those of [`epoch_secret`](Self::epoch_secret).
    pub fn epoch_keys(&self, epoch: u64) -> Result<EpochKeys, Error> {
        Ok(self.keys_with(self.epoch_secret(epoch)?))
    }

    /// Returns what a key ring needs of every epoch that [`epoch_secrets`](Self::epoch_secrets) gives now, oldest
    /// first.
    pub fn all_epoch_keys(&self) -> Vec<EpochKeys> {
        self.epoch_secrets().into_iter().map(|secret| self.keys_with(secret)).collect()
    }

    fn keys_with(&self, secret: EpochSecret) -> EpochKeys {
        let is_newest = self.epoch() == Some(secret.epoch());
        let members = self.members().filter(|_| is_newest).map(|member| member.sender.clone()).collect();
        EpochKeys { secret, members }
    }

    /// `track_base_key` of a track in the current epoch: the same for all members, and nobody else's.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn track_base_key(&self, track: &FullTrackName) -> Result<TrackBaseKey, Error> {
        let epoch = self.epoch().ok_or(Misuse::NotAMember)?;
        Ok(self.epoch_secret(epoch)?.track_base_key(track)?)
    }
}
