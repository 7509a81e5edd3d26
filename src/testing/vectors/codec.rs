//! Control messages and object streams, byte by byte (draft section 4.2, MoQT draft-02).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::codec::{
    Announce, AnnounceOk, ControlMessage, Decode, DecodeError, Encode, Filter, NamespaceInfo, ObjectStream,
    Subscribe, SubscribeDone, SubscribeNamespace, SubscribeNamespaceResponse, SubscribeOk, Unsubscribe,
    params, varint,
};
use crate::config::SafetyMode;
use crate::engine::ContextParams;
use crate::testing::vectors::values::{VERSION, hex, int};
use crate::tracks::{CommitTrackPolicy, Location};

pub(super) fn files() -> Vec<(String, Value)> {
    let b = Bytes::from_static;
    let status = |n| std::num::NonZeroU64::new(n).expect("not 0");
    let request = |namespace: &'static [u8], id| SubscribeNamespace { namespace: b(namespace), id };
    let subscribe_namespace = messages(
        &[request(b"room-1keypackages", 0), request(b"", 63), request(b"g", 64), request(b"g", varint::MAX)],
        &[
            ("a longer varint than needed", "4011016700"),
            ("an id of 8 bytes", "110167c000000000000001"),
            ("empty", ""),
            ("nothing after the type", "11"),
            ("cut in the namespace", "110567"),
            ("a namespace of 4097 bytes", "115001"),
        ],
    );
    let response = |id, result| SubscribeNamespaceResponse { id, result };
    let responses = messages(
        &[
            response(7, Ok(())),
            response(7, Err((status(4), b(b"not announced")))),
            response(1 << 20, Err((status(1 << 30), b(b"")))),
        ],
        &[
            ("status 0 in two bytes", "12074000"),
            ("no reason phrase where one must be", "120704"),
            ("a reason phrase of 1025 bytes", "1207044401"),
        ],
    );
    let info = |alias, id, namespace: &'static [u8], name: &'static [u8], request_id| NamespaceInfo {
        track_alias: alias,
        subscribe_id: id,
        namespace: b(namespace),
        name: b(name),
        request_id,
    };
    let infos = messages(
        &[info(1, 1, b"room-1keypackages", b"ab12", 0), info(16_384, 1 << 32, b"n", b"", 5)],
        &[
            ("cut before the request id", "1301010167016e"),
            ("namespace and name over 4096 bytes", "1301010167 5000"),
        ],
    );
    let subscribe = |filter| Subscribe {
        subscribe_id: 2,
        track_alias: 3,
        namespace: b(b"room-1"),
        name: b(b"commits"),
        filter,
    };
    let framing = messages::<ControlMessage>(
        &[
            Announce { namespace: b(b"room-1") }.into(),
            AnnounceOk { namespace: b(b"room-1") }.into(),
            subscribe(Filter::From { group: 0 }).into(),
            subscribe(Filter::Range { first: 3, last: 70 }).into(),
            SubscribeOk { subscribe_id: 2, expires: 0, largest: None }.into(),
            SubscribeOk {
                subscribe_id: 2,
                expires: 1000,
                largest: Some(Location { group_id: 5, object_id: 2 }),
            }
            .into(),
            SubscribeDone { subscribe_id: 2, status: 0, reason: b(b""), last: None }.into(),
            SubscribeDone {
                subscribe_id: 2,
                status: 1,
                reason: b(b"gone"),
                last: Some(Location { group_id: 5, object_id: 2 }),
            }
            .into(),
            Unsubscribe { subscribe_id: 64 }.into(),
        ],
        &[
            ("an unknown type", "3f00"),
            ("an announce with a parameter", "060172 01"),
            ("content exists is 2", "04020002"),
            ("a start mode that is not known", "0302030172016301 00030000000000"),
            ("a start without an end or a group", "03020301720163000000000000"),
        ],
    );
    let file = |name: &str, source: &str, cases: Vec<Value>| {
        let value =
            json!({ "format": "codec", "version": VERSION, "source": source, "what": name, "cases": cases });
        (format!("codec/{}.json", name.to_lowercase().replace(' ', "-")), value)
    };
    vec![
        file("Varint", "RFC 9000 section 16", varints()),
        file("Subscribe namespace", "draft section 4.2.1", subscribe_namespace),
        file("Subscribe namespace response", "draft section 4.2.2", responses),
        file("Namespace info", "draft section 4.2.3", infos),
        file("Framing", "MoQT draft-02 section 6", framing),
        file("Object stream", "MoQT draft-02 section 6.2", object_streams()),
        file("Group parameters", "moq-mls: a GroupContext extension", group_params()),
    ]
}

