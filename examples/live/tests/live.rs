//! Participants over the real relay and the real counter service.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::support::proxy::{self, Weather};
use crate::support::terminal::{Terminal, relay_process};
use crate::support::{counter_process, free_port};
use moq_mls::{Command, Phase};
use moq_mls_live::call::{Stage, agree, wait};
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::redb::Redb;
use moq_mls_live::counter_client::CounterClient;
use moq_mls_live::handle::Handle;
use moq_mls_live::{mapping, media_check};

/// Bootstrap, joins, update, leave, removal with media, over the relay and redb.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_forms_and_changes_over_the_relay_and_redb() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Redb::open(&folder.path().join("counter.redb")).unwrap());
    let stage = Stage::set(store, None).await.unwrap();
    let all: Vec<Handle> = (0..5).map(|i| stage.participant(&format!("p{i}")).unwrap()).collect();
    for who in &all {
        who.media(Some(Duration::from_millis(20)));
        who.command(Command::Join);
    }
    let mut members: Vec<&Handle> = all.iter().collect();
    let epoch = agree(&members, 0).await.unwrap();

    all[1].command(Command::Update);
    let epoch = agree(&members, epoch + 1).await.unwrap();
    all[2].command(Command::Leave);
    members.remove(2);
    let epoch = agree(&members, epoch + 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    all[0].command(Command::Remove(all[3].sender.clone()));
    members.retain(|who| who.name != "p3");
    let epoch = agree(&members, epoch + 1).await.unwrap();
    wait(&all[3], "to learn of it", |v| v.phase == Some(Phase::Ended)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let out = [&all[2], &all[3]];
    // How long that takes is up to the machine.
    let opened = || {
        media_check::tally(stage.group(), &stage.media.ring, &members, &members, &out).map_or(0, |t| t.opened)
    };
    let began = Instant::now();
    while opened() <= 500 && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all.iter().for_each(|who| who.media(None));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let tally = media_check::tally(stage.group(), &stage.media.ring, &members, &members, &out).unwrap();
    assert!(tally.opened > 500, "{tally:?}");
    tally.ensure_closed().unwrap();
    for to in &members {
        let newest: Vec<u64> = to.view().received.values().map(|r| r.newest_key).collect();
        assert_eq!(newest.iter().max(), Some(&epoch), "{} opened nothing of the last epoch", to.name);
    }
}

/// The check of what the removed can open is able to fail: with senders that switch later than promised, it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_switches_too_late_is_found_out() {
    let mut stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let mut promised = stage.media.ring.clone();
    promised.switch_after_removal = Duration::from_millis(50);
    stage.media.ring.switch_after_removal = Duration::from_secs(3600);
    stage.media.ring.quorum = 101;
    let all: Vec<Handle> = (0..3).map(|i| stage.participant(&format!("p{i}")).unwrap()).collect();
    for who in &all {
        who.media(Some(Duration::from_millis(20)));
        who.command(Command::Join);
    }
    let epoch = agree(&all.iter().collect::<Vec<_>>(), 0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    all[0].command(Command::Remove(all[2].sender.clone()));
    let members = [&all[0], &all[1]];
    agree(&members, epoch + 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    all.iter().for_each(|who| who.media(None));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tally = media_check::tally(stage.group(), &promised, &members, &members, &[&all[2]]).unwrap();
    assert!(tally.opened_outside > 0, "{tally:?}");
    assert!(tally.ensure_closed().is_err());
    // Against what was really promised, nothing is wrong.
    let kept = media_check::tally(stage.group(), &stage.media.ring, &members, &members, &[&all[2]]).unwrap();
    kept.ensure_closed().unwrap();
}

/// More epochs pass while a member is down than the relay keeps. The member asks another for the rest, by FETCH, and
/// need not join again.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_after_a_restart_is_fetched_from_a_member() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let alice = stage.participant("alice").unwrap();
    alice.command(Command::Join);
    let state = folder.path().join("bob");
    let bob = stage.participant_in("bob", &state).unwrap();
    bob.command(Command::Join);
    let mut epoch = agree(&[&alice, &bob], 1).await.unwrap();
    let before = epoch;
    drop(bob);
    while epoch < before + mapping::OPEN_GROUPS as u64 + 8 {
        alice.command(Command::Update);
        wait(&alice, "to re-key", |v| v.epoch > Some(epoch)).await.unwrap();
        epoch = alice.view().epoch.unwrap();
    }
    let began = Instant::now();
    let bob = loop {
        match stage.participant_in("bob", &state) {
            Ok(bob) => break bob,
            // The one before still holds the folder.
            Err(_) if began.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error:#}"),
        }
    };
    assert_eq!(agree(&[&alice, &bob], epoch).await.unwrap(), epoch);
    let stats = bob.view().stats;
    assert_eq!((stats.rejoins, stats.epochs), (0, epoch - before), "{stats:?}");
}

/// From 16 members on the ratchet tree is an object of its own, which joiners ask the relay for.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_reads_its_tree_from_the_relay() {
    let stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let all: Vec<Handle> = (0..20).map(|i| stage.participant(&format!("p{i}")).unwrap()).collect();
    all.iter().take(19).for_each(|who| who.command(Command::Join));
    let epoch = agree(&all.iter().take(19).collect::<Vec<_>>(), 0).await.unwrap();
    all[19].command(Command::Join);
    agree(&all.iter().collect::<Vec<_>>(), epoch + 1).await.unwrap();
}

