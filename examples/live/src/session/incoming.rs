//! What the relay begins: PUBLISH and FETCH on streams of their own, objects on others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use bytes::BytesMut;
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location};
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObjectReader};
use moqtap_codec::draft18::message::{ControlMessage, Publish, RequestError, RequestOk};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::Notify;

use super::wire::{more, read, step, write};
use super::{Accepts, Inbound, WireObject, fetch};
use crate::mapping;

/// REQUEST_ERROR: the receiver of a PUBLISH does not want it.
const UNINTERESTED: u64 = 0x20;
/// The stream type of a control stream, as two bytes of a varint.
const SETUP_STREAM: u64 = 0x2F00;

/// The tracks that the relay publishes to us, by alias. Objects may overtake the PUBLISH.
#[derive(Default)]
pub(super) struct Tracks {
    by_alias: Mutex<BTreeMap<u64, FullTrackName>>,
    changed: Notify,
}

impl Tracks {
    fn get(&self, alias: u64) -> Option<FullTrackName> {
        self.by_alias.lock().unwrap_or_else(PoisonError::into_inner).get(&alias).cloned()
    }

    fn set(&self, alias: u64, track: FullTrackName) {
        self.by_alias.lock().unwrap_or_else(PoisonError::into_inner).insert(alias, track);
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

/// One session's side of what the relay begins.
pub(super) struct Incoming {
    pub(super) connection: quinn::Connection,
    pub(super) accepts: Accepts,
    pub(super) fetches: Arc<fetch::Requests>,
    pub(super) sink: Box<dyn Fn(Inbound) + Send + Sync>,
    pub(super) tracks: Tracks,
}

pub(super) async fn accept_requests(incoming: Arc<Incoming>) {
    while let Ok((send, recv)) = incoming.connection.accept_bi().await {
        let incoming = incoming.clone();
        tokio::spawn(async move {
            if let Err(error) = incoming.on_request(send, recv).await {
                tracing::debug!(%error, "request stream of the relay");
            }
        });
    }
}

pub(super) async fn accept_objects(incoming: Arc<Incoming>) {
    while let Ok(recv) = incoming.connection.accept_uni().await {
        let incoming = incoming.clone();
        tokio::spawn(async move {
            if let Err(error) = incoming.on_stream(recv).await {
                tracing::debug!(%error, "stream of the relay");
            }
        });
    }
}

impl Incoming {
    async fn on_request(&self, send: SendStream, mut recv: RecvStream) -> Result<()> {
        let mut buf = BytesMut::new();
        match read(&mut recv, &mut buf).await? {
            Some(ControlMessage::Publish(publish)) => self.on_publish(publish, send, recv, buf).await,
            Some(ControlMessage::Fetch(asked)) => {
                fetch::answer(&self.connection, send, asked, &self.accepts.fetches).await
            }
            other => bail!("neither PUBLISH nor FETCH but {other:?}"),
        }
    }

    async fn on_publish(
        &self,
        publish: Publish,
        mut send: SendStream,
        mut recv: RecvStream,
        mut buf: BytesMut,
    ) -> Result<()> {
        let track = mapping::track(publish.track_namespace, publish.track_name)?;
        if !(self.accepts.tracks)(&track) {
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
        self.tracks.set(publish.track_alias.into_inner(), track);
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

    async fn on_stream(&self, mut recv: RecvStream) -> Result<()> {
        let mut buf = BytesMut::new();
        while buf.is_empty() {
            if !more(&mut recv, &mut buf).await? {
                return Ok(());
            }
        }
        if fetch::is_fetch_stream(&buf) {
            return fetch::on_stream(recv, buf, &self.fetches).await;
        }
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
        let track = self.tracks.wait(header.track_alias.into_inner()).await;
        let mut reader = SubgroupObjectReader::new(&header);
        loop {
            let mut attempt = reader.clone();
            let object = step(&mut buf, |b| attempt.read_object(b), |_| false)?;
            match object {
                Some(Some(object)) => {
                    reader = attempt;
                    let location = Location {
                        group_id: header.group_id.into_inner(),
                        object_id: object.object_id.into_inner(),
                    };
                    if !object.payload.is_empty() {
                        let (track, payload) = (track.clone(), object.payload.into());
                        let key_id = mapping::key_id(&object.extension_headers);
                        (self.sink)(Inbound::Object(WireObject {
                            object: Object { track, location, payload },
                            key_id,
                        }));
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
}

fn is_control_stream(buf: &[u8]) -> bool {
    let mut expected = Vec::new();
    VarInt::from_u64_moqt(SETUP_STREAM).encode_moqt::<moqtap_codec::varint::Moqt18>(&mut expected);
    buf.starts_with(&expected)
}
