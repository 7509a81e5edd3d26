//! Whole runs of participants under faults, held against the invariants at every step, and against what
//! everyone may expect once the faults stop.
//!
//! A [`Scenario`] says all of a run: who does what when, what may go wrong, and the seed (or the kept
//! [`choices`](super::choices)) that decides what does. [`run`] is deterministic. Safety is the witness's
//! business ([`witness`](super::witness)); liveness is judged in a second phase without faults:
//!
//! - **NoLostJoiner**: everyone who wants in, and is not kept out, is a member;
//! - **EventuallyAllSameEpoch**: all members hold one epoch and one roster, which is exactly they;
//! - **NoLostIntent**: whom a member that never died wanted out was out;
//! - **NoWedge**: a further commit goes through; **LockEventuallyFree**: and the lock is not held after it;
//! - **RemovedCannotDerive**, once more: a copy of a removed member's state, kept from before, gets nowhere;
//! - **InsiderRemovedInTime**, **JoinBesideInsiderInTime**: a member that attacks delays its removal and a join by two
//!   leases at most; **InsiderRemovesNobody**: what only it wants does not happen, where policies say so;
//!   **ReturnsAreRated**: it is let in again and again, but not that often.

mod acting;
mod adversary;
mod attacking;
mod drawing;
mod insider;
pub mod mutants;
mod profiles;
mod scenario;
mod settling;
pub mod shrinking;
pub mod slowdown;
mod turncoat;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use self::adversary::Adversary;
pub use self::adversary::{Attacks, Habits};
pub use self::profiles::Profile;
pub use self::scenario::{Op, Scenario};
use self::turncoat::Insider;
pub use self::turncoat::{BOUND, InsiderStats};
use super::faults::SignedReceipts;
use super::media::{MediaConfig, MediaPlane, MediaStats};
use super::network::{Network, NetworkConfig, Receipts};
use super::witness::Violation;
use crate::config::Config;
use crate::engine::Engine;
use crate::event::Command;
use crate::participant::{Participant, Phase};
use crate::policy::Committers;
use crate::snapshot::Snapshot;
use crate::tracks::{GroupName, SenderId};

/// How long everyone has to agree once the faults stop, in virtual time.
pub const PATIENCE: Duration = Duration::from_secs(400);

/// Makes the engine of a participant, by its name and which of its runs it is.
pub type Engines<E> = Box<dyn Fn(&str, u64) -> E>;

/// What a simulation runs on.
pub struct Kit<E: Engine> {
    /// The engine of a participant, by name, in its first run (0) or a later one.
    pub engine: Engines<E>,
    /// The service's signer and its public key, for scenarios with receipts.
    pub receipts: Option<(Receipts, Bytes)>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Steps of the network.
    pub steps: u64,
    /// The first thing that was wrong.
    pub failure: Option<Violation>,
    /// Digest of everything that happened.
    pub digest: u64,
    /// The draws, to run the same again without the seed.
    pub choices: Vec<u16>,
    /// The log's last lines, if something was wrong.
    pub tail: String,
    /// What a member achieved that turned hostile, if one did.
    pub insider: Option<InsiderStats>,
    /// No participant that ran held the group at the end, and all that waited were notified.
    pub orphaned: bool,
    /// What became of the media, where the run came to an agreement: without one nobody can say which
    /// objects never open.
    pub media: Option<MediaStats>,
}

impl Kit<super::symbolic::SymbolicEngine> {
    /// Without cryptography.
    pub fn symbolic() -> Self {
        use super::symbolic::{SymbolicEngine, SymbolicReceipts};
        let key = Bytes::from_static(b"service key");
        Self {
            // Names of participants are short enough for every rule.
            engine: Box::new(|name, life| match SymbolicEngine::new(name) {
                Ok(engine) => engine.incarnation(life),
                Err(_) => unreachable!("{name}"),
            }),
            receipts: Some((Receipts::by(SymbolicReceipts(key.clone())), key)),
        }
    }
}

impl Kit<super::seeded_crypto::SeededEngine> {
    /// Over mls-rs, with draws that follow from `seed`.
    pub fn mls(seed: u64) -> Self {
        use super::seeded_crypto::seeded_engine_again;
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let public = Bytes::copy_from_slice(key.verifying_key().as_bytes());
        Self {
            engine: Box::new(move |name, life| seeded_engine_again(name, seed, life)),
            receipts: Some((Receipts::by(SignedReceipts(key)), public)),
        }
    }
}

/// Runs a scenario to its end, or to the first thing that is wrong.
pub fn run<E: Engine>(scenario: &Scenario, kit: &Kit<E>) -> Outcome {
    play(scenario, kit, None)
}

/// As [`run`], and everyone sends and receives media all the while. Nothing else happens differently.
pub fn run_with_media<E: Engine>(scenario: &Scenario, kit: &Kit<E>, media: &MediaConfig) -> Outcome {
    play(scenario, kit, Some(media))
}

fn play<E: Engine>(scenario: &Scenario, kit: &Kit<E>, media: Option<&MediaConfig>) -> Outcome {
    let mut run = Run::new(scenario, kit, media);
    let failure = run.play().err();
    let tail = failure.as_ref().map(|_| {
        let entries = run.net.log().entries();
        let last = entries.len().saturating_sub(200);
        entries.iter().skip(last).map(|e| format!("{e}\n")).collect()
    });
    Outcome {
        steps: run.steps,
        failure,
        digest: run.net.log().digest(),
        choices: run.net.choices().to_vec(),
        tail: tail.unwrap_or_default(),
        insider: run.insider.as_ref().map(|insider| insider.stats),
        orphaned: run.orphaned,
        media: run.media,
    }
}

