//! The media of a participant: sealed and opened with the keys of its epochs.

use moq_mls_boundary::{ObjectPlace, Status};

use crate::abi::{Bytes, Place, Track};
use crate::fail::{Fail, guard};
use crate::handles;
use crate::{input, raw};

/// Adds a media track, and writes its number. `suite` is a Secure Objects cipher suite: 4, and where the library was
/// built with AWS-LC 1 to 5. With `by_namespace` 1, its keys come from the base key of its namespace, else from its own.
/// A track that is there already, or was, keeps its number and seals on above what it sealed.
///
/// Fails with `InvalidHandle`, `InvalidName`, `UnknownCode` or `Unsupported`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_add_track(
    participant: u64,
    suite: u16,
    track: *const Track,
    by_namespace: u8,
    number: *mut u32,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let number = unsafe { raw::out(number) }?;
        // SAFETY: by the contract of the header.
        let track = unsafe { input::track_at(track) }?;
        handles::participant(participant, |participant, _| {
            let added = participant.add_track(suite, track, by_namespace != 0)?;
            number.put(added);
            Ok(())
        })
    })
}

/// Removes a media track, and erases its keys.
///
/// Fails with `InvalidHandle` or `NoSuchTrack`.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_participant_remove_track(participant: u64, track: u32) -> Status {
    guard(|| handles::participant(participant, |participant, _| Ok(participant.remove_track(track)?)))
}

/// Lends the Key ID property that the next sealed object must have, for callers with immutable properties of their own.
///
/// Fails with `InvalidHandle`, `NoSuchTrack`, and `SealNoKey` while nothing is sealed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_key_id_property(
    participant: u64,
    track: u32,
    property: *mut Bytes,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let property = unsafe { raw::out(property) }?;
        handles::participant(participant, |participant, borrowed| {
            let none = || Fail::new(Status::SealNoKey, "no key to seal with");
            let present = participant.key_id_property(track)?.ok_or_else(none)?;
            property.put(borrowed.secret(present));
            Ok(())
        })
    })
}

/// Reads where an object is.
///
/// # Safety
/// `at` is null or points to a place.
unsafe fn place(at: *const Place) -> Result<ObjectPlace, Fail> {
    // SAFETY: by the caller.
    let Place { group_id, object_id, priority } = unsafe { raw::one(at, "a place") }?;
    Ok(ObjectPlace { group_id, object_id, priority })
}

/// Seals an object, and lends its immutable properties and the sealed bytes, both to be sent. `immutable` is absent for
/// the Key ID alone. `encrypted` is the serialized list of encrypted properties, or empty. A place is sealed once only.
///
/// Fails with `InvalidHandle`, `NoSuchTrack` or one of the statuses that begin with `Seal`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_seal(
    participant: u64,
    track: u32,
    at: *const Place,
    immutable: Bytes,
    payload: Bytes,
    encrypted: Bytes,
    properties: *mut Bytes,
    object: *mut Bytes,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (properties, object) = unsafe { (raw::out(properties)?, raw::out(object)?) };
        // SAFETY: by the contract of the header.
        let (place, immutable) = unsafe { (place(at)?, raw::owned_optional(immutable)?) };
        // SAFETY: by the contract of the header.
        let (payload, encrypted) = unsafe { (raw::owned(payload)?, raw::owned(encrypted)?) };
        handles::participant(participant, |participant, borrowed| {
            borrowed.clear();
            let sealed = participant.seal(track, place, immutable.as_deref(), &payload, &encrypted)?;
            properties.put(Bytes::of(sealed.0));
            object.put(Bytes::of(sealed.1));
            Ok(())
        })
    })
}

/// Opens an object, and lends its payload and its encrypted properties. `immutable` are the immutable properties that
/// came with it. `publisher` is the SenderId of the only member that publishes the track, or absent. Poll after it: an
/// object may show that the group went on.
///
/// Fails with `InvalidHandle`, `NoSuchTrack`, `OpenUnknownKey`, `OpenLimit` or `OpenRejected`. An unknown key may come:
/// try again after the action `Keys`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_open(
    participant: u64,
    now_ms: u64,
    track: u32,
    at: *const Place,
    immutable: Bytes,
    object: Bytes,
    publisher: Bytes,
    payload: *mut Bytes,
    encrypted: *mut Bytes,
) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let (payload, encrypted) = unsafe { (raw::out(payload)?, raw::out(encrypted)?) };
        // SAFETY: by the contract of the header.
        let (place, immutable) = unsafe { (place(at)?, raw::owned(immutable)?) };
        // SAFETY: by the contract of the header.
        let (object, publisher) = unsafe { (raw::owned(object)?, raw::owned_optional(publisher)?) };
        handles::participant(participant, |participant, borrowed| {
            borrowed.clear();
            let opened = participant.open(now_ms, track, place, &immutable, &object, publisher.as_deref())?;
            payload.put(Bytes::of(opened.payload));
            encrypted.put(Bytes::of(opened.encrypted));
            Ok(())
        })
    })
}

/// Seals with the newest epoch from now on.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_participant_switch_now(participant: u64, now_ms: u64) -> Status {
    guard(|| handles::participant(participant, |participant, _| Ok(participant.switch_now(now_ms)?)))
}

/// Says after a restart that nothing was sealed at this location or above it: keys that an earlier run may have had
/// can seal from there on. What says so must be newer than any snapshot.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub extern "C" fn moq_mls_participant_sealing_from(
    participant: u64,
    group_id: u64,
    object_id: u64,
) -> Status {
    guard(|| {
        handles::participant(participant, |participant, _| Ok(participant.sealing_from(group_id, object_id)?))
    })
}

/// Lends the media keys, to be stored as a snapshot is whenever the action `Keys` came.
///
/// Fails with `InvalidHandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_participant_save_keys(participant: u64, keys: *mut Bytes) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let keys = unsafe { raw::out(keys) }?;
        handles::participant(participant, |participant, borrowed| {
            let lent = borrowed.secret(participant.save_keys().as_bytes());
            keys.put(lent);
            Ok(())
        })
    })
}
