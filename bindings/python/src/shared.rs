//! A value of the boundary behind a Python object: used by one thread at a time, closed once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, TryLockError};

use moq_mls_boundary::{Error, Status};
use pyo3::prelude::*;

use crate::fail::Fail;

/// The value, or `None` after it was closed.
pub(crate) struct Shared<T>(Mutex<Option<T>>);

impl<T: Send> Shared<T> {
    /// Makes it by `make`. A panic in it is an error.
    pub(crate) fn new(py: Python<'_>, make: impl FnOnce() -> Result<T, Error> + Send) -> Result<Self, Fail> {
        let made = py.detach(|| catch_unwind(AssertUnwindSafe(make)));
        Ok(Self(Mutex::new(Some(made.map_err(|_| panicked())??))))
    }

    /// Does some work with the value, without the interpreter's lock: other threads of Python run meanwhile.
    ///
    /// # Errors
    /// `Busy` while another thread is in such work, `InvalidHandle` after it was closed, `Panicked` from the first
    /// panic on, or what `work` says.
    pub(crate) fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> Result<R, Error> + Send,
    ) -> Result<R, Fail> {
        // The guard is inside what is caught, so a panic poisons the lock: what panicked is not used again.
        let locked = || {
            let mut held = match self.0.try_lock() {
                Ok(held) => held,
                Err(TryLockError::WouldBlock) => return Err(busy()),
                Err(TryLockError::Poisoned(_)) => return Err(panicked()),
            };
            let value =
                held.as_mut().ok_or_else(|| Fail::new(Status::InvalidHandle, "the object is closed"))?;
            Ok(work(value)?)
        };
        py.detach(|| catch_unwind(AssertUnwindSafe(locked)).map_err(|_| panicked())?)
    }

    /// Drops the value, and with it the keys that it holds.
    ///
    /// # Errors
    /// `Busy` while another thread works with it.
    pub(crate) fn close(&self, py: Python<'_>) -> Result<(), Fail> {
        py.detach(|| {
            let taken = match self.0.try_lock() {
                Ok(mut held) => held.take(),
                Err(TryLockError::WouldBlock) => return Err(busy()),
                Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned).take(),
            };
            catch_unwind(AssertUnwindSafe(|| drop(taken))).map_err(|_| panicked())
        })
    }
}

fn busy() -> Fail {
    Fail::new(Status::Busy, "another thread is in a call with this object")
}

fn panicked() -> Fail {
    Fail::new(Status::Panicked, "the library panicked, which is a fault of it: close the object")
}
