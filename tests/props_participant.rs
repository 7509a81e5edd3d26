//! Random runs of up to 12 participants over real MLS: those that are in agree, those that are out cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::engines::{TestEngine, engine};
use crate::support::{Steps, World, config};
use moq_mls::notice::Notice;
use moq_mls::tracks::CommitTrackPolicy;
use moq_mls::{Command, Phase};
use proptest::prelude::*;

const MOST: usize = 12;

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    Remove(usize, usize),
    Update(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..MOST;
    prop_oneof![
        4 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Leave),
        1 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Remove(a, b)),
        2 => who.prop_map(Step::Update),
        3 => (0..3000_u64).prop_map(Step::Wait),
    ]
}

fn live(steps: &[Step], delay: u64, seed: u64, policy: CommitTrackPolicy, founded: bool) {
    let mut world: World<TestEngine> = World::late(delay, seed);
    for i in 0..MOST {
        let mut config = config();
        config.params.commit_tracks = policy;
        world.enter(engine(&format!("p{i}")), config);
    }
    let is_member = |world: &World<TestEngine>, who: usize| world.machine(who).phase() == Phase::Member;
    if founded {
        world.tell(0, Command::Join);
        world.run(5000);
    }
    for step in steps {
        match *step {
            Step::Join(who) if world.machine(who).phase() == Phase::New => {
                world.tell(who, Command::Join);
            }
            // One always stays: what an empty group needs is a new generation.
            Step::Leave(who) if founded && who > 0 && is_member(&world, who) => {
                world.tell(who, Command::Leave)
            }
            Step::Remove(by, who)
                if who > 0 && by != who && is_member(&world, by) && is_member(&world, who) =>
            {
                let target = world.id(who);
                world.tell(by, Command::Remove(target));
            }
            Step::Update(who) if is_member(&world, who) => world.tell(who, Command::Update),
            Step::Wait(millis) => world.run(millis),
            _ => {}
        }
    }
    if world.machine(0).phase() == Phase::New {
        world.tell(0, Command::Join);
    }
    // Long enough for a lease to lapse, a KeyPackage to be sent again and a leave to be repeated.
    world.run(120_000);
    let inside: Vec<usize> = (0..MOST).filter(|who| is_member(&world, *who)).collect();
    let waiting: Vec<usize> = (0..MOST)
        .filter(|who| matches!(world.machine(*who).phase(), Phase::Joining | Phase::Bootstrapping))
        .collect();
    assert!(waiting.is_empty(), "{waiting:?} still wait\n{}", world.log().to_text());
    assert!(inside.contains(&0));
    world.agree(&inside);
    let secrets: Vec<_> =
        inside.iter().map(|who| world.machine(*who).export_secret(b"x", b"y", 32).unwrap()).collect();
    assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]), "one secret");
    for who in 0..MOST {
        let machine = world.machine(who);
        if machine.phase() == Phase::Ended {
            assert!(machine.export_secret(b"x", b"y", 32).is_err(), "{who} is out and holds nothing");
            let told = |n: &Notice| matches!(n, Notice::Removed { .. } | Notice::Left | Notice::LeaveUnheard);
            assert!(world.heard(who, told));
        }
    }
    if policy == CommitTrackPolicy::PerSender {
        assert_eq!(world.conflicts(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everyone_inside_agrees(
        steps in proptest::collection::vec(step(), 1..40),
        delay in 0..300_u64,
        seed: u64,
    ) {
        live(&steps, delay, seed, CommitTrackPolicy::Shared, true);
    }

    #[test]
    fn creators_that_race_end_in_one_group(
        steps in proptest::collection::vec(step(), 1..30),
        delay in 0..300_u64,
        seed: u64,
    ) {
        live(&steps, delay, seed, CommitTrackPolicy::Shared, false);
    }

    #[test]
    fn everyone_inside_agrees_with_a_track_per_sender(
        steps in proptest::collection::vec(step(), 1..40),
        delay in 0..300_u64,
        seed: u64,
    ) {
        live(&steps, delay, seed, CommitTrackPolicy::PerSender, true);
    }
}
