//! Bodies that hold a commit: `u16 length of the JSON, big-endian | JSON | commit`. In JSON it would be twice as
//! long.

use bytes::{BufMut, Bytes};

use crate::counter::http::message::{Headers, HttpError, MAX_COMMIT, MAX_JSON, WITH_COMMIT};
use crate::counter::http::origin::is_media_type;

/// Puts a commit behind a JSON object.
pub(super) fn join(json: &[u8], commit: &Bytes) -> Result<Bytes, HttpError> {
    if commit.len() > MAX_COMMIT {
        return Err(HttpError::TooLarge("commit"));
    }
    let len = u16::try_from(json.len()).map_err(|_| HttpError::TooLarge("body"))?;
    let mut body = Vec::with_capacity(json.len().saturating_add(commit.len()).saturating_add(2));
    body.put_u16(len);
    body.put_slice(json);
    body.put_slice(commit);
    Ok(body.into())
}

/// Takes a body apart: its JSON, and the commit behind it if the headers say that there is one.
pub(super) fn split(headers: &Headers, body: &Bytes) -> Result<(Bytes, Option<Bytes>), HttpError> {
    let too_large = Err(HttpError::TooLarge("body"));
    if !headers.get("content-type").is_some_and(|kind| is_media_type(kind, WITH_COMMIT)) {
        return if body.len() > MAX_JSON { too_large } else { Ok((body.clone(), None)) };
    }
    let Some((len, rest)) = body.split_first_chunk::<2>() else { return Err(HttpError::Field("commit")) };
    let len = usize::from(u16::from_be_bytes(*len));
    if len > MAX_JSON || rest.len().saturating_sub(len) > MAX_COMMIT {
        return too_large;
    }
    if len > rest.len() {
        return Err(HttpError::Field("commit"));
    }
    let at = len.saturating_add(2);
    Ok((body.slice(2..at), Some(body.slice(at..))))
}
