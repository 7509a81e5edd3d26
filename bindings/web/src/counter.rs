//! How a participant asks the counter service over HTTP.

use bytes::Bytes;
use moq_mls_boundary as boundary;
use moq_mls_boundary::codes::RequestKind;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::asking::asking;
use crate::fail::Fail;
use crate::js::{Js, argument};

/// Returns the HTTP/1.1 request of an action that asks the counter service.
///
/// # Errors
/// `TypeError`; `noCounterRequest` for any other action; `invalidHttp` for a host or token that cannot be sent.
#[wasm_bindgen(js_name = counterRequest)]
pub fn counter_request(action: &JsValue, host: &JsValue, token: &JsValue) -> Result<JsValue, Fail> {
    let action = asking(action)?;
    let host: String = argument(host, "host")?;
    let token: Option<String> = argument(token, "token")?;
    Ok(boundary::counter_request(action, &host, token.as_deref())?.to_js())
}

/// Reads the response to the request of that kind and id: `{ events, consumed }`, or `undefined` if more is needed.
///
/// # Errors
/// `TypeError`; `noCounterRequest` for a kind that the service is not asked.
#[wasm_bindgen(js_name = counterReply)]
pub fn counter_reply(
    request: &JsValue,
    id: &JsValue,
    input: &JsValue,
    ended: &JsValue,
) -> Result<JsValue, Fail> {
    let (request, id): (RequestKind, u64) = (argument(request, "request")?, argument(id, "id")?);
    let (input, ended): (Bytes, bool) = (argument(input, "input")?, argument(ended, "ended")?);
    Ok(boundary::counter_reply(request, id, &input, ended)?.to_js())
}
