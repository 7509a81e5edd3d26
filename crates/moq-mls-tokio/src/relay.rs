//! The relay, as a participant needs it.

use std::fmt;
use std::ops::RangeInclusive;

use moq_mls::tracks::{FullTrackName, SenderId, TrackNamespace};
use moq_mls::{Failure, FetchTarget, Object};
use tokio::sync::mpsc;

/// A connection with a MoQ relay.
///
/// The driver calls it from several tasks at once, and drops a call that takes too long. It repeats what failed, so an
/// implementation need not. It subscribes again when a subscription ends. An implementation that connects again after a
/// lost session lets calls wait until then.
pub trait Relay: Send + Sync + 'static {
    /// Waits until the relay can be reached for the first time. The driver asks nothing of the counter service before:
    /// what came of it could not be published.
    ///
    /// Returns at once unless it is implemented.
    fn ready(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Announces that tracks under `namespace` are published here.
    ///
    /// Does nothing unless it is implemented: for some relays PUBLISH of a track says so.
    ///
    /// # Errors
    /// [`RelayError`]; the driver tries again.
    fn announce(&self, namespace: TrackNamespace) -> impl Future<Output = Result<(), RelayError>> + Send {
        drop(namespace);
        std::future::ready(Ok(()))
    }

    /// Publishes an object; returns when it was handed to the relay.
    ///
    /// Objects of one track come one after another. The same object may come again after a failure: the same bytes at
    /// the same place are no second object.
    ///
    /// # Errors
    /// [`RelayError`]; the driver tries again.
    fn publish(&self, object: Object) -> impl Future<Output = Result<(), RelayError>> + Send;

    /// Subscribes, and returns the channel on which the objects come, from the oldest that the relay has.
    ///
    /// Own objects must come too. The subscription ends when the driver drops the receiver
    /// ([`mpsc::Sender::closed`]). If the session is lost, drop the sender: the driver subscribes again.
    ///
    /// # Errors
    /// [`RelayError`]; the driver tries again.
    fn subscribe(
        &self,
        scope: Scope,
    ) -> impl Future<Output = Result<mpsc::Receiver<Object>, RelayError>> + Send;

    /// Reads what the relay still has, in any order; possibly nothing.
    ///
    /// # Errors
    /// [`RelayError`]; the participant asks again if it must.
    fn fetch(&self, request: FetchRequest) -> impl Future<Output = Result<Vec<Object>, RelayError>> + Send;

    /// Closes the sessions, after the last call. Does nothing unless it is implemented.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a subscription is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every track under a namespace, present and future.
    Namespace(TrackNamespace),
    /// One track.
    Track(FullTrackName),
}

impl Scope {
    /// Returns whether objects of `track` belong to it.
    pub fn contains(&self, track: &FullTrackName) -> bool {
        match self {
            Self::Namespace(namespace) => track.namespace.starts_with(namespace),
            Self::Track(wanted) => track == wanted,
        }
    }

    /// Returns the namespace: the one subscribed to, or the track's.
    pub fn namespace(&self) -> &TrackNamespace {
        match self {
            Self::Namespace(namespace) => namespace,
            Self::Track(track) => &track.namespace,
        }
    }
}

/// What is to be read of the past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FetchRequest {
    /// Of what.
    pub target: FetchTarget,
    /// The MOQT groups.
    pub groups: RangeInclusive<u64>,
    /// The other members of the present epoch: a relay that keeps no history may pass the request on to one of them.
    pub members: Vec<SenderId>,
}

impl FetchRequest {
    /// Makes a request, as the driver does: for tests of an implementation of [`Relay`].
    pub fn new(target: FetchTarget, groups: RangeInclusive<u64>, members: Vec<SenderId>) -> Self {
        Self { target, groups, members }
    }
}

/// Why the relay did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failure}: {reason}")]
pub struct RelayError {
    /// What the participant concludes from it.
    pub failure: Failure,
    /// What happened, for people.
    pub reason: String,
}

impl RelayError {
    /// Makes the error of a request that certainly had no effect.
    pub fn not_sent(reason: impl fmt::Display) -> Self {
        Self { failure: Failure::NotSent, reason: reason.to_string() }
    }

    /// Makes the error of a request that may have had an effect.
    pub fn unknown(reason: impl fmt::Display) -> Self {
        Self { failure: Failure::Unknown, reason: reason.to_string() }
    }

    /// Makes the error of a request that the relay refused with this code.
    pub fn refused(code: u64, reason: impl fmt::Display) -> Self {
        Self { failure: Failure::Refused(code), reason: reason.to_string() }
    }
}
