//! Asking the counter now and then, for a quiet group and one whose last commit was lost look the same from inside.
//!
//! Where the service signs, one member's audit serves all: it publishes the signed state, which carries its time, and
//! who hears that puts the own audit off. Members ask one after the other, so that most never do.

use std::time::Duration;

use crate::action::Timer;
use crate::codec::pinned::StateObject;
use crate::counter::{CounterState, DATE_SLACK, date_of, dated};
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::member::Member;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::Verdict;
use crate::participant::member::turn::{MOST_TURNS, turns};
use crate::participant::requests::LockPurpose;
use crate::time::Timestamp;
use crate::tracks::{Location, Object, SenderId};

/// How old a signed state may be when it comes, beyond the slack of its date.
const TRAVEL: Duration = Duration::from_secs(5);
/// After a join by receipt the counter is asked within this.
const AFTER_JOIN: Duration = Duration::from_secs(5);

impl<G> Member<G> {
    /// Sets when to ask the counter whether the group went on unheard.
    pub(crate) fn schedule_audit<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        // A leaver that is behind asks in the wrong epoch, and has little time to find out.
        let often = cx.config.timers.leave / 8;
        let audit = cx.config.timers.audit;
        let period = if self.carried.leaving.is_some() { audit.min(often) } else { audit };
        let at = cx.now.after(period).after(self.spread(cx, period / 2));
        cx.deadlines.set(Timer::Audit, at);
    }

    /// Nobody asked the counter when it joined, and a receipt says nothing of the slots after: asks soon.
    pub(crate) fn audit_soon<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        let at = cx.now.after(self.spread(cx, AFTER_JOIN));
        cx.deadlines.bring_forward(Timer::Audit, at);
    }

    /// How long to wait for others to ask: a share of `most` for each who goes before, or at random.
    fn spread<E: Engine<Group = G>>(&self, cx: &mut Context<E>, most: Duration) -> Duration {
        if !cx.is_signed() {
            return cx.jitter.up_to(most);
        }
        let turns = turns(&self.epoch, false);
        let half = most / 2;
        let wait = half * turns / MOST_TURNS;
        if turns < MOST_TURNS { wait } else { half + cx.jitter.up_to(half) }
    }

    /// A peer's media opened with the keys of the present epoch: neither went on without the other. That puts the audit
    /// off, but not for good: a member that was removed still seals with these keys. Media of a later epoch is a hint.
    pub(crate) fn on_media<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        opened: Option<&SenderId>,
        epoch: u64,
    ) {
        let Some(peer) = opened else {
            if epoch > self.epoch.shown() {
                cx.hint();
            }
            return;
        };
        let is_peers = *peer != cx.me && self.epoch.roster.of(peer).is_some();
        if epoch != self.epoch.shown() || !is_peers || self.carried.leaving.is_some() {
            return;
        }
        let Some(confirmed) = cx.confirmed else { return };
        let timers = &cx.config.timers;
        let (audit, most) = (timers.audit, confirmed.after(timers.audit_with_media));
        // It is put off again and again: what is drawn must not add up.
        let at = cx.now.after(audit).min(most).after(self.spread(cx, audit / 2));
        cx.deadlines.put_off(Timer::Audit, at.min(most.after(audit / 2)));
    }

    /// A group that is quiet and a group whose last commit was lost look the same from inside. Asking for
    /// a value that is used, or that no counter gets to, takes no lock and reads the counter.
    pub(crate) fn audit<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
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
            let purpose = if cx.is_signed() {
                LockPurpose::Audit(dated(cx.service_time(), cx.engine.random()?))
            } else {
                LockPurpose::Standing(self.epoch.number)
            };
            cx.ask_lock(purpose);
        }
        Ok(())
    }

    /// Takes in where the counter stands, and passes it on if the service has signed it.
    pub(crate) fn on_audited<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        val: u64,
        mut state: CounterState,
    ) -> Result<Verdict<G>, Error> {
        // Where the clocks differ the service signs nothing: its statement of where it stands is as good as any answer.
        match state.receipt.take().zip(state.pin) {
            None => state.pin = None,
            Some((receipt, pin)) => {
                let object = StateObject { val, current: state.current, pin, receipt };
                if !cx.vouches(val, object.current, Some(&pin), &object.receipt) {
                    cx.bad_receipt();
                    return Ok(Verdict::Open);
                }
                if state.current == self.epoch.slot() && self.epoch.pin == Some(pin) {
                    cx.told = cx.told.max(date_of(val));
                    self.epoch.publish_state(cx, &object)?;
                }
            }
        }
        if state.current != self.epoch.slot() {
            // What the newest slot holds is asked for by its own number.
            state.pin = None;
        }
        self.slot.on_standing(cx, &self.epoch, state)
    }
}

impl<E: Engine> Context<E> {
    /// Whether a state of that time says anything that was not known.
    fn is_fresh(&self, at: Timestamp) -> bool {
        let now = self.service_time();
        let (early, late) = (at.since(now), now.since(at));
        self.told.is_none_or(|told| at > told) && early <= DATE_SLACK && late <= DATE_SLACK + TRAVEL
    }
}

impl<G> Member<G> {
    /// Takes in another's audit, if the object is one. Whether the group is where it was is all that it is good for.
    pub(crate) fn takes_state<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        from: Option<&SenderId>,
        object: &Object,
    ) -> bool {
        let Ok(state) = StateObject::decode(object.payload.clone()) else { return false };
        let date = date_of(state.val).filter(|at| cx.is_fresh(*at));
        let is_of_use =
            cx.is_signed() && state.current == self.epoch.slot() && self.epoch.pin == Some(state.pin);
        // To verify much junk costs more than to ask oneself.
        let Some(at) = date.filter(|_| is_of_use && self.slot.doubted < cx.config.limits.candidates) else {
            return true;
        };
        if cx.vouches(state.val, state.current, Some(&state.pin), &state.receipt) {
            (cx.told, cx.confirmed) = (Some(at), Some(cx.now));
            self.schedule_audit(cx);
        } else {
            self.slot.doubted = self.slot.doubted.saturating_add(1);
            cx.fault(from.cloned(), Fault::BadReceipt);
        }
        true
    }
}

impl<G> Epoch<G> {
    /// Publishes what the service signed where a receipt of the next slot would be.
    fn publish_state<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        object: &StateObject,
    ) -> Result<(), Error> {
        let Some(key) = &self.slot_key else { return Ok(()) };
        let payload = object.encode();
        let at = date_of(object.val).unwrap_or_default();
        let object = cx.state_place(key.as_bytes(), at, &payload)?;
        let location = Location { group_id: self.number, object_id: object };
        cx.publish(cx.tracks.commit(&cx.me), location, payload);
        Ok(())
    }
}
