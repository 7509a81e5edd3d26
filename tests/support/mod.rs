//! What tests do to the simulated world of values, as short calls: whatever fails is a panic here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

pub mod attackers;
pub mod engines;
pub mod failing;
pub mod insider;
pub mod odd_keys;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mls_rs::crypto::SignatureSecretKey;
use mls_rs::{CipherSuiteProvider, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::counter::service::ServiceCrypto;
use moq_mls::counter::{Pin, SLOT_KEY_LEN, slot_lock_message};
use moq_mls::engine::{Credential, Engine, Next};
use moq_mls::notice::{Fault, Notice};
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::sha256;
use moq_mls::testing::world::ByValue;
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId};
use moq_mls::{Admission, Command, Config, Event, JoinRequest, Object, Participant, Timestamp};

/// The world of most tests: objects and answers pass as values.
pub type World<E> = moq_mls::testing::world::World<E, ByValue>;

pub const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Signs receipts.
struct Signer(SignatureSecretKey);

impl ServiceCrypto for Signer {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let suite = RustCryptoProvider::default().cipher_suite_provider(engines::SUITE).unwrap();
        Some(suite.sign(&self.0, message).unwrap().into())
    }
}

/// The pin of a commit that makes `next`, which is `epoch`.
pub fn pin_of<E: Engine>(
    engine: &E,
    group: &GroupName,
    commit: &Bytes,
    next: &Next<E::Group>,
    epoch: u64,
) -> Pin {
    let key = engine.export_secret(&next.group, b"moq-mls slot key", b"", SLOT_KEY_LEN).unwrap();
    let lock = engine.sha256(&slot_lock_message(group, epoch, key.as_bytes())).unwrap();
    Pin::new(engine.sha256(commit).unwrap(), next.context_hash, lock)
}

pub fn group() -> GroupName {
    GroupName::try_from("room-1").unwrap()
}

/// The embedder's decision for a key with a basic credential of this name, whether or not it has asked.
pub fn admit(sender: &SenderId, name: &str) -> Command {
    let request = JoinRequest::expected(sender.clone(), Credential::basic(name.to_owned()));
    Command::Admit { request, replacing: None }
}

pub fn config() -> Config {
    Config::new(group())
}

/// As [`config`], and the embedder is asked about everybody.
pub fn asking() -> Config {
    let mut config = config();
    config.admission = Admission::Ask;
    config
}

/// The steps of a test.
pub trait Steps<E: Engine>: Sized {
    /// Everything passes at once and in order.
    fn new() -> Self;

    /// Everything takes up to `most` milliseconds; `seed` draws it.
    fn late(most: u64, seed: u64) -> Self;

    /// Lets the counter service sign receipts from now on; its public key.
    fn sign_receipts(&mut self) -> Bytes;

    fn enter(&mut self, engine: E, config: Config) -> usize;

    /// Gives a command, and lets come of it what comes at once.
    fn tell(&mut self, who: usize, command: Command);

    /// Tells a participant of an event, and lets come of it what comes at once.
    fn give(&mut self, who: usize, event: Event);

    /// Puts an object on the relay, and lets come of it what comes at once.
    fn put(&mut self, object: Object);

    /// Lets this many milliseconds pass.
    fn run(&mut self, millis: u64);

    /// Kills a participant and starts it again from what was durable.
    fn again(&mut self, who: usize, engine: E);

    fn machine(&self, who: usize) -> &Participant<E>;

    fn id(&self, who: usize) -> SenderId;

    /// A participant's notices, in order.
    fn told(&self, who: usize) -> impl Iterator<Item = &Notice>;

    fn heard(&self, who: usize, wanted: impl Fn(&Notice) -> bool) -> bool;

    /// How often a participant counted `fault`.
    fn faults(&self, who: usize, fault: Fault) -> u64;

    /// What is on a track of the relay.
    fn lying(&self, track: &FullTrackName) -> &BTreeMap<Location, Bytes>;

    /// How often a second payload came for a place on the relay.
    fn conflicts(&self) -> u64;

    /// The epoch that all of `who` agree on, and nobody else is in.
    #[track_caller]
    fn agree(&self, who: &[usize]) -> u64;

    /// No participant failed to handle an event.
    #[track_caller]
    fn sound(&self);
}

impl<E: Engine> Steps<E> for World<E> {
    fn new() -> Self {
        Self::at_once(START)
    }

    fn late(most: u64, seed: u64) -> Self {
        Self::delayed(START, (Duration::ZERO, Duration::from_millis(most)), seed)
    }

    fn sign_receipts(&mut self) -> Bytes {
        let suite = RustCryptoProvider::default().cipher_suite_provider(engines::SUITE).unwrap();
        let (secret, public) = suite.signature_key_generate().unwrap();
        self.set_receipts(Receipts::by(Signer(secret)));
        Bytes::copy_from_slice(&public)
    }

    fn enter(&mut self, engine: E, config: Config) -> usize {
        self.add(engine, config).unwrap()
    }

    fn tell(&mut self, who: usize, command: Command) {
        self.command(who, command).unwrap();
        self.settle();
        self.sound();
    }

    fn give(&mut self, who: usize, event: Event) {
        self.handle(who, event).unwrap();
        self.settle();
        self.sound();
    }

    fn put(&mut self, object: Object) {
        self.publish(&object);
        self.settle();
        self.sound();
    }

    fn run(&mut self, millis: u64) {
        self.run_for(Duration::from_millis(millis));
        self.sound();
    }

    fn again(&mut self, who: usize, engine: E) {
        assert!(self.durable(who).is_some());
        self.restart(who, engine).unwrap();
    }

    #[track_caller]
    fn machine(&self, who: usize) -> &Participant<E> {
        self.peer(who).expect("it is up")
    }

    fn id(&self, who: usize) -> SenderId {
        self.sender(who).expect("it was added").clone()
    }

    fn told(&self, who: usize) -> impl Iterator<Item = &Notice> {
        self.notices(who).iter().map(|(_, notice)| notice)
    }

    fn heard(&self, who: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.told(who).any(wanted)
    }

    fn faults(&self, who: usize, fault: Fault) -> u64 {
        self.machine(who).stats().faults.get(&fault).copied().unwrap_or(0)
    }

    fn lying(&self, track: &FullTrackName) -> &BTreeMap<Location, Bytes> {
        self.carriage().store().track(track).expect("something is there")
    }

    fn conflicts(&self) -> u64 {
        self.carriage().store().conflicts()
    }

    fn agree(&self, who: &[usize]) -> u64 {
        let agreement = self.agreement(who).unwrap_or_else(|why| panic!("{why}\n{}", self.log().to_text()));
        let context = |who: &usize| self.machine(*who).context_hash();
        assert!(who.iter().all(|other| context(other) == context(&who[0])), "{}", self.log().to_text());
        agreement.epoch
    }

    fn sound(&self) {
        assert!(self.failures().is_empty(), "{:?}\n{}", self.failures(), self.log().to_text());
    }
}
