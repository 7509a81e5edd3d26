//! The numbers that are in notices.

use moq_mls::{keys, notice};

use crate::error::Error;

/// What a commit is against in a policy.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// Its committer may not add.
    Adds = 1,
    /// Its committer may not remove.
    Removes = 2,
    /// It adds too many.
    TooManyAdds = 3,
    /// It removes too many.
    TooManyRemoves = 4,
    /// It has too many bytes.
    TooLarge = 5,
    /// It makes a group larger than the limit.
    RosterFull = 6,
}
carries!(Breach = moq_mls::Breach { Adds, Removes, TooManyAdds, TooManyRemoves, TooLarge, RosterFull });

/// How the own clock is wrong.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockError {
    /// It is right, within a few minutes.
    None = 1,
    /// It is slow, or stood still.
    Behind = 2,
    /// It is fast.
    Ahead = 3,
}
carries!(ClockError = notice::ClockError { None, Behind, Ahead });

/// Who says that the own clock is wrong.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockWitness {
    /// The counter service.
    Service = 1,
    /// KeyPackages of several senders.
    Peers = 2,
}
carries!(ClockWitness = notice::ClockWitness { Service, Peers });

/// Why an intent came to nothing.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Nobody of that name is in the group.
    NotAMember = 1,
    /// The embedder refused it, or nobody admitted it.
    NotAdmitted = 2,
    /// The KeyPackage cannot be committed.
    BadKeyPackage = 3,
    /// The group or the waiting room is full.
    Full = 4,
    /// Something would be over a limit.
    TooLarge = 5,
}
carries!(Refusal = notice::Refusal { NotAMember, NotAdmitted, BadKeyPackage, Full, TooLarge });

/// What was wrong with something that arrived.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// On a track that is none of this group's.
    ForeignTrack = 1,
    /// At a place where no such object may be.
    BadLocation = 2,
    /// Over a size limit.
    TooLarge = 3,
    /// Not an MLS message, or not of the kind the track is for.
    NotMls = 4,
    /// A KeyPackage, Welcome or Commit that does not verify.
    Invalid = 5,
    /// A KeyPackage outside its lifetime.
    Expired = 6,
    /// The KeyPackage's key is not the one that its track is named after.
    WrongSender = 7,
    /// A Welcome that no own key opens.
    NotForMe = 8,
    /// Of another group.
    WrongGroup = 9,
    /// Of another epoch than its place says, or of one that is over.
    WrongEpoch = 10,
    /// Over a count limit.
    TooMany = 11,
    /// A Welcome whose epoch was decided otherwise.
    NotPinned = 12,
    /// A receipt that does not verify.
    BadReceipt = 13,
    /// The object at the place of a ratchet tree is not that tree.
    WrongTree = 14,
    /// A reply to a request that was never made, or was answered before.
    UnknownReply = 15,
}
carries!(
    Fault = notice::Fault {
        ForeignTrack,
        BadLocation,
        TooLarge,
        NotMls,
        Invalid,
        Expired,
        WrongSender,
        NotForMe,
        WrongGroup,
        WrongEpoch,
        TooMany,
        NotPinned,
        BadReceipt,
        WrongTree,
        UnknownReply,
    }
);

/// Why a participant joins again.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejoinReason {
    /// A decided commit could not be found.
    Unreachable = 1,
    /// A decided commit could not be processed.
    FaultyCommit = 2,
    /// The service forgot the pins of the present epoch.
    PinForgotten = 3,
    /// The slot went to a lock that its commit's keys do not make.
    WrongLock = 4,
    /// The service signed, twice, that it went back.
    ServiceRegressed = 5,
    /// A fork was detected.
    Fork = 6,
    /// A member took an own KeyPackage for a request to come back.
    Replaced = 7,
    /// Another run of this participant acted in its place.
    Doubled = 8,
}
carries!(
    RejoinReason = notice::RejoinReason {
        Unreachable,
        FaultyCommit,
        PinForgotten,
        WrongLock,
        ServiceRegressed,
        Fork,
        Replaced,
        Doubled,
    }
);

/// Why there is nothing to seal with.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// No epoch came yet, or the participant has ended.
    NoEpoch = 1,
    /// The group went on without this member.
    Behind = 2,
    /// An earlier run may have sealed with this epoch.
    Restored = 3,
}
carries!(Silence = keys::Silence { NoEpoch, Behind, Restored });

