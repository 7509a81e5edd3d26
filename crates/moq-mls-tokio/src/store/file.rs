//! The state in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use moq_mls::snapshot::Snapshot;
use zeroize::Zeroizing;

use super::{Store, StoreError};
use crate::private_file::{open_private_folder, read_if_any, refuse_link, write_private};

const SNAPSHOT: &str = "snapshot";
const LOCK: &str = "lock";

/// A participant's folder. One process holds it at a time, by a lock.
///
/// A snapshot is written to a file of its own, synced, and put in the place of the last one by rename; then the folder
/// is synced. So at any moment one of the two is whole. The folder is made with mode 0700 and its files with 0600.
/// Clones are the same folder.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Locked as long as it is open: two processes with one state would break each other's epochs.
    _lock: File,
}

impl FileStore {
    /// Opens the folder, and makes it if there is none. Blocks for as long as the file system takes. A folder that other
    /// users may enter is refused, and so are links.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process holds it, [`StoreError::Io`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        open_private_folder(&path)?;
        let at = path.join(LOCK);
        if at.is_symlink() {
            refuse_link(&at)?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(at)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self(Arc::new(Folder { path, _lock: lock }))),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Returns the folder's path. Other files may be kept in it, but for `snapshot` and `lock`.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Reads the last snapshot, and blocks the thread; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn load_blocking(&self) -> Result<Option<Snapshot>, StoreError> {
        let bytes = read_if_any(&self.0.path.join(SNAPSHOT))?;
        Ok(bytes.map(|bytes| Snapshot::from_bytes(Bytes::from_owner(Zeroizing::new(bytes)))))
    }

    /// Replaces the snapshot, and blocks the thread; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn store_blocking(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        Ok(write_private(&self.0.path.join(SNAPSHOT), snapshot.parts())?)
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The folder stays locked until the work is done, though the driver may be gone by then.
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        done.unwrap_or_else(|error| Err(StoreError::Other(Box::new(error))))
    }
}

impl Store for FileStore {
    async fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        self.off_the_runtime(Self::load_blocking).await
    }

    async fn store(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.off_the_runtime(move |this| this.store_blocking(&snapshot)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_snapshot_comes_back_and_one_process_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice");
        let store = FileStore::open(&path).unwrap();
        assert!(store.load().await.unwrap().is_none());
        for content in ["one", "two"] {
            store.store(Snapshot::from_bytes(content)).await.unwrap();
        }
        assert!(matches!(FileStore::open(&path), Err(StoreError::InUse)));
        drop(store);
        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.load().await.unwrap().unwrap().to_bytes(), "two");
        // A run that died while it wrote leaves half a file beside the whole one.
        std::fs::write(path.join("snapshot.new"), "hal").unwrap();
        assert_eq!(store.load().await.unwrap().unwrap().to_bytes(), "two");
    }
}
