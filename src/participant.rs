//! The participant: one input, one queue of actions, one deadline.
//!
//! ```text
//!            New ──Join──▶ Creating ──lock 0 Ok, slot 0 pinned──▶ Member(0)
//!                             │ lock 0 says CounterError             │
//!                             ▼                                      ▼
//!                          Joining ──Welcome, its pin confirmed─▶ Member(e) ──▶ Ended
//!                             ▲   │                                  │   (left, removed)
//!                             │   └─ founds a successor ─▶ Creating  │
//!                             └──── cannot follow: fresh KeyPackage ─┘
//!                                   (and back, if the commit appears)
//!
//! A member decides the next epoch slot by slot:
//!
//!   work due ─▶ lock(e+1), unless nobody can be in the way ─▶ create the commit, persist it
//!            ─▶ publish and increment(e+1, pin, key, commit) ─▶ apply, persist ─▶ Welcomes
//!
//! (in Advisory: ─▶ look at the Commit track ─▶ publish ─▶ read back ─▶ increment(e+1) ─▶ ...)
//!
//! and a member that holds a tried commit without a confirmation asks about the slot: if it is used, the answer names
//! the pin, and the commit it names is applied. If it is free for a lease, the committer is gone, and the increment is
//! made for it.
//! ```
//!
//! [`Participant`] is a shell: it turns events into inputs, and a loop gives them to the present phase one by
//! one. Imports go one way, from here down to what all phases share:
//!
//! | file | what it holds |
//! |---|---|
//! | `state` | the phases, and how one follows on another |
//! | `creating`, `joining` (with `trees`), `member` | a phase each: its struct, its `handle` |
//! | `member/epoch`, `member/slot` | the group at one epoch; the slot of the next, which returns verdicts |
//! | `member/follow`, `member/commit`, `member/help`, `member/repair` | how a slot is decided: by others, by this member, for one that died |
//! | `member/reading`, `member/receipts`, `member/auditing`, `member/doubting` | what the counter says of it, asked or signed |
//! | `member/effort`, `member/proposals` | what others' commits may cost; what they refer to |
//! | `member/turn`, `member/create`, `member/batch` (with `measured`), `member/admission`, `member/leave` | what there is to commit, and when |
//! | `member/arrival`, `member/turnover`, `member/changing`, `member/going`, `member/resuming`, `member/doubled` | how one comes and goes |
//! | `stranded`, `recovery` | the state of an epoch that could not be gone on from, and the way to a successor |
//! | `moved`, `moving` | the names that led to the present one |
//! | `carried`, `joiners` (with `remembered`, `pace`), `intents`, `future` | what goes along from phase to phase |
//! | `flow`, `input`, `durable`, `aside` | what a phase comes to, what reaches it, what it leaves in a snapshot, what is no part of its state |
//! | `context`, `asking`, `sparing`, `presence`, `own_track`, `own_keys`, `arrivals`, `inbox`, `requests`, `deadlines` | what every phase works with |
//! | `rules`, `pins`, `places`, `gate`, `signs`, `genesis`, `offer`, `roster`, `alarms` | the modes' rules, whom to believe, what is known |
//! | `clock`, `daytime`, `numbers` | the time of day: what lifetimes are judged by, and KeyPackages numbered by |
//! | `doubles` | the same state run twice |
//! | `exporting`, `passed`, `fresh` | epochs' secrets for media, and which of them may seal |

mod alarms;
mod arrivals;
mod aside;
mod asking;
pub(crate) mod carried;
mod clock;
pub(crate) mod context;
pub(crate) mod creating;
mod daytime;
pub(crate) mod deadlines;
mod doubles;
mod durable;
mod exporting;
mod flow;
pub(crate) mod fresh;
mod future;
pub(crate) mod gate;
pub(crate) mod genesis;
mod inbox;
pub(crate) mod input;
pub(crate) mod intents;
pub(crate) mod joiners;
pub(crate) mod joining;
pub(crate) mod member;
mod moved;
mod moving;
mod numbers;
mod offer;
mod own_keys;
mod own_track;
mod pace;
mod passed;
mod phase;
mod pins;
pub(crate) mod places;
mod presence;
pub(crate) mod recovery;
mod remembered;
mod requests;
mod roster;
mod rules;
mod signs;
mod sparing;
pub(crate) mod state;
pub(crate) mod stats;
mod status;
pub(crate) mod stranded;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod trees;
mod view;

use std::time::Duration;

