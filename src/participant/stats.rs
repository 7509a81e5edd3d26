//! What a participant counts.

use std::collections::BTreeMap;

use crate::notice::Fault;

/// Counters since the participant was made or restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Stats {
    /// Objects handled.
    pub objects: u64,
    /// KeyPackages published.
    pub key_packages: u64,
    /// Own commits built.
    pub commits_built: u64,
    /// Own commits that won their slot.
    pub commits_won: u64,
    /// Own commits that lost their slot to another.
    pub commits_lost: u64,
    /// Increments sent for another member's commit.
    pub helped: u64,
    /// Epochs entered.
    pub epochs: u64,
    /// Epochs entered by a receipt alone, without asking the counter service.
    pub receipts_used: u64,
    /// Welcomes published.
    pub welcomes: u64,
    /// Lock requests sent, reads included.
    pub lock_requests: u64,
    /// Commit requests sent to the counter service.
    pub commit_requests: u64,
    /// Increment requests sent.
    pub increment_requests: u64,
    /// Payload bytes published.
    pub bytes_published: u64,
    /// Times joined again.
    pub rejoins: u64,
    /// Of those, how often it went on from the state that it had kept.
    pub resumed: u64,
    /// Answers of the service that stated a pin without a good receipt, and were not believed.
    pub bad_receipts: u64,
    /// KeyPackages dropped from the waiting room: expired, or held and the first to make room for others.
    pub joiners_dropped: u64,
    /// Faults of peers, relays and services, by kind.
    pub faults: BTreeMap<Fault, u64>,
}
