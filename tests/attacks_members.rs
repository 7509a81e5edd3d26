//! Attacks on members, by an outsider with a session at the relay, a client that can reach the counter, a relay, and
//! a member. They want a group to stand still, to end, or to work for nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support;
use crate::support::attackers::{
    COMMIT, Chain, PROPOSAL, Rogue, ask, commits, fill, forged, hog, increment, members, members_by,
    next_slot, number_at, put, read, until,
};
use crate::support::engines::{TestEngine, engine};
use crate::support::{Steps, World, config, group};
use allocation_counter::measure;
use bytes::Bytes;
use moq_mls::action::Action;
use moq_mls::codec::pinned::ReceiptObject;
use moq_mls::counter::service::{Access, CounterService, ServiceConfig};
use moq_mls::counter::{
    CommitReply, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest, Pin,
};
use moq_mls::engine::Engine;
use moq_mls::notice::{Fault, Notice};
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::rng::Rng;
use moq_mls::testing::sha256;
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::tracks::{GroupName, KEY_PACKAGE_GROUP, Location, NameError, SenderId, TrackKind};
use moq_mls::{Command, Event, Failure, Object, Phase, Timestamp};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn phases<E: Engine>(world: &World<E>, who: usize) -> Vec<Phase> {
    (0..who).map(|who| world.machine(who).phase()).collect()
}

fn symbolic(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

/// Places of an epoch's Commit track: the draft's, those of an older form of this crate's, and many at random.
fn places(leaves: u64, random: usize) -> Vec<u64> {
    let mut rng = Rng::new(7);
    let drawn = std::iter::repeat_with(move || rng.next_u64() >> 2).take(random);
    (0..2 * (leaves + 2)).chain(drawn).collect()
}

#[test]
fn squatted_places_do_not_stop_a_group() {
    let mut world = members(3, &config());
    let epoch = world.agree(&[0, 1, 2]);
    let track = commits(&world);
    for ahead in 0..4 {
        for place in places(4, 500) {
            put(&mut world, &track, epoch + ahead, place, &b"x"[..]);
        }
    }
    let gone = world.id(2);
    world.tell(0, Command::Remove(gone.clone()));
    let joiner = world.enter(engine("joiner"), config());
    world.tell(joiner, Command::Join);
    world.run(5000);
    let out = |who: usize| world.machine(who).members().all(|m| m.sender != gone);
    assert!(out(0) && out(1) && world.machine(2).phase() == Phase::Ended);
    assert_eq!(world.machine(joiner).phase(), Phase::Member);
    world.agree(&[0, 1, joiner]);
}

/// A commit shows the object id of its next try; a relay can take that, and keep back the commit.
#[test]
fn a_relay_that_keeps_every_commit_back_stops_nobody() {
    let mut world = members(3, &config());
    let epoch = world.agree(&[0, 1, 2]);
    let track = commits(&world);
    world
        .carriage_mut()
        .hold(move |action| matches!(action, Action::Publish { object, .. } if object.track == track));
    let gone = world.id(2);
    world.tell(0, Command::Remove(gone));
    let joiner = world.enter(engine("joiner"), config());
    world.tell(joiner, Command::Join);
    // An audit is due within half a minute.
    world.run(40_000);
    assert_eq!(world.machine(2).phase(), Phase::Ended);
    assert!(world.agree(&[0, 1, joiner]) > epoch);
}

/// All requests of a client that has no key of the epoch, and knows all that the counter tells.
fn requests_without_the_key(world: &World<TestEngine>, old_key: Option<Bytes>) -> Vec<IncrementRequest> {
    let slot = next_slot(world);
    let commit = Bytes::from_static(b"commit");
    let mut request = IncrementRequest::draft(group());
    let newest = read(world, slot - 1).pin;
    (request.val, request.prev) = (Some(slot), newest);
    (request.pin, request.commit) = (Some(Pin::new(sha256(&commit), [6; 32], [6; 32])), Some(commit));
    let lock = Bytes::copy_from_slice(newest.unwrap().slot_lock());
    let keys = [None, Some(Bytes::new()), Some(vec![0; 32].into()), Some(lock), old_key];
    let with_keys = keys.into_iter().map(|key| IncrementRequest { key, ..request.clone() });
    let mut without_prev = request.clone();
    (without_prev.prev, without_prev.key) = (None, Some(vec![0; 32].into()));
    let mut unpinned = IncrementRequest::draft(group());
    unpinned.val = Some(slot);
    with_keys.chain([without_prev, unpinned, IncrementRequest::draft(group())]).collect()
}

#[test]
fn who_is_no_member_cannot_end_a_group() {
    let mut world = members(5, &config());
    // One client waits in the lobby. Another was removed: it has the keys of the epoch before.
    let rogue = Rogue::join(&mut world, "removed");
    let old_key = rogue.slot_key();
    world.tell(0, Command::Remove(rogue.id()));
    world.run(5000);
    let epoch = world.agree(&[0, 1, 2, 3, 4]);
    assert_eq!(next_slot(&world), epoch + 1);
    for request in requests_without_the_key(&world, Some(old_key)) {
        let reply = increment(&mut world, &request);
        assert!(!matches!(reply, IncrementReply::Ok(_)), "{request:?}");
    }
    assert_eq!(next_slot(&world), epoch + 1);
    world.run(HOUR);
    world.tell(1, Command::Update);
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2, 3, 4]), epoch + 1);
}

