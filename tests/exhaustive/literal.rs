//! The draft's order to the letter (its sections 6.3.1, 6.3.2 and 7), as small as can be: three members take
//! the lock of the next epoch, publish a commit, and increment; a member that gets a commit applies it.
//!
//! Not this crate's machine: it is here to be found forking and wedging, so that the check is known to see both.

use std::collections::BTreeSet;
use std::fmt;

use stateright::{Model, Property};

use crate::search::Kind;

const MEMBERS: u8 = 3;
/// The last epoch that is looked at.
const LAST: u8 = 2;

/// Who made which epoch.
type Commit = (u8, u8);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// Holds the lock; its commit is not published yet.
    Locked,
    /// Published, and about to increment.
    Published,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Each member's history: the committer of each epoch's commit.
    logs: [Vec<u8>; MEMBERS as usize],
    phases: [Phase; MEMBERS as usize],
    relay: BTreeSet<(Commit, Vec<u8>)>,
    counter: u8,
    lock: Option<u8>,
    crashes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Lock(u8),
    Publish(u8),
    Increment(u8),
    Receive(u8, Commit),
    Lapse,
    Die(u8),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(m) => write!(f, "m{m} takes the lock"),
            Self::Publish(m) => write!(f, "m{m} publishes its commit"),
            Self::Increment(m) => write!(f, "m{m} increments, and applies its commit if it may"),
            Self::Receive(m, (by, epoch)) => {
                write!(f, "m{m} gets m{by}'s commit of epoch {epoch} and applies it")
            }
            Self::Lapse => f.write_str("the lock lapses"),
            Self::Die(m) => write!(f, "m{m} dies"),
        }
    }
}

impl State {
    fn epoch(&self, member: u8) -> u8 {
        self.logs[member as usize].len() as u8
    }

    pub(crate) fn forked(&self) -> bool {
        self.logs.iter().any(|a| self.logs.iter().any(|b| a.iter().zip(b).any(|(x, y)| x != y)))
    }

    /// A fork is another matter than a wedge.
    pub(crate) fn kind(&self) -> Kind {
        if self.forked() {
            return Kind::Beyond;
        }
        let living = (0..MEMBERS).filter(|m| self.phases[*m as usize] != Phase::Dead);
        if living.clone().all(|m| self.epoch(m) == LAST) { Kind::Good } else { Kind::Open }
    }
}

/// The model.
#[derive(Clone, Copy)]
pub(crate) struct Literal {
    pub(crate) crashes: u8,
}

impl Model for Literal {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            logs: Default::default(),
            phases: [Phase::Idle, Phase::Idle, Phase::Idle],
            relay: BTreeSet::new(),
            counter: 0,
            lock: None,
            crashes: self.crashes,
        }]
    }

    fn actions(&self, state: &State, out: &mut Vec<Act>) {
        for member in 0..MEMBERS {
            match state.phases[member as usize] {
                // The value that the next epoch takes; a lock for any other is a CounterError.
                Phase::Idle if state.epoch(member) < LAST => {
                    if state.lock.is_none() && state.counter == state.epoch(member) {
                        out.push(Act::Lock(member));
                    }
                }
                Phase::Locked => out.push(Act::Publish(member)),
                Phase::Published => out.push(Act::Increment(member)),
                Phase::Idle | Phase::Dead => {}
            }
            if state.phases[member as usize] == Phase::Idle {
                for (commit, base) in &state.relay {
                    if commit.0 != member && *base == state.logs[member as usize] {
                        out.push(Act::Receive(member, *commit));
                    }
                }
            }
            if state.crashes > 0 && state.phases[member as usize] != Phase::Dead {
                out.push(Act::Die(member));
            }
        }
        if state.lock.is_some() {
            out.push(Act::Lapse);
        }
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        let mut next = state.clone();
        match act {
            Act::Lock(member) => {
                next.lock = Some(member);
                next.phases[member as usize] = Phase::Locked;
            }
            Act::Publish(member) => {
                let base = state.logs[member as usize].clone();
                next.relay.insert(((member, base.len() as u8), base));
                next.phases[member as usize] = Phase::Published;
            }
            Act::Increment(member) => {
                next.phases[member as usize] = Phase::Idle;
                // Fenced by who holds the lock: without that it forks sooner.
                if state.lock == Some(member) {
                    next.lock = None;
                    next.counter += 1;
                    next.logs[member as usize].push(member);
                }
            }
            Act::Receive(member, (by, _)) => next.logs[member as usize].push(by),
            Act::Lapse => next.lock = None,
            Act::Die(member) => {
                next.crashes -= 1;
                next.phases[member as usize] = Phase::Dead;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("AgreementOnEpoch", |_, state: &State| !state.forked())]
    }
}
