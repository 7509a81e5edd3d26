//! Very many epochs in one call: they take time and memory, but no stack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use bytes::Bytes;
use moq_mls::action::{Action, LockRequestId, Notice};
use moq_mls::counter::service::ReceiptSigner;
use moq_mls::counter::{CounterState, LockReply, Pin, receipt_message};
use moq_mls::engine::{Engine, GroupParams};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicGroup, SymbolicReceipts};
use moq_mls::tracks::{CommitTrackPolicy, Location};
use moq_mls::{Command, Config, Event, Object, Participant, SafetyMode, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const EPOCHS: u64 = 10_000;
const KEY: &[u8] = b"service key";

type Machine = Participant<SymbolicEngine>;

fn lock(machine: &mut Machine) -> LockRequestId {
    let asked = machine.actions().filter_map(|action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    });
    asked.last().unwrap()
}

fn used(id: LockRequestId, current: u64, pin: Option<Pin>) -> Event {
    let state = CounterState { current, pin, receipt: None, pin_forgotten: false };
    Event::LockReply { id, reply: Ok(LockReply::CounterError(state)) }
}

/// Joining the founder's group, its Welcome to epoch 1, the pin of that, and commits from there on, each
/// with its receipt behind it.
fn joining() -> (Machine, Object, Pin, Vec<Object>) {
    let mut config = Config::new("g".try_into().unwrap());
    config.service_key = Some(Bytes::from_static(KEY));
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
    machine.handle(NOW, used(id.unwrap(), EPOCHS, None)).unwrap();

    let mut founder = SymbolicEngine::new("founder").unwrap();
    let params = GroupParams {
        mode: SafetyMode::Pinned,
        commit_tracks: CommitTrackPolicy::Shared,
        tree_objects: true,
        service_key_hash: Some(founder.sha256(KEY).unwrap()),
    };
    let alone = founder.create(NOW, &group_name, &params, 0).unwrap();
    let built = founder.build(&alone, NOW, &[key_package.unwrap()], &[]).unwrap().unwrap();
    let pin_of = |commit: &Bytes, context| Pin::new(founder.sha256(commit).unwrap(), context);
    let pin = pin_of(&built.commit, built.next.context_hash);
    let welcome = Object {
        track: machine.tracks().welcome(machine.sender_id()),
        location: Location { group: 1, object: 0 },
        payload: built.welcomes[0].1.clone(),
    };
    let signer = SymbolicReceipts(Bytes::from_static(KEY));
    let track = machine.tracks().commit(founder.sender_id());
    let mut objects = Vec::new();
    let mut group: SymbolicGroup = built.next.group;
    for at in 1..=EPOCHS {
        let built = founder.build(&group, NOW, &[], &[]).unwrap().unwrap();
        let message = receipt_message(&group_name, at + 1, &pin_of(&built.commit, built.next.context_hash));
        for (object, payload) in [(0, built.commit), (1, signer.sign(&message).unwrap())] {
            objects.push(Object { track: track.clone(), location: Location { group: at, object }, payload });
        }
        group = built.next.group;
    }
    (machine, welcome, pin, objects)
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
    let (mut machine, welcome, pin, mut objects) = joining();
    let first = objects.remove(0);
    on_a_small_stack(move || {
        machine.handle(NOW, Event::Object(welcome)).unwrap();
        let id = lock(&mut machine);
        machine.handle(NOW, used(id, 2, Some(pin))).unwrap();
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
    let (mut machine, welcome, pin, objects) = joining();
    on_a_small_stack(move || {
        for object in objects.into_iter().chain([welcome]) {
            machine.handle(NOW, Event::Object(object)).unwrap();
        }
        let id = lock(&mut machine);
        machine.handle(NOW, used(id, EPOCHS + 2, Some(pin))).unwrap();
        assert_eq!((machine.epoch(), epochs_told(&mut machine)), (Some(1 + EPOCHS), EPOCHS + 1));
    });
}
