//! Runs whole groups under faults, seed by seed, and checks each step against the invariants.
//!
//! `cargo run --release --example simulate -- --seeds 1000 [--members 6] [--faults storm] [--engine mls] [--media]`

#[path = "output/mod.rs"]
mod output;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moq_mls::Timestamp;
use moq_mls::engine::Engine;
use moq_mls::testing::media::{MediaConfig, MediaStats};
use moq_mls::testing::simulation::mutants::MUTANTS;
use moq_mls::testing::simulation::shrinking::shrink;
use moq_mls::testing::simulation::slowdown::join_time;
use moq_mls::testing::simulation::{
    BOUND, InsiderStats, Kit, Outcome, Profile, Scenario, run, run_with_media,
};
use moq_mls::testing::witness::Violation;

use self::output::{complain, say};

const HELP: &str = "\
simulate: groups under faults, every step held against the invariants

  --seeds N         scenarios to run (default 1000)
  --first S         the first seed (default 0)
  --seconds T       begin no more seeds after so long (of scenarios, not of --mutants and --slowdown)
  --members M       most participants at the start (default 6)
  --faults PROFILE  calm, loss, counter, partition, crash, abandon, relay, clock, byzantine, reset, storm,
                    outsider, reachable, between, insider,
                    or all, which take turns (default all)
  --engine E        symbolic (default) or mls: real MLS with seeded draws
  --media           everyone sends media, too: who could not open what, and who should not have
  --digest          also print one number for all that happened in all runs: equal for equal behaviour
  --mutants         look for deliberate bugs instead, within N seeds each
  --garbage         the insider also pins what is no commit: the group ends, its members meet in a successor, and
                    nothing is said of how soon the insider is out
  --slowdown        how much later joins go through under attack than in calm
  --trace SEED      run one seed of one profile and print all that happened
  --keep DIR        where failures are written as explicit steps (default vectors/regressions)
  -h, --help        this text

Each seed that fails is named with its profile; the exit code is 1 if any does.";

#[derive(Clone)]
struct Options {
    seeds: u64,
    first: u64,
    seconds: Option<u64>,
    members: usize,
    profile: Option<Profile>,
    mls: bool,
    media: bool,
    mutants: bool,
    slowdown: bool,
    garbage: bool,
    digest: bool,
    trace: Option<u64>,
    keep: String,
}

fn options() -> Result<Option<Options>, String> {
    let keep = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/regressions").to_owned();
    let mut options = Options {
        seeds: 1000,
        first: 0,
        seconds: None,
        members: 6,
        profile: None,
        mls: false,
        media: false,
        mutants: false,
        slowdown: false,
        garbage: false,
        digest: false,
        trace: None,
        keep,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match arg.as_str() {
            "--seeds" => options.seeds = number(value()?)?,
            "--seconds" => options.seconds = Some(number(value()?)?),
            "--first" => options.first = number(value()?)?,
            "--members" => options.members = usize::try_from(number(value()?)?).map_err(|e| e.to_string())?,
            "--faults" => {
                let name = value()?;
                options.profile = if name == "all" { None } else { Some(name.parse()?) };
            }
            "--engine" => {
                options.mls = match value()?.as_str() {
                    "mls" => true,
                    "symbolic" => false,
                    other => return Err(format!("no engine {other}")),
                };
            }
            "--media" => options.media = true,
            "--digest" => options.digest = true,
            "--mutants" => options.mutants = true,
            "--garbage" => options.garbage = true,
            "--slowdown" => options.slowdown = true,
            "--trace" => options.trace = Some(number(value()?)?),
            "--keep" => options.keep = value()?,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("no option {other}; --help names them")),
        }
    }
    Ok(Some(options))
}

/// What a number of runs came to.
#[derive(Default)]
struct Sums {
    steps: AtomicU64,
    orphaned: AtomicU64,
    forks: AtomicU64,
    wedges: AtomicU64,
    lost_joiners: AtomicU64,
    key_leaks: AtomicU64,
    others: AtomicU64,
    failed: Mutex<Vec<String>>,
    media: Mutex<(u64, MediaStats)>,
    insiders: Mutex<Insiders>,
    /// Of each run's log, by seed.
    digests: Mutex<BTreeMap<u64, u64>>,
}

/// The worst that members achieved that turned their coats.
#[derive(Default)]
struct Insiders {
    seeds: u64,
    removed_ms: u128,
    join_ms: u128,
    returns: u64,
    filled: u64,
}

impl Insiders {
    fn add(&mut self, stats: &InsiderStats) {
        let ms = |time: Option<Duration>| time.map_or(0, |time| time.as_millis());
        self.seeds += 1;
        self.removed_ms = self.removed_ms.max(ms(stats.removed));
        self.join_ms = self.join_ms.max(ms(stats.join));
        self.returns = self.returns.max(stats.returns);
        self.filled += stats.filled;
    }

