//! The slot of the next epoch, as a value: commits for it, this participant's own, and where its part in
//! deciding it stands. A new epoch begins with a new slot.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::codec::pinned::ReceiptObject;
use crate::counter::Pin;
use crate::engine::{Engine, Member as GroupMember, Next, StagedCommit};
use crate::error::Error;
use crate::notice::{RejoinReason, ServiceFault};
use crate::participant::context::Context;
use crate::participant::durable::{read_pin, read_tree, read_welcome, write_tree, write_welcome};
use crate::participant::member::epoch::{Epoch, NewEpoch};
use crate::participant::roster::Roster;
use crate::request::FetchId;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// What a slot comes to. Its member applies it.
pub(crate) enum Verdict<G> {
    /// The slot is not decided yet.
    Open,
    /// The lock is had and there is no commit yet: one is to be created, if there is anything to commit.
    Create { lock_id: Option<Bytes> },
    /// The own commit is to be made durable before it goes anywhere.
    Persist { lock_id: Option<Bytes> },
    /// The slot is decided for this epoch.
    Enter(Box<NewEpoch<G>>),
    /// The slot is decided for a commit that removes this participant; whom it adds.
    Removed { added: Vec<GroupMember> },
    /// This participant cannot follow.
    Rejoin(RejoinReason),
}

impl<G> Verdict<G> {
    /// The same, by the answer of a counter that stands at `current`.
    pub(crate) fn told_at(mut self, current: u64) -> Self {
        if let Self::Enter(new) = &mut self {
            new.current = current;
        }
        self
    }
}

/// How a slot was decided.
#[derive(Default)]
pub(crate) struct Won {
    /// The winner; `None` where nothing is pinned.
    pub(crate) pin: Option<Pin>,
    pub(crate) receipt: Option<Bytes>,
}

/// "The slot" is the counter value that makes the next epoch: epoch + 1.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slot<G> {
    /// Other members' commits that worked on a clone.
    pub(crate) candidates: Vec<Candidate<G>>,
    /// Commits of others tried.
    pub(crate) staged_commits: usize,
    /// Of those, the hashes of what was refused: the same again is not staged.
    pub(crate) refused: BTreeSet<[u8; 32]>,
    /// Proposals of this epoch that a commit may refer to, where there are such.
    pub(crate) proposals: Vec<Bytes>,
    /// Commits that refer to proposals which are not here yet.
    pub(crate) waiting: Vec<Bytes>,
    /// Bytes of commits that were tried and came to nothing.
    pub(crate) vain: usize,
    /// Receipts verified.
    pub(crate) verified: usize,
    /// Signed states that did not verify.
    pub(crate) doubted: usize,
    /// Receipts that came before their commits, oldest first.
    pub(crate) receipts: Vec<ReceiptObject>,
    /// The own commit. There is never a second one.
    pub(crate) outbox: Option<Outbox<G>>,
    pub(crate) step: Step,
    /// The slot's pin, known while its commit is still missing: catching up.
    pub(crate) decided: Option<Pin>,
    /// The slot went to a lock that the commit's keys do not make: nobody can enter its epoch. The leaves that the
    /// commit removes.
    pub(crate) dead: Option<Vec<u32>>,
    /// When the service signed for the first time that it went back.
    pub(crate) proved: Option<Timestamp>,
    /// The hash of a commit of the own leaf that this run did not make.
    pub(crate) doubled: Option<[u8; 32]>,
    /// This participant's increment decided the slot: it tells the others.
    pub(crate) tells: bool,
    /// Another held the lock when it was asked for last.
    pub(crate) gave_way: bool,
    /// How often it was found open while commits of others were here.
    pub(crate) looks: u32,
    /// The service cannot be worked with, and this was reported; decided commits still apply.
    pub(crate) halted: Option<ServiceFault>,
    /// Failed tries, for the back-off.
    pub(crate) attempts: u32,
}

/// Where this participant's own part in deciding the slot stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// The lock was asked for.
    Locking,
    /// Advisory only: own commit durable; looking whether another one is already there.
    Looking {
        fetch: FetchId,
        lock_id: Option<Bytes>,
    },
    /// Advisory only: own commit published; waiting to read it back.
    Publishing {
        lock_id: Option<Bytes>,
    },
    /// The increment was asked for; `unknown` if one before it had no answer.
    Pinning {
        pin: Pin,
        lock_id: Option<Bytes>,
        unknown: bool,
    },
    /// Advisory only: the counter is one behind the group because a committer died.
    Repairing {
        lock_id: Option<Bytes>,
        slot: u64,
    },
}

/// Another member's commit, tried.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Candidate<G> {
    pub(crate) hash: [u8; 32],
    pub(crate) bytes: Bytes,
    /// When it was here first.
    pub(crate) since: Timestamp,
    /// The pin that names it; unknown to a member that it removes.
    pub(crate) pin: Option<Pin>,
    pub(crate) staged: StagedCommit<G>,
    /// Whether the counter was asked about it because a client said that it has won.
    pub(crate) asked: bool,
}

impl<G> Candidate<G> {
    pub(crate) fn is_named_by(&self, pin: &Pin) -> bool {
        pin.commit_hash() == self.hash
    }

    /// Named by `pin`, and making the very keys that it confirms. All who process a commit get one GroupContext,
    /// so a pin that names another keeps out joiners only, who compare it.
    pub(crate) fn agrees_with(&self, pin: &Pin) -> bool {
        self.is_named_by(pin) && self.pin.is_none_or(|own| own.slot_lock() == pin.slot_lock())
    }
}

