//! Participants over a relay and a counter service in the process, and what fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "tests")]

mod support;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::keys::EpochKeyRing;
use moq_mls::mls::MlsCiphers;
use moq_mls::recording::{AnswerLog, RecordedEngine, Recorder, Secrets};
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, SecureTrack, Suite};
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};
use moq_mls::{Admission, Failure, Misuse, Notice, Phase, WaitsFor};
use moq_mls_tokio::{
    CommandError, Driver, DriverError, FileStore, Handle, MediaTrack, MemoryStore, Sealed, SealingKey, Store,
    StoreError, moq_mls,
};
use support::{Counted, Failing, PATIENCE, Spoiled, World, agree, config, engine, options, wait};

/// A track of media that both ends have.
fn media_track(publisher: &Handle) -> MediaTrack {
    let namespace = TrackNamespace::new(vec!["room-1".into(), "media".into()]).unwrap();
    let name = FullTrackName { namespace, name: publisher.sender_id().as_bytes().clone() };
    let ciphers = MlsCiphers::new(&RustCryptoProvider::default()).unwrap();
    MediaTrack::new(SecureTrack::new(Arc::new(ciphers), Suite::Aes128Gcm, name))
}

/// Seals an object of one, and opens it at the other, once both are on one epoch.
async fn opens(from: &Handle, to: &Handle, object: u64) {
    let (mut sender, mut receiver) = (media_track(from), media_track(from));
    let shared = |epoch| to.media_keys().borrow().open_with(epoch).is_some();
    let mut keys = from.media_keys();
    let ready = keys.wait_for(|ring| ring.seal_with().is_some_and(|secret| shared(secret.epoch())));
    tokio::time::timeout(PATIENCE, ready).await.unwrap().unwrap();
    sender.follow(&from.media_keys().borrow()).unwrap();
    receiver.follow(&to.media_keys().borrow()).unwrap();
    let immutable = sender.track().key_id_property().unwrap().to_vec();
    let header = ObjectHeader {
        location: Location { group_id: 0, object_id: object },
        priority: 0,
        immutable: &immutable,
    };
    let mut buffer = ObjectBuffer::with_capacity(64);
    buffer.extend_from_slice(b"hello");
    sender.track().seal(&header, b"", &mut buffer).unwrap();
    let mut sealed = buffer.as_slice().to_vec();
    assert_ne!(sealed, b"hello");
    assert_eq!(receiver.track().open(&header, &mut sealed).unwrap().payload, b"hello");
}

#[tokio::test]
async fn two_participants_agree_and_open_each_others_objects() {
    let world = World::new();
    let (alice, mut notices) = world.join("alice").await;
    let (bob, _bobs) = world.join("bob").await;
    let epoch = agree(&[&alice, &bob], 1).await;
    opens(&alice, &bob, 0).await;
    opens(&bob, &alice, 0).await;
    alice.update().await.unwrap();
    agree(&[&alice, &bob], epoch + 1).await;
    // A notice of an epoch comes after its keys.
    let joined = loop {
        match notices.recv().await.unwrap().unwrap() {
            Notice::MemberJoined { sender, .. } if sender == *bob.sender_id() => break sender,
            Notice::Epoch { epoch, .. } => {
                assert!(alice.media_keys().borrow().open_with(epoch).is_some(), "{epoch}");
            }
            _ => {}
        }
    };
    alice.remove(joined).await.unwrap();
    bob.ended().await.unwrap();
    assert_eq!(bob.status().borrow().phase, Phase::Ended);
    assert_eq!(bob.update().await, Err(CommandError::Ended));
    assert_eq!(bob.media_keys().borrow().epochs().count(), 0);
    agree(&[&alice], epoch + 2).await;
    alice.leave().await.unwrap();
    alice.ended().await.unwrap();
}