    fn print(&self) {
        if self.seeds > 0 {
            say!("figure insider_seeds {} seeds", self.seeds);
            say!("figure insider_removed_ms {} ms", self.removed_ms);
            say!("figure insider_join_ms {} ms", self.join_ms);
            say!("figure insider_bound_ms {} ms", BOUND.as_millis());
            say!("figure insider_returns {} times", self.returns);
            say!("figure insider_filled {} slots", self.filled);
        }
    }
}

impl Sums {
    /// FNV-1a over the digests of all runs, by seed.
    fn digest(&self) -> u64 {
        let Ok(digests) = self.digests.lock() else { return 0 };
        digests
            .iter()
            .flat_map(|(seed, digest)| [seed.to_be_bytes(), digest.to_be_bytes()])
            .flatten()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    }

    fn count(&self, invariant: &str) {
        let counter = match invariant {
            "AgreementOnEpoch" | "NoTwoCommitsPerEpoch" | "NoLineageFork" | "SingleGenesis" => &self.forks,
            "EventuallyAllSameEpoch" | "NoWedge" | "LockEventuallyFree" => &self.wedges,
            "NoLostJoiner" => &self.lost_joiners,
            "RemovedCannotDerive" => &self.key_leaks,
            _ => &self.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The longest that a removed member may read on.
fn switch_bound_ms() -> u64 {
    MediaConfig::default().ring.switch_after_removal.as_millis() as u64
}

fn wrong_media(stats: &MediaStats) -> bool {
    (stats.gaps, stats.leaks, stats.dark, stats.reused) != (0, 0, 0, 0)
        || stats.worst_switch_ms > switch_bound_ms()
}

/// Prints what became of the media; whether it is as it must be, and there was any.
fn media(sums: &Sums) -> bool {
    let Ok(sum) = sums.media.lock() else { return false };
    let (runs, stats) = &*sum;
    say!("figure media_seeds {runs} seeds");
    say!("figure media_gaps {} objects", stats.gaps);
    say!("figure media_leaks {} objects", stats.leaks);
    say!("figure media_dark {} objects", stats.dark);
    say!("figure media_reused {} objects", stats.reused);
    say!("figure media_held_back {} objects", stats.held_back);
    say!("figure media_worst_removal_to_switch_ms {} ms", stats.worst_switch_ms);
    say!("figure media_switch_bound_ms {} ms", switch_bound_ms());
    say!("figure media_sealed {} objects", stats.sealed);
    say!("figure media_opened {} objects", stats.opened);
    say!("figure media_before_join {} objects", stats.before);
    say!("figure media_overdue {} objects", stats.overdue);
    say!("figure media_late {} objects", stats.late);
    !wrong_media(stats) && stats.opened > 0
}

fn scenario(options: &Options, seed: u64) -> Scenario {
    let at = usize::try_from(seed % Profile::ALL.len() as u64).unwrap_or(0);
    let turn = Profile::ALL.into_iter().cycle().nth(at).unwrap_or(Profile::Storm);
    let mut scenario = Scenario::generate(options.profile.unwrap_or(turn), seed, options.members);
    scenario.attacks.insider.garbage |= options.garbage && scenario.profile == Profile::Insider;
    scenario
}

fn one<E: Engine>(options: &Options, seed: u64, kit: &Kit<E>, sums: &Sums) {
    let mut scenario = scenario(options, seed);
    scenario.receipts &= kit.receipts.is_some();
    let panicked = || Outcome {
        failure: Some(Violation {
            invariant: "NoPanic",
            at: Timestamp::from_millis(0),
            who: 0,
            detail: "it panicked".into(),
        }),
        ..Outcome::default()
    };
    let media = MediaConfig::default();
    let once = || if options.media { run_with_media(&scenario, kit, &media) } else { run(&scenario, kit) };
    let play = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(once));
    let outcome = play().unwrap_or_else(|_| panicked());
    sums.steps.fetch_add(outcome.steps, Ordering::Relaxed);
    sums.orphaned.fetch_add(u64::from(outcome.orphaned), Ordering::Relaxed);
    if let Ok(mut digests) = sums.digests.lock() {
        digests.insert(seed, outcome.digest);
    }
    if let (Some(stats), Ok(mut insiders)) = (&outcome.insider, sums.insiders.lock()) {
        insiders.add(stats);
    }
    if let Some(stats) = outcome.media {
        if wrong_media(&stats) {
            say!("FAILED seed {seed} profile {}: {stats:?}", scenario.profile);
        }
        if let Ok(mut sum) = sums.media.lock() {
            *sum = (sum.0 + 1, sum.1.and(stats));
        }
    }
    if seed.is_multiple_of(50) && outcome.failure.is_none() && once().digest != outcome.digest {
        sums.count("Deterministic");
        say!("FAILED seed {seed} profile {}: Deterministic: two runs differ", scenario.profile);
    }
    let Some(failure) = &outcome.failure else { return };
    sums.count(failure.invariant);
    say!("FAILED seed {seed} profile {}: {failure}", scenario.profile);
    let Ok(mut failed) = sums.failed.lock() else { return };
    if failed.len() < 5 {
        let small = shrink(&scenario, &outcome, kit, 400);
        let engine = if options.mls { "mls" } else { "symbolic" };
        let name = format!("{}/{}-{}-{seed}.json", options.keep, failure.invariant, scenario.profile);
        let what = format!("{} {}", failure.invariant, failure.detail);
        match std::fs::write(&name, small.to_json(engine, &what)) {
            Ok(()) => {
                say!("  {} steps, {} draws: {name}", small.steps.len(), small.choices.map_or(0, |c| c.len()))
            }
            Err(error) => say!("  not kept: {error}"),
        }
    }
    failed.push(failure.invariant.to_owned());
}

fn trace<E: Engine>(options: &Options, seed: u64, kit: &Kit<E>) -> bool {
    let mut scenario = scenario(options, seed);
    scenario.receipts &= kit.receipts.is_some();
    say!("{scenario:#?}");
    let outcome = if options.media {
        run_with_media(&scenario, kit, &MediaConfig::default())
    } else {
        run(&scenario, kit)
    };
    if let Some(stats) = &outcome.media {
        say!("{stats:#?}");
    }
    say!("{}", outcome.tail);
    match &outcome.failure {
        Some(failure) => say!("FAILED {failure}"),
        None => say!("nothing was wrong in {} steps", outcome.steps),
    }
    outcome.failure.is_none()
}

#[allow(clippy::disallowed_methods, reason = "a budget of seconds is real time")]
fn simulate(options: &Options) -> bool {
    let sums = Sums::default();
    let began = Instant::now();
    let is_over = || options.seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
    let next = AtomicU64::new(options.first);
    let run = AtomicU64::new(0);
    let end = options.first + options.seeds;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || is_over() {
                        return;
                    }
                    run.fetch_add(1, Ordering::Relaxed);
                    if options.mls {
                        one(options, seed, &Kit::mls(seed), &sums);
                    } else {
                        one(options, seed, &Kit::symbolic(), &sums);
                    }
                }
            });
        }
    });
    let figure = |name: &str, value: &AtomicU64, unit: &str| {
        say!("figure {name} {} {unit}", value.load(Ordering::Relaxed));
    };
    figure("sim_seeds", &run, "seeds");
    figure("sim_steps", &sums.steps, "steps");
    figure("sim_orphaned", &sums.orphaned, "seeds");
    figure("sim_forks", &sums.forks, "seeds");
    figure("sim_wedges", &sums.wedges, "seeds");
    figure("sim_lost_joiners", &sums.lost_joiners, "seeds");
    figure("sim_key_leaks", &sums.key_leaks, "seeds");
    figure("sim_other_violations", &sums.others, "seeds");
    if let Ok(insiders) = sums.insiders.lock() {
        insiders.print();
    }
    if options.digest {
        say!("figure sim_digest {:016x} hash", sums.digest());
    }
    let fine = !options.media || media(&sums);
    let wrong = [&sums.forks, &sums.wedges, &sums.lost_joiners, &sums.key_leaks, &sums.others];
    fine && wrong.iter().all(|n| n.load(Ordering::Relaxed) == 0)
}

