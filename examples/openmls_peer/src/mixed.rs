//! A group of both kinds in the simulated world: ours are its participants, the peers its strangers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use moq_mls::counter::http::{Decoded, HttpLimits, HttpRequest};
use moq_mls::engine::Engine;
use moq_mls::testing::world::{ByValue, World};
use moq_mls::tracks::FullTrackName;
use moq_mls::{Object, Participant, Timestamp};

use crate::counter::{Reply, Request};
use crate::ours;
use crate::peer::{In, Out, Peer, Phase};
use crate::random::Random;
use crate::wire::{Facts, Names};

/// So much happens in no run that comes to rest.
const MOST_STEPS: u32 = 100_000;

/// What is on its way to a peer, or from it to the service.
enum Parcel {
    Input(In),
    Request(crate::peer::Ask, Request),
}

/// Of which kind, and its number among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Ours(usize),
    Peer(usize),
}

pub struct Mixed<E: Engine> {
    pub world: World<E, ByValue>,
    pub peers: Vec<Peer>,
    names: Names,
    subscribed: Vec<bool>,
    lives: Vec<u64>,
    queue: BTreeMap<(Timestamp, u64), (usize, u64, Parcel)>,
    sequence: u64,
    delays: (u64, u64),
    random: Random,
    tokens: u64,
    /// What the first member to enter each epoch found there, and who that was.
    epochs: BTreeMap<u64, (Facts, Who)>,
    /// At which epoch each was compared last.
    compared: BTreeMap<Who, u64>,
    /// How many comparisons were made.
    pub comparisons: u64,
}

impl<E: Engine> Mixed<E> {
    pub fn new(start: Timestamp, group: &str, delays: (u64, u64), seed: u64) -> Self {
        let time = (Duration::from_millis(delays.0), Duration::from_millis(delays.1));
        Self {
            world: World::delayed(start, time, seed).quiet(),
            peers: Vec::new(),
            names: Names { group: group.to_owned() },
            subscribed: Vec::new(),
            lives: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            delays,
            random: Random::new(seed ^ 0x006d_6978_6564),
            tokens: 0,
            epochs: BTreeMap::new(),
            compared: BTreeMap::new(),
            comparisons: 0,
        }
    }

    pub fn add_peer(&mut self, peer: Peer) -> usize {
        self.peers.push(peer);
        self.subscribed.push(false);
        self.lives.push(0);
        self.peers.len() - 1
    }

    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Lets a peer do something, and does what it wants done.
    pub fn with_peer(&mut self, at: usize, act: impl FnOnce(&mut Peer, Timestamp)) -> Result<()> {
        let now = self.now();
        act(&mut self.peers[at], now);
        self.pump(at)
    }

    /// Kills a peer: what is on its way to it is lost, what it sent is not.
    pub fn kill(&mut self, at: usize) {
        self.peers[at].die();
        self.bury(at);
    }

    fn bury(&mut self, at: usize) {
        self.subscribed[at] = false;
        self.lives[at] += 1;
        self.compared.remove(&Who::Peer(at));
    }

    fn pump(&mut self, at: usize) -> Result<()> {
        for out in std::mem::take(&mut self.peers[at].out) {
            match out {
                Out::Publish(object) => {
                    self.world.publish(&object);
                    // The first payload at a place stands.
                    let there = self.world.carriage().store().track(&object.track);
                    if there.and_then(|track| track.get(&object.location)) == Some(&object.payload) {
                        self.spread(&object);
                    }
                }
                Out::Ask(ask, request) => self.send(at, Parcel::Request(ask, request)),
                Out::Look(epoch) => {
                    let track = self.names.commits();
                    let objects: Vec<_> =
                        self.world.carriage().store().range(&track, &(epoch..=epoch)).collect();
                    let wait = self.delay();
                    for object in objects {
                        self.send_in(at, wait, Parcel::Input(In::Object(object)));
                    }
                    self.send_in(at, wait, Parcel::Input(In::Looked(epoch)));
                }
                Out::Fetch(track) => {
                    let found = self.world.carriage().store().objects(|other| *other == track).collect();
                    self.send(at, Parcel::Input(In::Found(found)));
                }
                Out::Subscribe => {
                    self.subscribed[at] = true;
                    let wanted = |track: &FullTrackName| self.hears(at, track);
                    let there: Vec<_> = self.world.carriage().store().objects(wanted).collect();
                    for object in there {
                        self.send(at, Parcel::Input(In::Object(object)));
                    }
                }
            }
        }
        if self.peers[at].phase == Phase::Down && self.peers[at].epoch().is_some() {
            self.kill(at);
        }
        self.compare(Who::Peer(at))
    }

