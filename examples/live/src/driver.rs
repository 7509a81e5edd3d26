//! One participant of a call: the driver of `moq-mls-tokio` on a QUIC relay, and its media beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use moq_mls::keys::EpochKeyRing;
use moq_mls::notice::{EpochCause, Notice};
use moq_mls::recording::{AnswerLog, RecordedEngine, Secrets};
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use moq_mls::{Command, Config};
use moq_mls_tokio::{
    Clock, CommandError, Driver, DriverError, Failover, FileStore, Handle as Running, HttpCounter,
    HttpOptions, MediaSigns, MemoryStore, Notices, Options, SendEngine, Status, Store, StoreError,
    SystemClock,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::counter_client::CounterClient;
use crate::handle::{Handle, View};
use crate::identity::{printable, short};
use crate::journal;
use crate::link::RelayAddress;
use crate::media::{self, Media, MediaConfig};
use crate::quic_relay::{self, QuicRelay};
use crate::session::WireObject;

/// The longest wait for the relay, which has much to do when hundreds join at once.
const RELAY_TIMEOUT: Duration = Duration::from_secs(30);
/// How often counts of media are shown.
const SHOWN_EVERY: Duration = Duration::from_millis(50);

/// What a participant needs around it.
pub struct Surroundings {
    /// Shown in logs.
    pub name: String,
    /// The relay.
    pub relay: RelayAddress,
    /// The counter service.
    pub counter: CounterClient,
    /// How its media behaves.
    pub media: MediaConfig,
    /// The folder for a log of its run; `None`: it keeps none.
    pub record: Option<PathBuf>,
    /// Where snapshots go; `None`: nowhere, for a participant that ends with this process.
    pub state: Option<FileStore>,
    /// Tells what happens to the user.
    pub news: Option<mpsc::UnboundedSender<(String, Notice)>>,
}

/// Starts a participant, from its last snapshot if `surroundings.state` has one; then it goes on by
/// itself, otherwise it waits for [`Command::Join`].
pub fn start<E: SendEngine>(engine: E, config: Config, surroundings: Surroundings) -> Result<Handle> {
    match surroundings.state.clone() {
        Some(state) => record(engine, config, surroundings, state),
        None => record(engine, config, surroundings, MemoryStore::new()),
    }
}

fn record<E: SendEngine, S: Store>(
    engine: E,
    config: Config,
    surroundings: Surroundings,
    store: S,
) -> Result<Handle> {
    let Some(folder) = surroundings.record.clone() else {
        return run(engine, config, surroundings, store, |driver| driver);
    };
    let engine = RecordedEngine::new(engine, &AnswerLog::new(Secrets::Withheld));
    let restored = surroundings.state.as_ref().map(FileStore::load_blocking).transpose()?.flatten().is_some();
    let (recorder, file) = journal::open(&folder, &surroundings.name, &config, &engine, restored)?;
    run(engine, config, surroundings, store, |driver| driver.with_record(recorder, file))
}

/// A driver over QUIC and HTTP.
type LiveDriver<E, S> = Driver<E, QuicRelay, Failover<HttpCounter>, S>;

fn run<E: SendEngine, S: Store>(
    engine: E,
    config: Config,
    surroundings: Surroundings,
    store: S,
    prepare: impl FnOnce(LiveDriver<E, S>) -> LiveDriver<E, S>,
) -> Result<Handle> {
    let Surroundings { name, relay, counter, media, state, news, .. } = surroundings;
    let sender = engine.sender_id().clone();
    let group = config.group.clone();
    let relay = QuicRelay::connect(relay, &group, &sender)?;
    let mut options = Options::default();
    options.ring = media.ring.clone();
    options.relay_timeout = RELAY_TIMEOUT;
    let counter = counter.services();
    // Each of them may be silent for as long as its client waits.
    let services = u32::try_from(counter.services()).unwrap_or(u32::MAX);
    options.counter_timeout = HttpOptions::default().timeout.saturating_mul(services.saturating_add(1));
    let snapshot = state.as_ref().map(FileStore::load_blocking).transpose()?.flatten();
    let driver = Driver::new(engine, config, relay.clone(), counter, store).with_options(options);
    let (running, notices) = prepare(driver).start_from(snapshot)?;
    let running = Arc::new(running);
    let namespace = TrackNamespace::new(vec![group.as_bytes().clone()])?;
    let (commands, mut given) = mpsc::unbounded_channel::<Command>();
    let (every, media_every) = watch::channel(None);
    let (view, watched) = watch::channel(View::default());
    let clock = SystemClock::new();
    let person = Person {
        media: Media::new(media, group, sender.clone(), clock.now()),
        name: name.clone(),
        probe: FullTrackName { namespace, name: "probe".into() },
        relay,
        status: running.status(),
        keys: running.media_keys(),
        signs: running.media_signs(),
        notices,
        news,
        clock,
        joined: None,
        view,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(person.live(running.clone(), media_every));
    let (commanded, who) = (running.clone(), name.clone());
    tasks.spawn(async move {
        while let Some(command) = given.recv().await {
            match commanded.command(command).await {
                Ok(()) | Err(CommandError::Stopped) => {}
                // At the wrong moment it is the user's mistake and ends nothing.
                Err(error) => tracing::warn!(name = who, %error, "not done"),
            }
        }
    });
    Ok(Handle { name, sender, commands, every, view: watched, running, tasks })
}

/// What is beside the driver: media, and what the user sees.
struct Person {
    name: String,
    probe: FullTrackName,
    relay: QuicRelay,
    status: watch::Receiver<Status>,
    keys: watch::Receiver<Arc<EpochKeyRing>>,
    signs: MediaSigns,
    notices: Notices,
    news: Option<mpsc::UnboundedSender<(String, Notice)>>,
    media: Media,
    clock: SystemClock,
    joined: Option<Instant>,
    view: watch::Sender<View>,
}

impl Person {
    async fn live(mut self, running: Arc<Running>, every: watch::Receiver<Option<Duration>>) {
        let failure = tokio::select! {
            Err(error) = running.ended() => {
                // What was reported before comes first.
                self.show().ok();
                let full = matches!(
                    &*error, DriverError::Store(StoreError::Io(e)) if e.kind() == std::io::ErrorKind::StorageFull
                );
                Some(format!("{error}{}", if full { ": free some space" } else { "" }))
            }
            failed = Self::go_on(&mut self, every) => failed.err().map(|error| format!("{error:#}")),
        };
        if let Some(failure) = &failure {
            tracing::error!(name = self.name, error = failure, "the participant ended");
        }
        self.view.send_modify(|view| view.failure = failure);
    }

    async fn go_on(&mut self, mut every: watch::Receiver<Option<Duration>>) -> Result<()> {
        let mut inbound: Option<mpsc::Receiver<WireObject>> = None;
        let mut next = tokio::time::Instant::now();
        self.keys.mark_changed();
        self.show()?;
        // When the counts of media are shown next, if they changed.
        let mut counts: Option<tokio::time::Instant> = None;
        loop {
            let sending = *every.borrow();
            let timeout = self.media.poll_timeout().map(|at| at.since(self.clock.now()));
            tokio::select! {
                Ok(()) = self.status.changed() => self.show()?,
                Ok(()) = self.keys.changed() => {
                    let ring = self.keys.borrow_and_update().clone();
                    self.media.take_ring(self.clock.now(), &ring, &mut self.signs)?;
                }
                Some(notice) = self.notices.recv() => {
                    self.tell(notice);
                    self.show()?;
                }
                Some(object) = received(&mut inbound) => {
                    self.media.receive(self.clock.now(), object, &mut self.signs)?;
                    counts.get_or_insert_with(|| tokio::time::Instant::now() + SHOWN_EVERY);
                }
                () = tokio::time::sleep_until(counts.unwrap_or(next)), if counts.is_some() => {
                    counts = None;
                    self.show_media();
                }
                changed = every.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    next = tokio::time::Instant::now();
                    if inbound.is_none() {
                        let namespace = media::namespace(&self.status.borrow().group)?;
                        inbound = Some(quic_relay::keep(self.relay.clone(), namespace));
                    }
                }
                () = tokio::time::sleep_until(next), if sending.is_some() => {
                    next += sending.unwrap_or_default();
                    if let Some(object) = self.media.seal(self.clock.now(), &self.name, &mut self.signs)?
                        && let Err(overload) = self.relay.send_later(object)
                    {
                        tracing::debug!(name = self.name, %overload, "an object was dropped");
                    }
                    counts.get_or_insert_with(|| tokio::time::Instant::now() + SHOWN_EVERY);
                }
                () = tokio::time::sleep(timeout.unwrap_or(Duration::MAX)), if timeout.is_some() => {
                    self.media.handle_timeout(self.clock.now(), &mut self.signs)?;
                    counts.get_or_insert_with(|| tokio::time::Instant::now() + SHOWN_EVERY);
                }
            }
        }
    }

    fn tell(&mut self, notice: Result<Notice, moq_mls_tokio::NoticesMissed>) {
        let name = &self.name;
        match notice {
            Ok(notice) => {
                match &notice {
                    Notice::Epoch { cause: EpochCause::Created | EpochCause::Welcome, .. } => {
                        self.joined = Some(Instant::now());
                        // Notices may be late: it may be out again, and ask to be let in.
                        if self.status.borrow().epoch.is_some() {
                            self.relay.end_key_packages();
                        }
                    }
                    Notice::PeerFault { from, fault } => {
                        let from = from.as_ref().map(|f| short(f).to_string());
                        tracing::debug!(name, from, ?fault, "peer fault");
                    }
                    _ => {}
                }
                if let Some(news) = &self.news {
                    news.send((name.clone(), notice)).ok();
                }
            }
            Err(error) => tracing::warn!(name, %error, "notices"),
        }
    }

    /// Shows what it became: what was reported on the way there first.
    fn show(&mut self) -> Result<()> {
        let status = self.status.borrow_and_update().clone();
        while let Some(notice) = self.notices.try_recv() {
            self.tell(notice);
        }
        self.media.take_members(self.clock.now(), &status)?;
        let key = match status.epoch.filter(|epoch| self.view.borrow().epoch != Some(*epoch)) {
            Some(epoch) => {
                let ring = self.keys.borrow();
                let key =
                    ring.open_with(epoch).map(|secret| secret.track_base_key(&self.probe)).transpose()?;
                key.map(|key| Bytes::copy_from_slice(key.key.as_bytes()))
            }
            None => None,
        };
        self.view.send_modify(|view| {
            if view.epoch != status.epoch || view.members != status.members.len() {
                let name = |m: &moq_mls::engine::Member| printable(&String::from_utf8_lossy(&m.identity));
                view.roster = status.members.iter().map(|m| (m.sender.clone(), name(m))).collect();
            }
            if view.epoch != status.epoch {
                view.probe_key = key;
            }
            view.phase = Some(status.phase);
            view.epoch = status.epoch;
            view.members = status.members.len();
            view.authenticator = status.authenticator;
            view.waits = Some(status.waits);
            view.relay_error = status.relay_error.as_ref().map(ToString::to_string);
            view.counter_error = status.counter_error.as_ref().map(ToString::to_string);
            view.stats = status.stats;
            view.joined = self.joined;
        });
        self.show_media();
        Ok(())
    }

    fn show_media(&self) {
        self.view.send_modify(|view| {
            view.received.clone_from(self.media.received());
            view.waiting = self.media.waiting();
            view.last_sent = self.media.last_sent();
            view.went.clone_from(self.media.went());
        });
    }
}

/// Waits for the next object; for ever before it is subscribed to any.
async fn received(from: &mut Option<mpsc::Receiver<WireObject>>) -> Option<WireObject> {
    match from {
        Some(from) => from.recv().await,
        None => std::future::pending().await,
    }
}
