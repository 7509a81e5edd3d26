//! The body of the fuzz target: any bytes are a list of calls. Handles are old, mistaken or good; kinds and sizes are
//! anything; pointers are null, or lead to bytes that are there, as the contract of the header asks. Whatever the bytes,
//! each call ends with a status, and no handle outlives its free.

use moq_mls_boundary::codes::Phase;
use moq_mls_boundary::config::ServiceConfig;
use moq_mls_boundary::{Config, Status};

use crate::abi::{
    self, Action, Bytes, CounterState, Credential, Event, EventBody, Namespace, Object, Place, Track,
};
use crate::calls::*;

/// The bytes of an input, eaten from the front. At its end there are zeros.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number that is most often small.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::from(u32::MAX),
            byte => u64::from(byte),
        }
    }

    /// Null, or bytes that are there.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// Null with a length of 0 or more, or what is there.
fn pointer(bytes: &[u8], input: &mut Input<'_>) -> Bytes {
    match input.byte() {
        0 => Bytes::ABSENT,
        1 => Bytes { data: std::ptr::null(), len: 5 },
        _ => Bytes::of(bytes),
    }
}

/// What was made, and what was freed.
#[derive(Default)]
struct Handles {
    good: Vec<u64>,
    freed: Vec<u64>,
}

impl Handles {
    fn pick(&self, input: &mut Input<'_>) -> u64 {
        let (which, at) = (input.byte(), usize::from(input.byte()));
        let from = |list: &[u64]| list.get(at.checked_rem(list.len())?).copied();
        match which {
            0 => 0,
            1 => input.number() << 32 | input.number(),
            2..=40 => from(&self.freed).unwrap_or_default(),
            _ => from(&self.good).unwrap_or_default(),
        }
    }

    fn keep(&mut self, status: Status, handle: u64) {
        if status == Status::Ok {
            self.good.push(handle);
        }
    }
}

const NOW: u64 = 1_700_000_000_000;

/// Does what the bytes say. Panics where a property fails.
#[expect(clippy::panic, reason = "a failed property panics")]
pub fn calls(data: &[u8]) {
    let mut input = Input(data);
    let mut handles = Handles::default();
    let seeded = |name| super::seeded((name, 1), &Config::new(&b"room"[..]).ok()?, None, NOW).ok();
    handles.good.extend(["a", "b"].into_iter().filter_map(seeded));
    let mut now = NOW;
    let mut action = none();
    for _ in 0..200 {
        if input.0.is_empty() {
            break;
        }
        now = now.saturating_add(input.number());
        let handle = handles.pick(&mut input);
        // SAFETY: every pointer is null, or leads to what is there until the call returns; `size` is never over what
        // the struct has. What an action points to was lent by a handle, which is not used between.
        unsafe { call(&mut input, &mut handles, handle, now, &mut action) };
    }
    for handle in std::mem::take(&mut handles.good) {
        if moq_mls_free(handle) != Status::Ok || moq_mls_free(handle) != Status::InvalidHandle {
            panic!("a handle that is freed once and then again");
        }
    }
}

fn none() -> Action {
    let size = u32::try_from(size_of::<Action>()).unwrap_or_default();
    Action { size, kind: 0, request: 0, id: 0, body: abi::ActionBody { snapshot: Bytes::ABSENT } }
}

