//! Whole runs of participants as logs ([`recording`](crate::recording)), with seeded crypto.

use std::time::Duration;

use crate::config::{Config, SafetyMode};
use crate::event::Command;
use crate::recording::Secrets;
use crate::testing::network::{Network, NetworkConfig};
use crate::testing::seeded_crypto::{SeededEngine, seeded_engine};
use crate::tracks::{CommitTrackPolicy, GroupName};

type Net = Network<SeededEngine>;

pub(super) fn files() -> Vec<(String, String)> {
    let group = GroupName::try_from("room-1").expect("a name");
    let pinned = Config::new(group);
    let mut per_sender = pinned.clone();
    per_sender.params.commit_tracks = CommitTrackPolicy::PerSender;
    let mut advisory = pinned.clone();
    advisory.params.mode = SafetyMode::Advisory;
    let mut fenced = pinned.clone();
    fenced.params.mode = SafetyMode::Fenced;
    let mut files = Vec::new();
    files.extend(life("pinned", 1, &pinned, false));
    files.extend(life("per-sender", 2, &per_sender, false));
    files.extend(life("advisory", 3, &advisory, false));
    files.extend(life("faults", 4, &pinned, true));
    files.extend(life("fenced", 5, &fenced, false));
    files.extend(life("fenced-faults", 6, &fenced, true));
    files
}

fn engine(who: usize, seed: u64) -> SeededEngine {
    seeded_engine(&format!("u{who}"), seed)
}

fn settle(net: &mut Net, members: &[usize]) {
    let agreed = net.run_until(Duration::from_secs(300), |net| net.agreement(members).is_ok());
    assert!(agreed, "{:?}\n{}", net.agreement(members), net.log().to_text());
}

/// One creates, two join at once, one re-keys, one is killed and comes back, one is removed, one leaves.
fn life(name: &str, seed: u64, config: &Config, faults: bool) -> Vec<(String, String)> {
    let mut net = Network::new(NetworkConfig::new(seed));
    if faults {
        let f = net.faults_mut();
        f.lost_objects = 150;
        f.repeated_objects = 150;
        f.late_objects = 200;
        f.lost_requests = 100;
        f.lost_replies = 150;
    }
    for who in 0..4 {
        net.add(engine(who, seed), config.clone()).expect("an engine");
        net.record(who, &format!("seeded u{who} {seed}"), Secrets::Withheld);
    }
    let mut logs = vec![String::new(); 4];
    let command = |net: &mut Net, who, command| net.command(who, command).expect("a command");
    command(&mut net, 0, Command::Join);
    settle(&mut net, &[0]);
    for who in 1..4 {
        command(&mut net, who, Command::Join);
    }
    settle(&mut net, &[0, 1, 2, 3]);
    command(&mut net, 1, Command::Update);
    net.run_for(Duration::from_secs(2));
    settle(&mut net, &[0, 1, 2, 3]);
    net.crash(1);
    command(&mut net, 0, Command::Update);
    net.run_for(Duration::from_secs(2));
    net.restart(1, engine(1, seed)).expect("a restart");
    settle(&mut net, &[0, 1, 2, 3]);
    let gone = net.peer(3).expect("it is up").sender_id().clone();
    command(&mut net, 0, Command::Remove(gone));
    settle(&mut net, &[0, 1, 2]);
    command(&mut net, 2, Command::Leave);
    settle(&mut net, &[0, 1]);
    assert!(net.failures().is_empty(), "{:?}", net.failures());
    logs.iter_mut().enumerate().for_each(|(who, log)| log.push_str(&net.take_recording(who)));
    logs.into_iter().enumerate().map(|(who, log)| (format!("replay/{name}-p{who}.jsonl"), log)).collect()
}
