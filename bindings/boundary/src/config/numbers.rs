//! The numbers of a configuration: every one a `u64`, times in milliseconds.
//!
//! They are laid out as in C, so that a binding to C has them as they are.

use std::time::Duration;

use moq_mls::counter::service::ServiceConfig as CoreService;
use moq_mls::keys::RingConfig as CoreKeys;
use moq_mls::{Limits as CoreLimits, Timers as CoreTimers};

use super::carry::{Number, carries};
use crate::error::Error;

/// Bounds on what peers, relays and the service can make a participant hold or do. All members must have the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Largest KeyPackage object, bytes.
    pub key_package_bytes: u64,
    /// Largest Commit or Welcome object, bytes.
    pub handshake_bytes: u64,
    /// Largest commit that the counter service keeps, bytes.
    pub service_commit_bytes: u64,
    /// Largest ratchet-tree object, bytes.
    pub tree_bytes: u64,
    /// Most bytes of one commit with its Welcomes and its tree.
    pub outbox_bytes: u64,
    /// Most members.
    pub roster: u64,
    /// Most members added by one commit whose Welcomes have the tree inside.
    pub adds_per_commit: u64,
    /// Most members added by one commit whose tree goes apart.
    pub adds_per_commit_apart: u64,
    /// Most KeyPackages that wait to be committed.
    pub pending_joiners: u64,
    /// Most bytes of those KeyPackages.
    pub pending_joiner_bytes: u64,
    /// Most removed or refused senders that are remembered.
    pub remembered_senders: u64,
    /// Most commits of others held for one slot.
    pub candidates: u64,
    /// Most commits of members tried for one slot.
    pub commits_per_epoch: u64,
    /// Most bytes of commits that are tried for one slot and come to nothing.
    pub vain_bytes: u64,
    /// How often in a row one sender is let in.
    pub returns: u64,
    /// How many KeyPackages of one sender are verified in a row.
    pub key_packages: u64,
    /// How far ahead of the own epoch a commit is kept.
    pub future_epochs: u64,
    /// Most bytes of commits kept for later epochs.
    pub future_bytes: u64,
    /// Most bytes of leave requests kept for later epochs.
    pub leave_bytes: u64,
    /// Most own KeyPackages that can still be welcomed.
    pub own_key_packages: u64,
    /// Most Welcomes held while their pin is not known.
    pub welcomes: u64,
    /// Most bytes of those Welcomes.
    pub welcome_bytes: u64,
    /// How far ahead a counter may be, in slots.
    pub counter_lead: u64,
    /// How often a publish is repeated.
    pub publish_tries: u64,
    /// Most actions that wait to be polled.
    pub actions: u64,
}

carries!(
    Limits = CoreLimits {
        key_package_bytes: key_package_bytes,
        handshake_bytes: handshake_bytes,
        service_commit_bytes: service_commit_bytes,
        tree_bytes: tree_bytes,
        outbox_bytes: outbox_bytes,
        roster: roster,
        adds_per_commit: adds_per_commit,
        adds_per_commit_apart: adds_per_commit_apart,
        pending_joiners: pending_joiners,
        pending_joiner_bytes: pending_joiner_bytes,
        remembered_senders: remembered_senders,
        candidates: candidates,
        commits_per_epoch: commits_per_epoch,
        vain_bytes: vain_bytes,
        returns: returns,
        key_packages: key_packages,
        future_epochs: future_epochs,
        future_bytes: future_bytes,
        leave_bytes: leave_bytes,
        own_key_packages: own_key_packages,
        welcomes: welcomes,
        welcome_bytes: welcome_bytes,
        counter_lead: counter_lead,
        publish_tries: publish_tries,
        actions: actions,
    }
);

/// How long a participant waits for what, milliseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timers {
    /// Work is gathered for so long before a commit.
    pub batch_ms: u64,
    /// A commit waits for more joiners for so long at most.
    pub crowd_ms: u64,
    /// The next member in turn takes over after so much more.
    pub turn_ms: u64,
    /// A held commit is asked about after this.
    pub confirm_ms: u64,
    /// The committer alone pins its commit for so long.
    pub lease_ms: u64,
    /// A sender that was let in too often is let in again after this.
    pub returns_ms: u64,
    /// Of a sender with too many KeyPackages another is verified after this.
    pub key_package_ms: u64,
    /// A missing commit is fetched again after this.
    pub fetch_ms: u64,
    /// A commit that is not read back is published again after this.
    pub read_back_ms: u64,
    /// A joiner publishes a fresh KeyPackage after this.
    pub join_retry_ms: u64,
    /// A joiner reports that its join stalls after this.
    pub join_deadline_ms: u64,
    /// A member that cannot find a decided commit joins again after this.
    pub rejoin_ms: u64,
    /// A member that joins again keeps its state for so long.
    pub keep_ms: u64,
    /// A member waits for so long on the way to a successor.
    pub strand_ms: u64,
    /// The first delay of the back-off.
    pub backoff_first_ms: u64,
    /// The longest delay of the back-off.
    pub backoff_longest_ms: u64,
    /// The shortest `retry_later` that is believed.
    pub retry_later_shortest_ms: u64,
    /// The longest `retry_later` that is believed.
    pub retry_later_longest_ms: u64,
    /// A leave request that nobody commits is given up after this.
    pub leave_ms: u64,
    /// A member that heard nothing asks the counter after this.
    pub audit_ms: u64,
    /// The secret of a passed epoch can be pulled for so long.
    pub epoch_secrets_ms: u64,
    /// While media opens, the counter is asked after this at the latest.
    pub audit_with_media_ms: u64,
    /// Signs that the group went on are looked into this often at most.
    pub hint_ms: u64,
    /// Signs that the group exists delay its creation by so much at most.
    pub lost_group_ms: u64,
    /// How often credentials are checked for expiry.
    pub credential_check_ms: u64,
}

