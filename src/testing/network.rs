//! A relay, a counter service and participants under a virtual clock, with faults drawn from a seed.
//!
//! One seed, one run: the same calls make the same [`log`](Network::log) byte for byte, with an engine
//! that is deterministic ([`seeded_crypto`](super::seeded_crypto), [`symbolic`](super::symbolic)).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

pub use super::faults::{Faults, NetworkConfig, Receipts};
use super::log::{Entry, Log, What};
use super::rng::Rng;
use super::session::{Done, HttpId, Incoming, Outgoing, Session, Step, read_request};
use super::stranger::Stranger;
use crate::action::Notice;
use crate::codec::{ControlDecoder, ControlMessage, Decode, Encode, ObjectStream};
use crate::counter::http::HttpResponse;
use crate::counter::service::{CounterService, ServiceConfig};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Command, Event, Failure, Object};
use crate::namespace::{Output, Relay};
use crate::participant::{Config, Participant};
use crate::recording::{Recorder, Secrets};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use crate::tracks::{GroupTracks, TrackKind};

/// What went over the network so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Commit objects published, receipts not counted.
    pub commits: u64,
    /// Objects published.
    pub objects: u64,
    /// Payload bytes published.
    pub bytes_published: u64,
    /// Bytes on all links to and from the relay, framing included.
    pub wire_bytes: u64,
    /// Lock requests, reads included.
    pub lock_requests: u64,
    /// Increment requests.
    pub increments: u64,
}

/// What all members of an agreement share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Their epoch.
    pub epoch: u64,
    /// How many they are.
    pub members: usize,
    /// Their epoch authenticator.
    pub authenticator: Bytes,
}

enum Parcel {
    ToPeer(usize, u64, Incoming),
    ToRelay(usize, u64, Outgoing),
    ToCounter(usize, u64, HttpId, Bytes),
    Inject(Vec<(usize, Object)>),
}

struct Peer<E: Engine> {
    session: Option<Session<E>>,
    /// What it restarts from, while it is down.
    durable: Option<Snapshot>,
    config: Config,
    tracks: GroupTracks,
    /// Which life of the peer this is: parcels of an earlier one are not for it.
    life: u64,
    /// Relay side of the control stream.
    uplink: ControlDecoder,
    /// The last arrival on each direction's control stream: it keeps its order.
    last_up: Timestamp,
    last_down: Timestamp,
    /// Until when the peer is cut off.
    cut_until: Timestamp,
    /// How many actions it still does before it is killed.
    actions_left: Option<u64>,
    notices: Vec<(Timestamp, Notice)>,
    /// The log of a recorded peer, while it is down.
    recorder: Option<Recorder>,
}

/// The relay session of the [`Stranger`].
const STRANGER: usize = usize::MAX;

type Observer = Box<dyn FnMut(&Entry) + Send>;

/// The simulated world.
pub struct Network<E: Engine> {
    now: Timestamp,
    rng: Rng,
    faults: Faults,
    queue: BTreeMap<(Timestamp, u64), Parcel>,
    sequence: u64,
    relay: Relay<usize>,
    counter: CounterService<Receipts>,
    counter_config: ServiceConfig,
    receipts: Receipts,
    peers: Vec<Peer<E>>,
    stranger: Option<Stranger>,
    log: Log,
    observer: Option<Observer>,
    traffic: Traffic,
    failures: Vec<(usize, String)>,
}

impl<E: Engine> Network<E> {
    /// An empty world.
    pub fn new(config: NetworkConfig) -> Self {
        Self {
            now: config.start,
            rng: Rng::new(config.seed),
            faults: config.faults,
            queue: BTreeMap::new(),
            sequence: 0,
            relay: Relay::new(config.relay),
            counter: CounterService::with_signer(config.counter, config.receipts.clone()),
            counter_config: config.counter,
            receipts: config.receipts,
            peers: Vec::new(),
            stranger: None,
            log: Log::default(),
            observer: None,
            traffic: Traffic::default(),
            failures: Vec::new(),
        }
    }

