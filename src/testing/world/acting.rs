//! What participants do, and what arrives at them.

use bytes::Bytes;

use super::model::{Carriage, Parcel, World};
use crate::action::FetchTarget;
use crate::counter::service::CounterService;
use crate::engine::Engine;
use crate::event::{Event, Object};
use crate::participant::Participant;
use crate::testing::faults::Receipts;
use crate::testing::log::What;
use crate::testing::session::{Done, HttpId, Step};
use crate::time::Timestamp;
use crate::tracks::TrackKind;

impl<E: Engine, C: Carriage<E>> World<E, C> {
    /// Does all that a participant wants done now.
    pub(super) fn pump(&mut self, who: usize) {
        self.do_all(who);
        self.retime(who);
    }

    fn do_all(&mut self, who: usize) {
        loop {
            let now = self.clock(who);
            let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) else { return };
            match session.do_next(now) {
                Ok(Some(Step { out, done })) => {
                    if let Some(done) = done {
                        self.note(who, done);
                    }
                    for out in out {
                        C::carry(self, who, out);
                    }
                    let left = self.peers.get_mut(who).and_then(|p| p.actions_left.as_mut());
                    if let Some(left) = left {
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            return self.crash(who);
                        }
                    }
                }
                Ok(None) => return self.look(who),
                Err(error) => {
                    self.failures.push((who, error.to_string()));
                    return;
                }
            }
        }
    }

    fn note(&mut self, who: usize, done: Done) {
        match done {
            Done::Published(object) => self.note_published(who, &object),
            Done::Asked(id, val) => {
                let (count, what) = match id {
                    HttpId::Lock(_) => (&mut self.traffic.lock_requests, "lock"),
                    HttpId::Increment(_) => (&mut self.traffic.increments, "increment"),
                    HttpId::Commit(_) => (&mut self.traffic.commit_requests, "commit"),
                };
                *count = count.saturating_add(1);
                let text = || val.map_or(what.to_owned(), |val| format!("{what} {val}"));
                self.entry(who, || What::Asked(text()), 0);
            }
            Done::Fetched(target) => {
                let kind = |track| self.peers.get(who).and_then(|p| p.tracks.classify(track));
                let what = match &target {
                    FetchTarget::Namespace(_) => "fetch of commits",
                    FetchTarget::Track(track) => match kind(track) {
                        Some(TrackKind::Commit(_)) => "fetch of commits",
                        Some(TrackKind::Tree(_)) => "fetch of the tree",
                        _ => "fetch",
                    },
                };
                self.entry(who, || What::Asked(what.to_owned()), 0);
            }
            Done::Told(notice) => {
                self.entry(who, || What::Notice(format!("{notice:?}")), 0);
                let Some(peer) = self.peers.get_mut(who) else { return };
                if let Some(session) = &peer.session
                    && let Err(error) = self.carriage.told(self.now, who, session.participant(), &notice)
                {
                    self.failures.push((who, error.to_string()));
                }
                peer.notices.push((self.now, notice));
            }
        }
    }

    fn note_published(&mut self, who: usize, object: &Object) {
        self.look_at_publish(who, object);
        let bytes = object.payload.len();
        self.traffic.objects = self.traffic.objects.saturating_add(1);
        self.traffic.bytes_published = self.traffic.bytes_published.saturating_add(bytes as u64);
        let kind = self.peers.get(who).and_then(|p| p.tracks.classify(&object.track));
        let at = object.location;
        let epoch = self.peer(who).and_then(Participant::epoch);
        let name = match kind {
            Some(TrackKind::Commit(_)) if at.object_id.is_multiple_of(2) => {
                self.traffic.commits = self.traffic.commits.saturating_add(1);
                "Commit"
            }
            Some(TrackKind::Commit(_)) => "Receipt",
            Some(TrackKind::KeyPackage(_)) if epoch.is_some() => "Leave",
            Some(TrackKind::KeyPackage(_)) => "KeyPackage",
            Some(TrackKind::Welcome(_)) => "Welcome",
            Some(TrackKind::Tree(_)) | None => "Object",
        };
        self.entry(who, || What::Published(format!("{name} {}/{}", at.group_id, at.object_id)), bytes);
    }

    /// Lets something arrive.
    pub(in crate::testing) fn deliver(&mut self, parcel: Parcel<C::Port>) {
        match parcel {
            Parcel::ToPeer(who, life, incoming) => {
                if self.peers.get(who).is_some_and(|p| p.life == life && p.session.is_some()) {
                    self.receive(who, incoming);
                }
            }
            Parcel::FromPeer(who, life, out) => C::arrive(self, who, life, out),
            Parcel::Inject(objects) => {
                for (who, object) in objects {
                    if let Err(error) = self.handle(who, Event::Object(object)) {
                        self.failures.push((who, error.to_string()));
                        self.pump(who);
                    }
                }
            }
        }
    }

    fn receive(&mut self, who: usize, incoming: <C::Port as crate::testing::session::Port>::In) {
        let now = self.clock(who);
        self.log_delivered(now, who, &incoming);
        let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) else { return };
        match session.receive(now, incoming) {
            Ok(out) => out.into_iter().for_each(|out| C::carry(self, who, out)),
            Err(error) => self.failures.push((who, error.to_string())),
        }
        self.pump(who);
    }

    /// Asks the counter service for `who`, with a token that was never used before.
    pub(in crate::testing) fn ask<R>(
        &mut self,
        who: usize,
        ask: impl FnOnce(&mut CounterService<Receipts>, Timestamp, Bytes) -> R,
    ) -> R {
        let token = Bytes::copy_from_slice(&self.tokens.next_u64().to_be_bytes());
        let before = self.counter_next(who);
        let reply = ask(&mut self.counter, self.now, token);
        self.look_at_counter(who, before);
        reply
    }
}
