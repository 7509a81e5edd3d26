//! Going over to a successor, and what is still done where this participant came from.

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::engine::Engine;
use crate::participant::context::Context;
use crate::participant::moved::{Beacon, Moved, group_name};
use crate::participant::requests::Interest;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::{FullTrackName, GroupName, GroupTracks, KEY_PACKAGE_GROUP, Location, SenderId};

impl<E: Engine> Context<E> {
    fn rename(&mut self, group: GroupName, epoch_base: u64) {
        self.tracks = GroupTracks::new(group.clone(), self.config.params.commit_tracks);
        self.config.group = group;
        self.params.epoch_base = epoch_base;
    }

    /// Goes over to another name. Nothing that is under way under the old one counts any more. From one successor to
    /// another, the place where the members of the last epoch meet stays.
    pub(crate) fn move_to(&mut self, group: GroupName, epoch_base: u64, again: bool) {
        if !again {
            self.moved.past = Some(self.config.group.clone());
        }
        self.unsubscribe_all();
        self.requests.abandon();
        self.keys.early_welcomes.clear();
        (self.signs_since, self.hinted) = (None, None);
        self.fresh = self.fresh.elsewhere();
        self.rename(group, epoch_base);
        self.listen();
    }

    /// Goes back to where newcomers look for the group.
    pub(crate) fn go_home(&mut self) {
        let home = self.moved.home.clone();
        self.moved = Moved::nowhere(home.clone());
        self.move_to(home, 0, true);
    }

    /// Goes back to where the group before is.
    pub(crate) fn move_back(&mut self, epoch_base: u64) {
        let home = self.moved.home.clone();
        let past = self.moved.past.take().unwrap_or_else(|| home.clone());
        // One step back from the first successor is home. From a later one, newcomers' place stays heard.
        self.moved = Moved { past: (past != home).then(|| home.clone()), ..Moved::nowhere(home) };
        self.move_to(past, epoch_base, true);
    }

    /// Hears what goes on where this participant came from.
    pub(crate) fn listen_back(&mut self) {
        let policy = self.config.params.commit_tracks;
        let heard = self.moved.heard().map(|group| GroupTracks::new(group.clone(), policy));
        for tracks in heard.collect::<Vec<_>>() {
            for namespace in [tracks.key_package_namespace(), tracks.welcome_namespace()] {
                self.actions.push_back(Action::Announce { namespace });
            }
            self.subscribe(Interest::Namespace(tracks.key_package_namespace()));
        }
    }

    /// Where a recipient may look for its Welcome: a newcomer knows the group as it was configured.
    pub(crate) fn welcome_tracks(&self, recipient: &SenderId) -> Vec<FullTrackName> {
        let policy = self.config.params.commit_tracks;
        let home = self.moved.past.iter().map(|_| GroupTracks::new(self.moved.home.clone(), policy));
        std::iter::once(self.tracks.clone()).chain(home).map(|tracks| tracks.welcome(recipient)).collect()
    }

    /// The KeyPackage tracks where the members of the last epoch tell each other of successors.
    pub(crate) fn meeting_place(&self) -> GroupTracks {
        let group = self.moved.past.as_ref().unwrap_or(&self.config.group);
        GroupTracks::new(group.clone(), self.config.params.commit_tracks)
    }

    /// Keeps the announcement of the successor that this participant founds.
    pub(crate) fn set_beacon(&mut self, object: u64, payload: Bytes) {
        let until = self.now.after(self.config.timers.keep);
        self.moved.beacon = Some(Beacon { object, payload, until });
    }

    /// Tells of the successor that this participant founded; again and again, for a relay may lose it.
    pub(crate) fn show_beacon(&mut self) {
        let Some(beacon) = self.moved.beacon.clone().filter(|beacon| self.now < beacon.until) else { return };
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: beacon.object };
        self.publish(self.meeting_place().key_package(&self.me), location, beacon.payload);
        self.set(Timer::Recover, self.config.timers.strand / 4);
    }

    /// Writes where this participant is, and how it came there.
    pub(crate) fn write_moved(&self, out: &mut Writer) {
        self.moved.write(out);
        if self.moved.is_elsewhere() {
            out.bytes(self.config.group.as_bytes());
            out.u64(self.params.epoch_base);
        }
    }

    /// Reads what [`write_moved`](Self::write_moved) wrote.
    pub(crate) fn read_moved(&mut self, from: &mut Reader) -> Result<(), SnapshotError> {
        self.moved = Moved::read(self.moved.home.clone(), from)?;
        if self.moved.is_elsewhere() {
            let group = group_name(from.bytes()?)?;
            let base = from.u64()?;
            self.rename(group, base);
        }
        Ok(())
    }
}
