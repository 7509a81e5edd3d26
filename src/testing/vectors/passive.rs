//! A passive client with its private keys: a Welcome, then commits, in the JSON format of the MLS working
//! group's passive-client vectors, with what the draft adds: pins and track keys (draft section 8).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::counter::{Pin, SLOT_KEY_LEN, slot_lock_message};
use crate::engine::{Attached, ContextParams, Engine, Next, TreePlace};
use crate::keys::EXPORTER_LABEL;
use crate::mls::private_keys::PrivateKeys;
use crate::secret::Secret;
use crate::testing::seeded_crypto::{seeded_engine, seeded_signature_key, sha256};
use crate::testing::vectors::values::{VERSION, hex, int};
use crate::time::Timestamp;
use crate::tracks::GroupName;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SEED: u64 = 77;

pub(super) fn file() -> (String, Value) {
    let apart = ContextParams { tree_objects: true, ..ContextParams::default() };
    let scenarios = [ContextParams::default(), ContextParams::draft(), apart].map(|params| scenario(&params));
    let value = json!({
        "format": "passive", "version": VERSION, "source": "RFC 9420; draft section 6.3",
        "scenarios": scenarios,
    });
    ("passive/passive.json".to_owned(), value)
}

fn scenario(params: &ContextParams) -> Value {
    let group = GroupName::try_from("room-1").expect("a name");
    let (mut alice, mut bob, mut carol) =
        (seeded_engine("alice", SEED), seeded_engine("bob", SEED), seeded_engine("carol", SEED));
    let created = alice.create(NOW, &group, params, 0).expect("a group");
    let key = bob.generate_key_package(NOW, &group, 0).expect("a KeyPackage");
    let keys = PrivateKeys::of(&key).expect("of this engine");
    let place = params.tree_objects.then_some(TreePlace { publisher: None, object_id: 1 << 61 });
    let attached = Attached { tree: place, spent: None };
    let built = alice
        .create_commit_with(&created, NOW, std::slice::from_ref(&key.message), &[], &attached)
        .expect("a commit")
        .expect("a commit");
    let welcome = built.welcomes[0].1.clone();
    let info = bob.examine_welcome(&welcome, std::slice::from_ref(&key)).expect("to bob").expect("to bob");
    let tree = built.tree.as_ref().zip(info.tree.as_ref()).map(|(sealed, place)| {
        let opened = bob.open_tree(place, sealed).expect("a tree").expect("a tree");
        let reference = json!({ "object": int(place.place.object_id), "key": hex(place.key.as_bytes()) });
        (opened, json!({ "reference": reference, "payload": hex(sealed) }))
    });
    let (ratchet_tree, tree_object) =
        tree.map_or((Value::Null, Value::Null), |(opened, object)| (hex(&opened), object));
    let mut state = built.next.group.clone();
    let mut roster_len = alice.roster(&state).expect("a roster").len();
    let initial = alice.epoch_authenticator(&state).expect("a member");
    let initial_pin = pin(&alice, &group, &built.commit, &built.next);
    let [initial_slot_key, initial_master] = exports(&alice, &group, &state);
    let mut epochs: Vec<Value> = Vec::new();
    let carols = carol.generate_key_package(NOW, &group, 0).expect("a KeyPackage").message;
    let steps: [(&str, Vec<Bytes>, Vec<u32>); 4] = [
        ("alice re-keys", Vec::new(), Vec::new()),
        ("alice adds carol", vec![carols], Vec::new()),
        ("alice removes carol", Vec::new(), vec![2]),
        ("alice re-keys again", Vec::new(), Vec::new()),
    ];
    for (what, adds, removes) in steps {
        let built = alice.create_commit(&state, NOW, &adds, &removes).expect("a commit").expect("a commit");
        state = built.next.group.clone();
        roster_len = roster_len + adds.len() - removes.len();
        assert_eq!(alice.roster(&state).expect("a roster").len(), roster_len);
        let [slot_key, master] = exports(&alice, &group, &state);
        epochs.push(json!({
            "what": what,
            "proposals": [],
            "commit": hex(&built.commit),
            "epoch_authenticator": hex(&alice.epoch_authenticator(&state).expect("a member")),
            "members": roster_len,
            "context_hash": hex(&built.next.context_hash),
            "pin": hex(pin(&alice, &group, &built.commit, &built.next).as_bytes()),
            "slot_key": slot_key,
            "master": master,
            "exporter_secret": hex(alice.export_secret(&state, b"moq-mls vector", b"context", 32).expect("a member").as_bytes()),
        }));
    }
    json!({
        "cipher_suite": 1,
        "external_psks": [],
        "key_package": hex(&key.message),
        "signature_priv": hex(&seeded_signature_key("bob", SEED)),
        "encryption_priv": hex(keys.encryption.as_bytes()),
        "init_priv": hex(keys.init.as_bytes()),
        "welcome": hex(&welcome),
        "ratchet_tree": ratchet_tree,
        "tree_object": tree_object,
        "initial_epoch_authenticator": hex(&initial),
        "initial_pin": hex(initial_pin.as_bytes()),
        "initial_slot_key": initial_slot_key,
        "initial_master": initial_master,
        "group": hex(group.as_bytes()),
        "at": int(NOW.as_secs()),
        "epochs": epochs,
    })
}

/// The pin of a commit, as a client that has the keys of its epoch works it out.
fn pin<E: Engine>(engine: &E, group: &GroupName, commit: &Bytes, next: &Next<E::Group>) -> Pin {
    let epoch = engine.view(&next.group).expect("a member").epoch;
    let key = slot_key(engine, &next.group);
    let lock = sha256(&slot_lock_message(group, epoch, key.as_bytes()));
    Pin::new(sha256(commit), next.context_hash, lock)
}

/// The slot key of an epoch, and the master key of its track keys.
fn exports<E: Engine>(engine: &E, group: &GroupName, state: &E::Group) -> [Value; 2] {
    let master = engine.export_secret(state, EXPORTER_LABEL, group.as_bytes(), engine.kdf().hash_len());
    [slot_key(engine, state), master.expect("a member")].map(|secret| hex(secret.as_bytes()))
}

fn slot_key<E: Engine>(engine: &E, state: &E::Group) -> Secret {
    engine.export_secret(state, b"moq-mls slot key", b"", SLOT_KEY_LEN).expect("a member")
}
