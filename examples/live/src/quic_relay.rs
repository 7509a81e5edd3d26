//! The relay as the driver takes it, over QUIC sessions that come back when they are lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use moq_mls::Object;
use moq_mls::action::FetchTarget;
use moq_mls::tracks::{FullTrackName, GroupName, GroupTracks, SenderId, TrackKind, TrackNamespace};
use moq_mls_tokio::{FetchRequest, Relay, RelayError, Scope};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::commit_log::{self, CommitLog};
use crate::fetching;
use crate::link::{self, Link, RelayAddress, Serves};
use crate::mapping::{self, COMMIT_TRACKS, WELCOME_HELD, kind};
use crate::publishing::{Job, publish_track};
use crate::session::WireObject;

/// Objects that wait for a subscriber.
const ROOM: usize = 1024;

/// Objects of one track that wait to be written.
const JOBS: usize = 1024;

/// Too many objects of a track wait to be written: the relay is away, or too slow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{JOBS} objects of {track} wait to be written already")]
pub struct Overload {
    /// The track.
    pub track: FullTrackName,
}

/// What a participant and its media use of a relay. Clones are the same sessions, which end with the last of them.
#[derive(Clone)]
pub struct QuicRelay(Arc<Shared>);

struct Shared {
    address: RelayAddress,
    me: SenderId,
    links: watch::Receiver<Option<Link>>,
    tracks: Mutex<BTreeMap<FullTrackName, mpsc::Sender<Job>>>,
    inbound: Arc<Taken>,
    /// Of what this member missed.
    tries: Mutex<fetching::Tries>,
    tasks: [AbortHandle; 2],
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Where objects go that come in.
#[derive(Default)]
struct Taken {
    subscribers: Mutex<Vec<(Scope, mpsc::Sender<WireObject>)>>,
    /// What came on commit tracks.
    commits: Mutex<CommitLog>,
}

impl QuicRelay {
    /// Connects, and goes on for as long as it is held: for the member `me` of `group`.
    pub fn connect(address: RelayAddress, group: &GroupName, me: &SenderId) -> Result<Self> {
        let tracks = GroupTracks::new(group.clone(), COMMIT_TRACKS);
        let inbound = Arc::<Taken>::default();
        let seen = inbound.clone();
        let serves = Serves {
            namespace: commit_log::track(&tracks.commit_namespace(), me)?.namespace,
            archive: Arc::new(move |track, groups| lock(&seen.commits).export(track, groups)),
        };
        let (to, mut from) = mpsc::channel::<WireObject>(ROOM);
        let (up, links) = watch::channel(None);
        let taken = inbound.clone();
        let keeper = tokio::spawn(link::keep(address.clone(), serves, up, to)).abort_handle();
        let reader = tokio::spawn(async move {
            while let Some(object) = from.recv().await {
                taken.give(object).await;
            }
        });
        let tasks = [keeper, reader.abort_handle()];
        Ok(Self(Arc::new(Shared {
            address,
            me: me.clone(),
            links,
            tracks: Mutex::default(),
            inbound,
            tries: Mutex::default(),
            tasks,
        })))
    }

    /// Publishes an object; returns when it was written to a session.
    ///
    /// # Errors
    /// [`RelayError`] if it was not, or perhaps not.
    pub async fn send(&self, object: WireObject) -> Result<(), RelayError> {
        let (done, written) = oneshot::channel();
        self.queue(Job { object, done }).map_err(RelayError::not_sent)?;
        // Dropped: the track's task is gone, with the object unsent or not.
        written.await.map_err(|_| RelayError::unknown("the track's task is gone"))
    }

    /// The same for an object that nobody waits for.
    ///
    /// # Errors
    /// [`Overload`]; the object is gone.
    pub fn send_later(&self, object: WireObject) -> Result<(), Overload> {
        let (done, written) = oneshot::channel();
        self.queue(Job { object, done })?;
        tokio::spawn(written);
        Ok(())
    }

    fn queue(&self, mut job: Job) -> Result<(), Overload> {
        let track = job.object.object.track.clone();
        let mut tracks = lock(&self.0.tracks);
        if let Some(jobs) = tracks.get(&track) {
            match jobs.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => return Err(Overload { track }),
                Err(TrySendError::Closed(unsent)) => job = unsent,
            }
        }
        let hold = matches!(kind(&track), Some(TrackKind::Welcome(_))).then_some(WELCOME_HELD);
        let (jobs, queue) = mpsc::channel(JOBS);
        jobs.try_send(job).ok();
        tokio::spawn(publish_track(track.clone(), self.0.links.clone(), queue, hold));
        tracks.insert(track, jobs);
        Ok(())
    }

    /// Ends the tracks of the own KeyPackages, which nobody needs once their owner is in: a relay offers a session only so
    /// many tracks. What is published there later begins the track again.
    pub fn end_key_packages(&self) {
        lock(&self.0.tracks).retain(|track, _| !matches!(kind(track), Some(TrackKind::KeyPackage(_))));
    }

    async fn link(&self) -> Result<Link, RelayError> {
        let mut links = self.0.links.clone();
        let up = links.wait_for(Option::is_some).await.map_err(RelayError::not_sent)?;
        up.clone().ok_or_else(|| RelayError::not_sent("no session"))
    }

