//! How the counter service answers, and sparing it: what it asked not to be asked for a while goes out once that is
//! over.

use std::time::Duration;

use crate::action::Action;
use crate::participant::aside::Aside;
use crate::time::Timestamp;

/// How many requests in a row get no answer before the embedder is notified: one may be lost.
const SILENT: u8 = 3;

/// How many requests in a row got no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Unanswered(Aside<u8>);

impl Unanswered {
    /// Notes how a request ended. Returns whether the embedder is to be notified that the service is silent.
    pub(crate) fn note(&mut self, is_answered: bool) -> bool {
        *self.0 = if is_answered { 0 } else { self.0.saturating_add(1) };
        *self.0 == SILENT
    }
}

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
