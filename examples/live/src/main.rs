//! See `--help`, and `docs/operations.md`.

#[path = "../../output/mod.rs"]
mod output;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls_live::counter;
use moq_mls_live::counter::command::StoreName;
use moq_mls_live::counter::store::MAX_COUNTERS;
use moq_mls_live::journal::Page;
use moq_mls_live::logging::Log;
use moq_mls_live::participant::{self, Terminal};
use moq_mls_live::relay::Relay;
use moq_mls_live::relay_tokens::{self, Issuer};
use moq_mls_live::{bench, call, identity, load, tls};

use self::output::{complain, say};

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
        /// How many take part, 5 to 200
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(5..=200))]
        participants: u16,
        /// How many of them send media; all receive it
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        speakers: u16,
        /// Measure that many joins, by newcomers that join and leave
        #[arg(long, default_value_t = 0)]
        joins: usize,
        /// A folder for a log of each participant's run, which the example `replay` runs again
        #[arg(long)]
        record: Option<PathBuf>,
        /// Draw the call as a page, OUT.html
        #[arg(long)]
        html: Option<PathBuf>,
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
        /// Makes a certificate that web pages take by its hash, good for 13 days, and prints the hash
        #[arg(long)]
        web: bool,
        /// Admits only who has a token of the key whose public part is in this file (PEM): see `relay-token`
        #[arg(long)]
        token_key: Option<PathBuf>,
    },
    /// The epoch counter service
    Counter(counter::command::Options),
    /// One participant of a group
    Participant(Terminal),
    /// Prints the SenderId of a participant, for the counter's tokens; makes its key if there is none
    Identity {
        /// Where its identity and state are kept
        #[arg(long)]
        state_dir: PathBuf,
    },
    /// Prints a token for the relay: its owner publishes on its own tracks of the group, and on no others
    RelayToken {
        /// The key that signs it; it is made if there is none, with its public part in a file that ends in .pub
        #[arg(long, default_value = "live-state/relay-tokens.key")]
        key: PathBuf,
        /// The group
        #[arg(long)]
        group: String,
        /// The SenderId of its owner, as `identity` prints it
        #[arg(long)]
        sender: String,
        /// How many hours it is good, 1 to 168
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
        hours: u64,
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
    /// Many groups and clients against a counter service in a process of its own
    LoadCounter(load::Options),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Two crypto providers are linked in: one must be the process's.
    rustls::crypto::ring::default_provider().install_default().ok();
    let default = match command {
        Run::Counter(_) | Run::Participant(_) => "off,moq_mls_live=info,moq_mls_tokio=info",
        Run::Relay { .. } => "off,moq_relay_ietf::relay=info,moq_mls_live=info",
        Run::Call { .. }
        | Run::Identity { .. }
        | Run::RelayToken { .. }
        | Run::BenchCounter { .. }
        | Run::LoadCounter(_) => "off,moq_mls_live=warn,moq_mls_tokio=warn",
    };
    let is_live = matches!(&command, Run::Participant(terminal) if terminal.is_live());
    let is_coloured = std::io::stderr().is_terminal() && !is_live;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Log::default)
        .with_ansi(is_coloured)
        // It would tell standard error of standard error, and panic where that is closed.
        .log_internal_errors(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("live: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(command));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Run) -> Result<()> {
    match command {
        Run::Call { participants, speakers, joins, record, html, quiet } => {
            let page = html.map(|out| Page::prepare(out, record.as_deref())).transpose()?;
            let record = page.as_ref().map(|page| page.folder().to_owned()).or(record);
            let options = call::Options {
                participants: participants.into(),
                speakers: speakers.into(),
                joins,
                record,
                quiet,
            };
            let ended = call::run(&options).await;
            // A call that failed is what a page is most useful for.
            if let Some(page) = page {
                say!("drawn in {}", page.draw()?.display());
            }
            say!("{}", ended?);
        }
        Run::Relay { bind, tls, name, web, token_key } => {
            let files = if web { tls::Files::for_web } else { tls::Files::in_folder };
            let certificate = files(&tls, &name)?;
            let token_key = token_key.map(|path| {
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            });
            let relay = Relay::start(bind, &certificate, token_key.transpose()?.as_deref())?;
            say!("relay at {}, certificate {}", relay.address, certificate.certificate.display());
            if web {
                say!("certificate hash {}", hex::encode(certificate.hash()?));
            }
            tokio::select! {
                () = stopped() => {}
                () = relay.ended() => anyhow::bail!("the relay ended"),
            }
        }
        Run::Counter(options) => counter::command::run(options, stopped()).await?,
        Run::Participant(terminal) => participant::run(terminal, stopped()).await?,
        Run::Identity { state_dir } => {
            say!("{}", identity::sender_id(&identity::in_folder(&state_dir)?)?);
        }
        Run::RelayToken { key, group, sender, hours } => {
            let group = GroupName::try_from(&*group).context("--group")?;
            let sender = SenderId::new(sender).context("--sender")?;
            let token = Issuer::in_file(&key)?.issue(&group, &sender, Duration::from_secs(hours * 3600))?;
            say!("{}", relay_tokens::print(&token));
        }
        Run::BenchCounter { store, clients, round_ms, at_least } => {
            let ratio =
                bench::run(store.open(MAX_COUNTERS)?, clients, Duration::from_millis(round_ms)).await?;
            if let Some(least) = at_least {
                anyhow::ensure!(ratio >= least, "the ratio is below {least}");
            }
        }
        Run::LoadCounter(options) => {
            tokio::task::spawn_blocking(move || load::run(&options)).await??;
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
