//! Every example has a true `--help`, refuses options that it does not have, and outlives the reader of its output.
//!
//! It runs what `cargo test` builds. By itself (`--test suite commands::`) it needs `cargo build --examples` before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/commands.rs"]
mod programs;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use self::programs::run_unread;
use self::programs::{check, options_in};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Where cargo puts an example that it built beside this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let folder =
        std::env::current_exe().expect("this test").ancestors().nth(2).expect("a folder").join("examples");
    let binary = folder.join(name);
    assert!(binary.exists(), "{name} is not built: `cargo build --examples` does it, as `cargo test` does");
    binary
}

/// The examples of this package: one that has a manifest is a package of its own.
fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(examples()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "rs") {
            found.push((name, fs::read_to_string(path).expect("a text")));
        } else if path.join("main.rs").exists() {
            let texts = fs::read_dir(path)
                .expect("a folder")
                .map(|file| fs::read_to_string(file.expect("an entry").path()).expect("a text"));
            found.push((name, texts.collect()));
        }
    }
    found
}

#[test]
fn every_example_answers_help_and_refuses_what_it_does_not_know() {
    let all = all();
    assert!(all.len() >= 8, "{} examples", all.len());
    for (name, source) in all {
        check(&binary(&name), &[], Some(&options_in(&source)));
    }
}

#[test]
fn options_are_found_in_sources() {
    assert_eq!(
        options_in(&fs::read_to_string(examples().join("replay.rs")).expect("a text")),
        ["--help", "--html", "--quiet"]
    );
}

#[test]
fn output_that_nobody_reads_ends_nothing() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/replay");
    let log = fs::read_dir(log).expect("a folder").next().expect("a log").expect("an entry").path();
    let log = log.to_string_lossy();
    // The others print by the same macro, and take minutes.
    let runs: [(&str, &[&str]); 6] = [
        ("recovery", &["--seeds", "1"]),
        ("minimal", &[]),
        ("call", &["--participants", "5"]),
        ("replay", &[&log]),
        ("vectors", &["--check"]),
        ("simulate", &["--seeds", "3"]),
    ];
    for (name, args) in runs {
        for both in [false, true] {
            assert_eq!(run_unread(&binary(name), args, both), (Some(0), String::new()), "{name}");
        }
    }
}
