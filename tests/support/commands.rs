//! What each command of an example owes to who types it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs it; its output is read to the end.
fn run(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).output().unwrap_or_else(|error| panic!("{}: {error}", binary.display()))
}

/// Runs it with standard output, and standard error if `both`, into pipes that nobody reads any more. Returns its exit
/// code, and what it complained of.
pub(crate) fn run_unread(binary: &Path, args: &[&str], both: bool) -> (Option<i32>, String) {
    let unread = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer
    };
    let mut command = Command::new(binary);
    command.args(args).stdout(unread());
    if both {
        command.stderr(unread());
    } else {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let mut complaints = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut complaints).expect("text");
    }
    (child.wait().expect("an end").code(), complaints)
}

/// Checks that `--help` names each of `options` and no other, if they are given. An unknown option must be refused and
/// named, and a pipe that its reader closed must not stop the command. `before` is typed before the options.
pub(crate) fn check(binary: &Path, before: &[&str], options: Option<&[String]>) {
    let name = format!("{} {}", binary.display(), before.join(" "));
    let with = |last: &'static str| before.iter().copied().chain([last]).collect::<Vec<_>>();
    for asked in ["--help", "-h"] {
        let help = run(binary, &with(asked));
        assert!(help.status.success(), "{name} {asked}");
        let text = String::from_utf8(help.stdout).expect("text");
        assert!(text.len() > 40, "{name} {asked} says little: {text}");
        for option in options.unwrap_or_default() {
            assert!(text.contains(option.as_str()), "{name} {asked} does not name {option}:\n{text}");
        }
        let Some(options) = options else { continue };
        let listed = text.lines().filter(|line| line.trim_start().starts_with('-'));
        for option in listed.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--"))) {
            let known = option == "--help" || options.iter().any(|has| has == option);
            assert!(known, "{name} {asked} names {option}, which is none");
        }
    }
    let refused = run(binary, &with("--no-such-option"));
    assert!(!refused.status.success(), "{name} takes an option that it does not have");
    let complaint = String::from_utf8(refused.stderr).expect("text");
    let first = complaint.lines().next().unwrap_or_default();
    assert!(first.contains("--no-such-option"), "{name} does not name what it refuses: {complaint}");
    assert!(!complaint.contains("panicked"), "{name} panics: {complaint}");

    for both in [false, true] {
        let ended = run_unread(binary, &with("--help"), both);
        assert_eq!(ended, (Some(0), String::new()), "{name} --help, unread");
    }
    // The same as when its output is read: that of a panic differs.
    let ended = run_unread(binary, &with("--no-such-option"), true).0;
    assert_eq!(ended, refused.status.code(), "{name} with an unknown option, unread");
}

/// Returns the options that a source matches its arguments with.
pub(crate) fn options_in(source: &str) -> Vec<String> {
    let mut options: Vec<String> = source
        .lines()
        .filter(|line| line.trim_start().starts_with("\"--") || line.trim_start().starts_with("Some(\"--"))
        .flat_map(|line| line.split('"').filter(|text| text.starts_with("--")).map(str::to_owned))
        .collect();
    options.sort();
    options.dedup();
    options
}
