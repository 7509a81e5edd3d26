//! What a member spends on objects that nobody should have sent, each dropped in the end.
//!
//! `cargo bench --bench junk`, AWS-LC, in a group of 1,000, all within one epoch. `figure junk_<kind>_us X us` is
//! the mean time that a participant takes for one such object:
//!
//! - `forged_commit`, `forged_leave`: the header is right, and the rest made up. So small, that a relay can send very many.
//! - `tried_commit`, `tried_long_commit`: the same by a member that has no limit to how many commits of an epoch it
//!   tries; the long one has 64 KiB of made-up content.
//! - `bytes`: no MLS at all, on all tracks.
//! - `replayed_key_package`, `replayed_leave`: real ones, again at their places.
//! - `forged_key_package`: a member's next one, with a signature that is none; `stranger_key_package`: a good one of a
//!   new participant, which has to wait.
//! - `altered_leave`, `altered_commit`: as short as can be, with the sender data of a real one of this epoch, under other
//!   members' names. Only those can make them who have seen the real one. The first four leave requests are tried.
//!
//! `junk_us_per_object` is the worst of them. `junk_core_share` is how much of a core one of them keeps busy that
//! fills 1 Mbit/s, the worst again. `junk_commits_tried_ms` stands apart: all altered commits that a member tries in one
//! epoch, `Limits::commits_per_epoch` of them. None of those that `altered_commit` counts is tried any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::hint::black_box;

use self::support::{BenchEngine, Seat, engine, group, timed};
use bytes::Bytes;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::counter::Pin;
use moq_mls::mls::LEAF_ORIGIN_EXTENSION;
use moq_mls::tracks::{KEY_PACKAGE_GROUP, Location, SenderId, TrackKind};
use moq_mls::{Command, Config, Event, Object, Participant, Timestamp};

type Provider = AwsLcCryptoProvider;
type Member = Participant<BenchEngine<Provider>>;

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const MEMBERS: usize = 1000;
const OBJECTS: u64 = 2000;
/// The heap, the caches and the group are as in a long call after so many.
const WARM_UP: u64 = 100;
/// Of a byte as the relay sends it.
const BYTES_PER_SECOND: f64 = 1e6 / 8.0;

type Joiner = Seat<BenchEngine<Provider>>;

/// Returns a participant that knows that the group is there, and its KeyPackage.
fn joiner(name: &str) -> (Joiner, Object) {
    let mut seat = Seat::new(engine::<Provider>(name), Config::new(group()), NOW).outside(1);
    seat.handle(Command::Join);
    let key_package = seat.take(|k| matches!(k, TrackKind::KeyPackage(_)));
    (seat, key_package)
}

/// Lets it in by what the committer of epoch 1 published.
fn enter(joiner: &mut Joiner, pin: Pin, published: &[Object]) {
    let tracks = joiner.machine().tracks().clone();
    let welcome = TrackKind::Welcome(joiner.machine().sender_id().clone());
    let find = |wanted: &dyn Fn(&TrackKind) -> bool| {
        published.iter().find(|o| tracks.classify(&o.track).is_some_and(|k| wanted(&k))).unwrap().clone()
    };
    joiner.decided(1, pin);
    joiner.world.publish(&find(&|k| matches!(k, TrackKind::Tree(_))));
    joiner.handle(Event::Object(find(&|k| *k == welcome)));
    assert_eq!(joiner.machine().epoch(), Some(1));
    joiner.published().clear();
}

/// A PrivateMessage in epoch 1, of `len` bytes behind the sender data (RFC 9420 section 6.3).
fn forged(content_type: u8, len: usize, salt: u64) -> Bytes {
    let name = group();
    let mut out = vec![0, 1, 0, 2, u8::try_from(name.as_bytes().len()).unwrap()];
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&1_u64.to_be_bytes());
    out.extend([content_type, 0, 28]);
    out.extend([0x5c; 20]);
    out.extend_from_slice(&salt.to_be_bytes());
    match u8::try_from(len) {
        Ok(len) if len < 64 => out.push(len),
        _ => out.extend((0x8000_0000 | u32::try_from(len).unwrap()).to_be_bytes()),
    }
    out.resize(out.len() + len, 0x5c);
    out.into()
}

