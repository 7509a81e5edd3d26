//! How a simulated network is made, and what goes wrong in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::counter::service::{ServiceConfig, ServiceCrypto};
use crate::namespace::RelayConfig;
use crate::testing::flaws::Flaw;
use crate::testing::sha256;
use crate::time::Timestamp;

/// What goes wrong, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How long anything takes on its way, least and most.
    pub latency: (Duration, Duration),
    /// What each way takes, in place of `latency`. Media keep to that.
    pub ways: Option<Ways>,
    /// Objects from the relay that never arrive, in permille. The relay still has them.
    pub lost_objects: u16,
    /// Objects from the relay that arrive twice, in permille.
    pub repeated_objects: u16,
    /// Objects from the relay that are overtaken by others, in permille.
    pub late_objects: u16,
    /// HTTP requests whose connection is refused, in permille: the driver knows that nothing was sent.
    pub refused_requests: u16,
    /// HTTP requests that never reach the service, in permille.
    pub lost_requests: u16,
    /// HTTP answers that are lost after the request had its effect, in permille.
    pub lost_replies: u16,
    /// HTTP answers that an attacker on the way changes, in permille.
    pub forged_answers: u16,
    /// How often what a participant had sent when it was killed still arrives, in permille.
    pub last_words: u16,
    /// When a driver gives up waiting for an HTTP answer.
    pub http_timeout: Duration,
}

/// What each way takes, one way each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// From a participant to the relay.
    pub to_relay: Duration,
    /// From the relay to a participant.
    pub from_relay: Duration,
    /// From a participant to the counter service.
    pub to_counter: Duration,
    /// From the counter service to a participant.
    pub from_counter: Duration,
}

impl Ways {
    /// All four take half of `rtt`.
    pub fn even(rtt: Duration) -> Self {
        let way = rtt / 2;
        Self { to_relay: way, from_relay: way, to_counter: way, from_counter: way }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: (Duration::from_millis(5), Duration::from_millis(20)),
            ways: None,
            lost_objects: 0,
            repeated_objects: 0,
            late_objects: 0,
            refused_requests: 0,
            lost_requests: 0,
            lost_replies: 0,
            forged_answers: 0,
            last_words: 500,
            http_timeout: Duration::from_secs(1),
        }
    }
}

/// How a network is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// Decides every draw.
    pub seed: u64,
    /// Virtual time at the start.
    pub start: Timestamp,
    /// What goes wrong.
    pub faults: Faults,
    /// The relay's cache.
    pub relay: RelayConfig,
    /// The counter service.
    pub counter: ServiceConfig,
    /// What the counter service signs receipts with.
    pub receipts: Receipts,
    /// The counter service knows who asks.
    pub tokens: bool,
    /// Draws that were kept, in place of those that follow from the seed.
    pub choices: Option<Vec<u16>>,
    /// A deliberate bug of all participants.
    pub flaw: Option<Flaw>,
    /// A deliberate bug of the counter service.
    pub service_flaw: Option<ServiceFlaw>,
}

impl NetworkConfig {
    /// No faults but latency.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            start: Timestamp::from_secs(1_700_000_000),
            faults: Faults::default(),
            relay: RelayConfig::default(),
            counter: ServiceConfig::default(),
            receipts: Receipts::default(),
            tokens: false,
            choices: None,
            flaw: None,
            service_flaw: None,
        }
    }
}

/// A deliberate bug of the counter service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceFlaw {
    /// It does not look at `prev`.
    IgnoresPrev,
    /// It does not look at slot keys.
    IgnoresKeys,
    /// A client that filled a slot may fill the next, no matter who waits.
    IgnoresTurns,
}

/// The cryptography of the counter service; it signs nothing unless a signer is given.
#[derive(Clone, Default)]
pub struct Receipts(Option<Arc<dyn ServiceCrypto + Send + Sync>>);

impl Receipts {
    /// Receipts by `signer`.
    pub fn by(signer: impl ServiceCrypto + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(signer)))
    }
}

impl ServiceCrypto for Receipts {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        self.0.as_ref()?.sign(message)
    }
}

/// Receipts with real signatures.
#[derive(Clone)]
pub struct SignedReceipts(pub ed25519_dalek::SigningKey);

impl ServiceCrypto for SignedReceipts {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        use ed25519_dalek::Signer;
        Some(Bytes::copy_from_slice(&self.0.sign(message).to_bytes()))
    }
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Receipts" } else { "no receipts" })
    }
}
