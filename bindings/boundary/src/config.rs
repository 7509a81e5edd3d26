//! How a participant takes part in a group.

use bytes::Bytes;
use moq_mls::Config as CoreConfig;
use moq_mls::{Committers as CoreCommitters, GroupParams};

use crate::codes::{Admission, CommitTracks, SafetyMode};
use crate::error::Error;
use crate::values::{sender_bytes, to_group, to_sender};

mod carry;
mod numbers;

pub use self::numbers::{KeysConfig, Limits, ServiceConfig, Timers};

/// How a participant takes part in a group, with the key ring of its media.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The group name: 1 to 255 bytes.
    pub group: Bytes,
    /// How the winner of an epoch is decided. The same for all members.
    pub mode: SafetyMode,
    /// Where commits are published. The same for all members.
    pub commit_tracks: CommitTracks,
    /// Whether the ratchet tree of a large group is an object of its own. The same for all members.
    pub tree_objects: bool,
    /// The counter service's Ed25519 public key, if it signs receipts. The same for all members.
    pub service_key: Option<Bytes>,
    /// Who may join.
    pub admission: Admission,
    /// The members whose commits may add; `None` for all.
    pub adders: Option<Vec<Bytes>>,
    /// The members whose commits may remove; `None` for all.
    pub removers: Option<Vec<Bytes>>,
    /// Most members added by one commit that is helped.
    pub most_adds: u64,
    /// Most members removed by one commit that is helped.
    pub most_removes: u64,
    /// Largest commit that is helped, bytes.
    pub most_bytes: u64,
    /// From how many members on the ratchet tree goes apart.
    pub tree_threshold: u64,
    /// Whether a group that cannot go on is followed by a successor.
    pub successor: bool,
    /// Whether a newcomer follows a successor without being asked.
    pub follow_offers: bool,
    /// Bounds.
    pub limits: Limits,
    /// Waiting times.
    pub timers: Timers,
    /// The media's key ring.
    pub keys: KeysConfig,
}

impl Config {
    /// Returns the defaults for a group.
    ///
    /// # Errors
    /// [`Error::Name`] for a name that is no group name.
    pub fn new(group: impl Into<Bytes>) -> Result<Self, Error> {
        Ok(Self::from(CoreConfig::new(to_group(group.into())?)))
    }

    /// Returns what the core needs of it.
    pub(crate) fn core(&self) -> Result<CoreConfig, Error> {
        let Self {
            group,
            mode,
            commit_tracks,
            tree_objects,
            service_key,
            admission,
            adders,
            removers,
            most_adds,
            most_removes,
            most_bytes,
            tree_threshold,
            successor,
            follow_offers,
            limits,
            timers,
            keys: _,
        } = self.clone();
        Ok(CoreConfig {
            group: to_group(group)?,
            params: GroupParams {
                mode: mode.into(),
                commit_tracks: commit_tracks.into(),
                tree_objects,
                service_key,
            },
            admission: admission.into(),
            policy: moq_mls::CommitPolicy {
                adds: to_committers(adders)?,
                removes: to_committers(removers)?,
                most_adds: saturating(most_adds),
                most_removes: saturating(most_removes),
                most_bytes: saturating(most_bytes),
            },
            tree_threshold: saturating(tree_threshold),
            successor,
            follow_offers,
            limits: limits.try_into()?,
            timers: timers.into(),
        })
    }
}

impl From<CoreConfig> for Config {
    fn from(core: CoreConfig) -> Self {
        let CoreConfig {
            group,
            params: GroupParams { mode, commit_tracks, tree_objects, service_key },
            admission,
            policy: moq_mls::CommitPolicy { adds, removes, most_adds, most_removes, most_bytes },
            tree_threshold,
            successor,
            follow_offers,
            limits,
            timers,
        } = core;
        Self {
            group: group.as_bytes().clone(),
            mode: mode.into(),
            commit_tracks: commit_tracks.into(),
            tree_objects,
            service_key,
            admission: admission.into(),
            adders: from_committers(adds),
            removers: from_committers(removes),
            most_adds: wide(most_adds),
            most_removes: wide(most_removes),
            most_bytes: wide(most_bytes),
            tree_threshold: wide(tree_threshold),
            successor,
            follow_offers,
            limits: limits.into(),
            timers: timers.into(),
            keys: KeysConfig::default(),
        }
    }
}

fn to_committers(some: Option<Vec<Bytes>>) -> Result<CoreCommitters, Error> {
    Ok(match some {
        None => CoreCommitters::Everyone,
        Some(some) => CoreCommitters::Only(some.into_iter().map(to_sender).collect::<Result<_, _>>()?),
    })
}

fn from_committers(core: CoreCommitters) -> Option<Vec<Bytes>> {
    match core {
        CoreCommitters::Everyone => None,
        CoreCommitters::Only(some) => Some(some.iter().map(sender_bytes).collect()),
    }
}

fn saturating(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
