//! Many join at once: how long the commit waits for more, in which order they get in, and who asks whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support;
use crate::support::engines::engine;
use crate::support::{Steps, World, admit, asking, config};
use bytes::Bytes;
use moq_mls::action::{Action, Timer};
use moq_mls::codec::pinned::ReceiptObject;
use moq_mls::counter::service::ServiceCrypto;
use moq_mls::counter::{LockReply, Pin, receipt_message};
use moq_mls::engine::{ContextParams, Engine};
use moq_mls::notice::{Fault, Hold, Notice, Refusal};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicReceipts};
use moq_mls::tracks::{GroupName, GroupTracks, KEY_PACKAGE_GROUP, Location, SenderId};
use moq_mls::{Command, Config, Event, Limits, Object, Participant, Phase, Timestamp};

fn world(members: usize, config: &Config) -> World<SymbolicEngine> {
    let mut world = World::new();
    for i in 0..members {
        let who = world.enter(SymbolicEngine::new(&format!("m{i:03}")).unwrap(), config.clone());
        world.tell(who, Command::Join);
        world.run(1000);
    }
    world
}

fn join(world: &mut World<SymbolicEngine>, name: &str, config: &Config) -> usize {
    let who = world.enter(SymbolicEngine::new(name).unwrap(), config.clone());
    world.tell(who, Command::Join);
    who
}

#[test]
fn a_lone_joiner_waits_one_batch_time() {
    let mut world = world(1, &config());
    let who = join(&mut world, "lone", &config());
    let batch = u64::try_from(config().timers.batch.as_millis()).unwrap();
    world.run(batch - 1);
    assert_eq!(world.machine(who).epoch(), None);
    world.run(2);
    assert_eq!(world.machine(who).epoch(), Some(1));
}

#[test]
fn a_crowd_that_keeps_coming_is_few_commits() {
    let mut world = world(1, &config());
    for i in 0..200 {
        join(&mut world, &format!("c{i:03}"), &config());
        world.run(30);
    }
    world.run(2000);
    let all: Vec<usize> = (0..=200).collect();
    let epochs = world.agree(&all);
    assert!((2..=3).contains(&epochs), "6 s of a crowd in {epochs} commits");
}

#[test]
fn a_removal_does_not_wait_for_a_crowd() {
    let mut world = world(2, &config());
    let (before, gone) = (world.machine(0).epoch().unwrap(), world.id(1));
    world.tell(0, Command::Remove(gone));
    for i in 0..20 {
        join(&mut world, &format!("c{i}"), &config());
        world.run(30);
    }
    assert!(world.machine(0).epoch().unwrap() > before, "600 ms of a crowd and no removal");
    assert!(world.heard(1, |n| matches!(n, Notice::Removed { .. })));
}

#[test]
fn who_came_first_gets_in_first() {
    let mut capped = config();
    capped.params.tree_objects = false;
    capped.limits.adds_per_commit = 2;
    let mut world = world(1, &capped);
    // Later ones have names that sort first, and keep coming; still nobody starves.
    let order: Vec<usize> = (0..8).map(|i| join(&mut world, &format!("z{}", 9 - i), &capped)).collect();
    world.run(20_000);
    let leaf_of = |who: usize| {
        let id = world.id(who);
        world.machine(0).members().find(|m| m.sender == id).unwrap().leaf_index
    };
    let leaves: Vec<u32> = order.iter().map(|who| leaf_of(*who)).collect();
    assert!(leaves.is_sorted(), "in the order they came: {leaves:?}");
    assert!(world.machine(0).epoch().unwrap() >= 4, "two at a time");
}

