//! A store that ends with the process.

use std::sync::{Arc, Mutex, PoisonError};

use moq_mls::snapshot::Snapshot;

use super::{Store, StoreError};

/// Keeps the snapshot in memory: for tests, and for participants that need not survive their process. Clones are the
/// same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Option<Snapshot>>>);

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the snapshot that was stored last.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for MemoryStore {
    async fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.snapshot())
    }

    async fn store(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        Ok(())
    }
}
