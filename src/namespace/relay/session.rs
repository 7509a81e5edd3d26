//! What a relay knows of one session, and where it finds it again.

use bytes::Bytes;

use crate::codec::{Filter, Subscribe, SubscribeNamespace};
use crate::namespace::bounds::RelayConfig;
use crate::namespace::name::{Budget, Name, cost};
use crate::namespace::rules::NamespaceError;
use crate::namespace::table::{Many, Table};

/// One session. What it says is in `own`; what the relay notified it of is in `told`, and what the relay asks
/// it for in `asks`. So neither side's doings take room from the other's.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) announced: Table<Bytes, ()>,
    /// Upstream: namespace requests and subscriptions of the relay's, and the tracks they stand for.
    pub(super) asked: Table<u64, Bytes>,
    asked_for: Table<Bytes, u64>,
    pub(super) upstream: Table<u64, Up>,
    /// The tracks that this session said it publishes. What the relay asked for by itself proves nothing.
    publishes: Many<Name, u64>,
    asks_for: Table<Name, u64>,
    /// The relay's subscriptions, by when each brought an object: those that never did, first.
    by_use: Table<(u64, u64), ()>,
    uses: u64,
    next_request: u64,
    next_subscribe: u64,
    /// Downstream: what the session asked of the relay.
    pub(super) requests: Table<u64, Bytes>,
    requests_for: Many<Bytes, u64>,
    /// By SUBSCRIBE, under even ids.
    pub(super) subscribed: Table<u64, Down>,
    /// By NAMESPACE_INFO, under odd ids: the first is the oldest.
    pub(super) told: Table<u64, Down>,
    told_of: Table<Name, u64>,
    next_info: u64,
    /// Some tracks that it was notified of are no longer served: it is notified again when an object comes.
    pub(super) must_be_told_again: bool,
    own: Budget,
    told_room: Budget,
    asks_room: Budget,
}

/// A subscription of the relay's, or a track that the session publishes.
#[derive(Clone, Debug)]
pub(super) struct Up {
    pub(super) alias: u64,
    pub(super) name: Name,
    used: u64,
}

