//! `moq-relay-ietf`, the relay of others, in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use moq_relay_ietf::moq_transport::coding::TrackNamespace;
use moq_relay_ietf::{
    AuthPublicKey, Coordinator, CoordinatorContext, CoordinatorError, CoordinatorResult, NamespaceOrigin,
    NamespaceRegistration, RelayConfig, ScopeAuthConfig, ScopeConfig, SessionConfig,
};

use crate::tls;

/// One relay alone: nothing is registered with, or looked up at, any other.
struct Alone {
    /// The PEM of the key that signs tokens; `None`: nobody needs any.
    token_key: Option<String>,
}

#[async_trait::async_trait]
impl Coordinator for Alone {
    async fn register_namespace(
        &self,
        _: Option<&str>,
        _: &TrackNamespace,
        _: &CoordinatorContext,
    ) -> CoordinatorResult<NamespaceRegistration> {
        Ok(NamespaceRegistration::new(()))
    }

    async fn unregister_namespace(&self, _: Option<&str>, _: &TrackNamespace) -> CoordinatorResult<()> {
        Ok(())
    }

    async fn lookup(
        &self,
        _: Option<&str>,
        _: &TrackNamespace,
    ) -> CoordinatorResult<(NamespaceOrigin, Option<moq_native_ietf::Client>)> {
        Err(CoordinatorError::NamespaceNotFound)
    }

    async fn get_scope_config(&self, _: Option<&str>) -> CoordinatorResult<ScopeConfig> {
        let mut config = ScopeConfig::default();
        config.auth =
            self.token_key.as_ref().map(|pem| ScopeAuthConfig::new(vec![AuthPublicKey::es256(pem.clone())]));
        Ok(config)
    }
}

/// A running relay: dropping it stops it.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
}

impl Relay {
    /// Starts a relay at `bind`, on a thread of its own, for its future cannot move between threads. With the public key
    /// of an [`Issuer`](crate::relay_tokens::Issuer), it admits only who has a token of it.
    pub fn start(bind: SocketAddr, certificate: &tls::Files, token_key: Option<&str>) -> Result<Self> {
        let token_key = token_key.map(str::to_owned);
        let args = moq_native_ietf::tls::Args {
            cert: vec![certificate.certificate.clone()],
            key: vec![certificate.key.clone()],
            root: vec![certificate.certificate.clone()],
            disable_verify: false,
        };
        let (started, address) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let relay = || -> Result<_> {
                    let tls = args.load()?;
                    let config = moq_native_ietf::quic::Config::new(bind, None, tls.clone())?;
                    let endpoint = moq_native_ietf::quic::Endpoint::new(config)?;
                    let address = endpoint.server.as_ref().context("no server")?.local_addr()?;
                    let relay = RelayConfig {
                        bind: None,
                        endpoints: vec![endpoint],
                        tls,
                        qlog_dir: None,
                        mlog_dir: None,
                        announce: None,
                        node: None,
                        coordinator: Arc::new(Alone { token_key }),
                        session: SessionConfig::default(),
                        connection_tagger: None,
                    };
                    Ok((relay.build()?, address))
                };
                match relay() {
                    Ok((relay, address)) => {
                        started.send(Ok(address)).ok();
                        tokio::select! {
                            ended = relay.run() => ended.context("relay"),
                            _ = stopped => Ok(()),
                        }
                    }
                    Err(error) => {
                        started.send(Err(error)).ok();
                        Ok(())
                    }
                }
            })
        })?;
        let address = address.recv().context("the relay's thread ended")?;
        let address = address.with_context(|| {
            format!(
                "cannot start a relay at {bind}; if something else uses that port, choose another by --bind"
            )
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Relay {
    /// Returns once the relay has ended by itself.
    pub async fn ended(&self) {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
