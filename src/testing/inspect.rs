//! What a model checker needs of a participant, and what a simulation looks at.
//!
//! A checker lets timers fire in any order at any moment, so times must not tell states apart; nor must
//! what is only counted, or how requests happen to be numbered.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::action::Timer;
use crate::codec::pinned::WelcomeObject;
use crate::counter::Pin;
use crate::engine::{ContextParams, Engine, KeyPackageInfo, Next, OwnKeyPackage};
use crate::error::Error;
use crate::limits::Timers;
use crate::participant::Participant;
use crate::participant::deadlines::Jitter;
use crate::participant::fresh::Fresh;
use crate::participant::input::Input;
use crate::participant::intents::Intents;
use crate::participant::joiners::Waiting;
use crate::participant::member::slot::Step;
use crate::participant::state::State;
use crate::participant::stats::Stats;
use crate::policy::CommitPolicy;
use crate::request::FetchId;
use crate::time::Timestamp;
use crate::tracks::{Location, Object, SenderId};

/// Parts of a participant's state that no embedder needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inside {
    /// The own undecided commit, its pin, and the GroupContext hash of the epoch it was built on.
    pub outbox: Option<(Bytes, Pin, [u8; 32])>,
    /// The pin of the group created here, before slot 0 is decided.
    pub genesis: Option<Pin>,
    /// Commits of others held for the slot.
    pub candidates: usize,
    /// The slot is decided for a commit that is still missing.
    pub catching_up: bool,
    /// The slot went to a lock that nobody's keys open.
    pub dead: bool,
    /// The service cannot be worked with.
    pub halted: bool,
    /// The state of an epoch is kept that could not be gone on from.
    pub kept: bool,
    /// It is on the way to a successor.
    pub recovers: bool,
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
    /// What its epochs have more than MLS's.
    pub fn epoch_base(&self) -> u64 {
        self.cx.params.epoch_base
    }

    /// Shows the parts of the state that invariants are about.
    pub fn inside(&self) -> Inside {
        let slot = self.member().map(|m| &m.slot);
        let outbox = slot.and_then(|s| s.outbox.as_ref());
        let genesis = match &self.state {
            State::Creating(creating) => creating.genesis.as_ref().map(|g| g.pin),
            _ => None,
        };
        let carried = self.state.carried();
        let kept = matches!(&self.state, State::Joining(joining) if joining.kept.is_some());
        let recovers = match &self.state {
            State::Joining(joining) => {
                joining.kept.as_ref().is_some_and(|kept| kept.recovery.is_on_its_way())
            }
            State::Creating(creating) => creating.is_founding(),
            _ => false,
        };
        Inside {
            kept,
            recovers,
            genesis,
            outbox: outbox.map(|o| (o.commit.clone(), o.pin, o.base)),
            candidates: slot.map_or(0, |s| s.candidates.len()),
            dead: slot.is_some_and(|s| s.dead.is_some()),
            catching_up: slot.is_some_and(|s| s.decided.is_some()),
            halted: slot.is_some_and(|s| s.halted.is_some()),
            keys: self.cx.keys.packages.len(),
            early_welcomes: self.cx.keys.early_welcomes.len(),
            waiting: carried.joiners.waiting_len(),
            later_bytes: carried.future.bytes(),
        }
    }

    /// Drops every intent: a checker's world ends somewhere.
    pub fn forget_wishes(&mut self) {
        self.state.carried_mut().intents = Intents::default();
        self.cx.deadlines.clear(Timer::Turn);
    }

    /// Says whether a lock token may still be used for a request.
    pub fn remembers(&self, token: &Bytes) -> bool {
        let here = |id: &Option<Bytes>| id.as_ref() == Some(token);
        match &self.state {
            State::Creating(creating) => here(&creating.lock_id),
            State::Member(member) => {
                let step = match &member.slot.step {
                    Step::Looking { lock_id, .. }
                    | Step::Publishing { lock_id }
                    | Step::Pinning { lock_id, .. }
                    | Step::Repairing { lock_id, .. } => here(lock_id),
                    Step::Idle | Step::Locking => false,
                };
                step || member.slot.outbox.as_ref().is_some_and(|o| here(&o.lock_id))
            }
            State::New(_) | State::Joining(_) | State::Ended(_) | State::Poisoned(_) => false,
        }
    }

    /// Lends the group's state, while a member.
    pub(crate) fn group(&self) -> Option<&E::Group> {
        self.member().map(|m| &m.epoch.group)
    }

    /// Returns the parameters that this participant's group must have.
    pub fn params(&self) -> ContextParams {
        self.cx.params.clone()
    }

    /// Makes the pin of a commit of the present epoch that leads to `next`.
    pub fn pin_of(&self, commit: &Bytes, next: &Next<E::Group>) -> Option<Pin> {
        self.pin_for(commit, next, self.member()?.epoch.slot())
    }

    /// Makes the pin of a commit for `slot` that leads to `next`, a state of any member.
    pub(crate) fn pin_for(&self, commit: &Bytes, next: &Next<E::Group>, slot: u64) -> Option<Pin> {
        let hash = self.cx.engine.sha256(commit).ok()?;
        self.cx.pin_of(hash, next, slot).ok()
    }

    /// Returns what opens the slot after the epoch of `group`, a state of any member.
    pub(crate) fn slot_key_of(&self, group: &E::Group) -> Option<Bytes> {
        let key = self.cx.slot_key(group).ok()?;
        Some(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// Returns what opens the slot after the present epoch.
    pub fn slot_key(&self) -> Option<Bytes> {
        let key = self.member()?.epoch.slot_key.as_ref()?;
        Some(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// Makes the Welcomes of the own undecided commit, as they go out once it has won.
    pub(crate) fn outbox_welcomes(&self) -> Vec<Object> {
        let Some(member) = self.member() else { return Vec::new() };
        let Some(outbox) = &member.slot.outbox else { return Vec::new() };
        let object = |(recipient, welcome): &(SenderId, Bytes)| {
            let payload = if self.cx.rules.pins {
                WelcomeObject::confirmed(outbox.pin, None, welcome.clone()).encode()
            } else {
                welcome.clone()
            };
            let location =
                Location { group_id: member.epoch.slot(), object_id: self.cx.welcome_place(&payload).ok()? };
            Some(Object { track: self.cx.tracks.welcome(recipient), location, payload })
        };
        outbox.welcomes.iter().filter_map(object).collect()
    }

    /// Forgets the own undecided commit, and what was going on with it.
    pub(crate) fn drop_outbox(&mut self) {
        let State::Member(member) = &mut self.state else { return };
        let own = member.slot.outbox.take().map(|own| own.pin);
        let is_its_own = match &member.slot.step {
            Step::Looking { .. } | Step::Publishing { .. } => true,
            Step::Pinning { pin, .. } => own == Some(*pin),
            Step::Idle | Step::Locking | Step::Repairing { .. } => false,
        };
        if is_its_own {
            member.slot.step = Step::Idle;
        }
    }

    /// Lends the own KeyPackages that may still be welcomed.
    pub(crate) fn own_keys_mut(&mut self) -> &mut Vec<OwnKeyPackage> {
        &mut self.cx.keys.packages
    }

    /// Puts a KeyPackage in the waiting room unless its sender is barred, and asks nothing else.
    pub(crate) fn let_wait(&mut self, message: Bytes, info: KeyPackageInfo, object: u64) {
        let joiners = &mut self.state.carried_mut().joiners;
        if !joiners.barred.contains(&info.sender) {
            let waiting =
                Waiting { message, info, object, place: 0, hold: None, wanted: false, replacing: None };
            joiners.admit(waiting, self.cx.now, self.cx.time_of_day(), &self.cx.config.limits);
        }
    }

    /// Returns a pin with the lock that the keys at hand make: of a commit or of a Welcome that it names.
    pub(crate) fn fit_lock(&mut self, now: Timestamp, pin: &Pin) -> Pin {
        let own = |o: &Pin| o.commit_hash() == pin.commit_hash();
        let lock = match &self.state {
            State::Member(member) => {
                let slot = &member.slot;
                let outbox = slot.outbox.as_ref().map(|o| o.pin).filter(own);
                let pins = outbox.into_iter().chain(slot.candidates.iter().filter_map(|c| c.pin).filter(own));
                pins.map(|own| own.slot_lock().to_vec()).next()
            }
            State::Joining(joining) => {
                let held = joining.gate.of_context(pin.context_hash());
                held.and_then(|(welcome, info)| {
                    let key = self
                        .cx
                        .keys
                        .packages
                        .iter()
                        .find(|key| key.key_package_ref == info.key_package_ref)?
                        .clone();
                    let group = self.cx.engine.join(now, &welcome, &key, None).ok()?.ok()?;
                    Some(self.cx.slot_lock(&group, info.epoch).ok()?.to_vec())
                })
            }
            _ => None,
        };
        let part = |bytes: &[u8]| bytes.try_into().unwrap_or([0; 32]);
        let lock = lock.unwrap_or_else(|| pin.slot_lock().to_vec());
        Pin::new(part(pin.commit_hash()), part(pin.context_hash()), part(&lock))
    }

    /// Forgets the service's key: whatever it says is believed.
    pub(crate) fn forget_service_key(&mut self) {
        self.cx.config.params.service_key = None;
    }

    /// Puts objects at the draft's places.
    pub(crate) fn use_foreseeable_places(&mut self) {
        self.cx.rules.draws_places = false;
    }

    /// Forgets that another held the lock.
    pub(crate) fn forget_conflicts(&mut self) {
        match &mut self.state {
            State::Member(member) => member.slot.gave_way = false,
            State::Creating(creating) => creating.conflicts = 0,
            _ => {}
        }
    }

    /// Allows everything to everybody's commits.
    pub(crate) fn forget_policy(&mut self) {
        self.cx.config.policy = CommitPolicy::default();
    }

    /// Lets everybody in as often as it likes.
    pub(crate) fn forget_paces(&mut self) {
        self.state.carried_mut().paces = Default::default();
    }

    /// Makes commits of others as fresh as can be, and forgets who made the present epoch.
    pub(crate) fn give_way_for_ever(&mut self) {
        let State::Member(member) = &mut self.state else { return };
        member.epoch.committer = None;
        for candidate in &mut member.slot.candidates {
            candidate.since = self.cx.now;
        }
    }

    /// Lists the commits of others that this participant could pin for them, with their pins.
    pub(crate) fn helpable(&self) -> Vec<(Bytes, Pin)> {
        let candidates = self.member().map(|m| m.slot.candidates.iter());
        candidates.into_iter().flatten().filter_map(|c| Some((c.bytes.clone(), c.pin?))).collect()
    }

    /// Lists the timers that are set, each of which may [`fire`](Self::fire).
    pub fn armed(&self) -> Vec<Timer> {
        self.cx.deadlines.armed().collect()
    }

    /// Lets one timer fire, whatever the time.
    ///
    /// # Errors
    /// As [`Participant::handle`].
    pub fn fire(&mut self, timer: Timer) -> Result<(), Error> {
        if !self.cx.deadlines.is_set(timer) {
            return Ok(());
        }
        self.cx.deadlines.clear(timer);
        self.state.carried_mut().joiners.close_window();
        if let (Timer::Confirm, State::Member(member)) = (timer, &mut self.state) {
            let Timers { confirm, lease, .. } = self.cx.config.timers;
            // As old as makes a difference: see `member::help`.
            let ages = if self.cx.rules.pins { [confirm, lease] } else { [lease, lease.saturating_mul(2)] };
            member.slot.grow_old(self.cx.now, &ages);
        }
        self.guard(|this| {
            this.run(Input::Timer(timer))?;
            this.state.schedule_turn(&mut this.cx);
            Ok(())
        })
    }

    /// Forgets what makes no difference to what can happen next: when timers are due, how often anything
    /// was tried or counted. Requests are numbered anew from 1 in the order of their old numbers; what waits
    /// for an answer must be renumbered by the returned map of old to new.
    pub fn canonical(&mut self) -> BTreeMap<u64, u64> {
        let Self { cx, state, .. } = self;
        let late = Timestamp::from_millis(u64::MAX / 2);
        cx.deadlines.level(late);
        cx.jitter = Jitter::new(&[]);
        cx.stats = Stats::default();
        (cx.hinted, cx.told, cx.confirmed, cx.signs_since) = (None, None, None, None);
        cx.alarms = Default::default();
        cx.fresh = Fresh::FIRST_RUN;
        cx.keys.spare_until = cx.keys.spare_until.map(|_| late);
        let joiners = &mut state.carried_mut().joiners;
        joiners.close_window();
        joiners.level();
        state.carried_mut().paces = Default::default();
        let renumbered = cx.requests.renumber();
        let new = |id: &mut FetchId| id.0 = renumbered.get(&id.0).copied().unwrap_or(0);
        match state {
            State::Creating(creating) => {
                creating.attempts = 0;
                creating.looking.iter_mut().for_each(new);
            }
            State::Joining(joining) => {
                joining.attempts = 0;
                if let Some(kept) = &mut joining.kept {
                    kept.until = late;
                    kept.slot.attempts = 0;
                    (kept.slot.staged_commits, kept.slot.verified) = (0, 0);
                    kept.recovery.level();
                    kept.slot.refused.clear();
                }
            }
            State::Member(member) => {
                let slot = &mut member.slot;
                slot.attempts = 0;
                // Bounds far beyond any world that is checked.
                (slot.staged_commits, slot.verified, slot.vain) = (0, 0, 0);
                slot.looks = slot.looks.min(1);
                slot.refused.clear();
                if let Step::Looking { fetch, .. } = &mut slot.step {
                    new(fetch);
                }
            }
            State::New(_) | State::Ended(_) | State::Poisoned(_) => {}
        }
        renumbered
    }
}