struct Run<'a, E: Engine> {
    scenario: &'a Scenario,
    kit: &'a Kit<E>,
    net: Network<E>,
    config: Config,
    steps: u64,
    names: Vec<String>,
    ids: Vec<SenderId>,
    lives: BTreeMap<usize, u64>,
    joined: BTreeSet<usize>,
    /// Killed, and to be started again before everyone must agree.
    down: BTreeSet<usize>,
    /// Killed for good.
    lost: BTreeSet<usize>,
    /// Whom a member wanted out, from which epoch on, and whether that member died since.
    unwanted: BTreeMap<usize, (usize, u64, bool)>,
    /// Who asked to leave and never died since.
    leaving: BTreeSet<usize>,
    stolen: Option<(usize, Snapshot)>,
    reset: bool,
    orphaned: bool,
    media: Option<MediaStats>,
    adversary: Adversary,
    insider: Option<Insider<E>>,
}

type Judged = Result<(), Violation>;

impl<'a, E: Engine> Run<'a, E> {
    fn new(scenario: &'a Scenario, kit: &'a Kit<E>, media: Option<&MediaConfig>) -> Self {
        let mut setup = NetworkConfig::new(scenario.seed);
        setup.faults = scenario.faults.clone();
        setup.counter.lease = scenario.lease;
        setup.choices = scenario.choices.clone();
        setup.flaw = scenario.flaw;
        setup.service_flaw = scenario.service_flaw;
        setup.tokens = scenario.tokens;
        // The name is a constant of this crate's rules.
        let group = GroupName::try_from("room").unwrap_or_else(|_| unreachable!());
        let mut config = Config::new(group);
        config.params.mode = scenario.mode;
        config.params.commit_tracks = scenario.commit_tracks;
        config.params.tree_objects = scenario.trees;
        config.tree_threshold = 2;
        if let (true, Some((signer, key))) = (scenario.receipts, &kit.receipts) {
            setup.receipts = signer.clone();
            config.params.service_key = Some(key.clone());
        }
        if scenario.profile == Profile::Insider {
            // Who is to be removed is for the first member to say.
            let host = (kit.engine)("u0", 0).sender_id().clone();
            config.policy.removes = Committers::Only(BTreeSet::from([host]));
        }
        let mut net = Network::new(setup);
        net.watch();
        let adversary = Adversary::new(scenario.seed, net.now());
        if let Some(media) = media {
            net.enable_media(media.clone(), scenario.seed);
        }
        let mut run = Self {
            scenario,
            kit,
            net,
            config,
            steps: 0,
            names: Vec::new(),
            ids: Vec::new(),
            lives: BTreeMap::new(),
            joined: BTreeSet::new(),
            down: BTreeSet::new(),
            lost: BTreeSet::new(),
            unwanted: BTreeMap::new(),
            leaving: BTreeSet::new(),
            stolen: None,
            reset: false,
            orphaned: false,
            media: None,
            adversary,
            insider: None,
        };
        for who in 0..scenario.participants {
            run.add(format!("u{who}"));
        }
        run
    }

    fn add(&mut self, name: String) -> usize {
        let engine = (self.kit.engine)(&name, 0);
        self.ids.push(engine.sender_id().clone());
        self.names.push(name);
        self.net.add(engine, self.config.clone()).unwrap_or(usize::MAX)
    }

    fn fail(&self, invariant: &'static str, who: usize, detail: String) -> Judged {
        Err(Violation { invariant, at: self.net.now(), who, detail })
    }

    /// Nothing may be wrong so far.
    fn judge(&self) -> Judged {
        if let Some(violation) = self.net.violations().first() {
            return Err(violation.clone());
        }
        match self.net.failures().first() {
            Some((who, error)) => self.fail("NoPanic", *who, error.clone()),
            None => Ok(()),
        }
    }

    fn wait(&mut self, time: Duration) -> Judged {
        let end = self.net.now().after(time);
        loop {
            let step = self.net.next_at().filter(|at| *at <= end);
            let attack = self.next_attack().filter(|at| *at <= end);
            match (step, attack) {
                (step, Some(attack)) if step.is_none_or(|step| attack <= step) => {
                    self.net.run_for(attack.since(self.net.now()));
                    self.attack();
                }
                (Some(_), _) => {
                    self.net.step();
                }
                (None, _) => break,
            }
            self.steps = self.steps.saturating_add(1);
            self.watch_insider();
            self.judge()?;
        }
        self.net.run_for(end.since(self.net.now()));
        Ok(())
    }

    fn play(&mut self) -> Judged {
        for op in &self.scenario.steps {
            self.act(op)?;
        }
        self.calm()?;
        self.agree()?;
        self.judge_insider()?;
        if !self.orphaned && !self.reset {
            self.go_on()?;
            self.media = self.net.media().map(MediaPlane::stats);
            self.try_stolen()?;
        }
        Ok(())
    }

    fn name(&self, who: usize) -> &str {
        self.names.get(who).map_or("", String::as_str)
    }

    fn member(&self, who: usize) -> Option<&Participant<E>> {
        self.net.peer(who).filter(|p| p.phase() == Phase::Member)
    }

    /// Passes on a request of the user; what the machine calls misuse at this moment is no failure.
    fn command(&mut self, who: usize, command: Command) {
        let _ = self.net.command(who, command);
    }
}
