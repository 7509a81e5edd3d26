//! A track that is published here.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use bytes::BytesMut;
use moq_mls::Object;
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObject, SubgroupObjectReader};
use moqtap_codec::draft18::message::{ControlMessage, PublishDone};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};

use super::asks::Asks;
use super::wire::{read, write};
use super::{Draft, PRIORITY, WireObject};
use crate::mapping::{self, OPEN_GROUPS};

/// SUBGROUP_HEADER: subgroup 0, with its first object, with a priority.
const SUBGROUP: u8 = 0x50;
/// SUBGROUP_HEADER: its objects have properties.
const PROPERTIES: u8 = 0x01;

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
    draft: Draft,
    alias: VarInt,
    send: SendStream,
    recv: RecvStream,
    /// What was read of it already.
    buf: BytesMut,
    /// Oldest first.
    groups: VecDeque<Group>,
    streams: u64,
}

impl Published {
    /// A track whose PUBLISH on `send` was accepted on `recv`, of which the relay may have said more already.
    pub(super) fn new(
        asks: &Asks,
        alias: VarInt,
        send: SendStream,
        (recv, buf): (RecvStream, BytesMut),
    ) -> Self {
        let (connection, draft) = (asks.connection.clone(), asks.draft);
        Self { connection, draft, alias, send, recv, buf, groups: VecDeque::new(), streams: 0 }
    }

    /// Writes an object. Within a MOQT group, ids only grow: an object at or below the last one was
    /// written before, and the relay still has it or has passed it on, so nothing is sent.
    pub async fn write(&mut self, wire: &WireObject) -> Result<()> {
        let WireObject { object: Object { location, payload, .. }, key_id } = wire;
        let mut buf = Vec::with_capacity(payload.len() + 32);
        let at = match self.groups.iter().position(|g| g.id == location.group_id) {
            Some(at) if location.object_id <= self.groups[at].last_object => return Ok(()),
            Some(at) => at,
            None => {
                let header = SubgroupHeader {
                    header_type: if key_id.is_some() { SUBGROUP | PROPERTIES } else { SUBGROUP },
                    track_alias: self.alias,
                    group_id: VarInt::from_u64_moqt(location.group_id),
                    subgroup_id: VarInt::from_u64_moqt(0),
                    publisher_priority: Some(PRIORITY),
                };
                header.encode(&mut buf);
                let stream = self.connection.open_uni().await.context("object stream")?;
                self.streams += 1;
                let writer = SubgroupObjectReader::new(&header);
                let last_object = location.object_id;
                self.groups.push_back(Group { id: location.group_id, last_object, writer, stream });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[at];
        let object = SubgroupObject {
            object_id: VarInt::from_u64_moqt(location.object_id),
            extension_headers: key_id.map(mapping::properties).unwrap_or_default(),
            payload_length: VarInt::from_usize(payload.len()),
            object_status: None,
            payload: payload.to_vec(),
        };
        group.writer.write_object(&object, &mut buf).context("object")?;
        group.last_object = location.object_id;
        group.stream.write_all(&buf).await.context("object stream")?;
        while self.groups.len() > OPEN_GROUPS {
            if let Some(mut oldest) = self.groups.pop_front() {
                oldest.stream.finish().ok();
            }
        }
        Ok(())
    }

    /// Waits until the relay takes no more of it: it says so on the request's stream, or stops or resets that stream. A
    /// relay that ends its half has nothing more to say, and takes the track on.
    pub async fn ended(&mut self) {
        let said = async {
            loop {
                match read(&mut self.recv, self.draft, &mut self.buf).await {
                    Ok(Some(ControlMessage::RequestError(error))) => {
                        tracing::debug!(code = error.error_code.into_inner(), "PUBLISH ended by the relay");
                        return;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => std::future::pending().await,
                    Err(error) => {
                        tracing::debug!(error = format!("{error:#}"), "PUBLISH ended");
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = said => {}
            _ = self.send.stopped() => {}
        }
    }

    /// Returns whether the session is still there.
    pub fn is_connected(&self) -> bool {
        self.connection.close_reason().is_none()
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
        write(&mut self.send, self.draft, &ControlMessage::PublishDone(done)).await?;
        self.send.finish()?;
        self.send.stopped().await?;
        Ok(())
    }
}
