//! The waiting room: whose KeyPackage may be committed, and who must wait for the embedder.
//!
//! A relay replays the KeyPackages of members long gone to every newcomer. So a KeyPackage counts
//! as stale when its object id (which its leaf carries) is not above the one its sender already joined by.
//! One that came before this participant joined is left to those who were there: its sender, if it still
//! waits, soon publishes a fresh one.
//!
//! Anybody can make KeyPackages, as many as it likes, so everything here is bounded, and full is the usual
//! case under attack. What is full must then err on the safe side:
//!
//! | full | what goes | why nobody comes in by it, or stays out |
//! |---|---|---|
//! | the room | the expired, then the oldest held | the embedder's decision is for the sender, not for the KeyPackage |
//! | `barred`, `refused` | the oldest | from then on all strangers are held: each may be the forgotten one |
//! | `admitted` | the oldest | it is asked about again |
//! | `spent` | the oldest | it had left by its own request, or is a member, and could come back anyhow |
//! | `seen` | the oldest | it never was a member; no flood of strangers touches `spent` |

mod permits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::engine::{KeyPackageInfo, Member};
use crate::limits::Limits;
use crate::notice::Hold;
use crate::participant::remembered::Remembered;
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
    /// The embedder asked for it by name: it goes before all others.
    pub(crate) wanted: bool,
    /// A member to remove in the same commit.
    pub(crate) replacing: Option<SenderId>,
}

/// The embedder's decision that a sender may come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    /// SHA-256 of the credential that the embedder saw: a certificate chain is too long to be kept of everybody.
    pub(crate) credential: [u8; 32],
    /// The member whose place it takes, until that has happened.
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
    due: BTreeMap<Turn, SenderId>,
    due_bytes: usize,
    named: BTreeMap<(Bytes, u64), SenderId>,
    /// Those of the line who are held: the first of them makes room for others.
    held: BTreeMap<u64, SenderId>,
    /// Everybody, by when the KeyPackage expires.
    expiring: BTreeSet<(Timestamp, SenderId)>,
    /// Those who are held because another client has their identity.
    namesakes: BTreeSet<SenderId>,
    /// When the first and the latest of those came whom the next commit is to add.
    window: Option<(Timestamp, Timestamp)>,
    /// The newest object on each KeyPackage track of those who were members: the newest one speaks.
    pub(crate) spent: Remembered<u64>,
    /// The same of strangers.
    pub(crate) seen: Remembered<u64>,
    /// The highest number of the KeyPackages that members joined by who are out again.
    pub(crate) gone: Option<u64>,
    /// KeyPackage objects that came while it was open whether this participant creates the group.
    early: BTreeMap<SenderId, (u64, Bytes)>,
    early_bytes: usize,
    /// Removed on purpose; only the embedder lets them back.
    pub(crate) barred: Remembered<()>,
    /// Whom the embedder let in.
    pub(crate) admitted: Remembered<Permit>,
    /// Refused by name, and whether the embedder was notified that one of its KeyPackages was dropped.
    pub(crate) refused: Remembered<bool>,
}

/// Its turn among those who may be committed: those first whom the embedder wants, then by place.
type Turn = (bool, u64);

/// What [`Joiners::admit`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Whether the KeyPackage is in the room.
    pub(crate) is_in: bool,
    /// How many others had to go.
    pub(crate) dropped: usize,
}

impl Waiting {
    fn turn(&self) -> Turn {
        (!self.wanted, self.place)
    }
}

impl Joiners {
    /// Notes an object of a KeyPackage track; `false` if a newer one was seen already.
    pub(crate) fn is_news(&mut self, sender: &SenderId, object: u64, limits: &Limits) -> bool {
        let most = limits.remembered_senders;
        let list = if self.spent.contains(sender) { &mut self.spent } else { &mut self.seen };
        let newest = list.get(sender).copied();
        list.put(sender.clone(), newest.map_or(object, |newest| newest.max(object)), most);
        newest.is_none_or(|newest| object > newest)
    }

