//! The counter over HTTP: every status and reason as bytes, both ways, and what must
//! not be taken for one.

// clippy.toml lets tests panic, but not the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use bytes::Bytes;
use moq_mls::counter::http::*;
use moq_mls::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest,
    MAX_LOCK_ID, MAX_RECEIPT, Pin, Reason, SLOT_KEY_LEN,
};
use moq_mls::tracks::{GroupName, NameError};
use proptest::prelude::*;

const P: &str = concat!(
    "1111111111111111111111111111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222222222222222222222222222",
    "4444444444444444444444444444444444444444444444444444444444444444"
);
const Q: &str = concat!(
    "3333333333333333333333333333333333333333333333333333333333333333",
    "abababababababababababababababababababababababababababababababab",
    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
);

fn p() -> Pin {
    Pin::new([0x11; 32], [0x22; 32], [0x44; 32])
}

fn q() -> Pin {
    Pin::new([0x33; 32], [0xab; 32], [0xcd; 32])
}

fn name(bytes: &[u8]) -> GroupName {
    GroupName::new(bytes.to_vec()).unwrap()
}

fn lock(counter: &[u8], val: u64) -> Call {
    Call::Lock(LockRequest { counter: name(counter), val })
}

fn increment(val: Option<u64>, lock_id: Option<&[u8]>, prev: Option<Pin>, pin: Option<Pin>) -> Call {
    let lock_id = lock_id.map(Bytes::copy_from_slice);
    let draft = IncrementRequest::draft(name(b"g"));
    Call::Increment(IncrementRequest { val, lock_id, prev, pin, ..draft })
}

/// All that a member sends.
fn full(commit: &[u8]) -> Call {
    let (prev, pin) = (Some(p()), Some(q()));
    let (key, commit) = (Some(vec![0x55; SLOT_KEY_LEN].into()), Some(Bytes::copy_from_slice(commit)));
    let draft = IncrementRequest::draft(name(b"g"));
    Call::Increment(IncrementRequest { val: Some(2), prev, pin, key, commit, ..draft })
}

fn commit(counter: &[u8], val: u64) -> Call {
    Call::Commit(CommitRequest { counter: name(counter), val })
}

fn encode(call: &Call, token: Option<&str>) -> Result<HttpRequest, HttpError> {
    match call {
        Call::Lock(request) => encode_lock(request, token),
        Call::Increment(request) => encode_increment(request, token),
        Call::Commit(request) => encode_commit(request, token),
    }
}

fn state(current: u64) -> CounterState {
    CounterState { current, pin: None, receipt: None, pin_forgotten: false }
}

fn whole<T>(decoded: Result<Decoded<T>, HttpError>, input: &[u8]) -> T {
    match decoded.unwrap() {
        Decoded::Complete { message, len } => {
            assert_eq!(len, input.len());
            message
        }
        Decoded::Incomplete => panic!("incomplete: {}", input.escape_ascii()),
    }
}

fn request(input: &[u8]) -> HttpRequest {
    whole(HttpRequest::decode(input, &HttpLimits::default()), input)
}

fn response(input: &[u8]) -> HttpResponse {
    whole(HttpResponse::decode(input, false, &HttpLimits::default()), input)
}

fn request_error(input: &[u8]) -> HttpError {
    HttpRequest::decode(input, &HttpLimits::default()).unwrap_err()
}

fn response_error(input: &[u8]) -> HttpError {
    HttpResponse::decode(input, false, &HttpLimits::default()).unwrap_err()
}

