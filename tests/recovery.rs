//! Members that could not go on: what they keep, and how they meet again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support;
use crate::support::attackers::{Rogue, commits, fill, increment, newest, put};
use crate::support::engines::{BasicConfig, TestEngine, basic_client, engine, engine_of};
use crate::support::{Steps, World, config, group};
use bytes::Bytes;
use mls_rs::Client;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::codec::pinned::WelcomeObject;
use moq_mls::counter::service::{Counter, Slot};
use moq_mls::counter::{IncrementReply, IncrementRequest, Pin, Reason, slot_lock_message};
use moq_mls::engine::{ContextParams, Engine};
use moq_mls::notice::{Notice, Recovery, RejoinReason, ServiceFault};
use moq_mls::testing::sha256;
use moq_mls::tracks::GroupName;
use moq_mls::{Action, Admission, Command, Config, Phase};

const MINUTE: u64 = 60_000;

/// Members over real MLS, and what their engines are made of: each can be restarted.
struct Room {
    world: World<TestEngine>,
    clients: Vec<Client<BasicConfig<RustCryptoProvider>>>,
    config: Config,
}

impl Room {
    fn new(members: usize) -> Self {
        Self::with(members, |_| ())
    }

    fn with(members: usize, change: impl Fn(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::over(World::new(), members, config)
    }

    /// With a service that signs.
    fn signed(members: usize) -> Self {
        let mut world = World::new();
        let mut config = config();
        config.params.service_key = Some(world.sign_receipts());
        Self::over(world, members, config)
    }

    fn over(world: World<TestEngine>, members: usize, config: Config) -> Self {
        let mut room = Self { world, clients: Vec::new(), config };
        for i in 0..members {
            room.enter(&format!("m{i}"));
        }
        room
    }

    fn enter(&mut self, name: &str) -> usize {
        self.clients.push(basic_client(name, RustCryptoProvider::default()));
        let engine = engine_of(self.clients.last().unwrap());
        let who = self.world.enter(engine, self.config.clone());
        self.world.tell(who, Command::Join);
        self.world.run(2000);
        who
    }

    fn everyone(&self) -> Vec<usize> {
        (0..self.clients.len()).collect()
    }

    fn restart(&mut self, who: usize) {
        self.world.again(who, engine_of(&self.clients[who]));
    }

    fn phases(&self) -> Vec<Phase> {
        self.everyone().into_iter().map(|who| self.world.machine(who).phase()).collect()
    }

    fn told(&self, who: usize, wanted: &Notice) -> usize {
        self.world.told(who).filter(|notice| *notice == wanted).count()
    }
}

/// An insider pins a good commit that nobody else gets to see, for the service loses it.
fn pin_what_nobody_has(room: &mut Room, insider: &Rogue) -> Bytes {
    let (built, pin) = insider.create_commit(&room.world, &[], &[]);
    let request = insider.increment(&room.world, built.commit.clone(), pin);
    fill(&mut room.world, &request);
    let mut counter: Counter = room.world.counter().get(&group()).unwrap().clone();
    while counter.drop_commit().is_some() {}
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), counter);
    built.commit
}

#[test]
fn who_could_not_find_a_commit_goes_on_when_it_appears() {
    let mut room = Room::new(3);
    let insider = Rogue::join(&mut room.world, "insider");
    let commit = pin_what_nobody_has(&mut room, &insider);
    room.world.run(2 * MINUTE);
    assert_eq!(room.phases(), [Phase::Joining; 3]);
    room.restart(1);
    room.world.run(5 * MINUTE);
    assert_eq!(room.phases(), [Phase::Joining; 3]);
    let track = commits(&room.world);
    put(&mut room.world, &track, insider.epoch, 50, commit);
    room.world.run(5 * MINUTE);
    let epoch = room.world.machine(0).epoch().unwrap();
    for who in room.everyone() {
        assert_eq!(room.world.machine(who).epoch(), Some(epoch));
        assert_eq!(room.world.machine(who).context_hash(), room.world.machine(0).context_hash());
        assert_eq!(room.told(who, &Notice::Rejoining { reason: RejoinReason::Unreachable }), 1);
        assert_eq!(room.told(who, &Notice::Resumed { epoch: insider.epoch + 1 }), 1);
    }
}

