//! Others' way in: objects of the KeyPackage tracks (draft section 6.1), judged before they are committed.

use bytes::Bytes;

use crate::config::Admission;
use crate::engine::{Engine, EngineError, KeyPackageClaim, KeyPackageInfo, MessageKind, Rejection};
use crate::error::Error;
use crate::join_request::JoinRequest;
use crate::notice::{Fault, Hold, Notice, Refusal};
use crate::participant::carried::{Carried, LeaveRequest};
use crate::participant::context::Context;
use crate::participant::joiners::{Joiners, Permit, Waiting};
use crate::participant::member::epoch::Epoch;
use crate::participant::member::leave;
use crate::tracks::SenderId;

/// Takes in an object of a KeyPackage track: a KeyPackage to commit, or a request to leave.
pub(crate) fn on_object<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    sender: SenderId,
    object_id: u64,
    payload: Bytes,
) -> Result<(), Error> {
    // Junk is judged before it can push a good object aside.
    match cx.engine.classify(&payload)? {
        Ok(MessageKind::KeyPackage) => {
            return on_key_package(cx, epoch, carried, sender, object_id, payload);
        }
        Ok(MessageKind::Proposal { group_id, .. }) if group_id != cx.config.group.as_bytes() => {
            cx.fault(Some(sender), Fault::WrongGroup);
        }
        Ok(MessageKind::Proposal { epoch: of, .. }) => {
            let request = LeaveRequest { epoch: of, object_id, message: payload };
            return leave::on_request(cx, epoch, carried, sender, request);
        }
        Ok(_) | Err(_) => cx.fault(Some(sender), Fault::NotMls),
    }
    Ok(())
}

/// Takes in an object of a KeyPackage track of the group before: newcomers look for the group there.
pub(crate) fn on_newcomer<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    sender: SenderId,
    object_id: u64,
    payload: Bytes,
) -> Result<(), Error> {
    match cx.engine.classify(&payload)? {
        Ok(MessageKind::KeyPackage) => on_key_package(cx, epoch, carried, sender, object_id, payload),
        // Messages between the members of the group before.
        _ => Ok(()),
    }
}

fn on_key_package<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    sender: SenderId,
    object_id: u64,
    message: Bytes,
) -> Result<(), Error> {
    let Carried { joiners, paces, .. } = carried;
    // The cheapest checks come first: anybody may have made it, and to verify a signature costs a hundred times all
    // else.
    let claim = match cx.engine.peek_key_package(&message)? {
        Ok(claim) => claim,
        Err(rejection) => {
            cx.fault(Some(sender), fault_of(&rejection));
            return Ok(());
        }
    };
    if let Some(fault) = misplaced(cx, &claim, &sender, object_id) {
        cx.fault(Some(sender), fault);
        return Ok(());
    }
    let member = epoch.roster.of(&sender);
    if !joiners.would_be_news(&sender, object_id)
        || member.is_some_and(|m| m.key_package_object_id.is_some_and(|joined_by| joined_by >= object_id))
    {
        // It came before, or is what its sender joined by or older. Relays replay; this is no fault of the sender's.
        return Ok(());
    }
    let rate = cx.key_package_rate();
    if !paces.key_packages.allows(&sender, cx.now, rate) {
        cx.fault(Some(sender), Fault::TooMany);
        return Ok(());
    }
    let info = match cx.engine.inspect_key_package(cx.time_of_day(), &message)? {
        Ok(info) if info.claim() == claim => {
            paces.key_packages.note(&sender, cx.now, rate, cx.config.limits.remembered_senders);
            info
        }
        Ok(_) => {
            cx.fault(Some(sender), Fault::Invalid);
            return Ok(());
        }
        Err(rejection) => {
            cx.fault(Some(sender), fault_of(&rejection));
            return Ok(());
        }
    };
    cx.on_lifetime(&sender, info.begins);
    let spent = cx.rules.numbers_by_time && joiners.may_be_spent(&sender, object_id, cx.is_shown_old_ones());
    // Where no number tells a KeyPackage's age, unknown senders are left to those who were here before.
    let left_to_others = cx.is_shown_old_ones()
        && !cx.rules.numbers_by_time
        && epoch.roster.len() > 1
        && !joiners.is_known(&sender)
        && member.is_none_or(|m| m.key_package_object_id.is_none());
    joiners.is_news(&sender, object_id, &cx.config.limits);
    if left_to_others
        || member.is_some_and(|m| m.key_package_object_id.is_none() && !m.came_by_another(&info))
    {
        return Ok(());
    }
    if spent && member.is_none() {
        // Its sender, if it still waits, soon publishes a fresh one.
        return Ok(());
    }
    let permit = permit(cx, joiners, &info)?;
    if permit.is_none()
        && let Some(is_news) = joiners.is_turned_away(&sender)
    {
        // It renews its KeyPackage every few seconds.
        if is_news {
            cx.notify(Notice::Refused { sender, reason: Refusal::NotAdmitted });
        }
        return Ok(());
    }
    if !cx.can_add(epoch, message.len())? {
        cx.notify(Notice::Refused { sender, reason: Refusal::TooLarge });
        return Ok(());
    }
    let hold = if permit.is_some() { None } else { hold(cx, epoch, joiners, &info) };
    let (wanted, replacing) = (permit.is_some(), permit.and_then(|permit| permit.replacing));
    put_in_room(
        cx,
        epoch,
        joiners,
        Waiting { message, info, object: object_id, place: 0, hold, wanted, replacing },
    );
    Ok(())
}

