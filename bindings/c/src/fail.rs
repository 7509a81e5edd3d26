//! How a call fails: a status, and a sentence for the thread that made it.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use moq_mls_boundary::{Error, Status};

/// Why a call fails.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) status: Status,
    message: String,
}

impl Fail {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// A pointer that must not be null.
    pub(crate) fn null(what: &str) -> Self {
        Self::new(Status::NullPointer, format!("{what} is null"))
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs a call: a failure is remembered for its thread, and a panic goes no further.
pub(crate) fn guard(call: impl FnOnce() -> Result<(), Fail>) -> Status {
    let panicked = |_| Err(Fail::new(Status::Panicked, "the library panicked"));
    // What a panic may have left half done is behind a lock, which is poisoned then.
    match catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(panicked) {
        Ok(()) => Status::Ok,
        Err(fail) => {
            let text = CString::new(fail.message.replace('\0', " ")).unwrap_or_default();
            LAST.with_borrow_mut(|last| *last = text);
            fail.status
        }
    }
}

/// Returns the sentence of the last failure on this thread.
pub(crate) fn last() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::*;

    #[test]
    fn panic_ends_as_a_status_and_no_further() {
        assert_eq!(guard(|| panic!("as a fault of the library would")), Status::Panicked);
        assert_eq!(guard(|| Ok(())), Status::Ok);
    }
}