#[test]
fn a_joiner_with_a_receipt_asks_nobody() {
    let mut world = World::new();
    let mut config = config();
    config.params.service_key = Some(world.sign_receipts());
    for i in 0..6 {
        world.enter(engine(&format!("m{i}")), config.clone());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    for who in 1..6 {
        world.tell(who, Command::Join);
    }
    world.run(3000);
    assert_eq!(world.agree(&[0, 1, 2, 3, 4, 5]), 1);
    // One request of each to learn that the group is there, none for the pin, and one audit after all that.
    let asked = (1..6).map(|who| world.machine(who).stats().lock_requests).sum::<u64>();
    assert!(asked <= 5 + 1, "{asked}");
    assert!((1..6).all(|who| world.machine(who).stats().receipts_used == 1));
    // In a group with receipts an epoch costs the committer's increment, and nobody else anything.
    let asked = |world: &World<_>| -> u64 {
        (0..6)
            .map(|who| world.machine(who).stats())
            .map(|s: &moq_mls::Stats| s.lock_requests + s.increment_requests)
            .sum()
    };
    let before = asked(&world);
    world.tell(2, Command::Update);
    world.run(2000);
    assert_eq!(world.agree(&[0, 1, 2, 3, 4, 5]), 2);
    assert_eq!(asked(&world) - before, 1);
}

const FLOOD: usize = 500;

/// KeyPackages of `FLOOD` senders that nobody has heard of, each good in itself.
fn flood(tracks: &GroupTracks, now: Timestamp) -> Vec<Object> {
    let object = |i: usize| {
        let mut engine = SymbolicEngine::new(&format!("flood-{i:03}")).unwrap();
        let key = engine.generate_key_package(now, tracks.group(), 1).unwrap();
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: 1 };
        Object { track: tracks.key_package(engine.sender_id()), location, payload: key.message }
    };
    (0..FLOOD).map(object).collect()
}

/// How many wait, how many had to make room, and the snapshot's length when a member was flooded. The embedder
/// has to admit each, so nobody leaves the room.
fn flooded(limits: Limits) -> (usize, usize, usize) {
    let mut asked = asking();
    asked.limits = limits;
    let mut world = world(1, &asked);
    let now = world.now();
    for object in flood(world.machine(0).tracks(), now) {
        world.give(0, Event::Object(object));
    }
    let member = world.machine(0);
    let full = |n: &&Notice| matches!(n, Notice::Refused { reason: Refusal::Full, .. });
    let requests = world.told(0).filter(|n| matches!(n, Notice::JoinRequested { .. })).count();
    assert_eq!((requests, world.told(0).filter(full).count()), (FLOOD, 0), "each was asked about, once");
    let dropped = usize::try_from(member.stats().joiners_dropped).unwrap();
    (member.inside().waiting, dropped, member.snapshot().unwrap().len())
}

#[test]
fn a_flood_of_key_packages_stays_within_the_limits() {
    let (waiting, dropped, unbounded) = flooded(config().limits);
    assert_eq!((waiting, dropped), (FLOOD, 0), "the flood is nothing in itself");

    let mut few = config().limits;
    few.pending_joiners = 10;
    assert_eq!(flooded(few.clone()).0, 10);
    assert_eq!(flooded(few).1, FLOOD - 10);

    let len =
        flood(&GroupTracks::new(support::group(), config().params.commit_tracks), Timestamp::from_secs(0))[0]
            .payload
            .len();
    let mut small = config().limits;
    small.pending_joiner_bytes = 10 * len + len / 2;
    let (waiting, dropped, _) = flooded(small);
    assert_eq!((waiting, dropped), (10, FLOOD - 10));

    // What is remembered of senders, and so made durable at every epoch, is bounded too.
    let mut forgetful = config().limits;
    forgetful.remembered_senders = 10;
    let (_, _, bounded) = flooded(forgetful);
    assert!(unbounded - bounded > (FLOOD - 11) * 10, "{bounded} of {unbounded} bytes");
}

#[test]
fn a_joiner_that_had_to_make_room_comes_in_once_the_embedder_admits_it() {
    let mut tight = asking();
    tight.limits.pending_joiners = 1;
    let mut world = world(1, &tight);
    let (first, second) = (join(&mut world, "first", &config()), join(&mut world, "second", &config()));
    assert_eq!((world.machine(0).inside().waiting, world.machine(0).stats().joiners_dropped), (1, 1));
    for (who, name) in [(first, "first"), (second, "second")] {
        let sender = world.id(who);
        world.tell(0, admit(&sender, name));
    }
    world.run(30_000);
    world.agree(&[0, first, second]);
}

