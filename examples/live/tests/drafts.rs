//! MoQT draft 20 beside draft 18: on a relay of the test's own that knows no other.

use crate::support::rogue_relay::{Request, RogueRelay, RogueSession, soon, varint, write};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls_live::mapping::to_wire;
use moq_mls_live::quic_relay::{self, QuicRelay};
use moq_mls_live::session::{Draft, PRIORITY};
use moq_mls_tokio::Relay;
use moqtap_codec::draft18::message as m18;
use moqtap_codec::draft20::data_stream::{FetchHeader, FetchObjectHeader, FetchObjectReader, GroupOrder};
use moqtap_codec::draft20::message::{
    ControlMessage, Fetch, FetchOk, GoAway, LOCATION_FILTER, Publish, PublishSkipped, PublishStateNotify,
    Subscribe, SubscribeOk, decode_location_filter,
};
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::types::TrackNamespace as WireNamespace;
use moqtap_codec::varint::{Moqt18, VarInt};

type Message = ControlMessage;

/// LARGEST_OBJECT, a parameter of PUBLISH and SUBSCRIBE_OK.
const LARGEST_OBJECT: u64 = 0x09;

fn media() -> TrackNamespace {
    TrackNamespace::new(vec!["room".into(), "media".into()]).unwrap()
}

fn track(number: u64) -> FullTrackName {
    FullTrackName { namespace: media(), name: format!("track-{number}").into() }
}

fn participant<M>(relay: &RogueRelay<M>) -> QuicRelay {
    let group = GroupName::try_from("room").unwrap();
    QuicRelay::connect(relay.address.clone(), &group, &SenderId::from_fingerprint([1; 32])).unwrap()
}

fn parameter(key: u64, numbers: &[u64]) -> KeyValuePair {
    let mut value = Vec::new();
    for number in numbers {
        varint(*number).encode_moqt::<Moqt18>(&mut value);
    }
    KeyValuePair { key: varint(key), value: KvpValue::Bytes(value) }
}

/// The numbers of the LOCATION_FILTER of a FETCH.
fn range(fetch: &Fetch) -> Vec<u64> {
    let filter = fetch.parameters.iter().find(|parameter| parameter.key == varint(LOCATION_FILTER)).unwrap();
    let KvpValue::Bytes(value) = &filter.value else { panic!("{filter:?}") };
    decode_location_filter(value).unwrap()
}

/// Answers a FETCH with one object of a group.
async fn give(session: &RogueSession<Message>, mut request: Request<Message>, group: u64, payload: &[u8]) {
    let Message::Fetch(fetch) = &request.message else { panic!("{:?}", request.message) };
    let mut buf = Vec::new();
    FetchHeader { request_id: fetch.request_id }.encode(&mut buf);
    let header = FetchObjectHeader {
        serialization_flags: varint(0x1C),
        group_id_delta: Some(varint(group)),
        subgroup_id: None,
        object_id_delta: Some(varint(0)),
        publisher_priority: Some(PRIORITY),
        properties: None,
        payload_length: VarInt::from_usize(payload.len()),
    };
    header.encode(&mut buf).unwrap();
    buf.extend_from_slice(payload);
    let ok = FetchOk {
        end_of_track: 0,
        end_group: varint(group),
        end_object: varint(0),
        parameters: Vec::new(),
        track_properties: Vec::new(),
    };
    request.say(&Message::FetchOk(ok)).await;
    let mut stream = session.connection.open_uni().await.unwrap();
    stream.write_all(&buf).await.unwrap();
    stream.finish().unwrap();
}

