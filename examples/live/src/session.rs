//! A thin MoQT session (draft 18) on quinn: it subscribes to namespaces, publishes tracks, asks for what is
//! past and gives it, no more.
//!
//! Every request is a bidirectional stream of its own, and so is every PUBLISH and FETCH of the relay;
//! objects come and go on unidirectional streams, one for each subgroup. `moqtap-codec` knows the bytes.

mod fetch;
mod incoming;
mod published;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use moqtap_codec::draft18::message::{ControlMessage, Publish, Setup, SubscribeTracks};
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::fetch::Archive;
use self::incoming::{Incoming, Tracks, accept_objects, accept_requests};
pub use self::published::Published;
use self::wire::{read, write};
use crate::mapping::{self, ALPN};

/// The publisher priority of everything here.
pub const PRIORITY: u8 = 128;
/// Streams that the relay may hold open towards us: each track's window counts.
const MAX_STREAMS: u32 = 16_384;

/// An object as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireObject {
    /// The object.
    pub object: Object,
    /// Its Key ID property, if it is sealed. All objects of a MOQT group are, or none is.
    pub key_id: Option<u64>,
}

impl From<Object> for WireObject {
    fn from(object: Object) -> Self {
        Self { object, key_id: None }
    }
}

/// What a session brings.
#[derive(Debug)]
pub enum Inbound {
    /// An object of a track that was accepted.
    Object(WireObject),
    /// The session is over, with the reason.
    Closed(String),
}

/// Which of the tracks that the relay offers are taken.
pub type Wanted = Arc<dyn Fn(&FullTrackName) -> bool + Send + Sync>;

/// What a session takes of what the relay begins.
#[derive(Clone)]
pub struct Accepts {
    /// Its PUBLISHes.
    pub tracks: Wanted,
    /// Its FETCHes.
    pub fetches: Archive,
}

impl Accepts {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self { tracks: Arc::new(|_| false), fetches: Arc::new(|_, _| Vec::new()) }
    }
}

/// Why a track cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The relay said no, with this code. Another session still publishes that track: 0x19.
    #[error("refused with code {code:#x}: {reason}")]
    Refused {
        /// The REQUEST_ERROR code.
        code: u64,
        /// The relay's Reason Phrase.
        reason: String,
    },
    /// The session ended.
    #[error(transparent)]
    Session(#[from] anyhow::Error),
}

