//! Whom a member helps, whom it gives way to, and for how long.
//!
//! A commit of another member is pinned by its committer at once, if the committer still runs. For [`Timers::confirm`]
//! a member that has work of its own gives way to it, then goes on: with pins, two commits for one slot do no harm. A
//! member without work waits for [`Timers::lease`], then pins the commit for its committer. So one that publishes
//! commits and does not pin them, or whom nobody wants in the group, holds nobody up for longer than that. It is given
//! nothing either: no commit is helped whose committer this member wants out, nor one against its policy. And who made
//! the present epoch is not given way to.
//!
//! Where nothing is pinned, all commits are given way to and helped, as the draft has it.
//!
//! [`Timers::confirm`]: crate::Timers::confirm
//! [`Timers::lease`]: crate::Timers::lease

use std::time::Duration;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::Pin;
use crate::engine::{Engine, Member, StagedCommit};
use crate::error::Error;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::epoch::{Change, Epoch, NewEpoch};
use crate::participant::member::slot::{Candidate, Slot, Step, Verdict};
use crate::participant::member::turn::Agenda;
use crate::policy::{Breach, Contents};
#[cfg(feature = "testing")]
use crate::time::Timestamp;

impl<E: Engine> Agenda<'_, E> {
    /// Whether this member's own commit would remove who is at `leaf`.
    fn wants_out(&self, leaf: u32) -> bool {
        let intents = &self.carried.intents;
        let wanted = |sender| intents.removals.contains_key(sender);
        intents.leaves.contains(&leaf) || self.epoch.roster.at(leaf).is_some_and(|m| wanted(&m.sender))
    }

    /// What a commit of another member, of so many bytes, is against.
    pub(crate) fn breach(
        &self,
        committer: u32,
        removed: &[u32],
        added: &[Member],
        bytes: usize,
    ) -> Option<Breach> {
        let Self { cx, epoch, carried } = self;
        let returns = |leaf: &u32| {
            epoch.roster.at(*leaf).is_some_and(|gone| added.iter().any(|new| new.sender == gone.sender))
        };
        let asked = |leaf: &u32| carried.intents.leaves.contains(leaf);
        let members = epoch.roster.len().saturating_add(added.len());
        let contents = Contents {
            committer: epoch.roster.at(committer).map(|m| &m.sender),
            adds: added.len(),
            removes: removed.iter().filter(|leaf| !returns(leaf) && !asked(leaf)).count(),
            bytes,
            members: members.saturating_sub(removed.len()),
        };
        cx.config.policy.judge(&contents, cx.config.limits.roster)
    }

    /// What the commit that made an epoch is against; nothing is wrong with an own one.
    pub(crate) fn breach_of(&self, new: &NewEpoch<E::Group>) -> Option<Breach> {
        let Change { committer, removed, added, bytes, .. } = &new.change;
        if new.own.is_some() { None } else { self.breach(*committer, removed, added, *bytes) }
    }

    /// Whether a commit's committer gets nothing of this member's time.
    fn denies(&self, candidate: &Candidate<E::Group>) -> bool {
        let StagedCommit { committer, removed, added, .. } = &candidate.staged;
        self.wants_out(*committer) || self.breach(*committer, removed, added, candidate.bytes.len()).is_some()
    }

    /// Whether work of this member's own waits for a commit of another.
    fn yields_to(&self, candidate: &Candidate<E::Group>) -> bool {
        let fresh = self.cx.now < candidate.since.after(self.cx.config.timers.confirm);
        let again = self.epoch.committer == Some(candidate.staged.committer);
        fresh && !again && !self.denies(candidate)
    }

    /// Whether a commit may be pinned for its committer.
    fn may_help(&self, candidate: &Candidate<E::Group>) -> bool {
        let alone = self.cx.now < candidate.since.after(self.cx.config.timers.lease);
        candidate.pin.is_some() && !alone && !self.denies(candidate)
    }
}

