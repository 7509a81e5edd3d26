//! A participant and nothing else, for what is timed to the microsecond: the simulated world's queue, relay and
//! counter service would take a tenth of what creating a group does.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use moq_mls::counter::{CounterState, IncrementReply, LockReply, Pin};
use moq_mls::engine::Engine;
use moq_mls::tracks::TrackKind;
use moq_mls::{Action, Config, Event, Object, Participant, Timestamp};

/// A participant and the answers it gets.
pub struct Seat<E: Engine> {
    pub machine: Participant<E>,
    pub now: Timestamp,
    /// What the counter says to a lock: `None` while the asked slot is free.
    pub used: Option<CounterState>,
    /// What was published and is not taken yet.
    pub published: VecDeque<Object>,
    /// What fetches find.
    pub relay: Vec<Object>,
}

impl<E: Engine> Seat<E> {
    pub fn new(engine: E, config: Config, now: Timestamp) -> Self {
        Self {
            machine: Participant::new(engine, config, now).unwrap(),
            now,
            used: None,
            published: VecDeque::new(),
            relay: Vec::new(),
        }
    }

    pub fn handle(&mut self, event: impl Into<Event>) {
        self.machine.handle(self.now, event).unwrap();
        self.drive();
    }

    /// Does all actions, each answered before the next.
    pub fn drive(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            let now = self.now;
            match action {
                Action::Persist(snapshot) => {
                    black_box(snapshot);
                }
                Action::Publish { id, object } => {
                    self.machine.handle(now, Event::PublishReply { id, reply: Ok(()) }).unwrap();
                    let kind = self.machine.tracks().classify(&object.track);
                    self.published.push_back(object.clone());
                    if matches!(kind, Some(TrackKind::Commit(_))) {
                        self.machine.handle(now, Event::Object(object)).unwrap();
                    }
                }
                Action::SubscribeNamespace { id, .. } | Action::Subscribe { id, .. } => {
                    self.machine.handle(now, Event::SubscribeReply { id, reply: Ok(()) }).unwrap();
                }
                Action::Fetch { id, target, groups } => {
                    let wanted =
                        |o: &&Object| target.covers(&o.track) && groups.contains(&o.location.group_id);
                    let objects = self.relay.iter().filter(wanted).cloned().collect();
                    self.machine.handle(now, Event::FetchReply { id, reply: Ok(objects) }).unwrap();
                }
                Action::Lock { id, .. } => {
                    let reply = match &self.used {
                        Some(state) => LockReply::CounterError(state.clone()),
                        None => LockReply::Ok { lock_id: None, expires_in: Duration::from_secs(1) },
                    };
                    self.machine.handle(now, Event::LockReply { id, reply: Ok(reply) }).unwrap();
                }
                Action::Increment { id, request } => {
                    let reply = IncrementReply::Ok(state(request.val.unwrap() + 1, request.pin));
                    self.machine.handle(now, Event::IncrementReply { id, reply: Ok(reply) }).unwrap();
                }
                _ => {}
            }
        }
    }

    /// Lets time pass until the epoch is `epoch`.
    pub fn run_to(&mut self, epoch: u64) {
        for _ in 0..1000 {
            if self.machine.epoch() == Some(epoch) {
                return;
            }
            let (at, _) = self.machine.poll_timeout().expect("something to wait for");
            self.now = self.now.max(at);
            self.handle(Event::Timer);
        }
        panic!("epoch {epoch} never came");
    }

    /// The first published object of a kind; those before it are dropped.
    pub fn take(&mut self, wanted: impl Fn(&TrackKind) -> bool) -> Object {
        while let Some(object) = self.published.pop_front() {
            if self.machine.tracks().classify(&object.track).is_some_and(|kind| wanted(&kind)) {
                return object;
            }
        }
        panic!("no such object was published");
    }
}

pub fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}
