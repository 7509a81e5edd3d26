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
#[path = "../../output/mod.rs"]
mod output;
mod peer;
mod random;
mod scenario;
mod wire;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use moq_mls::SafetyMode;

use crate::output::{complain, say};
use crate::scenario::Scenario;

const HELP: &str = "\
openmls_peer: groups in which a participant on OpenMLS meets ours

  --runs N     groups for each mode (default 300)
  --seed S     the first seed (default 1)
  --mode MODE  advisory or pinned, and no other (default both)
  --trace      print all that happens
  -h, --help   this text";

/// The modes that the peer can take: it knows the draft's rules and pins, and no other.
const MODES: [SafetyMode; 2] = [SafetyMode::Advisory, SafetyMode::Pinned];

struct Options {
    runs: u64,
    seed: u64,
    modes: Vec<SafetyMode>,
    trace: bool,
}

/// `None`: help is asked for.
fn options() -> Result<Option<Options>> {
    let mut options = Options { runs: 300, seed: 1, modes: MODES.to_vec(), trace: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--runs" => options.runs = number(&value()?)?,
            "--seed" => options.seed = number(&value()?)?,
            "--mode" => {
                let name = value()?;
                options.modes =
                    vec![mode(&name).with_context(|| format!("no mode {name}; --help names them"))?];
            }
            "--trace" => options.trace = true,
            "--help" | "-h" => return Ok(None),
            other => bail!("no option {other}; --help names them"),
        }
    }
    Ok(Some(options))
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("{text} is no number"))
}

fn mode(name: &str) -> Option<SafetyMode> {
    SafetyMode::from_name(name).filter(|mode| MODES.contains(mode))
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain!("openmls_peer: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = false;
    for mode in &options.modes {
        let agreed = run(*mode, &options);
        say!("figure openmls_peer_{}_agree {agreed} runs", mode.name());
        say!("{}: {agreed} of {} runs agree", mode.name(), options.runs);
        failed |= agreed != options.runs;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
                        Err(error) => say!("{} seed {seed}: {error:#}", mode.name()),
                    }
                }
            });
        }
    });
    let (epochs, comparisons) = (epochs.into_inner(), comparisons.into_inner());
    say!("{}: {epochs} epochs, compared {comparisons} times", mode.name());
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