    /// Whether [`is_news`](Self::is_news) would say so, noting nothing.
    pub(crate) fn would_be_news(&self, sender: &SenderId, object: u64) -> bool {
        self.spent.get(sender).or_else(|| self.seen.get(sender)).is_none_or(|newest| object > *newest)
    }

    /// Whether an object of this sender's KeyPackage track was noted.
    pub(crate) fn is_known(&self, sender: &SenderId) -> bool {
        self.spent.contains(sender) || self.seen.contains(sender)
    }

    /// Notes an object by which a member made itself heard: no flood of strangers' pushes it out.
    pub(crate) fn spend(&mut self, sender: &SenderId, object: u64, limits: &Limits) {
        let seen = self.seen.remove(sender).max(self.spent.get(sender).copied());
        let newest = seen.map_or(object, |newest| newest.max(object));
        self.spent.put(sender.clone(), newest, limits.remembered_senders);
    }

    /// Whether a KeyPackage may be one that its sender joined by, and has been put out since. While the relay shows
    /// a newcomer `old_ones`, that an older one of the same sender came says nothing: it shows them all.
    pub(crate) fn may_be_spent(&self, sender: &SenderId, object: u64, old_ones: bool) -> bool {
        self.gone.is_some_and(|gone| object <= gone)
            && !self.spent.contains(sender)
            && (old_ones || !self.seen.contains(sender))
    }

    /// Notes what a member joined by that is out now.
    pub(crate) fn note_gone(&mut self, object: u64) {
        self.gone = self.gone.max(Some(object));
    }

    /// Whether an object as new as this one is kept already, or known to be there.
    pub(crate) fn came_early(&self, sender: &SenderId, object: u64) -> bool {
        self.early.get(sender).is_some_and(|(seen, _)| *seen >= object)
    }

