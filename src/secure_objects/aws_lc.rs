//! All suites over AWS-LC, in place with prepared keys (feature `aws-lc`).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hkdf, hmac, iv};

use crate::engine::EngineError;
use crate::secret::Secret;
use crate::secure_objects::cipher::{Aead, AeadError, Ciphers, NONCE_LEN};
use crate::secure_objects::suite::{CtrTag, Digest, Suite};

/// [`Ciphers`] over AWS-LC, with [`CtrTag::Rfc9605`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AwsLc;

/// [`Ciphers`] over AWS-LC, with the tag that is named: for peers made from the published vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AwsLcWith(pub CtrTag);

fn algorithm(digest: Digest) -> hmac::Algorithm {
    match digest {
        Digest::Sha256 => hmac::HMAC_SHA256,
        Digest::Sha512 => hmac::HMAC_SHA512,
    }
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

impl Ciphers for AwsLc {
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        AwsLcWith::default().hkdf_extract(digest, salt, ikm)
    }

    fn hkdf_expand(
        &self,
        digest: Digest,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        AwsLcWith::default().hkdf_expand(digest, prk, info, len)
    }

    fn aead(&self, suite: Suite, key: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError> {
        AwsLcWith::default().aead(suite, key)
    }
}

impl Ciphers for AwsLcWith {
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        // `hkdf::Prk` keeps its bytes to itself; extraction is one HMAC (RFC 5869 section 2.2).
        let prk = hmac::sign(&hmac::Key::new(algorithm(digest), salt), ikm);
        Ok(Secret::new(prk.as_ref().to_vec()))
    }

    fn hkdf_expand(
        &self,
        digest: Digest,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let algorithm = match digest {
            Digest::Sha256 => hkdf::HKDF_SHA256,
            Digest::Sha512 => hkdf::HKDF_SHA512,
        };
        let mut out = vec![0; len];
        hkdf::Prk::new_less_safe(algorithm, prk)
            .expand(&[info], Len(len))
            .and_then(|okm| okm.fill(&mut out))
            .map_err(|_| EngineError::Unsupported("more than HKDF gives"))?;
        Ok(Secret::new(out))
    }

    fn aead(&self, suite: Suite, key: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError> {
        Ok(Some(match suite {
            Suite::Aes128Gcm => Box::new(Gcm::new(&AES_128_GCM, key)?),
            Suite::Aes256Gcm => Box::new(Gcm::new(&AES_256_GCM, key)?),
            _ => Box::new(CtrHmac::new(suite, self.0, key)?),
        }))
    }
}

struct Gcm(LessSafeKey);

impl Gcm {
    fn new(algorithm: &'static aws_lc_rs::aead::Algorithm, key: &Secret) -> Result<Self, AeadError> {
        let key = UnboundKey::new(algorithm, key.as_bytes()).map_err(|_| AeadError)?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl Aead for Gcm {
    #[inline]
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        // The tag is written where it is sent from. Any other length than the algorithm's is refused.
        self.0.seal_in_place_scatter(nonce, Aad::from(aad), in_out, &[], tag).map_err(|_| AeadError)
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, in_out);
        opened.map(|_| ()).map_err(|_| AeadError)
    }
}

/// AES-CTR with HMAC-SHA256 over what the [`CtrTag`] says.
struct CtrHmac {
    cipher: EncryptingKey,
    mac: hmac::Key,
    kind: CtrTag,
    tag_len: usize,
}

impl CtrHmac {
    fn new(suite: Suite, kind: CtrTag, key: &Secret) -> Result<Self, AeadError> {
        let (enc, auth) = key.as_bytes().split_at_checked(16).ok_or(AeadError)?;
        if key.len() != suite.key_len() {
            return Err(AeadError);
        }
        let key = UnboundCipherKey::new(&AES_128, enc).map_err(|_| AeadError)?;
        Ok(Self {
            cipher: EncryptingKey::ctr(key).map_err(|_| AeadError)?,
            mac: hmac::Key::new(hmac::HMAC_SHA256, auth),
            kind,
            tag_len: suite.tag_len(),
        })
    }

    fn xor(&self, nonce: &[u8; NONCE_LEN], in_out: &mut [u8]) -> Result<(), AeadError> {
        let mut counter = [0; 16];
        counter.iter_mut().zip(nonce).for_each(|(c, n)| *c = *n);
        let context = EncryptionContext::Iv128(iv::FixedLength::from(counter));
        self.cipher.less_safe_encrypt(in_out, context).map(|_| ()).map_err(|_| AeadError)
    }

    fn tag(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], ciphertext: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.mac);
        match self.kind {
            CtrTag::Rfc9605 => {
                for len in [aad.len(), ciphertext.len(), self.tag_len] {
                    mac.update(&(len as u64).to_be_bytes());
                }
                mac.update(nonce);
                mac.update(aad);
            }
            CtrTag::PublishedVectors => {
                mac.update(aad);
                mac.update(nonce);
            }
        }
        mac.update(ciphertext);
        mac.sign()
    }
}

impl Aead for CtrHmac {
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), AeadError> {
        self.xor(nonce, in_out)?;
        let made = self.tag(nonce, aad, in_out);
        tag.copy_from_slice(
            made.as_ref().get(..self.tag_len).filter(|m| m.len() == tag.len()).ok_or(AeadError)?,
        );
        Ok(())
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AeadError> {
        let made = self.tag(nonce, aad, in_out);
        let made = made.as_ref().get(..self.tag_len).ok_or(AeadError)?;
        verify_slices_are_equal(made, tag).map_err(|_| AeadError)?;
        self.xor(nonce, in_out)
    }
}