/// Makes one call.
unsafe fn call(input: &mut Input<'_>, handles: &mut Handles, handle: u64, now: u64, action: &mut Action) {
    let mut out = Bytes::ABSENT;
    let mut made = 0;
    let (mut len, mut short, mut number) = (0, 0, 0);
    let mut buffer = [0; 64];
    let out_or_null = |input: &mut Input<'_>, out: &mut Bytes| {
        if input.byte() == 9 { std::ptr::null_mut() } else { std::ptr::from_mut(out) }
    };
    // SAFETY: see `calls`.
    unsafe {
        match input.byte() % 30 {
            0..=5 => {
                _ = with_event(input, |event| moq_mls_participant_handle(handle, now, event));
                *action = none();
            }
            6..=9 => {
                *action = none();
                action.size = size(input, action.size);
                _ = moq_mls_participant_poll(handle, action);
                if action.size < none().size {
                    *action = none();
                }
            }
            10 => _ = moq_mls_participant_deadline(handle, &raw mut made),
            11 => {
                _ = moq_mls_participant_snapshot(handle, out_or_null(input, &mut out));
                *action = none();
            }
            12 => {
                let status = moq_mls_participant_phase(handle, &raw mut number);
                assert!(status != Status::Ok || Phase::try_from(number).is_ok(), "a phase that is none");
            }
            13 => {
                let name = input.bytes();
                let status = moq_mls_identity_generate(input.byte().into(), Bytes::of(name), &raw mut made);
                handles.keep(status, made);
            }
            14 => {
                let mut config = default_config(b"room");
                spoil(&mut config, input);
                let status = moq_mls_participant_new(handle, &raw const config, now, &raw mut made);
                handles.keep(status, made);
            }
            15 => {
                let config = default_config(b"room");
                let snapshot = input.bytes();
                let snapshot = pointer(snapshot, input);
                let status = moq_mls_participant_restore(
                    handle,
                    &raw const config,
                    now,
                    snapshot,
                    snapshot,
                    &raw mut made,
                );
                handles.keep(status, made);
            }
            16 => {
                let fields = [Bytes::of(b"media")];
                let track = track(&fields, input);
                let suite = input.byte().into();
                _ = moq_mls_participant_add_track(handle, suite, &raw const track, 0, &raw mut number);
                _ = moq_mls_participant_track_key(
                    handle,
                    input.number(),
                    &raw const track,
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    &raw mut len,
                );
            }
            17 => {
                let place = Place { group_id: input.number(), object_id: input.number(), priority: 0 };
                let payload = input.bytes();
                let payload = pointer(payload, input);
                let mut object = Bytes::ABSENT;
                let at = &raw const place;
                let track = input.byte().into();
                let absent = Bytes::ABSENT;
                let sealed = moq_mls_participant_seal(
                    handle,
                    track,
                    at,
                    absent,
                    payload,
                    absent,
                    &raw mut out,
                    &raw mut object,
                );
                let (properties, sealed) =
                    if sealed == Status::Ok { (out, object) } else { (payload, payload) };
                let opened = (&raw mut out, &raw mut object);
                _ = moq_mls_participant_open(
                    handle, now, track, at, properties, sealed, payload, opened.0, opened.1,
                );
                *action = none();
            }
            18 => {
                let config = ServiceConfig { max_counters: input.number(), ..ServiceConfig::default() };
                let status = moq_mls_service_new(&raw const config, Bytes::ABSENT, &raw mut made);
                handles.keep(status, made);
            }
            19 => {
                let size = u32::try_from(size_of::<Event>()).unwrap_or_default();
                let mut event = Event { size, kind: 0, id: 0, body: EventBody { epoch: 0 } };
                let answered =
                    moq_mls_service_answer(handle, now, action, Bytes::of(&buffer), &raw mut event);
                if answered == Status::Ok {
                    let participant = handles.pick(input);
                    _ = moq_mls_participant_handle(participant, now, &raw const event);
                    *action = none();
                }
            }
            20 => {
                let request = input.bytes();
                let request = pointer(request, input);
                _ = moq_mls_service_respond(
                    handle,
                    now,
                    request,
                    request,
                    &raw mut out,
                    &raw mut len,
                    &raw mut short,
                );
            }
            21 => {
                let response = input.bytes();
                let response = pointer(response, input);
                let (request, id) = (input.byte().into(), input.number());
                _ = moq_mls_participant_counter_reply(handle, now, request, id, response, 1, &raw mut len);
                *action = none();
            }
            22 => {
                let (mut members, room) = (std::ptr::null(), usize::from(input.byte()).min(buffer.len()));
                _ = moq_mls_participant_members(handle, &raw mut members, &raw mut len);
                _ = moq_mls_participant_export_secret(
                    handle,
                    Bytes::of(b"label"),
                    Bytes::ABSENT,
                    buffer.as_mut_ptr(),
                    room,
                );
                _ = moq_mls_identity_secret_key(handle, buffer.as_mut_ptr(), room, &raw mut len);
                *action = none();
            }
            23 => {
                let (host, token) = (input.bytes(), input.bytes());
                let (host, token) = (pointer(host, input), pointer(token, input));
                let out = out_or_null(input, &mut out);
                _ = moq_mls_participant_counter_request(handle, action, host, token, out);
                *action = none();
            }
            24 => {
                let track = input.byte().into();
                _ = moq_mls_participant_key_id_property(handle, track, out_or_null(input, &mut out));
                _ = moq_mls_participant_remove_track(handle, input.byte().into());
                *action = none();
            }
            25 => {
                let lent = out_or_null(input, &mut out);
                _ = match input.byte() % 6 {
                    0 => moq_mls_participant_save_keys(handle, lent),
                    1 => moq_mls_participant_sender_id(handle, lent),
                    2 => moq_mls_participant_status(handle, lent),
                    3 => moq_mls_participant_context_hash(handle, lent),
                    4 => moq_mls_participant_epoch_authenticator(handle, lent),
                    _ => moq_mls_participant_epoch(handle, &raw mut made),
                };
                *action = none();
            }
            26 => {
                _ = moq_mls_participant_sealing_from(handle, input.number(), input.number());
                _ = moq_mls_participant_switch_now(handle, now);
                *action = none();
            }
            27 => {
                let (name, key) = (input.bytes(), input.bytes());
                let (name, key) = (pointer(name, input), pointer(key, input));
                let status = moq_mls_identity_from_secret_key(input.byte().into(), name, key, &raw mut made);
                handles.keep(status, made);
                _ = moq_mls_identity_public_key(handle, buffer.as_mut_ptr(), buffer.len(), &raw mut len);
            }
            28 => {
                let mut config = ServiceConfig::default();
                _ = moq_mls_service_config_default(&raw mut config);
                let key = input.bytes();
                let status = moq_mls_service_new(&raw const config, pointer(key, input), &raw mut made);
                handles.keep(status, made);
            }
            _ => {
                if moq_mls_free(handle) == Status::Ok {
                    handles.good.retain(|good| *good != handle);
                    handles.freed.push(handle);
                }
                *action = none();
            }
        }
    }
}

