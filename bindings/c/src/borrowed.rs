//! What a handle has lent to its caller: the last action, event or bytes, and the arrays that lead to them.

mod notice;

use bytes::Bytes;
use moq_mls_boundary::action::{Action, KeysNotice};
use moq_mls_boundary::values::{CounterState, Credential, Object, SecretBytes, TrackName};
use moq_mls_boundary::{Event, Member};
use zeroize::Zeroizing;

use crate::abi;

/// What pointers given out lead to. It is replaced by the next call that lends something.
///
/// A pointer leads into a [`Bytes`], a `Vec` or a buffer of the participant, and these stay where they are when this
/// value is moved.
#[derive(Default)]
pub(crate) struct Borrowed {
    action: Option<Action>,
    event: Option<Event>,
    bytes: Bytes,
    secret: Zeroizing<Vec<u8>>,
    members: (Vec<Member>, Vec<abi::Member>),
    fields: Vec<Vec<abi::Bytes>>,
    credentials: Vec<abi::Credential>,
    objects: Vec<abi::Object>,
}

// SAFETY: its pointers lead to what it owns itself, and nobody here follows them.
unsafe impl Send for Borrowed {}

/// Describes an optional credential; kind 0 stands for none.
fn maybe_credential(credential: Option<&Credential>) -> abi::Credential {
    match credential {
        Some(Credential { kind, data }) => abi::Credential { kind: *kind, data: abi::Bytes::of(data) },
        None => abi::Credential { kind: 0, data: abi::Bytes::ABSENT },
    }
}

fn credential(credential: &Credential) -> abi::Credential {
    maybe_credential(Some(credential))
}

fn state(state: &CounterState) -> abi::CounterState {
    let CounterState { current, pin, receipt, pin_forgotten } = state;
    abi::CounterState {
        current: *current,
        pin: abi::Bytes::maybe(pin.as_ref()),
        receipt: abi::Bytes::maybe(receipt.as_ref()),
        pin_forgotten: u8::from(*pin_forgotten),
    }
}

/// Returns the size of a struct of the header.
fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

impl Borrowed {
    /// Forgets what was lent.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Lends bytes.
    pub(crate) fn bytes(&mut self, bytes: Bytes) -> abi::Bytes {
        self.clear();
        self.bytes = bytes;
        abi::Bytes::of(&self.bytes)
    }

    /// Lends secret bytes, which are overwritten when they are not lent any more.
    pub(crate) fn secret(&mut self, bytes: &[u8]) -> abi::Bytes {
        self.clear();
        self.secret = Zeroizing::new(bytes.to_vec());
        abi::Bytes::of(&self.secret)
    }

    /// Lends members: the first, and how many there are.
    pub(crate) fn members(&mut self, members: Vec<Member>) -> (*const abi::Member, usize) {
        self.clear();
        let flat = |Member { leaf_index, sender, credential: c }: &Member| abi::Member {
            leaf_index: *leaf_index,
            sender: abi::Bytes::of(sender),
            credential: credential(c),
        };
        let shown = members.iter().map(flat).collect();
        self.members = (members, shown);
        (self.members.1.as_ptr(), self.members.1.len())
    }

    fn name_space(&mut self, fields: &[Bytes]) -> abi::Namespace {
        let fields: Vec<abi::Bytes> = fields.iter().map(|field| abi::Bytes::of(field)).collect();
        let name_space = abi::Namespace { fields: fields.as_ptr(), len: fields.len() };
        self.fields.push(fields);
        name_space
    }

    fn track(&mut self, track: &TrackName) -> abi::Track {
        let TrackName { namespace, name } = track;
        abi::Track { name_space: self.name_space(namespace), name: abi::Bytes::of(name) }
    }

    fn object(&mut self, object: &Object) -> abi::Object {
        let Object { track, group_id, object_id, payload } = object;
        abi::Object {
            track: self.track(track),
            group_id: *group_id,
            object_id: *object_id,
            payload: abi::Bytes::of(payload),
        }
    }