    /// Adds a participant that has not begun; its number.
    ///
    /// # Errors
    /// Those of [`Participant::new`].
    pub fn add(&mut self, engine: E, config: Config) -> Result<usize, Error> {
        let participant = Participant::new(engine, config.clone(), self.now)?;
        Ok(self.admit(Session::new(participant), config))
    }

    /// Writes down a participant's life from now on, restarts included. `engine` as in [`Recorder::new`].
    pub fn record(&mut self, who: usize, engine: &str, secrets: Secrets) {
        let now = self.now;
        if let Some((session, config)) =
            self.peers.get_mut(who).and_then(|p| Some((p.session.as_mut()?, &p.config)))
        {
            session.record(now, Recorder::new(engine, config, secrets));
        }
    }

    /// What was recorded of a participant since the last call; empty unless it is up and recorded.
    pub fn take_recording(&mut self, who: usize) -> String {
        let session = self.peers.get_mut(who).and_then(|p| p.session.as_mut());
        session.and_then(|s| s.recorder_mut()).map(Recorder::take).unwrap_or_default()
    }

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Number of participants ever added.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// True if nobody was added.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// The faults, to change them on the way.
    pub fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The log so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Counts so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Participants whose `handle` failed, and how: always empty, unless an engine fails.
    pub fn failures(&self) -> &[(usize, String)] {
        &self.failures
    }

    /// A participant; `None` while it is down or if there is none of that number.
    pub fn peer(&self, who: usize) -> Option<&Participant<E>> {
        self.peers.get(who)?.session.as_ref().map(Session::participant)
    }

    /// What a participant was told so far.
    pub fn notices(&self, who: usize) -> &[(Timestamp, Notice)] {
        self.peers.get(who).map_or(&[], |peer| &peer.notices)
    }

    /// As [`notices`](Self::notices), and forgets them.
    pub fn take_notices(&mut self, who: usize) -> Vec<(Timestamp, Notice)> {
        self.peers.get_mut(who).map(|peer| std::mem::take(&mut peer.notices)).unwrap_or_default()
    }

    /// Calls `observer` with each line of the log from now on, as it is written: for a timeline.
    pub fn observe(&mut self, observer: impl FnMut(&Entry) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// The relay, as it is.
    pub fn relay(&self) -> &Relay<usize> {
        &self.relay
    }

    /// The counter service, as it is.
    pub fn counter(&self) -> &CounterService<Receipts> {
        &self.counter
    }

    fn entry(&mut self, who: usize, what: What, bytes: usize) {
        let epoch = self.peer(who).and_then(Participant::epoch);
        let entry = Entry { at: self.now, who, epoch, what, bytes };
        if let Some(observer) = &mut self.observer {
            observer(&entry);
        }
        self.log.push(entry);
    }

    /// Gives a participant a command.
    ///
    /// # Errors
    /// Those of [`Participant::handle`]; a participant that is down takes no command and says nothing.
    pub fn command(&mut self, who: usize, command: Command) -> Result<(), Error> {
        self.entry(who, What::Command(format!("{command:?}")), 0);
        let now = self.now;
        if let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) {
            session.handle(now, command)?;
        }
        self.pump(who);
        Ok(())
    }

    /// Kills a participant: everything that was not durable is gone. What it had sent arrives or not.
    pub fn crash(&mut self, who: usize) {
        self.entry(who, What::Process("crash".into()), 0);
        let arrives = self.rng.chance(self.faults.last_words);
        self.drain_uplink(who, arrives);
        if let Some(peer) = self.peers.get_mut(who) {
            if let Some(mut session) = peer.session.take() {
                let recorder = session.recorder_mut().cloned();
                peer.durable = session.durable().cloned();
                peer.recorder = recorder;
            }
            peer.life = peer.life.wrapping_add(1);
            peer.actions_left = None;
            peer.uplink = ControlDecoder::new();
            self.relay.close(&who);
        }
    }

