//! How a driver ends, and how a command does.

use std::io;

use moq_mls::Misuse;

use crate::store::StoreError;

/// Why a driver ended, or did not start. Start it again from its store, but after [`Store`](Self::Store) find out first
/// what the store lacks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The state could not be read or made durable. What depends on it was not sent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The participant failed: its engine did, or its snapshot does not fit.
    #[error(transparent)]
    Participant(#[from] moq_mls::Error),
    /// The record of the run could not be written.
    #[error("record: {0}")]
    Record(io::Error),
    /// The driver, the relay, the counter client or the store panicked.
    #[error("panic: {0}")]
    Panicked(String),
    /// The runtime was shut down, or the [`Handle`](crate::Handle) was dropped.
    #[error("the driver was stopped")]
    Aborted,
}

/// Why a command had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many commands wait. Give it again later.
    #[error("too many commands wait")]
    Overloaded,
    /// The command does not fit the state of the participant.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The participant has left or was removed.
    #[error("the participant has ended")]
    Ended,
    /// The driver has ended; [`Handle::ended`](crate::Handle::ended) says why.
    #[error("the driver has ended")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::identity::KeyFileError;

    /// The texts of an error and of its sources, as loggers print them.
    fn chain(error: &dyn Error) -> String {
        let (mut text, mut source) = (error.to_string(), error.source());
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        text
    }

    #[test]
    fn the_cause_is_printed_once() {
        let io = || io::Error::other("disk full");
        let errors: [Box<dyn Error>; 4] = [
            Box::new(StoreError::from(io())),
            Box::new(DriverError::from(StoreError::from(io()))),
            Box::new(DriverError::Record(io())),
            Box::new(KeyFileError::from(io())),
        ];
        for error in errors {
            assert_eq!(chain(&*error).matches("disk full").count(), 1, "{}", chain(&*error));
        }
    }
}
