//! Events, actions and notices: their classes and fields.

use moq_mls_boundary::action::KeysNotice;
use moq_mls_boundary::{Action, Event, Notice};

use crate::kinds::kinds;

kinds!(
    Event in "moq_mls.events" {
        Join {},
        Admit { sender, credential, key_package_ref, replacing },
        Refuse { sender },
        Add { key_package },
        Remove { sender },
        Gone { sender },
        Update {},
        Follow { group },
        Leave {},
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
    }
    wrapping { Object { object } }
);

kinds!(
    Action in "moq_mls.actions" {
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
    }
    wrapping { Notify { notice }, Keys { notice } }
);

kinds!(
    Notice in "moq_mls.notices" {
        Epoch { epoch, cause, committer },
        AgainstPolicy { epoch, committer, breach },
        MemberJoined { sender, leaf_index, credential },
        MemberLeft { sender },
        MemberReplaced { old, new, leaf_index, credential },
        MemberChanged { leaf_index, old, new, credential },
        JoinRequested { sender, credential, key_package_ref, hold, other_credential, other_member },
        InvalidLeafKey { sender },
        CredentialExpired { sender },
        Removed { epoch },
        Left {},
        LeaveUnheard {},
        JoinStalled { counter, waits_for, epoch },
        NotReadBack { epoch },
        TreeMissing { epoch },
        Rejoining { reason },
        Resumed { epoch },
        StateErased { epoch },
        Recovery { step, group, founder },
        Succeeded { group },
        SuccessorOffered { group, credentials },
        ForkDetected { epoch, peer },
        DeadSlot { epoch },
        FaultyCommit { epoch, commit_hash },
        ServiceFault { fault, current, reason },
        ParamsMismatch { group },
        Refused { sender, reason },
        UnderAttack { fault, total },
        ClockSkew { error, by_ms, witness },
        Doubled { times, wait_ms },
        PeerFault { from = "from_", fault },
    }
    wrapping {}
);

kinds!(
    KeysNotice in "moq_mls.keys" {
        EpochReady { epoch },
        SendWith { epoch, reason },
        Silent { reason },
        Forgotten { epoch, reason },
    }
    wrapping {}
);
