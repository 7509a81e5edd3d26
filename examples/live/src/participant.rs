//! One participant as a process of its own, with a terminal for a user.

mod metrics;
mod prompt;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use moq_mls::tracks::GroupName;
use moq_mls::{Admission, Command, Config, Phase};
use moq_mls_tokio::{DriverError, FileStore};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::mpsc;

use self::metrics::Metrics;
use self::prompt::{HELP, Line, Prompt};
use crate::counter::command::warn_if_others_can_read;
use crate::counter_client::CounterClient;
use crate::driver::{self, Surroundings};
use crate::handle::Handle;
use crate::link::RelayAddress;
use crate::media::MediaConfig;
use crate::metrics::Endpoint;
use crate::output::say;
use crate::relay_tokens::RelayToken;
use crate::screen::{Input, Screen};
use crate::{identity, mapping, screen, tls};

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
    #[arg(long, default_value = "localhost:4443", value_parser = host_and_port)]
    relay: String,
    /// The certificate of the relay, or of who signed it (PEM)
    #[arg(long, default_value = "live-state/tls/cert.pem")]
    relay_cert: PathBuf,
    /// A file with the token for the relay, as `relay-token` prints it; it may be replaced while this runs
    #[arg(long)]
    relay_token: Option<PathBuf>,
    /// The counter service; again for more over the same store, of which the next is asked when one has no answer
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    counter: Vec<String>,
    /// Their certificate, or of who signed it (PEM), where the system does not know it
    #[arg(long)]
    counter_cert: Option<PathBuf>,
    /// A file with the token for the counter service
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Nobody joins whom the user has not admitted at the prompt. The default with --token-file
    #[arg(long, conflicts_with = "open")]
    ask: bool,
    /// Everybody may join who can publish at the relay. The default without --token-file
    #[arg(long)]
    open: bool,
    /// The key that the counter prints, to check its receipts by; all members of a group need the same
    #[arg(long)]
    receipt_key: Option<String>,
    /// Milliseconds between two of its media objects; 0: it sends and receives none
    #[arg(long, default_value_t = 500)]
    media_every: u64,
    /// A folder for a log of its run, from the very start, which the example `replay` runs again
    #[arg(long)]
    record: Option<PathBuf>,
    /// Where to answer GET /metrics for Prometheus; it asks for no token
    #[arg(long)]
    metrics: Option<SocketAddr>,
    /// Where identity and state are kept
    #[arg(long)]
    state_dir: PathBuf,
    /// Plain lines, also on a terminal
    #[arg(long)]
    plain: bool,
}

fn host_and_port(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(1..)) => Ok(text.to_owned()),
        _ => Err("it needs a host and a port, as in relay.example:4443".to_owned()),
    }
}

impl Terminal {
    /// Returns whether it will show a live view.
    pub fn is_live(&self) -> bool {
        !self.plain && screen::is_possible()
    }
}

/// Where it is shown what happens, and where the user types.
enum Face {
    /// Lines on standard input and output.
    Plain {
        /// `None`, once there are no more.
        typed: Option<Lines<BufReader<Stdin>>>,
    },
    /// A live view.
    Live(Box<Screen>),
}

impl Face {
    fn new(live: bool, me: &Handle, group: &str) -> Result<Self> {
        if live {
            let title = format!("{group}: {} {}", me.name, identity::short(&me.sender));
            return Ok(Self::Live(Box::new(Screen::open(title, me.sender.clone(), me.watch())?)));
        }
        Ok(Self::Plain { typed: Some(BufReader::new(tokio::io::stdin()).lines()) })
    }

    fn say(&mut self, text: &str) {
        match self {
            _ if text.is_empty() => {}
            Self::Plain { .. } => say!("{text}"),
            Self::Live(screen) => screen.say(text),
        }
    }

    /// Returns what the user does next. May be cancelled and called again.
    async fn next(&mut self) -> Result<Input> {
        match self {
            Self::Plain { typed } => {
                if let Some(lines) = typed
                    && let Some(line) = lines.next_line().await?
                {
                    return Ok(Input::Line(line));
                }
                // No terminal: go on without one.
                *typed = None;
                std::future::pending().await
            }
            Self::Live(screen) => screen.next().await,
        }
    }
}

