//! From the epoch to a media key (draft section 8, a TODO there; filled from its published -00 text).
//!
//! ```text
//! MLS master key = MLS-Exporter("moq-mls secure objects", group name, Nh)
//! epoch secret   = HKDF-Extract(salt = "SecureObject Epoch Master Key " | epoch, ikm = MLS master key)
//! track_base_key = HKDF-Expand(epoch secret, "SecureObject Track Base Key " | full track name, Nh)
//! ```
//!
//! One key for all tracks of a namespace, which no text names, is made in the same manner, and is ours:
//!
//! ```text
//! namespace_base_key = HKDF-Expand(epoch secret, "SecureObject Namespace Base Key " | namespace, Nh)
//! ```
//!
//! The -00 text leaves four things open, fixed here. The master key is an exporter secret, the epoch is 8 bytes
//! big-endian, and the full track name is [`FullTrackName::to_serialized`]. Every length is the hash length Nh of
//! the group's cipher suite. A namespace is what a full track name begins with. The key id (KID) is the epoch; in
//! a successor, with the group's epoch base added.
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
//!     // Within Timers::epoch_secrets: then the secret of an epoch that was passed is erased.
//!     ring.on_notice(now, notice, |epoch| participant.epoch_keys(epoch))?;
//!     while let Some(notice) = ring.poll_notice() {
//!         match notice {
//!             RingNotice::EpochReady { epoch } => { /* derive the keys of each track; open what waited */ }
//!             RingNotice::SendWith { epoch, .. } => { /* seal with them from here on */ }
//!             RingNotice::Silent { .. } => { /* seal nothing until the next SendWith */ }
//!             RingNotice::Forgotten { epoch, .. } => { /* drop the keys of each track */ }
//!             _ => {}
//!         }
//!     }
//!     // Then sleep until ring.poll_timeout() at most, and call ring.handle_timeout(now).
//!     Ok(())
//! }
//! ```
//!
//! Every object that opens says something of its sender: `ring.seen(now, sender, epoch)`. Every object under a key id
//! that the ring does not hold is a sign: `ring.unopened(now, key_id)`. Pass what [`EpochKeyRing::poll_sign`] then
//! gives to the participant. While media opens, it asks the counter six times less often; and when the group went on
//! without it, it asks at once.
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
//! **Nothing is sealed after it with a key that may have been sealed with before it**, for what was sealed where is
//! forgotten. The rule is about runs, not about files, so it holds as well if the state was put back to an older
//! copy. An [`EpochSecret`] seals ([`EpochSecret::may_seal`]) if no earlier run of this participant can have had it.
//! That begins with an epoch that this run had a part in: it built the commit, or it made the KeyPackage that it
//! joined by. What others commit proves nothing, for it may be as old as the state. There are two ways on:
//!
//! - Ask for a new epoch by [`Command::Update`], if it is a member. The ring is silent ([`Silence::Restored`]) until
//!   that commit won, about as long as a commit takes, and opens meanwhile. A commit that the state held may win
//!   first and take the intent along: ask again at each [`Notice::Epoch`] for as long as the ring is silent.
//! - Say from where on nothing was sealed: [`EpochKeyRing::sealing_from`], or
//!   [`SecureTrack::sealing_from`](crate::secure_objects::SecureTrack::sealing_from) for one track. Then there is no
//!   gap, but what says so must be newer than any state. Group ids that are times are; a file that is put back along
//!   with the state is not. A process that restores its participant and lived on itself knows it anyway.
//!
//! # Behind
//!
//! A member that is notified that the group went on without it ([`Notice::Rejoining`], [`Notice::FaultyCommit`],
//! [`Notice::JoinStalled`]) does not know who was removed since. It seals for [`RingConfig::stale_after`] more, as it
//! may be back soon, and then falls silent ([`Silence::Behind`]) until the next epoch. It opens all the while.
//!
//! [`FullTrackName::to_serialized`]: crate::tracks::FullTrackName::to_serialized
//! [`Notice::Epoch`]: crate::Notice::Epoch
//! [`Notice::Rejoining`]: crate::Notice::Rejoining
//! [`Notice::FaultyCommit`]: crate::Notice::FaultyCommit
//! [`Notice::JoinStalled`]: crate::Notice::JoinStalled
//! [`Command::Update`]: crate::Command::Update
//! [`Participant::epoch_keys`]: crate::Participant::epoch_keys
//! [`Participant::all_epoch_keys`]: crate::Participant::all_epoch_keys
//! [`Participant::restore`]: crate::Participant::restore
//! [`Participant::epoch_secrets`]: crate::Participant::epoch_secrets

mod base64;
pub(crate) mod floor;
mod hearing;
mod ring;
mod ring_config;
mod saved;
mod secret;
mod signs;
mod silence;
mod wait_queue;

pub use self::ring::EpochKeyRing;
pub use self::ring_config::{ForgetReason, RingConfig, RingNotice, Silence, SwitchReason};
pub use self::secret::{
    EPOCH_SALT, EXPORTER_LABEL, EpochKeys, EpochSecret, NAMESPACE_INFO, TRACK_INFO, TrackBaseKey,
};
pub use self::wait_queue::{WaitQueue, WaitQueueLimits, Waiting};
pub use crate::engine::Kdf;
