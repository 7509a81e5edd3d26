//! moq-mls for C and C++: the boundary crate behind `include/moq_mls.h`.
//!
//! Unsafe code is in this crate alone. `raw` reads and writes what pointers of the caller point to, and the exported
//! functions pass on the caller's promise, which the top of the header states once for all of them. Everything else is
//! safe: handles are numbers in a table (`handles`), and what a pointer in an action leads to is owned by its handle
//! (`borrowed`).

#![allow(unsafe_code, reason = "pointers of the caller")]
#![allow(clippy::missing_safety_doc, reason = "the header states the contract once for all functions")]

pub mod abi;
mod borrowed;
mod calls;
mod fail;
mod handles;
mod input;
mod raw;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::calls::*;
