//! What a participant waits for, in a sentence: for logs, and for people who ask why nothing happens.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::participant::creating::Creating;
use crate::participant::joining::Joining;
use crate::participant::member::Member;
use crate::participant::member::slot::Step;
use crate::participant::phase::Phase;
use crate::time::Timestamp;

/// What a participant waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitsFor {
    /// [`Command::Join`](crate::Command::Join).
    Join,
    /// The counter service's answer whether the group exists.
    Probe,
    /// What the relay has of a group that the service does not know.
    Signs,
    /// The counter service's answer who created the group.
    Creation,
    /// A member of the group before, to come over to the successor that this participant founded.
    Newcomer,
    /// A Welcome.
    Welcome,
    /// What confirms a Welcome to this MLS epoch: the counter service's answer, or its receipt.
    Confirmation {
        /// The MLS epoch.
        epoch: u64,
    },
    /// The ratchet tree of a Welcome.
    Tree,
    /// A successor of the group, which cannot go on.
    Successor,
    /// The own turn to commit.
    Turn,
    /// The lock of the next epoch.
    Lock,
    /// The relay: the own commit is to be looked for, or read back.
    Relay,
    /// The counter service's answer to the own increment.
    Increment,
    /// The answer which commit was pinned: a commit of another is here.
    Pin,
    /// The commit that was pinned, and is not here.
    Commit,
    /// Being removed, as it asked.
    Removal,
    /// A service that can be worked with. Decided commits still apply.
    Service,
    /// Nothing: a member, without work.
    News,
    /// Nothing any more: it has ended, or its engine failed.
    End,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Join => "the command to join",
            Self::Probe => "the counter service to say whether the group exists",
            Self::Signs => "what the relay has of a group that the counter service does not know",
            Self::Creation => "the counter service to say who created the group",
            Self::Newcomer => "somebody to come over to the successor that it founded",
            Self::Welcome => "a Welcome",
            Self::Confirmation { epoch } => {
                return write!(f, "the pin that confirms the Welcome to MLS epoch {epoch}");
            }
            Self::Tree => "the ratchet tree of its Welcome",
            Self::Successor => "a successor of the group, which cannot go on",
            Self::Turn => "its turn to commit",
            Self::Lock => "the lock of the next epoch",
            Self::Relay => "the relay to give back its commit",
            Self::Increment => "the counter service to pin its commit",
            Self::Pin => "the pin that says whose commit won",
            Self::Commit => "the commit that was pinned",
            Self::Removal => "a member to remove it, as it asked",
            Self::Service => "a counter service that can be worked with",
            Self::News => "nothing",
            Self::End => "nothing any more",
        })
    }
}

/// Where a participant is, and what it waits for. `Display` is one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// What it waits for, and since when. No part of the state: two participants that differ in nothing else are equal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits(pub(crate) WaitsFor, pub(crate) Timestamp);

impl PartialEq for Waits {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Waits {}

impl Hash for Waits {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

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
