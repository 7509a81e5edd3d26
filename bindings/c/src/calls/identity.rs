//! Identities.

use moq_mls_boundary::{Identity, Status};

use super::give;
use crate::abi::Bytes;
use crate::fail::guard;
use crate::handles::{self, Item};
use crate::raw;

/// Generates a signature key, and makes an identity of it with a basic credential. `suite` is an MLS cipher suite: 1, 2,
/// 3 or 7. A participant that is restored needs the same identity: store its secret key.
///
/// Fails with `Unsupported` for another suite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_identity_generate(suite: u16, name: Bytes, identity: *mut u64) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let made = Identity::generate(suite, unsafe { raw::owned(name) }?)?;
        // SAFETY: by the contract of the header.
        unsafe { give(Item::Identity(made), identity) }
    })
}

/// Makes an identity of a secret key that `moq_mls_identity_secret_key` wrote.
///
/// Fails with `Unsupported` for another suite, and with `Engine` for bytes that are no key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_identity_from_secret_key(
    suite: u16,
    name: Bytes,
    secret_key: Bytes,
    identity: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (name, secret_key) = unsafe { (raw::owned(name)?, raw::bytes(secret_key)?) };
        let made = Identity::from_secret_key(suite, name, secret_key)?;
        // SAFETY: by the contract of the header.
        unsafe { give(Item::Identity(made), identity) }
    })
}

/// Writes the secret key of an identity into a buffer of `room` bytes, and its length to `len`. Store it sealed, and
/// overwrite the buffer.
///
/// Fails with `InvalidHandle` or `BufferTooSmall`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_identity_secret_key(
    identity: u64,
    buffer: *mut u8,
    room: usize,
    len: *mut usize,
) -> Status {
    guard(|| {
        handles::identity(identity, |identity, _| {
            // SAFETY: by the contract of the header.
            unsafe { raw::fill(&identity.secret_key(), buffer, room, len) }
        })
    })
}

/// Writes the public key of an identity into a buffer of `room` bytes, and its length to `len`.
///
/// Fails with `InvalidHandle` or `BufferTooSmall`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_identity_public_key(
    identity: u64,
    buffer: *mut u8,
    room: usize,
    len: *mut usize,
) -> Status {
    guard(|| {
        handles::identity(identity, |identity, _| {
            // SAFETY: by the contract of the header.
            unsafe { raw::fill(identity.public_key(), buffer, room, len) }
        })
    })
}
