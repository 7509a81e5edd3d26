//! Floods of a relay, a publisher and a subscriber: what they keep stays within its bounds, by the allocator, and
//! what had to go comes back when it is used.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use allocation_counter::measure;
use bytes::Bytes;
use moq_mls::Object;
use moq_mls::codec::{
    Announce, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone,
    SubscribeNamespace, Unsubscribe,
};
use moq_mls::namespace::{
    NamespaceError, Output, Publisher, PublisherConfig, Relay, RelayConfig, Subscriber,
};
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};

const MIB: usize = 1 << 20;

/// A field as it comes off a connection: a view of a receive buffer with much else in it.
fn received(field: &[u8]) -> Bytes {
    let mut buffer = vec![0; 16 << 10];
    buffer[..field.len()].copy_from_slice(field);
    Bytes::from(buffer).slice(..field.len())
}

fn namespace() -> Bytes {
    received(b"keypackages")
}

fn info(n: u64, name: &[u8]) -> ControlMessage {
    let subscribe_id = 2 * n + 1;
    let (namespace, name) = (namespace(), received(name));
    NamespaceInfo { track_alias: n, subscribe_id, namespace, name, request_id: 0 }.into()
}

fn stream(n: u64, object: u64, payload: &[u8]) -> ObjectStream {
    let (subscribe_id, track_alias) = (2 * n + 1, n);
    ObjectStream { subscribe_id, track_alias, group: 0, object, send_order: 0, payload: received(payload) }
}

fn subscribe(id: u64, name: &[u8], filter: Filter) -> Subscribe {
    Subscribe { subscribe_id: id, track_alias: id, namespace: namespace(), name: received(name), filter }
}

fn all() -> Filter {
    Filter::From { group: 0 }
}

