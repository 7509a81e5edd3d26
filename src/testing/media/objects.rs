//! What is sent, how, and what is counted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::keys::{EpochSecret, RingConfig, WaitQueueLimits};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// Where a member's objects are, and what it can say of that after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Places {
    /// Group ids are times: what was sealed before is below the present one.
    #[default]
    ByTime,
    /// Each run counts from the start again, and tells its ring nothing: there are no keys for what went before.
    FromStart,
}

/// How media is sent and kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MediaConfig {
    /// Time between two objects of one member.
    pub interval: Duration,
    /// How many of the participants send, from the first on.
    pub speakers: usize,
    /// Each member's key ring.
    pub ring: RingConfig,
    /// Each member's queue of objects under epochs not known yet.
    pub waiting: WaitQueueLimits,
    /// Where objects are.
    pub places: Places,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            speakers: usize::MAX,
            ring: RingConfig::default(),
            waiting: WaitQueueLimits::default(),
            places: Places::default(),
        }
    }
}

/// One object on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaObject {
    /// Who sealed it.
    pub sender: SenderId,
    /// What it is sealed with; its key id is the epoch.
    pub secret: EpochSecret,
    /// When it was sealed.
    pub sealed: Timestamp,
    /// Those whose removal the sender has known for the switch bound: they must not open it.
    pub shut_out: BTreeSet<SenderId>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Received {
    /// Opened.
    Opened,
    /// Its epoch is not known yet: it waits, or had to make room.
    Waits,
    /// Of an epoch before this one joined, or that it was not in before it came back.
    Before,
    /// Of an epoch that was held and is erased.
    Late,
    /// Of an epoch that this member will never have.
    Gap,
    /// From nobody who is a member, or to nobody who is.
    Ignored,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaStats {
    /// Objects sealed.
    pub sealed: u64,
    /// Objects that a member could have sealed while it had no epoch to seal with.
    pub dark: u64,
    /// Objects that a member could have sealed while its ring was silent: behind, or just restarted.
    pub held_back: u64,
    /// Objects sealed at a place that was not above all that the member, in any of its runs, sealed under the
    /// same secret before.
    pub reused: u64,
    /// Objects opened, those that waited included.
    pub opened: u64,
    /// Objects of epochs before the receiver joined, or that it was not in before it came back.
    pub before: u64,
    /// Objects whose epoch came, after they had waited for too long or made room.
    pub overdue: u64,
    /// Objects whose epoch was erased already.
    pub late: u64,
    /// Objects of a current member under an epoch that a member never had.
    pub gaps: u64,
    /// Objects that a removed member could open, though its removal was known to their sender for the switch
    /// bound.
    pub leaks: u64,
    /// The longest time from the news of a removal to sealing without the removed, milliseconds.
    pub worst_switch_ms: u64,
}

impl MediaStats {
    /// Both together: sums, and the worse of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sealed: self.sealed.saturating_add(other.sealed),
            dark: self.dark.saturating_add(other.dark),
            held_back: self.held_back.saturating_add(other.held_back),
            reused: self.reused.saturating_add(other.reused),
            opened: self.opened.saturating_add(other.opened),
            before: self.before.saturating_add(other.before),
            overdue: self.overdue.saturating_add(other.overdue),
            late: self.late.saturating_add(other.late),
            gaps: self.gaps.saturating_add(other.gaps),
            leaks: self.leaks.saturating_add(other.leaks),
            worst_switch_ms: self.worst_switch_ms.max(other.worst_switch_ms),
        }
    }
}
