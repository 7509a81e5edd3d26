//! Requests under way: every id is answered once, and what may not have been done is done again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::config::SafetyMode;
use crate::counter::{IncrementReply, IncrementRequest, LockReply, LockRequest, Pin};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::{Participant, State};
use crate::request::{Failure, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::tracks::{FullTrackName, Location, Object, TrackNamespace};

/// What waits for an answer, and what waits to be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Requests {
    last_id: u64,
    locks: BTreeMap<LockRequestId, u64>,
    increments: BTreeMap<IncrementRequestId, Asked>,
    fetches: BTreeMap<FetchId, ()>,
    publishes: BTreeMap<PublishId, Attempt>,
    publish_again: Vec<Attempt>,
    subscriptions: BTreeMap<SubscribeId, Interest>,
    subscribe_again: Vec<Interest>,
}

/// An increment under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) slot: u64,
    pub(crate) pin: Pin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attempt {
    object: Object,
    tries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    Namespace(TrackNamespace),
    Track(FullTrackName),
}

impl Requests {
    fn id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Numbers what waits for an answer from 1, in the present order: old to new.
    #[cfg(feature = "testing")]
    pub(crate) fn renumber(&mut self) -> BTreeMap<u64, u64> {
        let locks = self.locks.keys().map(|id| id.0);
        let increments = self.increments.keys().map(|id| id.0);
        let fetches = self.fetches.keys().map(|id| id.0);
        let publishes = self.publishes.keys().map(|id| id.0);
        let live = locks.chain(increments).chain(fetches).chain(publishes);
        let mut old: Vec<u64> = live.collect();
        old.sort_unstable();
        let new: BTreeMap<u64, u64> = old.into_iter().zip(1..).collect();
        let of = |id: u64| new.get(&id).copied().unwrap_or(0);
        self.locks =
            std::mem::take(&mut self.locks).into_iter().map(|(id, v)| (LockRequestId(of(id.0)), v)).collect();
        self.increments = std::mem::take(&mut self.increments)
            .into_iter()
            .map(|(id, v)| (IncrementRequestId(of(id.0)), v))
            .collect();
        self.fetches =
            std::mem::take(&mut self.fetches).into_iter().map(|(id, v)| (FetchId(of(id.0)), v)).collect();
        self.publishes =
            std::mem::take(&mut self.publishes).into_iter().map(|(id, v)| (PublishId(of(id.0)), v)).collect();
        // A subscription stands for ever once accepted, and is only named to be ended.
        self.subscriptions.clear();
        self.last_id = new.len() as u64;
        new
    }
}

impl<E: Engine> Participant<E> {
    pub(crate) fn ask_lock(&mut self, val: u64) {
        let id = LockRequestId(self.requests.id());
        self.requests.locks.insert(id, val);
        self.stats.lock_requests = self.stats.lock_requests.saturating_add(1);
        let request = LockRequest { counter: self.config.group.clone(), val };
        self.actions.push_back(Action::Lock { id, request });
    }

    /// Asks for an increment. In Advisory mode it says what the draft says and no more, but for the
    /// lock token of a service that gave one.
    pub(crate) fn ask_increment(&mut self, slot: u64, pin: Pin, prev: Option<Pin>, lock_id: Option<Bytes>) {
        let id = IncrementRequestId(self.requests.id());
        self.requests.increments.insert(id, Asked { slot, pin });
        self.stats.increment_requests = self.stats.increment_requests.saturating_add(1);
        let counter = self.config.group.clone();
        let request = match self.config.mode {
            SafetyMode::Pinned => {
                IncrementRequest { counter, val: Some(slot), lock_id, prev, pin: Some(pin) }
            }
            SafetyMode::Fenced => {
                IncrementRequest { counter, val: Some(slot), lock_id, prev: None, pin: None }
            }
            SafetyMode::Advisory => IncrementRequest { counter, val: None, lock_id, prev: None, pin: None },
        };
        self.actions.push_back(Action::Increment { id, request });
    }

    pub(crate) fn fetch(&mut self, track: FullTrackName, groups: RangeInclusive<u64>) -> FetchId {
        let id = FetchId(self.requests.id());
        self.requests.fetches.insert(id, ());
        self.actions.push_back(Action::Fetch { id, track, groups });
        id
    }

    pub(crate) fn publish(&mut self, track: FullTrackName, location: Location, payload: Bytes) {
        self.attempt(Attempt { object: Object { track, location, payload }, tries: 0 });
    }

    fn attempt(&mut self, attempt: Attempt) {
        let id = PublishId(self.requests.id());
        let len = attempt.object.payload.len() as u64;
        self.stats.bytes_published = self.stats.bytes_published.saturating_add(len);
        self.actions.push_back(Action::Publish { id, object: attempt.object.clone() });
        self.requests.publishes.insert(id, attempt);
    }

