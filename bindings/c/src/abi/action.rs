//! Actions.

use super::{Bytes, Namespace, Notice, Object, OptionalNumber, Track};

/// What to do. A kind says which member of the body it has.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// There is nothing to do for now.
    None = 0,
    /// Make these bytes durable before the next action is done: `snapshot`. They hold private keys.
    Persist = 1,
    /// Say that tracks under this namespace will be published from here: `name_space`.
    Announce = 2,
    /// Subscribe to every track under a namespace, present and future: `name_space`.
    SubscribeNamespace = 3,
    /// Subscribe to one track, from the oldest object that the relay has: `track`. Own objects must come back.
    Subscribe = 4,
    /// End the subscription of that id. It wants no answer.
    Unsubscribe = 5,
    /// Read what the relay still has: `fetch`.
    Fetch = 6,
    /// Publish an object: `object`.
    Publish = 7,
    /// Ask the counter service for a lock: `counter`.
    Lock = 8,
    /// Ask the counter service to fill a slot: `increment`.
    Increment = 9,
    /// Ask the counter service which commit filled a slot: `counter`.
    GetCommit = 10,
    /// News for the embedder: `notice`.
    Notify = 11,
    /// News of the media keys: `keys`. Store `save_keys` now, if keys are stored at all.
    Keys = 12,
}

kinds!(ActionKind {
    None,
    Persist,
    Announce,
    SubscribeNamespace,
    Subscribe,
    Unsubscribe,
    Fetch,
    Publish,
    Lock,
    Increment,
    GetCommit,
    Notify,
    Keys
});

/// What to fetch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// The track. Without a name: every track under the namespace.
    pub track: Track,
    /// The first MOQT group wanted.
    pub first_group: u64,
    /// The last MOQT group wanted.
    pub last_group: u64,
}

/// What to ask a counter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CounterRequest {
    /// The counter's id: the group name.
    pub counter: Bytes,
    /// Of a lock, the value expected to be set next; of a commit request, the slot.
    pub val: u64,
}

/// What to record in a slot.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Increment {
    /// The counter's id: the group name.
    pub counter: Bytes,
    /// The slot; absent where the draft's bare API is used.
    pub val: OptionalNumber,
    /// The token of the lock; may be absent.
    pub lock_id: Bytes,
    /// The pin of the slot before; may be absent.
    pub prev: Bytes,
    /// The pin to record; may be absent.
    pub pin: Bytes,
    /// What opens the slot lock in `prev`; may be absent. Only the service may see it.
    pub key: Bytes,
    /// The payload of the Commit object; may be absent.
    pub commit: Bytes,
}

/// What the news of the media keys is.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysNoticeKind {
    /// Objects under this Key ID can be opened from now on.
    EpochReady = 1,
    /// Objects are sealed with this epoch from now on; the reason is a `SwitchReason`.
    SendWith = 2,
    /// Nothing is sealed from now on; the reason is a `Silence`.
    Silent = 3,
    /// This epoch's secret is erased; the reason is a `ForgetReason`.
    Forgotten = 4,
}

kinds!(KeysNoticeKind { EpochReady, SendWith, Silent, Forgotten });

/// News of the media keys.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KeysNotice {
    /// What it is, a `KeysNoticeKind`.
    pub kind: u32,
    /// Why, by its kind; else 0.
    pub reason: u32,
    /// The epoch; 0 while nothing is sealed.
    pub epoch: u64,
}

/// What an action of its kind has.
#[repr(C)]
#[derive(Clone, Copy)]
pub union ActionBody {
    /// What to make durable.
    pub snapshot: Bytes,
    /// A namespace.
    pub name_space: Namespace,
    /// A track.
    pub track: Track,
    /// What to fetch.
    pub fetch: Fetch,
    /// An object.
    pub object: Object,
    /// What to ask a counter.
    pub counter: CounterRequest,
    /// What to record in a slot.
    pub increment: Increment,
    /// News for the embedder.
    pub notice: Notice,
    /// News of the media keys.
    pub keys: KeysNotice,
}

/// One thing to do. Set `size` to `sizeof` of this struct before it is filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Action {
    /// The size of this struct as the caller knows it, bytes.
    pub size: u32,
    /// What to do, an `ActionKind`.
    pub kind: u32,
    /// What kind of answer it wants, a `RequestKind`; 0 if none. An action of a kind that the caller does not know, and
    /// that wants an answer, is answered by `Failed` with `NotSent`.
    pub request: u32,
    /// For the answer.
    pub id: u64,
    /// What an action of its kind has.
    pub body: ActionBody,
}
