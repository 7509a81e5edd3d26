//! The ratchet tree as an object of its own (an extension of this crate).
//!
//! A Welcome has the whole tree inside, so N joiners cost N trees. From
//! [`Config::tree_threshold`](crate::Config::tree_threshold) members on, the committer publishes the tree
//! once, right before its Welcomes, and each Welcome says where it is. A joiner fetches it when it needs it,
//! and takes Welcome, pin and tree in any order.
//!
//! Nothing depends on the object being right: mls-rs checks the tree against the tree hash in the
//! GroupContext, whose hash is pinned. A wrong one is thrown away and fetched again; a joiner that never
//! gets it publishes a fresh KeyPackage in time, as for any Welcome that does not come.

use std::time::Duration;

use bytes::Bytes;

use crate::action::{FetchTarget, Timer};
use crate::counter::Pin;
use crate::engine::{Engine, EngineError, TreePlace, WelcomeInfo};
use crate::limits::Limits;
use crate::notice::{Fault, Notice};
use crate::participant::context::Context;
use crate::participant::requests::FetchPurpose;
use crate::tracks::{FullTrackName, Location, Object};

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
    /// Welcomes that may be joined by once their tree is here, and where it is.
    waiting: Vec<(Waiting, Place)>,
    attempts: u32,
}

/// A track, and a place in it.
type Place = (FullTrackName, Location);

/// A Welcome that may be joined by once its tree is here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) welcome: Bytes,
    pub(crate) info: WelcomeInfo,
    pub(crate) pin: Option<Pin>,
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
    /// Keeps a tree object: the one that is waited for and one more must fit.
    pub(crate) fn keep(&mut self, object: Object, limits: &Limits) {
        let most_bytes = limits.tree_bytes.saturating_mul(2);
        if self.held.contains(&object) {
            return;
        }
        self.held.push(object);
        let bytes = |held: &[Object]| held.iter().map(|o| o.payload.len()).sum::<usize>();
        while self.held.len() > HELD || bytes(&self.held) > most_bytes {
            // Anybody may put objects beside the one that is waited for.
            let victim = self.held.iter().position(|o| !self.is_awaited(o)).unwrap_or(0);
            self.held.remove(victim);
        }
    }

    /// Whether a Welcome waits for its tree.
    pub(crate) fn awaits_any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a Welcome that waits names an object's place.
    fn is_awaited(&self, object: &Object) -> bool {
        self.waiting.iter().any(|(_, place)| is_at(object, place))
    }

    fn at(&self, place: &Place) -> Option<Bytes> {
        self.held.iter().find(|o| is_at(o, place)).map(|o| o.payload.clone())
    }

    fn drop_at(&mut self, place: &Place) {
        self.held.retain(|o| !is_at(o, place));
    }

    /// Finds the tree of a Welcome that was examined and confirmed. One that is not here yet is fetched.
    pub(crate) fn find<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        waiting: &Waiting,
    ) -> Result<Option<Found>, EngineError> {
        let Waiting { info, .. } = waiting;
        if info.has_tree {
            return Ok(Some(Found::Inside));
        }
        let Some(tree) = &info.tree else { return Ok(None) };
        let Some(place) = place_of(cx, info) else { return Ok(None) };
        let held = self.at(&place);
        let fresh = held.is_none();
        if let Some(payload) = held {
            match cx.engine.open_tree(tree, &payload)? {
                Ok(tree) => return Ok(Some(Found::Apart(tree))),
                Err(_) => self.on_wrong_object(cx, &place),
            }
        }
        self.wait_for(cx, waiting, place, fresh);
        Ok(Some(Found::NotYet))
    }

    /// The object at a tree's place is not that tree.
    fn on_wrong_object<E: Engine>(&mut self, cx: &mut Context<E>, place: &Place) {
        self.drop_at(place);
        cx.fault(None, Fault::WrongTree);
    }

    /// The tree opened, and does not belong to its Welcome.
    pub(crate) fn on_wrong_tree<E: Engine>(&mut self, cx: &mut Context<E>, waiting: &Waiting) {
        if let Some(place) = place_of(cx, &waiting.info) {
            self.on_wrong_object(cx, &place);
            self.wait_for(cx, waiting, place, false);
        }
    }

    fn wait_for<E: Engine>(&mut self, cx: &mut Context<E>, waiting: &Waiting, place: Place, fresh: bool) {
        let waits = self.waiting.iter().any(|(w, _)| w.welcome == waiting.welcome);
        if !waits {
            // The newest is the one to hope for: a tree that did not come may never come.
            if self.waiting.len() >= cx.config.limits.own_key_packages.max(1) {
                self.waiting.remove(0);
            }
            self.waiting.push((waiting.clone(), place));
        }
        // What was wrong a moment ago is not asked for again at once.
        if fresh && !waits {
            self.attempts = 0;
            self.fetch(cx);
        } else if !cx.deadlines.is_set(Timer::Tree) {
            let wait = self.pause(cx);
            cx.set(Timer::Tree, wait);
        }
    }

    /// Asks the relay for the trees that are waited for, and sets when to ask again.
    fn fetch<E: Engine>(&mut self, cx: &mut Context<E>) {
        if self.waiting.is_empty() {
            return;
        }
        let wait = self.pause(cx);
        self.attempts = self.attempts.saturating_add(1);
        cx.set(Timer::Tree, wait);
        for (_, (track, location)) in &self.waiting {
            let track = FetchTarget::Track(track.clone());
            cx.fetch(FetchPurpose::Objects, track, location.group_id..=location.group_id);
        }
    }

    /// A growing pause, at most as long as the one before a missing commit is fetched again.
    fn pause<E: Engine>(&self, cx: &mut Context<E>) -> Duration {
        let (first, most) = cx.config.timers.backoff;
        cx.jitter.backoff((first, most.min(cx.config.timers.fetch)), self.attempts)
    }

    pub(crate) fn on_timer<E: Engine>(&mut self, cx: &mut Context<E>) {
        if self.attempts == MISSING
            && let Some((waiting, _)) = self.waiting.last()
        {
            let epoch = cx.params.epoch_base.saturating_add(waiting.info.epoch);
            cx.notify(Notice::TreeMissing { epoch });
        }
        self.fetch(cx);
    }

    /// Takes the Welcomes whose tree is here.
    pub(crate) fn take_ready(&mut self) -> Vec<Waiting> {
        let waiting = std::mem::take(&mut self.waiting);
        let (ready, rest): (Vec<_>, _) = waiting.into_iter().partition(|(_, place)| self.at(place).is_some());
        self.waiting = rest;
        ready.into_iter().map(|(waiting, _)| waiting).collect()
    }
}

