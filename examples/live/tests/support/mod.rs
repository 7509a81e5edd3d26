//! What the tests share: services to kill, an etcd to start, a network to spoil.

pub mod proxy;
pub mod rogue_relay;
pub mod terminal;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moq_mls::counter::http::{Headers, HttpRequest, Method};
use moq_mls::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Pin, slot_lock_message};
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::store::Store;
use moq_mls_live::counter::tokens::{Scopes, Tokens};
use moq_mls_live::counter::{Service, generate_key, sha256};
use moq_mls_live::counter_client::CounterClient;

/// A child that does not outlive the test.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A port that nobody listens on, most likely.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn reachable(port: u16) {
    let began = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The counter command as a process.
pub fn counter_process(folder: &Path, port: u16, store: &str) -> Killed {
    let child = Command::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["counter", "--open", "--bind", &format!("127.0.0.1:{port}"), "--store", store, "--key"])
        .arg(folder.join("receipts.key"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Killed(child);
    reachable(port);
    child
}

/// A client of the counter at `port`.
pub fn client(port: u16) -> CounterClient {
    CounterClient::new(&format!("http://127.0.0.1:{port}"), None, None).unwrap()
}

/// A service in this process, over `store`.
pub async fn serve(
    tokens: Option<Tokens>,
    tls: Option<rustls::ServerConfig>,
    store: Arc<dyn Store>,
) -> Server {
    start(Service::new(store, generate_key().unwrap(), tokens), tls).await
}

/// Starts a service at a free port of loopback.
pub async fn start(service: Service, tls: Option<rustls::ServerConfig>) -> Server {
    Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(service), tls).await.unwrap()
}

/// A client of `server` without a token, over HTTP.
pub fn plain_client(server: &Server) -> CounterClient {
    client(server.address.port())
}

/// Returns the figures of a process at its `--metrics` port.
pub fn scrape(port: u16) -> String {
    let target = "/metrics".to_owned();
    let request =
        HttpRequest { method: Method::Get, target, headers: Headers::default(), body: Bytes::new() };
    let response = client(port).call(&request).unwrap();
    assert_eq!(response.status, 200);
    String::from_utf8(response.body.to_vec()).unwrap()
}

/// Runs what blocks, as the client does, off the runtime's threads.
pub async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(f).await.unwrap()
}

/// Tokens of two members of `room` who may create it; each token is its member's name.
pub fn two_tokens() -> Tokens {
    let mut tokens = Tokens::default();
    for name in ["a11ce", "b0b"] {
        tokens.add(name, &group("room"), SenderId::new(name).unwrap(), Scopes::FOUNDER).unwrap();
    }
    tokens
}

/// A group's name.
pub fn group(name: &str) -> GroupName {
    GroupName::try_from(name).unwrap()
}

/// etcd on loopback, and its URL; `None`, said aloud, where it is not installed.
pub fn etcd(folder: &Path) -> Option<(Killed, String)> {
    let (port, peer) = (free_port(), free_port());
    let url = |port| format!("http://127.0.0.1:{port}");
    let child = Command::new("etcd")
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args(["--listen-client-urls", &url(port), "--advertise-client-urls", &url(port)])
        .args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)])
        .args(["--initial-cluster", &format!("default={}", url(peer))])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => {
            let child = Killed(child);
            reachable(port);
            Some((child, url(port)))
        }
        Err(error) => {
            eprintln!("SKIPPED: etcd does not start here ({error}); on Debian: apt-get install etcd-server");
            None
        }
    }
}

/// The slot key of epoch `val` of every group here.
pub fn slot_key(val: u64) -> Bytes {
    vec![val as u8; 32].into()
}

/// The commit of a slot, which tells tries apart.
pub fn commit(val: u64, try_: u8) -> Bytes {
    [&[try_][..], &val.to_be_bytes()].concat().into()
}

/// The increment that fills a slot behind `prev`.
pub fn increment(counter: &GroupName, val: u64, try_: u8, prev: Option<Pin>) -> IncrementRequest {
    let lock = sha256(&slot_lock_message(counter, val, &slot_key(val)));
    let mut request = IncrementRequest::draft(counter.clone());
    (request.val, request.prev) = (Some(val), prev);
    request.pin = Some(match val.checked_sub(1) {
        None => Pin::genesis([try_; 32], lock),
        Some(before) => {
            let commit = commit(val, try_);
            let pin = Pin::new(sha256(&commit), [try_; 32], lock);
            (request.key, request.commit) = (Some(slot_key(before)), Some(commit));
            pin
        }
    });
    request
}

/// Fills a slot with a pin.
pub fn fill(client: &CounterClient, counter: &GroupName, val: u64, prev: Option<Pin>) -> Pin {
    let lock = client.lock(&LockRequest { counter: counter.clone(), val }).unwrap();
    let LockReply::Ok { lock_id, .. } = lock else { panic!("lock {val}: {lock:?}") };
    let request = IncrementRequest { lock_id, ..increment(counter, val, 1, prev) };
    let reply = client.increment(&request).unwrap();
    assert!(matches!(reply, IncrementReply::Ok(_)), "increment {val}: {reply:?}");
    request.pin.unwrap()
}
