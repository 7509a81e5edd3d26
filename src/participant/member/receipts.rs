//! Receipts: the service's signed statement of who won a slot, so that nobody need ask for each. Where it signs
//! none, the client that filled the slot says so all the same, and who hears it asks at once.

use bytes::Bytes;

use crate::action::Timer;
use crate::codec::pinned::{ReceiptObject, StateObject};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Verdict};
use crate::tracks::{Location, SenderId};

impl<G> Slot<G> {
    /// Takes in an object that may be a receipt.
    pub(crate) fn on_receipt<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        payload: Bytes,
    ) -> Result<Verdict<G>, Error> {
        if !cx.rules.pins || self.decided.is_some() {
            return Ok(Verdict::Open);
        }
        let Ok(receipt) = ReceiptObject::decode(payload.clone()) else {
            // An audit tells nothing of who won.
            if StateObject::decode(payload).is_err() {
                cx.fault(from, Fault::BadReceipt);
            }
            return Ok(Verdict::Open);
        };
        if cx.config.params.service_key.is_none() {
            self.on_word(cx, epoch, receipt);
            return Ok(Verdict::Open);
        }
        // One whose commit is not here says that the slot is decided: the commit is then looked for.
        if self.names(&receipt) || self.verified < cx.config.limits.candidates {
            return self.use_receipt(cx, epoch, from, receipt);
        }
        if self.keep_receipt(cx, receipt) {
            cx.fault(from, Fault::TooMany);
        }
        cx.hint();
        Ok(Verdict::Open)
    }

    /// Takes what comes in place of a receipt where the service signs nothing. It is the mere statement of a client
    /// that the slot is decided. So it only makes this participant ask at once instead of after a while. For each
    /// commit that is here, once.
    fn on_word<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>, word: ReceiptObject) {
        let Some(candidate) = self.candidates.iter_mut().find(|c| c.agrees_with(&word.pin)) else {
            self.keep_receipt(cx, word);
            return;
        };
        if !std::mem::replace(&mut candidate.asked, true) {
            if self.is_idle() && !cx.deadlines.is_set(Timer::Request) {
                self.ask(cx, epoch);
            } else {
                cx.set(Timer::Confirm, cx.config.timers.confirm);
            }
        }
    }

    /// Keeps a receipt until its commit is here; whether another had to go. Junk pushes out junk: a receipt follows its
    /// commit closely.
    fn keep_receipt<E: Engine<Group = G>>(&mut self, cx: &Context<E>, receipt: ReceiptObject) -> bool {
        let full = self.receipts.len() >= cx.config.limits.candidates.max(1);
        if full {
            self.receipts.remove(0);
        }
        self.receipts.push(receipt);
        full
    }

    /// Whether a receipt is about a commit that is here.
    fn names(&self, receipt: &ReceiptObject) -> bool {
        let own = self.outbox.as_ref().is_some_and(|o| o.pin == receipt.pin);
        own || self.candidates.iter().any(|c| c.agrees_with(&receipt.pin))
    }

    /// A commit came: perhaps a receipt for it was here before.
    pub(crate) fn use_receipts<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        hash: &[u8; 32],
    ) -> Result<Verdict<G>, Error> {
        let of_it = |r: &ReceiptObject| r.pin.commit_hash() == hash;
        while let Some(at) = self.receipts.iter().position(of_it) {
            let receipt = self.receipts.remove(at);
            if !self.names(&receipt) {
                continue;
            }
            if cx.config.params.service_key.is_none() {
                self.on_word(cx, epoch, receipt);
                continue;
            }
            let verdict = self.use_receipt(cx, epoch, None, receipt)?;
            if !matches!(verdict, Verdict::Open) {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Open)
    }

    /// A receipt that verifies confirms its commit without an answer from the counter service.
    fn use_receipt<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        receipt: ReceiptObject,
    ) -> Result<Verdict<G>, Error> {
        if self.verified >= cx.config.limits.commits_per_epoch {
            cx.fault(from, Fault::TooMany);
            cx.hint();
            return Ok(Verdict::Open);
        }
        self.verified = self.verified.saturating_add(1);
        if !cx.uses(epoch.slot(), &receipt) {
            cx.fault(from, Fault::BadReceipt);
            return Ok(Verdict::Open);
        }
        self.decide(cx, epoch, receipt.pin, Some(receipt.receipt))
    }
}

impl<G> Epoch<G> {
    /// Publishes the service's receipt for the epoch just entered where its commit was sent.
    pub(crate) fn publish_receipt<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        receipt: Bytes,
    ) -> Result<(), Error> {
        let (Some(pin), Some(key)) = (self.pin, &self.slot_key) else { return Ok(()) };
        if cx.config.params.service_key.is_some() && receipt.is_empty() {
            return Ok(());
        }
        let payload = ReceiptObject { pin, receipt }.encode();
        let object = cx.receipt_place(key.as_bytes(), &payload)?;
        let location = Location { group_id: self.number.saturating_sub(1), object_id: object };
        cx.publish(cx.tracks.commit(&cx.me), location, payload);
        Ok(())
    }
}
