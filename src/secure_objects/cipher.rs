//! What a crypto library must do for Secure Objects.

use crate::engine::EngineError;
use crate::secret::Secret;
use crate::secure_objects::suite::{Digest, Suite};

/// Nn: bytes of a nonce, in every suite.
pub const NONCE_LEN: usize = 12;

/// The cipher failed, or a tag does not verify; deliberately without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AEAD failure")]
pub struct AeadError;

/// A crypto library: [`mls::MlsCiphers`](crate::mls::MlsCiphers) over the MLS crypto provider, and
/// `aws_lc::AwsLc` with feature `aws-lc`.
pub trait Ciphers {
    /// HKDF-Extract (RFC 5869).
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] without this digest, or any failure of the library.
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError>;

    /// HKDF-Expand (RFC 5869) to `len` bytes.
    ///
    /// # Errors
    /// As [`hkdf_extract`](Self::hkdf_extract).
    fn hkdf_expand(&self, digest: Digest, prk: &[u8], info: &[u8], len: usize)
    -> Result<Secret, EngineError>;

    /// Prepares a key of [`Suite::key_len`] bytes; `None` for a suite that the library lacks.
    ///
    /// # Errors
    /// [`AeadError`] for a key that it does not take.
    fn aead(&self, suite: Suite, key: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError>;
}

/// A prepared key. In place: the output takes the place of the input and has its length.
pub trait Aead: Send + Sync {
    /// Encrypts `in_out` and writes the tag of [`Suite::tag_len`] bytes.
    ///
    /// # Errors
    /// [`AeadError`]; `in_out` is then worth nothing.
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), AeadError>;

    /// Verifies `tag`, [`Suite::tag_len`] bytes long, in constant time, and decrypts `in_out`.
    ///
    /// # Errors
    /// [`AeadError`]; `in_out` is then worth nothing.
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AeadError>;
}
