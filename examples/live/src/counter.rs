//! The counter service over HTTP: the core's state machine in front, a store behind.

pub mod command;
pub mod etcd;
pub mod http;
pub mod keys;
pub mod memory;
pub mod metrics;
pub mod rate;
pub mod redb;
pub mod sharded;
pub mod store;
pub mod tokens;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
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

use self::keys::Crypto;
pub use self::keys::{generate_key, key_in_file, sha256};
use self::metrics::{Kind, Metrics, Refused};
use self::rate::{Quota, Rate};
pub use self::store::LEASE;
use self::store::{KEEP, Store, StoreError};
use self::tokens::{Quotas, Scopes, Tokens};

/// Wrong slot keys that a client may show at once, and how long it waits for another. A member shows one
/// when it has lost its group's state; more than that is guessing.
const WRONG_KEYS: (u32, Duration) = (20, Duration::from_secs(5));
/// After this time, a client that founded as many groups as it may at once may found one more.
pub const START_AGAIN: Duration = Duration::from_secs(60);
/// Of so many counters it is known whose turn the next slot is.
const TURNS: usize = 16_384;

/// The service: what it needs besides a socket.
pub struct Service {
    store: Arc<dyn Store>,
    crypto: Crypto,
    tokens: Option<Tokens>,
    web: WebPolicy,
    requests: Rate,
    starts: Rate,
    wrong_keys: Rate,
    metrics: Metrics,
    /// Of this process: several services over one store each know of what they filled themselves.
    turns: Mutex<Turns>,
}

/// Who asks, once that is known.
struct Client {
    /// Whom limits are counted for: a SenderId, or an address.
    source: String,
    /// The SenderId, if the client showed a token. An address may be that of several members, which have no turns then.
    member: Option<Bytes>,
    may: Scopes,
    quotas: Quotas,
}

impl Client {
    fn rate(&self) -> Option<Quota> {
        self.quotas.rate.map(Quota::per_second)
    }