    /// Whether a peer listens to a track: all KeyPackages, its own Welcomes, the Commit track.
    fn hears(&self, at: usize, track: &FullTrackName) -> bool {
        let own = self.peers[at].identity.sender.as_bytes();
        let fields = track.namespace.fields();
        match fields.get(1).map(|field| &field[..]) {
            None => true,
            Some(b"keypackages") => track.name != own,
            Some(b"welcome") => track.name == own,
            Some(_) => false,
        }
    }

    /// Brings an object to the peers that listen.
    fn spread(&mut self, object: &Object) {
        for at in 0..self.peers.len() {
            if self.subscribed[at] && self.hears(at, &object.track) {
                self.send(at, Parcel::Input(In::Object(object.clone())));
            }
        }
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(self.random.between(self.delays.0, self.delays.1))
    }

    fn send(&mut self, at: usize, parcel: Parcel) {
        let wait = self.delay();
        self.send_in(at, wait, parcel);
    }

    fn send_in(&mut self, at: usize, wait: Duration, parcel: Parcel) {
        self.sequence += 1;
        let due = self.now().after(wait);
        self.queue.insert((due, self.sequence), (at, self.lives[at], parcel));
    }

    /// Asks the counter service, as HTTP/1.1.
    pub fn ask_service(&mut self, request: &Request) -> Result<Reply> {
        let bytes = request.to_http(&self.names.group);
        let Decoded::Complete { message, .. } =
            HttpRequest::decode(&bytes, &HttpLimits::default()).map_err(|e| anyhow!("request: {e:?}"))?
        else {
            return Err(anyhow!("half a request"));
        };
        self.tokens += 1;
        let token = Bytes::copy_from_slice(format!("peer token {}", self.tokens).as_bytes());
        let now = self.now();
        let response = self.world.counter_mut().respond(now, &message, token);
        let bytes = response.to_bytes().map_err(|e| anyhow!("response: {e:?}"))?;
        Reply::from_http(&bytes).with_context(|| format!("response {bytes:?}"))
    }

    /// Lets the next thing happen, if it is due by `end`; whether anything did.
    fn step(&mut self, end: Timestamp) -> Result<bool> {
        let world = self.world.next_at();
        let parcel = self.queue.keys().next().map(|(at, _)| *at);
        let wakes = self.peers.iter().enumerate().filter_map(|(at, peer)| Some((peer.wake_at()?, at)));
        let wake = wakes.min();
        let next = [world, parcel, wake.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.pass_to(end);
            return Ok(false);
        };
        if world == Some(next) {
            self.world.step();
            self.after_ours()?;
            return Ok(true);
        }
        self.pass_to(next);
        if parcel == Some(next) {
            let Some((_, (at, life, parcel))) = self.queue.pop_first() else { return Ok(true) };
            let input = match parcel {
                // What a dead one asked for is done all the same.
                Parcel::Request(ask, request) => {
                    let reply = self.ask_service(&request)?;
                    if self.lives[at] == life {
                        self.send(at, Parcel::Input(In::Reply(ask, reply)));
                    }
                    return Ok(true);
                }
                Parcel::Input(input) => input,
            };
            if self.lives[at] == life {
                self.with_peer(at, |peer, now| peer.handle(now, input))?;
            }
        } else if let Some((_, at)) = wake {
            self.with_peer(at, |peer, now| peer.handle(now, In::Wake))?;
        }
        Ok(true)
    }

