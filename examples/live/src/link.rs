//! The connection with a relay: one session to publish and two to subscribe, made again when lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::mapping;
use crate::relay_tokens::RelayToken;
use crate::session::{self, Accepts, Archive, Closed, Session, Spares, Subscription, Wanted, WireObject};

/// Between two tries: from, to.
pub const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Longest wait for a handshake, or an answer: asked again, a relay with much to do has more to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long sessions go on that others have taken the place of.
const LINGER: Duration = Duration::from_secs(2);
/// Between the tries of two addresses.
const STAGGER: Duration = Duration::from_millis(250);
/// Objects of a short session that wait to be taken.
const ROOM: usize = 64;
/// A session that looks for missing objects is content once nothing has come for this long.
const QUIET: Duration = Duration::from_millis(250);

/// Where the relay is and whom to believe.
#[derive(Clone)]
pub struct RelayAddress {
    /// Host and port, looked up anew for each try.
    pub host: String,
    /// The certificates to trust.
    pub roots: Vec<CertificateDer<'static>>,
    /// What the relay is shown, if it asks for a token.
    pub token: Option<RelayToken>,
}

impl RelayAddress {
    fn name(&self) -> &str {
        let name = self.host.rsplit_once(':').map_or(&*self.host, |(name, _)| name);
        name.trim_matches(['[', ']'])
    }

    /// Connects at whichever of the addresses answers first.
    async fn dial(&self, endpoint: &quinn::Endpoint) -> Result<quinn::Connection> {
        let found = tokio::net::lookup_host(&self.host).await;
        let found = found.with_context(|| format!("no address for {}", self.host))?;
        dial(endpoint, alternating(found), self.name()).await
    }
}

/// Puts addresses of the two families in turn, each in the order that the resolver prefers (RFC 8305 section 4).
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<SocketAddr> = addresses.collect();
    let first = all.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = all.iter().partition(|address| address.is_ipv6() == first);
    let rank = |family: Vec<&SocketAddr>, odd| {
        family
            .into_iter()
            .copied()
            .enumerate()
            .map(move |(n, address)| (2 * n + odd, address))
            .collect::<Vec<_>>()
    };
    let mut ranked = [rank(one, 0), rank(other, 1)].concat();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

/// Tries the addresses one after another, the next when the one before failed or has not answered yet (RFC 8305
/// section 5). The first connection is returned.
async fn dial(
    endpoint: &quinn::Endpoint,
    addresses: Vec<SocketAddr>,
    name: &str,
) -> Result<quinn::Connection> {
    let mut tries = JoinSet::new();
    let mut left = addresses.into_iter();
    let mut failed = anyhow!("no address for {name}");
    loop {
        if let Some(address) = left.next() {
            let (endpoint, name) = (endpoint.clone(), name.to_owned());
            tries.spawn(async move { session::dial(&endpoint, address, &name).await });
        }
        tokio::select! {
            done = tries.join_next() => match done {
                Some(Ok(Ok(connection))) => return Ok(connection),
                Some(Ok(Err(error))) => failed = error,
                Some(Err(error)) => failed = error.into(),
                None => return Err(failed),
            },
            () = tokio::time::sleep(STAGGER), if left.len() > 0 => {}
        }
    }
}

/// The sessions of one participant.
#[derive(Clone)]
pub struct Link {
    /// Publishes.
    pub publisher: Arc<Session>,
    /// Subscribes; the relay does not echo within a session.
    pub subscriber: Arc<Session>,
    /// Subscribes to KeyPackages. Each participant has a track of them, and the relay offers one session so many tracks:
    /// they must not take the place of Welcomes and commits.
    pub key_packages: Arc<Session>,
    /// Subscribe by name.
    pub spares: Arc<Spares>,
}

impl Link {
    fn is_closed(&self) -> bool {
        [&self.publisher, &self.subscriber, &self.key_packages].iter().any(|session| session.is_closed())
    }

    /// Waits until one of the sessions is gone; returns why. Spare ones are made anew by themselves.
    async fn closed(&self) -> Closed {
        tokio::select! {
            closed = self.publisher.closed() => closed,
            closed = self.subscriber.closed() => closed,
            closed = self.key_packages.closed() => closed,
        }
    }

    /// Waits until the relay says GOAWAY to one of the sessions.
    async fn goes_away(&self) {
        tokio::select! {
            () = self.publisher.goes_away() => {}
            () = self.subscriber.goes_away() => {}
            () = self.key_packages.goes_away() => {}
        }
    }
}

/// What a link serves besides.
#[derive(Clone)]
pub struct Serves {
    /// The namespace whose objects are given to those who FETCH.
    pub namespace: TrackNamespace,
    /// Those objects.
    pub archive: Archive,
}

