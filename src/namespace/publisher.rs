//! The publisher's side of a session.

use bytes::Bytes;

use crate::codec::{
    Announce, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone,
    SubscribeNamespace, SubscribeNamespaceResponse, SubscribeOk, Unsubscribe,
};
use crate::namespace::bounds::{Dropped, PublisherConfig};
use crate::namespace::kept::{Kept, Room};
use crate::namespace::name::{Budget, Name, cost, own, own_name};
use crate::namespace::rules::{NamespaceError, STATUS_NOT_ANNOUNCED};
use crate::namespace::table::{Many, Table};
use crate::tracks::{FullTrackName, Location, Object, TrackNamespace};

/// What was announced and published here, and who asked for what.
///
/// It keeps the newest objects of each track: in this draft a publisher serves those who come later. What a
/// call costs depends on what it brings about, not on how many tracks there are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publisher {
    config: PublisherConfig,
    announced: Table<Bytes, ()>,
    requests: Table<u64, Bytes>,
    requests_for: Many<Bytes, u64>,
    /// By SUBSCRIBE under even ids, by NAMESPACE_INFO under odd ones.
    subscribed: Table<u64, Wanted>,
    told: Table<u64, Wanted>,
    told_of: Table<(Name, u64), u64>,
    listeners: Many<Name, u64>,
    next_info: u64,
    kept: Kept,
    own: Budget,
    told_room: Budget,
    dropped: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    name: Name,
    alias: u64,
    from: u64,
    /// The namespace request it answers, for an implicit subscription.
    request: Option<u64>,
}

impl Publisher {
    /// Keeps the newest `keep` objects of each track, within the default bounds.
    pub fn new(keep: usize) -> Self {
        Self::with_config(PublisherConfig { keep, ..PublisherConfig::default() })
    }

    /// Keeps what the bounds allow.
    pub fn with_config(config: PublisherConfig) -> Self {
        let room = Room { each: config.keep, tracks: config.tracks, bytes: config.bytes };
        Self {
            config,
            announced: Table::default(),
            requests: Table::default(),
            requests_for: Many::default(),
            subscribed: Table::default(),
            told: Table::default(),
            told_of: Table::default(),
            listeners: Many::default(),
            next_info: 1,
            kept: Kept::new(room),
            own: Budget::default(),
            told_room: Budget::default(),
            dropped: 0,
        }
    }

    /// What had to go for want of room.
    pub fn dropped(&self) -> Dropped {
        Dropped { objects: self.kept.dropped(), told: self.dropped, asked: 0 }
    }

    /// Says that tracks under `namespace` will be published here.
    pub fn announce(&mut self, namespace: &TrackNamespace) -> ControlMessage {
        let namespace = namespace.to_flat();
        self.announced.insert(namespace.clone(), ());
        Announce { namespace }.into()
    }

    fn claim(&mut self, name: &Name) -> Result<(), NamespaceError> {
        if !self.own.fits(cost(name), self.config.entries, self.config.entry_bytes) {
            return Err(NamespaceError::TooMany);
        }
        self.own.add(cost(name));
        Ok(())
    }

    /// Answers a namespace request, and tells every track of it that there is.
    ///
    /// # Errors
    /// [`NamespaceError::BadId`] for an id in use, [`NamespaceError::TooMany`].
    pub fn on_subscribe_namespace(
        &mut self,
        request: SubscribeNamespace,
    ) -> Result<(Vec<ControlMessage>, Vec<ObjectStream>), NamespaceError> {
        let SubscribeNamespace { namespace, id } = request;
        let known = self.requests.get(&id);
        if known.is_some_and(|known| *known != namespace) {
            return Err(NamespaceError::BadId);
        }
        if known.is_some() {
            return Ok((vec![SubscribeNamespaceResponse { id, result: Ok(()) }.into()], Vec::new()));
        }
        if !self.announced.contains(&namespace) {
            let reason = Bytes::from_static(b"not announced here");
            let result = Err((STATUS_NOT_ANNOUNCED, reason));
            return Ok((vec![SubscribeNamespaceResponse { id, result }.into()], Vec::new()));
        }
        if self.requests_for.count(&namespace) >= self.config.requests {
            return Err(NamespaceError::TooMany);
        }
        let namespace = own(&namespace);
        self.claim(&(namespace.clone(), Bytes::new()))?;
        self.requests.insert(id, namespace.clone());
        self.requests_for.add(namespace.clone(), id);
        let mut control = vec![SubscribeNamespaceResponse { id, result: Ok(()) }.into()];
        let mut objects = Vec::new();
        for name in self.kept.under(&namespace).cloned().collect::<Vec<_>>() {
            if let Some(told) = self.tell(id, &name, &mut control) {
                objects.extend(self.replay(told));
            }
        }
        Ok((control, objects))
    }