    /// Keeps an object until it is known whether this participant creates the group.
    pub(crate) fn keep_early(
        &mut self,
        sender: SenderId,
        object: u64,
        payload: Bytes,
        limits: &Limits,
    ) -> bool {
        if self.came_early(&sender, object) {
            return true;
        }
        let old = self.early.get(&sender);
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

    /// Those of whom an object is kept until then that is newer than any before.
    pub(crate) fn early_news(&self) -> impl Iterator<Item = &SenderId> {
        let news = |(sender, (object, _)): &(&SenderId, &(u64, Bytes))| self.would_be_news(sender, *object);
        self.early.iter().filter(news).map(|(sender, _)| sender)
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

    /// Puts a KeyPackage in the room, in place of an older one of the same sender. If need be, those make
    /// room that are held, the first of the line first: the embedder's decision will find them all the same.
    pub(crate) fn admit(
        &mut self,
        mut waiting: Waiting,
        now: Timestamp,
        time_of_day: Timestamp,
        limits: &Limits,
    ) -> Admitted {
        let mut dropped = self.expire(time_of_day);
        let old = self.take(&waiting.info.sender);
        // Whether there is room when everybody has gone that can.
        let bytes = self.due_bytes.saturating_add(waiting.message.len());
        if self.due.len() >= limits.pending_joiners || bytes > limits.pending_joiner_bytes {
            if let Some(old) = old {
                self.put(old);
            }
            return Admitted { is_in: false, dropped };
        }
        while self.waiting.len() >= limits.pending_joiners
            || self.waiting_bytes.saturating_add(waiting.message.len()) > limits.pending_joiner_bytes
        {
            let Some((_, first)) = self.held.pop_first() else { break };
            dropped = dropped.saturating_add(usize::from(self.take(&first).is_some()));
        }
        let next = self.line.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        waiting.place = old.map_or(next, |old| old.place);
        self.put(waiting);
        self.window = Some((self.window.map_or(now, |(first, _)| first), now));
        Admitted { is_in: true, dropped }
    }

    /// Drops all whose KeyPackage has expired; returns how many that were.
    pub(crate) fn expire(&mut self, time_of_day: Timestamp) -> usize {
        let mut dropped = 0_usize;
        while let Some((_, sender)) = self.expiring.first().filter(|(at, _)| *at < time_of_day).cloned() {
            self.take(&sender);
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    /// Until when more of a crowd is waited for: `pause` after the latest, `most` after the first.
    pub(crate) fn window_ends(&self, pause: Duration, most: Duration) -> Option<Timestamp> {
        self.window.map(|(first, latest)| latest.after(pause).min(first.after(most)))
    }

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.window = self.window.map(|(first, latest)| (first.before(by), latest.before(by)));
    }

    /// No more are waited for.
    pub(crate) fn close_window(&mut self) {
        self.window = None;
    }

    fn put(&mut self, waiting: Waiting) {
        let (sender, bytes) = (&waiting.info.sender, waiting.message.len());
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        self.line.insert(waiting.place, sender.clone());
        self.expiring.insert((waiting.info.expires, sender.clone()));
        if matches!(waiting.hold, Some(Hold::SameIdentity { .. })) {
            self.namesakes.insert(sender.clone());
        }
        if waiting.hold.is_some() {
            self.held.insert(waiting.place, sender.clone());
        } else {
            self.due.insert(waiting.turn(), sender.clone());
            self.due_bytes = self.due_bytes.saturating_add(bytes);
            self.named.insert((waiting.info.identity.clone(), waiting.place), sender.clone());
        }
        self.waiting.insert(sender.clone(), waiting);
    }

    pub(crate) fn take(&mut self, sender: &SenderId) -> Option<Waiting> {
        let waiting = self.waiting.remove(sender)?;
        let bytes = waiting.message.len();
        self.line.remove(&waiting.place);
        self.held.remove(&waiting.place);
        self.expiring.remove(&(waiting.info.expires, sender.clone()));
        self.namesakes.remove(sender);
        if self.due.remove(&waiting.turn()).is_some() {
            self.due_bytes = self.due_bytes.saturating_sub(bytes);
        }
        self.named.remove(&(waiting.info.identity.clone(), waiting.place));
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        Some(waiting)
    }

    pub(crate) fn empty_room(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.line.clear();
        self.due.clear();
        self.due_bytes = 0;
        self.named.clear();
        self.held.clear();
        self.expiring.clear();
        self.namesakes.clear();
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

    /// Forgets who came first of those who are remembered.
    #[cfg(feature = "testing")]
    pub(crate) fn level(&mut self) {
        self.barred.level();
        self.admitted.level();
        self.refused.level();
        self.spent.level();
        self.seen.level();
    }

    #[cfg(feature = "testing")]
    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Those who may be committed now: first those whom the embedder wants, each in the order in which they came.
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

    /// Drops what a member published before it was put out, unless the embedder asked for it: it may be older than a
    /// leave request that never came here. A sender that wants back publishes another.
    pub(crate) fn forget_unasked(&mut self, sender: &SenderId) {
        if self.get(sender).is_some_and(|waiting| !waiting.wanted) {
            self.take(sender);
        }
    }

    /// How many bytes those have that may be committed now.
    pub(crate) fn due_bytes(&self) -> usize {
        self.due_bytes
    }

    /// Whether so many may be committed now.
    pub(crate) fn are_due(&self, many: usize) -> bool {
        self.due.len() >= many
    }

    /// After an epoch: who came in waits no longer, not even by a KeyPackage newer than the one that was taken. It
    /// published that one while the commit was under way; if it lost the keys of the older one, it publishes
    /// another. Who shares a name with nobody any more goes on as a stranger does, who is held by `strangers`.
    pub(crate) fn settle(&mut self, roster: &Roster, added: &[Member], strangers: Option<&Hold>) {
        self.close_window();
        for new in added {
            self.take(&new.sender);
        }
        let nobody = |w: &Waiting| roster.with_identity(&w.info.identity).is_none();
        let namesakes = self.namesakes.iter();
        let alone = namesakes.filter(|sender| self.get(sender).is_some_and(nobody));
        for sender in alone.cloned().collect::<Vec<_>>() {
            self.change(&sender, |waiting| waiting.hold = strangers.cloned());
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
