//! The order in which objects go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use moq_mls::Object;
use moq_mls::action::{PublishId, SubscribeId};
use moq_mls::tracks::FullTrackName;

/// What waits to be published: of each track, one object is on its way at a time. Nothing leaves before the
/// subscriptions that were asked for earlier are accepted or refused.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    waiting: BTreeMap<FullTrackName, VecDeque<(PublishId, Object)>>,
    busy: BTreeSet<FullTrackName>,
    subscribing: BTreeSet<SubscribeId>,
}

impl Publishing {
    pub(super) fn push(&mut self, id: PublishId, object: Object) {
        self.waiting.entry(object.track.clone()).or_default().push_back((id, object));
    }

    /// Returns the next object that may leave.
    pub(super) fn next(&mut self) -> Option<(PublishId, Object)> {
        if !self.subscribing.is_empty() {
            return None;
        }
        let track = self.waiting.keys().find(|track| !self.busy.contains(*track))?.clone();
        let queue = self.waiting.get_mut(&track)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&track);
        }
        self.busy.insert(track);
        next
    }

    /// Notes that the object of this track is no longer on its way.
    pub(super) fn done(&mut self, track: &FullTrackName) {
        self.busy.remove(track);
    }

    pub(super) fn subscribing(&mut self, id: SubscribeId) {
        self.subscribing.insert(id);
    }

    pub(super) fn subscribed(&mut self, id: SubscribeId) {
        self.subscribing.remove(&id);
    }

    /// Returns how many objects wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// Returns whether nothing waits and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.busy.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use moq_mls::tracks::{Location, TrackNamespace};

    use super::*;

    #[test]
    fn objects_of_a_track_leave_one_by_one_and_after_subscriptions() {
        let object = |name: &'static str, object| Object {
            track: FullTrackName {
                namespace: TrackNamespace::new(vec!["room".into()]).unwrap(),
                name: name.into(),
            },
            location: Location { group_id: 0, object_id: object },
            payload: Bytes::new(),
        };
        let mut publishing = Publishing::default();
        publishing.subscribing(SubscribeId(1));
        publishing.push(PublishId(2), object("a", 0));
        publishing.push(PublishId(3), object("a", 1));
        publishing.push(PublishId(4), object("b", 0));
        assert!(publishing.next().is_none());
        assert_eq!(publishing.waiting(), 3);
        publishing.subscribed(SubscribeId(1));
        assert_eq!(publishing.next().unwrap().0, PublishId(2));
        assert_eq!(publishing.next().unwrap().0, PublishId(4));
        assert!(publishing.next().is_none());
        publishing.done(&object("a", 0).track);
        assert_eq!(publishing.next().unwrap().0, PublishId(3));
        publishing.done(&object("a", 0).track);
        publishing.done(&object("b", 0).track);
        assert!(publishing.is_empty());
    }
}
