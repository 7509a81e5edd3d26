//! A participant of one group, with its media.

use std::sync::Arc;

use bytes::Bytes;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::keys::EpochKeyRing;
use moq_mls::secure_objects::Ciphers;
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::{FullTrackName, Location};
use moq_mls::{Action as CoreAction, Participant as Core, Secret, Timestamp};

use crate::action::Action;
use crate::codes::Phase;
use crate::config::Config;
use crate::engine::Machine;
use crate::error::Error;
use crate::event::Event;
use crate::identity::Identity;
use crate::media::{Media, ObjectPlace, OpenedObject};
use crate::values::{Credential, TrackName, sender_bytes, to_sender};

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its leaf.
    pub leaf_index: u32,
    /// The fingerprint of its signature key.
    pub sender: Bytes,
    /// Its credential.
    pub credential: Credential,
}

/// A participant of one group: events in, actions out, and the keys of its media.
///
/// [`handle`](Self::handle) takes what happened; [`poll`](Self::poll) returns what to do, in order;
/// [`deadline`](Self::deadline) says when the event `Timer` is due. Times are milliseconds since the Unix epoch. The
/// key ring follows the participant by itself.
pub struct Participant {
    machine: Box<dyn Machine>,
    media: Media,
    /// A notice whose keys could not be derived at once.
    held: Option<Action>,
    now: Timestamp,
}

fn ciphers() -> Result<Arc<dyn Ciphers + Send + Sync>, Error> {
    #[cfg(feature = "aws-lc")]
    let ciphers = moq_mls::secure_objects::aws_lc::AwsLc::default();
    #[cfg(not(feature = "aws-lc"))]
    let ciphers = moq_mls::mls::MlsCiphers::new(&RustCryptoProvider::default())?;
    Ok(Arc::new(ciphers))
}

impl Participant {
    /// Makes a participant that has not begun: give it the event `Join`.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::TooLarge`] or a service key that is none, of the configuration; a failed engine.
    pub fn new(identity: &Identity, config: &Config, now_ms: u64) -> Result<Self, Error> {
        let now = Timestamp::from_millis(now_ms);
        Self::over(Core::new(identity.engine()?, config.core()?, now)?, config, None, now)
    }

    /// Goes on after a restart, with the last snapshot that became durable. `keys` is what
    /// [`save_keys`](Self::save_keys) returned last; without it, epochs that were passed do not open any more.
    ///
    /// Nothing is sealed until a newer epoch came, or until [`sealing_from`](Self::sealing_from) was called.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for bytes that cannot be restored.
    pub fn restore(
        identity: &Identity,
        config: &Config,
        snapshot: &[u8],
        keys: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<Self, Error> {
        let now = Timestamp::from_millis(now_ms);
        let snapshot = Snapshot::from_bytes(snapshot.to_vec());
        let core = Core::restore(identity.engine()?, config.core()?, &snapshot, now)?;
        Self::over(core, config, Some(keys), now)
    }

    /// Puts the key ring beside a participant. `restored` is there if it was restored.
    pub(crate) fn over(
        machine: impl Machine + 'static,
        config: &Config,
        restored: Option<Option<&[u8]>>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let ring_config: moq_mls::keys::RingConfig = config.keys.try_into()?;
        let me = machine.sender_id().clone();
        let ring = match restored.flatten() {
            Some(saved) => {
                let saved = Secret::new(saved.to_vec());
                EpochKeyRing::restore(ring_config, me, machine.kdf(), &saved, now)?
            }
            None => EpochKeyRing::new(ring_config, me),
        };
        let mut media = Media::new(ring, ciphers()?);
        if restored.is_some() {
            media.on_restore(now, machine.all_epoch_keys())?;
        }
        Ok(Self { machine: Box::new(machine), media, held: None, now })
    }

    /// Takes in what happened at `now_ms`.
    ///
    /// # Errors
    /// Names and lengths in the event that are not allowed; then nothing has changed. Those of the core's
    /// `Participant::handle`: after a failed engine, restore the last snapshot.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Result<(), Error> {
        let event = event.try_into()?;
        self.now = Timestamp::from_millis(now_ms);
        self.machine.handle(self.now, event)?;
        self.media.handle_timeout(self.now)
    }

