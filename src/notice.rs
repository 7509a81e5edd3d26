//! Everything a participant tells the embedder.

mod recovering;
mod waiting;
mod words;

use std::time::Duration;

pub use self::recovering::{Recovery, RejoinReason};
pub use self::waiting::WaitsFor;
use crate::counter::Reason;
use crate::engine::{ContextParams, Credential};
use crate::join_request::JoinRequest;
use crate::policy::Breach;
use crate::tracks::{GroupName, SenderId};

/// News for the embedder. A peer's fault is news too, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Notice {
    /// A new epoch is in force; pull its keys. With another cause than a commit, this participant has just become a
    /// member.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// What began it, for this participant.
        cause: EpochCause,
    },
    /// The epoch that is in force now was made by a commit against the
    /// [`CommitPolicy`](crate::CommitPolicy). It won all the same, so everybody follows it.
    AgainstPolicy {
        /// The epoch.
        epoch: u64,
        /// Who committed it.
        committer: SenderId,
        /// What it is against.
        breach: Breach,
    },
    /// A member came in.
    MemberJoined {
        /// Who.
        sender: SenderId,
        /// Its leaf.
        leaf_index: u32,
        /// Its credential.
        credential: Credential,
    },
    /// A member is out: it left or was removed.
    MemberLeft {
        /// Who.
        sender: SenderId,
    },
    /// A member came back in the same commit that took its stale leaf. Or another of the same identity came in the
    /// commit that put it out. (One that comes back under another identity has left, and another has joined.)
    MemberReplaced {
        /// Who is out.
        old: SenderId,
        /// Who is in; equal to `old` for a rejoin.
        new: SenderId,
        /// Its leaf.
        leaf_index: u32,
        /// Its credential, which may be another than before.
        credential: Credential,
    },
    /// A member took another signature key, or another credential, by a commit of its own (RFC 9420 section 7.3). It
    /// is the same member at the same leaf; its tracks are named after the new key from this epoch on. The identity
    /// provider found it a valid successor. (This crate makes no such commits.)
    MemberChanged {
        /// Its leaf.
        leaf_index: u32,
        /// Its name up to now.
        old: SenderId,
        /// Its name from now on; equal to `old` if only the credential changed.
        new: SenderId,
        /// Its credential from now on.
        credential: Credential,
    },
    /// A KeyPackage waits for [`Command::Admit`](crate::Command::Admit) or
    /// [`Command::Refuse`](crate::Command::Refuse). It is reported once: fresh KeyPackages of the same key with the
    /// same credential silently take the place of the one that waits, for as long as one does.
    JoinRequested {
        /// Who, for [`Command::Admit`](crate::Command::Admit).
        request: JoinRequest,
        /// Why it was held back.
        reason: Hold,
    },
    /// Nothing can be sealed to a member's leaf key that only the member opens: another implementation let it in. The
    /// own next commit removes it, and this is reported when that commit is made.
    InvalidLeafKey {
        /// Whose.
        sender: SenderId,
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
        /// What it waits for.
        waits_for: WaitsFor,
    },
    /// An own commit was published more than [`Limits::publish_tries`](crate::Limits::publish_tries) times, and neither
    /// the subscription nor a fetch brought it back: the relay loses it, or does not send own objects back. Where slots
    /// are pinned, the others get it from the service; in the other modes it is published again.
    NotReadBack {
        /// The epoch that the commit was sent in.
        epoch: u64,
    },
    /// A Welcome came without its ratchet tree, and the relay does not have the tree. It is asked again.
    TreeMissing {
        /// The epoch of both.
        epoch: u64,
    },
    /// This participant could not follow the group and asks to be let in again. Unless the reason says otherwise,
    /// it keeps the state of its epoch meanwhile, for [`Timers::keep`](crate::Timers::keep) at most. One of three
    /// notices says how that ends: [`Resumed`](Self::Resumed), [`Epoch`](Self::Epoch) by a Welcome, or
    /// [`StateErased`](Self::StateErased).
    Rejoining {
        /// Why.
        reason: RejoinReason,
    },
    /// The commit that was missing appeared, or can be processed after all: this participant goes on from the
    /// state that it kept. [`Epoch`](Self::Epoch) came before.
    Resumed {
        /// The epoch that it is in now.
        epoch: u64,
    },
    /// Nobody let this participant in again, and the commit did not appear: the state that it kept is erased. It goes
    /// on asking to be let in.
    StateErased {
        /// The epoch whose state it was.
        epoch: u64,
    },
    /// A step on the way to a successor of a group that cannot go on. It ends with [`Succeeded`](Self::Succeeded).
    Recovery(Recovery),
    /// This participant is in the successor of its group: the meeting goes on there. [`Epoch`](Self::Epoch) came
    /// before.
    Succeeded {
        /// The successor. Its tracks are [`Participant::tracks`](crate::Participant::tracks) now.
        group: GroupName,
    },
    /// A successor of the group that this participant waits for lets it in. Anybody can make up a successor: who is in
    /// it must be judged. [`Command::Follow`](crate::Command::Follow) goes there.
    SuccessorOffered {
        /// Its name.
        group: GroupName,
        /// The members' credentials, by leaf; empty if the ratchet tree is sent apart.
        credentials: Vec<Credential>,
    },
    /// Two members hold different states of one epoch.
    ForkDetected {
        /// The epoch.
        epoch: u64,
        /// The peer that differs.
        peer: SenderId,
    },
    /// A slot went to a pin whose lock the commit's keys do not make: nobody enters its epoch, and nobody but who
    /// made the lock up can fill the next slot. With [`Config::successor`](crate::Config::successor) this participant
    /// goes over to a successor; without, it stays where it is.
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
        group: Option<ContextParams>,
    },
    /// An intent came to nothing.
    Refused {
        /// Whom it was about.
        sender: SenderId,
        /// Why.
        reason: Refusal,
    },
    /// Faults of one kind come faster than anybody's mistake explains. For a while they are only counted, in
    /// [`Stats`](crate::Stats); reported at most once in ten seconds for each kind.
    UnderAttack {
        /// What.
        fault: Fault,
        /// How many came in all.
        total: u64,
    },
    /// This participant's clock is off, and lifetimes are not judged by it alone any more, or it is right again.
    /// Reported once, and once more when it has changed by an hour; once in a minute at most.
    ClockSkew {
        /// Which way.
        error: ClockError,
        /// How far; of [`ClockWitness::Peers`], at least so far.
        by: Duration,
        /// Who says so.
        witness: ClockWitness,
    },
    /// Another run of this participant acts in the group: its state was copied and runs elsewhere, or an older
    /// state was put back. Comes before [`Rejoining`](Self::Rejoining). Both runs have one place, and take it from each
    /// other: end one of them.
    Doubled {
        /// How often this run has noticed.
        times: u32,
        /// For how long it leaves the place to the other: twice as long each time. The first time it may not wait at
        /// all.
        wait: Duration,
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

/// What began an epoch, for this participant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum EpochCause {
    /// It created the group.
    Created,
    /// It was let in by a Welcome.
    Welcome,
    /// A commit was applied.
    Commit {
        /// Who made it.
        committer: SenderId,
    },
}

