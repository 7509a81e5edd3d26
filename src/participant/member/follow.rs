//! Following the group (draft section 6.3.2): commits are tried aside, held until their slot's
//! pin is known, and applied only then.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, MAX_RECEIPT, Pin, receipt_message};
use crate::engine::{Engine, EngineError, MessageKind, Rejection, Trial};
use crate::error::Error;
use crate::notice::{Fault, Notice, RejoinReason, ServiceFault};
use crate::participant::context::Context;
use crate::participant::member::epoch::{Afterwards, Change, Epoch, NewEpoch, OwnCommit, Unheard};
use crate::participant::member::slot::{Candidate, Slot, Step, Verdict};
use crate::participant::requests::FetchPurpose;
use crate::tracks::{Location, Object, SenderId};

impl<G> Slot<G> {
    /// Takes in an object of this epoch's MOQT group: a commit at an even id, its receipt at the next.
    pub(crate) fn on_object<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        object: Object,
    ) -> Result<Verdict<G>, Error> {
        let id = object.location.object;
        if id % 2 == 1 {
            self.on_receipt(cx, epoch, from, id, object.payload)
        } else {
            self.on_commit(cx, epoch, from, id, object.payload)
        }
    }

    fn on_commit<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        id: u64,
        bytes: Bytes,
    ) -> Result<Verdict<G>, Error> {
        let hash = cx.engine.sha256(&bytes)?;
        let (most_looks, most_held) = (cx.config.limits.commits_per_epoch, cx.config.limits.candidates);
        if self.outbox.as_ref().is_some_and(|o| o.pin.commit_hash() == hash) {
            self.on_own_commit_seen(cx, epoch);
            return Ok(Verdict::Open);
        }
        if from.as_ref().is_none_or(|from| *from == cx.me) && self.taken.len() < most_looks {
            self.taken.insert(id);
        }
        if let Some(candidate) = self.candidate(&hash).and_then(|i| self.candidates.get_mut(i)) {
            candidate.objects.insert(id);
            return self.use_receipts(cx, epoch);
        }
        if self.decided.is_some_and(|pin| pin.commit_hash() != hash) {
            // The slot is decided for another commit.
            return Ok(Verdict::Open);
        }
        let over = self.looked_at >= most_looks || self.candidates.len() >= most_held;
        if over && self.decided.is_none() {
            cx.fault(from, Fault::TooMany);
            return Ok(Verdict::Open);
        }
        self.looked_at = self.looked_at.saturating_add(1);
        match cx.engine.trial(&epoch.group, cx.now, &bytes)? {
            Ok(trial) => {
                // One per committer: a member that sends two cannot crowd out the others.
                if self.decided.is_none() && self.candidates.iter().any(|c| c.trial.author == trial.author) {
                    cx.fault(from, Fault::TooMany);
                    return Ok(Verdict::Open);
                }
                self.on_candidate(cx, epoch, Candidate { hash, objects: [id].into(), trial })
            }
            // Ours, from before a state loss: nobody can process it for us, and others will.
            Err(Rejection::Own) => Ok(Verdict::Open),
            Err(_) => {
                let fault = what_is_wrong(cx, epoch, &bytes)?;
                cx.fault(from, fault);
                Ok(if fault == Fault::Invalid { self.on_faulty(cx, epoch, &hash) } else { Verdict::Open })
            }
        }
    }

    fn on_candidate<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        candidate: Candidate<G>,
    ) -> Result<Verdict<G>, Error> {
        let unsent = self.outbox.as_ref().is_none_or(|o| !o.sent);
        self.candidates.push(candidate);
        if let Some(pin) = self.decided {
            return self.decide(cx, epoch, pin);
        }
        if !cx.rules.pins && unsent {
            // The draft's rule: process it on receipt. In Fenced mode its committer has won the slot.
            let at = self.candidates.len().saturating_sub(1);
            return Ok(self.apply_candidate(cx, at, None));
        }
        cx.deadlines.clear(Timer::Turn);
        let confirm = cx.config.timers.confirm;
        let wait = confirm + cx.jitter.up_to(confirm);
        cx.bring_forward(Timer::Confirm, wait);
        let verdict = self.use_receipts(cx, epoch)?;
        if matches!(verdict, Verdict::Open) {
            self.on_rival(cx, epoch);
        }
        Ok(verdict)
    }

    /// A decided commit that cannot be processed: report it and come back as a new leaf.
    fn on_faulty<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        hash: &[u8; 32],
    ) -> Verdict<G> {
        if self.decided.is_none_or(|pin| pin.commit_hash() != hash) {
            return Verdict::Open;
        }
        cx.notify(Notice::FaultyCommit { epoch: epoch.number, commit_hash: *hash });
        Verdict::Rejoin(RejoinReason::FaultyCommit)
    }

    fn on_receipt<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        id: u64,
        receipt: Bytes,
    ) -> Result<Verdict<G>, Error> {
        if receipt.len() > MAX_RECEIPT {
            cx.fault(from, Fault::BadReceipt);
        } else if self.receipts.len() >= cx.config.limits.candidates {
            cx.fault(from, Fault::TooMany);
        } else {
            self.receipts.push((id - 1, receipt));
            return self.use_receipts(cx, epoch);
        }
        Ok(Verdict::Open)
    }

    /// A receipt that verifies confirms its commit without a word from the counter service.
    fn use_receipts<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
    ) -> Result<Verdict<G>, Error> {
        let Some(key) = cx.config.service_key.as_ref().filter(|_| cx.rules.pins) else {
            return Ok(Verdict::Open);
        };
        let slot = epoch.slot();
        let confirmed = self.receipts.iter().find_map(|(id, receipt)| {
            let pin = self.candidates.iter().find(|c| c.objects.contains(id))?.pin()?;
            let message = receipt_message(&cx.config.group, slot, &pin);
            cx.engine.verify_receipt(key, &message, receipt).then_some(pin)
        });
        match confirmed {
            Some(pin) => {
                cx.stats.receipts_used = cx.stats.receipts_used.saturating_add(1);
                self.decide(cx, epoch, pin)
            }
            None => Ok(Verdict::Open),
        }
    }

    /// The slot is decided: apply the commit that `pin` names, or go and find it.
    pub(crate) fn decide<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        pin: Pin,
    ) -> Result<Verdict<G>, Error> {
        self.halted = None;
        if self.outbox.as_ref().is_some_and(|o| o.pin == pin) {
            return self.apply_outbox(cx, epoch);
        }
        if let Some(at) = self.candidates.iter().position(|c| c.agrees_with(&pin)) {
            return Ok(self.apply_candidate(cx, at, cx.rules.pins.then_some(pin)));
        }
        let misnamed = self.candidates.iter().any(|c| c.is_named_by(&pin));
        self.decided = Some(pin);
        self.step = Step::Idle;
        // Losers and their secrets go; what they held is rebuilt in the next epoch.
        self.candidates.clear();
        self.lose_outbox(cx);
        if let (true, Ok(hash)) = (misnamed, pin.commit_hash().try_into()) {
            // The commit makes another epoch than its committer told the service.
            return Ok(self.on_faulty(cx, epoch, &hash));
        }
        for timer in [Timer::Turn, Timer::Confirm, Timer::ReadBack, Timer::Request] {
            cx.deadlines.clear(timer);
        }
        cx.bring_forward(Timer::Rejoin, cx.config.timers.rejoin);
        self.fetch_missing(cx, epoch);
        Ok(Verdict::Open)
    }

    /// Without pins: the counter is ahead, so a commit is on its way or lost.
    fn on_behind<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        self.step = Step::Idle;
        cx.bring_forward(Timer::Rejoin, cx.config.timers.rejoin);
        self.fetch_missing(cx, epoch);
    }

    /// Asks the relay for what is missing, again and again until it is here or the member gives up.
    pub(crate) fn fetch_missing<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        let last = epoch.number.saturating_add(cx.config.limits.future_epochs);
        cx.fetch_commits(FetchPurpose::Objects, epoch.number..=last);
        let fetch = cx.config.timers.fetch;
        let wait = fetch + cx.jitter.up_to(fetch / 2);
        cx.set(Timer::Fetch, wait);
    }

    /// A commit of a later epoch is here: the ones before it exist, and are either on their way or lost.
    pub(crate) fn on_gap<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if self.candidates.is_empty() && self.decided.is_none() {
            cx.bring_forward(Timer::Confirm, cx.config.timers.confirm);
        }
    }

    fn apply_outbox<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
    ) -> Result<Verdict<G>, Error> {
        // mls-rs would roll a group back without a word: the base must be the very epoch we are in.
        let Some(outbox) = self.outbox.take_if(|o| o.base == epoch.context_hash) else {
            return Ok(Verdict::Rejoin(RejoinReason::Unreachable));
        };
        let place = self.commit_place(cx, epoch, &outbox.commit)?;
        let location = Location { group: epoch.number, object: place };
        let unheard = cx.rules.fills_first.then_some(Unheard { location, commit: outbox.commit });
        cx.stats.commits_won = cx.stats.commits_won.saturating_add(1);
        let afterwards = Afterwards { welcomes: outbox.welcomes, unheard, tree: outbox.tree };
        let change = Change { committer: epoch.leaf, removed: outbox.removed, added: outbox.added };
        Ok(Verdict::Enter(Box::new(NewEpoch {
            next: outbox.next,
            change,
            pin: cx.rules.pins.then_some(outbox.pin),
            own: Some(OwnCommit { saved: outbox.saved, afterwards }),
        })))
    }

    fn apply_candidate<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        at: usize,
        pin: Option<Pin>,
    ) -> Verdict<G> {
        if at >= self.candidates.len() {
            return Verdict::Open;
        }
        let Trial { author, removed, added, next } = self.candidates.swap_remove(at).trial;
        self.lose_outbox(cx);
        match next {
            Some(next) => {
                let change = Change { committer: author, removed, added };
                Verdict::Enter(Box::new(NewEpoch { next, change, pin, own: None }))
            }
            None => Verdict::Removed { added },
        }
    }

    /// Takes in what the counter said to an audit, or to a question about a slot that was decided meanwhile.
    pub(crate) fn on_news<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
    ) -> Result<Verdict<G>, Error> {
        if !self.is_idle() || state.current == epoch.slot() {
            return Ok(Verdict::Open);
        }
        if state.current > epoch.slot() {
            // The commit may be on its way; when it is not here by then, ask which one it is.
            cx.bring_forward(Timer::Confirm, cx.config.timers.confirm);
            return Ok(Verdict::Open);
        }
        self.on_counter(cx, epoch, state)
    }

    /// The counter does not stand at our slot.
    pub(crate) fn on_counter<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
    ) -> Result<Verdict<G>, Error> {
        let slot = epoch.slot();
        if state.current.saturating_sub(slot) > cx.config.limits.counter_lead {
            self.halt(cx, ServiceFault::Absurd { current: state.current });
        } else if state.current > slot {
            if cx.rules.pins {
                return self.on_slot_used(cx, epoch, state);
            }
            self.on_behind(cx, epoch);
        } else if cx.rules.repairs_counter && state.current.checked_add(1) == Some(slot) {
            // Its committer died between publish and increment, and everyone applied the commit.
            self.start_repair(cx, state.current);
        } else if state.current < slot {
            self.halt(cx, ServiceFault::Regressed { current: state.current });
        } else {
            self.back_off(cx);
        }
        Ok(Verdict::Open)
    }

    fn on_slot_used<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
    ) -> Result<Verdict<G>, Error> {
        match (state.pin, state.pin_forgotten) {
            (Some(pin), _) => self.decide(cx, epoch, pin),
            (None, true) => Ok(Verdict::Rejoin(RejoinReason::PinForgotten)),
            (None, false) => {
                self.halt(cx, ServiceFault::NoPins);
                Ok(Verdict::Open)
            }
        }
    }

    /// Fenced and Advisory: the counter is past our slot and names no winner.
    pub(crate) fn on_unpinned_lost<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        state: &CounterState,
        pin: Pin,
        unknown: bool,
    ) -> Result<Verdict<G>, Error> {
        if state.current <= epoch.slot() {
            self.step = Step::Idle;
            return self.on_counter(cx, epoch, state);
        }
        if cx.rules.fills_first {
            // Not filled under our token, so another's commit won, and nobody has seen ours.
            self.outbox = None;
            cx.stats.commits_lost = cx.stats.commits_lost.saturating_add(1);
            self.on_behind(cx, epoch);
            return Ok(Verdict::Open);
        }
        if unknown && self.candidates.is_empty() {
            // An earlier copy of our own increment was heard, only its answer was lost.
            return self.decide(cx, epoch, pin);
        }
        match self.best_candidate() {
            Some(rival) => self.decide(cx, epoch, rival),
            None => {
                self.on_behind(cx, epoch);
                Ok(Verdict::Open)
            }
        }
    }
}

/// Why this, of the present epoch's MOQT group, is no commit on the present epoch.
fn what_is_wrong<E: Engine>(
    cx: &Context<E>,
    epoch: &Epoch<E::Group>,
    bytes: &Bytes,
) -> Result<Fault, EngineError> {
    Ok(match cx.engine.classify(bytes)? {
        Ok(MessageKind::Commit { group_id, .. }) if group_id != cx.config.group.as_bytes() => {
            Fault::WrongGroup
        }
        Ok(MessageKind::Commit { epoch: of, .. }) if of != epoch.number => Fault::WrongEpoch,
        Ok(MessageKind::Commit { .. }) => Fault::Invalid,
        Ok(_) | Err(_) => Fault::NotMls,
    })
}
