//! A thousand people join at once: what it costs the committer, against the draft's literal way.
//!
//! ```sh
//! cargo run --release --example crowd              # the figures
//! cargo run --release --example crowd -- --growth  # a table from 10 to 5,000 joiners, and the plot's data
//! ```
//!
//! One deterministic round per figure: every KeyPackage is real, and so are the commit, the tree and the
//! Welcomes; 32 sampled joiners join for real. The relay and the counter answer at once. "Literal" is this
//! same code with the extension off and the cap on adds lifted: one commit, the tree in every Welcome.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../benches/support/mod.rs"]
mod support;

use std::time::Duration;

use bytes::Bytes;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::counter::Pin;
use moq_mls::tracks::{SenderId, TrackKind};
use moq_mls::{Command, Config, Event, Object, Phase, Timestamp};
use support::{BenchEngine, Provider, Seat, engine, group, median, pin, state, timed};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const SAMPLE: usize = 32;

fn config(literal: bool) -> Config {
    let mut config = Config::new(group());
    // Beyond the default of 4,096, for the largest row of the table.
    config.limits.pending_joiners = 8192;
    if literal {
        config.tree_threshold = None;
        config.limits.adds_per_commit = usize::MAX;
    }
    config
}

struct Joiner<P: Provider> {
    seat: Option<Seat<BenchEngine<P>>>,
    sender: SenderId,
    key_package: Object,
}

fn joiner<P: Provider>(at: usize, sampled: bool, literal: bool) -> Joiner<P> {
    let mut seat = Seat::new(engine::<P>(&format!("joiner-{at}")), config(literal), NOW);
    seat.used = Some(state(1, None));
    seat.handle(Command::Join);
    let key_package = seat.take(|kind| matches!(kind, TrackKind::KeyPackage(_)));
    let sender = seat.machine.sender_id().clone();
    Joiner { seat: sampled.then_some(seat), sender, key_package }
}

#[derive(Default)]
struct Round {
    bytes: usize,
    commits: u64,
    /// Requests for slots from 1 on.
    locks: usize,
    increments: u64,
    /// Reads of a pin by a joiner, each.
    probes: f64,
    committer: Duration,
    /// From the Welcome to being a member; median and longest.
    join: (Duration, Duration),
    members: usize,
}

/// `joiners` ask to join a group of one within `spread`, evenly.
fn round<P: Provider>(joiners: usize, spread: Duration, literal: bool) -> Round {
    let mut founder = Seat::new(engine::<P>("founder"), config(literal), NOW);
    founder.handle(Command::Join);
    founder.locks.clear();
    founder.published.clear();
    let before = founder.machine.stats().clone();

    let every = (joiners / SAMPLE).max(1);
    let mut crowd: Vec<Joiner<P>> =
        (0..joiners).map(|i| joiner(i, i % every == 0 && i / every < SAMPLE, literal)).collect();
    let mut pins: Vec<Pin> = Vec::new();
    let (time, ()) = timed(|| {
        for (i, joiner) in crowd.iter().enumerate() {
            let at = NOW.after(spread.mul_f64(i as f64 / joiners as f64));
            advance(&mut founder, at, &mut pins);
            founder.now = founder.now.max(at);
            founder.handle(Event::Object(joiner.key_package.clone()));
        }
        let deadline = founder.now.after(Duration::from_secs(30));
        while founder.machine.members().count() <= joiners {
            let at = founder.machine.poll_timeout().map(|(at, _)| at).filter(|at| *at <= deadline);
            advance(&mut founder, at.expect("everyone gets in"), &mut pins);
        }
    });
    let stats = founder.machine.stats();
    let mut round = Round {
        commits: stats.commits_won - before.commits_won,
        increments: stats.increment_requests - before.increment_requests,
        locks: founder.locks.iter().filter(|val| **val > 0).count(),
        committer: Duration::from_secs_f64(time),
        members: founder.machine.members().count(),
        ..Round::default()
    };
    let objects: Vec<Object> = founder.published.drain(..).collect();
    round.bytes = objects.iter().map(|o| o.payload.len()).sum();

    let (mut times, mut probes) = (Vec::new(), 0);
    for joiner in crowd.iter_mut() {
        let Some(mut seat) = joiner.seat.take() else { continue };
        let track = seat.machine.tracks().welcome(&joiner.sender);
        let welcome = objects.iter().find(|o| o.track == track).expect("a Welcome for everyone").clone();
        let epoch = welcome.location.group;
        seat.used = Some(state(epoch + 1, Some(pins[usize::try_from(epoch).unwrap() - 1])));
        seat.relay = objects
            .iter()
            .filter(|o| matches!(seat.machine.tracks().classify(&o.track), Some(TrackKind::Tree(_))))
            .cloned()
            .collect();
        seat.locks.clear();
        let (time, ()) = timed(|| seat.handle(Event::Object(welcome)));
        assert_eq!((seat.machine.phase(), seat.machine.epoch()), (Phase::Member, Some(epoch)));
        probes += seat.locks.len();
        times.push(time);
    }
    let most = times.iter().copied().fold(0.0, f64::max);
    round.probes = probes as f64 / times.len() as f64;
    round.join = (Duration::from_secs_f64(median(&mut times)), Duration::from_secs_f64(most));
    round
}

