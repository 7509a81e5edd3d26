//! The phases by name.

/// The phase that a participant is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Phase {
    /// Nothing was asked yet.
    New,
    /// Finding out whether the group exists, or creating it.
    Bootstrapping,
    /// Waiting for a Welcome.
    Joining,
    /// In the group.
    Member,
    /// Left or removed.
    Ended,
    /// The own state failed: restore the last snapshot.
    Poisoned,
}
