//! What is past, for a participant that missed it.

use std::collections::BTreeSet;
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
/// Tries with members that are believed, each with another. With many newcomers at once the answers are late, and sessions
/// of their own for all who ask again would make them later.
const BELIEVED: usize = 2;
/// Longest wait for one of them.
const ANSWERED: Duration = Duration::from_secs(3);
/// Longest wait for a ratchet tree whose track is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A ratchet tree: its track, as the relay still has it.
pub async fn tree(relay: RelayAddress, track: &FullTrackName, group: u64) -> Result<Vec<Object>> {
    Ok(link::look_for(relay, track, group, PATIENCE).await?.into_iter().collect())
}

/// All that the relay still has of one track.
pub async fn track(relay: RelayAddress, track: &FullTrackName) -> Result<Vec<Object>> {
    link::look_at(relay, track).await
}

/// How often the same was asked for.
#[derive(Debug, Default)]
pub struct Tries(Option<((TrackNamespace, u64), usize)>);

impl Tries {
    /// Counts a try for what begins with that group of a namespace; returns how many went before it.
    pub fn next(&mut self, namespace: &TrackNamespace, first_group: u64) -> usize {
        let what = (namespace.clone(), first_group);
        let before = match &self.0 {
            Some((last, tries)) if *last == what => *tries,
            _ => 0,
        };
        self.0 = Some((what, before.saturating_add(1)));
        before
    }
}

/// Commits: what a member has seen; and where that is not all, what the relay still has of all commit tracks under
/// `commits`.
///
/// A look at the relay is a session of its own, to which the relay sends every commit that it has. So the first of
/// `members` that answers is believed to have seen all, if it gives something of each group. It may hide some, or have
/// missed the same: after `tries` in vain the next one begins. After two, the relay is looked at in any case.
///
/// # Errors
/// If neither any member nor the relay answered.
pub async fn commits(
    relay: RelayAddress,
    session: Option<Arc<Session>>,
    commits: TrackNamespace,
    groups: RangeInclusive<u64>,
    members: &[SenderId],
    tries: usize,
) -> Result<Vec<Object>> {
    let members: Vec<&SenderId> = members.iter().cycle().skip(tries).take(members.len().min(ASKED)).collect();
    let (look, seen) = (link::look(relay, &commits), seen(session, &commits, groups.clone(), &members));
    let (kept, seen) = if tries < BELIEVED.min(members.len()) {
        match seen.await {
            Some(objects) if holds_all(&objects, &groups) => (Ok(Vec::new()), Some(objects)),
            seen => (look.await, seen),
        }
    } else {
        tokio::join!(look, seen)
    };
    let mut objects = match (kept, seen) {
        (Err(error), None) => return Err(error),
        (kept, seen) => [kept.unwrap_or_default(), seen.unwrap_or_default()].concat(),
    };
    objects.retain(|object| groups.contains(&object.location.group_id));
    Ok(objects)
}

/// Whether there is something of the last group, and of every one before.
fn holds_all(objects: &[Object], groups: &RangeInclusive<u64>) -> bool {
    let has: BTreeSet<u64> = objects.iter().map(|object| object.location.group_id).collect();
    groups.clone().all(|group| has.contains(&group))
}

/// By FETCH: what the first member that answers has seen.
async fn seen(
    session: Option<Arc<Session>>,
    commits: &TrackNamespace,
    groups: RangeInclusive<u64>,
    members: &[&SenderId],
) -> Option<Vec<Object>> {
    let session = session?;
    for member in members {
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
    let fetched = tokio::time::timeout(ANSWERED, session.fetch(&track, groups)).await;
    let objects = fetched.context("no answer")??;
    tracing::debug!(%track, objects = objects.len(), "fetched");
    objects.into_iter().map(|object| commit_log::import(commits, object)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tries_of_the_same_are_counted_and_what_is_new_begins_anew() {
        let mut tries = Tries::default();
        let namespace = |name: &'static str| TrackNamespace::new(vec![name.into()]).unwrap();
        let here = namespace("here");
        assert_eq!([3, 3, 3, 4, 4, 3].map(|group| tries.next(&here, group)), [0, 1, 2, 0, 1, 0]);
        assert_eq!(tries.next(&namespace("there"), 3), 0);
    }
}
