//! What reaches a phase: events, after a look at what they answer or where they came from.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply};
use crate::engine::KeyPackageInfo;
use crate::event::Command;
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::request::{Failure, FetchId};
use crate::tracks::{Object, SenderId};

/// One thing for the present phase to take in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Command(Command),
    /// A KeyPackage from elsewhere, which was found valid.
    Add {
        message: Bytes,
        info: KeyPackageInfo,
    },
    /// An object as it came, not looked at yet.
    Object(Object),
    Arrival(Arrival),
    Fetched {
        id: FetchId,
        purpose: FetchPurpose,
        failure: Option<Failure>,
    },
    /// What is on the own KeyPackage track.
    OwnTrack(Vec<Object>),
    Locked(LockPurpose, Result<LockReply, Failure>),
    Incremented(IncrementPurpose, Result<IncrementReply, Failure>),
    /// What the service has of a slot.
    CommitRead(u64, Result<CommitReply, Failure>),
    Authenticator {
        peer: SenderId,
        epoch: u64,
        authenticator: Bytes,
    },
    /// Media under that epoch's key id; whose, if it was opened.
    Media {
        opened: Option<SenderId>,
        epoch: u64,
    },
    Timer(Timer),
    /// What was kept for the present epoch was taken in: commits of later ones may show a gap.
    CaughtUp,
    /// This participant is in again: a leave that was asked for before goes on.
    LeaveAgain,
    /// The counter's state, as the gate learnt it.
    Counter(CounterState),
}

/// An object of one of the group's tracks, at a place and of a size where such an object may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arrival {
    KeyPackage {
        sender: SenderId,
        object_id: u64,
        payload: Bytes,
    },
    /// An object of a KeyPackage track of the group before.
    Elsewhere {
        sender: SenderId,
        object_id: u64,
        payload: Bytes,
    },
    Welcome(Bytes),
    Commit {
        from: Option<SenderId>,
        object: Object,
    },
    Tree(Object),
}
