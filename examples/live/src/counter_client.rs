//! The counter service as tests and the benchmark call it: `HttpCounter`, with blocking calls.

use std::path::Path;

use anyhow::{Context, Result};
use moq_mls::Failure;
use moq_mls::counter::http::{HttpRequest, HttpResponse};
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use moq_mls_tokio::{Answer, Failover, HttpCounter, HttpOptions};

/// A client of one service, or of several over one store. Clones share connections. Blocking calls ask the first.
#[derive(Clone)]
pub struct CounterClient(HttpCounter, Failover<HttpCounter>);

impl CounterClient {
    /// A client for the service at `base` (`http://` or `https://`), which trusts the certificates in
    /// `root` in place of the usual ones, and shows `token`.
    pub fn new(base: &str, root: Option<&Path>, token: Option<String>) -> Result<Self> {
        Self::of_several(&[base.to_owned()], root, token)
    }

    /// As [`CounterClient::new`], for several services.
    pub fn of_several(bases: &[String], root: Option<&Path>, token: Option<String>) -> Result<Self> {
        let mut options = HttpOptions::default();
        options.token = token;
        if let Some(root) = root {
            let pem = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
            options.roots = Some(pem);
        }
        let clients = bases.iter().map(|base| HttpCounter::new(base, options.clone()));
        let clients = clients.collect::<Result<Vec<_>, _>>()?;
        let (first, others) = clients.split_first().context("no counter service")?;
        Ok(Self(first.clone(), Failover::new(first.clone(), others.iter().cloned())))
    }

    /// The services as a driver takes them.
    pub fn services(&self) -> Failover<HttpCounter> {
        self.1.clone()
    }

    /// Asks for the lock. Blocks.
    pub fn lock(&self, request: &LockRequest) -> Result<LockReply, Failure> {
        reply(self.0.lock_blocking(request))
    }

    /// Asks for an increment. Blocks.
    pub fn increment(&self, request: &IncrementRequest) -> Result<IncrementReply, Failure> {
        reply(self.0.increment_blocking(request))
    }

    /// Asks for a slot's commit. Blocks.
    pub fn commit(&self, request: &CommitRequest) -> Result<CommitReply, Failure> {
        reply(self.0.commit_blocking(request))
    }

    /// Sends any request. Blocks.
    pub fn call(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        self.0.send_blocking(request).map_err(|error| Failure::from(&error))
    }
}

fn reply<T>(answer: Answer<T>) -> Result<T, Failure> {
    answer.reply.map_err(|error| Failure::from(&error))
}
