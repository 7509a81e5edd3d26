//! Contention and a counter service that misbehaves: each reply to a lock and an increment, and what the
//! participant does then (draft sections 6.2 and 6.3).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::attackers::{Rogue, commits, put};
use crate::support::engines::{TestEngine, basic_client, engine, engine_of};
use crate::support::{Steps, World, config};
use bytes::Bytes;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::{Action, IncrementRequestId, LockRequestId, Timer};
use moq_mls::counter::{CounterState, IncrementReply, IncrementRequest, LockReply, Pin, Reason};
use moq_mls::notice::{Notice, RejoinReason, ServiceFault};
use moq_mls::testing::sha256;
use moq_mls::{Command, Event, Failure, Object, Participant, Phase, SafetyMode};

/// A member whose counter service is played by the test.
struct Scripted {
    world: World<TestEngine>,
    who: usize,
}

#[derive(Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
enum Asked {
    Lock(LockRequestId, u64),
    Increment(IncrementRequestId, IncrementRequest),
}

impl Scripted {
    /// At epoch 1, beside one that is gone and is to be removed. It is not first in turn, and others see as well who is
    /// gone: so it asks for the lock.
    fn new() -> Self {
        Self::with(SafetyMode::Pinned)
    }

    fn with(mode: SafetyMode) -> Self {
        let mut this = Self::newcomer(mode);
        this.world.tell(0, Command::Join);
        this.world.run(1000);
        let config = this.machine().config().clone();
        let other = this.world.enter(engine("b"), config);
        this.world.tell(other, Command::Join);
        this.world.run(10_000);
        assert_eq!(this.machine().epoch(), Some(1));
        let sender = this.world.id(other);
        this.world.crash(other);
        this.hold();
        this.world.take_notices(0);
        this.world.tell(0, Command::Gone(sender));
        this
    }

    /// One that has not begun, and whose counter service is still the world's.
    fn newcomer(mode: SafetyMode) -> Self {
        let mut world = World::new();
        let mut config = config();
        config.params.mode = mode;
        let who = world.enter(engine("a"), config);
        Self { world, who }
    }

    /// From now on the test plays the counter service.
    fn hold(&mut self) {
        let of_the_counter =
            |action: &Action| matches!(action, Action::Lock { .. } | Action::Increment { .. });
        self.world.carriage_mut().hold(of_the_counter);
    }

    fn machine(&self) -> &Participant<TestEngine> {
        self.world.machine(self.who)
    }

    fn told(&self, notice: &Notice) -> usize {
        self.world.told(self.who).filter(|n| *n == notice).count()
    }

    fn event(&mut self, event: impl Into<Event>) -> Vec<Asked> {
        self.world.give(self.who, event.into());
        self.asked()
    }

    fn asked(&mut self) -> Vec<Asked> {
        let held = self.world.carriage_mut().take_held().into_iter().filter(|(who, _)| *who == self.who);
        held.map(|(_, action)| match action {
            Action::Lock { id, request } => Asked::Lock(id, request.val),
            Action::Increment { id, request } => Asked::Increment(id, request),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    /// Lets time pass until the next deadline; what it is for.
    fn wait(&mut self) -> Timer {
        let (at, timer) = self.machine().poll_timeout().expect("nothing is ever asked again");
        let now = self.world.now();
        assert!(at > now, "{timer:?} is due in the past: a busy loop");
        self.world.run_for(at.since(now));
        timer
    }

    /// Lets time pass until the service is asked something, other than by an audit.
    fn next(&mut self) -> (Duration, Asked) {
        let start = self.world.now();
        loop {
            let audit = self.wait() == Timer::Audit;
            if let Some(asked) = self.asked().pop().filter(|_| !audit) {
                return (self.world.now().since(start), asked);
            }
        }
    }

    fn lock(&mut self) -> LockRequestId {
        match self.next().1 {
            Asked::Lock(id, 2) => id,
            other => panic!("{other:?}"),
        }
    }

    fn lock_reply(&mut self, reply: Result<LockReply, Failure>) -> Vec<Asked> {
        let id = self.lock();
        self.event(Event::LockReply { id, reply })
    }

    /// Up to the increment.
    fn increment(&mut self) -> (IncrementRequestId, IncrementRequest) {
        let ok =
            LockReply::Ok { lock_id: Some(Bytes::from_static(b"t")), expires_in: Duration::from_secs(2) };
        match self.lock_reply(Ok(ok)).pop() {
            Some(Asked::Increment(id, request)) => (id, request),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn faulted(&self, fault: ServiceFault) {
        let told = self.told(&Notice::ServiceFault(fault));
        assert_eq!(told, 1, "{fault:?}: {:?}", self.world.notices(self.who));
        assert_eq!(self.machine().epoch(), Some(1), "still where it was");
    }
}

fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}

#[test]
fn ok_leads_to_one_pinned_increment_and_the_next_epoch() {
    let mut s = Scripted::new();
    let (id, request) = s.increment();
    assert_eq!(request.val, Some(2));
    assert_eq!(request.lock_id, Some(Bytes::from_static(b"t")));
    assert_eq!(request.prev.as_ref(), s.machine().pin());
    assert_eq!(request.key, s.machine().slot_key());
    let sent = sha256(&request.commit.unwrap());
    assert_eq!(request.pin.unwrap().commit_hash(), sent);
    assert!(s.world.notices(0).is_empty());
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(3, request.pin))) });
    assert_eq!(s.machine().epoch(), Some(2));
}

