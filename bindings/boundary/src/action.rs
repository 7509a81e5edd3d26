//! Everything that a participant can ask for, one kind each.

use bytes::Bytes;
use moq_mls::Action as CoreAction;
use moq_mls::action::FetchTarget;
use moq_mls::counter::{CommitRequest, IncrementRequest, LockRequest};

use crate::codes::{ForgetReason, RequestKind, Silence, SwitchReason};
use crate::error::Error;
use crate::notice::Notice;
use crate::values::{Object, SecretBytes, TrackName, group_bytes, pin_bytes, to_group, to_pin};

/// One thing to do. Do them strictly in order, and answer each that has an `id`, but `Unsubscribe`, by exactly one event
/// with that id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Make these bytes durable before the next action is done. They hold private keys.
    Persist {
        /// What `restore` takes.
        snapshot: SecretBytes,
    },
    /// Say that tracks under this namespace will be published from here.
    Announce {
        /// The fields of the namespace.
        namespace: Vec<Bytes>,
    },
    /// Subscribe to every track under a namespace, present and future.
    SubscribeNamespace {
        /// For the answer.
        id: u64,
        /// The fields of the namespace.
        namespace: Vec<Bytes>,
    },
    /// Subscribe to one track, from the oldest object that the relay has. Own objects must come back.
    Subscribe {
        /// For the answer.
        id: u64,
        /// The track.
        track: TrackName,
    },
    /// End a subscription. It wants no answer.
    Unsubscribe {
        /// The id of the subscription.
        id: u64,
    },
    /// Read what the relay still has.
    Fetch {
        /// For the answer.
        id: u64,
        /// The fields of the namespace.
        namespace: Vec<Bytes>,
        /// The track's name; `None` for every track under the namespace.
        name: Option<Bytes>,
        /// The first MOQT group wanted.
        first_group: u64,
        /// The last MOQT group wanted.
        last_group: u64,
    },
    /// Publish an object.
    Publish {
        /// For the answer.
        id: u64,
        /// The object.
        object: Object,
    },
    /// Ask the counter service for a lock.
    Lock {
        /// For the answer.
        id: u64,
        /// The counter's id: the group name.
        counter: Bytes,
        /// The value expected to be set next.
        val: u64,
    },
    /// Ask the counter service to fill a slot.
    Increment {
        /// For the answer.
        id: u64,
        /// The counter's id: the group name.
        counter: Bytes,
        /// The slot; `None` from a client that knows only the draft.
        val: Option<u64>,
        /// The token of the lock.
        lock_id: Option<Bytes>,
        /// The pin of the slot before.
        prev: Option<Bytes>,
        /// The pin to record.
        pin: Option<Bytes>,
        /// What opens the slot lock in `prev`.
        key: Option<SecretBytes>,
        /// The payload of the Commit object.
        commit: Option<Bytes>,
    },
    /// Ask the counter service which commit filled a slot.
    GetCommit {
        /// For the answer.
        id: u64,
        /// The counter's id: the group name.
        counter: Bytes,
        /// The slot.
        val: u64,
    },
    /// News for the embedder.
    Notify(Notice),
    /// News of the media keys. Store `Participant::save_keys` now, if keys are stored at all.
    Keys(KeysNotice),
}

/// News of the media keys, which the boundary manages for all tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeysNotice {
    /// Objects under this Key ID can be opened from now on.
    EpochReady {
        /// The epoch.
        epoch: u64,
    },
    /// Objects are sealed with this epoch from now on.
    SendWith {
        /// The epoch.
        epoch: u64,
        /// Why now.
        reason: SwitchReason,
    },
    /// Nothing is sealed from now on, until the next `SendWith`.
    Silent {
        /// Why.
        reason: Silence,
    },
    /// This epoch's secret is erased.
    Forgotten {
        /// The epoch.
        epoch: u64,
        /// Why.
        reason: ForgetReason,
    },
}

