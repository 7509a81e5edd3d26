//! What each deliberate bug does to the events and actions of a participant.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::action::{Action, IncrementRequestId, PublishId, Timer};
use crate::counter::{IncrementReply, IncrementRequest, LockReply, Pin};
use crate::engine::{Engine, MessageKind, OwnKeyPackage, Rejection};
use crate::error::Error;
use crate::event::{Event, Failure, Object};
use crate::participant::{Participant, SafetyMode};
use crate::snapshot::Snapshot;
use crate::testing::flaws::flaw::Flaw;
use crate::testing::flaws::looks::{
    commits, decided, fit_locks, is_lock, is_own, is_welcome, request, take_key_package,
};
use crate::time::Timestamp;

/// Requests from here on were never made by the participant. It counts its own from 1.
const MADE_UP: u64 = 1 << 63;

/// A flaw at work, and what it has to keep in mind.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Tricks {
    flaw: Flaw,
    /// What the driver is to do next.
    actions: VecDeque<Action>,
    /// The events that the participant gets next, though they never happened.
    forged: VecDeque<Event>,
    /// Requests whose answers nobody gets to hear.
    swallowed: BTreeSet<u64>,
    /// A snapshot that is not made durable yet.
    held: Option<Snapshot>,
    /// The one KeyPackage that is ever used.
    key: Option<OwnKeyPackage>,
    /// A commit of another member that works, by the epoch it was made in.
    candidate: Option<(u64, Pin)>,
    /// What was helped at once, with its epoch.
    helped: BTreeSet<(u64, Pin)>,
}

/// What one event brought about.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// It was the service's Ok to an increment.
    accepted: bool,
    /// A commit was built.
    built: bool,
}

