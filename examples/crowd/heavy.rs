//! A crowd whose credentials or keys weigh much, under the default limits.

use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::Limits;
use moq_mls::mls::X_WING;

use crate::output::say;
use crate::support::SUITE;
use crate::{Plan, ROUNDS, Round, config, middle, round};

const JOINERS: usize = 1000;

/// Lets a thousand join, checks every object against the limits, and prints figures and a table.
///
/// # Panics
/// If not all get in, or an object is over its limit.
pub(crate) fn figures(x_wing: bool, credential: Option<usize>) {
    let names = [credential.map(|_| "x509"), x_wing.then_some("xwing")];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join("_");
    let plan = Plan {
        suite: if x_wing { X_WING } else { SUITE },
        credential: credential.unwrap_or(0),
        ..Plan::of(JOINERS)
    };
    let rounds: Vec<Round> = (0..ROUNDS).map(|_| round::<AwsLcCryptoProvider>(&plan)).collect();
    let (first, limits) = (&rounds[0], config(&plan).limits);
    let [commit, welcome, tree] = first.longest;
    assert_eq!(first.members, JOINERS + 1, "all are in");
    for round in &rounds {
        within(round, &limits);
    }
    say!("figure crowd_{name}_{JOINERS}_commits {} commits", first.commits);
    say!("figure crowd_{name}_{JOINERS}_bytes {} bytes", first.bytes);
    say!("figure crowd_{name}_{JOINERS}_committer_ms {:.1} ms", middle(&rounds, |r| r.committer));
    say!("figure crowd_{name}_{JOINERS}_join_ms {:.1} ms", middle(&rounds, |r| r.join.0));
    say!();
    say!("| what | bytes | limit, bytes | time, ms |");
    say!("|---|---:|---:|---:|");
    say!(
        "| the longest commit | {commit} | {} | {:.1} |",
        limits.commit_bytes(),
        middle(&rounds, |r| r.committer)
    );
    say!(
        "| the longest Welcome, and to join | {welcome} | {} | {:.1} |",
        limits.handshake_bytes,
        middle(&rounds, |r| r.join.0)
    );
    say!("| the longest ratchet tree | {tree} | {} | |", limits.tree_bytes);
    say!("| all of one round | {} | {} a commit | |", first.bytes, limits.outbox_bytes);
    let (update, time) = (first.update.0, middle(&rounds, |r| r.update.1));
    say!("| an update of keys afterwards | {update} | {} | {time:.1} |", limits.commit_bytes());
}

fn within(round: &Round, limits: &Limits) {
    let [commit, welcome, tree] = round.longest;
    assert!(commit.max(round.update.0) <= limits.commit_bytes(), "a commit of {commit} bytes");
    assert!(welcome <= limits.handshake_bytes, "a Welcome of {welcome} bytes");
    assert!(tree <= limits.tree_bytes, "a ratchet tree of {tree} bytes");
    // The limit is for one commit with its Welcomes and tree, and a round has several.
    let most = limits.outbox_bytes.saturating_mul(round.commits as usize);
    assert!(round.bytes <= most, "{} bytes in {} commits", round.bytes, round.commits);
}
