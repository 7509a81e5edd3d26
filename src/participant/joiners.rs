//! The waiting room: whose KeyPackage may be committed, and who must wait for the embedder.
//!
//! A relay replays the KeyPackages of members long gone to every newcomer. So a KeyPackage counts
//! as stale when its object id (which its leaf carries) is not above the one its sender already
//! joined by, and one that came before this participant joined is left to those who were there: its
//! sender, if it still waits, soon publishes a fresh one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::action::Hold;
use crate::engine::KeyPackageInfo;
use crate::limits::Limits;
use crate::participant::roster::Roster;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// A KeyPackage that passed inspection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) message: Bytes,
    pub(crate) info: KeyPackageInfo,
    pub(crate) object: u64,
    /// Its place in the line, given by [`Joiners::admit`]. A fresh KeyPackage takes the place of the old one.
    pub(crate) place: u64,
    pub(crate) hold: Option<Hold>,
    /// A member to remove in the same commit.
    pub(crate) replacing: Option<SenderId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Joiners {
    waiting: BTreeMap<SenderId, Waiting>,
    waiting_bytes: usize,
    /// Who waits, by place in the line: first come, first served, so that a cap on adds starves nobody.
    line: BTreeMap<u64, SenderId>,
    /// Those of the line who are not held, and who of them has which identity: what every KeyPackage is
    /// asked about must not cost a walk through the room.
    due: BTreeMap<u64, SenderId>,
    named: BTreeMap<(Bytes, u64), SenderId>,
    /// When the first and the latest of those came whom the next commit is to add.
    window: Option<(Timestamp, Timestamp)>,
    /// The newest object seen on each KeyPackage track: the newest one speaks.
    pub(crate) newest: BTreeMap<SenderId, u64>,
    /// KeyPackage objects that came while it was open whether this participant creates the group.
    early: BTreeMap<SenderId, (u64, Bytes)>,
    early_bytes: usize,
    /// Removed by somebody's wish; only the embedder lets them back.
    pub(crate) barred: BTreeSet<SenderId>,
    /// Admitted by name, and whom each takes the place of.
    pub(crate) admitted: BTreeMap<SenderId, Option<SenderId>>,
    /// Refused by name.
    pub(crate) refused: BTreeSet<SenderId>,
}

impl Joiners {
    /// Notes an object of a KeyPackage track; `false` if a newer one was seen already.
    pub(crate) fn is_news(&mut self, sender: &SenderId, object: u64, limits: &Limits) -> bool {
        if let Some(newest) = self.newest.get_mut(sender) {
            let news = object > *newest;
            *newest = object.max(*newest);
            return news;
        }
        remember(&mut self.newest, sender.clone(), object, limits.remembered_senders);
        true
    }

    /// Keeps an object until it is known whether this participant creates the group.
    pub(crate) fn keep_early(
        &mut self,
        sender: SenderId,
        object: u64,
        payload: Bytes,
        limits: &Limits,
    ) -> bool {
        let old = self.early.get(&sender);
        if old.is_some_and(|(seen, _)| *seen >= object) {
            return true;
        }
        let bytes = self.early_bytes.saturating_sub(old.map_or(0, |(_, old)| old.len()));
        let bytes = bytes.saturating_add(payload.len());
        let full = old.is_none() && self.early.len() >= limits.pending_joiners;
        if full || bytes > limits.pending_joiner_bytes {
            return false;
        }
        self.early_bytes = bytes;
        self.early.insert(sender, (object, payload));
        true
    }

    pub(crate) fn take_early(&mut self) -> BTreeMap<SenderId, (u64, Bytes)> {
        self.early_bytes = 0;
        std::mem::take(&mut self.early)
    }

    /// Leaves all that came so far to those who are members already.
    pub(crate) fn leave_early_to_others(&mut self, limits: &Limits) {
        for (sender, (object, _)) in self.take_early() {
            self.is_news(&sender, object, limits);
        }
    }

    /// Puts a KeyPackage in the room, in place of an older one of the same sender.
    pub(crate) fn admit(&mut self, mut waiting: Waiting, now: Timestamp, limits: &Limits) -> bool {
        let sender = waiting.info.sender.clone();
        let old = self.take(&sender);
        let bytes = self.waiting_bytes.saturating_add(waiting.message.len());
        if self.waiting.len() >= limits.pending_joiners || bytes > limits.pending_joiner_bytes {
            if let Some(old) = old {
                self.put(old);
            }
            return false;
        }
        let next = self.line.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        waiting.place = old.map_or(next, |old| old.place);
        self.put(waiting);
        self.window = Some((self.window.map_or(now, |(first, _)| first), now));
        true
    }

