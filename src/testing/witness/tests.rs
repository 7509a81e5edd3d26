//! What the witness must not overlook.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::engine::{Engine, GroupParams};
use crate::testing::symbolic::{SymbolicEngine, SymbolicGroup};
use crate::tracks::GroupName;

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

#[test]
fn two_members_with_one_context_and_different_keys_do_not_agree() {
    let room = GroupName::try_from("room").unwrap();
    let (mut a, mut b) = (SymbolicEngine::new("a").unwrap(), SymbolicEngine::new("b").unwrap());
    let alone = a.create(NOW, &room, &GroupParams::default(), 0).unwrap();
    let key = b.generate_key_package(NOW, &room, 0).unwrap();
    let built = a.build(&alone, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let (_, welcome) = built.welcomes.first().unwrap();
    let forged = a.forge_welcome(welcome, [7; 32]).unwrap().unwrap();
    for (welcome, broken) in [(welcome, false), (&forged, true)] {
        let joined = b.join(NOW, welcome, &key, None).unwrap().unwrap();
        let mut witness = Witness::default();
        let mut look = |who: usize, engine: &SymbolicEngine, group: &SymbolicGroup| {
            let view = engine.view(group).unwrap();
            let members = engine.roster(group).unwrap().into_iter().map(|m| (m.sender, m.sequence)).collect();
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
