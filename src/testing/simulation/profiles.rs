//! Kinds of trouble.

use std::fmt;
use std::str::FromStr;

/// What kinds of fault a scenario has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Latency only.
    Calm,
    /// Objects lost, repeated and overtaken.
    Loss,
    /// Requests and answers lost, leases that lapse at the worst moment.
    Counter,
    /// Participants cut off for a while.
    Partition,
    /// Participants killed between any two actions, and back.
    Crash,
    /// Participants killed for good.
    Abandon,
    /// A relay that forgets.
    Relay,
    /// Clocks that jump.
    Clock,
    /// Members and strangers that misbehave.
    Byzantine,
    /// The counter service loses its state.
    Reset,
    /// All of it but Reset.
    Storm,
    /// A client with a session at the relay attacks all the while.
    Outsider,
    /// A client that reaches the counter attacks all the while.
    Reachable,
    /// An attacker between the members and the counter, whose key they have, changes its answers.
    Between,
    /// A member attacks all the while: commits at once in every epoch, floods, forgeries.
    Insider,
}

impl Profile {
    /// All, in the order in which seeds take turns.
    pub const ALL: [Self; 15] = [
        Self::Calm,
        Self::Loss,
        Self::Counter,
        Self::Partition,
        Self::Crash,
        Self::Abandon,
        Self::Relay,
        Self::Clock,
        Self::Byzantine,
        Self::Reset,
        Self::Storm,
        Self::Outsider,
        Self::Reachable,
        Self::Between,
        Self::Insider,
    ];

    /// Whether it has an adversary who is no member.
    pub fn is_hostile(self) -> bool {
        matches!(self, Self::Outsider | Self::Reachable | Self::Between)
    }

    /// Whether it has an adversary at work all the while.
    pub(super) fn has_adversary(self) -> bool {
        self.is_hostile() || self == Self::Insider
    }

    fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Loss => "loss",
            Self::Counter => "counter",
            Self::Partition => "partition",
            Self::Crash => "crash",
            Self::Abandon => "abandon",
            Self::Relay => "relay",
            Self::Clock => "clock",
            Self::Byzantine => "byzantine",
            Self::Reset => "reset",
            Self::Storm => "storm",
            Self::Outsider => "outsider",
            Self::Reachable => "reachable",
            Self::Between => "between",
            Self::Insider => "insider",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| format!("no profile {name}"))
    }
}
