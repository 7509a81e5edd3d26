//! The log that an engine's answers go into.

use std::sync::{Arc, Mutex, PoisonError};

use crate::recording::format::Secrets;
use crate::recording::json::Object as Json;

/// Where a [`RecordedEngine`](crate::recording::RecordedEngine) leaves its answers for a [`Recorder`](crate::recording::Recorder). Clones are one log.
#[derive(Clone, Debug)]
pub struct AnswerLog {
    pub(super) secrets: Secrets,
    /// Write keys of tree objects as they are: they were hashed when the log was written.
    pub(super) hashed: bool,
    waiting: Arc<Mutex<String>>,
}

impl AnswerLog {
    /// An empty log, which keeps secrets to itself or not.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, hashed: false, waiting: Arc::default() }
    }

    /// Whether secrets are in it.
    pub fn secrets(&self) -> Secrets {
        self.secrets
    }

    /// A log for the replay of one, whose hashes are already what it shows.
    #[cfg(feature = "testing")]
    pub(crate) fn replaying(self) -> Self {
        Self { hashed: true, ..self }
    }

    /// Adds a line.
    pub(super) fn push(&self, line: Json) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_str(&line.finish());
        waiting.push('\n');
    }

    /// The lines since the last call.
    pub(super) fn take(&self) -> String {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
