//! Asking the counter and the relay, and repeating what may not have been done.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

use crate::action::{Action, FetchTarget, Timer};
use crate::counter::{CommitRequest, IncrementRequest, LockRequest};
use crate::engine::Engine;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::pins::Increment;
use crate::participant::requests::{Attempt, FetchPurpose, IncrementPurpose, Interest, LockPurpose};
use crate::request::{
    CommitRequestId, Failure, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId,
};
use crate::tracks::{CommitTrackPolicy, FullTrackName, Location, Object};

impl<E: Engine> Context<E> {
    pub(crate) fn ask_lock(&mut self, purpose: LockPurpose) {
        if self.waits_to_ask(purpose) {
            return;
        }
        let id = LockRequestId(self.requests.id());
        self.requests.locks.insert(id, purpose);
        self.stats.lock_requests = self.stats.lock_requests.saturating_add(1);
        let request = LockRequest { counter: self.config.group.clone(), val: purpose.value() };
        self.ask_service(Action::Lock { id, request });
    }

    /// Asks for an increment. Without pins and slots it says what the draft says and no more, but for the
    /// lock token of a service that gave one.
    pub(crate) fn ask_increment(&mut self, purpose: IncrementPurpose, with: Increment) {
        let id = IncrementRequestId(self.requests.id());
        let (slot, pin) = purpose.slot();
        self.requests.increments.insert(id, purpose);
        self.stats.increment_requests = self.stats.increment_requests.saturating_add(1);
        let Increment { prev, lock_id, key, commit } = with;
        let pins = self.rules.pins;
        let request = IncrementRequest {
            counter: self.config.group.clone(),
            val: self.rules.names_slot.then_some(slot),
            lock_id,
            prev: prev.filter(|_| pins),
            pin: pins.then_some(pin),
            key: key.filter(|_| pins),
            commit: commit.filter(|_| pins),
        };
        let request = Action::Increment { id, request };
        if pins {
            self.ask_service(request);
        } else {
            // The lock would lapse meanwhile, and another member fill the slot.
            self.actions.push_back(request);
        }
    }

    /// Asks the service which commit filled a slot: it takes no lock.
    pub(crate) fn ask_commit(&mut self, slot: u64) {
        if self.requests.commits.values().any(|asked| *asked == slot) {
            return;
        }
        let id = CommitRequestId(self.requests.id());
        self.requests.commits.insert(id, slot);
        self.stats.commit_requests = self.stats.commit_requests.saturating_add(1);
        let request = CommitRequest { counter: self.config.group.clone(), val: slot };
        self.ask_service(Action::GetCommit { id, request });
    }

    pub(crate) fn fetch(
        &mut self,
        purpose: FetchPurpose,
        target: FetchTarget,
        groups: RangeInclusive<u64>,
    ) -> FetchId {
        let id = FetchId(self.requests.id());
        self.requests.fetches.insert(id, purpose);
        self.actions.push_back(Action::Fetch { id, target, groups });
        id
    }

    /// Fetches MOQT groups of the Commit track, or of every member's.
    pub(crate) fn fetch_commits(&mut self, purpose: FetchPurpose, groups: RangeInclusive<u64>) -> FetchId {
        let target = match self.tracks.policy() {
            CommitTrackPolicy::Shared => FetchTarget::Track(self.tracks.commit(&self.me)),
            CommitTrackPolicy::PerSender => FetchTarget::Namespace(self.tracks.commit_namespace()),
        };
        self.fetch(purpose, target, groups)
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

    /// Ends every subscription: there is nothing to hear any more under these names.
    pub(crate) fn unsubscribe_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.requests.subscriptions) {
            self.actions.push_back(Action::Unsubscribe { id });
        }
        self.requests.subscribe_again.clear();
        self.requests.publish_again.clear();
        self.pause.clear();
    }

    pub(crate) fn on_subscribe_reply(&mut self, id: SubscribeId, reply: Result<(), Failure>) {
        if self.requests.is_abandoned(id.0) {
            return;
        }
        if !self.requests.subscriptions.contains_key(&id) {
            self.fault(None, Fault::UnknownReply);
        } else if reply.is_err() {
            if let Some(interest) = self.requests.subscriptions.remove(&id) {
                self.requests.subscribe_again.push(interest);
            }
            let wait = self.backoff(2);
            self.bring_forward(Timer::Subscribe, wait);
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
            let wait = self.backoff(attempt.tries);
            self.bring_forward(Timer::Publish, wait);
            self.requests.publish_again.push(attempt);
        }
    }

    pub(crate) fn publish_again(&mut self) {
        for attempt in std::mem::take(&mut self.requests.publish_again) {
            self.attempt(attempt);
        }
    }

    /// Asks nothing of the service for so long. It is believed no further than a `retry_later` is.
    pub(crate) fn spare_service(&mut self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let until = self.now.after(self.retry_after(wait));
        let until = self.pause.until.map_or(until, |at| at.max(until));
        self.pause.until = Some(until);
        self.deadlines.set(Timer::Service, until);
    }

    /// Sends a request to the service, now or when its pause is over.
    pub(crate) fn ask_service(&mut self, request: Action) {
        if self.pause.until.is_some() {
            self.pause.held.push(request);
        } else {
            self.actions.push_back(request);
        }
    }

    /// Returns whether the same question waits already. Its answer will do for both.
    pub(crate) fn waits_to_ask(&self, purpose: LockPurpose) -> bool {
        self.pause.held.iter().any(
            |held| matches!(held, Action::Lock { id, .. } if self.requests.locks.get(id) == Some(&purpose)),
        )
    }

    /// The pause is over.
    pub(crate) fn end_pause(&mut self) {
        self.pause.until = None;
        self.actions.extend(self.pause.held.drain(..));
    }
}
