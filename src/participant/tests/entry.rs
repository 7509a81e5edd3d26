//! Creating, joining, and a joiner's keys.

use super::*;

/// The first answer to a creator's increment, and where it is then; or to its lock, without `created`.
fn genesis(
    mode: SafetyMode,
    created: bool,
    lock_reply: LockReply,
    reply: IncrementReply,
) -> (Phase, Vec<Notice>) {
    let mut config = config();
    config.params.mode = mode;
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        while let Some(action) = a.poll_action() {
            let reply = match action {
                Action::Lock { id, .. } => Event::LockReply { id, reply: Ok(lock_reply.clone()) },
                Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
                Action::Increment { id, .. } if created => {
                    Event::IncrementReply { id, reply: Ok(reply.clone()) }
                }
                Action::Notify(notice) => {
                    told.push(notice);
                    continue;
                }
                _ => continue,
            };
            a.handle(a.cx.now, reply).unwrap();
        }
        if a.phase() == Phase::Bootstrapping {
            let (at, _) = a.poll_timeout().unwrap();
            a.handle(at, Event::Timer).unwrap();
        }
    }
    (a.phase(), told)
}

/// Slot 0 may be filled by the founder's own increment, whose answer was lost or changed on the way: it alone has
/// the state, so nothing but another's pin ends it.
#[test]
fn a_founder_gives_its_group_up_for_nothing_but_anothers_pin() {
    let other = Pin::genesis([1; 32], [2; 32]);
    let forgotten = CounterState { pin_forgotten: true, ..state(2000, None) };
    for (reply, kept) in [
        (IncrementReply::CounterError(state(1, None)), true),
        (IncrementReply::Ok(state(0, None)), true),
        (IncrementReply::Ok(state(1, None)), true),
        (IncrementReply::CounterError(state(1, Some(other))), false),
        (IncrementReply::CounterError(forgotten), false),
    ] {
        let mut a = Participant::new(engine("a"), config(), NOW).unwrap();
        a.handle(NOW, Command::Join).unwrap();
        let asked: Vec<Action> = a.actions().collect();
        for action in asked {
            match action {
                Action::Lock { id, .. } => {
                    a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap()
                }
                Action::Fetch { id, .. } => {
                    a.handle(NOW, Event::FetchReply { id, reply: Ok(Vec::new()) }).unwrap();
                }
                _ => {}
            }
        }
        let pin = a.inside().genesis.unwrap();
        let (id, _) = increment(&mut a).unwrap();
        a.handle(NOW, Event::IncrementReply { id, reply: Ok(reply.clone()) }).unwrap();
        assert_eq!(a.inside().genesis, kept.then_some(pin), "{reply:?}");
        // An answer about another slot is none about this one.
        if kept {
            let late = LockRequestId(77);
            a.cx.requests.expect_lock(late, LockPurpose::ConfirmWelcome(3));
            let reply = Ok(LockReply::CounterError(state(1, None)));
            a.handle(NOW, Event::LockReply { id: late, reply }).unwrap();
            assert_eq!(a.inside().genesis, Some(pin));
            // Once the service says whose it is, the founder is in.
            a.run(Input::Timer(Timer::Request)).unwrap();
            let (id, _) = increment(&mut a).unwrap();
            let reply = Ok(IncrementReply::Ok(state(1, Some(pin))));
            a.handle(NOW, Event::IncrementReply { id, reply }).unwrap();
            assert_eq!(a.epoch(), Some(0));
        }
    }
}

