//! The cipher suites.

/// A hash function of HKDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Which tag the suites of AES-CTR with HMAC (0x0001 to 0x0003) have.
///
/// The spec's text and its own published vectors differ, so peers made from one do not open the objects of peers
/// made from the other. Nothing on the wire tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CtrTag {
    /// As the text has it, by RFC 9605 section 4.5.1: HMAC-SHA256 over the lengths of AAD, ciphertext and tag, 8
    /// bytes each, then nonce, AAD and ciphertext.
    #[default]
    Rfc9605,
    /// As the published vectors have it: HMAC-SHA256 over AAD, nonce and ciphertext.
    PublishedVectors,
}

/// A Secure Objects cipher suite (the spec's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// AES_128_CTR_HMAC_SHA256_80, 0x0001: a tag of 10 bytes ([`CtrTag`] says which).
    Aes128CtrHmacSha256Tag80,
    /// AES_128_CTR_HMAC_SHA256_64, 0x0002: a tag of 8 bytes.
    Aes128CtrHmacSha256Tag64,
    /// AES_128_CTR_HMAC_SHA256_32, 0x0003: a tag of 4 bytes, which one forgery in 2^32 passes.
    Aes128CtrHmacSha256Tag32,
    /// AES_128_GCM_SHA256_128, 0x0004: the one that everybody has.
    Aes128Gcm,
    /// AES_256_GCM_SHA512_128, 0x0005.
    Aes256Gcm,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Aes128CtrHmacSha256Tag80,
        Self::Aes128CtrHmacSha256Tag64,
        Self::Aes128CtrHmacSha256Tag32,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
    ];

    /// The suite of this registry value.
    pub fn from_value(value: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.value() == value)
    }

    /// The registry value.
    pub fn value(self) -> u16 {
        match self {
            Self::Aes128CtrHmacSha256Tag80 => 0x0001,
            Self::Aes128CtrHmacSha256Tag64 => 0x0002,
            Self::Aes128CtrHmacSha256Tag32 => 0x0003,
            Self::Aes128Gcm => 0x0004,
            Self::Aes256Gcm => 0x0005,
        }
    }

    /// The hash of its HKDF.
    pub fn digest(self) -> Digest {
        match self {
            Self::Aes256Gcm => Digest::Sha512,
            _ => Digest::Sha256,
        }
    }

    /// Nk: key bytes. For the CTR suites 16 of AES, then 32 of HMAC.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
            _ => 48,
        }
    }

    /// Nt: tag bytes, at most [`Suite::MAX_TAG`].
    pub fn tag_len(self) -> usize {
        match self {
            Self::Aes128CtrHmacSha256Tag80 => 10,
            Self::Aes128CtrHmacSha256Tag64 => 8,
            Self::Aes128CtrHmacSha256Tag32 => 4,
            Self::Aes128Gcm | Self::Aes256Gcm => 16,
        }
    }

    /// The longest tag, bytes.
    pub const MAX_TAG: usize = 16;

    /// True for the two GCM suites.
    pub fn is_gcm(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm)
    }
}
