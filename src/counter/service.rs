//! The epoch counter service (draft section 7) as a pure state machine.
//!
//! [`Counter`] is one counter, a plain value: what it answers and what it becomes depend on the
//! request and the time passed in, nothing else. [`CounterService`] is a bounded table of them with
//! receipts and HTTP around it. An embedder that keeps counters elsewhere, in a database for example, runs
//! [`Counter::lock`] and [`Counter::increment`] inside a transaction, through [`Counter::restore`] and the
//! accessors; a filled slot must be durable before its Ok is sent.
//!
//! What the draft leaves open is decided here (ours):
//!
//! - **Order.** Whether the asked value is the next one is judged before whether the counter is
//!   locked. Asking a used value changes nothing and answers with that slot's pin.
//! - **Locks.** One at a time, for the lease; gone when `now` reaches its deadline, and when the
//!   slot is filled. Asking again while holding the lock is a Conflict: the draft has no notion of
//!   who asks.
//! - **Pins.** An increment with a pin fills the slot `val` on three conditions: it is the next one, `prev`
//!   is the pin of the slot before, and `key` opens the lock in that pin. It needs no lock of the draft,
//!   which is only a hint then. So only who has the keys of an epoch decides the next. A slot filled once
//!   answers every later increment the same, whatever its key: Ok for its pin, CounterError with its pin for
//!   another. Slot 0 decides for the whole counter whether its slots have pins.
//! - **Commits.** A pinned increment of a slot but 0 brings the commit that its pin names. The newest
//!   are kept, with their slots, for any client that asks: no pin without its commit, and what relays
//!   withhold is still to be had. Where all of them take too much room, the oldest go first.
//! - **Turns.** Where it is known [who asks](Access::source), a source that filled the newest slot with a pin gives way
//!   to others. It does not fill the next while another has asked for its lock, or came too late: for one lease, once
//!   for each slot. Nor does it fill many in a row within a lease ([`Turns`]). So nobody who has the keys leads every
//!   time. Without sources, or with two of them in one hand, that cannot be promised.
//! - **No pins.** An increment without a pin needs the live lock. Its `lock_id`, if given, must be
//!   the lock's, and its `val` the next value. Repeated with the `lock_id` that filled the newest
//!   slot, it is answered Ok again.
//! - **The end.** Slot `u64::MAX` cannot be filled, for no u64 comes after it: where a lock or an
//!   increment would be about that slot and everything else about it is right, it is
//!   [`Reason::Overflow`].
//! - **Room.** The table is bounded, and so are the counters of each [source](Access::source). A counter
//!   that was locked and never used gives its place back when its lock is gone. A counter with slot 0 alone gives
//!   way to a new one if nobody has asked about it for [`ServiceConfig::idle`] and there is no other room. A counter
//!   with a slot beyond is never dropped, however full the table: to the members of its group the group would be
//!   gone, and the first client that came could found another under its name. With slot 0 alone a group has one
//!   member, its founder, for every other joins by a commit. If the founder comes back, it finds its group gone and
//!   founds it again. So a service that serves everybody can be filled for good, by sources that fill two slots of
//!   each id: tokens, and a bound for each source, keep that out.
//! - **Who may begin.** Slot 0 of an id is for the first client, unless the embedder says who may take it:
//!   [`Access::may_create`]. Slot 0 of a successor's name ([`GroupName::successor`]) is for the client that has the
//!   key that the name is a hash of, and for nobody else: the increment carries it as `key`.
//! - **Signed states.** Who asks for the lock of a value from [`FIRST_NONCE`](crate::counter::FIRST_NONCE) on gets the
//!   counter's state with a signature over it ([`state_message`](crate::counter::state_message)). A value that carries
//!   a time ([`FIRST_DATED`](crate::counter::FIRST_DATED)) is signed at about that time only.
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

mod config;
mod slots;
mod table;
mod turns;

use bytes::Bytes;

pub use self::config::{Access, ServiceConfig, ServiceCrypto};
pub use self::slots::{Counter, Keep, Lock, Slot, Slots};
use self::table::Table;
pub use self::turns::{MOST_IN_A_ROW, Turns};
use crate::counter::http::{
    Call, HttpRequest, HttpResponse, WebPolicy, decode_request_from, encode_commit_reply,
    encode_increment_reply, encode_lock_reply, encode_refusal,
};
use crate::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest,
    MAX_LOCK_ID, MAX_RECEIPT, Reason, signed_answer, signed_message,
};
use crate::time::Timestamp;
use crate::tracks::GroupName;

