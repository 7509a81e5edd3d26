//! What is kept, for how long, and over a restart.

use super::*;
use crate::engine::Credential;
use crate::join_request::JoinRequest;
use crate::testing::symbolic::forged_commit;

#[test]
fn leave_requests_of_later_epochs_are_kept_within_bounds() {
    let mut config = config();
    (config.limits.future_epochs, config.limits.leave_bytes) = (3, 256 + 6);
    let (mut a, _) = among(config, &["b", "c"]);
    let [b, c] = ["b", "c"].map(|name| engine(name).sender_id().clone());
    epoch(&mut a).number = 10;
    let mut ask = |sender: &SenderId, epoch| {
        ask_to_leave(&mut a, sender.clone(), 5, Bytes::from_static(b"please"), epoch);
        let kept = &a.state.carried().intents.future_leaves;
        (
            kept.iter().map(|(of, (epoch, ..))| (of.clone(), *epoch)).collect::<Vec<_>>(),
            faults(&a, Fault::TooMany),
        )
    };
    assert_eq!(ask(&b, 14), (vec![], 0), "too far ahead");
    assert_eq!(ask(&id("s"), 13), (vec![], 0), "of a stranger");
    assert_eq!(ask(&b, 13), (vec![(b.clone(), 13)], 0), "just as far and as much as allowed");
    assert_eq!(ask(&c, 11), (vec![(b.clone(), 13)], 1), "no room");
    assert_eq!(ask(&b, 11), (vec![(b.clone(), 11)], 1), "in place of its last one");
}

#[test]
fn a_leave_request_counts_if_it_is_its_senders_and_new() {
    let (mut a, mut others) = among(config(), &["b", "c"]);
    let (mut b, of_b) = others.remove(0);
    let request = b.propose_leave(&of_b, NOW).unwrap();
    let (leaver, c) = (b.sender_id().clone(), others[0].0.sender_id().clone());
    let key = b.generate_key_package(NOW, &config().group, 4).unwrap();
    let object = Object {
        track: a.cx.tracks.key_package(&leaver),
        location: Location { group_id: KEY_PACKAGE_GROUP, object_id: 4 },
        payload: key.message,
    };
    a.handle(NOW, Event::Object(object)).unwrap();
    let known = |a: &Machine| {
        (a.state.carried().joiners.get(&leaver).is_some(), a.state.carried().intents.leaves.len())
    };
    assert_eq!(known(&a), (true, 0), "it comes back anew");
    // Not by whom its track belongs to.
    for (sender, wrong) in [(id("s"), 0), (c, 1)] {
        ask_to_leave(&mut a, sender, 5, request.clone(), 1);
        assert_eq!((known(&a), faults(&a, Fault::WrongSender)), ((true, 0), wrong));
    }
    // Of an epoch that is over: the leaver asks again.
    ask_to_leave(&mut a, leaver.clone(), 6, request.clone(), 0);
    assert_eq!((known(&a), faults(&a, Fault::Invalid)), ((true, 0), 0));
    // Only if it is newer is the KeyPackage withdrawn.
    let mut newer = a.clone();
    ask_to_leave(&mut a, leaver.clone(), 3, request.clone(), 1);
    assert_eq!(known(&a), (true, 1));
    ask_to_leave(&mut newer, leaver.clone(), 5, request, 1);
    assert_eq!(known(&newer), (false, 1));
}

#[test]
fn a_member_that_is_alone_leaves_at_once_and_its_participant_ends() {
    let mut a = alone(config());
    a.handle(NOW, Command::Leave).unwrap();
    assert_eq!(a.phase(), Phase::Ended);
    assert!(notices(&mut a).contains(&Notice::Left));
    assert!(matches!(a.handle(NOW, Command::Update), Err(Error::Ended)));
    assert!(a.handle(NOW, Event::Timer).is_ok());
}

#[test]
fn commits_to_come_are_kept_up_to_their_bytes_and_their_epoch() {
    let commit = |epoch| forged_commit(&config().group, epoch);
    let mut config = config();
    config.limits.handshake_bytes = commit(12).len();
    (config.limits.future_epochs, config.limits.future_bytes) = (3, commit(12).len() + 256);
    let full = config.limits.future_bytes;
    let mut a = alone(config);
    epoch(&mut a).number = 10;
    let mut give = |group, payload: Bytes| {
        let object = commit_at(&a, group, 0, payload);
        a.handle(NOW, Event::Object(object)).unwrap();
        (a.inside().later_bytes, faults(&a, Fault::WrongEpoch), faults(&a, Fault::TooLarge))
    };
    assert_eq!(give(14, commit(14)), (0, 1, 0));
    assert_eq!(give(13, commit(12)), (0, 2, 0), "it says that it is of another");
    assert_eq!(give(13, commit(13)), (full, 2, 0), "just as far and as much as allowed");
    assert_eq!(give(12, [&commit(12)[..], b"."].concat().into()), (full, 2, 1));
    assert_eq!(give(12, commit(12)), (full, 2, 1));
    let future = &mut member(&mut a).carried.future;
    assert_eq!([13, 12].map(|epoch| future.take(epoch).len()), [0, 1], "the nearest are worth most");
}

