//! Who a participant is: an Ed25519 key and a basic credential with its name.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, Client};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::tracks::SenderId;
use moq_mls_tokio::IdentityKey;

/// The cipher suite of every group here.
pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// The key in that folder, made the first time.
pub fn in_folder(folder: &Path) -> Result<IdentityKey> {
    let path = folder.join("identity");
    let key = IdentityKey::in_file(&path, &AwsLcCryptoProvider::default(), SUITE);
    key.with_context(|| format!("{} (put back a copy, or take another folder)", path.display()))
}

/// A key for a participant that ends with this process.
pub fn generate() -> Result<IdentityKey> {
    Ok(IdentityKey::generate(&AwsLcCryptoProvider::default(), SUITE)?)
}

/// The engine of the participant `name` with that key.
pub fn engine(name: &str, key: &IdentityKey) -> Result<MlsEngine<impl MlsConfig + use<>>> {
    let crypto = AwsLcCryptoProvider::default();
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let identity = SigningIdentity::new(credential, key.public().clone());
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, key.secret().clone(), SUITE)
        .build();
    Ok(MlsEngine::new(&client, &crypto)?)
}

/// Returns the SenderId of the participant that has that key.
pub fn sender_id(key: &IdentityKey) -> Result<SenderId> {
    Ok(engine("", key)?.sender_id().clone())
}

/// Shared by all that show a fingerprint.
pub fn short(id: &SenderId) -> Arc<str> {
    id.to_string().chars().take(6).collect::<String>().into()
}

/// Returns text that a terminal shows and does not obey: names come from others.
pub fn printable(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_control_the_terminal() {
        assert_eq!(printable("é\u{1b}[2J"), "é\u{fffd}[2J");
    }
}
