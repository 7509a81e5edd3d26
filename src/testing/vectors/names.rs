//! Names and places (draft section 6).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::participant::places::{of_commit, of_receipt, of_state, of_welcome};
use crate::participant::recovery::founding::epoch_base;
use crate::testing::seeded_crypto::{seeded_engine, sha256};
use crate::testing::vectors::values::{VERSION, hex, int};
use crate::time::Timestamp;
use crate::tracks::{
    CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, NameError, SenderId, TrackNamespace,
};

pub(super) fn files() -> Vec<(String, Value)> {
    vec![names(), places()]
}

fn names() -> (String, Value) {
    let long = |n| vec![b'g'; n];
    let groups: Vec<Vec<u8>> = vec![
        b"room-1".to_vec(),
        vec![0, 255, b'/', b' ', b'%'],
        long(255),
        Vec::new(),
        long(256),
        b".".to_vec(),
        b"..".to_vec(),
        b"...".to_vec(),
        b"Gkeypackages".to_vec(),
        b"welcome".to_vec(),
        b"our commits".to_vec(),
        b"trees".to_vec(),
        b"keypackages2".to_vec(),
    ];
    let sender = SenderId::from_fingerprint(std::array::from_fn(|i| i as u8));
    let groups: Vec<Value> = groups.iter().map(|name| group(name, &sender)).collect();
    let tracks: Vec<Value> = [
        (vec!["example.com", "meeting"], "video"),
        (vec!["a"], ""),
        (vec!["a", "bc"], "d"),
        (vec!["ab", "c"], "d"),
    ]
    .into_iter()
    .map(|(fields, name)| {
        let fields: Vec<Bytes> = fields.into_iter().map(|f| Bytes::from_static(f.as_bytes())).collect();
        let namespace = TrackNamespace::new(fields).expect("a namespace");
        serialized(FullTrackName { namespace, name: Bytes::from_static(name.as_bytes()) })
    })
    .collect();
    let long = FullTrackName {
        namespace: TrackNamespace::new(vec![Bytes::from(vec![b'n'; 64])]).expect("a namespace"),
        name: Bytes::from(vec![b't'; 16_384 / 8]),
    };
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let fingerprint = sha256(&key);
    let value = json!({
        "format": "names", "version": VERSION, "source": "draft section 6",
        "sender": { "signature_key": hex(&key), "sender_id": hex(SenderId::from_fingerprint(fingerprint).as_bytes()) },
        "track_sender": hex(sender.as_bytes()),
        "groups": groups,
        "successors": successors(),
        "serialized": tracks.into_iter().chain([serialized(long)]).collect::<Vec<_>>(),
    });
    ("names/names.json".to_owned(), value)
}

fn namespace(namespace: &TrackNamespace) -> Value {
    let fields: Vec<Value> = namespace.fields().iter().map(|f| hex(f)).collect();
    json!({ "fields": fields, "flat": hex(&namespace.to_flat()) })
}

fn serialized(track: FullTrackName) -> Value {
    let fields: Vec<Value> = track.namespace.fields().iter().map(|f| hex(f)).collect();
    json!({ "fields": fields, "name": hex(&track.name), "serialized": hex(&track.to_serialized()) })
}

fn group(name: &[u8], sender: &SenderId) -> Value {
    let group = match GroupName::new(Bytes::copy_from_slice(name)) {
        Ok(group) => group,
        Err(error) => {
            let error = match error {
                NameError::Empty => "empty",
                NameError::TooLong { .. } => "too_long",
                NameError::Collides { .. } => "collides",
                NameError::Dots => "dots",
                NameError::Fields(_) => "fields",
                NameError::Reserved => "reserved",
            };
            return json!({ "name": hex(name), "error": error });
        }
    };
    let of = |policy| GroupTracks::new(group.clone(), policy);
    let (shared, per_sender) = (of(CommitTrackPolicy::Shared), of(CommitTrackPolicy::PerSender));
    let commit = |tracks: &GroupTracks| {
        let track = tracks.commit(sender);
        json!({ "namespace": namespace(&track.namespace), "track": hex(&track.name) })
    };
    json!({
        "name": hex(name),
        "key_packages": namespace(&shared.key_package_namespace()),
        "welcome": namespace(&shared.welcome_namespace()),
        "trees": namespace(&shared.tree_namespace()),
        "key_package_track": hex(&shared.key_package(sender).name),
        "commit_shared": commit(&shared),
        "commit_per_sender": commit(&per_sender),
        "generation_2": group.generation(2).map_or(Value::Null, |g| hex(g.as_bytes())),
    })
}

/// Names of successors, and what is added to their epochs.
fn successors() -> Vec<Value> {
    let cases: [(&[u8], u64, u8); 4] = [
        (b"room-1", 5, 1),
        (b"room-1~2", (1 << 46) | (7 << 24) | 9, 2),
        (b"room-1~s00112233445566778899aabbccddeeff", (3 << 46) - 1, 3),
        (&[b'g'; 240], 5, 4),
    ];
    let case = |(name, key_id, key): (&[u8], u64, u8)| {
        let group = GroupName::new(Bytes::copy_from_slice(name)).expect("a name");
        let key = [key; 32];
        let hash = *sha256(&key).first_chunk::<16>().expect("16 of 32 bytes");
        json!({
            "name": hex(name), "root": hex(&group.root()), "key_id": int(key_id), "founding_key": hex(&key),
            "successor": group.successor(hash).map_or(Value::Null, |name| hex(name.as_bytes())),
            "epoch_base": int(epoch_base(key_id, hash)),
        })
    };
    cases.into_iter().map(case).collect()
}

/// Where objects go.
fn places() -> (String, Value) {
    let engine = seeded_engine("anybody", 1);
    let me = SenderId::from_fingerprint(std::array::from_fn(|i| i as u8));
    let payload = b"a payload";
    let commits: Vec<Value> = (0..6)
        .map(|tries| {
            let place = |drawn| of_commit(&engine, drawn, &sha256(payload), tries).expect("a hash");
            json!({ "tries": tries, "object": int(place(true)), "object_advisory": int(place(false)) })
        })
        .collect();
    let slot_key = [0xc1; 32];
    let receipt = of_receipt(&engine, &slot_key, &me, payload).expect("a hash");
    let states: Vec<Value> = [0, 1, 1_700_000_000_123, 1_700_000_000_124]
        .into_iter()
        .map(|at| {
            let object =
                of_state(&engine, &slot_key, &me, Timestamp::from_millis(at), payload).expect("a hash");
            json!({ "ms": int(at), "object": int(object) })
        })
        .collect();
    let value = json!({
        "format": "places", "version": VERSION, "source": "draft section 6.3; docs/protocol.md, R-15 to R-17",
        "payload": hex(payload), "slot_key": hex(&slot_key), "sender": hex(me.as_bytes()),
        "commits": commits, "receipt": int(receipt), "states": states,
        "welcome": int(of_welcome(&engine, payload).expect("a hash")),
    });
    ("names/places.json".to_owned(), value)
}
