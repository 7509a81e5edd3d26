//! The epoch key ring, rule by rule, and its wait queue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Steps, World};
use moq_mls::engine::EngineError;
use moq_mls::keys::{
    EpochKeyRing, EpochKeys, EpochSecret, ForgetReason, Kdf, RingConfig, RingNotice, Silence, SwitchReason,
    WaitQueue, WaitQueueLimits,
};
use moq_mls::notice::{Fault, Notice, RejoinReason, WaitsFor};
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::tracks::{Location, SenderId};
use moq_mls::{Command, Config, Participant, Secret, Timestamp};
use proptest::prelude::*;

/// Tells secrets apart, no more.
struct Plain;

impl Kdf for Plain {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        Ok(Secret::new([salt, ikm].concat()))
    }
    fn expand(&self, prk: &[u8], info: &[u8], _: usize) -> Result<Secret, EngineError> {
        Ok(Secret::new([prk, info].concat()))
    }
    fn hash_len(&self) -> usize {
        32
    }
}

fn secret_on(branch: &str, epoch: u64) -> EpochSecret {
    EpochSecret::from_master(Arc::new(Plain), epoch, &Secret::new(branch.into())).unwrap()
}

fn secret(epoch: u64) -> EpochSecret {
    secret_on("main", epoch)
}

fn id(name: &str) -> SenderId {
    SenderId::new(name.as_bytes().to_vec()).unwrap()
}

fn ids(names: &str) -> Vec<SenderId> {
    names.chars().map(|c| id(&c.to_string())).collect()
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

/// Member "a" of its own group, with round numbers.
fn ring() -> EpochKeyRing {
    let mut config = RingConfig::default();
    config.switch_after = Duration::from_millis(2000);
    config.switch_after_removal = Duration::from_millis(500);
    config.coalesce = Duration::from_millis(200);
    config.keep = Duration::from_millis(10_000);
    config.keep_epochs = 4;
    config.stale_after = Duration::from_millis(3000);
    EpochKeyRing::new(config, id("a"))
}

fn drain(ring: &mut EpochKeyRing) -> Vec<RingNotice> {
    std::iter::from_fn(|| ring.poll_notice()).collect()
}

fn ready(epoch: u64) -> RingNotice {
    RingNotice::EpochReady { epoch }
}

fn send(epoch: u64, reason: SwitchReason) -> RingNotice {
    RingNotice::SendWith { epoch, reason }
}

fn forgotten(epoch: u64, reason: ForgetReason) -> RingNotice {
    RingNotice::Forgotten { epoch, reason }
}

/// A ring that sends with epoch 5 among `members`.
fn at_five(members: &str) -> EpochKeyRing {
    let mut ring = ring();
    ring.new_epoch(at(0), secret(5), ids(members));
    assert_eq!(drain(&mut ring), [ready(5), send(5, SwitchReason::First)]);
    ring
}

#[test]
fn the_first_epoch_is_sent_with_at_once() {
    let mut empty = ring();
    assert_eq!((empty.seal_with(), empty.poll_timeout()), (None, None));
    assert!(empty.may_come(0) && empty.may_come(9));
    empty.switch_now(at(0));
    empty.handle_timeout(at(0));
    assert_eq!(empty.poll_notice(), None);
    let ring = at_five("abc");
    assert_eq!(ring.seal_with(), Some(&secret(5)));
    assert_eq!(ring.poll_timeout(), None);
    assert!(ring.may_come(6) && !ring.may_come(5) && !ring.may_come(4));
}

#[test]
fn receive_first_and_send_when_all_were_seen() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    assert_eq!(drain(&mut ring), [ready(6)]);
    assert_eq!(ring.open_with(6), Some(&secret(6)));
    assert_eq!(ring.seal_with(), Some(&secret(5)));
    ring.seen(at(20), &id("b"), 6);
    ring.seen(at(21), &id("b"), 6);
    ring.seen(at(22), &id("c"), 5);
    assert_eq!(ring.poll_notice(), None);
    ring.seen(at(30), &id("c"), 6);
    assert_eq!(drain(&mut ring), [send(6, SwitchReason::Quorum)]);
    assert_eq!(ring.seal_with(), Some(&secret(6)));
}

