//! The counter service.

use std::time::Duration;

use arbitrary::Unstructured;
use bytes::Bytes;

use crate::counter::service::{CounterService, ServiceConfig};
use crate::counter::{
    CommitReply, CommitRequest, CounterState, FIRST_NONCE, IncrementReply, IncrementRequest, LockReply,
    LockRequest, Pin, Reason, slot_lock_message,
};
use crate::testing::faults::Receipts;
use crate::testing::sha256;
use crate::time::Timestamp;
use crate::tracks::GroupName;

const KEEP: usize = 3;
/// Of the three pins kept, two commits at most, and not more bytes than this.
const KEEP_COMMITS: usize = 2;
const KEEP_BYTES: usize = 6;
const LEASE: Duration = Duration::from_millis(100);

/// What filled a slot: its pin if it has one, and the commit that came along.
#[derive(Clone, Default)]
struct Filled {
    pin: Option<Pin>,
    commit: Bytes,
}

/// One counter, as its whole history.
#[derive(Default)]
struct Model {
    slots: Vec<Filled>,
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
            state.pin = self.slots[slot].pin.filter(|_| kept);
            state.pin_forgotten = self.slots[slot].pin.is_some() && !kept;
        }
        state
    }

    fn live(&self, now: Timestamp) -> Option<&(Bytes, Timestamp)> {
        self.lock.as_ref().filter(|(_, until)| now < *until)
    }

    fn lock(&mut self, now: Timestamp, val: u64, token: Bytes) -> LockReply {
        if val != self.next() {
            let slot = if val >= FIRST_NONCE { self.next().saturating_sub(1) } else { val };
            return LockReply::CounterError(self.state(Some(slot)));
        }
        if let Some((_, until)) = self.live(now) {
            return LockReply::Conflict { retry_later: until.since(now) };
        }
        self.lock = Some((token.clone(), now.after(LEASE)));
        LockReply::Ok { lock_id: Some(token), expires_in: LEASE }
    }

    /// The key that opens a slot's lock follows from its number, see [`lock_of`].
    fn increment(&mut self, now: Timestamp, request: &IncrementRequest) -> IncrementReply {
        let pinned = self.slots.first().is_some_and(|first| first.pin.is_some());
        let brings = request.key.is_some() || request.commit.is_some();
        match (request.val, request.pin) {
            (None, Some(_)) => IncrementReply::Error(Reason::Malformed),
            (Some(0), Some(_)) if brings => IncrementReply::Error(Reason::Malformed),
            (_, None) if brings || request.prev.is_some() => IncrementReply::Error(Reason::Malformed),
            (Some(val), Some(pin)) => {
                if !pinned && !self.slots.is_empty() {
                    return IncrementReply::Error(Reason::UnpinnedId);
                }
                if val == self.next() && request.prev == self.slots.last().and_then(|slot| slot.pin) {
                    if let Some(before) = val.checked_sub(1) {
                        if request.key.as_deref() != Some(&[before as u8; 32][..]) {
                            return IncrementReply::WrongKey(self.state(Some(before)));
                        }
                        let Some(commit) = request.commit.as_ref().filter(|commit| !commit.is_empty()) else {
                            return IncrementReply::Error(Reason::CommitRequired);
                        };
                        if sha256(commit)[..] != *pin.commit_hash() {
                            return IncrementReply::Error(Reason::Malformed);
                        }
                    }
                    let commit = request.commit.clone().unwrap_or_default();
                    self.slots.push(Filled { pin: Some(pin), commit });
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
                        self.slots.push(Filled::default());
                        self.lock = None;
                        self.filled_by = Some(token);
                        IncrementReply::Ok(self.state(None))
                    }
                    _ => IncrementReply::Error(Reason::NotLocked),
                }
            }
        }
    }

    fn commit(&self, val: u64) -> CommitReply {
        let state = self.state(Some(val));
        let slot =
            usize::try_from(val).ok().and_then(|slot| self.slots.get(slot).map(|filled| (slot, filled)));
        let Some((slot, Filled { pin: Some(_), commit })) = slot else {
            return CommitReply::CounterError(state);
        };
        // What the newer ones leave: the newest is kept in any case.
        let newer = &self.slots[slot..];
        let bytes: usize = newer.iter().map(|filled| filled.commit.len()).sum();
        if newer.len() == 1 || (newer.len() <= KEEP_COMMITS && bytes <= KEEP_BYTES) {
            CommitReply::Found { state, commit: commit.clone() }
        } else {
            CommitReply::CounterError(state)
        }
    }
}

