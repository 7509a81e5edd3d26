//! Runs one participant: its actions on the sessions, the counter and the disk, what they bring as its
//! events, and its clock.
//!
//! Actions are done strictly in order, and a snapshot is durable before the next one begins. What takes
//! a round trip (a lock, an increment, a publish) runs on, and its answer comes back as an event.

mod starting;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use moq_mls::action::{FetchId, Notice, SubscribeId};
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::{FullTrackName, TrackKind, TrackNamespace};
use moq_mls::{Action, Command, Event, Failure, Participant, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

pub use self::starting::{Surroundings, start};
use crate::clock::Clock;
use crate::commit_log::{self, CommitLog};
use crate::fetching;
use crate::handle::{Input, View};
use crate::identity::{LiveEngine, short};
use crate::journal::Journal;
use crate::link::{self, LinkEvent, Pair, Serves};
use crate::mapping::WELCOME_HELD;
use crate::media::{self, Media};
use crate::publishing::{Job, publish_track};
use crate::session::{Inbound, Session, Subscription, WireObject};

/// Longest wait for the answer to a subscription.
const PATIENCE: Duration = Duration::from_secs(5);

struct Interest {
    namespace: TrackNamespace,
    running: Option<Subscription>,
}

struct Driver<E: LiveEngine> {
    participant: Participant<E>,
    clock: Clock,
    surroundings: Surroundings,
    input: mpsc::UnboundedSender<Input>,
    view: watch::Sender<View>,
    pair: Option<Pair>,
    /// The publishing session, for the tracks' tasks.
    sessions: watch::Sender<Option<Arc<Session>>>,
    tracks: BTreeMap<FullTrackName, mpsc::UnboundedSender<Job>>,
    interests: BTreeMap<SubscribeId, Interest>,
    /// What came on commit tracks.
    commits: Arc<Mutex<CommitLog>>,
    media: Media,
    journal: Option<Journal>,
    media_every: Option<Duration>,
    media_subscription: Option<Subscription>,
    known_epoch: Option<u64>,
    joined: Option<Instant>,
}

impl<E: LiveEngine> Driver<E> {
    async fn run(mut self, inputs: mpsc::UnboundedReceiver<Input>) {
        let failure = self.live(inputs).await.err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            tracing::error!(name = self.surroundings.name, error = failure, "the participant ended");
        }
        self.view.send_modify(|view| view.failure = failure);
    }

    async fn live(&mut self, mut inputs: mpsc::UnboundedReceiver<Input>) -> Result<()> {
        let (events, mut link) = mpsc::unbounded_channel();
        let tracks = self.participant.tracks().clone();
        let me = self.participant.sender_id().clone();
        // Everything that was subscribed to, but the Welcomes of others.
        let wanted = Arc::new(
            move |track: &FullTrackName| !matches!(tracks.classify(track), Some(TrackKind::Welcome(recipient)) if recipient != me),
        );
        let commits = self.commits.clone();
        let commit_namespace = self.participant.tracks().commit_namespace();
        let serves = Serves {
            wanted,
            namespace: commit_log::track(&commit_namespace, self.participant.sender_id())?.namespace,
            archive: Arc::new(move |track, groups| log(&commits).export(track, groups)),
        };
        let keeper = tokio::spawn(link::keep(self.surroundings.relay.clone(), serves, events));
        let mut next_media = tokio::time::Instant::now();
        // Nothing is asked before there is a relay: whatever came of it could not be told.
        while self.pair.is_none() {
            match link.recv().await {
                Some(event) => self.on_link(event).await?,
                None => return Ok(()),
            }
        }
        self.settle().await?;
        loop {
            let deadline = self.participant.poll_timeout().map(|(at, _)| at);
            let deadline = deadline.into_iter().chain(self.media.poll_timeout()).min();
            let deadline = deadline.map(|at| self.clock.instant(at));
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let media = async {
                match self.media_every {
                    Some(_) => tokio::time::sleep_until(next_media).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = link.recv() => match event {
                    Some(event) => self.on_link(event).await?,
                    None => break,
                },
                input = inputs.recv() => match input {
                    Some(Input::Event(event)) => self.handle(event)?,
                    Some(Input::Command(command)) => self.command(command)?,
                    Some(Input::Media(every)) => {
                        self.media_every = every;
                        next_media = tokio::time::Instant::now();
                        self.subscribe_media().await;
                    }
                    Some(Input::Stop) | None => break,
                },
                () = timer => {
                    self.media.handle_timeout(self.clock.now())?;
                    self.handle(Event::Timer)?;
                }
                () = media => {
                    next_media += self.media_every.unwrap_or(Duration::from_secs(1));
                    self.send_media()?;
                }
            }
            self.settle().await?;
        }
        keeper.abort();
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        Ok(self.give(event)?)
    }

    fn give(&mut self, event: Event) -> Result<(), moq_mls::Error> {
        let now = self.clock.now();
        match &mut self.journal {
            Some(journal) => journal.handle(&mut self.participant, now, event),
            None => self.participant.handle(now, event),
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        match &mut self.journal {
            Some(journal) => journal.poll_action(&mut self.participant),
            None => self.participant.poll_action(),
        }
    }

    fn write_journal(&mut self) -> Result<()> {
        self.journal.as_mut().map_or(Ok(()), Journal::write)
    }

    /// A wish at the wrong moment is the user's mistake and ends nothing.
    fn command(&mut self, command: Command) -> Result<()> {
        match self.give(command.into()) {
            Err(error @ (moq_mls::Error::Misuse(_) | moq_mls::Error::Ended)) => {
                tracing::warn!(name = self.surroundings.name, %error, "not done");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    async fn on_link(&mut self, event: LinkEvent) -> Result<()> {
        match event {
            LinkEvent::Up(pair) => {
                for interest in self.interests.values_mut() {
                    interest.running = subscribe(&pair.subscriber, &interest.namespace).await.ok();
                }
                self.sessions.send_replace(Some(pair.publisher.clone()));
                self.pair = Some(pair);
                self.media_subscription = None;
                self.subscribe_media().await;
            }
            LinkEvent::Down => {
                self.pair = None;
                self.sessions.send_replace(None);
            }
            LinkEvent::Inbound(Inbound::Object(object)) => self.on_object(object)?,
            LinkEvent::Inbound(Inbound::Closed(reason)) => {
                tracing::debug!(name = self.surroundings.name, reason, "session closed");
            }
        }
        Ok(())
    }

    fn on_object(&mut self, wire: WireObject) -> Result<()> {
        match self.participant.tracks().classify(&wire.object.track) {
            None => self.media.receive(self.clock.now(), wire),
            Some(kind) => {
                let object = wire.object;
                if matches!(kind, TrackKind::Commit(_)) {
                    log(&self.commits).note(&object);
                }
                self.handle(Event::Object(object))
            }
        }
    }

    /// Does all that the participant asks, and shows what it became.
    async fn settle(&mut self) -> Result<()> {
        while let Some(action) = self.next_action() {
            if let Action::Notify(notice) = &action {
                self.media.on_notice(self.clock.now(), &self.participant, notice)?;
            }
            self.act(action).await?;
        }
        self.write_journal()?;
        if self.participant.epoch() != self.known_epoch {
            self.known_epoch = self.participant.epoch();
            self.show_epoch()?;
        }
        self.show();
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Persist(snapshot) => self.persist(snapshot).await?,
            // PUBLISH says so for each track.
            Action::Announce { .. } => {}
            Action::SubscribeNamespace { id, namespace } => self.subscribe(id, namespace).await?,
            Action::Subscribe { id, track } => match self.participant.tracks().classify(&track) {
                Some(TrackKind::Welcome(_)) => self.subscribe(id, track.namespace).await?,
                // The Commit namespace's subscription brings one's own track too.
                _ => self.handle(Event::SubscribeReply { id, reply: Ok(()) })?,
            },
            Action::Unsubscribe { id } => drop(self.interests.remove(&id)),
            Action::Fetch { id, track, groups } => self.fetch(id, track, groups)?,
            Action::Publish { id, object } => {
                let done = self.publish(object.into());
                let input = self.input.clone();
                tokio::spawn(async move {
                    // Dropped: the track's task is gone, with the object unsent or not.
                    let reply = done.await.map_err(|_| Failure::Unknown);
                    input.send(Input::Event(Event::PublishReply { id, reply })).ok();
                });
            }
            Action::Lock { id, request } => {
                let (client, input) = (self.surroundings.counter.clone(), self.input.clone());
                tokio::task::spawn_blocking(move || {
                    let reply = client.lock(&request);
                    input.send(Input::Event(Event::LockReply { id, reply })).ok();
                });
            }
            Action::Increment { id, request } => {
                let (client, input) = (self.surroundings.counter.clone(), self.input.clone());
                tokio::task::spawn_blocking(move || {
                    let reply = client.increment(&request);
                    input.send(Input::Event(Event::IncrementReply { id, reply })).ok();
                });
            }
            Action::GetCommit { id, request } => {
                let (client, input) = (self.surroundings.counter.clone(), self.input.clone());
                tokio::task::spawn_blocking(move || {
                    let reply = client.commit(&request);
                    input.send(Input::Event(Event::CommitReply { id, reply })).ok();
                });
            }
            Action::Notify(notice) => self.tell(notice),
            other => tracing::warn!(?other, "an action that this driver does not know"),
        }
        Ok(())
    }

    fn fetch(&mut self, id: FetchId, track: FullTrackName, groups: RangeInclusive<u64>) -> Result<()> {
        let kind = self.participant.tracks().classify(&track);
        let of_commits = !matches!(kind, Some(TrackKind::Tree(_) | TrackKind::KeyPackage(_)));
        // The look before a commit: the subscription has brought what there is.
        if of_commits && groups.start() == groups.end() {
            let objects = log(&self.commits).seen(groups);
            return self.handle(Event::FetchReply { id, reply: Ok(objects) });
        }
        let (relay, input) = (self.surroundings.relay.clone(), self.input.clone());
        let session = self.pair.as_ref().map(|pair| pair.subscriber.clone());
        let me = self.participant.sender_id();
        let others = self.participant.members().map(|m| m.sender.clone()).filter(|m| m != me).collect();
        tokio::spawn(async move {
            let found = match kind {
                Some(TrackKind::Tree(_)) => fetching::tree(relay, track, *groups.start()).await,
                Some(TrackKind::KeyPackage(_)) => fetching::track(relay, track).await,
                _ => fetching::commits(relay, session, track.namespace, groups, others).await,
            };
            let reply = found.map_err(|error| {
                tracing::debug!(error = format!("{error:#}"), "fetch");
                Failure::NotSent
            });
            input.send(Input::Event(Event::FetchReply { id, reply })).ok();
        });
        Ok(())
    }

    async fn persist(&mut self, snapshot: Snapshot) -> Result<()> {
        // The log first: it must not lack what a restart begins from.
        self.write_journal()?;
        if let Some(dir) = self.surroundings.state.clone() {
            tokio::task::spawn_blocking(move || dir.store(&snapshot)).await??;
        }
        Ok(())
    }

    async fn subscribe(&mut self, id: SubscribeId, namespace: TrackNamespace) -> Result<()> {
        let mut interest = Interest { namespace, running: None };
        // Without a session it will be subscribed to with the next one.
        if let Some(pair) = &self.pair {
            match subscribe(&pair.subscriber, &interest.namespace).await {
                Ok(running) => interest.running = Some(running),
                Err(error) => {
                    tracing::warn!(
                        name = self.surroundings.name,
                        error = format!("{error:#}"),
                        "subscription"
                    );
                    return self.handle(Event::SubscribeReply { id, reply: Err(Failure::Unknown) });
                }
            }
        }
        self.interests.insert(id, interest);
        self.handle(Event::SubscribeReply { id, reply: Ok(()) })
    }

    fn publish(&mut self, object: WireObject) -> oneshot::Receiver<()> {
        let (done, waits) = oneshot::channel();
        let track = object.object.track.clone();
        let mut job = Job { object, done };
        if let Some(jobs) = self.tracks.get(&track) {
            match jobs.send(job) {
                Ok(()) => return waits,
                Err(failed) => job = failed.0,
            }
        }
        let welcome = matches!(self.participant.tracks().classify(&track), Some(TrackKind::Welcome(_)));
        let hold = welcome.then_some(WELCOME_HELD);
        let (jobs, queue) = mpsc::unbounded_channel();
        jobs.send(job).ok();
        tokio::spawn(publish_track(track.clone(), self.sessions.subscribe(), queue, hold));
        self.tracks.insert(track, jobs);
        waits
    }

    fn tell(&mut self, notice: Notice) {
        let name = &self.surroundings.name;
        match &notice {
            Notice::Joined { .. } => self.joined = Some(Instant::now()),
            Notice::PeerFault { from, fault } => {
                tracing::debug!(
                    name,
                    from = from.as_ref().map(|f| short(f).to_string()),
                    ?fault,
                    "peer fault"
                );
            }
            _ => {}
        }
        if let Some(news) = &self.surroundings.news {
            news.send((name.clone(), notice)).ok();
        }
    }

    async fn subscribe_media(&mut self) {
        let Ok(namespace) = media::namespace(&self.participant.config().group) else { return };
        if let (Some(pair), None, Some(_)) = (&self.pair, &self.media_subscription, self.media_every) {
            self.media_subscription = subscribe(&pair.subscriber, &namespace).await.ok();
        }
    }

    fn send_media(&mut self) -> Result<()> {
        let now = self.clock.now();
        if let Some(object) = self.media.seal(now, &self.surroundings.name)? {
            drop(self.publish(object));
        }
        Ok(())
    }

    fn show_epoch(&mut self) -> Result<()> {
        let group = self.participant.config().group.as_bytes().clone();
        let probe = FullTrackName { namespace: TrackNamespace::new(vec![group])?, name: "probe".into() };
        let (authenticator, key) = match self.participant.epoch() {
            Some(_) => {
                let key = self.participant.track_base_key(&probe)?.key;
                let key = Bytes::copy_from_slice(key.as_bytes());
                (Some(self.participant.epoch_authenticator()?), Some(key))
            }
            None => (None, None),
        };
        let name = |m: &moq_mls::engine::Member| String::from_utf8_lossy(&m.identity).into_owned();
        let roster = self.participant.members().map(|m| (m.sender.clone(), name(m))).collect();
        self.view.send_modify(|view| {
            view.roster = roster;
            view.authenticator = authenticator;
            view.probe_key = key;
        });
        Ok(())
    }

    fn show(&self) {
        self.view.send_modify(|view| {
            view.phase = Some(self.participant.phase());
            view.epoch = self.participant.epoch();
            view.members = self.participant.members().count();
            view.joined = self.joined;
            view.stats = self.participant.stats().clone();
            if self.media_subscription.is_some() {
                view.received = self.media.received().clone();
            }
            view.waiting = self.media.waiting();
            view.last_sent = self.media.last_sent();
            view.went.clone_from(self.media.went());
        });
    }
}

async fn subscribe(session: &Session, namespace: &TrackNamespace) -> Result<Subscription> {
    tokio::time::timeout(PATIENCE, session.subscribe_tracks(namespace)).await.context("no answer")?
}

fn log(commits: &Mutex<CommitLog>) -> MutexGuard<'_, CommitLog> {
    commits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now, by the wall: for names that must differ between runs.
pub fn now() -> Timestamp {
    Clock::new().now()
}
