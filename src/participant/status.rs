//! What a participant waits for, in a sentence: for logs, and for people who ask why nothing happens.

use std::fmt;
use std::time::Duration;

use crate::notice::WaitsFor;
use crate::participant::aside::Aside;
use crate::participant::creating::Creating;
use crate::participant::joining::Joining;
use crate::participant::member::Member;
use crate::participant::member::slot::Step;
use crate::participant::phase::Phase;
use crate::time::Timestamp;

/// Where a participant is, and what it waits for. `Display` is one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Status {
    /// The phase.
    pub phase: Phase,
    /// The epoch, while a member.
    pub epoch: Option<u64>,
    /// How many members the group has; 0 unless a member.
    pub members: usize,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Since when it waits for that, by the times that [`Participant::handle`](crate::Participant::handle) was given.
    pub since: Timestamp,
    /// From `since` until the last call of [`Participant::handle`](crate::Participant::handle).
    pub waited: Duration,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.phase, self.epoch) {
            (Phase::New, _) => write!(f, "not begun")?,
            (Phase::Bootstrapping, _) => write!(f, "looking for the group")?,
            (Phase::Joining, _) => write!(f, "joining")?,
            (Phase::Member, epoch) => {
                write!(f, "at epoch {} with {} members", epoch.unwrap_or_default(), self.members)?;
            }
            (Phase::Ended, _) => write!(f, "ended")?,
            (Phase::Poisoned, _) => write!(f, "failed")?,
        }
        write!(f, ", waiting for {} for {:.1} s", self.waits_for, self.waited.as_secs_f64())
    }
}

/// What it waits for, and since when.
pub(crate) type Waits = Aside<(WaitsFor, Timestamp)>;

impl<G> Creating<G> {
    pub(crate) fn waits_for(&self) -> WaitsFor {
        if self.is_founded() {
            WaitsFor::Newcomer
        } else if self.genesis.is_some() {
            WaitsFor::Creation
        } else if self.is_looking_alone() {
            WaitsFor::Signs
        } else {
            WaitsFor::Probe
        }
    }
}

impl<G> Joining<G> {
    pub(crate) fn waits_for(&self) -> WaitsFor {
        if self.trees.awaits_any() {
            WaitsFor::Tree
        } else if let Some(epoch) = self.gate.newest() {
            WaitsFor::Confirmation { epoch }
        } else if self
            .kept
            .as_ref()
            .is_some_and(|kept| kept.recovery.is_on_its_way() && !kept.recovery.is_following())
        {
            WaitsFor::Successor
        } else {
            WaitsFor::Welcome
        }
    }
}

impl<G> Member<G> {
    pub(crate) fn waits_for(&self, has_turn: bool) -> WaitsFor {
        let slot = &self.slot;
        if slot.decided.is_some() {
            return WaitsFor::Commit;
        }
        if slot.halted.is_some() {
            return WaitsFor::Service;
        }
        match slot.step {
            Step::Locking => WaitsFor::Lock,
            Step::Looking { .. } | Step::Publishing { .. } => WaitsFor::Relay,
            Step::Pinning { .. } | Step::Repairing { .. } => WaitsFor::Increment,
            Step::Idle if !slot.candidates.is_empty() => WaitsFor::Pin,
            Step::Idle if slot.outbox.is_some() => WaitsFor::Turn,
            Step::Idle if self.carried.leaving.is_some() => WaitsFor::Removal,
            Step::Idle if has_turn => WaitsFor::Turn,
            Step::Idle => WaitsFor::News,
        }
    }
}
