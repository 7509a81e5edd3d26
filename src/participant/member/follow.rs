//! Following the group (draft section 6.3.2): commits are tried aside, held until their slot's
//! pin is known, and applied only then.

use bytes::Bytes;

use crate::action::Timer;
use crate::codec::pinned::{ReceiptObject, StateObject};
use crate::counter::{CounterState, Pin};
use crate::engine::{Engine, EngineError, MessageKind, Rejection, StagedCommit};
use crate::error::Error;
use crate::notice::{Fault, Notice, RejoinReason, ServiceFault};
use crate::participant::context::Context;
use crate::participant::member::epoch::{Afterwards, Change, Epoch, NewEpoch, OwnCommit, Unheard};
use crate::participant::member::proposals;
use crate::participant::member::slot::{Candidate, Slot, Step, Verdict, Won};
use crate::participant::requests::FetchPurpose;
use crate::tracks::{Object, SenderId};

impl<G> Slot<G> {
    /// Takes in an object of this epoch's MOQT group: a commit at an even id, a receipt at an odd one.
    pub(crate) fn on_object<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        object: Object,
    ) -> Result<Verdict<G>, Error> {
        if cx.rules.takes_proposals {
            self.on_handshake(cx, epoch, from, object.payload)
        } else if object.location.object_id % 2 == 1 {
            self.on_receipt(cx, epoch, from, object.payload)
        } else {
            self.on_commit(cx, epoch, from, object.payload)
        }
    }

    /// Takes in a commit, from the relay or from the service. The cheapest check comes first: anybody may have
    /// made it.
    pub(crate) fn on_commit<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        bytes: Bytes,
    ) -> Result<Verdict<G>, Error> {
        if let Some(fault) = is_no_commit(cx, epoch.number, &bytes)? {
            cx.fault(from, fault);
            // A member can pin whatever it likes.
            let pinned = self.decided.is_some();
            let hash = pinned.then(|| cx.engine.sha256(&bytes)).transpose()?;
            return Ok(hash.map_or(Verdict::Open, |hash| self.on_faulty(cx, epoch, &hash)));
        }
        let hash = cx.engine.sha256(&bytes)?;
        if self.outbox.as_ref().is_some_and(|o| o.pin.commit_hash() == hash) {
            self.on_own_commit_seen(cx, epoch);
            return Ok(Verdict::Open);
        }
        let known = self.candidates.iter().any(|c| c.hash == hash)
            || self.waiting.contains(&bytes)
            || (self.decided.is_none() && self.refused.contains(&hash));
        // The slot may be decided for another commit, or for one that nobody can enter.
        if known || self.dead.is_some() || self.decided.is_some_and(|pin| pin.commit_hash() != hash) {
            return Ok(Verdict::Open);
        }
        if self.decided.is_none() && self.has_tried_enough(cx, epoch, from.as_ref()) {
            cx.fault(from, Fault::TooMany);
            self.leave_to_the_counter(cx);
            return Ok(Verdict::Open);
        }
        self.staged_commits = self.staged_commits.saturating_add(1);
        match epoch.stage_commit(cx, &bytes, &self.proposals)? {
            Ok(staged) => {
                // One per committer: a member that sends two cannot crowd out the others.
                if self.decided.is_none()
                    && self.candidates.iter().any(|c| c.staged.committer == staged.committer)
                {
                    self.vain = self.vain.saturating_add(bytes.len());
                    cx.fault(from, Fault::TooMany);
                    return Ok(Verdict::Open);
                }
                let pin = match &staged.next {
                    Some(next) => Some(cx.pin_of(hash, next, epoch.slot())?),
                    None => None,
                };
                self.on_candidate(
                    cx,
                    epoch,
                    Candidate { hash, bytes, since: cx.now, pin, staged, asked: false },
                )
            }
            // Another run's commit, or ours from before a state was put back: it cannot be processed here.
            Err(Rejection::Own) => {
                self.staged_commits = self.staged_commits.saturating_sub(1);
                self.doubled = Some(hash);
                cx.hint();
                let decided = self.decided.is_some_and(|pin| pin.commit_hash() == hash);
                Ok(if decided { Verdict::Rejoin(RejoinReason::Doubled) } else { Verdict::Open })
            }
            Err(Rejection::MissingProposal) => {
                self.wait_for_proposals(cx, from, bytes);
                Ok(Verdict::Open)
            }
            Err(Rejection::Stranger) => {
                // It cost next to nothing, and anybody could use up what may be staged so.
                self.staged_commits = self.staged_commits.saturating_sub(1);
                cx.fault(from, Fault::Invalid);
                Ok(self.on_faulty(cx, epoch, &hash))
            }
            Err(_) => {
                self.vain = self.vain.saturating_add(bytes.len());
                self.refused.insert(hash);
                cx.fault(from, Fault::Invalid);
                Ok(self.on_faulty(cx, epoch, &hash))
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
        let hash = candidate.hash;
        self.candidates.push(candidate);
        if let Some(pin) = self.decided {
            return self.decide(cx, epoch, pin, None);
        }
        if !cx.rules.pins && unsent {
            // The draft's rule: process it on receipt. In Fenced mode its committer has won the slot.
            let at = self.candidates.len().saturating_sub(1);
            return Ok(self.apply_candidate(cx, at, None));
        }
        if !cx.rules.pins {
            cx.deadlines.clear(Timer::Turn);
        }
        let confirm = cx.config.timers.confirm;
        let wait = confirm + cx.jitter.up_to(confirm);
        cx.bring_forward(Timer::Confirm, wait);
        let verdict = self.use_receipts(cx, epoch, &hash)?;
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
        cx.notify(Notice::FaultyCommit { epoch: epoch.shown(), commit_hash: *hash });
        Verdict::Rejoin(RejoinReason::FaultyCommit)
    }

    /// The slot is decided: apply the commit that `pin` names, or go and find it.
    pub(crate) fn decide<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        pin: Pin,
        receipt: Option<Bytes>,
    ) -> Result<Verdict<G>, Error> {
        if self.dead.is_some() {
            return Ok(Verdict::Open);
        }
        self.halted = None;
        let won = Won { pin: cx.rules.pins.then_some(pin), receipt };
        let own = self.outbox.as_ref().map(|o| o.pin).filter(|own| own.commit_hash() == pin.commit_hash());
        if own.is_some_and(|own| own.slot_lock() == pin.slot_lock()) {
            return self.apply_outbox(cx, epoch, won);
        }
        if let Some(at) = self.candidates.iter().position(|c| c.agrees_with(&pin)) {
            return Ok(self.apply_candidate(cx, at, Some(won)));
        }
        if self.doubled.is_some_and(|hash| pin.commit_hash() == hash) {
            return Ok(Verdict::Rejoin(RejoinReason::Doubled));
        }
        let named = self.candidates.iter().find(|c| c.is_named_by(&pin)).map(|c| &c.staged.removed);
        let dead = named.or(self.outbox.as_ref().filter(|_| own.is_some()).map(|o| &o.removed)).cloned();
        if dead.is_none() && self.decided == Some(pin) {
            // It is being looked for, at leisure.
            return Ok(Verdict::Open);
        }
        self.decided = Some(pin);
        self.step = Step::Idle;
        // Losers and their secrets go; what they held is rebuilt in the next epoch.
        self.candidates.clear();
        self.lose_outbox(cx);
        for timer in [Timer::Turn, Timer::Confirm, Timer::ReadBack, Timer::Request] {
            cx.deadlines.clear(timer);
        }
        if dead.is_some() {
            // Only who made the lock up can fill the next slot. Nobody may take the keys of this one for the group's.
            self.dead = dead;
            cx.deadlines.clear(Timer::Rejoin);
            cx.deadlines.clear(Timer::Fetch);
            cx.notify(Notice::DeadSlot { epoch: epoch.shown_slot() });
            let goes = cx.config.successor;
            return Ok(if goes { Verdict::Rejoin(RejoinReason::WrongLock) } else { Verdict::Open });
        }
        cx.bring_forward(Timer::Rejoin, cx.config.timers.rejoin);
        self.fetch_missing(cx, epoch);
        Ok(Verdict::Open)
    }

    /// Without pins: the counter is ahead, so a commit is on its way or lost.
    pub(crate) fn on_behind<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        // One of the commits that are to come is the one that is needed, whatever others sent before.
        (self.staged_commits, self.vain) = (0, 0);
        cx.bring_forward(Timer::Rejoin, cx.config.timers.rejoin);
        self.fetch_missing(cx, epoch);
        // What there is to commit waits: asked about the same slot at once, the counter says the same.
        self.back_off(cx);
    }

    /// Asks the relay for what is missing, again and again until it is here or the member gives up.
    pub(crate) fn fetch_missing<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        let last = epoch.number.saturating_add(cx.config.limits.future_epochs);
        cx.fetch_commits(FetchPurpose::Objects, epoch.number..=last);
        if cx.rules.pins {
            cx.ask_commit(epoch.slot());
        }
        self.fetch_requests(cx, epoch);
        let fetch = cx.config.timers.fetch;
        let wait = fetch + cx.jitter.up_to(fetch / 2);
        cx.set(Timer::Fetch, wait);
    }

    /// A commit of a later epoch is here: the ones before it exist, and are either on their way or lost.
    pub(crate) fn on_gap<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if self.candidates.is_empty() && self.decided.is_none() {
            cx.hint();
        }
    }

    fn apply_outbox<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        won: Won,
    ) -> Result<Verdict<G>, Error> {
        // mls-rs would roll a group back without an error: the base must be the very epoch we are in.
        let Some(outbox) = self.outbox.take_if(|o| o.base == epoch.context_hash) else {
            return Ok(Verdict::Rejoin(RejoinReason::Unreachable));
        };
        let bytes = outbox.commit.len();
        let shows = cx.rules.fills_first || (cx.rules.pins && !outbox.seen);
        let unheard =
            shows.then(|| Unheard { epoch: epoch.number, commit: outbox.commit, tries: outbox.tries });
        cx.stats.commits_won = cx.stats.commits_won.saturating_add(1);
        let Won { pin, receipt } = won;
        let afterwards =
            Afterwards { welcomes: outbox.welcomes, unheard, tree: outbox.tree, receipt: receipt.clone() };
        let change = Change {
            committer: epoch.leaf,
            updated: Vec::new(),
            removed: outbox.removed,
            added: outbox.added,
            bytes,
        };
        Ok(Verdict::Enter(Box::new(NewEpoch {
            next: outbox.next,
            change,
            pin,
            receipt: self.tells.then(|| receipt.unwrap_or_default()),
            current: 0,
            own: Some(OwnCommit { saved: outbox.saved, afterwards }),
        })))
    }

    fn apply_candidate<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        at: usize,
        won: Option<Won>,
    ) -> Verdict<G> {
        if at >= self.candidates.len() {
            return Verdict::Open;
        }
        let Candidate { bytes, staged, .. } = self.candidates.swap_remove(at);
        let StagedCommit { committer, updated, removed, added, next } = staged;
        self.lose_outbox(cx);
        let Won { pin, receipt } = won.unwrap_or_default();
        match next {
            Some(next) => {
                let change = Change { committer, updated, removed, added, bytes: bytes.len() };
                let receipt = self.tells.then(|| receipt.unwrap_or_default());
                Verdict::Enter(Box::new(NewEpoch { next, change, pin, receipt, current: 0, own: None }))
            }
            None => Verdict::Removed { added },
        }
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
            return self.on_unpinned_ahead(cx, epoch);
        } else if cx.rules.repairs_counter && state.current.checked_add(1) == Some(slot) {
            // Its committer died between publish and increment, and everyone applied the commit.
            self.start_repair(cx, state.current);
        } else if state.current < slot {
            self.halt(cx, ServiceFault::Regressed { current: state.current });
            self.doubt(cx)?;
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
            (Some(pin), _) => Ok(self.decide(cx, epoch, pin, state.receipt.clone())?.told_at(state.current)),
            (None, true) => Ok(self.on_forgotten(cx, epoch, state)),
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
            return self.decide(cx, epoch, pin, None);
        }
        self.on_unpinned_ahead(cx, epoch)
    }
}