#[tokio::test]
async fn who_asks_to_be_let_in_is_admitted_by_command() {
    let world = World::new();
    let mut asking = config();
    asking.admission = Admission::Ask;
    let alice_engine = engine(world.folder.path(), "alice");
    let (relay, counter) = (world.relay.clone(), world.counter.clone());
    let driver = Driver::new(alice_engine, asking, relay, counter, MemoryStore::new());
    let (alice, mut notices) = driver.start().await.unwrap();
    assert!(!alice.resumed());
    assert_eq!(alice.update().await, Err(CommandError::Misuse(Misuse::NotAMember)));
    alice.join().await.unwrap();
    assert_eq!(alice.join().await, Err(CommandError::Misuse(Misuse::AlreadyJoined)));
    agree(&[&alice], 0).await;
    let (bob, _bobs) = world.join("bob").await;
    let (carol, _carols) = world.join("carol").await;
    let mut asked = 0;
    while asked < 2 {
        if let Notice::JoinRequested { request, .. } = notices.recv().await.unwrap().unwrap() {
            asked += 1;
            match request.sender() == bob.sender_id() {
                true => alice.admit(request).await.unwrap(),
                false => alice.refuse(request.sender().clone()).await.unwrap(),
            }
        }
    }
    agree(&[&alice, &bob], 1).await;
    let status = carol.status().borrow().clone();
    assert_ne!(status.phase, Phase::Member);
    assert_eq!(status.waits.waits_for, WaitsFor::Welcome);
}

