//! A whole call in one process: relay, counter service and participants on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use moq_mls::engine::Engine;
use moq_mls::notice::{EpochCause, Notice};
use moq_mls::tracks::GroupName;
use moq_mls::{Command, Config, Phase, Timers};
use moq_mls_tokio::{FileStore, IdentityKey};
use tokio::sync::mpsc;

use crate::counter::http::Server;
use crate::counter::memory::Memory;
use crate::counter::store::Store;
use crate::counter::{Service, generate_key};
use crate::counter_client::CounterClient;
use crate::driver::{self, Surroundings};
use crate::handle::{Handle, View};
use crate::link::RelayAddress;
use crate::media::MediaConfig;
use crate::media_check::{self, Tally};
use crate::output::say;
use crate::relay::Relay;
use crate::relay_tokens::{Issuer, RelayToken};
use crate::{identity, mapping, relay_tokens, tls};

/// How long media waits for a key, in a call of one burst.
const KEY_PATIENCE: Duration = Duration::from_secs(10);
/// The longest that any step may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that join at once. The members' next commit waits for them, and each of them then verifies every other.
const BURST: usize = 64;
/// How often each participant sends a media object in a small call.
const MEDIA_EVERY: Duration = Duration::from_millis(20);
/// Senders times receivers of a small call.
const SMALL: usize = 400;
/// Media objects that come to anybody in that time in a larger call: one machine carries them all.
const MEDIA_AT_ONCE: u32 = 128;

/// What `call` is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many take part.
    pub participants: usize,
    /// How many of them send media, to all.
    pub speakers: usize,
    /// Joins to measure: after the call, newcomers join and leave until there were as many.
    pub joins: usize,
    /// The folder for a log of each participant's run.
    pub record: Option<PathBuf>,
    /// No news, only the table and the figures.
    pub quiet: bool,
}

impl Options {
    /// How many bursts there are: one machine does the work of all, so what waits for another waits that much longer.
    fn times(&self) -> u32 {
        u32::try_from(self.participants / BURST).unwrap_or(u32::MAX).max(1)
    }

    /// Timers for so many on one machine: what others do takes longer, and doing it again makes that worse.
    fn timers(&self) -> Timers {
        let mut timers = Timers::default();
        let times = self.times();
        for timer in [
            &mut timers.turn,
            &mut timers.confirm,
            &mut timers.fetch,
            &mut timers.read_back,
            &mut timers.join_retry,
            &mut timers.join_deadline,
        ] {
            *timer *= times;
        }
        timers
    }

    /// How often each speaker sends a media object: less often the more there are, for each comes to every other.
    fn media_every(&self) -> Duration {
        let ways = self.participants * self.speakers.min(self.participants);
        if ways <= SMALL {
            return MEDIA_EVERY;
        }
        MEDIA_EVERY * u32::try_from(ways).unwrap_or(u32::MAX).div_ceil(MEDIA_AT_ONCE)
    }
}

/// A relay and a counter service on loopback, and how participants find them.
pub struct Stage {
    /// The relay.
    pub relay: Relay,
    /// The counter service.
    pub server: Server,
    /// How the media of its participants behaves.
    pub media: MediaConfig,
    /// The folder for a log of each participant's run.
    pub record: Option<PathBuf>,
    group: GroupName,
    timers: Timers,
    roots: Vec<rustls::pki_types::CertificateDer<'static>>,
    tokens: Issuer,
    service_key: Bytes,
    client: CounterClient,
    news: Option<mpsc::UnboundedSender<(String, Notice)>>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts both, with counters in `store`.
    pub async fn set(
        store: Arc<dyn Store>,
        news: Option<mpsc::UnboundedSender<(String, Notice)>>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = tls::Files::in_folder(folder.path(), &[])?;
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let tokens = Issuer::generate()?;
        let relay = Relay::start(anywhere, &certificate, Some(tokens.public_key()))?;
        let service = Arc::new(Service::new(store, generate_key()?, None));
        let service_key = service.public_key();
        let server = Server::start(anywhere, service, Some(certificate.server_config()?)).await?;
        let base = format!("https://localhost:{}", server.address.port());
        Ok(Self {
            relay,
            client: CounterClient::new(&base, Some(&certificate.certificate), None)?,
            server,
            // Those who go out must not only be polite.
            media: MediaConfig { hoards_keys: true, ..MediaConfig::default() },
            record: None,
            group: GroupName::try_from("mls-grp1")?,
            timers: Timers::default(),
            roots: certificate.chain()?,
            tokens,
            service_key,
            news,
            folder,
        })
    }