    /// Until when more of a crowd is waited for: `pause` after the latest, `most` after the first.
    pub(crate) fn window_ends(&self, pause: Duration, most: Duration) -> Option<Timestamp> {
        self.window.map(|(first, latest)| latest.after(pause).min(first.after(most)))
    }

    /// No more are waited for.
    pub(crate) fn close_window(&mut self) {
        self.window = None;
    }

    fn put(&mut self, waiting: Waiting) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(waiting.message.len());
        self.line.insert(waiting.place, waiting.info.sender.clone());
        if waiting.hold.is_none() {
            self.due.insert(waiting.place, waiting.info.sender.clone());
            self.named.insert((waiting.info.identity.clone(), waiting.place), waiting.info.sender.clone());
        }
        self.waiting.insert(waiting.info.sender.clone(), waiting);
    }

    pub(crate) fn take(&mut self, sender: &SenderId) -> Option<Waiting> {
        let waiting = self.waiting.remove(sender)?;
        self.line.remove(&waiting.place);
        self.due.remove(&waiting.place);
        self.named.remove(&(waiting.info.identity.clone(), waiting.place));
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.message.len());
        Some(waiting)
    }

    pub(crate) fn empty_room(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.line.clear();
        self.due.clear();
        self.named.clear();
        self.window = None;
    }

    pub(crate) fn get(&self, sender: &SenderId) -> Option<&Waiting> {
        self.waiting.get(sender)
    }

    /// Changes one who waits, in its place.
    pub(crate) fn change(&mut self, sender: &SenderId, change: impl FnOnce(&mut Waiting)) {
        if let Some(mut waiting) = self.take(sender) {
            change(&mut waiting);
            self.put(waiting);
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Those who may be committed now, in the order in which they came.
    pub(crate) fn due(&self) -> impl Iterator<Item = &Waiting> {
        self.due.values().filter_map(|sender| self.waiting.get(sender))
    }

    pub(crate) fn any_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Another sender in the room, not held, with this identity: the first of them in the line.
    pub(crate) fn same_identity(&self, info: &KeyPackageInfo) -> Option<&SenderId> {
        let identity = &info.identity;
        self.named
            .range((identity.clone(), 0)..=(identity.clone(), u64::MAX))
            .map(|(_, sender)| sender)
            .find(|sender| **sender != info.sender)
    }

    /// Bars a sender that was removed by somebody's wish.
    pub(crate) fn bar(&mut self, sender: &SenderId, limits: &Limits) {
        self.admitted.remove(sender);
        if self.barred.len() < limits.remembered_senders {
            self.barred.insert(sender.clone());
        }
        self.change(sender, |waiting| waiting.hold = Some(Hold::Barred));
    }

    /// Whether so many may be committed now.
    pub(crate) fn are_due(&self, many: usize) -> bool {
        self.due.len() >= many
    }

    /// After an epoch: who came in waits no longer, and who shares a name with nobody any more is let go on.
    pub(crate) fn settle(&mut self, roster: &Roster) {
        self.close_window();
        let done: Vec<SenderId> = self
            .waiting
            .iter()
            .filter(|(sender, w)| roster.of(sender).is_some_and(|m| m.sequence.is_none_or(|s| s >= w.object)))
            .map(|(sender, _)| sender.clone())
            .collect();
        for sender in done {
            self.take(&sender);
        }
        let alone: Vec<SenderId> = self
            .waiting
            .values()
            .filter(|w| matches!(w.hold, Some(Hold::SameIdentity { .. })))
            .filter(|w| roster.with_identity(&w.info.identity).is_none())
            .map(|w| w.info.sender.clone())
            .collect();
        for sender in alone {
            self.change(&sender, |waiting| waiting.hold = None);
        }
    }
}

/// Inserts, making room by forgetting the first entry when `most` is reached.
fn remember(map: &mut BTreeMap<SenderId, u64>, sender: SenderId, object: u64, most: usize) {
    if map.len() >= most {
        map.pop_first();
    }
    map.insert(sender, object);
}