#[test]
fn a_commit_to_come_makes_one_ask_unless_the_slot_is_known() {
    for decided in [false, true] {
        let mut a = alone(config());
        slot(&mut a).decided = decided.then(unknown);
        let junk = commit_at(&a, 2, 0, "junk");
        a.handle(NOW, Event::Object(junk)).unwrap();
        assert!(!a.cx.deadlines.is_set(Timer::Hint), "its header says that it is nothing");
        let object = commit_at(&a, 2, 0, forged_commit(&config().group, 2));
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(a.cx.deadlines.is_set(Timer::Hint), !decided);
    }
}

#[test]
fn receipts_and_welcomes_just_as_long_as_allowed_are_looked_at() {
    let mut a = alone(Config {
        params: GroupParams { service_key: Some("key".into()), ..GroupParams::default() },
        ..config()
    });
    // None is verified before its commit is there.
    a.cx.config.limits.candidates = 0;
    for (len, too_long) in [(MAX_RECEIPT, 0), (MAX_RECEIPT + 1, 1)] {
        let receipt = ReceiptObject { pin: unknown(), receipt: vec![0; len].into() };
        let object = commit_at(&a, 0, 1, receipt.encode());
        arrive(&mut a, None, object);
        assert_eq!(faults(&a, Fault::BadReceipt), too_long);
    }
    let mut config = config();
    (config.limits.handshake_bytes, config.limits.key_package_bytes) = (100, 100);
    let mut a = alone(config);
    let place = Location { group_id: 1, object_id: 0 };
    let (welcome, key_package) = (a.cx.tracks.welcome(&a.cx.me), a.cx.tracks.key_package(&id("x")));
    for (track, location) in
        [(welcome, place), (key_package, Location { group_id: KEY_PACKAGE_GROUP, object_id: 0 })]
    {
        for (len, too_large) in [(100, 0), (101, 1)] {
            let before = faults(&a, Fault::TooLarge);
            let payload = vec![0; len].into();
            a.handle(NOW, Event::Object(Object { track: track.clone(), location, payload })).unwrap();
            assert_eq!(faults(&a, Fault::TooLarge) - before, too_large, "{track:?} {len}");
        }
    }
}

#[test]
fn what_is_remembered_of_people_and_welcomes_is_bounded() {
    let mut config = config();
    (config.limits.remembered_senders, config.limits.welcomes) = (1, 1);
    let mut a = alone(config);
    a.handle(NOW, Command::Refuse(id("x"))).unwrap();
    a.handle(NOW, Command::Refuse(id("y"))).unwrap();
    assert_eq!(a.state.carried().joiners.refused.iter().len(), 1);
    let name = a.cx.config.group.clone();
    let spare = a.cx.engine.generate_key_package(NOW, &name, 9).unwrap();
    a.cx.keys.packages.push(spare.clone());
    let track = a.cx.tracks.welcome(&a.cx.me);
    for name in ["one", "two"] {
        let mut founder = engine(name);
        let group = founder.create(NOW, &a.cx.config.group, &a.cx.params, 0).unwrap();
        let built =
            founder.create_commit(&group, NOW, std::slice::from_ref(&spare.message), &[]).unwrap().unwrap();
        let payload = with_pin(&built.welcomes[0].1, unknown());
        let location = Location { group_id: 1, object_id: 0 };
        a.handle(NOW, Event::Object(Object { track: track.clone(), location, payload })).unwrap();
    }
    assert_eq!((a.inside().early_welcomes, faults(&a, Fault::TooMany)), (1, 1));
}

#[test]
fn the_order_of_forgetting_and_that_a_sender_was_forgotten_survive_a_restart() {
    let mut config = config();
    config.limits.remembered_senders = 2;
    let mut a = alone(config.clone());
    // In another order than that of the names.
    for name in ["z", "y", "b"] {
        a.handle(NOW, Command::Remove(id(name))).unwrap();
        a.state.carried_mut().joiners.is_news(&id(name), 1, &config.limits);
    }
    for name in ["x", "w"] {
        a.handle(NOW, Command::Refuse(id(name))).unwrap();
        a.state.carried_mut().joiners.spend(&id(name), 1, &config.limits);
    }
    for name in ["v", "u", "c"] {
        let request = JoinRequest::expected(id(name), Credential::basic(name));
        a.handle(NOW, Command::Admit { request, replacing: Some(id("r")) }).unwrap();
    }
    let snapshot = a.snapshot().unwrap();
    let mut restored = Participant::restore(engine("a"), config, &snapshot, NOW).unwrap();
    let (before, after) = (&a.state.carried().joiners, &restored.state.carried().joiners);
    assert_eq!(
        (&after.barred, &after.admitted, &after.refused, &after.spent, &after.seen),
        (&before.barred, &before.admitted, &before.refused, &before.spent, &before.seen)
    );
    let forgot = [after.barred.has_forgotten(), after.refused.has_forgotten(), after.seen.has_forgotten()];
    assert_eq!((forgot, after.may_have_barred()), ([true, false, true], true));
    restored.handle(NOW, Command::Remove(id("A"))).unwrap();
    let barred = restored.state.carried().joiners.barred.iter().map(|(sender, ())| sender.clone());
    assert_eq!(barred.collect::<Vec<_>>(), [id("b"), id("A")]);
}

