//! Requests: path, query, token and body.

use bytes::Bytes;

use crate::counter::http::commit::{join, split};
use crate::counter::http::message::{Headers, HttpError, HttpRequest, JSON, MAX_BODY, Method, WITH_COMMIT};
use crate::counter::http::origin::{self, WebPolicy};
use crate::counter::json::{self, Value};
use crate::counter::{CommitRequest, IncrementRequest, LockRequest, MAX_LOCK_ID, Pin, SLOT_KEY_LEN};
use crate::tracks::GroupName;

const LOCK: &str = "/lock/";
const INCREMENT: &str = "/increment/";
const COMMIT: &str = "/commit/";

/// A request to the counter service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and only while a request is answered")]
pub enum Call {
    /// `GET /lock/<id>?val=<val>` (draft section 7.1), also as POST (ours).
    Lock(LockRequest),
    /// `POST /increment/<id>` (draft section 7.2).
    Increment(IncrementRequest),
    /// `GET /commit/<id>?val=<val>` (ours).
    Commit(CommitRequest),
}

impl Call {
    /// The counter asked about: what a token has to allow.
    pub fn counter(&self) -> &GroupName {
        match self {
            Call::Lock(request) => &request.counter,
            Call::Increment(request) => &request.counter,
            Call::Commit(request) => &request.counter,
        }
    }
}

impl HttpRequest {
    /// The token of `Authorization: Bearer` (RFC 6750 section 2.1); `None` without that header or
    /// under another scheme.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] for two such headers or a token that is none.
    pub fn bearer(&self) -> Result<Option<&str>, HttpError> {
        bearer(&self.headers)
    }
}

/// What [`decode_request`] finds.
#[derive(Clone, PartialEq, Eq)]
pub struct Inbound<'a> {
    /// The request.
    pub call: Call,
    /// The token of `Authorization: Bearer`, if any. Nothing has been checked about it.
    pub token: Option<&'a str>,
}

impl std::fmt::Debug for Inbound<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.map(|_| format_args!("<redacted>"));
        f.debug_struct("Inbound").field("call", &self.call).field("token", &token).finish()
    }
}

/// The HTTP form of a lock request. It is a GET, as the draft has it; the service's replies forbid
/// caching, but a client must never repeat it without thought: it changes state.
///
/// # Errors
/// [`HttpError::Field`] if `token` is not a bearer token (RFC 6750 section 2.1).
pub fn encode_lock(request: &LockRequest, token: Option<&str>) -> Result<HttpRequest, HttpError> {
    Ok(HttpRequest {
        method: Method::Get,
        target: format!("{LOCK}{}?val={}", escape(&request.counter), request.val),
        headers: authorization(token)?,
        body: Bytes::new(),
    })
}

/// Makes the HTTP form of a commit request.
///
/// # Errors
/// [`HttpError::Field`] if `token` is not a bearer token (RFC 6750 section 2.1).
pub fn encode_commit(request: &CommitRequest, token: Option<&str>) -> Result<HttpRequest, HttpError> {
    Ok(HttpRequest {
        method: Method::Get,
        target: format!("{COMMIT}{}?val={}", escape(&request.counter), request.val),
        headers: authorization(token)?,
        body: Bytes::new(),
    })
}