/// Copy number `i` of a PrivateMessage in epoch 1: all that its sender data depends on, and no more.
fn altered(message: &Bytes, i: u64) -> Bytes {
    // As `forged` writes them: up to the authenticated data, which is none, and the sender data.
    let at = 5 + group().as_bytes().len() + 8 + 2 + 29;
    assert_eq!((message[at - 30], message[at - 29]), (0, 28));
    let mut out = message[..at].to_vec();
    out.push(32 + 3);
    let sample = at + (1 << (message[at] >> 6));
    out.extend_from_slice(&message[sample..sample + 32]);
    out.extend_from_slice(&i.to_be_bytes()[5..]);
    out.into()
}

/// A KeyPackage with another number in its leaf, which it is not signed for.
fn renumbered(key_package: &Bytes, sequence: u64) -> Bytes {
    let mut out = key_package.to_vec();
    // The extension's type, and the length of what is in it.
    let [high, low] = LEAF_ORIGIN_EXTENSION.to_be_bytes();
    let at = out.windows(3).position(|w| w == [high, low, 40]).unwrap() + 3;
    out[at..at + 8].copy_from_slice(&sequence.to_be_bytes());
    out.into()
}

/// A member of a group of its own, and what others showed there.
struct Rig {
    member: Member,
    senders: Vec<SenderId>,
    key_package: Object,
    leave: Object,
    update: Object,
}

impl Rig {
    fn new(commits_per_epoch: Option<usize>) -> Self {
        let mut config = Config::new(group());
        config.limits.commits_per_epoch = commits_per_epoch.unwrap_or(config.limits.commits_per_epoch);
        let mut committer = Seat::new(engine::<Provider>("committer"), config, NOW);
        committer.handle(Command::Join);
        let (mut leaver, key_package) = joiner("leaver");
        let (mut updater, another) = joiner("updater");
        committer.handle(Event::Object(key_package.clone()));
        committer.handle(Event::Object(another));
        for i in 3..MEMBERS {
            committer.handle(Event::Object(joiner(&format!("m{i}")).1));
        }
        committer.run_to(1);
        let published: Vec<Object> = committer.published().drain(..).collect();
        let pin = committer.pin_of(1);
        enter(&mut leaver, pin, &published);
        leaver.handle(Command::Leave);
        let leave = leaver.take(|k| matches!(k, TrackKind::KeyPackage(_)));
        enter(&mut updater, pin, &published);
        updater.handle(Command::Update);
        updater.run_to(2);
        let update = updater.take(|k| matches!(k, TrackKind::Commit(_)));
        let member = committer.world.take(0).unwrap();
        assert_eq!((member.epoch(), member.members().count()), (Some(1), MEMBERS));
        let senders = member.members().map(|m| m.sender.clone()).collect();
        Self { member, senders, key_package, leave, update }
    }

    fn sender(&self, i: u64) -> &SenderId {
        &self.senders[usize::try_from(i).unwrap() % self.senders.len()]
    }

    fn commit(&self, i: u64, payload: Bytes) -> Object {
        let location = Location { group_id: 1, object_id: 2 * (i % MEMBERS as u64) };
        Object { track: self.member.tracks().commit(self.sender(i)), location, payload }
    }

    fn beside_key_packages(&self, i: u64, payload: Bytes) -> Object {
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: 1 + i };
        Object { track: self.member.tracks().key_package(self.sender(i)), location, payload }
    }

    fn handle(&mut self, object: Object) {
        self.member.handle(NOW, Event::Object(object)).unwrap();
        self.member.actions().for_each(|action| drop(black_box(action)));
    }
}

