//! The participant: one input, one queue of actions, one deadline.
//!
//! ```text
//!            New ──Join──▶ Bootstrapping ──lock 0 Ok, slot 0 pinned──▶ Member(0)
//!                               │ lock 0 says CounterError                │
//!                               ▼                                         ▼
//!                            Joining ──Welcome, its pin confirmed──▶  Member(e) ──▶ Ended
//!                               ▲                                         │   (left, removed)
//!                               └────── cannot follow: fresh KeyPackage ──┘
//!
//! A member decides the next epoch slot by slot (`design.md` section 4, row 4):
//!
//!   work due ─▶ lock(e+1) ─▶ build, persist the outbox ─▶ look at the Commit track ─▶ publish
//!            ─▶ read back ─▶ increment(e+1, pin) ─▶ apply, persist ─▶ Welcomes
//!
//! and anybody who holds a tried commit without a confirmation asks lock(e+1): "used" names the pin,
//! and the commit it names is applied; "Ok" means its author is gone, and the increment is made for it.
//! ```
//!
//! One file per phase: `bootstrapping`, `joining` (one's own way in), `joiners` and `admitting`
//! (others' way in), `turn` (whose turn, and what there is to do), `committing`, `following`,
//! `leaving`, `recovering`; `exporting` gives media its secrets; what only one mode has is in `fencing` and `healing`. The files below hold `impl` blocks of [`Participant`]; what each keeps
//! is in the struct it names.

mod admitting;
mod bootstrapping;
#[cfg(feature = "testing")]
mod checking;
mod committing;
mod deadlines;
mod exporting;
mod fencing;
mod flaws;
mod following;
mod healing;
mod joiners;
mod joining;
mod leaving;
mod membership;
mod recovering;
mod requests;
mod roster;
mod stats;
mod storing;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod trees;
mod turn;

use std::collections::VecDeque;

use bytes::Bytes;

use self::bootstrapping::Bootstrap;
#[cfg(feature = "testing")]
pub use self::checking::Inside;
use self::deadlines::{Deadlines, Jitter};
#[cfg(feature = "testing")]
pub use self::flaws::Flaw;
use self::joiners::Joiners;
use self::joining::Joining;
use self::leaving::Leaving;
use self::membership::Membership;
use self::requests::Requests;
pub use self::stats::Stats;
use self::turn::Wishes;
use crate::action::{Action, Fault, Notice, RejoinReason, Timer};
pub use crate::config::{Admission, Config, SafetyMode};
use crate::counter::Pin;
use crate::engine::{Engine, GroupParams, Member, OwnKeyPackage};
use crate::error::{Error, Misuse};
use crate::event::{Command, Event, Object};
use crate::keys::EpochSecret;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{GroupTracks, SenderId, TrackKind};

/// Where a participant is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing was asked yet.
    New,
    /// Finding out whether the group exists, or creating it.
    Bootstrapping,
    /// Waiting for a Welcome.
    Joining,
    /// In the group.
    Member,
    /// Left or removed.
    Ended,
}

/// What the phases keep.
#[derive(Clone, PartialEq, Eq, Hash)]
enum State<G> {
    New,
    Bootstrapping(Box<Bootstrap<G>>),
    Joining(Box<Joining>),
    Member(Box<Membership<G>>),
    Ended,
}

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
    engine: E,
    config: Config,
    params: GroupParams,
    tracks: GroupTracks,
    me: SenderId,
    now: Timestamp,
    actions: VecDeque<Action>,
    state: State<E::Group>,
    requests: Requests,
    deadlines: Deadlines,
    jitter: Jitter,
    /// Own KeyPackages that may still be welcomed, oldest first.
    keys: Vec<OwnKeyPackage>,
    /// Until when KeyPackages newer than the one joined by are kept: see [`joining`].
    spare_keys_until: Option<Timestamp>,
    /// Welcomes that came at a time when none was looked for, and may be needed yet.
    early_welcomes: Vec<Bytes>,
    /// The next unused object id on one's own KeyPackage track.
    next_sequence: u64,
    joiners: Joiners,
    wishes: Wishes,
    leaving: Option<Leaving>,
    later: following::Later,
    /// Secrets of epochs that were passed before [`Notice::Epoch`] of them was polled, or of the last that was.
    passed: VecDeque<EpochSecret>,
    trees: trees::Trees,
    stats: Stats,
}

