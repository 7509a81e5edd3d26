//! A thin MoQT session (draft 18) on quinn: it subscribes to namespaces and publishes tracks, no more.
//!
//! Every request is a bidirectional stream of its own, and so is every PUBLISH of the relay; objects
//! come and go on unidirectional streams, one for each subgroup. `moqtap-codec` knows the bytes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObject, SubgroupObjectReader};
use moqtap_codec::draft18::message::{
    ControlMessage, Publish, PublishDone, RequestError, RequestOk, Setup, SubscribeTracks,
};
use moqtap_codec::error::CodecError;
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::mapping::{self, ALPN, OPEN_GROUPS};

/// REQUEST_ERROR: the receiver of a PUBLISH does not want it.
const UNINTERESTED: u64 = 0x20;
/// SUBGROUP_HEADER: subgroup 0, with its first object, with a priority.
const SUBGROUP: u8 = 0x50;
/// The stream type of a control stream, as two bytes of a varint.
const SETUP_STREAM: u64 = 0x2F00;
/// Larger than any object of this protocol: a peer that sends more is cut off.
const MAX_STREAM: usize = 16 << 20;
/// Streams that the relay may hold open towards us: each track's window counts.
const MAX_STREAMS: u32 = 16_384;

/// What a session brings.
#[derive(Debug)]
pub enum Inbound {
    /// An object of a track that was accepted.
    Object(Object),
    /// The session is over, with the reason.
    Closed(String),
}

/// Which of the tracks that the relay offers are taken.
pub type Wanted = Arc<dyn Fn(&FullTrackName) -> bool + Send + Sync>;