fn bare_response(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: Headers::default(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn target(method: Method, target: &str) -> Result<Call, HttpError> {
    body(method, target, b"")
}

fn body(method: Method, target: &str, body: &[u8]) -> Result<Call, HttpError> {
    let request = HttpRequest {
        method,
        target: target.to_owned(),
        headers: Headers::from_iter([("Content-Type", "application/json")]),
        body: Bytes::copy_from_slice(body),
    };
    decode_request(&request).map(|inbound| inbound.call)
}

// ---- statuses and reasons, request by request

fn with_length(head: &str, body: &str) -> String {
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn request_vectors() {
    let json = "POST /increment/g HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\n";
    let vectors = [
        (lock(b"g", 0), None, "GET /lock/g?val=0 HTTP/1.1\r\nHost: h:1\r\n\r\n".to_owned()),
        (
            lock("a b/\u{e9}%~".as_bytes(), u64::MAX),
            None,
            "GET /lock/a%20b%2F%C3%A9%25~?val=18446744073709551615 HTTP/1.1\r\nHost: h:1\r\n\r\n".to_owned(),
        ),
        (
            lock(b"g", 7),
            Some("t0k-en._~+/=="),
            "GET /lock/g?val=7 HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t0k-en._~+/==\r\n\r\n"
                .to_owned(),
        ),
        // The draft's increment.
        (
            increment(None, None, None, None),
            None,
            "POST /increment/g HTTP/1.1\r\nHost: h:1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (increment(None, Some(b"\x00\xff"), None, None), None, with_length(json, r#"{"lock_id":"00ff"}"#)),
        (increment(Some(3), None, None, None), None, with_length(json, r#"{"val":3}"#)),
        (
            increment(Some(0), None, None, Some(p())),
            None,
            with_length(json, &format!(r#"{{"val":0,"prev":"","pin":"{P}"}}"#)),
        ),
        (
            increment(Some(1 << 53), Some(b"id"), Some(p()), Some(q())),
            None,
            with_length(
                json,
                &format!(r#"{{"val":"9007199254740992","lock_id":"6964","prev":"{P}","pin":"{Q}"}}"#),
            ),
        ),
    ];
    let vectors = vectors.into_iter().chain([(
        commit(b"g", 7),
        Some("t"),
        "GET /commit/g?val=7 HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\n\r\n".to_owned(),
    )]);
    for (call, token, bytes) in vectors {
        let sent = encode(&call, token).unwrap().to_bytes("h:1").unwrap();
        assert_eq!(sent.escape_ascii().to_string(), bytes.as_bytes().escape_ascii().to_string());
        let received = request(bytes.as_bytes());
        assert_eq!(decode_request(&received), Ok(Inbound { call, token }));
    }
}

/// A commit goes behind its JSON as it is, the length of the JSON in front.
#[test]
fn bodies_with_a_commit() {
    let json = format!(r#"{{"val":2,"prev":"{P}","pin":"{Q}","key":"{}"}}"#, "55".repeat(32));
    let body = [&(json.len() as u16).to_be_bytes(), json.as_bytes(), &[0x00, 0xff, b'\n']].concat();
    let head = format!(
        "POST /increment/g HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.moq-mls.commit\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let bytes = [head.as_bytes(), &body].concat();
    let call = full(&[0x00, 0xff, b'\n']);
    assert_eq!(encode(&call, None).unwrap().to_bytes("h").unwrap(), bytes);
    assert_eq!(decode_request(&request(&bytes)), Ok(Inbound { call, token: None }));
    // An empty commit is one that is there.
    let empty = full(b"");
    let Call::Increment(written) = decode_request(&encode(&empty, None).unwrap()).unwrap().call else {
        panic!()
    };
    assert_eq!(written.commit, Some(Bytes::new()));

    let post = |kind: &'static str, body: &[u8]| {
        let headers = Headers::from_iter([("content-type", kind)]);
        let (target, body) = ("/increment/g".to_owned(), Bytes::copy_from_slice(body));
        let request = HttpRequest { method: Method::Post, target, headers, body };
        decode_request(&request).map(|inbound| inbound.call)
    };
    let binary = "Application/vnd.MoQ-mls.commit ; v=1";
    assert_eq!(post(binary, b"\x00\x02{}x"), {
        let draft = IncrementRequest::draft(name(b"g"));
        Ok(Call::Increment(IncrementRequest { commit: Some(Bytes::from_static(b"x")), ..draft }))
    });
    for (body, error) in [
        (&b"\x00"[..], HttpError::Field("commit")),
        (b"\x00\x03{}", HttpError::Field("commit")),
        (b"\x00\x00", HttpError::Json(JsonError::End)),
        (b"\x00\x01{}", HttpError::Json(JsonError::End)),
        (b"\xff\xff{}", HttpError::TooLarge("body")),
    ] {
        assert_eq!(post(binary, body), Err(error), "{}", body.escape_ascii());
    }
    // Under the other type it is JSON.
    assert_eq!(
        post("application/json; charset=utf-8", b"\x00\x02{}x"),
        Err(HttpError::Json(JsonError::Syntax(0)))
    );
    // As long as allowed, each part by itself.
    let padded = |json: usize, commit: usize| {
        let json = format!("{{{}}}", " ".repeat(json - 2));
        [&(json.len() as u16).to_be_bytes(), json.as_bytes(), &vec![7; commit]].concat()
    };
    assert!(post(binary, &padded(MAX_JSON, MAX_COMMIT)).is_ok());
    assert_eq!(post(binary, &padded(MAX_JSON + 1, 1)), Err(HttpError::TooLarge("body")));
    assert_eq!(post(binary, &padded(2, MAX_COMMIT + 1)), Err(HttpError::TooLarge("body")));
    assert_eq!(post("application/json", &padded(MAX_JSON - 1, 0)), Err(HttpError::TooLarge("body")));
    let Call::Increment(large) = full(&vec![1; MAX_COMMIT + 1]) else { panic!() };
    assert_eq!(encode_increment(&large, None), Err(HttpError::TooLarge("commit")));
}

#[test]
fn commit_reply_vectors() {
    let json = format!(r#"{{"result":"ok","current":3,"pin":"{Q}","receipt":"0f"}}"#);
    let body = [&(json.len() as u16).to_be_bytes(), json.as_bytes(), b"\xc0mmit"].concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: application/vnd.moq-mls.commit\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let with_pin = CounterState { pin: Some(q()), receipt: Some(Bytes::from_static(b"\x0f")), ..state(3) };
    let found = CommitReply::Found { state: with_pin, commit: Bytes::from_static(b"\xc0mmit") };
    let forgotten = CommitReply::CounterError(CounterState { pin_forgotten: true, ..state(3) });
    let body_of_forgotten = r#"{"result":"counter_error","current":3,"pin_forgotten":true}"#;
    for (reply, bytes) in [
        (found, [head.as_bytes(), &body].concat()),
        (forgotten, self::reply("412 Precondition Failed", "", body_of_forgotten)),
        (
            CommitReply::Error(Reason::Forbidden),
            self::reply("403 Forbidden", "", r#"{"result":"error","reason":"forbidden"}"#),
        ),
    ] {
        assert_eq!(encode_commit_reply(&reply).to_bytes().unwrap(), bytes);
        assert_eq!(decode_commit_reply(&response(&bytes)), Ok(reply));
    }
    // A commit that no client would read is not sent: the state is.
    let too_long = CommitReply::Found { state: state(3), commit: vec![0; MAX_COMMIT + 1].into() };
    let heard = decode_commit_reply(&encode_commit_reply(&too_long));
    assert_eq!(heard, Ok(CommitReply::CounterError(state(3))));
    // Ok without a commit is no answer, and neither is a page.
    assert_eq!(decode_commit_reply(&bare_response(200, r#"{"current":3}"#)), Err(HttpError::Field("commit")));
    assert_eq!(decode_commit_reply(&bare_response(200, "")), Err(HttpError::Field("commit")));
    assert_eq!(decode_commit_reply(&bare_response(412, "")), Err(HttpError::Field("current")));
    assert_eq!(decode_commit_reply(&bare_response(404, "")), Err(HttpError::Status(404)));
    assert_eq!(decode_commit_reply(&bare_response(409, "")), Err(HttpError::Status(409)));
    let large = bare_response(412, &" ".repeat(MAX_JSON + 1));
    assert_eq!(decode_commit_reply(&large), Err(HttpError::TooLarge("body")));
}

fn reply(status: &str, extra: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n{extra}Content-Length: {}",
        body.len()
    );
    format!("{head}\r\n\r\n{body}").into_bytes()
}

#[test]
fn lock_reply_vectors() {
    let ms = Duration::from_millis;
    let vectors = [
        (
            LockReply::Ok { lock_id: Some(Bytes::from_static(b"\x01\xab")), expires_in: ms(2000) },
            reply("200 OK", "", r#"{"result":"ok","lock_id":"01ab","expires_in_ms":2000}"#),
        ),
        (
            LockReply::Ok { lock_id: None, expires_in: ms(0) },
            reply("200 OK", "", r#"{"result":"ok","expires_in_ms":0}"#),
        ),
        (
            LockReply::Conflict { retry_later: ms(1) },
            reply("409 Conflict", "Retry-After: 1\r\n", r#"{"result":"conflict","retry_later_ms":1}"#),
        ),
        (
            LockReply::Conflict { retry_later: ms(1000) },
            reply("409 Conflict", "Retry-After: 1\r\n", r#"{"result":"conflict","retry_later_ms":1000}"#),
        ),
        (
            LockReply::Conflict { retry_later: ms(1001) },
            reply("409 Conflict", "Retry-After: 2\r\n", r#"{"result":"conflict","retry_later_ms":1001}"#),
        ),
        (
            LockReply::CounterError(state(4)),
            reply("412 Precondition Failed", "", r#"{"result":"counter_error","current":4}"#),
        ),
        (
            LockReply::CounterError(CounterState {
                pin: Some(q()),
                receipt: Some(Bytes::from_static(b"\xde\xad")),
                ..state((1 << 53) - 1)
            }),
            reply(
                "412 Precondition Failed",
                "",
                &format!(
                    r#"{{"result":"counter_error","current":9007199254740991,"pin":"{Q}","receipt":"dead"}}"#
                ),
            ),
        ),
        (
            LockReply::CounterError(CounterState { pin_forgotten: true, ..state(u64::MAX) }),
            reply(
                "412 Precondition Failed",
                "",
                r#"{"result":"counter_error","current":"18446744073709551615","pin_forgotten":true}"#,
            ),
        ),
    ];
    for (reply, bytes) in vectors {
        let sent = encode_lock_reply(&reply).to_bytes().unwrap();
        assert_eq!(sent.escape_ascii().to_string(), bytes.escape_ascii().to_string());
        assert_eq!(decode_lock_reply(&response(&bytes)), Ok(reply));
    }
}

#[test]
fn increment_reply_vectors() {
    let vectors = [
        (IncrementReply::Ok(state(1)), reply("200 OK", "", r#"{"result":"ok","current":1}"#)),
        (
            IncrementReply::Ok(CounterState {
                pin: Some(p()),
                receipt: Some(Bytes::from_static(b"\x0f")),
                ..state(2)
            }),
            reply("200 OK", "", &format!(r#"{{"result":"ok","current":2,"pin":"{P}","receipt":"0f"}}"#)),
        ),
        (
            IncrementReply::CounterError(CounterState { pin: Some(q()), ..state(9) }),
            reply(
                "412 Precondition Failed",
                "",
                &format!(r#"{{"result":"counter_error","current":9,"pin":"{Q}"}}"#),
            ),
        ),
        (
            IncrementReply::WrongKey(CounterState { pin: Some(q()), ..state(9) }),
            reply("403 Forbidden", "", &format!(r#"{{"result":"wrong_key","current":9,"pin":"{Q}"}}"#)),
        ),
    ];
    for (reply, bytes) in vectors {
        let sent = encode_increment_reply(&reply).to_bytes().unwrap();
        assert_eq!(sent.escape_ascii().to_string(), bytes.escape_ascii().to_string());
        assert_eq!(decode_increment_reply(&response(&bytes)), Ok(reply));
    }
}

#[test]
fn reason_vectors() {
    let vectors = [
        (Reason::NotLocked, "409 Conflict", "not_locked"),
        (Reason::PinRequired, "409 Conflict", "pin_required"),
        (Reason::UnpinnedId, "409 Conflict", "unpinned_id"),
        (Reason::Malformed, "400 Bad Request", "malformed"),
        (Reason::TooLarge, "413 Content Too Large", "too_large"),
        (Reason::Unauthenticated, "401 Unauthorized", "unauthenticated"),
        (Reason::Forbidden, "403 Forbidden", "forbidden"),
        (Reason::RateLimited, "429 Too Many Requests", "rate_limited"),
        (Reason::Overflow, "409 Conflict", "overflow"),
        (Reason::CommitRequired, "409 Conflict", "commit_required"),
        (Reason::NotYourTurn, "409 Conflict", "not_your_turn"),
    ];
    assert_eq!(vectors.map(|(reason, ..)| reason), Reason::ALL);
    for (reason, status, word) in vectors {
        let extra = if reason == Reason::Unauthenticated { "WWW-Authenticate: Bearer\r\n" } else { "" };
        let bytes = reply(status, extra, &format!(r#"{{"result":"error","reason":"{word}"}}"#));
        let expected = bytes.escape_ascii().to_string();
        let (lock, increment) = (LockReply::Error(reason), IncrementReply::Error(reason));
        assert_eq!(encode_lock_reply(&lock).to_bytes().unwrap().escape_ascii().to_string(), expected);
        assert_eq!(
            encode_increment_reply(&increment).to_bytes().unwrap().escape_ascii().to_string(),
            expected
        );
        assert_eq!(decode_lock_reply(&response(&bytes)), Ok(lock));
        assert_eq!(decode_increment_reply(&response(&bytes)), Ok(increment));
    }
}

#[test]
fn refusal_vectors() {
    let bytes = |error| encode_refusal(&error).to_bytes().unwrap().escape_ascii().to_string();
    let expect = |b: &[u8]| b.escape_ascii().to_string();
    assert_eq!(
        bytes(HttpError::NotFound),
        expect(b"HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n")
    );
    let allow = b"HTTP/1.1 405 Method Not Allowed\r\nCache-Control: no-store\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(bytes(HttpError::MethodNotAllowed { allow: "POST" }), expect(allow));
    let malformed = reply("400 Bad Request", "", r#"{"result":"error","reason":"malformed"}"#);
    let too_large = reply("413 Content Too Large", "", r#"{"result":"error","reason":"too_large"}"#);
    for error in [
        HttpError::Malformed("header"),
        HttpError::Field("val"),
        HttpError::Json(JsonError::Utf8),
        HttpError::Name(NameError::Dots),
    ] {
        assert_eq!(bytes(error), expect(&malformed));
    }
    let forbidden = reply("403 Forbidden", "", r#"{"result":"error","reason":"forbidden"}"#);
    assert_eq!(bytes(HttpError::Forbidden("Origin")), expect(&forbidden));
    for error in [HttpError::TooLarge("body"), HttpError::Name(NameError::TooLong { len: 256, max: 255 })] {
        assert_eq!(bytes(error), expect(&too_large));
    }
}

// ---- a service that has read only the draft, or speaks through a proxy

#[test]
fn lock_replies_of_other_services() {
    let ok = |lock_id: Option<&'static [u8]>, ms| {
        Ok(LockReply::Ok { lock_id: lock_id.map(Bytes::from_static), expires_in: Duration::from_millis(ms) })
    };
    let conflict = |ms| Ok(LockReply::Conflict { retry_later: Duration::from_millis(ms) });
    let error = |reason| Ok(LockReply::Error(reason));
    for (status, body, expected) in [
        (200, "", ok(None, 0)),
        (200, "{}", ok(None, 0)),
        (200, r#"{"result":"Ok"}"#, ok(None, 0)),
        (200, r#"{"lock_id":"AB","lock_id2":1,"expires_in_ms":"500"}"#, ok(Some(b"\xab"), 500)),
        (200, r#"{"lock_id":null,"x":[{"lock_id":"zz"}]}"#, ok(None, 0)),
        (200, r#"{"result":"conflict"}"#, Err(HttpError::Field("result"))),
        (200, r#"{"result":1}"#, Err(HttpError::Field("result"))),
        (200, r#"{"lock_id":"abc"}"#, Err(HttpError::Field("lock_id"))),
        (200, r#"{"lock_id":7}"#, Err(HttpError::Field("lock_id"))),
        (200, r#"{"expires_in_ms":-1}"#, Err(HttpError::Field("expires_in_ms"))),
        (200, r#"{"lock_id":"00","lock_id":"00"}"#, Err(HttpError::Json(JsonError::Duplicate("lock_id")))),
        (200, "<html>", Err(HttpError::Json(JsonError::Syntax(0)))),
        (200, " ", Err(HttpError::Json(JsonError::End))),
        (200, "{} ", ok(None, 0)),
        (409, "", conflict(0)),
        (409, "<html>", conflict(0)),
        (409, r#"{"retry_later_ms":70}"#, conflict(70)),
        (409, r#"{"result":"error","reason":"overflow"}"#, error(Reason::Overflow)),
        (409, r#"{"result":"error","reason":"who_knows"}"#, conflict(0)),
        // A reason counts only under its own status.
        (409, r#"{"reason":"malformed"}"#, conflict(0)),
        (400, r#"{"reason":"overflow"}"#, error(Reason::Malformed)),
        (400, "", error(Reason::Malformed)),
        (401, "<html>", error(Reason::Unauthenticated)),
        (403, "", error(Reason::Forbidden)),
        (413, "", error(Reason::TooLarge)),
        (429, r#"{"reason":"who_knows"}"#, error(Reason::RateLimited)),
        (412, r#"{"current":5}"#, Ok(LockReply::CounterError(state(5)))),
        (412, r#"{"result":"CounterError","current":"5"}"#, Ok(LockReply::CounterError(state(5)))),
        (412, "", Err(HttpError::Field("current"))),
        (412, r#"{"result":"ok","current":5}"#, Err(HttpError::Field("result"))),
        (412, r#"{"current":5,"pin":"00"}"#, Err(HttpError::Field("pin"))),
        (412, r#"{"current":5,"pin":""}"#, Err(HttpError::Field("pin"))),
        (412, r#"{"current":5,"pin_forgotten":"true"}"#, Err(HttpError::Field("pin_forgotten"))),
        (412, r#"{"current":5.0}"#, Err(HttpError::Field("current"))),
        (412, r#"{"current":18446744073709551616}"#, Err(HttpError::Field("current"))),
        (412, r#"{"current":18446744073709551615}"#, Ok(LockReply::CounterError(state(u64::MAX)))),
        (201, "{}", Err(HttpError::Status(201))),
        (204, "", Err(HttpError::Status(204))),
        (302, "", Err(HttpError::Status(302))),
        (404, "", Err(HttpError::Status(404))),
        (500, r#"{"result":"ok"}"#, Err(HttpError::Status(500))),
        (503, "", Err(HttpError::Status(503))),
    ] {
        assert_eq!(decode_lock_reply(&bare_response(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn retry_after_alone_is_a_conflict() {
    let decode = |body: &str, value: &'static [u8]| {
        let mut response = bare_response(409, body);
        response.headers.push("retry-AFTER", value);
        match decode_lock_reply(&response) {
            Ok(LockReply::Conflict { retry_later }) => retry_later,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(decode("", b"3"), Duration::from_secs(3));
    assert_eq!(decode(r#"{"retry_later_ms":2500}"#, b"3"), Duration::from_millis(2500));
    // No longer than the body could say: what is read can be written.
    assert_eq!(decode("", b"18446744073709551615"), Duration::from_millis(u64::MAX));
    for other in [&b"Fri, 31 Dec 1999 23:59:59 GMT"[..], b"", b"-1", b"1.5", b"\xff", b"18446744073709551616"]
    {
        assert_eq!(decode("", other), Duration::ZERO);
    }
}

#[test]
fn increment_replies_of_other_services() {
    let ok = |current| Ok(IncrementReply::Ok(state(current)));
    let error = |reason| Ok(IncrementReply::Error(reason));
    for (status, body, expected) in [
        (200, "", ok(0)),
        (200, "{}", ok(0)),
        (200, r#"{"result":"Ok","current":4}"#, ok(4)),
        (200, r#"{"result":"error"}"#, Err(HttpError::Field("result"))),
        (200, "Ok", Err(HttpError::Json(JsonError::Syntax(0)))),
        (409, "", error(Reason::NotLocked)),
        (409, r#"{"result":"error"}"#, error(Reason::NotLocked)),
        (409, r#"{"reason":"pin_required"}"#, error(Reason::PinRequired)),
        (409, r#"{"reason":"unpinned_id"}"#, error(Reason::UnpinnedId)),
        (409, r#"{"reason":7}"#, error(Reason::NotLocked)),
        (412, r#"{"current":4}"#, Ok(IncrementReply::CounterError(state(4)))),
        (412, "{}", Err(HttpError::Field("current"))),
        (401, "", error(Reason::Unauthenticated)),
        // A key is wrong only where the service says so: a proxy refuses with the same status.
        (403, "", error(Reason::Forbidden)),
        (403, "wrong_key", error(Reason::Forbidden)),
        (403, r#"{"reason":"wrong_key"}"#, error(Reason::Forbidden)),
        (403, r#"{"result":"wrong_key","current":4}"#, Ok(IncrementReply::WrongKey(state(4)))),
        (403, r#"{"result":"wrong_key"}"#, Err(HttpError::Field("current"))),
        (502, "", Err(HttpError::Status(502))),
    ] {
        assert_eq!(decode_increment_reply(&bare_response(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn over_long_fields_are_refused() {
    let hex = |n: usize| "00".repeat(n);
    let lock = |n| decode_lock_reply(&bare_response(200, &format!(r#"{{"lock_id":"{}"}}"#, hex(n))));
    assert!(lock(MAX_LOCK_ID).is_ok());
    assert_eq!(lock(MAX_LOCK_ID + 1), Err(HttpError::TooLarge("lock_id")));
    let receipt = |n| decode_increment_reply(&bare_response(200, &format!(r#"{{"receipt":"{}"}}"#, hex(n))));
    assert!(receipt(MAX_RECEIPT).is_ok());
    assert_eq!(receipt(MAX_RECEIPT + 1), Err(HttpError::TooLarge("receipt")));
    let increment =
        |n| body(Method::Post, "/increment/g", format!(r#"{{"lock_id":"{}"}}"#, hex(n)).as_bytes());
    assert!(increment(MAX_LOCK_ID).is_ok());
    assert_eq!(increment(MAX_LOCK_ID + 1), Err(HttpError::TooLarge("lock_id")));

    let key = |n| body(Method::Post, "/increment/g", format!(r#"{{"key":"{}"}}"#, hex(n)).as_bytes());
    assert!(key(SLOT_KEY_LEN).is_ok());
    assert_eq!(key(SLOT_KEY_LEN + 1), Err(HttpError::TooLarge("key")));

    let draft = IncrementRequest::draft(name(b"g"));
    let request = IncrementRequest { lock_id: Some(vec![0; MAX_LOCK_ID + 1].into()), ..draft };
    assert_eq!(encode_increment(&request, None), Err(HttpError::TooLarge("lock_id")));

    let padded = |n: usize| format!("{{{}}}", " ".repeat(n - 2));
    assert!(decode_lock_reply(&bare_response(200, &padded(MAX_JSON))).is_ok());
    assert_eq!(
        decode_lock_reply(&bare_response(200, &padded(MAX_JSON + 1))),
        Err(HttpError::TooLarge("body"))
    );
    assert_eq!(
        body(Method::Post, "/increment/g", padded(MAX_JSON + 1).as_bytes()),
        Err(HttpError::TooLarge("body"))
    );
}

// ---- path, query, token, body of a request

#[test]
fn every_byte_in_an_id() {
    for byte in 0..=u8::MAX {
        let id = [b'x', byte, b'y'];
        let sent = encode_lock(&LockRequest { counter: name(&id), val: 1 }, None).unwrap();
        let escaped = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        };
        assert_eq!(sent.target, format!("/lock/x{escaped}y?val=1"));
        for spelled in [format!("%{byte:02X}"), format!("%{byte:02x}"), escaped] {
            assert_eq!(
                target(Method::Get, &format!("/lock/x{spelled}y?val=1")),
                Ok(lock(&id, 1)),
                "{spelled}"
            );
        }
        // Unescaped, it is itself, or ends the segment, or is refused; never another id.
        let raw = format!("/lock/x{}y?val=1", char::from(byte));
        match (byte, target(Method::Get, &raw)) {
            (b'/', result) => assert_eq!(result, Err(HttpError::NotFound)),
            (b'?', result) => assert_eq!(result, Err(HttpError::Field("val"))),
            (_, Ok(call)) => assert_eq!(call, lock(&id, 1)),
            (_, Err(error)) => assert!(matches!(error, HttpError::Malformed(_)), "{byte} {error}"),
        }
    }
}

#[test]
fn paths() {
    let get = |t: &str| target(Method::Get, t);
    assert_eq!(get("/lock/a%2Fb%00%ff?val=1"), Ok(lock(b"a/b\0\xff", 1)));
    // Compared decoded: another spelling of the same id.
    assert_eq!(get("/lock/%67?val=1"), Ok(lock(b"g", 1)));
    assert_eq!(get("/lock/a:b@c!$&'()*+,;=?val=1"), Ok(lock(b"a:b@c!$&'()*+,;=", 1)));
    assert_eq!(get("http://h.example:8/lock/g?val=1"), Ok(lock(b"g", 1)));
    assert_eq!(get("HTTPS://h/lock/g?val=1"), Ok(lock(b"g", 1)));
    for path in ["", "/", "*", "/lock", "/lockg", "lock/g", "/increment", "/Lock/g?val=1", "/x/lock/g?val=1"]
    {
        assert_eq!(get(path), Err(HttpError::NotFound), "{path}");
    }
    for path in ["/lock/g/?val=1", "/lock/g/h?val=1", "/lock//g?val=1", "http://h", "http://h?val=1"] {
        assert_eq!(get(path), Err(HttpError::NotFound), "{path}");
    }
    for id in [".", "..", "%2e", "%2E%2e", ".%2E"] {
        assert_eq!(get(&format!("/lock/{id}?val=1")), Err(HttpError::Name(NameError::Dots)), "{id}");
    }
    assert_eq!(get("/lock/...?val=1"), Ok(lock(b"...", 1)));
    assert_eq!(get("/lock/?val=1"), Err(HttpError::Name(NameError::Empty)));
    assert_eq!(get("/lock/gcommits?val=1"), Err(HttpError::Name(NameError::Collides { suffix: "commits" })));
    assert_eq!(
        get(&format!("/lock/{}?val=1", "%61".repeat(256))),
        Err(HttpError::Name(NameError::TooLong { len: 256, max: 255 }))
    );
    for bad in
        ["%", "%6", "%6g", "%g6", "%%67", "a b", "a\u{e9}", "a\"", "a<", "a[", "a\\", "a^", "a`", "a{", "a|"]
    {
        assert_eq!(get(&format!("/lock/{bad}?val=1")), Err(HttpError::Malformed("counter id")), "{bad}");
    }
    assert_eq!(get("/lock/g?val=1#f"), Err(HttpError::Malformed("target")));
}

#[test]
fn queries() {
    let get = |query: &str| target(Method::Get, &format!("/lock/g{query}"));
    for query in ["?val=7", "?a=b&val=7&c", "?&&val=7&", "?val=7&VAL=8&xval=9", "?nonce=val=1&val=7"] {
        assert_eq!(get(query), Ok(lock(b"g", 7)), "{query}");
    }
    for query in [
        "",
        "?",
        "?val",
        "?val=",
        "?val=+7",
        "?val=-7",
        "?val=07",
        "?val=7.0",
        "?val=0x7",
        "?val=%37",
        "?val= 7",
        "?val=18446744073709551616",
        "?val=7&val=7",
        "?val=7&val",
        "?val=7?",
        "?x=1",
    ] {
        assert_eq!(get(query), Err(HttpError::Field("val")), "{query}");
    }
    // An increment has no query of ours.
    assert_eq!(target(Method::Post, "/increment/g?val=x"), Ok(increment(None, None, None, None)));
}

#[test]
fn methods() {
    assert_eq!(target(Method::Post, "/lock/g?val=1"), Ok(lock(b"g", 1)));
    assert_eq!(body(Method::Get, "/lock/g?val=1", b"ignored"), Ok(lock(b"g", 1)));
    let both = Err(HttpError::MethodNotAllowed { allow: "GET, POST" });
    for method in ["HEAD", "PUT", "get", "DELETE"] {
        assert_eq!(target(Method::new(method), "/lock/g?val=1"), both);
        let get = Err(HttpError::MethodNotAllowed { allow: "GET" });
        assert_eq!(target(Method::new(method), "/commit/g?val=1"), get);
        let post = Err(HttpError::MethodNotAllowed { allow: "POST" });
        assert_eq!(target(Method::new(method), "/increment/g"), post);
    }
    assert_eq!(target(Method::Get, "/commit/g?val=1"), Ok(commit(b"g", 1)));
    assert_eq!(target(Method::Get, "/commit/g"), Err(HttpError::Field("val")));
    assert_eq!(target(Method::Get, "/increment/g"), Err(HttpError::MethodNotAllowed { allow: "POST" }));
    assert_eq!(Method::new("GET"), Method::Get);
    assert_eq!(Method::new("BREW").as_str(), "BREW");
}

#[test]
fn increment_bodies() {
    let post = |b: &str| body(Method::Post, "/increment/g", b.as_bytes());
    let none = Ok(increment(None, None, None, None));
    assert_eq!(post(""), none);
    assert_eq!(post("{}"), none);
    assert_eq!(post(r#"{"val":null,"lock_id":null,"prev":null,"pin":null,"new":{"pin":1}}"#), none);
    assert_eq!(post(r#"{"prev":""}"#), none);
    assert_eq!(post(r#"{"val":"7"}"#), Ok(increment(Some(7), None, None, None)));
    assert_eq!(post(r#"{"lock_id":""}"#), Ok(increment(None, Some(b""), None, None)));
    let upper = Q.to_uppercase();
    assert_eq!(
        post(&format!(r#"{{"pin":"{upper}","val":1,"prev":"{P}"}}"#)),
        Ok(increment(Some(1), None, Some(p()), Some(q())))
    );
    for (bad, field) in [
        (r#"{"val":-1}"#, "val"),
        (r#"{"val":1.0}"#, "val"),
        (r#"{"val":1e2}"#, "val"),
        (r#"{"val":"01"}"#, "val"),
        (r#"{"val":[1]}"#, "val"),
        (r#"{"val":18446744073709551616}"#, "val"),
        (r#"{"lock_id":1}"#, "lock_id"),
        (r#"{"lock_id":"0"}"#, "lock_id"),
        (r#"{"lock_id":"0g"}"#, "lock_id"),
        (r#"{"pin":""}"#, "pin"),
        (r#"{"pin":"00"}"#, "pin"),
        (r#"{"pin":{}}"#, "pin"),
        (r#"{"prev":"00"}"#, "prev"),
        (r#"{"prev":0}"#, "prev"),
        (r#"{"key":"0g"}"#, "key"),
        (r#"{"key":7}"#, "key"),
    ] {
        assert_eq!(post(bad), Err(HttpError::Field(field)), "{bad}");
    }
    for (bad, error) in [
        (r#"{"val":1"#, JsonError::End),
        (r#"{"val":1}x"#, JsonError::Trailing(9)),
        (r#"{"val":1,"val":1}"#, JsonError::Duplicate("val")),
        (r#"{"val":1,"v\u0061l":1}"#, JsonError::Duplicate("val")),
        (r#"[]"#, JsonError::Syntax(0)),
        ("val=1", JsonError::Syntax(0)),
        (r#"{"x":"\ud800"}"#, JsonError::Escape(6)),
    ] {
        assert_eq!(post(bad), Err(HttpError::Json(error)), "{bad}");
    }
    assert_eq!(
        body(Method::Post, "/increment/g", b"{\"x\":\"\xff\"}"),
        Err(HttpError::Json(JsonError::Utf8))
    );
}

#[test]
fn tokens() {
    let bearer = |values: &[&'static str]| {
        let headers = Headers::from_iter(values.iter().map(|v| ("AUTHORIZATION", *v)));
        let target = "/lock/g?val=0".to_owned();
        let request = HttpRequest { method: Method::Get, target, headers, body: Bytes::new() };
        let inbound = decode_request(&request).map(|inbound| inbound.token.map(str::to_owned));
        assert_eq!(request.bearer().map(|t| t.map(str::to_owned)), inbound);
        inbound
    };
    assert_eq!(bearer(&[]), Ok(None));
    assert_eq!(bearer(&["Bearer abc"]), Ok(Some("abc".to_owned())));
    assert_eq!(bearer(&["bEARER  a=="]), Ok(Some("a==".to_owned())));
    assert_eq!(bearer(&["Basic dXNlcjpwYXNz"]), Ok(None));
    let malformed = Err(HttpError::Malformed("Authorization"));
    for bad in [
        &["Bearer"][..],
        &["Bearer "],
        &["Bearer a b"],
        &["Bearer ="],
        &["Bearer a=b"],
        &["Bearer a", "Bearer a"],
    ] {
        assert_eq!(bearer(bad), malformed, "{bad:?}");
    }
    for bad in ["", "a b", "a\r\nX: y", "=", "a=b", "\u{e9}"] {
        let request = LockRequest { counter: name(b"g"), val: 0 };
        assert_eq!(encode_lock(&request, Some(bad)), Err(HttpError::Field("token")), "{bad:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let sent = encode(&full(b"the commit"), None).unwrap();
    let inbound = decode_request(&sent).unwrap();
    for text in [format!("{sent:?}"), format!("{inbound:?}")] {
        for secret in ["5555", "[85, ", "the commit", "UUU"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let request = encode_lock(&LockRequest { counter: name(b"g"), val: 0 }, Some("s3cret")).unwrap();
    let inbound = decode_request(&request).unwrap();
    for text in [format!("{request:?}"), format!("{inbound:?}")] {
        assert!(!text.contains("s3cret") && text.contains("redacted"), "{text}");
    }
}

// ---- bytes

#[test]
fn requests_as_others_write_them() {
    let read = |input: &[u8]| {
        let request = request(input);
        (request.method.clone(), request.target.clone(), request.body.clone())
    };
    let get = (Method::Get, "/x".to_owned(), Bytes::new());
    assert_eq!(read(b"GET /x HTTP/1.1\r\nhost:h\r\n\r\n"), get);
    assert_eq!(read(b"\r\nGET /x HTTP/1.1\r\nHost: \t h \t\r\nX: \xff\r\nY:\r\n\r\n"), get);
    assert_eq!(read(b"GET /x HTTP/1.0\r\n\r\n"), get);
    let post = (Method::Post, "/x".to_owned(), Bytes::from_static(b"ab"));
    assert_eq!(read(b"POST /x HTTP/1.1\r\nHost: h\r\ncontent-length: 2\r\n\r\nab"), post);

    // The next message starts right behind.
    let two = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET";
    let Ok(Decoded::Complete { message, len }) = HttpRequest::decode(two, &HttpLimits::default()) else {
        panic!();
    };
    assert_eq!((&message.body[..], &two[len..]), (&b"ab"[..], &b"GET"[..]));
}

#[test]
fn requests_that_are_none() {
    use HttpError::Malformed;
    for (input, error) in [
        (&b"GET /x\r\n\r\n"[..], Malformed("request line")),
        (b"GET  /x HTTP/1.1\r\n\r\n", Malformed("request line")),
        (b"GET /x HTTP/1.1 \r\n\r\n", Malformed("request line")),
        (b"GET /x y HTTP/1.1\r\n\r\n", Malformed("request line")),
        (b"G(T /x HTTP/1.1\r\n\r\n", Malformed("request line")),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", Malformed("request line")),
        (b"GET /\t HTTP/1.1\r\nHost: h\r\n\r\n", Malformed("request line")),
        (b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n", Malformed("version")),
        (b"GET /x http/1.1\r\nHost: h\r\n\r\n", Malformed("version")),
        (b"GET /x HTTP/1.1\r\n\r\n", Malformed("Host")),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", Malformed("Host")),
        (b"GET /x HTTP/1.1\n", Malformed("line end")),
        (b"GET /x HTTP/1.1\r\nHost: h\n", Malformed("line end")),
        (b"GET /x HTTP/1.1\r\nHost: h\rX: y\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nHost : h\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nHost: h\r\n folded\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\n: h\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nHost h\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nHost: a\0b\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nHost: a\x7fb\r\n", Malformed("header")),
        (b"GET /x HTTP/1.1\r\nH\xc3\xa9: b\r\n", Malformed("header")),
        (
            b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            Malformed("Transfer-Encoding"),
        ),
        (
            b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ntransfer-encoding: identity\r\n\r\nx",
            Malformed("Transfer-Encoding"),
        ),
        (
            b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            Malformed("Content-Length"),
        ),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", Malformed("Content-Length")),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", Malformed("Content-Length")),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", Malformed("Content-Length")),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4198403\r\n\r\n", HttpError::TooLarge("body")),
        (
            b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            HttpError::TooLarge("body"),
        ),
    ] {
        assert_eq!(request_error(input), error, "{}", input.escape_ascii());
    }
}

#[test]
fn responses_as_others_write_them() {
    let read = |input: &[u8]| {
        let response = response(input);
        (response.status, response.body)
    };
    let empty = Bytes::new();
    assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), (200, Bytes::from_static(b"{}")));
    assert_eq!(read(b"HTTP/1.0 200 \r\nContent-Length: 0\r\n\r\n"), (200, empty.clone()));
    assert_eq!(read(b"HTTP/1.1 599\r\nContent-Length: 00\r\n\r\n"), (599, empty.clone()));
    assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n"), (204, empty.clone()));
    assert_eq!(read(b"HTTP/1.1 304 Not \xff Modified\r\nContent-Length: 9\r\n\r\n"), (304, empty.clone()));
    assert_eq!(
        read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hi\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (200, empty)
    );

    // Without a length the body ends with the connection.
    let limits = HttpLimits::default();
    let open = b"HTTP/1.1 200 OK\r\n\r\n{\"result\":\"ok\"}";
    assert_eq!(HttpResponse::decode(open, false, &limits), Ok(Decoded::Incomplete));
    let closed = whole(HttpResponse::decode(open, true, &limits), open);
    assert_eq!(decode_increment_reply(&closed), Ok(IncrementReply::Ok(state(0))));
    let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    long.resize(long.len() + limits.body + 1, b' ');
    for ended in [false, true] {
        assert_eq!(HttpResponse::decode(&long, ended, &limits), Err(HttpError::TooLarge("body")));
    }
}

#[test]
fn what_is_just_as_long_as_allowed_is_taken() {
    let mut limits = HttpLimits::default();
    (limits.head, limits.body) = (25, 3);
    let read = |input: &[u8]| match HttpResponse::decode(input, true, &limits) {
        Ok(Decoded::Complete { message, .. }) => Ok(message.body),
        Ok(Decoded::Incomplete) => panic!("it has ended"),
        Err(error) => Err(error),
    };
    assert_eq!(read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n"), Ok(Bytes::new()));
    assert_eq!(
        read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\n\r\nHTTP/1.1 204 \r\n\r\n"),
        Err(HttpError::TooLarge("interim responses"))
    );
    assert_eq!(read(b"HTTP/1.1 200 \r\n\r\nabc"), Ok(Bytes::from_static(b"abc")));
    assert_eq!(read(b"HTTP/1.1 200 \r\n\r\nabcd"), Err(HttpError::TooLarge("body")));

    let padded = |n: usize| format!("{{{}}}", " ".repeat(n - 2));
    assert!(
        body(Method::Post, "/increment/g", padded(MAX_JSON).as_bytes()) != Err(HttpError::TooLarge("body"))
    );

    let headers = |lines: &[(&'static str, &'static str)]| lines.iter().copied().collect::<Headers>();
    assert!(headers(&[]).is_empty() && !headers(&[("a", "b")]).is_empty());

    // What is unknown is skipped whole, with all it has inside.
    let nested = r#"{"x":{"a":[1,{"b":2,"c":[]}],"d":3},"y":{},"result":"ok","expires_in_ms":1}"#;
    assert!(decode_lock_reply(&bare_response(200, nested)).is_ok());

    // The beginning of an empty line, or of nothing yet, is no request.
    for input in [&b""[..], b"\r", b"\r\n"] {
        assert_eq!(HttpRequest::decode(input, &HttpLimits::default()), Ok(Decoded::Incomplete));
    }
}

#[test]
fn responses_that_are_none() {
    use HttpError::Malformed;
    for (input, error) in [
        (&b"HTTP/1.1\r\n\r\n"[..], Malformed("status line")),
        (b"HTTP/1.1 \r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1 20\r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1 2000\r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1 020 x\r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1 2x0 x\r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1  200 x\r\n\r\n", Malformed("status line")),
        (b"HTTP/1.1 200 \0\r\n\r\n", Malformed("status line")),
        (b"\r\n\r\n", Malformed("status line")),
        (b"HTTP/2 200 OK\r\n\r\n", Malformed("version")),
        (b"ICY 200 OK\r\n\r\n", Malformed("version")),
        (b"HTTP/1.1 101 x\r\n\r\n", Malformed("protocol switch")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Malformed("Transfer-Encoding")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Malformed("Content-Length")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4198403\r\n\r\n", HttpError::TooLarge("body")),
    ] {
        assert_eq!(response_error(input), error, "{}", input.escape_ascii());
    }
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(400);
    assert_eq!(response_error(&interim), HttpError::TooLarge("interim responses"));
}

#[test]
fn limits_hold_exactly() {
    let limits = HttpLimits::default();
    assert_eq!((limits.head, limits.headers, limits.body), (8192, 64, MAX_BODY));
    assert_eq!(MAX_BODY, 2 + MAX_JSON + MAX_COMMIT);

    let head = |len: usize| {
        let mut head = b"GET / HTTP/1.1\r\nHost: h\r\nX: ".to_vec();
        head.resize(len - 4, b'x');
        head.extend_from_slice(b"\r\n\r\n");
        head
    };
    request(&head(limits.head));
    assert_eq!(request_error(&head(limits.head + 1)), HttpError::TooLarge("head"));
    // Known before the end has come.
    assert_eq!(request_error(&head(limits.head + 1)[..limits.head]), HttpError::TooLarge("head"));
    assert_eq!(request_error(&vec![b'x'; limits.head]), HttpError::TooLarge("head"));
    assert_eq!(HttpRequest::decode(&vec![b'x'; limits.head - 1], &limits), Ok(Decoded::Incomplete));

    let lines =
        |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(n - 1)).into_bytes();
    assert_eq!(request(&lines(limits.headers)).headers.len(), limits.headers);
    assert_eq!(request_error(&lines(limits.headers + 1)), HttpError::TooLarge("headers"));

    let mut full = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {MAX_BODY}\r\n\r\n").into_bytes();
    full.resize(full.len() + MAX_BODY, b' ');
    assert_eq!(request(&full).body.len(), limits.body);
}

#[test]
fn what_would_not_be_one_line_is_not_written() {
    let good = HttpRequest {
        method: Method::Get,
        target: "/x".to_owned(),
        headers: Headers::default(),
        body: Bytes::new(),
    };
    let with = |edit: &dyn Fn(&mut HttpRequest)| {
        let mut request = good.clone();
        edit(&mut request);
        request.to_bytes("h").map(|b| b.escape_ascii().to_string())
    };
    let header = HttpError::Malformed("header");
    assert_eq!(with(&|r| r.target = "/x y".to_owned()), Err(HttpError::Malformed("target")));
    assert_eq!(with(&|r| r.target.clear()), Err(HttpError::Malformed("target")));
    assert_eq!(with(&|r| r.method = Method::new("G T")), Err(HttpError::Malformed("method")));
    assert_eq!(with(&|r| r.headers.push("A", "b\r\nC: d")), Err(header));
    assert_eq!(with(&|r| r.headers.push("A b", "c")), Err(header));
    assert_eq!(with(&|r| r.headers.push("Transfer-Encoding", "chunked")), Err(header));
    for host in ["", "h\r\nX: y", "a b"] {
        assert_eq!(good.to_bytes(host), Err(HttpError::Malformed("host")));
    }
    // The embedder's own of these would contradict ours.
    let expected = r"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned();
    assert_eq!(with(&|r| r.headers.push("HOST", "other")), Ok(expected.clone()));
    assert_eq!(with(&|r| r.headers.push("content-length", "7")), Ok(expected));

    for status in [0, 99, 101, 199, 600, u16::MAX] {
        assert_eq!(bare_response(status, "").to_bytes(), Err(HttpError::Malformed("status")), "{status}");
    }
    assert_eq!(bare_response(204, "x").to_bytes(), Err(HttpError::Malformed("status")));
    assert_eq!(&bare_response(204, "").to_bytes().unwrap()[..], b"HTTP/1.1 204 \r\n\r\n");
}

// ---- any request, any reply, any bytes

fn names() -> impl Strategy<Value = GroupName> {
    prop::collection::vec(any::<u8>(), 1..=255)
        .prop_filter_map("not a group name", |bytes| GroupName::new(bytes).ok())
}

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn pins() -> impl Strategy<Value = Pin> {
    any::<[[u8; 32]; 3]>().prop_map(|[a, b, c]| Pin::new(a, b, c))
}

fn counters() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..10u64, Just(u64::MAX), (1u64 << 53) - 2..(1 << 53) + 2]
}

fn calls() -> impl Strategy<Value = Call> {
    let option = prop::option::of::<BoxedStrategy<Pin>>;
    prop_oneof![
        (names(), counters()).prop_map(|(counter, val)| Call::Lock(LockRequest { counter, val })),
        (names(), counters()).prop_map(|(counter, val)| Call::Commit(CommitRequest { counter, val })),
        (
            names(),
            prop::option::of(counters()),
            prop::option::of(bytes(MAX_LOCK_ID)),
            option(pins().boxed()),
            option(pins().boxed()),
            prop::option::of(bytes(SLOT_KEY_LEN)),
            prop::option::of(bytes(300)),
        )
            .prop_map(|(counter, val, lock_id, prev, pin, key, commit)| {
                Call::Increment(IncrementRequest { counter, val, lock_id, prev, pin, key, commit })
            }),
    ]
}

fn states() -> impl Strategy<Value = CounterState> {
    (counters(), prop::option::of(pins()), prop::option::of(bytes(MAX_RECEIPT)), any::<bool>()).prop_map(
        |(current, pin, receipt, pin_forgotten)| CounterState { current, pin, receipt, pin_forgotten },
    )
}

fn reasons() -> impl Strategy<Value = Reason> {
    prop::sample::select(Reason::ALL.to_vec())
}

fn lock_replies() -> impl Strategy<Value = LockReply> {
    prop_oneof![
        (prop::option::of(bytes(MAX_LOCK_ID)), counters())
            .prop_map(|(lock_id, ms)| LockReply::Ok { lock_id, expires_in: Duration::from_millis(ms) }),
        counters().prop_map(|ms| LockReply::Conflict { retry_later: Duration::from_millis(ms) }),
        states().prop_map(LockReply::CounterError),
        reasons().prop_map(LockReply::Error),
    ]
}

fn increment_replies() -> impl Strategy<Value = IncrementReply> {
    prop_oneof![
        states().prop_map(IncrementReply::Ok),
        states().prop_map(IncrementReply::CounterError),
        states().prop_map(IncrementReply::WrongKey),
        reasons().prop_map(IncrementReply::Error),
    ]
}

fn commit_replies() -> impl Strategy<Value = CommitReply> {
    prop_oneof![
        (states(), bytes(300)).prop_map(|(state, commit)| CommitReply::Found { state, commit }),
        states().prop_map(CommitReply::CounterError),
        // A read is never refused for a state, which 409 is for.
        reasons().prop_filter("409", |reason| reason.status() != 409).prop_map(CommitReply::Error),
    ]
}

fn tokens_() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[A-Za-z0-9._~+/-]{1,40}={0,2}")
}

/// Every decoder over the same bytes. What it must not do is panic, or claim bytes it was not given.
fn decode_all(input: &[u8]) {
    let limits = HttpLimits::default();
    if let Ok(Decoded::Complete { message, len }) = HttpRequest::decode(input, &limits) {
        assert!(len <= input.len());
        let _ = decode_request(&message);
    }
    for ended in [false, true] {
        if let Ok(Decoded::Complete { message, len }) = HttpResponse::decode(input, ended, &limits) {
            assert!(len <= input.len());
            let _ = decode_lock_reply(&message);
            let _ = decode_increment_reply(&message);
            let _ = decode_commit_reply(&message);
        }
    }
}

proptest! {
    #[test]
    fn requests_round_trip(call in calls(), token in tokens_()) {
        let sent = encode(&call, token.as_deref()).unwrap();
        prop_assert_eq!(&decode_request(&sent).unwrap().call, &call);
        let sent = sent.to_bytes("h").unwrap();
        let received = request(&sent);
        prop_assert_eq!(decode_request(&received), Ok(Inbound { call, token: token.as_deref() }));
    }

    #[test]
    fn replies_round_trip(lock in lock_replies(), increment in increment_replies(), commit in commit_replies()) {
        let sent = encode_commit_reply(&commit).to_bytes().unwrap();
        prop_assert_eq!(decode_commit_reply(&response(&sent)), Ok(commit));
        let sent = encode_lock_reply(&lock).to_bytes().unwrap();
        let received = response(&sent);
        prop_assert_eq!(received.headers.get("cache-control").unwrap(), &b"no-store"[..]);
        prop_assert_eq!(decode_lock_reply(&received), Ok(lock));
        let sent = encode_increment_reply(&increment).to_bytes().unwrap();
        let received = response(&sent);
        prop_assert_eq!(received.headers.get("cache-control").unwrap(), &b"no-store"[..]);
        prop_assert_eq!(decode_increment_reply(&received), Ok(increment));
    }

    /// The wait on the wire never ends before the real one, in either of its two forms.
    #[test]
    fn waiting_is_rounded_up(nanos in 0..u64::MAX) {
        let retry_later = Duration::from_nanos(nanos);
        let mut response = encode_lock_reply(&LockReply::Conflict { retry_later });
        for _ in 0..2 {
            let Ok(LockReply::Conflict { retry_later: heard }) = decode_lock_reply(&response) else {
                panic!();
            };
            prop_assert!(heard >= retry_later && heard < retry_later + Duration::from_millis(1001));
            response.body = Bytes::new();
        }
    }

    #[test]
    fn a_part_is_incomplete(call in calls(), reply in lock_replies()) {
        let limits = HttpLimits::default();
        let sent = encode(&call, None).unwrap().to_bytes("h").unwrap();
        for end in 0..sent.len() {
            prop_assert_eq!(HttpRequest::decode(&sent[..end], &limits), Ok(Decoded::Incomplete));
        }
        let sent = encode_lock_reply(&reply).to_bytes().unwrap();
        for end in 0..sent.len() {
            prop_assert_eq!(HttpResponse::decode(&sent[..end], false, &limits), Ok(Decoded::Incomplete));
            prop_assert_eq!(HttpResponse::decode(&sent[..end], true, &limits), Err(HttpError::Truncated));
        }
    }

    #[test]
    fn flipped_bits_never_panic(
        call in calls(),
        lock in lock_replies(),
        flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
    ) {
        for sent in [
            encode(&call, Some("t")).unwrap().to_bytes("h").unwrap(),
            encode_lock_reply(&lock).to_bytes().unwrap(),
        ] {
            let mut bytes = sent.to_vec();
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
            decode_all(&bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        start in prop::sample::select(vec![
            "", "GET ", "POST /increment/g HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
            "POST /increment/g HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.moq-mls.commit\r\nContent-Length: 9\r\n\r\n\0",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 412 \r\n\r\n{", "HTTP/1.1 ",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        decode_all(&[start.as_bytes(), &rest].concat());
    }

    #[test]
    fn random_targets_never_panic(t in "(/lock/|/increment/|/commit/|http://)?[ -~]{0,40}(\\?val=[0-9]{0,22})?") {
        let _ = target(Method::Get, &t);
        let _ = target(Method::Post, &t);
    }
}