#[test]
fn only_members_and_epochs_that_are_held_count() {
    let mut ring = at_five("ab");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    ring.seen(at(11), &id("x"), 6);
    ring.seen(at(12), &id("a"), 6);
    ring.seen(at(13), &id("b"), 7);
    assert_eq!(drain(&mut ring), [ready(6)]);
    // What was said too early does not count later either.
    ring.new_epoch(at(14), secret(7), ids("ab"));
    assert_eq!(drain(&mut ring), [ready(7)]);
    ring.seen(at(15), &id("b"), 7);
    assert_eq!(drain(&mut ring), [send(7, SwitchReason::Quorum)]);
}

#[test]
fn the_deadline_needs_nobody() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    assert_eq!(ring.poll_timeout(), Some(at(2010)));
    ring.handle_timeout(at(2009));
    assert_eq!(drain(&mut ring), [ready(6)]);
    ring.handle_timeout(at(2010));
    assert_eq!(drain(&mut ring), [send(6, SwitchReason::Deadline)]);
}

#[test]
fn the_quorum_is_a_setting() {
    for (quorum, needed) in [(0, 0), (1, 1), (25, 1), (50, 2), (51, 3), (100, 4), (101, 5)] {
        let mut config = RingConfig::default();
        config.quorum = quorum;
        let mut ring = EpochKeyRing::new(config, id("a"));
        ring.new_epoch(at(0), secret(5), ids("abcde"));
        ring.new_epoch(at(0), secret(6), ids("abcde"));
        let mut seen = 0;
        for (i, other) in ids("bcde").iter().enumerate() {
            if ring.seal_with() == Some(&secret(6)) {
                break;
            }
            ring.seen(at(1), other, 6);
            seen = i + 1;
        }
        let switched = ring.seal_with() == Some(&secret(6));
        assert_eq!((switched, seen), (needed <= 4, needed.min(4)), "{quorum} %");
    }
}

#[test]
fn alone_one_need_not_wait() {
    let mut ring = at_five("a");
    ring.new_epoch(at(10), secret(6), ids("a"));
    assert_eq!(drain(&mut ring), [ready(6), send(6, SwitchReason::Quorum)]);
}

#[test]
fn a_removal_has_its_own_bound() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    assert_eq!(ring.poll_timeout(), Some(at(510)));
    ring.handle_timeout(at(510));
    assert_eq!(drain(&mut ring), [ready(6), send(6, SwitchReason::Removal)]);
    // A member that came back in the same commit was not removed.
    ring.new_epoch(at(600), secret(7), ids("ab"));
    assert_eq!(ring.poll_timeout(), Some(at(2600)));
}

#[test]
fn neither_newer_epochs_nor_a_full_ring_nor_a_fork_puts_a_removal_off() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    for epoch in 7..20 {
        ring.new_epoch(at(10 * epoch), secret(epoch), ids("ab"));
    }
    let held: Vec<u64> = ring.epochs().collect();
    assert_eq!(held, [5, 17, 18, 19], "6 had to make room");
    assert_eq!(ring.poll_timeout(), Some(at(510)));
    ring.handle_timeout(at(510));
    assert_ne!(ring.seal_with(), Some(&secret(5)));

    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    ring.new_epoch(at(300), secret_on("other", 6), ids("ab"));
    assert_eq!(ring.poll_timeout(), Some(at(510)));
    ring.handle_timeout(at(510));
    assert_eq!(ring.seal_with(), Some(&secret_on("other", 6)));
}

#[test]
fn at_once_when_asked() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    ring.new_epoch(at(11), secret(7), ids("abc"));
    ring.switch_now(at(12));
    assert_eq!(drain(&mut ring), [ready(6), ready(7), send(7, SwitchReason::Asked)]);
    ring.switch_now(at(13));
    assert_eq!(ring.poll_notice(), None);
}

#[test]
fn a_burst_makes_one_switch() {
    let mut ring = at_five("abc");
    for epoch in 6..9 {
        ring.new_epoch(at(50 * epoch), secret(epoch), ids("abc"));
    }
    // 6 is due at 2300 and waits for 7 and 8, which are due 50 and 100 ms later.
    assert_eq!(ring.poll_timeout(), Some(at(2400)));
    ring.handle_timeout(at(2400));
    assert_eq!(drain(&mut ring), [ready(6), ready(7), ready(8), send(8, SwitchReason::Deadline)]);
}