/// Keeps sessions in `up` for as long as anybody looks at it; `None` while there is none. What comes in goes to
/// `inbound`.
pub async fn keep(
    relay: RelayAddress,
    serves: Serves,
    up: watch::Sender<Option<Link>>,
    inbound: mpsc::Sender<WireObject>,
) {
    let mut wait = AGAIN.0;
    let mut complained = false;
    while !up.is_closed() {
        match tokio::time::timeout(PATIENCE, connect(&relay, &serves, &inbound)).await {
            Ok(Ok(link)) => {
                if complained {
                    tracing::info!(relay = relay.host, "the relay is back");
                }
                complained = false;
                let began = Instant::now();
                if let Some(before) = up.send_replace(Some(link.clone())) {
                    // What is on its way arrives.
                    tokio::spawn(async move {
                        tokio::time::sleep(LINGER).await;
                        drop(before);
                    });
                }
                tokio::select! {
                    closed = link.closed() => lost(&relay, &up, closed),
                    () = link.goes_away() => going(&relay),
                    () = up.closed() => return,
                    () = hold_namespace(&link.publisher, &serves.namespace) => {}
                }
                // A relay that closes every session at once is not asked without a pause.
                if began.elapsed() >= AGAIN.1 {
                    wait = AGAIN.0;
                }
            }
            // Who waited for it has gone meanwhile.
            _ if up.is_closed() => return,
            failed => {
                let error = match failed {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => "no answer".to_owned(),
                };
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(relay = relay.host, error, "no connection with the relay; trying on");
                }
                // Those of before a GOAWAY, until they close.
                up.send_if_modified(|link| link.take_if(|link| link.is_closed()).is_some());
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN.1);
    }
}

fn lost(relay: &RelayAddress, up: &watch::Sender<Option<Link>>, closed: Closed) {
    match closed {
        Closed::Unauthorized => {
            tracing::warn!(
                relay = relay.host,
                "the relay wants a token (--relay-token), or refuses this one"
            );
        }
        Closed::Lost(reason) => {
            tracing::warn!(relay = relay.host, reason, "the relay is gone; connecting again");
        }
    }
    up.send_replace(None);
}

