//! A running participant from outside.

use std::sync::Arc;

use bytes::Bytes;
use moq_mls::engine::{Engine, Member};
use moq_mls::keys::EpochKeyRing;
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Command, Event, JoinRequest, Participant, Phase, Stats};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::counter::CounterError;
use crate::error::{CommandError, DriverError};
use crate::media::{MediaSigns, Sign};
use crate::relay::RelayError;

/// How a driver ended.
pub(crate) type End = Result<(), Arc<DriverError>>;

/// An event from outside, and where its outcome goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) event: Event,
    pub(crate) done: oneshot::Sender<Result<(), CommandError>>,
}

/// Where a participant is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The phase.
    pub phase: Phase,
    /// The group; a successor of the configured one has another name.
    pub group: GroupName,
    /// The epoch, while a member.
    pub epoch: Option<u64>,
    /// The members by leaf, while a member.
    pub members: Arc<[Member]>,
    /// The epoch authenticator (RFC 9420 section 8.7), while a member: equal for all members of an epoch.
    pub authenticator: Option<Bytes>,
    /// What it waits for, and since when; its `Display` is a sentence for logs.
    pub waits: moq_mls::Status,
    /// What was counted. A change here alone does not wake a watcher.
    pub stats: Stats,
    /// Why the last request to the counter service got no answer; `None` if it got one.
    pub counter_error: Option<CounterError>,
    /// Why the last request to the relay failed; `None` if it did not.
    pub relay_error: Option<RelayError>,
}

impl Status {
    pub(crate) fn of<E: Engine>(participant: &Participant<E>) -> Result<Self, moq_mls::Error> {
        let epoch = participant.epoch();
        Ok(Self {
            phase: participant.phase(),
            group: participant.tracks().group().clone(),
            epoch,
            members: participant.members().cloned().collect(),
            authenticator: epoch.map(|_| participant.epoch_authenticator()).transpose()?,
            waits: participant.status(),
            stats: participant.stats().clone(),
            counter_error: None,
            relay_error: None,
        })
    }
}

/// A running participant. Dropping it ends the driver as a crash would: nothing durable is lost, and the participant
/// stays a member. [`shutdown`](Self::shutdown) is the clean way, [`leave`](Self::leave) the one out of the group.
#[derive(Debug)]
pub struct Handle {
    pub(crate) sender: SenderId,
    pub(crate) resumed: bool,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) signs: mpsc::Sender<Sign>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) keys: watch::Receiver<Arc<EpochKeyRing>>,
    pub(crate) ended: watch::Receiver<Option<End>>,
    pub(crate) stop: Arc<Notify>,
    pub(crate) task: AbortHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Returns the SenderId of the participant.
    pub fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    /// Returns whether the participant goes on from a stored snapshot. Otherwise it waits for [`join`](Self::join).
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Takes part: creates the group or joins it. Returns when the participant has begun, which is not before the relay
    /// is [ready](crate::Relay::ready). [`Notice::Epoch`](moq_mls::Notice::Epoch) and [`status`](Self::status) say when
    /// it is a member.
    ///
    /// # Errors
    /// [`CommandError`]; [`Misuse::AlreadyJoined`](moq_mls::Misuse::AlreadyJoined) if it is [resumed](Self::resumed).
    pub async fn join(&self) -> Result<(), CommandError> {
        self.command(Command::Join).await
    }

    /// Asks to be removed. The driver ends when that has happened ([`ended`](Self::ended)).
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn leave(&self) -> Result<(), CommandError> {
        self.command(Command::Leave).await
    }

    /// Removes a member, and bars it until it is admitted again.
    ///
    /// # Errors
    /// [`CommandError`]. Who is no member is a [`Notice::Refused`](moq_mls::Notice::Refused).
    pub async fn remove(&self, member: SenderId) -> Result<(), CommandError> {
        self.command(Command::Remove(member)).await
    }

    /// Removes a member whose connection ended, and lets it come back.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn gone(&self, member: SenderId) -> Result<(), CommandError> {
        self.command(Command::Gone(member)).await
    }

    /// Commits fresh entropy.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn update(&self) -> Result<(), CommandError> {
        self.command(Command::Update).await
    }

    /// Admits a client that asks to be let in ([`Notice::JoinRequested`](moq_mls::Notice::JoinRequested)).
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn admit(&self, request: JoinRequest) -> Result<(), CommandError> {
        self.command(Command::Admit { request, replacing: None }).await
    }

    /// Refuses a client that asks to be let in.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn refuse(&self, client: SenderId) -> Result<(), CommandError> {
        self.command(Command::Refuse(client)).await
    }

    /// Adds a client by a KeyPackage that did not come over its track.
    ///
    /// # Errors
    /// [`CommandError`]; [`Misuse::BadKeyPackage`](moq_mls::Misuse::BadKeyPackage).
    pub async fn add(&self, key_package: Bytes) -> Result<(), CommandError> {
        self.command(Command::Add(key_package)).await
    }

    /// Goes over to a successor after [`Notice::SuccessorOffered`](moq_mls::Notice::SuccessorOffered).
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn follow(&self, successor: GroupName) -> Result<(), CommandError> {
        self.command(Command::Follow(successor)).await
    }

    /// Compares the epoch authenticator of a peer, which came over the application's own channel, with the own.
    /// [`Notice::ForkDetected`](moq_mls::Notice::ForkDetected) says that they differ.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn compare(
        &self,
        peer: SenderId,
        epoch: u64,
        authenticator: Bytes,
    ) -> Result<(), CommandError> {
        self.give(Event::PeerAuthenticator { peer, epoch, authenticator }).await
    }

    /// Gives any command. When it returns, the participant has taken it, and what that made durable is stored. It waits
    /// until the relay is [ready](crate::Relay::ready) for the first time.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command(&self, command: Command) -> Result<(), CommandError> {
        self.give(command.into()).await
    }

    async fn give(&self, event: Event) -> Result<(), CommandError> {
        let (done, outcome) = oneshot::channel();
        match self.requests.try_send(Request { event, done }) {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(self.stopped())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(CommandError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> CommandError {
        match self.status.borrow().phase {
            Phase::Ended => CommandError::Ended,
            _ => CommandError::Stopped,
        }
    }

    /// Watches where the participant is.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Watches the keys of media: what to open and to seal with ([`MediaTrack`](crate::MediaTrack)). The ring holds
    /// the keys of an epoch before [`Notice::Epoch`](moq_mls::Notice::Epoch) is reported.
    pub fn media_keys(&self) -> watch::Receiver<Arc<EpochKeyRing>> {
        self.keys.clone()
    }

    /// Returns where media says what it opens.
    pub fn media_signs(&self) -> MediaSigns {
        MediaSigns::new(self.signs.clone())
    }

    /// Waits until the driver has ended: by [`shutdown`](Self::shutdown), or as the participant has left or was removed.
    ///
    /// # Errors
    /// [`DriverError`] if it ended for another reason.
    pub async fn ended(&self) -> Result<(), Arc<DriverError>> {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        end.unwrap_or_else(|| Err(Arc::new(DriverError::Aborted)))
    }

    /// Ends the driver without leaving the group: what is being published goes out, for [`Options::grace`] at most. Then
    /// the sessions are closed. Started again from its store, the participant goes on.
    ///
    /// # Errors
    /// [`DriverError`] if it ended for another reason.
    ///
    /// [`Options::grace`]: crate::Options::grace
    pub async fn shutdown(&self) -> Result<(), Arc<DriverError>> {
        self.stop.notify_one();
        self.ended().await
    }
}