/// The true size, or a smaller one.
fn size(input: &mut Input<'_>, size: u32) -> u32 {
    match input.byte() {
        byte @ 0..=60 => size.min(u32::from(byte)),
        _ => size,
    }
}

fn track(fields: &[Bytes], input: &mut Input<'_>) -> Track {
    let fields = if input.byte() == 7 { &[][..] } else { fields };
    Track { name_space: Namespace { fields: fields.as_ptr(), len: fields.len() }, name: Bytes::of(b"audio") }
}

fn default_config(group: &[u8]) -> abi::Config {
    let mut config = std::mem::MaybeUninit::<abi::Config>::zeroed();
    let size = u32::try_from(size_of::<abi::Config>()).unwrap_or_default();
    // SAFETY: integers and pointers, of which all zeros are a value; the group outlives the call.
    unsafe {
        (*config.as_mut_ptr()).size = size;
        _ = moq_mls_config_default(Bytes::of(group), config.as_mut_ptr());
        config.assume_init()
    }
}

fn spoil(config: &mut abi::Config, input: &mut Input<'_>) {
    match input.byte() {
        0 => config.mode = input.byte().into(),
        1 => config.size = input.byte().into(),
        2 => config.admission = 99,
        3 => config.limits.returns = u64::MAX,
        4 => config.group = Bytes::ABSENT,
        5 => config.adders = abi::Committers { only: 1, senders: std::ptr::null(), len: 3 },
        _ => {}
    }
}

