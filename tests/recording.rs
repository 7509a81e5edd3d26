//! Runs recorded with the engine's answers, and replayed without its keys or its randomness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::engines::{basic_client, engine_of};
use crate::support::failing::{Failing, Plan};
use crate::support::{Steps, World};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::{Engine, EngineError};
use moq_mls::recording::{AnswerLog, RecordedEngine, Recorder, Secrets};
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::replay::{Replayed, replay};
use moq_mls::testing::seeded_crypto::seeded_engine;
use moq_mls::tracks::{CommitTrackPolicy, GroupName, SenderId};
use moq_mls::{Command, Committers, Config, Notice, SafetyMode};
use serde_json::Value;

fn config() -> Config {
    Config::new(GroupName::try_from("room-1").unwrap())
}

/// Four participants, with faults, a crash, a removal and a leave; the log of each.
fn life<E: Engine>(config: &Config, secrets: Secrets, engine: impl Fn(usize) -> E) -> Vec<String> {
    let mut net = Network::new(NetworkConfig::new(11));
    net.faults_mut().lost_objects = 50;
    net.faults_mut().lost_replies = 100;
    let logs: Vec<AnswerLog> = (0..4).map(|_| AnswerLog::new(secrets)).collect();
    for (who, answers) in logs.iter().enumerate() {
        net.add(RecordedEngine::new(engine(who), answers), config.clone()).unwrap();
        let recorder = Recorder::with_answers("of a test", config, net.peer(who).unwrap().engine());
        net.record_by(who, recorder);
    }
    let settle = |net: &mut Network<_>, who: &[usize]| {
        let ok = net.run_until(Duration::from_secs(300), |net| net.agreement(who).is_ok());
        assert!(ok, "{:?} {:?}\n{}", config.params.mode, net.agreement(who), net.log().to_text());
    };
    net.command(0, Command::Join).unwrap();
    settle(&mut net, &[0]);
    for who in 1..4 {
        net.command(who, Command::Join).unwrap();
    }
    settle(&mut net, &[0, 1, 2, 3]);
    // What an embedder asks or tries in between is no part of the run.
    let peer = net.peer(1).unwrap();
    peer.export_secret(b"label", b"", 32).unwrap();
    peer.epoch_authenticator().unwrap();
    net.command(1, Command::Update).unwrap();
    net.run_for(Duration::from_secs(2));
    settle(&mut net, &[0, 1, 2, 3]);
    net.crash(1);
    net.command(0, Command::Update).unwrap();
    net.run_for(Duration::from_secs(2));
    net.restart(1, RecordedEngine::new(engine(1), &logs[1])).unwrap();
    settle(&mut net, &[0, 1, 2, 3]);
    let gone = net.peer(3).unwrap().sender_id().clone();
    net.command(0, Command::Remove(gone)).unwrap();
    settle(&mut net, &[0, 1, 2]);
    // A leave request that is lost is not repeated: its sender gives up.
    net.faults_mut().lost_objects = 0;
    net.command(2, Command::Leave).unwrap();
    settle(&mut net, &[0, 1]);
    (0..4).map(|who| net.take_recording(who)).collect()
}

fn seeded_life(config: &Config, secrets: Secrets) -> Vec<String> {
    life(config, secrets, |who| seeded_engine(&format!("u{who}"), 3))
}

fn the_same(log: &str) -> u64 {
    let Replayed { steps, difference, cut } = replay(log, |_, _| {}).unwrap();
    assert_eq!(difference, None);
    assert!(!cut);
    steps
}

#[test]
fn runs_with_real_randomness_are_replayed() {
    let crypto = RustCryptoProvider::default();
    let clients: Vec<_> = (0..4).map(|who| basic_client(&format!("member-{who}"), crypto.clone())).collect();
    for secrets in [Secrets::Withheld, Secrets::Included] {
        for mode in [SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory] {
            let mut config = config();
            config.params.mode = mode;
            config.params.commit_tracks = CommitTrackPolicy::PerSender;
            config.params.tree_objects = mode != SafetyMode::Fenced;
            config.tree_threshold = 3;
            config.timers.batch = Duration::from_millis(40);
            config.timers.backoff.1 = Duration::from_secs(5);
            config.limits.candidates = 7;
            let logs = life(&config, secrets, |who| engine_of(&clients[who]));
            for log in logs {
                assert!(the_same(&log) > 10, "{mode:?} {secrets:?}");
            }
        }
    }
}

/// Where it was not in the log, who follows a commit against its policy tells of it once only.
#[test]
fn a_policy_is_part_of_a_recorded_run() {
    let mut config = config();
    config.policy.most_adds = 0;
    config.policy.most_bytes = 1 << 20;
    config.policy.removes = Committers::Only([SenderId::new("nobody").unwrap()].into());
    config.successor = false;
    config.follow_offers = true;
    let logs = seeded_life(&config, Secrets::Withheld);
    assert!(logs.iter().any(|log| log.contains("\"AgainstPolicy\"")), "{}", logs[1]);
    for log in logs {
        the_same(&log);
    }
}

