//! Actions and notices of the boundary in those of the core, to the last one.

use std::time::Duration;

use moq_mls::action::{
    CommitRequestId, FetchId, FetchTarget, IncrementRequestId, LockRequestId, PublishId, SubscribeId,
};
use moq_mls::engine::ContextParams;
use moq_mls::notice::{
    EpochCause as CoreCause, Hold as CoreHold, Recovery, ServiceFault as CoreServiceFault,
};
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::TrackNamespace;
use moq_mls::{Action as CoreAction, JoinRequest, Notice as CoreNotice, WaitsFor as CoreWaitsFor};

use crate::action::{Action, CounterRequest};
use crate::codes::{EpochCause, Hold, RecoveryStep, ServiceFault, WaitsFor};
use crate::error::Error;
use crate::notice::{GroupParams, Notice};
use crate::values::{TrackName, to_group, to_sender};

/// What a binding lost: a field that a value of this kind must have.
fn lost<T>(field: Option<T>) -> Result<T, Error> {
    field.ok_or(Error::Unsupported("a field that the binding lost"))
}

impl TryFrom<Action> for CoreAction {
    type Error = Error;

    fn try_from(action: Action) -> Result<Self, Error> {
        Ok(match action {
            Action::Persist { snapshot } => Self::Persist(Snapshot::from_bytes(snapshot.0)),
            Action::Announce { namespace } => Self::Announce { namespace: TrackNamespace::new(namespace)? },
            Action::SubscribeNamespace { id, namespace } => {
                Self::SubscribeNamespace { id: SubscribeId(id), namespace: TrackNamespace::new(namespace)? }
            }
            Action::Subscribe { id, track } => {
                Self::Subscribe { id: SubscribeId(id), track: track.try_into()? }
            }
            Action::Unsubscribe { id } => Self::Unsubscribe { id: SubscribeId(id) },
            Action::Fetch { id, namespace, name, first_group, last_group } => {
                let target = match name {
                    Some(name) => FetchTarget::Track(TrackName { namespace, name }.try_into()?),
                    None => FetchTarget::Namespace(TrackNamespace::new(namespace)?),
                };
                Self::Fetch { id: FetchId(id), target, groups: first_group..=last_group }
            }
            Action::Publish { id, object } => Self::Publish { id: PublishId(id), object: object.try_into()? },
            Action::Lock { .. } | Action::Increment { .. } | Action::GetCommit { .. } => {
                let (id, request) = action.try_into()?;
                match request {
                    CounterRequest::Lock(request) => Self::Lock { id: LockRequestId(id), request },
                    CounterRequest::Increment(request) => {
                        Self::Increment { id: IncrementRequestId(id), request }
                    }
                    CounterRequest::Commit(request) => Self::GetCommit { id: CommitRequestId(id), request },
                }
            }
            Action::Notify(notice) => Self::Notify(notice.try_into()?),
            Action::Keys(_) => return Err(Error::Unsupported("news of media keys in the core")),
        })
    }
}

impl From<GroupParams> for ContextParams {
    fn from(params: GroupParams) -> Self {
        let GroupParams { mode, commit_tracks, tree_objects, service_key_hash, epoch_base } = params;
        let (mode, commit_tracks) = (mode.into(), commit_tracks.into());
        Self { mode, commit_tracks, tree_objects, service_key_hash, epoch_base }
    }
}

fn to_waits_for(waits_for: WaitsFor, epoch: Option<u64>) -> Result<CoreWaitsFor, Error> {
    Ok(match waits_for {
        WaitsFor::Join => CoreWaitsFor::Join,
        WaitsFor::Probe => CoreWaitsFor::Probe,
        WaitsFor::Signs => CoreWaitsFor::Signs,
        WaitsFor::Creation => CoreWaitsFor::Creation,
        WaitsFor::Newcomer => CoreWaitsFor::Newcomer,
        WaitsFor::Welcome => CoreWaitsFor::Welcome,
        WaitsFor::Confirmation => CoreWaitsFor::Confirmation { epoch: lost(epoch)? },
        WaitsFor::Tree => CoreWaitsFor::Tree,
        WaitsFor::Successor => CoreWaitsFor::Successor,
        WaitsFor::Turn => CoreWaitsFor::Turn,
        WaitsFor::Lock => CoreWaitsFor::Lock,
        WaitsFor::Relay => CoreWaitsFor::Relay,
        WaitsFor::Increment => CoreWaitsFor::Increment,
        WaitsFor::Pin => CoreWaitsFor::Pin,
        WaitsFor::Commit => CoreWaitsFor::Commit,
        WaitsFor::Removal => CoreWaitsFor::Removal,
        WaitsFor::Service => CoreWaitsFor::Service,
        WaitsFor::News => CoreWaitsFor::News,
        WaitsFor::End => CoreWaitsFor::End,
    })
}

impl TryFrom<Notice> for CoreNotice {
    type Error = Error;

