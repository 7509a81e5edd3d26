//! One participant on a bench, in a simulated world of its own in which nothing takes time. What is
//! timed to the microsecond is not timed here but in `bare`.

#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::crypto::SignatureSecretKey;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use moq_mls::counter::Pin;
use moq_mls::counter::service::{Counter, ServiceCrypto, Slot, Slots};
use moq_mls::engine::Engine;
use moq_mls::mls::MlsEngine;
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::sha256;
use moq_mls::testing::world::{Asked, ByValue, World};
use moq_mls::tracks::{GroupName, TrackKind};
use moq_mls::{Config, Event, Object, Participant, Timestamp};

pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

pub type BasicConfig<P> = WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<P, BaseConfig>>;
pub type BenchEngine<P> = MlsEngine<BasicConfig<P>>;

/// A provider that the benches run over.
pub trait Provider: CryptoProvider<CipherSuiteProvider: 'static> + Clone + Default + 'static {}
impl<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + Default + 'static> Provider for P {}

pub fn identity<P: Provider>(name: &str) -> (SigningIdentity, SignatureSecretKey) {
    identity_of::<P>(SUITE, name)
}

fn identity_of<P: Provider>(suite: CipherSuite, name: &str) -> (SigningIdentity, SignatureSecretKey) {
    let suite = P::default().cipher_suite_provider(suite).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    (SigningIdentity::new(BasicCredential::new(name.as_bytes().to_vec()).into_credential(), public), secret)
}

pub fn engine<P: Provider>(name: &str) -> BenchEngine<P> {
    engine_of(SUITE, name)
}

/// As [`engine`], of another cipher suite.
pub fn engine_of<P: Provider>(suite: CipherSuite, name: &str) -> BenchEngine<P> {
    let (identity, secret) = identity_of::<P>(suite, name);
    let client: Client<BasicConfig<P>> = Client::builder()
        .crypto_provider(P::default())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, suite)
        .build();
    MlsEngine::new(&client, &P::default()).unwrap()
}

pub fn group() -> GroupName {
    GroupName::try_from("bench").unwrap()
}

/// The counter service's receipt key.
#[derive(Clone)]
pub struct ServiceKey<P> {
    secret: SignatureSecretKey,
    pub public: Bytes,
    provider: PhantomData<P>,
}

impl<P: Provider> ServiceKey<P> {
    pub fn generate() -> Self {
        let suite = P::default().cipher_suite_provider(SUITE).unwrap();
        let (secret, public) = suite.signature_key_generate().unwrap();
        Self { secret, public: Bytes::copy_from_slice(&public), provider: PhantomData }
    }
}

impl<P: Provider> ServiceCrypto for ServiceKey<P> {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let suite = P::default().cipher_suite_provider(SUITE).unwrap();
        Some(suite.sign(&self.secret, message).unwrap().into())
    }
}

/// A participant in a world of its own, where the relay and the counter answer at once.
pub struct Seat<E: Engine> {
    pub world: World<E, ByValue>,
    /// What was published and is not taken yet.
    published: VecDeque<Object>,
}

impl<E: Engine> Seat<E> {
    pub fn new(engine: E, config: Config, now: Timestamp) -> Self {
        let mut world = World::at_once(now).quiet();
        world.add(engine, config).unwrap();
        Self { world, published: VecDeque::new() }
    }

    /// Lets the counter, which has nothing in it yet, sign receipts.
    #[must_use]
    pub fn signed(mut self, receipts: Receipts) -> Self {
        self.world.set_receipts(receipts);
        self
    }

    /// Lets the counter say that the group is at `epoch`.
    #[must_use]
    pub fn outside(mut self, epoch: u64) -> Self {
        self.decided(epoch, Pin::genesis([0; 32], [0; 32]));
        self
    }

    /// Lets the counter say that this pin decided the newest epoch.
    pub fn decided(&mut self, epoch: u64, pin: Pin) {
        let kept = VecDeque::from([pin]);
        let counter =
            Counter::restore(epoch + 1, Slots::Pinned { kept, commits: VecDeque::new() }, None).unwrap();
        let group = self.machine().config().group.clone();
        let now = self.world.now();
        self.world.counter_mut().insert(now, &group, counter);
    }

    /// The pin of an epoch that came about in this world.
    pub fn pin_of(&self, epoch: u64) -> Pin {
        match self.world.counter().get(&self.machine().config().group).unwrap().slot(epoch) {
            Slot::Pinned(pin) => pin,
            other => panic!("epoch {epoch} is {other:?}"),
        }
    }

    pub fn machine(&self) -> &Participant<E> {
        self.world.peer(0).unwrap()
    }

    pub fn asked(&self) -> Asked {
        self.world.carriage().asked()
    }

    pub fn handle(&mut self, event: impl Into<Event>) {
        self.world.handle(0, event).unwrap();
        self.world.settle();
    }

    /// Lets time pass until the epoch is `epoch`.
    pub fn run_to(&mut self, epoch: u64) {
        let most = Duration::from_secs(3600);
        assert!(
            self.world.run_until(most, |w| w.peer(0).unwrap().epoch() == Some(epoch)),
            "{epoch} never came"
        );
        self.world.settle();
    }

    /// What was published and is not taken yet.
    pub fn published(&mut self) -> &mut VecDeque<Object> {
        self.published.extend(self.world.carriage_mut().take_published());
        &mut self.published
    }

    /// The first published object of a kind; those before it are dropped.
    pub fn take(&mut self, wanted: impl Fn(&TrackKind) -> bool) -> Object {
        self.published();
        while let Some(object) = self.published.pop_front() {
            if self.machine().tracks().classify(&object.track).is_some_and(|kind| wanted(&kind)) {
                return object;
            }
        }
        panic!("no such object was published");
    }

    /// The ratchet trees among what was published and is not taken yet.
    pub fn trees(&mut self) -> Vec<Object> {
        self.published();
        let is_tree =
            |o: &&Object| matches!(self.machine().tracks().classify(&o.track), Some(TrackKind::Tree(_)));
        self.published.iter().filter(is_tree).cloned().collect()
    }
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
