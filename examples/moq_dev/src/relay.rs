//! The relay as the driver takes it, over sessions that moq-tokio keeps.
//!
//! One session publishes, and one for each group subscribes: the relay does not send a session what it published.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::tracks::{SenderId, TrackKind, TrackNamespace};
use moq_mls::{FetchTarget, Object};
use moq_mls_tokio::{FetchRequest, Relay, RelayError, Scope};
use moq_net::{Pattern, Patterns, origin};
use moq_tokio::{Client, Connection};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use url::Url;

use crate::following::follow;
use crate::names::kind;
use crate::publishing::Publisher;
use crate::{fetching, names};

/// Objects that wait for a subscriber.
const ROOM: usize = 1024;
/// Newest commits that the look before a commit finds.
const COMMITS: usize = 64;
/// Time without a packet after which a session is lost, and the pause between two packets that keep it.
const IDLE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(1));
/// First and longest wait before a lost session is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Where a relay is, and whom to believe that it is this one.
#[derive(Clone, Debug)]
pub struct RelayAddress {
    /// `https://host:port/path`. The path is what the relay asks its authorization about.
    pub url: Url,
    /// The root certificate, a PEM file.
    pub root: PathBuf,
}

/// What a participant and its media use of a relay. Clones are the same sessions, which end with the last of them.
#[derive(Clone)]
pub struct MoqRelay(Arc<Shared>);

struct Shared {
    client: Client,
    url: Url,
    publisher: Mutex<Publisher>,
    publishing: Connection,
    groups: Mutex<BTreeMap<String, Weak<Inbound>>>,
}

/// The session that subscribes to one group.
struct Inbound {
    origin: origin::Producer,
    connection: Connection,
    /// What came on Commit tracks, newest last.
    commits: Mutex<Vec<Object>>,
}

impl MoqRelay {
    /// Connects, and goes on for as long as it is held: for the client `me`. It needs a tokio runtime.
    ///
    /// # Errors
    /// If no socket can be bound, or the root certificate cannot be read.
    pub fn connect(address: &RelayAddress, me: &SenderId) -> Result<Self> {
        moq_tokio::crypto::install_default().ok();
        let mut config = moq_tokio::connect::Config::default();
        config.tls.root = vec![address.root.clone()];
        (config.backoff.initial, config.backoff.max) = BACKOFF;
        // It never gives up.
        config.backoff.timeout = Duration::ZERO;
        let mut quic = moq_tokio::quic::Config::default();
        (quic.idle_timeout, quic.keep_alive) = IDLE;
        let client = config.init(quic).context("no client of moq-relay")?;
        let publisher = Publisher::new(me.clone());
        let publishing = client.clone().with_publisher(publisher.origin()).connect(address.url.clone());
        let (url, publisher, groups) = (address.url.clone(), Mutex::new(publisher), Mutex::default());
        Ok(Self(Arc::new(Shared { client, url, publisher, publishing, groups })))
    }

    /// Returns the version of the protocol that was negotiated, while there is a session.
    pub fn version(&self) -> Option<String> {
        self.0.publishing.version().map(|version| version.to_string())
    }

    /// Returns the session that subscribes to the group of `namespace`, and waits until there is one.
    async fn inbound(&self, namespace: &TrackNamespace) -> Result<Arc<Inbound>, RelayError> {
        let inbound = self.inbound_now(namespace).map_err(RelayError::not_sent)?;
        inbound.connection.clone().established().await.map(drop).map_err(RelayError::not_sent)?;
        Ok(inbound)
    }

    fn inbound_now(&self, namespace: &TrackNamespace) -> Result<Arc<Inbound>> {
        let group = names::group(namespace).context("a namespace without fields")?;
        let mut groups = lock(&self.0.groups);
        if let Some(inbound) = groups.get(&group).and_then(Weak::upgrade) {
            return Ok(inbound);
        }
        let origin = moq_tokio::origin::spawn();
        // The relay announces nothing of other groups to it.
        let scoped = origin.scope("", &Patterns::from(Pattern::subtree(&group)?))?;
        let connection = self.0.client.clone().with_subscriber(scoped).connect(self.0.url.clone());
        let inbound = Arc::new(Inbound { origin, connection, commits: Mutex::default() });
        groups.retain(|_, held| held.strong_count() > 0);
        groups.insert(group, Arc::downgrade(&inbound));
        Ok(inbound)
    }
}

impl Relay for MoqRelay {
    async fn ready(&self) {
        self.0.publishing.clone().established().await.ok();
    }

    async fn publish(&self, object: Object) -> Result<(), RelayError> {
        // What is written waits for a session, but the driver is to know that there is none.
        self.0.publishing.clone().established().await.map(drop).map_err(RelayError::not_sent)?;
        lock(&self.0.publisher).write(&object)
    }

    async fn subscribe(&self, scope: Scope) -> Result<mpsc::Receiver<Object>, RelayError> {
        let inbound = self.inbound(scope.namespace()).await?;
        let (to, mut found) = mpsc::channel::<Object>(ROOM);
        let (out, from) = mpsc::channel(ROOM);
        let follower = follow(inbound.origin.consume(), names::prefix(&scope), to);
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let _follower = AbortOnDrop(tokio::spawn(follower).abort_handle());
            loop {
                let object = tokio::select! {
                    object = found.recv() => object,
                    () = out.closed() => None,
                };
                let (Some(object), Some(shared)) = (object, shared.upgrade()) else { return };
                if matches!(kind(&object.track), Some(TrackKind::Commit(_))) {
                    lock(&shared.publisher).offer(&object);
                    inbound.note(&object);
                }
                drop(shared);
                if out.send(object).await.is_err() {
                    return;
                }
            }
        });
        Ok(from)
    }

    async fn fetch(&self, request: FetchRequest) -> Result<Vec<Object>, RelayError> {
        let FetchRequest { target, groups, members, .. } = request;
        let inbound = self.inbound(target.namespace()).await?;
        let from = inbound.origin.consume();
        let whose = match &target {
            FetchTarget::Track(track) => kind(track).map(|kind| (track, kind)),
            FetchTarget::Namespace(_) => None,
        };
        let found = match whose {
            Some((track, TrackKind::Tree(Some(publisher)) | TrackKind::KeyPackage(publisher))) => {
                fetching::track(&from, track, &publisher, groups).await
            }
            // The look before a commit: the subscription has brought what there is.
            _ if groups.start() == groups.end() => return Ok(inbound.seen(*groups.start())),
            _ => fetching::commits(&from, target.namespace(), groups, &members).await,
        };
        found.map_err(RelayError::not_sent)
    }

    async fn close(&self) {
        self.0.publishing.clone().close().await.ok();
    }
}

impl Inbound {
    fn note(&self, commit: &Object) {
        let mut commits = lock(&self.commits);
        if !commits.contains(commit) {
            commits.push(commit.clone());
            let over = commits.len().saturating_sub(COMMITS);
            commits.drain(..over);
        }
    }

    fn seen(&self, epoch: u64) -> Vec<Object> {
        lock(&self.commits).iter().filter(|commit| commit.location.group_id == epoch).cloned().collect()
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