/// Makes an event of anything, and passes it on.
fn with_event<T>(input: &mut Input<'_>, work: impl FnOnce(*const Event) -> T) -> T {
    if input.byte() == 3 {
        return work(std::ptr::null());
    }
    let kind = u32::from(input.byte() % 36);
    let id = input.number();
    let first = input.bytes();
    let first = pointer(first, input);
    let second = input.bytes();
    let second = pointer(second, input);
    let sender = "a".repeat(64);
    let sender = if input.byte() < 128 { Bytes::of(sender.as_bytes()) } else { first };
    let fields = [Bytes::of(b"room"), Bytes::of(b"keypackages")];
    let name_space = Namespace { fields: fields.as_ptr(), len: usize::from(input.byte() % 3) };
    let (group_id, object_id) = (input.number(), input.number());
    let object = Object { track: Track { name_space, name: sender }, group_id, object_id, payload: first };
    let state =
        CounterState { current: input.number(), pin: first, receipt: second, pin_forgotten: input.byte() };
    let several = [object, object];
    let body = match abi::EventKind::from_number(kind) {
        Some(abi::EventKind::Admit) => {
            let credential = Credential { kind: 1, data: first };
            EventBody { admit: abi::Admit { sender, credential, key_package_ref: second, replacing: second } }
        }
        Some(abi::EventKind::Object) => EventBody { object },
        Some(abi::EventKind::Fetched) => {
            EventBody { objects: abi::Objects { data: several.as_ptr(), len: usize::from(input.byte() % 3) } }
        }
        Some(abi::EventKind::LockGranted) => {
            EventBody { lock: abi::LockGranted { lock_id: first, expires_in_ms: input.number() } }
        }
        Some(
            abi::EventKind::LockCounterError
            | abi::EventKind::Incremented
            | abi::EventKind::IncrementCounterError
            | abi::EventKind::IncrementWrongKey
            | abi::EventKind::CommitCounterError,
        ) => EventBody { state },
        Some(abi::EventKind::CommitFound) => EventBody { commit: abi::CommitFound { state, commit: second } },
        Some(abi::EventKind::Failed) => {
            let (request, failure) = (input.byte().into(), input.byte().into());
            EventBody { failed: abi::Failed { request, failure, code: input.number() } }
        }
        Some(abi::EventKind::PeerAuthenticator) => {
            let epoch = input.number();
            EventBody { authenticator: abi::PeerAuthenticator { peer: sender, epoch, authenticator: first } }
        }
        Some(abi::EventKind::MediaOpened) => {
            EventBody { peer: abi::PeerEpoch { peer: sender, epoch: input.number() } }
        }
        Some(
            abi::EventKind::LockConflict
            | abi::EventKind::MediaAhead
            | abi::EventKind::ServiceTime
            | abi::EventKind::RetryAfter
            | abi::EventKind::LockRefused
            | abi::EventKind::IncrementRefused
            | abi::EventKind::CommitRefused,
        ) => EventBody { epoch: input.number() },
        Some(
            abi::EventKind::Join
            | abi::EventKind::Refuse
            | abi::EventKind::Add
            | abi::EventKind::Remove
            | abi::EventKind::Gone
            | abi::EventKind::Update
            | abi::EventKind::Follow
            | abi::EventKind::Leave
            | abi::EventKind::Subscribed
            | abi::EventKind::Published
            | abi::EventKind::Timer,
        )
        | None => EventBody { sender },
    };
    let size = size(input, u32::try_from(size_of::<Event>()).unwrap_or_default());
    let event = Event { size, kind, id, body };
    work(&raw const event)
}
