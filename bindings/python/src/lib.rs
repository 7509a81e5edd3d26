//! moq-mls for Python: the values of the boundary in Python's own classes, and back, and nothing else.
//!
//! Events, actions, notices and configurations are Python dataclasses, of the package beside this extension module.
//! Each `match` here names every variant and field of the boundary. Each class is compared to them when the module is
//! imported. So a variant or field that is not carried over does not compile, or is not imported.

#![deny(unsafe_code)]

mod carried;
mod carry;
mod fail;
mod functions;
mod identity;
mod kinds;
mod participant;
mod service;
mod shared;
#[cfg(feature = "testing")]
mod testing;

use pyo3::prelude::*;

/// The extension module `moq_mls._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    carried::check(py)?;
    module.add("VERSION", moq_mls_boundary::VERSION)?;
    module.add_class::<identity::Identity>()?;
    module.add_class::<participant::Participant>()?;
    module.add_class::<service::Service>()?;
    functions::add(module)?;
    #[cfg(feature = "testing")]
    testing::add(module)?;
    Ok(())
}