    /// Returns the next thing to do; `None` if there is none for now.
    ///
    /// # Errors
    /// A failure of the crypto provider while the media keys of an epoch were derived. The next call returns the
    /// notice all the same.
    pub fn poll(&mut self) -> Result<Option<Action>, Error> {
        if let Some(action) = self.held.take() {
            return Ok(Some(action));
        }
        if let Some(notice) = self.media.poll_notice() {
            return Ok(Some(Action::Keys(notice)));
        }
        let Some(action) = self.machine.poll_action() else { return Ok(None) };
        let CoreAction::Notify(notice) = &action else { return Ok(Some(action.into())) };
        let machine = &self.machine;
        let done = self.media.on_notice(self.now, notice, |epoch| machine.epoch_keys(epoch));
        match done {
            Ok(()) => Ok(Some(action.into())),
            Err(error) => {
                self.held = Some(action.into());
                Err(error)
            }
        }
    }

    /// Returns when the event `Timer` is due if nothing happens before; `None` for never.
    pub fn deadline(&self) -> Option<u64> {
        let ring = self.media.ring().poll_timeout();
        self.machine.poll_timeout().into_iter().chain(ring).min().map(Timestamp::as_millis)
    }

    /// Returns the durable state as it is now. `Persist` brings it whenever it must be stored.
    ///
    /// # Errors
    /// After the engine failed: the last snapshot is the one to go on from.
    pub fn snapshot(&self) -> Result<Bytes, Error> {
        Ok(self.machine.snapshot()?.to_bytes())
    }

    /// Returns the media keys, to be stored as a snapshot is whenever the action `Keys` came.
    pub fn save_keys(&self) -> Secret {
        self.media.ring().save()
    }

    /// Returns the own SenderId: the fingerprint of the signature key.
    pub fn sender_id(&self) -> Bytes {
        sender_bytes(self.machine.sender_id())
    }

    /// Returns the phase that this participant is in.
    pub fn phase(&self) -> Phase {
        self.machine.status().phase.into()
    }

    /// Returns the epoch, while a member.
    pub fn epoch(&self) -> Option<u64> {
        self.machine.status().epoch
    }

    /// Says in a sentence where this participant is, and what it waits for.
    pub fn status(&self) -> String {
        self.machine.status().to_string()
    }

    /// Returns the members by leaf; none unless this participant is one.
    pub fn members(&self) -> Vec<Member> {
        let flat = |core: moq_mls::engine::Member| Member {
            leaf_index: core.leaf_index,
            sender: sender_bytes(&core.sender),
            credential: core.credential.into(),
        };
        self.machine.members().into_iter().map(flat).collect()
    }

    /// Returns SHA-256 of the GroupContext, while a member: equal for all members of an epoch.
    pub fn context_hash(&self) -> Option<[u8; 32]> {
        self.machine.context_hash()
    }

    /// Returns the epoch authenticator (RFC 9420 section 8.7).
    ///
    /// # Errors
    /// Unless a member, or by a failure of the provider.
    pub fn epoch_authenticator(&self) -> Result<Bytes, Error> {
        Ok(self.machine.epoch_authenticator()?)
    }

    /// Returns an exporter secret of the present epoch (RFC 9420 section 8.5), `len` bytes, at most 8,160.
    ///
    /// # Errors
    /// Unless a member; for more bytes; by a failure of the provider.
    pub fn export_secret(&self, label: &[u8], context: &[u8], len: usize) -> Result<Secret, Error> {
        // HKDF with SHA-256 makes no more (RFC 5869 section 2.3).
        const MOST: usize = 255 * 32;
        if len > MOST {
            return Err(Error::TooLarge { what: "the length of a secret", value: len as u64 });
        }
        Ok(self.machine.export_secret(label, context, len)?)
    }

