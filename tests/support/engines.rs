//! Engines over real MLS for the tests.

use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::mls::MlsEngine;

pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// An embedder can name its client's configuration, and so the engine.
pub type BasicConfig<P> = WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<P, BaseConfig>>;
pub type BasicEngine<P> = MlsEngine<BasicConfig<P>>;
pub type TestEngine = BasicEngine<RustCryptoProvider>;

/// A device of the person `name`, with a key of its own.
pub fn basic<P>(name: &str, crypto: P) -> BasicEngine<P>
where
    P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static,
{
    MlsEngine::new(&basic_client(name, crypto.clone()), &crypto).unwrap()
}

pub fn basic_client<P>(name: &str, crypto: P) -> Client<BasicConfig<P>>
where
    P: CryptoProvider + Clone,
{
    client_of(SUITE, name, crypto)
}

/// As [`basic`], of another cipher suite.
pub fn basic_of<P>(kind: CipherSuite, name: &str, crypto: P) -> BasicEngine<P>
where
    P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static,
{
    MlsEngine::new(&client_of(kind, name, crypto.clone()), &crypto).unwrap()
}

fn client_of<P>(kind: CipherSuite, name: &str, crypto: P) -> Client<BasicConfig<P>>
where
    P: CryptoProvider + Clone,
{
    let key = crypto.cipher_suite_provider(kind).unwrap().signature_key_generate().unwrap();
    client_with(kind, key, name, crypto)
}

/// A signature key, secret and public.
pub type Key = (SignatureSecretKey, SignaturePublicKey);

fn client_with<P>(kind: CipherSuite, (secret, public): Key, name: &str, crypto: P) -> Client<BasicConfig<P>>
where
    P: CryptoProvider + Clone,
{
    let identity =
        SigningIdentity::new(BasicCredential::new(name.as_bytes().to_vec()).into_credential(), public);
    Client::builder()
        .crypto_provider(crypto)
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, kind)
        .build()
}

pub fn engine(name: &str) -> TestEngine {
    basic(name, RustCryptoProvider::default())
}

/// An engine of a client that may have others.
pub fn engine_of(client: &Client<BasicConfig<RustCryptoProvider>>) -> TestEngine {
    MlsEngine::new(client, &RustCryptoProvider::default()).unwrap()
}

pub fn key() -> Key {
    let suite = RustCryptoProvider::default().cipher_suite_provider(SUITE).unwrap();
    suite.signature_key_generate().unwrap()
}

/// A client that has `key` and says that its name is `name`.
pub fn engine_with(key: &Key, name: &str) -> TestEngine {
    let crypto = RustCryptoProvider::default();
    MlsEngine::new(&client_with(SUITE, key.clone(), name, crypto.clone()), &crypto).unwrap()
}
