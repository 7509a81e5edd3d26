//! A participant of one group.

use moq_mls_boundary::values::TrackName;
use moq_mls_boundary::{Config, Event, ObjectPlace, Participant as Core};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::carry::{Carry, secret};
use crate::fail::Fail;
use crate::identity::Identity;
use crate::shared::Shared;

/// Either of Python's: bytes, or an object of a class of the package.
type Given<'py> = Result<Bound<'py, PyAny>, Fail>;

/// A participant of one group: events in, actions out, and the keys of its media.
#[pyclass(frozen, module = "moq_mls")]
pub(crate) struct Participant(pub(crate) Shared<Core>);

/// Returns an object of the class `name` of `moq_mls.values`, of two byte strings.
fn pair<'py>(py: Python<'py>, name: &str, (one, two): (&[u8], &[u8])) -> Given<'py> {
    let class = py.import("moq_mls.values")?.getattr(name)?;
    Ok(class.call1((PyBytes::new(py, one), PyBytes::new(py, two)))?)
}

impl Participant {
    fn bytes<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&mut Core) -> Result<bytes::Bytes, moq_mls_boundary::Error> + Send,
    ) -> Given<'py> {
        Ok(self.0.with(py, read)?.give(py)?)
    }
}

#[pymethods]
impl Participant {
    #[new]
    fn new(
        py: Python<'_>,
        identity: &Identity,
        config: &Bound<'_, PyAny>,
        now_ms: &Bound<'_, PyAny>,
    ) -> Result<Self, Fail> {
        let (config, now_ms) = (Config::take(config)?, u64::take(now_ms)?);
        let identity = identity.0.with(py, |identity| Ok(identity.clone()))?;
        Ok(Self(Shared::new(py, || Core::new(&identity, &config, now_ms))?))
    }

    #[staticmethod]
    fn restore(
        py: Python<'_>,
        identity: &Identity,
        config: &Bound<'_, PyAny>,
        snapshot: &[u8],
        keys: Option<&[u8]>,
        now_ms: &Bound<'_, PyAny>,
    ) -> Result<Self, Fail> {
        let (config, now_ms) = (Config::take(config)?, u64::take(now_ms)?);
        let identity = identity.0.with(py, |identity| Ok(identity.clone()))?;
        Ok(Self(Shared::new(py, || Core::restore(&identity, &config, snapshot, keys, now_ms))?))
    }

    fn handle(
        &self,
        py: Python<'_>,
        now_ms: &Bound<'_, PyAny>,
        event: &Bound<'_, PyAny>,
    ) -> Result<(), Fail> {
        let (now_ms, event) = (u64::take(now_ms)?, Event::take(event)?);
        self.0.with(py, |participant| participant.handle(now_ms, event))
    }