/// Why a KeyPackage waits for the embedder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Hold {
    /// [`Admission::Ask`](crate::Admission::Ask) is set.
    Policy,
    /// The sender was removed before.
    Barred,
    /// So many senders were removed or refused that some are forgotten, and this may be one of them.
    /// [`Limits::remembered_senders`](crate::Limits::remembered_senders) says how many are remembered.
    MaybeBarred,
    /// [`Admission::Ask`](crate::Admission::Ask) is set, and the key is known under another name or credential: it is a
    /// member's of another identity, or was admitted with another credential.
    OtherCredential {
        /// The credential of that member; `None` if it was admitted and is no member.
        member: Option<Credential>,
    },
    /// [`Admission::Ask`](crate::Admission::Ask) is set, and another member, or another who is let in, has the same
    /// identity under another key. Admitted, they are two members.
    SameIdentity {
        /// That member.
        member: SenderId,
    },
}

/// How the own clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum ClockError {
    /// It is right, within a few minutes.
    None,
    /// It is slow, or stood still while the machine slept.
    Behind,
    /// It is fast.
    Ahead,
}

/// Who says that the own clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum ClockWitness {
    /// The counter service ([`Event::ServiceTime`](crate::Event::ServiceTime)): lifetimes are judged by its time.
    Service,
    /// KeyPackages of several senders, which come from the future. They may be made up, so nothing else follows. A
    /// clock that is ahead is not noticed so: what looks old may be a replay.
    Peers,
}

/// What is wrong with the counter service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
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
    /// Three requests in a row got no answer, or none that can be read. Reported once, until one is answered.
    NoAnswer,
}

/// Why an intent came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Refusal {
    /// Nobody of that name is in the group.
    NotAMember,
    /// The embedder refused it, or nobody admitted it.
    NotAdmitted,
    /// The KeyPackage cannot be committed.
    BadKeyPackage,
    /// The group or the waiting room is full. A client that waits for a full group comes in when a member leaves.
    /// Reported for sixteen in ten seconds at most.
    Full,
    /// Something would be over one of the [`Limits`](crate::Limits): the KeyPackage, the commit that adds it, the
    /// Welcome, the ratchet tree or a later commit of the group. About this participant itself: not even a commit
    /// without joiners is within them.
    TooLarge,
}

/// What was wrong with something that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Fault {
    /// On a track that is none of this group's.
    ForeignTrack,
    /// At a place where no such object may be.
    BadLocation,
    /// Over a size limit.
    TooLarge,
    /// Not an MLS message, or not of the kind the track is for.
    NotMls,
    /// A KeyPackage, Welcome or Commit that does not verify.
    Invalid,
    /// A KeyPackage outside its lifetime, or with an object id from the future. It is old, or a clock is off: its
    /// sender's or this participant's.
    Expired,
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
    /// A Welcome names a place for its ratchet tree, and the object there is not that tree.
    WrongTree,
    /// A reply to a request that was never made, or was answered before.
    UnknownReply,
}
