//! The ratchet tree as an object of its own (ours, `design.md` section 4 row 10 and section 7).
//!
//! A Welcome has the whole tree inside, so N joiners cost N trees. From
//! [`Config::tree_threshold`](crate::Config::tree_threshold) members on, the committer publishes the tree
//! once, right before its Welcomes, and each Welcome says where it lies. A joiner fetches it when it needs
//! it, and takes Welcome, pin and tree in any order.
//!
//! Nothing depends on the object being right: mls-rs checks the tree against the tree hash in the
//! GroupContext, whose hash is pinned. A wrong one is thrown away and fetched again; a joiner that never
//! gets it publishes a fresh KeyPackage in time, as for any Welcome that does not come.

use std::time::Duration;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::Pin;
use crate::engine::{Engine, TreeObject, WelcomeInfo};
use crate::error::Error;
use crate::notice::{Fault, Notice};
use crate::participant::{Participant, State};
use crate::tracks::{FullTrackName, Location, Object, SenderId, TREE_OBJECT, TrackKind};

/// Most tree objects held that came before a Welcome that names them.
const HELD: usize = 4;
/// After so many fetches without it, a tree counts as missing. A relay may need the first one to ask its
/// own upstream.
const MISSING: u32 = 3;

/// What a joiner has and lacks of trees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Trees {
    /// Tree objects at hand, oldest first.
    held: Vec<Object>,
    /// Welcomes that may be joined by once their tree is here.
    waiting: Vec<Waiting>,
    attempts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    welcome: Bytes,
    info: WelcomeInfo,
    pin: Option<Pin>,
}

/// Whether a Welcome has its tree.
pub(crate) enum Found {
    /// Inside the Welcome.
    Inside,
    /// Sent apart, and here.
    Apart(Bytes),
    /// Sent apart, and not here yet: the Welcome waits.
    NotYet,
}

impl Trees {
    fn keep(&mut self, object: Object, most_bytes: usize) {
        if self.held.contains(&object) {
            return;
        }
        self.held.push(object);
        let bytes = |held: &[Object]| held.iter().map(|o| o.payload.len()).sum::<usize>();
        while self.held.len() > HELD || bytes(&self.held) > most_bytes {
            self.held.remove(0);
        }
    }

    fn at(&self, tree: &TreeObject) -> Option<Bytes> {
        let here = |o: &&Object| o.track == tree.track && o.location == tree.location;
        self.held.iter().find(here).map(|o| o.payload.clone())
    }

    fn drop_at(&mut self, tree: &TreeObject) {
        self.held.retain(|o| o.track != tree.track || o.location != tree.location);
    }
}

impl<E: Engine> Participant<E> {
    /// Where the tree of a commit goes that makes a group of `members`; `None`: into each Welcome.
    pub(crate) fn tree_place(&self, members: usize) -> Option<(FullTrackName, Location)> {
        let threshold = self.config.tree_threshold.filter(|_| self.params.tree_objects)?;
        let group = self.member()?.slot();
        (members >= threshold).then(|| (self.tracks.tree(&self.me), Location { group, object: TREE_OBJECT }))
    }

    /// Publishes the tree of one's own commit, ahead of its Welcomes.
    pub(crate) fn publish_tree(&mut self) {
        let Some(member) = self.member() else { return };
        let Some(tree) = member.tree.clone() else { return };
        let location = Location { group: member.epoch, object: TREE_OBJECT };
        self.publish(self.tracks.tree(&self.me), location, tree);
    }

    pub(crate) fn on_tree_object(&mut self, from: Option<SenderId>, object: Object) -> Result<(), Error> {
        let most = self.config.limits.tree_bytes;
        if !self.params.tree_objects {
            self.fault(from, Fault::ForeignTrack);
        } else if object.payload.len() > most {
            self.fault(from, Fault::TooLarge);
        } else if object.location.object != TREE_OBJECT {
            self.fault(from, Fault::BadLocation);
        } else if matches!(self.state, State::Bootstrapping(_) | State::Joining(_)) {
            // The one that is waited for and one more must fit.
            self.trees.keep(object, most.saturating_mul(2));
            self.try_waiting()?;
        }
        Ok(())
    }

    /// The tree of a Welcome that was examined and confirmed; one that is not here yet is fetched.
    pub(crate) fn find_tree(
        &mut self,
        welcome: &Bytes,
        info: &WelcomeInfo,
        pin: Option<Pin>,
    ) -> Option<Found> {
        if info.has_tree {
            return Some(Found::Inside);
        }
        let tree = info.tree.as_ref()?;
        let fits = matches!(self.tracks.classify(&tree.track), Some(TrackKind::Tree(_)))
            && tree.location == Location { group: info.epoch, object: TREE_OBJECT };
        if !fits {
            return None;
        }
        let held = self.trees.at(tree);
        let fresh = held.is_none();
        if let Some(payload) = held {
            match self.engine.open_tree(tree, &payload) {
                Ok(tree) => return Some(Found::Apart(tree)),
                Err(_) => self.wrong_tree(tree),
            }
        }
        self.wait_for_tree(welcome, info, pin, fresh);
        Some(Found::NotYet)
    }

    /// What lies at a tree's place is not that tree.
    fn wrong_tree(&mut self, tree: &TreeObject) {
        self.trees.drop_at(tree);
        self.fault(None, Fault::WrongTree);
    }

