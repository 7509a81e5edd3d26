//! The loop of a driver.
//!
//! Actions are done strictly in order, and a snapshot is durable before the next one begins. What takes a round trip
//! runs on as a task, and what it came to is an event.

use std::sync::Arc;
use std::time::Duration;

use moq_mls::keys::{EpochKeyRing, RingNotice, Silence};
use moq_mls::snapshot::Snapshot;
use moq_mls::{Action, Command, Error, Event, Failure, Notice, Participant, Phase};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::calls::{Done, Health, Pace, next, split};
use super::publishing::Publishing;
use super::subscribing::{Inbound, Subscriptions};
use super::{Record, SendEngine};
use crate::clock::Clock;
use crate::counter::CounterClient;
use crate::error::{CommandError, DriverError};
use crate::handle::{Request, Status};
use crate::media::Sign;
use crate::notices::Reporter;
use crate::options::Options;
use crate::relay::{FetchRequest, Relay, RelayError, Scope};
use crate::store::{Store, StoreError};

/// The longest sleep: the clock may leap ahead meanwhile, as after a suspend.
const NAP: Duration = Duration::from_secs(30);

/// What a driver is made of.
pub(super) struct Parts<E: SendEngine, R, C, S> {
    pub(super) participant: Participant<E>,
    pub(super) relay: Arc<R>,
    pub(super) counter: Arc<C>,
    pub(super) store: S,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) record: Option<Record>,
    pub(super) ring: EpochKeyRing,
    pub(super) keys: watch::Sender<Arc<EpochKeyRing>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) reporter: Reporter,
    pub(super) commands: mpsc::Receiver<Request>,
    pub(super) signs: mpsc::Receiver<Sign>,
    pub(super) stop: Arc<Notify>,
}

pub(super) struct Running<E: SendEngine, R, C, S> {
    parts: Parts<E, R, C, S>,
    calls: JoinSet<Done>,
    publishing: Publishing,
    subscriptions: Subscriptions,
    /// A new epoch is needed before media may be sealed again.
    wants_update: bool,
}

/// What came next.
enum Next {
    Done(Option<Done>),
    Inbound(Option<Inbound>),
    Command(Request),
    Sign(Sign),
    Time,
    Stop,
}

