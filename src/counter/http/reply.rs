//! Replies: status, headers and body.

use std::time::Duration;

use bytes::Bytes;

use crate::counter::http::commit::{join, split};
use crate::counter::http::message::{
    Headers, HttpError, HttpResponse, JSON, MAX_BODY, MAX_JSON, WITH_COMMIT,
};
use crate::counter::http::request::{bounded, lock_id_of, pin_of};
use crate::counter::json::{self, Writer};
use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply, MAX_RECEIPT, Reason};
use crate::time::millis;
use crate::tracks::NameError;

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 11] = [
        Reason::NotLocked,
        Reason::PinRequired,
        Reason::UnpinnedId,
        Reason::Malformed,
        Reason::TooLarge,
        Reason::Unauthenticated,
        Reason::Forbidden,
        Reason::RateLimited,
        Reason::Overflow,
        Reason::CommitRequired,
        Reason::NotYourTurn,
    ];

    /// Returns the text of the reply's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NotLocked => "not_locked",
            Reason::PinRequired => "pin_required",
            Reason::UnpinnedId => "unpinned_id",
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too_large",
            Reason::Unauthenticated => "unauthenticated",
            Reason::Forbidden => "forbidden",
            Reason::RateLimited => "rate_limited",
            Reason::Overflow => "overflow",
            Reason::CommitRequired => "commit_required",
            Reason::NotYourTurn => "not_your_turn",
        }
    }

    /// The HTTP status it is sent under. All that speak of the counter's state are a
    /// 409, `overflow` among them.
    pub fn status(self) -> u16 {
        match self {
            Reason::NotLocked
            | Reason::PinRequired
            | Reason::UnpinnedId
            | Reason::Overflow
            | Reason::CommitRequired
            | Reason::NotYourTurn => 409,
            Reason::Malformed => 400,
            Reason::TooLarge => 413,
            Reason::Unauthenticated => 401,
            Reason::Forbidden => 403,
            Reason::RateLimited => 429,
        }
    }

    /// Returns the reason of a reply: the one in the body if it is known and belongs to the status, else what
    /// the status alone says; `None` for 409, which says nothing alone.
    fn of(status: u16, word: Option<&str>) -> Option<Self> {
        let under = |r: &Reason| r.status() == status;
        let mut reasons = Self::ALL.into_iter().filter(under);
        match status {
            409 => reasons.find(|r| Some(r.as_str()) == word),
            _ => reasons.next(),
        }
    }
}

impl HttpError {
    /// What a service says of a request it cannot read; the exceptions, 404 and 405, have no reason.
    fn reason(&self) -> Reason {
        match self {
            HttpError::TooLarge(_) | HttpError::Name(NameError::TooLong { .. }) => Reason::TooLarge,
            HttpError::Forbidden(_) => Reason::Forbidden,
            _ => Reason::Malformed,
        }
    }
}

/// The HTTP form of the answer to a lock request. Durations go out in whole milliseconds: the
/// lease rounded down, the time to wait rounded up.
pub fn encode_lock_reply(reply: &LockReply) -> HttpResponse {
    match reply {
        LockReply::Ok { lock_id, expires_in } => {
            let mut body = result("ok");
            if let Some(lock_id) = lock_id {
                body = body.bytes("lock_id", lock_id);
            }
            json_response(200, body.counter("expires_in_ms", millis(*expires_in)))
        }
        LockReply::Conflict { retry_later } => {
            let ms = millis(retry_later.saturating_add(Duration::from_nanos(999_999)));
            let mut response = json_response(409, result("conflict").counter("retry_later_ms", ms));
            // Whole seconds (RFC 9110 section 10.2.3), rounded up: the lock is still held before.
            response.headers.push("Retry-After", ms.div_ceil(1000).to_string());
            response
        }
        LockReply::CounterError(state) => counter_error(state),
        LockReply::Error(reason) => refusal(*reason),
    }
}

/// The HTTP form of the answer to an increment.
pub fn encode_increment_reply(reply: &IncrementReply) -> HttpResponse {
    match reply {
        IncrementReply::Ok(state) => json_response(200, write_state(result("ok"), state)),
        IncrementReply::CounterError(state) => counter_error(state),
        IncrementReply::WrongKey(state) => json_response(403, write_state(result(WRONG_KEY), state)),
        IncrementReply::Error(reason) => refusal(*reason),
    }
}

