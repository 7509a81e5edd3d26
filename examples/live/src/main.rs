//! See `--help`, and `docs/operations.md`.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use moq_mls::counter::http::WebPolicy;
use moq_mls_live::counter::etcd::Etcd;
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::rate::Rate;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter::store::Store;
use moq_mls_live::counter::tokens::Tokens;
use moq_mls_live::counter::{self, Service};
use moq_mls_live::participant::{self, Terminal};
use moq_mls_live::relay::Relay;
use moq_mls_live::{bench, call, identity, tls};

#[derive(Parser)]
#[command(about = "moq-mls over a real MoQT relay and a real counter service", version)]
struct Cli {
    #[command(subcommand)]
    command: Run,
}

#[derive(Subcommand)]
enum Run {
    /// Everything in one process on loopback: a call from its start to its end
    Call {
        /// How many take part, 5 to 100
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(5..=100))]
        participants: u16,
        /// Measure that many joins, by newcomers that join and leave
        #[arg(long, default_value_t = 0)]
        joins: usize,
        /// A folder for a log of each participant's run, which the example `replay` runs again
        #[arg(long)]
        record: Option<PathBuf>,
        /// Only the table and the figures
        #[arg(long)]
        quiet: bool,
    },
    /// A MoQT relay (moq-relay-ietf)
    Relay {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:4443")]
        bind: SocketAddr,
        /// A folder with cert.pem and key.pem; they are made if it has none
        #[arg(long, default_value = "live-state/tls")]
        tls: PathBuf,
        /// Names of this host besides localhost, for a certificate that is made
        #[arg(long)]
        name: Vec<String>,
    },
    /// The epoch counter service
    Counter {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:8080")]
        bind: SocketAddr,
        /// memory, redb:PATH or etcd:URL
        #[arg(long, default_value = "redb:live-state/counter.redb")]
        store: StoreName,
        /// The key that signs receipts (PKCS #8); made if there is none. The same for all services of a store
        #[arg(long, default_value = "live-state/receipts.key")]
        key: PathBuf,
        /// A file of who may ask about what, in lines of TOKEN GROUP SENDER_ID; "create" at the end of a line lets that
        /// client found the group. Read again when it changes
        #[arg(long, required_unless_present = "open", conflicts_with = "open")]
        tokens: Option<PathBuf>,
        /// Everyone who can reach it may ask, and found groups: for one machine, or a network of friends
        #[arg(long)]
        open: bool,
        /// Most requests a second of each client, twice as many at once: a SenderId where there are tokens, otherwise an
        /// address (of IPv6, its /64)
        #[arg(long)]
        rate: Option<u32>,
        /// Most groups that each client may found at once; one more after each minute
        #[arg(long, default_value_t = 256)]
        starts: u32,
        /// A web page's origin (https://app.example) that may ask without a token; again for more
        #[arg(long)]
        origin: Vec<String>,
        /// A name (host:port, as clients write it) that the service is asked by; again for more. Without it, any
        #[arg(long)]
        host: Vec<String>,
        /// A certificate chain (PEM), for HTTPS
        #[arg(long, requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// Its private key (PEM)
        #[arg(long, requires = "tls_cert")]
        tls_key: Option<PathBuf>,
    },
    /// One participant of a group
    Participant(Terminal),
    /// Prints the SenderId of a participant, for the counter's tokens; makes its key if there is none
    Identity {
        /// Where its identity and state are kept
        #[arg(long)]
        state_dir: PathBuf,
    },
    /// Lock and increment rounds through HTTP, against the bare store doing the same
    BenchCounter {
        /// memory, redb:PATH or etcd:URL
        #[arg(long)]
        store: StoreName,
        /// Clients at once, each with a counter of its own
        #[arg(long, default_value_t = 4)]
        clients: usize,
        /// Milliseconds for each of 40 alternating rounds a side
        #[arg(long, default_value_t = 150)]
        round_ms: u64,
        /// Fail if the ratio is lower
        #[arg(long)]
        at_least: Option<f64>,
    },
}

/// Which store.
#[derive(Clone)]
enum StoreName {
    Memory,
    Redb(PathBuf),
    Etcd(String),
}

impl FromStr for StoreName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("redb", path)) if !path.is_empty() => Ok(Self::Redb(path.into())),
            Some(("etcd", url)) if url.starts_with("http") => Ok(Self::Etcd(url.to_owned())),
            _ => Err("memory, redb:PATH or etcd:URL (http://host:2379)".to_owned()),
        }
    }
}

impl StoreName {
    fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Memory => Arc::new(Memory::default()),
            Self::Redb(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("cannot make {}", folder.display()))?;
                }
                Arc::new(Redb::open(path)?)
            }
            Self::Etcd(url) => Arc::new(Etcd::new(url)),
        })
    }
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Two crypto providers are linked in: one must be the process's.
    rustls::crypto::ring::default_provider().install_default().ok();
    let default = match command {
        Run::Counter { .. } | Run::Participant(_) => "off,moq_mls_live=info,moq_mls_tokio=info",
        Run::Relay { .. } => "off,moq_relay_ietf::relay=info,moq_mls_live=info",
        Run::Call { .. } | Run::Identity { .. } | Run::BenchCounter { .. } => {
            "off,moq_mls_live=warn,moq_mls_tokio=warn"
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("live: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(command));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Run) -> Result<()> {
    match command {
        Run::Call { participants, joins, record, quiet } => {
            let options = call::Options { participants: participants.into(), joins, record, quiet };
            println!("{}", call::run(&options).await?);
        }
        Run::Relay { bind, tls, name } => {
            let certificate = tls::Files::in_folder(&tls, &name)?;
            let relay = Relay::start(bind, &certificate)?;
            println!("relay at {}, certificate {}", relay.address, certificate.certificate.display());
            tokio::select! {
                () = stopped() => {}
                () = relay.ended() => anyhow::bail!("the relay ended"),
            }
        }
        Run::Counter { bind, store, key, tokens, open: _, rate, starts, origin, host, tls_cert, tls_key } => {
            if let Some(folder) = key.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            let tokens = tokens.map(|path| Tokens::load(&path)).transpose()?;
            let mut web = WebPolicy::default();
            (web.origins, web.hosts) = (origin, host);
            let mut service = Service::new(store.open()?, counter::key_in_file(&key)?, tokens)
                .with_web(web)
                .with_starts(Rate::with(starts, Duration::from_secs(60)));
            if let Some(per_second) = rate {
                service = service.with_rate(Rate::new(per_second));
            }
            let public = hex::encode(service.public_key());
            let tls = tls_cert.zip(tls_key).map(|(certificate, key)| tls::Files { certificate, key });
            let scheme = if tls.is_some() { "https" } else { "http" };
            let tls = tls.map(|files| files.server_config()).transpose()?;
            let server = Server::start(bind, Arc::new(service), tls).await?;
            println!("counter at {scheme}://{}", server.address);
            println!("receipt key {public}");
            stopped().await;
            tracing::info!("stopping");
            server.stop().await;
        }
        Run::Participant(terminal) => participant::run(terminal, stopped()).await?,
        Run::Identity { state_dir } => {
            println!("{}", identity::sender_id(&identity::in_folder(&state_dir)?)?);
        }
        Run::BenchCounter { store, clients, round_ms, at_least } => {
            let ratio = bench::run(store.open()?, clients, Duration::from_millis(round_ms)).await?;
            if let Some(least) = at_least {
                anyhow::ensure!(ratio >= least, "the ratio is below {least}");
            }
        }
    }
    Ok(())
}

/// Ctrl-C, or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    tokio::signal::ctrl_c().await.ok();
}
