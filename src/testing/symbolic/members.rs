//! The leaves of a state, as members.

use bytes::Bytes;

use crate::engine::Member;
use crate::testing::symbolic::leaf::{Leaf, Tree};
use crate::testing::symbolic::message::State;
use crate::testing::symbolic::mix::mix;

pub(super) fn leaves_hash(leaves: &[Option<Leaf>]) -> [u8; 32] {
    mix("tree", &[&Tree { key: Bytes::new(), leaves: leaves.to_vec() }.encode()])
}

pub(super) fn members_at(state: &State, leaves: &[u32]) -> Vec<Member> {
    leaves.iter().filter_map(|leaf| Some(state.at(*leaf)?.member(*leaf))).collect()
}
