//! The counter service against any client that can reach it: floods of ids, web pages, a clock that was wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::http::{
    Headers, HttpRequest, Method, WebPolicy, decode_increment_reply, decode_lock_reply,
};
use moq_mls::counter::service::{Access, CounterService, ServiceConfig, ServiceCrypto};
use moq_mls::counter::{
    IncrementReply, IncrementRequest, LockReply, LockRequest, Pin, Reason, slot_lock_message,
};
use moq_mls::testing::sha256;
use moq_mls::tracks::GroupName;

struct Unsigned;

impl ServiceCrypto for Unsigned {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }
}

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const TOKEN: Bytes = Bytes::from_static(b"fresh");

fn service() -> CounterService<Unsigned> {
    CounterService::new(ServiceConfig::default(), Unsigned)
}

fn later(secs: u64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs() + secs)
}

fn id(name: &str) -> GroupName {
    GroupName::try_from(name).unwrap()
}

fn lock(name: &str, val: u64) -> LockRequest {
    LockRequest { counter: id(name), val }
}

/// A slot of a chain that anybody can make who founded the group.
fn slot(name: &str, val: u64) -> IncrementRequest {
    let key = |val: u64| Bytes::from(vec![val as u8; 32]);
    let commit = |val: u64| Bytes::from(format!("commit {val}"));
    let pin = |val: u64| {
        let lock = sha256(&slot_lock_message(&id(name), val, &key(val)));
        if val == 0 { Pin::genesis([1; 32], lock) } else { Pin::new(sha256(&commit(val)), [1; 32], lock) }
    };
    let mut request = IncrementRequest::draft(id(name));
    (request.val, request.pin) = (Some(val), Some(pin(val)));
    if let Some(before) = val.checked_sub(1) {
        (request.prev, request.key, request.commit) =
            (Some(pin(before)), Some(key(before)), Some(commit(val)));
    }
    request
}

fn filled(reply: &IncrementReply) -> bool {
    matches!(reply, IncrementReply::Ok(_))
}

