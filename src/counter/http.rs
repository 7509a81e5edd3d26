//! The counter's requests and replies as HTTP/1.1, without IO, in both directions.
//!
//! Two layers, either usable alone:
//!
//! - [`encode_lock`], [`encode_increment`], [`decode_request`] and their counterparts for replies
//!   translate to and from [`HttpRequest`] and [`HttpResponse`], plain data for any HTTP library;
//! - [`HttpRequest::decode`], [`HttpResponse::decode`] and the two `to_bytes` carry those over a
//!   byte stream, for an embedder without an HTTP library. Bodies are delimited by Content-Length;
//!   a message with Transfer-Encoding is refused.
//!
//! The draft names the paths `lock` and `increment` and the three replies (section 7); `commit` is this crate's. Statuses, headers and JSON
//! bodies are this crate's. Replies are read liberally, so that a service
//! that speaks only the draft's text is understood: see [`decode_lock_reply`] and
//! [`decode_increment_reply`].
//!
//! A client's side, over bytes:
//!
//! ```
//! use moq_mls::counter::{LockReply, LockRequest, http};
//!
//! let request = LockRequest { counter: "my group".try_into()?, val: 0 };
//! let sent = http::encode_lock(&request, Some("secret"))?.to_bytes("counter.example")?;
//! assert!(sent.starts_with(b"GET /lock/my%20group?val=0 HTTP/1.1\r\nHost: counter.example\r\n"));
//!
//! // What a service says that has read nothing but the draft.
//! let received = b"HTTP/1.1 409 Conflict\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
//! let http::Decoded::Complete { message, .. } =
//!     http::HttpResponse::decode(received, false, &http::HttpLimits::default())?
//! else {
//!     panic!("read more");
//! };
//! let retry_later = std::time::Duration::from_secs(2);
//! assert_eq!(http::decode_lock_reply(&message)?, LockReply::Conflict { retry_later });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod commit;
mod date;
mod message;
mod origin;
mod reply;
mod request;
mod wire;

pub use self::date::{decode_date, decode_retry_after, encode_date};
pub use self::message::{
    Decoded, Headers, HttpError, HttpLimits, HttpRequest, HttpResponse, MAX_BODY, MAX_COMMIT, MAX_JSON,
    Method,
};
pub use self::origin::WebPolicy;
pub use self::reply::{
    decode_commit_reply, decode_increment_reply, decode_lock_reply, encode_commit_reply,
    encode_increment_reply, encode_lock_reply, encode_refusal,
};
pub use self::request::{
    Call, Inbound, decode_request, decode_request_from, encode_commit, encode_increment, encode_lock,
};
pub use crate::counter::json::JsonError;
