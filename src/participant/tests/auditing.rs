//! What puts the audit of a quiet group off, and what brings it forward.

use super::*;
use crate::codec::pinned::StateObject;
use crate::counter::service::ServiceCrypto;
use crate::counter::{FIRST_DATED, dated, state_message};
use crate::request::CommitRequestId;
use crate::testing::symbolic::SymbolicReceipts;

const KEY: Bytes = Bytes::from_static(b"service key");

fn after(secs: u64) -> Timestamp {
    NOW.after(Duration::from_secs(secs))
}

/// How many seconds pass until the counter is audited.
fn audited_after(a: &Machine) -> u64 {
    let mut a = a.clone();
    loop {
        let (at, timer) = a.poll_timeout().unwrap();
        if timer == Timer::Audit {
            return at.since(NOW).as_secs();
        }
        a.handle(at, Event::Timer).unwrap();
        a.actions().for_each(drop);
    }
}

/// A member beside b, whose counter has just said that the group is where it is.
fn confirmed(config: Config) -> Machine {
    let (mut a, _) = among(config, &["b"]);
    a.run(Input::Timer(Timer::Audit)).unwrap();
    let id = lock(&mut a).unwrap();
    let reply = Ok(LockReply::CounterError(state(2, None)));
    a.handle(NOW, Event::LockReply { id, reply }).unwrap();
    a
}

/// Questions about the slot, until so many seconds are over.
fn reads(a: &mut Machine, secs: u64) -> Vec<CommitRequestId> {
    let mut asked = Vec::new();
    while let Some((at, timer)) = a.poll_timeout().filter(|(at, _)| *at <= after(secs)) {
        assert_ne!(timer, Timer::Audit);
        a.handle(at, Event::Timer).unwrap();
        asked.extend(a.actions().filter_map(|action| match action {
            Action::GetCommit { id, .. } => Some(id),
            _ => None,
        }));
    }
    asked
}

#[test]
fn media_that_opens_puts_the_audit_off_and_not_for_good() {
    let audit = |base: u64, peer: &str, epoch: u64| {
        let mut a = confirmed(config());
        super::epoch(&mut a).base = base;
        for secs in 1..300 {
            let at = after(secs);
            if audited_after(&a) <= secs {
                return secs;
            }
            a.handle(at, Event::MediaOpened { peer: id(peer), epoch }).unwrap();
        }
        panic!("never again");
    };
    assert!(audit(0, "nobody", 1) <= 31);
    assert!(audit(0, "a", 1) <= 31, "its own");
    assert!(audit(0, "b", 2) <= 31);
    assert!((120..=131).contains(&audit(0, "b", 1)));
    // Key ids go on in a successor where they ended before.
    assert!((120..=131).contains(&audit(40, "b", 41)));
    assert!(audit(40, "b", 1) <= 31);
}

#[test]
fn media_of_a_later_epoch_makes_a_member_look_once_in_a_while() {
    for (base, epoch, looks) in [(0, 1, 0), (0, 2, 1), (40, 2, 0), (40, 42, 1)] {
        let mut a = confirmed(config());
        super::epoch(&mut a).base = base;
        for _ in 0..5 {
            a.handle(NOW, Event::MediaAhead { epoch }).unwrap();
        }
        let asked = reads(&mut a, 2);
        assert_eq!(asked.len(), looks, "{base}, {epoch}");
        for id in asked {
            let reply = Ok(crate::counter::CommitReply::CounterError(state(2, None)));
            a.handle(a.cx.now, Event::CommitReply { id, reply }).unwrap();
        }
        a.handle(a.cx.now, Event::MediaAhead { epoch }).unwrap();
        assert!(reads(&mut a, 15).is_empty(), "anybody can make such media up");
    }
}

/// Where the counter stands, signed at that time.
fn signed(val: u64, current: u64, pin: Pin) -> StateObject {
    let message = state_message(&config().group, val, current, Some(&pin));
    let receipt = SymbolicReceipts(KEY).sign(&message).unwrap();
    StateObject { val, current, pin, receipt }
}

