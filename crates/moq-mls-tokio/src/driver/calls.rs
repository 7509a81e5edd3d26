//! Calls of the relay and the counter client that take a while: what they come to, and how long they may take.

use std::time::Duration;

use moq_mls::action::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId};
use moq_mls::counter::{CommitReply, IncrementReply, LockReply};
use moq_mls::tracks::FullTrackName;
use moq_mls::{Event, Failure, Object};
use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument, Span};

use super::panicked;
use crate::counter::{Answer, CounterError};
use crate::error::DriverError;
use crate::relay::RelayError;

/// What a call came to.
#[derive(Debug)]
pub(super) enum Done {
    Announced(Result<(), RelayError>),
    Published(PublishId, FullTrackName, Result<(), RelayError>),
    Fetched(FetchId, Result<Vec<Object>, RelayError>),
    Locked(LockRequestId, Answer<LockReply>),
    Incremented(IncrementRequestId, Answer<IncrementReply>),
    Read(CommitRequestId, Answer<CommitReply>),
}

/// Whose call it was, and why it failed if it did.
#[derive(Debug)]
pub(super) enum Health {
    Relay(Option<RelayError>),
    Counter(Option<CounterError>),
}

/// The waiting times of a call that is made again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) timeout: Duration,
    pub(super) backoff: (Duration, Duration),
}

impl Pace {
    /// Makes a call of the relay, for as long as it may take.
    pub(super) async fn once<T>(
        self,
        call: impl Future<Output = Result<T, RelayError>>,
    ) -> Result<T, RelayError> {
        let late = || Err(RelayError::unknown("the relay does not answer"));
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| late())
    }

    /// Makes a call of the relay up to `tries` times, and waits in between.
    pub(super) async fn repeated<T, F>(self, tries: u32, mut call: impl FnMut() -> F) -> Result<T, RelayError>
    where
        F: Future<Output = Result<T, RelayError>>,
    {
        let (mut wait, longest) = self.backoff;
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match self.once(call()).await {
                Err(error) if left > 0 => tracing::debug!(%error, "the relay; trying again"),
                done => return done,
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(longest);
        }
    }

    /// Makes a call of the counter client, for as long as it may take.
    pub(super) async fn ask<T>(self, span: Span, call: impl Future<Output = Answer<T>>) -> Answer<T> {
        let late = || CounterError::NoAnswer(format!("not within {:?}", self.timeout));
        let answer = tokio::time::timeout(self.timeout, call.instrument(span)).await;
        answer.unwrap_or_else(|_| Err(late()).into())
    }
}

/// Returns what a task came to; `None` of one that was ended from here.
pub(super) fn joined<T>(task: Result<T, JoinError>) -> Result<Option<T>, DriverError> {
    match task {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.is_panic() => Err(panicked(&*error.into_panic())),
        Err(_) => Ok(None),
    }
}

impl Done {
    /// Returns the events for the participant, in order, and how the called one is.
    pub(super) fn into_events(self) -> (Vec<Event>, Health) {
        match self {
            Self::Announced(reply) => (Vec::new(), Health::Relay(reply.err())),
            Self::Published(id, _, reply) => {
                let (reply, error) = split(reply);
                (vec![Event::PublishReply { id, reply }], Health::Relay(error))
            }
            Self::Fetched(id, reply) => {
                let (reply, error) = split(reply);
                (vec![Event::FetchReply { id, reply }], Health::Relay(error))
            }
            Self::Locked(id, answer) => answered(answer, |reply| Event::LockReply { id, reply }),
            Self::Incremented(id, answer) => answered(answer, |reply| Event::IncrementReply { id, reply }),
            Self::Read(id, answer) => answered(answer, |reply| Event::CommitReply { id, reply }),
        }
    }
}

pub(super) fn split<T>(reply: Result<T, RelayError>) -> (Result<T, Failure>, Option<RelayError>) {
    match reply {
        Ok(value) => (Ok(value), None),
        Err(error) => (Err(error.failure), Some(error)),
    }
}

/// What the headers state goes right before the reply.
fn answered<T>(answer: Answer<T>, event: impl FnOnce(Result<T, Failure>) -> Event) -> (Vec<Event>, Health) {
    let (reply, error) = match answer.reply {
        Ok(reply) => (Ok(reply), None),
        Err(error) => (Err(Failure::from(&error)), Some(error)),
    };
    let time = answer.service_time.map(Event::ServiceTime);
    let wait = answer.retry_after.map(Event::RetryAfter);
    let events = time.into_iter().chain(wait).chain([event(reply)]);
    (events.collect(), Health::Counter(error))
}

/// Waits for the next call that is done; for ever while there is none.
pub(super) async fn next(calls: &mut JoinSet<Done>) -> Result<Option<Done>, DriverError> {
    match calls.join_next().await {
        Some(done) => joined(done),
        None => std::future::pending().await,
    }
}
