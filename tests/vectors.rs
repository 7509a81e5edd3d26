//! Every file under `vectors/` is run by a test or a person: this test counts them and says so. No harness, so that
//! its figures show in a plain `cargo test`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::codec::{ControlMessage, Decode, DecodeError, Encode, ObjectStream, params, varint};
use moq_mls::counter::Pin;
use moq_mls::counter::http::{Decoded, HttpLimits, HttpRequest, HttpResponse};
use moq_mls::counter::service::{CounterService, ServiceConfig};
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::replay::replay;
use moq_mls::testing::{sha256, vectors};
use moq_mls::tracks::{CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, TrackNamespace};
use serde_json::Value;

/// Who runs which folder: a function here, or a test of its own that reads the whole folder or names the file.
type Runner = fn(&str, &str) -> u64;
const RUNNERS: &[(&str, Result<Runner, &str>)] = &[
    ("codec/objects.json", Ok(generated)),
    ("codec/", Ok(codec)),
    ("names/names.json", Ok(names)),
    ("names/places.json", Ok(places)),
    ("counter/exchanges.json", Ok(exchanges)),
    ("counter/replies.json", Ok(generated)),
    ("counter/receipts.json", Ok(generated)),
    ("replay/", Ok(replayed)),
    ("passive/passive.json", Err("tests/passive.rs")),
    ("regressions/", Err("tests/regressions.rs")),
    ("keys/derivation.json", Err("tests/keys.rs")),
    ("keys/derivation.py", Err("people")),
    ("secure_objects/published.json", Err("tests/secure_objects.rs")),
    ("secure_objects/sealed.json", Err("tests/secure_objects.rs")),
    ("secure_objects/sealed.py", Err("people")),
    ("secure_objects/sframe_aead.json", Err("tests/secure_objects.rs")),
    ("manifest.json", Ok(manifest)),
    ("README.md", Err("people")),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn files(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap()
}

/// A number, or a string of digits.
fn int(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// Compared with what the generator makes; nothing to run one by one.
fn generated(_: &str, _: &str) -> u64 {
    0
}

fn manifest(_: &str, text: &str) -> u64 {
    for file in json(text)["files"].as_array().unwrap() {
        assert!(folder().join(file["path"].as_str().unwrap()).is_file(), "{file}");
    }
    0
}

fn codec(name: &str, text: &str) -> u64 {
    let file = json(text);
    for case in file["cases"].as_array().unwrap() {
        let input = bytes(&case["bytes"]);
        let again: Result<Vec<u8>, DecodeError> = match name {
            "codec/varint.json" => varint::decode(&mut &input[..]).map(|n| {
                assert_eq!(n, int(&case["decoded"]), "{case}");
                let mut out = Vec::new();
                varint::encode(n, "n", &mut out).unwrap();
                out
            }),
            "codec/object-stream.json" => ObjectStream::decode(&mut Bytes::from(input.clone())).map(|s| {
                assert_eq!(bytes(&case["decoded"]["payload"]), s.payload, "{case}");
                s.to_bytes().unwrap().to_vec()
            }),
            "codec/group-parameters.json" => params::decode(&input)
                .map(|p| {
                    assert_eq!(case["decoded"]["tree_objects"], p.tree_objects, "{case}");
                    params::encode(&p)
                })
                .map_err(|_| DecodeError::Malformed { field: "parameters" }),
            _ => ControlMessage::decode(&mut Bytes::from(input.clone()))
                .map(|m| m.to_bytes().unwrap().to_vec()),
        };
        match again {
            Ok(again) => {
                assert!(case["error"].is_null(), "{case}");
                assert_eq!(case["canonical"], again == input, "{case}");
            }
            Err(error) => {
                let kind = match error {
                    DecodeError::Incomplete { .. } => "incomplete",
                    DecodeError::Malformed { .. } => "malformed",
                    DecodeError::UnknownType(_) => "unknown_type",
                    _ => "trailing",
                };
                assert_eq!(case["error"]["kind"], kind, "{case}");
            }
        }
    }
    0
}

fn names(_: &str, text: &str) -> u64 {
    let file = json(text);
    for case in file["groups"].as_array().unwrap() {
        let group = GroupName::new(bytes(&case["name"]));
        let Ok(group) = group else {
            assert!(case["error"].is_string(), "{case}");
            continue;
        };
        assert!(case["error"].is_null(), "{case}");
        let tracks = GroupTracks::new(group, CommitTrackPolicy::PerSender);
        let flat = tracks.key_package_namespace().to_flat();
        assert_eq!(bytes(&case["key_packages"]["flat"]), flat, "{case}");
        let joined: Vec<u8> =
            case["key_packages"]["fields"].as_array().unwrap().iter().flat_map(bytes).collect();
        assert_eq!(joined, flat, "{case}");
    }
    for case in file["successors"].as_array().unwrap() {
        let group = GroupName::new(bytes(&case["name"])).unwrap();
        let hash = *sha256(&bytes(&case["founding_key"])).first_chunk::<16>().unwrap();
        let Ok(successor) = group.successor(hash) else {
            assert!(case["successor"].is_null(), "{case}");
            continue;
        };
        assert_eq!(bytes(&case["successor"]), successor.as_bytes()[..], "{case}");
        assert_eq!(successor.founding_hash(), Some(hash), "{case}");
        assert_eq!(successor.root(), bytes(&case["root"]), "{case}");
        // R-82, as docs/protocol.md has it.
        let x = u64::from(hash[0]) << 16 | u64::from(hash[1]) << 8 | u64::from(hash[2]);
        let base = (((int(&case["key_id"]) >> 46) + 1) << 46) | ((x >> 2) << 24);
        assert_eq!(int(&case["epoch_base"]), base, "{case}");
    }
    for case in file["serialized"].as_array().unwrap() {
        let fields = case["fields"].as_array().unwrap().iter().map(|f| bytes(f).into()).collect();
        let namespace = TrackNamespace::new(fields).unwrap();
        let track = FullTrackName { namespace, name: bytes(&case["name"]).into() };
        assert_eq!(bytes(&case["serialized"]), track.to_serialized(), "{case}");
    }
    0
}

/// worked out from the text of docs/protocol.md.
fn places(_: &str, text: &str) -> u64 {
    let file = json(text);
    let payload = bytes(&file["payload"]);
    let h8 = |label: &str, parts: &[&[u8]]| {
        let hash = sha256(&[&[label.as_bytes()], parts].concat().concat());
        u64::from_be_bytes(*hash.first_chunk::<8>().unwrap()) % (1 << 62)
    };
    for case in file["commits"].as_array().unwrap() {
        let tries = int(&case["tries"]);
        let p = h8("moq-mls commit place", &[&sha256(&payload), &(tries as u32).to_be_bytes()]);
        assert_eq!(int(&case["object"]), p % (1 << 60) / 2 * 2 + (1 << 60), "{case}");
        assert_eq!(int(&case["object_advisory"]), if tries == 0 { 0 } else { p / 2 * 2 }, "{case}");
    }
    let (slot_key, sender) = (bytes(&file["slot_key"]), bytes(&file["sender"]));
    let drawn = h8("moq-mls receipt place", &[&slot_key, &sender, &payload]);
    assert_eq!(int(&file["receipt"]), drawn | 1 << 61 | 1);
    let drawn = h8("moq-mls state place", &[&slot_key, &sender, &payload]) % (1 << 16);
    for case in file["states"].as_array().unwrap() {
        let place = u128::from(int(&case["ms"])) << 17 | u128::from(drawn) << 1;
        assert_eq!(u128::from(int(&case["object"])), place % (1 << 60) + 1, "{case}");
    }
    assert_eq!(int(&file["welcome"]), h8("moq-mls welcome place", &[&payload]));
    0
}

/// A message of a case: text, or hex where it is none.
fn message(case: &Value, name: &str) -> Vec<u8> {
    match case[name].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes(&case[format!("{name}_hex")]),
    }
}

/// Without receipts, which the generator's comparison covers: a service made from the file alone.
fn exchanges(_: &str, text: &str) -> u64 {
    let file = json(text);
    let mut config = ServiceConfig::default();
    config.lease = std::time::Duration::from_millis(file["lease_ms"].as_u64().unwrap());
    config.kept_pins = file["kept_pins"].as_u64().unwrap() as usize;
    config.kept_commits = file["kept_commits"].as_u64().unwrap() as usize;
    let mut service = CounterService::new(config, Receipts::default());
    for case in file["exchanges"].as_array().unwrap() {
        let request = message(case, "request");
        let decoded = HttpRequest::decode(&request, &HttpLimits::default()).unwrap();
        let Decoded::Complete { message: request, .. } = decoded else { panic!("{case}") };
        let now = Timestamp::from_millis(case["at"].as_u64().unwrap());
        let reply = service.respond(now, &request, bytes(&case["token"]).into());
        let expected = message(case, "response");
        let decoded = HttpResponse::decode(&expected, true, &HttpLimits::default()).unwrap();
        let Decoded::Complete { message: expected, .. } = decoded else { panic!("{case}") };
        assert_eq!(reply.status, expected.status, "{case}");
        assert_eq!(answer_of(&reply), answer_of(&expected), "{case}");
    }
    0
}

/// The JSON of an answer without its receipt, and the commit behind it.
fn answer_of(response: &HttpResponse) -> (Value, Vec<u8>) {
    let kind = response.headers.get("content-type").map(|kind| &kind[..]);
    let (text, commit) = match kind {
        Some(b"application/vnd.moq-mls.commit") => {
            let (len, rest) = response.body.split_at(2);
            rest.split_at(usize::from(u16::from_be_bytes(len.try_into().unwrap())))
        }
        _ => (&response.body[..], &[][..]),
    };
    let mut answer = if text.is_empty() { Value::Null } else { serde_json::from_slice(text).unwrap() };
    if let Some(object) = answer.as_object_mut() {
        object.remove("receipt");
        if let Some(pin) = object.get("pin") {
            assert!(Pin::from_slice(&bytes(pin)).is_some());
        }
    }
    (answer, commit.to_vec())
}

fn replayed(name: &str, log: &str) -> u64 {
    let done = replay(log, |_, _| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(done.difference, None, "{name}");
    assert!(!done.cut, "{name}");
    assert!(done.steps > 10, "{name}");
    // And a log that is wrong in one place does not pass.
    let changed = log.replacen("\"action\":\"announce\"", "\"action\":\"renounce\"", 1);
    assert!(replay(&changed, |_, _| {}).unwrap().difference.is_some(), "{name}");
    done.steps
}

fn main() {
    let mut paths = Vec::new();
    files(&folder(), &mut paths);
    paths.sort();
    let mut steps = 0;
    let mut found = BTreeMap::new();
    for path in &paths {
        let name = path.strip_prefix(folder()).unwrap().to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).unwrap();
        let runner = RUNNERS.iter().find(|(prefix, _)| name.starts_with(prefix));
        match runner.unwrap_or_else(|| panic!("{name} is run by nobody")).1 {
            Ok(run) => steps += run(&name, &text),
            Err("people") => {}
            Err(test) => {
                let test = Path::new(env!("CARGO_MANIFEST_DIR")).join(test);
                let source = std::fs::read_to_string(test).unwrap_or_default();
                let file = path.file_name().unwrap().to_str().unwrap();
                assert!(source.contains(file) || name.starts_with("regressions/"), "{name} is run by nobody");
            }
        }
        found.insert(name, text);
    }
    let all = vectors::all();
    let by_hand = ["regressions/", "keys/", "secure_objects/", "README.md"];
    for name in found.keys().filter(|name| !by_hand.iter().any(|prefix| name.starts_with(prefix))) {
        assert!(all.iter().any(|(path, _)| path == name), "{name} is made by nobody");
    }
    for (path, text) in all {
        assert!(
            found.get(&path).is_some_and(|there| *there == text),
            "{path} is not what `cargo run --release --example vectors -- --write` makes"
        );
    }
    println!("figure vector_files {} files", found.len() - 1);
    println!("figure replay_steps {steps} events");
}
