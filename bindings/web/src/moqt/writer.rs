//! The bytes of the streams that carry objects.

use bytes::Bytes;
use moqtap_codec::draft18::data_stream::{
    FetchHeader, FetchObject, FetchObjectHeader, FetchObjectWriter, GroupOrder, SubgroupHeader,
    SubgroupObject, SubgroupObjectReader,
};
use moqtap_codec::varint::VarInt;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::number;
use crate::fail::Fail;
use crate::js::{Js, argument};

/// Type of a stream of subgroup 0 from its first object on, with a priority (section 11.4.2).
const SUBGROUP: u8 = 0x50;
/// Its objects have properties.
const PROPERTIES: u8 = 0x01;
/// An object of a FETCH stream has properties (section 11.4.4).
const FETCH_PROPERTIES: u64 = 0x20;

/// Writes the stream of one MOQT group: subgroup 0, ids that rise.
#[wasm_bindgen]
pub struct SubgroupWriter {
    header: SubgroupHeader,
    objects: SubgroupObjectReader,
}

#[wasm_bindgen]
impl SubgroupWriter {
    /// Makes the writer of a group's stream. With `properties`, each object has a block of them, even if it is empty.
    ///
    /// # Errors
    /// `TypeError`.
    pub fn create(
        track_alias: &JsValue,
        group_id: &JsValue,
        priority: &JsValue,
        properties: &JsValue,
    ) -> Result<Self, Fail> {
        let properties: Option<bool> = argument(properties, "properties")?;
        let header = SubgroupHeader {
            header_type: if properties.unwrap_or(false) { SUBGROUP | PROPERTIES } else { SUBGROUP },
            track_alias: number(argument(track_alias, "trackAlias")?),
            group_id: number(argument(group_id, "groupId")?),
            subgroup_id: number(0),
            publisher_priority: Some(argument(priority, "priority")?),
        };
        let objects = SubgroupObjectReader::new(&header);
        Ok(Self { header, objects })
    }

    /// Returns the bytes with which the stream begins.
    ///
    /// # Errors
    /// `invalidMoqt`.
    pub fn start(&self) -> Result<JsValue, Fail> {
        let mut bytes = Vec::new();
        self.header.encode_checked(&mut bytes)?;
        Ok(Bytes::from(bytes).to_js())
    }

    /// Returns the bytes of the next object.
    ///
    /// # Errors
    /// `TypeError`; `invalidMoqt` for an id that is not above the one before, or properties where there are none.
    pub fn object(
        &mut self,
        object_id: &JsValue,
        payload: &JsValue,
        properties: &JsValue,
    ) -> Result<JsValue, Fail> {
        let (object_id, payload): (u64, Bytes) =
            (argument(object_id, "objectId")?, argument(payload, "payload")?);
        let properties: Option<Bytes> = argument(properties, "properties")?;
        let properties = properties.unwrap_or_default();
        if !properties.is_empty() && !self.header.has_properties() {
            return Err(Fail::Moqt("properties on a stream without".into()));
        }
        let object = SubgroupObject {
            object_id: number(object_id),
            extension_headers: properties.into(),
            payload_length: VarInt::from_usize(payload.len()),
            object_status: None,
            payload: payload.into(),
        };
        let mut bytes = Vec::new();
        self.objects.write_object(&object, &mut bytes)?;
        Ok(Bytes::from(bytes).to_js())
    }
}

/// Writes the stream that answers a FETCH: places that rise.
#[wasm_bindgen]
pub struct FetchWriter {
    header: FetchHeader,
    objects: FetchObjectWriter,
}

#[wasm_bindgen]
impl FetchWriter {
    /// Makes the writer of the answer to a request.
    ///
    /// # Errors
    /// `TypeError`.
    pub fn create(request_id: &JsValue) -> Result<Self, Fail> {
        let header = FetchHeader { request_id: number(argument(request_id, "requestId")?) };
        Ok(Self { header, objects: FetchObjectWriter::new(GroupOrder::Ascending) })
    }

    /// Returns the bytes with which the stream begins.
    pub fn start(&self) -> JsValue {
        let mut bytes = Vec::new();
        self.header.encode(&mut bytes);
        Bytes::from(bytes).to_js()
    }

    /// Returns the bytes of the next object.
    ///
    /// # Errors
    /// `TypeError`; `invalidMoqt` for a place that is not above the one before.
    pub fn object(
        &mut self,
        group_id: &JsValue,
        object_id: &JsValue,
        priority: &JsValue,
        payload: &JsValue,
        properties: &JsValue,
    ) -> Result<JsValue, Fail> {
        let (group_id, object_id): (u64, u64) =
            (argument(group_id, "groupId")?, argument(object_id, "objectId")?);
        let (priority, payload): (u8, Bytes) =
            (argument(priority, "priority")?, argument(payload, "payload")?);
        let properties: Option<Bytes> = argument(properties, "properties")?;
        let properties = properties.unwrap_or_default();
        let header = FetchObjectHeader {
            serialization_flags: if properties.is_empty() { 0 } else { FETCH_PROPERTIES },
            group_id_delta: None,
            subgroup_id: None,
            object_id_delta: None,
            publisher_priority: Some(priority),
            properties: properties.into(),
            payload_length: VarInt::from_usize(payload.len()),
        };
        let frame = FetchObject {
            header,
            group_id,
            subgroup_id: Some(0),
            object_id,
            publisher_priority: Some(priority),
        };
        let mut bytes = Vec::new();
        self.objects.write_object_header(&frame, &mut bytes)?;
        bytes.extend_from_slice(&payload);
        Ok(Bytes::from(bytes).to_js())
    }
}
