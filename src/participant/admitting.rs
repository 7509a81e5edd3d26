//! Others' way in: objects of the KeyPackage tracks (draft section 6.1), judged before they are committed.

use bytes::Bytes;

use crate::config::Admission;
use crate::engine::{Engine, EngineError, KeyPackageInfo, MessageKind};
use crate::error::{Error, Misuse};
use crate::notice::{Fault, Hold, Notice, Refusal};
use crate::participant::flaws::Flaw;
use crate::participant::joiners::Waiting;
use crate::participant::{Participant, State};
use crate::tracks::{KEY_PACKAGE_GROUP, Object, SenderId};

impl<E: Engine> Participant<E> {
    pub(crate) fn on_key_package_object(&mut self, sender: SenderId, object: Object) -> Result<(), Error> {
        if sender == self.me {
            return Ok(());
        }
        if object.location.group != KEY_PACKAGE_GROUP {
            self.fault(Some(sender), Fault::BadLocation);
            return Ok(());
        }
        if object.payload.len() > self.config.limits.key_package_bytes {
            self.fault(Some(sender), Fault::TooLarge);
            return Ok(());
        }
        match &self.state {
            State::Member(_) => {
                self.consider_key_package_object(sender, object.location.object, object.payload)
            }
            State::Bootstrapping(_) | State::Joining(_) => {
                // Judged at once: anybody may have put junk further up on the track, and the newest speaks.
                let own = |info: KeyPackageInfo| {
                    info.sender == sender && info.sequence.is_none_or(|s| s == object.location.object)
                };
                if !self.engine.inspect_key_package(self.now, &object.payload).is_ok_and(own) {
                    return Ok(());
                }
                // One who joins leaves these to the members: only where they lie is of use.
                let creating = matches!(self.state, State::Bootstrapping(_));
                let payload = if creating { object.payload } else { Bytes::new() };
                let limits = &self.config.limits;
                if !self.joiners.keep_early(sender.clone(), object.location.object, payload, limits) {
                    self.fault(Some(sender), Fault::TooMany);
                }
                Ok(())
            }
            State::New | State::Ended => Ok(()),
        }
    }

    /// As a member: a KeyPackage to commit, or a request to leave.
    pub(crate) fn consider_key_package_object(
        &mut self,
        sender: SenderId,
        object: u64,
        payload: Bytes,
    ) -> Result<(), Error> {
        // Junk is judged before it can push a good object aside.
        let kind = match self.engine.classify(&payload) {
            Ok(kind) => kind,
            Err(_) => {
                self.fault(Some(sender), Fault::NotMls);
                return Ok(());
            }
        };
        match kind {
            MessageKind::KeyPackage => {
                self.consider_key_package(sender, object, payload);
                Ok(())
            }
            MessageKind::Proposal { group_id, epoch } => {
                self.consider_leave(sender, object, payload, &group_id, epoch);
                Ok(())
            }
            _ => {
                self.fault(Some(sender), Fault::NotMls);
                Ok(())
            }
        }
    }

    fn consider_key_package(&mut self, sender: SenderId, object: u64, message: Bytes) {
        let info = match self.engine.inspect_key_package(self.now, &message) {
            Ok(info) => info,
            Err(error) => {
                let fault =
                    if matches!(error, EngineError::Malformed) { Fault::NotMls } else { Fault::Invalid };
                self.fault(Some(sender), fault);
                return;
            }
        };
        if info.sender != sender {
            self.fault(Some(sender), Fault::WrongSender);
            return;
        }
        // A KeyPackage replayed at another place is not a fresh one.
        if info.sequence.is_some_and(|sequence| sequence != object) {
            self.fault(Some(sender), Fault::BadLocation);
            return;
        }
        let stale = !self.joiners.is_news(&sender, object, &self.config.limits);
        if stale && !self.has(Flaw::StaleKeyPackage) {
            // Relays replay; this is no fault of the sender's.
            return;
        }
        let Some(member) = self.member() else { return };
        let spent = member.roster.of(&sender).is_some_and(|m| m.sequence.is_none_or(|s| s >= object));
        if spent && !self.has(Flaw::StaleKeyPackage) {
            // What it joined by, or older.
            return;
        }
        if self.joiners.refused.contains(&sender) {
            self.notify(Notice::Refused { sender, why: Refusal::NotAdmitted });
            return;
        }
        let hold = self.hold(&info);
        let replacing = self.joiners.admitted.get(&sender).cloned().flatten();
        self.put_in_room(Waiting { message, info, object, place: 0, hold, replacing });
    }

    /// Whether a KeyPackage must wait for the embedder, and why.
    fn hold(&self, info: &KeyPackageInfo) -> Option<Hold> {
        let member = self.member()?;
        if member.roster.of(&info.sender).is_some() {
            // A member that comes back: remove and add in one commit.
            return None;
        }
        if self.joiners.admitted.contains_key(&info.sender) {
            // The embedder's word holds for every KeyPackage of this sender, not only for the one it saw.
            return None;
        }
        if self.joiners.barred.contains(&info.sender) {
            return Some(Hold::Barred);
        }
        let namesake = member.roster.with_identity(&info.identity).map(|m| &m.sender);
        if let Some(namesake) = namesake.or_else(|| self.joiners.same_identity(info)) {
            // A second device must not evict the first.
            return Some(Hold::SameIdentity { member: namesake.clone() });
        }
        (self.config.admission == Admission::Ask).then_some(Hold::Policy)
    }

    fn put_in_room(&mut self, waiting: Waiting) {
        let sender = waiting.info.sender.clone();
        let credential = waiting.info.credential.clone();
        let hold = waiting.hold.clone();
        if !self.joiners.admit(waiting, self.now, &self.config.limits) {
            self.notify(Notice::Refused { sender, why: Refusal::Full });
        } else if let Some(hold) = hold {
            self.notify(Notice::JoinRequested { sender, credential, hold });
        }
    }

    /// The embedder admits a sender: the one that waits, and any KeyPackage it publishes later.
    pub(crate) fn admit(&mut self, sender: SenderId, replacing: Option<SenderId>) {
        self.joiners.barred.remove(&sender);
        self.joiners.refused.remove(&sender);
        if self.joiners.admitted.len() < self.config.limits.remembered_senders {
            self.joiners.admitted.insert(sender.clone(), replacing.clone());
        }
        self.joiners.change(&sender, |waiting| {
            waiting.hold = None;
            waiting.replacing = replacing;
        });
    }

    pub(crate) fn refuse(&mut self, sender: SenderId) {
        self.joiners.admitted.remove(&sender);
        if self.joiners.refused.len() < self.config.limits.remembered_senders {
            self.joiners.refused.insert(sender.clone());
        }
        if self.joiners.take(&sender).is_some() {
            self.notify(Notice::Refused { sender, why: Refusal::NotAdmitted });
        }
    }

    /// Adds somebody by a KeyPackage from elsewhere.
    pub(crate) fn add(&mut self, message: Bytes) -> Result<(), Error> {
        let Some(member) = self.member() else { return Err(Misuse::NotAMember.into()) };
        let info = self.engine.inspect_key_package(self.now, &message).map_err(|_| Misuse::BadKeyPackage)?;
        let object = info.sequence.unwrap_or(0);
        if member.roster.of(&info.sender).is_some_and(|m| m.sequence.is_none_or(|s| s >= object)) {
            self.notify(Notice::Refused { sender: info.sender, why: Refusal::BadKeyPackage });
            return Ok(());
        }
        self.put_in_room(Waiting { message, info, object, place: 0, hold: None, replacing: None });
        Ok(())
    }
}
