//! What all three sides keep to.

/// Why a message of the peer does not fit what went before. The state is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// An answer, or a track, for a request that is not open.
    #[error("no such request")]
    UnknownRequest,
    /// A NAMESPACE_INFO for a track outside the namespace that was asked for.
    #[error("a track outside the namespace asked for")]
    WrongNamespace,
    /// A Subscribe ID that already stands for something else, or has the wrong parity.
    #[error("the Subscribe ID is taken or not the peer's to give")]
    BadId,
    /// An object or message for a subscription that is not open.
    #[error("no such subscription")]
    UnknownSubscription,
    /// An object whose alias is not its subscription's.
    #[error("the alias is not the subscription's")]
    WrongAlias,
    /// More subscriptions than this side keeps.
    #[error("too many subscriptions")]
    TooMany,
    /// A message that this side never receives.
    #[error("a message for the other side")]
    Unexpected,
}

/// Most subscriptions of one session, in one direction.
pub const MAX_SUBSCRIPTIONS: usize = 16_384;

/// Most bytes of the names of one session's subscriptions, in one direction: 24 MiB, with 1 KiB for each beside
/// its name.
pub const MAX_SUBSCRIPTION_BYTES: usize = 24 << 20;

/// Status code of a SUBSCRIBE_NAMESPACE for a namespace that is not announced here.
pub const STATUS_NOT_ANNOUNCED: std::num::NonZeroU64 = match std::num::NonZeroU64::new(0x4) {
    Some(code) => code,
    None => std::num::NonZeroU64::MIN,
};
