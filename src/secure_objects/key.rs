//! The key of one (track, epoch), ready to use.

use std::fmt;

use crate::codec::varint;
use crate::keys::TrackBaseKey;
use crate::keys::floor::Floor;
use crate::secure_objects::buffer::ObjectBuffer;
use crate::secure_objects::cipher::{Aead, AeadError, Ciphers, NONCE_LEN};
use crate::secure_objects::object::{KeyError, ObjectHeader, OpenError, Opened, SealError};
use crate::secure_objects::properties;
use crate::secure_objects::suite::Suite;
use crate::tracks::{FullTrackName, Location};

/// How much one key may protect. Settable downwards for tests and for more caution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct KeyLimits {
    /// Most cipher blocks of 16 bytes, one more counted per object: encrypted ones for GCM, both
    /// directions for the CTR suites.
    pub blocks: u64,
}

impl KeyLimits {
    /// 2^34.5 blocks of AES, rounded down: an advantage of 2^-60 (draft-irtf-cfrg-aead-limits section 5.1).
    pub const BLOCKS: u64 = 24_296_003_999;
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self { blocks: Self::BLOCKS }
    }
}

/// The key of one (track, epoch): salt, cipher state, and the count of what it has protected.
///
/// It seals upwards only: a location that is not above every one that it sealed before is refused. Of one track and
/// epoch make one key to seal with, for a second one does not know what the first has sealed.
pub struct ObjectKey {
    suite: Suite,
    key_id: u64,
    /// The salt: what the group id is mixed with, and the object id.
    salt: (u64, u32),
    aead: Box<dyn Aead>,
    property: Vec<u8>,
    limits: KeyLimits,
    blocks: u64,
    floor: Floor,
    aad: AadSpace,
}

impl ObjectKey {
    /// Derives the key of `track` for the epoch of `base`, with default limits.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(
        ciphers: &dyn Ciphers,
        suite: Suite,
        track: &FullTrackName,
        base: &TrackBaseKey,
    ) -> Result<Self, KeyError> {
        Self::with_limits(ciphers, suite, track, base, KeyLimits::default())
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn with_limits(
        ciphers: &dyn Ciphers,
        suite: Suite,
        track: &FullTrackName,
        base: &TrackBaseKey,
        limits: KeyLimits,
    ) -> Result<Self, KeyError> {
        let secret = ciphers.hkdf_extract(suite.digest(), b"", base.key.as_bytes())?;
        let expand = |label: &[u8], len| {
            let (suite_id, key_id) = (suite.value().to_be_bytes(), base.key_id.to_be_bytes());
            let info = [label, &track.to_serialized(), &suite_id, &key_id].concat();
            ciphers.hkdf_expand(suite.digest(), secret.as_bytes(), &info, len)
        };
        let key = expand(b"MOQ 1.0 Secure Objects Secret key ", suite.key_len())?;
        let salt = expand(b"MOQ 1.0 Secret salt ", NONCE_LEN)?;
        let property = properties::key_id_property(base.key_id).ok_or(AeadError)?;
        Ok(Self {
            suite,
            key_id: base.key_id,
            salt: split_salt(salt.as_bytes()).ok_or(AeadError)?,
            aead: ciphers.aead(suite, &key)?.ok_or(KeyError::Unsupported(suite))?,
            aad: AadSpace::new(&property, base.key_id),
            property,
            limits,
            blocks: 0,
            floor: base.floor,
        })
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key id.
    pub fn key_id(&self) -> u64 {
        self.key_id
    }

    /// The Key ID property, serialized: the least that an object's immutable properties hold.
    pub fn key_id_property(&self) -> &[u8] {
        &self.property
    }

    /// Blocks that may still be protected: with few left, a new epoch is due.
    pub fn blocks_left(&self) -> u64 {
        self.limits.blocks.saturating_sub(self.blocks)
    }

    /// Seals nothing below `location` from now on, and from there on though an earlier run may have had this key.
    /// All that such a run sealed on this track must be below.
    /// [`EpochKeyRing::sealing_from`](crate::keys::EpochKeyRing::sealing_from) says who can know.
    pub fn sealing_from(&mut self, location: Location) {
        self.raise(Floor::at(location));
    }

    pub(super) fn raise(&mut self, floor: Floor) {
        self.floor.set(floor);
    }

    pub(super) fn floor(&self) -> Floor {
        self.floor
    }

    /// Seals the payload in `buffer`, with encrypted properties (serialized; none: empty) behind it.
    ///
    /// # Errors
    /// [`SealError`], [`SealError::NoKey`] aside.
    #[inline]
    pub fn seal(
        &mut self,
        header: &ObjectHeader<'_>,
        encrypted: &[u8],
        buffer: &mut ObjectBuffer,
    ) -> Result<(), SealError> {
        let nonce = self.nonce(header).ok_or(SealError::ObjectId)?;
        if !self.aad.set(header, self.key_id) {
            return Err(SealError::KeyId);
        }
        let place = Floor::at(header.location);
        if place < self.floor {
            return Err(self.below());
        }
        if buffer.is_sealed() {
            buffer.clear();
        }
        let blocks = self.count(buffer.len().saturating_add(encrypted.len())).ok_or(SealError::Limit)?;
        let (plaintext, tag) = buffer.frame(encrypted)?;
        let Some(tag) = tag.get_mut(..self.suite.tag_len()) else { return Err(SealError::Cipher) };
        self.blocks = blocks;
        // Whatever comes of it, the nonce is used up.
        self.floor = place.above();
        let sealed = self.aead.seal(&nonce, self.aad.as_slice(), plaintext, tag);
        buffer.cut(self.suite.tag_len());
        sealed.map_err(|_| SealError::Cipher)
    }

    /// Opens `object`, a ciphertext with its tag, in place. On failure its bytes are worth nothing.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::UnknownKey`] aside.
    #[inline]
    pub fn open<'a>(
        &mut self,
        header: &ObjectHeader<'_>,
        object: &'a mut [u8],
    ) -> Result<Opened<'a>, OpenError> {
        if !self.suite.is_gcm() {
            self.blocks = self.count(object.len()).ok_or(OpenError::Limit)?;
        }
        let tag_len = self.suite.tag_len();
        // What is wrong before the tag is seen is opened all the same, with a tag that cannot be right for
        // it: one path, one time, one error.
        let mut right = true;
        let nonce = self.nonce(header).unwrap_or_else(|| {
            right = false;
            [0; NONCE_LEN]
        });
        right &= self.aad.set(header, self.key_id);
        right &= object.len() >= tag_len;
        let short = [0; Suite::MAX_TAG];
        let split = object.len().saturating_sub(tag_len);
        let (text, tag) = object.split_at_mut(split);
        let tag = if tag.len() == tag_len { &*tag } else { short.get(..tag_len).unwrap_or_default() };
        right &= self.aead.open(&nonce, self.aad.as_slice(), text, tag).is_ok();
        if !right {
            object.fill(0);
            return Err(OpenError::Rejected);
        }
        parse(object.get(..split).unwrap_or_default()).ok_or(OpenError::Rejected)
    }

    #[cold]
    fn below(&self) -> SealError {
        if self.floor == Floor::NOWHERE { SealError::Restored } else { SealError::NotAbove }
    }

    /// CTR xor salt; `None` for an object id that does not fit.
    #[inline]
    fn nonce(&self, header: &ObjectHeader<'_>) -> Option<[u8; NONCE_LEN]> {
        let object = u32::try_from(header.location.object_id).ok()?;
        let mut nonce = [0; NONCE_LEN];
        let (group_place, object_place) = nonce.split_first_chunk_mut()?;
        *group_place = (header.location.group_id ^ self.salt.0).to_be_bytes();
        *object_place.first_chunk_mut()? = (object ^ self.salt.1).to_be_bytes();
        Some(nonce)
    }

    /// The count with an object of `len` bytes in it, if that is within the limit.
    #[inline]
    fn count(&self, len: usize) -> Option<u64> {
        let blocks = (len as u64).saturating_add(15) / 16;
        let sum = self.blocks.saturating_add(blocks).saturating_add(1);
        (sum <= self.limits.blocks).then_some(sum)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectKey")
            .field("suite", &self.suite)
            .field("key_id", &self.key_id)
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}