    fn poll<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(self.0.with(py, Core::poll)?.give(py)?)
    }

    fn deadline(&self, py: Python<'_>) -> Result<Option<u64>, Fail> {
        self.0.with(py, |participant| Ok(participant.deadline()))
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(secret(py, &self.0.with(py, |participant| participant.snapshot())?)?)
    }

    fn save_keys<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(secret(py, self.0.with(py, |participant| Ok(participant.save_keys()))?.as_bytes())?)
    }

    fn sender_id<'py>(&self, py: Python<'py>) -> Given<'py> {
        self.bytes(py, |participant| Ok(participant.sender_id()))
    }

    fn phase<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(self.0.with(py, |participant| Ok(participant.phase()))?.give(py)?)
    }

    fn epoch(&self, py: Python<'_>) -> Result<Option<u64>, Fail> {
        self.0.with(py, |participant| Ok(participant.epoch()))
    }

    fn status(&self, py: Python<'_>) -> Result<String, Fail> {
        self.0.with(py, |participant| Ok(participant.status()))
    }

    fn members<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(self.0.with(py, |participant| Ok(participant.members()))?.give(py)?)
    }

    fn context_hash<'py>(&self, py: Python<'py>) -> Given<'py> {
        Ok(self.0.with(py, |participant| Ok(participant.context_hash()))?.give(py)?)
    }

    fn epoch_authenticator<'py>(&self, py: Python<'py>) -> Given<'py> {
        self.bytes(py, |participant| participant.epoch_authenticator())
    }

    fn export_secret<'py>(
        &self,
        py: Python<'py>,
        label: &[u8],
        context: &[u8],
        length: &Bound<'_, PyAny>,
    ) -> Given<'py> {
        // RFC 9420 gives the length two bytes.
        let length = usize::from(u16::take(length)?);
        let exported = self.0.with(py, |participant| participant.export_secret(label, context, length))?;
        Ok(secret(py, exported.as_bytes())?)
    }

    fn track_key<'py>(
        &self,
        py: Python<'py>,
        epoch: &Bound<'_, PyAny>,
        track: &Bound<'_, PyAny>,
    ) -> Given<'py> {
        let (epoch, track) = (u64::take(epoch)?, TrackName::take(track)?);
        let key = self.0.with(py, |participant| participant.track_key(epoch, track))?;
        Ok(secret(py, key.as_bytes())?)
    }

    #[pyo3(signature = (suite, track, by_namespace = false))]
    fn add_track(
        &self,
        py: Python<'_>,
        suite: &Bound<'_, PyAny>,
        track: &Bound<'_, PyAny>,
        by_namespace: bool,
    ) -> Result<u32, Fail> {
        let (suite, track) = (u16::take(suite)?, TrackName::take(track)?);
        self.0.with(py, |participant| participant.add_track(suite, track, by_namespace))
    }

    fn remove_track(&self, py: Python<'_>, track: &Bound<'_, PyAny>) -> Result<(), Fail> {
        let track = u32::take(track)?;
        self.0.with(py, |participant| participant.remove_track(track))
    }

    fn key_id_property<'py>(&self, py: Python<'py>, track: &Bound<'_, PyAny>) -> Given<'py> {
        let track = u32::take(track)?;
        let copied = |participant: &mut Core| {
            Ok(participant.key_id_property(track)?.map(bytes::Bytes::copy_from_slice))
        };
        Ok(self.0.with(py, copied)?.give(py)?)
    }

    #[pyo3(signature = (track, place, payload, immutable = None, encrypted = None))]
    fn seal<'py>(
        &self,
        py: Python<'py>,
        track: &Bound<'_, PyAny>,
        place: &Bound<'_, PyAny>,
        payload: &[u8],
        immutable: Option<&[u8]>,
        encrypted: Option<&[u8]>,
    ) -> Given<'py> {
        let (track, place) = (u32::take(track)?, ObjectPlace::take(place)?);
        let encrypted = encrypted.unwrap_or_default();
        let (properties, object) = self.0.with(py, |participant| {
            let (properties, object) = participant.seal(track, place, immutable, payload, encrypted)?;
            Ok((properties.to_vec(), object.to_vec()))
        })?;
        pair(py, "SealedObject", (&properties, &object))
    }

    #[pyo3(signature = (now_ms, track, place, immutable, object, publisher = None))]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn open<'py>(
        &self,
        py: Python<'py>,
        now_ms: &Bound<'_, PyAny>,
        track: &Bound<'_, PyAny>,
        place: &Bound<'_, PyAny>,
        immutable: &[u8],
        object: &[u8],
        publisher: Option<&[u8]>,
    ) -> Given<'py> {
        let (now_ms, track, place) = (u64::take(now_ms)?, u32::take(track)?, ObjectPlace::take(place)?);
        let (payload, encrypted) = self.0.with(py, |participant| {
            let opened = participant.open(now_ms, track, place, immutable, object, publisher)?;
            Ok((opened.payload.to_vec(), opened.encrypted.to_vec()))
        })?;
        pair(py, "OpenedObject", (&payload, &encrypted))
    }

    fn switch_now(&self, py: Python<'_>, now_ms: &Bound<'_, PyAny>) -> Result<(), Fail> {
        let now_ms = u64::take(now_ms)?;
        self.0.with(py, |participant| participant.switch_now(now_ms))
    }

    fn sealing_from(
        &self,
        py: Python<'_>,
        group_id: &Bound<'_, PyAny>,
        object_id: &Bound<'_, PyAny>,
    ) -> Result<(), Fail> {
        let (group_id, object_id) = (u64::take(group_id)?, u64::take(object_id)?);
        self.0.with(py, |participant| participant.sealing_from(group_id, object_id))
    }

    fn close(&self, py: Python<'_>) -> Result<(), Fail> {
        self.0.close(py)
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyAny>) -> Result<(), Fail> {
        self.0.close(py)
    }
}
