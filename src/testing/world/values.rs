//! Objects and answers travel as values: at once and in order, or each after a time that is drawn.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

use super::model::{Carriage, Parcel, World};
use super::store::Store;
use crate::action::{Action, FetchId, FetchTarget, LockRequestId, SubscribeId};
use crate::counter::LockReply;
use crate::counter::service::ServiceConfig;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Object};
use crate::participant::{Participant, Phase};
use crate::testing::faults::Receipts;
use crate::testing::rng::Rng;
use crate::testing::session::{Direct, Session};
use crate::time::Timestamp;
use crate::tracks::{FullTrackName, TrackNamespace};

/// Counter requests so far, by what they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// For slot 0: is the group there?
    pub genesis: u64,
    /// For a later slot, by a member, while it was free or another client had its lock: to commit.
    pub locks: u64,
    /// For a later slot, by a member, when it was used: which commit won?
    pub reads: u64,
    /// For a later slot, by one who has a Welcome and wants to know whether it won.
    pub joiner_reads: u64,
    /// Increments.
    pub increments: u64,
    /// For a slot's commit.
    pub commits: u64,
}

impl Asked {
    /// All of them.
    pub fn all(&self) -> u64 {
        [self.genesis, self.locks, self.reads, self.joiner_reads, self.increments, self.commits].iter().sum()
    }

    /// Those that came since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            genesis: self.genesis.saturating_sub(before.genesis),
            locks: self.locks.saturating_sub(before.locks),
            reads: self.reads.saturating_sub(before.reads),
            joiner_reads: self.joiner_reads.saturating_sub(before.joiner_reads),
            increments: self.increments.saturating_sub(before.increments),
            commits: self.commits.saturating_sub(before.commits),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Track(FullTrackName),
    Namespace(TrackNamespace),
}

/// What a participant listens to.
#[derive(Clone, Debug, Default)]
struct Listener {
    /// The name of its own tracks: no namespace subscription brings them back.
    own: Bytes,
    subscriptions: BTreeMap<SubscribeId, Wanted>,
    deaf: bool,
}

impl Listener {
    fn hears(&self, track: &FullTrackName) -> bool {
        self.subscriptions.values().any(|wanted| match wanted {
            Wanted::Track(name) => name == track,
            Wanted::Namespace(namespace) => *namespace == track.namespace && track.name != self.own,
        })
    }
}

type Meddler = Box<dyn Fn(&mut Vec<Object>) + Send>;
type Holder = Box<dyn Fn(&Action) -> bool + Send>;

/// Carries values; the relay acts and publishes at once, and nothing is lost.
///
/// Each event and each counter request takes a time of its own, so that with times that differ, what is sent
/// later may arrive earlier.
pub struct ByValue {
    time: (Duration, Duration),
    draws: Rng,
    store: Store,
    listeners: Vec<Listener>,
    published: Vec<Object>,
    asked: Asked,
    /// In which phase who asked was.
    asking: BTreeMap<(usize, LockRequestId), Phase>,
    meddler: Option<Meddler>,
    holder: Option<Holder>,
    held: Vec<(usize, Action)>,
    /// The service says what time it is.
    dates: bool,
}

impl ByValue {
    /// What is on the relay.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is on the relay, to take something away.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Everything that participants published since the last call, in order.
    pub fn take_published(&mut self) -> Vec<Object> {
        std::mem::take(&mut self.published)
    }

    /// Counter requests so far.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// Keeps a participant from hearing what is published from now on, or no longer. It still gets answers.
    pub fn set_deaf(&mut self, who: usize, deaf: bool) {
        if let Some(listener) = self.listeners.get_mut(who) {
            listener.deaf = deaf;
        }
    }

    /// Lets `meddler` change what each fetch finds, from now on.
    pub fn meddle(&mut self, meddler: impl Fn(&mut Vec<Object>) + Send + 'static) {
        self.meddler = Some(Box::new(meddler));
    }

