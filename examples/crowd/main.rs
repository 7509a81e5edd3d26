//! A thousand people join at once: what it costs the committer, against the draft's literal way.
//!
//! ```sh
//! cargo run --release --example crowd              # the figures
//! cargo run --release --example crowd -- --growth  # a table from 10 to 5,000 joiners, and the plot's data
//! cargo run --release --example crowd -- --joiners 30000          # as many as you like, and whose the time is
//! cargo run --release --example crowd -- --credential-bytes 1500  # credentials as long as an X.509 chain
//! cargo run --release --example crowd -- --suite x-wing           # HPKE keys of 1,216 bytes
//! ```
//!
//! Bytes, commits and requests are of one deterministic round: every KeyPackage is real, and so are the
//! commit, the tree and the Welcomes; 32 sampled joiners join for real. The relay and the counter answer at
//! once. Times are medians of 5 rounds. "Literal" is this same code with the extension off and the cap on
//! adds lifted: one commit, the tree in every Welcome. Who asks the counter how often in a group whose
//! members are all there is counted in [`Live`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod heavy;
mod large;
mod options;
#[path = "../output/mod.rs"]
mod output;
#[path = "../../benches/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mls_rs::CipherSuite;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicReceipts};
use moq_mls::testing::world::{Asked, ByValue, World};
use moq_mls::tracks::{SenderId, TrackKind};
use moq_mls::{Command, Config, Event, Limits, Object, Participant, Phase, Timestamp};

use self::options::Options;
use self::output::{complain, say};
use self::support::{BenchEngine, Provider, SUITE, Seat, ServiceKey, engine_of, group, median, timed};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const ROUNDS: usize = 5;

/// What a round is made of.
#[derive(Clone)]
struct Plan {
    joiners: usize,
    /// How many of them join for real.
    sample: usize,
    /// They ask within this time, evenly.
    spread: Duration,
    /// As the draft says.
    literal: bool,
    /// The counter service's key, if it signs receipts: Welcomes carry them then.
    receipts: Option<ServiceKey<AwsLcCryptoProvider>>,
    suite: CipherSuite,
    /// How long every credential is, at least; bytes.
    credential: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            joiners: 0,
            sample: 0,
            spread: Duration::ZERO,
            literal: false,
            receipts: None,
            suite: SUITE,
            credential: 0,
        }
    }
}

impl Plan {
    fn of(joiners: usize) -> Self {
        Self { joiners, sample: 32, ..Self::default() }
    }
}

fn config(plan: &Plan) -> Config {
    let mut config = Config::new(group());
    config.params.service_key = plan.receipts.as_ref().map(|key| key.public.clone());
    // Those of a group that waits at once are bounded by default.
    if plan.joiners > config.limits.pending_joiners {
        config.limits = Limits::for_group(plan.joiners + 1, plan.credential, 32);
    }
    if plan.literal {
        config.params.tree_objects = false;
        config.limits.adds_per_commit = usize::MAX;
        config.limits.outbox_bytes = usize::MAX;
    }
    config
}

fn seat<P: Provider>(name: &str, plan: &Plan) -> Seat<BenchEngine<P>> {
    let name = format!("{name:.<0$}", plan.credential);
    let seat = Seat::new(engine_of::<P>(plan.suite, &name), config(plan), NOW);
    match &plan.receipts {
        Some(key) => seat.signed(Receipts::by(key.clone())),
        None => seat,
    }
}

struct Joiner<P: Provider> {
    seat: Option<Seat<BenchEngine<P>>>,
    sender: SenderId,
    key_package: Object,
}

fn joiner<P: Provider>(at: usize, sampled: bool, plan: &Plan) -> Joiner<P> {
    let mut seat = seat::<P>(&format!("joiner-{at}"), plan).outside(0);
    seat.handle(Command::Join);
    let key_package = seat.take(|kind| matches!(kind, TrackKind::KeyPackage(_)));
    let sender = seat.machine().sender_id().clone();
    Joiner { seat: sampled.then_some(seat), sender, key_package }
}

#[derive(Default)]
struct Round {
    bytes: usize,
    commits: u64,
    /// Requests for slots from 1 on.
    locks: u64,
    increments: u64,
    /// How often each joiner asked whether the group is there, and which commit won.
    probes: f64,
    pin_reads: f64,
    committer: Duration,
    /// From the Welcome to being a member; median and longest.
    join: (Duration, Duration),
    members: usize,
    /// The longest commit, Welcome and ratchet-tree object, bytes.
    longest: [usize; 3],
    /// The commit by which the founder updates its keys afterwards, bytes; and what making it took.
    update: (usize, Duration),
}