impl<E: Engine> Participant<E> {
    /// A participant that has not begun: send [`Command::Join`].
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine lacks SHA-256.
    pub fn new(engine: E, config: Config, now: Timestamp) -> Result<Self, Error> {
        let service_key_hash = config.service_key.as_ref().map(|key| engine.sha256(key)).transpose()?;
        let params = GroupParams {
            mode: config.mode,
            commit_tracks: config.commit_tracks,
            tree_objects: config.tree_threshold.is_some() && config.mode != SafetyMode::Advisory,
            service_key_hash,
        };
        let me = engine.sender_id().clone();
        Ok(Self {
            tracks: GroupTracks::new(config.group.clone(), config.commit_tracks),
            jitter: Jitter::new(me.as_bytes()),
            engine,
            config,
            params,
            me,
            now,
            actions: VecDeque::new(),
            state: State::New,
            requests: Requests::default(),
            deadlines: Deadlines::default(),
            keys: Vec::new(),
            spare_keys_until: None,
            early_welcomes: Vec::new(),
            next_sequence: 0,
            joiners: Joiners::default(),
            wishes: Wishes::default(),
            leaving: None,
            later: following::Later::default(),
            passed: VecDeque::new(),
            trees: trees::Trees::default(),
            stats: Stats::default(),
        })
    }

    /// Takes in what happened at `now`. If it is before one already seen, the clock was set back: everything
    /// that is due later is due as much earlier.
    ///
    /// # Errors
    /// [`Error::Misuse`] leaves the participant as it was. [`Error::Ended`] after a leave or a
    /// removal. [`Error::Engine`] means that one's own state failed: restore the last snapshot.
    /// Faults of others are never errors but [`Notice`]s.
    pub fn handle(&mut self, now: Timestamp, event: impl Into<Event>) -> Result<(), Error> {
        if now < self.now {
            // The clock was set back. What was to happen in a second still is, not in an hour and a second.
            let back = self.now.since(now);
            self.deadlines.bring_all_forward(back);
            self.spare_keys_until = self.spare_keys_until.map(|until| until.before(back));
        }
        self.now = now;
        if self.actions.len() >= self.config.limits.actions {
            return Err(Misuse::Undrained.into());
        }
        if matches!(self.state, State::Ended) {
            return match event.into() {
                Event::Command(_) => Err(Error::Ended),
                _ => Ok(()),
            };
        }
        match event.into() {
            Event::Command(command) => self.on_command(command)?,
            Event::Object(object) => self.on_object(object)?,
            Event::SubscribeReply { id, reply } => self.on_subscribe_reply(id, reply),
            Event::PublishReply { id, reply } => self.on_publish_reply(id, reply),
            Event::FetchReply { id, reply } => self.on_fetch_reply(id, reply)?,
            Event::LockReply { id, reply } => self.on_lock_reply(id, reply)?,
            Event::IncrementReply { id, reply } => self.on_increment_reply(id, reply)?,
            Event::PeerAuthenticator { peer, epoch, authenticator } => {
                self.on_authenticator(peer, epoch, &authenticator)?;
            }
            Event::Timer => {}
        }
        for timer in self.deadlines.take_due(self.now) {
            // One may have been the end: what is due with it must not set anything again.
            if !matches!(self.state, State::Ended) {
                self.on_timer(timer)?;
            }
        }
        self.schedule_turn();
        Ok(())
    }