    /// Lets fetches find what is there, from now on.
    pub fn leave_alone(&mut self) {
        self.meddler = None;
    }

    /// Keeps back all actions that `holder` says, for [`take_held`](Self::take_held): the caller of that answers
    /// them by [`World::handle`].
    pub fn hold(&mut self, holder: impl Fn(&Action) -> bool + Send + 'static) {
        self.holder = Some(Box::new(holder));
    }

    /// Lets the counter service say what time it is with each answer, from now on.
    pub fn tell_time(&mut self) {
        self.dates = true;
    }

    /// The actions that were kept back since the last call, and whose they are.
    pub fn take_held(&mut self) -> Vec<(usize, Action)> {
        std::mem::take(&mut self.held)
    }

    fn time(&mut self) -> Duration {
        let (least, most) = self.time;
        if least == most { least } else { self.draws.between((least, most)) }
    }
}

impl<E: Engine> World<E, ByValue> {
    /// An empty world at `start` in which everything arrives at once and in order.
    pub fn at_once(start: Timestamp) -> Self {
        Self::delayed(start, (Duration::ZERO, Duration::ZERO), 0)
    }

    /// An empty world at `start` in which each thing takes a time between two on its way; `seed` decides it.
    pub fn delayed(start: Timestamp, time: (Duration, Duration), seed: u64) -> Self {
        let carriage = ByValue {
            time,
            draws: Rng::new(seed),
            store: Store::default(),
            listeners: Vec::new(),
            published: Vec::new(),
            asked: Asked::default(),
            asking: BTreeMap::new(),
            meddler: None,
            holder: None,
            held: Vec::new(),
            dates: false,
        };
        let tokens = Rng::new(seed ^ 0x746f_6b65_6e73);
        Self::over(carriage, start, tokens, ServiceConfig::default(), Receipts::default())
    }

    /// Puts an object on the relay, from anyone and with anything in it: those who listen get it.
    pub fn publish(&mut self, object: &Object) {
        if !self.carriage.store.put(object) {
            return;
        }
        for who in 0..self.peers.len() {
            if self.carriage.listeners.get(who).is_some_and(|l| !l.deaf && l.hears(&object.track)) {
                self.bring(who, Event::Object(object.clone()));
            }
        }
    }

    /// Sends an event to a participant.
    fn bring(&mut self, who: usize, event: Event) {
        if let Some(life) = self.peers.get(who).map(|p| p.life) {
            self.bring_in(life, who, event);
        }
    }

    /// Sends an event to a participant in one of its runs.
    fn bring_in(&mut self, life: u64, who: usize, event: Event) {
        let time = self.carriage.time();
        self.send(time, Parcel::ToPeer(who, life, event));
    }

    fn subscribe(&mut self, who: usize, id: SubscribeId, wanted: Wanted) {
        self.bring(who, Event::SubscribeReply { id, reply: Ok(()) });
        let Some(listener) = self.carriage.listeners.get_mut(who) else { return };
        let alone = Listener {
            own: listener.own.clone(),
            subscriptions: BTreeMap::from([(id, wanted.clone())]),
            deaf: false,
        };
        listener.subscriptions.insert(id, wanted);
        let there: Vec<Object> = self.carriage.store.objects(|track| alone.hears(track)).collect();
        for object in there {
            self.bring(who, Event::Object(object));
        }
    }

    fn fetch(&mut self, who: usize, id: FetchId, target: &FetchTarget, groups: &RangeInclusive<u64>) {
        let store = &self.carriage.store;
        let mut objects: Vec<Object> = match target {
            FetchTarget::Track(track) => store.range(track, groups).collect(),
            FetchTarget::Namespace(_) => {
                let all = store.objects(|track| target.covers(track));
                all.filter(|o| groups.contains(&o.location.group_id)).collect()
            }
        };
        if let Some(meddler) = &self.carriage.meddler {
            meddler(&mut objects);
        }
        self.bring(who, Event::FetchReply { id, reply: Ok(objects) });
    }

