//! What media says about the group: that it is still here, or that it went on. A participant that hears it asks the
//! counter less often, or at once.

use std::time::Duration;

use crate::event::Event;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// How often the same is said at most. A participant counts in tens of seconds, and media comes a thousand times a second.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Signs {
    /// What is to be said: of each kind the newest.
    media_opened: Option<Event>,
    media_ahead: Option<Event>,
    opened: Option<Timestamp>,
    ahead: Option<Timestamp>,
}

impl Signs {
    /// An object of `peer`'s was opened with the keys of the newest epoch.
    pub(super) fn opened(&mut self, now: Timestamp, peer: &SenderId, epoch: u64) {
        if is_due(&mut self.opened, now) {
            self.media_opened = Some(Event::MediaOpened { peer: peer.clone(), epoch });
        }
    }

    pub(super) fn ahead(&mut self, now: Timestamp, epoch: u64) {
        if is_due(&mut self.ahead, now) {
            self.media_ahead = Some(Event::MediaAhead { epoch });
        }
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        self.media_ahead.take().or_else(|| self.media_opened.take())
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