/// Some failures have the name of a rejection, which would be a peer's fault.
#[test]
fn a_failure_is_replayed_as_one() {
    let errors: [fn() -> EngineError; 3] = [
        || EngineError::State,
        || EngineError::Unsupported("something"),
        || EngineError::Provider("down".into()),
    ];
    for (error, method) in errors.into_iter().flat_map(|e| ["stage_commit", "save"].map(|method| (e, method)))
    {
        let (plan, answers) = (Plan::default(), AnswerLog::new(Secrets::Withheld));
        let mut world = World::new();
        for (name, plan) in [("a", Plan::default()), ("b", plan.clone())] {
            let inner = seeded_engine(name, 3);
            let answers = if name == "b" { answers.clone() } else { AnswerLog::new(Secrets::Withheld) };
            world.enter(RecordedEngine::new(Failing { inner, plan }, &answers), config());
        }
        world.record_by(1, Recorder::with_answers("of a test", &config(), world.machine(1).engine()));
        world.tell(0, Command::Join);
        world.tell(1, Command::Join);
        world.run(5000);
        world.agree(&[0, 1]);
        plan.fail_with(method, 0, error());
        world.command(0, Command::Update).unwrap();
        world.run_for(Duration::from_secs(5));
        let log = world.take_recording(1);
        let line = format!("{{\"error\":\"{}\"}}", error());
        assert!(log.lines().any(|l| l == line), "no {line} in\n{log}");
        the_same(&log);
    }
}

/// Every string in `value` whose name is one of those that hold secrets.
fn secrets_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if ["secret", "state", "snapshot", "key", "lock_id"].contains(&&name[..]) => {
                        found.push(text.to_owned());
                    }
                    _ => secrets_in(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets_in(item, found)),
        _ => {}
    }
}

