//! The epoch counter over HTTP (draft section 7): exchanges with a service, replies to a client, receipts.

use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::counter::http::{
    Decoded, Headers, HttpLimits, HttpRequest, HttpResponse, Method, decode_commit_reply,
    decode_increment_reply, decode_lock_reply, encode_commit, encode_commit_reply, encode_increment,
};
use crate::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
use crate::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, Pin,
    receipt_message, slot_lock_message, state_message,
};
use crate::testing::sha256;
use crate::testing::vectors::values::{VERSION, hex, int};
use crate::time::{Timestamp, millis};
use crate::tracks::GroupName;

pub(super) fn files() -> Vec<(String, Value)> {
    let file = |name: &str, value| (format!("counter/{name}.json"), value);
    vec![file("exchanges", exchanges()), file("replies", replies()), file("receipts", receipts())]
}

struct Key(SigningKey);

impl ServiceCrypto for Key {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&self.0.sign(message).to_bytes()))
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The slot key of epoch `n`.
fn slot_key(n: u8) -> [u8; 32] {
    [0xc0 | n; 32]
}

fn commit(n: u8) -> Bytes {
    Bytes::from(vec![0xe0 | n; 8])
}

/// The pin of slot `n` of the counter "room".
fn pin(n: u8) -> Pin {
    let room = GroupName::try_from("room").expect("a name");
    let lock = sha256(&slot_lock_message(&room, n.into(), &slot_key(n)));
    let context = [0xa0 | n; 32];
    if n == 0 { Pin::genesis(context, lock) } else { Pin::new(sha256(&commit(n)), context, lock) }
}

/// The increment of "room" that fills slot `n` behind `prev`, as a member sends it.
fn fills(n: u8, prev: u8) -> IncrementRequest {
    let mut request = IncrementRequest::draft(GroupName::try_from("room").expect("a name"));
    (request.val, request.pin) = (Some(n.into()), Some(pin(n)));
    if n > 0 {
        request.prev = Some(pin(prev));
        request.key = Some(Bytes::copy_from_slice(&slot_key(n - 1)));
        request.commit = Some(commit(n));
    }
    request
}

