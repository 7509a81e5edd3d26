//! Proof that the service went back, or tells of another lineage: its own signature, twice, some time apart.
//!
//! Without a key of the service its statement proves nothing, and neither does silence.

use crate::action::Timer;
use crate::counter::{FIRST_DATED, FIRST_NONCE, LockReply};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::RejoinReason;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Verdict};
use crate::participant::requests::LockPurpose;
use crate::request::Failure;

impl<E: Engine> Context<E> {
    /// Returns whether the service's statement can be proof, and proof leads anywhere.
    fn takes_proof(&self) -> bool {
        self.is_signed() && self.config.successor
    }
}

impl<G> Slot<G> {
    /// The counter seems to stand before the present epoch: has the service sign it.
    pub(crate) fn doubt<E: Engine<Group = G>>(&self, cx: &mut Context<E>) -> Result<(), Error> {
        let waits = self.proved.is_some_and(|at| cx.now.since(at) < cx.config.timers.strand);
        if cx.takes_proof() && !waits && !cx.requests.is_attesting() {
            let nonce = FIRST_NONCE | (cx.engine.random()? % (FIRST_DATED - FIRST_NONCE));
            cx.ask_lock(LockPurpose::Attest(nonce));
        }
        Ok(())
    }

    /// Takes in what the service signed.
    pub(crate) fn on_attested<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        nonce: u64,
        reply: Result<LockReply, Failure>,
    ) -> Verdict<G> {
        let Ok(LockReply::CounterError(state)) = reply else { return Verdict::Open };
        if state.current >= epoch.slot() {
            self.proved = None;
            return Verdict::Open;
        }
        let vouches = |receipt| cx.vouches(nonce, state.current, state.pin.as_ref(), receipt);
        if !state.receipt.as_ref().is_some_and(vouches) {
            cx.bad_receipt();
            return Verdict::Open;
        }
        self.prove(cx)
    }

    /// The service signed what cannot be, if it is still the one that it was.
    pub(crate) fn prove<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Verdict<G> {
        if !cx.takes_proof() {
            return Verdict::Open;
        }
        let strand = cx.config.timers.strand;
        match self.proved {
            Some(at) if cx.now.since(at) >= strand => return Verdict::Rejoin(RejoinReason::ServiceRegressed),
            Some(_) => {}
            None => {
                self.proved = Some(cx.now);
                cx.set(Timer::Recover, strand);
            }
        }
        Verdict::Open
    }

    /// The time has come to ask once more.
    pub(crate) fn ask_for_proof<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        if self.proved.is_some() {
            cx.ask_lock(LockPurpose::Standing(epoch.number));
            cx.bring_forward(Timer::Recover, cx.config.timers.audit);
        }
    }
}