#[test]
fn a_log_that_withholds_secrets_holds_none() {
    let mut config = config();
    config.params.mode = SafetyMode::Fenced;
    config.tree_threshold = 3;
    // The seeded crypto draws the same secrets in both runs.
    let open = seeded_life(&config, Secrets::Included);
    let withheld = seeded_life(&config, Secrets::Withheld).concat();
    let mut secrets = Vec::new();
    for line in open.iter().flat_map(|log| log.lines()) {
        secrets_in(&serde_json::from_str(line).unwrap(), &mut secrets);
    }
    // The names in a state line are no secrets.
    secrets.retain(|s| s.len() >= 32 && s.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(secrets.len() > 50, "{}", secrets.len());
    for secret in &secrets {
        assert!(!withheld.contains(&secret[..]), "{secret}");
        // Nor a piece of one: a snapshot or a group's state may share public bytes with messages.
        if secret.len() <= 128 {
            for piece in secret.as_bytes().chunks_exact(32) {
                assert!(!withheld.contains(std::str::from_utf8(piece).unwrap()), "{secret}");
            }
        }
    }
    assert!(withheld.starts_with("{\"log\":\"moq-mls participant\",\"version\":3,\"secrets\":false,"));
    assert!(open[0].starts_with("{\"log\":\"moq-mls participant\",\"version\":3,\"secrets\":true,"));
}

#[test]
fn a_changed_log_is_found_at_its_line() {
    let log = seeded_life(&config(), Secrets::Withheld).remove(0);
    the_same(&log);
    let lines: Vec<&str> = log.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let at = |what: &str| lines.iter().position(|l| l.starts_with(what)).unwrap_or_else(|| panic!("{what}"));
    // Something else was asked than the log says; what it answered is another matter and is taken.
    let staged = at("{\"answer\":\"stage_commit\"");
    let asked = lines[staged].find("\"asked\":\"").unwrap() + 9;
    let mut changed = lines[staged].to_owned();
    changed.replace_range(asked..asked + 2, if changed[asked..].starts_with("00") { "01" } else { "00" });
    let found = replay(&with(staged, &changed), |_, _| {}).unwrap().difference.unwrap();
    assert_eq!(found.line, staged + 1);
    assert_eq!(found.found.as_deref(), Some(lines[staged]));
    // An answer to another question.
    let view = at("{\"answer\":\"view\"");
    let found =
        replay(&with(view, "{\"answer\":\"kdf\",\"bytes\":32}"), |_, _| {}).unwrap().difference.unwrap();
    assert_eq!(found.line, view + 1);
    assert!(found.found.unwrap().contains("\"failed\":\"provider\""));
    // Another commit than the log has published.
    let built = at("{\"answer\":\"create_commit\"");
    let changed = lines[built].replacen("\"commit\":\"", "\"commit\":\"00", 1);
    let found = replay(&with(built, &changed), |_, _| {}).unwrap().difference.unwrap();
    assert!(found.line > built + 1);
    assert!(found.logged.contains("\"action\":"), "{}", found.logged);
    // No log, and no end to what it wants.
    assert!(replay("", |_, _| {}).is_err());
    assert!(replay("{}\n", |_, _| {}).is_err());
    let key = at("{\"answer\":\"generate_key_package\"");
    let changed = lines[key].replacen("\"secret\":", "\"secret\":9999999999", 1);
    assert!(replay(&with(key, &changed), |_, _| {}).unwrap().difference.is_some());
}

#[test]
fn a_log_may_end_anywhere() {
    let log = seeded_life(&config(), Secrets::Withheld).remove(1);
    let ends: Vec<usize> = log.match_indices('\n').map(|(at, _)| at + 1).collect();
    for end in ends.into_iter().step_by(7).chain([log.len() - 1, log.len() - 20]) {
        let done = replay(&log[..end], |_, _| {}).unwrap();
        // Where only answers are missing, the step that wanted them comes out otherwise only behind the end.
        assert!(done.difference.is_none(), "{end}: {:?}", done.difference);
        assert!(done.cut || log[..end].ends_with('\n'), "{end}");
    }
}

#[test]
fn a_restarted_process_goes_on_in_the_same_file() {
    let crypto = RustCryptoProvider::default();
    let client = basic_client("alice", crypto.clone());
    let engine = || RecordedEngine::new(engine_of(&client), &AnswerLog::new(Secrets::Withheld));
    let mut world = World::new();
    let first = engine();
    let recorder = Recorder::with_answers("RustCrypto", &config(), &first);
    let alice = world.enter(first, config());
    world.record_by(alice, recorder);
    world.tell(alice, Command::Join);
    let mut file = String::new();
    // The recorded participant is asked for its secrets as by an embedder.
    let finish = |world: &mut World<_>, file: &mut String| {
        for (_, notice) in world.take_notices(alice) {
            if let Notice::Epoch { epoch, .. } = notice {
                world.machine(alice).epoch_secret(epoch).unwrap();
            }
        }
        file.push_str(&world.take_recording(alice));
    };
    finish(&mut world, &mut file);
    for life in 1..4 {
        world.crash(alice);
        world.run(60_000);
        let next = engine();
        world.record_by(alice, Recorder::appending(&next));
        world.again(alice, next);
        world.tell(alice, Command::Update);
        assert!(world.run_until(Duration::from_secs(60), |w| w.machine(alice).epoch() == Some(life)));
        world.settle();
        finish(&mut world, &mut file);
    }
    assert_eq!(file.matches("\"start\":\"restore\"").count(), 3);
    assert!(the_same(&file) > 20);
}

#[test]
fn every_setting_is_in_the_first_line() {
    let mut config = config();
    let l = &mut config.limits;
    for n in [
        &mut l.key_package_bytes,
        &mut l.handshake_bytes,
        &mut l.service_commit_bytes,
        &mut l.outbox_bytes,
        &mut l.tree_bytes,
        &mut l.roster,
        &mut l.adds_per_commit,
        &mut l.adds_per_commit_apart,
        &mut l.pending_joiners,
        &mut l.pending_joiner_bytes,
        &mut l.remembered_senders,
        &mut l.candidates,
        &mut l.commits_per_epoch,
        &mut l.future_bytes,
        &mut l.own_key_packages,
        &mut l.welcomes,
        &mut l.actions,
    ] {
        *n += 1;
    }
    l.future_epochs = u64::MAX;
    l.counter_lead += 1;
    l.publish_tries += 1;
    let t = &mut config.timers;
    for d in [
        &mut t.batch,
        &mut t.crowd,
        &mut t.turn,
        &mut t.confirm,
        &mut t.fetch,
        &mut t.read_back,
        &mut t.join_retry,
        &mut t.join_deadline,
        &mut t.rejoin,
        &mut t.leave,
        &mut t.audit,
        &mut t.credential_check,
        &mut t.backoff.0,
        &mut t.backoff.1,
        &mut t.retry_later.0,
        &mut t.retry_later.1,
    ] {
        *d += Duration::from_millis(1);
    }
    let engine = RecordedEngine::new(seeded_engine("u", 1), &AnswerLog::new(Secrets::Withheld));
    let header = Recorder::with_answers("of a test", &config, &engine).take();
    // The replay writes the line again from what it read.
    assert_eq!(the_same(&header), 0);
    let line: Value = serde_json::from_str(&header).unwrap();
    assert_eq!(line["limits"].as_object().unwrap().len(), 20);
    assert_eq!(line["limits"]["future_epochs"], "18446744073709551615");
    assert_eq!(line["timers"].as_object().unwrap().len(), 16);
    for wrong in ["\"batch\":-1", "\"patch\":51"] {
        let header = header.replacen("\"batch\":51", wrong, 1);
        assert!(replay(&header, |_, _| {}).is_err(), "{wrong}");
    }
}
