//! Contention and a counter service that misbehaves: each reply to a lock and an increment, and what the
//! participant does then (draft sections 6.2 and 6.3; `reliability.md` section 7).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use moq_mls::action::{Action, IncrementRequestId, LockRequestId, Notice, RejoinReason, ServiceFault};
use moq_mls::counter::{CounterState, IncrementReply, IncrementRequest, LockReply, Pin, Reason};
use moq_mls::{Command, Event, Failure, Object, Participant, Phase, SafetyMode, Timestamp};
use support::engines::{TestEngine, engine};
use support::{World, config};

/// A member whose counter service is played by the test; the relay answers at once.
struct Scripted {
    machine: Participant<TestEngine>,
    now: Timestamp,
    notices: Vec<Notice>,
    published: Vec<Object>,
}

#[derive(Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
enum Asked {
    Lock(LockRequestId, u64),
    Increment(IncrementRequestId, IncrementRequest),
}

impl Scripted {
    /// At epoch 0, alone, with an update wanted.
    fn new() -> Self {
        Self::with(SafetyMode::Pinned)
    }

    fn with(mode: SafetyMode) -> Self {
        let mut world = World::new();
        let mut config = config();
        config.mode = mode;
        world.add(engine("a"), config);
        world.command(0, Command::Join);
        world.run(1000);
        let mut this = Self::of(world.peers.remove(0).machine, world.now);
        this.machine.handle(this.now, Command::Update).unwrap();
        this
    }

    fn of(machine: Participant<TestEngine>, now: Timestamp) -> Self {
        Self { machine, now, notices: Vec::new(), published: Vec::new() }
    }

    fn event(&mut self, event: Event) -> Vec<Asked> {
        self.machine.handle(self.now, event).unwrap();
        let mut asked = Vec::new();
        while let Some(action) = self.machine.poll_action() {
            let reply = match action {
                Action::Lock { id, request } => {
                    asked.push(Asked::Lock(id, request.val));
                    continue;
                }
                Action::Increment { id, request } => {
                    asked.push(Asked::Increment(id, request));
                    continue;
                }
                Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
                Action::Publish { id, object } => {
                    self.published.push(object.clone());
                    self.machine.handle(self.now, Event::Object(object)).unwrap();
                    Event::PublishReply { id, reply: Ok(()) }
                }
                Action::Subscribe { id, .. } | Action::SubscribeNamespace { id, .. } => {
                    Event::SubscribeReply { id, reply: Ok(()) }
                }
                Action::Notify(notice) => {
                    self.notices.push(notice);
                    continue;
                }
                _ => continue,
            };
            self.machine.handle(self.now, reply).unwrap();
        }
        asked
    }

    /// Lets time pass until the service is asked something, other than by an audit.
    fn next(&mut self) -> (Duration, Asked) {
        let start = self.now;
        loop {
            let (at, timer) = self.machine.poll_timeout().expect("nothing is ever asked again");
            assert!(at > self.now, "{timer:?} is due in the past: a busy loop");
            self.now = at;
            let audit = timer == moq_mls::action::Timer::Audit;
            if let Some(asked) = self.event(Event::Timer).pop().filter(|_| !audit) {
                return (self.now.since(start), asked);
            }
        }
    }

    fn lock(&mut self) -> LockRequestId {
        match self.next().1 {
            Asked::Lock(id, 1) => id,
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
        let told = self.notices.iter().filter(|n| **n == Notice::ServiceFault(fault)).count();
        assert_eq!(told, 1, "{fault:?}: {:?}", self.notices);
        assert_eq!(self.machine.epoch(), Some(0), "still where it was");
    }
}

fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}

#[test]
fn ok_leads_to_one_pinned_increment_and_the_next_epoch() {
    let mut s = Scripted::new();
    let (id, request) = s.increment();
    assert_eq!(request.val, Some(1));
    assert_eq!(request.lock_id, Some(Bytes::from_static(b"t")));
    assert!(request.prev.is_some() && request.pin.is_some());
    assert!(s.notices.is_empty());
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(2, request.pin))) });
    assert_eq!(s.machine.epoch(), Some(1));
}

