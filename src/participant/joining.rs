//! One's own way in (draft section 6.3.1): a Welcome is examined first, and joined by only once the
//! service confirms that the commit it belongs to won its slot.
//!
//! A joiner that waits long publishes a fresh KeyPackage, and may then be let in by the Welcome to its
//! first one after all. To the others the second looks like the wish of a member that lost its state,
//! and they replace its leaf. So the keys of newer KeyPackages are kept for a while after joining, and a
//! member that is removed and added in one commit waits for the Welcome instead of giving up.

use bytes::Bytes;

use crate::action::Timer;
use crate::config::SafetyMode;
use crate::counter::{LockReply, Pin};
use crate::engine::{Engine, EngineError, GroupParams, GroupView, MessageKind, WelcomeInfo};
use crate::error::Error;
use crate::notice::{Fault, Notice, ServiceFault};
use crate::participant::flaws::Flaw;
use crate::participant::membership::{Membership, Step};
use crate::participant::roster::Roster;
use crate::participant::trees::Found;
use crate::participant::{Participant, State};
use crate::request::Failure;
use crate::tracks::{Object, WELCOME_OBJECT};

/// Waiting for a Welcome.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Joining {
    /// Welcomes that open with a key of ours, waiting for their pin.
    pub(super) welcomes: Vec<(Bytes, WelcomeInfo)>,
    attempts: u32,
    /// The counter's value as last heard.
    counter: Option<u64>,
    /// The group's parameters differ from ours, or the service has no pins: no Welcome can be taken.
    stopped: bool,
}

impl Joining {
    pub(crate) fn new(counter: Option<u64>) -> Self {
        Self { counter, ..Self::default() }
    }
}

#[cfg(feature = "testing")]
impl Joining {
    pub(crate) fn forget_attempts(&mut self) {
        self.attempts = 0;
    }
}

impl<E: Engine> Participant<E> {
    pub(crate) fn is_pinned(&self) -> bool {
        self.config.mode == SafetyMode::Pinned
    }

    fn joining(&mut self) -> Option<&mut Joining> {
        match &mut self.state {
            State::Joining(joining) => Some(joining),
            _ => None,
        }
    }

    pub(crate) fn on_welcome_object(&mut self, object: Object) -> Result<(), Error> {
        if object.payload.len() > self.config.limits.handshake_bytes {
            self.fault(None, Fault::TooLarge);
            return Ok(());
        }
        if object.location.object != WELCOME_OBJECT {
            self.fault(None, Fault::BadLocation);
            return Ok(());
        }
        if !matches!(self.engine.classify(&object.payload), Ok(MessageKind::Welcome)) {
            self.fault(None, Fault::NotMls);
            return Ok(());
        }
        match &self.state {
            State::Bootstrapping(_) => {
                self.keep_welcome(object.payload);
                Ok(())
            }
            State::Joining(_) => self.consider_welcome(object.payload),
            // An old Welcome replayed must not move a member: only one to a key still held is kept.
            State::Member(_) => {
                if !self.keys.is_empty() && self.engine.examine_welcome(&object.payload, &self.keys).is_ok() {
                    self.keep_welcome(object.payload);
                }
                Ok(())
            }
            State::New | State::Ended => Ok(()),
        }
    }

    fn keep_welcome(&mut self, welcome: Bytes) {
        if self.early_welcomes.contains(&welcome) {
            return;
        }
        if self.early_welcomes.len() < self.config.limits.welcomes {
            self.early_welcomes.push(welcome);
        } else {
            self.fault(None, Fault::TooMany);
        }
    }

