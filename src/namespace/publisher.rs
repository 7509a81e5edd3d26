//! The publisher's side of a session.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::codec::{
    Announce, ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeNamespace,
    SubscribeNamespaceResponse, SubscribeOk, Unsubscribe,
};
use crate::namespace::kept::Kept;
use crate::namespace::rules::{MAX_SUBSCRIPTIONS, NamespaceError, STATUS_NOT_ANNOUNCED};
use crate::tracks::{FullTrackName, Location, Object, TrackNamespace};

/// Flat namespace and track name.
type Name = (Bytes, Bytes);

/// What was announced and published here, and who asked for what.
///
/// It keeps the newest objects of each track: in this draft a publisher serves those who come later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publisher {
    keep: usize,
    announced: BTreeSet<Bytes>,
    requests: BTreeMap<u64, Bytes>,
    subscriptions: BTreeMap<u64, Wanted>,
    next_info: u64,
    tracks: BTreeMap<Name, Kept>,
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
    /// Keeps the newest `keep` objects of each track.
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            announced: BTreeSet::new(),
            requests: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            next_info: 1,
            tracks: BTreeMap::new(),
        }
    }

    /// Says that tracks under `namespace` will be published here.
    pub fn announce(&mut self, namespace: &TrackNamespace) -> ControlMessage {
        let namespace = namespace.to_flat();
        self.announced.insert(namespace.clone());
        Announce { namespace }.into()
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
        if self.requests.get(&id).is_some_and(|known| *known != namespace) {
            return Err(NamespaceError::BadId);
        }
        if self.requests.len() >= MAX_SUBSCRIPTIONS {
            return Err(NamespaceError::TooMany);
        }
        if !self.announced.contains(&namespace) {
            let reason = Bytes::from_static(b"not announced here");
            let result = Err((STATUS_NOT_ANNOUNCED, reason));
            return Ok((vec![SubscribeNamespaceResponse { id, result }.into()], Vec::new()));
        }
        self.requests.insert(id, namespace.clone());
        let mut control = vec![SubscribeNamespaceResponse { id, result: Ok(()) }.into()];
        let mut objects = Vec::new();
        let known: Vec<Name> = self.tracks.keys().filter(|(n, _)| *n == namespace).cloned().collect();
        for name in known {
            control.extend(self.tell(id, &name));
            objects.extend(self.replay(self.next_info.wrapping_sub(2)));
        }
        Ok((control, objects))
    }

    /// A NAMESPACE_INFO for one request and track, unless it was told already.
    fn tell(&mut self, request: u64, name: &Name) -> Option<ControlMessage> {
        if self.subscriptions.values().any(|w| w.request == Some(request) && w.name == *name) {
            return None;
        }
        let id = self.next_info;
        self.next_info = id.wrapping_add(2);
        let wanted = Wanted { name: name.clone(), alias: id, from: 0, request: Some(request) };
        self.subscriptions.insert(id, wanted);
        let (namespace, name) = name.clone();
        let info = NamespaceInfo { track_alias: id, subscribe_id: id, namespace, name, request_id: request };
        Some(info.into())
    }

    fn replay(&self, subscribe_id: u64) -> Vec<ObjectStream> {
        let Some(wanted) = self.subscriptions.get(&subscribe_id) else { return Vec::new() };
        let kept = self.tracks.get(&wanted.name).into_iter().flat_map(Kept::iter);
        kept.filter(|(at, _)| at.group >= wanted.from)
            .map(|(at, payload)| stream(subscribe_id, wanted.alias, at, payload))
            .collect()
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
        if id % 2 == 1 || self.subscriptions.contains_key(&id) {
            return Err(NamespaceError::BadId);
        }
        if !self.announced.contains(&subscribe.namespace) {
            return Err(NamespaceError::UnknownRequest);
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(NamespaceError::TooMany);
        }
        let (Filter::From { group: from } | Filter::Range { first: from, .. }) = subscribe.filter;
        let name = (subscribe.namespace, subscribe.name);
        let largest = self.tracks.get(&name).and_then(Kept::last);
        self.subscriptions.insert(id, Wanted { name, alias: subscribe.track_alias, from, request: None });
        Ok((vec![SubscribeOk { subscribe_id: id, expires: 0, largest }.into()], self.replay(id)))
    }

    /// A subscription ends.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`].
    pub fn on_unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), NamespaceError> {
        let wanted = self.subscriptions.get_mut(&unsubscribe.subscribe_id);
        let wanted = wanted.ok_or(NamespaceError::UnknownSubscription)?;
        if wanted.request.is_some() {
            // Kept as told, so that the track is not announced again; no object can reach it.
            wanted.from = u64::MAX;
        } else {
            self.subscriptions.remove(&unsubscribe.subscribe_id);
        }
        Ok(())
    }

    /// Says that a track is about to be published: a NAMESPACE_INFO for each request that covers it and
    /// was not told yet. [`publish`](Self::publish) does the same if nobody did before.
    pub fn start(&mut self, track: &FullTrackName) -> Vec<ControlMessage> {
        let name = (track.namespace.to_flat(), track.name.clone());
        self.tracks.entry(name.clone()).or_default();
        self.tell_all(&name)
    }

    fn tell_all(&mut self, name: &Name) -> Vec<ControlMessage> {
        let asked: Vec<u64> =
            self.requests.iter().filter(|(_, namespace)| **namespace == name.0).map(|(id, _)| *id).collect();
        asked.into_iter().filter_map(|request| self.tell(request, name)).collect()
    }

    /// Publishes an object: the NAMESPACE_INFOs to send first, if its track is new, and the object for each
    /// subscription.
    pub fn publish(&mut self, object: &Object) -> (Vec<ControlMessage>, Vec<ObjectStream>) {
        let name = (object.track.namespace.to_flat(), object.track.name.clone());
        let kept = self.tracks.entry(name.clone()).or_default();
        kept.put(object.location, object.payload.clone(), self.keep);
        let control = self.tell_all(&name);
        let objects = self
            .subscriptions
            .iter()
            .filter(|(_, w)| w.name == name && w.from <= object.location.group)
            .map(|(id, w)| stream(*id, w.alias, object.location, object.payload.clone()))
            .collect();
        (control, objects)
    }
}

fn stream(subscribe_id: u64, track_alias: u64, at: Location, payload: Bytes) -> ObjectStream {
    let Location { group, object } = at;
    ObjectStream { subscribe_id, track_alias, group, object, send_order: 0, payload }
}
