//! What needs a look inside the machine, or what no event can bring about and must not do harm all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::counter::Pin;
use crate::counter::{CounterState, IncrementReply, LockReply, MAX_RECEIPT, Reason};
use crate::engine::OwnKeyPackage;
use crate::notice::{Notice, RejoinReason, ServiceFault};
use crate::participant::carried::Carried;
use crate::participant::flow::{By, Entry};
use crate::participant::input::Arrival;
use crate::participant::member::Member;
use crate::participant::member::arrival;
use crate::participant::member::epoch::{Epoch, Unheard};
use crate::participant::member::leave;
use crate::participant::member::slot::{PATIENCE, Slot, Step};
use crate::participant::requests::{IncrementPurpose, LockPurpose};
use crate::request::{Failure, IncrementRequestId, LockRequestId};
use crate::testing::symbolic::{SymbolicEngine, SymbolicGroup};
use crate::tracks::{GroupName, KEY_PACKAGE_GROUP, Location, Object, SenderId, commit_fallback_object};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

/// mls-rs applies detached secrets to any group they are given with and rolls it back without a word
/// (`reliability.md`, T2), so one's own commit is applied only to the epoch it was built on.
#[test]
fn an_outbox_of_another_base_is_never_applied() {
    let name = GroupName::try_from("g").unwrap();
    let engine = SymbolicEngine::new("a").unwrap();
    let mut a = Participant::new(engine, Config::new(name.clone()), NOW).unwrap();
    let group = a.cx.engine.create(NOW, &name, &a.cx.params, 0).unwrap();
    put(&mut a, group);
    want_update(&mut a);
    a.run(Input::Timer(Timer::Turn)).unwrap();
    let lock = a.actions().find_map(|action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    });
    let reply = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) };
    a.handle(NOW, Event::LockReply { id: lock.unwrap(), reply: Ok(reply) }).unwrap();
    let mut moved = a.clone();

    let pin = a.member().unwrap().slot.outbox.as_ref().unwrap().pin;
    decide(&mut a, pin);
    assert_eq!((a.phase(), a.epoch()), (Phase::Member, Some(1)));

    let outbox = slot(&mut moved).outbox.as_mut().unwrap();
    outbox.base = [9; 32];
    decide(&mut moved, pin);
    assert_eq!((moved.phase(), moved.epoch()), (Phase::Joining, None));
    let told = moved.actions().any(|a| a == Action::Notify(Notice::Rejoining(RejoinReason::Unreachable)));
    assert!(told);
}

fn id(name: &str) -> SenderId {
    SenderId::new(name.as_bytes().to_vec()).unwrap()
}

fn config() -> Config {
    Config::new(GroupName::try_from("g").unwrap())
}

fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}