/// Before the meeting, the client that comes first takes the name.
fn take_the_name(access: &Access, service: &mut CounterService<Receipts>) -> bool {
    let now = support::START;
    let mut request = IncrementRequest::draft(group());
    (request.val, request.pin) = (Some(0), Some(Pin::genesis([6; 32], [6; 32])));
    let lock = LockRequest { counter: group(), val: 0 };
    let locked = service.lock_for(access, now, &lock, Bytes::from_static(b"t"));
    let filled = service.increment_for(access, now, &request);
    matches!(locked, LockReply::Ok { .. }) || matches!(filled, IncrementReply::Ok(_))
}

#[test]
fn who_may_not_create_cannot_keep_a_group_from_being_created() {
    let mut service = CounterService::new(ServiceConfig::default(), Receipts::default());
    assert!(!take_the_name(&Access::of("lobby").without_create(), &mut service));
    assert!(take_the_name(&Access::of("host"), &mut service));
}

#[test]
#[ignore = "nothing is promised: without tokens slot 0 is for the client that comes first"]
fn who_is_no_member_cannot_keep_a_group_from_being_created() {
    let mut world = World::new();
    for i in 0..3 {
        world.enter(engine(&format!("m{i}")), config());
    }
    take_the_name(&Access::anyone(), world.counter_mut());
    (0..3).for_each(|i| world.tell(i, Command::Join));
    world.run(HOUR);
    assert!(phases(&world, 3).contains(&Phase::Member));
}

#[test]
fn a_pin_with_one_wrong_half_does_not_end_a_group() {
    let mut world = members(4, &config());
    let rogue = Rogue::join(&mut world, "insider");
    let epoch = rogue.epoch;
    let (built, pin) = rogue.create_commit(&world, &[], &[]);
    let wrong = Pin::new(sha256(&built.commit), [6; 32], pin.slot_lock().try_into().unwrap());
    let track = commits(&world);
    // Pinned before anybody can help with the right one.
    let request = rogue.increment(&world, built.commit.clone(), wrong);
    fill(&mut world, &request);
    put(&mut world, &track, epoch, 50, built.commit);
    // A client asks to come in at that very time.
    let joiner = world.enter(engine("joiner"), config());
    world.tell(joiner, Command::Join);
    world.run(30_000);
    let epochs: Vec<_> = [0, 1, 2, 3, joiner].map(|who| world.machine(who).epoch()).to_vec();
    assert!(epochs.iter().all(|e| *e == epochs[0] && e.unwrap() > epoch), "{epochs:?}");
}

/// A member's pin that confirms nobody's keys stops its group: that is reported, and no state is erased.
#[test]
fn a_dead_slot_erases_nothing() {
    let mut config = config();
    config.successor = false;
    let mut world = members(3, &config);
    let rogue = Rogue::join(&mut world, "insider");
    let (built, pin) = rogue.create_commit(&world, &[], &[]);
    let wrong = Pin::new(sha256(&built.commit), pin.context_hash().try_into().unwrap(), [6; 32]);
    let request = rogue.increment(&world, built.commit.clone(), wrong);
    fill(&mut world, &request);
    world.run(DAY);
    for who in 0..3 {
        let told = world.told(who).filter(|n| matches!(n, Notice::DeadSlot { .. })).count();
        assert_eq!((told, world.machine(who).epoch()), (1, Some(rogue.epoch)));
    }
}

