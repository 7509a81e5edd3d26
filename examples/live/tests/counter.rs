//! The counter service from outside, over its stores: SIGKILL, load, authorization, limits.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use moq_mls::counter::Pin;
use moq_mls::counter::http::{Headers, HttpRequest, MAX_BODY, MAX_COMMIT, Method};
use moq_mls::counter::service::Counter;
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest, Reason,
};
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Failure, Timestamp};
use moq_mls_live::counter::etcd::Etcd;
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::rate::Rate;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter::store::{IDLE, KEEP, Step, Store, StoreError};
use moq_mls_live::counter::tokens::Tokens;
use moq_mls_live::counter::{LEASE, Service, generate_key, sha256};
use moq_mls_live::counter_client::CounterClient;
use moq_mls_live::tls;
use support::{Killed, client, commit, counter_process, etcd, fill, free_port, increment, slot_key};

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
        assert!(state.receipt.as_ref().is_some_and(|r| r.len() == 64));
        // So is the commit that it names.
        let reply = client.commit(&CommitRequest { counter: id.clone(), val }).unwrap();
        let CommitReply::Found { state: found, commit: kept } = reply else { panic!("{reply:?}") };
        assert_eq!((found.pin, found.receipt), (state.pin, state.receipt));
        assert_eq!(kept, if val == 0 { Bytes::new() } else { commit(val, 1) });
        // Another pin for the slot stays out, and the same one is answered Ok again.
        let again = |try_| client.increment(&increment(&id, val, try_, prev)).unwrap();
        assert!(matches!(again(2), IncrementReply::CounterError(_)));
        assert!(matches!(again(1), IncrementReply::Ok(_)));
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
                            let draft = IncrementRequest::draft(id.clone());
                            let request = IncrementRequest { val: Some(val), lock_id, ..draft };
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

/// A slot's commit is read through any service of the store, small or as large as may be, as long as it is kept.
fn keeps_commits(writer: &CounterClient, reader: &CounterClient, largest: usize) {
    let id = group("archive");
    let mut prev = None;
    let read = |val| reader.commit(&CommitRequest { counter: id.clone(), val }).unwrap();
    assert!(matches!(read(0), CommitReply::CounterError(state) if state.current == 0));
    let last = 66;
    for val in 0..last {
        let mut request = increment(&id, val, 1, prev);
        if val == 65 {
            let (commit, pin) = (vec![0xff; largest], request.pin.unwrap());
            let lock = pin.slot_lock().try_into().unwrap();
            request.pin = Some(Pin::new(sha256(&commit), [1; 32], lock));
            request.commit = Some(commit.into());
        }
        let reply = writer.increment(&request).unwrap();
        assert!(matches!(reply, IncrementReply::Ok(_)), "{val}: {reply:?}");
        prev = request.pin;
    }
    let CommitReply::Found { state, commit: newest } = read(65) else { panic!("{:?}", read(65)) };
    assert_eq!((state.current, state.pin, newest.len()), (last, prev, largest));
    // Too long ago, the pin alone is known.
    for val in [0, 1] {
        assert!(matches!(read(val), CommitReply::CounterError(state) if state.pin.is_some()), "{val}");
    }
    for val in [64, 63] {
        match read(val) {
            CommitReply::Found { commit: kept, .. } => assert_eq!(kept, commit(val, 1)),
            // Beside one that takes all the bytes there are, nothing is kept.
            CommitReply::CounterError(_) => assert_eq!(largest, MAX_COMMIT, "{val}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(read(66), CommitReply::CounterError(state) if state.pin.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_kept_with_their_slots() {
    let folder = tempfile::tempdir().unwrap();
    let redb: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("c.redb")).unwrap());
    for store in [Arc::new(Memory::default()), redb] {
        let server = serve(None, None, store).await;
        let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
        blocking(move || keeps_commits(&client, &client, 2000)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_commit_is_carried_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let redb: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("c.redb")).unwrap());
    for store in [Arc::new(Memory::default()), redb] {
        let server = serve(None, None, store).await;
        let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
        blocking(move || keeps_commits(&client, &client, MAX_COMMIT)).await;
    }
}

/// Whoever guesses is stopped; the members of the group are not.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_count_for_whoever_shows_them() {
    let mut tokens = Tokens::default();
    for name in ["a11ce", "b0b"] {
        tokens.add(name, &group("room"), SenderId::new(name).unwrap(), true).unwrap();
    }
    let server = serve(Some(tokens), None, Arc::new(Memory::default())).await;
    let base = format!("http://{}", server.address);
    let client = |token: &str| CounterClient::new(&base, None, Some(token.to_owned())).unwrap();
    let (alice, bob) = (client("a11ce"), client("b0b"));
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

#[tokio::test(flavor = "multi_thread")]
async fn one_client_starts_so_many_counters() {
    let service = Service::new(Arc::new(Memory::default()), generate_key().unwrap(), None);
    let service = Arc::new(service.with_starts(Rate::with(3, Duration::from_secs(3600))));
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), service, None).await.unwrap();
    let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
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