fn strip(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).expect("hex")
}

fn error(error: DecodeError) -> Value {
    match error {
        DecodeError::Incomplete { needed } => json!({ "kind": "incomplete", "needed": needed }),
        DecodeError::Malformed { field } => json!({ "kind": "malformed", "field": field }),
        DecodeError::UnknownType(kind) => json!({ "kind": "unknown_type", "type": int(kind) }),
        DecodeError::TrailingBytes(n) => json!({ "kind": "trailing", "bytes": n }),
    }
}

fn case(name: &str, bytes: &[u8], decoded: Result<(Value, bool), DecodeError>) -> Value {
    match decoded {
        Ok((decoded, canonical)) => {
            json!({ "name": name, "bytes": hex(bytes), "decoded": decoded, "canonical": canonical })
        }
        Err(e) => json!({ "name": name, "bytes": hex(bytes), "error": error(e) }),
    }
}

fn messages<M: Clone + Into<ControlMessage>>(values: &[M], raw: &[(&str, &str)]) -> Vec<Value> {
    let made = values.iter().map(|value| {
        let message: ControlMessage = value.clone().into();
        let bytes = message.to_bytes().expect("in range");
        ("as written".to_owned(), bytes.to_vec())
    });
    let raw = raw.iter().map(|(name, text)| ((*name).to_owned(), strip(text)));
    made.chain(raw).map(|(name, bytes)| case(&name, &bytes, decode_control(&bytes))).collect()
}

/// A control message as the vectors write it, and whether its bytes are the ones that are written; what
/// `tests/vectors.rs` compares with.
///
/// # Errors
/// Those of [`ControlMessage`]'s decoder, and trailing bytes.
pub(super) fn decode_control(bytes: &[u8]) -> Result<(Value, bool), DecodeError> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let message = ControlMessage::decode(&mut rest)?;
    if !rest.is_empty() {
        return Err(DecodeError::TrailingBytes(rest.len()));
    }
    let canonical = message.to_bytes().is_ok_and(|b| b == bytes);
    Ok((shown(&message), canonical))
}

fn place(at: Option<Location>) -> Value {
    at.map_or(Value::Null, |at| json!({ "group": int(at.group_id), "object": int(at.object_id) }))
}

fn shown(message: &ControlMessage) -> Value {
    match message {
        ControlMessage::Announce(m) => json!({ "message": "announce", "namespace": hex(&m.namespace) }),
        ControlMessage::AnnounceOk(m) => json!({ "message": "announce_ok", "namespace": hex(&m.namespace) }),
        ControlMessage::NamespaceInfo(m) => json!({
            "message": "namespace_info", "track_alias": int(m.track_alias), "subscribe_id": int(m.subscribe_id),
            "namespace": hex(&m.namespace), "name": hex(&m.name), "request_id": int(m.request_id),
        }),
        ControlMessage::Subscribe(m) => {
            let filter = match m.filter {
                Filter::From { group } => json!({ "from_group": int(group) }),
                Filter::Range { first, last } => {
                    json!({ "first_group": int(first), "last_group": int(last) })
                }
            };
            json!({
                "message": "subscribe", "subscribe_id": int(m.subscribe_id), "track_alias": int(m.track_alias),
                "namespace": hex(&m.namespace), "name": hex(&m.name), "filter": filter,
            })
        }
        ControlMessage::SubscribeDone(m) => json!({
            "message": "subscribe_done", "subscribe_id": int(m.subscribe_id), "status": int(m.status),
            "reason": hex(&m.reason), "last": place(m.last),
        }),
        ControlMessage::SubscribeNamespace(m) => {
            json!({ "message": "subscribe_namespace", "namespace": hex(&m.namespace), "id": int(m.id) })
        }
        ControlMessage::SubscribeNamespaceResponse(m) => {
            let (status, reason) = match &m.result {
                Ok(()) => (0, Value::Null),
                Err((status, reason)) => (status.get(), hex(reason)),
            };
            json!({
                "message": "subscribe_namespace_response", "id": int(m.id), "status": int(status), "reason": reason,
            })
        }
        ControlMessage::SubscribeOk(m) => json!({
            "message": "subscribe_ok", "subscribe_id": int(m.subscribe_id), "expires": int(m.expires),
            "largest": place(m.largest),
        }),
        ControlMessage::Unsubscribe(m) => {
            json!({ "message": "unsubscribe", "subscribe_id": int(m.subscribe_id) })
        }
    }
}

