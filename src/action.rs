//! Everything a participant can ask of its runtime. What it tells the embedder is a [`Notice`].

use std::ops::RangeInclusive;

use crate::counter::{CommitRequest, IncrementRequest, LockRequest};
use crate::notice::Notice;
pub use crate::request::{
    CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId,
};
use crate::snapshot::Snapshot;
use crate::tracks::{FullTrackName, Object, TrackNamespace};

/// One thing to do. Do them strictly in order.
///
/// Every action with an id is answered by exactly one event with that id: the reply, or
/// [`Failure::NotSent`](crate::Failure::NotSent), [`Failure::Unknown`](crate::Failure::Unknown), or
/// [`Failure::Refused`](crate::Failure::Refused).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "an action that is not done stalls the group"]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Action {
    /// Make these bytes durable before the next action runs. If that fails, drop the participant
    /// and restore the last durable snapshot.
    Persist(Snapshot),
    /// Say that tracks under this namespace will be published from here.
    Announce {
        /// The namespace.
        namespace: TrackNamespace,
    },
    /// Subscribe to every track under a namespace, present and future. Own objects need not come.
    SubscribeNamespace {
        /// Names this subscription.
        id: SubscribeId,
        /// The namespace.
        namespace: TrackNamespace,
    },
    /// Subscribe to one track, from the oldest object the relay has. Own objects must come, too. A relay session that
    /// does not echo needs a second one that only subscribes; without, [`Notice::NotReadBack`] may come.
    Subscribe {
        /// Names this subscription.
        id: SubscribeId,
        /// The track.
        track: FullTrackName,
    },
    /// End a subscription.
    Unsubscribe {
        /// Which.
        id: SubscribeId,
    },
    /// Read what the relay still has.
    Fetch {
        /// Names this request.
        id: FetchId,
        /// Of what.
        target: FetchTarget,
        /// The MOQT groups wanted.
        groups: RangeInclusive<u64>,
    },
    /// Publish an object.
    Publish {
        /// Names this request.
        id: PublishId,
        /// The object.
        object: Object,
    },
    /// Ask the counter service for a lock.
    Lock {
        /// Names this request.
        id: LockRequestId,
        /// The request.
        request: LockRequest,
    },
    /// Ask the counter service to fill a slot.
    Increment {
        /// Names this request.
        id: IncrementRequestId,
        /// The request.
        request: IncrementRequest,
    },
    /// Ask the counter service which commit filled a slot.
    GetCommit {
        /// Names this request.
        id: CommitRequestId,
        /// The request.
        request: CommitRequest,
    },
    /// Tell the embedder.
    Notify(Notice),
}

/// What a fetch reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchTarget {
    /// One track.
    Track(FullTrackName),
    /// Every track under a namespace: commits, where each member has a Commit track of its own.
    Namespace(TrackNamespace),
}

impl FetchTarget {
    /// Returns the namespace of all that is read.
    pub fn namespace(&self) -> &TrackNamespace {
        match self {
            Self::Track(track) => &track.namespace,
            Self::Namespace(namespace) => namespace,
        }
    }

    /// Says whether objects of `track` are read.
    pub fn covers(&self, track: &FullTrackName) -> bool {
        match self {
            Self::Track(one) => one == track,
            Self::Namespace(namespace) => track.namespace == *namespace,
        }
    }
}

/// Why the machine set its next deadline: for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Timer {
    /// Commit what there is to commit, or ask for the lock first.
    Turn,
    /// Repeat a request.
    Request,
    /// Ask about a held commit or Welcome.
    Confirm,
    /// Publish again what was not read back.
    ReadBack,
    /// Look for a missing commit.
    Fetch,
    /// Publish a fresh KeyPackage.
    JoinRetry,
    /// Tell the embedder that the join stalls.
    JoinDeadline,
    /// Join again.
    Rejoin,
    /// Publish a leave request again, or give it up.
    Leave,
    /// Subscribe again.
    Subscribe,
    /// Publish again what may not have been sent.
    Publish,
    /// Check credentials.
    Credentials,
    /// Ask the counter whether the group went on unheard.
    Audit,
    /// Fetch a ratchet tree again.
    Tree,
    /// Look into signs that the group went on.
    Hint,
    /// Erase the state of an epoch that could not be gone on from.
    Erase,
    /// Go on with the way to a successor.
    Recover,
    /// Ask the service what it asked not to be asked until now.
    Service,
    /// Erase the secret of an epoch that was passed.
    EpochSecrets,
}
