//! A participant's identity key in a file.

use std::fmt;
use std::io;
use std::path::Path;

use mls_rs::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs::error::IntoAnyError;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use zeroize::Zeroizing;

use crate::private_file::{create_private, make_private_folder, read_if_any};

/// The signature key that a participant is known by: its SenderId is the hash of the public part.
///
/// Keep it for as long as the participant exists, apart from its snapshots: with the key alone it joins again and
/// takes its old leaf.
#[derive(Clone)]
pub struct IdentityKey {
    secret: SignatureSecretKey,
    public: SignaturePublicKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file system failed.
    #[error("key file: {0}")]
    Io(io::Error),
    /// The file does not hold a key of this kind.
    #[error("the key file is damaged, or holds a key of another kind")]
    Damaged,
    /// The crypto provider lacks the cipher suite.
    #[error("the crypto provider does not have the cipher suite")]
    Unsupported,
    /// The crypto provider failed.
    #[error("the crypto provider failed: {0}")]
    Provider(String),
}

impl From<io::Error> for KeyFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl IdentityKey {
    /// Makes a key that is kept nowhere, for a participant that ends with its process.
    ///
    /// # Errors
    /// [`KeyFileError::Unsupported`], [`KeyFileError::Provider`].
    pub fn generate<C: CryptoProvider>(crypto: &C, suite: CipherSuite) -> Result<Self, KeyFileError> {
        let suite = crypto.cipher_suite_provider(suite).ok_or(KeyFileError::Unsupported)?;
        let (secret, public) = suite
            .signature_key_generate()
            .map_err(|e| KeyFileError::Provider(e.into_any_error().to_string()))?;
        Ok(Self { secret, public })
    }

    /// Reads the key from a file, and makes it the first time, readable by its owner only. Makes the folder too, with
    /// mode 0700. Blocks for as long as the file system takes.
    ///
    /// # Errors
    /// [`KeyFileError`]. A key of another cipher suite is [`KeyFileError::Damaged`].
    pub fn in_file<C: CryptoProvider>(
        path: &Path,
        crypto: &C,
        suite: CipherSuite,
    ) -> Result<Self, KeyFileError> {
        if read_if_any(path)?.is_none() {
            if let Some(folder) = path.parent() {
                make_private_folder(folder)?;
            }
            let Self { secret, public } = Self::generate(crypto, suite)?;
            let text = format!("{} {}\n", hex::encode(secret.as_bytes()), hex::encode(public.as_bytes()));
            create_private(path, Zeroizing::new(text).as_bytes())?;
        }
        let suite = crypto.cipher_suite_provider(suite).ok_or(KeyFileError::Unsupported)?;
        let text = Zeroizing::new(read_if_any(path)?.ok_or(KeyFileError::Damaged)?);
        let text = std::str::from_utf8(&text).map_err(|_| KeyFileError::Damaged)?;
        let (secret, public) = text.trim().split_once(' ').ok_or(KeyFileError::Damaged)?;
        let decode = |text| hex::decode(text).map_err(|_| KeyFileError::Damaged);
        let secret = SignatureSecretKey::new(decode(secret)?);
        let public = SignaturePublicKey::new(decode(public)?);
        match suite.signature_key_derive_public(&secret) {
            Ok(derived) if derived == public => Ok(Self { secret, public }),
            _ => Err(KeyFileError::Damaged),
        }
    }

    /// Returns the secret part, for `mls_rs::client_builder::ClientBuilder::signing_identity`.
    pub fn secret(&self) -> &SignatureSecretKey {
        &self.secret
    }

    /// Returns the public part, for `mls_rs::identity::SigningIdentity`.
    pub fn public(&self) -> &SignaturePublicKey {
        &self.public
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", hex::encode(self.public.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use mls_rs_crypto_rustcrypto::RustCryptoProvider;

    use super::*;

    #[test]
    fn an_identity_is_made_once_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice/identity");
        let suite = CipherSuite::CURVE25519_AES128;
        let open = || IdentityKey::in_file(&path, &RustCryptoProvider::default(), suite);
        let key = open().unwrap();
        assert_eq!(open().unwrap().public(), key.public());
        let text = std::fs::read_to_string(&path).unwrap();
        // A public key that is not the secret's would make a participant that nobody believes.
        let digit = if text.contains(" 0") { " 1" } else { " 0" };
        let (secret, public) = text.split_once(' ').unwrap();
        std::fs::write(&path, format!("{secret}{digit}{}", &public[1..])).unwrap();
        assert!(matches!(open(), Err(KeyFileError::Damaged)));
    }
}