#[test]
fn a_quiet_group_waits_for_no_turn_and_a_full_one_asks_for_no_lock() {
    let mut small = config();
    small.limits.roster = 2;
    let mut world = world(2, &small);
    world.run(2000);
    assert!((0..2).all(|who| !world.machine(who).armed().contains(&Timer::Turn)));
    let asked = |world: &World<SymbolicEngine>| [0, 1].map(|who| world.machine(who).stats().lock_requests);
    let before = asked(&world);
    let third = join(&mut world, "third", &config());
    world.run(5000);
    assert_eq!(asked(&world), before, "there is nobody who could be let in");
    let sender = world.id(1);
    world.tell(0, Command::Remove(sender));
    world.run(5000);
    world.agree(&[0, third]);
}

/// How many KeyPackages one keeps that does not know yet whether it creates the group.
fn kept_early(limits: Limits) -> u64 {
    let now = Timestamp::from_secs(1_700_000_000);
    let mut early = config();
    early.limits = limits;
    let mut machine = Participant::new(SymbolicEngine::new("early").unwrap(), early, now).unwrap();
    machine.handle(now, Command::Join).unwrap();
    assert_eq!(machine.phase(), Phase::Bootstrapping);
    for object in flood(machine.tracks(), now) {
        machine.handle(now, Event::Object(object)).unwrap();
    }
    FLOOD as u64 - machine.stats().faults.get(&Fault::TooMany).copied().unwrap_or(0)
}

#[test]
fn a_flood_before_the_group_is_there_is_bounded_in_number_and_in_bytes() {
    assert_eq!(kept_early(config().limits), FLOOD as u64);
    let mut few = config().limits;
    few.pending_joiners = 10;
    assert_eq!(kept_early(few), 10);
    let len =
        flood(&GroupTracks::new(support::group(), config().params.commit_tracks), Timestamp::from_secs(0))[0]
            .payload
            .len();
    let mut small = config().limits;
    small.pending_joiner_bytes = 10 * len;
    assert_eq!(kept_early(small), 10);
}

#[test]
fn namesakes_are_found_whichever_of_them_joins_and_leaves() {
    let asking = asking();
    let mut world = world(1, &asking);
    let devices: Vec<usize> = (0..3)
        .map(|i| {
            let engine = SymbolicEngine::new(&format!("device-{i}")).unwrap().of("somebody");
            let device = world.enter(engine, asking.clone());
            world.tell(device, Command::Join);
            device
        })
        .collect();
    let ids: Vec<SenderId> = devices.iter().map(|who| world.id(*who)).collect();
    let asked = |world: &World<SymbolicEngine>, who: &SenderId, wanted: &Hold| {
        world.heard(0, |n| {
            matches!(n, Notice::JoinRequested { request, reason: hold } if request.sender() == who && hold == wanted)
        })
    };
    assert!(ids.iter().all(|id| asked(&world, id, &Hold::Policy)));
    // Of those that are let in, the others are namesakes, and are held as what they are.
    world.tell(0, admit(&ids[0], "somebody"));
    world.run(15_000);
    let namesake = Hold::SameIdentity { member: ids[0].clone() };
    assert!(ids[1..].iter().all(|id| asked(&world, id, &namesake)));
    // Let in, they are members beside it, of whom each may go.
    world.tell(0, admit(&ids[1], "somebody"));
    world.run(15_000);
    world.agree(&[0, devices[0], devices[1]]);
    world.tell(0, Command::Gone(ids[0].clone()));
    world.run(15_000);
    world.agree(&[0, devices[1]]);
    assert!(asked(&world, &ids[2], &Hold::SameIdentity { member: ids[1].clone() }));
}

const KEY: &str = "a key";

