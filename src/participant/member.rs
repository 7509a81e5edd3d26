//! A member: the present epoch, the slot of the next, and the one loop that applies what the slot comes to.

mod admission;
pub(crate) mod arrival;
mod auditing;
mod batch;
mod changing;
mod commit;
mod create;
mod doubled;
mod doubting;
mod effort;
pub(crate) mod epoch;
mod follow;
mod going;
mod help;
pub(crate) mod leave;
mod measured;
mod proposals;
mod reading;
mod receipts;
mod repair;
mod resuming;
pub(crate) mod slot;
pub(crate) mod turn;
mod turnover;

use self::epoch::{Epoch, NewEpoch};
use self::slot::{Slot, Step, Verdict};
use self::turn::Agenda;
use crate::action::Timer;
use crate::counter::LockReply;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Command;
use crate::notice::{EpochCause, Fault, Notice, RejoinReason};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable::{self, Tag};
use crate::participant::flow::{Flow, When};
use crate::participant::future::Keep;
use crate::participant::input::{Arrival, Input};
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::snapshot::Writer;
use crate::tracks::{Object, SenderId};

/// How many pins every service keeps.
const LEAST_KEPT_PINS: u64 = 1024;

/// A participant that is in the group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member<G> {
    pub(crate) epoch: Epoch<G>,
    pub(crate) slot: Slot<G>,
    pub(crate) carried: Carried,
}

impl<G> Member<G> {
    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Flow<G>, Error> {
        let verdict = match input {
            Input::Command(command) => return self.on_command(cx, command),
            Input::Add { message, info } => {
                admission::add(cx, &self.epoch, &mut self.carried.joiners, message, info)?;
                Verdict::Open
            }
            Input::Arrival(arrival) => self.on_arrival(cx, arrival)?,
            Input::Fetched { id, purpose: FetchPurpose::Slot, .. } => {
                self.slot.on_look(cx, &self.epoch, id)?;
                Verdict::Open
            }
            Input::Locked(LockPurpose::Slot(slot), reply)
                if slot == self.epoch.slot() && self.slot.step == Step::Locking =>
            {
                self.slot.on_lock(cx, &self.epoch, &self.carried, reply)?
            }
            Input::Locked(LockPurpose::Repair(slot), reply) if self.slot.is_repairing(slot) => {
                self.slot.on_repair_lock(cx, &self.epoch, slot, reply);
                Verdict::Open
            }
            Input::Locked(LockPurpose::Standing(at), Ok(reply)) if at == self.epoch.number => {
                self.slot.on_audit(cx, &self.epoch, reply)?
            }
            // With its receipt: only so it gets here. So far on, a service may have forgotten the slot.
            Input::Locked(LockPurpose::Progress(at), Ok(LockReply::CounterError(state)))
                if at.saturating_sub(self.epoch.slot()) >= LEAST_KEPT_PINS && state.pin.is_some() =>
            {
                Verdict::Rejoin(RejoinReason::PinForgotten)
            }
            // An answer about a slot that is decided by now; a lock that fell to us lapses.
            Input::Locked(purpose, Ok(LockReply::CounterError(state)))
                if purpose.value() == self.epoch.number && !purpose.asks_for_the_state() =>
            {
                self.slot.on_standing(cx, &self.epoch, state)?
            }
            Input::Locked(LockPurpose::Attest(nonce), reply) => {
                self.slot.on_attested(cx, &self.epoch, nonce, reply)
            }
            Input::Locked(LockPurpose::Audit(val), Ok(LockReply::CounterError(state))) => {
                self.on_audited(cx, val, state)?
            }
            Input::CommitRead(slot, reply) if slot == self.epoch.slot() => {
                self.slot.on_commit_read(cx, &self.epoch, reply)?
            }
            Input::Counter(state) => self.slot.on_news(cx, &self.epoch, &state)?,
            Input::Incremented(IncrementPurpose::Slot(slot, pin), reply) if slot == self.epoch.slot() => {
                self.slot.on_increment(cx, &self.epoch, pin, reply)?
            }
            Input::Incremented(IncrementPurpose::Repair(slot, _), reply) if self.slot.is_repairing(slot) => {
                self.slot.on_repaired(cx, slot, reply);
                Verdict::Open
            }
            Input::Authenticator { peer, epoch, authenticator } => {
                match self.epoch.must_move(cx, peer, epoch, &authenticator)? {
                    true => Verdict::Rejoin(RejoinReason::Fork),
                    false => Verdict::Open,
                }
            }
            Input::Media { opened, epoch } => {
                self.on_media(cx, opened.as_ref(), epoch);
                Verdict::Open
            }
            Input::Timer(Timer::Leave) => return self.on_leave_timer(cx),
            Input::Timer(timer) => self.on_timer(cx, timer)?,
            Input::CaughtUp => {
                self.notice_gap(cx);
                Verdict::Open
            }
            Input::LeaveAgain => {
                self.ask_to_leave(cx)?;
                Verdict::Open
            }
            Input::Object(_)
            | Input::OwnTrack(_)
            | Input::Fetched { .. }
            | Input::Locked(..)
            | Input::Incremented(..)
            | Input::CommitRead(..) => Verdict::Open,
        };
        self.apply(cx, verdict)
    }

