//! The counter service.

use moq_mls_boundary::config::ServiceConfig;
use moq_mls_boundary::{Service, Status};

use super::give;
use crate::abi::{Action, Bytes, Event};
use crate::fail::guard;
use crate::handles::{self, Item};
use crate::{input, raw};

/// Makes a counter service, whose counters are in memory. `signing_key` is an Ed25519 private key of 32 bytes with which
/// it signs receipts, or absent.
///
/// Fails with `NullPointer` or `InvalidLength`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_service_new(
    config: *const ServiceConfig,
    signing_key: Bytes,
    service: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let config = unsafe { raw::one(config, "a configuration") }?;
        // SAFETY: by the contract of the header.
        let made = Service::new(config, unsafe { raw::optional(signing_key) }?)?;
        // SAFETY: by the contract of the header.
        unsafe { give(Item::Service(made), service) }
    })
}

/// Does what a `Lock`, `Increment` or `GetCommit` action asks, and writes the event that answers it. `event->size` must
/// be set. `token` becomes the token of a lock: 16 bytes that nobody can guess, fresh for each call, or absent.
///
/// What the event points to is valid until the next call with the service's handle. Fails with `InvalidHandle`,
/// `InvalidSize` or `NoCounterRequest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_service_answer(
    service: u64,
    now_ms: u64,
    action: *const Action,
    token: Bytes,
    event: *mut Event,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (action, token) = unsafe { (input::counter_action(action)?, raw::owned(token)?) };
        // SAFETY: by the contract of the header.
        unsafe { raw::size(event.cast_const()) }?;
        handles::service(service, |service, borrowed| {
            let answer = borrowed.event(service.answer(now_ms, action, &token)?);
            // SAFETY: by the contract of the header.
            unsafe { raw::write(event, &answer) }
        })
    })
}

/// Answers the HTTP/1.1 request at the front of `input`: lends the response, and writes how many bytes the request was.
/// 0 says that more are needed, and then there is no response. `close` becomes 1 if the connection must be closed.
///
/// `token` is as in `moq_mls_service_answer`. Who may ask, and how often, is the embedder's to judge before. Fails with
/// `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_service_respond(
    service: u64,
    now_ms: u64,
    input: Bytes,
    token: Bytes,
    response: *mut Bytes,
    consumed: *mut usize,
    close: *mut u8,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (response, consumed, close) =
            unsafe { (raw::out(response)?, raw::out(consumed)?, raw::out(close)?) };
        // SAFETY: by the contract of the header.
        let (input, token) = unsafe { (raw::owned(input)?, raw::owned(token)?) };
        handles::service(service, |service, borrowed| {
            let answer = service.respond(now_ms, &input, &token)?;
            let (lent, length, ends) = match answer {
                Some(answer) => (borrowed.bytes(answer.response), answer.consumed, u8::from(answer.close)),
                None => (Bytes::ABSENT, 0, 0),
            };
            response.put(lent);
            consumed.put(length);
            close.put(ends);
            Ok(())
        })
    })
}
