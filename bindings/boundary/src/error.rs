//! Every way in which a call can fail, with a number for each.

use moq_mls::counter::http::HttpError;
use moq_mls::engine::EngineError;
use moq_mls::secure_objects::{KeyError, OpenError, SealError};
use moq_mls::snapshot::SnapshotError;
use moq_mls::tracks::NameError;
use moq_mls::{Error as CoreError, Misuse};

use crate::codes::numbers;

/// Why a call failed. `Display` is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number that names nothing.
    #[error("{code} is no {what}")]
    UnknownCode {
        /// What it should name.
        what: &'static str,
        /// The number.
        code: u32,
    },
    /// Bytes of a wrong length.
    #[error("{what} of {found} bytes, where {needed} are needed")]
    Length {
        /// What they are.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A number that is too large for its place.
    #[error("{value} is too large for {what}")]
    TooLarge {
        /// What it is for.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A name that MoQT or the draft forbids.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An action that the counter service does not take.
    #[error("the action is no request to the counter service")]
    NoCounterRequest,
    /// No track of that number.
    #[error("the participant has no track {0}")]
    NoSuchTrack(u32),
    /// Something that this build lacks.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// What the participant said.
    #[error(transparent)]
    Participant(#[from] CoreError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An object is not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An object is not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Bytes that are no HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self::Participant(misuse.into())
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Participant(error.into())
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        Self::Participant(error.into())
    }
}

/// How a call ended, as a number. The first group is for bindings with handles and pointers.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It did what it says.
    Ok = 0,
    /// A pointer is null where there must be something.
    NullPointer = 1,
    /// The handle names nothing: it was freed, never given, or is of another type.
    InvalidHandle = 2,
    /// Another thread is in a call with this handle.
    Busy = 3,
    /// The library panicked, which is a fault of it. The handle can only be freed.
    Panicked = 4,
    /// A `size` field that is too small for what the kind needs.
    InvalidSize = 5,
    /// A number that names nothing: a kind, a code or a suite.
    UnknownCode = 6,
    /// Bytes of a wrong length, or a number that is too large.
    InvalidLength = 7,
    /// A name that MoQT or the draft forbids.
    InvalidName = 8,
    /// The output does not fit into the buffer; its length was written.
    BufferTooSmall = 9,
    /// Text that is not UTF-8.
    NotUtf8 = 10,
    /// The participant has no such track.
    NoSuchTrack = 11,
    /// This build lacks it.
    Unsupported = 12,
    /// The action is no request to the counter service.
    NoCounterRequest = 13,
    /// Bytes that are no HTTP/1.1.
    InvalidHttp = 14,
    /// There are as many handles as there can be.
    TooManyHandles = 15,
    /// Too many actions wait: poll them, and give the event again.
    Undrained = 20,
    /// The call needs a member, and this participant is none.
    NotAMember = 21,
    /// The epoch is over, or has not begun.
    EpochGone = 22,
    /// `Join` came a second time.
    AlreadyJoined = 23,
    /// The KeyPackage is not valid.
    BadKeyPackage = 24,
    /// The service key is no Ed25519 public key.
    BadServiceKey = 25,
    /// The command is about this participant and needs another name.
    OwnName = 26,
    /// The participant has left or was removed.
    Ended = 27,
    /// The MLS engine failed: restore the last snapshot.
    Engine = 28,
    /// The MLS engine failed before: restore the last snapshot.
    Poisoned = 29,
    /// The bytes are no snapshot, or are damaged.
    SnapshotMalformed = 40,
    /// A snapshot of another version.
    SnapshotVersion = 41,
    /// A snapshot of another group or configuration.
    SnapshotOtherGroup = 42,
    /// A snapshot of another participant.
    SnapshotOtherParticipant = 43,
    /// There is no key to seal with now.
    SealNoKey = 60,
    /// The object id does not fit the nonce.
    SealObjectId = 61,
    /// The location is not above those sealed before.
    SealNotAbove = 62,
    /// The key may have been sealed with before a restart.
    SealRestored = 63,
    /// The immutable properties lack the Key ID.
    SealKeyId = 64,
    /// The object is too long.
    SealTooLong = 65,
    /// The key has reached its limit.
    SealLimit = 66,
    /// The cipher failed.
    SealCipher = 67,
    /// There is no key for this Key ID, now. It may come.
    OpenUnknownKey = 80,
    /// The key has reached its limit.
    OpenLimit = 81,
    /// The object does not open.
    OpenRejected = 82,
}
numbers!(Status {
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

impl Error {
    /// Returns the number of this error.
    pub fn status(&self) -> Status {
        match self {
            Self::UnknownCode { .. } => Status::UnknownCode,
            Self::Length { .. } | Self::TooLarge { .. } => Status::InvalidLength,
            Self::Name(_) => Status::InvalidName,
            Self::NoCounterRequest => Status::NoCounterRequest,
            Self::NoSuchTrack(_) => Status::NoSuchTrack,
            Self::Unsupported(_) | Self::Key(KeyError::Unsupported(_)) => Status::Unsupported,
            Self::Participant(error) => participant(error),
            Self::Key(KeyError::Provider(_) | KeyError::Cipher(_)) => Status::Engine,
            Self::Seal(error) => seal(*error),
            Self::Open(OpenError::UnknownKey(_)) => Status::OpenUnknownKey,
            Self::Open(OpenError::Limit) => Status::OpenLimit,
            Self::Open(OpenError::Rejected) => Status::OpenRejected,
            Self::Http(_) => Status::InvalidHttp,
        }
    }
}

fn participant(error: &CoreError) -> Status {
    match error {
        CoreError::Misuse(Misuse::Undrained) => Status::Undrained,
        CoreError::Misuse(Misuse::NotAMember) => Status::NotAMember,
        CoreError::Misuse(Misuse::EpochGone) => Status::EpochGone,
        CoreError::Misuse(Misuse::AlreadyJoined) => Status::AlreadyJoined,
        CoreError::Misuse(Misuse::BadKeyPackage) => Status::BadKeyPackage,
        CoreError::Misuse(Misuse::BadServiceKey) => Status::BadServiceKey,
        CoreError::Misuse(Misuse::OwnName) => Status::OwnName,
        CoreError::Ended => Status::Ended,
        CoreError::Engine(_) => Status::Engine,
        CoreError::Poisoned => Status::Poisoned,
        CoreError::Snapshot(SnapshotError::Malformed) => Status::SnapshotMalformed,
        CoreError::Snapshot(SnapshotError::Version(_)) => Status::SnapshotVersion,
        CoreError::Snapshot(SnapshotError::OtherGroup) => Status::SnapshotOtherGroup,
        CoreError::Snapshot(SnapshotError::OtherParticipant) => Status::SnapshotOtherParticipant,
    }
}

fn seal(error: SealError) -> Status {
    match error {
        SealError::NoKey => Status::SealNoKey,
        SealError::ObjectId => Status::SealObjectId,
        SealError::NotAbove => Status::SealNotAbove,
        SealError::Restored => Status::SealRestored,
        SealError::KeyId => Status::SealKeyId,
        SealError::TooLong => Status::SealTooLong,
        SealError::Limit => Status::SealLimit,
        SealError::Cipher => Status::SealCipher,
    }
}
