//! What a participant is and has.

use moq_mls_boundary::Status;

use crate::abi::{Bytes, Member, Track};
use crate::fail::{Fail, guard};
use crate::handles;
use crate::{input, raw};

/// Lends the own SenderId: the fingerprint of the signature key.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_sender_id(participant: u64, sender: *mut Bytes) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let sender = unsafe { raw::out(sender) }?;
        handles::participant(participant, |participant, borrowed| {
            sender.put(borrowed.bytes(participant.sender_id()));
            Ok(())
        })
    })
}

/// Writes the phase, a `Phase`.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_phase(participant: u64, phase: *mut u32) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let phase = unsafe { raw::out(phase) }?;
        handles::participant(participant, |participant, _| {
            phase.put(participant.phase() as u32);
            Ok(())
        })
    })
}

/// Writes the epoch.
///
/// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_epoch(participant: u64, epoch: *mut u64) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let epoch = unsafe { raw::out(epoch) }?;
        handles::participant(participant, |participant, _| {
            let none = || Fail::new(Status::NotAMember, "not a member");
            let present = participant.epoch().ok_or_else(none)?;
            epoch.put(present);
            Ok(())
        })
    })
}

/// Lends a sentence in UTF-8 that says where this participant is, and what it waits for.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_status(participant: u64, sentence: *mut Bytes) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let sentence = unsafe { raw::out(sentence) }?;
        handles::participant(participant, |participant, borrowed| {
            sentence.put(borrowed.bytes(participant.status().into()));
            Ok(())
        })
    })
}

/// Lends the members by leaf; none unless this participant is one.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_members(
    participant: u64,
    members: *mut *const Member,
    len: *mut usize,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (members, len) = unsafe { (raw::out(members)?, raw::out(len)?) };
        handles::participant(participant, |participant, borrowed| {
            let (first, count) = borrowed.members(participant.members());
            members.put(first);
            len.put(count);
            Ok(())
        })
    })
}

/// Lends SHA-256 of the GroupContext, 32 bytes: equal for all members of an epoch.
///
/// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_context_hash(participant: u64, hash: *mut Bytes) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let hash = unsafe { raw::out(hash) }?;
        handles::participant(participant, |participant, borrowed| {
            let none = || Fail::new(Status::NotAMember, "not a member");
            let present = participant.context_hash().ok_or_else(none)?;
            hash.put(borrowed.secret(&present));
            Ok(())
        })
    })
}

/// Lends the epoch authenticator (RFC 9420 section 8.7).
///
/// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_epoch_authenticator(
    participant: u64,
    authenticator: *mut Bytes,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let authenticator = unsafe { raw::out(authenticator) }?;
        handles::participant(participant, |participant, borrowed| {
            let present = participant.epoch_authenticator()?;
            authenticator.put(borrowed.bytes(present));
            Ok(())
        })
    })
}

/// Writes an exporter secret of the present epoch (RFC 9420 section 8.5), `len` bytes. Overwrite the buffer when it is
/// used.
///
/// Fails with `InvalidHandle`, `NotAMember` or `InvalidLength`: 8,160 bytes are the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_export_secret(
    participant: u64,
    label: Bytes,
    context: Bytes,
    buffer: *mut u8,
    len: usize,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (label, context) = unsafe { (raw::bytes(label)?, raw::bytes(context)?) };
        handles::participant(participant, |participant, _| {
            let secret = participant.export_secret(label, context, len)?;
            let mut written = 0;
            // SAFETY: by the contract of the header.
            unsafe { raw::fill(secret.as_bytes(), buffer, len, &raw mut written) }
        })
    })
}

/// Writes the base key of a track in an epoch into a buffer of `room` bytes, and its length to `len`: for media that is
/// not sealed here. 64 bytes are always enough. Overwrite the buffer when it is used.
///
/// Fails with `InvalidHandle`, `NotAMember`, `EpochGone`, `InvalidName` or `BufferTooSmall`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_track_key(
    participant: u64,
    epoch: u64,
    track: *const Track,
    buffer: *mut u8,
    room: usize,
    len: *mut usize,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let track = unsafe { input::track_at(track) }?;
        handles::participant(participant, |participant, _| {
            let key = participant.track_key(epoch, track)?;
            // SAFETY: by the contract of the header.
            unsafe { raw::fill(key.as_bytes(), buffer, room, len) }
        })
    })
}
