//! Figures for Prometheus, at an address of their own: `GET /metrics`, in the OpenMetrics text format.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What every name begins with.
const PREFIX: &str = "moq_mls";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Makes a registry for one process.
pub fn registry() -> Registry {
    Registry::with_prefix(PREFIX)
}

/// An address that answers with figures until this is dropped.
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

impl Endpoint {
    /// Starts to listen at `bind`. It asks nobody for a token: let it be reached by the monitoring system alone.
    pub async fn start(bind: SocketAddr, registry: Registry) -> Result<Self> {
        let listener =
            TcpListener::bind(bind).await.with_context(|| format!("--metrics: cannot listen at {bind}"))?;
        let address = listener.local_addr()?;
        let registry = Arc::new(registry);
        let router = Router::new().route("/metrics", get(move || async move { figures(&registry) }));
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics");
            }
        });
        Ok(Self { address, _task: task })
    }
}

fn figures(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
