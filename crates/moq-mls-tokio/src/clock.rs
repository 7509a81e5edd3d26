//! The time of a participant.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use moq_mls::Timestamp;

/// Tells the time of a participant. See [`Timestamp`] for what the core expects of a clock.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time since the Unix epoch, in milliseconds. It must not go back.
    fn now(&self) -> Timestamp;
}

/// The wall clock is followed when it is ahead by more than this: the two clocks are read one after the other, and
/// one of them may be slewed.
const LEAP: Duration = Duration::from_secs(1);

/// The clock of the system: wall time that never goes back.
///
/// It goes ahead with the wall clock, as after a suspend, in which [`Instant`] stands still. Clones are the same clock.
#[derive(Clone)]
pub struct SystemClock(Arc<Mutex<Anchor>>);

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    wall: Duration,
    instant: Instant,
}

impl SystemClock {
    /// Makes a clock that agrees with the wall clock now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Anchor { wall: wall(), instant: Instant::now() })))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::from_millis(0).after(anchor.read(wall(), Instant::now()))
    }
}

impl Anchor {
    /// Returns the time when the clocks show `wall` and `instant`.
    fn read(&mut self, wall: Duration, instant: Instant) -> Duration {
        let steady = self.wall + instant.saturating_duration_since(self.instant);
        if wall > steady + LEAP {
            *self = Self { wall, instant };
            return wall;
        }
        steady
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemClock({})", self.now())
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_follows_a_suspend_and_never_goes_back() {
        let (start, secs) = (Instant::now(), Duration::from_secs);
        let mut anchor = Anchor { wall: secs(1000), instant: start };
        assert_eq!(anchor.read(secs(1010), start + secs(10)), secs(1010));
        // Slewed a little: not followed back and forth.
        assert_eq!(anchor.read(Duration::from_millis(1_020_900), start + secs(20)), secs(1020));
        // The machine was suspended for five hours, in which the steady clock stood still.
        assert_eq!(anchor.read(secs(1030 + 18_000), start + secs(30)), secs(19_030));
        assert_eq!(anchor.read(secs(1031 + 18_000), start + secs(31)), secs(19_031));
        // The wall clock is set back by a day: time passes all the same.
        assert_eq!(anchor.read(secs(0), start + secs(32)), secs(19_032));
        assert_eq!(anchor.read(secs(1), start + secs(33)), secs(19_033));
    }
}
