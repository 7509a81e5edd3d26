//! What the mode changes in the procedure: the one place that tells the modes apart.

use crate::config::SafetyMode;

/// The differences between the modes, each under a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    /// A slot has a pin, and a commit is applied only once the pin names it. A lock is a hint then.
    pub(crate) pins: bool,
    /// A slot is filled under a lock token before the commit is published.
    pub(crate) fills_first: bool,
    /// An increment names its slot. The draft's does not.
    pub(crate) names_slot: bool,
    /// Objects are where nobody can foresee. The draft's places are public.
    pub(crate) draws_places: bool,
    /// KeyPackages are numbered by time, so that a spent one is known by its age. The draft's first has number 0.
    pub(crate) numbers_by_time: bool,
    /// A KeyPackage says which group it was made for, and no other takes it. The draft's does not.
    pub(crate) binds_key_packages: bool,
    /// Proposals may be on the Commit track, for commits that refer to them. Elsewhere commits hold what they commit.
    pub(crate) takes_proposals: bool,
    /// A counter that stands one behind the group is incremented on behalf of a committer that died.
    pub(crate) repairs_counter: bool,
}

impl Rules {
    pub(crate) const fn of(mode: SafetyMode) -> Self {
        match mode {
            SafetyMode::Pinned => Self {
                pins: true,
                fills_first: false,
                names_slot: true,
                draws_places: true,
                numbers_by_time: true,
                binds_key_packages: true,
                takes_proposals: false,
                repairs_counter: false,
            },
            SafetyMode::Fenced => Self {
                pins: false,
                fills_first: true,
                names_slot: true,
                draws_places: true,
                numbers_by_time: true,
                binds_key_packages: true,
                takes_proposals: false,
                repairs_counter: false,
            },
            SafetyMode::Advisory => Self {
                pins: false,
                fills_first: false,
                names_slot: false,
                draws_places: false,
                numbers_by_time: false,
                binds_key_packages: false,
                takes_proposals: true,
                repairs_counter: true,
            },
        }
    }
}
