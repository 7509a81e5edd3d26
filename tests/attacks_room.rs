//! Floods of the waiting room and of what is remembered of senders: full is safe, and nobody stays out by it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::attackers::ask;
use crate::support::engines::{TestEngine, engine};
use crate::support::{Steps, World, admit, asking, config};
use moq_mls::engine::Engine;
use moq_mls::notice::{Hold, Notice, Refusal};
use moq_mls::tracks::SenderId;
use moq_mls::{Command, Config, Phase};

/// How many senders a participant of these tests remembers of each kind, or lets wait.
const FEW: usize = 16;

const DAY: u64 = 86_400_000;

/// A world of so many members, of which the first admitted the others.
fn world(members: usize, config: &Config) -> World<TestEngine> {
    let mut world = World::new();
    for i in 0..members {
        world.enter(engine(&format!("m{i}")), config.clone());
        world.tell(i, Command::Join);
        let sender = world.id(i);
        if i > 0 {
            world.tell(0, admit(&sender, &format!("m{i}")));
        }
        world.run(20_000);
    }
    world.agree(&(0..members).collect::<Vec<_>>());
    world
}

fn is_member(world: &World<TestEngine>, sender: &SenderId) -> bool {
    world.machine(0).members().any(|m| m.sender == *sender)
}

fn held(world: &World<TestEngine>, who: &SenderId, wanted: &Hold) -> bool {
    world.heard(
        0,
        |n| matches!(n, Notice::JoinRequested { request, reason: hold } if request.sender() == who && hold == wanted),
    )
}

/// A name, of which lower numbers come first.
fn nobody(n: usize) -> SenderId {
    SenderId::new(format!("{n:064x}")).unwrap()
}

#[test]
fn a_full_waiting_room_empties_itself() {
    let mut config = asking();
    config.limits.pending_joiners = 64;
    let mut world = world(2, &config);
    for i in 0..64 {
        ask(&mut world, &mut engine(&format!("nobody-{i}")), 0);
    }
    assert_eq!(world.machine(0).inside().waiting, 64);
    // By then all of these KeyPackages have expired.
    world.run(2 * DAY);
    assert_eq!((world.machine(0).inside().waiting, world.machine(0).stats().joiners_dropped), (0, 64));
    let joiner = world.enter(engine("joiner"), config);
    world.tell(joiner, Command::Join);
    let sender = world.id(joiner);
    for who in [0, 1] {
        world.tell(who, admit(&sender, "joiner"));
    }
    world.run(60_000);
    assert_eq!(world.machine(joiner).phase(), Phase::Member);
}

#[test]
fn an_admitted_joiner_gets_in_while_a_flood_goes_on() {
    let mut config = asking();
    config.limits.pending_joiners = FEW;
    let mut world = world(2, &config);
    let told = world.told(0).count();
    let mut flood = 0;
    let mut junk = |world: &mut World<TestEngine>, many: usize| {
        for _ in 0..many {
            ask(world, &mut engine(&format!("nobody-{flood}")), 0);
            flood += 1;
        }
    };
    junk(&mut world, 2 * FEW);
    let joiner = world.enter(engine("joiner"), config.clone());
    let sender = world.id(joiner);
    for who in [0, 1] {
        world.tell(who, admit(&sender, "joiner"));
    }
    world.tell(joiner, Command::Join);
    junk(&mut world, 2 * FEW);
    world.run(60_000);
    assert_eq!(world.machine(joiner).phase(), Phase::Member);
    // Asked about once each; that others had to make room is only counted.
    let notices: Vec<&Notice> = world.told(0).skip(told).collect();
    let asked = notices.iter().filter(|n| matches!(n, Notice::JoinRequested { .. })).count();
    let full = notices.iter().filter(|n| matches!(n, Notice::Refused { reason: Refusal::Full, .. })).count();
    assert_eq!((asked, full), (4 * FEW, 0));
    // One for the joiner, whose place is free again.
    let inside = (world.machine(0).stats().joiners_dropped as usize, world.machine(0).inside().waiting);
    assert_eq!(inside, (3 * FEW + 1, FEW - 1));
}

/// A group that put a member out after it had barred so many others, and that member's engine.
fn without_the_insider(earlier: usize) -> (World<TestEngine>, TestEngine) {
    let mut config = config();
    config.limits.remembered_senders = FEW;
    let mut world = world(2, &config);
    let mut insider = engine("insider");
    let id = insider.sender_id().clone();
    ask(&mut world, &mut insider, 0);
    world.run(5000);
    assert!(is_member(&world, &id));
    for n in 0..earlier {
        for who in [0, 1] {
            world.tell(who, Command::Remove(nobody(n)));
        }
    }
    world.tell(0, Command::Remove(id.clone()));
    world.run(5000);
    assert!(!is_member(&world, &id));
    (world, insider)
}

#[test]
fn a_full_list_of_the_barred_lets_nobody_back_in() {
    for earlier in [0, FEW, 3 * FEW] {
        let (mut world, mut insider) = without_the_insider(earlier);
        let id = insider.sender_id().clone();
        ask(&mut world, &mut insider, 1);
        world.run(5000);
        assert!(!is_member(&world, &id), "after {earlier} others");
        assert!(held(&world, &id, &Hold::Barred), "the newest is not the one that is forgotten");
    }
}

#[test]
fn a_sender_forgotten_as_barred_or_refused_is_held_like_every_stranger() {
    for turn_away in [false, true] {
        let mut config = config();
        config.limits.remembered_senders = FEW;
        let mut world = world(1, &config);
        let mut unwanted = engine("unwanted");
        let id = unwanted.sender_id().clone();
        let word = |sender| if turn_away { Command::Refuse(sender) } else { Command::Remove(sender) };
        world.tell(0, word(id.clone()));
        for n in 0..FEW - 1 {
            world.tell(0, word(nobody(n)));
        }
        let mut early = engine("early");
        ask(&mut world, &mut early, 0);
        world.run(5000);
        assert!(is_member(&world, early.sender_id()), "nobody is forgotten yet");
        world.tell(0, word(nobody(FEW)));
        ask(&mut world, &mut unwanted, 1);
        let mut late = engine("late");
        ask(&mut world, &mut late, 0);
        world.run(5000);
        for stranger in [&id, late.sender_id()] {
            assert!(!is_member(&world, stranger), "refused: {turn_away}");
            assert!(held(&world, stranger, &Hold::MaybeBarred), "refused: {turn_away}");
        }
        world.tell(0, admit(late.sender_id(), "late"));
        world.run(5000);
        assert!(is_member(&world, late.sender_id()), "the embedder's decision lets it in");
    }
}

#[test]
fn a_sender_forgotten_as_admitted_is_asked_about_again() {
    let mut config = asking();
    config.limits.remembered_senders = FEW;
    let mut world = world(1, &config);
    let (mut first, mut last) = (engine("first"), engine("last"));
    let words = std::iter::once((first.sender_id().clone(), "first"))
        .chain((0..FEW - 1).map(|n| (nobody(n), "nobody")))
        .chain([(last.sender_id().clone(), "last")]);
    for (sender, name) in words.collect::<Vec<_>>() {
        world.tell(0, admit(&sender, name));
    }
    for engine in [&mut first, &mut last] {
        ask(&mut world, engine, 0);
    }
    world.run(5000);
    assert!(held(&world, first.sender_id(), &Hold::Policy) && !is_member(&world, first.sender_id()));
    assert!(is_member(&world, last.sender_id()), "the newest decision is not the one that is forgotten");
}
