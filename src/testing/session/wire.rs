//! The port that speaks bytes: control messages and objects to a relay, HTTP to a counter service.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::port::Port;
use crate::action::{
    Action, CommitRequestId, FetchId, FetchTarget, IncrementRequestId, LockRequestId, SubscribeId,
};
use crate::codec::{ControlDecoder, ControlMessage, Decode, Encode, Filter, ObjectStream};
use crate::counter::http::{
    Decoded, HttpLimits, HttpRequest, HttpResponse, decode_commit_reply, decode_date, decode_increment_reply,
    decode_lock_reply, decode_retry_after, encode_commit, encode_increment, encode_lock,
};
use crate::event::{Event, Failure, Object};
use crate::namespace::{NamespaceError, Publisher, Subscriber};
use crate::tracks::{FullTrackName, Location};

/// Objects of each own track that are kept for those who subscribe later.
const KEPT: usize = 64;

/// What the session puts on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Bytes of the control stream to the relay.
    Control(Bytes),
    /// A stream with one object, to the relay.
    Object(Bytes),
    /// An HTTP request to the counter service.
    Http(HttpId, Bytes),
}

/// What the network brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Bytes of the control stream from the relay.
    Control(Bytes),
    /// A stream with one object, from the relay.
    Object(Bytes),
    /// The counter service's answer, or none.
    Http(HttpId, Result<Bytes, Failure>),
}

/// Names an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpId {
    /// A lock request.
    Lock(LockRequestId),
    /// An increment request.
    Increment(IncrementRequestId),
    /// A commit request.
    Commit(CommitRequestId),
}

/// The port of a connection to a relay and a counter service, as bytes.
pub struct Wire {
    subscriber: Subscriber,
    publisher: Publisher,
    control: ControlDecoder,
    /// Namespace and track subscriptions by the participant's id.
    subscriptions: BTreeMap<SubscribeId, Subscription>,
    known: BTreeSet<FullTrackName>,
    fetches: BTreeMap<FetchId, Fetch>,
    /// Objects that the relay sent and that do not fit what was asked for.
    strays: u64,
}

#[derive(Clone, Copy)]
enum Subscription {
    Namespace(u64),
    Track(u64),
}

#[derive(Default)]
struct Fetch {
    open: BTreeSet<u64>,
    objects: Vec<Object>,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            subscriber: Subscriber::new(),
            publisher: Publisher::new(KEPT),
            control: ControlDecoder::new(),
            subscriptions: BTreeMap::new(),
            known: BTreeSet::new(),
            fetches: BTreeMap::new(),
            strays: 0,
        }
    }
}

impl Port for Wire {
    type Out = Outgoing;
    type In = Incoming;

