//! Draft sections 6.1 and 6.2: subscribe, publish a KeyPackage, and create the group if the lock of
//! value 0 is to be had.

mod founding;
mod stored;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Command;
use crate::notice::{Notice, ServiceFault};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable;
use crate::participant::flow::{Flow, Join, Then};
use crate::participant::future::Keep;
use crate::participant::genesis::Genesis;
use crate::participant::input::{Arrival, Input};
use crate::participant::pins::Increment;
use crate::participant::requests::{FetchPurpose, IncrementPurpose, LockPurpose};
use crate::participant::stranded::Stranded;
use crate::participant::trees::Trees;
use crate::request::{Failure, FetchId};
use crate::secret::Secret;
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
    /// What slot 0 of a successor's name is filled with.
    founding_key: Option<Secret>,
    /// The state of the last epoch of the group before, until a member comes.
    pub(crate) kept: Option<Box<Stranded<G>>>,
    /// The pin of the successor's slot 0: it is founded, and waits for the first to come.
    founded: Option<Pin>,
    pub(crate) attempts: u32,
    /// How often in a row another held the lock.
    pub(crate) conflicts: u32,
    /// The service's fault was reported.
    reported: bool,
}

impl<G> Creating<G> {
    /// Whether only the look is missing: the lock is its own.
    pub(crate) fn is_looking_alone(&self) -> bool {
        self.locked && self.looking.is_some()
    }

    /// Whether it founded a successor, to which nobody came yet.
    pub(crate) fn is_founded(&self) -> bool {
        self.founded.is_some()
    }

    fn new(carried: Carried) -> Self {
        Self {
            carried,
            trees: Trees::default(),
            genesis: None,
            looking: None,
            looked: false,
            locked: false,
            lock_id: None,
            founding_key: None,
            kept: None,
            founded: None,
            attempts: 0,
            conflicts: 0,
            reported: false,
        }
    }

    /// Subscribes, publishes the first KeyPackage, and asks whether the group exists.
    pub(crate) fn begin<E: Engine<Group = G>>(cx: &mut Context<E>, carried: Carried) -> Result<Self, Error> {
        let mut this = Self::new(carried);
        cx.listen();
        cx.shown_until = Some(cx.now.after(cx.config.timers.join_retry));
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
        self.kept.iter().for_each(|kept| kept.set_erase(cx));
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
                return Ok(self.enter_founded(cx));
            }
            Input::Arrival(Arrival::Elsewhere { sender, object_id, payload })
                if self.is_newcomer(&sender) =>
            {
                self.on_key_package(cx, sender, object_id, payload)?;
                return Ok(self.enter_founded(cx));
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
            Input::Timer(Timer::Erase) if self.kept.take().is_some() => {
                self.persist(cx);
                return Ok(self.enter_founded(cx));
            }
            Input::Timer(Timer::JoinDeadline) => {
                cx.notify(Notice::JoinStalled { counter: None, waits_for: self.waits_for() });
                cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
            }
            _ => {}
        }
        Ok(Flow::Stay)
    }

    /// Keeps a KeyPackage until it is known whether this participant creates the group.
    fn on_key_package<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        sender: SenderId,
        object_id: u64,
        payload: Bytes,
    ) -> Result<(), Error> {
        self.carried.keep_early(cx, sender, object_id, &payload, payload.clone())
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
        let key = self.founding_key.as_ref().map(|key| Bytes::copy_from_slice(key.as_bytes()));
        cx.ask_increment(IncrementPurpose::Genesis(pin), Increment { lock_id, key, ..Increment::default() });
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
        let genesis = Genesis::create(cx)?;
        let pin = genesis.pin;
        self.genesis = Some(genesis);
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
        if ours && self.is_founding() {
            self.founded = state.pin;
            cx.show_beacon();
            return self.enter_founded(cx);
        }
        match self.genesis.take() {
            Some(genesis) if ours => genesis.enter(state.pin.filter(|_| cx.rules.pins)),
            // Another's group: ours never was.
            _ => join(Then::Persist),
        }
    }

    /// Whether a slot 0 whose pin is forgotten was another's: ours went no further. With a key of the service its
    /// statement alone does not count.
    fn is_anothers<E: Engine<Group = G>>(&self, cx: &Context<E>, state: &CounterState) -> bool {
        state.pin_forgotten && cx.config.params.service_key.is_none()
    }
}
