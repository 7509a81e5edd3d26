//! [`MlsError`] in this crate's words.

use mls_rs::error::MlsError;

use crate::engine::EngineError;
use crate::mls::rules::Broken;

/// For an operation on a peer's message: whatever fails is the message's fault.
pub(super) fn invalid(error: MlsError) -> EngineError {
    match error {
        MlsError::SerializationError(_) => EngineError::Malformed,
        MlsError::InvalidLifetime { .. } => EngineError::Expired,
        MlsError::CantProcessMessageFromSelf => EngineError::Own,
        MlsError::WelcomeKeyPackageNotFound => EngineError::NotForMe,
        MlsError::CipherSuiteMismatch | MlsError::UnsupportedCipherSuite(_) => {
            EngineError::Unsupported("cipher suite")
        }
        MlsError::ProtocolVersionMismatch | MlsError::UnsupportedProtocolVersion(_) => {
            EngineError::Unsupported("protocol version")
        }
        MlsError::UnsupportedGroupExtension(_) => EngineError::Unsupported("group extension"),
        MlsError::KeyPackageRepoError(e) | MlsError::GroupStorageError(e) => {
            EngineError::Provider(Box::new(e))
        }
        MlsError::MlsRulesError(e) => match e.inner_dyn_error().downcast_ref::<Broken>() {
            Some(Broken(rule)) => EngineError::Forbidden(rule),
            None => EngineError::Invalid(Box::new(e)),
        },
        other => EngineError::Invalid(Box::new(other)),
    }
}

/// For an operation on nothing but our own state: whatever fails is the provider's fault.
pub(super) fn provider(error: MlsError) -> EngineError {
    EngineError::Provider(Box::new(error))
}
