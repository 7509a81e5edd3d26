//! Lock and increment rounds through HTTP, as a ratio to the bare store doing the same transactions.
//!
//! Both sides have as many clients at once, each with a counter of its own, and each of their transactions is
//! durable before the next begins. What a disk's sync takes changes from second to second on a shared machine,
//! so rounds are short, one of either side makes a pair, who begins changes from pair to pair, and
//! the median of the pairs' ratios counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use moq_mls::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Pin, slot_lock_message};
use moq_mls::tracks::GroupName;

use crate::counter::http::Server;
use crate::counter::store::{KEEP, Store};
use crate::counter::{LEASE, Service, generate_key, sha256};
use crate::counter_client::CounterClient;
use crate::output::say;
use moq_mls_tokio::{Clock, SystemClock};

/// Slots of a counter before a client takes a fresh one: a counter's row grows with its pins, and the side that
/// did more would have larger transactions.
const SLOTS: u64 = 32;
/// Bytes of a commit: about what one of a group of a few dozen takes.
const COMMIT: usize = 1500;
/// Pairs of rounds.
const PAIRS: usize = 40;

/// One side: locks a slot and fills it.
trait Side: Send + Sync {
    fn lock(&self, request: &LockRequest) -> Result<LockReply>;
    fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply>;
}

struct Bare(Arc<dyn Store>, SystemClock);

impl Side for Bare {
    fn lock(&self, request: &LockRequest) -> Result<LockReply> {
        let mut reply = None;
        let now = self.1.now();
        self.0.transact(&request.counter, now, &mut |counter| {
            reply = Some(counter.lock(now, request.val, Bytes::from_static(b"sixteen bytes ok"), LEASE));
        })?;
        reply.context("nothing ran")
    }

    fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply> {
        let mut reply = None;
        let now = self.1.now();
        self.0.transact(&request.counter, now, &mut |counter| {
            reply = Some(counter.increment(now, request, KEEP, sha256));
        })?;
        reply.context("nothing ran")
    }
}

impl Side for CounterClient {
    fn lock(&self, request: &LockRequest) -> Result<LockReply> {
        Ok(CounterClient::lock(self, request)?)
    }

    fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply> {
        Ok(CounterClient::increment(self, request)?)
    }
}

/// Runs, and prints rates and ratios; the median ratio.
pub async fn run(store: Arc<dyn Store>, clients: usize, round: Duration) -> Result<f64> {
    ensure!(clients > 0, "--clients must be at least 1");
    store.check().context("the store does not answer")?;
    let service = Arc::new(Service::new(store.clone(), generate_key()?, None));
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), service, None).await?;
    let http = CounterClient::new(&format!("http://{}", server.address), None, None)?;
    let sides: [Arc<dyn Side>; 2] = [Arc::new(http), Arc::new(Bare(store, SystemClock::new()))];
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let mut pair = [0.0; 2];
        for at in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let side = sides[at].clone();
            let tag = format!("bench-{}-{number}-{at}", SystemClock::new().now().as_millis());
            pair[at] = tokio::task::spawn_blocking(move || rate(&side, clients, round, &tag)).await??;
        }
        pairs.push(pair);
    }
    let sorted = |of: fn(&[f64; 2]) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let ratios = sorted(|[http, bare]| http / bare);
    say!("figure counter_rounds_per_s {:.0} rounds/s", sorted(|p| p[0])[PAIRS / 2]);
    say!("figure counter_bare_rounds_per_s {:.0} rounds/s", sorted(|p| p[1])[PAIRS / 2]);
    say!("figure counter_vs_bare_store {:.3} ratio", ratios[PAIRS / 2]);
    say!("figure counter_vs_bare_store_min {:.3} ratio", ratios[0]);
    say!("figure counter_vs_bare_store_max {:.3} ratio", ratios[PAIRS - 1]);
    server.stop().await;
    Ok(ratios[PAIRS / 2])
}

/// Rounds per second of all clients together.
fn rate(side: &Arc<dyn Side>, clients: usize, round: Duration, tag: &str) -> Result<f64> {
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|client| {
                let (side, done) = (side.clone(), &done);
                scope.spawn(move || -> Result<()> {
                    for number in 0.. {
                        let counter = GroupName::try_from(&*format!("{tag}-{client}-{number}"))?;
                        let mut prev = None;
                        for val in 0..SLOTS {
                            if began.elapsed() >= round {
                                return Ok(());
                            }
                            prev = Some(fill(&*side, &counter, val, prev)?);
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a client panicked")))
    })?;
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// One lock and one increment.
fn fill(side: &dyn Side, counter: &GroupName, val: u64, prev: Option<Pin>) -> Result<Pin> {
    let lock_id = match side.lock(&LockRequest { counter: counter.clone(), val })? {
        LockReply::Ok { lock_id, .. } => lock_id,
        other => bail!("lock {val}: {other:?}"),
    };
    let (request, pin) = increment(counter, val, lock_id, prev);
    match side.increment(&request)? {
        IncrementReply::Ok(_) => Ok(pin),
        other => bail!("increment {val}: {other:?}"),
    }
}

/// Makes the request that fills a slot behind `prev` with a commit of usual size, and its pin.
pub fn increment(
    counter: &GroupName,
    val: u64,
    lock_id: Option<Bytes>,
    prev: Option<Pin>,
) -> (IncrementRequest, Pin) {
    let key = |val: u64| Bytes::from(vec![val as u8; 32]);
    let lock = sha256(&slot_lock_message(counter, val, &key(val)));
    let mut request = IncrementRequest::draft(counter.clone());
    (request.val, request.lock_id, request.prev) = (Some(val), lock_id, prev);
    let pin = match val.checked_sub(1) {
        None => Pin::genesis([0; 32], lock),
        Some(before) => {
            let commit = Bytes::from(vec![val as u8; COMMIT]);
            let pin = Pin::new(sha256(&commit), [0; 32], lock);
            (request.key, request.commit) = (Some(key(before)), Some(commit));
            pin
        }
    };
    request.pin = Some(pin);
    (request, pin)
}
