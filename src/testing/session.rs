//! A driver of one participant: its actions as wire bytes, wire bytes as its events.
//!
//! It has the shape that every driver has. Actions are done strictly in order; `Persist` is done before
//! whatever comes after it; every action with an id is answered by exactly one event. What a driver
//! of a real stack does with sockets, this one does with [`Outgoing`] and [`Incoming`] values.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::action::{Action, FetchId, IncrementRequestId, LockRequestId, Notice};
use crate::codec::{ControlDecoder, ControlMessage, Decode, Encode, Filter, ObjectStream};
use crate::counter::http::{
    Decoded, HttpLimits, HttpRequest, HttpResponse, decode_increment_reply, decode_lock_reply,
    encode_increment, encode_lock,
};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Failure, Object};
use crate::namespace::{Publisher, Subscriber};
use crate::participant::Participant;
use crate::recording::Recorder;
use crate::snapshot::Snapshot;
use crate::testing::flaws::Subject;
use crate::time::Timestamp;
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

impl Incoming {
    /// The bytes of it; none where an answer is missing.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Control(bytes) | Self::Object(bytes) | Self::Http(_, Ok(bytes)) => bytes,
            Self::Http(_, Err(_)) => &[],
        }
    }
}

/// Names an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpId {
    /// A lock request.
    Lock(LockRequestId),
    /// An increment request.
    Increment(IncrementRequestId),
}

/// Something the session did that a log may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// An object was handed to the relay.
    Published(Object),
    /// The counter service was asked.
    Asked(HttpId, String),
    /// News for the embedder.
    Told(Notice),
}

/// What came of one action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What goes out, in order.
    pub out: Vec<Outgoing>,
    /// What it was.
    pub done: Option<Done>,
}

/// One participant and its connection to a relay and a counter service.
pub struct Session<E: Engine> {
    participant: Subject<E>,
    durable: Option<Snapshot>,
    wire: Wire,
    recorder: Option<Recorder>,
}

