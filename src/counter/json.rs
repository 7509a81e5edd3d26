//! JSON (RFC 8259) as far as the counter's bodies need it: one flat object with known fields.
//!
//! The reader is total and linear: it takes nothing that RFC 8259 refuses, skips unknown values in
//! a loop rather than by recursion, and never panics. The core links no serde.

use std::borrow::Cow;

use bytes::Bytes;

/// Deepest nesting read, the outermost object included.
const MAX_DEPTH: usize = 16;
/// Longest number read, characters: RFC 8259 section 6 sets no bound, so a bound is ours to set.
const MAX_NUMBER: usize = 64;
/// The largest integer that every JSON implementation carries exactly (RFC 8259 section 6).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Why a body is not the JSON object it should be. Positions are bytes from the start of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The body is not UTF-8 (RFC 8259 section 8.1).
    #[error("not UTF-8")]
    Utf8,
    /// The body ends inside the object.
    #[error("ends too soon")]
    End,
    /// A character that cannot stand there.
    #[error("unexpected character at {0}")]
    Syntax(usize),
    /// An escape that names no character, half of a surrogate pair among them.
    #[error("bad escape at {0}")]
    Escape(usize),
    /// A number longer than 64 characters.
    #[error("over-long number at {0}")]
    Number(usize),
    /// More than 16 levels.
    #[error("nested too deep at {0}")]
    Depth(usize),
    /// Bytes behind the object.
    #[error("trailing bytes at {0}")]
    Trailing(usize),
    /// A field that means something here occurs twice.
    #[error("duplicate field \"{0}\"")]
    Duplicate(&'static str),
}

/// The value of a known field. Null is no value: see [`fields`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    String(Cow<'a, str>),
    Number(&'a str),
    Bool(bool),
    /// An array or an object, skipped: no field of the counter's holds one.
    Container,
}

impl Value<'_> {
    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A counter: an integer, or a string of decimal digits.
    pub(crate) fn counter(&self) -> Option<u64> {
        match self {
            Value::Number(digits) => decimal(digits),
            Value::String(digits) => decimal(digits),
            _ => None,
        }
    }

    /// The bytes of a hex string, either case.
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        hex::decode(self.text()?).ok().map(Bytes::from)
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