use self::aside::Aside;
use self::context::Context;
use self::input::Input;
use self::own_keys::OwnKeys;
use self::passed::PassedEpochs;
pub use self::phase::Phase;
use self::state::State;
pub use self::stats::Stats;
pub use self::status::Status;
use self::status::Waits;
use crate::action::{Action, Timer};
pub use crate::config::{Admission, Config, GroupParams, SafetyMode};
use crate::engine::{Engine, KeyPackageInfo};
use crate::error::{Error, Misuse};
use crate::event::{Command, Event};
use crate::notice::WaitsFor;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// One participant of one group: a state machine without IO, clock or threads.
///
/// The driver's loop:
///
/// 1. [`handle`](Self::handle) what happened, with the time;
/// 2. [`poll_action`](Self::poll_action) until `None`, doing each action before the next;
/// 3. sleep until [`poll_timeout`](Self::poll_timeout) or until something happens.
///
/// It is generic over [`Engine`]; over mls-rs, `E` is [`crate::mls::MlsEngine`]. A clone is the same
/// participant at the same moment: for trying out and for checking, never for running beside the first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Participant<E: Engine> {
    pub(crate) cx: Context<E>,
    pub(crate) state: State<E::Group>,
    waits: Waits,
}

impl<E: Engine> Participant<E> {
    /// A participant that has not begun: send [`Command::Join`].
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine lacks SHA-256; [`Misuse::BadServiceKey`].
    pub fn new(engine: E, config: Config, now: Timestamp) -> Result<Self, Error> {
        Self::check(&engine, &config)?;
        let cx = Context::new(engine, config, now)?;
        Ok(Self { cx, state: State::New(Box::default()), waits: Aside((WaitsFor::Join, now)) })
    }

    /// Goes on after a restart, with the last snapshot that became durable. The actions that resume
    /// the work are queued at once; the same engine keys and the same configuration are needed.
    ///
    /// # Errors
    /// [`Error::Snapshot`] for bytes that are damaged, of another version, group or participant;
    /// [`Error::Engine`] if the engine refuses the group state; [`Misuse::BadServiceKey`].
    pub fn restore(engine: E, config: Config, snapshot: &Snapshot, now: Timestamp) -> Result<Self, Error> {
        Self::check(&engine, &config)?;
        let mut cx = Context::new(engine, config, now)?;
        let state = State::restore(&mut cx, snapshot)?;
        let mut this = Self { cx, state, waits: Aside((WaitsFor::Join, now)) };
        this.note_waits();
        Ok(this)
    }

    /// Refuses a configuration with which nothing would ever be believed.
    fn check(engine: &E, config: &Config) -> Result<(), Error> {
        match &config.params.service_key {
            Some(key) if !engine.is_service_key(key) => Err(Misuse::BadServiceKey.into()),
            _ => Ok(()),
        }
    }

