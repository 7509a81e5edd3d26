//! Who is in the group, kept in step with the engine's tree without reading it whole at every commit.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::engine::Member;
use crate::tracks::SenderId;

/// The members by leaf, with the two other ways the machine looks them up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Roster {
    by_leaf: BTreeMap<u32, Member>,
    by_sender: BTreeMap<SenderId, u32>,
    /// Two of one identity are two members.
    by_identity: BTreeSet<(Bytes, u32)>,
}

impl Roster {
    pub(crate) fn new(members: Vec<Member>) -> Self {
        let mut roster = Self::default();
        for member in members {
            roster.insert(member);
        }
        roster
    }

    pub(crate) fn insert(&mut self, member: Member) {
        self.by_sender.insert(member.sender.clone(), member.leaf_index);
        self.by_identity.insert((member.identity.clone(), member.leaf_index));
        self.by_leaf.insert(member.leaf_index, member);
    }

    pub(crate) fn remove(&mut self, leaf: u32) -> Option<Member> {
        let member = self.by_leaf.remove(&leaf)?;
        // In one commit the same sender may already stand at another leaf.
        if self.by_sender.get(&member.sender) == Some(&leaf) {
            self.by_sender.remove(&member.sender);
        }
        self.by_identity.remove(&(member.identity.clone(), leaf));
        Some(member)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_leaf.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_leaf.values()
    }

    pub(crate) fn at(&self, leaf: u32) -> Option<&Member> {
        self.by_leaf.get(&leaf)
    }

    pub(crate) fn of(&self, sender: &SenderId) -> Option<&Member> {
        self.by_sender.get(sender).and_then(|leaf| self.by_leaf.get(leaf))
    }

    /// The first member of an identity.
    pub(crate) fn with_identity(&self, identity: &Bytes) -> Option<&Member> {
        let all = (identity.clone(), 0)..=(identity.clone(), u32::MAX);
        self.by_identity.range(all).next().and_then(|(_, leaf)| self.by_leaf.get(leaf))
    }

    /// Puts a member in the place of the one at its leaf, if it is another or shows itself otherwise; the old one.
    /// The leaf key of the KeyPackage that it joined by stays known: that one may yet be replayed.
    pub(crate) fn change(&mut self, mut member: Member) -> Option<Member> {
        let old = self.at(member.leaf_index).filter(|old| old.sender == member.sender);
        if let (Some(key), Some(joined_by)) =
            (&mut member.leaf_key, old.and_then(|old| old.leaf_key.as_ref()))
        {
            key.clone_from(joined_by);
        }
        if self.at(member.leaf_index) == Some(&member) {
            return None;
        }
        let old = self.remove(member.leaf_index);
        self.insert(member);
        old
    }

    /// How many members stand before `leaf`.
    pub(crate) fn rank(&self, leaf: u32) -> usize {
        self.by_leaf.range(..leaf).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::engine::Credential;

    fn member(leaf: u32) -> Member {
        Member {
            leaf_index: leaf,
            sender: SenderId::new("s").unwrap(),
            identity: Bytes::from_static(b"i"),
            credential: Credential::basic(&b"i"[..]),
            key_package_object_id: Some(u64::from(leaf)),
            leaf_key: None,
        }
    }

    #[test]
    fn a_namesake_that_goes_leaves_the_other_to_be_found() {
        let other = Member { sender: SenderId::new("t").unwrap(), ..member(1) };
        for gone in [0, 1] {
            let mut roster = Roster::new(vec![member(0), other.clone()]);
            roster.remove(gone);
            assert_eq!(roster.with_identity(&other.identity).map(|m| m.leaf_index), Some(1 - gone));
        }
    }

    #[test]
    fn a_member_with_another_key_is_found_by_that_one_alone() {
        let mut roster = Roster::new(vec![member(0)]);
        assert_eq!(roster.change(member(0)), None);
        let other = Member { sender: SenderId::new("t").unwrap(), ..member(0) };
        assert_eq!(roster.change(other.clone()), Some(member(0)));
        assert_eq!((roster.of(&member(0).sender), roster.of(&other.sender)), (None, Some(&other)));
        assert_eq!((roster.len(), roster.by_identity.len()), (1, 1));
    }

    #[test]
    fn the_key_that_a_draft_peer_joined_by_stays_known() {
        let [first, second] = [1u8, 2].map(|key| Some(Bytes::from(vec![key])));
        let joined = Member { key_package_object_id: None, leaf_key: first.clone(), ..member(0) };
        let mut roster = Roster::new(vec![joined.clone()]);
        assert_eq!(roster.change(Member { leaf_key: second.clone(), ..joined.clone() }), None);
        assert_eq!(roster.at(0), Some(&joined));
        let another = Member { sender: SenderId::new("t").unwrap(), leaf_key: second, ..joined.clone() };
        assert_eq!(roster.change(another.clone()), Some(joined));
        assert_eq!(roster.at(0), Some(&another));
    }

    #[test]
    fn who_comes_back_in_the_same_commit_is_found_at_the_new_leaf() {
        let mut roster = Roster::new(vec![member(0)]);
        roster.insert(member(3));
        assert_eq!(roster.remove(0), Some(member(0)));
        assert_eq!(roster.of(&member(0).sender), Some(&member(3)));
        assert_eq!(roster.with_identity(&member(0).identity).map(|m| m.leaf_index), Some(3));
        assert_eq!(roster.remove(3), Some(member(3)));
        assert_eq!((roster.of(&member(0).sender), roster.by_identity.len()), (None, 0));
    }
}
