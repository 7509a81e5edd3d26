//! The second phase: the faults are over, and everyone must come to agree.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::SafetyMode;
use crate::counter::service::Counter;
use crate::engine::Engine;
use crate::event::Command;
use crate::notice::{Notice, RejoinReason, ServiceFault};
use crate::participant::{Participant, Phase};
use crate::testing::network::Faults;
use crate::testing::simulation::scenario::Op;
use crate::testing::simulation::{Judged, PATIENCE, Run};
use crate::testing::witness::Violation;
use crate::tracks::SenderId;

/// Whether a participant reported that it stands still. That the service is silent comes and goes.
fn is_told(notice: &Notice) -> bool {
    match notice {
        Notice::ServiceFault(fault) => *fault != ServiceFault::NoAnswer,
        Notice::JoinStalled { .. } => true,
        _ => false,
    }
}

impl<E: Engine> Run<'_, E> {
    /// No more faults, and everyone who can come back does.
    pub(super) fn calm(&mut self) -> Judged {
        // Faults pass; adversaries stay.
        let forged_answers = self.net.faults_mut().forged_answers;
        *self.net.faults_mut() = Faults { forged_answers, ..Faults::default() };
        self.wait(Duration::from_secs(5))?;
        for who in self.down.clone() {
            self.restart(who);
        }
        self.judge()
    }

    /// Those who live, wanted in and have not ended.
    pub(super) fn here(&self) -> Vec<usize> {
        let ended = |who: &usize| self.net.peer(*who).is_none_or(|p| p.phase() == Phase::Ended);
        self.joined.iter().copied().filter(|who| !ended(who)).collect()
    }

    pub(super) fn expected(&self) -> Vec<usize> {
        // A participant that one member wanted out may be let in once more by another that did not see it.
        let out = |who: &usize| self.unwanted.contains_key(who) && self.member(*who).is_none();
        self.here().into_iter().filter(|who| !out(who)).collect()
    }

    /// Everyone comes to agree, or is notified that it cannot be.
    pub(super) fn agree(&mut self) -> Judged {
        let end = self.net.now().after(PATIENCE);
        let mut round = 0_u64;
        loop {
            if self.is_settled()? {
                return Ok(());
            }
            if self.net.now() >= end {
                return self.not_settled();
            }
            self.wait(Duration::from_secs(1))?;
            round = round.saturating_add(1);
            if round.is_multiple_of(10) {
                self.tell_who_is_gone();
            }
        }
    }

    /// Reports, as an embedder does, whose connections have ended.
    fn tell_who_is_gone(&mut self) {
        let Some(by) = self.here().into_iter().find(|who| self.member(*who).is_some()) else { return };
        let here: BTreeSet<&SenderId> = self.here().iter().filter_map(|who| self.ids.get(*who)).collect();
        let members = self.member(by).map(|p| p.members().map(|m| m.sender.clone()).collect::<Vec<_>>());
        let gone: Vec<SenderId> =
            members.unwrap_or_default().into_iter().filter(|m| !here.contains(m)).collect();
        for sender in gone {
            self.command(by, Command::Gone(sender));
        }
    }

    /// Returns whether any participant that runs, and was not put out, has a state of the group.
    fn is_held(&self) -> bool {
        let holds = |p: &Participant<E>| {
            p.phase() == Phase::Member || p.inside().genesis.is_some() || p.inside().recovers
        };
        self.expected().iter().any(|who| self.net.peer(*who).is_some_and(holds))
    }

    fn is_settled(&mut self) -> Result<bool, Violation> {
        let expected = self.expected();
        let told = |who: &usize| self.net.notices(*who).iter().any(|(_, n)| is_told(n));
        if !self.is_held() && expected.iter().all(told) {
            // No running participant holds the group, and everyone knows that it stalls: a new generation. That
            // comes of deaths and leaves, never of a state that could not be gone on with.
            let pinned = self.scenario.mode == SafetyMode::Pinned;
            // Who published a commit behind its machine's back cannot process it itself.
            let honest = |who: usize| {
                let by = |op: &Op| matches!(op, Op::Rogue(by) | Op::Corrupt(by) if *by == who);
                !self.scenario.steps.iter().any(by)
            };
            let gave_up = |who: usize, n: &Notice| match n {
                Notice::Rejoining { reason: RejoinReason::FaultyCommit | RejoinReason::PinForgotten } => true,
                // The service keeps what it pinned: no death and no relay takes it away.
                Notice::Rejoining { reason: RejoinReason::Unreachable | RejoinReason::Doubled } => {
                    pinned && honest(who)
                }
                _ => false,
            };
            if let Some(who) = expected
                .iter()
                .find(|w| !self.reset && self.net.notices(**w).iter().any(|(_, n)| gave_up(**w, n)))
            {
                self.fail("NoWedge", *who, "the last to hold the group gave it up".into())?;
            }
            self.orphaned = true;
            return Ok(true);
        }
        if self.reset {
            // The group stands still, whole; every participant that asked the service was notified.
            return Ok(self.quiet_since_reset());
        }
        Ok(self.lost_intent().is_none() && self.net.agreement(&expected).is_ok())
    }

    /// After the service lost its state: nobody is asked for more than to stay whole.
    fn quiet_since_reset(&self) -> bool {
        self.here()
            .iter()
            .all(|who| self.member(*who).is_some() || self.net.notices(*who).iter().any(|(_, n)| is_told(n)))
    }

    /// A removal that nobody carried out, though the member that wanted it never died.
    fn lost_intent(&self) -> Option<(usize, usize)> {
        if let Some(who) = self.leaving.iter().find(|who| self.member(**who).is_some()) {
            return Some((*who, *who));
        }
        self.unwanted.iter().find_map(|(whom, (by, epoch, died))| {
            let still = self.member(*by).is_some();
            let was_out =
                self.ids.get(*whom).is_some_and(|id| self.net.was_without(epoch.saturating_add(1), id));
            (still && !*died && !was_out).then_some((*by, *whom))
        })
    }

    fn not_settled(&self) -> Judged {
        if let Some((by, whom)) = self.lost_intent() {
            return self.fail("NoLostIntent", by, format!("p{whom} was never removed"));
        }
        let expected = self.expected();
        let waiting: Vec<usize> =
            expected.iter().copied().filter(|who| self.member(*who).is_none()).collect();
        let members: Vec<usize> =
            expected.iter().copied().filter(|who| self.member(*who).is_some()).collect();
        let agreement = self.net.agreement(&expected).err().unwrap_or_default();
        let epochs: BTreeSet<_> = members
            .iter()
            .filter_map(|who| self.member(*who))
            .map(|p| (p.epoch(), p.context_hash()))
            .collect();
        if let (Some(who), 1) = (waiting.first(), epochs.len()) {
            return self.fail("NoLostJoiner", *who, agreement);
        }
        self.fail("EventuallyAllSameEpoch", expected.first().copied().unwrap_or(0), agreement)
    }

    /// The group takes another commit.
    pub(super) fn go_on(&mut self) -> Judged {
        let Some(first) = self.expected().first().copied() else { return Ok(()) };
        let Some(epoch) = self.member(first).and_then(Participant::epoch) else { return Ok(()) };
        let mut round = 0_u64;
        while !self.net.agreement(&self.expected()).is_ok_and(|a| a.epoch > epoch) {
            if !self.is_held() {
                // A commit that won was lost with the members that knew it, which the quiet before did not show.
                return self.agree();
            }
            // A member on its way out takes no commands, and may be the last.
            let members = self.expected();
            let Some(who) = members.get(usize::try_from(round / 100).unwrap_or(0) % members.len().max(1))
            else {
                return Ok(());
            };
            if round.is_multiple_of(100) {
                self.command(*who, Command::Update);
                self.tell_who_is_gone();
            }
            if round > 600 {
                let why = self.net.agreement(&members).err().unwrap_or("no new epoch".into());
                return self.fail("NoWedge", *who, why);
            }
            self.wait(Duration::from_millis(100))?;
            round = round.saturating_add(1);
        }
        // Where anybody may take it, it is nobody's to free.
        if self.scenario.attacks.reachable {
            return Ok(());
        }
        for _ in 0..60 {
            self.wait(Duration::from_millis(100) + self.scenario.lease / 4)?;
            let now = self.net.now();
            let held = |c: &Counter| c.lock_held().is_some_and(|l| l.is_live(now));
            if !self.net.counter().iter().any(|(_, counter)| held(counter)) {
                return Ok(());
            }
        }
        self.fail("LockEventuallyFree", first, "the lock is still held".into())
    }

    /// The copy of a removed member's state tries to follow.
    pub(super) fn try_stolen(&mut self) -> Judged {
        let Some((who, copy)) = self.stolen.take() else { return Ok(()) };
        let is_out = self.net.peer(who).is_some_and(|p| p.phase() == Phase::Ended) || self.is_put_out(who);
        if !is_out || self.scenario.mode == SafetyMode::Advisory {
            return Ok(());
        }
        let engine = (self.kit.engine)(self.name(who), 77);
        let Ok(ghost) = self.net.add_restored(engine, self.config.clone(), copy) else { return Ok(()) };
        self.wait(Duration::from_secs(25))?;
        let Some(peer) = self.net.peer(ghost) else { return Ok(()) };
        let holds = peer.epoch().zip(peer.context_hash());
        let leaked = holds.is_some_and(|(epoch, context)| {
            self.ids.get(who).is_some_and(|id| self.net.seen_without(epoch, &context, id))
        });
        if leaked {
            return self.fail("RemovedCannotDerive", ghost, format!("a copy of p{who} holds {holds:?}"));
        }
        Ok(())
    }
}
