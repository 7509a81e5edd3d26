//! Attacks on who is who: other names under a known key, keys that change, namesakes, and floods of questions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::attackers::{ask, commits, insider, members_by, pin_own, put};
use crate::support::engines::{TestEngine, engine, engine_with, key};
use crate::support::insider::Insider;
use crate::support::{Steps, World, admit, asking, config};
use moq_mls::engine::{Credential, Engine, Member};
use moq_mls::notice::{Hold, Notice, Refusal};
use moq_mls::tracks::SenderId;
use moq_mls::{Command, Config, JoinRequest, Phase};

/// One member, who is asked about everybody.
fn alone() -> World<TestEngine> {
    let mut world = World::new();
    world.enter(engine("m0"), asking());
    world.tell(0, Command::Join);
    world.run(1000);
    world
}

fn member(world: &World<TestEngine>, who: &SenderId) -> Option<Member> {
    world.machine(0).members().find(|m| m.sender == *who).cloned()
}

/// As whom participant 0 has a member.
fn name_of(world: &World<TestEngine>, who: &SenderId) -> Option<Credential> {
    member(world, who).map(|m| m.credential)
}

/// What participant 0 was asked, in order.
fn questions(world: &World<TestEngine>) -> Vec<(JoinRequest, Hold)> {
    let asked = |n: &Notice| match n {
        Notice::JoinRequested { request, reason: hold } => Some((request.clone(), hold.clone())),
        _ => None,
    };
    world.told(0).filter_map(asked).collect()
}

fn told(world: &World<TestEngine>, wanted: impl Fn(&Notice) -> bool) -> usize {
    world.told(0).filter(|n| wanted(n)).count()
}

/// The embedder is asked about "bob, a visitor", and another KeyPackage of that key is there when it says yes.
#[test]
fn who_the_embedder_saw_is_who_comes_in() {
    let mut world = alone();
    let key = key();
    let (mut bob, mut alice) = (engine_with(&key, "bob, a visitor"), engine_with(&key, "alice, the CEO"));
    let id = bob.sender_id().clone();
    ask(&mut world, &mut bob, 1);
    let seen = questions(&world).pop().unwrap().0;
    assert_eq!((seen.sender(), seen.credential()), (&id, &Credential::basic("bob, a visitor")));
    let of_bob = world.lying(&world.machine(0).tracks().key_package(&id)).len();
    assert_eq!((of_bob, seen.key_package_ref().map(|r| r.len())), (1, Some(32)));

    ask(&mut world, &mut alice, 2);
    world.tell(0, Command::Admit { request: seen, replacing: None });
    world.run(5000);
    assert_eq!(name_of(&world, &id), None, "the decision was for bob");
    // A KeyPackage that comes after the decision is asked about, too; also after bob is in.
    ask(&mut world, &mut alice, 3);
    world.run(5000);
    let (as_alice, hold) = questions(&world).pop().unwrap();
    assert_eq!(
        (as_alice.credential(), hold),
        (&Credential::basic("alice, the CEO"), Hold::OtherCredential { member: None })
    );
    ask(&mut world, &mut bob, 4);
    world.run(5000);
    assert_eq!(name_of(&world, &id), Some(Credential::basic("bob, a visitor")));
    ask(&mut world, &mut alice, 5);
    world.run(5000);
    assert_eq!(name_of(&world, &id), Some(Credential::basic("bob, a visitor")));
    let held = Hold::OtherCredential { member: Some(Credential::basic("bob, a visitor")) };
    let (as_alice, hold) = questions(&world).pop().unwrap();
    assert_eq!((as_alice.credential(), hold), (&Credential::basic("alice, the CEO"), held));

    // By the embedder's decision for that name: one has left, and another has joined.
    world.tell(0, Command::Admit { request: as_alice, replacing: None });
    world.run(5000);
    assert_eq!(name_of(&world, &id), Some(Credential::basic("alice, the CEO")));
    assert_eq!(told(&world, |n| matches!(n, Notice::MemberReplaced { .. })), 0);
    assert_eq!(told(&world, |n| *n == Notice::MemberLeft { sender: id.clone() }), 1);
    assert_eq!(
        told(&world, |n| matches!(n, Notice::MemberJoined { sender, credential, .. }
        if *sender == id && *credential == Credential::basic("alice, the CEO"))),
        1
    );
}

