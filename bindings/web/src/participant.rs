//! A participant of one group.

use bytes::Bytes;
use js_sys::{Object, Uint8Array};
use moq_mls_boundary as boundary;
use moq_mls_boundary::values::TrackName;
use moq_mls_boundary::{Config, Event};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::fail::Fail;
use crate::identity::Identity;
use crate::js::{Js, argument, put, time};

/// A participant of one group: events in, actions out, and the keys of its media.
#[wasm_bindgen]
pub struct Participant(pub(crate) boundary::Participant);

/// Returns the default configuration for a group of this name.
///
/// # Errors
/// `TypeError`; `invalidName`.
#[wasm_bindgen(js_name = defaultConfig)]
pub fn default_config(group: &JsValue) -> Result<JsValue, Fail> {
    Ok(Config::new(argument::<Bytes>(group, "group")?)?.to_js())
}

#[wasm_bindgen]
impl Participant {
    /// Makes a participant that has not begun.
    ///
    /// # Errors
    /// `TypeError`; those of the configuration.
    pub fn create(identity: &Identity, config: &JsValue, now_ms: &JsValue) -> Result<Self, Fail> {
        let config: Config = argument(config, "config")?;
        Ok(Self(boundary::Participant::new(&identity.0, &config, time(now_ms)?)?))
    }

    /// Goes on after a restart, with the last snapshot that became durable and the keys saved last, if any.
    ///
    /// # Errors
    /// `TypeError`; those of the configuration and the snapshot.
    pub fn restore(
        identity: &Identity,
        config: &JsValue,
        snapshot: &JsValue,
        keys: &JsValue,
        now_ms: &JsValue,
    ) -> Result<Self, Fail> {
        let config: Config = argument(config, "config")?;
        let (snapshot, keys): (Bytes, Option<Bytes>) =
            (argument(snapshot, "snapshot")?, argument(keys, "keys")?);
        let now_ms = time(now_ms)?;
        let restored =
            boundary::Participant::restore(&identity.0, &config, &snapshot, keys.as_deref(), now_ms)?;
        Ok(Self(restored))
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// `TypeError`; those of the boundary.
    pub fn handle(&mut self, now_ms: &JsValue, event: &JsValue) -> Result<(), Fail> {
        let (now_ms, event): (u64, Event) = (time(now_ms)?, argument(event, "event")?);
        Ok(self.0.handle(now_ms, event)?)
    }

    /// Returns the next thing to do, or `undefined`.
    ///
    /// # Errors
    /// A failure of the crypto provider.
    pub fn poll(&mut self) -> Result<JsValue, Fail> {
        let Some(action) = self.0.poll()? else { return Ok(JsValue::UNDEFINED) };
        let request = action.request().map(|(request, _)| request);
        let value = action.to_js();
        if let Some(object) = value.dyn_ref::<Object>() {
            put(object, "request", request.to_js());
        }
        Ok(value)
    }

    /// Returns when the event `timer` is due, milliseconds since the Unix epoch, or `undefined` for never.
    pub fn deadline(&self) -> Option<f64> {
        self.0.deadline().map(|at| at as f64)
    }

    /// Returns the durable state as it is now.
    ///
    /// # Errors
    /// After the engine failed.
    pub fn snapshot(&self) -> Result<JsValue, Fail> {
        Ok(self.0.snapshot()?.to_js())
    }

    /// Returns the media keys, to be stored as a snapshot is.
    #[wasm_bindgen(js_name = saveKeys)]
    pub fn save_keys(&self) -> Uint8Array {
        Uint8Array::from(self.0.save_keys().as_bytes())
    }

    /// Returns the own SenderId.
    #[wasm_bindgen(js_name = senderId)]
    pub fn sender_id(&self) -> JsValue {
        self.0.sender_id().to_js()
    }

    /// Returns the phase.
    pub fn phase(&self) -> JsValue {
        self.0.phase().to_js()
    }

    /// Returns the epoch, or `undefined` unless a member.
    pub fn epoch(&self) -> JsValue {
        self.0.epoch().to_js()
    }

    /// Says in a sentence where this participant is, and what it waits for.
    pub fn status(&self) -> String {
        self.0.status()
    }

    /// Returns the members by leaf.
    pub fn members(&self) -> JsValue {
        self.0.members().to_js()
    }

    /// Returns SHA-256 of the GroupContext, or `undefined` unless a member.
    #[wasm_bindgen(js_name = contextHash)]
    pub fn context_hash(&self) -> JsValue {
        self.0.context_hash().to_js()
    }

    /// Returns the epoch authenticator.
    ///
    /// # Errors
    /// `notAMember`.
    #[wasm_bindgen(js_name = epochAuthenticator)]
    pub fn epoch_authenticator(&self) -> Result<JsValue, Fail> {
        Ok(self.0.epoch_authenticator()?.to_js())
    }

    /// Returns an exporter secret of the present epoch, `length` bytes.
    ///
    /// # Errors
    /// `TypeError`; `notAMember`; `invalidLength` over 8,160 bytes.
    #[wasm_bindgen(js_name = exportSecret)]
    pub fn export_secret(
        &self,
        label: &JsValue,
        context: &JsValue,
        length: &JsValue,
    ) -> Result<Uint8Array, Fail> {
        let (label, context): (Bytes, Bytes) = (argument(label, "label")?, argument(context, "context")?);
        let length: u16 = argument(length, "length")?;
        let secret = self.0.export_secret(&label, &context, length.into())?;
        Ok(Uint8Array::from(secret.as_bytes()))
    }

    /// Returns the base key of a track in an epoch.
    ///
    /// # Errors
    /// `TypeError`; `notAMember`; `epochGone`; `invalidName`.
    #[wasm_bindgen(js_name = trackKey)]
    pub fn track_key(&self, epoch: &JsValue, track: &JsValue) -> Result<Uint8Array, Fail> {
        let (epoch, track): (u64, TrackName) = (argument(epoch, "epoch")?, argument(track, "track")?);
        Ok(Uint8Array::from(self.0.track_key(epoch, track)?.as_bytes()))
    }
}
