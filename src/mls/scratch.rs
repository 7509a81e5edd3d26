//! Looking at a KeyPackage. mls-rs validates one only by adding it to a group, and shows its leaf's
//! extensions only there; so it is added to a group made for the moment and thrown away.

use std::sync::Arc;

use mls_rs::client_builder::{ClientBuilder, IntoConfigOutput, MlsConfig, WithIdentityProvider};
use mls_rs::error::IntoAnyError;
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::time::MlsTime;
use mls_rs::{Client, ExtensionList, IdentityProvider};
use mls_rs_core::identity::MemberValidationContext;

use super::EngineConfig;

/// The configuration of the throw-away groups.
pub(super) type ScratchConfig<C> = WithIdentityProvider<AnyIdentity, EngineConfig<C>>;

/// Turns the builder of the engine's own client into the one for throw-away groups.
pub(super) fn client<C: MlsConfig>(
    builder: ClientBuilder<EngineConfig<C>>,
    identities: impl IdentityProvider + 'static,
) -> Client<IntoConfigOutput<ScratchConfig<C>>> {
    builder.identity_provider(AnyIdentity(Arc::new(identities))).build()
}

/// The embedder's identity provider, but everybody is somebody else: whether two KeyPackages share an
/// identity is for the real group to judge, not for the one that happens to look at them.
#[derive(Clone)]
pub(crate) struct AnyIdentity(Arc<dyn Validate>);

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the identity provider refused")]
pub(crate) struct Refused;

impl IntoAnyError for Refused {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// The part of [`IdentityProvider`] that judges, as an object.
trait Validate: Send + Sync {
    fn validate(
        &self,
        who: &SigningIdentity,
        at: Option<MlsTime>,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused>;
    fn types(&self) -> Vec<CredentialType>;
}

impl<I: IdentityProvider> Validate for I {
    fn validate(
        &self,
        who: &SigningIdentity,
        at: Option<MlsTime>,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        self.validate_member(who, at, context).map_err(|_| Refused)
    }

    fn types(&self) -> Vec<CredentialType> {
        self.supported_types()
    }
}

impl IdentityProvider for AnyIdentity {
    type Error = Refused;

    fn validate_member(
        &self,
        who: &SigningIdentity,
        at: Option<MlsTime>,
        context: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        self.0.validate(who, at, context)
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Refused> {
        Err(Refused)
    }

    fn identity(&self, who: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Refused> {
        Ok(who.signature_key.to_vec())
    }

    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Refused> {
        Ok(false)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        self.0.types()
    }
}
