//! Participants: events in, actions out.

use moq_mls_boundary::codes::RequestKind;
use moq_mls_boundary::{Participant, Status, counter_reply, counter_request};

use super::give;
use crate::abi::{Action, Bytes, Config, Event};
use crate::fail::{Fail, guard};
use crate::handles::{self, Item};
use crate::{input, raw};

/// Makes a participant that has not begun: give it the event `Join`. It keeps nothing of the identity's handle, which
/// may be freed after it. Times are milliseconds since the Unix epoch, here as everywhere.
///
/// Fails with `InvalidHandle`, `InvalidName`, `InvalidLength`, `UnknownCode` or `BadServiceKey`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_new(
    identity: u64,
    config: *const Config,
    now_ms: u64,
    participant: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let config = unsafe { input::config(config) }?;
        let made = handles::identity(identity, |of, _| Ok(Participant::new(of, &config, now_ms)?))?;
        // SAFETY: by the contract of the header.
        unsafe { give(Item::Participant(made), participant) }
    })
}

/// Goes on after a restart, with the last snapshot that became durable, and with what `moq_mls_participant_save_keys`
/// lent last (may be absent). Identity and configuration must be as they were.
///
/// Nothing is sealed until a newer epoch came, or `moq_mls_participant_sealing_from` was called. Fails as
/// `moq_mls_participant_new`, and with `SnapshotMalformed`, `SnapshotVersion`, `SnapshotOtherGroup` or
/// `SnapshotOtherParticipant`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_restore(
    identity: u64,
    config: *const Config,
    now_ms: u64,
    snapshot: Bytes,
    keys: Bytes,
    participant: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let config = unsafe { input::config(config) }?;
        // SAFETY: by the contract of the header.
        let (snapshot, keys) = unsafe { (raw::bytes(snapshot)?, raw::optional(keys)?) };
        let restore = |of: &_, _: &mut _| Ok(Participant::restore(of, &config, snapshot, keys, now_ms)?);
        let made = handles::identity(identity, restore)?;
        // SAFETY: by the contract of the header.
        unsafe { give(Item::Participant(made), participant) }
    })
}

/// Takes in what happened at `now_ms`. All that the event points to is copied before anything else, so it may be what
/// this very handle has lent. Poll until there is no action left after it.
///
/// Fails with `UnknownCode`, `InvalidSize`, `InvalidName` or `InvalidLength`: then nothing has changed. A misuse, such
/// as `AlreadyJoined` or `NotAMember`, changes nothing either. After `Engine`, restore the last snapshot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_handle(
    participant: u64,
    now_ms: u64,
    event: *const Event,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let event = unsafe { input::event(event) }?;
        handles::participant(participant, |participant, borrowed| {
            borrowed.clear();
            Ok(participant.handle(now_ms, event)?)
        })
    })
}

/// Writes the next action, or one of the kind `None`. `action->size` must be set. What it points to is valid until the
/// next call with this handle.
///
/// Fails with `InvalidHandle`, `InvalidSize` or `Engine`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_poll(participant: u64, action: *mut Action) -> Status {
    guard(|| {
        // An action that cannot be written must not be taken.
        // SAFETY: by the contract of the header.
        unsafe { raw::size(action.cast_const()) }?;
        handles::participant(participant, |participant, borrowed| {
            let next = borrowed.action(participant.poll()?);
            // SAFETY: by the contract of the header.
            unsafe { raw::write(action, &next) }
        })
    })
}

/// Writes when the event `Timer` is due if nothing happens before; `UINT64_MAX` for never.
///
/// Fails with `InvalidHandle` or `NullPointer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_deadline(participant: u64, at_ms: *mut u64) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let at_ms = unsafe { raw::out(at_ms) }?;
        handles::participant(participant, |participant, _| {
            at_ms.put(participant.deadline().unwrap_or(u64::MAX));
            Ok(())
        })
    })
}

/// Lends the durable state as it is now. The action `Persist` brings it whenever it must be stored.
///
/// Fails with `InvalidHandle`, or with `Poisoned` after the engine failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_snapshot(participant: u64, snapshot: *mut Bytes) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let snapshot = unsafe { raw::out(snapshot) }?;
        handles::participant(participant, |participant, borrowed| {
            let lent = borrowed.bytes(participant.snapshot()?);
            snapshot.put(lent);
            Ok(())
        })
    })
}

/// Lends the HTTP/1.1 request of a `Lock`, `Increment` or `GetCommit` action. `host` is the value of the Host header,
/// `token` a bearer token (may be absent). The action may be the one that this handle has lent.
///
/// Fails with `NoCounterRequest` for any other action; with `InvalidHttp` or `NotUtf8` for a host or token that cannot
/// be sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_counter_request(
    participant: u64,
    action: *const Action,
    host: Bytes,
    token: Bytes,
    request: *mut Bytes,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let request = unsafe { raw::out(request) }?;
        // SAFETY: by the contract of the header.
        let action = unsafe { input::counter_action(action) }?;
        // SAFETY: by the contract of the header.
        let (host, token) = unsafe { (text(raw::bytes(host)?)?, raw::optional(token)?) };
        let token = token.map(text).transpose()?;
        let made = counter_request(action, host, token)?;
        handles::participant(participant, |_, borrowed| {
            request.put(borrowed.bytes(made));
            Ok(())
        })
    })
}

fn text(bytes: &[u8]) -> Result<&str, Fail> {
    str::from_utf8(bytes).map_err(|_| Fail::new(Status::NotUtf8, "text that is not UTF-8"))
}

/// Takes in the HTTP/1.1 response at the front of `input` to the action with that `request` and `id`, and the times in
/// its headers. Writes how many bytes it was; 0 says that more are needed. `ended` is 1 if none will come.
///
/// A response that cannot be read is taken as a request that may have had its effect. Fails with `NoCounterRequest` for
/// another kind of request, and as `moq_mls_participant_handle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_counter_reply(
    participant: u64,
    now_ms: u64,
    request: u32,
    id: u64,
    input: Bytes,
    ended: u8,
    consumed: *mut usize,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let consumed = unsafe { raw::out(consumed) }?;
        consumed.put(0);
        // SAFETY: by the contract of the header.
        let input = unsafe { raw::bytes(input) }?;
        let reply = counter_reply(RequestKind::try_from(request)?, id, input, ended != 0)?;
        handles::participant(participant, |participant, borrowed| {
            let Some(reply) = reply else { return Ok(()) };
            borrowed.clear();
            reply.events.into_iter().try_for_each(|event| participant.handle(now_ms, event))?;
            consumed.put(reply.consumed);
            Ok(())
        })
    })
}
