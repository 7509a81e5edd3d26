//! SUBSCRIBE_TRACKS, whose answers are read to the end, and SUBSCRIBE by name for what the relay does not offer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::BytesMut;
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use moqtap_codec::draft18::message::{
    ControlMessage, PublishBlocked, RequestError, Subscribe, SubscribeTracks,
};
use quinn::{RecvStream, SendStream};
use tokio::task::{JoinHandle, JoinSet};

use super::wire::read;
use super::{Draft, Session, Spares, Wanted};
use crate::mapping;

/// Between two SUBSCRIBEs to a track whose publisher is away: from, to. The track of a Welcome is there for
/// [`WELCOME_HELD`](mapping::WELCOME_HELD).
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// Most tracks of one namespace that are subscribed to by name.
const MOST_BY_NAME: usize = 4096;

/// A running SUBSCRIBE_TRACKS. Dropping it ends it, and the SUBSCRIBEs that came of it.
pub struct Subscription {
    answers: JoinHandle<()>,
    _send: SendStream,
}

impl Subscription {
    /// Waits until the relay has ended it.
    pub async fn ended(&mut self) {
        (&mut self.answers).await.ok();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Session {
    /// SUBSCRIBE_TRACKS: the relay offers every track under `namespace`, present and future, for as long as the
    /// subscription is kept. What it says that it does not offer is subscribed to by name, on sessions of `spares`.
    ///
    /// # Errors
    /// If the relay refuses, or the session ends.
    pub async fn subscribe_tracks(
        &self,
        namespace: &TrackNamespace,
        spares: &Arc<Spares>,
    ) -> Result<Subscription> {
        let request = SubscribeTracks {
            request_id: self.asks.request_id(),
            namespace_prefix: mapping::to_wire(namespace),
            parameters: Vec::new(),
        };
        let (send, mut recv) = self.asks.send(ControlMessage::SubscribeTracks(request)).await?;
        let mut buf = BytesMut::new();
        match read(&mut recv, self.asks.draft, &mut buf).await? {
            Some(ControlMessage::RequestOk(_)) => {}
            Some(ControlMessage::RequestError(e)) => bail!("SUBSCRIBE_TRACKS {namespace} {}", refused(&e)),
            other => bail!("SUBSCRIBE_TRACKS {namespace} answered by {other:?}"),
        }
        let prefix = namespace.clone();
        let answers =
            tokio::spawn(follow(spares.clone(), prefix, self.wanted.clone(), self.asks.draft, recv, buf));
        Ok(Subscription { answers, _send: send })
    }

    /// SUBSCRIBE: the objects of one track, from the oldest that the relay has, until its publisher ends it.
    ///
    /// # Errors
    /// If the relay has no such track, or the session ends.
    pub async fn subscribe(&self, track: &FullTrackName) -> Result<()> {
        let (track_namespace, track_name) = mapping::to_wire_track(track);
        let request = Subscribe {
            request_id: self.asks.request_id(),
            track_namespace,
            track_name,
            // Without a filter: from the oldest object that there is.
            parameters: Vec::new(),
        };
        let (_send, mut recv) = self.asks.send(ControlMessage::Subscribe(request)).await?;
        let mut buf = BytesMut::new();
        match read(&mut recv, self.asks.draft, &mut buf).await? {
            Some(ControlMessage::SubscribeOk(ok)) => {
                self.asks.take(ok.track_alias, track.clone(), &ok.parameters, &mut recv, &mut buf).await
            }
            Some(ControlMessage::RequestError(e)) => bail!("SUBSCRIBE {track} {}", refused(&e)),
            other => bail!("SUBSCRIBE {track} answered by {other:?}"),
        }
    }
}

fn refused(error: &RequestError) -> String {
    let reason = String::from_utf8_lossy(&error.reason_phrase);
    format!("refused with code {:#x}: {reason}", error.error_code.into_inner())
}

/// Reads what the relay says of a subscription, until it ends it.
async fn follow(
    spares: Arc<Spares>,
    prefix: TrackNamespace,
    wanted: Wanted,
    draft: Draft,
    mut recv: RecvStream,
    mut buf: BytesMut,
) {
    let mut by_name = JoinSet::new();
    loop {
        match read(&mut recv, draft, &mut buf).await {
            Ok(Some(ControlMessage::PublishBlocked(blocked))) => match name(&prefix, blocked) {
                Ok(track) if !wanted(&track) => {}
                Ok(track) if by_name.len() >= MOST_BY_NAME => {
                    tracing::warn!(%track, "not subscribed to: {MOST_BY_NAME} others are");
                }
                Ok(track) => {
                    tracing::debug!(%track, "the relay does not offer it; subscribing by name");
                    by_name.spawn(keep(spares.clone(), track));
                }
                Err(error) => tracing::debug!(%error, "PUBLISH_BLOCKED"),
            },
            Ok(Some(ControlMessage::RequestError(error))) => {
                tracing::warn!(%prefix, "SUBSCRIBE_TRACKS: {}", refused(&error));
                return;
            }
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%prefix, error = format!("{error:#}"), "SUBSCRIBE_TRACKS ended");
                return;
            }
        }
    }
}

fn name(prefix: &TrackNamespace, blocked: PublishBlocked) -> Result<FullTrackName> {
    let mut namespace = mapping::to_wire(prefix);
    namespace.0.extend(blocked.namespace_suffix.0);
    mapping::track(namespace, blocked.track_name)
}

/// Keeps a track subscribed to, also while its publisher is away for a time.
async fn keep(spares: Arc<Spares>, track: FullTrackName) {
    let mut wait = AGAIN.0;
    loop {
        let subscribed = async {
            let (session, _permit) = spares.place().await?;
            session.subscribe(&track).await
        };
        match subscribed.await {
            Ok(()) => wait = AGAIN.0,
            Err(error) => tracing::debug!(%track, error = format!("{error:#}"), "SUBSCRIBE"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN.1);
    }
}
