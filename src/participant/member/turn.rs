//! What there is to commit, and whose turn it is.
//!
//! Every member sees the same waiting room, so without a rule all would ask for the lock at once. The
//! member whose rank among the leaves equals the epoch, modulo the number of members, goes first; the
//! next waits one turn longer, and so on. Who made the present epoch changes places with the one behind it. A member
//! stands down when the intent shows up in a commit.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::intents::Intents;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Verdict};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// Beyond this many turns everybody waits the same, so that a silent majority cannot stall the group.
pub(crate) const MOST_TURNS: u32 = 8;

/// One commit's content.
pub(crate) struct Work {
    pub(crate) adds: Vec<Add>,
    pub(crate) removes: BTreeSet<u32>,
    pub(crate) update: bool,
}

/// A sender to add, and the leaves that go because it comes: without the add, they stay.
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

/// What one commit would hold now, as its member sees it.
pub(crate) struct Agenda<'a, E: Engine> {
    pub(crate) cx: &'a Context<E>,
    pub(crate) epoch: &'a Epoch<E::Group>,
    pub(crate) carried: &'a Carried,
}

impl<'a, E: Engine> Agenda<'a, E> {
    /// Whether one commit would hold anything now, without making all of it.
    pub(crate) fn has_work(&self) -> bool {
        let removes = self.removes();
        self.carried.intents.update || !removes.is_empty() || self.adds(removes.len()).next().is_some()
    }

    /// Whether there is something to commit, and this member may do it.
    pub(crate) fn may_commit(&self) -> bool {
        !self.has_asked_to_leave() && self.has_work()
    }

    /// Whether this member asked to leave in this epoch. Made from the same state, its request has taken the handshake key
    /// that a commit would use.
    pub(crate) fn has_asked_to_leave(&self) -> bool {
        self.carried.leaving.as_ref().is_some_and(|leaving| leaving.asked_in(self.epoch.number).is_some())
    }

    /// What one commit would hold now.
    pub(crate) fn work(&self) -> Work {
        let removes = self.removes();
        Work { adds: self.adds(removes.len()).collect(), removes, update: self.carried.intents.update }
    }

    /// Most adds in one commit.
    pub(crate) fn most_adds(&self) -> usize {
        let limits = &self.cx.config.limits;
        let members = self.epoch.roster.len().saturating_add(limits.adds_per_commit);
        if self.cx.sends_tree_apart(members) { limits.adds_per_commit_apart } else { limits.adds_per_commit }
    }

    /// The leaves to remove; the own one is for others to remove.
    fn removes(&self) -> BTreeSet<u32> {
        let (roster, intents) = (&self.epoch.roster, &self.carried.intents);
        let leaves = intents.leaves.iter().copied().filter(|leaf| roster.at(*leaf).is_some());
        let wanted = intents.removals.keys().filter_map(|sender| roster.of(sender)).map(|m| m.leaf_index);
        leaves.chain(wanted).filter(|leaf| *leaf != self.epoch.leaf).collect()
    }

    /// Those to add, into the room that there is when `removes` members are gone.
    fn adds(&self, removes: usize) -> impl Iterator<Item = Add> + use<'a, E> {
        let Self { cx, epoch, carried } = *self;
        let room = cx.config.limits.roster.saturating_sub(epoch.roster.len()).saturating_add(removes);
        // Who was let in too often of late waits, and is in nobody's way.
        let rate = cx.entry_rate();
        let due = carried.joiners.due();
        let due = due.filter(move |w| carried.paces.entries.allows(&w.info.sender, cx.now, rate));
        let first = due.take(self.most_adds().min(room));
        first.filter(|waiting| !carried.intents.removals.contains_key(&waiting.info.sender)).map(|waiting| {
            let sender = &waiting.info.sender;
            // A stale leaf of the same sender goes in the same commit, and so does a replaced device.
            let stale = epoch.roster.of(sender);
            let replaced = waiting.replacing.as_ref().and_then(|other| epoch.roster.of(other));
            let takes = stale.into_iter().chain(replaced).map(|m| m.leaf_index).filter(|l| *l != epoch.leaf);
            Add { sender: sender.clone(), message: waiting.message.clone(), takes: takes.collect() }
        })
    }
}

impl<E: Engine> Context<E> {
    /// Whether the tree of a commit that makes a group of `members` goes into an object of its own.
    pub(crate) fn sends_tree_apart(&self, members: usize) -> bool {
        self.params.tree_objects && members >= self.config.tree_threshold
    }
}

/// How many members go before this one. Who made the present epoch lets the one behind it go first, but for `private`
/// work, which nobody else can do.
pub(crate) fn turns<G>(epoch: &Epoch<G>, private: bool) -> u32 {
    let members = epoch.roster.len().max(1);
    let first = usize::try_from(epoch.number % members as u64).unwrap_or(0);
    let place = |leaf| (epoch.roster.rank(leaf) + members - first) % members;
    let own = place(epoch.leaf);
    let last = epoch.committer.filter(|leaf| epoch.roster.at(*leaf).is_some()).map(place);
    let own = match last {
        Some(last) if last + 1 == members => own,
        Some(last) if last == own => own + usize::from(!private),
        Some(last) if last + 1 == own => last,
        _ => own,
    };
    u32::try_from(own).unwrap_or(MOST_TURNS).min(MOST_TURNS)
}

