//! What there is to commit, and whose turn it is.
//!
//! Every member sees the same waiting room, so without a rule all would ask for the lock at once. The
//! member whose rank among the leaves equals the epoch, modulo the number of members, goes first; the
//! next waits one turn longer, and so on. A member stands down when the wish shows up in a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::{Error, Misuse};
use crate::notice::{Notice, Refusal};
use crate::participant::Participant;
use crate::participant::membership::Membership;
use crate::tracks::SenderId;

/// Beyond this many turns everybody waits the same, so that a silent majority cannot stall the group.
const MOST_TURNS: usize = 8;

/// What this participant wants committed besides joins. Kept through lost races until done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wishes {
    /// Members to remove; `true`: bar them too.
    pub(crate) removals: BTreeMap<SenderId, bool>,
    /// Fresh entropy, done by any commit of one's own.
    pub(crate) update: bool,
    /// Leaves whose members asked, in this epoch, to be removed.
    pub(crate) leaves: BTreeSet<u32>,
    /// Leave requests of epochs not reached yet, one per sender.
    pub(crate) leaves_later: BTreeMap<SenderId, (u64, u64, Bytes)>,
    /// Members that asked to leave: they are not barred when they are out.
    pub(crate) leavers: BTreeSet<SenderId>,
}

/// One commit's content.
pub(crate) struct Work {
    pub(crate) adds: Vec<Add>,
    pub(crate) removes: BTreeSet<u32>,
    pub(crate) update: bool,
}

/// Somebody to add, and the leaves that go because it comes: without the add, they stay.
#[derive(Clone)]
pub(crate) struct Add {
    pub(crate) sender: SenderId,
    pub(crate) message: Bytes,
    pub(crate) takes: Vec<u32>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty() && !self.update
    }
}

impl<E: Engine> Participant<E> {
    pub(crate) fn wish_removal(&mut self, sender: SenderId, bar: bool) -> Result<(), Error> {
        if sender == self.me {
            return Err(Misuse::OwnName.into());
        }
        let Some(member) = self.member() else { return Err(Misuse::NotAMember.into()) };
        let is_member = member.roster.of(&sender).is_some();
        if bar {
            self.joiners.bar(&sender, &self.config.limits);
        }
        if is_member {
            let wish = self.wishes.removals.entry(sender).or_default();
            *wish = *wish || bar;
        } else if self.joiners.take(&sender).is_none() {
            self.notify(Notice::Refused { sender, why: Refusal::NotAMember });
        }
        Ok(())
    }

    pub(crate) fn wish_update(&mut self) -> Result<(), Error> {
        if self.member().is_none() {
            return Err(Misuse::NotAMember.into());
        }
        self.wishes.update = true;
        Ok(())
    }

    fn has_work(&self) -> bool {
        self.wishes.update
            || !self.wishes.removals.is_empty()
            || !self.wishes.leaves.is_empty()
            || self.joiners.any_due()
    }

    /// Sets the time to ask for the lock, if there is work and nothing else is going on.
    pub(crate) fn schedule_turn(&mut self) {
        // A request that waits for its back-off will take the work along.
        let waits = self.deadlines.is_set(Timer::Turn) || self.deadlines.is_set(Timer::Request);
        if waits || self.leaving.is_some() || !self.has_work() {
            return;
        }
        let Some(member) = self.member() else { return };
        // A candidate or an undecided commit of one's own decides the slot first.
        let busy = !member.is_idle() || member.halted.is_some() || member.decided.is_some();
        if busy || !member.candidates.is_empty() || !self.has_work_for_a_commit() {
            return;
        }
        let wait = self.config.timers.batch + self.turn_delay();
        self.deadlines.set(Timer::Turn, self.now.after(wait));
    }

    /// While a crowd is coming in, one commit for all is cheaper than one for each few: waits until nobody
    /// came for a batch time, or the crowd waited its longest, or a commit is full. A lone joiner waits
    /// no longer than it did, and a removal waits for nobody. `false`: the time has come.
    pub(crate) fn waits_for_more(&mut self) -> bool {
        let timers = &self.config.timers;
        let Some(until) = self.joiners.window_ends(timers.batch, timers.crowd) else { return false };
        let hurry = self.wishes.update || !self.wishes.removals.is_empty() || !self.wishes.leaves.is_empty();
        if until <= self.now || hurry || self.joiners.are_due(self.most_adds()) {
            return false;
        }
        let wait = self.turn_delay();
        self.deadlines.set(Timer::Turn, until.after(wait));
        true
    }

    /// How much later than the first in turn this member goes.
    fn turn_delay(&mut self) -> Duration {
        let Some(member) = self.member() else { return Duration::ZERO };
        let members = member.roster.len().max(1);
        let first = usize::try_from(member.epoch % members as u64).unwrap_or(0);
        let rank = member.roster.rank(member.leaf);
        let turns = ((rank + members - first) % members).min(MOST_TURNS);
        let timers = &self.config.timers;
        let turn = timers.turn.saturating_mul(u32::try_from(turns).unwrap_or(0));
        // The first in turn has nobody to keep clear of.
        if turns == 0 { turn } else { turn + self.jitter.up_to(self.config.timers.turn / 2) }
    }

    /// Most adds in one commit.
    fn most_adds(&self) -> usize {
        let limits = &self.config.limits;
        let members = self.member().map_or(0, |m| m.roster.len()).saturating_add(limits.adds_per_commit);
        if self.tree_place(members).is_some() { limits.adds_per_commit_apart } else { limits.adds_per_commit }
    }

    /// Whether one commit would hold anything now, without making all of it.
    pub(crate) fn has_work_for_a_commit(&self) -> bool {
        let Some(member) = self.member() else { return false };
        let removes = self.removes(member);
        self.wishes.update || !removes.is_empty() || self.adds(member, removes.len()).next().is_some()
    }

    /// What one commit would hold now.
    pub(crate) fn work(&self) -> Work {
        let update = self.wishes.update;
        let Some(member) = self.member() else {
            return Work { adds: Vec::new(), removes: BTreeSet::new(), update };
        };
        let removes = self.removes(member);
        Work { adds: self.adds(member, removes.len()).collect(), removes, update }
    }

    /// The leaves to remove; one's own is for others to remove.
    fn removes(&self, member: &Membership<E::Group>) -> BTreeSet<u32> {
        let roster = &member.roster;
        let leaves = self.wishes.leaves.iter().copied().filter(|leaf| roster.at(*leaf).is_some());
        let wished = self.wishes.removals.keys().filter_map(|sender| roster.of(sender)).map(|m| m.leaf);
        leaves.chain(wished).filter(|leaf| *leaf != member.leaf).collect()
    }

    /// Those to add, into the room that there is when `removes` members are gone.
    fn adds<'a>(
        &'a self,
        member: &'a Membership<E::Group>,
        removes: usize,
    ) -> impl Iterator<Item = Add> + use<'a, E> {
        let room = self.config.limits.roster.saturating_sub(member.roster.len()).saturating_add(removes);
        let first = self.joiners.due().take(self.most_adds().min(room));
        first.filter(|waiting| !self.wishes.removals.contains_key(&waiting.info.sender)).map(|waiting| {
            let sender = &waiting.info.sender;
            // A stale leaf of the same sender goes in the same commit, and so does a replaced device.
            let stale = member.roster.of(sender);
            let replaced = waiting.replacing.as_ref().and_then(|other| member.roster.of(other));
            let takes = stale.into_iter().chain(replaced).map(|m| m.leaf).filter(|l| *l != member.leaf);
            Add { sender: sender.clone(), message: waiting.message.clone(), takes: takes.collect() }
        })
    }
}
