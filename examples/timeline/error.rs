//! Why logs cannot be drawn.

/// Why logs cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimelineError {
    /// A file that is no log.
    #[error("{file}: line {line}: {what}")]
    NoLog {
        /// The file.
        file: String,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Logs of several groups.
    #[error("{first} is of the group {group:?}, and {second} of {other:?}: a page shows one group")]
    Groups {
        /// A file.
        first: String,
        /// Its group.
        group: String,
        /// Another file.
        second: String,
        /// Its group.
        other: String,
    },
    /// A log that was given twice.
    #[error("{first} and {second} are the same log")]
    Twice {
        /// A file.
        first: String,
        /// Another file.
        second: String,
    },
    /// Nothing to draw.
    #[error("there is no log to draw")]
    Nothing,
}