#[test]
fn a_state_that_nothing_came_for_is_erased_after_ten_minutes() {
    let mut room = Room::new(2);
    let insider = Rogue::join(&mut room.world, "insider");
    let commit = pin_what_nobody_has(&mut room, &insider);
    room.world.run(5 * MINUTE);
    room.restart(1);
    room.world.run(4 * MINUTE);
    assert!((0..2).all(|who| room.world.machine(who).inside().kept));
    room.world.run(3 * MINUTE);
    let track = commits(&room.world);
    put(&mut room.world, &track, insider.epoch, 50, commit);
    room.world.run(MINUTE);
    for who in 0..2 {
        assert!(!room.world.machine(who).inside().kept);
        assert_eq!(room.told(who, &Notice::StateErased { epoch: insider.epoch }), 1);
        assert_eq!(room.world.machine(who).phase(), Phase::Joining);
    }
}

/// An insider pins a good commit with a lock that nobody can open.
fn pin_a_wrong_lock(room: &mut Room, insider: &Rogue, removes: &[u32]) -> Bytes {
    let (built, pin) = insider.create_commit(&room.world, &[], removes);
    let wrong =
        Pin::new(pin.commit_hash().try_into().unwrap(), pin.context_hash().try_into().unwrap(), [9; 32]);
    let request = insider.increment(&room.world, built.commit.clone(), wrong);
    fill(&mut room.world, &request);
    let track = commits(&room.world);
    put(&mut room.world, &track, insider.epoch, 50, built.commit.clone());
    built.commit
}

/// An insider pins bytes that are no commit.
fn pin_garbage(room: &mut Room, insider: &Rogue) {
    let garbage = Bytes::from_static(b"no commit");
    let pin = Pin::new(sha256(&garbage), [1; 32], [2; 32]);
    let request = insider.increment(&room.world, garbage, pin);
    fill(&mut room.world, &request);
}

/// All of `who` are in one epoch of one successor, with the same keys; which.
fn met(room: &Room, who: &[usize]) -> GroupName {
    let first = room.world.machine(who[0]);
    let name = first.tracks().group().clone();
    assert!(name.founding_hash().is_some(), "{name} is no successor");
    for at in who {
        let machine = room.world.machine(*at);
        assert_eq!((machine.phase(), machine.tracks().group()), (Phase::Member, &name), "{at}");
        assert_eq!(machine.epoch(), first.epoch(), "{at}");
        assert_eq!(machine.epoch_authenticator().unwrap(), first.epoch_authenticator().unwrap(), "{at}");
        assert_eq!(machine.members().count(), who.len(), "{at}");
        assert_eq!(room.told(*at, &Notice::Succeeded { group: name.clone() }), 1, "{at}");
        let epochs = room.world.told(*at).filter_map(|n| match n {
            Notice::Epoch { epoch, .. } => Some(*epoch),
            _ => None,
        });
        assert!(epochs.is_sorted(), "key ids of both groups must not be the same");
    }
    name
}

#[test]
fn members_meet_in_a_successor_when_a_lock_is_wrong() {
    let mut room = Room::new(4);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_a_wrong_lock(&mut room, &insider, &[]);
    room.world.run(2 * MINUTE);
    met(&room, &[0, 1, 2, 3]);
}

#[test]
fn members_meet_in_a_successor_when_what_is_pinned_is_no_commit() {
    let mut room = Room::new(4);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_garbage(&mut room, &insider);
    room.world.run(MINUTE);
    assert_eq!(room.phases(), [Phase::Joining; 4], "others may have gone on: they get their time");
    room.world.run(2 * MINUTE);
    met(&room, &[0, 1, 2, 3]);
}

/// Nobody is on the way to a successor.
fn stays(room: &Room) {
    for who in room.everyone() {
        assert_eq!(room.world.machine(who).tracks().group(), &group(), "{who}");
        assert!(
            !room.world.heard(who, |n| matches!(n, Notice::Recovery(_) | Notice::Succeeded { .. })),
            "{who}"
        );
    }
}

#[test]
fn without_successors_a_member_stays_where_it_is() {
    let mut room = Room::with(3, |config| config.successor = false);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_a_wrong_lock(&mut room, &insider, &[]);
    room.world.run(20 * MINUTE);
    for who in room.everyone() {
        assert!(room.world.heard(who, |n| matches!(n, Notice::DeadSlot { .. })), "{who}");
    }
    stays(&room);
    assert!(room.phases().iter().all(|phase| *phase == Phase::Member));
}