/// The commit is durable, and neither the relay nor the counter service has heard of it, when the process dies.
#[tokio::test]
async fn a_crash_between_persist_and_publish_loses_nothing() {
    let world = World::new();
    let (relay, counter) = (Spoiled::new(&world.relay), Counted::new(&world.counter));
    let store = Failing::after(usize::MAX);
    let parts = (relay.clone(), counter.clone(), store.clone());
    let (alice, _alices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    let (bob, _bobs) = world.join("bob").await;
    let epoch = agree(&[&alice, &bob], 1).await;
    // What belongs to that epoch is still going out.
    tokio::time::sleep(Duration::from_millis(300)).await;

    relay.open.send_replace(false);
    counter.open.send_replace(false);
    let (stored, increments) =
        (store.stored.load(Ordering::SeqCst), counter.increments.load(Ordering::SeqCst));
    alice.update().await.unwrap();
    let began = std::time::Instant::now();
    while counter.increments.load(Ordering::SeqCst) == increments {
        assert!(began.elapsed() < PATIENCE, "no commit was made");
        // A lock that is asked for first must get through.
        if counter.calls.load(Ordering::SeqCst) > increments {
            counter.open.send_replace(true);
            tokio::task::yield_now().await;
            counter.open.send_replace(counter.increments.load(Ordering::SeqCst) == increments);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(store.stored.load(Ordering::SeqCst) > stored, "the commit is not durable");
    drop(alice);
    tokio::time::sleep(Duration::from_millis(50)).await;

    let (alice, _alices) = world.start("alice", &store.inner).await;
    assert!(alice.resumed());
    agree(&[&alice, &bob], epoch + 1).await;
    assert_eq!(alice.status().borrow().stats.rejoins, 0);
}

#[tokio::test]
async fn a_store_that_fails_ends_the_driver_and_nothing_leaves() {
    for good in 0..4 {
        let world = World::new();
        let (relay, counter) = (Spoiled::new(&world.relay), Counted::new(&world.counter));
        let store = Failing::after(good);
        let parts = (relay.clone(), counter.clone(), store.clone());
        let (alice, mut notices) = world.driver("alice", parts).start().await.unwrap();
        let before =
            |left: &Counted| (relay.tries.lock().unwrap().len(), left.increments.load(Ordering::SeqCst));
        // Each command makes something that must be durable, if the driver gets as far.
        alice.join().await.ok();
        while alice.update().await != Err(CommandError::Stopped) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ended = alice.ended().await.unwrap_err();
        assert!(matches!(&*ended, DriverError::Store(StoreError::Io(_))), "{ended}");
        assert_eq!(store.stored.load(Ordering::SeqCst), good + 1, "it stored again after a failure");
        let left = before(&counter);
        if good == 0 {
            assert_eq!(left, (0, 0));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(before(&counter), left, "{good}");
        while notices.recv().await.is_some() {}
    }
}

#[tokio::test]
async fn a_store_that_hangs_ends_the_driver() {
    let world = World::new();
    let store = Failing::after(usize::MAX);
    store.open.send_replace(false);
    let mut options = options();
    options.store_timeout = Duration::from_millis(100);
    let parts = (world.relay.clone(), world.counter.clone(), store);
    let (alice, _notices) = world.driver("alice", parts).with_options(options).start().await.unwrap();
    alice.join().await.ok();
    let ended = alice.ended().await.unwrap_err();
    assert!(matches!(&*ended, DriverError::Store(StoreError::TimedOut)), "{ended}");
}

#[tokio::test]
async fn a_publish_that_fails_is_tried_again() {
    let world = World::new();
    // More often than the driver tries at once: then the participant tries on.
    let relay = Spoiled { failures: 7, ..Spoiled::new(&world.relay) };
    let parts = (relay.clone(), world.counter.clone(), MemoryStore::new());
    let (alice, _alices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    let (bob, _bobs) = world.join("bob").await;
    agree(&[&alice, &bob], 1).await;
    let tries = relay.tries.lock().unwrap().clone();
    let first = tries.first().unwrap();
    assert!(tries.iter().filter(|tried| *tried == first).count() > 7);
    // Meanwhile the status says what is wrong.
    let spoiled = Spoiled { failures: usize::MAX, ..Spoiled::new(&world.relay) };
    let parts = (spoiled, world.counter.clone(), MemoryStore::new());
    let (carol, _carols) = world.driver("carol", parts).start().await.unwrap();
    carol.join().await.unwrap();
    let status = wait(&carol, "to fail", |status| status.relay_error.is_some()).await;
    assert_eq!(status.relay_error.unwrap().failure, Failure::NotSent);
}

#[tokio::test]
async fn a_lost_session_is_subscribed_to_again() {
    let world = World::new();
    let relay = Spoiled::new(&world.relay);
    let parts = (relay.clone(), world.counter.clone(), MemoryStore::new());
    let (alice, _alices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    let (bob, _bobs) = world.join("bob").await;
    let epoch = agree(&[&alice, &bob], 1).await;
    let before = relay.subscriptions.load(Ordering::SeqCst);
    relay.sessions.send_modify(|session| *session += 1);
    bob.update().await.unwrap();
    agree(&[&alice, &bob], epoch + 1).await;
    let began = std::time::Instant::now();
    while relay.subscriptions.load(Ordering::SeqCst) < before + 3 {
        assert!(began.elapsed() < PATIENCE, "not subscribed again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn too_many_commands_are_an_overload() {
    let world = World::new();
    let store = Failing::after(usize::MAX);
    let mut options = options();
    options.commands = 2;
    let parts = (world.relay.clone(), world.counter.clone(), store.clone());
    let (alice, _notices) = world.driver("alice", parts).with_options(options).start().await.unwrap();
    let alice = Arc::new(alice);
    alice.join().await.unwrap();
    agree(&[&alice], 0).await;
    store.open.send_replace(false);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let alice = alice.clone();
        waiting.spawn(async move { alice.update().await });
        // The driver is stuck in the store by the second or third.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let overloaded = async {
        while let Some(outcome) = waiting.join_next().await {
            if outcome.unwrap() == Err(CommandError::Overloaded) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, overloaded).await.unwrap());
    // Nothing broke: what was taken is done.
    store.open.send_replace(true);
    while let Some(outcome) = waiting.join_next().await {
        assert!(matches!(outcome.unwrap(), Ok(()) | Err(CommandError::Overloaded)));
    }
    alice.update().await.unwrap();
}

#[tokio::test]
async fn a_panic_ends_the_driver_with_an_error() {
    let world = World::new();
    let relay = Spoiled::new(&world.relay);
    relay.panics.store(true, Ordering::SeqCst);
    let parts = (relay, world.counter.clone(), MemoryStore::new());
    let (alice, _notices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    let ended = alice.ended().await.unwrap_err();
    assert!(matches!(&*ended, DriverError::Panicked(text) if text.contains("the relay broke")), "{ended}");
    assert_eq!(alice.update().await, Err(CommandError::Stopped));
}

#[tokio::test]
async fn a_dropped_handle_ends_the_driver() {
    let world = World::new();
    let relay = Spoiled::new(&world.relay);
    let parts = (relay.clone(), world.counter.clone(), MemoryStore::new());
    let (alice, mut notices) = world.driver("alice", parts).start().await.unwrap();
    alice.join().await.unwrap();
    agree(&[&alice], 0).await;
    let held = Arc::strong_count(&relay.tries);
    drop(alice);
    tokio::time::timeout(PATIENCE, async { while notices.recv().await.is_some() {} }).await.unwrap();
    let began = std::time::Instant::now();
    while Arc::strong_count(&relay.tries) >= held {
        assert!(began.elapsed() < PATIENCE, "the relay is still held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_shutdown_keeps_the_place_and_media_goes_on_under_a_new_epoch() {
    let world = World::new();
    let folder = world.folder.path().join("state");
    let key = SealingKey::generate();
    let open = || Sealed::new(FileStore::open(&folder).unwrap(), key.clone());
    let start = async |store| {
        let parts = (world.relay.clone(), world.counter.clone(), store);
        world.driver("alice", parts).start().await
    };
    let (alice, _alices) = start(open()).await.unwrap();
    alice.join().await.unwrap();
    let (bob, _bobs) = world.join("bob").await;
    let epoch = agree(&[&alice, &bob], 1).await;
    alice.shutdown().await.unwrap();

    // What is stored is sealed.
    let wrong = Sealed::new(FileStore::open(&folder).unwrap(), SealingKey::generate());
    let refused = start(wrong).await.unwrap_err();
    assert!(matches!(refused, DriverError::Store(StoreError::NotSealedByThisKey)), "{refused}");

    let (alice, _alices) = start(open()).await.unwrap();
    assert!(alice.resumed());
    // Where the run before sealed is forgotten: the driver asks for an epoch that it may seal with.
    let now = agree(&[&alice, &bob], epoch + 1).await;
    assert!(alice.media_keys().borrow().seal_with().is_some_and(|secret| secret.epoch() == now));
    opens(&alice, &bob, 0).await;
    assert_eq!(alice.status().borrow().stats.rejoins, 0);
}

#[tokio::test]
async fn a_snapshot_of_another_participant_is_refused() {
    let world = World::new();
    let store = MemoryStore::new();
    let (alice, _notices) = world.start("alice", &store).await;
    alice.join().await.unwrap();
    agree(&[&alice], 0).await;
    drop(alice);
    let parts = (world.relay.clone(), world.counter.clone(), store);
    let refused = world.driver("mallory", parts).start().await.unwrap_err();
    assert!(matches!(refused, DriverError::Participant(moq_mls::Error::Snapshot(_))), "{refused}");
}

/// What media opens shows who is on the new epoch; nobody waits for the deadline then.
#[tokio::test]
async fn media_switches_when_all_are_seen_on_the_new_epoch() {
    let world = World::new();
    let mut options = options();
    options.ring.switch_after = Duration::from_secs(3600);
    let parts = (world.relay.clone(), world.counter.clone(), MemoryStore::new());
    let (alice, _alices) = world.driver("alice", parts).with_options(options).start().await.unwrap();
    alice.join().await.unwrap();
    agree(&[&alice], 0).await;
    let (bob, _bobs) = world.join("bob").await;
    let epoch = agree(&[&alice, &bob], 1).await;
    let seals = |ring: &EpochKeyRing, epoch| ring.seal_with().is_some_and(|secret| secret.epoch() == epoch);
    assert!(seals(&alice.media_keys().borrow(), 0));
    alice.media_signs().opened(bob.sender_id(), epoch);
    let mut keys = alice.media_keys();
    let switched = keys.wait_for(|ring| seals(ring, epoch));
    tokio::time::timeout(PATIENCE, switched).await.unwrap().unwrap();
}

/// Where a record goes, for the test to look at.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Stores, and notes how long the record was each time.
#[derive(Clone)]
struct Beside(MemoryStore, Pages, Arc<Mutex<Vec<usize>>>);

impl Store for Beside {
    async fn load(&self) -> Result<Option<Snapshot>, StoreError> {
        self.0.load().await
    }

    async fn store(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let length = self.1.0.lock().unwrap().len();
        self.2.lock().unwrap().push(length);
        self.0.store(snapshot).await
    }
}

#[tokio::test]
async fn a_record_is_never_behind_the_snapshot() {
    let world = World::new();
    let engine =
        RecordedEngine::new(engine(world.folder.path(), "alice"), &AnswerLog::new(Secrets::Withheld));
    let recorder = Recorder::with_answers("RustCrypto", &config(), &engine);
    let (pages, lengths) = (Pages::default(), Arc::default());
    let store = Beside(MemoryStore::new(), pages.clone(), Arc::clone(&lengths));
    let (relay, counter) = (world.relay.clone(), world.counter.clone());
    let driver = Driver::new(engine, config(), relay, counter, store).with_record(recorder, pages.clone());
    let (alice, _notices) = driver.start().await.unwrap();
    alice.join().await.unwrap();
    let epoch = agree(&[&alice], 0).await;
    alice.update().await.unwrap();
    agree(&[&alice], epoch + 1).await;
    alice.shutdown().await.unwrap();
    let (text, lengths) = (pages.0.lock().unwrap().clone(), lengths.lock().unwrap().clone());
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(r#""start":"new""#), "{text}");
    assert!(lengths.len() > 1);
    for length in lengths {
        let last = text[..length].lines().last().unwrap();
        assert!(last.contains("persist"), "stored before it was recorded: {last}");
    }
}
