//! What a participant shows of itself: its tracks, its subscriptions, its KeyPackages (draft section 6.1).

use bytes::Bytes;

use crate::action::Action;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::requests::Interest;
use crate::tracks::{CommitTrackPolicy, KEY_PACKAGE_GROUP, Location};

impl<E: Engine> Context<E> {
    /// Announces and subscribes. The Commit track comes before any KeyPackage is published: a commit
    /// that follows this participant's own Welcome must not be missed.
    pub(crate) fn listen(&mut self) {
        for namespace in [
            self.tracks.key_package_namespace(),
            self.tracks.welcome_namespace(),
            self.tracks.commit_namespace(),
        ] {
            self.actions.push_back(Action::Announce { namespace });
        }
        if self.params.tree_objects {
            self.actions.push_back(Action::Announce { namespace: self.tracks.tree_namespace() });
        }
        // Own commits must come back too, and a namespace subscription leaves them out.
        self.subscribe(Interest::Track(self.tracks.commit(&self.me)));
        if self.tracks.policy() == CommitTrackPolicy::PerSender {
            self.subscribe(Interest::Namespace(self.tracks.commit_namespace()));
        }
        self.subscribe(Interest::Track(self.tracks.welcome(&self.me)));
        self.subscribe(Interest::Namespace(self.tracks.key_package_namespace()));
        self.listen_back();
    }

    /// Returns whether the relay may still be showing what was on the KeyPackage tracks when this participant came: a
    /// KeyPackage of a member that is long gone looks like a newcomer's then. A joiner that still waits publishes a
    /// fresh one in as much time.
    pub(crate) fn is_shown_old_ones(&self) -> bool {
        self.shown_until.is_some_and(|until| self.now < until)
    }

    /// Makes a KeyPackage with the next object id. It must be durable before it is
    /// [shown](Self::show_key_package): neither an object id nor an init key is ever used twice.
    pub(crate) fn make_key_package(&mut self) -> Result<(), Error> {
        let object_id = self.next_object_id()?;
        let key = self.engine.generate_key_package(self.time_of_day(), &self.config.group, object_id)?;
        self.keys.packages.push(key);
        let excess = self.keys.packages.len().saturating_sub(self.config.limits.own_key_packages);
        self.keys.packages.drain(..excess);
        Ok(())
    }

    /// Publishes the newest own KeyPackage, always the same bytes at the same place.
    pub(crate) fn show_key_package(&mut self) {
        let Some(key) = self.keys.packages.last() else { return };
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: key.object_id };
        let message = key.message.clone();
        self.publish(self.tracks.key_package(&self.me), location, message);
    }

    /// Keeps a Welcome for later if a key that is still held opens it. The newest are worth most.
    pub(crate) fn keep_own_welcome(&mut self, payload: Bytes) -> Result<(), Error> {
        let keys = &self.keys.packages;
        if keys.is_empty() || self.keys.early_welcomes.contains(&payload) {
            return Ok(());
        }
        let Some(read) = self.read_welcome(&payload) else { return Ok(()) };
        if self.engine.examine_welcome(&read.welcome, keys)?.is_err() {
            return Ok(());
        }
        if self.keys.early_welcomes.len() >= self.config.limits.welcomes.max(1) {
            self.keys.early_welcomes.remove(0);
            self.fault(None, Fault::TooMany);
        }
        self.keys.early_welcomes.push(payload);
        Ok(())
    }
}