#[test]
fn the_next_generation_is_no_name_that_people_choose() {
    let next = group().generation(1).unwrap();
    assert_eq!(GroupName::chosen(next.as_bytes().clone()), Err(NameError::Reserved));
    assert_eq!(GroupName::chosen(group().as_bytes().clone()).unwrap(), group());
}

#[test]
fn a_forged_sign_of_a_group_does_not_prevent_one() {
    for receipts in [false, true] {
        let mut world: World<TestEngine> = World::new();
        let mut config = config();
        let key = world.sign_receipts();
        config.params.service_key = receipts.then_some(key);
        for i in 0..5 {
            world.enter(engine(&format!("m{i}")), config.clone());
        }
        let track = commits(&world);
        let begin = world.now().as_millis();
        // A receipt that the service gave, to a group of the outsider's own; and all of it again and again.
        let (pin, commit) = (Pin::new(sha256(b"c"), [6; 32], [6; 32]), Bytes::from_static(b"c"));
        let receipt = Chain::new(GroupName::try_from("mine").unwrap()).signed(&mut world, 1, pin, commit);
        let signs = [
            (1, Bytes::from_static(b"x")),
            (3, ReceiptObject { pin, receipt }.encode()),
            (0, forged(COMMIT, 0, 0, 16)),
        ];
        for i in 0..60 {
            for (place, payload) in signs.clone() {
                put(&mut world, &track, 0, place + 4 * i, payload);
            }
            if i == 0 {
                (0..5).for_each(|i| world.tell(i, Command::Join));
            }
            world.run(2000);
            if (0..5).all(|who| world.machine(who).phase() == Phase::Member) {
                break;
            }
        }
        let took = world.now().as_millis() - begin;
        assert!(took <= if receipts { 10_000 } else { 100_000 }, "{took} ms, receipts: {receipts}");
        world.run(30_000);
        world.agree(&[0, 1, 2, 3, 4]);
    }
}

/// What nobody else wants is committed without the lock. For what others may want as well it is asked for, by who is
/// not first in turn, and then done without.
#[test]
fn a_hogged_lock_does_not_stop_commits() {
    for (command, asks) in
        [(Command::Remove as fn(SenderId) -> Command, false), (Command::Gone as fn(_) -> _, true)]
    {
        let mut world = members(3, &config());
        let epoch = world.agree(&[0, 1, 2]);
        let gone = world.id(2);
        let asked = |world: &World<TestEngine>| world.machine(0).stats().lock_requests;
        let before = asked(&world);
        assert!(hog(&mut world, epoch + 1));
        world.tell(0, command(gone.clone()));
        let begin = world.now().as_millis();
        while world.machine(0).epoch() == Some(epoch) && world.now().as_millis() - begin < 60_000 {
            hog(&mut world, epoch + 1);
            world.run(1);
        }
        let took = world.now().as_millis() - begin;
        assert!(took < 3000, "a removal under a hogged lock takes {took} ms");
        assert!(world.machine(0).members().all(|m| m.sender != gone));
        assert_eq!(asked(&world) > before, asks, "{} locks asked for", asked(&world) - before);
    }
}

#[test]
fn a_hogged_lock_does_not_keep_a_group_from_being_created() {
    let mut world = World::new();
    for i in 0..3 {
        world.enter(engine(&format!("m{i}")), config());
    }
    assert!(hog(&mut world, 0));
    (0..3).for_each(|i| world.tell(i, Command::Join));
    let begin = world.now().as_millis();
    while phases(&world, 3) != [Phase::Member; 3] && world.now().as_millis() - begin < 120_000 {
        hog(&mut world, 0);
        world.run(10);
    }
    let took = world.now().as_millis() - begin;
    assert!(took < 30_000, "a creation under a hogged lock takes {took} ms");
}

/// The committer dies as soon as its commit is pinned, the relay never had it, and for 45 seconds the service cannot
/// be reached.
#[test]
fn an_outage_and_a_death_do_not_end_a_group() {
    let mut world = members(4, &config());
    let epoch = world.agree(&[0, 1, 2, 3]);
    let track = commits(&world);
    world
        .carriage_mut()
        .hold(move |action| matches!(action, Action::Publish { object, .. } if object.track == track));
    world.tell(0, Command::Update);
    assert!(world.run_until(Duration::from_secs(5), |world| next_slot(world) > epoch + 1));
    world.crash(0);
    world.carriage_mut().hold(|action| {
        matches!(action, Action::Lock { .. } | Action::Increment { .. } | Action::GetCommit { .. })
    });
    for _ in 0..450 {
        world.run(100);
        for (who, action) in world.carriage_mut().take_held() {
            let event = match action {
                Action::Lock { id, .. } => Event::LockReply { id, reply: Err(Failure::Unknown) },
                Action::Increment { id, .. } => Event::IncrementReply { id, reply: Err(Failure::Unknown) },
                Action::GetCommit { id, .. } => Event::CommitReply { id, reply: Err(Failure::Unknown) },
                _ => continue,
            };
            world.give(who, event);
        }
    }
    world.carriage_mut().hold(|_| false);
    world.run(60_000);
    let gone = world.id(0);
    assert_eq!(phases_of(&world, &[1, 2, 3]), [Phase::Member; 3]);
    world.tell(1, Command::Remove(gone));
    world.run(60_000);
    assert!(world.agree(&[1, 2, 3]) > epoch + 1);
}

