//! The machine that ships, in every order in which things can happen, over the symbolic engine.
//!
//! A [`rows::Row`] is a small world: so many members, so many epochs, these faults. Its states are
//! enumerated: `stateright` checks the invariants on each (and gives the shortest way to a violation), and
//! [`search`] checks on the same model that from each of them the group can still reach agreement.
//! Rows that are weakened on purpose, the draft's bare
//! API, and a model of the draft's literal order must be found forking or wedging: so the check can fail.

// A search is timed, and never iterates over its map of states.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acts;
mod capsule;
mod literal;
mod rows;
mod search;
mod service;
mod watching;
mod world;

use std::sync::Mutex;
use std::thread::{self, available_parallelism};

use rows::Row;
use search::Limits;

/// Checks a row as far as `limits` go, prints what was seen, and holds it against what is expected of it.
fn check(row: &Row, limits: &Limits) {
    let report = search::run(row, limits);
    println!("{report}");
    report.hold();
}

/// Checks rows side by side, one to a core.
fn check_all(rows: impl Iterator<Item = Row> + Send) {
    let rows = Mutex::new(rows);
    let next = || rows.lock().unwrap().next();
    let cores = available_parallelism().map_or(1, |n| n.get());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(row) = next() {
                    check(&row, &small());
                }
            });
        }
    });
}

fn small() -> Limits {
    Limits { states: 200_000, seconds: 40 }
}

/// Healthy rows hold, and weakened ones are found out.
#[test]
fn small_worlds_do_what_is_expected_of_them() {
    check_all(rows::all().into_iter().filter(|row| row.size == rows::Size::Small));
}

#[test]
fn kept_counterexamples_stay_mended() {
    println!("figure exhaustive_capsules {} files", capsule::play_all());
}

/// A counterexample of a weakened row, as kept, plays to its end, and is harmless without the weakness.
#[test]
fn a_counterexample_can_be_kept_and_played() {
    let rows = rows::all();
    let weak = rows.iter().find(|r| r.name.starts_with("O3b ")).unwrap();
    let (_, steps) = search::shortest(search::Space(weak.clone()), &small()).unwrap();
    let healthy = serde_json::json!({ "row": "O3", "steps": steps });
    // The last step is the one that goes wrong: the healthy machine does not even offer it.
    assert!(capsule::play(&healthy) >= steps.len() / 2);
}

/// The draft's text, step by step: lock, Welcome and Commit, increment; apply on receipt.
#[test]
fn the_literal_order_forks_and_wedges() {
    let fork = search::shortest(literal::Literal { crashes: 0 }, &small());
    let (name, steps) = fork.expect("the literal order must fork");
    println!("literal order: {name} broken in {} steps:\n  {}", steps.len(), steps.join("\n  "));
    assert_eq!(name, "AgreementOnEpoch");
    // And without a fork, one death between publish and increment stops it for ever.
    let model = literal::Literal { crashes: 1 };
    let (graph, end) = search::Graph::explore(&model, literal::State::kind, |_| false, &small());
    assert_eq!(end, search::End::Complete);
    let wedged = graph.wedged();
    assert!(!wedged.is_empty());
    let (way, _) = graph.way_to(&model, wedged[0]);
    println!("literal order: {} wedged states, one of them:\n  {}", wedged.len(), way.join("\n  "));
}

/// `ROWS=P9,P11 SECONDS_PER_ROW=3600 STATES=60000000 cargo test --release --test exhaustive -- --ignored --nocapture`
#[test]
#[ignore = "minutes to hours; CI runs it in release, a few seconds for each row"]
fn large_worlds() {
    let var = |name: &str| std::env::var(name).ok();
    let number = |name, default| var(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let limits =
        Limits { states: number("STATES", 4_000_000), seconds: number("SECONDS_PER_ROW", 240) as u64 };
    let only = var("ROWS");
    for row in rows::all() {
        let wanted = match &only {
            Some(only) => only.split(',').any(|name| row.name.split(' ').next() == Some(name)),
            None => row.size == rows::Size::Large,
        };
        if wanted {
            check(&row, &limits);
        }
    }
}