impl<G> Slot<G> {
    /// Makes each commit of another as old as the next of these `ages`, where time does not pass by itself.
    #[cfg(feature = "testing")]
    pub(crate) fn grow_old(&mut self, now: Timestamp, ages: &[Duration]) {
        for candidate in &mut self.candidates {
            let age = now.since(candidate.since);
            if let Some(next) = ages.iter().find(|next| **next > age) {
                candidate.since = now.before(*next);
            }
        }
    }

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        for candidate in &mut self.candidates {
            candidate.since = candidate.since.before(by);
        }
        self.proved = self.proved.map(|at| at.before(by));
    }

    /// Whether work of this member's own waits for commits of others.
    pub(crate) fn gives_way<E: Engine<Group = G>>(&self, agenda: &Agenda<'_, E>) -> bool {
        if !agenda.cx.rules.pins {
            return !self.candidates.is_empty();
        }
        self.candidates.iter().any(|candidate| agenda.yields_to(candidate))
    }

    /// The commit to pin for its committer; of several, one of a member that did not make the present epoch.
    pub(crate) fn to_help<E: Engine<Group = G>>(&self, agenda: &Agenda<'_, E>) -> Option<Pin> {
        if !agenda.cx.rules.pins {
            return self.best_candidate();
        }
        let may = self.candidates.iter().filter(|candidate| agenda.may_help(candidate));
        let first = may.min_by_key(|candidate| agenda.epoch.committer == Some(candidate.staged.committer));
        first.and_then(|candidate| candidate.pin)
    }

    /// Sets when to look at the slot again, which is still open: when the next of its commits may be helped, or after
    /// a back-off.
    pub(crate) fn look_later<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.looks = self.looks.saturating_add(1);
        let ends = self.candidates.iter().map(|candidate| candidate.since.after(cx.config.timers.lease));
        let wait = match ends.filter(|end| *end > cx.now).min() {
            Some(end) => end.since(cx.now) + cx.jitter.up_to(cx.config.timers.confirm),
            // What wins is seen nowhere else then.
            None if self.is_flooded(cx) => {
                cx.backoff(self.looks.saturating_add(2)).min(cx.config.timers.lease)
            }
            None => cx.backoff(self.looks.saturating_add(2)),
        };
        cx.bring_forward(Timer::Confirm, wait);
    }

    /// A held commit has no confirmation yet: ask which commit won, go on with the own work, or finish it for its
    /// committer. Where there is nothing to do with the lock, the slot is only read.
    pub(crate) fn on_confirm_timer<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        carried: &Carried,
    ) {
        if self.is_idle() && !cx.deadlines.is_set(Timer::Request) {
            // Most often the slot is decided by now: to ask for its lock then tells the pin, without the commit.
            let asks = !cx.rules.pins || self.outbox.is_some() || {
                let agenda = Agenda { cx, epoch, carried };
                let works = agenda.may_commit() && !self.gives_way(&agenda);
                let first = self.looks == 0 && !self.candidates.is_empty();
                first || works || self.to_help(&agenda).is_some()
            };
            if asks {
                self.ask(cx, epoch);
            } else {
                self.read(cx, epoch);
            }
        } else {
            cx.set(Timer::Confirm, cx.config.timers.confirm);
        }
    }

    /// As `on_locked` where slots are pinned: two commits for one slot do no harm then, so no commit
    /// of another keeps the own work waiting for long.
    pub(crate) fn on_pinned_lock<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        carried: &Carried,
        lock_id: Option<Bytes>,
    ) -> Result<Verdict<G>, Error> {
        let agenda = Agenda { cx, epoch, carried };
        // What others may have seen is given up for a pin, and for nothing else.
        let goes_on = self.outbox.as_ref().is_some_and(|own| own.sent) || !self.gives_way(&agenda);
        if goes_on && self.outbox.is_some() {
            self.go_on(cx, epoch, lock_id)?;
            return Ok(Verdict::Open);
        }
        if goes_on && agenda.may_commit() {
            return Ok(Verdict::Create { lock_id });
        }
        if let Some(pin) = self.to_help(&agenda) {
            self.help(cx, epoch, pin, lock_id);
            return Ok(Verdict::Open);
        }
        self.rest(cx);
        Ok(Verdict::Open)
    }

    /// Nothing can be done about the slot now.
    pub(crate) fn rest<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        // The service stands where it should.
        self.halted = None;
        self.step = Step::Idle;
        if !self.candidates.is_empty() {
            self.look_later(cx);
        }
    }
}
