//! Everything a participant can ask of its runtime, and everything it tells the embedder.

use std::ops::RangeInclusive;

use crate::counter::{IncrementRequest, LockRequest, Reason};
use crate::engine::{Credential, GroupParams};
use crate::event::Object;
use crate::snapshot::Snapshot;
use crate::tracks::{FullTrackName, SenderId, TrackNamespace};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        pub struct $name(pub u64);
    )+};
}
ids! {
    /// Names a [`Action::Lock`].
    LockRequestId,
    /// Names an [`Action::Increment`].
    IncrementRequestId,
    /// Names an [`Action::Publish`].
    PublishId,
    /// Names an [`Action::Subscribe`] or [`Action::SubscribeNamespace`].
    SubscribeId,
    /// Names an [`Action::Fetch`].
    FetchId,
}

/// One thing to do. Do them strictly in order.
///
/// Every action with an id is answered by exactly one event with that id: the reply, or
/// [`Failure::NotSent`](crate::Failure::NotSent), or [`Failure::Unknown`](crate::Failure::Unknown).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "an action that is not done stalls the group"]
#[non_exhaustive]
pub enum Action {
    /// Make these bytes durable before the next action runs. If that fails, drop the participant
    /// and restore the last durable snapshot.
    Persist(Snapshot),
    /// Say that tracks under this namespace will be published from here.
    Announce {
        /// The namespace.
        namespace: TrackNamespace,
    },
    /// Subscribe to every track under a namespace, present and future.
    SubscribeNamespace {
        /// Names this subscription.
        id: SubscribeId,
        /// The namespace.
        namespace: TrackNamespace,
    },
    /// Subscribe to one track, from the oldest object the relay has.
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
    /// Read what the relay still has of a track.
    Fetch {
        /// Names this request.
        id: FetchId,
        /// The track; under the per-sender policy, any track of the commit namespace is meant.
        track: FullTrackName,
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
    /// Tell the embedder.
    Notify(Notice),
}

/// News for the embedder. A peer's fault is news too, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// This participant is a member now.
    Joined {
        /// The epoch it joined at; 0 if it created the group.
        epoch: u64,
    },
    /// A new epoch is in force; pull its keys.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// Who committed it; `None` for one's own join or creation.
        committer: Option<SenderId>,
    },
    /// A member came in.
    MemberJoined {
        /// Who.
        sender: SenderId,
        /// Its leaf.
        leaf: u32,
        /// Its credential.
        credential: Credential,
    },
    /// A member is out: it left or was removed.
    MemberLeft {
        /// Who.
        sender: SenderId,
    },
    /// A member came back in the same commit that took its stale leaf, or another device of the
    /// same identity took its place.
    MemberReplaced {
        /// Who is out.
        old: SenderId,
        /// Who is in; equal to `old` for a rejoin.
        new: SenderId,
    },
    /// A KeyPackage waits for [`Command::Admit`](crate::Command::Admit) or
    /// [`Command::Refuse`](crate::Command::Refuse).
    JoinRequested {
        /// Who.
        sender: SenderId,
        /// Its credential.
        credential: Credential,
        /// Why it was held back.
        hold: Hold,
    },
    /// A member's credential is no longer valid, by the embedder's identity provider.
    CredentialExpired {
        /// Whose.
        sender: SenderId,
    },
    /// This participant was removed and can read nothing further.
    Removed {
        /// The epoch that it is no longer in.
        epoch: u64,
    },
    /// This participant asked to leave and is out.
    Left,
    /// Nobody took up the leave request in time; the participant has stopped all the same.
    LeaveUnheard,
    /// The join is taking longer than its deadline; it goes on.
    JoinStalled {
        /// The counter's value, if known: above 0 with nobody answering, the group may be dead, and
        /// a new generation the way out ([`GroupName::generation`](crate::tracks::GroupName::generation)).
        counter: Option<u64>,
    },
    /// A Welcome came without its ratchet tree, and the relay does not have the tree. It is asked again.
    TreeMissing {
        /// The epoch of both.
        epoch: u64,
    },
    /// This participant could not follow the group and joins afresh.
    Rejoining(RejoinReason),
    /// Two members hold different states of one epoch.
    ForkDetected {
        /// The epoch.
        epoch: u64,
        /// The peer that differs.
        peer: SenderId,
    },
    /// A decided commit that cannot be processed.
    FaultyCommit {
        /// The epoch it was sent in.
        epoch: u64,
        /// SHA-256 of the commit.
        commit_hash: [u8; 32],
    },
    /// The service can not be worked with; nothing is committed until it recovers.
    ServiceFault(ServiceFault),
    /// The group runs with other parameters than this participant was configured with.
    ParamsMismatch {
        /// What the group has; `None`: it was created without parameters.
        group: Option<GroupParams>,
    },
    /// A wish came to nothing.
    Refused {
        /// Whom it was about.
        sender: SenderId,
        /// Why.
        why: Refusal,
    },
    /// A peer or a relay sent something wrong. It was dropped and counted in
    /// [`Stats`](crate::Stats).
    PeerFault {
        /// Who, as far as the track tells.
        from: Option<SenderId>,
        /// What.
        fault: Fault,
    },
}