    /// How participants of this stage are configured.
    pub fn config(&self) -> Config {
        let mut config = Config::new(self.group.clone());
        config.params.commit_tracks = mapping::COMMIT_TRACKS;
        config.timers = self.timers.clone();
        config.params.service_key = Some(self.service_key.clone());
        config
    }

    /// A participant with a key of its own, on `relay_address`, which may be a proxy's.
    pub fn participant_at(
        &self,
        name: &str,
        relay_address: SocketAddr,
        counter: CounterClient,
    ) -> Result<Handle> {
        self.start(name, &identity::generate()?, relay_address, counter, None)
    }

    /// A participant with a key of its own.
    pub fn participant(&self, name: &str) -> Result<Handle> {
        self.participant_at(name, self.relay.address, self.client.clone())
    }

    /// A participant with the key and the state in that folder; from its last snapshot, if there is one.
    pub fn participant_in(&self, name: &str, folder: &Path) -> Result<Handle> {
        let state = FileStore::open(folder)?;
        let key = identity::in_folder(folder)?;
        self.start(name, &key, self.relay.address, self.client.clone(), Some(state))
    }

    fn start(
        &self,
        name: &str,
        key: &IdentityKey,
        relay_address: SocketAddr,
        counter: CounterClient,
        state: Option<FileStore>,
    ) -> Result<Handle> {
        let (name, media, news) = (name.to_owned(), self.media.clone(), self.news.clone());
        let record = self.record.clone();
        let engine = identity::engine(&name, key)?;
        let token = self.tokens.issue(&self.group, engine.sender_id(), relay_tokens::LONGEST)?;
        let relay = self.relay_address(relay_address, Some(token));
        driver::start(
            engine,
            self.config(),
            Surroundings { name, relay, counter, media, record, state, news },
        )
    }

    /// Where the relay is, behind the proxy at `address` perhaps, with that token.
    pub fn relay_address(&self, address: SocketAddr, token: Option<Bytes>) -> RelayAddress {
        RelayAddress {
            host: format!("localhost:{}", address.port()),
            roots: self.roots.clone(),
            token: token.map(RelayToken::Bytes),
        }
    }

    /// Signs tokens for the relay.
    pub fn tokens(&self) -> &Issuer {
        &self.tokens
    }

    /// The certificate of both, as PEM.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The group's name.
    pub fn group(&self) -> &GroupName {
        &self.group
    }
}

/// Waits until the participant's view satisfies `until`.
pub async fn wait(who: &Handle, what: &str, until: impl Fn(&View) -> bool) -> Result<View> {
    let mut watch = who.watch();
    let found =
        tokio::time::timeout(PATIENCE, watch.wait_for(|view| until(view) || view.failure.is_some())).await;
    let view = match found {
        Ok(view) => view.with_context(|| format!("{} is gone", who.name))?.clone(),
        Err(_) => {
            bail!("{}: {what}: not within {PATIENCE:?}; it is now {:?}", who.name, summary(&who.view()))
        }
    };
    match &view.failure {
        Some(failure) => bail!("{}: {failure}", who.name),
        None => Ok(view),
    }
}

fn summary(view: &View) -> String {
    format!("{:?}, epoch {:?}, {} members, {:?}", view.phase, view.epoch, view.members, view.stats)
}