/// A u64 in decimal digits: no sign, no leading zero, no fraction, no exponent.
pub(crate) fn decimal(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    // `parse` alone would take a leading "+".
    (canonical && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Reads one object and returns the values of the named fields, `None` for one that is absent or
/// null. All other fields are checked for syntax and ignored.
pub(crate) fn fields<'a, const N: usize>(
    body: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Value<'a>>; N], JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::Utf8)?;
    let mut reader = Reader { text, at: 0 };
    let mut values = [const { None }; N];
    let mut seen = [false; N];

    reader.expect(b'{')?;
    if reader.peek() == Some(b'}') {
        reader.bump();
    } else {
        loop {
            let name = reader.name()?;
            let value = reader.value()?;
            for ((known, slot), seen) in names.iter().zip(&mut values).zip(&mut seen) {
                if *known == name {
                    if std::mem::replace(seen, true) {
                        return Err(JsonError::Duplicate(known));
                    }
                    *slot = value;
                    break;
                }
            }
            match reader.take()? {
                b',' => {}
                b'}' => break,
                _ => return Err(reader.before()),
            }
        }
    }
    match reader.peek() {
        None => Ok(values),
        Some(_) => Err(JsonError::Trailing(reader.at)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The next byte that is not whitespace, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.bump();
        }
        self.byte()
    }

    /// The next byte that is not whitespace.
    fn take(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or(JsonError::End)?;
        self.bump();
        Ok(byte)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        if self.take()? == wanted { Ok(()) } else { Err(self.before()) }
    }

    /// The error for the byte just taken.
    fn before(&self) -> JsonError {
        JsonError::Syntax(self.at.saturating_sub(1))
    }

    /// The error for the byte not taken, or for its absence.
    fn here(&self) -> JsonError {
        if self.byte().is_none() { JsonError::End } else { JsonError::Syntax(self.at) }
    }

    /// A member's name and the colon.
    fn name(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// Any value; `None` for null.
    fn value(&mut self) -> Result<Option<Value<'a>>, JsonError> {
        match self.peek() {
            Some(b'{' | b'[') => {
                self.skip()?;
                Ok(Some(Value::Container))
            }
            _ => self.scalar(),
        }
    }

    /// Skips one container, however deep: one entry on a bounded stack per level.
    fn skip(&mut self) -> Result<(), JsonError> {
        // True for an object. The outermost object is not on the stack.
        let mut open: Vec<bool> = Vec::new();
        loop {
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    if open.len() >= MAX_DEPTH - 1 {
                        return Err(JsonError::Depth(self.at));
                    }
                    self.bump();
                    let object = byte == b'{';
                    open.push(object);
                    match self.peek() {
                        Some(b'}') if object => {}
                        Some(b']') if !object => {}
                        _ => {
                            if object {
                                self.name()?;
                            }
                            continue;
                        }
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            // Behind a value: close what ends here, then go on to the next member or element.
            loop {
                let Some(&object) = open.last() else { return Ok(()) };
                match (self.take()?, object) {
                    (b'}', true) | (b']', false) => {
                        open.pop();
                        if open.is_empty() {
                            return Ok(());
                        }
                    }
                    (b',', true) => {
                        self.name()?;
                        break;
                    }
                    (b',', false) => break,
                    _ => return Err(self.before()),
                }
            }
        }
    }

    fn scalar(&mut self) -> Result<Option<Value<'a>>, JsonError> {
        match self.peek() {
            Some(b'"') => {
                self.bump();
                self.string().map(|s| Some(Value::String(s)))
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|n| Some(Value::Number(n))),
            Some(b't') => self.literal("true", Some(Value::Bool(true))),
            Some(b'f') => self.literal("false", Some(Value::Bool(false))),
            Some(b'n') => self.literal("null", None),
            _ => Err(self.here()),
        }
    }

    fn literal(&mut self, word: &str, value: Option<Value<'a>>) -> Result<Option<Value<'a>>, JsonError> {
        for wanted in word.bytes() {
            if self.byte() != Some(wanted) {
                return Err(self.here());
            }
            self.bump();
        }
        Ok(value)
    }

    /// One or more digits.
    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return Err(self.here());
        }
        while let Some(b'0'..=b'9') = self.byte() {
            self.bump();
        }
        Ok(())
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.bump();
        }
        match self.byte() {
            Some(b'0') => self.bump(),
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.bump();
            if let Some(b'+' | b'-') = self.byte() {
                self.bump();
            }
            self.digits()?;
        }
        let number = self.slice(start)?;
        if number.len() > MAX_NUMBER { Err(JsonError::Number(start)) } else { Ok(number) }
    }

    /// From `start` to here. Both lie next to ASCII, so always on character boundaries.
    fn slice(&self, start: usize) -> Result<&'a str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::Syntax(start))
    }

    /// The rest of a string whose opening quote is taken.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let mut unescaped = String::new();
        let mut escapes = false;
        let mut start = self.at;
        loop {
            match self.byte() {
                None => return Err(JsonError::End),
                Some(b'"') => {
                    let tail = self.slice(start)?;
                    self.bump();
                    if !escapes {
                        return Ok(Cow::Borrowed(tail));
                    }
                    unescaped.push_str(tail);
                    return Ok(Cow::Owned(unescaped));
                }
                Some(b'\\') => {
                    escapes = true;
                    unescaped.push_str(self.slice(start)?);
                    unescaped.push(self.escape()?);
                    start = self.at;
                }
                Some(0..=0x1f) => return Err(self.here()),
                Some(_) => self.bump(),
            }
        }
    }

    /// One escape, from the backslash on; a surrogate pair is one.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.bump();
        let byte = self.byte().ok_or(JsonError::End)?;
        self.bump();
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4(start)?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) {
                    for wanted in [b'\\', b'u'] {
                        match self.byte() {
                            Some(byte) if byte == wanted => self.bump(),
                            Some(_) => return Err(JsonError::Escape(start)),
                            None => return Err(JsonError::End),
                        }
                    }
                    units.push(self.hex4(start)?);
                }
                match char::decode_utf16(units).next() {
                    Some(Ok(c)) => c,
                    _ => return Err(JsonError::Escape(start)),
                }
            }
            _ => return Err(JsonError::Escape(start)),
        })
    }

    fn hex4(&mut self, escape: usize) -> Result<u16, JsonError> {
        let mut unit = 0u16;
        for _ in 0..4 {
            let byte = self.byte().ok_or(JsonError::End)?;
            let digit = char::from(byte).to_digit(16).ok_or(JsonError::Escape(escape))?;
            unit = (unit << 4) | digit as u16;
            self.bump();
        }
        Ok(unit)
    }
}

