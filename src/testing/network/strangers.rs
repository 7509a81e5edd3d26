//! Who is no participant and uses the relay all the same.

use super::broken::respond_wrongly;
use super::{ByWire, World};
use bytes::Bytes;

use crate::codec::{ControlMessage, Decode, Encode, ObjectStream};
use crate::counter::http::HttpRequest;
use crate::engine::Engine;
use crate::event::Object;
use crate::namespace::Output;
use crate::testing::session::{Incoming, Outgoing};

/// The relay session of the [`Stranger`](crate::testing::stranger::Stranger).
pub(super) const STRANGER: usize = usize::MAX;

impl<E: Engine> World<E, ByWire> {
    /// Publishes an object by a client that is no participant and may use the relay like anyone: it is in the
    /// cache, goes to all who asked for its track, and can be fetched.
    pub fn publish_as_stranger(&mut self, object: &Object) {
        if self.carriage.stranger.is_none() {
            self.carriage.relay.open(STRANGER);
        }
        let out = self.carriage.stranger.get_or_insert_default().publish(object);
        self.carry_stranger(out);
    }

    /// Asks the counter service as anybody may who reaches it, and throws the answer away.
    pub fn ask_as_stranger(&mut self, request: &HttpRequest) {
        let token = Bytes::copy_from_slice(&self.tokens.next_u64().to_be_bytes());
        match self.carriage.service_flaw {
            Some(flaw) => respond_wrongly(flaw, &mut self.counter, self.now, request, token, None),
            None => self.counter.respond(self.now, request, token),
        };
    }

    /// The stranger sits next to the relay: what it sends is there at once.
    fn carry_stranger(&mut self, out: Vec<Outgoing>) {
        for outgoing in out {
            let answer = match outgoing {
                Outgoing::Control(mut bytes) => {
                    ControlMessage::decode(&mut bytes).map(|m| self.carriage.relay.control(&STRANGER, m))
                }
                Outgoing::Object(mut bytes) => ObjectStream::decode(&mut bytes)
                    .map(|stream| self.carriage.relay.object(&STRANGER, stream)),
                Outgoing::Http(..) => continue,
            };
            if let Ok(Ok(outputs)) = answer {
                self.fan_out(outputs);
            }
        }
    }

    pub(super) fn answer_stranger(&mut self, output: Output) {
        let Output::Control(message) = output else { return };
        let (Some(stranger), Ok(bytes)) = (&mut self.carriage.stranger, message.to_bytes()) else { return };
        let out = stranger.receive(Incoming::Control(bytes));
        self.carry_stranger(out);
    }
}
