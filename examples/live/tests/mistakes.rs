//! What users do wrong, and what a machine does to them: one line that says what, and what to do.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::Killed;

fn live() -> Command {
    Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
}

/// Runs to the end, which comes soon.
fn run(command: &mut Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().ok();
            panic!("it goes on: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// It fails, and says so in one line with all of `parts`.
fn refused(command: &mut Command, parts: &[&str]) {
    let output = run(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{command:?}: {text}");
    let told: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    // clap adds how the command is used.
    let line = told.first().copied().unwrap_or_default();
    assert!(parts.iter().all(|part| line.contains(part)), "{command:?}: {text}");
    assert!(told.len() == 1 || line.starts_with("error: "), "{command:?}: {text}");
    assert!(!text.contains("panicked"), "{command:?}: {text}");
}

/// A participant whose relay need not exist.
fn participant(folder: &Path) -> Command {
    participant_with(&certificate(folder), &folder.join("alice"))
}

fn participant_with(certificate: &Path, state: &Path) -> Command {
    let mut command = live();
    command.args(["participant", "--group", "room", "--name", "alice", "--relay-cert"]);
    command.arg(certificate).arg("--state-dir").arg(state);
    command
}

fn certificate(folder: &Path) -> std::path::PathBuf {
    moq_mls_live::tls::Files::in_folder(&folder.join("tls"), &[]).unwrap().certificate
}

#[test]
fn a_relay_needs_a_port_and_a_certificate_that_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for relay in ["localhost", "localhost:", ":4443", "localhost:http", "localhost:0"] {
        refused(participant(path).args(["--relay", relay]), &["--relay", "a host and a port"]);
    }
    let file = path.join("text.pem");
    std::fs::write(&file, "not PEM at all").unwrap();
    let mut command = participant_with(&file, &path.join("alice"));
    refused(&mut command, &["text.pem", "no certificate"]);
    std::fs::remove_file(&file).unwrap();
    refused(&mut command, &["text.pem", "is the relay running?"]);
}

#[test]
fn the_port_of_a_relay_may_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = live();
    command.args(["relay", "--bind", &address, "--tls"]).arg(folder.path().join("tls"));
    refused(&mut command, &[&address, "in use", "--bind"]);
}

#[test]
fn damaged_state_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let state = path.join("alice");
    moq_mls_tokio::make_private_folder(&state).unwrap();
    std::fs::write(state.join("snapshot"), "half of a snap").unwrap();
    refused(&mut participant(path), &["alice/snapshot", "damaged", "joins again"]);
    std::fs::write(state.join("identity"), "no key").unwrap();
    refused(&mut participant(path), &["alice/identity", "damaged", "another folder"]);
}

#[test]
fn a_state_folder_is_its_owners_and_one_process_has_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let state = path.join("alice");
    let held = moq_mls_tokio::FileStore::open(&state).unwrap();
    refused(&mut participant(path), &["alice", "another process"]);
    drop(held);
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    refused(&mut participant(path), &["alice", "chmod 700"]);
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::rename(&state, path.join("other")).unwrap();
    symlink(path.join("other"), &state).unwrap();
    refused(&mut participant(path), &["alice", "is a link"]);
    std::fs::remove_file(&state).unwrap();
    // A file in it must not lead elsewhere either.
    std::fs::rename(path.join("other"), &state).unwrap();
    for name in ["lock", "identity"] {
        std::fs::remove_file(state.join(name)).ok();
        std::fs::write(path.join("victim"), "of another").unwrap();
        symlink(path.join("victim"), state.join(name)).unwrap();
        refused(&mut participant(path), &[name, "is a link"]);
        std::fs::remove_file(state.join(name)).unwrap();
        assert_eq!(std::fs::read_to_string(path.join("victim")).unwrap(), "of another");
    }
}

#[test]
fn a_relay_token_file_must_hold_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.token");
    refused(participant(folder.path()).arg("--relay-token").arg(&file), &["relay.token", "cannot read"]);
    std::fs::write(&file, "\n").unwrap();
    refused(participant(folder.path()).arg("--relay-token").arg(&file), &["relay.token", "no relay token"]);
}

#[test]
fn a_signal_ends_it_before_the_relay_was_ever_reached() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let child = participant(folder.path())
            .args(["--relay", "localhost:9"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("alice is "));
        std::thread::sleep(Duration::from_millis(300));
        let pid = child.0.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let began = Instant::now();
        let status = loop {
            match child.0.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(began.elapsed() < Duration::from_secs(10), "SIG{signal} does not end it"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
        assert!(lines.any(|line| line.unwrap().contains("stopping without leaving")));
    }
}

/// A certificate that is not the relay's is named as the reason, and it tries on.
#[test]
fn another_certificate_than_the_relays_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let files = moq_mls_live::tls::Files::in_folder(&path.join("relay"), &[]).unwrap();
    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let relay = moq_mls_live::relay::Relay::start(loopback, &files, None).unwrap();
    let child = participant(path)
        .args(["--relay", &format!("localhost:{}", relay.address.port())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let said =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("no connection"))).unwrap().unwrap();
    assert!(said.contains("is not good here (--relay-cert)"), "{said}");
}

/// A file system that is full ends it, with nothing sent that depends on what was not stored.
#[test]
fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = folder.path().join("tiny");
    std::fs::create_dir(&tiny).unwrap();
    let Some(_mounted) = Tiny::mount(&tiny) else { return };
    let path = folder.path();
    let files = moq_mls_live::tls::Files::in_folder(&path.join("tls"), &[]).unwrap();
    let relay = moq_mls_live::relay::Relay::start((Ipv4Addr::LOCALHOST, 0).into(), &files, None).unwrap();
    let port = crate::support::free_port();
    let _counter =
        crate::support::counter_process(path, port, &format!("redb:{}", path.join("counter.redb").display()));
    moq_mls_tokio::make_private_folder(&tiny.join("alice")).unwrap();
    // Room for the identity, and for no snapshot.
    let room = 8 * 1024;
    std::fs::write(tiny.join("filler"), vec![0; 64 * 1024 - room]).unwrap();
    let mut command = participant_with(&files.certificate, &tiny.join("alice"));
    command.args(["--relay", &format!("localhost:{}", relay.address.port())]);
    command.args(["--counter", &format!("http://127.0.0.1:{port}")]);
    let output = run(&mut command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("No space left") && last.contains("free some space"), "{text}");
}

/// A file system of 64 KiB.
struct Tiny<'a>(&'a Path);

impl<'a> Tiny<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|out| out.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: no file system can be mounted here; it needs root");
        None
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}
