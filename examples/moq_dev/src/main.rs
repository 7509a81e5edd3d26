//! See `--help`.

#[path = "../../output/mod.rs"]
mod output;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use moq_mls::Phase;
use moq_mls::tracks::GroupName;
use moq_mls_moq_dev::call;
use moq_mls_moq_dev::participant::Participant;
use moq_mls_moq_dev::relay::RelayAddress;
use moq_mls_moq_dev::server::{Certificate, CounterServer, Server, Settings};
use moq_mls_tokio::{HttpCounter, HttpOptions, LocalCounter};
use url::Url;

use self::output::{complain, say};

#[derive(Parser)]
#[command(about = "moq-mls over moq-relay of moq-dev", version)]
struct Cli {
    #[command(subcommand)]
    command: Run,
}

#[derive(Subcommand)]
enum Run {
    /// Everything in one process on loopback: a call from its start to its end
    Call {
        /// How many take part, 5 to 64
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(5..=64))]
        participants: u16,
        /// How many of them send media to all; at most all but three
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=61))]
        speakers: u16,
    },
    /// A relay for anybody (moq-relay)
    Relay {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:4443")]
        bind: SocketAddr,
        /// A folder with cert.pem and key.pem; they are made if it has none
        #[arg(long, default_value = "moq-dev-state/tls")]
        tls: PathBuf,
    },
    /// A counter service in memory, over HTTP, for clients on this machine
    Counter {
        /// Where to listen, on loopback; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:4480")]
        bind: SocketAddr,
    },
    /// One participant of a group: it joins, sends media until it is stopped (SIGTERM, Ctrl-C), and leaves
    Participant {
        /// The relay
        #[arg(long, default_value = "https://localhost:4443/")]
        relay: Url,
        /// The root certificate of the relay (PEM)
        #[arg(long, default_value = "moq-dev-state/tls/cert.pem")]
        root: PathBuf,
        /// The counter service
        #[arg(long, default_value = "http://127.0.0.1:4480")]
        counter: String,
        /// The group
        #[arg(long, default_value = "mls-grp1")]
        group: String,
        /// Its name, for others to see
        #[arg(long)]
        name: String,
        /// Milliseconds between two media objects
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(5..))]
        every_ms: u64,
    },
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("off,moq_mls_moq_dev=warn,moq_mls_tokio=warn")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("moq-dev: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(command));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("moq-dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Run) -> Result<()> {
    match command {
        Run::Call { participants, speakers } => {
            let options = call::Options { participants: participants.into(), speakers: speakers.into() };
            call::run(options).await
        }
        Run::Relay { bind, tls } => {
            let certificate = Certificate::in_folder(&tls)?;
            let mut relay = Server::start(bind, &certificate, Settings::default()).await?;
            say!("relay at {}, certificate {}", relay.address, certificate.certificate.display());
            tokio::select! {
                () = stopped() => Ok(()),
                () = relay.ended() => anyhow::bail!("the relay ended"),
            }
        }
        Run::Counter { bind } => {
            let server = CounterServer::start(bind, LocalCounter::new()).await?;
            say!("counter at http://{}", server.address);
            stopped().await;
            Ok(())
        }
        Run::Participant { relay, root, counter, group, name, every_ms } => {
            std::fs::metadata(&root).with_context(|| format!("no certificate at {}", root.display()))?;
            let group = GroupName::try_from(&*group).context("--group")?;
            let counter = HttpCounter::new(&counter, HttpOptions::default()).context("--counter")?;
            let who = Participant::start(&name, &group, &RelayAddress { url: relay, root }, counter).await?;
            say!("participant {}", who.sender);
            tokio::select! {
                () = stopped() => Ok(()),
                ended = take_part(&who, Duration::from_millis(every_ms)) => ended,
            }?;
            leave(&who).await
        }
    }
}

/// Joins, sends, and tells where it is.
async fn take_part(who: &Participant, every: Duration) -> Result<()> {
    who.join(call::PATIENCE).await?;
    who.speak(Some(every));
    let mut before = None;
    loop {
        let view = who.wait("news", Duration::MAX, |view| Some((view.epoch, view.members)) != before).await?;
        before = Some((view.epoch, view.members));
        if view.phase == Some(Phase::Ended) {
            return Ok(());
        }
        if let (Some(epoch), Some(authenticator)) = (view.epoch, &view.authenticator) {
            say!("epoch {epoch} members {} authenticator {}", view.members, hex::encode(authenticator));
        }
    }
}

async fn leave(who: &Participant) -> Result<()> {
    let view = who.view();
    if view.epoch.is_some() {
        who.handle.leave().await?;
        who.wait("to be out", call::PATIENCE, |view| view.phase == Some(Phase::Ended)).await?;
    }
    // What it sent itself came back, too.
    let others = view.received.iter().filter(|(sender, _)| **sender != who.sender);
    let opened: u64 = others.map(|(_, received)| received.opened).sum();
    say!("figure moq_dev_participant_opened {opened} objects");
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