#[test]
fn a_creator_takes_each_answer_for_what_it_is() {
    use SafetyMode::{Advisory, Fenced, Pinned};
    let fault = |fault| vec![Notice::ServiceFault(fault)];
    let counter = |current| IncrementReply::CounterError(state(current, None));
    let asked = |reply| genesis(Pinned, false, reply, counter(0));
    // A counter that stands at nothing is a contradiction, not another's group.
    assert_eq!(asked(LockReply::CounterError(state(0, None))), (Phase::Bootstrapping, vec![]));
    assert_eq!(asked(LockReply::CounterError(state(1, None))), (Phase::Joining, vec![]));
    let refused = asked(LockReply::Error(Reason::RateLimited));
    assert_eq!(
        refused,
        (Phase::Bootstrapping, fault(ServiceFault::Refused(Reason::RateLimited))),
        "reported once"
    );
    let without = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) };
    let (phase, told) = genesis(Fenced, false, without, counter(0));
    assert_eq!((phase, told), (Phase::Bootstrapping, fault(ServiceFault::NoTokens)));

    let created = |mode, reply| genesis(mode, true, token(), reply);
    assert_eq!(created(Pinned, counter(0)), (Phase::Bootstrapping, vec![]));
    let anothers = IncrementReply::CounterError(state(1, Some(unknown())));
    assert_eq!(created(Pinned, anothers), (Phase::Joining, vec![]));
    assert_eq!(created(Advisory, counter(1)).0, Phase::Joining);
    let no_pins = (Phase::Bootstrapping, fault(ServiceFault::NoPins));
    assert_eq!(created(Pinned, IncrementReply::Ok(state(1, None))), no_pins);
    assert_eq!(created(Pinned, counter(1)), no_pins, "whose, nobody says");
    assert_eq!(created(Pinned, IncrementReply::Error(Reason::NotLocked)), no_pins);
    assert_eq!(created(Advisory, IncrementReply::Error(Reason::NotLocked)), (Phase::Bootstrapping, vec![]));
}

/// Joining, with a Welcome to epoch 1 at hand that waits for its pin: the machine, the pin, the question.
fn at_the_gate(config: Config) -> (Machine, Pin, LockRequestId) {
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    let id = lock(&mut a).unwrap();
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(1, None))) }).unwrap();
    assert_eq!(a.phase(), Phase::Joining);
    // Another, in case the first was lost: it came too late.
    let first = a.cx.keys.packages.last().unwrap().clone();
    a.run(Input::Timer(Timer::JoinRetry)).unwrap();
    let mut founder = engine("founder");
    let group = founder.create(NOW, &a.cx.config.group, &a.cx.params, 0).unwrap();
    let built = founder.create_commit(&group, NOW, &[first.message], &[]).unwrap().unwrap();
    let pin = a.cx.pin_of(founder.sha256(&built.commit).unwrap(), &built.next, 1).unwrap();
    let payload = with_pin(&built.welcomes[0].1, pin);
    let place = Location { group_id: 1, object_id: 0 };
    let object = Object { track: a.cx.tracks.welcome(&a.cx.me), location: place, payload };
    a.handle(NOW, Event::Object(object)).unwrap();
    let id = lock(&mut a).unwrap();
    (a, pin, id)
}

#[test]
fn a_joiner_takes_each_answer_about_its_welcome() {
    let answer = |reply: CounterState| {
        let (mut a, _, id) = at_the_gate(config());
        a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(reply)) }).unwrap();
        let unpinned = notices(&mut a).contains(&Notice::ServiceFault(ServiceFault::NoPins));
        let State::Joining(joining) = &a.state else { panic!("{:?}", a.phase()) };
        (unpinned, joining.gate.awaits(1), a.cx.keys.packages.len(), a.cx.deadlines.is_set(Timer::Request))
    };
    assert_eq!(answer(state(1, None)), (false, true, 2, true), "not decided yet");
    assert!(answer(state(2, None)).0, "decided, and for nothing");
    let forgotten = CounterState { pin_forgotten: true, ..state(2, None) };
    assert!(!answer(forgotten).1, "nobody will ever know: another KeyPackage");
}

#[test]
fn a_refusal_at_the_gate_is_reported_once() {
    let (mut a, _, mut id) = at_the_gate(config());
    let mut told = Vec::new();
    for _ in 0..3 {
        a.handle(a.cx.now, Event::LockReply { id, reply: Ok(LockReply::Error(Reason::RateLimited)) })
            .unwrap();
        told.extend(notices(&mut a));
        id = loop {
            let (at, _) = a.poll_timeout().unwrap();
            a.handle(at, Event::Timer).unwrap();
            if let Some(id) = lock(&mut a) {
                break id;
            }
        };
    }
    let refused = Notice::ServiceFault(ServiceFault::Refused(Reason::RateLimited));
    assert_eq!(told.iter().filter(|n| **n == refused).count(), 1);
}