#[test]
fn a_lock_conflict_is_waited_out_as_long_as_the_service_states_within_reason() {
    for (told, least, most) in [(700, 700, 1000), (0, 50, 300), (3_600_000, 60_000, 60_300)] {
        // Where slots are pinned it is done without.
        let mut s = Scripted::with(SafetyMode::Fenced);
        let retry_later = Duration::from_millis(told);
        s.lock_reply(Ok(LockReply::Conflict { retry_later }));
        let (waited, asked) = s.next();
        assert!(matches!(asked, Asked::Lock(_, 2)));
        let range = Duration::from_millis(least)..=Duration::from_millis(most);
        assert!(range.contains(&waited), "{told} ms: waited {waited:?}");
    }
}

#[test]
fn counter_error_above_without_the_commit_looks_for_it_and_then_joins_again() {
    let mut s = Scripted::new();
    let pin = Pin::new([1; 32], [2; 32], [3; 32]);
    s.lock_reply(Ok(LockReply::CounterError(state(3, Some(pin)))));
    assert_eq!(s.machine().epoch(), Some(1));
    let start = s.world.now();
    while s.machine().phase() == Phase::Member {
        s.wait();
    }
    assert_eq!(s.world.now().since(start), Duration::from_secs(30));
    assert_eq!(s.told(&Notice::Rejoining { reason: RejoinReason::Unreachable }), 1);
    assert_eq!(s.machine().phase(), Phase::Joining);
}

/// A member that holds another's commit and asks which one won; its pin, and the question.
fn holding_a_commit() -> (Scripted, Pin, LockRequestId) {
    let mut world = World::new();
    for name in ["a", "b"] {
        let who = world.enter(engine(name), config());
        world.tell(who, Command::Join);
        world.run(10_000);
    }
    // What b publishes reaches a by hand.
    world.carriage_mut().set_deaf(0, true);
    let mut b = Scripted { world, who: 1 };
    b.hold();
    assert_eq!((b.world.machine(0).epoch(), b.machine().epoch()), (Some(1), Some(1)));
    b.event(Command::Update);
    // Nobody else has that intent: no lock.
    let (_, Asked::Increment(_, IncrementRequest { pin: Some(pin), .. })) = b.next() else {
        panic!("b does not commit")
    };
    let commits = b.machine().tracks().commit(b.machine().sender_id());
    let lying = b.world.lying(&commits).last_key_value().unwrap();
    let commit = Object { track: commits, location: *lying.0, payload: lying.1.clone() };
    assert_eq!(commit.location.group_id, 1);
    b.world.crash(1);

    let mut a = Scripted { world: b.world, who: 0 };
    a.event(Event::Object(commit));
    let (_, Asked::Lock(id, 2)) = a.next() else { panic!("a does not ask which commit won") };
    (a, pin, id)
}

/// The three parts of a pin.
fn parts(pin: &Pin) -> [[u8; 32]; 3] {
    [pin.commit_hash(), pin.context_hash(), pin.slot_lock()].map(|part| part.try_into().unwrap())
}

/// Only the client that made that lock up could fill the next slot, so nobody may take the epoch for the group's.
#[test]
fn a_slot_whose_lock_the_commit_does_not_make_is_dead() {
    let (mut a, pin, id) = holding_a_commit();
    let [commit, context, _] = parts(&pin);
    let lie = Pin::new(commit, context, [9; 32]);
    a.event(Event::LockReply { id, reply: Ok(LockReply::CounterError(state(3, Some(lie)))) });
    let notices = a.world.notices(0);
    assert_eq!(a.told(&Notice::DeadSlot { epoch: 2 }), 1, "{notices:?}");
    assert_eq!(a.told(&Notice::Rejoining { reason: RejoinReason::WrongLock }), 1, "{notices:?}");
    a.world.run(120_000);
    assert_eq!(a.machine().epoch(), None, "nobody can follow");
    assert_eq!(a.told(&Notice::DeadSlot { epoch: 2 }), 1, "reported once");
}

