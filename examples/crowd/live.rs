//! A whole group in one process: every member is there and hears everything, in virtual time.
//!
//! The counter service is the real one, and so are the participants, over the engine without cryptography
//! ([`SymbolicEngine`]): whom a member asks, and when, does not depend on what is in the messages. Everything
//! takes 5 to 20 ms on its way, drawn anew for each receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use moq_mls::action::{Action, IncrementRequestId, LockRequestId};
use moq_mls::counter::service::{CounterService, ServiceConfig};
use moq_mls::counter::{IncrementRequest, LockReply, LockRequest};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicReceipts};
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};
use moq_mls::{Command, Config, Event, Object, Participant, Phase, Timestamp};

enum Parcel {
    Event(usize, Event),
    /// With the asker's phase when it asked.
    Lock(usize, Phase, LockRequestId, LockRequest),
    Increment(usize, IncrementRequestId, IncrementRequest),
}

struct Peer {
    machine: Participant<SymbolicEngine>,
    tracks: BTreeSet<FullTrackName>,
    namespaces: BTreeSet<TrackNamespace>,
    /// As in `Live::timeouts`.
    timeout: Option<Timestamp>,
}

/// Counter requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// For slot 0: is the group there?
    pub(crate) genesis: u64,
    /// For a later slot, by a member, while it was free or somebody had its lock: to commit.
    pub(crate) locks: u64,
    /// For a later slot, by a member, when it was used: which commit won?
    pub(crate) reads: u64,
    /// For a later slot, by one who has a Welcome and wants to know whether it won.
    pub(crate) joiner_reads: u64,
    pub(crate) increments: u64,
}

impl Asked {
    pub(crate) fn all(&self) -> u64 {
        self.genesis + self.locks + self.reads + self.joiner_reads + self.increments
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            genesis: self.genesis - before.genesis,
            locks: self.locks - before.locks,
            reads: self.reads - before.reads,
            joiner_reads: self.joiner_reads - before.joiner_reads,
            increments: self.increments - before.increments,
        }
    }
}

pub(crate) struct Live {
    now: Timestamp,
    peers: Vec<Peer>,
    queue: BTreeMap<(Timestamp, u64), Parcel>,
    timeouts: BTreeSet<(Timestamp, usize)>,
    service: CounterService<SymbolicReceipts>,
    objects: BTreeMap<FullTrackName, BTreeMap<Location, Bytes>>,
    config: Config,
    drawn: u64,
    sent: u64,
    pub(crate) asked: Asked,
}

impl Live {
    /// Nobody is there yet. With `receipts` the service signs them and everyone has its key.
    pub(crate) fn new(mut config: Config, receipts: bool, now: Timestamp) -> Self {
        let key = Bytes::from_static(b"service key");
        config.service_key = receipts.then(|| key.clone());
        Self {
            now,
            peers: Vec::new(),
            queue: BTreeMap::new(),
            timeouts: BTreeSet::new(),
            service: CounterService::with_signer(ServiceConfig::default(), SymbolicReceipts(key)),
            objects: BTreeMap::new(),
            config,
            drawn: 0,
            sent: 0,
            asked: Asked::default(),
        }
    }

    /// Somebody new asks to join.
    pub(crate) fn join(&mut self) {
        let who = self.peers.len();
        let engine = SymbolicEngine::new(&format!("member-{who}")).unwrap();
        let machine = Participant::new(engine, self.config.clone(), self.now).unwrap();
        let (tracks, namespaces) = Default::default();
        self.peers.push(Peer { machine, tracks, namespaces, timeout: None });
        self.command(who, Command::Join);
    }

