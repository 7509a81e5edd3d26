//! Deciding a slot.

use std::collections::BTreeSet;

use super::*;
use crate::testing::symbolic::{forged_commit, junk};

/// Alone, wanting an update, with the lock where one is asked for: the relay has nothing yet and takes everything.
/// With what was published, and the increment that is still to be answered.
pub(super) fn committing(mode: SafetyMode) -> (Machine, Vec<Object>, Option<IncrementRequestId>) {
    let mut a = alone(Config { params: GroupParams { mode, ..GroupParams::default() }, ..config() });
    want_update(&mut a);
    let (published, asked) = commit(&mut a);
    (a, published, asked)
}

/// Up to the increment.
fn commit(a: &mut Machine) -> (Vec<Object>, Option<IncrementRequestId>) {
    a.run(Input::Timer(Timer::Turn)).unwrap();
    let (mut published, mut asked) = (Vec::new(), None);
    while let Some(action) = a.poll_action() {
        match action {
            Action::Lock { id, .. } => {
                a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
            }
            Action::Fetch { id, .. } => {
                a.handle(NOW, Event::FetchReply { id, reply: Ok(Vec::new()) }).unwrap()
            }
            Action::Publish { object, .. } => {
                published.push(object.clone());
                a.handle(NOW, Event::Object(object)).unwrap();
            }
            Action::Increment { id, .. } => asked = Some(id),
            _ => {}
        }
    }
    (published, asked)
}

/// mls-rs applies detached secrets to any group they are given with, and silently rolls it back (guard T2 in
/// `tests/README.md`). So an own commit is applied only to the epoch it was built on.
#[test]
fn an_outbox_of_another_base_is_never_applied() {
    let name = GroupName::try_from("g").unwrap();
    let engine = SymbolicEngine::new("a").unwrap();
    let mut a = Participant::new(engine, Config::new(name.clone()), NOW).unwrap();
    let group = a.cx.engine.create(NOW, &name, &a.cx.params, 0).unwrap();
    put(&mut a, group);
    want_update(&mut a);
    take_turn(&mut a);
    let mut moved = a.clone();

    let pin = a.member().unwrap().slot.outbox.as_ref().unwrap().pin;
    decide(&mut a, pin);
    assert_eq!((a.phase(), a.epoch()), (Phase::Member, Some(1)));

    let outbox = slot(&mut moved).outbox.as_mut().unwrap();
    outbox.base = [9; 32];
    decide(&mut moved, pin);
    assert_eq!((moved.phase(), moved.epoch()), (Phase::Joining, None));
    let told =
        moved.actions().any(|a| a == Action::Notify(Notice::Rejoining { reason: RejoinReason::Unreachable }));
    assert!(told);
}

#[test]
fn one_commit_of_each_committer_is_held_whatever_its_object_id() {
    let (mut a, others) = among(config(), &["b", "c"]);
    let commit = |e: &SymbolicEngine, group| e.create_commit(group, NOW, &[], &[]).unwrap().unwrap().commit;
    let [of_b, of_c] = [0, 1].map(|i| commit(&others[i].0, &others[i].1));
    let second_of_b = {
        let again = engine("b").incarnation(1);
        let saved = others[0].0.save(&others[0].1).unwrap();
        commit(&again, &again.load(&saved).unwrap())
    };
    assert_ne!(of_b, second_of_b);
    for (object, payload) in [(0, &of_b), (2, &of_c), (4, &of_c), (6, &of_b), (8, &second_of_b)] {
        let object = commit_at(&a, 1, object, payload.clone());
        a.handle(NOW, Event::Object(object)).unwrap();
    }
    let held = &a.member().unwrap().slot.candidates;
    assert_eq!(held.iter().map(|c| &c.bytes).collect::<Vec<_>>(), [&of_b, &of_c]);
    assert_eq!(faults(&a, Fault::TooMany), 1, "a second one of the same author");
}

