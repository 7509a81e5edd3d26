//! Everything that can happen to a participant, one kind each.

use bytes::Bytes;

use crate::codes::{Failure, Reason, RequestKind};
use crate::values::{CounterState, Credential, Object};

mod carry;

/// One thing that happened. `id` is always that of the action it answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The embedder asks to take part: create the group or join it.
    Join,
    /// The embedder admits who asked to be let in.
    Admit {
        /// The fingerprint of its signature key.
        sender: Bytes,
        /// The credential that it showed.
        credential: Credential,
        /// The KeyPackageRef (RFC 9420 section 5.2) that the notice named; `None` for a client that has not asked yet.
        key_package_ref: Option<Bytes>,
        /// A member that goes in the same commit: another device of the same person.
        replacing: Option<Bytes>,
    },
    /// The embedder drops a sender's KeyPackage and takes no other from it.
    Refuse {
        /// The sender.
        sender: Bytes,
    },
    /// The embedder adds a client by a KeyPackage that did not come over the KeyPackage track.
    Add {
        /// The KeyPackage, an MLSMessage.
        key_package: Bytes,
    },
    /// The embedder removes a member, and bars it until admitted again.
    Remove {
        /// The member.
        sender: Bytes,
    },
    /// A member's connection ended: remove it, but let it come back.
    Gone {
        /// The member.
        sender: Bytes,
    },
    /// The embedder asks for a commit with fresh entropy.
    Update,
    /// The embedder goes over to a successor that was offered.
    Follow {
        /// Its group name.
        group: Bytes,
    },
    /// The embedder asks to be removed.
    Leave,
    /// An object arrived on a subscribed track; own objects come back too.
    Object(Object),
    /// A subscription, of a track or of a namespace, was accepted.
    Subscribed {
        /// The id of the action.
        id: u64,
    },
    /// An object was handed to the relay.
    Published {
        /// The id of the action.
        id: u64,
    },
    /// The relay answered a fetch.
    Fetched {
        /// The id of the action.
        id: u64,
        /// The objects that it has, in any order; possibly none.
        objects: Vec<Object>,
    },
    /// The counter service gave the lock.
    LockGranted {
        /// The id of the action.
        id: u64,
        /// The lock's token, if the service hands out any.
        lock_id: Option<Bytes>,
        /// The lease, milliseconds; 0 if the service does not say.
        expires_in_ms: u64,
    },
    /// Another client holds the lock.
    LockConflict {
        /// The id of the action.
        id: u64,
        /// When to ask again, milliseconds; 0 if the service does not say.
        retry_later_ms: u64,
    },
    /// The value asked for in a lock request is not the next one.
    LockCounterError {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
    },
    /// The counter service refused a lock request.
    LockRefused {
        /// The id of the action.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// The slot is filled by this increment.
    Incremented {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
    },
    /// The slot of an increment is not the next one, or its `prev` is not the pin before.
    IncrementCounterError {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
    },
    /// The key of an increment does not open the slot lock.
    IncrementWrongKey {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
    },
    /// The counter service refused an increment.
    IncrementRefused {
        /// The id of the action.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// The counter service has the commit of a slot.
    CommitFound {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
        /// The payload of the Commit object; empty for slot 0.
        commit: Bytes,
    },
    /// The counter service has no commit of a slot.
    CommitCounterError {
        /// The id of the action.
        id: u64,
        /// Where the counter stands.
        state: CounterState,
    },
    /// The counter service refused to say.
    CommitRefused {
        /// The id of the action.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// A request of any kind ended without an answer.
    Failed {
        /// What kind of action it answers.
        request: RequestKind,
        /// The id of the action.
        id: u64,
        /// How it ended.
        failure: Failure,
        /// The peer's code if it refused, else 0.
        code: u64,
    },
    /// A peer's epoch authenticator came over the application's own channel.
    PeerAuthenticator {
        /// The peer.
        peer: Bytes,
        /// The epoch.
        epoch: u64,
        /// RFC 9420 section 8.7.
        authenticator: Bytes,
    },
    /// An object of a peer was opened with the media keys of an epoch.
    MediaOpened {
        /// The peer.
        peer: Bytes,
        /// The epoch.
        epoch: u64,
    },
    /// An object came whose Key ID is above all epochs here.
    MediaAhead {
        /// The epoch that it names.
        epoch: u64,
    },
    /// The time at the counter service.
    ServiceTime {
        /// Milliseconds since the Unix epoch.
        time_ms: u64,
    },
    /// The counter service asks to be left alone.
    RetryAfter {
        /// For how long, milliseconds.
        wait_ms: u64,
    },
    /// Time passed.
    Timer,
}