    /// Kills a participant once it has done `actions` more of its actions: at each boundary between two
    /// actions in turn, if called with 0, 1, 2 and so on.
    pub fn crash_after(&mut self, who: usize, actions: u64) {
        if let Some(peer) = self.peers.get_mut(who) {
            peer.actions_left = Some(actions);
        }
        if actions == 0 {
            self.crash(who);
        }
    }

    /// Takes from the queue what `who` has sent to the relay, and delivers it, or not.
    fn drain_uplink(&mut self, who: usize, deliver: bool) {
        let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
        let sent = |p: &Parcel| matches!(p, Parcel::ToRelay(from, of, _) if *from == who && *of == life);
        let keys: Vec<_> = self.queue.iter().filter(|(_, p)| sent(p)).map(|(key, _)| *key).collect();
        for key in keys {
            let parcel = self.queue.remove(&key);
            if let Some(parcel) = parcel.filter(|_| deliver) {
                self.deliver(parcel);
            }
        }
    }

    /// Cuts a participant off for a while, from now on. Requests to the counter service and objects from
    /// the relay are lost, and its own messages to the relay wait, as a transport would repeat them.
    pub fn partition(&mut self, who: usize, time: Duration) {
        self.entry(who, What::Process(format!("cut off for {} ms", time.as_millis())), 0);
        let until = self.now.after(time);
        if let Some(peer) = self.peers.get_mut(who) {
            peer.cut_until = until;
        }
    }

    fn is_cut(&self, who: usize) -> bool {
        self.peers.get(who).is_some_and(|p| self.now < p.cut_until)
    }

    /// Restarts the counter service with nothing in it: it has lost every slot and pin.
    pub fn reset_counter(&mut self) {
        self.counter = CounterService::with_signer(self.counter_config, self.receipts.clone());
    }

    /// Empties the relay's cache, as if it had restarted.
    pub fn evict_relay(&mut self) {
        self.relay.evict();
    }

    /// Publishes an object by somebody who is no participant and may use the relay like anyone: it lies
    /// in the cache, goes to all who asked for its track, and can be fetched.
    pub fn publish_as_stranger(&mut self, object: &Object) {
        if self.stranger.is_none() {
            self.relay.open(STRANGER);
        }
        let out = self.stranger.get_or_insert_default().publish(object);
        self.carry_stranger(out);
    }

    /// The stranger sits next to the relay: what it sends is there at once.
    fn carry_stranger(&mut self, out: Vec<Outgoing>) {
        for outgoing in out {
            let answer = match outgoing {
                Outgoing::Control(mut bytes) => {
                    ControlMessage::decode(&mut bytes).map(|m| self.relay.control(&STRANGER, m))
                }
                Outgoing::Object(mut bytes) => {
                    ObjectStream::decode(&mut bytes).map(|o| self.relay.object(&STRANGER, o))
                }
                Outgoing::Http(..) => continue,
            };
            if let Ok(Ok(outputs)) = answer {
                self.fan_out(outputs);
            }
        }
    }

    fn answer_stranger(&mut self, output: Output) {
        let Output::Control(message) = output else { return };
        let (Some(stranger), Ok(bytes)) = (&mut self.stranger, message.to_bytes()) else { return };
        let out = stranger.receive(Incoming::Control(bytes));
        self.carry_stranger(out);
    }