/// Makes the HTTP form of the answer to a commit request. A commit over [`MAX_COMMIT`](super::MAX_COMMIT) is not carried.
pub fn encode_commit_reply(reply: &CommitReply) -> HttpResponse {
    match reply {
        CommitReply::Found { state, commit } => {
            let Ok(body) = join(&write_state(result("ok"), state).finish(), commit) else {
                return counter_error(state);
            };
            let mut headers = no_store();
            headers.push("Content-Type", WITH_COMMIT);
            HttpResponse { status: 200, headers, body }
        }
        CommitReply::CounterError(state) => counter_error(state),
        CommitReply::Error(reason) => refusal(*reason),
    }
}

/// The HTTP answer to a request that could not be read: 404 and 405 without a body, else the
/// matching [`Reason`].
pub fn encode_refusal(error: &HttpError) -> HttpResponse {
    let (status, allow) = match error {
        HttpError::NotFound => (404, None),
        HttpError::MethodNotAllowed { allow } => (405, Some(*allow)),
        _ => return refusal(error.reason()),
    };
    let mut response = HttpResponse { status, headers: no_store(), body: Bytes::new() };
    if let Some(allow) = allow {
        response.headers.push("Allow", allow);
    }
    response
}

/// Reads the answer to a lock request.
///
/// A service that speaks the draft only is understood: 200 is Ok with whatever fields it carries
/// and 409 is Conflict, the time to wait being `retry_later_ms`, else `Retry-After` in seconds. A
/// 409 with a known reason and 400, 401, 403, 413 and 429 are [`LockReply::Error`]. Only for 200
/// and 412 the body has to be well formed; an empty one counts as `{}`.
///
/// # Errors
/// - [`HttpError::Json`], [`HttpError::Field`], [`HttpError::TooLarge`] for the body, among them a
///   `result` that contradicts the status and a 412 without `current`;
/// - [`HttpError::Status`] for any other status.
///
/// The outcome of the request is then unknown.
pub fn decode_lock_reply(response: &HttpResponse) -> Result<LockReply, HttpError> {
    check_size(response)?;
    match response.status {
        200 => {
            let [result, lock_id, expires] =
                json::fields(body(response), ["result", "lock_id", "expires_in_ms"])?;
            check_result(&result, "ok")?;
            let expires =
                expires.map(|v| v.counter().ok_or(HttpError::Field("expires_in_ms"))).transpose()?;
            let expires_in = Duration::from_millis(expires.unwrap_or(0));
            Ok(LockReply::Ok { lock_id: lock_id_of(lock_id)?, expires_in })
        }
        412 => read_state(response, "counter_error").map(LockReply::CounterError),
        409 => Ok(match reason(response) {
            Some(reason) => LockReply::Error(reason),
            None => LockReply::Conflict { retry_later: retry_later(response) },
        }),
        status => reason(response).map(LockReply::Error).ok_or(HttpError::Status(status)),
    }
}

/// Reads the answer to an increment.
///
/// A service that speaks the draft only is understood: 200 is Ok with whatever fields it carries
/// and 409 without a known reason is [`Reason::NotLocked`], the one error of draft section 7.2.
/// The rest is as in [`decode_lock_reply`].
///
/// # Errors
/// As [`decode_lock_reply`].
pub fn decode_increment_reply(response: &HttpResponse) -> Result<IncrementReply, HttpError> {
    check_size(response)?;
    match response.status {
        200 => read_state(response, "ok").map(IncrementReply::Ok),
        412 => read_state(response, "counter_error").map(IncrementReply::CounterError),
        409 => Ok(IncrementReply::Error(reason(response).unwrap_or(Reason::NotLocked))),
        403 if names_result(response, WRONG_KEY) => {
            read_state(response, WRONG_KEY).map(IncrementReply::WrongKey)
        }
        status => reason(response).map(IncrementReply::Error).ok_or(HttpError::Status(status)),
    }
}

/// Reads the answer to a commit request.
///
/// # Errors
/// As [`decode_lock_reply`]; [`HttpError::Field`] for a 200 without a commit.
pub fn decode_commit_reply(response: &HttpResponse) -> Result<CommitReply, HttpError> {
    if response.body.len() > MAX_BODY {
        return Err(HttpError::TooLarge("body"));
    }
    match response.status {
        200 => {
            let (json, commit) = split(&response.headers, &response.body)?;
            let commit = commit.ok_or(HttpError::Field("commit"))?;
            let json = HttpResponse { body: json, ..response.clone() };
            Ok(CommitReply::Found { state: read_state(&json, "ok")?, commit })
        }
        412 => {
            check_size(response)?;
            read_state(response, "counter_error").map(CommitReply::CounterError)
        }
        status => reason(response).map(CommitReply::Error).ok_or(HttpError::Status(status)),
    }
}

