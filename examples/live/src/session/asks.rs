//! What the requests of a session share: its connection, request ids, and the aliases of the tracks that come in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::tracks::FullTrackName;
use moqtap_codec::draft18::message::ControlMessage;
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::Notify;

use super::wire::write;

/// How long objects wait for the name of their alias, and an alias is known after its track has ended.
pub(super) const UNNAMED: Duration = Duration::from_secs(10);

/// What the requests of a session share.
pub(super) struct Asks {
    pub(super) connection: quinn::Connection,
    pub(super) tracks: Tracks,
    requests: AtomicU64,
}

impl Asks {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        Self { connection, tracks: Tracks::default(), requests: AtomicU64::new(0) }
    }

    pub(super) fn request_id(&self) -> VarInt {
        // A client's are even.
        VarInt::from_u64_moqt(self.requests.fetch_add(2, Ordering::Relaxed))
    }

    /// Sends a request on a stream of its own.
    pub(super) async fn send(&self, request: ControlMessage) -> Result<(SendStream, RecvStream)> {
        let (mut send, recv) = self.connection.open_bi().await.context("request stream")?;
        write(&mut send, &request).await?;
        Ok((send, recv))
    }
}

/// The tracks that the relay sends, by alias. Objects may overtake the message that names their track.
#[derive(Default)]
pub(super) struct Tracks {
    by_alias: Mutex<BTreeMap<u64, FullTrackName>>,
    changed: Notify,
}

impl Tracks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, FullTrackName>> {
        self.by_alias.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, alias: VarInt, track: FullTrackName) {
        self.lock().insert(alias.into_inner(), track);
        self.changed.notify_waiters();
    }

    /// Forgets an alias whose track has ended: what is on its way may still come for a while.
    pub(super) async fn forget(&self, alias: VarInt) {
        tokio::time::sleep(UNNAMED).await;
        self.lock().remove(&alias.into_inner());
    }

    /// Waits until the track is named.
    ///
    /// # Errors
    /// If it is not in time.
    pub(super) async fn named(&self, alias: VarInt) -> Result<FullTrackName> {
        let named = async {
            loop {
                let changed = self.changed.notified();
                if let Some(track) = self.lock().get(&alias.into_inner()).cloned() {
                    return track;
                }
                changed.await;
            }
        };
        let track = tokio::time::timeout(UNNAMED, named).await;
        track.with_context(|| format!("nobody named the alias {}", alias.into_inner()))
    }
}
