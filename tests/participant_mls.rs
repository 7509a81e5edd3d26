//! The participant over real MLS, with the providers and credentials that embedders bring.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use mls_rs::CryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::{Hold, Notice};
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::tracks::Location;
use moq_mls::{Command, Misuse, Object, Phase};
use support::engines::{basic, basic_client, engine};
use support::{World, config};

fn life<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone>(crypto: P) {
    let mut world = World::new();
    let everyone: Vec<usize> =
        (0..5).map(|i| world.add(basic(&format!("member-{i}"), crypto.clone()), config())).collect();
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
    let gone = world.id(3);
    world.command(1, Command::Remove(gone));
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2, 4]), 3);
    assert_eq!(world.peers[3].machine.phase(), Phase::Ended);
    world.command(4, Command::Leave);
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), 4);
    assert!(world.heard(4, |n| *n == Notice::Left));
}

#[test]
fn rustcrypto_basic() {
    life(mls_rs_crypto_rustcrypto::RustCryptoProvider::default());
}

#[test]
fn awslc_basic() {
    life(mls_rs_crypto_awslc::AwsLcCryptoProvider::default());
}

#[test]
fn second_device_of_an_identity_does_not_evict_the_first() {
    let mut world = World::new();
    for name in ["alice", "bob", "alice"] {
        world.add(engine(name), config());
    }
    world.command(0, Command::Join);
    world.command(1, Command::Join);
    world.run(3000);
    world.command(2, Command::Join);
    world.run(20_000);
    let (first, second) = (world.id(0), world.id(2));
    assert!(world.agree(&[0, 1]) >= 1, "the first device is still in, alone");
    assert_eq!(world.peers[2].machine.phase(), Phase::Joining);
    let asked = |n: &Notice| {
        matches!(n, Notice::JoinRequested { sender, hold: Hold::SameIdentity { member }, .. }
            if *sender == second && *member == first)
    };
    assert!(world.heard(0, asked) && world.heard(1, asked), "{}", world.log.join("\n"));

    // The embedder decides: the second device takes the first one's place.
    world.command(1, Command::Admit { sender: second.clone(), replacing: Some(first.clone()) });
    world.run(20_000);
    world.agree(&[1, 2]);
    assert!(world.heard(1, |n| *n == Notice::MemberReplaced { old: first.clone(), new: second.clone() }));
    assert_eq!(world.peers[0].machine.phase(), Phase::Ended);
}

#[test]
fn a_removed_member_can_neither_follow_nor_come_back_unasked() {
    let mut world = World::new();
    let client = basic_client("m2", RustCryptoProvider::default());
    let engine_of = |client| MlsEngine::new(client, &RustCryptoProvider::default()).unwrap();
    let removed_engine = engine_of(&client);
    for (i, engine) in [engine("m0"), engine("m1"), engine_of(&client)].into_iter().enumerate() {
        world.add(engine, config());
        world.command(i, Command::Join);
        world.run(3000);
    }
    let removed = world.id(2);
    world.command(0, Command::Remove(removed.clone()));
    world.run(3000);
    let epoch = world.agree(&[0, 1]);
    let removed_machine = &world.peers[2].machine;
    assert!(world.heard(2, |n| *n == Notice::Removed { epoch }));
    assert!(removed_machine.export_secret(b"x", b"", 32).is_err());

    // Its KeyPackage under a fresh object id, as after a restart: nobody lets it in unasked.
    let mut engine = removed_engine;
    let key = engine.generate_key_package(world.now, 9).unwrap();
    let track = world.peers[0].machine.tracks().key_package(&removed);
    let location = Location { group: 0, object: 9 };
    world.publish(Object { track, location, payload: key.message });
    world.run(5000);
    assert_eq!(world.agree(&[0, 1]), epoch);
    assert!(world.heard(0, |n| matches!(n, Notice::JoinRequested { hold: Hold::Barred, .. })));
    world.command(1, Command::Admit { sender: removed, replacing: None });
    world.run(5000);
    assert_eq!(world.peers[0].machine.members().count(), 3, "the embedder's word lets it back in");
}

#[test]
fn commands_that_make_no_sense_are_misuse_and_change_nothing() {
    let mut world = World::new();
    world.add(engine("a"), config());
    let me = world.id(0);
    let now = world.now;
    let machine = &mut world.peers[0].machine;
    let misuse = |result: Result<(), moq_mls::Error>| match result {
        Err(moq_mls::Error::Misuse(misuse)) => misuse,
        other => panic!("{other:?}"),
    };
    assert_eq!(misuse(machine.handle(now, Command::Update)), Misuse::NotAMember);
    assert_eq!(misuse(machine.handle(now, Command::Leave)), Misuse::NotAMember);
    machine.handle(now, Command::Join).unwrap();
    assert_eq!(misuse(machine.handle(now, Command::Join)), Misuse::AlreadyJoined);
    assert_eq!(misuse(machine.handle(now, Command::Remove(me))), Misuse::OwnName);
    world.run(1000);
    let now = world.now;
    let machine = &mut world.peers[0].machine;
    assert_eq!(misuse(machine.handle(now, Command::Add(bytes::Bytes::new()))), Misuse::BadKeyPackage);
    assert_eq!(world.agree(&[0]), 0);
}