/// Microseconds for each object that `make` makes, and its bytes on average.
fn spent(make: impl Fn(&Rig, u64) -> Object) -> (f64, f64) {
    spent_on(Rig::new(None), make)
}

fn spent_on(mut rig: Rig, make: impl Fn(&Rig, u64) -> Object) -> (f64, f64) {
    for i in 0..WARM_UP {
        let object = make(&rig, i);
        rig.handle(object);
    }
    let objects: Vec<Object> = (WARM_UP..WARM_UP + OBJECTS).map(|i| make(&rig, i)).collect();
    let bytes: usize = objects.iter().map(|o| o.payload.len()).sum();
    let (time, ()) = timed(|| objects.into_iter().for_each(|object| rig.handle(object)));
    assert_eq!(rig.member.epoch(), Some(1));
    (time * 1e6 / OBJECTS as f64, bytes as f64 / OBJECTS as f64)
}

fn main() {
    // Seventeen bytes make the whole 67.
    let forged_commit = spent(|rig, i| rig.commit(i, forged(3, 17, i)));
    let tried = || Rig::new(Some(usize::MAX));
    let tried_commit = spent_on(tried(), |rig, i| rig.commit(i, forged(3, 17, i)));
    let tried_long_commit = spent_on(tried(), |rig, i| rig.commit(i, forged(3, 64 * 1024, i)));
    let forged_leave = spent(|rig, i| rig.beside_key_packages(i, forged(2, 17, i)));
    let bytes = spent(|rig, i| {
        let payload = Bytes::from(vec![0x5c; 67]);
        if i % 2 == 0 { rig.commit(i, payload) } else { rig.beside_key_packages(i, payload) }
    });
    let replayed_key_package = spent(|rig, _| rig.key_package.clone());
    let replayed_leave = spent(|rig, _| rig.leave.clone());
    let forged_key_package = spent(|rig, i| {
        let sequence = rig.key_package.location.object_id + 1 + i;
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: sequence };
        Object {
            location,
            payload: renumbered(&rig.key_package.payload, sequence),
            ..rig.key_package.clone()
        }
    });
    let stranger_key_package = spent(|_, i| joiner(&format!("stranger {i}")).1);
    // The first copies of a real one are those that cost.
    let first = |i| i < WARM_UP;
    let altered_leave = spent(|rig, i| {
        let payload = if first(i) { forged(2, 17, i) } else { altered(&rig.leave.payload, i) };
        rig.beside_key_packages(i, payload)
    });
    let altered_commit = spent(|rig, i| rig.commit(i, altered(&rig.update.payload, i)));
    let mut rig = Rig::new(None);
    let tries = rig.member.config().limits.commits_per_epoch;
    let copies: Vec<Object> =
        (0..tries as u64).map(|i| rig.commit(i, altered(&rig.update.payload, i))).collect();
    let (tried, ()) = timed(|| copies.into_iter().for_each(|object| rig.handle(object)));
    let kinds = [
        ("forged_commit", forged_commit),
        ("tried_commit", tried_commit),
        ("tried_long_commit", tried_long_commit),
        ("forged_leave", forged_leave),
        ("bytes", bytes),
        ("replayed_key_package", replayed_key_package),
        ("replayed_leave", replayed_leave),
        ("forged_key_package", forged_key_package),
        ("stranger_key_package", stranger_key_package),
        ("altered_leave", altered_leave),
        ("altered_commit", altered_commit),
    ];
    let (mut worst, mut share) = (0.0_f64, 0.0_f64);
    for (kind, (us, bytes)) in kinds {
        let core = 100.0 * us / 1e6 * BYTES_PER_SECOND / bytes;
        println!("figure junk_{kind}_us {us:.1} us");
        println!("figure junk_{kind}_core_share {core:.2} %");
        (worst, share) = (worst.max(us), share.max(core));
    }
    println!("figure junk_commits_tried_ms {:.1} ms", tried * 1e3);
    println!("figure junk_us_per_object {worst:.1} us");
    println!("figure junk_core_share {share:.2} %");
}
