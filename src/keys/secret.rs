//! The secret of an epoch, and what follows from it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::engine::{EngineError, Kdf};
use crate::keys::base64;
use crate::secret::Secret;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::{FullTrackName, SenderId};

/// The exporter label.
pub const EXPORTER_LABEL: &[u8] = b"moq-mls secure objects";
/// What goes before the epoch in the salt of the epoch secret (-00 text, section 8).
pub const EPOCH_SALT: &[u8] = b"SecureObject Epoch Master Key ";
/// What goes before the full track name in the info of `track_base_key` (-00 text, section 8).
pub const TRACK_INFO: &[u8] = b"SecureObject Track Base Key ";

/// The secret of one epoch that all track keys of it follow from. Nh bytes, redacted in `Debug`,
/// overwritten when dropped.
#[derive(Clone)]
pub struct EpochSecret {
    epoch: u64,
    secret: Secret,
    kdf: Arc<dyn Kdf>,
}

impl EpochSecret {
    /// The secret of `epoch` from the MLS master key, which is [`EXPORTER_LABEL`]'s exporter secret.
    ///
    /// # Errors
    /// Any failure of the provider.
    pub fn from_master(kdf: Arc<dyn Kdf>, epoch: u64, master: &Secret) -> Result<Self, EngineError> {
        let salt = [EPOCH_SALT, &epoch.to_be_bytes()].concat();
        let secret = kdf.extract(&salt, master.as_bytes())?;
        Ok(Self { epoch, secret, kdf })
    }

    /// Reads one that was [`write`](Self::write)n.
    pub(crate) fn read(from: &mut Reader, kdf: &Arc<dyn Kdf>) -> Result<Self, SnapshotError> {
        let epoch = from.u64()?;
        let secret = from.secret()?;
        if secret.len() != kdf.hash_len() {
            return Err(SnapshotError::Malformed);
        }
        Ok(Self { epoch, secret, kdf: Arc::clone(kdf) })
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
        let info = [TRACK_INFO, &track.to_serialized()].concat();
        let key = self.kdf.expand(self.secret.as_bytes(), &info, self.kdf.hash_len())?;
        Ok(TrackBaseKey { key_id: self.epoch, key })
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

/// The key that a media layer derives a track's object keys from, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackBaseKey {
    /// The KID to send with each object: the MLS epoch.
    pub key_id: u64,
    /// Nh bytes of the group's cipher suite.
    pub key: Secret,
}

impl TrackBaseKey {
    /// The key as MSF catalogs carry keys, next to the [`key_id`](Self::key_id): base64 with padding
    /// (RFC 4648 section 4).
    pub fn to_base64(&self) -> Secret {
        Secret::new(base64::encode(self.key.as_bytes()))
    }
}
