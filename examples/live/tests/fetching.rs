//! Commits that a member missed: whom it asks, and what it does with one whose answer is false. The relay is the test's own.

use crate::support::rogue_relay::{Request, RogueRelay, RogueSession, soon, varint};
use moq_mls::Object;
use moq_mls::action::FetchTarget;
use moq_mls::tracks::{GroupName, GroupTracks, SenderId, TrackNamespace};
use moq_mls_live::commit_log;
use moq_mls_live::mapping::{COMMIT_TRACKS, to_wire};
use moq_mls_live::quic_relay::QuicRelay;
use moq_mls_live::session::PRIORITY;
use moq_mls_tokio::{FetchRequest, Relay, Scope};
use moqtap_codec::draft18::data_stream::{FetchHeader, FetchObjectHeader};
use moqtap_codec::draft18::message::{ControlMessage, FetchOk, FetchPayload};
use moqtap_codec::types::TrackNamespace as WireNamespace;
use moqtap_codec::varint::VarInt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Whose namespace a FETCH asks.
fn asked(request: &Request) -> WireNamespace {
    match &request.message {
        ControlMessage::Fetch(fetch) => match &fetch.fetch_payload {
            FetchPayload::Standalone { track_namespace, .. } => track_namespace.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Answers it with one object of each group: bytes that a member made up, as commits of `sender`.
async fn lie(session: &RogueSession, mut request: Request, sender: &SenderId, groups: &[u64]) {
    let ControlMessage::Fetch(fetch) = &request.message else { panic!("{:?}", request.message) };
    let mut buf = Vec::new();
    FetchHeader { request_id: fetch.request_id }.encode(&mut buf);
    let name = sender.as_bytes();
    let mut payload = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
    payload.extend_from_slice(name);
    payload.extend_from_slice(&0_u64.to_be_bytes());
    payload.extend_from_slice(b"no commit");
    let mut before = None;
    for group in groups {
        let header = FetchObjectHeader {
            serialization_flags: 0x1C,
            group_id_delta: Some(varint(before.map_or(*group, |before: u64| group - before - 1))),
            subgroup_id: None,
            object_id_delta: Some(varint(0)),
            publisher_priority: Some(PRIORITY),
            properties: Vec::new(),
            payload_length: VarInt::from_usize(payload.len()),
        };
        header.encode(&mut buf).unwrap();
        buf.extend_from_slice(&payload);
        before = Some(*group);
    }
    let ok = FetchOk {
        end_of_track: 0,
        end_group: varint(*groups.last().unwrap()),
        end_object: varint(1),
        parameters: Vec::new(),
        track_properties: Vec::new(),
    };
    request.say(&ControlMessage::FetchOk(ok)).await;
    let mut stream = session.connection.open_uni().await.unwrap();
    stream.write_all(&buf).await.unwrap();
    stream.finish().unwrap();
}

/// A participant that missed commits 3 and 4, and the relay that it asks.
struct Scene {
    relay: RogueRelay<ControlMessage>,
    participant: QuicRelay,
    subscriber: RogueSession,
    commits: TrackNamespace,
    members: Vec<SenderId>,
    _folder: tempfile::TempDir,
    _held: (RogueSession, Request, mpsc::Receiver<Object>),
}

impl Scene {
    async fn with(members: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut relay = RogueRelay::start(folder.path());
        let group = GroupName::try_from("room").unwrap();
        let sender = |n| SenderId::from_fingerprint([n; 32]);
        let participant = QuicRelay::connect(relay.address.clone(), &group, &sender(1)).unwrap();
        let (publisher, mut subscriber) = relay.pair().await;
        let commits = GroupTracks::new(group, COMMIT_TRACKS).commit_namespace();
        // Without a session it asks no member, and has one only some time after the relay has.
        let (who, scope) = (participant.clone(), Scope::Namespace(commits.clone()));
        let subscribing = tokio::spawn(async move { who.subscribe(scope).await.unwrap() });
        let mut request = subscriber.request().await;
        request.ok().await;
        let _held = (publisher, request, soon(subscribing).await.unwrap());
        let members = (2..2 + members).map(sender).collect();
        Self { relay, participant, subscriber, commits, members, _folder: folder, _held }
    }

    /// Asks for what was missed.
    fn fetch(&self) -> JoinHandle<usize> {
        let target = FetchTarget::Namespace(self.commits.clone());
        let request = FetchRequest::new(target, 3..=4, self.members.clone());
        let participant = self.participant.clone();
        tokio::spawn(async move { participant.fetch(request).await.unwrap().len() })
    }

    /// Answers a member's FETCH as [`lie`] does. Returns whose namespace was asked.
    async fn lie(&mut self, groups: &[u64]) -> WireNamespace {
        let request = self.subscriber.request().await;
        let asked = asked(&request);
        lie(&self.subscriber, request, &self.members[0], groups).await;
        asked
    }

    /// The session that looks at the relay for commits, and its subscription.
    async fn looked(&mut self) -> (RogueSession, Request) {
        let mut look = self.relay.session().await;
        let mut tracks = look.request().await;
        let commits = to_wire(&self.commits);
        assert!(
            matches!(&tracks.message, ControlMessage::SubscribeTracks(s) if s.namespace_prefix == commits)
        );
        tracks.ok().await;
        (look, tracks)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_is_believed_then_another_and_then_the_relay_is_looked_at() {
    let mut scene = Scene::with(2).await;
    let of = |member: &SenderId| to_wire(&commit_log::track(&scene.commits, member).unwrap().namespace);
    let members: Vec<WireNamespace> = scene.members.iter().map(of).collect();

    // It gives something of each group: nobody else is asked, and the relay is not looked at.
    let fetching = scene.fetch();
    let first = scene.lie(&[3, 4]).await;
    assert!(members.contains(&first));
    assert_eq!(soon(fetching).await.unwrap(), 2);

    // What it gave was of no use, for the same is asked again: of the other one, and of it alone.
    let fetching = scene.fetch();
    assert_ne!(scene.lie(&[3, 4]).await, first);
    assert_eq!(soon(fetching).await.unwrap(), 2);

    // That was of no use either: the relay is looked at beside a member.
    let fetching = scene.fetch();
    let _look = scene.looked().await;
    assert_eq!(scene.lie(&[3]).await, first);
    assert_eq!(soon(fetching).await.unwrap(), 1);
}

/// With one member there is no other to ask.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_member_is_believed_once() {
    let mut scene = Scene::with(1).await;
    let fetching = scene.fetch();
    scene.lie(&[3, 4]).await;
    assert_eq!(soon(fetching).await.unwrap(), 2);

    let fetching = scene.fetch();
    let _look = scene.looked().await;
    scene.lie(&[3, 4]).await;
    assert_eq!(soon(fetching).await.unwrap(), 2);
}

/// An answer that lacks a group is not all: the relay is looked at with the first try.
#[tokio::test(flavor = "multi_thread")]
async fn the_relay_is_looked_at_where_a_member_has_not_seen_all() {
    let mut scene = Scene::with(1).await;
    let fetching = scene.fetch();
    scene.lie(&[3]).await;
    let _look = scene.looked().await;
    assert_eq!(soon(fetching).await.unwrap(), 1);
}
