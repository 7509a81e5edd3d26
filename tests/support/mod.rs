//! A perfect little world for participants: objects and answers pass as values, in order, at once.
//! The simulated network of `moq_mls::testing` is the real thing; this one is for single steps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, unreachable_pub)]

pub mod engines;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mls_rs::crypto::SignatureSecretKey;
use mls_rs::{CipherSuiteProvider, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::{Action, Fault, Notice};
use moq_mls::counter::service::{CounterService, ReceiptSigner, ServiceConfig};
use moq_mls::engine::Engine;
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls::{Command, Config, Event, Object, Participant, Timestamp};

pub struct Peer<E: Engine> {
    pub machine: Participant<E>,
    pub notices: Vec<Notice>,
    pub durable: Option<Snapshot>,
    tracks: BTreeSet<FullTrackName>,
    namespaces: BTreeSet<TrackNamespace>,
    inbox: BTreeMap<(Timestamp, u64), Event>,
    pub deaf: bool,
}

pub struct World<E: Engine> {
    pub now: Timestamp,
    pub peers: Vec<Peer<E>>,
    pub service: CounterService<Signer>,
    pub objects: BTreeMap<FullTrackName, BTreeMap<Location, Bytes>>,
    pub log: Vec<String>,
    tokens: u64,
    sequence: u64,
    /// Longest delay of an event and the seed of its draw; none: everything at once and in order.
    pub delay: Option<(u64, u64)>,
    /// A participant, and how many of its actions are done before it stops dead.
    pub stop_after: Option<(usize, usize)>,
    /// What a fetch of a ratchet tree gets.
    pub trees: Trees,
}

/// What the relay does with fetches of ratchet trees.
#[derive(Default)]
pub enum Trees {
    #[default]
    Serve,
    Hide,
    Forge(Bytes),
}

/// Signs receipts, if it has a key.
pub struct Signer(Option<SignatureSecretKey>);

impl ReceiptSigner for Signer {
    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let suite = RustCryptoProvider::default().cipher_suite_provider(engines::SUITE).unwrap();
        self.0.as_ref().map(|key| suite.sign(key, message).unwrap().into())
    }
}

pub fn group() -> GroupName {
    GroupName::try_from("room-1").unwrap()
}

pub fn config() -> Config {
    Config::new(group())
}

impl<E: Engine> World<E> {
    pub fn new() -> Self {
        Self {
            now: Timestamp::from_secs(1_700_000_000),
            peers: Vec::new(),
            service: CounterService::with_signer(ServiceConfig::default(), Signer(None)),
            objects: BTreeMap::new(),
            log: Vec::new(),
            tokens: 0,
            sequence: 0,
            delay: None,
            stop_after: None,
            trees: Trees::default(),
        }
    }

    /// Lets the counter service sign receipts from now on; its public key.
    pub fn sign_receipts(&mut self) -> Bytes {
        let suite = RustCryptoProvider::default().cipher_suite_provider(engines::SUITE).unwrap();
        let (secret, public) = suite.signature_key_generate().unwrap();
        self.service = CounterService::with_signer(ServiceConfig::default(), Signer(Some(secret)));
        Bytes::copy_from_slice(&public)
    }

    pub fn add(&mut self, engine: E, config: Config) -> usize {
        let machine = Participant::new(engine, config, self.now).unwrap();
        self.peers.push(Peer {
            machine,
            notices: Vec::new(),
            durable: None,
            tracks: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            inbox: BTreeMap::new(),
            deaf: false,
        });
        self.peers.len() - 1
    }

    pub fn command(&mut self, who: usize, command: Command) {
        self.peers[who].machine.handle(self.now, command).unwrap();
        self.settle();
    }