/// A request to leave and a commit of the same epoch, both made from the saved state, would be sealed with one
/// handshake key.
#[test]
fn who_has_asked_to_leave_commits_nothing_and_helps_all_the_same() {
    for leaves in [false, true] {
        let (mut a, others) = among(config(), &["b", "c"]);
        want_update(&mut a);
        if leaves {
            a.handle(NOW, Command::Leave).unwrap();
            assert!(a.state.carried().leaving.as_ref().unwrap().asked_in(1).is_some());
        }
        let with_lock = |a: &mut Machine| {
            a.run(Input::Timer(Timer::Request)).unwrap();
            let id = lock(a).unwrap();
            a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
        };
        with_lock(&mut a);
        assert_eq!(a.inside().outbox.is_none(), leaves);
        if leaves {
            let (b, of_b) = &others[0];
            let commit = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
            let object = commit_at(&a, 1, 0, commit);
            a.handle(NOW, Event::Object(object)).unwrap();
            let pinned = helping::after_lock(&mut a, NOW.after(Timers::default().lease));
            assert!(pinned.is_some() && a.inside().outbox.is_none());
        }
    }
}

#[test]
fn the_counter_is_ahead_behind_or_just_where_it_should_be() {
    let answer = |current| {
        let mut config = config();
        config.limits.counter_lead = 10;
        let mut a = alone(config);
        want_update(&mut a);
        a.run(Input::Timer(Timer::Request)).unwrap();
        let id = lock(&mut a).unwrap();
        let pin = Some(unknown());
        let reply = Ok(LockReply::CounterError(state(current, pin)));
        a.handle(NOW, Event::LockReply { id, reply }).unwrap();
        (a.inside().catching_up, notices(&mut a))
    };
    assert_eq!(answer(1), (false, vec![]), "the slot is free: ask again");
    assert_eq!(answer(11), (true, vec![]));
    let absurd = Notice::ServiceFault(ServiceFault::Absurd { current: 12 });
    assert_eq!(answer(12), (false, vec![absurd]));
    assert_eq!(answer(0).1, [Notice::ServiceFault(ServiceFault::Regressed { current: 0 })]);
}

#[test]
fn a_decided_commit_that_nobody_can_process_is_named_and_left_behind() {
    let elsewhere = {
        let (_, others) = among(
            Config { params: GroupParams { mode: SafetyMode::Fenced, ..GroupParams::default() }, ..config() },
            &["c", "d"],
        );
        let (engine, group) = &others[0];
        engine.create_commit(group, NOW, &[], &[]).unwrap().unwrap().commit
    };
    for payload in [elsewhere, Bytes::from_static(b"junk")] {
        let (mut a, _) = among(config(), &["b"]);
        let hash = a.cx.engine.sha256(&payload).unwrap();
        slot(&mut a).decided = Some(Pin::new(hash, [9; 32], [9; 32]));
        let object = commit_at(&a, 1, 0, payload);
        a.handle(NOW, Event::Object(object)).unwrap();
        let told = notices(&mut a).contains(&Notice::FaultyCommit { epoch: 1, commit_hash: hash });
        assert!(told && a.phase() == Phase::Joining);
    }
}

#[test]
fn answers_to_other_questions_change_nothing() {
    let mut a = alone(config());
    want_update(&mut a);
    a.run(Input::Locked(LockPurpose::Slot(1), Ok(token()))).unwrap();
    assert!(a.inside().outbox.is_none(), "nobody asked for this lock");

    // Asked about the slot while it was open, answered when it is filled: the service has lost nothing.
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced] {
        let (mut a, _) =
            among(Config { params: GroupParams { mode, ..GroupParams::default() }, ..config() }, &["b"]);
        notices(&mut a);
        let held = || LockReply::Conflict { retry_later: Duration::from_secs(2) };
        for reply in [token(), held()] {
            a.run(Input::Locked(LockPurpose::Slot(1), Ok(reply))).unwrap();
        }
        assert_eq!(notices(&mut a), []);
        a.run(Input::Locked(LockPurpose::Standing(1), Ok(held()))).unwrap();
        assert_eq!(notices(&mut a), [Notice::ServiceFault(ServiceFault::Regressed { current: 1 })]);
    }

    let (mut a, ..) = committing(SafetyMode::Pinned);
    let refused = || Ok(IncrementReply::Error(Reason::RateLimited));
    a.run(Input::Incremented(IncrementPurpose::Slot(1, unknown()), refused())).unwrap();
    assert_eq!(notices(&mut a), []);
    let pin = a.inside().outbox.unwrap().1;
    a.run(Input::Incremented(IncrementPurpose::Slot(1, pin), refused())).unwrap();
    assert_eq!(notices(&mut a), [Notice::ServiceFault(ServiceFault::Refused(Reason::RateLimited))]);
}

