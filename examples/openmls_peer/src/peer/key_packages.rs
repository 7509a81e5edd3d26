//! KeyPackage tracks (draft section 6.1): the own one, and those of others, which also hold requests to leave.

use anyhow::Result;
use bytes::Bytes;
use moq_mls::Object;

use super::{Ask, Out, Peer, Phase};
use crate::counter::Request;
use crate::mls::Read;

/// For so long after it listens, a newcomer leaves unknown KeyPackages to those who were there before: a relay shows
/// it those of members long gone, too.
const NEWCOMER_MS: u64 = 10_000;

/// Most requests to leave that are kept because they could not be read yet.
const MOST_EARLY: usize = 64;

impl Peer {
    /// Reads once more what could not be read in an earlier epoch.
    pub(super) fn replay_leaves(&mut self) -> Result<()> {
        for (sender, message) in std::mem::take(&mut self.early_leaves) {
            self.on_leave(&sender, &message)?;
        }
        Ok(())
    }

    /// What lay on a track that was fetched.
    pub(super) fn on_found(&mut self, objects: Vec<Object>) -> Result<()> {
        let own = self.names.key_packages(&self.identity.sender);
        match self.phase {
            Phase::Bootstrapping if self.own.is_empty() => {
                let taken = objects.iter().filter(|o| o.track == own).map(|o| o.location.object_id + 1);
                self.next_number = self.next_number.max(taken.max().unwrap_or(0));
                self.since = self.now;
                self.publish_key_package()?;
                self.ask(Ask::Genesis, Request::Lock(0));
                Ok(())
            }
            Phase::Joining => self.on_trees(objects),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> u64 {
        // A pinned group's are numbered by time: milliseconds << 16 | 16 random bits.
        let by_time = (self.now.as_millis() << 16) | (self.random.next() & 0xffff);
        let number = if self.style.pinned { by_time.max(self.next_number) } else { self.next_number };
        self.next_number = number + 1;
        number
    }

    pub(super) fn publish_key_package(&mut self) -> Result<()> {
        let number = self.number();
        let (own, message) = self.identity.key_package(number)?;
        self.own.push(own);
        self.retry_at = Some(self.after(10_000, 12_000));
        self.publish(self.names.key_packages(&self.identity.sender), 0, number, message);
        Ok(())
    }

    pub(super) fn on_key_package_object(&mut self, sender: &str, number: u64, message: &Bytes) -> Result<()> {
        // MLSMessage: version, wire format. 5 is a KeyPackage.
        if message.get(..4) != Some(&[0, 1, 0, 5]) {
            return self.on_leave(sender, message);
        }
        if self.newest.get(sender).is_some_and(|newest| *newest >= number) {
            return Ok(());
        }
        let theirs = match self.identity.read_key_package(sender, number, message) {
            Ok(theirs) => theirs,
            Err(error) => {
                self.troubles.push(format!("KeyPackage: {error:#}"));
                return Ok(());
            }
        };
        let known = self.newest.insert(sender.to_owned(), number).is_some();
        let Some(group) = &self.group else {
            if self.phase == Phase::Bootstrapping {
                self.joiners.insert(sender.to_owned(), theirs);
            }
            return Ok(());
        };
        let member = group.members().into_iter().find(|(_, member)| member == sender);
        let joined_by = member.as_ref().and_then(|(leaf, _)| group.number_at(*leaf));
        if joined_by.is_some_and(|joined_by| joined_by >= number) {
            return Ok(());
        }
        let stale = if self.style.pinned {
            member.is_none() && !known && number <= self.spent
        } else {
            joined_by.is_none() && !known && self.is_newcomer()
        };
        if !stale {
            self.joiners.insert(sender.to_owned(), theirs);
        }
        Ok(())
    }

    /// Whether this member came by a Welcome, and may be shown KeyPackages of long ago.
    fn is_newcomer(&self) -> bool {
        let others = self.group.as_ref().is_some_and(|group| group.members().len() > 1);
        let listens = self.now.as_millis() - self.since.as_millis();
        others && !self.founder && listens < NEWCOMER_MS
    }

    /// A member's request to be removed.
    fn on_leave(&mut self, sender: &str, message: &Bytes) -> Result<()> {
        let by_reference = self.style.by_reference && self.built.is_none();
        // Another may commit it by reference.
        let stored = !self.style.pinned;
        let read = self.group.as_mut().and_then(|group| {
            let (leaf, _) = group.members().into_iter().find(|(_, member)| member == sender)?;
            Some((leaf, group.read(message, stored).ok()?))
        });
        let Some((leaf, read)) = read else {
            // Perhaps of an epoch that is to come.
            if self.early_leaves.len() < MOST_EARLY {
                self.early_leaves.push((sender.to_owned(), message.clone()));
            }
            return Ok(());
        };
        if let Read::Proposal { leaf: of, leaves: true } = read
            && of == leaf
        {
            self.joiners.remove(sender);
            if by_reference {
                self.proposed = true;
            } else {
                self.leaves.insert(leaf);
            }
        }
        Ok(())
    }

    /// Asks to be removed, once in each epoch.
    pub(super) fn ask_to_leave(&mut self) {
        if !self.leaving || self.built.is_some() || self.asked_to_leave_in == self.epoch() {
            return;
        }
        let Some(group) = &mut self.group else { return };
        let epoch = group.epoch();
        if group.members().len() == 1 {
            self.phase = Phase::Ended;
            self.group = None;
            return;
        }
        match group.propose_leave(&self.identity) {
            Ok(request) => {
                self.asked_to_leave_in = Some(epoch);
                let number = self.number();
                self.publish(self.names.key_packages(&self.identity.sender), 0, number, request);
            }
            Err(error) => self.troubles.push(format!("leave: {error:#}")),
        }
    }

    /// Fetches the tree of a Welcome that comes without it.
    pub(super) fn fetch(&mut self, track: moq_mls::tracks::FullTrackName) {
        self.out.push(Out::Fetch(track));
    }
}
