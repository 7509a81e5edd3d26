//! One participant on a bench: every request is answered at once, as by a relay and a counter service
//! that never fail, so that what is timed is the participant.

#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use moq_mls::action::Action;
use moq_mls::counter::{CounterState, IncrementReply, LockReply, Pin};
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::tracks::{GroupName, TrackKind};
use moq_mls::{Config, Event, Object, Participant, Timestamp};

pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

pub type BasicConfig<P> = WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<P, BaseConfig>>;
pub type BenchEngine<P> = MlsEngine<BasicConfig<P>>;

/// A provider that the benches run over.
pub trait Provider: CryptoProvider<CipherSuiteProvider: 'static> + Clone + Default {}
impl<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + Default> Provider for P {}

pub fn identity<P: Provider>(name: &str) -> (SigningIdentity, mls_rs::crypto::SignatureSecretKey) {
    let suite = P::default().cipher_suite_provider(SUITE).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    (SigningIdentity::new(BasicCredential::new(name.as_bytes().to_vec()).into_credential(), public), secret)
}

pub fn engine<P: Provider>(name: &str) -> BenchEngine<P> {
    let (identity, secret) = identity::<P>(name);
    let client: Client<BasicConfig<P>> = Client::builder()
        .crypto_provider(P::default())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, SUITE)
        .build();
    MlsEngine::new(&client, &P::default()).unwrap()
}

pub fn group() -> GroupName {
    GroupName::try_from("bench").unwrap()
}

/// A participant with its driver.
pub struct Seat<E: Engine> {
    pub machine: Participant<E>,
    pub now: Timestamp,
    /// What the counter says to a lock: `None` while the asked slot is free.
    pub used: Option<CounterState>,
    /// What was published and is not taken yet.
    pub published: VecDeque<Object>,
    /// Bytes made durable, and how often.
    pub durable: (usize, usize),
    pub locks: Vec<u64>,
    /// What fetches find.
    pub relay: Vec<Object>,
}

impl<E: Engine> Seat<E> {
    pub fn new(engine: E, config: Config, now: Timestamp) -> Self {
        Self {
            machine: Participant::new(engine, config, now).unwrap(),
            now,
            used: None,
            published: VecDeque::new(),
            durable: (0, 0),
            locks: Vec::new(),
            relay: Vec::new(),
        }
    }

    pub fn handle(&mut self, event: impl Into<Event>) {
        self.machine.handle(self.now, event).unwrap();
        self.drive();
    }

    /// Does all actions, each answered before the next.
    pub fn drive(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            let now = self.now;
            match action {
                Action::Persist(snapshot) => {
                    self.durable.0 += snapshot.len();
                    self.durable.1 += 1;
                    black_box(snapshot);
                }
                Action::Publish { id, object } => {
                    self.machine.handle(now, Event::PublishReply { id, reply: Ok(()) }).unwrap();
                    let kind = self.machine.tracks().classify(&object.track);
                    self.published.push_back(object.clone());
                    if matches!(kind, Some(TrackKind::Commit(_))) {
                        self.machine.handle(now, Event::Object(object)).unwrap();
                    }
                }
                Action::SubscribeNamespace { id, .. } | Action::Subscribe { id, .. } => {
                    self.machine.handle(now, Event::SubscribeReply { id, reply: Ok(()) }).unwrap();
                }
                Action::Fetch { id, track, groups } => {
                    let wanted = |o: &&Object| o.track == track && groups.contains(&o.location.group);
                    let objects = self.relay.iter().filter(wanted).cloned().collect();
                    self.machine.handle(now, Event::FetchReply { id, reply: Ok(objects) }).unwrap();
                }
                Action::Lock { id, request } => {
                    self.locks.push(request.val);
                    let reply = match &self.used {
                        Some(state) => LockReply::CounterError(state.clone()),
                        None => LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) },
                    };
                    self.machine.handle(now, Event::LockReply { id, reply: Ok(reply) }).unwrap();
                }
                Action::Increment { id, request } => {
                    let reply = IncrementReply::Ok(state(request.val.unwrap() + 1, request.pin));
                    self.machine.handle(now, Event::IncrementReply { id, reply: Ok(reply) }).unwrap();
                }
                _ => {}
            }
        }
    }

    /// Lets time pass until the epoch is `epoch`.
    pub fn run_to(&mut self, epoch: u64) {
        for _ in 0..1000 {
            if self.machine.epoch() == Some(epoch) {
                return;
            }
            let (at, _) = self.machine.poll_timeout().expect("something to wait for");
            self.now = self.now.max(at);
            self.handle(Event::Timer);
        }
        panic!("epoch {epoch} never came");
    }

    /// The first published object of a kind; those before it are dropped.
    pub fn take(&mut self, wanted: impl Fn(&TrackKind) -> bool) -> Object {
        while let Some(object) = self.published.pop_front() {
            if self.machine.tracks().classify(&object.track).is_some_and(|kind| wanted(&kind)) {
                return object;
            }
        }
        panic!("no such object was published");
    }
}

pub fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}

/// The pin of a commit and the epoch it makes, as the service would say it.
pub fn pin<E: Engine>(committer: &Participant<E>, commit: &Bytes) -> Pin {
    Pin::new(committer.engine().sha256(commit).unwrap(), committer.context_hash().unwrap())
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn timed<T>(f: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = f();
    (start.elapsed().as_secs_f64(), value)
}

pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = samples.len() / 2;
    if samples.len() % 2 == 1 { samples[at] } else { (samples[at - 1] + samples[at]) / 2.0 }
}