#[test]
fn an_increment_that_was_refused_is_no_epoch() {
    let (mut a, _, id) = committing(SafetyMode::Pinned);
    let reply = Ok(IncrementReply::Error(Reason::NotLocked));
    a.handle(NOW, Event::IncrementReply { id: id.unwrap(), reply }).unwrap();
    assert_eq!(notices(&mut a), [Notice::ServiceFault(ServiceFault::NoPins)]);
    assert_eq!(a.epoch(), Some(0));
}

/// The answer says only that the slot is filled: with the commit of a rival, if there is one, and else with the one
/// that is there.
#[test]
fn without_pins_a_rivals_commit_fills_the_slot_or_else_ones_own() {
    for rival in [true, false] {
        let (mut a, others) = among(
            Config {
                params: GroupParams { mode: SafetyMode::Advisory, ..GroupParams::default() },
                ..config()
            },
            &["b"],
        );
        want_update(&mut a);
        let (_, id) = commit(&mut a);
        let own = a.inside().outbox.unwrap().1;
        let (b, of_b) = &others[0];
        let built = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap();
        if rival {
            let object = commit_at(&a, 1, 2, built.commit);
            a.handle(NOW, Event::Object(object)).unwrap();
        }
        let reply = Ok(IncrementReply::CounterError(state(3, None)));
        a.handle(NOW, Event::IncrementReply { id: id.unwrap(), reply }).unwrap();
        assert_eq!(a.epoch(), Some(2));
        let winner = if rival { built.next.context_hash } else { own.context_hash().try_into().unwrap() };
        assert_eq!(a.context_hash(), Some(winner));
    }
}

#[test]
fn a_commit_has_an_even_object_id_that_follows_from_its_bytes_and_its_tries() {
    for mode in SafetyMode::ALL {
        let a = alone(Config { params: GroupParams { mode, ..GroupParams::default() }, ..config() });
        let place = |hash: u8, tries| a.cx.commit_place(&[hash; 32], tries).unwrap();
        let places = [place(1, 0), place(1, 1), place(1, 2), place(2, 0), place(2, 1)];
        assert!(places.iter().all(|place| place % 2 == 0 && *place < 1 << 62), "{places:?}");
        let apart: BTreeSet<u64> = places.into_iter().collect();
        match mode {
            SafetyMode::Advisory => assert_eq!((places[0], places[3], apart.len()), (0, 0, 4)),
            SafetyMode::Pinned | SafetyMode::Fenced => assert_eq!(apart.len(), 5),
        }
    }
}

#[test]
fn commits_are_accepted_at_even_object_ids_only() {
    let (mut a, others) = among(config(), &["b"]);
    let (b, of_b) = &others[0];
    let commit = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
    for (place, held) in [(1, 0), ((1 << 62) - 1, 0), ((1 << 62) - 2, 1)] {
        let object = commit_at(&a, 1, place, commit.clone());
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(a.inside().candidates, held, "{place}");
    }
}