#[test]
fn locked_waits_as_long_as_it_was_told_within_reason() {
    for (told, least, most) in [(700, 700, 1000), (0, 50, 300), (3_600_000, 60_000, 60_300)] {
        let mut s = Scripted::new();
        let retry_later = Duration::from_millis(told);
        s.lock_reply(Ok(LockReply::Conflict { retry_later }));
        let (waited, asked) = s.next();
        assert!(matches!(asked, Asked::Lock(_, 1)));
        let range = Duration::from_millis(least)..=Duration::from_millis(most);
        assert!(range.contains(&waited), "{told} ms: waited {waited:?}");
    }
}

#[test]
fn counter_error_above_without_the_commit_looks_for_it_and_then_joins_afresh() {
    let mut s = Scripted::new();
    let pin = Pin::new([1; 32], [2; 32]);
    s.lock_reply(Ok(LockReply::CounterError(state(2, Some(pin)))));
    assert_eq!(s.machine.epoch(), Some(0));
    let start = s.now;
    while s.machine.phase() == Phase::Member {
        let (at, _) = s.machine.poll_timeout().unwrap();
        s.now = at;
        s.event(Event::Timer);
    }
    assert_eq!(s.now.since(start), Duration::from_secs(30));
    assert!(s.notices.contains(&Notice::Rejoining(RejoinReason::Unreachable)));
    assert_eq!(s.machine.phase(), Phase::Joining);
}

#[test]
fn a_commit_that_makes_another_epoch_than_its_pin_says_is_not_applied() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let who = world.add(engine(name), config());
        world.command(who, Command::Join);
        world.run(10_000);
    }
    let mut members = world.peers.drain(..).map(|peer| Scripted::of(peer.machine, world.now));
    let (mut a, mut b) = (members.next().unwrap(), members.next().unwrap());
    assert_eq!((a.machine.epoch(), b.machine.epoch()), (Some(1), Some(1)));
    b.machine.handle(b.now, Command::Update).unwrap();
    let (_, Asked::Lock(id, 2)) = b.next() else { panic!("b does not commit") };
    let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
    let asked = b.event(Event::LockReply { id, reply: Ok(ok) }).pop();
    let Some(Asked::Increment(_, IncrementRequest { pin: Some(pin), .. })) = asked else {
        panic!("{asked:?}")
    };
    let commit = b.published.pop().unwrap();

    a.event(Event::Object(commit));
    let (_, Asked::Lock(id, 2)) = a.next() else { panic!("a does not ask which commit won") };
    let commit_hash: [u8; 32] = pin.commit_hash().try_into().unwrap();
    let lie = Pin::new(commit_hash, [9; 32]);
    a.event(Event::LockReply { id, reply: Ok(LockReply::CounterError(state(3, Some(lie)))) });
    assert!(a.notices.contains(&Notice::FaultyCommit { epoch: 1, commit_hash }), "{:?}", a.notices);
    assert!(a.notices.contains(&Notice::Rejoining(RejoinReason::FaultyCommit)));
    assert_eq!(a.machine.phase(), Phase::Joining);
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
        // It came back to its senses: the update goes on.
        let (id, request) = s.increment();
        s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(2, request.pin))) });
        assert_eq!(s.machine.epoch(), Some(1));
    }
}

#[test]
fn a_service_without_pins_is_named_and_nothing_is_applied() {
    let mut s = Scripted::new();
    s.lock_reply(Ok(LockReply::CounterError(state(2, None))));
    s.faulted(ServiceFault::NoPins);
    let mut s = Scripted::new();
    let (id, _) = s.increment();
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(2, None))) });
    s.faulted(ServiceFault::NoPins);
}

#[test]
fn another_lineage_is_named_once_and_asked_again() {
    let mut s = Scripted::new();
    for _ in 0..3 {
        let (id, _) = s.increment();
        s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(1, None))) });
        s.faulted(ServiceFault::LineageMismatch);
    }
    assert_eq!(s.machine.stats().commits_built, 1, "never a second commit for one slot");
}

/// A committer died between publish and increment: the counter is one behind the group, for ever, if
/// nobody makes up for it.
#[test]
fn in_advisory_mode_a_counter_that_fell_behind_is_pushed_on() {
    let mut s = Scripted::with(SafetyMode::Advisory);
    let asked = s.lock_reply(Ok(LockReply::CounterError(state(0, None))));
    let [Asked::Lock(id, 0)] = asked[..] else { panic!("{asked:?}") };
    let ok = || LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
    let asked = s.event(Event::LockReply { id, reply: Ok(ok()) });
    let [Asked::Increment(id, request)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((request.val, request.pin), (None, None));
    s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(1, None))) });
    // Now the update itself.
    let Asked::Lock(id, 1) = s.next().1 else { panic!() };
    let asked = s.event(Event::LockReply { id, reply: Ok(ok()) });
    let [Asked::Increment(id, _)] = &asked[..] else { panic!("{asked:?}") };
    s.event(Event::IncrementReply { id: *id, reply: Ok(IncrementReply::Ok(state(2, None))) });
    assert_eq!(s.machine.epoch(), Some(1));
}

