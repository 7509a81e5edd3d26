//! A thin MoQT session (draft 18 or 20) on quinn: it subscribes to namespaces, publishes tracks, asks for what is
//! past and gives it, no more.
//!
//! Every request is a bidirectional stream of its own, and so is every PUBLISH and FETCH of the relay;
//! objects come and go on unidirectional streams, one for each subgroup. `moqtap-codec` knows the bytes.

mod asks;
mod draft;
mod fetch;
mod incoming;
mod published;
mod spares;
mod subscribing;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use moq_mls::Object;
use moq_mls::tracks::FullTrackName;
use moqtap_codec::draft18::message::{ControlMessage, Publish, Setup};
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::varint::VarInt;
use quinn::SendStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::asks::Asks;
pub use self::draft::Draft;
pub use self::fetch::Archive;
use self::incoming::{Incoming, accept_objects, accept_requests};
pub use self::published::Published;
pub use self::spares::{BY_NAME, Spares};
pub use self::subscribing::Subscription;
use self::wire::{read, write};
use crate::mapping;
use crate::relay_tokens::{AUTHORIZATION_TOKEN, RelayToken};

/// The publisher priority of everything here.
pub const PRIORITY: u8 = 128;
/// The code of a session that the relay closes for want of a good token.
const UNAUTHORIZED: u32 = 0x2;
/// Object streams that the relay may hold open towards a session: the window of each track that it offers, and room. QUIC
/// libraries keep a record of each that may come, so a higher number costs every session memory.
const OBJECT_STREAMS: u32 = 4096;
/// Requests that the relay may have open: it offers a session 128 tracks.
const REQUEST_STREAMS: u32 = 256;

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

/// Why a session is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The relay takes no token, or not this one.
    Unauthorized,
    /// Another reason.
    Lost(String),
}

/// Why a track cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The relay said no, with this code. In draft 18, 0x19: another session still publishes that track.
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
    tls.alpn_protocols = Draft::ALL.map(|draft| draft.alpn().to_vec()).to_vec();
    let mut transport = quinn::TransportConfig::default();
    // The relay gives a silent peer ten seconds.
    transport.keep_alive_interval(Some(Duration::from_secs(3)));
    transport.max_idle_timeout(Some(Duration::from_secs(10).try_into()?));
    transport.max_concurrent_uni_streams(OBJECT_STREAMS.into());
    transport.max_concurrent_bidi_streams(REQUEST_STREAMS.into());
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

/// Connects with the relay at one address.
///
/// # Errors
/// If there is no relay, or none with a certificate for that name.
pub async fn dial(
    endpoint: &quinn::Endpoint,
    relay: SocketAddr,
    server_name: &str,
) -> Result<quinn::Connection> {
    // An endpoint on the IPv6 wildcard reaches IPv4 by mapped addresses.
    let local = endpoint.local_addr()?;
    let mapped = match relay {
        SocketAddr::V4(v4) if local.is_ipv6() => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        other => other,
    };
    let connecting = endpoint.connect(mapped, server_name).context("relay address")?;
    match connecting.await {
        // A TLS alert: RFC 9001, section 4.8.
        Err(quinn::ConnectionError::TransportError(error))
            if (0x100..0x200).contains(&u64::from(error.code)) =>
        {
            let reason = error.reason;
            bail!("the certificate of the relay at {relay} is not good here (--relay-cert): {reason}")
        }
        other => other.with_context(|| format!("no relay at {relay}")),
    }
}

/// One session with a relay. Dropping it closes the connection.
pub struct Session {
    asks: Arc<Asks>,
    wanted: Wanted,
    aliases: AtomicU64,
    going_away: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
    _control: SendStream,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.asks.connection.close(0u32.into(), b"done");
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Session {
    /// Sets up a session on a connection. The objects that come in go to `inbound`; where that has no room, their
    /// streams are not read on.
    pub async fn begin(
        connection: quinn::Connection,
        server_name: &str,
        token: Option<&RelayToken>,
        accepts: Accepts,
        inbound: mpsc::Sender<WireObject>,
    ) -> Result<Self> {
        let asks = Arc::new(Asks::new(connection, inbound)?);
        let mut control = asks.connection.open_uni().await.context("control stream")?;
        let option =
            |key, value| KeyValuePair { key: VarInt::from_u64_moqt(key), value: KvpValue::Bytes(value) };
        let mut options = vec![option(1, b"/".to_vec())];
        options
            .extend(token.map(|token| token.option()).transpose()?.map(|t| option(AUTHORIZATION_TOKEN, t)));
        options.push(option(5, server_name.as_bytes().to_vec()));
        write(&mut control, asks.draft, &ControlMessage::Setup(Setup { options })).await?;

        let wanted = accepts.tracks.clone();
        let (goes_away, going_away) = watch::channel(false);
        let incoming = Arc::new(Incoming { asks: asks.clone(), accepts, goes_away });
        let tasks =
            vec![tokio::spawn(accept_objects(incoming.clone())), tokio::spawn(accept_requests(incoming))];
        let aliases = AtomicU64::new(0);
        Ok(Self { asks, wanted, aliases, going_away, tasks, _control: control })
    }

    /// PUBLISH: offers a track.
    pub async fn publish(&self, track: &FullTrackName) -> Result<Published, PublishError> {
        let alias = VarInt::from_u64_moqt(self.aliases.fetch_add(1, Ordering::Relaxed));
        let (track_namespace, track_name) = mapping::to_wire_track(track);
        let request = Publish {
            request_id: self.asks.request_id(),
            track_namespace,
            track_name,
            track_alias: alias,
            parameters: Vec::new(),
            track_properties: Vec::new(),
        };
        let (send, mut recv) = self.asks.send(ControlMessage::Publish(request)).await?;
        let mut buf = BytesMut::new();
        match read(&mut recv, self.asks.draft, &mut buf).await? {
            Some(ControlMessage::RequestOk(_)) => {}
            Some(ControlMessage::RequestError(e)) => {
                return Err(PublishError::Refused {
                    code: e.error_code.into_inner(),
                    reason: String::from_utf8_lossy(&e.reason_phrase).into_owned(),
                });
            }
            other => return Err(anyhow::anyhow!("PUBLISH answered by {other:?}").into()),
        }
        Ok(Published::new(&self.asks, alias, send, (recv, buf)))
    }

    /// Waits until the connection is gone; returns why.
    pub async fn closed(&self) -> Closed {
        let reason = self.asks.connection.closed().await;
        let unauthorized = quinn::VarInt::from_u32(UNAUTHORIZED);
        match reason {
            quinn::ConnectionError::ApplicationClosed(closed) if closed.error_code == unauthorized => {
                Closed::Unauthorized
            }
            other => Closed::Lost(other.to_string()),
        }
    }

    /// Returns whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.asks.connection.close_reason().is_some()
    }

    /// Returns whether the relay said GOAWAY.
    pub fn is_going_away(&self) -> bool {
        *self.going_away.borrow()
    }

    /// Waits until the relay says GOAWAY; for ever if it never does.
    pub async fn goes_away(&self) {
        let mut going_away = self.going_away.clone();
        if going_away.wait_for(|gone| *gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
