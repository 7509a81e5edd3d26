//! Who may ask the counter service what, over HTTP: tokens, rates, browsers, limits, and what it lets out.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{
    Killed, blocking, fill, free_port, group, increment, plain_client, serve, slot_key, start, two_tokens,
};
use bytes::Bytes;
use moq_mls::counter::http::{Headers, HttpRequest, MAX_BODY, Method};
use moq_mls::counter::service::Counter;
use moq_mls::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Reason};
use moq_mls::tracks::GroupName;
use moq_mls::{Failure, Timestamp};
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::rate::Rate;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter::store::{Step, Store, StoreError};
use moq_mls_live::counter::tokens::Tokens;
use moq_mls_live::counter::{Service, generate_key};
use moq_mls_live::counter_client::CounterClient;
use moq_mls_live::tls;

fn token_client(server: &Server, token: &str) -> CounterClient {
    CounterClient::new(&format!("http://{}", server.address), None, Some(token.to_owned())).unwrap()
}

async fn ask(server: &Server, token: Option<&str>, name: &str) -> Result<LockReply, Failure> {
    let client = token.map_or_else(|| plain_client(server), |token| token_client(server, token));
    let request = LockRequest { counter: group(name), val: 0 };
    blocking(move || client.lock(&request)).await
}

fn served(reply: Result<LockReply, Failure>) -> bool {
    matches!(reply, Ok(LockReply::Ok { .. } | LockReply::Conflict { .. } | LockReply::CounterError(_)))
}

/// A client that guesses keys is stopped; the other members of the group are not.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_count_for_the_client_that_shows_them() {
    let server = serve(Some(two_tokens()), None, Arc::new(Memory::default())).await;
    let (alice, bob) = (token_client(&server, "a11ce"), token_client(&server, "b0b"));
    blocking(move || {
        let id = group("room");
        let prev = Some(fill(&alice, &id, 0, None));
        let right = increment(&id, 1, 1, prev);
        let wrong = IncrementRequest { key: Some(slot_key(77)), ..right.clone() };
        let mut tries = 0;
        while matches!(bob.increment(&wrong), Ok(IncrementReply::WrongKey(_))) {
            tries += 1;
            assert!(tries < 100, "as often as it likes");
        }
        assert!(tries >= 20, "{tries}");
        // Not even with the right key, for a while: or the answer would tell.
        assert_eq!(bob.increment(&right), Ok(IncrementReply::Error(Reason::RateLimited)));
        assert!(matches!(
            bob.lock(&LockRequest { counter: id.clone(), val: 0 }),
            Ok(LockReply::CounterError(_))
        ));
        assert!(matches!(alice.increment(&right), Ok(IncrementReply::Ok(_))));
    })
    .await;
}