/// A store that is full of counters that nobody uses makes room, and keeps those in use.
#[test]
fn a_full_store_makes_room_for_new_counters_and_keeps_those_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let redb = Redb::open(&folder.path().join("c.redb")).unwrap();
    let now = |hours: u64| Timestamp::from_secs(1_700_000_000 + hours * 3600);
    let fill = |store: &dyn Store, name: &str, val: u64, at: Timestamp| {
        let prev = val.checked_sub(1).map(|before| increment(&group(name), before, 1, None).pin.unwrap());
        let request = increment(&group(name), val, 1, prev);
        let mut reply = None;
        let done = store.transact(&group(name), at, &mut |counter: &mut Counter| {
            reply = Some(counter.increment(at, &request, KEEP, sha256));
        });
        assert!(matches!(reply, Some(IncrementReply::Ok(_))), "{name} {val}: {reply:?}");
        done
    };
    // redb syncs each: a part of the table will do for it.
    let memory = Memory::with_room(100);
    let redb = redb.with_room(100);
    for store in [&memory as &dyn Store, &redb] {
        (0..2).for_each(|val| fill(store, "used", val, now(0)).unwrap());
        (1..100).for_each(|i| fill(store, &format!("x{i}"), 0, now(0)).unwrap());
        assert!(matches!(fill(store, "early", 0, now(0)), Err(StoreError::Full)));
        fill(store, "late", 0, now(1)).unwrap();
        (0..200).for_each(|i| drop(fill(store, &format!("y{i}"), 0, now(1))));
        assert!(matches!(fill(store, "again", 0, now(1)), Err(StoreError::Full)));
        fill(store, "used", 2, now(24 * 365)).unwrap();
        let (counter, kept) = store.read(&group("used"), 2, now(24 * 365)).unwrap();
        assert_eq!((counter.next(), kept), (3, Some(commit(2, 1))));
    }
}

#[test]
fn a_file_of_the_first_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.redb");
    {
        let file = redb::Database::create(&path).unwrap();
        let write = file.begin_write().unwrap();
        write.open_table(redb::TableDefinition::<&[u8], &[u8]>::new("counters v1")).unwrap();
        write.commit().unwrap();
    }
    let refused = Redb::open(&path).err().unwrap().to_string();
    assert!(refused.contains("version 1"), "{refused}");
}

#[test]
fn the_counter_does_not_run_open_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
            .args(["counter", "--bind", "127.0.0.1:0", "--store", "memory", "--key"])
            .arg(folder.path().join("receipts.key"))
            .args(more)
            .output()
            .unwrap();
        (out.status.success(), String::from_utf8(out.stderr).unwrap())
    };
    let (done, said) = run(&[]);
    assert!(!done && said.contains("--tokens"), "{said}");
    let (done, said) = run(&["--open", "--tokens", "x"]);
    assert!(!done && said.contains("cannot be used with"), "{said}");
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
    let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
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
    // Slot 0 alone is there for as long as somebody asks about it; what is used stays.
    let lease_of = |id: &GroupName| {
        let key = BASE64.encode([b"moq-mls/cnt/", &id.as_bytes()[..]].concat());
        let row = Etcd::new(&url).call("/v3/kv/range", &serde_json::json!({ "key": key })).unwrap();
        assert!(row["kvs"][0].is_object(), "{row}");
        row["kvs"][0]["lease"].as_str().filter(|lease| *lease != "0").map(str::to_owned)
    };
    let lease = lease_of(&id).expect("slot 0 under a lease");
    let left = || {
        let answer =
            Etcd::new(&url).call("/v3/lease/timetolive", &serde_json::json!({ "ID": lease })).unwrap();
        answer["TTL"].as_str().unwrap().parse::<u64>().unwrap()
    };
    std::thread::sleep(Duration::from_millis(2500));
    let before = left();
    assert!(before <= IDLE.as_secs() - 2, "{before}");
    let read = client(ports[2]).lock(&LockRequest { counter: id.clone(), val: 0 });
    assert!(matches!(read, Ok(LockReply::CounterError(_))));
    assert!(left() > before, "asking about it does not renew it");
    let read = |port| match client(port).lock(&LockRequest { counter: id.clone(), val: 0 }).unwrap() {
        LockReply::CounterError(state) => (state.pin, state.receipt),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(ports[1]), read(ports[2]));
    assert_eq!(read(ports[1]).0, Some(recorded));
    keeps_commits(&client(ports[0]), &client(ports[1]), 1 << 20);
    assert_eq!(lease_of(&group("archive")), None);
    // One that etcd would not take in a request is refused, and by name.
    let large = IncrementRequest {
        commit: Some(vec![0; (1 << 20) + 1].into()),
        ..increment(&id, 1, 1, Some(recorded))
    };
    let refused = client(ports[0]).increment(&large).unwrap();
    assert_eq!(refused, IncrementReply::Error(Reason::TooLarge));

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
    matches!(reply, Ok(LockReply::Ok { .. } | LockReply::Conflict { .. } | LockReply::CounterError(_)))
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
    let base = format!("http://{}", server.address);
    let client = |token: &str| CounterClient::new(&base, None, Some(token.to_owned())).unwrap();
    let (alice, bob) = (client("alices-token"), client("bobs-token"));
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
    let mut tokens = Tokens::default();
    for name in ["a11ce", "b0b"] {
        tokens.add(name, &group("room"), SenderId::new(name).unwrap(), true).unwrap();
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
    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        self.0.read(id, val, now)
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
    std::fs::write(&tokens, "very-secret-token room a11ce create\n").unwrap();
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
    let client = CounterClient::new(&format!("http://{}", server.address), None, None).unwrap();
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
