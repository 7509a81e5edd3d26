//! This participant's way in (draft section 6.3.1): a Welcome is examined first, and joined by only once the
//! service confirms that the commit it belongs to won its slot.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{CounterState, LockReply, Pin, receipt_message};
use crate::engine::{Engine, EngineError, GroupParams, OwnKeyPackage, Rejection, WelcomeInfo};
use crate::error::Error;
use crate::event::Command;
use crate::notice::{Fault, Notice, ServiceFault};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable::{self, Tag};
use crate::participant::flow::{By, Entry, Flow};
use crate::participant::future::Keep;
use crate::participant::input::{Arrival, Input};
use crate::participant::requests::LockPurpose;
use crate::participant::trees::{Found, Trees, Waiting};
use crate::request::Failure;
use crate::tracks::SenderId;

/// Waiting for a Welcome.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Joining {
    pub(crate) carried: Carried,
    trees: Trees,
    /// Welcomes that open with a key of ours, waiting for their pin.
    pub(crate) welcomes: Vec<(Bytes, WelcomeInfo)>,
    pub(crate) attempts: u32,
    /// The counter's value as last heard.
    counter: Option<u64>,
    /// The group's parameters differ from ours, or the service has no pins: no Welcome can be taken.
    stopped: bool,
}

impl Joining {
    /// Waits for a Welcome, from now on.
    pub(crate) fn new(carried: Carried, trees: Trees, counter: Option<u64>) -> Self {
        Self { carried, trees, welcomes: Vec::new(), attempts: 0, counter, stopped: false }
    }

    /// Begins: sets the deadlines, and considers the Welcomes that came early.
    pub(crate) fn begin<E: Engine>(&mut self, cx: &mut Context<E>) -> Result<Flow<E::Group>, Error> {
        cx.deadlines.clear(Timer::Request);
        cx.set(Timer::JoinRetry, cx.config.timers.join_retry);
        cx.bring_forward(Timer::JoinDeadline, cx.config.timers.join_deadline);
        for welcome in std::mem::take(&mut cx.keys.early_welcomes) {
            if let flow @ Flow::Enter(..) = self.consider(cx, welcome)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Stay)
    }

    /// Goes on after a restart.
    pub(crate) fn resume<E: Engine>(&self, cx: &mut Context<E>) {
        cx.show_key_package();
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        cx.set(Timer::JoinRetry, cx.config.timers.join_retry);
    }

    pub(crate) fn handle<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<Flow<E::Group>, Error> {
        match input {
            // Nobody has let us in.
            Input::Command(Command::Leave) => return Ok(Flow::End(Notice::Left)),
            Input::Arrival(Arrival::KeyPackage { sender, object_id, payload }) => {
                self.on_key_package(cx, sender, object_id, &payload)?;
            }
            Input::Arrival(Arrival::Welcome(welcome)) => return self.consider(cx, welcome),
            Input::Arrival(Arrival::Commit { from, object }) => {
                cx.keep_commit(&mut self.carried.future, from, object, Keep::Latest);
            }
            Input::Arrival(Arrival::Tree(object)) => {
                self.trees.keep(object, &cx.config.limits);
                return self.try_waiting(cx);
            }
            // Whoever asked: what the counter says of a Welcome's slot confirms it.
            Input::Locked(purpose, reply) => return self.on_counter(cx, purpose.value(), reply),
            Input::Timer(Timer::Request) => self.ask_counter(cx),
            Input::Timer(Timer::JoinRetry) => self.on_retry(cx)?,
            Input::Timer(Timer::JoinDeadline) => {
                cx.notify(Notice::JoinStalled { counter: self.counter });
                cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
            }
            Input::Timer(Timer::Tree) => self.trees.on_timer(cx),
            Input::Timer(Timer::Leave) if self.carried.leaving.is_some() => {
                return Ok(Flow::End(Notice::LeaveUnheard));
            }
            _ => {}
        }
        Ok(Flow::Stay)
    }