fn engine(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

type Machine = Participant<SymbolicEngine>;

fn put(a: &mut Machine, group: SymbolicGroup) {
    let view = a.cx.engine.view(&group).unwrap();
    let saved = a.cx.engine.save(&group).unwrap();
    let pin = Some(Pin::new([1; 32], [2; 32]));
    let entry = Entry { group, view, saved, pin, by: By::Creation };
    let member = arrival::place(&mut a.cx, Carried::default(), entry).unwrap();
    a.state = State::Member(Box::new(member));
}

fn member(a: &mut Machine) -> &mut Member<SymbolicGroup> {
    match &mut a.state {
        State::Member(member) => member,
        _ => panic!("no member"),
    }
}

fn epoch(a: &mut Machine) -> &mut Epoch<SymbolicGroup> {
    &mut member(a).epoch
}

fn slot(a: &mut Machine) -> &mut Slot<SymbolicGroup> {
    &mut member(a).slot
}

fn want_update(a: &mut Machine) {
    member(a).carried.intents.update = true;
}

/// The counter says which commit won the slot.
fn decide(a: &mut Machine, pin: Pin) {
    let at = epoch(a).slot();
    slot(a).step = Step::Locking;
    let used = LockReply::CounterError(state(at + 1, Some(pin)));
    a.run(Input::Locked(LockPurpose::Slot(at), Ok(used))).unwrap();
}

fn ask_to_leave(a: &mut Machine, sender: SenderId, object_id: u64, message: Bytes, epoch: u64) {
    let Machine { cx, state: State::Member(member) } = a else { panic!("no member") };
    let request = leave::Request { epoch, object_id, message };
    leave::on_request(cx, &member.epoch, &mut member.carried, sender, request);
}

fn arrive(a: &mut Machine, from: Option<SenderId>, object: Object) {
    a.run(Input::Arrival(Arrival::Commit { from, object })).unwrap();
}

/// The only member, at epoch 0.
fn alone(config: Config) -> Machine {
    let name = config.group.clone();
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    let group = a.cx.engine.create(NOW, &name, &a.cx.params, 0).unwrap();
    put(&mut a, group);
    a
}

/// `a` among `others`, at epoch 1, with the others' engines and groups.
fn among(config: Config, others: &[&str]) -> (Machine, Vec<(SymbolicEngine, SymbolicGroup)>) {
    let mut a = alone(config);
    let mut others: Vec<_> = others.iter().map(|name| engine(name)).collect();
    let keys: Vec<_> = others.iter_mut().map(|e| e.generate_key_package(NOW, 0).unwrap()).collect();
    let adds: Vec<Bytes> = keys.iter().map(|key| key.message.clone()).collect();
    let built = a.cx.engine.build(&a.member().unwrap().epoch.group, NOW, &adds, &[]).unwrap();
    put(&mut a, built.next.group);
    let join = |(mut e, key): (SymbolicEngine, OwnKeyPackage)| {
        let (_, welcome) = built.welcomes.iter().find(|(to, _)| to == e.sender_id()).unwrap();
        let group = e.join(NOW, welcome, &key, None).unwrap();
        (e, group)
    };
    let others = others.into_iter().zip(keys).map(join).collect();
    (a, others)
}

fn faults(a: &Machine, fault: Fault) -> u64 {
    a.cx.stats.faults.get(&fault).copied().unwrap_or(0)
}

fn commit_at(a: &Machine, group: u64, object: u64, payload: impl Into<Bytes>) -> Object {
    Object {
        track: a.cx.tracks.commit(&a.cx.me),
        location: Location { group, object },
        payload: payload.into(),
    }
}

fn notices(a: &mut Machine) -> Vec<Notice> {
    let told = |action| match action {
        Action::Notify(notice) => Some(notice),
        _ => None,
    };
    a.actions().filter_map(told).collect()
}

fn lock(a: &mut Machine) -> Option<LockRequestId> {
    let asked = |action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    };
    a.actions().filter_map(asked).last()
}

fn token() -> LockReply {
    LockReply::Ok { lock_id: Some(Bytes::from_static(b"t")), expires_in: Duration::from_secs(1) }
}