/// Why an object of a Commit track can be nothing of `epoch`, as far as its header tells.
pub(crate) fn what_is_wrong<E: Engine>(
    cx: &Context<E>,
    epoch: u64,
    object: &Object,
) -> Result<Option<Fault>, EngineError> {
    if cx.rules.takes_proposals && proposals::is_of(cx, epoch, &object.payload)? {
        return Ok(None);
    }
    if object.location.object_id % 2 == 1 && !cx.rules.takes_proposals {
        let payload = || object.payload.clone();
        let known = ReceiptObject::decode(payload()).is_ok() || StateObject::decode(payload()).is_ok();
        return Ok((!known).then_some(Fault::BadReceipt));
    }
    is_no_commit(cx, epoch, &object.payload)
}

/// Why this is no commit made in `epoch`, as far as its header tells.
fn is_no_commit<E: Engine>(cx: &Context<E>, epoch: u64, bytes: &Bytes) -> Result<Option<Fault>, EngineError> {
    Ok(match cx.engine.classify(bytes)? {
        Ok(MessageKind::Commit { group_id, .. }) if group_id != cx.config.group.as_bytes() => {
            Some(Fault::WrongGroup)
        }
        Ok(MessageKind::Commit { epoch: of, .. }) if of != epoch => Some(Fault::WrongEpoch),
        Ok(MessageKind::Commit { .. }) => None,
        Ok(_) | Err(_) => Some(Fault::NotMls),
    })
}
