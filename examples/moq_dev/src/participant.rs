//! One participant: the driver of `moq-mls-tokio` on moq-relay, and its media beside it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, Client};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::notice::{EpochCause, Notice};
use moq_mls::tracks::{CommitTrackPolicy, GroupName, SenderId};
use moq_mls::{Config, Object, Phase, Timestamp};
use moq_mls_tokio::{
    Clock, CounterClient, Driver, Handle, IdentityKey, MediaSigns, MemoryStore, Notices, Options, Relay,
    Scope, SendEngine, Status, SystemClock,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::media::{self, Media, Received};
use crate::relay::{MoqRelay, RelayAddress};

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;
/// How often counts of media are shown.
const SHOWN_EVERY: Duration = Duration::from_millis(50);
/// The wait before media subscribes again.
const AGAIN: Duration = Duration::from_millis(200);

/// What can be seen of a participant from outside.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The phase.
    pub phase: Option<Phase>,
    /// The epoch, while a member.
    pub epoch: Option<u64>,
    /// How many members there are, itself included.
    pub members: usize,
    /// The epoch authenticator, while a member.
    pub authenticator: Option<Bytes>,
    /// When it became a member.
    pub joined: Option<Instant>,
    /// Why the relay does not answer, if it does not.
    pub relay_error: Option<String>,
    /// Media that came, by sender.
    pub received: BTreeMap<SenderId, Received>,
    /// Media objects that wait for their key.
    pub waiting: usize,
    /// The sequence of the last media object that it sent.
    pub last_sent: Option<u64>,
    /// Members that went out, and when it heard of it.
    pub went: BTreeMap<SenderId, Timestamp>,
    /// Why it ended, if not by itself.
    pub failure: Option<String>,
}

/// A running participant. Dropping it ends it as a crash would.
pub struct Participant {
    /// Its name.
    pub name: String,
    /// Its SenderId.
    pub sender: SenderId,
    /// What commands it.
    pub handle: Handle,
    view: watch::Receiver<View>,
    every: watch::Sender<Option<Duration>>,
    beside: JoinHandle<()>,
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.beside.abort();
    }
}

/// Returns how participants of a group are configured for this relay.
pub fn config(group: &GroupName) -> Config {
    let mut config = Config::new(group.clone());
    config.params.commit_tracks = CommitTrackPolicy::PerSender;
    config
}

/// Makes the engine of a participant with a new key.
///
/// # Errors
/// If there is no randomness.
pub fn engine(name: &str) -> Result<MlsEngine<impl MlsConfig + use<>>> {
    let crypto = AwsLcCryptoProvider::default();
    let key = IdentityKey::generate(&crypto, SUITE)?;
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(SigningIdentity::new(credential, key.public().clone()), key.secret().clone(), SUITE)
        .build();
    Ok(MlsEngine::new(&client, &crypto)?)
}

impl Participant {
    /// Starts a participant with a new key, which waits for [`Handle::join`].
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(
        name: &str,
        group: &GroupName,
        address: &RelayAddress,
        counter: impl CounterClient,
    ) -> Result<Self> {
        let engine = engine(name)?;
        let relay = MoqRelay::connect(address, engine.sender_id())?;
        Self::start_on(name, group, engine, relay, counter).await
    }

    /// The same with an engine and a relay that are there.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start_on<R: Relay + Clone>(
        name: &str,
        group: &GroupName,
        engine: impl SendEngine,
        relay: R,
        counter: impl CounterClient,
    ) -> Result<Self> {
        let mut options = Options::default();
        options.ring = media::ring();
        let driver = Driver::new(engine, config(group), relay.clone(), counter, MemoryStore::new());
        let (handle, notices) = driver.with_options(options).start().await?;
        let sender = handle.sender_id().clone();
        let (every, media_every) = watch::channel(None);
        let (view, watched) = watch::channel(View::default());
        let clock = SystemClock::new();
        let beside = Beside {
            name: name.to_owned(),
            media: Media::new(group.clone(), sender.clone(), clock.now())?,
            status: handle.status(),
            keys: handle.media_keys(),
            signs: handle.media_signs(),
            notices,
            clock,
            view,
        };
        let (taken, inbound) = mpsc::channel(1024);
        let (given, outbound) = mpsc::channel(1024);
        let namespace = media::namespace(group)?;
        let beside = tokio::spawn(async move {
            tokio::join!(
                beside.run(media_every, inbound, given),
                subscribe(&relay, Scope::Namespace(namespace), taken),
                publish(&relay, outbound)
            );
        });
        Ok(Self { name: name.to_owned(), sender, handle, view: watched, every, beside })
    }

    /// Sends a media object that often, or none.
    pub fn speak(&self, every: Option<Duration>) {
        self.every.send_replace(every);
    }

    /// Returns what it is now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until it satisfies `until`, for `patience` at most.
    ///
    /// # Errors
    /// If it does not in time, or ends.
    pub async fn wait(&self, what: &str, patience: Duration, until: impl Fn(&View) -> bool) -> Result<View> {
        let mut view = self.view.clone();
        let wanted = view.wait_for(|view| until(view) || view.failure.is_some());
        let found = match tokio::time::timeout(patience, wanted).await {
            Ok(found) => found.with_context(|| format!("{} is gone", self.name))?.clone(),
            Err(_) => {
                let View { phase, epoch, members, relay_error, .. } = self.view();
                let waits = self.handle.status().borrow().waits.to_string();
                bail!(
                    "{}: {what}: not within {patience:?}; {phase:?}, epoch {epoch:?}, {members} members, {waits}, {relay_error:?}",
                    self.name
                );
            }
        };
        match &found.failure {
            Some(failure) => bail!("{}: {failure}", self.name),
            None => Ok(found),
        }
    }

    /// Joins or creates the group, and returns how long that took.
    ///
    /// # Errors
    /// If it does not succeed within `patience`.
    pub async fn join(&self, patience: Duration) -> Result<Duration> {
        let began = Instant::now();
        self.handle.join().await?;
        let view = self.wait("to join", patience, |view| view.joined.is_some()).await?;
        Ok(view.joined.map_or(Duration::ZERO, |at| at.saturating_duration_since(began)))
    }
}