/// Why a KeyPackage waits for the embedder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// [`Admission::Ask`](crate::Admission::Ask) is set.
    Policy,
    /// The sender was removed before.
    Barred,
    /// Another member has the same identity under another key.
    SameIdentity {
        /// That member.
        member: SenderId,
    },
}

/// Why a participant joins afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RejoinReason {
    /// A decided commit could not be found.
    Unreachable,
    /// A decided commit could not be processed.
    FaultyCommit,
    /// The service forgot the pins of our epoch.
    PinForgotten,
    /// A fork was detected.
    Fork,
    /// A member took a KeyPackage of ours for a wish to come back and replaced our leaf.
    Replaced,
}

/// What is wrong with the counter service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServiceFault {
    /// Its counter is below the group's epoch: it lost its state.
    Regressed {
        /// Its counter.
        current: u64,
    },
    /// Its counter is absurdly far ahead.
    Absurd {
        /// Its counter.
        current: u64,
    },
    /// It holds another lineage: the pin before ours differs.
    LineageMismatch,
    /// It does not record pins, which [`SafetyMode::Pinned`](crate::SafetyMode) needs.
    NoPins,
    /// It hands out locks without tokens, which [`SafetyMode::Fenced`](crate::SafetyMode) needs.
    NoTokens,
    /// It says that no group exists, but there are commits on the relay.
    LostGroup,
    /// It refuses requests.
    Refused(Reason),
}

/// Why a wish came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody of that name is in the group.
    NotAMember,
    /// The embedder refused it, or nobody admitted it.
    NotAdmitted,
    /// The KeyPackage cannot be committed.
    BadKeyPackage,
    /// The group or the waiting room is full.
    Full,
}

/// What was wrong with something that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// On a track that is none of this group's.
    ForeignTrack,
    /// At a place where no such object may lie.
    BadLocation,
    /// Over a size limit.
    TooLarge,
    /// Not an MLS message, or not of the kind the track is for.
    NotMls,
    /// A KeyPackage, Welcome or Commit that does not verify.
    Invalid,
    /// The KeyPackage's key is not the one its track is named after.
    WrongSender,
    /// A Welcome that no key of ours opens.
    NotForMe,
    /// Of another group.
    WrongGroup,
    /// Of another epoch than its place says, or of one that is over.
    WrongEpoch,
    /// Over a count limit.
    TooMany,
    /// A Welcome whose epoch was decided otherwise.
    NotPinned,
    /// A receipt that does not verify.
    BadReceipt,
    /// What lies where a Welcome says that its ratchet tree lies is not that tree.
    WrongTree,
    /// A reply to a request that was never made, or was answered before.
    UnknownReply,
}

/// Why the machine set its next deadline: for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// Ask for the lock.
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
    /// Join afresh.
    Rejoin,
    /// Give up a leave.
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
}
