//! What the embedder said of senders: whom it let in, as whom it saw it, and whom it put out or turned away.
//!
//! A permit is for one credential. It goes before a bar and a refusal, and takes neither away: they hold for whatever
//! else the same key shows.

use crate::engine::Credential;
use crate::limits::Limits;
use crate::notice::Hold;
use crate::participant::joiners::{Joiners, Permit, Waiting};
use crate::tracks::SenderId;

impl Joiners {
    /// Bars a sender that was removed on purpose.
    pub(crate) fn bar(&mut self, sender: &SenderId, limits: &Limits) {
        self.admitted.remove(sender);
        self.barred.put(sender.clone(), (), limits.remembered_senders);
        self.change(sender, |waiting| (waiting.hold, waiting.wanted) = (Some(Hold::Barred), false));
    }

    /// Lets a sender in that shows this credential: the one that waits, and any KeyPackage it publishes later.
    pub(crate) fn let_in(
        &mut self,
        sender: &SenderId,
        credential: &Credential,
        permit: Permit,
        limits: &Limits,
    ) {
        let replacing = permit.replacing.clone();
        self.admitted.put(sender.clone(), permit, limits.remembered_senders);
        self.change(sender, |waiting| {
            if waiting.info.credential == *credential {
                (waiting.hold, waiting.wanted, waiting.replacing) = (None, true, replacing);
            }
        });
    }

    /// Turns a sender away by the embedder's decision; returns whether it was waiting, of which the embedder is
    /// to be notified.
    pub(crate) fn turn_away(&mut self, sender: &SenderId, limits: &Limits) -> bool {
        self.admitted.remove(sender);
        let waited = self.take(sender).is_some();
        self.refused.put(sender.clone(), waited, limits.remembered_senders);
        waited
    }

    /// Returns whether a sender was turned away; then, whether the embedder has yet to be notified that it asks
    /// all the same.
    pub(crate) fn is_turned_away(&mut self, sender: &SenderId) -> Option<bool> {
        self.refused.get_mut(sender).map(|told| !std::mem::replace(told, true))
    }

    /// Returns whether a client of which nothing is known may have been put out or refused.
    pub(crate) fn may_have_barred(&self) -> bool {
        self.barred.has_forgotten() || self.refused.has_forgotten()
    }

    /// Whether a sender was let in to take a member's place.
    pub(crate) fn is_to_replace(&self, sender: &SenderId, member: &SenderId) -> bool {
        self.admitted.get(sender).is_some_and(|permit| permit.replacing.as_ref() == Some(member))
    }

    /// Notes that who was let in is in: nobody takes another's place twice. Says whose it has yet to take.
    pub(crate) fn has_come_in(&mut self, sender: &SenderId) -> Option<SenderId> {
        self.admitted.get_mut(sender)?.replacing.take()
    }

    /// Notes that a member whose place others were to take is out, or has another name now.
    pub(crate) fn has_moved(&mut self, old: &SenderId, new: Option<&SenderId>) {
        let is_old = |replacing: &Option<SenderId>| replacing.as_ref() == Some(old);
        let mut permitted = Vec::new();
        for (sender, permit) in self.admitted.iter_mut().filter(|(_, permit)| is_old(&permit.replacing)) {
            permit.replacing = new.cloned();
            permitted.push(sender.clone());
        }
        for sender in permitted {
            self.change(&sender, |waiting| {
                if is_old(&waiting.replacing) {
                    waiting.replacing = new.cloned();
                }
            });
        }
    }

    /// Notes that a member goes by another name, or shows another credential. What waits of the old one is withdrawn, and
    /// its permit was for who it was.
    pub(crate) fn has_changed(&mut self, old: &SenderId, new: &SenderId) {
        self.take(old);
        self.admitted.remove(old);
        if old != new {
            self.has_moved(old, Some(new));
        }
    }

    /// Returns whether the embedder was notified already of what a KeyPackage asks: one like it waits.
    pub(crate) fn is_told(&self, new: &Waiting) -> bool {
        self.get(&new.info.sender)
            .is_some_and(|old| old.hold == new.hold && old.info.credential == new.info.credential)
    }
}
