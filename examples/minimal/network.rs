//! What stands for the network here: a relay that keeps every object, and the counter service. Both are in the process, and
//! answer at once.

use std::error::Error;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use moq_mls::action::SubscribeId;
use moq_mls::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
use moq_mls::tracks::TrackNamespace;
use moq_mls::{Action, Event, Object};
use tokio::sync::mpsc;

use crate::now;

pub(crate) type Events = mpsc::UnboundedSender<Event>;

struct Hash;
impl ServiceCrypto for Hash {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        digest(&SHA256, data).as_ref().try_into().unwrap_or_default()
    }
}

/// The relay and the counter service.
pub(crate) struct Hub {
    service: CounterService<Hash>,
    objects: Vec<Object>,
    /// Who wants what: a whole namespace, or one track.
    subscribed: Vec<(Events, TrackNamespace, Option<Bytes>)>,
}

fn wants(object: &Object, namespace: &TrackNamespace, name: Option<&Bytes>) -> bool {
    object.track.namespace.starts_with(namespace) && name.is_none_or(|name| object.track.name == *name)
}

impl Hub {
    pub(crate) fn new() -> Self {
        let service = CounterService::new(ServiceConfig::default(), Hash);
        Self { service, objects: Vec::new(), subscribed: Vec::new() }
    }

    /// Does what a participant asks for, and answers.
    pub(crate) fn act(&mut self, to: &Events, action: Action) -> Result<(), Box<dyn Error>> {
        let answer = match action {
            Action::Lock { id, request } => {
                let mut token = vec![0; 16];
                aws_lc_rs::rand::fill(&mut token)?;
                Event::LockReply { id, reply: Ok(self.service.lock(now(), &request, token.into())) }
            }
            Action::Increment { id, request: increment } => {
                Event::IncrementReply { id, reply: Ok(self.service.increment(now(), &increment)) }
            }
            Action::GetCommit { id, request: of } => {
                Event::CommitReply { id, reply: Ok(self.service.commit(&of)) }
            }
            Action::Publish { id, object } => {
                for (to, namespace, name) in &self.subscribed {
                    if wants(&object, namespace, name.as_ref()) {
                        to.send(Event::Object(object.clone()))?;
                    }
                }
                self.objects.push(object);
                Event::PublishReply { id, reply: Ok(()) }
            }
            Action::Subscribe { id, track } => self.subscribe(to, id, track.namespace, Some(track.name)),
            Action::SubscribeNamespace { id, namespace } => self.subscribe(to, id, namespace, None),
            Action::Fetch { id, target, groups } => {
                let asked = |o: &&Object| target.covers(&o.track) && groups.contains(&o.location.group_id);
                Event::FetchReply { id, reply: Ok(self.objects.iter().filter(asked).cloned().collect()) }
            }
            _ => return Ok(()),
        };
        Ok(to.send(answer)?)
    }

    fn subscribe(
        &mut self,
        to: &Events,
        id: SubscribeId,
        namespace: TrackNamespace,
        name: Option<Bytes>,
    ) -> Event {
        let there = self.objects.iter().filter(|object| wants(object, &namespace, name.as_ref()));
        there.for_each(|object| _ = to.send(Event::Object(object.clone())));
        self.subscribed.push((to.clone(), namespace, name));
        Event::SubscribeReply { id, reply: Ok(()) }
    }
}
