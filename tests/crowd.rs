//! Many join at once: how long the commit waits for more, in which order they get in, and who asks whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use moq_mls::action::{Notice, Refusal};
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::tracks::TrackKind;
use moq_mls::{Admission, Command, Config};
use support::engines::engine;
use support::{World, config};

fn world(members: usize, config: &Config) -> World<SymbolicEngine> {
    let mut world = World::new();
    for i in 0..members {
        let who = world.add(SymbolicEngine::new(&format!("m{i:03}")).unwrap(), config.clone());
        world.command(who, Command::Join);
        world.run(1000);
    }
    world
}

fn join(world: &mut World<SymbolicEngine>, name: &str, config: &Config) -> usize {
    let who = world.add(SymbolicEngine::new(name).unwrap(), config.clone());
    world.command(who, Command::Join);
    who
}

#[test]
fn a_lone_joiner_waits_one_batch_time() {
    let mut world = world(1, &config());
    let who = join(&mut world, "lone", &config());
    let batch = u64::try_from(config().timers.batch.as_millis()).unwrap();
    world.run(batch - 1);
    assert_eq!(world.peers[who].machine.epoch(), None);
    world.run(2);
    assert_eq!(world.peers[who].machine.epoch(), Some(1));
}

#[test]
fn a_crowd_that_keeps_coming_is_few_commits() {
    let mut world = world(1, &config());
    for i in 0..200 {
        join(&mut world, &format!("c{i:03}"), &config());
        world.run(30);
    }
    world.run(2000);
    let all: Vec<usize> = (0..=200).collect();
    let epochs = world.agree(&all);
    assert!((2..=3).contains(&epochs), "6 s of a crowd in {epochs} commits");
}

#[test]
fn a_removal_does_not_wait_for_a_crowd() {
    let mut world = world(2, &config());
    let (before, gone) = (world.peers[0].machine.epoch().unwrap(), world.id(1));
    world.command(0, Command::Remove(gone));
    for i in 0..20 {
        join(&mut world, &format!("c{i}"), &config());
        world.run(30);
    }
    assert!(world.peers[0].machine.epoch().unwrap() > before, "600 ms of a crowd and no removal");
    assert!(world.heard(1, |n| matches!(n, Notice::Removed { .. })));
}

#[test]
fn who_came_first_gets_in_first() {
    let mut capped = config();
    capped.tree_threshold = None;
    capped.limits.adds_per_commit = 2;
    let mut world = world(1, &capped);
    // Later ones have names that sort first, and keep coming; still nobody starves.
    let order: Vec<usize> = (0..8).map(|i| join(&mut world, &format!("z{}", 9 - i), &capped)).collect();
    world.run(20_000);
    let leaf_of = |who: usize| {
        let id = world.id(who);
        world.peers[0].machine.members().find(|m| m.sender == id).unwrap().leaf
    };
    let leaves: Vec<u32> = order.iter().map(|who| leaf_of(*who)).collect();
    assert!(leaves.is_sorted(), "in the order they came: {leaves:?}");
    assert!(world.peers[0].machine.epoch().unwrap() >= 4, "two at a time");
}

#[test]
fn a_joiner_with_a_receipt_asks_nobody() {
    let mut world = World::new();
    let mut config = config();
    config.service_key = Some(world.sign_receipts());
    for i in 0..6 {
        world.add(engine(&format!("m{i}")), config.clone());
    }
    world.command(0, Command::Join);
    world.run(1000);
    for who in 1..6 {
        world.command(who, Command::Join);
    }
    world.run(3000);
    assert_eq!(world.agree(&[0, 1, 2, 3, 4, 5]), 1);
    for who in 1..6 {
        let stats = world.peers[who].machine.stats();
        // One request to learn that the group is there, none for the pin.
        assert_eq!((stats.lock_requests, stats.receipts_used), (1, 1), "{who}");
    }
    // In a group with receipts an epoch costs the committer's two requests, and nobody else any.
    let asked = |world: &World<_>| -> u64 {
        (0..6)
            .map(|who| world.peers[who].machine.stats())
            .map(|s: &moq_mls::Stats| s.lock_requests + s.increment_requests)
            .sum()
    };
    let before = asked(&world);
    world.command(2, Command::Update);
    world.run(2000);
    assert_eq!(world.agree(&[0, 1, 2, 3, 4, 5]), 2);
    assert_eq!(asked(&world) - before, 2);
}

/// A relay can invent senders at will: what waits is bounded in number and in bytes, who finds no room is
/// told to the embedder by name, and gets in once there is room.
#[test]
fn a_flood_of_key_packages_is_bounded() {
    let message = {
        let mut alone = world(1, &config());
        join(&mut alone, "f0", &config());
        let tracks = alone.peers[0].machine.tracks();
        let packages = alone
            .objects
            .iter()
            .filter(|(track, _)| matches!(tracks.classify(track), Some(TrackKind::KeyPackage(_))));
        packages.flat_map(|(_, objects)| objects.values()).map(|payload| payload.len()).max().unwrap()
    };
    let by_number = |config: &mut Config| config.limits.pending_joiners = 3;
    let by_bytes = |config: &mut Config| config.limits.pending_joiner_bytes = 3 * message + message / 2;
    for bound in [&by_number as &dyn Fn(&mut Config), &by_bytes] {
        let mut config = support::config();
        config.admission = Admission::Ask;
        bound(&mut config);
        let mut world = world(1, &config);
        let flood: Vec<usize> = (0..8).map(|i| join(&mut world, &format!("f{i}"), &config)).collect();
        world.run(2000);
        let full = |n: &Notice| matches!(n, Notice::Refused { why: Refusal::Full, .. });
        let asked = |n: &Notice| matches!(n, Notice::JoinRequested { .. });
        let count = |world: &World<_>, of: &dyn Fn(&Notice) -> bool| {
            world.peers[0].notices.iter().filter(|n| of(n)).count()
        };
        assert!(count(&world, &full) >= 5, "{:?}", world.peers[0].notices);
        assert_eq!(count(&world, &asked), 3, "nobody was asked about that did not fit");
        for who in &flood {
            let sender = world.id(*who);
            world.command(0, Command::Admit { sender, replacing: None });
        }
        world.run(60_000);
        let all: Vec<usize> = (0..=flood.len()).collect();
        world.agree(&all);
    }
}
