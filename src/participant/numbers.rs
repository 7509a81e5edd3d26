//! Numbers of the objects on a KeyPackage track, which are their object ids: by time, so that who joins later can tell
//! a spent KeyPackage by its age; and not to be foreseen, so that nobody takes their places first.
//!
//! `milliseconds since 1970 << 16 | 16 random bits`, and never below the last one plus one.

use std::time::Duration;

use crate::engine::{CLOCK_TOLERANCE, Engine, EngineError};
use crate::participant::context::Context;
use crate::time::Timestamp;

const RANDOM_BITS: u32 = 16;
/// How far ahead of its receiver's clock a number may be.
const MOST_AHEAD: Duration = CLOCK_TOLERANCE;
/// How far ahead of the own clock a number is, by how often nobody answered the ones before: perhaps the own clock is
/// behind, and they looked spent.
const AHEAD: [Duration; 6] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(20 * 3600),
];
/// A spent number further ahead was drawn by no honest clock: it does not count. (One that is less far ahead costs
/// newcomers a second KeyPackage.)
const MOST_SPENT: Duration = Duration::from_secs(12 * 3600);

impl<E: Engine> Context<E> {
    /// Draws the number of the next object on the own KeyPackage track. No number is ever drawn twice, once it is
    /// durable.
    pub(crate) fn next_object_id(&mut self) -> Result<u64, EngineError> {
        let mut next = self.keys.next_object_id;
        if self.is_ahead(next) {
            // Drawn while the own clock was far ahead. Others refuse such a number, and all above it.
            next = 0;
            let honest = first_of(self.time_of_day().after(MOST_AHEAD));
            self.keys.packages.retain(|key| key.object_id < honest);
        }
        let number = if self.rules.numbers_by_time {
            let unanswered = usize::try_from(self.keys.unanswered).unwrap_or(usize::MAX);
            let ahead = AHEAD.get(unanswered).or(AHEAD.last()).copied().unwrap_or_default();
            next.max(
                first_of(self.time_of_day().after(ahead))
                    | (self.engine.random()? & ((1 << RANDOM_BITS) - 1)),
            )
        } else {
            next
        };
        self.keys.next_object_id = number.saturating_add(1);
        Ok(number)
    }

    /// Returns the highest number that an honest clock may have drawn.
    pub(crate) fn honest_number(&self) -> u64 {
        first_of(self.time_of_day().after(MOST_SPENT))
    }

    /// Returns the highest number that a clock like the own one draws now.
    pub(crate) fn present_number(&self) -> u64 {
        if self.rules.numbers_by_time {
            first_of(self.time_of_day()) | ((1 << RANDOM_BITS) - 1)
        } else {
            u64::MAX
        }
    }

    /// Says whether a number is further ahead than any honest clock's.
    pub(crate) fn is_ahead(&self, number: u64) -> bool {
        self.rules.numbers_by_time && number >= first_of(self.time_of_day().after(MOST_AHEAD))
    }
}

/// The lowest number of a millisecond.
fn first_of(at: Timestamp) -> u64 {
    // Far below the largest MoQT object id for the next millennium.
    (at.as_millis() << RANDOM_BITS) & ((1 << 62) - 1)
}
