//! One counter, as a value: its slots, its lock, and what a request makes of them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::counter::{
    CommitReply, CounterState, FIRST_NONCE, IncrementReply, IncrementRequest, LockReply, Pin, Reason,
    SLOT_KEY_LEN, slot_lock_message,
};
use crate::time::Timestamp;

/// A lock, live until its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// Its token. Empty if the service hands out none.
    pub id: Bytes,
    /// The first instant at which it is gone.
    pub until: Timestamp,
}

impl Lock {
    /// True before the deadline.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Returns whether it was taken while the clock was ahead: it would last for longer than any lock does.
    pub(super) fn is_from_ahead(&self, now: Timestamp, lease: Duration) -> bool {
        self.until.since(now) > lease.saturating_mul(2)
    }
}

/// How the slots of a counter were filled: slot 0 decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slots {
    /// No slot is filled.
    Unused,
    /// Filled without pins, as the draft has it.
    Unpinned {
        /// The token of the lock under which the newest slot was filled, to answer its repetition.
        /// `None` if the lock had no token.
        filled_by: Option<Bytes>,
    },
    /// Filled with pins.
    Pinned {
        /// The pins of the newest slots, oldest first; at least one.
        kept: VecDeque<Pin>,
        /// The commits of the newest slots, oldest first, empty for slot 0; no more than pins.
        commits: VecDeque<Bytes>,
    },
}

/// How much of its newest slots a counter keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keep {
    /// Pins; 0 counts as 1, for the next slot needs the last.
    pub pins: usize,
    /// Commits.
    pub commits: usize,
    /// Bytes of commits. The newest one is kept, however large.
    pub commit_bytes: usize,
}

/// What is known of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Not filled yet.
    Free,
    /// Filled without a pin.
    Unpinned,
    /// Filled by this pin.
    Pinned(Pin),
    /// Filled by a pin that is no longer kept.
    Forgotten,
}