#[test]
fn a_burst_without_end_does_not_hold_a_switch_up() {
    let mut ring = at_five("abc");
    let mut switches = Vec::new();
    for ms in (0..10_000).step_by(10) {
        if ms % 50 == 0 {
            ring.new_epoch(at(ms), secret(6 + ms / 50), ids("abc"));
        }
        ring.handle_timeout(at(ms));
        for notice in drain(&mut ring) {
            if let RingNotice::SendWith { epoch, .. } = notice {
                let age = ms - (epoch - 6) * 50;
                assert!((2000..=2200).contains(&age) || epoch > 9, "epoch {epoch} sent with after {age} ms");
                switches.push(ms);
            }
        }
    }
    assert!(switches.len() >= 3 && switches[0] <= 2200, "{switches:?}");
    assert!(switches.windows(2).all(|w| w[1] - w[0] >= 200), "{switches:?}");
}

#[test]
fn a_switch_that_was_not_polled_is_replaced() {
    let mut ring = at_five("ab");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    ring.handle_timeout(at(2010));
    ring.new_epoch(at(2020), secret(7), ids("ab"));
    ring.switch_now(at(2030));
    assert_eq!(drain(&mut ring), [ready(6), ready(7), send(7, SwitchReason::Asked)]);
}

#[test]
fn old_epochs_go_by_age_but_never_the_one_sent_with() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    ring.handle_timeout(at(2010));
    drain(&mut ring);
    assert_eq!(ring.poll_timeout(), Some(at(10_010)));
    ring.handle_timeout(at(10_009));
    assert_eq!(ring.open_with(5), Some(&secret(5)));
    ring.handle_timeout(at(10_010));
    assert_eq!(drain(&mut ring), [forgotten(5, ForgetReason::Age)]);
    assert_eq!((ring.open_with(5), ring.poll_timeout()), (None, None));

    let mut config = RingConfig::default();
    config.quorum = 101;
    config.switch_after = Duration::from_secs(100);
    config.keep = Duration::from_secs(1);
    let mut ring = EpochKeyRing::new(config, id("a"));
    ring.new_epoch(at(0), secret(5), ids("ab"));
    ring.new_epoch(at(0), secret(6), ids("ab"));
    ring.handle_timeout(at(50_000));
    assert_eq!(ring.seal_with(), Some(&secret(5)));
    assert_eq!(ring.poll_timeout(), Some(at(100_000)));
    ring.handle_timeout(at(100_000));
    assert_eq!(ring.epochs().collect::<Vec<_>>(), [6]);
}

#[test]
fn old_epochs_go_by_number() {
    let mut ring = at_five("ab");
    for epoch in 6..=9 {
        ring.new_epoch(at(epoch), secret(epoch), ids("ab"));
    }
    assert_eq!(ring.epochs().collect::<Vec<_>>(), [5, 7, 8, 9]);
    assert!(drain(&mut ring).contains(&forgotten(6, ForgetReason::Number)));
    assert_eq!(ring.seal_with(), Some(&secret(5)), "never dark");
}

#[test]
fn an_epoch_reported_twice_or_late_changes_nothing() {
    let mut ring = at_five("ab");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    drain(&mut ring);
    ring.handle_timeout(at(20));
    let before = ring.clone();
    ring.new_epoch(at(20), secret(6), ids("abc"));
    ring.new_epoch(at(20), secret(5), ids("abc"));
    ring.new_epoch(at(20), secret(4), ids("abc"));
    assert_eq!(ring, before);
}

#[test]
fn after_a_fork_the_other_secret_counts() {
    let mut ring = at_five("ab");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    ring.switch_now(at(10));
    ring.new_epoch(at(11), secret(7), ids("ab"));
    drain(&mut ring);
    ring.new_epoch(at(20), secret_on("other", 6), ids("ab"));
    assert_eq!(
        drain(&mut ring),
        [
            forgotten(6, ForgetReason::Fork),
            forgotten(7, ForgetReason::Fork),
            ready(6),
            send(6, SwitchReason::First)
        ]
    );
    assert_eq!(ring.seal_with(), Some(&secret_on("other", 6)));
    assert_eq!(ring.open_with(7), None);
}

