//! Draft sections 6.1 and 6.2: subscribe, publish a KeyPackage, and create the group if the lock of
//! value 0 is to be had.

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::config::SafetyMode;
use crate::counter::{CounterState, IncrementReply, LockReply, MAX_RECEIPT, Pin, Reason};
use crate::engine::{Engine, GroupView, MessageKind};
use crate::error::Error;
use crate::notice::{Notice, ServiceFault};
use crate::participant::flaws::Flaw;
use crate::participant::joining::Joining;
use crate::participant::requests::Interest;
use crate::participant::{Participant, State};
use crate::request::{Failure, FetchId};
use crate::tracks::{CommitTrackPolicy, KEY_PACKAGE_GROUP, Location, Object};

/// The largest MOQT group id: a varint.
const LAST_GROUP: u64 = (1 << 62) - 1;

/// Finding out whether the group exists.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bootstrap<G> {
    /// The group as created here, durable, until slot 0 is decided.
    pub(crate) genesis: Option<Genesis<G>>,
    /// The lock is ours; looking whether the service lost a living group.
    pub(crate) looking: Option<FetchId>,
    pub(crate) lock_id: Option<Bytes>,
    pub(crate) attempts: u32,
    /// A commit or a receipt lies on the Commit track: the group exists, whatever the service says.
    pub(crate) commits_seen: bool,
    /// The service's fault was reported.
    pub(crate) reported: bool,
}

impl<G> Default for Bootstrap<G> {
    fn default() -> Self {
        Self {
            genesis: None,
            looking: None,
            lock_id: None,
            attempts: 0,
            commits_seen: false,
            reported: false,
        }
    }
}

/// The group at epoch 0 before it is known to be the group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Genesis<G> {
    pub(crate) group: G,
    pub(crate) view: GroupView,
    pub(crate) saved: Bytes,
    pub(crate) pin: Pin,
}

impl<E: Engine> Participant<E> {
    pub(crate) fn bootstrap(&mut self) -> Result<(), Error> {
        self.listen();
        self.state = State::Bootstrapping(Box::default());
        self.deadlines.set(Timer::JoinDeadline, self.now.after(self.config.timers.join_deadline));
        // "KeyPackage published at Object ID of '0' is used to initiate joining" (draft section 6.1).
        self.fresh_key_package()?;
        self.ask_genesis();
        Ok(())
    }

    /// Announces and subscribes. The Commit track comes before any KeyPackage is published: a commit
    /// that follows one's own Welcome must not be missed.
    pub(crate) fn listen(&mut self) {
        for namespace in [
            self.tracks.key_package_namespace(),
            self.tracks.welcome_namespace(),
            self.tracks.commit_namespace(),
        ] {
            self.actions.push_back(Action::Announce { namespace });
        }
        if self.params.tree_objects {
            self.actions.push_back(Action::Announce { namespace: self.tracks.tree_namespace() });
        }
        // One's own commits must come back too, and a namespace subscription leaves them out.
        self.subscribe(Interest::Track(self.tracks.commit(&self.me)));
        if self.tracks.policy() == CommitTrackPolicy::PerSender {
            self.subscribe(Interest::Namespace(self.tracks.commit_namespace()));
        }
        self.subscribe(Interest::Track(self.tracks.welcome(&self.me)));
        self.subscribe(Interest::Namespace(self.tracks.key_package_namespace()));
    }

    /// Makes a KeyPackage with the next object id, durable before it is published: neither an object
    /// id nor an init key is ever used twice.
    pub(crate) fn fresh_key_package(&mut self) -> Result<(), Error> {
        if self.has(Flaw::ReusedKeyPackage) && !self.keys.is_empty() {
            self.republish_key_package();
            return Ok(());
        }
        let sequence = self.next_sequence;
        let key = self.engine.generate_key_package(self.now, sequence)?;
        self.next_sequence = sequence.saturating_add(1);
        let message = key.message.clone();
        self.keys.push(key);
        let excess = self.keys.len().saturating_sub(self.config.limits.own_key_packages);
        self.keys.drain(..excess);
        self.persist()?;
        self.stats.key_packages = self.stats.key_packages.saturating_add(1);
        self.publish(
            self.tracks.key_package(&self.me),
            Location { group: KEY_PACKAGE_GROUP, object: sequence },
            message,
        );
        Ok(())
    }