#[test]
fn nobody_goes_over_because_a_commit_is_withheld() {
    let mut room = Room::signed(3);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_what_nobody_has(&mut room, &insider);
    room.world.run(20 * MINUTE);
    // All were stranded.
    assert_eq!(room.phases(), [Phase::Joining; 3]);
    for who in room.everyone() {
        assert_eq!(room.told(who, &Notice::Rejoining { reason: RejoinReason::Unreachable }), 1, "{who}");
    }
    stays(&room);
}

#[test]
fn the_next_in_turn_founds_when_founders_are_dead() {
    let mut room = Room::new(5);
    let insider = Rogue::join(&mut room.world, "insider");
    // In turn are the insider, at leaf 5, and then members 0, 1, ...
    assert_eq!(insider.epoch % 6, 5);
    pin_a_wrong_lock(&mut room, &insider, &[]);
    room.world.crash(0);
    room.world.crash(1);
    room.world.run(3 * MINUTE + MINUTE / 2);
    met(&room, &[2, 3, 4]);
    assert!(room.world.heard(2, |n| matches!(n, Notice::Recovery(Recovery::Founding { .. }))));
    // Who comes back late comes in late: it was a member of the last epoch.
    room.restart(1);
    room.world.run(MINUTE);
    met(&room, &[1, 2, 3, 4]);
}

#[test]
fn who_is_restarted_on_the_way_arrives() {
    for who in 0..3 {
        let mut room = Room::new(3);
        let insider = Rogue::join(&mut room.world, "insider");
        pin_garbage(&mut room, &insider);
        for _ in 0..14 {
            room.world.run(MINUTE / 6);
            room.restart(who);
        }
        room.world.run(2 * MINUTE);
        let name = room.world.machine(0).tracks().group().clone();
        for at in 0..3 {
            let machine = room.world.machine(at);
            assert_eq!((machine.phase(), machine.tracks().group()), (Phase::Member, &name), "{at} of {who}");
            assert_eq!(machine.members().count(), 3, "{at} of {who}");
        }
        assert!(name.founding_hash().is_some());
    }
}

#[test]
fn whom_the_commit_of_a_dead_slot_removes_is_not_let_in() {
    let mut room = Room::new(4);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_a_wrong_lock(&mut room, &insider, &[1]);
    room.world.run(3 * MINUTE);
    met(&room, &[0, 2, 3]);
    assert_eq!(room.world.machine(1).phase(), Phase::Ended);
}

#[test]
fn the_members_of_the_last_epoch_are_let_in_without_asking() {
    let mut room = Room::with(1, |config| config.admission = Admission::Ask);
    for name in ["m1", "m2"] {
        let who = room.enter(name);
        let sender = room.world.id(who);
        room.world.tell(0, support::admit(&sender, name));
        room.world.run(2000);
    }
    let asked = |room: &Room| {
        let all = room.everyone().into_iter().flat_map(|who| room.world.told(who));
        all.filter(|n| matches!(n, Notice::JoinRequested { .. })).count()
    };
    let before = asked(&room);
    // One of them is the insider.
    let machine = room.world.machine(2);
    let slot = machine.epoch().unwrap() + 1;
    let garbage = Bytes::from_static(b"no commit");
    let mut request = IncrementRequest::draft(group());
    (request.val, request.prev) = (Some(slot), machine.pin().copied());
    (request.key, request.pin) = (machine.slot_key(), Some(Pin::new(sha256(&garbage), [1; 32], [2; 32])));
    request.commit = Some(garbage);
    fill(&mut room.world, &request);
    room.world.run(4 * MINUTE);
    met(&room, &[0, 1, 2]);
    assert_eq!(asked(&room), before);
}

/// The service is put back to an earlier state, and signs what it says.
fn put_back(room: &mut Room, epochs: u32) -> (Counter, Option<Bytes>) {
    let old = room.world.counter().get(&group()).unwrap().clone();
    let key = room.world.machine(0).slot_key();
    for _ in 0..epochs {
        room.world.tell(0, Command::Update);
        room.world.run(5000);
    }
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), old.clone());
    (old, key)
}

#[test]
fn members_meet_in_a_successor_when_a_service_signs_that_it_went_back() {
    for epochs in [1, 2] {
        let mut room = Room::signed(3);
        put_back(&mut room, epochs);
        room.world.run(MINUTE);
        assert!(room.phases().iter().all(|phase| *phase == Phase::Member), "once proves nothing");
        room.world.run(4 * MINUTE);
        met(&room, &[0, 1, 2]);
        assert_eq!(room.told(0, &Notice::Rejoining { reason: RejoinReason::ServiceRegressed }), 1);
    }
}