fn varints() -> Vec<Value> {
    let numbers = [0, 37, 63, 64, 15_293, 16_383, 16_384, 494_878_333, (1 << 30) - 1, 1 << 30, varint::MAX];
    let made = numbers.into_iter().map(|n| {
        let mut out = Vec::new();
        varint::encode(n, "n", &mut out).expect("in range");
        ("as written", out)
    });
    let raw = [
        ("37 in two bytes", "4025"),
        ("0 in eight bytes", "c000000000000000"),
        ("empty", ""),
        ("cut after the first of two", "40"),
        ("cut after the fifth of eight", "c200000000"),
    ];
    made.chain(raw.map(|(name, text)| (name, strip(text))))
        .map(|(name, bytes)| {
            let decoded = varint::decode(&mut &bytes[..]);
            case(name, &bytes, decoded.map(|n| (int(n), varint::encoded_len(n) == bytes.len())))
        })
        .collect()
}

fn object_streams() -> Vec<Value> {
    let stream = |group, payload: &'static [u8]| ObjectStream {
        subscribe_id: 1,
        track_alias: 2,
        group,
        object: 0,
        send_order: 0,
        payload: Bytes::from_static(payload),
    };
    let made =
        [stream(7, b"payload"), stream(varint::MAX, b"")].map(|s| s.to_bytes().expect("in range").to_vec());
    let raw = ["40000102070000ff", "00010207", "0101020700"];
    made.into_iter()
        .chain(raw.map(strip))
        .map(|bytes| {
            let decoded = ObjectStream::decode(&mut Bytes::copy_from_slice(&bytes)).map(|s| {
                let canonical = s.to_bytes().is_ok_and(|b| b == bytes);
                let shown = json!({
                    "subscribe_id": int(s.subscribe_id), "track_alias": int(s.track_alias), "group": int(s.group),
                    "object": int(s.object), "send_order": int(s.send_order), "payload": hex(&s.payload),
                });
                (shown, canonical)
            });
            case("object stream", &bytes, decoded)
        })
        .collect()
}

fn group_params() -> Vec<Value> {
    let of = |mode, commit_tracks, tree_objects, service_key_hash| ContextParams {
        mode,
        commit_tracks,
        tree_objects,
        service_key_hash,
        epoch_base: 0,
    };
    let successor = ContextParams { epoch_base: 1 << 46, ..ContextParams::default() };
    let values = [
        of(SafetyMode::Pinned, CommitTrackPolicy::Shared, false, None),
        of(SafetyMode::Pinned, CommitTrackPolicy::PerSender, true, Some([0xab; 32])),
        of(SafetyMode::Advisory, CommitTrackPolicy::PerSender, false, None),
        of(SafetyMode::Fenced, CommitTrackPolicy::Shared, true, None),
        successor,
    ];
    let made = values.iter().map(params::encode);
    let raw = [
        "",
        "01010000",
        "0201000000",
        "02010000000000000000000000",
        "0301000000",
        "0101000001",
        "01010000ff",
        "010100000000",
        "0101090000",
        "0103000000",
    ];
    made.chain(raw.map(strip))
        .map(|bytes| match params::decode(&bytes) {
            Ok(p) => {
                let (mode, tracks) = (p.mode.name(), p.commit_tracks.name());
                let decoded = json!({
                    "mode": mode, "commit_tracks": tracks, "tree_objects": p.tree_objects,
                    "service_key_hash": p.service_key_hash.map_or(Value::Null, |h| hex(&h)),
                    "epoch_base": p.epoch_base,
                });
                case("group parameters", &bytes, Ok((decoded, params::encode(&p) == bytes)))
            }
            Err(_) => case("group parameters", &bytes, Err(DecodeError::Malformed { field: "parameters" })),
        })
        .collect()
}
