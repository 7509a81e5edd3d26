//! What a world looks at: each invariant that a published object or a new epoch can break.

use std::sync::Arc;

use moq_mls::counter::service::Slot;
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::TrackKind;
use moq_mls::{Object, SafetyMode};

use crate::rows::Row;
use crate::search::STAYS;
use crate::world::{Machine, World, digest};

impl World {
    pub(crate) fn publish(
        &mut self,
        row: &Row,
        who: usize,
        machine: &Machine,
        durable: Option<&Snapshot>,
        object: Object,
    ) {
        let id = digest(&object);
        let group = machine.epoch_base() + object.location.group_id;
        match machine.tracks().classify(&object.track) {
            Some(TrackKind::Commit(_)) if object.location.object_id.is_multiple_of(2) => {
                let first = *self.own.entry((who as u8, group)).or_insert(digest(&object.payload));
                if first != digest(&object.payload) {
                    self.break_invariant("OneOutboxPerSlot");
                }
                let kept = durable.is_some_and(|d| contains(&d.to_bytes(), &object.payload));
                if !kept {
                    self.break_invariant("OutboxDurableBeforePublish");
                }
            }
            Some(TrackKind::Welcome(_)) if !self.was_reset => {
                let decided = match self.counter_of(machine).slot(object.location.group_id) {
                    Slot::Free => false,
                    Slot::Pinned(pin) => {
                        machine.epoch() != Some(group)
                            || machine.context_hash().is_some_and(|c| c == pin.context_hash())
                    }
                    Slot::Unpinned | Slot::Forgotten => true,
                };
                if !decided && row.mode != SafetyMode::Advisory && !row.early_welcomes {
                    self.break_invariant("NoWelcomeBeforePin");
                }
            }
            _ => {}
        }
        if !self.store.contains_key(&id) {
            self.publishes.insert(id, Arc::new(object));
        }
    }

    /// Looks at a participant after each thing it did.
    pub(crate) fn look(&mut self, row: &Row, before: Option<(u64, [u8; 32])>, machine: &Machine) {
        let Some((epoch, context)) = state(machine) else { return };
        if before == Some((epoch, context)) {
            return;
        }
        if row.stays && machine.epoch_base() > 0 {
            self.break_invariant(STAYS);
        }
        // All members of an epoch hold one GroupContext, and one set of keys under it.
        let id = |context: &[u8]| digest(&context);
        let keys = machine.epoch_authenticator().ok();
        if *self.keys.entry((epoch, id(&context))).or_insert(digest(&keys)) != digest(&keys) {
            self.break_invariant("AgreementOnEpoch");
        }
        let parent = before.filter(|(e, _)| e + 1 == epoch).map(|(_, c)| c);
        if let Some((old, _)) = before
            && epoch < old
        {
            self.break_invariant("EpochMonotonic");
        }
        let known = self.history.entry(epoch).or_default();
        let through = parent.map_or(0, |c| id(&c));
        if !known.iter().any(|(c, _)| *c == id(&context)) {
            known.insert((id(&context), through));
        }
        let forks = known
            .iter()
            .any(|(a, p)| known.iter().any(|(b, q)| a != b && (!self.was_reset || (p == q && *p != 0))));
        if forks {
            let name = if epoch == 0 {
                "SingleGenesis"
            } else if self.was_reset {
                "NoLineageFork"
            } else {
                "AgreementOnEpoch"
            };
            self.break_invariant(name);
        }
        if !machine.members().any(|m| m.sender == *machine.sender_id()) {
            self.break_invariant("RemovedCannotDerive");
        }
        if row.mode == SafetyMode::Pinned {
            let (counter, val) = (self.counter_of(machine), epoch - machine.epoch_base());
            let pinned = match counter.slot(val) {
                Slot::Pinned(pin) => machine.pin() == Some(&pin) && pin.context_hash() == context,
                _ => false,
            };
            if !pinned && !self.was_reset {
                self.break_invariant("AppliedIsPinned");
            }
            if let Some(parent) = parent
                && let Slot::Pinned(before) = counter.slot(val.saturating_sub(1))
                && before.context_hash() != parent
            {
                self.break_invariant("NoLineageFork");
            }
        }
        let outbox = machine.inside().outbox;
        if outbox.is_some_and(|(_, _, base)| base != context) {
            self.break_invariant("NoSecretSurvivesLoser");
        }
    }
}

pub(crate) fn state(machine: &Machine) -> Option<(u64, [u8; 32])> {
    Some((machine.epoch()?, machine.context_hash()?))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}