/// A relay of draft 20 sends nothing of the past by itself: what it says that there is, is fetched.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_track_had_before_is_fetched_where_a_subscription_does_not_bring_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<Message> = RogueRelay::start(folder.path());
    let participant = participant(&relay);
    let (_publisher, mut subscriber) = relay.pair().await;
    let mut objects = quic_relay::keep(participant, media());
    let mut tracks = subscriber.request().await;
    assert!(
        matches!(&tracks.message, Message::SubscribeTracks(s) if s.namespace_prefix == to_wire(&media()))
    );
    tracks.ok().await;

    let (mut send, _recv) = subscriber.connection.open_bi().await.unwrap();
    let publish = Publish {
        request_id: varint(1),
        track_namespace: to_wire(&media()),
        track_name: b"track-3".to_vec(),
        track_alias: varint(3),
        parameters: vec![parameter(LARGEST_OBJECT, &[5, 0])],
        track_properties: Vec::new(),
    };
    write(&mut send, &Message::Publish(publish)).await;
    let asked = subscriber.request().await;
    let Message::Fetch(fetch) = &asked.message else { panic!("{:?}", asked.message) };
    assert_eq!((fetch.track_name.as_slice(), range(fetch)), (&b"track-3"[..], vec![0, 0, 5]));
    give(&subscriber, asked, 4, b"before").await;
    let wire = soon(objects.recv()).await.unwrap();
    assert_eq!(wire.object, object(3, 4, b"before"));
    let _stream = subscriber.object(3, 6, b"now").await;
    assert_eq!(soon(objects.recv()).await.unwrap().object, object(3, 6, b"now"));

    // The name of PUBLISH_BLOCKED in this draft; and a message that no other draft has.
    tracks.say(&Message::PublishSkipped(skipped("track-7"))).await;
    let mut by_name = relay.session().await;
    let mut subscribe = by_name.request().await;
    assert!(matches!(&subscribe.message, Message::Subscribe(s) if s.track_name == b"track-7"));
    let parameters = vec![parameter(LARGEST_OBJECT, &[2, 0])];
    let ok = SubscribeOk { track_alias: varint(9), parameters, track_properties: Vec::new() };
    subscribe.say(&Message::SubscribeOk(ok)).await;
    subscribe.say(&Message::PublishStateNotify(PublishStateNotify { parameters: Vec::new() })).await;
    let asked = by_name_fetch(&mut by_name).await;
    give(&by_name, asked, 2, b"before").await;
    assert_eq!(soon(objects.recv()).await.unwrap().object, object(7, 2, b"before"));
    let _stream = by_name.object(9, 3, b"now").await;
    assert_eq!(soon(objects.recv()).await.unwrap().object, object(7, 3, b"now"));
}

async fn by_name_fetch(session: &mut RogueSession<Message>) -> Request<Message> {
    let request = session.request().await;
    let Message::Fetch(fetch) = &request.message else { panic!("{:?}", request.message) };
    assert_eq!((fetch.track_name.as_slice(), range(fetch)), (&b"track-7"[..], vec![0, 0, 2]));
    request
}

fn skipped(name: &str) -> PublishSkipped {
    PublishSkipped { namespace_suffix: WireNamespace(Vec::new()), track_name: name.into() }
}

fn object(number: u64, group_id: u64, payload: &'static [u8]) -> Object {
    Object { track: track(number), location: Location { group_id, object_id: 0 }, payload: payload.into() }
}

