//! "Three terminals", "Several machines" and "Tokens for the relay" of `docs/operations.md`, as they are written there, on
//! a machine where etcd's usual ports are taken.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::terminal::lines_of;

/// The blocks of shell lines of a section.
fn blocks(section: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let (_, rest) = document.split_once(&format!("\n## {section}\n")).expect("the section");
    let section = rest.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// The commands of a block that are typed in one terminal each: a line that ends in a backslash goes on.
fn commands(block: &str) -> Vec<String> {
    block.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// A shell in the user's folder, in which `live` is the program.
struct Shell {
    process: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Shell {
    fn run(folder: &Path, what: &str) -> Self {
        let script = format!("set -eu\nlive() {{ \"$LIVE\" \"$@\"; }}\n{what}\nwait\n");
        let mut process = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder)
            .env("LIVE", env!("CARGO_BIN_EXE_moq-mls-live"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(&mut process);
        Self { process, lines }
    }

    /// Runs to the end, which must be good.
    fn done(mut self) {
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{:?}", self.lines.lock().unwrap());
    }

    /// The first `many` lines that contain `what`.
    fn says(&self, what: &str, many: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines = self.lines.lock().unwrap().clone();
            let found: Vec<String> = lines.iter().filter(|line| line.contains(what)).cloned().collect();
            if found.len() >= many {
                return found;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "not {many} of {what:?} but:\n{}",
                lines.join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // With all that it started.
        Command::new("kill").args(["-9", "--", &format!("-{}", self.process.id())]).output().unwrap();
        self.process.wait().unwrap();
    }
}

/// False where it is not installed.
fn has_etcd() -> bool {
    Command::new("etcd").arg("--version").output().is_ok()
}

#[test]
fn what_is_written_there_works_line_by_line() {
    if !has_etcd() {
        println!("SKIPPED: there is no etcd here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // As Debian's package starts it.
    let _theirs = Shell::run(folder, "etcd --data-dir theirs");
    let began = Instant::now();
    while TcpStream::connect("127.0.0.1:2379").is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "etcd's usual port is not taken");
        std::thread::sleep(Duration::from_millis(50));
    }

    let three = blocks("Three terminals");
    let [build, terminals] = three.as_slice() else { panic!("{three:?}") };
    assert!(build.contains("cargo build --release --manifest-path examples/live/Cargo.toml"), "{build}");
    let terminals = commands(terminals);
    let [relay, counter, alice, bob] = terminals.as_slice() else { panic!("{terminals:?}") };
    let relay = Shell::run(folder, relay);
    relay.says("relay at", 1);
    let counter = Shell::run(folder, counter);
    counter.says("receipt key", 1);
    let alice = Shell::run(folder, alice);
    alice.says("created the group", 1);
    let bob = Shell::run(folder, bob);
    bob.says("is in, at epoch 1", 1);

    let several = blocks("Several machines");
    let [services, people] = several.as_slice() else { panic!("{several:?}") };
    let services: String =
        services.lines().filter(|line| !line.starts_with("apt-get")).map(|l| format!("{l}\n")).collect();
    let services = Shell::run(folder, &services);
    let keys = services.says("receipt key ", 2);
    assert_eq!(keys[0], keys[1], "both print the same");
    let people = commands(&people.replace("HEX", keys[0].split(' ').next_back().unwrap()));
    let [carol, dave] = people.as_slice() else { panic!("{people:?}") };
    let mut carol = Shell::run(folder, carol);
    carol.says("created the group", 1);
    let dave = Shell::run(folder, dave);
    let asks = carol.says("dave asks to be let in", 1);
    let id = asks[0].rsplit(' ').next().unwrap();
    let tokens = std::fs::read_to_string(folder.join("live-state/tokens.txt")).unwrap();
    assert!(tokens.contains(id), "{id} is none of {tokens}");
    carol.type_in(&format!("admit {}", &id[..6]));
    dave.says("is in, at epoch 1", 1);

    let tokens = blocks("Tokens for the relay");
    let [make, people] = tokens.as_slice() else { panic!("{tokens:?}") };
    Shell::run(folder, make).done();
    let people = commands(people);
    let [relay, erin] = people.as_slice() else { panic!("{people:?}") };
    let relay = Shell::run(folder, relay);
    relay.says("relay at", 1);
    // The relay and the counter of the first section are still there.
    let erin = Shell::run(folder, erin);
    erin.says("created the group", 1);
    drop(counter);
}
