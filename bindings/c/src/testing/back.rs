//! Actions of the header in those of the boundary: what a C program has is all that is looked at.

use bytes::Bytes;
use moq_mls_boundary::Status;
use moq_mls_boundary::action::{Action, KeysNotice};
use moq_mls_boundary::notice::{GroupParams, Notice};
use moq_mls_boundary::values::{Credential, SecretBytes, TrackName};

use crate::abi;
use crate::abi::{ActionKind as Kind, KeysNoticeKind};
use crate::{input, raw};

type Read<T> = Result<T, Status>;

/// Copies bytes.
///
/// # Safety
/// They are valid.
pub unsafe fn bytes(of: abi::Bytes) -> Bytes {
    // SAFETY: by the caller.
    unsafe { raw::owned(of) }.unwrap_or_default()
}

unsafe fn maybe(of: abi::Bytes) -> Option<Bytes> {
    // SAFETY: by the caller.
    unsafe { raw::owned_optional(of) }.unwrap_or_default()
}

unsafe fn credential(of: abi::Credential) -> Read<Credential> {
    // SAFETY: by the caller.
    unsafe { input::credential(of) }.map_err(|fail| fail.status)
}

unsafe fn maybe_credential(of: abi::Credential) -> Read<Option<Credential>> {
    // SAFETY: by the caller.
    if of.kind == 0 { Ok(None) } else { unsafe { credential(of) }.map(Some) }
}

unsafe fn fields(of: abi::Namespace) -> Read<Vec<Bytes>> {
    // SAFETY: by the caller.
    unsafe { input::fields(of) }.map_err(|fail| fail.status)
}

unsafe fn track(of: abi::Track) -> Read<TrackName> {
    // SAFETY: by the caller.
    unsafe { input::track(of) }.map_err(|fail| fail.status)
}

fn number(of: abi::OptionalNumber) -> Option<u64> {
    (of.present != 0).then_some(of.value)
}

fn code<T: TryFrom<u32, Error = moq_mls_boundary::Error>>(of: u32) -> Read<T> {
    T::try_from(of).map_err(|error| error.status())
}

/// Reads an action; `None` for the kind `None`.
///
/// # Errors
/// [`Status::UnknownCode`] for a number in it that names nothing.
///
/// # Safety
/// Its pointers are valid.
pub unsafe fn action(of: &abi::Action) -> Read<Option<Action>> {
    let abi::Action { kind, id, body, .. } = *of;
    let kind = Kind::from_number(kind).ok_or(Status::UnknownCode)?;
    // SAFETY: by the caller, the member of the body that the kind has is there, and its pointers are valid.
    let action = unsafe {
        match kind {
            Kind::None => return Ok(None),
            Kind::Persist => Action::Persist { snapshot: SecretBytes(bytes(body.snapshot)) },
            Kind::Announce => Action::Announce { namespace: fields(body.name_space)? },
            Kind::SubscribeNamespace => {
                Action::SubscribeNamespace { id, namespace: fields(body.name_space)? }
            }
            Kind::Subscribe => Action::Subscribe { id, track: track(body.track)? },
            Kind::Unsubscribe => Action::Unsubscribe { id },
            Kind::Fetch => {
                let abi::Fetch { track, first_group, last_group } = body.fetch;
                let (namespace, name) = (fields(track.name_space)?, maybe(track.name));
                Action::Fetch { id, namespace, name, first_group, last_group }
            }
            Kind::Publish => {
                let object = input::object(body.object).map_err(|fail| fail.status)?;
                Action::Publish { id, object }
            }
            Kind::Lock | Kind::Increment | Kind::GetCommit => {
                input::counter_action(of).map_err(|fail| fail.status)?
            }
            Kind::Notify => Action::Notify(notice(body.notice)?),
            Kind::Keys => Action::Keys(keys(body.keys)?),
        }
    };
    Ok(Some(action))
}

fn keys(of: abi::KeysNotice) -> Read<KeysNotice> {
    let abi::KeysNotice { kind, reason, epoch } = of;
    Ok(match KeysNoticeKind::from_number(kind).ok_or(Status::UnknownCode)? {
        KeysNoticeKind::EpochReady => KeysNotice::EpochReady { epoch },
        KeysNoticeKind::SendWith => KeysNotice::SendWith { epoch, reason: code(reason)? },
        KeysNoticeKind::Silent => KeysNotice::Silent { reason: code(reason)? },
        KeysNoticeKind::Forgotten => KeysNotice::Forgotten { epoch, reason: code(reason)? },
    })
}

fn params(of: abi::GroupParams) -> Read<GroupParams> {
    let abi::GroupParams { mode, commit_tracks, tree_objects, has_service_key, service_key_hash, epoch_base } =
        of;
    Ok(GroupParams {
        mode: code(mode)?,
        commit_tracks: code(commit_tracks)?,
        tree_objects: tree_objects != 0,
        service_key_hash: (has_service_key != 0).then_some(service_key_hash),
        epoch_base,
    })
}

