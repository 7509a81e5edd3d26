//! An output that is missing is refused before anything is done.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::ptr::{null, null_mut};

use moq_mls_boundary::action::Action;
use moq_mls_boundary::codes::{Phase, RequestKind};
use moq_mls_boundary::config::ServiceConfig;
use moq_mls_boundary::testing::Binding;
use moq_mls_boundary::{Config, Event, Service, Status};
use moq_mls_c::abi::{self, Bytes, Namespace, Place, Track};
use moq_mls_c::*;

use support::ThroughC;

const NOW: u64 = 1_700_000_000_000;
const NONE: Bytes = Bytes::ABSENT;

/// Returns a participant that is the only member of its group, and a lock action that it had.
fn alone() -> (ThroughC, Action) {
    let mut some = ThroughC(testing::seeded(("a", 1), &Config::new("room").unwrap(), None, NOW).unwrap());
    let mut service = Service::new(ServiceConfig::default(), None).unwrap();
    let (mut now, mut lock) = (NOW, None);
    some.handle(now, Event::Join).unwrap();
    loop {
        while let Some(action) = some.poll().unwrap() {
            let Some((request, id)) = action.request() else { continue };
            let answer = match request {
                RequestKind::Subscribe => Event::Subscribed { id },
                RequestKind::Publish => Event::Published { id },
                RequestKind::Fetch => Event::Fetched { id, objects: Vec::new() },
                RequestKind::Lock | RequestKind::Increment | RequestKind::GetCommit => {
                    if request == RequestKind::Lock {
                        lock = Some(action.clone());
                    }
                    service.answer(now, action, &[1; 16]).unwrap()
                }
            };
            some.handle(now, answer).unwrap();
        }
        if some.state().unwrap().phase == Phase::Member {
            return (some, lock.unwrap());
        }
        let mut due = 0;
        // SAFETY: there is room for the output.
        assert_eq!(unsafe { moq_mls_participant_deadline(some.0, &raw mut due) }, Status::Ok);
        now = now.max(due);
        some.handle(now, Event::Timer).unwrap();
    }
}

/// The track of some media.
fn track(fields: &[Bytes]) -> Track {
    Track { name_space: Namespace { fields: fields.as_ptr(), len: fields.len() }, name: Bytes::of(b"a") }
}