    pub(crate) fn consider_welcome(&mut self, welcome: Bytes) -> Result<(), Error> {
        if self.joining().is_none_or(|j| j.stopped || j.welcomes.iter().any(|(seen, _)| *seen == welcome)) {
            return Ok(());
        }
        let info = match self.engine.examine_welcome(&welcome, &self.keys) {
            Ok(info) => info,
            Err(error) => {
                self.fault(
                    None,
                    match error {
                        EngineError::NotForMe => Fault::NotForMe,
                        _ => Fault::Invalid,
                    },
                );
                return Ok(());
            }
        };
        if info.group_id != self.config.group.as_bytes() {
            self.fault(None, Fault::WrongGroup);
            return Ok(());
        }
        if !self.agrees(info.params.as_ref()) {
            self.notify(Notice::ParamsMismatch { group: info.params });
            self.stop_joining();
            return Ok(());
        }
        if !self.is_pinned() {
            return self.join_by(&welcome, &info, None).map(|_| ());
        }
        if let Some(pin) = self.pin_by_receipt(&info) {
            self.stats.receipts_used = self.stats.receipts_used.saturating_add(1);
            return self.join_by(&welcome, &info, Some(pin)).map(|_| ());
        }
        let most = self.config.limits.welcomes;
        if let Some(joining) = self.joining() {
            if joining.welcomes.len() >= most {
                self.fault(None, Fault::TooMany);
            } else {
                joining.welcomes.push((welcome, info));
                self.ask_gate();
            }
        }
        Ok(())
    }

    /// A group without parameters is one that knows only the draft.
    fn agrees(&self, group: Option<&GroupParams>) -> bool {
        let draft = GroupParams::draft();
        *group.unwrap_or(&draft) == self.params
    }

    fn stop_joining(&mut self) {
        if let Some(joining) = self.joining() {
            joining.stopped = true;
            joining.welcomes.clear();
        }
        self.deadlines.clear(Timer::JoinRetry);
        self.deadlines.clear(Timer::Request);
    }

    /// Asks which commit won the slot of the latest Welcome. Asking for a used value changes nothing.
    pub(crate) fn ask_gate(&mut self) {
        let latest = self.joining().and_then(|j| j.welcomes.iter().map(|(_, info)| info.epoch).max());
        if let Some(epoch) = latest {
            self.ask_lock(epoch);
        }
    }

    pub(crate) fn on_gate_reply(
        &mut self,
        epoch: u64,
        reply: Result<LockReply, Failure>,
    ) -> Result<(), Error> {
        let Some(joining) = self.joining() else { return Ok(()) };
        if !joining.welcomes.iter().any(|(_, info)| info.epoch == epoch) {
            // An answer to a question of an earlier phase.
            return Ok(());
        }
        let wait = match reply {
            Ok(LockReply::CounterError(state)) => {
                joining.counter = Some(state.current);
                if state.current > epoch {
                    return match (state.pin, state.pin_forgotten) {
                        (Some(pin), _) => {
                            self.open_gate(epoch, pin)?;
                            // The group may have gone on since: then what it did is missing or on its way.
                            self.on_audit(&state)
                        }
                        (None, true) => {
                            joining.welcomes.retain(|(_, info)| info.epoch != epoch);
                            self.fresh_key_package()
                        }
                        // Only a group's first slot can have gone unpinned by a service that pins.
                        (None, false) if epoch > 0 => {
                            self.notify(Notice::ServiceFault(ServiceFault::NoPins));
                            self.stop_joining();
                            Ok(())
                        }
                        (None, false) => Ok(()),
                    };
                }
                None
            }
            // Not decided yet; a lock that fell to us lapses.
            Ok(LockReply::Conflict { retry_later }) => Some(retry_later),
            Ok(LockReply::Ok { .. }) => None,
            Ok(LockReply::Error(reason)) => {
                let first = joining.attempts == 0;
                if first {
                    self.notify(Notice::ServiceFault(ServiceFault::Refused(reason)));
                }
                None
            }
            Err(_) => None,
        };
        if let Some(joining) = self.joining() {
            joining.attempts = joining.attempts.saturating_add(1);
            let attempts = joining.attempts;
            let wait = match wait {
                Some(retry_later) => self.retry_after(retry_later),
                None => self.jitter.backoff(self.config.timers.backoff, attempts),
            };
            self.deadlines.set(Timer::Request, self.now.after(wait));
        }
        Ok(())
    }

    /// The pin of `epoch` is known: join by the Welcome that it confirms, and drop those it does not.
    fn open_gate(&mut self, epoch: u64, pin: Pin) -> Result<(), Error> {
        let Some(joining) = self.joining() else { return Ok(()) };
        let (these, others) =
            std::mem::take(&mut joining.welcomes).into_iter().partition(|(_, info)| info.epoch == epoch);
        joining.welcomes = others;
        let these: Vec<(Bytes, WelcomeInfo)> = these;
        for (welcome, info) in these {
            if info.context_hash != pin.context_hash() {
                self.fault(None, Fault::NotPinned);
            } else if self.join_by(&welcome, &info, Some(pin))? {
                return Ok(());
            }
        }
        self.ask_gate();
        Ok(())
    }

