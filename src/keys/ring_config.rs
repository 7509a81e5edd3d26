//! How a key ring is configured, and what it reports.

use std::time::Duration;

/// When an [`EpochKeyRing`](crate::keys::EpochKeyRing) switches and forgets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct RingConfig {
    /// How many of the other members, in percent, must have been seen on an epoch before it is sent with.
    /// Over 100: never, only the deadline counts.
    pub quorum: u8,
    /// An epoch is sent with after this at the latest, however few were seen on it.
    pub switch_after: Duration,
    /// The same for an epoch that a member was removed in: how long the removed can still read.
    pub switch_after_removal: Duration,
    /// A switch waits up to this much longer where a newer epoch is due by then: a burst of epochs makes
    /// one switch. Never past [`switch_after_removal`](Self::switch_after_removal).
    pub coalesce: Duration,
    /// An epoch is kept this long after a newer one came, for those who still send with it. Until then a
    /// member that was removed since can still seal with it.
    pub keep: Duration,
    /// Most epochs kept, at least 2.
    pub keep_epochs: usize,
    /// A member that is notified that the group goes on without it seals for this much longer, if no epoch
    /// comes. By then others may have removed a member that reads on.
    pub stale_after: Duration,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            quorum: 100,
            switch_after: Duration::from_secs(2),
            switch_after_removal: Duration::from_millis(500),
            coalesce: Duration::from_millis(200),
            keep: Duration::from_secs(60),
            keep_epochs: 64,
            stale_after: Duration::from_secs(30),
        }
    }
}

/// News from an [`EpochKeyRing`](crate::keys::EpochKeyRing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum RingNotice {
    /// Objects under this key id can be opened from now on.
    EpochReady {
        /// The epoch.
        epoch: u64,
    },
    /// Seal with this epoch from now on.
    SendWith {
        /// The epoch.
        epoch: u64,
        /// Why now.
        reason: SwitchReason,
    },
    /// Seal nothing from now on, until the next [`SendWith`](Self::SendWith). What can be opened stays so.
    Silent {
        /// Why.
        reason: Silence,
    },
    /// This epoch's secret is erased: drop what was derived from it.
    Forgotten {
        /// The epoch.
        epoch: u64,
        /// Why.
        reason: ForgetReason,
    },
}

/// Why there is nothing to seal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Silence {
    /// No epoch came yet, or the ring is closed.
    #[error("no epoch to seal with")]
    NoEpoch,
    /// The group went on without this member, longer than [`RingConfig::stale_after`] ago.
    #[error("the group went on without this member")]
    Behind,
    /// An earlier run may have sealed with this epoch, and nobody said from where on it did not:
    /// [`EpochKeyRing::sealing_from`](crate::keys::EpochKeyRing::sealing_from).
    #[error("this epoch may have been sealed with before a restart")]
    Restored,
}

/// Why an epoch is sent with now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum SwitchReason {
    /// There was no other.
    First,
    /// Enough members were seen on it.
    Quorum,
    /// [`RingConfig::switch_after`] is over.
    Deadline,
    /// [`RingConfig::switch_after_removal`] is over.
    Removal,
    /// [`EpochKeyRing::switch_now`](crate::keys::EpochKeyRing::switch_now).
    Asked,
    /// It was sent with before the restart.
    Restored,
    /// It ends a [`Silence`], and waits for nobody.
    Resumed,
}

/// Why an epoch's secret is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum ForgetReason {
    /// [`RingConfig::keep`] is over.
    Age,
    /// [`RingConfig::keep_epochs`] is passed.
    Number,
    /// The epoch came again with another secret: the one before was on a fork.
    Fork,
    /// [`EpochKeyRing::close`](crate::keys::EpochKeyRing::close).
    Closed,
}