const STOPPING: &str = "stopping without leaving; started again, it goes on";

/// Runs until it has left, was removed, or `stopped` is ready.
pub async fn run(options: Terminal, stopped: impl Future<Output = ()>) -> Result<()> {
    let live = options.is_live();
    let state = FileStore::open(&options.state_dir)
        .with_context(|| format!("cannot use {}", options.state_dir.display()))?;
    let engine = identity::engine(&options.name, &identity::in_folder(state.path())?)?;
    let mut config = Config::new(GroupName::try_from(&*options.group).context("--group")?);
    config.params.commit_tracks = mapping::COMMIT_TRACKS;
    config.params.service_key =
        options.receipt_key.map(|key| hex::decode(key).context("--receipt-key")).transpose()?.map(Into::into);
    // A Welcome needs no token: where tokens say who may ask the service, the user says who may join.
    let asks = options.ask || (options.token_file.is_some() && !options.open);
    config.admission = if asks { Admission::Ask } else { Admission::Open };
    let token = options.token_file.as_deref().map(token_in).transpose()?;
    let counter = CounterClient::of_several(&options.counter, options.counter_cert.as_deref(), token)?;
    let relay_token = options.relay_token.map(RelayToken::File);
    // A mistake is found before anything else happens.
    relay_token.as_ref().map(RelayToken::option).transpose()?;
    let relay =
        RelayAddress { host: options.relay, roots: tls::roots(&options.relay_cert)?, token: relay_token };
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
    let me = driver::start(engine, config, surroundings);
    let me = me.map_err(|error| match error.downcast_ref() {
        Some(DriverError::Participant(moq_mls::Error::Snapshot(_))) => {
            let snapshot = options.state_dir.join("snapshot");
            error.context(format!("{} (without it, this participant joins again)", snapshot.display()))
        }
        _ => error,
    })?;
    let resumed = me.resumed();
    let mut face = Face::new(live, &me, &options.group)?;
    face.say(&format!("{} is {}{}", me.name, me.sender, if resumed { ", from its state" } else { "" }));
    if live {
        face.say(HELP);
    }
    if asks {
        face.say("it asks you who may join: type help");
    }
    let mut registry = crate::metrics::registry();
    let mut metrics = Metrics::register(&mut registry, me.watch(), !resumed);
    let _endpoint = match options.metrics {
        Some(bind) => {
            let endpoint = Endpoint::start(bind, registry).await?;
            face.say(&format!("metrics at http://{}/metrics", endpoint.address));
            Some(endpoint)
        }
        None => None,
    };
    if !resumed {
        me.command(Command::Join);
    }
    if options.media_every > 0 {
        me.media(Some(Duration::from_millis(options.media_every)));
    }
    let mut prompt = Prompt::default();
    let mut view = me.watch();
    tokio::pin!(stopped);
    let last = loop {
        tokio::select! {
            input = face.next() => match input? {
                Input::Line(line) => match prompt.obey(&me.sender, &me.view(), &line) {
                    Line::Do(command) => me.command(command),
                    Line::Show(text) => face.say(&text),
                },
                Input::Stop => break STOPPING,
            },
            heard = heard.recv() => if let Some((_, notice)) = heard {
                metrics.hear(&notice);
                face.say(&prompt.hear(&notice, &me.view()).unwrap_or_default());
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
                        face.say(&prompt.hear(&notice, &me.view()).unwrap_or_default());
                    }
                    break "out of the group; for a new start, another --state-dir";
                }
            }
            () = &mut stopped => break STOPPING,
        }
    };
    // The terminal is given back before the last line, which is to stay on it.
    drop(face);
    say!("{last}");
    me.stop().await;
    Ok(())
}

fn token_in(path: &Path) -> Result<String> {
    warn_if_others_can_read(path);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let token = text.trim();
    let is_one = !token.is_empty() && !token.contains(char::is_whitespace);
    ensure!(is_one, "{} must hold one token, and no space in it", path.display());
    Ok(token.to_owned())
}