#[test]
fn in_advisory_mode_a_lost_answer_is_told_from_a_lost_race() {
    let mut s = Scripted::with(SafetyMode::Advisory);
    let (id, _) = s.increment();
    s.event(Event::IncrementReply { id, reply: Err(Failure::Unknown) });
    let Asked::Increment(id, _) = s.next().1 else { panic!() };
    // The counter went on, and nobody else's commit is there: it was ours.
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(2, None))) });
    assert_eq!(s.machine.epoch(), Some(1));
}

#[test]
fn refusals_are_named_and_retried_with_a_growing_back_off() {
    let mut s = Scripted::new();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (waited, asked) = s.next();
        let Asked::Lock(id, 1) = asked else { panic!("{asked:?}") };
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
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(2, first.pin))) });
    assert_eq!(s.machine.epoch(), Some(1));
    assert_eq!(s.machine.stats().commits_built, 1, "never a second commit for one slot");
}

#[test]
fn a_lost_race_keeps_the_wish() {
    let mut s = Scripted::new();
    let (id, request) = s.increment();
    // Another commit took the slot: ours is dropped, the update still wanted, and the winner looked for.
    let other = Pin::new([1; 32], [2; 32]);
    assert_ne!(request.pin, Some(other));
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(2, Some(other)))) });
    assert_eq!(s.machine.epoch(), Some(0));
    assert_eq!(s.machine.stats().commits_lost, 1);
}

#[test]
fn a_commit_confirmed_by_counter_error_is_ones_own_all_the_same() {
    let mut s = Scripted::new();
    let (id, request) = s.increment();
    s.event(Event::IncrementReply { id, reply: Err(Failure::Unknown) });
    let Asked::Increment(id, _) = s.next().1 else { panic!() };
    s.event(Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(state(5, request.pin))) });
    assert_eq!(s.machine.epoch(), Some(1));
}

#[test]
fn a_draft_client_sends_what_the_draft_says_and_no_more() {
    let mut world = World::new();
    let mut config = config();
    config.mode = SafetyMode::Advisory;
    world.add(engine("a"), config);
    let now = world.now;
    let machine = &mut world.peers[0].machine;
    machine.handle(now, Command::Join).unwrap();
    let mut increment = None;
    while let Some(action) = machine.poll_action() {
        let reply = match action {
            Action::Lock { id, request } => {
                assert_eq!(request.val, 0);
                // A service that knows only the draft names no lock.
                let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
                Event::LockReply { id, reply: Ok(ok) }
            }
            Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
            Action::Increment { id, request } => {
                increment = Some(request);
                Event::IncrementReply { id, reply: Ok(IncrementReply::Ok(state(0, None))) }
            }
            _ => continue,
        };
        machine.handle(now, reply).unwrap();
    }
    let increment = increment.unwrap();
    assert_eq!((increment.val, increment.lock_id, increment.prev, increment.pin), (None, None, None, None));
    assert_eq!(machine.epoch(), Some(0));
}

#[test]
fn creators_that_meet_another_genesis_become_joiners() {
    let mut world = World::new();
    world.add(engine("a"), config());
    let now = world.now;
    let machine = &mut world.peers[0].machine;
    machine.handle(now, Command::Join).unwrap();
    while let Some(action) = machine.poll_action() {
        let reply = match action {
            Action::Lock { id, .. } => {
                let ok = LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(2) };
                Event::LockReply { id, reply: Ok(ok) }
            }
            Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
            Action::Increment { id, .. } => {
                let other = state(1, Some(Pin::genesis([9; 32])));
                Event::IncrementReply { id, reply: Ok(IncrementReply::CounterError(other)) }
            }
            _ => continue,
        };
        machine.handle(now, reply).unwrap();
    }
    assert_eq!(machine.phase(), Phase::Joining);
    assert_eq!(machine.members().count(), 0);
}
