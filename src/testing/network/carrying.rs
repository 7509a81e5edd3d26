//! What becomes of what participants send: latency, loss, repetition, and who gets it.

use std::time::Duration;

use bytes::Bytes;

use super::broken::respond_wrongly;
use super::strangers::STRANGER;
use super::{ByWire, Faults, Ways, Wire, World};
use crate::codec::{Decode, Encode, ObjectStream};
use crate::counter::Pin;
use crate::counter::http::{HttpRequest, HttpResponse};
use crate::counter::service::{Access, Slot};
use crate::engine::Engine;
use crate::event::Failure;
use crate::namespace::Output;
use crate::testing::session::{HttpId, Incoming, Outgoing, read_request};
use crate::testing::world::Parcel;

impl<E: Engine> World<E, ByWire> {
    /// Draws what a way takes, unless it is fixed.
    fn latency(&mut self, way: fn(&Ways) -> Duration) -> Duration {
        let ByWire { choices, faults, .. } = &mut self.carriage;
        faults.ways.as_ref().map_or_else(|| choices.between(faults.latency), way)
    }

    /// Draws whether something goes wrong that does in so many of 1000 cases.
    fn goes_wrong(&mut self, permille: impl FnOnce(&Faults) -> u16) -> bool {
        let ByWire { choices, faults, .. } = &mut self.carriage;
        choices.chance(permille(faults))
    }

    fn is_cut(&self, who: usize) -> bool {
        self.carriage.links.get(who).is_some_and(|link| self.now < link.cut_until)
    }

    /// Takes from the queue what `who` has sent to the relay, and delivers it, or not.
    pub(super) fn drain_uplink(&mut self, who: usize, deliver: bool) {
        let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
        let sent = |p: &Parcel<Wire>| match p {
            Parcel::FromPeer(from, of, out) => {
                *from == who && *of == life && !matches!(out, Outgoing::Http(..))
            }
            Parcel::ToPeer(..) | Parcel::Inject(_) => false,
        };
        let keys: Vec<_> = self.queue.iter().filter(|(_, p)| sent(p)).map(|(key, _)| *key).collect();
        for key in keys {
            let parcel = self.queue.remove(&key);
            if let Some(parcel) = parcel.filter(|_| deliver) {
                self.deliver(parcel);
            }
        }
    }

    pub(super) fn send_out(&mut self, who: usize, outgoing: Outgoing) {
        let is_request = matches!(outgoing, Outgoing::Http(..));
        let wait = self.latency(if is_request { |w| w.to_counter } else { |w| w.to_relay });
        let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
        match outgoing {
            Outgoing::Http(id, bytes) => {
                if self.goes_wrong(|f| f.refused_requests) {
                    let reply = Incoming::Http(id, Err(Failure::NotSent));
                    self.send(wait, Parcel::ToPeer(who, life, reply));
                } else if self.goes_wrong(|f| f.lost_requests) || self.is_cut(who) {
                    self.no_answer(who, life, id);
                } else {
                    self.send(wait, Parcel::FromPeer(who, life, Outgoing::Http(id, bytes)));
                }
            }
            Outgoing::Control(ref bytes) | Outgoing::Object(ref bytes) => {
                self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(bytes.len() as u64);
                // In order: an object must not overtake the NAMESPACE_INFO that names its track.
                let Some(link) = self.carriage.links.get_mut(who) else { return };
                let at = link.last_up.max(link.cut_until).max(self.now.after(wait));
                link.last_up = at;
                self.send_at(at, Parcel::FromPeer(who, life, outgoing));
            }
        }
    }

    /// The driver waits for an answer of the service in vain.
    fn no_answer(&mut self, who: usize, life: u64, id: HttpId) {
        let lost = Incoming::Http(id, Err(Failure::Unknown));
        self.send(self.carriage.faults.http_timeout, Parcel::ToPeer(who, life, lost));
    }

