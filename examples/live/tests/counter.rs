//! The counter service from outside, over its stores: SIGKILL, load, authorization, limits.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moq_mls::counter::http::{Headers, HttpRequest, Method};
use moq_mls::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Reason};
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Failure, Timestamp};
use moq_mls_live::counter::etcd::Etcd;
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::rate::Rate;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter::store::{Step, Store, StoreError};
use moq_mls_live::counter::tokens::Tokens;
use moq_mls_live::counter::{LEASE, Service, generate_key};
use moq_mls_live::counter_client::CounterClient;
use moq_mls_live::tls;
use support::{Killed, client, counter_process, etcd, fill, free_port, pin};

fn group(name: &str) -> GroupName {
    GroupName::try_from(name).unwrap()
}

/// Every answered increment is there after SIGKILL, whatever moment it came at.
#[test]
fn redb_survives_sigkill_between_any_two_requests() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("redb:{}", folder.path().join("counter.redb").display());
    let port = free_port();
    let client = client(port);
    let id = group("killed");
    let mut prev = None;
    for val in 0..12u64 {
        let mut service = counter_process(folder.path(), port, &store);
        if val % 3 == 2 {
            // Killed with the lock held: it is there after the restart, and keeps others out until it lapses.
            let lock = client.lock(&LockRequest { counter: id.clone(), val }).unwrap();
            assert!(matches!(lock, LockReply::Ok { .. }), "{lock:?}");
            service.0.kill().unwrap();
            service.0.wait().unwrap();
            service = counter_process(folder.path(), port, &store);
            let other = client.lock(&LockRequest { counter: id.clone(), val }).unwrap();
            assert!(matches!(other, LockReply::Conflict { .. }), "the lock was lost: {other:?}");
            std::thread::sleep(LEASE + Duration::from_millis(100));
        }
        let recorded = fill(&client, &id, val, prev);
        service.0.kill().unwrap();
        service.0.wait().unwrap();
        drop(service);
        let _service = counter_process(folder.path(), port, &store);
        let read = client.lock(&LockRequest { counter: id.clone(), val }).unwrap();
        let LockReply::CounterError(state) = read else { panic!("slot {val} is free again: {read:?}") };
        assert_eq!((state.current, state.pin), (val + 1, Some(recorded)));
        assert!(state.receipt.is_some_and(|r| r.len() == 64));
        // Another pin for the slot stays out, and the same one is answered Ok again.
        let again = |pin| {
            let request =
                IncrementRequest { counter: id.clone(), val: Some(val), lock_id: None, prev, pin: Some(pin) };
            client.increment(&request).unwrap()
        };
        assert!(matches!(again(pin(val, 2)), IncrementReply::CounterError(_)));
        assert!(matches!(again(recorded), IncrementReply::Ok(_)));
        prev = Some(recorded);
    }
}

