//! Sessions that hold: on the real relay beyond what it offers by itself, and on one that misbehaves.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::support::rogue_relay::{Request, RogueRelay, RogueSession, Spoken, soon, varint, write};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, GroupName, GroupTracks, Location, SenderId, TrackNamespace};
use moq_mls_live::link::RelayAddress;
use moq_mls_live::mapping::{COMMIT_TRACKS, to_wire};
use moq_mls_live::quic_relay::{self, QuicRelay};
use moq_mls_live::relay::Relay as RealRelay;
use moq_mls_live::session::{BY_NAME, WireObject};
use moq_mls_live::tls::Files;
use moq_mls_tokio::{Relay, Scope};
use moqtap_codec::draft18::message::{
    ControlMessage, GoAway, Publish, PublishBlocked, PublishDone, SubscribeOk,
};
use moqtap_codec::types::TrackNamespace as WireNamespace;

/// EXCESSIVE_LOAD, DOES_NOT_EXIST.
const OVERLOADED: u64 = 0x9;
const ABSENT: u64 = 0x10;

fn group() -> GroupName {
    GroupName::try_from("room").unwrap()
}

fn participant(relay: RelayAddress, name: u8) -> QuicRelay {
    QuicRelay::connect(relay, &group(), &SenderId::from_fingerprint([name; 32])).unwrap()
}

fn media() -> TrackNamespace {
    TrackNamespace::new(vec!["room".into(), "media".into()]).unwrap()
}

fn object(track: usize, payload: &str) -> Object {
    let track = FullTrackName { namespace: media(), name: format!("track-{track}").into() };
    Object { track, location: Location { group_id: 1, object_id: 0 }, payload: payload.to_owned().into() }
}

/// A participant on a relay of the test's own.
struct Scene {
    relay: RogueRelay,
    participant: QuicRelay,
    publisher: RogueSession,
    subscriber: RogueSession,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut relay = RogueRelay::start(folder.path());
        let participant = participant(relay.address.clone(), 1);
        let (publisher, subscriber) = relay.pair().await;
        Self { relay, participant, publisher, subscriber, _folder: folder }
    }
}

/// The next request but for what every session asks.
async fn asked(session: &mut RogueSession, held: &mut Vec<Request>) -> Request {
    loop {
        let mut request = session.request().await;
        if !matches!(request.message, ControlMessage::PublishNamespace(_)) {
            return request;
        }
        request.ok().await;
        held.push(request);
    }
}