    /// Returns the base key of a track in an epoch, for media that is not sealed here.
    ///
    /// # Errors
    /// Unless a member; for an epoch that is over or has not begun; by a failure of the provider.
    pub fn track_key(&self, epoch: u64, track: TrackName) -> Result<Secret, Error> {
        let track: FullTrackName = track.try_into()?;
        let secret = self.machine.epoch_secret(epoch)?;
        Ok(secret.track_base_key(&track)?.key)
    }

    /// Adds a media track and returns its number. `suite` is a Secure Objects cipher suite: 4, and with the feature
    /// `aws-lc` 1 to 5. With `by_namespace`, its keys come from the base key of its namespace. A track that is there
    /// already, or was, keeps its number and seals on above what it sealed.
    ///
    /// # Errors
    /// [`Error::UnknownCode`], [`Error::Unsupported`], [`Error::Key`] or [`Error::Name`].
    pub fn add_track(&mut self, suite: u16, track: TrackName, by_namespace: bool) -> Result<u32, Error> {
        self.media.add_track(suite, track.try_into()?, by_namespace)
    }

    /// Removes a media track, and erases its keys.
    ///
    /// # Errors
    /// [`Error::NoSuchTrack`].
    pub fn remove_track(&mut self, track: u32) -> Result<(), Error> {
        self.media.remove_track(track)
    }

    /// Returns the Key ID property that the next sealed object must have, for callers with immutable properties of
    /// their own; `None` while nothing is sealed.
    ///
    /// # Errors
    /// [`Error::NoSuchTrack`].
    pub fn key_id_property(&self, track: u32) -> Result<Option<&[u8]>, Error> {
        self.media.key_id_property(track)
    }

    /// Seals an object, and returns its immutable properties and the sealed bytes, both to be sent.
    ///
    /// `immutable` is `None` for the Key ID alone. `encrypted` is the serialized list of encrypted properties, or
    /// empty. A place is sealed once only.
    ///
    /// # Errors
    /// [`Error::NoSuchTrack`] or [`Error::Seal`].
    pub fn seal(
        &mut self,
        track: u32,
        place: ObjectPlace,
        immutable: Option<&[u8]>,
        payload: &[u8],
        encrypted: &[u8],
    ) -> Result<(&[u8], &[u8]), Error> {
        self.media.seal(track, place, immutable, payload, encrypted)
    }

    /// Opens an object, and learns from it that its publisher is at the epoch of its Key ID.
    ///
    /// `publisher` is the SenderId of the only member that publishes the track, if that is known. Poll after it: an
    /// object may show that the group went on.
    ///
    /// # Errors
    /// [`Error::NoSuchTrack`], [`Error::Name`] or [`Error::Open`]. An unknown key may come: try again after the action
    /// `Keys`.
    pub fn open(
        &mut self,
        now_ms: u64,
        track: u32,
        place: ObjectPlace,
        immutable: &[u8],
        object: &[u8],
        publisher: Option<&[u8]>,
    ) -> Result<OpenedObject<'_>, Error> {
        self.now = Timestamp::from_millis(now_ms);
        let publisher = publisher.map(|id| to_sender(Bytes::copy_from_slice(id))).transpose()?;
        let opened = self.media.open(self.now, track, place, immutable, object, publisher.as_ref());
        while let Some(sign) = self.media.poll_sign() {
            self.machine.handle(self.now, sign)?;
        }
        opened?;
        Ok(self.media.opened())
    }

    /// Seals with the newest epoch from now on.
    ///
    /// # Errors
    /// A failure of the provider.
    pub fn switch_now(&mut self, now_ms: u64) -> Result<(), Error> {
        self.now = Timestamp::from_millis(now_ms);
        self.media.switch_now(self.now)
    }

    /// Says after a restart that nothing was sealed at this location or above it: then keys that an earlier run may
    /// have had can seal from there on. What says so must be newer than any snapshot.
    ///
    /// # Errors
    /// A failure of the provider.
    pub fn sealing_from(&mut self, group_id: u64, object_id: u64) -> Result<(), Error> {
        self.media.sealing_from(Location { group_id, object_id })
    }
}
