//! A member: the present epoch, the slot of the next, and the one loop that applies what the slot comes to.

mod admission;
mod commit;
mod create;
pub(crate) mod epoch;
mod follow;
pub(crate) mod leave;
mod repair;
pub(crate) mod slot;
mod turn;

use bytes::Bytes;

use self::epoch::{Epoch, NewEpoch, Turnover};
use self::slot::{Slot, Step, Verdict};
use self::turn::Agenda;
use crate::action::Timer;
use crate::counter::LockReply;
use crate::engine::{Engine, Member as GroupMember};
use crate::error::{Error, Misuse};
use crate::event::Command;
use crate::notice::{Fault, Notice, RejoinReason};
use crate::participant::carried::{Carried, Leaving};
use crate::participant::context::Context;
use crate::participant::durable::{self, Tag};
use crate::participant::flow::{By, Entry, Flow, Join, Then};
use crate::participant::future::Keep;
use crate::participant::input::{Arrival, Input};
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::snapshot::{Reader, Writer};
use crate::tracks::{KEY_PACKAGE_GROUP, Location, Object, SenderId};

/// A participant that is in the group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member<G> {
    pub(crate) epoch: Epoch<G>,
    pub(crate) slot: Slot<G>,
    pub(crate) carried: Carried,
}

impl<G> Member<G> {
    /// Takes a group state as this participant's own: durable first, then the news.
    pub(crate) fn arrive<E: Engine<Group = G>>(
        cx: &mut Context<E>,
        carried: Carried,
        mut entry: Entry<G>,
    ) -> Result<Self, Error> {
        let by = std::mem::replace(&mut entry.by, By::Creation);
        if matches!(by, By::Creation) {
            cx.keys.packages.clear();
        }
        let mut this = Self::place(cx, carried, entry)?;
        if matches!(by, By::Welcome(_)) {
            this.carried.joiners.leave_early_to_others(&cx.config.limits);
        }
        this.persist(cx);
        let epoch = this.epoch.number;
        cx.notify(Notice::Joined { epoch });
        cx.notify(Notice::Epoch { epoch, committer: None });
        match by {
            By::Creation => {
                this.replay(cx);
                let early = this.carried.joiners.take_early().into_iter();
                let arrivals = early.map(|(sender, (object_id, payload))| {
                    Input::Arrival(Arrival::KeyPackage { sender, object_id, payload })
                });
                cx.first(arrivals);
            }
            By::Welcome(counter) => {
                let counter = counter.map(Input::Counter);
                cx.first(std::iter::once(Input::LeaveAgain).chain(counter));
                this.replay(cx);
            }
        }
        Ok(this)
    }

