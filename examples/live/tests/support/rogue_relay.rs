//! A relay that does what the test says: of each session the requests come one by one, and the test answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use moq_mls_live::link::RelayAddress;
use moq_mls_live::session::{Draft, PRIORITY};
use moq_mls_live::tls::Files;
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObject, SubgroupObjectReader};
use moqtap_codec::draft18::message::{self as m18, ControlMessage};
use moqtap_codec::draft20::message::{self as m20, ControlMessage as Message20};
use moqtap_codec::error::CodecError;
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;

/// A varint of MoQT.
pub fn varint(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

/// Returns what comes within some seconds.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), what).await.expect("in time")
}

/// The control messages of a draft.
pub trait Spoken: Sized + Send + Sync + 'static {
    /// The draft.
    const DRAFT: Draft;
    /// Reads one from the front of `buf`.
    fn read(buf: &mut &[u8]) -> Result<Self, CodecError>;
    /// Writes it.
    fn write(&self, buf: &mut Vec<u8>) -> Result<(), CodecError>;
    /// SETUP without options.
    fn setup() -> Self;
    /// REQUEST_OK.
    fn ok() -> Self;
    /// REQUEST_ERROR.
    fn refused(code: u64) -> Self;
}

macro_rules! spoken {
    ($message:ty, $module:ident, $draft:expr) => {
        impl Spoken for $message {
            const DRAFT: Draft = $draft;

            fn read(buf: &mut &[u8]) -> Result<Self, CodecError> {
                Self::decode(buf)
            }

            fn write(&self, buf: &mut Vec<u8>) -> Result<(), CodecError> {
                self.encode(buf)
            }

            fn setup() -> Self {
                Self::Setup($module::Setup { options: Vec::new() })
            }

            fn ok() -> Self {
                Self::RequestOk($module::RequestOk { parameters: Vec::new(), track_properties: Vec::new() })
            }

            fn refused(code: u64) -> Self {
                Self::RequestError($module::RequestError {
                    error_code: varint(code),
                    retry_interval: varint(0),
                    reason_phrase: b"as the test wants it".to_vec(),
                    redirect: None,
                })
            }
        }
    };
}
spoken!(ControlMessage, m18, Draft::D18);
spoken!(Message20, m20, Draft::D20);

/// The relay: sessions as they come.
pub struct RogueRelay<M = ControlMessage> {
    /// Where it is.
    pub address: RelayAddress,
    sessions: mpsc::UnboundedReceiver<RogueSession<M>>,
    third: Vec<RogueSession<M>>,
    _endpoint: quinn::Endpoint,
}

/// One session of a client.
pub struct RogueSession<M = ControlMessage> {
    /// The connection.
    pub connection: quinn::Connection,
    /// The relay's control stream.
    pub control: SendStream,
    requests: mpsc::UnboundedReceiver<Request<M>>,
}

/// A request, and the streams on which it is answered.
pub struct Request<M = ControlMessage> {
    /// What is asked for.
    pub message: M,
    /// To the client.
    pub send: SendStream,
    recv: RecvStream,
}

impl<M: Spoken> RogueRelay<M> {
    /// Starts on loopback.
    pub fn start(folder: &std::path::Path) -> Self {
        let files = Files::in_folder(folder, &[]).unwrap();
        let mut tls = files.server_config().unwrap();
        tls.alpn_protocols = vec![M::DRAFT.alpn().to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let endpoint = quinn::Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let host = format!("localhost:{}", endpoint.local_addr().unwrap().port());
        let (to, sessions) = mpsc::unbounded_channel();
        let accepting = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                if let Ok(connection) = incoming.await {
                    to.send(RogueSession::begin(connection).await).ok();
                }
            }
        });
        Self {
            address: RelayAddress { host, roots: files.chain().unwrap(), token: None },
            sessions,
            third: Vec::new(),
            _endpoint: endpoint,
        }
    }

    /// The next session.
    pub async fn session(&mut self) -> RogueSession<M> {
        soon(self.sessions.recv()).await.unwrap()
    }

    /// The sessions of a participant: that which publishes, and that which subscribes. Of that for KeyPackages no test
    /// asks anything; it stays.
    pub async fn pair(&mut self) -> (RogueSession<M>, RogueSession<M>) {
        let pair = (self.session().await, self.session().await);
        let third = self.session().await;
        self.third.push(third);
        pair
    }
}

impl<M: Spoken> RogueSession<M> {
    async fn begin(connection: quinn::Connection) -> Self {
        let mut control = connection.open_uni().await.unwrap();
        write(&mut control, &M::setup()).await;
        let (to, requests) = mpsc::unbounded_channel();
        let accepting = connection.clone();
        tokio::spawn(async move {
            while let Ok((send, mut recv)) = accepting.accept_bi().await {
                let Some(message) = read(&mut recv).await else { continue };
                to.send(Request { message, send, recv }).ok();
            }
        });
        Self { connection, control, requests }
    }

    /// The next request.
    pub async fn request(&mut self) -> Request<M> {
        soon(self.requests.recv()).await.unwrap()
    }

    /// Begins the stream of a MOQT group of that alias, with one object.
    pub async fn object(&self, alias: u64, group: u64, payload: &[u8]) -> SendStream {
        let header = SubgroupHeader {
            header_type: 0x50,
            track_alias: varint(alias),
            group_id: varint(group),
            subgroup_id: varint(0),
            publisher_priority: Some(PRIORITY),
        };
        let mut buf = Vec::new();
        header.encode(&mut buf);
        let object = SubgroupObject {
            object_id: varint(0),
            extension_headers: Vec::new(),
            payload_length: VarInt::from_usize(payload.len()),
            object_status: None,
            payload: payload.to_vec(),
        };
        SubgroupObjectReader::new(&header).write_object(&object, &mut buf).unwrap();
        let mut stream = self.connection.open_uni().await.unwrap();
        stream.write_all(&buf).await.unwrap();
        stream
    }
}

impl<M: Spoken> Request<M> {
    /// REQUEST_OK.
    pub async fn ok(&mut self) {
        self.say(&M::ok()).await;
    }

    /// REQUEST_ERROR.
    pub async fn refuse(&mut self, code: u64) {
        self.say(&M::refused(code)).await;
    }

    /// Any message.
    pub async fn say(&mut self, message: &M) {
        self.say_all(std::slice::from_ref(message)).await;
    }

    /// Messages at once.
    pub async fn say_all(&mut self, messages: &[M]) {
        let mut buf = Vec::new();
        messages.iter().for_each(|message| message.write(&mut buf).unwrap());
        self.send.write_all(&buf).await.unwrap();
    }

    /// Waits until the client has ended it.
    pub async fn ended(&mut self) {
        let ended = async { while let Ok(Some(_)) = self.recv.read_chunk(1 << 16, true).await {} };
        soon(ended).await;
    }
}

/// Writes a control message.
pub async fn write<M: Spoken>(send: &mut SendStream, message: &M) {
    let mut buf = Vec::new();
    message.write(&mut buf).unwrap();
    send.write_all(&buf).await.unwrap();
}

async fn read<M: Spoken>(recv: &mut RecvStream) -> Option<M> {
    let mut buf = BytesMut::new();
    loop {
        if let Ok(message) = M::read(&mut &buf[..]) {
            return Some(message);
        }
        buf.extend_from_slice(&recv.read_chunk(1 << 16, true).await.ok()??.bytes);
    }
}
