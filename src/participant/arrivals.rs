//! The door for objects: what cannot be one of the group's, by its track, its place or its size, is counted
//! and dropped here, whatever the phase.

use bytes::Bytes;

use crate::codec::pinned::{Confirmation, WelcomeObject};
use crate::engine::{Engine, EngineError, MessageKind};
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::future::{FutureCommits, Keep};
use crate::participant::input::Arrival;
use crate::tracks::{KEY_PACKAGE_GROUP, Object, SenderId, TrackKind, WELCOME_OBJECT};

/// What a Welcome object holds.
pub(crate) struct Welcomed {
    pub(crate) welcome: Bytes,
    /// `None` where nothing is pinned, or the receipt on the Commit track is for all.
    pub(crate) confirmation: Option<Confirmation>,
}

impl<E: Engine> Context<E> {
    /// Says what an object is; `None` for one that is nothing.
    pub(crate) fn look_at(&mut self, object: Object) -> Result<Option<Arrival>, EngineError> {
        self.stats.objects = self.stats.objects.saturating_add(1);
        let mut sorted = self.sort(object);
        if let Ok(Some(Arrival::Welcome(payload))) = &sorted {
            let welcome = self.read_welcome(payload);
            let kind = welcome.map(|w| self.engine.classify(&w.welcome)).transpose()?;
            if !matches!(kind, Some(Ok(MessageKind::Welcome))) {
                sorted = Err((None, Fault::NotMls));
            }
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
            None => self.sort_elsewhere(object),
            Some(TrackKind::KeyPackage(sender)) if sender == self.me => Ok(None),
            Some(TrackKind::KeyPackage(sender)) => {
                if let Some(fault) = self.is_no_key_package(&object) {
                    return Err((Some(sender), fault));
                }
                Ok(Some(Arrival::KeyPackage {
                    sender,
                    object_id: location.object_id,
                    payload: object.payload,
                }))
            }
            Some(TrackKind::Welcome(recipient)) if recipient != self.me => {
                Err((Some(recipient), Fault::NotForMe))
            }
            Some(TrackKind::Welcome(_)) => {
                if len > limits.handshake_bytes {
                    return Err((None, Fault::TooLarge));
                }
                if !self.rules.draws_places && location.object_id != WELCOME_OBJECT {
                    return Err((None, Fault::BadLocation));
                }
                Ok(Some(Arrival::Welcome(object.payload)))
            }
            Some(TrackKind::Commit(from)) => {
                if len > limits.handshake_bytes {
                    return Err((from, Fault::TooLarge));
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
                Ok(Some(Arrival::Tree(object)))
            }
        }
    }

    /// What is wrong with an object of a KeyPackage track by its place and size.
    fn is_no_key_package(&self, object: &Object) -> Option<Fault> {
        if object.location.group_id != KEY_PACKAGE_GROUP {
            return Some(Fault::BadLocation);
        }
        // The newest speaks: one from the far future would silence all that come after it.
        if self.is_ahead(object.location.object_id) {
            return Some(Fault::Expired);
        }
        (object.payload.len() > self.config.limits.key_package_bytes).then_some(Fault::TooLarge)
    }

    /// Sorts an object of none of the group's tracks: it may be of the group before.
    fn sort_elsewhere(&self, object: Object) -> Result<Option<Arrival>, (Option<SenderId>, Fault)> {
        match self.moved.classify(&object.track, self.config.params.commit_tracks) {
            None => Err((None, Fault::ForeignTrack)),
            Some(TrackKind::KeyPackage(sender)) if sender != self.me => {
                if let Some(fault) = self.is_no_key_package(&object) {
                    return Err((Some(sender), fault));
                }
                let object_id = object.location.object_id;
                Ok(Some(Arrival::Elsewhere { sender, object_id, payload: object.payload }))
            }
            // What was under way when this participant went over.
            Some(_) => Ok(None),
        }
    }

    /// Reads a Welcome object: in a pinned group it carries its epoch's pin, unless its tree is apart.
    pub(crate) fn read_welcome(&self, payload: &Bytes) -> Option<Welcomed> {
        if !self.rules.pins {
            return Some(Welcomed { welcome: payload.clone(), confirmation: None });
        }
        let WelcomeObject { confirmation, welcome } = WelcomeObject::decode(payload.clone()).ok()?;
        Some(Welcomed { welcome, confirmation })
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
