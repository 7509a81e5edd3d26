//! Enums without fields.

use moq_mls_boundary::Status;
use moq_mls_boundary::codes::*;

use super::codes;

codes!(SafetyMode { Pinned, Fenced, Advisory });
codes!(Admission { Open, Ask });
codes!(CommitTracks { Shared, PerSender });
codes!(Phase { New, Bootstrapping, Joining, Member, Ended, Poisoned });
codes!(RequestKind { Subscribe, Publish, Fetch, Lock, Increment, GetCommit });
codes!(Failure { NotSent, Unknown, Refused });
codes!(Reason {
    NotLocked,
    PinRequired,
    UnpinnedId,
    Malformed,
    TooLarge,
    Unauthenticated,
    Forbidden,
    RateLimited,
    Overflow,
    CommitRequired,
    NotYourTurn,
});
codes!(Breach { Adds, Removes, TooManyAdds, TooManyRemoves, TooLarge, RosterFull });
codes!(ClockError { None, Behind, Ahead });
codes!(ClockWitness { Service, Peers });
codes!(Refusal { NotAMember, NotAdmitted, BadKeyPackage, Full, TooLarge });
codes!(Fault {
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
});
codes!(RejoinReason {
    Unreachable,
    FaultyCommit,
    PinForgotten,
    WrongLock,
    ServiceRegressed,
    Fork,
    Replaced,
    Doubled,
});
codes!(Silence { NoEpoch, Behind, Restored });
codes!(SwitchReason { First, Quorum, Deadline, Removal, Asked, Restored, Resumed });
codes!(ForgetReason { Age, Number, Fork, Closed });
codes!(Hold { Policy, Barred, MaybeBarred, OtherCredential, SameIdentity });
codes!(EpochCause { Created, Welcome, Commit });
codes!(ServiceFault {
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
codes!(RecoveryStep { Looking, Founding, Following, GivenUp });
codes!(WaitsFor {
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
codes!(Status {
    Ok,
    NullPointer,
    InvalidHandle,
    Busy,
    Panicked,
    InvalidSize,
    UnknownCode,
    InvalidLength,
    InvalidName,
    BufferTooSmall,
    NotUtf8,
    NoSuchTrack,
    Unsupported,
    NoCounterRequest,
    InvalidHttp,
    TooManyHandles,
    Undrained,
    NotAMember,
    EpochGone,
    AlreadyJoined,
    BadKeyPackage,
    BadServiceKey,
    OwnName,
    Ended,
    Engine,
    Poisoned,
    SnapshotMalformed,
    SnapshotVersion,
    SnapshotOtherGroup,
    SnapshotOtherParticipant,
    SealNoKey,
    SealObjectId,
    SealNotAbove,
    SealRestored,
    SealKeyId,
    SealTooLong,
    SealLimit,
    SealCipher,
    OpenUnknownKey,
    OpenLimit,
    OpenRejected,
});
