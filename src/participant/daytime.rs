//! The time of day: the own clock, corrected by what is known of its error.

use std::time::Duration;

use crate::engine::Engine;
use crate::notice::{ClockError, Notice};
use crate::participant::clock::{MOST_PEERS, TOLERATED, offset};
use crate::participant::context::Context;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// A change by more than this is reported again.
const CHANGED: u64 = 3600 * 1000;
/// Nothing is reported within this after the last time.
const QUIET: Duration = Duration::from_secs(60);
/// A date before this, 1 January 2020, is of a service that has lost its own clock.
const EARLIEST: Timestamp = Timestamp::from_secs(1_577_836_800);

impl<E: Engine> Context<E> {
    /// Returns the time of day, by which lifetimes are judged and KeyPackages are made and numbered.
    pub(crate) fn time_of_day(&self) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis().saturating_add_signed(self.skew.offset()))
    }

    /// Returns the time of the service's clock, as far as it is known: what it signs must be dated by that, to a few seconds.
    pub(crate) fn service_time(&self) -> Timestamp {
        let offset = self.skew.service.unwrap_or(0);
        Timestamp::from_millis(self.now.as_millis().saturating_add_signed(offset))
    }

    /// Takes in what time the service says it is.
    pub(crate) fn on_service_time(&mut self, at: Timestamp) {
        if at >= EARLIEST {
            self.skew.hear(offset(at, self.now));
            self.tell_skew();
        }
    }

    /// Takes in when the lifetime of a KeyPackage begins that was found good: a while before it was made, and so in
    /// the past.
    pub(crate) fn on_lifetime(&mut self, sender: &SenderId, begins: Timestamp) {
        let ahead = offset(begins, self.now);
        let peers = &mut self.skew.peers;
        if ahead <= TOLERATED {
            peers.remove(sender);
        } else if peers.contains_key(sender) || peers.len() < MOST_PEERS {
            peers.insert(sender.clone(), ahead);
        }
        self.tell_skew();
    }

    /// Says how far the own clock is off: once, and once more when that has changed by a lot or is over.
    fn tell_skew(&mut self) {
        let Some((offset, witness)) = self.skew.known() else { return };
        let told = self.skew.told;
        let news = (offset == 0) != (told == 0) || offset.abs_diff(told) > CHANGED;
        let quiet = self.skew.told_at.is_some_and(|at| self.now.since(at) < QUIET);
        if !news || quiet {
            return;
        }
        (self.skew.told, self.skew.told_at) = (offset, Some(self.now));
        let error = match offset {
            0 => ClockError::None,
            1.. => ClockError::Behind,
            _ => ClockError::Ahead,
        };
        self.notify(Notice::ClockSkew { error, by: Duration::from_millis(offset.unsigned_abs()), witness });
    }
}