    /// The tree opened, and does not belong to its Welcome.
    pub(crate) fn on_wrong_tree(&mut self, welcome: &Bytes, info: &WelcomeInfo, pin: Option<Pin>) {
        if let Some(tree) = &info.tree {
            self.wrong_tree(tree);
            self.wait_for_tree(welcome, info, pin, false);
        }
    }

    fn wait_for_tree(&mut self, welcome: &Bytes, info: &WelcomeInfo, pin: Option<Pin>, fresh: bool) {
        let waits = self.trees.waiting.iter().any(|w| w.welcome == *welcome);
        if !waits && self.trees.waiting.len() < self.config.limits.welcomes {
            self.trees.waiting.push(Waiting { welcome: welcome.clone(), info: info.clone(), pin });
        }
        // What was wrong a moment ago is not asked for again at once.
        if fresh && !waits {
            self.trees.attempts = 0;
            self.fetch_trees();
        } else if !self.deadlines.is_set(Timer::Tree) {
            let wait = self.tree_pause();
            self.deadlines.set(Timer::Tree, self.now.after(wait));
        }
    }

    /// Asks the relay for the trees that are waited for, and sets when to ask again.
    fn fetch_trees(&mut self) {
        let wanted: Vec<TreeObject> = self.trees.waiting.iter().filter_map(|w| w.info.tree.clone()).collect();
        if wanted.is_empty() {
            return;
        }
        let wait = self.tree_pause();
        self.trees.attempts = self.trees.attempts.saturating_add(1);
        self.deadlines.set(Timer::Tree, self.now.after(wait));
        for TreeObject { track, location, .. } in wanted {
            self.fetch(track, location.group..=location.group);
        }
    }

    /// A growing pause, at most as long as the one before a missing commit is fetched again.
    fn tree_pause(&mut self) -> Duration {
        let (first, most) = self.config.timers.backoff;
        self.jitter.backoff((first, most.min(self.config.timers.fetch)), self.trees.attempts)
    }

    pub(crate) fn on_tree_timer(&mut self) {
        if !matches!(self.state, State::Joining(_)) {
            return;
        }
        if self.trees.attempts == MISSING
            && let Some(waiting) = self.trees.waiting.last()
        {
            let epoch = waiting.info.epoch;
            self.notify(Notice::TreeMissing { epoch });
        }
        self.fetch_trees();
    }

    /// A tree came: joins by the Welcome that waits for it.
    fn try_waiting(&mut self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.trees.waiting);
        let here = |w: &Waiting| w.info.tree.as_ref().is_some_and(|tree| self.trees.at(tree).is_some());
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(here);
        self.trees.waiting = rest;
        for Waiting { welcome, info, pin } in ready {
            if !matches!(self.state, State::Joining(_)) || self.join_by(&welcome, &info, pin)? {
                break;
            }
        }
        Ok(())
    }

    /// The way in is over: no tree is waited for.
    pub(crate) fn forget_trees(&mut self) {
        self.trees = Trees::default();
        self.deadlines.clear(Timer::Tree);
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::engine::TREE_KEY_LEN;
    use crate::secret::Secret;
    use crate::tracks::{CommitTrackPolicy, GroupTracks};

    fn object(author: u8, epoch: u64, len: usize) -> Object {
        let tracks = GroupTracks::new("g".try_into().unwrap(), CommitTrackPolicy::PerSender);
        let track = tracks.tree(&SenderId::new(vec![author]).unwrap());
        let location = Location { group: epoch, object: TREE_OBJECT };
        Object { track, location, payload: vec![0; len].into() }
    }

    fn place(of: &Object) -> TreeObject {
        let key = Secret::new(vec![0; TREE_KEY_LEN]);
        TreeObject { track: of.track.clone(), location: of.location, key }
    }

    #[test]
    fn the_newest_are_kept_up_to_their_number_and_their_bytes() {
        let held = |trees: &Trees| trees.held.iter().map(|o| o.location.group).collect::<Vec<_>>();
        let mut trees = Trees::default();
        (1..=5).for_each(|epoch| trees.keep(object(1, epoch, 10), 50));
        assert_eq!(held(&trees), [2, 3, 4, 5]);
        trees.keep(object(1, 3, 10), 50);
        assert_eq!(held(&trees), [2, 3, 4, 5], "the same once more");
        trees.keep(object(1, 6, 20), 50);
        assert_eq!(held(&trees), [3, 4, 5, 6], "just as many bytes as are allowed");
        trees.keep(object(1, 7, 11), 50);
        assert_eq!(held(&trees), [5, 6, 7]);
        trees.keep(object(1, 8, 50), 50);
        assert_eq!(held(&trees), [8]);
    }

    #[test]
    fn a_tree_is_found_and_dropped_by_track_and_place() {
        let (here, elsewhere, later) = (object(1, 7, 1), object(2, 7, 2), object(1, 8, 3));
        let mut trees = Trees::default();
        trees.keep(later.clone(), 100);
        trees.keep(elsewhere.clone(), 100);
        assert_eq!(trees.at(&place(&here)), None);
        trees.keep(here.clone(), 100);
        assert_eq!(trees.at(&place(&here)), Some(here.payload.clone()));
        trees.drop_at(&place(&here));
        assert_eq!(trees.held, [later, elsewhere]);
    }
}