fn mutants(options: &Options) -> bool {
    let kit = Kit::symbolic();
    let mut caught = 0;
    say!("{:<32} seeds  {:<28} profile", "deliberate bug", "found by");
    for mutant in &MUTANTS {
        match mutant.hunt(options.first, options.seeds, options.members, &kit) {
            Some(found) => {
                caught += 1;
                let by = found.outcome.failure.map_or("", |f| f.invariant);
                say!("{:<32} {:>5}  {by:<28} {}", mutant.name, found.runs, found.scenario.profile);
            }
            None => say!("{:<32} {:>5}  NOT FOUND", mutant.name, options.seeds),
        }
    }
    say!("figure sim_mutants_caught {caught}/{} mutants", MUTANTS.len());
    caught == MUTANTS.len()
}

/// How much later joins go through under attack than in calm, on average over the seeds; whether no later than
/// three times as late.
fn slowdown(options: &Options) -> bool {
    let mean = |profile| {
        let kit = Kit::symbolic();
        let seeds = options.first..options.first.saturating_add(options.seeds);
        let ms: u128 = seeds.map(|seed| join_time(profile, seed, &kit).as_millis()).sum();
        ms as f64 / options.seeds.max(1) as f64
    };
    let calm = mean(Profile::Calm);
    say!("figure join_calm_ms {calm:.0} ms");
    let hostile = Profile::ALL.into_iter().filter(|profile| profile.is_hostile());
    let worst = hostile.map(|profile| {
        let ms = mean(profile);
        say!("figure join_{profile}_ms {ms:.0} ms");
        ms / calm
    });
    let worst = worst.fold(0.0, f64::max);
    say!("figure attack_slowdown {worst:.2} x");
    worst <= 3.0
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain!("simulate: {error}");
            return ExitCode::from(2);
        }
    };
    let fine = match (options.mutants, options.trace) {
        _ if options.slowdown => slowdown(&options),
        (true, _) => mutants(&options),
        (_, Some(seed)) if options.mls => trace(&options, seed, &Kit::mls(seed)),
        (_, Some(seed)) => trace(&options, seed, &Kit::symbolic()),
        _ => simulate(&options),
    };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
