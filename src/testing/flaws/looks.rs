//! What a deliberate bug looks at, and how it deceives its participant.

use bytes::Bytes;

use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply, Pin};
use crate::engine::Engine;
use crate::event::{Event, Object};
use crate::participant::Participant;
use crate::time::Timestamp;
use crate::tracks::{KEY_PACKAGE_GROUP, TrackKind};

/// Names the request that an event answers, of those that may be swallowed.
pub(super) fn request(event: &Event) -> Option<u64> {
    match event {
        Event::PublishReply { id, .. } => Some(id.0),
        Event::LockReply { id, .. } => Some(id.0),
        Event::IncrementReply { id, .. } => Some(id.0),
        _ => None,
    }
}

pub(super) fn is_lock(event: &Event) -> bool {
    matches!(event, Event::LockReply { reply: Ok(LockReply::Ok { .. }), .. })
}

pub(super) fn decided(slot: u64, pin: Pin) -> CounterState {
    CounterState { current: slot.saturating_add(1), pin: Some(pin), receipt: None, pin_forgotten: false }
}

/// Whether an object is the participant's own undecided commit.
pub(super) fn is_own<E: Engine>(participant: &Participant<E>, object: &Object) -> bool {
    participant.inside().outbox.is_some_and(|(commit, ..)| commit == object.payload)
}

/// Returns whether an object lets a joiner in: a Welcome, or the tree that goes with it.
pub(super) fn is_welcome<E: Engine>(participant: &Participant<E>, object: &Object) -> bool {
    let kind = participant.tracks().classify(&object.track);
    matches!(kind, Some(TrackKind::Welcome(_) | TrackKind::Tree(_)))
}

/// Others' commits of the present epoch that an event brings, as far as their places tell.
pub(super) fn commits<'a, E: Engine>(
    participant: &'a Participant<E>,
    event: &'a Event,
) -> impl Iterator<Item = &'a Bytes> {
    let objects = match event {
        Event::Object(object) => std::slice::from_ref(object),
        Event::FetchReply { reply: Ok(objects), .. } => objects,
        _ => &[],
    };
    let present = |object: &&Object| {
        let place = object.location;
        Some(place.group_id) == participant.epoch()
            && place.object_id.is_multiple_of(2)
            && matches!(participant.tracks().classify(&object.track), Some(TrackKind::Commit(_)))
            && !is_own(participant, object)
    };
    objects.iter().filter(present).map(|object| &object.payload)
}

/// Changes the lock of a pin that the service tells into the one that the keys at hand make.
pub(super) fn fit_locks<E: Engine>(participant: &mut Participant<E>, now: Timestamp, event: &mut Event) {
    let state = match event {
        Event::LockReply { reply: Ok(LockReply::CounterError(state)), .. }
        | Event::IncrementReply {
            reply: Ok(IncrementReply::Ok(state) | IncrementReply::CounterError(state)),
            ..
        }
        | Event::CommitReply {
            reply: Ok(CommitReply::Found { state, .. } | CommitReply::CounterError(state)),
            ..
        } => state,
        _ => return,
    };
    if let Some(pin) = &mut state.pin {
        *pin = participant.fit_lock(now, pin);
    }
}

/// Lets a KeyPackage wait for a commit without a look at how old it is.
pub(super) fn take_key_package<E: Engine>(participant: &mut Participant<E>, now: Timestamp, event: &Event) {
    let Event::Object(object) = event else { return };
    let Some(TrackKind::KeyPackage(sender)) = participant.tracks().classify(&object.track) else { return };
    let place = object.location;
    if participant.group().is_none()
        || sender == *participant.sender_id()
        || place.group_id != KEY_PACKAGE_GROUP
    {
        return;
    }
    let Ok(Ok(info)) = participant.engine().inspect_key_package(now, &object.payload) else { return };
    if info.sender == sender && info.object_id.is_none_or(|object_id| object_id == place.object_id) {
        participant.let_wait(object.payload.clone(), info, place.object_id);
    }
}