/// The HTTP form of an increment. Without any of the optional fields it is the draft's: no body. A commit goes
/// behind the JSON as it is.
///
/// # Errors
/// [`HttpError::Field`] if `token` is not a bearer token (RFC 6750 section 2.1);
/// [`HttpError::TooLarge`] for a `lock_id` over [`MAX_LOCK_ID`] or a commit over
/// [`MAX_COMMIT`](super::MAX_COMMIT).
pub fn encode_increment(request: &IncrementRequest, token: Option<&str>) -> Result<HttpRequest, HttpError> {
    let mut headers = authorization(token)?;
    let mut body = json::Writer::new();
    if let Some(val) = request.val {
        body = body.counter("val", val);
    }
    if let Some(lock_id) = &request.lock_id {
        if lock_id.len() > MAX_LOCK_ID {
            return Err(HttpError::TooLarge("lock_id"));
        }
        body = body.bytes("lock_id", lock_id);
    }
    match (&request.prev, &request.pin) {
        (Some(prev), _) => body = body.bytes("prev", prev.as_bytes()),
        // A pin with nothing before it says so: slot 0.
        (None, Some(_)) => body = body.bytes("prev", &[]),
        (None, None) => {}
    }
    if let Some(pin) = &request.pin {
        body = body.bytes("pin", pin.as_bytes());
    }
    if let Some(key) = &request.key {
        body = body.bytes("key", key);
    }
    let body = match &request.commit {
        Some(commit) => {
            headers.push("Content-Type", WITH_COMMIT);
            join(&body.finish(), commit)?
        }
        None if body.is_empty() => Bytes::new(),
        None => {
            headers.push("Content-Type", JSON);
            body.finish()
        }
    };
    let target = format!("{INCREMENT}{}", escape(&request.counter));
    Ok(HttpRequest { method: Method::Post, target, headers, body })
}

/// Reads a request to the counter service, the service's side of [`encode_lock`], [`encode_increment`] and
/// [`encode_commit`]. Without a bearer token, what a web page had a browser send is refused.
///
/// Unknown query parameters and unknown JSON fields are ignored, as is a lock's body. A target in
/// absolute form counts as its path.
///
/// # Errors
/// Any [`HttpError`] but `Truncated` and `Status`; answer with
/// [`encode_refusal`](super::encode_refusal).
pub fn decode_request(request: &HttpRequest) -> Result<Inbound<'_>, HttpError> {
    decode_request_from(request, &WebPolicy::default())
}

/// Reads a request, with rules of its own about web pages; otherwise as [`decode_request`].
///
/// # Errors
/// As [`decode_request`].
pub fn decode_request_from<'a>(
    request: &'a HttpRequest,
    policy: &WebPolicy,
) -> Result<Inbound<'a>, HttpError> {
    if request.body.len() > MAX_BODY {
        return Err(HttpError::TooLarge("body"));
    }
    let token = request.bearer()?;
    origin::check(request, token.is_some(), policy)?;
    let (path, query) = split_target(&request.target)?;
    let call = if let Some(id) = path.strip_prefix(LOCK) {
        let counter = unescape(id)?;
        if !matches!(request.method, Method::Get | Method::Post) {
            return Err(HttpError::MethodNotAllowed { allow: "GET, POST" });
        }
        Call::Lock(LockRequest { counter, val: query_val(query)? })
    } else if let Some(id) = path.strip_prefix(INCREMENT) {
        let counter = unescape(id)?;
        if request.method != Method::Post {
            return Err(HttpError::MethodNotAllowed { allow: "POST" });
        }
        Call::Increment(increment(counter, request)?)
    } else if let Some(id) = path.strip_prefix(COMMIT) {
        let counter = unescape(id)?;
        if request.method != Method::Get {
            return Err(HttpError::MethodNotAllowed { allow: "GET" });
        }
        Call::Commit(CommitRequest { counter, val: query_val(query)? })
    } else {
        return Err(HttpError::NotFound);
    };
    Ok(Inbound { call, token })
}

fn increment(counter: GroupName, request: &HttpRequest) -> Result<IncrementRequest, HttpError> {
    if request.body.is_empty() {
        return Ok(IncrementRequest::draft(counter));
    }
    let (body, commit) = split(&request.headers, &request.body)?;
    let names = ["val", "lock_id", "prev", "pin", "key"];
    let [val, lock_id, prev, pin, key] = json::fields(&body, names)?;
    let val = val.map(|v| v.counter().ok_or(HttpError::Field("val"))).transpose()?;
    let lock_id = lock_id_of(lock_id)?;
    // Empty for slot 0.
    let prev = prev.filter(|v| v.text() != Some(""));
    let key = bounded(key, "key", SLOT_KEY_LEN)?;
    let (prev, pin) = (pin_of(prev, "prev")?, pin_of(pin, "pin")?);
    Ok(IncrementRequest { counter, val, lock_id, prev, pin, key, commit })
}

