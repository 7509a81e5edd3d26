//! Notices of the core in those of the boundary, to the last one.

use moq_mls::Notice as CoreNotice;
use moq_mls::notice::{EpochCause as CoreCause, Recovery};

use super::{Notice, hold, service_fault, waits_for};
use crate::codes::{EpochCause, RecoveryStep};
use crate::values::{group_bytes, millis, sender_bytes};

impl From<CoreNotice> for Notice {
    fn from(core: CoreNotice) -> Self {
        match core {
            CoreNotice::Epoch { epoch, cause } => {
                let (cause, committer) = match cause {
                    CoreCause::Created => (EpochCause::Created, None),
                    CoreCause::Welcome => (EpochCause::Welcome, None),
                    CoreCause::Commit { committer } => (EpochCause::Commit, Some(sender_bytes(&committer))),
                };
                Self::Epoch { epoch, cause, committer }
            }
            CoreNotice::AgainstPolicy { epoch, committer, breach } => {
                Self::AgainstPolicy { epoch, committer: sender_bytes(&committer), breach: breach.into() }
            }
            CoreNotice::MemberJoined { sender, leaf_index, credential } => Self::MemberJoined {
                sender: sender_bytes(&sender),
                leaf_index,
                credential: credential.into(),
            },
            CoreNotice::MemberLeft { sender } => Self::MemberLeft { sender: sender_bytes(&sender) },
            CoreNotice::MemberReplaced { old, new, leaf_index, credential } => Self::MemberReplaced {
                old: sender_bytes(&old),
                new: sender_bytes(&new),
                leaf_index,
                credential: credential.into(),
            },
            CoreNotice::MemberChanged { leaf_index, old, new, credential } => Self::MemberChanged {
                leaf_index,
                old: sender_bytes(&old),
                new: sender_bytes(&new),
                credential: credential.into(),
            },
            CoreNotice::JoinRequested { request, reason } => {
                let (hold, other_credential, other_member) = hold(reason);
                Self::JoinRequested {
                    sender: sender_bytes(request.sender()),
                    credential: request.credential().clone().into(),
                    key_package_ref: request.key_package_ref().cloned(),
                    hold,
                    other_credential,
                    other_member,
                }
            }
            CoreNotice::InvalidLeafKey { sender } => Self::InvalidLeafKey { sender: sender_bytes(&sender) },
            CoreNotice::CredentialExpired { sender } => {
                Self::CredentialExpired { sender: sender_bytes(&sender) }
            }
            CoreNotice::Removed { epoch } => Self::Removed { epoch },
            CoreNotice::Left => Self::Left,
            CoreNotice::LeaveUnheard => Self::LeaveUnheard,
            CoreNotice::JoinStalled { counter, waits_for: core } => {
                let (waits_for, epoch) = waits_for(core);
                Self::JoinStalled { counter, waits_for, epoch }
            }
            CoreNotice::NotReadBack { epoch } => Self::NotReadBack { epoch },
            CoreNotice::TreeMissing { epoch } => Self::TreeMissing { epoch },
            CoreNotice::Rejoining { reason } => Self::Rejoining { reason: reason.into() },
            CoreNotice::Resumed { epoch } => Self::Resumed { epoch },
            CoreNotice::StateErased { epoch } => Self::StateErased { epoch },
            CoreNotice::Recovery(step) => {
                let (step, group, founder) = match step {
                    Recovery::Looking => (RecoveryStep::Looking, None, None),
                    Recovery::Founding { group } => (RecoveryStep::Founding, Some(group), None),
                    Recovery::Following { group, founder } => {
                        (RecoveryStep::Following, Some(group), Some(founder))
                    }
                    Recovery::GivenUp { founder } => (RecoveryStep::GivenUp, None, Some(founder)),
                };
                let group = group.as_ref().map(group_bytes);
                Self::Recovery { step, group, founder: founder.as_ref().map(sender_bytes) }
            }
            CoreNotice::Succeeded { group } => Self::Succeeded { group: group_bytes(&group) },
            CoreNotice::SuccessorOffered { group, credentials } => Self::SuccessorOffered {
                group: group_bytes(&group),
                credentials: credentials.into_iter().map(Into::into).collect(),
            },
            CoreNotice::ForkDetected { epoch, peer } => {
                Self::ForkDetected { epoch, peer: sender_bytes(&peer) }
            }
            CoreNotice::DeadSlot { epoch } => Self::DeadSlot { epoch },
            CoreNotice::FaultyCommit { epoch, commit_hash } => Self::FaultyCommit { epoch, commit_hash },
            CoreNotice::ServiceFault(fault) => {
                let (fault, current, reason) = service_fault(fault);
                Self::ServiceFault { fault, current, reason }
            }
            CoreNotice::ParamsMismatch { group } => Self::ParamsMismatch { group: group.map(Into::into) },
            CoreNotice::Refused { sender, reason } => {
                Self::Refused { sender: sender_bytes(&sender), reason: reason.into() }
            }
            CoreNotice::UnderAttack { fault, total } => Self::UnderAttack { fault: fault.into(), total },
            CoreNotice::ClockSkew { error, by, witness } => {
                Self::ClockSkew { error: error.into(), by_ms: millis(by), witness: witness.into() }
            }
            CoreNotice::Doubled { times, wait } => Self::Doubled { times, wait_ms: millis(wait) },
            CoreNotice::PeerFault { from, fault } => {
                Self::PeerFault { from: from.as_ref().map(sender_bytes), fault: fault.into() }
            }
        }
    }
}
