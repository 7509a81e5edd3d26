//! JSON (RFC 8259) as far as the counter's bodies need it: one flat object with known fields.
//!
//! The reader is total and linear: it takes nothing that RFC 8259 refuses, skips unknown values in
//! a loop rather than by recursion, and never panics. The core links no serde.
//!
//! Over 400 lines: one grammar, whose reader and writer are read side by side.

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

    /// From `start` to here. Both are next to ASCII, so always on character boundaries.
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
            unit = unit.wrapping_mul(16).wrapping_add(digit as u16);
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
mod tests;
