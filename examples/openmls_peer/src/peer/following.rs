//! Following the group (draft section 6.3.2): commits of others, and which of them won.

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::committing::numbers;
use super::{Ask, Out, Peer, Phase, Step};
use crate::counter::{Reply, Request};
use crate::mls::{Merged, Read};
use crate::wire::{self, Pin};

/// How many epochs ahead commits are kept.
const AHEAD: u64 = 64;

impl Peer {
    pub(super) fn on_commit_object(&mut self, epoch: u64, object: u64, payload: Bytes) -> Result<()> {
        let Some(now) = self.epoch() else {
            self.later.entry(epoch).or_default().push(payload);
            return Ok(());
        };
        if epoch < now || epoch > now + AHEAD || (self.style.pinned && object % 2 == 1) {
            return Ok(());
        }
        if epoch > now {
            self.later.entry(epoch).or_default().push(payload);
            if self.read_at.is_none() {
                self.read_at = Some(self.after(200, 400));
            }
            return Ok(());
        }
        self.on_message(payload)
    }

    /// A message on this epoch's MOQT group of the Commit track.
    fn on_message(&mut self, payload: Bytes) -> Result<()> {
        let hash = wire::sha256(&payload);
        if self.built.as_ref().is_some_and(|built| wire::sha256(&built.commit) == hash) {
            self.seen = true;
            if self.step == Step::Publishing {
                self.increment_own();
            }
            return Ok(());
        }
        if self.candidates.contains(&hash) {
            return Ok(());
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        match group.read(&payload, !self.style.pinned) {
            Ok(Read::Commit) if self.style.pinned => {
                self.candidates.push(hash);
                self.commits.insert(hash, payload);
                self.read_at = Some(self.after(200, 400));
                Ok(())
            }
            // The draft: process it on receipt.
            Ok(Read::Commit) => self.merge(&hash, None),
            Ok(Read::Proposal { .. }) => {
                self.proposed |= self.style.by_reference;
                Ok(())
            }
            Ok(Read::Own) => Ok(()),
            Err(error) => {
                let epoch = self.epoch().unwrap_or(0);
                self.troubles.push(format!("in epoch {epoch}: {error:#}"));
                Ok(())
            }
        }
    }

    /// Asks how the slot stands, without taking its lock.
    pub(super) fn look_into_slot(&mut self) {
        let (Some(slot), Some(epoch)) = (self.slot(), self.epoch()) else { return };
        self.audit_at = Some(self.after(15_000, 25_000));
        if self.style.pinned {
            self.ask(Ask::Read(slot), Request::Commit(slot));
        } else {
            for epoch in epoch..epoch + 4 {
                self.out.push(Out::Look(epoch));
            }
        }
    }

    pub(super) fn on_read(&mut self, slot: u64, reply: Reply) -> Result<()> {
        if self.slot() != Some(slot) {
            return Ok(());
        }
        match reply {
            Reply::Ok { pin: Some(pin), commit: Some(commit), .. } => self.decide(pin, Some(commit)),
            Reply::CounterError { current, pin: Some(pin) } if current > slot => self.decide(pin, None),
            // Not decided: a member that holds a commit finishes it for its committer.
            Reply::CounterError { current, .. } if current == slot => {
                if self.step == Step::Idle {
                    self.help();
                }
                Ok(())
            }
            Reply::CounterError { .. } | Reply::Conflict { .. } => Ok(()),
            other => {
                self.troubles.push(format!("read {slot}: {other:?}"));
                Ok(())
            }
        }
    }

    /// The slot is decided: applies the commit that the pin names.
    pub(super) fn decide(&mut self, pin: Pin, commit: Option<Bytes>) -> Result<()> {
        if self.built.as_ref().is_some_and(|built| built.pin[..32] == pin[..32]) {
            return self.apply_own(Some(pin));
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        let named = |hash: &[u8; 32]| hash[..] == pin[..32];
        if let Some(hash) = self.candidates.iter().copied().find(named) {
            return self.merge(&hash, Some(pin));
        }
        match commit.filter(|commit| wire::sha256(commit)[..] == pin[..32]) {
            Some(commit) => {
                group.read(&commit, false)?;
                self.merge(&wire::sha256(&commit), Some(pin))
            }
            None => {
                self.read_at = Some(self.after(500, 1_000));
                Ok(())
            }
        }
    }

    /// Applies another's commit.
    fn merge(&mut self, hash: &[u8; 32], pin: Option<Pin>) -> Result<()> {
        let Some(group) = &mut self.group else { return Ok(()) };
        if let (Some(pin), Some(own)) = (pin, group.pin_read(hash)) {
            ensure!(own == pin, "a pin that the commit does not make");
        }
        let numbers = numbers(group);
        match group.merge(hash)? {
            Merged::Stays => {}
            Merged::Removed => {
                self.group = None;
                self.phase = Phase::Ended;
                return Ok(());
            }
            Merged::Replaced => {
                self.group = None;
                self.phase = Phase::Joining;
                self.retry_at = Some(self.after(10_000, 12_000));
                return Ok(());
            }
        }
        self.update = false;
        self.note_gone(numbers);
        self.pin = pin;
        self.arrive();
        self.replay()
    }

    /// What members joined by that are out is spent.
    pub(super) fn note_gone(&mut self, before: Vec<(String, Option<u64>)>) {
        let Some(group) = &self.group else { return };
        let members = group.members();
        let gone = before.into_iter().filter(|(who, _)| !members.iter().any(|(_, member)| member == who));
        self.spent = gone.filter_map(|(_, number)| number).fold(self.spent, u64::max);
    }

    /// Takes up what came early for this epoch.
    pub(super) fn replay(&mut self) -> Result<()> {
        let Some(epoch) = self.epoch() else { return Ok(()) };
        self.replay_leaves()?;
        self.later = self.later.split_off(&epoch);
        for payload in self.later.remove(&epoch).unwrap_or_default() {
            if self.epoch() == Some(epoch) {
                self.on_message(payload)?;
            }
        }
        if !self.later.is_empty() && self.read_at.is_none() {
            self.read_at = Some(self.after(200, 400));
        }
        Ok(())
    }
}
