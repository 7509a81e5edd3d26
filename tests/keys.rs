//! Key derivation, against vectors that were made without this code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

use std::sync::Arc;

use crate::support;
use crate::support::Steps;
use bytes::Bytes;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::engine::Engine;
use moq_mls::keys::{EpochSecret, Kdf, TrackBaseKey};
use moq_mls::mls::MlsEngine;
use moq_mls::notice::Notice;
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use moq_mls::{Action, Command, Error, Misuse, Secret};
use serde_json::Value;

/// HKDF as an engine of this MLS cipher suite has it.
fn kdf(suite: CipherSuite) -> Arc<dyn Kdf> {
    let crypto = AwsLcCryptoProvider::new();
    let (secret, public) = crypto.cipher_suite_provider(suite).unwrap().signature_key_generate().unwrap();
    let credential = BasicCredential::new(b"a".to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(SigningIdentity::new(credential, public), secret, suite)
        .build();
    MlsEngine::new(&client, &crypto).unwrap().kdf()
}

#[test]
fn vectors_made_without_this_code() {
    let all: Value = serde_json::from_str(include_str!("../vectors/keys/derivation.json")).unwrap();
    let suites = [
        ("sha256", 32, CipherSuite::CURVE25519_AES128),
        ("sha384", 48, CipherSuite::P384_AES256),
        ("sha512", 64, CipherSuite::P521_AES256),
    ];
    let bytes = |v: &Value| hex::decode(v.as_str().unwrap()).unwrap();
    let mut checked = 0;
    for (hash, len, suite) in suites {
        let kdf = kdf(suite);
        assert_eq!(kdf.hash_len(), len);
        for case in all["cases"].as_array().unwrap().iter().filter(|c| c["hash"] == hash) {
            let epoch = case["epoch"].as_u64().unwrap();
            let secret =
                EpochSecret::from_master(kdf.clone(), epoch, &Secret::new(bytes(&case["master"]))).unwrap();
            assert_eq!(secret.as_bytes(), bytes(&case["epoch_secret"]), "{case}");
            let fields = case["namespace"].as_array().unwrap().iter();
            let fields = fields.map(|f| Bytes::from(f.as_str().unwrap().to_owned())).collect();
            let name = case["name"].as_str().unwrap().to_owned().into();
            let track = FullTrackName { namespace: TrackNamespace::new(fields).unwrap(), name };
            let key = secret.track_base_key(&track).unwrap();
            assert_eq!(
                (key.key_id, key.key.as_bytes()),
                (epoch, &bytes(&case["track_base_key"])[..]),
                "{case}"
            );
            let shared = secret.namespace_base_key(&track.namespace).unwrap();
            assert_eq!(
                (shared.key_id, shared.key.as_bytes()),
                (epoch, &bytes(&case["namespace_base_key"])[..]),
                "{case}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 24);
}

#[test]
fn a_track_base_key_as_msf_catalogs_carry_it() {
    let key = TrackBaseKey::new(7, Secret::new(b"sixteen byte key".to_vec()));
    assert_eq!(key.to_base64().as_bytes(), b"c2l4dGVlbiBieXRlIGtleQ==");
    assert_eq!(format!("{key:?}"), "TrackBaseKey { key_id: 7, key: Secret(16 bytes) }");
}

#[test]
fn only_the_secrets_of_epochs_that_count_are_given() {
    let mut world = support::World::new();
    let a = world.enter(support::engines::engine("a"), support::config());
    let machine = world.machine(a);
    assert!(matches!(machine.epoch_secret(0), Err(Error::Misuse(Misuse::NotAMember))));
    world.tell(a, Command::Join);
    world.run(5_000);
    let machine = world.machine(a);
    let now = machine.epoch().unwrap();
    let secret = machine.epoch_secret(now).unwrap();
    assert_eq!(secret, machine.epoch_secret(now).unwrap());
    assert!(matches!(machine.epoch_secret(now + 1), Err(Error::Misuse(Misuse::EpochGone))));
    world.tell(a, Command::Update);
    world.run(5_000);
    let machine = world.machine(a);
    assert_eq!(machine.epoch().unwrap(), now + 1);
    assert_ne!(machine.epoch_secret(now + 1).unwrap().as_bytes(), secret.as_bytes());
    assert_eq!(machine.epoch_secret(now).unwrap(), secret, "it was passed a moment ago");
    world.run(10_000);
    assert!(matches!(world.machine(a).epoch_secret(now), Err(Error::Misuse(Misuse::EpochGone))));
    // A snapshot does not hold for longer what is soon erased.
    world.tell(a, Command::Update);
    world.run(5_000);
    let machine = world.machine(a);
    let secret = machine.epoch_secret(now + 1).unwrap();
    let bytes = machine.snapshot().unwrap().to_bytes();
    assert!(!bytes.windows(secret.as_bytes().len()).any(|w| w == secret.as_bytes()));
}

/// Follows three commits before the embedder polls: in Advisory mode each is applied on receipt.
#[test]
fn epochs_passed_at_once_are_given_for_a_while_after_the_next_is_reported() {
    // The same seed gives the same signature key after a restart.
    let engine = |name| moq_mls::testing::seeded_crypto::seeded_engine(name, 1);
    let mut config = support::config();
    config.params.mode = moq_mls::SafetyMode::Advisory;
    let mut world = support::World::new();
    for name in ["a", "b"] {
        let who = world.enter(engine(name), config.clone());
        world.tell(who, Command::Join);
        world.run(5_000);
    }
    world.agree(&[0, 1]);
    let from = world.machine(1).epoch().unwrap();
    world.carriage_mut().set_deaf(1, true);
    let mut expected = Vec::new();
    for _ in 0..3 {
        world.tell(0, Command::Update);
        world.run(5_000);
        let machine = world.machine(0);
        expected.push((machine.epoch().unwrap(), machine.epoch_secret(machine.epoch().unwrap()).unwrap()));
    }
    assert_eq!(expected.len() as u64, expected[2].0 - from);
    // By hand from here on, so that nothing is polled between the epochs.
    let now = world.now();
    let machine = &mut world.take(1).unwrap();
    let tracks = machine.tracks().clone();
    let is_commit = |track: &_| matches!(tracks.classify(track), Some(moq_mls::tracks::TrackKind::Commit(_)));
    let mut objects: Vec<_> = world.carriage().store().objects(is_commit).collect();
    objects.retain(|object| object.location.group_id >= from);
    objects.sort_by_key(|object| object.location);
    for object in objects {
        machine.handle(now, moq_mls::Event::Object(object)).unwrap();
    }
    let by_epoch =
        |secrets: Vec<EpochSecret>| secrets.into_iter().map(|s| (s.epoch(), s)).collect::<Vec<_>>();
    assert!(by_epoch(machine.epoch_secrets()).ends_with(&expected));
    // A member that dies here has them still: a snapshot is durable before its notices are reported.
    let snapshot = machine.snapshot().unwrap();
    let restored = moq_mls::Participant::restore(engine("b"), config, &snapshot, world.now()).unwrap();
    assert!(by_epoch(restored.epoch_secrets()).ends_with(&expected));
    let mut told = Vec::new();
    while let Some(action) = machine.poll_action() {
        if let Action::Notify(Notice::Epoch { epoch, .. }) = action {
            told.push((epoch, machine.epoch_secret(epoch).unwrap()));
        }
    }
    assert_eq!(told, expected);
    // Long after all was polled, and not for ever: a deadline of its own ends it.
    for (epoch, secret) in &expected {
        assert_eq!(machine.epoch_secret(*epoch).unwrap(), *secret);
    }
    let end = now.after(std::time::Duration::from_secs(10));
    let mut due = Vec::new();
    while let Some(next) = machine.poll_timeout().filter(|(at, _)| *at <= end) {
        due.push(next);
        machine.handle(next.0, moq_mls::Event::Timer).unwrap();
        machine.actions().for_each(drop);
    }
    assert!(due.contains(&(end, moq_mls::action::Timer::EpochSecrets)), "{due:?}");
    for (epoch, _) in &expected[..2] {
        assert!(matches!(machine.epoch_secret(*epoch), Err(Error::Misuse(Misuse::EpochGone))));
    }
}