#[test]
fn junk_is_refused_by_its_header_and_plausible_commits_are_staged_up_to_a_limit() {
    let mut config = config();
    config.limits.commits_per_epoch = 2;
    let name = config.group.clone();
    let (mut a, others) = among(config, &["b"]);
    let (b, of_b) = &others[0];
    let faulty = || b.build_faulty(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
    let elsewhere = GroupName::try_from("other").unwrap();
    let mut give = |place, payload: Bytes| {
        let object = commit_at(&a, 1, place, payload);
        arrive(&mut a, Some(id("x")), object);
        let kinds = [Fault::NotMls, Fault::WrongGroup, Fault::WrongEpoch, Fault::Invalid, Fault::TooMany];
        (
            slot(&mut a).staged_commits,
            kinds.map(|fault| faults(&a, fault)),
            a.cx.deadlines.is_set(Timer::Confirm),
        )
    };
    give(0, junk(100));
    give(2, forged_commit(&elsewhere, 1));
    assert_eq!(give(4, forged_commit(&name, 2)), (0, [1, 1, 1, 0, 0], false));
    // Who has no keys uses up none of those that may be staged.
    for _ in 0..5 {
        give(6, forged_commit(&name, 1));
    }
    let first = faulty();
    assert_eq!(give(8, first.clone()), (1, [1, 1, 1, 6, 0], false));
    assert_eq!(give(10, first), (1, [1, 1, 1, 6, 0], false), "the same again");
    assert_eq!(give(12, faulty()), (2, [1, 1, 1, 7, 0], false));
    // What won may be among those that are not tried any more: the service is asked, in time.
    assert_eq!(give(14, faulty()), (2, [1, 1, 1, 7, 1], true));
}

#[test]
fn a_commit_is_published_again_at_its_object_id_and_at_another_once_that_was_in_vain() {
    let (mut a, published, _) = committing(SafetyMode::Pinned);
    let [first] = &published[..] else { panic!("{published:?}") };
    let mut again = |tries| {
        let Machine { cx, state: State::Member(member), .. } = &mut a else { panic!("no member") };
        member.slot.outbox.as_mut().unwrap().tries = tries;
        member.slot.publish(cx, &member.epoch).unwrap();
        let published = |action| match action {
            Action::Publish { object, .. } => Some(object),
            _ => None,
        };
        a.actions().find_map(published).unwrap()
    };
    assert_eq!(again(0), *first);
    let elsewhere = again(1);
    assert_ne!(elsewhere.location, first.location);
    assert_eq!(Object { location: first.location, ..elsewhere }, *first);
}

#[test]
fn only_ones_own_commit_of_its_epoch_was_read_back() {
    let mut a = alone(Config {
        params: GroupParams { mode: SafetyMode::Fenced, ..GroupParams::default() },
        ..config()
    });
    epoch(&mut a).number = 2;
    let commit = Bytes::from_static(b"own");
    epoch(&mut a).afterwards.unheard = Some(Unheard { epoch: 0, commit, tries: 0 });
    for (group, payload, back) in [(0, "other", false), (1, "own", false), (0, "own", true)] {
        let object = commit_at(&a, group, 0, payload);
        arrive(&mut a, None, object);
        assert_eq!(a.member().unwrap().epoch.afterwards.unheard.is_none(), back, "{group} {payload}");
    }
}

#[test]
fn a_peers_view_counts_if_it_is_a_members_and_of_this_epoch() {
    let (mut a, others) = among(config(), &["b"]);
    let b = others[0].0.sender_id().clone();
    let mut says = |peer: &SenderId, epoch, authenticator: Bytes| {
        a.handle(NOW, Event::PeerAuthenticator { peer: peer.clone(), epoch, authenticator }).unwrap();
        notices(&mut a).iter().any(|n| matches!(n, Notice::ForkDetected { .. }))
    };
    assert!(!says(&id("stranger"), 1, "other".into()));
    assert!(!says(&b, 2, "other".into()));
    assert!(says(&b, 1, "other".into()));
}

/// Without pins: the commit that made the counter go on is followed, however much junk came before it.
#[test]
fn what_is_missing_is_tried_whatever_came_before() {
    for flood in
        [|a: &mut Machine| slot(a).staged_commits = usize::MAX, |a: &mut Machine| slot(a).vain = usize::MAX]
    {
        let (mut a, others) = among(
            Config {
                params: GroupParams { mode: SafetyMode::Advisory, ..GroupParams::default() },
                ..config()
            },
            &["b"],
        );
        let (b, of_b) = &others[0];
        let built = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap();
        let object = commit_at(&a, 1, 2, built.commit);
        flood(&mut a);
        a.handle(NOW, Event::Object(object.clone())).unwrap();
        assert_eq!(a.epoch(), Some(1), "too much was tried");
        want_update(&mut a);
        a.run(Input::Timer(Timer::Turn)).unwrap();
        let id = lock(&mut a).unwrap();
        a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(3, None))) }).unwrap();
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(a.epoch(), Some(2));
    }
}
