//! HPKE keys of others that are none, or of low order, in every suite of both providers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::Cell;

use crate::support;
use crate::support::attackers::{Rogue, fill, members};
use crate::support::engines::{BasicEngine, SUITE, TestEngine, basic_of, engine};
use crate::support::odd_keys::OddCrypto;
use crate::support::{START, Steps, World, group};
use bytes::Bytes;
use mls_rs::{CipherSuite, CryptoProvider};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::{ContextParams, Engine, Rejection};
use moq_mls::notice::{Notice, Refusal};
use moq_mls::tracks::{KEY_PACKAGE_GROUP, Location, SenderId};
use moq_mls::{Command, Object, Phase};

/// Keys that are none: by their length, by being zero, off the curve, of low order.
fn bad_keys(suite: u16) -> Vec<Vec<u8>> {
    let len = match suite {
        1 | 3 => 32,
        2 => 65,
        5 => 133,
        7 => 97,
        65100 => 1216,
        _ => panic!("suite {suite}"),
    };
    let mut bad = vec![vec![], vec![9; 5], vec![0; len], vec![4; len - 1], vec![4; len + 1]];
    if len == 32 {
        let near_prime = |least| [vec![least], vec![0xff; 30], vec![0x7f]].concat();
        let one = [vec![1], vec![0; 31]].concat();
        let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let masked = [vec![1], vec![0; 30], vec![0x80]].concat();
        bad.extend([one, masked, near_prime(0xec), near_prime(0xed), near_prime(0xee)]);
        bad.push(hex::decode(order_8).unwrap());
    } else if suite == 65100 {
        // Coefficients beyond the modulus; and a good lattice key beside a point of low order.
        bad.push(vec![0xff; len]);
        bad.push([vec![1; 1184], vec![0; 32]].concat());
    } else {
        // Off the curve; a compressed point; numbers beyond the prime.
        bad.extend([vec![4; len], [vec![2], vec![7; len / 2]].concat()]);
        bad.push([vec![4], vec![0xff; len - 1]].concat());
    }
    bad
}

fn of_every_suite(run: impl Fn(u16, &dyn Fn(&str) -> Box<dyn Suite>)) {
    for suite in [1, 2, 3, 5, 7, 65100] {
        let kind = CipherSuite::from(suite);
        if RustCryptoProvider::default().cipher_suite_provider(kind).is_some() {
            run(suite, &|name| Box::new(Odd::new(kind, name, RustCryptoProvider::default())));
        }
        assert!(AwsLcCryptoProvider::new().cipher_suite_provider(kind).is_some(), "{suite}");
        run(suite, &|name| Box::new(Odd::new(kind, name, AwsLcCryptoProvider::new())));
    }
}

/// A party of any provider, whose keys can be replaced.
trait Suite {
    fn key_package(&mut self, keys: [Option<Vec<u8>>; 2]) -> Bytes;
    fn inspect(&self, key_package: &Bytes) -> Result<(), Rejection>;
    fn found(&mut self);
    /// Commits, and goes on to the next epoch; returns the commit and the Welcomes.
    fn commit(&mut self, adds: &[Bytes], removes: &[u32]) -> Result<(Bytes, Vec<Bytes>), Rejection>;
    /// As `commit`, with these for the keys of the path, from the leaf up.
    fn commit_with(&mut self, keys: &[Option<Vec<u8>>]) -> Bytes;
    fn join(&mut self, welcome: &Bytes);
    fn follow(&mut self, commit: &Bytes) -> Result<(), Rejection>;
    fn invalid_leaves(&self, by_sealing: bool) -> Vec<u32>;
    fn context(&self) -> [u8; 32];
}

struct Odd<P: CryptoProvider + Clone + 'static> {
    crypto: OddCrypto<P>,
    engine: BasicEngine<OddCrypto<P>>,
    key: Option<moq_mls::engine::OwnKeyPackage>,
    group: Option<<BasicEngine<OddCrypto<P>> as Engine>::Group>,
}

impl<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static> Odd<P> {
    fn new(kind: CipherSuite, name: &str, crypto: P) -> Self {
        let crypto = OddCrypto::new(crypto);
        let engine = basic_of(kind, name, crypto.clone());
        Self { crypto, engine, key: None, group: None }
    }

    fn group(&self) -> &<BasicEngine<OddCrypto<P>> as Engine>::Group {
        self.group.as_ref().unwrap()
    }
}

impl<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static> Suite for Odd<P> {
    fn key_package(&mut self, keys: [Option<Vec<u8>>; 2]) -> Bytes {
        self.crypto.generate(keys);
        let key = self.engine.generate_key_package(START, &group(), 1).unwrap();
        self.key.insert(key).message.clone()
    }

    fn inspect(&self, key_package: &Bytes) -> Result<(), Rejection> {
        self.engine.inspect_key_package(START, key_package).unwrap().map(|_| ())
    }

    fn found(&mut self) {
        self.group = Some(self.engine.create(START, &group(), &ContextParams::default(), 0).unwrap());
    }

