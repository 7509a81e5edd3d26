//! Shows a recorded run, runs it again where its engine can be had again, and draws one or several of a group:
//! `cargo run --release --example replay -- FILE... [--quiet] [--html OUT.html]`. Exits non-zero at a difference.

#[path = "output/mod.rs"]
mod output;
#[path = "timeline/mod.rs"]
mod timeline;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use moq_mls::testing::replay::{Replayed, replay};

use self::output::{complain, say};

const HELP: &str = "usage: replay FILE... [--quiet] [--html OUT.html]

Runs logs of moq_mls::recording again and compares every line: one with the engine's answers in it, as
a live participant leaves, or one of the engine \"seeded NAME SEED\". Any other is shown and not run.

  -q, --quiet      do not show the lines
  --html OUT.html  draw the run as a page; several FILEs, of one group, make one page. Implies --quiet
  -h, --help       this text";

/// What it is asked to do.
#[derive(Default)]
struct Options {
    files: Vec<String>,
    quiet: bool,
    page: Option<String>,
    help: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match &*arg {
                "--quiet" | "-q" => options.quiet = true,
                "--help" | "-h" => options.help = true,
                "--html" => {
                    let out = args.next().ok_or("--html needs the name of a file")?;
                    // It would be easy to overwrite a log.
                    if Path::new(&out).extension() != Some(OsStr::new("html")) {
                        return Err(format!("--html: {out}: the name must end in .html"));
                    }
                    options.page = Some(out);
                    options.quiet = true;
                }
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                _ => options.files.push(arg),
            }
        }
        if options.files.is_empty() && !options.help {
            return Err(format!("which FILE?\n\n{HELP}"));
        }
        Ok(options)
    }
}

fn shorten(line: &str) -> String {
    let cut = line.char_indices().nth(160).map_or(line.len(), |(at, _)| at);
    let more = if cut < line.len() { "..." } else { "" };
    format!("{}{more}", &line[..cut])
}

/// Runs a log again. Returns whether every line was as it is.
fn run_again(log: &str, quiet: bool) -> Result<bool, String> {
    let show = |number: usize, line: &str| {
        if !quiet {
            say!("{number:>5} {}", shorten(line));
        }
    };
    let header = log.lines().next().unwrap_or_default();
    if header.contains("\"secrets\":true") {
        complain!("replay: this log holds secrets");
    }
    let again = header.contains("\"answers\":true") || header.contains("\"engine\":\"seeded ");
    if header.contains("\"engine\":") && !again {
        log.lines().enumerate().for_each(|(at, line)| show(at + 1, line));
        say!("replay: shown, not run: its engine cannot be had again, and did not leave its answers");
        return Ok(true);
    }
    let Replayed { steps, difference, cut } = replay(log, show).map_err(|error| error.to_string())?;
    let Some(difference) = difference else {
        say!("replay: {steps} events, every line as it was");
        if cut {
            say!("replay: the log ends inside a step, as that of a killed process may");
        }
        return Ok(true);
    };
    say!("replay: line {} differs after {steps} events", difference.line);
    say!("  logged {}", difference.logged);
    say!("  found  {}", difference.found.as_deref().unwrap_or("nothing"));
    Ok(false)
}

fn run(options: &Options) -> Result<bool, String> {
    let mut logs = Vec::new();
    for file in &options.files {
        let log = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        logs.push((file.clone(), log));
    }
    // A run that no longer comes out the same is drawn all the same.
    if let Some(out) = &options.page {
        let page = timeline::page(&logs).map_err(|error| error.to_string())?;
        std::fs::write(out, page).map_err(|error| format!("{out}: {error}"))?;
    }
    let mut same = true;
    for (file, log) in &logs {
        if logs.len() > 1 {
            say!("replay: {file}");
        }
        same &= run_again(log, options.quiet).map_err(|error| format!("{file}: {error}"))?;
    }
    if let Some(out) = &options.page {
        say!("replay: drawn in {out}");
    }
    Ok(same)
}

fn main() -> ExitCode {
    let done = Options::parse(std::env::args().skip(1)).and_then(|options| {
        if options.help {
            say!("{HELP}");
            return Ok(true);
        }
        run(&options)
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}
