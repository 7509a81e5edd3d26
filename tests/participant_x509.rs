//! The participant with X.509 credentials: a call among certificate holders, and a certificate that ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::mls_support::{Authority, NOW};
use crate::support::{Steps, World, config};
use mls_rs::CryptoProvider;
use moq_mls::notice::Notice;
use moq_mls::{Command, Phase};

const DAY: Duration = Duration::from_secs(86_400);

fn life<P>(crypto: &P)
where
    P: CryptoProvider + Clone + 'static,
    P::CipherSuiteProvider: 'static,
{
    let authority = Authority::new();
    let mut world = World::at_once(NOW);
    let mut config = config();
    config.timers.credential_check = DAY;
    config.timers.audit = DAY;
    // It is 18 May: the third certificate ends with the month.
    for (name, until) in [("alice", 12), ("bob", 12), ("carol", 6)] {
        world.enter(authority.engine(crypto, name, until), config.clone());
    }
    // A client with a certificate of another authority.
    let stranger = world.enter(Authority::new().engine(crypto, "mallory", 12), config.clone());
    for who in 0..4 {
        world.tell(who, Command::Join);
        world.run(3000);
    }
    world.agree(&[0, 1, 2]);
    assert_ne!(world.machine(stranger).phase(), Phase::Member, "nobody vouches for it");
    world.tell(stranger, Command::Leave);
    let kinds: Vec<u16> = world.machine(0).members().map(|m| m.credential.kind).collect();
    assert_eq!(kinds, [2, 2, 2]);

    let carol = world.id(2);
    let expired = |n: &Notice| *n == Notice::CredentialExpired { sender: carol.clone() };
    world.run(10 * 86_400_000);
    assert!(!world.heard(0, expired), "28 May");
    world.run(10 * 86_400_000);
    for who in 0..3 {
        let told = world.told(who).filter(|n| expired(n)).count();
        assert_eq!(told, 1, "7 June, reported once");
    }
    // What to do about it is the embedder's to say. Until then it goes on as a member, whose commits are followed.
    let epoch = world.agree(&[0, 1, 2]);
    world.tell(2, Command::Update);
    world.run(3000);
    assert_eq!(world.agree(&[0, 1, 2]), epoch + 1);
    world.tell(1, Command::Gone(carol.clone()));
    world.run(3000);
    world.agree(&[0, 1]);
}

#[test]
fn rustcrypto_x509() {
    life(&mls_rs_crypto_rustcrypto::RustCryptoProvider::default());
}

#[test]
fn awslc_x509() {
    life(&mls_rs_crypto_awslc::AwsLcCryptoProvider::default());
}
