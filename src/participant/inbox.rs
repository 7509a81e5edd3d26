//! From events to inputs: what was asked says what a reply is for.

use crate::engine::{Engine, KeyPackageInfo};
use crate::event::{Command, Event};
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::input::Input;

impl<E: Engine> Context<E> {
    /// Turns an event into an input for the present phase; `None` if there is nothing in it for a phase.
    pub(crate) fn receive(&mut self, event: Event, info: Option<KeyPackageInfo>) -> Option<Input> {
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
                let failure = reply.as_ref().err().copied();
                self.inputs.extend(reply.into_iter().flatten().map(Input::Object));
                Input::Fetched { id, purpose, failure }
            }),
            Event::LockReply { id, reply } => {
                self.requests.take_lock(id).map(|purpose| Input::Locked(purpose, reply))
            }
            Event::IncrementReply { id, reply } => {
                self.requests.take_increment(id).map(|purpose| Input::Incremented(purpose, reply))
            }
            Event::PeerAuthenticator { peer, epoch, authenticator } => {
                Some(Input::Authenticator { peer, epoch, authenticator })
            }
            Event::Timer => return None,
        };
        if input.is_none() {
            self.fault(None, Fault::UnknownReply);
        }
        input
    }
}
