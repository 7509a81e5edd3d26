//! What a stream carries, as its bytes come.

use bytes::{Buf, Bytes, BytesMut};
use moqtap_codec::draft18::data_stream::{
    EndOfRange, FetchHeader, FetchObjectReader, GroupOrder, SubgroupHeader, SubgroupObject,
    SubgroupObjectReader,
};
use moqtap_codec::draft18::message::ControlMessage;
use moqtap_codec::draft18::types::ObjectStatus as WireStatus;
use moqtap_codec::varint::Moqt18;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::message::{ObjectStatus, StreamItem};
use super::{number, take};
use crate::fail::Fail;
use crate::js::{Js, argument};

/// Most bytes of a stream that are held: the largest message or object.
const MOST: usize = 16 << 20;
/// The type of a stream that has the objects of a FETCH.
const FETCH_STREAM: u8 = 0x05;
/// The type of SETUP, with which a control stream begins.
const SETUP: u64 = 0x2F00;

/// What the beginning of the stream said.
enum Kind {
    Unknown,
    Control,
    Subgroup { group_id: u64, objects: SubgroupObjectReader },
    Fetch(FetchObjectReader),
}

/// Reads one stream: bytes in, items out.
#[wasm_bindgen]
pub struct StreamReader {
    kind: Kind,
    buffer: BytesMut,
}

fn status(wire: Option<WireStatus>) -> ObjectStatus {
    match wire {
        None | Some(WireStatus::Normal) => ObjectStatus::Normal,
        Some(WireStatus::EndOfGroup) => ObjectStatus::EndOfGroup,
        Some(WireStatus::EndOfTrack) => ObjectStatus::EndOfTrack,
    }
}

#[wasm_bindgen]
impl StreamReader {
    /// Makes the reader of a unidirectional stream, or with `requests` of a request's stream, which has control
    /// messages.
    ///
    /// # Errors
    /// `TypeError`.
    pub fn create(requests: &JsValue) -> Result<Self, Fail> {
        let requests: Option<bool> = argument(requests, "requests")?;
        let kind = if requests.unwrap_or(false) { Kind::Control } else { Kind::Unknown };
        Ok(Self { kind, buffer: BytesMut::new() })
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// `TypeError`; `invalidMoqt` for an item that is too long.
    pub fn push(&mut self, chunk: &JsValue) -> Result<(), Fail> {
        let chunk: Bytes = argument(chunk, "chunk")?;
        if self.buffer.len().saturating_add(chunk.len()) > MOST {
            return Err(Fail::Moqt(format!("over {MOST} bytes wait")));
        }
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }

    /// Returns the next item, or `undefined` if more bytes are needed.
    ///
    /// # Errors
    /// `invalidMoqt`; then the stream is not to be read any further.
    pub fn poll(&mut self) -> Result<JsValue, Fail> {
        Ok(self.next()?.to_js())
    }

    /// Returns how many bytes wait for the rest of their item: at the end of a stream there are none.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }
}

impl StreamReader {
    fn next(&mut self) -> Result<Option<StreamItem>, Fail> {
        match &mut self.kind {
            Kind::Unknown => self.begin(),
            Kind::Control => {
                let message = take(&mut self.buffer, |bytes| ControlMessage::decode(bytes))?;
                Ok(message.map(|message| StreamItem::Control { message: message.into() }))
            }
            Kind::Subgroup { group_id, objects } => {
                // An attempt that runs out of bytes must leave no trace.
                let mut attempt = objects.clone();
                let Some(object) = take(&mut self.buffer, |bytes| attempt.read_object(bytes))? else {
                    return Ok(None);
                };
                *objects = attempt;
                let SubgroupObject {
                    object_id,
                    extension_headers,
                    payload_length: _,
                    object_status,
                    payload,
                } = object;
                Ok(Some(StreamItem::Object {
                    group_id: *group_id,
                    object_id: object_id.into_inner(),
                    properties: extension_headers.into(),
                    payload: payload.into(),
                    status: status(object_status),
                }))
            }
            Kind::Fetch(_) => self.fetched(),
        }
    }

    /// Reads what the stream is for.
    fn begin(&mut self) -> Result<Option<StreamItem>, Fail> {
        let mut setup = Vec::new();
        number(SETUP).encode_moqt::<Moqt18>(&mut setup);
        let common = self.buffer.len().min(setup.len());
        match self.buffer.first() {
            None => Ok(None),
            Some(&FETCH_STREAM) => {
                let header = take(&mut self.buffer, |bytes| FetchHeader::decode(bytes))?;
                let Some(FetchHeader { request_id }) = header else { return Ok(None) };
                self.kind = Kind::Fetch(FetchObjectReader::new(GroupOrder::Ascending));
                Ok(Some(StreamItem::Fetch { request_id: request_id.into_inner() }))
            }
            Some(_) if self.buffer.get(..common) == setup.get(..common) => {
                if common < setup.len() {
                    return Ok(None);
                }
                self.kind = Kind::Control;
                self.next()
            }
            Some(_) => {
                let Some(header) = take(&mut self.buffer, |bytes| SubgroupHeader::decode(bytes))? else {
                    return Ok(None);
                };
                let objects = SubgroupObjectReader::new(&header);
                let end_of_group = header.is_end_of_group();
                let SubgroupHeader {
                    header_type: _,
                    track_alias,
                    group_id,
                    subgroup_id: _,
                    publisher_priority,
                } = header;
                let group_id = group_id.into_inner();
                self.kind = Kind::Subgroup { group_id, objects };
                let (track_alias, priority) = (track_alias.into_inner(), publisher_priority);
                Ok(Some(StreamItem::Subgroup { track_alias, group_id, priority, end_of_group }))
            }
        }
    }

    fn fetched(&mut self) -> Result<Option<StreamItem>, Fail> {
        let Kind::Fetch(objects) = &mut self.kind else { return Ok(None) };
        let (mut attempt, mut rest) = (objects.clone(), &self.buffer[..]);
        let frame = match attempt.read_object_header(&mut rest) {
            Ok(frame) => frame,
            Err(error) if error.is_incomplete() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (group_id, object_id) = (frame.group_id, frame.object_id);
        let end = frame.header.end_of_range();
        let declared = frame.header.payload_length.into_inner();
        let length = if end.is_some() { 0 } else { usize::try_from(declared).unwrap_or(usize::MAX) };
        let Some((payload, behind)) = rest.split_at_checked(length) else { return Ok(None) };
        let payload = Bytes::copy_from_slice(payload);
        let used = self.buffer.len().saturating_sub(behind.len());
        self.buffer.advance(used);
        *objects = attempt;
        Ok(Some(match end {
            Some(EndOfRange::NonExistent) => StreamItem::EndOfRange { group_id, object_id, unknown: false },
            Some(EndOfRange::Unknown) => StreamItem::EndOfRange { group_id, object_id, unknown: true },
            None => {
                let (properties, status) = (frame.header.properties.into(), ObjectStatus::Normal);
                StreamItem::Object { group_id, object_id, properties, payload, status }
            }
        }))
    }
}
