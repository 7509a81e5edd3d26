//! Crypto whose every random byte follows from a seed. **NEVER FOR PRODUCTION**: anybody who knows the seed,
//! or guesses it, has every key.
//!
//! RustCrypto does the arithmetic, so messages are real MLS. Only the draws are replaced: random
//! bytes, HPKE key pairs (and with them encapsulation) and signature keys. Two participants with the
//! same name and seed that are called the same way make the same bytes, in any process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider};
use mls_rs::crypto::{
    HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_hpke::dhkem::DhKem;
use mls_rs_crypto_rustcrypto::aead::Aead;
use mls_rs_crypto_rustcrypto::ecdh::{Ecdh, EcdhKemError};
use mls_rs_crypto_rustcrypto::kdf::Kdf;
use mls_rs_crypto_rustcrypto::{RustCryptoCipherSuite, RustCryptoError};
use mls_rs_crypto_traits::{DhType, KemId, SamplingMethod};
use zeroize::Zeroizing;

use crate::mls::MlsEngine;

/// The one cipher suite of [`SeededCrypto`].
const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// The configuration of [`seeded_client`].
pub type SeededConfig =
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<SeededCrypto, BaseConfig>>;

/// The engine of a simulated participant.
pub type SeededEngine = MlsEngine<SeededConfig>;

/// A client with a basic credential `name`, and its crypto provider. **Never for production.**
#[expect(clippy::expect_used, reason = "a test helper; fails only if the suite above is taken away")]
pub fn seeded_client(name: &str, seed: u64) -> (Client<SeededConfig>, SeededCrypto) {
    let crypto = SeededCrypto::new(name, seed);
    let suite = crypto.cipher_suite_provider(SUITE).expect("the one suite");
    let (secret, public) = suite.signature_key_generate().expect("a signature key");
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider::new())
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build();
    (client, crypto)
}

/// SHA-256, by the suite's hash.
#[expect(clippy::expect_used, reason = "a test helper; fails only if the suite above is taken away")]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let suite = SeededCrypto::new("", 0).cipher_suite_provider(SUITE).expect("the one suite");
    suite.hash(data).ok().and_then(|h| h.try_into().ok()).expect("a hash")
}

/// The Ed25519 private key (RFC 8032, 32 bytes) of [`seeded_client`].
pub fn seeded_signature_key(name: &str, seed: u64) -> [u8; 32] {
    // The client's first draw.
    SeededCrypto::new(name, seed).0.key()
}

/// The engine over [`seeded_client`]. **Never for production.**
#[expect(clippy::expect_used, reason = "a test helper; fails only if the suite above is taken away")]
pub fn seeded_engine(name: &str, seed: u64) -> SeededEngine {
    let (client, crypto) = seeded_client(name, seed);
    MlsEngine::new(&client, &crypto).expect("the suite has SHA-256")
}

/// As [`seeded_engine`], in a later run of the same participant: the same signature key, and other draws, as
/// a system's generator would give after a restart. Run 0 is the first. **Never for production.**
#[expect(clippy::expect_used, reason = "a test helper; fails only if the suite above is taken away")]
pub fn seeded_engine_again(name: &str, seed: u64, life: u64) -> SeededEngine {
    let (client, crypto) = seeded_client(name, seed);
    if life > 0 {
        crypto.0.restart(life);
    }
    MlsEngine::new(&client, &crypto).expect("the suite has SHA-256")
}

/// RustCrypto with a seeded generator in place of the system's. **Never for production.**
///
/// Its clones draw from one stream: a provider is one participant.
#[derive(Clone, Debug)]
pub struct SeededCrypto(Draws);

impl SeededCrypto {
    /// The stream for this participant of this run.
    pub fn new(name: &str, seed: u64) -> Self {
        // FNV-1a, so that one run's participants differ.
        let hash = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01B3);
        Self(Draws::new(name.as_bytes().iter().fold(0xCBF2_9CE4_8422_2325, hash) ^ seed.rotate_left(32)))
    }
}

impl CryptoProvider for SeededCrypto {
    type CipherSuiteProvider = SeededSuite;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<SeededSuite> {
        if suite != SUITE {
            return None;
        }
        let kdf = Kdf::new(suite)?;
        let dh = SeededDh { inner: Ecdh::new(suite)?, draws: self.0.clone() };
        let kem_id = KemId::new(suite)?;
        let kem = DhKem::new(dh, kdf, kem_id as u16, kem_id.n_secret());
        let inner = RustCryptoCipherSuite::new(suite, kem, kdf, Aead::new(suite)?)?;
        Some(SeededSuite { inner, draws: self.0.clone() })
    }
}

/// xoshiro256**, its state shared by all clones.
#[derive(Clone)]
struct Draws(Arc<Mutex<[u64; 4]>>);

