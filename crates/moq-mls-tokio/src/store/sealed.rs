//! Snapshots that are encrypted before they are stored.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, Generate, Key, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use moq_mls::snapshot::Snapshot;
use zeroize::Zeroizing;

use super::{Store, StoreError};
use crate::identity::KeyFileError;
use crate::private_file::{create_private, read_if_any};

/// What a sealed snapshot begins with, and what it is bound to.
const MAGIC: &[u8] = b"MQLS-XChaCha20Poly1305-1";
const NONCE: usize = 24;
const KEY: usize = 32;

/// The key that snapshots are sealed with, 32 bytes. `Debug` does not show it, and it is overwritten when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; KEY]>);

impl SealingKey {
    /// Takes a key, for example from the key store of the operating system.
    pub fn from_bytes(key: [u8; KEY]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Draws a key from the system's generator.
    pub fn generate() -> Self {
        Self(Zeroizing::new(Key::<XChaCha20Poly1305>::generate().into()))
    }

    /// Returns the bytes, to keep them elsewhere.
    pub fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Reads the key from a file, and makes it the first time, readable by its owner only.
    ///
    /// Keep that file on another medium than the snapshots. Beside them it keeps nobody out. Blocks for as long as the
    /// file system takes.
    ///
    /// # Errors
    /// [`KeyFileError::Io`]; [`KeyFileError::Damaged`] if the file does not hold 64 hexadecimal digits.
    pub fn in_file(path: &Path) -> Result<Self, KeyFileError> {
        if read_if_any(path)?.is_none() {
            let fresh = Zeroizing::new(hex::encode(*Self::generate().0));
            create_private(path, fresh.as_bytes())?;
        }
        let text = Zeroizing::new(read_if_any(path)?.ok_or(KeyFileError::Damaged)?);
        let mut key = Zeroizing::new([0; KEY]);
        hex::decode_to_slice(text.trim_ascii(), &mut key[..]).map_err(|_| KeyFileError::Damaged)?;
        Ok(Self(key))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

/// Seals every snapshot with XChaCha20-Poly1305 before another store keeps it.
///
/// Who can read that store learns the length of a snapshot, no more. Who can write to it can put an older snapshot
/// back; the participant notices that when it runs ([`Notice::Doubled`](moq_mls::Notice::Doubled)).
#[derive(Clone, Debug)]
pub struct Sealed<S> {
    store: S,
    key: SealingKey,
}

impl<S: Store> Sealed<S> {
    /// Wraps a store. A snapshot that is in it unsealed does not open.
    pub fn new(store: S, key: SealingKey) -> Self {
        Self { store, key }
    }

    /// Returns the store within.
    pub fn inner(&self) -> &S {
        &self.store
    }

    fn seal(&self, snapshot: &Snapshot) -> Result<Snapshot, StoreError> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: &snapshot.to_bytes(), aad: MAGIC };
        let sealed = self.key.cipher().encrypt(&nonce, payload);
        // It fails only for more than 256 GiB.
        let sealed = sealed.map_err(|error| StoreError::Other(error.to_string().into()))?;
        Ok(Snapshot::from_bytes([MAGIC, &nonce, &sealed].concat()))
    }

    fn open(&self, sealed: &Snapshot) -> Result<Snapshot, StoreError> {
        let bytes = sealed.to_bytes();
        let opened = bytes.strip_prefix(MAGIC).and_then(|rest| {
            let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
            let payload = Payload { msg: sealed, aad: MAGIC };
            self.key.cipher().decrypt(nonce.into(), payload).ok()
        });
        let opened = Zeroizing::new(opened.ok_or(StoreError::NotSealedByThisKey)?);
        Ok(Snapshot::from_bytes(Bytes::from_owner(opened)))
    }
}

impl<S: Store> Store for Sealed<S> {
    async fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        self.store.load().await?.map(|sealed| self.open(&sealed)).transpose()
    }

    async fn store(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.store.store(self.seal(&snapshot)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::*;

    #[tokio::test]
    async fn a_sealed_snapshot_opens_with_its_key_only() {
        let inner = MemoryStore::new();
        let store = Sealed::new(inner.clone(), SealingKey::generate());
        assert!(store.load().await.unwrap().is_none());
        store.store(Snapshot::from_bytes("a private key")).await.unwrap();
        assert_eq!(store.load().await.unwrap().unwrap().to_bytes(), "a private key");
        let kept = inner.snapshot().unwrap().to_bytes();
        assert!(!kept.windows(7).any(|part| part == b"private"));
        store.store(Snapshot::from_bytes("a private key")).await.unwrap();
        assert_ne!(inner.snapshot().unwrap().to_bytes(), kept, "a nonce came twice");

        let other = Sealed::new(inner.clone(), SealingKey::generate());
        assert!(matches!(other.load().await, Err(StoreError::NotSealedByThisKey)));
        let mut changed = kept.to_vec();
        changed[60] ^= 1;
        for bad in [changed, b"MQLS unsealed".to_vec(), kept[..30].to_vec()] {
            inner.store(Snapshot::from_bytes(bad)).await.unwrap();
            assert!(matches!(store.load().await, Err(StoreError::NotSealedByThisKey)));
        }
    }

    #[test]
    fn a_key_file_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let key = SealingKey::in_file(&path).unwrap();
        assert_eq!(SealingKey::in_file(&path).unwrap().as_bytes(), key.as_bytes());
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(SealingKey::in_file(&path), Err(KeyFileError::Damaged)));
    }
}
