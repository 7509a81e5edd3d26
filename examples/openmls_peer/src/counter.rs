//! The epoch counter's client (draft section 7, and what `vectors/README.md` adds), over HTTP/1.1 text.
//!
//! On purpose it is written from these texts and uses nothing of `moq_mls::counter`: with our own encoder on both
//! sides, a fault in a format would go by unseen.

use bytes::Bytes;
use serde_json::Value;

use crate::wire::{Pin, hex, unhex};

/// What an increment carries beyond the draft's.
#[derive(Clone, Debug, Default)]
pub struct Fill {
    pub lock_id: Option<String>,
    /// Slot, pin of the slot before, own pin, slot key and commit: a pinned group's.
    pub pinned: Option<Pinned>,
}

#[derive(Clone, Debug)]
pub struct Pinned {
    pub val: u64,
    pub prev: Option<Pin>,
    pub pin: Pin,
    pub key: Option<Vec<u8>>,
    pub commit: Option<Bytes>,
}

/// A request of the service.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "few at a time, and none is kept")]
pub enum Request {
    Lock(u64),
    Increment(Fill),
    Commit(u64),
}

/// What the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Ok { lock_id: Option<String>, pin: Option<Pin>, commit: Option<Bytes> },
    Conflict { retry_later_ms: u64 },
    CounterError { current: u64, pin: Option<Pin> },
    Error(String),
}

impl Request {
    pub fn to_http(&self, group: &str) -> Vec<u8> {
        match self {
            Self::Lock(val) => get("lock", group, *val),
            Self::Commit(val) => get("commit", group, *val),
            Self::Increment(Fill { lock_id, pinned }) => {
                let mut json = serde_json::Map::new();
                let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
                if let Some(lock_id) = lock_id {
                    put("lock_id", lock_id.as_str().into());
                }
                let mut commit = None;
                if let Some(pinned) = pinned {
                    put("val", pinned.val.into());
                    put("prev", pinned.prev.map(|prev| hex(&prev)).unwrap_or_default().into());
                    put("pin", hex(&pinned.pin).into());
                    if let Some(key) = &pinned.key {
                        put("key", hex(key).into());
                    }
                    commit = pinned.commit.clone();
                }
                post(group, &Value::Object(json), commit.as_ref())
            }
        }
    }
}

fn get(what: &str, group: &str, val: u64) -> Vec<u8> {
    format!("GET /{what}/{group}?val={val} HTTP/1.1\r\nHost: counter.example\r\n\r\n").into_bytes()
}

fn post(group: &str, json: &Value, commit: Option<&Bytes>) -> Vec<u8> {
    let text = json.to_string();
    let (kind, body) = match commit {
        Some(commit) => {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
            ("application/vnd.moq-mls.commit", [&length[..], text.as_bytes(), commit].concat())
        }
        None if text == "{}" => ("application/json", Vec::new()),
        None => ("application/json", text.into_bytes()),
    };
    let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let head = format!(
        "POST /increment/{group} HTTP/1.1\r\nHost: counter.example\r\n{kind}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

impl Reply {
    pub fn from_http(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?.to_ascii_lowercase();
        let mut body = &bytes[end + 4..];
        let mut commit = None;
        if head.contains("content-type: application/vnd.moq-mls.commit") {
            let (length, rest) = body.split_first_chunk::<2>()?;
            let (json, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            (body, commit) = (json, Some(Bytes::copy_from_slice(behind)));
        }
        let json: Value = serde_json::from_slice(body).ok()?;
        let number = |name: &str| json.get(name).and_then(Value::as_u64);
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let pin = text("pin").and_then(unhex).and_then(|pin| pin.try_into().ok());
        Some(match text("result")? {
            "ok" => Self::Ok { lock_id: text("lock_id").map(str::to_owned), pin, commit },
            "conflict" => Self::Conflict { retry_later_ms: number("retry_later_ms").unwrap_or(0) },
            "counter_error" => Self::CounterError { current: number("current")?, pin },
            other => Self::Error(text("reason").unwrap_or(other).to_owned()),
        })
    }
}