/// All who process a commit make the same GroupContext of it: a wrong hash keeps out joiners, and nobody else.
#[test]
fn a_member_follows_a_pin_that_only_joiners_can_find_wrong() {
    let (mut a, pin, id) = holding_a_commit();
    let [commit, _, lock] = parts(&pin);
    let lie = Pin::new(commit, [9; 32], lock);
    a.event(Event::LockReply { id, reply: Ok(LockReply::CounterError(state(3, Some(lie)))) });
    assert_eq!((a.machine().epoch(), a.machine().pin()), (Some(2), Some(&lie)));
}

#[test]
fn counter_error_below_and_far_above_stop_all_commits_until_it_recovers() {
    for (current, fault) in
        [(0, ServiceFault::Regressed { current: 0 }), (u64::MAX, ServiceFault::Absurd { current: u64::MAX })]
    {
        let mut s = Scripted::new();
        for _ in 0..5 {
            s.lock_reply(Ok(LockReply::CounterError(state(current, None))));
        }
        s.faulted(fault);
        // It came back to its senses: the removal goes on.
        let (id, request) = s.increment();
        s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(3, request.pin))) });
        assert_eq!(s.machine().epoch(), Some(2));
    }
}

#[test]
fn a_service_without_pins_is_named_and_nothing_is_applied() {
    let mut s = Scripted::new();
    s.lock_reply(Ok(LockReply::CounterError(state(3, None))));
    s.faulted(ServiceFault::NoPins);
    let mut s = Scripted::new();
    let (id, _) = s.increment();
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(3, None))) });
    s.faulted(ServiceFault::NoPins);
}

#[test]
fn another_lineage_is_named_once_and_asked_again() {
    let mut s = Scripted::new();
    for _ in 0..3 {
        let (id, _) = s.increment();
        s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(2, None))) });
        s.faulted(ServiceFault::LineageMismatch);
    }
    assert_eq!(s.machine().stats().commits_built, 2, "one for each slot: never a second");
}

/// A committer died between publish and increment: the counter is one behind the group, for ever, if
/// nobody makes up for it.
#[test]
fn in_advisory_mode_a_counter_that_fell_behind_is_pushed_on() {
    let mut s = Scripted::with(SafetyMode::Advisory);
    let asked = s.lock_reply(Ok(LockReply::CounterError(state(1, None))));
    let [Asked::Lock(id, 1)] = asked[..] else { panic!("{asked:?}") };
    let ok = || LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
    let asked = s.event(Event::LockReply { id, reply: Ok(ok()) });
    let [Asked::Increment(id, request)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((request.val, request.pin), (None, None));
    s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(2, None))) });
    // Now the removal itself.
    let Asked::Lock(id, 2) = s.next().1 else { panic!() };
    let asked = s.event(Event::LockReply { id, reply: Ok(ok()) });
    let [Asked::Increment(id, _)] = &asked[..] else { panic!("{asked:?}") };
    s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(3, None))) });
    assert_eq!(s.machine().epoch(), Some(2));
}

#[test]
fn in_advisory_mode_a_lost_answer_is_distinguished_from_a_lost_race() {
    let mut s = Scripted::with(SafetyMode::Advisory);
    let (id, _) = s.increment();
    s.event(Event::IncrementReply { id, reply: Err(Failure::Unknown) });
    let Asked::Increment(id, _) = s.next().1 else { panic!() };
    // The counter went on, and nobody else's commit is there: it was ours.
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(3, None))) });
    assert_eq!(s.machine().epoch(), Some(2));
}

#[test]
fn refusals_are_named_and_retried_with_a_growing_back_off() {
    let mut s = Scripted::new();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (waited, asked) = s.next();
        let Asked::Lock(id, 2) = asked else { panic!("{asked:?}") };
        waits.push(waited);
        s.event(Event::LockReply { id, reply: Ok(LockReply::Error(Reason::RateLimited)) });
    }
    s.faulted(ServiceFault::Refused(Reason::RateLimited));
    assert!(waits[7] > waits[2] * 4, "{waits:?}");
    assert!(waits.iter().all(|w| *w <= Duration::from_secs(10)), "{waits:?}");
}

