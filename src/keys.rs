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
//! [`Participant::epoch_keys`] is pulled once per epoch, when [`Notice::Epoch`] is polled, and handed to
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
//!     ring.on_notice(now, notice, |epoch| participant.epoch_keys(epoch))?;
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
//! [`EpochKeyRing::on_restore`] with [`Participant::all_epoch_keys`]. Then whatever the ring could
//! open before, it opens still, epochs included that were passed between the last store and the death: a
//! snapshot carries the secrets whose notice was not polled. Deadlines run on, over the time it was down.
//!
//! Without a stored ring, only the secrets of [`Participant::epoch_secrets`] open: objects that others still
//! seal with an older epoch, up to [`RingConfig::switch_after`] and [`RingConfig::coalesce`] after the newer
//! one reached them, are lost. What waited in a [`WaitQueue`] is lost either way.
//!
//! [`FullTrackName::to_serialized`]: crate::tracks::FullTrackName::to_serialized
//! [`Notice::Epoch`]: crate::Notice::Epoch
//! [`Participant::epoch_keys`]: crate::Participant::epoch_keys
//! [`Participant::all_epoch_keys`]: crate::Participant::all_epoch_keys
//! [`Participant::restore`]: crate::Participant::restore
//! [`Participant::epoch_secrets`]: crate::Participant::epoch_secrets

mod base64;
mod ring;
mod ring_config;
mod saved;
mod secret;
mod wait_queue;

pub use self::ring::EpochKeyRing;
pub use self::ring_config::{ForgetReason, RingConfig, RingNotice, SwitchReason};
pub use self::secret::{EPOCH_SALT, EXPORTER_LABEL, EpochKeys, EpochSecret, TRACK_INFO, TrackBaseKey};
pub use self::wait_queue::{WaitQueue, WaitQueueLimits, Waiting};
pub use crate::engine::Kdf;
