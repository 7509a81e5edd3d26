//! What a model checker needs of a participant, and what a simulation looks at (feature `testing`).
//!
//! A checker lets timers fire in any order at any moment, so times must not tell states apart; nor must
//! what is only counted, or how requests happen to be numbered.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::Pin;
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::committing::PATIENCE;
use crate::participant::deadlines::Jitter;
use crate::participant::membership::Step;
use crate::participant::turn::Wishes;
use crate::participant::{Participant, State, Stats};
use crate::request::FetchId;
use crate::time::Timestamp;
use crate::tracks::Location;

/// Parts of a participant's state that no embedder needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inside {
    /// One's own undecided commit, its pin, and the GroupContext hash of the epoch it was built on.
    pub outbox: Option<(Bytes, Pin, [u8; 32])>,
    /// The pin of the group created here, before slot 0 is decided.
    pub genesis: Option<Pin>,
    /// Commits of others held for the slot.
    pub candidates: usize,
    /// The slot is decided for a commit that is still missing.
    pub catching_up: bool,
    /// The service cannot be worked with.
    pub halted: bool,
    /// Own KeyPackages whose private keys are held.
    pub keys: usize,
    /// Welcomes kept for later.
    pub early_welcomes: usize,
    /// KeyPackages waiting to be committed.
    pub waiting: usize,
    /// Bytes of commits kept for later epochs, 256 for each counted in.
    pub later_bytes: usize,
}

impl<E: Engine> Participant<E> {
    /// The parts of the state that invariants are about.
    pub fn inside(&self) -> Inside {
        let member = self.member();
        let outbox = member.and_then(|m| m.outbox.as_ref());
        let genesis = match &self.state {
            State::Bootstrapping(bootstrap) => bootstrap.genesis.as_ref().map(|g| g.pin),
            _ => None,
        };
        Inside {
            genesis,
            outbox: outbox.map(|o| (o.commit.clone(), o.pin, o.base)),
            candidates: member.map_or(0, |m| m.candidates.len()),
            catching_up: member.is_some_and(|m| m.decided.is_some()),
            halted: member.is_some_and(|m| m.halted.is_some()),
            keys: self.keys.len(),
            early_welcomes: self.early_welcomes.len(),
            waiting: self.joiners.waiting_len(),
            later_bytes: self.later.bytes(),
        }
    }

    /// Drops every wish: a checker's world ends somewhere.
    pub fn forget_wishes(&mut self) {
        self.wishes = Wishes::default();
        self.deadlines.clear(Timer::Turn);
    }

    /// Whether a lock token may still be used for a request.
    pub fn remembers(&self, token: &Bytes) -> bool {
        let here = |id: &Option<Bytes>| id.as_ref() == Some(token);
        match &self.state {
            State::Bootstrapping(bootstrap) => here(&bootstrap.lock_id),
            State::Member(member) => {
                let step = match &member.step {
                    Step::Looking { lock_id, .. }
                    | Step::Publishing { lock_id }
                    | Step::Pinning { lock_id, .. }
                    | Step::Healing { lock_id, .. } => here(lock_id),
                    Step::Idle | Step::Locking => false,
                };
                step || member.outbox.as_ref().is_some_and(|o| here(&o.lock_id))
            }
            State::New | State::Joining(_) | State::Ended => false,
        }
    }

    /// A commit on the present epoch that is built behind the machine's back, and a place for it: what a
    /// malicious member publishes. `engine` is another instance of this member's, so that the commit differs.
    pub fn rogue_commit(&self, engine: &E, now: Timestamp) -> Option<(Location, Bytes)> {
        let member = self.member()?;
        let built = engine.build(&member.group, now, &[], &[]).ok()?;
        Some((Location { group: member.epoch, object: 2 }, built.commit))
    }

    /// The timers that are set, each of which may [`fire`](Self::fire).
    pub fn armed(&self) -> Vec<Timer> {
        self.deadlines.armed().collect()
    }

    /// Lets one timer fire, whatever the time.
    ///
    /// # Errors
    /// As [`Participant::handle`].
    pub fn fire(&mut self, timer: Timer) -> Result<(), Error> {
        if !self.deadlines.is_set(timer) {
            return Ok(());
        }
        self.deadlines.clear(timer);
        self.joiners.close_window();
        self.on_timer(timer)?;
        self.schedule_turn();
        Ok(())
    }

    /// Forgets what makes no difference to what can happen next: when timers are due, how often anything
    /// was tried or counted. Requests are numbered afresh from 1 in the order of their old numbers;
    /// what waits for an answer must be renumbered by the returned map of old to new.
    pub fn canonical(&mut self) -> BTreeMap<u64, u64> {
        self.deadlines.level(Timestamp::from_millis(u64::MAX / 2));
        self.jitter = Jitter::new(&[]);
        self.stats = Stats::default();
        self.joiners.close_window();
        self.spare_keys_until = self.spare_keys_until.map(|_| Timestamp::from_millis(u64::MAX / 2));
        let renumbered = self.requests.renumber();
        let new = |id: &mut FetchId| id.0 = renumbered.get(&id.0).copied().unwrap_or(0);
        match &mut self.state {
            State::Bootstrapping(bootstrap) => {
                bootstrap.attempts = 0;
                bootstrap.looking.iter_mut().for_each(new);
            }
            State::Joining(joining) => joining.forget_attempts(),
            State::Member(member) => {
                let gives_way = !member.candidates.is_empty() && member.best_candidate().is_none();
                member.attempts = if gives_way { member.attempts.min(PATIENCE) } else { 0 };
                // A bound far beyond any world that is checked.
                member.looked_at = 0;
                if let Step::Looking { fetch, .. } = &mut member.step {
                    new(fetch);
                }
            }
            State::New | State::Ended => {}
        }
        renumbered
    }
}
