//! Deciding the next epoch: lock, build, make durable, look, publish, read back, increment.
//!
//! `reliability.md` section 7, steps 5 to 9. The lock only keeps members out of each other's way; what
//! counts is the pin that the service records once per slot.

use bytes::Bytes;

use crate::action::Timer;
use crate::config::SafetyMode;
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::engine::{Built, Engine};
use crate::error::Error;
use crate::notice::{Notice, Refusal, RejoinReason, ServiceFault};
use crate::participant::Participant;
use crate::participant::flaws::Flaw;
use crate::participant::membership::{Outbox, Step};
use crate::participant::requests::Asked;
use crate::participant::turn::{Add, Work};
use crate::request::{Failure, FetchId};
use crate::tracks::{COMMIT_OBJECT, Location, WELCOME_OBJECT, commit_fallback_object};

/// How often a member gives way to a commit that removes it, with a back-off that grows from try to try.
pub(crate) const PATIENCE: u32 = 6;

/// A commit and the leaves that it empties.
type Emptying<G> = (Built<G>, Vec<u32>);

impl<E: Engine> Participant<E> {
    /// One's turn has come: ask for the lock if there is still something to do.
    pub(crate) fn on_turn(&mut self) {
        if !self.has_work_for_a_commit() && self.member().is_none_or(|m| m.outbox.is_none()) {
            return;
        }
        if self.member().is_some_and(|m| m.outbox.is_none()) && self.waits_for_more() {
            return;
        }
        self.ask_slot();
    }

    /// A held commit has no confirmation yet: ask which commit won, or finish it for its author.
    pub(crate) fn on_confirm_timer(&mut self) {
        let Some(member) = self.member() else { return };
        if member.is_idle() && !self.deadlines.is_set(Timer::Request) {
            self.ask_slot();
        } else {
            self.deadlines.set(Timer::Confirm, self.now.after(self.config.timers.confirm));
        }
    }

    fn ask_slot(&mut self) {
        let Some(member) = self.member_mut() else { return };
        if !member.is_idle() {
            return;
        }
        let slot = member.slot();
        if let Some((pin, lock_id)) = member.outbox.as_ref().and_then(|o| Some((o.pin, o.lock_id.clone()?))) {
            // Whether the slot is ours already, the service says only to the token it was asked under.
            self.deadlines.clear(Timer::Turn);
            self.pin_slot(pin, Some(lock_id), true);
            return;
        }
        member.step = Step::Locking;
        self.deadlines.clear(Timer::Turn);
        self.ask_lock(slot);
    }

    /// The back-off is over: ask again, or repeat the increment with the very same pin.
    pub(crate) fn ask_slot_again(&mut self) {
        let Some(member) = self.member() else { return };
        match member.step.clone() {
            Step::Idle => self.ask_slot(),
            Step::Pinning { pin, lock_id, .. } => {
                let (slot, prev) = (member.slot(), member.pin);
                self.ask_increment(slot, pin, prev, lock_id);
            }
            Step::Healing { lock_id: Some(lock_id), slot } => self.heal(slot, Some(lock_id)),
            Step::Healing { lock_id: None, slot } => self.ask_lock(slot),
            Step::Locking | Step::Looking { .. } | Step::Publishing { .. } => {}
        }
    }

    /// Back to idle, to try again after a back-off that grows with each failure.
    pub(crate) fn back_off(&mut self) {
        let Some(member) = self.member_mut() else { return };
        member.step = Step::Idle;
        self.repeat_later();
    }

    /// Keeps the step and repeats its request after a back-off.
    pub(crate) fn repeat_later(&mut self) {
        let Some(member) = self.member_mut() else { return };
        member.attempts = member.attempts.saturating_add(1);
        let attempts = member.attempts;
        let wait = self.jitter.backoff(self.config.timers.backoff, attempts);
        self.deadlines.set(Timer::Request, self.now.after(wait));
    }

    /// Nothing is committed until the service recovers; it is probed with a growing back-off.
    fn halt(&mut self, fault: ServiceFault) {
        let Some(member) = self.member_mut() else { return };
        if member.halted.replace(fault) != Some(fault) {
            self.notify(Notice::ServiceFault(fault));
        }
        self.back_off();
    }

