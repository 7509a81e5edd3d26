//! Goes through every state of a row: safety by `stateright`, and on the same model, whether agreement
//! stays within reach from each state (AG EF), by a backward search from the good ones.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

use moq_mls::Phase;
use moq_mls::counter::service::Slot;
use moq_mls::engine::Engine;
use moq_mls::testing::witness::SAFETY;
use stateright::{Checker, Model, Property};

use crate::acts::Step;
use crate::capsule;
use crate::rows::{Expect, Row, Size};
use crate::world::{Machine, World, digest};

/// Where nothing proves that the group is lost, nobody goes over to a successor.
pub(crate) const STAYS: &str = "NobodyGoesOverOnSilence";

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) states: usize,
    pub(crate) seconds: u64,
}

/// A row as a model.
#[derive(Clone)]
pub(crate) struct Space(pub(crate) Row);

fn intact(world: &World, name: &str) -> bool {
    world.broken != Some(name)
}

impl Model for Space {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.0)]
    }

    fn actions(&self, world: &World, out: &mut Vec<Step>) {
        if world.broken.is_none() {
            world.steps(&self.0, out);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        world.after(&self.0, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // A property's condition may not capture its name: each is spelled out by its place in the one list.
        macro_rules! always {
            ($($at:literal)+) => {
                vec![$(Property::always(SAFETY[$at], |_, w: &World| intact(w, SAFETY[$at])),)+]
            };
        }
        let mut all = always!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        assert_eq!(all.len(), SAFETY.len());
        all.push(Property::always(STAYS, |_, w: &World| intact(w, STAYS)));
        all
    }
}

/// What a state is to the question whether agreement stays within reach.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    /// No running participant holds the group: only a new generation can help.
    Orphaned,
    /// Beyond what the row judges.
    Beyond,
    Open,
}

fn kind(world: &World, row: &Row) -> Kind {
    // What a malicious member did to itself is not the group's trouble.
    let honest = world.peers.iter().enumerate().filter(|(who, _)| row.rogue != Some(*who));
    let living: Vec<_> = honest.filter_map(|(_, p)| p.machine()).collect();
    let members: Vec<_> = living.iter().filter(|m| m.phase() == Phase::Member).collect();
    let agreed = members.windows(2).all(|w| w[0].context_hash() == w[1].context_hash());
    let here: Vec<_> = living.iter().filter(|m| m.phase() != Phase::Ended).collect();
    let all_in = here.iter().all(|m| m.phase() == Phase::Member);
    let pinned = world.counter.next().checked_sub(1).map(|newest| world.counter.slot(newest));
    let dead =
        matches!(pinned, Some(Slot::Pinned(pin)) if pin.slot_lock() == [7; 32]) && row.budget.wrong_locks > 0;
    let moved = |m: &Machine| m.epoch_base() > 0;
    let good = if row.recovers && living.iter().any(|m| m.inside().recovers || moved(m)) {
        // All meet again, in one successor.
        all_in && agreed && members.iter().all(|m| moved(m))
    } else if dead && row.flaw.is_none() && !row.recovers {
        // Only a successor helps. Until then all stay in the epoch before, whole, and know it.
        agreed && members.iter().all(|m| m.inside().dead && m.epoch() == world.counter.next().checked_sub(2))
    } else if world.was_reset {
        // A group whose counter is lost stops, and says so: [`ServiceFault`](moq_mls::notice::ServiceFault).
        // That a newcomer may found another one is R3 of the notes; it has nothing to stop for.
        let before = world.peers.iter().take(row.members).filter_map(|p| p.machine());
        let mut members = before.filter(|m| m.phase() == Phase::Member);
        members.all(|m| m.inside().halted || m.epoch() == Some(row.last()))
    } else if row.joins {
        world.peers[row.members..].iter().filter_map(|p| p.machine()).all(|m| m.phase() == Phase::Member)
    } else if row.committers > 0 {
        all_in && agreed && members.iter().all(|m| m.epoch() == Some(row.last()))
    } else {
        let unwanted = row.remove.map(|(_, whom)| World::engine(whom, 0).sender_id().clone());
        let has_it = |m: &Machine| m.members().any(|member| Some(&member.sender) == unwanted.as_ref());
        all_in && agreed && !members.iter().any(|m| has_it(m))
    };
    if good {
        return Kind::Good;
    }
    // In the other modes the service does not say whose genesis it was.
    let founder = living.iter().filter_map(|m| m.inside().genesis).any(|pin| match world.counter.slot(0) {
        Slot::Pinned(first) => first == pin,
        _ => true,
    });
    let recovers = row.recovers && living.iter().any(|m| m.inside().recovers);
    if world.counter.next() > 0 && members.is_empty() && !founder && !recovers {
        return Kind::Orphaned;
    }
    let past = members.iter().any(|m| m.epoch().is_some_and(|e| e >= row.last()));
    if row.joins && (world.counter.next() > row.last() || past || world.anything_at(row.last() - 1)) {
        return Kind::Beyond;
    }
    Kind::Open
}

