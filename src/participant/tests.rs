//! What needs a look inside the machine, or what no event can bring about and must not do harm all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod auditing;
mod changing;
mod deciding;
mod entry;
mod faults;
mod helping;
mod keeping;
mod status;
mod turns;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::codec::pinned::{ReceiptObject, WelcomeObject};
use crate::counter::Pin;
use crate::counter::{
    CounterState, FIRST_DATED, FIRST_NONCE, IncrementReply, LockReply, MAX_RECEIPT, Reason,
};
use crate::engine::OwnKeyPackage;
use crate::limits::Timers;
use crate::notice::{Fault, Notice, RejoinReason, ServiceFault};
use crate::participant::carried::{Carried, LeaveRequest};
use crate::participant::flow::Entry;
use crate::participant::input::Arrival;
use crate::participant::joiners::Permit;
use crate::participant::member::Member;
use crate::participant::member::arrival;
use crate::participant::member::epoch::{Epoch, Unheard};
use crate::participant::member::leave;
use crate::participant::member::slot::{Slot, Step};
use crate::participant::requests::{IncrementPurpose, LockPurpose};
use crate::request::{Failure, IncrementRequestId, LockRequestId};
use crate::testing::symbolic::{SymbolicEngine, SymbolicGroup};
use crate::tracks::{GroupName, KEY_PACKAGE_GROUP, Location, Object, SenderId};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

type Machine = Participant<SymbolicEngine>;

fn id(name: &str) -> SenderId {
    SenderId::new(name.as_bytes().to_vec()).unwrap()
}

fn config() -> Config {
    Config::new(GroupName::try_from("g").unwrap())
}

/// A pin of no commit that anybody has.
fn unknown() -> Pin {
    Pin::new([7; 32], [8; 32], [9; 32])
}

/// A Welcome as it is on a track of a pinned group.
fn with_pin(welcome: &Bytes, pin: Pin) -> Bytes {
    WelcomeObject::confirmed(pin, None, welcome.clone()).encode()
}

fn state(current: u64, pin: Option<Pin>) -> CounterState {
    CounterState { current, pin, receipt: None, pin_forgotten: false }
}

fn engine(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

fn put(a: &mut Machine, group: SymbolicGroup) {
    let view = a.cx.engine.view(&group).unwrap();
    let saved = a.cx.engine.save(&group).unwrap();
    let pin = Some(Pin::new([1; 32], [2; 32], [3; 32]));
    let entry = Entry { group, view, saved, pin };
    let member = arrival::place(&mut a.cx, Carried::default(), entry).unwrap();
    a.state = State::Member(Box::new(member));
}

fn member(a: &mut Machine) -> &mut Member<SymbolicGroup> {
    match &mut a.state {
        State::Member(member) => member,
        _ => panic!("no member"),
    }
}

fn epoch(a: &mut Machine) -> &mut Epoch<SymbolicGroup> {
    &mut member(a).epoch
}

fn slot(a: &mut Machine) -> &mut Slot<SymbolicGroup> {
    &mut member(a).slot
}

fn want_update(a: &mut Machine) {
    member(a).carried.intents.update = true;
}

/// Its turn has come, and the lock, where one is asked for, is to be had.
fn take_turn(a: &mut Machine) {
    a.run(Input::Timer(Timer::Turn)).unwrap();
    if let Some(id) = lock(a) {
        a.handle(a.cx.now, Event::LockReply { id, reply: Ok(token()) }).unwrap();
    }
}

/// The counter says which commit won the slot.
fn decide(a: &mut Machine, pin: Pin) {
    let at = epoch(a).slot();
    slot(a).step = Step::Locking;
    let used = LockReply::CounterError(state(at + 1, Some(pin)));
    a.run(Input::Locked(LockPurpose::Slot(at), Ok(used))).unwrap();
}

fn ask_to_leave(a: &mut Machine, sender: SenderId, object_id: u64, message: Bytes, epoch: u64) {
    let Machine { cx, state: State::Member(member), .. } = a else { panic!("no member") };
    let request = LeaveRequest { epoch, object_id, message };
    leave::on_request(cx, &member.epoch, &mut member.carried, sender, request).unwrap();
}

fn arrive(a: &mut Machine, from: Option<SenderId>, object: Object) {
    a.run(Input::Arrival(Arrival::Commit { from, object })).unwrap();
}

/// The only member, at epoch 0.
fn alone(config: Config) -> Machine {
    let name = config.group.clone();
    let mut a = Participant::new(engine("a"), config, NOW).unwrap();
    let group = a.cx.engine.create(NOW, &name, &a.cx.params, 0).unwrap();
    put(&mut a, group);
    a
}

/// `a` among `others`, at epoch 1, with the others' engines and groups.
fn among(config: Config, others: &[&str]) -> (Machine, Vec<(SymbolicEngine, SymbolicGroup)>) {
    let name = config.group.clone();
    let mut a = alone(config);
    let mut others: Vec<_> = others.iter().map(|name| engine(name)).collect();
    let keys: Vec<_> = others.iter_mut().map(|e| e.generate_key_package(NOW, &name, 0).unwrap()).collect();
    let adds: Vec<Bytes> = keys.iter().map(|key| key.message.clone()).collect();
    let built =
        a.cx.engine.create_commit(&a.member().unwrap().epoch.group, NOW, &adds, &[]).unwrap().unwrap();
    put(&mut a, built.next.group);
    let join = |(mut e, key): (SymbolicEngine, OwnKeyPackage)| {
        let (_, welcome) = built.welcomes.iter().find(|(to, _)| to == e.sender_id()).unwrap();
        let group = e.join(NOW, welcome, &key, None).unwrap().unwrap();
        (e, group)
    };
    let others = others.into_iter().zip(keys).map(join).collect();
    (a, others)
}

fn faults(a: &Machine, fault: Fault) -> u64 {
    a.cx.stats.faults.get(&fault).copied().unwrap_or(0)
}

fn commit_at(a: &Machine, group: u64, object: u64, payload: impl Into<Bytes>) -> Object {
    Object {
        track: a.cx.tracks.commit(&a.cx.me),
        location: Location { group_id: group, object_id: object },
        payload: payload.into(),
    }
}

fn notices(a: &mut Machine) -> Vec<Notice> {
    let told = |action| match action {
        Action::Notify(notice) => Some(notice),
        _ => None,
    };
    a.actions().filter_map(told).collect()
}

fn lock(a: &mut Machine) -> Option<LockRequestId> {
    let asked = |action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    };
    a.actions().filter_map(asked).last()
}

fn increment(a: &mut Machine) -> Option<(IncrementRequestId, Pin)> {
    let asked = |action| match action {
        Action::Increment { id, request } => request.pin.map(|pin| (id, pin)),
        _ => None,
    };
    a.actions().find_map(asked)
}

fn token() -> LockReply {
    LockReply::Ok { lock_id: Some(Bytes::from_static(b"t")), expires_in: Duration::from_secs(1) }
}
