//! Our names and subscriptions on MoQT, as `moq-relay-ietf` serves it.
//!
//! | ours | on the wire |
//! |---|---|
//! | `Action::Announce` | nothing: PUBLISH of a track makes it known, and the relay lets one session only PUBLISH_NAMESPACE a namespace |
//! | `Action::SubscribeNamespace` (the draft's SUBSCRIBE_NAMESPACE) | SUBSCRIBE_TRACKS with that prefix, on the session that only subscribes |
//! | the draft's NAMESPACE_INFO | the relay's PUBLISH: alias, namespace and name are the same; the Mapped Request Id follows from the prefix, since prefixes of one session may not overlap |
//! | the draft's SUBSCRIBE_NAMESPACE_RESPONSE | REQUEST_OK, REQUEST_ERROR |
//! | (nothing) | the relay offers one session 128 tracks, and says PUBLISH_BLOCKED of the rest: SUBSCRIBE by name, on further sessions, for one session may have 100 requests open ([`crate::session::Spares`]) |
//! | a subscription that the relay ends | the driver subscribes again |
//! | (nothing) | GOAWAY: other sessions take over, then the old ones close |
//! | `Action::Subscribe` to the participant's own Commit track | nothing of its own: the subscription of the Commit namespace brings it, for the relay does not echo to the *session* that publishes, and that is the other one |
//! | a Welcome track, `(group, welcome)` and the recipient | `(group, welcome, recipient)` and `welcome`: the relay offers every track under a prefix, and the Welcomes of others are none of it |
//! | `Action::Subscribe` to the participant's own Welcome track | SUBSCRIBE_TRACKS of `(group, welcome, recipient)`. A plain SUBSCRIBE would end with the first committer's PUBLISH_DONE |
//! | `Action::Unsubscribe` | the request's stream is reset |
//! | `Action::Publish` | PUBLISH once for each track, then a subgroup stream for each MOQT group |
//! | `Action::Fetch` of one group (the look before a commit) | what the subscription has brought of it |
//! | `Action::Fetch` of commits of a range (something is missing) | FETCH of `(group, commits, SenderId of a member)`, track `seen` ([`crate::commit_log`]), for the relay keeps no history: it passes a FETCH on to the session that published the namespace. Where that is not all, or was of no use, a session for this one purpose subscribes again and takes what the relay still has |
//! | `Action::Fetch` of a ratchet tree or a KeyPackage track | a session of its own, and SUBSCRIBE to that one track |
//! | (nothing) | PUBLISH_NAMESPACE of `(group, commits, the participant's SenderId)`, and the answers to FETCH under it |
//! | the Key ID of a sealed object | the property Key ID (2) within Immutable Properties (0x0B) |
//! | namespace field, track name | the same bytes; `(group, keypackages)`, `(group, welcome)`, `(group, commits)` are tuples |
//!
//! Commit tracks are one for each sender ([`CommitTrackPolicy::PerSender`]): the relay takes one
//! publisher for each track. It keeps an object only while the subgroup's stream is open, so the newest
//! streams of each track stay open ([`OPEN_GROUPS`]), and a Welcome track is given up ([`WELCOME_HELD`])
//! for the next committer that has a Welcome for the same recipient.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use moq_mls::tracks::{CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, TrackKind, TrackNamespace};
use moq_mls_tokio::Scope;
use moqtap_codec::object_properties::{ObjectProperty, PropertyValue, parse_object_properties};
use moqtap_codec::types::TrackNamespace as WireNamespace;
use moqtap_codec::varint::{Moqt18, VarInt};
use moqtap_codec::version::DraftVersion;

/// What this driver sets in the participant's configuration.
pub const COMMIT_TRACKS: CommitTrackPolicy = CommitTrackPolicy::PerSender;
/// Subgroup streams of one track that are kept open.
pub const OPEN_GROUPS: usize = 16;
/// How long the track of a Welcome is kept after its last object.
pub const WELCOME_HELD: Duration = Duration::from_secs(3);

/// The name of the one track of a recipient's Welcomes.
const WELCOME: &[u8] = b"welcome";
/// The property Key ID of Secure Objects.
const KEY_ID: u64 = 0x02;
/// The property that holds those that a relay must not change.
const IMMUTABLE_PROPERTIES: u64 = 0x0B;

/// The tuple on the wire.
pub fn to_wire(namespace: &TrackNamespace) -> WireNamespace {
    WireNamespace(namespace.fields().iter().map(|field| field.to_vec()).collect())
}

/// The namespace and the name of a track on the wire.
pub fn to_wire_track(track: &FullTrackName) -> (WireNamespace, Vec<u8>) {
    let mut namespace = to_wire(&track.namespace);
    match kind(track) {
        Some(TrackKind::Welcome(recipient)) => {
            namespace.0.push(recipient.as_bytes().to_vec());
            (namespace, WELCOME.to_vec())
        }
        _ => (namespace, track.name.to_vec()),
    }
}

