//! Notices as the header has them.

use moq_mls_boundary::notice::{GroupParams, Notice};

use super::{Borrowed, credential, maybe_credential};
use crate::abi;
use crate::abi::Bytes;

fn params(params: Option<&GroupParams>) -> abi::GroupParams {
    let Some(GroupParams { mode, commit_tracks, tree_objects, service_key_hash, epoch_base }) = params else {
        return abi::GroupParams {
            mode: 0,
            commit_tracks: 0,
            tree_objects: 0,
            has_service_key: 0,
            service_key_hash: [0; 32],
            epoch_base: 0,
        };
    };
    abi::GroupParams {
        mode: *mode as u32,
        commit_tracks: *commit_tracks as u32,
        tree_objects: u8::from(*tree_objects),
        has_service_key: u8::from(service_key_hash.is_some()),
        service_key_hash: service_key_hash.unwrap_or_default(),
        epoch_base: *epoch_base,
    }
}

impl Borrowed {
    /// Describes a notice, whose credentials are kept here.
    pub(super) fn notice(&mut self, notice: &Notice) -> abi::Notice {
        use abi::Notice as Shown;
        match notice {
            Notice::Epoch { epoch, cause, committer } => Shown::Epoch {
                epoch: *epoch,
                cause: *cause as u32,
                committer: Bytes::maybe(committer.as_ref()),
            },
            Notice::AgainstPolicy { epoch, committer, breach } => Shown::AgainstPolicy {
                epoch: *epoch,
                committer: Bytes::of(committer),
                breach: *breach as u32,
            },
            Notice::MemberJoined { sender, leaf_index, credential: c } => Shown::MemberJoined {
                sender: Bytes::of(sender),
                leaf_index: *leaf_index,
                credential: credential(c),
            },
            Notice::MemberLeft { sender } => Shown::MemberLeft { sender: Bytes::of(sender) },
            Notice::MemberReplaced { old, new, leaf_index, credential: c } => Shown::MemberReplaced {
                old_sender: Bytes::of(old),
                new_sender: Bytes::of(new),
                leaf_index: *leaf_index,
                credential: credential(c),
            },
            Notice::MemberChanged { leaf_index, old, new, credential: c } => Shown::MemberChanged {
                leaf_index: *leaf_index,
                old_sender: Bytes::of(old),
                new_sender: Bytes::of(new),
                credential: credential(c),
            },
            Notice::JoinRequested {
                sender,
                credential: c,
                key_package_ref,
                hold,
                other_credential,
                other_member,
            } => Shown::JoinRequested {
                sender: Bytes::of(sender),
                credential: credential(c),
                key_package_ref: Bytes::maybe(key_package_ref.as_ref()),
                hold: *hold as u32,
                other_credential: maybe_credential(other_credential.as_ref()),
                other_member: Bytes::maybe(other_member.as_ref()),
            },
            Notice::InvalidLeafKey { sender } => Shown::InvalidLeafKey { sender: Bytes::of(sender) },
            Notice::CredentialExpired { sender } => Shown::CredentialExpired { sender: Bytes::of(sender) },
            Notice::Removed { epoch } => Shown::Removed { epoch: *epoch },
            Notice::Left => Shown::Left,
            Notice::LeaveUnheard => Shown::LeaveUnheard,
            Notice::JoinStalled { counter, waits_for, epoch } => Shown::JoinStalled {
                counter: (*counter).into(),
                waits_for: *waits_for as u32,
                epoch: (*epoch).into(),
            },
            Notice::NotReadBack { epoch } => Shown::NotReadBack { epoch: *epoch },
            Notice::TreeMissing { epoch } => Shown::TreeMissing { epoch: *epoch },
            Notice::Rejoining { reason } => Shown::Rejoining { reason: *reason as u32 },
            Notice::Resumed { epoch } => Shown::Resumed { epoch: *epoch },
            Notice::StateErased { epoch } => Shown::StateErased { epoch: *epoch },
            Notice::Recovery { step, group, founder } => Shown::Recovery {
                step: *step as u32,
                group: Bytes::maybe(group.as_ref()),
                founder: Bytes::maybe(founder.as_ref()),
            },
            Notice::Succeeded { group } => Shown::Succeeded { group: Bytes::of(group) },
            Notice::SuccessorOffered { group, credentials } => {
                self.credentials = credentials.iter().map(credential).collect();
                Shown::SuccessorOffered {
                    group: Bytes::of(group),
                    credentials: self.credentials.as_ptr(),
                    credentials_len: self.credentials.len(),
                }
            }
            Notice::ForkDetected { epoch, peer } => {
                Shown::ForkDetected { epoch: *epoch, peer: Bytes::of(peer) }
            }
            Notice::DeadSlot { epoch } => Shown::DeadSlot { epoch: *epoch },
            Notice::FaultyCommit { epoch, commit_hash } => {
                Shown::FaultyCommit { epoch: *epoch, commit_hash: *commit_hash }
            }
            Notice::ServiceFault { fault, current, reason } => Shown::ServiceFault {
                fault: *fault as u32,
                current: (*current).into(),
                reason: reason.map_or(0, |reason| reason as u32),
            },
            Notice::ParamsMismatch { group } => {
                Shown::ParamsMismatch { present: u8::from(group.is_some()), group: params(group.as_ref()) }
            }
            Notice::Refused { sender, reason } => {
                Shown::Refused { sender: Bytes::of(sender), reason: *reason as u32 }
            }
            Notice::UnderAttack { fault, total } => {
                Shown::UnderAttack { fault: *fault as u32, total: *total }
            }
            Notice::ClockSkew { error, by_ms, witness } => {
                Shown::ClockSkew { error: *error as u32, by_ms: *by_ms, witness: *witness as u32 }
            }
            Notice::Doubled { times, wait_ms } => Shown::Doubled { times: *times, wait_ms: *wait_ms },
            Notice::PeerFault { from, fault } => {
                Shown::PeerFault { from: Bytes::maybe(from.as_ref()), fault: *fault as u32 }
            }
        }
    }
}
