//! Events and actions.

use moq_mls_boundary::action::KeysNotice;
use moq_mls_boundary::{Action, Event};

use super::tagged;

tagged!(Event {
    Join {},
    Admit { sender, credential, key_package_ref, replacing },
    Refuse { sender },
    Add { key_package },
    Remove { sender },
    Gone { sender },
    Update {},
    Follow { group },
    Leave {},
    Object { object = 0 },
    Subscribed { id },
    Published { id },
    Fetched { id, objects },
    LockGranted { id, lock_id, expires_in_ms },
    LockConflict { id, retry_later_ms },
    LockCounterError { id, state },
    LockRefused { id, reason },
    Incremented { id, state },
    IncrementCounterError { id, state },
    IncrementWrongKey { id, state },
    IncrementRefused { id, reason },
    CommitFound { id, state, commit },
    CommitCounterError { id, state },
    CommitRefused { id, reason },
    Failed { request, id, failure, code },
    PeerAuthenticator { peer, epoch, authenticator },
    MediaOpened { peer, epoch },
    MediaAhead { epoch },
    ServiceTime { time_ms },
    RetryAfter { wait_ms },
    Timer {},
});
tagged!(Action {
    Persist { snapshot },
    Announce { namespace },
    SubscribeNamespace { id, namespace },
    Subscribe { id, track },
    Unsubscribe { id },
    Fetch { id, namespace, name, first_group, last_group },
    Publish { id, object },
    Lock { id, counter, val },
    Increment { id, counter, val, lock_id, prev, pin, key, commit },
    GetCommit { id, counter, val },
    Notify { notice = 0 },
    Keys { notice = 0 },
});
tagged!(KeysNotice {
    EpochReady { epoch },
    SendWith { epoch, reason },
    Silent { reason },
    Forgotten { epoch, reason },
});