#[test]
fn who_was_seen_on_the_losing_side_of_a_fork_counts_no_more() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    ring.seen(at(11), &id("b"), 6);
    ring.new_epoch(at(12), secret_on("other", 6), ids("abc"));
    drain(&mut ring);
    ring.seen(at(13), &id("c"), 6);
    assert_eq!(ring.poll_notice(), None, "b was seen on another epoch of that number");
    ring.seen(at(14), &id("b"), 6);
    assert_eq!(drain(&mut ring), [send(6, SwitchReason::Quorum)]);
}

#[test]
fn an_older_epoch_seen_later_takes_nothing_back() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), ids("abc"));
    ring.seen(at(11), &id("b"), 6);
    // An object that was sealed before and came late.
    ring.seen(at(12), &id("b"), 5);
    ring.seen(at(13), &id("c"), 6);
    assert_eq!(drain(&mut ring), [ready(6), send(6, SwitchReason::Quorum)]);
}

#[test]
fn a_participant_tells_the_ring_of_its_epochs_and_of_its_end() {
    let now = at(0);
    let engine = || SymbolicEngine::new("a").unwrap();
    let mut world = World::at_once(now);
    world.enter(engine(), Config::new("g".try_into().unwrap()));
    let mut ring = ring();
    assert_eq!(ring.config().keep_epochs, 4);
    world.tell(0, Command::Join);
    for (_, notice) in world.take_notices(0) {
        ring.on_notice(now, &notice, |epoch| world.machine(0).epoch_keys(epoch)).unwrap();
    }
    assert_eq!(ring.epochs().collect::<Vec<_>>(), [0]);
    assert_eq!(ring.seal_with(), Some(&world.machine(0).epoch_secret(0).unwrap()));

    let config = Config::new("g".try_into().unwrap());
    let restored = Participant::restore(engine(), config, &world.durable(0).unwrap(), now).unwrap();
    let mut afresh = self::ring();
    afresh.on_restore(now, restored.all_epoch_keys());
    assert_eq!((afresh.open_with(0), afresh.sealing()), (ring.seal_with(), Err(Silence::Restored)));
    afresh.sealing_from(Location { group_id: 1, object_id: 0 });
    assert_eq!(afresh.seal_with(), ring.seal_with());

    world.tell(0, Command::Leave);
    for (_, notice) in world.take_notices(0) {
        ring.on_notice(now, &notice, |epoch| world.machine(0).epoch_keys(epoch)).unwrap();
    }
    assert_eq!((ring.seal_with(), ring.epochs().count()), (None, 0), "closed");
}

#[test]
fn an_unknown_list_of_members_leaves_the_one_before() {
    let mut ring = at_five("abc");
    ring.new_epoch(at(10), secret(6), []);
    assert_eq!(ring.poll_timeout(), Some(at(2010)), "nobody was removed as far as known");
    ring.new_epoch(at(20), secret(7), ids("ab"));
    assert_eq!(ring.poll_timeout(), Some(at(520)));
}

#[test]
fn closed_it_holds_nothing() {
    let mut ring = at_five("ab");
    ring.new_epoch(at(10), secret(6), ids("ab"));
    drain(&mut ring);
    ring.close();
    assert_eq!(drain(&mut ring), [forgotten(5, ForgetReason::Closed), forgotten(6, ForgetReason::Closed)]);
    assert_eq!((ring.seal_with(), ring.open_with(6), ring.poll_timeout()), (None, None, None));
    ring.new_epoch(at(99), secret(9), ids("ab"));
    assert_eq!(drain(&mut ring), [ready(9), send(9, SwitchReason::First)]);
}

#[test]
fn nothing_secret_shows() {
    let ring = at_five("ab");
    let shown = format!("{ring:?} {:?}", secret(5));
    let bytes = format!("{:?}", secret(5).as_bytes());
    assert!(!shown.contains(&bytes) && !shown.contains("SecureObject"), "{shown}");
    assert!(shown.contains("EpochSecret(5, "));
}

