//! When each participant wants to be woken.

use std::collections::BTreeSet;

use crate::time::Timestamp;

/// Deadlines by time and by participant: the next one is found without asking everyone.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Timestamp, usize)>,
    by_number: Vec<Option<Timestamp>>,
}

impl Timers {
    /// Sets or takes away a participant's deadline.
    pub(super) fn set(&mut self, who: usize, at: Option<Timestamp>) {
        if self.by_number.len() <= who {
            self.by_number.resize(who.saturating_add(1), None);
        }
        let Some(slot) = self.by_number.get_mut(who) else { return };
        if *slot == at {
            return;
        }
        if let Some(old) = std::mem::replace(slot, at) {
            self.by_time.remove(&(old, who));
        }
        self.by_time.extend(at.map(|at| (at, who)));
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Returns the lowest number among those whose deadline has come.
    pub(super) fn due(&self, now: Timestamp) -> Option<usize> {
        self.by_time.range(..=(now, usize::MAX)).map(|(_, who)| *who).min()
    }
}
