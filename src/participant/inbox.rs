//! From events to inputs: what was asked says what a reply is for.

use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply};
use crate::engine::{Engine, KeyPackageInfo};
use crate::event::{Command, Event};
use crate::notice::{Fault, Notice, ServiceFault};
use crate::participant::context::Context;
use crate::participant::input::Input;
use crate::participant::requests::FetchPurpose;
use crate::request::Failure;

impl<E: Engine> Context<E> {
    /// Turns an event into an input for the present phase; `None` if there is nothing in it for a phase.
    pub(crate) fn receive(&mut self, event: Event, info: Option<KeyPackageInfo>) -> Option<Input> {
        let asked = match &event {
            Event::FetchReply { id, .. } => Some(id.0),
            Event::LockReply { id, .. } => Some(id.0),
            Event::IncrementReply { id, .. } => Some(id.0),
            Event::CommitReply { id, .. } => Some(id.0),
            _ => None,
        };
        let answered = match &event {
            Event::LockReply { reply, .. } => Some(reply.is_ok()),
            Event::IncrementReply { reply, .. } => Some(reply.is_ok()),
            Event::CommitReply { reply, .. } => Some(reply.is_ok()),
            _ => None,
        };
        if answered.is_some_and(|is_answered| self.unanswered.note(is_answered)) {
            self.notify(Notice::ServiceFault(ServiceFault::NoAnswer));
        }
        let input = match event {
            Event::Command(command) => Some(match (command, info) {
                (Command::Add(message), Some(info)) => Input::Add { message, info },
                (command, _) => Input::Command(command),
            }),
            Event::Object(object) => Some(Input::Object(object)),
            Event::SubscribeReply { id, reply } => {
                self.on_subscribe_reply(id, reply);
                return None;
            }
            Event::PublishReply { id, reply } => {
                self.on_publish_reply(id, reply);
                return None;
            }
            Event::FetchReply { id, reply } => self.requests.take_fetch(id).map(|purpose| {
                if purpose == FetchPurpose::OwnTrack {
                    return Input::OwnTrack(reply.unwrap_or_default());
                }
                let failure = reply.as_ref().err().copied();
                self.inputs.extend(reply.into_iter().flatten().map(Input::Object));
                Input::Fetched { id, purpose, failure }
            }),
            Event::LockReply { id, reply } => self.requests.take_lock(id).map(|purpose| {
                let states = |reply: &LockReply| match reply {
                    LockReply::CounterError(state) if !purpose.asks_for_the_state() => {
                        Some((purpose.value(), state.clone()))
                    }
                    _ => None,
                };
                Input::Locked(purpose, self.believed(reply, states))
            }),
            Event::IncrementReply { id, reply } => self.requests.take_increment(id).map(|purpose| {
                let (slot, _) = purpose.slot();
                let states = |reply: &IncrementReply| match reply {
                    IncrementReply::Ok(state) | IncrementReply::CounterError(state) => {
                        Some((slot, state.clone()))
                    }
                    IncrementReply::WrongKey(state) => Some((slot.checked_sub(1)?, state.clone())),
                    IncrementReply::Error(_) => None,
                };
                Input::Incremented(purpose, self.believed(reply, states))
            }),
            Event::CommitReply { id, reply } => self.requests.take_commit(id).map(|slot| {
                let states = |reply: &CommitReply| match reply {
                    CommitReply::Found { state, .. } | CommitReply::CounterError(state) => {
                        Some((slot, state.clone()))
                    }
                    CommitReply::Error(_) => None,
                };
                Input::CommitRead(slot, self.believed(reply, states))
            }),
            Event::PeerAuthenticator { peer, epoch, authenticator } => {
                Some(Input::Authenticator { peer, epoch, authenticator })
            }
            Event::MediaOpened { peer, epoch } => Some(Input::Media { opened: Some(peer), epoch }),
            Event::MediaAhead { epoch } => Some(Input::Media { opened: None, epoch }),
            Event::ServiceTime(at) => {
                self.on_service_time(at);
                return None;
            }
            Event::RetryAfter(wait) => {
                self.spare_service(wait);
                return None;
            }
            Event::Timer => return None,
        };
        if input.is_none() && !asked.is_some_and(|id| self.requests.is_abandoned(id)) {
            self.fault(None, Fault::UnknownReply);
        }
        input
    }

    /// Lets an answer of the service through unless it tells a pin that is not to be believed: then it is as if
    /// there were no answer. `states` says what it tells, and of which slot.
    fn believed<R>(
        &mut self,
        reply: Result<R, Failure>,
        states: impl FnOnce(&R) -> Option<(u64, CounterState)>,
    ) -> Result<R, Failure> {
        let reply = reply?;
        match states(&reply) {
            Some((slot, state)) if !self.believes_state(slot, &state) => {
                self.bad_receipt();
                Err(Failure::Unknown)
            }
            _ => Ok(reply),
        }
    }
}
