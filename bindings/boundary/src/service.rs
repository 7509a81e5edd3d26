//! The counter service (draft section 7): its state machine, over actions and over HTTP.

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use moq_mls::action::{CommitRequestId, IncrementRequestId, LockRequestId};
use moq_mls::counter::http::{Decoded, HttpLimits, HttpRequest, encode_date};
use moq_mls::counter::service::{CounterService, ServiceCrypto};
use moq_mls::{Event as CoreEvent, Timestamp};
use sha2::{Digest, Sha256};

use crate::action::{Action, CounterRequest};
use crate::config::ServiceConfig;
use crate::error::Error;
use crate::event::Event;

/// SHA-256, and Ed25519 if there is a key.
struct Crypto(Option<SigningKey>);

impl ServiceCrypto for Crypto {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        self.0.as_ref().map(|key| Bytes::copy_from_slice(&key.sign(message).to_bytes()))
    }
}

/// What a service answers to the HTTP bytes that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The response, to be sent.
    pub response: Bytes,
    /// How many bytes of the input the request was; the next one is behind it.
    pub consumed: usize,
    /// Whether the connection must be closed: where the next request starts is unknown.
    pub close: bool,
}

/// A counter service: requests in, answers out. Its counters are in memory.
pub struct Service(CounterService<Crypto>);

impl Service {
    /// Makes a service without counters. `signing_key` is an Ed25519 private key (RFC 8032, 32 bytes), with which it
    /// signs receipts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a bound that does not fit, [`Error::Length`] for another key.
    pub fn new(config: ServiceConfig, signing_key: Option<&[u8]>) -> Result<Self, Error> {
        let key = signing_key.map(|key| {
            let bytes = <&[u8; 32]>::try_from(key);
            let wrong = |_| Error::Length { what: "a signing key", found: key.len(), needed: 32 };
            bytes.map(SigningKey::from_bytes).map_err(wrong)
        });
        Ok(Self(CounterService::new(config.try_into()?, Crypto(key.transpose()?))))
    }

    /// Does what an action asks of the service, and returns the event that answers it.
    ///
    /// `token` becomes the lock's token if it is given: 16 bytes that nobody can guess, fresh for each call.
    ///
    /// # Errors
    /// [`Error::NoCounterRequest`] for any other action; [`Error::Name`] or [`Error::Length`] for one that does not
    /// come from a participant.
    pub fn answer(&mut self, now_ms: u64, action: Action, token: &[u8]) -> Result<Event, Error> {
        let now = Timestamp::from_millis(now_ms);
        let (id, request) = action.try_into()?;
        let event = match request {
            CounterRequest::Lock(request) => {
                let reply = self.0.lock(now, &request, Bytes::copy_from_slice(token));
                CoreEvent::LockReply { id: LockRequestId(id), reply: Ok(reply) }
            }
            CounterRequest::Increment(request) => {
                let reply = self.0.increment(now, &request);
                CoreEvent::IncrementReply { id: IncrementRequestId(id), reply: Ok(reply) }
            }
            CounterRequest::Commit(request) => {
                let reply = self.0.commit(&request);
                CoreEvent::CommitReply { id: CommitRequestId(id), reply: Ok(reply) }
            }
        };
        Ok(event.into())
    }

    /// Answers the HTTP/1.1 request at the front of `input`; `None` if more bytes are needed.
    ///
    /// `token` is as in [`answer`](Self::answer). Who may ask, and how often, is the embedder's to judge before.
    ///
    /// # Errors
    /// [`Error::Http`] if a response cannot be written, which is a fault of this crate.
    pub fn respond(&mut self, now_ms: u64, input: &[u8], token: &[u8]) -> Result<Option<HttpAnswer>, Error> {
        let now = Timestamp::from_millis(now_ms);
        let (mut response, consumed, close) = match HttpRequest::decode(input, &HttpLimits::default()) {
            Ok(Decoded::Incomplete) => return Ok(None),
            Ok(Decoded::Complete { message, len }) => {
                (self.0.respond(now, &message, Bytes::copy_from_slice(token)), len, false)
            }
            Err(error) => (moq_mls::counter::http::encode_refusal(&error), input.len(), true),
        };
        response.headers.push("Date", encode_date(now));
        Ok(Some(HttpAnswer { response: response.to_bytes()?, consumed, close }))
    }
}
