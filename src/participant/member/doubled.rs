//! Another run of this participant acted in its place.

use std::time::Duration;

use crate::engine::{Engine, Member as GroupMember};
use crate::notice::{Notice, RejoinReason};
use crate::participant::context::Context;
use crate::participant::flow::When;

/// Says why this participant was replaced by `own`. Where that is a KeyPackage of this run, the way on is its Welcome;
/// all numbers from the next one on are another's.
pub(super) fn reason_of<E: Engine>(cx: &Context<E>, own: &GroupMember) -> RejoinReason {
    let doubled = own.key_package_object_id.is_some_and(|object_id| object_id >= cx.keys.next_object_id);
    if doubled { RejoinReason::Doubled } else { RejoinReason::Replaced }
}

/// Notes and tells it. Returns when to ask to be let in again.
pub(super) fn note<E: Engine>(cx: &mut Context<E>, when: When) -> When {
    let wait = cx.doubles.note(cx.config.timers.join_retry);
    let times = cx.doubles.count();
    // The first time, nobody else may be there: a state was put back.
    let at_once = times == 1 && matches!(when, When::Now);
    let wait = if at_once { Duration::ZERO } else { wait };
    cx.notify(Notice::Doubled { times, wait });
    if at_once { when } else { When::After(wait) }
}
