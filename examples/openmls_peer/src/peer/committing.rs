//! Committing (draft section 6.3): lock, commit, increment; in a pinned group with a pin, and for others who died.

use anyhow::Result;
use bytes::Bytes;

use super::{Ask, DieAt, Out, Peer, Phase, Step};
use crate::counter::{Fill, Pinned, Reply, Request};
use crate::mls::{Built, Group, Work};
use crate::wire::{self, Pin};

impl Peer {
    fn has_work(&self) -> bool {
        let Some(group) = &self.group else { return false };
        let members = group.members();
        let removes =
            members.iter().any(|(leaf, who)| self.leaves.contains(leaf) || self.removes.contains(who));
        self.update || self.proposed || removes || !self.joiners.is_empty()
    }

    /// Sets the time to ask for the lock, if there is work and nothing else is going on.
    pub(super) fn schedule(&mut self) {
        let busy = self.step != Step::Idle || self.turn_at.is_some() || self.ask_at.is_some();
        let open = self.candidates.is_empty() && !self.leaving;
        if self.phase == Phase::Member && !busy && open && self.has_work() {
            self.turn_at = Some(self.after(50, 400));
        }
    }

    pub(super) fn on_turn(&mut self) -> Result<()> {
        let Some(slot) = self.slot() else { return Ok(()) };
        if self.step == Step::Idle && !self.leaving && self.has_work() {
            self.step = Step::Locking;
            self.ask(Ask::Slot(slot), Request::Lock(slot));
        }
        Ok(())
    }

    pub(super) fn on_locked(&mut self, slot: u64, reply: Reply) -> Result<()> {
        if self.slot() != Some(slot) || self.step != Step::Locking {
            return Ok(());
        }
        match reply {
            Reply::Ok { lock_id, .. } => self.go_on(lock_id),
            // Where slots are pinned, a lock is only a hint.
            Reply::Conflict { .. } if self.style.pinned && self.conflicts > 0 => self.go_on(None),
            Reply::Conflict { retry_later_ms } => {
                self.conflicts += 1;
                let wait = if self.style.pinned { 150 } else { retry_later_ms };
                self.ask_later(wait, wait + 150, Ask::Slot(slot));
                Ok(())
            }
            Reply::CounterError { current, pin } => self.on_other_value(slot, current, pin),
            Reply::Error(reason) => {
                self.troubles.push(format!("lock {slot}: {reason}"));
                self.ask_later(1_000, 2_000, Ask::Slot(slot));
                Ok(())
            }
        }
    }

    /// The counter does not stand at this slot.
    fn on_other_value(&mut self, slot: u64, current: u64, pin: Option<Pin>) -> Result<()> {
        self.step = Step::Idle;
        match pin {
            Some(pin) if self.style.pinned && current > slot => self.decide(pin, None),
            _ => {
                // Ahead: catch up. Behind, which the draft does not know: its committer died between publish and
                // increment. A peer that knows only the draft cannot mend that, and waits.
                self.look_into_slot();
                let at = self.after(800, 1_200);
                self.turn_at = Some(at);
                Ok(())
            }
        }
    }

    /// Goes on with the lock held: looks whose commit is there already.
    fn go_on(&mut self, lock_id: Option<String>) -> Result<()> {
        self.lock_id = lock_id;
        if self.is_to_die(DieAt::Locked) {
            return Ok(());
        }
        if let Some(epoch) = self.epoch() {
            self.step = Step::Looking;
            self.out.push(Out::Look(epoch));
        }
        Ok(())
    }

    pub(super) fn on_looked(&mut self, epoch: u64) -> Result<()> {
        if self.epoch() != Some(epoch) || self.step != Step::Looking {
            return Ok(());
        }
        if self.built.is_none() && !self.candidates.is_empty() {
            self.step = Step::Idle;
            self.help();
            return Ok(());
        }
        if self.built.is_none() && !self.build()? {
            self.step = Step::Idle;
            return Ok(());
        }
        self.send_own(epoch)
    }

    fn build(&mut self) -> Result<bool> {
        let spent = Some(self.spent).filter(|spent| *spent > 0);
        let Some(group) = &mut self.group else { return Ok(false) };
        let members = group.members();
        let leaf_of = |sender: &String| members.iter().find(|(_, who)| who == sender).map(|(leaf, _)| *leaf);
        let adds: Vec<_> =
            self.joiners.values().filter(|t| !self.removes.contains(&t.sender)).cloned().collect();
        let stale = adds.iter().filter_map(|theirs| leaf_of(&theirs.sender));
        let wanted = self.removes.iter().filter_map(leaf_of);
        let mut removes: Vec<u32> = self.leaves.iter().copied().chain(stale).chain(wanted).collect();
        removes.sort_unstable();
        removes.dedup();
        removes.retain(|leaf| *leaf != group.leaf());
        if adds.is_empty() && removes.is_empty() && !self.update && !self.proposed {
            return Ok(false);
        }
        self.built = Some(group.build(&self.identity, Work { adds, removes, spent })?);
        Ok(true)
    }

