//! Sparing the counter service: what it asked not to be asked for a while goes out once that is over.

use std::time::Duration;

use crate::action::Action;
use crate::time::Timestamp;

/// The pause that the service asked for, and the requests that wait for its end, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pause {
    pub(super) until: Option<Timestamp>,
    pub(super) held: Vec<Action>,
}

impl Pause {
    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.until = self.until.map(|at| at.before(by));
    }

    /// Drops what waits: nobody wants the answers any more.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }
}
