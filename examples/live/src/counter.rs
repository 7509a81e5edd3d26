//! The counter service over HTTP: the core's state machine in front, a store behind.

pub mod etcd;
pub mod http;
pub mod memory;
pub mod rate;
pub mod redb;
pub mod store;
pub mod tokens;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::http::{
    Call, Headers, HttpRequest, HttpResponse, WebPolicy, decode_request_from, encode_commit_reply,
    encode_increment_reply, encode_lock_reply, encode_refusal,
};
use moq_mls::counter::service::{Counter, ServiceCrypto, Turns};
use moq_mls::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest,
    MAX_LOCK_ID, Reason, signed_answer, signed_message,
};
use moq_mls::tracks::GroupName;

use self::rate::Rate;
use self::store::{KEEP, Store, StoreError};
use self::tokens::Tokens;

/// How long a lock lasts. etcd leases are whole seconds, and no shorter than its elections.
pub const LEASE: Duration = Duration::from_secs(2);
/// Wrong slot keys that a client may show at once, and how long it waits for another. A member shows one
/// when it has lost its group's state; more than that is guessing.
const WRONG_KEYS: (u32, Duration) = (20, Duration::from_secs(5));
/// Of so many counters it is known whose turn the next slot is.
const TURNS: usize = 16_384;

/// AWS-LC's SHA-256, and Ed25519 for receipts.
pub struct Crypto(Ed25519KeyPair);

impl ServiceCrypto for Crypto {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.0.sign(message).as_ref()))
    }
}

/// AWS-LC's SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, data).as_ref());
    hash
}

/// The service: what it needs besides a socket.
pub struct Service {
    store: Arc<dyn Store>,
    crypto: Crypto,
    tokens: Option<Tokens>,
    web: WebPolicy,
    requests: Option<Rate>,
    starts: Option<Rate>,
    wrong_keys: Rate,
    /// Of this process: several services over one store each know of what they filled themselves.
    turns: Mutex<Turns>,
}

/// Who asks, once that is known.
struct Client {
    /// Whom limits are counted for: a SenderId, or an address.
    source: String,
    /// The SenderId, if the client showed a token. An address may be that of several members, which have no turns then.
    member: Option<Bytes>,
    may_create: bool,
}

impl Service {
    /// A service over `store` that signs receipts with `key`. Without `tokens`, everyone may ask.
    pub fn new(store: Arc<dyn Store>, key: Ed25519KeyPair, tokens: Option<Tokens>) -> Self {
        let (wrong_keys, web) = (Rate::with(WRONG_KEYS.0, WRONG_KEYS.1), WebPolicy::default());
        Self {
            store,
            crypto: Crypto(key),
            tokens,
            web,
            requests: None,
            starts: None,
            wrong_keys,
            turns: Mutex::new(Turns::new(TURNS)),
        }
    }

    /// With a limit of requests for each client.
    #[must_use]
    pub fn with_rate(self, rate: Rate) -> Self {
        Self { requests: Some(rate), ..self }
    }

    /// With a limit of counters that each client may start.
    #[must_use]
    pub fn with_starts(self, starts: Rate) -> Self {
        Self { starts: Some(starts), ..self }
    }

    /// With rules about web pages and names; without this call, no page may ask that shows no token.
    #[must_use]
    pub fn with_web(self, web: WebPolicy) -> Self {
        Self { web, ..self }
    }

    /// The Ed25519 public key that receipts verify under: participants are configured with it.
    pub fn public_key(&self) -> Bytes {
        Bytes::copy_from_slice(self.crypto.0.public_key().as_ref())
    }

    /// Answers a request that came from `address`. Blocks on the store.
    pub fn respond(&self, now: Timestamp, address: IpAddr, request: &HttpRequest) -> HttpResponse {
        let inbound = match decode_request_from(request, &self.web) {
            Ok(inbound) => inbound,
            Err(error) => return encode_refusal(&error),
        };
        let (client, allowed) = self.client(address, &inbound.call, inbound.token);
        let in_time = self.requests.as_ref().is_none_or(|rate| rate.allow(now, &client.source));
        let allowed = if in_time { allowed } else { Err(Reason::RateLimited) };
        let answer = match &inbound.call {
            Call::Lock(call) => {
                let reply = allowed.map(|()| self.lock(now, &client, call));
                settle(reply, LockReply::Error).map(|reply| encode_lock_reply(&reply))
            }
            Call::Increment(call) => {
                let reply = allowed.map(|()| self.increment(now, &client, call));
                settle(reply, IncrementReply::Error).map(|reply| encode_increment_reply(&reply))
            }
            Call::Commit(call) => {
                let reply = allowed.map(|()| self.commit(now, call));
                settle(reply, CommitReply::Error).map(|reply| encode_commit_reply(&reply))
            }
        };
        answer.unwrap_or_else(|error| {
            tracing::error!(error = format!("{error:#}"), "store");
            unavailable()
        })
    }

    fn client(&self, address: IpAddr, call: &Call, token: Option<&str>) -> (Client, Result<(), Reason>) {
        let from_address = |may_create| Client { source: rate::source(address), member: None, may_create };
        let Some(tokens) = &self.tokens else { return (from_address(true), Ok(())) };
        match tokens.allow(call.counter(), token) {
            Ok(allowed) => {
                let member = Bytes::copy_from_slice(allowed.sender.as_bytes());
                let source = allowed.sender.to_string();
                let client = Client { source, member: Some(member), may_create: allowed.create };
                (client, Ok(()))
            }
            Err(reason) => (from_address(false), Err(reason)),
        }
    }

