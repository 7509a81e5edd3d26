//! What a service counts, for Prometheus.

use std::time::Duration;

use moq_mls::counter::Reason;
use moq_mls::counter::http::HttpError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `lock`.
    Lock,
    /// `increment`.
    Increment,
    /// `commit`.
    Commit,
    /// Nothing that can be read.
    Unreadable,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Increment => "increment",
            Self::Commit => "commit",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Debug)]
pub enum Refused {
    /// By the counter, or as the client may not.
    For(Reason),
    /// It showed a slot key that does not open the slot.
    WrongKey,
    /// As a request that cannot be read, or that a web page may have made.
    Unread(HttpError),
}

impl Refused {
    fn name(&self) -> &'static str {
        match self {
            Self::For(reason) => reason.as_str(),
            Self::WrongKey => "wrong_key",
            Self::Unread(HttpError::Forbidden("Host")) => "foreign_host",
            Self::Unread(HttpError::Forbidden("Content-Type")) => "content_type",
            Self::Unread(HttpError::Forbidden(_)) => "foreign_origin",
            Self::Unread(HttpError::NotFound) => "not_found",
            Self::Unread(HttpError::TooLarge(_)) => "too_large",
            Self::Unread(_) => "malformed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    call: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    call: &'static str,
}

/// The figures of one service. Clones are the same figures.
#[derive(Clone)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    seconds: Family<Call, Histogram, fn() -> Histogram>,
    refusals: Family<Why, Counter>,
    slots: Counter,
    founded: Counter,
    lost: Counter,
    store_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(waiting_times),
            refusals: Family::default(),
            slots: Counter::default(),
            founded: Counter::default(),
            lost: Counter::default(),
            store_failures: Counter::default(),
        }
    }
}

/// From 250 µs to 8 s.
fn waiting_times() -> Histogram {
    Histogram::new((0..16).map(|power| 0.000_25 * f64::from(1_u32 << power)))
}

impl Metrics {
    /// Lets a registry show the figures.
    pub fn register(&self, registry: &mut Registry) {
        let of = registry.sub_registry_with_prefix("counter");
        of.register("requests", "Requests by call and HTTP status", self.requests.clone());
        of.register_with_unit(
            "request_duration",
            "Time to answer a request that was read whole",
            Unit::Seconds,
            self.seconds.clone(),
        );
        of.register(
            "refusals",
            "Requests refused, by reason; wrong_key and foreign_origin are signs of attacks",
            self.refusals.clone(),
        );
        of.register("slots_filled", "Increments that won their slot", self.slots.clone());
        of.register("groups_founded", "Groups whose slot 0 was filled", self.founded.clone());
        of.register("increments_lost", "Increments whose slot another had filled", self.lost.clone());
        of.register("store_failures", "Requests that the store failed", self.store_failures.clone());
    }

    pub(super) fn on_answer(&self, kind: Kind, status: u16, took: Duration, refused: Option<&Refused>) {
        let call = kind.name();
        self.requests.get_or_create(&Request { call, status }).inc();
        self.seconds.get_or_create(&Call { call }).observe(took.as_secs_f64());
        if let Some(refused) = refused {
            self.refusals.get_or_create(&Why { reason: refused.name() }).inc();
        }
    }

    pub(super) fn on_filled(&self, slot: u64) {
        self.slots.inc();
        if slot == 0 {
            self.founded.inc();
        }
    }

    pub(super) fn on_lost(&self) {
        self.lost.inc();
    }

    pub(super) fn on_store_failure(&self) {
        self.store_failures.inc();
    }
}
