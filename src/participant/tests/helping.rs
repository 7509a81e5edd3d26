//! Whose commits are given way to, and whose are helped.

use super::*;
use crate::policy::{Breach, Committers};

#[test]
fn a_commit_of_another_is_given_way_to_so_long() {
    let confirm = Timers::default().confirm;
    let last = confirm - Duration::from_millis(1);
    // One that removes us, and one that this member could pin as well.
    for removed in [&[0][..], &[]] {
        for (age, built) in [(Duration::ZERO, false), (last, false), (confirm, true)] {
            let (mut a, others) = among(config(), &["b", "c"]);
            let (b, of_b) = &others[0];
            let commit = b.create_commit(of_b, NOW, &[], removed).unwrap().unwrap().commit;
            let object = commit_at(&a, 1, 0, commit);
            want_update(&mut a);
            a.run(Input::Timer(Timer::Request)).unwrap();
            let id = lock(&mut a).unwrap();
            a.handle(NOW, Event::Object(object)).unwrap();
            assert_eq!(a.inside().candidates, 1);
            a.handle(NOW.after(age), Event::LockReply { id, reply: Ok(token()) }).unwrap();
            assert_eq!(a.inside().outbox.is_some(), built, "{removed:?} {age:?}");
            let theirs = slot(&mut a).candidates[0].hash;
            let pins = |action| matches!(action, Action::Increment { request, .. } if request.pin.is_some_and(|pin| pin.commit_hash() == theirs));
            assert!(!a.actions().any(pins), "its committer has its lease");
        }
    }
}

#[test]
fn who_made_the_last_epoch_or_is_to_go_is_not_given_way_to() {
    for case in 0..3 {
        let (mut a, others) = among(config(), &["b", "c"]);
        let (b, of_b) = &others[0];
        let commit = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
        let object = commit_at(&a, 1, 0, commit);
        match case {
            0 => want_update(&mut a),
            1 => {
                want_update(&mut a);
                epoch(&mut a).committer = Some(1);
            }
            _ => a.handle(NOW, Command::Remove(b.sender_id().clone())).unwrap(),
        }
        a.run(Input::Timer(Timer::Request)).unwrap();
        let id = lock(&mut a).unwrap();
        a.handle(NOW, Event::Object(object)).unwrap();
        a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
        assert_eq!(a.inside().outbox.is_some(), case > 0, "{case}");
    }
}

/// What this member asks for once it has had a lock at `now`.
pub(super) fn after_lock(a: &mut Machine, now: Timestamp) -> Option<Pin> {
    a.run(Input::Timer(Timer::Request)).unwrap();
    let id = lock(a).unwrap();
    a.handle(now, Event::LockReply { id, reply: Ok(token()) }).unwrap();
    increment(a).map(|(_, pin)| pin)
}

#[test]
fn nobody_is_helped_before_its_lease_is_over() {
    let lease = Timers::default().lease;
    let (mut a, others) = among(config(), &["b", "c"]);
    let (b, of_b) = &others[0];
    let commit = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
    let object = commit_at(&a, 1, 0, commit);
    a.handle(NOW, Event::Object(object)).unwrap();
    assert_eq!(after_lock(&mut a, NOW), None);
    assert_eq!(after_lock(&mut a, NOW.after(lease - Duration::from_millis(1))), None);
    let pin = a.member().unwrap().slot.candidates[0].pin;
    assert!(pin.is_some());
    assert_eq!(after_lock(&mut a, NOW.after(lease)), pin);
}

#[test]
fn what_is_against_the_policy_is_not_helped_and_applied_once_it_is_pinned() {
    let lease = Timers::default().lease;
    let mut config = config();
    config.policy.removes = Committers::Only([engine("c").sender_id().clone()].into());
    let (mut a, others) = among(config, &["b", "c", "d"]);
    let (b, of_b) = &others[0];
    // Leaf 3 is d's.
    let built = b.create_commit(of_b, NOW, &[], &[3]).unwrap().unwrap();
    let object = commit_at(&a, 1, 0, built.commit);
    a.handle(NOW, Event::Object(object)).unwrap();
    assert_eq!(after_lock(&mut a, NOW.after(lease)), None, "not b's to remove");
    let (c, of_c) = &others[1];
    let object = commit_at(&a, 1, 2, c.create_commit(of_c, NOW, &[], &[3]).unwrap().unwrap().commit);
    a.handle(NOW.after(lease), Event::Object(object)).unwrap();
    let held: Vec<Pin> = slot(&mut a).candidates.iter().filter_map(|c| c.pin).collect();
    assert_eq!(after_lock(&mut a, NOW.after(lease * 2)), Some(held[1]), "c may");
    // All the same, b's is the one that the service takes.
    decide(&mut a, held[0]);
    assert_eq!((a.epoch(), a.members().count()), (Some(2), 3));
    let against = |n: &Notice| matches!(n, Notice::AgainstPolicy { epoch: 2, breach: Breach::Removes, .. });
    assert_eq!(notices(&mut a).iter().filter(|n| against(n)).count(), 1);
}
