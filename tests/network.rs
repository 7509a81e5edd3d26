//! The simulated network: whole lives over wire bytes, with faults, and the same twice for one seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use bytes::Bytes;
use moq_mls::action::{Fault, Notice};
use moq_mls::keys::EXPORTER_LABEL;
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::seeded_crypto::{SeededEngine, seeded_engine};
use moq_mls::tracks::{CommitTrackPolicy, FullTrackName, GroupName, Location, TrackNamespace};
use moq_mls::{Command, Config, Object, Phase, SafetyMode};

fn config() -> Config {
    Config::new(GroupName::try_from("room").unwrap())
}

fn network(seed: u64, participants: usize, config: &Config) -> Network<SeededEngine> {
    let mut net = Network::new(NetworkConfig::new(seed));
    for i in 0..participants {
        net.add(seeded_engine(&format!("u{i}"), seed), config.clone()).unwrap();
    }
    net
}

#[track_caller]
fn settle(net: &mut Network<SeededEngine>, members: &[usize]) -> u64 {
    let agreed = net.run_until(Duration::from_secs(300), |net| net.agreement(members).is_ok());
    assert!(agreed, "{:?}\n{}", net.agreement(members), net.log().to_text());
    assert!(net.failures().is_empty(), "{:?}", net.failures());
    net.agreement(members).unwrap().epoch
}

/// Everyone joins at once, one re-keys, one leaves, one is removed, one is killed and comes back.
fn life(seed: u64, config: &Config, faults: bool) -> Network<SeededEngine> {
    let mut net = network(seed, 7, config);
    if faults {
        let f = net.faults_mut();
        f.lost_objects = 100;
        f.repeated_objects = 100;
        f.late_objects = 200;
        f.lost_requests = 100;
        f.lost_replies = 100;
    }
    for who in 0..7 {
        net.command(who, Command::Join).unwrap();
    }
    settle(&mut net, &[0, 1, 2, 3, 4, 5, 6]);
    net.command(1, Command::Update).unwrap();
    net.run_for(Duration::from_secs(10));
    net.command(2, Command::Leave).unwrap_or_else(|e| panic!("{e}\n{}", net.log().to_text()));
    settle(&mut net, &[0, 1, 3, 4, 5, 6]);
    let gone = net.peer(3).unwrap().sender_id().clone();
    net.command(4, Command::Remove(gone)).unwrap();
    settle(&mut net, &[0, 1, 4, 5, 6]);
    net.crash(5);
    net.command(0, Command::Update).unwrap();
    net.run_for(Duration::from_secs(10));
    net.restart(5, seeded_engine("u5", seed)).unwrap();
    settle(&mut net, &[0, 1, 4, 5, 6]);
    net
}

#[test]
fn a_life_without_faults() {
    let net = life(1, &config(), false);
    assert!(net.notices(2).iter().any(|(_, n)| *n == Notice::Left));
    assert_eq!(net.peer(3).unwrap().phase(), Phase::Ended);
}

#[test]
fn a_life_with_a_commit_track_for_each_sender() {
    let mut config = config();
    config.commit_tracks = CommitTrackPolicy::PerSender;
    life(2, &config, false);
    life(3, &config, true);
}

#[test]
fn a_life_in_advisory_mode() {
    let mut config = config();
    config.mode = SafetyMode::Advisory;
    life(4, &config, false);
}

#[test]
fn lives_with_losses_repeats_and_lost_answers() {
    for seed in 10..22 {
        life(seed, &config(), true);
    }
}

#[test]
fn one_seed_one_run() {
    let text = |seed| life(seed, &config(), true).log().to_text();
    assert_eq!(text(30), text(30));
    assert_ne!(text(30), text(31));
}

#[test]
fn track_keys_are_shared_and_each_track_and_epoch_has_its_own() {
    let mut net = network(5, 3, &config());
    for who in 0..3 {
        net.command(who, Command::Join).unwrap();
    }
    settle(&mut net, &[0, 1, 2]);
    let track = |name: &'static str| FullTrackName {
        namespace: TrackNamespace::new(vec![Bytes::from_static(b"room")]).unwrap(),
        name: Bytes::from_static(name.as_bytes()),
    };
    let key =
        |net: &Network<SeededEngine>, who, name| net.peer(who).unwrap().track_base_key(&track(name)).unwrap();
    let camera = key(&net, 0, "camera");
    assert_eq!(camera.key.len(), 32);
    assert_eq!(camera, key(&net, 2, "camera"));
    assert_ne!(camera, key(&net, 0, "microphone"));
    assert!(!format!("{camera:?}").contains(&hex::encode(camera.key.as_bytes())));
    net.command(1, Command::Update).unwrap();
    net.run_for(Duration::from_secs(5));
    let next = key(&net, 0, "camera");
    assert_eq!(next.key_id, camera.key_id + 1);
    assert_ne!(next.key, camera.key);
}

/// The derivation once more, with RFC 5869 written out over the hash alone.
#[test]
fn track_keys_by_another_way() {
    let mut net = network(6, 1, &config());
    net.command(0, Command::Join).unwrap();
    settle(&mut net, &[0]);
    let peer = net.peer(0).unwrap();
    let sha256 = |data: &[u8]| moq_mls::engine::Engine::sha256(peer.engine(), data).unwrap();
    let hmac = |key: &[u8], data: &[u8]| {
        let mut block = [0_u8; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(&sha256(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let pad = |byte: u8| block.iter().map(|b| b ^ byte).collect::<Vec<u8>>();
        sha256(&[pad(0x5c), sha256(&[pad(0x36), data.to_vec()].concat()).to_vec()].concat())
    };
    let master = peer.export_secret(EXPORTER_LABEL, b"room", 32).unwrap();
    let secret = hmac(&[b"SecureObject Epoch Master Key ", &[0; 8][..]].concat(), master.as_bytes());
    let track = FullTrackName {
        namespace: TrackNamespace::new(vec!["example.com".into()]).unwrap(),
        name: "audio".into(),
    };
    let name = hex::decode("010b6578616d706c652e636f6d05617564696f").unwrap();
    let info = [b"SecureObject Track Base Key ", &name[..], &[1]].concat();
    assert_eq!(peer.track_base_key(&track).unwrap().key.as_bytes(), hmac(&secret, &info));
}

#[test]
fn junk_from_a_stranger_changes_nothing() {
    let mut net = network(7, 3, &config());
    for who in 0..3 {
        net.command(who, Command::Join).unwrap();
    }
    let epoch = settle(&mut net, &[0, 1, 2]);
    let track = net.peer(0).unwrap().tracks().commit(net.peer(0).unwrap().sender_id());
    let location = Location { group: epoch, object: 0 };
    let junk = Object { track, location, payload: Bytes::from_static(b"junk") };
    net.inject(0..3, &junk);
    net.run_for(Duration::from_millis(10));
    for who in 0..3 {
        assert_eq!(net.peer(who).unwrap().stats().faults[&Fault::NotMls], 1);
    }
    net.command(1, Command::Update).unwrap();
    net.run_for(Duration::from_secs(5));
    assert_eq!(settle(&mut net, &[0, 1, 2]), epoch + 1);
}

/// More of the same, for a release build: `cargo test --release --test network -- --ignored`.
#[test]
#[ignore = "minutes in a debug build; CI runs it in release"]
fn many_lives_with_faults() {
    for seed in 1000..1300 {
        let mut config = config();
        if seed % 2 == 0 {
            config.commit_tracks = CommitTrackPolicy::PerSender;
        }
        println!("seed {seed}");
        life(seed, &config, true);
    }
}
