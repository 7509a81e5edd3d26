//! What can be seen of a world from outside, and the witness that looks on.

use super::model::{Agreement, Carriage, World};
use crate::counter::service::Counter;
use crate::engine::Engine;
use crate::event::Object;
use crate::testing::witness::{Violation, Witness};
use crate::tracks::SenderId;

impl<E: Engine, C: Carriage<E>> World<E, C> {
    /// From now on every step is held against the invariants: see [`violations`](Self::violations).
    pub fn watch(&mut self) {
        self.witness.get_or_insert_default();
    }

    /// What was found broken so far; nothing if nobody [watches](Self::watch).
    pub fn violations(&self) -> &[Violation] {
        self.witness.as_ref().map_or(&[], Witness::violations)
    }

    /// Whether a member was seen in this state of the group without `sender` in it.
    pub fn seen_without(&self, epoch: u64, context: &[u8; 32], sender: &SenderId) -> bool {
        let members = self.witness.as_ref().and_then(|w| w.knows(epoch, context));
        members.is_some_and(|members| !members.contains_key(sender))
    }

    /// Whether some member was seen, from `epoch` on, in a state of the group without `sender`.
    pub fn was_without(&self, epoch: u64, sender: &SenderId) -> bool {
        self.witness.as_ref().is_some_and(|w| w.was_without(epoch, sender))
    }

    /// Every object that a participant published since there is a witness.
    pub fn published(&self) -> &[Object] {
        self.witness.as_ref().map_or(&[], Witness::published)
    }

    pub(in crate::testing) fn counter_of(&self, who: usize) -> Option<&Counter> {
        let peer = self.peers.get(who)?;
        // It may have gone over to a successor.
        let session = peer.session.as_ref().map(|session| session.participant().tracks().group());
        let group = session.unwrap_or(&peer.config.group);
        self.counter.iter().find(|(id, _)| *id == group).map(|(_, counter)| counter)
    }

    /// The witness looks at one participant.
    pub(super) fn look(&mut self, who: usize) {
        let Some(mut witness) = self.witness.take() else { return };
        if let Some((peer, participant)) = self.peers.get(who).zip(self.peer(who)) {
            witness.look(self.now, who, peer.life, participant, self.counter_of(who));
        }
        self.witness = Some(witness);
    }

    pub(super) fn look_at_publish(&mut self, who: usize, object: &Object) {
        let Some(mut witness) = self.witness.take() else { return };
        let session = self.peers.get(who).and_then(|p| p.session.as_ref());
        if let Some(session) = session {
            let (participant, durable) = (session.participant(), session.durable());
            witness.on_publish(self.now, who, participant, durable, self.counter_of(who), object);
        }
        self.witness = Some(witness);
    }

    /// The service handled a request of `who`; before, its counter stood at `before`.
    pub(super) fn look_at_counter(&mut self, who: usize, before: u64) {
        let Some(mut witness) = self.witness.take() else { return };
        if let Some(counter) = self.counter_of(who)
            && counter.next() > before
        {
            witness.on_slot(self.now, who, before, counter);
        }
        self.witness = Some(witness);
    }

    /// The next value of the counter that `who` asks.
    pub(in crate::testing) fn counter_next(&self, who: usize) -> u64 {
        self.counter_of(who).map_or(0, Counter::next)
    }

    /// Whether exactly these participants are the members, at one epoch, with one authenticator and one
    /// roster, leaf by leaf.
    ///
    /// # Errors
    /// What differs, as text.
    pub fn agreement(&self, members: &[usize]) -> Result<Agreement, String> {
        let mut agreed: Option<(Agreement, usize)> = None;
        for who in members {
            let peer = self.peer(*who).ok_or_else(|| format!("p{who} is down"))?;
            let epoch = peer.epoch().ok_or_else(|| format!("p{who} is {:?}", peer.phase()))?;
            let authenticator = peer.epoch_authenticator().map_err(|e| format!("p{who}: {e}"))?;
            let this = Agreement { epoch, members: peer.members().count(), authenticator };
            if this.members != members.len() {
                return Err(format!("p{who} counts {} members, not {}", this.members, members.len()));
            }
            match &agreed {
                None => agreed = Some((this, *who)),
                Some((that, other)) if *that == this => {
                    let same = self.peer(*other).is_some_and(|other| other.members().eq(peer.members()));
                    if !same {
                        return Err(format!("p{who} and p{other} differ in the roster of epoch {epoch}"));
                    }
                }
                Some((that, other)) if that.epoch == epoch => {
                    return Err(format!("p{who} and p{other} differ in epoch {epoch}: a fork"));
                }
                Some((that, other)) => {
                    return Err(format!("p{who} is at epoch {epoch}, p{other} at {}", that.epoch));
                }
            }
        }
        agreed.map(|(agreement, _)| agreement).ok_or_else(|| "nobody".to_owned())
    }
}