    fn commit(&mut self, adds: &[Bytes], removes: &[u32]) -> Result<(Bytes, Vec<Bytes>), Rejection> {
        let built = self.engine.create_commit(self.group(), START, adds, removes).unwrap()?;
        self.group = Some(built.next.group);
        Ok((built.commit, built.welcomes.into_iter().map(|(_, welcome)| welcome).collect()))
    }

    fn commit_with(&mut self, keys: &[Option<Vec<u8>>]) -> Bytes {
        self.crypto.generate(keys[..1].iter().cloned());
        self.crypto.derive(keys[1..].iter().cloned());
        let commit = self.commit(&[], &[]).unwrap().0;
        self.crypto.derive([]);
        commit
    }

    fn join(&mut self, welcome: &Bytes) {
        let key = self.key.as_ref().unwrap();
        self.group = Some(self.engine.join(START, welcome, key, None).unwrap().unwrap());
    }

    fn follow(&mut self, commit: &Bytes) -> Result<(), Rejection> {
        let staged = self.engine.stage_commit(self.group(), START, commit).unwrap()?;
        self.group = Some(staged.next.unwrap().group);
        Ok(())
    }

    fn invalid_leaves(&self, by_sealing: bool) -> Vec<u32> {
        self.engine.survey(self.group(), &[], by_sealing).unwrap().invalid_leaves
    }

    fn context(&self) -> [u8; 32] {
        self.engine.view(self.group()).unwrap().context_hash
    }
}

/// A group of four, in which the first has committed, so that its path has two nodes.
fn four(party: &dyn Fn(&str) -> Box<dyn Suite>) -> Vec<Box<dyn Suite>> {
    let mut all: Vec<_> = ["a", "b", "c", "d"].map(party).into();
    let (first, others) = all.split_at_mut(1);
    first[0].found();
    let adds: Vec<Bytes> = others.iter_mut().map(|other| other.key_package([None, None])).collect();
    let (_, welcomes) = first[0].commit(&adds, &[]).unwrap();
    for (other, welcome) in others.iter_mut().zip(&welcomes) {
        other.join(welcome);
    }
    all
}

#[test]
fn key_packages_with_bad_keys_are_refused_in_every_suite() {
    of_every_suite(|suite, party| {
        let (mut x, mut y) = (party("x"), party("y"));
        y.inspect(&x.key_package([None, None])).unwrap();
        for bad in bad_keys(suite) {
            for keys in [[Some(bad.clone()), None], [None, Some(bad.clone())]] {
                let of_init = keys[0].is_some();
                let refused = y.inspect(&x.key_package(keys));
                assert!(
                    matches!(refused, Err(Rejection::Invalid(_) | Rejection::Malformed)),
                    "suite {suite}, init {of_init}, {} bytes: {refused:?}",
                    bad.len()
                );
            }
        }
        y.found();
        assert!(y.invalid_leaves(true).is_empty());
    });
}

#[test]
fn update_paths_with_bad_keys_are_refused_by_all_members_in_every_suite() {
    of_every_suite(|suite, party| {
        for bad in bad_keys(suite) {
            // The leaf, the node above it and its neighbour's, the root.
            for at in 0..3 {
                let mut all = four(party);
                let mut keys = vec![None; 3];
                keys[at] = Some(bad.clone());
                let commit = all[0].commit_with(&keys);
                for other in &mut all[1..] {
                    let followed = other.follow(&commit);
                    assert!(
                        matches!(followed, Err(Rejection::Invalid(_) | Rejection::Malformed)),
                        "suite {suite}, key {at}, {} bytes: {followed:?}",
                        bad.len()
                    );
                }
                // The others go on without it.
                let (commit, _) = all[1].commit(&[], &[]).unwrap();
                all[2].follow(&commit).unwrap();
                all[3].follow(&commit).unwrap();
                assert!(all[1].context() == all[2].context() && all[2].context() == all[3].context());
            }
        }
    });
}

#[test]
fn adds_with_a_bad_init_key_are_followed_by_nobody() {
    let judged = Cell::new(0);
    of_every_suite(|suite, party| {
        // Nothing can be sealed to the others, so that no Welcome can be made.
        let low_order = match suite {
            1 | 3 => [vec![1], vec![0; 31]].concat(),
            _ => return,
        };
        let mut all = four(party);
        let odd = party("x").key_package([Some(low_order), None]);
        let Ok((commit, _)) = all[0].commit(&[odd], &[]) else { return };
        for other in &mut all[1..] {
            assert!(matches!(other.follow(&commit), Err(Rejection::Invalid(_))), "suite {suite}");
            judged.set(judged.get() + 1);
        }
    });
    assert!(judged.get() > 0, "no provider makes such a commit");
}

