//! The counter service.

use moq_mls_boundary::config::ServiceConfig;
use moq_mls_boundary::{Action, Service as Core};
use pyo3::prelude::*;

use crate::carry::Carry;
use crate::fail::Fail;
use crate::shared::Shared;

/// A counter service: requests in, answers out. Its counters are in memory.
#[pyclass(frozen, module = "moq_mls")]
pub(crate) struct Service(Shared<Core>);

#[pymethods]
impl Service {
    #[new]
    #[pyo3(signature = (config = None, signing_key = None))]
    fn new(
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        signing_key: Option<&[u8]>,
    ) -> Result<Self, Fail> {
        let config = config.map(ServiceConfig::take).transpose()?.unwrap_or_default();
        Ok(Self(Shared::new(py, || Core::new(config, signing_key))?))
    }

    fn answer<'py>(
        &self,
        py: Python<'py>,
        now_ms: &Bound<'_, PyAny>,
        action: &Bound<'_, PyAny>,
        token: &[u8],
    ) -> Result<Bound<'py, PyAny>, Fail> {
        let (now_ms, action) = (u64::take(now_ms)?, Action::take(action)?);
        Ok(self.0.with(py, |service| service.answer(now_ms, action, token))?.give(py)?)
    }

    fn respond<'py>(
        &self,
        py: Python<'py>,
        now_ms: &Bound<'_, PyAny>,
        input: &[u8],
        token: &[u8],
    ) -> Result<Bound<'py, PyAny>, Fail> {
        let now_ms = u64::take(now_ms)?;
        Ok(self.0.with(py, |service| service.respond(now_ms, input, token))?.give(py)?)
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
