//! What the caller passes in, as the boundary has it: copied, and checked.

use std::mem::size_of_val;

use moq_mls_boundary::action::Action;
use moq_mls_boundary::values::{CounterState, Credential, Object, SecretBytes, TrackName};
use moq_mls_boundary::{Config, Event, Status};

use crate::abi;
use crate::fail::Fail;
use crate::raw;

/// Copies a credential.
///
/// # Safety
/// Its pointers are valid.
pub(crate) unsafe fn credential(of: abi::Credential) -> Result<Credential, Fail> {
    // SAFETY: by the caller.
    Ok(Credential { kind: of.kind, data: unsafe { raw::owned(of.data) }? })
}

/// Copies the fields of a namespace.
///
/// # Safety
/// Its pointers are valid.
pub(crate) unsafe fn fields(of: abi::Namespace) -> Result<Vec<bytes::Bytes>, Fail> {
    // SAFETY: by the caller.
    let fields = unsafe { raw::array(of.fields, of.len) }?;
    // SAFETY: by the caller.
    fields.iter().map(|field| unsafe { raw::owned(*field) }).collect()
}

/// Copies a track name.
///
/// # Safety
/// Its pointers are valid.
pub(crate) unsafe fn track(of: abi::Track) -> Result<TrackName, Fail> {
    // SAFETY: by the caller.
    Ok(TrackName { namespace: unsafe { fields(of.name_space) }?, name: unsafe { raw::owned(of.name) }? })
}

/// Copies an object.
///
/// # Safety
/// Its pointers are valid.
pub(crate) unsafe fn object(of: abi::Object) -> Result<Object, Fail> {
    let abi::Object { track: name, group_id, object_id, payload } = of;
    // SAFETY: by the caller.
    let (track, payload) = unsafe { (track(name)?, raw::owned(payload)?) };
    Ok(Object { track, group_id, object_id, payload })
}

/// Copies a counter's state.
///
/// # Safety
/// Its pointers are valid.
unsafe fn state(of: abi::CounterState) -> Result<CounterState, Fail> {
    let abi::CounterState { current, pin, receipt, pin_forgotten } = of;
    Ok(CounterState {
        current,
        // SAFETY: by the caller.
        pin: unsafe { raw::owned_optional(pin) }?,
        // SAFETY: by the caller.
        receipt: unsafe { raw::owned_optional(receipt) }?,
        pin_forgotten: pin_forgotten != 0,
    })
}

/// Refuses a struct that is too small for what its kind has.
fn reaches(size: usize, start: usize, member: usize, kind: u32) -> Result<(), Fail> {
    let needed = start.saturating_add(member);
    if size < needed {
        let message = format!("a size of {size}, where kind {kind} needs {needed}");
        return Err(Fail::new(Status::InvalidSize, message));
    }
    Ok(())
}

