//! Events of the core in those of the boundary and back, to the last one.

use std::time::Duration;

use moq_mls::action::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use moq_mls::counter::{CommitReply, IncrementReply, LockReply};
use moq_mls::{Command, Event as CoreEvent, Failure as CoreFailure, JoinRequest, Timestamp};

use super::Event;
use crate::codes::{Failure, RequestKind};
use crate::error::Error;
use crate::values::{group_bytes, millis, sender_bytes, to_group, to_sender};

fn to_failure(failure: Failure, code: u64) -> CoreFailure {
    match failure {
        Failure::NotSent => CoreFailure::NotSent,
        Failure::Unknown => CoreFailure::Unknown,
        Failure::Refused => CoreFailure::Refused(code),
    }
}

impl TryFrom<Event> for CoreEvent {
    type Error = Error;

    fn try_from(event: Event) -> Result<Self, Error> {
        let lock = |id, reply| Self::LockReply { id: LockRequestId(id), reply: Ok(reply) };
        let increment = |id, reply| Self::IncrementReply { id: IncrementRequestId(id), reply: Ok(reply) };
        let commit = |id, reply| Self::CommitReply { id: CommitRequestId(id), reply: Ok(reply) };
        Ok(match event {
            Event::Join => Command::Join.into(),
            Event::Admit { sender, credential, key_package_ref, replacing } => {
                let expected = JoinRequest::expected(to_sender(sender)?, credential.into());
                let request = match key_package_ref {
                    Some(reference) => expected.seen_by(reference),
                    None => expected,
                };
                Command::Admit { request, replacing: replacing.map(to_sender).transpose()? }.into()
            }
            Event::Refuse { sender } => Command::Refuse(to_sender(sender)?).into(),
            Event::Add { key_package } => Command::Add(key_package).into(),
            Event::Remove { sender } => Command::Remove(to_sender(sender)?).into(),
            Event::Gone { sender } => Command::Gone(to_sender(sender)?).into(),
            Event::Update => Command::Update.into(),
            Event::Follow { group } => Command::Follow(to_group(group)?).into(),
            Event::Leave => Command::Leave.into(),
            Event::Object(object) => Self::Object(object.try_into()?),
            Event::Subscribed { id } => Self::SubscribeReply { id: SubscribeId(id), reply: Ok(()) },
            Event::Published { id } => Self::PublishReply { id: PublishId(id), reply: Ok(()) },
            Event::Fetched { id, objects } => {
                let objects = objects.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
                Self::FetchReply { id: FetchId(id), reply: Ok(objects) }
            }
            Event::LockGranted { id, lock_id, expires_in_ms } => {
                lock(id, LockReply::Ok { lock_id, expires_in: Duration::from_millis(expires_in_ms) })
            }
            Event::LockConflict { id, retry_later_ms } => {
                lock(id, LockReply::Conflict { retry_later: Duration::from_millis(retry_later_ms) })
            }
            Event::LockCounterError { id, state } => lock(id, LockReply::CounterError(state.try_into()?)),
            Event::LockRefused { id, reason } => lock(id, LockReply::Error(reason.into())),
            Event::Incremented { id, state } => increment(id, IncrementReply::Ok(state.try_into()?)),
            Event::IncrementCounterError { id, state } => {
                increment(id, IncrementReply::CounterError(state.try_into()?))
            }
            Event::IncrementWrongKey { id, state } => {
                increment(id, IncrementReply::WrongKey(state.try_into()?))
            }
            Event::IncrementRefused { id, reason } => increment(id, IncrementReply::Error(reason.into())),
            Event::CommitFound { id, state, commit: payload } => {
                commit(id, CommitReply::Found { state: state.try_into()?, commit: payload })
            }
            Event::CommitCounterError { id, state } => {
                commit(id, CommitReply::CounterError(state.try_into()?))
            }
            Event::CommitRefused { id, reason } => commit(id, CommitReply::Error(reason.into())),
            Event::Failed { request, id, failure, code } => failed(request, id, to_failure(failure, code)),
            Event::PeerAuthenticator { peer, epoch, authenticator } => {
                Self::PeerAuthenticator { peer: to_sender(peer)?, epoch, authenticator }
            }
            Event::MediaOpened { peer, epoch } => Self::MediaOpened { peer: to_sender(peer)?, epoch },
            Event::MediaAhead { epoch } => Self::MediaAhead { epoch },
            Event::ServiceTime { time_ms } => Self::ServiceTime(Timestamp::from_millis(time_ms)),
            Event::RetryAfter { wait_ms } => Self::RetryAfter(Duration::from_millis(wait_ms)),
            Event::Timer => Self::Timer,
        })
    }
}

fn failed(request: RequestKind, id: u64, failure: CoreFailure) -> CoreEvent {
    match request {
        RequestKind::Subscribe => CoreEvent::SubscribeReply { id: SubscribeId(id), reply: Err(failure) },
        RequestKind::Publish => CoreEvent::PublishReply { id: PublishId(id), reply: Err(failure) },
        RequestKind::Fetch => CoreEvent::FetchReply { id: FetchId(id), reply: Err(failure) },
        RequestKind::Lock => CoreEvent::LockReply { id: LockRequestId(id), reply: Err(failure) },
        RequestKind::Increment => {
            CoreEvent::IncrementReply { id: IncrementRequestId(id), reply: Err(failure) }
        }
        RequestKind::GetCommit => CoreEvent::CommitReply { id: CommitRequestId(id), reply: Err(failure) },
    }
}

