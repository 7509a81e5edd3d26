//! Requests and responses, as any HTTP library takes or gives them.

use std::fmt;

use bytes::Bytes;

use crate::counter::json::JsonError;
use crate::tracks::NameError;

/// Largest JSON taken, bytes: a body, or the part of one before a commit.
pub const MAX_JSON: usize = 4 << 10;
/// Largest commit carried, bytes.
pub const MAX_COMMIT: usize = 4 << 20;
/// Largest body taken by [`decode_request`](crate::counter::http::decode_request) and the readers of replies:
/// the length of the JSON, the JSON and a commit, bytes.
pub const MAX_BODY: usize = 2 + MAX_JSON + MAX_COMMIT;

/// The type of a body that is JSON and a commit: `u16 length of the JSON | JSON | commit`.
pub(super) const WITH_COMMIT: &str = "application/vnd.moq-mls.commit";
/// The type of a body that is JSON alone.
pub(super) const JSON: &str = "application/json";

/// Bounds on a message read from bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Start line and headers together, bytes. Default 8 KiB.
    pub head: usize,
    /// Number of header lines. Default 64.
    pub headers: usize,
    /// Body, bytes. Default [`MAX_BODY`]; the counter's own messages are held to that in any case.
    pub body: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { head: 8 << 10, headers: 64, body: MAX_BODY }
    }
}

/// Why a message cannot be read, or cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Not HTTP/1.1 as this codec speaks it; says which part.
    #[error("malformed HTTP: {0}")]
    Malformed(&'static str),
    /// Over a limit; says which part.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// The connection ended inside a response.
    #[error("the connection ended inside a response")]
    Truncated,
    /// From a web page that is not known, or to a name that is not the service's; says by which header.
    #[error("refused by its {0}")]
    Forbidden(&'static str),
    /// A path that is none of `/lock/<id>`, `/increment/<id>` and `/commit/<id>`.
    #[error("no such path")]
    NotFound,
    /// Another method than the path takes.
    #[error("this path takes {allow}")]
    MethodNotAllowed {
        /// The value of the reply's `Allow`.
        allow: &'static str,
    },
    /// The id is not a group name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The body is not the JSON object it should be.
    #[error("JSON: {0}")]
    Json(JsonError),
    /// A field or parameter is missing or holds something else than it should.
    #[error("bad \"{0}\"")]
    Field(&'static str),
    /// A reply whose status means nothing here: the outcome of the request is unknown.
    #[error("unexpected status {0}")]
    Status(u16),
}

impl From<JsonError> for HttpError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// A request method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// Any other.
    Other(String),
}

impl Method {
    /// The method of that name; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn new(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Other(name) => name,
        }
    }
}

/// Header lines in order. Names compare without case. `Debug` redacts `Authorization`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Headers(Vec<(String, Bytes)>);

impl Headers {
    /// Appends a line. Nothing is checked here: `to_bytes` refuses what would not be one line.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// The value of the first line of that name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The values of all lines of that name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All lines in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(lines: T) -> Self {
        Self(lines.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            if name.eq_ignore_ascii_case("authorization") {
                map.entry(&name, &format_args!("<redacted>"));
            } else {
                map.entry(&name, value);
            }
        }
        map.finish()
    }
}

/// A request as any HTTP library takes or gives it. `Debug` shows the length of the body, which may hold a slot key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query. A client whose service is under a prefix puts it in front.
    pub target: String,
    /// Header lines; `Host` and `Content-Length` are left to the sender.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, headers, body } = self;
        let body = format_args!("{} bytes", body.len());
        let mut shown = f.debug_struct("HttpRequest");
        shown.field("method", method).field("target", target).field("headers", headers);
        shown.field("body", &body).finish()
    }
}

/// A response as any HTTP library takes or gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header lines; `Content-Length` is left to the sender.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// What is at the front of a byte stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Decoded<T> {
    /// The start of a message: read more and decode again from the same start.
    Incomplete,
    /// A whole message.
    Complete {
        /// The message.
        message: T,
        /// Its bytes; the next message starts behind them.
        len: usize,
    },
}
