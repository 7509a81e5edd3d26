//! What time it is for others.
//!
//! Waiting times pass by the own clock. Lifetimes of KeyPackages, credentials and the numbers of KeyPackages mean a
//! time of day, which the own clock may have lost: some clocks stand still while a machine sleeps. So these are judged by
//! the own clock plus an offset, which the service's time alone decides. KeyPackages of peers that come from the
//! future are a reason to say so, and no more: a peer may make them up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::notice::ClockWitness;
use crate::time::{Timestamp, millis};
use crate::tracks::SenderId;

/// An offset within this is none: MLS lifetimes leave far more room, and answers take their time.
pub(super) const TOLERATED: i64 = 5 * 60 * 1000;
/// Within this, two answers of the service say the same: a date has whole seconds, and an answer may be late.
const SAME: u64 = 15 * 1000;
/// Most senders whose KeyPackages are remembered to come from the future.
pub(super) const MOST_PEERS: usize = 16;
/// How many senders must agree.
const ENOUGH_PEERS: usize = 2;

/// How far the own clock is off, as far as is known. Offsets are true time less own time, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Skew {
    /// As the service says; `None` if it never said anything.
    pub(super) service: Option<i64>,
    /// What the service said once and not yet twice.
    doubted: Option<i64>,
    /// How far the newest KeyPackage of each sender is in the future.
    pub(super) peers: BTreeMap<SenderId, i64>,
    /// What the embedder was notified of last, and when.
    pub(super) told: i64,
    pub(super) told_at: Option<Timestamp>,
}

impl Skew {
    /// Takes in an offset that the service says. One that differs from the one before counts once it is said twice in
    /// a row: a single answer may come out of a cache, or from somewhere else.
    pub(super) fn hear(&mut self, offset: i64) {
        let same = |other: i64| other.abs_diff(offset) <= SAME;
        if self.service.is_none_or(same) || self.doubted.is_some_and(same) {
            (self.service, self.doubted) = (Some(offset), None);
        } else {
            self.doubted = Some(offset);
        }
    }

    /// The offset to judge lifetimes by.
    pub(super) fn offset(&self) -> i64 {
        self.service.map_or(0, tolerate)
    }

    /// The offset to tell, and who says so. `None`: nothing is known for certain.
    pub(super) fn known(&self) -> Option<(i64, ClockWitness)> {
        if let Some(offset) = self.service {
            return Some((tolerate(offset), ClockWitness::Service));
        }
        let mut ahead: Vec<i64> = self.peers.values().copied().filter(|by| *by > TOLERATED).collect();
        ahead.sort_unstable_by(|one, other| other.cmp(one));
        // As many as are needed say at least so much.
        match ahead.get(ENOUGH_PEERS - 1) {
            Some(by) => Some((*by, ClockWitness::Peers)),
            None if ahead.is_empty() => Some((0, ClockWitness::Peers)),
            None => None,
        }
    }

    /// Follows a clock that was set back: true time has not changed.
    pub(crate) fn set_back(&mut self, by: Duration) {
        let ms = i64::try_from(millis(by)).unwrap_or(i64::MAX);
        for offset in self.service.iter_mut().chain(&mut self.doubted).chain(self.peers.values_mut()) {
            *offset = offset.saturating_add(ms);
        }
        self.told_at = self.told_at.map(|at| at.before(by));
    }
}

fn tolerate(offset: i64) -> i64 {
    if offset.abs() < TOLERATED { 0 } else { offset }
}

/// How much later `at` is than `than`, milliseconds.
pub(super) fn offset(at: Timestamp, than: Timestamp) -> i64 {
    let gap = |d: Duration| i64::try_from(millis(d)).unwrap_or(i64::MAX);
    gap(at.since(than)).saturating_sub(gap(than.since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn heard(offsets: &[i64]) -> Skew {
        let mut skew = Skew::default();
        offsets.iter().for_each(|offset| skew.hear(*offset));
        skew
    }

    #[test]
    fn the_first_time_counts_at_once_and_another_when_it_is_said_twice() {
        assert_eq!(Skew::default().offset(), 0);
        assert_eq!(heard(&[5 * HOUR]).offset(), 5 * HOUR);
        assert_eq!(heard(&[5 * HOUR, 0]).offset(), 5 * HOUR);
        assert_eq!(heard(&[5 * HOUR, 0, 900]).offset(), 0);
        assert_eq!(heard(&[0, 5 * HOUR, 0, 5 * HOUR, 0]).offset(), 0, "never twice in a row");
        assert_eq!(heard(&[0, 5 * HOUR, 6 * HOUR, 7 * HOUR]).offset(), 0, "never the same");
        assert_eq!(heard(&[0, -5 * HOUR, -5 * HOUR - 1000]).offset(), -5 * HOUR - 1000);
        assert_eq!(heard(&[TOLERATED - 1]).offset(), 0);
        assert_eq!(heard(&[-TOLERATED]).offset(), -TOLERATED);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_true_time_where_it_was() {
        let mut skew = heard(&[-5 * HOUR, 0]);
        skew.set_back(Duration::from_secs(5 * 3600));
        assert_eq!((skew.offset(), skew.doubted), (0, Some(5 * HOUR)));
        let mut unknown = Skew::default();
        unknown.set_back(Duration::from_secs(3600));
        assert_eq!(unknown.offset(), 0);
    }

    #[test]
    fn offsets_do_not_overflow() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(offset(end, Timestamp::default()), i64::MAX);
        assert_eq!(offset(Timestamp::default(), end), -i64::MAX);
        let mut skew = heard(&[i64::MAX]);
        skew.set_back(Duration::MAX);
        assert_eq!(skew.offset(), i64::MAX);
        assert_eq!(heard(&[-i64::MAX]).offset(), -i64::MAX);
    }
}