/// All ask to join a group of one.
fn round<P: Provider>(plan: &Plan) -> Round {
    let joiners = plan.joiners;
    let mut founder = seat::<P>("founder", plan);
    founder.handle(Command::Join);
    founder.published().clear();
    let (before, asked) = (founder.machine().stats().commits_won, founder.asked());

    let every = (joiners / plan.sample).max(1);
    let mut crowd: Vec<Joiner<P>> =
        (0..joiners).map(|i| joiner(i, i % every == 0 && i / every < plan.sample, plan)).collect();
    let (time, ()) = timed(|| {
        for (i, joiner) in crowd.iter().enumerate() {
            let at = NOW.after(plan.spread.mul_f64(i as f64 / joiners as f64));
            founder.world.run_for(at.since(founder.world.now()));
            founder.handle(Event::Object(joiner.key_package.clone()));
        }
        let all_in = |world: &World<_, _>| world.peer(0).is_some_and(|p| p.members().count() > joiners);
        assert!(founder.world.run_until(Duration::from_secs(600), all_in), "everyone gets in");
        founder.world.settle();
    });
    let asked = founder.asked().since(&asked);
    let mut round = Round {
        commits: founder.machine().stats().commits_won - before,
        increments: asked.increments,
        locks: asked.locks + asked.reads + asked.commits,
        committer: Duration::from_secs_f64(time),
        members: founder.machine().members().count(),
        ..Round::default()
    };
    let objects: Vec<Object> = founder.published().drain(..).collect();
    round.bytes = objects.iter().map(|o| o.payload.len()).sum();
    let tracks = founder.machine().tracks().clone();
    let longest = |of: fn(&TrackKind) -> bool| {
        let all = objects.iter().filter(|o| tracks.classify(&o.track).is_some_and(|kind| of(&kind)));
        all.map(|o| o.payload.len()).max().unwrap_or(0)
    };
    round.longest = [
        longest(|kind| matches!(kind, TrackKind::Commit(_))),
        longest(|kind| matches!(kind, TrackKind::Welcome(_))),
        longest(|kind| matches!(kind, TrackKind::Tree(_))),
    ];

    let (mut times, mut probes, mut pin_reads) = (Vec::new(), 0, 0);
    for joiner in crowd.iter_mut() {
        let Some(mut seat) = joiner.seat.take() else { continue };
        let track = seat.machine().tracks().welcome(&joiner.sender);
        let welcome = objects.iter().find(|o| o.track == track).expect("a Welcome for everyone").clone();
        let epoch = welcome.location.group_id;
        seat.decided(epoch, founder.pin_of(epoch));
        let tracks = seat.machine().tracks().clone();
        let is_tree = |o: &&Object| matches!(tracks.classify(&o.track), Some(TrackKind::Tree(_)));
        objects.iter().filter(is_tree).for_each(|tree| seat.world.publish(tree));
        // Odd object ids of the Commit track are receipts.
        let is_receipt = |o: &&Object| {
            matches!(tracks.classify(&o.track), Some(TrackKind::Commit(_)))
                && (o.location.group_id + 1, o.location.object_id % 2) == (epoch, 1)
        };
        let receipts: Vec<Object> = objects.iter().filter(is_receipt).cloned().collect();
        let before = seat.asked();
        probes += before.genesis;
        let (time, ()) = timed(|| {
            seat.handle(Event::Object(welcome));
            receipts.into_iter().for_each(|receipt| seat.handle(Event::Object(receipt)));
        });
        assert_eq!((seat.machine().phase(), seat.machine().epoch()), (Phase::Member, Some(epoch)));
        pin_reads += seat.asked().since(&before).all();
        times.push(time);
    }
    let epoch = founder.machine().epoch().unwrap();
    let (time, ()) = timed(|| {
        founder.handle(Command::Update);
        founder.run_to(epoch + 1);
    });
    let update = founder.take(|kind| matches!(kind, TrackKind::Commit(_)));
    round.update = (update.payload.len(), Duration::from_secs_f64(time));
    let most = times.iter().copied().fold(0.0, f64::max);
    round.probes = probes as f64 / times.len() as f64;
    round.pin_reads = pin_reads as f64 / times.len() as f64;
    round.join = (Duration::from_secs_f64(median(&mut times)), Duration::from_secs_f64(most));
    round
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median over the rounds of a time in each, ms.
fn middle(rounds: &[Round], of: impl Fn(&Round) -> Duration) -> f64 {
    median(&mut rounds.iter().map(|r| millis(of(r))).collect::<Vec<_>>())
}

fn times<P: Provider>(name: &str, joiners: usize) {
    let (mut committer, mut join, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = round::<P>(&Plan::of(joiners));
        committer.push(millis(round.committer));
        join.push(millis(round.join.0));
        last.push(millis(round.join.1));
    }
    say!("figure crowd_{joiners}_committer_ms{name} {:.1} ms", median(&mut committer));
    say!("figure crowd_{joiners}_join_ms{name} {:.1} ms", median(&mut join));
    say!("figure crowd_{joiners}_slowest_join_ms{name} {:.1} ms", median(&mut last));
}

fn figures() {
    type P = AwsLcCryptoProvider;
    let once = round::<P>(&Plan::of(1000));
    assert_eq!(once.members, 1001);
    say!("figure crowd_1000_bytes {} bytes", once.bytes);
    say!("figure crowd_1000_commits {} commits", once.commits);
    let per_commit = |requests: f64| requests / once.commits as f64;
    say!("figure crowd_1000_lock_requests_per_commit {:.2} requests", per_commit(once.locks as f64));
    say!("figure crowd_1000_increments_per_commit {:.2} requests", per_commit(once.increments as f64));
    say!("figure crowd_1000_join_probes {:.2} requests_per_joiner", once.probes);
    say!("figure crowd_1000_pin_reads {:.2} requests_per_joiner", once.pin_reads);
    let receipts = Some(ServiceKey::generate());
    let signed = round::<P>(&Plan { receipts, ..Plan::of(1000) });
    say!("figure crowd_1000_bytes_with_receipts {} bytes", signed.bytes);
    say!("figure crowd_1000_pin_reads_by_receipt {:.2} requests_per_joiner", signed.pin_reads);
    let spread = round::<P>(&Plan { spread: Duration::from_secs(10), ..Plan::of(1000) });
    say!("figure crowd_1000_spread_bytes {} bytes", spread.bytes);
    say!("figure crowd_1000_spread_commits {} commits", spread.commits);
    let literal = round::<P>(&Plan { literal: true, ..Plan::of(1000) });
    assert_eq!(literal.commits, 1);
    say!("figure crowd_1000_literal_bytes {} bytes", literal.bytes);
    say!("figure crowd_1000_literal_ratio {:.0} x", literal.bytes as f64 / once.bytes as f64);
    say!("figure crowd_1000_literal_join_ms {:.1} ms", millis(literal.join.0));
    let twice = round::<P>(&Plan::of(2000));
    say!("figure crowd_2000_bytes {} bytes", twice.bytes);
    say!("figure crowd_2000_commits {} commits", twice.commits);
    times::<P>("", 1000);
    times::<RustCryptoProvider>("_rustcrypto", 1000);
    for (receipts, name) in [(true, ""), (false, "_without_receipts")] {
        everyone_there(1000, receipts, name);
        from_nothing(1000, receipts, name);
    }
}

/// A whole group in one process: every member is there and hears everything, in virtual time.
///
/// The participants and the counter service are the real ones, over the engine without cryptography: whom a
/// member asks, and when, does not depend on what is in the messages. Everything takes 5 to 20 ms on its way,
/// drawn anew for each receiver.
struct Live {
    world: World<SymbolicEngine, ByValue>,
    config: Config,
}

impl Live {
    /// Nobody is there yet. With `receipts` everyone has the key that the service signs them with.
    fn new(receipts: bool) -> Self {
        let key = Bytes::from_static(b"service key");
        let mut config = config(&Plan::default());
        config.params.service_key = receipts.then(|| key.clone());
        let travel = (Duration::from_millis(5), Duration::from_millis(20));
        let mut world = World::delayed(NOW, travel, 0).quiet();
        world.set_receipts(Receipts::by(SymbolicReceipts(key)));
        Self { world, config }
    }

    /// Adds a participant that asks to join.
    fn join(&mut self) {
        let engine = SymbolicEngine::new(&format!("member-{}", self.world.len())).unwrap();
        let who = self.world.add(engine, self.config.clone()).unwrap();
        self.world.command(who, Command::Join).unwrap();
    }

    fn run_for(&mut self, time: Duration) {
        self.world.run_for(time);
        assert!(self.world.failures().is_empty(), "{:?}", self.world.failures());
    }

    fn asked(&self) -> Asked {
        self.world.carriage().asked()
    }

    /// The epoch that all are at; `None` while not everyone is a member, or not at the same.
    fn epoch(&self) -> Option<u64> {
        let first = self.world.peer(0)?;
        let mut all = (0..self.world.len()).filter_map(|who| self.world.peer(who));
        let together = |p: &Participant<_>| p.epoch() == first.epoch() && p.phase() == Phase::Member;
        let whole = first.members().count() == self.world.len();
        first.epoch().filter(|_| whole && all.all(together))
    }
}

/// The counter's requests in a group whose members are all there: while it gathers, at each epoch, and in a
/// minute in which nothing happens.
fn everyone_there(members: usize, receipts: bool, name: &str) {
    const EPOCHS: usize = 10;
    // A few are in already, so that a committer has others to race with.
    let mut live = Live::new(receipts);
    live.join();
    live.run_for(Duration::from_secs(1));
    (1..32).for_each(|_| live.join());
    live.run_for(Duration::from_secs(4));
    let begun = live.epoch().expect("the first few are in");
    gather(&mut live, members, &format!("crowd_live_{members}"), begun, name);

    let (mut by_members, mut by_joiners) = (0, 0);
    for i in 0..EPOCHS {
        let (epoch, before) = (live.epoch().unwrap(), live.asked());
        match i % 2 {
            0 => live.world.command(i * 97 % members, Command::Update).unwrap(),
            _ => live.join(),
        }
        live.run_for(Duration::from_secs(3));
        assert_eq!(live.epoch(), Some(epoch + 1));
        let asked = live.asked().since(&before);
        by_members += asked.locks + asked.reads + asked.commits + asked.increments;
        by_joiners += asked.genesis + asked.joiner_reads;
    }
    let per_epoch = |requests: u64| requests as f64 / EPOCHS as f64;
    say!("figure crowd_counter_requests_per_epoch{name} {:.2} requests", per_epoch(by_members));
    // Every second epoch lets one in.
    say!(
        "figure crowd_counter_requests_per_join_by_joiner{name} {:.2} requests",
        2.0 * per_epoch(by_joiners)
    );
    let before = live.asked();
    live.run_for(Duration::from_secs(60));
    let idle = live.asked().since(&before).all() as f64 / live.world.len() as f64;
    say!("figure crowd_idle_requests_per_member_minute{name} {idle:.2} requests");
}

/// A meeting begins: there is no group yet, and all come at once.
fn from_nothing(members: usize, receipts: bool, name: &str) {
    let mut live = Live::new(receipts);
    gather(&mut live, members, &format!("crowd_start_{members}"), 0, name);
}

/// All that are missing from `members` come at once.
fn gather(live: &mut Live, members: usize, what: &str, begun: u64, name: &str) {
    const STEP: Duration = Duration::from_millis(5);
    let (first, before) = (live.world.len(), live.asked());
    (first..members).for_each(|_| live.join());
    let mut last_in = Duration::ZERO;
    while live.epoch().is_none() {
        assert!(last_in < Duration::from_secs(30), "not everyone got in");
        live.run_for(STEP);
        last_in += STEP;
    }
    live.run_for(Duration::from_secs(5));
    let epoch = live.epoch().expect("everyone is in");
    let asked = live.asked().since(&before);
    let per_commit = |requests: u64| requests as f64 / (epoch - begun) as f64;
    let each = |requests: u64| requests as f64 / (members - first) as f64;
    say!("figure {what}_commits{name} {} commits", epoch - begun);
    // Of virtual time: what the computing takes is not in it.
    say!("figure {what}_last_in_ms{name} {} ms", last_in.as_millis());
    say!("figure {what}_lock_requests_per_commit{name} {:.2} requests", per_commit(asked.locks));
    say!("figure {what}_reads_per_commit{name} {:.2} requests", per_commit(asked.reads + asked.commits));
    say!("figure {what}_join_probes{name} {:.2} requests_per_joiner", each(asked.genesis));
    say!("figure {what}_pin_reads{name} {:.2} requests_per_joiner", each(asked.joiner_reads));
}

/// One line per size; `docs/plot_crowd.py` reads them.
fn growth() {
    say!("joiners,bytes,literal_bytes,commits,committer_ms,join_ms");
    for joiners in [10, 32, 100, 320, 1000, 2000, 5000] {
        // 32 groups of 5,000 in one process, five times over, would show nothing that 8 do not.
        let plan = Plan { sample: if joiners < 5000 { 32 } else { 8 }, ..Plan::of(joiners) };
        let rounds: Vec<Round> = (0..ROUNDS).map(|_| round::<AwsLcCryptoProvider>(&plan)).collect();
        // At 5,000 the literal way is 4.5 GB.
        let literal = (joiners <= 1000)
            .then(|| round::<AwsLcCryptoProvider>(&Plan { literal: true, ..plan.clone() }).bytes.to_string());
        say!(
            "{joiners},{},{},{},{:.1},{:.1}",
            rounds[0].bytes,
            literal.unwrap_or_default(),
            rounds[0].commits,
            middle(&rounds, |r| r.committer),
            middle(&rounds, |r| r.join.0)
        );
    }
}

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)) {
        Ok(Some(Options::Figures)) => figures(),
        Ok(Some(Options::Growth)) => growth(),
        Ok(Some(Options::Joiners(joiners))) => large::figures(joiners),
        Ok(Some(Options::Heavy { x_wing, credential })) => heavy::figures(x_wing, credential),
        Ok(None) => say!("{}", options::HELP),
        Err(what) => {
            complain!("crowd: {what}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