    /// Why a client may not take slot 0 of a counter, if it asks for that and the counter has none.
    fn refuses_start(&self, now: Timestamp, client: &Client, val: u64, counter: &Counter) -> Option<Reason> {
        if val != 0 || counter.next() != 0 {
            return None;
        }
        if !client.may_create {
            return Some(Reason::Forbidden);
        }
        let over = self.starts.as_ref().is_some_and(|starts| !starts.has(now, &client.source));
        over.then_some(Reason::RateLimited)
    }

    /// Whether a client must let others fill the next slot first.
    fn must_wait(
        &self,
        now: Timestamp,
        client: &Client,
        request: &IncrementRequest,
        counter: &Counter,
    ) -> bool {
        let (Some(member), Some(val)) = (&client.member, request.val) else { return false };
        counter.is_followed_by(request) && !self.turns().may_fill(now, &request.counter, member, val, LEASE)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self, now: Timestamp, client: &Client, request: &LockRequest) -> Result<LockReply, StoreError> {
        let mut token = [0; 16];
        aws_lc_rs::rand::SystemRandom::new()
            .fill(&mut token)
            .map_err(|_| anyhow::anyhow!("no randomness"))?;
        let token = Bytes::copy_from_slice(&token);
        if let Some(member) = &client.member {
            self.turns().on_lock(now, &request.counter, member, request.val, LEASE);
        }
        let mut reply = None;
        self.store.transact(&request.counter, now, &mut |counter| {
            reply = Some(match self.refuses_start(now, client, request.val, counter) {
                Some(reason) => LockReply::Error(reason),
                None => counter.lock(now, request.val, token.clone(), LEASE),
            });
        })?;
        let mut reply = reply.context("the store ran nothing")?;
        if let LockReply::CounterError(state) = &mut reply {
            let message = signed_answer(&request.counter, request.val, state, now);
            state.receipt = message.and_then(|message| self.crypto.sign(&message));
        }
        Ok(reply)
    }

    fn increment(
        &self,
        now: Timestamp,
        client: &Client,
        request: &IncrementRequest,
    ) -> Result<IncrementReply, StoreError> {
        let too_long = request.commit.as_ref().is_some_and(|commit| commit.len() > self.store.max_commit());
        if too_long || request.lock_id.as_ref().is_some_and(|id| id.len() > MAX_LOCK_ID) {
            return Ok(IncrementReply::Error(Reason::TooLarge));
        }
        // Wrong keys count for the client that guesses, not for the counter: otherwise one client would keep all out.
        if request.pin.is_some() && !self.wrong_keys.has(now, &client.source) {
            return Ok(IncrementReply::Error(Reason::RateLimited));
        }
        let (mut reply, mut filled) = (None, None);
        let asked = request.val.unwrap_or(0);
        self.store.transact(&request.counter, now, &mut |counter| {
            let next = counter.next();
            let answer = match self.refuses_start(now, client, asked, counter) {
                Some(reason) => IncrementReply::Error(reason),
                None if self.must_wait(now, client, request, counter) => {
                    IncrementReply::Error(Reason::NotYourTurn)
                }
                None => counter.increment(now, request, KEEP, sha256),
            };
            filled = (counter.next() > next).then_some(next);
            reply = Some(answer);
        })?;
        if let (Some(0), Some(starts)) = (filled, &self.starts) {
            starts.allow(now, &client.source);
        }
        if let Some(slot) = filled {
            let member = client.member.as_ref().filter(|_| request.pin.is_some());
            self.turns().on_filled(now, &request.counter, member, slot, LEASE);
        }
        let mut reply = reply.context("the store ran nothing")?;
        if let (Some(member), IncrementReply::CounterError(_)) = (&client.member, &reply) {
            self.turns().on_lost(now, &request.counter, member, asked, LEASE);
        }
        match &mut reply {
            IncrementReply::Ok(state) | IncrementReply::CounterError(state) => {
                self.sign(&request.counter, request.val, state);
            }
            IncrementReply::WrongKey(state) => {
                self.wrong_keys.allow(now, &client.source);
                self.sign(&request.counter, request.val.and_then(|val| val.checked_sub(1)), state);
            }
            _ => {}
        }
        Ok(reply)
    }

    fn commit(&self, now: Timestamp, request: &CommitRequest) -> Result<CommitReply, StoreError> {
        let (counter, commit) = self.store.read(&request.counter, request.val, now)?;
        // The counter has no commits with it: what it says is the state alone.
        let mut reply = counter.commit(request.val);
        if let CommitReply::CounterError(state) = &mut reply {
            self.sign(&request.counter, Some(request.val), state);
        }
        Ok(match (reply, commit) {
            (CommitReply::CounterError(state), Some(commit)) => CommitReply::Found { state, commit },
            (reply, _) => reply,
        })
    }

    fn sign(&self, id: &GroupName, val: Option<u64>, state: &mut CounterState) {
        let message = val.and_then(|val| signed_message(id, val, state));
        state.receipt = message.and_then(|message| self.crypto.sign(&message));
    }

    /// Whether the store answers.
    pub fn check(&self) -> Result<()> {
        self.store.check()
    }
}

/// The reply, an error for what was refused or has no room; a store that failed has none.
fn settle<R>(
    reply: Result<Result<R, StoreError>, Reason>,
    error: impl FnOnce(Reason) -> R,
) -> Result<R, anyhow::Error> {
    match reply {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(StoreError::Failed(failed))) => Err(failed),
        Ok(Err(StoreError::Full)) => Ok(error(Reason::RateLimited)),
        Err(reason) => Ok(error(reason)),
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
        moq_mls_tokio::write_private(path, &[pkcs8.as_ref()])?;
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|e| anyhow::anyhow!("{}: no Ed25519 key: {e}", path.display()))
}
