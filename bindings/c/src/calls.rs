//! The functions of the header.

mod config;
mod identity;
mod media;
mod participant;
mod service;
mod view;

use std::ffi::c_char;

use moq_mls_boundary::Status;

pub use self::config::*;
pub use self::identity::*;
pub use self::media::*;
pub use self::participant::*;
pub use self::service::*;
pub use self::view::*;
use crate::fail::{Fail, guard, last};
use crate::{handles, raw};

/// Returns the version of the events, actions and numbers. It rises when a program made for the one before would break.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_version() -> u32 {
    moq_mls_boundary::VERSION
}

/// Returns a sentence about the last call on this thread that failed. It is valid until the next one that fails.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_last_error() -> *const c_char {
    last()
}

/// Frees what a handle names, of whatever type, with all that it has lent. A handle that was freed is never valid again.
///
/// Fails with `InvalidHandle`, and with `Busy` while another thread is in a call with it: then nothing is freed.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_free(handle: u64) -> Status {
    guard(|| handles::remove(handle))
}

/// Gives an item a handle, and writes it.
///
/// # Safety
/// `out` is null or has room for a handle.
pub(crate) unsafe fn give(item: handles::Item, out: *mut u64) -> Result<(), Fail> {
    // What is made for nobody would never be freed.
    // SAFETY: by the caller.
    let out = unsafe { raw::out(out) }?;
    out.put(handles::insert(item)?);
    Ok(())
}
