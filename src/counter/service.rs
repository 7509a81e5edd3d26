//! The epoch counter service (draft section 7) as a pure state machine.
//!
//! [`Counter`] is one counter, a plain value: what it answers and what it becomes depend on the
//! request and the time passed in, nothing else. [`CounterService`] is a bounded table of them with
//! receipts and HTTP around it. Whoever keeps counters elsewhere, in a database for example, runs
//! [`Counter::lock`] and [`Counter::increment`] inside a transaction, through [`Counter::restore`]
//! and the accessors; a filled slot must be durable before its Ok is sent.
//!
//! What the draft leaves open is decided here (ours):
//!
//! - **Order.** Whether the asked value is the next one is judged before whether the counter is
//!   locked. Asking a used value changes nothing and answers with that slot's pin.
//! - **Locks.** One at a time, for the lease; gone when `now` reaches its deadline, and when the
//!   slot is filled. Asking again while holding the lock is a Conflict: the draft has no notion of
//!   who asks.
//! - **Pins.** An increment with a pin fills the slot `val` if it is the next one, `prev` is the pin of
//!   the slot before and `key` opens its lock, with or without the draft's lock, which is only a hint
//!   then. So only who has the keys of an epoch decides the next. A slot filled once answers every later
//!   increment the same, whatever its key: Ok for its pin, CounterError with its pin for another. Slot 0
//!   decides for the whole counter whether its slots have pins.
//! - **Commits.** A pinned increment of a slot but 0 brings the commit that its pin names. The newest
//!   are kept, with their slots, for whoever asks: no pin without its commit, whatever relays withhold.
//! - **No pins.** An increment without a pin needs the live lock. Its `lock_id`, if given, must be
//!   the lock's, and its `val` the next value. Repeated with the `lock_id` that filled the newest
//!   slot, it is answered Ok again.
//! - **The end.** Slot `u64::MAX` cannot be filled, for no u64 comes after it: where a lock or an
//!   increment would be about that slot and everything else about it is right, it is
//!   [`Reason::Overflow`].
//!
//! Over 400 lines: one state machine, and every rule above is in its two requests.
//!
//! A draft client sends neither values nor pins and is served as the draft says:
//!
//! ```
//! use bytes::Bytes;
//! use moq_mls::Timestamp;
//! use moq_mls::counter::http::{Headers, HttpRequest, Method};
//! use moq_mls::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
//!
//! // In earnest: the real SHA-256, and a signature.
//! struct NoPins;
//! impl ServiceCrypto for NoPins {
//!     fn sha256(&self, _: &[u8]) -> [u8; 32] {
//!         unimplemented!("a draft client sends no pins")
//!     }
//! }
//!
//! let mut service = CounterService::new(ServiceConfig::default(), NoPins);
//! let mut ask = |method, target: &str, now| {
//!     let target = target.to_owned();
//!     let request = HttpRequest { method, target, headers: Headers::default(), body: Bytes::new() };
//!     // In earnest: 16 random bytes, fresh for each request.
//!     let token = Bytes::from_static(b"unguessable");
//!     service.respond(Timestamp::from_millis(now), &request, token).status
//! };
//! assert_eq!(ask(Method::Get, "/lock/room?val=0", 0), 200);
//! assert_eq!(ask(Method::Get, "/lock/room?val=0", 10), 409);
//! assert_eq!(ask(Method::Post, "/increment/room", 20), 200);
//! assert_eq!(ask(Method::Get, "/lock/room?val=0", 30), 412);
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::counter::http::{
    Call, HttpRequest, HttpResponse, decode_request, encode_commit_reply, encode_increment_reply,
    encode_lock_reply, encode_refusal,
};
use crate::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest,
    MAX_LOCK_ID, MAX_RECEIPT, Pin, Reason, SLOT_KEY_LEN, receipt_message, slot_lock_message,
};
use crate::time::Timestamp;
use crate::tracks::GroupName;

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

    /// Returns what is left of it, at most `lease`.
    fn left(&self, now: Timestamp, lease: Duration) -> Duration {
        self.until.since(now).min(lease)
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
    /// there are at least one and at most `next`.
    pub fn restore(next: u64, slots: Slots, lock: Option<Lock>) -> Option<Self> {
        let fits = match &slots {
            Slots::Unused => next == 0,
            Slots::Unpinned { .. } => next > 0,
            Slots::Pinned { kept, commits } => {
                !kept.is_empty() && count(kept) <= next && commits.len() <= kept.len()
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
    /// `id` must be fresh and unguessable: whoever knows it can fill the slot without a pin. Empty,
    /// the lock has no token and Ok carries none, as the draft has it.
    pub fn lock(&mut self, now: Timestamp, val: u64, id: Bytes, lease: Duration) -> LockReply {
        if val != self.next {
            return LockReply::CounterError(self.state_at(val));
        }
        if self.next == u64::MAX {
            return LockReply::Error(Reason::Overflow);
        }
        // One that lasts for longer than any lock was taken while the clock was ahead.
        let sane = |lock: &&Lock| lock.until.since(now) <= lease.saturating_mul(2);
        if let Some(lock) = self.lock.as_ref().filter(|lock| lock.is_live(now)).filter(sane) {
            return LockReply::Conflict { retry_later: lock.left(now, lease) };
        }
        let until = now.after(lease);
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
        match (request.val, request.pin) {
            (Some(val), Some(pin)) => self.increment_pinned(request, val, pin, keep, sha256),
            // A pin needs a slot to be recorded for, and `prev` a pin to stand before.
            (None, Some(_)) => IncrementReply::Error(Reason::Malformed),
            (_, None) if request.prev.is_some() => IncrementReply::Error(Reason::Malformed),
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
            let Some(commit) = &request.commit else { return IncrementReply::Error(Reason::CommitRequired) };
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
        commits.push_back(request.commit.clone().filter(|_| val > 0).unwrap_or_default());
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

fn count(kept: &VecDeque<Pin>) -> u64 {
    u64::try_from(kept.len()).unwrap_or(u64::MAX)
}

/// The cryptography that a service needs.
pub trait ServiceCrypto {
    /// Returns SHA-256 of `data`.
    fn sha256(&self, data: &[u8]) -> [u8; 32];

    /// Signs a receipt, so that members need not ask the counter for each pin: returns the Ed25519 signature
    /// of `message`, which is [`receipt_message`]; `None` for no receipt.
    ///
    /// Called each time a recorded pin is sent. Ed25519 is deterministic, so the same slot always
    /// has the same receipt; one over [`MAX_RECEIPT`] bytes is not sent.
    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let _ = message;
        None
    }
}

/// The service's bounds. A counter takes up to 96 bytes for each kept pin, and the bytes of its kept commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// How long a lock lasts. Default 2 s. A draft client must publish within it; with pins it
    /// bounds only how long others hold back.
    pub lease: Duration,
    /// Most counters. Beyond, a request that would start one is [`Reason::RateLimited`]. Default 16,384.
    pub max_counters: usize,
    /// Pins kept for each counter, the newest ones. A member further behind has to rejoin.
    /// Default 1,024, which is also the least that members count on; 0 counts as 1.
    pub kept_pins: usize,
    /// Commits kept for each counter, the newest ones. Default 64; 0 counts as 1.
    pub kept_commits: usize,
    /// Bytes of commits kept for each counter; the newest is kept, however large. Default 4 MiB.
    pub kept_commit_bytes: usize,
}

impl ServiceConfig {
    /// Returns what a counter keeps.
    pub fn keep(&self) -> Keep {
        Keep { pins: self.kept_pins, commits: self.kept_commits, commit_bytes: self.kept_commit_bytes }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(2),
            max_counters: 16_384,
            kept_pins: 1024,
            kept_commits: 64,
            kept_commit_bytes: 4 << 20,
        }
    }
}

/// The counter service: no IO, no clock, no random numbers.
///
/// Who may ask for what is the embedder's to judge, before a request gets here or in
/// [`respond_if`](Self::respond_if); so is how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterService<C> {
    config: ServiceConfig,
    crypto: C,
    counters: BTreeMap<GroupName, Counter>,
    /// Locks taken at value 0, by deadline. A counter that got no further says nothing once its
    /// lock is gone, so its place is given back. Entries of counters that did get further stay
    /// until their deadline.
    unused: BTreeSet<(Timestamp, GroupName)>,
}

impl<C: ServiceCrypto> CounterService<C> {
    /// Makes a service without counters.
    pub fn new(config: ServiceConfig, crypto: C) -> Self {
        Self { config, crypto, counters: BTreeMap::new(), unused: BTreeSet::new() }
    }

    /// Answers a lock request.
    ///
    /// `fresh_token` becomes the lock's token if the answer is Ok: bytes that nobody can guess and
    /// that were never passed before, at most [`MAX_LOCK_ID`] (what is longer is cut). Pass 16 from
    /// the system's generator. Empty, Ok carries no token, as the draft has it.
    pub fn lock(&mut self, now: Timestamp, request: &LockRequest, mut fresh_token: Bytes) -> LockReply {
        fresh_token.truncate(MAX_LOCK_ID);
        self.reclaim(now);
        let full = self.is_full();
        let lease = self.config.lease;
        let id = &request.counter;
        let mut reply = match self.counters.get_mut(id) {
            Some(counter) => counter.lock(now, request.val, fresh_token, lease),
            None => {
                // Only what takes the lock is worth a place.
                let mut counter = Counter::new();
                match counter.lock(now, request.val, fresh_token, lease) {
                    LockReply::Ok { .. } if full => LockReply::Error(Reason::RateLimited),
                    reply @ LockReply::Ok { .. } => {
                        self.counters.insert(id.clone(), counter);
                        reply
                    }
                    reply => reply,
                }
            }
        };
        match &mut reply {
            LockReply::Ok { .. } if request.val == 0 => {
                self.unused.insert((now.after(lease), id.clone()));
            }
            LockReply::CounterError(state) => self.add_receipt(id, Some(request.val), state),
            _ => {}
        }
        reply
    }

    /// Answers an increment.
    pub fn increment(&mut self, now: Timestamp, request: &IncrementRequest) -> IncrementReply {
        if request.lock_id.as_ref().is_some_and(|id| id.len() > MAX_LOCK_ID) {
            return IncrementReply::Error(Reason::TooLarge);
        }
        self.reclaim(now);
        let full = self.is_full();
        let (keep, sha256) = (self.config.keep(), |data: &[u8]| self.crypto.sha256(data));
        let id = &request.counter;
        let mut reply = match self.counters.get_mut(id) {
            Some(counter) => counter.increment(now, request, keep, sha256),
            None => {
                let mut counter = Counter::new();
                match counter.increment(now, request, keep, sha256) {
                    IncrementReply::Ok(_) if full => IncrementReply::Error(Reason::RateLimited),
                    reply @ IncrementReply::Ok(_) => {
                        self.counters.insert(id.clone(), counter);
                        reply
                    }
                    reply => reply,
                }
            }
        };
        match &mut reply {
            IncrementReply::Ok(state) | IncrementReply::CounterError(state) => {
                self.add_receipt(id, request.val, state);
            }
            IncrementReply::WrongKey(state) => {
                self.add_receipt(id, request.val.and_then(|val| val.checked_sub(1)), state);
            }
            IncrementReply::Error(_) => {}
        }
        reply
    }

    /// Answers which commit filled a slot. It changes nothing.
    pub fn commit(&self, request: &CommitRequest) -> CommitReply {
        let (id, val) = (&request.counter, request.val);
        let mut reply = match self.counters.get(id) {
            Some(counter) => counter.commit(val),
            None => Counter::new().commit(val),
        };
        if let CommitReply::Found { state, .. } | CommitReply::CounterError(state) = &mut reply {
            self.add_receipt(id, Some(val), state);
        }
        reply
    }

    /// Answers an HTTP request, whoever sends it.
    ///
    /// `fresh_token` as in [`lock`](Self::lock); pass one with every request. Whatever the request
    /// is, the answer is a response: 404 for another path, 405 for another method.
    pub fn respond(&mut self, now: Timestamp, request: &HttpRequest, fresh_token: Bytes) -> HttpResponse {
        self.respond_if(now, request, fresh_token, |_, _| Ok(()))
    }

    /// Answers an HTTP request if `allow` does, which sees the call and the bearer token.
    ///
    /// A token is bound to a counter and a member, so `allow` compares
    /// [`Call::counter`]; what it refuses with is most often [`Reason::Unauthenticated`],
    /// [`Reason::Forbidden`] or [`Reason::RateLimited`].
    pub fn respond_if(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
        fresh_token: Bytes,
        allow: impl FnOnce(&Call, Option<&str>) -> Result<(), Reason>,
    ) -> HttpResponse {
        let inbound = match decode_request(request) {
            Ok(inbound) => inbound,
            Err(error) => return encode_refusal(&error),
        };
        let refused = allow(&inbound.call, inbound.token).err();
        match (inbound.call, refused) {
            (Call::Lock(_), Some(reason)) => encode_lock_reply(&LockReply::Error(reason)),
            (Call::Increment(_), Some(reason)) => encode_increment_reply(&IncrementReply::Error(reason)),
            (Call::Commit(_), Some(reason)) => encode_commit_reply(&CommitReply::Error(reason)),
            (Call::Commit(call), None) => encode_commit_reply(&self.commit(&call)),
            (Call::Lock(call), None) => encode_lock_reply(&self.lock(now, &call, fresh_token)),
            (Call::Increment(call), None) => encode_increment_reply(&self.increment(now, &call)),
        }
    }

    /// The counter of that id; `None` stands for [`Counter::new`].
    pub fn get(&self, id: &GroupName) -> Option<&Counter> {
        self.counters.get(id)
    }

    /// All counters, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, &Counter)> {
        self.counters.iter()
    }

    /// Puts a counter in place, over what was there: for a restart from storage. Not bounded.
    ///
    /// Never with an older state than the one that was answered from: two members would fill one slot.
    pub fn insert(&mut self, id: GroupName, counter: Counter) {
        if let (0, Some(lock)) = (counter.next, &counter.lock) {
            self.unused.insert((lock.until, id.clone()));
        }
        self.counters.insert(id, counter);
    }

    /// Drops the counter of a group that has ended, and gives it back.
    ///
    /// The draft leaves it to the service how it learns of that (section 7). To whoever still asks,
    /// the group has never existed: drop it only when no member is left.
    pub fn forget(&mut self, id: &GroupName) -> Option<Counter> {
        self.counters.remove(id)
    }

    fn is_full(&self) -> bool {
        self.counters.len() >= self.config.max_counters
    }

    /// Gives back the places of counters that were locked at 0 and never used. Two for each
    /// request, which adds at most one: no request pays for a flood.
    fn reclaim(&mut self, now: Timestamp) {
        for _ in 0..2 {
            match self.unused.first() {
                Some((until, _)) if *until <= now => {}
                _ => return,
            }
            let Some((_, id)) = self.unused.pop_first() else { return };
            let idle = |c: &Counter| c.next == 0 && c.lock.as_ref().is_none_or(|lock| !lock.is_live(now));
            if self.counters.get(&id).is_some_and(idle) {
                self.counters.remove(&id);
            }
        }
    }

    fn add_receipt(&self, id: &GroupName, val: Option<u64>, state: &mut CounterState) {
        if let (Some(val), Some(pin)) = (val, &state.pin) {
            let receipt = self.crypto.sign(&receipt_message(id, val, pin));
            state.receipt = receipt.filter(|receipt| receipt.len() <= MAX_RECEIPT);
        }
    }
}
