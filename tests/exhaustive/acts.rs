//! What can happen next in a world, with a text form: a counterexample is a list of these lines.

use std::fmt;

use moq_mls::action::Timer;

/// One thing that happens. Participants are numbered; `at` is an object's place, `id` its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Act {
    /// A timer of a participant fires.
    Fire(u8, Timer),
    /// The service handles a request; its answer is on its way.
    Serve(u8, u64),
    /// The service handles a request once more, and nobody hears the answer.
    Again(u8, u64),
    /// The answer arrives.
    Answer(u8, u64),
    /// The participant gives up waiting: the request may still arrive, its answer will not.
    GiveUp(u8, u64),
    /// A request that its participant gave up arrives.
    Late(u64),
    /// A published object reaches the relay.
    Arrive(u64),
    /// The relay gives a participant an object.
    Deliver(u8, u64),
    /// The lock's lease ends.
    Lapse,
    /// A participant dies for good.
    Crash(u8),
    /// A participant dies and starts again from what was durable.
    Restart(u8),
    /// The service loses its state.
    Reset,
    /// A malicious member publishes a commit without asking anybody.
    Rogue(u8),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fire(p, timer) => write!(f, "p{p} timer {timer:?}"),
            Self::Serve(p, id) => write!(f, "service handles request {id} of p{p}"),
            Self::Again(p, id) => write!(f, "service handles request {id} of p{p} once more"),
            Self::Answer(p, id) => write!(f, "p{p} hears answer {id}"),
            Self::GiveUp(p, id) => write!(f, "p{p} gives up request {id}"),
            Self::Late(id) => write!(f, "service handles late request {id:016x}"),
            Self::Arrive(id) => write!(f, "relay gets {id:016x}"),
            Self::Deliver(p, id) => write!(f, "p{p} gets {id:016x}"),
            Self::Lapse => f.write_str("the lock lapses"),
            Self::Crash(p) => write!(f, "p{p} dies"),
            Self::Restart(p) => write!(f, "p{p} restarts"),
            Self::Reset => f.write_str("the service loses its state"),
            Self::Rogue(p) => write!(f, "p{p} publishes a commit without the lock"),
        }
    }
}

/// An act, and perhaps a crash of its participant in the middle of what it does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    pub(crate) act: Act,
    /// The participant dies after this many of the things it does; restarts if `back`.
    pub(crate) dies: Option<(u8, bool)>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.act.fmt(f)?;
        match self.dies {
            None => Ok(()),
            Some((after, false)) => write!(f, ", and dies after {after} of its actions"),
            Some((after, true)) => write!(f, ", and restarts after {after} of its actions"),
        }
    }
}

impl From<Act> for Step {
    fn from(act: Act) -> Self {
        Self { act, dies: None }
    }
}
