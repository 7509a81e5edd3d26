//! The counter service, as a participant asks it.

mod failover;
#[cfg(feature = "http")]
mod http;

use std::time::Duration;

use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use moq_mls::{Failure, Timestamp};

pub use self::failover::Failover;
#[cfg(feature = "http")]
pub use self::http::{HttpCounter, HttpCounterError, HttpOptions};

/// A client of the counter service. [`HttpCounter`] is one.
///
/// The driver calls it from several tasks at once, and drops a call that takes too long. The participant repeats what
/// it needs.
pub trait CounterClient: Send + Sync + 'static {
    /// Asks for a lock.
    fn lock(&self, request: LockRequest) -> impl Future<Output = Answer<LockReply>> + Send;

    /// Asks to fill a slot.
    fn increment(&self, request: IncrementRequest) -> impl Future<Output = Answer<IncrementReply>> + Send;

    /// Asks which commit filled a slot.
    fn commit(&self, request: CommitRequest) -> impl Future<Output = Answer<CommitReply>> + Send;
}

/// An answer of the service, or none, with what its headers state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The reply.
    pub reply: Result<T, CounterError>,
    /// The time at the service ([`moq_mls::counter::http::decode_date`]).
    pub service_time: Option<Timestamp>,
    /// For how long the service asks to be left alone ([`moq_mls::counter::http::decode_retry_after`]).
    pub retry_after: Option<Duration>,
}

impl<T> From<Result<T, CounterError>> for Answer<T> {
    fn from(reply: Result<T, CounterError>) -> Self {
        Self { reply, service_time: None, retry_after: None }
    }
}

/// Why there is no answer of the counter service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CounterError {
    /// The request certainly had no effect.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// The request may have had its effect.
    #[error("the counter service does not answer: {0}")]
    NoAnswer(String),
    /// What answers at this address is not a counter service: a web site, a login page or a redirect.
    #[error("{address} is not a counter service: {what}")]
    NotCounterService {
        /// The base address.
        address: String,
        /// What it answered.
        what: String,
    },
}

impl From<&CounterError> for Failure {
    fn from(error: &CounterError) -> Self {
        match error {
            CounterError::NotSent(_) => Self::NotSent,
            // A proxy that answers for the service may have passed the request on before.
            CounterError::NoAnswer(_) | CounterError::NotCounterService { .. } => Self::Unknown,
        }
    }
}
