//! The epoch counter over HTTP (draft section 7): exchanges with a service, replies to a client, receipts.

use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::counter::http::{
    Decoded, HttpLimits, HttpRequest, HttpResponse, decode_increment_reply, decode_lock_reply,
};
use crate::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, receipt_message};
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

fn pin(n: u8) -> Pin {
    if n == 0 {
        Pin::genesis([0xa0; 32], [0xb0; 32])
    } else {
        Pin::new([n; 32], [0xa0 | n; 32], [0xb0 | n; 32])
    }
}

/// `(milliseconds, request line, body)`.
fn script() -> Vec<(u64, String, String)> {
    let get = |at, target: &str| (at, format!("GET {target}"), String::new());
    let post = |at, target: &str, body: String| (at, format!("POST {target}"), body);
    let h = |p: Pin| hex::encode(p.as_bytes());
    let pinned = |val: u64, prev: Option<Pin>, pin: Pin| {
        let prev = prev.map(h).unwrap_or_default();
        format!(r#"{{"val":{val},"prev":"{prev}","pin":"{}"}}"#, h(pin))
    };
    vec![
        get(0, "/lock/room?val=0"),
        get(10, "/lock/room?val=0"),
        get(20, "/lock/room?val=3"),
        post(30, "/increment/room", pinned(0, None, pin(0))),
        post(40, "/increment/room", pinned(0, None, pin(0))),
        post(50, "/increment/room", pinned(0, None, pin(9))),
        get(60, "/lock/room?val=0"),
        get(70, "/lock/room?val=1"),
        get(2069, "/lock/room?val=1"),
        get(2070, "/lock/room?val=1"),
        post(2080, "/increment/room", pinned(1, Some(pin(9)), pin(1))),
        post(2090, "/increment/room", pinned(1, Some(pin(0)), pin(1))),
        post(2100, "/increment/room", String::new()),
        post(2110, "/increment/room", pinned(2, Some(pin(1)), pin(2))),
        get(2120, "/lock/room?val=0"),
        get(2130, "/lock/room?val=1"),
        post(2140, "/increment/old", String::new()),
        get(2150, "/lock/old?val=0"),
        post(2160, "/increment/old", String::new()),
        post(2170, "/increment/old", pinned(1, None, pin(1))),
        get(2180, "/lock/a%20b%2Fc?val=0"),
        get(2190, "/lock/room"),
        get(2200, "/lock/room?val=x"),
        get(2210, "/lock/%2E?val=0"),
        get(2220, "/unlock/room?val=0"),
        get(2230, "/increment/room"),
        post(2240, "/increment/room", "{\"val\":1".to_owned()),
        post(
            2250,
            "/increment/room",
            pinned(2, Some(pin(1)), pin(2)).replace('}', r#","later":[1,{"x":null}]}"#),
        ),
    ]
}

fn exchanges() -> Value {
    let config = ServiceConfig { lease: Duration::from_secs(2), kept_pins: 2, ..ServiceConfig::default() };
    let mut service = CounterService::new(config, Key(key()));
    let cases: Vec<Value> = script()
        .into_iter()
        .enumerate()
        .map(|(n, (at, line, body))| {
            let mut request = format!("{line} HTTP/1.1\r\nHost: counter.example\r\n");
            if !body.is_empty() || line.starts_with("POST") {
                request += &format!("Content-Length: {}\r\n", body.len());
            }
            request = format!("{request}\r\n{body}");
            let token = format!("token-{n}");
            let answer = answer(&mut service, at, &request, &token);
            json!({ "at": at, "token": hex(token.as_bytes()), "request": request, "response": answer })
        })
        .collect();
    json!({
        "format": "counter exchanges", "version": VERSION, "source": "draft section 7",
        "lease_ms": 2000, "kept_pins": 2, "receipt_private_key": hex(&[7; 32]), "exchanges": cases,
    })
}

/// What a service answers to the bytes of a request; for the test that runs the file, too.
fn answer<C: ServiceCrypto>(service: &mut CounterService<C>, at: u64, request: &str, token: &str) -> String {
    let decoded = HttpRequest::decode(request.as_bytes(), &HttpLimits::default());
    let Ok(Decoded::Complete { message, .. }) = decoded else { panic!("{request}") };
    let now = Timestamp::from_millis(at);
    let response = service.respond(now, &message, Bytes::copy_from_slice(token.as_bytes()));
    String::from_utf8(response.to_bytes().expect("a response").to_vec()).expect("ASCII")
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
        (with_body(403, "<html>no</html>"), "a proxy's refusal"),
        (with_body(503, ""), "a status that means nothing here"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}".to_owned(), "cut short"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "chunked"),
    ];
    let cases: Vec<Value> = texts
        .into_iter()
        .map(|(text, name)| {
            let decoded = HttpResponse::decode(text.as_bytes(), true, &HttpLimits::default());
            let (lock, increment) = match decoded {
                Ok(Decoded::Complete { message, .. }) => (
                    decode_lock_reply(&message).map_or(json!("unknown"), |r| lock_reply(&r)),
                    decode_increment_reply(&message).map_or(json!("unknown"), |r| increment_reply(&r)),
                ),
                Ok(Decoded::Incomplete) | Err(_) => (json!("unknown"), json!("unknown")),
            };
            json!({ "name": name, "response": text, "lock": lock, "increment": increment })
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
    json!({
        "format": "receipts", "version": VERSION, "source": "moq-mls: receipts of the epoch counter",
        "private_key": hex(&[7; 32]), "public_key": hex(key.verifying_key().as_bytes()), "cases": cases,
    })
}
