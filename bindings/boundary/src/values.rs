//! Small values that events, actions and notices are made of.

use std::fmt;

use bytes::Bytes;
use moq_mls::counter::{self, Pin};
use moq_mls::engine;
use moq_mls::tracks;

use crate::error::Error;

/// Length of a pin, bytes.
pub const PIN_LEN: usize = Pin::LEN;

/// Bytes that logs must not show: `Debug` says how many there are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretBytes(pub Bytes);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// A full track name: the fields of its namespace, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackName {
    /// The fields of the namespace, 1 to 32.
    pub namespace: Vec<Bytes>,
    /// The track's name.
    pub name: Bytes,
}

impl From<tracks::FullTrackName> for TrackName {
    fn from(core: tracks::FullTrackName) -> Self {
        let tracks::FullTrackName { namespace, name } = core;
        Self { namespace: namespace.fields().to_vec(), name }
    }
}

impl TryFrom<TrackName> for tracks::FullTrackName {
    type Error = Error;

    fn try_from(track: TrackName) -> Result<Self, Error> {
        let TrackName { namespace, name } = track;
        Ok(Self { namespace: tracks::TrackNamespace::new(namespace)?, name })
    }
}

/// An MoQT object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Its track.
    pub track: TrackName,
    /// Its MOQT group id.
    pub group_id: u64,
    /// Its object id in that group.
    pub object_id: u64,
    /// Its payload.
    pub payload: Bytes,
}

impl From<tracks::Object> for Object {
    fn from(core: tracks::Object) -> Self {
        let tracks::Object { track, location, payload } = core;
        let tracks::Location { group_id, object_id } = location;
        Self { track: track.into(), group_id, object_id, payload }
    }
}

impl TryFrom<Object> for tracks::Object {
    type Error = Error;

    fn try_from(object: Object) -> Result<Self, Error> {
        let Object { track, group_id, object_id, payload } = object;
        let location = tracks::Location { group_id, object_id };
        Ok(Self { track: track.try_into()?, location, payload })
    }
}

/// An MLS credential (RFC 9420 section 5.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credential {
    /// The credential type: 1 basic, 2 X.509.
    pub kind: u16,
    /// The identity for basic; the certificate chain, TLS-encoded, for X.509.
    pub data: Bytes,
}

impl From<engine::Credential> for Credential {
    fn from(core: engine::Credential) -> Self {
        let engine::Credential { kind, data } = core;
        Self { kind, data }
    }
}

impl From<Credential> for engine::Credential {
    fn from(credential: Credential) -> Self {
        let Credential { kind, data } = credential;
        Self { kind, data }
    }
}

/// Where a counter stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CounterState {
    /// The next value: slots below it are used.
    pub current: u64,
    /// The pin of the asked slot, [`PIN_LEN`] bytes, if there is one.
    pub pin: Option<Bytes>,
    /// The service's signature, if there is one.
    pub receipt: Option<Bytes>,
    /// Whether the slot was pinned so long ago that the pin is gone.
    pub pin_forgotten: bool,
}

impl From<counter::CounterState> for CounterState {
    fn from(core: counter::CounterState) -> Self {
        let counter::CounterState { current, pin, receipt, pin_forgotten } = core;
        Self { current, pin: pin.map(pin_bytes), receipt, pin_forgotten }
    }
}

impl TryFrom<CounterState> for counter::CounterState {
    type Error = Error;

    fn try_from(state: CounterState) -> Result<Self, Error> {
        let CounterState { current, pin, receipt, pin_forgotten } = state;
        Ok(Self { current, pin: pin.map(to_pin).transpose()?, receipt, pin_forgotten })
    }
}

/// Returns the bytes of a pin.
pub(crate) fn pin_bytes(pin: Pin) -> Bytes {
    Bytes::copy_from_slice(pin.as_bytes())
}

/// Reads a pin.
pub(crate) fn to_pin(bytes: Bytes) -> Result<Pin, Error> {
    Pin::from_slice(&bytes).ok_or(Error::Length { what: "a pin", found: bytes.len(), needed: PIN_LEN })
}

/// Reads a SenderId.
pub(crate) fn to_sender(bytes: Bytes) -> Result<tracks::SenderId, Error> {
    Ok(tracks::SenderId::new(bytes)?)
}

/// Returns the bytes of a SenderId.
pub(crate) fn sender_bytes(sender: &tracks::SenderId) -> Bytes {
    sender.as_bytes().clone()
}

/// Reads a group name.
pub(crate) fn to_group(bytes: Bytes) -> Result<tracks::GroupName, Error> {
    Ok(tracks::GroupName::new(bytes)?)
}

/// Returns the bytes of a group name.
pub(crate) fn group_bytes(group: &tracks::GroupName) -> Bytes {
    group.as_bytes().clone()
}

/// Returns whole milliseconds, saturating.
pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
