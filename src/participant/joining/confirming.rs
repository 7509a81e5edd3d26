//! What confirms a Welcome: the service's receipt for its epoch, or its answer.

use crate::action::Timer;
use crate::codec::pinned::{Confirmation, ReceiptObject};
use crate::counter::{CounterState, LockReply, Pin};
use crate::engine::{Engine, WelcomeInfo};
use crate::error::Error;
use crate::notice::{Fault, Notice, ServiceFault};
use crate::participant::context::Context;
use crate::participant::flow::Flow;
use crate::participant::future::Keep;
use crate::participant::joining::Joining;
use crate::participant::trees::Waiting;
use crate::request::Failure;
use crate::tracks::{Object, SenderId};

impl<G> Joining<G> {
    /// Finds the receipt of a Welcome's epoch: inside the Welcome, or one that came on the Commit track before it.
    /// Returns the pin if it verifies.
    pub(super) fn confirmed<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        info: &WelcomeInfo,
        inside: Option<Confirmation>,
    ) -> Option<Pin> {
        if !cx.is_signed() {
            return None;
        }
        let inside =
            inside.and_then(|Confirmation { pin, receipt }| Some(ReceiptObject { pin, receipt: receipt? }));
        if let Some(receipt) = inside {
            if cx.uses(info.epoch, &receipt) {
                return Some(receipt.pin);
            }
            cx.fault(None, Fault::BadReceipt);
        }
        let before = self.carried.future.at(info.epoch.saturating_sub(1)).map(|(_, object)| object);
        let before = before.filter_map(|object| ReceiptObject::decode(object.payload.clone()).ok());
        // Anybody may put objects there.
        let mut before =
            before.filter(|r| *r.pin.context_hash() == info.context_hash).take(cx.config.limits.candidates);
        before.find(|receipt| cx.uses(info.epoch, receipt)).map(|receipt| receipt.pin)
    }

    /// Takes in an object of the Commit track. If it is the receipt that a Welcome waits for, joins by that.
    pub(super) fn on_commit_track<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        from: Option<SenderId>,
        object: Object,
    ) -> Result<Flow<G>, Error> {
        let epoch = object.location.group_id.saturating_add(1);
        if cx.is_signed()
            && let Ok(receipt) = ReceiptObject::decode(object.payload.clone())
            && self.gate.may_verify(epoch, &receipt.pin, &cx.config.limits)
            && cx.uses(epoch, &receipt)
        {
            return self.let_through(cx, epoch, receipt.pin, None);
        }
        cx.keep_commit(&mut self.carried.future, from, object, Keep::Latest);
        Ok(Flow::Stay)
    }

    /// Lets the Welcomes to an epoch through whose pin is known now.
    fn let_through<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        pin: Pin,
        state: Option<&CounterState>,
    ) -> Result<Flow<G>, Error> {
        for (welcome, info) in self.gate.take(epoch) {
            let waiting = Waiting { welcome, info, pin: Some(pin) };
            if let flow @ Flow::Enter(..) = self.pass(cx, waiting, state.cloned())? {
                return Ok(flow);
            }
        }
        self.gate.ask(cx, false);
        Ok(Flow::Stay)
    }

    pub(super) fn on_counter<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        reply: Result<LockReply, Failure>,
    ) -> Result<Flow<G>, Error> {
        if !self.gate.awaits(epoch) {
            // An answer to a question of an earlier phase.
            return Ok(Flow::Stay);
        }
        let answered = reply.as_ref().is_ok_and(|reply| !matches!(reply, LockReply::Error(_)));
        let retry_later = match reply {
            Ok(LockReply::CounterError(state)) => {
                self.counter = Some(state.current);
                if state.current > epoch {
                    return self.on_slot_used(cx, epoch, state);
                }
                self.gate.is_unreached(epoch);
                None
            }
            // Not decided yet; a lock that fell to us lapses.
            Ok(LockReply::Conflict { retry_later }) => {
                self.gate.is_unreached(epoch);
                Some(retry_later)
            }
            Ok(LockReply::Ok { .. }) => {
                self.gate.is_unreached(epoch);
                None
            }
            Ok(LockReply::Error(reason)) => {
                if self.attempts == 0 {
                    cx.notify(Notice::ServiceFault(ServiceFault::Refused(reason)));
                }
                None
            }
            Err(_) => None,
        };
        self.attempts = self.attempts.saturating_add(1);
        let wait = match retry_later {
            Some(retry_later) => cx.retry_after(retry_later),
            None => cx.backoff(self.attempts),
        };
        cx.bring_forward(Timer::Request, wait);
        self.gate.look_soon(cx, epoch);
        if answered {
            // There is room for a question about another.
            self.gate.ask(cx, false);
        }
        Ok(Flow::Stay)
    }

    fn on_slot_used<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        state: CounterState,
    ) -> Result<Flow<G>, Error> {
        let Some(pin) = state.pin else {
            // Only a group's first slot can have gone unpinned by a service that pins.
            let no_pins = !state.pin_forgotten && epoch > 0;
            if no_pins && !std::mem::replace(&mut self.told.no_pins, true) {
                cx.notify(Notice::ServiceFault(ServiceFault::NoPins));
            }
            // Whether the Welcome is made up or was sent long ago: a fresh KeyPackage is on its way in time.
            self.gate.take(epoch);
            return Ok(Flow::Stay);
        };
        self.let_through(cx, epoch, pin, Some(&state))
    }
}