/// The full track name of a PUBLISH.
pub fn track(namespace: WireNamespace, name: Vec<u8>) -> Result<FullTrackName> {
    let fields: Vec<Bytes> = namespace.0.into_iter().map(Bytes::from).collect();
    if name == WELCOME
        && let Some((recipient, group)) = fields.split_last()
        && let Ok(namespace) = TrackNamespace::new(group.to_vec())
    {
        let track = FullTrackName { namespace, name: recipient.clone() };
        if matches!(kind(&track), Some(TrackKind::Welcome(_))) {
            return Ok(track);
        }
    }
    let namespace = TrackNamespace::new(fields).context("a track namespace that is none")?;
    Ok(FullTrackName { namespace, name: name.into() })
}

/// The prefix that a subscription asks for. Of Welcome tracks it is that of one recipient.
pub fn prefix(scope: &Scope) -> Result<TrackNamespace> {
    let namespace = scope.namespace().clone();
    match scope {
        Scope::Track(track) if matches!(kind(track), Some(TrackKind::Welcome(_))) => {
            let fields = [namespace.fields(), std::slice::from_ref(&track.name)].concat();
            Ok(TrackNamespace::new(fields)?)
        }
        _ => Ok(namespace),
    }
}

/// Whether it is the namespace of a group's KeyPackages.
pub fn of_key_packages(namespace: &TrackNamespace) -> bool {
    let group = namespace.fields().first().and_then(|name| GroupName::new(name.clone()).ok());
    group.is_some_and(|group| GroupTracks::new(group, COMMIT_TRACKS).key_package_namespace() == *namespace)
}

/// What a track of any group is for: a successor's name differs from its group's.
pub fn kind(track: &FullTrackName) -> Option<TrackKind> {
    let group = track.namespace.fields().first()?;
    GroupTracks::new(GroupName::new(group.clone()).ok()?, COMMIT_TRACKS).classify(track)
}

/// The properties of an object that is sealed under that key id.
pub fn properties(key_id: u64) -> Vec<u8> {
    let varint = |value, out: &mut Vec<u8>| VarInt::from_u64_moqt(value).encode_moqt::<Moqt18>(out);
    let (mut inner, mut out) = (Vec::new(), Vec::new());
    varint(KEY_ID, &mut inner);
    varint(key_id, &mut inner);
    varint(IMMUTABLE_PROPERTIES, &mut out);
    varint(inner.len() as u64, &mut out);
    out.append(&mut inner);
    out
}

/// The key id among an object's properties.
pub fn key_id(properties: &[u8]) -> Option<u64> {
    let properties = parse_object_properties(DraftVersion::Draft18, properties).ok()?;
    let inner = properties.into_iter().find_map(|property| match property.value {
        PropertyValue::Immutable { properties, .. } => Some(properties),
        _ => None,
    })?;
    inner.into_iter().find_map(|property| match property {
        ObjectProperty { property_type: KEY_ID, value: PropertyValue::Varint(id) } => Some(id),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_come_back_from_the_wire() {
        let tracks = GroupTracks::new(GroupName::try_from("room").unwrap(), COMMIT_TRACKS);
        let me = moq_mls::tracks::SenderId::new("a11ce").unwrap();
        for name in [tracks.welcome(&me), tracks.key_package(&me), tracks.commit(&me), tracks.tree(&me)] {
            let (namespace, wire_name) = to_wire_track(&name);
            assert_eq!(track(namespace, wire_name).unwrap(), name);
        }
        let (namespace, name) = to_wire_track(&tracks.welcome(&me));
        assert_eq!((namespace.0.len(), &*name), (3, WELCOME));
        // Another track of that name is itself.
        let other =
            track(WireNamespace(vec![b"room".to_vec(), b"media".to_vec()]), WELCOME.to_vec()).unwrap();
        assert_eq!((other.namespace.fields().len(), &other.name[..]), (2, WELCOME));
        let scope = Scope::Track(tracks.welcome(&me));
        assert_eq!(prefix(&scope).unwrap().fields().len(), 3);
        assert_eq!(prefix(&Scope::Track(tracks.commit(&me))).unwrap(), tracks.commit_namespace());
    }

    #[test]
    fn a_key_id_comes_back() {
        for id in [0, 63, 64, 1 << 14, 1 << 40] {
            assert_eq!(super::key_id(&super::properties(id)), Some(id));
        }
        assert_eq!(super::key_id(&[]), None);
        assert_eq!(super::key_id(&[0x0B, 0x02, 0x04, 0x07]), None);
    }
}
