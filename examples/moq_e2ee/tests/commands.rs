//! The example has a true `--help`, refuses options that it does not have, and outlives the reader of its output.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../tests/support/commands.rs"]
mod commands;

use std::path::Path;

use self::commands::{check, options_in};

#[test]
fn help_is_true_and_what_it_does_not_know_is_refused() {
    let options = options_in(include_str!("../src/main.rs"));
    check(Path::new(env!("CARGO_BIN_EXE_moq-mls-moq-e2ee")), &[], Some(&options));
}
