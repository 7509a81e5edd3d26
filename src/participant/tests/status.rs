//! What it says that it waits for.

use super::*;
use crate::participant::WaitsFor;

fn said(a: &Machine) -> String {
    a.status().to_string()
}

#[test]
fn it_says_what_it_waits_for_and_since_when() {
    let mut a = Participant::new(engine("a"), config(), NOW).unwrap();
    assert_eq!(said(&a), "not begun, waiting for the command to join for 0.0 s");
    a.handle(NOW, Command::Join).unwrap();
    let later = NOW.after(Duration::from_millis(1500));
    a.handle(later, Event::ServiceTime(later)).unwrap();
    let probe =
        "looking for the group, waiting for the counter service to say whether the group exists for 1.5 s";
    assert_eq!((said(&a).as_str(), a.status().since), (probe, NOW));
    // Set back by an hour: it waits since then.
    let before = NOW.before(Duration::from_secs(3600));
    a.handle(before, Event::ServiceTime(before)).unwrap();
    assert_eq!((a.status().since, a.status().waited), (before, Duration::ZERO));
    let id = lock(&mut a).unwrap();
    let exists = LockReply::CounterError(state(1, Some(unknown())));
    a.handle(NOW, Event::LockReply { id, reply: Ok(exists) }).unwrap();
    assert_eq!(said(&a), "joining, waiting for a Welcome for 0.0 s");
}

#[test]
fn a_member_says_where_its_commit_is() {
    let mut a = alone(config());
    let step = |a: &mut Machine| {
        a.handle(a.cx.now, Event::Timer).unwrap();
        a.status().waits_for
    };
    assert_eq!(step(&mut a), WaitsFor::News);
    assert_eq!(said(&a), "at epoch 0 with 1 members, waiting for nothing for 0.0 s");
    a.handle(NOW, Command::Update).unwrap();
    assert_eq!(a.status().waits_for, WaitsFor::Turn);
    take_turn(&mut a);
    assert_eq!(step(&mut a), WaitsFor::Increment);
    decide(&mut a, unknown());
    assert_eq!(step(&mut a), WaitsFor::Commit);
    slot(&mut a).decided = None;
    slot(&mut a).halted = Some(ServiceFault::NoPins);
    assert_eq!(step(&mut a), WaitsFor::Service);
}

/// Each text is of its own, and none is a name from the code.
#[test]
fn no_two_texts_are_one() {
    use WaitsFor::*;
    let all = [
        Join,
        Probe,
        Signs,
        Creation,
        Newcomer,
        Welcome,
        Confirmation { epoch: 7 },
        Tree,
        Successor,
        Turn,
        Lock,
        Relay,
        Increment,
        Pin,
        Commit,
        Removal,
        Service,
        News,
        End,
    ];
    let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len());
    assert!(
        texts.iter().all(|text| !text.contains('_') && text.chars().next().is_some_and(|c| c.is_lowercase()))
    );
}
