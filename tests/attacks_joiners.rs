//! Attacks on joiners by an outsider without any credential, who can publish on the relay. Nobody who asks to come in
//! is forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support;
use crate::support::attackers::{
    OtherGroup, PROPOSAL, forged, members, members_by, newest, next_slot, number_at, pinned, put, read,
    unpinned,
};
use crate::support::engines::{TestEngine, basic_client, engine, engine_of};
use crate::support::insider::Insider;
use crate::support::{Steps, World, config, group};
use bytes::Bytes;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::ContextParams;
use moq_mls::notice::{Fault, Notice};
use moq_mls::testing::rng::Rng;
use moq_mls::tracks::{FullTrackName, GroupName, KEY_PACKAGE_GROUP, Location};
use moq_mls::{Command, Config, Event, Object, Phase, SafetyMode};

/// Two members, and the victim, who has not begun.
const VICTIM: usize = 2;

fn world(config: &Config) -> World<TestEngine> {
    let mut world = members(2, config);
    world.enter(engine("victim"), config.clone());
    world
}

/// As [`world`], with everything up to so many milliseconds on its way.
fn slow_world(config: &Config) -> World<TestEngine> {
    let mut world = members_by(World::late(60, 5), 2, config, engine);
    world.enter(engine("victim"), config.clone());
    world
}

fn welcomes(world: &World<TestEngine>) -> FullTrackName {
    world.machine(0).tracks().welcome(&world.id(VICTIM))
}

fn key_packages(world: &World<TestEngine>) -> FullTrackName {
    world.machine(0).tracks().key_package(&world.id(VICTIM))
}

fn asked(world: &World<TestEngine>) -> Bytes {
    newest(world, &key_packages(world)).1
}

fn params(world: &World<TestEngine>) -> ContextParams {
    world.machine(0).params()
}

/// How many seconds it takes until the victim is a member with the others; it goes on for so long at most.
fn comes_in(world: &mut World<TestEngine>, most: u64) -> u64 {
    for second in 0..most {
        if world.machine(VICTIM).phase() == Phase::Member {
            world.run(2000);
            world.agree(&[0, 1, VICTIM]);
            return second;
        }
        world.run(1000);
    }
    panic!("after {most} s the victim is {:?}", world.machine(VICTIM).phase());
}

#[test]
fn a_forged_welcome_with_other_parameters_does_not_stop_a_joiner() {
    let mut world = world(&config());
    world.tell(VICTIM, Command::Join);
    let mut wrong = params(&world);
    wrong.mode = SafetyMode::Advisory;
    let mut other = OtherGroup::found(&world, &wrong);
    other.pass(&world, 2);
    let track = welcomes(&world);
    // To an epoch that is pinned and to one that is not yet, with the real pin as anybody reads it.
    for (slot, place) in [(1, 0), (3, 1)] {
        let (_, welcome) = other.welcome(&world, &asked(&world));
        let payload = pinned(&world, slot, welcome);
        put(&mut world, &track, 900, place, payload);
    }
    let old = OtherGroup::found(&world, &wrong).welcome(&world, &asked(&world)).1;
    let payload = pinned(&world, 1, old);
    put(&mut world, &track, 900, 2, payload);
    assert!(comes_in(&mut world, 60) < 5);
    assert!(
        !world.heard(VICTIM, |n| matches!(n, Notice::ParamsMismatch { .. })),
        "what anybody makes up is not reported"
    );
}

#[test]
fn a_forged_welcome_to_a_later_epoch_does_not_hide_the_real_one() {
    let mut world = world(&config());
    world.tell(VICTIM, Command::Join);
    let mut other = OtherGroup::found(&world, &params(&world));
    other.pass(&world, 50);
    let (epoch, welcome) = other.welcome(&world, &asked(&world));
    let (track, payload) = (welcomes(&world), pinned(&world, 1, welcome));
    put(&mut world, &track, epoch, 0, payload);
    assert!(comes_in(&mut world, 60) < 5);
}

/// A Welcome for each of forty epochs, those that the counter has reached among them, before the real one and after
/// it, and again with each KeyPackage.
#[test]
fn a_flood_of_forged_welcomes_leaves_room_for_the_real_one() {
    for slow in [false, true] {
        let config = config();
        let mut world = if slow { slow_world(&config) } else { world(&config) };
        world.tell(VICTIM, Command::Join);
        world.run(if slow { 100 } else { 0 });
        let track = welcomes(&world);
        let (mut answered, mut place, mut seconds) = (Bytes::new(), 0, 0);
        while world.machine(VICTIM).phase() != Phase::Member {
            let ask = asked(&world);
            if ask != answered {
                answered = ask;
                let mut other = OtherGroup::found(&world, &params(&world));
                for round in 0..40 {
                    let (epoch, welcome) = other.welcome(&world, &answered);
                    other.pass(&world, 1);
                    let payload = pinned(&world, epoch, welcome);
                    put(&mut world, &track, epoch, place, payload);
                    place += 1;
                    if round % 8 == 0 {
                        world.run(20);
                    }
                }
            }
            world.run(100);
            seconds += 1;
            assert!(seconds < 600, "slow: {slow}; after a minute it is {:?}", world.machine(VICTIM).phase());
        }
        world.run(3000);
        world.agree(&[0, 1, VICTIM]);
    }
}