    fn pass_to(&mut self, at: Timestamp) {
        let wait = at.since(self.now());
        if !wait.is_zero() {
            self.world.run_for(wait);
        }
    }

    /// Brings what ours published to the peers, and compares where they stand.
    pub fn after_ours(&mut self) -> Result<()> {
        for object in self.world.carriage_mut().take_published() {
            self.spread(&object);
        }
        for at in 0..self.world.len() {
            self.compare(Who::Ours(at))?;
        }
        ensure!(self.world.failures().is_empty(), "engine: {:?}", self.world.failures());
        Ok(())
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        let end = self.now().after(time);
        self.run_until(time, |mixed| mixed.now() >= end).map(|_| ())
    }

    /// Runs until `done`, for `most` at the longest; whether it came to that.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> Result<bool> {
        let end = self.now().after(most);
        for _ in 0..MOST_STEPS {
            if done(self) {
                return Ok(true);
            }
            if !self.step(end)? {
                return Ok(done(self));
            }
        }
        Err(anyhow!("no rest after {MOST_STEPS} steps"))
    }

    pub fn epoch(&self, who: Who) -> Option<u64> {
        match who {
            Who::Ours(at) => self.world.peer(at).and_then(Participant::epoch),
            Who::Peer(at) => self.peers[at].epoch(),
        }
    }

    fn facts(&self, who: Who) -> Option<Result<Facts>> {
        match who {
            Who::Ours(at) => ours::facts(self.world.peer(at)?),
            Who::Peer(at) => self.peers[at].facts(),
        }
    }

    /// Compares what a participant finds in a new epoch with what the first one found there.
    fn compare(&mut self, who: Who) -> Result<()> {
        let Some(epoch) = self.epoch(who) else {
            self.compared.remove(&who);
            return Ok(());
        };
        if self.compared.insert(who, epoch) == Some(epoch) {
            return Ok(());
        }
        let facts = self.facts(who).context("no facts")??;
        self.comparisons += 1;
        let (first, by) = self.epochs.entry(epoch).or_insert((facts.clone(), who));
        ensure!(
            *first == facts,
            "{who:?} and {by:?} differ in epoch {epoch}: authenticator {}, GroupContext {}, base key {}, roster {}",
            first.authenticator == facts.authenticator,
            first.context_hash == facts.context_hash,
            first.base_key == facts.base_key,
            first.roster == facts.roster,
        );
        Ok(())
    }

    pub fn sender(&self, who: Who) -> String {
        match who {
            Who::Ours(at) => self
                .world
                .sender(at)
                .map(|s| String::from_utf8_lossy(s.as_bytes()).into_owned())
                .unwrap_or_default(),
            Who::Peer(at) => self.peers[at].identity.sender.clone(),
        }
    }

    /// Whether exactly these are members, all at one epoch.
    pub fn agree(&self, members: &[Who]) -> Result<u64, String> {
        let mut expected: Vec<String> = members.iter().map(|who| self.sender(*who)).collect();
        expected.sort();
        let mut agreed = None;
        for who in members {
            let Some(epoch) = self.epoch(*who) else { return Err(format!("{who:?} is no member")) };
            if *agreed.get_or_insert(epoch) != epoch {
                return Err(format!("{who:?} is at epoch {epoch}, others at {agreed:?}"));
            }
        }
        let epoch = agreed.ok_or("nobody")?;
        let (facts, _) = self.epochs.get(&epoch).ok_or("an epoch that nobody saw")?;
        let mut roster: Vec<String> = facts.roster.iter().map(|(_, who)| who.clone()).collect();
        roster.sort();
        if roster != expected {
            return Err(format!("epoch {epoch} has {} members, not {}", roster.len(), expected.len()));
        }
        Ok(epoch)
    }
}