    pub(super) fn fan_out(&mut self, outputs: Vec<(usize, Output)>) {
        for (to, output) in outputs {
            if to == STRANGER {
                self.answer_stranger(output);
                continue;
            }
            let wait = self.latency(|w| w.from_relay);
            let cut = self.is_cut(to);
            let now = self.now;
            let Some(life) = self.peers.get(to).map(|p| p.life) else { continue };
            let Some(link) = self.carriage.links.get_mut(to) else { continue };
            let at = link.last_down.max(link.cut_until).max(now.after(wait));
            link.last_down = at;
            match output {
                Output::Control(message) => {
                    let Ok(bytes) = message.to_bytes() else { continue };
                    self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(bytes.len() as u64);
                    self.send_at(at, Parcel::ToPeer(to, life, Incoming::Control(bytes)));
                }
                Output::Object(stream) => {
                    let Ok(bytes) = stream.to_bytes() else { continue };
                    self.traffic.wire_bytes = self.traffic.wire_bytes.saturating_add(bytes.len() as u64);
                    let parcel = |bytes| Parcel::ToPeer(to, life, Incoming::Object(bytes));
                    if self.goes_wrong(|f| f.repeated_objects) && !cut {
                        let again = at.after(self.latency(|w| w.from_relay));
                        self.send_at(again, parcel(bytes.clone()));
                    }
                    if self.goes_wrong(|f| f.lost_objects) || cut {
                        continue;
                    }
                    let late = self.goes_wrong(|f| f.late_objects);
                    let more =
                        if late { self.latency(|w| w.from_relay).saturating_mul(20) } else { Duration::ZERO };
                    self.send_at(at.after(more), parcel(bytes));
                }
            }
        }
    }

    /// Something arrives at the relay, unless its sender has died since.
    pub(super) fn at_relay(&mut self, who: usize, life: u64, out: Outgoing) {
        if self.peers.get(who).is_none_or(|p| p.life != life) {
            return;
        }
        match out {
            Outgoing::Control(bytes) => self.relay_control(who, &bytes),
            Outgoing::Object(mut bytes) => {
                let Ok(stream) = ObjectStream::decode(&mut bytes) else { return };
                if let Ok(out) = self.carriage.relay.object(&who, stream) {
                    self.fan_out(out);
                }
            }
            Outgoing::Http(..) => {}
        }
    }

    /// A request arrives at the counter service.
    pub(super) fn at_counter(&mut self, who: usize, life: u64, id: HttpId, bytes: &Bytes) {
        let mut reply = read_request(bytes).map(|request| self.ask_as(who, &request));
        if let Some(reply) = &mut reply {
            self.carriage.heard.push(reply);
            if self.goes_wrong(|f| f.forged_answers) {
                let ByWire { choices, heard, .. } = &mut self.carriage;
                *reply = heard.forge(reply, |most| choices.below(most));
            }
        }
        let bytes = reply.as_ref().and_then(|r: &HttpResponse| r.to_bytes().ok());
        let wait = self.latency(|w| w.from_counter);
        match bytes.filter(|_| !self.goes_wrong(|f| f.lost_replies) && !self.is_cut(who)) {
            Some(bytes) => {
                self.send(wait, Parcel::ToPeer(who, life, Incoming::Http(id, Ok(bytes))));
            }
            None => self.no_answer(who, life, id),
        }
    }

    /// Asks the counter service as participant `who`, right at its door.
    pub(in crate::testing) fn ask_as(&mut self, who: usize, request: &HttpRequest) -> HttpResponse {
        let flaw = self.carriage.service_flaw.map(|flaw| (flaw, self.newest_pin(who)));
        let knows = self.carriage.tokens;
        self.ask(who, |service, now, token| match flaw {
            Some((flaw, newest)) => respond_wrongly(flaw, service, now, request, token, newest),
            None if knows => {
                let access = Access::of(who.to_be_bytes().to_vec());
                service.respond_if(now, request, token, |_, _| Ok(access))
            }
            None => service.respond(now, request, token),
        })
    }

    /// The pin of the newest slot of the counter that `who` asks.
    fn newest_pin(&self, who: usize) -> Option<Pin> {
        let newest = self.counter_next(who).checked_sub(1)?;
        match self.counter_of(who)?.slot(newest) {
            Slot::Pinned(pin) => Some(pin),
            _ => None,
        }
    }

    fn relay_control(&mut self, who: usize, bytes: &Bytes) {
        let Some(link) = self.carriage.links.get_mut(who) else { return };
        link.uplink.push(bytes);
        loop {
            let Some(link) = self.carriage.links.get_mut(who) else { return };
            let Ok(Some(message)) = link.uplink.next_message() else { return };
            if let Ok(out) = self.carriage.relay.control(&who, message) {
                self.fan_out(out);
            }
        }
    }
}
