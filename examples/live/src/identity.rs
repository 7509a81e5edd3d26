//! Who a participant is: an Ed25519 key and a basic credential with its name.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use mls_rs::client_builder::MlsConfig;
use mls_rs::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::tracks::SenderId;

/// The cipher suite of every group here.
pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// A fresh signature key: `(secret, public)`.
pub fn generate() -> Result<(Vec<u8>, Vec<u8>)> {
    let suite =
        AwsLcCryptoProvider::default().cipher_suite_provider(SUITE).ok_or_else(|| anyhow!("no suite"))?;
    let (secret, public) = suite.signature_key_generate().map_err(|e| anyhow!("key: {e}"))?;
    Ok((secret.as_bytes().to_vec(), public.as_bytes().to_vec()))
}

/// The engine of the participant `name` with that key.
pub fn engine(name: &str, key: (Vec<u8>, Vec<u8>)) -> Result<MlsEngine<impl MlsConfig + use<>>> {
    let crypto = AwsLcCryptoProvider::default();
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let identity = SigningIdentity::new(credential, SignaturePublicKey::new(key.1));
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, SignatureSecretKey::new(key.0), SUITE)
        .build();
    Ok(MlsEngine::new(&client, &crypto)?)
}

/// The SenderId of whoever has that key.
pub fn sender_id(key: (Vec<u8>, Vec<u8>)) -> Result<SenderId> {
    Ok(engine("", key)?.sender_id().clone())
}

/// What a driver needs of an engine, to run it on another thread.
pub trait LiveEngine: Engine<Group: Send + Sync> + Send + Sync + 'static {}
impl<E: Engine<Group: Send + Sync> + Send + Sync + 'static> LiveEngine for E {}

/// Shared by all that show a fingerprint.
pub fn short(id: &SenderId) -> Arc<str> {
    id.to_string().chars().take(6).collect::<String>().into()
}
