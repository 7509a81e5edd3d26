//! A relay that does what the test says: of each session the requests come one by one, and the test answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use moq_mls_live::link::RelayAddress;
use moq_mls_live::mapping;
use moq_mls_live::session::PRIORITY;
use moq_mls_live::tls::Files;
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObject, SubgroupObjectReader};
use moqtap_codec::draft18::message::{ControlMessage, RequestError, RequestOk, Setup};
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

/// The relay: sessions as they come.
pub struct RogueRelay {
    /// Where it is.
    pub address: RelayAddress,
    sessions: mpsc::UnboundedReceiver<RogueSession>,
    _endpoint: quinn::Endpoint,
}

/// One session of a client.
pub struct RogueSession {
    /// The connection.
    pub connection: quinn::Connection,
    /// The relay's control stream.
    pub control: SendStream,
    requests: mpsc::UnboundedReceiver<Request>,
}

/// A request, and the streams on which it is answered.
pub struct Request {
    /// What is asked for.
    pub message: ControlMessage,
    /// To the client.
    pub send: SendStream,
    recv: RecvStream,
}

impl RogueRelay {
    /// Starts on loopback.
    pub fn start(folder: &std::path::Path) -> Self {
        let files = Files::in_folder(folder, &[]).unwrap();
        let mut tls = files.server_config().unwrap();
        tls.alpn_protocols = vec![mapping::ALPN.to_vec()];
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
        Self { address: RelayAddress { host, roots: files.chain().unwrap() }, sessions, _endpoint: endpoint }
    }

    /// The next session.
    pub async fn session(&mut self) -> RogueSession {
        soon(self.sessions.recv()).await.unwrap()
    }

    /// The sessions of a participant: that which publishes, and that which subscribes.
    pub async fn pair(&mut self) -> (RogueSession, RogueSession) {
        (self.session().await, self.session().await)
    }
}

impl RogueSession {
    async fn begin(connection: quinn::Connection) -> Self {
        let mut control = connection.open_uni().await.unwrap();
        write(&mut control, &ControlMessage::Setup(Setup { options: Vec::new() })).await;
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
    pub async fn request(&mut self) -> Request {
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

impl Request {
    /// REQUEST_OK.
    pub async fn ok(&mut self) {
        let ok = RequestOk { parameters: Vec::new(), track_properties: Vec::new() };
        self.say(&ControlMessage::RequestOk(ok)).await;
    }

    /// REQUEST_ERROR.
    pub async fn refuse(&mut self, code: u64) {
        let refusal = RequestError {
            error_code: varint(code),
            retry_interval: varint(0),
            reason_phrase: b"as the test wants it".to_vec(),
            redirect: None,
        };
        self.say(&ControlMessage::RequestError(refusal)).await;
    }

    /// Any message.
    pub async fn say(&mut self, message: &ControlMessage) {
        write(&mut self.send, message).await;
    }

    /// Waits until the client has ended it.
    pub async fn ended(&mut self) {
        let ended = async { while let Ok(Some(_)) = self.recv.read_chunk(1 << 16, true).await {} };
        soon(ended).await;
    }
}

/// Writes a control message.
pub async fn write(send: &mut SendStream, message: &ControlMessage) {
    let mut buf = Vec::new();
    message.encode(&mut buf).unwrap();
    send.write_all(&buf).await.unwrap();
}

async fn read(recv: &mut RecvStream) -> Option<ControlMessage> {
    let mut buf = BytesMut::new();
    loop {
        if let Ok(message) = ControlMessage::decode(&mut &buf[..]) {
            return Some(message);
        }
        buf.extend_from_slice(&recv.read_chunk(1 << 16, true).await.ok()??.bytes);
    }
}
