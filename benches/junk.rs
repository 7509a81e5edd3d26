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
//!
//! `junk_us_per_object` is the worst of them. `junk_core_share` is how much of a core one of them keeps busy that
//! fills 1 Mbit/s, the worst again. `junk_changed_leave_us` stands apart: a leave request whose last byte was
//! changed, which only those can make who have seen a real one of this epoch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::hint::black_box;

use self::support::{BenchEngine, Seat, engine, group, pin, timed};
use bytes::Bytes;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
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

/// One who was told that the group is there, and its KeyPackage.
fn joiner(name: &str) -> (Seat<BenchEngine<Provider>>, Object) {
    let mut seat = Seat::outside(engine::<Provider>(name), Config::new(group()), NOW, 1);
    seat.handle(Command::Join);
    let key_package = seat.take(|k| matches!(k, TrackKind::KeyPackage(_)));
    (seat, key_package)
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

/// A member of a group of its own, and what others showed there.
struct Rig {
    member: Member,
    senders: Vec<SenderId>,
    key_package: Object,
    leave: Object,
}

impl Rig {
    fn new(commits_per_epoch: Option<usize>) -> Self {
        let mut config = Config::new(group());
        config.limits.commits_per_epoch = commits_per_epoch.unwrap_or(config.limits.commits_per_epoch);
        let mut committer = Seat::new(engine::<Provider>("committer"), config, NOW);
        committer.handle(Command::Join);
        let (mut leaver, key_package) = joiner("leaver");
        committer.handle(Event::Object(key_package.clone()));
        for i in 2..MEMBERS {
            committer.handle(Event::Object(joiner(&format!("m{i}")).1));
        }
        committer.run_to(1);
        let id = leaver.machine().sender_id().clone();
        let objects: Vec<Object> = committer.published().drain(..).collect();
        let find = |wanted: &dyn Fn(&TrackKind) -> bool| {
            let tracks = committer.machine().tracks();
            objects.iter().find(|o| tracks.classify(&o.track).is_some_and(|k| wanted(&k))).unwrap().clone()
        };
        let commit = find(&|k| matches!(k, TrackKind::Commit(_)));
        leaver.decided(1, pin(committer.machine(), &commit.payload));
        leaver.world.publish(&find(&|k| matches!(k, TrackKind::Tree(_))));
        leaver.handle(Event::Object(find(&|k| *k == TrackKind::Welcome(id.clone()))));
        assert_eq!(leaver.machine().epoch(), Some(1));
        leaver.published().clear();
        leaver.handle(Command::Leave);
        let leave = leaver.take(|k| matches!(k, TrackKind::KeyPackage(_)));
        let member = committer.world.take(0).unwrap();
        assert_eq!((member.epoch(), member.members().count()), (Some(1), MEMBERS));
        let senders = member.members().map(|m| m.sender.clone()).collect();
        Self { member, senders, key_package, leave }
    }

    fn sender(&self, i: u64) -> &SenderId {
        &self.senders[usize::try_from(i).unwrap() % self.senders.len()]
    }

    fn commit(&self, i: u64, payload: Bytes) -> Object {
        let location = Location { group: 1, object: 2 * (i % MEMBERS as u64) };
        Object { track: self.member.tracks().commit(self.sender(i)), location, payload }
    }

    fn beside_key_packages(&self, i: u64, payload: Bytes) -> Object {
        let location = Location { group: KEY_PACKAGE_GROUP, object: 1 + i };
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
    let changed_leave = spent(|rig, i| {
        let mut payload = rig.leave.payload.to_vec();
        *payload.last_mut().unwrap() ^= u8::try_from(1 + i % 255).unwrap();
        let location = Location { group: KEY_PACKAGE_GROUP, object: rig.leave.location.object + 1 + i };
        Object { location, payload: payload.into(), ..rig.leave.clone() }
    });
    let kinds = [
        ("forged_commit", forged_commit),
        ("tried_commit", tried_commit),
        ("tried_long_commit", tried_long_commit),
        ("forged_leave", forged_leave),
        ("bytes", bytes),
        ("replayed_key_package", replayed_key_package),
        ("replayed_leave", replayed_leave),
    ];
    let (mut worst, mut share) = (0.0_f64, 0.0_f64);
    for (kind, (us, bytes)) in kinds {
        let core = 100.0 * us / 1e6 * BYTES_PER_SECOND / bytes;
        println!("figure junk_{kind}_us {us:.1} us");
        println!("figure junk_{kind}_core_share {core:.2} %");
        (worst, share) = (worst.max(us), share.max(core));
    }
    println!("figure junk_changed_leave_us {:.1} us", changed_leave.0);
    println!("figure junk_us_per_object {worst:.1} us");
    println!("figure junk_core_share {share:.2} %");
}