/// The lock of slot `val` as all clients here make it: its key is 32 times the number.
fn lock_of(counter: &GroupName, val: u64) -> [u8; 32] {
    sha256(&slot_lock_message(counter, val, &[val as u8; 32]))
}

/// - every answer is the one of a second implementation that keeps the whole history;
/// - so a slot's pin never changes, and no slot is filled twice; none is filled without the key of the slot
///   before and the commit that its pin names; the commits kept are those within the bounds.
pub(super) fn counter(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let config = ServiceConfig {
        kept_pins: KEEP,
        kept_commits: KEEP_COMMITS,
        kept_commit_bytes: KEEP_BYTES,
        lease: LEASE,
        ..ServiceConfig::default()
    };
    let mut service = CounterService::new(config, Receipts::default());
    let ids = ["a", "b"].map(|name| GroupName::try_from(name).expect("a name"));
    let mut models = [Model::default(), Model::default()];
    let mut now = Timestamp::from_millis(0);
    for step in 0_u8..=255 {
        let Ok([what, near, pins, wait]) = u.arbitrary::<[u8; 4]>() else { return };
        now = now.after(Duration::from_millis(u64::from(wait)));
        let which = usize::from(what & 1);
        let (counter, model) = (ids[which].clone(), &mut models[which]);
        // The next value most often, so that slots are filled; around it, where it matters; or anywhere.
        let val = match near % 16 {
            15 => u64::MAX,
            n @ 9..15 => (model.next() + 12).saturating_sub(u64::from(n)),
            _ => model.next(),
        };
        if what & 2 == 0 {
            let token = Bytes::from(vec![step, 1]);
            let request = LockRequest { counter, val };
            assert_eq!(service.lock(now, &request, token.clone()), model.lock(now, val, token));
        } else {
            let newest = model.slots.last().and_then(|slot| slot.pin);
            let held = model.lock.as_ref().map(|(token, _)| token.clone());
            let made = |n: u8| Bytes::from(vec![n; usize::from(n % 4) + 1]);
            // Of a slot that is far away there is no key; whatever is made of the number does.
            let pin = |n: u8, val: u64| {
                let hash = if val == 0 { [0; 32] } else { sha256(&made(n % 8)) };
                Pin::new(hash, [n % 8; 32], lock_of(&counter, val))
            };
            let with_pin = what & 16 == 0;
            let fits = pins & 0xc0 != 0xc0;
            let request = IncrementRequest {
                val: (what & 4 == 0).then_some(val),
                lock_id: match what >> 5 & 3 {
                    0 => held,
                    1 => model.filled_by.clone(),
                    2 => Some(Bytes::from_static(b"?")),
                    _ => None,
                },
                prev: if what & 8 == 0 { newest } else { Some(pin(pins >> 4, val.saturating_sub(1))) },
                pin: with_pin.then(|| pin(pins, val)),
                key: match (fits, near >> 5) {
                    (false, 0 | 1) => None,
                    (false, 2) => Some(Bytes::from_static(&[9])),
                    (false, 3) => Some(Bytes::from_static(&[0xff; 32])),
                    _ if !with_pin || val == 0 => None,
                    _ => Some(vec![(val - 1) as u8; 32].into()),
                },
                commit: match (fits, near >> 5) {
                    (false, 4 | 5) => None,
                    (false, 6) => Some(made(pins.wrapping_add(1) % 8)),
                    (false, 7) => Some(Bytes::new()),
                    _ if !with_pin || val == 0 => None,
                    _ => Some(made(pins % 8)),
                },
                counter: counter.clone(),
            };
            assert_eq!(service.increment(now, &request), model.increment(now, &request), "{request:?}");
            for val in [val, model.next().saturating_sub(u64::from(wait % 5))] {
                let request = CommitRequest { counter: counter.clone(), val };
                assert_eq!(service.commit(&request), model.commit(val), "{request:?}");
            }
        }
    }
}
