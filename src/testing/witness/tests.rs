//! What the witness must not overlook.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::engine::{ContextParams, Engine};
use crate::testing::symbolic::{SymbolicEngine, SymbolicGroup};
use crate::testing::world::{ByValue, World};
use crate::tracks::{GroupName, Location};
use crate::{Command, Config};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

#[test]
fn two_members_with_one_context_and_different_keys_do_not_agree() {
    let room = GroupName::try_from("room").unwrap();
    let (mut a, mut b) = (SymbolicEngine::new("a").unwrap(), SymbolicEngine::new("b").unwrap());
    let alone = a.create(NOW, &room, &ContextParams::default(), 0).unwrap();
    let key = b.generate_key_package(NOW, &room, 0).unwrap();
    let built = a.create_commit(&alone, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let (_, welcome) = built.welcomes.first().unwrap();
    let forged = a.forge_welcome(welcome, [7; 32]).unwrap().unwrap();
    for (welcome, broken) in [(welcome, false), (&forged, true)] {
        let joined = b.join(NOW, welcome, &key, None).unwrap().unwrap();
        let mut witness = Witness::default();
        let mut look = |who: usize, engine: &SymbolicEngine, group: &SymbolicGroup| {
            let view = engine.view(group).unwrap();
            let members = engine
                .roster(group)
                .unwrap()
                .into_iter()
                .map(|m| (m.sender, m.key_package_object_id))
                .collect();
            witness.agree(NOW, who, view.epoch, view.context_hash, None, members);
            let keys = engine.epoch_authenticator(group).unwrap();
            witness.agree_on_keys(NOW, who, view.epoch, view.context_hash, keys);
        };
        look(0, &a, &alone);
        look(0, &a, &built.next.group);
        look(1, &b, &joined);
        let found: Vec<_> = witness.violations().iter().map(|v| (v.invariant, v.who)).collect();
        assert_eq!(found, if broken { vec![("AgreementOnEpoch", 1)] } else { Vec::new() });
    }
}

/// Once its epoch is over, a commit is held against those that were published in it.
#[test]
fn another_commit_is_found_after_its_epoch_too() {
    let mut world = World::<SymbolicEngine, ByValue>::at_once(NOW).quiet();
    let config = Config::new(GroupName::try_from("room").unwrap());
    world.add(SymbolicEngine::new("a").unwrap(), config.clone()).unwrap();
    world.command(0, Command::Join).unwrap();
    world.settle();
    let inside = world.peer(0).unwrap();
    let outside = Participant::new(SymbolicEngine::new("a").unwrap(), config, NOW).unwrap();
    assert_eq!((inside.epoch(), outside.epoch()), (Some(0), None));
    for (payload, broken) in [("one", false), ("another", true)] {
        let mut witness = Witness::default();
        for (participant, payload) in [(inside, "one"), (&outside, payload)] {
            let location = Location { group_id: 0, object_id: 2 };
            let track = inside.tracks().commit(inside.sender_id());
            let object = Object { track, location, payload: payload.into() };
            witness.on_publish(NOW, 0, participant, None, None, &object);
        }
        assert_eq!(witness.violations().iter().any(|v| v.invariant == "OneOutboxPerSlot"), broken);
    }
}