impl<E: SendEngine, R: Relay, C: CounterClient, S: Store> Running<E, R, C, S> {
    pub(super) fn new(parts: Parts<E, R, C, S>) -> Self {
        let subscriptions = Subscriptions::with_room(parts.options.objects);
        Self {
            parts,
            calls: JoinSet::new(),
            publishing: Publishing::default(),
            subscriptions,
            wants_update: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), DriverError> {
        let relay = self.parts.relay.clone();
        tokio::select! {
            () = relay.ready() => {}
            () = self.parts.stop.notified() => return Ok(()),
        }
        self.settle().await?;
        while self.parts.participant.phase() != Phase::Ended {
            match self.next().await? {
                Next::Done(Some(done)) => self.on_done(done)?,
                Next::Inbound(Some(inbound)) => self.on_inbound(inbound)?,
                Next::Command(Request { event, done }) => {
                    let outcome = self.command(event);
                    self.settle().await?;
                    done.send(outcome?).ok();
                }
                Next::Sign(sign) => self.on_sign(&sign),
                Next::Time => self.handle(Event::Timer)?,
                Next::Stop => break,
                Next::Done(None) | Next::Inbound(None) => {}
            }
            self.settle().await?;
        }
        self.finish().await
    }

    async fn next(&mut self) -> Result<Next, DriverError> {
        let now = self.parts.clock.now();
        let timeout = self.parts.participant.poll_timeout().map(|(at, _)| at);
        let due = timeout.into_iter().chain(self.parts.ring.poll_timeout()).min();
        let sleep = due.map_or(NAP, |at| at.since(now).min(NAP));
        Ok(tokio::select! {
            done = next(&mut self.calls) => Next::Done(done?),
            inbound = self.subscriptions.next() => Next::Inbound(inbound?),
            Some(command) = self.parts.commands.recv() => Next::Command(command),
            Some(sign) = self.parts.signs.recv() => Next::Sign(sign),
            () = tokio::time::sleep(sleep) => Next::Time,
            () = self.parts.stop.notified() => Next::Stop,
        })
    }

    /// Gives the participant an event that nobody waits for.
    fn handle(&mut self, event: Event) -> Result<(), DriverError> {
        Ok(self.give(event)?)
    }

    fn give(&mut self, event: Event) -> Result<(), Error> {
        let now = self.parts.clock.now();
        match &mut self.parts.record {
            Some(record) => record.recorder.handle(&mut self.parts.participant, now, event),
            None => self.parts.participant.handle(now, event),
        }
    }

    /// Gives the participant an event of the embedder: what does not fit is the embedder's mistake, and ends nothing.
    fn command(&mut self, event: Event) -> Result<Result<(), CommandError>, DriverError> {
        match self.give(event) {
            Ok(()) => Ok(Ok(())),
            Err(Error::Misuse(misuse)) => Ok(Err(misuse.into())),
            Err(Error::Ended) => Ok(Err(CommandError::Ended)),
            Err(other) => Err(other.into()),
        }
    }

    fn on_done(&mut self, done: Done) -> Result<(), DriverError> {
        if let Done::Published(_, track, _) = &done {
            self.publishing.done(track);
        }
        let (events, health) = done.into_events();
        self.note(health);
        events.into_iter().try_for_each(|event| self.handle(event))
    }

    fn on_inbound(&mut self, inbound: Inbound) -> Result<(), DriverError> {
        match inbound {
            Inbound::Object(object) => self.handle(Event::Object(object)),
            Inbound::Answered(id, reply) => {
                self.publishing.subscribed(id);
                let (reply, error) = split(reply);
                self.note(Health::Relay(error));
                self.handle(Event::SubscribeReply { id, reply })
            }
            Inbound::Renewed(reply) => {
                self.note(Health::Relay(reply.err()));
                Ok(())
            }
        }
    }

    fn on_sign(&mut self, sign: &Sign) {
        let now = self.parts.clock.now();
        match sign {
            Sign::Opened(sender, epoch) => self.parts.ring.seen(now, sender, *epoch),
            Sign::Unopened(key_id) => self.parts.ring.unopened(now, *key_id),
        }
    }

    /// Does all that the participant asks, and shows what it became.
    async fn settle(&mut self) -> Result<(), DriverError> {
        loop {
            while let Some(action) = self.next_action() {
                self.act(action).await?;
            }
            let now = self.parts.clock.now();
            self.parts.ring.handle_timeout(now);
            self.show_keys();
            if let Some(sign) = self.parts.ring.poll_sign() {
                self.handle(sign)?;
                continue;
            }
            if std::mem::take(&mut self.wants_update) {
                // Refused of one that is no member: its next epoch is one to seal with.
                self.command(Command::Update.into())?.ok();
                continue;
            }
            break;
        }
        if let Some(record) = &mut self.parts.record {
            record.write()?;
        }
        self.send();
        self.show()
    }

    fn next_action(&mut self) -> Option<Action> {
        match &mut self.parts.record {
            Some(record) => record.recorder.poll_action(&mut self.parts.participant),
            None => self.parts.participant.poll_action(),
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), DriverError> {
        let Options { relay_timeout, counter_timeout, backoff, .. } = self.parts.options;
        let relay_pace = Pace { timeout: relay_timeout, backoff };
        let counter_pace = Pace { timeout: counter_timeout, backoff };
        let (relay, counter) = (self.parts.relay.clone(), self.parts.counter.clone());
        match action {
            Action::Persist(snapshot) => self.persist(snapshot).await?,
            Action::Announce { namespace } => {
                let announce =
                    async move { relay_pace.repeated(u32::MAX, || relay.announce(namespace.clone())).await };
                self.calls.spawn(async move { Done::Announced(announce.await) });
            }
            Action::SubscribeNamespace { id, namespace } => {
                self.publishing.subscribing(id);
                self.subscriptions.begin(relay, id, Scope::Namespace(namespace), relay_pace);
            }
            Action::Subscribe { id, track } => {
                self.publishing.subscribing(id);
                self.subscriptions.begin(relay, id, Scope::Track(track), relay_pace);
            }
            Action::Unsubscribe { id } => {
                self.publishing.subscribed(id);
                self.subscriptions.end(id);
            }
            Action::Fetch { id, target, groups } => {
                let me = self.parts.participant.sender_id();
                let others = self.parts.participant.members().map(|member| &member.sender);
                let members = others.filter(|sender| *sender != me).cloned().collect();
                let request = FetchRequest::new(target, groups, members);
                self.calls
                    .spawn(async move { Done::Fetched(id, relay_pace.once(relay.fetch(request)).await) });
            }
            Action::Publish { id, .. } if self.publishing.waiting() >= self.parts.options.publishes => {
                self.handle(Event::PublishReply { id, reply: Err(Failure::NotSent) })?;
            }
            Action::Publish { id, object } => {
                self.publishing.push(id, object);
                self.send();
            }
            Action::Lock { id, request } => {
                let span = tracing::debug_span!("lock", slot = request.val);
                self.calls.spawn(async move {
                    Done::Locked(id, counter_pace.ask(span, counter.lock(request)).await)
                });
            }
            Action::Increment { id, request } => {
                let span = tracing::debug_span!("increment", slot = request.val);
                self.calls.spawn(async move {
                    Done::Incremented(id, counter_pace.ask(span, counter.increment(request)).await)
                });
            }
            Action::GetCommit { id, request } => {
                let span = tracing::debug_span!("commit", slot = request.val);
                self.calls.spawn(async move {
                    Done::Read(id, counter_pace.ask(span, counter.commit(request)).await)
                });
            }
            Action::Notify(notice) => self.tell(notice)?,
            other => tracing::warn!(?other, "an action that this driver does not know"),
        }
        Ok(())
    }

    async fn persist(&mut self, snapshot: Snapshot) -> Result<(), DriverError> {
        // The record first: it must not lack what a restart begins from.
        if let Some(record) = &mut self.parts.record {
            record.write()?;
        }
        let stored = tokio::time::timeout(self.parts.options.store_timeout, self.parts.store.store(snapshot));
        Ok(stored.await.unwrap_or(Err(StoreError::TimedOut))?)
    }

    /// Begins to publish what may leave.
    fn send(&mut self) {
        let Options { relay_timeout: timeout, backoff, publish_tries, .. } = self.parts.options;
        let pace = Pace { timeout, backoff };
        while let Some((id, object)) = self.publishing.next() {
            let relay = self.parts.relay.clone();
            self.calls.spawn(async move {
                let track = object.track.clone();
                let published = pace.repeated(publish_tries, || relay.publish(object.clone())).await;
                Done::Published(id, track, published)
            });
        }
    }

    /// The keys come before the notice: who reads it finds them.
    fn tell(&mut self, notice: Notice) -> Result<(), DriverError> {
        let Parts { participant, ring, clock, .. } = &mut self.parts;
        ring.on_notice(clock.now(), &notice, |epoch| participant.epoch_keys(epoch))?;
        // Its commit may have lost to one that the state held already, and the intent with it.
        self.wants_update |= matches!(notice, Notice::Epoch { .. }) && is_restored(ring);
        self.show_keys();
        self.parts.reporter.report(notice);
        Ok(())
    }

    fn show_keys(&mut self) {
        let ring = &mut self.parts.ring;
        let mut changed = false;
        while let Some(notice) = ring.poll_notice() {
            changed = true;
            self.wants_update |= matches!(notice, RingNotice::Silent { reason: Silence::Restored });
        }
        if changed {
            self.parts.keys.send_replace(Arc::new(ring.clone()));
        }
    }

    fn show(&mut self) -> Result<(), DriverError> {
        let Parts { participant, status, .. } = &self.parts;
        let shown = status.borrow();
        let (group, waits) = (participant.tracks().group(), participant.status());
        let place = (waits.phase, waits.epoch, group, waits.waits_for);
        let moved = (shown.phase, shown.epoch, &shown.group, shown.waits.waits_for) != place;
        drop(shown);
        let now = if moved { Some(Status::of(participant)?) } else { None };
        status.send_if_modified(|status| {
            if let Some(now) = now {
                let before = std::mem::replace(status, now);
                (status.counter_error, status.relay_error) = (before.counter_error, before.relay_error);
            } else {
                status.stats.clone_from(participant.stats());
            }
            moved
        });
        Ok(())
    }

    /// Shows whether the relay or the counter service works, and logs when that changes.
    fn note(&self, health: Health) {
        match health {
            Health::Relay(error) => self.parts.status.send_if_modified(|status| {
                log("the relay", status.relay_error.as_ref(), error.as_ref(), RelayError::to_string);
                std::mem::replace(&mut status.relay_error, error.clone()) != error
            }),
            Health::Counter(error) => self.parts.status.send_if_modified(|status| {
                log("the counter service", status.counter_error.as_ref(), error.as_ref(), |e| e.to_string());
                std::mem::replace(&mut status.counter_error, error.clone()) != error
            }),
        };
    }

    /// Lets go out what is being published, and closes the sessions.
    async fn finish(mut self) -> Result<(), DriverError> {
        let (relay, grace) = (self.parts.relay.clone(), self.parts.options.grace);
        let going_out = async {
            while !self.publishing.is_empty() {
                if let Some(Done::Published(_, track, _)) = next(&mut self.calls).await? {
                    self.publishing.done(&track);
                    self.send();
                }
            }
            Ok(())
        };
        let sent: Result<(), DriverError> = tokio::time::timeout(grace, going_out).await.unwrap_or(Ok(()));
        tokio::time::timeout(grace, relay.close()).await.ok();
        sent
    }
}

/// Whether the ring seals nothing since a restart.
fn is_restored(ring: &EpochKeyRing) -> bool {
    ring.sealing().err() == Some(Silence::Restored)
}

fn log<T>(what: &str, before: Option<&T>, now: Option<&T>, text: impl Fn(&T) -> String) {
    match (before, now) {
        (None, Some(error)) => tracing::warn!(error = text(error), "{what} does not answer; trying on"),
        (Some(_), None) => tracing::info!("{what} is back"),
        _ => {}
    }
}
