//! When to wake up, and the jitter that keeps members apart.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::Timer;
use crate::time::{Timestamp, millis};

/// One deadline per reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Deadlines(BTreeMap<Timer, Timestamp>);

impl Deadlines {
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.0.insert(timer, at);
    }

    /// Sets a deadline unless an earlier one stands.
    pub(crate) fn bring_forward(&mut self, timer: Timer, at: Timestamp) {
        let entry = self.0.entry(timer).or_insert(at);
        *entry = (*entry).min(at);
    }

    /// Moves a deadline that is set to later.
    pub(crate) fn put_off(&mut self, timer: Timer, at: Timestamp) {
        self.0.entry(timer).and_modify(|due| *due = (*due).max(at));
    }

    /// The clock was set back by so much.
    pub(crate) fn bring_all_forward(&mut self, by: Duration) {
        self.0.values_mut().for_each(|at| *at = at.before(by));
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    /// Clears what belongs to a phase that is over. Repeats of publishes and subscriptions go on, and the service's pause.
    pub(crate) fn clear_phase(&mut self) {
        self.0.retain(|timer, _| {
            matches!(timer, Timer::Publish | Timer::Subscribe | Timer::Service | Timer::Leave)
        });
    }

    pub(crate) fn clear_all(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0.contains_key(&timer)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn armed(&self) -> impl Iterator<Item = Timer> {
        self.0.keys().copied()
    }

    /// Sets every deadline that stands to one moment.
    #[cfg(feature = "testing")]
    pub(crate) fn level(&mut self, at: Timestamp) {
        self.0.values_mut().for_each(|deadline| *deadline = at);
    }

    pub(crate) fn next(&self) -> Option<(Timestamp, Timer)> {
        self.0.iter().map(|(timer, at)| (*at, *timer)).min()
    }

    /// Lists the deadlines that are due.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Timer> {
        self.0.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect()
    }

    /// Takes a deadline if it is due; `false` for one that was cleared or put off. Fired deadlines are gone: a
    /// stale one would be a busy loop.
    pub(crate) fn take_if_due(&mut self, timer: Timer, now: Timestamp) -> bool {
        let due = self.0.get(&timer).is_some_and(|at| *at <= now);
        if due {
            self.0.remove(&timer);
        }
        due
    }
}

/// Spread without an RNG: a hash of who asks and how often it asked, so that a replay draws the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jitter {
    seed: u64,
    draws: u64,
}

impl Jitter {
    pub(crate) fn new(name: &[u8]) -> Self {
        // FNV-1a, then mixed at each draw.
        let seed = name
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        Self { seed, draws: 0 }
    }

    /// A duration in `0..=max`.
    pub(crate) fn up_to(&mut self, max: Duration) -> Duration {
        self.draws = self.draws.wrapping_add(1);
        let mut x = self.seed.wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        Duration::from_millis(x % millis(max).saturating_add(1).max(1))
    }

    /// Full-jitter exponential back-off: between half of and all of `first * 2^attempt`, at most `most`.
    pub(crate) fn backoff(&mut self, (first, most): (Duration, Duration), attempt: u32) -> Duration {
        let full = first.saturating_mul(1_u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX)).min(most);
        let half = full / 2;
        half + self.up_to(full.saturating_sub(half))
    }
}