/// Many clients, several services: at no moment do two hold the lock, as far as the clients can tell.
fn one_holder(ports: &[u16], clients: usize, lasts: Duration) -> u64 {
    let id = group("contended");
    let holders = AtomicU64::new(0);
    let rounds = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for at in 0..clients {
            let client = client(ports[at % ports.len()]);
            let (id, holders, rounds) = (id.clone(), &holders, &rounds);
            scope.spawn(move || {
                let mut val = 0;
                while began.elapsed() < lasts {
                    let asked = Instant::now();
                    let reply = client.lock(&LockRequest { counter: id.clone(), val });
                    match reply {
                        Ok(LockReply::Ok { lock_id, .. }) => {
                            assert_eq!(
                                holders.fetch_add(1, Ordering::SeqCst),
                                0,
                                "two hold the lock of slot {val}"
                            );
                            std::thread::sleep(Duration::from_millis(3));
                            assert!(asked.elapsed() < LEASE, "too slow a machine to tell");
                            assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                            // Without a pin, only the lock gives the right: a second holder would get through.
                            let counter = id.clone();
                            let request =
                                IncrementRequest { counter, val: Some(val), lock_id, prev: None, pin: None };
                            let reply = client.increment(&request);
                            assert!(matches!(reply, Ok(IncrementReply::Ok(_))), "slot {val}: {reply:?}");
                            rounds.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(LockReply::CounterError(state)) => val = state.current,
                        Ok(LockReply::Conflict { .. }) => std::thread::sleep(Duration::from_millis(1)),
                        // Under load a service may be late; what it did is then unknown, and the lease ends it.
                        Err(Failure::Unknown) => std::thread::sleep(LEASE),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    let rounds = rounds.into_inner();
    let last = client(ports[0]).lock(&LockRequest { counter: id, val: u64::MAX - 1 }).unwrap();
    let LockReply::CounterError(state) = last else { panic!("{last:?}") };
    assert_eq!(state.current, rounds, "a slot was filled by nobody, or twice");
    rounds
}

#[test]
fn under_load_exactly_one_holds_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let store = format!("redb:{}", folder.path().join("counter.redb").display());
    let _service = counter_process(folder.path(), port, &store);
    let rounds = one_holder(&[port], 24, Duration::from_secs(3));
    assert!(rounds > 20, "only {rounds} rounds");
}

#[test]
fn several_services_over_one_etcd_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let Some((etcd, url)) = etcd(folder.path()) else { return };
    let ports = [free_port(), free_port(), free_port()];
    let _services = ports.map(|port| counter_process(folder.path(), port, &format!("etcd:{url}")));
    let rounds = one_holder(&ports, 12, Duration::from_secs(4));
    assert!(rounds > 10, "only {rounds} rounds");

    // A slot filled through one is used for the others, with the same receipt.
    let id = group("shared");
    let recorded = fill(&client(ports[0]), &id, 0, None);
    let read = |port| match client(port).lock(&LockRequest { counter: id.clone(), val: 0 }).unwrap() {
        LockReply::CounterError(state) => (state.pin, state.receipt),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(ports[1]), read(ports[2]));
    assert_eq!(read(ports[1]).0, Some(recorded));

    // A lock taken through one is a Conflict at another, and etcd ends it.
    let lock = |port| client(port).lock(&LockRequest { counter: id.clone(), val: 1 }).unwrap();
    assert!(matches!(lock(ports[0]), LockReply::Ok { .. }));
    assert!(matches!(lock(ports[1]), LockReply::Conflict { .. }));
    let began = Instant::now();
    while !matches!(lock(ports[2]), LockReply::Ok { .. }) {
        assert!(began.elapsed() < LEASE * 4, "the lock does not lapse");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() + Duration::from_millis(500) > LEASE, "the lock lapsed early");
    Etcd::new(&url).check().unwrap();

    // Without etcd there is no answer, and it is said so.
    let health = |port| {
        let (method, target) = (Method::Get, "/healthz".to_owned());
        let request = HttpRequest { method, target, headers: Headers::default(), body: Default::default() };
        client(port).call(&request).unwrap().status
    };
    assert_eq!(health(ports[0]), 200);
    drop(etcd);
    assert_eq!(health(ports[0]), 503);
    let unanswered = client(ports[1]).lock(&LockRequest { counter: id.clone(), val: 1 });
    assert_eq!(unanswered, Err(Failure::Unknown));
}

async fn serve(tokens: Option<Tokens>, tls: Option<rustls::ServerConfig>, store: Arc<dyn Store>) -> Server {
    let service = Service::new(store, generate_key().unwrap(), tokens);
    Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(service), tls).await.unwrap()
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(f).await.unwrap()
}

async fn ask(server: &Server, token: Option<&str>, name: &str) -> Result<LockReply, Failure> {
    let base = format!("http://{}", server.address);
    let client = CounterClient::new(&base, None, token.map(str::to_owned)).unwrap();
    let request = LockRequest { counter: group(name), val: 0 };
    blocking(move || client.lock(&request)).await
}

fn served(reply: Result<LockReply, Failure>) -> bool {
    matches!(reply, Ok(LockReply::Ok { .. } | LockReply::Conflict { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_for_one_group_and_one_sender_and_can_be_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.txt");
    std::fs::write(
        &path,
        "# who may what\nalices-token room a11ce\nbobs-token room b0b\nbobs-token hall b0b\n",
    )
    .unwrap();
    let server = serve(Some(Tokens::load(&path).unwrap()), None, Arc::new(Memory::default())).await;
    assert_eq!(ask(&server, None, "room").await, Ok(LockReply::Error(Reason::Unauthenticated)));
    assert_eq!(ask(&server, Some("wrong"), "room").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert_eq!(ask(&server, Some("alices-token"), "hall").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert!(matches!(ask(&server, Some("alices-token"), "room").await, Ok(LockReply::Ok { .. })));
    assert!(matches!(ask(&server, Some("bobs-token"), "hall").await, Ok(LockReply::Ok { .. })));

    // Revoked while the service runs. A damaged file revokes nothing.
    std::fs::write(&path, "nonsense\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(served(ask(&server, Some("alices-token"), "room").await));
    std::fs::write(&path, "bobs-token room b0b\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask(&server, Some("alices-token"), "room").await, Ok(LockReply::Error(Reason::Forbidden)));
    assert!(served(ask(&server, Some("bobs-token"), "room").await));

    // One token, one participant.
    std::fs::write(&path, "shared room a11ce\nshared room b0b\n").unwrap();
    assert!(Tokens::load(&path).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_a_rate() {
    let mut tokens = Tokens::default();
    for name in ["a11ce", "b0b"] {
        tokens.add(name, group("room"), SenderId::new(name).unwrap()).unwrap();
    }
    let service = Service::new(Arc::new(Memory::default()), generate_key().unwrap(), Some(tokens));
    let service = Arc::new(service.with_rate(Rate::new(1)));
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), service, None).await.unwrap();
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
    fn check(&self) -> anyhow::Result<()> {
        anyhow::bail!("never well")
    }
}

/// What was begun is answered; then nobody listens.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_finish() {
    let server = serve(None, None, Arc::new(Slow(Memory::default()))).await;
    let address = server.address;
    let client = CounterClient::new(&format!("http://{address}"), None, None).unwrap();
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
    std::fs::write(&tokens, "very-secret-token room a11ce\n").unwrap();
    let port = free_port();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["counter", "--bind", &format!("127.0.0.1:{port}"), "--store", "memory", "--tokens"])
        .arg(&tokens)
        .arg("--key")
        .arg(folder.path().join("receipts.key"))
        .env("RUST_LOG", "trace")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
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
    let counter = group("room");
    let request = IncrementRequest { counter, val: Some(0), lock_id, prev: None, pin: Some(pin(0, 1)) };
    assert!(matches!(client.increment(&request), Ok(IncrementReply::Ok(_))));
    child.0.kill().unwrap();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut said, &mut log).unwrap();
    for there in ["/lock/room", "/increment/room", "status=200"] {
        assert!(log.contains(there), "no {there:?} in {log}");
    }
    for secret in ["very-secret-token", &token] {
        assert!(!log.contains(secret), "{secret:?} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_nonsense_is_refused_and_nothing_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let redb: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("c.redb")).unwrap());
    let server = serve(None, None, redb).await;
    let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
    let send = |method: Method, target: String, body: Vec<u8>| {
        let client = client.clone();
        let request = HttpRequest { method, target, headers: Headers::default(), body: body.into() };
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