    /// Starts a crashed participant again from what was durable, or from nothing if nothing was.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn restart(&mut self, who: usize, engine: E) -> Result<(), Error> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(who) else { return Ok(()) };
        let session = match peer.durable.take() {
            Some(durable) => {
                let participant = Participant::restore(engine, peer.config.clone(), &durable, now)?;
                Session::restored(participant, durable)
            }
            None => Session::new(Participant::new(engine, peer.config.clone(), now)?),
        };
        let mut session = session;
        if let Some(recorder) = peer.recorder.take() {
            session.record(now, recorder);
        }
        peer.session = Some(session);
        self.relay.open(who);
        self.entry(who, What::Process("restart".into()), 0);
        self.pump(who);
        Ok(())
    }

    /// What a participant would restart from if it crashed now.
    pub fn durable(&self, who: usize) -> Option<Snapshot> {
        let peer = self.peers.get(who)?;
        peer.durable.clone().or_else(|| peer.session.as_ref()?.durable().cloned())
    }

    /// Adds a participant that goes on from a snapshot: one that was copied, moved, or stolen.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn add_restored(&mut self, engine: E, config: Config, snapshot: Snapshot) -> Result<usize, Error> {
        let participant = Participant::restore(engine, config.clone(), &snapshot, self.now)?;
        let who = self.admit(Session::restored(participant, snapshot), config);
        self.pump(who);
        Ok(who)
    }

    fn admit(&mut self, session: Session<E>, config: Config) -> usize {
        let who = self.peers.len();
        self.relay.open(who);
        self.peers.push(Peer {
            tracks: session.participant().tracks().clone(),
            session: Some(session),
            durable: None,
            config,
            life: 0,
            uplink: ControlDecoder::new(),
            last_up: self.now,
            last_down: self.now,
            cut_until: self.now,
            actions_left: None,
            notices: Vec::new(),
            recorder: None,
        });
        who
    }

    /// Hands an object to some participants as if the relay had sent it: from anyone, with anything in it.
    pub fn inject(&mut self, to: impl IntoIterator<Item = usize>, object: &Object) {
        let parcels = to.into_iter().map(|who| (who, object.clone())).collect();
        self.send(Duration::ZERO, Parcel::Inject(parcels));
    }

    fn send(&mut self, wait: Duration, parcel: Parcel) -> Timestamp {
        let at = self.now.after(wait);
        self.send_at(at, parcel);
        at
    }

    fn send_at(&mut self, at: Timestamp, parcel: Parcel) {
        self.sequence = self.sequence.wrapping_add(1);
        self.queue.insert((at, self.sequence), parcel);
    }

    fn latency(&mut self) -> Duration {
        self.rng.between(self.faults.latency)
    }

    /// Does all that a participant wants done now.
    fn pump(&mut self, who: usize) {
        loop {
            let now = self.now;
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
                Ok(None) => return,
                Err(error) => {
                    self.failures.push((who, error.to_string()));
                    return;
                }
            }
        }
    }

    fn note(&mut self, who: usize, done: Done) {
        match done {
            Done::Published(object) => {
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
                    peer.notices.push((now, notice));
                }
            }
        }
    }

    fn carry(&mut self, who: usize, out: Vec<Outgoing>) {
        for outgoing in out {
            let wait = self.latency();
            let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
            match outgoing {
                Outgoing::Http(id, bytes) => {
                    let refused = self.faults.refused_requests;
                    if refused > 0 && self.rng.chance(refused) {
                        let reply = Incoming::Http(id, Err(Failure::NotSent));
                        self.send(wait, Parcel::ToPeer(who, life, reply));
                    } else if self.rng.chance(self.faults.lost_requests) || self.is_cut(who) {
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

    fn fan_out(&mut self, outputs: Vec<(usize, Output)>) {
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
                    if self.rng.chance(self.faults.repeated_objects) && !cut {
                        let again = at.after(self.latency());
                        self.send_at(again, parcel(bytes.clone()));
                    }
                    if self.rng.chance(self.faults.lost_objects) || cut {
                        continue;
                    }
                    let late = self.rng.chance(self.faults.late_objects);
                    let more = if late { self.latency().saturating_mul(20) } else { Duration::ZERO };
                    self.send_at(at.after(more), parcel(bytes));
                }
            }
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToPeer(who, life, incoming) => {
                let now = self.now;
                let Some(peer) = self.peers.get_mut(who).filter(|p| p.life == life) else { return };
                let Some(session) = &mut peer.session else { return };
                self.log.delivered(now, who, incoming.bytes());
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
                let token = Bytes::from(self.rng.next_u64().to_be_bytes().to_vec());
                let reply =
                    read_request(&bytes).map(|request| self.counter.respond(self.now, &request, token));
                let bytes = reply.as_ref().and_then(|r: &HttpResponse| r.to_bytes().ok());
                let wait = self.latency();
                match bytes.filter(|_| !self.rng.chance(self.faults.lost_replies) && !self.is_cut(who)) {
                    Some(bytes) => self.send(wait, Parcel::ToPeer(who, life, Incoming::Http(id, Ok(bytes)))),
                    None => {
                        let lost = Incoming::Http(id, Err(Failure::Unknown));
                        self.send(self.faults.http_timeout, Parcel::ToPeer(who, life, lost))
                    }
                };
            }
            Parcel::Inject(objects) => {
                for (who, object) in objects {
                    let now = self.now;
                    let session = self.peers.get_mut(who).and_then(|p| p.session.as_mut());
                    if let Some(Err(error)) = session.map(|s| s.handle(now, Event::Object(object))) {
                        self.failures.push((who, error.to_string()));
                    }
                    self.pump(who);
                }
            }
        }
    }

    fn relay_control(&mut self, who: usize, bytes: &Bytes) {
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

    /// The next moment at which something happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        let timeouts = self.peers.iter().filter_map(|p| p.session.as_ref());
        let timeouts = timeouts.filter_map(|s| s.participant().poll_timeout()).map(|(at, _)| at);
        timeouts.chain(self.queue.keys().next().map(|(at, _)| *at)).min()
    }

    /// Lets the next thing happen; `false` if nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_at() else { return false };
        self.now = self.now.max(at);
        if let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
            let parcel = entry.remove();
            self.deliver(parcel);
            return true;
        }
        for who in 0..self.peers.len() {
            let now = self.now;
            let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) else { continue };
            if session.participant().poll_timeout().is_some_and(|(at, _)| at <= now) {
                if let Err(error) = session.handle(now, Event::Timer) {
                    self.failures.push((who, error.to_string()));
                }
                self.pump(who);
                return true;
            }
        }
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Runs until `done`, for `most` at the longest; whether it came to that.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.after(most);
        loop {
            if done(self) {
                return true;
            }
            if self.next_at().is_none_or(|at| at > end) {
                self.now = self.now.max(end);
                return false;
            }
            self.step();
        }
    }

    /// Whether exactly these participants are the members, at one epoch, with one authenticator and one
    /// roster, leaf by leaf.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn agreement(&self, members: &[usize]) -> Result<Agreement, String> {
        let mut agreed: Option<(Agreement, usize)> = None;
        for who in members {
            let peer = self.peer(*who).ok_or_else(|| format!("p{who} is down"))?;
            let epoch = peer.epoch().ok_or_else(|| format!("p{who} is {:?}", peer.phase()))?;
            let authenticator = peer.epoch_authenticator().map_err(|e| format!("p{who}: {e}"))?;
            let this = Agreement { epoch, members: peer.members().count(), authenticator };
            if this.members != members.len() {
                return Err(format!("p{who} counts {} members, not {}", this.members, members.len()));
            }
            match &agreed {
                None => agreed = Some((this, *who)),
                Some((that, other)) if *that == this => {
                    let same = self.peer(*other).is_some_and(|other| other.members().eq(peer.members()));
                    if !same {
                        return Err(format!("p{who} and p{other} differ in the roster of epoch {epoch}"));
                    }
                }
                Some((that, other)) if that.epoch == epoch => {
                    return Err(format!("p{who} and p{other} differ in epoch {epoch}: a fork"));
                }
                Some((that, other)) => {
                    return Err(format!("p{who} is at epoch {epoch}, p{other} at {}", that.epoch));
                }
            }
        }
        agreed.map(|(agreement, _)| agreement).ok_or_else(|| "nobody".to_owned())
    }
}
