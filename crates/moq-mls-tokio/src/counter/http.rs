//! The counter service over HTTP: one blocking request at a time, off the runtime's threads.

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moq_mls::counter::http::{
    HttpError, HttpRequest, HttpResponse, MAX_BODY, decode_commit_reply, decode_date, decode_increment_reply,
    decode_lock_reply, decode_retry_after, encode_commit, encode_increment, encode_lock,
};
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use ureq::tls::{PemItem, RootCerts, TlsConfig};

use super::{Answer, CounterClient, CounterError};

/// How an [`HttpCounter`] reaches its service.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The token to show. It goes out over `https://` only, or to this machine. Default: none.
    pub token: Option<String>,
    /// The certificates to trust in place of the public ones, as PEM. Default: none.
    pub roots: Option<Vec<u8>>,
    /// The longest wait for an answer. Default 5 s.
    pub timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { token: None, roots: None, timeout: Duration::from_secs(5) }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HttpOptions");
        shown.field("token", &self.token.as_ref().map(|_| "<redacted>"));
        shown.field("roots", &self.roots.is_some()).field("timeout", &self.timeout).finish()
    }
}

/// Why there can be no client of the service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpCounterError {
    /// The address is none of a service.
    #[error("the counter's address must begin with http:// or https://, unlike {0:?}")]
    Address(String),
    /// A token would travel in the clear, and anybody on the way could ask in the member's name.
    #[error("a token goes out over https:// only, or to this machine, unlike {0:?}")]
    TokenInTheClear(String),
    /// The certificates are no PEM.
    #[error("the certificates to trust: {0}")]
    Roots(String),
}

/// A client of one counter service over HTTP. Clones share connections.
///
/// It follows no redirects: a token is shown to the address that was configured, and to no other.
#[derive(Clone)]
pub struct HttpCounter {
    agent: ureq::Agent,
    base: Arc<str>,
    token: Option<Arc<str>>,
}

impl fmt::Debug for HttpCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCounter").field("base", &self.base).finish_non_exhaustive()
    }
}

