//! Why an [`Engine`](crate::engine::Engine) did not do what it was asked.

/// Why the engine refused. Errors about a peer's message never harm the group they were tried on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
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
    #[error("a welcome for somebody else")]
    NotForMe,
    /// A commit of one's own came back.
    #[error("a message of our own")]
    Own,
    /// The strict rules forbid it.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// A message that does not verify or does not fit the group.
    #[error("invalid: {0}")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider failed.
    #[error("provider failed: {0}")]
    Provider(#[source] Box<dyn std::error::Error + Send + Sync>),
}