#[test]
fn the_wait_queue_is_bounded_in_number_bytes_and_time() {
    let limits = |objects, bytes, ms| {
        let mut limits = WaitQueueLimits::default();
        (limits.objects, limits.bytes, limits.time) = (objects, bytes, Duration::from_millis(ms));
        limits
    };
    let mut queue = WaitQueue::new(limits(3, 100, 50));
    for (i, size) in [10, 20, 30].into_iter().enumerate() {
        assert!(queue.push(at(i as u64), 7 + (i as u64 % 2), i, size).is_empty());
    }
    assert_eq!((queue.len(), queue.bytes(), queue.poll_timeout()), (3, 60, Some(at(50))));
    let gone = |gone: Vec<moq_mls::keys::Waiting<usize>>| gone.iter().map(|w| w.object).collect::<Vec<_>>();
    assert_eq!(gone(queue.push(at(3), 7, 3, 5)), [0], "by number");
    assert_eq!(gone(queue.push(at(4), 7, 4, 70)), [1, 2], "by number and by bytes");
    assert_eq!(gone(queue.push(at(5), 7, 5, 101)), [5], "over the limit alone");
    assert_eq!((queue.len(), queue.bytes()), (2, 75));
    assert!(queue.take(8).is_empty());
    assert_eq!(queue.push(at(6), 8, 6, 1), []);
    assert_eq!(gone(queue.take(7)), [3, 4]);
    assert_eq!((queue.len(), queue.bytes()), (1, 1));
    assert!(queue.expired(at(55)).is_empty());
    assert_eq!(gone(queue.expired(at(56))), [6]);
    assert_eq!((queue.is_empty(), queue.bytes(), queue.poll_timeout()), (true, 0, None));
    for key_id in [4, 6, 5] {
        queue.push(at(0), key_id, key_id as usize, 1);
    }
    assert_eq!(gone(queue.take_up_to(5)), [4, 5]);
    assert_eq!((queue.len(), queue.bytes()), (1, 1));
    assert!(!queue.is_empty());
    let mut full = WaitQueue::new(limits(3, 100, 50));
    assert!(
        full.push(at(0), 1, 1, 40).is_empty() && full.push(at(0), 1, 2, 60).is_empty(),
        "just as many bytes"
    );
    assert_eq!(gone(full.push(at(0), 1, 3, 100)), [1, 2], "all of them for one");
    assert_eq!(full.len(), 1);
    let mut none = WaitQueue::new(limits(0, 100, 50));
    assert_eq!(gone(none.push(at(0), 1, 9, 0)), [9]);
}

/// Takes in a notice that brings no epoch.
fn tell(ring: &mut EpochKeyRing, ms: u64, notice: Notice) {
    ring.on_notice(at(ms), &notice, |_| Err(())).unwrap();
}

fn rejoining() -> Notice {
    Notice::Rejoining { reason: RejoinReason::Unreachable }
}

#[test]
fn who_is_behind_seals_up_to_the_bound_and_opens_on() {
    for notice in [
        rejoining(),
        Notice::FaultyCommit { epoch: 5, commit_hash: [0; 32] },
        Notice::JoinStalled { counter: Some(9), waits_for: WaitsFor::Welcome },
    ] {
        let mut ring = at_five("abc");
        tell(&mut ring, 100, notice);
        assert_eq!(ring.poll_timeout(), Some(at(3100)));
        tell(&mut ring, 2000, rejoining());
        ring.handle_timeout(at(3099));
        assert_eq!((drain(&mut ring), ring.sealing()), (vec![], Ok(&secret(5))));
        ring.handle_timeout(at(3100));
        assert_eq!(drain(&mut ring), [RingNotice::Silent { reason: Silence::Behind }]);
        assert_eq!((ring.sealing(), ring.seal_with()), (Err(Silence::Behind), None));
        assert_eq!((ring.open_with(5), ring.poll_timeout()), (Some(&secret(5)), None));
        // Back with the next epoch, at once: there is nothing to go on with meanwhile.
        ring.new_epoch(at(9000), secret(7), ids("ab"));
        assert_eq!(drain(&mut ring), [ready(7), send(7, SwitchReason::Resumed)]);
        assert_eq!(ring.sealing(), Ok(&secret(7)));
    }
}

#[test]
fn who_catches_up_in_time_was_not_behind() {
    let mut ring = at_five("abc");
    tell(&mut ring, 100, rejoining());
    ring.new_epoch(at(3000), secret(6), ids("abc"));
    assert_eq!((drain(&mut ring), ring.poll_timeout()), (vec![ready(6)], Some(at(5000))));
    ring.handle_timeout(at(4999));
    assert_eq!((drain(&mut ring), ring.sealing()), (vec![], Ok(&secret(5))));
    // An epoch that is no news proves nothing.
    tell(&mut ring, 5000, rejoining());
    drain(&mut ring);
    ring.new_epoch(at(5001), secret(6), ids("abc"));
    ring.handle_timeout(at(8000));
    assert_eq!(drain(&mut ring), [RingNotice::Silent { reason: Silence::Behind }]);
}

