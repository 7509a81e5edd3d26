//! Subscriber, publisher and relay.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;

use crate::codec::{ControlMessage, Encode, Filter, ObjectStream};
use crate::namespace::{Output, Publisher, Relay, RelayConfig, Subscriber};
use crate::tracks::{FullTrackName, Location, Object, TrackNamespace};

fn track(n: u8) -> FullTrackName {
    let fields = vec![Bytes::from_static(b"g"), Bytes::from(vec![b'a' + (n & 1)])];
    let namespace = TrackNamespace::new(fields).expect("a namespace");
    FullTrackName { namespace, name: Bytes::from(vec![b'0' + (n >> 1 & 3)]) }
}

/// Three sessions at one relay, which also send it anything.
///
/// - nothing panics, and a message that does not fit is an error and changes nothing that others see;
/// - everything that comes out can be written;
/// - what a subscriber that follows the rules gets is of a track that it asked for, and has a payload that
///   was published there.
pub(super) fn namespace(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut relay: Relay<u8> = Relay::new(RelayConfig::default());
    let mut sides: BTreeMap<u8, (Subscriber, Publisher)> = BTreeMap::new();
    for who in 0..3 {
        relay.open(who);
        sides.insert(who, (Subscriber::new(), Publisher::new(4)));
    }
    let mut published: BTreeMap<(FullTrackName, Location), Vec<Bytes>> = BTreeMap::new();
    // Session 2 sends anything; what the others follow may then hold anything too, but never a foreign track.
    let mut wild = false;
    for _ in 0..64 {
        let Ok([what, n, at]) = u.arbitrary::<[u8; 3]>() else { return };
        let who = what >> 6 & 1;
        let (subscriber, publisher) = sides.get_mut(&who).expect("a side");
        let (mut control, mut streams, mut from): (Vec<ControlMessage>, Vec<ObjectStream>, u8) =
            (Vec::new(), Vec::new(), who);
        match what % 8 {
            0 => control.push(subscriber.subscribe_namespace(track(n).namespace).1),
            1 => control.push(subscriber.subscribe(track(n), Filter::From { group: 0 }).1),
            2 => control.push(subscriber.subscribe(track(n), Filter::Range { first: 0, last: 2 }).1),
            3 => control.extend(subscriber.unsubscribe(u64::from(n))),
            4 => control.push(publisher.announce(&track(n).namespace)),
            5 | 6 => {
                let location = Location { group_id: u64::from(at & 3), object_id: u64::from(at >> 2 & 1) };
                let object = Object { track: track(n), location, payload: Bytes::from(vec![n, at, who]) };
                published.entry((object.track.clone(), location)).or_default().push(object.payload.clone());
                (control, streams) = publisher.publish(&object);
            }
            _ => {
                from = 2;
                wild = true;
                match ControlMessage::arbitrary(&mut u) {
                    Ok(message) => control.push(message),
                    Err(_) => return,
                }
                streams.extend(ObjectStream::arbitrary(&mut u).ok());
            }
        }
        carry(&mut relay, &mut sides, from, control, streams, &published, wild);
    }
}

fn carry(
    relay: &mut Relay<u8>,
    sides: &mut BTreeMap<u8, (Subscriber, Publisher)>,
    from: u8,
    control: Vec<ControlMessage>,
    streams: Vec<ObjectStream>,
    published: &BTreeMap<(FullTrackName, Location), Vec<Bytes>>,
    wild: bool,
) {
    let mut queue = Vec::new();
    for message in control {
        queue.extend(relay.control(&from, message).unwrap_or_default());
    }
    for stream in streams {
        queue.extend(relay.object(&from, stream).unwrap_or_default());
    }
    let mut budget = 10_000;
    while let Some((to, output)) = queue.pop() {
        budget -= 1;
        assert!(budget > 0, "a storm");
        let (subscriber, publisher) = sides.get_mut(&to).expect("a side");
        match output {
            Output::Control(message) => {
                message.to_bytes().expect("what comes out can be written");
                if to == 2 {
                    continue;
                }
                let answer = match message {
                    ControlMessage::SubscribeNamespace(m) => publisher.on_subscribe_namespace(m),
                    ControlMessage::Subscribe(m) => publisher.on_subscribe(m),
                    ControlMessage::Unsubscribe(m) => {
                        publisher.on_unsubscribe(&m).map(|()| Default::default())
                    }
                    ControlMessage::NamespaceInfo(m) => subscriber.on_info(m).map(|_| Default::default()),
                    ControlMessage::SubscribeNamespaceResponse(m) => {
                        subscriber.on_response(m).map(|_| Default::default())
                    }
                    ControlMessage::SubscribeDone(m) => subscriber.on_done(&m).map(|_| Default::default()),
                    _ => Ok(Default::default()),
                };
                let (control, streams) = answer.unwrap_or_default();
                for message in control {
                    queue.extend(relay.control(&to, message).unwrap_or_default());
                }
                for stream in streams {
                    queue.extend(relay.object(&to, stream).unwrap_or_default());
                }
            }
            Output::Object(stream) => {
                stream.to_bytes().expect("what comes out can be written");
                if let (true, Ok(track)) = (to < 2, subscriber.track_of(&stream)) {
                    let at = Location { group_id: stream.group, object_id: stream.object };
                    let known = published.get(&(track.clone(), at));
                    assert!(wild || known.is_some_and(|all| all.contains(&stream.payload)), "{track} {at:?}");
                }
            }
        }
    }
}
