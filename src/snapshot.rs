//! Durable bytes of a participant.
use bytes::Bytes;
/// Durable bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot(pub Bytes);
/// Why a snapshot cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Not a snapshot of this crate.
    #[error("not a snapshot")]
    Malformed,
}
