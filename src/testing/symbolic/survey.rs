//! What a symbolic commit is put together by.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::engine::Survey;
use crate::testing::symbolic::engine::SymbolicEngine;
use crate::testing::symbolic::group::SymbolicGroup;
use crate::testing::symbolic::leaf::Tree;
use crate::testing::symbolic::message::KeyPackage;

impl SymbolicEngine {
    pub(super) fn look_over(&self, group: &SymbolicGroup, key_packages: &[Bytes]) -> Survey {
        let state = &group.state;
        let of_members: BTreeMap<u64, u32> = state.members().map(|(at, leaf)| (leaf.init, at)).collect();
        let mut seen = BTreeSet::new();
        let (mut taken, mut clashing) = (Vec::new(), Vec::new());
        for (at, message) in key_packages.iter().enumerate() {
            let Ok(KeyPackage { leaf, .. }) = KeyPackage::decode(message) else { continue };
            if let Some(member) = of_members.get(&leaf.init) {
                taken.push((at, *member));
            } else if !seen.insert(leaf.init) {
                clashing.push(at);
            }
        }
        let tree = Tree { key: Bytes::new(), leaves: state.leaves.clone() }.encode().len();
        Survey {
            taken,
            clashing,
            leaves: state.leaves.len(),
            members: state.members().count(),
            commit_bytes: 128 + state.group_id.len(),
            welcome_bytes: 512 + state.group_id.len() + state.params.as_ref().map_or(0, Bytes::len),
            tree_bytes: tree,
            ..Survey::default()
        }
    }
}
