//! Adversaries who are no members, at work all the while: also when everyone is to come to agree.

use std::time::Duration;

use bytes::Bytes;

use super::Run;
use crate::codec::pinned::{ReceiptObject, WelcomeObject};
use crate::config::SafetyMode;
use crate::counter::http::{Headers, HttpRequest, encode_commit, encode_increment, encode_lock};
use crate::counter::service::Slot;
use crate::counter::{CommitRequest, IncrementRequest, LockRequest, Pin};
use crate::engine::{ContextParams, Engine, MessageKind};
use crate::participant::Participant;
use crate::testing::sha256;
use crate::testing::simulation::adversary::Attacks;
use crate::time::Timestamp;
use crate::tracks::{GroupName, Location, Object, SenderId, TrackKind};

impl<E: Engine> Run<'_, E> {
    /// When the adversaries move next.
    pub(super) fn next_attack(&self) -> Option<Timestamp> {
        (self.scenario.attacks.every_ms > 0).then_some(self.adversary.next)
    }

    /// They move.
    pub(super) fn attack(&mut self) {
        let Attacks { outsider, reachable, every_ms, .. } = self.scenario.attacks;
        self.adversary.next = self.net.now().after(Duration::from_millis(every_ms.max(1)));
        if outsider {
            self.outsider();
        }
        if reachable {
            self.reach();
        }
        self.betray();
    }

    /// The group as a client sees it that subscribes to everything: a participant, its epoch, a member or
    /// not.
    fn seen_by_all(&mut self) -> Option<(usize, u64)> {
        let who = self.adversary.below(self.names.len());
        let epoch = self.here().iter().filter_map(|who| self.member(*who)?.epoch()).max().unwrap_or(0);
        self.net.peer(who).map(|_| (who, epoch))
    }

    fn throw(&mut self, object: Object) {
        self.net.publish_as_stranger(&object);
    }

    fn outsider(&mut self) {
        let Some((who, epoch)) = self.seen_by_all() else { return };
        let Some(tracks) = self.net.peer(who).map(|p| p.tracks().clone()) else { return };
        let Some(id) = self.ids.get(who).cloned() else { return };
        let now = self.net.now();
        let payload = self.adversary.junk();
        let object = self.adversary.object_id();
        match self.adversary.below(12) {
            // Junk at the places of commits, receipts and their kin: for now, soon, and far ahead.
            0 | 1 => {
                let ahead = [0, 0, 1, 2, 63, 64, 65, 1 << 61];
                let group = epoch.saturating_add(ahead.get(self.adversary.below(8)).copied().unwrap_or(0));
                self.throw(Object {
                    track: tracks.commit(&id),
                    location: Location { group_id: group, object_id: object },
                    payload,
                });
            }
            // The draft's places, ahead of the participant that means to use them.
            2 => {
                for object in [0, 1, 2, 4] {
                    let location = Location { group_id: epoch.saturating_add(1), object_id: object };
                    let payload = payload.clone();
                    self.throw(Object { track: tracks.commit(&id), location, payload });
                }
            }
            3 => {
                let location = Location { group_id: epoch.saturating_add(1), object_id: 0 };
                self.throw(Object { track: tracks.welcome(&id), location, payload: payload.clone() });
                self.throw(Object { track: tracks.tree(&id), location, payload });
            }
            // KeyPackages and leave requests: the next numbers, as far as anybody can guess them, and far ones.
            4 => {
                let number = now.as_millis() << 16;
                let far = [0, 1, 1 << 16, 60_000 << 16, 86_000_000 << 16, 90_000_000 << 16];
                let far = far.get(self.adversary.below(6)).copied().unwrap_or(0);
                let location = Location { group_id: 0, object_id: number.saturating_add(far) };
                self.throw(Object { track: tracks.key_package(&id), location, payload });
            }
            5 => self.forge_welcome(who, &id, epoch),
            6 => {
                let receipt = ReceiptObject { pin: self.some_pin(epoch), receipt: payload };
                let location = Location { group_id: epoch, object_id: object | 1 };
                self.throw(Object { track: tracks.commit(&id), location, payload: receipt.encode() });
            }
            // What was published once comes elsewhere too, with a byte changed or not.
            _ => self.replay_somewhere(&id, epoch),
        }
    }

    /// Something published before, at another place of its track or of another's.
    fn replay_somewhere(&mut self, id: &SenderId, epoch: u64) {
        let count = self.net.published().len();
        let recent = count.saturating_sub(40);
        let at = if self.adversary.below(2) == 0 { self.adversary.below(count) } else { recent };
        let at = at.saturating_add(self.adversary.below(40)).min(count.saturating_sub(1));
        let Some(mut object) = self.net.published().get(at).cloned() else { return };
        let Some(tracks) = self.net.peer(0).map(|p| p.tracks().clone()) else { return };
        match tracks.classify(&object.track) {
            Some(TrackKind::KeyPackage(_)) => {
                if self.adversary.below(2) == 0 {
                    object.track = tracks.key_package(id);
                }
                let more = self.adversary.rng.below(1 << 20);
                object.location.object_id = object.location.object_id.saturating_add(more);
            }
            Some(TrackKind::Welcome(_)) if self.adversary.below(2) == 0 => object.track = tracks.welcome(id),
            Some(TrackKind::Commit(_)) => {
                object.location.object_id = self.adversary.object_id() & !1 | (object.location.object_id & 1);
                if self.adversary.below(2) == 0 {
                    object.location.group_id = epoch.saturating_add(self.adversary.rng.below(2));
                }
            }
            _ => object.location.object_id = self.adversary.object_id(),
        }
        if self.adversary.below(2) == 0 {
            let mut payload = object.payload.to_vec();
            let place = self.adversary.below(payload.len());
            // The header stays: what comes after it is what costs.
            let place = place.max(payload.len() / 2).min(payload.len().saturating_sub(1));
            if let Some(byte) = payload.get_mut(place) {
                *byte ^= 1;
            }
            object.payload = payload.into();
        }
        self.throw(object);
    }

    /// A pin of the group's, which anybody may read at the counter, or one made up.
    fn some_pin(&mut self, epoch: u64) -> Pin {
        let slot = self.net.counter().get(&self.config.group).map(|c| c.slot(epoch));
        match slot {
            Some(Slot::Pinned(pin)) if self.adversary.below(2) == 0 => pin,
            _ => Pin::new(self.adversary.hash(), self.adversary.hash(), self.adversary.hash()),
        }
    }

    /// A Welcome to a group of the stranger's own that bears the same name.
    fn forge_welcome(&mut self, who: usize, id: &SenderId, epoch: u64) {
        let Some(tracks) = self.net.peer(who).map(|p| p.tracks().clone()) else { return };
        let of_it = |o: &&Object| o.track == tracks.key_package(id);
        let Some(key) = self.net.published().iter().rev().find(of_it).map(|o| o.payload.clone()) else {
            return;
        };
        let now = self.net.now();
        let mut engine = (self.kit.engine)("mallory", self.adversary.rng.below(1 << 20) + 1000);
        if !matches!(engine.classify(&key), Ok(Ok(MessageKind::KeyPackage))) {
            return;
        }
        let own = self.net.peer(who).map(Participant::params);
        let params =
            if self.adversary.below(3) == 0 { ContextParams::draft() } else { own.unwrap_or_default() };
        let Ok(mut group) = engine.create(now, tracks.group(), &params, 0) else { return };
        for _ in 0..self.adversary.below(3) {
            let Ok(Ok(built)) = engine.create_commit(&group, now, &[], &[]) else { return };
            group = built.next.group;
        }
        let Ok(Ok(built)) = engine.create_commit(&group, now, &[key], &[]) else { return };
        let Some((_, welcome)) = built.welcomes.into_iter().next() else { return };
        let receipt = (self.adversary.below(2) == 0).then(|| self.adversary.junk());
        let payload = match self.config.params.mode {
            // As one whose tree is apart: the receipt on the Commit track is for all of its epoch.
            SafetyMode::Pinned if self.adversary.below(4) == 0 => {
                WelcomeObject { confirmation: None, welcome }.encode()
            }
            SafetyMode::Pinned => WelcomeObject::confirmed(self.some_pin(epoch), receipt, welcome).encode(),
            SafetyMode::Fenced | SafetyMode::Advisory => welcome,
        };
        let group = epoch.saturating_add(self.adversary.rng.below(2));
        let location = Location { group_id: group, object_id: self.adversary.object_id() };
        self.throw(Object { track: tracks.welcome(id), location, payload });
    }

    /// What a client can do that reaches the counter, once the group exists: without tokens, slot 0 is for the
    /// first client.
    fn reach(&mut self) {
        let counter = self.config.group.clone();
        let Some(next) = self.net.counter().get(&counter).map(|c| c.next()).filter(|next| *next > 0) else {
            return;
        };
        let newest = match self.net.counter().get(&counter).map(|c| c.slot(next - 1)) {
            Some(Slot::Pinned(pin)) => Some(pin),
            _ => None,
        };
        // The lock is theirs whenever it is to be had.
        let lock = LockRequest { counter: counter.clone(), val: next };
        self.ask_service(encode_lock(&lock, None).ok());
        let commit = self.adversary.junk();
        let pin = Pin::new(sha256(&commit), self.adversary.hash(), self.adversary.hash());
        let mut request = IncrementRequest::draft(counter.clone());
        match self.adversary.below(6) {
            0 => {}
            1 => {
                (request.val, request.prev, request.pin) = (Some(next), newest, Some(pin));
                request.commit = Some(commit);
            }
            2 => {
                (request.val, request.prev, request.pin) = (Some(next), newest, Some(pin));
                request.key = Some(Bytes::copy_from_slice(&self.adversary.hash()));
                request.commit = Some(commit);
            }
            3 => {
                (request.val, request.pin) = (Some(next), Some(pin));
                request.commit = Some(commit);
            }
            4 => {
                let call = CommitRequest { counter, val: self.adversary.rng.below(next.saturating_add(2)) };
                self.ask_service(encode_commit(&call, None).ok());
                return;
            }
            _ => {
                self.adversary.flooded = self.adversary.flooded.saturating_add(1);
                let name = format!("flood {}", self.adversary.flooded);
                let Ok(counter) = GroupName::try_from(name.as_str()) else { return };
                self.ask_service(encode_lock(&LockRequest { counter, val: 0 }, None).ok());
                return;
            }
        }
        self.ask_service(encode_increment(&request, None).ok());
    }

    fn ask_service(&mut self, request: Option<HttpRequest>) {
        let Some(mut request) = request else { return };
        if self.adversary.below(4) == 0 {
            // As a web page of another site sends it.
            request.headers =
                Headers::from_iter([("Origin", "https://elsewhere.example"), ("Content-Type", "text/plain")]);
        }
        self.net.ask_as_stranger(&request);
    }
}
