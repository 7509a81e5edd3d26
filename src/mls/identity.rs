//! The embedder's identity provider, as mls-rs is shown it: who is a member twice, and when a credential is good.
//!
//! mls-rs wants no two members to have one identity, and refuses what RFC 9420 section 7.3 allows: that asks only for
//! keys that are unique. One namesake, let in by a member with another library, would put all of ours out. So mls-rs
//! is given the signature key in place of the identity.
//!
//! mls-rs has one time for the lifetimes of KeyPackages and for credentials. A commit that adds a KeyPackage is
//! followed for a while after that expired, but no credential is good for longer than its issuer says. So mls-rs
//! follows a commit, and joins, without a time, and is then answered that every credential is good. Each member
//! that the commit brought is judged afterwards, at the time it is.

use std::fmt;
use std::sync::Arc;

use mls_rs::error::{AnyError, IntoAnyError};
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::time::MlsTime;
use mls_rs::{ExtensionList, IdentityProvider};
use mls_rs_core::identity::MemberValidationContext;

/// The embedder's identity provider, whose type mls-rs does not let others name.
trait Embedders: Send + Sync {
    fn validate(
        &self,
        identity: &SigningIdentity,
        time: MlsTime,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused>;

    fn validate_external(
        &self,
        identity: &SigningIdentity,
        time: Option<MlsTime>,
        extensions: Option<&ExtensionList>,
    ) -> Result<(), Refused>;

    fn name(&self, identity: &SigningIdentity, extensions: &ExtensionList) -> Result<Vec<u8>, Refused>;

    fn succeeds(
        &self,
        old: &SigningIdentity,
        new: &SigningIdentity,
        extensions: &ExtensionList,
    ) -> Result<bool, Refused>;

    fn types(&self) -> Vec<CredentialType>;
}

impl<I: IdentityProvider> Embedders for I {
    fn validate(
        &self,
        identity: &SigningIdentity,
        time: MlsTime,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        self.validate_member(identity, Some(time), context).map_err(Refused::new)
    }

    fn validate_external(
        &self,
        identity: &SigningIdentity,
        time: Option<MlsTime>,
        extensions: Option<&ExtensionList>,
    ) -> Result<(), Refused> {
        self.validate_external_sender(identity, time, extensions).map_err(Refused::new)
    }

    fn name(&self, identity: &SigningIdentity, extensions: &ExtensionList) -> Result<Vec<u8>, Refused> {
        self.identity(identity, extensions).map_err(Refused::new)
    }

    fn succeeds(
        &self,
        old: &SigningIdentity,
        new: &SigningIdentity,
        extensions: &ExtensionList,
    ) -> Result<bool, Refused> {
        self.valid_successor(old, new, extensions).map_err(Refused::new)
    }

    fn types(&self) -> Vec<CredentialType> {
        self.supported_types()
    }
}

/// What the embedder's identity provider said no with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(AnyError);

impl Refused {
    fn new(error: impl IntoAnyError) -> Self {
        Self(error.into_any_error())
    }
}

impl IntoAnyError for Refused {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// The identity provider of the client inside a [`MlsEngine`](crate::mls::MlsEngine): the embedder's, with keys that are
/// unique in place of identities, and with no judgement of credentials where no time is given.
#[derive(Clone)]
pub struct UniqueKeys(Arc<dyn Embedders>);

impl fmt::Debug for UniqueKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueKeys").finish_non_exhaustive()
    }
}

impl UniqueKeys {
    pub(super) fn new(of: impl IdentityProvider + 'static) -> Self {
        Self(Arc::new(of))
    }

    /// The identity, as the embedder's provider names it.
    pub(super) fn name(
        &self,
        identity: &SigningIdentity,
        extensions: &ExtensionList,
    ) -> Result<Vec<u8>, Refused> {
        self.0.name(identity, extensions)
    }
}

impl IdentityProvider for UniqueKeys {
    type Error = Refused;

    fn validate_member(
        &self,
        signing_identity: &SigningIdentity,
        timestamp: Option<MlsTime>,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        timestamp.map_or(Ok(()), |time| self.0.validate(signing_identity, time, context))
    }

    fn validate_external_sender(
        &self,
        signing_identity: &SigningIdentity,
        timestamp: Option<MlsTime>,
        extensions: Option<&ExtensionList>,
    ) -> Result<(), Refused> {
        self.0.validate_external(signing_identity, timestamp, extensions)
    }

    fn identity(&self, signing_identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Refused> {
        Ok(signing_identity.signature_key.to_vec())
    }

    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        extensions: &ExtensionList,
    ) -> Result<bool, Refused> {
        // Who stays who it is need not be asked about at every commit.
        if predecessor == successor {
            return Ok(true);
        }
        self.0.succeeds(predecessor, successor, extensions)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        self.0.types()
    }
}
