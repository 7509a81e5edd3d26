//! Very many epochs in one call: they take time and memory, but no stack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::support::pin_of;
use bytes::Bytes;
use moq_mls::action::Action;
use moq_mls::codec::pinned::{ReceiptObject, WelcomeObject};
use moq_mls::counter::service::ServiceCrypto;
use moq_mls::counter::{CounterState, LockReply, receipt_message};
use moq_mls::engine::{ContextParams, Engine, Next};
use moq_mls::notice::Notice;
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicGroup, SymbolicReceipts};
use moq_mls::tracks::{CommitTrackPolicy, Location};
use moq_mls::{Command, Config, Event, Object, Participant, SafetyMode, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const EPOCHS: u64 = 10_000;
const KEY: &[u8] = b"service key";

type Machine = Participant<SymbolicEngine>;

/// Joining the founder's group, its Welcome to epoch 1, and commits from there on, all with their receipts.
fn joining() -> (Machine, Object, Vec<Object>) {
    let mut config = Config::new("g".try_into().unwrap());
    config.params.service_key = Some(Bytes::from_static(KEY));
    config.limits.future_epochs = EPOCHS;
    config.limits.future_bytes = 1 << 30;
    let group_name = config.group.clone();
    let mut machine = Participant::new(SymbolicEngine::new("a").unwrap(), config, NOW).unwrap();
    machine.handle(NOW, Command::Join).unwrap();
    let (mut key_package, mut id) = (None, None);
    for action in machine.actions() {
        match action {
            Action::Publish { object, .. } => key_package = Some(object.payload),
            Action::Lock { id: asked, .. } => id = Some(asked),
            _ => {}
        }
    }
    let there = CounterState { current: EPOCHS, pin: None, receipt: None, pin_forgotten: false };
    let reply = Ok(LockReply::CounterError(there));
    machine.handle(NOW, Event::LockReply { id: id.unwrap(), reply }).unwrap();

    let mut founder = SymbolicEngine::new("founder").unwrap();
    let params = ContextParams {
        mode: SafetyMode::Pinned,
        commit_tracks: CommitTrackPolicy::Shared,
        tree_objects: true,
        service_key_hash: Some(founder.sha256(KEY).unwrap()),
        epoch_base: 0,
    };
    let alone = founder.create(NOW, &group_name, &params, 0).unwrap();
    let built = founder.create_commit(&alone, NOW, &[key_package.unwrap()], &[]).unwrap().unwrap();
    let signer = SymbolicReceipts(Bytes::from_static(KEY));
    let won = |commit: &Bytes, next: &Next<SymbolicGroup>, epoch| {
        let pin = pin_of(&founder, &group_name, commit, next, epoch);
        (pin, signer.sign(&receipt_message(&group_name, epoch, &pin)).unwrap())
    };
    let (pin, receipt) = won(&built.commit, &built.next, 1);
    let welcome = Object {
        track: machine.tracks().welcome(machine.sender_id()),
        location: Location { group_id: 1, object_id: 0 },
        payload: WelcomeObject::confirmed(pin, Some(receipt), built.welcomes[0].1.clone()).encode(),
    };
    let track = machine.tracks().commit(founder.sender_id());
    let mut objects = Vec::new();
    let mut group: SymbolicGroup = built.next.group;
    for at in 1..=EPOCHS {
        let built = founder.create_commit(&group, NOW, &[], &[]).unwrap().unwrap();
        let (pin, receipt) = won(&built.commit, &built.next, at + 1);
        for (object, payload) in [(0, built.commit), (1, ReceiptObject { pin, receipt }.encode())] {
            objects.push(Object {
                track: track.clone(),
                location: Location { group_id: at, object_id: object },
                payload,
            });
        }
        group = built.next.group;
    }
    (machine, welcome, objects)
}

/// What calls itself from epoch to epoch does not fit on this stack a thousand times.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

fn epochs_told(machine: &mut Machine) -> u64 {
    let told = machine.actions().filter(|a| matches!(a, Action::Notify(Notice::Epoch { .. })));
    told.count() as u64
}

#[test]
fn a_member_that_was_away_for_ten_thousand_epochs_needs_no_stack() {
    let (mut machine, welcome, mut objects) = joining();
    let first = objects.remove(0);
    on_a_small_stack(move || {
        machine.handle(NOW, Event::Object(welcome)).unwrap();
        assert_eq!((machine.epoch(), epochs_told(&mut machine)), (Some(1), 1));
        for object in objects {
            machine.handle(NOW, Event::Object(object)).unwrap();
        }
        assert_eq!((machine.epoch(), epochs_told(&mut machine)), (Some(1), 0), "the first commit is missing");
        machine.handle(NOW, Event::Object(first)).unwrap();
        assert_eq!((machine.epoch(), epochs_told(&mut machine)), (Some(1 + EPOCHS), EPOCHS));
    });
}

#[test]
fn a_joiner_that_was_welcomed_ten_thousand_epochs_ago_needs_no_stack() {
    let (mut machine, welcome, objects) = joining();
    on_a_small_stack(move || {
        for object in objects.into_iter().chain([welcome]) {
            machine.handle(NOW, Event::Object(object)).unwrap();
        }
        assert_eq!((machine.epoch(), epochs_told(&mut machine)), (Some(1 + EPOCHS), EPOCHS + 1));
    });
}