/// `(milliseconds, request)`.
fn script() -> Vec<(u64, HttpRequest)> {
    let plain = |method, target: &str, headers, body: String| HttpRequest {
        method,
        target: target.to_owned(),
        headers,
        body: body.into(),
    };
    let get = |at, target: &str| (at, plain(Method::Get, target, Headers::default(), String::new()));
    let json = || Headers::from_iter([("Content-Type", "application/json")]);
    let state = |at, counter: &str, val: u64| get(at, &format!("/lock/{counter}?val={val}"));
    let post = |at, target: &str, body: &str| {
        let headers = if body.is_empty() { Headers::default() } else { json() };
        (at, plain(Method::Post, target, headers, body.to_owned()))
    };
    let increment =
        |at, request: &IncrementRequest| (at, encode_increment(request, None).expect("a request"));
    let read = |at, val| {
        let counter = GroupName::try_from("room").expect("a name");
        (at, encode_commit(&CommitRequest { counter, val }, None).expect("a request"))
    };
    let with = |n, prev, edit: fn(&mut IncrementRequest)| {
        let mut request = fills(n, prev);
        edit(&mut request);
        request
    };
    let from_page = |at, method, target: &str, lines: &[(&str, &str)]| {
        let headers = Headers::from_iter(lines.iter().map(|(name, value)| (*name, value.to_string())));
        (at, plain(method, target, headers, String::new()))
    };
    let old = IncrementRequest { counter: GroupName::try_from("old").expect("a name"), ..fills(1, 0) };
    let mut later = encode_increment(&with(1, 0, |r| r.commit = None), None).expect("a request");
    let text = String::from_utf8(later.body.to_vec()).expect("JSON");
    later.body = text.replace('}', r#","later":[1,{"x":null}]}"#).into();
    vec![
        get(0, "/lock/room?val=0"),
        get(10, "/lock/room?val=0"),
        get(20, "/lock/room?val=3"),
        read(25, 0),
        increment(30, &with(0, 0, |r| r.commit = Some(commit(1)))),
        increment(32, &fills(0, 0)),
        increment(40, &fills(0, 0)),
        increment(50, &with(0, 0, |r| r.pin = Some(pin(9)))),
        get(60, "/lock/room?val=0"),
        get(70, "/lock/room?val=1"),
        get(2069, "/lock/room?val=1"),
        get(2070, "/lock/room?val=1"),
        // Not behind that pin; then without a key, with another epoch's, without the commit, with another.
        increment(2080, &fills(1, 9)),
        increment(2081, &with(1, 0, |r| r.key = None)),
        increment(2082, &with(1, 0, |r| r.key = Some(Bytes::copy_from_slice(&slot_key(1))))),
        increment(2083, &with(1, 0, |r| r.commit = None)),
        increment(2084, &with(1, 0, |r| r.commit = Some(commit(2)))),
        increment(2090, &fills(1, 0)),
        // Filled, its key opens nothing any more and need not.
        increment(2092, &with(1, 0, |r| r.key = None)),
        (2094, later),
        increment(2096, &with(1, 0, |r| r.pin = Some(pin(9)))),
        post(2100, "/increment/room", ""),
        increment(2110, &fills(2, 1)),
        increment(2112, &fills(3, 2)),
        get(2120, "/lock/room?val=0"),
        get(2125, "/lock/room?val=1"),
        // The state: without a date, with today's, with one that is off, and of a counter that is not there.
        state(2126, "room", 1 << 63),
        state(2127, "room", (3 << 62) | (2127 << 20) | 7),
        state(2128, "room", (3 << 62) | (7129 << 20) | 7),
        state(2129, "other", (3 << 62) | (2129 << 20) | 7),
        read(2131, 0),
        read(2132, 1),
        read(2133, 2),
        read(2134, 3),
        read(2135, 4),
        post(2140, "/increment/old", ""),
        get(2150, "/lock/old?val=0"),
        post(2160, "/increment/old", ""),
        increment(2170, &old),
        get(2175, "/commit/old?val=0"),
        get(2180, "/lock/a%20b%2Fc?val=0"),
        get(2190, "/lock/room"),
        get(2200, "/lock/room?val=x"),
        get(2210, "/lock/%2E?val=0"),
        get(2220, "/unlock/room?val=0"),
        get(2230, "/increment/room"),
        post(2235, "/commit/room?val=1", ""),
        post(2240, "/increment/room", "{\"val\":1"),
        // From a page of another site.
        from_page(2260, Method::Get, "/lock/staff?val=0", &[("Sec-Fetch-Site", "cross-site")]),
        from_page(2270, Method::Post, "/increment/staff", &[("Origin", "https://evil.example")]),
        from_page(2280, Method::Post, "/increment/staff", &[("Content-Type", "text/plain")]),
    ]
}

fn exchanges() -> Value {
    let config = ServiceConfig {
        lease: Duration::from_secs(2),
        kept_pins: 3,
        kept_commits: 2,
        ..ServiceConfig::default()
    };
    let mut service = CounterService::new(config, Key(key()));
    let cases: Vec<Value> = script()
        .into_iter()
        .enumerate()
        .map(|(n, (at, request))| {
            let request = request.to_bytes("counter.example").expect("a request");
            let token = format!("token-{n}");
            let answer = answer(&mut service, at, &request, &token);
            let mut case = json!({ "at": at, "token": hex(token.as_bytes()) });
            for (name, bytes) in [("request", &request), ("response", &answer)] {
                let (name, value) = match std::str::from_utf8(bytes) {
                    Ok(text) => (name.to_owned(), json!(text)),
                    Err(_) => (format!("{name}_hex"), hex(bytes)),
                };
                case[name] = value;
            }
            case
        })
        .collect();
    json!({
        "format": "counter exchanges", "version": VERSION, "source": "draft section 7",
        "lease_ms": 2000, "kept_pins": 3, "kept_commits": 2, "receipt_private_key": hex(&[7; 32]),
        "exchanges": cases,
    })
}

/// What a service answers to the bytes of a request.
fn answer<C: ServiceCrypto>(service: &mut CounterService<C>, at: u64, request: &[u8], token: &str) -> Bytes {
    let decoded = HttpRequest::decode(request, &HttpLimits::default());
    let Ok(Decoded::Complete { message, .. }) = decoded else { panic!("{}", request.escape_ascii()) };
    let now = Timestamp::from_millis(at);
    let response = service.respond(now, &message, Bytes::copy_from_slice(token.as_bytes()));
    response.to_bytes().expect("a response")
}

/// What services say, that of others among them, and what a client makes of it.
fn replies() -> Value {
    let ok = r#"{"result":"ok","lock_id":"6162","expires_in_ms":2000}"#;
    let texts = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "a service that knows only the draft"),
        (with_body(200, ok), "a lock"),
        (with_body(200, r#"{"result":"counter_error"}"#), "a result that contradicts the status"),
        (with_body(200, "<html>"), "not JSON"),
        ("HTTP/1.1 409 Conflict\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n".to_owned(), "seconds only"),
        (with_body(409, r#"{"result":"conflict","retry_later_ms":1500}"#), "milliseconds"),
        (with_body(409, r#"{"result":"error","reason":"pin_required"}"#), "a reason"),
        (with_body(409, r#"{"result":"error","reason":"new_reason"}"#), "a reason nobody knows"),
        (with_body(412, r#"{"result":"counter_error","current":7}"#), "the counter"),
        (with_body(412, r#"{"current":"9007199254740993","pin_forgotten":true}"#), "a counter in a string"),
        (with_body(412, "{}"), "no counter"),
        (with_body(403, r#"{"result":"wrong_key","current":7}"#), "a key that opens nothing"),
        (with_body(403, "<html>no</html>"), "a proxy's refusal"),
        (with_body(503, ""), "a status that means nothing here"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}".to_owned(), "cut short"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "chunked"),
    ];
    let state = CounterState { current: 4, pin: Some(pin(3)), receipt: None, pin_forgotten: false };
    let found = encode_commit_reply(&CommitReply::Found { state, commit: commit(3) });
    let found = found.to_bytes().expect("a response");
    let cases: Vec<Value> = texts
        .into_iter()
        .map(|(text, name)| (Bytes::from(text), name))
        .chain([(found, "a commit")])
        .map(|(bytes, name)| {
            let unknown = || json!("unknown");
            let decoded = HttpResponse::decode(&bytes, true, &HttpLimits::default());
            let (lock, increment, commit) = match decoded {
                Ok(Decoded::Complete { message, .. }) => (
                    decode_lock_reply(&message).map_or_else(|_| unknown(), |r| lock_reply(&r)),
                    decode_increment_reply(&message).map_or_else(|_| unknown(), |r| increment_reply(&r)),
                    decode_commit_reply(&message).map_or_else(|_| unknown(), |r| commit_reply(&r)),
                ),
                Ok(Decoded::Incomplete) | Err(_) => (unknown(), unknown(), unknown()),
            };
            let mut case = json!({ "name": name, "lock": lock, "increment": increment, "commit": commit });
            match std::str::from_utf8(&bytes) {
                Ok(text) => case["response"] = json!(text),
                Err(_) => case["response_hex"] = hex(&bytes),
            }
            case
        })
        .collect();
    json!({ "format": "counter replies", "version": VERSION, "source": "draft section 7", "cases": cases })
}

fn with_body(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn state(result: &str, state: &CounterState) -> Value {
    json!({
        "result": result, "current": int(state.current), "pin_forgotten": state.pin_forgotten,
        "pin": state.pin.map_or(Value::Null, |p| hex(p.as_bytes())),
        "receipt": state.receipt.as_ref().map_or(Value::Null, |r| hex(r)),
    })
}

fn lock_reply(reply: &LockReply) -> Value {
    match reply {
        LockReply::Ok { lock_id, expires_in } => json!({
            "result": "ok", "lock_id": lock_id.as_ref().map_or(Value::Null, |id| hex(id)),
            "expires_in_ms": int(millis(*expires_in)),
        }),
        LockReply::Conflict { retry_later } => {
            json!({ "result": "conflict", "retry_later_ms": int(millis(*retry_later)) })
        }
        LockReply::CounterError(s) => state("counter_error", s),
        LockReply::Error(reason) => json!({ "result": "error", "reason": reason.as_str() }),
    }
}

fn increment_reply(reply: &IncrementReply) -> Value {
    match reply {
        IncrementReply::Ok(s) => state("ok", s),
        IncrementReply::CounterError(s) => state("counter_error", s),
        IncrementReply::WrongKey(s) => state("wrong_key", s),
        IncrementReply::Error(reason) => json!({ "result": "error", "reason": reason.as_str() }),
    }
}

fn commit_reply(reply: &CommitReply) -> Value {
    match reply {
        CommitReply::Found { state: s, commit } => {
            let mut found = state("ok", s);
            found["commit"] = hex(commit);
            found
        }
        CommitReply::CounterError(s) => state("counter_error", s),
        CommitReply::Error(reason) => json!({ "result": "error", "reason": reason.as_str() }),
    }
}

fn receipts() -> Value {
    let key = key();
    let cases: Vec<Value> = [("room", 0, pin(0)), ("room", 1, pin(1)), ("a b/c", 1 << 40, pin(2))]
        .into_iter()
        .map(|(name, val, pin)| {
            let group = GroupName::try_from(name).expect("a name");
            let message = receipt_message(&group, val, &pin);
            json!({
                "counter": hex(name.as_bytes()), "val": int(val), "pin": hex(pin.as_bytes()),
                "message": hex(&message), "receipt": hex(&key.sign(&message).to_bytes()),
            })
        })
        .collect();
    let states: Vec<Value> = [("room", (3 << 62) + 1, 5, Some(pin(4))), ("a b/c", 1 << 63, 0, None)]
        .into_iter()
        .map(|(name, val, current, newest)| {
            let group = GroupName::try_from(name).expect("a name");
            let message = state_message(&group, val, current, newest.as_ref());
            json!({
                "counter": hex(name.as_bytes()), "val": int(val), "current": int(current),
                "pin": newest.map_or(Value::Null, |pin| hex(pin.as_bytes())),
                "message": hex(&message), "receipt": hex(&key.sign(&message).to_bytes()),
            })
        })
        .collect();
    json!({
        "format": "receipts", "version": VERSION, "source": "moq-mls: receipts of the epoch counter",
        "states": states,
        "private_key": hex(&[7; 32]), "public_key": hex(key.verifying_key().as_bytes()), "cases": cases,
    })
}
