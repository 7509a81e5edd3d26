//! Media over the epochs of simulated groups: no gaps, no leaks, never dark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use moq_mls::engine::EngineError;
use moq_mls::keys::{EpochSecret, Kdf};
use moq_mls::testing::media::{MediaConfig, MediaEndpoint, MediaStats, Received};
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::rng::Rng;
use moq_mls::testing::simulation::{Kit, Profile, Scenario, run_with_media};
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Command, Config, Phase, Secret, Timestamp};

struct Plain;

impl Kdf for Plain {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        Ok(Secret::new([salt, ikm].concat()))
    }
    fn expand(&self, prk: &[u8], info: &[u8], _: usize) -> Result<Secret, EngineError> {
        Ok(Secret::new([prk, info].concat()))
    }
    fn hash_len(&self) -> usize {
        32
    }
}

fn secret(epoch: u64) -> EpochSecret {
    EpochSecret::from_master(Arc::new(Plain), epoch, &Secret::new(vec![1])).unwrap()
}

fn ids(names: &str) -> Vec<SenderId> {
    names.bytes().map(|b| SenderId::new(vec![b]).unwrap()).collect()
}

fn endpoint(name: &str) -> MediaEndpoint {
    MediaEndpoint::new(MediaConfig::default(), ids(name).remove(0))
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

#[test]
fn an_endpoint_tells_what_it_cannot_open_apart() {
    let (mut a, mut b) = (endpoint("a"), endpoint("b"));
    assert_eq!(a.seal(at(0)), None);
    a.new_epoch(at(0), secret(5), ids("ab"), None);
    let in_5 = a.seal(at(0)).unwrap();
    b.new_epoch(at(0), secret(6), ids("ab"), None);
    assert_eq!(b.receive(at(1), in_5.clone()), Received::Before);
    a.new_epoch(at(10), secret(6), ids("ab"), None);
    assert_eq!(a.seal(at(11)).unwrap().secret, secret(5), "receive first");
    let in_6 = b.seal(at(12)).unwrap();
    assert_eq!(a.receive(at(13), in_6), Received::Opened);
    assert_eq!(a.seal(at(14)).unwrap().secret, secret(6), "the only other was seen");
    a.new_epoch(at(20), secret(7), ids("ab"), None);
    let late = a.seal(at(3000)).unwrap();
    assert_eq!(b.receive(at(3001), late.clone()), Received::Waits);
    b.new_epoch(at(3002), secret(7), ids("ab"), None);
    assert_eq!((b.stats().opened, b.stats().before), (1, 1));
    // An epoch that never comes, and one that comes too late.
    a.new_epoch(at(4000), secret(8), ids("ab"), None);
    let in_8 = a.seal(at(9000)).unwrap();
    assert_eq!(b.receive(at(9000), in_8.clone()), Received::Waits);
    b.handle_timeout(at(20_000));
    assert_eq!(b.final_stats().gaps, 1);
    b.new_epoch(at(20_001), secret(8), ids("ab"), None);
    assert_eq!((b.final_stats().gaps, b.stats().overdue), (0, 1));
    a.new_epoch(at(21_000), secret(9), ids("ab"), None);
    let in_9 = a.seal(at(30_000)).unwrap();
    b.new_epoch(at(30_001), secret(10), ids("ab"), None);
    assert_eq!(b.receive(at(30_002), in_9), Received::Gap);
    b.handle_timeout(at(100_000));
    assert_eq!(b.receive(at(100_001), in_8), Received::Late);
}

#[test]
fn an_endpoint_measures_the_switch_and_finds_a_leak() {
    let mut a = endpoint("a");
    let mut c = endpoint("c");
    for one in [&mut a, &mut c] {
        one.new_epoch(at(0), secret(5), ids("abc"), None);
    }
    a.new_epoch(at(100), secret(6), ids("ab"), None);
    let before = a.seal(at(599)).unwrap();
    assert!(before.secret == secret(5) && before.shut_out.is_empty());
    let mut after = a.seal(at(600)).unwrap();
    assert_eq!((&after.secret, &after.shut_out), (&secret(6), &ids("c").into_iter().collect()));
    assert_eq!(a.stats().worst_switch_ms, 500);
    c.stop();
    c.receive(at(601), after.clone());
    assert_eq!(c.stats().leaks, 0);
    // Had it not switched, c could read it, though it is out: what it had, it may have kept.
    after.secret = secret(5);
    c.receive(at(602), after);
    assert_eq!(c.stats().leaks, 1);
}

fn run(seed: u64, members: usize, steps: usize) -> (MediaStats, String) {
    let mut config = NetworkConfig::new(seed);
    config.faults.lost_objects = 20;
    config.faults.repeated_objects = 20;
    config.faults.late_objects = 20;
    config.faults.lost_replies = 20;
    config.faults.lost_requests = 20;
    let mut rng = Rng::new(seed ^ 0x006d_6564_6961);
    let mut net = Network::new(config);
    net.enable_media(MediaConfig::default(), seed);
    let engine = |who: usize, life: u64| SymbolicEngine::new(&format!("p{who}")).unwrap().incarnation(life);
    let peer_config = || Config::new(GroupName::try_from("room").unwrap());
    for who in 0..members {
        net.add(engine(who, 0), peer_config()).unwrap();
        net.command(who, Command::Join).unwrap();
        net.run_for(Duration::from_millis(rng.below(500)));
    }
    net.run_for(Duration::from_secs(10));
    for life in 1..=steps as u64 {
        let who = rng.below(members as u64) as usize;
        match rng.below(10) {
            0 | 1 => {
                net.crash(who);
                net.run_for(Duration::from_millis(rng.below(3000)));
                net.restart(who, engine(who, life)).unwrap();
            }
            2 => net.partition(who, Duration::from_millis(rng.below(8000))),
            3 => drop(net.command(who, Command::Leave)),
            4 | 5 => {
                let other = rng.below(members as u64) as usize;
                if let Some(other) = net.peer(other).map(|p| p.sender_id().clone()) {
                    drop(net.command(who, Command::Remove(other)));
                }
            }
            6 => {
                let new = net.add(engine(net.len(), 0), peer_config()).unwrap();
                net.command(new, Command::Join).unwrap();
            }
            _ => drop(net.command(who, Command::Update)),
        }
        net.run_for(Duration::from_millis(rng.below(4000)));
    }
    // Long enough for whoever missed a commit to find out.
    net.run_for(Duration::from_secs(60));
    assert_eq!(net.failures(), [], "seed {seed}");
    let inside = (0..net.len()).filter(|w| net.peer(*w).is_some_and(|p| p.phase() == Phase::Member)).count();
    let stats = net.media().unwrap().stats();
    (stats, format!("seed {seed}: {inside} of {} inside, {stats:?}", net.len()))
}

fn check(seeds: std::ops::Range<u64>, steps: usize) {
    let mut all = MediaStats::default();
    for seed in seeds {
        let (stats, text) = run(seed, 2 + (seed % 5) as usize, steps);
        assert_eq!((stats.gaps, stats.leaks, stats.dark), (0, 0, 0), "{text}");
        assert!(stats.worst_switch_ms <= 500, "{text}");
        all = all.and(stats);
    }
    println!("figure media_gaps {} objects", all.gaps);
    println!("figure media_leaks {} objects", all.leaks);
    println!("figure media_dark {} objects", all.dark);
    println!("figure media_worst_removal_to_switch {} ms", all.worst_switch_ms);
    println!("figure media_opened {} objects", all.opened);
    println!("figure media_before_join {} objects", all.before);
    println!("figure media_overdue {} objects", all.overdue);
    println!("figure media_late {} objects", all.late);
    // Not by doing nothing.
    assert!(all.opened > 1000 && all.worst_switch_ms > 0, "{all:?}");
}

#[test]
fn media_goes_on_through_storms() {
    check(0..if cfg!(debug_assertions) { 10 } else { 100 }, 12);
}

#[test]
#[ignore = "thousands of seeds: with --release"]
fn media_goes_on_through_thousands_of_storms() {
    check(0..2000, 12);
}

#[test]
fn a_member_that_catches_up_in_one_go_has_every_epoch_on_the_way() {
    let mut net = Network::new(NetworkConfig::new(3));
    net.enable_media(MediaConfig::default(), 3);
    for who in 0..3 {
        let config = Config::new(GroupName::try_from("room").unwrap());
        net.add(SymbolicEngine::new(&format!("p{who}")).unwrap(), config).unwrap();
        net.command(who, Command::Join).unwrap();
    }
    net.run_for(Duration::from_secs(20));
    let before = net.peer(2).unwrap().epoch().unwrap();
    net.partition(2, Duration::from_secs(20));
    for i in 0..6 {
        net.command(i % 2, Command::Update).unwrap();
        net.run_for(Duration::from_secs(3));
    }
    net.run_for(Duration::from_secs(60));
    let after = net.peer(2).unwrap().epoch().unwrap();
    assert!(after >= before + 4, "{before} to {after}");
    let stats = net.media().unwrap().stats();
    assert_eq!((stats.gaps, stats.dark), (0, 0), "{stats:?}");
    assert_eq!(net.failures(), []);
}

/// Two commits at once, the second of which removes somebody: the removed still held the first.
#[test]
fn who_is_removed_in_a_later_epoch_reads_nothing_after_the_bound() {
    for (profile, seed) in [(Profile::Storm, 54), (Profile::Crash, 158), (Profile::Partition, 168)] {
        let scenario = Scenario::generate(profile, seed, 6);
        let stats = run_with_media(&scenario, &Kit::symbolic(), &MediaConfig::default()).media.unwrap();
        assert!(stats.opened > 100, "{profile}: {stats:?}");
        assert_eq!((stats.gaps, stats.leaks, stats.dark), (0, 0, 0), "{profile}: {stats:?}");
    }
}

/// One that dies while others still seal with an older epoch opens their objects when it is back.
#[test]
fn a_restart_loses_no_epoch() {
    let mut net = Network::new(NetworkConfig::new(5));
    let mut media = MediaConfig::default();
    media.ring.quorum = 101;
    media.ring.switch_after = Duration::from_secs(30);
    net.enable_media(media, 5);
    let engine = |who: usize, life| SymbolicEngine::new(&format!("p{who}")).unwrap().incarnation(life);
    for who in 0..3 {
        net.add(engine(who, 0), Config::new(GroupName::try_from("room").unwrap())).unwrap();
        net.command(who, Command::Join).unwrap();
    }
    net.run_for(Duration::from_secs(60));
    let sealed_with = |net: &Network<SymbolicEngine>, who: usize| {
        net.media().unwrap().endpoints()[who].ring().seal_with().unwrap().epoch()
    };
    net.command(0, Command::Update).unwrap();
    net.run_for(Duration::from_secs(5));
    let epoch = net.peer(2).unwrap().epoch().unwrap();
    assert!(sealed_with(&net, 0) < epoch, "nobody has switched yet");
    net.crash(2);
    net.run_for(Duration::from_secs(1));
    net.restart(2, engine(2, 1)).unwrap();
    assert_eq!(sealed_with(&net, 2), sealed_with(&net, 0), "it goes on where it was");
    let before = net.media().unwrap().endpoints()[2].stats();
    net.run_for(Duration::from_secs(5));
    let after = net.media().unwrap().endpoints()[2].stats();
    assert!(after.opened > before.opened, "{after:?}");
    assert_eq!((after.gaps, after.late, after.before), (0, 0, before.before), "{after:?}");
    net.run_for(Duration::from_secs(40));
    assert_eq!(sealed_with(&net, 2), epoch, "the deadline ran on");
}
