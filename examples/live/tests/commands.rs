//! Each command has help, refuses options that it does not have, and outlives the reader of its output.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../tests/support/commands.rs"]
#[allow(dead_code, reason = "clap names the options")]
mod programs;

use std::path::Path;
use std::process::Command;

use self::programs::{check, run_unread};

fn live() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_moq-mls-live"))
}

#[test]
fn each_command_has_help_and_refuses_what_it_does_not_know() {
    check(live(), &[], None);
    let help = Command::new(live()).arg("--help").output().expect("help");
    let help = String::from_utf8(help.stdout).expect("text");
    let (_, commands) = help.split_once("Commands:\n").expect("commands");
    let named = |line: &str| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned());
    let commands: Vec<String> = commands.lines().map_while(named).filter(|name| name != "help").collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        check(live(), &[&command], None);
    }
}

#[test]
fn a_call_goes_on_when_nobody_reads_its_output() {
    for both in [false, true] {
        assert_eq!(run_unread(live(), &["call", "--participants", "5"], both).0, Some(0));
    }
}