fn phases_of<E: Engine>(world: &World<E>, who: &[usize]) -> Vec<Phase> {
    who.iter().map(|who| world.machine(*who).phase()).collect()
}

/// How long all take to follow each of ten commits, with `junk` in each epoch before it.
fn following(junk: impl Fn(u64, u64) -> Bytes) -> Vec<u64> {
    let mut world = members(3, &config());
    let track = commits(&world);
    let mut took = Vec::new();
    for _ in 0..10 {
        let epoch = world.agree(&[0, 1, 2]);
        for i in 0..64 {
            put(&mut world, &track, epoch, 2 * (2000 + i), junk(epoch, i));
        }
        world.tell(1, Command::Update);
        took.push(until(&mut world, &[0, 1, 2], epoch, 60_000).unwrap());
    }
    took
}

#[test]
fn junk_on_the_commit_track_does_not_hide_the_real_commit() {
    let took = following(|_, _| Bytes::from_static(b"x"));
    assert!(took.iter().all(|took| *took < 2000), "{took:?}");
}

/// What has a commit's header counts as a look into it, and there are 64 in an epoch. Then the counter is asked, which
/// forgeries may bring about once in 20 seconds.
#[test]
fn forged_commits_put_off_the_real_one_for_so_long_and_no_longer() {
    let took = following(|epoch, i| forged(COMMIT, epoch, i, 16));
    assert!(took.iter().all(|took| *took < 21_000), "{took:?}");
}

#[test]
fn forged_commits_do_not_hide_the_real_one() {
    let took = following(|epoch, i| forged(COMMIT, epoch, i, 16));
    assert!(took.iter().all(|took| *took < 2000), "{took:?}");
}

/// The relay has lost a commit, and the service has forgotten it and kept its pin: a member that waits for it asks
/// at leisure.
#[test]
fn a_commit_that_nobody_has_any_more_is_asked_for_at_leisure() {
    let mut world = members(2, &config());
    let epoch = world.agree(&[0, 1]);
    let mut now = world.now();
    let mut machine = world.take(1).unwrap();
    let pin = Some(Pin::new([6; 32], [6; 32], [6; 32]));
    let state = |_| CounterState { current: epoch + 2, pin, receipt: None, pin_forgotten: false };
    let (mut asked, end) = (0, Timestamp::from_millis(now.as_millis() + 40_000));
    while machine.phase() == Phase::Member && asked < 1000 {
        while let Some(action) = machine.poll_action().filter(|_| asked < 1000) {
            let event = match action {
                Action::Lock { id, request } if request.val == epoch => Event::LockReply {
                    id,
                    reply: Ok(LockReply::CounterError(CounterState { pin: None, ..state(()) })),
                },
                Action::Lock { id, .. } => {
                    Event::LockReply { id, reply: Ok(LockReply::CounterError(state(()))) }
                }
                Action::GetCommit { id, .. } => {
                    Event::CommitReply { id, reply: Ok(CommitReply::CounterError(state(()))) }
                }
                Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
                _ => continue,
            };
            asked += 1;
            machine.handle(now, event).unwrap();
        }
        let Some((at, _)) = machine.poll_timeout().filter(|(at, _)| *at <= end) else { break };
        now = now.max(at);
        machine.handle(now, Event::Timer).unwrap();
    }
    assert!(machine.inside().catching_up || machine.phase() == Phase::Joining);
    assert!(asked < 60, "{asked} requests and more");
}