    fn act(&mut self, action: Action, out: &mut Vec<Outgoing>) -> Option<Event> {
        match action {
            Action::Persist(_) | Action::Notify(_) => None,
            Action::Announce { namespace } => {
                control(out, [self.publisher.announce(&namespace)]);
                None
            }
            Action::SubscribeNamespace { id, namespace } => {
                let (request, message) = self.subscriber.subscribe_namespace(namespace);
                self.subscriptions.insert(id, Subscription::Namespace(request));
                control(out, [message]);
                Some(Event::SubscribeReply { id, reply: Ok(()) })
            }
            Action::Subscribe { id, track } => {
                // The own ones, too, of which a namespace subscription says nothing.
                self.known.insert(track.clone());
                let (request, message) = self.subscriber.subscribe(track, Filter::From { group: 0 });
                self.subscriptions.insert(id, Subscription::Track(request));
                control(out, [message]);
                Some(Event::SubscribeReply { id, reply: Ok(()) })
            }
            Action::Unsubscribe { id } => {
                match self.subscriptions.remove(&id) {
                    Some(Subscription::Track(request)) => control(out, self.subscriber.unsubscribe(request)),
                    Some(Subscription::Namespace(request)) => {
                        control(out, self.subscriber.unsubscribe_namespace(request));
                    }
                    None => {}
                }
                None
            }
            Action::Fetch { id, target, groups } => {
                // Of a namespace, the tracks that are known.
                let known = self.known.iter().filter(|track| target.covers(track)).cloned();
                let mut tracks: BTreeSet<FullTrackName> = known.collect();
                if let FetchTarget::Track(track) = target {
                    tracks.insert(track);
                }
                if tracks.is_empty() {
                    return Some(Event::FetchReply { id, reply: Ok(Vec::new()) });
                }
                let mut fetch = Fetch::default();
                let filter = Filter::Range { first: *groups.start(), last: *groups.end() };
                for track in tracks {
                    let (request, message) = self.subscriber.subscribe(track, filter);
                    fetch.open.insert(request);
                    control(out, [message]);
                }
                self.fetches.insert(id, fetch);
                None
            }
            Action::Publish { id, object } => {
                let (messages, objects) = self.publisher.publish(&object);
                control(out, messages);
                streams(out, objects);
                Some(Event::PublishReply { id, reply: Ok(()) })
            }
            Action::Lock { id, request } => {
                match encode_lock(&request, None).and_then(|r| r.to_bytes("counter")) {
                    Ok(bytes) => out.push(Outgoing::Http(HttpId::Lock(id), bytes)),
                    Err(_) => return Some(Event::LockReply { id, reply: Err(Failure::NotSent) }),
                }
                None
            }
            Action::GetCommit { id, request } => {
                match encode_commit(&request, None).and_then(|r| r.to_bytes("counter")) {
                    Ok(bytes) => out.push(Outgoing::Http(HttpId::Commit(id), bytes)),
                    Err(_) => return Some(Event::CommitReply { id, reply: Err(Failure::NotSent) }),
                }
                None
            }
            Action::Increment { id, request } => {
                match encode_increment(&request, None).and_then(|r| r.to_bytes("counter")) {
                    Ok(bytes) => out.push(Outgoing::Http(HttpId::Increment(id), bytes)),
                    Err(_) => return Some(Event::IncrementReply { id, reply: Err(Failure::NotSent) }),
                }
                None
            }
        }
    }

    /// What the peer got wrong is counted in [`strays`](Wire::strays).
    fn receive(&mut self, incoming: Incoming, out: &mut Vec<Outgoing>) -> Vec<Event> {
        let mut events = Vec::new();
        match incoming {
            Incoming::Control(bytes) => {
                self.control.push(&bytes);
                loop {
                    match self.control.next_message() {
                        Ok(Some(message)) => events.extend(self.on_control(message, out)),
                        Ok(None) => break,
                        Err(_) => {
                            self.stray();
                            break;
                        }
                    }
                }
            }
            Incoming::Object(mut bytes) => {
                let stream = ObjectStream::decode(&mut bytes).ok();
                match stream.and_then(|s| self.subscriber.track_of(&s).ok().cloned().map(|t| (s, t))) {
                    Some((stream, track)) => events.extend(self.on_object(stream, track)),
                    None => self.stray(),
                }
            }
            Incoming::Http(id, reply) => events.extend(answer(id, reply)),
        }
        events
    }

    fn bytes(incoming: &Incoming) -> &[u8] {
        match incoming {
            Incoming::Control(bytes) | Incoming::Object(bytes) | Incoming::Http(_, Ok(bytes)) => bytes,
            Incoming::Http(_, Err(_)) => &[],
        }
    }
}