    /// Joins; `false` if the Welcome turned out bad, or waits for its tree.
    pub(crate) fn join_by(
        &mut self,
        welcome: &Bytes,
        info: &WelcomeInfo,
        pin: Option<Pin>,
    ) -> Result<bool, Error> {
        let Some(key) = self.keys.iter().find(|key| key.reference == info.reference).cloned() else {
            self.fault(None, Fault::NotForMe);
            return Ok(false);
        };
        let tree = match self.find_tree(welcome, info, pin) {
            Some(Found::Inside) => None,
            Some(Found::Apart(tree)) => Some(tree),
            Some(Found::NotYet) => return Ok(false),
            None => {
                self.fault(None, Fault::Invalid);
                return Ok(false);
            }
        };
        let joined = self
            .engine
            .join(self.now, welcome, &key, tree.as_ref())
            .and_then(|group| Ok((self.engine.view(&group)?, self.engine.save(&group)?, group)));
        let (view, saved, group) = match joined {
            Ok(joined) if joined.0.context_hash == info.context_hash => joined,
            Ok(_) | Err(_) if tree.is_some() => {
                self.on_wrong_tree(welcome, info, pin);
                return Ok(false);
            }
            Ok(_) | Err(_) => {
                self.fault(None, Fault::Invalid);
                return Ok(false);
            }
        };
        // Erased together with the join becoming durable: the same Welcome never opens twice.
        let reused = self.has(Flaw::ReusedKeyPackage);
        self.keys.retain(|other| reused || other.sequence > key.sequence);
        self.spare_keys_until = Some(self.now.after(self.config.timers.join_deadline));
        self.become_member(group, &view, saved, pin)?;
        self.forget_trees();
        self.joiners.leave_early_to_others(&self.config.limits);
        self.persist()?;
        self.notify(Notice::Joined { epoch: info.epoch });
        self.notify(Notice::Epoch { epoch: info.epoch, committer: None });
        self.replay_later()?;
        // Let in once more on the way out.
        self.ask_to_leave()?;
        Ok(true)
    }

    /// Puts a group state in place as one's own.
    pub(crate) fn become_member(
        &mut self,
        group: E::Group,
        view: &GroupView,
        saved: Bytes,
        pin: Option<Pin>,
    ) -> Result<(), Error> {
        // Leaves of an epoch before are others' leaves by now.
        self.wishes.leaves.clear();
        let roster = Roster::new(self.engine.roster(&group)?);
        self.state = State::Member(Box::new(Membership {
            group,
            saved,
            epoch: view.epoch,
            context_hash: view.context_hash,
            leaf: view.leaf,
            pin,
            roster,
            candidates: Vec::new(),
            looked_at: 0,
            taken: std::collections::BTreeSet::new(),
            receipts: Vec::new(),
            outbox: None,
            step: Step::Idle,
            decided: None,
            halted: None,
            attempts: 0,
            welcomes: Vec::new(),
            tree: None,
            unheard: None,
            expired: std::collections::BTreeSet::new(),
        }));
        self.deadlines.clear_phase();
        self.schedule_audit();
        self.deadlines.set(Timer::Credentials, self.now.after(self.config.timers.credential_check));
        Ok(())
    }

    /// No Welcome came: perhaps the KeyPackage was lost, or burnt by a committer that died.
    pub(crate) fn on_join_retry(&mut self) -> Result<(), Error> {
        if self.joining().is_some_and(|j| !j.stopped) {
            let wait = self.config.timers.join_retry + self.jitter.up_to(self.config.timers.join_retry / 4);
            self.deadlines.set(Timer::JoinRetry, self.now.after(wait));
            self.fresh_key_package()?;
        }
        Ok(())
    }

    pub(crate) fn on_join_deadline(&mut self) {
        let counter = match &self.state {
            State::Joining(joining) => joining.counter,
            State::Bootstrapping(_) => None,
            State::New | State::Member(_) | State::Ended => return,
        };
        self.notify(Notice::JoinStalled { counter });
        self.deadlines.set(Timer::JoinDeadline, self.now.after(self.config.timers.join_deadline));
    }
}
