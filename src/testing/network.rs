//! A relay, a counter service and participants under a virtual clock, with faults drawn from a seed.
//!
//! One seed, one run: the same calls make the same [`log`](World::log) byte for byte, with an engine
//! that is deterministic ([`seeded_crypto`](super::seeded_crypto), [`symbolic`](super::symbolic)).

use std::time::Duration;

use self::between::Between;
use super::choices::Choices;
pub use super::faults::{Faults, NetworkConfig, Receipts, ServiceFlaw, Ways};
use super::log::What;
use super::media::{Links, MediaConfig, MediaPlane};
use super::rng::Rng;
use super::session::{Outgoing, Port, Session, Wire};
use super::stranger::Stranger;
pub use super::world::{Agreement, Traffic};
use super::world::{Carriage, World};
use crate::codec::ControlDecoder;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::namespace::Relay;
use crate::notice::Notice;
use crate::participant::Participant;
use crate::time::Timestamp;

mod between;
mod broken;
mod carrying;
mod strangers;

/// The simulated world in which everything crosses the real codecs as bytes, and faults go wrong.
pub type Network<E> = World<E, ByWire>;

/// The relay's side of a participant's connection.
struct Link {
    /// Of the control stream.
    uplink: ControlDecoder,
    /// The last arrival on each direction's control stream: it keeps its order.
    last_up: Timestamp,
    last_down: Timestamp,
    /// Until when the participant is cut off.
    cut_until: Timestamp,
}

/// Carries bytes: control messages and objects to and from a real relay, HTTP to and from the counter service.
pub struct ByWire {
    choices: Choices,
    faults: Faults,
    relay: Relay<usize>,
    links: Vec<Link>,
    stranger: Option<Stranger>,
    media: Option<MediaPlane>,
    service_flaw: Option<ServiceFlaw>,
    /// The counter service knows who asks.
    tokens: bool,
    /// Who sits between the participants and the counter.
    heard: Between,
}

impl<E: Engine> World<E, ByWire> {
    /// An empty world.
    pub fn new(config: NetworkConfig) -> Self {
        let carriage = ByWire {
            choices: match &config.choices {
                Some(list) => Choices::given(list),
                None => Choices::seeded(config.seed),
            },
            faults: config.faults,
            relay: Relay::new(config.relay),
            links: Vec::new(),
            stranger: None,
            media: None,
            service_flaw: config.service_flaw,
            tokens: config.tokens,
            heard: Between::default(),
        };
        let tokens = Rng::new(config.seed ^ 0x746f_6b65_6e73);
        let mut this = Self::over(carriage, config.start, tokens, config.counter, config.receipts);
        this.set_flaw(config.flaw);
        this
    }

    /// The faults, to change them on the way.
    pub fn faults_mut(&mut self) -> &mut Faults {
        &mut self.carriage.faults
    }

    /// Lets every participant send and receive media from now on: [`media`](super::media). Call it before
    /// any is added.
    pub fn enable_media(&mut self, config: MediaConfig, seed: u64) {
        self.carriage.media = Some(MediaPlane::new(config, seed, self.now));
    }

    /// The media, if there is any.
    pub fn media(&self) -> Option<&MediaPlane> {
        self.carriage.media.as_ref()
    }

    /// Lends the media, to put its state back.
    pub fn media_mut(&mut self) -> Option<&mut MediaPlane> {
        self.carriage.media.as_mut()
    }

    /// The relay, as it is.
    pub fn relay(&self) -> &Relay<usize> {
        &self.carriage.relay
    }

    /// Empties the relay's cache, as if it had restarted.
    pub fn evict_relay(&mut self) {
        self.carriage.relay.evict();
    }

    /// Every draw that was made so far: with them instead of a seed, the same happens again.
    pub fn choices(&self) -> &[u16] {
        self.carriage.choices.made()
    }

    /// Cuts a participant off for a while, from now on. Requests to the counter service and objects from the
    /// relay are lost. Its own messages to the relay wait, as a transport would repeat them.
    pub fn partition(&mut self, who: usize, time: Duration) {
        self.entry(who, || What::Process(format!("cut off for {} ms", time.as_millis())), 0);
        let until = self.now.after(time);
        if let Some(link) = self.carriage.links.get_mut(who) {
            link.cut_until = until;
        }
    }
}

impl<E: Engine> Carriage<E> for ByWire {
    type Port = Wire;

    fn open(&mut self, now: Timestamp, who: usize, session: &Session<E, Wire>) -> Result<(), Error> {
        if who < self.links.len() {
            if let Some(endpoint) = self.media.as_mut().and_then(|media| media.endpoint_mut(who)) {
                endpoint.restart(now, session.participant())?;
            }
        } else {
            let (last_up, last_down, cut_until) = (now, now, now);
            self.links.push(Link { uplink: ControlDecoder::new(), last_up, last_down, cut_until });
            if let Some(media) = &mut self.media {
                media.add(session.participant().sender_id().clone());
            }
        }
        self.relay.open(who);
        Ok(())
    }

    fn last_words(world: &mut World<E, Self>, who: usize) {
        let ByWire { choices, faults, .. } = &mut world.carriage;
        let arrives = choices.chance(faults.last_words);
        world.drain_uplink(who, arrives);
    }

    fn close(&mut self, who: usize) {
        if let Some(link) = self.links.get_mut(who) {
            link.uplink = ControlDecoder::new();
            self.relay.close(&who);
        }
        if let Some(endpoint) = self.media.as_mut().and_then(|media| media.endpoint_mut(who)) {
            endpoint.crash();
        }
    }

    fn carry(world: &mut World<E, Self>, who: usize, out: Outgoing) {
        world.send_out(who, out);
    }

    fn arrive(world: &mut World<E, Self>, who: usize, life: u64, out: <Wire as Port>::Out) {
        match out {
            Outgoing::Http(id, bytes) => world.at_counter(who, life, id, &bytes),
            Outgoing::Control(_) | Outgoing::Object(_) => world.at_relay(who, life, out),
        }
    }

    fn told(
        &mut self,
        now: Timestamp,
        who: usize,
        participant: &Participant<E>,
        notice: &Notice,
    ) -> Result<(), Error> {
        match self.media.as_mut().and_then(|media| media.endpoint_mut(who)) {
            Some(endpoint) => endpoint.on_notice(now, participant, notice),
            None => Ok(()),
        }
    }

    /// Media follows what the participants do, and all it tells them is that it comes: so what was due in between is
    /// done in one go.
    fn pass(&mut self, now: Timestamp) -> Vec<(usize, Event)> {
        let Some(media) = &mut self.media else { return Vec::new() };
        let cut_until: Vec<Timestamp> = self.links.iter().map(|link| link.cut_until).collect();
        media.advance(now, Links { faults: &self.faults, cut_until: &cut_until });
        media.take_signs()
    }
}
