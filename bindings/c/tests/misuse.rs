//! What a caller can do wrong ends with a status, for each kind of wrong.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use moq_mls_boundary::codes::{Phase, RequestKind};
use moq_mls_boundary::{Config, Status};
use moq_mls_c::abi::{self, Bytes};
use moq_mls_c::*;

use support::{ThroughC, no_action};

const NOW: u64 = 1_700_000_000_000;

fn participant() -> ThroughC {
    ThroughC(testing::seeded(("a", 1), &Config::new("room").unwrap(), None, NOW).unwrap())
}

fn event(kind: u32) -> abi::Event {
    abi::Event { size: size_of::<abi::Event>() as u32, kind, id: 0, body: abi::EventBody { epoch: 0 } }
}

fn config() -> abi::Config {
    let mut config = std::mem::MaybeUninit::<abi::Config>::zeroed();
    // SAFETY: all zeros are a value, and the name is static.
    unsafe {
        (*config.as_mut_ptr()).size = size_of::<abi::Config>() as u32;
        assert_eq!(moq_mls_config_default(Bytes::of(b"room"), config.as_mut_ptr()), Status::Ok);
        config.assume_init()
    }
}

fn handled(participant: &ThroughC, event: &abi::Event) -> Status {
    // SAFETY: what the event points to is there.
    unsafe { moq_mls_participant_handle(participant.0, NOW, event) }
}

#[test]
fn freed_handle_is_invalid_even_when_its_place_is_taken() {
    let old = participant();
    let handle = old.0;
    drop(old);
    let next = participant();
    assert_ne!(handle, next.0);
    // Of the same place and a generation to come; of the first generation and a place that no table has. A neighbour
    // would not do: another test may hold it.
    for stale in [handle, 0, u64::MAX, handle | u64::from(u32::MAX) << 32, 1 << 32 | u64::from(u32::MAX)] {
        let (mut at, mut consumed, incomplete) = (0, 0, Bytes::of(b"HTTP/1.1 2"));
        // SAFETY: there is room for the outputs.
        unsafe {
            assert_eq!(moq_mls_participant_deadline(stale, &raw mut at), Status::InvalidHandle);
            let consumed = &raw mut consumed;
            let reply = moq_mls_participant_counter_reply(stale, NOW, 1, 1, incomplete, 0, consumed);
            assert_eq!(reply, Status::InvalidHandle);
        }
        assert_eq!(moq_mls_free(stale), Status::InvalidHandle);
    }
}

#[test]
fn handle_of_another_type_is_invalid() {
    let (mut identity, mut at) = (0, 0);
    // SAFETY: there is room for the outputs.
    unsafe {
        assert_eq!(moq_mls_identity_generate(1, Bytes::of(b"a"), &raw mut identity), Status::Ok);
        assert_eq!(moq_mls_participant_deadline(identity, &raw mut at), Status::InvalidHandle);
    }
    assert_eq!(moq_mls_free(identity), Status::Ok);
}