/// Why a track cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The relay said no, with this code. Another session still publishes that track: 0x19.
    #[error("refused with code {code:#x}: {reason}")]
    Refused {
        /// The REQUEST_ERROR code.
        code: u64,
        /// The relay's words.
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
        wanted: Wanted,
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

        let tracks = Arc::new(Tracks::default());
        let sink: Arc<dyn Fn(Inbound) + Send + Sync> = Arc::new(move |i| drop(inbound.send(tag(i))));
        let tasks = vec![
            tokio::spawn(accept_objects(connection.clone(), tracks.clone(), sink.clone())),
            tokio::spawn(accept_publishes(connection.clone(), tracks, wanted)),
            tokio::spawn({
                let connection = connection.clone();
                async move {
                    let reason = connection.closed().await;
                    sink(Inbound::Closed(reason.to_string()));
                }
            }),
        ];
        Ok(Self {
            connection,
            requests: AtomicU64::new(0),
            aliases: AtomicU64::new(0),
            tasks,
            _control: control,
        })
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
        Ok(Published { connection, alias, send, _recv: recv, groups: VecDeque::new(), streams: 0 })
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

/// The open stream of one MOQT group.
struct Group {
    id: u64,
    last_object: u64,
    writer: SubgroupObjectReader,
    stream: SendStream,
}

/// A track that is published here.
pub struct Published {
    connection: quinn::Connection,
    alias: VarInt,
    send: SendStream,
    _recv: RecvStream,
    /// Oldest first.
    groups: VecDeque<Group>,
    streams: u64,
}

impl Published {
    /// Writes an object. Within a MOQT group, ids only grow: an object at or below the last one was
    /// written before, and the relay still has it or has passed it on, so nothing is sent.
    pub async fn write(&mut self, location: Location, payload: &Bytes) -> Result<()> {
        let mut buf = Vec::with_capacity(payload.len() + 32);
        let at = match self.groups.iter().position(|g| g.id == location.group) {
            Some(at) if location.object <= self.groups[at].last_object => return Ok(()),
            Some(at) => at,
            None => {
                let header = SubgroupHeader {
                    header_type: SUBGROUP,
                    track_alias: self.alias,
                    group_id: VarInt::from_u64_moqt(location.group),
                    subgroup_id: VarInt::from_u64_moqt(0),
                    publisher_priority: Some(128),
                };
                header.encode(&mut buf);
                let stream = self.connection.open_uni().await.context("object stream")?;
                self.streams += 1;
                let writer = SubgroupObjectReader::new(&header);
                let last_object = location.object;
                self.groups.push_back(Group { id: location.group, last_object, writer, stream });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[at];
        let object = SubgroupObject {
            object_id: VarInt::from_u64_moqt(location.object),
            extension_headers: Vec::new(),
            payload_length: VarInt::from_usize(payload.len()),
            object_status: None,
            payload: payload.to_vec(),
        };
        group.writer.write_object(&object, &mut buf).context("object")?;
        group.last_object = location.object;
        group.stream.write_all(&buf).await.context("object stream")?;
        while self.groups.len() > OPEN_GROUPS {
            if let Some(mut oldest) = self.groups.pop_front() {
                oldest.stream.finish().ok();
            }
        }
        Ok(())
    }

    /// PUBLISH_DONE: lets another session publish this track.
    pub async fn done(mut self) -> Result<()> {
        for mut group in self.groups.drain(..) {
            group.stream.finish().ok();
        }
        let done = PublishDone {
            status_code: VarInt::from_u64_moqt(0),
            stream_count: VarInt::from_u64_moqt(self.streams),
            reason_phrase: Vec::new(),
        };
        write(&mut self.send, &ControlMessage::PublishDone(done)).await?;
        self.send.finish()?;
        self.send.stopped().await?;
        Ok(())
    }
}

/// The tracks that the relay publishes to us, by alias. Objects may overtake the PUBLISH.
#[derive(Default)]
struct Tracks {
    by_alias: std::sync::Mutex<BTreeMap<u64, FullTrackName>>,
    changed: Notify,
}

impl Tracks {
    fn get(&self, alias: u64) -> Option<FullTrackName> {
        self.by_alias.lock().unwrap_or_else(|e| e.into_inner()).get(&alias).cloned()
    }

    fn set(&self, alias: u64, track: FullTrackName) {
        self.by_alias.lock().unwrap_or_else(|e| e.into_inner()).insert(alias, track);
        self.changed.notify_waiters();
    }

    async fn wait(&self, alias: u64) -> FullTrackName {
        loop {
            let changed = self.changed.notified();
            if let Some(track) = self.get(alias) {
                return track;
            }
            changed.await;
        }
    }
}

async fn accept_publishes(connection: quinn::Connection, tracks: Arc<Tracks>, wanted: Wanted) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        let (tracks, wanted) = (tracks.clone(), wanted.clone());
        tokio::spawn(async move {
            if let Err(error) = on_publish(send, recv, &tracks, &wanted).await {
                tracing::debug!(%error, "request stream of the relay");
            }
        });
    }
}

async fn on_publish(
    mut send: SendStream,
    mut recv: RecvStream,
    tracks: &Tracks,
    wanted: &Wanted,
) -> Result<()> {
    let mut buf = BytesMut::new();
    let Some(ControlMessage::Publish(publish)) = read(&mut recv, &mut buf).await? else {
        bail!("not a PUBLISH");
    };
    let track = mapping::track(publish.track_namespace, publish.track_name)?;
    if !wanted(&track) {
        let refusal = RequestError {
            error_code: VarInt::from_u64_moqt(UNINTERESTED),
            retry_interval: VarInt::from_u64_moqt(0),
            reason_phrase: b"not for me".to_vec(),
            redirect: None,
        };
        write(&mut send, &ControlMessage::RequestError(refusal)).await?;
        send.finish()?;
        return Ok(());
    }
    tracing::trace!(%track, "offered");
    tracks.set(publish.track_alias.into_inner(), track);
    let ok = RequestOk { parameters: Vec::new(), track_properties: Vec::new() };
    write(&mut send, &ControlMessage::RequestOk(ok)).await?;
    // Until PUBLISH_DONE, or the end of the stream.
    while let Some(message) = read(&mut recv, &mut buf).await? {
        if matches!(message, ControlMessage::PublishDone(_)) {
            break;
        }
    }
    send.finish().ok();
    Ok(())
}

async fn accept_objects(
    connection: quinn::Connection,
    tracks: Arc<Tracks>,
    sink: Arc<dyn Fn(Inbound) + Send + Sync>,
) {
    while let Ok(recv) = connection.accept_uni().await {
        let (tracks, sink) = (tracks.clone(), sink.clone());
        tokio::spawn(async move {
            if let Err(error) = on_stream(recv, &tracks, &*sink).await {
                tracing::debug!(%error, "stream of the relay");
            }
        });
    }
}

async fn on_stream(
    mut recv: RecvStream,
    tracks: &Tracks,
    sink: &(dyn Fn(Inbound) + Send + Sync),
) -> Result<()> {
    let mut buf = BytesMut::new();
    let header = loop {
        if let Some(header) = step(&mut buf, |b| SubgroupHeader::decode(b), is_control_stream)? {
            break header;
        }
        if !more(&mut recv, &mut buf).await? {
            return Ok(());
        }
    };
    let Some(header) = header else {
        // The relay's control stream: SETUP, and GOAWAY perhaps. It must stay open, nothing more.
        while more(&mut recv, &mut buf).await? {
            buf.clear();
        }
        return Ok(());
    };
    let track = tracks.wait(header.track_alias.into_inner()).await;
    let mut reader = SubgroupObjectReader::new(&header);
    loop {
        let mut attempt = reader.clone();
        let object = step(&mut buf, |b| attempt.read_object(b), |_| false)?;
        match object {
            Some(Some(object)) => {
                reader = attempt;
                let location =
                    Location { group: header.group_id.into_inner(), object: object.object_id.into_inner() };
                if !object.payload.is_empty() {
                    let (track, payload) = (track.clone(), object.payload.into());
                    sink(Inbound::Object(Object { track, location, payload }));
                }
            }
            _ => {
                if !more(&mut recv, &mut buf).await? {
                    return Ok(());
                }
            }
        }
    }
}

fn is_control_stream(buf: &[u8]) -> bool {
    let mut expected = Vec::new();
    VarInt::from_u64_moqt(SETUP_STREAM).encode_moqt::<moqtap_codec::varint::Moqt18>(&mut expected);
    buf.starts_with(&expected)
}

/// Decodes from the front of `buf`: `None` when there is too little, `Some(None)` for what `skip` says.
fn step<T>(
    buf: &mut BytesMut,
    decode: impl FnOnce(&mut &[u8]) -> Result<T, CodecError>,
    skip: impl FnOnce(&[u8]) -> bool,
) -> Result<Option<Option<T>>> {
    let mut front = &buf[..];
    match decode(&mut front) {
        Ok(value) => {
            let used = buf.len() - front.len();
            let _ = buf.split_to(used);
            Ok(Some(Some(value)))
        }
        Err(_) if skip(buf) => Ok(Some(None)),
        Err(e) if e.is_incomplete() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Reads more; false at the end of the stream.
async fn more(recv: &mut RecvStream, buf: &mut BytesMut) -> Result<bool> {
    if buf.len() > MAX_STREAM {
        bail!("over {MAX_STREAM} bytes");
    }
    match recv.read_chunk(64 << 10, true).await? {
        Some(chunk) => {
            buf.extend_from_slice(&chunk.bytes);
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn write(send: &mut SendStream, message: &ControlMessage) -> Result<()> {
    let mut buf = Vec::new();
    message.encode(&mut buf).context("control message")?;
    send.write_all(&buf).await.context("control stream")?;
    Ok(())
}

/// The next control message; `None` at the end of the stream.
async fn read(recv: &mut RecvStream, buf: &mut BytesMut) -> Result<Option<ControlMessage>> {
    loop {
        if let Some(Some(message)) = step(buf, |b| ControlMessage::decode(b), |_| false)? {
            return Ok(Some(message));
        }
        if !more(recv, buf).await? {
            return Ok(None);
        }
    }
}
