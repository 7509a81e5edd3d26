//! Who is in the group, kept in step with the engine's tree without reading it whole at every commit.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::engine::Member;
use crate::tracks::SenderId;

/// The members by leaf, with the two other ways the machine looks them up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Roster {
    by_leaf: BTreeMap<u32, Member>,
    by_sender: BTreeMap<SenderId, u32>,
    by_identity: BTreeMap<Bytes, u32>,
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
        self.by_sender.insert(member.sender.clone(), member.leaf);
        self.by_identity.insert(member.identity.clone(), member.leaf);
        self.by_leaf.insert(member.leaf, member);
    }

    pub(crate) fn remove(&mut self, leaf: u32) -> Option<Member> {
        let member = self.by_leaf.remove(&leaf)?;
        // In one commit the same sender may already stand at another leaf.
        if self.by_sender.get(&member.sender) == Some(&leaf) {
            self.by_sender.remove(&member.sender);
        }
        if self.by_identity.get(&member.identity) == Some(&leaf) {
            self.by_identity.remove(&member.identity);
        }
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

    pub(crate) fn with_identity(&self, identity: &Bytes) -> Option<&Member> {
        self.by_identity.get(identity).and_then(|leaf| self.by_leaf.get(leaf))
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

    #[test]
    fn who_comes_back_in_the_same_commit_is_found_at_the_new_leaf() {
        let member = |leaf| Member {
            leaf,
            sender: SenderId::new("s").unwrap(),
            identity: Bytes::from_static(b"i"),
            credential: Credential { kind: 1, data: Bytes::from_static(b"i") },
            sequence: Some(u64::from(leaf)),
            leaf_key: None,
        };
        let mut roster = Roster::new(vec![member(0)]);
        roster.insert(member(3));
        assert_eq!(roster.remove(0), Some(member(0)));
        assert_eq!(roster.of(&member(0).sender), Some(&member(3)));
        assert_eq!(roster.by_identity.get(&member(0).identity), Some(&3));
        assert_eq!(roster.remove(3), Some(member(3)));
        assert_eq!((roster.of(&member(0).sender), roster.by_identity.len()), (None, 0));
    }
}
