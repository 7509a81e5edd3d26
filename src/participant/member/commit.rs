//! Deciding the next epoch: lock, create, make durable, then publish and increment. (In `Advisory`: look, publish, read
//! back, increment.)
//!
//! The lock only keeps members out of each other's way; what counts is the pin that the service records once
//! per slot.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::{Notice, ServiceFault};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::create::Created;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Outbox, Slot, Step, Verdict};
use crate::participant::member::turn;
use crate::participant::pins::Increment;
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::request::{Failure, FetchId};
use crate::tracks::Location;

impl<G> Slot<G> {
    /// Asks for the lock, if nothing is going on.
    pub(crate) fn ask<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        if !self.is_idle() {
            return;
        }
        cx.deadlines.clear(Timer::Turn);
        if let Some((pin, lock_id)) = self.outbox.as_ref().and_then(|o| Some((o.pin, o.lock_id.clone()?))) {
            // Whether the slot is ours already, the service says only to the token it was asked under.
            self.pin(cx, epoch, pin, Some(lock_id));
            return;
        }
        self.step = Step::Locking;
        cx.ask_lock(LockPurpose::Slot(epoch.slot()));
    }

    /// The back-off is over: ask again, or repeat the increment with the very same pin.
    pub(crate) fn ask_again<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        match self.step.clone() {
            Step::Idle => self.ask(cx, epoch),
            Step::Pinning { pin, lock_id, .. } => {
                let with = self.increment(epoch, &pin, lock_id);
                cx.ask_increment(IncrementPurpose::Slot(epoch.slot(), pin), with);
            }
            Step::Repairing { lock_id, slot } => self.repair(cx, epoch, slot, lock_id),
            Step::Locking | Step::Looking { .. } | Step::Publishing { .. } => {}
        }
    }

    /// Back to idle, to try again after a back-off that grows with each failure.
    pub(crate) fn back_off<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.step = Step::Idle;
        self.repeat_later(cx);
    }

    /// Keeps the step and repeats its request after a back-off.
    pub(crate) fn repeat_later<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.attempts = self.attempts.saturating_add(1);
        let wait = cx.backoff(self.attempts);
        cx.set(Timer::Request, wait);
    }

    /// Nothing is committed until the service recovers; it is probed with a growing back-off.
    pub(crate) fn halt<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, fault: ServiceFault) {
        if self.halted.replace(fault) != Some(fault) {
            cx.notify(Notice::ServiceFault(fault));
        }
        self.back_off(cx);
    }

    /// Takes in the answer to [`ask`](Self::ask).
    pub(crate) fn on_lock<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        carried: &Carried,
        reply: Result<LockReply, Failure>,
    ) -> Result<Verdict<G>, Error> {
        match reply {
            Ok(LockReply::Ok { lock_id, .. }) => {
                self.gave_way = false;
                return self.on_locked(cx, epoch, carried, lock_id);
            }
            Ok(LockReply::Conflict { retry_later }) => {
                if cx.rules.pins {
                    // Anybody may hold a lock for ever, and it is only a hint: who is first in turn does without it,
                    // the others once they have given way.
                    if self.gave_way || turn::is_first(epoch) {
                        return self.on_locked(cx, epoch, carried, None);
                    }
                    self.gave_way = true;
                }
                self.step = Step::Idle;
                let turn = cx.config.timers.turn;
                let wait =
                    if cx.rules.pins { turn + cx.jitter.up_to(turn) } else { cx.retry_after(retry_later) };
                cx.set(Timer::Request, wait);
            }
            Ok(LockReply::CounterError(state)) => {
                self.step = Step::Idle;
                return self.on_counter(cx, epoch, &state);
            }
            Ok(LockReply::Error(reason)) => self.halt(cx, ServiceFault::Refused(reason)),
            Err(_) => self.back_off(cx),
        }
        Ok(Verdict::Open)
    }

    /// The lock is ours, or none is needed: go on with our own commit, create one, or help one that is already there.
    pub(crate) fn on_locked<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        carried: &Carried,
        lock_id: Option<Bytes>,
    ) -> Result<Verdict<G>, Error> {
        if cx.rules.pins {
            return self.on_pinned_lock(cx, epoch, carried, lock_id);
        }
        if let Some(pin) = self.best_candidate() {
            self.help(cx, epoch, pin, lock_id);
            return Ok(Verdict::Open);
        }
        let patience = cx.config.timers.lease.saturating_mul(2);
        if self.candidates.iter().any(|candidate| cx.now < candidate.since.after(patience)) {
            // We cannot pin a commit that removes us: we do not know the epoch it makes. A member that can pin it
            // has time to; if no such member is left, the group must not stand still for it.
            self.back_off(cx);
            return Ok(Verdict::Open);
        }
        if cx.rules.fills_first && lock_id.is_none() {
            self.halt(cx, ServiceFault::NoTokens);
            return Ok(Verdict::Open);
        }
        Ok(match &mut self.outbox {
            None => Verdict::Create { lock_id },
            Some(outbox) if cx.rules.fills_first => {
                outbox.lock_id = lock_id.clone();
                Verdict::Persist { lock_id }
            }
            Some(_) => {
                self.go_on(cx, epoch, lock_id)?;
                Verdict::Open
            }
        })
    }

    /// The own commit was created, or there was nothing to commit.
    pub(crate) fn on_created<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        created: Created<Outbox<G>>,
        lock_id: Option<Bytes>,
    ) -> Verdict<G> {
        if let Created::Commit(mut outbox) = created {
            if cx.rules.fills_first {
                outbox.lock_id = lock_id.clone();
            }
            self.outbox = Some(*outbox);
            return Verdict::Persist { lock_id };
        }
        self.rest(cx);
        if matches!(created, Created::Impossible) {
            self.back_off(cx);
        }
        Verdict::Open
    }

    /// The own commit is durable. Where the token can tell later whose the slot is, the slot is filled first, and
    /// nobody sees the commit unless it has won. Where a pin decides, it goes out together with the increment: the
    /// service keeps the commit for those whom the relay does not bring it. Else the relay is asked whether another
    /// one is there already.
    pub(crate) fn go_on<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        lock_id: Option<Bytes>,
    ) -> Result<(), Error> {
        if !cx.rules.fills_first && !cx.rules.pins {
            let fetch = cx.fetch_commits(FetchPurpose::Slot, epoch.number..=epoch.number);
            self.step = Step::Looking { fetch, lock_id };
            return Ok(());
        }
        let Some((pin, seen)) = self.outbox.as_ref().map(|o| (o.pin, o.seen)) else { return Ok(()) };
        if cx.rules.pins && !seen {
            self.publish(cx, epoch)?;
        }
        self.pin(cx, epoch, pin, lock_id);
        Ok(())
    }

    /// Pins a commit on its committer's behalf.
    pub(crate) fn help<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        pin: Pin,
        lock_id: Option<Bytes>,
    ) {
        cx.stats.helped = cx.stats.helped.saturating_add(1);
        self.pin(cx, epoch, pin, lock_id);
    }

    fn pin<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        pin: Pin,
        lock_id: Option<Bytes>,
    ) {
        let with = self.increment(epoch, &pin, lock_id.clone());
        self.step = Step::Pinning { pin, lock_id, unknown: false };
        cx.deadlines.clear(Timer::ReadBack);
        cx.ask_increment(IncrementPurpose::Slot(epoch.slot(), pin), with);
    }

    /// What an increment of this slot carries.
    fn increment(&self, epoch: &Epoch<G>, pin: &Pin, lock_id: Option<Bytes>) -> Increment {
        let key = epoch.slot_key.as_ref().map(|key| Bytes::copy_from_slice(key.as_bytes()));
        Increment { prev: epoch.pin, lock_id, key, commit: self.commit_of(pin) }
    }

    /// What the relay had for this epoch was handled as it came: is there a commit to help instead?
    pub(crate) fn on_look<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        id: FetchId,
    ) -> Result<(), Error> {
        let Step::Looking { fetch, lock_id } = self.step.clone() else { return Ok(()) };
        if fetch != id {
            return Ok(());
        }
        if let Some(pin) = self.best_candidate() {
            if self.outbox.as_ref().is_some_and(|o| !o.sent) {
                // Nobody can have seen it: there was never a second commit for this slot.
                self.outbox = None;
            }
            self.help(cx, epoch, pin, lock_id);
            return Ok(());
        }
        let Some((pin, seen)) = self.outbox.as_ref().map(|o| (o.pin, o.seen)) else { return Ok(()) };
        self.step = Step::Publishing { lock_id: lock_id.clone() };
        if seen {
            self.pin(cx, epoch, pin, lock_id);
        } else {
            // It must have come back before its slot is filled, for others could not find it.
            self.publish(cx, epoch)?;
        }
        Ok(())
    }

    /// Publishes the own commit: the same bytes, and at the same place until it is known that others are there.
    pub(crate) fn publish<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
    ) -> Result<(), Error> {
        let Some(outbox) = &mut self.outbox else { return Ok(()) };
        outbox.sent = true;
        let object = cx.commit_place(outbox.pin.commit_hash(), outbox.tries)?;
        let commit = outbox.commit.clone();
        cx.publish(cx.tracks.commit(&cx.me), Location { group_id: epoch.number, object_id: object }, commit);
        if !cx.rules.pins {
            cx.set(Timer::ReadBack, cx.config.timers.read_back);
        }
        Ok(())
    }

    /// The own commit did not come back: the publish was lost, or only its echo was, or its place is taken.
    /// The slot may be decided by now, so the way on is the one from the start.
    pub(crate) fn on_not_read_back<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
    ) -> bool {
        let publishing = matches!(self.step, Step::Publishing { .. });
        if publishing {
            if let Some(outbox) = &mut self.outbox {
                outbox.tries = outbox.tries.saturating_add(1);
                cx.note_not_read_back(outbox.tries, epoch.shown());
            }
            self.step = Step::Idle;
            self.ask(cx, epoch);
        }
        publishing
    }

    /// The own commit came back. Where nothing is pinned, only now may its slot be filled: others can find it.
    pub(crate) fn on_own_commit_seen<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        let Some(outbox) = &mut self.outbox else { return };
        outbox.seen = true;
        outbox.sent = true;
        let pin = outbox.pin;
        if let Step::Publishing { lock_id } = self.step.clone() {
            self.pin(cx, epoch, pin, lock_id);
        } else if self.is_idle() {
            // After a restart: the outbox goes on where it stood.
            cx.deadlines.bring_forward(Timer::Turn, cx.now);
        }
    }

    /// Another valid commit showed up while our own is on its way: whichever is pinned wins, and the one
    /// that is there already is the better bet.
    pub(crate) fn on_rival<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        let Step::Publishing { lock_id } = self.step.clone() else { return };
        if let Some(pin) = self.best_candidate() {
            self.help(cx, epoch, pin, lock_id);
        }
    }

    /// Takes in the answer to an increment of this slot.
    pub(crate) fn on_increment<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        asked: Pin,
        reply: Result<IncrementReply, Failure>,
    ) -> Result<Verdict<G>, Error> {
        let Step::Pinning { pin, unknown, .. } = self.step.clone() else { return Ok(Verdict::Open) };
        if asked != pin {
            return Ok(Verdict::Open);
        }
        match reply {
            Ok(IncrementReply::Ok(state)) if cx.rules.pins => match state.pin {
                Some(winner) => {
                    self.tells = winner == pin;
                    return self.decide(cx, epoch, winner, state.receipt);
                }
                None => self.halt(cx, ServiceFault::NoPins),
            },
            Ok(IncrementReply::Ok(_)) => return self.decide(cx, epoch, pin, None),
            Ok(IncrementReply::CounterError(state)) => return self.on_lost(cx, epoch, &state, pin, unknown),
            Ok(IncrementReply::WrongKey(state)) => {
                if self.on_own_pin(cx, epoch, state.pin) {
                    return Ok(self.prove(cx));
                }
                self.halt(cx, ServiceFault::WrongKey);
            }
            // The lock lapsed. Where increments are pinned it does not matter, so this service does not pin.
            Ok(IncrementReply::Error(Reason::NotLocked)) if !cx.rules.pins => {
                if let Some(outbox) = &mut self.outbox {
                    // Neither this token nor a late copy of this request can fill the slot any more.
                    outbox.lock_id = None;
                }
                self.back_off(cx);
            }
            Ok(IncrementReply::Error(Reason::NotLocked | Reason::UnpinnedId)) => {
                self.halt(cx, ServiceFault::NoPins);
            }
            // This participant filled the slot before, and another waits: one lease at most.
            Ok(IncrementReply::Error(Reason::NotYourTurn)) => {
                let turn = cx.config.timers.turn;
                let wait = turn + cx.jitter.up_to(turn);
                cx.set(Timer::Request, wait);
            }
            Ok(IncrementReply::Error(reason)) => self.halt(cx, ServiceFault::Refused(reason)),
            Err(failure) => {
                if let Step::Pinning { unknown, .. } = &mut self.step {
                    *unknown = *unknown || failure == Failure::Unknown;
                }
                self.repeat_later(cx);
            }
        }
        Ok(Verdict::Open)
    }

    fn on_lost<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
        pin: Pin,
        unknown: bool,
    ) -> Result<Verdict<G>, Error> {
        if !cx.rules.pins {
            return self.on_unpinned_lost(cx, epoch, state, pin, unknown);
        }
        self.step = Step::Idle;
        if state.current == epoch.slot() {
            self.halt(cx, ServiceFault::LineageMismatch);
            return Ok(Verdict::Open);
        }
        self.on_counter(cx, epoch, state)
    }
}
