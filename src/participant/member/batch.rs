//! How much goes into one commit: no more than a receiver under the same limits takes.
//!
//! Everything is bounded before it is built, by what the engine's [`Survey`] says of the group, and measured
//! afterwards. A bound is only too large, never too small: what does not fit by it waits for the next commit.
//! Padding is counted as mls-rs's step function pads, which no other mode of it exceeds.

use crate::counter::{MAX_RECEIPT, Pin};
use crate::engine::{CommitOutput, Engine, EngineError, Survey};
use crate::limits::Limits;
use crate::notice::{Notice, Refusal};
use crate::participant::context::Context;
use crate::participant::joiners::Joiners;
use crate::participant::member::epoch::Epoch;
use crate::tracks::SenderId;

/// What a Welcome object holds besides the Welcome, bytes.
const WELCOME_FRAME: usize = 3 + Pin::LEN + MAX_RECEIPT;
/// What a PrivateMessage holds outside of what is padded, bytes: its header with the group's name, and tags.
const FRAME: usize = 512;
/// What an Add holds besides the KeyPackage, a Remove in all, and a sealed tree besides the tree, bytes.
const ADD: usize = 8;
const REMOVE: usize = 16;
const TAG: usize = 16;

/// What a commit is to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) adds: usize,
    /// Of the KeyPackages to add.
    pub(crate) add_bytes: usize,
    pub(crate) removes: usize,
}

impl Load {
    /// Returns it with one more KeyPackage, which takes the place of `removes` leaves.
    pub(crate) fn with(self, key_package: usize, removes: usize) -> Self {
        Self {
            adds: self.adds.saturating_add(1),
            add_bytes: self.add_bytes.saturating_add(key_package),
            removes: self.removes.saturating_add(removes),
        }
    }
}

/// How large the objects of a commit are, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) commit: usize,
    /// The largest Welcome object; 0 if there is none.
    pub(crate) welcome: usize,
    /// The tree object; 0 if the tree is in the Welcomes.
    pub(crate) tree: usize,
    /// All of them.
    pub(crate) all: usize,
    /// A later commit that holds nothing: the group must be able to make one.
    pub(crate) later: usize,
}

/// What the step function pads so many bytes to: all but the three highest bits are hidden.
fn padded(content: usize) -> usize {
    let above = content.saturating_add(1).checked_next_power_of_two().unwrap_or(usize::MAX).max(256);
    let hidden = (above >> 3).saturating_sub(1);
    (content | hidden).saturating_add(1)
}

impl Sizes {
    /// Bounds what a commit will take that holds `load`; with `apart`, its tree goes into an object of its own.
    pub(crate) fn bound(survey: &Survey, load: &Load, apart: bool) -> Self {
        let times = usize::saturating_mul;
        let sum = |parts: &[usize]| parts.iter().fold(0_usize, |sum, part| sum.saturating_add(*part));
        let Load { adds, add_bytes, removes } = *load;
        let leaves = survey.leaves.saturating_add(adds);
        let levels = leaves.max(1).ilog2() as usize + 1;
        let path = |members| {
            let nodes = times(levels, survey.node_bytes);
            sum(&[survey.commit_bytes, times(members, survey.member_bytes), nodes])
        };
        let commit = sum(&[path(survey.members), add_bytes, times(adds, ADD), times(removes, REMOVE)]);
        // A new leaf is unmerged at every node above it, and blank nodes take a byte.
        let unmerged = times(adds, times(levels, 4));
        let grown = sum(&[times(levels, survey.node_bytes), unmerged, times(leaves, 4)]);
        let tree = sum(&[survey.tree_bytes, add_bytes, grown, TAG]);
        let (welcome, apart_tree) = match (adds, apart) {
            (0, _) => (0, 0),
            (_, true) => (survey.welcome_bytes.saturating_add(WELCOME_FRAME), tree),
            (_, false) => (sum(&[survey.welcome_bytes, WELCOME_FRAME, tree]), 0),
        };
        let private = |content| padded(content).saturating_add(FRAME);
        let commit = private(commit);
        Self {
            commit,
            welcome,
            tree: apart_tree,
            all: sum(&[commit, times(adds, welcome), apart_tree]),
            later: private(path(survey.members.saturating_add(adds))),
        }
    }

    /// Measures what was built.
    pub(crate) fn of<G>(built: &CommitOutput<G>) -> Self {
        let welcomes =
            || built.welcomes.iter().map(|(_, welcome)| welcome.len().saturating_add(WELCOME_FRAME));
        let (commit, tree) = (built.commit.len(), built.tree.as_ref().map_or(0, bytes::Bytes::len));
        let all = welcomes().fold(commit.saturating_add(tree), usize::saturating_add);
        Self { commit, welcome: welcomes().max().unwrap_or(0), tree, all, later: 0 }
    }

    /// Whether a receiver under these limits takes all of it.
    pub(crate) fn fit(&self, limits: &Limits) -> bool {
        self.commit.max(self.later) <= limits.commit_bytes()
            && self.welcome <= limits.handshake_bytes
            && self.tree <= limits.tree_bytes
            && self.all <= limits.outbox_bytes
    }
}

impl<E: Engine> Context<E> {
    /// Whether a commit that holds `load` will be within the limits.
    pub(crate) fn fits(&self, survey: &Survey, load: &Load) -> bool {
        let members = survey.members.saturating_add(load.adds).saturating_sub(load.removes);
        let apart = self.sends_tree_apart(members);
        Sizes::bound(survey, load, apart).fit(&self.config.limits)
    }

    /// Whether a KeyPackage of so many bytes can be added at all, be it alone.
    pub(crate) fn can_add(&self, epoch: &Epoch<E::Group>, key_package: usize) -> Result<bool, EngineError> {
        let survey = epoch.measured.of(&self.engine, &epoch.group)?;
        let fits = self.fits(survey, &Load::default().with(key_package, 0));
        Ok(fits && key_package <= self.config.limits.key_package_bytes)
    }

    /// Refuses one who waits and can never be added.
    pub(crate) fn refuse_misfit(
        &mut self,
        epoch: &Epoch<E::Group>,
        joiners: &mut Joiners,
        sender: &SenderId,
    ) -> Result<(), EngineError> {
        let Some(len) = joiners.get(sender).map(|waiting| waiting.message.len()) else { return Ok(()) };
        if !self.can_add(epoch, len)? {
            joiners.take(sender);
            self.notify(Notice::Refused { sender: sender.clone(), reason: Refusal::TooLarge });
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
