//! Names (draft section 6) and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use bytes::Bytes;
use moq_mls::tracks::{
    CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, NameError, SenderId, TrackKind, TrackNamespace,
};
use proptest::prelude::*;

fn group(name: &str) -> Result<GroupName, NameError> {
    GroupName::try_from(name)
}

#[test]
fn names_of_the_draft() {
    let tracks = GroupTracks::new(group("mls-grp1").unwrap(), CommitTrackPolicy::Shared);
    let id = SenderId::from_fingerprint([0xab; 32]);
    assert_eq!(id.as_bytes(), "ab".repeat(32).as_bytes());
    let flat = |track: &FullTrackName| (track.namespace.to_flat(), track.name.clone());
    let of = |namespace: &'static str, name: &Bytes| (Bytes::from(namespace), name.clone());
    assert_eq!(flat(&tracks.key_package(&id)), of("mls-grp1keypackages", id.as_bytes()));
    assert_eq!(flat(&tracks.welcome(&id)), of("mls-grp1welcome", id.as_bytes()));
    assert_eq!(flat(&tracks.commit(&id)), of("mls-grp1", &Bytes::from("commits")));
    let own = GroupTracks::new(group("mls-grp1").unwrap(), CommitTrackPolicy::PerSender);
    assert_eq!(flat(&own.commit(&id)), of("mls-grp1commits", id.as_bytes()));
}

#[test]
fn every_track_is_known_again_and_no_other() {
    let id = SenderId::from_fingerprint([1; 32]);
    for policy in [CommitTrackPolicy::Shared, CommitTrackPolicy::PerSender] {
        let tracks = GroupTracks::new(group("g").unwrap(), policy);
        let sender = (policy == CommitTrackPolicy::PerSender).then(|| id.clone());
        assert_eq!(tracks.classify(&tracks.key_package(&id)), Some(TrackKind::KeyPackage(id.clone())));
        assert_eq!(tracks.classify(&tracks.welcome(&id)), Some(TrackKind::Welcome(id.clone())));
        assert_eq!(tracks.classify(&tracks.commit(&id)), Some(TrackKind::Commit(sender.clone())));
        assert_eq!(tracks.classify(&tracks.tree(&id)), Some(TrackKind::Tree(sender)));
        for name in [Bytes::from("tree"), Bytes::from("commits"), id.as_bytes().clone()] {
            let namespace = TrackNamespace::new(vec!["g".into(), "chat".into()]).unwrap();
            assert_eq!(tracks.classify(&FullTrackName { namespace, name }), None);
        }
        let other = GroupTracks::new(group("h").unwrap(), policy);
        assert_eq!(tracks.classify(&other.commit(&id)), None);
        assert_eq!(tracks.classify(&other.key_package(&id)), None);
    }
    let shared = GroupTracks::new(group("g").unwrap(), CommitTrackPolicy::Shared);
    let stray = FullTrackName { name: "chat".into(), ..shared.commit(&id) };
    assert_eq!(shared.classify(&stray), None);
    let stray = FullTrackName { name: "chat".into(), ..shared.tree(&id) };
    assert_eq!(shared.classify(&stray), None);
    let long = FullTrackName { name: vec![b'a'; 65].into(), ..shared.key_package(&id) };
    assert_eq!(shared.classify(&long), None);
}

#[test]
fn namespaces_match_by_whole_fields() {
    let of = |fields: &[&'static str]| {
        TrackNamespace::new(fields.iter().map(|f| Bytes::from(*f)).collect()).unwrap()
    };
    assert!(of(&["g", "commits"]).starts_with(&of(&["g"])));
    assert!(of(&["g"]).starts_with(&of(&["g"])));
    assert!(!of(&["g"]).starts_with(&of(&["g", "commits"])));
    assert!(!of(&["group", "commits"]).starts_with(&of(&["g"])));
}

#[test]
fn names_that_are_refused() {
    assert_eq!(group(""), Err(NameError::Empty));
    assert_eq!(group("."), Err(NameError::Dots));
    assert_eq!(group(".."), Err(NameError::Dots));
    assert_eq!(group(&"x".repeat(256)), Err(NameError::TooLong { len: 256, max: 255 }));
    for suffix in ["keypackages", "welcome", "commits", "trees"] {
        assert_eq!(group(suffix), Err(NameError::Collides { suffix }));
        let name = format!("G{suffix}");
        assert_eq!(
            group(&name),
            Err(NameError::Collides { suffix }),
            "commits of {name} would be G's {suffix}"
        );
    }
    let message = group("Gwelcome").unwrap_err().to_string();
    assert!(message.contains("welcome") && message.contains("another group"), "{message}");
    assert!(group("G|keypackages~1").is_ok());
    assert_eq!(SenderId::new(Bytes::new()), Err(NameError::Empty));
    assert_eq!(SenderId::new(vec![0; 65]), Err(NameError::TooLong { len: 65, max: 64 }));
    assert_eq!(TrackNamespace::new(Vec::new()), Err(NameError::Fields(0)));
    assert_eq!(TrackNamespace::new(vec!["x".into(); 33]), Err(NameError::Fields(33)));
    assert_eq!(TrackNamespace::new(vec![Bytes::new()]), Err(NameError::Empty));
    assert!(matches!(TrackNamespace::new(vec![vec![0; 4097].into()]), Err(NameError::TooLong { .. })));
    assert_eq!(group("room").unwrap().generation(2).unwrap(), group("room~2").unwrap());
    assert_eq!(GroupName::chosen("room~2"), Err(NameError::Reserved));
    assert_eq!(GroupName::chosen("room"), group("room"));
    for (name, root) in [("room", "room"), ("room~2", "room"), ("room~2~3", "room"), ("~2", "")] {
        assert_eq!(group(name).unwrap().root(), root.as_bytes(), "{name}");
    }
}

proptest! {
    /// The flat form loses the fields' borders; what is refused keeps groups apart all the same.
    #[test]
    fn two_groups_never_share_a_flat_namespace(
        a in "[a-c]{0,2}(keypackages|welcome|commits|trees)?[a-c]{0,2}(keypackages|welcome|commits|trees)?",
        b in "[a-c]{0,2}(keypackages|welcome|commits|trees)?[a-c]{0,2}(keypackages|welcome|commits|trees)?",
    ) {
        let flat = |name: GroupName| {
            [CommitTrackPolicy::Shared, CommitTrackPolicy::PerSender]
                .into_iter()
                .flat_map(|policy| {
                    let t = GroupTracks::new(name.clone(), policy);
                    [t.key_package_namespace(), t.welcome_namespace(), t.commit_namespace(), t.tree_namespace()]
                })
                .map(|n| n.to_flat())
                .collect::<BTreeSet<_>>()
        };
        if let (Ok(a), Ok(b)) = (group(&a), group(&b)) {
            prop_assert!(a == b || flat(a).is_disjoint(&flat(b)));
        }
    }
}
