//! The epoch counter service (draft section 7): what is asked and what is answered.
//!
//! [`http`] turns these into HTTP bytes and back, without IO; [`service`] is the service itself as
//! a pure state machine. Fields that the draft does not have (of requests `lock_id`, `val`, `prev`, `pin`, `key` and the commit; of answers
//! `pin`, `pin_forgotten`, `receipt` and the commit) are this crate's extension; all are optional, so a client or a service that speaks
//! only the draft's text still works, in [`SafetyMode::Advisory`](crate::SafetyMode).

pub mod http;
mod json;
pub mod service;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::time::Timestamp;
use crate::tracks::GroupName;

/// Longest lock token accepted, bytes.
pub const MAX_LOCK_ID: usize = 64;
/// Longest receipt accepted, bytes.
pub const MAX_RECEIPT: usize = 256;

/// Length of a slot key, bytes: what opens a slot lock.
pub const SLOT_KEY_LEN: usize = 32;

/// The winner of a slot, recorded once by the service: 96 bytes, `commit hash | context hash | slot lock`.
///
/// - The commit hash is SHA-256 of the Commit object's payload; for slot 0 it is zero, for creation has no commit.
/// - The context hash is SHA-256 of the TLS-serialized GroupContext of the epoch that the commit makes.
/// - The slot lock is SHA-256 of [`slot_lock_message`]: it follows from a secret of that epoch, so it confirms
///   the epoch's keys. Only who has them can open it and fill the next slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Pin([u8; Self::LEN]);

impl Pin {
    /// Length, bytes.
    pub const LEN: usize = 96;

    /// Makes a pin of its parts, 32 bytes each.
    pub fn new(commit_hash: [u8; 32], context_hash: [u8; 32], slot_lock: [u8; 32]) -> Self {
        let mut pin = [0; Self::LEN];
        for (part, bytes) in pin.chunks_exact_mut(32).zip([commit_hash, context_hash, slot_lock]) {
            part.copy_from_slice(&bytes);
        }
        Self(pin)
    }

    /// Makes the pin of slot 0: no commit, the GroupContext and the slot lock of epoch 0.
    pub fn genesis(context_hash: [u8; 32], slot_lock: [u8; 32]) -> Self {
        Self::new([0; 32], context_hash, slot_lock)
    }

    /// Reads a pin from [`Self::LEN`] bytes; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns all [`Self::LEN`] bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Returns SHA-256 of the commit object's payload.
    pub fn commit_hash(&self) -> &[u8] {
        self.0.split_at(32).0
    }

    /// Returns SHA-256 of the new epoch's GroupContext.
    pub fn context_hash(&self) -> &[u8] {
        self.0.split_at(64).0.split_at(32).1
    }

    /// Returns the lock of the next slot.
    pub fn slot_lock(&self) -> &[u8] {
        self.0.split_at(64).1
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl fmt::Display for Pin {
    /// The first four bytes of each part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |part: &[u8]| hex::encode(part.iter().take(4).copied().collect::<Vec<_>>());
        let (commit, context, lock) = (self.commit_hash(), self.context_hash(), self.slot_lock());
        write!(f, "{}:{}:{}", short(commit), short(context), short(lock))
    }
}

/// `GET /lock/<counter>?val=<val>` (draft section 7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LockRequest {
    /// The counter's id: the group name.
    pub counter: GroupName,
    /// The value the caller expects to set next: 0 to create the group, epoch + 1 to commit.
    /// Asking for a value already used changes nothing and reads its pin.
    pub val: u64,
}

/// `POST /increment/<counter>` (draft section 7.2). A draft client sends the counter only. `Debug` shows neither the
/// key nor the commit.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IncrementRequest {
    /// The counter's id: the group name.
    pub counter: GroupName,
    /// The slot to fill.
    pub val: Option<u64>,
    /// The token that the lock's Ok gave.
    pub lock_id: Option<Bytes>,
    /// The pin of slot `val - 1`; none for slot 0.
    pub prev: Option<Pin>,
    /// The pin to record for slot `val`.
    pub pin: Option<Pin>,
    /// What opens the lock in `prev`: the slot key of epoch `val - 1`, [`SLOT_KEY_LEN`] bytes. None for slot 0,
    /// but of a successor: there it is the key that the group's name is a hash of.
    pub key: Option<Bytes>,
    /// The payload of the Commit object that the pin names, for the service to keep. None for slot 0.
    pub commit: Option<Bytes>,
}

