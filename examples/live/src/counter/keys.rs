//! The service's crypto, and the key that signs its receipts.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use moq_mls::counter::service::ServiceCrypto;

/// AWS-LC's SHA-256, and Ed25519 for receipts.
pub struct Crypto(pub(super) Ed25519KeyPair);

impl ServiceCrypto for Crypto {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.0.sign(message).as_ref()))
    }
}

impl Crypto {
    /// Returns the public key that receipts verify under.
    pub fn public_key(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.public_key().as_ref())
    }
}

/// AWS-LC's SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, data).as_ref());
    hash
}

/// Makes a fresh key for receipts.
pub fn generate_key() -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::generate().map_err(|_| anyhow::anyhow!("cannot make a key"))
}

/// Reads the key from a file (PKCS #8), and makes it the first time: receipts must verify after a restart, and every
/// service over one store must sign with the same key. Of several services that start at once, one makes the file and
/// all have its key.
pub fn key_in_file(path: &Path) -> Result<Ed25519KeyPair> {
    if !path.exists() {
        let key = generate_key()?;
        let pkcs8 = key.to_pkcs8().map_err(|_| anyhow::anyhow!("cannot write a key"))?;
        moq_mls_tokio::create_private(path, pkcs8.as_ref())
            .with_context(|| format!("cannot make {}", path.display()))?;
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|e| anyhow::anyhow!("{}: no Ed25519 key: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that has another key than the first one makes receipts that members do not believe.
    #[test]
    fn services_that_start_at_once_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("{round}.key"));
            let start = std::sync::Barrier::new(8);
            let key = || {
                start.wait();
                Crypto(key_in_file(&path).unwrap()).public_key()
            };
            let mut keys: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(key)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            keys.dedup();
            assert_eq!(keys.len(), 1, "{keys:?}");
        }
    }
}
