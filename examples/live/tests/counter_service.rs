//! The counter service as one runs it: scopes, quotas, token files, its key, its names, its figures.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    Killed, blocking, client, etcd, fill, free_port, group, increment, scrape, serve, start,
};
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::http::{HttpRequest, Method};
use moq_mls::counter::service::Counter;
use moq_mls::counter::{CommitReply, CommitRequest, IncrementReply, LockReply, LockRequest, Reason};
use moq_mls_live::counter::LEASE;
use moq_mls_live::counter::etcd::Etcd;
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::rate::Rate;
use moq_mls_live::counter::store::Store;
use moq_mls_live::counter::tokens::Tokens;
use moq_mls_live::counter::{Service, generate_key};
use moq_mls_live::counter_client::CounterClient;

fn token_client(server: &Server, token: &str) -> CounterClient {
    CounterClient::new(&format!("http://{}", server.address), None, Some(token.to_owned())).unwrap()
}

fn tokens(folder: &Path, lines: &str) -> Tokens {
    let path = folder.join("tokens.txt");
    std::fs::write(&path, lines).unwrap();
    Tokens::load(&path).unwrap()
}

fn slot(val: u64) -> LockRequest {
    LockRequest { counter: group("my room"), val }
}

#[test]
fn the_counter_needs_tokens_or_the_open_option_and_not_both() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
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

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "founder my%20room a1 create\nreader my%20room a2 read\nlocker my%20room a3 lock\n\
                 filler my%20room a4 increment\nmember my%20room a5\n";
    let server = serve(Some(tokens(folder.path(), lines)), None, Arc::new(Memory::default())).await;
    let [founder, reader, locker, filler, member] =
        ["founder", "reader", "locker", "filler", "member"].map(|token| token_client(&server, token));
    blocking(move || {
        let no = Reason::Forbidden;
        for client in [&reader, &locker, &filler, &member] {
            assert_eq!(client.lock(&slot(0)), Ok(LockReply::Error(no)));
            let reply = client.increment(&increment(&group("my room"), 0, 1, None));
            assert_eq!(reply, Ok(IncrementReply::Error(no)));
        }
        let prev = Some(fill(&founder, &group("my room"), 0, None));
        // All of them read.
        for client in [&founder, &reader, &locker, &filler, &member] {
            assert!(matches!(client.lock(&slot(0)), Ok(LockReply::CounterError(state)) if state.pin == prev));
            let read = client.commit(&CommitRequest { counter: group("my room"), val: 0 });
            assert!(matches!(read, Ok(CommitReply::Found { .. })), "{read:?}");
        }
        let next = increment(&group("my room"), 1, 1, prev);
        for client in [&reader, &filler] {
            assert_eq!(client.lock(&slot(1)), Ok(LockReply::Error(no)));
        }
        assert!(matches!(locker.lock(&slot(1)), Ok(LockReply::Ok { .. })));
        assert!(matches!(member.lock(&slot(1)), Ok(LockReply::Conflict { .. })));
        for client in [&reader, &locker] {
            assert_eq!(client.increment(&next), Ok(IncrementReply::Error(no)));
        }
        assert!(matches!(filler.increment(&next), Ok(IncrementReply::Ok(_))));
        let last = increment(&group("my room"), 2, 1, next.pin);
        assert!(matches!(member.increment(&last), Ok(IncrementReply::Ok(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_quotas_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "slow my%20room a1 create rate=1\nusual my%20room a2 create\n\
                 few x a3 create groups=1\nfew y a3 create groups=1\nmany x a4 create\nmany y a4 create\n";
    let service = Service::new(
        Arc::new(Memory::default()),
        generate_key().unwrap(),
        Some(tokens(folder.path(), lines)),
    )
    .with_rate(Rate::new(50));
    let server = start(service, None).await;
    let [slow, usual, few, many] = ["slow", "usual", "few", "many"].map(|token| token_client(&server, token));
    blocking(move || {
        let served = |client: &CounterClient| {
            let limited = Ok(LockReply::Error(Reason::RateLimited));
            (0..20).filter(|_| client.lock(&slot(7)) != limited).count()
        };
        assert!((2..10).contains(&served(&slow)));
        assert_eq!(served(&usual), 20);
        let found =
            |client: &CounterClient, name| client.increment(&increment(&group(name), 0, 1, None)).unwrap();
        assert!(matches!(found(&few, "x"), IncrementReply::Ok(_)));
        assert_eq!(found(&few, "y"), IncrementReply::Error(Reason::RateLimited));
        assert!(matches!(found(&many, "y"), IncrementReply::Ok(_)));
    })
    .await;
}

/// Written in place, a file has a part of its lines for a moment: nobody is revoked by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_taken_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one my%20room a1 create\n", "two my%20room a2 create\n"];
    let read = tokens(folder.path(), &format!("{one}{two}"));
    let server = serve(Some(read), None, Arc::new(Memory::default())).await;
    let path = folder.path().join("tokens.txt");
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, second) = (stop.clone(), token_client(&server, "two"));
    let asking = tokio::task::spawn_blocking(move || {
        while !stopped.load(Ordering::Relaxed) {
            assert!(
                matches!(second.lock(&slot(9)), Ok(LockReply::CounterError(_))),
                "revoked by half a file"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for _ in 0..16 {
        std::fs::write(&path, one).unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        std::fs::write(&path, format!("{one}{two}")).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // One that is cut within its last line is not taken however long it rests.
    std::fs::write(&path, format!("{one}{}", two.trim_end())).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.store(true, Ordering::Relaxed);
    asking.await.unwrap();
}

/// The command with these options, and memory as its store unless they name another.
fn counter(folder: &Path, port: u16, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["counter", "--open", "--bind", &format!("127.0.0.1:{port}"), "--key"])
        .arg(folder.join("receipts.key"))
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the key that a service prints, and its lines.
fn key_of(child: &mut Child) -> (String, impl BufRead + use<>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("receipt key") {
        assert!(lines.read_line(&mut text).unwrap() > 0, "no key in {text:?}");
    }
    (text.lines().last().unwrap().to_owned(), lines)
}

#[test]
fn services_that_start_at_once_print_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<_> = (0..6).map(|_| Killed(counter(folder.path(), 0, &["--store", "memory"]))).collect();
    let mut keys: Vec<_> = all.iter_mut().map(|child| key_of(&mut child.0).0).collect();
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

/// A service that signs with another key makes receipts that members do not believe.
fn another_key_is_refused(store: &str) {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Killed(counter(one.path(), 0, &["--store", store]));
    let (key, _lines) = key_of(&mut first.0);
    // A redb file has one service at a time.
    drop(first);
    let second = counter(other.path(), 0, &["--store", store]).wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    let hex = key.strip_prefix("receipt key ").unwrap();
    assert!(!second.status.success() && said.contains(hex) && said.contains("copy their key file"), "{said}");
    let mut again = Killed(counter(one.path(), 0, &["--store", store]));
    assert_eq!(key_of(&mut again.0).0, key);
}

#[test]
fn a_store_has_one_receipt_key() {
    let folder = tempfile::tempdir().unwrap();
    another_key_is_refused(&format!("redb:{}", folder.path().join("c.redb").display()));
    if let Some((_etcd, url)) = etcd(folder.path()) {
        another_key_is_refused(&format!("etcd:{url}"));
    }
}

/// Several stores under one service; it finds each group where it was, and refuses a shorter list.
#[test]
fn groups_are_spread_over_several_stores() {
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| format!("redb:{}", folder.path().join(name).display());
    let (a, b) = (store("a.redb"), store("b.redb"));
    let port = free_port();
    let pins: Vec<_> = {
        let mut service = Killed(counter(folder.path(), port, &["--store", &a, "--store", &b]));
        let _lines = key_of(&mut service.0);
        (0..12).map(|n| fill(&client(port), &group(&format!("room {n}")), 0, None)).collect()
    };
    let port = free_port();
    let mut service = Killed(counter(folder.path(), port, &["--store", &b, "--store", &a]));
    let _lines = key_of(&mut service.0);
    for (n, pin) in pins.iter().enumerate() {
        let read = client(port).lock(&LockRequest { counter: group(&format!("room {n}")), val: 0 });
        assert!(matches!(read, Ok(LockReply::CounterError(state)) if state.pin == Some(*pin)));
    }
    drop(service);
    let alone = counter(folder.path(), 0, &["--store", &a]).wait_with_output().unwrap();
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(!alone.status.success() && said.contains("name all of them"), "{said}");
}

#[test]
fn figures_are_at_an_address_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (port, figures) = (free_port(), free_port());
    let (metrics, host) = (format!("127.0.0.1:{figures}"), format!("127.0.0.1:{port}"));
    let options = ["--store", "memory", "--metrics", &metrics, "--host", &host];
    let mut service = Killed(counter(folder.path(), port, &options));
    let (_, mut lines) = key_of(&mut service.0);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, format!("metrics at http://127.0.0.1:{figures}/metrics\n"));
    let client = client(port);
    let prev = Some(fill(&client, &group("room"), 0, None));
    let mut wrong = increment(&group("room"), 1, 1, prev);
    wrong.key = Some(Bytes::from_static(&[9; 32]));
    assert!(matches!(client.increment(&wrong), Ok(IncrementReply::WrongKey(_))));
    let again = increment(&group("room"), 0, 2, None);
    assert!(matches!(client.increment(&again), Ok(IncrementReply::CounterError(_))));
    let send = |headers: &[(&'static str, &'static str)], target: &str| {
        let headers = headers.iter().copied().collect();
        let (method, target) = (Method::Get, target.to_owned());
        client.call(&HttpRequest { method, target, headers, body: Bytes::new() }).unwrap().status
    };
    assert_eq!(send(&[("Host", "evil.example")], "/lock/room?val=0"), 403);
    assert_eq!(send(&[("Origin", "https://evil.example")], "/lock/room?val=0"), 403);
    assert_eq!(send(&[], "/metrics"), 404, "on the public port");
    let text = scrape(figures);
    for line in [
        "moq_mls_counter_requests_total{call=\"increment\",status=\"200\"} 1",
        "moq_mls_counter_requests_total{call=\"increment\",status=\"403\"} 1",
        "moq_mls_counter_requests_total{call=\"unreadable\",status=\"403\"} 2",
        "moq_mls_counter_refusals_total{reason=\"wrong_key\"} 1",
        "moq_mls_counter_refusals_total{reason=\"foreign_host\"} 1",
        "moq_mls_counter_refusals_total{reason=\"foreign_origin\"} 1",
        "moq_mls_counter_slots_filled_total 1",
        "moq_mls_counter_groups_founded_total 1",
        "moq_mls_counter_increments_lost_total 1",
        "moq_mls_counter_request_duration_seconds_count{call=\"increment\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

/// A lock whose holder is gone is another's when its lease is over, through another service, and the counter goes on.
#[test]
fn a_lock_whose_lease_is_over_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_etcd, url)) = etcd(folder.path()) else { return };
    let id = group("room");
    let lock = |store: &Etcd, token: &'static [u8]| {
        let now = Timestamp::from_secs(1_700_000_000);
        let mut reply = None;
        let mut step = |counter: &mut Counter| {
            reply = Some(counter.lock(now, 0, Bytes::from_static(token), LEASE));
        };
        store.transact(&id, now, &mut step).unwrap();
        reply.unwrap()
    };
    let (one, other) = (Etcd::new(&url), Etcd::new(&url));
    assert!(matches!(lock(&one, b"first"), LockReply::Ok { .. }));
    let began = Instant::now();
    while !matches!(lock(&other, b"second"), LockReply::Ok { .. }) {
        assert!(began.elapsed() < LEASE * 4, "the lock does not lapse");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The end of the first lease does not take the second lock away.
    std::thread::sleep(Duration::from_millis(500));
    assert!(matches!(lock(&one, b"third"), LockReply::Conflict { .. }));
}