/// A FETCH of the relay, of a range in the way of draft 20, brings the commits that this session has.
#[tokio::test(flavor = "multi_thread")]
async fn commits_are_given_by_ranges_of_draft_20() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<Message> = RogueRelay::start(folder.path());
    let participant = participant(&relay);
    let (mut publisher, mut subscriber) = relay.pair().await;
    let group = GroupName::try_from("room").unwrap();
    let tracks = moq_mls::tracks::GroupTracks::new(group, moq_mls_live::mapping::COMMIT_TRACKS);
    let commits = tracks.commit_namespace();
    let sender = SenderId::from_fingerprint([7; 32]);
    let track = tracks.commit(&sender);

    let (subscriber_of, scope) = (participant.clone(), moq_mls_tokio::Scope::Namespace(commits.clone()));
    let subscribing = tokio::spawn(async move { subscriber_of.subscribe(scope).await });
    let mut request = subscriber.request().await;
    request.ok().await;
    let mut subscribed = subscribing.await.unwrap().unwrap();
    let (mut send, _recv) = subscriber.connection.open_bi().await.unwrap();
    let (track_namespace, track_name) = moq_mls_live::mapping::to_wire_track(&track);
    let publish = Publish {
        request_id: varint(1),
        track_namespace,
        track_name,
        track_alias: varint(3),
        parameters: Vec::new(),
        track_properties: Vec::new(),
    };
    write(&mut send, &Message::Publish(publish)).await;
    let mut streams = Vec::new();
    for group in [3, 4, 5] {
        streams.push(subscriber.object(3, group, &[group as u8; 8]).await);
        soon(subscribed.recv()).await.unwrap();
    }

    // What the session offers to give; then a FETCH of groups 3 and 4 of it.
    let mut request = publisher.request().await;
    let Message::PublishNamespace(message) = &request.message else { panic!("{:?}", request.message) };
    let namespace = message.track_namespace.clone();
    request.ok().await;
    let (mut send, mut recv) = publisher.connection.open_bi().await.unwrap();
    let fetch = Fetch {
        request_id: varint(1),
        track_namespace: namespace,
        track_name: b"seen".to_vec(),
        parameters: vec![parameter(LOCATION_FILTER, &[3, 0, 1])],
    };
    write(&mut send, &Message::Fetch(fetch)).await;
    let answer = soon(recv.read_to_end(1 << 16)).await.unwrap();
    let Message::FetchOk(ok) = Message::decode(&mut &answer[..]).unwrap() else { panic!("{answer:?}") };
    assert_eq!((ok.end_group, ok.end_object), (varint(4), varint(0)), "inclusive");
    // The first is the control stream.
    let _control = soon(publisher.connection.accept_uni()).await.unwrap();
    let mut stream = soon(publisher.connection.accept_uni()).await.unwrap();
    let bytes = soon(stream.read_to_end(1 << 16)).await.unwrap();
    let mut rest = &bytes[..];
    assert_eq!(FetchHeader::decode(&mut rest).unwrap().request_id, varint(1));
    let mut reader = FetchObjectReader::new(GroupOrder::Ascending);
    let mut given = Vec::new();
    while !rest.is_empty() {
        let frame = reader.read_object_header(&mut rest).unwrap();
        let (payload, after) = rest.split_at(frame.header.payload_length.into_inner() as usize);
        given.push((frame.group_id, payload.to_vec()));
        rest = after;
    }
    assert_eq!(given.len(), 2, "{given:?}");
    assert_eq!(given.iter().map(|(group, _)| *group).collect::<Vec<_>>(), [3, 4]);
}

/// At GOAWAY, which names no request in draft 20, another session takes over.
#[tokio::test(flavor = "multi_thread")]
async fn goaway_of_draft_20_brings_another_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<Message> = RogueRelay::start(folder.path());
    let _participant = participant(&relay);
    let (_publisher, mut subscriber) = relay.pair().await;
    let away = GoAway { new_session_uri: Vec::new(), timeout: varint(0) };
    write(&mut subscriber.control, &Message::GoAway(away)).await;
    let (_publisher, _subscriber) = relay.pair().await;
    soon(subscriber.connection.closed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_chooses_the_draft() {
    assert_eq!(Draft::ALL.map(Draft::alpn), [b"moqt-20", b"moqt-18"]);
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<Message> = RogueRelay::start(folder.path());
    let _participant = participant(&relay);
    assert_eq!(Draft::of(&relay.session().await.connection), Some(Draft::D20));
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<m18::ControlMessage> = RogueRelay::start(folder.path());
    let _participant = participant(&relay);
    assert_eq!(Draft::of(&relay.session().await.connection), Some(Draft::D18));
}

/// Who asks this client for what it does not have must not hold one of the requests that the relay may have open.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_answered_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay: RogueRelay<Message> = RogueRelay::start(folder.path());
    let _participant = participant(&relay);
    let (_publisher, subscriber) = relay.pair().await;
    let (mut send, mut recv) = subscriber.connection.open_bi().await.unwrap();
    let request = Subscribe {
        request_id: varint(1),
        track_namespace: to_wire(&media()),
        track_name: b"track-1".to_vec(),
        parameters: Vec::new(),
    };
    write(&mut send, &Message::Subscribe(request)).await;
    // Without an answer, by the end of the stream.
    assert!(soon(recv.read_to_end(16)).await.is_ok_and(|answer| answer.is_empty()));
}
