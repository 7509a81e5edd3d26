#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::engine::Credential;
use crate::testing::rng::Rng;

fn name(n: u64) -> Bytes {
    Bytes::from(format!("n{n}"))
}

fn id(n: u64) -> SenderId {
    SenderId::new(name(n)).unwrap()
}

fn named(n: u64) -> Credential {
    Credential::basic(name(n))
}

/// The embedder's decision for a client that shows a credential that the caller compares.
fn permit() -> Permit {
    Permit { credential: [0; 32], replacing: None }
}

fn waiting(who: u64, identity: u64, hold: Option<Hold>) -> Waiting {
    let info = KeyPackageInfo {
        sender: id(who),
        identity: name(identity),
        credential: named(identity),
        key_package_ref: name(who),
        object_id: None,
        group: None,
        leaf_key: None,
        begins: Timestamp::from_secs(0),
        expires: Timestamp::from_secs(9),
    };
    Waiting { message: name(who), info, object: 1, place: 0, hold, wanted: false, replacing: None }
}

/// What a look at everybody says of the room.
fn look(room: &Joiners, probe: &KeyPackageInfo) {
    let line: Vec<&Waiting> = room.line.values().filter_map(|s| room.waiting.get(s)).collect();
    assert_eq!(line.len(), room.waiting.len());
    let bytes = |of: &[&Waiting]| of.iter().map(|w| w.message.len()).sum::<usize>();
    let due: Vec<&Waiting> = line.iter().filter(|w| w.hold.is_none()).copied().collect();
    let (wanted, others): (Vec<&Waiting>, Vec<&Waiting>) = due.iter().partition(|w| w.wanted);
    assert_eq!(room.due().collect::<Vec<_>>(), [wanted, others].concat());
    assert_eq!(room.any_due(), !due.is_empty());
    assert!(room.are_due(due.len()) && !room.are_due(due.len() + 1));
    assert_eq!((room.waiting_bytes, room.due_bytes), (bytes(&line), bytes(&due)));
    let other = due.iter().find(|w| w.info.identity == probe.identity && w.info.sender != probe.sender);
    assert_eq!(room.same_identity(probe), other.map(|w| &w.info.sender));
    let held: Vec<&Waiting> = line.iter().filter(|w| w.hold.is_some()).copied().collect();
    assert_eq!(room.held.values().filter_map(|s| room.waiting.get(s)).collect::<Vec<_>>(), held);
    let same = |w: &&&Waiting| matches!(w.hold, Some(Hold::SameIdentity { .. }));
    assert_eq!(room.namesakes.len(), held.iter().filter(same).count());
    let expiring = line.iter().map(|w| (w.info.expires, w.info.sender.clone()));
    assert_eq!(room.expiring, expiring.collect());
}

/// What a room must hold after a KeyPackage came, by a look at everybody: the slow way, one rule behind the other.
fn admitted_slowly(room: &Joiners, new: &Waiting, now: Timestamp, limits: &Limits) -> Vec<SenderId> {
    let is_new = |w: &Waiting| w.info.sender == new.info.sender;
    let line = room.line.values().filter_map(|s| room.waiting.get(s));
    let mut stay: Vec<&Waiting> = line.filter(|w| w.info.expires >= now).collect();
    let unchanged = stay.iter().map(|w| w.info.sender.clone()).collect();
    stay.retain(|w| !is_new(w));
    let fits = |stay: &[&Waiting]| {
        let bytes: usize = stay.iter().map(|w| w.message.len()).sum();
        stay.len() < limits.pending_joiners && bytes + new.message.len() <= limits.pending_joiner_bytes
    };
    while !fits(&stay) {
        match stay.iter().position(|w| w.hold.is_some()) {
            Some(first) => drop(stay.remove(first)),
            None => return unchanged,
        }
    }
    stay.into_iter().chain([new]).map(|w| w.info.sender.clone()).collect()
}

