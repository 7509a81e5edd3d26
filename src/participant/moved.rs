//! Where this participant came from, if its group has a successor and it has gone over.

use bytes::Bytes;

use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::{CommitTrackPolicy, FullTrackName, GroupName, GroupTracks, TrackKind};

/// The names that led here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moved {
    /// The group as configured: where newcomers look for it.
    pub(crate) home: GroupName,
    /// The group before the present one: there its members tell each other of successors.
    pub(crate) past: Option<GroupName>,
    /// What this participant announced there of the successor that it founded.
    pub(crate) beacon: Option<Beacon>,
}

/// The announcement of a successor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beacon {
    /// Its object id on the founder's KeyPackage track.
    pub(crate) object: u64,
    pub(crate) payload: Bytes,
    /// How long it is shown again and again.
    pub(crate) until: Timestamp,
}

impl Moved {
    /// Of a participant that is where it was configured to be.
    pub(crate) fn nowhere(home: GroupName) -> Self {
        Self { home, past: None, beacon: None }
    }

    /// Whether the group is a successor.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.past.is_some()
    }

    /// The groups whose KeyPackage tracks are heard besides those of the present group.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &GroupName> {
        let home = self.past.iter().filter(|past| **past != self.home).map(|_| &self.home);
        self.past.iter().chain(home)
    }

    /// What a track is in one of the groups before.
    pub(crate) fn classify(&self, track: &FullTrackName, policy: CommitTrackPolicy) -> Option<TrackKind> {
        self.heard().find_map(|group| GroupTracks::new(group.clone(), policy).classify(track))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.past.as_ref(), |out, past| out.bytes(past.as_bytes()));
        out.option(self.beacon.as_ref(), |out, beacon| {
            out.u64(beacon.object);
            out.bytes(&beacon.payload);
            out.u64(beacon.until.as_millis());
        });
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(home: GroupName, from: &mut Reader) -> Result<Self, SnapshotError> {
        let past = from.option(|from| group_name(from.bytes()?))?;
        let beacon = from.option(|from| {
            let (object, payload) = (from.u64()?, from.bytes()?);
            Ok(Beacon { object, payload, until: Timestamp::from_millis(from.u64()?) })
        })?;
        Ok(Self { home, past, beacon })
    }
}

/// Takes a group name out of a snapshot.
pub(crate) fn group_name(bytes: Bytes) -> Result<GroupName, SnapshotError> {
    GroupName::new(bytes).map_err(|_| SnapshotError::Malformed)
}
