//! Where a participant's durable state goes.

mod file;
mod memory;
mod sealed;

use std::error::Error;
use std::io;

use moq_mls::snapshot::Snapshot;

pub use self::file::FileStore;
pub use self::memory::MemoryStore;
pub use self::sealed::{Sealed, SealingKey};

/// Keeps the last snapshot of one participant.
///
/// A snapshot holds private keys: wrap a store in [`Sealed`] unless its medium is encrypted. Two processes must never
/// run one snapshot at the same time; [`FileStore`] sees to that with a lock.
pub trait Store: Send + Sync + 'static {
    /// Reads the snapshot that was stored last; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`]; the driver does not start then.
    fn load(&self) -> impl Future<Output = Result<Option<Snapshot>, StoreError>> + Send;

    /// Replaces the snapshot. It must be durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the driver ends then, and nothing that depends on this snapshot leaves.
    fn store(&self, snapshot: Snapshot) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Why the state cannot be read or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system failed.
    #[error("storage: {0}")]
    Io(io::Error),
    /// Another process holds the state.
    #[error("another process uses this state")]
    InUse,
    /// What was read was not sealed with this key, or was changed.
    #[error("the stored state does not open with this key")]
    NotSealedByThisKey,
    /// Nothing came back in time.
    #[error("the store does not answer")]
    TimedOut,
    /// Another failure, of a store that is not of this crate.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