/// Keeps a subscription until the receiver is dropped.
async fn subscribe(relay: &impl Relay, scope: Scope, to: mpsc::Sender<Object>) {
    while !to.is_closed() {
        match relay.subscribe(scope.clone()).await {
            Ok(mut objects) => {
                while let Some(object) = objects.recv().await {
                    if to.send(object).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "media"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Publishes one object after another; again if that fails.
async fn publish(relay: &impl Relay, mut objects: mpsc::Receiver<Object>) {
    while let Some(object) = objects.recv().await {
        while let Err(error) = relay.publish(object.clone()).await {
            tracing::debug!(%error, "media");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What is beside the driver.
struct Beside {
    name: String,
    media: Media,
    status: watch::Receiver<Status>,
    keys: watch::Receiver<std::sync::Arc<moq_mls::keys::EpochKeyRing>>,
    signs: MediaSigns,
    notices: Notices,
    clock: SystemClock,
    view: watch::Sender<View>,
}

impl Beside {
    async fn run(
        mut self,
        every: watch::Receiver<Option<Duration>>,
        inbound: mpsc::Receiver<Object>,
        outbound: mpsc::Sender<Object>,
    ) {
        if let Err(error) = self.go_on(every, inbound, outbound).await {
            self.view.send_modify(|view| view.failure = Some(format!("{error:#}")));
        }
    }

    async fn go_on(
        &mut self,
        mut every: watch::Receiver<Option<Duration>>,
        mut inbound: mpsc::Receiver<Object>,
        outbound: mpsc::Sender<Object>,
    ) -> Result<()> {
        let mut next = tokio::time::Instant::now();
        let mut shown = tokio::time::interval(SHOWN_EVERY);
        self.keys.mark_changed();
        self.show()?;
        loop {
            let sending = *every.borrow();
            let timeout = self.media.poll_timeout().map(|at| at.since(self.clock.now()));
            tokio::select! {
                Ok(()) = self.status.changed() => self.show()?,
                Ok(()) = self.keys.changed() => {
                    let ring = self.keys.borrow_and_update().clone();
                    self.media.take_ring(self.clock.now(), &ring, &mut self.signs)?;
                }
                Some(notice) = self.notices.recv() => self.tell(notice),
                Some(object) = inbound.recv() => {
                    self.media.receive(self.clock.now(), object, &mut self.signs)?;
                }
                changed = every.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    next = tokio::time::Instant::now();
                }
                () = tokio::time::sleep_until(next), if sending.is_some() => {
                    next += sending.unwrap_or_default();
                    if let Some(object) = self.media.seal(self.clock.now(), &self.name, &mut self.signs)? {
                        outbound.send(object).await.ok();
                    }
                }
                () = tokio::time::sleep(timeout.unwrap_or(Duration::MAX)), if timeout.is_some() => {
                    self.media.handle_timeout(self.clock.now(), &mut self.signs)?;
                }
                _ = shown.tick() => self.show_media(),
            }
        }
    }

    fn tell(&mut self, notice: Result<Notice, moq_mls_tokio::NoticesMissed>) {
        tracing::debug!(name = self.name, ?notice, "notice");
        if let Ok(Notice::Epoch { cause: EpochCause::Created | EpochCause::Welcome, .. }) = notice {
            self.view.send_modify(|view| view.joined = Some(Instant::now()));
        }
    }

    fn show(&mut self) -> Result<()> {
        let status = self.status.borrow_and_update().clone();
        while let Some(notice) = self.notices.try_recv() {
            self.tell(notice);
        }
        self.media.take_members(self.clock.now(), &status)?;
        self.show_media();
        self.view.send_modify(|view| {
            view.phase = Some(status.phase);
            view.epoch = status.epoch;
            view.members = status.members.len();
            view.authenticator = status.authenticator;
            view.relay_error = status.relay_error.as_ref().map(ToString::to_string);
        });
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
