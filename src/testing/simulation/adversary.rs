//! Who attacks in a scenario, and what they keep in mind.

use bytes::Bytes;

use crate::testing::rng::Rng;
use crate::testing::sha256;
use crate::time::Timestamp;

/// Who attacks, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attacks {
    /// A client with a session at the relay: junk, squatting, forgeries and replays on every public track.
    pub outsider: bool,
    /// A client that reaches the counter: hogged locks, keyless increments, floods.
    pub reachable: bool,
    /// What a member does that turns hostile.
    pub insider: Habits,
    /// Between two moves of theirs, milliseconds; 0: nobody attacks.
    pub every_ms: u64,
}

impl Attacks {
    /// Nobody attacks.
    pub const NONE: Self = Self { outsider: false, reachable: false, insider: Habits::NONE, every_ms: 0 };
}

/// What a malicious member does, besides a commit at once in every epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Habits {
    /// It pins its commits itself, one after the other.
    pub pins: bool,
    /// Its commits remove all others, or all but one.
    pub removes: bool,
    /// It comes back again and again, by one KeyPackage after the other.
    pub rejoins: bool,
    /// It welcomes those who wait to epochs that never come.
    pub welcomes: bool,
    /// It publishes commits that nobody can process.
    pub corrupts: bool,
    /// It pins what is no commit. That strands everybody, so no profile has it by itself.
    pub garbage: bool,
}

impl Habits {
    /// No member is malicious.
    pub const NONE: Self = Self {
        pins: false,
        removes: false,
        rejoins: false,
        welcomes: false,
        corrupts: false,
        garbage: false,
    };

    /// As a number, a bit for each habit.
    pub fn bits(self) -> u64 {
        let Self { pins, removes, rejoins, welcomes, corrupts, garbage } = self;
        let all = [pins, removes, rejoins, welcomes, corrupts, garbage];
        all.into_iter().rev().fold(0, |bits, habit| bits << 1 | u64::from(habit))
    }

    /// The habits of a number.
    pub fn from_bits(bits: u64) -> Self {
        let has = |at: u32| bits >> at & 1 == 1;
        Self {
            pins: has(0),
            removes: has(1),
            rejoins: has(2),
            welcomes: has(3),
            corrupts: has(4),
            garbage: has(5),
        }
    }
}

/// What the adversaries keep in mind.
pub(super) struct Adversary {
    pub(super) rng: Rng,
    pub(super) next: Timestamp,
    /// Counters started beside the group's.
    pub(super) flooded: u64,
}

impl Adversary {
    pub(super) fn new(seed: u64, now: Timestamp) -> Self {
        Self { rng: Rng::new(seed ^ 0x6164_7665_7273_6172), next: now, flooded: 0 }
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound.max(1) as u64)).unwrap_or(0)
    }

    pub(super) fn junk(&mut self) -> Bytes {
        let len = 1 + self.below(64);
        (0..len).map(|_| self.rng.next_u64().to_be_bytes()[7]).collect::<Vec<u8>>().into()
    }

    pub(super) fn hash(&mut self) -> [u8; 32] {
        sha256(&self.rng.next_u64().to_be_bytes())
    }

    pub(super) fn object_id(&mut self) -> u64 {
        match self.below(3) {
            0 => self.rng.below(200),
            1 => self.rng.next_u64() >> 2 & !1,
            _ => self.rng.next_u64() >> 2 | 1,
        }
    }
}
