//! Draft sections 6.1 and 6.2: subscribe, publish a KeyPackage, and create the group if the lock of
//! value 0 is to be had.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::engine::{Engine, GroupView};
use crate::error::Error;
use crate::event::Command;
use crate::notice::{Fault, Notice, ServiceFault};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable::{self, Tag, read_pin};
use crate::participant::flow::{By, Entry, Flow, Join, Then};
use crate::participant::future::Keep;
use crate::participant::input::{Arrival, Input};
use crate::participant::pins::Increment;
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::participant::trees::Trees;
use crate::request::{Failure, FetchId};
use crate::snapshot::{Reader, Writer};
use crate::tracks::{Object, SenderId};

/// How often another's lock is waited for, where it is only a hint.
const MOST_CONFLICTS: u32 = 2;

/// The largest MOQT group id: a varint.
const LAST_GROUP: u64 = (1 << 62) - 1;

/// Finding out whether the group exists, or creating it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Creating<G> {
    pub(crate) carried: Carried,
    /// Tree objects that came early.
    pub(crate) trees: Trees,
    /// The group as created here, durable, until slot 0 is decided.
    pub(crate) genesis: Option<Genesis<G>>,
    /// Looking whether the service lost a living group.
    pub(crate) looking: Option<FetchId>,
    /// That look is over, and what it found was taken in.
    looked: bool,
    /// The lock is ours; only the look is missing.
    locked: bool,
    pub(crate) lock_id: Option<Bytes>,
    pub(crate) attempts: u32,
    /// How often in a row another held the lock.
    pub(crate) conflicts: u32,
    /// The service's fault was reported.
    reported: bool,
}

/// The group at epoch 0 before it is known to be the group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Genesis<G> {
    group: G,
    view: GroupView,
    saved: Bytes,
    pub(crate) pin: Pin,
}

impl<G> Creating<G> {
    fn new(carried: Carried) -> Self {
        Self {
            carried,
            trees: Trees::default(),
            genesis: None,
            looking: None,
            looked: false,
            locked: false,
            lock_id: None,
            attempts: 0,
            conflicts: 0,
            reported: false,
        }
    }

    /// Subscribes, publishes the first KeyPackage, and asks whether the group exists.
    pub(crate) fn begin<E: Engine<Group = G>>(cx: &mut Context<E>, carried: Carried) -> Result<Self, Error> {
        let mut this = Self::new(carried);
        cx.listen();
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        // "KeyPackage published at Object ID of '0' is used to initiate joining" (draft section 6.1).
        durable::fresh_key_package(cx, |cx| this.persist(cx))?;
        this.ask(cx);
        if cx.rules.pins {
            // The look is on its way together with the question. Where nothing is pinned, it must follow on the lock.
            this.look(cx);
        }
        Ok(this)
    }

    /// The group that was waited for does not exist: creates it after all.
    pub(crate) fn again<E: Engine<Group = G>>(cx: &mut Context<E>, carried: Carried) -> Self {
        let this = Self::new(carried);
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        this.ask(cx);
        this
    }

