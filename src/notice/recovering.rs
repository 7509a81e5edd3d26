//! Why a participant joins again, and how members of a group that cannot go on meet again.

use crate::tracks::{GroupName, SenderId};

/// Why a participant joins again, and what becomes of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum RejoinReason {
    /// A decided commit could not be found. The state is kept, and the commit is looked for.
    Unreachable,
    /// A decided commit could not be processed. The state is kept.
    FaultyCommit,
    /// The service forgot the pins of our epoch. The state is kept.
    PinForgotten,
    /// The slot went to a lock that its commit's keys do not make. The state is kept, and nobody is asked to let this
    /// participant in: who could is who made the lock up.
    WrongLock,
    /// The service signed, twice, that it went back or has another group under this name
    /// ([`GroupParams::service_key`](crate::GroupParams::service_key)). The state is kept, and nobody is asked to let
    /// this participant in.
    ServiceRegressed,
    /// A fork was detected. The state is erased.
    Fork,
    /// A member took a KeyPackage of ours for a request to come back and replaced our leaf. The state is
    /// erased.
    Replaced,
    /// Another run of this participant acted in its place, see [`Notice::Doubled`](crate::Notice::Doubled). The state
    /// is erased.
    Doubled,
}

impl RejoinReason {
    /// Whether the state of the present epoch is kept: the group may yet be gone on with from there.
    pub fn keeps_state(self) -> bool {
        match self {
            Self::Unreachable
            | Self::FaultyCommit
            | Self::PinForgotten
            | Self::WrongLock
            | Self::ServiceRegressed => true,
            Self::Fork | Self::Replaced | Self::Doubled => false,
        }
    }

    /// Whether nobody who holds the state of the present epoch can go on from it, if nobody else lets this participant
    /// in. That something is withheld or does not answer proves nothing.
    pub fn is_proof(self) -> bool {
        matches!(self, Self::FaultyCommit | Self::WrongLock | Self::ServiceRegressed)
    }

    /// Whether the others are asked, under the group's name, to let this participant in.
    pub(crate) fn asks_in(self) -> bool {
        !matches!(self, Self::WrongLock | Self::ServiceRegressed)
    }
}

/// A step on the way to a successor.
///
/// A successor is a new group of the members of the last epoch, under a name that only its founder can begin with
/// ([`GroupName::successor`]). Nobody goes over on silence: only with proof that the group cannot go on
/// ([`RejoinReason::is_proof`]). The members of that epoch let each other in without asking the embedder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Recovery {
    /// There is proof, and nobody let this participant in: it looks for a successor.
    Looking,
    /// It is this participant's turn to found one.
    Founding {
        /// Its name.
        group: GroupName,
    },
    /// A member of the last epoch founded one: this participant asks to be let in there.
    Following {
        /// Its name.
        group: GroupName,
        /// Who.
        founder: SenderId,
    },
    /// Nobody let this participant in there in time: it looks for another.
    GivenUp {
        /// Who founded it.
        founder: SenderId,
    },
}
