//! The participant over real MLS: providers and credentials that embedders bring.

mod support;

use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use moq_mls::Command;
use moq_mls::mls::MlsEngine;
use support::{World, config};

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

fn engine<P: CryptoProvider + Clone>(name: &str, crypto: P) -> impl moq_mls::engine::Engine + use<P> {
    let suite = crypto.cipher_suite_provider(SUITE).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    let identity =
        SigningIdentity::new(BasicCredential::new(name.as_bytes().to_vec()).into_credential(), public);
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, SUITE)
        .build();
    MlsEngine::new(&client, crypto, moq_mls::Timestamp::from_secs(1_700_000_000)).unwrap()
}

fn life<P: CryptoProvider + Clone>(crypto: P) {
    let mut world = World::new();
    let everyone: Vec<usize> =
        (0..5).map(|i| world.add(engine(&format!("member-{i}"), crypto.clone()), config())).collect();
    world.command(0, Command::Join);
    world.run(1000);
    assert_eq!(world.agree(&[0]), 0);
    for who in 1..5 {
        world.command(who, Command::Join);
    }
    world.run(5000);
    assert_eq!(world.agree(&everyone), 1, "one commit for all who wait: {}", world.log.join("\n"));
    world.command(2, Command::Update);
    world.run(5000);
    assert_eq!(world.agree(&everyone), 2);
    let gone = world.peers[3].machine.sender_id().clone();
    world.command(1, Command::Remove(gone));
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2, 4]), 3);
    world.command(4, Command::Leave);
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), 4);
}

#[test]
fn rustcrypto_basic() {
    life(mls_rs_crypto_rustcrypto::RustCryptoProvider::default());
}

#[test]
fn awslc_basic() {
    life(mls_rs_crypto_awslc::AwsLcCryptoProvider::default());
}
