//! A relay and a counter service in the process: for tests, and for a first try.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moq_mls::Object;
use moq_mls::counter::http::{HttpRequest, HttpResponse};
use moq_mls::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};

use crate::clock::{Clock, SystemClock};
use crate::counter::{Answer, CounterClient};
use crate::relay::{FetchRequest, Relay, RelayError, Scope};

/// Most objects that wait for a subscriber.
const ROOM: usize = 64;

/// A relay in this process that keeps every object. Clones are sessions of one relay.
#[derive(Clone)]
pub struct LocalRelay(watch::Sender<Vec<Object>>);

impl LocalRelay {
    /// Makes a relay without objects.
    pub fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    /// Returns what was published, in order.
    pub fn objects(&self) -> Vec<Object> {
        self.0.borrow().clone()
    }
}

impl Default for LocalRelay {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalRelay({} objects)", self.0.borrow().len())
    }
}

impl Relay for LocalRelay {
    async fn publish(&self, object: Object) -> Result<(), RelayError> {
        self.0.send_if_modified(|objects| {
            let is_new = !objects.contains(&object);
            if is_new {
                objects.push(object);
            }
            is_new
        });
        Ok(())
    }

    async fn subscribe(&self, scope: Scope) -> Result<mpsc::Receiver<Object>, RelayError> {
        let (to, from) = mpsc::channel(ROOM);
        let mut objects = self.0.subscribe();
        tokio::spawn(async move {
            let mut seen = 0;
            loop {
                let fresh: Vec<Object> = objects.borrow_and_update().iter().skip(seen).cloned().collect();
                seen += fresh.len();
                for object in fresh.into_iter().filter(|object| scope.contains(&object.track)) {
                    if to.send(object).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    changed = objects.changed() => if changed.is_err() { return },
                    () = to.closed() => return,
                }
            }
        });
        Ok(from)
    }

    async fn fetch(&self, request: FetchRequest) -> Result<Vec<Object>, RelayError> {
        let wanted = |object: &&Object| {
            request.target.covers(&object.track) && request.groups.contains(&object.location.group_id)
        };
        Ok(self.0.borrow().iter().filter(wanted).cloned().collect())
    }
}

/// SHA-256, and no receipts.
struct Hash;

impl ServiceCrypto for Hash {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

/// A counter service in this process. Clones are clients of one service.
#[derive(Clone)]
pub struct LocalCounter {
    service: Arc<Mutex<CounterService<Hash>>>,
    clock: SystemClock,
}

impl LocalCounter {
    /// Makes a service without counters.
    pub fn new() -> Self {
        let service = CounterService::new(ServiceConfig::default(), Hash);
        Self { service: Arc::new(Mutex::new(service)), clock: SystemClock::new() }
    }

    /// Answers an HTTP request of anybody.
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        self.service().respond(self.clock.now(), request, token())
    }

    fn service(&self) -> MutexGuard<'_, CounterService<Hash>> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LocalCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalCounter({} counters)", self.service().iter().count())
    }
}

impl CounterClient for LocalCounter {
    async fn lock(&self, request: LockRequest) -> Answer<LockReply> {
        Ok(self.service().lock(self.clock.now(), &request, token())).into()
    }

    async fn increment(&self, request: IncrementRequest) -> Answer<IncrementReply> {
        Ok(self.service().increment(self.clock.now(), &request)).into()
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitReply> {
        Ok(self.service().commit(&request)).into()
    }
}

/// Draws a lock token. Empty if the system has no randomness: the lock then carries none, as the draft has it.
fn token() -> bytes::Bytes {
    let mut token = [0; 16];
    match getrandom::fill(&mut token) {
        Ok(()) => bytes::Bytes::copy_from_slice(&token),
        Err(_) => bytes::Bytes::new(),
    }
}
