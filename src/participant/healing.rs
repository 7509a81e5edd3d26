//! Mode Advisory: a committer died between publish and increment, and whoever notices increments for it.

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::{IncrementReply, LockReply, Pin};
use crate::engine::Engine;
use crate::participant::Participant;
use crate::participant::membership::Step;
use crate::request::Failure;

impl<E: Engine> Participant<E> {
    pub(crate) fn start_healing(&mut self, slot: u64) {
        let Some(member) = self.member_mut() else { return };
        member.step = Step::Healing { lock_id: None, slot };
        self.ask_lock(slot);
    }

    pub(crate) fn heal(&mut self, slot: u64, lock_id: Option<Bytes>) {
        let Some(member) = self.member_mut() else { return };
        let pin = Pin::new([0; 32], member.context_hash);
        member.step = Step::Healing { lock_id: lock_id.clone(), slot };
        self.ask_increment(slot, pin, None, lock_id);
    }

    pub(crate) fn on_healing_lock(&mut self, slot: u64, reply: Result<LockReply, Failure>) {
        match reply {
            Ok(LockReply::Ok { lock_id, .. }) => self.heal(slot, lock_id),
            Ok(LockReply::Conflict { retry_later }) => {
                if let Some(member) = self.member_mut() {
                    member.step = Step::Idle;
                }
                let wait = self.retry_after(retry_later);
                self.deadlines.set(Timer::Request, self.now.after(wait));
            }
            Ok(LockReply::CounterError(_) | LockReply::Error(_)) | Err(_) => self.back_off(),
        }
    }

    pub(crate) fn on_healed(&mut self, slot: u64, reply: Result<IncrementReply, Failure>) {
        match reply {
            Ok(IncrementReply::Ok(_)) => {
                if let Some(member) = self.member_mut() {
                    member.step = Step::Idle;
                }
            }
            Ok(_) => self.back_off(),
            Err(_) => {
                if let Some(member) = self.member_mut() {
                    member.step = Step::Healing { lock_id: None, slot };
                }
                self.repeat_later();
            }
        }
    }
}
