//! What a member is that turned hostile, and what it is held against.

use std::time::Duration;

use bytes::Bytes;

use crate::counter::Pin;
use crate::engine::{Engine, Next, OwnKeyPackage};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// How long a removal of the insider may take, and a join beside it: two leases.
pub const BOUND: Duration = Duration::from_secs(4);
/// What came of a member that turned hostile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsiderStats {
    /// From the command that removes it until nobody has it in its roster.
    pub removed: Option<Duration>,
    /// The longest that anybody took to come in beside it.
    pub join: Option<Duration>,
    /// Epochs in which it came back.
    pub returns: u64,
    /// Slots that it filled.
    pub filled: u64,
}

/// A commit of the insider's, and what it leads to.
pub(super) struct Own<G> {
    pub(super) commit: Bytes,
    pub(super) next: Next<G>,
    pub(super) removes: bool,
}

pub(super) struct Insider<E: Engine> {
    pub(super) who: usize,
    pub(super) id: SenderId,
    pub(super) engine: E,
    /// `None` while it is not in the group.
    pub(super) group: Option<E::Group>,
    pub(super) epoch: u64,
    pub(super) pin: Option<Pin>,
    /// Its commit of this epoch.
    pub(super) own: Option<Own<E::Group>>,
    pub(super) keys: Vec<OwnKeyPackage>,
    /// Objects that it has looked at for Welcomes.
    pub(super) looked: usize,
    pub(super) since: Timestamp,
    /// When its removal was asked for.
    pub(super) unwanted: Option<Timestamp>,
    /// Who is coming in, and since when.
    pub(super) joining: Vec<(usize, Timestamp)>,
    pub(super) stats: InsiderStats,
}
