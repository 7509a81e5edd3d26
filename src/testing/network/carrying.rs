//! What becomes of what participants send: latency, loss, repetition, and who gets it.

use std::time::Duration;

use bytes::Bytes;

use super::{Network, Parcel, STRANGER};
use crate::codec::{Decode, Encode, ObjectStream};
use crate::counter::http::{
    Call, HttpRequest, HttpResponse, Inbound, decode_request, encode_increment_reply,
};
use crate::counter::service::Slot;
use crate::engine::Engine;
use crate::event::{Event, Failure};
use crate::namespace::Output;
use crate::participant::Participant;
use crate::testing::log::What;
use crate::testing::session::{Done, HttpId, Incoming, Outgoing, Port, Step, Wire, read_request};
use crate::time::Timestamp;
use crate::tracks::TrackKind;

impl<E: Engine> Network<E> {
    pub(super) fn send(&mut self, wait: Duration, parcel: Parcel) -> Timestamp {
        let at = self.now.after(wait);
        self.send_at(at, parcel);
        at
    }

    pub(super) fn send_at(&mut self, at: Timestamp, parcel: Parcel) {
        self.sequence = self.sequence.wrapping_add(1);
        self.queue.insert((at, self.sequence), parcel);
    }

    pub(super) fn latency(&mut self) -> Duration {
        self.choices.between(self.faults.latency)
    }