impl HttpCounter {
    /// Makes a client of the service at `base`, for example `https://counter.example`.
    ///
    /// # Errors
    /// [`HttpCounterError`] if the address, the token or the certificates are not fit to use.
    pub fn new(base: &str, options: HttpOptions) -> Result<Self, HttpCounterError> {
        let base = base.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(HttpCounterError::Address(base.to_owned()));
        }
        if options.token.is_some() && !base.starts_with("https://") && !is_loopback(base) {
            return Err(HttpCounterError::TokenInTheClear(base.to_owned()));
        }
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &options.roots {
            let mut roots = Vec::new();
            for item in ureq::tls::parse_pem(pem) {
                match item {
                    Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                    Ok(_) => {}
                    Err(error) => return Err(HttpCounterError::Roots(error.to_string())),
                }
            }
            if roots.is_empty() {
                return Err(HttpCounterError::Roots("there is no certificate".to_owned()));
            }
            tls = tls.root_certs(RootCerts::from(roots));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(options.timeout))
            .max_redirects(0)
            .tls_config(tls.build())
            .build()
            .into();
        Ok(Self { agent, base: base.into(), token: options.token.map(Into::into) })
    }

    /// Asks for a lock, and blocks the thread.
    ///
    /// # Errors
    /// [`CounterError`] if there is no answer.
    pub fn lock_blocking(&self, request: &LockRequest) -> Answer<LockReply> {
        self.ask(encode_lock(request, self.token.as_deref()), decode_lock_reply)
    }

    /// Asks to fill a slot, and blocks the thread.
    ///
    /// # Errors
    /// [`CounterError`] if there is no answer.
    pub fn increment_blocking(&self, request: &IncrementRequest) -> Answer<IncrementReply> {
        self.ask(encode_increment(request, self.token.as_deref()), decode_increment_reply)
    }

    /// Asks which commit filled a slot, and blocks the thread.
    ///
    /// # Errors
    /// [`CounterError`] if there is no answer.
    pub fn commit_blocking(&self, request: &CommitRequest) -> Answer<CommitReply> {
        self.ask(encode_commit(request, self.token.as_deref()), decode_commit_reply)
    }

    fn ask<T>(
        &self,
        request: Result<HttpRequest, HttpError>,
        decode: impl FnOnce(&HttpResponse) -> Result<T, HttpError>,
    ) -> Answer<T> {
        let request = match request {
            Ok(request) => request,
            Err(error) => return Err(CounterError::NotSent(error.to_string())).into(),
        };
        let response = match self.send_blocking(&request) {
            Ok(response) => response,
            Err(error) => return Err(error).into(),
        };
        tracing::debug!(service = &*self.base, status = response.status, "answered");
        let reply = match sign_in(&response) {
            Some(what) => Err(self.is_no_service(what)),
            None => decode(&response).map_err(|error| self.misread(&response, error)),
        };
        Answer {
            // Only of what could be read: the time of a login page is nobody's.
            service_time: decode_date(&response).filter(|_| reply.is_ok()),
            retry_after: decode_retry_after(&response),
            reply,
        }
    }

    /// Sends any request, and blocks the thread.
    ///
    /// # Errors
    /// [`CounterError::NotSent`], [`CounterError::NoAnswer`].
    pub fn send_blocking(&self, request: &HttpRequest) -> Result<HttpResponse, CounterError> {
        let mut builder = ureq::http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.base, request.target));
        for (name, value) in request.headers.iter() {
            builder = builder.header(name, value.as_ref());
        }
        let request = builder.body(request.body.to_vec()).map_err(ureq::Error::from);
        let outcome = request.and_then(|request| self.agent.run(request)).and_then(|mut response| {
            let body = response.body_mut().with_config().limit(MAX_BODY as u64).read_to_vec()?;
            Ok((response, body))
        });
        let (response, body) = outcome.map_err(|error| not_answered(&error))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), Bytes::copy_from_slice(value.as_bytes())));
        Ok(HttpResponse { status: response.status().as_u16(), headers: headers.collect(), body: body.into() })
    }

    /// Says of a response that cannot be read whether a counter service can have made it.
    fn misread(&self, response: &HttpResponse, error: HttpError) -> CounterError {
        let status = response.status;
        let location = response.headers.get("location").map(|to| String::from_utf8_lossy(to));
        let what = match status {
            300..=399 => match location {
                Some(to) => format!("status {status}, which leads to {to}"),
                None => format!("status {status}"),
            },
            200 | 412 if is_page(response) => format!("status {status} with an HTML page"),
            200 | 412 => format!("status {status} with a body that is no answer ({error})"),
            404 | 405 => format!("status {status}"),
            _ => return CounterError::NoAnswer(error.to_string()),
        };
        self.is_no_service(what)
    }

    fn is_no_service(&self, what: String) -> CounterError {
        CounterError::NotCounterService { address: self.base.to_string(), what }
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Self) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (this, span) = (self.clone(), tracing::Span::current());
        let asked = tokio::task::spawn_blocking(move || span.in_scope(|| ask(&this))).await;
        asked.unwrap_or_else(|error| Err(CounterError::NoAnswer(error.to_string())).into())
    }
}

impl CounterClient for HttpCounter {
    async fn lock(&self, request: LockRequest) -> Answer<LockReply> {
        self.off_the_runtime(move |this| this.lock_blocking(&request)).await
    }

    async fn increment(&self, request: IncrementRequest) -> Answer<IncrementReply> {
        self.off_the_runtime(move |this| this.increment_blocking(&request)).await
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitReply> {
        self.off_the_runtime(move |this| this.commit_blocking(&request)).await
    }
}

/// Returns whether an address is this machine's own, by number or as `localhost`.
fn is_loopback(base: &str) -> bool {
    let Ok(uri) = base.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    number.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn is_page(response: &HttpResponse) -> bool {
    let kind = response.headers.get("content-type");
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/html"))
}

/// Says what a page for people is that asks them to sign in. Its status alone would read as a refusal by the service.
fn sign_in(response: &HttpResponse) -> Option<String> {
    let asks = matches!(response.status, 401 | 403) && is_page(response);
    asks.then(|| format!("status {} with an HTML page, as for people to sign in", response.status))
}

/// Only what certainly was not sent is `NotSent`.
fn not_answered(error: &ureq::Error) -> CounterError {
    let text = error.to_string();
    match error {
        ureq::Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused => CounterError::NotSent(text),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => {
            CounterError::NotSent(text)
        }
        _ => CounterError::NoAnswer(text),
    }
}
