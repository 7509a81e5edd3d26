//! Our names and subscriptions on MoQT draft 18, as `moq-relay-ietf` serves it.
//!
//! | ours | on the wire |
//! |---|---|
//! | `Action::Announce` | nothing: PUBLISH of a track makes it known, and the relay lets one session only PUBLISH_NAMESPACE a namespace |
//! | `Action::SubscribeNamespace` (the draft's SUBSCRIBE_NAMESPACE) | SUBSCRIBE_TRACKS with that prefix, on the session that only subscribes |
//! | the draft's NAMESPACE_INFO | the relay's PUBLISH: alias, namespace and name are the same; the Mapped Request Id follows from the prefix, since prefixes of one session may not overlap |
//! | the draft's SUBSCRIBE_NAMESPACE_RESPONSE | REQUEST_OK, REQUEST_ERROR |
//! | `Action::Subscribe` to one's own Commit track | nothing of its own: the subscription of the Commit namespace brings it, for the relay does not echo to the *session* that publishes, and that is the other one |
//! | `Action::Subscribe` to one's own Welcome track | SUBSCRIBE_TRACKS of the Welcome namespace; what is for others is refused with UNINTERESTED (0x20). A plain SUBSCRIBE would end with the first committer's PUBLISH_DONE |
//! | `Action::Unsubscribe` | the request's stream is reset |
//! | `Action::Publish` | PUBLISH once for each track, then a subgroup stream for each MOQT group |
//! | `Action::Fetch` of one group (the look before a commit) | what the subscription has brought of it |
//! | `Action::Fetch` of a range (something is missing) | a session for this one purpose, that subscribes afresh and takes what the relay still has |
//! | namespace field, track name | the same bytes; `(group, keypackages)`, `(group, welcome)`, `(group, commits)` are tuples |
//!
//! Commit tracks are one for each sender ([`CommitTrackPolicy::PerSender`]): the relay takes one
//! publisher for each track. It keeps an object only while the subgroup's stream is open, so the newest
//! streams of each track stay open ([`OPEN_GROUPS`]), and a Welcome track is given up ([`WELCOME_HELD`])
//! for the next committer that has a Welcome for the same recipient.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use moq_mls::tracks::{CommitTrackPolicy, FullTrackName, TrackNamespace};
use moqtap_codec::types::TrackNamespace as WireNamespace;

/// What this driver sets in the participant's configuration.
pub const COMMIT_TRACKS: CommitTrackPolicy = CommitTrackPolicy::PerSender;
/// Subgroup streams of one track that are kept open.
pub const OPEN_GROUPS: usize = 16;
/// How long the track of a Welcome is kept after its last object.
pub const WELCOME_HELD: Duration = Duration::from_secs(3);
/// MoQT draft 18 over QUIC, without WebTransport.
pub const ALPN: &[u8] = b"moqt-18";

/// The tuple on the wire.
pub fn to_wire(namespace: &TrackNamespace) -> WireNamespace {
    WireNamespace(namespace.fields().iter().map(|field| field.to_vec()).collect())
}

/// The full track name of a PUBLISH.
pub fn track(namespace: WireNamespace, name: Vec<u8>) -> Result<FullTrackName> {
    let fields = namespace.0.into_iter().map(Bytes::from).collect();
    let namespace = TrackNamespace::new(fields).context("a track namespace that is none")?;
    Ok(FullTrackName { namespace, name: name.into() })
}