#[test]
fn null_pointers_are_refused() {
    let some = participant();
    // SAFETY: null where that is tried, and valid elsewhere.
    unsafe {
        assert_eq!(moq_mls_participant_handle(some.0, NOW, null()), Status::NullPointer);
        assert_eq!(moq_mls_participant_poll(some.0, null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_participant_deadline(some.0, null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_participant_members(some.0, null_mut(), null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_identity_generate(1, Bytes::of(b"a"), null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_config_default(Bytes::of(b"room"), null_mut()), Status::NullPointer);
        assert_eq!(moq_mls_participant_new(some.0, null(), NOW, null_mut()), Status::NullPointer);
    }
    let mut refuse = event(abi::EventKind::Refuse as u32);
    refuse.body.sender = Bytes { data: null(), len: 3 };
    assert_eq!(handled(&some, &refuse), Status::NullPointer);
}

#[test]
fn unknown_kinds_and_codes_are_refused() {
    let some = participant();
    for kind in [0, 32, u32::MAX] {
        assert_eq!(handled(&some, &event(kind)), Status::UnknownCode);
    }
    let mut failed = event(abi::EventKind::Failed as u32);
    failed.body.failed = abi::Failed { request: 77, failure: 1, code: 0 };
    assert_eq!(handled(&some, &failed), Status::UnknownCode);
    failed.body.failed = abi::Failed { request: RequestKind::Lock as u32, failure: 0, code: 0 };
    assert_eq!(handled(&some, &failed), Status::UnknownCode);
    let mut settings = config();
    settings.mode = 9;
    // SAFETY: its pointers are valid.
    assert_eq!(unsafe { testing::config(&settings) }, Err(Status::UnknownCode));
}

#[test]
fn sizes_that_are_too_small_are_refused() {
    let some = participant();
    let mut object = event(abi::EventKind::Object as u32);
    for size in [0, 15, 16, 40] {
        object.size = size;
        assert_eq!(handled(&some, &object), Status::InvalidSize, "{size}");
    }
    let mut action = no_action();
    action.size = 8;
    // SAFETY: there is room for an action.
    assert_eq!(unsafe { moq_mls_participant_poll(some.0, &raw mut action) }, Status::InvalidSize);
}

#[test]
fn smaller_structs_of_an_earlier_version_are_taken() {
    let some = participant();
    let mut join = event(abi::EventKind::Join as u32);
    join.size = std::mem::offset_of!(abi::Event, body) as u32;
    assert_eq!(handled(&some, &join), Status::Ok);
    let mut action = no_action();
    action.size = std::mem::offset_of!(abi::Action, body) as u32;
    action.body.keys = abi::KeysNotice { kind: 7, reason: 8, epoch: 9 };
    // SAFETY: there is room for an action.
    unsafe {
        assert_eq!(moq_mls_participant_poll(some.0, &raw mut action), Status::Ok);
        assert_ne!(action.kind, 0);
        assert_eq!(action.body.keys.epoch, 9, "nothing is written behind the size");
    }
}

#[test]
fn larger_structs_of_a_later_version_are_taken() {
    #[repr(C)]
    struct Later {
        event: abi::Event,
        more: [u64; 4],
    }
    let some = participant();
    let mut later = Later { event: event(abi::EventKind::Join as u32), more: [1; 4] };
    later.event.size = size_of::<Later>() as u32;
    // SAFETY: the event is as long as it says.
    let status = unsafe { moq_mls_participant_handle(some.0, NOW, (&raw const later).cast()) };
    assert_eq!((status, later.more), (Status::Ok, [1; 4]));
}

#[test]
fn names_and_lengths_are_checked() {
    let some = participant();
    let mut refuse = event(abi::EventKind::Refuse as u32);
    refuse.body.sender = Bytes::of(&[7; 65]);
    assert_eq!(handled(&some, &refuse), Status::InvalidName);
    let mut state = event(abi::EventKind::Incremented as u32);
    let pin = Bytes::of(&[0; 95]);
    state.body.state = abi::CounterState { current: 1, pin, receipt: Bytes::ABSENT, pin_forgotten: 0 };
    assert_eq!(handled(&some, &state), Status::InvalidLength);
    let mut object = event(abi::EventKind::Object as u32);
    let name_space = abi::Namespace { fields: null(), len: 0 };
    let track = abi::Track { name_space, name: Bytes::of(b"x") };
    object.body.object = abi::Object { track, group_id: 0, object_id: 0, payload: Bytes::ABSENT };
    assert_eq!(handled(&some, &object), Status::InvalidName);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let some = participant();
    let mut lock = no_action();
    lock.kind = abi::ActionKind::Lock as u32;
    lock.body.counter = abi::CounterRequest { counter: Bytes::of(b"room"), val: 0 };
    let mut out = Bytes::ABSENT;
    let mut ask = |host: &[u8]| {
        let out = &raw mut out;
        // SAFETY: the action and its bytes are there, and there is room for the output.
        unsafe {
            moq_mls_participant_counter_request(some.0, &raw const lock, Bytes::of(host), Bytes::ABSENT, out)
        }
    };
    assert_eq!(ask(&[0xff]), Status::NotUtf8);
    assert_eq!(ask(b"two words"), Status::InvalidHttp);
    assert_eq!(ask(b"counter.example"), Status::Ok);
    lock.kind = abi::ActionKind::Publish as u32;
    // SAFETY: as before.
    let other = unsafe {
        let host = Bytes::of(b"counter.example");
        moq_mls_participant_counter_request(some.0, &raw const lock, host, Bytes::ABSENT, &raw mut out)
    };
    assert_eq!(other, Status::NoCounterRequest);
}

#[test]
fn events_out_of_order_change_nothing() {
    let some = participant();
    assert_eq!(handled(&some, &event(abi::EventKind::Update as u32)), Status::NotAMember);
    assert_eq!(handled(&some, &event(abi::EventKind::Join as u32)), Status::Ok);
    assert_eq!(handled(&some, &event(abi::EventKind::Join as u32)), Status::AlreadyJoined);
    // A reply to a request that nobody made is a notice, as the core has it.
    let mut reply = event(abi::EventKind::Published as u32);
    reply.id = 4711;
    assert_eq!(handled(&some, &reply), Status::Ok);
    let mut phase = 0;
    // SAFETY: there is room for the output.
    assert_eq!(unsafe { moq_mls_participant_phase(some.0, &raw mut phase) }, Status::Ok);
    assert_eq!(phase, Phase::Bootstrapping as u32);
}

#[test]
fn second_thread_in_one_handle_is_refused() {
    let some = participant();
    let handle = some.0;
    let (busy, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut out = Bytes::ABSENT;
                for _ in 0..200_000 {
                    // SAFETY: there is room for the output, which is not looked at.
                    let status = unsafe { moq_mls_participant_snapshot(handle, &raw mut out) };
                    assert!([Status::Ok, Status::Busy].contains(&status), "{status:?}");
                    if status == Status::Busy {
                        busy.store(true, Ordering::Relaxed);
                    }
                    if busy.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
    });
    assert!(busy.load(Ordering::Relaxed), "four threads never met");
}

#[test]
fn buffer_that_is_too_small_is_left_as_it_was() {
    let (mut identity, mut len, mut buffer) = (0, 0, [9; 4]);
    // SAFETY: there is room for the outputs.
    unsafe {
        assert_eq!(moq_mls_identity_generate(1, Bytes::of(b"a"), &raw mut identity), Status::Ok);
        let status = moq_mls_identity_secret_key(identity, buffer.as_mut_ptr(), 4, &raw mut len);
        assert_eq!((status, buffer), (Status::BufferTooSmall, [9; 4]));
        let mut enough = vec![0; len];
        let status = moq_mls_identity_secret_key(identity, enough.as_mut_ptr(), len, &raw mut len);
        assert_eq!(status, Status::Ok);
        let mut again = 0;
        let key = Bytes::of(&enough);
        let name = Bytes::of(b"a");
        assert_eq!(moq_mls_identity_from_secret_key(1, name, key, &raw mut again), Status::Ok);
        let bad = Bytes::of(b"no key");
        let mut none = 0;
        assert_eq!(moq_mls_identity_from_secret_key(1, name, bad, &raw mut none), Status::Engine);
        assert_eq!(moq_mls_free(again), Status::Ok);
    }
    assert_eq!(moq_mls_free(identity), Status::Ok);
}

#[test]
fn snapshots_that_are_none_are_refused() {
    let (mut identity, mut handle) = (0, 0);
    let settings = config();
    // SAFETY: there is room for the outputs, and the inputs are there.
    unsafe {
        assert_eq!(moq_mls_identity_generate(1, Bytes::of(b"a"), &raw mut identity), Status::Ok);
        let mut restore = |bytes: &[u8]| {
            let (settings, keys) = (&raw const settings, Bytes::ABSENT);
            moq_mls_participant_restore(identity, settings, NOW, Bytes::of(bytes), keys, &raw mut handle)
        };
        assert_eq!(restore(b""), Status::SnapshotMalformed);
        assert_eq!(restore(&[0; 100]), Status::SnapshotMalformed);
        let mut made = 0;
        assert_eq!(moq_mls_participant_new(identity, &raw const settings, NOW, &raw mut made), Status::Ok);
        let mut lent = Bytes::ABSENT;
        assert_eq!(moq_mls_participant_snapshot(made, &raw mut lent), Status::Ok);
        let good = testing::bytes(lent);
        assert_eq!(restore(&good), Status::Ok);
        assert_eq!(moq_mls_free(handle), Status::Ok);
        assert_eq!(moq_mls_free(made), Status::Ok);
    }
    assert_eq!(moq_mls_free(identity), Status::Ok);
}

#[test]
fn default_configuration_is_that_of_the_core() {
    // SAFETY: its pointers are valid.
    assert_eq!(unsafe { testing::config(&config()) }, Ok(Config::new("room").unwrap()));
}
