//! What the participant costs on top of MLS: each operation through [`moq_mls::Participant`] and through
//! the same mls-rs calls made by hand, with the same durable writes, in alternating rounds of one run.
//!
//! `cargo bench --bench overhead` prints `figure overhead_<op>_<members> R x` (AWS-LC) and
//! `figure overhead_<op>_<members>_rustcrypto R x`: the ratio of the medians. By hand means: parse,
//! validate and add; build detached; store group, commit, Welcome and secrets; apply; store the group.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::hint::black_box;

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::basic::BasicIdentityProvider;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::storage_provider::in_memory::InMemoryGroupStateStorage;
use mls_rs::{Client, ExtensionList, Group, MlsMessage};
use moq_mls::counter::Pin;
use moq_mls::tracks::TrackKind;
use moq_mls::{Command, Config, Event, Object, Timestamp};

use crate::support::{
    BenchEngine, Provider, SUITE, Seat, engine, group, identity, median, pin, state, timed,
};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const OPS: [&str; 5] = ["create", "join", "add", "remove", "process"];

/// One member made by hand.
struct Hand<C: MlsConfig> {
    group: Group<C>,
    storage: InMemoryGroupStateStorage,
}

fn time() -> mls_rs::time::MlsTime {
    mls_rs::time::MlsTime::from(NOW.as_secs())
}

fn client<P: Provider>(name: &str) -> (Client<impl MlsConfig + use<P>>, InMemoryGroupStateStorage) {
    let (identity, secret) = identity::<P>(name);
    let storage = InMemoryGroupStateStorage::new();
    let rules = DefaultMlsRules::new()
        .with_commit_options(
            CommitOptions::new()
                .with_path_required(true)
                .with_ratchet_tree_extension(true)
                .with_single_welcome_message(false)
                .with_allow_external_commit(false),
        )
        .with_encryption_options(EncryptionOptions::new(
            true,
            mls_rs::client_builder::PaddingMode::StepFunction,
        ));
    let client = Client::builder()
        .crypto_provider(P::default())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, SUITE)
        .group_state_storage(storage.clone())
        .mls_rules(rules)
        .build();
    (client, storage)
}

fn key_package<C: MlsConfig>(client: &Client<C>) -> Vec<u8> {
    let none = ExtensionList::new();
    client.generate_key_package_message(none.clone(), none, Some(time())).unwrap().to_bytes().unwrap()
}

impl<C: MlsConfig> Hand<C> {
    fn create(client: &Client<C>, storage: InMemoryGroupStateStorage) -> Self {
        let none = ExtensionList::new();
        let id = group().as_bytes().to_vec();
        let group = client.create_group_with_id(id, none.clone(), none, Some(time())).unwrap();
        let mut this = Self { group, storage };
        this.store();
        this
    }