    fn try_from(notice: Notice) -> Result<Self, Error> {
        Ok(match notice {
            Notice::Epoch { epoch, cause, committer } => {
                let cause = match cause {
                    EpochCause::Created => CoreCause::Created,
                    EpochCause::Welcome => CoreCause::Welcome,
                    EpochCause::Commit => CoreCause::Commit { committer: to_sender(lost(committer)?)? },
                };
                Self::Epoch { epoch, cause }
            }
            Notice::AgainstPolicy { epoch, committer, breach } => {
                Self::AgainstPolicy { epoch, committer: to_sender(committer)?, breach: breach.into() }
            }
            Notice::MemberJoined { sender, leaf_index, credential } => {
                Self::MemberJoined { sender: to_sender(sender)?, leaf_index, credential: credential.into() }
            }
            Notice::MemberLeft { sender } => Self::MemberLeft { sender: to_sender(sender)? },
            Notice::MemberReplaced { old, new, leaf_index, credential } => Self::MemberReplaced {
                old: to_sender(old)?,
                new: to_sender(new)?,
                leaf_index,
                credential: credential.into(),
            },
            Notice::MemberChanged { leaf_index, old, new, credential } => Self::MemberChanged {
                leaf_index,
                old: to_sender(old)?,
                new: to_sender(new)?,
                credential: credential.into(),
            },
            Notice::JoinRequested {
                sender,
                credential,
                key_package_ref,
                hold,
                other_credential,
                other_member,
            } => {
                let expected = JoinRequest::expected(to_sender(sender)?, credential.into());
                let request = match key_package_ref {
                    Some(reference) => expected.seen_by(reference),
                    None => expected,
                };
                let reason = match hold {
                    Hold::Policy => CoreHold::Policy,
                    Hold::Barred => CoreHold::Barred,
                    Hold::MaybeBarred => CoreHold::MaybeBarred,
                    Hold::OtherCredential => {
                        CoreHold::OtherCredential { member: other_credential.map(Into::into) }
                    }
                    Hold::SameIdentity => CoreHold::SameIdentity { member: to_sender(lost(other_member)?)? },
                };
                Self::JoinRequested { request, reason }
            }
            Notice::InvalidLeafKey { sender } => Self::InvalidLeafKey { sender: to_sender(sender)? },
            Notice::CredentialExpired { sender } => Self::CredentialExpired { sender: to_sender(sender)? },
            Notice::Removed { epoch } => Self::Removed { epoch },
            Notice::Left => Self::Left,
            Notice::LeaveUnheard => Self::LeaveUnheard,
            Notice::JoinStalled { counter, waits_for, epoch } => {
                Self::JoinStalled { counter, waits_for: to_waits_for(waits_for, epoch)? }
            }
            Notice::NotReadBack { epoch } => Self::NotReadBack { epoch },
            Notice::TreeMissing { epoch } => Self::TreeMissing { epoch },
            Notice::Rejoining { reason } => Self::Rejoining { reason: reason.into() },
            Notice::Resumed { epoch } => Self::Resumed { epoch },
            Notice::StateErased { epoch } => Self::StateErased { epoch },
            Notice::Recovery { step, group, founder } => {
                let group = || to_group(lost(group)?);
                let founder = || to_sender(lost(founder)?);
                Self::Recovery(match step {
                    RecoveryStep::Looking => Recovery::Looking,
                    RecoveryStep::Founding => Recovery::Founding { group: group()? },
                    RecoveryStep::Following => Recovery::Following { group: group()?, founder: founder()? },
                    RecoveryStep::GivenUp => Recovery::GivenUp { founder: founder()? },
                })
            }
            Notice::Succeeded { group } => Self::Succeeded { group: to_group(group)? },
            Notice::SuccessorOffered { group, credentials } => Self::SuccessorOffered {
                group: to_group(group)?,
                credentials: credentials.into_iter().map(Into::into).collect(),
            },
            Notice::ForkDetected { epoch, peer } => Self::ForkDetected { epoch, peer: to_sender(peer)? },
            Notice::DeadSlot { epoch } => Self::DeadSlot { epoch },
            Notice::FaultyCommit { epoch, commit_hash } => Self::FaultyCommit { epoch, commit_hash },
            Notice::ServiceFault { fault, current, reason } => Self::ServiceFault(match fault {
                ServiceFault::Regressed => CoreServiceFault::Regressed { current: lost(current)? },
                ServiceFault::Absurd => CoreServiceFault::Absurd { current: lost(current)? },
                ServiceFault::LineageMismatch => CoreServiceFault::LineageMismatch,
                ServiceFault::NoPins => CoreServiceFault::NoPins,
                ServiceFault::NoTokens => CoreServiceFault::NoTokens,
                ServiceFault::LostGroup => CoreServiceFault::LostGroup,
                ServiceFault::BadReceipt => CoreServiceFault::BadReceipt,
                ServiceFault::WrongKey => CoreServiceFault::WrongKey,
                ServiceFault::Refused => CoreServiceFault::Refused(lost(reason)?.into()),
                ServiceFault::NoAnswer => CoreServiceFault::NoAnswer,
            }),
            Notice::ParamsMismatch { group } => Self::ParamsMismatch { group: group.map(Into::into) },
            Notice::Refused { sender, reason } => {
                Self::Refused { sender: to_sender(sender)?, reason: reason.into() }
            }
            Notice::UnderAttack { fault, total } => Self::UnderAttack { fault: fault.into(), total },
            Notice::ClockSkew { error, by_ms, witness } => Self::ClockSkew {
                error: error.into(),
                by: Duration::from_millis(by_ms),
                witness: witness.into(),
            },
            Notice::Doubled { times, wait_ms } => {
                Self::Doubled { times, wait: Duration::from_millis(wait_ms) }
            }
            Notice::PeerFault { from, fault } => {
                Self::PeerFault { from: from.map(to_sender).transpose()?, fault: fault.into() }
            }
        })
    }
}
