//! The few primitives the engine itself calls, behind one object: an [`mls_rs::Client`] does not
//! give its crypto provider back.

use mls_rs::crypto::{HpkePublicKey, SignaturePublicKey};
use mls_rs::error::{IntoAnyError, MlsError};
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider, MlsMessage};

use crate::engine::{EngineError, Kdf, Rejection, TREE_KEY_LEN};
use crate::mls::error::{Stop, invalid, provider};
use crate::secret::Secret;

pub(super) trait Primitives: Kdf {
    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError>;
    fn verify_ed25519(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool;
    fn key_package_ref(&self, message: &MlsMessage) -> Result<Vec<u8>, Stop>;
    /// Whether the provider takes a public key of the group's cipher suite.
    fn check_kem_key(&self, key: &HpkePublicKey) -> Result<(), Rejection>;
    /// Whether the provider seals something to a key.
    fn seals_to(&self, key: &HpkePublicKey) -> bool;
    fn random(&self) -> Result<u64, EngineError>;
    /// A fresh key for [`Self::seal`], to be used once.
    fn tree_key(&self) -> Result<Secret, EngineError>;
    /// AES-128-GCM with a zero nonce.
    fn seal(&self, key: &Secret, data: &[u8]) -> Result<Vec<u8>, EngineError>;
    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Vec<u8>, Rejection>;
}

/// A key that seals one thing needs no nonce.
const ZERO_NONCE: [u8; 12] = [0; 12];

/// The suites, looked up once: a provider may build one from scratch on every call.
pub(super) struct Suites<S> {
    sha256: S,
    ed25519: Option<S>,
    group: S,
}

impl<S: CipherSuiteProvider> Suites<S> {
    pub(super) fn new<P>(provider: &P, group: CipherSuite) -> Result<Self, EngineError>
    where
        P: CryptoProvider<CipherSuiteProvider = S>,
    {
        let suite = |s| provider.cipher_suite_provider(s);
        Ok(Self {
            sha256: suite(CipherSuite::CURVE25519_AES128)
                .or_else(|| suite(CipherSuite::P256_AES128))
                .ok_or(EngineError::Unsupported("no cipher suite with SHA-256"))?,
            ed25519: suite(CipherSuite::CURVE25519_AES128).or_else(|| suite(CipherSuite::CURVE25519_CHACHA)),
            group: suite(group)
                .ok_or(EngineError::Unsupported("the crypto provider lacks the client's cipher suite"))?,
        })
    }
}

impl<S: CipherSuiteProvider> Primitives for Suites<S> {
    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        let digest =
            self.sha256.hash(data).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))?;
        digest.try_into().map_err(|_| EngineError::Unsupported("a SHA-256 that is not 32 bytes"))
    }

    fn verify_ed25519(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let key = SignaturePublicKey::new_slice(key);
        self.ed25519.as_ref().is_some_and(|s| s.verify(&key, signature, message).is_ok())
    }

    fn key_package_ref(&self, message: &MlsMessage) -> Result<Vec<u8>, Stop> {
        let reference = message.key_package_reference(&self.group).map_err(|error| match error {
            // All that is asked of the provider is a hash, which no message can make fail.
            MlsError::CryptoProviderError(_) => provider(error).into(),
            error => invalid(error),
        })?;
        Ok(reference.map(|r| r.to_vec()).ok_or(Rejection::Malformed)?)
    }

    fn check_kem_key(&self, key: &HpkePublicKey) -> Result<(), Rejection> {
        let checked = self.group.kem_public_key_validate(key);
        checked.map_err(|e| Rejection::Invalid(Box::new(e.into_any_error())))
    }

    fn seals_to(&self, key: &HpkePublicKey) -> bool {
        self.group.hpke_seal(key, &[], None, &[0; 32]).is_ok()
    }

    fn random(&self) -> Result<u64, EngineError> {
        let mut bytes = [0; 8];
        let drawn = self.sha256.random_bytes(&mut bytes);
        drawn.map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn tree_key(&self) -> Result<Secret, EngineError> {
        let key = self.sha256.random_bytes_vec(TREE_KEY_LEN);
        key.map(Secret::new).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn seal(&self, key: &Secret, data: &[u8]) -> Result<Vec<u8>, EngineError> {
        let sealed = self.sha256.aead_seal(key.as_bytes(), data, None, &ZERO_NONCE);
        sealed.map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Vec<u8>, Rejection> {
        // The provider's error is what a wrong ciphertext looks like.
        let opened = self.sha256.aead_open(key.as_bytes(), sealed, None, &ZERO_NONCE);
        opened.map(|data| data.to_vec()).map_err(|e| Rejection::Invalid(Box::new(e.into_any_error())))
    }
}

impl<S: CipherSuiteProvider> Kdf for Suites<S> {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        let prk = self.group.kdf_extract(salt, ikm);
        prk.map(|s| Secret::new(s.to_vec())).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError> {
        let out = self.group.kdf_expand(prk, info, len);
        out.map(|s| Secret::new(s.to_vec())).map_err(|e| EngineError::Provider(Box::new(e.into_any_error())))
    }

    fn hash_len(&self) -> usize {
        self.group.kdf_extract_size()
    }

    // Both suites that have SHA-256 here have AES-128-GCM.
}