/// Whether this member is the first in turn.
pub(crate) fn is_first<G>(epoch: &Epoch<G>) -> bool {
    turns(epoch, false) == 0
}

/// How much later than the first in turn this member goes.
fn delay<E: Engine>(cx: &mut Context<E>, epoch: &Epoch<E::Group>, intents: &Intents) -> Duration {
    let turns = turns(epoch, intents.are_private());
    let turn = cx.config.timers.turn;
    let wait = turn.saturating_mul(turns);
    // The first in turn has nobody to keep clear of.
    if turns == 0 { wait } else { wait + cx.jitter.up_to(turn / 2) }
}

/// While a crowd is coming in, one commit for all is cheaper than one for each few: waits until nobody
/// came for a batch time, or the crowd waited its longest, or a commit is full. A lone joiner waits
/// no longer than it did, and a removal waits for nobody. `false`: the time has come.
fn waits_for_more<E: Engine>(cx: &mut Context<E>, epoch: &Epoch<E::Group>, carried: &Carried) -> bool {
    let Some(until) = crowd_ends(cx, epoch, carried) else { return false };
    let wait = delay(cx, epoch, &carried.intents);
    cx.deadlines.set(Timer::Turn, until.after(wait));
    true
}

/// Until when more of a crowd are waited for, if they are.
fn crowd_ends<E: Engine>(cx: &Context<E>, epoch: &Epoch<E::Group>, carried: &Carried) -> Option<Timestamp> {
    let timers = &cx.config.timers;
    let until = carried.joiners.window_ends(timers.batch, timers.crowd)?;
    let full = carried.joiners.are_due(Agenda { cx, epoch, carried }.most_adds())
        || carried.joiners.due_bytes() >= cx.config.limits.commit_bytes();
    (until > cx.now && !carried.intents.are_urgent() && !full).then_some(until)
}

/// Takes the own turn, if there is still something to do. Where increments are pinned, the lock only keeps members
/// out of each other's way: nobody is in the way of the first in turn, nor of an intent that nobody else has.
pub(crate) fn on_turn<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    slot: &mut Slot<E::Group>,
    carried: &Carried,
) -> Result<Verdict<E::Group>, Error> {
    // What nobody else has waits for no crowd: its turn is set for now, again and again.
    let waits = |cx: &mut Context<E>| !is_alone_with_work(carried) && waits_for_more(cx, epoch, carried);
    if slot.outbox.is_none() {
        let agenda = Agenda { cx, epoch, carried };
        // A commit of another that is given way to sets a timer of its own.
        if !agenda.has_work() || slot.gives_way(&agenda) || waits(cx) {
            return Ok(Verdict::Open);
        }
    }
    if cx.rules.pins && slot.is_idle() && (is_first(epoch) || is_alone_with_work(carried)) {
        return slot.on_locked(cx, epoch, carried, None);
    }
    slot.ask(cx, epoch);
    Ok(Verdict::Open)
}

/// Whether this member wants something committed that no other member knows of, and has not lost a race with it.
fn is_alone_with_work(carried: &Carried) -> bool {
    let Carried { intents, joiners, .. } = carried;
    !intents.raced && (intents.are_private() || joiners.due().next().is_some_and(|first| first.wanted))
}

/// Sets the time to ask for the lock, if there is work and nothing else is going on.
pub(crate) fn schedule<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    slot: &Slot<E::Group>,
    carried: &Carried,
) {
    // A request that waits for its back-off will take the work along.
    let waits = cx.deadlines.is_set(Timer::Request)
        || (cx.deadlines.is_set(Timer::Turn) && !is_alone_with_work(carried));
    let work = carried.intents.are_urgent() || carried.joiners.any_due();
    let busy = !slot.is_idle() || slot.decided.is_some() || slot.halted.is_some();
    if waits || carried.leaving.is_some() || !work || busy {
        return;
    }
    let agenda = Agenda { cx, epoch, carried };
    // A commit that is given way to decides the slot first.
    if slot.gives_way(&agenda) || !agenda.has_work() {
        return;
    }
    if is_alone_with_work(carried) {
        // Not before the crowd is there: its turn would be put off, and set again, until time has passed. No deadline
        // is ever in the past.
        let at = crowd_ends(cx, epoch, carried).unwrap_or(cx.now.after(Duration::from_millis(1)));
        cx.deadlines.set(Timer::Turn, at);
        return;
    }
    let wait = cx.config.timers.batch + delay(cx, epoch, &carried.intents);
    cx.set(Timer::Turn, wait);
}
