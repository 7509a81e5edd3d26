//! What the commits of members may cost before the slot is decided.

use crate::action::Timer;
use crate::engine::Engine;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Candidate, Slot};
use crate::tracks::SenderId;

impl<G> Slot<G> {
    /// Whether nothing more is tried before it is known what won: what members can make others work for is bounded,
    /// and so is what one of them can that publishes on a track of its own.
    pub(crate) fn has_tried_enough<E: Engine<Group = G>>(
        &self,
        cx: &Context<E>,
        epoch: &Epoch<G>,
        from: Option<&SenderId>,
    ) -> bool {
        let of_it = |c: &Candidate<G>| {
            from.is_some() && epoch.roster.at(c.staged.committer).map(|member| &member.sender) == from
        };
        self.is_flooded(cx) || (cx.rules.pins && self.candidates.iter().any(of_it))
    }

    /// Whether members made this one try as much as it does for one slot.
    pub(crate) fn is_flooded<E: Engine<Group = G>>(&self, cx: &Context<E>) -> bool {
        let limits = &cx.config.limits;
        self.staged_commits >= limits.commits_per_epoch
            || self.vain >= limits.vain_bytes
            || self.candidates.len() >= limits.candidates
    }

    /// What wins may be among what is not tried any more: the counter is asked within a lease, however much there is.
    pub(crate) fn leave_to_the_counter<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if !cx.rules.pins {
            cx.hint();
        } else if self.is_idle() {
            let lease = cx.config.timers.lease;
            let wait = lease / 2 + cx.jitter.up_to(lease / 2);
            cx.bring_forward(Timer::Confirm, wait);
        }
    }
}
