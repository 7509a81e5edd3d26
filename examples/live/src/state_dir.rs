//! Durable bytes in a folder: who the participant is, its last snapshot, and how far it may have sent media.
//!
//! A snapshot replaces the last one by rename, after it was synced and before the folder is: at any
//! moment one of the two is whole. The files hold private keys and are readable by their owner only.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use moq_mls::snapshot::Snapshot;

const SNAPSHOT: &str = "snapshot";
const IDENTITY: &str = "identity";
const LOCK: &str = "lock";
const MEDIA: &str = "media";

/// A participant's folder, held by one process at a time.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Locked as long as it is open: two processes with one identity would break each other's epochs.
    _lock: File,
}

impl StateDir {
    /// Opens the folder, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let lock =
            File::create(path.join(LOCK)).with_context(|| format!("cannot write {}", path.display()))?;
        lock.try_lock().with_context(|| format!("{} is in use by another process", path.display()))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The last snapshot, if there is one.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        Ok(self.read(SNAPSHOT)?.map(Snapshot::from_bytes))
    }

    /// Replaces the snapshot; durable when this returns.
    pub fn store(&self, snapshot: &Snapshot) -> Result<()> {
        self.write(SNAPSHOT, snapshot.parts())
    }

    /// The identity: `(secret, public)` of the signature key; `make` is called the first time.
    pub fn identity(&self, make: impl FnOnce() -> Result<(Vec<u8>, Vec<u8>)>) -> Result<(Vec<u8>, Vec<u8>)> {
        if let Some(text) = self.read(IDENTITY)? {
            let text = String::from_utf8(text).context("damaged identity")?;
            let (secret, public) = text.trim().split_once(' ').context("damaged identity")?;
            return Ok((hex::decode(secret)?, hex::decode(public)?));
        }
        let (secret, public) = make()?;
        let text = format!("{} {}\n", hex::encode(&secret), hex::encode(&public));
        self.write(IDENTITY, &[text])?;
        Ok((secret, public))
    }

    /// Media sequences below this may have been used; 0 if none were.
    pub fn reserved(&self) -> Result<u64> {
        match self.read(MEDIA)? {
            Some(bytes) => Ok(u64::from_be_bytes(bytes.try_into().ok().context("damaged media state")?)),
            None => Ok(0),
        }
    }

    /// Reserves media sequences up to `end`; durable when this returns.
    pub fn reserve(&self, end: u64) -> Result<()> {
        self.write(MEDIA, &[end.to_be_bytes()])
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("cannot read {}/{name}", self.path.display())),
        }
    }

    fn write(&self, name: &str, parts: &[impl AsRef<[u8]>]) -> Result<()> {
        write_private(&self.path.join(name), parts)
    }
}

/// Writes a file of these parts that only its owner can read, whole or not at all, and durably.
pub fn write_private(path: &Path, parts: &[impl AsRef<[u8]>]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        for part in parts {
            file.write_all(part.as_ref())?;
        }
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        // The rename itself is durable once the folder is.
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