#[test]
fn one_members_audit_is_passed_on_and_puts_off_the_others() {
    let shared =
        || Config { params: GroupParams { service_key: Some(KEY), ..GroupParams::default() }, ..config() };
    let (mut a, _) = among(shared(), &["b"]);
    let pin = *a.pin().unwrap();
    a.run(Input::Timer(Timer::Audit)).unwrap();
    let asked = a.actions().find_map(|action| match action {
        Action::Lock { id, request } => Some((id, request.val)),
        _ => None,
    });
    let (id, val) = asked.unwrap();
    assert!(val >= FIRST_DATED);
    let StateObject { current, receipt, .. } = signed(val, 2, pin);
    let said = CounterState { current, pin: Some(pin), receipt: Some(receipt), pin_forgotten: false };
    a.handle(NOW, Event::LockReply { id, reply: Ok(LockReply::CounterError(said)) }).unwrap();
    let passed: Vec<Object> = a
        .actions()
        .filter_map(|action| match action {
            Action::Publish { object, .. } => Some(object),
            _ => None,
        })
        .collect();
    let [passed] = &passed[..] else { panic!("{passed:?}") };
    assert_eq!(StateObject::decode(passed.payload.clone()).unwrap(), signed(val, 2, pin));

    // Another member, a while later. What it receives: the object, and whether that puts its audit off.
    let later = after(15);
    let fresh = dated(later, 7);
    let forged = StateObject { receipt: Bytes::from_static(b"forged"), ..signed(fresh, 2, pin) };
    for (what, object, counts) in [
        ("good", signed(fresh, 2, pin), true),
        ("old", signed(dated(NOW, 7), 2, pin), false),
        ("of times to come", signed(dated(after(60), 7), 2, pin), false),
        ("of a later slot", signed(fresh, 3, pin), false),
        ("of another lineage", signed(fresh, 2, unknown()), false),
        ("of no date", signed(FIRST_DATED - 1, 2, pin), false),
        ("forged", forged, false),
    ] {
        let (mut other, _) = among(shared(), &["b"]);
        let before = audited_after(&other);
        let object = Object { payload: object.encode(), ..passed.clone() };
        other.handle(later, Event::Object(object.clone())).unwrap();
        let now = audited_after(&other);
        assert_eq!(now > before, counts, "{what}: {before}, {now}");
        // The same again says nothing new.
        other.handle(after(18), Event::Object(object)).unwrap();
        assert_eq!(audited_after(&other), now, "{what}");
        // Each time it came.
        let faulty = if what == "forged" { 2 } else { 0 };
        assert_eq!(faults(&other, Fault::BadReceipt), faulty, "{what}");
        // Of an epoch that has not come here yet it is nobody's fault.
        let at = Location { group_id: 3, object_id: 77 };
        other.handle(after(18), Event::Object(Object { location: at, ..passed.clone() })).unwrap();
        assert_eq!(faults(&other, Fault::BadReceipt), faulty, "{what}");
    }
}

/// What asks for the state instead of a slot is looked at by who asked; nothing else gets by without a receipt.
#[test]
fn an_answer_about_a_slot_that_no_counter_gets_to_needs_its_receipt() {
    let config =
        Config { params: GroupParams { service_key: Some(KEY), ..GroupParams::default() }, ..config() };
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    a.handle(NOW, Command::Join).unwrap();
    for (at, purpose) in [LockPurpose::ConfirmWelcome(FIRST_DATED + 3), LockPurpose::Slot(FIRST_DATED - 3)]
        .into_iter()
        .enumerate()
    {
        let id = LockRequestId(77 + at as u64);
        a.cx.requests.expect_lock(id, purpose);
        let said = LockReply::CounterError(state(u64::MAX, Some(unknown())));
        a.handle(NOW, Event::LockReply { id, reply: Ok(said) }).unwrap();
        assert_eq!(a.stats().bad_receipts, at as u64 + 1, "{purpose:?}");
    }
}

/// The service's clock counts, which the own one need not agree with to a few seconds.
#[test]
fn an_audit_is_dated_by_the_services_clock() {
    let (mut a, _) = among(
        Config { params: GroupParams { service_key: Some(KEY), ..GroupParams::default() }, ..config() },
        &["b"],
    );
    a.handle(NOW, Event::ServiceTime(after(60))).unwrap();
    a.run(Input::Timer(Timer::Audit)).unwrap();
    let val = a.actions().find_map(|action| match action {
        Action::Lock { request, .. } => Some(request.val),
        _ => None,
    });
    assert_eq!(crate::counter::date_of(val.unwrap()), Some(after(60)));
}

#[test]
fn junk_in_place_of_audits_is_verified_so_often_and_no_more() {
    let (mut a, _) = among(
        Config { params: GroupParams { service_key: Some(KEY), ..GroupParams::default() }, ..config() },
        &["b"],
    );
    let pin = *a.pin().unwrap();
    for junk in 0..100 {
        let object =
            StateObject { receipt: Bytes::from_static(b"forged"), ..signed(dated(NOW, junk), 2, pin) };
        let object = commit_at(&a, 1, 2 * junk + 1, object.encode());
        a.handle(NOW, Event::Object(object)).unwrap();
    }
    assert_eq!(faults(&a, Fault::BadReceipt), a.cx.config.limits.candidates as u64);
}