    pub(crate) fn on_slot_lock(&mut self, val: u64, reply: Result<LockReply, Failure>) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        if let Step::Healing { slot, .. } = member.step {
            if val == slot {
                self.on_healing_lock(slot, reply);
            }
            return Ok(());
        }
        if val == member.epoch {
            return match reply {
                Ok(LockReply::CounterError(state)) => self.on_audit(&state),
                Ok(_) | Err(_) => Ok(()),
            };
        }
        if val != member.slot() || member.step != Step::Locking {
            // An answer for a slot that is decided by now; a lock that fell to us lapses.
            return Ok(());
        }
        match reply {
            Ok(LockReply::Ok { lock_id, .. }) => self.on_locked(lock_id)?,
            Ok(LockReply::Conflict { retry_later }) => {
                member.step = Step::Idle;
                let wait = self.retry_after(retry_later);
                self.deadlines.set(Timer::Request, self.now.after(wait));
            }
            Ok(LockReply::CounterError(state)) => {
                member.step = Step::Idle;
                self.on_counter(&state)?;
            }
            Ok(LockReply::Error(reason)) => self.halt(ServiceFault::Refused(reason)),
            Err(_) => self.back_off(),
        }
        Ok(())
    }

    /// The counter does not stand at our slot.
    pub(crate) fn on_counter(&mut self, state: &CounterState) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        let slot = member.slot();
        if state.current.saturating_sub(slot) > self.config.limits.counter_lead {
            self.halt(ServiceFault::Absurd { current: state.current });
        } else if state.current > slot {
            if self.is_pinned() {
                return self.on_slot_used(state);
            }
            self.on_behind()?;
        } else if self.config.mode == SafetyMode::Advisory && state.current.checked_add(1) == Some(slot) {
            // Advisory: its committer died between publish and increment, and everyone applied it.
            self.start_healing(state.current);
        } else if state.current < slot {
            self.halt(ServiceFault::Regressed { current: state.current });
        } else {
            self.back_off();
        }
        Ok(())
    }

    fn on_slot_used(&mut self, state: &CounterState) -> Result<(), Error> {
        match (state.pin, state.pin_forgotten) {
            (Some(pin), _) => {
                if self.has(Flaw::WelcomeOnlyOnOk)
                    && let Some(outbox) = self.member_mut().and_then(|m| m.outbox.as_mut())
                {
                    outbox.welcomes.clear();
                }
                self.decide(pin)
            }
            (None, true) => self.rejoin(RejoinReason::PinForgotten),
            (None, false) => {
                self.halt(ServiceFault::NoPins);
                Ok(())
            }
        }
    }

    /// The lock is ours: help a commit that is already there, go on with our own, or build one.
    fn on_locked(&mut self, lock_id: Option<Bytes>) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        if let Some(pin) = member.best_candidate() {
            if self.has(Flaw::NoHelp) {
                self.back_off();
            } else {
                self.pin_candidate(pin, lock_id);
            }
            return Ok(());
        }
        if !member.candidates.is_empty() && member.attempts < PATIENCE {
            // Commits that remove us cannot be pinned by us: we do not know the epoch they make. Whoever can
            // has time to; if nobody is left who can, the group must not stand still for it.
            self.back_off();
            return Ok(());
        }
        if self.has(Flaw::SecondCommit)
            && let Some(member) = self.member_mut()
        {
            member.outbox = None;
        }
        if self.config.mode == SafetyMode::Fenced && lock_id.is_none() {
            self.halt(ServiceFault::NoTokens);
            return Ok(());
        }
        let held = self.member().is_some_and(|m| m.outbox.is_some());
        if !held && !self.build_outbox()? {
            if let Some(member) = self.member_mut() {
                // The service stands where it should, and there is nothing to do.
                member.halted = None;
                member.step = Step::Idle;
                if !member.candidates.is_empty() {
                    // But a commit that removes us is still open, and nobody else will tell us what became of it.
                    self.back_off();
                }
            }
            return Ok(());
        }
        if self.config.mode == SafetyMode::Fenced {
            return self.fill_slot(lock_id);
        }
        if !held && !self.has(Flaw::PersistAfterPublish) {
            self.persist()?;
        }
        let track = self.tracks.commit(&self.me);
        let Some(epoch) = self.epoch() else { return Ok(()) };
        let fetch = self.fetch(track, epoch..=epoch);
        if let Some(member) = self.member_mut() {
            member.step = Step::Looking { fetch, lock_id };
        }
        Ok(())
    }

    fn pin_candidate(&mut self, pin: Pin, lock_id: Option<Bytes>) {
        self.stats.helped = self.stats.helped.saturating_add(1);
        self.pin_slot(pin, lock_id, false);
    }

    pub(crate) fn pin_slot(&mut self, pin: Pin, lock_id: Option<Bytes>, own: bool) {
        let Some(member) = self.member_mut() else { return };
        member.step = Step::Pinning { pin, lock_id: lock_id.clone(), own, unknown: false };
        let (slot, prev) = (member.slot(), member.pin);
        self.deadlines.clear(Timer::ReadBack);
        self.ask_increment(slot, pin, prev, lock_id);
    }

    /// Builds this slot's one commit; `false` if there is nothing to commit.
    fn build_outbox(&mut self) -> Result<bool, Error> {
        let work = self.work();
        if work.is_empty() {
            return Ok(false);
        }
        let Some((built, removed)) = self.build(&work)? else { return Ok(false) };
        let hash = self.engine.sha256(&built.commit)?;
        let saved = self.engine.save(&built.next.group)?;
        let Some(member) = self.member_mut() else { return Ok(false) };
        let pin = Pin::new(hash, built.next.context_hash);
        member.outbox = Some(Outbox {
            base: member.context_hash,
            commit: built.commit,
            pin,
            welcomes: built.welcomes,
            tree: built.tree,
            next: built.next,
            saved,
            added: built.added,
            removed,
            sent: false,
            object: None,
            seen: false,
            lock_id: None,
        });
        self.stats.commits_built = self.stats.commits_built.saturating_add(1);
        Ok(true)
    }

    /// Builds a commit, and says which leaves it empties. KeyPackages that cannot be committed are dropped
    /// one by one, never the batch.
    fn build(&mut self, work: &Work) -> Result<Option<Emptying<E::Group>>, Error> {
        let Some(member) = self.member() else { return Ok(None) };
        let attempt = |adds: &[Add]| {
            let mut removes = work.removes.clone();
            removes.extend(adds.iter().flat_map(|add| &add.takes));
            let removes: Vec<u32> = removes.into_iter().collect();
            let messages: Vec<Bytes> = adds.iter().map(|add| add.message.clone()).collect();
            let members = (member.roster.len() + messages.len()).saturating_sub(removes.len());
            let place = self.tree_place(members).filter(|_| !messages.is_empty());
            let built = match place {
                Some((track, at)) => {
                    self.engine.build_apart(&member.group, self.now, &messages, &removes, &track, at)
                }
                None => self.engine.build(&member.group, self.now, &messages, &removes),
            };
            built.map(|built| (built, removes))
        };
        if let Ok(built) = attempt(&work.adds) {
            return Ok(Some(built));
        }
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        // Halving finds the bad ones without a group clone for each good one.
        let mut parts = vec![&work.adds[..]];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            if attempt(part).is_ok() {
                good.extend_from_slice(part);
            } else if let [one] = part {
                bad.push(one.sender.clone());
            } else {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
        // Some may each be good and not go together: then one at a time.
        let mut built = None;
        for adds in [&good[..], good.get(..1).unwrap_or_default()] {
            if built.is_none() && !adds.is_empty() {
                built = attempt(adds).ok();
            }
        }
        if built.is_none() && (work.update || !work.removes.is_empty()) {
            // If not even the plain commit can be built, our own state is failing.
            built = Some(attempt(&[])?);
        }
        for sender in bad {
            self.joiners.take(&sender);
            self.notify(Notice::Refused { sender, why: Refusal::BadKeyPackage });
        }
        Ok(built)
    }

    /// What the relay had for this epoch was handled as it came: is there a commit to help instead?
    pub(crate) fn on_look(&mut self, id: FetchId) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        let Step::Looking { fetch, lock_id } = member.step.clone() else { return Ok(()) };
        if fetch != id {
            return Ok(());
        }
        if let Some(pin) = member.best_candidate() {
            if member.outbox.as_ref().is_some_and(|o| !o.sent) {
                // Nobody can have seen it: there was never a second commit for this slot.
                member.outbox = None;
            }
            self.pin_candidate(pin, lock_id);
            return Ok(());
        }
        let own = member.outbox.as_ref().filter(|o| o.seen).map(|o| o.pin);
        member.step = Step::Publishing { lock_id: lock_id.clone() };
        match own {
            Some(pin) => {
                self.pin_slot(pin, lock_id, true);
                Ok(())
            }
            None => self.publish_outbox(),
        }
    }

    /// The object id for one's own commit. Where somebody else's bytes hold object 0, for good, it is the place
    /// that is ours by our leaf; and where that is taken too, one that nobody can foresee before the
    /// commit is there.
    pub(crate) fn commit_place(&self, commit: &Bytes) -> Result<u64, Error> {
        let Some(member) = self.member() else { return Ok(COMMIT_OBJECT) };
        if !member.taken.contains(&COMMIT_OBJECT) {
            return Ok(COMMIT_OBJECT);
        }
        let hash = self.engine.sha256(commit)?;
        let most = u64::try_from(self.config.limits.roster).unwrap_or(u64::MAX).max(1);
        let drawn = hash.chunks(2).map(|pair| {
            let number = pair.iter().fold(0_u64, |n, byte| n * 256 + u64::from(*byte));
            number.checked_rem(most).unwrap_or(0).saturating_add(1).saturating_mul(2)
        });
        let mut places = commit_fallback_object(member.leaf).into_iter().chain(drawn);
        Ok(places.find(|place| !member.taken.contains(place)).unwrap_or(COMMIT_OBJECT))
    }

    /// Publishes one's own commit, always the same bytes at the same place.
    pub(crate) fn publish_outbox(&mut self) -> Result<(), Error> {
        let track = self.tracks.commit(&self.me);
        let Some(commit) = self.member().and_then(|m| m.outbox.as_ref()).map(|o| o.commit.clone()) else {
            return Ok(());
        };
        let place = self.commit_place(&commit)?;
        let early = self.has(Flaw::WelcomeBeforePin);
        let Some(member) = self.member_mut() else { return Ok(()) };
        if !matches!(member.step, Step::Publishing { .. }) {
            return Ok(());
        }
        let epoch = member.epoch;
        let Some(outbox) = &mut member.outbox else { return Ok(()) };
        // The place may turn out to be taken after one's own bytes were sent to it.
        let object = outbox.object.filter(|at| !member.taken.contains(at)).unwrap_or(place);
        outbox.object = Some(object);
        outbox.sent = true;
        let welcomes = if early { outbox.welcomes.clone() } else { Vec::new() };
        for (recipient, welcome) in welcomes {
            let location = Location { group: epoch.saturating_add(1), object: WELCOME_OBJECT };
            self.publish(self.tracks.welcome(&recipient), location, welcome);
        }
        self.publish(track, Location { group: epoch, object }, commit);
        self.deadlines.set(Timer::ReadBack, self.now.after(self.config.timers.read_back));
        self.publish_flawed();
        Ok(())
    }

    /// Nothing, but for deliberate bugs.
    fn publish_flawed(&mut self) {
        let outbox = self.member().and_then(|m| m.outbox.as_ref());
        let Some(pin) = outbox.map(|o| o.pin) else { return };
        if self.has(Flaw::PersistAfterPublish) {
            let _ = self.persist();
        }
        if self.has(Flaw::PinBeforeReadBack) {
            self.pin_slot(pin, None, true);
        }
    }

    /// One's own commit did not come back: the publish was lost, or only its echo was, or its place is taken.
    /// The slot may be decided by now, so the way on is the one from the start.
    pub(crate) fn on_read_back_timer(&mut self) {
        let Some(member) = self.member_mut() else { return };
        if matches!(member.step, Step::Publishing { .. }) {
            member.step = Step::Idle;
            self.ask_slot();
        } else if let Some(unheard) = &member.unheard {
            let epoch = unheard.location.group;
            self.publish_unheard();
            self.fetch(self.tracks.commit(&self.me), epoch..=epoch);
        }
    }

    /// One's own commit came back: only now may its slot be pinned, for others can find it.
    pub(crate) fn on_own_commit_seen(&mut self) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        let Some(outbox) = &mut member.outbox else { return Ok(()) };
        outbox.seen = true;
        outbox.sent = true;
        let pin = outbox.pin;
        if self.has(Flaw::ApplyBeforePin) {
            return self.decide(pin);
        }
        let Some(member) = self.member_mut() else { return Ok(()) };
        if let Step::Publishing { lock_id } = member.step.clone() {
            self.pin_slot(pin, lock_id, true);
        } else if member.is_idle() {
            // After a restart: the outbox goes on where it stood.
            self.deadlines.bring_forward(Timer::Turn, self.now);
        }
        Ok(())
    }

    /// Another valid commit showed up while our own is on its way: whoever is pinned wins, and the one
    /// that is there already is the better bet.
    pub(crate) fn on_rival(&mut self) {
        let Some(member) = self.member_mut() else { return };
        let Step::Publishing { lock_id } = member.step.clone() else { return };
        let Some(pin) = member.best_candidate() else { return };
        self.pin_candidate(pin, lock_id);
    }

    pub(crate) fn on_slot_increment(
        &mut self,
        asked: Asked,
        reply: Result<IncrementReply, Failure>,
    ) -> Result<(), Error> {
        let pinned = self.is_pinned();
        let careless = self.has(Flaw::OutboxDroppedOnTimeout);
        let Some(member) = self.member_mut() else { return Ok(()) };
        let slot = member.slot();
        if let (Step::Healing { slot: healed, .. }, true) = (&member.step, asked.slot < slot) {
            let healed = *healed;
            self.on_healed(healed, reply);
            return Ok(());
        }
        let Step::Pinning { pin, own, unknown, .. } = member.step.clone() else { return Ok(()) };
        if asked.slot != slot || asked.pin != pin {
            return Ok(());
        }
        match reply {
            Ok(IncrementReply::Ok(state)) if pinned => match state.pin {
                Some(winner) => {
                    if own && winner == pin {
                        self.publish_receipt(state.receipt);
                    }
                    return self.decide(winner);
                }
                None => self.halt(ServiceFault::NoPins),
            },
            Ok(IncrementReply::Ok(_)) => return self.decide(pin),
            Ok(IncrementReply::CounterError(state)) if !pinned => {
                return self.on_unpinned_lost(&state, pin, unknown);
            }
            Ok(IncrementReply::CounterError(state)) => {
                member.step = Step::Idle;
                if state.current == slot {
                    self.halt(ServiceFault::LineageMismatch);
                } else {
                    return self.on_counter(&state);
                }
            }
            // The lock lapsed. Where increments are pinned it does not matter, so this service does not pin.
            Ok(IncrementReply::Error(Reason::NotLocked)) if !pinned => {
                if let Some(outbox) = &mut member.outbox {
                    // Neither this token nor a late copy of this request can fill the slot any more.
                    outbox.lock_id = None;
                }
                self.back_off();
            }
            Ok(IncrementReply::Error(Reason::NotLocked | Reason::UnpinnedId)) => {
                self.halt(ServiceFault::NoPins);
            }
            Ok(IncrementReply::Error(reason)) => self.halt(ServiceFault::Refused(reason)),
            Err(_) if careless => {
                if let Some(member) = self.member_mut() {
                    member.outbox = None;
                }
                self.back_off();
            }
            Err(failure) => {
                if let Step::Pinning { unknown, .. } = &mut member.step {
                    *unknown = *unknown || failure == Failure::Unknown;
                }
                self.repeat_later();
            }
        }
        Ok(())
    }

    /// Publishes the service's receipt right behind the commit, so that others need not ask.
    fn publish_receipt(&mut self, receipt: Option<Bytes>) {
        if self.config.service_key.is_none() {
            return;
        }
        let Some(member) = self.member() else { return };
        let (Some(outbox), Some(receipt)) = (&member.outbox, receipt) else { return };
        let Some(object) = outbox.object else { return };
        let location = Location { group: member.epoch, object: object.saturating_add(1) };
        self.publish(self.tracks.commit(&self.me), location, receipt);
    }

    /// Fenced and Advisory: the counter is past our slot and names no winner.
    fn on_unpinned_lost(&mut self, state: &CounterState, pin: Pin, unknown: bool) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        let slot = member.slot();
        if state.current <= slot {
            member.step = Step::Idle;
            return self.on_counter(state);
        }
        if self.config.mode == SafetyMode::Fenced {
            // Not filled under our token, so another's commit won, and nobody has seen ours.
            if let Some(member) = self.member_mut() {
                member.outbox = None;
            }
            self.stats.commits_lost = self.stats.commits_lost.saturating_add(1);
            return self.on_behind();
        }
        let Some(member) = self.member_mut() else { return Ok(()) };
        if unknown && member.candidates.is_empty() {
            // An earlier copy of our own increment was heard, only its answer was lost.
            return self.decide(pin);
        }
        match member.best_candidate() {
            Some(rival) => self.decide(rival),
            None => self.on_behind(),
        }
    }
}
