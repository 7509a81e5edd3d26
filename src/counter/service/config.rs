//! What a service is given: its bounds, its cryptography, and what is known of who asks.

use std::time::Duration;

use bytes::Bytes;

use crate::counter::service::slots::Keep;

/// The cryptography that a service needs.
pub trait ServiceCrypto {
    /// Returns SHA-256 of `data`.
    fn sha256(&self, data: &[u8]) -> [u8; 32];

    /// Signs a receipt, so that members need not ask the counter for each pin: returns the Ed25519 signature
    /// of `message`, which is [`receipt_message`](crate::counter::receipt_message); `None` for no receipt.
    ///
    /// Called each time a recorded pin is sent. Ed25519 is deterministic, so the same slot always
    /// has the same receipt; one over [`MAX_RECEIPT`](crate::counter::MAX_RECEIPT) bytes is not sent.
    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let _ = message;
        None
    }
}

/// The service's bounds. A counter takes up to 96 bytes for each kept pin, and the bytes of its kept commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct ServiceConfig {
    /// How long a lock lasts. Default 2 s. A draft client must publish within it; with pins it
    /// bounds only how long others hold back.
    pub lease: Duration,
    /// Most counters. Beyond, a request that would start one takes the place of one that rests, see
    /// [`idle`](Self::idle), or is [`Reason::RateLimited`](crate::counter::Reason::RateLimited). Default 16,384.
    pub max_counters: usize,
    /// Most counters started by one [source](Access::source). Beyond, as for `max_counters`. Default 1,024.
    pub max_counters_per_source: usize,
    /// How long a counter of which only slot 0 is filled must rest, asked about by nobody, before a new
    /// counter may take its place. Default 1 h; a member asks every few minutes at the most.
    pub idle: Duration,
    /// Pins kept for each counter, the newest ones. A member further behind has to rejoin.
    /// Default 1,024, which is also the least that members count on; 0 counts as 1.
    pub kept_pins: usize,
    /// Commits kept for each counter, the newest ones. Default 64; 0 counts as 1.
    pub kept_commits: usize,
    /// Bytes of commits kept for each counter; the newest is kept, however large, while
    /// [`max_commit_bytes`](Self::max_commit_bytes) allows. Default 4 MiB.
    pub kept_commit_bytes: usize,
    /// Bytes of commits kept for all counters together. Beyond, the counter that holds most loses its oldest
    /// commit, the newest too if it comes to that. Default 256 MiB.
    pub max_commit_bytes: usize,
}

impl ServiceConfig {
    /// Returns what a counter keeps.
    pub fn keep(&self) -> Keep {
        Keep { pins: self.kept_pins, commits: self.kept_commits, commit_bytes: self.kept_commit_bytes }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(2),
            max_counters: 16_384,
            max_counters_per_source: 1024,
            idle: Duration::from_secs(3600),
            kept_pins: 1024,
            kept_commits: 64,
            kept_commit_bytes: 4 << 20,
            max_commit_bytes: 256 << 20,
        }
    }
}

/// What the embedder knows of who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Access {
    /// Where the request comes from: the owner of its token, or its network address. The service compares
    /// sources and no more: it counts the counters that each starts, and lets the others have their
    /// [turn](crate::counter::service::Turns). So a source should be one member, not an address that several share.
    /// `None` is bounded by [`ServiceConfig::max_counters`] only, and has no turns.
    pub source: Option<Bytes>,
    /// May take slot 0. If not, a request that would is [`Reason::Forbidden`](crate::counter::Reason::Forbidden).
    pub may_create: bool,
}

impl Access {
    /// Returns what anybody has: everything, and no source.
    pub fn anyone() -> Self {
        Self { source: None, may_create: true }
    }

    /// Returns everything, for that source.
    pub fn of(source: impl Into<Bytes>) -> Self {
        Self { source: Some(source.into()), may_create: true }
    }

    /// Returns the same without the right to take slot 0.
    #[must_use]
    pub fn without_create(self) -> Self {
        Self { may_create: false, ..self }
    }
}
