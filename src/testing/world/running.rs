//! How time passes in a world.

use std::time::Duration;

use super::model::{Carriage, Parcel, World};
use crate::engine::Engine;
use crate::event::Event;
use crate::testing::log::What;
use crate::time::Timestamp;

impl<E: Engine, C: Carriage<E>> World<E, C> {
    /// Puts something on its way; when it arrives.
    pub(in crate::testing) fn send(&mut self, wait: Duration, parcel: Parcel<C::Port>) -> Timestamp {
        let at = self.now.after(wait);
        self.send_at(at, parcel);
        at
    }

    pub(in crate::testing) fn send_at(&mut self, at: Timestamp, parcel: Parcel<C::Port>) {
        self.sequence = self.sequence.wrapping_add(1);
        self.queue.insert((at, self.sequence), parcel);
    }

    /// What time a participant takes it to be.
    pub(super) fn clock(&self, who: usize) -> Timestamp {
        shifted(self.now, self.peers.get(who).map_or(0, |p| p.ahead))
    }

    /// Sets a participant's clock ahead of the others', or back.
    pub fn set_clock(&mut self, who: usize, ahead_ms: i64) {
        self.entry(who, || What::Process(format!("clock {ahead_ms} ms ahead")), 0);
        if let Some(peer) = self.peers.get_mut(who) {
            peer.ahead = ahead_ms;
        }
        // A driver sleeps for a while, not until a time of day: it wakes up, whatever its clock says.
        self.wake(who);
    }

    /// Tells a participant that time has passed.
    fn wake(&mut self, who: usize) {
        self.hear(who, Event::Timer);
    }

    fn hear(&mut self, who: usize, event: Event) {
        let now = self.clock(who);
        let session = self.peers.get_mut(who).and_then(|p| p.session.as_mut());
        if let Some(Err(error)) = session.map(|s| s.handle(now, event)) {
            self.failures.push((who, error.to_string()));
        }
        self.pump(who);
    }

    /// Notes when a participant wants to be woken next.
    pub(super) fn retime(&mut self, who: usize) {
        let at = self.peers.get(who).and_then(|peer| {
            let (at, _) = peer.session.as_ref()?.poll_timeout()?;
            Some(shifted(at, peer.ahead.saturating_neg()))
        });
        self.timers.set(who, at);
    }

    /// The next moment at which something happens, media aside.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.timers.first().into_iter().chain(self.queue.keys().next().map(|(at, _)| *at)).min()
    }

    /// Lets the next thing happen; `false` if nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_at() else { return false };
        self.pass_to(at);
        if !self.deliver_due()
            && let Some(who) = self.timers.due(self.now)
        {
            self.wake(who);
        }
        true
    }

    /// Lets the next thing arrive that is due; whether there was one.
    fn deliver_due(&mut self) -> bool {
        let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) else { return false };
        let parcel = entry.remove();
        self.deliver(parcel);
        true
    }

    /// Lets everything arrive that is due, and what comes of it at once. Time does not pass.
    pub fn settle(&mut self) {
        while self.deliver_due() {}
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.pass_to(end);
    }

    /// Runs until `done`, for `most` at the longest; whether it came to that.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.after(most);
        loop {
            if done(self) {
                return true;
            }
            if self.next_at().is_none_or(|at| at > end) {
                self.pass_to(end);
                return false;
            }
            self.step();
        }
    }

    fn pass_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        for (who, event) in self.carriage.pass(self.now) {
            self.hear(who, event);
        }
    }
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add_signed(by))
}