    fn push(&mut self, who: usize, event: Event) {
        self.sequence += 1;
        let wait = self.delay.as_mut().map_or(0, |(most, seed)| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) % (*most + 1)
        });
        let due = self.now.after(Duration::from_millis(wait));
        self.peers[who].inbox.insert((due, self.sequence), event);
    }

    /// Puts an object on the relay and delivers it to who listens.
    pub fn publish(&mut self, object: Object) {
        let stored = self.objects.entry(object.track.clone()).or_default();
        if let Some(there) = stored.get(&object.location) {
            if *there != object.payload {
                self.log.push(format!("second payload at {} {:?}", object.track, object.location));
            }
            return;
        }
        stored.insert(object.location, object.payload.clone());
        for who in 0..self.peers.len() {
            let peer = &self.peers[who];
            let namespace = peer.namespaces.iter().any(|n| *n == object.track.namespace);
            let own = object.track.name == *peer.machine.sender_id().as_bytes();
            if !peer.deaf && (peer.tracks.contains(&object.track) || (namespace && !own)) {
                self.push(who, Event::Object(object.clone()));
            }
        }
    }

    fn replay(&mut self, who: usize, wanted: impl Fn(&FullTrackName) -> bool) {
        let mut found = Vec::new();
        for (track, objects) in self.objects.iter().filter(|(t, _)| wanted(t)) {
            found.extend(objects.iter().map(|(location, payload)| Object {
                track: track.clone(),
                location: *location,
                payload: payload.clone(),
            }));
        }
        for object in found {
            self.push(who, Event::Object(object));
        }
    }

    fn act(&mut self, who: usize, action: Action) {
        let now = self.now;
        if let Some((stopped, left)) = &mut self.stop_after
            && *stopped == who
        {
            if *left == 0 {
                return;
            }
            *left -= 1;
        }
        match action {
            Action::Persist(snapshot) => self.peers[who].durable = Some(snapshot),
            Action::Announce { .. } | Action::Unsubscribe { .. } => {}
            Action::SubscribeNamespace { id, namespace } => {
                self.peers[who].namespaces.insert(namespace.clone());
                self.push(who, Event::SubscribeReply { id, reply: Ok(()) });
                let own = self.peers[who].machine.sender_id().as_bytes().clone();
                self.replay(who, |t| t.namespace == namespace && t.name != own);
            }
            Action::Subscribe { id, track } => {
                self.peers[who].tracks.insert(track.clone());
                self.push(who, Event::SubscribeReply { id, reply: Ok(()) });
                self.replay(who, |t| *t == track);
            }
            Action::Fetch { id, track, groups } => {
                let tree = track.namespace == self.peers[who].machine.tracks().tree_namespace();
                let mut objects: Vec<Object> = self
                    .objects
                    .get(&track)
                    .into_iter()
                    .flatten()
                    .filter(|(l, _)| groups.contains(&l.group))
                    .map(|(l, p)| Object { track: track.clone(), location: *l, payload: p.clone() })
                    .collect();
                match &self.trees {
                    Trees::Hide if tree => objects.clear(),
                    Trees::Forge(bytes) if tree => objects.iter_mut().for_each(|o| o.payload = bytes.clone()),
                    _ => {}
                }
                self.push(who, Event::FetchReply { id, reply: Ok(objects) });
            }
            Action::Publish { id, object } => {
                self.push(who, Event::PublishReply { id, reply: Ok(()) });
                self.publish(object);
            }
            Action::Lock { id, request } => {
                self.tokens += 1;
                let token = Bytes::from(self.tokens.to_be_bytes().to_vec());
                let reply = self.service.lock(now, &request, token);
                self.push(who, Event::LockReply { id, reply: Ok(reply) });
            }
            Action::Increment { id, request } => {
                let reply = self.service.increment(now, &request);
                self.push(who, Event::IncrementReply { id, reply: Ok(reply) });
            }
            Action::Notify(notice) => {
                self.log.push(format!("{} {who}: {notice:?}", self.now));
                self.peers[who].notices.push(notice);
            }
            other => panic!("unknown action {other:?}"),
        }
    }

    /// Runs until nothing is left to do at this instant.
    pub fn settle(&mut self) {
        loop {
            let mut busy = false;
            for who in 0..self.peers.len() {
                while let Some(action) = self.peers[who].machine.poll_action() {
                    busy = true;
                    self.act(who, action);
                }
                let inbox = &mut self.peers[who].inbox;
                if self.stop_after.is_some_and(|(stopped, left)| stopped == who && left == 0) {
                    inbox.clear();
                } else if let Some(entry) = inbox.first_entry().filter(|e| e.key().0 <= self.now) {
                    busy = true;
                    let event = entry.remove();
                    self.peers[who].machine.handle(self.now, event).unwrap();
                }
            }
            if !busy {
                return;
            }
        }
    }

    /// Lets time pass, waking each participant when it asks to be.
    pub fn run(&mut self, millis: u64) {
        let end = Timestamp::from_millis(self.now.as_millis() + millis);
        self.settle();
        loop {
            let timeouts = self.peers.iter().filter_map(|p| p.machine.poll_timeout()).map(|(at, _)| at);
            let due = self.peers.iter().filter_map(|p| p.inbox.keys().next()).map(|(at, _)| *at);
            let next = timeouts.chain(due).min();
            match next {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    for who in 0..self.peers.len() {
                        let due =
                            self.peers[who].machine.poll_timeout().is_some_and(|(at, _)| at <= self.now);
                        if due {
                            self.peers[who].machine.handle(self.now, Event::Timer).unwrap();
                        }
                    }
                    self.settle();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Everything a member of this world would be told about `fault`.
    pub fn faults(&self, who: usize, fault: Fault) -> u64 {
        self.peers[who].machine.stats().faults.get(&fault).copied().unwrap_or(0)
    }

    pub fn id(&self, who: usize) -> SenderId {
        self.peers[who].machine.sender_id().clone()
    }

    pub fn heard(&self, who: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.peers[who].notices.iter().any(wanted)
    }

    /// Kills a participant and starts it again from what was durable.
    pub fn restart(&mut self, who: usize, engine: E) {
        let config = self.peers[who].machine.config().clone();
        let durable = self.peers[who].durable.clone().unwrap();
        let machine = Participant::restore(engine, config, &durable, self.now).unwrap();
        let peer = &mut self.peers[who];
        peer.machine = machine;
        peer.inbox.clear();
        peer.tracks.clear();
        peer.namespaces.clear();
    }

    /// The epoch that all of `who` agree on.
    #[track_caller]
    pub fn agree(&self, who: &[usize]) -> u64 {
        let first = &self.peers[who[0]].machine;
        let state = |p: &Participant<E>| {
            (p.epoch(), p.context_hash(), p.epoch_authenticator().ok(), p.members().count())
        };
        for peer in who {
            assert_eq!(
                state(&self.peers[*peer].machine),
                state(first),
                "{peer} differs\n{}",
                self.log.join("\n")
            );
        }
        assert_eq!(first.members().count(), who.len(), "{}", self.log.join("\n"));
        first.epoch().unwrap()
    }
}
