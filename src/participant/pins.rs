//! Pins: what they are made of, and when one is believed.

use bytes::Bytes;

use crate::codec::pinned::ReceiptObject;
use crate::counter::{CounterState, Pin, SLOT_KEY_LEN, receipt_message, slot_lock_message, state_message};
use crate::engine::{Engine, EngineError, Next};
use crate::notice::{Notice, ServiceFault};
use crate::participant::context::Context;
use crate::secret::Secret;

/// The exporter label of slot keys.
const SLOT_KEY_LABEL: &[u8] = b"moq-mls slot key";

/// What an increment carries besides its slot and its pin.
#[derive(Default)]
pub(crate) struct Increment {
    pub(crate) prev: Option<Pin>,
    pub(crate) lock_id: Option<Bytes>,
    /// The slot key of the present epoch.
    pub(crate) key: Option<Bytes>,
    pub(crate) commit: Option<Bytes>,
}

impl<E: Engine> Context<E> {
    /// Derives what opens the slot after the epoch that `group` is at: only its members can.
    pub(crate) fn slot_key(&self, group: &E::Group) -> Result<Secret, EngineError> {
        self.engine.export_secret(group, SLOT_KEY_LABEL, b"", SLOT_KEY_LEN)
    }

    /// Derives the lock of the slot after `epoch`, which `group` is at: it confirms the epoch's keys.
    pub(crate) fn slot_lock(&self, group: &E::Group, epoch: u64) -> Result<[u8; 32], EngineError> {
        let key = self.slot_key(group)?;
        self.engine.sha256(&slot_lock_message(&self.config.group, epoch, key.as_bytes()))
    }

    /// Makes the pin of a commit that leads to `next`, at `epoch`.
    pub(crate) fn pin_of(
        &self,
        commit_hash: [u8; 32],
        next: &Next<E::Group>,
        epoch: u64,
    ) -> Result<Pin, EngineError> {
        // Where nothing is pinned nobody asks for the lock.
        let lock = if self.rules.pins { self.slot_lock(&next.group, epoch)? } else { [0; 32] };
        Ok(Pin::new(commit_hash, next.context_hash, lock))
    }

    /// Says whether the service's statement that `pin` won `slot` is to be believed: with a key of the service,
    /// only with its receipt. Everybody who hears of a pin asks here.
    pub(crate) fn believes(&self, slot: u64, pin: &Pin, receipt: Option<&Bytes>) -> bool {
        let Some(key) = &self.config.params.service_key else { return true };
        let message = || receipt_message(&self.config.group, slot, pin);
        receipt.is_some_and(|receipt| self.engine.verify_receipt(key, &message(), receipt))
    }

    /// As [`believes`](Self::believes), of a receipt that came as an object; what is believed is counted.
    pub(crate) fn uses(&mut self, slot: u64, ReceiptObject { pin, receipt }: &ReceiptObject) -> bool {
        let good = self.believes(slot, pin, Some(receipt));
        self.stats.receipts_used = self.stats.receipts_used.saturating_add(u64::from(good));
        good
    }

    /// Says whether the service signs what it says: where it has a key, and slots are pinned.
    pub(crate) fn is_signed(&self) -> bool {
        self.rules.pins && self.config.params.service_key.is_some()
    }

    /// Says whether the service signed that the counter stands there, when it was asked for `val`.
    pub(crate) fn vouches(&self, val: u64, current: u64, newest: Option<&Pin>, receipt: &Bytes) -> bool {
        let message = state_message(&self.config.group, val, current, newest);
        let key = self.config.params.service_key.as_ref();
        key.is_some_and(|key| self.engine.verify_receipt(key, &message, receipt))
    }

    /// Counts an answer that is not believed, and tells of it now and then.
    pub(crate) fn bad_receipt(&mut self) {
        let first = self.stats.bad_receipts == 0;
        self.stats.bad_receipts = self.stats.bad_receipts.saturating_add(1);
        if first {
            self.notify(Notice::ServiceFault(ServiceFault::BadReceipt));
        }
    }

    /// As [`believes`](Self::believes), of what the service said about `slot`. What names no pin needs no receipt,
    /// and decides nothing.
    pub(crate) fn believes_state(&self, slot: u64, state: &CounterState) -> bool {
        !self.rules.pins || state.pin.is_none_or(|pin| self.believes(slot, &pin, state.receipt.as_ref()))
    }
}
