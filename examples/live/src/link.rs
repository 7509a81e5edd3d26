//! The connection with a relay: two sessions, one to publish and one to subscribe, made again when lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::Object;
use moq_mls::tracks::TrackNamespace;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::session::{self, Accepts, Archive, Inbound, Session, Subscription, Wanted};

/// Between two tries: from, to.
pub const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Longest wait for a handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// A session that looks for missing objects is content once nothing has come for this long.
const QUIET: Duration = Duration::from_millis(250);

/// Where the relay is and whom to believe.
#[derive(Clone)]
pub struct RelayAddress {
    /// Host and port, looked up anew for each try.
    pub host: String,
    /// The certificates to trust.
    pub roots: Vec<CertificateDer<'static>>,
}

impl RelayAddress {
    async fn resolve(&self) -> Result<(SocketAddr, String)> {
        let mut addresses = tokio::net::lookup_host(&self.host)
            .await
            .with_context(|| format!("no address for {}", self.host))?;
        let address = addresses.next().with_context(|| format!("no address for {}", self.host))?;
        let name = self.host.rsplit_once(':').map_or(&*self.host, |(name, _)| name);
        Ok((address, name.trim_matches(['[', ']']).to_owned()))
    }
}

/// Both sessions.
#[derive(Clone)]
pub struct Pair {
    /// Publishes.
    pub publisher: Arc<Session>,
    /// Subscribes; the relay does not echo within a session.
    pub subscriber: Arc<Session>,
}

/// What a link tells.
pub enum LinkEvent {
    /// There are sessions.
    Up(Pair),
    /// There are none.
    Down,
    /// Something came.
    Inbound(Inbound),
}

/// What a link serves besides.
#[derive(Clone)]
pub struct Serves {
    /// The tracks that are taken.
    pub wanted: Wanted,
    /// The namespace whose objects are given to those who FETCH.
    pub namespace: TrackNamespace,
    /// Those objects.
    pub archive: Archive,
}

/// Keeps a pair of sessions up for as long as `events` has a receiver.
pub async fn keep(relay: RelayAddress, serves: Serves, events: mpsc::UnboundedSender<LinkEvent>) {
    let mut wait = AGAIN.0;
    let mut complained = false;
    while !events.is_closed() {
        match tokio::time::timeout(PATIENCE, connect(&relay, &serves, &events)).await {
            Ok(Ok(pair)) => {
                if complained {
                    tracing::info!(relay = relay.host, "the relay is back");
                }
                (wait, complained) = (AGAIN.0, false);
                if events.send(LinkEvent::Up(pair.clone())).is_err() {
                    return;
                }
                tokio::select! {
                    () = pair.publisher.closed() => {}
                    () = pair.subscriber.closed() => {}
                    () = events.closed() => return,
                    () = hold_namespace(&pair.publisher, &serves.namespace) => {}
                }
                tracing::warn!(relay = relay.host, "the relay is gone; connecting again");
                events.send(LinkEvent::Down).ok();
            }
            failed => {
                let error = match failed {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => "no answer".to_owned(),
                };
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(relay = relay.host, error, "no connection with the relay; trying on");
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(AGAIN.1);
            }
        }
    }
}

/// Holds the namespace as long as the session lasts. Another session of ours may have it still, for some seconds.
async fn hold_namespace(publisher: &Session, namespace: &TrackNamespace) {
    loop {
        match publisher.publish_namespace(namespace).await {
            Ok(_held) => std::future::pending().await,
            Err(error) => tracing::debug!(%error, "namespace"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn connect(
    relay: &RelayAddress,
    serves: &Serves,
    events: &mpsc::UnboundedSender<LinkEvent>,
) -> Result<Pair> {
    let (address, name) = relay.resolve().await?;
    let endpoint = session::endpoint(&relay.roots)?;
    let session = |accepts: Accepts| {
        Session::connect(&endpoint, address, &name, accepts, events.clone(), LinkEvent::Inbound)
    };
    let fetches = serves.archive.clone();
    let publisher = session(Accepts { fetches, ..Accepts::nothing() }).await?;
    let subscriber = session(Accepts { tracks: serves.wanted.clone(), ..Accepts::nothing() }).await?;
    Ok(Pair { publisher: Arc::new(publisher), subscriber: Arc::new(subscriber) })
}

/// Subscribes to a namespace, and does not wait for ever.
pub async fn subscribe(session: &Session, namespace: &TrackNamespace) -> Result<Subscription> {
    tokio::time::timeout(PATIENCE, session.subscribe_tracks(namespace)).await.context("no answer")?
}

/// What the relay still has under `namespace`, of tracks that are `wanted`, read by a session of its own:
/// until nothing more comes, or `enough` is satisfied.
pub async fn look(
    relay: RelayAddress,
    namespace: &TrackNamespace,
    wanted: Wanted,
    enough: impl Fn(&Object) -> bool,
) -> Result<Vec<Object>> {
    let (address, name) = relay.resolve().await?;
    let endpoint = session::endpoint(&relay.roots)?;
    let (events, mut inbound) = mpsc::unbounded_channel();
    let accepts = Accepts { tracks: wanted, ..Accepts::nothing() };
    let connecting = Session::connect(&endpoint, address, &name, accepts, events, |i| i);
    let session = tokio::time::timeout(PATIENCE, connecting).await.context("no answer")??;
    let _subscription = subscribe(&session, namespace).await?;
    let mut objects = Vec::new();
    while let Ok(Some(Inbound::Object(wire))) = tokio::time::timeout(QUIET, inbound.recv()).await {
        objects.push(wire.object);
        if objects.last().is_some_and(&enough) {
            break;
        }
    }
    Ok(objects)
}
