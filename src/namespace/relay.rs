//! What a relay does between publishers and subscribers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::codec::{
    AnnounceOk, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone,
    SubscribeNamespace, SubscribeNamespaceResponse, SubscribeOk,
};
use crate::namespace::kept::Kept;
use crate::namespace::rules::{MAX_SUBSCRIPTIONS, NamespaceError};
use crate::tracks::Location;

/// Flat namespace and track name.
type Name = (Bytes, Bytes);

/// What goes out on a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// On its control stream.
    Control(ControlMessage),
    /// On a stream of its own.
    Object(ObjectStream),
}

/// A relay's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RelayConfig {
    /// Objects kept for each track, the newest.
    pub cache: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { cache: 256 }
    }
}

/// A relay between sessions that `S` names.
///
/// Several sessions may announce one namespace, and several may publish on one track. The first payload
/// at a location stands: the same again is dropped, and so is another one, which is counted. An object
/// goes back to the session it came from only if that session asked for its track by SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Relay<S> {
    config: RelayConfig,
    sessions: BTreeMap<S, Session>,
    cache: BTreeMap<Name, Kept>,
    conflicts: u64,
}

#[derive(Clone, Debug, Default)]
struct Session {
    announced: BTreeSet<Bytes>,
    /// Upstream: namespace requests and subscriptions of the relay's, and the tracks they stand for.
    asked: BTreeMap<u64, Bytes>,
    upstream: BTreeMap<u64, (u64, Name)>,
    next_request: u64,
    next_subscribe: u64,
    /// Downstream: what the session asked of the relay.
    requests: BTreeMap<u64, Bytes>,
    downstream: BTreeMap<u64, Down>,
    next_info: u64,
}

#[derive(Clone, Debug)]
struct Down {
    name: Name,
    alias: u64,
    from: u64,
    request: Option<u64>,
}

impl<S: Ord + Clone> Relay<S> {
    /// A relay without sessions.
    pub fn new(config: RelayConfig) -> Self {
        Self { config, sessions: BTreeMap::new(), cache: BTreeMap::new(), conflicts: 0 }
    }

    /// A session opens.
    pub fn open(&mut self, session: S) {
        self.sessions.insert(session, Session { next_info: 1, ..Session::default() });
    }

    /// A session is gone, with all it announced and asked for. What it published stays in the cache.
    pub fn close(&mut self, session: &S) {
        self.sessions.remove(session);
    }

    /// Objects that came for a location that already holds another payload.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Forgets every object, as a restart does.
    pub fn evict(&mut self) {
        self.cache.clear();
    }

    /// A control message from a session.
    ///
    /// # Errors
    /// [`NamespaceError`]; nothing changed, and the embedder may close the session.
    pub fn control(&mut self, from: &S, message: ControlMessage) -> Result<Vec<(S, Output)>, NamespaceError> {
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        let mut out = Vec::new();
        match message {
            ControlMessage::Announce(announce) => {
                let namespace = announce.namespace;
                if session.announced.len() >= MAX_SUBSCRIPTIONS {
                    return Err(NamespaceError::TooMany);
                }
                session.announced.insert(namespace.clone());
                out.push((from.clone(), AnnounceOk { namespace: namespace.clone() }.into()));
                self.pull(from, &namespace, &mut out);
            }
            ControlMessage::SubscribeNamespace(request) => {
                self.on_subscribe_namespace(from, request, &mut out)?
            }
            ControlMessage::NamespaceInfo(info) => self.on_info(from, info, &mut out)?,
            ControlMessage::Subscribe(subscribe) => self.on_subscribe(from, subscribe, &mut out)?,
            ControlMessage::Unsubscribe(unsubscribe) => {
                let down = session.downstream.get_mut(&unsubscribe.subscribe_id);
                let down = down.ok_or(NamespaceError::UnknownSubscription)?;
                if down.request.is_some() {
                    // Told once, and not again.
                    down.from = u64::MAX;
                } else {
                    session.downstream.remove(&unsubscribe.subscribe_id);
                }
            }
            ControlMessage::SubscribeNamespaceResponse(response) => {
                if !session.asked.contains_key(&response.id) {
                    return Err(NamespaceError::UnknownRequest);
                }
                if response.result.is_err() {
                    session.asked.remove(&response.id);
                }
            }
            ControlMessage::SubscribeOk(ok) if session.upstream.contains_key(&ok.subscribe_id) => {}
            ControlMessage::SubscribeDone(done) => {
                let ended = session.upstream.remove(&done.subscribe_id);
                ended.ok_or(NamespaceError::UnknownSubscription)?;
            }
            ControlMessage::SubscribeOk(_) => return Err(NamespaceError::UnknownSubscription),
            ControlMessage::AnnounceOk(_) => return Err(NamespaceError::Unexpected),
        }
        Ok(out)
    }

