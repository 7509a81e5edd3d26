//! A crowd whose credentials or keys weigh much, under the default limits.

use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::Limits;
use moq_mls::mls::X_WING;

use crate::support::SUITE;
use crate::{Plan, ROUNDS, Round, config, middle, round};

const JOINERS: usize = 1000;

/// Lets a thousand join, checks every object against the limits, and prints figures and a table.
///
/// # Panics
/// If not all get in, or an object is over its limit, or there is no such suite.
pub(crate) fn figures(suite: Option<&str>, credential: Option<usize>) {
    let kind = match suite {
        None => SUITE,
        Some("x-wing") => X_WING,
        Some(other) => panic!("{other:?} is not a suite here: x-wing is"),
    };
    let names = [credential.map(|_| "x509"), suite.map(|_| "xwing")];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join("_");
    let plan = Plan { suite: kind, credential: credential.unwrap_or(0), ..Plan::of(JOINERS) };
    let rounds: Vec<Round> = (0..ROUNDS).map(|_| round::<AwsLcCryptoProvider>(&plan)).collect();
    let (first, limits) = (&rounds[0], config(&plan).limits);
    let [commit, welcome, tree] = first.longest;
    assert_eq!(first.members, JOINERS + 1, "all are in");
    for round in &rounds {
        within(round, &limits);
    }
    println!("figure crowd_{name}_{JOINERS}_commits {} commits", first.commits);
    println!("figure crowd_{name}_{JOINERS}_bytes {} bytes", first.bytes);
    println!("figure crowd_{name}_{JOINERS}_committer_ms {:.1} ms", middle(&rounds, |r| r.committer));
    println!("figure crowd_{name}_{JOINERS}_join_ms {:.1} ms", middle(&rounds, |r| r.join.0));
    println!();
    println!("| what | bytes | limit, bytes | time, ms |");
    println!("|---|---:|---:|---:|");
    println!(
        "| the longest commit | {commit} | {} | {:.1} |",
        limits.commit_bytes(),
        middle(&rounds, |r| r.committer)
    );
    println!(
        "| the longest Welcome, and to join | {welcome} | {} | {:.1} |",
        limits.handshake_bytes,
        middle(&rounds, |r| r.join.0)
    );
    println!("| the longest ratchet tree | {tree} | {} | |", limits.tree_bytes);
    println!("| all of one round | {} | {} a commit | |", first.bytes, limits.outbox_bytes);
    let (update, time) = (first.update.0, middle(&rounds, |r| r.update.1));
    println!("| an update of keys afterwards | {update} | {} | {time:.1} |", limits.commit_bytes());
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
