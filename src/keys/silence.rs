//! When a key ring gives nothing to seal with, though it holds epochs.
//!
//! A key seals no location twice. A participant loses the memory of what it sealed by a restart, or because its
//! state was put back to an older one. It then has no key of an epoch that it may have sealed with before, unless
//! the embedder states from where on nothing was sealed. And a member without which the group went on does not know
//! who was removed since.

use crate::keys::floor::Floor;
use crate::keys::ring::EpochKeyRing;
use crate::keys::ring_config::{RingNotice, Silence, SwitchReason};
use crate::keys::secret::EpochSecret;
use crate::time::Timestamp;
use crate::tracks::Location;

impl EpochKeyRing {
    /// Gives the secret to seal with, or says why there is none, as of the time of the last call.
    ///
    /// # Errors
    /// [`Silence`].
    pub fn sealing(&self) -> Result<&EpochSecret, Silence> {
        let secret = self.sending.and_then(|epoch| self.open_with(epoch)).ok_or(Silence::NoEpoch)?;
        if self.stale_at().is_some_and(|at| at <= self.latest) {
            return Err(Silence::Behind);
        }
        if secret.may_seal() { Ok(secret) } else { Err(Silence::Restored) }
    }

    /// Lets the epochs of before a restart be sealed with, from `location` on, those that are still to come too.
    ///
    /// Every location that this participant sealed in any earlier run, on any of its tracks, must be below. What says
    /// so must not be put back along with the state. Group ids that are times are not, as long as the clock does not
    /// go back. A number in the state folder is, if that folder may be replaced by an older copy of itself.
    ///
    /// Call it before the notices after [`restore`](Self::restore) and [`on_restore`](Self::on_restore) are polled.
    /// Object keys that were made by then need a call of their own
    /// ([`SecureTrack::sealing_from`](crate::secure_objects::SecureTrack::sealing_from)).
    pub fn sealing_from(&mut self, location: Location) {
        let floor = Floor::at(location);
        self.resumes_at = Some(self.resumes_at.map_or(floor, |before| before.max(floor)));
        for held in self.held.values_mut() {
            if !held.secret.may_seal() {
                held.secret.set_floor(floor);
            }
        }
        self.tell_silence();
    }

    /// The group goes on without this member, as it has heard.
    pub(super) fn fall_behind(&mut self, now: Timestamp) {
        self.follow_clock(now);
        if !self.held.is_empty() {
            self.behind.get_or_insert(now);
        }
        self.settle(now);
    }

    fn stale_at(&self) -> Option<Timestamp> {
        self.behind.map(|since| since.after(self.config.stale_after))
    }

    /// When it falls silent, if it is not for that reason already.
    pub(super) fn next_silence(&self) -> Option<Timestamp> {
        self.stale_at().filter(|_| self.silent != Some(Silence::Behind))
    }

    /// Whether nothing is sealed, and could be with this epoch: then that waits for nobody.
    pub(super) fn is_silent_for_want_of(&self, epoch: u64) -> bool {
        self.silent.is_some()
            && self.behind.is_none()
            && self.open_with(epoch).is_some_and(EpochSecret::may_seal)
    }

    pub(super) fn switch(&mut self, epoch: u64, reason: SwitchReason) {
        if self.sending == Some(epoch) {
            return;
        }
        self.sending = Some(epoch);
        if self.sealing().is_ok() {
            self.silent = None;
            self.notify_instead(RingNotice::SendWith { epoch, reason });
        } else {
            self.tell_silence();
        }
    }

    /// Tells that a silence begins or ends.
    pub(super) fn tell_silence(&mut self) {
        let silent = self.sealing().err().filter(|why| *why != Silence::NoEpoch);
        let before = std::mem::replace(&mut self.silent, silent);
        if silent == before {
            return;
        }
        match (silent, self.sending) {
            (Some(reason), _) => self.notify_instead(RingNotice::Silent { reason }),
            (None, Some(epoch)) => {
                let restored = before == Some(Silence::Restored);
                let reason = if restored { SwitchReason::Restored } else { SwitchReason::Resumed };
                self.notify_instead(RingNotice::SendWith { epoch, reason });
            }
            (None, None) => {}
        }
    }

    /// Tells what to seal with instead of what was not polled: nobody acted on that.
    fn notify_instead(&mut self, notice: RingNotice) {
        self.notices.retain(|old| !matches!(old, RingNotice::SendWith { .. } | RingNotice::Silent { .. }));
        self.notices.push_back(notice);
    }
}