/// Why an epoch is sealed with now.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SwitchReason {
    /// There was no other.
    First = 1,
    /// Enough members were seen on it.
    Quorum = 2,
    /// The time to wait is over.
    Deadline = 3,
    /// The time to wait after a removal is over.
    Removal = 4,
    /// It was asked for.
    Asked = 5,
    /// It was sealed with before the restart.
    Restored = 6,
    /// It ends a silence.
    Resumed = 7,
}
carries!(SwitchReason = keys::SwitchReason { First, Quorum, Deadline, Removal, Asked, Restored, Resumed });

/// Why an epoch's secret is erased.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForgetReason {
    /// It is old.
    Age = 1,
    /// There are too many.
    Number = 2,
    /// It came again with another secret.
    Fork = 3,
    /// The participant has ended.
    Closed = 4,
}
carries!(ForgetReason = keys::ForgetReason { Age, Number, Fork, Closed });

/// Why a KeyPackage waits for the embedder.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// The configuration asks about everybody.
    Policy = 1,
    /// The sender was removed before.
    Barred = 2,
    /// The sender may be one that was removed and is forgotten.
    MaybeBarred = 3,
    /// The key is known with another credential, which is in the notice if it is a member's.
    OtherCredential = 4,
    /// Another member, named in the notice, has the same identity under another key.
    SameIdentity = 5,
}
numbers!(Hold { Policy, Barred, MaybeBarred, OtherCredential, SameIdentity });

/// What began an epoch, for this participant.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EpochCause {
    /// It created the group.
    Created = 1,
    /// A Welcome let it in.
    Welcome = 2,
    /// A commit was applied, of the committer that the notice names.
    Commit = 3,
}
numbers!(EpochCause { Created, Welcome, Commit });

/// What is wrong with the counter service.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceFault {
    /// Its counter is below the group's epoch.
    Regressed = 1,
    /// Its counter is absurdly far ahead.
    Absurd = 2,
    /// It holds another lineage.
    LineageMismatch = 3,
    /// It does not record pins.
    NoPins = 4,
    /// It hands out locks without tokens.
    NoTokens = 5,
    /// It says that no group exists, but there are commits on the relay.
    LostGroup = 6,
    /// It states a pin whose receipt is missing or does not verify.
    BadReceipt = 7,
    /// It says that the own slot key does not open the lock of the own pin.
    WrongKey = 8,
    /// It refuses requests, for the reason in the notice.
    Refused = 9,
    /// Three requests in a row got no answer.
    NoAnswer = 10,
}
numbers!(ServiceFault {
    Regressed,
    Absurd,
    LineageMismatch,
    NoPins,
    NoTokens,
    LostGroup,
    BadReceipt,
    WrongKey,
    Refused,
    NoAnswer,
});

/// A step on the way to a successor.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecoveryStep {
    /// It looks for a successor.
    Looking = 1,
    /// It founds one.
    Founding = 2,
    /// It asks to be let in to one.
    Following = 3,
    /// Nobody let it in there in time.
    GivenUp = 4,
}
numbers!(RecoveryStep { Looking, Founding, Following, GivenUp });

/// What a participant waits for.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitsFor {
    /// The event `Join`.
    Join = 1,
    /// The counter service's answer whether the group exists.
    Probe = 2,
    /// What the relay has of a group that the service does not know.
    Signs = 3,
    /// The counter service's answer who created the group.
    Creation = 4,
    /// A member of the group before.
    Newcomer = 5,
    /// A Welcome.
    Welcome = 6,
    /// What confirms a Welcome to an MLS epoch.
    Confirmation = 7,
    /// The ratchet tree of a Welcome.
    Tree = 8,
    /// A successor of the group.
    Successor = 9,
    /// The own turn to commit.
    Turn = 10,
    /// The lock of the next epoch.
    Lock = 11,
    /// The relay: the own commit is to be read back.
    Relay = 12,
    /// The counter service's answer to the own increment.
    Increment = 13,
    /// The answer which commit was pinned.
    Pin = 14,
    /// The commit that was pinned, and is not here.
    Commit = 15,
    /// Being removed, as it asked.
    Removal = 16,
    /// A service that can be worked with.
    Service = 17,
    /// Nothing: a member, without work.
    News = 18,
    /// Nothing any more.
    End = 19,
}
numbers!(WaitsFor {
    Join,
    Probe,
    Signs,
    Creation,
    Newcomer,
    Welcome,
    Confirmation,
    Tree,
    Successor,
    Turn,
    Lock,
    Relay,
    Increment,
    Pin,
    Commit,
    Removal,
    Service,
    News,
    End,
});
