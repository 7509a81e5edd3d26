//! Leaving: an authenticated request on the leaver's own KeyPackage track, which some other member commits
//! (an extension of this crate). It is opened on a clone, never cached; the committer removes by value.

use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::carried::{Carried, LeaveRequest};
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::tracks::SenderId;

/// Takes in a request to leave this group.
pub(crate) fn on_request<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    sender: SenderId,
    request: LeaveRequest,
) -> Result<(), Error> {
    let LeaveRequest { epoch: of, object_id, message } = request;
    let Carried { joiners, intents, .. } = carried;
    // The cheapest checks come first: anybody may have made it. A leaver asks again in each epoch.
    let Some(leaf) = epoch.roster.of(&sender).map(|m| m.leaf_index) else { return Ok(()) };
    if of < epoch.number || intents.leaves.contains(&leaf) {
        return Ok(());
    }
    if of > epoch.number {
        if of - epoch.number <= cx.config.limits.future_epochs
            && !intents.keep_leave(sender.clone(), (of, object_id, message), cx.config.limits.leave_bytes)
        {
            cx.fault(Some(sender), Fault::TooMany);
        }
        return Ok(());
    }
    match cx.engine.open_leave(&epoch.group, cx.time_of_day(), &message)? {
        Ok(opened) if opened == leaf => {
            // Only an authenticated request may push other objects of its track aside. The newest of them speaks: a
            // KeyPackage that came before it is withdrawn.
            // Where it was found is not authenticated: a copy far ahead must not silence what comes after it.
            let object_id = object_id.min(cx.present_number());
            joiners.spend(&sender, object_id, &cx.config.limits);
            if joiners.get(&sender).is_some_and(|waiting| waiting.object < object_id) {
                joiners.take(&sender);
            }
            intents.leaves.insert(leaf);
            intents.leavers.insert(sender);
        }
        Ok(_) => cx.fault(Some(sender), Fault::WrongSender),
        Err(_) => cx.fault(Some(sender), Fault::Invalid),
    }
    Ok(())
}

/// Takes up, in a new epoch, the requests that came early for it.
pub(crate) fn take_up<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
) -> Result<(), Error> {
    carried.intents.leaves.clear();
    for (sender, (of, object_id, message)) in std::mem::take(&mut carried.intents.future_leaves) {
        if of >= epoch.number {
            on_request(cx, epoch, carried, sender, LeaveRequest { epoch: of, object_id, message })?;
        }
    }
    Ok(())
}

/// Makes this participant's own request of this epoch, if it is due; it must be durable before it goes out.
pub(crate) fn ask<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
) -> Result<Option<LeaveRequest>, Error> {
    let Some(leaving) = carried.leaving.as_mut().filter(|l| l.asked_in(epoch.number).is_none()) else {
        return Ok(None);
    };
    let message = cx.engine.propose_leave(&epoch.group, cx.time_of_day())?;
    let request = LeaveRequest { epoch: epoch.number, object_id: cx.next_object_id()?, message };
    Ok(Some(leaving.asked.insert(request).clone()))
}