/// A token says which member asks, so no member fills one slot after the other while another waits.
#[tokio::test(flavor = "multi_thread")]
async fn who_filled_the_newest_slot_leaves_the_next_to_who_asks() {
    let server = serve(Some(two_tokens()), None, Arc::new(Memory::default())).await;
    let (alice, bob) = (token_client(&server, "a11ce"), token_client(&server, "b0b"));
    // Without the lock, which may be the other's.
    let put = |client: &CounterClient, val, by, prev| {
        let request = increment(&group("room"), val, by, prev);
        (client.increment(&request).unwrap(), request.pin)
    };
    let filled = move |client: &CounterClient, val, by, prev| {
        let (reply, pin) = put(client, val, by, prev);
        assert!(matches!(reply, IncrementReply::Ok(_)), "{val}: {reply:?}");
        pin
    };
    let wait = IncrementReply::Error(Reason::NotYourTurn);
    let slot = |val| LockRequest { counter: group("room"), val };
    blocking(move || {
        let first = filled(&alice, 0, 1, None);
        let second = filled(&alice, 1, 1, first);
        assert!(bob.lock(&slot(2)).is_ok());
        assert_eq!(put(&alice, 2, 1, second).0, wait);
        let third = filled(&bob, 2, 2, second);
        assert!(matches!(put(&alice, 2, 1, second).0, IncrementReply::CounterError(_)));
        assert_eq!(put(&bob, 3, 2, third).0, wait, "she came too late");
        filled(&alice, 3, 1, third);
    })
    .await;
    // Whose address it is does not count: several may share it.
    let server = serve(None, None, Arc::new(Memory::default())).await;
    let (alice, bob) = (plain_client(&server), plain_client(&server));
    blocking(move || {
        let first = filled(&alice, 0, 1, None);
        assert!(bob.lock(&slot(1)).is_ok());
        let second = filled(&alice, 1, 1, first);
        assert!(bob.lock(&slot(2)).is_ok());
        filled(&alice, 2, 1, second);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_starts_so_many_counters() {
    let service = Service::new(Arc::new(Memory::default()), generate_key().unwrap(), None);
    let server = start(service.with_starts(Rate::with(3, Duration::from_secs(3600))), None).await;
    let client = plain_client(&server);
    blocking(move || {
        for i in 0..3 {
            let id = group(&format!("room {i}"));
            let prev = Some(fill(&client, &id, 0, None));
            fill(&client, &id, 1, prev);
        }
        let id = group("one more");
        let limited = Ok(LockReply::Error(Reason::RateLimited));
        assert_eq!(client.lock(&LockRequest { counter: id.clone(), val: 0 }), limited);
        let refused = client.increment(&increment(&id, 0, 1, None));
        assert_eq!(refused, Ok(IncrementReply::Error(Reason::RateLimited)));
        // What it has goes on.
        let prev = increment(&group("room 0"), 1, 1, None).pin;
        fill(&client, &group("room 0"), 2, prev);
    })
    .await;
}

#[test]
fn a_token_does_not_leave_the_machine_in_clear() {
    let token = || Some("secret".to_owned());
    for base in
        ["http://counter.example", "http://192.0.2.1:8080", "http://localhost.example:8080", "http://"]
    {
        assert!(CounterClient::new(base, None, token()).is_err(), "{base}");
    }
    for base in
        ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080", "https://counter.example"]
    {
        assert!(CounterClient::new(base, None, token()).is_ok(), "{base}");
    }
    assert!(CounterClient::new("http://counter.example", None, None).is_ok());
}

/// What a page of another site can have a visitor's browser send.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_cannot_pin_or_lock() {
    let server = serve(None, None, Arc::new(Memory::default())).await;
    let client = plain_client(&server);
    let send = |method: Method, target: &str, lines: &[(&'static str, &'static str)], body: String| {
        let headers = lines.iter().copied().collect();
        let request = HttpRequest { method, target: target.to_owned(), headers, body: body.into() };
        let client = client.clone();
        blocking(move || client.call(&request).unwrap().status)
    };
    let (origin, text) = (("Origin", "https://evil.example"), ("Content-Type", "text/plain;charset=UTF-8"));
    let pin = format!(r#"{{"val":0,"pin":"{}"}}"#, "66".repeat(96));
    assert_eq!(send(Method::Post, "/increment/board", &[origin, text], pin.clone()).await, 403);
    assert_eq!(send(Method::Post, "/increment/board", &[text], pin).await, 403);
    assert_eq!(
        send(Method::Get, "/lock/staff?val=0", &[("Sec-Fetch-Site", "cross-site")], String::new()).await,
        403
    );
    assert_eq!(send(Method::Get, "/lock/staff?val=0", &[], String::new()).await, 200);
    assert_eq!(send(Method::Post, "/increment/staff", &[origin], String::new()).await, 403);
    assert_eq!(send(Method::Post, "/increment/staff", &[], String::new()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_for_one_group_and_one_sender_and_can_be_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.txt");
    std::fs::write(
        &path,
        "# who may what\nalices-token room a11ce create\nbobs-token room b0b\nbobs-token hall b0b create\n",
    )
    .unwrap();
    let server = serve(Some(Tokens::load(&path).unwrap()), None, Arc::new(Memory::default())).await;
    assert_eq!(ask(&server, None, "room").await, Ok(LockReply::Error(Reason::Unauthenticated)));
    assert_eq!(ask(&server, Some("wrong"), "room").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert_eq!(ask(&server, Some("alices-token"), "hall").await, Ok(LockReply::Error(Reason::Forbidden)));
    // Of the groups of its line, one without the scope may ask, and not create.
    assert_eq!(ask(&server, Some("bobs-token"), "room").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert!(matches!(ask(&server, Some("alices-token"), "room").await, Ok(LockReply::Ok { .. })));
    assert!(matches!(ask(&server, Some("bobs-token"), "hall").await, Ok(LockReply::Ok { .. })));
    let (alice, bob) = (token_client(&server, "alices-token"), token_client(&server, "bobs-token"));
    blocking(move || {
        let first = increment(&group("room"), 0, 1, None);
        assert_eq!(bob.increment(&first), Ok(IncrementReply::Error(Reason::Forbidden)));
        assert_eq!(
            bob.increment(&IncrementRequest::draft(group("room"))),
            Ok(IncrementReply::Error(Reason::Forbidden))
        );
        assert!(matches!(alice.increment(&first), Ok(IncrementReply::Ok(_))));
        // Later slots are for both.
        assert!(matches!(
            bob.increment(&increment(&group("room"), 1, 1, first.pin)),
            Ok(IncrementReply::Ok(_))
        ));
    })
    .await;
    // A later generation is the same group to a token; a name that only begins alike is not.
    let later = |name: &'static str| ask(&server, Some("alices-token"), name);
    assert!(matches!(later("room~1").await, Ok(LockReply::Ok { .. })));
    assert!(matches!(later("room~s0123").await, Ok(LockReply::Ok { .. })));
    assert_eq!(later("rooms").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert_eq!(later("room 2~1").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert_eq!(ask(&server, Some("bobs-token"), "room~1").await, Ok(LockReply::Error(Reason::Forbidden)));

    // Revoked while the service runs. A damaged file revokes nothing.
    std::fs::write(&path, "nonsense\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(served(ask(&server, Some("alices-token"), "room").await));
    std::fs::write(&path, "bobs-token room b0b create\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask(&server, Some("alices-token"), "room").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert!(served(ask(&server, Some("bobs-token"), "room").await));

    // One token, one participant.
    for damaged in
        ["shared room a11ce\nshared room b0b\n", "t room~1 a11ce", "t room a11ce created", "t room"]
    {
        std::fs::write(&path, damaged).unwrap();
        assert!(Tokens::load(&path).is_err(), "{damaged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_a_rate() {
    let service = Service::new(Arc::new(Memory::default()), generate_key().unwrap(), Some(two_tokens()));
    let server = start(service.with_rate(Rate::new(1)), None).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(ask(&server, Some("a11ce"), "room").await.unwrap());
    }
    assert!(matches!(answers[0], LockReply::Ok { .. }), "{answers:?}");
    assert_eq!(answers[3], LockReply::Error(Reason::RateLimited));
    assert!(matches!(ask(&server, Some("b0b"), "room").await, Ok(LockReply::Conflict { .. })));
}

/// Takes its time for each step.
struct Slow(Memory);

impl Store for Slow {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        std::thread::sleep(Duration::from_millis(800));
        self.0.transact(id, now, step)
    }
    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        self.0.read(id, val, now)
    }
    fn claim(&self, name: &str, value: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.0.claim(name, value)
    }
    fn check(&self) -> anyhow::Result<()> {
        anyhow::bail!("never well")
    }
}

/// What was begun is answered; then nobody listens.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_finish() {
    let server = serve(None, None, Arc::new(Slow(Memory::default()))).await;
    let client = plain_client(&server);
    let health = HttpRequest {
        method: Method::Get,
        target: "/healthz".to_owned(),
        headers: Headers::default(),
        body: Default::default(),
    };
    let probe = client.clone();
    assert_eq!(blocking(move || probe.call(&health).unwrap().status).await, 503, "a store that is not well");
    let request = LockRequest { counter: group("room"), val: 0 };
    let (again, late) = (request.clone(), client.clone());
    let asked = tokio::task::spawn_blocking(move || client.lock(&request));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() > Duration::from_millis(200), "it did not wait");
    assert!(matches!(asked.await.unwrap(), Ok(LockReply::Ok { .. })));
    assert_eq!(blocking(move || late.lock(&again)).await, Err(Failure::NotSent));
}

/// The most that the service says about itself holds what happened, and no secret.
#[test]
fn logs_hold_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.txt");
    std::fs::write(&tokens, "very-secret-token room a11ce create\n").unwrap();
    let port = free_port();
    let child = Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["counter", "--bind", &format!("127.0.0.1:{port}"), "--store", "memory", "--tokens"])
        .arg(&tokens)
        .arg("--key")
        .arg(folder.path().join("receipts.key"))
        .env("RUST_LOG", "trace")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut said = child.0.stderr.take().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let client = CounterClient::new(&base, None, Some("very-secret-token".to_owned())).unwrap();
    let began = Instant::now();
    let request = LockRequest { counter: group("room"), val: 0 };
    let lock_id = loop {
        match client.lock(&request) {
            Ok(LockReply::Ok { lock_id, .. }) => break lock_id,
            Err(_) if began.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(20))
            }
            other => panic!("{other:?}"),
        }
    };
    let token = hex::encode(lock_id.as_ref().unwrap());
    let id = group("room");
    let request = IncrementRequest { lock_id, ..increment(&id, 0, 1, None) };
    assert!(matches!(client.increment(&request), Ok(IncrementReply::Ok(_))));
    // A key as text and as bytes, and a commit.
    let mut second = increment(&id, 1, 1, request.pin);
    second.key = Some(Bytes::from_static(b"a slot key that nobody may see!!"));
    assert!(matches!(client.increment(&second), Ok(IncrementReply::WrongKey(_))));
    second.key = Some(slot_key(0));
    assert!(matches!(client.increment(&second), Ok(IncrementReply::Ok(_))));
    child.0.kill().unwrap();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut said, &mut log).unwrap();
    for there in ["/lock/room", "/increment/room", "status=200"] {
        assert!(log.contains(there), "no {there:?} in {log}");
    }
    let key = hex::encode("a slot key that nobody may see!!");
    let zeros = "00".repeat(32);
    for secret in ["very-secret-token", &token, "nobody may see", &key, &zeros] {
        assert!(!log.contains(secret), "{secret:?} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_nonsense_is_refused_and_nothing_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let redb: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("c.redb")).unwrap());
    let server = serve(None, None, redb).await;
    let client = plain_client(&server);
    let send = |method: Method, target: String, body: Vec<u8>| {
        let client = client.clone();
        let headers = Headers::from_iter([("Content-Type", "application/json")]);
        let request = HttpRequest { method, target, headers, body: body.into() };
        blocking(move || client.call(&request).unwrap())
    };
    for (method, target, body, status) in [
        (Method::Get, "/healthz".to_owned(), vec![], 200),
        (Method::Get, "/lock/room?val=0".to_owned(), vec![], 200),
        (Method::Get, "/lock/room?val=0".to_owned(), vec![], 409),
        (Method::Get, "/lock/room?val=1".to_owned(), vec![], 412),
        (Method::Get, "/lock/room?val=x".to_owned(), vec![], 400),
        (Method::Get, format!("/lock/{}?val=0", "a".repeat(256)), vec![], 413),
        (Method::Post, "/increment/room".to_owned(), vec![b' '; 5000], 413),
        (Method::Post, "/increment/room".to_owned(), b"{".to_vec(), 400),
        (Method::Post, "/increment/room".to_owned(), vec![b' '; MAX_BODY + 1], 413),
        (Method::Get, "/commit/room?val=0".to_owned(), vec![], 412),
        (Method::Get, "/commit/room".to_owned(), vec![], 400),
        (Method::Get, "/increment/room".to_owned(), vec![], 405),
        (Method::Get, "/other".to_owned(), vec![], 404),
    ] {
        let what = format!("{} {:.40}", method.as_str(), target);
        let response = send(method, target, body).await;
        assert_eq!(response.status, status, "{what}");
        assert_eq!(response.headers.get("cache-control").map(|v| &v[..]), Some(&b"no-store"[..]), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_by_its_certificate_only() {
    let folder = tempfile::tempdir().unwrap();
    let files = tls::Files::in_folder(folder.path(), &[]).unwrap();
    let server = serve(None, Some(files.server_config().unwrap()), Arc::new(Memory::default())).await;
    let base = format!("https://localhost:{}", server.address.port());
    let request = LockRequest { counter: group("room"), val: 0 };
    let known = CounterClient::new(&base, Some(&files.certificate), None).unwrap();
    let unknown = CounterClient::new(&base, None, None).unwrap();
    let (again, first) = (request.clone(), request);
    assert!(blocking(move || unknown.lock(&first)).await.is_err());
    assert!(matches!(blocking(move || known.lock(&again)).await, Ok(LockReply::Ok { .. })));
    server.stop().await;
}
