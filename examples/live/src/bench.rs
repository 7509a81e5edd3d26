//! Lock and increment rounds through HTTP, as a ratio to the store alone doing the same transactions.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use moq_mls::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Pin};
use moq_mls::tracks::GroupName;

use crate::clock::Clock;
use crate::counter::http::Server;
use crate::counter::store::Store;
use crate::counter::{KEPT_PINS, LEASE, Service, generate_key};
use crate::counter_client::CounterClient;
use crate::driver;

/// Alternating rounds a side; the median counts.
const ROUNDS: usize = 5;

/// One side: locks a slot and fills it.
trait Side: Send + Sync {
    fn lock(&self, request: &LockRequest) -> Result<LockReply>;
    fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply>;
}

struct Bare(Arc<dyn Store>, Clock);

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
            reply = Some(counter.increment(now, request, KEPT_PINS));
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

/// Runs and prints `counter_rounds_per_s`, `counter_bare_rounds_per_s` and `counter_vs_bare_store`.
pub async fn run(store: Arc<dyn Store>, clients: usize, round: Duration) -> Result<()> {
    ensure!(clients > 0, "--clients must be at least 1");
    store.check().context("the store does not answer")?;
    let service = Arc::new(Service::new(store.clone(), generate_key()?, None));
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), service, None).await?;
    let http = CounterClient::new(&format!("http://{}", server.address), None, None)?;
    let sides: [Arc<dyn Side>; 2] = [Arc::new(http), Arc::new(Bare(store, Clock::new()))];
    let mut rates = [Vec::new(), Vec::new()];
    for number in 0..ROUNDS {
        // Fresh counters each round: a counter's row grows with its pins.
        for (at, side) in sides.iter().enumerate() {
            let side = side.clone();
            let tag = format!("bench-{}-{number}-{at}", driver::now().as_millis());
            rates[at].push(tokio::task::spawn_blocking(move || rate(&side, clients, round, &tag)).await??);
        }
    }
    let [http, bare] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!("figure counter_rounds_per_s {http:.0} rounds/s");
    println!("figure counter_bare_rounds_per_s {bare:.0} rounds/s");
    println!("figure counter_vs_bare_store {:.3} ratio", http / bare);
    server.stop().await;
    Ok(())
}

/// Rounds per second of all clients together.
fn rate(side: &Arc<dyn Side>, clients: usize, round: Duration, tag: &str) -> Result<f64> {
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|client| {
                let (side, done) = (side.clone(), &done);
                let id = GroupName::try_from(&*format!("{tag}-{client}"));
                scope.spawn(move || -> Result<()> {
                    let counter = id?;
                    let mut prev = None;
                    let mut val = 0u64;
                    while began.elapsed() < round {
                        prev = Some(fill(&*side, &counter, val, prev)?);
                        val += 1;
                        done.fetch_add(1, Ordering::Relaxed);
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
    let mut half = [0; 32];
    half[..8].copy_from_slice(&val.to_be_bytes());
    let pin = Pin::new(half, half);
    let request =
        IncrementRequest { counter: counter.clone(), val: Some(val), lock_id, prev, pin: Some(pin) };
    match side.increment(&request)? {
        IncrementReply::Ok(_) => Ok(pin),
        other => bail!("increment {val}: {other:?}"),
    }
}
