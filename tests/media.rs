//! Media over the epochs of simulated groups: no gaps, no leaks, never dark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use moq_mls::engine::EngineError;
use moq_mls::keys::{EpochSecret, Kdf, Silence};
use moq_mls::notice::Notice;
use moq_mls::testing::media::{MediaConfig, MediaEndpoint, MediaStats, Places, Received};
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

fn run(seed: u64, members: usize, steps: usize, places: Places) -> (MediaStats, String) {
    let mut config = NetworkConfig::new(seed);
    config.faults.lost_objects = 20;
    config.faults.repeated_objects = 20;
    config.faults.late_objects = 20;
    config.faults.lost_replies = 20;
    config.faults.lost_requests = 20;
    let mut rng = Rng::new(seed ^ 0x006d_6564_6961);
    let mut net = Network::new(config);
    let mut media = MediaConfig::default();
    media.places = places;
    net.enable_media(media, seed);
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
                if places == Places::FromStart {
                    drop(net.command(who, Command::Update));
                }
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
    // Long enough for a participant that missed a commit to find out.
    net.run_for(Duration::from_secs(60));
    assert_eq!(net.failures(), [], "seed {seed}");
    let inside = (0..net.len()).filter(|w| net.peer(*w).is_some_and(|p| p.phase() == Phase::Member)).count();
    let stats = net.media().unwrap().stats();
    (stats, format!("seed {seed}: {inside} of {} inside, {stats:?}", net.len()))
}

fn check(seeds: std::ops::Range<u64>, steps: usize, places: Places) {
    let mut all = MediaStats::default();
    for seed in seeds {
        let (stats, text) = run(seed, 2 + (seed % 5) as usize, steps, places);
        assert_eq!((stats.gaps, stats.leaks, stats.dark, stats.reused), (0, 0, 0, 0), "{text}");
        assert!(stats.worst_switch_ms <= 500, "{text}");
        all = all.and(stats);
    }
    println!("figure media_gaps {} objects", all.gaps);
    println!("figure media_leaks {} objects", all.leaks);
    println!("figure media_dark {} objects", all.dark);
    println!("figure media_worst_removal_to_switch {} ms", all.worst_switch_ms);
    println!("figure media_reused {} objects", all.reused);
    println!("figure media_held_back {} of {} objects", all.held_back, all.held_back + all.sealed);
    println!("figure media_opened {} objects", all.opened);
    println!("figure media_before_join {} objects", all.before);
    println!("figure media_overdue {} objects", all.overdue);
    println!("figure media_late {} objects", all.late);
    // Not by doing nothing.
    assert!(all.opened > 1000 && all.worst_switch_ms > 0, "{all:?}");
}

#[test]
fn media_goes_on_through_storms() {
    check(0..if cfg!(debug_assertions) { 10 } else { 100 }, 12, Places::ByTime);
}

#[test]
fn who_forgets_where_it_was_seals_nothing_twice_in_storms() {
    check(0..if cfg!(debug_assertions) { 10 } else { 100 }, 12, Places::FromStart);
}

