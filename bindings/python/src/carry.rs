//! How a value goes to Python and comes back.

use bytes::Bytes;
use moq_mls_boundary::Status;
use moq_mls_boundary::values::SecretBytes;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::fail::Fail;

/// A value of the boundary that Python has too.
pub(crate) trait Carry: Sized {
    /// Makes the Python value.
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;

    /// Reads a Python value: what it holds is all that is looked at.
    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail>;
}

/// Reads an attribute. Of a wrong type, the error names it.
pub(crate) fn field<T: Carry>(from: &Bound<'_, PyAny>, name: &str) -> Result<T, Fail> {
    T::take(&from.getattr(name)?).map_err(|fail| match fail {
        Fail::Python(error) if error.is_instance_of::<PyTypeError>(from.py()) => {
            let kind = from.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
            let why = error.value(from.py()).to_string();
            Fail::Python(PyTypeError::new_err(format!("{kind}.{name}: {why}")))
        }
        Fail::Status(status, why) => Fail::Status(status, format!("{name}: {why}")),
        Fail::Python(error) => Fail::Python(error),
    })
}

/// Says what a value should have been.
pub(crate) fn wrong(from: &Bound<'_, PyAny>, needed: &str) -> Fail {
    let found = from.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
    Fail::Python(PyTypeError::new_err(format!("{found} where {needed} is needed")))
}

/// Makes secret bytes, which `repr` does not show.
pub(crate) fn secret<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import("moq_mls.values")?.getattr("SecretBytes")?.call1((PyBytes::new(py, bytes),))
}

macro_rules! integers {
    ($($integer:ty),+) => {$(
        impl Carry for $integer {
            fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(self.into_pyobject(py)?.into_any())
            }

            fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
                Ok(from.extract()?)
            }
        }
    )+};
}
integers!(u8, u16, u32, u64, usize);

impl Carry for bool {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(self.into_pyobject(py)?.to_owned().into_any())
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        Ok(from.extract()?)
    }
}

impl Carry for Bytes {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyBytes::new(py, &self).into_any())
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        let bytes = from.cast::<PyBytes>().map_err(|_| wrong(from, "bytes"))?;
        Ok(Self::copy_from_slice(bytes.as_bytes()))
    }
}

impl Carry for SecretBytes {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        secret(py, &self.0)
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        Bytes::take(from).map(Self)
    }
}

impl Carry for [u8; 32] {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyBytes::new(py, &self).into_any())
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        let bytes = Bytes::take(from)?;
        let why = || Fail::new(Status::InvalidLength, format!("{} bytes, where 32 are needed", bytes.len()));
        Self::try_from(bytes.as_ref()).map_err(|_| why())
    }
}

impl<T: Carry> Carry for Option<T> {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |value| value.give(py))
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        if from.is_none() { Ok(None) } else { T::take(from).map(Some) }
    }
}

impl<T: Carry> Carry for Vec<T> {
    fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let items: Vec<_> = self.into_iter().map(|item| item.give(py)).collect::<PyResult<_>>()?;
        Ok(PyTuple::new(py, items)?.into_any())
    }

    fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
        // Neither `bytes` nor a generator: the one is a mistake, and the other can be read only once.
        if !from.is_instance_of::<PyTuple>() && !from.is_instance_of::<PyList>() {
            return Err(wrong(from, "a tuple"));
        }
        from.try_iter()?.map(|item| T::take(&item?)).collect()
    }
}
