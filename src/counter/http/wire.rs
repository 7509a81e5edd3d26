//! Messages as bytes (RFC 9112), as much of it as the counter needs.

use bytes::Bytes;

use crate::counter::http::message::{
    Decoded, Headers, HttpError, HttpLimits, HttpRequest, HttpResponse, Method,
};

impl HttpRequest {
    /// The bytes to send to `host` (the URL's authority). `Host` and `Content-Length` are written
    /// here; lines of these names in `headers` are left out.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] if a part cannot stand in its place, such as a line break in a
    /// header, or for a Transfer-Encoding.
    pub fn to_bytes(&self, host: &str) -> Result<Bytes, HttpError> {
        let method = self.method.as_str();
        if !is_token(method.as_bytes()) {
            return Err(HttpError::Malformed("method"));
        }
        if !is_target(self.target.as_bytes()) {
            return Err(HttpError::Malformed("target"));
        }
        if host.is_empty() || !is_target(host.as_bytes()) {
            return Err(HttpError::Malformed("host"));
        }
        let mut out = format!("{method} {} HTTP/1.1\r\nHost: {host}\r\n", self.target).into_bytes();
        // RFC 9112 section 6.3: a request without Content-Length has no body.
        let length = !self.body.is_empty() || self.method != Method::Get;
        write_rest(&mut out, &self.headers, length.then_some(self.body.len()), &self.body)?;
        Ok(out.into())
    }

    /// Reads the request at the front of `input`.
    ///
    /// Call it again with more bytes from the same start while it is [`Decoded::Incomplete`]; the
    /// work is bounded by `limits`, which are checked before the bytes they bound have arrived.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] or [`HttpError::TooLarge`]; answer with
    /// [`encode_refusal`](super::encode_refusal) and close: where the next request starts is unknown.
    pub fn decode(input: &[u8], limits: &HttpLimits) -> Result<Decoded<Self>, HttpError> {
        // RFC 9112 section 2.2: ignore an empty line before the request line.
        let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(head) = Head::read(input.get(skipped..).unwrap_or_default(), limits)? else {
            return Ok(Decoded::Incomplete);
        };
        let mut parts = head.start.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HttpError::Malformed("request line"));
        };
        if !is_token(method) || !is_target(target) {
            return Err(HttpError::Malformed("request line"));
        }
        check_version(version)?;
        // RFC 9112 section 3.2.
        let hosts = head.headers.get_all("host").count();
        if hosts > 1 || (hosts == 0 && version != b"HTTP/1.0") {
            return Err(HttpError::Malformed("Host"));
        }
        let length = head.content_length(limits)?.unwrap_or(0);
        let start = skipped.saturating_add(head.len);
        let end = start.saturating_add(length);
        let Some(body) = input.get(start..end) else { return Ok(Decoded::Incomplete) };
        Ok(Decoded::Complete {
            message: Self {
                method: Method::new(ascii(method)?),
                target: ascii(target)?.to_owned(),
                headers: head.headers,
                body: Bytes::copy_from_slice(body),
            },
            len: end,
        })
    }
}

impl HttpResponse {
    /// The bytes to send. `Content-Length` is written here; a line of this name in `headers` is left out.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] for a Transfer-Encoding, or if a part cannot stand in its place. Examples are
    /// a line break in a header, a status outside 200 to 599, or a body with a status that has none. No
    /// response made by this module fails.
    pub fn to_bytes(&self) -> Result<Bytes, HttpError> {
        if !(200..600).contains(&self.status) || (is_bodiless(self.status) && !self.body.is_empty()) {
            return Err(HttpError::Malformed("status"));
        }
        let mut out = format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status)).into_bytes();
        let length = (!is_bodiless(self.status)).then_some(self.body.len());
        write_rest(&mut out, &self.headers, length, &self.body)?;
        Ok(out.into())
    }

    /// Reads the response at the front of `input`, the answer to a GET or a POST.
    ///
    /// `ended` says that no more bytes will come: a response without Content-Length, which this
    /// crate's service never sends, ends there. Interim responses (100 to 199) are skipped and
    /// counted into the length.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] or [`HttpError::TooLarge`]; [`HttpError::Truncated`] if the
    /// response is incomplete and `ended`. The outcome of the request is then unknown.
    pub fn decode(input: &[u8], ended: bool, limits: &HttpLimits) -> Result<Decoded<Self>, HttpError> {
        let incomplete = if ended { Err(HttpError::Truncated) } else { Ok(Decoded::Incomplete) };
        let mut start = 0usize;
        loop {
            let rest = input.get(start..).unwrap_or_default();
            let Some(head) = Head::read(rest, limits)? else { return incomplete };
            start = start.saturating_add(head.len);
            let status = status_line(head.start)?;
            match status {
                // Asked for by nobody.
                101 => return Err(HttpError::Malformed("protocol switch")),
                100..200 if start > limits.head => return Err(HttpError::TooLarge("interim responses")),
                100..200 => continue,
                _ => {}
            }
            let end = match head.content_length(limits)? {
                _ if is_bodiless(status) => start,
                Some(length) => start.saturating_add(length),
                None if input.len().saturating_sub(start) > limits.body => {
                    return Err(HttpError::TooLarge("body"));
                }
                None if ended => input.len(),
                None => return Ok(Decoded::Incomplete),
            };
            let Some(body) = input.get(start..end) else { return incomplete };
            let body = Bytes::copy_from_slice(body);
            return Ok(Decoded::Complete { message: Self { status, headers: head.headers, body }, len: end });
        }
    }
}