/// Why a KeyPackage cannot be let in that says this of itself, at this place.
fn misplaced<E: Engine>(
    cx: &Context<E>,
    claim: &KeyPackageClaim,
    sender: &SenderId,
    object_id: u64,
) -> Option<Fault> {
    if claim.sender != *sender {
        return Some(Fault::WrongSender);
    }
    // A KeyPackage replayed at another place is not a fresh one.
    cx.misbound(claim).or_else(|| (!claim.may_be_at(sender, object_id)).then_some(Fault::BadLocation))
}

fn fault_of(rejection: &Rejection) -> Fault {
    match rejection {
        Rejection::Malformed => Fault::NotMls,
        Rejection::Expired => Fault::Expired,
        _ => Fault::Invalid,
    }
}

/// Returns the embedder's decision for this sender with this credential, if it made one.
fn permit<E: Engine>(
    cx: &Context<E>,
    joiners: &Joiners,
    info: &KeyPackageInfo,
) -> Result<Option<Permit>, EngineError> {
    let Some(permit) = joiners.admitted.get(&info.sender) else { return Ok(None) };
    let is_meant = permit.credential == cx.credential_hash(&info.credential)?;
    Ok(is_meant.then(|| permit.clone()))
}

/// Whether a KeyPackage that the embedder has not let in must wait for it, and why.
fn hold<E: Engine>(
    cx: &Context<E>,
    epoch: &Epoch<E::Group>,
    joiners: &Joiners,
    info: &KeyPackageInfo,
) -> Option<Hold> {
    let member = epoch.roster.of(&info.sender);
    if member.is_some_and(|m| m.identity == info.identity) {
        // A member that comes back: remove and add in one commit.
        return None;
    }
    if joiners.barred.contains(&info.sender) {
        return Some(Hold::Barred);
    }
    let hold = strangers_hold(cx, joiners);
    if hold != Some(Hold::Policy) {
        return hold;
    }
    // Every joiner is asked about. These the embedder may take for another participant.
    if member.is_some() || joiners.admitted.contains(&info.sender) {
        return Some(Hold::OtherCredential { member: member.map(|m| m.credential.clone()) });
    }
    let namesake = epoch.roster.with_identity(&info.identity).map(|m| &m.sender);
    match namesake.or_else(|| joiners.same_identity(info)) {
        Some(namesake) => Some(Hold::SameIdentity { member: namesake.clone() }),
        None => hold,
    }
}

/// Returns what holds a client of which nothing is known.
pub(crate) fn strangers_hold<E: Engine>(cx: &Context<E>, joiners: &Joiners) -> Option<Hold> {
    match cx.config.admission {
        Admission::Ask => Some(Hold::Policy),
        Admission::Open => joiners.may_have_barred().then_some(Hold::MaybeBarred),
    }
}

fn put_in_room<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    joiners: &mut Joiners,
    waiting: Waiting,
) {
    // It waits all the same: a member may leave.
    let is_full = waiting.replacing.is_none()
        && epoch.roster.len() >= cx.config.limits.roster
        && epoch.roster.of(&waiting.info.sender).is_none();
    let request = JoinRequest::of(&waiting.info);
    let hold = waiting.hold.clone().filter(|_| !joiners.is_told(&waiting));
    let admitted = joiners.admit(waiting, cx.now, cx.time_of_day(), &cx.config.limits);
    // Only counted: a notice each would let a flood through to the embedder twice.
    cx.stats.joiners_dropped = cx.stats.joiners_dropped.saturating_add(admitted.dropped as u64);
    if let (true, Some(hold)) = (admitted.is_in, hold) {
        cx.notify(Notice::JoinRequested { request, reason: hold });
    } else if (is_full || !admitted.is_in) && cx.alarms.tells_full(cx.now) {
        cx.notify(Notice::Refused { sender: request.sender().clone(), reason: Refusal::Full });
    }
}

/// Drops those whose KeyPackages have expired: they hold a place, and a commit of them would be refused.
pub(crate) fn expire<E: Engine>(cx: &mut Context<E>, joiners: &mut Joiners) {
    let dropped = joiners.expire(cx.time_of_day()) as u64;
    cx.stats.joiners_dropped = cx.stats.joiners_dropped.saturating_add(dropped);
}

/// Adds a sender by a KeyPackage from elsewhere.
pub(crate) fn add<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    joiners: &mut Joiners,
    message: Bytes,
    info: KeyPackageInfo,
) -> Result<(), Error> {
    let object = info.object_id.unwrap_or(0);
    if epoch.roster.of(&info.sender).is_some_and(|m| m.key_package_object_id.is_none_or(|s| s >= object)) {
        cx.notify(Notice::Refused { sender: info.sender, reason: Refusal::BadKeyPackage });
        return Ok(());
    }
    if !cx.can_add(epoch, message.len())? {
        cx.notify(Notice::Refused { sender: info.sender, reason: Refusal::TooLarge });
        return Ok(());
    }
    let (hold, replacing) = (None, None);
    put_in_room(
        cx,
        epoch,
        joiners,
        Waiting { message, info, object, place: 0, hold, wanted: true, replacing },
    );
    Ok(())
}

/// Notes that a member is to be removed; with `bar`, let back in only by the embedder.
pub(crate) fn remove<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    sender: SenderId,
    bar: bool,
) {
    if bar {
        carried.joiners.bar(&sender, &cx.config.limits);
    }
    if epoch.roster.of(&sender).is_some() {
        let intent = carried.intents.removals.entry(sender).or_default();
        *intent = *intent || bar;
    } else if carried.joiners.take(&sender).is_none() {
        cx.notify(Notice::Refused { sender, reason: Refusal::NotAMember });
    }
}
