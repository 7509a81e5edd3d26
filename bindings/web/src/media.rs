//! Sealing and opening the objects of media tracks.

use bytes::Bytes;
use js_sys::{Object, Uint8Array};
use moq_mls_boundary::ObjectPlace;
use moq_mls_boundary::values::TrackName;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fail::Fail;
use crate::js::{argument, put, time};
use crate::participant::Participant;

#[wasm_bindgen]
impl Participant {
    /// Adds a media track under a Secure Objects cipher suite, and returns its number.
    ///
    /// # Errors
    /// `TypeError`; `unknownCode` or `unsupported` for another suite; `invalidName`.
    #[wasm_bindgen(js_name = addTrack)]
    pub fn add_track(
        &mut self,
        suite: &JsValue,
        track: &JsValue,
        by_namespace: &JsValue,
    ) -> Result<u32, Fail> {
        let (suite, track): (u16, TrackName) = (argument(suite, "suite")?, argument(track, "track")?);
        let by_namespace: Option<bool> = argument(by_namespace, "byNamespace")?;
        Ok(self.0.add_track(suite, track, by_namespace.unwrap_or(false))?)
    }

    /// Removes a media track, and erases its keys.
    ///
    /// # Errors
    /// `TypeError`; `noSuchTrack`.
    #[wasm_bindgen(js_name = removeTrack)]
    pub fn remove_track(&mut self, track: &JsValue) -> Result<(), Fail> {
        Ok(self.0.remove_track(argument(track, "track")?)?)
    }

    /// Returns the Key ID property of the next sealed object; `undefined` while nothing is sealed.
    ///
    /// # Errors
    /// `TypeError`; `noSuchTrack`.
    #[wasm_bindgen(js_name = keyIdProperty)]
    pub fn key_id_property(&self, track: &JsValue) -> Result<Option<Uint8Array>, Fail> {
        Ok(self.0.key_id_property(argument(track, "track")?)?.map(Uint8Array::from))
    }

    /// Seals an object, and returns `{ properties, object }`.
    ///
    /// # Errors
    /// `TypeError`; `noSuchTrack`; those of sealing.
    pub fn seal(
        &mut self,
        track: &JsValue,
        place: &JsValue,
        payload: &JsValue,
        immutable: &JsValue,
        encrypted: &JsValue,
    ) -> Result<Object, Fail> {
        let (track, place): (u32, ObjectPlace) = (argument(track, "track")?, argument(place, "place")?);
        let payload: Bytes = argument(payload, "payload")?;
        let immutable: Option<Bytes> = argument(immutable, "immutable")?;
        let encrypted: Option<Bytes> = argument(encrypted, "encrypted")?;
        let encrypted = encrypted.unwrap_or_default();
        let (properties, object) = self.0.seal(track, place, immutable.as_deref(), &payload, &encrypted)?;
        Ok(pair(("properties", properties), ("object", object)))
    }

    /// Opens an object, and returns `{ payload, encrypted }`.
    ///
    /// # Errors
    /// `TypeError`; `noSuchTrack`; `invalidName`; those of opening.
    pub fn open(
        &mut self,
        now_ms: &JsValue,
        track: &JsValue,
        place: &JsValue,
        properties: &JsValue,
        object: &JsValue,
        publisher: &JsValue,
    ) -> Result<Object, Fail> {
        let (track, place): (u32, ObjectPlace) = (argument(track, "track")?, argument(place, "place")?);
        let (properties, object): (Bytes, Bytes) =
            (argument(properties, "properties")?, argument(object, "object")?);
        let publisher: Option<Bytes> = argument(publisher, "publisher")?;
        let now_ms = time(now_ms)?;
        let opened = self.0.open(now_ms, track, place, &properties, &object, publisher.as_deref())?;
        Ok(pair(("payload", opened.payload), ("encrypted", opened.encrypted)))
    }

    /// Seals with the newest epoch from now on.
    ///
    /// # Errors
    /// `TypeError`; a failure of the provider.
    #[wasm_bindgen(js_name = switchNow)]
    pub fn switch_now(&mut self, now_ms: &JsValue) -> Result<(), Fail> {
        Ok(self.0.switch_now(time(now_ms)?)?)
    }

    /// Says after a restart that nothing was sealed at this location or above it.
    ///
    /// # Errors
    /// `TypeError`; a failure of the provider.
    #[wasm_bindgen(js_name = sealingFrom)]
    pub fn sealing_from(&mut self, group_id: &JsValue, object_id: &JsValue) -> Result<(), Fail> {
        Ok(self.0.sealing_from(argument(group_id, "groupId")?, argument(object_id, "objectId")?)?)
    }
}

fn pair(first: (&'static str, &[u8]), second: (&'static str, &[u8])) -> Object {
    let object = Object::new();
    put(&object, first.0, Uint8Array::from(first.1).into());
    put(&object, second.0, Uint8Array::from(second.1).into());
    object
}
