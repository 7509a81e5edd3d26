//! Fields of a line.

use serde_json::Value;

/// Returns an integer, which stands in quotation marks where it is large.
pub(super) fn integer(line: &Value, name: &str) -> Option<u64> {
    match line.get(name)? {
        Value::String(digits) => digits.parse().ok(),
        number => number.as_u64(),
    }
}

/// Returns a text of a line.
pub(super) fn text<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name)?.as_str()
}

/// Returns bytes as text where they are UTF-8.
pub(super) fn decoded(bytes: &str) -> Option<String> {
    String::from_utf8(hex::decode(bytes).ok()?).ok()
}