#[test]
fn members_meet_in_a_successor_when_a_service_signs_another_lineage() {
    let mut room = Room::signed(3);
    let (old, key) = put_back(&mut room, 2);
    // A client that was a member then goes another way.
    let Slot::Pinned(prev) = old.slot(old.next() - 1) else { panic!("no pin") };
    for slot in [old.next(), old.next() + 1] {
        let newest = room.world.counter().get(&group()).unwrap().slot(slot - 1);
        let commit = Bytes::from(format!("commit {slot}"));
        let lock = |slot: u64| sha256(&slot_lock_message(&group(), slot, &sha256(&slot.to_be_bytes())));
        let mut request = IncrementRequest::draft(group());
        request.val = Some(slot);
        request.pin = Some(Pin::new(sha256(&commit), [1; 32], lock(slot)));
        let first = slot == old.next();
        let Slot::Pinned(newest) = newest else { panic!("no pin") };
        request.prev = Some(if first { prev } else { newest });
        let made_up = Bytes::copy_from_slice(&sha256(&(slot - 1).to_be_bytes()));
        request.key = if first { key.clone() } else { Some(made_up) };
        request.commit = Some(commit);
        fill(&mut room.world, &request);
    }
    room.world.run(5 * MINUTE);
    met(&room, &[0, 1, 2]);
    assert!(room.told(0, &Notice::ServiceFault(ServiceFault::LineageMismatch)) > 0);
}

/// Everybody was notified of this fault.
fn all_heard(room: &Room, fault: ServiceFault) {
    for who in room.everyone() {
        assert!(room.told(who, &Notice::ServiceFault(fault)) > 0, "{who}: {:?}", room.world.notices(who));
    }
}

#[test]
fn the_answer_of_a_service_that_does_not_sign_proves_nothing() {
    let mut room = Room::new(3);
    let (old, _) = put_back(&mut room, 2);
    room.world.run(20 * MINUTE);
    all_heard(&room, ServiceFault::Regressed { current: old.next() });
    stays(&room);
    assert!(room.phases().iter().all(|phase| *phase == Phase::Member));
    // An attacker between them and the service drops the signatures.
    let mut room = Room::signed(3);
    put_back(&mut room, 2);
    room.world.set_receipts(moq_mls::testing::faults::Receipts::default());
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), Counter::new());
    room.world.run(20 * MINUTE);
    all_heard(&room, ServiceFault::BadReceipt);
    stays(&room);
}

#[test]
fn a_service_that_comes_back_in_time_splits_no_meeting() {
    let mut room = Room::signed(3);
    let before = {
        room.world.tell(0, Command::Update);
        room.world.run(5000);
        room.world.counter().get(&group()).unwrap().clone()
    };
    let old = Counter::new();
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), old);
    room.world.run(MINUTE);
    all_heard(&room, ServiceFault::Regressed { current: 0 });
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), before);
    room.world.run(5 * MINUTE);
    stays(&room);
    room.world.tell(1, Command::Update);
    room.world.run(MINUTE);
    room.world.agree(&[0, 1, 2]);
}

#[test]
fn newcomers_find_the_successor_by_the_name_that_they_know() {
    let mut room = Room::new(3);
    let insider = Rogue::join(&mut room.world, "insider");
    pin_a_wrong_lock(&mut room, &insider, &[]);
    room.world.run(2 * MINUTE);
    let name = met(&room, &[0, 1, 2]);
    let asks = room.enter("asks");
    room.world.run(MINUTE);
    let offered = |n: &Notice| match n {
        Notice::SuccessorOffered { group, credentials } => Some((group.clone(), credentials.clone())),
        _ => None,
    };
    let offers: Vec<_> = room.world.told(asks).filter_map(offered).collect();
    assert_eq!(offers.len(), 1, "{:?}", room.world.notices(asks));
    let names: Vec<_> = offers[0].1.iter().map(|credential| credential.data.clone()).collect();
    assert_eq!((&offers[0].0, names.len()), (&name, 4));
    assert!((0..3).all(|i| names.contains(&Bytes::from(format!("m{i}")))));
    assert_eq!(room.world.machine(asks).phase(), Phase::Joining);
    room.world.tell(asks, Command::Follow(name.clone()));
    room.world.run(MINUTE);
    met(&room, &[0, 1, 2, asks]);
    room.config.follow_offers = true;
    let follows = room.enter("follows");
    room.world.run(MINUTE);
    met(&room, &[0, 1, 2, asks, follows]);
    // The meeting goes on.
    room.world.tell(follows, Command::Update);
    room.world.run(5000);
    met(&room, &[0, 1, 2, asks, follows]);
}

