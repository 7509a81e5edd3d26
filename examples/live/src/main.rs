//! See `--help`, and "Run it for real" in the README.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moq_mls_live::call;

#[derive(Parser)]
#[command(about = "moq-mls over a real MoQT relay and a real counter service")]
struct Cli {
    #[command(subcommand)]
    command: Run,
}

#[derive(Subcommand)]
enum Run {
    /// Everything in one process on loopback: the whole life of a call
    Call {
        /// How many take part, 5 to 64
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(5..=64))]
        participants: u16,
        /// Measure that many joins, by newcomers that join and leave
        #[arg(long, default_value_t = 0)]
        joins: usize,
        /// Only the table and the figures
        #[arg(long)]
        quiet: bool,
    },
}

fn main() -> ExitCode {
    // Two crypto providers are linked in: one must be the process's.
    rustls::crypto::ring::default_provider().install_default().ok();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off,moq_mls_live=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("live: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(Cli::parse().command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Run) -> anyhow::Result<()> {
    match command {
        Run::Call { participants, joins, quiet } => {
            let options = call::Options { participants: participants.into(), joins, quiet };
            println!("{}", call::run(&options).await?);
        }
    }
    Ok(())
}