impl IncrementRequest {
    /// Makes the increment of a client that knows only the draft: the counter and no more.
    pub fn draft(counter: GroupName) -> Self {
        Self { counter, val: None, lock_id: None, prev: None, pin: None, key: None, commit: None }
    }
}

impl fmt::Debug for IncrementRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, val, lock_id, prev, pin, key, commit } = self;
        let mut shown = f.debug_struct("IncrementRequest");
        shown.field("counter", counter).field("val", val).field("lock_id", lock_id);
        shown.field("prev", prev).field("pin", pin);
        shown.field("key", &key.as_ref().map(|_| format_args!("<redacted>")));
        shown.field("commit", &commit.as_ref().map(Bytes::len)).finish()
    }
}

/// `GET /commit/<counter>?val=<val>` (ours): which commit filled a slot? It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitRequest {
    /// The counter's id: the group name.
    pub counter: GroupName,
    /// The slot.
    pub val: u64,
}

/// Where the counter stands, sent instead of Ok when the asked value is not the next one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct CounterState {
    /// The next value the service will hand out: slots below it are used.
    pub current: u64,
    /// The pin of the asked slot, when it is used and was pinned.
    pub pin: Option<Pin>,
    /// The service's signature over that pin ([`receipt_message`]), or over the state itself where it was asked for
    /// ([`state_message`]).
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::optional_bytes))]
    pub receipt: Option<Bytes>,
    /// The asked slot was pinned, and so long ago that the pin is gone.
    pub pin_forgotten: bool,
}

/// The answer to a [`LockRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum LockReply {
    /// The caller holds the lock.
    Ok {
        /// Names this lock in the increment; absent from a service that speaks the draft only.
        #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::optional_bytes))]
        lock_id: Option<Bytes>,
        /// The lease: the lock is gone after this. Zero when the service does not say, as a service
        /// that speaks the draft only cannot.
        expires_in: Duration,
    },
    /// Another caller holds the lock (the draft's "Conflict", also "Locked").
    Conflict {
        /// When to ask again. Zero when the service does not say.
        retry_later: Duration,
    },
    /// The asked value is not the next one.
    CounterError(CounterState),
    /// Refused for a reason that has nothing to do with the value.
    Error(Reason),
}

/// The answer to an [`IncrementRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum IncrementReply {
    /// The slot is filled, now or by an earlier copy of this very request. `current` is then at
    /// least 1; it is 0 when the service does not say, as one that speaks the draft only cannot.
    Ok(CounterState),
    /// The asked slot is not the next one, or `prev` is not the pin of the slot before.
    CounterError(CounterState),
    /// The asked slot is the next one and `prev` is right, but the key does not open its lock. The state has
    /// the pin of the slot before, and its receipt.
    WrongKey(CounterState),
    /// Refused for a reason that has nothing to do with the value.
    Error(Reason),
}

/// The answer to a [`CommitRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum CommitReply {
    /// The slot is filled, and the service still has the commit. The state has the slot's pin.
    Found {
        /// Where the counter stands.
        state: CounterState,
        /// The payload of the Commit object; empty for slot 0, which has none.
        #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
        commit: Bytes,
    },
    /// The slot is not filled, or is and its commit is not kept (any more). The state has what is known of it.
    CounterError(CounterState),
    /// Refused for a reason that has nothing to do with the value.
    Error(Reason),
}

/// Why a request was refused: a closed set on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Reason {
    /// An increment without a live lock.
    NotLocked,
    /// An increment without a pin on a counter whose slots are pinned.
    PinRequired,
    /// An increment with a pin on a counter whose first slot was not pinned.
    UnpinnedId,
    /// The request does not parse.
    Malformed,
    /// An id or a body over the service's limits.
    TooLarge,
    /// No token.
    Unauthenticated,
    /// A token that does not allow this, or a web page that is not known.
    Forbidden,
    /// Too many requests.
    RateLimited,
    /// The counter cannot go higher.
    Overflow,
    /// A pinned increment without the commit that its pin names.
    CommitRequired,
    /// Who filled the slot before may not fill the next yet, for another has asked for it. Within a lease it may.
    NotYourTurn,
}

