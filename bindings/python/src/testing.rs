//! For tests, and in no shipped wheel: seeded participants, replays, and values sent back as they came.

use bytes::Bytes;
use moq_mls_boundary::action::KeysNotice;
use moq_mls_boundary::codes::Phase;
use moq_mls_boundary::testing::{Binding, State, replay as lockstep};
use moq_mls_boundary::{Action, Config, Event, Notice, Participant as Core, Status};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

use crate::carry::{Carry, field};
use crate::fail::Fail;
use crate::participant::Participant;
use crate::shared::Shared;

/// A participant that is reached through Python alone.
struct ThroughPython<'py> {
    py: Python<'py>,
    participant: Option<Bound<'py, PyAny>>,
}

/// Returns the status of what was raised. What is no `Error` of the package has none, and shows as a panic.
fn status(py: Python<'_>, raised: &PyErr) -> Status {
    field(raised.value(py).as_any(), "status").unwrap_or(Status::Panicked)
}

fn lost(fail: Fail) -> Status {
    match fail {
        Fail::Status(status, _) => status,
        Fail::Python(_) => Status::Panicked,
    }
}

impl<'py> ThroughPython<'py> {
    fn call(
        &self,
        name: &str,
        arguments: impl pyo3::call::PyCallArgs<'py>,
    ) -> Result<Bound<'py, PyAny>, Status> {
        let participant = self.participant.as_ref().ok_or(Status::InvalidHandle)?;
        participant.call_method1(name, arguments).map_err(|raised| status(self.py, &raised))
    }

    fn read<T: Carry>(&self, name: &str) -> Result<T, Status> {
        T::take(&self.call(name, ())?).map_err(lost)
    }
}

impl Binding for ThroughPython<'_> {
    fn start(
        &mut self,
        (name, seed): (&str, u64),
        config: &Config,
        snapshot: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<(), Status> {
        let make = || -> Result<Bound<'_, PyAny>, Fail> {
            // The configuration crosses as well.
            let config = Config::take(&config.clone().give(self.py)?)?;
            let made = Shared::new(self.py, || match snapshot {
                Some(snapshot) => Core::restore_seeded(name, seed, &config, snapshot, now_ms),
                None => Core::seeded(name, seed, &config, now_ms),
            })?;
            Ok(Bound::new(self.py, Participant(made))?.into_any())
        };
        self.participant = Some(make().map_err(lost)?);
        Ok(())
    }

    fn handle(&mut self, now_ms: u64, event: Event) -> Result<(), Status> {
        let event = event.give(self.py).map_err(|raised| status(self.py, &raised))?;
        self.call("handle", (now_ms, event)).map(|_| ())
    }

    fn poll(&mut self) -> Result<Option<Action>, Status> {
        self.read("poll")
    }

    fn state(&mut self) -> Result<State, Status> {
        let phase: Phase = self.read("phase")?;
        let authenticator = match self.read::<Bytes>("epoch_authenticator") {
            Ok(authenticator) => Some(authenticator),
            Err(Status::NotAMember | Status::Ended | Status::Poisoned) => None,
            Err(status) => return Err(status),
        };
        Ok(State {
            phase,
            epoch: self.read("epoch")?,
            authenticator,
            context_hash: self.read("context_hash")?,
        })
    }
}

/// Replays a log in lockstep with the core, and returns how many actions there were.
#[pyfunction]
fn replay(py: Python<'_>, log: &str) -> PyResult<u64> {
    lockstep(log, &mut ThroughPython { py, participant: None }).map_err(PyRuntimeError::new_err)
}

/// Reads an event, action or notice, and returns what it is in Python again.
#[pyfunction]
fn echo<'py>(py: Python<'py>, value: &Bound<'_, PyAny>) -> Result<Bound<'py, PyAny>, Fail> {
    let module: String = value.get_type().getattr("__module__")?.extract()?;
    Ok(match module.as_str() {
        "moq_mls.events" => Event::take(value)?.give(py)?,
        "moq_mls.actions" => Action::take(value)?.give(py)?,
        "moq_mls.notices" => Notice::take(value)?.give(py)?,
        "moq_mls.keys" => KeysNotice::take(value)?.give(py)?,
        "moq_mls.config" => Config::take(value)?.give(py)?,
        other => return Err(PyTypeError::new_err(format!("nothing of {other}")).into()),
    })
}

/// Panics in a call with this participant, as a fault of the library would.
#[pyfunction]
#[expect(clippy::panic, reason = "what a panic does is under test")]
fn provoke_panic(py: Python<'_>, participant: &Participant) -> Result<(), Fail> {
    participant.0.with(py, |_| panic!("provoked by a test"))
}

/// Stays in a call with this participant for so many milliseconds.
#[pyfunction]
#[expect(clippy::disallowed_methods, reason = "a call that takes long is under test")]
fn occupy(py: Python<'_>, participant: &Participant, time_ms: u64) -> Result<(), Fail> {
    participant.0.with(py, |_| {
        std::thread::sleep(std::time::Duration::from_millis(time_ms));
        Ok(())
    })
}

/// Adds the functions.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(replay, module)?)?;
    module.add_function(wrap_pyfunction!(echo, module)?)?;
    module.add_function(wrap_pyfunction!(provoke_panic, module)?)?;
    module.add_function(wrap_pyfunction!(occupy, module)?)
}
