//! The counter service as a participant asks it: actions as HTTP/1.1 requests, responses as events.

use moq_mls::action::{CommitRequestId, IncrementRequestId, LockRequestId};
use moq_mls::counter::http::{
    Decoded, HttpLimits, HttpResponse, decode_commit_reply, decode_date, decode_increment_reply,
    decode_lock_reply, decode_retry_after, encode_commit, encode_increment, encode_lock,
};
use moq_mls::{Event as CoreEvent, Failure};

use crate::action::{Action, CounterRequest};
use crate::codes::RequestKind;
use crate::error::Error;
use crate::event::Event;

/// What a response of the counter service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterReply {
    /// What to give to the participant, in this order: times first, then the answer.
    pub events: Vec<Event>,
    /// How many bytes of the input the response was.
    pub consumed: usize,
}

/// Returns the HTTP/1.1 request of a `Lock`, `Increment` or `GetCommit` action. `host` is the value of the Host header,
/// `token` a bearer token.
///
/// # Errors
/// [`Error::NoCounterRequest`] for any other action; [`Error::Http`] for a host or token that cannot be sent.
pub fn counter_request(action: Action, host: &str, token: Option<&str>) -> Result<bytes::Bytes, Error> {
    let (_, request) = action.try_into()?;
    let request = match request {
        CounterRequest::Lock(request) => encode_lock(&request, token)?,
        CounterRequest::Increment(request) => encode_increment(&request, token)?,
        CounterRequest::Commit(request) => encode_commit(&request, token)?,
    };
    Ok(request.to_bytes(host)?)
}

/// Reads the response to the action of that kind and id; `None` if more bytes are needed. `ended` says that none will
/// come.
///
/// A response that cannot be read is the failure `Unknown`: the request may have had its effect.
///
/// # Errors
/// [`Error::NoCounterRequest`] for a kind that the counter service is not asked.
pub fn counter_reply(
    request: RequestKind,
    id: u64,
    input: &[u8],
    ended: bool,
) -> Result<Option<CounterReply>, Error> {
    let (message, consumed) = match HttpResponse::decode(input, ended, &HttpLimits::default()) {
        Ok(Decoded::Incomplete) => return Ok(None),
        Ok(Decoded::Complete { message, len }) => (Some(message), len),
        Err(_) => (None, input.len()),
    };
    let unread = Failure::Unknown;
    let message = message.as_ref();
    let answer = match request {
        RequestKind::Lock => CoreEvent::LockReply {
            id: LockRequestId(id),
            reply: message.and_then(|m| decode_lock_reply(m).ok()).ok_or(unread),
        },
        RequestKind::Increment => CoreEvent::IncrementReply {
            id: IncrementRequestId(id),
            reply: message.and_then(|m| decode_increment_reply(m).ok()).ok_or(unread),
        },
        RequestKind::GetCommit => CoreEvent::CommitReply {
            id: CommitRequestId(id),
            reply: message.and_then(|m| decode_commit_reply(m).ok()).ok_or(unread),
        },
        RequestKind::Subscribe | RequestKind::Publish | RequestKind::Fetch => {
            return Err(Error::NoCounterRequest);
        }
    };
    let time = message.and_then(decode_date).map(CoreEvent::ServiceTime);
    let wait = message.and_then(decode_retry_after).map(CoreEvent::RetryAfter);
    let events = time.into_iter().chain(wait).chain([answer]).map(Into::into).collect();
    Ok(Some(CounterReply { events, consumed }))
}