impl Action {
    /// Returns what kind of answer this action wants, and under which id; `None` if it wants none.
    pub fn request(&self) -> Option<(RequestKind, u64)> {
        match self {
            Self::Subscribe { id, .. } | Self::SubscribeNamespace { id, .. } => {
                Some((RequestKind::Subscribe, *id))
            }
            Self::Fetch { id, .. } => Some((RequestKind::Fetch, *id)),
            Self::Publish { id, .. } => Some((RequestKind::Publish, *id)),
            Self::Lock { id, .. } => Some((RequestKind::Lock, *id)),
            Self::Increment { id, .. } => Some((RequestKind::Increment, *id)),
            Self::GetCommit { id, .. } => Some((RequestKind::GetCommit, *id)),
            Self::Persist { .. }
            | Self::Announce { .. }
            | Self::Unsubscribe { .. }
            | Self::Notify(_)
            | Self::Keys(_) => None,
        }
    }
}

impl From<CoreAction> for Action {
    fn from(core: CoreAction) -> Self {
        match core {
            CoreAction::Persist(snapshot) => Self::Persist { snapshot: SecretBytes(snapshot.to_bytes()) },
            CoreAction::Announce { namespace } => Self::Announce { namespace: namespace.fields().to_vec() },
            CoreAction::SubscribeNamespace { id, namespace } => {
                Self::SubscribeNamespace { id: id.0, namespace: namespace.fields().to_vec() }
            }
            CoreAction::Subscribe { id, track } => Self::Subscribe { id: id.0, track: track.into() },
            CoreAction::Unsubscribe { id } => Self::Unsubscribe { id: id.0 },
            CoreAction::Fetch { id, target, groups } => {
                let (namespace, name) = match target {
                    FetchTarget::Track(track) => (track.namespace, Some(track.name)),
                    FetchTarget::Namespace(namespace) => (namespace, None),
                };
                let (first_group, last_group) = groups.into_inner();
                let namespace = namespace.fields().to_vec();
                Self::Fetch { id: id.0, namespace, name, first_group, last_group }
            }
            CoreAction::Publish { id, object } => Self::Publish { id: id.0, object: object.into() },
            CoreAction::Lock { id, request: LockRequest { counter, val } } => {
                Self::Lock { id: id.0, counter: group_bytes(&counter), val }
            }
            CoreAction::Increment { id, request } => {
                let IncrementRequest { counter, val, lock_id, prev, pin, key, commit } = request;
                Self::Increment {
                    id: id.0,
                    counter: group_bytes(&counter),
                    val,
                    lock_id,
                    prev: prev.map(pin_bytes),
                    pin: pin.map(pin_bytes),
                    key: key.map(SecretBytes),
                    commit,
                }
            }
            CoreAction::GetCommit { id, request: CommitRequest { counter, val } } => {
                Self::GetCommit { id: id.0, counter: group_bytes(&counter), val }
            }
            CoreAction::Notify(notice) => Self::Notify(notice.into()),
        }
    }
}

/// A request to the counter service, as the core has it.
#[expect(clippy::large_enum_variant, reason = "taken apart at once")]
pub(crate) enum CounterRequest {
    Lock(LockRequest),
    Increment(IncrementRequest),
    Commit(CommitRequest),
}

impl TryFrom<Action> for (u64, CounterRequest) {
    type Error = Error;

    fn try_from(action: Action) -> Result<Self, Error> {
        Ok(match action {
            Action::Lock { id, counter, val } => {
                (id, CounterRequest::Lock(LockRequest { counter: to_group(counter)?, val }))
            }
            Action::Increment { id, counter, val, lock_id, prev, pin, key, commit } => {
                let request = IncrementRequest {
                    counter: to_group(counter)?,
                    val,
                    lock_id,
                    prev: prev.map(to_pin).transpose()?,
                    pin: pin.map(to_pin).transpose()?,
                    key: key.map(|key| key.0),
                    commit,
                };
                (id, CounterRequest::Increment(request))
            }
            Action::GetCommit { id, counter, val } => {
                (id, CounterRequest::Commit(CommitRequest { counter: to_group(counter)?, val }))
            }
            Action::Persist { .. }
            | Action::Announce { .. }
            | Action::SubscribeNamespace { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::Fetch { .. }
            | Action::Publish { .. }
            | Action::Notify(_)
            | Action::Keys(_) => return Err(Error::NoCounterRequest),
        })
    }
}
