//! What a participant waits for.

use std::fmt;

/// What a participant waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum WaitsFor {
    /// [`Command::Join`](crate::Command::Join).
    Join,
    /// The counter service's answer whether the group exists.
    Probe,
    /// What the relay has of a group that the service does not know.
    Signs,
    /// The counter service's answer who created the group.
    Creation,
    /// A member of the group before, to come over to the successor that this participant founded.
    Newcomer,
    /// A Welcome.
    Welcome,
    /// What confirms a Welcome to this MLS epoch: the counter service's answer, or its receipt.
    Confirmation {
        /// The MLS epoch.
        epoch: u64,
    },
    /// The ratchet tree of a Welcome.
    Tree,
    /// A successor of the group, which cannot go on.
    Successor,
    /// The own turn to commit.
    Turn,
    /// The lock of the next epoch.
    Lock,
    /// The relay: the own commit is to be looked for, or read back.
    Relay,
    /// The counter service's answer to the own increment.
    Increment,
    /// The answer which commit was pinned: a commit of another is here.
    Pin,
    /// The commit that was pinned, and is not here.
    Commit,
    /// Being removed, as it asked.
    Removal,
    /// A service that can be worked with. Decided commits still apply.
    Service,
    /// Nothing: a member, without work.
    News,
    /// Nothing any more: it has ended, or its engine failed.
    End,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Join => "the command to join",
            Self::Probe => "the counter service to say whether the group exists",
            Self::Signs => "what the relay has of a group that the counter service does not know",
            Self::Creation => "the counter service to say who created the group",
            Self::Newcomer => "a member to come over to the successor that it founded",
            Self::Welcome => "a Welcome",
            Self::Confirmation { epoch } => {
                return write!(f, "the pin that confirms the Welcome to MLS epoch {epoch}");
            }
            Self::Tree => "the ratchet tree of its Welcome",
            Self::Successor => "a successor of the group, which cannot go on",
            Self::Turn => "its turn to commit",
            Self::Lock => "the lock of the next epoch",
            Self::Relay => "the relay to give back its commit",
            Self::Increment => "the counter service to pin its commit",
            Self::Pin => "the pin that says whose commit won",
            Self::Commit => "the commit that was pinned",
            Self::Removal => "a member to remove it, as it asked",
            Self::Service => "a counter service that can be worked with",
            Self::News => "nothing",
            Self::End => "nothing any more",
        })
    }
}