/// The counter service: no IO, no clock, no random numbers.
///
/// Who may ask for what is the embedder's to judge, before a request gets here or in
/// [`respond_if`](Self::respond_if); so is how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterService<C> {
    config: ServiceConfig,
    crypto: C,
    web: WebPolicy,
    counters: Table,
    turns: Turns,
}

impl<C: ServiceCrypto> CounterService<C> {
    /// Makes a service without counters.
    pub fn new(config: ServiceConfig, crypto: C) -> Self {
        let turns = Turns::new(config.max_counters);
        Self { config, crypto, web: WebPolicy::default(), counters: Table::default(), turns }
    }

    /// Returns the same service with other rules about web pages; without this call it serves none.
    #[must_use]
    pub fn with_web(self, web: WebPolicy) -> Self {
        Self { web, ..self }
    }

    /// Answers a lock request of anybody.
    ///
    /// `fresh_token` becomes the lock's token if the answer is Ok: bytes that nobody can guess and
    /// that were never passed before, at most [`MAX_LOCK_ID`] (what is longer is cut). Pass 16 from
    /// the system's generator. Empty, Ok carries no token, as the draft has it.
    pub fn lock(&mut self, now: Timestamp, request: &LockRequest, fresh_token: Bytes) -> LockReply {
        self.lock_for(&Access::anyone(), now, request, fresh_token)
    }

    /// Answers a lock request of a client with that access; otherwise as [`lock`](Self::lock).
    pub fn lock_for(
        &mut self,
        access: &Access,
        now: Timestamp,
        request: &LockRequest,
        mut fresh_token: Bytes,
    ) -> LockReply {
        fresh_token.truncate(MAX_LOCK_ID);
        self.counters.reclaim(now, &self.config);
        let (id, val, lease) = (&request.counter, request.val, self.config.lease);
        if !may_begin(access, id) && val == 0 && self.is_unused(id) {
            return LockReply::Error(Reason::Forbidden);
        }
        if let Some(source) = &access.source {
            self.turns.on_lock(now, id, source, val, lease);
        }
        let token = fresh_token.clone();
        let known = self.counters.with(now, id, |counter| counter.lock(now, val, token, lease));
        let mut reply = known.unwrap_or_else(|| {
            let mut counter = Counter::new();
            let reply = counter.lock(now, val, fresh_token, lease);
            // Only what takes the lock is worth a place.
            match reply {
                LockReply::Ok { .. } if !self.start(access, now, id, counter) => {
                    LockReply::Error(Reason::RateLimited)
                }
                reply => reply,
            }
        });
        if let LockReply::CounterError(state) = &mut reply {
            state.receipt = self.signature(signed_answer(id, val, state, now));
        }
        reply
    }

    /// Answers an increment of anybody.
    pub fn increment(&mut self, now: Timestamp, request: &IncrementRequest) -> IncrementReply {
        self.increment_for(&Access::anyone(), now, request)
    }