impl Wire {
    /// Messages and objects from the relay that fitted nothing.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    fn stray(&mut self) {
        self.strays = self.strays.saturating_add(1);
    }

    fn on_object(&mut self, stream: ObjectStream, track: FullTrackName) -> Option<Event> {
        let location = Location { group_id: stream.group, object_id: stream.object };
        let object = Object { track, location, payload: stream.payload };
        match self.fetches.values_mut().find(|f| f.open.contains(&stream.subscribe_id)) {
            Some(fetch) => {
                fetch.objects.push(object);
                None
            }
            None => Some(Event::Object(object)),
        }
    }

    fn on_control(&mut self, message: ControlMessage, out: &mut Vec<Outgoing>) -> Option<Event> {
        let mut event = None;
        let answer = match message {
            ControlMessage::SubscribeNamespace(request) => self.publisher.on_subscribe_namespace(request),
            ControlMessage::Subscribe(subscribe) => self.publisher.on_subscribe(subscribe),
            ControlMessage::Unsubscribe(unsubscribe) => {
                self.publisher.on_unsubscribe(&unsubscribe).map(|()| Default::default())
            }
            ControlMessage::NamespaceInfo(info) => self.subscriber.on_info(info).map(|track| {
                self.known.insert(track);
                Default::default()
            }),
            ControlMessage::SubscribeNamespaceResponse(response) => {
                self.subscriber.on_response(response).map(|_| Default::default())
            }
            ControlMessage::SubscribeDone(done) => {
                let ended = self.subscriber.on_done(&done).map(|_| Default::default());
                event = self.end_fetch(done.subscribe_id);
                ended
            }
            ControlMessage::AnnounceOk(_) | ControlMessage::SubscribeOk(_) => Ok(Default::default()),
            ControlMessage::Announce(_) => Err(NamespaceError::Unexpected),
        };
        match answer {
            Ok((messages, objects)) => {
                control(out, messages);
                streams(out, objects);
            }
            Err(_) => self.stray(),
        }
        event
    }

    fn end_fetch(&mut self, request: u64) -> Option<Event> {
        let ended = self.fetches.iter_mut().find_map(|(id, fetch)| {
            let last = fetch.open.remove(&request) && fetch.open.is_empty();
            last.then_some(*id)
        });
        let id = ended?;
        let objects = self.fetches.remove(&id).unwrap_or_default().objects;
        Some(Event::FetchReply { id, reply: Ok(objects) })
    }
}

/// The events of an answer of the counter service, or of none: what its headers say comes first.
fn answer(id: HttpId, reply: Result<Bytes, Failure>) -> Vec<Event> {
    let response = reply.and_then(|bytes| match HttpResponse::decode(&bytes, true, &HttpLimits::default()) {
        Ok(Decoded::Complete { message, .. }) => Ok(message),
        // It was sent, and what came back says nothing.
        Ok(Decoded::Incomplete) | Err(_) => Err(Failure::Unknown),
    });
    let mut events = Vec::new();
    if let Ok(response) = &response {
        events.extend(decode_date(response).map(Event::ServiceTime));
        events.extend(decode_retry_after(response).map(Event::RetryAfter));
    }
    events.push(match id {
        HttpId::Lock(id) => {
            let reply = response.and_then(|r| decode_lock_reply(&r).map_err(|_| Failure::Unknown));
            Event::LockReply { id, reply }
        }
        HttpId::Commit(id) => {
            let reply = response.and_then(|r| decode_commit_reply(&r).map_err(|_| Failure::Unknown));
            Event::CommitReply { id, reply }
        }
        HttpId::Increment(id) => {
            let reply = response.and_then(|r| decode_increment_reply(&r).map_err(|_| Failure::Unknown));
            Event::IncrementReply { id, reply }
        }
    });
    events
}

fn control(out: &mut Vec<Outgoing>, messages: impl IntoIterator<Item = ControlMessage>) {
    // Every name that goes in was made within the limits, so nothing fails to encode.
    out.extend(messages.into_iter().filter_map(|m| m.to_bytes().ok()).map(Outgoing::Control));
}

fn streams(out: &mut Vec<Outgoing>, objects: impl IntoIterator<Item = ObjectStream>) {
    out.extend(objects.into_iter().filter_map(|o| o.to_bytes().ok()).map(Outgoing::Object));
}

/// An HTTP request as the service reads it off the wire; `None` if it is not one.
pub fn read_request(bytes: &Bytes) -> Option<HttpRequest> {
    match HttpRequest::decode(bytes, &HttpLimits::default()) {
        Ok(Decoded::Complete { message, .. }) => Some(message),
        Ok(Decoded::Incomplete) | Err(_) => None,
    }
}