    /// Goes on after a restart.
    pub(crate) fn resume<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        cx.show_key_package();
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        self.ask(cx);
    }

    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Flow<G>, Error> {
        match input {
            // Nobody has let us in.
            Input::Command(Command::Leave) => return Ok(Flow::End(Notice::Left)),
            Input::Arrival(Arrival::KeyPackage { sender, object_id, payload }) => {
                self.on_key_package(cx, sender, object_id, payload)?;
            }
            Input::Arrival(Arrival::Welcome(welcome)) => cx.keep_own_welcome(welcome)?,
            Input::Arrival(Arrival::Commit { from, object }) => return self.on_commit(cx, from, object),
            Input::Arrival(Arrival::Tree(object)) => self.trees.keep(object, &cx.config.limits),
            Input::Locked(LockPurpose::Genesis, reply) => {
                let flow = self.on_lock(cx, reply)?;
                return Ok(if matches!(flow, Flow::Stay) { self.join_if_there(cx) } else { flow });
            }
            Input::Fetched { id, purpose: FetchPurpose::Genesis, failure } if self.looking == Some(id) => {
                self.on_look(cx, failure)?;
            }
            Input::Incremented(_, reply) => return self.on_increment(cx, reply),
            Input::Timer(Timer::Request) => self.ask(cx),
            Input::Timer(Timer::JoinDeadline) => {
                cx.notify(Notice::JoinStalled { counter: None });
                cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
            }
            _ => {}
        }
        Ok(Flow::Stay)
    }

    /// Keeps a KeyPackage until it is known whether this participant creates the group. It is judged at
    /// once: anybody may have put junk further up on the track, and the newest speaks.
    fn on_key_package<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        sender: SenderId,
        object_id: u64,
        payload: Bytes,
    ) -> Result<(), Error> {
        // The cheapest checks come first.
        let Ok(claim) = cx.engine.peek_key_package(&payload)? else { return Ok(()) };
        if !claim.may_lie_at(&sender, object_id) || self.carried.joiners.came_early(&sender, object_id) {
            return Ok(());
        }
        if let Some(fault) = cx.misbound(&claim) {
            cx.fault(Some(sender), fault);
            return Ok(());
        }
        if cx.engine.inspect_key_package(cx.now, &payload)?.is_ok_and(|info| info.claim() == claim)
            && !self.carried.joiners.keep_early(sender.clone(), object_id, payload, &cx.config.limits)
        {
            cx.fault(Some(sender), Fault::TooMany);
        }
        Ok(())
    }

    /// An object came on the Commit track before it is known whether the group exists.
    fn on_commit<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        from: Option<SenderId>,
        object: Object,
    ) -> Result<Flow<G>, Error> {
        let is_sign = cx.is_sign(&object)?;
        if is_sign && cx.signs_since.is_none() {
            cx.signs_since = Some(cx.now);
        }
        let flow = if is_sign { self.join_if_there(cx) } else { Flow::Stay };
        if matches!(flow, Flow::Stay) {
            cx.keep_commit(&mut self.carried.future, from, object, Keep::Latest);
        } else {
            // The next phase takes it in: a Welcome may be there already that leads to its very epoch.
            cx.first([Input::Arrival(Arrival::Commit { from, object })].into_iter());
        }
        Ok(flow)
    }

    /// Who waits to ask the counter whether the group is there need not if a commit shows it: a crowd that
    /// found the creator at it does not come back as a crowd, and takes its Welcomes at once.
    fn join_if_there<E: Engine<Group = G>>(&self, cx: &Context<E>) -> Flow<G> {
        let waits = cx.deadlines.is_set(Timer::Request);
        if waits && cx.seems_lost() && self.genesis.is_none() && !self.reported {
            return Flow::Join(Join { counter: None, then: Then::Nothing });
        }
        Flow::Stay
    }

    /// Asks for value 0: for the lock, or, once the group is made, for the increment.
    fn ask<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        match self.genesis.as_ref().map(|g| g.pin) {
            // A lock is a hint only where increments are pinned; elsewhere it is needed again.
            Some(pin) if self.lock_id.is_some() || cx.rules.pins => {
                self.fill(cx, pin);
            }
            _ => cx.ask_lock(LockPurpose::Genesis),
        }
    }

    fn fill<E: Engine<Group = G>>(&self, cx: &mut Context<E>, pin: Pin) {
        let lock_id = self.lock_id.clone();
        cx.ask_increment(IncrementPurpose::Genesis(pin), Increment { lock_id, ..Increment::default() });
    }

    fn back_off<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.attempts = self.attempts.saturating_add(1);
        let wait = cx.backoff(self.attempts);
        cx.set(Timer::Request, wait);
    }

    fn on_fault<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, fault: ServiceFault) {
        if !std::mem::replace(&mut self.reported, true) {
            cx.notify(Notice::ServiceFault(fault));
        }
        self.back_off(cx);
    }

    fn on_lock<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        reply: Result<LockReply, Failure>,
    ) -> Result<Flow<G>, Error> {
        match reply {
            Ok(LockReply::Ok { lock_id: None, .. }) if cx.rules.fills_first => {
                self.on_fault(cx, ServiceFault::NoTokens);
            }
            Ok(LockReply::Ok { lock_id, .. }) => self.on_locked(cx, lock_id)?,
            Ok(LockReply::Conflict { retry_later }) => {
                self.conflicts = self.conflicts.saturating_add(1);
                if cx.rules.pins && self.conflicts > MOST_CONFLICTS {
                    // Anybody may hold a lock for ever, and it is only a hint.
                    self.on_locked(cx, None)?;
                    return Ok(Flow::Stay);
                }
                let wait = cx.retry_after(retry_later);
                cx.set(Timer::Request, wait);
            }
            Ok(LockReply::CounterError(state)) if state.current > 0 => {
                return Ok(self.on_decided(cx, &state, false));
            }
            Ok(LockReply::Error(reason)) => self.on_fault(cx, ServiceFault::Refused(reason)),
            Ok(LockReply::CounterError(_)) | Err(_) => self.back_off(cx),
        }
        Ok(Flow::Stay)
    }

    fn on_locked<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        lock_id: Option<Bytes>,
    ) -> Result<(), Error> {
        self.conflicts = 0;
        self.lock_id = lock_id;
        if let Some(pin) = self.genesis.as_ref().map(|g| g.pin) {
            if cx.rules.fills_first {
                // Only this token can tell later whether the group is ours.
                self.persist(cx);
            }
            self.fill(cx, pin);
        } else if cx.seems_lost() {
            self.on_fault(cx, ServiceFault::LostGroup);
        } else if self.looked {
            return self.create(cx);
        } else {
            self.locked = true;
            if self.looking.is_none() {
                self.look(cx);
            }
        }
        Ok(())
    }

    /// Asks the relay for everything on the Commit track.
    fn look<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.looking = Some(cx.fetch_commits(FetchPurpose::Genesis, 0..=LAST_GROUP));
    }

    /// The look at the Commit track before creating: objects there were handled as they came.
    fn on_look<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        failure: Option<Failure>,
    ) -> Result<(), Error> {
        self.looking = None;
        let locked = std::mem::take(&mut self.locked);
        let failed = matches!(failure, Some(Failure::NotSent | Failure::Unknown));
        self.looked = cx.rules.pins && !failed;
        if !locked {
            return Ok(());
        }
        if cx.seems_lost() {
            self.on_fault(cx, ServiceFault::LostGroup);
            return Ok(());
        }
        if failed {
            self.back_off(cx);
            return Ok(());
        }
        self.create(cx)
    }

    /// The lock is ours and there is no sign of a group: makes one, and fills slot 0 with it.
    fn create<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        let object_id = cx.keys.packages.last().map_or(0, |key| key.sequence);
        let group = cx.engine.create(cx.now, &cx.config.group, &cx.params, object_id)?;
        let view = cx.engine.view(&group)?;
        let lock = if cx.rules.pins { cx.slot_lock(&group, 0)? } else { [0; 32] };
        let pin = Pin::genesis(view.context_hash, lock);
        cx.fresh.on_built(view.epoch);
        let saved = cx.engine.save(&group)?;
        self.genesis = Some(Genesis { group, view, saved, pin });
        self.persist(cx);
        self.fill(cx, pin);
        Ok(())
    }

    fn on_increment<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        reply: Result<IncrementReply, Failure>,
    ) -> Result<Flow<G>, Error> {
        match reply {
            Ok(IncrementReply::Ok(state)) => return Ok(self.on_decided(cx, &state, true)),
            Ok(IncrementReply::CounterError(state)) if state.current > 0 => {
                return Ok(self.on_decided(cx, &state, false));
            }
            Ok(IncrementReply::Error(Reason::NotLocked)) if !cx.rules.pins => {
                self.lock_id = None;
                self.back_off(cx);
            }
            Ok(IncrementReply::Error(Reason::UnpinnedId | Reason::NotLocked)) => {
                self.on_fault(cx, ServiceFault::NoPins);
            }
            Ok(IncrementReply::Error(reason)) => self.on_fault(cx, ServiceFault::Refused(reason)),
            Ok(IncrementReply::CounterError(_) | IncrementReply::WrongKey(_)) | Err(_) => self.back_off(cx),
        }
        Ok(Flow::Stay)
    }

    /// Slot 0 is used: by this participant's group or by another's.
    fn on_decided<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        state: &CounterState,
        accepted: bool,
    ) -> Flow<G> {
        let join = |then| Flow::Join(Join { counter: Some(state.current), then });
        let Some(genesis) = &self.genesis else { return join(Then::Nothing) };
        let ours = match state.pin {
            Some(pin) if cx.rules.pins => pin == genesis.pin,
            // Nothing says whose group it is, and nobody else may have the state of ours: it is not given up.
            None if cx.rules.pins && !self.is_anothers(cx, state) => {
                self.on_fault(cx, ServiceFault::NoPins);
                return Flow::Stay;
            }
            _ => !cx.rules.pins && accepted,
        };
        match self.genesis.take() {
            Some(genesis) if ours => genesis.enter(state.pin.filter(|_| cx.rules.pins)),
            // Another's group: ours never was.
            _ => join(Then::Persist),
        }
    }

    /// Whether a slot 0 whose pin is forgotten was another's: ours went no further. With a key of the service its
    /// word alone does not count.
    fn is_anothers<E: Engine<Group = G>>(&self, cx: &Context<E>, state: &CounterState) -> bool {
        state.pin_forgotten && cx.config.service_key.is_none()
    }

    fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Creating, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.genesis.as_ref(), |out, genesis| {
            out.shared(&genesis.saved);
            out.bytes(genesis.pin.as_bytes());
        });
        out.option(self.lock_id.as_ref(), |out, id| out.bytes(id));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &Context<E>,
        carried: Carried,
        from: &mut Reader,
    ) -> Result<Self, Error> {
        let genesis = match from.option(|from| Ok((from.secret()?.into_shared(), read_pin(from)?)))? {
            Some((saved, pin)) => {
                let group = cx.engine.load(&saved)?;
                Some(Genesis { view: cx.engine.view(&group)?, group, saved, pin })
            }
            None => None,
        };
        Ok(Self { genesis, lock_id: from.option(Reader::bytes)?, ..Self::new(carried) })
    }
}

impl<G> Genesis<G> {
    fn enter(self, pin: Option<Pin>) -> Flow<G> {
        let Self { group, view, saved, .. } = self;
        Flow::Enter(Box::new(Entry { group, view, saved, pin }), By::Creation)
    }
}