#[test]
#[ignore = "thousands of seeds: with --release"]
fn media_goes_on_through_thousands_of_storms() {
    check(0..2000, 12, Places::ByTime);
    check(0..2000, 12, Places::FromStart);
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

/// Two commits at once, the second of which removes a member: that one still held the first.
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

fn numbered(who: usize, life: u64) -> SymbolicEngine {
    SymbolicEngine::new(&format!("p{who}")).unwrap().incarnation(life)
}

/// Three members that send media.
fn three(seed: u64, media: MediaConfig) -> Network<SymbolicEngine> {
    three_in(NetworkConfig::new(seed), media)
}

fn three_in(setup: NetworkConfig, media: MediaConfig) -> Network<SymbolicEngine> {
    let seed = setup.seed;
    let mut net = Network::new(setup);
    net.enable_media(media, seed);
    for who in 0..3 {
        net.add(numbered(who, 0), Config::new(GroupName::try_from("room").unwrap())).unwrap();
        net.command(who, Command::Join).unwrap();
    }
    net.run_for(Duration::from_secs(30));
    net
}

fn media_of(net: &Network<SymbolicEngine>, who: usize) -> &MediaEndpoint {
    &net.media().unwrap().endpoints()[who]
}

/// An older copy of the state is put in place of the newer one: the member catches up on epochs that it was in
/// before, and sealed in.
#[test]
fn a_state_that_was_put_back_seals_nothing_twice() {
    for places in [Places::FromStart, Places::ByTime] {
        let mut media = MediaConfig::default();
        media.places = places;
        let mut net = three(7, media);
        let (state, ring) = (net.durable(2).unwrap(), media_of(&net, 2).stored().cloned());
        for who in [0, 1, 0] {
            net.command(who, Command::Update).unwrap();
            net.run_for(Duration::from_secs(5));
        }
        let newest = net.peer(2).unwrap().epoch().unwrap();
        assert_eq!(media_of(&net, 2).ring().seal_with().unwrap().epoch(), newest);
        net.crash(2);
        net.put_back(2, state);
        net.media_mut().unwrap().endpoint_mut(2).unwrap().put_back(ring);
        let before = media_of(&net, 2).stats();
        net.restart(2, numbered(2, 1)).unwrap();
        assert!(net.peer(2).unwrap().epoch().unwrap() < newest);
        net.run_for(Duration::from_secs(40));
        assert_eq!(net.peer(2).unwrap().epoch().unwrap(), newest);
        let after = media_of(&net, 2).stats();
        assert!(after.opened > before.opened + 100, "{after:?}");
        if places == Places::FromStart {
            assert_eq!(media_of(&net, 2).ring().sealing(), Err(Silence::Restored));
            assert_eq!(after.sealed, before.sealed, "in none of the epochs on the way");
            // What others commit may be as old as the state, for all that it can know.
            net.command(0, Command::Update).unwrap();
            net.run_for(Duration::from_secs(5));
            assert_eq!(media_of(&net, 2).ring().sealing(), Err(Silence::Restored));
            net.command(2, Command::Update).unwrap();
            net.run_for(Duration::from_secs(5));
            assert_eq!(net.peer(2).unwrap().epoch().unwrap(), newest + 2);
        }
        let sealing = media_of(&net, 2).ring().seal_with().unwrap().epoch();
        assert_eq!(sealing, net.peer(2).unwrap().epoch().unwrap());
        assert!(media_of(&net, 2).stats().sealed > before.sealed);
        let stats = net.media().unwrap().stats();
        assert_eq!((stats.reused, stats.gaps, stats.dark), (0, 0, 0), "{stats:?}");
        assert_eq!(net.failures(), []);
    }
}

/// The own commit that a state holds may have won before the state was put back.
#[test]
fn an_own_commit_of_an_earlier_run_makes_no_epoch_new() {
    let mut media = MediaConfig::default();
    media.places = Places::FromStart;
    let mut net = three(9, media);
    let base = net.peer(2).unwrap().epoch().unwrap();
    net.command(2, Command::Update).unwrap();
    let built = net.run_until(Duration::from_secs(20), |net| net.peer(2).unwrap().inside().outbox.is_some());
    assert!(built);
    let (state, ring) = (net.durable(2).unwrap(), media_of(&net, 2).stored().cloned());
    net.run_for(Duration::from_secs(10));
    assert_eq!(media_of(&net, 2).ring().seal_with().unwrap().epoch(), base + 1);
    net.crash(2);
    net.put_back(2, state);
    net.media_mut().unwrap().endpoint_mut(2).unwrap().put_back(ring);
    net.restart(2, numbered(2, 1)).unwrap();
    assert_eq!(net.peer(2).unwrap().epoch(), Some(base));
    net.run_for(Duration::from_secs(40));
    assert_eq!(net.peer(2).unwrap().epoch(), Some(base + 1));
    assert_eq!(media_of(&net, 2).ring().sealing(), Err(Silence::Restored));
    net.command(2, Command::Update).unwrap();
    net.run_for(Duration::from_secs(10));
    assert_eq!(media_of(&net, 2).ring().seal_with().unwrap().epoch(), base + 2);
    assert_eq!(net.media().unwrap().stats().reused, 0);
}

/// The removal is on no relay any more, nor with the service, and who could let the member in again is gone.
#[test]
fn who_did_not_see_a_removal_seals_nothing_ten_minutes_later() {
    let mut setup = NetworkConfig::new(11);
    setup.counter.kept_commits = 1;
    let mut net = three_in(setup, MediaConfig::default());
    let removed = net.peer(2).unwrap().sender_id().clone();
    let shared = media_of(&net, 1).ring().seal_with().unwrap().clone();
    assert_eq!(media_of(&net, 2).ring().open_with(shared.epoch()), Some(&shared), "the removed one has it");
    net.partition(1, Duration::from_secs(20));
    net.command(0, Command::Remove(removed)).unwrap();
    net.run_for(Duration::from_secs(5));
    assert_eq!(net.peer(2).unwrap().phase(), Phase::Ended);
    net.command(0, Command::Update).unwrap();
    net.run_for(Duration::from_secs(5));
    net.crash(0);
    net.evict_relay();
    let told = |net: &Network<SymbolicEngine>| {
        net.notices(1).iter().any(|(_, notice)| matches!(notice, Notice::Rejoining { .. }))
    };
    assert!(net.run_until(Duration::from_secs(300), told));
    net.run_for(Duration::from_secs(29));
    assert_eq!(media_of(&net, 1).ring().sealing(), Ok(&shared), "it may yet be let in");
    net.run_for(Duration::from_secs(2));
    let bound = media_of(&net, 1).stats();
    net.run_for(Duration::from_secs(600));
    let later = media_of(&net, 1).stats();
    assert_eq!((later.sealed, media_of(&net, 1).ring().sealing()), (bound.sealed, Err(Silence::Behind)));
    assert!(later.held_back > bound.held_back + 5000, "{later:?}");
    assert_eq!(media_of(&net, 1).ring().open_with(shared.epoch()), Some(&shared), "it opens on");
    // Let in again, it goes on.
    net.restart(0, numbered(0, 1)).unwrap();
    net.run_for(Duration::from_secs(120));
    assert_eq!(net.peer(1).unwrap().phase(), Phase::Member);
    let epoch = net.peer(1).unwrap().epoch().unwrap();
    assert_eq!(media_of(&net, 1).ring().seal_with().unwrap().epoch(), epoch);
    assert_eq!(net.failures(), []);
}

/// Let in once more by a Welcome that an earlier run has joined by, it is where it was before.
#[test]
fn a_key_package_of_an_earlier_run_makes_no_epoch_new() {
    let mut media = MediaConfig::default();
    media.places = Places::FromStart;
    let mut net = three(13, media);
    let new = net.add(numbered(3, 0), Config::new(GroupName::try_from("room").unwrap())).unwrap();
    net.command(new, Command::Join).unwrap();
    let asks = |net: &Network<SymbolicEngine>| net.peer(3).unwrap().phase() == Phase::Joining;
    assert!(net.run_until(Duration::from_secs(20), asks));
    let state = net.durable(new).unwrap();
    net.run_for(Duration::from_secs(5));
    let joined = net.peer(new).unwrap().epoch().unwrap();
    assert!(media_of(&net, new).ring().sealing().is_ok());
    net.crash(new);
    net.put_back(new, state);
    net.media_mut().unwrap().endpoint_mut(new).unwrap().put_back(None);
    net.restart(new, numbered(3, 1)).unwrap();
    net.run_for(Duration::from_secs(5));
    assert_eq!(net.peer(new).unwrap().epoch(), Some(joined));
    assert_eq!(media_of(&net, new).ring().sealing(), Err(Silence::Restored));
    net.command(new, Command::Update).unwrap();
    net.run_for(Duration::from_secs(5));
    assert_eq!(media_of(&net, new).ring().seal_with().unwrap().epoch(), joined + 1);
    assert_eq!(net.media().unwrap().stats().reused, 0);
}