/// A newcomer that finds another holding the lock of slot 0, and may see `sign` on the Commit track, at an
/// object id, before that answer or after: where it is then, and how often it asks again when its wait is over.
/// `signed` says whether it has a key of the service.
fn after_a_conflict(sign: Option<(u64, Bytes)>, before: bool, signed: bool) -> (Phase, usize) {
    let now = Timestamp::from_secs(1_700_000_000);
    let mut config = config();
    config.params.service_key = signed.then(|| KEY.into());
    let mut machine = Participant::new(SymbolicEngine::new("newcomer").unwrap(), config, now).unwrap();
    machine.handle(now, Command::Join).unwrap();
    let lock = |action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    };
    let asked: Vec<_> = machine.actions().filter_map(lock).collect();
    assert_eq!(asked.len(), 1);
    let track = machine.tracks().commit(machine.sender_id());
    let place = |object| Location { group_id: 0, object_id: object };
    let sign = sign.map(|(id, payload)| Object { track, location: place(id), payload });
    if let Some(object) = sign.clone().filter(|_| before) {
        machine.handle(now, Event::Object(object)).unwrap();
        assert_eq!(machine.phase(), Phase::Bootstrapping, "it asked, and the answer is on its way");
    }
    let conflict = LockReply::Conflict { retry_later: Duration::from_millis(500) };
    machine.handle(now, Event::LockReply { id: asked[0], reply: Ok(conflict) }).unwrap();
    if let Some(object) = sign.filter(|_| !before) {
        machine.handle(now, Event::Object(object)).unwrap();
    }
    let phase = machine.phase();
    // A joiner looks again as well, much later.
    machine.handle(now.after(Duration::from_secs(1)), Event::Timer).unwrap();
    (phase, machine.actions().filter_map(lock).count())
}

#[test]
fn who_has_seen_a_commit_does_not_ask_whether_the_group_is_there() {
    let now = Timestamp::from_secs(1_700_000_000);
    let commit_to = |name: GroupName| {
        let mut engine = SymbolicEngine::new("creator").unwrap();
        let group = engine.create(now, &name, &ContextParams::default(), 0).unwrap();
        engine.create_commit(&group, now, &[], &[]).unwrap().unwrap().commit
    };
    let ours = commit_to(config().group);
    let (pin, group) = (Pin::new([1; 32], [2; 32], [3; 32]), config().group);
    let receipt_of = |slot, key: &str| {
        let receipt = SymbolicReceipts(key.to_owned().into()).sign(&receipt_message(&group, slot, &pin));
        ReceiptObject { pin, receipt: receipt.unwrap() }.encode()
    };
    let (asks, joins) = ((Phase::Bootstrapping, 1), (Phase::Joining, 0));
    for before in [true, false] {
        let after = |id, payload: Bytes| after_a_conflict(Some((id, payload)), before, false);
        assert_eq!(after(0, ours.clone()), joins);
        assert_eq!(after(1 << 40, ours.clone()), joins, "whatever its object id");
        // What is no commit of this group, or is where no commit belongs, must not keep it from being created.
        assert_eq!(after(0, "junk".into()), asks);
        assert_eq!(after(0, commit_to("another".try_into().unwrap())), asks);
        assert_eq!(after(1, ours.clone()), asks);
        assert_eq!(after(1, receipt_of(1, KEY)), asks, "nobody can verify it");
        // Where the service signs, only its statement counts: anybody can make up a commit.
        let after = |id, payload: Bytes| after_a_conflict(Some((id, payload)), before, true);
        assert_eq!(after(1, receipt_of(1, KEY)), joins);
        assert_eq!(after(1, receipt_of(2, KEY)), asks, "of another slot");
        assert_eq!(after(1, receipt_of(1, "another key")), asks);
        assert_eq!(after(0, receipt_of(1, KEY)), asks);
        assert_eq!(after(0, ours.clone()), asks);
    }
    assert_eq!(after_a_conflict(None, true, true), asks);
}
