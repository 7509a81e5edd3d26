//! The run of a mixed group, drawn from a seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use moq_mls::engine::Engine;
use moq_mls::tracks::{GroupName, SenderId};
use moq_mls::{Command, Config, SafetyMode, Timestamp};
use openmls::prelude::Ciphersuite;

use crate::counter::Request;
use crate::mixed::{Mixed, Who};
use crate::mls::Style;
use crate::ours;
use crate::output::say;
use crate::peer::{DieAt, Peer, Phase};
use crate::random::Random;

const GROUP: &str = "room";

/// What is drawn before anything happens.
pub struct Scenario {
    pub seed: u64,
    pub mode: SafetyMode,
    pub trace: bool,
}

/// What came of it.
pub struct Outcome {
    pub epochs: u64,
    pub comparisons: u64,
}

/// Who is there, and what became of them.
struct Life<E: Engine, F> {
    mixed: Mixed<E>,
    engines: Vec<F>,
    members: Vec<Who>,
    /// Whose removal was asked for.
    removed: Vec<Who>,
    mode: SafetyMode,
    random: Random,
    trace: bool,
    told: Vec<String>,
}

impl Scenario {
    pub fn run(&self) -> Result<Outcome> {
        let mut random = Random::new(self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ self.mode as u64);
        let suite = random.between(1, 3) as u16;
        let openmls = Ciphersuite::try_from(suite).map_err(|e| anyhow!("suite: {e:?}"))?;
        let pinned = self.mode == SafetyMode::Pinned;
        let delays = match random.between(0, 3) {
            0 => (0, 0),
            1 => (5, 20),
            2 => (0, 300),
            // Longer than a lease in sum, which only pins survive.
            _ if pinned => (0, 1_500),
            _ => (50, 250),
        };
        // OpenMLS judges lifetimes by the machine's clock.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let start = Timestamp::from_secs(now.as_secs());
        let threshold = random.chance(50).then_some(random.between(2, 5) as usize);
        let mut config = Config::new(GroupName::try_from(GROUP)?);
        config.params.mode = self.mode;
        config.params.tree_objects = threshold.is_some();
        config.tree_threshold = threshold.unwrap_or(config.tree_threshold);
        let size = random.between(2, 8) as usize;
        let ours_first = random.chance(50);
        let kinds: Vec<bool> = (0..size).map(|at| (at % 2 == 0) == ours_first).collect();
        let mut life = Life {
            mixed: Mixed::new(start, GROUP, delays, self.seed),
            engines: Vec::new(),
            members: Vec::new(),
            removed: Vec::new(),
            mode: self.mode,
            random,
            trace: self.trace,
            told: Vec::new(),
        };
        let mut all = Vec::new();
        for (at, is_ours) in kinds.into_iter().enumerate() {
            let name = format!("p{at}");
            all.push(if is_ours {
                let engine = ours::keys(&name, suite)?;
                let who = life.mixed.world.add(engine()?, config.clone())?;
                life.engines.push(engine);
                Who::Ours(who)
            } else {
                let style = Style {
                    pinned,
                    tree_objects: threshold.is_some() && pinned,
                    public: !pinned && life.random.chance(50),
                    without_path: !pinned && life.random.chance(50),
                    by_reference: !pinned && life.random.chance(50),
                    lifetime: match life.random.between(0, 2) {
                        _ if pinned => 3_600,
                        0 => 24 * 3_600,
                        // OpenMLS's own, and the longest that OpenMLS takes.
                        _ => 84 * 24 * 3_600,
                    },
                };
                let seed = life.random.next();
                Who::Peer(life.mixed.add_peer(Peer::new(&name, GROUP, openmls, style, seed)?))
            });
        }
        life.note(|| format!("{:?} suite {suite} delays {delays:?} tree {threshold:?} {all:?}", self.mode));
        life.run(all).with_context(|| life.summary())
    }
}

impl<E: Engine, F: Fn() -> Result<E>> Life<E, F> {
    fn note(&mut self, what: impl FnOnce() -> String) {
        let line = what();
        if self.trace {
            say!("{} {line}", self.mixed.now());
        }
        self.told.push(line);
    }