/// Copies an event.
///
/// # Safety
/// `at` is null or points to an event whose pointers are valid.
pub(crate) unsafe fn event(at: *const abi::Event) -> Result<Event, Fail> {
    use abi::EventKind as Kind;
    // SAFETY: by the caller.
    let (event, size) = unsafe { raw::read(at) }?;
    let abi::Event { kind: number, id, body, .. } = event;
    let unknown = || Fail::new(Status::UnknownCode, format!("{number} is no kind of event"));
    let start = std::mem::offset_of!(abi::Event, body);
    // Takes the member of the body that the kind has. Every bit pattern is a value of each, and the caller's own
    // header says which kind has which.
    macro_rules! member {
        ($name:ident) => {{
            // SAFETY: every member is integers and pointers, for which all bits are values.
            let member = unsafe { body.$name };
            reaches(size, start, size_of_val(&member), number)?;
            member
        }};
    }
    // Copies what a pointer in the event leads to.
    macro_rules! copy {
        ($copy:path, $name:ident) => {{
            let member = member!($name);
            // SAFETY: by the caller, the pointers in the member of its kind are valid.
            unsafe { $copy(member) }?
        }};
    }
    Ok(match Kind::from_number(number).ok_or_else(unknown)? {
        Kind::Join => Event::Join,
        Kind::Admit => {
            let admit = member!(admit);
            // SAFETY: by the caller.
            unsafe { to_admit(admit) }?
        }
        Kind::Refuse => Event::Refuse { sender: copy!(raw::owned, sender) },
        Kind::Add => Event::Add { key_package: copy!(raw::owned, key_package) },
        Kind::Remove => Event::Remove { sender: copy!(raw::owned, sender) },
        Kind::Gone => Event::Gone { sender: copy!(raw::owned, sender) },
        Kind::Update => Event::Update,
        Kind::Follow => Event::Follow { group: copy!(raw::owned, group) },
        Kind::Leave => Event::Leave,
        Kind::Object => Event::Object(copy!(object, object)),
        Kind::Subscribed => Event::Subscribed { id },
        Kind::Published => Event::Published { id },
        Kind::Fetched => Event::Fetched { id, objects: copy!(objects, objects) },
        Kind::LockGranted => {
            let abi::LockGranted { lock_id, expires_in_ms } = member!(lock);
            // SAFETY: by the caller.
            Event::LockGranted { id, lock_id: unsafe { raw::owned_optional(lock_id) }?, expires_in_ms }
        }
        Kind::LockConflict => Event::LockConflict { id, retry_later_ms: member!(retry_later_ms) },
        Kind::LockCounterError => Event::LockCounterError { id, state: copy!(state, state) },
        Kind::LockRefused => Event::LockRefused { id, reason: member!(reason).try_into()? },
        Kind::Incremented => Event::Incremented { id, state: copy!(state, state) },
        Kind::IncrementCounterError => Event::IncrementCounterError { id, state: copy!(state, state) },
        Kind::IncrementWrongKey => Event::IncrementWrongKey { id, state: copy!(state, state) },
        Kind::IncrementRefused => Event::IncrementRefused { id, reason: member!(reason).try_into()? },
        Kind::CommitFound => {
            let abi::CommitFound { state: stands, commit } = member!(commit);
            // SAFETY: by the caller.
            let (state, commit) = unsafe { (state(stands)?, raw::owned(commit)?) };
            Event::CommitFound { id, state, commit }
        }
        Kind::CommitCounterError => Event::CommitCounterError { id, state: copy!(state, state) },
        Kind::CommitRefused => Event::CommitRefused { id, reason: member!(reason).try_into()? },
        Kind::Failed => {
            let abi::Failed { request, failure, code } = member!(failed);
            Event::Failed { request: request.try_into()?, id, failure: failure.try_into()?, code }
        }
        Kind::PeerAuthenticator => {
            let abi::PeerAuthenticator { peer, epoch, authenticator } = member!(authenticator);
            // SAFETY: by the caller.
            let (peer, authenticator) = unsafe { (raw::owned(peer)?, raw::owned(authenticator)?) };
            Event::PeerAuthenticator { peer, epoch, authenticator }
        }
        Kind::MediaOpened => {
            let abi::PeerEpoch { peer, epoch } = member!(peer);
            // SAFETY: by the caller.
            Event::MediaOpened { peer: unsafe { raw::owned(peer) }?, epoch }
        }
        Kind::MediaAhead => Event::MediaAhead { epoch: member!(epoch) },
        Kind::ServiceTime => Event::ServiceTime { time_ms: member!(time_ms) },
        Kind::RetryAfter => Event::RetryAfter { wait_ms: member!(wait_ms) },
        Kind::Timer => Event::Timer,
    })
}

/// Copies who is admitted.
///
/// # Safety
/// Its pointers are valid.
unsafe fn to_admit(of: abi::Admit) -> Result<Event, Fail> {
    let abi::Admit { sender, credential: shown, key_package_ref, replacing } = of;
    // SAFETY: by the caller.
    unsafe {
        Ok(Event::Admit {
            sender: raw::owned(sender)?,
            credential: credential(shown)?,
            key_package_ref: raw::owned_optional(key_package_ref)?,
            replacing: raw::owned_optional(replacing)?,
        })
    }
}

/// Copies objects.
///
/// # Safety
/// Its pointers are valid.
unsafe fn objects(of: abi::Objects) -> Result<Vec<Object>, Fail> {
    // SAFETY: by the caller.
    let objects = unsafe { raw::array(of.data, of.len) }?;
    // SAFETY: by the caller.
    objects.iter().map(|one| unsafe { object(*one) }).collect()
}

