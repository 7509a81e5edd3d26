//! This participant's own KeyPackages, and the Welcomes to them that came early.

use bytes::Bytes;

use crate::engine::OwnKeyPackage;
use crate::time::Timestamp;

/// Own KeyPackages, and what is kept for their sake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OwnKeys {
    /// Those that may still be welcomed, oldest first.
    pub(crate) packages: Vec<OwnKeyPackage>,
    /// Until when those newer than the one joined by are kept.
    ///
    /// A joiner that waits long publishes a fresh KeyPackage, and may then be let in by the Welcome to its
    /// first one after all. To the others the second looks like the intent of a member that lost its state,
    /// and they replace its leaf.
    pub(crate) spare_until: Option<Timestamp>,
    /// Welcomes that came at a time when none was looked for, and may be needed yet.
    pub(crate) early_welcomes: Vec<Bytes>,
    /// How many KeyPackages in a row nobody answered with a Welcome.
    pub(crate) unanswered: u32,
    /// The next unused object id on the own KeyPackage track.
    pub(crate) next_object_id: u64,
}
