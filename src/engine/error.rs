//! Why an [`Engine`](crate::engine::Engine) did not do what it was asked: it failed, or it refused a message.

/// What an engine says of a peer's message.
///
/// `?` passes on a failure of the engine, which the peer has no part in. A rejection stays, and has to be
/// looked at: it is the peer's fault, and no reason to stop.
pub type Judged<T> = Result<Result<T, Rejection>, EngineError>;

/// The engine failed at what is its own. What a peer sent is never the reason: see [`Rejection`].
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum EngineError {
    /// The crypto provider lacks a cipher suite, or the library something it should have.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// An own state or key that cannot be read, as one that was not saved here.
    #[error("an own state that cannot be used")]
    State,
    /// The provider failed.
    #[error("provider failed: {0}")]
    Provider(Box<dyn std::error::Error + Send + Sync>),
}

impl EngineError {
    /// The failure that a rejection means where nothing of a peer's was judged: of what the engine had made
    /// itself, or had accepted before.
    pub fn unexpected(rejection: Rejection) -> Self {
        Self::Provider(Box::new(rejection))
    }
}

/// Why a peer's message was refused. It never harms the group that it was tried on.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Rejection {
    /// The bytes are not what they should be.
    #[error("malformed message")]
    Malformed,
    /// A version, cipher suite or extension this engine does not have.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// A lifetime that is over or has not begun.
    #[error("outside its lifetime")]
    Expired,
    /// A Welcome that no key of ours opens.
    #[error("a Welcome for another client")]
    NotForMe,
    /// An own commit came back.
    #[error("an own message")]
    Own,
    /// A message that nobody made who has the keys of this epoch. It is recognized at almost no cost.
    #[error("by nobody in the group")]
    Stranger,
    /// A commit that refers to a proposal that is not here.
    #[error("refers to a proposal that is not here")]
    MissingProposal,
    /// The strict rules forbid it.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// A message that does not verify or does not fit the group.
    #[error("invalid: {0}")]
    Invalid(Box<dyn std::error::Error + Send + Sync>),
}
