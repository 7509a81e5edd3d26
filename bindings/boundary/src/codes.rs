//! What has names in Rust and numbers everywhere else. A number once given never changes.

use moq_mls::{counter, participant, tracks};

use crate::error::Error;

/// Carries an enum of the core over: to forget a variant on either side does not compile.
macro_rules! carries {
    ($name:ident = $core:ty { $($variant:ident),+ $(,)? }) => {
        impl From<$core> for $name {
            fn from(core: $core) -> Self {
                match core {
                    $(<$core>::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$name> for $core {
            fn from(code: $name) -> Self {
                match code {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }

        numbers!($name { $($variant),+ });
    };
}

/// Reads an enum back from its number.
macro_rules! numbers {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl $name {
            /// Every variant, by its number.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        // To forget a variant does not compile.
        const _: fn($name) = |code| match code {
            $($name::$variant)|+ => {}
        };

        impl TryFrom<u32> for $name {
            type Error = Error;

            fn try_from(code: u32) -> Result<Self, Error> {
                let found = Self::ALL.iter().copied().find(|variant| *variant as u32 == code);
                found.ok_or(Error::UnknownCode { what: stringify!($name), code })
            }
        }
    };
}

pub(crate) use numbers;

mod notices;

pub use self::notices::*;

/// How the winner of an epoch is decided.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SafetyMode {
    /// By the pin that the counter service records once for each slot: the default.
    Pinned = 1,
    /// By the token of the lock under which the slot was filled.
    Fenced = 2,
    /// By the draft's lock alone, which can fork.
    Advisory = 3,
}
carries!(SafetyMode = moq_mls::SafetyMode { Pinned, Fenced, Advisory });

/// Who may join without being asked about.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admission {
    /// Every client with a valid credential: the default.
    Open = 1,
    /// Nobody: each waits for the event `Admit`.
    Ask = 2,
}
carries!(Admission = moq_mls::Admission { Open, Ask });

/// Who publishes commits where.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitTracks {
    /// The draft's one shared track: the default.
    Shared = 1,
    /// One track for each sender.
    PerSender = 2,
}
carries!(CommitTracks = tracks::CommitTrackPolicy { Shared, PerSender });

/// The phase that a participant is in.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing was asked yet.
    New = 1,
    /// It finds out whether the group exists, or creates it.
    Bootstrapping = 2,
    /// It waits for a Welcome.
    Joining = 3,
    /// In the group.
    Member = 4,
    /// Left or removed.
    Ended = 5,
    /// Its own state failed: restore the last snapshot.
    Poisoned = 6,
}
carries!(Phase = participant::Phase { New, Bootstrapping, Joining, Member, Ended, Poisoned });

/// What kind of request an answer is to.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// The actions `Subscribe` and `SubscribeNamespace`.
    Subscribe = 1,
    /// The action `Publish`.
    Publish = 2,
    /// The action `Fetch`.
    Fetch = 3,
    /// The action `Lock`.
    Lock = 4,
    /// The action `Increment`.
    Increment = 5,
    /// The action `GetCommit`.
    GetCommit = 6,
}
numbers!(RequestKind { Subscribe, Publish, Fetch, Lock, Increment, GetCommit });

/// How a request ended without an answer.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// It certainly had no effect.
    NotSent = 1,
    /// It may have had its effect.
    Unknown = 2,
    /// The peer refused it, with a code.
    Refused = 3,
}
numbers!(Failure { NotSent, Unknown, Refused });

/// Why the counter service refused a request.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// An increment without a live lock.
    NotLocked = 1,
    /// An increment without a pin on a counter whose slots are pinned.
    PinRequired = 2,
    /// An increment with a pin on a counter whose first slot was not pinned.
    UnpinnedId = 3,
    /// The request does not parse.
    Malformed = 4,
    /// An id or a body over the service's limits.
    TooLarge = 5,
    /// No token.
    Unauthenticated = 6,
    /// A token that does not allow this.
    Forbidden = 7,
    /// Too many requests.
    RateLimited = 8,
    /// The counter cannot go higher.
    Overflow = 9,
    /// A pinned increment without the commit that its pin names.
    CommitRequired = 10,
    /// Another client has asked for the slot.
    NotYourTurn = 11,
}
carries!(
    Reason = counter::Reason {
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
    }
);
