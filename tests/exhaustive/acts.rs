//! What can happen next in a world, with a text form: a counterexample is a list of these lines.

use std::fmt;

use moq_mls::action::Timer;
use moq_mls::tracks::TrackKind;
use moq_mls::{Phase, SafetyMode};

use crate::rows::Row;
use crate::world::{Body, World, digest};

/// One thing that happens. Participants are numbered; `at` is an object's place, `id` its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Act {
    /// A timer of a participant fires.
    Fire(u8, Timer),
    /// The service handles a request; its answer is on its way.
    Serve(u8, u64),
    /// The service handles a request once more, and nobody hears the answer.
    Again(u8, u64),
    /// The service refuses a lock: a malicious member has it.
    Refuse(u8, u64),
    /// The answer arrives.
    Answer(u8, u64),
    /// The participant gives up waiting: the request may still arrive, its answer will not.
    GiveUp(u8, u64),
    /// A request that its participant gave up arrives.
    Late(u64),
    /// A published object reaches the relay.
    Arrive(u64),
    /// The relay gives a participant an object.
    Deliver(u8, u64),
    /// The lock's lease ends.
    Lapse,
    /// A participant dies for good.
    Crash(u8),
    /// A participant dies and starts again from what was durable.
    Restart(u8),
    /// The service loses its state.
    Reset,
    /// A malicious member publishes a commit without asking anybody.
    Rogue(u8),
    /// An outsider takes the place of something on its way to the relay.
    Squat(u64),
    /// A client without keys tries to fill the next slot.
    Keyless,
    /// A malicious member makes up other keys for a Welcome.
    Forge(u64),
    /// A malicious member pins the commit of a request with a lock of made-up keys.
    WrongLock(u64),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fire(p, timer) => write!(f, "p{p} timer {timer:?}"),
            Self::Serve(p, id) => write!(f, "service handles request {id} of p{p}"),
            Self::Again(p, id) => write!(f, "service handles request {id} of p{p} once more"),
            Self::Refuse(p, id) => write!(f, "service refuses the lock of request {id} of p{p}"),
            Self::Answer(p, id) => write!(f, "p{p} hears answer {id}"),
            Self::GiveUp(p, id) => write!(f, "p{p} gives up request {id}"),
            Self::Late(id) => write!(f, "service handles late request {id:016x}"),
            Self::Arrive(id) => write!(f, "relay gets {id:016x}"),
            Self::Deliver(p, id) => write!(f, "p{p} gets {id:016x}"),
            Self::Lapse => f.write_str("the lock lapses"),
            Self::Crash(p) => write!(f, "p{p} dies"),
            Self::Restart(p) => write!(f, "p{p} restarts"),
            Self::Reset => f.write_str("the service loses its state"),
            Self::Rogue(p) => write!(f, "p{p} publishes a commit without the lock"),
            Self::Squat(id) => write!(f, "an outsider takes the place of {id:016x}"),
            Self::Keyless => f.write_str("somebody without keys increments"),
            Self::Forge(id) => write!(f, "other keys are made up for the Welcome {id:016x}"),
            Self::WrongLock(id) => {
                write!(f, "the commit of request {id} is pinned with a lock of made-up keys")
            }
        }
    }
}

/// An act, and perhaps a crash of its participant in the middle of what it does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    pub(crate) act: Act,
    /// The participant dies after this many of the things it does; restarts if `back`.
    pub(crate) dies: Option<(u8, bool)>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.act.fmt(f)?;
        match self.dies {
            None => Ok(()),
            Some((after, false)) => write!(f, ", and dies after {after} of its actions"),
            Some((after, true)) => write!(f, ", and restarts after {after} of its actions"),
        }
    }
}

impl From<Act> for Step {
    fn from(act: Act) -> Self {
        Self { act, dies: None }
    }
}

