//! The door for objects: what cannot be one of the group's, by its track, its place or its size, is counted
//! and dropped here, whatever the phase.

use crate::engine::{Engine, EngineError, MessageKind};
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::future::{FutureCommits, Keep};
use crate::participant::input::Arrival;
use crate::tracks::{KEY_PACKAGE_GROUP, Object, SenderId, TREE_OBJECT, TrackKind, WELCOME_OBJECT};

impl<E: Engine> Context<E> {
    /// Says what an object is; `None` for one that is nothing.
    pub(crate) fn look_at(&mut self, object: Object) -> Result<Option<Arrival>, EngineError> {
        self.stats.objects = self.stats.objects.saturating_add(1);
        let mut sorted = self.sort(object);
        if let Ok(Some(Arrival::Welcome(welcome))) = &sorted
            && !matches!(self.engine.classify(welcome)?, Ok(MessageKind::Welcome))
        {
            sorted = Err((None, Fault::NotMls));
        }
        Ok(sorted.unwrap_or_else(|(from, fault)| {
            self.fault(from, fault);
            None
        }))
    }

    /// Sorts an object by its track, its place and its size.
    fn sort(&self, object: Object) -> Result<Option<Arrival>, (Option<SenderId>, Fault)> {
        let limits = &self.config.limits;
        let len = object.payload.len();
        let location = object.location;
        match self.tracks.classify(&object.track) {
            None => Err((None, Fault::ForeignTrack)),
            Some(TrackKind::KeyPackage(sender)) if sender == self.me => Ok(None),
            Some(TrackKind::KeyPackage(sender)) => {
                if location.group != KEY_PACKAGE_GROUP {
                    return Err((Some(sender), Fault::BadLocation));
                }
                if len > limits.key_package_bytes {
                    return Err((Some(sender), Fault::TooLarge));
                }
                Ok(Some(Arrival::KeyPackage { sender, object_id: location.object, payload: object.payload }))
            }
            Some(TrackKind::Welcome(recipient)) if recipient != self.me => {
                Err((Some(recipient), Fault::NotForMe))
            }
            Some(TrackKind::Welcome(_)) => {
                if len > limits.handshake_bytes {
                    return Err((None, Fault::TooLarge));
                }
                if location.object != WELCOME_OBJECT {
                    return Err((None, Fault::BadLocation));
                }
                Ok(Some(Arrival::Welcome(object.payload)))
            }
            Some(TrackKind::Commit(from)) => {
                if len > limits.handshake_bytes {
                    return Err((from, Fault::TooLarge));
                }
                // The last place that a commit can be published at, and its receipt's behind it.
                let most =
                    u64::try_from(limits.roster).unwrap_or(u64::MAX).saturating_add(1).saturating_mul(2);
                if location.object > most.saturating_add(1) {
                    return Err((from, Fault::BadLocation));
                }
                Ok(Some(Arrival::Commit { from, object }))
            }
            Some(TrackKind::Tree(from)) => {
                if !self.params.tree_objects {
                    return Err((from, Fault::ForeignTrack));
                }
                if len > limits.tree_bytes {
                    return Err((from, Fault::TooLarge));
                }
                if location.object != TREE_OBJECT {
                    return Err((from, Fault::BadLocation));
                }
                Ok(Some(Arrival::Tree(object)))
            }
        }
    }

    /// Keeps a commit object for later; `false` if there is no room for it, which is counted.
    pub(crate) fn keep_commit(
        &mut self,
        future: &mut FutureCommits,
        from: Option<SenderId>,
        object: Object,
        keep: Keep,
    ) -> bool {
        let kept = future.keep(from.clone(), object, keep, &self.config.limits);
        if !kept {
            self.fault(from, Fault::TooMany);
        }
        kept
    }
}
