//! The commits that a participant has seen, for those who missed them.
//!
//! The relay keeps no history: it passes a FETCH on to the session that published the namespace. So every
//! participant publishes the namespace `(group, commits, its SenderId)` with one track, `seen`, that holds
//! whatever came on anybody's commit track: MOQT group = the epoch, object = a number from 0, payload =
//! `u16 length of the track's name | the name | u64 object id | the object's payload`. Nothing in it needs to
//! be believed: receivers judge commits by the pin.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use bytes::{Buf, BufMut, Bytes};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location, SenderId, TrackNamespace};

/// The track's name.
const SEEN: &str = "seen";
/// Epochs that are kept: as far back as the counter service keeps pins, a member can catch up.
const KEPT_EPOCHS: usize = crate::counter::store::KEEP.pins;
/// Objects kept for each epoch: nobody honest makes more.
const KEPT_OBJECTS: usize = 64;

/// Objects of commit tracks, by MOQT group in the order they came.
#[derive(Default)]
pub struct CommitLog(BTreeMap<u64, Vec<Object>>);

/// The track of what `sender` has seen on the commit tracks under `commits`.
pub fn track(commits: &TrackNamespace, sender: &SenderId) -> Result<FullTrackName> {
    let fields = commits.fields().iter().chain([sender.as_bytes()]).cloned().collect();
    Ok(FullTrackName { namespace: TrackNamespace::new(fields)?, name: Bytes::from_static(SEEN.as_bytes()) })
}

impl CommitLog {
    /// Takes an object of a commit track.
    pub fn note(&mut self, object: &Object) {
        let group = self.0.entry(object.location.group_id).or_default();
        if group.len() < KEPT_OBJECTS && !group.contains(object) {
            group.push(object.clone());
        }
        while self.0.len() > KEPT_EPOCHS {
            self.0.pop_first();
        }
    }

    /// What came of these MOQT groups.
    pub fn seen(&self, groups: RangeInclusive<u64>) -> Vec<Object> {
        self.0.range(groups).flat_map(|(_, objects)| objects).cloned().collect()
    }

    /// The same as objects of `track`.
    pub fn export(&self, track: &FullTrackName, groups: RangeInclusive<u64>) -> Vec<Object> {
        if track.name != SEEN {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (group, objects) in self.0.range(groups) {
            for (object, seen) in (0..).zip(objects) {
                let mut payload = Vec::with_capacity(seen.payload.len() + 80);
                payload.put_u16(u16::try_from(seen.track.name.len()).unwrap_or(u16::MAX));
                payload.put_slice(&seen.track.name);
                payload.put_u64(seen.location.object_id);
                payload.put_slice(&seen.payload);
                let location = Location { group_id: *group, object_id: object };
                out.push(Object { track: track.clone(), location, payload: payload.into() });
            }
        }
        out
    }
}

/// The object of a commit track under `commits` that an object of [`track`] holds.
pub fn import(commits: &TrackNamespace, object: Object) -> Result<Object> {
    let mut payload = object.payload;
    let len = usize::from(payload.try_get_u16()?);
    if len > payload.len() {
        bail!("a name cut short");
    }
    let name = payload.split_to(len);
    let location = Location { group_id: object.location.group_id, object_id: payload.try_get_u64()? };
    Ok(Object { track: FullTrackName { namespace: commits.clone(), name }, location, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back() {
        let commits = TrackNamespace::new(vec!["room".into(), "commits".into()]).unwrap();
        let sender = SenderId::new("alice").unwrap();
        let object = |group, object, name: &'static str| Object {
            track: FullTrackName { namespace: commits.clone(), name: name.into() },
            location: Location { group_id: group, object_id: object },
            payload: format!("{group} {object}").into(),
        };
        let all = [object(4, 0, "a"), object(4, 1, "a"), object(4, 0, "b"), object(7, 0, "b")];
        let mut log = CommitLog::default();
        for seen in all.iter().chain(&all) {
            log.note(seen);
        }
        assert_eq!(log.seen(0..=9), all);
        let track = track(&commits, &sender).unwrap();
        let exported = log.export(&track, 0..=9);
        let places: Vec<_> = exported.iter().map(|o| (o.location.group_id, o.location.object_id)).collect();
        assert_eq!(places, [(4, 0), (4, 1), (4, 2), (7, 0)]);
        let back: Vec<_> = exported.into_iter().map(|o| import(&commits, o).unwrap()).collect();
        assert_eq!(back, all);
        assert_eq!(log.export(&track, 5..=6), []);
    }
}
