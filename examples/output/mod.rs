//! What an example prints. A pipe that its reader closed takes no more, which is no failure: `example | head` ends well.

#![allow(dead_code, unused_macros, unused_imports, reason = "not every example needs all of it")]

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Prints a line, as `println!` does.
macro_rules! say {
    () => {
        say!("")
    };
    ($($text:tt)*) => {
        crate::output::line(std::io::stdout(), format_args!($($text)*))
    };
}

/// Prints a line, as `eprintln!` does.
macro_rules! complain {
    ($($text:tt)*) => {
        crate::output::line(std::io::stderr(), format_args!($($text)*))
    };
}

pub(crate) use {complain, say};

/// Writes a line.
///
/// # Panics
/// If it cannot be written for another reason than that nobody reads any more.
#[allow(clippy::panic, reason = "a figure that is lost must not look like a success")]
pub(crate) fn line(mut out: impl Write, text: std::fmt::Arguments<'_>) {
    match writeln!(out, "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("cannot print: {error}"),
        _ => {}
    }
}

/// Answers the command line of an example that takes no option. `None`: it has none, and the example runs.
pub(crate) fn no_options(name: &str, help: &str) -> Option<ExitCode> {
    let first = std::env::args().nth(1)?;
    if ["--help", "-h"].contains(&first.as_str()) {
        say!("{help}\n\n  -h, --help  this text");
        return Some(ExitCode::SUCCESS);
    }
    complain!("{name}: no option {first}; --help says what it does");
    Some(ExitCode::FAILURE)
}