    pub(crate) fn place<E: Engine<Group = G>>(
        cx: &mut Context<E>,
        mut carried: Carried,
        entry: Entry<G>,
    ) -> Result<Self, Error> {
        // Leaves of an epoch before are others' leaves by now.
        carried.intents.leaves.clear();
        let this = Self { epoch: Epoch::enter(cx, entry)?, slot: Slot::new(None), carried };
        cx.deadlines.clear_phase();
        this.schedule_audit(cx);
        cx.set(Timer::Credentials, cx.config.timers.credential_check);
        Ok(this)
    }

    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Flow<G>, Error> {
        let verdict = match input {
            Input::Command(command) => return self.on_command(cx, command),
            Input::Arrival(arrival) => self.on_arrival(cx, arrival)?,
            Input::Fetched { id, purpose: FetchPurpose::Slot, .. } => {
                self.slot.on_look(cx, &self.epoch, id)?;
                Verdict::Open
            }
            Input::Locked(LockPurpose::Slot(slot), reply)
                if slot == self.epoch.slot() && self.slot.step == Step::Locking =>
            {
                self.slot.on_lock(cx, &self.epoch, reply)?
            }
            Input::Locked(LockPurpose::Repair(slot), reply) if self.slot.is_repairing(slot) => {
                self.slot.on_repair_lock(cx, &self.epoch, slot, reply);
                Verdict::Open
            }
            // An answer about a slot that is decided by now; a lock that fell to us lapses.
            Input::Locked(purpose, Ok(LockReply::CounterError(state)))
                if purpose.value() == self.epoch.number =>
            {
                self.slot.on_news(cx, &self.epoch, &state)?
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
                self.on_authenticator(cx, peer, epoch, &authenticator)?
            }
            Input::Timer(Timer::Leave) if self.carried.leaving.is_some() => {
                return self.end(cx, Notice::LeaveUnheard);
            }
            Input::Timer(timer) => self.on_timer(cx, timer)?,
            Input::KeepCommit { from, object } => {
                if cx.keep_commit(&mut self.carried.future, from, object, Keep::Nearest) {
                    self.slot.on_gap(cx);
                }
                Verdict::Open
            }
            Input::CaughtUp => {
                self.notice_gap(cx);
                Verdict::Open
            }
            Input::LeaveAgain => {
                self.ask_to_leave(cx)?;
                Verdict::Open
            }
            Input::Object(_) | Input::Fetched { .. } | Input::Locked(..) | Input::Incremented(..) => {
                Verdict::Open
            }
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
                    let outbox = create::create(cx, &self.epoch, &mut self.carried)?;
                    self.slot.on_created(cx, outbox, lock_id)
                }
                Verdict::Persist { lock_id } => {
                    self.persist(cx);
                    self.slot.go_on(cx, &self.epoch, lock_id);
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
                Verdict::Rejoin(reason) => return self.rejoin(cx, reason, true),
            };
        }
    }

    /// Puts the next epoch in force: durable first, then Welcomes, then the news.
    fn enter<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, new: NewEpoch<G>) -> Result<(), Error> {
        if new.own.is_some() {
            self.carried.intents.update = false;
        }
        let Turnover { committer, removed, added } = self.epoch.advance(cx, new)?;
        self.slot = Slot::new(self.slot.halted);
        for timer in
            [Timer::Turn, Timer::Confirm, Timer::ReadBack, Timer::Fetch, Timer::Rejoin, Timer::Request]
        {
            cx.deadlines.clear(timer);
        }
        self.schedule_audit(cx);
        cx.stats.epochs = cx.stats.epochs.saturating_add(1);
        let epoch = self.epoch.number;
        self.carried.future.forget_before(epoch);
        self.settle(cx, &removed, &added);
        self.persist(cx);
        self.epoch.publish_unheard(cx);
        self.epoch.publish_welcomes(cx);
        cx.notify(Notice::Epoch { epoch, committer });
        tell_changes(cx, removed, added);
        leave::take_up(cx, &self.epoch, &mut self.carried);
        self.ask_to_leave(cx)?;
        self.replay(cx);
        Ok(())
    }

    /// Intents that the commit fulfilled are done, whoever made it.
    fn settle<E: Engine<Group = G>>(
        &mut self,
        cx: &Context<E>,
        removed: &[GroupMember],
        added: &[GroupMember],
    ) {
        let Carried { joiners, intents, .. } = &mut self.carried;
        let limits = &cx.config.limits;
        for gone in removed {
            let back = added.iter().any(|m| m.sender == gone.sender);
            // Who came back in the same commit was not put out: an intent to bar it stands.
            let stands = back && intents.removals.get(&gone.sender) == Some(&true);
            let bar = if stands { Some(true) } else { intents.removals.remove(&gone.sender) };
            let left = intents.leavers.remove(&gone.sender);
            let replaced = added.iter().any(|m| m.identity == gone.identity);
            // What it joined by is spent, and must not be taken for a new intent to join.
            if let Some(sequence) = gone.sequence {
                joiners.is_news(&gone.sender, sequence, limits);
            }
            if !(back || left || replaced || bar == Some(false)) {
                joiners.bar(&gone.sender, limits);
            }
        }
        for new in added {
            if let Some(sequence) = new.sequence {
                joiners.is_news(&new.sender, sequence, limits);
            }
        }
        joiners.settle(&self.epoch.roster, added);
        intents.removals.retain(|sender, _| self.epoch.roster.of(sender).is_some());
    }

    /// Takes up what came early for the epoch that is now, before anything else.
    fn replay<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.carried.future.forget_before(self.epoch.number);
        let kept = self.carried.future.take(self.epoch.number);
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
            Command::Join => return Err(Misuse::AlreadyJoined.into()),
            Command::Add(message) => {
                admission::add(cx, &self.epoch, &mut self.carried.joiners, message)?;
            }
            Command::Remove(sender) => admission::remove(cx, &self.epoch, &mut self.carried, sender, true),
            Command::Gone(sender) => admission::remove(cx, &self.epoch, &mut self.carried, sender, false),
            Command::Update => self.carried.intents.update = true,
            // Nobody is left to commit it.
            Command::Leave if self.epoch.roster.len() <= 1 => return self.end(cx, Notice::Left),
            Command::Leave => self.leave(cx)?,
            Command::Admit { .. } | Command::Refuse(_) => {}
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
                admission::on_object(cx, &self.epoch, &mut self.carried, sender, object_id, payload);
            }
            // An old Welcome replayed must not move a member: only one to a key still held is kept.
            Arrival::Welcome(welcome) => {
                let keys = &cx.keys.packages;
                if !keys.is_empty() && cx.engine.examine_welcome(&welcome, keys).is_ok() {
                    cx.keep_welcome(welcome);
                }
            }
            Arrival::Commit { from, object } => return self.on_commit(cx, from, object),
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
        let (group, now) = (object.location.group, self.epoch.number);
        if group < now {
            self.epoch.on_past_object(cx, &object);
        } else if group == now {
            return self.slot.on_object(cx, &self.epoch, from, object);
        } else if group - now > cx.config.limits.future_epochs {
            cx.fault(from, Fault::WrongEpoch);
        } else if cx.keep_commit(&mut self.carried.future, from, object, Keep::Nearest) {
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
            Timer::Turn => self.on_turn(cx),
            Timer::Request => self.slot.ask_again(cx, &self.epoch),
            Timer::Confirm => self.slot.on_confirm_timer(cx, &self.epoch),
            Timer::ReadBack => {
                if !self.slot.on_not_read_back(cx, &self.epoch) {
                    self.epoch.show_unheard_again(cx);
                }
            }
            Timer::Fetch => self.slot.fetch_missing(cx, &self.epoch),
            Timer::Rejoin => return Ok(Verdict::Rejoin(RejoinReason::Unreachable)),
            Timer::Credentials => self.epoch.check_credentials(cx),
            Timer::Audit => self.audit(cx),
            Timer::JoinRetry
            | Timer::JoinDeadline
            | Timer::Leave
            | Timer::Subscribe
            | Timer::Publish
            | Timer::Tree => {}
        }
        Ok(Verdict::Open)
    }

    /// The own turn has come: ask for the lock if there is still something to do.
    fn on_turn<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        if self.slot.outbox.is_none() {
            let (epoch, carried) = (&self.epoch, &self.carried);
            if !(Agenda { cx, epoch, carried }).has_work() || turn::waits_for_more(cx, epoch, carried) {
                return;
            }
        }
        self.slot.ask(cx, &self.epoch);
    }

    /// Sets the time to ask for the lock, if there is work and nothing else is going on.
    pub(crate) fn schedule_turn<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        let (epoch, carried) = (&self.epoch, &self.carried);
        // A request that waits for its back-off will take the work along.
        let waits = cx.deadlines.is_set(Timer::Turn) || cx.deadlines.is_set(Timer::Request);
        let work = carried.intents.are_urgent() || carried.joiners.any_due();
        // A candidate or an undecided own commit decides the slot first.
        let busy = !self.slot.is_quiet() || self.slot.halted.is_some();
        if waits || carried.leaving.is_some() || !work || busy || !(Agenda { cx, epoch, carried }).has_work()
        {
            return;
        }
        let wait = cx.config.timers.batch + turn::delay(cx, epoch);
        cx.set(Timer::Turn, wait);
    }

    /// Sets when to ask the counter whether the group went on unheard.
    fn schedule_audit<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        // A leaver that is behind asks in the wrong epoch, and has little time to find out.
        let often = cx.config.timers.leave / 8;
        let audit = cx.config.timers.audit;
        let period = if self.carried.leaving.is_some() { audit.min(often) } else { audit };
        let wait = period + cx.jitter.up_to(period / 2);
        cx.set(Timer::Audit, wait);
    }

    /// A group that is quiet and a group whose last commit was lost look the same from inside. Asking for
    /// the value of the present epoch, which is used, takes no lock and reads the counter.
    fn audit<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.schedule_audit(cx);
        // Newer KeyPackages than the one joined by have had their time.
        if cx.keys.spare_until.take_if(|until| *until <= cx.now).is_some() {
            cx.keys.early_welcomes.clear();
            if !cx.keys.packages.is_empty() {
                cx.keys.packages.clear();
                self.persist(cx);
            }
        }
        if self.slot.is_quiet() {
            cx.ask_lock(LockPurpose::Slot(self.epoch.number));
        }
    }

    fn leave<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        if self.carried.leaving.is_some() {
            return Ok(());
        }
        self.carried.leaving = Some(Leaving::default());
        cx.deadlines.clear(Timer::Turn);
        cx.set(Timer::Leave, cx.config.timers.leave);
        self.schedule_audit(cx);
        self.ask_to_leave(cx)
    }

    /// Publishes the leave request of this epoch at the next object id, if this participant wants to leave.
    fn ask_to_leave<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        // While a commit of ours is undecided, its handshake key must not be used for anything else.
        if self.slot.outbox.is_some() {
            return Ok(());
        }
        if let Some((object, request)) = leave::ask(cx, &self.epoch, &mut self.carried)? {
            self.persist(cx);
            let location = Location { group: KEY_PACKAGE_GROUP, object };
            cx.publish(cx.tracks.key_package(&cx.me), location, request);
        }
        Ok(())
    }

    /// Takes in a peer's view of an epoch, from the application's own channel.
    fn on_authenticator<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        peer: SenderId,
        epoch: u64,
        authenticator: &Bytes,
    ) -> Result<Verdict<G>, Error> {
        if epoch != self.epoch.number
            || self.epoch.roster.of(&peer).is_none()
            || cx.engine.epoch_authenticator(&self.epoch.group)? == *authenticator
        {
            return Ok(Verdict::Open);
        }
        // Of two sides one must move. The one with the lower SenderId stays: both draw the same line.
        let moves = !cx.rules.pins && peer < cx.me;
        cx.notify(Notice::ForkDetected { epoch, peer });
        Ok(if moves { Verdict::Rejoin(RejoinReason::Fork) } else { Verdict::Open })
    }

    fn on_removed<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        added: &[GroupMember],
    ) -> Result<Flow<G>, Error> {
        if added.iter().any(|m| m.sender == cx.me) {
            // The same commit took the own leaf and added an own KeyPackage: the way on is its Welcome.
            return self.rejoin(cx, RejoinReason::Replaced, false);
        }
        let left = self.carried.leaving.is_some();
        let notice = if left { Notice::Left } else { Notice::Removed { epoch: self.epoch.slot() } };
        self.end(cx, notice)
    }

    fn end<E: Engine<Group = G>>(&self, cx: &mut Context<E>, notice: Notice) -> Result<Flow<G>, Error> {
        self.epoch.keep_if_untold(cx)?;
        Ok(Flow::End(notice))
    }

    /// Leaves the present state behind and asks to be let in again: a fresh KeyPackage, whose sender's
    /// stale leaf goes in the same commit.
    fn rejoin<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        reason: RejoinReason,
        fresh: bool,
    ) -> Result<Flow<G>, Error> {
        self.epoch.keep_if_untold(cx)?;
        cx.stats.rejoins = cx.stats.rejoins.saturating_add(1);
        // Whom the others let in meanwhile is not seen here: what waits is theirs.
        self.carried.joiners.empty_room();
        cx.deadlines.clear_phase();
        Ok(Flow::Join(Join { counter: Some(self.epoch.slot()), then: Then::Rejoin { reason, fresh } }))
    }

    pub(crate) fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Member, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        self.epoch.write(out);
        self.slot.write(out);
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &mut Context<E>,
        carried: Carried,
        from: &mut Reader,
    ) -> Result<Self, Error> {
        let epoch::Stored { saved, pin, afterwards } = epoch::Stored::read(from)?;
        let outbox = slot::Stored::read(from)?;
        let group = cx.engine.load(&saved)?;
        let view = cx.engine.view(&group)?;
        let mut this = Self::place(cx, carried, Entry { group, view, saved, pin, by: By::Welcome(None) })?;
        this.epoch.afterwards = afterwards;
        this.slot.outbox = outbox.map(|stored| stored.load(cx, &this.epoch)).transpose()?;
        Ok(this)
    }

    /// Goes on after a restart: commits may have been missed, and what was begun is to be finished.
    pub(crate) fn resume<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        let wait = if self.slot.outbox.is_some() { Default::default() } else { cx.config.timers.confirm };
        cx.set(Timer::Confirm, wait);
        self.epoch.publish_unheard(cx);
        self.epoch.publish_welcomes(cx);
        if self.carried.leaving.is_some() {
            cx.set(Timer::Leave, cx.config.timers.leave);
            self.ask_to_leave(cx)?;
        }
        Ok(())
    }
}

fn tell_changes<E: Engine>(cx: &mut Context<E>, removed: Vec<GroupMember>, added: Vec<GroupMember>) {
    let mut fresh = added;
    for old in removed {
        match fresh.iter().position(|m| m.sender == old.sender || m.identity == old.identity) {
            Some(at) => {
                let new = fresh.swap_remove(at);
                cx.notify(Notice::MemberReplaced { old: old.sender, new: new.sender });
            }
            None => cx.notify(Notice::MemberLeft { sender: old.sender }),
        }
    }
    for GroupMember { leaf, sender, credential, .. } in fresh {
        cx.notify(Notice::MemberJoined { sender, leaf, credential });
    }
}