    /// Subscribes to objects as they are on the wire.
    pub async fn take(&self, scope: Scope) -> Result<mpsc::Receiver<WireObject>, RelayError> {
        let prefix = mapping::prefix(&scope).map_err(RelayError::not_sent)?;
        let link = self.link().await?;
        let (to, from) = mpsc::channel(ROOM);
        // Objects may come before the answer.
        self.0.inbound.add(scope.clone(), to.clone());
        // The Commit namespace's subscription brings the own Commit track too.
        let alone =
            matches!(&scope, Scope::Track(track) if matches!(kind(track), Some(TrackKind::Commit(_))));
        let subscription = match alone {
            true => None,
            false => Some(link.subscribe(&prefix).await),
        };
        let subscription = subscription.transpose().map_err(|e| RelayError::unknown(format!("{e:#}")))?;
        let (mut links, inbound) = (self.0.links.clone(), self.0.inbound.clone());
        tokio::spawn(async move {
            let same = |now: &Option<Link>| {
                now.as_ref().is_some_and(|now| Arc::ptr_eq(&now.subscriber, &link.subscriber))
            };
            let mut subscription = subscription;
            let ended = async {
                match &mut subscription {
                    Some(subscription) => subscription.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = to.closed() => {}
                _ = links.wait_for(|now| !same(now)) => {}
                () = ended => {}
            }
            drop(subscription);
            inbound.end(&to);
        });
        Ok(from)
    }
}

impl Taken {
    fn add(&self, scope: Scope, to: mpsc::Sender<WireObject>) {
        lock(&self.subscribers).push((scope, to));
    }

    fn end(&self, gone: &mpsc::Sender<WireObject>) {
        lock(&self.subscribers).retain(|(_, to)| !to.same_channel(gone) && !to.is_closed());
    }

    /// Gives an object to the first that wants it: prefixes overlap by the own Commit track alone.
    async fn give(&self, wire: WireObject) {
        let track = &wire.object.track;
        if matches!(kind(track), Some(TrackKind::Commit(_))) {
            lock(&self.commits).note(&wire.object);
        }
        let wants = |(scope, to): &&(Scope, mpsc::Sender<_>)| scope.contains(track) && !to.is_closed();
        let to = lock(&self.subscribers).iter().find(wants).map(|(_, to)| to.clone());
        if let Some(to) = to {
            to.send(wire).await.ok();
        }
    }
}

impl Relay for QuicRelay {
    async fn ready(&self) {
        self.link().await.ok();
    }

    async fn publish(&self, object: Object) -> Result<(), RelayError> {
        self.send(object.into()).await
    }

    async fn subscribe(&self, scope: Scope) -> Result<mpsc::Receiver<Object>, RelayError> {
        let mut wire = self.take(scope).await?;
        let (to, from) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    object = wire.recv() => match object {
                        Some(wire) => if to.send(wire.object).await.is_err() { return },
                        None => return,
                    },
                    () = to.closed() => return,
                }
            }
        });
        Ok(from)
    }

    async fn fetch(&self, request: FetchRequest) -> Result<Vec<Object>, RelayError> {
        let FetchRequest { target, groups, mut members, .. } = request;
        let address = self.0.address.clone();
        let kind = match &target {
            FetchTarget::Track(track) => kind(track),
            FetchTarget::Namespace(_) => None,
        };
        let found = match (target, kind) {
            (FetchTarget::Track(track), Some(TrackKind::Tree(_))) => {
                fetching::tree(address, &track, *groups.start()).await
            }
            (FetchTarget::Track(track), Some(TrackKind::KeyPackage(_))) => {
                fetching::track(address, &track).await
            }
            // The look before a commit: the subscription has brought what there is.
            _ if groups.start() == groups.end() => return Ok(lock(&self.0.inbound.commits).seen(groups)),
            (commits, _) => {
                let session = self.0.links.borrow().as_ref().map(|link| link.subscriber.clone());
                // In a large group not all begin with the same member.
                let first = usize::from(self.0.me.as_bytes().last().copied().unwrap_or_default());
                let at = first.checked_rem(members.len()).unwrap_or_default();
                members.rotate_left(at);
                let tries = lock(&self.0.tries).next(commits.namespace(), *groups.start());
                fetching::commits(address, session, commits.namespace().clone(), groups, &members, tries)
                    .await
            }
        };
        found.map_err(|error| RelayError::not_sent(format!("{error:#}")))
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a subscription for as long as the receiver is held: objects of `namespace`, as they are on the wire.
pub fn keep(relay: QuicRelay, namespace: TrackNamespace) -> mpsc::Receiver<WireObject> {
    let (to, from) = mpsc::channel(ROOM);
    tokio::spawn(async move {
        let subscribing = async {
            loop {
                match relay.take(Scope::Namespace(namespace.clone())).await {
                    Ok(mut objects) => {
                        while let Some(object) = objects.recv().await {
                            to.send(object).await.ok();
                        }
                    }
                    Err(error) => tracing::debug!(%error, "subscription"),
                }
                tokio::time::sleep(link::AGAIN.0).await;
            }
        };
        tokio::select! {
            () = subscribing => {}
            () = to.closed() => {}
        }
    });
    from
}