    fn summary(&self) -> String {
        let mut lines = self.told.clone();
        for (at, peer) in self.mixed.peers.iter().enumerate() {
            lines.push(format!("peer {at}: {:?} at {:?}, {:?}", peer.phase, peer.epoch(), peer.troubles));
        }
        for at in 0..self.mixed.world.len() {
            let notices: Vec<_> =
                self.mixed.world.notices(at).iter().map(|(_, n)| format!("{n:?}")).collect();
            let tail = notices.len().saturating_sub(6);
            let phase = self.mixed.world.peer(at).map(|p| (p.phase(), p.epoch()));
            lines.push(format!("ours {at}: {phase:?} {:?}", &notices[tail..]));
        }
        lines.join("\n  ")
    }

    fn run(&mut self, all: Vec<Who>) -> Result<Outcome> {
        let at_first = self.random.between(2, all.len() as u64) as usize;
        let mut to_come: Vec<Who> = all[at_first..].to_vec();
        let together = self.random.chance(50);
        for who in &all[..at_first] {
            self.join(*who)?;
            if !together {
                let wait = self.random.between(0, 1_500);
                self.mixed.run_for(Duration::from_millis(wait))?;
            }
        }
        self.settle("the first met")?;
        for _ in 0..self.random.between(3, 7) {
            self.act(&mut to_come)?;
            if self.random.chance(50) {
                self.settle("meanwhile")?;
            } else {
                let wait = self.random.between(0, 2_000);
                self.mixed.run_for(Duration::from_millis(wait))?;
            }
        }
        let epochs = self.settle("in the end")?;
        Ok(Outcome { epochs, comparisons: self.mixed.comparisons })
    }

    /// Runs until exactly those agree that should be in.
    fn settle(&mut self, when: &str) -> Result<u64> {
        let members = self.members.clone();
        // Who was asked to remove a member may have died or been removed itself: its user, or another, asks again.
        for _ in 0..3 {
            if self.mixed.run_until(Duration::from_secs(60), |mixed| mixed.agree(&members).is_ok())? {
                break;
            }
            for other in self.removed.clone() {
                if let Some(who) = self.random.pick(&self.inside()) {
                    self.remove(who, other)?;
                }
            }
        }
        self.mixed.agree(&members).map_err(|why| anyhow!("{when}: {why}"))
    }

    fn join(&mut self, who: Who) -> Result<()> {
        self.note(|| format!("{who:?} joins"));
        self.members.push(who);
        match who {
            Who::Ours(at) => {
                self.mixed.world.command(at, Command::Join)?;
                self.mixed.after_ours()
            }
            Who::Peer(at) => self.mixed.with_peer(at, |peer, now| peer.start(now)),
        }
    }

    /// Those who are members now and should stay.
    fn inside(&self) -> Vec<Who> {
        self.members.iter().copied().filter(|who| self.mixed.epoch(*who).is_some()).collect()
    }

    /// Whether the group can do without a member. With the draft alone, nobody heals a counter whose committer died
    /// between publish and increment: one of ours has to stay.
    fn can_go(&self, who: Who) -> bool {
        let others = self.members.iter().filter(|other| **other != who);
        self.mode == SafetyMode::Pinned || others.into_iter().any(|other| matches!(other, Who::Ours(_)))
    }

    fn act(&mut self, to_come: &mut Vec<Who>) -> Result<()> {
        let inside = self.inside();
        let Some(who) = self.random.pick(&inside) else { return Ok(()) };
        let other = self.random.pick(&inside).filter(|other| *other != who && self.can_go(*other));
        match self.random.between(0, 9) {
            0 | 1 if !to_come.is_empty() => {
                let next = to_come.remove(0);
                self.join(next)
            }
            0..=2 => self.update(who),
            3 if inside.len() > 2 && self.can_go(who) => self.leave(who),
            4 if inside.len() > 2 => match other {
                Some(other) => self.remove(who, other),
                None => self.update(who),
            },
            5 | 6 => self.die_committing(who),
            7 => self.die_and_come_back(who),
            8 => self.hog(),
            _ => self.update(who),
        }
    }