#[test]
fn not_every_trouble_is_behind() {
    let mut ring = at_five("abc");
    let fault = Notice::PeerFault { from: None, fault: Fault::NotMls };
    for notice in [Notice::ForkDetected { epoch: 5, peer: id("b") }, fault] {
        tell(&mut ring, 100, notice);
        assert_eq!(ring.poll_timeout(), None);
    }
    let mut empty = self::ring();
    tell(&mut empty, 100, Notice::JoinStalled { counter: None, waits_for: WaitsFor::Probe });
    assert_eq!((empty.poll_timeout(), empty.sealing()), (None, Err(Silence::NoEpoch)));
    empty.new_epoch(at(9000), secret(5), ids("a"));
    assert_eq!(drain(&mut empty), [ready(5), send(5, SwitchReason::First)]);
    // Closed while behind, it begins anew.
    let mut ring = at_five("abc");
    tell(&mut ring, 100, rejoining());
    ring.close();
    assert_eq!((ring.poll_timeout(), ring.sealing()), (None, Err(Silence::NoEpoch)));
}

#[test]
fn being_behind_outlives_a_restart_and_a_clock_set_back() {
    let mut ring = at_five("abc");
    tell(&mut ring, 3_600_000, rejoining());
    ring.handle_timeout(at(0));
    assert_eq!(ring.poll_timeout(), Some(at(3000)));

    let mut before = self::ring();
    before.new_epoch(at(0), full(5), ids("abc"));
    tell(&mut before, 100, rejoining());
    let mut after =
        EpochKeyRing::restore(before.config().clone(), id("a"), Arc::new(Plain), &before.save(), at(200))
            .unwrap();
    after.sealing_from(Location { group_id: 1, object_id: 0 });
    assert_eq!((after.sealing(), after.poll_timeout()), (Ok(&full(5)), Some(at(3100))));
    after.handle_timeout(at(3100));
    assert_eq!(after.sealing(), Err(Silence::Behind));

    // Whose participant is no member at the time is behind from then on.
    let mut before = self::ring();
    before.new_epoch(at(0), full(5), ids("abc"));
    let saved = before.save();
    let mut after =
        EpochKeyRing::restore(before.config().clone(), id("a"), Arc::new(Plain), &saved, at(200)).unwrap();
    after.sealing_from(Location { group_id: 1, object_id: 0 });
    after.on_restore(at(200), []);
    assert_eq!((after.sealing(), after.poll_timeout()), (Ok(&full(5)), Some(at(3200))));
}

/// A secret as a restored participant gives it.
fn old(epoch: u64) -> EpochSecret {
    let mut ring = ring();
    ring.on_restore(at(0), [EpochKeys { secret: full(epoch), members: ids("ab") }]);
    ring.open_with(epoch).unwrap().clone()
}

