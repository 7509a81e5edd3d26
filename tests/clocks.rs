//! Clocks that are wrong by hours or days: a machine that slept, a date that was set by hand, a service that says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::attackers::members;
use crate::support::engines::{TestEngine, engine};
use crate::support::{START, Steps, World, config};
use bytes::Bytes;
use moq_mls::counter::http::encode_date;
use moq_mls::notice::{ClockError, ClockWitness, Fault, Notice};
use moq_mls::testing::session::{Done, HttpId, Incoming, Outgoing, Session, Wire};
use moq_mls::{Command, Event, Participant, Phase, Timestamp};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What a participant reported of its clock: which way it is wrong, by how many minutes, and who says so.
fn skews(world: &World<TestEngine>, who: usize) -> Vec<(ClockError, u64, ClockWitness)> {
    let skew = |notice: &Notice| match notice {
        Notice::ClockSkew { error, by, witness } => Some((*error, (by.as_secs() + 30) / 60, *witness)),
        _ => None,
    };
    world.told(who).filter_map(skew).collect()
}

/// How many KeyPackages of others the first member refused.
fn faults(world: &World<TestEngine>) -> u64 {
    [Fault::Invalid, Fault::Expired, Fault::BadLocation].into_iter().map(|fault| world.faults(0, fault)).sum()
}

/// Lets a newcomer in; milliseconds until it is a member.
fn joins(world: &mut World<TestEngine>, name: &str, most: u64) -> u64 {
    let who = world.enter(engine(name), config());
    world.tell(who, Command::Join);
    let begin = world.now().as_millis();
    while world.machine(who).phase() != Phase::Member {
        assert!(world.now().as_millis() - begin < most, "{name} is not in\n{}", world.log().to_text());
        world.run(50);
    }
    world.now().as_millis() - begin
}

/// The only member slept for five hours, or its clock is that much ahead.
#[test]
fn a_member_whose_clock_is_hours_off_lets_newcomers_in() {
    for ahead in [-5 * HOUR, 5 * HOUR] {
        let mut world = members(1, &config());
        world.set_clock(0, ahead);
        for name in ["one", "two", "three"] {
            joins(&mut world, name, 2000);
        }
        assert_eq!(faults(&world), 0, "{ahead}");
        world.run(2000);
        world.agree(&[0, 1, 2, 3]);
        // One peer may make it up; who is ahead sees nothing but what is old.
        let told = if ahead < 0 { vec![(ClockError::Behind, 4 * 60, ClockWitness::Peers)] } else { vec![] };
        assert_eq!(skews(&world, 0), told);
    }
}

/// By days, where the service says what time it is. That is reported once, and once more when the clock is right again.
#[test]
fn a_service_that_tells_the_time_sets_clocks_right_that_are_days_off() {
    for (ahead, error) in [(-30 * DAY, ClockError::Behind), (30 * DAY, ClockError::Ahead)] {
        let mut world = members(1, &config());
        world.carriage_mut().tell_time();
        world.set_clock(0, ahead);
        // Whatever asks the service.
        world.tell(0, Command::Update);
        world.run(1000);
        joins(&mut world, "one", 2000);
        joins(&mut world, "two", 2000);
        world.run(3_600_000);
        joins(&mut world, "three", 2000);
        world.run(2000);
        world.agree(&[0, 1, 2, 3]);
        let told = (error, ahead.unsigned_abs() / 60_000, ClockWitness::Service);
        assert_eq!(skews(&world, 0), [told]);
        assert_eq!(faults(&world), 0);
        world.set_clock(0, 0);
        world.run(600_000);
        assert_eq!(skews(&world, 0), [told, (ClockError::None, 0, ClockWitness::Service)]);
        (1..4).for_each(|who| assert_eq!(skews(&world, who), []));
    }
}

/// A newcomer whose own clock is wrong makes KeyPackages that others take, once the service has answered.
#[test]
fn a_newcomer_whose_clock_is_days_off_gets_in_by_the_services_time() {
    for ahead in [-30 * DAY, 30 * DAY] {
        let mut world = members(2, &config());
        world.carriage_mut().tell_time();
        let who = world.enter(engine("new"), config());
        world.set_clock(who, ahead);
        world.tell(who, Command::Join);
        world.run(15_000);
        assert_eq!(world.machine(who).phase(), Phase::Member, "{ahead}\n{}", world.log().to_text());
        world.agree(&[0, 1, 2]);
    }
}

