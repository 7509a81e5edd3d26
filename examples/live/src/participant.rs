//! One participant as a process of its own, with a terminal for a user.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use moq_mls::notice::Notice;
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Command, Config, Phase};
use moq_mls_tokio::FileStore;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use crate::call::tell;
use crate::counter_client::CounterClient;
use crate::driver::{self, Surroundings};
use crate::handle::{Handle, View};
use crate::link::RelayAddress;
use crate::media::{MediaConfig, Received};
use crate::{identity, mapping, tls};

/// The options of `participant`.
#[derive(clap::Args)]
pub struct Terminal {
    /// The group
    #[arg(long)]
    group: String,
    /// The name in the participant's credential
    #[arg(long)]
    name: String,
    /// The relay, HOST:PORT
    #[arg(long, default_value = "localhost:4443")]
    relay: String,
    /// The certificate of the relay, or of who signed it (PEM)
    #[arg(long, default_value = "live-state/tls/cert.pem")]
    relay_cert: PathBuf,
    /// The counter service
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    counter: String,
    /// Its certificate, or of who signed it (PEM), where the system does not know it
    #[arg(long)]
    counter_cert: Option<PathBuf>,
    /// A file with the token for the counter service
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The key that the counter prints, to check its receipts by; all members of a group need the same
    #[arg(long)]
    receipt_key: Option<String>,
    /// Milliseconds between two of its media objects; 0: it sends and receives none
    #[arg(long, default_value_t = 500)]
    media_every: u64,
    /// A folder for a log of its run, from the very start, which the example `replay` runs again
    #[arg(long)]
    record: Option<PathBuf>,
    /// Where identity and state are kept
    #[arg(long)]
    state_dir: PathBuf,
}

const HELP: &str = "commands: members, media, update, remove ID, leave, help; Ctrl-C stops without leaving";

/// Runs until it has left, was removed, or `stopped` is ready.
pub async fn run(options: Terminal, stopped: impl Future<Output = ()>) -> Result<()> {
    let state = FileStore::open(&options.state_dir)
        .with_context(|| format!("cannot use {}", options.state_dir.display()))?;
    let engine = identity::engine(&options.name, &identity::in_folder(state.path())?)?;
    let mut config = Config::new(GroupName::try_from(&*options.group).context("--group")?);
    config.params.commit_tracks = mapping::COMMIT_TRACKS;
    config.params.service_key =
        options.receipt_key.map(|key| hex::decode(key).context("--receipt-key")).transpose()?.map(Into::into);
    let token = options.token_file.map(|path| {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
        text.map(|t| t.trim().to_owned())
    });
    let counter = CounterClient::new(&options.counter, options.counter_cert.as_deref(), token.transpose()?)?;
    let relay = RelayAddress { host: options.relay, roots: tls::roots(&options.relay_cert)? };
    let (news, mut heard) = mpsc::unbounded_channel();
    let surroundings = Surroundings {
        name: options.name,
        relay,
        counter,
        media: MediaConfig::default(),
        record: options.record,
        state: Some(state),
        news: Some(news),
    };
    let me = driver::start(engine, config, surroundings)?;
    let resumed = me.resumed();
    println!("{} is {}{}", me.name, me.sender, if resumed { ", from its state" } else { "" });
    if !resumed {
        me.command(Command::Join);
    }
    if options.media_every > 0 {
        me.media(Some(Duration::from_millis(options.media_every)));
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typing = true;
    let mut view = me.watch();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            line = lines.next_line(), if typing => match line? {
                Some(line) => obey(&me, line.trim()),
                // No terminal: go on without one.
                None => typing = false,
            },
            heard = heard.recv() => if let Some((_, notice)) = heard {
                show(&notice, &me.view());
            },
            changed = view.changed() => {
                let now = view.borrow_and_update().clone();
                if let Some(failure) = now.failure {
                    bail!("{failure}; started again, it goes on from its last state");
                }
                if changed.is_err() {
                    bail!("the participant is gone");
                }
                if now.phase == Some(Phase::Ended) {
                    while let Ok((_, notice)) = heard.try_recv() {
                        show(&notice, &me.view());
                    }
                    println!("out of the group; for a new start, another --state-dir");
                    break;
                }
            }
            () = &mut stopped => {
                println!("stopping without leaving; started again, it goes on");
                break;
            }
        }
    }
    me.stop().await;
    Ok(())
}

fn obey(me: &Handle, line: &str) {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("", _) => {}
        ("update", "") => me.command(Command::Update),
        ("leave", "") => me.command(Command::Leave),
        ("members", "") => {
            let view = me.view();
            println!("epoch {}:", view.epoch.map_or("none".to_owned(), |e| e.to_string()));
            for (id, name) in &view.roster {
                println!("  {} {name}", identity::short(id));
            }
        }
        ("media", "") => {
            let view = me.view();
            for (id, name) in view.roster.iter().filter(|(id, _)| *id != me.sender) {
                let of_it = view.received.iter().find(|(track, _)| track.name == id.as_bytes());
                let Received { opened, late, unopenable, newest_key, .. } =
                    of_it.map(|(_, received)| received.clone()).unwrap_or_default();
                println!(
                    "  {} {name}: {opened} opened, the newest under epoch {newest_key}; {late} of them late; \
                     {unopenable} unopenable",
                    identity::short(id)
                );
            }
        }
        ("remove", prefix) if !prefix.is_empty() => {
            let view = me.view();
            let found: Vec<&SenderId> = view
                .roster
                .iter()
                .map(|(id, _)| id)
                .filter(|id| id.to_string().starts_with(prefix))
                .collect();
            match found[..] {
                [one] => me.command(Command::Remove(one.clone())),
                [] => println!("no member begins with {prefix}"),
                _ => println!("several members begin with {prefix}"),
            }
        }
        _ => println!("{HELP}"),
    }
}

fn show(notice: &Notice, view: &View) {
    match notice {
        // The relay replays what it has, old epochs included.
        Notice::PeerFault { .. } => {}
        Notice::Epoch { epoch, .. } => {
            let authenticator = match (&view.authenticator, view.epoch) {
                (Some(bytes), Some(now)) if now == *epoch => {
                    format!(", authenticator {}", hex::encode(&bytes[..8]))
                }
                _ => String::new(),
            };
            println!("{}{authenticator}", tell(notice));
        }
        other => println!("{}", tell(other)),
    }
}