fn from_failure(request: RequestKind, id: u64, failure: CoreFailure) -> Event {
    let (failure, code) = match failure {
        CoreFailure::NotSent => (Failure::NotSent, 0),
        CoreFailure::Unknown => (Failure::Unknown, 0),
        CoreFailure::Refused(code) => (Failure::Refused, code),
    };
    Event::Failed { request, id, failure, code }
}

impl From<Command> for Event {
    fn from(command: Command) -> Self {
        match command {
            Command::Join => Self::Join,
            Command::Admit { request, replacing } => Self::Admit {
                sender: sender_bytes(request.sender()),
                credential: request.credential().clone().into(),
                key_package_ref: request.key_package_ref().cloned(),
                replacing: replacing.as_ref().map(sender_bytes),
            },
            Command::Refuse(sender) => Self::Refuse { sender: sender_bytes(&sender) },
            Command::Add(key_package) => Self::Add { key_package },
            Command::Remove(sender) => Self::Remove { sender: sender_bytes(&sender) },
            Command::Gone(sender) => Self::Gone { sender: sender_bytes(&sender) },
            Command::Update => Self::Update,
            Command::Follow(group) => Self::Follow { group: group_bytes(&group) },
            Command::Leave => Self::Leave,
        }
    }
}

impl From<CoreEvent> for Event {
    fn from(core: CoreEvent) -> Self {
        match core {
            CoreEvent::Command(command) => command.into(),
            CoreEvent::Object(object) => Self::Object(object.into()),
            CoreEvent::SubscribeReply { id: SubscribeId(id), reply } => match reply {
                Ok(()) => Self::Subscribed { id },
                Err(failure) => from_failure(RequestKind::Subscribe, id, failure),
            },
            CoreEvent::PublishReply { id: PublishId(id), reply } => match reply {
                Ok(()) => Self::Published { id },
                Err(failure) => from_failure(RequestKind::Publish, id, failure),
            },
            CoreEvent::FetchReply { id: FetchId(id), reply } => match reply {
                Ok(objects) => Self::Fetched { id, objects: objects.into_iter().map(Into::into).collect() },
                Err(failure) => from_failure(RequestKind::Fetch, id, failure),
            },
            CoreEvent::LockReply { id: LockRequestId(id), reply } => match reply {
                Ok(LockReply::Ok { lock_id, expires_in }) => {
                    Self::LockGranted { id, lock_id, expires_in_ms: millis(expires_in) }
                }
                Ok(LockReply::Conflict { retry_later }) => {
                    Self::LockConflict { id, retry_later_ms: millis(retry_later) }
                }
                Ok(LockReply::CounterError(state)) => Self::LockCounterError { id, state: state.into() },
                Ok(LockReply::Error(reason)) => Self::LockRefused { id, reason: reason.into() },
                Err(failure) => from_failure(RequestKind::Lock, id, failure),
            },
            CoreEvent::IncrementReply { id: IncrementRequestId(id), reply } => match reply {
                Ok(IncrementReply::Ok(state)) => Self::Incremented { id, state: state.into() },
                Ok(IncrementReply::CounterError(state)) => {
                    Self::IncrementCounterError { id, state: state.into() }
                }
                Ok(IncrementReply::WrongKey(state)) => Self::IncrementWrongKey { id, state: state.into() },
                Ok(IncrementReply::Error(reason)) => Self::IncrementRefused { id, reason: reason.into() },
                Err(failure) => from_failure(RequestKind::Increment, id, failure),
            },
            CoreEvent::CommitReply { id: CommitRequestId(id), reply } => match reply {
                Ok(CommitReply::Found { state, commit }) => {
                    Self::CommitFound { id, state: state.into(), commit }
                }
                Ok(CommitReply::CounterError(state)) => Self::CommitCounterError { id, state: state.into() },
                Ok(CommitReply::Error(reason)) => Self::CommitRefused { id, reason: reason.into() },
                Err(failure) => from_failure(RequestKind::GetCommit, id, failure),
            },
            CoreEvent::PeerAuthenticator { peer, epoch, authenticator } => {
                Self::PeerAuthenticator { peer: sender_bytes(&peer), epoch, authenticator }
            }
            CoreEvent::MediaOpened { peer, epoch } => Self::MediaOpened { peer: sender_bytes(&peer), epoch },
            CoreEvent::MediaAhead { epoch } => Self::MediaAhead { epoch },
            CoreEvent::ServiceTime(time) => Self::ServiceTime { time_ms: time.as_millis() },
            CoreEvent::RetryAfter(wait) => Self::RetryAfter { wait_ms: millis(wait) },
            CoreEvent::Timer => Self::Timer,
        }
    }
}
