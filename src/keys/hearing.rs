//! What the ring has for the participant.

use crate::event::Event;
use crate::keys::ring::EpochKeyRing;
use crate::time::Timestamp;

impl EpochKeyRing {
    /// Notes that an object came under this key id, which no epoch here has. If it may still come, the participant is
    /// to look.
    pub fn unopened(&mut self, now: Timestamp, key_id: u64) {
        self.follow_clock(now);
        if self.may_come(key_id) {
            self.signs.ahead(now, key_id);
        }
    }

    /// Returns the next event for the participant, made by [`seen`](Self::seen) or [`unopened`](Self::unopened): at
    /// most one of each kind per five seconds. Pass it to [`Participant::handle`](crate::Participant::handle).
    pub fn poll_sign(&mut self) -> Option<Event> {
        self.signs.poll()
    }
}