#[test]
fn leave_requests_of_later_epochs_are_kept_within_bounds() {
    let mut config = config();
    (config.limits.future_epochs, config.limits.roster) = (3, 2);
    let (mut a, _) = among(config, &["b"]);
    let b = engine("b").sender_id().clone();
    epoch(&mut a).number = 10;
    let mut ask = |sender: &SenderId, epoch| {
        ask_to_leave(&mut a, sender.clone(), 5, Bytes::from_static(b"please"), epoch);
        a.state.carried().intents.future_leaves.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(ask(&b, 14), [], "too far ahead");
    assert_eq!(ask(&id("s"), 13), [id("s")], "from somebody who may be a member by then");
    assert_eq!(ask(&id("t"), 11), [id("s"), id("t")]);
    assert_eq!(ask(&id("u"), 11), [id("s"), id("t")], "no room for strangers");
    assert!(ask(&b, 11).contains(&b), "there is always room for a member");
    assert_eq!(a.state.carried().intents.future_leaves.len(), 3);
}

#[test]
fn a_leave_request_counts_if_it_is_its_senders_and_new() {
    let (mut a, mut others) = among(config(), &["b"]);
    let (b, of_b) = others.remove(0);
    let request = b.propose_leave(&of_b, NOW).unwrap();
    let mut c = engine("c");
    let joiner = c.sender_id().clone();
    let key = c.generate_key_package(NOW, 4).unwrap();
    let object = Object {
        track: a.cx.tracks.key_package(&joiner),
        location: Location { group: KEY_PACKAGE_GROUP, object: 4 },
        payload: key.message,
    };
    a.handle(NOW, Event::Object(object)).unwrap();
    let waits = |a: &Machine| a.state.carried().joiners.get(&joiner).is_some();
    assert!(waits(&a));
    // Not by whom its track belongs to: it takes nobody out, and only if newer is the KeyPackage withdrawn.
    for (object, stays) in [(3, true), (4, true), (5, false)] {
        ask_to_leave(&mut a, joiner.clone(), object, request.clone(), 1);
        assert_eq!((waits(&a), a.state.carried().intents.leaves.len()), (stays, 0), "{object}");
    }
    assert_eq!((faults(&a, Fault::WrongSender), faults(&a, Fault::Invalid)), (3, 0));
    // Of an epoch that is over: the leaver asks again.
    ask_to_leave(&mut a, b.sender_id().clone(), 6, request.clone(), 0);
    assert_eq!((a.state.carried().intents.leaves.len(), faults(&a, Fault::Invalid)), (0, 0));
    ask_to_leave(&mut a, b.sender_id().clone(), 7, request, 1);
    assert_eq!(a.state.carried().intents.leaves.len(), 1);
}

#[test]
fn whoever_is_alone_leaves_at_once_and_is_no_more() {
    let mut a = alone(config());
    a.handle(NOW, Command::Leave).unwrap();
    assert_eq!(a.phase(), Phase::Ended);
    assert!(notices(&mut a).contains(&Notice::Left));
    assert!(matches!(a.handle(NOW, Command::Update), Err(Error::Ended)));
    assert!(a.handle(NOW, Event::Timer).is_ok());
}

#[test]
fn commits_to_come_are_kept_up_to_their_bytes_and_their_epoch() {
    let mut config = config();
    (config.limits.future_epochs, config.limits.future_bytes) = (3, 1000);
    config.limits.handshake_bytes = 744;
    let mut a = alone(config);
    epoch(&mut a).number = 10;
    let mut give = |group, len: usize| {
        let object = commit_at(&a, group, 0, vec![0; len]);
        a.handle(NOW, Event::Object(object)).unwrap();
        (a.inside().later_bytes, faults(&a, Fault::WrongEpoch), faults(&a, Fault::TooLarge))
    };
    assert_eq!(give(14, 1), (0, 1, 0));
    assert_eq!(give(13, 744), (1000, 1, 0), "just as far and as much as allowed");
    assert_eq!(give(12, 745), (1000, 1, 1));
    assert_eq!(give(12, 1), (257, 1, 1), "the nearest are worth most");
}

#[test]
fn a_commit_to_come_makes_one_ask_unless_the_slot_is_known() {
    for decided in [false, true] {
        let mut a = alone(config());
        a.cx.deadlines.clear(Timer::Confirm);
        slot(&mut a).decided = decided.then_some(Pin::new([7; 32], [8; 32]));
        let object = commit_at(&a, 2, 0, "later");
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(a.cx.deadlines.is_set(Timer::Confirm), !decided);
    }
}

#[test]
fn what_lies_in_ones_own_place_is_remembered_within_bounds() {
    let mut config = config();
    config.limits.commits_per_epoch = 1;
    let mut a = alone(config);
    let object = commit_at(&a, 0, 4, "on another's track");
    arrive(&mut a, Some(id("other")), object);
    assert!(a.member().unwrap().slot.taken.is_empty());
    let own = a.cx.me.clone();
    for object in [0, 2] {
        let object = commit_at(&a, 0, object, format!("junk {object}"));
        arrive(&mut a, Some(own.clone()), object);
    }
    assert_eq!(a.member().unwrap().slot.taken.iter().copied().collect::<Vec<_>>(), [0]);
    assert_eq!((faults(&a, Fault::NotMls), faults(&a, Fault::TooMany)), (1, 2), "one is looked at");
}

#[test]
fn one_commit_of_each_author_is_held_with_all_its_places() {
    let (mut a, others) = among(config(), &["b", "c"]);
    let commit = |e: &SymbolicEngine, group| e.build(group, NOW, &[], &[]).unwrap().commit;
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
    let places: Vec<Vec<u64>> = held.iter().map(|c| c.objects.iter().copied().collect()).collect();
    assert_eq!(places, [[0, 6], [2, 4]]);
    assert_eq!(faults(&a, Fault::TooMany), 1, "a second one of the same author");
}

#[test]
fn receipts_and_welcomes_just_as_long_as_allowed_are_looked_at() {
    let mut a = alone(config());
    for (len, too_long) in [(MAX_RECEIPT, 0), (MAX_RECEIPT + 1, 1)] {
        let object = commit_at(&a, 0, 1, vec![0; len]);
        arrive(&mut a, None, object);
        assert_eq!(faults(&a, Fault::BadReceipt), too_long);
    }
    let mut config = config();
    (config.limits.handshake_bytes, config.limits.key_package_bytes) = (100, 100);
    let mut a = alone(config);
    let place = Location { group: 1, object: 0 };
    let (welcome, key_package) = (a.cx.tracks.welcome(&a.cx.me), a.cx.tracks.key_package(&id("x")));
    for (track, location) in
        [(welcome, place), (key_package, Location { group: KEY_PACKAGE_GROUP, object: 0 })]
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
fn a_member_keeps_only_welcomes_to_keys_that_it_holds() {
    let (mut a, mut others) = among(config(), &["b"]);
    let (b, of_b) = others.remove(0);
    let track = a.cx.tracks.welcome(&a.cx.me);
    let give = |a: &mut Machine, welcome: &Bytes| {
        let location = Location { group: 2, object: 0 };
        let object = Object { track: track.clone(), location, payload: welcome.clone() };
        a.handle(NOW, Event::Object(object)).unwrap();
        a.inside().early_welcomes
    };
    let welcome_to = |key: &OwnKeyPackage| {
        b.build(&of_b, NOW, std::slice::from_ref(&key.message), &[0]).unwrap().welcomes.remove(0).1
    };
    let spare = a.cx.engine.generate_key_package(NOW, 9).unwrap();
    assert_eq!(give(&mut a, &welcome_to(&spare)), 0, "no key");
    a.cx.keys.packages.push(spare.clone());
    let strange = engine("x").generate_key_package(NOW, 1).unwrap();
    assert_eq!(give(&mut a, &welcome_to(&strange)), 0, "another key");
    assert_eq!(give(&mut a, &welcome_to(&spare)), 1);
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
    let built = founder.build(&group, NOW, &[first.message], &[]).unwrap();
    let pin = Pin::new(founder.sha256(&built.commit).unwrap(), built.next.context_hash);
    let (_, payload) = built.welcomes.first().unwrap().clone();
    let place = Location { group: 1, object: 0 };
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
        (unpinned, joining.welcomes.len(), a.cx.keys.packages.len(), a.cx.deadlines.is_set(Timer::Request))
    };
    assert_eq!(answer(state(1, None)), (false, 1, 2, true), "not decided yet");
    assert!(answer(state(2, None)).0, "decided, and for nothing");
    let forgotten = CounterState { pin_forgotten: true, ..state(2, None) };
    assert_eq!(answer(forgotten).1, 0, "nobody will ever know: another KeyPackage");
}

#[test]
fn a_refusal_at_the_gate_is_told_once() {
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

/// The first answer to a creator's increment, and where it is then; or to its lock, without `created`.
fn genesis(
    mode: SafetyMode,
    created: bool,
    lock_reply: LockReply,
    reply: IncrementReply,
) -> (Phase, Vec<Notice>) {
    let mut config = config();
    config.mode = mode;
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let id = lock(&mut a);
        if let Some(id) = id {
            a.handle(a.cx.now, Event::LockReply { id, reply: Ok(lock_reply.clone()) }).unwrap();
        }
        while let Some(action) = a.poll_action() {
            let reply = match action {
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
        "told once"
    );
    let without = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) };
    let (phase, told) = genesis(Fenced, false, without, counter(0));
    assert_eq!((phase, told), (Phase::Bootstrapping, fault(ServiceFault::NoTokens)));

    let created = |mode, reply| genesis(mode, true, token(), reply);
    assert_eq!(created(Pinned, counter(0)), (Phase::Bootstrapping, vec![]));
    assert_eq!(created(Pinned, counter(1)), (Phase::Joining, vec![]), "another's, whatever it is");
    assert_eq!(created(Advisory, counter(1)).0, Phase::Joining);
    let no_pins = (Phase::Bootstrapping, fault(ServiceFault::NoPins));
    assert_eq!(created(Pinned, IncrementReply::Ok(state(1, None))), no_pins);
    assert_eq!(created(Pinned, IncrementReply::Error(Reason::NotLocked)), no_pins);
    assert_eq!(created(Advisory, IncrementReply::Error(Reason::NotLocked)), (Phase::Bootstrapping, vec![]));
}

#[test]
fn a_commit_that_removes_us_is_given_way_to_so_long() {
    for (attempts, built) in [(PATIENCE - 1, false), (PATIENCE, true), (PATIENCE + 1, true)] {
        let (mut a, others) = among(config(), &["b"]);
        let (b, of_b) = &others[0];
        let commit = b.build(of_b, NOW, &[], &[0]).unwrap().commit;
        let object = commit_at(&a, 1, 0, commit);
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(a.inside().candidates, 1);
        want_update(&mut a);
        a.run(Input::Timer(Timer::Turn)).unwrap();
        let id = lock(&mut a).unwrap();
        slot(&mut a).attempts = attempts;
        a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
        assert_eq!(a.inside().outbox.is_some(), built, "{attempts}");
    }
}

#[test]
fn the_counter_is_ahead_behind_or_just_where_it_should_be() {
    let answer = |current| {
        let mut config = config();
        config.limits.counter_lead = 10;
        let mut a = alone(config);
        want_update(&mut a);
        a.run(Input::Timer(Timer::Turn)).unwrap();
        let id = lock(&mut a).unwrap();
        let pin = Some(Pin::new([3; 32], [4; 32]));
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
fn a_snapshot_is_of_its_mode_and_of_its_phase() {
    let new = Participant::new(engine("a"), config(), NOW).unwrap().snapshot().unwrap();
    assert_eq!(Participant::restore(engine("a"), config(), &new, NOW).unwrap().phase(), Phase::New);
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory] {
        for other in [SafetyMode::Pinned, SafetyMode::Fenced, SafetyMode::Advisory] {
            let of = |mode| Config { mode, ..config() };
            let snapshot = alone(of(mode)).snapshot().unwrap();
            let restored = Participant::restore(engine("a"), of(other), &snapshot, NOW);
            assert_eq!(restored.is_ok(), mode == other, "{mode:?} as {other:?}");
        }
    }
}

#[test]
fn the_places_left_are_drawn_from_the_commit() {
    let mut a = alone(config());
    let place = |a: &Machine, commit: &'static str| {
        let member = a.member().unwrap();
        member.slot.commit_place(&a.cx, &member.epoch, &Bytes::from_static(commit.as_bytes())).unwrap()
    };
    assert_eq!(place(&a, "commit"), 0);
    slot(&mut a).taken.extend([0, commit_fallback_object(0).unwrap()]);
    assert_eq!(place(&a, "commit"), 8168);
}

#[test]
fn a_place_that_can_be_drawn_is_a_place_and_the_next_is_none() {
    let mut config = config();
    config.limits.roster = 4;
    let mut a = alone(config);
    for (object, bad) in [(11, 0), (12, 1)] {
        let object = commit_at(&a, 0, object, "junk");
        a.handle(NOW, Event::Object(object)).unwrap();
        assert_eq!(faults(&a, Fault::BadLocation), bad);
    }
}

#[test]
fn what_is_remembered_of_people_and_welcomes_is_bounded() {
    let mut config = config();
    (config.limits.remembered_senders, config.limits.welcomes) = (1, 1);
    let mut a = alone(config);
    a.handle(NOW, Command::Refuse(id("x"))).unwrap();
    a.handle(NOW, Command::Refuse(id("y"))).unwrap();
    assert_eq!(a.state.carried().joiners.refused.len(), 1);
    let spare = a.cx.engine.generate_key_package(NOW, 9).unwrap();
    a.cx.keys.packages.push(spare.clone());
    let track = a.cx.tracks.welcome(&a.cx.me);
    for name in ["one", "two"] {
        let mut founder = engine(name);
        let group = founder.create(NOW, &a.cx.config.group, &a.cx.params, 0).unwrap();
        let built = founder.build(&group, NOW, std::slice::from_ref(&spare.message), &[]).unwrap();
        let payload = built.welcomes[0].1.clone();
        let location = Location { group: 1, object: 0 };
        a.handle(NOW, Event::Object(Object { track: track.clone(), location, payload })).unwrap();
    }
    assert_eq!((a.inside().early_welcomes, faults(&a, Fault::TooMany)), (1, 1));
}

#[test]
fn after_a_restart_ones_own_commit_counts_as_sent_where_it_may_have_been() {
    for (mode, sent) in
        [(SafetyMode::Pinned, true), (SafetyMode::Advisory, true), (SafetyMode::Fenced, false)]
    {
        let config = Config { mode, ..config() };
        let mut a = alone(config.clone());
        want_update(&mut a);
        a.run(Input::Timer(Timer::Turn)).unwrap();
        let id = lock(&mut a).unwrap();
        a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
        assert!(a.inside().outbox.is_some());
        let restored = Participant::restore(engine("a"), config, &a.snapshot().unwrap(), NOW).unwrap();
        assert_eq!(restored.member().unwrap().slot.outbox.as_ref().unwrap().sent, sent, "{mode:?}");
    }
}

#[test]
fn a_decided_commit_that_nobody_can_process_is_named_and_left_behind() {
    let elsewhere = {
        let (_, others) = among(Config { mode: SafetyMode::Fenced, ..config() }, &["c", "d"]);
        let (engine, group) = &others[0];
        engine.build(group, NOW, &[], &[]).unwrap().commit
    };
    for (payload, named) in [(elsewhere, true), (Bytes::from_static(b"junk"), false)] {
        let (mut a, _) = among(config(), &["b"]);
        let hash = a.cx.engine.sha256(&payload).unwrap();
        slot(&mut a).decided = Some(Pin::new(hash, [9; 32]));
        let object = commit_at(&a, 1, 0, payload);
        a.handle(NOW, Event::Object(object)).unwrap();
        let told = notices(&mut a).contains(&Notice::FaultyCommit { epoch: 1, commit_hash: hash });
        assert_eq!((told, a.phase() == Phase::Joining), (named, named));
    }
}

/// Alone, wanting an update, with the lock: the relay has nothing yet and takes everything.
fn committing(mode: SafetyMode) -> (Machine, Vec<Object>, Option<IncrementRequestId>) {
    let mut a = alone(Config { mode, ..config() });
    want_update(&mut a);
    a.run(Input::Timer(Timer::Turn)).unwrap();
    let id = lock(&mut a).unwrap();
    a.handle(NOW, Event::LockReply { id, reply: Ok(token()) }).unwrap();
    let (mut published, mut asked) = (Vec::new(), None);
    while let Some(action) = a.poll_action() {
        match action {
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
    (a, published, asked)
}

#[test]
fn answers_to_other_questions_change_nothing() {
    let mut a = alone(config());
    want_update(&mut a);
    a.run(Input::Locked(LockPurpose::Slot(1), Ok(token()))).unwrap();
    assert!(a.inside().outbox.is_none(), "nobody asked for this lock");

    let (mut a, ..) = committing(SafetyMode::Pinned);
    let refused = || Ok(IncrementReply::Error(Reason::RateLimited));
    a.run(Input::Incremented(IncrementPurpose::Slot(1, Pin::new([5; 32], [6; 32])), refused())).unwrap();
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

    let (mut a, _, id) = committing(SafetyMode::Advisory);
    let reply = Ok(IncrementReply::CounterError(state(2, None)));
    a.handle(NOW, Event::IncrementReply { id: id.unwrap(), reply }).unwrap();
    assert_eq!(a.epoch(), Some(0), "another won, and its commit is on its way");
}

#[test]
fn a_commit_is_shown_again_where_it_lies_or_where_there_is_room() {
    for (taken, place) in [(false, 0), (true, commit_fallback_object(0).unwrap())] {
        let (mut a, published, _) = committing(SafetyMode::Pinned);
        let [first] = &published[..] else { panic!("{published:?}") };
        assert_eq!(first.location.object, 0);
        let Machine { cx, state: State::Member(member) } = &mut a else { panic!("no member") };
        member.slot.taken = if taken { [0].into() } else { Default::default() };
        member.slot.step = Step::Publishing { lock_id: None };
        member.slot.publish(cx, &member.epoch).unwrap();
        let again = a.actions().find_map(|action| match action {
            Action::Publish { object, .. } => Some(object),
            _ => None,
        });
        assert_eq!(
            again.unwrap(),
            Object { location: Location { group: 0, object: place }, ..first.clone() }
        );
    }
}

#[test]
fn only_ones_own_commit_in_its_place_was_read_back() {
    let mut a = alone(Config { mode: SafetyMode::Fenced, ..config() });
    let (own, place) = (Bytes::from_static(b"own"), Location { group: 0, object: 0 });
    epoch(&mut a).number = 2;
    epoch(&mut a).afterwards.unheard = Some(Unheard { location: place, commit: own.clone() });
    for (group, payload, back) in [(0, "other", false), (1, "own", false), (0, "own", true)] {
        let object = commit_at(&a, group, 0, payload);
        arrive(&mut a, None, object);
        assert_eq!(a.member().unwrap().epoch.afterwards.unheard.is_none(), back, "{group} {payload}");
    }
}

#[test]
fn a_key_package_from_elsewhere_must_be_newer_than_its_members() {
    let (mut a, _) = among(config(), &["b"]);
    let mut b = engine("b");
    for (sequence, waits) in [(0, false), (5, true)] {
        let message = b.generate_key_package(NOW, sequence).unwrap().message;
        a.handle(NOW, Command::Add(message)).unwrap();
        assert_eq!(a.state.carried().joiners.get(b.sender_id()).is_some(), waits, "{sequence}");
    }
}

#[test]
fn a_restart_forgets_nobody_who_comes_back_in_ones_own_commit() {
    let (mut a, _) = among(config(), &["b"]);
    let mut b = engine("b");
    let message = b.generate_key_package(NOW, 5).unwrap().message;
    a.handle(NOW, Command::Add(message)).unwrap();
    a.cx.now = NOW.after(Duration::from_secs(1));
    a.run(Input::Timer(Timer::Turn)).unwrap();
    let id = lock(&mut a).unwrap();
    a.handle(a.cx.now, Event::LockReply { id, reply: Ok(token()) }).unwrap();
    let restored = Participant::restore(engine("a"), config(), &a.snapshot().unwrap(), NOW).unwrap();
    let outbox = restored.member().unwrap().slot.outbox.as_ref().unwrap();
    let added: Vec<_> = outbox.added.iter().map(|m| (&m.sender, m.sequence)).collect();
    assert_eq!((added, &outbox.removed[..]), (vec![(b.sender_id(), Some(5))], &[1][..]));
}

#[test]
fn a_join_that_fails_is_the_welcomes_fault() {
    let (mut a, pin, id) = at_the_gate(config());
    a.cx.keys.packages[0].secret = a.cx.keys.packages[1].secret.clone();
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(state(2, Some(pin)))) }).unwrap();
    assert_eq!((a.phase(), faults(&a, Fault::Invalid)), (Phase::Joining, 1));
}
