//! [`MlsError`] in this crate's terms, and whose fault it is.
//!
//! mls-rs reports a ciphertext that does not open, or a key that is none, as a failure of the crypto provider.
//! So the place where an error comes up decides, not its kind: while a peer's bytes are processed it is a
//! rejection, for otherwise anybody could stop us with a message; on nothing but our own state it is a failure.

use mls_rs::error::MlsError;

use crate::engine::{EngineError, Judged, Rejection};
use crate::mls::rules::Broken;

/// What ends the judgement of a message early.
#[derive(Debug)]
pub(super) enum Stop {
    Rejected(Rejection),
    Failed(EngineError),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    /// Where nothing of a peer's is judged, but what was accepted before.
    pub(super) fn ours(self) -> EngineError {
        match self {
            Self::Rejected(rejection) => EngineError::unexpected(rejection),
            Self::Failed(error) => error,
        }
    }
}

/// Takes the two ways to end early apart.
pub(super) fn judged<T>(result: Result<T, Stop>) -> Judged<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Rejected(rejection)) => Ok(Err(rejection)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// For an operation on a peer's message: whatever fails is the message's fault, except for the storage.
pub(super) fn invalid(error: MlsError) -> Stop {
    let rejection = match error {
        MlsError::SerializationError(_) => Rejection::Malformed,
        MlsError::InvalidLifetime { .. } => Rejection::Expired,
        MlsError::ProposalNotFound => Rejection::MissingProposal,
        MlsError::CantProcessMessageFromSelf => Rejection::Own,
        MlsError::WelcomeKeyPackageNotFound => Rejection::NotForMe,
        MlsError::CipherSuiteMismatch | MlsError::UnsupportedCipherSuite(_) => {
            Rejection::Unsupported("cipher suite")
        }
        MlsError::ProtocolVersionMismatch | MlsError::UnsupportedProtocolVersion(_) => {
            Rejection::Unsupported("protocol version")
        }
        MlsError::UnsupportedGroupExtension(_) => Rejection::Unsupported("group extension"),
        MlsError::KeyPackageRepoError(e) | MlsError::GroupStorageError(e) => {
            return EngineError::Provider(Box::new(e)).into();
        }
        MlsError::MlsRulesError(e) => match e.inner_dyn_error().downcast_ref::<Broken>() {
            Some(Broken(rule)) => Rejection::Forbidden(rule),
            None => Rejection::Invalid(Box::new(e)),
        },
        other => Rejection::Invalid(Box::new(other)),
    };
    rejection.into()
}

/// For an operation on nothing but our own state: whatever fails is the provider's fault.
pub(super) fn provider(error: MlsError) -> EngineError {
    EngineError::Provider(Box::new(error))
}

/// For what we do only to judge a peer's message: that our own credential is refused, as one that expired is, must
/// not let a peer stop us with a message. Whatever else fails is the provider's fault.
pub(super) fn unless_identity(error: MlsError) -> Stop {
    match error {
        MlsError::IdentityProviderError(_) => invalid(error),
        error => provider(error).into(),
    }
}
