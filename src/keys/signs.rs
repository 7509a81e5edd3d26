//! What media says about the group: that it is still here, or that it went on. A participant that hears it asks the
//! counter less often, or at once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Event;
use crate::keys::ring::EpochKeyRing;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// How often the same is said at most. A participant counts in tens of seconds, and media comes a thousand times a second.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Signs {
    events: VecDeque<Event>,
    opened: Option<Timestamp>,
    ahead: Option<Timestamp>,
}

impl Signs {
    /// An object of `peer`'s was opened with the keys of the newest epoch.
    pub(super) fn opened(&mut self, now: Timestamp, peer: &SenderId, epoch: u64) {
        if is_due(&mut self.opened, now) {
            self.events.push_back(Event::MediaOpened { peer: peer.clone(), epoch });
        }
    }

    fn ahead(&mut self, now: Timestamp, epoch: u64) {
        if is_due(&mut self.ahead, now) {
            self.events.push_back(Event::MediaAhead { epoch });
        }
    }
}

/// Whether it was not said lately; then it is said now.
fn is_due(last: &mut Option<Timestamp>, now: Timestamp) -> bool {
    // A clock that was set back must not silence it.
    let due = last.is_none_or(|last| now < last || now.since(last) >= EVERY);
    if due {
        *last = Some(now);
    }
    due
}

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
        self.signs.events.pop_front()
    }
}
