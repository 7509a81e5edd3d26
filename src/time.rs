//! The one clock of the machine: milliseconds, always passed in.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch.
///
/// Take wall time, for MLS lifetimes (RFC 9420 section 7.2) mean a time of day, and guard it by a monotonic clock:
/// an anchor of both, moved on by the monotonic clock, and set anew when the wall is ahead of that by a second. So time
/// never goes back, and goes on while the machine sleeps. A monotonic clock alone does not: Rust's `Instant` stands
/// still in a sleep on Linux and macOS, and after hours of sleep the participant would be in the past. (The driver in
/// `crates/` has such a clock.)
///
/// A value earlier than one already seen means that the clock was set back:
/// [`Participant::handle`](crate::Participant::handle) moves every deadline back by as much, so that what was due in a
/// second still is. A clock that is wrong by hours all the same is noticed, see
/// [`Notice::ClockSkew`](crate::notice::Notice::ClockSkew).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time from milliseconds since the Unix epoch.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// A time from whole seconds since the Unix epoch, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time plus `by`, saturating at the end of time.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This time minus `by`, at least the Unix epoch.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds of a duration, saturating.
pub(crate) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