    /// A session announced `namespace`: ask it for what others want of it.
    fn pull(&mut self, announcer: &S, namespace: &Bytes, out: &mut Vec<(S, Output)>) {
        let others = self.sessions.iter().filter(|(s, _)| *s != announcer);
        let wanted = others.flat_map(|(_, s)| s.requests.values()).any(|n| n == namespace);
        let tracks: BTreeSet<Name> = self
            .sessions
            .values()
            .flat_map(|s| s.downstream.values())
            .filter(|d| d.request.is_none() && d.name.0 == *namespace)
            .map(|d| d.name.clone())
            .collect();
        if let Some(session) = self.sessions.get_mut(announcer) {
            if wanted {
                out.extend(session.ask_namespace(namespace).map(|m| (announcer.clone(), m)));
            }
            for name in tracks {
                out.extend(session.ask_track(&name).map(|m| (announcer.clone(), m)));
            }
        }
    }

    fn on_subscribe_namespace(
        &mut self,
        from: &S,
        request: SubscribeNamespace,
        out: &mut Vec<(S, Output)>,
    ) -> Result<(), NamespaceError> {
        let SubscribeNamespace { namespace, id } = request;
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        if session.requests.contains_key(&id) {
            return Err(NamespaceError::BadId);
        }
        if session.requests.len() >= MAX_SUBSCRIPTIONS {
            return Err(NamespaceError::TooMany);
        }
        session.requests.insert(id, namespace.clone());
        out.push((from.clone(), SubscribeNamespaceResponse { id, result: Ok(()) }.into()));
        for (announcer, session) in self.sessions.iter_mut().filter(|(s, _)| *s != from) {
            if session.announced.contains(&namespace) {
                out.extend(session.ask_namespace(&namespace).map(|m| (announcer.clone(), m)));
            }
        }
        // Tracks that are known already, but for the subscriber's own.
        let known: BTreeSet<Name> = self
            .sessions
            .iter()
            .filter(|(s, _)| *s != from)
            .flat_map(|(_, s)| s.told())
            .filter(|name| name.0 == namespace)
            .cloned()
            .chain(self.cache.keys().filter(|name| name.0 == namespace).cloned())
            .collect();
        for name in known {
            self.tell(from, &name, out);
        }
        Ok(())
    }

    /// Tells a session of a track under a namespace that it asked for, and sends what there is of it.
    fn tell(&mut self, to: &S, name: &Name, out: &mut Vec<(S, Output)>) {
        let Some(session) = self.sessions.get_mut(to) else { return };
        let asked = session.requests.iter().find(|(_, namespace)| **namespace == name.0);
        let Some(request) = asked.map(|(id, _)| *id) else { return };
        let own = session.told().any(|told| told == name);
        let told = session.downstream.values().any(|d| d.request.is_some() && d.name == *name);
        if own || told || session.downstream.len() >= MAX_SUBSCRIPTIONS {
            return;
        }
        let id = session.next_info;
        session.next_info = id.wrapping_add(2);
        let down = Down { name: name.clone(), alias: id, from: 0, request: Some(request) };
        session.downstream.insert(id, down);
        let (namespace, track) = name.clone();
        let info =
            NamespaceInfo { track_alias: id, subscribe_id: id, namespace, name: track, request_id: request };
        out.push((to.clone(), Output::Control(info.into())));
        for (at, payload) in self.cache.get(name).into_iter().flat_map(Kept::iter) {
            out.push((to.clone(), object(id, id, at, payload)));
        }
    }

    fn on_info(
        &mut self,
        from: &S,
        info: NamespaceInfo,
        out: &mut Vec<(S, Output)>,
    ) -> Result<(), NamespaceError> {
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        let asked = session.asked.get(&info.request_id).ok_or(NamespaceError::UnknownRequest)?;
        if *asked != info.namespace {
            return Err(NamespaceError::WrongNamespace);
        }
        if info.subscribe_id.is_multiple_of(2) || session.upstream.contains_key(&info.subscribe_id) {
            return Err(NamespaceError::BadId);
        }
        if session.upstream.len() >= MAX_SUBSCRIPTIONS {
            return Err(NamespaceError::TooMany);
        }
        let name = (info.namespace, info.name);
        session.upstream.insert(info.subscribe_id, (info.track_alias, name.clone()));
        let others: Vec<S> = self.sessions.keys().filter(|s| *s != from).cloned().collect();
        for to in others {
            self.tell(&to, &name, out);
        }
        Ok(())
    }