/// Copies an action that asks the counter service for something. Any other is [`Status::NoCounterRequest`].
///
/// # Safety
/// `at` is null or points to an action whose pointers are valid.
pub(crate) unsafe fn counter_action(at: *const abi::Action) -> Result<Action, Fail> {
    use abi::ActionKind as Kind;
    // SAFETY: by the caller.
    let (action, size) = unsafe { raw::read(at) }?;
    let abi::Action { kind: number, id, body, .. } = action;
    let unknown = || Fail::new(Status::UnknownCode, format!("{number} is no kind of action"));
    let kind = Kind::from_number(number).ok_or_else(unknown)?;
    let start = std::mem::offset_of!(abi::Action, body);
    match kind {
        Kind::Lock | Kind::GetCommit => {
            // SAFETY: integers and pointers, for which all bits are values.
            let request = unsafe { body.counter };
            reaches(size, start, size_of_val(&request), number)?;
            // SAFETY: by the caller.
            let counter = unsafe { raw::owned(request.counter) }?;
            let val = request.val;
            Ok(if kind == Kind::Lock {
                Action::Lock { id, counter, val }
            } else {
                Action::GetCommit { id, counter, val }
            })
        }
        Kind::Increment => {
            // SAFETY: integers and pointers, for which all bits are values.
            let request = unsafe { body.increment };
            reaches(size, start, size_of_val(&request), number)?;
            let abi::Increment { counter, val, lock_id, prev, pin, key, commit } = request;
            // SAFETY: by the caller.
            unsafe {
                Ok(Action::Increment {
                    id,
                    counter: raw::owned(counter)?,
                    val: (val.present != 0).then_some(val.value),
                    lock_id: raw::owned_optional(lock_id)?,
                    prev: raw::owned_optional(prev)?,
                    pin: raw::owned_optional(pin)?,
                    key: raw::owned_optional(key)?.map(SecretBytes),
                    commit: raw::owned_optional(commit)?,
                })
            }
        }
        Kind::None
        | Kind::Persist
        | Kind::Announce
        | Kind::SubscribeNamespace
        | Kind::Subscribe
        | Kind::Unsubscribe
        | Kind::Fetch
        | Kind::Publish
        | Kind::Notify
        | Kind::Keys => Err(moq_mls_boundary::Error::NoCounterRequest.into()),
    }
}

/// Copies members by their SenderIds; `None` for all.
///
/// # Safety
/// Its pointers are valid.
unsafe fn committers(of: abi::Committers) -> Result<Option<Vec<bytes::Bytes>>, Fail> {
    if of.only == 0 {
        return Ok(None);
    }
    // SAFETY: by the caller.
    let senders = unsafe { raw::array(of.senders, of.len) }?;
    // SAFETY: by the caller.
    let owned = senders.iter().map(|sender| unsafe { raw::owned(*sender) });
    owned.collect::<Result<_, _>>().map(Some)
}

/// Copies a configuration.
///
/// # Safety
/// `at` is null or points to a configuration whose pointers are valid.
pub(crate) unsafe fn config(at: *const abi::Config) -> Result<Config, Fail> {
    // SAFETY: by the caller.
    let (config, _) = unsafe { raw::read(at) }?;
    let abi::Config {
        size: _,
        mode,
        commit_tracks,
        admission,
        group,
        service_key,
        adders,
        removers,
        most_adds,
        most_removes,
        most_bytes,
        tree_threshold,
        tree_objects,
        successor,
        follow_offers,
        limits,
        timers,
        keys,
    } = config;
    Ok(Config {
        // SAFETY: by the caller.
        group: unsafe { raw::owned(group) }?,
        mode: mode.try_into()?,
        commit_tracks: commit_tracks.try_into()?,
        tree_objects: tree_objects != 0,
        // SAFETY: by the caller.
        service_key: unsafe { raw::owned_optional(service_key) }?,
        admission: admission.try_into()?,
        // SAFETY: by the caller.
        adders: unsafe { committers(adders) }?,
        // SAFETY: by the caller.
        removers: unsafe { committers(removers) }?,
        most_adds,
        most_removes,
        most_bytes,
        tree_threshold,
        successor: successor != 0,
        follow_offers: follow_offers != 0,
        limits,
        timers,
        keys,
    })
}

/// Copies the track name that a pointer leads to.
///
/// # Safety
/// `at` is null or points to a track name whose pointers are valid.
pub(crate) unsafe fn track_at(at: *const abi::Track) -> Result<TrackName, Fail> {
    // SAFETY: by the caller.
    let name = unsafe { raw::one(at, "a track name") }?;
    // SAFETY: by the caller.
    unsafe { track(name) }
}
