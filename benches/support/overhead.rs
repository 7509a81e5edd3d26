//! The rounds and figures of `benches/overhead.rs` and `benches/overhead_system.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

use std::hint::black_box;

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::storage_provider::in_memory::InMemoryGroupStateStorage;
use mls_rs::{Client, Group, MlsMessage};
use moq_mls::counter::Pin;
use moq_mls::tracks::TrackKind;
use moq_mls::{Command, Config, Event, Object};

use crate::bare::{Seat, state};
use crate::hand::{NOW, client, create, key_package, time};
use crate::support::{BenchEngine, Provider, engine, group, median, timed};

/// Groups created in each round: it takes so little that once is noise.
const CREATES: usize = 20;
/// Groups begun one after the other: which place in the heap a group gets is luck.
const GROUPS: usize = 4;
/// Rounds whose commits are processed in a row: each adds one and removes one.
const IN_A_ROW: usize = 4;
const OPS: [&str; 5] = ["create", "join", "add", "remove", "process"];

/// One member made by hand.
struct Hand<C: MlsConfig> {
    group: Group<C>,
    storage: InMemoryGroupStateStorage,
}

impl<C: MlsConfig> Hand<C> {
    fn create(client: &Client<C>, storage: InMemoryGroupStateStorage) -> Self {
        let mut this = Self { group: create(client), storage };
        this.store();
        this
    }

    fn store(&mut self) {
        self.group.write_to_storage().unwrap();
        black_box(&self.storage);
    }

    /// The commit and the Welcomes.
    fn commit(&mut self, adds: &[Vec<u8>], removes: &[u32]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let messages: Vec<MlsMessage> = adds.iter().map(|m| MlsMessage::from_bytes(m).unwrap()).collect();
        let mut builder = self.group.commit_builder().commit_time(time());
        for leaf in removes {
            builder = builder.remove_member(*leaf).unwrap();
        }
        for message in messages {
            builder = builder.add_member(message).unwrap();
        }
        let (output, secrets) = builder.build_detached().unwrap();
        let commit = output.commit_message.to_bytes().unwrap();
        let welcomes: Vec<Vec<u8>> = output.welcome_messages.iter().map(|w| w.to_bytes().unwrap()).collect();
        // Durable before anything is published: the group as it is, and all that the commit needs.
        self.store();
        black_box([&commit[..], &secrets.to_bytes().unwrap(), &welcomes.concat()].concat());
        self.group.apply_detached_commit(secrets).unwrap();
        self.store();
        black_box(welcomes.concat());
        (commit, welcomes)
    }

    fn process(&mut self, commit: &[u8]) {
        let message = MlsMessage::from_bytes(commit).unwrap();
        let received = self.group.process_incoming_message_with_time(message, time()).unwrap();
        assert!(matches!(received, ReceivedMessage::Commit(_)));
        self.store();
    }
}

fn config() -> Config {
    let mut config = Config::new(group());
    config.limits.adds_per_commit = 2000;
    config.limits.pending_joiners = 4096;
    config.limits.roster = 8192;
    config
}

fn seat<P: Provider>(name: &str) -> Seat<BenchEngine<P>> {
    Seat::new(engine::<P>(name), config(), NOW)
}

/// A participant whose join was answered "the group exists".
fn joiner<P: Provider>(name: &str, epoch: u64) -> (Seat<BenchEngine<P>>, Object) {
    let mut seat = seat::<P>(name);
    seat.used = Some(state(epoch + 1, None));
    seat.handle(Command::Join);
    let key_package = seat.take(|k| matches!(k, TrackKind::KeyPackage(_)));
    (seat, key_package)
}

fn decided<P: Provider>(seat: &mut Seat<BenchEngine<P>>, pin: Pin, epoch: u64) {
    seat.used = Some(state(epoch + 1, Some(pin)));
}

/// Returns the joiner's Welcome, and puts a tree that goes apart on the joiner's relay.
fn welcome_of<P: Provider>(
    committer: &mut Seat<BenchEngine<P>>,
    joiner: &mut Seat<BenchEngine<P>>,
) -> Object {
    let me = joiner.machine.sender_id().clone();
    let tracks = committer.machine.tracks();
    let is_tree = |o: &&Object| matches!(tracks.classify(&o.track), Some(TrackKind::Tree(_)));
    joiner.relay = committer.published.iter().filter(is_tree).cloned().collect();
    committer.take(|kind| *kind == TrackKind::Welcome(me.clone()))
}

