//! The command from outside.

#[path = "../../../tests/support/commands.rs"]
#[allow(dead_code, clippy::expect_used, clippy::panic, reason = "clap names the options; a test")]
mod commands;

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use self::commands::{check, run_unread};

fn run(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_moq-dev")).args(arguments).output()?)
}

#[test]
fn a_call_of_five_ends_with_an_agreement_and_figures() -> Result<()> {
    let call = run(&["call", "--participants", "5", "--speakers", "2"])?;
    let text = String::from_utf8(call.stdout)?;
    ensure!(call.status.success(), "{text}\n{}", String::from_utf8_lossy(&call.stderr));
    print!("{text}");
    let value = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("figure moq_dev_{name} ")));
        Ok(line
            .with_context(|| format!("no figure {name}"))?
            .split(' ')
            .next()
            .context("a value")?
            .parse()?)
    };
    ensure!(value("members")? == 3.0 && value("speakers")? == 2.0);
    ensure!(value("media_opened")? > 300.0 && value("media_lost")? == 0.0);
    ensure!(value("media_closed_to_removed")? > 20.0 && value("media_opened_by_removed")? == 0.0);
    ensure!(value("join_median_ms")? > 0.0);
    ensure!(text.lines().last().is_some_and(|line| line.starts_with("call: 3 members agree on epoch ")));
    Ok(())
}

#[test]
fn each_command_has_help_and_refuses_what_it_does_not_know() {
    let binary = Path::new(env!("CARGO_BIN_EXE_moq-dev"));
    for before in [&[][..], &["call"], &["relay"], &["counter"], &["participant"]] {
        check(binary, before, None);
    }
}

#[test]
fn mistakes_are_refused_with_one_line_each() -> Result<()> {
    for arguments in [&["call", "--participant", "8"][..], &["call", "--participants", "4"], &["relays"]] {
        let refused = run(arguments)?;
        ensure!(refused.status.code() == Some(2), "{arguments:?}");
        ensure!(String::from_utf8_lossy(&refused.stderr).starts_with("error: "));
    }
    for (arguments, expected) in [
        (&["participant", "--name", "x", "--root", "no/such.pem"][..], "no certificate at no/such.pem"),
        (&["counter", "--bind", "0.0.0.0:0"], "is no loopback address"),
    ] {
        let failed = run(arguments)?;
        let text = String::from_utf8_lossy(&failed.stderr).into_owned();
        ensure!(failed.status.code() == Some(1) && text.lines().count() == 1, "{arguments:?}: {text}");
        ensure!(text.starts_with("moq-dev: ") && text.contains(expected), "{text}");
    }
    Ok(())
}

#[test]
fn a_call_goes_on_when_nobody_reads_its_output() {
    let binary = Path::new(env!("CARGO_BIN_EXE_moq-dev"));
    let call = ["call", "--participants", "5", "--speakers", "1"];
    for both in [false, true] {
        assert_eq!(run_unread(binary, &call, both), (Some(0), String::new()));
    }
}
