//! Reading the counter: it takes no lock. The service keeps each slot's commit, so that no relay can withhold it.

use std::time::Duration;

use crate::action::Timer;
use crate::counter::{CommitReply, CounterState, Pin};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::{RejoinReason, ServiceFault};
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Verdict};
use crate::participant::requests::LockPurpose;
use crate::request::Failure;

impl<E: Engine> Context<E> {
    /// Something says that the group may have gone on. Anybody can make that up: so it is looked into soon, and
    /// then not again for a while.
    pub(crate) fn hint(&mut self) {
        let soon = self.now.after(self.config.timers.confirm);
        let at = self.hinted.map_or(soon, |last| last.after(self.config.timers.hint).max(soon));
        self.deadlines.bring_forward(Timer::Hint, at);
    }
}

impl<G> Slot<G> {
    /// Reads whether the slot is decided.
    pub(crate) fn read<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        if cx.rules.pins {
            cx.ask_commit(epoch.slot());
        } else {
            cx.ask_lock(LockPurpose::Standing(epoch.number));
        }
    }

    /// The counter stood at `current` when it was heard last: if this slot is decided, too, nobody waits for what
    /// will be reported of it.
    pub(crate) fn hurry<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>, current: u64) {
        if cx.rules.pins && current > epoch.slot() {
            cx.set(Timer::Confirm, Duration::ZERO);
        }
    }

    /// The time has come to look into a hint.
    pub(crate) fn on_hint<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        if self.is_idle() && self.decided.is_none() {
            cx.hinted = Some(cx.now);
            self.read(cx, epoch);
        }
    }

    /// Takes in what the counter said to an audit, or to a question about a slot that was decided meanwhile.
    pub(crate) fn on_news<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
    ) -> Result<Verdict<G>, Error> {
        if state.current == epoch.slot() {
            cx.confirmed = Some(cx.now);
        }
        if !self.is_idle() || state.current == epoch.slot() {
            return Ok(Verdict::Open);
        }
        if state.current > epoch.slot() {
            // The commit may be on its way; when it is not here by then, ask which one it is.
            cx.bring_forward(Timer::Confirm, cx.config.timers.confirm);
            return Ok(Verdict::Open);
        }
        self.on_counter(cx, epoch, state)
    }

    /// Takes in where the counter stands, with the pin that it has of the present epoch.
    pub(crate) fn on_standing<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: CounterState,
    ) -> Result<Verdict<G>, Error> {
        if self.on_own_pin(cx, epoch, state.pin) {
            return Ok(self.prove(cx));
        }
        self.on_news(cx, epoch, &state)
    }

    /// Takes in what the service has of the slot.
    pub(crate) fn on_commit_read<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        reply: Result<CommitReply, Failure>,
    ) -> Result<Verdict<G>, Error> {
        match reply {
            Ok(CommitReply::Found { state, commit }) => {
                let Some(pin) = state.pin else {
                    self.read_later(cx);
                    return Ok(Verdict::Open);
                };
                let current = state.current;
                let mut verdict = self.decide(cx, epoch, pin, state.receipt)?;
                if matches!(verdict, Verdict::Open) && cx.engine.sha256(&commit)? == pin.commit_hash() {
                    verdict = self.on_commit(cx, epoch, None, commit)?;
                }
                Ok(verdict.told_at(current))
            }
            Ok(CommitReply::CounterError(state)) if state.current > epoch.slot() && self.is_idle() => {
                self.on_counter(cx, epoch, &state)
            }
            Ok(CommitReply::CounterError(state)) => {
                let waits = !self.candidates.is_empty() || self.is_flooded(cx);
                if state.current == epoch.slot() && self.is_idle() && waits {
                    self.look_later(cx);
                }
                self.on_news(cx, epoch, &state)
            }
            Ok(CommitReply::Error(_)) | Err(_) => {
                self.read_later(cx);
                Ok(Verdict::Open)
            }
        }
    }

    /// Nothing was learnt: reads again. What is being looked for has a timer of its own.
    fn read_later<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if self.decided.is_none() {
            let wait = cx.backoff(3);
            cx.bring_forward(Timer::Confirm, wait);
        }
    }

    /// Compares what the service says of the present epoch with what it said when it was entered.
    pub(crate) fn on_own_pin<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        pin: Option<Pin>,
    ) -> bool {
        let other = pin.is_some_and(|pin| epoch.pin.is_some_and(|own| own != pin));
        if other {
            // A service that was replaced, or that shows different pins to different members.
            self.halt(cx, ServiceFault::LineageMismatch);
        }
        other
    }

    /// The service says that it has forgotten the slot's pin. With a key of the service, only a receipt for a later
    /// slot shows that the group went on.
    pub(crate) fn on_forgotten<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
    ) -> Verdict<G> {
        if cx.config.params.service_key.is_none() {
            return Verdict::Rejoin(RejoinReason::PinForgotten);
        }
        let newest = state.current.saturating_sub(1);
        if newest > epoch.slot() {
            cx.ask_lock(LockPurpose::Progress(newest));
        }
        self.back_off(cx);
        Verdict::Open
    }
}