fn is_at(object: &Object, (track, location): &Place) -> bool {
    object.track == *track && object.location == *location
}

/// Finds where the tree of a Welcome is; `None` if this group has no such track.
fn place_of<E: Engine>(cx: &Context<E>, info: &WelcomeInfo) -> Option<Place> {
    let TreePlace { publisher, object_id: object } = &info.tree.as_ref()?.place;
    let track = cx.tracks.tree_of(publisher.as_ref())?;
    Some((track, Location { group_id: info.epoch, object_id: *object }))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tracks::{CommitTrackPolicy, GroupTracks, SenderId};

    fn object(author: u8, epoch: u64, len: usize) -> Object {
        let tracks = GroupTracks::new("g".try_into().unwrap(), CommitTrackPolicy::PerSender);
        let track = tracks.tree(&SenderId::new(vec![author]).unwrap());
        let location = Location { group_id: epoch, object_id: 0 };
        Object { track, location, payload: vec![0; len].into() }
    }

    fn place(of: &Object) -> Place {
        (of.track.clone(), of.location)
    }

    #[test]
    fn the_newest_are_kept_up_to_their_number_and_their_bytes() {
        let held = |trees: &Trees| trees.held.iter().map(|o| o.location.group_id).collect::<Vec<_>>();
        let mut trees = Trees::default();
        let limits = Limits { tree_bytes: 25, ..Limits::default() };
        (1..=5).for_each(|epoch| trees.keep(object(1, epoch, 10), &limits));
        assert_eq!(held(&trees), [2, 3, 4, 5]);
        trees.keep(object(1, 3, 10), &limits);
        assert_eq!(held(&trees), [2, 3, 4, 5], "the same once more");
        trees.keep(object(1, 6, 20), &limits);
        assert_eq!(held(&trees), [3, 4, 5, 6], "just as many bytes as are allowed");
        trees.keep(object(1, 7, 11), &limits);
        assert_eq!(held(&trees), [5, 6, 7]);
        trees.keep(object(1, 8, 50), &limits);
        assert_eq!(held(&trees), [8]);
    }

    #[test]
    fn what_a_welcome_waits_for_is_kept_before_all_else() {
        let (wanted, limits) = (object(1, 7, 10), Limits { tree_bytes: 25, ..Limits::default() });
        let info = WelcomeInfo {
            group_id: "g".into(),
            epoch: 7,
            context_hash: [0; 32],
            key_package_ref: "r".into(),
            params: None,
            has_tree: false,
            tree: None,
            spent: None,
        };
        let mut trees = Trees::default();
        trees.waiting.push((Waiting { welcome: "w".into(), info, pin: None }, place(&wanted)));
        trees.keep(wanted.clone(), &limits);
        (8..40).for_each(|epoch| trees.keep(object(2, epoch, 20), &limits));
        assert_eq!(trees.at(&place(&wanted)), Some(wanted.payload.clone()));
    }

    #[test]
    fn a_tree_is_found_and_dropped_by_track_and_place() {
        let (here, elsewhere, later) = (object(1, 7, 1), object(2, 7, 2), object(1, 8, 3));
        let mut trees = Trees::default();
        trees.keep(later.clone(), &Limits::default());
        trees.keep(elsewhere.clone(), &Limits::default());
        assert_eq!(trees.at(&place(&here)), None);
        trees.keep(here.clone(), &Limits::default());
        assert_eq!(trees.at(&place(&here)), Some(here.payload.clone()));
        trees.drop_at(&place(&here));
        assert_eq!(trees.held, [later, elsewhere]);
    }
}
