//! Asking the counter now and then, for a quiet group and one whose last commit was lost look the same from inside.

use crate::action::Timer;
use crate::engine::Engine;
use crate::participant::context::Context;
use crate::participant::member::Member;
use crate::participant::requests::LockPurpose;
use crate::tracks::SenderId;

impl<G> Member<G> {
    /// Sets when to ask the counter whether the group went on unheard.
    pub(crate) fn schedule_audit<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        // A leaver that is behind asks in the wrong epoch, and has little time to find out.
        let often = cx.config.timers.leave / 8;
        let audit = cx.config.timers.audit;
        let period = if self.carried.leaving.is_some() { audit.min(often) } else { audit };
        let wait = period + cx.jitter.up_to(period / 2);
        cx.set(Timer::Audit, wait);
    }

    /// A peer's media opened with the keys of the present epoch: neither went on without the other. That puts the audit
    /// off, but not for good: a member that was removed still seals with these keys.
    pub(crate) fn on_media<E: Engine<Group = G>>(&self, cx: &mut Context<E>, peer: &SenderId, epoch: u64) {
        let is_peers = *peer != cx.me && self.epoch.roster.of(peer).is_some();
        if epoch != self.epoch.number || !is_peers || self.carried.leaving.is_some() {
            return;
        }
        let Some(confirmed) = cx.confirmed else { return };
        let timers = &cx.config.timers;
        let most = confirmed.after(timers.audit_with_media);
        let at = cx.now.after(timers.audit).min(most);
        // It is put off again and again: what is drawn must not add up.
        cx.deadlines.put_off(Timer::Audit, at);
    }

    /// A group that is quiet and a group whose last commit was lost look the same from inside. Asking for
    /// the value of the present epoch, which is used, takes no lock and reads the counter.
    pub(crate) fn audit<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        self.schedule_audit(cx);
        // Newer KeyPackages than the one joined by have had their time.
        if cx.keys.spare_until.take_if(|until| *until <= cx.now).is_some() {
            cx.keys.early_welcomes.clear();
            if !cx.keys.packages.is_empty() {
                cx.keys.packages.clear();
                self.persist(cx);
            }
        }
        if self.slot.is_quiet() {
            cx.ask_lock(LockPurpose::Slot(self.epoch.number));
        }
    }
}
