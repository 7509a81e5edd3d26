//! Makes a failing scenario smaller while the same invariant stays broken: fewer steps, calmer draws.

use crate::engine::Engine;
use crate::testing::simulation::scenario::Scenario;
use crate::testing::simulation::{Kit, Outcome, run};

/// A smaller scenario that breaks the same invariant, with its draws written down; at most `runs` runs are spent.
pub fn shrink<E: Engine>(scenario: &Scenario, outcome: &Outcome, kit: &Kit<E>, runs: usize) -> Scenario {
    let Some(invariant) = outcome.failure.as_ref().map(|f| f.invariant) else { return scenario.clone() };
    let mut best = scenario.clone();
    best.choices = Some(outcome.choices.clone());
    let mut left = runs;
    let mut fails = |candidate: &Scenario| {
        let spent = left == 0;
        left = left.saturating_sub(1);
        !spent && run(candidate, kit).failure.is_some_and(|f| f.invariant == invariant)
    };
    if !fails(&best) {
        // The kept draws tell another story than the seed: keep the seed.
        return scenario.clone();
    }
    loop {
        let steps = fewer(&best.steps, |steps| fails(&Scenario { steps, ..best.clone() }));
        let changed = steps.len() < best.steps.len();
        best.steps = steps;
        let choices = best.choices.clone().unwrap_or_default();
        let calmer = calmer(&choices, |list| fails(&Scenario { choices: Some(list), ..best.clone() }));
        let calmed = calmer != choices;
        best.choices = Some(calmer);
        if !changed && !calmed {
            return best;
        }
    }
}

/// Leaves out runs of items, long ones first, as long as `fails` holds.
fn fewer<T: Clone>(items: &[T], mut fails: impl FnMut(Vec<T>) -> bool) -> Vec<T> {
    let mut best = items.to_vec();
    let mut size = best.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from < best.len() {
            let without: Vec<T> = best
                .iter()
                .enumerate()
                .filter(|(i, _)| !(from..from + size).contains(i))
                .map(|(_, t)| t.clone())
                .collect();
            if fails(without.clone()) {
                best = without;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    best
}

/// Drops draws from the end, then makes runs of them calm.
fn calmer(items: &[u16], mut fails: impl FnMut(Vec<u16>) -> bool) -> Vec<u16> {
    let mut best = items.to_vec();
    let mut keep = best.len() / 2;
    while keep > 0 && fails(best.iter().take(keep).copied().collect()) {
        best.truncate(keep);
        keep /= 2;
    }
    let mut size = best.len() / 2;
    while size > 8 {
        let mut from = 0;
        while from < best.len() {
            let quiet: Vec<u16> = best
                .iter()
                .enumerate()
                .map(|(i, d)| if (from..from + size).contains(&i) { 0 } else { *d })
                .collect();
            if quiet != best && fails(quiet.clone()) {
                best = quiet;
            }
            from += size;
        }
        size /= 2;
    }
    while best.last() == Some(&0) {
        best.pop();
    }
    best
}
