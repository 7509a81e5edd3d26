//! Functions of the module: defaults, and a participant's side of the counter's HTTP.

use moq_mls_boundary::codes::RequestKind;
use moq_mls_boundary::config::{KeysConfig, Limits, ServiceConfig, Timers};
use moq_mls_boundary::{Action, Config};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::carry::Carry;
use crate::fail::Fail;

#[pyfunction]
fn default_config<'py>(py: Python<'py>, group: &[u8]) -> Result<Bound<'py, PyAny>, Fail> {
    Ok(Config::new(group.to_vec())?.give(py)?)
}

#[pyfunction]
fn default_limits(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Limits::default().give(py)
}

#[pyfunction]
fn default_timers(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Timers::default().give(py)
}

#[pyfunction]
fn default_keys(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    KeysConfig::default().give(py)
}

#[pyfunction]
fn default_service(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    ServiceConfig::default().give(py)
}

#[pyfunction]
fn request_of<'py>(py: Python<'py>, action: &Bound<'_, PyAny>) -> Result<Bound<'py, PyAny>, Fail> {
    match Action::take(action)?.request() {
        Some((kind, id)) => Ok((kind.give(py)?, id).into_pyobject(py)?.into_any()),
        None => Ok(py.None().into_bound(py)),
    }
}

#[pyfunction]
#[pyo3(signature = (action, host, token = None))]
fn counter_request<'py>(
    py: Python<'py>,
    action: &Bound<'_, PyAny>,
    host: &Bound<'_, PyAny>,
    token: Option<&Bound<'_, PyAny>>,
) -> Result<Bound<'py, PyBytes>, Fail> {
    let host: String = host.extract()?;
    let token: Option<String> = token.map(|token| token.extract()).transpose()?;
    let request = moq_mls_boundary::counter_request(Action::take(action)?, &host, token.as_deref())?;
    Ok(PyBytes::new(py, &request))
}

#[pyfunction]
fn counter_reply<'py>(
    py: Python<'py>,
    request: &Bound<'_, PyAny>,
    id: &Bound<'_, PyAny>,
    input: &[u8],
    ended: bool,
) -> Result<Bound<'py, PyAny>, Fail> {
    let (request, id) = (RequestKind::take(request)?, u64::take(id)?);
    Ok(moq_mls_boundary::counter_reply(request, id, input, ended)?.give(py)?)
}

/// Adds the functions.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(default_config, module)?)?;
    module.add_function(wrap_pyfunction!(default_limits, module)?)?;
    module.add_function(wrap_pyfunction!(default_timers, module)?)?;
    module.add_function(wrap_pyfunction!(default_keys, module)?)?;
    module.add_function(wrap_pyfunction!(default_service, module)?)?;
    module.add_function(wrap_pyfunction!(request_of, module)?)?;
    module.add_function(wrap_pyfunction!(counter_request, module)?)?;
    module.add_function(wrap_pyfunction!(counter_reply, module)?)
}