/// What was found.
pub(crate) struct Report {
    row: Row,
    states: usize,
    transitions: usize,
    complete: bool,
    seconds: f32,
    violation: Option<(String, Vec<String>)>,
    wedged: Option<usize>,
    orphaned: usize,
    wedge: Option<Vec<String>>,
}

impl Report {
    /// Holds what was found against what is expected.
    pub(crate) fn hold(&self) {
        let name = self.row.name;
        if self.row.expect == Expect::Holds {
            match (&self.violation, &self.wedge) {
                (Some((invariant, steps)), _) => capsule::keep(&self.row, invariant, steps),
                (None, Some(steps)) => capsule::keep(&self.row, "NoWedge", steps),
                (None, None) => {}
            }
        }
        match self.row.expect {
            Expect::Holds => {
                assert!(self.violation.is_none(), "{name}\n{}", self.failure());
                assert_eq!(self.wedged.unwrap_or(0), 0, "{name}\n{}", self.failure());
            }
            Expect::Wedges => {
                assert!(self.violation.is_none(), "{name}\n{}", self.failure());
                // A large row that was stopped is not judged.
                let stopped = self.wedged.is_none() && self.row.size == Size::Large;
                if stopped {
                    println!("{name}: not judged: it was stopped before a wedge could be found");
                }
                assert!(stopped || self.wedged.is_some_and(|n| n > 0), "{name}: no wedge was found");
            }
            Expect::Breaks(invariant) => {
                let found = self.violation.as_ref().map(|(name, _)| name.as_str());
                assert_eq!(found, Some(invariant), "{name}");
            }
        }
    }

    fn failure(&self) -> String {
        let (title, steps) = match (&self.violation, &self.wedge) {
            (Some((title, steps)), _) => (title.clone(), steps.clone()),
            (None, Some(steps)) => ("wedge".to_owned(), steps.clone()),
            (None, None) => return String::new(),
        };
        format!("{title} in {} steps:\n  {}", steps.len(), steps.join("\n  "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, states, transitions, complete, seconds, .. } = self;
        let extent = if *complete { "complete" } else { "to a bound" };
        write!(f, "{}: {states} states, {transitions} transitions, {extent}, {seconds:.1} s", row.name)?;
        match &self.violation {
            Some((name, steps)) => write!(f, "; {name} broken in {} steps", steps.len())?,
            None => write!(f, "; safe")?,
        }
        match self.wedged {
            Some(wedged) => write!(f, "; {wedged} wedged, {} orphaned", self.orphaned)?,
            None if self.violation.is_none() => write!(f, "; liveness not judged")?,
            None => {}
        }
        let short = row.name.split(' ').next().unwrap_or_default().to_lowercase();
        write!(f, "\nfigure exhaustive_{short}_states {states} states")
    }
}

/// The shortest way to a violation, by `stateright` alone.
pub(crate) fn shortest<M>(model: M, limits: &Limits) -> Option<(String, Vec<String>)>
where
    M: Model<Action: ToString> + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + fmt::Debug + PartialEq,
{
    let checker = model
        .checker()
        .threads(1)
        .timeout(Duration::from_secs(limits.seconds))
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let found = checker.discoveries().into_iter().next();
    found.map(|(name, path)| (name.to_owned(), path.into_actions().iter().map(ToString::to_string).collect()))
}

/// Checks a row.
pub(crate) fn run(row: &Row, limits: &Limits) -> Report {
    let start = Instant::now();
    let space = Space(row.clone());
    let mut report = Report {
        row: row.clone(),
        states: 0,
        transitions: 0,
        complete: false,
        seconds: 0.0,
        violation: None,
        wedged: None,
        orphaned: 0,
        wedge: None,
    };
    if let Expect::Breaks(_) = row.expect {
        // It must be found, however slow the machine.
        let patient = Limits { seconds: limits.seconds.max(900), ..*limits };
        report.violation = shortest(space, &patient);
    } else {
        let (graph, end) = Graph::explore(&space, |w| kind(w, row), |w| w.broken.is_some(), limits);
        match end {
            End::Complete => {
                let wedged = graph.wedged();
                report.wedge = wedged.first().map(|at| {
                    let (mut way, world) = graph.way_to(&space, *at);
                    way.push(format!("{world:?}"));
                    way
                });
                report.wedged = Some(wedged.len());
                report.complete = true;
            }
            End::Broken => report.violation = shortest(space, limits),
            End::Limits => {}
        }
        report.states = graph.kinds.len();
        report.transitions = graph.edges.len();
        report.orphaned = graph.kinds.iter().filter(|k| **k == Kind::Orphaned).count();
    }
    report.seconds = start.elapsed().as_secs_f32();
    report
}

/// How an exploration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// An invariant does not hold.
    Broken,
    Limits,
}

