//! The counter service over HTTP: the core's state machine in front, a store behind.

pub mod etcd;
pub mod http;
pub mod memory;
pub mod rate;
pub mod redb;
pub mod store;
pub mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::http::{
    Call, Headers, HttpRequest, HttpResponse, decode_request, encode_increment_reply, encode_lock_reply,
    encode_refusal,
};
use moq_mls::counter::{
    CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest, MAX_LOCK_ID, Reason,
    receipt_message,
};
use moq_mls::tracks::GroupName;

use self::rate::Rate;
use self::store::{Store, StoreError};
use self::tokens::Tokens;

/// How long a lock lasts. etcd leases are whole seconds, and no shorter than its elections.
pub const LEASE: Duration = Duration::from_secs(2);
/// Pins kept for each counter: what members count on.
pub const KEPT_PINS: usize = 1024;

/// The service: what it needs besides a socket.
pub struct Service {
    store: Arc<dyn Store>,
    key: Ed25519KeyPair,
    tokens: Option<Tokens>,
    rate: Option<Rate>,
}

impl Service {
    /// A service over `store` that signs receipts with `key`. Without `tokens`, everyone may ask.
    pub fn new(store: Arc<dyn Store>, key: Ed25519KeyPair, tokens: Option<Tokens>) -> Self {
        Self { store, key, tokens, rate: None }
    }

    /// With a limit for each client.
    #[must_use]
    pub fn with_rate(self, rate: Rate) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// The Ed25519 public key that receipts verify under: participants are configured with it.
    pub fn public_key(&self) -> Bytes {
        Bytes::copy_from_slice(self.key.public_key().as_ref())
    }

    /// Answers a request that came from `address`. Blocks on the store.
    pub fn respond(&self, now: Timestamp, address: IpAddr, request: &HttpRequest) -> HttpResponse {
        let inbound = match decode_request(request) {
            Ok(inbound) => inbound,
            Err(error) => return encode_refusal(&error),
        };
        let (client, allowed) = match &self.tokens {
            Some(tokens) => match tokens.allow(inbound.call.counter(), inbound.token) {
                Ok(sender) => (sender.to_string(), Ok(())),
                Err(reason) => (address.to_string(), Err(reason)),
            },
            None => (address.to_string(), Ok(())),
        };
        let in_time = self.rate.as_ref().is_none_or(|rate| rate.allow(now, &client));
        let allowed = if in_time { allowed } else { Err(Reason::RateLimited) };
        let answer = match (&inbound.call, allowed) {
            (Call::Lock(_), Err(reason)) => Ok(encode_lock_reply(&LockReply::Error(reason))),
            (Call::Increment(_), Err(reason)) => Ok(encode_increment_reply(&IncrementReply::Error(reason))),
            (Call::Lock(call), Ok(())) => self.lock(now, call).map(|reply| encode_lock_reply(&reply)),
            (Call::Increment(call), Ok(())) => {
                self.increment(now, call).map(|reply| encode_increment_reply(&reply))
            }
        };
        answer.unwrap_or_else(|error| match (error, &inbound.call) {
            (StoreError::Full, Call::Lock(_)) => encode_lock_reply(&LockReply::Error(Reason::RateLimited)),
            (StoreError::Full, Call::Increment(_)) => {
                encode_increment_reply(&IncrementReply::Error(Reason::RateLimited))
            }
            (StoreError::Failed(error), _) => {
                tracing::error!(error = format!("{error:#}"), "store");
                unavailable()
            }
        })
    }

    fn lock(&self, now: Timestamp, request: &LockRequest) -> Result<LockReply, StoreError> {
        let mut token = [0; 16];
        aws_lc_rs::rand::SystemRandom::new()
            .fill(&mut token)
            .map_err(|_| anyhow::anyhow!("no randomness"))?;
        let token = Bytes::copy_from_slice(&token);
        let mut reply = None;
        self.store.transact(&request.counter, now, &mut |counter| {
            reply = Some(counter.lock(now, request.val, token.clone(), LEASE));
        })?;
        let mut reply = reply.context("the store ran nothing")?;
        if let LockReply::CounterError(state) = &mut reply {
            self.sign(&request.counter, Some(request.val), state);
        }
        Ok(reply)
    }

    fn increment(&self, now: Timestamp, request: &IncrementRequest) -> Result<IncrementReply, StoreError> {
        if request.lock_id.as_ref().is_some_and(|id| id.len() > MAX_LOCK_ID) {
            return Ok(IncrementReply::Error(Reason::TooLarge));
        }
        let mut reply = None;
        self.store.transact(&request.counter, now, &mut |counter| {
            reply = Some(counter.increment(now, request, KEPT_PINS));
        })?;
        let mut reply = reply.context("the store ran nothing")?;
        if let IncrementReply::Ok(state) | IncrementReply::CounterError(state) = &mut reply {
            self.sign(&request.counter, request.val, state);
        }
        Ok(reply)
    }

    fn sign(&self, id: &GroupName, val: Option<u64>, state: &mut CounterState) {
        if let (Some(val), Some(pin)) = (val, &state.pin) {
            let signature = self.key.sign(&receipt_message(id, val, pin));
            state.receipt = Some(Bytes::copy_from_slice(signature.as_ref()));
        }
    }

    /// Whether the store answers.
    pub fn check(&self) -> Result<()> {
        self.store.check()
    }
}

/// 503: it may work later, and may have worked now.
pub fn unavailable() -> HttpResponse {
    let mut headers = Headers::default();
    headers.push("Cache-Control", "no-store");
    headers.push("Retry-After", "1");
    HttpResponse { status: 503, headers, body: Bytes::new() }
}

/// A fresh key for receipts.
pub fn generate_key() -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::generate().map_err(|_| anyhow::anyhow!("cannot make a key"))
}

/// The key in a file (PKCS #8), made the first time: receipts must verify after a restart, and every
/// service over one store must sign with the same key.
pub fn key_in_file(path: &std::path::Path) -> Result<Ed25519KeyPair> {
    if !path.exists() {
        let key = generate_key()?;
        let pkcs8 = key.to_pkcs8().map_err(|_| anyhow::anyhow!("cannot write a key"))?;
        crate::state_dir::write_private(path, &[pkcs8.as_ref()])?;
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|e| anyhow::anyhow!("{}: no Ed25519 key: {e}", path.display()))
}