    fn update(&mut self, who: Who) -> Result<()> {
        self.note(|| format!("{who:?} updates"));
        match who {
            Who::Ours(at) => {
                self.mixed.world.command(at, Command::Update)?;
                self.mixed.after_ours()
            }
            Who::Peer(at) => self.mixed.with_peer(at, |peer, now| peer.ask_for_update(now)),
        }
    }

    fn leave(&mut self, who: Who) -> Result<()> {
        self.note(|| format!("{who:?} leaves"));
        self.members.retain(|member| *member != who);
        match who {
            Who::Ours(at) => {
                self.mixed.world.command(at, Command::Leave)?;
                self.mixed.after_ours()
            }
            Who::Peer(at) => self.mixed.with_peer(at, |peer, now| peer.leave(now)),
        }
    }

    fn remove(&mut self, who: Who, other: Who) -> Result<()> {
        self.note(|| format!("{who:?} removes {other:?}"));
        self.members.retain(|member| *member != other);
        if !self.removed.contains(&other) {
            self.removed.push(other);
        }
        let sender = self.mixed.sender(other);
        match who {
            Who::Ours(at) => {
                let sender = SenderId::new(sender.into_bytes())?;
                self.mixed.world.command(at, Command::Remove(sender))?;
                self.mixed.after_ours()
            }
            Who::Peer(at) => self.mixed.with_peer(at, |peer, now| peer.remove(now, sender)),
        }
    }

    /// A committer dies at some point of its commit. Ours come back with their state, a peer without.
    fn die_committing(&mut self, who: Who) -> Result<()> {
        match who {
            Who::Ours(at) => {
                let actions = self.random.between(1, 8);
                self.note(|| format!("{who:?} updates and dies after {actions} actions"));
                self.mixed.world.command(at, Command::Update)?;
                self.mixed.after_ours()?;
                self.mixed.world.crash_after(at, actions);
            }
            Who::Peer(at) => {
                let points = [DieAt::Locked, DieAt::Published, DieAt::Filled];
                let mut point = self.random.pick(&points).context("a point")?;
                if point == DieAt::Published && !self.can_go(who) {
                    point = DieAt::Locked;
                }
                self.note(|| format!("{who:?} updates and dies: {point:?}"));
                self.mixed.with_peer(at, |peer, now| {
                    peer.die_at = Some(point);
                    peer.ask_for_update(now);
                })?;
            }
        }
        let wait = self.random.between(500, 4_000);
        self.mixed.run_for(Duration::from_millis(wait))?;
        self.bring_back(who)
    }

    fn die_and_come_back(&mut self, who: Who) -> Result<()> {
        self.note(|| format!("{who:?} dies"));
        match who {
            Who::Ours(at) => self.mixed.world.crash(at),
            Who::Peer(at) => self.mixed.kill(at),
        }
        let wait = self.random.between(100, 4_000);
        self.mixed.run_for(Duration::from_millis(wait))?;
        self.bring_back(who)
    }

    fn bring_back(&mut self, who: Who) -> Result<()> {
        self.note(|| format!("{who:?} is back"));
        match who {
            Who::Ours(at) => {
                let engine = (self.engines[at])()?;
                self.mixed.world.restart(at, engine)?;
                self.mixed.after_ours()
            }
            Who::Peer(at) => {
                if self.mixed.peers[at].phase != Phase::Down {
                    self.mixed.kill(at);
                }
                self.mixed.with_peer(at, |peer, now| peer.start(now))
            }
        }
    }

    /// Takes the lock for a client that lets it lapse.
    fn hog(&mut self) -> Result<()> {
        self.note(|| "a client takes the lock and lets it lapse".to_owned());
        let slot = self.inside().iter().filter_map(|who| self.mixed.epoch(*who)).max().unwrap_or(0) + 1;
        self.mixed.ask_service(&Request::Lock(slot))?;
        let inside = self.inside();
        match self.random.pick(&inside) {
            Some(who) => self.update(who),
            None => Ok(()),
        }
    }
}