    /// Makes a NAMESPACE_INFO for one request and track, unless there was one already; returns the id that it
    /// gives.
    fn tell(&mut self, request: u64, name: &Name, out: &mut Vec<ControlMessage>) -> Option<u64> {
        if self.told_of.contains(&(name.clone(), request)) {
            return None;
        }
        while !self.told_room.fits(cost(name), self.config.entries, self.config.entry_bytes) {
            out.push(self.end_oldest()?);
        }
        let id = self.next_info;
        self.next_info = id.wrapping_add(2);
        self.told_room.add(cost(name));
        self.told_of.insert((name.clone(), request), id);
        self.listeners.add(name.clone(), id);
        self.told.insert(id, Wanted { name: name.clone(), alias: id, from: 0, request: Some(request) });
        let (namespace, name) = name.clone();
        let info = NamespaceInfo { track_alias: id, subscribe_id: id, namespace, name, request_id: request };
        out.push(info.into());
        Some(id)
    }

    /// Stops serving the track whose NAMESPACE_INFO is the oldest.
    fn end_oldest(&mut self) -> Option<ControlMessage> {
        let subscribe_id = *self.told.first()?.0;
        let Wanted { name, request, .. } = self.told.remove(&subscribe_id)?;
        self.listeners.remove(&name, &subscribe_id);
        self.told_room.sub(cost(&name));
        self.told_of.remove(&(name, request?));
        self.dropped = self.dropped.saturating_add(1);
        let reason = Bytes::from_static(b"too many tracks");
        Some(SubscribeDone { subscribe_id, status: 0, reason, last: None }.into())
    }

    fn wanted(&self, id: u64) -> Option<&Wanted> {
        if id % 2 == 1 { self.told.get(&id) } else { self.subscribed.get(&id) }
    }

    fn replay(&self, subscribe_id: u64) -> Vec<ObjectStream> {
        let Some(wanted) = self.wanted(subscribe_id) else { return Vec::new() };
        let kept = self.kept.of(&wanted.name).filter(|(at, _)| at.group_id >= wanted.from);
        kept.map(|(at, payload)| stream(subscribe_id, wanted.alias, at, payload)).collect()
    }

    /// Serves a plain SUBSCRIBE for a track under an announced namespace.
    ///
    /// # Errors
    /// [`NamespaceError::BadId`] for an id in use or odd, [`NamespaceError::UnknownRequest`] for a
    /// namespace that is not announced, [`NamespaceError::TooMany`].
    pub fn on_subscribe(
        &mut self,
        subscribe: Subscribe,
    ) -> Result<(Vec<ControlMessage>, Vec<ObjectStream>), NamespaceError> {
        let id = subscribe.subscribe_id;
        if id % 2 == 1 || self.subscribed.contains(&id) {
            return Err(NamespaceError::BadId);
        }
        if !self.announced.contains(&subscribe.namespace) {
            return Err(NamespaceError::UnknownRequest);
        }
        let (Filter::From { group: from } | Filter::Range { first: from, .. }) = subscribe.filter;
        let name = own_name(&subscribe.namespace, &subscribe.name);
        self.claim(&name)?;
        self.kept.touch(&name);
        let largest = self.kept.last(&name);
        self.listeners.add(name.clone(), id);
        self.subscribed.insert(id, Wanted { name, alias: subscribe.track_alias, from, request: None });
        Ok((vec![SubscribeOk { subscribe_id: id, expires: 0, largest }.into()], self.replay(id)))
    }

    /// A subscription ends.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`].
    pub fn on_unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), NamespaceError> {
        let id = unsubscribe.subscribe_id;
        if let Some(wanted) = self.told.get_mut(&id) {
            // It stays among the announced tracks, so that it is not announced again; no object can reach it.
            wanted.from = u64::MAX;
        } else {
            let wanted = self.subscribed.remove(&id).ok_or(NamespaceError::UnknownSubscription)?;
            self.listeners.remove(&wanted.name, &id);
            self.own.sub(cost(&wanted.name));
        }
        Ok(())
    }

    /// Says that a track is about to be published: a NAMESPACE_INFO for each request that covers it and was
    /// not notified yet. [`publish`](Self::publish) does the same if nobody did before.
    pub fn start(&mut self, track: &FullTrackName) -> Vec<ControlMessage> {
        let name = own_name(&track.namespace.to_flat(), &track.name);
        self.kept.start(&name);
        self.tell_all(&name)
    }

    fn tell_all(&mut self, name: &Name) -> Vec<ControlMessage> {
        let mut out = Vec::new();
        for request in self.requests_for.of(&name.0).copied().collect::<Vec<_>>() {
            self.tell(request, name, &mut out);
        }
        out
    }

    /// Publishes an object: the NAMESPACE_INFOs to send first, if its track is new, and the object for each
    /// subscription.
    pub fn publish(&mut self, object: &Object) -> (Vec<ControlMessage>, Vec<ObjectStream>) {
        let name = own_name(&object.track.namespace.to_flat(), &object.track.name);
        self.kept.put(&name, object.location, &object.payload);
        let control = self.tell_all(&name);
        let objects = self.listeners.of(&name).filter_map(|id| {
            let wanted = self.wanted(*id).filter(|w| w.from <= object.location.group_id)?;
            Some(stream(*id, wanted.alias, object.location, object.payload.clone()))
        });
        (control, objects.collect())
    }
}

fn stream(subscribe_id: u64, track_alias: u64, at: Location, payload: Bytes) -> ObjectStream {
    let Location { group_id: group, object_id: object } = at;
    ObjectStream { subscribe_id, track_alias, group, object, send_order: 0, payload }
}
