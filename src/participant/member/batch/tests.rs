//! That nothing is longer than its bound, and that a bound is not far off.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;

use super::*;
use crate::engine::{Attached, ContextParams, TreePlace};
use crate::testing::seeded_crypto::{SeededEngine, seeded_engine};
use crate::time::Timestamp;
use crate::tracks::GroupName;

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

type Group = <SeededEngine as Engine>::Group;

/// Builds a commit and compares it with its bound; returns the commit and the group after it.
fn build(
    engine: &SeededEngine,
    group: &Group,
    adds: &[Bytes],
    removes: &[u32],
    apart: bool,
) -> CommitOutput<Group> {
    let place = || TreePlace { publisher: Some(engine.sender_id().clone()), object_id: u64::MAX >> 2 };
    let tree = (apart && !adds.is_empty()).then(place);
    let attached = Attached { tree, spent: Some(u64::MAX) };
    let built = engine.create_commit_with(group, NOW, adds, removes, &attached).unwrap().unwrap();
    let survey = engine.survey(group, adds, false).unwrap();
    let load =
        Load { adds: adds.len(), add_bytes: adds.iter().map(Bytes::len).sum(), removes: removes.len() };
    let (bound, real) = (Sizes::bound(&survey, &load, apart), Sizes::of(&built));
    let what = format!("{} members, {load:?}: {real:?}, {bound:?}", survey.members);
    assert!(real.commit <= bound.commit && real.welcome <= bound.welcome, "{what}");
    assert!(real.tree <= bound.tree && real.all <= bound.all, "{what}");
    assert!(bound.commit <= 2 * real.commit + 4096 && bound.welcome <= 2 * real.welcome + 4096, "{what}");
    assert!(bound.tree <= 2 * real.tree + 4096, "{what}");
    let next = engine.survey(&built.next.group, &[], false).unwrap();
    let later = engine.create_commit(&built.next.group, NOW, &[], &[]).unwrap().unwrap().commit.len();
    assert!(later <= bound.later && next.members == survey.members + adds.len() - removes.len(), "{what}");
    built
}

#[test]
fn nothing_is_longer_than_its_bound() {
    let name = GroupName::try_from("g").unwrap();
    for (credential, apart) in [(1, false), (1, true), (300, false), (1500, true)] {
        let mut engines: Vec<_> = (0..60).map(|i| seeded_engine(&format!("{i:0credential$}"), 1)).collect();
        let mut group = engines[0].create(NOW, &name, &ContextParams::default(), 0).unwrap();
        let mut second = None;
        let mut from = 1;
        for batch in [1, 1, 2, 5, 10, 40] {
            let joining = &mut engines[from..from + batch];
            let keys: Vec<_> =
                joining.iter_mut().map(|e| e.generate_key_package(NOW, &name, 1).unwrap()).collect();
            let adds: Vec<Bytes> = keys.iter().map(|key| key.message.clone()).collect();
            let built = build(&engines[0], &group, &adds, &[], apart);
            from += batch;
            group = built.next.group;
            // The second commits as well, so that nodes are there, and leaves of many nodes unmerged.
            second = Some(match second {
                None => {
                    let (_, welcome) = &built.welcomes[0];
                    let info = engines[1].examine_welcome(welcome, &keys[..1]).unwrap().unwrap();
                    let tree = info
                        .tree
                        .map(|of| engines[1].open_tree(&of, built.tree.as_ref().unwrap()).unwrap().unwrap());
                    assert_eq!(tree.is_some(), apart);
                    engines[1].join(NOW, welcome, &keys[0], tree.as_ref()).unwrap().unwrap()
                }
                Some(of) => {
                    engines[1].stage_commit(&of, NOW, &built.commit).unwrap().unwrap().next.unwrap().group
                }
            });
            let update = build(&engines[1], second.as_ref().unwrap(), &[], &[], apart);
            second = Some(update.next.group);
            group =
                engines[0].stage_commit(&group, NOW, &update.commit).unwrap().unwrap().next.unwrap().group;
        }
        build(&engines[0], &group, &[], &[3, 7, 8], apart);
    }
}

#[test]
fn a_step_is_as_mls_rs_pads() {
    let steps = [(0, 32), (31, 32), (32, 64), (255, 256), (256, 320), (1000, 1024), (1025, 1280)];
    for (content, step) in steps {
        assert_eq!(padded(content), step, "{content}");
    }
    assert_eq!(padded(usize::MAX - 1), usize::MAX);
}

/// A group of so many whose every inner node is there: nothing weighs more.
fn full(members: usize, credential: usize, key: usize) -> (Survey, Load) {
    let (leaf, node) = (key + credential + 500, key + 96);
    let survey = Survey {
        leaves: members,
        members,
        commit_bytes: 1100 + leaf,
        member_bytes: key + 88,
        welcome_bytes: 2600 + key,
        tree_bytes: members * (leaf + node),
        node_bytes: node,
        ..Survey::default()
    };
    (survey, Load { adds: 64, add_bytes: 64 * (leaf + key + 150), removes: 0 })
}

#[test]
fn limits_for_a_group_are_enough_for_it() {
    for (members, credential, key) in [
        (10, 5, 32),
        (1000, 1500, 32),
        (1000, 1500, 1216),
        (2000, 5, 1216),
        (8000, 1500, 133),
        (20_000, 5, 32),
    ] {
        let (survey, load) = full(members, credential, key);
        let mut limits = Limits::for_group(members + load.adds, credential, key);
        // The service's limit is not raised for a group: the embedder states it separately.
        limits.service_commit_bytes = limits.handshake_bytes;
        let sizes = Sizes::bound(&survey, &load, true);
        assert!(sizes.fit(&limits), "{members}, {credential}, {key}: {sizes:?}, {limits:?}");
        let key_package = load.add_bytes / load.adds;
        assert!(key_package <= limits.key_package_bytes && members <= limits.roster);
        assert!(members * key_package <= limits.pending_joiner_bytes);
    }
    let (survey, load) = full(8000, 1500, 133);
    assert!(!Sizes::bound(&survey, &load, true).fit(&Limits::default()));
}