#[test]
fn an_increment_without_an_answer_is_repeated_with_the_same_pin_for_ever() {
    let mut s = Scripted::new();
    let (mut id, first) = s.increment();
    for failure in [Failure::Unknown, Failure::NotSent, Failure::Refused(500), Failure::Unknown] {
        s.event(Event::IncrementReply { id, reply: Err(failure) });
        match s.next().1 {
            Asked::Increment(again, request) => {
                assert_eq!(request, first);
                id = again;
            }
            other => panic!("{other:?}"),
        }
    }
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(3, first.pin))) });
    assert_eq!(s.machine().epoch(), Some(2));
    assert_eq!(s.machine().stats().commits_built, 2, "one for each slot: never a second");
}

#[test]
fn a_key_that_does_not_open_the_slot_is_named_and_so_is_another_lineage() {
    for (same, fault) in [(true, ServiceFault::WrongKey), (false, ServiceFault::LineageMismatch)] {
        let mut s = Scripted::new();
        let (id, _) = s.increment();
        let own = *s.machine().pin().unwrap();
        let said = if same { own } else { Pin::genesis([9; 32], [8; 32]) };
        s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::WrongKey(state(2, Some(said)))) });
        s.faulted(fault);
        assert_eq!(s.machine().stats().commits_lost, 0, "it may win yet");
    }
}

/// Anybody may hold a lock for ever, and where increments are pinned it is only a hint.
#[test]
fn a_lock_that_others_hold_on_to_is_done_without_where_slots_are_pinned() {
    let conflict = || LockReply::Conflict { retry_later: Duration::from_millis(500) };
    let mut s = Scripted::new();
    assert_eq!(s.lock_reply(Ok(conflict())), [], "it gives way once");
    let asked = s.lock_reply(Ok(conflict()));
    let [Asked::Increment(_, IncrementRequest { lock_id: None, .. })] = asked[..] else {
        panic!("{asked:?}")
    };
    let mut s = Scripted::with(SafetyMode::Fenced);
    for _ in 0..20 {
        assert_eq!(s.lock_reply(Ok(conflict())), []);
    }
}

#[test]
fn a_lost_race_keeps_the_intent() {
    let mut s = Scripted::newcomer(SafetyMode::Pinned);
    s.world.tell(0, Command::Join);
    s.world.run(1000);
    let rival = Rogue::join(&mut s.world, "b");
    s.hold();
    s.world.tell(0, Command::Gone(rival.id()));
    let (id, request) = s.increment();
    // Another commit took the slot: ours is dropped, and the winner looked for.
    let (built, winner) = rival.create_commit(&s.world, &[], &[]);
    assert_ne!(request.pin, Some(winner));
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(3, Some(winner)))) });
    assert_eq!(s.machine().epoch(), Some(1));
    assert_eq!(s.machine().stats().commits_lost, 1);
    let track = commits(&s.world);
    put(&mut s.world, &track, rival.epoch, 50, built.commit);
    assert_eq!((s.machine().epoch(), s.machine().members().count()), (Some(2), 2));
    // The removal is still wanted, and done in the next epoch. It is the first in turn there: no lock.
    let (_, Asked::Increment(id, request)) = s.next() else { panic!("the removal was forgotten") };
    assert_eq!(request.val, Some(3));
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(4, request.pin))) });
    assert_eq!((s.machine().epoch(), s.machine().members().count()), (Some(3), 1));
}

#[test]
fn a_commit_confirmed_by_counter_error_is_ones_own_all_the_same() {
    let mut s = Scripted::new();
    let (id, request) = s.increment();
    s.event(Event::IncrementReply { id, reply: Err(Failure::Unknown) });
    let Asked::Increment(id, _) = s.next().1 else { panic!() };
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(6, request.pin))) });
    assert_eq!(s.machine().epoch(), Some(2));
}

#[test]
fn a_draft_client_sends_what_the_draft_says_and_no_more() {
    let mut s = Scripted::newcomer(SafetyMode::Advisory);
    s.hold();
    let [Asked::Lock(id, 0)] = s.event(Command::Join)[..] else { panic!("another slot than the first") };
    // A service that knows only the draft names no lock.
    let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
    let asked = s.event(Event::LockReply { id, reply: Ok(ok) });
    let [Asked::Increment(id, increment)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((increment.val, &increment.lock_id, increment.prev, increment.pin), (None, &None, None, None));
    s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(0, None))) });
    assert_eq!(s.machine().epoch(), Some(0));
}

