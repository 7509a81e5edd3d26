//! Who a participant is.

use moq_mls_boundary::Identity as Core;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::carry::secret;
use crate::fail::Fail;
use crate::shared::Shared;

/// A cipher suite, a signature key and a basic credential.
#[pyclass(frozen, module = "moq_mls")]
pub(crate) struct Identity(pub(crate) Shared<Core>);

#[pymethods]
impl Identity {
    #[staticmethod]
    fn generate(py: Python<'_>, suite: u16, name: &[u8]) -> Result<Self, Fail> {
        Ok(Self(Shared::new(py, || Core::generate(suite, name.to_vec()))?))
    }

    #[staticmethod]
    fn from_secret_key(py: Python<'_>, suite: u16, name: &[u8], secret: &[u8]) -> Result<Self, Fail> {
        Ok(Self(Shared::new(py, || Core::from_secret_key(suite, name.to_vec(), secret))?))
    }

    fn secret_key<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>, Fail> {
        let key = self.0.with(py, |identity| Ok(identity.secret_key()))?;
        Ok(secret(py, &key)?)
    }

    fn public_key<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Fail> {
        let key = self.0.with(py, |identity| Ok(identity.public_key().to_vec()))?;
        Ok(PyBytes::new(py, &key))
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
