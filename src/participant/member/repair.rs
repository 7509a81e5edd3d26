//! Mode Advisory: a committer died between publish and increment, and a member that notices increments for
//! it.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, IncrementReply, LockReply, Pin};
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Step, Verdict};
use crate::participant::pins::Increment;
use crate::participant::requests::{IncrementPurpose, LockPurpose};
use crate::request::Failure;

impl<G> Slot<G> {
    /// Fenced and Advisory: the slot is filled, and nothing says by whom. Where commits are shown first, it was for this
    /// participant's if it is there and no other is: there is one place for it, and all apply what they find. A restart
    /// forgets that an increment was sent, and others increment for a committer that takes long.
    pub(crate) fn on_unpinned_ahead<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
    ) -> Result<Verdict<G>, Error> {
        let own = self.outbox.as_ref().filter(|outbox| outbox.seen && !cx.rules.fills_first);
        match self.best_candidate().or(own.map(|outbox| outbox.pin)) {
            Some(pin) => self.decide(cx, epoch, pin, None),
            None => {
                self.on_behind(cx, epoch);
                Ok(Verdict::Open)
            }
        }
    }

    pub(crate) fn start_repair<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, slot: u64) {
        self.step = Step::Repairing { lock_id: None, slot };
        cx.ask_lock(LockPurpose::Repair(slot));
    }

    /// Takes in what the counter says of the value that made the present epoch. Where it can still be locked, the
    /// counter stands one behind. Where that can be repaired, the lock that was given does it: nobody else gets one
    /// before it lapses.
    pub(crate) fn on_audit<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        reply: LockReply,
    ) -> Result<Verdict<G>, Error> {
        let open = matches!(self.step, Step::Idle | Step::Locking);
        match reply {
            LockReply::CounterError(state) => self.on_standing(cx, epoch, state),
            LockReply::Ok { lock_id, .. } if open && cx.rules.repairs_counter => {
                self.fill(cx, epoch, epoch.number, lock_id);
                Ok(Verdict::Open)
            }
            // A service that lost a slot.
            LockReply::Ok { .. } | LockReply::Conflict { .. } if !cx.rules.repairs_counter => {
                let current = epoch.number;
                let state = CounterState { current, pin: None, receipt: None, pin_forgotten: false };
                self.on_news(cx, epoch, &state)
            }
            _ => Ok(Verdict::Open),
        }
    }

    /// Asks again for the lock, or for the increment under the one it has.
    pub(crate) fn repair<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        slot: u64,
        lock_id: Option<Bytes>,
    ) {
        match lock_id {
            Some(_) => self.fill(cx, epoch, slot, lock_id),
            None => cx.ask_lock(LockPurpose::Repair(slot)),
        }
    }

    fn fill<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        slot: u64,
        lock_id: Option<Bytes>,
    ) {
        let pin = Pin::new([0; 32], epoch.context_hash, [0; 32]);
        self.step = Step::Repairing { lock_id: lock_id.clone(), slot };
        cx.ask_increment(IncrementPurpose::Repair(slot, pin), Increment { lock_id, ..Increment::default() });
    }

    pub(crate) fn on_repair_lock<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        slot: u64,
        reply: Result<LockReply, Failure>,
    ) {
        match reply {
            Ok(LockReply::Ok { lock_id, .. }) => self.fill(cx, epoch, slot, lock_id),
            Ok(LockReply::Conflict { retry_later }) => {
                self.step = Step::Idle;
                let wait = cx.retry_after(retry_later);
                cx.set(Timer::Request, wait);
            }
            Ok(LockReply::CounterError(_) | LockReply::Error(_)) | Err(_) => self.back_off(cx),
        }
    }

    pub(crate) fn on_repaired<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        slot: u64,
        reply: Result<IncrementReply, Failure>,
    ) {
        match reply {
            Ok(IncrementReply::Ok(_)) => self.step = Step::Idle,
            Ok(_) => self.back_off(cx),
            Err(_) => {
                self.step = Step::Repairing { lock_id: None, slot };
                self.repeat_later(cx);
            }
        }
    }
}