    fn on_subscribe(
        &mut self,
        from: &S,
        subscribe: Subscribe,
        out: &mut Vec<(S, Output)>,
    ) -> Result<(), NamespaceError> {
        let id = subscribe.subscribe_id;
        let name = (subscribe.namespace, subscribe.name);
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        if id % 2 == 1 || session.downstream.contains_key(&id) {
            return Err(NamespaceError::BadId);
        }
        if session.downstream.len() >= MAX_SUBSCRIPTIONS {
            return Err(NamespaceError::TooMany);
        }
        let (first, last) = match subscribe.filter {
            Filter::From { group } => (group, None),
            Filter::Range { first, last } => (first, Some(last)),
        };
        let alias = subscribe.track_alias;
        if last.is_none() {
            let down = Down { name: name.clone(), alias, from: first, request: None };
            session.downstream.insert(id, down);
        }
        let kept = self.cache.get(&name);
        let largest = kept.and_then(Kept::last);
        let ok = SubscribeOk { subscribe_id: id, expires: 0, largest };
        out.push((from.clone(), Output::Control(ok.into())));
        let mut sent = None;
        for (at, payload) in kept.into_iter().flat_map(Kept::iter) {
            if (first..=last.unwrap_or(u64::MAX)).contains(&at.group) {
                out.push((from.clone(), object(id, alias, at, payload)));
                sent = Some(at);
            }
        }
        if last.is_some() {
            let done = SubscribeDone { subscribe_id: id, status: 0, reason: Bytes::new(), last: sent };
            out.push((from.clone(), Output::Control(done.into())));
            if sent.is_some() {
                return Ok(());
            }
            // Not here: it may be where it is published, for whoever asks again.
        }
        for (announcer, session) in &mut self.sessions {
            if session.announced.contains(&name.0) {
                out.extend(session.ask_track(&name).map(|m| (announcer.clone(), m)));
            }
        }
        Ok(())
    }

    /// An object from a session, for all who want its track.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`] or [`NamespaceError::WrongAlias`].
    pub fn object(&mut self, from: &S, stream: ObjectStream) -> Result<Vec<(S, Output)>, NamespaceError> {
        let session = self.sessions.get(from).ok_or(NamespaceError::UnknownSubscription)?;
        let (alias, name) =
            session.upstream.get(&stream.subscribe_id).ok_or(NamespaceError::UnknownSubscription)?;
        if *alias != stream.track_alias {
            return Err(NamespaceError::WrongAlias);
        }
        let name = name.clone();
        let at = Location { group: stream.group, object: stream.object };
        let kept = self.cache.entry(name.clone()).or_default();
        if let Some(there) = kept.get(&at) {
            self.conflicts = self.conflicts.saturating_add(u64::from(*there != stream.payload));
            return Ok(Vec::new());
        }
        kept.put(at, stream.payload.clone(), self.config.cache);
        let mut out = Vec::new();
        for (to, session) in &self.sessions {
            for (id, down) in &session.downstream {
                let echo = to == from && down.request.is_some();
                if down.name == name && down.from <= at.group && !echo {
                    out.push((to.clone(), object(*id, down.alias, at, stream.payload.clone())));
                }
            }
        }
        Ok(out)
    }
}

impl Session {
    /// The tracks that this session said it publishes. What the relay asked for by itself proves nothing.
    fn told(&self) -> impl Iterator<Item = &Name> {
        self.upstream.iter().filter(|(id, _)| *id % 2 == 1).map(|(_, (_, name))| name)
    }

    fn ask_namespace(&mut self, namespace: &Bytes) -> Option<Output> {
        if self.asked.values().any(|asked| asked == namespace) {
            return None;
        }
        let id = self.next_request;
        self.next_request = id.wrapping_add(1);
        self.asked.insert(id, namespace.clone());
        Some(Output::Control(SubscribeNamespace { namespace: namespace.clone(), id }.into()))
    }

    fn ask_track(&mut self, name: &Name) -> Option<Output> {
        if self.upstream.iter().any(|(id, (_, asked))| id % 2 == 0 && asked == name) {
            return None;
        }
        let id = self.next_subscribe;
        self.next_subscribe = id.wrapping_add(2);
        self.upstream.insert(id, (id, name.clone()));
        let (namespace, track) = name.clone();
        let filter = Filter::From { group: 0 };
        let subscribe = Subscribe { subscribe_id: id, track_alias: id, namespace, name: track, filter };
        Some(Output::Control(subscribe.into()))
    }
}

fn object(subscribe_id: u64, track_alias: u64, at: Location, payload: Bytes) -> Output {
    let Location { group, object } = at;
    Output::Object(ObjectStream { subscribe_id, track_alias, group, object, send_order: 0, payload })
}

impl<M: Into<ControlMessage>> From<M> for Output {
    fn from(message: M) -> Self {
        Self::Control(message.into())
    }
}
