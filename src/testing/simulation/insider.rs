//! A member that turned hostile: it has the keys of every epoch that it is in, and keeps to no rule.
//!
//! It has no machine. It reads at the counter what won each slot, and sits at the doors of the relay and the counter:
//! nobody is faster. What it does is in its [`Habits`]; a commit at once in every epoch is what it always does.

use bytes::Bytes;

use super::{BOUND, InsiderStats, Judged, Run};
use crate::codec::pinned::{Confirmation, WelcomeObject};
use crate::counter::http::{decode_increment_reply, encode_increment, encode_lock};
use crate::counter::service::Slot;
use crate::counter::{CommitReply, IncrementReply, IncrementRequest, LockRequest, Pin};
use crate::engine::{Engine, GroupView};
use crate::notice::Notice;
use crate::participant::Participant;
use crate::testing::sha256;
use crate::testing::simulation::adversary::Habits;
use crate::testing::simulation::turncoat::{Insider, Own};
use crate::tracks::{FullTrackName, KEY_PACKAGE_GROUP, Location, Object, TrackKind};

/// Slots that it fills in one move, if nobody keeps it from it.
const CHAIN: usize = 3;
/// Of its KeyPackages, those whose Welcomes it still opens.
const KEYS: usize = 64;

impl<E: Engine> Run<'_, E> {
    /// A member gives up its machine and goes on by itself.
    pub(super) fn turn_coat(&mut self, who: usize) {
        let Some(member) = self.member(who) else { return };
        let (Some(group), Some(epoch)) = (member.group().cloned(), member.epoch()) else { return };
        self.insider = Some(Insider {
            who,
            id: member.sender_id().clone(),
            engine: (self.kit.engine)(self.name(who), 99),
            group: Some(group),
            epoch,
            pin: member.pin().copied(),
            own: None,
            keys: Vec::new(),
            looked: self.net.published().len(),
            since: self.net.now(),
            unwanted: None,
            joining: Vec::new(),
            stats: InsiderStats::default(),
        });
        self.net.crash(who);
        self.joined.remove(&who);
        self.lost.insert(who);
    }

    /// It moves.
    pub(super) fn betray(&mut self) {
        let Some(mut insider) = self.insider.take() else { return };
        let habits = self.scenario.attacks.insider;
        // Who was put out for good is an outsider, and those have profiles of their own.
        if insider.stats.removed.is_none() {
            for _ in 0..CHAIN {
                self.follow(&mut insider);
                self.commit_at_once(&mut insider, habits);
                if !(habits.pins && self.pin_own(&mut insider)) {
                    break;
                }
            }
            self.hog(&insider);
            if habits.rejoins {
                self.ask_to_come_back(&mut insider);
                self.come_back(&mut insider);
            }
            if habits.welcomes {
                self.welcome_to_nowhere(&insider);
            }
            if habits.garbage {
                self.pin_garbage(&insider);
            }
        }
        self.insider = Some(insider);
    }

    /// Applies what won, as the counter has it.
    fn follow(&self, insider: &mut Insider<E>) {
        let Some(counter) = self.net.counter().get(&self.config.group) else { return };
        while let Some(group) = &insider.group {
            let slot = insider.epoch.saturating_add(1);
            let (Slot::Pinned(pin), CommitReply::Found { commit, .. }) =
                (counter.slot(slot), counter.commit(slot))
            else {
                return;
            };
            let next = match insider.own.take().filter(|own| own.commit == commit) {
                Some(own) => Some(own.next),
                None => {
                    let staged = insider.engine.stage_commit(group, self.net.now(), &commit);
                    staged.ok().and_then(Result::ok).and_then(|staged| staged.next)
                }
            };
            insider.group = next.map(|next| next.group);
            (insider.epoch, insider.pin) = (slot, Some(pin));
        }
    }

    /// Publishes a commit, the first thing in every epoch.
    fn commit_at_once(&mut self, insider: &mut Insider<E>, habits: Habits) {
        let Some(group) = &insider.group else { return };
        let now = self.net.now();
        let fresh = insider.own.is_none();
        if fresh {
            let mut removes = Vec::new();
            if habits.removes && self.adversary.below(2) == 0 {
                let Ok(roster) = insider.engine.roster(group) else { return };
                let others = roster.iter().filter(|member| member.sender != insider.id);
                removes.extend(others.map(|member| member.leaf_index));
                if self.adversary.below(2) == 0 && removes.len() > 1 {
                    removes.swap_remove(self.adversary.below(removes.len()));
                }
            }
            let Ok(Ok(built)) = insider.engine.create_commit(group, now, &[], &removes) else { return };
            let removes = !removes.is_empty();
            insider.own = Some(Own { commit: built.commit, next: built.next, removes });
        }
        let Some(commit) = insider.own.as_ref().map(|own| own.commit.clone()) else { return };
        let Some(track) = self.net.peer(0).map(|p| p.tracks().commit(&insider.id)) else { return };
        if fresh {
            self.throw_commit(&track, insider.epoch, commit.clone());
        }
        for _ in 0..if habits.corrupts { 4 } else { 0 } {
            // A content that opens, for all that its header tells.
            let mut broken = commit.to_vec();
            let at = broken.len().saturating_sub(1 + self.adversary.below(8));
            if let Some(byte) = broken.get_mut(at) {
                *byte ^= 1 << self.adversary.below(8);
            }
            self.throw_commit(&track, insider.epoch, broken.into());
        }
    }

    fn throw_commit(&mut self, track: &FullTrackName, epoch: u64, payload: Bytes) {
        let object = self.adversary.object_id() & !1;
        let location = Location { group_id: epoch, object_id: object };
        self.net.publish_as_stranger(&Object { track: track.clone(), location, payload });
    }

    /// Pins its own commit; whether the slot is its own now.
    fn pin_own(&mut self, insider: &mut Insider<E>) -> bool {
        let Some(own) = insider.own.as_ref().filter(|own| !own.removes) else { return false };
        let slot = insider.epoch.saturating_add(1);
        let Some(pin) = self.net.peer(0).and_then(|p| p.pin_for(&own.commit, &own.next, slot)) else {
            return false;
        };
        let filled = self.increment_as(insider, pin, own.commit.clone());
        insider.stats.filled = insider.stats.filled.saturating_add(u64::from(filled));
        filled
    }

    fn pin_garbage(&mut self, insider: &Insider<E>) {
        if self.adversary.below(50) == 0 {
            let commit = self.adversary.junk();
            let pin = Pin::new(sha256(&commit), self.adversary.hash(), self.adversary.hash());
            self.increment_as(insider, pin, commit);
        }
    }

    /// An increment of the slot after its epoch, under its own name; whether it was taken.
    fn increment_as(&mut self, insider: &Insider<E>, pin: Pin, commit: Bytes) -> bool {
        let Some(group) = &insider.group else { return false };
        let request = IncrementRequest {
            counter: self.config.group.clone(),
            val: Some(insider.epoch.saturating_add(1)),
            lock_id: None,
            prev: insider.pin,
            pin: Some(pin),
            key: self.net.peer(0).and_then(|p| p.slot_key_of(group)),
            commit: Some(commit),
        };
        let Ok(request) = encode_increment(&request, None) else { return false };
        let reply = self.net.ask_as(insider.who, &request);
        matches!(decode_increment_reply(&reply), Ok(IncrementReply::Ok(_)))
    }

    /// The lock is its own whenever it is to be had.
    fn hog(&mut self, insider: &Insider<E>) {
        let request =
            LockRequest { counter: self.config.group.clone(), val: insider.epoch.saturating_add(1) };
        if let (Some(_), Ok(request)) = (&insider.group, encode_lock(&request, None)) {
            self.net.ask_as(insider.who, &request);
        }
    }

    /// One KeyPackage after the other.
    fn ask_to_come_back(&mut self, insider: &mut Insider<E>) {
        let now = self.net.now();
        let object_id = now.as_millis() << 16 | self.adversary.rng.below(1 << 16);
        let group = &self.config.group;
        let Ok(key) = insider.engine.generate_key_package(now, group, object_id) else { return };
        let Some(track) = self.net.peer(0).map(|p| p.tracks().key_package(&insider.id)) else { return };
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id };
        let payload = key.message.clone();
        self.net.publish_as_stranger(&Object { track, location, payload });
        insider.keys.push(key);
        if insider.keys.len() > KEYS {
            insider.keys.remove(0);
        }
    }

    /// Joins by a Welcome to one of its KeyPackages.
    fn come_back(&self, insider: &mut Insider<E>) {
        let Some(tracks) = self.net.peer(0).map(Participant::tracks) else { return };
        let (now, published) = (self.net.now(), self.net.published());
        for object in published.iter().skip(insider.looked) {
            let to = tracks.classify(&object.track);
            if to != Some(TrackKind::Welcome(insider.id.clone())) {
                continue;
            }
            // It does not look for trees that are apart.
            let Ok(WelcomeObject { confirmation: Some(Confirmation { pin, .. }), welcome }) =
                WelcomeObject::decode(object.payload.clone())
            else {
                continue;
            };
            let joined = insider
                .keys
                .iter()
                .find_map(|key| insider.engine.join(now, &welcome, key, None).ok().and_then(Result::ok));
            let view = joined.as_ref().and_then(|group| insider.engine.view(group).ok());
            if let Some(view) = view {
                insider.stats.returns = insider.stats.returns.saturating_add(1);
                (insider.group, insider.own) = (joined, None);
                (insider.epoch, insider.pin) = (view.epoch, Some(pin));
            }
        }
        insider.looked = published.len();
    }

    /// Welcomes a client that waits by a commit that it publishes nowhere.
    fn welcome_to_nowhere(&mut self, insider: &Insider<E>) {
        let Some(group) = &insider.group else { return };
        let waiting: Vec<usize> = self.here().into_iter().filter(|who| self.member(*who).is_none()).collect();
        let Some(who) = waiting.get(self.adversary.below(waiting.len())).copied() else { return };
        let Some(id) = self.ids.get(who).cloned() else { return };
        let Some(peer) = self.net.peer(0) else { return };
        let tracks = peer.tracks();
        let of_it = |o: &&Object| o.track == tracks.key_package(&id);
        let Some(key) = self.net.published().iter().rev().take(200).find(of_it).map(|o| o.payload.clone())
        else {
            return;
        };
        let Ok(Ok(built)) = insider.engine.create_commit(group, self.net.now(), &[key], &[]) else { return };
        let slot = insider.epoch.saturating_add(1);
        let pin = peer.pin_for(&built.commit, &built.next, slot);
        let (Some(pin), Some((_, welcome))) = (pin, built.welcomes.into_iter().next()) else { return };
        let track = tracks.welcome(&id);
        let payload = WelcomeObject::confirmed(pin, None, welcome).encode();
        let location = Location { group_id: slot, object_id: self.adversary.object_id() };
        self.net.publish_as_stranger(&Object { track, location, payload });
    }

    /// Notes that a participant comes in beside it.
    pub(super) fn note_join(&mut self, who: usize) {
        let now = self.net.now();
        if let Some(insider) = &mut self.insider {
            insider.joining.push((who, now));
        }
    }

    /// Notes that a participant is removed.
    pub(super) fn note_removal(&mut self, whom: usize) {
        let now = self.net.now();
        if let Some(insider) = self.insider.as_mut().filter(|insider| insider.who == whom) {
            insider.unwanted.get_or_insert(now);
        }
    }

    /// Whether the insider was removed for good.
    pub(super) fn is_put_out(&self, who: usize) -> bool {
        self.insider.as_ref().is_some_and(|insider| insider.who == who && insider.stats.removed.is_some())
    }

    /// Notes what was waited for and is there now.
    pub(super) fn watch_insider(&mut self) {
        let Some(mut insider) = self.insider.take() else { return };
        let now = self.net.now();
        if let (Some(asked), None) = (insider.unwanted, insider.stats.removed) {
            let has_it = |who: &usize| {
                self.member(*who).is_some_and(|p| p.members().any(|member| member.sender == insider.id))
            };
            if !self.here().iter().any(has_it) {
                insider.stats.removed = Some(now.since(asked));
            }
        }
        insider.joining.retain(|(who, asked)| {
            let is_in = self.member(*who).is_some();
            if is_in {
                insider.stats.join = insider.stats.join.max(Some(now.since(*asked)));
            }
            !is_in
        });
        self.insider = Some(insider);
    }

    /// Holds what the insider achieved against what it may.
    pub(super) fn judge_insider(&self) -> Judged {
        let Some(insider) = &self.insider else { return Ok(()) };
        let InsiderStats { removed, join, returns, .. } = insider.stats;
        if self.scenario.attacks.insider.garbage {
            return Ok(());
        }
        for (name, took) in [("InsiderRemovedInTime", removed), ("JoinBesideInsiderInTime", join)] {
            if let Some(took) = took.filter(|took| *took > BOUND) {
                return self.fail(name, insider.who, format!("after {} ms", took.as_millis()));
            }
        }
        let put_out = |who: &&usize| {
            let told = self.net.notices(**who).iter().any(|(_, n)| matches!(n, Notice::Removed { .. }));
            told && !self.unwanted.contains_key(*who)
        };
        if let Some(who) = self.joined.iter().find(put_out) {
            return self.fail("InsiderRemovesNobody", *who, "only the insider wanted it out".into());
        }
        let (limits, timers) = (&self.config.limits, &self.config.timers);
        let time = self.net.now().since(insider.since).as_millis();
        let rate = u64::try_from(time / timers.returns.as_millis().max(1)).unwrap_or(0);
        // Who came later has not seen those before.
        let most = u64::from(limits.returns).saturating_mul(2).saturating_add(rate).saturating_add(1);
        if returns > most {
            return self.fail("ReturnsAreRated", insider.who, format!("{returns} in {time} ms"));
        }
        // What it has of the group, nobody has who removed it.
        let context = insider.group.as_ref().and_then(|group| insider.engine.view(group).ok());
        let leaks = |v: &GroupView| self.net.seen_without(v.epoch, &v.context_hash, &insider.id);
        if context.as_ref().is_some_and(leaks) {
            return self.fail("RemovedCannotDerive", insider.who, "the insider follows".into());
        }
        Ok(())
    }
}
