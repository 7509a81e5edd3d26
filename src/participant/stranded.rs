//! The state of an epoch that this participant could not go on from, kept while it asks to be let in again.
//!
//! A member that a decided commit removes has erased it. Everybody else keeps it until a Welcome is accepted
//! or [`Timers::keep`](crate::Timers::keep) is over: relays and services come back, and then the member goes
//! on.

use std::time::Duration;

use crate::action::Timer;
use crate::codec::successor::Successor;
use crate::counter::LockReply;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::RejoinReason;
use crate::participant::context::Context;
use crate::participant::durable::{read_reason, write_reason};
use crate::participant::flow::Entry;
use crate::participant::input::{Arrival, Input};
use crate::participant::member::epoch::{self, Epoch};
use crate::participant::member::slot::{self, Slot, Verdict};
use crate::participant::recovery::{Next, Recovery};
use crate::snapshot::{Reader, Writer};
use crate::time::Timestamp;

/// The epoch, and the slot of the next one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stranded<G> {
    pub(crate) epoch: Epoch<G>,
    pub(crate) slot: Slot<G>,
    pub(crate) why: RejoinReason,
    /// When it is erased.
    pub(crate) until: Timestamp,
    /// The way to a successor.
    pub(crate) recovery: Recovery,
}

/// What an input comes to.
pub(crate) enum Onward<G> {
    /// It is for the phase that waits for a Welcome.
    Input(Box<Input>),
    /// The slot said this of it.
    Verdict(Verdict<G>),
    /// There is something to do on the way to a successor.
    Next(Next),
}

/// What a founder does to whom nobody came yet.
pub(crate) enum Alone {
    Stays,
    Goes(Successor),
    Returns,
}

impl<G> Stranded<G> {
    /// Keeps a member's state from now on.
    pub(crate) fn new<E: Engine<Group = G>>(
        cx: &Context<E>,
        epoch: Epoch<G>,
        slot: Slot<G>,
        why: RejoinReason,
    ) -> Self {
        let until = cx.now.after(cx.config.timers.keep);
        Self { epoch, slot, why, until, recovery: Recovery::default() }
    }

    /// Sets when to look for the commit or for a successor, and when to give up.
    pub(crate) fn begin<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.set_erase(cx);
        if self.why.is_proof() {
            self.on_proof(cx);
        }
        if self.may_appear() {
            self.look_later(cx);
        }
    }

    /// Sets when to give up.
    pub(crate) fn set_erase<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        let left = self.until.since(cx.now).min(cx.config.timers.keep);
        cx.set(Timer::Erase, left);
    }

    /// There is proof that nobody goes on from here: whom the commit removes is left out of the successor.
    fn on_proof<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        let condemned = self.slot.dead.iter().flatten().filter_map(|leaf| self.epoch.roster.at(*leaf));
        self.recovery.leave_out(condemned.map(|member| member.sender.clone()));
        self.recovery.begin(cx, self.hopes());
    }

    /// Whether others may have gone on, and this participant alone cannot.
    fn hopes(&self) -> bool {
        self.why == RejoinReason::FaultyCommit
    }

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.until = self.until.before(by);
        self.slot.set_back(by);
        self.recovery.set_back(by);
    }

    /// Whether the commit is only missing.
    fn may_appear(&self) -> bool {
        matches!(self.why, RejoinReason::Unreachable | RejoinReason::PinForgotten)
    }

    fn look_later<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        let period = cx.config.timers.audit;
        let wait = period + cx.jitter.up_to(period / 2);
        cx.set(Timer::Fetch, wait);
    }

    /// Takes in what may lead on from the kept state.
    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Onward<G>, Error> {
        if let Input::Locked(purpose, Ok(LockReply::CounterError(state))) = &input {
            self.recovery.on_genesis(cx, *purpose, state.pin);
        }
        let verdict = match input {
            Input::Timer(Timer::Recover) => return Ok(Onward::Next(self.recovery.next(cx, &self.epoch))),
            Input::Arrival(
                Arrival::KeyPackage { ref sender, ref payload, .. }
                | Arrival::Elsewhere { ref sender, ref payload, .. },
            ) => {
                return Ok(if self.recovery.hear(cx, &self.epoch, sender, payload)? {
                    Onward::Next(self.recovery.next(cx, &self.epoch))
                } else {
                    Onward::Input(Box::new(input))
                });
            }
            Input::Arrival(Arrival::Commit { from, object })
                if object.location.group_id == self.epoch.number && self.may_appear() =>
            {
                self.slot.on_object(cx, &self.epoch, from, object)?
            }
            Input::CommitRead(slot, reply) if slot == self.epoch.slot() && self.may_appear() => {
                self.slot.on_commit_read(cx, &self.epoch, reply)?
            }
            Input::Timer(Timer::Fetch) if self.may_appear() => {
                self.slot.fetch_missing(cx, &self.epoch);
                self.look_later(cx);
                Verdict::Open
            }
            Input::Timer(Timer::Confirm) if self.may_appear() => {
                self.slot.read(cx, &self.epoch);
                Verdict::Open
            }
            input => return Ok(Onward::Input(Box::new(input))),
        };
        if let Verdict::Rejoin(why) = verdict {
            // It was found, and leads nowhere.
            self.why = why;
            if why.is_proof() {
                self.on_proof(cx);
            }
            return Ok(Onward::Verdict(Verdict::Open));
        }
        Ok(Onward::Verdict(verdict))
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        self.epoch.write(out);
        self.slot.write(out);
        write_reason(out, self.why);
        out.u64(self.until.as_millis());
        self.recovery.write(out);
    }

    /// Reads what an option of [`write`](Self::write) wrote.
    pub(crate) fn read_option<E: Engine<Group = G>>(
        cx: &Context<E>,
        from: &mut Reader,
    ) -> Result<Option<Box<Self>>, Error> {
        Ok(if from.bool()? { Some(Box::new(Self::read(cx, from)?)) } else { None })
    }

    /// Takes in what reaches a founder to whom nobody came yet.
    pub(crate) fn handle_alone<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: &Input,
    ) -> Result<Alone, Error> {
        match input {
            Input::Arrival(Arrival::Elsewhere { sender, payload, .. }) => {
                self.recovery.hear(cx, &self.epoch, sender, payload)?;
            }
            Input::Timer(Timer::Recover) => cx.show_beacon(),
            _ => return Ok(Alone::Stays),
        }
        if let Some(successor) = self.recovery.next_alone(cx, &self.epoch) {
            return Ok(Alone::Goes(successor));
        }
        let hopes = self.hopes() && self.recovery.waited_alone(cx);
        Ok(if hopes { Alone::Returns } else { Alone::Stays })
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(cx: &Context<E>, from: &mut Reader) -> Result<Self, Error> {
        let epoch::Stored { saved, pin, afterwards } = epoch::Stored::read(from)?;
        let outbox = slot::Stored::read(from)?;
        let why = read_reason(from)?;
        let until = Timestamp::from_millis(from.u64()?);
        let recovery = Recovery::read(from)?;
        let group = cx.engine.load(&saved)?;
        let view = cx.engine.view(&group)?;
        let mut epoch = Epoch::enter(cx, Entry { group, view, saved, pin })?;
        epoch.afterwards = afterwards;
        let mut slot = Slot::new();
        slot.outbox = outbox.map(|stored| stored.load(cx, &epoch)).transpose()?;
        Ok(Self { epoch, slot, why, until, recovery })
    }
}
