//! The machine's time: the wall's, which goes on while the machine sleeps, and never back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use moq_mls::Timestamp;

/// The wall is followed when it is ahead by more than this: both clocks are read one after the other, and one of them
/// may be slewed.
const LEAP: Duration = Duration::from_secs(1);

/// Never goes back, whatever happens to the system's clock; goes ahead with it, as after a sleep, in which `Instant`
/// stands still. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Anchor>>);

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    wall: Duration,
    instant: Instant,
}

impl Clock {
    /// A clock that agrees with the wall now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Anchor { wall: wall(), instant: Instant::now() })))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).after(self.with(|anchor| anchor.read(wall(), Instant::now())))
    }

    /// When it will be `at`, if the machine does not sleep; in the past if it was.
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.with(|anchor| anchor.instant + Duration::from_millis(at.as_millis()).saturating_sub(anchor.wall))
    }

    fn with<R>(&self, read: impl FnOnce(&mut Anchor) -> R) -> R {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Anchor {
    /// The time when the clocks say `wall` and `instant`.
    fn read(&mut self, wall: Duration, instant: Instant) -> Duration {
        let steady = self.wall + instant.saturating_duration_since(self.instant);
        if wall > steady + LEAP {
            *self = Self { wall, instant };
            return wall;
        }
        steady
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_through_a_sleep_and_never_back() {
        let (start, secs) = (Instant::now(), Duration::from_secs);
        let mut anchor = Anchor { wall: secs(1000), instant: start };
        assert_eq!(anchor.read(secs(1010), start + secs(10)), secs(1010));
        // Slewed a little: not followed back and forth.
        assert_eq!(anchor.read(Duration::from_millis(1_020_900), start + secs(20)), secs(1020));
        // It slept for five hours, in which the steady clock stood still.
        assert_eq!(anchor.read(secs(1030 + 18_000), start + secs(30)), secs(19_030));
        assert_eq!(anchor.read(secs(1031 + 18_000), start + secs(31)), secs(19_031));
        // The wall is set back by a day: time passes all the same.
        assert_eq!(anchor.read(secs(0), start + secs(32)), secs(19_032));
        assert_eq!(anchor.read(secs(1), start + secs(33)), secs(19_033));
    }

    #[test]
    fn a_deadline_is_as_far_ahead_as_the_clock_says() {
        let clock = Clock::new();
        let soon = clock.now().after(Duration::from_secs(5));
        let wait = clock.instant(soon).saturating_duration_since(Instant::now());
        assert!(wait <= Duration::from_secs(5) && wait > Duration::from_secs(4), "{wait:?}");
    }
}
