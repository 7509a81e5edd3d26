//! Participants of moq-mls, on mls-rs.

use anyhow::{Context, Result};
use mls_rs::client_builder::{BaseConfig, MakeConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::Participant;
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;

use crate::wire::{self, Facts};

type ClientConfig = MakeConfig<
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<RustCryptoProvider, BaseConfig>>,
>;
pub type OurEngine = MlsEngine<ClientConfig>;

/// What makes an engine with the same keys again and again.
pub fn keys(name: &str, suite: u16) -> Result<impl Fn() -> Result<OurEngine> + use<>> {
    let suite = CipherSuite::from(suite);
    let crypto = RustCryptoProvider::default();
    let provider = crypto.cipher_suite_provider(suite).context("suite")?;
    let (secret, public) = provider.signature_key_generate()?;
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(SigningIdentity::new(credential, public), secret, suite)
        .build();
    Ok(move || Ok(MlsEngine::new(&client, &crypto)?))
}

/// Where one of ours stands.
pub fn facts<E: Engine>(of: &Participant<E>) -> Option<Result<Facts>> {
    let epoch = of.epoch()?;
    let facts = || {
        Ok(Facts {
            epoch,
            authenticator: of.epoch_authenticator()?.to_vec(),
            context_hash: of.context_hash().context("no GroupContext")?,
            base_key: of.track_base_key(&wire::media_track())?.key.as_bytes().to_vec(),
            roster: of
                .members()
                .map(|m| (m.leaf_index, String::from_utf8_lossy(m.sender.as_bytes()).into_owned()))
                .collect(),
        })
    };
    Some(facts())
}