    /// Judges a KeyPackage as one who creates would, and leaves it to the members: only its place is of use.
    fn on_key_package<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        sender: SenderId,
        object_id: u64,
        payload: &Bytes,
    ) -> Result<(), Error> {
        let info = cx.engine.inspect_key_package(cx.now, payload)?;
        let own =
            info.is_ok_and(|info| info.sender == sender && info.sequence.is_none_or(|s| s == object_id));
        let joiners = &mut self.carried.joiners;
        if own && !joiners.keep_early(sender.clone(), object_id, Bytes::new(), &cx.config.limits) {
            cx.fault(Some(sender), Fault::TooMany);
        }
        Ok(())
    }

    fn consider<E: Engine>(&mut self, cx: &mut Context<E>, welcome: Bytes) -> Result<Flow<E::Group>, Error> {
        if self.stopped || self.welcomes.iter().any(|(seen, _)| *seen == welcome) {
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
        if info.group_id != cx.config.group.as_bytes() {
            cx.fault(None, Fault::WrongGroup);
            return Ok(Flow::Stay);
        }
        // A group without parameters is one that knows only the draft.
        if *info.params.as_ref().unwrap_or(&GroupParams::draft()) != cx.params {
            cx.notify(Notice::ParamsMismatch { group: info.params });
            self.stop(cx);
            return Ok(Flow::Stay);
        }
        if !cx.rules.pins {
            return self.join_by(cx, Waiting { welcome, info, pin: None }, None);
        }
        if let Some(pin) = self.pin_by_receipt(cx, &info)? {
            cx.stats.receipts_used = cx.stats.receipts_used.saturating_add(1);
            return self.join_by(cx, Waiting { welcome, info, pin: Some(pin) }, None);
        }
        if self.welcomes.len() >= cx.config.limits.welcomes {
            cx.fault(None, Fault::TooMany);
        } else {
            self.welcomes.push((welcome, info));
            self.ask_counter(cx);
        }
        Ok(Flow::Stay)
    }

    /// The pin by which a Welcome's epoch won its slot, if its commit and a receipt for it came already: then
    /// a joiner need not ask the counter either.
    fn pin_by_receipt<E: Engine>(
        &self,
        cx: &Context<E>,
        welcome: &WelcomeInfo,
    ) -> Result<Option<Pin>, EngineError> {
        let Some(key) = cx.config.service_key.as_ref().filter(|_| cx.rules.pins) else { return Ok(None) };
        let future = &self.carried.future;
        let Some(sent_in) = welcome.epoch.checked_sub(1) else { return Ok(None) };
        let receipts = future.of(sent_in).filter(|o| o.location.object % 2 == 1);
        for receipt in receipts.take(cx.config.limits.candidates) {
            let of = receipt.location.object - 1;
            let commit = future.of(sent_in).find(|o| o.location.object == of && o.track == receipt.track);
            let Some(commit) = commit else { continue };
            let pin = Pin::new(cx.engine.sha256(&commit.payload)?, welcome.context_hash);
            let message = receipt_message(&cx.config.group, welcome.epoch, &pin);
            if cx.engine.verify_receipt(key, &message, &receipt.payload) {
                return Ok(Some(pin));
            }
        }
        Ok(None)
    }

    fn stop<E: Engine>(&mut self, cx: &mut Context<E>) {
        self.stopped = true;
        self.welcomes.clear();
        cx.deadlines.clear(Timer::JoinRetry);
        cx.deadlines.clear(Timer::Request);
    }

    /// Asks which commit won the slot of the latest Welcome. Asking for a used value changes nothing.
    fn ask_counter<E: Engine>(&self, cx: &mut Context<E>) {
        if let Some(epoch) = self.welcomes.iter().map(|(_, info)| info.epoch).max() {
            cx.ask_lock(LockPurpose::ConfirmWelcome(epoch));
        }
    }

    fn on_counter<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        reply: Result<LockReply, Failure>,
    ) -> Result<Flow<E::Group>, Error> {
        if !self.welcomes.iter().any(|(_, info)| info.epoch == epoch) {
            // An answer to a question of an earlier phase.
            return Ok(Flow::Stay);
        }
        let retry_later = match reply {
            Ok(LockReply::CounterError(state)) => {
                self.counter = Some(state.current);
                if state.current > epoch {
                    return self.on_slot_used(cx, epoch, state);
                }
                None
            }
            // Not decided yet; a lock that fell to us lapses.
            Ok(LockReply::Conflict { retry_later }) => Some(retry_later),
            Ok(LockReply::Ok { .. }) => None,
            Ok(LockReply::Error(reason)) => {
                if self.attempts == 0 {
                    cx.notify(Notice::ServiceFault(ServiceFault::Refused(reason)));
                }
                None
            }
            Err(_) => None,
        };
        self.attempts = self.attempts.saturating_add(1);
        let wait = match retry_later {
            Some(retry_later) => cx.retry_after(retry_later),
            None => cx.backoff(self.attempts),
        };
        cx.set(Timer::Request, wait);
        Ok(Flow::Stay)
    }

    fn on_slot_used<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        state: CounterState,
    ) -> Result<Flow<E::Group>, Error> {
        match (state.pin, state.pin_forgotten) {
            (Some(pin), _) => return self.open_gate(cx, epoch, pin, state),
            (None, true) => {
                self.welcomes.retain(|(_, info)| info.epoch != epoch);
                self.fresh_key_package(cx)?;
            }
            // Only a group's first slot can have gone unpinned by a service that pins.
            (None, false) if epoch > 0 => {
                cx.notify(Notice::ServiceFault(ServiceFault::NoPins));
                self.stop(cx);
            }
            (None, false) => {}
        }
        Ok(Flow::Stay)
    }

    /// The pin of `epoch` is known: join by the Welcome that it confirms, and drop those it does not.
    fn open_gate<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        epoch: u64,
        pin: Pin,
        state: CounterState,
    ) -> Result<Flow<E::Group>, Error> {
        let (these, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.welcomes).into_iter().partition(|(_, info)| info.epoch == epoch);
        self.welcomes = others;
        for (welcome, info) in these {
            if info.context_hash != pin.context_hash() {
                cx.fault(None, Fault::NotPinned);
                continue;
            }
            let waiting = Waiting { welcome, info, pin: Some(pin) };
            if let flow @ Flow::Enter(..) = self.join_by(cx, waiting, Some(state.clone()))? {
                return Ok(flow);
            }
        }
        self.ask_counter(cx);
        Ok(Flow::Stay)
    }

    /// A tree came: joins by the Welcome that waits for it.
    fn try_waiting<E: Engine>(&mut self, cx: &mut Context<E>) -> Result<Flow<E::Group>, Error> {
        for waiting in self.trees.take_ready() {
            if let flow @ Flow::Enter(..) = self.join_by(cx, waiting, None)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Stay)
    }

    /// Joins, unless the Welcome turns out bad or waits for its tree.
    fn join_by<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        waiting: Waiting,
        counter: Option<CounterState>,
    ) -> Result<Flow<E::Group>, Error> {
        let info = &waiting.info;
        let own = |key: &&OwnKeyPackage| key.reference == info.reference;
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
        let joined = match cx.engine.join(cx.now, &waiting.welcome, &key, tree.as_ref())? {
            // The group is ours from here on, and what fails on it is no fault of the Welcome.
            Ok(group) => Some((cx.engine.view(&group)?, cx.engine.save(&group)?, group)),
            Err(_) => None,
        };
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
        cx.fresh.on_joined(info.epoch, key.sequence);
        // Erased together with the join becoming durable: the same Welcome never opens twice.
        cx.keys.packages.retain(|other| other.sequence > key.sequence);
        cx.keys.spare_until = Some(cx.now.after(cx.config.timers.join_deadline));
        let entry = Entry { group, view, saved, pin: waiting.pin };
        Ok(Flow::Enter(Box::new(entry), By::Welcome(counter)))
    }

    /// No Welcome came: perhaps the KeyPackage was lost, or burnt by a committer that died.
    fn on_retry<E: Engine>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        if self.stopped {
            return Ok(());
        }
        let retry = cx.config.timers.join_retry;
        let wait = retry + cx.jitter.up_to(retry / 4);
        cx.set(Timer::JoinRetry, wait);
        self.fresh_key_package(cx)
    }

    fn fresh_key_package<E: Engine>(&self, cx: &mut Context<E>) -> Result<(), Error> {
        durable::fresh_key_package(cx, |cx| durable::persist(cx, &self.carried, Tag::Joining, |_| {}))
    }
}