impl Draws {
    fn new(mut seed: u64) -> Self {
        // SplitMix64, as its authors recommend for seeding.
        let state = std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        });
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another stream, which follows from this one and `life`.
    fn restart(&self, life: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, ..] = *state;
        let fresh = Self::new(first ^ life.rotate_left(17));
        *state = *fresh.0.lock().unwrap_or_else(PoisonError::into_inner);
    }

    fn fill(&self, out: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(8) {
            let [a, b, c, d] = &mut *state;
            let word = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
            let t = *b << 17;
            *c ^= *a;
            *d ^= *b;
            *b ^= *c;
            *a ^= *d;
            *c ^= t;
            *d = d.rotate_left(45);
            chunk.iter_mut().zip(word.to_le_bytes()).for_each(|(to, from)| *to = from);
        }
    }

    fn key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        self.fill(&mut key);
        key
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draws")
    }
}

/// X25519 with drawn key pairs: HPKE encapsulation and key generation both come here.
#[derive(Clone, Debug)]
pub struct SeededDh {
    inner: Ecdh,
    draws: Draws,
}

impl DhType for SeededDh {
    type Error = EcdhKemError;

    fn dh(&self, secret: &HpkeSecretKey, public: &HpkePublicKey) -> Result<Vec<u8>, EcdhKemError> {
        self.inner.dh(secret, public)
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), EcdhKemError> {
        let secret = HpkeSecretKey::from(self.draws.key().to_vec());
        let public = self.inner.to_public(&secret)?;
        Ok((secret, public))
    }

    fn to_public(&self, secret: &HpkeSecretKey) -> Result<HpkePublicKey, EcdhKemError> {
        self.inner.to_public(secret)
    }

    fn bitmask_for_rejection_sampling(&self) -> SamplingMethod {
        self.inner.bitmask_for_rejection_sampling()
    }

    fn secret_key_size(&self) -> usize {
        DhType::secret_key_size(&self.inner)
    }

    fn public_key_size(&self) -> usize {
        DhType::public_key_size(&self.inner)
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), EcdhKemError> {
        self.inner.public_key_validate(key)
    }
}

type Real = RustCryptoCipherSuite<DhKem<SeededDh, Kdf>, Kdf, Aead>;

/// The cipher suite of [`SeededCrypto`].
#[derive(Clone)]
pub struct SeededSuite {
    inner: Real,
    draws: Draws,
}

impl fmt::Debug for SeededSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededSuite").finish_non_exhaustive()
    }
}

impl CipherSuiteProvider for SeededSuite {
    type Error = RustCryptoError;
    type HpkeContextS = <Real as CipherSuiteProvider>::HpkeContextS;
    type HpkeContextR = <Real as CipherSuiteProvider>::HpkeContextR;

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), RustCryptoError> {
        self.draws.fill(out);
        Ok(())
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), RustCryptoError> {
        let key = ed25519_dalek::SigningKey::from_bytes(&self.draws.key());
        Ok((key.to_keypair_bytes().to_vec().into(), key.verifying_key().to_bytes().to_vec().into()))
    }

    fn cipher_suite(&self) -> CipherSuite {
        self.inner.cipher_suite()
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, RustCryptoError> {
        self.inner.hash(data)
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, RustCryptoError> {
        self.inner.mac(key, data)
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, RustCryptoError> {
        self.inner.aead_seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RustCryptoError> {
        self.inner.aead_open(key, ciphertext, aad, nonce)
    }

    fn aead_key_size(&self) -> usize {
        self.inner.aead_key_size()
    }

    fn aead_nonce_size(&self) -> usize {
        self.inner.aead_nonce_size()
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, RustCryptoError> {
        self.inner.kdf_extract(salt, ikm)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, RustCryptoError> {
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
    ) -> Result<HpkeCiphertext, RustCryptoError> {
        self.inner.hpke_seal(key, info, aad, pt)
    }

    fn hpke_seal_psk(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, RustCryptoError> {
        self.inner.hpke_seal_psk(key, info, aad, pt, psk)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, RustCryptoError> {
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
    ) -> Result<Zeroizing<Vec<u8>>, RustCryptoError> {
        self.inner.hpke_open_psk(ciphertext, secret, public, info, aad, psk)
    }

    fn hpke_setup_s(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), RustCryptoError> {
        self.inner.hpke_setup_s(key, info)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, RustCryptoError> {
        self.inner.hpke_setup_r(kem_output, secret, public, info)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), RustCryptoError> {
        self.inner.kem_derive(ikm)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), RustCryptoError> {
        self.inner.kem_generate()
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), RustCryptoError> {
        self.inner.kem_public_key_validate(key)
    }

    fn signature_key_derive_public(
        &self,
        secret: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, RustCryptoError> {
        self.inner.signature_key_derive_public(secret)
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, RustCryptoError> {
        self.inner.sign(secret, data)
    }

    fn verify(
        &self,
        public: &SignaturePublicKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), RustCryptoError> {
        self.inner.verify(public, signature, data)
    }
}