/// A relay at which `who` announced the namespace, and "listener" asked for all of it.
fn relay(config: RelayConfig, who: &[&'static str]) -> Relay<&'static str> {
    let mut relay = Relay::new(config);
    relay.open("listener");
    relay.control(&"listener", SubscribeNamespace { namespace: namespace(), id: 0 }.into()).unwrap();
    for name in who {
        relay.open(*name);
        relay.control(name, Announce { namespace: namespace() }.into()).unwrap();
    }
    relay
}

fn bytes(config: RelayConfig) -> i64 {
    i64::try_from(config.cache_bytes + 2 * 3 * config.session_bytes).unwrap()
}

#[test]
fn the_cache_of_a_relay_stays_within_its_bytes_and_its_tracks() {
    for (cache_bytes, cache_tracks) in [(2 * MIB, 16_384), (64 * MIB, 100)] {
        let mut config = RelayConfig::default();
        (config.cache_bytes, config.cache_tracks) = (cache_bytes, cache_tracks);
        config.session_bytes = 3 * MIB;
        let mut relay = relay(config, &["flood"]);
        let held = measure(|| {
            for n in 0..2500 {
                relay.control(&"flood", info(n, &n.to_be_bytes())).unwrap();
                for object in 0..2 {
                    relay.object(&"flood", stream(n, object, &[0; 1000][..(n % 1000) as usize])).unwrap();
                }
            }
        });
        assert!(held.bytes_current <= bytes(config), "{} of {}", held.bytes_current, bytes(config));
        // The same by what it serves: of each track, one by one, to a new session.
        relay.open("reader");
        let mut kept = Vec::new();
        for n in 0..2500_u64 {
            let range = subscribe(2 * n, &n.to_be_bytes(), Filter::Range { first: 0, last: 0 });
            let out = relay.control(&"reader", range.into()).unwrap();
            let objects = out.iter().filter(|(_, output)| matches!(output, Output::Object(_))).count();
            kept.extend(vec![n; objects]);
        }
        assert_eq!(kept.len() as u64 + relay.dropped().objects, 5000, "what went is counted");
        let tracks: std::collections::BTreeSet<u64> = kept.iter().copied().collect();
        assert!(tracks.len() <= cache_tracks && tracks.len() >= 100, "{}", tracks.len());
        assert_eq!(tracks.first().map(|first| 2500 - first), Some(tracks.len() as u64), "the newest stay");
    }
}

#[test]
fn a_track_in_use_stays_in_the_cache_when_a_flood_comes() {
    let mut config = RelayConfig::default();
    config.cache_tracks = 10;
    let mut relay = relay(config, &["member", "flood"]);
    relay.control(&"member", info(0, b"used")).unwrap();
    relay.control(&"member", info(1, b"idle")).unwrap();
    relay.object(&"member", stream(0, 0, b"first")).unwrap();
    relay.object(&"member", stream(1, 0, b"first")).unwrap();
    for n in 0..100_u64 {
        relay.control(&"flood", info(n, &n.to_be_bytes())).unwrap();
        relay.object(&"flood", stream(n, 0, b"junk")).unwrap();
        if n % 5 == 0 {
            relay.object(&"member", stream(0, n + 1, b"more")).unwrap();
        }
    }
    relay.open("reader");
    let mut read = |id, name: &[u8]| {
        let range = subscribe(id, name, Filter::Range { first: 0, last: 0 });
        let out = relay.control(&"reader", range.into()).unwrap();
        out.iter().filter(|(to, _)| *to == "reader").count()
    };
    // An answer, the objects, the end.
    assert_eq!((read(0, b"used"), read(2, b"idle")), (2 + 21, 2));
}

#[test]
fn one_object_too_large_for_the_cache_passes_and_pushes_nobody_out() {
    let mut config = RelayConfig::default();
    config.cache_bytes = 8 << 10;
    let mut relay = relay(config, &["a"]);
    relay.control(&"a", info(0, b"small")).unwrap();
    relay.control(&"a", info(1, b"large")).unwrap();
    relay.object(&"a", stream(0, 0, b"small")).unwrap();
    assert_eq!(relay.object(&"a", stream(1, 0, &[0; 8 << 10])).unwrap().len(), 1, "the listener has it");
    assert_eq!(relay.dropped().objects, 1);
    relay.open("reader");
    let range = subscribe(0, b"small", Filter::Range { first: 0, last: 0 });
    let out = relay.control(&"reader", range.into()).unwrap();
    // An answer, the object, the end.
    assert_eq!(out.iter().filter(|(to, _)| *to == "reader").count(), 3);
}

#[test]
fn the_names_that_a_session_brings_are_bounded_in_bytes() {
    let mut config = RelayConfig::default();
    config.session_bytes = MIB;
    let mut relay = relay(config, &["flood"]);
    let mut refused = 0;
    let held = measure(|| {
        for n in 0..2000_u64 {
            let name = [&n.to_be_bytes()[..], &[0; 3000]].concat();
            let id = 2 * n;
            for message in [
                info(n, &name),
                Announce { namespace: received(&name) }.into(),
                SubscribeNamespace { namespace: received(&name), id }.into(),
                subscribe(id, &name, all()).into(),
            ] {
                refused += u64::from(relay.control(&"flood", message) == Err(NamespaceError::TooMany));
            }
        }
    });
    assert!(held.bytes_current <= bytes(config), "{} of {}", held.bytes_current, bytes(config));
    assert!(refused > 7000, "{refused}");
    // A session that ends a subscription has room for another.
    let fits = subscribe(100_000, b"another", all());
    relay.control(&"flood", Unsubscribe { subscribe_id: 0 }.into()).unwrap();
    relay.control(&"flood", fits.into()).unwrap();
}

/// Gives a subscriber what a relay has for "listener"; every message must fit.
fn take(subscriber: &mut Subscriber, out: Vec<(&str, Output)>, got: &mut Vec<Bytes>) {
    for (_, output) in out.into_iter().filter(|(to, _)| *to == "listener") {
        match output {
            Output::Control(ControlMessage::NamespaceInfo(info)) => drop(subscriber.on_info(info).unwrap()),
            Output::Control(ControlMessage::SubscribeDone(done)) => drop(subscriber.on_done(&done).unwrap()),
            Output::Control(other) => panic!("{other:?}"),
            Output::Object(object) => {
                subscriber.track_of(&object).unwrap();
                got.push(object.payload);
            }
        }
    }
}

#[test]
fn a_flood_of_tracks_hides_neither_those_before_it_nor_those_after() {
    let mut config = RelayConfig::default();
    config.session_entries = 100;
    let mut relay = relay(config, &["member", "one", "two", "late"]);
    let mut subscriber = Subscriber::new();
    let namespace = TrackNamespace::new(vec![Bytes::from_static(b"keypackages")]).unwrap();
    subscriber.subscribe_namespace(namespace);
    let mut got = Vec::new();
    take(&mut subscriber, relay.control(&"member", info(0, b"member")).unwrap(), &mut got);
    take(&mut subscriber, relay.object(&"member", stream(0, 0, b"before")).unwrap(), &mut got);
    for flood in ["one", "two"] {
        for n in 0..99_u64 {
            let name = format!("{flood} {n}");
            take(&mut subscriber, relay.control(&flood, info(n, name.as_bytes())).unwrap(), &mut got);
        }
        let refused = relay.control(&flood, info(99, b"one more"));
        assert_eq!(refused, Err(NamespaceError::TooMany), "a session has its own bound");
    }
    assert_eq!(relay.dropped().told, 99);
    take(&mut subscriber, relay.control(&"late", info(0, b"late")).unwrap(), &mut got);
    take(&mut subscriber, relay.object(&"late", stream(0, 0, b"late")).unwrap(), &mut got);
    take(&mut subscriber, relay.object(&"member", stream(0, 1, b"after")).unwrap(), &mut got);
    // When the track is announced again, the earlier object comes once more.
    assert_eq!(got, [&b"before"[..], b"late", b"before", b"after"]);
    assert_eq!(relay.dropped().told, 101);
}

#[test]
fn a_flood_of_subscriptions_does_not_end_one_that_brings_objects() {
    let mut config = RelayConfig::default();
    config.session_entries = 50;
    let mut relay = relay(config, &["member"]);
    relay.open("reader");
    let mut asked = Vec::new();
    let mut ended = Vec::new();
    let mut ask = |relay: &mut Relay<&'static str>, who: &'static str, id, name: &[u8]| {
        for (to, output) in relay.control(&who, subscribe(id, name, all()).into()).unwrap() {
            match output {
                Output::Control(ControlMessage::Subscribe(m)) if to == "member" => asked.push(m.subscribe_id),
                Output::Control(ControlMessage::Unsubscribe(m)) => ended.push(m.subscribe_id),
                _ => {}
            }
        }
        (asked.len(), ended.clone())
    };
    assert_eq!(ask(&mut relay, "reader", 0, b"used"), (1, vec![]));
    let of_used = |object| ObjectStream { subscribe_id: 0, track_alias: 0, ..stream(0, object, b"object") };
    relay.object(&"member", of_used(0)).unwrap();
    for flood in ["one", "two"] {
        relay.open(flood);
        for n in 0..50_u64 {
            ask(&mut relay, flood, 2 * n, format!("{flood} {n}").as_bytes());
        }
    }
    let (asked, ended) = ask(&mut relay, "reader", 2, b"last");
    // Those that brought nothing, the oldest first.
    assert_eq!((asked, ended), (102, (1..=52).map(|n| 2 * n).collect::<Vec<u64>>()));
    assert_eq!(relay.dropped().asked, 52);
    let out = relay.object(&"member", of_used(1)).unwrap();
    assert_eq!(out.iter().filter(|(to, _)| *to == "reader").count(), 1);
}

fn track(n: u64) -> FullTrackName {
    let namespace = TrackNamespace::new(vec![Bytes::from_static(b"keypackages")]).unwrap();
    FullTrackName { namespace, name: received(&n.to_be_bytes()) }
}

fn object(n: u64, payload: &[u8]) -> Object {
    let location = Location { group_id: 0, object_id: 0 };
    Object { track: track(n), location, payload: received(payload) }
}

#[test]
fn what_a_publisher_keeps_is_bounded_and_a_track_in_use_is_announced_again() {
    let mut config = PublisherConfig::default();
    (config.tracks, config.bytes, config.entries) = (200, MIB, 200);
    (config.entry_bytes, config.requests) = (MIB, 1);
    let mut publisher = Publisher::with_config(config);
    publisher.announce(&track(0).namespace);
    let (mut told, mut ended, mut refused) = (0_u64, Vec::new(), 0_u64);
    let held = measure(|| {
        for id in 0..2000 {
            let request = SubscribeNamespace { namespace: namespace(), id };
            refused += u64::from(publisher.on_subscribe_namespace(request) == Err(NamespaceError::TooMany));
            let single = subscribe(2 * id, &[7; 2000], all());
            refused += u64::from(publisher.on_subscribe(single) == Err(NamespaceError::TooMany));
        }
        for n in 0..2000 {
            let (control, _) = publisher.publish(&object(n, &[0; 500]));
            for message in control {
                match message {
                    ControlMessage::NamespaceInfo(_) => told += 1,
                    ControlMessage::SubscribeDone(SubscribeDone { subscribe_id, .. }) => {
                        ended.push(subscribe_id)
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    });
    let most = (config.bytes + 2 * config.entry_bytes) as i64;
    assert!(held.bytes_current <= most, "{} of {most}", held.bytes_current);
    // The one request and 199 subscriptions are what fits.
    assert_eq!((refused, told), (1999 + 1801, 2000));
    assert_eq!(ended, (0..1800).map(|n| 2 * n + 1).collect::<Vec<u64>>(), "the oldest first");
    assert_eq!((publisher.dropped().told, publisher.dropped().objects), (1800, 1800));
    let (control, objects) = publisher.publish(&object(0, b"again"));
    assert!(matches!(control[..], [ControlMessage::SubscribeDone(_), ControlMessage::NamespaceInfo(_)]));
    assert_eq!(objects.len(), 1);
}

#[test]
fn the_tracks_announced_to_a_subscriber_are_bounded_in_bytes() {
    let mut subscriber = Subscriber::new();
    subscriber.subscribe_namespace(track(0).namespace);
    let mut refused = 0_u64;
    let held = measure(|| {
        for n in 0..10_000_u64 {
            let name = [&n.to_be_bytes()[..], &[0; 4000]].concat();
            let ControlMessage::NamespaceInfo(info) = info(n, &name) else { panic!("another message") };
            refused += u64::from(subscriber.on_info(info) == Err(NamespaceError::TooMany));
        }
    });
    assert!(held.bytes_current <= 24 << 20, "{}", held.bytes_current);
    assert!(refused > 4000, "{refused}");
    // Each that ends makes room for one.
    subscriber.unsubscribe(1).unwrap();
    let ControlMessage::NamespaceInfo(next) = info(20_000, &[0; 4000]) else { panic!("another message") };
    subscriber.on_info(next.clone()).unwrap();
    assert_eq!(
        subscriber.on_info(NamespaceInfo { subscribe_id: 99_999, ..next }),
        Err(NamespaceError::TooMany)
    );
}