    fn starts(&self) -> Option<Quota> {
        self.quotas.groups.map(|groups| Quota::new(groups, START_AGAIN))
    }
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
            requests: Rate::unlimited(),
            starts: Rate::unlimited(),
            wrong_keys,
            metrics: Metrics::default(),
            turns: Mutex::new(Turns::new(TURNS)),
        }
    }

    /// With a limit of requests for each client.
    #[must_use]
    pub fn with_rate(self, rate: Rate) -> Self {
        Self { requests: rate, ..self }
    }

    /// With a limit of counters that each client may start.
    #[must_use]
    pub fn with_starts(self, starts: Rate) -> Self {
        Self { starts, ..self }
    }

    /// With rules about web pages and names; without this call, no page may ask that shows no token.
    #[must_use]
    pub fn with_web(self, web: WebPolicy) -> Self {
        Self { web, ..self }
    }

    /// Returns those rules.
    pub fn web(&self) -> &WebPolicy {
        &self.web
    }

    /// The Ed25519 public key that receipts verify under: participants are configured with it.
    pub fn public_key(&self) -> Bytes {
        self.crypto.public_key()
    }

    /// Returns what the service counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers a request that came from `address`. Blocks on the store.
    pub fn respond(&self, now: Timestamp, address: IpAddr, request: &HttpRequest) -> HttpResponse {
        let began = Instant::now();
        let (kind, response, refused) = match decode_request_from(request, &self.web) {
            Ok(inbound) => {
                let client = self.client(address, &inbound.call, inbound.token);
                let kind = match &inbound.call {
                    Call::Lock(_) => Kind::Lock,
                    Call::Increment(_) => Kind::Increment,
                    Call::Commit(_) => Kind::Commit,
                };
                let span = tracing::debug_span!("store", group = %inbound.call.counter(), call = kind.name());
                let answered = span.in_scope(|| self.answer(now, client, &inbound.call));
                let (response, refused) = answered.unwrap_or_else(|error| {
                    self.metrics.on_store_failure();
                    tracing::error!(error = format!("{error:#}"), "store");
                    (unavailable(), None)
                });
                (kind, response, refused)
            }
            Err(error) => (Kind::Unreadable, encode_refusal(&error), Some(Refused::Unread(error))),
        };
        self.metrics.on_answer(kind, response.status, began.elapsed(), refused.as_ref());
        response
    }

    fn answer(
        &self,
        now: Timestamp,
        (client, allowed): (Client, Result<(), Reason>),
        call: &Call,
    ) -> Result<(HttpResponse, Option<Refused>)> {
        let in_time = self.requests.allow(now, &client.source, client.rate());
        let allowed = if in_time { allowed } else { Err(Reason::RateLimited) };
        Ok(match call {
            Call::Lock(call) => {
                let reply = settle(allowed.map(|()| self.lock(now, &client, call)), LockReply::Error)?;
                let refused = match &reply {
                    LockReply::Error(reason) => Some(Refused::For(*reason)),
                    _ => None,
                };
                (encode_lock_reply(&reply), refused)
            }
            Call::Increment(call) => {
                let reply = allowed.map(|()| self.increment(now, &client, call));
                let reply = settle(reply, IncrementReply::Error)?;
                let refused = match &reply {
                    IncrementReply::Error(reason) => Some(Refused::For(*reason)),
                    IncrementReply::WrongKey(_) => Some(Refused::WrongKey),
                    _ => None,
                };
                (encode_increment_reply(&reply), refused)
            }
            Call::Commit(call) => {
                let reply = settle(allowed.map(|()| self.commit(now, call)), CommitReply::Error)?;
                let refused = match &reply {
                    CommitReply::Error(reason) => Some(Refused::For(*reason)),
                    _ => None,
                };
                (encode_commit_reply(&reply), refused)
            }
        })
    }

    fn client(&self, address: IpAddr, call: &Call, token: Option<&str>) -> (Client, Result<(), Reason>) {
        let from_address = |may| {
            let source = rate::source(address);
            Client { source, member: None, may, quotas: Quotas::default() }
        };
        let Some(tokens) = &self.tokens else { return (from_address(Scopes::FOUNDER), Ok(())) };
        match tokens.allow(call.counter(), token) {
            Ok(allowed) => {
                let member = Bytes::copy_from_slice(allowed.sender.as_bytes());
                let source = allowed.sender.to_string();
                let (may, quotas) = (allowed.scopes, allowed.quotas);
                (Client { source, member: Some(member), may, quotas }, Ok(()))
            }
            Err(reason) => (from_address(Scopes::default()), Err(reason)),
        }
    }

    /// Why a client may not take slot 0 of a counter, if it asks for that and the counter has none.
    fn refuses_start(&self, now: Timestamp, client: &Client, val: u64, counter: &Counter) -> Option<Reason> {
        if val != 0 || counter.next() != 0 {
            return None;
        }
        if !client.may.create {
            return Some(Reason::Forbidden);
        }
        let over = !self.starts.has(now, &client.source, client.starts());
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
        if let Some(member) = client.member.as_ref().filter(|_| client.may.lock) {
            self.turns().on_lock(now, &request.counter, member, request.val, LEASE);
        }
        let mut reply = None;
        self.store.transact(&request.counter, now, &mut |counter| {
            reply = Some(match self.refuses_start(now, client, request.val, counter) {
                Some(reason) => LockReply::Error(reason),
                // What takes no lock only reads.
                None if request.val == counter.next() && !client.may.lock => {
                    LockReply::Error(Reason::Forbidden)
                }
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
        if !client.may.increment {
            return Ok(IncrementReply::Error(Reason::Forbidden));
        }
        let too_long = request.commit.as_ref().is_some_and(|commit| commit.len() > self.store.max_commit());
        if too_long || request.lock_id.as_ref().is_some_and(|id| id.len() > MAX_LOCK_ID) {
            return Ok(IncrementReply::Error(Reason::TooLarge));
        }
        // Wrong keys count for the client that guesses, not for the counter: otherwise one client would keep all out.
        if request.pin.is_some() && !self.wrong_keys.has(now, &client.source, None) {
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
        if filled == Some(0) {
            self.starts.allow(now, &client.source, client.starts());
        }
        if let Some(slot) = filled {
            self.metrics.on_filled(slot);
            let member = client.member.as_ref().filter(|_| request.pin.is_some());
            self.turns().on_filled(now, &request.counter, member, slot, LEASE);
        }
        let mut reply = reply.context("the store ran nothing")?;
        if matches!(reply, IncrementReply::CounterError(_)) {
            self.metrics.on_lost();
        }
        if let (Some(member), IncrementReply::CounterError(_)) = (&client.member, &reply) {
            self.turns().on_lost(now, &request.counter, member, asked, LEASE);
        }
        match &mut reply {
            IncrementReply::Ok(state) | IncrementReply::CounterError(state) => {
                self.sign(&request.counter, request.val, state);
            }
            IncrementReply::WrongKey(state) => {
                self.wrong_keys.allow(now, &client.source, None);
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
