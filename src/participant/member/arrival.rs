//! How a participant becomes a member: by creation, by a Welcome, or by a snapshot after a restart.

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::{EpochCause, Notice};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::flow::{By, Entry};
use crate::participant::input::{Arrival, Input};
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::Slot;
use crate::participant::member::{Member, epoch, slot};
use crate::snapshot::Reader;

/// Takes a group state as this participant's own: durable first, then the news.
pub(crate) fn arrive<E: Engine>(
    cx: &mut Context<E>,
    carried: Carried,
    entry: Entry<E::Group>,
    by: By,
) -> Result<Member<E::Group>, Error> {
    if matches!(by, By::Creation) {
        cx.fresh.on_own(entry.view.epoch);
        cx.keys.packages.clear();
        // Nobody was here before.
        cx.shown_until = None;
    }
    let mut member = place(cx, carried, entry)?;
    if matches!(by, By::Welcome(_)) {
        member.carried.joiners.leave_early_to_others(&cx.config.limits);
    }
    member.persist(cx);
    let cause = match by {
        By::Creation => EpochCause::Created,
        By::Welcome(_) => EpochCause::Welcome,
    };
    cx.notify(Notice::Epoch { epoch: member.epoch.shown(), cause });
    match by {
        By::Creation => {
            cx.confirmed = Some(cx.now);
            member.replay(cx);
            let early = member.carried.joiners.take_early().into_iter();
            cx.first(early.map(|(sender, (object_id, payload))| {
                Input::Arrival(Arrival::KeyPackage { sender, object_id, payload })
            }));
        }
        By::Welcome(counter) => {
            if counter.is_none() {
                member.audit_soon(cx);
            }
            // Let in once more on the way out, it goes on leaving.
            let counter = counter.map(Input::Counter);
            cx.first(std::iter::once(Input::LeaveAgain).chain(counter));
            member.replay(cx);
        }
    }
    Ok(member)
}

pub(crate) fn place<E: Engine>(
    cx: &mut Context<E>,
    mut carried: Carried,
    entry: Entry<E::Group>,
) -> Result<Member<E::Group>, Error> {
    // Leaves of an epoch before are others' leaves by now.
    carried.intents.leaves.clear();
    // Who waits for a Welcome does not know where the group is, and keeps what anybody makes up.
    carried.future.forget_beyond(entry.view.epoch.saturating_add(cx.config.limits.future_epochs));
    let member = Member { epoch: Epoch::enter(cx, entry)?, slot: Slot::new(), carried };
    cx.deadlines.clear_phase();
    cx.confirmed = None;
    member.schedule_audit(cx);
    cx.set(Timer::Credentials, cx.config.timers.credential_check);
    Ok(member)
}

/// Reads what [`Member::write`] wrote.
pub(crate) fn read<E: Engine>(
    cx: &mut Context<E>,
    carried: Carried,
    from: &mut Reader,
) -> Result<Member<E::Group>, Error> {
    let epoch::Stored { saved, pin, afterwards } = epoch::Stored::read(from)?;
    let outbox = slot::Stored::read(from)?;
    let group = cx.engine.load(&saved)?;
    let view = cx.engine.view(&group)?;
    let entry = Entry { group, view, saved, pin };
    let mut member = place(cx, carried, entry)?;
    member.epoch.afterwards = afterwards;
    member.slot.outbox = outbox.map(|stored| stored.load(cx, &member.epoch)).transpose()?;
    Ok(member)
}

/// Goes on after a restart: commits may have been missed, and what was begun is to be finished.
pub(crate) fn resume<E: Engine>(cx: &mut Context<E>, member: &mut Member<E::Group>) -> Result<(), Error> {
    let wait = if member.slot.outbox.is_some() { Default::default() } else { cx.config.timers.confirm };
    cx.set(Timer::Confirm, wait);
    member.epoch.publish_welcomes(cx)?;
    member.epoch.publish_unheard(cx)?;
    cx.show_beacon();
    if member.carried.leaving.is_some() {
        cx.await_leave();
        member.ask_to_leave(cx)?;
    }
    Ok(())
}