    /// The durable state as it is now. The machine emits it by itself whenever it must be stored; this
    /// is for an embedder that wants to move a participant.
    ///
    /// # Errors
    /// [`Error::Poisoned`] after [`Error::Engine`]: the last snapshot is the one to go on from.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        match self.state {
            State::Poisoned(_) => Err(Error::Poisoned),
            _ => Ok(self.state.snapshot(&self.cx)),
        }
    }

    /// Takes in what happened at `now`. If it is before one already seen, the clock was set back: everything
    /// that is due later is due as much earlier.
    ///
    /// # Errors
    /// [`Error::Misuse`] leaves the participant as it was, but for the time. The time counts, for the clock may have
    /// been set back: else the next deadline would be hours ahead, and perhaps no call comes before it.
    /// [`Error::Ended`] after a leave or a removal. [`Error::Engine`] means that the own state failed: the actions of
    /// this call are dropped, and from then on all is refused by [`Error::Poisoned`]. [`restore`](Self::restore) the
    /// last snapshot. Faults of others are never errors but [`Notice`](crate::Notice)s.
    pub fn handle(&mut self, now: Timestamp, event: impl Into<Event>) -> Result<(), Error> {
        let event = event.into();
        if matches!(self.state, State::Poisoned(_)) {
            return Err(Error::Poisoned);
        }
        self.set_clock(now);
        if self.cx.actions.len() >= self.cx.config.limits.actions {
            return Err(Misuse::Undrained.into());
        }
        match (&self.state, &event) {
            (State::Ended(_), Event::Command(_)) => return Err(Error::Ended),
            (State::Ended(_), _) => return Ok(()),
            _ => {}
        }
        let done = self.guard(|this| this.judge(&event).and_then(|info| this.advance(now, event, info)));
        self.note_waits();
        done
    }

    /// Does something of which nothing may be left if the engine fails: what was queued may rest on a state that is
    /// not there.
    pub(crate) fn guard(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let before = self.cx.actions.len();
        let done = work(self);
        if let Err(Error::Engine(_)) = done {
            self.cx.actions.truncate(before);
            self.cx.deadlines.clear_all();
            self.cx.keys = OwnKeys::default();
            self.cx.passed = PassedEpochs::default();
            // Requests carry what opens a slot.
            self.cx.pause.clear();
            self.state = State::Poisoned(Box::default());
        }
        done
    }

    /// Refuses a command that does not fit, before anything changes. Of a KeyPackage from elsewhere, says what is
    /// in it.
    fn judge(&self, event: &Event) -> Result<Option<KeyPackageInfo>, Error> {
        let Event::Command(command) = event else { return Ok(None) };
        let misuse = match (command, self.phase()) {
            (Command::Join, phase) if phase != Phase::New => Misuse::AlreadyJoined,
            (Command::Remove(sender) | Command::Gone(sender), _) if *sender == self.cx.me => Misuse::OwnName,
            (Command::Leave, Phase::New) => Misuse::NotAMember,
            (Command::Add(_) | Command::Remove(_) | Command::Gone(_) | Command::Update, phase)
                if phase != Phase::Member =>
            {
                Misuse::NotAMember
            }
            (Command::Add(message), _) => {
                match self.cx.engine.inspect_key_package(self.cx.time_of_day(), message)? {
                    Ok(info) if self.cx.misbound(&info.claim()).is_none() => return Ok(Some(info)),
                    Ok(_) | Err(_) => Misuse::BadKeyPackage,
                }
            }
            _ => return Ok(None),
        };
        Err(misuse.into())
    }

    fn advance(&mut self, now: Timestamp, event: Event, info: Option<KeyPackageInfo>) -> Result<(), Error> {
        if let Some(input) = self.cx.receive(event, info) {
            self.run(input)?;
        }
        for timer in self.cx.deadlines.due(now) {
            // One that fired before it may have cleared it or put it off.
            if self.cx.deadlines.take_if_due(timer, now) {
                self.run(Input::Timer(timer))?;
            }
        }
        self.state.schedule_turn(&mut self.cx);
        Ok(())
    }

    fn set_clock(&mut self, now: Timestamp) {
        let cx = &mut self.cx;
        if now < cx.now {
            // What was to happen in a second still is, not in an hour and a second.
            let back = cx.now.since(now);
            cx.deadlines.bring_all_forward(back);
            for instant in [
                &mut cx.keys.spare_until,
                &mut cx.hinted,
                &mut cx.confirmed,
                &mut cx.signs_since,
                &mut cx.shown_until,
            ] {
                *instant = instant.map(|at| at.before(back));
            }
            if let Some(beacon) = &mut cx.moved.beacon {
                beacon.until = beacon.until.before(back);
            }
            cx.skew.set_back(back);
            cx.pause.set_back(back);
            cx.passed.set_back(back);
            self.state.carried_mut().joiners.set_back(back);
            self.state.carried_mut().paces.set_back(back);
            match &mut self.state {
                State::Member(member) => member.slot.set_back(back),
                State::Joining(joining) => joining.kept.iter_mut().for_each(|kept| kept.set_back(back)),
                State::Creating(creating) => creating.kept.iter_mut().for_each(|kept| kept.set_back(back)),
                State::New(_) | State::Ended(_) | State::Poisoned(_) => {}
            }
        }
        cx.now = now;
        cx.passed.expire(now);
    }

    /// Gives the phase an input, and all that comes up on the way. The only loop over inputs: no phase calls
    /// itself, however many epochs one input leads through.
    pub(crate) fn run(&mut self, input: Input) -> Result<(), Error> {
        self.cx.inputs.push_back(input);
        while let Some(input) = self.cx.inputs.pop_front() {
            if let Err(error) = self.state.handle(&mut self.cx, input) {
                self.cx.inputs.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next action, in the order they must be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.cx.actions.pop_front()?;
        // One that has ended sets no deadline any more.
        let keep = match self.state {
            State::Ended(_) => Duration::ZERO,
            _ => self.cx.config.timers.epoch_secrets,
        };
        self.cx.passed.on_polled(&action, self.cx.now, keep);
        Some(action)
    }

    /// All waiting actions, in order.
    pub fn actions(&mut self) -> impl Iterator<Item = Action> + '_ {
        std::iter::from_fn(|| self.poll_action())
    }

    /// When to send [`Event::Timer`] if nothing else happens before, and why. After
    /// [`handle`](Self::handle) it is in the future of the time that was passed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, Timer)> {
        let erase = self.cx.passed.next().map(|at| (at, Timer::EpochSecrets));
        self.cx.deadlines.next().into_iter().chain(erase).min()
    }
}