/// GOAWAY: the sessions are used until others have taken their place.
fn going(relay: &RelayAddress) {
    tracing::info!(relay = relay.host, "the relay asks for another session");
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

async fn connect(relay: &RelayAddress, serves: &Serves, inbound: &mpsc::Sender<WireObject>) -> Result<Link> {
    let opens =
        Opens { endpoint: session::endpoint(&relay.roots)?, relay: relay.clone(), inbound: inbound.clone() };
    let fetches = serves.archive.clone();
    // What is offered was subscribed to.
    let subscribes = || Accepts { tracks: Arc::new(|_| true), ..Accepts::nothing() };
    let publisher = opens.session(Accepts { fetches, ..Accepts::nothing() }).await?;
    let subscriber = opens.session(subscribes()).await?;
    let key_packages = opens.session(subscribes()).await?;
    Ok(Link {
        publisher: Arc::new(publisher),
        subscriber: Arc::new(subscriber),
        key_packages: Arc::new(key_packages),
        spares: opens.spares(),
    })
}

/// Opens sessions whose objects go one way.
#[derive(Clone)]
struct Opens {
    endpoint: quinn::Endpoint,
    relay: RelayAddress,
    inbound: mpsc::Sender<WireObject>,
}

impl Opens {
    async fn session(&self, accepts: Accepts) -> Result<Session> {
        let connection = self.relay.dial(&self.endpoint).await?;
        let token = self.relay.token.as_ref();
        Session::begin(connection, self.relay.name(), token, accepts, self.inbound.clone()).await
    }

    fn spares(self) -> Arc<Spares> {
        Arc::new(Spares::new(Box::new(move || {
            let opens = self.clone();
            Box::pin(async move {
                let session = tokio::time::timeout(PATIENCE, opens.session(Accepts::nothing()));
                session.await.context("no answer")?
            })
        })))
    }
}

impl Link {
    /// Subscribes to a namespace, and does not wait for ever.
    ///
    /// # Errors
    /// If the relay refuses or does not answer, or the session ends.
    pub async fn subscribe(&self, namespace: &TrackNamespace) -> Result<Subscription> {
        let session = if mapping::of_key_packages(namespace) { &self.key_packages } else { &self.subscriber };
        subscribe(session, &self.spares, namespace).await
    }
}

async fn subscribe(
    session: &Session,
    spares: &Arc<Spares>,
    namespace: &TrackNamespace,
) -> Result<Subscription> {
    let subscribing = session.subscribe_tracks(namespace, spares);
    tokio::time::timeout(PATIENCE, subscribing).await.context("no answer")?
}

/// What the relay still has under `namespace`, read by a session of its own: until nothing more comes.
pub async fn look(relay: RelayAddress, namespace: &TrackNamespace) -> Result<Vec<Object>> {
    let (session, spares, mut inbound) = short(relay, Arc::new(|_| true)).await?;
    let _subscription = subscribe(&session, &spares, namespace).await?;
    let mut objects = Vec::new();
    read(&mut inbound, &mut objects, QUIET, |_| false).await;
    Ok(objects)
}

/// What the relay still has of one track, read by a session of its own: until nothing more comes.
pub async fn look_at(relay: RelayAddress, track: &FullTrackName) -> Result<Vec<Object>> {
    let (session, _spares, mut inbound) = short(relay, Arc::new(|_| false)).await?;
    Ok(look_in(&session, &mut inbound, track, QUIET, |_| false).await)
}

/// The object of a track in that MOQT group, read by a session of its own. It may come to the relay only now, and its
/// publisher too: after what names it. `None` if it does not come within `patience`.
pub async fn look_for(
    relay: RelayAddress,
    track: &FullTrackName,
    group: u64,
    patience: Duration,
) -> Result<Option<Object>> {
    let (session, _spares, mut inbound) = short(relay, Arc::new(|_| false)).await?;
    let enough = |object: &Object| object.location.group_id == group;
    let found = async {
        loop {
            let objects = look_in(&session, &mut inbound, track, patience, enough).await;
            if let Some(found) = objects.into_iter().find(enough) {
                return found;
            }
            tokio::time::sleep(AGAIN.0).await;
        }
    };
    Ok(tokio::time::timeout(patience, found).await.ok())
}

async fn look_in(
    session: &Session,
    inbound: &mut mpsc::Receiver<WireObject>,
    track: &FullTrackName,
    quiet: Duration,
    enough: impl Fn(&Object) -> bool,
) -> Vec<Object> {
    let mut objects = Vec::new();
    tokio::select! {
        () = read(inbound, &mut objects, quiet, enough) => {}
        Err(error) = session.subscribe(track) => {
            // No publisher, or it is away.
            tracing::debug!(%track, error = format!("{error:#}"), "nothing to read");
        }
    }
    objects
}

/// Takes objects until nothing comes for `quiet`, or one is `enough`.
async fn read(
    inbound: &mut mpsc::Receiver<WireObject>,
    objects: &mut Vec<Object>,
    quiet: Duration,
    enough: impl Fn(&Object) -> bool,
) {
    while let Ok(Some(wire)) = tokio::time::timeout(quiet, inbound.recv()).await {
        objects.push(wire.object);
        if objects.last().is_some_and(&enough) {
            return;
        }
    }
}

/// A session for one purpose with those that it may need, and what comes in.
async fn short(
    relay: RelayAddress,
    wanted: Wanted,
) -> Result<(Session, Arc<Spares>, mpsc::Receiver<WireObject>)> {
    let (to, inbound) = mpsc::channel(ROOM);
    let opens = Opens { endpoint: session::endpoint(&relay.roots)?, relay, inbound: to };
    let session = opens.session(Accepts { tracks: wanted, ..Accepts::nothing() });
    let session = tokio::time::timeout(PATIENCE, session).await.context("no answer")??;
    Ok((session, opens.spares(), inbound))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::relay::Relay;
    use crate::tls::Files;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 1))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), 1))
    }

    #[test]
    fn address_families_take_turns() {
        let found = [v6(1), v6(2), v6(3), v4(1), v4(2)];
        assert_eq!(alternating(found.into_iter()), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(alternating([v4(1), v6(1), v4(2)].into_iter()), [v4(1), v6(1), v4(2)]);
        assert_eq!(alternating([v4(1), v4(2)].into_iter()), [v4(1), v4(2)]);
        assert_eq!(alternating(std::iter::empty()), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_where_nobody_answers_costs_little() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::in_folder(folder.path(), &[]).unwrap();
        let relay = Relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &files, None).unwrap();
        let endpoint = session::endpoint(&files.chain().unwrap()).unwrap();
        // A socket that reads nothing.
        let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addresses = vec![silent.local_addr().unwrap(), relay.address];
        let connection = tokio::time::timeout(PATIENCE, dial(&endpoint, addresses, "localhost"));
        assert_eq!(connection.await.unwrap().unwrap().remote_address().port(), relay.address.port());
        let none = dial(&endpoint, Vec::new(), "localhost").await;
        assert!(none.unwrap_err().to_string().contains("no address"));
    }
}
