//! Notices.

use moq_mls_boundary::Notice;

use super::tagged;

tagged!(Notice {
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
    PeerFault { from, fault },
});
