//! Our names as paths of broadcasts.
//!
//! A broadcast of moq-relay has one publisher, and its path is text. So each track of a publisher is a broadcast of its
//! own, `field/field/name/publisher`, each part in hexadecimal. That holds for tracks that several clients publish, too,
//! as Welcomes are: the last part differs.

use moq_mls::tracks::{
    CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, SenderId, TrackKind, TrackNamespace,
};
use moq_mls_tokio::Scope;

/// The one track of a broadcast.
pub const TRACK: &str = "objects";
/// The part of a path under which members offer the commits that they have seen. It is not hexadecimal, so no namespace
/// contains it.
const SEEN: &str = "seen";

/// Returns the path of the broadcast on which `publisher` publishes `track`.
pub fn path(track: &FullTrackName, publisher: &SenderId) -> String {
    format!("{}/{}", prefix_of(track), hex::encode(publisher.as_bytes()))
}

/// Returns the path that the paths of all broadcasts of a subscription begin with.
pub fn prefix(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => fields(namespace),
        Scope::Track(track) => prefix_of(track),
    }
}

/// Returns the path under which everything of a group is: its name in hexadecimal. `None` for a namespace without fields.
pub fn group(namespace: &TrackNamespace) -> Option<String> {
    namespace.fields().first().map(hex::encode)
}

/// Returns the path on which `member` offers the commits of the group that it has seen.
pub fn seen(group: &str, member: &SenderId) -> String {
    format!("{group}/{SEEN}/{}", hex::encode(member.as_bytes()))
}

/// Returns the track and the publisher of a path; `None` if it is no path of ours.
pub fn track(path: &str) -> Option<(FullTrackName, SenderId)> {
    // One track has one path.
    if path.contains(|sign: char| sign.is_ascii_uppercase()) {
        return None;
    }
    let mut parts = path.split('/').map(hex::decode).collect::<Result<Vec<_>, _>>().ok()?;
    let publisher = SenderId::new(parts.pop()?).ok()?;
    let name = parts.pop()?.into();
    let namespace = TrackNamespace::new(parts.into_iter().map(Into::into).collect()).ok()?;
    Some((FullTrackName { namespace, name }, publisher))
}

/// Returns what a track is for; `None` for media. A successor's name differs from its group's, so any group will do.
pub fn kind(track: &FullTrackName) -> Option<TrackKind> {
    let group = GroupName::new(track.namespace.fields().first()?.clone()).ok()?;
    GroupTracks::new(group, CommitTrackPolicy::PerSender).classify(track)
}

/// Returns the track, unless it is of another sender than its publisher. Welcomes are published by the committer.
pub fn of_its_publisher((track, publisher): (FullTrackName, SenderId)) -> Option<FullTrackName> {
    let is_welcome = matches!(kind(&track), Some(TrackKind::Welcome(_)));
    (is_welcome || track.name == *publisher.as_bytes()).then_some(track)
}

fn prefix_of(track: &FullTrackName) -> String {
    format!("{}/{}", fields(&track.namespace), hex::encode(&track.name))
}

fn fields(namespace: &TrackNamespace) -> String {
    namespace.fields().iter().map(hex::encode).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_paths() -> anyhow::Result<()> {
        let tracks = GroupTracks::new(GroupName::try_from("a room/1")?, CommitTrackPolicy::PerSender);
        let (me, other) = (SenderId::new("a11ce")?, SenderId::new("b0b")?);
        for name in [tracks.welcome(&other), tracks.key_package(&me), tracks.commit(&me), tracks.tree(&me)] {
            let path = path(&name, &me);
            assert_eq!(track(&path), Some((name.clone(), me.clone())));
            assert!(path.starts_with(&prefix(&Scope::Track(name.clone()))));
            assert!(path.starts_with(&prefix(&Scope::Namespace(name.namespace.clone()))));
        }
        Ok(())
    }

    /// A grant for a client's own paths is no grant for the tracks of others.
    #[test]
    fn a_track_is_its_publishers_own_but_for_welcomes() -> anyhow::Result<()> {
        let tracks = GroupTracks::new(GroupName::try_from("room")?, CommitTrackPolicy::PerSender);
        let (me, other) = (SenderId::new("a11ce")?, SenderId::new("b0b")?);
        for name in [tracks.key_package(&me), tracks.commit(&me), tracks.tree(&me)] {
            assert_eq!(of_its_publisher((name.clone(), me.clone())), Some(name.clone()));
            assert_eq!(of_its_publisher((name, other.clone())), None);
        }
        assert!(of_its_publisher((tracks.welcome(&me), other)).is_some());
        Ok(())
    }

    #[test]
    fn what_is_no_path_of_ours_is_no_track() -> anyhow::Result<()> {
        let me = SenderId::new("a11ce")?;
        for path in ["", "61", "61/62", "61/x/62", "61/62/", "6A/62/63", &seen("61", &me)] {
            assert_eq!(track(path), None, "{path:?}");
        }
        Ok(())
    }
}
