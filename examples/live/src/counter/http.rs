//! The service on a socket: axum, with TLS if it has a certificate.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{self, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use moq_mls::counter::http::{Headers, HttpRequest, HttpResponse, MAX_BODY, MAX_JSON, Method};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower_http::cors::CorsLayer;
use tracing::{Instrument, Span};

use super::{Service, rate, unavailable};
use moq_mls_tokio::{Clock, SystemClock};

/// Longest wait for the head of a request, or for a TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most connections at once.
const MAX_CONNECTIONS: usize = 4096;
/// Most bodies at once that are too long to be JSON alone: a commit has up to 4 MiB.
const MAX_LARGE: usize = 64;
/// How long open connections may finish after a stop.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct App {
    service: Arc<Service>,
    clock: SystemClock,
    large: Arc<Semaphore>,
}

/// A service that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts to listen at `bind`; over TLS if `tls` says how.
    pub async fn start(
        bind: SocketAddr,
        service: Arc<Service>,
        tls: Option<rustls::ServerConfig>,
    ) -> Result<Self> {
        let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen at {bind}"))?;
        let address = listener.local_addr()?;
        let app = App { service, clock: SystemClock::new(), large: Arc::new(Semaphore::new(MAX_LARGE)) };
        let router = Router::new().route("/healthz", get(health)).fallback(counter);
        let router = match cross_origin(&app.service.web().origins)? {
            Some(layer) => router.layer(layer).with_state(app),
            None => router.with_state(app),
        };
        let (stop, stopped) = watch::channel(false);
        let tls = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let task = tokio::spawn(serve(listener, router, tls, stopped));
        Ok(Self { address, stop, task })
    }

    /// Takes no more connections, lets requests finish, and returns when all are done.
    pub async fn stop(self) {
        self.stop.send(true).ok();
        self.task.await.ok();
    }
}

/// Lets pages of these origins ask and read answers (CORS). `None`: there are none, and no page may.
fn cross_origin(origins: &[String]) -> Result<Option<CorsLayer>> {
    if origins.is_empty() {
        return Ok(None);
    }
    let origins = origins.iter().map(|origin| {
        // As browsers write it.
        let value = HeaderValue::from_str(&origin.to_ascii_lowercase()).ok();
        value
            .filter(|_| origin.contains("://"))
            .with_context(|| format!("{origin} is no origin, such as https://app.example"))
    });
    let layer = CorsLayer::new()
        .allow_origin(origins.collect::<Result<Vec<_>>>()?)
        .allow_methods([http::Method::GET, http::Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, header::DATE]);
    Ok(Some(layer))
}

async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<tokio_rustls::TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = room.clone().acquire_owned().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // Out of files, most likely: give others the time to close theirs.
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (router, tls, stopped) = (router.clone(), tls.clone(), stopped.clone());
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(stream, router, tls, stopped).await {
                tracing::debug!(error = format!("{error:#}"), "connection");
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await.ok();
}

async fn connection(
    stream: TcpStream,
    router: Router,
    tls: Option<tokio_rustls::TlsAcceptor>,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let router = router.layer(Extension(stream.peer_addr()?.ip()));
    match tls {
        Some(tls) => {
            let stream =
                tokio::time::timeout(PATIENCE, tls.accept(stream)).await.context("TLS handshake")??;
            requests(TokioIo::new(stream), router, stopped).await
        }
        None => requests(TokioIo::new(stream), router, stopped).await,
    }
}

async fn requests<I>(io: I, router: Router, mut stopped: watch::Receiver<bool>) -> Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 << 10);
    let connection = server.serve_connection(io, TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return Ok(done?),
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

async fn health(State(app): State<App>) -> Response {
    let service = app.service.clone();
    match tokio::task::spawn_blocking(move || service.check()).await {
        Ok(Ok(())) => plain(200, "ok\n"),
        _ => plain(503, "the store does not answer\n"),
    }
}

async fn counter(
    State(app): State<App>,
    Extension(address): Extension<IpAddr>,
    request: Request,
) -> Response {
    // Neither the query, nor a header, nor a body is logged: tokens and slot keys are secrets.
    let (verb, path) = (request.method(), request.uri().path());
    let span = tracing::info_span!("request", %verb, path, client = rate::source(address));
    answer(app, address, request).instrument(span).await
}

async fn answer(app: App, address: IpAddr, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let headers: Headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), bytes::Bytes::copy_from_slice(value.as_bytes())))
        .collect();
    let method = Method::new(parts.method.as_str());
    let length = parts.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let has_body = length.is_some() || parts.headers.contains_key("transfer-encoding");
    let is_large = has_body && length.is_none_or(|length: usize| length > MAX_JSON);
    let reading = async {
        let turn = if is_large { app.large.clone().acquire_owned().await.ok() } else { None };
        // Held until the answer is made: the body is in memory until then.
        to_bytes(body, MAX_BODY).await.map(|body| (body, turn))
    };
    let response = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok((body, _turn))) => {
            let request = HttpRequest { method, target, headers, body };
            let (service, now, span) = (app.service.clone(), app.clock.now(), Span::current());
            let answer = tokio::task::spawn_blocking(move || {
                span.in_scope(|| service.respond(now, address, &request))
            });
            let answer = answer.await;
            into_response(answer.unwrap_or_else(|_| unavailable()))
        }
        Ok(Err(_)) => json(413, r#"{"result":"error","reason":"too_large"}"#),
        Err(_) => json(400, r#"{"result":"error","reason":"malformed"}"#),
    };
    let micros = began.elapsed().as_micros();
    tracing::info!(status = response.status().as_u16(), micros, "answered");
    response
}

fn into_response(response: HttpResponse) -> Response {
    let mut builder = Response::builder().status(response.status);
    for (name, value) in response.headers.iter() {
        builder = builder.header(name, &value[..]);
    }
    builder.body(Body::from(response.body)).unwrap_or_else(|_| plain(500, ""))
}

fn json(status: u16, body: &'static str) -> Response {
    let mut response = plain(status, body);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

fn plain(status: u16, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}