/// Lets time pass until `at`, noting the pin of each epoch.
fn advance<P: Provider>(seat: &mut Seat<BenchEngine<P>>, at: Timestamp, pins: &mut Vec<Pin>) {
    while let Some((due, _)) = seat.machine.poll_timeout().filter(|(due, _)| *due <= at) {
        seat.now = seat.now.max(due);
        seat.handle(Event::Timer);
        let epoch = usize::try_from(seat.machine.epoch().unwrap()).unwrap();
        if epoch > pins.len() {
            let mut commits = seat.published.iter().rev();
            let is_commit =
                |o: &&Object| matches!(seat.machine.tracks().classify(&o.track), Some(TrackKind::Commit(_)));
            let commit: Bytes = commits.find(is_commit).unwrap().payload.clone();
            pins.push(pin(&seat.machine, &commit));
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn times<P: Provider>(name: &str, joiners: usize) {
    let (mut committer, mut join, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let round = round::<P>(joiners, Duration::ZERO, false);
        committer.push(millis(round.committer));
        join.push(millis(round.join.0));
        last.push(millis(round.join.1));
    }
    println!("figure crowd_{joiners}_committer_ms{name} {:.1} ms", median(&mut committer));
    println!("figure crowd_{joiners}_join_ms{name} {:.1} ms", median(&mut join));
    println!("figure crowd_{joiners}_slowest_join_ms{name} {:.1} ms", median(&mut last));
}

fn figures() {
    let once = round::<AwsLcCryptoProvider>(1000, Duration::ZERO, false);
    assert_eq!(once.members, 1001);
    println!("figure crowd_1000_bytes {} bytes", once.bytes);
    println!("figure crowd_1000_commits {} commits", once.commits);
    println!(
        "figure crowd_1000_lock_requests_per_commit {:.2} requests",
        once.locks as f64 / once.commits as f64
    );
    println!(
        "figure crowd_1000_increments_per_commit {:.2} requests",
        once.increments as f64 / once.commits as f64
    );
    println!("figure crowd_1000_join_probes {:.2} requests", once.probes);
    let spread = round::<AwsLcCryptoProvider>(1000, Duration::from_secs(10), false);
    println!("figure crowd_1000_spread_bytes {} bytes", spread.bytes);
    println!("figure crowd_1000_spread_commits {} commits", spread.commits);
    let literal = round::<AwsLcCryptoProvider>(1000, Duration::ZERO, true);
    assert_eq!(literal.commits, 1);
    println!("figure crowd_1000_literal_bytes {} bytes", literal.bytes);
    println!("figure crowd_1000_literal_ratio {:.0} x", literal.bytes as f64 / once.bytes as f64);
    println!("figure crowd_1000_literal_join_ms {:.1} ms", millis(literal.join.0));
    let twice = round::<AwsLcCryptoProvider>(2000, Duration::ZERO, false);
    println!("figure crowd_2000_bytes {} bytes", twice.bytes);
    println!("figure crowd_2000_commits {} commits", twice.commits);
    times::<AwsLcCryptoProvider>("", 1000);
    times::<RustCryptoProvider>("_rustcrypto", 1000);
}

/// One line per size; `plot` reads them.
fn growth() {
    println!("joiners,bytes,literal_bytes,commits,committer_ms,join_ms");
    for joiners in [10, 32, 100, 320, 1000, 2000, 5000] {
        let ours = round::<AwsLcCryptoProvider>(joiners, Duration::ZERO, false);
        // At 5,000 the literal way is 4.5 GB.
        let literal = (joiners <= 1000)
            .then(|| round::<AwsLcCryptoProvider>(joiners, Duration::ZERO, true).bytes.to_string());
        println!(
            "{joiners},{},{},{},{:.1},{:.1}",
            ours.bytes,
            literal.unwrap_or_default(),
            ours.commits,
            millis(ours.committer),
            millis(ours.join.0)
        );
    }
}

fn main() {
    if std::env::args().any(|a| a == "--growth") { growth() } else { figures() }
}
