//! What a relay does between publishers and subscribers.

mod session;

use std::collections::BTreeSet;

use bytes::Bytes;

use self::session::{Down, Session};
use crate::codec::{
    AnnounceOk, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone,
    SubscribeNamespace, SubscribeNamespaceResponse, SubscribeOk, Unsubscribe,
};
use crate::namespace::bounds::{Dropped, RelayConfig};
use crate::namespace::kept::{Kept, Room};
use crate::namespace::name::{Name, own, own_name};
use crate::namespace::rules::NamespaceError;
use crate::namespace::table::{Many, Table};
use crate::tracks::Location;

/// What goes out on a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// On its control stream.
    Control(ControlMessage),
    /// On a stream of its own.
    Object(ObjectStream),
}

/// A relay between sessions that `S` names.
///
/// Several sessions may announce one namespace, and several may publish on one track. The first payload
/// at a location stands: the same again is dropped, and so is another one, which is counted. An object
/// goes back to the session it came from only if that session asked for its track by SUBSCRIBE.
///
/// What a message costs depends on what it brings about, not on how many tracks there are. Everything that
/// is kept has a bound ([`RelayConfig`]); what had to go is counted in [`dropped`](Self::dropped).
#[derive(Clone, Debug)]
pub struct Relay<S> {
    config: RelayConfig,
    sessions: Table<S, Session>,
    cache: Kept,
    conflicts: u64,
    dropped: Dropped,
    /// Who announced a namespace, and who asked for all of it.
    announcers: Many<Bytes, S>,
    wanting: Many<Bytes, S>,
    /// Who said that it publishes a track.
    publishers: Many<Name, S>,
    /// Where a track's objects go; and those of them that were asked for by SUBSCRIBE.
    listeners: Many<Name, (S, u64)>,
    subscribers: Many<Name, (S, u64)>,
}

impl<S: Ord + Clone> Relay<S> {
    /// A relay without sessions.
    pub fn new(config: RelayConfig) -> Self {
        let room = Room { each: config.cache, tracks: config.cache_tracks, bytes: config.cache_bytes };
        Self {
            config,
            sessions: Table::default(),
            cache: Kept::new(room),
            conflicts: 0,
            dropped: Dropped::default(),
            announcers: Many::default(),
            wanting: Many::default(),
            publishers: Many::default(),
            listeners: Many::default(),
            subscribers: Many::default(),
        }
    }

    /// A session opens.
    pub fn open(&mut self, session: S) {
        self.close(&session);
        self.sessions.insert(session, Session::new());
    }

    /// A session is gone, with all it announced and asked for. What it published stays in the cache.
    pub fn close(&mut self, session: &S) {
        let Some(gone) = self.sessions.remove(session) else { return };
        for (namespace, ()) in gone.announced.iter() {
            self.announcers.remove(namespace, session);
        }
        for (_, namespace) in gone.requests.iter() {
            self.wanting.remove(namespace, session);
        }
        for (_, up) in gone.upstream.iter() {
            self.publishers.remove(&up.name, session);
        }
        for (id, down) in gone.told.iter().chain(gone.subscribed.iter()) {
            self.listeners.remove(&down.name, &(session.clone(), *id));
            self.subscribers.remove(&down.name, &(session.clone(), *id));
        }
    }

