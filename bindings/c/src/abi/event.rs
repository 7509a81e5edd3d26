//! Events.

use super::{Bytes, CounterState, Credential, Object};

/// What happened. A kind says which member of the body it has; the others have none.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The embedder asks to take part: create the group or join it.
    Join = 1,
    /// The embedder admits who asked to be let in: `admit`.
    Admit = 2,
    /// The embedder drops a sender's KeyPackage and takes no other from it: `sender`.
    Refuse = 3,
    /// The embedder adds a client by a KeyPackage from elsewhere: `key_package`.
    Add = 4,
    /// The embedder removes a member, and bars it until admitted again: `sender`.
    Remove = 5,
    /// A member's connection ended. Remove it, but let it come back: `sender`.
    Gone = 6,
    /// The embedder asks for a commit with fresh entropy.
    Update = 7,
    /// The embedder goes over to a successor that was offered: `group`.
    Follow = 8,
    /// The embedder asks to be removed.
    Leave = 9,
    /// An object arrived on a subscribed track; own objects come back too: `object`.
    Object = 10,
    /// A subscription, of a track or of a namespace, was accepted.
    Subscribed = 11,
    /// An object was handed to the relay.
    Published = 12,
    /// The relay answered a fetch: `objects`.
    Fetched = 13,
    /// The counter service gave the lock: `lock`.
    LockGranted = 14,
    /// Another client holds the lock: `retry_later_ms`.
    LockConflict = 15,
    /// The value asked for in a lock request is not the next one: `state`.
    LockCounterError = 16,
    /// The counter service refused a lock request: `reason`.
    LockRefused = 17,
    /// The slot is filled by this increment: `state`.
    Incremented = 18,
    /// The slot of an increment is not the next one, or its `prev` is not the pin before: `state`.
    IncrementCounterError = 19,
    /// The key of an increment does not open the slot lock: `state`.
    IncrementWrongKey = 20,
    /// The counter service refused an increment: `reason`.
    IncrementRefused = 21,
    /// The counter service has the commit of a slot: `commit`.
    CommitFound = 22,
    /// The counter service has no commit of a slot: `state`.
    CommitCounterError = 23,
    /// The counter service refused to say: `reason`.
    CommitRefused = 24,
    /// A request of any kind ended without an answer: `failed`.
    Failed = 25,
    /// A peer's epoch authenticator came over the application's own channel: `authenticator`.
    PeerAuthenticator = 26,
    /// An object of a peer was opened with the media keys of an epoch: `peer`. `open` does that by itself.
    MediaOpened = 27,
    /// An object came whose Key ID is above all epochs here: `epoch`. `open` does that by itself.
    MediaAhead = 28,
    /// The time at the counter service, before the answer that it came with: `time_ms`.
    ServiceTime = 29,
    /// The counter service asks to be left alone, before the answer that it came with: `wait_ms`.
    RetryAfter = 30,
    /// Time passed.
    Timer = 31,
}

kinds!(EventKind {
    Join,
    Admit,
    Refuse,
    Add,
    Remove,
    Gone,
    Update,
    Follow,
    Leave,
    Object,
    Subscribed,
    Published,
    Fetched,
    LockGranted,
    LockConflict,
    LockCounterError,
    LockRefused,
    Incremented,
    IncrementCounterError,
    IncrementWrongKey,
    IncrementRefused,
    CommitFound,
    CommitCounterError,
    CommitRefused,
    Failed,
    PeerAuthenticator,
    MediaOpened,
    MediaAhead,
    ServiceTime,
    RetryAfter,
    Timer
});

/// Whom to admit: what `join_requested` brought, unchanged.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Admit {
    /// Its SenderId.
    pub sender: Bytes,
    /// Its credential.
    pub credential: Credential,
    /// Its KeyPackageRef; absent for a client that has not asked yet.
    pub key_package_ref: Bytes,
    /// The SenderId of a member that goes in the same commit; may be absent.
    pub replacing: Bytes,
}

/// Objects.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Objects {
    /// The first.
    pub data: *const Object,
    /// How many there are.
    pub len: usize,
}

/// A lock.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LockGranted {
    /// Its token; absent if the service hands out none.
    pub lock_id: Bytes,
    /// The lease, milliseconds; 0 if the service does not say.
    pub expires_in_ms: u64,
}

/// The commit of a slot.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CommitFound {
    /// Where the counter stands.
    pub state: CounterState,
    /// The payload of the Commit object; empty for slot 0.
    pub commit: Bytes,
}

/// How a request ended without an answer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What kind it is, a `RequestKind`: `request` of the action.
    pub request: u32,
    /// A `Failure`.
    pub failure: u32,
    /// The peer's code if it refused, else 0.
    pub code: u64,
}

/// A peer's epoch authenticator.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PeerAuthenticator {
    /// The peer's SenderId.
    pub peer: Bytes,
    /// The epoch.
    pub epoch: u64,
    /// RFC 9420 section 8.7.
    pub authenticator: Bytes,
}

/// A peer at an epoch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PeerEpoch {
    /// The peer's SenderId.
    pub peer: Bytes,
    /// The epoch.
    pub epoch: u64,
}

/// What an event of its kind has.
#[repr(C)]
#[derive(Clone, Copy)]
pub union EventBody {
    /// Whom to admit.
    pub admit: Admit,
    /// A SenderId.
    pub sender: Bytes,
    /// A KeyPackage, an MLSMessage.
    pub key_package: Bytes,
    /// A group name.
    pub group: Bytes,
    /// An object.
    pub object: Object,
    /// Objects, in any order.
    pub objects: Objects,
    /// A lock.
    pub lock: LockGranted,
    /// When to ask again, milliseconds; 0 if the service does not say.
    pub retry_later_ms: u64,
    /// Where the counter stands.
    pub state: CounterState,
    /// Why the counter service refused, a `Reason`.
    pub reason: u32,
    /// The commit of a slot.
    pub commit: CommitFound,
    /// How a request ended.
    pub failed: Failed,
    /// A peer's epoch authenticator.
    pub authenticator: PeerAuthenticator,
    /// A peer at an epoch.
    pub peer: PeerEpoch,
    /// An epoch.
    pub epoch: u64,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Milliseconds.
    pub wait_ms: u64,
}

/// One thing that happened. Set `size` to `sizeof` of this struct.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    /// The size of this struct as the caller knows it, bytes.
    pub size: u32,
    /// What happened, an `EventKind`.
    pub kind: u32,
    /// The id of the action that this answers; not looked at in events that answer none.
    pub id: u64,
    /// What an event of its kind has.
    pub body: EventBody,
}
