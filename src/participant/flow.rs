//! What a phase comes to: data only, so that no phase needs to know another.

use std::time::Duration;

use bytes::Bytes;

use crate::counter::{CounterState, Pin};
use crate::engine::GroupView;
use crate::notice::{Notice, RejoinReason};

/// Where a participant goes from its present phase.
pub(crate) enum Flow<G> {
    /// The phase goes on.
    Stay,
    /// The group exists: wait for a Welcome.
    Join(Join),
    /// The group does not exist: create it.
    Create,
    /// This participant is in the group.
    Enter(Box<Entry<G>>, By),
    /// It has left or was removed.
    End(Notice),
}

/// How joining begins.
pub(crate) struct Join {
    /// The counter's value as last heard.
    pub(crate) counter: Option<u64>,
    pub(crate) then: Then,
}

/// What is done once joining has begun.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Nothing,
    /// What was kept is not kept any more.
    Persist,
    /// A member could not go on: it says so, and publishes a KeyPackage as `when` has it.
    Rejoin {
        reason: RejoinReason,
        when: When,
    },
}

/// When a KeyPackage is published by which a participant asks to be let in again.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Now,
    /// Now, if there is none that a Welcome may still come to.
    IfNone,
    /// After so long: another run of the participant has its place.
    After(Duration),
}

/// A group state that this participant takes as its own.
pub(crate) struct Entry<G> {
    pub(crate) group: G,
    pub(crate) view: GroupView,
    /// `Engine::save` of `group`.
    pub(crate) saved: Bytes,
    pub(crate) pin: Option<Pin>,
}

/// How a group state came about.
pub(crate) enum By {
    /// This participant created the group.
    Creation,
    /// A Welcome; with the counter's state, if that is what confirmed it.
    Welcome(Option<CounterState>),
}