/// Lock requests, reads of the counter, and the slowest of ten epochs in milliseconds, with `junk` at work in each.
fn ten_epochs(junk: impl Fn(&mut World<SymbolicEngine>, u64)) -> (u64, u64, u64) {
    let everyone: Vec<usize> = (0..24).collect();
    let mut world = members_by(World::new(), 24, &config(), symbolic);
    let begin = world.agree(&everyone);
    junk(&mut world, begin);
    world.run(10_000);
    let before = world.traffic();
    let mut slowest = 0;
    for i in 0..10 {
        let epoch = world.agree(&everyone);
        world.tell(i, Command::Update);
        slowest = slowest.max(until(&mut world, &everyone, epoch, 600_000).unwrap_or(600_000));
    }
    let after = world.traffic();
    (after.lock_requests - before.lock_requests, after.commit_requests - before.commit_requests, slowest)
}

#[test]
fn objects_of_later_epochs_cost_no_requests() {
    let calm = ten_epochs(|_, _| ());
    let storm = ten_epochs(|world, epoch| {
        let track = commits(world);
        for ahead in [1, 2, 3, 63, 64, 65, 1 << 40] {
            for place in [0, 1, 4, 5, 6000, 6001] {
                put(world, &track, epoch + ahead, place, &b"x"[..]);
            }
        }
    });
    assert!(storm.0 <= calm.0 * 5 / 4 + 5, "(locks, reads, slowest): {calm:?}, with junk {storm:?}");
    assert!(storm.1 <= calm.1 * 5 / 4 + 5, "(locks, reads, slowest): {calm:?}, with junk {storm:?}");
    assert!(storm.2 <= calm.2 + 1000, "(locks, reads, slowest): {calm:?}, with junk {storm:?}");
}

/// What passes for an object of a later epoch makes members read the counter now and then, and take no lock.
#[test]
fn forged_objects_of_later_epochs_take_no_lock_and_few_reads() {
    let run = |junk: bool| {
        let mut world = members(6, &config());
        let everyone: Vec<usize> = (0..6).collect();
        let epoch = world.agree(&everyone);
        let track = commits(&world);
        let before = world.traffic();
        // Two minutes in which nothing happens.
        for i in 0..120 {
            if junk {
                let pin = Pin::new([6; 32], [6; 32], sha256(&[i as u8]));
                let receipt = ReceiptObject { pin, receipt: vec![7; 64].into() }.encode();
                put(&mut world, &track, epoch + 1 + i % 60, 2 * i, forged(COMMIT, epoch + 1 + i % 60, i, 16));
                put(&mut world, &track, epoch + i % 3, 2 * i + 1, receipt);
            }
            world.run(1000);
        }
        let after = world.traffic();
        let gone = world.id(5);
        world.tell(2, Command::Remove(gone));
        let took = until(&mut world, &[0, 1, 2, 3, 4], epoch, 60_000).unwrap();
        let reads = (after.commit_requests - before.commit_requests) / 6;
        (after.lock_requests - before.lock_requests, reads, took)
    };
    let (calm, storm) = (run(false), run(true));
    // The audits are lock requests for a used value.
    assert!(storm.0 <= calm.0 + 6, "(locks, reads each, a removal): {calm:?}, with junk {storm:?}");
    assert!(storm.1 <= 8, "(locks, reads each, a removal): {calm:?}, with junk {storm:?}");
    assert!(storm.2 <= calm.2 + 1000, "(locks, reads each, a removal): {calm:?}, with junk {storm:?}");
}

#[test]
fn leave_requests_of_later_epochs_are_bounded_in_bytes() {
    let mut world = members(3, &config());
    let epoch = world.agree(&[0, 1, 2]);
    let tracks = world.machine(0).tracks().clone();
    // Anybody may publish on the tracks of members too.
    let ids: Vec<SenderId> = [world.id(1), world.id(2)].into_iter().collect();
    let now = world.now();
    let mut machine = world.take(0).unwrap();
    let held = measure(|| {
        for i in 0..2000_u64 {
            let nobody = SenderId::new(format!("{i:064x}")).unwrap();
            for sender in ids.iter().chain([&nobody]) {
                let object = Object {
                    track: tracks.key_package(sender),
                    location: Location { group_id: KEY_PACKAGE_GROUP, object_id: i },
                    payload: forged(PROPOSAL, epoch + 1 + i % 64, i, 8000),
                };
                machine.handle(now, Event::Object(object)).unwrap();
                while machine.poll_action().is_some() {}
            }
        }
    });
    assert!(held.bytes_current < 2 << 20, "a member keeps {} bytes", held.bytes_current);
}

