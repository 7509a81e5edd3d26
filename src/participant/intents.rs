//! What this participant wants committed besides joins.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::tracks::SenderId;

/// What a leave request counts for besides its bytes.
const LEAVE_COST: usize = 256;

/// Intents of the embedder and of leavers. They are kept through lost races until done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Intents {
    /// Members to remove; `true`: bar them too.
    pub(crate) removals: BTreeMap<SenderId, bool>,
    /// Fresh entropy, done by any commit of this participant's own.
    pub(crate) update: bool,
    /// Leaves whose members asked, in this epoch, to be removed.
    pub(crate) leaves: BTreeSet<u32>,
    /// Leave requests of epochs not reached yet, one per sender: epoch, object id, message.
    pub(crate) future_leaves: BTreeMap<SenderId, (u64, u64, Bytes)>,
    /// Members that asked to leave: they are not barred when they are out.
    pub(crate) leavers: BTreeSet<SenderId>,
    /// Another's commit won while some of these waited: they wait for their turn from then on.
    pub(crate) raced: bool,
}

impl Intents {
    /// Keeps a leave request of a later epoch in place of the sender's last one; `false` if all of them together
    /// would take more than `most` bytes.
    pub(crate) fn keep_leave(&mut self, sender: SenderId, request: (u64, u64, Bytes), most: usize) -> bool {
        // The next epochs are worth most, and anybody can make up a request of a far one.
        if self.future_leaves.get(&sender).is_some_and(|(held, ..)| *held < request.0) {
            return true;
        }
        let others = self.future_leaves.iter().filter(|(of, _)| **of != sender);
        let bytes: usize = others.map(|(_, (.., message))| message.len().saturating_add(LEAVE_COST)).sum();
        let fits = bytes.saturating_add(request.2.len()).saturating_add(LEAVE_COST) <= most;
        if fits {
            self.future_leaves.insert(sender, request);
        }
        fits
    }

    /// Follows a member that goes by another name: what is intended for it still is. The old name may be in the group
    /// again, by the same commit: it is the same person's.
    pub(crate) fn rename(&mut self, old: &SenderId, new: &SenderId) {
        if let Some(bar) = self.removals.get(old).copied() {
            let intent = self.removals.entry(new.clone()).or_default();
            *intent = *intent || bar;
        }
        if self.leavers.remove(old) {
            self.leavers.insert(new.clone());
        }
    }

    /// Whether there is anything here that no other member is likely to know of. Who is gone, they see as well.
    pub(crate) fn are_private(&self) -> bool {
        self.update || self.removals.values().any(|bar| *bar)
    }

    /// Whether there is anything to commit that waits for nobody.
    pub(crate) fn are_urgent(&self) -> bool {
        self.update || !self.removals.is_empty() || !self.leaves.is_empty()
    }
}
