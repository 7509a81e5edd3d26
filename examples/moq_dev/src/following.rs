//! Subscriptions: every broadcast under a path, present and to come, read for as long as it is announced.

use std::collections::BTreeMap;
use std::time::Duration;

use moq_mls::Object;
use moq_mls::tracks::FullTrackName;
use moq_net::{Patterns, group, origin, track};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::{frames, names};

/// The wait before a broadcast is read again that ended while it was announced.
const AGAIN: Duration = Duration::from_millis(100);
/// Groups that are older than this by their time may be left out. Control objects all have the same time.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// Subscribes to the objects of a broadcast from the oldest that the relay has.
pub fn everything() -> track::Subscription {
    track::Subscription::default().with_max_age(AGE)
}

/// Sends the objects of all broadcasts under `prefix` to `to`, until its receiver is dropped or `from` is closed.
pub async fn follow(from: origin::Consumer, prefix: String, to: mpsc::Sender<Object>) {
    let scoped = match from.scope(&*prefix, &Patterns::from(moq_net::Pattern::all())) {
        Ok(scoped) => scoped,
        Err(error) => return tracing::warn!(%error, prefix, "nothing can be read under this path"),
    };
    let mut announced = scoped.announced();
    let mut readers = JoinSet::new();
    let mut running: BTreeMap<String, watch::Sender<bool>> = BTreeMap::new();
    loop {
        let update = tokio::select! {
            update = announced.next() => update,
            () = to.closed() => None,
        };
        let Some(update) = update else { return };
        while readers.try_join_next().is_some() {}
        let path = update.prefix.as_str().to_owned();
        if !update.kind.is_active() {
            // What is on its way still comes.
            running.remove(&path).map(|announced| announced.send_replace(false));
            continue;
        }
        if running.contains_key(&path) {
            continue;
        }
        let Some(track) = names::track(&format!("{prefix}/{path}")).and_then(names::of_its_publisher) else {
            tracing::debug!(prefix, path, "a broadcast of others");
            continue;
        };
        let (keep, announced) = watch::channel(true);
        running.insert(path.clone(), keep);
        readers.spawn(read_while(scoped.clone(), path, track, to.clone(), announced));
    }
}

/// Reads a broadcast; again when that ends, for as long as it is announced.
async fn read_while(
    from: origin::Consumer,
    path: String,
    track: FullTrackName,
    to: mpsc::Sender<Object>,
    mut announced: watch::Receiver<bool>,
) {
    loop {
        match read(&from, &path, &track, &to).await {
            Ok(()) => tracing::debug!(%track, "the broadcast ended"),
            Err(error) => tracing::debug!(%track, %error, "the broadcast"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            // The sender is dropped with the follower, and when the broadcast is retracted.
            _ = announced.wait_for(|announced| !announced) => {}
            () = to.closed() => return,
        }
        if announced.has_changed().is_err() || !*announced.borrow() {
            return;
        }
    }
}

async fn read(
    from: &origin::Consumer,
    path: &str,
    name: &FullTrackName,
    to: &mpsc::Sender<Object>,
) -> Result<(), moq_net::Error> {
    let broadcast = from.request_broadcast(path).await?;
    let mut subscriber: track::Subscriber = broadcast.track(names::TRACK)?.subscribe(everything()).await?;
    let mut groups = JoinSet::new();
    loop {
        tokio::select! {
            group = subscriber.recv_group() => match group? {
                Some(group) => _ = groups.spawn(read_group(group, name.clone(), to.clone())),
                None => break,
            },
            Some(_) = groups.join_next() => {}
        }
    }
    while groups.join_next().await.is_some() {}
    Ok(())
}

async fn read_group(mut group: group::Consumer, track: FullTrackName, to: mpsc::Sender<Object>) {
    let sequence = group.sequence;
    loop {
        match group.read_frame().await {
            Ok(Some(frame)) => match frames::decode(track.clone(), sequence, &frame.payload) {
                Some(object) => {
                    if to.send(object).await.is_err() {
                        return;
                    }
                }
                None => tracing::debug!(%track, sequence, "a frame that is no object"),
            },
            Ok(None) => return,
            Err(error) => return tracing::debug!(%track, sequence, %error, "the group ended early"),
        }
    }
}
