//! A KeyPackage whose leaf has a key that is none.

use mls_rs::crypto::{HpkePublicKey, HpkeSecretKey};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_hpke::dhkem::DhKem;
use mls_rs_crypto_rustcrypto::RustCryptoCipherSuite;
use mls_rs_crypto_rustcrypto::aead::Aead;
use mls_rs_crypto_rustcrypto::ecdh::{Ecdh, EcdhKemError};
use mls_rs_crypto_rustcrypto::kdf::Kdf;
use mls_rs_crypto_traits::{DhType, KemId, SamplingMethod};

use super::*;

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// X25519 that cuts the public key of every other pair, which is a KeyPackage's leaf key.
#[derive(Clone, Debug)]
struct Cutting(Ecdh, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl DhType for Cutting {
    type Error = EcdhKemError;

    fn dh(&self, secret: &HpkeSecretKey, public: &HpkePublicKey) -> Result<Vec<u8>, EcdhKemError> {
        self.0.dh(secret, public)
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), EcdhKemError> {
        let (secret, public) = self.0.generate()?;
        let odd = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1;
        Ok((
            secret,
            if odd { public.as_ref().iter().copied().take(5).collect::<Vec<_>>().into() } else { public },
        ))
    }

    fn to_public(&self, secret: &HpkeSecretKey) -> Result<HpkePublicKey, EcdhKemError> {
        self.0.to_public(secret)
    }

    fn bitmask_for_rejection_sampling(&self) -> SamplingMethod {
        self.0.bitmask_for_rejection_sampling()
    }

    fn secret_key_size(&self) -> usize {
        DhType::secret_key_size(&self.0)
    }

    fn public_key_size(&self) -> usize {
        DhType::public_key_size(&self.0)
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), EcdhKemError> {
        self.0.public_key_validate(key)
    }
}

#[derive(Clone, Debug)]
struct Crypto;

impl CryptoProvider for Crypto {
    type CipherSuiteProvider = RustCryptoCipherSuite<DhKem<Cutting, Kdf>, Kdf, Aead>;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Self::CipherSuiteProvider> {
        let (kdf, kem) = (Kdf::new(suite)?, KemId::new(suite)?);
        let dh = Cutting(Ecdh::new(suite)?, Default::default());
        RustCryptoCipherSuite::new(
            suite,
            DhKem::new(dh, kdf, kem as u16, kem.n_secret()),
            kdf,
            Aead::new(suite)?,
        )
    }
}

fn key_package() -> Bytes {
    let (secret, public) = Crypto.cipher_suite_provider(SUITE).unwrap().signature_key_generate().unwrap();
    let identity = SigningIdentity::new(BasicCredential::new(b"x".to_vec()).into_credential(), public);
    let client = Client::builder()
        .crypto_provider(Crypto)
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, SUITE)
        .build();
    MlsEngine::new(&client, &Crypto).unwrap().generate_key_package(NOW, &super::name(), 1).unwrap().message
}

#[test]
fn a_leaf_key_that_is_none_is_refused() {
    let (a, of_a, ..) = two();
    let odd = key_package();
    assert!(matches!(a.inspect_key_package(NOW, &odd).unwrap(), Err(Rejection::Invalid(_))));
    // If another's commit lets it in all the same, it keeps the others from committing, which stops none of them.
    let next = a.create_commit(&of_a, NOW, &[odd], &[]).unwrap().unwrap().next.group;
    assert!(matches!(a.create_commit(&next, NOW, &[], &[]).unwrap(), Err(Rejection::Invalid(_))));
    assert!(a.create_commit(&next, NOW, &[], &[2]).unwrap().is_ok(), "and it can be removed");
}
