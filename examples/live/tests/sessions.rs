//! Sessions that hold: on the real relay beyond what it offers by itself, and on one that misbehaves.

mod support;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, GroupName, Location, SenderId, TrackNamespace};
use moq_mls_live::link::RelayAddress;
use moq_mls_live::mapping::to_wire;
use moq_mls_live::quic_relay::{self, QuicRelay};
use moq_mls_live::relay::Relay as RealRelay;
use moq_mls_live::session::{BY_NAME, WireObject};
use moq_mls_live::tls::Files;
use moq_mls_tokio::{Relay, Scope};
use moqtap_codec::draft18::message::{
    ControlMessage, GoAway, Publish, PublishBlocked, PublishDone, SubscribeOk,
};
use moqtap_codec::types::TrackNamespace as WireNamespace;
use support::rogue_relay::{Request, RogueRelay, RogueSession, soon, varint, write};

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
    let relay = RealRelay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &files).unwrap();
    let host = format!("localhost:{}", relay.address.port());
    let address = RelayAddress { host, roots: files.chain().unwrap() };
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
    let folder = tempfile::tempdir().unwrap();
    let mut relay = RogueRelay::start(folder.path());
    let participant = participant(relay.address.clone(), 1);
    let (_publisher, mut subscriber) = relay.pair().await;
    let mut objects = quic_relay::keep(participant, media());
    let mut tracks = subscriber.request().await;
    assert!(
        matches!(&tracks.message, ControlMessage::SubscribeTracks(s) if s.namespace_prefix == to_wire(&media()))
    );
    tracks.ok().await;
    let blocked =
        PublishBlocked { namespace_suffix: WireNamespace(Vec::new()), track_name: b"track-7".to_vec() };
    tracks.say(&ControlMessage::PublishBlocked(blocked)).await;
    // A relay lets one session have only so many requests: it is another one.
    let mut subscriber = relay.session().await;
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
    let folder = tempfile::tempdir().unwrap();
    let mut relay = RogueRelay::start(folder.path());
    let participant = participant(relay.address.clone(), 1);
    let (_publisher, mut subscriber) = relay.pair().await;
    let mut objects = quic_relay::keep(participant, media());
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
    let (send, _recv) = offer(&subscriber, 3, 7).await;
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
    let folder = tempfile::tempdir().unwrap();
    let mut relay = RogueRelay::start(folder.path());
    let participant = participant(relay.address.clone(), 1);
    let mut held = Vec::new();
    let (mut publisher, mut subscriber) = relay.pair().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_alias_nobody_names_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = RogueRelay::start(folder.path());
    let _participant = participant(relay.address.clone(), 1);
    let (_publisher, subscriber) = relay.pair().await;
    let stream = subscriber.object(99, 1, b"whose?").await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), stream.stopped()).await;
    assert!(stopped.unwrap().unwrap().is_some(), "STOP_SENDING");
}

/// A relay that does not take PUBLISH: what waits for it is bounded, and the publisher gets an error.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_published_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = RogueRelay::start(folder.path());
    let participant = participant(relay.address.clone(), 1);
    let _sessions = relay.pair().await;
    let overload = (0..10_000).find_map(|n| {
        let object = Object { location: Location { group_id: n, object_id: 0 }, ..object(1, "media") };
        participant.send_later(WireObject::from(object)).err()
    });
    assert_eq!(overload.unwrap().track, object(1, "").track);
    assert!(participant.send(object(1, "media").into()).await.is_err());
    // Other tracks are not concerned.
    participant.send_later(object(2, "media").into()).unwrap();
}