/// The own commit for the slot: durable before it is published, and the same bytes for ever.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Outbox<G> {
    /// The GroupContext hash of the epoch it was built on.
    pub(crate) base: [u8; 32],
    pub(crate) commit: Bytes,
    pub(crate) pin: Pin,
    pub(crate) welcomes: Vec<(SenderId, Bytes)>,
    /// The object id and the payload of the tree, if the Welcomes come without it.
    pub(crate) tree: Option<(u64, Bytes)>,
    pub(crate) next: Next<G>,
    /// `Engine::save` of `next`.
    pub(crate) saved: Bytes,
    pub(crate) added: Vec<GroupMember>,
    pub(crate) removed: Vec<u32>,
    /// Whether the bytes may have left this participant.
    pub(crate) sent: bool,
    /// How often it was published and not read back.
    pub(crate) tries: u32,
    /// Whether it was read back.
    pub(crate) seen: bool,
    /// Fenced: the token of the lock that the slot is filled under. While it is set, only the service can
    /// say whether the slot is ours, and only to this token.
    pub(crate) lock_id: Option<Bytes>,
}

impl<G> Slot<G> {
    /// A slot that nothing is known of. What was wrong with the service is found out anew.
    pub(crate) fn new() -> Self {
        Self {
            candidates: Vec::new(),
            staged_commits: 0,
            vain: 0,
            refused: BTreeSet::new(),
            proposals: Vec::new(),
            waiting: Vec::new(),
            verified: 0,
            doubted: 0,
            receipts: Vec::new(),
            outbox: None,
            step: Step::Idle,
            decided: None,
            dead: None,
            proved: None,
            doubled: None,
            tells: false,
            gave_way: false,
            looks: 0,
            halted: None,
            attempts: 0,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Whether the counter is being repaired at this slot.
    pub(crate) fn is_repairing(&self, at: u64) -> bool {
        matches!(self.step, Step::Repairing { slot, .. } if slot == at)
    }

    /// Nothing is going on that decides it: no commit, no question, nothing known.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_idle() && self.decided.is_none() && self.candidates.is_empty()
    }

    /// The first commit that this member can pin on its committer's behalf.
    pub(crate) fn best_candidate(&self) -> Option<Pin> {
        self.candidates.iter().find_map(|c| c.pin)
    }

    /// The bytes of the commit that `pin` names, for the service to keep.
    pub(crate) fn commit_of(&self, pin: &Pin) -> Option<Bytes> {
        let own = self.outbox.as_ref().filter(|o| o.pin == *pin).map(|o| &o.commit);
        own.or_else(|| self.candidates.iter().find(|c| c.is_named_by(pin)).map(|c| &c.bytes)).cloned()
    }

    /// Drops the own commit: another has won.
    pub(crate) fn lose_outbox<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        if self.outbox.take().is_some() {
            cx.stats.commits_lost = cx.stats.commits_lost.saturating_add(1);
        }
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.outbox.as_ref(), |out, outbox| {
            out.shared(&outbox.commit);
            out.bytes(outbox.pin.as_bytes());
            out.shared(&outbox.saved);
            out.list(outbox.welcomes.iter(), write_welcome);
            out.option(outbox.tree.as_ref(), write_tree);
            out.option(outbox.lock_id.as_ref(), |out, id| out.bytes(id));
        });
    }
}

/// An own commit as a snapshot has it.
pub(crate) struct Stored {
    commit: Bytes,
    pin: Pin,
    saved: Bytes,
    welcomes: Vec<(SenderId, Bytes)>,
    tree: Option<(u64, Bytes)>,
    lock_id: Option<Bytes>,
}

impl Stored {
    /// Reads what [`Slot::write`] wrote.
    pub(crate) fn read(from: &mut Reader) -> Result<Option<Self>, SnapshotError> {
        from.option(|from| {
            Ok(Self {
                commit: from.bytes()?,
                pin: read_pin(from)?,
                saved: from.secret()?.into_shared(),
                welcomes: from.list(read_welcome)?,
                tree: from.option(read_tree)?,
                lock_id: from.option(Reader::bytes)?,
            })
        })
    }

    /// Makes the commit this participant's own again.
    pub(crate) fn load<E: Engine>(
        self,
        cx: &Context<E>,
        epoch: &Epoch<E::Group>,
    ) -> Result<Outbox<E::Group>, Error> {
        let Self { commit, pin, saved, welcomes, tree, lock_id } = self;
        let group = cx.engine.load(&saved)?;
        let context_hash = cx.engine.view(&group)?.context_hash;
        let after = Roster::new(cx.engine.roster(&group)?);
        let differs = |a: &Roster, m: &GroupMember| {
            a.at(m.leaf_index)
                .is_none_or(|o| o.sender != m.sender || o.key_package_object_id != m.key_package_object_id)
        };
        Ok(Outbox {
            base: epoch.context_hash,
            commit,
            pin,
            welcomes,
            tree,
            next: Next { group, context_hash },
            saved,
            added: after.iter().filter(|m| differs(&epoch.roster, m)).cloned().collect(),
            removed: epoch.roster.iter().filter(|m| differs(&after, m)).map(|m| m.leaf_index).collect(),
            // It may have left before the crash: from now on only a confirmed pin may end it. Where the slot is
            // filled first, nothing leaves before that.
            sent: !cx.rules.fills_first,
            tries: 0,
            seen: false,
            lock_id,
        })
    }
}