    fn bootstrap_state(&mut self) -> Option<&mut Bootstrap<E::Group>> {
        match &mut self.state {
            State::Bootstrapping(bootstrap) => Some(bootstrap),
            _ => None,
        }
    }

    /// An object came on the Commit track before it is known whether the group exists.
    pub(crate) fn on_sign_of_a_group(&mut self, object: &Object) {
        let is_sign = if object.location.object % 2 == 1 {
            // What it signs is not known yet.
            self.config.service_key.is_some() && object.payload.len() <= MAX_RECEIPT
        } else {
            matches!(
                self.engine.classify(&object.payload),
                Ok(MessageKind::Commit { group_id, .. }) if group_id == self.config.group.as_bytes()
            )
        };
        if let Some(bootstrap) = self.bootstrap_state().filter(|_| is_sign) {
            bootstrap.commits_seen = true;
            self.join_if_there();
        }
    }

    /// Who waits to ask the counter whether the group is there need not if a commit shows it: a crowd that
    /// found the creator at it does not come back as a crowd, and takes its Welcomes at once.
    fn join_if_there(&mut self) {
        let waits = self.deadlines.is_set(Timer::Request);
        let there = |b: &mut Bootstrap<_>| b.commits_seen && b.genesis.is_none() && !b.reported;
        if waits && self.bootstrap_state().is_some_and(there) {
            self.start_joining(None);
        }
    }

    /// Asks for value 0: for the lock, or, once the group is made, for the increment.
    pub(crate) fn ask_genesis(&mut self) {
        let Some(bootstrap) = self.bootstrap_state() else { return };
        let lock_id = bootstrap.lock_id.clone();
        match bootstrap.genesis.as_ref().map(|g| g.pin) {
            // A lock is a hint only where increments are pinned; elsewhere it is needed again.
            Some(pin) if lock_id.is_some() || self.is_pinned() => self.ask_increment(0, pin, None, lock_id),
            _ => self.ask_lock(0),
        }
    }

    fn genesis_backoff(&mut self) {
        let Some(bootstrap) = self.bootstrap_state() else { return };
        bootstrap.attempts = bootstrap.attempts.saturating_add(1);
        let attempts = bootstrap.attempts;
        let wait = self.jitter.backoff(self.config.timers.backoff, attempts);
        self.deadlines.set(Timer::Request, self.now.after(wait));
    }

    fn genesis_fault(&mut self, fault: ServiceFault) {
        if let Some(bootstrap) = self.bootstrap_state() {
            let first = !std::mem::replace(&mut bootstrap.reported, true);
            if first {
                self.notify(Notice::ServiceFault(fault));
            }
        }
        self.genesis_backoff();
    }

    pub(crate) fn on_genesis_lock(&mut self, reply: Result<LockReply, Failure>) -> Result<(), Error> {
        match reply {
            Ok(LockReply::Ok { lock_id: None, .. }) if self.config.mode == SafetyMode::Fenced => {
                self.genesis_fault(ServiceFault::NoTokens);
            }
            Ok(LockReply::Ok { lock_id, .. }) => {
                let track = self.tracks.commit(&self.me);
                let Some(bootstrap) = self.bootstrap_state() else { return Ok(()) };
                bootstrap.lock_id = lock_id.clone();
                if let Some(pin) = bootstrap.genesis.as_ref().map(|g| g.pin) {
                    if self.config.mode == SafetyMode::Fenced {
                        // Only this token can tell later whether the group is ours.
                        self.persist()?;
                    }
                    self.ask_increment(0, pin, None, lock_id);
                } else if bootstrap.commits_seen {
                    self.genesis_fault(ServiceFault::LostGroup);
                } else {
                    let id = self.fetch(track, 0..=LAST_GROUP);
                    if let Some(bootstrap) = self.bootstrap_state() {
                        bootstrap.looking = Some(id);
                    }
                }
            }
            Ok(LockReply::Conflict { retry_later }) => {
                let wait = self.retry_after(retry_later);
                self.deadlines.set(Timer::Request, self.now.after(wait));
            }
            Ok(LockReply::CounterError(state)) if state.current > 0 => {
                self.on_genesis_decided(&state, false)?
            }
            Ok(LockReply::Error(reason)) => self.genesis_fault(ServiceFault::Refused(reason)),
            Ok(LockReply::CounterError(_)) | Err(_) => self.genesis_backoff(),
        }
        self.join_if_there();
        Ok(())
    }