/// Anybody can make up a Welcome to the epoch that comes next. It makes nobody wait for the next try, for the true one
/// is looked at soon; nor does a flood make the joiner ask more often than that.
#[test]
fn a_welcome_that_came_too_early_does_not_hold_up_the_next() {
    let (mut a, _, mut id) = at_the_gate(config());
    let busy = || Ok(LockReply::Conflict { retry_later: Duration::from_secs(60) });
    let asked_again = |a: &mut Machine| {
        let asks = |timer: &Timer| matches!(timer, Timer::Request | Timer::Hint);
        let others: Vec<_> = a.cx.deadlines.armed().filter(|timer| !asks(timer)).collect();
        others.into_iter().for_each(|timer| a.cx.deadlines.clear(timer));
        let (at, _) = a.poll_timeout().unwrap();
        let wait = at.since(a.cx.now);
        a.handle(at, Event::Timer).unwrap();
        (lock(a).unwrap(), wait)
    };
    a.handle(NOW, Event::LockReply { id, reply: busy() }).unwrap();
    let (turn, long) = (a.cx.config.timers.turn, Duration::from_secs(2));
    let mut waited = Vec::new();
    // Without another Welcome; with many while nothing is asked; with many while the question is under way.
    for (before, meanwhile) in [(0, 0), (30, 0), (0, 30)] {
        flood(&mut a, before);
        let wait;
        (id, wait) = asked_again(&mut a);
        waited.push(wait);
        flood(&mut a, meanwhile);
        a.handle(a.cx.now, Event::LockReply { id, reply: busy() }).unwrap();
    }
    waited.push(asked_again(&mut a).1);
    assert!(waited[0] >= long && waited[2] >= long, "{waited:?}");
    assert!((turn..=turn * 2).contains(&waited[1]) && (turn..=turn * 2).contains(&waited[3]), "{waited:?}");
}

/// A flood of Welcomes to ever new epochs, each of which is asked about, leaves room for another look at this one.
#[test]
fn a_welcome_is_looked_at_again_whatever_else_is_asked() {
    let (mut a, pin, id) = at_the_gate(config());
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(1, None))) }).unwrap();
    flood(&mut a, 1);
    for epoch in 2..30 {
        let object = made_up(&mut a, epoch);
        a.handle(NOW, Event::Object(object)).unwrap();
    }
    let asked: Vec<_> = a.actions().filter(|action| matches!(action, Action::Lock { .. })).collect();
    assert_eq!(asked.len(), 8, "no more at a time");
    let turn = a.cx.config.timers.turn;
    a.handle(NOW.after(turn * 2), Event::Timer).unwrap();
    let id = lock(&mut a).unwrap();
    let reply = LockReply::CounterError(state(2, Some(pin)));
    a.handle(a.cx.now, Event::LockReply { id, reply: Ok(reply) }).unwrap();
    assert_eq!(a.epoch(), Some(1));
}

/// For such a value the counter's state is asked: its answer confirms no Welcome.
#[test]
fn no_welcome_is_to_an_epoch_that_no_counter_gets_to() {
    let config = Config {
        params: GroupParams { service_key: Some(Bytes::from_static(b"key")), ..GroupParams::default() },
        ..config()
    };
    let (mut a, _, _) = at_the_gate(config);
    for epoch in [FIRST_NONCE, FIRST_DATED + 7, u64::MAX] {
        let object = made_up(&mut a, epoch);
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(lock(&mut a), None, "{epoch}");
        let id = LockRequestId(99);
        a.cx.requests.expect_lock(id, LockPurpose::Audit(epoch));
        let reply = LockReply::CounterError(state(u64::MAX, Some(unknown())));
        a.handle(a.cx.now, Event::LockReply { id, reply: Ok(reply) }).unwrap();
        assert_eq!((a.phase(), a.stats().bad_receipts), (Phase::Joining, 0));
    }
    assert_eq!(faults(&a, Fault::Invalid), 3);
}

/// A Welcome to that epoch of a group that nobody pinned, with the newest key.
fn made_up(a: &mut Machine, epoch: u64) -> Object {
    let key = a.cx.keys.packages.last().unwrap().message.clone();
    let mut founder = engine("somebody");
    let random = a.cx.engine.random().unwrap();
    let group = founder.create(NOW, &a.cx.config.group, &a.cx.params, random).unwrap().at(epoch - 1);
    let built = founder.create_commit(&group, NOW, &[key], &[]).unwrap().unwrap();
    let payload = with_pin(&built.welcomes[0].1, Pin::new([1; 32], [2; 32], [3; 32]));
    let location = Location { group_id: epoch, object_id: random };
    Object { track: a.cx.tracks.welcome(&a.cx.me), location, payload }
}

