//! Clocks that are set back, timers that fire together, misuse.

use super::deciding::committing;
use super::*;

fn published(a: &mut Machine) -> Vec<Object> {
    let object = |action| match action {
        Action::Publish { object, .. } => Some(object),
        _ => None,
    };
    a.actions().filter_map(object).collect()
}

#[test]
fn a_timer_that_another_cleared_does_not_fire() {
    // Fenced: filling the slot ends the wait for the read-back of the commit before.
    let (mut a, ..) = committing(SafetyMode::Fenced);
    slot(&mut a).step = Step::Idle;
    let commit = Bytes::from_static(b"own");
    epoch(&mut a).afterwards.unheard = Some(Unheard { epoch: 0, commit, tries: 0 });
    a.cx.deadlines.clear_all();
    for timer in [Timer::Turn, Timer::ReadBack] {
        a.cx.deadlines.set(timer, NOW);
    }
    a.handle(NOW, Event::Timer).unwrap();
    assert_eq!(published(&mut a), [], "the read-back was over");
}

#[test]
fn a_timer_that_another_put_off_fires_later() {
    let mut a = alone(config());
    slot(&mut a).decided = Some(unknown());
    a.cx.deadlines.clear_all();
    let later = NOW.after(Duration::from_secs(1));
    for timer in [Timer::Rejoin, Timer::Audit, Timer::Credentials, Timer::JoinRetry] {
        a.cx.deadlines.set(timer, later);
    }
    a.handle(later, Event::Timer).unwrap();
    assert_eq!(a.phase(), Phase::Joining);
    let armed: Vec<Timer> = a.armed();
    let idle = [Timer::Rejoin, Timer::Audit, Timer::Credentials];
    assert!(idle.iter().all(|timer| !armed.contains(timer)), "a joiner has no audit and checks no one");
    assert!([Timer::JoinRetry, Timer::Erase].iter().all(|timer| armed.contains(timer)), "{armed:?}");
    assert!(a.poll_timeout().unwrap().0 > later);
}

#[test]
fn a_misused_participant_is_as_it_was_but_for_the_time() {
    let earlier = NOW.before(Duration::from_secs(3600));
    let other = engine("other").sender_id().clone();
    let commands = |a: &Machine| {
        let own = a.cx.me.clone();
        vec![
            Command::Join,
            Command::Remove(own.clone()),
            Command::Gone(own),
            Command::Add(Bytes::from_static(b"no KeyPackage")),
            Command::Update,
            Command::Remove(other.clone()),
            Command::Leave,
        ]
    };
    let new = Participant::new(engine("a"), config(), NOW).unwrap();
    let mut joining = new.clone();
    joining.handle(NOW, Command::Join).unwrap();
    let (member, _) = among(config(), &["b"]);
    for (machine, misused) in [(new, 6), (joining, 6), (member, 4)] {
        let refused = commands(&machine).into_iter().filter(|command| {
            let mut a = machine.clone();
            let misuse = matches!(a.handle(earlier, command.clone()), Err(Error::Misuse(_)));
            let mut as_it_was = machine.clone();
            as_it_was.set_clock(earlier);
            assert!(!misuse || a == as_it_was, "{:?} {command:?}", machine.phase());
            misuse
        });
        assert_eq!(refused.count(), misused, "{:?}", machine.phase());
    }
}

#[test]
fn too_many_actions_lose_no_time() {
    let mut config = config();
    config.limits.actions = 1;
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    a.cx.set(Timer::Request, Duration::from_secs(1));
    let before = a.clone();
    let back = NOW.before(Duration::from_secs(3600));
    let refused = a.handle(back, Event::Timer);
    assert!(matches!(refused, Err(Error::Misuse(Misuse::Undrained))));
    // The driver polls, and sleeps by a clock that it has reported already.
    a.actions().for_each(drop);
    assert_eq!(a.poll_timeout().map(|(at, _)| at), Some(back.after(Duration::from_secs(1))));
    // What is due stays due.
    let mut a = before;
    assert!(a.handle(NOW.after(Duration::from_secs(60)), Event::Timer).is_err());
    assert_eq!(a.poll_timeout().map(|(at, _)| at), Some(NOW.after(Duration::from_secs(1))));
}

#[test]
fn a_joiner_does_not_wait_for_a_clock_that_was_set_back() {
    let (mut a, _) = among(config(), &["b"]);
    let mut joiner = engine("joiner");
    let message = joiner.generate_key_package(NOW, &config().group, 4).unwrap().message;
    let track = a.cx.tracks.key_package(joiner.sender_id());
    let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: 4 };
    a.handle(NOW, Event::Object(Object { track, location, payload: message })).unwrap();
    let back = NOW.before(Duration::from_secs(3600));
    a.handle(back, Event::Timer).unwrap();
    while lock(&mut a).is_none() {
        let now = a.poll_timeout().unwrap().0;
        assert!(now < back.after(Duration::from_secs(10)), "waits for {now}, at {back}");
        a.handle(now, Event::Timer).unwrap();
    }
}

#[test]
fn a_founder_stops_announcing_in_time_though_its_clock_was_set_back() {
    let mut a = alone(config());
    a.cx.set_beacon(7, Bytes::from_static(b"announcement"));
    let shown = |a: &mut Machine, at| {
        a.cx.now = at;
        a.cx.show_beacon();
        a.actions().any(|action| matches!(action, Action::Publish { .. }))
    };
    let (back, keep) = (NOW.before(Duration::from_secs(3600)), a.cx.config.timers.keep);
    a.handle(back, Event::Timer).unwrap();
    a.actions().for_each(drop);
    assert!(shown(&mut a, back.after(keep / 2)));
    assert!(!shown(&mut a, back.after(keep)));
}