    /// The look at the Commit track before creating: objects there were handled as they came.
    pub(crate) fn on_genesis_look(&mut self, id: FetchId, failure: Option<Failure>) -> Result<(), Error> {
        let Some(bootstrap) = self.bootstrap_state() else { return Ok(()) };
        if bootstrap.looking != Some(id) {
            return Ok(());
        }
        bootstrap.looking = None;
        if bootstrap.commits_seen {
            self.genesis_fault(ServiceFault::LostGroup);
            return Ok(());
        }
        if matches!(failure, Some(Failure::NotSent | Failure::Unknown)) {
            self.genesis_backoff();
            return Ok(());
        }
        let lock_id = bootstrap.lock_id.clone();
        let sequence = self.keys.last().map_or(0, |key| key.sequence);
        let group = self.engine.create(self.now, &self.config.group, &self.params, sequence)?;
        let view = self.engine.view(&group)?;
        let pin = Pin::genesis(view.context_hash);
        let saved = self.engine.save(&group)?;
        if let Some(bootstrap) = self.bootstrap_state() {
            bootstrap.genesis = Some(Genesis { group, view, saved, pin });
        }
        self.persist()?;
        self.ask_increment(0, pin, None, lock_id);
        Ok(())
    }

    pub(crate) fn on_genesis_increment(
        &mut self,
        reply: Result<IncrementReply, Failure>,
    ) -> Result<(), Error> {
        match reply {
            Ok(IncrementReply::Ok(state)) => self.on_genesis_decided(&state, true)?,
            Ok(IncrementReply::CounterError(state)) if state.current > 0 => {
                self.on_genesis_decided(&state, false)?
            }
            Ok(IncrementReply::Error(Reason::NotLocked)) if !self.is_pinned() => {
                if let Some(bootstrap) = self.bootstrap_state() {
                    bootstrap.lock_id = None;
                }
                self.genesis_backoff();
            }
            Ok(IncrementReply::Error(Reason::UnpinnedId | Reason::NotLocked)) => {
                self.genesis_fault(ServiceFault::NoPins);
            }
            Ok(IncrementReply::Error(reason)) => self.genesis_fault(ServiceFault::Refused(reason)),
            Ok(IncrementReply::CounterError(_)) | Err(_) => self.genesis_backoff(),
        }
        Ok(())
    }

    /// Slot 0 is used: by this participant's group or by another's.
    fn on_genesis_decided(&mut self, state: &CounterState, accepted: bool) -> Result<(), Error> {
        let pinned = self.is_pinned();
        let Some(bootstrap) = self.bootstrap_state() else { return Ok(()) };
        let Some(genesis) = bootstrap.genesis.take() else {
            self.start_joining(Some(state.current));
            return Ok(());
        };
        match state.pin {
            Some(pin) if pinned && pin == genesis.pin => self.found(genesis, Some(pin)),
            None if !pinned && accepted => self.found(genesis, None),
            None if pinned && accepted => {
                self.genesis_fault(ServiceFault::NoPins);
                Ok(())
            }
            // Somebody else's group: ours never was.
            _ => {
                drop(genesis);
                self.start_joining(Some(state.current));
                self.persist()
            }
        }
    }

    fn found(&mut self, genesis: Genesis<E::Group>, pin: Option<Pin>) -> Result<(), Error> {
        self.keys.clear();
        self.become_member(genesis.group, &genesis.view, genesis.saved, pin)?;
        self.persist()?;
        self.notify(Notice::Joined { epoch: 0 });
        self.notify(Notice::Epoch { epoch: 0, committer: None });
        for (sender, (object, payload)) in self.joiners.take_early() {
            self.consider_key_package_object(sender, object, payload)?;
        }
        self.replay_later()
    }

    pub(crate) fn start_joining(&mut self, counter: Option<u64>) {
        self.state = State::Joining(Box::new(Joining::new(counter)));
        self.deadlines.clear(Timer::Request);
        self.deadlines.set(Timer::JoinRetry, self.now.after(self.config.timers.join_retry));
        self.deadlines.bring_forward(Timer::JoinDeadline, self.now.after(self.config.timers.join_deadline));
        for welcome in std::mem::take(&mut self.early_welcomes) {
            // A failure here is the Welcome's, not ours: it was counted.
            let _ = self.consider_welcome(welcome);
        }
    }
}