/// Writes one flat object, field by field.
pub(crate) struct Writer(String);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    fn field(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
    }

    fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                '\0'..='\x1f' => self.0.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        self.field(name);
        self.string(text);
        self
    }

    /// Lower-case hex.
    pub(crate) fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.text(name, &hex::encode(bytes))
    }

    /// An integer where every reader takes it exactly, a decimal string above.
    pub(crate) fn counter(mut self, name: &str, value: u64) -> Self {
        if value > MAX_SAFE_INTEGER {
            return self.text(name, &value.to_string());
        }
        self.field(name);
        self.0.push_str(&value.to_string());
        self
    }

    pub(crate) fn flag(mut self, name: &str, flag: bool) -> Self {
        self.field(name);
        self.0.push_str(if flag { "true" } else { "false" });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.0.push('}');
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<Option<Value<'_>>, JsonError> {
        fields(body.as_bytes(), ["v"]).map(|[v]| v)
    }

    fn text(s: &str) -> Option<Value<'_>> {
        Some(Value::String(s.into()))
    }

    #[test]
    fn values() {
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(" {\t\"v\"\n:\r null } "), Ok(None));
        assert_eq!(read(r#"{"v":true}"#), Ok(Some(Value::Bool(true))));
        assert_eq!(read(r#"{"v":-0.50e+07}"#), Ok(Some(Value::Number("-0.50e+07"))));
        assert_eq!(read(r#"{"v":[[],{"v":[1,{}]}],"x":{"v":2}}"#), Ok(Some(Value::Container)));
        assert_eq!(read(r#"{"\u0076":"\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00é"}"#), {
            Ok(text("\"\\/\u{8}\u{c}\n\r\té😀é"))
        });
    }

    #[test]
    fn refusals() {
        use JsonError::*;
        for (body, error) in [
            ("", End),
            ("{", End),
            ("[]", Syntax(0)),
            ("1", Syntax(0)),
            ("\u{feff}{}", Syntax(0)),
            ("{}x", Trailing(2)),
            ("{}{}", Trailing(2)),
            (r#"{"v":1,}"#, Syntax(7)),
            (r#"{,}"#, Syntax(1)),
            (r#"{"v" 1}"#, Syntax(5)),
            (r#"{v:1}"#, Syntax(1)),
            (r#"{"v":01}"#, Syntax(6)),
            (r#"{"v":+1}"#, Syntax(5)),
            (r#"{"v":.5}"#, Syntax(5)),
            (r#"{"v":1.}"#, Syntax(7)),
            (r#"{"v":1e}"#, Syntax(7)),
            (r#"{"v":-}"#, Syntax(6)),
            (r#"{"v":tru}"#, Syntax(8)),
            (r#"{"v":nul"#, End),
            (r#"{"v":NaN}"#, Syntax(5)),
            (r#"{"v":[1,]}"#, Syntax(8)),
            (r#"{"v":[1}"#, Syntax(7)),
            (r#"{"v":{"a":1]}"#, Syntax(11)),
            (r#"{"v":{"a"}}"#, Syntax(9)),
            ("{\"v\":\"\n\"}", Syntax(6)),
            ("{\"v\":\"\u{1f}\"}", Syntax(6)),
            (r#"{"v":"\x"}"#, Escape(6)),
            (r#"{"v":"\u12g4"}"#, Escape(6)),
            (r#"{"v":"\ud800"}"#, Escape(6)),
            (r#"{"v":"\ud800\n"}"#, Escape(6)),
            (r#"{"v":"\ud800\ud800"}"#, Escape(6)),
            (r#"{"v":"\udc00"}"#, Escape(6)),
            (r#"{"v":"\u00"#, End),
            (r#"{"v":"\ud800\"#, End),
            (r#"{"v":1,"v":1}"#, Duplicate("v")),
            (r#"{"v":null,"\u0076":null}"#, Duplicate("v")),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
        assert_eq!(fields(b"{\"v\":\"\xff\"}", ["v"]), Err(Utf8));
        // Unknown fields may repeat: nothing here depends on them.
        assert_eq!(read(r#"{"x":1,"x":2}"#), Ok(None));
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |n: usize| format!("{{\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert_eq!(read(&nested(MAX_DEPTH - 1)), Ok(None));
        assert_eq!(read(&nested(MAX_DEPTH)), Err(JsonError::Depth(5 + MAX_DEPTH - 1)));
        assert_eq!(read(&nested(100_000)), Err(JsonError::Depth(5 + MAX_DEPTH - 1)));

        let long = |n: usize| format!("{{\"x\":{}}}", "1".repeat(n));
        assert_eq!(read(&long(MAX_NUMBER)), Ok(None));
        assert_eq!(read(&long(MAX_NUMBER + 1)), Err(JsonError::Number(5)));
    }

    #[test]
    fn counters() {
        let read = |body: &str| fields(body.as_bytes(), ["v"]).unwrap()[0].as_ref().unwrap().counter();
        let max = u64::MAX;
        for n in [0, 1, MAX_SAFE_INTEGER, MAX_SAFE_INTEGER + 1, max] {
            assert_eq!(read(&format!("{{\"v\":{n}}}")), Some(n));
            assert_eq!(read(&format!("{{\"v\":\"{n}\"}}")), Some(n));
            let written = Writer::new().counter("v", n).finish();
            assert_eq!(read(std::str::from_utf8(&written).unwrap()), Some(n));
        }
        assert_eq!(&Writer::new().counter("v", MAX_SAFE_INTEGER).finish()[..], b"{\"v\":9007199254740991}");
        assert_eq!(
            &Writer::new().counter("v", MAX_SAFE_INTEGER + 1).finish()[..],
            b"{\"v\":\"9007199254740992\"}"
        );
        for bad in
            ["-1", "-0", "1.0", "1e3", "18446744073709551616", "\"\"", "\"+1\"", "\"01\"", "\" 1\"", "true"]
        {
            assert_eq!(read(&format!("{{\"v\":{bad}}}")), None, "{bad}");
        }
    }

    #[test]
    fn written_text_is_escaped() {
        let written = |text: &str| Writer::new().text("v", text).finish();
        assert_eq!(&written("\"\\/é")[..], "{\"v\":\"\\\"\\\\/é\"}".as_bytes());
        for control in '\0'..' ' {
            let expected = format!("{{\"v\":\"\\u{:04x}\"}}", u32::from(control));
            assert_eq!(written(&control.to_string()), expected);
        }
    }

    /// Text that is JSON, nearly JSON, or made of its parts.
    fn nearly_json() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\"v\"", "\"v\":", "\"x\":", "\\u0076", "\\ud83d", "\\udc00",
            "1", "-", "0", ".", "e", "+", "true", "false", "null", " ", "\n", "\u{1}", "é", "\\", "1.5e3",
            "{}", "[]",
        ]);
        prop_oneof![
            prop::collection::vec(token.clone(), 0..12).prop_map(|v| format!("{{{}}}", v.concat())),
            prop::collection::vec(token.clone(), 0..5).prop_map(|v| format!("{{\"x\":{}}}", v.concat())),
            prop::collection::vec(token.clone(), 0..5).prop_map(|v| format!("{{\"x\":[{}]}}", v.concat())),
            prop::collection::vec(token, 0..5).prop_map(|v| format!("{{\"x\":\"{}\"}}", v.concat())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Another implementation takes what ours takes, and refuses what ours refuses.
        #[test]
        fn agrees_with_serde_json(body in nearly_json()) {
            let theirs = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body);
            match read(&body) {
                Ok(ours) => {
                    let theirs = match theirs {
                        Ok(theirs) => theirs,
                        // Its one limit more: a number that no f64 holds.
                        Err(e) if e.to_string().contains("number out of range") => return Ok(()),
                        Err(e) => return Err(TestCaseError::fail(e.to_string())),
                    };
                    match theirs.get("v") {
                        None | Some(serde_json::Value::Null) => prop_assert_eq!(ours, None),
                        Some(serde_json::Value::String(s)) => prop_assert_eq!(ours, text(s)),
                        Some(serde_json::Value::Bool(b)) => prop_assert_eq!(ours, Some(Value::Bool(*b))),
                        Some(serde_json::Value::Number(_)) => {
                            prop_assert!(matches!(ours, Some(Value::Number(_))));
                        }
                        Some(_) => prop_assert_eq!(ours, Some(Value::Container)),
                    }
                }
                // These two are stricter on purpose.
                Err(JsonError::Duplicate(_) | JsonError::Number(_)) => {}
                Err(_) => prop_assert!(theirs.is_err(), "{body}"),
            }
        }

        #[test]
        fn written_text_reads_back(name in any::<String>(), value in any::<String>()) {
            let body = Writer::new().text(&format!("x{name}"), &value).text("v", &value).finish();
            let [v] = fields(&body, ["v"]).unwrap();
            prop_assert_eq!(v, text(&value));
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = fields(&body, ["v"]);
        }
    }
}
