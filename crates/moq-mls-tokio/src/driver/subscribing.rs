//! Subscriptions that outlast their sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use moq_mls::Object;
use moq_mls::action::SubscribeId;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::calls::{Pace, joined};
use crate::error::DriverError;
use crate::relay::{Relay, RelayError, Scope};

/// What a subscription brings.
#[derive(Debug)]
pub(super) enum Inbound {
    /// The first answer.
    Answered(SubscribeId, Result<(), RelayError>),
    /// The subscription had ended, and this is how it is now.
    Renewed(Result<(), RelayError>),
    /// An object.
    Object(Object),
}

/// The subscriptions that run.
pub(super) struct Subscriptions {
    tasks: JoinSet<()>,
    running: BTreeMap<SubscribeId, AbortHandle>,
    to: mpsc::Sender<Inbound>,
    from: mpsc::Receiver<Inbound>,
}

impl Subscriptions {
    pub(super) fn with_room(objects: usize) -> Self {
        let (to, from) = mpsc::channel(objects.max(1));
        Self { tasks: JoinSet::new(), running: BTreeMap::new(), to, from }
    }

    pub(super) fn begin<R: Relay>(&mut self, relay: Arc<R>, id: SubscribeId, scope: Scope, pace: Pace) {
        let task = self.tasks.spawn(keep(relay, id, scope, pace, self.to.clone()));
        self.running.insert(id, task);
    }

    pub(super) fn end(&mut self, id: SubscribeId) {
        if let Some(task) = self.running.remove(&id) {
            task.abort();
        }
    }

    /// Waits for what comes next.
    pub(super) async fn next(&mut self) -> Result<Option<Inbound>, DriverError> {
        tokio::select! {
            inbound = self.from.recv() => Ok(inbound),
            Some(ended) = self.tasks.join_next() => joined(ended).map(|_| None),
        }
    }
}

/// Keeps a subscription. If the first try fails, the participant asks again; what ended later is begun again here.
async fn keep<R: Relay>(relay: Arc<R>, id: SubscribeId, scope: Scope, pace: Pace, to: mpsc::Sender<Inbound>) {
    let mut subscribed = pace.once(relay.subscribe(scope.clone())).await;
    let answer = subscribed.as_ref().map(|_| ()).map_err(Clone::clone);
    if to.send(Inbound::Answered(id, answer)).await.is_err() {
        return;
    }
    let mut wait = pace.backoff.0;
    while let Ok(mut objects) = subscribed {
        while let Some(object) = objects.recv().await {
            // What came shows that the relay works.
            wait = pace.backoff.0;
            if to.send(Inbound::Object(object)).await.is_err() {
                return;
            }
        }
        tracing::debug!(?scope, "a subscription ended; subscribing again");
        subscribed = loop {
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(pace.backoff.1);
            let again = pace.once(relay.subscribe(scope.clone())).await;
            let answer = again.as_ref().map(|_| ()).map_err(Clone::clone);
            if to.send(Inbound::Renewed(answer)).await.is_err() {
                return;
            }
            if again.is_ok() {
                break again;
            }
        };
    }
}
