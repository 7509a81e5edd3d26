//! The counter's stores from outside: SIGKILL, load, what they keep and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    blocking, client, commit, counter_process, etcd, fill, free_port, group, increment, plain_client, serve,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use moq_mls::counter::http::{Headers, HttpRequest, MAX_COMMIT, Method};
use moq_mls::counter::service::Counter;
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest, Pin, Reason,
};
use moq_mls::tracks::GroupName;
use moq_mls::{Failure, Timestamp};
use moq_mls_live::counter::etcd::Etcd;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter::store::{IDLE, KEEP, Store, StoreError};
use moq_mls_live::counter::{LEASE, sha256};
use moq_mls_live::counter_client::CounterClient;

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

/// The stores of one service keep commits, with one of `largest` bytes among them.
async fn stores_keep_commits(largest: usize) {
    let folder = tempfile::tempdir().unwrap();
    let redb: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("c.redb")).unwrap());
    for store in [Arc::new(Memory::default()), redb] {
        let server = serve(None, None, store).await;
        let client = plain_client(&server);
        blocking(move || keeps_commits(&client, &client, largest)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_kept_with_their_slots() {
    stores_keep_commits(2000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_commit_is_carried_and_kept() {
    stores_keep_commits(MAX_COMMIT).await;
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
    // A counter with slot 0 alone is there for as long as clients ask about it; one that is used stays.
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
