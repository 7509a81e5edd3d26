//! What the requests of a session share: its connection, request ids, and the aliases of the tracks that come in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::BytesMut;
use moq_mls::tracks::FullTrackName;
use moqtap_codec::draft18::message::ControlMessage;
use moqtap_codec::kvp::KeyValuePair;
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, mpsc};

use super::wire::{read, write};
use super::{Draft, WireObject, draft, fetch};
use crate::mapping::OPEN_GROUPS;

/// How long objects wait for the name of their alias, and an alias is known after its track has ended.
const UNNAMED: Duration = Duration::from_secs(10);
/// Longest wait for what was published before a subscription.
const PAST: Duration = Duration::from_secs(10);

/// What the requests of a session share.
pub(super) struct Asks {
    pub(super) connection: quinn::Connection,
    pub(super) draft: Draft,
    pub(super) tracks: Tracks,
    pub(super) fetches: fetch::Requests,
    /// Where the objects that come in go.
    pub(super) inbound: mpsc::Sender<WireObject>,
    requests: AtomicU64,
}

impl Asks {
    /// # Errors
    /// If the connection speaks no draft of ours.
    pub(super) fn new(connection: quinn::Connection, inbound: mpsc::Sender<WireObject>) -> Result<Self> {
        let Some(draft) = Draft::of(&connection) else {
            bail!("the relay chose no draft of MoQT that is known here")
        };
        let (tracks, fetches) = (Tracks::default(), fetch::Requests::default());
        Ok(Self { connection, draft, tracks, fetches, inbound, requests: AtomicU64::new(0) })
    }

    pub(super) fn request_id(&self) -> VarInt {
        // A client's are even.
        VarInt::from_u64_moqt(self.requests.fetch_add(2, Ordering::Relaxed))
    }

    /// Sends a request on a stream of its own.
    pub(super) async fn send(&self, request: ControlMessage) -> Result<(SendStream, RecvStream)> {
        let (mut send, recv) = self.connection.open_bi().await.context("request stream")?;
        write(&mut send, self.draft, &request).await?;
        Ok((send, recv))
    }

    /// Takes the objects of a track under an alias, until its request's stream says PUBLISH_DONE or ends. `parameters` are
    /// those of the message that named it: what they say was published before is fetched, if it does not come by itself.
    pub(super) async fn take(
        self: &Arc<Self>,
        alias: VarInt,
        track: FullTrackName,
        parameters: &[KeyValuePair],
        recv: &mut RecvStream,
        buf: &mut BytesMut,
    ) -> Result<()> {
        let naming = self.tracks.set(alias, track.clone());
        let past = async {
            match draft::largest_group(parameters) {
                Some(last) if !self.draft.subscriptions_begin_in_the_past() => {
                    self.take_past(&track, last).await
                }
                _ => {}
            }
        };
        let (ended, ()) = tokio::join!(until_done(recv, self.draft, buf), past);
        let this = self.clone();
        tokio::spawn(async move {
            // What is on its way may still come for a while.
            tokio::time::sleep(UNNAMED).await;
            this.tracks.forget(alias, naming);
        });
        ended
    }

    /// Fetches what a relay keeps of a track without being asked to, no more: its newest groups.
    async fn take_past(&self, track: &FullTrackName, last_group: u64) {
        let groups = last_group.saturating_sub(OPEN_GROUPS as u64 - 1)..=last_group;
        let taken = async {
            for object in fetch::fetch(self, track, groups).await? {
                self.inbound.send(object).await?;
            }
            anyhow::Ok(())
        };
        let taken = tokio::time::timeout(PAST, taken).await;
        if let Err(error) = taken.unwrap_or_else(|_| Err(anyhow!("not within {PAST:?}"))) {
            tracing::debug!(%track, error = format!("{error:#}"), "what was published before");
        }
    }
}

async fn until_done(recv: &mut RecvStream, draft: Draft, buf: &mut BytesMut) -> Result<()> {
    while let Some(message) = read(recv, draft, buf).await? {
        if matches!(message, ControlMessage::PublishDone(_)) {
            break;
        }
    }
    Ok(())
}

/// The tracks that the relay sends, by alias. Objects may overtake the message that names their track.
#[derive(Default)]
pub(super) struct Tracks {
    /// Each with a number of its own, for an alias may be used again.
    by_alias: Mutex<BTreeMap<u64, (u64, FullTrackName)>>,
    namings: AtomicU64,
    changed: Notify,
}

impl Tracks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, (u64, FullTrackName)>> {
        self.by_alias.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, alias: VarInt, track: FullTrackName) -> u64 {
        let naming = self.namings.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(alias.into_inner(), (naming, track));
        self.changed.notify_waiters();
        naming
    }

    fn forget(&self, alias: VarInt, naming: u64) {
        let mut by_alias = self.lock();
        if by_alias.get(&alias.into_inner()).is_some_and(|(present, _)| *present == naming) {
            by_alias.remove(&alias.into_inner());
        }
    }

    /// Waits until the track is named.
    ///
    /// # Errors
    /// If it is not in time.
    pub(super) async fn named(&self, alias: VarInt) -> Result<FullTrackName> {
        let named = async {
            loop {
                let changed = self.changed.notified();
                if let Some((_, track)) = self.lock().get(&alias.into_inner()) {
                    return track.clone();
                }
                changed.await;
            }
        };
        let track = tokio::time::timeout(UNNAMED, named).await;
        track.with_context(|| format!("nobody named the alias {}", alias.into_inner()))
    }
}
