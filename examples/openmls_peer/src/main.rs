//! Groups in which a participant written on OpenMLS meets ours, on mls-rs.
//!
//! The peer shares no code with `moq_mls::participant`: it is written from the draft, from RFC 9420 and from
//! `vectors/README.md`. Whenever anybody enters an epoch, the epoch's authenticator, the hash of its GroupContext, the
//! base key of a media track and the roster are held against what the first one found there.
//!
//! ```sh
//! cargo run --release --manifest-path examples/openmls_peer/Cargo.toml
//! ```

mod counter;
mod mixed;
mod mls;
mod ours;
mod peer;
mod random;
mod scenario;
mod wire;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use moq_mls::SafetyMode;

use crate::scenario::Scenario;

const USAGE: &str = "openmls_peer [--runs N] [--seed S] [--mode advisory|pinned] [--trace]";

/// The modes that the peer can take: it knows the draft's rules and pins, and no other.
const MODES: [SafetyMode; 2] = [SafetyMode::Advisory, SafetyMode::Pinned];

struct Options {
    runs: u64,
    seed: u64,
    modes: Vec<SafetyMode>,
    trace: bool,
}

fn options() -> Result<Options> {
    let mut options = Options { runs: 300, seed: 1, modes: MODES.to_vec(), trace: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().context(USAGE);
        match arg.as_str() {
            "--runs" => options.runs = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--mode" => options.modes = vec![mode(&value()?).context(USAGE)?],
            "--trace" => options.trace = true,
            _ => bail!(USAGE),
        }
    }
    Ok(options)
}

fn mode(name: &str) -> Option<SafetyMode> {
    SafetyMode::from_name(name).filter(|mode| MODES.contains(mode))
}

fn main() -> Result<ExitCode> {
    let options = options()?;
    let mut failed = false;
    for mode in &options.modes {
        let agreed = run(*mode, &options);
        println!("figure openmls_peer_{}_agree {agreed} runs", mode.name());
        println!("{}: {agreed} of {} runs agree", mode.name(), options.runs);
        failed |= agreed != options.runs;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs all seeds of a mode; how many agreed.
fn run(mode: SafetyMode, options: &Options) -> u64 {
    let (next, agreed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (epochs, comparisons) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = if options.trace { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= options.runs {
                        return;
                    }
                    let seed = options.seed + at;
                    match (Scenario { seed, mode, trace: options.trace }).run() {
                        Ok(outcome) => {
                            agreed.fetch_add(1, Ordering::Relaxed);
                            epochs.fetch_add(outcome.epochs, Ordering::Relaxed);
                            comparisons.fetch_add(outcome.comparisons, Ordering::Relaxed);
                        }
                        Err(error) => println!("{} seed {seed}: {error:#}", mode.name()),
                    }
                }
            });
        }
    });
    let (epochs, comparisons) = (epochs.into_inner(), comparisons.into_inner());
    println!("{}: {epochs} epochs, compared {comparisons} times", mode.name());
    agreed.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every suite and every kind of delay.
    const RUNS: u64 = 24;

    fn agreed(mode: SafetyMode) -> u64 {
        run(mode, &Options { runs: RUNS, seed: 10_000, modes: vec![mode], trace: false })
    }

    #[test]
    fn only_modes_that_the_peer_knows_are_taken() {
        assert_eq!(MODES.map(|known| mode(known.name())), MODES.map(Some));
        assert_eq!(mode(SafetyMode::Fenced.name()), None);
    }

    #[test]
    fn mixed_groups_agree_by_the_draft_alone() {
        assert_eq!(agreed(SafetyMode::Advisory), RUNS);
    }

    #[test]
    fn mixed_groups_agree_on_pins() {
        assert_eq!(agreed(SafetyMode::Pinned), RUNS);
    }
}
