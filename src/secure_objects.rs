//! MoQ Secure Objects: one object sealed and opened in place (draft-ietf-moq-secure-objects, *the spec* here).
//!
//! A [`SecureTrack`] holds what follows from each epoch's [`TrackBaseKey`](crate::keys::TrackBaseKey) for one
//! track: key, salt and the cipher's own state, made once per (track, epoch). Per object nothing is derived
//! and nothing allocated but by the cipher ([`Aead`]). The [`EpochKeyRing`](crate::keys::EpochKeyRing)
//! decides which epochs it holds and which one it seals with.
//!
//! ```text
//! moq_secret = HKDF-Extract("", track_base_key)
//! moq_key    = HKDF-Expand(moq_secret, "MOQ 1.0 Secure Objects Secret key " | full track name | suite | key id, Nk)
//! moq_salt   = HKDF-Expand(moq_secret, "MOQ 1.0 Secret salt " | full track name | suite | key id, Nn)
//! nonce      = (group id, 8 bytes | object id, 4 bytes) xor moq_salt
//! AAD        = group id, 8 bytes | object id, 4 bytes | publisher priority | immutable properties
//! plaintext  = varint(payload length) | payload | encrypted properties, if any
//! ```
//!
//! **A location must be sealed once only per epoch.** Two objects under one key and nonce give the key
//! stream away, and with GCM the power to forge. So an [`ObjectKey`] seals upwards only
//! ([`SealError::NotAbove`]). One that an earlier run may have sealed with seals not at all
//! ([`SealError::Restored`]), unless the embedder states from where on; [`keys`](crate::keys) says how a
//! restart goes. Two things are left to the embedder: one key only is made to seal with for each track and
//! epoch, and two publishers of one track do not share locations.
//!
//! In suites 0x0001 to 0x0003 the text and its published vectors have different tags ([`CtrTag`]): the text's unless
//! the other is chosen by name.
//!
//! Members share each key: an object that opens comes from a member of that epoch, no more.

mod buffer;
mod cipher;
mod key;
mod object;
pub mod properties;
mod suite;
mod track;

#[cfg(feature = "aws-lc")]
pub mod aws_lc;

pub use self::buffer::ObjectBuffer;
pub use self::cipher::{Aead, AeadError, Ciphers, NONCE_LEN};
pub use self::key::{KeyLimits, ObjectKey};
pub use self::object::{KeyError, ObjectHeader, OpenError, Opened, SealError};
pub use self::suite::{CtrTag, Digest, Suite};
pub use self::track::SecureTrack;