    /// Lends an action; `None` is the kind `None`.
    pub(crate) fn action(&mut self, action: Option<Action>) -> abi::Action {
        use abi::{ActionBody as Body, ActionKind as Kind};
        self.clear();
        let request = action.as_ref().and_then(Action::request);
        let (kind, id, body) = match &action {
            None => (Kind::None, 0, Body { snapshot: abi::Bytes::ABSENT }),
            Some(Action::Persist { snapshot: SecretBytes(bytes) }) => {
                (Kind::Persist, 0, Body { snapshot: abi::Bytes::of(bytes) })
            }
            Some(Action::Announce { namespace }) => {
                (Kind::Announce, 0, Body { name_space: self.name_space(namespace) })
            }
            Some(Action::SubscribeNamespace { id, namespace }) => {
                (Kind::SubscribeNamespace, *id, Body { name_space: self.name_space(namespace) })
            }
            Some(Action::Subscribe { id, track }) => {
                (Kind::Subscribe, *id, Body { track: self.track(track) })
            }
            Some(Action::Unsubscribe { id }) => {
                (Kind::Unsubscribe, *id, Body { snapshot: abi::Bytes::ABSENT })
            }
            Some(Action::Fetch { id, namespace, name, first_group, last_group }) => {
                let name_space = self.name_space(namespace);
                let track = abi::Track { name_space, name: abi::Bytes::maybe(name.as_ref()) };
                let fetch = abi::Fetch { track, first_group: *first_group, last_group: *last_group };
                (Kind::Fetch, *id, Body { fetch })
            }
            Some(Action::Publish { id, object }) => {
                (Kind::Publish, *id, Body { object: self.object(object) })
            }
            Some(Action::Lock { id, counter, val }) => {
                let counter = abi::CounterRequest { counter: abi::Bytes::of(counter), val: *val };
                (Kind::Lock, *id, Body { counter })
            }
            Some(Action::Increment { id, counter, val, lock_id, prev, pin, key, commit }) => {
                let increment = abi::Increment {
                    counter: abi::Bytes::of(counter),
                    val: (*val).into(),
                    lock_id: abi::Bytes::maybe(lock_id.as_ref()),
                    prev: abi::Bytes::maybe(prev.as_ref()),
                    pin: abi::Bytes::maybe(pin.as_ref()),
                    key: abi::Bytes::maybe(key.as_ref().map(|SecretBytes(key)| key)),
                    commit: abi::Bytes::maybe(commit.as_ref()),
                };
                (Kind::Increment, *id, Body { increment })
            }
            Some(Action::GetCommit { id, counter, val }) => {
                let counter = abi::CounterRequest { counter: abi::Bytes::of(counter), val: *val };
                (Kind::GetCommit, *id, Body { counter })
            }
            Some(Action::Notify(notice)) => (Kind::Notify, 0, Body { notice: self.notice(notice) }),
            Some(Action::Keys(keys)) => (Kind::Keys, 0, Body { keys: keys_notice(*keys) }),
        };
        self.action = action;
        let request = request.map_or(0, |(request, _)| request as u32);
        abi::Action { size: size_of_u32::<abi::Action>(), kind: kind as u32, request, id, body }
    }