    /// Publishes the own commit, after the proposals that it refers to.
    fn send_own(&mut self, epoch: u64) -> Result<()> {
        let Some(Built { proposals, commit, .. }) = &self.built else { return Ok(()) };
        let (proposals, commit) = (proposals.clone(), commit.clone());
        for proposal in proposals {
            let object = self.drawn();
            self.publish(self.names.commits(), epoch, object, proposal);
        }
        // The draft's place is 0; a pinned group's is any even one that nobody can foresee.
        let object = if self.style.pinned { self.drawn() } else { 0 };
        self.publish(self.names.commits(), epoch, object, commit);
        self.step = Step::Publishing;
        if self.is_to_die(DieAt::Published) {
            return Ok(());
        }
        if self.style.pinned || self.seen {
            // In a pinned group the service keeps the commit: nobody depends on the relay.
            self.increment_own();
        }
        Ok(())
    }

    /// An even object id that nobody can foresee.
    fn drawn(&mut self) -> u64 {
        (self.random.next() >> 2) & !1
    }

    pub(super) fn increment_own(&mut self) {
        let Some(Built { commit, pin, .. }) = &self.built else { return };
        let (commit, pin) = (commit.clone(), *pin);
        self.increment(wire::sha256(&commit), pin, commit);
    }

    fn increment(&mut self, hash: [u8; 32], pin: Pin, commit: Bytes) {
        let (Some(slot), Some(group)) = (self.slot(), &self.group) else { return };
        let key = match group.slot_key() {
            Ok(key) => key,
            Err(error) => return self.troubles.push(format!("slot key: {error:#}")),
        };
        let pinned = Pinned { val: slot, prev: self.pin, pin, key: Some(key), commit: Some(commit) };
        let fill = Fill { lock_id: self.lock_id.clone(), pinned: self.style.pinned.then_some(pinned) };
        self.fill(slot, hash, fill);
    }

    /// Fills the slot with another's commit, whose committer may be gone.
    pub(super) fn help(&mut self) {
        let Some(group) = &self.group else { return };
        let known = |hash: &&[u8; 32]| group.pin_read(hash).is_some();
        let Some(hash) = self.candidates.iter().find(known).copied() else { return };
        let (Some(pin), Some(commit)) = (group.pin_read(&hash), self.commits.get(&hash).cloned()) else {
            return;
        };
        self.increment(hash, pin, commit);
    }

    pub(super) fn on_filled(&mut self, slot: u64, hash: [u8; 32], reply: Reply) -> Result<()> {
        if self.slot() != Some(slot) || self.step != Step::Filling {
            return Ok(());
        }
        let own = self.built.as_ref().is_some_and(|built| wire::sha256(&built.commit) == hash);
        match reply {
            Reply::Ok { pin: Some(pin), .. } if self.style.pinned => self.decide(pin, None),
            Reply::Ok { .. } if own && !self.style.pinned => self.apply_own(None),
            // Another member filled the slot for us: all apply the commit at the draft's one place.
            Reply::CounterError { current, .. } if !self.style.pinned && current > slot => {
                self.apply_own(None)
            }
            Reply::CounterError { current, pin } => self.on_other_value(slot, current, pin),
            Reply::Error(reason) if reason == "not_locked" && !self.style.pinned => {
                self.step = Step::Locking;
                self.ask_later(100, 300, Ask::Slot(slot));
                Ok(())
            }
            other => {
                self.troubles.push(format!("increment {slot}: {other:?}"));
                self.step = Step::Idle;
                Ok(())
            }
        }
    }

    /// The own commit won.
    pub(super) fn apply_own(&mut self, pin: Option<Pin>) -> Result<()> {
        let (Some(built), Some(group)) = (self.built.take(), &mut self.group) else { return Ok(()) };
        if pin.is_some_and(|pin| pin != built.pin) {
            self.troubles.push("the own commit won by another pin".to_owned());
        }
        let numbers = numbers(group);
        group.merge_own()?;
        self.update = false;
        self.note_gone(numbers);
        self.pin = pin;
        self.arrive();
        if self.is_to_die(DieAt::Filled) {
            return Ok(());
        }
        if let (Some(welcome), Some(epoch)) = (built.welcome, self.epoch()) {
            for recipient in built.added {
                let (object, payload) = match &pin {
                    Some(pin) => (self.drawn(), wire::welcome_object(pin, &welcome)),
                    None => (0, welcome.clone()),
                };
                self.publish(self.names.welcome(&recipient), epoch, object, payload);
            }
        }
        self.replay()
    }
}

/// By which KeyPackage number each member joined.
pub(super) fn numbers(group: &Group) -> Vec<(String, Option<u64>)> {
    group.members().into_iter().map(|(leaf, who)| (who, group.number_at(leaf))).collect()
}
