//! What a call needs around it: moq-relay in the process, and a counter service over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use moq_mls::counter::http::{Headers, HttpRequest, MAX_BODY, Method};
use moq_mls::tracks::SenderId;
use moq_mls_tokio::LocalCounter;
use moq_net::{Pattern, Patterns};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::relay::RelayAddress;

/// A certificate for localhost and its key, as PEM files in a folder.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What the relay shows, and what its clients believe.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Takes the certificate in `folder`, and makes one if there is none.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let files = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        if files.certificate.exists() && files.key.exists() {
            return Ok(files);
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)?;
        moq_mls_tokio::write_private(&files.key, &[made.signing_key.serialize_pem()])?;
        std::fs::write(&files.certificate, made.cert.pem())?;
        Ok(files)
    }
}

/// Decides what a session may do; `None` refuses it. The request has the path and the query of the client's URL.
pub type Decide = Arc<dyn Fn(&moq_auth::Request) -> Option<moq_auth::Grant> + Send + Sync>;

/// What differs from a relay for anybody.
#[derive(Clone, Default)]
pub struct Settings {
    /// How long a group that is not the newest of its track stays; `None` is 30 s, the relay's own.
    pub kept: Option<Duration>,
    /// Who may do what; `None`: all may publish and subscribe everywhere.
    pub decide: Option<Decide>,
}

/// Returns the grant of a client that publishes on its own paths, and reads everything.
///
/// # Errors
/// None for any SenderId.
pub fn own_paths(sender: &SenderId) -> Result<moq_auth::Grant> {
    let own = format!("**/{}", hex::encode(sender.as_bytes())).parse::<Pattern>()?;
    Ok(moq_auth::Grant::new(Patterns::from(own), Patterns::from(Pattern::all())))
}

/// moq-relay in this process. Dropped, its clients hear nothing of it, as a crash would.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    certificate: Certificate,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to listen at `bind`.
    ///
    /// # Errors
    /// If the relay does not start.
    pub async fn start(bind: SocketAddr, certificate: &Certificate, settings: Settings) -> Result<Self> {
        moq_tokio::crypto::install_default().ok();
        let mut config = moq_relay::Config::default();
        config.listen.bind = Some(moq_tokio::listen::Bind::Addr(bind));
        config.listen.tls.cert = vec![certificate.certificate.clone()];
        config.listen.tls.key = vec![certificate.key.clone()];
        if settings.decide.is_none() {
            config.auth.public = vec![Pattern::all()];
        }
        config.cache.duration = settings.kept;
        let mut relay = moq_relay::Relay::load(config).await.context("moq-relay does not start")?;
        if let Some((decide, mut admissions)) = settings.decide.zip(relay.admissions()) {
            tokio::spawn(async move {
                while let Some(admission) = admissions.next().await {
                    match decide(&admission.request) {
                        Some(grant) => admission.grant(moq_auth::lease::Consumer::fixed(grant)),
                        None => admission.refuse(moq_relay::auth::Error::Refused),
                    }
                }
            });
        }
        let relay = relay.with_signals(false);
        let address = relay.quic_addr()?;
        let ready = relay.ready();
        let task = tokio::spawn(async move {
            if let Err(error) = relay.run().await {
                tracing::error!(error = format!("{error:#}"), "moq-relay ended");
            }
        });
        ready.wait().await.context("moq-relay does not start")?;
        Ok(Self { address, certificate: certificate.clone(), task })
    }

    /// Returns how clients find it.
    ///
    /// # Errors
    /// None on any address that this type has.
    pub fn client_address(&self) -> Result<RelayAddress> {
        let url = Url::parse(&format!("https://localhost:{}/", self.address.port()))?;
        Ok(RelayAddress { url, root: self.certificate.certificate.clone() })
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        (&mut self.task).await.ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The counter service of `moq_mls_tokio`, for other processes. It keeps its counters in memory.
pub struct CounterServer {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl CounterServer {
    /// Starts to listen at `bind`, over HTTP without TLS: for one machine.
    ///
    /// # Errors
    /// If the address cannot be bound, or is not of this machine.
    pub async fn start(bind: SocketAddr, counter: LocalCounter) -> Result<Self> {
        ensure!(
            bind.ip().is_loopback(),
            "{bind} is no loopback address: this service has no TLS and no tokens"
        );
        let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen at {bind}"))?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(respond).with_state(counter);
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { address, task })
    }
}

impl Drop for CounterServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(State(counter): State<LocalCounter>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let method = Method::new(head.method.as_str());
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return status(413) };
    let copied = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.as_str().to_owned(), bytes::Bytes::copy_from_slice(value.as_bytes()))
    };
    let headers: Headers = head.headers.iter().map(copied).collect();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let answer = counter.respond(&HttpRequest { method, target, headers, body });
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers.iter() {
        response = response.header(name, &value[..]);
    }
    response.body(Body::from(answer.body)).unwrap_or_else(|_| status(500))
}

fn status(code: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::from_u16(code).unwrap_or_default();
    response
}