    /// Lends an event that answers a request.
    pub(crate) fn event(&mut self, event: Event) -> abi::Event {
        use abi::{EventBody as Body, EventKind as Kind};
        self.clear();
        let none = Body { sender: abi::Bytes::ABSENT };
        let (kind, id, body) = match &event {
            Event::Join => (Kind::Join, 0, none),
            Event::Admit { sender, credential: shown, key_package_ref, replacing } => {
                let admit = abi::Admit {
                    sender: abi::Bytes::of(sender),
                    credential: credential(shown),
                    key_package_ref: abi::Bytes::maybe(key_package_ref.as_ref()),
                    replacing: abi::Bytes::maybe(replacing.as_ref()),
                };
                (Kind::Admit, 0, Body { admit })
            }
            Event::Refuse { sender } => (Kind::Refuse, 0, Body { sender: abi::Bytes::of(sender) }),
            Event::Add { key_package } => (Kind::Add, 0, Body { key_package: abi::Bytes::of(key_package) }),
            Event::Remove { sender } => (Kind::Remove, 0, Body { sender: abi::Bytes::of(sender) }),
            Event::Gone { sender } => (Kind::Gone, 0, Body { sender: abi::Bytes::of(sender) }),
            Event::Update => (Kind::Update, 0, none),
            Event::Follow { group } => (Kind::Follow, 0, Body { group: abi::Bytes::of(group) }),
            Event::Leave => (Kind::Leave, 0, none),
            Event::Object(object) => (Kind::Object, 0, Body { object: self.object(object) }),
            Event::Subscribed { id } => (Kind::Subscribed, *id, none),
            Event::Published { id } => (Kind::Published, *id, none),
            Event::Fetched { id, objects } => {
                self.objects = objects.iter().map(|object| self.object(object)).collect();
                let objects = abi::Objects { data: self.objects.as_ptr(), len: self.objects.len() };
                (Kind::Fetched, *id, Body { objects })
            }
            Event::LockGranted { id, lock_id, expires_in_ms } => {
                let lock_id = abi::Bytes::maybe(lock_id.as_ref());
                let lock = abi::LockGranted { lock_id, expires_in_ms: *expires_in_ms };
                (Kind::LockGranted, *id, Body { lock })
            }
            Event::LockConflict { id, retry_later_ms } => {
                (Kind::LockConflict, *id, Body { retry_later_ms: *retry_later_ms })
            }
            Event::LockCounterError { id, state: s } => {
                (Kind::LockCounterError, *id, Body { state: state(s) })
            }
            Event::LockRefused { id, reason } => (Kind::LockRefused, *id, Body { reason: *reason as u32 }),
            Event::Incremented { id, state: s } => (Kind::Incremented, *id, Body { state: state(s) }),
            Event::IncrementCounterError { id, state: s } => {
                (Kind::IncrementCounterError, *id, Body { state: state(s) })
            }
            Event::IncrementWrongKey { id, state: s } => {
                (Kind::IncrementWrongKey, *id, Body { state: state(s) })
            }
            Event::IncrementRefused { id, reason } => {
                (Kind::IncrementRefused, *id, Body { reason: *reason as u32 })
            }
            Event::CommitFound { id, state: s, commit } => {
                let commit = abi::CommitFound { state: state(s), commit: abi::Bytes::of(commit) };
                (Kind::CommitFound, *id, Body { commit })
            }
            Event::CommitCounterError { id, state: s } => {
                (Kind::CommitCounterError, *id, Body { state: state(s) })
            }
            Event::CommitRefused { id, reason } => {
                (Kind::CommitRefused, *id, Body { reason: *reason as u32 })
            }
            Event::Failed { request, id, failure, code } => {
                let failed = abi::Failed { request: *request as u32, failure: *failure as u32, code: *code };
                (Kind::Failed, *id, Body { failed })
            }
            Event::PeerAuthenticator { peer, epoch, authenticator } => {
                let authenticator = abi::PeerAuthenticator {
                    peer: abi::Bytes::of(peer),
                    epoch: *epoch,
                    authenticator: abi::Bytes::of(authenticator),
                };
                (Kind::PeerAuthenticator, 0, Body { authenticator })
            }
            Event::MediaOpened { peer, epoch } => {
                let peer = abi::PeerEpoch { peer: abi::Bytes::of(peer), epoch: *epoch };
                (Kind::MediaOpened, 0, Body { peer })
            }
            Event::MediaAhead { epoch } => (Kind::MediaAhead, 0, Body { epoch: *epoch }),
            Event::ServiceTime { time_ms } => (Kind::ServiceTime, 0, Body { time_ms: *time_ms }),
            Event::RetryAfter { wait_ms } => (Kind::RetryAfter, 0, Body { wait_ms: *wait_ms }),
            Event::Timer => (Kind::Timer, 0, none),
        };
        self.event = Some(event);
        abi::Event { size: size_of_u32::<abi::Event>(), kind: kind as u32, id, body }
    }
}

fn keys_notice(notice: KeysNotice) -> abi::KeysNotice {
    use abi::KeysNoticeKind as Kind;
    let (kind, reason, epoch) = match notice {
        KeysNotice::EpochReady { epoch } => (Kind::EpochReady, 0, epoch),
        KeysNotice::SendWith { epoch, reason } => (Kind::SendWith, reason as u32, epoch),
        KeysNotice::Silent { reason } => (Kind::Silent, reason as u32, 0),
        KeysNotice::Forgotten { epoch, reason } => (Kind::Forgotten, reason as u32, epoch),
    };
    abi::KeysNotice { kind: kind as u32, reason, epoch }
}
