//! Requests that a web page makes its visitor's browser send (ours; the draft does not speak of them).
//!
//! A page of any site can send a GET, or a POST with a body of a few types, to whatever its visitor can reach.
//! That includes an open counter on the same machine or network. The page cannot read the answer, but need
//! not: taking a lock or filling a slot is what it wants. A bearer token would stop it, for no page can add
//! one unless the service allows that (CORS): a server does so for the origins that are listed here, and no proxy
//! before it for others. So what comes without a token must not come from a browser, unless the page is known.

use bytes::Bytes;

use crate::counter::http::message::{HttpError, HttpRequest, JSON, Method, WITH_COMMIT};

/// Which web pages may ask without a token, and by which names the service may be asked. By default no
/// page, and any name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WebPolicy {
    /// Pages that may ask, as browsers write it in `Origin`: `https://app.example`. Others are recognized by
    /// `Origin`, and by `Sec-Fetch-Site` where there is no `Origin`. A page under the service's own name is
    /// listed like any other, for its POST shows an `Origin` too.
    pub origins: Vec<String>,
    /// What `Host` may be, port included where the client writes one. Empty, anything: then a page whose
    /// name was pointed at the service's address counts as one of another site.
    pub hosts: Vec<String>,
}

/// Refuses what a page that is not known had its visitor's browser send.
pub(super) fn check(request: &HttpRequest, has_token: bool, policy: &WebPolicy) -> Result<(), HttpError> {
    let listed = |list: &[String], value: &Bytes| {
        list.iter().any(|entry| value.eq_ignore_ascii_case(entry.as_bytes()))
    };
    // Every line of that name, and at least one.
    let all_listed = |name: &str, list: &[String]| {
        request.headers.get(name).is_some() && request.headers.get_all(name).all(|value| listed(list, value))
    };
    let host_is_known = all_listed("host", &policy.hosts);
    if !policy.hosts.is_empty() && !host_is_known {
        return Err(HttpError::Forbidden("Host"));
    }
    // A page needs nobody's leave for text and forms, and for a body without a type; for other types it asks
    // first, by OPTIONS. Who shows a token writes the type, too.
    let ours = |kind: &Bytes| is_media_type(kind, JSON) || is_media_type(kind, WITH_COMMIT);
    let typed = request.headers.get("content-type").is_some();
    let ours = request.headers.get_all("content-type").all(ours);
    if request.method == Method::Post && (!ours || (!typed && !request.body.is_empty())) {
        return Err(HttpError::Forbidden("Content-Type"));
    }
    if has_token {
        return Ok(());
    }
    let from_known_page = all_listed("origin", &policy.origins);
    if request.headers.get("origin").is_some() && !from_known_page {
        return Err(HttpError::Forbidden("Origin"));
    }
    // Of the same site counts as of another: `none` and `same-origin` alone are no other page's, and with a name
    // that anybody may point here, not even they.
    let own = |site: &Bytes| host_is_known && matches!(&site[..], b"none" | b"same-origin");
    if !from_known_page && !request.headers.get_all("sec-fetch-site").all(own) {
        return Err(HttpError::Forbidden("Sec-Fetch-Site"));
    }
    Ok(())
}

/// Whether a `Content-Type` names that type, whatever its parameters.
pub(super) fn is_media_type(value: &[u8], name: &str) -> bool {
    let kind = value.split(|b| *b == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}
