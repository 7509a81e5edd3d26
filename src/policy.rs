//! Which commits of others a participant helps to be pinned: a rule of the embedder, as data.

use std::collections::BTreeSet;

use crate::tracks::SenderId;

/// Whose commits may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Committers {
    /// Every member's.
    #[default]
    Everyone,
    /// Those of these members.
    Only(BTreeSet<SenderId>),
}

impl Committers {
    fn include(&self, committer: Option<&SenderId>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(some) => committer.is_some_and(|committer| some.contains(committer)),
        }
    }
}

/// Says which commits of others this participant helps.
///
/// A member helps a commit when its committer has not got it pinned within [`Timers::lease`](crate::Timers::lease), and
/// gives way to it before. The policy gates that, and no more: what the service has pinned is applied whatever the
/// policy says, for a member that refused it would be alone. It is reported then by
/// [`Notice::AgainstPolicy`](crate::Notice::AgainstPolicy), and the roster follows. So the policy does not keep a
/// member from doing what it can get pinned itself: who holds the keys of an epoch can pin any commit that MLS allows.
///
/// A commit that makes the group larger than [`Limits::roster`](crate::Limits::roster) is never helped. The default
/// allows all else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct CommitPolicy {
    /// Whose commits may add members. A member that comes back in the same commit counts as added.
    pub adds: Committers,
    /// Whose commits may remove members that neither asked to leave nor come back in the same commit.
    pub removes: Committers,
    /// Most members added by one commit.
    pub most_adds: usize,
    /// Most members removed by one commit, of those that `removes` is about.
    pub most_removes: usize,
    /// Largest commit, bytes.
    pub most_bytes: usize,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self {
            adds: Committers::Everyone,
            removes: Committers::Everyone,
            most_adds: usize::MAX,
            most_removes: usize::MAX,
            most_bytes: usize::MAX,
        }
    }
}

/// What a commit is against in a [`CommitPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Breach {
    /// Its committer may not add.
    Adds,
    /// Its committer may not remove.
    Removes,
    /// It adds too many.
    TooManyAdds,
    /// It removes too many.
    TooManyRemoves,
    /// It has too many bytes.
    TooLarge,
    /// It makes a group larger than [`Limits::roster`](crate::Limits::roster).
    RosterFull,
}

/// What a policy looks at.
pub(crate) struct Contents<'a> {
    pub(crate) committer: Option<&'a SenderId>,
    pub(crate) adds: usize,
    /// Those removed who neither asked to leave nor come back.
    pub(crate) removes: usize,
    pub(crate) bytes: usize,
    /// Members after it.
    pub(crate) members: usize,
}

impl CommitPolicy {
    /// Judges a commit; `roster` is the most members that a group may have.
    pub(crate) fn judge(&self, contents: &Contents<'_>, roster: usize) -> Option<Breach> {
        let Contents { committer, adds, removes, bytes, members } = *contents;
        let breaches = [
            (adds > 0 && members > roster, Breach::RosterFull),
            (adds > 0 && !self.adds.include(committer), Breach::Adds),
            (removes > 0 && !self.removes.include(committer), Breach::Removes),
            (adds > self.most_adds, Breach::TooManyAdds),
            (removes > self.most_removes, Breach::TooManyRemoves),
            (bytes > self.most_bytes, Breach::TooLarge),
        ];
        breaches.into_iter().find_map(|(is, breach)| is.then_some(breach))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_rule_is_its_own() {
        let (host, guest) = (SenderId::new("host").unwrap(), SenderId::new("guest").unwrap());
        let only = || Committers::Only([host.clone()].into());
        let open = CommitPolicy::default();
        let judge = |policy: &CommitPolicy, committer, adds, removes, bytes, members| {
            policy.judge(&Contents { committer, adds, removes, bytes, members }, 10)
        };
        assert_eq!(judge(&open, Some(&guest), 9, 9, usize::MAX, 10), None);
        assert_eq!(judge(&open, Some(&guest), 1, 0, 1, 11), Some(Breach::RosterFull));
        assert_eq!(judge(&open, Some(&guest), 0, 1, 1, 11), None, "it makes an overfull group smaller");
        let adds = CommitPolicy { adds: only(), ..open.clone() };
        assert_eq!(judge(&adds, Some(&guest), 1, 0, 1, 2), Some(Breach::Adds));
        assert_eq!(judge(&adds, None, 1, 0, 1, 2), Some(Breach::Adds));
        assert_eq!(judge(&adds, Some(&host), 1, 0, 1, 2), None);
        assert_eq!(judge(&adds, Some(&guest), 0, 1, 1, 2), None);
        let removes = CommitPolicy { removes: only(), ..open.clone() };
        assert_eq!(judge(&removes, Some(&guest), 0, 1, 1, 2), Some(Breach::Removes));
        assert_eq!(judge(&removes, Some(&guest), 1, 0, 1, 2), None);
        let few = CommitPolicy { most_adds: 2, most_removes: 1, most_bytes: 100, ..open };
        assert_eq!(judge(&few, None, 2, 1, 100, 2), None);
        assert_eq!(judge(&few, None, 3, 1, 100, 2), Some(Breach::TooManyAdds));
        assert_eq!(judge(&few, None, 2, 2, 100, 2), Some(Breach::TooManyRemoves));
        assert_eq!(judge(&few, None, 2, 1, 101, 2), Some(Breach::TooLarge));
    }
}