#[test]
fn eight_forged_welcomes_do_not_fill_the_room() {
    let mut world = world(&config());
    world.tell(VICTIM, Command::Join);
    let (track, ask) = (welcomes(&world), asked(&world));
    let next = next_slot(&world);
    for i in 0..8 {
        let mut other = OtherGroup::found(&world, &params(&world));
        other.pass(&world, next - 1);
        let (epoch, welcome) = other.welcome(&world, &ask);
        assert_eq!(epoch, next, "the very epoch that it will be let in at");
        let payload = pinned(&world, epoch, welcome);
        put(&mut world, &track, epoch, i, payload);
    }
    assert!(comes_in(&mut world, 60) < 5);
    assert_eq!(world.faults(VICTIM, Fault::NotPinned), 8);
}

#[test]
fn a_forged_leave_request_does_not_withdraw_a_key_package() {
    let mut world = world(&config());
    world.tell(VICTIM, Command::Join);
    let track = key_packages(&world);
    let (at, _) = newest(&world, &track);
    let epoch = world.machine(0).epoch().unwrap();
    for i in 0..64 {
        let request = forged(PROPOSAL, (epoch + i % 4).saturating_sub(1), i, 16);
        put(&mut world, &track, KEY_PACKAGE_GROUP, at.object_id + 1 + i, request);
    }
    assert!(comes_in(&mut world, 60) < 3);
    assert_eq!(world.machine(VICTIM).stats().key_packages, 1);
}

/// The draft's places and many at random, of so many groups of a track.
fn squat(world: &mut World<TestEngine>, track: &FullTrackName, groups: u64) {
    let mut rng = Rng::new(11);
    for group in 0..groups {
        for place in [0, 1, 2, 3, rng.next_u64() >> 2, rng.next_u64() >> 2] {
            put(world, track, group, place, &b"x"[..]);
        }
    }
}

#[test]
fn squatting_the_places_of_welcomes_keeps_nobody_out() {
    let mut world = world(&config());
    let track = welcomes(&world);
    squat(&mut world, &track, 1000);
    world.tell(VICTIM, Command::Join);
    assert!(comes_in(&mut world, 60) < 3);
}

#[test]
fn squatting_the_places_of_trees_keeps_nobody_out() {
    let mut config = config();
    config.tree_threshold = 2;
    let mut world = world(&config);
    for who in 0..2 {
        let track = world.machine(0).tracks().tree(&world.id(who));
        squat(&mut world, &track, 1000);
    }
    world.tell(VICTIM, Command::Join);
    assert!(comes_in(&mut world, 60) < 3);
    assert_eq!(world.faults(VICTIM, Fault::WrongTree), 0);
}

#[test]
fn squatting_the_places_of_key_packages_keeps_nobody_out() {
    let mut world = world(&config());
    let track = key_packages(&world);
    // The draft's, and all that the victim can draw in the very millisecond in which it asks.
    let now = world.now().as_millis();
    for place in (0..1000).chain((0..1 << 16).map(|low| number_at(now, low))) {
        world.publish(&Object {
            track: track.clone(),
            location: Location { group_id: KEY_PACKAGE_GROUP, object_id: place },
            payload: Bytes::from_static(b"x"),
        });
    }
    world.settle();
    world.tell(VICTIM, Command::Join);
    // The first one is lost; the next is elsewhere.
    assert!(comes_in(&mut world, 60) < 15);
    assert_eq!(world.machine(VICTIM).stats().key_packages, 2);
}

/// Numbers of the next seconds and hours are taken too, at random: they keep out nobody either.
#[test]
fn junk_at_numbers_to_come_silences_nobody() {
    let mut world = world(&config());
    let (track, now) = (key_packages(&world), world.now().as_millis());
    let mut rng = Rng::new(3);
    for ahead in [0, 1000, 60_000, 3_600_000, 23 * 3_600_000, 25 * 3_600_000, 1 << 40] {
        for _ in 0..100 {
            let number = number_at(now + ahead + rng.below(1000), rng.below(1 << 16));
            put(&mut world, &track, KEY_PACKAGE_GROUP, number & ((1 << 62) - 1), &b"x"[..]);
        }
    }
    world.tell(VICTIM, Command::Join);
    assert!(comes_in(&mut world, 60) < 3);
}

/// One person's key in two groups, or in one run after the other.
struct Person {
    client: mls_rs::Client<support::engines::BasicConfig<RustCryptoProvider>>,
}

impl Person {
    fn new(name: &str) -> Self {
        Self { client: basic_client(name, RustCryptoProvider::default()) }
    }

    fn engine(&self) -> TestEngine {
        engine_of(&self.client)
    }
}