/// Epochs of ten members that were entered by a receipt alone, of 50.
fn by_receipt(junk: impl Fn(u64, u64) -> Bytes) -> u64 {
    let mut world = World::new();
    let mut config = config();
    config.params.service_key = Some(world.sign_receipts());
    let mut world = members_by(world, 10, &config, engine);
    let everyone: Vec<usize> = (0..10).collect();
    let track = commits(&world);
    let used = |world: &World<TestEngine>| -> u64 {
        everyone.iter().map(|who| world.machine(*who).stats().receipts_used).sum()
    };
    let before = used(&world);
    for i in 0..5 {
        let epoch = world.agree(&everyone);
        for i in 0..16 {
            put(&mut world, &track, epoch, 2 * (3000 + i) + 1, junk(epoch, i));
        }
        world.tell(i, Command::Update);
        until(&mut world, &everyone, epoch, 60_000).unwrap();
    }
    used(&world) - before
}

#[test]
fn junk_receipts_do_not_turn_receipts_off() {
    let byte = by_receipt(|_, _| Bytes::from_static(b"x"));
    let forged = by_receipt(|epoch, i| {
        let pin = Pin::new(sha256(&[epoch as u8, i as u8]), [6; 32], [6; 32]);
        ReceiptObject { pin, receipt: vec![7; 64].into() }.encode()
    });
    assert!(byte >= 40 && forged >= 40, "{byte} and {forged} of 45");
}

#[test]
fn junk_fed_to_a_joiner_has_no_effect_for_ever() {
    let asked = |junk: bool| {
        let mut world = members(2, &config());
        let joiner = world.enter(engine("joiner"), config());
        world.tell(joiner, Command::Join);
        if junk {
            let track = commits(&world);
            let far = 1 << 61;
            put(&mut world, &track, far, 0, &b"x"[..]);
            put(&mut world, &track, far, 2, forged(COMMIT, far, 0, 16));
            (0..64).for_each(|i| put(&mut world, &track, 60 + i, 4, forged(COMMIT, 60 + i, 0, 16)));
        }
        world.run(10_000);
        let everyone = [0, 1, joiner];
        let asked = |world: &World<TestEngine>| {
            let stats = world.machine(joiner).stats();
            stats.lock_requests + stats.commit_requests
        };
        let before = asked(&world);
        for _ in 0..10 {
            let epoch = world.agree(&everyone);
            world.tell(0, Command::Update);
            until(&mut world, &everyone, epoch, 60_000).unwrap();
            world.run(2000);
        }
        asked(&world) - before
    };
    let (calm, storm) = (asked(false), asked(true));
    assert!(storm <= calm + 4, "{calm} requests, after junk {storm}");
}

#[test]
fn every_fault_is_counted_and_few_are_reported_one_by_one() {
    let mut world = members(2, &config());
    let track = commits(&world);
    let epoch = world.agree(&[0, 1]);
    for i in 0..2000 {
        put(&mut world, &track, 1 << 40, 2 * i, &b"x"[..]);
    }
    assert_eq!(world.faults(0, Fault::WrongEpoch), 2000);
    let told = world.told(0).filter(|n| matches!(n, Notice::PeerFault { .. } | Notice::UnderAttack { .. }));
    assert!(told.count() < 20);
    world.tell(1, Command::Update);
    world.run(3000);
    assert_eq!(world.agree(&[0, 1]), epoch + 1);
}

/// Replayed and forged requests on a member's own track take no place of its next KeyPackage, and nobody out.
#[test]
fn forged_leave_requests_of_members_remove_nobody() {
    let mut world = members(3, &config());
    let epoch = world.agree(&[0, 1, 2]);
    let track = world.machine(0).tracks().key_package(&world.id(2));
    assert!(matches!(world.machine(0).tracks().classify(&track), Some(TrackKind::KeyPackage(_))));
    for i in 0..200 {
        let number = number_at(world.now().as_millis(), i);
        put(&mut world, &track, KEY_PACKAGE_GROUP, number, forged(PROPOSAL, epoch + i % 2, i, 16));
    }
    world.run(10_000);
    assert_eq!(world.agree(&[0, 1, 2]), epoch);
    // Another client still comes in, and a real request still counts.
    let mut other = engine("other");
    let number = number_at(world.now().as_millis(), 0);
    ask(&mut world, &mut other, number);
    world.run(5000);
    assert_eq!(world.machine(0).members().count(), 4);
    world.tell(2, Command::Leave);
    world.run(5000);
    assert_eq!(world.machine(2).phase(), Phase::Ended);
}