impl Tricks {
    pub(super) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            actions: VecDeque::new(),
            forged: VecDeque::new(),
            swallowed: BTreeSet::new(),
            held: None,
            key: None,
            candidate: None,
            helped: BTreeSet::new(),
        }
    }

    pub(super) fn handle<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
        mut event: Event,
    ) -> Result<(), Error> {
        if request(&event).is_some_and(|id| self.swallowed.remove(&id)) {
            return Ok(());
        }
        self.distort_event(participant, now, &mut event);
        let accepted = matches!(&event, Event::IncrementReply { reply: Ok(IncrementReply::Ok(_)), .. });
        self.step(participant, accepted, |p| p.handle(now, event))?;
        self.tell_forged(participant, now)
    }

    pub(super) fn fire<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
        timer: Timer,
    ) -> Result<(), Error> {
        self.step(participant, false, |p| p.fire(timer))?;
        self.tell_forged(participant, now)
    }

    pub(super) fn poll_action<E: Engine>(&mut self, participant: &mut Participant<E>) -> Option<Action> {
        if self.actions.is_empty() {
            // What a participant wants done right after it was restored.
            self.gather(participant, Outcome::default());
        }
        self.actions.pop_front()
    }

    /// Numbers the swallowed requests anew, far from those that the participant counts: old to new.
    pub(super) fn renumber(&mut self) -> BTreeMap<u64, u64> {
        let renumbered: BTreeMap<u64, u64> =
            std::mem::take(&mut self.swallowed).into_iter().zip(MADE_UP..).collect();
        self.swallowed = renumbered.values().copied().collect();
        renumbered
    }

    fn tell_forged<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
    ) -> Result<(), Error> {
        while let Some(event) = self.forged.pop_front() {
            self.step(participant, false, |p| p.handle(now, event))?;
        }
        Ok(())
    }

    fn step<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        accepted: bool,
        act: impl FnOnce(&mut Participant<E>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let held = participant.inside().outbox.is_some();
        let lost = participant.stats().commits_lost;
        act(participant)?;
        let built = !held && participant.inside().outbox.is_some();
        self.gather(participant, Outcome { accepted, built });
        match self.flaw {
            Flaw::ApplyOnReceipt => self.hurry(participant)?,
            Flaw::ReusedKeyPackage => self.hold_key(participant),
            Flaw::HelpsAnybody => self.help_all(participant),
            Flaw::DroppedIntent if participant.stats().commits_lost > lost => participant.forget_wishes(),
            _ => {}
        }
        Ok(())
    }

    /// Takes over what the participant wants done.
    fn gather<E: Engine>(&mut self, participant: &mut Participant<E>, outcome: Outcome) {
        while let Some(action) = participant.poll_action() {
            self.distort_action(participant, outcome, action);
        }
    }

    fn distort_event<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
        event: &mut Event,
    ) {
        match self.flaw {
            Flaw::ApplyOnReceipt => self.note_candidate(participant, now, event),
            Flaw::HelpUntried => self.help_untried(participant, now, event),
            Flaw::SecondCommit if is_lock(event) && participant.inside().candidates == 0 => {
                participant.drop_outbox();
            }
            Flaw::NoHelp if participant.inside().candidates > 0 => {
                // It never hears of the lock, and asks again after a back-off.
                if let Event::LockReply {
                    reply: reply @ Ok(LockReply::Ok { .. } | LockReply::Conflict { .. }),
                    ..
                } = event
                {
                    *reply = Err(Failure::Unknown);
                }
            }
            Flaw::OutboxDroppedOnTimeout if matches!(event, Event::IncrementReply { reply: Err(_), .. }) => {
                participant.drop_outbox();
            }
            Flaw::StaleKeyPackage => take_key_package(participant, now, event),
            Flaw::LockUnchecked => fit_locks(participant, now, event),
            Flaw::ReceiptUnchecked => participant.forget_service_key(),
            Flaw::ForeseeablePlaces => participant.use_foreseeable_places(),
            Flaw::WaitsForLock => participant.forget_conflicts(),
            Flaw::YieldsForEver => participant.give_way_for_ever(),
            Flaw::PolicyIgnored => participant.forget_policy(),
            Flaw::PaceIgnored => participant.forget_paces(),
            _ => {}
        }
    }

    fn distort_action<E: Engine>(
        &mut self,
        participant: &Participant<E>,
        outcome: Outcome,
        mut action: Action,
    ) {
        match (self.flaw, &mut action) {
            (Flaw::PersistAfterPublish, Action::Persist(snapshot)) => {
                // A later one has all that an earlier one has.
                self.held = outcome.built.then(|| snapshot.clone());
                if outcome.built {
                    return;
                }
            }
            (Flaw::PersistAfterPublish, Action::Publish { object, .. }) if is_own(participant, object) => {
                self.actions.push_back(action);
                self.actions.extend(self.held.take().map(Action::Persist));
                return;
            }
            (Flaw::WelcomeOnlyOnOk, Action::Publish { id, object })
                if !outcome.accepted && is_welcome(participant, object) =>
            {
                self.forged.push_back(Event::PublishReply { id: *id, reply: Ok(()) });
                return;
            }
            (Flaw::WelcomeBeforePin, Action::Publish { object, .. }) if is_own(participant, object) => {
                self.publish_welcomes(participant);
            }
            (Flaw::ReusedKeyPackage, Action::Publish { object, .. }) => self.reuse(participant, object),
            (Flaw::ApplyBeforePin, Action::Increment { id, request }) => {
                let own = participant.inside().outbox.map(|(_, pin, _)| pin);
                if let (Some(slot), Some(pin)) = (request.val, own.filter(|own| request.pin == Some(*own))) {
                    self.decide_by_increment(*id, slot, pin);
                }
            }
            (Flaw::ApplyOnReceipt, Action::Increment { id, request }) => {
                if let Some((slot, pin)) = self.take_candidate(participant, request.val) {
                    self.decide_by_increment(*id, slot, pin);
                }
            }
            (Flaw::ApplyOnReceipt, Action::Lock { id, request }) => {
                if let Some((slot, pin)) = self.take_candidate(participant, Some(request.val)) {
                    let reply = Ok(LockReply::CounterError(decided(slot, pin)));
                    self.forged.push_back(Event::LockReply { id: *id, reply });
                    self.swallowed.insert(id.0);
                }
            }
            _ => {}
        }
        self.actions.push_back(action);
    }

    /// Forges the answer that a slot went to `pin`. What the service really says comes too late.
    fn decide_by_increment(&mut self, id: IncrementRequestId, slot: u64, pin: Pin) {
        let reply = Ok(IncrementReply::Ok(decided(slot, pin)));
        self.forged.push_back(Event::IncrementReply { id, reply });
        self.swallowed.insert(id.0);
    }

    /// Makes up a request id, whose answer is for nobody.
    fn made_up(&mut self) -> u64 {
        let id = self.swallowed.last().map_or(MADE_UP, |last| last.saturating_add(1).max(MADE_UP));
        self.swallowed.insert(id);
        id
    }

    /// Notes the first commit of another member that works.
    fn note_candidate<E: Engine>(&mut self, participant: &Participant<E>, now: Timestamp, event: &Event) {
        let (Some(group), Some(epoch)) = (participant.group(), participant.epoch()) else { return };
        if self.candidate.is_some() || participant.config().params.mode != SafetyMode::Pinned {
            return;
        }
        let engine = participant.engine();
        let pin = commits(participant, event).find_map(|commit| {
            let next = engine.stage_commit(group, now, commit).ok()?.ok()?.next?;
            participant.pin_of(commit, &next)
        });
        self.candidate = pin.map(|pin| (epoch, pin));
    }

    /// Makes a participant that holds a candidate ask about the slot at once.
    fn hurry<E: Engine>(&mut self, participant: &mut Participant<E>) -> Result<(), Error> {
        self.candidate.take_if(|(epoch, _)| participant.epoch() != Some(*epoch));
        if self.candidate.is_some() && participant.inside().candidates > 0 {
            participant.fire(Timer::Request)?;
            participant.fire(Timer::Confirm)?;
            self.gather(participant, Outcome::default());
        }
        Ok(())
    }

    /// Takes the noted candidate if it is held, and `asked` is the slot it is for.
    fn take_candidate<E: Engine>(
        &mut self,
        participant: &Participant<E>,
        asked: Option<u64>,
    ) -> Option<(u64, Pin)> {
        let slot = participant.epoch()?.saturating_add(1);
        if asked != Some(slot) || participant.inside().candidates == 0 {
            return None;
        }
        self.candidate.take().map(|(_, pin)| (slot, pin))
    }

    /// Sends an increment for each commit of another that was not helped yet.
    fn help_all<E: Engine>(&mut self, participant: &Participant<E>) {
        let Some(epoch) = participant.epoch() else { return };
        self.helped.retain(|(of, _)| *of == epoch);
        for (commit, pin) in participant.helpable() {
            if self.helped.insert((epoch, pin)) {
                let request = IncrementRequest {
                    counter: participant.config().group.clone(),
                    val: Some(epoch.saturating_add(1)),
                    lock_id: None,
                    prev: participant.pin().copied(),
                    pin: Some(pin),
                    key: participant.slot_key(),
                    commit: Some(commit),
                };
                let id = IncrementRequestId(self.made_up());
                self.actions.push_back(Action::Increment { id, request });
            }
        }
    }

    /// Sends an increment for each commit of the present epoch that cannot be processed.
    fn help_untried<E: Engine>(&mut self, participant: &Participant<E>, now: Timestamp, event: &Event) {
        let (Some(group), Some(epoch)) = (participant.group(), participant.epoch()) else { return };
        if participant.config().params.mode != SafetyMode::Pinned || participant.inside().catching_up {
            return;
        }
        let engine = participant.engine();
        let name = &participant.config().group;
        for commit in commits(participant, event) {
            let of_this_epoch = matches!(engine.classify(commit),
                Ok(Ok(MessageKind::Commit { group_id, epoch: of })) if of == epoch && group_id == name.as_bytes());
            let failed = matches!(engine.stage_commit(group, now, commit), Ok(Err(why)) if !matches!(why, Rejection::Own));
            let Ok(hash) = engine.sha256(commit) else { continue };
            if of_this_epoch && failed {
                let request = IncrementRequest {
                    counter: name.clone(),
                    val: Some(epoch.saturating_add(1)),
                    lock_id: None,
                    prev: participant.pin().copied(),
                    pin: Some(Pin::new(hash, [0; 32], [0; 32])),
                    key: participant.slot_key(),
                    commit: Some(commit.clone()),
                };
                let id = IncrementRequestId(self.made_up());
                self.actions.push_back(Action::Increment { id, request });
            }
        }
    }

    fn publish_welcomes<E: Engine>(&mut self, participant: &Participant<E>) {
        for object in participant.outbox_welcomes() {
            let id = PublishId(self.made_up());
            self.actions.push_back(Action::Publish { id, object });
        }
    }

    /// Publishes the one KeyPackage in place of another.
    fn reuse<E: Engine>(&self, participant: &Participant<E>, object: &mut Object) {
        let engine = participant.engine();
        let is_key_package = matches!(engine.classify(&object.payload), Ok(Ok(MessageKind::KeyPackage)));
        if let (true, Some(key)) = (is_key_package, &self.key) {
            object.location.object_id = key.object_id;
            object.payload = key.message.clone();
        }
    }

    /// Keeps the key of the one KeyPackage, and no other.
    fn hold_key<E: Engine>(&mut self, participant: &mut Participant<E>) {
        let keys = participant.own_keys_mut();
        if self.key.is_none() {
            self.key = keys.first().cloned();
        }
        *keys = self.key.iter().cloned().collect();
    }
}