    /// The next action, in the order they must be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if let Some(Action::Notify(Notice::Epoch { epoch, .. })) = &action {
            self.passed.retain(|secret| secret.epoch() >= *epoch);
        }
        action
    }

    /// All waiting actions, in order.
    pub fn actions(&mut self) -> impl Iterator<Item = Action> + '_ {
        std::iter::from_fn(|| self.poll_action())
    }

    /// When to send [`Event::Timer`] if nothing else happens before, and why. After
    /// [`handle`](Self::handle) it lies in the future of the time that was passed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, Timer)> {
        self.deadlines.next()
    }

    /// Where this participant is in its life.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::New => Phase::New,
            State::Bootstrapping(_) => Phase::Bootstrapping,
            State::Joining(_) => Phase::Joining,
            State::Member(_) => Phase::Member,
            State::Ended => Phase::Ended,
        }
    }

    /// One's own SenderId.
    pub fn sender_id(&self) -> &SenderId {
        &self.me
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of the group's tracks.
    pub fn tracks(&self) -> &GroupTracks {
        &self.tracks
    }

    /// The epoch, while a member.
    pub fn epoch(&self) -> Option<u64> {
        self.member().map(|m| m.epoch)
    }

    /// The members by leaf; empty unless one is a member oneself.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.member().into_iter().flat_map(|m| m.roster.iter())
    }

    /// SHA-256 of the TLS-serialized GroupContext, while a member: equal for all members of an epoch.
    pub fn context_hash(&self) -> Option<[u8; 32]> {
        self.member().map(|m| m.context_hash)
    }

    /// The pin by which the present epoch won its slot; `None` where slots have no pins, and unless a member.
    pub fn pin(&self) -> Option<&Pin> {
        self.member().and_then(|m| m.pin.as_ref())
    }

    /// The epoch authenticator (RFC 9420 section 8.7): what to compare with a peer's.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn epoch_authenticator(&self) -> Result<Bytes, Error> {
        let member = self.member().ok_or(Misuse::NotAMember)?;
        Ok(self.engine.epoch_authenticator(&member.group)?)
    }

    /// An exporter secret of the current epoch (RFC 9420 section 8.5), `len` bytes.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn export_secret(&self, label: &[u8], context: &[u8], len: usize) -> Result<Secret, Error> {
        let member = self.member().ok_or(Misuse::NotAMember)?;
        Ok(self.engine.export_secret(&member.group, label, context, len)?)
    }

    pub(crate) fn passed_epochs(&self) -> impl Iterator<Item = &EpochSecret> {
        self.passed.iter()
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    fn member(&self) -> Option<&Membership<E::Group>> {
        match &self.state {
            State::Member(member) => Some(member),
            _ => None,
        }
    }

    fn member_mut(&mut self) -> Option<&mut Membership<E::Group>> {
        match &mut self.state {
            State::Member(member) => Some(member),
            _ => None,
        }
    }

    fn on_command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Join => match self.state {
                State::New => self.bootstrap(),
                _ => Err(Misuse::AlreadyJoined.into()),
            },
            Command::Admit { sender, replacing } => {
                self.admit(sender, replacing);
                Ok(())
            }
            Command::Refuse(sender) => {
                self.refuse(sender);
                Ok(())
            }
            Command::Add(message) => self.add(message),
            Command::Remove(sender) => self.wish_removal(sender, true),
            Command::Gone(sender) => self.wish_removal(sender, false),
            Command::Update => self.wish_update(),
            Command::Leave => self.leave(),
        }
    }

    fn on_object(&mut self, object: Object) -> Result<(), Error> {
        self.stats.objects = self.stats.objects.saturating_add(1);
        let Some(kind) = self.tracks.classify(&object.track) else {
            self.fault(None, Fault::ForeignTrack);
            return Ok(());
        };
        match kind {
            TrackKind::KeyPackage(sender) => self.on_key_package_object(sender, object),
            TrackKind::Welcome(recipient) if recipient == self.me => self.on_welcome_object(object),
            TrackKind::Welcome(recipient) => {
                self.fault(Some(recipient), Fault::NotForMe);
                Ok(())
            }
            TrackKind::Commit(from) => self.on_commit_object(from, object),
            TrackKind::Tree(from) => self.on_tree_object(from, object),
        }
    }

    fn on_timer(&mut self, timer: Timer) -> Result<(), Error> {
        match timer {
            Timer::Turn => self.on_turn(),
            Timer::Request => self.on_request_timer(),
            Timer::Confirm => self.on_confirm_timer(),
            Timer::ReadBack => self.on_read_back_timer(),
            Timer::Fetch => self.fetch_missing(),
            Timer::JoinRetry => return self.on_join_retry(),
            Timer::JoinDeadline => self.on_join_deadline(),
            Timer::Rejoin => return self.rejoin(RejoinReason::Unreachable),
            Timer::Leave => self.on_leave_deadline()?,
            Timer::Subscribe => self.subscribe_again(),
            Timer::Publish => self.publish_again(),
            Timer::Credentials => self.check_credentials(),
            Timer::Audit => self.audit()?,
            Timer::Tree => self.on_tree_timer(),
        }
        Ok(())
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// Counts and reports something wrong that somebody sent.
    fn fault(&mut self, from: Option<SenderId>, fault: Fault) {
        let count = self.stats.faults.entry(fault).or_default();
        *count = count.saturating_add(1);
        self.notify(Notice::PeerFault { from, fault });
    }
}
