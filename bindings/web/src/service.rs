//! The counter service: a module of its own, for what a page loads does without it.

use bytes::Bytes;
use moq_mls_boundary as boundary;
use moq_mls_boundary::config::ServiceConfig;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::asking::asking;
use crate::fail::Fail;
use crate::js::{Js, argument, time};

/// A counter service. Its counters are in memory.
#[wasm_bindgen]
pub struct Service(boundary::Service);

/// Returns the default bounds of a service.
#[wasm_bindgen(js_name = defaultServiceConfig)]
pub fn default_service_config() -> JsValue {
    ServiceConfig::default().to_js()
}

#[wasm_bindgen]
impl Service {
    /// Makes a service without counters. `signing_key` is an Ed25519 private key of 32 bytes, or `undefined`.
    ///
    /// # Errors
    /// `TypeError`; `invalidLength`.
    pub fn create(config: &JsValue, signing_key: &JsValue) -> Result<Self, Fail> {
        let key: Option<Bytes> = argument(signing_key, "signingKey")?;
        Ok(Self(boundary::Service::new(argument(config, "config")?, key.as_deref())?))
    }

    /// Does what an action asks, and returns the event that answers it.
    ///
    /// # Errors
    /// `TypeError`; `noCounterRequest`; names and lengths that no participant makes.
    pub fn answer(&mut self, now_ms: &JsValue, action: &JsValue, token: &JsValue) -> Result<JsValue, Fail> {
        let action = asking(action)?;
        let token: Bytes = argument(token, "token")?;
        Ok(self.0.answer(time(now_ms)?, action, &token)?.to_js())
    }

    /// Answers the HTTP/1.1 request at the front of `input`: `{ response, consumed, close }`, or `undefined` if more is
    /// needed.
    ///
    /// # Errors
    /// `TypeError`; `invalidHttp`.
    pub fn respond(&mut self, now_ms: &JsValue, input: &JsValue, token: &JsValue) -> Result<JsValue, Fail> {
        let (input, token): (Bytes, Bytes) = (argument(input, "input")?, argument(token, "token")?);
        Ok(self.0.respond(time(now_ms)?, &input, &token)?.to_js())
    }
}
