//! The waiting room: whose KeyPackage may be committed, and who must wait for the embedder.
//!
//! A relay replays the KeyPackages of members long gone to every newcomer. So a KeyPackage counts
//! as stale when its object id (which its leaf carries) is not above the one its sender already
//! joined by, and one that came before this participant joined is left to those who were there: its
//! sender, if it still waits, soon publishes a fresh one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::engine::{KeyPackageInfo, Member};
use crate::limits::Limits;
use crate::notice::Hold;
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
    /// Those who are held because somebody has their identity.
    namesakes: BTreeSet<SenderId>,
    /// When the first and the latest of those came whom the next commit is to add.
    window: Option<(Timestamp, Timestamp)>,
    /// The newest object seen on each KeyPackage track: the newest one speaks.
    pub(crate) newest: BTreeMap<SenderId, u64>,
    /// The highest number of the KeyPackages that members joined by who are out again.
    pub(crate) spent: u64,
    /// KeyPackage objects that came while it was open whether this participant creates the group.
    early: BTreeMap<SenderId, (u64, Bytes)>,
    early_bytes: usize,
    /// Removed on purpose; only the embedder lets them back.
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

    /// Whether a KeyPackage may be one that its sender joined by, and has been put out since.
    pub(crate) fn may_be_spent(&self, sender: &SenderId, object: u64) -> bool {
        object <= self.spent && !self.newest.contains_key(sender)
    }

    /// Notes what a member joined by that is out now.
    pub(crate) fn spend(&mut self, object: u64) {
        self.spent = self.spent.max(object);
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

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.window = self.window.map(|(first, latest)| (first.before(by), latest.before(by)));
    }

    /// No more are waited for.
    pub(crate) fn close_window(&mut self) {
        self.window = None;
    }

    fn put(&mut self, waiting: Waiting) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(waiting.message.len());
        self.line.insert(waiting.place, waiting.info.sender.clone());
        if matches!(waiting.hold, Some(Hold::SameIdentity { .. })) {
            self.namesakes.insert(waiting.info.sender.clone());
        }
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
        self.namesakes.remove(sender);
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

    /// Bars a sender that was removed on purpose.
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
    pub(crate) fn settle(&mut self, roster: &Roster, added: &[Member]) {
        self.close_window();
        for new in added {
            if self.get(&new.sender).is_some_and(|w| new.sequence.is_none_or(|s| s >= w.object)) {
                self.take(&new.sender);
            }
        }
        let nobody = |w: &Waiting| roster.with_identity(&w.info.identity).is_none();
        let namesakes = self.namesakes.iter();
        let alone = namesakes.filter(|sender| self.get(sender).is_some_and(nobody));
        for sender in alone.cloned().collect::<Vec<_>>() {
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

#[cfg(all(test, feature = "testing"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::engine::Credential;
    use crate::testing::rng::Rng;

    fn waiting(who: u64, identity: u64, hold: Option<Hold>) -> Waiting {
        let name = |n: u64| Bytes::from(format!("n{n}"));
        let info = KeyPackageInfo {
            sender: SenderId::new(name(who)).unwrap(),
            identity: name(identity),
            credential: Credential { kind: 1, data: name(identity) },
            reference: name(who),
            sequence: None,
            group: None,
            expires: Timestamp::from_secs(9),
        };
        Waiting { message: name(who), info, object: 1, place: 0, hold, replacing: None }
    }

    /// What is kept for quick answers says what a look at everybody says, after whatever came and went.
    #[test]
    fn quick_answers_are_right_answers() {
        let (mut rng, limits) = (Rng::new(1), Limits::default());
        let mut room = Joiners::default();
        let mut seen = [0_u32; 4];
        for _ in 0..20_000 {
            let who = rng.below(8);
            let sender = SenderId::new(Bytes::from(format!("n{who}"))).unwrap();
            match rng.below(7) {
                0..=2 => {
                    let hold = match rng.below(4) {
                        0 => Some(Hold::Policy),
                        1 => Some(Hold::SameIdentity { member: sender.clone() }),
                        _ => None,
                    };
                    room.admit(waiting(who, rng.below(3), hold), Timestamp::from_secs(1), &limits);
                }
                3 => drop(room.take(&sender)),
                4 => room.bar(&sender, &limits),
                5 => room.change(&sender, |waiting| waiting.hold = None),
                _ if rng.below(20) == 0 => room.empty_room(),
                _ => room.settle(&Roster::default(), &[]),
            }
            let line: Vec<&Waiting> = room.line.values().filter_map(|s| room.waiting.get(s)).collect();
            assert_eq!(line.len(), room.waiting.len());
            let due: Vec<&Waiting> = line.iter().filter(|w| w.hold.is_none()).copied().collect();
            assert_eq!(room.due().collect::<Vec<_>>(), due);
            assert_eq!(room.any_due(), !due.is_empty());
            assert!(room.are_due(due.len()) && !room.are_due(due.len() + 1));
            assert_eq!(room.waiting_bytes, line.iter().map(|w| w.message.len()).sum::<usize>());
            let probe = waiting(who, rng.below(3), None).info;
            let other =
                due.iter().find(|w| w.info.identity == probe.identity && w.info.sender != probe.sender);
            assert_eq!(room.same_identity(&probe), other.map(|w| &w.info.sender));
            let held = |w: &&&Waiting| matches!(w.hold, Some(Hold::SameIdentity { .. }));
            assert_eq!(room.namesakes.len(), line.iter().filter(held).count());
            seen[due.len().min(3)] += 1;
        }
        assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
    }

    #[test]
    fn limits_are_met_exactly() {
        let id = |n: u64| SenderId::new(Bytes::from(format!("n{n}"))).unwrap();
        let limits = Limits { pending_joiner_bytes: 4, remembered_senders: 1, ..Limits::default() };
        let mut room = Joiners::default();
        let now = Timestamp::from_secs(1);
        // Two bytes each.
        assert!(
            room.admit(waiting(1, 1, None), now, &limits) && room.admit(waiting(2, 2, None), now, &limits)
        );
        assert!(!room.admit(waiting(3, 3, None), now, &limits));
        room.bar(&id(1), &limits);
        room.bar(&id(2), &limits);
        assert_eq!(room.barred.len(), 1);
        assert!(room.keep_early(id(1), 5, Bytes::from_static(b"new"), &limits));
        assert!(room.keep_early(id(1), 4, Bytes::from_static(b"older"), &limits), "known already");
        assert!(room.keep_early(id(1), 5, Bytes::from_static(b"again"), &limits));
        assert!(room.keep_early(id(1), 6, Bytes::from_static(b"last"), &limits));
        let kept: Vec<(u64, Bytes)> = room.take_early().into_values().collect();
        assert_eq!(kept, [(6, Bytes::from_static(b"last"))]);
    }
}