#[test]
fn creators_that_meet_another_genesis_become_joiners() {
    let mut s = Scripted::newcomer(SafetyMode::Pinned);
    s.hold();
    let [Asked::Lock(id, 0)] = s.event(Command::Join)[..] else { panic!("another slot than the first") };
    let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
    let [Asked::Increment(id, _)] = s.event(Event::LockReply { id, reply: Ok(ok) })[..] else {
        panic!("no increment")
    };
    let other = state(1, Some(Pin::genesis([9; 32], [8; 32])));
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(other)) });
    assert_eq!(s.machine().phase(), Phase::Joining);
    assert_eq!(s.machine().members().count(), 0);
}

/// With nothing to do: its next audit of epoch 0.
fn audit(s: &mut Scripted) -> LockRequestId {
    loop {
        let timer = s.wait();
        match (timer, &s.asked()[..]) {
            (Timer::Audit, [Asked::Lock(id, 0)]) => return *id,
            (_, []) => {}
            (timer, asked) => panic!("{timer:?}: {asked:?}"),
        }
    }
}

fn quiet(mode: SafetyMode) -> Scripted {
    let mut s = Scripted::newcomer(mode);
    s.world.tell(0, Command::Join);
    s.world.run(1000);
    s.hold();
    s.world.take_notices(0);
    s
}

/// Members that know only the draft would wait for ever: to them, the lock of that value is nobody's.
#[test]
fn in_advisory_mode_an_audit_that_is_given_the_lock_pushes_the_counter_on_with_it() {
    let mut s = quiet(SafetyMode::Advisory);
    for _ in 0..2 {
        let id = audit(&mut s);
        let lock_id = Some(Bytes::from_static(b"given"));
        let ok = LockReply::Ok { lock_id: lock_id.clone(), expires_in: Duration::from_secs(2) };
        let asked = s.event(Event::LockReply { id, reply: Ok(ok) });
        let [Asked::Increment(id, request)] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((&request.lock_id, request.val), (&lock_id, None));
        s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(1, None))) });
    }
    assert_eq!(s.machine().epoch(), Some(0));
}

#[test]
fn elsewhere_an_audit_that_is_given_the_lock_tells_that_the_service_lost_a_slot() {
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced] {
        let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
        for reply in [ok, LockReply::Conflict { retry_later: Duration::from_secs(2) }] {
            let mut s = quiet(mode);
            let id = audit(&mut s);
            let asked = s.event(Event::LockReply { id, reply: Ok(reply) });
            assert!(asked.is_empty(), "{asked:?}");
            assert_eq!(s.told(&Notice::ServiceFault(ServiceFault::Regressed { current: 0 })), 1);
            assert_eq!(s.machine().epoch(), Some(0), "still where it was");
        }
    }
}

#[test]
fn without_pins_a_member_that_is_behind_asks_with_a_growing_back_off() {
    for mode in [SafetyMode::Fenced, SafetyMode::Advisory] {
        let mut s = Scripted::with(mode);
        let (start, mut asked) = (s.world.now(), 0);
        while s.world.now().since(start) < Duration::from_secs(20) {
            s.world.run(50);
            for question in s.asked() {
                let Asked::Lock(id, _) = question else { panic!("{question:?}") };
                asked += 1;
                s.event(Event::LockReply { id, reply: Ok(LockReply::CounterError(state(5, None))) });
            }
        }
        assert!((3..=12).contains(&asked), "{mode:?}: {asked}");
    }
}

/// A restart forgets that the increment was sent: what it was sent for is on the relay.
#[test]
fn in_advisory_mode_an_own_commit_that_won_is_known_again_after_a_restart() {
    let client = basic_client("a", RustCryptoProvider::default());
    let mut world = World::new();
    let mut config = config();
    config.params.mode = SafetyMode::Advisory;
    let who = world.enter(engine_of(&client), config);
    let mut s = Scripted { world, who };
    s.world.tell(0, Command::Join);
    s.world.run(1000);
    s.hold();
    s.world.tell(0, Command::Update);
    let mut sent = false;
    for _ in 0..40 {
        s.world.run(50);
        for question in s.asked() {
            match question {
                Asked::Lock(id, 1) => {
                    let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
                    sent |=
                        matches!(s.event(Event::LockReply { id, reply: Ok(ok) })[..], [Asked::Increment(..)]);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(sent);
    s.world.crash(0);
    s.world.again(0, engine_of(&client));
    let mut most = 0;
    for _ in 0..100 {
        s.world.run(50);
        for question in s.asked() {
            let Asked::Lock(id, _) = question else { panic!("{question:?}") };
            s.event(Event::LockReply { id, reply: Ok(LockReply::CounterError(state(2, None))) });
            most += 1;
        }
    }
    assert!(most < 10, "asked {most} times");
    assert_eq!((s.machine().phase(), s.machine().epoch()), (Phase::Member, Some(1)));
}
