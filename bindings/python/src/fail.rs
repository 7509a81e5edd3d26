//! How a call fails: with the package's `Error`, or with what Python has for values of a wrong type.

use moq_mls_boundary::{Error, Status};
use pyo3::exceptions::{PyOverflowError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::carry::Carry;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The library says so.
    Status(Status, String),
    /// Python says so: a value has a wrong type, or an interpreter ran out of something.
    Python(PyErr),
}

impl Fail {
    pub(crate) fn new(status: Status, why: impl Into<String>) -> Self {
        Self::Status(status, why.into())
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Status(error.status(), error.to_string())
    }
}

impl From<PyErr> for Fail {
    fn from(error: PyErr) -> Self {
        Python::attach(|py| {
            if error.is_instance_of::<PyOverflowError>(py) {
                Self::new(Status::InvalidLength, "a number below 0 or too large for its place")
            } else if error.is_instance_of::<PyUnicodeEncodeError>(py) {
                Self::new(Status::NotUtf8, "a text that UTF-8 cannot write")
            } else {
                Self::Python(error)
            }
        })
    }
}

impl From<Fail> for PyErr {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Python(error) => error,
            Fail::Status(status, why) => Python::attach(|py| {
                let error = || -> PyResult<Self> {
                    let class = py.import("moq_mls.errors")?.getattr("Error")?.cast_into::<PyType>()?;
                    Ok(Self::from_type(class, (status.give(py)?.unbind(), why)))
                };
                error().unwrap_or_else(|raised| raised)
            }),
        }
    }
}