#[test]
fn a_leaf_with_a_bad_key_is_found_and_can_be_removed_in_every_suite() {
    of_every_suite(|suite, party| {
        for bad in bad_keys(suite) {
            let mut all = four(party);
            let odd = party("x").key_package([None, Some(bad.clone())]);
            // Another implementation lets it in.
            let (commit, _) = all[0].commit(&[odd], &[]).unwrap();
            let mut all: Vec<_> = all.into_iter().skip(1).collect();
            for other in &mut all {
                other.follow(&commit).unwrap();
                assert_eq!(other.invalid_leaves(false), [4], "suite {suite}, {bad:?}");
                assert_eq!(other.invalid_leaves(true), [4]);
            }
            let (commit, _) = all[0].commit(&[], &[4]).unwrap();
            all[1].follow(&commit).unwrap();
            assert_eq!(all[1].invalid_leaves(true), [0; 0]);
            assert_eq!(all[0].context(), all[1].context());
        }
    });
}

/// A KeyPackage whose leaf key is `key`, of a stranger.
fn odd_key_package(key: &[u8]) -> (Bytes, SenderId) {
    let mut odd = Odd::new(SUITE, "odd", RustCryptoProvider::default());
    (odd.key_package([None, Some(key.to_vec())]), odd.engine.sender_id().clone())
}

#[test]
fn a_newcomer_whose_leaf_key_is_none_stops_nobody() {
    for bad in bad_keys(1) {
        let mut world = members(3, &support::config());
        let (message, sender) = odd_key_package(&bad);
        let track = world.machine(0).tracks().key_package(&sender);
        world.put(Object {
            track,
            location: Location { group_id: KEY_PACKAGE_GROUP, object_id: 1 },
            payload: message,
        });
        world.run(5000);
        assert!(world.machine(0).members().all(|m| m.sender != sender));
        let before = world.agree(&[0, 1, 2]);
        let new = world.enter(engine("new"), support::config());
        world.tell(new, Command::Join);
        world.run(5000);
        assert_eq!(world.agree(&[0, 1, 2, new]), before + 1);
        world.sound();
    }
}

/// The epoch that all of `who` are in, whatever others are in it.
fn together(world: &World<TestEngine>, who: &[usize]) -> u64 {
    let at = |who: &usize| {
        let machine = world.machine(*who);
        (machine.epoch().unwrap(), machine.context_hash())
    };
    assert!(who.iter().all(|other| at(other) == at(&who[0])), "{}", world.log().to_text());
    at(&who[0]).0
}

/// Three members, and a fourth by another implementation that has let in a fifth with this leaf key; who that is, and
/// the epoch.
fn with_odd(key: &[u8]) -> (World<TestEngine>, SenderId, u64) {
    let mut world = members(3, &support::config());
    let rogue = Rogue::join(&mut world, "rogue");
    let (message, odd) = odd_key_package(key);
    let (built, pin) = rogue.create_commit(&world, &[message], &[]);
    let request = rogue.increment(&world, built.commit, pin);
    fill(&mut world, &request);
    world.run(60_000);
    let epoch = together(&world, &[0, 1, 2]);
    (world, odd, epoch)
}

/// Another implementation's member lets in a client with a bad leaf key: nothing can be sealed to it, or anybody can
/// open what is.
#[test]
fn a_member_whose_leaf_key_is_none_is_removed_by_the_next_commit() {
    for bad in bad_keys(1) {
        let (mut world, odd, before) = with_odd(&bad);
        let has = |world: &World<_>, who: usize| {
            moq_mls::Participant::members(world.machine(who)).any(|m| m.sender == odd)
        };
        assert!((0..3).all(|who| has(&world, who)), "it is in: {bad:?}");

        // It spoils no join, and a joiner is not blamed for it.
        let new = world.enter(engine("new"), support::config());
        world.tell(new, Command::Join);
        world.run(5000);
        assert_eq!(together(&world, &[0, 1, 2, new]), before + 1);
        assert!((0..3).all(|who| !has(&world, who)), "it is out: {bad:?}");
        let refused = |n: &Notice| matches!(n, Notice::Refused { reason: Refusal::BadKeyPackage, .. });
        let told = |n: &Notice| matches!(n, Notice::InvalidLeafKey { sender } if *sender == odd);
        assert!((0..3).all(|who| !world.heard(who, refused)));
        assert_eq!((0..3).filter(|who| world.heard(*who, told)).count(), 1, "the committer says why");
        world.sound();
        assert_eq!(world.machine(0).phase(), Phase::Member);
    }
}

/// As above, and a member leaves, or updates its key: once, each made an error of one member after the other.
#[test]
fn a_member_whose_leaf_key_is_none_keeps_nobody_from_leaving() {
    for command in [Command::Update, Command::Leave] {
        let (mut world, odd, _) = with_odd(&[9; 5]);
        world.tell(2, command.clone());
        world.run(10_000);
        world.sound();
        let who: &[usize] = if command == Command::Leave { &[0, 1] } else { &[0, 1, 2] };
        together(&world, who);
        assert!(world.machine(0).members().all(|m| m.sender != odd));
        assert_eq!(world.machine(2).phase() == Phase::Ended, command == Command::Leave);
    }
}