    fn store(&mut self) -> Vec<u8> {
        self.group.write_to_storage().unwrap();
        black_box(&self.storage);
        Vec::new()
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

fn welcome_of<P: Provider>(committer: &mut Seat<BenchEngine<P>>, joiner: &Seat<BenchEngine<P>>) -> Object {
    let me = joiner.machine.sender_id().clone();
    committer.take(|kind| *kind == TrackKind::Welcome(me.clone()))
}

#[derive(Default)]
struct Samples {
    ours: Vec<f64>,
    hand: Vec<f64>,
}

fn bench<P: Provider>(members: usize, rounds: usize, suffix: &str) {
    let mut samples: [Samples; 5] = Default::default();
    let [create, join, add, remove, process] = &mut samples;

    // A group of `members`: a committer, a follower, and the rest, who only stand in the tree.
    let mut committer = seat::<P>("committer");
    committer.handle(Command::Join);
    let (mut follower, first) = joiner::<P>("follower", 1);
    let mut objects = vec![first];
    objects.extend((2..members).map(|i| joiner::<P>(&format!("m{i}"), 1).1));
    for object in objects {
        committer.handle(Event::Object(object));
    }
    committer.run_to(1);
    let commit = committer.take(|k| matches!(k, TrackKind::Commit(_))).payload;
    let first = pin(&committer.machine, &commit);
    decided::<P>(&mut follower, first, 1);
    let welcome = welcome_of::<P>(&mut committer, &follower);
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
    let mut hand_follower = Hand { group: follower_group, storage: follower_storage };

    let mut epoch = 1;
    for round in 0..rounds {
        let name = format!("joiner {round}");
        // By the participant.
        let newcomer = engine::<P>("creator");
        let (t, _) = timed(|| {
            let mut seat = Seat::new(newcomer, config(), NOW);
            seat.handle(Command::Join);
            assert_eq!(seat.machine.epoch(), Some(0));
        });
        create.ours.push(t);
        let (mut newcomer, key) = joiner::<P>(&name, epoch + 1);
        epoch += 1;
        let (t, _) = timed(|| {
            committer.handle(Event::Object(key));
            committer.run_to(epoch);
        });
        add.ours.push(t);
        let commit = committer.take(|k| matches!(k, TrackKind::Commit(_)));
        let winner = pin(&committer.machine, &commit.payload);
        decided::<P>(&mut follower, winner, epoch);
        let (t, _) = timed(|| {
            follower.handle(Event::Object(commit));
            follower.run_to(epoch);
        });
        process.ours.push(t);
        let welcome = welcome_of::<P>(&mut committer, &newcomer);
        decided::<P>(&mut newcomer, winner, epoch);
        let (t, _) = timed(|| newcomer.handle(Event::Object(welcome)));
        assert_eq!(newcomer.machine.epoch(), Some(epoch));
        join.ours.push(t);
        epoch += 1;
        let gone = newcomer.machine.sender_id().clone();
        let (t, _) = timed(|| {
            committer.handle(Command::Remove(gone));
            committer.run_to(epoch);
        });
        remove.ours.push(t);
        let commit = committer.take(|k| matches!(k, TrackKind::Commit(_)));
        let winner = pin(&committer.machine, &commit.payload);
        decided::<P>(&mut follower, winner, epoch);
        follower.handle(Event::Object(commit));
        follower.run_to(epoch);

        // By hand.
        let (creator, storage) = client::<P>("creator");
        let (t, _) = timed(|| {
            black_box(key_package(&creator));
            let mut hand = Hand::create(&creator, storage);
            hand.store();
        });
        create.hand.push(t);
        let (newcomer, storage) = client::<P>(&name);
        let key = key_package(&newcomer);
        let (t, (commit, welcomes)) = timed(|| {
            let message = MlsMessage::from_bytes(&key).unwrap();
            let received = hand.group.process_incoming_message_with_time(message, time()).unwrap();
            assert!(matches!(received, ReceivedMessage::KeyPackage(_)));
            hand.commit(std::slice::from_ref(&key), &[])
        });
        add.hand.push(t);
        let (t, _) = timed(|| hand_follower.process(&commit));
        process.hand.push(t);
        let (t, leaf) = timed(|| {
            let message = MlsMessage::from_bytes(&welcomes[0]).unwrap();
            let (group, _) = newcomer.join_group(None, &message, Some(time())).unwrap();
            let mut hand = Hand { group, storage };
            hand.store();
            hand.group.current_member_index()
        });
        join.hand.push(t);
        let (t, (commit, _)) = timed(|| hand.commit(&[], &[leaf]));
        remove.hand.push(t);
        hand_follower.process(&commit);
    }
    for (op, Samples { ours, hand }) in OPS.iter().zip(&mut samples) {
        let (ours, hand) = (median(ours), median(hand));
        println!("# {op} {members}{suffix}: {:.3} ms, by hand {:.3} ms", ours * 1e3, hand * 1e3);
        println!("figure overhead_{op}_{members}{suffix} {:.3} x", ours / hand);
    }
}

fn main() {
    let only = std::env::var("SIZES").ok();
    for (members, rounds) in [(2, 151), (10, 101), (100, 51), (1000, 11)] {
        if only.as_ref().is_some_and(|o| !o.split(',').any(|s| s == members.to_string())) {
            continue;
        }
        bench::<mls_rs_crypto_awslc::AwsLcCryptoProvider>(members, rounds, "");
        bench::<mls_rs_crypto_rustcrypto::RustCryptoProvider>(members, rounds, "_rustcrypto");
    }
}