/// As many pinned counters as there may be, by requests that need neither lock nor token.
fn flood(service: &mut CounterService<Unsigned>, now: Timestamp) -> usize {
    let mut bytes = 0;
    for i in 0..ServiceConfig::default().max_counters {
        let request = HttpRequest {
            method: Method::Post,
            target: format!("/increment/x{i}"),
            headers: Headers::from_iter([("Content-Type", "application/json")]),
            body: format!(r#"{{"val":0,"pin":"{}"}}"#, "00".repeat(96)).into(),
        };
        bytes += request.to_bytes("c").unwrap().len();
        assert_eq!(service.respond(now, &request, TOKEN).status, 200);
    }
    bytes
}

#[test]
fn a_flood_of_counters_does_not_end_the_service_for_everybody() {
    let mut service = service();
    let bytes = flood(&mut service, NOW);
    println!("figure bytes_that_fill_the_counter_table {bytes} bytes");
    assert_eq!(service.lock(NOW, &lock("a new meeting", 0), TOKEN), LockReply::Error(Reason::RateLimited));
    // When they have rested for long enough, each new group takes the place of one.
    let refused = (0..1000).filter(|i| {
        let name = format!("meeting {i}");
        !filled(&service.increment(later(3600), &slot(&name, 0)))
            || !filled(&service.increment(later(3600), &slot(&name, 1)))
    });
    assert_eq!(refused.count(), 0);
    assert_eq!(service.iter().count(), ServiceConfig::default().max_counters);
}

#[test]
fn a_counter_in_use_is_never_dropped_and_a_lonely_founder_that_asks_keeps_its_own() {
    let mut config = ServiceConfig::default();
    config.max_counters = 3;
    let mut service = CounterService::new(config, Unsigned);
    (0..2).for_each(|val| assert!(filled(&service.increment(NOW, &slot("used", val)))));
    assert!(filled(&service.increment(NOW, &slot("alone", 0))));
    assert!(filled(&service.increment(NOW, &slot("left", 0))));
    // The founder looks at its slot; nobody asks about the other two.
    let seen = service.lock(later(3599), &lock("alone", 0), TOKEN);
    assert!(matches!(seen, LockReply::CounterError(state) if state.current == 1));
    assert!(!filled(&service.increment(later(3599), &slot("new 1", 0))));
    assert!(filled(&service.increment(later(3600), &slot("new 1", 0))));
    assert_eq!(service.get(&id("left")), None);
    // The next in line was asked about a moment ago, and the used one is not in line, a year later neither.
    assert!(!filled(&service.increment(later(3600), &slot("new 2", 0))));
    let year = later(365 * 86_400);
    (0..10).for_each(|i| drop(service.increment(year, &slot(&format!("another {i}"), 0))));
    assert_eq!(service.get(&id("used")).map(|counter| counter.next()), Some(2));
    assert!(filled(&service.increment(year, &slot("used", 2))));
    // Used while it waits in line, it leaves the line.
    let young: Vec<GroupName> =
        service.iter().filter(|(_, counter)| counter.next() == 1).map(|(id, _)| id.clone()).collect();
    for name in &young {
        let name = std::str::from_utf8(name.as_bytes()).unwrap();
        assert!(filled(&service.increment(year, &slot(name, 1))));
    }
    let end = Timestamp::from_secs(year.as_secs() * 2);
    assert!(!filled(&service.increment(end, &slot("too late", 0))));
}

#[test]
fn one_source_cannot_take_all_the_room() {
    let mut service = service();
    let hostile = Access::of("203.0.113.7");
    let room = ServiceConfig::default().max_counters_per_source;
    // Two slots each, so that none of them ever makes room.
    let taken = (0..2 * room).filter(|i| {
        let name = format!("x{i}");
        let first = service.increment_for(&hostile, NOW, &slot(&name, 0));
        filled(&first) && filled(&service.increment_for(&hostile, NOW, &slot(&name, 1)))
    });
    assert_eq!(taken.count(), room);
    let limited = LockReply::Error(Reason::RateLimited);
    assert_eq!(service.lock_for(&hostile, NOW, &lock("more", 0), TOKEN), limited);
    // Its own go on, and others begin.
    assert!(filled(&service.increment_for(&hostile, NOW, &slot("x0", 2))));
    let other = Access::of("198.51.100.9");
    assert!(filled(&service.increment_for(&other, NOW, &slot("a new meeting", 0))));
    // A group that has ended is no longer counted.
    assert!(service.forget(&id("x1")).is_some());
    assert!(filled(&service.increment_for(&hostile, NOW, &slot("one more", 0))));
    assert_eq!(service.lock_for(&hostile, NOW, &lock("more", 0), TOKEN), limited);
    // Of its own, one that rests makes room, though the table is not full.
    assert!(matches!(service.lock_for(&hostile, later(3600), &lock("more", 0), TOKEN), LockReply::Ok { .. }));
    assert_eq!(service.get(&id("one more")), None);
}

fn from_page(method: Method, target: &str, lines: &[(&str, &str)], body: &str) -> HttpRequest {
    HttpRequest {
        method,
        target: target.to_owned(),
        headers: lines.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// What a page can have its visitor's browser send without asking first, each line a browser's way.
#[test]
fn a_web_page_cannot_pin_or_lock() {
    let mut service = service();
    let pin = format!(r#"{{"val":0,"pin":"{}"}}"#, "66".repeat(96));
    let (post, get) = (|| Method::Post, || Method::Get);
    let (to_pin, to_lock) = ("/increment/board", "/lock/staff?val=0");
    let text = ("Content-Type", "text/plain;charset=UTF-8");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let (origin, cross) = (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"));
    for (method, target, lines, body) in [
        (post(), to_pin, &[origin, cross, text][..], &*pin),
        // Browsers of before 2023, some without even an Origin on a form.
        (post(), to_pin, &[origin, text], &pin),
        (post(), to_pin, &[text], &pin),
        (post(), to_pin, &[form], &pin),
        // A blob without a type.
        (post(), to_pin, &[], &pin),
        (post(), to_pin, &[("Content-Type", "multipart/form-data; boundary=x")], &pin),
        // Allowed by a proxy in front, by mistake.
        (post(), to_pin, &[origin, ("Content-Type", "application/json")], &pin),
        (post(), to_pin, &[("Origin", "null"), ("Content-Type", "application/json")], &pin),
        (post(), to_pin, &[("Content-Type", "application/json"), text], &pin),
        // An image, a link, a form to the lock, a page of the same site, and one that has the service's address.
        (get(), to_lock, &[cross], ""),
        (get(), to_lock, &[origin], ""),
        (post(), to_lock, &[origin, form], ""),
        (get(), to_lock, &[("Sec-Fetch-Site", "same-site")], ""),
        (get(), to_lock, &[("Sec-Fetch-Site", "same-origin"), ("Host", "evil.example")], ""),
        (post(), "/increment/staff", &[origin], ""),
        (post(), "/increment/staff", &[form], ""),
        (post(), "/increment/staff", &[cross], ""),
    ] {
        let request = from_page(method, target, lines, body);
        let response = service.respond(NOW, &request, TOKEN);
        assert_eq!(response.status, 403, "{request:?}");
        let reason = match decode_lock_reply(&response) {
            Ok(LockReply::Error(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, Reason::Forbidden);
        assert_eq!(decode_increment_reply(&response), Ok(IncrementReply::Error(Reason::Forbidden)));
        // And it asks in vain whether it might: nothing in the answer says so.
        assert!(response.headers.iter().all(|(name, _)| !name.to_lowercase().starts_with("access-control")));
    }
    assert_eq!(service.iter().count(), 0);
    // The draft's client, which has neither a browser's headers nor a body.
    let plain = [("Host", "counter.example"), ("User-Agent", "curl/8")];
    let lock = from_page(get(), "/lock/staff?val=0", &plain, "");
    assert_eq!(service.respond(NOW, &lock, TOKEN).status, 200);
    assert_eq!(service.respond(NOW, &from_page(post(), "/increment/staff", &plain, ""), TOKEN).status, 200);
}

#[test]
fn a_page_may_ask_that_is_known_or_shows_a_token() {
    let mut policy = WebPolicy::default();
    policy.origins = vec!["https://app.example".to_owned()];
    let mut service = service().with_web(policy);
    let json = ("Content-Type", "application/json");
    let mut status = |lines: &[(&str, &str)], name: &str| {
        let request = from_page(Method::Post, &format!("/lock/{name}?val=0"), lines, "{}");
        service.respond(NOW, &request, TOKEN).status
    };
    let cross = ("Sec-Fetch-Site", "cross-site");
    assert_eq!(status(&[("Origin", "https://app.example"), cross, json], "a"), 200);
    assert_eq!(status(&[("Origin", "https://app.example.evil.example"), cross, json], "b"), 403);
    assert_eq!(status(&[("Origin", "http://app.example"), cross, json], "b"), 403);
    // Known by its Origin or not at all.
    assert_eq!(status(&[cross, json], "b"), 403);
    assert_eq!(
        status(&[("Origin", "https://app.example"), ("Origin", "https://evil.example"), json], "b"),
        403
    );
    assert_eq!(status(&[("Origin", "https://app.example"), ("Content-Type", "text/plain")], "b"), 403);
    // A client with a token, too: a body that fills a slot is JSON, or JSON with a commit.
    let token = ("Authorization", "Bearer t");
    assert_eq!(status(&[token, ("Content-Type", "text/plain")], "b"), 403);
    assert_eq!(status(&[token], "b"), 403);
    // No page adds a token that the service has not let it add.
    assert_eq!(
        status(&[("Origin", "https://evil.example"), cross, json, ("Authorization", "Bearer t")], "c"),
        200
    );
}

/// A page's name may be pointed at the service's address: to the browser the service is then the page's own.
#[test]
fn a_name_that_is_not_the_services_is_refused() {
    let mut policy = WebPolicy::default();
    policy.hosts = vec!["counter.example".to_owned(), "localhost:8080".to_owned()];
    let mut service = service().with_web(policy);
    let own = ("Sec-Fetch-Site", "same-origin");
    let mut status = |lines: &[(&str, &str)]| {
        let request = from_page(Method::Get, "/lock/g?val=1", lines, "");
        service.respond(NOW, &request, TOKEN).status
    };
    for host in ["counter.example", "Counter.EXAMPLE", "localhost:8080"] {
        assert_eq!(status(&[("Host", host)]), 412, "{host}");
        assert_eq!(status(&[("Host", host), own]), 412, "{host}");
        assert_eq!(status(&[("Host", host), ("Sec-Fetch-Site", "cross-site")]), 403, "{host}");
    }
    for host in ["evil.example", "localhost", "localhost:8081", ""] {
        assert_eq!(status(&[("Host", host), own]), 403, "{host}");
        assert_eq!(status(&[("Host", host), ("Authorization", "Bearer t")]), 403, "{host}");
    }
    assert_eq!(status(&[]), 403);
    assert_eq!(status(&[("Host", "counter.example"), ("Host", "evil.example")]), 403);
}

/// A lock taken in the second in which the service's clock was a year ahead.
#[test]
fn a_clock_that_ran_ahead_does_not_lock_a_group_for_a_year() {
    let year = 365 * 86_400;
    let mut service = service();
    assert!(filled(&service.increment(NOW, &slot("g", 0))));
    assert!(matches!(service.lock(later(year), &lock("g", 1), TOKEN), LockReply::Ok { .. }));
    let LockReply::Ok { expires_in, .. } = service.lock(NOW, &lock("g", 1), TOKEN) else {
        panic!("locked until the clock comes to where it was");
    };
    assert_eq!(expires_in, ServiceConfig::default().lease);
    assert!(matches!(service.lock(NOW, &lock("g", 1), TOKEN), LockReply::Conflict { .. }));
    assert!(matches!(service.lock(later(2), &lock("g", 1), TOKEN), LockReply::Ok { .. }));
}

/// Nor do counters keep their places until then that were locked, or begun, in that second.
#[test]
fn a_clock_that_ran_ahead_does_not_fill_the_table_for_a_year() {
    let mut config = ServiceConfig::default();
    config.max_counters = 2;
    let mut service = CounterService::new(config, Unsigned);
    let ahead = later(365 * 86_400);
    assert!(matches!(service.lock(ahead, &lock("locked", 0), TOKEN), LockReply::Ok { .. }));
    assert!(filled(&service.increment(ahead, &slot("begun", 0))));
    // It takes the place of the one that was locked, and is used.
    (0..2).for_each(|val| assert!(filled(&service.increment(NOW, &slot("new 1", val)))));
    assert!(!filled(&service.increment(later(3599), &slot("new 2", 0))));
    assert!(filled(&service.increment(later(3600), &slot("new 2", 0))));
}

/// The lock is a hint: who has the key fills the slot while another holds it, and holds it again and again.
#[test]
fn a_hogged_lock_does_not_keep_a_pin_out() {
    let mut service = service();
    assert!(filled(&service.increment(NOW, &slot("g", 0))));
    for val in 1..100 {
        let held = service.lock(NOW, &lock("g", val), Bytes::from_static(b"hog"));
        assert!(matches!(held, LockReply::Ok { .. }));
        assert!(filled(&service.increment(NOW, &slot("g", val))));
    }
    // And a lock gives no right: nobody pins without the key of the slot before.
    let held = service.lock(NOW, &lock("g", 100), Bytes::from_static(b"hog"));
    let LockReply::Ok { lock_id, .. } = held else { panic!("{held:?}") };
    let keyless = IncrementRequest { lock_id, key: None, ..slot("g", 100) };
    assert!(matches!(service.increment(NOW, &keyless), IncrementReply::WrongKey(_)));
}

/// Nor does one that was taken while the clock was a little ahead last for more than a lease from when it is met.
#[test]
fn a_lock_outlives_no_lease_by_what_the_clock_was_wrong() {
    let lease = ServiceConfig::default().lease;
    for ahead in [500, 1999, 2000] {
        let mut service = service();
        assert!(filled(&service.increment(NOW, &slot("g", 0))));
        let taken = NOW.after(Duration::from_millis(ahead));
        assert!(matches!(service.lock(taken, &lock("g", 1), TOKEN), LockReply::Ok { .. }));
        let LockReply::Conflict { retry_later } = service.lock(NOW, &lock("g", 1), TOKEN) else {
            panic!("it lasts still")
        };
        assert_eq!(retry_later, lease);
        let half = NOW.after(lease / 2);
        let LockReply::Conflict { retry_later } = service.lock(half, &lock("g", 1), TOKEN) else {
            panic!("it lasts still")
        };
        assert_eq!(retry_later, lease / 2, "{ahead} ms ahead");
        assert!(matches!(service.lock(NOW.after(lease), &lock("g", 1), TOKEN), LockReply::Ok { .. }));
    }
}