/// Loss, delay, resets, twelve seconds of neither relay nor counter: the group forms and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_forms_and_goes_on_over_a_hostile_network() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Redb::open(&folder.path().join("counter.redb")).unwrap());
    let stage = Stage::set(store, None).await.unwrap();
    let weather = Arc::new(Weather::default());
    let relay = proxy::udp(stage.relay.address, weather.clone()).await;
    let counter = proxy::tcp(stage.server.address, weather.clone()).await;
    let base = format!("https://localhost:{}", counter.port());
    let client = CounterClient::new(&base, Some(&stage.certificate()), None).unwrap();
    let all: Vec<Handle> =
        (0..4).map(|i| stage.participant_at(&format!("p{i}"), relay, client.clone()).unwrap()).collect();
    for who in &all[..3] {
        who.command(Command::Join);
    }
    let members: Vec<&Handle> = all[..3].iter().collect();
    let mut epoch = agree(&members, 0).await.unwrap();
    for round in 0..4 {
        all[round % 3].command(Command::Update);
        epoch = agree(&members, epoch + 1).await.unwrap();
    }
    // Longer than QUIC holds on: every session is lost, and each member requests an update meanwhile.
    weather.dark.store(true, Ordering::SeqCst);
    all.iter().take(3).for_each(|who| who.command(Command::Update));
    tokio::time::sleep(Duration::from_secs(12)).await;
    weather.dark.store(false, Ordering::SeqCst);
    epoch = agree(&members, epoch + 1).await.unwrap();
    all[3].command(Command::Join);
    let members: Vec<&Handle> = all.iter().collect();
    agree(&members, epoch + 1).await.unwrap();
    assert!(weather.dropped.load(Ordering::SeqCst) > 20, "the network was kind");
    assert!(weather.reset.load(Ordering::SeqCst) > 0, "no request was reset");
    assert!(weather.lost_answers.load(Ordering::SeqCst) > 0, "no answer was lost");
}

/// What `docs/operations.md` says to do with three terminals; then relay and counter die, and come back.
#[test]
fn processes_are_killed_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (relay_port, counter_port) = (free_port(), free_port());
    let store = format!("redb:{}", path.join("counter.redb").display());
    // Nobody is there yet: it says so, and waits. The certificate is all that it needs to begin.
    drop(relay_process(path, relay_port));
    let mut alice = Terminal::open(path, "alice", relay_port, counter_port);
    alice.says("no connection with the relay; trying on");
    let relay = relay_process(path, relay_port);
    alice.says("the relay is back");
    alice.says("the counter service does not answer; trying on");
    let counter = counter_process(path, counter_port, &store);
    alice.says("the counter service is back");
    alice.says("created the group");
    let bob = Terminal::open(path, "bob", relay_port, counter_port);
    bob.says("is in, at epoch 1");
    alice.says("is at epoch 1");

    // SIGKILL. The group goes on, and so does bob, from its state.
    drop(bob);
    alice.type_in("update");
    alice.says("is at epoch 2");
    let mut bob = Terminal::open(path, "bob", relay_port, counter_port);
    bob.says("from its state");
    bob.says("is at epoch 2");
    // A restart makes another epoch, which nothing was sealed under.
    alice.says("is at epoch 3");
    bob.says("is at epoch 3");

    drop((relay, counter));
    alice.type_in("update");
    alice.says("the relay is gone; connecting again");
    let _relay = relay_process(path, relay_port);
    let _counter = counter_process(path, counter_port, &store);
    bob.says("is at epoch 4");
    alice.says("is at epoch 4");
    let mut carol = Terminal::open(path, "carol", relay_port, counter_port);
    carol.says("is in, at epoch 5");
    // Media of both, under this epoch.
    carol.hears_media(2, 5);
    bob.type_in("leave");
    bob.says("has left");
    alice.says("is at epoch 6");
}
