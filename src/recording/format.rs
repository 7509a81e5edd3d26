//! What a log is.

/// The version of the log's format.
pub const LOG_VERSION: u64 = 3;

/// Whether a log holds what nobody else may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secrets {
    /// Snapshots and keys show as their length, lock tokens as a hash.
    #[default]
    Withheld,
    /// Everything as it is, private keys in snapshots among it.
    Included,
}
