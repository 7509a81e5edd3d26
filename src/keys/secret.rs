//! The secret of an epoch, and what follows from it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::engine::{EngineError, Kdf};
use crate::keys::base64;
use crate::keys::floor::Floor;
use crate::secret::Secret;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::{FullTrackName, SenderId, TrackNamespace};

/// The exporter label.
pub const EXPORTER_LABEL: &[u8] = b"moq-mls secure objects";
/// What goes before the epoch in the salt of the epoch secret (-00 text, section 8).
pub const EPOCH_SALT: &[u8] = b"SecureObject Epoch Master Key ";
/// What goes before the full track name in the info of `track_base_key` (-00 text, section 8).
pub const TRACK_INFO: &[u8] = b"SecureObject Track Base Key ";
/// What goes before the namespace in the info of a namespace's base key: ours, in the manner of the other.
pub const NAMESPACE_INFO: &[u8] = b"SecureObject Namespace Base Key ";

/// The secret of one epoch that all track keys of it follow from. Nh bytes, redacted in `Debug`,
/// overwritten when dropped.
///
/// It also knows from which location on its keys may seal, which makes no difference to `==`: nowhere, if an
/// earlier run of this participant may have sealed with them ([the module](crate::keys) says when).
#[derive(Clone)]
pub struct EpochSecret {
    epoch: u64,
    secret: Secret,
    kdf: Arc<dyn Kdf>,
    floor: Floor,
}

impl EpochSecret {
    /// The secret of `epoch` from the MLS master key, which is [`EXPORTER_LABEL`]'s exporter secret.
    ///
    /// # Errors
    /// Any failure of the provider.
    pub fn from_master(kdf: Arc<dyn Kdf>, epoch: u64, master: &Secret) -> Result<Self, EngineError> {
        let salt = [EPOCH_SALT, &epoch.to_be_bytes()].concat();
        let secret = kdf.extract(&salt, master.as_bytes())?;
        Ok(Self { epoch, secret, kdf, floor: Floor::START })
    }

    /// Marks it as one that an earlier run may have sealed with, at locations that nobody remembers.
    #[must_use]
    pub(crate) fn resumed(mut self) -> Self {
        self.floor = Floor::NOWHERE;
        self
    }

    /// Lets its keys seal from here on, though an earlier run may have sealed with them below.
    pub(crate) fn set_floor(&mut self, from: Floor) {
        self.floor.set(from);
    }

    /// Returns whether its keys may seal: not if an earlier run may have sealed with them, at locations that
    /// nobody remembers. They open in any case.
    pub fn may_seal(&self) -> bool {
        self.floor != Floor::NOWHERE
    }

    /// Reads one that was [`write`](Self::write)n: by an earlier run, which may have sealed with it since.
    pub(crate) fn read(from: &mut Reader, kdf: &Arc<dyn Kdf>) -> Result<Self, SnapshotError> {
        let epoch = from.u64()?;
        let secret = from.secret()?;
        if secret.len() != kdf.hash_len() {
            return Err(SnapshotError::Malformed);
        }
        Ok(Self { epoch, secret, kdf: Arc::clone(kdf), floor: Floor::NOWHERE })
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u64(self.epoch);
        out.bytes(self.as_bytes());
    }

    /// The epoch, which is the key id of every track key made from it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The bytes, for the one who needs them.
    pub fn as_bytes(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// `track_base_key` of a track in this epoch: the same for all members, and nobody else's.
    ///
    /// # Errors
    /// Any failure of the provider.
    pub fn track_base_key(&self, track: &FullTrackName) -> Result<TrackBaseKey, EngineError> {
        self.base_key(TRACK_INFO, &track.to_serialized())
    }

    /// Derives one base key for all tracks of a namespace in this epoch, with [`NAMESPACE_INFO`] and
    /// [`TrackNamespace::to_serialized`].
    ///
    /// A Key ID is scoped to its namespace, so that peers may expect its tracks to share what it names. The keys
    /// of two tracks differ all the same, for the full track name goes into each.
    ///
    /// # Errors
    /// Any failure of the provider.
    pub fn namespace_base_key(&self, namespace: &TrackNamespace) -> Result<TrackBaseKey, EngineError> {
        self.base_key(NAMESPACE_INFO, &namespace.to_serialized())
    }

    fn base_key(&self, label: &[u8], name: &[u8]) -> Result<TrackBaseKey, EngineError> {
        let key = self.kdf.expand(self.secret.as_bytes(), &[label, name].concat(), self.kdf.hash_len())?;
        Ok(TrackBaseKey { key_id: self.epoch, key, floor: self.floor })
    }
}

impl PartialEq for EpochSecret {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.secret == other.secret
    }
}

impl Eq for EpochSecret {}

impl Hash for EpochSecret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.hash(state);
        self.secret.hash(state);
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochSecret({}, {} bytes)", self.epoch, self.secret.len())
    }
}

/// What a key ring needs of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EpochKeys {
    /// The epoch's secret.
    pub secret: EpochSecret,
    /// The epoch's members. None where they are not known: of an epoch that was passed at once.
    pub members: Vec<SenderId>,
}

/// The key that a media layer derives a track's object keys from, in one epoch: of that track
/// ([`EpochSecret::track_base_key`]) or of its namespace ([`EpochSecret::namespace_base_key`]).
///
/// As its epoch's secret does, it knows from where on it may seal, which makes no difference to `==`.
#[derive(Clone)]
pub struct TrackBaseKey {
    /// The KID to send with each object: the MLS epoch, with the group's epoch base added.
    pub key_id: u64,
    /// Nh bytes of the group's cipher suite.
    pub key: Secret,
    pub(crate) floor: Floor,
}

impl TrackBaseKey {
    /// Takes a key from elsewhere, which has sealed nothing yet.
    pub fn new(key_id: u64, key: Secret) -> Self {
        Self { key_id, key, floor: Floor::START }
    }

    /// The key as MSF catalogs carry keys, next to the [`key_id`](Self::key_id): base64 with padding
    /// (RFC 4648 section 4).
    pub fn to_base64(&self) -> Secret {
        Secret::new(base64::encode(self.key.as_bytes()))
    }
}

impl PartialEq for TrackBaseKey {
    fn eq(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.key == other.key
    }
}

impl Eq for TrackBaseKey {}

impl Hash for TrackBaseKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key_id.hash(state);
        self.key.hash(state);
    }
}

impl fmt::Debug for TrackBaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackBaseKey").field("key_id", &self.key_id).field("key", &self.key).finish()
    }
}