/// In a larger group others commit: what they add is from the sleeper's future, or long expired to it.
#[test]
fn who_slept_follows_commits_that_add_people_of_another_time() {
    for ahead in [-5 * HOUR, 5 * HOUR, -30 * DAY, 30 * DAY] {
        let mut world = members(3, &config());
        world.set_clock(2, ahead);
        // Two at once: each lived at another time.
        for name in ["one", "two"] {
            let who = world.enter(engine(name), config());
            world.tell(who, Command::Join);
            world.run(700);
        }
        world.run(10_000);
        world.agree(&[0, 1, 2, 3, 4]);
        let bad = |n: &Notice| matches!(n, Notice::FaultyCommit { .. } | Notice::Rejoining { .. });
        assert!(!world.heard(2, bad), "{ahead}\n{}", world.log().to_text());
    }
}

/// A single answer, out of a cache or from elsewhere, does not shift the time that is known already.
#[test]
fn one_answer_with_another_date_shifts_nothing() {
    let mut world = members(1, &config());
    world.give(0, Event::ServiceTime(world.now()));
    world.give(0, Event::ServiceTime(world.now().after(Duration::from_secs(30 * 86_400))));
    world.give(0, Event::ServiceTime(world.now()));
    world.give(0, Event::ServiceTime(Timestamp::from_secs(0)));
    world.give(0, Event::ServiceTime(Timestamp::from_secs(0)));
    assert_eq!(skews(&world, 0), []);
    joins(&mut world, "one", 2000);
}

/// Asked to wait for two minutes, a member asks nothing for as long as it believes, and then goes on.
#[test]
fn a_service_that_wants_to_be_left_alone_is() {
    let mut world = members(1, &config());
    let asked = |world: &World<TestEngine>| {
        let asked = world.carriage().asked();
        asked.locks + asked.reads + asked.increments + asked.commits
    };
    let (before, epoch) = (asked(&world), world.machine(0).epoch().unwrap());
    world.give(0, Event::RetryAfter(Duration::from_secs(120)));
    world.tell(0, Command::Update);
    world.run(59_900);
    assert_eq!((asked(&world), world.machine(0).epoch().unwrap()), (before, epoch));
    world.run(1000);
    assert_eq!(world.machine(0).epoch().unwrap(), epoch + 1);
    // Two audits fell into the pause, and one question answers both.
    assert!(asked(&world) - before <= 4, "{}", asked(&world) - before);
}

/// A clock that was set back meanwhile makes the pause no longer.
#[test]
fn a_pause_ends_in_time_when_the_clock_is_set_back() {
    let mut world = members(1, &config());
    let epoch = world.machine(0).epoch().unwrap();
    world.give(0, Event::RetryAfter(Duration::from_secs(20)));
    world.tell(0, Command::Update);
    world.set_clock(0, -5 * HOUR);
    world.run(19_000);
    assert_eq!(world.machine(0).epoch().unwrap(), epoch);
    world.run(2000);
    assert_eq!(world.machine(0).epoch().unwrap(), epoch + 1);
}

/// What a driver does: the headers of an HTTP answer come before the answer itself.
#[test]
fn headers_of_answers_reach_the_participant() {
    let mut session =
        Session::<TestEngine, Wire>::new(Participant::new(engine("a"), config(), START).unwrap());
    session.handle(START, Command::Join).unwrap();
    let drain = |session: &mut Session<TestEngine, Wire>, now: Timestamp| {
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        while let Some(step) = session.do_next(now).unwrap() {
            asked.extend(step.out.into_iter().filter_map(|out| match out {
                Outgoing::Http(id, _) => Some(id),
                _ => None,
            }));
            told.extend(step.done.into_iter().filter_map(|done| match done {
                Done::Told(notice @ Notice::ClockSkew { .. }) => Some(notice),
                _ => None,
            }));
        }
        (asked, told)
    };
    let (asked, told) = drain(&mut session, START);
    let [id @ HttpId::Lock(_)] = asked[..] else { panic!("{asked:?}") };
    assert_eq!(told, []);
    let true_time = START.after(Duration::from_secs(5 * 3600));
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nDate: {}\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n",
        encode_date(true_time)
    );
    session.receive(START, Incoming::Http(id, Ok(Bytes::from(answer)))).unwrap();
    let (asked, told) = drain(&mut session, START);
    let by = Duration::from_secs(5 * 3600);
    let skew = Notice::ClockSkew { error: ClockError::Behind, by, witness: ClockWitness::Service };
    assert_eq!((asked, told), (vec![], vec![skew]));
    // It wakes up as it likes, and asks once, when the time is over.
    let mut asked_at = Vec::new();
    for secs in 1..40 {
        let now = START.after(Duration::from_secs(secs));
        session.handle(now, Event::Timer).unwrap();
        asked_at.extend(drain(&mut session, now).0.iter().map(|_| secs));
    }
    assert_eq!(asked_at.len(), 1, "{asked_at:?}");
    assert!((30..=31).contains(&asked_at[0]), "{asked_at:?}");
}