    pub(crate) fn command(&mut self, who: usize, command: Command) {
        self.handle(who, command);
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The epoch that all are at; `None` while not everyone is a member, or not at the same.
    pub(crate) fn epoch(&self) -> Option<u64> {
        let first = self.peers.first()?.machine.epoch();
        let all = |p: &Peer| p.machine.epoch() == first && p.machine.phase() == Phase::Member;
        let whole = self.peers.first()?.machine.members().count() == self.peers.len();
        first.filter(|_| whole && self.peers.iter().all(all))
    }

    fn latency(&mut self) -> Duration {
        self.drawn =
            self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(5 + (self.drawn >> 33) % 16)
    }

    fn send(&mut self, parcel: Parcel) {
        let at = self.now.after(self.latency());
        // What was sent first is first among those that arrive together.
        self.sent += 1;
        self.queue.insert((at, self.sent), parcel);
    }

    fn handle(&mut self, who: usize, event: impl Into<Event>) {
        self.peers[who].machine.handle(self.now, event).unwrap();
        while let Some(action) = self.peers[who].machine.poll_action() {
            self.act(who, action);
        }
        let peer = &mut self.peers[who];
        let timeout = peer.machine.poll_timeout().map(|(at, _)| at);
        if peer.timeout != timeout {
            if let Some(old) = std::mem::replace(&mut peer.timeout, timeout) {
                self.timeouts.remove(&(old, who));
            }
            self.timeouts.extend(timeout.map(|at| (at, who)));
        }
    }

    fn act(&mut self, who: usize, action: Action) {
        match action {
            Action::SubscribeNamespace { id, namespace } => {
                self.send(Parcel::Event(who, Event::SubscribeReply { id, reply: Ok(()) }));
                let own = self.peers[who].machine.sender_id().as_bytes().clone();
                self.replay(who, |track| track.namespace == namespace && track.name != own);
                self.peers[who].namespaces.insert(namespace);
            }
            Action::Subscribe { id, track } => {
                self.send(Parcel::Event(who, Event::SubscribeReply { id, reply: Ok(()) }));
                self.replay(who, |other| *other == track);
                self.peers[who].tracks.insert(track);
            }
            Action::Fetch { id, track, groups } => {
                let here = self.objects.get(&track).into_iter().flatten();
                let wanted = here.filter(|(location, _)| groups.contains(&location.group));
                let objects = wanted.map(|(location, payload)| object(&track, *location, payload)).collect();
                self.send(Parcel::Event(who, Event::FetchReply { id, reply: Ok(objects) }));
            }
            Action::Publish { id, object } => {
                self.send(Parcel::Event(who, Event::PublishReply { id, reply: Ok(()) }));
                self.publish(object);
            }
            Action::Lock { id, request } => {
                let phase = self.peers[who].machine.phase();
                self.send(Parcel::Lock(who, phase, id, request));
            }
            Action::Increment { id, request } => {
                self.asked.increments += 1;
                self.send(Parcel::Increment(who, id, request));
            }
            _ => {}
        }
    }

    fn publish(&mut self, published: Object) {
        let Object { track, location, payload } = &published;
        self.objects.entry(track.clone()).or_default().insert(*location, payload.clone());
        for who in 0..self.peers.len() {
            let peer = &self.peers[who];
            let own = *peer.machine.sender_id().as_bytes() == track.name;
            let namespace = peer.namespaces.contains(&track.namespace) && !own;
            if peer.tracks.contains(track) || namespace {
                self.send(Parcel::Event(who, Event::Object(published.clone())));
            }
        }
    }

    fn replay(&mut self, who: usize, wanted: impl Fn(&FullTrackName) -> bool) {
        let there = self.objects.iter().filter(|(track, _)| wanted(track));
        let all = there.flat_map(|(track, objects)| objects.iter().map(|(l, p)| object(track, *l, p)));
        for object in all.collect::<Vec<_>>() {
            self.send(Parcel::Event(who, Event::Object(object)));
        }
    }

    /// Lets the next thing happen that is due by `end`; `false` if there is none.
    fn step(&mut self, end: Timestamp) -> bool {
        let parcel = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.timeouts.first().copied();
        let next = parcel.into_iter().chain(timeout.map(|(at, _)| at)).min();
        let Some(at) = next.filter(|at| *at <= end) else { return false };
        self.now = self.now.max(at);
        if parcel.is_none_or(|due| due > at) {
            let Some((_, who)) = timeout else { return false };
            self.handle(who, Event::Timer);
            return true;
        }
        match self.queue.pop_first() {
            Some((_, Parcel::Event(who, event))) => self.handle(who, event),
            Some((_, Parcel::Lock(who, phase, id, request))) => {
                let token = Bytes::copy_from_slice(&self.drawn.to_be_bytes());
                let reply = self.service.lock(self.now, &request, token);
                let asked = &mut self.asked;
                match (phase, &reply) {
                    (Phase::Bootstrapping, _) => asked.genesis += 1,
                    (Phase::Member, LockReply::CounterError(_)) => asked.reads += 1,
                    (Phase::Member, _) => asked.locks += 1,
                    _ => asked.joiner_reads += 1,
                }
                self.send(Parcel::Event(who, Event::LockReply { id, reply: Ok(reply) }));
            }
            Some((_, Parcel::Increment(who, id, request))) => {
                let reply = self.service.increment(self.now, &request);
                self.send(Parcel::Event(who, Event::IncrementReply { id, reply: Ok(reply) }));
            }
            None => {}
        }
        true
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.step(end) {}
        self.now = end;
    }
}

fn object(track: &FullTrackName, location: Location, payload: &Bytes) -> Object {
    Object { track: track.clone(), location, payload: payload.clone() }
}
