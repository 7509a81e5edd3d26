//! What the relay begins: PUBLISH and FETCH on streams of their own, objects on others.

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::BytesMut;
use moq_mls::Object;
use moq_mls::tracks::Location;
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObjectReader};
use moqtap_codec::draft18::message::{ControlMessage, Publish, RequestError, RequestOk};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::watch;

use super::asks::Asks;
use super::wire::{more, read, step, write};
use super::{Accepts, WireObject, fetch};
use crate::mapping;

/// REQUEST_ERROR: the receiver of a PUBLISH does not want it.
const UNINTERESTED: u64 = 0x20;
/// The stream type of a control stream, as two bytes of a varint.
const SETUP_STREAM: u64 = 0x2F00;

/// One session's side of what the relay begins.
pub(super) struct Incoming {
    pub(super) asks: Arc<Asks>,
    pub(super) accepts: Accepts,
    pub(super) goes_away: watch::Sender<bool>,
}

pub(super) async fn accept_requests(incoming: Arc<Incoming>) {
    while let Ok((send, recv)) = incoming.asks.connection.accept_bi().await {
        let incoming = incoming.clone();
        tokio::spawn(async move {
            if let Err(error) = incoming.on_request(send, recv).await {
                tracing::debug!(%error, "request stream of the relay");
            }
        });
    }
}

pub(super) async fn accept_objects(incoming: Arc<Incoming>) {
    while let Ok(recv) = incoming.asks.connection.accept_uni().await {
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
        match read(&mut recv, self.asks.draft, &mut buf).await? {
            Some(ControlMessage::Publish(publish)) => self.on_publish(publish, send, recv, buf).await,
            Some(ControlMessage::Fetch(asked)) => {
                fetch::answer(&self.asks, send, asked, &self.accepts.fetches).await
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
            write(&mut send, self.asks.draft, &ControlMessage::RequestError(refusal)).await?;
            send.finish()?;
            return Ok(());
        }
        tracing::trace!(%track, "offered");
        let ok = RequestOk { parameters: Vec::new(), track_properties: Vec::new() };
        write(&mut send, self.asks.draft, &ControlMessage::RequestOk(ok)).await?;
        self.asks.take(publish.track_alias, track, &publish.parameters, &mut recv, &mut buf).await?;
        send.finish().ok();
        Ok(())
    }

    /// The relay's control stream: SETUP, and GOAWAY perhaps. It must stay open to the end.
    async fn on_control_stream(&self, mut recv: RecvStream, mut buf: BytesMut) -> Result<()> {
        loop {
            match read(&mut recv, self.asks.draft, &mut buf).await {
                Ok(Some(ControlMessage::GoAway(_))) => {
                    self.goes_away.send_replace(true);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), "control stream: not read any further");
                    break;
                }
            }
        }
        while more(&mut recv, &mut buf).await? {
            buf.clear();
        }
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
            return fetch::on_stream(recv, buf, &self.asks.fetches).await;
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
            return self.on_control_stream(recv, buf).await;
        };
        let track = self.asks.tracks.named(header.track_alias).await?;
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
                        let object = Object { track, location, payload };
                        if self.asks.inbound.send(WireObject { object, key_id }).await.is_err() {
                            return Ok(());
                        }
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
