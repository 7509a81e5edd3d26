//! The subscriber's side of a session.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use bytes::Bytes;

use crate::codec::{
    ControlMessage, Filter, NamespaceInfo, ObjectStream, Subscribe, SubscribeDone, SubscribeNamespace,
    SubscribeNamespaceResponse, Unsubscribe,
};
use crate::namespace::name::{Budget, cost, own};
use crate::namespace::rules::{MAX_SUBSCRIPTION_BYTES, MAX_SUBSCRIPTIONS, NamespaceError};
use crate::tracks::{FullTrackName, TrackNamespace};

/// What a peer was asked for, and which track each of its Subscribe IDs stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subscriber {
    next_request: u64,
    next_subscribe: u64,
    namespaces: BTreeMap<u64, TrackNamespace>,
    tracks: BTreeMap<u64, Followed>,
    /// The room that the tracks take of which the peer notified. This subscriber's own requests take none.
    told: Budget,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Followed {
    alias: u64,
    track: FullTrackName,
    /// The namespace request that brought it, for an implicit subscription.
    request: Option<u64>,
}

/// How a SUBSCRIBE_NAMESPACE was answered: `Err` is the status code and the reason phrase.
pub type Answer = Result<(), (NonZeroU64, Bytes)>;

impl Subscriber {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for every track under `namespace`. The id names the request until
    /// [`unsubscribe_namespace`](Self::unsubscribe_namespace).
    pub fn subscribe_namespace(&mut self, namespace: TrackNamespace) -> (u64, ControlMessage) {
        let id = self.next_request;
        self.next_request = id.wrapping_add(1);
        let message = SubscribeNamespace { namespace: namespace.to_flat(), id };
        self.namespaces.insert(id, namespace);
        (id, message.into())
    }

    /// Takes the answer to a namespace request; a refused one is forgotten.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownRequest`].
    pub fn on_response(
        &mut self,
        response: SubscribeNamespaceResponse,
    ) -> Result<(u64, Answer), NamespaceError> {
        if !self.namespaces.contains_key(&response.id) {
            return Err(NamespaceError::UnknownRequest);
        }
        if response.result.is_err() {
            self.namespaces.remove(&response.id);
        }
        Ok((response.id, response.result))
    }

    /// A new track under a namespace asked for: an implicit subscription. Returns its full name, with the
    /// fields that were asked for.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownRequest`], [`NamespaceError::WrongNamespace`], [`NamespaceError::BadId`]
    /// or [`NamespaceError::TooMany`].
    pub fn on_info(&mut self, info: NamespaceInfo) -> Result<FullTrackName, NamespaceError> {
        let namespace = self.namespaces.get(&info.request_id).ok_or(NamespaceError::UnknownRequest)?;
        if namespace.to_flat() != info.namespace {
            return Err(NamespaceError::WrongNamespace);
        }
        let track = FullTrackName { namespace: namespace.clone(), name: own(&info.name) };
        let followed =
            Followed { alias: info.track_alias, track: track.clone(), request: Some(info.request_id) };
        let known = self.tracks.get(&info.subscribe_id);
        if info.subscribe_id.is_multiple_of(2) || known.is_some_and(|known| *known != followed) {
            return Err(NamespaceError::BadId);
        }
        if known.is_some() {
            return Ok(track);
        }
        let cost = cost(&(info.namespace, info.name));
        if !self.told.fits(cost, MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTION_BYTES) {
            return Err(NamespaceError::TooMany);
        }
        self.told.add(cost);
        self.tracks.insert(info.subscribe_id, followed);
        Ok(track)
    }

    /// Asks for one track. Its alias is the Subscribe ID: unique, and no more is needed of it.
    pub fn subscribe(&mut self, track: FullTrackName, filter: Filter) -> (u64, ControlMessage) {
        let id = self.next_subscribe;
        self.next_subscribe = id.wrapping_add(2);
        let message = Subscribe {
            subscribe_id: id,
            track_alias: id,
            namespace: track.namespace.to_flat(),
            name: track.name.clone(),
            filter,
        };
        self.tracks.insert(id, Followed { alias: id, track, request: None });
        (id, message.into())
    }

    /// The peer ends a subscription.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`].
    pub fn on_done(&mut self, done: &SubscribeDone) -> Result<FullTrackName, NamespaceError> {
        let followed = self.remove(done.subscribe_id).ok_or(NamespaceError::UnknownSubscription)?;
        Ok(followed.track)
    }

    /// Ends one subscription, explicit or implicit; `None` if there is none of that id.
    pub fn unsubscribe(&mut self, subscribe_id: u64) -> Option<ControlMessage> {
        self.remove(subscribe_id).map(|_| Unsubscribe { subscribe_id }.into())
    }

    fn remove(&mut self, subscribe_id: u64) -> Option<Followed> {
        let followed = self.tracks.remove(&subscribe_id)?;
        if followed.request.is_some() {
            self.told.sub(cost(&(followed.track.namespace.to_flat(), followed.track.name.clone())));
        }
        Some(followed)
    }

    /// Ends a namespace request: one UNSUBSCRIBE for each track it brought. The draft has no message to
    /// end the request itself, so tracks that it brings later are [`NamespaceError::UnknownRequest`].
    pub fn unsubscribe_namespace(&mut self, request: u64) -> Vec<ControlMessage> {
        self.namespaces.remove(&request);
        let brought: Vec<u64> =
            self.tracks.iter().filter(|(_, t)| t.request == Some(request)).map(|(id, _)| *id).collect();
        brought.into_iter().filter_map(|id| self.unsubscribe(id)).collect()
    }

    /// The track that an object belongs to.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownSubscription`] or [`NamespaceError::WrongAlias`].
    pub fn track_of(&self, object: &ObjectStream) -> Result<&FullTrackName, NamespaceError> {
        let followed = self.tracks.get(&object.subscribe_id).ok_or(NamespaceError::UnknownSubscription)?;
        if followed.alias != object.track_alias {
            return Err(NamespaceError::WrongAlias);
        }
        Ok(&followed.track)
    }
}