    /// Does all that a participant wants done now.
    pub(super) fn pump(&mut self, who: usize) {
        loop {
            let now = self.clock(who);
            let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) else { return };
            match session.do_next(now) {
                Ok(Some(Step { out, done })) => {
                    if let Some(done) = done {
                        self.note(who, done);
                    }
                    self.carry(who, out);
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

    pub(super) fn note(&mut self, who: usize, done: Done) {
        match done {
            Done::Published(object) => {
                self.look_at_publish(who, &object);
                let bytes = object.payload.len();
                self.traffic.objects = self.traffic.objects.saturating_add(1);
                self.traffic.bytes_published = self.traffic.bytes_published.saturating_add(bytes as u64);
                let kind = self.peers.get(who).and_then(|p| p.tracks.classify(&object.track));
                let at = object.location;
                let epoch = self.peer(who).and_then(Participant::epoch);
                let name = match kind {
                    Some(TrackKind::Commit(_)) if at.object % 2 == 0 => {
                        self.traffic.commits = self.traffic.commits.saturating_add(1);
                        "Commit"
                    }
                    Some(TrackKind::Commit(_)) => "Receipt",
                    Some(TrackKind::KeyPackage(_)) if epoch.is_some() => "Leave",
                    Some(TrackKind::KeyPackage(_)) => "KeyPackage",
                    Some(TrackKind::Welcome(_)) => "Welcome",
                    Some(TrackKind::Tree(_)) | None => "Object",
                };
                self.entry(who, What::Published(format!("{name} {}/{}", at.group, at.object)), bytes);
            }
            Done::Asked(id, text) => {
                match id {
                    HttpId::Lock(_) => {
                        self.traffic.lock_requests = self.traffic.lock_requests.saturating_add(1);
                    }
                    HttpId::Increment(_) => {
                        self.traffic.increments = self.traffic.increments.saturating_add(1);
                    }
                }
                self.entry(who, What::Asked(text), 0);
            }
            Done::Told(notice) => {
                self.entry(who, What::Notice(format!("{notice:?}")), 0);
                let now = self.now;
                if let Some(peer) = self.peers.get_mut(who) {
                    let endpoint = self.media.as_mut().and_then(|media| media.endpoint_mut(who));
                    if let (Some(endpoint), Some(session)) = (endpoint, &peer.session)
                        && let Err(error) = endpoint.on_notice(now, session.participant(), &notice)
                    {
                        self.failures.push((who, error.to_string()));
                    }
                    peer.notices.push((now, notice));
                }
            }
        }
    }

    pub(super) fn carry(&mut self, who: usize, out: Vec<Outgoing>) {
        for outgoing in out {
            let wait = self.latency();
            let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
            match outgoing {
                Outgoing::Http(id, bytes) => {
                    let refused = self.faults.refused_requests;
                    if refused > 0 && self.choices.chance(refused) {
                        let reply = Incoming::Http(id, Err(Failure::NotSent));
                        self.send(wait, Parcel::ToPeer(who, life, reply));
                    } else if self.choices.chance(self.faults.lost_requests) || self.is_cut(who) {
                        let reply = Incoming::Http(id, Err(Failure::Unknown));
                        self.send(self.faults.http_timeout, Parcel::ToPeer(who, life, reply));
                    } else {
                        self.send(wait, Parcel::ToCounter(who, life, id, bytes));
                    }
                }
                Outgoing::Control(_) | Outgoing::Object(_) => {
                    let len = match &outgoing {
                        Outgoing::Control(b) | Outgoing::Object(b) => b.len(),
                        Outgoing::Http(..) => 0,
                    };
                    self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(len as u64);
                    // In order: an object must not overtake the NAMESPACE_INFO that names its track.
                    let Some(peer) = self.peers.get_mut(who) else { return };
                    let at = peer.last_up.max(peer.cut_until).max(self.now.after(wait));
                    peer.last_up = at;
                    self.send_at(at, Parcel::ToRelay(who, life, outgoing));
                }
            }
        }
    }

    pub(super) fn fan_out(&mut self, outputs: Vec<(usize, Output)>) {
        for (to, output) in outputs {
            if to == STRANGER {
                self.answer_stranger(output);
                continue;
            }
            let wait = self.latency();
            let cut = self.is_cut(to);
            let Some(peer) = self.peers.get_mut(to) else { continue };
            let life = peer.life;
            let at = peer.last_down.max(peer.cut_until).max(self.now.after(wait));
            match output {
                Output::Control(message) => {
                    peer.last_down = at;
                    let Ok(bytes) = message.to_bytes() else { continue };
                    self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(bytes.len() as u64);
                    self.send_at(at, Parcel::ToPeer(to, life, Incoming::Control(bytes)));
                }
                Output::Object(stream) => {
                    peer.last_down = at;
                    let Ok(bytes) = stream.to_bytes() else { continue };
                    self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(bytes.len() as u64);
                    let parcel = |bytes| Parcel::ToPeer(to, life, Incoming::Object(bytes));
                    if self.choices.chance(self.faults.repeated_objects) && !cut {
                        let again = at.after(self.latency());
                        self.send_at(again, parcel(bytes.clone()));
                    }
                    if self.choices.chance(self.faults.lost_objects) || cut {
                        continue;
                    }
                    let late = self.choices.chance(self.faults.late_objects);
                    let more = if late { self.latency().saturating_mul(20) } else { Duration::ZERO };
                    self.send_at(at.after(more), parcel(bytes));
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToPeer(who, life, incoming) => {
                let now = self.clock(who);
                let Some(peer) = self.peers.get_mut(who).filter(|p| p.life == life) else { return };
                let Some(session) = &mut peer.session else { return };
                self.log.delivered(now, who, Wire::bytes(&incoming));
                match session.receive(now, incoming) {
                    Ok(out) => self.carry(who, out),
                    Err(error) => self.failures.push((who, error.to_string())),
                }
                self.pump(who);
            }
            Parcel::ToRelay(who, life, outgoing) => {
                if self.peers.get(who).is_none_or(|p| p.life != life) {
                    return;
                }
                match outgoing {
                    Outgoing::Control(bytes) => self.relay_control(who, &bytes),
                    Outgoing::Object(mut bytes) => {
                        let stream = ObjectStream::decode(&mut bytes);
                        if let Ok(stream) = &stream {
                            self.look_at_relay(&stream.payload);
                        }
                        if let Ok(out) =
                            stream.map_err(drop).and_then(|s| self.relay.object(&who, s).map_err(drop))
                        {
                            self.fan_out(out);
                        }
                    }
                    Outgoing::Http(..) => {}
                }
            }
            Parcel::ToCounter(who, life, id, bytes) => {
                let token = Bytes::from(self.tokens.next_u64().to_be_bytes().to_vec());
                let before = self.counter_next(who);
                let reply = read_request(&bytes).map(|request| self.respond(who, &request, token));
                self.look_at_counter(who, before);
                let bytes = reply.as_ref().and_then(|r: &HttpResponse| r.to_bytes().ok());
                let wait = self.latency();
                match bytes.filter(|_| !self.choices.chance(self.faults.lost_replies) && !self.is_cut(who)) {
                    Some(bytes) => self.send(wait, Parcel::ToPeer(who, life, Incoming::Http(id, Ok(bytes)))),
                    None => {
                        let lost = Incoming::Http(id, Err(Failure::Unknown));
                        self.send(self.faults.http_timeout, Parcel::ToPeer(who, life, lost))
                    }
                };
            }
            Parcel::Inject(objects) => {
                for (who, object) in objects {
                    let now = self.clock(who);
                    let session = self.peers.get_mut(who).and_then(|p| p.session.as_mut());
                    if let Some(Err(error)) = session.map(|s| s.handle(now, Event::Object(object))) {
                        self.failures.push((who, error.to_string()));
                    }
                    self.pump(who);
                }
            }
        }
    }

    /// The service's answer; one that is broken on purpose takes any `prev` for right.
    fn respond(&mut self, who: usize, request: &HttpRequest, token: Bytes) -> HttpResponse {
        if self.ignores_prev
            && let Ok(Inbound { call: Call::Increment(mut increment), .. }) = decode_request(request)
            && increment.pin.is_some()
        {
            let newest = self.counter_next(who).checked_sub(1);
            let slot = newest.and_then(|val| Some(self.counter_of(who)?.slot(val)));
            increment.prev = match slot {
                Some(Slot::Pinned(pin)) => Some(pin),
                _ => None,
            };
            return encode_increment_reply(&self.counter.increment(self.now, &increment));
        }
        self.counter.respond(self.now, request, token)
    }

    pub(super) fn relay_control(&mut self, who: usize, bytes: &Bytes) {
        let Some(peer) = self.peers.get_mut(who) else { return };
        peer.uplink.push(bytes);
        loop {
            let Some(peer) = self.peers.get_mut(who) else { return };
            let Ok(Some(message)) = peer.uplink.next_message() else { return };
            if let Ok(out) = self.relay.control(&who, message) {
                self.fan_out(out);
            }
        }
    }
}