    pub(crate) fn subscribe(&mut self, interest: Interest) {
        let id = SubscribeId(self.requests.id());
        self.actions.push_back(match interest.clone() {
            Interest::Namespace(namespace) => Action::SubscribeNamespace { id, namespace },
            Interest::Track(track) => Action::Subscribe { id, track },
        });
        self.requests.subscriptions.insert(id, interest);
    }

    /// Ends every subscription: there is nothing to hear any more.
    pub(crate) fn unsubscribe_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.requests.subscriptions) {
            self.actions.push_back(Action::Unsubscribe { id });
        }
        self.requests.subscribe_again.clear();
        self.requests.publish_again.clear();
    }

    pub(crate) fn on_subscribe_reply(&mut self, id: SubscribeId, reply: Result<(), Failure>) {
        if !self.requests.subscriptions.contains_key(&id) {
            self.fault(None, Fault::UnknownReply);
        } else if reply.is_err() {
            if let Some(interest) = self.requests.subscriptions.remove(&id) {
                self.requests.subscribe_again.push(interest);
            }
            let wait = self.jitter.backoff(self.config.timers.backoff, 2);
            self.deadlines.bring_forward(Timer::Subscribe, self.now.after(wait));
        }
    }

    pub(crate) fn subscribe_again(&mut self) {
        for interest in std::mem::take(&mut self.requests.subscribe_again) {
            self.subscribe(interest);
        }
    }

    pub(crate) fn on_publish_reply(&mut self, id: PublishId, reply: Result<(), Failure>) {
        let Some(mut attempt) = self.requests.publishes.remove(&id) else {
            self.fault(None, Fault::UnknownReply);
            return;
        };
        // The same bytes at the same place are no second object: repeating is always safe.
        if reply.is_err() && attempt.tries < self.config.limits.publish_tries {
            attempt.tries = attempt.tries.saturating_add(1);
            let wait = self.jitter.backoff(self.config.timers.backoff, attempt.tries);
            self.deadlines.bring_forward(Timer::Publish, self.now.after(wait));
            self.requests.publish_again.push(attempt);
        }
    }

    pub(crate) fn publish_again(&mut self) {
        for attempt in std::mem::take(&mut self.requests.publish_again) {
            self.attempt(attempt);
        }
    }

    pub(crate) fn on_fetch_reply(
        &mut self,
        id: FetchId,
        reply: Result<Vec<Object>, Failure>,
    ) -> Result<(), Error> {
        if self.requests.fetches.remove(&id).is_none() {
            self.fault(None, Fault::UnknownReply);
            return Ok(());
        }
        if let Ok(objects) = &reply {
            for object in objects {
                self.on_object(object.clone())?;
            }
        }
        match &self.state {
            State::Bootstrapping(_) => self.on_genesis_look(id, reply.err()),
            State::Member(_) => self.on_look(id),
            State::New | State::Joining(_) | State::Ended => Ok(()),
        }
    }

    pub(crate) fn on_lock_reply(
        &mut self,
        id: LockRequestId,
        reply: Result<LockReply, Failure>,
    ) -> Result<(), Error> {
        let Some(val) = self.requests.locks.remove(&id) else {
            self.fault(None, Fault::UnknownReply);
            return Ok(());
        };
        match &self.state {
            State::Bootstrapping(_) => self.on_genesis_lock(reply),
            State::Joining(_) => self.on_gate_reply(val, reply),
            State::Member(_) => self.on_slot_lock(val, reply),
            State::New | State::Ended => Ok(()),
        }
    }

    pub(crate) fn on_increment_reply(
        &mut self,
        id: IncrementRequestId,
        reply: Result<IncrementReply, Failure>,
    ) -> Result<(), Error> {
        let Some(asked) = self.requests.increments.remove(&id) else {
            self.fault(None, Fault::UnknownReply);
            return Ok(());
        };
        match &self.state {
            State::Bootstrapping(_) => self.on_genesis_increment(reply),
            State::Member(_) => self.on_slot_increment(asked, reply),
            State::New | State::Joining(_) | State::Ended => Ok(()),
        }
    }

    /// Repeats what the present phase waits for.
    pub(crate) fn on_request_timer(&mut self) {
        match &self.state {
            State::Bootstrapping(_) => self.ask_genesis(),
            State::Joining(_) => self.ask_gate(),
            State::Member(_) => self.ask_slot_again(),
            State::New | State::Ended => {}
        }
    }

    /// `retry_later` as far as it is believed, plus jitter: everyone was told the same moment.
    pub(crate) fn retry_after(&mut self, retry_later: std::time::Duration) -> std::time::Duration {
        let (shortest, longest) = self.config.timers.retry_later;
        let wait = retry_later.clamp(shortest, longest);
        wait + self.jitter.up_to(self.config.timers.turn)
    }
}