/// Where objects of a track go.
#[derive(Clone, Debug)]
pub(super) struct Down {
    pub(super) name: Name,
    pub(super) alias: u64,
    pub(super) from: u64,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { next_info: 1, ..Self::default() }
    }

    /// Takes up room for something that the session said.
    pub(super) fn claim(&mut self, name: &Name, config: &RelayConfig) -> Result<(), NamespaceError> {
        if !self.own.fits(cost(name), config.session_entries, config.session_bytes) {
            return Err(NamespaceError::TooMany);
        }
        self.own.add(cost(name));
        Ok(())
    }

    pub(super) fn subscribe(&mut self, id: u64, down: Down) {
        self.subscribed.insert(id, down);
    }

    pub(super) fn unsubscribe(&mut self, id: u64) -> Option<Name> {
        let down = self.subscribed.remove(&id)?;
        self.own.sub(cost(&down.name));
        Some(down.name)
    }

    pub(super) fn request(&mut self, id: u64, namespace: Bytes) {
        self.requests.insert(id, namespace.clone());
        self.requests_for.add(namespace, id);
    }

    /// The request that covers a namespace: the first of them.
    pub(super) fn request_for(&self, namespace: &Bytes) -> Option<u64> {
        self.requests_for.of(namespace).next().copied()
    }

    pub(super) fn publishes(&self, name: &Name) -> bool {
        self.publishes.contains(name)
    }

    pub(super) fn is_told_of(&self, name: &Name) -> bool {
        self.told_of.contains(name)
    }

    /// Notes a track that the session says it publishes.
    pub(super) fn publish(&mut self, id: u64, alias: u64, name: Name) {
        self.publishes.add(name.clone(), id);
        self.upstream.insert(id, Up { alias, name, used: 0 });
    }

    /// Ends one of those, or one that the relay asked for; the name, if the session published it.
    pub(super) fn end_upstream(&mut self, id: u64) -> Option<Name> {
        let up = self.upstream.remove(&id)?;
        if id % 2 == 1 {
            self.own.sub(cost(&up.name));
            self.publishes.remove(&up.name, &id);
        } else {
            self.asks_room.sub(cost(&up.name));
            self.asks_for.remove(&up.name);
            self.by_use.remove(&(up.used, id));
        }
        Some(up.name)
    }

    /// Notes that a subscription of the relay's brought an object.
    pub(super) fn touch(&mut self, id: u64) {
        let Some(up) = self.upstream.get_mut(&id).filter(|_| id.is_multiple_of(2)) else { return };
        self.by_use.remove(&(up.used, id));
        self.uses = self.uses.saturating_add(1);
        up.used = self.uses;
        self.by_use.insert((self.uses, id), ());
    }

    /// Takes a namespace request back that was refused.
    pub(super) fn refused(&mut self, request: u64) {
        if let Some(namespace) = self.asked.remove(&request) {
            self.asked_for.remove(&namespace);
        }
    }

    /// The message that asks for a namespace, unless it was asked for.
    pub(super) fn ask_namespace(&mut self, namespace: &Bytes) -> Option<SubscribeNamespace> {
        if self.asked_for.contains(namespace) {
            return None;
        }
        let id = self.next_request;
        self.next_request = id.wrapping_add(1);
        self.asked.insert(id, namespace.clone());
        self.asked_for.insert(namespace.clone(), id);
        Some(SubscribeNamespace { namespace: namespace.clone(), id })
    }

    /// The message that asks for a track, unless it was asked for, and the id of a subscription that ends for it.
    pub(super) fn ask_track(
        &mut self,
        name: &Name,
        config: &RelayConfig,
    ) -> Option<(Option<u64>, Subscribe)> {
        if self.asks_for.contains(name) {
            return None;
        }
        let mut ended = None;
        if !self.asks_room.fits(cost(name), config.session_entries, config.session_bytes) {
            // The one that was silent longest. Should that be too small, the track goes unasked for this time.
            let ((_, id), ()) = self.by_use.first()?;
            ended = Some(*id);
            self.end_upstream(*id);
        }
        let id = self.next_subscribe;
        self.next_subscribe = id.wrapping_add(2);
        self.asks_room.add(cost(name));
        self.asks_for.insert(name.clone(), id);
        self.by_use.insert((0, id), ());
        self.upstream.insert(id, Up { alias: id, name: name.clone(), used: 0 });
        let (namespace, track) = name.clone();
        let filter = Filter::From { group: 0 };
        Some((ended, Subscribe { subscribe_id: id, track_alias: id, namespace, name: track, filter }))
    }

    /// Whether there is room to tell of a track.
    pub(super) fn can_be_told(&self, name: &Name, config: &RelayConfig) -> bool {
        self.told_room.fits(cost(name), config.session_entries, config.session_bytes)
    }

    /// Stops serving the track that the session was notified of first.
    pub(super) fn end_oldest(&mut self) -> Option<(u64, Name)> {
        let id = *self.told.first()?.0;
        let down = self.told.remove(&id)?;
        self.told_of.remove(&down.name);
        self.told_room.sub(cost(&down.name));
        self.must_be_told_again = true;
        Some((id, down.name))
    }

    /// Notes that the session is notified of a track, under the id that is returned.
    pub(super) fn tell(&mut self, name: &Name) -> u64 {
        let id = self.next_info;
        self.next_info = id.wrapping_add(2);
        self.told_room.add(cost(name));
        self.told_of.insert(name.clone(), id);
        self.told.insert(id, Down { name: name.clone(), alias: id, from: 0 });
        id
    }

    /// Where objects go under an id.
    pub(super) fn down(&self, id: u64) -> Option<&Down> {
        if id % 2 == 1 { self.told.get(&id) } else { self.subscribed.get(&id) }
    }
}
