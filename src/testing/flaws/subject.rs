//! A participant, perhaps with a deliberate bug.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::action::{Action, Timer};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::participant::Participant;
use crate::testing::flaws::flaw::Flaw;
use crate::testing::flaws::tricks::Tricks;
use crate::time::Timestamp;

/// A participant as a driver sees it, with a deliberate bug or without.
///
/// Without one every call goes straight through, so that nothing at all differs.
#[derive(Clone)]
pub struct Subject<E: Engine> {
    participant: Participant<E>,
    tricks: Option<Box<Tricks>>,
}

impl<E: Engine> PartialEq for Subject<E>
where
    Participant<E>: PartialEq,
{
    fn eq(&self, other: &Self) -> bool {
        self.participant == other.participant && self.tricks == other.tricks
    }
}

impl<E: Engine> Eq for Subject<E> where Participant<E>: Eq {}

impl<E: Engine> Hash for Subject<E>
where
    Participant<E>: Hash,
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.participant.hash(state);
        self.tricks.hash(state);
    }
}

impl<E: Engine> From<Participant<E>> for Subject<E> {
    fn from(participant: Participant<E>) -> Self {
        Self::new(participant, None)
    }
}

impl<E: Engine> Subject<E> {
    /// Puts `flaw` around a participant that has just been made or restored.
    pub fn new(participant: Participant<E>, flaw: Option<Flaw>) -> Self {
        Self { participant, tricks: flaw.map(|flaw| Box::new(Tricks::new(flaw))) }
    }

    /// Lends the participant.
    pub fn participant(&self) -> &Participant<E> {
        &self.participant
    }

    /// Lends the participant for calls that no flaw distorts.
    pub fn participant_mut(&mut self) -> &mut Participant<E> {
        &mut self.participant
    }

    /// Gives the participant back.
    pub fn into_participant(self) -> Participant<E> {
        self.participant
    }

    /// Takes in what happened, as [`Participant::handle`].
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn handle(&mut self, now: Timestamp, event: impl Into<Event>) -> Result<(), Error> {
        match &mut self.tricks {
            None => self.participant.handle(now, event),
            Some(tricks) => tricks.handle(&mut self.participant, now, event.into()),
        }
    }

    /// Hands out the next action, as [`Participant::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        match &mut self.tricks {
            None => self.participant.poll_action(),
            Some(tricks) => tricks.poll_action(&mut self.participant),
        }
    }

    /// Lets one timer fire, as [`Participant::fire`].
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn fire(&mut self, now: Timestamp, timer: Timer) -> Result<(), Error> {
        match &mut self.tricks {
            None => self.participant.fire(timer),
            Some(tricks) => tricks.fire(&mut self.participant, now, timer),
        }
    }

    /// Forgets what makes no difference, as [`Participant::canonical`]: old request ids to new ones.
    pub fn canonical(&mut self) -> BTreeMap<u64, u64> {
        let mut renumbered = self.participant.canonical();
        if let Some(tricks) = &mut self.tricks {
            renumbered.extend(tricks.renumber());
        }
        renumbered
    }
}
