//! MoQT draft 18 as bytes, for pages that speak it over WebTransport: control messages, and what streams carry. Like
//! the rest of the crate it opens no stream: bytes in, values out, and the other way round.

mod carry;
mod convert;
mod message;
mod reader;
mod writer;

use bytes::{Bytes, BytesMut};
use moqtap_codec::draft18::message::ControlMessage;
use moqtap_codec::error::CodecError;
use moqtap_codec::varint::VarInt;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fail::Fail;
use crate::js::{Js, argument};

use self::message::DecodedMessage;
pub(crate) use self::message::MoqtMessage;
pub use self::reader::StreamReader;
pub use self::writer::{FetchWriter, SubgroupWriter};

impl From<CodecError> for Fail {
    fn from(error: CodecError) -> Self {
        Self::Moqt(error.to_string())
    }
}

fn number(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

/// Reads a value at the front of `buffer` and takes its bytes away; `None` if more are needed.
fn take<T>(
    buffer: &mut BytesMut,
    decode: impl FnOnce(&mut &[u8]) -> Result<T, CodecError>,
) -> Result<Option<T>, Fail> {
    let mut rest = &buffer[..];
    match decode(&mut rest) {
        Ok(value) => {
            let used = buffer.len().saturating_sub(rest.len());
            drop(buffer.split_to(used));
            Ok(Some(value))
        }
        Err(error) if error.is_incomplete() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the bytes of a control message.
///
/// # Errors
/// `TypeError`; `invalidMoqt` for one that MoQT does not allow.
#[wasm_bindgen(js_name = encodeMessage)]
pub fn encode_message(message: &JsValue) -> Result<JsValue, Fail> {
    let message: MoqtMessage = argument(message, "message")?;
    let mut bytes = Vec::new();
    ControlMessage::try_from(message)?.encode(&mut bytes)?;
    Ok(Bytes::from(bytes).to_js())
}

/// Reads the control message at the front of `input`: `{ message, consumed }`, or `undefined` if more is needed.
///
/// # Errors
/// `TypeError`; `invalidMoqt`.
#[wasm_bindgen(js_name = decodeMessage)]
pub fn decode_message(input: &JsValue) -> Result<JsValue, Fail> {
    let input: Bytes = argument(input, "input")?;
    let mut buffer = BytesMut::from(&*input);
    let message = take(&mut buffer, |bytes| ControlMessage::decode(bytes))?;
    let consumed = input.len().saturating_sub(buffer.len());
    Ok(message.map(|message| DecodedMessage { message: message.into(), consumed }).to_js())
}
