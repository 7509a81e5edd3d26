//! Who a participant is: a cipher suite, a signature key and a credential.

use bytes::Bytes;
use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::EngineError;
use moq_mls::mls::MlsEngine;
use zeroize::Zeroizing;

use crate::error::Error;

/// The engine of a participant: MLS over RustCrypto, with basic credentials.
pub(crate) type Engine = MlsEngine<
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<RustCryptoProvider, BaseConfig>>,
>;

/// A cipher suite, a signature key and a basic credential.
///
/// A participant that is restored needs the same identity. So store [`secret_key`](Self::secret_key), sealed, beside
/// the snapshots.
#[derive(Clone)]
pub struct Identity {
    suite: CipherSuite,
    name: Bytes,
    secret: SignatureSecretKey,
    public: SignaturePublicKey,
}

fn provider(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    EngineError::Provider(Box::new(error)).into()
}

fn suite_provider(suite: u16) -> Result<<RustCryptoProvider as CryptoProvider>::CipherSuiteProvider, Error> {
    RustCryptoProvider::default()
        .cipher_suite_provider(CipherSuite::from(suite))
        .ok_or(Error::Unsupported("this MLS cipher suite"))
}

impl Identity {
    /// Generates a signature key. `suite` is an MLS cipher suite: 1, 2, 3 or 7; `name` is the identity of the basic
    /// credential.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another suite; a failure of the provider.
    pub fn generate(suite: u16, name: impl Into<Bytes>) -> Result<Self, Error> {
        let crypto = suite_provider(suite)?;
        let (secret, public) = crypto.signature_key_generate().map_err(provider)?;
        Ok(Self { suite: suite.into(), name: name.into(), secret, public })
    }

    /// Takes back a key that [`secret_key`](Self::secret_key) returned.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another suite; a failure of the provider, which does not take the key.
    pub fn from_secret_key(suite: u16, name: impl Into<Bytes>, secret: &[u8]) -> Result<Self, Error> {
        let crypto = suite_provider(suite)?;
        let secret = SignatureSecretKey::from(secret.to_vec());
        let public = crypto.signature_key_derive_public(&secret).map_err(provider)?;
        Ok(Self { suite: suite.into(), name: name.into(), secret, public })
    }

    /// Returns the signature private key, as the provider encodes it.
    pub fn secret_key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.secret.as_ref().to_vec())
    }

    /// Returns the signature public key.
    pub fn public_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    /// Makes the engine of a participant.
    pub(crate) fn engine(&self) -> Result<Engine, Error> {
        let crypto = RustCryptoProvider::default();
        let credential = BasicCredential::new(self.name.to_vec()).into_credential();
        let identity = SigningIdentity::new(credential, self.public.clone());
        let client = Client::builder()
            .crypto_provider(crypto.clone())
            .identity_provider(BasicIdentityProvider)
            .signing_identity(identity, self.secret.clone(), self.suite)
            .build();
        Ok(MlsEngine::new(&client, &crypto)?)
    }
}
