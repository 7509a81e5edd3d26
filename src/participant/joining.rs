//! This participant's way in (draft section 6.3.1): a Welcome is examined first, and joined by only once the
//! service confirms that the commit it belongs to won its slot.

mod confirming;
mod keeping;
mod offers;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, FIRST_NONCE};
use crate::engine::{ContextParams, Engine, OwnKeyPackage, Rejection};
use crate::error::Error;
use crate::event::Command;
use crate::notice::{Fault, Notice};
use crate::participant::arrivals::Welcomed;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable;
use crate::participant::flow::{By, Entry, Flow};
use crate::participant::gate::Gate;
use crate::participant::input::{Arrival, Input};
use crate::participant::offer::Offer;
use crate::participant::requests::LockPurpose;
use crate::participant::stranded::Stranded;
use crate::participant::trees::{Found, Trees, Waiting};
use crate::tracks::GroupName;

/// Waiting for a Welcome.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Joining<G> {
    pub(crate) carried: Carried,
    /// The state of an epoch that could not be gone on from.
    pub(crate) kept: Option<Box<Stranded<G>>>,
    pub(crate) trees: Trees,
    /// Welcomes that wait for their pin.
    pub(crate) gate: Gate,
    pub(crate) attempts: u32,
    /// The counter's value as last heard.
    counter: Option<u64>,
    /// What is wrong with the group's parameters, or with the service, was reported.
    told: Told,
    /// Welcomes to successors, which wait for the embedder.
    offers: Vec<Offer>,
    /// It went over to one of them.
    pub(crate) accepted: bool,
    /// Those that it left again.
    left: Vec<GroupName>,
}

/// What is reported once: anybody can bring it about again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Told {
    params: bool,
    no_pins: bool,
}

impl<G> Joining<G> {
    /// Waits for a Welcome, from now on.
    pub(crate) fn new(carried: Carried, trees: Trees, counter: Option<u64>) -> Self {
        Self {
            carried,
            kept: None,
            trees,
            gate: Gate::default(),
            attempts: 0,
            counter,
            told: Told::default(),
            offers: Vec::new(),
            accepted: false,
            left: Vec::new(),
        }
    }

    /// Begins: sets the deadlines, and considers the Welcomes that came early.
    pub(crate) fn begin<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<Flow<G>, Error> {
        cx.deadlines.clear(Timer::Request);
        cx.set(Timer::JoinRetry, cx.config.timers.join_retry);
        if let Some(kept) = &mut self.kept {
            kept.begin(cx);
        }
        cx.bring_forward(Timer::JoinDeadline, cx.config.timers.join_deadline);
        for welcome in std::mem::take(&mut cx.keys.early_welcomes) {
            if let flow @ Flow::Enter(..) = self.consider(cx, welcome)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Stay)
    }

