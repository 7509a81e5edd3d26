//! What is reported when a newcomer does not get in, or a member cannot go on: on each side that can know the cause.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::attackers::members;
use crate::support::engines::{TestEngine, engine};
use crate::support::{Steps, World, admit, asking, config};
use moq_mls::counter::{IncrementReply, LockReply, Reason};
use moq_mls::notice::{Fault, Hold, Notice, Refusal, ServiceFault};
use moq_mls::{Action, Command, Config, Event, Failure, SafetyMode, WaitsFor};

const DAY: i64 = 24 * 3_600_000;

/// A member, and a newcomer that has asked to join.
fn with_newcomer(config: &Config, ahead: i64) -> World<TestEngine> {
    let mut world = members(1, config);
    let newcomer = world.enter(engine("newcomer"), config.clone());
    world.set_clock(newcomer, ahead);
    world.tell(newcomer, Command::Join);
    world
}

/// Lets time pass while the counter service answers all requests by `lock` and `increment`.
fn run_answering(
    world: &mut World<TestEngine>,
    millis: u64,
    lock: impl Fn() -> Result<LockReply, Failure>,
    increment: impl Fn() -> Result<IncrementReply, Failure>,
) {
    for _ in 0..millis / 100 {
        world.run(100);
        for (who, action) in world.carriage_mut().take_held() {
            let event = match action {
                Action::Lock { id, .. } => Event::LockReply { id, reply: lock() },
                Action::Increment { id, .. } => Event::IncrementReply { id, reply: increment() },
                Action::GetCommit { id, .. } => Event::CommitReply { id, reply: Err(Failure::Unknown) },
                other => panic!("{other:?}"),
            };
            world.give(who, event);
        }
    }
}

/// A member with something to commit, and a newcomer; what both ask of the counter service is held.
fn with_held_requests() -> World<TestEngine> {
    let mut world = members(1, &config());
    hold_requests(&mut world);
    let newcomer = world.enter(engine("newcomer"), config());
    world.tell(newcomer, Command::Join);
    world.tell(0, Command::Update);
    world
}

fn hold_requests(world: &mut World<TestEngine>) {
    let asks = |action: &Action| {
        matches!(action, Action::Lock { .. } | Action::Increment { .. } | Action::GetCommit { .. })
    };
    world.carriage_mut().hold(asks);
}

fn count(world: &World<TestEngine>, who: usize, wanted: &Notice) -> usize {
    world.told(who).filter(|notice| *notice == wanted).count()
}

/// What the last notice of a stalled join says.
fn stalled(world: &World<TestEngine>, who: usize) -> Option<(Option<u64>, WaitsFor)> {
    let stall = |notice: &Notice| match notice {
        Notice::JoinStalled { counter, waits_for } => Some((*counter, *waits_for)),
        _ => None,
    };
    world.told(who).filter_map(stall).last()
}

#[test]
fn a_silent_counter_service_is_reported_once_by_newcomer_and_member() {
    let mut world = with_held_requests();
    let silent = Notice::ServiceFault(ServiceFault::NoAnswer);
    run_answering(&mut world, 40_000, || Err(Failure::Unknown), || Err(Failure::NotSent));
    assert_eq!([0, 1].map(|who| count(&world, who, &silent)), [1, 1]);
    assert_eq!(stalled(&world, 1), Some((None, WaitsFor::Welcome)));
    // It answers again, and the next silence is another one.
    world.carriage_mut().hold(|_| false);
    world.run(60_000);
    world.agree(&[0, 1]);
    hold_requests(&mut world);
    world.tell(0, Command::Update);
    run_answering(&mut world, 40_000, || Err(Failure::Unknown), || Err(Failure::NotSent));
    assert_eq!(count(&world, 0, &silent), 2);
}

#[test]
fn a_counter_service_that_refuses_is_reported_by_newcomer_and_member() {
    let mut world = with_held_requests();
    let reason = Reason::Forbidden;
    run_answering(&mut world, 5_000, || Ok(LockReply::Error(reason)), || Ok(IncrementReply::Error(reason)));
    let refused = Notice::ServiceFault(ServiceFault::Refused(reason));
    assert!([0, 1].iter().all(|who| world.heard(*who, |notice| *notice == refused)));
    assert!(!world.heard(0, |notice| *notice == Notice::ServiceFault(ServiceFault::NoAnswer)));
}