    /// Answers an increment of a client with that access.
    pub fn increment_for(
        &mut self,
        access: &Access,
        now: Timestamp,
        request: &IncrementRequest,
    ) -> IncrementReply {
        if request.lock_id.as_ref().is_some_and(|id| id.len() > MAX_LOCK_ID) {
            return IncrementReply::Error(Reason::TooLarge);
        }
        self.counters.reclaim(now, &self.config);
        let (id, keep) = (&request.counter, self.config.keep());
        if !may_begin(access, id) && request.val.unwrap_or(0) == 0 && self.is_unused(id) {
            return IncrementReply::Error(Reason::Forbidden);
        }
        let counter = self.counters.get(id);
        let before = counter.map_or(0, Counter::next);
        let follows = counter.is_some_and(|counter| counter.is_followed_by(request));
        if let (Some(source), Some(val), true) = (&access.source, request.val, follows)
            && !self.turns.may_fill(now, id, source, val, self.config.lease)
        {
            return IncrementReply::Error(Reason::NotYourTurn);
        }
        let sha256 = |data: &[u8]| self.crypto.sha256(data);
        let known = self.counters.with(now, id, |counter| counter.increment(now, request, keep, sha256));
        let mut reply = known.unwrap_or_else(|| {
            let mut counter = Counter::new();
            let reply = counter.increment(now, request, keep, |data| self.crypto.sha256(data));
            match reply {
                IncrementReply::Ok(_) if !self.start(access, now, id, counter) => {
                    IncrementReply::Error(Reason::RateLimited)
                }
                reply => reply,
            }
        });
        self.counters.shed(&self.config);
        if self.counters.get(id).is_some_and(|counter| counter.next() > before) {
            let source = access.source.as_ref().filter(|_| request.pin.is_some());
            self.turns.on_filled(now, id, source, before, self.config.lease);
        }
        if let (Some(source), Some(val), IncrementReply::CounterError(_)) =
            (&access.source, request.val, &reply)
        {
            self.turns.on_lost(now, id, source, val, self.config.lease);
        }
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

    /// Answers an HTTP request of any client.
    ///
    /// `fresh_token` as in [`lock`](Self::lock); pass one with every request. Whatever the request
    /// is, the answer is a response: 404 for another path, 405 for another method.
    pub fn respond(&mut self, now: Timestamp, request: &HttpRequest, fresh_token: Bytes) -> HttpResponse {
        self.respond_if(now, request, fresh_token, |_, _| Ok(Access::anyone()))
    }

    /// Answers an HTTP request if `allow` does, which sees the call and the bearer token, and says what is known
    /// of who asks.
    ///
    /// A token is bound to a counter and a member, so `allow` compares
    /// [`Call::counter`]; what it refuses with is most often [`Reason::Unauthenticated`],
    /// [`Reason::Forbidden`] or [`Reason::RateLimited`]. Web pages were judged before, see [`WebPolicy`].
    pub fn respond_if(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
        fresh_token: Bytes,
        allow: impl FnOnce(&Call, Option<&str>) -> Result<Access, Reason>,
    ) -> HttpResponse {
        let inbound = match decode_request_from(request, &self.web) {
            Ok(inbound) => inbound,
            Err(error) => return encode_refusal(&error),
        };
        match (allow(&inbound.call, inbound.token), inbound.call) {
            (Err(reason), Call::Lock(_)) => encode_lock_reply(&LockReply::Error(reason)),
            (Err(reason), Call::Increment(_)) => encode_increment_reply(&IncrementReply::Error(reason)),
            (Err(reason), Call::Commit(_)) => encode_commit_reply(&CommitReply::Error(reason)),
            (Ok(_), Call::Commit(call)) => encode_commit_reply(&self.commit(&call)),
            (Ok(access), Call::Lock(call)) => {
                encode_lock_reply(&self.lock_for(&access, now, &call, fresh_token))
            }
            (Ok(access), Call::Increment(call)) => {
                encode_increment_reply(&self.increment_for(&access, now, &call))
            }
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

    /// Puts a counter in place at `now`, over what was there: for a restart from storage. Not bounded, and
    /// nobody's: sources count what they start from here on.
    ///
    /// Never with an older state than the one that was answered from: two members would fill one slot.
    pub fn insert(&mut self, now: Timestamp, id: &GroupName, counter: Counter) {
        self.turns.forget(id);
        self.counters.put(now, id, counter, None);
    }

    /// Drops the counter of a group that has ended, and gives it back.
    ///
    /// The draft leaves it to the service how it learns of that (section 7). To a client that still asks, the
    /// group has never existed: drop it only when no member is left.
    pub fn forget(&mut self, id: &GroupName) -> Option<Counter> {
        self.turns.forget(id);
        self.counters.remove(id)
    }

    fn is_unused(&self, id: &GroupName) -> bool {
        self.counters.get(id).is_none_or(|counter| counter.next() == 0)
    }

    /// Gives a new counter a place, if there is one.
    fn start(&mut self, access: &Access, now: Timestamp, id: &GroupName, counter: Counter) -> bool {
        let source = access.source.as_ref();
        let room = self.counters.make_room(now, source, &self.config);
        if room {
            self.counters.put(now, id, counter, source.cloned());
        }
        room
    }

    fn add_receipt(&self, id: &GroupName, val: Option<u64>, state: &mut CounterState) {
        state.receipt = self.signature(val.and_then(|val| signed_message(id, val, state)));
    }

    fn signature(&self, message: Option<Vec<u8>>) -> Option<Bytes> {
        self.crypto.sign(&message?).filter(|receipt| receipt.len() <= MAX_RECEIPT)
    }
}

/// Returns whether the client that asks may take slot 0. The name of a successor says itself who may: the
/// client that has its key.
fn may_begin(access: &Access, id: &GroupName) -> bool {
    access.may_create || id.founding_hash().is_some()
}
