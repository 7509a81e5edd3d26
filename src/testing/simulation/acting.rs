//! What a scenario's steps do.

use std::time::Duration;

use bytes::Bytes;

use super::{Judged, Run};
use crate::engine::Engine;
use crate::event::Command;
use crate::participant::{Participant, Phase};
use crate::testing::rogue;
use crate::testing::simulation::scenario::Op;
use crate::tracks::{Location, Object, TrackKind};

impl<E: Engine> Run<'_, E> {
    pub(super) fn act(&mut self, op: &Op) -> Judged {
        match *op {
            Op::Wait(ms) => return self.wait(Duration::from_millis(ms)),
            Op::Join(who) => self.join(who),
            Op::Update(who) => self.command(who, Command::Update),
            Op::Leave(who) => {
                if self.member(who).is_some() {
                    self.keep_copy(who);
                    self.command(who, Command::Leave);
                    if !self.down.contains(&who) {
                        self.leaving.insert(who);
                    }
                }
            }
            Op::Remove(by, whom) => self.remove(by, whom),
            Op::Crash(who) => self.crash(who),
            Op::CrashAfter(who, actions) => {
                if self.net.peer(who).is_some() {
                    self.down.insert(who);
                    self.mark_dead(who);
                    self.net.crash_after(who, actions);
                }
            }
            Op::Restart(who) => self.restart(who),
            Op::Abandon(who) if self.lost.contains(&who) => {}
            Op::Abandon(who) => {
                self.crash(who);
                self.lost.insert(who);
                self.down.remove(&who);
                // The same person on a new device, with nothing of the old one.
                let next = self.add(format!("{}+{}", self.name(who), self.names.len()));
                self.join(next);
            }
            Op::Partition(who, ms) => self.net.partition(who, Duration::from_millis(ms)),
            Op::Evict => self.net.evict_relay(),
            Op::ResetCounter => {
                self.reset = true;
                self.net.reset_counter();
            }
            Op::Clock(who, ahead) => self.net.set_clock(who, ahead),
            Op::Rogue(who) => self.rogue(who, false),
            Op::Corrupt(who) => self.rogue(who, true),
            Op::Junk(who) => self.junk(who),
            Op::Replay(which) => self.replay(which),
            Op::Impostor(who) => self.impostor(who),
            Op::Turncoat(who) => self.turn_coat(who),
        }
        self.judge()
    }

    fn join(&mut self, who: usize) {
        if self.joined.insert(who) {
            self.note_join(who);
            self.command(who, Command::Join);
        }
    }

    fn keep_copy(&mut self, who: usize) {
        if let (None, Some(copy)) = (&self.stolen, self.net.durable(who)) {
            self.stolen = Some((who, copy));
        }
    }

    fn remove(&mut self, by: usize, whom: usize) {
        let Some(epoch) = self.member(by).and_then(Participant::epoch) else { return };
        let Some(id) = self.ids.get(whom).cloned() else { return };
        let is_in = self.member(by).is_some_and(|p| p.members().any(|m| m.sender == id));
        if by == whom || !is_in {
            return;
        }
        self.keep_copy(whom);
        self.note_removal(whom);
        self.command(by, Command::Remove(id));
        // It may be about to be killed.
        let dies = self.down.contains(&by);
        self.unwanted.insert(whom, (by, epoch, dies));
    }

    /// What it intended may be forgotten.
    fn mark_dead(&mut self, who: usize) {
        self.leaving.remove(&who);
        for (by, _, died) in self.unwanted.values_mut() {
            *died = *died || *by == who;
        }
    }

    fn crash(&mut self, who: usize) {
        if self.net.peer(who).is_some() {
            self.net.crash(who);
            self.down.insert(who);
            self.mark_dead(who);
        }
    }

    pub(super) fn restart(&mut self, who: usize) {
        if self.lost.contains(&who) || !self.down.remove(&who) {
            return;
        }
        self.net.crash(who);
        let life = self.lives.entry(who).or_default();
        *life = life.saturating_add(1);
        let life = *life;
        let engine = (self.kit.engine)(self.name(who), life);
        // A snapshot that cannot be restored shows as a participant that never comes back.
        let _ = self.net.restart(who, engine);
        if self.joined.contains(&who) && self.net.peer(who).is_some_and(|p| p.phase() == Phase::New) {
            self.command(who, Command::Join);
        }
    }

    /// A member publishes a commit that it built without asking anybody.
    fn rogue(&mut self, who: usize, broken: bool) {
        let Some(member) = self.member(who) else { return };
        let engine = (self.kit.engine)(self.name(who), 99);
        let Some((mut location, payload)) = rogue::commit(member, &engine, self.net.now()) else { return };
        location.object_id = location.object_id.saturating_add(2 * who as u64);
        let track = member.tracks().commit(member.sender_id());
        let mut payload = payload.to_vec();
        if let (true, Some(last)) = (broken, payload.last_mut()) {
            *last ^= 1;
        }
        self.net.publish_as_stranger(&Object { track, location, payload: payload.into() });
    }

    /// Bytes that say nothing where the next commit would go.
    fn junk(&mut self, who: usize) {
        let Some(member) = self.member(who) else { return };
        let group = member.epoch().unwrap_or(0).saturating_add(1);
        let track = member.tracks().commit(member.sender_id());
        let payload = Bytes::from_static(b"no message of any kind");
        self.net.publish_as_stranger(&Object {
            track,
            location: Location { group_id: group, object_id: 0 },
            payload,
        });
    }

    /// Publishes what was published once at another place too.
    fn replay(&mut self, which: u64) {
        let published = self.net.published();
        let count = published.len() as u64;
        let at = usize::try_from(which.checked_rem(count).unwrap_or(0)).unwrap_or(0);
        let Some(mut object) = published.get(at).cloned() else { return };
        let kind = self.net.peer(0).and_then(|p| p.tracks().classify(&object.track));
        match kind {
            Some(TrackKind::KeyPackage(_)) => {
                object.location.object_id = object.location.object_id.saturating_add(7)
            }
            _ => object.location.group_id = object.location.group_id.saturating_add(1),
        }
        self.net.publish_as_stranger(&object);
    }

    /// Publishes the KeyPackage of an outsider on a participant's track.
    fn impostor(&mut self, who: usize) {
        let mut engine = (self.kit.engine)("mallory", 0);
        let Some(peer) = self.net.peer(who) else { return };
        let tracks = peer.tracks();
        let Ok(key) = engine.generate_key_package(self.net.now(), tracks.group(), 50) else { return };
        let track = tracks.key_package(peer.sender_id());
        let location = Location { group_id: 0, object_id: 50 };
        self.net.publish_as_stranger(&Object { track, location, payload: key.message });
    }
}