#[test]
fn a_newcomer_whose_clock_is_days_off_is_reported_by_the_members() {
    for ahead in [-400 * DAY, 400 * DAY] {
        let mut world = with_newcomer(&config(), ahead);
        world.run(40_000);
        let from = Some(world.id(1));
        let expired = Notice::PeerFault { from, fault: Fault::Expired };
        assert!(
            world.heard(0, |notice| *notice == expired),
            "{ahead} {:?}",
            world.told(0).collect::<Vec<_>>()
        );
        assert_eq!(stalled(&world, 1), Some((Some(1), WaitsFor::Welcome)), "{ahead}");
    }
}

#[test]
fn a_newcomer_that_is_held_back_is_reported_on_both_sides() {
    let mut world = with_newcomer(&asking(), 0);
    world.run(40_000);
    let asks = |notice: &Notice| matches!(notice, Notice::JoinRequested { reason: Hold::Policy, .. });
    assert!(world.heard(0, asks));
    assert_eq!(stalled(&world, 1), Some((Some(1), WaitsFor::Welcome)));
    let sender = world.id(1);
    world.tell(0, admit(&sender, "newcomer"));
    world.run(5_000);
    world.agree(&[0, 1]);
}

#[test]
fn parameters_that_differ_are_reported_by_the_newcomer() {
    let mut world = members(1, &config());
    let mut other = config();
    other.params.tree_objects = false;
    let newcomer = world.enter(engine("newcomer"), other);
    world.tell(newcomer, Command::Join);
    world.run(40_000);
    let differs = |notice: &Notice| matches!(notice, Notice::ParamsMismatch { group: Some(_) });
    assert!(world.heard(newcomer, differs));
}

#[test]
fn a_full_group_is_reported_by_the_members_and_the_newcomer_waits_for_a_welcome() {
    let mut full = config();
    full.limits.roster = 1;
    let mut world = with_newcomer(&full, 0);
    world.run(40_000);
    let sender = world.id(1);
    let refused = Notice::Refused { sender, reason: Refusal::Full };
    assert!(world.heard(0, |notice| *notice == refused), "{:?}", world.told(0).collect::<Vec<_>>());
    assert_eq!(stalled(&world, 1), Some((Some(1), WaitsFor::Welcome)));
}

/// The service signs with another key than the one that all members were given.
#[test]
fn receipts_that_do_not_verify_are_reported_on_both_sides() {
    let mut world = World::new();
    let mut config = config();
    config.params.service_key = Some(world.sign_receipts());
    let member = world.enter(engine("member"), config.clone());
    world.tell(member, Command::Join);
    world.run(5_000);
    world.sign_receipts();
    let newcomer = world.enter(engine("newcomer"), config);
    world.tell(newcomer, Command::Join);
    world.tell(member, Command::Update);
    world.run(40_000);
    let bad = Notice::ServiceFault(ServiceFault::BadReceipt);
    for who in [member, newcomer] {
        assert!(
            world.heard(who, |notice| *notice == bad),
            "{who}: {:?}",
            world.told(who).collect::<Vec<_>>()
        );
    }
}

/// Whatever the mode, and once for each commit.
#[test]
fn an_own_commit_that_the_relay_loses_is_reported() {
    for mode in SafetyMode::ALL {
        let mut config = config();
        config.params.mode = mode;
        let mut world = members(1, &config);
        let commits = world.machine(0).tracks().commit(&world.id(0));
        world
            .carriage_mut()
            .hold(move |action| matches!(action, Action::Publish { object, .. } if object.track == commits));
        world.tell(0, Command::Update);
        for _ in 0..600 {
            world.run(100);
            for (who, action) in world.carriage_mut().take_held() {
                let Action::Publish { id, .. } = action else { panic!("{action:?}") };
                world.give(who, Event::PublishReply { id, reply: Ok(()) });
            }
        }
        let lost = |notice: &&Notice| matches!(notice, Notice::NotReadBack { epoch: 0 });
        assert_eq!(world.told(0).filter(lost).count(), 1, "{mode:?}");
    }
}

#[test]
fn a_leave_request_that_a_relay_loses_is_published_again() {
    for mode in SafetyMode::ALL {
        let mut config = config();
        config.params.mode = mode;
        let mut world = members(2, &config);
        let left = |world: &World<TestEngine>| world.heard(1, |n| *n == Notice::Left);
        world.carriage_mut().set_deaf(0, true);
        world.tell(1, Command::Leave);
        world.run(1000);
        world.carriage_mut().set_deaf(0, false);
        world.run(8000);
        assert!(!left(&world), "{mode:?}: the request was lost");
        world.run(3000);
        assert!(left(&world), "{mode:?}: 10 s after it was asked for");
        assert_eq!(world.machine(0).members().count(), 1, "{mode:?}");
    }
}