/// The states by number, and what leads where.
#[derive(Default)]
pub(crate) struct Graph {
    numbers: HashMap<u64, u32>,
    pub(crate) kinds: Vec<Kind>,
    /// To, from.
    edges: Vec<(u32, u32)>,
    /// From where each was first reached.
    parents: Vec<u32>,
}

impl Graph {
    /// Goes depth first, which keeps few states in memory at a time.
    pub(crate) fn explore<M: Model<State: Hash>>(
        model: &M,
        kind: impl Fn(&M::State) -> Kind,
        broken: impl Fn(&M::State) -> bool,
        limits: &Limits,
    ) -> (Self, End)
    where
        M::Action: Clone,
    {
        let start = Instant::now();
        let mut graph = Self::default();
        let mut open = Vec::new();
        for state in model.init_states() {
            open.push((graph.add(&state, &kind, 0).0, state));
        }
        let mut steps = Vec::new();
        while let Some((from, state)) = open.pop() {
            if graph.kinds.len() > limits.states || start.elapsed().as_secs() > limits.seconds {
                return (graph, End::Limits);
            }
            steps.clear();
            model.actions(&state, &mut steps);
            for step in &steps {
                let Some(next) = model.next_state(&state, step.clone()) else { continue };
                let (to, new) = graph.add(&next, &kind, from);
                graph.edges.push((to, from));
                if new && broken(&next) {
                    return (graph, End::Broken);
                }
                if new {
                    open.push((to, next));
                }
            }
        }
        (graph, End::Complete)
    }

    fn add<S: Hash>(&mut self, state: &S, kind: impl Fn(&S) -> Kind, from: u32) -> (u32, bool) {
        let number = self.kinds.len() as u32;
        let found = *self.numbers.entry(digest(state)).or_insert(number);
        if found == number {
            self.kinds.push(kind(state));
            self.parents.push(from);
        }
        (found, found == number)
    }

    /// The states from which no good one can be reached, though they ought to.
    pub(crate) fn wedged(&self) -> Vec<u32> {
        let count = self.kinds.len();
        let mut offsets = vec![0_u32; count + 1];
        for (to, _) in &self.edges {
            offsets[*to as usize + 1] += 1;
        }
        for at in 0..count {
            offsets[at + 1] += offsets[at];
        }
        let mut next = offsets.clone();
        let mut before = vec![0_u32; self.edges.len()];
        for (to, from) in &self.edges {
            before[next[*to as usize] as usize] = *from;
            next[*to as usize] += 1;
        }
        let mut fine: Vec<bool> = self.kinds.iter().map(|k| *k == Kind::Good).collect();
        let mut open: Vec<usize> = (0..count).filter(|at| fine[*at]).collect();
        while let Some(at) = open.pop() {
            for edge in offsets[at]..offsets[at + 1] {
                let from = before[edge as usize] as usize;
                if !std::mem::replace(&mut fine[from], true) {
                    open.push(from);
                }
            }
        }
        (0..count as u32).filter(|at| !fine[*at as usize] && self.kinds[*at as usize] == Kind::Open).collect()
    }

    /// The steps by which the search came to a state, and the state.
    pub(crate) fn way_to<M>(&self, model: &M, at: u32) -> (Vec<String>, M::State)
    where
        M: Model<State: Hash, Action: ToString + Clone>,
    {
        let mut chain = vec![at];
        while chain[chain.len() - 1] != 0 {
            chain.push(self.parents[chain[chain.len() - 1] as usize]);
        }
        chain.reverse();
        let mut state = model.init_states().remove(0);
        let mut way = Vec::new();
        for to in &chain[1..] {
            let mut steps = Vec::new();
            model.actions(&state, &mut steps);
            let found = steps.iter().find_map(|step| {
                let next = model.next_state(&state, step.clone())?;
                (self.numbers.get(&digest(&next)) == Some(to)).then_some((step.to_string(), next))
            });
            let (step, next) = found.unwrap();
            way.push(step);
            state = next;
        }
        (way, state)
    }
}
