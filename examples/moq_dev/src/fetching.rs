//! What is past: asked of the relay, which asks the publisher for a group that it has no more.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, SenderId, TrackNamespace};
use moq_mls_tokio::Scope;
use moq_net::{origin, track};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::following::follow;
use crate::{frames, names};

/// Members that are asked, one after another, for commits.
const ASKED: usize = 4;
/// Longest wait for a broadcast to be announced.
const ANNOUNCED: Duration = Duration::from_secs(1);
/// Longest wait for the first frame of a group.
const ANSWERED: Duration = Duration::from_secs(3);
/// Longest wait for a further frame. A group that its publisher keeps open has no end.
const SILENT: Duration = Duration::from_millis(300);
/// Longest time for a group as a whole: a publisher may go on for ever.
const WHOLE: Duration = Duration::from_secs(5);
/// Longest wait for one more commit that the relay has.
const LOOKED: Duration = Duration::from_millis(500);
/// Most groups that one request reads.
const MOST_GROUPS: u64 = 256;
/// Groups that are read at the same time.
const AT_ONCE: usize = 16;

/// Reads groups of a track that `publisher` publishes. Groups that nobody has any more are left out.
///
/// # Errors
/// If the library refuses.
pub async fn track(
    from: &origin::Consumer,
    track: &FullTrackName,
    publisher: &SenderId,
    groups: RangeInclusive<u64>,
) -> Result<Vec<Object>, moq_net::Error> {
    let Some(held) = open(from, &names::path(track, publisher)).await? else { return Ok(Vec::new()) };
    let frames = read_groups(&held, groups).await;
    Ok(frames.iter().filter_map(|(id, frame)| frames::decode(track.clone(), *id, frame)).collect())
}

/// Reads commits out of what the first of `members` has seen that has seen any; from the relay, if none has.
///
/// # Errors
/// If the library refuses.
pub async fn commits(
    from: &origin::Consumer,
    commits: &TrackNamespace,
    groups: RangeInclusive<u64>,
    members: &[SenderId],
) -> Result<Vec<Object>, moq_net::Error> {
    let group = names::group(commits).unwrap_or_default();
    for member in members.iter().take(ASKED) {
        let Some(seen) = open(from, &names::seen(&group, member)).await? else { continue };
        let frames = read_groups(&seen, groups.clone()).await;
        if !frames.is_empty() {
            let read = |(id, frame): &(u64, Bytes)| frames::decode_named(commits.clone(), *id, frame);
            return Ok(frames.iter().filter_map(read).collect());
        }
    }
    let (to, mut found) = mpsc::channel(1);
    let prefix = names::prefix(&Scope::Namespace(commits.clone()));
    let mut kept = Vec::new();
    let reading = async {
        while let Ok(Some(object)) = tokio::time::timeout(LOOKED, found.recv()).await {
            kept.push(object);
        }
    };
    tokio::select! {
        () = follow(from.clone(), prefix, to) => {}
        () = reading => {}
    }
    kept.retain(|commit| groups.contains(&commit.location.group_id));
    Ok(kept)
}

/// Returns the track of a broadcast; `None` if it is not announced.
async fn open(from: &origin::Consumer, path: &str) -> Result<Option<track::Consumer>, moq_net::Error> {
    match tokio::time::timeout(ANNOUNCED, from.routed_broadcast(path)).await {
        Ok(broadcast) => Ok(Some(broadcast?.track(names::TRACK)?)),
        Err(_) => Ok(None),
    }
}

/// Reads frames, each with the sequence of its group, in order.
async fn read_groups(held: &track::Consumer, groups: RangeInclusive<u64>) -> Vec<(u64, Bytes)> {
    let last = (*groups.end()).min(groups.start().saturating_add(MOST_GROUPS - 1));
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut reading = JoinSet::new();
    for sequence in *groups.start()..=last {
        let (held, turns) = (held.clone(), turns.clone());
        reading.spawn(async move {
            let _turn = turns.acquire().await;
            read_group(&held, sequence).await
        });
    }
    let mut frames = Vec::new();
    while let Some(read) = reading.join_next().await {
        frames.extend(read.unwrap_or_default());
    }
    // Frames of one group are in order already.
    frames.sort_by_key(|(sequence, _)| *sequence);
    frames
}

async fn read_group(held: &track::Consumer, sequence: u64) -> Vec<(u64, Bytes)> {
    let mut frames = Vec::new();
    let mut group = match tokio::time::timeout(ANSWERED, held.fetch_group(sequence, None)).await {
        Ok(Ok(group)) => group,
        Ok(Err(error)) => {
            tracing::debug!(sequence, %error, "FETCH");
            return frames;
        }
        Err(_) => return frames,
    };
    let mut patience = ANSWERED;
    let until = Instant::now() + WHOLE;
    while let Ok(Ok(Some(frame))) = tokio::time::timeout(patience, group.read_frame()).await {
        patience = SILENT.min(until.saturating_duration_since(Instant::now()));
        frames.push((sequence, frame.payload));
    }
    frames
}
