//! The same state run twice: a folder that was copied, or put back while the original runs on.
//!
//! Both runs have one signature key, and so one place in the group. Each comes back when the other has taken it,
//! and a group that changes epochs for them all day serves nobody. So each waits twice as long as before.

use std::time::Duration;

/// How often this run met another one of the same participant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Doubles(u32);

impl Doubles {
    /// Notes that another run acted. Returns how long to wait before this one asks to be let in again: `first`, and
    /// each time twice as long.
    pub(crate) fn note(&mut self, first: Duration) -> Duration {
        let factor = 1_u32.checked_shl(self.0).unwrap_or(u32::MAX);
        self.0 = self.0.saturating_add(1);
        first.saturating_mul(factor)
    }

    /// Returns how often that was.
    pub(crate) fn count(&self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_last_and_none_overflows() {
        let mut doubles = Doubles::default();
        let waits: Vec<u64> = (0..40).map(|_| doubles.note(Duration::from_secs(10)).as_secs()).collect();
        assert_eq!(waits[..4], [10, 20, 40, 80]);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!((waits.last(), doubles.count()), (Some(&(10 * u64::from(u32::MAX))), 40));
    }
}