#[test]
fn after_a_restart_nothing_is_sealed_with_what_may_have_been_sealed_with() {
    let mut before = ring();
    before.new_epoch(at(0), full(5), ids("ab"));
    let saved = before.save();
    let mut after =
        EpochKeyRing::restore(before.config().clone(), id("a"), Arc::new(Plain), &saved, at(10)).unwrap();
    after.on_restore(at(10), [EpochKeys { secret: full(5), members: ids("ab") }]);
    let silent = RingNotice::Silent { reason: Silence::Restored };
    assert_eq!(drain(&mut after), [ready(5), silent]);
    assert_eq!((after.sealing(), after.open_with(5)), (Err(Silence::Restored), Some(&full(5))));
    // Caught up on: the state was an old one, and the member may have been there before.
    after.new_epoch(at(20), old(6), ids("ab"));
    after.seen(at(30), &id("b"), 6);
    assert_eq!((drain(&mut after), after.sealing()), (vec![ready(6)], Err(Silence::Restored)));
    // Nobody who was restored can have been in this one.
    after.new_epoch(at(40), full(7), ids("ab"));
    assert_eq!(drain(&mut after), [ready(7), send(7, SwitchReason::Resumed)]);

    let mut told = ring();
    told.on_restore(at(10), [EpochKeys { secret: full(5), members: ids("ab") }]);
    told.sealing_from(Location { group_id: 3, object_id: 0 });
    assert_eq!(drain(&mut told), [ready(5), send(5, SwitchReason::Restored)]);
    told.new_epoch(at(20), old(6), ids("ab"));
    told.seen(at(30), &id("b"), 6);
    assert_eq!(drain(&mut told), [ready(6), send(6, SwitchReason::Quorum)]);
}

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Epoch { skip: u64, members: u8 },
    Fork,
    Seen(u8, u64),
    Ask,
    Behind,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..700_u64).prop_map(Op::Wait),
        3 => (0..2_u64, any::<u8>()).prop_map(|(skip, members)| Op::Epoch { skip, members }),
        1 => Just(Op::Fork),
        4 => (0..8_u8, 0..3_u64).prop_map(|(who, back)| Op::Seen(who, back)),
        1 => Just(Op::Ask),
        1 => Just(Op::Behind),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 20_000 }))]

    /// Whatever happens, the timeouts being honoured: never dark, never back, never late.
    #[test]
    fn the_ring_is_never_dark_never_goes_back_and_is_never_late(ops in prop::collection::vec(op(), 1..80)) {
        let mut ring = ring();
        let members = |bits: u8| -> Vec<SenderId> {
            (0..8).filter(|i| *i == 0 || bits >> i & 1 == 1).map(|i| id(&"abcdefgh"[i..=i])).collect()
        };
        let (mut now, mut newest, mut branch) = (0, 10, 0);
        let mut list: BTreeSet<SenderId> = members(0xff).into_iter().collect();
        ring.new_epoch(at(now), secret(newest), list.clone());
        let (mut open, mut sending) = (BTreeSet::new(), None);
        // Since when one must move past an epoch: by a removal, and by the deadline.
        let mut past: Vec<(u64, u64)> = Vec::new();
        let (mut behind, mut silent) = (None, false);
        for op in ops {
            match op {
                Op::Wait(ms) => {
                    let until = now + ms;
                    while let Some(due) = ring.poll_timeout().filter(|due| *due <= at(until)) {
                        now = now.max(due.as_millis() - at(0).as_millis());
                        let before = ring.clone();
                        ring.handle_timeout(at(now));
                        prop_assert!(ring != before, "a timeout without an effect");
                    }
                    now = until;
                }
                Op::Epoch { skip, members: bits } => {
                    newest += 1 + skip;
                    behind = None;
                    let new: BTreeSet<SenderId> = members(bits).into_iter().collect();
                    let bound = if list.iter().any(|m| !new.contains(m)) { 500 } else { 2200 };
                    past.push((newest, now + bound));
                    list = new;
                    ring.new_epoch(at(now), secret_on(&format!("main{branch}"), newest), list.clone());
                }
                Op::Fork => {
                    branch += 1;
                    behind = None;
                    ring.new_epoch(at(now), secret_on(&format!("main{branch}"), newest), list.clone());
                }
                Op::Seen(who, back) => {
                    ring.seen(at(now), &id(&"abcdefgh"[usize::from(who)..=usize::from(who)]), newest.saturating_sub(back));
                }
                Op::Ask => ring.switch_now(at(now)),
                Op::Behind => {
                    behind.get_or_insert(now);
                    tell(&mut ring, now, rejoining());
                }
            }
            for notice in drain(&mut ring) {
                match notice {
                    RingNotice::EpochReady { epoch } => prop_assert!(open.insert(epoch)),
                    RingNotice::Forgotten { epoch, .. } => prop_assert!(open.remove(&epoch)),
                    RingNotice::SendWith { epoch, .. } => {
                        prop_assert!(open.contains(&epoch));
                        prop_assert!(sending.is_none_or(|before| before <= epoch), "back to {epoch}");
                        (sending, silent) = (Some(epoch), false);
                    }
                    RingNotice::Silent { reason } => {
                        prop_assert_eq!(reason, Silence::Behind);
                        silent = true;
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(ring.epochs().collect::<BTreeSet<_>>(), open.clone());
            prop_assert_eq!(silent, behind.is_some_and(|since| since + 3000 <= now));
            prop_assert_eq!(ring.seal_with().map(EpochSecret::epoch), sending.filter(|_| !silent));
            prop_assert!(silent || sending.is_some_and(|epoch| open.contains(&epoch)), "dark");
            prop_assert!(open.len() <= 4);
            prop_assert!(ring.poll_timeout().is_none_or(|due| due >= at(now)), "it is overdue");
            for (epoch, by) in &past {
                let late = !silent && now > *by && sending < Some(*epoch);
                prop_assert!(!late, "still {:?}, {} was due", sending, epoch);
            }
        }
    }
}

/// Tells secrets apart, and is as long as it says.
fn full(epoch: u64) -> EpochSecret {
    struct Full;
    impl Kdf for Full {
        fn extract(&self, salt: &[u8], _: &[u8]) -> Result<Secret, EngineError> {
            Ok(Secret::new(salt[salt.len() - 8..].repeat(4)))
        }
        fn expand(&self, prk: &[u8], _: &[u8], _: usize) -> Result<Secret, EngineError> {
            Ok(Secret::new(prk.to_vec()))
        }
        fn hash_len(&self) -> usize {
            32
        }
    }
    EpochSecret::from_master(Arc::new(Full), epoch, &Secret::new(vec![1])).unwrap()
}

#[test]
fn a_stored_ring_goes_on_where_it_was() {
    let mut before = ring();
    before.new_epoch(at(0), full(5), ids("abc"));
    before.new_epoch(at(100), full(6), ids("ab"));
    before.seen(at(110), &id("b"), 5);
    drain(&mut before);
    let saved = before.save();
    let restore = |saved: &Secret, me: &str, now| {
        EpochKeyRing::restore(before.config().clone(), id(me), Arc::new(Plain), saved, now).map(|mut ring| {
            ring.sealing_from(Location { group_id: 7, object_id: 0 });
            ring
        })
    };
    // In time: the deadline that ran goes on.
    let mut after = restore(&saved, "a", at(300)).unwrap();
    let told = drain(&mut after);
    assert_eq!(told[..2], [ready(5), ready(6)]);
    assert!(
        matches!(told[2..], [RingNotice::SendWith { epoch: 5, reason: SwitchReason::Restored }]),
        "{told:?}"
    );
    assert_eq!(after.open_with(5), Some(&full(5)));
    assert_eq!(after.poll_timeout(), before.poll_timeout());
    after.handle_timeout(at(600));
    assert_eq!(after.seal_with(), Some(&full(6)));
    assert_eq!(restore(&before.save(), "a", at(110)).unwrap().save(), saved);
    // Too late: what came due in the meantime is done at once.
    assert_eq!(restore(&saved, "a", at(5000)).unwrap().seal_with(), Some(&full(6)));
    // Of another participant, cut short at any place, with more behind, of another version.
    assert!(restore(&saved, "b", at(300)).is_err());
    let bytes = saved.as_bytes();
    for cut in 0..bytes.len() {
        assert!(restore(&Secret::new(bytes[..cut].to_vec()), "a", at(300)).is_err(), "{cut}");
    }
    assert!(restore(&Secret::new([bytes, &[0]].concat()), "a", at(300)).is_err());
    let mut other = bytes.to_vec();
    other[5] = 9;
    assert!(restore(&Secret::new(other), "a", at(300)).is_err());
}

#[test]
fn a_clock_set_back_puts_no_removal_off() {
    let mut ring = ring();
    ring.new_epoch(at(3_600_000), secret(5), ids("abc"));
    ring.new_epoch(at(3_600_100), secret(6), ids("ab"));
    drain(&mut ring);
    // An hour back: what is left of the bound by the last time that was reported, and no more.
    ring.handle_timeout(at(0));
    assert!(ring.poll_timeout().unwrap() <= at(500));
    ring.handle_timeout(at(500));
    assert_eq!(ring.seal_with(), Some(&secret(6)));
    // The same for what waits.
    let mut queue = WaitQueue::new(WaitQueueLimits::default());
    assert!(queue.push(at(3_600_000), 7, "old", 1).is_empty());
    assert!(queue.push(at(0), 7, "new", 1).is_empty());
    assert_eq!(queue.poll_timeout(), Some(at(5000)));
    assert_eq!(queue.expired(at(5000)).len(), 2);
}
