//! The own KeyPackage track, as the relay has it: an identity may have lost its state, and with it the number that its
//! next KeyPackage must be above. Members take no older one than the one that its sender joined by.

use crate::action::FetchTarget;
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::context::Context;
use crate::participant::requests::FetchPurpose;
use crate::tracks::{KEY_PACKAGE_GROUP, Object, TrackKind};

/// How many of the newest are verified: anybody can make up what says that it is ours.
const MOST_VERIFIED: usize = 8;

impl<E: Engine> Context<E> {
    /// Asks the relay what is on the own KeyPackage track.
    pub(crate) fn look_at_own_track(&mut self) {
        let track = FetchTarget::Track(self.tracks.key_package(&self.me));
        self.fetch(FetchPurpose::OwnTrack, track, KEY_PACKAGE_GROUP..=KEY_PACKAGE_GROUP);
    }

    /// Takes in what is there. Returns whether the next KeyPackage has a higher number because of it.
    pub(crate) fn on_own_track(&mut self, objects: Vec<Object>) -> Result<bool, Error> {
        let mut newest: Vec<Object> = Vec::new();
        for object in objects {
            let (number, own) = (object.location.object_id, TrackKind::KeyPackage(self.me.clone()));
            if self.tracks.classify(&object.track) == Some(own)
                && object.location.group_id == KEY_PACKAGE_GROUP
                && number >= self.keys.next_object_id
                && !self.is_ahead(number)
                && object.payload.len() <= self.config.limits.key_package_bytes
                && let Ok(claim) = self.engine.peek_key_package(&object.payload)?
                && claim.may_be_at(&self.me, number)
                && self.misbound(&claim).is_none()
            {
                newest.push(object);
            }
        }
        newest.sort_unstable_by_key(|object| std::cmp::Reverse(object.location.object_id));
        for object in newest.into_iter().take(MOST_VERIFIED) {
            let info = self.engine.inspect_key_package(self.time_of_day(), &object.payload)?;
            if info.is_ok_and(|info| info.sender == self.me) {
                self.keys.next_object_id = object.location.object_id.saturating_add(1);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