/// A start line and header lines.
struct Head<'a> {
    start: &'a [u8],
    headers: Headers,
    /// Bytes, the empty line included.
    len: usize,
}

impl<'a> Head<'a> {
    /// `None` while the empty line has not arrived.
    fn read(input: &'a [u8], limits: &HttpLimits) -> Result<Option<Self>, HttpError> {
        let mut start = None;
        let mut headers = Headers::default();
        let mut rest = input.get(..limits.head).unwrap_or(input);
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let (line, tail) = rest.split_at(end.saturating_add(1));
            rest = tail;
            // A bare LF or CR is read differently by different recipients: RFC 9112 section 11.2.
            let line = line.strip_suffix(b"\r\n").ok_or(HttpError::Malformed("line end"))?;
            match start {
                None => start = Some(line),
                Some(start) if line.is_empty() => {
                    let len = input.len().min(limits.head).saturating_sub(rest.len());
                    return Ok(Some(Self { start, headers, len }));
                }
                Some(_) if headers.len() >= limits.headers => return Err(HttpError::TooLarge("headers")),
                Some(_) => {
                    let (name, value) = header(line).ok_or(HttpError::Malformed("header"))?;
                    headers.push(name, Bytes::copy_from_slice(value));
                }
            }
        }
        if input.len() >= limits.head { Err(HttpError::TooLarge("head")) } else { Ok(None) }
    }

    /// The body's length; `None` if the head does not say. Within the limit.
    fn content_length(&self, limits: &HttpLimits) -> Result<Option<usize>, HttpError> {
        if self.headers.get("transfer-encoding").is_some() {
            return Err(HttpError::Malformed("Transfer-Encoding"));
        }
        let mut lines = self.headers.get_all("content-length");
        let (first, None) = (lines.next(), lines.next()) else {
            return Err(HttpError::Malformed("Content-Length"));
        };
        let Some(digits) = first else { return Ok(None) };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(HttpError::Malformed("Content-Length"));
        }
        // Digits only, so a failure is a number over the limit of any machine.
        match ascii(digits)?.parse() {
            Ok(length) if length <= limits.body => Ok(Some(length)),
            _ => Err(HttpError::TooLarge("body")),
        }
    }
}

/// Name and value of a header line (RFC 9112 section 5); no folding, no space before the colon.
fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = line.split_at(colon);
    let value = trim(value.strip_prefix(b":")?);
    (is_token(name) && is_value(value)).then_some(())?;
    Some((std::str::from_utf8(name).ok()?, value))
}

/// Without optional whitespace, space and tab, at the ends (RFC 9110 section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn status_line(line: &[u8]) -> Result<u16, HttpError> {
    let malformed = HttpError::Malformed("status line");
    let (version, rest) = line.split_at_checked(8).ok_or(malformed)?;
    check_version(version)?;
    // The reason phrase means nothing, and some senders leave out the space before it too.
    let (&[b' ', a @ b'1'..=b'9', b, c], phrase) = rest.split_first_chunk().ok_or(malformed)? else {
        return Err(malformed);
    };
    if !(b.is_ascii_digit() && c.is_ascii_digit() && is_value(phrase)) {
        return Err(malformed);
    }
    if !phrase.is_empty() && !phrase.starts_with(b" ") {
        return Err(malformed);
    }
    let digit = |d: u8| u16::from(d - b'0');
    Ok(digit(a) * 100 + digit(b) * 10 + digit(c))
}

/// HTTP/1.1, or the older version whose messages look the same.
fn check_version(version: &[u8]) -> Result<(), HttpError> {
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        _ => Err(HttpError::Malformed("version")),
    }
}

fn is_token(bytes: &[u8]) -> bool {
    let tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(tchar)
}

fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

fn ascii(bytes: &[u8]) -> Result<&str, HttpError> {
    std::str::from_utf8(bytes).map_err(|_| HttpError::Malformed("start line"))
}

/// Responses that have no body whatever their headers say (RFC 9112 section 6.3).
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

fn write_rest(
    out: &mut Vec<u8>,
    headers: &Headers,
    length: Option<usize>,
    body: &[u8],
) -> Result<(), HttpError> {
    for (name, value) in headers.iter() {
        if name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        if !is_token(name.as_bytes()) || !is_value(value) || name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(HttpError::Malformed("header"));
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(length) = length {
        out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    Ok(())
}

/// Returns a phrase for people, for the codes that the service sends.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        _ => "",
    }
}