#[derive(Default)]
struct Samples {
    ours: Vec<f64>,
    hand: Vec<f64>,
}

/// Both ways of one group: a committer, a follower, and the rest, who only stand in the tree.
struct Pair<P: Provider, C: MlsConfig> {
    committer: Seat<BenchEngine<P>>,
    follower: Seat<BenchEngine<P>>,
    hand: Hand<C>,
    hand_follower: Hand<C>,
    epoch: u64,
}

/// Both ways; which goes first changes from turn to turn.
fn in_turn(turn: usize, ours: impl FnOnce(), hand: impl FnOnce()) {
    if turn.is_multiple_of(2) {
        ours();
        hand();
    } else {
        hand();
        ours();
    }
}

/// Times one thing both ways.
fn both(turn: usize, samples: &mut Samples, ours: impl FnOnce() -> f64, hand: impl FnOnce() -> f64) {
    in_turn(turn, || samples.ours.push(ours()), || samples.hand.push(hand()));
}

fn pair<P: Provider>(members: usize) -> Pair<P, impl MlsConfig + use<P>> {
    let mut committer = seat::<P>("committer");
    committer.handle(Command::Join);
    let (mut follower, first) = joiner::<P>("follower", 1);
    let mut objects = vec![first];
    objects.extend((2..members).map(|i| joiner::<P>(&format!("m{i}"), 1).1));
    for object in objects {
        committer.handle(Event::Object(object));
    }
    committer.run_to(1);
    let first = *committer.machine.pin().unwrap();
    decided::<P>(&mut follower, first, 1);
    let welcome = welcome_of::<P>(&mut committer, &mut follower);
    follower.handle(Event::Object(welcome));
    assert_eq!(follower.machine.epoch(), Some(1));

    let (hand_client, hand_storage) = client::<P>("committer");
    let mut hand = Hand::create(&hand_client, hand_storage);
    let (follower_client, follower_storage) = client::<P>("follower");
    let mut adds = vec![key_package(&follower_client)];
    adds.extend((2..members).map(|i| key_package(&client::<P>(&format!("m{i}")).0)));
    let (_, welcomes) = hand.commit(&adds, &[]);
    let message = MlsMessage::from_bytes(&welcomes[0]).unwrap();
    let (follower_group, _) = follower_client.join_group(None, &message, Some(time())).unwrap();
    let hand_follower = Hand { group: follower_group, storage: follower_storage };
    Pair { committer, follower, hand, hand_follower, epoch: 1 }
}

/// One commit made both ways, which nobody has followed yet.
struct Commit {
    epoch: u64,
    ours: Object,
    winner: Pin,
    hand: Vec<u8>,
}

/// The commit that the committer has just published, which makes `epoch`.
fn published<P: Provider>(committer: &mut Seat<BenchEngine<P>>, epoch: u64, hand: Vec<u8>) -> Commit {
    let ours = committer.take(|k| matches!(k, TrackKind::Commit(_)));
    let winner = *committer.machine.pin().unwrap();
    Commit { epoch, ours, winner, hand }
}

fn follow<P: Provider>(follower: &mut Seat<BenchEngine<P>>, commit: &Commit) -> f64 {
    decided::<P>(follower, commit.winner, commit.epoch);
    let object = commit.ours.clone();
    let (time, ()) = timed(|| {
        follower.handle(Event::Object(object));
        follower.run_to(commit.epoch);
    });
    time
}

