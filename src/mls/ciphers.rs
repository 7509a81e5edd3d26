//! Secure Objects with what the MLS crypto provider has: suite 0x0004, allocating, the raw key each call.

use mls_rs::error::IntoAnyError;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};

use crate::engine::EngineError;
use crate::secret::Secret;
use crate::secure_objects::{Aead, AeadError, Ciphers, Digest, NONCE_LEN, Suite};

/// [`Ciphers`] over an MLS crypto provider: [`Suite::Aes128Gcm`] only, and with copies. For interoperability
/// without another dependency; where speed counts, take feature `aws-lc`.
#[derive(Clone, Debug)]
pub struct MlsCiphers<S>(S);

impl<S: CipherSuiteProvider> MlsCiphers<S> {
    /// The ciphers of `provider`, whatever the group's own cipher suite is.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] if it has no MLS cipher suite with AES-128-GCM and SHA-256.
    pub fn new<P: CryptoProvider<CipherSuiteProvider = S>>(provider: &P) -> Result<Self, EngineError> {
        [CipherSuite::CURVE25519_AES128, CipherSuite::P256_AES128]
            .into_iter()
            .find_map(|suite| provider.cipher_suite_provider(suite))
            .map(Self)
            .ok_or(EngineError::Unsupported("no cipher suite with AES-128-GCM and SHA-256"))
    }
}

fn sha256(digest: Digest) -> Result<(), EngineError> {
    match digest {
        Digest::Sha256 => Ok(()),
        Digest::Sha512 => Err(EngineError::Unsupported("SHA-512 over an MLS suite with SHA-256")),
    }
}

impl<S: CipherSuiteProvider + Clone + 'static> Ciphers for MlsCiphers<S> {
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        sha256(digest)?;
        let prk = self.0.kdf_extract(salt, ikm);
        prk.map(|s| Secret::new(s.to_vec())).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn hkdf_expand(
        &self,
        digest: Digest,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        sha256(digest)?;
        let out = self.0.kdf_expand(prk, info, len);
        out.map(|s| Secret::new(s.to_vec())).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn aead(&self, suite: Suite, key: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError> {
        let has = suite == Suite::Aes128Gcm && self.0.aead_key_size() == key.len();
        Ok(has.then(|| Box::new(MlsAead { suite: self.0.clone(), key: key.clone() }) as Box<dyn Aead>))
    }
}

struct MlsAead<S> {
    suite: S,
    key: Secret,
}

impl<S: CipherSuiteProvider> Aead for MlsAead<S> {
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), AeadError> {
        let sealed = self.suite.aead_seal(self.key.as_bytes(), in_out, Some(aad), nonce);
        let sealed = sealed.map_err(|_| AeadError)?;
        let (text, made) = sealed.split_at_checked(in_out.len()).ok_or(AeadError)?;
        if made.len() != tag.len() {
            return Err(AeadError);
        }
        in_out.copy_from_slice(text);
        tag.copy_from_slice(made);
        Ok(())
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AeadError> {
        let sealed = [in_out, tag].concat();
        let opened = self.suite.aead_open(self.key.as_bytes(), &sealed, Some(aad), nonce);
        let opened = opened.map_err(|_| AeadError)?;
        if opened.len() != in_out.len() {
            return Err(AeadError);
        }
        in_out.copy_from_slice(&opened);
        Ok(())
    }
}