pub(super) fn pin_of(value: Option<Value<'_>>, name: &'static str) -> Result<Option<Pin>, HttpError> {
    let pin = |v: Value<'_>| Pin::from_slice(&v.bytes()?);
    value.map(|v| pin(v).ok_or(HttpError::Field(name))).transpose()
}

pub(super) fn lock_id_of(value: Option<Value<'_>>) -> Result<Option<Bytes>, HttpError> {
    bounded(value, "lock_id", MAX_LOCK_ID)
}

pub(super) fn bounded(
    value: Option<Value<'_>>,
    name: &'static str,
    max: usize,
) -> Result<Option<Bytes>, HttpError> {
    let Some(value) = value else { return Ok(None) };
    let bytes = value.bytes().ok_or(HttpError::Field(name))?;
    if bytes.len() > max { Err(HttpError::TooLarge(name)) } else { Ok(Some(bytes)) }
}

fn authorization(token: Option<&str>) -> Result<Headers, HttpError> {
    let mut headers = Headers::default();
    if let Some(token) = token {
        if !is_token68(token.as_bytes()) {
            return Err(HttpError::Field("token"));
        }
        headers.push("Authorization", format!("Bearer {token}"));
    }
    Ok(headers)
}

fn bearer(headers: &Headers) -> Result<Option<&str>, HttpError> {
    let malformed = HttpError::Malformed("Authorization");
    let mut lines = headers.get_all("authorization");
    let (first, None) = (lines.next(), lines.next()) else { return Err(malformed) };
    let Some(line) = first else { return Ok(None) };
    let line = std::str::from_utf8(line).map_err(|_| malformed)?.trim_matches([' ', '\t']);
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    if is_token68(token.as_bytes()) { Ok(Some(token)) } else { Err(malformed) }
}

/// RFC 6750 section 2.1: `b64token`.
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|&&b| b == b'=').count();
    let (text, _) = token.split_at(token.len().saturating_sub(padding));
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(b))
}

/// Path and query of a request target.
fn split_target(target: &str) -> Result<(&str, &str), HttpError> {
    if target.contains('#') {
        return Err(HttpError::Malformed("target"));
    }
    // RFC 9112 section 3.2.2: a server takes the absolute form too.
    let absolute = ["http://", "https://"]
        .iter()
        .find_map(|scheme| target.get(..scheme.len())?.eq_ignore_ascii_case(scheme).then_some(scheme.len()));
    let path = match absolute {
        None => target,
        Some(at) => {
            let rest = target.get(at..).unwrap_or_default();
            rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
        }
    };
    Ok(path.split_once('?').unwrap_or((path, "")))
}

/// The one `val` of a query.
fn query_val(query: &str) -> Result<u64, HttpError> {
    let mut vals = query.split('&').filter_map(|parameter| match parameter.split_once('=') {
        Some(("val", val)) => Some(val),
        None if parameter == "val" => Some(""),
        _ => None,
    });
    match (vals.next(), vals.next()) {
        (Some(val), None) => json::decimal(val).ok_or(HttpError::Field("val")),
        _ => Err(HttpError::Field("val")),
    }
}

/// RFC 3986 unreserved bytes as they are, all others as %XX in upper case: one spelling per id.
fn escape(counter: &GroupName) -> String {
    let mut path = String::new();
    for &byte in counter.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// The group name in a path segment. What RFC 3986 section 3.3 lets stand unescaped may do so.
fn unescape(segment: &str) -> Result<GroupName, HttpError> {
    if segment.contains('/') {
        return Err(HttpError::NotFound);
    }
    let malformed = HttpError::Malformed("counter id");
    let hex = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).ok_or(malformed);
    let mut name = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
                name.push((high * 16 + low) as u8);
            }
            b if b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b) => name.push(b),
            _ => return Err(malformed),
        }
    }
    Ok(GroupName::new(name)?)
}
