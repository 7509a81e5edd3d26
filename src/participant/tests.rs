//! What no event can bring about, and must not do harm if it comes about all the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::action::RejoinReason;
use crate::counter::LockReply;
use crate::testing::symbolic::SymbolicEngine;

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

/// mls-rs applies detached secrets to any group they are given with and rolls it back without a word
/// (`reliability.md`, T2), so one's own commit is applied only to the epoch it was built on.
#[test]
fn an_outbox_of_another_base_is_never_applied() {
    let name = GroupName::try_from("g").unwrap();
    let engine = SymbolicEngine::new("a").unwrap();
    let mut a = Participant::new(engine, Config::new(name.clone()), NOW).unwrap();
    let group = a.engine.create(NOW, &name, &a.params, 0).unwrap();
    let saved = a.engine.save(&group).unwrap();
    let view = a.engine.view(&group).unwrap();
    a.become_member(group, &view, saved, Some(Pin::new([1; 32], [2; 32]))).unwrap();
    a.wish_update().unwrap();
    a.on_turn();
    let lock = a.actions().find_map(|action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    });
    let reply = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) };
    a.handle(NOW, Event::LockReply { id: lock.unwrap(), reply: Ok(reply) }).unwrap();
    let mut moved = a.clone();

    let pin = a.member().unwrap().outbox.as_ref().unwrap().pin;
    a.decide(pin).unwrap();
    assert_eq!((a.phase(), a.epoch()), (Phase::Member, Some(1)));

    let outbox = moved.member_mut().unwrap().outbox.as_mut().unwrap();
    outbox.base = [9; 32];
    moved.decide(pin).unwrap();
    assert_eq!((moved.phase(), moved.epoch()), (Phase::Joining, None));
    let told = moved.actions().any(|a| a == Action::Notify(Notice::Rejoining(RejoinReason::Unreachable)));
    assert!(told);
}
