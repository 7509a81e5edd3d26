//! The machine's time: anchored once to the wall, moved on by a monotonic clock.

use std::time::{Duration, Instant, SystemTime};

use moq_mls::Timestamp;

/// Never goes back, whatever happens to the system's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Duration,
    began: Instant,
}

impl Clock {
    /// A clock that agrees with the wall now.
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall, began: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).after(self.wall + self.began.elapsed())
    }

    /// When it will be `at`; in the past if it was.
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.began + Duration::from_millis(at.as_millis()).saturating_sub(self.wall)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
