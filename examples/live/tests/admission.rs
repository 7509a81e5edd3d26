//! Who is let in, and which counter service is asked: participants and services as processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use crate::support::terminal::{Terminal, relay_process};
use crate::support::{Killed, etcd, free_port, scrape};

/// Makes an identity and a token file, and returns the SenderId and a line for the counter's tokens.
fn identity(folder: &Path, name: &str, behind: &str) -> (String, String) {
    let out = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["identity", "--state-dir"])
        .arg(folder.join(name))
        .output()
        .unwrap();
    std::fs::write(token_file(folder, name), format!("token-of-{name}\n")).unwrap();
    let id = String::from_utf8(out.stdout).unwrap().trim().to_owned();
    let line = format!("token-of-{name} hall {id} {behind}\n");
    (id, line)
}

fn token_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.token"))
}

/// A counter service with tokens, and the key that it prints.
fn counter(folder: &Path, port: u16, store: &str, more: &[&str]) -> (Killed, String) {
    let mut child = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["counter", "--bind", &format!("127.0.0.1:{port}"), "--store", store])
        .args(["--tokens".into(), folder.join("tokens.txt"), "--key".into(), folder.join("receipts.key")])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("counter at http"));
    let key = lines.next().unwrap().unwrap();
    (Killed(child), key.strip_prefix("receipt key ").unwrap().to_owned())
}

/// A stranger needs no token to publish at the relay: members with tokens let nobody in whom no user admitted.
#[test]
fn nobody_joins_whom_no_user_has_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (relay_port, port) = (free_port(), free_port());
    let _relay = relay_process(path, relay_port);
    let (_, alices) = identity(path, "alice", "create");
    let (bob, bobs) = identity(path, "bob", "");
    let (other, others) = identity(path, "bob-2", "read,lock,increment");
    let (mallory, _) = identity(path, "mallory", "");
    std::fs::write(path.join("tokens.txt"), alices + &bobs + &others).unwrap();
    let (_counter, _) = counter(path, port, "memory", &[]);
    let address = format!("http://127.0.0.1:{port}");
    let join = |state: &str, name: &str, more: &[&str]| {
        let token = token_file(path, state).display().to_string();
        let state = path.join(state).display().to_string();
        let mut options = vec!["--counter", &address, "--token-file", &token, "--state-dir", &state];
        options.extend(more);
        Terminal::named("hall", name, (path, relay_port), &options)
    };
    let mut alice = join("alice", "alice", &[]);
    alice.says("it asks you who may join");
    alice.says("created the group");

    // Her token is wrong. What she publishes at the relay is asked about all the same.
    let _stranger = join("mallory", "mallory", &["--open"]);
    alice.says(&format!(
        "mallory asks to be let in: everybody who comes is asked about. Its SenderId is {mallory}"
    ));
    let bob_one = join("bob", "bob", &[]);
    alice.says(&format!("bob asks to be let in: everybody who comes is asked about. Its SenderId is {bob}"));
    alice.type_in("waiting");
    alice.says(&format!("  {mallory} mallory"));
    alice.type_in(&format!("refuse {mallory}"));
    alice.type_in(&format!("admit {}", &bob[..8]));
    bob_one.says("is in, at epoch 1");

    // The second device of one name takes the place of the first.
    let second = join("bob-2", "bob", &[]);
    alice.says(&format!("(MEMBER is {})", &bob[..6]));
    alice.type_in(&format!("replace {} {}", &other[..8], &bob[..8]));
    second.says("is in, at epoch 2");
    bob_one.says("was removed");
    let members = [alice.own_id(), other].map(|id| id[..6].to_owned());
    assert_eq!(alice.members(), members, "the stranger is in, or another is out");

    for file in ["alice/identity", "alice/snapshot", "tls/key.pem", "receipts.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

/// With `--open` the user is not asked, and without a token neither.
#[test]
fn options_that_contradict_each_other_are_refused() {
    let said = |more: &[&str]| {
        let out = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
            .args(["participant", "--group", "g", "--name", "n", "--state-dir", "/nonexistent/state"])
            .args(more)
            .output()
            .unwrap();
        assert!(!out.status.success());
        String::from_utf8(out.stderr).unwrap()
    };
    assert!(said(&["--ask", "--open"]).contains("cannot be used with"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "two words\n").unwrap();
    let state = folder.path().join("state").display().to_string();
    let out = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["participant", "--group", "g", "--name", "n", "--state-dir", &state, "--token-file"])
        .arg(&token)
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("must hold one token") && !said.contains("two words"), "{said}");
}

