//! The same state run twice, or put back; an identity that is there without its state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support;
use crate::support::engines::{TestEngine, basic_client, engine, engine_of};
use crate::support::{Steps, World, config};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::notice::Notice;
use moq_mls::{Admission, Command, Config, Phase, SafetyMode};

const ORIGINAL: usize = 1;

fn of_mode(mode: SafetyMode) -> Config {
    let mut config = config();
    config.params.mode = mode;
    config
}

/// Three who agree; the second's engine, to run it once more.
fn three(config: &Config) -> (World<TestEngine>, TestEngine) {
    let mut world = World::new();
    let client = basic_client("m1", RustCryptoProvider::default());
    let twin = || engine_of(&client);
    for engine in [engine("m0"), twin(), engine("m2")] {
        let who = world.enter(engine, config.clone());
        world.tell(who, Command::Join);
        world.run(1000);
    }
    world.run(10_000);
    world.agree(&[0, 1, 2]);
    (world, twin())
}

/// How long each time the place was left to the other run, seconds.
fn waits(world: &World<TestEngine>, who: usize) -> Vec<u64> {
    let wait = |notice: &Notice| match notice {
        Notice::Doubled { wait, .. } => Some(wait.as_secs()),
        _ => None,
    };
    world.told(who).filter_map(wait).collect()
}

/// A copied folder: both runs are notified, and pause for longer and longer; the run that stays is back in the end.
#[test]
fn a_state_that_runs_twice_is_reported_and_does_not_change_epochs_for_ever() {
    for mode in SafetyMode::ALL {
        let config = of_mode(mode);
        let (mut world, twin) = three(&config);
        let copy = world.durable(ORIGINAL).unwrap();
        let double = world.add_restored(twin, config, copy).unwrap();
        world.run(1000);
        let before = world.machine(0).epoch().unwrap();
        world.tell(ORIGINAL, Command::Update);
        world.run(20 * 60_000);
        let first = world.machine(0).epoch().unwrap() - before;
        // Waits of 0, 10, 20, 20, 40, 40 s and so on fill the time, and each brings one epoch.
        assert!((4..=16).contains(&first), "{mode:?}: {first} epochs in 20 minutes");
        for who in [ORIGINAL, double] {
            let waits = waits(&world, who);
            assert!(waits.len() > 2, "{mode:?}: {waits:?}");
            assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{mode:?}: {waits:?}");
        }
        world.run(20 * 60_000);
        let second = world.machine(0).epoch().unwrap() - before - first;
        assert!(second <= 3, "{mode:?}: {second} more in the next 20");
        world.crash(double);
        world.run(60 * 60_000);
        world.agree(&[0, 1, 2]);
    }
}

/// An older state was put back, and no other copy runs: it is reported once, and back at once.
#[test]
fn a_state_that_was_put_back_is_reported_and_back_at_once() {
    let (mut world, twin) = three(&config());
    let old = world.durable(ORIGINAL).unwrap();
    world.tell(ORIGINAL, Command::Update);
    world.run(1000);
    world.crash(ORIGINAL);
    let back = world.add_restored(twin, config(), old).unwrap();
    world.run(3000);
    assert_eq!(waits(&world, back), [0]);
    world.agree(&[0, back, 2]);
    world.run(20 * 60_000);
    assert_eq!(waits(&world, back), [0]);
}

/// A member of which only the identity is left, and its old leaf is in the group; milliseconds until it is back.
fn back_after(world: &mut World<TestEngine>, twin: TestEngine, config: Config) -> u64 {
    let who = world.enter(twin, config);
    world.tell(who, Command::Join);
    let begin = world.now().as_millis();
    while world.machine(who).phase() != Phase::Member {
        assert!(world.now().as_millis() - begin < 120_000, "{}", world.log().to_text());
        world.run(10);
    }
    let took = world.now().as_millis() - begin;
    world.run(1000);
    world.agree(&[0, 2, who]);
    took
}

/// It was let in at once, and lost its state a while later.
#[test]
fn an_identity_without_its_state_is_back_at_once() {
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced] {
        let config = of_mode(mode);
        let (mut world, twin) = three(&config);
        world.crash(ORIGINAL);
        let took = back_after(&mut world, twin, config);
        assert!(took <= 1000, "{mode:?}: {took} ms");
    }
}

/// It waited for long before it was let in, and numbered its KeyPackages ever further on meanwhile.
#[test]
fn an_identity_without_its_state_is_back_with_the_second_key_package_whatever_it_numbered_before() {
    for mode in SafetyMode::ALL {
        let mut asking = of_mode(mode);
        asking.admission = Admission::Ask;
        let mut world = World::new();
        let client = basic_client("m1", RustCryptoProvider::default());
        let twin = || engine_of(&client);
        for engine in [engine("m0"), twin(), engine("m2")] {
            let who = world.enter(engine, asking.clone());
            world.tell(who, Command::Join);
            world.run(1000);
        }
        // It makes 26 KeyPackages in the waiting room.
        world.run(26 * 11_000);
        for (who, name) in [(ORIGINAL, "m1"), (2, "m2")] {
            let sender = world.id(who);
            world.tell(0, support::admit(&sender, name));
        }
        world.run(15_000);
        world.agree(&[0, 1, 2]);
        world.crash(ORIGINAL);
        let took = back_after(&mut world, twin(), asking);
        // The first is not above what it joined by. Where nobody answers it, it looks for that.
        let retry = 10_000;
        assert!(took <= retry + 1000, "{mode:?}: {took} ms");
    }
}
