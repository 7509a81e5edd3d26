//! Everything that can happen to a participant. The log of a run is a list of `(Timestamp, Event)`.

use std::time::Duration;

use bytes::Bytes;

use crate::counter::{CommitReply, IncrementReply, LockReply};
use crate::join_request::JoinRequest;
pub use crate::request::Failure;
use crate::request::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::time::Timestamp;
pub use crate::tracks::Object;
use crate::tracks::{GroupName, SenderId};

/// One thing that happened, for [`Participant::handle`](crate::Participant::handle).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Event {
    /// The embedder wants something.
    Command(Command),
    /// An object arrived on a subscribed track. Own objects come back too: the read-back of a commit depends
    /// on it.
    Object(Object),
    /// A subscription or namespace subscription was accepted, or not.
    SubscribeReply {
        /// Which.
        id: SubscribeId,
        /// `Err` makes the machine subscribe again later.
        reply: Result<(), Failure>,
    },
    /// A publish was handed to the relay, or not. `Ok` is not a read-back.
    PublishReply {
        /// Which.
        id: PublishId,
        /// How it ended.
        reply: Result<(), Failure>,
    },
    /// The answer to a fetch.
    FetchReply {
        /// Which.
        id: FetchId,
        /// The objects that the relay has, in any order; possibly none.
        reply: Result<Vec<Object>, Failure>,
    },
    /// The counter service's answer to a lock request.
    LockReply {
        /// Which.
        id: LockRequestId,
        /// How it ended.
        reply: Result<LockReply, Failure>,
    },
    /// The counter service's answer to an increment request.
    IncrementReply {
        /// Which.
        id: IncrementRequestId,
        /// How it ended.
        reply: Result<IncrementReply, Failure>,
    },
    /// The counter service's answer to a commit request.
    CommitReply {
        /// Which.
        id: CommitRequestId,
        /// How it ended.
        reply: Result<CommitReply, Failure>,
    },
    /// A peer's epoch authenticator, learned over the application's own channel: how a fork is
    /// detected in [`SafetyMode::Advisory`](crate::SafetyMode) and against a dishonest service.
    PeerAuthenticator {
        /// Who said so.
        peer: SenderId,
        /// In which epoch.
        epoch: u64,
        /// RFC 9420 section 8.7.
        authenticator: Bytes,
    },
    /// An object of `peer`'s was opened with the media keys of `epoch`: the two have not gone on without each other.
    /// [`EpochKeyRing::poll_sign`](crate::keys::EpochKeyRing::poll_sign) makes it, seldom enough.
    MediaOpened {
        /// Who sealed the object.
        peer: SenderId,
        /// The epoch of the keys that opened it.
        epoch: u64,
    },
    /// An object came whose key id is of no epoch here, and above all of them: perhaps the group went on.
    /// Anybody can make such objects up, so it is looked into once per [`Timers::hint`](crate::limits::Timers::hint).
    MediaAhead {
        /// The epoch that the key id names.
        epoch: u64,
    },
    /// What time the counter service says it is: the `Date` of its answer
    /// ([`http::decode_date`](crate::counter::http::decode_date)), to be given right before the reply that it came with.
    /// A participant that never hears it takes its own clock to be right.
    ///
    /// Lifetimes are then judged, and KeyPackages made, by the own clock corrected by this. Without TLS, an attacker
    /// before the service can state any time: expired KeyPackages are then taken, and good ones refused, or made such
    /// that others refuse them. It reveals no key and moves no epoch.
    ServiceTime(Timestamp),
    /// The counter service asks to be left alone for so long
    /// ([`http::decode_retry_after`](crate::counter::http::decode_retry_after)), to be given right before the reply that it
    /// came with. Until then nothing is asked of it, but never for longer than
    /// [`Timers::retry_later`](crate::Timers::retry_later) allows. (Where nothing is pinned, an increment goes out all the
    /// same: its lock would lapse.)
    RetryAfter(Duration),
    /// Time passed; [`Participant::poll_timeout`](crate::Participant::poll_timeout) says when to
    /// send it. An early or needless one does nothing.
    Timer,
}

/// A request of the embedder. Intents survive lost races: they are carried into the next epoch until done or
/// refused by a notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Command {
    /// Take part: create the group or join it.
    Join,
    /// Admit who asks to be let in, also one that was barred or refused. What
    /// [`Notice::JoinRequested`](crate::Notice::JoinRequested) reported is what is admitted: the key with that
    /// credential.
    Admit {
        /// Who.
        request: JoinRequest,
        /// Remove this member in the commit that lets it in: another device of the same person. If another
        /// member's commit lets it in, the next one removes that member. It is removed once: a client that comes
        /// back later takes nobody's place.
        replacing: Option<SenderId>,
    },
    /// Drop a sender's KeyPackage and take no other from it.
    Refuse(SenderId),
    /// Add a client by a KeyPackage that did not come over the KeyPackage track.
    Add(Bytes),
    /// Remove a member, and bar it until admitted again.
    Remove(SenderId),
    /// A member is gone (its connection ended): remove it, but let it come back.
    Gone(SenderId),
    /// Commit fresh entropy.
    Update,
    /// Go over to a successor after [`Notice::SuccessorOffered`](crate::Notice::SuccessorOffered). For any other it does
    /// nothing.
    Follow(GroupName),
    /// Ask to be removed, and stop once that has happened.
    Leave,
}

impl From<Command> for Event {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}