#[test]
fn a_key_package_from_elsewhere_must_be_newer_than_its_members() {
    let (mut a, _) = among(config(), &["b"]);
    let mut b = engine("b");
    for (object_id, waits) in [(0, false), (5, true)] {
        let message = b.generate_key_package(NOW, &config().group, object_id).unwrap().message;
        a.handle(NOW, Command::Add(message)).unwrap();
        assert_eq!(a.state.carried().joiners.get(b.sender_id()).is_some(), waits, "{object_id}");
    }
}

#[test]
fn a_snapshot_is_of_its_mode_and_of_its_phase() {
    let new = Participant::new(engine("a"), config(), NOW).unwrap().snapshot().unwrap();
    assert_eq!(Participant::restore(engine("a"), config(), &new, NOW).unwrap().phase(), Phase::New);
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory] {
        for other in [SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory] {
            let of = |mode| Config { params: GroupParams { mode, ..GroupParams::default() }, ..config() };
            let snapshot = alone(of(mode)).snapshot().unwrap();
            let restored = Participant::restore(engine("a"), of(other), &snapshot, NOW);
            assert_eq!(restored.is_ok(), mode == other, "{mode:?} as {other:?}");
        }
    }
}

#[test]
fn after_a_restart_ones_own_commit_counts_as_sent_where_it_may_have_been() {
    for (mode, sent) in
        [(SafetyMode::Pinned, true), (SafetyMode::Advisory, true), (SafetyMode::Fenced, false)]
    {
        let config = Config { params: GroupParams { mode, ..GroupParams::default() }, ..config() };
        let mut a = alone(config.clone());
        want_update(&mut a);
        take_turn(&mut a);
        assert!(a.inside().outbox.is_some());
        let restored = Participant::restore(engine("a"), config, &a.snapshot().unwrap(), NOW).unwrap();
        assert_eq!(restored.member().unwrap().slot.outbox.as_ref().unwrap().sent, sent, "{mode:?}");
    }
}

#[test]
fn a_restart_keeps_nothing_of_the_snapshot_it_came_from() {
    let (mut a, _) = among(config(), &["b", "c"]);
    a.handle(NOW, Command::Refuse(id("x"))).unwrap();
    want_update(&mut a);
    take_turn(&mut a);
    assert!(a.inside().outbox.is_some());
    let whole = Bytes::from(a.snapshot().unwrap().to_bytes().to_vec());
    let snapshot = Snapshot::from_bytes(whole.clone());
    let restored = Participant::restore(engine("a"), config(), &snapshot, NOW).unwrap();
    drop(snapshot);
    assert!(restored.inside().outbox.is_some() && whole.is_unique());
}

#[test]
fn a_group_that_this_run_created_may_be_sealed_with_and_an_earlier_runs_may_not() {
    let pinned = |a: &mut Machine| {
        let mut asked = None;
        while let Some(action) = a.poll_action() {
            match action {
                Action::Lock { id, .. } => {
                    a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
                }
                Action::Fetch { id, .. } => {
                    a.handle(NOW, Event::FetchReply { id, reply: Ok(Vec::new()) }).unwrap();
                }
                Action::Increment { id, request } => asked = Some((id, request.pin)),
                _ => {}
            }
        }
        asked.unwrap()
    };
    let may_seal = |a: &mut Machine, (id, pin)| {
        a.handle(NOW, Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(1, pin))) }).unwrap();
        a.epoch_secret(0).unwrap().may_seal()
    };
    let new = Participant::new(engine("a"), config(), NOW).unwrap().snapshot().unwrap();
    let mut a = Participant::restore(engine("a"), config(), &new, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    let asked = pinned(&mut a);
    let created = a.snapshot().unwrap();
    assert!(may_seal(&mut a, asked));
    let mut again = Participant::restore(engine("a"), config(), &created, NOW).unwrap();
    let asked = pinned(&mut again);
    assert!(!may_seal(&mut again, asked));
}

#[test]
fn a_restart_forgets_nobody_who_comes_back_in_ones_own_commit() {
    let (mut a, _) = among(config(), &["b"]);
    let mut b = engine("b");
    let message = b.generate_key_package(NOW, &config().group, 5).unwrap().message;
    a.handle(NOW, Command::Add(message)).unwrap();
    a.cx.now = NOW.after(Duration::from_secs(1));
    take_turn(&mut a);
    let restored = Participant::restore(engine("a"), config(), &a.snapshot().unwrap(), NOW).unwrap();
    let outbox = restored.member().unwrap().slot.outbox.as_ref().unwrap();
    let added: Vec<_> = outbox.added.iter().map(|m| (&m.sender, m.key_package_object_id)).collect();
    assert_eq!((added, &outbox.removed[..]), (vec![(b.sender_id(), Some(5))], &[1][..]));
}
