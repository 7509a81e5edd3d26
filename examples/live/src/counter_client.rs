//! The counter service as a participant calls it: one blocking request at a time, off the runtime.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use moq_mls::counter::http::{
    HttpRequest, HttpResponse, MAX_BODY, decode_commit_reply, decode_date, decode_increment_reply,
    decode_lock_reply, decode_retry_after, encode_commit, encode_increment, encode_lock,
};
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use moq_mls::{Event, Failure};

/// Longest wait for an answer. The machine repeats what it needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of one service. Clones share connections.
#[derive(Clone)]
pub struct CounterClient {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
    reachable: Arc<AtomicBool>,
    /// What the headers of answers say, for who asked for this client.
    headers: Option<Arc<dyn Fn(Event) + Send + Sync>>,
}

impl CounterClient {
    /// A client for the service at `base` (`http://` or `https://`), which trusts the certificates in
    /// `root` besides the usual ones, and shows `token`.
    pub fn new(base: &str, root: Option<&Path>, token: Option<String>) -> Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("the counter's address must begin with http:// or https://, unlike {base:?}");
        }
        // Whoever can read the token on its way can ask in the member's name.
        if token.is_some() && !base.starts_with("https://") && !is_loopback(&base) {
            bail!("a token goes out over https:// only, or to this machine, unlike {base:?}");
        }
        let mut tls = ureq::tls::TlsConfig::builder();
        if let Some(root) = root {
            let pem = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
            let roots = ureq::tls::parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                })
                .collect::<Result<Vec<_>, _>>()?;
            tls = tls.root_certs(ureq::tls::RootCerts::from(roots));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .tls_config(tls.build())
            .build()
            .into();
        Ok(Self { agent, base, token, reachable: Arc::new(AtomicBool::new(true)), headers: None })
    }

    /// The same client, which tells what time the service says it is, and for how long it asks to be left alone:
    /// before the answer that this came with is returned.
    #[must_use]
    pub fn telling(self, headers: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { headers: Some(Arc::new(headers)), ..self }
    }

    /// Asks for the lock. Blocks.
    pub fn lock(&self, request: &LockRequest) -> Result<LockReply, Failure> {
        let request = encode_lock(request, self.token.as_deref()).map_err(|_| Failure::NotSent)?;
        decode_lock_reply(&self.call(&request)?).map_err(|_| Failure::Unknown)
    }

    /// Asks for an increment. Blocks.
    pub fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply, Failure> {
        let request = encode_increment(request, self.token.as_deref()).map_err(|_| Failure::NotSent)?;
        decode_increment_reply(&self.call(&request)?).map_err(|_| Failure::Unknown)
    }

    /// Asks for a slot's commit. Blocks.
    pub fn commit(&self, request: &CommitRequest) -> Result<CommitReply, Failure> {
        let request = encode_commit(request, self.token.as_deref()).map_err(|_| Failure::NotSent)?;
        decode_commit_reply(&self.call(&request)?).map_err(|_| Failure::Unknown)
    }

    /// Sends any request. Blocks.
    pub fn call(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        let mut builder = ureq::http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.base, request.target));
        for (name, value) in request.headers.iter() {
            builder = builder.header(name, &value[..]);
        }
        let outcome =
            builder.body(request.body.to_vec()).map_err(ureq::Error::from).and_then(|r| self.agent.run(r));
        let outcome = outcome.and_then(|mut response| {
            let body = response.body_mut().with_config().limit(MAX_BODY as u64).read_to_vec()?;
            Ok((response, body))
        });
        match outcome {
            Ok((response, body)) => {
                if !self.reachable.swap(true, Ordering::Relaxed) {
                    tracing::info!(counter = self.base, "the counter service is back");
                }
                let headers = response
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.as_str(), bytes::Bytes::copy_from_slice(value.as_bytes())))
                    .collect();
                let response =
                    HttpResponse { status: response.status().as_u16(), headers, body: body.into() };
                if let Some(tell) = &self.headers {
                    let time = decode_date(&response).map(Event::ServiceTime);
                    let wait = decode_retry_after(&response).map(Event::RetryAfter);
                    for event in time.into_iter().chain(wait) {
                        tell(event);
                    }
                }
                Ok(response)
            }
            Err(error) => {
                if self.reachable.swap(false, Ordering::Relaxed) {
                    tracing::warn!(counter = self.base, %error, "the counter service does not answer; trying on");
                }
                Err(failure(&error))
            }
        }
    }
}

/// Whether an address is this machine's own, by number or as `localhost`.
fn is_loopback(base: &str) -> bool {
    let Ok(uri) = base.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    number.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Only what certainly was not sent is `NotSent`.
fn failure(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused => Failure::NotSent,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => {
            Failure::NotSent
        }
        _ => Failure::Unknown,
    }
}
