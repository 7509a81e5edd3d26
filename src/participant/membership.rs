//! What a participant knows while it is a member: the group at one epoch, and what stands for the next.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::counter::Pin;
use crate::engine::{Member, Next, Trial};
use crate::notice::ServiceFault;
use crate::participant::roster::Roster;
use crate::request::FetchId;
use crate::tracks::{Location, SenderId};

/// A member's state. "The slot" is the counter value that makes the next epoch: epoch + 1.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Membership<G> {
    pub(crate) group: G,
    /// `Engine::save` of `group`, made once per epoch.
    pub(crate) saved: Bytes,
    pub(crate) epoch: u64,
    pub(crate) context_hash: [u8; 32],
    pub(crate) leaf: u32,
    /// The pin of this epoch; `None` but in Pinned mode.
    pub(crate) pin: Option<Pin>,
    pub(crate) roster: Roster,
    /// Other members' commits for the slot that worked on a clone.
    pub(crate) candidates: Vec<Candidate<G>>,
    /// Commit objects looked at in this epoch.
    pub(crate) looked_at: usize,
    /// Places of this epoch where one's own commit might go and somebody else's bytes lie, for good.
    pub(crate) taken: BTreeSet<u64>,
    /// Receipts that came in this epoch, with the object id of the commit they belong to.
    pub(crate) receipts: Vec<(u64, Bytes)>,
    /// One's own commit for the slot. There is never a second one.
    pub(crate) outbox: Option<Outbox<G>>,
    pub(crate) step: Step,
    /// The slot's pin, known while its commit is still missing: catching up.
    pub(crate) decided: Option<Pin>,
    /// The service cannot be worked with, and this was told; decided commits still apply.
    pub(crate) halted: Option<ServiceFault>,
    /// Failed tries at this slot, for the back-off.
    pub(crate) attempts: u32,
    /// Welcomes of one's own last commit, published by now or about to be.
    pub(crate) welcomes: Vec<(SenderId, Bytes)>,
    /// Fenced: one's own last commit, until it was read back.
    pub(crate) unheard: Option<Unheard>,
    /// The tree object that goes before them, if they come without the tree.
    pub(crate) tree: Option<Bytes>,
    /// Members already reported as expired.
    pub(crate) expired: BTreeSet<SenderId>,
}

/// Where one's own part in deciding the slot stands (`reliability.md` section 7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// The lock was asked for.
    Locking,
    /// Own commit durable; looking whether another one is already there.
    Looking {
        fetch: FetchId,
        lock_id: Option<Bytes>,
    },
    /// Own commit published; waiting to read it back.
    Publishing {
        lock_id: Option<Bytes>,
    },
    /// The increment was asked for; `own` says whose commit it names.
    Pinning {
        pin: Pin,
        lock_id: Option<Bytes>,
        own: bool,
        unknown: bool,
    },
    /// Advisory only: the counter is one behind the group because a committer died.
    Healing {
        lock_id: Option<Bytes>,
        slot: u64,
    },
}

/// Another member's commit, tried.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Candidate<G> {
    pub(crate) hash: [u8; 32],
    /// The object ids it was seen at in this epoch's MOQT group.
    pub(crate) objects: BTreeSet<u64>,
    pub(crate) trial: Trial<G>,
}

impl<G> Candidate<G> {
    /// The pin that names it; unknown to a member that it removes.
    pub(crate) fn pin(&self) -> Option<Pin> {
        self.trial.next.as_ref().map(|next| Pin::new(self.hash, next.context_hash))
    }

    pub(crate) fn is_named_by(&self, pin: &Pin) -> bool {
        pin.commit_hash() == self.hash
    }

    /// Named by `pin`, and making the very epoch that it names.
    pub(crate) fn agrees_with(&self, pin: &Pin) -> bool {
        self.is_named_by(pin)
            && self.trial.next.as_ref().is_none_or(|next| next.context_hash == pin.context_hash())
    }
}

/// One's own commit for the slot: durable before it is published, and the same bytes for ever.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Outbox<G> {
    /// The GroupContext hash of the epoch it was built on.
    pub(crate) base: [u8; 32],
    pub(crate) commit: Bytes,
    pub(crate) pin: Pin,
    pub(crate) welcomes: Vec<(SenderId, Bytes)>,
    /// The payload of the tree object, if the Welcomes come without the tree.
    pub(crate) tree: Option<Bytes>,
    pub(crate) next: Next<G>,
    /// `Engine::save` of `next`.
    pub(crate) saved: Bytes,
    pub(crate) added: Vec<Member>,
    pub(crate) removed: Vec<u32>,
    /// Whether the bytes may have left this participant.
    pub(crate) sent: bool,
    /// Where it was published in this run.
    pub(crate) object: Option<u64>,
    /// Whether it was read back.
    pub(crate) seen: bool,
    /// Fenced: the token of the lock that the slot is filled under. While it is set, only the service can
    /// say whether the slot is ours, and only to this token.
    pub(crate) lock_id: Option<Bytes>,
}

/// Fenced: one's own commit that made the present epoch, which nobody has before it is published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unheard {
    pub(crate) location: Location,
    pub(crate) commit: Bytes,
}

impl<G> Membership<G> {
    /// The counter value that makes the next epoch. Epoch 2^64 - 1 has none; the engine refuses it.
    pub(crate) fn slot(&self) -> u64 {
        self.epoch.saturating_add(1)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// A commit that may be pinned on its author's behalf.
    pub(crate) fn best_candidate(&self) -> Option<Pin> {
        self.candidates.iter().find_map(Candidate::pin)
    }

    pub(crate) fn candidate(&self, hash: &[u8; 32]) -> Option<usize> {
        self.candidates.iter().position(|c| &c.hash == hash)
    }
}