/// One counter. A value: cheap to clone for its size, comparable, storable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    next: u64,
    slots: Slots,
    lock: Option<Lock>,
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// A counter that nobody has asked about: next value 0, not locked.
    pub fn new() -> Self {
        Self { next: 0, slots: Slots::Unused, lock: None }
    }

    /// A counter from its parts, as the accessors gave them.
    ///
    /// `None` if they do not fit together: slots are unused exactly if `next` is 0, and of pins
    /// there are at least one and at most `next`. There are no more commits than pins, and only
    /// that of slot 0 is empty.
    pub fn restore(next: u64, slots: Slots, lock: Option<Lock>) -> Option<Self> {
        let fits = match &slots {
            Slots::Unused => next == 0,
            Slots::Unpinned { .. } => next > 0,
            Slots::Pinned { kept, commits } => {
                let first = next.checked_sub(count(commits)).unwrap_or(u64::MAX);
                let mut slots = (first..next).zip(commits);
                !kept.is_empty()
                    && count(kept) <= next
                    && commits.len() <= kept.len()
                    && slots.all(|(slot, commit)| commit.is_empty() == (slot == 0))
            }
        };
        fits.then_some(Self { next, slots, lock })
    }

    /// The value that the next increment hands out: the number of filled slots.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How the slots were filled.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The newest lock, live or not; `None` once its slot is filled.
    pub fn lock_held(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// What is known of slot `val`.
    pub fn slot(&self, val: u64) -> Slot {
        let Some(age) = self.next.checked_sub(val).and_then(|ahead| ahead.checked_sub(1)) else {
            return Slot::Free;
        };
        match &self.slots {
            Slots::Unused => Slot::Free,
            Slots::Unpinned { .. } => Slot::Unpinned,
            Slots::Pinned { kept, .. } => {
                let age = usize::try_from(age).unwrap_or(usize::MAX);
                kept.iter().rev().nth(age).map_or(Slot::Forgotten, |pin| Slot::Pinned(*pin))
            }
        }
    }

    /// Answers a lock request for `val`; Ok takes the lock under `id` until `lease` from `now`.
    ///
    /// `id` must be fresh and unguessable: a client that knows it can fill the slot without a pin. Empty, the
    /// lock has no token and Ok carries none, as the draft has it.
    pub fn lock(&mut self, now: Timestamp, val: u64, id: Bytes, lease: Duration) -> LockReply {
        if val != self.next {
            // No slot is meant by a value that no counter gets to: then it is the newest one.
            let slot = if val >= FIRST_NONCE { self.next.saturating_sub(1) } else { val };
            return LockReply::CounterError(self.state_at(slot));
        }
        if self.next == u64::MAX {
            return LockReply::Error(Reason::Overflow);
        }
        let until = now.after(lease);
        let holds = |lock: &&mut Lock| lock.is_live(now) && !lock.is_from_ahead(now, lease);
        if let Some(lock) = self.lock.as_mut().filter(holds) {
            // Given by a clock that was a little ahead: from now on it lasts as long as any other, and not for what the
            // clock was wrong besides.
            lock.until = lock.until.min(until);
            return LockReply::Conflict { retry_later: lock.until.since(now) };
        }
        let lock_id = (!id.is_empty()).then(|| id.clone());
        self.lock = Some(Lock { id, until });
        LockReply::Ok { lock_id, expires_in: until.since(now) }
    }

    /// Answers an increment; Ok means that the slot is filled, now or by an earlier copy of the
    /// request. `sha256` is the hash of that name.
    pub fn increment(
        &mut self,
        now: Timestamp,
        request: &IncrementRequest,
        keep: Keep,
        sha256: impl Fn(&[u8]) -> [u8; 32],
    ) -> IncrementReply {
        let opened = request.key.is_some() || request.commit.is_some();
        if let Some(hash) = request.counter.founding_hash().filter(|_| request.val.unwrap_or(self.next) == 0)
        {
            // Only who made the name up can begin with it: nobody else knows the key.
            let fits = |key: &Bytes| key.len() == SLOT_KEY_LEN && sha256(key).starts_with(&hash);
            return match (request.val, request.pin) {
                (Some(val), Some(pin))
                    if request.key.as_ref().is_some_and(fits) && request.commit.is_none() =>
                {
                    self.increment_pinned(request, val, pin, keep, sha256)
                }
                _ => IncrementReply::Error(Reason::Forbidden),
            };
        }
        match (request.val, request.pin) {
            // Nothing comes before slot 0: no lock to open, and no commit that made it.
            (Some(0), Some(_)) if opened => IncrementReply::Error(Reason::Malformed),
            (Some(val), Some(pin)) => self.increment_pinned(request, val, pin, keep, sha256),
            // A pin needs a slot to be recorded for, and what goes along with a pin needs the pin.
            (None, Some(_)) => IncrementReply::Error(Reason::Malformed),
            (_, None) if request.prev.is_some() || opened => IncrementReply::Error(Reason::Malformed),
            (val, None) => self.increment_locked(now, val, request.lock_id.as_ref()),
        }
    }

    /// The write-once compare-and-set of a slot.
    fn increment_pinned(
        &mut self,
        request: &IncrementRequest,
        val: u64,
        pin: Pin,
        keep: Keep,
        sha256: impl Fn(&[u8]) -> [u8; 32],
    ) -> IncrementReply {
        if matches!(self.slots, Slots::Unpinned { .. }) {
            return IncrementReply::Error(Reason::UnpinnedId);
        }
        if val < self.next {
            let state = self.state_at(val);
            return if state.pin == Some(pin) {
                IncrementReply::Ok(state)
            } else {
                IncrementReply::CounterError(state)
            };
        }
        let newest = self.newest();
        // For val == next, CounterError with `current` == val tells that the lineage differs.
        if val > self.next || request.prev != newest {
            return IncrementReply::CounterError(self.state_at(val));
        }
        if let Some(newest) = newest {
            let key = request.key.as_ref().filter(|key| key.len() == SLOT_KEY_LEN);
            let opens = |key: &Bytes| {
                sha256(&slot_lock_message(&request.counter, val.saturating_sub(1), key)) == newest.slot_lock()
            };
            if !key.is_some_and(opens) {
                return IncrementReply::WrongKey(self.state_at(val.saturating_sub(1)));
            }
            let Some(commit) = request.commit.as_ref().filter(|commit| !commit.is_empty()) else {
                return IncrementReply::Error(Reason::CommitRequired);
            };
            if sha256(commit) != pin.commit_hash() {
                return IncrementReply::Error(Reason::Malformed);
            }
        }
        let Some(next) = self.next.checked_add(1) else {
            return IncrementReply::Error(Reason::Overflow);
        };
        let (mut kept, mut commits) = match std::mem::replace(&mut self.slots, Slots::Unused) {
            Slots::Pinned { kept, commits } => (kept, commits),
            _ => (VecDeque::new(), VecDeque::new()),
        };
        kept.push_back(pin);
        while kept.len() > keep.pins.max(1) {
            kept.pop_front();
        }
        commits.push_back(request.commit.clone().unwrap_or_default());
        let bytes = |commits: &VecDeque<Bytes>| commits.iter().map(Bytes::len).sum::<usize>();
        while commits.len() > keep.commits.min(kept.len()).max(1)
            || (commits.len() > 1 && bytes(&commits) > keep.commit_bytes)
        {
            commits.pop_front();
        }
        *self = Self { next, slots: Slots::Pinned { kept, commits }, lock: None };
        IncrementReply::Ok(self.state_at(val))
    }

    /// Answers which commit filled slot `val`.
    pub fn commit(&self, val: u64) -> CommitReply {
        let state = self.state_at(val);
        let Slots::Pinned { commits, .. } = &self.slots else { return CommitReply::CounterError(state) };
        let age = self.next.checked_sub(val).and_then(|ahead| ahead.checked_sub(1));
        let age = age.and_then(|age| usize::try_from(age).ok());
        match age.and_then(|age| commits.iter().rev().nth(age)) {
            Some(commit) => CommitReply::Found { state, commit: commit.clone() },
            None => CommitReply::CounterError(state),
        }
    }

    /// Returns the bytes of all commits that are kept.
    pub fn commit_bytes(&self) -> usize {
        match &self.slots {
            Slots::Pinned { commits, .. } => commits.iter().map(Bytes::len).sum(),
            _ => 0,
        }
    }

    /// Drops the oldest commit that is kept, its pin stays; `None` if there is none.
    pub fn drop_commit(&mut self) -> Option<Bytes> {
        match &mut self.slots {
            Slots::Pinned { commits, .. } => commits.pop_front(),
            _ => None,
        }
    }

    /// Returns whether a pinned increment is about the next slot of this lineage, whatever its key and commit: one that
    /// [`Turns`](crate::counter::service::Turns) have a say in.
    pub fn is_followed_by(&self, request: &IncrementRequest) -> bool {
        let follows = request.prev.is_some() && request.prev == self.newest();
        follows && request.pin.is_some() && request.val == Some(self.next)
    }

    fn newest(&self) -> Option<Pin> {
        match &self.slots {
            Slots::Pinned { kept, .. } => kept.back().copied(),
            _ => None,
        }
    }

    /// The draft's increment: the lock stands for the right to fill the next slot.
    fn increment_locked(
        &mut self,
        now: Timestamp,
        val: Option<u64>,
        lock_id: Option<&Bytes>,
    ) -> IncrementReply {
        if let Slots::Pinned { .. } = self.slots {
            return IncrementReply::Error(Reason::PinRequired);
        }
        if let Slots::Unpinned { filled_by: Some(filled_by) } = &self.slots {
            let newest = self.next.checked_sub(1);
            if lock_id == Some(filled_by) && (val.is_none() || val == newest) {
                return IncrementReply::Ok(self.state());
            }
        }
        if val.is_some_and(|val| val != self.next) {
            return IncrementReply::CounterError(self.state());
        }
        let not_locked = IncrementReply::Error(Reason::NotLocked);
        let Some(lock) = self.lock.as_ref().filter(|lock| lock.is_live(now)) else { return not_locked };
        if lock_id.is_some_and(|id| *id != lock.id) {
            return not_locked;
        }
        let Some(next) = self.next.checked_add(1) else {
            return IncrementReply::Error(Reason::Overflow);
        };
        let filled_by = Some(lock.id.clone()).filter(|id| !id.is_empty());
        *self = Self { next, slots: Slots::Unpinned { filled_by }, lock: None };
        IncrementReply::Ok(self.state())
    }

    fn state(&self) -> CounterState {
        CounterState { current: self.next, pin: None, receipt: None, pin_forgotten: false }
    }

    /// The state with what is known of slot `val`.
    fn state_at(&self, val: u64) -> CounterState {
        let mut state = self.state();
        match self.slot(val) {
            Slot::Free | Slot::Unpinned => {}
            Slot::Pinned(pin) => state.pin = Some(pin),
            Slot::Forgotten => state.pin_forgotten = true,
        }
        state
    }
}

fn count<T>(kept: &VecDeque<T>) -> u64 {
    u64::try_from(kept.len()).unwrap_or(u64::MAX)
}