/// The connection's state, which a restart loses.
struct Wire {
    subscriber: Subscriber,
    publisher: Publisher,
    control: ControlDecoder,
    /// Namespace and track subscriptions by the participant's id.
    subscriptions: BTreeMap<crate::action::SubscribeId, Subscription>,
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

impl Wire {
    fn new() -> Self {
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

impl<E: Engine> Session<E> {
    /// A session for a participant that has just been made.
    pub fn new(participant: impl Into<Subject<E>>) -> Self {
        Self { participant: participant.into(), durable: None, wire: Wire::new(), recorder: None }
    }

    /// A session for a participant restored from `durable`.
    pub fn restored(participant: impl Into<Subject<E>>, durable: Snapshot) -> Self {
        Self { participant: participant.into(), durable: Some(durable), wire: Wire::new(), recorder: None }
    }

    /// The participant.
    pub fn participant(&self) -> &Participant<E> {
        self.participant.participant()
    }

    /// The last snapshot that was made durable.
    pub fn durable(&self) -> Option<&Snapshot> {
        self.durable.as_ref()
    }

    /// Messages and objects from the relay that fitted nothing.
    pub fn strays(&self) -> u64 {
        self.wire.strays
    }

    /// Passes an event on to the participant.
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn handle(&mut self, now: Timestamp, event: impl Into<Event>) -> Result<(), Error> {
        match &mut self.recorder {
            Some(recorder) => recorder.handle(self.participant.participant_mut(), now, event),
            None => self.participant.handle(now, event),
        }
    }

    /// Writes down all from now on. What is written down is a participant's life: no flaw is at work in it.
    pub fn record(&mut self, now: Timestamp, mut recorder: Recorder) {
        recorder.started(self.participant.participant(), now, self.durable.is_some());
        self.recorder = Some(recorder);
    }

    /// The recorder, to take its lines or to go on with in the next session.
    pub fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_mut()
    }

    /// Does the next action of the participant: what goes out, and what it was. `None` if none waits.
    ///
    /// # Errors
    /// Those of [`Participant::handle`], which is told at once how a local step ended.
    pub fn do_next(&mut self, now: Timestamp) -> Result<Option<Step>, Error> {
        let action = match &mut self.recorder {
            Some(recorder) => recorder.poll_action(self.participant.participant_mut()),
            None => self.participant.poll_action(),
        };
        let Some(action) = action else { return Ok(None) };
        let mut out = Vec::new();
        let mut done = None;
        match action {
            // The barrier: in memory it holds as soon as it is written.
            Action::Persist(snapshot) => self.durable = Some(snapshot),
            Action::Announce { namespace } => {
                let message = self.wire.publisher.announce(&namespace);
                control(&mut out, [message]);
            }
            Action::SubscribeNamespace { id, namespace } => {
                let (request, message) = self.wire.subscriber.subscribe_namespace(namespace);
                self.wire.subscriptions.insert(id, Subscription::Namespace(request));
                control(&mut out, [message]);
                self.handle(now, Event::SubscribeReply { id, reply: Ok(()) })?;
            }
            Action::Subscribe { id, track } => {
                let (request, message) = self.wire.subscriber.subscribe(track, Filter::From { group: 0 });
                self.wire.subscriptions.insert(id, Subscription::Track(request));
                control(&mut out, [message]);
                self.handle(now, Event::SubscribeReply { id, reply: Ok(()) })?;
            }
            Action::Unsubscribe { id } => match self.wire.subscriptions.remove(&id) {
                Some(Subscription::Track(request)) => {
                    control(&mut out, self.wire.subscriber.unsubscribe(request));
                }
                Some(Subscription::Namespace(request)) => {
                    control(&mut out, self.wire.subscriber.unsubscribe_namespace(request));
                }
                None => {}
            },
            Action::Fetch { id, track, groups } => {
                // Under a track per sender, every commit track that is known is meant.
                let mut tracks: BTreeSet<FullTrackName> =
                    self.wire.known.iter().filter(|t| t.namespace == track.namespace).cloned().collect();
                tracks.insert(track);
                let mut fetch = Fetch::default();
                let filter = Filter::Range { first: *groups.start(), last: *groups.end() };
                for track in tracks {
                    let (request, message) = self.wire.subscriber.subscribe(track, filter);
                    fetch.open.insert(request);
                    control(&mut out, [message]);
                }
                self.wire.fetches.insert(id, fetch);
            }
            Action::Publish { id, object } => {
                let (messages, objects) = self.wire.publisher.publish(&object);
                control(&mut out, messages);
                streams(&mut out, objects);
                done = Some(Done::Published(object));
                self.handle(now, Event::PublishReply { id, reply: Ok(()) })?;
            }
            Action::Lock { id, request } => {
                let text = format!("lock {}", request.val);
                let http = encode_lock(&request, None).and_then(|r| r.to_bytes("counter"));
                match http {
                    Ok(bytes) => out.push(Outgoing::Http(HttpId::Lock(id), bytes)),
                    Err(_) => self.handle(now, Event::LockReply { id, reply: Err(Failure::NotSent) })?,
                }
                done = Some(Done::Asked(HttpId::Lock(id), text));
            }
            Action::Increment { id, request } => {
                let text = match request.val {
                    Some(val) => format!("increment {val}"),
                    None => "increment".to_owned(),
                };
                let http = encode_increment(&request, None).and_then(|r| r.to_bytes("counter"));
                match http {
                    Ok(bytes) => out.push(Outgoing::Http(HttpId::Increment(id), bytes)),
                    Err(_) => {
                        self.handle(now, Event::IncrementReply { id, reply: Err(Failure::NotSent) })?;
                    }
                }
                done = Some(Done::Asked(HttpId::Increment(id), text));
            }
            Action::Notify(notice) => done = Some(Done::Told(notice)),
        }
        Ok(Some(Step { out, done }))
    }

    /// Takes in what the network brought, and answers the relay where it must be answered.
    ///
    /// # Errors
    /// Those of [`Participant::handle`]. What the peer got wrong is counted in [`strays`](Self::strays).
    pub fn receive(&mut self, now: Timestamp, incoming: Incoming) -> Result<Vec<Outgoing>, Error> {
        let mut out = Vec::new();
        match incoming {
            Incoming::Control(bytes) => {
                self.wire.control.push(&bytes);
                loop {
                    match self.wire.control.next_message() {
                        Ok(Some(message)) => self.on_control(now, message, &mut out)?,
                        Ok(None) => break,
                        Err(_) => {
                            self.wire.strays = self.wire.strays.saturating_add(1);
                            break;
                        }
                    }
                }
            }
            Incoming::Object(mut bytes) => {
                let stream = ObjectStream::decode(&mut bytes).ok();
                match stream.and_then(|s| self.wire.subscriber.track_of(&s).ok().cloned().map(|t| (s, t))) {
                    Some((stream, track)) => self.on_object(now, stream, track)?,
                    None => self.wire.strays = self.wire.strays.saturating_add(1),
                }
            }
            Incoming::Http(id, reply) => self.on_http(now, id, reply)?,
        }
        Ok(out)
    }

    fn on_object(&mut self, now: Timestamp, stream: ObjectStream, track: FullTrackName) -> Result<(), Error> {
        let location = Location { group: stream.group, object: stream.object };
        let object = Object { track, location, payload: stream.payload };
        match self.wire.fetches.values_mut().find(|f| f.open.contains(&stream.subscribe_id)) {
            Some(fetch) => {
                fetch.objects.push(object);
                Ok(())
            }
            None => self.handle(now, Event::Object(object)),
        }
    }

    fn on_control(
        &mut self,
        now: Timestamp,
        message: ControlMessage,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Error> {
        let wire = &mut self.wire;
        let answer = match message {
            ControlMessage::SubscribeNamespace(request) => wire.publisher.on_subscribe_namespace(request),
            ControlMessage::Subscribe(subscribe) => wire.publisher.on_subscribe(subscribe),
            ControlMessage::Unsubscribe(unsubscribe) => {
                wire.publisher.on_unsubscribe(&unsubscribe).map(|()| Default::default())
            }
            ControlMessage::NamespaceInfo(info) => wire.subscriber.on_info(info).map(|track| {
                wire.known.insert(track);
                Default::default()
            }),
            ControlMessage::SubscribeNamespaceResponse(response) => {
                wire.subscriber.on_response(response).map(|_| Default::default())
            }
            ControlMessage::SubscribeDone(done) => {
                let ended = wire.subscriber.on_done(&done).map(|_| Default::default());
                self.end_fetch(now, done.subscribe_id)?;
                ended
            }
            ControlMessage::AnnounceOk(_) | ControlMessage::SubscribeOk(_) => Ok(Default::default()),
            ControlMessage::Announce(_) => Err(crate::namespace::NamespaceError::Unexpected),
        };
        match answer {
            Ok((messages, objects)) => {
                control(out, messages);
                streams(out, objects);
            }
            Err(_) => self.wire.strays = self.wire.strays.saturating_add(1),
        }
        Ok(())
    }

    fn end_fetch(&mut self, now: Timestamp, request: u64) -> Result<(), Error> {
        let ended = self.wire.fetches.iter_mut().find_map(|(id, fetch)| {
            let last = fetch.open.remove(&request) && fetch.open.is_empty();
            last.then_some(*id)
        });
        let Some(id) = ended else { return Ok(()) };
        let objects = self.wire.fetches.remove(&id).unwrap_or_default().objects;
        self.handle(now, Event::FetchReply { id, reply: Ok(objects) })
    }

    fn on_http(&mut self, now: Timestamp, id: HttpId, reply: Result<Bytes, Failure>) -> Result<(), Error> {
        let response =
            reply.and_then(|bytes| match HttpResponse::decode(&bytes, true, &HttpLimits::default()) {
                Ok(Decoded::Complete { message, .. }) => Ok(message),
                // It was sent, and what came back says nothing.
                Ok(Decoded::Incomplete) | Err(_) => Err(Failure::Unknown),
            });
        match id {
            HttpId::Lock(id) => {
                let reply = response.and_then(|r| decode_lock_reply(&r).map_err(|_| Failure::Unknown));
                self.handle(now, Event::LockReply { id, reply })
            }
            HttpId::Increment(id) => {
                let reply = response.and_then(|r| decode_increment_reply(&r).map_err(|_| Failure::Unknown));
                self.handle(now, Event::IncrementReply { id, reply })
            }
        }
    }
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
