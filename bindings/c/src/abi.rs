//! The types of the header. All are plain: integers, pointers, and unions of structs of them.

/// Reads a kind back from its number. To forget one does not compile.
macro_rules! kinds {
    ($name:ident { $($kind:ident),+ $(,)? }) => {
        impl $name {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Returns the kind of that number.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| *kind as u32 == number)
            }
        }

        const _: fn($name) = |kind| match kind {
            $($name::$kind)|+ => {}
        };
    };
}

mod action;
mod config;
mod event;
mod notice;

pub use self::action::{
    Action, ActionBody, ActionKind, CounterRequest, Fetch, Increment, KeysNotice, KeysNoticeKind,
};
pub use self::config::{Committers, Config};
pub use self::event::{
    Admit, CommitFound, Event, EventBody, EventKind, Failed, LockGranted, Objects, PeerAuthenticator,
    PeerEpoch,
};
pub use self::notice::{GroupParams, Notice};

/// Bytes, borrowed. Null is "not there" where a field says that it may be absent; elsewhere it is empty.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl Bytes {
    /// What is not there.
    pub const ABSENT: Self = Self { data: std::ptr::null(), len: 0 };

    /// Borrows bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// Borrows bytes that may be absent.
    pub fn maybe<T: AsRef<[u8]>>(bytes: Option<&T>) -> Self {
        bytes.map_or(Self::ABSENT, |bytes| Self::of(bytes.as_ref()))
    }
}

/// A namespace: 1 to 32 fields, none of them empty.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    /// The fields.
    pub fields: *const Bytes,
    /// How many there are.
    pub len: usize,
}

/// A full track name.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Track {
    /// The namespace.
    pub name_space: Namespace,
    /// The track's name. In a fetch it may be absent: every track under the namespace.
    pub name: Bytes,
}

/// An MoQT object.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Its track.
    pub track: Track,
    /// Its MOQT group id.
    pub group_id: u64,
    /// Its object id in that group.
    pub object_id: u64,
    /// Its payload.
    pub payload: Bytes,
}

/// Where a media object is, and how it is sent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The MOQT group id.
    pub group_id: u64,
    /// The object id in that group, below 2^32.
    pub object_id: u64,
    /// The publisher priority.
    pub priority: u8,
}

/// An MLS credential (RFC 9420 section 5.3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    /// 1 for basic, 2 for X.509; 0 where there is none.
    pub kind: u16,
    /// The identity for basic.
    pub data: Bytes,
}

/// A member of the group.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its leaf.
    pub leaf_index: u32,
    /// Its SenderId.
    pub sender: Bytes,
    /// Its credential.
    pub credential: Credential,
}

/// Where a counter stands.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CounterState {
    /// The next value: slots below it are used.
    pub current: u64,
    /// The pin of the asked slot, 96 bytes; may be absent.
    pub pin: Bytes,
    /// The service's signature; may be absent.
    pub receipt: Bytes,
    /// 1 if the slot was pinned so long ago that the pin is gone, else 0.
    pub pin_forgotten: u8,
}

/// A number that may be absent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OptionalNumber {
    /// 1 if it is there, else 0.
    pub present: u8,
    /// The number; 0 if it is not there.
    pub value: u64,
}

impl From<Option<u64>> for OptionalNumber {
    fn from(number: Option<u64>) -> Self {
        Self { present: u8::from(number.is_some()), value: number.unwrap_or_default() }
    }
}
