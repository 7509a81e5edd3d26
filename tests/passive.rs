//! Passive clients: a KeyPackage with its private keys, a Welcome, then commits, through the adapter's own
//! path. The files have the MLS working group's JSON format; `MLS_PASSIVE_VECTORS` may name more of them,
//! separated by colons.
//!
//! What the adapter does not take by design is counted, not failed: another cipher suite, external PSKs,
//! a commit that the strict rules refuse (proposals by reference, no path).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::engines::engine;
use crate::support::pin_of;
use bytes::Bytes;
use moq_mls::Secret;
use moq_mls::Timestamp;
use moq_mls::counter::{Pin, slot_lock_message};
use moq_mls::engine::{Engine, MessageKind, Rejection};
use moq_mls::keys::EXPORTER_LABEL;
use moq_mls::mls::private_keys::PrivateKeys;
use moq_mls::testing::sha256;
use moq_mls::tracks::GroupName;
use serde_json::Value;

#[derive(Debug, Default)]
struct Counted {
    scenarios: u64,
    commits: u64,
    /// Scenarios left at the start or on the way, and why.
    skipped: Vec<String>,
}

fn hex(value: &Value) -> Bytes {
    hex::decode(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap().into()
}

/// The secrets that an epoch exports: the slot key, whose hash its pin has, and the master key of its track keys.
fn exports<E: Engine>(engine: &E, group: &E::Group, case: &Value, prefix: &str) {
    let view = engine.view(group).unwrap();
    let name = GroupName::new(view.group_id).unwrap();
    let said = |what: &str| hex(&case[format!("{prefix}{what}")]);
    let lock = sha256(&slot_lock_message(&name, view.epoch, &said("slot_key")));
    assert_eq!(Pin::from_slice(&said("pin")).unwrap().slot_lock(), lock);
    let master = engine.export_secret(group, EXPORTER_LABEL, name.as_bytes(), engine.kdf().hash_len());
    assert_eq!(said("master"), master.unwrap().as_bytes());
}

fn run(case: &Value, counted: &mut Counted) {
    if case["cipher_suite"] != 1 {
        return counted.skipped.push(format!("cipher suite {}", case["cipher_suite"]));
    }
    if case["external_psks"].as_array().is_some_and(|psks| !psks.is_empty()) {
        return counted.skipped.push("external PSKs".to_owned());
    }
    let secret = |name: &str| Secret::new(hex(&case[name]).to_vec());
    let keys = PrivateKeys { init: secret("init_priv"), encryption: secret("encryption_priv") };
    // Whose signature key it is does not matter to one who only follows.
    let mut engine = engine("passive");
    let now = Timestamp::from_secs(case["at"].as_u64().unwrap_or(1_700_000_000));
    let key = engine.adopt_key_package(hex(&case["key_package"]), &keys).unwrap();
    let welcome = hex(&case["welcome"]);
    assert_eq!(engine.classify(&welcome).unwrap().unwrap(), MessageKind::Welcome);
    let tree = case["ratchet_tree"].as_str().map(|_| hex(&case["ratchet_tree"]));
    let info = engine.examine_welcome(&welcome, std::slice::from_ref(&key)).unwrap().unwrap();
    assert_eq!(info.has_tree, tree.is_none());
    if case["tree_object"].is_object() {
        // What the working group's files do not have.
        let place = info.tree.as_ref().unwrap();
        assert_eq!(case["tree_object"]["reference"]["object"], place.place.object_id.to_string());
        let opened = engine.open_tree(place, &hex(&case["tree_object"]["payload"])).unwrap().unwrap();
        assert_eq!(Some(opened), tree);
    }
    let mut group = engine.join(now, &welcome, &key, tree.as_ref()).unwrap().unwrap();
    assert_eq!(engine.epoch_authenticator(&group).unwrap(), hex(&case["initial_epoch_authenticator"]));
    assert_eq!(engine.view(&group).unwrap().context_hash, info.context_hash);
    if case["group"].is_string() {
        exports(&engine, &group, case, "initial_");
    }
    counted.scenarios += 1;
    for epoch in case["epochs"].as_array().unwrap() {
        if epoch["proposals"].as_array().is_some_and(|p| !p.is_empty()) {
            return counted.skipped.push("proposals by reference".to_owned());
        }
        let commit = hex(&epoch["commit"]);
        let staged = match engine.stage_commit(&group, now, &commit).unwrap() {
            Ok(staged) => staged,
            Err(Rejection::Forbidden(why)) => return counted.skipped.push(why.to_owned()),
            Err(error) => panic!("{error}"),
        };
        let next = staged.next.unwrap();
        group = next.group.clone();
        assert_eq!(engine.epoch_authenticator(&group).unwrap(), hex(&epoch["epoch_authenticator"]));
        // What the working group's files do not have.
        if epoch["pin"].is_string() {
            let view = engine.view(&group).unwrap();
            let name = GroupName::new(view.group_id).unwrap();
            let pin = pin_of(&engine, &name, &commit, &next, view.epoch);
            assert_eq!(hex(&epoch["pin"]), pin.as_bytes()[..]);
            assert_eq!(hex(&epoch["context_hash"]), next.context_hash[..]);
            let exported = engine.export_secret(&group, b"moq-mls vector", b"context", 32).unwrap();
            exports(&engine, &group, epoch, "");
            assert_eq!(hex(&epoch["exporter_secret"]), exported.as_bytes());
            assert_eq!(epoch["members"], engine.roster(&group).unwrap().len());
        }
        counted.commits += 1;
    }
}

fn run_file(path: &str) -> Counted {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let file: Value = serde_json::from_str(&text).unwrap();
    // The working group's files are bare arrays.
    let cases = file.as_array().or_else(|| file["scenarios"].as_array()).unwrap();
    let mut counted = Counted::default();
    cases.iter().for_each(|case| run(case, &mut counted));
    println!("{path}: {} scenarios, {} commits", counted.scenarios, counted.commits);
    counted.skipped.iter().for_each(|why| println!("  skipped: {why}"));
    counted
}

#[test]
fn ours() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/passive/passive.json");
    let counted = run_file(path);
    assert!(counted.skipped.is_empty(), "{counted:?}");
    assert!(counted.scenarios >= 3 && counted.commits >= 12, "{counted:?}");
}

#[test]
fn a_wrong_authenticator_or_key_does_not_pass() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/passive/passive.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for name in ["init_priv", "encryption_priv", "initial_epoch_authenticator"] {
        let mut case = file["scenarios"][0].clone();
        case[name] = Value::String("11".repeat(32));
        assert!(std::panic::catch_unwind(|| run(&case, &mut Counted::default())).is_err(), "{name}");
    }
}

#[test]
fn others() {
    for path in std::env::var("MLS_PASSIVE_VECTORS").unwrap_or_default().split(':').filter(|p| !p.is_empty())
    {
        run_file(path);
    }
}