impl World {
    /// Everything that can happen next.
    pub(crate) fn steps(&self, row: &Row, out: &mut Vec<Step>) {
        let mut acts = Vec::new();
        for (who, peer) in self.peers.iter().enumerate() {
            let Some(machine) = peer.machine() else { continue };
            let who = who as u8;
            for timer in machine.armed() {
                let fires = match timer {
                    Timer::Turn => {
                        machine.epoch().is_some_and(|e| e < row.last())
                            || machine.inside().outbox.is_some()
                            || machine.epoch_base() > 0
                    }
                    Timer::Request | Timer::Confirm => true,
                    // What these bring, a delivery brings too, for publishes are not lost here.
                    Timer::ReadBack | Timer::Fetch | Timer::Audit => false,
                    Timer::JoinRetry => self.budget.rekeys > 0,
                    Timer::Recover => row.recovers,
                    // Far longer than anything that is on its way; no effect on the group's state.
                    _ => false,
                };
                if fires {
                    acts.push(Act::Fire(who, timer));
                }
            }
            for (id, object) in &self.store {
                let useful = match machine.tracks().classify(&object.track) {
                    Some(TrackKind::Commit(_)) => {
                        machine.epoch().is_none_or(|e| e - machine.epoch_base() <= object.location.group_id)
                            || row.mode == SafetyMode::Fenced
                    }
                    Some(TrackKind::Welcome(to)) => to == *machine.sender_id(),
                    Some(TrackKind::KeyPackage(of)) => of != *machine.sender_id(),
                    // A founder's announcement.
                    None if row.recovers => object.track.name != *machine.sender_id().as_bytes(),
                    _ => false,
                };
                if useful && machine.phase() != Phase::Ended {
                    acts.push(Act::Deliver(who, *id));
                }
            }
            if self.budget.crashes > 0 && row.crash_only.is_none_or(|p| p == who as usize) {
                acts.push(Act::Crash(who));
            }
            if self.budget.restarts > 0 && row.crash_only.is_none_or(|p| p == who as usize) {
                acts.push(Act::Restart(who));
            }
            let early = machine.epoch().is_some_and(|e| e < row.last());
            if self.budget.rogues > 0 && row.rogue == Some(who as usize) && early {
                acts.push(Act::Rogue(who));
            }
        }
        for (who, id) in self.requests.keys() {
            acts.push(Act::Serve(*who, *id));
            if self.budget.repeats > 0 {
                acts.push(Act::Again(*who, *id));
            }
            if row.loss && self.late.len() < row.most_late {
                acts.push(Act::GiveUp(*who, *id));
            }
        }
        acts.extend(self.late.iter().map(|body| Act::Late(digest(body))));
        for (who, id) in self.replies.keys() {
            acts.push(Act::Answer(*who, *id));
            if row.loss {
                acts.push(Act::GiveUp(*who, *id));
            }
        }
        acts.extend(self.publishes.keys().map(|id| Act::Arrive(*id)));
        if self.counter.lock_held().is_some() {
            acts.push(Act::Lapse);
        }
        if self.budget.resets > 0 {
            acts.push(Act::Reset);
        }
        self.attacks(row, &mut acts);
        for act in acts {
            out.push(act.into());
            self.crashes_within(row, act, out);
        }
    }

    /// What adversaries can do next.
    fn attacks(&self, row: &Row, acts: &mut Vec<Act>) {
        let welcomes = |o: &&std::sync::Arc<moq_mls::Object>| {
            let tracks = self.peers.iter().find_map(|p| p.machine()).map(|m| m.tracks().classify(&o.track));
            matches!(tracks, Some(Some(TrackKind::Welcome(_))))
        };
        if self.budget.squats > 0 {
            acts.extend(self.publishes.keys().map(|id| Act::Squat(*id)));
        }
        let slot = self.counter.next();
        if self.budget.keyless > 0 && slot > 0 && slot <= row.last() {
            acts.push(Act::Keyless);
        }
        if self.budget.forgeries > 0 {
            let there = self.publishes.iter().chain(&self.store);
            acts.extend(there.filter(|(_, o)| welcomes(o)).map(|(id, _)| Act::Forge(*id)));
        }
        if self.budget.refusals > 0 {
            let next = |body: &&Body| **body == Body::Lock(slot);
            let honest = |who: u8| row.rogue != Some(who as usize);
            let asked = self.requests.iter().filter(|((who, _), body)| honest(*who) && next(body));
            acts.extend(asked.map(|((who, id), _)| Act::Refuse(*who, *id)));
        }
        if self.budget.wrong_locks > 0 {
            let pins = |(_, body): &(&(u8, u64), &Body)| {
                matches!(body, Body::Increment { pin: Some(_), commit: Some(_), .. })
            };
            acts.extend(self.requests.iter().filter(pins).map(|((_, id), _)| Act::WrongLock(*id)));
        }
    }

    /// A participant may die between any two of the things it does.
    fn crashes_within(&self, row: &Row, act: Act, out: &mut Vec<Step>) {
        let (Act::Fire(who, _) | Act::Answer(who, _) | Act::Deliver(who, _)) = act else { return };
        let dies = self.budget.crashes > 0 && row.crash_only.is_none_or(|p| p == who as usize);
        let back = self.budget.restarts > 0 && row.crash_only.is_none_or(|p| p == who as usize);
        if !dies && !back || self.is_idle(act) {
            return;
        }
        let mut world = self.clone();
        let did = world.perform(row, act, None);
        for after in 0..did.visible {
            if dies {
                out.push(Step { act, dies: Some((after, false)) });
            }
            if back {
                out.push(Step { act, dies: Some((after, true)) });
            }
        }
    }
}
