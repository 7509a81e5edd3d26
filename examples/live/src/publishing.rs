//! One published track, across sessions: what it still owes a relay that starts over.

use std::collections::VecDeque;
use std::time::Duration;

use moq_mls::tracks::FullTrackName;
use tokio::sync::{mpsc, oneshot, watch};

use crate::link::Link;
use crate::mapping::OPEN_GROUPS;
use crate::session::{PublishError, Published, WireObject};

/// Between two tries to publish a track that another session still holds.
const AGAIN: Duration = Duration::from_millis(150);
/// The longest wait before a track is published again that the relay took and then refused.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);
/// Between two tries to publish what the token does not allow: another token may come.
const UNAUTHORIZED_AGAIN: Duration = Duration::from_secs(10);
/// REQUEST_ERROR: the token does not allow it.
const UNAUTHORIZED: u64 = 0x1;
/// Longest wait for a session that was replaced to take PUBLISH_DONE.
const FAREWELL: Duration = Duration::from_millis(150);

/// An object to publish, and whom to tell that the relay has it.
pub struct Job {
    /// The object; of this track.
    pub object: WireObject,
    /// Notified when the object was written; dropped if that never happens.
    pub done: oneshot::Sender<()>,
}

/// The sessions, of which one publishes; `None` while there are none.
pub type Sessions = watch::Receiver<Option<Link>>;

/// Publishes what comes from `jobs` on `track`, and again what is in the window after each reconnect,
/// until `jobs` ends. With `hold`, the track is given up that long after its last object.
pub async fn publish_track(
    track: FullTrackName,
    mut sessions: Sessions,
    mut jobs: mpsc::Receiver<Job>,
    hold: Option<Duration>,
) {
    let mut window: VecDeque<WireObject> = VecDeque::new();
    let mut waiting: VecDeque<Job> = VecDeque::new();
    let mut refused = AGAIN;
    loop {
        if hold.is_some() && window.is_empty() && waiting.is_empty() {
            match jobs.recv().await {
                Some(job) => waiting.push_back(job),
                None => return,
            }
        }
        let Some(mut published) = open(&track, &mut sessions).await else { return };
        let end = serve(&mut published, &mut window, &mut waiting, &mut jobs, &mut sessions, hold).await;
        match end {
            End::Finished => {
                published.done().await.ok();
                return;
            }
            End::Held => {
                window.clear();
                if let Err(error) = published.done().await {
                    tracing::debug!(%track, %error, "PUBLISH_DONE");
                }
            }
            End::Refused | End::SessionLost => {
                // It may live still, and hold the track until PUBLISH_DONE.
                tokio::time::timeout(FAREWELL, published.done()).await.ok();
            }
        }
        if matches!(end, End::Refused) {
            tokio::time::sleep(refused).await;
            refused = (refused * 2).min(REFUSED_AGAIN);
        } else {
            refused = AGAIN;
        }
    }
}

enum End {
    Finished,
    Held,
    /// By the relay, whose session goes on.
    Refused,
    SessionLost,
}

/// PUBLISH on the present session, or the next, until the relay takes it. `None` when there will be none.
async fn open(track: &FullTrackName, sessions: &mut Sessions) -> Option<Published> {
    let mut complained = false;
    loop {
        let session = sessions.wait_for(Option::is_some).await.ok()?.clone()?.publisher;
        match session.publish(track).await {
            Ok(published) => return Some(published),
            Err(PublishError::Refused { code: UNAUTHORIZED, .. }) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(%track, "the relay's token does not allow to publish it");
                }
                tokio::time::sleep(UNAUTHORIZED_AGAIN).await;
            }
            // Most often because another session has it still.
            Err(error) => tracing::debug!(%track, %error, "PUBLISH"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn serve(
    published: &mut Published,
    window: &mut VecDeque<WireObject>,
    waiting: &mut VecDeque<Job>,
    jobs: &mut mpsc::Receiver<Job>,
    sessions: &mut Sessions,
    hold: Option<Duration>,
) -> End {
    sessions.mark_unchanged();
    for object in window.iter() {
        if published.write(object).await.is_err() {
            return lost(sessions).await;
        }
    }
    loop {
        while let Some(job) = waiting.pop_front() {
            if job.done.is_closed() {
                // Given up, and perhaps asked for again.
                continue;
            }
            if published.write(&job.object).await.is_err() {
                waiting.push_front(job);
                return lost(sessions).await;
            }
            if !window.contains(&job.object) {
                window.push_back(job.object);
            }
            let groups = |w: &VecDeque<WireObject>| {
                w.iter().map(|o| o.object.location.group_id).collect::<std::collections::BTreeSet<_>>().len()
            };
            while groups(window) > OPEN_GROUPS {
                window.pop_front();
            }
            job.done.send(()).ok();
        }
        let idle = async {
            match hold {
                Some(hold) => tokio::time::sleep(hold).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => waiting.push_back(job),
                None => return End::Finished,
            },
            changed = sessions.changed() => match changed {
                Ok(()) => return End::SessionLost,
                Err(_) => return End::Finished,
            },
            () = idle => return End::Held,
            () = published.ended() => {
                return if published.is_connected() { End::Refused } else { lost(sessions).await };
            }
        }
    }
}

/// The stream broke: wait until the driver has noticed too, so that the broken session is not used again.
async fn lost(sessions: &mut Sessions) -> End {
    match tokio::time::timeout(Duration::from_secs(1), sessions.changed()).await {
        Ok(Err(_)) => End::Finished,
        Ok(Ok(())) | Err(_) => End::SessionLost,
    }
}