    /// Objects that came for a location that already holds another payload.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// What had to go for want of room.
    pub fn dropped(&self) -> Dropped {
        Dropped { objects: self.cache.dropped(), ..self.dropped }
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
                let namespace = own(&announce.namespace);
                if session.announced.contains(&namespace) {
                    return Ok(vec![(from.clone(), AnnounceOk { namespace }.into())]);
                }
                session.claim(&(namespace.clone(), Bytes::new()), &self.config)?;
                session.announced.insert(namespace.clone(), ());
                self.announcers.add(namespace.clone(), from.clone());
                out.push((from.clone(), AnnounceOk { namespace: namespace.clone() }.into()));
                self.pull(from, &namespace, &mut out);
            }
            ControlMessage::SubscribeNamespace(request) => {
                self.on_subscribe_namespace(from, request, &mut out)?
            }
            ControlMessage::NamespaceInfo(info) => self.on_info(from, info, &mut out)?,
            ControlMessage::Subscribe(subscribe) => self.on_subscribe(from, subscribe, &mut out)?,
            ControlMessage::Unsubscribe(Unsubscribe { subscribe_id: id }) => {
                if let Some(down) = session.told.get_mut(&id) {
                    // A track is announced once, and not again.
                    down.from = u64::MAX;
                } else {
                    let name = session.unsubscribe(id).ok_or(NamespaceError::UnknownSubscription)?;
                    self.listeners.remove(&name, &(from.clone(), id));
                    self.subscribers.remove(&name, &(from.clone(), id));
                }
            }
            ControlMessage::SubscribeNamespaceResponse(response) => {
                if !session.asked.contains(&response.id) {
                    return Err(NamespaceError::UnknownRequest);
                }
                if response.result.is_err() {
                    session.refused(response.id);
                }
            }
            ControlMessage::SubscribeOk(ok) if session.upstream.contains(&ok.subscribe_id) => {}
            ControlMessage::SubscribeDone(done) => {
                let ended = session.end_upstream(done.subscribe_id);
                let name = ended.ok_or(NamespaceError::UnknownSubscription)?;
                if !session.publishes(&name) {
                    self.publishers.remove(&name, from);
                }
            }
            ControlMessage::SubscribeOk(_) => return Err(NamespaceError::UnknownSubscription),
            ControlMessage::AnnounceOk(_) => return Err(NamespaceError::Unexpected),
        }
        Ok(out)
    }

    /// A session announced `namespace`: ask it for what others want of it.
    fn pull(&mut self, announcer: &S, namespace: &Bytes, out: &mut Vec<(S, Output)>) {
        if self.wanting.of(namespace).any(|s| s != announcer)
            && let Some(session) = self.sessions.get_mut(announcer)
        {
            out.extend(session.ask_namespace(namespace).map(|m| (announcer.clone(), m.into())));
        }
        for name in self.subscribers.under(namespace).cloned().collect::<Vec<_>>() {
            self.ask_track(announcer, &name, out);
        }
    }

    fn ask_track(&mut self, announcer: &S, name: &Name, out: &mut Vec<(S, Output)>) {
        let Some(session) = self.sessions.get_mut(announcer) else { return };
        let Some((ended, subscribe)) = session.ask_track(name, &self.config) else { return };
        if let Some(subscribe_id) = ended {
            self.dropped.asked = self.dropped.asked.saturating_add(1);
            out.push((announcer.clone(), Unsubscribe { subscribe_id }.into()));
        }
        out.push((announcer.clone(), subscribe.into()));
    }

    fn on_subscribe_namespace(
        &mut self,
        from: &S,
        request: SubscribeNamespace,
        out: &mut Vec<(S, Output)>,
    ) -> Result<(), NamespaceError> {
        let SubscribeNamespace { namespace, id } = request;
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        if session.requests.contains(&id) {
            return Err(NamespaceError::BadId);
        }
        let namespace = own(&namespace);
        session.claim(&(namespace.clone(), Bytes::new()), &self.config)?;
        let is_first = session.request_for(&namespace).is_none();
        session.request(id, namespace.clone());
        out.push((from.clone(), SubscribeNamespaceResponse { id, result: Ok(()) }.into()));
        if !is_first {
            // The session knows all tracks that there are, and hears of the others as they come.
            return Ok(());
        }
        self.wanting.add(namespace.clone(), from.clone());
        for announcer in self.announcers.of(&namespace).filter(|s| *s != from) {
            if let Some(session) = self.sessions.get_mut(announcer) {
                out.extend(session.ask_namespace(&namespace).map(|m| (announcer.clone(), m.into())));
            }
        }
        // Tracks that are known already; `tell` leaves out the subscriber's own.
        let known: BTreeSet<Name> =
            self.publishers.under(&namespace).chain(self.cache.under(&namespace)).cloned().collect();
        for name in known {
            self.tell(from, &name, out);
        }
        Ok(())
    }

    /// Tells a session of a track under a namespace that it asked for, and sends what there is of it.
    fn tell(&mut self, to: &S, name: &Name, out: &mut Vec<(S, Output)>) {
        let Some(session) = self.sessions.get_mut(to) else { return };
        let Some(request) = session.request_for(&name.0) else { return };
        if session.publishes(name) || session.is_told_of(name) {
            return;
        }
        while !session.can_be_told(name, &self.config) {
            let Some((id, old)) = session.end_oldest() else { return };
            self.listeners.remove(&old, &(to.clone(), id));
            self.dropped.told = self.dropped.told.saturating_add(1);
            let reason = Bytes::from_static(b"too many tracks");
            let done = SubscribeDone { subscribe_id: id, status: 0, reason, last: None };
            out.push((to.clone(), done.into()));
        }
        let id = session.tell(name);
        self.listeners.add(name.clone(), (to.clone(), id));
        let (namespace, track) = name.clone();
        let info =
            NamespaceInfo { track_alias: id, subscribe_id: id, namespace, name: track, request_id: request };
        out.push((to.clone(), Output::Control(info.into())));
        self.cache.touch(name);
        for (at, payload) in self.cache.of(name) {
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
        if info.subscribe_id.is_multiple_of(2) || session.upstream.contains(&info.subscribe_id) {
            return Err(NamespaceError::BadId);
        }
        let name = own_name(&info.namespace, &info.name);
        session.claim(&name, &self.config)?;
        session.publish(info.subscribe_id, info.track_alias, name.clone());
        self.publishers.add(name.clone(), from.clone());
        let others: Vec<S> = self.wanting.of(&name.0).filter(|s| *s != from).cloned().collect();
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
        let name = own_name(&subscribe.namespace, &subscribe.name);
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        if id % 2 == 1 || session.subscribed.contains(&id) {
            return Err(NamespaceError::BadId);
        }
        let (first, last) = match subscribe.filter {
            Filter::From { group } => (group, None),
            Filter::Range { first, last } => (first, Some(last)),
        };
        let alias = subscribe.track_alias;
        if last.is_none() {
            session.claim(&name, &self.config)?;
            session.subscribe(id, Down { name: name.clone(), alias, from: first });
            self.listeners.add(name.clone(), (from.clone(), id));
            self.subscribers.add(name.clone(), (from.clone(), id));
        }
        self.cache.touch(&name);
        let largest = self.cache.last(&name);
        let ok = SubscribeOk { subscribe_id: id, expires: 0, largest };
        out.push((from.clone(), Output::Control(ok.into())));
        let mut sent = None;
        for (at, payload) in self.cache.of(&name) {
            if (first..=last.unwrap_or(u64::MAX)).contains(&at.group_id) {
                out.push((from.clone(), object(id, alias, at, payload)));
                sent = Some(at);
            }
        }
        if last.is_some() {
            let done = SubscribeDone { subscribe_id: id, status: 0, reason: Bytes::new(), last: sent };
            out.push((from.clone(), Output::Control(done.into())));
            // The cache may hold a client's junk only: the publishers are asked, for a session that asks again.
        }
        for announcer in self.announcers.of(&name.0).cloned().collect::<Vec<_>>() {
            self.ask_track(&announcer, &name, out);
        }
        Ok(())
    }

    /// An object from a session, for all who want its track.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`] or [`NamespaceError::WrongAlias`].
    pub fn object(&mut self, from: &S, stream: ObjectStream) -> Result<Vec<(S, Output)>, NamespaceError> {
        let session = self.sessions.get_mut(from).ok_or(NamespaceError::UnknownSubscription)?;
        let up = session.upstream.get(&stream.subscribe_id).ok_or(NamespaceError::UnknownSubscription)?;
        if up.alias != stream.track_alias {
            return Err(NamespaceError::WrongAlias);
        }
        let name = up.name.clone();
        session.touch(stream.subscribe_id);
        let at = Location { group_id: stream.group, object_id: stream.object };
        if let Some(there) = self.cache.get(&name, &at) {
            self.conflicts = self.conflicts.saturating_add(u64::from(*there != stream.payload));
            return Ok(Vec::new());
        }
        self.cache.put(&name, at, &stream.payload);
        let mut out = Vec::new();
        for (to, id) in self.listeners.of(&name) {
            let Some(down) = self.sessions.get(to).and_then(|session| session.down(*id)) else { continue };
            let echo = to == from && id % 2 == 1;
            if down.from <= at.group_id && !echo {
                out.push((to.clone(), object(*id, down.alias, at, stream.payload.clone())));
            }
        }
        let again = |to: &&S| *to != from && self.sessions.get(*to).is_some_and(|s| s.must_be_told_again);
        for to in self.wanting.of(&name.0).filter(again).cloned().collect::<Vec<_>>() {
            self.tell(&to, &name, &mut out);
        }
        Ok(out)
    }
}

fn object(subscribe_id: u64, track_alias: u64, at: Location, payload: Bytes) -> Output {
    let Location { group_id: group, object_id: object } = at;
    Output::Object(ObjectStream { subscribe_id, track_alias, group, object, send_order: 0, payload })
}

impl<M: Into<ControlMessage>> From<M> for Output {
    fn from(message: M) -> Self {
        Self::Control(message.into())
    }
}
