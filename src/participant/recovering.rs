//! Coming back: Welcomes that must go out, a state that must be left behind, credentials that ran out.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::CounterState;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::{Notice, RejoinReason};
use crate::participant::{Participant, State};
use crate::tracks::{Location, SenderId, WELCOME_OBJECT};

impl<E: Engine> Participant<E> {
    /// Publishes the Welcomes of one's own commit. Its slot is decided, so nobody is let into an epoch
    /// that never was (RFC 9420 section 14).
    pub(crate) fn publish_welcomes(&mut self) {
        let Some(member) = self.member() else { return };
        let group = member.epoch;
        let welcomes = member.welcomes.clone();
        self.publish_tree();
        self.stats.welcomes = self.stats.welcomes.saturating_add(welcomes.len() as u64);
        for (recipient, welcome) in welcomes {
            let track = self.tracks.welcome(&recipient);
            self.publish(track, Location { group, object: WELCOME_OBJECT }, welcome);
        }
    }

    /// The same commit took one's leaf and added a KeyPackage of one's own: the way on is its Welcome.
    pub(crate) fn wait_for_welcome(&mut self) -> Result<(), Error> {
        self.keep_passed_epoch()?;
        self.leave_state_behind(RejoinReason::Replaced);
        if self.keys.is_empty() { self.fresh_key_package() } else { self.persist() }
    }

    /// Newer KeyPackages than the one joined by have had their time.
    fn drop_spare_keys(&mut self) -> Result<(), Error> {
        if self.spare_keys_until.take_if(|until| *until <= self.now).is_some() {
            self.early_welcomes.clear();
            if !self.keys.is_empty() {
                self.keys.clear();
                self.persist()?;
            }
        }
        Ok(())
    }

    pub(crate) fn schedule_audit(&mut self) {
        // A leaver that is behind asks in the wrong epoch, and has little time to find out.
        let often = self.config.timers.leave / 8;
        let period = if self.leaving.is_some() {
            self.config.timers.audit.min(often)
        } else {
            self.config.timers.audit
        };
        let wait = period + self.jitter.up_to(period / 2);
        self.deadlines.set(Timer::Audit, self.now.after(wait));
    }

    /// A group that is quiet and a group whose last commit was lost look the same from inside. Asking for
    /// the value of the present epoch, which is used, takes no lock and reads the counter.
    pub(crate) fn audit(&mut self) -> Result<(), Error> {
        self.schedule_audit();
        self.drop_spare_keys()?;
        let Some(member) = self.member() else { return Ok(()) };
        if member.is_idle() && member.decided.is_none() && member.candidates.is_empty() {
            let epoch = member.epoch;
            self.ask_lock(epoch);
        }
        Ok(())
    }

    /// What the counter said to an audit, or to a question about a slot that was decided meanwhile.
    pub(crate) fn on_audit(&mut self, state: &CounterState) -> Result<(), Error> {
        let Some(member) = self.member() else { return Ok(()) };
        let slot = member.slot();
        if !member.is_idle() || state.current == slot {
            return Ok(());
        }
        if state.current > slot {
            // The commit may be on its way; when it is not here by then, ask which one it is.
            self.deadlines.bring_forward(Timer::Confirm, self.now.after(self.config.timers.confirm));
            return Ok(());
        }
        self.on_counter(state)
    }

    /// Leaves the present state behind and asks to be let in again: a fresh KeyPackage, whose sender's
    /// stale leaf goes in the same commit.
    pub(crate) fn rejoin(&mut self, reason: RejoinReason) -> Result<(), Error> {
        if self.member().is_none() {
            return Ok(());
        }
        if self.leaving.is_some() {
            // On the way out anyway.
            return self.end(Notice::LeaveUnheard);
        }
        self.keep_passed_epoch()?;
        self.leave_state_behind(reason);
        self.fresh_key_package()
    }

    fn leave_state_behind(&mut self, reason: RejoinReason) {
        let counter = self.member().map(|m| m.slot());
        self.stats.rejoins = self.stats.rejoins.saturating_add(1);
        // Whom the others let in meanwhile is not seen here: what waits is theirs.
        self.joiners.empty_room();
        self.deadlines.clear_phase();
        self.start_joining(counter);
        self.notify(Notice::Rejoining(reason));
    }

    /// A peer's view of an epoch, from the application's own channel.
    pub(crate) fn on_authenticator(
        &mut self,
        peer: SenderId,
        epoch: u64,
        authenticator: &Bytes,
    ) -> Result<(), Error> {
        let Some(member) = self.member() else { return Ok(()) };
        if member.epoch != epoch || member.roster.of(&peer).is_none() {
            return Ok(());
        }
        if self.engine.epoch_authenticator(&member.group)? == *authenticator {
            return Ok(());
        }
        self.notify(Notice::ForkDetected { epoch, peer: peer.clone() });
        // Of two sides one must move. The one with the lower SenderId stays: both draw the same line.
        if !self.is_pinned() && peer < self.me {
            return self.rejoin(RejoinReason::Fork);
        }
        Ok(())
    }

    pub(crate) fn check_credentials(&mut self) {
        self.deadlines.set(Timer::Credentials, self.now.after(self.config.timers.credential_check));
        let now = self.now;
        let State::Member(member) = &mut self.state else { return };
        let expired: Vec<SenderId> = member
            .roster
            .iter()
            .filter(|m| !member.expired.contains(&m.sender))
            .filter(|m| !self.engine.credential_valid(&member.group, m, now))
            .map(|m| m.sender.clone())
            .collect();
        member.expired.extend(expired.iter().cloned());
        for sender in expired {
            self.notify(Notice::CredentialExpired { sender });
        }
    }
}
