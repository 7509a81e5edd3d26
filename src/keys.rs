//! From the epoch to a media key (draft section 8, a TODO there; filled from its published -00 text).
//!
//! ```text
//! MLS master key = MLS-Exporter("moq-mls secure objects", group name, Nh)
//! epoch secret   = HKDF-Extract(salt = "SecureObject Epoch Master Key " | epoch, ikm = MLS master key)
//! track_base_key = HKDF-Expand(epoch secret, "SecureObject Track Base Key " | full track name, Nh)
//! ```
//!
//! The -00 text leaves four things open, fixed here: the master key is an exporter secret, the epoch is
//! 8 bytes big-endian, the full track name is [`FullTrackName::to_serialized`], and every length is the
//! hash length Nh of the group's cipher suite. The key id (KID) is the epoch.
//!
//! # Wiring
//!
//! [`Participant::epoch_secret`] is pulled once per epoch, when [`Notice::Epoch`] is polled, and handed to
//! an [`EpochKeyRing`], which says what to open and to seal with. From then on no participant is needed:
//!
//! ```
//! # use moq_mls::{Participant, Notice, Timestamp, Error};
//! # use moq_mls::engine::Engine;
//! # use moq_mls::keys::{EpochKeyRing, RingNotice};
//! fn on_notice<E: Engine>(
//!     participant: &Participant<E>,
//!     ring: &mut EpochKeyRing,
//!     now: Timestamp,
//!     notice: &Notice,
//! ) -> Result<(), Error> {
//!     // Before anything else is polled: an epoch that was passed at once is given only now.
//!     ring.on_notice(now, participant, notice)?;
//!     while let Some(notice) = ring.poll_notice() {
//!         match notice {
//!             RingNotice::EpochReady { epoch } => { /* derive the keys of each track; open what waited */ }
//!             RingNotice::SendWith { epoch, .. } => { /* seal with them from here on */ }
//!             RingNotice::Forgotten { epoch, .. } => { /* drop the keys of each track */ }
//!             _ => {}
//!         }
//!     }
//!     // Then sleep until ring.poll_timeout() at most, and call ring.handle_timeout(now).
//!     Ok(())
//! }
//! ```
//!
//! Every object that opens is a word on its sender: `ring.seen(now, sender, epoch)`.
//!
//! # Restart
//!
//! A participant restored from a snapshot gives no notice of its epoch. Store [`EpochKeyRing::save`] whenever
//! ring notices were polled; after [`Participant::restore`], call [`EpochKeyRing::restore`] with it and then
//! [`EpochKeyRing::on_restore`]. Then whatever the ring could
//! open before, it opens still, epochs included that were passed between the last store and the death: a
//! snapshot carries the secrets whose notice was not polled. Deadlines run on, over the time it was down.
//!
//! Without a stored ring, only the secrets of [`Participant::epoch_secrets`] open: objects that others still
//! seal with an older epoch, up to [`RingConfig::switch_after`] and [`RingConfig::coalesce`] after the newer
//! one reached them, are lost. What waited in a [`WaitQueue`] is lost either way.
//!
//! [`Notice::Epoch`]: crate::Notice::Epoch

mod base64;
mod ring;
mod saved;
mod wait_queue;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[cfg(feature = "testing")]
pub(crate) use self::ring::members_in;
pub use self::ring::{EpochKeyRing, ForgetReason, RingConfig, RingNotice, SwitchReason};
pub use self::wait_queue::{WaitQueue, WaitQueueLimits, Waiting};
use crate::Secret;
use crate::engine::{Engine, EngineError};
use crate::error::{Error, Misuse};
use crate::participant::Participant;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::FullTrackName;

/// The exporter label.
pub const EXPORTER_LABEL: &[u8] = b"moq-mls secure objects";
/// What goes before the epoch in the salt of the epoch secret (-00 text, section 8).
pub const EPOCH_SALT: &[u8] = b"SecureObject Epoch Master Key ";
/// What goes before the full track name in the info of `track_base_key` (-00 text, section 8).
pub const TRACK_INFO: &[u8] = b"SecureObject Track Base Key ";

/// HKDF (RFC 5869) with the hash of a group's cipher suite.
pub trait Kdf: Send + Sync {
    /// HKDF-Extract.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError>;

    /// HKDF-Expand to `len` bytes.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError>;

    /// Nh: the output length of the hash, bytes.
    fn hash_len(&self) -> usize;
}

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
        let secret = Secret::new(from.bytes()?.to_vec());
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

impl<E: Engine> Participant<E> {
    /// The secret of an epoch: of the current one at any time, and of one that was passed since until the
    /// [`Notice::Epoch`](crate::Notice::Epoch) after its own is polled.
    ///
    /// A member that catches up passes several epochs in one call, while others may still send with any
    /// of them.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], [`Misuse::EpochGone`] for any other epoch, or a failure of the provider.
    pub fn epoch_secret(&self, epoch: u64) -> Result<EpochSecret, Error> {
        if let Some(passed) = self.passed_epochs().find(|secret| secret.epoch == epoch) {
            return Ok(passed.clone());
        }
        let current = self.epoch().ok_or(Misuse::NotAMember)?;
        if current != epoch {
            return Err(Misuse::EpochGone.into());
        }
        let kdf = self.engine().kdf();
        let group = self.config().group.as_bytes();
        let master = self.export_secret(EXPORTER_LABEL, group, kdf.hash_len())?;
        Ok(EpochSecret::from_master(kdf, epoch, &master)?)
    }

    /// Every secret that [`epoch_secret`](Self::epoch_secret) gives now, oldest first; none for one that is
    /// no member. After [`restore`](Self::restore), which gives no notice of an epoch, this is what a key ring
    /// may lack.
    ///
    /// # Errors
    /// A failure of the provider.
    pub fn epoch_secrets(&self) -> Result<Vec<EpochSecret>, Error> {
        let Some(current) = self.epoch() else { return Ok(Vec::new()) };
        let mut secrets: Vec<EpochSecret> =
            self.passed_epochs().filter(|secret| secret.epoch != current).cloned().collect();
        secrets.push(self.epoch_secret(current)?);
        Ok(secrets)
    }

    /// `track_base_key` of a track in the current epoch: the same for all members, and nobody else's.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn track_base_key(&self, track: &FullTrackName) -> Result<TrackBaseKey, Error> {
        let epoch = self.epoch().ok_or(Misuse::NotAMember)?;
        Ok(self.epoch_secret(epoch)?.track_base_key(track)?)
    }
}