/// What is kept for quick answers says what a look at everybody says, after whatever came and went,
/// expired, or had to make room.
#[test]
fn quick_answers_are_right_answers() {
    let limits = Limits { pending_joiners: 6, pending_joiner_bytes: 11, ..Limits::default() };
    let mut rng = Rng::new(1);
    let mut room = Joiners::default();
    let mut seen = [0_u32; 4];
    let (mut expired, mut evicted, mut refused) = (0_u32, 0_u32, 0_u32);
    for step in 0..40_000 {
        let who = rng.below(12);
        let now = Timestamp::from_secs(step);
        match rng.below(12) {
            0..=5 => {
                let hold = match rng.below(4) {
                    0 => Some(Hold::Policy),
                    1 => Some(Hold::SameIdentity { member: id(who) }),
                    _ => None,
                };
                let mut new = waiting(who, rng.below(3), hold);
                new.wanted = new.hold.is_none() && rng.below(4) == 0;
                new.info.expires = Timestamp::from_secs(step + rng.below(40));
                let before = room.waiting.len();
                let replaces = room.get(&new.info.sender).is_some_and(|w| w.info.expires >= now);
                let late = room.waiting.values().filter(|w| w.info.expires < now).count();
                let mut wanted = admitted_slowly(&room, &new, now, &limits);
                let done = room.admit(new, now, now, &limits);
                let mut there: Vec<SenderId> = room.line.values().cloned().collect();
                // A fresh KeyPackage takes the place of the old one; only who is there is compared here.
                wanted.sort();
                there.sort();
                assert_eq!(there, wanted);
                let came = usize::from(done.is_in && !replaces);
                assert_eq!(before + came, room.waiting.len() + done.dropped);
                expired += u32::from(late > 0);
                evicted += u32::from(done.dropped > late);
                refused += u32::from(!done.is_in);
            }
            6 => drop(room.take(&id(who))),
            7 => room.bar(&id(who), &limits),
            8 => room.let_in(&id(who), &named(rng.below(3)), permit(), &limits),
            9 => {
                let late = room.waiting.values().filter(|w| w.info.expires < now).count();
                assert_eq!(room.expire(now), late);
                assert!(room.waiting.values().all(|w| w.info.expires >= now));
            }
            10 if rng.below(20) == 0 => room.empty_room(),
            10 => drop(room.turn_away(&id(who), &limits)),
            _ => {
                let strangers = (rng.below(2) == 0).then_some(Hold::Policy);
                room.settle(&Roster::default(), &[], strangers.as_ref());
                assert!(room.namesakes.is_empty());
            }
        }
        look(&room, &waiting(who, rng.below(3), None).info);
        assert!(room.waiting.len() <= limits.pending_joiners);
        assert!(room.waiting_bytes <= limits.pending_joiner_bytes);
        seen[room.due.len().min(3)] += 1;
    }
    assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
    assert!([expired, evicted, refused].iter().all(|n| *n > 100), "{expired} {evicted} {refused}");
}

/// Puts one in a room that must take it.
fn put(room: &mut Joiners, waiting: Waiting, limits: &Limits) {
    assert!(room.admit(waiting, Timestamp::from_secs(1), Timestamp::from_secs(1), limits).is_in);
}

fn in_line(room: &Joiners) -> Vec<SenderId> {
    room.line.values().cloned().collect()
}

#[test]
fn the_first_of_the_held_makes_room_and_nobody_goes_for_what_does_not_fit() {
    let limits = Limits { pending_joiners: 3, pending_joiner_bytes: 20, ..Limits::default() };
    let mut room = Joiners::default();
    put(&mut room, waiting(1, 1, None), &limits);
    put(&mut room, waiting(2, 2, Some(Hold::Policy)), &limits);
    put(&mut room, waiting(3, 3, Some(Hold::Policy)), &limits);
    put(&mut room, waiting(4, 4, Some(Hold::Policy)), &limits);
    assert_eq!(in_line(&room), [id(1), id(3), id(4)]);
    let mut large = waiting(5, 5, None);
    large.message = Bytes::from(vec![0; 19]);
    let refused = Admitted { is_in: false, dropped: 0 };
    assert_eq!(room.admit(large, Timestamp::from_secs(1), Timestamp::from_secs(1), &limits), refused);
    assert_eq!(in_line(&room), [id(1), id(3), id(4)]);
    // Whom the embedder wants goes before those that came earlier.
    room.let_in(&id(4), &named(4), permit(), &limits);
    assert_eq!(room.due().map(|w| w.info.sender.clone()).collect::<Vec<_>>(), [id(4), id(1)]);
}