#[test]
fn a_track_without_a_place_for_its_number_is_not_added() {
    let (some, fields) = (alone().0, [Bytes::of(b"media")]);
    let (track, mut number) = (track(&fields), u32::MAX);
    // SAFETY: the track is there, and there is room for the number where it is not null.
    unsafe {
        let add = |number| moq_mls_participant_add_track(some.0, 4, &raw const track, 0, number);
        assert_eq!(add(null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_participant_remove_track(some.0, 0), Status::NoSuchTrack);
        assert_eq!(add(&raw mut number), Status::Ok);
        assert_eq!(moq_mls_participant_remove_track(some.0, number), Status::Ok);
    }
}

/// The keys of a track depend on its name and the epoch: made anew, they would seal the same places again.
#[test]
fn a_track_that_was_there_seals_no_place_again() {
    let (some, fields) = (alone().0, [Bytes::of(b"media")]);
    let track = track(&fields);
    let (mut number, mut again, mut property, mut object) = (0, 0, NONE, NONE);
    // SAFETY: what is passed is there, and there is room for each output.
    unsafe {
        let add = |number| moq_mls_participant_add_track(some.0, 4, &raw const track, 0, number);
        let mut seal = |number, object_id| {
            let at = Place { group_id: 1, object_id, priority: 0 };
            let payload = Bytes::of(b"payload");
            let (property, object) = (&raw mut property, &raw mut object);
            moq_mls_participant_seal(some.0, number, &raw const at, NONE, payload, NONE, property, object)
        };
        assert_eq!(add(&raw mut number), Status::Ok);
        assert_eq!(moq_mls_participant_switch_now(some.0, NOW), Status::Ok);
        assert_eq!([seal(number, 0), seal(number, 1)], [Status::Ok; 2]);
        // Added while it is there.
        assert_eq!((add(&raw mut again), again), (Status::Ok, number));
        assert_eq!(seal(again, 1), Status::SealNotAbove);
        // Removed, and added.
        assert_eq!(moq_mls_participant_remove_track(some.0, number), Status::Ok);
        assert_eq!(seal(number, 2), Status::NoSuchTrack);
        assert_eq!(moq_mls_participant_remove_track(some.0, number), Status::NoSuchTrack);
        assert_eq!((add(&raw mut again), again), (Status::Ok, number));
        assert_eq!(
            [0, 1, 2].map(|at| seal(again, at)),
            [Status::SealNotAbove, Status::SealNotAbove, Status::Ok]
        );
    }
}

#[test]
fn what_cannot_be_given_is_neither_sealed_nor_opened() {
    let (some, fields) = (alone().0, [Bytes::of(b"media")]);
    let track = track(&fields);
    let (mut number, mut property, mut first, mut second) = (0, NONE, NONE, NONE);
    // SAFETY: what is passed is there, and there is room for each output that is not null.
    unsafe {
        let added = moq_mls_participant_add_track(some.0, 4, &raw const track, 0, &raw mut number);
        assert_eq!(added, Status::Ok);
        assert_eq!(moq_mls_participant_switch_now(some.0, NOW), Status::Ok);
        let place = |object_id| Place { group_id: 1, object_id, priority: 0 };
        let seal = |object_id, properties, object| {
            let (at, payload) = (place(object_id), Bytes::of(b"payload"));
            moq_mls_participant_seal(some.0, number, &raw const at, NONE, payload, NONE, properties, object)
        };
        assert_eq!(seal(0, &raw mut first, null_mut()), Status::NullPointer);
        assert_eq!(seal(0, null_mut(), &raw mut second), Status::NullPointer);
        // The place was not used up.
        assert_eq!(seal(0, &raw mut first, &raw mut second), Status::Ok);
        assert_eq!(seal(0, &raw mut first, &raw mut second), Status::SealNotAbove);
        assert_eq!(seal(1, &raw mut first, &raw mut second), Status::Ok);
        let (immutable, object) = (testing::bytes(first), testing::bytes(second));
        assert_eq!(moq_mls_participant_key_id_property(some.0, number, null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_participant_key_id_property(some.0, number, &raw mut property), Status::Ok);
        assert_eq!(testing::bytes(property), immutable);
        let open = |payload, encrypted| {
            let (immutable, object) = (Bytes::of(&immutable), Bytes::of(&object));
            let at = place(1);
            moq_mls_participant_open(
                some.0,
                NOW,
                number,
                &raw const at,
                immutable,
                object,
                NONE,
                payload,
                encrypted,
            )
        };
        assert_eq!(open(null_mut(), &raw mut second), Status::NullPointer);
        assert_eq!(open(&raw mut first, null_mut()), Status::NullPointer);
        assert_eq!(open(&raw mut first, &raw mut second), Status::Ok);
        assert_eq!(testing::bytes(first), &b"payload"[..]);
    }
}

#[test]
fn a_service_does_nothing_whose_answer_nobody_gets() {
    let (some, lock) = alone();
    let (config, mut service) = (ServiceConfig::default(), 0);
    let (mut request, mut response, mut consumed, mut close) = (NONE, NONE, 0, 0);
    // SAFETY: what is passed is there, and there is room for each output that is not null.
    unsafe {
        assert_eq!(moq_mls_service_new(&raw const config, NONE, null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_service_new(&raw const config, NONE, &raw mut service), Status::Ok);
        let asked = testing::with_action(lock, |action| {
            moq_mls_participant_counter_request(some.0, action, Bytes::of(b"host"), NONE, &raw mut request)
        });
        assert_eq!(asked, Status::Ok);
        let request = testing::bytes(request);
        let respond = |response, consumed, close| {
            let (input, token) = (Bytes::of(&request), Bytes::of(&[1; 16]));
            moq_mls_service_respond(service, NOW, input, token, response, consumed, close)
        };
        assert_eq!(respond(null_mut(), &raw mut consumed, &raw mut close), Status::NullPointer);
        assert_eq!(respond(&raw mut response, null_mut(), &raw mut close), Status::NullPointer);
        assert_eq!(respond(&raw mut response, &raw mut consumed, null_mut()), Status::NullPointer);
        // The lock was not given to a caller that would never learn of it.
        assert_eq!(respond(&raw mut response, &raw mut consumed, &raw mut close), Status::Ok);
        assert!(testing::bytes(response).starts_with(b"HTTP/1.1 200"));
        assert_eq!(respond(&raw mut response, &raw mut consumed, &raw mut close), Status::Ok);
        assert!(testing::bytes(response).starts_with(b"HTTP/1.1 409"));
        assert_eq!(moq_mls_free(service), Status::Ok);
        let freed = moq_mls_service_respond(
            service,
            NOW,
            NONE,
            NONE,
            &raw mut response,
            &raw mut consumed,
            &raw mut close,
        );
        assert_eq!(freed, Status::InvalidHandle);
    }
}

#[test]
fn every_function_refuses_a_missing_output() {
    let (some, lock) = alone();
    let (handle, fields) = (some.0, [Bytes::of(b"media")]);
    let (track, mut len, mut identity, mut members) = (track(&fields), 0, 0, null());
    // SAFETY: what is passed is there, and there is room for each output that is not null.
    unsafe {
        assert_eq!(moq_mls_identity_generate(1, Bytes::of(b"a"), &raw mut identity), Status::Ok);
        let no_request = testing::with_action(lock, |action| {
            moq_mls_participant_counter_request(handle, action, Bytes::of(b"host"), NONE, null_mut())
        });
        let lock = RequestKind::Lock as u32;
        let (mut buffer, mut secret) = ([0; 64], [0; 64]);
        assert_eq!(moq_mls_identity_secret_key(identity, secret.as_mut_ptr(), 64, &raw mut len), Status::Ok);
        let secret = Bytes { data: secret.as_ptr(), len };
        for (name, status) in [
            ("snapshot", moq_mls_participant_snapshot(handle, null_mut())),
            ("save_keys", moq_mls_participant_save_keys(handle, null_mut())),
            ("sender_id", moq_mls_participant_sender_id(handle, null_mut())),
            ("phase", moq_mls_participant_phase(handle, null_mut())),
            ("epoch", moq_mls_participant_epoch(handle, null_mut())),
            ("status", moq_mls_participant_status(handle, null_mut())),
            ("members", moq_mls_participant_members(handle, &raw mut members, null_mut())),
            ("members", moq_mls_participant_members(handle, null_mut(), &raw mut len)),
            ("context_hash", moq_mls_participant_context_hash(handle, null_mut())),
            ("authenticator", moq_mls_participant_epoch_authenticator(handle, null_mut())),
            ("export", moq_mls_participant_export_secret(handle, NONE, NONE, null_mut(), 32)),
            (
                "track_key",
                moq_mls_participant_track_key(handle, 0, &raw const track, null_mut(), 64, &raw mut len),
            ),
            (
                "track_key",
                moq_mls_participant_track_key(
                    handle,
                    0,
                    &raw const track,
                    buffer.as_mut_ptr(),
                    64,
                    null_mut(),
                ),
            ),
            ("counter_request", no_request),
            ("counter_reply", moq_mls_participant_counter_reply(handle, NOW, lock, 1, NONE, 1, null_mut())),
            ("public_key", moq_mls_identity_public_key(identity, null_mut(), 64, &raw mut len)),
            ("public_key", moq_mls_identity_public_key(identity, buffer.as_mut_ptr(), 64, null_mut())),
            ("secret_key", moq_mls_identity_secret_key(identity, null_mut(), 64, &raw mut len)),
            ("from_secret_key", moq_mls_identity_from_secret_key(1, NONE, secret, null_mut())),
            ("service_config", moq_mls_service_config_default(null_mut())),
            ("service_new", moq_mls_service_new(null(), NONE, &raw mut identity)),
        ] {
            assert_eq!(status, Status::NullPointer, "{name}");
        }
        assert_eq!(moq_mls_free(identity), Status::Ok);
        assert_eq!(
            moq_mls_identity_public_key(identity, buffer.as_mut_ptr(), 64, &raw mut len),
            Status::InvalidHandle
        );
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let (some, config, mut service) = (alone().0, ServiceConfig::default(), 0);
    let mut buffer = vec![0; 8161];
    // SAFETY: what is passed is there, but for arrays that are refused before they are read.
    unsafe {
        let mut export =
            |len| moq_mls_participant_export_secret(some.0, NONE, NONE, buffer.as_mut_ptr(), len);
        assert_eq!([8160, 8161].map(&mut export), [Status::Ok, Status::InvalidLength]);
        for wrong in [&[1; 31][..], &[1; 33], &[]] {
            let key = Bytes { data: wrong.as_ptr(), len: wrong.len() };
            assert_eq!(moq_mls_service_new(&raw const config, key, &raw mut service), Status::InvalidLength);
        }
        let mut object = 0;
        let huge = Bytes { data: buffer.as_ptr(), len: usize::MAX };
        assert_eq!(moq_mls_identity_generate(1, huge, &raw mut object), Status::InvalidLength);
        let fields = [NONE; 2];
        let askew = fields.as_ptr().cast::<u8>().add(1).cast();
        let track = Track { name_space: Namespace { fields: askew, len: 1 }, name: Bytes::of(b"a") };
        let mut number = 0;
        let added = moq_mls_participant_add_track(some.0, 4, &raw const track, 0, &raw mut number);
        assert_eq!(added, Status::InvalidLength);
        let askew = (&raw mut number).cast::<u8>().add(1).cast::<u32>();
        assert_eq!(moq_mls_participant_phase(some.0, askew), Status::InvalidSize);
    }
}

/// A caller that was compiled before has them at the same offsets: what comes to them later stands at the end of
/// `Config`.
#[test]
fn parts_of_a_configuration_keep_their_size() {
    let sizes = [
        size_of::<moq_mls_boundary::config::Limits>(),
        size_of::<moq_mls_boundary::config::Timers>(),
        size_of::<moq_mls_boundary::config::KeysConfig>(),
    ];
    assert_eq!(sizes, [200, 200, 56]);
    let last = std::mem::offset_of!(abi::Config, keys) + sizes[2];
    let mut config = std::mem::MaybeUninit::<abi::Config>::zeroed();
    let at = config.as_mut_ptr();
    let mut fill = |size: usize| {
        // SAFETY: all zeros are a value, and there is room for a configuration.
        unsafe {
            (*at).size = u32::try_from(size).unwrap();
            moq_mls_config_default(Bytes::of(b"room"), at)
        }
    };
    assert_eq!([last, last - 1].map(&mut fill), [Status::Ok, Status::InvalidSize]);
}