    /// Applies a verdict, and those that follow on it.
    fn apply<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        mut verdict: Verdict<G>,
    ) -> Result<Flow<G>, Error> {
        loop {
            verdict = match verdict {
                Verdict::Open => return Ok(Flow::Stay),
                Verdict::Create { lock_id } => {
                    let created = create::create(cx, &self.epoch, &mut self.carried)?;
                    self.slot.on_created(cx, created, lock_id)
                }
                Verdict::Persist { lock_id } => {
                    self.persist(cx);
                    self.slot.go_on(cx, &self.epoch, lock_id)?;
                    Verdict::Open
                }
                Verdict::Enter(new) => {
                    self.enter(cx, *new)?;
                    Verdict::Open
                }
                Verdict::Removed { added } => return self.on_removed(cx, &added),
                Verdict::Rejoin(_) if self.carried.leaving.is_some() => {
                    // On the way out anyway.
                    return self.end(cx, Notice::LeaveUnheard);
                }
                Verdict::Rejoin(reason) => return self.rejoin(cx, reason, When::Now),
            };
        }
    }

    /// Puts the next epoch in force: durable first, then Welcomes, then the news.
    fn enter<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        mut new: NewEpoch<G>,
    ) -> Result<(), Error> {
        if new.own.is_some() {
            self.carried.intents.update = false;
            cx.fresh.on_own(self.epoch.slot());
        }
        let receipt = new.receipt.take();
        let agenda = Agenda { cx, epoch: &self.epoch, carried: &self.carried };
        let (current, breach) = (new.current, agenda.breach_of(&new));
        self.carried.intents.raced = new.own.is_none() && self.carried.intents.are_private();
        let turnover = self.epoch.advance(cx, new)?;
        self.slot = Slot::new();
        for timer in [
            Timer::Turn,
            Timer::Confirm,
            Timer::ReadBack,
            Timer::Fetch,
            Timer::Rejoin,
            Timer::Request,
            Timer::Hint,
        ] {
            cx.deadlines.clear(timer);
        }
        cx.confirmed = Some(cx.now);
        self.schedule_audit(cx);
        cx.stats.epochs = cx.stats.epochs.saturating_add(1);
        let epoch = self.epoch.number;
        self.carried.future.forget_before(epoch);
        turnover::settle(cx, &self.epoch, &mut self.carried, &turnover);
        self.persist(cx);
        self.epoch.publish_welcomes(cx)?;
        if cx.rules.fills_first {
            self.epoch.publish_unheard(cx)?;
        } else {
            self.epoch.await_unheard(cx);
        }
        if let Some(receipt) = receipt {
            self.epoch.publish_receipt(cx, receipt)?;
        }
        let committer = turnover.committer.clone();
        let cause = EpochCause::Commit { committer: committer.clone() };
        cx.notify(Notice::Epoch { epoch: self.epoch.shown(), cause });
        if let Some(breach) = breach {
            cx.notify(Notice::AgainstPolicy { epoch: self.epoch.shown(), committer, breach });
        }
        turnover::tell(cx, turnover);
        self.slot.take_up_requests(cx, &self.epoch, &self.carried)?;
        leave::take_up(cx, &self.epoch, &mut self.carried)?;
        self.ask_to_leave(cx)?;
        self.replay(cx);
        self.slot.hurry(cx, &self.epoch, current);
        Ok(())
    }

    /// Takes up what came early for the epoch that is now, before anything else.
    pub(crate) fn replay<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.carried.future.forget_before(self.epoch.number);
        let kept = self.carried.future.take(self.epoch.number);
        if self.carried.future.take_gap(self.epoch.number) {
            cx.hint();
        }
        if kept.is_empty() {
            self.notice_gap(cx);
            return;
        }
        let commits = kept.into_iter().map(|(from, object)| Input::Arrival(Arrival::Commit { from, object }));
        // A commit that leads to the next epoch brings up that epoch's own; what is left of these is old then.
        cx.first(commits.chain([Input::CaughtUp]));
    }

    fn notice_gap<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if !self.carried.future.is_empty() {
            self.slot.on_gap(cx);
        }
    }

    fn on_command<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        command: Command,
    ) -> Result<Flow<G>, Error> {
        match command {
            Command::Remove(sender) => admission::remove(cx, &self.epoch, &mut self.carried, sender, true),
            Command::Gone(sender) => admission::remove(cx, &self.epoch, &mut self.carried, sender, false),
            Command::Update => self.carried.intents.update = true,
            // Nobody is left to commit it.
            Command::Leave if self.epoch.roster.len() <= 1 => return self.end(cx, Notice::Left),
            Command::Leave => self.leave(cx)?,
            Command::Follow(_)
            | Command::Join
            | Command::Add(_)
            | Command::Admit { .. }
            | Command::Refuse(_) => {}
        }
        Ok(Flow::Stay)
    }

    fn on_arrival<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        arrival: Arrival,
    ) -> Result<Verdict<G>, Error> {
        match arrival {
            Arrival::KeyPackage { sender, object_id, payload } => {
                let verdict = self.slot.on_request(cx, &self.epoch, &sender, &payload)?;
                if !matches!(verdict, Verdict::Open) {
                    return Ok(verdict);
                }
                admission::on_object(cx, &self.epoch, &mut self.carried, sender, object_id, payload)?;
            }
            // An old Welcome replayed must not move a member: only one to a key still held is kept.
            Arrival::Welcome(welcome) => cx.keep_own_welcome(welcome)?,
            Arrival::Commit { from, object } => return self.on_commit(cx, from, object),
            Arrival::Elsewhere { sender, object_id, payload } => {
                admission::on_newcomer(cx, &self.epoch, &mut self.carried, sender, object_id, payload)?;
            }
            Arrival::Tree(_) => {}
        }
        Ok(Verdict::Open)
    }

    fn on_commit<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        from: Option<SenderId>,
        object: Object,
    ) -> Result<Verdict<G>, Error> {
        let (group, now) = (object.location.group_id, self.epoch.number);
        if group < now {
            self.epoch.on_past_object(cx, &object);
        } else if group == now {
            if object.location.object_id % 2 == 1 && self.takes_state(cx, from.as_ref(), &object) {
                return Ok(Verdict::Open);
            }
            return self.slot.on_object(cx, &self.epoch, from, object);
        } else if group - now > cx.config.limits.future_epochs {
            cx.fault(from, Fault::WrongEpoch);
        } else if let Some(fault) = follow::what_is_wrong(cx, group, &object)? {
            cx.fault(from, fault);
        } else {
            cx.keep_commit(&mut self.carried.future, from, object, Keep::Nearest);
            self.slot.on_gap(cx);
        }
        Ok(Verdict::Open)
    }

    fn on_timer<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        timer: Timer,
    ) -> Result<Verdict<G>, Error> {
        match timer {
            Timer::Turn => return turn::on_turn(cx, &self.epoch, &mut self.slot, &self.carried),
            Timer::Request => self.slot.ask_again(cx, &self.epoch),
            Timer::Confirm => self.slot.on_confirm_timer(cx, &self.epoch, &self.carried),
            Timer::ReadBack => {
                if !self.slot.on_not_read_back(cx, &self.epoch) {
                    self.epoch.show_unheard_again(cx)?;
                }
            }
            Timer::Fetch => self.slot.fetch_missing(cx, &self.epoch),
            Timer::Rejoin if self.slot.doubled.is_some() => {
                return Ok(Verdict::Rejoin(RejoinReason::Doubled));
            }
            Timer::Rejoin => return Ok(Verdict::Rejoin(RejoinReason::Unreachable)),
            Timer::Credentials => {
                admission::expire(cx, &mut self.carried.joiners);
                self.epoch.check_credentials(cx);
            }
            Timer::Audit => self.audit(cx)?,
            Timer::Hint => self.slot.on_hint(cx, &self.epoch),
            Timer::Recover => self.on_recover(cx),
            Timer::JoinRetry
            | Timer::JoinDeadline
            | Timer::Leave
            | Timer::Subscribe
            | Timer::Publish
            | Timer::Tree
            | Timer::Service
            | Timer::EpochSecrets
            | Timer::Erase => {}
        }
        Ok(Verdict::Open)
    }

    /// Sets the time to ask for the lock, if there is work and nothing else is going on.
    pub(crate) fn schedule_turn<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        turn::schedule(cx, &self.epoch, &self.slot, &self.carried);
    }

    pub(crate) fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Member, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        self.epoch.write(out);
        self.slot.write(out);
    }
}
