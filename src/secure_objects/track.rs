//! The keys of one track, by epoch.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::keys::EpochSecret;
use crate::keys::floor::Floor;
use crate::secure_objects::buffer::ObjectBuffer;
use crate::secure_objects::cipher::Ciphers;
use crate::secure_objects::key::{KeyLimits, ObjectKey};
use crate::secure_objects::object::{KeyError, ObjectHeader, OpenError, Opened, SealError};
use crate::secure_objects::properties;
use crate::secure_objects::suite::Suite;
use crate::tracks::{FullTrackName, Location};

/// One track of one group, for its publisher or a subscriber.
///
/// What an [`EpochKeyRing`](crate::keys::EpochKeyRing) says goes here: `EpochReady` to
/// [`add_epoch`](Self::add_epoch), `SendWith` to [`send_with`](Self::send_with), `Silent` to
/// [`send_nothing`](Self::send_nothing), `Forgotten` to [`forget`](Self::forget).
pub struct SecureTrack {
    ciphers: Arc<dyn Ciphers + Send + Sync>,
    suite: Suite,
    track: FullTrackName,
    limits: KeyLimits,
    by_namespace: bool,
    keys: BTreeMap<u64, ObjectKey>,
    sending: Option<u64>,
    /// Up to which epoch keys were forgotten, and from where on all of them would seal.
    forgotten: Option<(u64, Floor)>,
    /// From where on keys may seal that an earlier run may have had.
    resumes_at: Option<Floor>,
}

impl SecureTrack {
    /// A track without keys.
    pub fn new(ciphers: Arc<dyn Ciphers + Send + Sync>, suite: Suite, track: FullTrackName) -> Self {
        Self {
            ciphers,
            suite,
            track,
            limits: KeyLimits::default(),
            by_namespace: false,
            keys: BTreeMap::new(),
            sending: None,
            forgotten: None,
            resumes_at: None,
        }
    }

    /// Takes the keys to come from the base key of the namespace
    /// ([`EpochSecret::namespace_base_key`]), not from the track's own.
    #[must_use]
    pub fn with_namespace_key(mut self) -> Self {
        self.by_namespace = true;
        self
    }

    /// With other limits for the keys to come.
    #[must_use]
    pub fn with_limits(mut self, limits: KeyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The full track name.
    pub fn track(&self) -> &FullTrackName {
        &self.track
    }

    /// Derives the key of an epoch. One that is held already stays, with its counts, unless its secret is
    /// another now: [`forget`](Self::forget) it first then, as the ring's notices do.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn add_epoch(&mut self, secret: &EpochSecret) -> Result<(), KeyError> {
        if !self.keys.contains_key(&secret.epoch()) {
            let base = match self.by_namespace {
                true => secret.namespace_base_key(&self.track.namespace)?,
                false => secret.track_base_key(&self.track)?,
            };
            let mut key =
                ObjectKey::with_limits(&*self.ciphers, self.suite, &self.track, &base, self.limits)?;
            if let Some(floor) = self.resumes_at.filter(|_| key.floor() == Floor::NOWHERE) {
                key.raise(floor);
            }
            // It may be one that was forgotten, and has sealed.
            if let Some((_, floor)) = self.forgotten.filter(|(epoch, _)| base.key_id <= *epoch)
                && key.floor() != Floor::NOWHERE
            {
                key.raise(floor);
            }
            self.keys.insert(base.key_id, key);
        }
        Ok(())
    }

    /// Lets keys seal that an earlier run may have had, those to come too, and none of them below `location`; see
    /// [`ObjectKey::sealing_from`].
    pub fn sealing_from(&mut self, location: Location) {
        let floor = Floor::at(location);
        self.resumes_at = Some(self.resumes_at.map_or(floor, |before| before.max(floor)));
        self.keys.values_mut().for_each(|key| key.raise(floor));
    }

    /// Seals with this epoch from now on. False, and nothing changes, if it has no key.
    pub fn send_with(&mut self, epoch: u64) -> bool {
        let held = self.keys.contains_key(&epoch);
        if held {
            self.sending = Some(epoch);
        }
        held
    }

    /// Seals nothing from now on, until the next [`send_with`](Self::send_with).
    pub fn send_nothing(&mut self) {
        self.sending = None;
    }

    /// Erases the key of an epoch.
    pub fn forget(&mut self, epoch: u64) {
        // A key that may not seal has sealed nothing in this run: it has no floor to keep.
        if let Some(key) = self.keys.remove(&epoch).filter(|key| key.floor() != Floor::NOWHERE) {
            let (last, floor) = self.forgotten.unwrap_or((epoch, key.floor()));
            self.forgotten = Some((last.max(epoch), floor.max(key.floor())));
        }
        if self.sending == Some(epoch) {
            self.sending = None;
        }
    }

    /// The key in use; `None` before the first [`send_with`](Self::send_with) and while nothing is sealed.
    pub fn sealing_key(&self) -> Option<&ObjectKey> {
        self.keys.get(&self.sending?)
    }

    /// The Key ID property of the key in use, for the immutable properties of the next object.
    pub fn key_id_property(&self) -> Option<&[u8]> {
        self.sealing_key().map(ObjectKey::key_id_property)
    }

    /// Seals the payload in `buffer` in place; see [`ObjectKey::seal`].
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &mut self,
        header: &ObjectHeader<'_>,
        encrypted: &[u8],
        buffer: &mut ObjectBuffer,
    ) -> Result<(), SealError> {
        let key = self.sending.and_then(|epoch| self.keys.get_mut(&epoch)).ok_or(SealError::NoKey)?;
        key.seal(header, encrypted, buffer)
    }

    /// Opens an object in place with the key that its Key ID names; see [`ObjectKey::open`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<'a>(
        &mut self,
        header: &ObjectHeader<'_>,
        object: &'a mut [u8],
    ) -> Result<Opened<'a>, OpenError> {
        let key = match properties::key_id(header.immutable) {
            Some(id) => self.keys.get_mut(&id).ok_or(OpenError::UnknownKey(id))?,
            // The same work as for any other bad object; no key takes it.
            None => self.keys.values_mut().next_back().ok_or(OpenError::Rejected)?,
        };
        key.open(header, object)
    }
}

impl fmt::Debug for SecureTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureTrack")
            .field("track", &self.track)
            .field("suite", &self.suite)
            .field("epochs", &self.keys.keys().collect::<Vec<_>>())
            .field("sending", &self.sending)
            .finish_non_exhaustive()
    }
}