impl From<CoreTimers> for Timers {
    fn from(core: CoreTimers) -> Self {
        let CoreTimers {
            batch,
            crowd,
            turn,
            confirm,
            lease,
            returns,
            key_package,
            fetch,
            read_back,
            join_retry,
            join_deadline,
            rejoin,
            keep,
            strand,
            leave,
            audit,
            epoch_secrets,
            audit_with_media,
            hint,
            lost_group,
            credential_check,
            backoff,
            retry_later,
        } = core;
        Self {
            batch_ms: batch.give(),
            crowd_ms: crowd.give(),
            turn_ms: turn.give(),
            confirm_ms: confirm.give(),
            lease_ms: lease.give(),
            returns_ms: returns.give(),
            key_package_ms: key_package.give(),
            fetch_ms: fetch.give(),
            read_back_ms: read_back.give(),
            join_retry_ms: join_retry.give(),
            join_deadline_ms: join_deadline.give(),
            rejoin_ms: rejoin.give(),
            keep_ms: keep.give(),
            strand_ms: strand.give(),
            leave_ms: leave.give(),
            audit_ms: audit.give(),
            epoch_secrets_ms: epoch_secrets.give(),
            audit_with_media_ms: audit_with_media.give(),
            hint_ms: hint.give(),
            lost_group_ms: lost_group.give(),
            credential_check_ms: credential_check.give(),
            backoff_first_ms: backoff.0.give(),
            backoff_longest_ms: backoff.1.give(),
            retry_later_shortest_ms: retry_later.0.give(),
            retry_later_longest_ms: retry_later.1.give(),
        }
    }
}

impl From<Timers> for CoreTimers {
    fn from(timers: Timers) -> Self {
        let Timers {
            batch_ms,
            crowd_ms,
            turn_ms,
            confirm_ms,
            lease_ms,
            returns_ms,
            key_package_ms,
            fetch_ms,
            read_back_ms,
            join_retry_ms,
            join_deadline_ms,
            rejoin_ms,
            keep_ms,
            strand_ms,
            backoff_first_ms,
            backoff_longest_ms,
            retry_later_shortest_ms,
            retry_later_longest_ms,
            leave_ms,
            audit_ms,
            epoch_secrets_ms,
            audit_with_media_ms,
            hint_ms,
            lost_group_ms,
            credential_check_ms,
        } = timers;
        let ms = Duration::from_millis;
        Self {
            batch: ms(batch_ms),
            crowd: ms(crowd_ms),
            turn: ms(turn_ms),
            confirm: ms(confirm_ms),
            lease: ms(lease_ms),
            returns: ms(returns_ms),
            key_package: ms(key_package_ms),
            fetch: ms(fetch_ms),
            read_back: ms(read_back_ms),
            join_retry: ms(join_retry_ms),
            join_deadline: ms(join_deadline_ms),
            rejoin: ms(rejoin_ms),
            keep: ms(keep_ms),
            strand: ms(strand_ms),
            leave: ms(leave_ms),
            audit: ms(audit_ms),
            epoch_secrets: ms(epoch_secrets_ms),
            audit_with_media: ms(audit_with_media_ms),
            hint: ms(hint_ms),
            lost_group: ms(lost_group_ms),
            credential_check: ms(credential_check_ms),
            backoff: (ms(backoff_first_ms), ms(backoff_longest_ms)),
            retry_later: (ms(retry_later_shortest_ms), ms(retry_later_longest_ms)),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        CoreTimers::default().into()
    }
}

/// The bounds of a counter service.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceConfig {
    /// How long a lock lasts, milliseconds.
    pub lease_ms: u64,
    /// Most counters.
    pub max_counters: u64,
    /// Most counters started by one source.
    pub max_counters_per_source: u64,
    /// How long a counter must rest before a new one may take its place, milliseconds.
    pub idle_ms: u64,
    /// Pins kept for each counter.
    pub kept_pins: u64,
    /// Commits kept for each counter.
    pub kept_commits: u64,
    /// Bytes of commits kept for each counter.
    pub kept_commit_bytes: u64,
    /// Bytes of commits kept for all counters together.
    pub max_commit_bytes: u64,
}

carries!(
    ServiceConfig = CoreService {
        lease_ms: lease,
        max_counters: max_counters,
        max_counters_per_source: max_counters_per_source,
        idle_ms: idle,
        kept_pins: kept_pins,
        kept_commits: kept_commits,
        kept_commit_bytes: kept_commit_bytes,
        max_commit_bytes: max_commit_bytes,
    }
);

/// When media switches to a newer epoch, and forgets an older one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeysConfig {
    /// How many of the other members must be seen on an epoch before it is sealed with, percent.
    pub quorum: u64,
    /// An epoch is sealed with after this at the latest.
    pub switch_after_ms: u64,
    /// The same for an epoch in which a member was removed.
    pub switch_after_removal_ms: u64,
    /// A switch waits up to so much longer for a newer epoch.
    pub coalesce_ms: u64,
    /// An epoch is kept for so long after a newer one came.
    pub keep_ms: u64,
    /// Most epochs kept, at least 2.
    pub keep_epochs: u64,
    /// A member that the group went on without seals for so much longer.
    pub stale_after_ms: u64,
}

carries!(
    KeysConfig = CoreKeys {
        quorum: quorum,
        switch_after_ms: switch_after,
        switch_after_removal_ms: switch_after_removal,
        coalesce_ms: coalesce,
        keep_ms: keep,
        keep_epochs: keep_epochs,
        stale_after_ms: stale_after,
    }
);
