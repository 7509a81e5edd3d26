//! What a member holds, and what it allocates for each object that it handles.
//!
//! `cargo bench --bench memory`, AWS-LC. Bytes are those that are live after joining, counted by the
//! allocator: the Welcome and the tree are handed over as copies that the member owns, so that what it keeps
//! of them counts too. By hand is the mls-rs client and group alone, joined by KeyPackages alike,
//! before anything of it is stored.
//!
//! `figure participant_bytes_<n>`: all that a participant holds in a group of n. `participant_mls_bytes_<n>`:
//! the group by hand. `participant_own_bytes_<n>`: the difference. `participant_durable_bytes_<n>`: what it
//! stores, of which it also holds the group's part.
//!
//! `figure allocs_<object>_per_object`: allocations in a group of 1,000, `..._<n>` in others; a Commit is
//! looked at when it comes and put in force by its receipt, durable bytes included. `..._by_mls`: the same
//! object by hand.
//!
//! `figure codec_decode_allocs`: the most that one of the draft's three messages costs, decoded from bytes
//! that are shared with the connection's buffer; `codec_stream_decode_allocs`: all of them mixed, pushed into
//! a `ControlDecoder` in packets of 1,200 bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/hand.rs"]
mod hand;
#[path = "support/messages.rs"]
mod messages;
mod support;

use std::hint::black_box;

use self::hand::{NOW, client, create, key_package, time};
use self::support::{BenchEngine, Seat, ServiceKey, engine, group};
use allocation_counter::{measure, opt_out};
use bytes::{Buf, Bytes, BytesMut};
use mls_rs::client_builder::MlsConfig;
use mls_rs::{Group, MlsMessage};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::codec::{ControlDecoder, ControlMessage, Decode, Encode};
use moq_mls::testing::faults::Receipts;
use moq_mls::tracks::TrackKind;
use moq_mls::{Action, Command, Config, Event, Object, Participant, Phase};

type Provider = AwsLcCryptoProvider;
type Member = Participant<BenchEngine<Provider>>;

/// The counter service: it signs receipts.
struct Service(ServiceKey<Provider>);

impl Service {
    /// One in whose world the counter service has this key.
    fn seat(&self, name: &str) -> Seat<BenchEngine<Provider>> {
        let mut config = Config::new(group());
        config.params.service_key = Some(self.0.public.clone());
        Seat::new(engine::<Provider>(name), config, NOW).signed(Receipts::by(self.0.clone()))
    }

    /// Returns a participant that knows that the group is there, and its KeyPackage.
    fn joiner(&self, name: &str, epoch: u64) -> (Seat<BenchEngine<Provider>>, Object) {
        let mut seat = self.seat(name).outside(epoch);
        seat.handle(Command::Join);
        let key_package = seat.take(|k| matches!(k, TrackKind::KeyPackage(_)));
        (seat, key_package)
    }
}

/// What `f` allocates is not counted.
fn unseen<T>(f: impl FnOnce() -> T) -> T {
    let mut out = None;
    opt_out(|| out = Some(f()));
    out.unwrap()
}

/// An object that shares no memory with another.
fn copy(object: &Object) -> Object {
    Object { payload: Bytes::copy_from_slice(&object.payload), ..object.clone() }
}

/// Commits `adds`; the commit and the first Welcome.
fn commit<C: MlsConfig>(group: &mut Group<C>, adds: &[Vec<u8>]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut builder = group.commit_builder().commit_time(time());
    for add in adds {
        builder = builder.add_member(MlsMessage::from_bytes(add).unwrap()).unwrap();
    }
    let output = builder.build().unwrap();
    group.apply_pending_commit().unwrap();
    let welcome = output.welcome_messages.first().map(|w| w.to_bytes().unwrap());
    (output.commit_message.to_bytes().unwrap(), welcome)
}

/// What mls-rs alone needs: live bytes of a member, and allocations for a KeyPackage and a Commit.
struct ByHand {
    bytes: i64,
    key_package: u64,
    commit: u64,
}

fn by_hand(members: usize) -> ByHand {
    let mut creator = create(&client::<Provider>("first").0);
    let mut member = None;
    let live = measure(|| {
        let (me, _) = client::<Provider>("me");
        let mine = key_package(&me);
        let welcome = unseen(|| {
            let others = (2..members).map(|i| key_package(&client::<Provider>(&format!("m{i}")).0));
            let adds: Vec<Vec<u8>> = std::iter::once(mine.clone()).chain(others).collect();
            commit(&mut creator, &adds).1.unwrap()
        });
        let (joined, _) =
            me.join_group(None, &MlsMessage::from_bytes(&welcome).unwrap(), Some(time())).unwrap();
        opt_out(|| drop(welcome));
        member = Some((me, joined));
    });
    let (_, mut me) = member.unwrap();
    assert_eq!(me.roster().members_iter().count(), members);
    let key = key_package(&client::<Provider>("newcomer").0);
    let key_package = measure(|| {
        let message = MlsMessage::from_bytes(&key).unwrap();
        me.process_incoming_message_with_time(message, time()).unwrap();
    });
    let (update, _) = commit(&mut creator, &[]);
    let commit = measure(|| {
        let message = MlsMessage::from_bytes(&update).unwrap();
        me.process_incoming_message_with_time(message, time()).unwrap();
        me.write_to_storage().unwrap();
    });
    ByHand { bytes: live.bytes_current, key_package: key_package.count_total, commit: commit.count_total }
}

fn allocs(name: &str, members: usize, count: u64) {
    println!("figure allocs_{name}_per_object_{members} {count} allocations");
    if members == 1000 {
        println!("figure allocs_{name}_per_object {count} allocations");
    }
}

