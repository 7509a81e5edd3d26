//! Faults and crowds of peers, reported without a flood of notices: anybody can bring them about as often as they
//! like.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::notice::Fault;
use crate::time::Timestamp;

/// How many faults of one kind are reported one by one in each window.
pub(crate) const TOLD: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);

/// When a window began, and how many came in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Window(Timestamp, u32);

impl Window {
    fn count(&mut self, now: Timestamp) -> u32 {
        // Of a clock that was set back, nothing else tells.
        if now < self.0 || now.since(self.0) >= WINDOW {
            *self = Self(now, 0);
        }
        self.1 = self.1.saturating_add(1);
        self.1
    }
}

/// The windows of each kind of fault, and of joiners for whom there was no room. There are as many as kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Alarms {
    faults: BTreeMap<Fault, Window>,
    full: Option<Window>,
}

impl Alarms {
    /// Counts a fault; how many of its kind came in the present window.
    pub(crate) fn count(&mut self, fault: Fault, now: Timestamp) -> u32 {
        self.faults.entry(fault).or_insert(Window(now, 0)).count(now)
    }

    /// Counts a joiner for whom there is no room; whether to tell of it.
    pub(crate) fn tells_full(&mut self, now: Timestamp) -> bool {
        self.full.get_or_insert(Window(now, 0)).count(now) <= TOLD
    }
}