    /// Goes on after a restart.
    pub(crate) fn resume<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        cx.set(Timer::JoinRetry, cx.config.timers.join_retry);
        if let Some(kept) = &mut self.kept {
            kept.begin(cx);
        }
        if self.asks(cx) {
            cx.show_key_package();
        }
    }

    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Flow<G>, Error> {
        match input {
            // Nobody has let us in.
            Input::Command(Command::Leave) => return Ok(Flow::End(Notice::Left)),
            Input::Command(Command::Follow(group)) => return self.accept(cx, &group),
            Input::Arrival(Arrival::KeyPackage { sender, object_id, payload }) => {
                // It is left to the members: only its place is of use.
                self.carried.keep_early(cx, sender, object_id, &payload, Bytes::new())?;
            }
            Input::Arrival(Arrival::Welcome(welcome)) => return self.consider(cx, welcome),
            Input::Arrival(Arrival::Commit { from, object }) => {
                return self.on_commit_track(cx, from, object);
            }
            Input::Arrival(Arrival::Tree(object)) => {
                self.trees.keep(object, &cx.config.limits);
                return self.try_waiting(cx);
            }
            Input::Locked(LockPurpose::Genesis, reply) => return Ok(self.on_probe(cx, reply)),
            // What the counter says of a Welcome's slot confirms it.
            Input::Locked(purpose, reply) if !purpose.asks_for_the_state() => {
                return self.on_counter(cx, purpose.value(), reply);
            }
            Input::Timer(Timer::Request) => self.gate.ask(cx, true),
            Input::Timer(Timer::Hint) => self.gate.look_again(cx),
            Input::Timer(Timer::JoinRetry) => self.on_retry(cx)?,
            Input::Timer(Timer::JoinDeadline) => {
                cx.notify(Notice::JoinStalled { counter: self.counter, waits_for: self.waits_for() });
                cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
                self.turn_back(cx)?;
            }
            Input::Timer(Timer::Tree) => self.trees.on_timer(cx),
            Input::Timer(Timer::Erase) => self.erase(cx)?,
            Input::OwnTrack(objects) => self.on_own_track(cx, objects)?,
            Input::Timer(Timer::Leave) if self.carried.gives_up_leaving(cx) => {
                return Ok(Flow::End(Notice::LeaveUnheard));
            }
            _ => {}
        }
        Ok(Flow::Stay)
    }

    fn consider<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        payload: Bytes,
    ) -> Result<Flow<G>, Error> {
        let Some(Welcomed { welcome, confirmation }) = cx.read_welcome(&payload) else {
            return Ok(Flow::Stay);
        };
        if self.gate.has(&welcome) {
            return Ok(Flow::Stay);
        }
        let info = match cx.engine.examine_welcome(&welcome, &cx.keys.packages)? {
            Ok(info) => info,
            Err(rejection) => {
                let not_ours = matches!(rejection, Rejection::NotForMe);
                cx.fault(None, if not_ours { Fault::NotForMe } else { Fault::Invalid });
                return Ok(Flow::Stay);
            }
        };
        // No group gets there: who asks for such a value asks for the counter's state.
        if info.epoch >= FIRST_NONCE {
            cx.fault(None, Fault::Invalid);
            return Ok(Flow::Stay);
        }
        if info.group_id != cx.config.group.as_bytes() {
            return self.on_other_group(cx, payload, &welcome, &info);
        }
        if !cx.rules.pins {
            return self.pass(cx, Waiting { welcome, info, pin: None }, None);
        }
        let bare = confirmation.is_none();
        if let Some(pin) = self.confirmed(cx, &info, confirmation) {
            return self.pass(cx, Waiting { welcome, info, pin: Some(pin) }, None);
        }
        let epoch = info.epoch;
        if !self.gate.keep(welcome, info, &cx.config.limits) {
            cx.fault(None, Fault::TooMany);
        }
        if bare && cx.is_signed() {
            // Its receipt follows on the Commit track: a crowd need not ask.
            let wait = cx.config.timers.confirm;
            let wait = wait + cx.jitter.up_to(wait);
            cx.bring_forward(Timer::Request, wait);
        } else {
            self.gate.ask(cx, false);
        }
        self.gate.look_soon(cx, epoch);
        Ok(Flow::Stay)
    }

    /// Lets a Welcome through whose epoch won its slot, or where nothing is pinned. Only now its parameters count:
    /// before, anybody may have made it.
    fn pass<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        waiting: Waiting,
        counter: Option<CounterState>,
    ) -> Result<Flow<G>, Error> {
        if waiting.pin.is_some_and(|pin| pin.context_hash() != waiting.info.context_hash) {
            cx.fault(None, Fault::NotPinned);
            return Ok(Flow::Stay);
        }
        // A group without parameters is one that knows only the draft.
        if *waiting.info.params.as_ref().unwrap_or(&ContextParams::draft()) != cx.params {
            if !std::mem::replace(&mut self.told.params, true) {
                cx.notify(Notice::ParamsMismatch { group: waiting.info.params });
            }
            return Ok(Flow::Stay);
        }
        self.join_by(cx, waiting, counter)
    }

    /// A tree came: joins by the Welcome that waits for it.
    fn try_waiting<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<Flow<G>, Error> {
        for waiting in self.trees.take_ready() {
            if let flow @ Flow::Enter(..) = self.join_by(cx, waiting, None)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Stay)
    }

    /// Joins, unless the Welcome turns out bad or waits for its tree.
    fn join_by<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        waiting: Waiting,
        counter: Option<CounterState>,
    ) -> Result<Flow<G>, Error> {
        let info = &waiting.info;
        let own = |key: &&OwnKeyPackage| key.key_package_ref == info.key_package_ref;
        let Some(key) = cx.keys.packages.iter().find(own).cloned() else {
            cx.fault(None, Fault::NotForMe);
            return Ok(Flow::Stay);
        };
        let tree = match self.trees.find(cx, &waiting)? {
            Some(Found::Inside) => None,
            Some(Found::Apart(tree)) => Some(tree),
            Some(Found::NotYet) => return Ok(Flow::Stay),
            None => {
                cx.fault(None, Fault::Invalid);
                return Ok(Flow::Stay);
            }
        };
        let joined = match cx.engine.join(cx.time_of_day(), &waiting.welcome, &key, tree.as_ref())? {
            // The group is ours from here on, and what fails on it is no fault of the Welcome.
            Ok(group) => Some((cx.engine.view(&group)?, cx.engine.save(&group)?, group)),
            Err(_) => None,
        };
        if let (Some((_, _, group)), Some(pin)) = (&joined, waiting.pin)
            && cx.slot_lock(group, info.epoch)? != pin.slot_lock()
        {
            // The group's GroupContext under keys that nobody else has.
            cx.fault(None, Fault::NotPinned);
            return Ok(Flow::Stay);
        }
        let (view, saved, group) = match joined {
            Some(joined) if joined.0.context_hash == info.context_hash => joined,
            _ if tree.is_some() => {
                self.trees.on_wrong_tree(cx, &waiting);
                return Ok(Flow::Stay);
            }
            _ => {
                cx.fault(None, Fault::Invalid);
                return Ok(Flow::Stay);
            }
        };
        cx.fresh.on_joined(info.epoch, key.object_id);
        // Erased together with the join becoming durable: the same Welcome never opens twice.
        cx.keys.packages.retain(|other| other.object_id > key.object_id);
        cx.keys.unanswered = 0;
        if let Some(spent) = info.spent {
            self.carried.joiners.note_gone(spent.min(cx.honest_number()));
        }
        cx.keys.spare_until = Some(cx.now.after(cx.config.timers.join_deadline));
        let entry = Entry { group, view, saved, pin: waiting.pin };
        Ok(Flow::Enter(Box::new(entry), By::Welcome(counter)))
    }

    /// No Welcome came: perhaps the KeyPackage was lost, or burnt by a committer that died.
    fn on_retry<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        // With other parameters than the group's, each KeyPackage costs the group a commit for nothing.
        let rarely = if self.told.params { 12 } else { 1 };
        let retry = cx.config.timers.join_retry.saturating_mul(rarely);
        let wait = retry + cx.jitter.up_to(retry / 4);
        cx.set(Timer::JoinRetry, wait);
        if !self.asks(cx) {
            return Ok(());
        }
        // What was taken for signs of a group may have been made up.
        cx.ask_lock(LockPurpose::Genesis);
        cx.keys.unanswered = cx.keys.unanswered.saturating_add(1);
        if cx.keys.unanswered == 1 {
            // Perhaps a state was lost that had numbers further on.
            cx.look_at_own_track();
        }
        self.fresh_key_package(cx)
    }

    pub(super) fn fresh_key_package<E: Engine<Group = G>>(&self, cx: &mut Context<E>) -> Result<(), Error> {
        durable::fresh_key_package(cx, |cx| self.persist(cx))
    }
}
