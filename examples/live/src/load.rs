//! The command `load-counter`: many groups, asked about from outside, over HTTP.
//!
//! The service is a process of its own, as this program's `counter` command. First every group is founded. Then each client
//! takes its groups in turn, and locks and fills the next slot. Every request is timed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moq_mls::Failure;
use moq_mls::counter::{IncrementReply, LockReply, LockRequest, Pin};
use moq_mls::tracks::GroupName;

use crate::bench;
use crate::counter::command::StoreName;
use crate::counter_client::CounterClient;
use crate::output::say;
use moq_mls_tokio::{Clock, SystemClock};

/// The options of `load-counter`.
#[derive(clap::Args)]
pub struct Options {
    /// memory, redb:PATH or etcd:URL: the store of the service that is started
    #[arg(long)]
    store: StoreName,
    /// The key that signs the receipts of that store; made if there is none
    #[arg(long, default_value = "live-state/receipts.key")]
    key: PathBuf,
    /// Groups, each with a counter
    #[arg(long, default_value_t = 10_000)]
    groups: usize,
    /// Clients at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// Seconds of load, once every group is founded
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// The service, which does not outlive this.
struct Service {
    child: Child,
    /// Open as long as the service runs: it may print more.
    _said: BufReader<ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One group, and what its next slot needs.
struct Group {
    name: GroupName,
    next: u64,
    last: Option<Pin>,
}

/// What one client measured.
#[derive(Default)]
struct Measured {
    /// Microseconds of each request that was answered.
    micros: Vec<u64>,
    failed: u64,
}

/// Runs, and prints the figures. Blocks.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.groups >= options.clients.into(), "--groups must be at least --clients");
    let (_service, base) = start(options)?;
    let client = CounterClient::new(&base, None, None)?;
    let tag = SystemClock::new().now().as_millis();
    let clients = usize::from(options.clients);
    let mut shares: Vec<Vec<Group>> = (0..clients).map(|_| Vec::new()).collect();
    for number in 0..options.groups {
        let name = GroupName::try_from(&*format!("load-{tag}-{number}"))?;
        shares[number % clients].push(Group { name, next: 0, last: None });
    }

    let began = Instant::now();
    each(&mut shares, |groups| {
        for group in groups {
            let (request, pin) = bench::increment(&group.name, 0, None, None);
            match client.increment(&request)? {
                IncrementReply::Ok(_) => (group.next, group.last) = (1, Some(pin)),
                other => bail!("founding {}: {other:?}", group.name),
            }
        }
        Ok(Measured::default())
    })?;
    let founding = options.groups as f64 / began.elapsed().as_secs_f64();

    let (began, lasts) = (Instant::now(), Duration::from_secs(options.seconds));
    let measured = each(&mut shares, |groups| {
        let mut measured = Measured::default();
        for at in (0..groups.len()).cycle() {
            if began.elapsed() >= lasts {
                break;
            }
            round(&client, &mut groups[at], &mut measured)?;
        }
        Ok(measured)
    })?;
    let took = began.elapsed().as_secs_f64();
    let mut micros: Vec<u64> = measured.iter().flat_map(|one| one.micros.iter().copied()).collect();
    ensure!(!micros.is_empty(), "no request was answered");
    micros.sort_unstable();
    let at = |part: f64| micros[((micros.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    let failed: u64 = measured.iter().map(|one| one.failed).sum();
    let kind = options.store.kind();
    say!("{} groups, {} clients, {} requests", options.groups, options.clients, micros.len());
    say!("figure counter_founding_rps_{kind} {founding:.0} requests/s");
    for suffix in [String::new(), format!("_{kind}")] {
        say!("figure counter_rps{suffix} {:.0} requests/s", micros.len() as f64 / took);
        say!("figure counter_p50_ms{suffix} {:.1} ms", at(0.5));
        say!("figure counter_p99_ms{suffix} {:.1} ms", at(0.99));
    }
    say!("figure counter_failed_{kind} {failed} requests");
    Ok(())
}

/// Starts the service at a free port of loopback, and returns its address.
fn start(options: &Options) -> Result<(Service, String)> {
    let groups = options.groups.saturating_mul(2).to_string();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["counter", "--open", "--bind", "127.0.0.1:0", "--store", &options.store.to_string()])
        .args(["--groups", &groups, "--starts", &groups, "--key"])
        .arg(&options.key)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("the service does not start")?;
    let mut said = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let service = Service { child, _said: said };
    match line.trim().strip_prefix("counter at ") {
        Some(base) => Ok((service, base.to_owned())),
        None => bail!("the service ended at once: what does `counter --open --store {}` say?", options.store),
    }
}

/// Runs `work` for each share at the same time.
fn each(
    shares: &mut [Vec<Group>],
    work: impl Fn(&mut [Group]) -> Result<Measured> + Sync,
) -> Result<Vec<Measured>> {
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = shares.iter_mut().map(|share| scope.spawn(move || work(share))).collect();
        workers.into_iter().map(|w| w.join().unwrap_or_else(|_| bail!("a client panicked"))).collect()
    })
}

/// Locks and fills the next slot of a group. What has no answer is counted, and asked again in the next round.
fn round(client: &CounterClient, group: &mut Group, measured: &mut Measured) -> Result<()> {
    let mut timed = |failed: Option<Failure>, began: Instant| match failed {
        None => measured.micros.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)),
        Some(_) => measured.failed += 1,
    };
    let began = Instant::now();
    let reply = client.lock(&LockRequest { counter: group.name.clone(), val: group.next });
    timed(reply.as_ref().err().copied(), began);
    let lock_id = match reply {
        Ok(LockReply::Ok { lock_id, .. }) => lock_id,
        // Its lock of a round before, of which no answer came.
        Ok(LockReply::Conflict { .. }) => None,
        Ok(other) => bail!("lock {} of {}: {other:?}", group.next, group.name),
        Err(_) => return Ok(()),
    };
    let (request, pin) = bench::increment(&group.name, group.next, lock_id, group.last);
    let began = Instant::now();
    let reply = client.increment(&request);
    timed(reply.as_ref().err().copied(), began);
    match reply {
        Ok(IncrementReply::Ok(_)) => (group.next, group.last) = (group.next + 1, Some(pin)),
        Ok(other) => bail!("increment {} of {}: {other:?}", group.next, group.name),
        Err(_) => {}
    }
    Ok(())
}
