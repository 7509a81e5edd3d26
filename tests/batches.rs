//! What goes into one commit: no more than a receiver under the same limits takes, and nobody for another's key.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support;
use crate::support::engines::{SUITE, TestEngine, basic_of, engine};
use crate::support::odd_keys::OddCrypto;
use crate::support::{Steps, World, asking, config, group};
use bytes::Bytes;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::Engine;
use moq_mls::mls::X_WING;
use moq_mls::notice::{Fault, Notice, Refusal};
use moq_mls::tracks::{KEY_PACKAGE_GROUP, Location, SenderId};
use moq_mls::{Command, Config, Limits, Object, Phase};

/// So many ask at once to join a group of one, and this many milliseconds pass. The limits are the same for all.
fn crowd<E: Engine>(config: &Config, joiners: usize, millis: u64, new: impl Fn(usize) -> E) -> World<E> {
    let mut world = World::new();
    for i in 0..=joiners {
        world.enter(new(i), config.clone());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    (1..=joiners).for_each(|i| world.tell(i, Command::Join));
    world.run(millis);
    world
}

/// Nothing on the relay is over the limits, and nobody refused anything for its length.
#[track_caller]
fn within<E: Engine>(world: &World<E>, limits: &Limits) {
    for who in 0..world.len() {
        let (tracks, id) = (world.machine(who).tracks(), world.id(who));
        let store = world.carriage().store();
        let longest = |track| {
            let payloads = store.track(&track).into_iter().flat_map(|lying| lying.values());
            payloads.map(Bytes::len).max().unwrap_or(0)
        };
        assert!(longest(tracks.commit(&id)) <= limits.commit_bytes());
        assert!(longest(tracks.welcome(&id)) <= limits.handshake_bytes);
        assert!(longest(tracks.tree(&id)) <= limits.tree_bytes);
        assert_eq!(world.faults(who, Fault::TooLarge), 0);
        assert!(!world.heard(who, |n| matches!(n, Notice::Refused { reason: Refusal::TooLarge, .. })));
    }
    world.sound();
}

/// All get in under these limits, by more commits than one.
#[track_caller]
fn in_parts<E: Engine>(limits: Limits, joiners: usize, new: impl Fn(usize) -> E) {
    let mut config = config();
    config.limits = limits;
    let world = crowd(&config, joiners, 20_000, new);
    let all: Vec<usize> = (0..=joiners).collect();
    let epoch = world.agree(&all);
    assert!(epoch > 1 && epoch <= 8, "{epoch} commits");
    within(&world, &config.limits);
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn of_suite<P>(suite: CipherSuite, crypto: P) -> impl Fn(usize) -> support::engines::BasicEngine<P>
where
    P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static,
{
    move |i| basic_of(suite, &format!("m{i}"), crypto.clone())
}

#[test]
fn what_does_not_fit_waits_for_the_next_commit() {
    let suite = |n| of_suite(CipherSuite::from(n), RustCryptoProvider::default());
    in_parts(limits(|l| l.handshake_bytes = 8 << 10), 24, suite(1));
    in_parts(limits(|l| l.service_commit_bytes = 8 << 10), 24, suite(1));
    in_parts(limits(|l| l.outbox_bytes = 56 << 10), 24, suite(2));
    in_parts(limits(|l| l.handshake_bytes = 8 << 10), 24, suite(3));
    let aws = |suite| of_suite(suite, AwsLcCryptoProvider::new());
    in_parts(limits(|l| l.handshake_bytes = 16 << 10), 20, aws(5.into()));
    in_parts(limits(|l| l.handshake_bytes = 14 << 10), 20, aws(7.into()));
    in_parts(limits(|l| l.handshake_bytes = 40 << 10), 12, aws(X_WING));
}

#[test]
fn long_credentials_wedge_no_group() {
    let long = |i: usize| engine(&format!("{i:01500}"));
    in_parts(limits(|l| l.handshake_bytes = 32 << 10), 40, long);
    // The tree of all is as long as it may be.
    in_parts(limits(|l| (l.handshake_bytes, l.tree_bytes) = (32 << 10, 96 << 10)), 40, long);
}

/// Where all have the same limits, they hold for commits to come: to add is one seal, and from then on each commit has
/// one for every member.
#[test]
fn nobody_is_added_by_whom_the_next_commit_would_be_too_long() {
    let mut config = config();
    config.limits.handshake_bytes = 8 << 10;
    let mut world = crowd(&config, 60, 30_000, |i| engine(&format!("m{i}")));
    let members: Vec<usize> = (0..=60).filter(|who| world.machine(*who).phase() == Phase::Member).collect();
    assert!((20..60).contains(&members.len()), "{} members", members.len());
    let before = world.machine(0).epoch().unwrap();
    // Every member can still commit, and so the group can go on and shrink.
    for who in members.iter().take(4).copied().chain(members.last().copied()) {
        world.tell(who, Command::Update);
        world.run(3000);
    }
    assert_eq!(world.machine(0).epoch(), Some(before + 5));
    assert!(members.iter().all(|who| world.machine(*who).epoch() == Some(before + 5)));
    assert!((0..=60).all(|who| world.faults(who, Fault::TooLarge) == 0));
    let told = |n: &Notice| matches!(n, Notice::Refused { reason: Refusal::TooLarge, .. });
    assert!(world.heard(0, told), "those that are not in were refused, with a reason");
    world.sound();
}

/// With these limits one fits who has a short credential, and none who has a long one.
#[test]
fn what_can_never_fit_is_refused_when_it_comes_and_when_it_is_admitted() {
    let refused = |world: &World<TestEngine>, who: &SenderId| {
        world.heard(0, |n| *n == Notice::Refused { sender: who.clone(), reason: Refusal::TooLarge })
    };
    let mut asking = asking();
    asking.limits.handshake_bytes = 6 << 10;
    let mut world = World::new();
    for name in ["a".to_owned(), "b".repeat(5000), "c".repeat(1600), "d".to_owned(), "e".repeat(1600)] {
        world.enter(engine(&name), asking.clone());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    world.tell(1, Command::Join);
    world.run(1000);
    assert!(refused(&world, &world.id(1)), "it is refused unasked");
    assert!(!world.heard(0, |n| matches!(n, Notice::JoinRequested { .. })));
    // By itself it fits, until others are in.
    for who in [2, 3, 4] {
        world.tell(who, Command::Join);
        world.run(10);
    }
    let asked = |n: &Notice| matches!(n, Notice::JoinRequested { .. });
    assert_eq!(world.told(0).filter(|n| asked(n)).count(), 3);
    for who in [2, 3] {
        let_in(&mut world, who);
        world.run(1000);
    }
    world.agree(&[0, 2, 3]);
    assert!(!refused(&world, &world.id(4)));
    let_in(&mut world, 4);
    assert!(refused(&world, &world.id(4)), "at once");
    world.run(1000);
    world.agree(&[0, 2, 3]);
    assert_eq!(world.faults(0, Fault::TooLarge), 0);
}

/// The founder's embedder lets in a client that it was asked about.
fn let_in<E: Engine>(world: &mut World<E>, who: usize) {
    let id = world.id(who);
    let asked = world.told(0).find_map(|notice| match notice {
        Notice::JoinRequested { request, .. } if *request.sender() == id => Some(request.clone()),
        _ => None,
    });
    let command = Command::Admit { request: asked.unwrap(), replacing: None };
    world.tell(0, command);
}

/// Two KeyPackages of strangers with one leaf key, each good alone.
fn pair(salt: usize) -> [(SenderId, Bytes); 2] {
    let suite = RustCryptoProvider::default().cipher_suite_provider(SUITE).unwrap();
    let key = suite.kem_generate().unwrap().1.as_ref().to_vec();
    ["one", "other"].map(|name| {
        let crypto = OddCrypto::new(RustCryptoProvider::default());
        let mut engine = basic_of(SUITE, &format!("{name}-{salt}"), crypto.clone());
        crypto.generate([None, Some(key.clone())]);
        let now = support::START;
        let message = engine.generate_key_package(now, &group(), 1).unwrap().message;
        (engine.sender_id().clone(), message)
    })
}

/// Thirty join beside so many pairs; how many commits that takes, and how many of the pairs are in.
fn beside(pairs: usize) -> (u64, usize) {
    const JOINERS: usize = 30;
    let mut world: World<TestEngine> = World::new();
    for i in 0..=JOINERS {
        world.enter(engine(&format!("m{i}")), config());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    let pairs: Vec<_> = (0..pairs).flat_map(pair).collect();
    let (begin, end) = pairs.split_at(pairs.len() / 2);
    let put = |world: &mut World<TestEngine>, all: &[(SenderId, Bytes)]| {
        for (sender, message) in all {
            let track = world.machine(0).tracks().key_package(sender);
            let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: 1 };
            world.put(Object { track, location, payload: message.clone() });
        }
    };
    put(&mut world, begin);
    (1..=JOINERS).for_each(|i| world.tell(i, Command::Join));
    put(&mut world, end);
    world.run(5000);
    let epoch = world.machine(0).epoch();
    for who in 0..=JOINERS {
        assert_eq!((world.machine(who).phase(), world.machine(who).epoch()), (Phase::Member, epoch));
    }
    world.sound();
    let members: Vec<SenderId> = world.machine(0).members().map(|m| m.sender.clone()).collect();
    let pairs_in = pairs.iter().filter(|(sender, _)| members.contains(sender)).count();
    (epoch.unwrap(), pairs_in)
}

#[test]
fn key_packages_that_do_not_go_together_cost_only_each_other() {
    assert_eq!(beside(0), (1, 0));
    // The first of a pair is in, and its key is taken from then on.
    assert_eq!(beside(1), (1, 1));
    assert_eq!(beside(10), (1, 10));
}