/// Allocations of one `handle` and the actions that follow from it, none of which waits for an answer.
fn handling(member: &mut Member, object: &Object) -> u64 {
    let object = copy(object);
    measure(|| {
        member.handle(NOW, Event::Object(object)).unwrap();
        for action in member.actions() {
            assert!(matches!(black_box(action), Action::Persist(_) | Action::Notify(_)));
        }
    })
    .count_total
}

fn bench(members: usize) {
    let service = Service(ServiceKey::generate());
    let mut committer = service.seat("committer");
    committer.handle(Command::Join);
    let mut member = None;
    let live = measure(|| {
        let (mut seat, mine) = service.joiner("me", 1);
        let (welcome, tree) = unseen(|| {
            committer.handle(Event::Object(copy(&mine)));
            for i in 2..members {
                let (_, other) = service.joiner(&format!("m{i}"), 1);
                committer.handle(Event::Object(other));
            }
            committer.run_to(1);
            let me = seat.machine().sender_id().clone();
            let objects = committer.published().drain(..).collect::<Vec<_>>();
            let find = |wanted: &dyn Fn(&TrackKind) -> bool| {
                let tracks = committer.machine().tracks();
                objects.iter().find(|o| tracks.classify(&o.track).is_some_and(|k| wanted(&k))).cloned()
            };
            (
                find(&|k| *k == TrackKind::Welcome(me.clone())).unwrap(),
                find(&|k| matches!(k, TrackKind::Tree(_))),
            )
        });
        tree.iter().for_each(|tree| seat.world.publish(&copy(tree)));
        seat.handle(Event::Object(copy(&welcome)));
        opt_out(|| drop((welcome, tree, mine)));
        // What is of the bench and not of the participant goes.
        member = seat.world.take(0);
    });
    let mut me = member.unwrap();
    assert_eq!((me.phase(), me.members().count()), (Phase::Member, members));
    let hand = by_hand(members);
    let bytes = live.bytes_current;
    println!("figure participant_bytes_{members} {bytes} bytes");
    println!("figure participant_mls_bytes_{members} {} bytes", hand.bytes);
    println!("figure participant_own_bytes_{members} {} bytes", bytes - hand.bytes);
    let durable = me.snapshot().unwrap().len();
    println!("figure participant_durable_bytes_{members} {durable} bytes");
    println!("figure participant_bytes_{members}_vs_mls {:.2} x", bytes as f64 / hand.bytes as f64);

    let (newcomer, key) = service.joiner("newcomer", 1);
    allocs("key_package", members, handling(&mut me, &key));
    allocs("key_package_by_mls", members, hand.key_package);
    committer.handle(Event::Object(key.clone()));
    committer.run_to(2);
    let commit = committer.take(|k| matches!(k, TrackKind::Commit(_)));
    let welcome = committer.take(|k| matches!(k, TrackKind::Welcome(_)));
    let receipt = committer.take(|k| matches!(k, TrackKind::Commit(_)));
    assert_ne!(welcome.track, me.tracks().welcome(me.sender_id()));
    allocs("other_welcome", members, handling(&mut me, &welcome));
    let mut junk = copy(&key);
    junk.payload = Bytes::from_static(b"this is no MLS message");
    allocs("junk", members, handling(&mut me, &junk));
    let tried = handling(&mut me, &commit);
    assert_eq!(me.epoch(), Some(1), "a commit waits for its confirmation");
    let applied = handling(&mut me, &receipt);
    assert_eq!(me.epoch(), Some(2), "the receipt confirms it");
    assert!(me.members().any(|m| m.sender == *newcomer.machine().sender_id()));
    allocs("commit", members, tried);
    allocs("receipt", members, applied);
    allocs("commit_and_receipt", members, tried + applied);
    allocs("commit_by_mls", members, hand.commit);
}

/// Allocations per message when `stream` messages are read.
fn per_message(stream: usize, read: impl FnOnce()) -> f64 {
    measure(read).count_total as f64 / stream as f64
}

fn codec() {
    const STREAM: usize = 64;
    let shared = |bytes: &[u8]| BytesMut::from(bytes).split().freeze();
    let (mut most, mut mixed) = (0.0_f64, Vec::new());
    for case in messages::cases() {
        let wire = case.ours.to_bytes().unwrap().repeat(STREAM);
        let mut input = shared(&wire);
        let ours = per_message(STREAM, || {
            while input.has_remaining() {
                assert!(black_box(&ControlMessage::decode(&mut input)).is_ok());
            }
        });
        println!("figure codec_decode_{}_allocs {ours} per_message", case.name);
        let mut their_wire = Vec::new();
        (0..STREAM).for_each(|_| case.theirs.encode(&mut their_wire).unwrap());
        let mut input = shared(&their_wire);
        let theirs = per_message(STREAM, || {
            while input.has_remaining() {
                let message = moqtap_codec::draft18::message::ControlMessage::decode(&mut input);
                assert!(black_box(&message).is_ok());
            }
        });
        println!("figure codec_decode_{}_moqtap_allocs {theirs} per_message", case.name);
        most = most.max(ours);
        mixed.extend(wire);
    }
    println!("figure codec_decode_allocs {most} per_message");
    let mut decoder = ControlDecoder::new();
    let in_packets = per_message(4 * STREAM, || {
        for packet in mixed.chunks(1200) {
            decoder.push(packet);
            while let Some(message) = decoder.next_message().unwrap() {
                black_box(&message);
            }
        }
    });
    println!("figure codec_stream_decode_allocs {in_packets:.3} per_message");
}

fn main() {
    codec();
    for members in [10, 100, 1000] {
        bench(members);
    }
}