/// Returns what a slot lock is the SHA-256 of: `"moq-mls slot v2" | u16 length of id | id | u64 epoch | slot key`,
/// integers big-endian.
///
/// The slot key of an epoch is MLS-Exporter("moq-mls slot key", "", 32) of it (RFC 9420 section 8.5).
pub fn slot_lock_message(counter: &GroupName, epoch: u64, slot_key: &[u8]) -> Vec<u8> {
    bound_to(b"moq-mls slot v2", counter, epoch, slot_key)
}

/// Returns what a receipt signs: `"moq-mls receipt v2" | u16 length of id | id | u64 val | pin`, integers big-endian.
pub fn receipt_message(counter: &GroupName, val: u64, pin: &Pin) -> Vec<u8> {
    bound_to(b"moq-mls receipt v2", counter, val, pin.as_bytes())
}

/// Who asks for the lock of such a value asks for the counter's state, signed: no counter gets there, and the value is one
/// that nobody can foresee, so that no older answer fits.
pub const FIRST_NONCE: u64 = 1 << 63;

/// Returns what the receipt of a state signs:
/// `"moq-mls state v2" | u16 length of id | id | u64 val | u64 current | pin of the newest slot, if there is one`,
/// integers big-endian. `val` is what was asked for, at least [`FIRST_NONCE`].
pub fn state_message(counter: &GroupName, val: u64, current: u64, newest: Option<&Pin>) -> Vec<u8> {
    let pin = newest.map_or(&[][..], |pin| &pin.as_bytes()[..]);
    bound_to(b"moq-mls state v2", counter, val, &[&current.to_be_bytes(), pin].concat())
}

/// Values from here on carry the time at which they were asked for: `3 << 62 | milliseconds since 1970 << 20`, with 20
/// random bits. The service signs the state for none that is off its own clock by more than [`DATE_SLACK`]. So one
/// member's question tells all members how fresh the answer is.
pub const FIRST_DATED: u64 = 3 << 62;

/// How far a [dated](FIRST_DATED) value may be off the service's clock.
pub const DATE_SLACK: Duration = Duration::from_secs(5);

const DATE_SHIFT: u32 = 20;

/// Returns a value that carries the present time, with the low 20 bits of `random`.
pub fn dated(now: Timestamp, random: u64) -> u64 {
    FIRST_DATED | (now.as_millis() << DATE_SHIFT) | (random & ((1 << DATE_SHIFT) - 1))
}

/// Returns the time that a value carries.
pub fn date_of(val: u64) -> Option<Timestamp> {
    (val >= FIRST_DATED).then(|| Timestamp::from_millis((val & !FIRST_DATED) >> DATE_SHIFT))
}

/// Returns what a service signs of what it says about slot `val`: the pin, if there is one.
pub fn signed_message(counter: &GroupName, val: u64, state: &CounterState) -> Option<Vec<u8>> {
    let pin = state.pin.as_ref().filter(|_| val < FIRST_NONCE)?;
    Some(receipt_message(counter, val, pin))
}

/// Returns what a service signs of its answer to a lock request: as [`signed_message`], or from [`FIRST_NONCE`] on the
/// state itself, at a time that the value does not contradict.
pub fn signed_answer(counter: &GroupName, val: u64, state: &CounterState, now: Timestamp) -> Option<Vec<u8>> {
    if val < FIRST_NONCE {
        return signed_message(counter, val, state);
    }
    let is_now = date_of(val).is_none_or(|at| at.since(now).max(now.since(at)) <= DATE_SLACK);
    is_now.then(|| state_message(counter, val, state.current, state.pin.as_ref()))
}

/// `label | u16 length of id | id | u64 val | content`.
fn bound_to(label: &[u8], counter: &GroupName, val: u64, content: &[u8]) -> Vec<u8> {
    let id = counter.as_bytes();
    let mut message = label.to_vec();
    // A group name is at most 255 bytes.
    message.extend_from_slice(&(id.len() as u16).to_be_bytes());
    message.extend_from_slice(id);
    message.extend_from_slice(&val.to_be_bytes());
    message.extend_from_slice(content);
    message
}
