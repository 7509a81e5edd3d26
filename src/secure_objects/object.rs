//! An object's parts, and why it is not sealed or not opened.

use crate::engine::EngineError;
use crate::secure_objects::cipher::AeadError;
use crate::secure_objects::suite::Suite;
use crate::tracks::Location;

/// What of an object is not encrypted: where it is and how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectHeader<'a> {
    /// Its place in the track.
    pub location: Location,
    /// The publisher priority.
    pub priority: u8,
    /// The immutable properties as they are on the wire, the Key ID among them
    /// ([`SecureTrack::key_id_property`](crate::secure_objects::SecureTrack::key_id_property)).
    pub immutable: &'a [u8],
}

/// An opened object. Both parts are in the buffer that was opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The payload.
    pub payload: &'a [u8],
    /// The encrypted properties, serialized; empty if there are none.
    pub encrypted: &'a [u8],
}

impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} and {} bytes)", self.payload.len(), self.encrypted.len())
    }
}

/// Why an object is not sealed. The buffer's payload is as it was, [`SealError::Cipher`] aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum SealError {
    /// No epoch to seal with is set.
    #[error("no key to seal with")]
    NoKey,
    /// An object id over 2^32 - 1, which the nonce has no room for.
    #[error("the object id does not fit the nonce")]
    ObjectId,
    /// A location that is not above every one sealed with this key before: its nonce may be used up.
    #[error("the location is not above those sealed before")]
    NotAbove,
    /// An earlier run may have sealed with this key, and nobody said from where on it did not
    /// ([`ObjectKey::sealing_from`](crate::secure_objects::ObjectKey::sealing_from)).
    #[error("the key may have been sealed with before a restart")]
    Restored,
    /// The immutable properties are malformed, or do not hold the Key ID of the key in use.
    #[error("the immutable properties lack the Key ID")]
    KeyId,
    /// The encrypted properties, or the whole object, are too long.
    #[error("the object is too long")]
    TooLong,
    /// The key has protected as much as is safe: a new epoch is needed.
    #[error("the key has reached its limit")]
    Limit,
    /// The cipher failed.
    #[error("the cipher failed")]
    Cipher,
}

/// Why an object is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum OpenError {
    /// No key for this key id, now. It may come: [`WaitQueue`](crate::keys::WaitQueue).
    #[error("no key for key id {0}")]
    UnknownKey(u64),
    /// The key has been used as much as is safe (suites 0x0001 to 0x0003 only).
    #[error("the key has reached its limit")]
    Limit,
    /// Anything else: too short, no Key ID, a wrong tag, or a plaintext that is not one. Drop the object.
    #[error("the object does not open")]
    Rejected,
}

/// Why a key cannot be made.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum KeyError {
    /// The ciphers lack this suite.
    #[error("the ciphers lack suite {0:?}")]
    Unsupported(Suite),
    /// The provider failed.
    #[error(transparent)]
    Provider(#[from] EngineError),
    /// The cipher did not take the key.
    #[error("the cipher refused the key")]
    Cipher(#[from] AeadError),
}
