//! Everything a participant tells the embedder.

use crate::counter::Reason;
use crate::engine::{Credential, GroupParams};
use crate::policy::Breach;
use crate::tracks::SenderId;

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
    /// The epoch that is in force now was made by a commit against the
    /// [`CommitPolicy`](crate::CommitPolicy). It was pinned, so everybody follows it.
    AgainstPolicy {
        /// The epoch.
        epoch: u64,
        /// Who committed it.
        committer: Option<SenderId>,
        /// What it is against.
        breach: Breach,
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
    /// A slot went to a pin whose lock the commit's keys do not make: nobody enters its epoch, and nobody but who
    /// made the lock up can fill the next slot. This participant stays where it is.
    DeadSlot {
        /// The epoch that nobody enters.
        epoch: u64,
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
    /// Faults of one kind come faster than anybody's mistake explains. For a while they are only counted, in
    /// [`Stats`](crate::Stats); told at most once in ten seconds for each kind.
    UnderAttack {
        /// What.
        fault: Fault,
        /// How many came in all.
        total: u64,
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
    /// So many senders were removed or refused that some are forgotten, and this may be one of them.
    /// [`Limits::remembered_senders`](crate::Limits::remembered_senders) says how many are remembered.
    MaybeBarred,
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
    /// It tells a pin whose receipt is missing or does not verify.
    BadReceipt,
    /// It says that our slot key does not open the lock of our own pin.
    WrongKey,
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
