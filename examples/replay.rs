//! Shows a recorded run, and runs it again where its engine can be had again:
//! `cargo run --release --example replay -- FILE [--quiet]`. Exits non-zero at the first difference.

use std::process::ExitCode;

use moq_mls::testing::replay::replay;

const HELP: &str = "usage: replay FILE [--quiet]

Runs a log of moq_mls::recording again and compares every line: one with the engine's answers in it, as
a live participant leaves, or one of the engine \"seeded NAME SEED\". Any other is shown and not run.";

fn shorten(line: &str) -> String {
    let cut = line.char_indices().nth(160).map_or(line.len(), |(at, _)| at);
    let more = if cut < line.len() { "..." } else { "" };
    format!("{}{more}", &line[..cut])
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quiet = args.iter().any(|a| a == "--quiet" || a == "-q");
    let files: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let [file] = files.as_slice() else {
        println!("{HELP}");
        return if args.iter().any(|a| a == "--help" || a == "-h") {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    };
    let log = match std::fs::read_to_string(file) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("replay: {file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let header = log.lines().next().unwrap_or_default();
    if header.contains("\"secrets\":true") {
        eprintln!("replay: this log holds secrets");
    }
    let again = header.contains("\"answers\":true") || header.contains("\"engine\":\"seeded ");
    if header.contains("\"engine\":") && !again {
        for (at, line) in log.lines().enumerate() {
            println!("{:>5} {}", at + 1, shorten(line));
        }
        println!("replay: shown, not run: its engine cannot be had again, and did not leave its answers");
        return ExitCode::SUCCESS;
    }
    let result = replay(&log, |number, line| {
        if !quiet {
            println!("{number:>5} {}", shorten(line));
        }
    });
    match result {
        Ok(done) => match done.difference {
            None => {
                println!("replay: {} events, every line as it was", done.steps);
                if done.cut {
                    println!("replay: the log ends inside a step, as that of a killed process may");
                }
                ExitCode::SUCCESS
            }
            Some(difference) => {
                println!("replay: line {} differs after {} events", difference.line, done.steps);
                println!("  logged {}", difference.logged);
                println!("  found  {}", difference.found.as_deref().unwrap_or("nothing"));
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("replay: {file}: {error}");
            ExitCode::FAILURE
        }
    }
}
