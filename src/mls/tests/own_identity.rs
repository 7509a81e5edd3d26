//! A member whose own credential is refused, as one that expired is.

use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, ExtensionList, IdentityProvider};
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

use super::*;

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// Takes everybody but this one.
#[derive(Clone, Debug)]
struct Refuses(&'static str);

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

impl IntoAnyError for Refused {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl IdentityProvider for Refuses {
    type Error = Refused;

    fn validate_member(
        &self,
        signing_identity: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        let name = self.identity(signing_identity, &ExtensionList::new())?;
        if name == self.0.as_bytes() { Err(Refused) } else { Ok(()) }
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Refused> {
        Err(Refused)
    }

    fn identity(&self, of: &SigningIdentity, extensions: &ExtensionList) -> Result<Vec<u8>, Refused> {
        BasicIdentityProvider.identity(of, extensions).map_err(|_| Refused)
    }

    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Refused> {
        Ok(true)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        BasicIdentityProvider.supported_types()
    }
}

#[test]
fn whose_own_credential_is_refused_is_not_stopped_by_a_key_package() {
    let crypto = RustCryptoProvider::default();
    let engine = |name: &str| {
        let (secret, public) = crypto.cipher_suite_provider(SUITE).unwrap().signature_key_generate().unwrap();
        let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
        let client = Client::builder()
            .crypto_provider(crypto.clone())
            .identity_provider(Refuses("expired"))
            .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
            .build();
        MlsEngine::new(&client, &crypto).unwrap()
    };
    let message = engine("peer").generate_key_package(NOW, &super::name(), 1).unwrap().message;
    assert!(engine("another").inspect_key_package(NOW, &message).unwrap().is_ok());
    let judged = engine("expired").inspect_key_package(NOW, &message);
    assert!(matches!(judged, Ok(Err(Rejection::Invalid(_)))), "no failure of the engine");
}
