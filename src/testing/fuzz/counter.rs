//! The counter service.

use std::time::Duration;

use arbitrary::Unstructured;
use bytes::Bytes;

use crate::counter::service::{CounterService, ServiceConfig};
use crate::counter::{CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest, Pin, Reason};
use crate::testing::faults::Receipts;
use crate::time::Timestamp;
use crate::tracks::GroupName;

const KEEP: usize = 3;
const LEASE: Duration = Duration::from_millis(100);

/// One counter, told as its whole history.
#[derive(Default)]
struct Model {
    slots: Vec<Option<Pin>>,
    lock: Option<(Bytes, Timestamp)>,
    filled_by: Option<Bytes>,
}

impl Model {
    fn next(&self) -> u64 {
        self.slots.len() as u64
    }

    fn state(&self, val: Option<u64>) -> CounterState {
        let mut state = CounterState { current: self.next(), pin: None, receipt: None, pin_forgotten: false };
        let slot = val.and_then(|v| usize::try_from(v).ok()).filter(|v| *v < self.slots.len());
        if let Some(slot) = slot {
            let kept = slot + KEEP >= self.slots.len();
            state.pin = self.slots[slot].filter(|_| kept);
            state.pin_forgotten = self.slots[slot].is_some() && !kept;
        }
        state
    }

    fn live(&self, now: Timestamp) -> Option<&(Bytes, Timestamp)> {
        self.lock.as_ref().filter(|(_, until)| now < *until)
    }

    fn lock(&mut self, now: Timestamp, val: u64, token: Bytes) -> LockReply {
        if val != self.next() {
            return LockReply::CounterError(self.state(Some(val)));
        }
        if let Some((_, until)) = self.live(now) {
            return LockReply::Conflict { retry_later: until.since(now) };
        }
        self.lock = Some((token.clone(), now.after(LEASE)));
        LockReply::Ok { lock_id: Some(token), expires_in: LEASE }
    }

    fn increment(&mut self, now: Timestamp, request: &IncrementRequest) -> IncrementReply {
        let pinned = self.slots.first().is_some_and(Option::is_some);
        match (request.val, request.pin) {
            (None, Some(_)) => IncrementReply::Error(Reason::Malformed),
            (_, None) if request.prev.is_some() => IncrementReply::Error(Reason::Malformed),
            (Some(val), Some(pin)) => {
                if !pinned && !self.slots.is_empty() {
                    return IncrementReply::Error(Reason::UnpinnedId);
                }
                if val == self.next() && request.prev == self.slots.last().copied().flatten() {
                    self.slots.push(Some(pin));
                    self.lock = None;
                    return IncrementReply::Ok(self.state(Some(val)));
                }
                let state = self.state(Some(val));
                let same = state.pin == Some(pin);
                if same { IncrementReply::Ok(state) } else { IncrementReply::CounterError(state) }
            }
            (val, None) => {
                if pinned {
                    return IncrementReply::Error(Reason::PinRequired);
                }
                let newest = self.next().checked_sub(1);
                let again = self.filled_by.is_some() && request.lock_id == self.filled_by;
                if again && (val.is_none() || val == newest) {
                    return IncrementReply::Ok(self.state(None));
                }
                if val.is_some_and(|v| v != self.next()) {
                    return IncrementReply::CounterError(self.state(None));
                }
                match self.live(now).cloned() {
                    Some((token, _)) if request.lock_id.as_ref().is_none_or(|id| *id == token) => {
                        self.slots.push(None);
                        self.lock = None;
                        self.filled_by = Some(token);
                        IncrementReply::Ok(self.state(None))
                    }
                    _ => IncrementReply::Error(Reason::NotLocked),
                }
            }
        }
    }
}

/// - every answer is the one of a second implementation that keeps the whole history;
/// - so a slot's pin never changes, and no slot is filled twice.
pub(super) fn counter(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let config = ServiceConfig { kept_pins: KEEP, lease: LEASE, ..ServiceConfig::default() };
    let mut service = CounterService::new(config, Receipts::default());
    let ids = ["a", "b"].map(|name| GroupName::try_from(name).expect("a name"));
    let mut models = [Model::default(), Model::default()];
    let mut now = Timestamp::from_millis(0);
    let pin = |n: u8| Pin::new([n % 8; 32], [0; 32], [0; 32]);
    for step in 0_u8..=255 {
        let Ok([what, near, pins, wait]) = u.arbitrary::<[u8; 4]>() else { return };
        now = now.after(Duration::from_millis(u64::from(wait)));
        let which = usize::from(what & 1);
        let (counter, model) = (ids[which].clone(), &mut models[which]);
        // Around the next value, where it matters, or anywhere.
        let val = match near % 16 {
            15 => u64::MAX,
            n => (model.next() + 4).saturating_sub(u64::from(n)),
        };
        if what & 2 == 0 {
            let token = Bytes::from(vec![step, 1]);
            let request = LockRequest { counter, val };
            assert_eq!(service.lock(now, &request, token.clone()), model.lock(now, val, token));
        } else {
            let newest = model.slots.last().copied().flatten();
            let held = model.lock.as_ref().map(|(token, _)| token.clone());
            let request = IncrementRequest {
                counter,
                val: (what & 4 == 0).then_some(val),
                lock_id: match what >> 5 & 3 {
                    0 => held,
                    1 => model.filled_by.clone(),
                    2 => Some(Bytes::from_static(b"?")),
                    _ => None,
                },
                prev: if what & 8 == 0 { newest } else { Some(pin(pins >> 4)) },
                pin: (what & 16 == 0).then(|| pin(pins)),
                key: None,
                commit: None,
            };
            assert_eq!(service.increment(now, &request), model.increment(now, &request), "{request:?}");
        }
    }
}