/// The relay hands one session 128 tracks at most, and names the others. It lets a session have 100 requests open.
#[tokio::test(flavor = "multi_thread")]
async fn more_tracks_than_a_relay_offers_are_subscribed_to_by_name() {
    const TRACKS: usize = 128 + 2 * BY_NAME;
    const EACH: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path(), &[]).unwrap();
    let relay = RealRelay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &files, None).unwrap();
    let host = format!("localhost:{}", relay.address.port());
    let address = RelayAddress { host, roots: files.chain().unwrap(), token: None };
    let from: Vec<QuicRelay> =
        (0..TRACKS.div_ceil(EACH)).map(|n| participant(address.clone(), n as u8)).collect();
    let to = participant(address, 255);
    let send = async |tracks: std::ops::Range<usize>, group_id| {
        for track in tracks {
            let location = Location { group_id, object_id: 0 };
            let object = Object { location, ..object(track, "payload") };
            soon(from[track / EACH].send(object.into())).await.unwrap();
        }
    };
    send(0..TRACKS / 2, 1).await;
    let mut objects = to.subscribe(Scope::Namespace(media())).await.unwrap();
    send(TRACKS / 2..TRACKS, 1).await;
    // All tracks, and their later objects, too.
    for group in [1, 2] {
        let mut came = BTreeSet::new();
        while came.len() < TRACKS {
            let object = soon(objects.recv()).await.unwrap();
            if object.location.group_id == group {
                came.insert(object.track.name);
            }
        }
        if group == 1 {
            send(0..TRACKS, 2).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_is_not_offered_is_asked_for_until_it_is_there_and_again_when_it_ended() {
    let mut scene = Scene::set().await;
    let mut objects = quic_relay::keep(scene.participant.clone(), media());
    let mut tracks = scene.subscriber.request().await;
    assert!(
        matches!(&tracks.message, ControlMessage::SubscribeTracks(s) if s.namespace_prefix == to_wire(&media()))
    );
    tracks.ok().await;
    let blocked =
        PublishBlocked { namespace_suffix: WireNamespace(Vec::new()), track_name: b"track-7".to_vec() };
    tracks.say(&ControlMessage::PublishBlocked(blocked)).await;
    // A relay lets one session have only so many requests: it is another one.
    let mut subscriber = scene.relay.session().await;
    let named = |request: &Request| {
        matches!(&request.message, ControlMessage::Subscribe(s)
            if s.track_name == b"track-7" && s.track_namespace == to_wire(&media()))
    };
    let mut absent = subscriber.request().await;
    assert!(named(&absent), "{:?}", absent.message);
    absent.refuse(ABSENT).await;
    for alias in [5, 6] {
        let mut request = subscriber.request().await;
        assert!(named(&request), "{:?}", request.message);
        // Objects may overtake the answer.
        let _stream = subscriber.object(alias, alias, b"payload").await;
        let ok =
            SubscribeOk { track_alias: varint(alias), parameters: Vec::new(), track_properties: Vec::new() };
        request.say(&ControlMessage::SubscribeOk(ok)).await;
        let object = soon(objects.recv()).await.unwrap().object;
        let expected = object_at(alias);
        assert_eq!((object.track, object.location), (expected.track, expected.location));
        let done = PublishDone { status_code: varint(0), stream_count: varint(1), reason_phrase: Vec::new() };
        request.say(&ControlMessage::PublishDone(done)).await;
    }
}

fn object_at(group_id: u64) -> Object {
    Object { location: Location { group_id, object_id: 0 }, ..object(7, "payload") }
}

/// What a relay ended counted as alive: nothing came any more, and nobody noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_the_relay_ends_is_made_again() {
    let mut scene = Scene::set().await;
    let mut objects = quic_relay::keep(scene.participant.clone(), media());
    let subscriber = &mut scene.subscriber;
    for says in [true, false] {
        let mut request = subscriber.request().await;
        assert!(matches!(request.message, ControlMessage::SubscribeTracks(_)));
        request.ok().await;
        if says {
            request.refuse(OVERLOADED).await;
        }
        request.send.finish().unwrap();
        request.ended().await;
    }
    let mut request = subscriber.request().await;
    assert!(matches!(request.message, ControlMessage::SubscribeTracks(_)));
    request.ok().await;
    let (send, _recv) = offer(subscriber, 3, 7).await;
    let _stream = subscriber.object(3, 4, b"payload").await;
    assert_eq!(soon(objects.recv()).await.unwrap().object.location, object_at(4).location);
    drop(send);
}

/// PUBLISH of the track `track-…` under an alias.
async fn offer(session: &RogueSession, alias: u64, track: u64) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, recv) = session.connection.open_bi().await.unwrap();
    let publish = Publish {
        request_id: varint(1),
        track_namespace: to_wire(&media()),
        track_name: format!("track-{track}").into_bytes(),
        track_alias: varint(alias),
        parameters: Vec::new(),
        track_properties: Vec::new(),
    };
    write(&mut send, &ControlMessage::Publish(publish)).await;
    (send, recv)
}

/// A relay that restarts says so: other sessions are there before the old ones close.
#[tokio::test(flavor = "multi_thread")]
async fn at_goaway_another_session_takes_over_and_then_the_old_one_closes() {
    let Scene { mut relay, participant, mut publisher, mut subscriber, _folder } = Scene::set().await;
    let mut held = Vec::new();
    let mut objects = quic_relay::keep(participant.clone(), media());
    let mut request = subscriber.request().await;
    request.ok().await;
    let sending = tokio::spawn({
        let participant = participant.clone();
        async move { participant.send(object(1, "first").into()).await }
    });
    let mut publish = asked(&mut publisher, &mut held).await;
    assert!(matches!(publish.message, ControlMessage::Publish(_)));
    publish.ok().await;
    sending.await.unwrap().unwrap();

    let away = GoAway { new_session_uri: Vec::new(), timeout: varint(0), request_id: Some(varint(0)) };
    write(&mut subscriber.control, &ControlMessage::GoAway(away)).await;
    let (mut publisher_2, mut subscriber_2) = relay.pair().await;
    for old in [&publisher, &subscriber] {
        assert!(old.connection.close_reason().is_none(), "it is still there");
    }
    let mut request = subscriber_2.request().await;
    request.ok().await;
    let mut publish = asked(&mut publisher_2, &mut held).await;
    assert!(matches!(publish.message, ControlMessage::Publish(_)));
    publish.ok().await;
    soon(subscriber.connection.closed()).await;
    soon(publisher.connection.closed()).await;
    // Both ways go on.
    let (send, _recv) = offer(&subscriber_2, 3, 7).await;
    let _stream = subscriber_2.object(3, 4, b"payload").await;
    assert_eq!(soon(objects.recv()).await.unwrap().object.location, object_at(4).location);
    soon(participant.send(object(1, "second").into())).await.unwrap();
    drop(send);
}