/// Reads a notice.
///
/// # Safety
/// Its pointers are valid.
unsafe fn notice(of: abi::Notice) -> Read<Notice> {
    use abi::Notice as Shown;
    // SAFETY: by the caller.
    Ok(unsafe {
        match of {
            Shown::Epoch { epoch, cause, committer } => {
                Notice::Epoch { epoch, cause: code(cause)?, committer: maybe(committer) }
            }
            Shown::AgainstPolicy { epoch, committer, breach } => {
                Notice::AgainstPolicy { epoch, committer: bytes(committer), breach: code(breach)? }
            }
            Shown::MemberJoined { sender, leaf_index, credential: c } => {
                Notice::MemberJoined { sender: bytes(sender), leaf_index, credential: credential(c)? }
            }
            Shown::MemberLeft { sender } => Notice::MemberLeft { sender: bytes(sender) },
            Shown::MemberReplaced { old_sender, new_sender, leaf_index, credential: c } => {
                let (old, new) = (bytes(old_sender), bytes(new_sender));
                Notice::MemberReplaced { old, new, leaf_index, credential: credential(c)? }
            }
            Shown::MemberChanged { leaf_index, old_sender, new_sender, credential: c } => {
                let (old, new) = (bytes(old_sender), bytes(new_sender));
                Notice::MemberChanged { leaf_index, old, new, credential: credential(c)? }
            }
            Shown::JoinRequested {
                sender,
                credential: c,
                key_package_ref,
                hold,
                other_credential,
                other_member,
            } => Notice::JoinRequested {
                sender: bytes(sender),
                credential: credential(c)?,
                key_package_ref: maybe(key_package_ref),
                hold: code(hold)?,
                other_credential: maybe_credential(other_credential)?,
                other_member: maybe(other_member),
            },
            Shown::InvalidLeafKey { sender } => Notice::InvalidLeafKey { sender: bytes(sender) },
            Shown::CredentialExpired { sender } => Notice::CredentialExpired { sender: bytes(sender) },
            Shown::Removed { epoch } => Notice::Removed { epoch },
            Shown::Left => Notice::Left,
            Shown::LeaveUnheard => Notice::LeaveUnheard,
            Shown::JoinStalled { counter, waits_for, epoch } => Notice::JoinStalled {
                counter: number(counter),
                waits_for: code(waits_for)?,
                epoch: number(epoch),
            },
            Shown::NotReadBack { epoch } => Notice::NotReadBack { epoch },
            Shown::TreeMissing { epoch } => Notice::TreeMissing { epoch },
            Shown::Rejoining { reason } => Notice::Rejoining { reason: code(reason)? },
            Shown::Resumed { epoch } => Notice::Resumed { epoch },
            Shown::StateErased { epoch } => Notice::StateErased { epoch },
            Shown::Recovery { step, group, founder } => {
                Notice::Recovery { step: code(step)?, group: maybe(group), founder: maybe(founder) }
            }
            Shown::Succeeded { group } => Notice::Succeeded { group: bytes(group) },
            Shown::SuccessorOffered { group, credentials, credentials_len } => {
                let shown = raw::array(credentials, credentials_len).map_err(|fail| fail.status)?;
                let credentials = shown.iter().map(|c| credential(*c)).collect::<Read<_>>()?;
                Notice::SuccessorOffered { group: bytes(group), credentials }
            }
            Shown::ForkDetected { epoch, peer } => Notice::ForkDetected { epoch, peer: bytes(peer) },
            Shown::DeadSlot { epoch } => Notice::DeadSlot { epoch },
            Shown::FaultyCommit { epoch, commit_hash } => Notice::FaultyCommit { epoch, commit_hash },
            Shown::ServiceFault { fault, current, reason } => Notice::ServiceFault {
                fault: code(fault)?,
                current: number(current),
                reason: if reason == 0 { None } else { Some(code(reason)?) },
            },
            Shown::ParamsMismatch { present, group } => {
                Notice::ParamsMismatch { group: if present == 0 { None } else { Some(params(group)?) } }
            }
            Shown::Refused { sender, reason } => {
                Notice::Refused { sender: bytes(sender), reason: code(reason)? }
            }
            Shown::UnderAttack { fault, total } => Notice::UnderAttack { fault: code(fault)?, total },
            Shown::ClockSkew { error, by_ms, witness } => {
                Notice::ClockSkew { error: code(error)?, by_ms, witness: code(witness)? }
            }
            Shown::Doubled { times, wait_ms } => Notice::Doubled { times, wait_ms },
            Shown::PeerFault { from, fault } => Notice::PeerFault { from: maybe(from), fault: code(fault)? },
        }
    })
}