fn split_salt(salt: &[u8]) -> Option<(u64, u32)> {
    let (group, object) = salt.split_first_chunk()?;
    Some((u64::from_be_bytes(*group), u32::from_be_bytes(object.try_into().ok()?)))
}

/// The AAD of one object after another, in the same space.
struct AadSpace {
    /// [`FIXED`](Self::FIXED) bytes, then the immutable properties.
    bytes: Vec<u8>,
    /// True if these properties hold the Key ID.
    named: bool,
}

impl AadSpace {
    /// Group id, object id, priority.
    const FIXED: usize = 8 + 4 + 1;

    fn new(immutable: &[u8], key_id: u64) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.resize(Self::FIXED, 0);
        bytes.extend_from_slice(immutable);
        Self { bytes, named: properties::key_id(immutable) == Some(key_id) }
    }

    /// The AAD of the object of `header`; true if its properties hold `key_id`, the same at every call.
    #[inline]
    fn set(&mut self, header: &ObjectHeader<'_>, key_id: u64) -> bool {
        // Most objects of a track have the properties of the one before.
        let (_, before) = self.bytes.split_at_checked(Self::FIXED).unwrap_or_default();
        if !same(before, header.immutable) {
            self.bytes.truncate(Self::FIXED);
            self.bytes.extend_from_slice(header.immutable);
            self.named = properties::key_id(header.immutable) == Some(key_id);
        }
        if let Some(fixed) = self.bytes.first_chunk_mut::<{ Self::FIXED }>() {
            let [group @ .., _, _, _, _, _] = fixed;
            *group = header.location.group_id.to_be_bytes();
            let [_, _, _, _, _, _, _, _, object @ .., priority] = fixed;
            // Over 2^32 - 1 nothing is ever accepted.
            *object = (header.location.object_id as u32).to_be_bytes();
            *priority = header.priority;
        }
        self.named
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

/// Equality that needs no call for 4 to 8 bytes, as the Key ID property has up to key id 2^30.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() || !(4..=8).contains(&a.len()) {
        return a == b;
    }
    a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk()
}

#[inline]
fn parse(plaintext: &[u8]) -> Option<Opened<'_>> {
    let mut rest = plaintext;
    let len = usize::try_from(varint::decode(&mut rest).ok()?).ok()?;
    let (payload, mut rest) = rest.split_at_checked(len)?;
    let mut encrypted: &[u8] = &[];
    if !rest.is_empty() {
        let (kind, list) = properties::read(&mut rest)?;
        if kind != properties::ENCRYPTED_LIST || !rest.is_empty() {
            return None;
        }
        encrypted = list;
    }
    Some(Opened { payload, encrypted })
}