#[test]
fn a_key_package_for_another_group_admits_nobody_and_keeps_nobody_out() {
    let mut world = members(2, &config());
    let person = Person::new("victim");
    let elsewhere = Config::new(GroupName::try_from("room-2").unwrap());
    let other = world.enter(person.engine(), elsewhere);
    world.tell(other, Command::Join);
    world.run(5000);
    let theirs = world.machine(other).tracks().key_package(&world.id(other));
    let ours = world.machine(0).tracks().key_package(&world.id(other));
    let (at, asked) = newest(&world, &theirs);
    put(&mut world, &ours, KEY_PACKAGE_GROUP, at.object_id, asked.clone());
    put(&mut world, &ours, KEY_PACKAGE_GROUP, at.object_id + (60_000 << 16), asked);
    world.run(5000);
    assert_eq!(world.machine(0).members().count(), 2, "a member without having asked");
    assert!(world.faults(0, Fault::WrongGroup) > 0);
    // It comes on its own, and is in at once.
    let victim = world.enter(person.engine(), config());
    world.tell(victim, Command::Join);
    world.run(3000);
    world.agree(&[0, 1, victim]);
}

#[test]
fn who_lost_its_state_again_and_again_is_back_at_once() {
    let mut world = members(2, &config());
    let person = Person::new("victim");
    for life in 0..5 {
        let victim = world.enter(person.engine(), config());
        // What it published in its earlier runs is shown to the members again.
        let track = world.machine(0).tracks().key_package(&world.id(victim));
        world.tell(victim, Command::Join);
        let mut seconds = 0;
        while world.machine(victim).phase() != Phase::Member {
            world.run(1000);
            seconds += 1;
            assert!(seconds < 5, "life {life}: {:?}", world.machine(victim).phase());
        }
        let asked = world.machine(victim).stats().key_packages;
        assert_eq!(asked, 1, "life {life}");
        let before = world.machine(0).epoch();
        for (at, payload) in world.lying(&track).clone() {
            for who in [0, 1] {
                let object = Object { track: track.clone(), location: at, payload: payload.clone() };
                world.give(who, Event::Object(object));
            }
        }
        world.run(2000);
        assert_eq!(world.machine(0).epoch(), before, "a replay moves nobody");
        if life % 2 == 0 {
            world.tell(victim, Command::Leave);
            world.run(3000);
            assert_eq!(world.machine(victim).phase(), Phase::Ended);
        } else {
            world.crash(victim);
        }
    }
}

/// A member came by a KeyPackage with a number of tomorrow and is out again: what looks spent by its age, to those who
/// saw it and to those who join later, costs a newcomer one KeyPackage and no more.
#[test]
fn who_came_from_the_future_and_left_keeps_nobody_out() {
    let mut world = members(2, &config());
    let insider = Insider::new("insider");
    let number = number_at(world.now().as_millis() + 23 * 3_600_000, 7);
    let message = insider.key_package(world.now(), &group(), number);
    let track = world.machine(0).tracks().key_package(insider.id());
    put(&mut world, &track, KEY_PACKAGE_GROUP, number, message);
    world.run(5000);
    assert_eq!(world.machine(0).members().count(), 3);
    world.tell(0, Command::Remove(insider.id().clone()));
    world.run(5000);
    let newcomer = |world: &mut World<TestEngine>, name: &str| {
        let who = world.enter(engine(name), config());
        world.tell(who, Command::Join);
        let seconds = (0..20).take_while(|_| {
            world.run(1000);
            world.machine(who).phase() != Phase::Member
        });
        println!("figure in_after_a_number_of_tomorrow {} s", seconds.count());
        who
    };
    let late = newcomer(&mut world, "late");
    world.agree(&[0, 1, late]);
    // It has heard of it by its Welcome only.
    for who in [0, 1] {
        world.tell(who, Command::Leave);
        world.run(5000);
    }
    world.agree(&[late]);
    let victim = newcomer(&mut world, "victim");
    world.agree(&[late, victim]);
}

/// A real Welcome leads nowhere when it is shown again long after its epoch, or to another client.
#[test]
fn replayed_welcomes_lead_nowhere() {
    let mut world = world(&config());
    world.tell(VICTIM, Command::Join);
    comes_in(&mut world, 60);
    let track = welcomes(&world);
    let (at, payload) = newest(&world, &track);
    let slot = at.group_id;
    assert_eq!(read(&world, slot).pin, world.machine(0).pin().copied());
    for i in 0..3 {
        world.tell(0, Command::Update);
        world.run(3000);
        put(&mut world, &track, slot + i, 5 + i, payload.clone());
        let again = pinned(&world, next_slot(&world) - 1, unpinned(&payload));
        put(&mut world, &track, slot + i, 500 + i, again);
    }
    let late = world.enter(engine("late"), config());
    world.tell(late, Command::Join);
    let other = world.machine(0).tracks().welcome(&world.id(late));
    put(&mut world, &other, slot, 1, payload);
    world.run(5000);
    world.agree(&[0, 1, VICTIM, late]);
    assert_eq!(world.machine(VICTIM).stats().rejoins, 0);
}
