//! A track that is published here.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use moq_mls::Object;
use moqtap_codec::draft18::data_stream::{SubgroupHeader, SubgroupObject, SubgroupObjectReader};
use moqtap_codec::draft18::message::{ControlMessage, PublishDone};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};

use super::wire::write;
use super::{PRIORITY, WireObject};
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
    alias: VarInt,
    send: SendStream,
    _recv: RecvStream,
    /// Oldest first.
    groups: VecDeque<Group>,
    streams: u64,
}

impl Published {
    /// A track whose PUBLISH on `send` was accepted on `recv`.
    pub(super) fn new(
        connection: quinn::Connection,
        alias: VarInt,
        send: SendStream,
        recv: RecvStream,
    ) -> Self {
        Self { connection, alias, send, _recv: recv, groups: VecDeque::new(), streams: 0 }
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