#[test]
fn a_key_package_waits_up_to_the_moment_it_expires() {
    let mut room = Joiners::default();
    put(&mut room, waiting(1, 1, None), &Limits::default());
    assert_eq!((room.expire(Timestamp::from_secs(9)), room.waiting.len()), (0, 1));
    assert_eq!((room.expire(Timestamp::from_millis(9_001)), room.waiting.len()), (1, 0));
}

#[test]
fn a_flood_of_strangers_makes_no_key_package_of_a_former_member_news() {
    let limits = Limits { remembered_senders: 4, ..Limits::default() };
    let mut room = Joiners::default();
    assert!(room.is_news(&id(0), 7, &limits));
    room.spend(&id(0), 5, &limits);
    for stranger in 1..20 {
        assert!(room.is_news(&id(stranger), 0, &limits));
    }
    assert!(!room.is_news(&id(0), 7, &limits), "seen as a stranger's already");
    assert!(room.is_news(&id(0), 8, &limits) && !room.is_news(&id(0), 8, &limits));
    assert_eq!((room.spent.iter().len(), room.seen.iter().len()), (1, 4));
    assert!(room.is_news(&id(1), 0, &limits) && !room.is_news(&id(19), 0, &limits), "the oldest went");
}

#[test]
fn who_is_no_namesake_any_more_is_held_as_strangers_are() {
    let limits = Limits::default();
    let mut room = Joiners::default();
    put(&mut room, waiting(1, 1, Some(Hold::SameIdentity { member: id(2) })), &limits);
    room.settle(&Roster::default(), &[], Some(&Hold::Policy));
    assert_eq!(room.get(&id(1)).unwrap().hold, Some(Hold::Policy));
    assert!(!room.any_due());
}

#[test]
fn limits_are_met_exactly() {
    let limits = Limits { pending_joiner_bytes: 4, remembered_senders: 1, ..Limits::default() };
    let mut room = Joiners::default();
    let now = Timestamp::from_secs(1);
    // Two bytes each.
    put(&mut room, waiting(1, 1, None), &limits);
    put(&mut room, waiting(2, 2, None), &limits);
    assert!(!room.admit(waiting(3, 3, None), now, now, &limits).is_in);
    room.bar(&id(1), &limits);
    room.bar(&id(2), &limits);
    assert_eq!(room.barred.iter().map(|(sender, ())| sender).collect::<Vec<_>>(), [&id(2)]);
    assert!(room.keep_early(id(1), 5, Bytes::from_static(b"new"), &limits));
    assert!(room.keep_early(id(1), 4, Bytes::from_static(b"older"), &limits), "known already");
    assert!(room.keep_early(id(1), 5, Bytes::from_static(b"again"), &limits));
    assert!(room.keep_early(id(1), 6, Bytes::from_static(b"last"), &limits));
    let kept: Vec<(u64, Bytes)> = room.take_early().into_values().collect();
    assert_eq!(kept, [(6, Bytes::from_static(b"last"))]);
}

/// A sender that waited long has several on its track, and a newcomer is shown all of them, in any order.
#[test]
fn what_a_newcomer_is_shown_is_spent_also_if_an_older_one_came_before() {
    let (mut room, limits) = (Joiners::default(), Limits::default());
    room.note_gone(7);
    assert!(room.may_be_spent(&id(1), 6, true) && room.may_be_spent(&id(1), 6, false));
    room.is_news(&id(1), 6, &limits);
    assert_eq!([true, false].map(|shown| room.may_be_spent(&id(1), 7, shown)), [true, false]);
    assert!(!room.may_be_spent(&id(1), 8, true), "younger than all that are gone");
    room.spend(&id(1), 6, &limits);
    assert!(!room.may_be_spent(&id(1), 7, true), "what it joined by is known");
}