/// Where nobody is asked about, a key comes back under another name, and everybody hears who left and who came.
#[test]
fn another_name_under_a_members_key_is_reported_as_another_member() {
    let mut world = members_by(World::new(), 2, &config(), engine);
    let key = key();
    let (mut bob, mut boss) = (engine_with(&key, "bob"), engine_with(&key, "the boss"));
    let id = bob.sender_id().clone();
    ask(&mut world, &mut bob, 1);
    world.run(5000);
    ask(&mut world, &mut boss, 2);
    world.run(5000);
    let of_it: Vec<&Notice> = world
        .told(0)
        .filter(|n| match n {
            Notice::MemberJoined { sender, .. } | Notice::MemberLeft { sender } => *sender == id,
            Notice::MemberReplaced { new, .. } => *new == id,
            _ => false,
        })
        .collect();
    let joined = |name: &str| Notice::MemberJoined {
        sender: id.clone(),
        leaf_index: 2,
        credential: Credential::basic(name.to_owned()),
    };
    assert_eq!(of_it, [&joined("bob"), &Notice::MemberLeft { sender: id.clone() }, &joined("the boss")]);
    // Under its own name it comes back as what it was.
    ask(&mut world, &mut boss, 3);
    world.run(5000);
    assert_eq!(
        told(&world, |n| *n
            == Notice::MemberReplaced {
                old: id.clone(),
                new: id.clone(),
                leaf_index: 2,
                credential: Credential::basic("the boss")
            }),
        1
    );
}

/// A member with another library, and the world it is in.
fn with_insider(config: &Config) -> (World<TestEngine>, Insider) {
    let mut world = members_by(World::new(), 2, config, engine);
    let insider = insider(&mut world);
    (world, insider)
}

/// Old members, one that starts again, and a joiner know a member by the key that it has now.
#[test]
fn all_follow_a_member_that_takes_another_key() {
    let (mut world, mut insider) = with_insider(&config());
    let old = insider.id().clone();
    let commit = insider.take_another_key(world.now());
    let new = insider.id().clone();
    assert_ne!(old, new);
    let track = commits(&world);
    put(&mut world, &track, insider.epoch() - 1, 40, commit);
    world.run(10_000);
    for who in 0..2 {
        assert_eq!(world.machine(who).context_hash(), Some(insider.context_hash()));
        let changed = |n: &Notice| {
            matches!(n, Notice::MemberChanged { leaf_index: 2, old: o, new: n, credential }
            if *o == old && *n == new && *credential == Credential::basic("insider"))
        };
        assert_eq!(world.told(who).filter(|n| changed(n)).count(), 1);
    }
    let roster =
        |world: &World<_>, who: usize| world.machine(who).members().cloned().collect::<Vec<Member>>();
    assert!(member(&world, &old).is_none() && member(&world, &new).is_some());
    let joiner = world.enter(engine("joiner"), config());
    world.tell(joiner, Command::Join);
    world.run(10_000);
    assert_eq!(world.machine(joiner).phase(), Phase::Member);
    assert_eq!(roster(&world, 0), roster(&world, 1));
    assert_eq!(roster(&world, 0), roster(&world, joiner));

    // It can be distinguished from others, and removed, by that name.
    world.tell(joiner, Command::Remove(new.clone()));
    world.run(10_000);
    for who in [0, 1, joiner] {
        assert!(world.machine(who).members().all(|m| m.sender != new && m.sender != old));
    }
    world.agree(&[0, 1, joiner]);
}