/// So many of them to epoch 1.
fn flood(a: &mut Machine, many: u64) {
    for _ in 0..many {
        let object = made_up(a, 1);
        let before = lock(a);
        a.handle(a.cx.now, Event::Object(object)).unwrap();
        assert_eq!((before, lock(a)), (None, None), "not at once");
    }
}

#[test]
fn newer_keys_outlive_the_join_for_a_while() {
    let (mut a, pin, id) = at_the_gate(config());
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(2, Some(pin)))) }).unwrap();
    assert_eq!((a.epoch(), a.cx.keys.packages.len()), (Some(1), 1), "a Welcome to it may be on its way");
    let until = a.cx.keys.spare_until.unwrap();
    a.cx.now = until.before(Duration::from_millis(1));
    a.run(Input::Timer(Timer::Audit)).unwrap();
    assert_eq!(a.cx.keys.packages.len(), 1);
    a.cx.now = until;
    a.run(Input::Timer(Timer::Audit)).unwrap();
    assert_eq!((a.cx.keys.packages.len(), a.inside().early_welcomes), (0, 0));
}

#[test]
fn a_member_keeps_only_welcomes_to_keys_that_it_holds() {
    let (mut a, mut others) = among(config(), &["b"]);
    let (b, of_b) = others.remove(0);
    let track = a.cx.tracks.welcome(&a.cx.me);
    let give = |a: &mut Machine, welcome: &Bytes| {
        let location = Location { group_id: 2, object_id: 0 };
        let object = Object { track: track.clone(), location, payload: with_pin(welcome, unknown()) };
        a.handle(NOW, Event::Object(object)).unwrap();
        a.inside().early_welcomes
    };
    let welcome_to = |key: &OwnKeyPackage| {
        b.create_commit(&of_b, NOW, std::slice::from_ref(&key.message), &[0])
            .unwrap()
            .unwrap()
            .welcomes
            .remove(0)
            .1
    };
    let spare = a.cx.engine.generate_key_package(NOW, &config().group, 9).unwrap();
    assert_eq!(give(&mut a, &welcome_to(&spare)), 0, "no key");
    a.cx.keys.packages.push(spare.clone());
    let strange = engine("x").generate_key_package(NOW, &config().group, 1).unwrap();
    assert_eq!(give(&mut a, &welcome_to(&strange)), 0, "another key");
    assert_eq!(give(&mut a, &welcome_to(&spare)), 1);
}

#[test]
fn a_join_that_fails_is_the_welcomes_fault() {
    let (mut a, pin, id) = at_the_gate(config());
    a.cx.keys.packages[0].secret = a.cx.keys.packages[1].secret.clone();
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(2, Some(pin)))) }).unwrap();
    assert_eq!((a.phase(), faults(&a, Fault::Invalid)), (Phase::Joining, 1));
}

#[test]
fn what_was_not_published_is_tried_so_often_and_what_was_not_subscribed_again() {
    let mut config = config();
    config.limits.publish_tries = 3;
    config.timers.join_retry = Duration::from_secs(3600);
    config.timers.join_deadline = Duration::from_secs(3600);
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    let (mut published, mut subscribed) = (0, 0);
    for _ in 0..40 {
        let actions: Vec<Action> = a.actions().collect();
        for action in actions {
            let reply = match action {
                Action::Publish { id, .. } => {
                    published += 1;
                    Event::PublishReply { id, reply: Err(Failure::Unknown) }
                }
                Action::Subscribe { id, .. } if subscribed < 10 => {
                    subscribed += 1;
                    Event::SubscribeReply { id, reply: Err(Failure::Unknown) }
                }
                _ => continue,
            };
            a.handle(a.cx.now, reply).unwrap();
        }
        let (at, _) = a.poll_timeout().unwrap();
        a.handle(at, Event::Timer).unwrap();
    }
    assert_eq!((published, subscribed), (4, 10), "once, and three times more");
}