/// The result of an increment whose key opens nothing.
const WRONG_KEY: &str = "wrong_key";

fn names_result(response: &HttpResponse, wanted: &str) -> bool {
    json::fields(&response.body, ["result"])
        .is_ok_and(|[word]| word.is_some_and(|v| v.text() == Some(wanted)))
}

fn no_store() -> Headers {
    // A lock is a GET, and a GET may be cached.
    Headers::from_iter([("Cache-Control", "no-store")])
}

fn result(word: &str) -> Writer {
    Writer::new().text("result", word)
}

fn json_response(status: u16, body: Writer) -> HttpResponse {
    let mut headers = no_store();
    headers.push("Content-Type", JSON);
    HttpResponse { status, headers, body: body.finish() }
}

fn counter_error(state: &CounterState) -> HttpResponse {
    json_response(412, write_state(result("counter_error"), state))
}

pub(super) fn refusal(reason: Reason) -> HttpResponse {
    let mut response = json_response(reason.status(), result("error").text("reason", reason.as_str()));
    if reason == Reason::Unauthenticated {
        // RFC 9110 section 11.6.1.
        response.headers.push("WWW-Authenticate", "Bearer");
    }
    response
}

fn write_state(body: Writer, state: &CounterState) -> Writer {
    let mut body = body.counter("current", state.current);
    if let Some(pin) = &state.pin {
        body = body.bytes("pin", pin.as_bytes());
    }
    if let Some(receipt) = &state.receipt {
        body = body.bytes("receipt", receipt);
    }
    if state.pin_forgotten {
        body = body.flag("pin_forgotten", true);
    }
    body
}

fn check_size(response: &HttpResponse) -> Result<(), HttpError> {
    if response.body.len() > MAX_JSON { Err(HttpError::TooLarge("body")) } else { Ok(()) }
}

fn body(response: &HttpResponse) -> &[u8] {
    if response.body.is_empty() { b"{}" } else { &response.body }
}

/// A body that names its result must not name another than the status does. The draft's own
/// spelling is taken too: "Ok", "CounterError".
fn check_result(result: &Option<json::Value<'_>>, wanted: &str) -> Result<(), HttpError> {
    let Some(result) = result else { return Ok(()) };
    let letters = |word: &str| word.replace('_', "").to_ascii_lowercase();
    match result.text() {
        Some(word) if letters(word) == letters(wanted) => Ok(()),
        _ => Err(HttpError::Field("result")),
    }
}

fn read_state(response: &HttpResponse, wanted: &str) -> Result<CounterState, HttpError> {
    let [result, current, pin, receipt, forgotten] =
        json::fields(body(response), ["result", "current", "pin", "receipt", "pin_forgotten"])?;
    check_result(&result, wanted)?;
    let current = match current {
        Some(v) => v.counter().ok_or(HttpError::Field("current"))?,
        // Ok is Ok; where the counter stands is all that a CounterError says.
        None if response.status == 200 => 0,
        None => return Err(HttpError::Field("current")),
    };
    Ok(CounterState {
        current,
        pin: pin_of(pin, "pin")?,
        receipt: bounded(receipt, "receipt", MAX_RECEIPT)?,
        pin_forgotten: match forgotten {
            None => false,
            Some(v) => v.flag().ok_or(HttpError::Field("pin_forgotten"))?,
        },
    })
}

/// A body that does not parse gives no reason: proxies answer for the service in HTML.
fn reason(response: &HttpResponse) -> Option<Reason> {
    let word = json::fields(&response.body, ["reason"]).ok().and_then(|[word]| word);
    Reason::of(response.status, word.as_ref().and_then(|v| v.text()))
}

/// Zero if the service does not say, or says a date: the core has no calendar.
fn retry_later(response: &HttpResponse) -> Duration {
    let ms = json::fields(&response.body, ["retry_later_ms"]).ok().and_then(|[ms]| ms?.counter());
    let seconds = || json::decimal(std::str::from_utf8(response.headers.get("retry-after")?).ok()?);
    // A header may name more seconds than the body has numbers for, in milliseconds.
    Duration::from_millis(ms.or_else(|| seconds().map(|s| s.saturating_mul(1000))).unwrap_or_default())
}
