//! Failures that were found once, step by step from `vectors/regressions`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use crate::support::engines::{TestEngine, basic_client, engine_of};
use crate::support::{Steps, World, config};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::{Command, Event, Object, Phase};
use serde_json::Value;

fn run(name: &str, vector: &Value) {
    let mut world: World<TestEngine> = World::new();
    let mut clients = Vec::new();
    for i in 0..vector["participants"].as_u64().unwrap() as usize {
        let identity = vector["names"][i].as_str().map_or_else(|| format!("p{i}"), str::to_owned);
        let client = basic_client(&identity, RustCryptoProvider::default());
        world.enter(engine_of(&client), config());
        clients.push(client);
    }
    for step in vector["steps"].as_array().unwrap() {
        let number = |i: usize| step[i].as_u64().unwrap_or_else(|| panic!("{name}: {step}"));
        let peer = |i: usize| number(i) as usize;
        match step[0].as_str().unwrap() {
            "join" => world.tell(peer(1), Command::Join),
            "update" => world.tell(peer(1), Command::Update),
            "leave" => world.tell(peer(1), Command::Leave),
            "remove" => {
                let gone = world.id(peer(2));
                world.tell(peer(1), Command::Remove(gone));
            }
            "run" => world.run(number(1)),
            "deaf" => world.carriage_mut().set_deaf(peer(1), true),
            "hear" => world.carriage_mut().set_deaf(peer(1), false),
            "give" => {
                let tracks = world.machine(0).tracks().clone();
                let of = world.id(peer(3));
                let track = match step[2].as_str().unwrap() {
                    "welcome" => tracks.welcome(&of),
                    "key packages" => tracks.key_package(&of),
                    other => panic!("{name}: no track {other}"),
                };
                for (location, payload) in world.lying(&track).clone() {
                    let object = Object { track: track.clone(), location, payload };
                    world.give(peer(1), Event::Object(object));
                }
            }
            "stop" => world.crash_after(peer(1), number(2)),
            "restart" => {
                world.again(peer(1), engine_of(&clients[peer(1)]));
                world.settle();
            }
            "out" => assert_ne!(world.machine(peer(1)).phase(), Phase::Member, "{name}"),
            "member" => assert_eq!(world.machine(peer(1)).phase(), Phase::Member, "{name}"),
            "epoch" => assert_eq!(world.machine(peer(1)).epoch(), Some(number(2)), "{name}"),
            "holds" => {
                assert_eq!(world.machine(peer(1)).inside().candidates, number(2) as usize, "{name}");
            }
            "agree" => {
                let members: Vec<usize> = (1..step.as_array().unwrap().len()).map(peer).collect();
                world.agree(&members);
            }
            other => panic!("{name}: no step {other}"),
        }
    }
}

#[test]
fn every_failure_that_was_found_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/regressions");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.ends_with(".json"), "{name} is run by nobody");
        let vector: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if vector["world"] == "exhaustive" {
            // Those are played in their own world, by `tests/exhaustive`.
        } else if vector["world"] == "network" {
            let outcome = networks::replay(&name, &vector);
            assert!(outcome.failure.is_none(), "{name}: {:?}\n{}", outcome.failure, outcome.tail);
        } else {
            run(&name, &vector);
        }
        files += 1;
    }
    assert!(files >= 4);
    println!("figure regression_files {files} files");
}

/// Failures of whole networks: `cargo run --release --example simulate` writes them.
mod networks {
    use std::time::Duration;

    use moq_mls::SafetyMode;
    use moq_mls::testing::simulation::{Attacks, Habits, Kit, Op, Outcome, Profile, Scenario, run};
    use moq_mls::tracks::CommitTrackPolicy;
    use serde_json::Value;

    fn numbers<T: TryFrom<i64>>(list: &Value) -> Vec<T>
    where
        T::Error: std::fmt::Debug,
    {
        let list = list.as_array().unwrap();
        list.iter().map(|n| T::try_from(n.as_i64().unwrap()).unwrap()).collect()
    }

    pub(super) fn replay(name: &str, vector: &Value) -> Outcome {
        let profile: Profile = vector["profile"].as_str().unwrap().parse().unwrap();
        let seed = vector["seed"].as_str().unwrap().parse().unwrap();
        let mut scenario = Scenario::generate(profile, seed, 6);
        scenario.participants = numbers::<usize>(&Value::Array(vec![vector["participants"].clone()]))[0];
        scenario.mode = SafetyMode::from_name(vector["mode"].as_str().unwrap()).expect(name);
        let tracks = vector["tracks"].as_str().unwrap().replace(' ', "_");
        scenario.commit_tracks = CommitTrackPolicy::from_name(&tracks).expect(name);
        scenario.receipts = vector["receipts"].as_bool().unwrap();
        scenario.trees = vector["trees"].as_bool().unwrap_or(false);
        scenario.tokens = vector["tokens"].as_bool().unwrap_or(false);
        scenario.lease = Duration::from_millis(vector["lease_ms"].as_u64().unwrap());
        let latency: Vec<u64> = numbers(&vector["latency_ms"]);
        let f = &mut scenario.faults;
        f.latency = (Duration::from_millis(latency[0]), Duration::from_millis(latency[1]));
        // What a capsule does not name did not exist when it was written.
        f.forged_answers = 0;
        let permille: Vec<u16> = numbers(&vector["faults_permille"]);
        let fields = [
            &mut f.lost_objects,
            &mut f.repeated_objects,
            &mut f.late_objects,
            &mut f.refused_requests,
            &mut f.lost_requests,
            &mut f.lost_replies,
            &mut f.last_words,
            &mut f.forged_answers,
        ];
        for (field, value) in fields.into_iter().zip(permille) {
            *field = value;
        }
        f.http_timeout = Duration::from_millis(vector["http_timeout_ms"].as_u64().unwrap());
        scenario.attacks = Attacks::NONE;
        if let Some([outsider, reachable, every_ms]) = vector["attacks"].as_array().map(Vec::as_slice) {
            scenario.attacks.outsider = outsider.as_bool().unwrap();
            scenario.attacks.reachable = reachable.as_bool().unwrap();
            scenario.attacks.every_ms = every_ms.as_u64().unwrap();
            scenario.attacks.insider = Habits::from_bits(vector["insider"].as_u64().unwrap_or(0));
        }
        scenario.choices = vector.get("choices").map(numbers);
        let op = |step: &Value| {
            let parts = step.as_array().unwrap();
            let rest: Vec<i64> = parts[1..].iter().map(|n| n.as_i64().unwrap()).collect();
            Op::from_parts(parts[0].as_str().unwrap(), &rest).unwrap_or_else(|| panic!("{name}: {step}"))
        };
        scenario.steps = vector["steps"].as_array().unwrap().iter().map(op).collect();
        match vector["engine"].as_str().unwrap() {
            "symbolic" => run(&scenario, &Kit::symbolic()),
            "mls" => run(&scenario, &Kit::mls(seed)),
            other => panic!("{name}: no engine {other}"),
        }
    }
}
