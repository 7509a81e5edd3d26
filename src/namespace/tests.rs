//! What a message costs, counted in entries that are touched: it may not grow with the number of tracks.
#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;

use super::table::touched;
use super::*;
use crate::codec::{
    Announce, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeNamespace, Unsubscribe,
};
use crate::tracks::{FullTrackName, Location, Object, TrackNamespace};

const LISTENERS: u8 = 20;
/// The session that publishes.
const PUBLISHER: u8 = 100;
/// A session that asks for single tracks.
const READER: u8 = 101;

fn namespace() -> Bytes {
    Bytes::from_static(b"keypackages")
}

fn name(n: u64) -> Bytes {
    Bytes::from(format!("track {n:08}"))
}

fn info(n: u64) -> ControlMessage {
    let (subscribe_id, track_alias) = (2 * n + 1, n);
    NamespaceInfo { track_alias, subscribe_id, namespace: namespace(), name: name(n), request_id: 0 }.into()
}

fn stream(n: u64, object: u64) -> ObjectStream {
    let (subscribe_id, track_alias) = (2 * n + 1, n);
    let payload = Bytes::from_static(b"payload");
    ObjectStream { subscribe_id, track_alias, group: 0, object, send_order: 0, payload }
}

fn subscribe(n: u64) -> Subscribe {
    let filter = Filter::From { group: 0 };
    Subscribe { subscribe_id: 2 * n, track_alias: n, namespace: namespace(), name: name(n), filter }
}

/// A relay with twenty who want the namespace, one who publishes so many tracks in it, and one who asked for
/// each by its name.
fn relay(tracks: u64) -> Relay<u8> {
    let mut relay = Relay::new(RelayConfig::default());
    for who in (0..LISTENERS).chain([PUBLISHER, READER]) {
        relay.open(who);
    }
    relay.control(&PUBLISHER, Announce { namespace: namespace() }.into()).unwrap();
    for who in 0..LISTENERS {
        let request = SubscribeNamespace { namespace: namespace(), id: 0 };
        relay.control(&who, request.into()).unwrap();
    }
    for n in 0..tracks {
        relay.control(&PUBLISHER, info(n)).unwrap();
        relay.object(&PUBLISHER, stream(n, 0)).unwrap();
        relay.control(&READER, subscribe(n).into()).unwrap();
    }
    relay
}

/// What each kind of message costs a relay that has so many tracks, and how much comes of it.
fn costs(tracks: u64) -> Vec<(&'static str, u64, usize)> {
    let mut relay = relay(tracks);
    let mut all = Vec::new();
    let mut tell = |what, from: u8, message: ControlMessage| {
        let (touched, out) = touched::by(|| relay.control(&from, message).unwrap());
        all.push((what, touched, out.len()));
    };
    tell("track", PUBLISHER, info(tracks));
    tell("announced again", PUBLISHER, Announce { namespace: namespace() }.into());
    tell("asked again", 0, SubscribeNamespace { namespace: namespace(), id: 1 }.into());
    let other = Bytes::from_static(b"other");
    tell("another namespace", PUBLISHER, Announce { namespace: other.clone() }.into());
    tell("request for another", 0, SubscribeNamespace { namespace: other, id: 2 }.into());
    tell("subscribe", READER, subscribe(tracks).into());
    tell("end", READER, Unsubscribe { subscribe_id: 2 * tracks }.into());
    let (touched, out) = touched::by(|| relay.object(&PUBLISHER, stream(tracks, 0)).unwrap());
    all.push(("object", touched, out.len()));
    let (touched, out) = touched::by(|| relay.object(&PUBLISHER, stream(1, 1)).unwrap());
    all.push(("object of an old track", touched, out.len()));
    all
}

#[test]
fn a_message_costs_a_relay_the_same_however_many_tracks_there_are() {
    let few = costs(40);
    assert_eq!(few, costs(4000));
    let told = few.iter().find(|(what, ..)| *what == "track").map(|(.., out)| *out);
    assert_eq!(told, Some(usize::from(LISTENERS)), "it does tell everybody");
}

#[test]
fn a_walk_through_the_tracks_would_be_counted() {
    let relay = relay(300);
    let mut newcomer = relay.clone();
    newcomer.open(99);
    let request = SubscribeNamespace { namespace: namespace(), id: 0 };
    let (touched, out) = touched::by(|| newcomer.control(&99, request.into()).unwrap());
    // The newcomer hears of each track, with its object.
    assert_eq!(out.len(), 601);
    assert!(touched > 600, "{touched}");
}

fn track(n: u64) -> FullTrackName {
    FullTrackName { namespace: TrackNamespace::new(vec![namespace()]).unwrap(), name: name(n) }
}

fn object(n: u64, object: u64) -> Object {
    let location = Location { group_id: 0, object_id: object };
    Object { track: track(n), location, payload: Bytes::from_static(b"payload") }
}

/// What a publisher's calls cost, with so many tracks, and after so many requests for their namespace.
fn publisher_costs(tracks: u64, requests: u64) -> Vec<(u64, usize)> {
    let mut publisher = Publisher::new(8);
    publisher.announce(&track(0).namespace);
    let mut refused = 0;
    for id in 0..requests {
        let request = SubscribeNamespace { namespace: namespace(), id };
        refused += u64::from(publisher.on_subscribe_namespace(request) == Err(NamespaceError::TooMany));
    }
    assert_eq!(refused, requests.saturating_sub(16));
    for n in 0..tracks {
        publisher.publish(&object(n, 0));
    }
    let mut all = Vec::new();
    let (touched, (control, objects)) = touched::by(|| publisher.publish(&object(tracks, 0)));
    all.push((touched, control.len() + objects.len()));
    let (touched, (control, objects)) = touched::by(|| publisher.publish(&object(1, 1)));
    all.push((touched, control.len() + objects.len()));
    let (touched, infos) = touched::by(|| publisher.start(&track(tracks + 1)));
    all.push((touched, infos.len()));
    let (touched, answer) = touched::by(|| publisher.on_subscribe(subscribe(1)).unwrap());
    all.push((touched, answer.0.len() + answer.1.len()));
    all
}

#[test]
fn publishing_costs_the_same_however_many_tracks_there_are() {
    assert_eq!(publisher_costs(40, 1), publisher_costs(4000, 1));
}

#[test]
fn publishing_costs_no_more_for_a_flood_of_requests() {
    let few = publisher_costs(2, 16);
    assert_eq!(few, publisher_costs(2, 16_384));
    assert_eq!(
        few.first().map(|(_, out)| *out),
        Some(32),
        "each request is served: the track, and its object"
    );
}
