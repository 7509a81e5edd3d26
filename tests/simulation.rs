//! Whole runs under faults, judged by named invariants; and deliberate bugs, all of which must be found.
//!
//! `cargo run --release --example simulate -- --seeds N` does the same for as many seeds as one likes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use moq_mls::notice::Notice;
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::simulation::mutants::MUTANTS;
use moq_mls::testing::simulation::shrinking::shrink;
use moq_mls::testing::simulation::{Kit, Profile, Scenario, run};
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::testing::witness::SAFETY;
use moq_mls::tracks::GroupName;
use moq_mls::{Command, Config, Phase};

#[test]
fn every_profile_holds() {
    for (turn, profile) in Profile::ALL.into_iter().enumerate() {
        for seed in 0..60 {
            let seed = seed * 100 + turn as u64;
            let outcome = run(&Scenario::generate(profile, seed, 6), &Kit::symbolic());
            assert!(outcome.failure.is_none(), "{profile} {seed}: {:?}\n{}", outcome.failure, outcome.tail);
        }
        for seed in 0..2 {
            let mut scenario = Scenario::generate(profile, 7000 + seed, 6);
            // Without the service's key, nothing is promised against who changes its answers.
            scenario.receipts = profile == Profile::Between;
            let outcome = run(&scenario, &Kit::mls(seed));
            assert!(outcome.failure.is_none(), "{profile} {seed}: {:?}\n{}", outcome.failure, outcome.tail);
        }
    }
}

#[test]
fn deliberate_bugs_are_caught() {
    let kit = Kit::symbolic();
    let mut caught = 0;
    println!("{:<32} seeds  {:<28} profile", "deliberate bug", "found by");
    for mutant in &MUTANTS {
        let Some(found) = mutant.hunt(0, 1000, 6, &kit) else {
            println!("{:<32}  1000  NOT FOUND", mutant.name);
            continue;
        };
        let by = found.outcome.failure.unwrap().invariant;
        println!("{:<32} {:>5}  {by:<28} {}", mutant.name, found.runs, found.scenario.profile);
        // It is the bug that was found: the same run without it is fine.
        let mut healthy = found.scenario;
        healthy.flaw = None;
        healthy.service_flaw = None;
        assert!(run(&healthy, &kit).failure.is_none(), "{}", mutant.name);
        caught += 1;
    }
    println!("figure sim_mutants_caught {caught}/{} mutants", MUTANTS.len());
    assert_eq!(caught, MUTANTS.len());
}

/// A member that pins what is no commit strands the others. It leads nobody astray all the same.
#[test]
fn an_insider_that_pins_garbage_forks_nobody() {
    let mut stranded = 0;
    for seed in 0..12 {
        let mut scenario = Scenario::generate(Profile::Insider, seed, 5);
        scenario.attacks.insider.garbage = true;
        let failure = run(&scenario, &Kit::symbolic()).failure;
        // Who is left behind is a matter of liveness.
        let safety = |name: &&str| SAFETY.contains(name) && *name != "NoLostJoiner";
        let astray = failure.as_ref().map(|f| f.invariant).filter(safety).is_some();
        assert!(!astray, "{seed}: {failure:?}");
        // Nothing but the garbage can be to blame: so some of it was pinned.
        if failure.is_some() {
            scenario.attacks.insider.garbage = false;
            let without = run(&scenario, &Kit::symbolic()).failure;
            assert!(without.is_none(), "{seed}: {without:?}");
            stranded += 1;
        }
    }
    assert!(stranded > 0, "no garbage was pinned");
}

#[test]
fn one_seed_one_run_and_kept_draws_tell_the_same_story() {
    let kit = Kit::symbolic();
    for seed in [3, 40, 500] {
        let scenario = Scenario::generate(Profile::Storm, seed, 6);
        let first = run(&scenario, &kit);
        assert_eq!(first.digest, run(&scenario, &kit).digest);
        let mut kept = scenario;
        kept.choices = Some(first.choices.clone());
        assert_eq!(first.digest, run(&kept, &kit).digest);
    }
}

#[test]
fn a_failure_shrinks_to_one_that_fails_alike() {
    let kit = Kit::symbolic();
    let found = MUTANTS[0].hunt(0, 1000, 6, &kit).unwrap();
    let small = shrink(&found.scenario, &found.outcome, &kit, 200);
    assert!(small.steps.len() < found.scenario.steps.len());
    let again = run(&small, &kit).failure.unwrap();
    assert_eq!(again.invariant, found.outcome.failure.unwrap().invariant);
    let json: serde_json::Value = serde_json::from_str(&small.to_json("symbolic", &again.detail)).unwrap();
    assert_eq!(json["steps"].as_array().unwrap().len(), small.steps.len());
}

#[test]
fn the_invariants_have_names_of_their_own() {
    let mut names = SAFETY.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SAFETY.len());
}

fn pair() -> Network<SymbolicEngine> {
    let mut net = Network::new(NetworkConfig::new(1));
    for who in 0..2 {
        let config = Config::new(GroupName::try_from("room").unwrap());
        net.add(SymbolicEngine::new(&format!("u{who}")).unwrap(), config).unwrap();
        net.command(who, Command::Join).unwrap();
    }
    assert!(net.run_until(Duration::from_secs(30), |net| net.agreement(&[0, 1]).is_ok()));
    net
}

/// What was due together with the timer that ended it was set again, and never fired: a busy loop.
#[test]
fn one_that_has_ended_waits_for_nothing() {
    let mut net = pair();
    net.partition(0, Duration::from_secs(7200));
    net.command(1, Command::Leave).unwrap();
    // Far enough for every timer of its own to be due at once. It gives up at the third time.
    for hours in 1..=3 {
        net.set_clock(1, hours * 3_600_000);
    }
    assert!(net.notices(1).iter().any(|(_, n)| *n == Notice::LeaveUnheard));
    assert_eq!(net.peer(1).unwrap().phase(), Phase::Ended);
    assert_eq!(net.peer(1).unwrap().poll_timeout(), None);
}

/// A clock that was set back an hour stopped every timer for an hour.
#[test]
fn a_clock_set_back_delays_nothing() {
    let mut net = pair();
    let epoch = net.agreement(&[0, 1]).unwrap().epoch;
    for who in 0..2 {
        net.set_clock(who, -3_600_000);
        net.command(who, Command::Update).unwrap();
    }
    let done = |net: &Network<SymbolicEngine>| net.agreement(&[0, 1]).is_ok_and(|a| a.epoch > epoch);
    assert!(net.run_until(Duration::from_secs(10), done), "{}", net.log().to_text());
}
