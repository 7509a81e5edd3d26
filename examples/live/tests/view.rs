//! The live view of a participant, on a terminal that `script` makes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Killed, free_port};

/// Takes the whole terminal.
const TAKEN: &str = "\u{1b}[?1049h";
/// Gives it back.
const GIVEN_BACK: &str = "\u{1b}[?1049l";

/// A participant that reaches neither relay nor counter, on a terminal.
struct Shown {
    process: Killed,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Shown {
    /// Starts it; `None`, with a note, where there is no `script`.
    fn start(folder: &Path, more: &str) -> Option<Self> {
        let tls = folder.join("tls");
        moq_mls_live::tls::Files::in_folder(&tls, &[]).unwrap();
        let line = format!(
            "stty rows 24 cols 100; exec '{}' participant --group room --name alice --relay localhost:{} \
             --counter http://127.0.0.1:{} --relay-cert '{}' --state-dir '{}' {more}",
            env!("CARGO_BIN_EXE_moq-mls-live"),
            free_port(),
            free_port(),
            tls.join("cert.pem").display(),
            folder.join("alice").display(),
        );
        let child = Command::new("script")
            .args(["-qefc", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("SKIPPED: there is no `script` here; on Debian: apt-get install bsdutils");
            return None;
        };
        let output = Arc::new(Mutex::new(Vec::new()));
        let (mut source, sink) = (child.stdout.take().unwrap(), output.clone());
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut part) {
                sink.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Some(Self { process: Killed(child), output })
    }

    fn child(&mut self) -> &mut Child {
        &mut self.process.0
    }

    fn press(&mut self, keys: &[u8]) {
        let keyboard = self.child().stdin.as_mut().unwrap();
        keyboard.write_all(keys).unwrap();
        keyboard.flush().unwrap();
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    /// What was written, with a space for each move of the cursor: signs that stay are not written again.
    fn text(&self) -> String {
        let output = self.output();
        let mut parts = output.split("\u{1b}[");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|sign: char| sign.is_ascii_alphabetic()).unwrap_or(0);
            text.push_str(if part[end..].starts_with('H') { " " } else { "" });
            text.push_str(part.get(end + 1..).unwrap_or_default());
        }
        text
    }

    fn shows(&self, what: &str) {
        let began = Instant::now();
        while !self.text().contains(what) && !self.output().contains(what) {
            assert!(began.elapsed() < Duration::from_secs(60), "not {what:?} but {:?}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end, and returns what was on the terminal.
    fn ended(mut self) -> String {
        let began = Instant::now();
        while self.child().try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "it goes on: {:?}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(self.child().wait().unwrap().success());
        std::thread::sleep(Duration::from_millis(100));
        self.output()
    }
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut shown) = Shown::start(folder.path(), "") else { return };
    shown.shows(TAKEN);
    shown.shows("no member");
    // What is logged is in the view, and commands are obeyed there.
    shown.shows("no connection with the relay");
    shown.press(b"membrs\x7f\x7fers\r");
    shown.shows("> members");
    shown.shows("epoch none:");
    shown.press(b"\x03");
    let all = shown.ended();
    let (_, after) = all.rsplit_once(GIVEN_BACK).expect("the terminal is given back");
    assert!(after.contains("stopping without leaving"), "{after:?}");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut shown) = Shown::start(folder.path(), "") else { return };
    shown.shows("no member");
    let script = shown.child().id().to_string();
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &script]).output().unwrap();
    let participant = String::from_utf8(children.stdout).unwrap();
    Command::new("kill").arg(participant.trim()).status().unwrap();
    assert!(shown.ended().contains(GIVEN_BACK));
}

#[test]
fn plain_lines_are_possible_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut shown) = Shown::start(folder.path(), "--plain") else { return };
    shown.shows("alice is ");
    shown.press(b"help\r");
    shown.shows("commands: members, media");
    shown.press(b"\x03");
    let all = shown.ended();
    assert!(!all.contains(TAKEN) && all.contains("stopping without leaving"), "{all:?}");
}