/// One group's rounds.
fn run<P: Provider>(members: usize, rounds: usize, samples: &mut [Samples; 5]) {
    let [create, join, add, remove, process] = samples;
    let Pair { mut committer, mut follower, mut hand, mut hand_follower, mut epoch } = pair::<P>(members);

    let mut waiting = Vec::new();
    for round in 0..rounds {
        for again in 0..CREATES {
            let newcomer = engine::<P>("creator");
            let (creator, storage) = client::<P>("creator");
            both(
                round + again,
                create,
                || {
                    timed(|| {
                        let mut seat = Seat::new(newcomer, config(), NOW);
                        seat.handle(Command::Join);
                        assert_eq!(seat.machine.epoch(), Some(0));
                        seat
                    })
                    .0
                },
                || {
                    timed(|| {
                        black_box(key_package(&creator));
                        let mut hand = Hand::create(&creator, storage);
                        hand.store();
                        hand
                    })
                    .0
                },
            );
        }

        let name = format!("joiner {round}");
        let (mut newcomer, key) = joiner::<P>(&name, epoch + 1);
        let (hand_newcomer, storage) = client::<P>(&name);
        let hand_key = key_package(&hand_newcomer);
        epoch += 1;
        let mut by_hand = (Vec::new(), Vec::new());
        both(
            round,
            add,
            || {
                timed(|| {
                    committer.handle(Event::Object(key));
                    committer.run_to(epoch);
                })
                .0
            },
            || {
                let (time, made) = timed(|| {
                    let message = MlsMessage::from_bytes(&hand_key).unwrap();
                    let received = hand.group.process_incoming_message_with_time(message, time()).unwrap();
                    assert!(matches!(received, ReceivedMessage::KeyPackage(_)));
                    hand.commit(std::slice::from_ref(&hand_key), &[])
                });
                by_hand = made;
                time
            },
        );
        let (commit, welcomes) = by_hand;
        let commit = published::<P>(&mut committer, epoch, commit);
        let welcome = welcome_of::<P>(&mut committer, &mut newcomer);
        decided::<P>(&mut newcomer, commit.winner, epoch);
        waiting.push(commit);
        let mut leaf = None;
        both(
            round,
            join,
            || timed(|| newcomer.handle(Event::Object(welcome))).0,
            || {
                let (time, joined) = timed(|| {
                    let message = MlsMessage::from_bytes(&welcomes[0]).unwrap();
                    let (group, _) = hand_newcomer.join_group(None, &message, Some(time())).unwrap();
                    let mut hand = Hand { group, storage };
                    hand.store();
                    hand
                });
                leaf = Some(joined.group.current_member_index());
                time
            },
        );
        assert_eq!(newcomer.machine.epoch(), Some(epoch));
        epoch += 1;
        let gone = newcomer.machine.sender_id().clone();
        let mut commit = Vec::new();
        both(
            round,
            remove,
            || {
                timed(|| {
                    committer.handle(Command::Remove(gone));
                    committer.run_to(epoch);
                })
                .0
            },
            || {
                let (time, made) = timed(|| hand.commit(&[], &[leaf.unwrap()]));
                commit = made.0;
                time
            },
        );
        waiting.push(published::<P>(&mut committer, epoch, commit));
        if (round + 1).is_multiple_of(IN_A_ROW) {
            in_turn(
                round / IN_A_ROW,
                || process.ours.extend(waiting.iter().map(|c| follow::<P>(&mut follower, c))),
                || process.hand.extend(waiting.iter().map(|c| timed(|| hand_follower.process(&c.hand)).0)),
            );
            waiting.clear();
        }
    }
}

fn bench<P: Provider>(members: usize, rounds: usize, suffix: &str) {
    let mut samples: [Samples; 5] = Default::default();
    // Each way goes first as often, and no commit is left waiting.
    assert!(rounds.is_multiple_of(2 * IN_A_ROW));
    for _ in 0..GROUPS {
        run::<P>(members, rounds, &mut samples);
    }
    for (op, Samples { ours, hand }) in OPS.iter().zip(&mut samples) {
        let (ours, hand) = (median(ours), median(hand));
        println!("# {op} {members}{suffix}: {:.3} ms, by hand {:.3} ms", ours * 1e3, hand * 1e3);
        println!("figure overhead_{op}_{members}{suffix} {:.3} x", ours / hand);
    }
}

pub fn main() {
    let only = std::env::var("SIZES").ok();
    for (members, rounds) in [(2, 80), (10, 80), (100, 40), (1000, 8)] {
        if only.as_ref().is_some_and(|o| !o.split(',').any(|s| s == members.to_string())) {
            continue;
        }
        bench::<mls_rs_crypto_awslc::AwsLcCryptoProvider>(members, rounds, "");
        bench::<mls_rs_crypto_rustcrypto::RustCryptoProvider>(members, rounds, "_rustcrypto");
    }
}
