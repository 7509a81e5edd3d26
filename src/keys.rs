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

use crate::Secret;
use crate::engine::Engine;
use crate::error::{Error, Misuse};
use crate::participant::Participant;
use crate::tracks::FullTrackName;

/// The exporter label.
pub const EXPORTER_LABEL: &[u8] = b"moq-mls secure objects";

/// The key that a media layer derives a track's object keys from, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackBaseKey {
    /// The KID to send with each object: the MLS epoch.
    pub key_id: u64,
    /// Nh bytes of the group's cipher suite.
    pub key: Secret,
}

impl<E: Engine> Participant<E> {
    /// `track_base_key` of a track in the current epoch: the same for all members, and nobody else's.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn track_base_key(&self, track: &FullTrackName) -> Result<TrackBaseKey, Error> {
        let key_id = self.epoch().ok_or(Misuse::NotAMember)?;
        let engine = self.engine();
        let len = engine.hash_len();
        let master = self.export_secret(EXPORTER_LABEL, self.config().group.as_bytes(), len)?;
        let salt = [b"SecureObject Epoch Master Key ", &key_id.to_be_bytes()[..]].concat();
        let epoch_secret = engine.hkdf_extract(&salt, master.as_bytes())?;
        let info = [b"SecureObject Track Base Key ", &track.to_serialized()[..]].concat();
        let key = engine.hkdf_expand(epoch_secret.as_bytes(), &info, len)?;
        Ok(TrackBaseKey { key_id, key })
    }
}
