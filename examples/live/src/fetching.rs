//! What is past, for a participant that missed it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, SenderId, TrackNamespace};

use crate::commit_log;
use crate::link::{self, RelayAddress};
use crate::session::Session;

/// Members that are asked, one after another, for what the relay has no more.
const ASKED: usize = 4;
/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(3);

/// A ratchet tree: its track, as the relay still has it.
pub async fn tree(relay: RelayAddress, track: &FullTrackName, group: u64) -> Result<Vec<Object>> {
    let mut objects = link::look_at(relay, track, |object| object.location.group_id == group).await?;
    objects.retain(|object| object.location.group_id == group);
    Ok(objects)
}

/// All that the relay still has of one track.
pub async fn track(relay: RelayAddress, track: &FullTrackName) -> Result<Vec<Object>> {
    link::look_at(relay, track, |_| false).await
}

/// Commits: what the relay still has of all commit tracks under `commits`, and what `members` have seen.
///
/// # Errors
/// If neither the relay nor any member answered.
pub async fn commits(
    relay: RelayAddress,
    session: Option<Arc<Session>>,
    commits: TrackNamespace,
    groups: RangeInclusive<u64>,
    members: Vec<SenderId>,
) -> Result<Vec<Object>> {
    let (kept, seen) =
        tokio::join!(link::look(relay, &commits), seen(session, &commits, groups.clone(), &members));
    let mut objects = match (kept, seen) {
        (Err(error), None) => return Err(error),
        (kept, seen) => [kept.unwrap_or_default(), seen.unwrap_or_default()].concat(),
    };
    objects.retain(|object| groups.contains(&object.location.group_id));
    Ok(objects)
}

/// By FETCH: what the first member that answers has seen.
async fn seen(
    session: Option<Arc<Session>>,
    commits: &TrackNamespace,
    groups: RangeInclusive<u64>,
    members: &[SenderId],
) -> Option<Vec<Object>> {
    let session = session?;
    for member in members.iter().take(ASKED) {
        match fetch(&session, commits, groups.clone(), member).await {
            Ok(objects) => return Some(objects),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "FETCH"),
        }
    }
    None
}

async fn fetch(
    session: &Session,
    commits: &TrackNamespace,
    groups: RangeInclusive<u64>,
    member: &SenderId,
) -> Result<Vec<Object>> {
    let track = commit_log::track(commits, member)?;
    let fetched = tokio::time::timeout(PATIENCE, session.fetch(&track, groups)).await;
    let objects = fetched.context("no answer")??;
    tracing::debug!(%track, objects = objects.len(), "fetched");
    objects.into_iter().map(|object| commit_log::import(commits, object)).collect()
}
