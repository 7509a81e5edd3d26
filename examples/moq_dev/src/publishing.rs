//! What one client publishes: a broadcast for each track, and what of it stays.
//!
//! moq-relay keeps the newest group of a track, and others for a while. The publisher has the rest: the relay asks it for
//! a group that it has no more. So old groups stay in the memory of the publisher, up to [`KEPT`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location, SenderId, TrackKind};
use moq_mls_tokio::RelayError;
use moq_net::{Timestamp, broadcast, cache, group, origin, track};

use crate::names::kind;
use crate::{frames, names};

/// Most bytes of own objects that are kept for others.
const KEPT: u64 = 64 * 1024 * 1024;
/// Groups of one track that take more objects.
const OPEN_GROUPS: usize = 4;
/// Newest objects of one track of which a second copy is known as one.
const REMEMBERED: usize = 256;
/// How long control objects stay, by their time. They all have the same time, so they stay for as long as there is room.
const CONTROL_AGE: Duration = Duration::from_secs(24 * 3600);
/// How long media stays.
pub const MEDIA_AGE: Duration = Duration::from_secs(10);
/// How long a Welcome is offered. Its recipient is there, and waits for it.
const WELCOME_HELD: Duration = Duration::from_secs(60);

/// Code of the refusal of a second object at a place that has another.
pub const OTHER_BYTES: u64 = 1;
/// Code of the refusal of an object of a group that has ended.
pub const GROUP_ENDED: u64 = 2;
/// Code of the refusal of what the library does not take.
pub const LIBRARY: u64 = 3;

/// The broadcasts of one client.
pub struct Publisher {
    origin: origin::Producer,
    me: SenderId,
    tracks: BTreeMap<FullTrackName, Outgoing>,
    seen: BTreeMap<String, Outgoing>,
}

/// A broadcast and its track.
struct Outgoing {
    /// Dropped, it ends the broadcast.
    _broadcast: broadcast::Producer,
    track: track::Producer,
    open: BTreeMap<u64, group::Producer>,
    /// The newest objects, by track name and place.
    written: BTreeMap<(Location, Bytes), Bytes>,
    is_media: bool,
    last: Instant,
}

impl Publisher {
    /// Makes the publisher of the client `me`. It needs a tokio runtime.
    pub fn new(me: SenderId) -> Self {
        let mut config = origin::Config::default();
        config.pool = cache::Pool::new(cache::Config::default().with_capacity(KEPT));
        Self {
            origin: moq_tokio::origin::spawn_config(config),
            me,
            tracks: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Returns what a session publishes.
    pub fn origin(&self) -> &origin::Producer {
        &self.origin
    }

    /// Writes an object. The same bytes at the same place are written once.
    ///
    /// # Errors
    /// A refusal: [`OTHER_BYTES`], [`GROUP_ENDED`], [`LIBRARY`].
    pub fn write(&mut self, object: &Object) -> Result<(), RelayError> {
        let held = |track: &FullTrackName, outgoing: &Outgoing| {
            !matches!(kind(track), Some(TrackKind::Welcome(_))) || outgoing.last.elapsed() < WELCOME_HELD
        };
        self.tracks.retain(|track, outgoing| *track == object.track || held(track, outgoing));
        let outgoing = match self.tracks.get_mut(&object.track) {
            Some(outgoing) => outgoing,
            None => {
                let path = names::path(&object.track, &self.me);
                let outgoing = Outgoing::open(&self.origin, &path, kind(&object.track).is_none())?;
                self.tracks.entry(object.track.clone()).or_insert(outgoing)
            }
        };
        outgoing.write(object, frames::encode(object))
    }

    /// Offers a commit that came from the relay to members that missed it. One that was offered before, or that is older
    /// than [`OPEN_GROUPS`] epochs, is passed over.
    pub fn offer(&mut self, commit: &Object) {
        let Some((group, frame)) = names::group(&commit.track.namespace).zip(frames::encode_named(commit))
        else {
            return;
        };
        let path = names::seen(&group, &self.me);
        let outgoing = match self.seen.get_mut(&path) {
            Some(outgoing) => outgoing,
            None => match Outgoing::open(&self.origin, &path, false) {
                Ok(outgoing) => self.seen.entry(path).or_insert(outgoing),
                Err(error) => return tracing::warn!(%error, "commits of others are not offered"),
            },
        };
        if let Err(error) = outgoing.write(commit, frame) {
            tracing::debug!(%error, "a commit is not offered");
        }
    }
}

impl Outgoing {
    fn open(origin: &origin::Producer, path: &str, is_media: bool) -> Result<Self, RelayError> {
        let broadcast = origin.create_broadcast(path).map_err(refused)?;
        let age = if is_media { MEDIA_AGE } else { CONTROL_AGE };
        let info = track::Info::default().with_max_age(age);
        let track = broadcast.create_track(names::TRACK, info).map_err(refused)?;
        broadcast.announce(Default::default()).map_err(refused)?;
        let (open, written) = Default::default();
        Ok(Self { _broadcast: broadcast, track, open, written, is_media, last: Instant::now() })
    }

    fn write(&mut self, object: &Object, frame: Bytes) -> Result<(), RelayError> {
        self.last = Instant::now();
        let place = (object.location, object.track.name.clone());
        match self.written.get(&place) {
            Some(before) if *before == object.payload => return Ok(()),
            Some(_) => return Err(RelayError::refused(OTHER_BYTES, "another object is at this place")),
            None => {}
        }
        let sequence = object.location.group_id;
        let group = match self.open.get_mut(&sequence) {
            Some(group) => group,
            None => {
                if self.open.len() >= OPEN_GROUPS
                    && self.open.first_key_value().is_some_and(|(low, _)| sequence < *low)
                {
                    return Err(RelayError::refused(GROUP_ENDED, format!("group {sequence} has ended")));
                }
                let group = self.track.create_group(group::Info { sequence }).map_err(refused)?;
                self.open.entry(sequence).or_insert(group)
            }
        };
        // Groups are dropped by the age of their time. Of control objects, none is to be dropped.
        let time = if self.is_media { Timestamp::now() } else { Timestamp::ZERO };
        group.write_frame(time, frame).map_err(refused)?;
        self.written.insert(place, object.payload.clone());
        if self.written.len() > REMEMBERED {
            self.written.pop_first();
        }
        while self.open.len() > OPEN_GROUPS
            && let Some((_, ended)) = self.open.pop_first()
        {
            ended.finish().map_err(refused)?;
        }
        Ok(())
    }
}

fn refused(error: impl std::fmt::Display) -> RelayError {
    RelayError::refused(LIBRARY, error)
}
