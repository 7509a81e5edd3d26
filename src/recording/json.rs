//! As much JSON as the log writes: the core links no serde.

/// The largest integer that every JSON implementation carries exactly (RFC 8259 section 6).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// An object under construction.
#[derive(Clone, Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    fn name(mut self, name: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("\"{name}\":"));
        self
    }

    pub(super) fn text(self, name: &str, text: &str) -> Self {
        let mut this = self.name(name);
        quote(&mut this.0, text);
        this
    }

    pub(super) fn number(self, name: &str, number: u64) -> Self {
        let mut this = self.name(name);
        this.0.push_str(&integer(number));
        this
    }

    pub(super) fn hex(self, name: &str, bytes: &[u8]) -> Self {
        self.text(name, &hex::encode(bytes))
    }

    pub(super) fn flag(self, name: &str, flag: bool) -> Self {
        let mut this = self.name(name);
        this.0.push_str(if flag { "true" } else { "false" });
        this
    }

    pub(super) fn object(self, name: &str, inner: Object) -> Self {
        let mut this = self.name(name);
        this.0.push_str(&inner.finish());
        this
    }

    pub(super) fn objects(self, name: &str, inner: impl IntoIterator<Item = Object>) -> Self {
        let inner: Vec<String> = inner.into_iter().map(Object::finish).collect();
        let mut this = self.name(name);
        this.0.push_str(&format!("[{}]", inner.join(",")));
        this
    }

    pub(super) fn numbers(self, name: &str, items: impl IntoIterator<Item = u64>) -> Self {
        let items: Vec<String> = items.into_iter().map(integer).collect();
        let mut this = self.name(name);
        this.0.push_str(&format!("[{}]", items.join(",")));
        this
    }

    pub(super) fn hexes<'a>(self, name: &str, items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let items: Vec<String> = items.into_iter().map(|b| format!("\"{}\"", hex::encode(b))).collect();
        let mut this = self.name(name);
        this.0.push_str(&format!("[{}]", items.join(",")));
        this
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An integer, or a string of digits where a JSON number may lose some.
fn integer(number: u64) -> String {
    if number > MAX_SAFE_INTEGER { format!("\"{number}\"") } else { number.to_string() }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
