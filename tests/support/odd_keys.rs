//! Crypto that makes HPKE keys which are none, and takes them: an attacker's, or another implementation's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use mls_rs::crypto::{
    HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use zeroize::Zeroizing;

type Keys = Arc<Mutex<VecDeque<Option<Vec<u8>>>>>;

/// A provider of which public keys can be replaced. Its clones are one.
#[derive(Clone)]
pub struct OddCrypto<P> {
    inner: P,
    generated: Keys,
    derived: Keys,
}

impl<P> OddCrypto<P> {
    pub fn new(inner: P) -> Self {
        Self { inner, generated: Keys::default(), derived: Keys::default() }
    }

    /// What stands in for the public keys of the next key pairs that are drawn; `None` leaves one.
    pub fn generate(&self, keys: impl IntoIterator<Item = Option<Vec<u8>>>) {
        *self.generated.lock().unwrap() = keys.into_iter().collect();
    }

    /// The same of the next key pairs that are derived: of the nodes of a path, from below.
    pub fn derive(&self, keys: impl IntoIterator<Item = Option<Vec<u8>>>) {
        *self.derived.lock().unwrap() = keys.into_iter().collect();
    }
}

impl<P: CryptoProvider> CryptoProvider for OddCrypto<P> {
    type CipherSuiteProvider = OddSuite<P::CipherSuiteProvider>;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        self.inner.supported_cipher_suites()
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Self::CipherSuiteProvider> {
        let inner = self.inner.cipher_suite_provider(suite)?;
        Some(OddSuite { inner, generated: self.generated.clone(), derived: self.derived.clone() })
    }
}

#[derive(Clone)]
pub struct OddSuite<S> {
    inner: S,
    generated: Keys,
    derived: Keys,
}

fn replaced((secret, public): (HpkeSecretKey, HpkePublicKey), keys: &Keys) -> (HpkeSecretKey, HpkePublicKey) {
    let odd = keys.lock().unwrap().pop_front().flatten();
    (secret, odd.map_or(public, HpkePublicKey::from))
}

impl<S: CipherSuiteProvider> CipherSuiteProvider for OddSuite<S> {
    type Error = S::Error;
    type HpkeContextS = S::HpkeContextS;
    type HpkeContextR = S::HpkeContextR;

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), S::Error> {
        Ok(replaced(self.inner.kem_generate()?, &self.generated))
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), S::Error> {
        Ok(replaced(self.inner.kem_derive(ikm)?, &self.derived))
    }

    fn kem_public_key_validate(&self, _: &HpkePublicKey) -> Result<(), S::Error> {
        Ok(())
    }

    fn cipher_suite(&self) -> CipherSuite {
        self.inner.cipher_suite()
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), S::Error> {
        self.inner.random_bytes(out)
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, S::Error> {
        self.inner.hash(data)
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, S::Error> {
        self.inner.mac(key, data)
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, S::Error> {
        self.inner.aead_seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, S::Error> {
        self.inner.aead_open(key, ciphertext, aad, nonce)
    }

    fn aead_key_size(&self) -> usize {
        self.inner.aead_key_size()
    }

    fn aead_nonce_size(&self) -> usize {
        self.inner.aead_nonce_size()
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, S::Error> {
        self.inner.kdf_extract(salt, ikm)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, S::Error> {
        self.inner.kdf_expand(prk, info, len)
    }

    fn kdf_extract_size(&self) -> usize {
        self.inner.kdf_extract_size()
    }

    fn hpke_seal(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
    ) -> Result<HpkeCiphertext, S::Error> {
        self.inner.hpke_seal(key, info, aad, pt)
    }

    fn hpke_seal_psk(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, S::Error> {
        self.inner.hpke_seal_psk(key, info, aad, pt, psk)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, S::Error> {
        self.inner.hpke_open(ciphertext, secret, public, info, aad)
    }

    fn hpke_open_psk(
        &self,
        ciphertext: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, S::Error> {
        self.inner.hpke_open_psk(ciphertext, secret, public, info, aad, psk)
    }

    fn hpke_setup_s(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), S::Error> {
        self.inner.hpke_setup_s(key, info)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, S::Error> {
        self.inner.hpke_setup_r(kem_output, secret, public, info)
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), S::Error> {
        self.inner.signature_key_generate()
    }

    fn signature_key_derive_public(
        &self,
        secret: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, S::Error> {
        self.inner.signature_key_derive_public(secret)
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, S::Error> {
        self.inner.sign(secret, data)
    }

    fn verify(&self, public: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<(), S::Error> {
        self.inner.verify(public, signature, data)
    }
}