/// Makes the client's QUIC endpoint. `roots` are DER certificates to trust.
pub fn endpoint(roots: &[rustls::pki_types::CertificateDer<'static>]) -> Result<quinn::Endpoint> {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).context("root certificate")?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(store)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = quinn::TransportConfig::default();
    // The relay gives a silent peer ten seconds.
    transport.keep_alive_interval(Some(Duration::from_secs(3)));
    transport.max_idle_timeout(Some(Duration::from_secs(10).try_into()?));
    transport.max_concurrent_uni_streams(MAX_STREAMS.into());
    transport.max_concurrent_bidi_streams(MAX_STREAMS.into());
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).context("QUIC crypto")?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    let mut endpoint = quinn::Endpoint::client("[::]:0".parse()?).or_else(|_| {
        // A host without IPv6.
        quinn::Endpoint::client(SocketAddr::from(([0, 0, 0, 0], 0)))
    })?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

/// One session with a relay. Dropping it closes the connection.
pub struct Session {
    connection: quinn::Connection,
    requests: AtomicU64,
    aliases: AtomicU64,
    fetches: Arc<fetch::Requests>,
    tasks: Vec<JoinHandle<()>>,
    _control: SendStream,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.close(0u32.into(), b"done");
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Session {
    /// Connects and sets up. What comes in goes to `inbound`, tagged by `tag`, until [`Inbound::Closed`].
    pub async fn connect<T: Send + 'static>(
        endpoint: &quinn::Endpoint,
        relay: SocketAddr,
        server_name: &str,
        accepts: Accepts,
        inbound: mpsc::UnboundedSender<T>,
        tag: impl Fn(Inbound) -> T + Send + Sync + 'static,
    ) -> Result<Self> {
        // An endpoint on the IPv6 wildcard reaches IPv4 by mapped addresses.
        let local = endpoint.local_addr()?;
        let relay = match relay {
            SocketAddr::V4(v4) if local.is_ipv6() => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            other => other,
        };
        let connecting = endpoint.connect(relay, server_name).context("relay address")?;
        let connection = connecting.await.with_context(|| format!("no relay at {relay}"))?;
        let mut control = connection.open_uni().await.context("control stream")?;
        let option = |key, value: &str| KeyValuePair {
            key: VarInt::from_u64_moqt(key),
            value: KvpValue::Bytes(value.as_bytes().to_vec()),
        };
        let options = vec![option(1, "/"), option(5, server_name)];
        write(&mut control, &ControlMessage::Setup(Setup { options })).await?;

        let fetches = Arc::new(fetch::Requests::default());
        let incoming = Arc::new(Incoming {
            connection: connection.clone(),
            accepts,
            fetches: fetches.clone(),
            sink: Box::new(move |i| drop(inbound.send(tag(i)))),
            tracks: Tracks::default(),
        });
        let tasks = vec![
            tokio::spawn(accept_objects(incoming.clone())),
            tokio::spawn(accept_requests(incoming.clone())),
            tokio::spawn(async move {
                let reason = incoming.connection.closed().await;
                (incoming.sink)(Inbound::Closed(reason.to_string()));
            }),
        ];
        let (requests, aliases) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { connection, requests, aliases, fetches, tasks, _control: control })
    }

    fn request_id(&self) -> VarInt {
        // A client's are even.
        VarInt::from_u64_moqt(self.requests.fetch_add(2, Ordering::Relaxed))
    }

    /// SUBSCRIBE_TRACKS: the relay offers every track under `namespace`, present and future, for as
    /// long as the subscription is kept.
    pub async fn subscribe_tracks(&self, namespace: &TrackNamespace) -> Result<Subscription> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        let request = SubscribeTracks {
            request_id: self.request_id(),
            namespace_prefix: mapping::to_wire(namespace),
            parameters: Vec::new(),
        };
        write(&mut send, &ControlMessage::SubscribeTracks(request)).await?;
        match read(&mut recv, &mut BytesMut::new()).await? {
            Some(ControlMessage::RequestOk(_)) => Ok(Subscription { _send: send, _recv: recv }),
            Some(ControlMessage::RequestError(e)) => {
                bail!("SUBSCRIBE_TRACKS {namespace} refused with code {:#x}", e.error_code.into_inner())
            }
            other => bail!("SUBSCRIBE_TRACKS {namespace} answered by {other:?}"),
        }
    }

    /// PUBLISH: offers a track.
    pub async fn publish(&self, track: &FullTrackName) -> Result<Published, PublishError> {
        let alias = VarInt::from_u64_moqt(self.aliases.fetch_add(1, Ordering::Relaxed));
        let request = Publish {
            request_id: self.request_id(),
            track_namespace: mapping::to_wire(&track.namespace),
            track_name: track.name.to_vec(),
            track_alias: alias,
            parameters: Vec::new(),
            track_properties: Vec::new(),
        };
        let (mut send, mut recv) = self.connection.open_bi().await.context("stream")?;
        write(&mut send, &ControlMessage::Publish(request)).await?;
        match read(&mut recv, &mut BytesMut::new()).await? {
            Some(ControlMessage::RequestOk(_)) => {}
            Some(ControlMessage::RequestError(e)) => {
                return Err(PublishError::Refused {
                    code: e.error_code.into_inner(),
                    reason: String::from_utf8_lossy(&e.reason_phrase).into_owned(),
                });
            }
            other => return Err(anyhow::anyhow!("PUBLISH answered by {other:?}").into()),
        }
        let connection = self.connection.clone();
        Ok(Published::new(connection, alias, send, recv))
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }
}

/// A running SUBSCRIBE_TRACKS. Dropping it ends it.
pub struct Subscription {
    _send: SendStream,
    _recv: RecvStream,
}
