//! How numbers and bytes are written.

use serde_json::{Value, json};

/// The version of the vectors as a whole, in every file.
pub const VERSION: u64 = 2;

pub(super) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a value");
    text.push('\n');
    text
}

/// An integer, or a string of digits where a JSON number may lose some.
pub(super) fn int(value: u64) -> Value {
    if value < 1 << 53 { json!(value) } else { json!(value.to_string()) }
}

pub(super) fn hex(bytes: &[u8]) -> Value {
    json!(hex::encode(bytes))
}
