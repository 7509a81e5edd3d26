//! Deliberate bugs, and where to look for them: a simulation that does not find them proves nothing.

use crate::config::SafetyMode;
use crate::engine::Engine;
use crate::testing::faults::ServiceFlaw;
use crate::testing::flaws::Flaw;
use crate::testing::simulation::profiles::Profile;
use crate::testing::simulation::scenario::Scenario;
use crate::testing::simulation::{Kit, Outcome, run};

/// A deliberate bug of all participants, or of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// What it is.
    pub name: &'static str,
    flaw: Option<Flaw>,
    service: Option<ServiceFlaw>,
    profiles: &'static [Profile],
}

const fn mutant(name: &'static str, flaw: Flaw, profiles: &'static [Profile]) -> Mutant {
    Mutant { name, flaw: Some(flaw), service: None, profiles }
}

const fn service(name: &'static str, flaw: ServiceFlaw, profiles: &'static [Profile]) -> Mutant {
    Mutant { name, flaw: None, service: Some(flaw), profiles }
}

/// Every deliberate bug.
pub const MUTANTS: [Mutant; 22] = [
    mutant("apply on receipt", Flaw::ApplyOnReceipt, &[Profile::Counter, Profile::Storm]),
    mutant("apply before the pin", Flaw::ApplyBeforePin, &[Profile::Counter]),
    mutant("second commit for a slot", Flaw::SecondCommit, &[Profile::Counter, Profile::Storm]),
    mutant("outbox dropped on a timeout", Flaw::OutboxDroppedOnTimeout, &[Profile::Counter, Profile::Storm]),
    mutant("persist after publish", Flaw::PersistAfterPublish, &[Profile::Calm]),
    mutant("Welcome only on increment Ok", Flaw::WelcomeOnlyOnOk, &[Profile::Counter, Profile::Storm]),
    mutant("Welcome before the pin", Flaw::WelcomeBeforePin, &[Profile::Calm]),
    mutant("help what was not staged", Flaw::HelpUntried, &[Profile::Byzantine]),
    mutant("nobody helps", Flaw::NoHelp, &[Profile::Abandon, Profile::Storm]),
    mutant("reused KeyPackage", Flaw::ReusedKeyPackage, &[Profile::Storm, Profile::Relay]),
    mutant("dropped intent", Flaw::DroppedIntent, &[Profile::Loss, Profile::Counter]),
    mutant("stale KeyPackage taken", Flaw::StaleKeyPackage, &[Profile::Loss, Profile::Relay]),
    service("no prev check", ServiceFlaw::IgnoresPrev, &[Profile::Reset]),
    service("no key check", ServiceFlaw::IgnoresKeys, &[Profile::Reachable]),
    mutant("no receipt check", Flaw::ReceiptUnchecked, &[Profile::Between]),
    mutant("foreseeable places", Flaw::ForeseeablePlaces, &[Profile::Outsider]),
    mutant("lock waited for", Flaw::WaitsForLock, &[Profile::Reachable]),
    mutant("help at once, whoever it is", Flaw::HelpsAnybody, &[Profile::Insider]),
    mutant("way given for ever", Flaw::YieldsForEver, &[Profile::Insider]),
    mutant("policy ignored", Flaw::PolicyIgnored, &[Profile::Insider]),
    mutant("returns not rated", Flaw::PaceIgnored, &[Profile::Insider]),
    service("turns ignored", ServiceFlaw::IgnoresTurns, &[Profile::Insider]),
];

/// How a bug was found.
#[derive(Clone, Debug)]
pub struct Caught {
    /// How many runs it took.
    pub runs: u64,
    /// The run.
    pub scenario: Scenario,
    /// What came of it.
    pub outcome: Outcome,
}

impl Mutant {
    /// Looks for the bug, in at most `seeds` runs.
    pub fn hunt<E: Engine>(&self, first: u64, seeds: u64, most: usize, kit: &Kit<E>) -> Option<Caught> {
        for runs in 1..=seeds {
            let seed = first.saturating_add(runs);
            let turn = usize::try_from(seed).unwrap_or(0);
            let profile = self.profiles.get(turn.checked_rem(self.profiles.len())?).copied()?;
            let mut scenario = Scenario::generate(profile, seed, most);
            scenario.mode = SafetyMode::Pinned;
            scenario.flaw = self.flaw;
            scenario.service_flaw = self.service;
            if self.flaw == Some(Flaw::WaitsForLock) {
                // Who means to keep the lock for good asks for it all the time.
                scenario.attacks.every_ms = 5;
            }
            let outcome = run(&scenario, kit);
            if outcome.failure.is_some() {
                return Some(Caught { runs, scenario, outcome });
            }
        }
        None
    }
}
