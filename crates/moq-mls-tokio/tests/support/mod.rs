//! What the tests share: participants, and a relay, a counter service and a store that fail when they are asked to.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mls_rs::Client;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use moq_mls::mls::MlsEngine;
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::GroupName;
use moq_mls::{Config, Object};
use moq_mls_tokio::{
    Answer, CounterClient, CounterError, Driver, FetchRequest, Handle, IdentityKey, LocalCounter, LocalRelay,
    MemoryStore, Notices, Options, Relay, RelayError, Scope, SendEngine, Status, Store, StoreError, moq_mls,
};
use tokio::sync::{mpsc, watch};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// An engine whose key is in that folder.
pub fn engine(folder: &Path, name: &str) -> impl SendEngine + use<> {
    let (suite, crypto) = (mls_rs::CipherSuite::CURVE25519_AES128, RustCryptoProvider::default());
    let key = IdentityKey::in_file(&folder.join(format!("{name}.key")), &crypto, suite).unwrap();
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(SigningIdentity::new(credential, key.public().clone()), key.secret().clone(), suite)
        .build();
    MlsEngine::new(&client, &crypto).unwrap()
}

pub fn config() -> Config {
    Config::new(GroupName::try_from("room-1").unwrap())
}

/// Short waits: the tests make calls fail.
pub fn options() -> Options {
    let mut options = Options::default();
    options.backoff = (Duration::from_millis(5), Duration::from_millis(50));
    options.relay_timeout = Duration::from_millis(500);
    options
}

/// The network, and the folder for keys.
pub struct World {
    pub relay: LocalRelay,
    pub counter: LocalCounter,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { relay: LocalRelay::new(), counter: LocalCounter::new(), folder }
    }

    pub fn driver<R: Relay, C: CounterClient, S: Store>(
        &self,
        name: &str,
        (relay, counter, store): (R, C, S),
    ) -> Driver<impl SendEngine + use<R, C, S>, R, C, S> {
        Driver::new(engine(self.folder.path(), name), config(), relay, counter, store).with_options(options())
    }

    /// Starts a participant on a network that works.
    pub async fn start(&self, name: &str, store: &MemoryStore) -> (Handle, Notices) {
        let parts = (self.relay.clone(), self.counter.clone(), store.clone());
        self.driver(name, parts).start().await.unwrap()
    }

    /// The same, and lets it join.
    pub async fn join(&self, name: &str) -> (Handle, Notices) {
        let (handle, notices) = self.start(name, &MemoryStore::new()).await;
        handle.join().await.unwrap();
        (handle, notices)
    }
}

/// Waits until the status is so.
pub async fn wait(who: &Handle, what: &str, until: impl Fn(&Status) -> bool) -> Status {
    let mut status = who.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(|status| until(status))).await;
    match found {
        Ok(found) => found.unwrap().clone(),
        Err(_) => panic!("{what}: {:?}", who.status().borrow()),
    }
}

/// Waits until all are members and agree, at this epoch or later, and returns the epoch.
pub async fn agree(members: &[&Handle], at_least: u64) -> u64 {
    let began = std::time::Instant::now();
    loop {
        let mut seen = Vec::new();
        for who in members {
            let there = |s: &Status| s.members.len() == members.len() && s.epoch >= Some(at_least);
            let status = wait(who, "to agree", there).await;
            seen.push((status.epoch, status.authenticator));
        }
        if seen.windows(2).all(|pair| pair[0] == pair[1]) {
            return seen[0].0.unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "no agreement: {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A relay that can be spoiled.
#[derive(Clone)]
pub struct Spoiled {
    pub inner: LocalRelay,
    /// Calls wait until it is open.
    pub open: watch::Sender<bool>,
    /// So many publishes of each object fail.
    pub failures: usize,
    pub tries: Arc<Mutex<Vec<Object>>>,
    /// Panics at the next publish.
    pub panics: Arc<AtomicBool>,
    /// Every subscription ends when this changes.
    pub sessions: watch::Sender<u32>,
    pub subscriptions: Arc<AtomicUsize>,
}

impl Spoiled {
    pub fn new(inner: &LocalRelay) -> Self {
        Self {
            inner: inner.clone(),
            open: watch::Sender::new(true),
            failures: 0,
            tries: Arc::default(),
            panics: Arc::default(),
            sessions: watch::Sender::new(0),
            subscriptions: Arc::default(),
        }
    }
}

impl Relay for Spoiled {
    async fn publish(&self, object: Object) -> Result<(), RelayError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the relay broke");
        self.open.subscribe().wait_for(|open| *open).await.ok();
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            tries.push(object.clone());
            tries.iter().filter(|tried| **tried == object).count()
        };
        match tries <= self.failures {
            true => Err(RelayError::not_sent("spoiled")),
            false => self.inner.publish(object).await,
        }
    }

    async fn subscribe(&self, scope: Scope) -> Result<mpsc::Receiver<Object>, RelayError> {
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        let mut from = self.inner.subscribe(scope).await?;
        let (to, receiver) = mpsc::channel(4);
        let mut sessions = self.sessions.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    object = from.recv() => match object {
                        Some(object) => if to.send(object).await.is_err() { return },
                        None => return,
                    },
                    _ = sessions.changed() => return,
                    () = to.closed() => return,
                }
            }
        });
        Ok(receiver)
    }

    async fn fetch(&self, request: FetchRequest) -> Result<Vec<Object>, RelayError> {
        self.inner.fetch(request).await
    }
}

/// A counter client that counts, and that can be stopped.
#[derive(Clone)]
pub struct Counted {
    pub inner: LocalCounter,
    pub open: watch::Sender<bool>,
    pub calls: Arc<AtomicUsize>,
    pub increments: Arc<AtomicUsize>,
}

impl Counted {
    pub fn new(inner: &LocalCounter) -> Self {
        let (calls, increments) = Default::default();
        Self { inner: inner.clone(), open: watch::Sender::new(true), calls, increments }
    }

    async fn pass(&self) -> Result<(), CounterError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.open.subscribe().wait_for(|open| *open).await.ok();
        Ok(())
    }
}

impl CounterClient for Counted {
    async fn lock(&self, request: LockRequest) -> Answer<LockReply> {
        match self.pass().await {
            Ok(()) => self.inner.lock(request).await,
            Err(error) => Err(error).into(),
        }
    }

    async fn increment(&self, request: IncrementRequest) -> Answer<IncrementReply> {
        self.increments.fetch_add(1, Ordering::SeqCst);
        match self.pass().await {
            Ok(()) => self.inner.increment(request).await,
            Err(error) => Err(error).into(),
        }
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitReply> {
        match self.pass().await {
            Ok(()) => self.inner.commit(request).await,
            Err(error) => Err(error).into(),
        }
    }
}

/// A store that fails from its nth snapshot on, or waits.
#[derive(Clone)]
pub struct Failing {
    pub inner: MemoryStore,
    pub good: usize,
    pub stored: Arc<AtomicUsize>,
    pub open: watch::Sender<bool>,
}

impl Failing {
    pub fn after(good: usize) -> Self {
        let stored = Arc::default();
        Self { inner: MemoryStore::new(), good, stored, open: watch::Sender::new(true) }
    }
}

impl Store for Failing {
    async fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load().await
    }

    async fn store(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.open.subscribe().wait_for(|open| *open).await.ok();
        if self.stored.fetch_add(1, Ordering::SeqCst) >= self.good {
            return Err(std::io::Error::other("the disk is full").into());
        }
        self.inner.store(snapshot).await
    }
}