/// Waits until these are exactly the members and hold the same keys; the epoch they agree on.
pub async fn agree(members: &[&Handle], at_least: u64) -> Result<u64> {
    let began = Instant::now();
    loop {
        for who in members {
            wait(who, "to be in", |v| v.members == members.len() && v.epoch.is_some_and(|e| e >= at_least))
                .await?;
        }
        let views: Vec<View> = members.iter().map(|who| who.view()).collect();
        let key = |view: &View| (view.epoch, view.authenticator.clone(), view.probe_key.clone());
        let same = views.windows(2).all(|w| key(&w[0]) == key(&w[1]));
        if let (true, Some(Some(epoch))) = (same, views.first().map(|v| v.epoch)) {
            return Ok(epoch);
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "no agreement: {:?}",
            views.iter().map(summary).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets it join, and returns how long that took, from the command to the notice.
async fn join(who: &Handle) -> Result<Duration> {
    let began = Instant::now();
    who.command(Command::Join);
    let view = wait(who, "to join", |v| v.joined.is_some()).await?;
    Ok(view.joined.map_or(Duration::ZERO, |at| at.saturating_duration_since(began)))
}

/// Runs the call and prints it. The last line says that all agree.
pub async fn run(options: &Options) -> Result<String> {
    let (news, heard) = mpsc::unbounded_channel();
    let began = Instant::now();
    tokio::spawn(print_news(heard, began, options.quiet));
    let say = |text: &str| {
        if !options.quiet {
            say!("\n-- {text}");
        }
    };
    let mut stage = Stage::set(Arc::new(Memory::default()), Some(news)).await?;
    stage.record.clone_from(&options.record);
    stage.timers = options.timers();
    // Media waits for a key for as long as its receiver may be behind.
    stage.media.waiting.time = KEY_PATIENCE * options.times();
    if !options.quiet {
        say!(
            "relay at {} (MoQT draft 18 over QUIC), counter at {}",
            stage.relay.address,
            stage.server.address
        );
    }
    let mut everyone = Vec::new();
    for i in 0..options.participants {
        everyone.push(stage.participant(&format!("p{i}"))?);
    }
    let speakers = &everyone[..options.speakers.min(options.participants)];
    let speaks = |who: &Handle| speakers.iter().any(|one| one.name == who.name);
    for who in &everyone {
        // The others receive.
        who.media(speaks(who).then(|| options.media_every()));
    }
    let mut joins = Vec::new();
    let last = options.participants - 1;

    say("the first participant finds no group and creates it");
    joins.push(join(&everyone[0]).await?);
    say("two join, one by one");
    for who in &everyone[1..3] {
        joins.push(join(who).await?);
    }
    for together in everyone[3..last].chunks(BURST) {
        say(&format!("{} join in one burst", together.len()));
        let burst = Instant::now();
        for who in together {
            who.command(Command::Join);
        }
        for who in together {
            let view = wait(who, "to join", |v| v.joined.is_some()).await?;
            joins.push(view.joined.map_or(Duration::ZERO, |at| at.saturating_duration_since(burst)));
        }
    }
    let mut members: Vec<&Handle> = everyone[..last].iter().collect();
    let mut epoch = agree(&members, 0).await?;

    say("p1 re-keys");
    everyone[1].command(Command::Update);
    epoch = agree(&members, epoch + 1).await?;

    say("p2 leaves");
    everyone[2].command(Command::Leave);
    members.retain(|who| who.name != "p2");
    epoch = agree(&members, epoch + 1).await?;

    say("p0 removes p3");
    everyone[0].command(Command::Remove(everyone[3].sender.clone()));
    members.retain(|who| who.name != "p3");
    epoch = agree(&members, epoch + 1).await?;
    wait(&everyone[3], "to learn of it", |v| v.phase == Some(Phase::Ended)).await?;

    say("one more joins late");
    joins.push(join(&everyone[last]).await?);
    members.push(&everyone[last]);
    epoch = agree(&members, epoch + 1).await?;

    let extra = options.joins.saturating_sub(joins.len());
    if extra > 0 {
        say(&format!("{extra} more join, one after another, and leave"));
    }
    for i in 0..extra {
        let newcomer = stage.participant(&format!("n{i}"))?;
        wait(&newcomer, "to be ready", |v| v.phase == Some(Phase::New)).await?;
        joins.push(join(&newcomer).await?);
        newcomer.command(Command::Leave);
        wait(&newcomer, "to be out", |v| v.phase == Some(Phase::Ended)).await?;
        newcomer.stop().await;
        epoch = agree(&members, epoch).await?;
    }

    // A while of media under the last keys, then silence, so that what is still missing is lost.
    tokio::time::sleep(Duration::from_secs(2).max(2 * options.media_every())).await;
    let senders: Vec<&Handle> = members.iter().copied().filter(|who| speaks(who)).collect();
    let tally = close_media(&everyone, &senders, &members, &[&everyone[2], &everyone[3]], &stage).await?;
    epoch = agree(&members, epoch).await?;

    table(&members)?;
    joins.sort();
    let at = |q: f64| joins[((joins.len() - 1) as f64 * q).round() as usize].as_secs_f64() * 1e3;
    say!("figure live_participants {} members", options.participants);
    say!("figure live_speakers {} members", speakers.len());
    say!("figure live_media_every {} ms", options.media_every().as_millis());
    say!("figure live_joins {} joins", joins.len());
    say!("figure live_join_min_ms {:.1} ms", at(0.0));
    say!("figure live_join_median_ms {:.1} ms", at(0.5));
    say!("figure live_join_p99_ms {:.1} ms", at(0.99));
    tally.print();
    say!("figure live_commits {epoch} commits");
    let bytes: u64 = everyone.iter().map(|who| who.view().stats.bytes_published).sum();
    say!("figure live_bytes_published {bytes} bytes");
    let last_line = format!("call: {} members agree on epoch {epoch}", members.len());
    stage.server.stop().await;
    tally.ensure_closed()?;
    Ok(last_line)
}

/// Stops the media and counts: nothing may be missing at a member, nothing opened by those who are out.
async fn close_media(
    everyone: &[Handle],
    senders: &[&Handle],
    members: &[&Handle],
    out: &[&Handle],
    stage: &Stage,
) -> Result<Tally> {
    // Stopping the sending does not end the receiving.
    for who in everyone {
        who.media(None);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    media_check::tally(stage.group(), &stage.media.ring, senders, members, out)
}

fn table(members: &[&Handle]) -> Result<()> {
    say!("\n{:<8} {:<8} {:>5}  {:<16} {:<16}", "member", "sender", "epoch", "authenticator", "track key");
    for who in members {
        let view = who.view();
        let hex8 = |bytes: &Option<Bytes>| bytes.as_ref().map_or(String::new(), |b| hex::encode(&b[..8]));
        say!(
            "{:<8} {:<8} {:>5}  {:<16} {:<16}",
            who.name,
            identity::short(&who.sender),
            view.epoch.context("a member is out")?,
            hex8(&view.authenticator),
            hex8(&view.probe_key),
        );
    }
    say!();
    Ok(())
}

async fn print_news(mut heard: mpsc::UnboundedReceiver<(String, Notice)>, began: Instant, quiet: bool) {
    while let Some((name, notice)) = heard.recv().await {
        // What every member tells its user about every other fills pages and says little here.
        let dull = matches!(
            notice,
            Notice::MemberJoined { .. }
                | Notice::MemberLeft { .. }
                | Notice::MemberReplaced { .. }
                | Notice::PeerFault { .. }
        );
        if !quiet && !dull {
            say!("{:>8.3}  {name:<5} {}", began.elapsed().as_secs_f64(), tell(&notice));
        }
    }
}

/// A notice for people.
pub fn tell(notice: &Notice) -> String {
    match notice {
        Notice::Epoch { cause: EpochCause::Created, .. } => "created the group".to_owned(),
        Notice::Epoch { epoch, cause: EpochCause::Welcome } => format!("is in, at epoch {epoch}"),
        Notice::Epoch { epoch, cause: EpochCause::Commit { committer } } => {
            format!("is at epoch {epoch}, committed by {}", identity::short(committer))
        }
        Notice::MemberJoined { sender, leaf_index, .. } => {
            format!("sees {} come in, leaf {leaf_index}", identity::short(sender))
        }
        Notice::MemberLeft { sender } => format!("sees {} go", identity::short(sender)),
        Notice::Removed { epoch } => format!("was removed: epoch {epoch} is closed to it"),
        Notice::Left => "has left".to_owned(),
        other => format!("{other:?}"),
    }
}