/// A member that is to be removed does not get away by another key.
#[test]
fn another_key_does_not_save_a_member_from_its_removal() {
    let (mut world, mut insider) = with_insider(&config());
    let old = insider.id().clone();
    let key = insider.slot_key();
    let commit = insider.take_another_key(world.now());
    let new = insider.id().clone();
    let track = commits(&world);
    // Its commit is there first, and wins the slot.
    put(&mut world, &track, insider.epoch() - 1, 40, commit.clone());
    pin_own(&mut world, &insider, key, commit);
    world.tell(0, Command::Remove(old.clone()));
    world.run(20_000);
    assert!(world.heard(1, |n| matches!(n, Notice::MemberChanged { .. })), "its commit won");
    assert!(world.machine(0).members().all(|m| m.sender != new && m.sender != old));
    world.agree(&[0, 1]);
}

/// Two people of one name are two members: both are in, each commits, and each goes alone.
#[test]
fn two_people_of_one_name_are_two_members() {
    let mut world = members_by(World::new(), 2, &config(), engine);
    let both: Vec<usize> = (0..2).map(|_| world.enter(engine("sam"), config())).collect();
    both.iter().for_each(|who| world.tell(*who, Command::Join));
    world.run(10_000);
    world.agree(&[0, 1, both[0], both[1]]);
    let replaced = |n: &Notice| matches!(n, Notice::MemberReplaced { .. });
    assert!(!world.heard(0, replaced));
    // Each can make commits, too.
    for who in &both {
        world.tell(*who, Command::Update);
        world.run(5000);
    }
    world.tell(both[0], Command::Leave);
    world.run(10_000);
    world.agree(&[0, 1, both[1]]);
    assert!(!world.heard(0, replaced));
    let third = world.enter(engine("sam"), config());
    world.tell(third, Command::Join);
    world.run(10_000);
    world.agree(&[0, 1, both[1], third]);
}

/// A joiner that waits renews its KeyPackage every ten seconds. The embedder is asked once. It hears once that a client
/// which it refused still asks.
#[test]
fn one_who_waits_is_announced_once() {
    let mut world = alone();
    let joiner = world.enter(engine("joiner"), config());
    world.tell(joiner, Command::Join);
    world.run(600_000);
    let track = world.machine(0).tracks().key_package(&world.id(joiner));
    assert!(world.lying(&track).len() > 40);
    assert_eq!(questions(&world).len(), 1);
    let id = world.id(joiner);
    world.tell(0, Command::Refuse(id.clone()));
    world.run(600_000);
    let refused = Notice::Refused { sender: id.clone(), reason: Refusal::NotAdmitted };
    assert_eq!(told(&world, |n| *n == refused), 1);
    world.tell(0, admit(&id, "joiner"));
    world.run(20_000);
    world.agree(&[0, joiner]);
}

/// Who takes another's place takes it once: what it does later puts nobody out.
#[test]
fn nobody_takes_anothers_place_twice() {
    let mut world = alone();
    let (mut old, mut new) = (engine("old device"), engine("new device"));
    let (of_old, of_new) = (old.sender_id().clone(), new.sender_id().clone());
    world.tell(0, admit(&of_old, "old device"));
    ask(&mut world, &mut old, 1);
    world.run(5000);
    ask(&mut world, &mut new, 1);
    let request = questions(&world).pop().unwrap().0;
    world.tell(0, Command::Admit { request, replacing: Some(of_old.clone()) });
    world.run(5000);
    assert!(member(&world, &of_old).is_none() && member(&world, &of_new).is_some());
    world.tell(0, admit(&of_old, "old device"));
    ask(&mut world, &mut old, 2);
    world.run(5000);
    assert!(member(&world, &of_old).is_some(), "it is let in again");
    ask(&mut world, &mut new, 2);
    world.run(5000);
    assert!(member(&world, &of_old).is_some() && member(&world, &of_new).is_some());
}

/// Where there is no room for a crowd, the embedder hears of a few.
#[test]
fn a_crowd_for_which_there_is_no_room_is_no_flood_of_notices() {
    let mut config = config();
    config.limits.pending_joiners = 4;
    let mut world = members_by(World::new(), 1, &config, engine);
    for _ in 0..2 {
        for n in 0..60 {
            ask(&mut world, &mut engine(&format!("stranger {n}")), 1);
        }
        world.run(11_000);
    }
    assert_eq!(told(&world, |n| matches!(n, Notice::Refused { reason: Refusal::Full, .. })), 2 * 16);
}
