//! State folders that were put back or copied: no key seals one location twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moq_mls::Command;
use moq_mls::notice::Notice;
use moq_mls::tracks::{FullTrackName, Location, SenderId};
use moq_mls_live::call::{Stage, agree, wait};
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::handle::Handle;
use moq_mls_live::media;
use moq_mls_live::quic_relay::{self, QuicRelay};
use tokio::sync::mpsc;

/// What was sealed, by track, key id and location.
type Sealed = BTreeMap<(FullTrackName, u64, Location), Bytes>;

/// Sees every media object that the relay passes on.
#[derive(Clone, Default)]
struct Observer(Arc<Mutex<(Sealed, usize)>>);

impl Observer {
    fn watch(stage: &Stage) -> Self {
        let me = SenderId::new("0b5e7").unwrap();
        let token = stage.tokens().issue(stage.group(), &me, Duration::from_secs(3600)).unwrap();
        let address = stage.relay_address(stage.relay.address, Some(token));
        let relay = QuicRelay::connect(address, stage.group(), &me).unwrap();
        let mut objects = quic_relay::keep(relay, media::namespace(stage.group()).unwrap());
        let this = Self::default();
        let seen = this.0.clone();
        tokio::spawn(async move {
            while let Some(wire) = objects.recv().await {
                let place = (wire.object.track, wire.key_id.unwrap(), wire.object.location);
                let mut seen = seen.lock().unwrap();
                let before = seen.0.insert(place, wire.object.payload.clone());
                seen.1 += usize::from(before.is_some_and(|before| before != wire.object.payload));
            }
        });
        this
    }

    /// Objects of `sender`, by key id.
    fn by_key(&self, sender: &SenderId) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for (track, key_id, _) in self.0.lock().unwrap().0.keys() {
            if track.name == sender.as_bytes() {
                *counts.entry(*key_id).or_default() += 1;
            }
        }
        counts
    }

    /// Locations where one key sealed two payloads.
    fn twice(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    moq_mls_tokio::make_private_folder(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn media_on(who: &Handle) {
    who.media(Some(Duration::from_millis(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_put_back_seals_under_a_new_epoch_only() {
    let folder = tempfile::tempdir().unwrap();
    let (state, kept) = (folder.path().join("bob"), folder.path().join("kept"));
    let stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let observer = Observer::watch(&stage);
    let alice = stage.participant("alice").unwrap();
    alice.command(Command::Join);
    let bob = stage.participant_in("bob", &state).unwrap();
    bob.command(Command::Join);
    let epoch = agree(&[&alice, &bob], 1).await.unwrap();
    media_on(&bob);
    until("media", || observer.by_key(&bob.sender).values().sum::<usize>() > 5).await;
    copy(&state, &kept);
    alice.command(Command::Update);
    let last = agree(&[&alice, &bob], epoch + 1).await.unwrap();
    until("media under the next epoch", || {
        observer.by_key(&bob.sender).last_key_value().is_some_and(|(key, count)| *key >= last && *count > 5)
    })
    .await;
    bob.stop().await;

    copy(&kept, &state);
    let bob = stage.participant_in("bob", &state).unwrap();
    assert!(bob.resumed());
    let sealed = observer.by_key(&bob.sender);
    media_on(&bob);
    until("media after the restart", || {
        observer.by_key(&bob.sender).values().sum::<usize>() > sealed.values().sum::<usize>() + 5
    })
    .await;
    let after = observer.by_key(&bob.sender);
    for (key, count) in &sealed {
        assert_eq!(after.get(key), Some(count), "sealed again under {key}: {sealed:?}, {after:?}");
    }
    assert!(after.last_key_value().unwrap().0 > sealed.last_key_value().unwrap().0);
    assert_eq!(observer.twice(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_copied_is_noticed_and_no_key_seals_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (state, copied) = (folder.path().join("bob"), folder.path().join("copied"));
    let (news, mut heard) = mpsc::unbounded_channel();
    let stage = Stage::set(Arc::new(Memory::default()), Some(news)).await.unwrap();
    let observer = Observer::watch(&stage);
    let alice = stage.participant("alice").unwrap();
    alice.command(Command::Join);
    let bob = stage.participant_in("bob", &state).unwrap();
    bob.command(Command::Join);
    agree(&[&alice, &bob], 1).await.unwrap();
    media_on(&bob);
    until("media", || observer.by_key(&bob.sender).values().sum::<usize>() > 5).await;
    copy(&state, &copied);
    let second = stage.participant_in("second", &copied).unwrap();
    assert!(second.resumed());
    assert_eq!(second.sender, bob.sender);
    media_on(&second);
    until("notice", || {
        std::iter::from_fn(|| heard.try_recv().ok())
            .any(|(_, notice)| matches!(notice, Notice::Doubled { .. }))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(observer.twice(), 0);
    wait(&alice, "to stay", |view| view.epoch.is_some()).await.unwrap();
}
