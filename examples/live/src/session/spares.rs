//! Further sessions for SUBSCRIBE by name: a relay lets one session have only so many requests open.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Session;

/// Most SUBSCRIBEs on one session. Relays on QUIC libraries with their usual limit let 100 requests be open.
pub const BY_NAME: usize = 96;

/// Opens one more session.
pub type Opener = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Session>> + Send>> + Send + Sync>;

/// Sessions that are opened when they are needed. Dropping it closes them.
pub struct Spares {
    open: Opener,
    /// Held while one is opened, so that many who need one open one.
    opening: tokio::sync::Mutex<()>,
    sessions: Mutex<Vec<Spare>>,
}

struct Spare {
    session: Arc<Session>,
    room: Arc<Semaphore>,
}

impl Spares {
    /// None yet.
    pub fn new(open: Opener) -> Self {
        Self { open, opening: tokio::sync::Mutex::default(), sessions: Mutex::default() }
    }

    /// Returns a session with room for one more SUBSCRIBE, for as long as the permit is held.
    pub(super) async fn place(&self) -> Result<(Arc<Session>, OwnedSemaphorePermit)> {
        if let Some(place) = self.find() {
            return Ok(place);
        }
        let _opening = self.opening.lock().await;
        if let Some(place) = self.find() {
            return Ok(place);
        }
        let session = Arc::new((self.open)().await?);
        let room = Arc::new(Semaphore::new(BY_NAME));
        let permit = room.clone().try_acquire_owned().context("no room in a new session")?;
        let spare = Spare { session: session.clone(), room };
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
        Ok((session, permit))
    }

    fn find(&self) -> Option<(Arc<Session>, OwnedSemaphorePermit)> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|spare| !spare.session.is_closed() && !spare.session.is_going_away());
        let place =
            |spare: &Spare| Some((spare.session.clone(), spare.room.clone().try_acquire_owned().ok()?));
        sessions.iter().find_map(place)
    }
}
