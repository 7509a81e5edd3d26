//! The call flow of the draft's section 6.1, message for message, and what else the sides must do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;

use bytes::Bytes;
use moq_mls::Object;
use moq_mls::codec::{
    Announce, ControlMessage, Decode, Encode, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone,
    SubscribeNamespace, SubscribeNamespaceResponse, Unsubscribe,
};
use moq_mls::namespace::{NamespaceError, Output, Publisher, Relay, RelayConfig, Subscriber};
use moq_mls::tracks::{
    CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, Location, SenderId, TrackNamespace,
};
use proptest::prelude::*;

const RELAY: &str = "Relay";

/// A name, both sides of a session, and what arrived.
type End = (&'static str, Subscriber, Publisher, Vec<(FullTrackName, Location, Bytes)>);

/// Endpoints around a relay; every message crosses the codec as bytes and is written down.
struct Net {
    relay: Relay<&'static str>,
    ends: Vec<End>,
    queue: VecDeque<(&'static str, &'static str, Output)>,
    flow: Vec<String>,
}

impl Net {
    fn new(names: &[&'static str]) -> Self {
        let mut relay = Relay::new(RelayConfig::default());
        for name in names {
            relay.open(*name);
        }
        let ends = names.iter().map(|n| (*n, Subscriber::new(), Publisher::new(8), Vec::new())).collect();
        Self { relay, ends, queue: VecDeque::new(), flow: Vec::new() }
    }

    fn end(&mut self, name: &str) -> &mut End {
        self.ends.iter_mut().find(|e| e.0 == name).unwrap()
    }

    fn send(&mut self, from: &'static str, messages: impl IntoIterator<Item = ControlMessage>) {
        self.queue.extend(messages.into_iter().map(|m| (from, RELAY, Output::Control(m))));
        self.run();
    }

    fn publish(
        &mut self,
        from: &'static str,
        track: &FullTrackName,
        location: Location,
        payload: &'static [u8],
    ) {
        let object = Object { track: track.clone(), location, payload: Bytes::from_static(payload) };
        let (messages, objects) = self.end(from).2.publish(&object);
        self.queue.extend(messages.into_iter().map(|m| (from, RELAY, Output::Control(m))));
        self.queue.extend(objects.into_iter().map(|o| (from, RELAY, Output::Object(o))));
        self.run();
    }

    fn run(&mut self) {
        while let Some((from, to, output)) = self.queue.pop_front() {
            // Through the codec, both ways.
            let output = match output {
                Output::Control(message) => {
                    let mut wire = message.to_bytes().unwrap();
                    let message = ControlMessage::decode(&mut wire).unwrap();
                    self.flow.push(format!("{from} -> {to}: {}", describe(&message)));
                    Output::Control(message)
                }
                Output::Object(object) => {
                    let object = ObjectStream::decode(&mut object.to_bytes().unwrap()).unwrap();
                    let text = String::from_utf8_lossy(&object.payload).into_owned();
                    self.flow.push(format!("{from} -> {to}: Object {text}"));
                    Output::Object(object)
                }
            };
            if to == RELAY {
                let out = match output {
                    Output::Control(message) => self.relay.control(&from, message).unwrap(),
                    Output::Object(object) => self.relay.object(&from, object).unwrap(),
                };
                self.queue.extend(out.into_iter().map(|(to, output)| (RELAY, to, output)));
            } else {
                let (name, subscriber, publisher, got) = self.end(to);
                let name = *name;
                let (messages, objects) = match output {
                    Output::Control(ControlMessage::SubscribeNamespace(m)) => {
                        publisher.on_subscribe_namespace(m).unwrap()
                    }
                    Output::Control(ControlMessage::Subscribe(m)) => publisher.on_subscribe(m).unwrap(),
                    Output::Control(ControlMessage::NamespaceInfo(m)) => {
                        subscriber.on_info(m).unwrap();
                        Default::default()
                    }
                    Output::Control(ControlMessage::SubscribeNamespaceResponse(m)) => {
                        assert_eq!(subscriber.on_response(m).unwrap().1, Ok(()));
                        Default::default()
                    }
                    Output::Control(_) => Default::default(),
                    Output::Object(object) => {
                        let track = subscriber.track_of(&object).unwrap().clone();
                        let at = Location { group_id: object.group, object_id: object.object };
                        got.push((track, at, object.payload));
                        Default::default()
                    }
                };
                self.queue.extend(messages.into_iter().map(|m| (name, RELAY, Output::Control(m))));
                self.queue.extend(objects.into_iter().map(|o| (name, RELAY, Output::Object(o))));
            }
        }
    }
}

fn describe(message: &ControlMessage) -> String {
    let text = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
    match message {
        ControlMessage::Announce(m) => format!("Announce({})", text(&m.namespace)),
        ControlMessage::SubscribeNamespace(m) => format!("Subscribe_Namespace({})", text(&m.namespace)),
        ControlMessage::NamespaceInfo(m) => {
            format!("Namespace_Info(namespace={}, name={})", text(&m.namespace), text(&m.name))
        }
        ControlMessage::AnnounceOk(_) => "answer: AnnounceOk".into(),
        ControlMessage::SubscribeNamespaceResponse(_) => "answer: Subscribe_Namespace_Response".into(),
        other => format!("{other:?}"),
    }
}

fn tracks() -> GroupTracks {
    GroupTracks::new(GroupName::try_from("mls-grp1").unwrap(), CommitTrackPolicy::Shared)
}

fn sender(name: &'static str) -> SenderId {
    SenderId::new(Bytes::from_static(name.as_bytes())).unwrap()
}

const FIRST: Location = Location { group_id: 0, object_id: 0 };

#[test]
fn the_figure_of_section_6_1() {
    let mut net = Net::new(&["Joiner1", "Joiner2", "Member"]);
    let namespace = tracks().key_package_namespace();
    for joiner in ["Joiner1", "Joiner2"] {
        let announce = net.end(joiner).2.announce(&namespace);
        net.send(joiner, [announce]);
    }
    let (_, request) = net.end("Member").1.subscribe_namespace(namespace);
    net.send("Member", [request]);
    let joiners = [
        ("Joiner1", "joiner1", &b"j1, payload=KeyPackage"[..]),
        ("Joiner2", "joiner2", b"j2, payload=KeyPackage"),
    ];
    for (joiner, name, _) in joiners {
        let infos = net.end(joiner).2.start(&tracks().key_package(&sender(name)));
        net.send(joiner, infos);
    }
    for (joiner, name, payload) in joiners {
        net.publish(joiner, &tracks().key_package(&sender(name)), FIRST, payload);
    }

    let (drawn, answers): (Vec<_>, Vec<_>) = net.flow.iter().cloned().partition(|l| !l.contains("answer"));
    assert_eq!(
        drawn,
        [
            "Joiner1 -> Relay: Announce(mls-grp1keypackages)",
            "Joiner2 -> Relay: Announce(mls-grp1keypackages)",
            "Member -> Relay: Subscribe_Namespace(mls-grp1keypackages)",
            "Relay -> Joiner1: Subscribe_Namespace(mls-grp1keypackages)",
            "Relay -> Joiner2: Subscribe_Namespace(mls-grp1keypackages)",
            "Joiner1 -> Relay: Namespace_Info(namespace=mls-grp1keypackages, name=joiner1)",
            "Relay -> Member: Namespace_Info(namespace=mls-grp1keypackages, name=joiner1)",
            "Joiner2 -> Relay: Namespace_Info(namespace=mls-grp1keypackages, name=joiner2)",
            "Relay -> Member: Namespace_Info(namespace=mls-grp1keypackages, name=joiner2)",
            "Joiner1 -> Relay: Object j1, payload=KeyPackage",
            "Relay -> Member: Object j1, payload=KeyPackage",
            "Joiner2 -> Relay: Object j2, payload=KeyPackage",
            "Relay -> Member: Object j2, payload=KeyPackage",
        ]
    );
    // What the figure leaves out: every request is answered, once.
    assert_eq!(
        answers,
        [
            "Relay -> Joiner1: answer: AnnounceOk",
            "Relay -> Joiner2: answer: AnnounceOk",
            "Relay -> Member: answer: Subscribe_Namespace_Response",
            "Joiner1 -> Relay: answer: Subscribe_Namespace_Response",
            "Joiner2 -> Relay: answer: Subscribe_Namespace_Response",
        ]
    );
    let got: Vec<_> = net.end("Member").3.iter().map(|(t, at, _)| (t.clone(), *at)).collect();
    assert_eq!(
        got,
        [
            (tracks().key_package(&sender("joiner1")), FIRST),
            (tracks().key_package(&sender("joiner2")), FIRST)
        ]
    );
}

#[test]
fn a_late_subscriber_receives_what_was_published_before() {
    let mut net = Net::new(&["a", "b"]);
    let namespace = tracks().key_package_namespace();
    let track = tracks().key_package(&sender("a"));
    // Published before anybody asked: the publisher keeps it.
    let announce = net.end("a").2.announce(&namespace);
    net.send("a", [announce]);
    net.publish("a", &track, FIRST, b"early");
    let (_, request) = net.end("b").1.subscribe_namespace(namespace);
    net.send("b", [request]);
    assert_eq!(net.end("b").3, [(track.clone(), FIRST, Bytes::from_static(b"early"))]);
    // The next object needs no second NAMESPACE_INFO.
    net.publish("a", &track, Location { group_id: 0, object_id: 1 }, b"next");
    let infos = net.flow.iter().filter(|l| l.contains("Relay -> b: Namespace_Info")).count();
    assert_eq!((infos, net.end("b").3.len()), (1, 2));
}

#[test]
fn an_explicit_subscription_brings_ones_own_objects_back() {
    let mut net = Net::new(&["a", "b"]);
    let namespace = tracks().commit_namespace();
    let track = tracks().commit(&sender("a"));
    for end in ["a", "b"] {
        let announce = net.end(end).2.announce(&namespace);
        let (_, subscribe) = net.end(end).1.subscribe(track.clone(), Filter::From { group: 0 });
        net.send(end, [announce, subscribe]);
    }
    net.publish("a", &track, FIRST, b"commit");
    for end in ["a", "b"] {
        assert_eq!(net.end(end).3, [(track.clone(), FIRST, Bytes::from_static(b"commit"))], "{end}");
    }
    // The first payload at a place stands.
    net.publish("b", &track, FIRST, b"rival");
    assert_eq!(net.end("a").3.len(), 1);
    assert_eq!(net.relay.conflicts(), 1);
}

#[test]
fn a_range_is_read_and_done() {
    let mut net = Net::new(&["a", "b"]);
    let track = tracks().commit(&sender("a"));
    let announce = net.end("a").2.announce(&tracks().commit_namespace());
    let (_, subscribe) = net.end("a").1.subscribe(track.clone(), Filter::From { group: 0 });
    net.send("a", [announce, subscribe]);
    for group in 0..4 {
        net.publish("a", &track, Location { group_id: group, object_id: 0 }, b"c");
    }
    let (id, subscribe) = net.end("b").1.subscribe(track, Filter::Range { first: 1, last: 2 });
    net.send("b", [subscribe]);
    let groups: Vec<u64> = net.end("b").3.iter().map(|(_, at, _)| at.group_id).collect();
    assert_eq!(groups, [1, 2]);
    let done = SubscribeDone {
        subscribe_id: id,
        status: 0,
        reason: Bytes::new(),
        last: Some(Location { group_id: 2, object_id: 0 }),
    };
    assert!(net.flow.iter().any(|l| l.contains(&format!("{:?}", ControlMessage::from(done.clone())))));
}

#[test]
fn unsubscribing_stops_objects_and_only_those() {
    let mut net = Net::new(&["a", "b"]);
    let namespace = tracks().key_package_namespace();
    let announce = net.end("a").2.announce(&namespace);
    net.send("a", [announce]);
    let (request, message) = net.end("b").1.subscribe_namespace(namespace);
    net.send("b", [message]);
    let (one, two) = (tracks().key_package(&sender("one")), tracks().key_package(&sender("two")));
    net.publish("a", &one, FIRST, b"1");
    net.publish("a", &two, FIRST, b"2");
    // The relay's first Subscribe ID for it is 1.
    let unsubscribe = net.end("b").1.unsubscribe(1).unwrap();
    assert_eq!(unsubscribe, Unsubscribe { subscribe_id: 1 }.into());
    net.send("b", [unsubscribe]);
    net.publish("a", &one, Location { group_id: 0, object_id: 1 }, b"1");
    net.publish("a", &two, Location { group_id: 0, object_id: 1 }, b"2");
    let payloads: Vec<_> = net.end("b").3.iter().map(|(_, _, p)| p.clone()).collect();
    assert_eq!(payloads, [&b"1"[..], b"2", b"2"]);
    let rest = net.end("b").1.unsubscribe_namespace(request);
    assert_eq!(rest, [Unsubscribe { subscribe_id: 3 }.into()]);
    assert_eq!(net.end("b").1.unsubscribe(3), None);
}

#[test]
fn a_publisher_refuses_what_it_did_not_announce() {
    let mut publisher = Publisher::new(1);
    let request = SubscribeNamespace { namespace: Bytes::from_static(b"x"), id: 0 };
    let (messages, objects) = publisher.on_subscribe_namespace(request).unwrap();
    assert!(objects.is_empty());
    let [ControlMessage::SubscribeNamespaceResponse(response)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(response.result.is_err());
    let mut subscriber = Subscriber::new();
    let (id, _) = subscriber.subscribe_namespace(TrackNamespace::new(vec!["x".into()]).unwrap());
    assert!(subscriber.on_response(response.clone()).unwrap().1.is_err());
    // A refused request is over.
    assert_eq!(
        subscriber.on_response(SubscribeNamespaceResponse { id, result: Ok(()) }),
        Err(NamespaceError::UnknownRequest)
    );
}

#[test]
fn what_a_peer_gets_wrong_is_an_error_and_changes_nothing() {
    let mut subscriber = Subscriber::new();
    let namespace = tracks().key_package_namespace();
    let (request_id, _) = subscriber.subscribe_namespace(namespace.clone());
    let good = NamespaceInfo {
        track_alias: 5,
        subscribe_id: 1,
        namespace: namespace.to_flat(),
        name: Bytes::from_static(b"n"),
        request_id,
    };
    let bad = |change: &dyn Fn(&mut NamespaceInfo)| {
        let mut info = good.clone();
        change(&mut info);
        subscriber.clone().on_info(info)
    };
    assert_eq!(bad(&|i| i.request_id = 7), Err(NamespaceError::UnknownRequest));
    assert_eq!(bad(&|i| i.namespace = Bytes::from_static(b"mls-grp1")), Err(NamespaceError::WrongNamespace));
    assert_eq!(bad(&|i| i.subscribe_id = 2), Err(NamespaceError::BadId));
    subscriber.on_info(good.clone()).unwrap();
    assert_eq!(subscriber.on_info(good.clone()).unwrap().name, good.name, "the same again is no fault");
    let other = NamespaceInfo { name: Bytes::from_static(b"m"), ..good.clone() };
    assert_eq!(subscriber.on_info(other), Err(NamespaceError::BadId));
    let object = |subscribe_id, track_alias| ObjectStream {
        subscribe_id,
        track_alias,
        group: 0,
        object: 0,
        send_order: 0,
        payload: Bytes::new(),
    };
    assert_eq!(subscriber.track_of(&object(9, 5)), Err(NamespaceError::UnknownSubscription));
    assert_eq!(subscriber.track_of(&object(1, 6)), Err(NamespaceError::WrongAlias));
    assert_eq!(subscriber.track_of(&object(1, 5)).unwrap().name, good.name);

    let mut relay = Relay::new(RelayConfig::default());
    relay.open("a");
    let info = ControlMessage::from(good);
    assert_eq!(relay.control(&"a", info), Err(NamespaceError::UnknownRequest));
    assert_eq!(relay.object(&"a", object(1, 5)), Err(NamespaceError::UnknownSubscription));
    let announce = Announce { namespace: Bytes::from_static(b"x") };
    assert_eq!(relay.control(&"nobody", announce.into()), Err(NamespaceError::UnknownSubscription));
}

#[test]
fn a_session_that_ends_takes_its_requests_along() {
    let mut net = Net::new(&["a", "b"]);
    let namespace = tracks().key_package_namespace();
    let (_, request) = net.end("b").1.subscribe_namespace(namespace.clone());
    net.send("b", [request]);
    net.relay.close(&"b");
    let announce = net.end("a").2.announce(&namespace);
    net.send("a", [announce]);
    assert!(
        !net.flow.iter().any(|l| l.contains("Relay -> a: Subscribe_Namespace")),
        "nobody wants it any more"
    );
}

/// Anything an endpoint can say, with small numbers and few names so that messages meet.
fn message() -> impl Strategy<Value = ControlMessage> {
    let name = || prop::sample::select(vec!["", "g", "gkeypackages", "x"]).prop_map(Bytes::from);
    let id = 0..6_u64;
    prop_oneof![
        name().prop_map(|namespace| Announce { namespace }.into()),
        (name(), id.clone()).prop_map(|(namespace, id)| SubscribeNamespace { namespace, id }.into()),
        (id.clone(), any::<bool>()).prop_map(|(id, ok)| {
            let result = if ok { Ok(()) } else { Err((std::num::NonZeroU64::MIN, Bytes::new())) };
            SubscribeNamespaceResponse { id, result }.into()
        }),
        (id.clone(), id.clone(), name(), name(), id.clone()).prop_map(
            |(track_alias, subscribe_id, namespace, name, request_id)| {
                NamespaceInfo { track_alias, subscribe_id, namespace, name, request_id }.into()
            }
        ),
        (id.clone(), id.clone(), name(), name(), any::<bool>()).prop_map(
            |(subscribe_id, track_alias, namespace, name, range)| {
                let filter =
                    if range { Filter::Range { first: 0, last: 3 } } else { Filter::From { group: 0 } };
                Subscribe { subscribe_id, track_alias, namespace, name, filter }.into()
            }
        ),
        id.clone().prop_map(|subscribe_id| Unsubscribe { subscribe_id }.into()),
        id.prop_map(
            |id| SubscribeDone { subscribe_id: id, status: 0, reason: Bytes::new(), last: None }.into()
        ),
    ]
}

fn object() -> impl Strategy<Value = ObjectStream> {
    (0..6_u64, 0..6_u64, 0..4_u64, 0..3_u64, any::<bool>()).prop_map(
        |(subscribe_id, track_alias, group, object, other)| {
            let payload = Bytes::from_static(if other { b"b" } else { b"a" });
            ObjectStream { subscribe_id, track_alias, group, object, send_order: 0, payload }
        },
    )
}

proptest! {
    /// Whatever its sessions say, the relay answers or refuses: objects reach only who asked for their
    /// track, once each, and never with two payloads at one place.
    #[test]
    fn a_relay_stands_anything_its_sessions_say(
        script in prop::collection::vec((0..3_usize, prop_oneof![message().prop_map(Ok), object().prop_map(Err)]), 0..80),
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let mut relay = Relay::new(RelayConfig::default());
        NAMES.iter().for_each(|n| relay.open(*n));
        let mut seen = std::collections::BTreeMap::new();
        for (who, input) in script {
            let out = match input {
                Ok(message) => relay.control(&NAMES[who], message),
                Err(object) => relay.object(&NAMES[who], object),
            };
            for (to, output) in out.unwrap_or_default() {
                if let Output::Object(o) = output {
                    let place = (to, o.subscribe_id, o.group, o.object);
                    let first = seen.entry(place).or_insert_with(|| o.payload.clone());
                    prop_assert_eq!(&*first, &o.payload);
                }
            }
        }
    }

    #[test]
    fn a_publisher_and_a_subscriber_stand_anything_a_relay_says(
        script in prop::collection::vec(prop_oneof![message().prop_map(Ok), object().prop_map(Err)], 0..80),
    ) {
        let mut subscriber = Subscriber::new();
        let mut publisher = Publisher::new(2);
        let tracks = tracks();
        publisher.announce(&tracks.key_package_namespace());
        subscriber.subscribe_namespace(tracks.key_package_namespace());
        for input in script {
            match input {
                Ok(ControlMessage::SubscribeNamespace(m)) => drop(publisher.on_subscribe_namespace(m)),
                Ok(ControlMessage::Subscribe(m)) => drop(publisher.on_subscribe(m)),
                Ok(ControlMessage::Unsubscribe(m)) => drop(publisher.on_unsubscribe(&m)),
                Ok(ControlMessage::NamespaceInfo(m)) => drop(subscriber.on_info(m)),
                Ok(ControlMessage::SubscribeNamespaceResponse(m)) => drop(subscriber.on_response(m)),
                Ok(ControlMessage::SubscribeDone(m)) => drop(subscriber.on_done(&m)),
                Ok(_) => {}
                Err(object) => drop(subscriber.track_of(&object)),
            }
            let track = tracks.key_package(&sender("me"));
            publisher.publish(&Object { track, location: FIRST, payload: Bytes::new() });
        }
    }
}

#[test]
fn an_object_far_ahead_does_not_push_later_ones_out_of_the_cache() {
    let mut config = RelayConfig::default();
    config.cache = 2;
    let mut relay = Relay::new(config);
    relay.open("a");
    relay.open("b");
    let namespace = Bytes::from_static(b"g");
    let name = Bytes::from_static(b"t");
    relay.control(&"a", Announce { namespace: namespace.clone() }.into()).unwrap();
    let subscribe = |subscribe_id, filter| Subscribe {
        subscribe_id,
        track_alias: subscribe_id,
        namespace: namespace.clone(),
        name: name.clone(),
        filter,
    };
    relay.control(&"b", subscribe(0, Filter::From { group: 0 }).into()).unwrap();
    for group in [1 << 60, 1, 2] {
        let object = ObjectStream {
            subscribe_id: 0,
            track_alias: 0,
            group,
            object: 0,
            send_order: 0,
            payload: Bytes::new(),
        };
        relay.object(&"a", object).unwrap();
    }
    let out =
        relay.control(&"b", subscribe(2, Filter::Range { first: 0, last: u64::MAX >> 2 }).into()).unwrap();
    let groups: Vec<u64> = out
        .iter()
        .filter_map(|(_, o)| if let Output::Object(o) = o { Some(o.group) } else { None })
        .collect();
    assert_eq!(groups, [1, 2]);
}