/// What `docs/operations.md` says to do with several machines: etcd, two counters over HTTPS, tokens, receipts. Each
/// participant knows both counters: one ends, and nobody waits.
#[test]
fn two_counters_over_etcd_serve_one_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let Some((_etcd, url)) = etcd(path) else { return };
    let (relay_port, ports) = (free_port(), [free_port(), free_port()]);
    let _relay = relay_process(path, relay_port);
    let ((_, carols), (daves_id, daves)) = (identity(path, "carol", "create"), identity(path, "dave", ""));
    let tokens = path.join("tokens.txt");
    std::fs::write(&tokens, format!("{carols}{daves}")).unwrap();
    let (cert, key) = (path.join("tls/cert.pem").display().to_string(), path.join("tls/key.pem"));
    let tls = ["--tls-cert", &cert, "--tls-key", &key.display().to_string()];
    let start = |port| counter(path, port, &format!("etcd:{url}"), &tls);
    let ((first, key), (second, same)) = (start(ports[0]), start(ports[1]));
    assert_eq!(key, same);
    let figures = free_port();
    let join = |name: &str, ports: [u16; 2], more: &[&str]| {
        let token = token_file(path, name).display().to_string();
        let [one, other] = ports.map(|port| format!("https://localhost:{port}"));
        let mut options = vec!["--counter", &one, "--counter", &other, "--counter-cert", &cert];
        options.extend(["--token-file", &token, "--receipt-key", &key]);
        options.extend(more);
        Terminal::with(path, "hall", name, relay_port, &options)
    };
    let mut carol = join("carol", ports, &["--metrics", &format!("127.0.0.1:{figures}")]);
    carol.says("created the group");
    let mut dave = join("dave", [ports[1], ports[0]], &[]);
    carol.says("dave asks to be let in");
    carol.type_in(&format!("admit {}", &daves_id[..8]));
    dave.says("is in, at epoch 1");
    dave.type_in("update");
    carol.says("is at epoch 2");

    // One counter dies: those who asked it ask the other.
    drop(first);
    carol.type_in("update");
    carol.says("asking the next counter service");
    dave.says("is at epoch 3");
    carol.says("is at epoch 3");
    // Both are gone: that is said, until one is back.
    drop(second);
    carol.type_in("update");
    carol.says("the counter service does not answer; trying on");
    let _first = start(ports[0]);
    dave.says("is at epoch 4");
    carol.says("is at epoch 4");
    let text = scrape(figures);
    assert!(!text.contains("moq_mls_participant_commits_won_total 0"), "{text}");
    for line in [
        "moq_mls_participant_epoch 4",
        "moq_mls_participant_join_duration_seconds_count 1",
        "moq_mls_participant_notices_total{kind=\"join_requested\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }

    // Revoked, then removed. It may pin nothing any more; what it had published, the other may have pinned.
    std::fs::write(&tokens, carols).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    dave.type_in("update");
    dave.says("Refused(Forbidden)");
    carol.type_in(&format!("remove {daves_id}"));
    let without = carol.alone_since();
    std::thread::sleep(Duration::from_secs(1));
    let entered = format!("is at epoch {without}");
    assert!(
        !dave.lines.lock().unwrap().iter().any(|line| line.contains(&entered)),
        "the removed one went on"
    );
}
