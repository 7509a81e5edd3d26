//! What `handle` and `restore` can fail with: misuse by the embedder, an engine that fails, a machine that has ended.
//! A peer's fault is a [`Notice`](crate::Notice), never one of these: what the engine says of a peer's message is a
//! [`Rejection`](crate::engine::Rejection), and its own failure an [`EngineError`].

use crate::engine::EngineError;

/// An error of the participant itself.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Error {
    /// The embedder did something the contract forbids; the participant is unchanged.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The participant has left or was removed; it handles nothing more.
    #[error("the participant has ended")]
    Ended,
    /// The MLS engine failed, whatever it was asked; a peer's message is never the reason.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The MLS engine failed before, and the state is not to be trusted: restore the last snapshot.
    #[error("the participant failed before: restore its last snapshot")]
    Poisoned,
    /// A snapshot that cannot be restored.
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
}

/// What the embedder did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Misuse {
    /// Too many actions wait: poll them, and tell the event again.
    #[error("actions were not polled")]
    Undrained,
    /// The command needs a member, and this participant is none.
    #[error("not a member")]
    NotAMember,
    /// The secret of an epoch that is over, or has not begun, was asked for.
    #[error("the epoch is not in force")]
    EpochGone,
    /// `Join` a second time.
    #[error("already joined or joining")]
    AlreadyJoined,
    /// `Add` with a KeyPackage that is malformed, expired or invalid.
    #[error("the KeyPackage is not valid")]
    BadKeyPackage,
    /// [`GroupParams::service_key`](crate::GroupParams::service_key) is no public key of a service.
    #[error("the service key is no Ed25519 public key of 32 bytes")]
    BadServiceKey,
    /// A command about oneself that needs another name: `Leave` instead of `Remove`.
    #[error("a member cannot remove itself: use Leave")]
    OwnName,
}
