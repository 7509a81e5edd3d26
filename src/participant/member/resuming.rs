//! Leaving a state behind, and going on from one that was kept.

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::{Notice, RejoinReason};
use crate::participant::context::Context;
use crate::participant::flow::{Flow, Join, Then, When};
use crate::participant::member::slot::Verdict;
use crate::participant::member::{Member, doubled};

impl<G> Member<G> {
    /// Goes on from a state that was kept, as the slot was decided after all.
    pub(crate) fn resume<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        verdict: Verdict<G>,
    ) -> Result<Flow<G>, Error> {
        cx.deadlines.clear_phase();
        cx.set(Timer::Credentials, cx.config.timers.credential_check);
        cx.keys.spare_until = Some(cx.now.after(cx.config.timers.join_deadline));
        cx.stats.resumed = cx.stats.resumed.saturating_add(1);
        let before = self.epoch.number;
        let flow = self.apply(cx, verdict)?;
        if self.epoch.number > before {
            cx.notify(Notice::Resumed { epoch: self.epoch.shown() });
        }
        Ok(flow)
    }

    /// Leaves the present state behind and asks to be let in again: a fresh KeyPackage, whose sender's
    /// stale leaf goes in the same commit.
    pub(super) fn rejoin<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        reason: RejoinReason,
        when: When,
    ) -> Result<Flow<G>, Error> {
        let when = if reason == RejoinReason::Doubled { doubled::note(cx, when) } else { when };
        self.epoch.keep_secret(cx);
        cx.stats.rejoins = cx.stats.rejoins.saturating_add(1);
        // Whom the others let in meanwhile is not seen here: what waits is theirs.
        self.carried.joiners.empty_room();
        cx.deadlines.clear_phase();
        Ok(Flow::Join(Join { counter: Some(self.epoch.slot()), then: Then::Rejoin { reason, when } }))
    }

    /// Goes on with what a way to a successor left to be done.
    pub(super) fn on_recover<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        cx.show_beacon();
        self.slot.ask_for_proof(cx, &self.epoch);
    }
}
