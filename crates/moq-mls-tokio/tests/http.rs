//! The HTTP client against the counter service, and against what is none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moq_mls::Failure;
use moq_mls::counter::http::{Decoded, Headers, HttpLimits, HttpRequest, HttpResponse, encode_date};
use moq_mls::counter::{LockReply, LockRequest, Reason};
use moq_mls::tracks::GroupName;
use moq_mls_tokio::{
    Clock, CounterClient, CounterError, Failover, HttpCounter, HttpCounterError, HttpOptions, MemoryStore,
    SystemClock, moq_mls,
};
use support::{World, agree, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves HTTP on loopback, and returns the base address.
async fn serve(respond: impl Fn(&HttpRequest) -> HttpResponse + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let respond = respond.clone();
            tokio::spawn(async move {
                let mut received = Vec::new();
                loop {
                    if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                    while let Ok(Decoded::Complete { message, len }) =
                        HttpRequest::decode(&received, &HttpLimits::default())
                    {
                        received.drain(..len);
                        let answer = respond(&message).to_bytes().unwrap();
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> HttpResponse {
    let headers: Headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    HttpResponse { status, headers, body: body.into() }
}

fn client(base: &str) -> HttpCounter {
    HttpCounter::new(base, HttpOptions::default()).unwrap()
}

fn request() -> LockRequest {
    LockRequest { counter: GroupName::try_from("room-1").unwrap(), val: 0 }
}

#[tokio::test]
async fn a_group_forms_over_http() {
    let world = World::new();
    let counter = world.counter.clone();
    let base = serve(move |request| counter.respond(request)).await;
    let mut members = Vec::new();
    for name in ["alice", "bob"] {
        let parts = (world.relay.clone(), client(&base), MemoryStore::new());
        let (handle, notices) = world.driver(name, parts).start().await.unwrap();
        handle.join().await.unwrap();
        members.push((handle, notices));
    }
    let handles: Vec<_> = members.iter().map(|(handle, _)| handle).collect();
    let epoch = agree(&handles, 1).await;
    handles[1].update().await.unwrap();
    agree(&handles, epoch + 1).await;
}

#[tokio::test]
async fn what_is_no_counter_service_is_named() {
    let page = [("Content-Type", "text/html; charset=utf-8")];
    let cases = [
        (answer(302, &[("Location", "https://login.example/")], ""), "leads to https://login.example/"),
        (answer(301, &[], ""), "status 301"),
        (answer(404, &page, "<html>not found</html>"), "status 404"),
        (answer(200, &page, "<html>log in first</html>"), "an HTML page"),
        (answer(200, &[], "hello"), "a body that is no answer"),
        (answer(401, &page, "<html>sign in</html>"), "an HTML page, as for people to sign in"),
        (answer(403, &page, "<html>sign in</html>"), "an HTML page, as for people to sign in"),
    ];
    for (response, expected) in cases {
        let base = serve(move |_| response.clone()).await;
        let answer = client(&base).lock(request()).await;
        let error = answer.reply.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("{base} is not a counter service: ")), "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(Failure::from(&error), Failure::Unknown);
        assert_eq!(answer.service_time, None, "the time of a page is nobody's");
    }
    // An error of a proxy before the service passes.
    let base = serve(move |_| answer(502, &page, "<html>bad gateway</html>")).await;
    let error = client(&base).lock(request()).await.reply.unwrap_err();
    assert!(matches!(error, CounterError::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn no_redirect_leads_a_token_elsewhere() {
    let asked = Arc::new(AtomicUsize::new(0));
    let elsewhere = asked.clone();
    let target = serve(move |_| {
        elsewhere.fetch_add(1, Ordering::SeqCst);
        answer(200, &[], "")
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{target}/lock/room-1?val=0");
        let base = serve(move |_| answer(status, &[("Location", &to)], "")).await;
        let mut options = HttpOptions::default();
        options.token = Some("secret".to_owned());
        let client = HttpCounter::new(&base, options).unwrap();
        let error = client.lock(request()).await.reply.unwrap_err();
        assert!(matches!(error, CounterError::NotCounterService { .. }), "{status}: {error}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// Services over one store, of which one after the other ends: the group goes on.
#[tokio::test]
async fn a_group_goes_on_when_its_counter_service_ends() {
    let world = World::new();
    let up = Arc::new(AtomicUsize::new(0));
    let mut services = Vec::new();
    for number in 0..3 {
        let (counter, up) = (world.counter.clone(), up.clone());
        let base = serve(move |request| match up.load(Ordering::SeqCst) == number {
            true => counter.respond(request),
            false => answer(503, &[("Retry-After", "60")], ""),
        });
        services.push(client(&base.await));
    }
    let mut members = Vec::new();
    for name in ["alice", "bob"] {
        let counter = Failover::new(services[0].clone(), services[1..].iter().cloned());
        let parts = (world.relay.clone(), counter, MemoryStore::new());
        let (handle, notices) = world.driver(name, parts).start().await.unwrap();
        handle.join().await.unwrap();
        members.push((handle, notices));
    }
    let handles: Vec<_> = members.iter().map(|(handle, _)| handle).collect();
    let mut epoch = agree(&handles, 1).await;
    for number in [1, 2, 0] {
        up.store(number, Ordering::SeqCst);
        handles[number % 2].update().await.unwrap();
        epoch = agree(&handles, epoch + 1).await;
    }
}

#[tokio::test]
async fn the_status_names_it_too() {
    let world = World::new();
    let base = serve(|_| answer(404, &[], "")).await;
    let parts = (world.relay.clone(), client(&base), MemoryStore::new());
    let (alice, _notices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    let status = wait(&alice, "to fail", |status| status.counter_error.is_some()).await;
    assert!(matches!(status.counter_error, Some(CounterError::NotCounterService { .. })));
}

#[tokio::test]
async fn a_request_that_was_not_sent_is_known_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&base).lock(request()).await.reply.unwrap_err();
    assert_eq!(Failure::from(&error), Failure::NotSent, "{error}");
    // One that takes too long may have had its effect.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = HttpOptions::default();
    options.timeout = Duration::from_millis(100);
    let slow = HttpCounter::new(&format!("http://{}", listener.local_addr().unwrap()), options).unwrap();
    let error = slow.lock(request()).await.reply.unwrap_err();
    assert_eq!(Failure::from(&error), Failure::Unknown, "{error}");
}

#[tokio::test]
async fn the_headers_of_an_answer_reach_the_participant() {
    let now = encode_date(SystemClock::new().now());
    let busy = answer(429, &[("Retry-After", "2"), ("Date", &now)], "");
    let response = busy.clone();
    let base = serve(move |_| response.clone()).await;
    let answer = client(&base).lock(request()).await;
    assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
    assert!(answer.service_time.is_some());
    assert_eq!(answer.reply, Ok(LockReply::Error(Reason::RateLimited)));
    // Of one service, and of several.
    for down in [busy, self::answer(503, &[("Retry-After", "2"), ("Date", &now)], "")] {
        let alone: fn(&str) -> Failover<HttpCounter> = |base| Failover::new(client(base), []);
        let both: fn(&str) -> Failover<HttpCounter> = |base| Failover::new(client(base), [client(base)]);
        for counter in [alone, both] {
            let (first, second) = until_asked_again(down.clone(), counter).await;
            let pause = second.duration_since(first);
            assert!(pause >= Duration::from_millis(1900), "{}: {pause:?}", down.status);
        }
    }
}

/// Answers the first round of requests by `first`; returns when the participant asked the last of it, and the next.
async fn until_asked_again(
    first: HttpResponse,
    counter: fn(&str) -> Failover<HttpCounter>,
) -> (Instant, Instant) {
    let world = World::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    // Where there are several services, a 503 of one is asked about at the next.
    let round = if first.status == 503 { counter("http://127.0.0.1").services() } else { 1 };
    let (times, service) = (asked.clone(), world.counter.clone());
    let base = serve(move |request| {
        let mut times = times.lock().unwrap();
        times.push(Instant::now());
        if times.len() <= round { first.clone() } else { service.respond(request) }
    })
    .await;
    let parts = (world.relay.clone(), counter(&base), MemoryStore::new());
    let (alice, _notices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    agree(&[&alice], 0).await;
    let times = asked.lock().unwrap().clone();
    (times[round - 1], times[round])
}

#[test]
fn an_address_that_is_not_fit_is_refused() {
    let options = || {
        let mut options = HttpOptions::default();
        options.token = Some("very-secret-token".to_owned());
        options
    };
    let new = |base: &str| HttpCounter::new(base, options());
    assert!(matches!(new("counter.example"), Err(HttpCounterError::Address(_))));
    assert!(matches!(new("http://counter.example"), Err(HttpCounterError::TokenInTheClear(_))));
    assert!(matches!(new("http://localhost.example"), Err(HttpCounterError::TokenInTheClear(_))));
    for fit in ["https://counter.example/", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"]
    {
        let shown = format!("{:?} {:?}", new(fit).unwrap(), options());
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    let mut options = HttpOptions::default();
    options.roots = Some(b"no certificate".to_vec());
    assert!(matches!(HttpCounter::new("https://counter.example", options), Err(HttpCounterError::Roots(_))));
}
