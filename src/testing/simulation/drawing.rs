//! The scenarios that a seed makes of a profile.

use std::time::Duration;

use crate::config::SafetyMode;
use crate::testing::network::Faults;
use crate::testing::rng::Rng;
use crate::testing::simulation::adversary::{Attacks, Habits};
use crate::testing::simulation::profiles::Profile;
use crate::testing::simulation::scenario::{Op, Scenario};
use crate::tracks::CommitTrackPolicy;

impl Scenario {
    /// The scenario that `seed` makes of a profile, with at most `most` participants at the start.
    pub fn generate(profile: Profile, seed: u64, most: usize) -> Self {
        Draw { rng: Rng::new(seed ^ 0x7363_656e_6172_696f), profile }.scenario(seed, most)
    }
}

struct Draw {
    rng: Rng,
    profile: Profile,
}

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap_or(0)
    }

    fn has(&self, profile: Profile) -> bool {
        self.profile == profile
            || (self.profile == Profile::Storm && profile != Profile::Reset && !profile.has_adversary())
    }

    fn scenario(&mut self, seed: u64, most: usize) -> Scenario {
        let most = most.max(3);
        let participants = 3 + self.below(most - 2);
        // Where a death for good or a dishonest member may stop the group, Fenced promises nothing.
        let pinned_only = self.has(Profile::Abandon)
            || self.has(Profile::Byzantine)
            || self.has(Profile::Reset)
            || self.profile.has_adversary();
        let mode = if !pinned_only && self.below(4) == 0 { SafetyMode::Fenced } else { SafetyMode::Pinned };
        let commit_tracks =
            if self.below(2) == 0 { CommitTrackPolicy::Shared } else { CommitTrackPolicy::PerSender };
        let lease = if self.has(Profile::Counter) && self.below(2) == 0 { 30 } else { 2000 };
        let mut scenario = Scenario {
            seed,
            profile: self.profile,
            participants,
            mode,
            commit_tracks,
            receipts: mode == SafetyMode::Pinned && self.below(4) == 0,
            trees: self.below(2) == 0,
            tokens: false,
            lease: Duration::from_millis(lease),
            faults: self.faults(),
            choices: None,
            flaw: None,
            attacks: Attacks::NONE,
            service_flaw: None,
            steps: Vec::new(),
        };
        if self.profile == Profile::Insider {
            self.set_insider(&mut scenario);
            return scenario;
        }
        scenario.steps = self.steps(participants);
        self.set_attacks(&mut scenario);
        let may_know = matches!(self.profile, Profile::Calm | Profile::Counter | Profile::Storm);
        scenario.tokens = may_know && self.below(2) == 0;
        scenario
    }

    /// Last of all, so that a seed's scenario is the same with adversaries and without.
    fn set_attacks(&mut self, scenario: &mut Scenario) {
        let storm = self.profile == Profile::Storm && scenario.mode == SafetyMode::Pinned;
        let mut draw = |profile| self.profile == profile || (storm && self.rng.below(4) == 0);
        let (outsider, reachable) = (draw(Profile::Outsider), draw(Profile::Reachable));
        if draw(Profile::Between) {
            // Only the service's signature distinguishes its answers from forged ones.
            scenario.receipts = true;
            scenario.faults.forged_answers = 300;
        }
        if outsider || reachable {
            let every_ms = [20, 60, 200, 1000].get(self.below(4)).copied().unwrap_or(20);
            scenario.attacks = Attacks { outsider, reachable, every_ms, ..Attacks::NONE };
        }
    }

    /// A calm network, in which a member turns hostile once all are in. The first member removes it in the end, and
    /// before that or instead a newcomer comes in.
    fn set_insider(&mut self, scenario: &mut Scenario) {
        let (insider, late) = (scenario.participants - 1, scenario.participants);
        scenario.participants += 1;
        scenario.tokens = self.below(2) == 0;
        let mut habits = Habits::from_bits(self.rng.below(32));
        // Where the service does not know who asks, who pins first leads every time.
        habits.pins &= scenario.tokens;
        let every_ms = [20, 60, 200].get(self.below(3)).copied().unwrap_or(20);
        scenario.attacks = Attacks { insider: habits, every_ms, ..Attacks::NONE };
        let steps = &mut scenario.steps;
        for who in 0..late {
            steps.extend([Op::Join(who), Op::Wait(3000)]);
        }
        steps.extend([Op::Wait(3000), Op::Turncoat(insider)]);
        for _ in 0..self.below(5) {
            steps.push(Op::Wait(self.below(4000) as u64));
            let who = self.below(insider);
            steps.push(match self.below(6) {
                0 if who > 0 => Op::Leave(who),
                1 if who > 0 => Op::Remove(0, who),
                _ => Op::Update(who),
            });
        }
        let pause = self.below(6000) as u64;
        steps.extend([Op::Wait(pause), Op::Join(late), Op::Wait(8000)]);
        let pause = self.below(4000) as u64;
        steps.extend([Op::Wait(pause), Op::Remove(0, insider), Op::Wait(8000)]);
    }

    fn faults(&mut self) -> Faults {
        let mut faults = Faults::default();
        if self.has(Profile::Loss) {
            faults.lost_objects = 150;
            faults.repeated_objects = 150;
            faults.late_objects = 250;
        }
        if self.has(Profile::Counter) {
            faults.refused_requests = 50;
            faults.lost_requests = 150;
            faults.lost_replies = 150;
            faults.latency = (Duration::from_millis(5), Duration::from_millis(60));
        }
        if self.has(Profile::Crash) {
            faults.last_words = u16::try_from(self.below(3) * 500).unwrap_or(0);
        }
        faults
    }

    fn steps(&mut self, participants: usize) -> Vec<Op> {
        let mut steps = Vec::new();
        let reset = self.profile == Profile::Reset;
        for who in 0..participants {
            steps.push(Op::Join(who));
            let pause = if self.below(3) == 0 { 0 } else { self.below(900) };
            steps.push(Op::Wait(pause as u64));
            if reset && who == 0 && self.below(2) == 0 {
                // The worst moment: the group exists, and nothing at the relay says so.
                steps.push(Op::Wait(2000));
                steps.push(Op::ResetCounter);
            }
        }
        steps.push(Op::Wait(if self.below(2) == 0 { 400 } else { 4000 }));
        for _ in 0..6 + self.below(10) {
            let op = self.op(participants);
            steps.push(op);
            steps.push(Op::Wait(match self.below(4) {
                0 => 0,
                1 => self.below(60) as u64,
                2 => self.below(700) as u64,
                _ => self.below(4000) as u64,
            }));
        }
        if reset {
            steps.push(Op::ResetCounter);
            for who in 0..participants {
                steps.push(Op::Update(who));
                steps.push(Op::Wait(self.below(2000) as u64));
            }
        }
        steps
    }

    fn op(&mut self, participants: usize) -> Op {
        let who = self.below(participants);
        let other = (who + 1 + self.below(participants - 1)) % participants;
        let mut special = Vec::new();
        if self.has(Profile::Partition) {
            special.push(Op::Partition(who, 300 + self.below(20_000) as u64));
        }
        if self.has(Profile::Crash) {
            special.push(Op::Crash(who));
            special.push(Op::CrashAfter(who, self.below(14) as u64));
            special.push(Op::CrashAfter(who, self.below(7) as u64));
            special.push(Op::Restart(who));
            special.push(Op::Restart(other));
        }
        if self.has(Profile::Abandon) && self.below(3) == 0 {
            // At least one participant is left.
            special.push(Op::Abandon(1 + self.below(participants - 1)));
        }
        if self.has(Profile::Relay) {
            special.push(Op::Evict);
            special.push(Op::Partition(who, 300 + self.below(4000) as u64));
        }
        if self.has(Profile::Clock) {
            let ahead = [-3_600_000, -60_000, 1_000, 60_000, 1_800_000];
            special.push(Op::Clock(who, ahead.get(self.below(5)).copied().unwrap_or(0)));
        }
        if self.has(Profile::Byzantine) {
            special.push(Op::Rogue(who));
            special.push(Op::Corrupt(who));
            special.push(Op::Junk(who));
            special.push(Op::Replay(self.rng.below(1000)));
            special.push(Op::Impostor(who));
        }
        let at = self.below(special.len().max(1));
        match (special.get(at), self.below(2)) {
            (Some(op), 0) => *op,
            _ => match self.below(8) {
                0 => Op::Leave(who),
                1 | 2 => Op::Remove(who, other),
                _ => Op::Update(who),
            },
        }
    }
}
