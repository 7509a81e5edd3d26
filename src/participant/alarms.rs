//! Faults of peers, told without a flood of notices: anybody can bring them about as often as they like.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::notice::Fault;
use crate::time::Timestamp;

/// How many faults of one kind are told one by one in each window.
pub(crate) const TOLD: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);

/// By kind of fault, when its window began and how many came in it. There are as many entries as kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Alarms(BTreeMap<Fault, (Timestamp, u32)>);

impl Alarms {
    /// Counts a fault; how many of its kind came in the present window.
    pub(crate) fn count(&mut self, fault: Fault, now: Timestamp) -> u32 {
        let (begin, count) = self.0.entry(fault).or_insert((now, 0));
        // Of a clock that was set back, nothing else tells.
        if now < *begin || now.since(*begin) >= WINDOW {
            (*begin, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}