    /// Sends a request to the counter service.
    fn request(&mut self, who: usize, action: Action) {
        let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
        let time = self.carriage.time();
        self.send(time, Parcel::FromPeer(who, life, action));
    }
}

impl<E: Engine> Carriage<E> for ByValue {
    type Port = Direct;

    fn open(&mut self, _: Timestamp, who: usize, session: &Session<E, Direct>) -> Result<(), Error> {
        let own = session.participant().sender_id().as_bytes().clone();
        if self.listeners.len() <= who {
            self.listeners.resize_with(who.saturating_add(1), Listener::default);
        }
        if let Some(listener) = self.listeners.get_mut(who) {
            listener.own = own;
        }
        Ok(())
    }

    fn last_words(_: &mut World<E, Self>, _: usize) {}

    fn close(&mut self, who: usize) {
        if let Some(listener) = self.listeners.get_mut(who) {
            listener.subscriptions.clear();
        }
    }

    fn carry(world: &mut World<E, Self>, who: usize, action: Action) {
        if world.carriage.holder.as_ref().is_some_and(|holds| holds(&action)) {
            world.carriage.held.push((who, action));
            return;
        }
        match action {
            Action::SubscribeNamespace { id, namespace } => {
                world.subscribe(who, id, Wanted::Namespace(namespace));
            }
            Action::Subscribe { id, track } => world.subscribe(who, id, Wanted::Track(track)),
            Action::Unsubscribe { id } => {
                if let Some(listener) = world.carriage.listeners.get_mut(who) {
                    listener.subscriptions.remove(&id);
                }
            }
            Action::Fetch { id, target, groups } => world.fetch(who, id, &target, &groups),
            Action::Publish { id, object } => {
                world.bring(who, Event::PublishReply { id, reply: Ok(()) });
                world.carriage.published.push(object.clone());
                world.publish(&object);
            }
            Action::Lock { id, .. } => {
                if let Some(phase) = world.peer(who).map(Participant::phase) {
                    world.carriage.asking.insert((who, id), phase);
                }
                world.request(who, action);
            }
            Action::Increment { .. } | Action::GetCommit { .. } => world.request(who, action),
            Action::Persist(_) | Action::Announce { .. } | Action::Notify(_) => {}
        }
    }

    fn arrive(world: &mut World<E, Self>, who: usize, life: u64, action: Action) {
        if world.carriage.dates {
            world.bring_in(life, who, Event::ServiceTime(world.now));
        }
        match action {
            Action::Lock { id, request } => {
                let reply = world.ask(who, |service, now, token| service.lock(now, &request, token));
                let phase = world.carriage.asking.remove(&(who, id));
                let asked = &mut world.carriage.asked;
                let count = match (phase, &reply) {
                    (Some(Phase::Bootstrapping), _) => &mut asked.genesis,
                    (Some(Phase::Member), LockReply::CounterError(_)) => &mut asked.reads,
                    (Some(Phase::Member), _) => &mut asked.locks,
                    _ => &mut asked.joiner_reads,
                };
                *count = count.saturating_add(1);
                world.bring_in(life, who, Event::LockReply { id, reply: Ok(reply) });
            }
            Action::Increment { id, request } => {
                let asked = &mut world.carriage.asked.increments;
                *asked = asked.saturating_add(1);
                let reply = world.ask(who, |service, now, _| service.increment(now, &request));
                world.bring_in(life, who, Event::IncrementReply { id, reply: Ok(reply) });
            }
            Action::GetCommit { id, request } => {
                let asked = &mut world.carriage.asked.commits;
                *asked = asked.saturating_add(1);
                let reply = world.ask(who, |service, _, _| service.commit(&request));
                world.bring_in(life, who, Event::CommitReply { id, reply: Ok(reply) });
            }
            _ => {}
        }
    }
}
