//! The connection with a relay: two sessions, one to publish and one to subscribe, made again when lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::session::{self, Inbound, Session, Wanted};

/// Between two tries: from, to.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
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

/// Keeps a pair of sessions up for as long as somebody listens to `events`.
pub async fn keep(relay: RelayAddress, wanted: Wanted, events: mpsc::UnboundedSender<LinkEvent>) {
    let mut wait = AGAIN.0;
    let mut complained = false;
    while !events.is_closed() {
        match tokio::time::timeout(PATIENCE, connect(&relay, &wanted, &events)).await {
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

async fn connect(
    relay: &RelayAddress,
    wanted: &Wanted,
    events: &mpsc::UnboundedSender<LinkEvent>,
) -> Result<Pair> {
    let (address, name) = relay.resolve().await?;
    let endpoint = session::endpoint(&relay.roots)?;
    let session = |wanted: Wanted| {
        Session::connect(&endpoint, address, &name, wanted, events.clone(), LinkEvent::Inbound)
    };
    let publisher = session(Arc::new(|_: &FullTrackName| false)).await?;
    let subscriber = session(wanted.clone()).await?;
    Ok(Pair { publisher: Arc::new(publisher), subscriber: Arc::new(subscriber) })
}

/// What the relay still has under `namespace`, read by a session of its own.
pub async fn look(relay: RelayAddress, namespace: TrackNamespace) -> Result<Vec<moq_mls::Object>> {
    let (address, name) = relay.resolve().await?;
    let endpoint = session::endpoint(&relay.roots)?;
    let (events, mut inbound) = mpsc::unbounded_channel();
    let all: Wanted = Arc::new(|_: &FullTrackName| true);
    let connecting = Session::connect(&endpoint, address, &name, all, events, |i| i);
    let session = tokio::time::timeout(PATIENCE, connecting).await.context("no answer")??;
    let _subscription = session.subscribe_tracks(&namespace).await?;
    let mut objects = Vec::new();
    while let Ok(Some(Inbound::Object(object))) = tokio::time::timeout(QUIET, inbound.recv()).await {
        objects.push(object);
    }
    Ok(objects)
}
