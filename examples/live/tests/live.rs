//! Participants over the real relay and the real counter service.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moq_mls::{Command, Phase};
use moq_mls_live::call::{Stage, agree, wait};
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter_client::CounterClient;
use moq_mls_live::driver::Handle;
use moq_mls_live::media;
use support::proxy::{self, Weather};
use support::{Killed, counter_process, free_port};

/// Bootstrap, joins, update, leave, removal with media, over the relay and redb.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_lives_over_the_relay_and_redb() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Redb::open(&folder.path().join("counter.redb")).unwrap());
    let stage = Stage::set(store, None).await.unwrap();
    let all: Vec<Handle> = (0..5).map(|i| stage.participant(&format!("p{i}")).unwrap()).collect();
    for who in &all {
        who.media(Some(Duration::from_millis(20)));
        who.command(Command::Join);
    }
    let mut members: Vec<&Handle> = all.iter().collect();
    let epoch = agree(&members, 0).await.unwrap();

    all[1].command(Command::Update);
    let epoch = agree(&members, epoch + 1).await.unwrap();
    all[2].command(Command::Leave);
    members.remove(2);
    let epoch = agree(&members, epoch + 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    all[0].command(Command::Remove(all[3].sender.clone()));
    members.retain(|who| who.name != "p3");
    let epoch = agree(&members, epoch + 1).await.unwrap();
    wait(&all[3], "to learn of it", |v| v.phase == Some(Phase::Ended)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    all.iter().for_each(|who| who.media(None));
    tokio::time::sleep(Duration::from_secs(1)).await;

    for to in &members {
        for from in members.iter().filter(|from| from.sender != to.sender) {
            let track = media::track(stage.group(), &from.sender).unwrap();
            let received = to.view().received[&track].clone();
            assert!(received.opened > 20, "{} from {}: {received:?}", to.name, from.name);
            assert_eq!(received.lost(from.view().last_sent.unwrap()), 0, "{} from {}", to.name, from.name);
            assert_eq!(received.newest_key, epoch);
        }
    }
    let out = all[3].view();
    assert!(out.received.values().all(|r| r.newest_key < epoch), "the removed one opened media of {epoch}");
    assert!(
        out.received.values().any(|r| r.unopenable > 0) || out.held > 0,
        "nothing reached the removed one"
    );
}

/// Loss, delay, resets, twelve seconds of neither relay nor counter: the group forms and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_lives_through_a_hostile_network() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Redb::open(&folder.path().join("counter.redb")).unwrap());
    let stage = Stage::set(store, None).await.unwrap();
    let weather = Arc::new(Weather::default());
    let relay = proxy::udp(stage.relay.address, weather.clone()).await;
    let counter = proxy::tcp(stage.server.address, weather.clone()).await;
    let base = format!("https://localhost:{}", counter.port());
    let client = CounterClient::new(&base, Some(&stage.certificate()), None).unwrap();
    let all: Vec<Handle> =
        (0..4).map(|i| stage.participant_at(&format!("p{i}"), relay, client.clone()).unwrap()).collect();
    for who in &all[..3] {
        who.command(Command::Join);
    }
    let members: Vec<&Handle> = all[..3].iter().collect();
    let mut epoch = agree(&members, 0).await.unwrap();
    for round in 0..4 {
        all[round % 3].command(Command::Update);
        epoch = agree(&members, epoch + 1).await.unwrap();
    }
    // Longer than QUIC holds on: every session is lost, and each participant has a wish meanwhile.
    weather.dark.store(true, Ordering::SeqCst);
    all.iter().take(3).for_each(|who| who.command(Command::Update));
    tokio::time::sleep(Duration::from_secs(12)).await;
    weather.dark.store(false, Ordering::SeqCst);
    epoch = agree(&members, epoch + 1).await.unwrap();
    all[3].command(Command::Join);
    let members: Vec<&Handle> = all.iter().collect();
    agree(&members, epoch + 1).await.unwrap();
    assert!(weather.dropped.load(Ordering::SeqCst) > 20, "the network was kind");
    assert!(weather.reset.load(Ordering::SeqCst) > 0, "no request was reset");
}

/// A participant as a process, with its lines.
struct Terminal {
    process: Killed,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Terminal {
    fn open(folder: &Path, name: &str, relay: u16, counter: u16) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
            .args(["participant", "--group", "room", "--name", name])
            .args(["--relay", &format!("localhost:{relay}")])
            .args(["--counter", &format!("http://127.0.0.1:{counter}"), "--relay-cert"])
            .arg(folder.join("tls/cert.pem"))
            .arg("--state-dir")
            .arg(folder.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line));
        });
        Self { process: Killed(child), lines }
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.process.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that contains `what`.
    fn says(&self, what: &str) {
        let began = Instant::now();
        while !self.lines.lock().unwrap().iter().any(|line| line.contains(what)) {
            let lines = self.lines.lock().unwrap().join("\n");
            assert!(began.elapsed() < Duration::from_secs(60), "not {what:?} but:\n{lines}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn relay_process(folder: &Path, port: u16) -> Killed {
    let child = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["relay", "--bind", &format!("127.0.0.1:{port}"), "--tls"])
        .arg(folder.join("tls"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("relay at"), "{line}");
    child
}

/// What the README says to do with three terminals; then relay and counter die, and come back.
#[test]
fn processes_are_killed_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (relay_port, counter_port) = (free_port(), free_port());
    let store = format!("redb:{}", path.join("counter.redb").display());
    let relay = relay_process(path, relay_port);
    let counter = counter_process(path, counter_port, &store);
    let mut alice = Terminal::open(path, "alice", relay_port, counter_port);
    alice.says("created the group");
    let bob = Terminal::open(path, "bob", relay_port, counter_port);
    bob.says("is in, at epoch 1");
    alice.says("is at epoch 1");

    // SIGKILL. The group goes on, and so does bob, from its state.
    drop(bob);
    alice.type_in("update");
    alice.says("is at epoch 2");
    let mut bob = Terminal::open(path, "bob", relay_port, counter_port);
    bob.says("from its state");
    bob.says("is at epoch 2");
    bob.type_in("update");
    alice.says("is at epoch 3");
    bob.says("is at epoch 3");

    drop((relay, counter));
    alice.type_in("update");
    std::thread::sleep(Duration::from_secs(1));
    let _relay = relay_process(path, relay_port);
    let _counter = counter_process(path, counter_port, &store);
    bob.says("is at epoch 4");
    alice.says("is at epoch 4");
    let carol = Terminal::open(path, "carol", relay_port, counter_port);
    carol.says("is in, at epoch 5");
    bob.type_in("leave");
    bob.says("has left");
    alice.says("is at epoch 6");
}
