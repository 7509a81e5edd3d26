//! Increments of the counter: who asked for which slot, and what the service said.

use std::collections::BTreeMap;

use super::fields::{integer, text};
use super::log::{Kind, Log};

/// An increment and its reply.
#[derive(Clone, Debug)]
pub(super) struct Increment {
    pub(super) log: usize,
    /// The step that asked.
    pub(super) asked: usize,
    /// The step that the reply began.
    pub(super) answered: usize,
    /// The slot; the draft's bare request names none, and a reply that filled one does.
    pub(super) slot: Option<u64>,
    /// Whether the service said that the slot has what was asked for.
    pub(super) filled: bool,
}

/// Returns all increments that were answered, in the order of the logs.
pub(super) fn increments(logs: &[Log]) -> Vec<Increment> {
    let mut found = Vec::new();
    for (log, of) in logs.iter().enumerate() {
        // By request id; a restart begins to count anew.
        let mut waiting: BTreeMap<u64, (usize, Option<u64>)> = BTreeMap::new();
        for (at, step) in of.steps.iter().enumerate() {
            if matches!(step.kind, Kind::Start | Kind::Restore) {
                waiting.clear();
            }
            if text(&step.event, "event") == Some("increment_reply") {
                let asked = integer(&step.event, "id").and_then(|id| waiting.remove(&id));
                let filled = text(&step.event, "result") == Some("ok");
                found.extend(asked.map(|(asked, slot)| {
                    let current = integer(&step.event, "current").filter(|_| filled);
                    let slot = slot.or_else(|| current?.checked_sub(1));
                    Increment { log, asked, answered: at, slot, filled }
                }));
            }
            for line in step.results.iter().filter(|line| text(line, "action") == Some("increment")) {
                if let Some(id) = integer(line, "id") {
                    waiting.insert(id, (at, integer(line, "val")));
                }
            }
        }
    }
    found
}

/// Returns for each filled slot the increment that was the first to hear of it.
pub(super) fn filled<'a>(logs: &[Log], increments: &'a [Increment]) -> BTreeMap<u64, &'a Increment> {
    let heard = |i: &Increment| {
        logs.get(i.log).and_then(|log| log.steps.get(i.answered)).map_or(i64::MAX, |step| step.at)
    };
    let mut slots: BTreeMap<u64, &Increment> = BTreeMap::new();
    for increment in increments.iter().filter(|increment| increment.filled) {
        let Some(slot) = increment.slot else { continue };
        let first = slots.entry(slot).or_insert(increment);
        if heard(increment) < heard(first) {
            *first = increment;
        }
    }
    slots
}
