//! A client with a relay session that is no participant: it announces and publishes what it likes.

use bytes::Bytes;

use crate::codec::{ControlDecoder, ControlMessage, Encode, ObjectStream};
use crate::namespace::{NamespaceError, Publisher};
use crate::tracks::Object;

use super::session::{Incoming, Outgoing};

/// Objects of each track that are kept for those who ask later.
const KEPT: usize = 64;

/// A publisher's session at the relay, as bytes.
#[derive(Debug)]
pub struct Stranger {
    publisher: Publisher,
    control: ControlDecoder,
}

impl Default for Stranger {
    fn default() -> Self {
        Self { publisher: Publisher::new(KEPT), control: ControlDecoder::new() }
    }
}

impl Stranger {
    /// What to send to publish `object`, its namespace announced before it.
    pub fn publish(&mut self, object: &Object) -> Vec<Outgoing> {
        let announce = self.publisher.announce(&object.track.namespace);
        let (messages, objects) = self.publisher.publish(object);
        outgoing(std::iter::once(announce).chain(messages), objects)
    }

    /// Takes in what the relay sent, and answers what has to be answered. It subscribes to nothing.
    pub fn receive(&mut self, incoming: Incoming) -> Vec<Outgoing> {
        let Incoming::Control(bytes) = incoming else { return Vec::new() };
        self.control.push(&bytes);
        let mut out = Vec::new();
        while let Ok(Some(message)) = self.control.next_message() {
            let answer = match message {
                ControlMessage::SubscribeNamespace(request) => self.publisher.on_subscribe_namespace(request),
                ControlMessage::Subscribe(subscribe) => self.publisher.on_subscribe(subscribe),
                ControlMessage::Unsubscribe(unsubscribe) => {
                    self.publisher.on_unsubscribe(&unsubscribe).map(|()| Default::default())
                }
                _ => Err(NamespaceError::Unexpected),
            };
            if let Ok((messages, objects)) = answer {
                out.extend(outgoing(messages, objects));
            }
        }
        out
    }
}

fn outgoing(
    messages: impl IntoIterator<Item = ControlMessage>,
    objects: impl IntoIterator<Item = ObjectStream>,
) -> Vec<Outgoing> {
    let bytes = |encoded: Result<Bytes, _>| encoded.ok();
    let messages = messages.into_iter().filter_map(|m| bytes(m.to_bytes())).map(Outgoing::Control);
    let objects = objects.into_iter().filter_map(|o| bytes(o.to_bytes())).map(Outgoing::Object);
    messages.chain(objects).collect()
}