#[test]
fn nobody_but_its_founder_begins_with_the_name_of_a_successor() {
    let mut room = Room::new(1);
    let key = Bytes::from_static(&[7; 32]);
    let name = group().successor(sha256(&key)[..16].try_into().unwrap()).unwrap();
    assert_eq!(name.founding_hash().unwrap()[..], sha256(&key)[..16]);
    let mut request = IncrementRequest::draft(name.clone());
    let refused = IncrementReply::Error(Reason::Forbidden);
    assert_eq!(increment(&mut room.world, &request), refused, "not without a pin");
    (request.val, request.pin) = (Some(0), Some(Pin::genesis([1; 32], [2; 32])));
    for key in [None, Some(Bytes::from_static(&[8; 32])), Some(Bytes::from_static(&[7; 31]))] {
        request.key = key;
        assert_eq!(increment(&mut room.world, &request), refused);
    }
    request.key = Some(key);
    fill(&mut room.world, &request);
    for spelling in ["room-1~s", "room-1~sAB", &name.to_string().to_uppercase(), "room-1~1"] {
        assert_eq!(GroupName::try_from(spelling).unwrap().founding_hash(), None, "{spelling}");
    }
}

/// A founder to whom nobody comes was nowhere: its epochs do not show, and it goes where the others are.
#[test]
fn a_founder_whom_nobody_hears_in_time_goes_to_the_next() {
    let mut room = Room::new(4);
    let insider = Rogue::join(&mut room.world, "insider");
    assert_eq!(insider.epoch % 5, 4, "the insider and then member 0 are in turn");
    pin_a_wrong_lock(&mut room, &insider, &[]);
    room.world.run(MINUTE - 5000);
    let mine = room.world.id(0).as_bytes().clone();
    let of_0 =
        move |action: &Action| matches!(action, Action::Publish { object, .. } if object.track.name == mine);
    room.world.carriage_mut().hold(of_0);
    room.world.run(MINUTE);
    assert!(room.world.heard(0, |n| matches!(n, Notice::Recovery(Recovery::Founding { .. }))));
    assert_eq!(room.world.machine(0).epoch(), None);
    room.world.run(10_000);
    room.world.carriage_mut().hold(|_| false);
    room.world.run(3 * MINUTE);
    met(&room, &[0, 1, 2, 3]);
}

/// Anybody can make up a successor and let a newcomer in to it: one that leads nowhere is left again.
#[test]
fn who_followed_an_offer_for_nothing_comes_back() {
    let mut room = Room::new(1);
    let params = room.world.machine(0).params();
    room.world.crash(0);
    room.config.follow_offers = true;
    let newcomer = room.enter("newcomer");
    let tracks = room.world.machine(newcomer).tracks().clone();
    let id = room.world.id(newcomer);
    let mut mallory = engine("mallory");
    let now = room.world.now();
    let name = group().successor([7; 16]).unwrap();
    let params = ContextParams { epoch_base: 1 << 46, ..params };
    let made_up = mallory.create(now, &name, &params, 0).unwrap();
    let key = newest(&room.world, &tracks.key_package(&id)).1;
    let built = mallory.create_commit(&made_up, now, &[key], &[]).unwrap().unwrap();
    let pin = Pin::new([1; 32], built.next.context_hash, [2; 32]);
    let welcome = WelcomeObject::confirmed(pin, None, built.welcomes[0].1.clone());
    put(&mut room.world, &tracks.welcome(&id), 1, 7, welcome.encode());
    assert_eq!(room.world.machine(newcomer).tracks().group(), &name);
    room.restart(newcomer);
    assert_eq!(room.world.machine(newcomer).tracks().group(), &name);
    room.world.run(MINUTE);
    assert_eq!(room.world.machine(newcomer).tracks().group(), &group());
    // The one who holds the group is back, and lets it in.
    room.restart(0);
    room.world.run(MINUTE);
    room.world.agree(&[0, newcomer]);
}