/// Nobody read what follows the answer of a PUBLISH: a track that the relay gave up was written into the void.
#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_the_relay_takes_no_more_is_published_again_with_what_it_holds() {
    let mut scene = Scene::set().await;
    let mut held = Vec::new();
    let participant = scene.participant.clone();
    let sending = tokio::spawn(async move { participant.send(object(1, "kept").into()).await });
    // The first is the control stream.
    let _control = soon(scene.publisher.connection.accept_uni()).await.unwrap();
    for ends in ["with the answer", "later", "by a reset", "never"] {
        let mut publish = asked(&mut scene.publisher, &mut held).await;
        assert!(matches!(publish.message, ControlMessage::Publish(_)), "{:?}", publish.message);
        if ends == "with the answer" {
            publish.say_all(&[ControlMessage::ok(), ControlMessage::refused(OVERLOADED)]).await;
            continue;
        }
        publish.ok().await;
        let mut stream = soon(scene.publisher.connection.accept_uni()).await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"kept") {
            bytes.extend_from_slice(&soon(stream.read_chunk(1 << 16, true)).await.unwrap().unwrap().bytes);
        }
        match ends {
            "later" => publish.refuse(OVERLOADED).await,
            "by a reset" => publish.send.reset(0u32.into()).unwrap(),
            _ => held.push(publish),
        }
    }
    sending.await.unwrap().unwrap();
}

/// A relay offers a session 128 tracks: those of the KeyPackages of members would take all of them from newcomers.
#[tokio::test(flavor = "multi_thread")]
async fn the_track_of_key_packages_ends_once_their_owner_is_in_and_begins_again_when_needed() {
    let mut scene = Scene::set().await;
    let mut held = Vec::new();
    let track = GroupTracks::new(group(), COMMIT_TRACKS).key_package(&SenderId::from_fingerprint([1; 32]));
    for object_id in [0, 1] {
        let (participant, track) = (scene.participant.clone(), track.clone());
        let location = Location { group_id: 0, object_id };
        let object = Object { track, location, payload: "a KeyPackage".into() };
        let sending = tokio::spawn(async move { participant.send(object.into()).await });
        let mut publish = asked(&mut scene.publisher, &mut held).await;
        assert!(matches!(publish.message, ControlMessage::Publish(_)), "{:?}", publish.message);
        publish.ok().await;
        sending.await.unwrap().unwrap();
        scene.participant.end_key_packages();
        publish.ended().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_alias_nobody_names_is_stopped() {
    let scene = Scene::set().await;
    let stream = scene.subscriber.object(99, 1, b"whose?").await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), stream.stopped()).await;
    assert!(stopped.unwrap().unwrap().is_some(), "STOP_SENDING");
}

/// A relay that does not take PUBLISH: what waits for it is bounded, and the publisher gets an error.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_published_is_bounded() {
    let scene = Scene::set().await;
    let participant = &scene.participant;
    let overload = (0..10_000).find_map(|n| {
        let object = Object { location: Location { group_id: n, object_id: 0 }, ..object(1, "media") };
        participant.send_later(WireObject::from(object)).err()
    });
    assert_eq!(overload.unwrap().track, object(1, "").track);
    assert!(participant.send(object(1, "media").into()).await.is_err());
    // Other tracks are not concerned.
    participant.send_later(object(2, "media").into()).unwrap();
}
