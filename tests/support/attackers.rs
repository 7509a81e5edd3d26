//! What attackers have at hand: a session at the relay, requests to the counter, and a member's state outside of any
//! participant.

use bytes::Bytes;
use moq_mls::codec::pinned::WelcomeObject;
use moq_mls::counter::{
    CommitReply, CommitRequest, CounterState, IncrementReply, IncrementRequest, LockReply, LockRequest, Pin,
    slot_lock_message,
};
use moq_mls::engine::{CommitOutput, ContextParams, Engine, OwnKeyPackage};
use moq_mls::testing::sha256;
use moq_mls::tracks::{FullTrackName, GroupName, KEY_PACKAGE_GROUP, Location, SenderId};
use moq_mls::{Command, Config, Object};

use super::engines::{TestEngine, engine};
use super::insider::Insider;
use super::{Steps, World, group, pin_of};

/// Members who agree.
pub fn members_by<E: Engine>(
    mut world: World<E>,
    members: usize,
    config: &Config,
    new: impl Fn(&str) -> E,
) -> World<E> {
    for i in 0..members {
        world.enter(new(&format!("m{i}")), config.clone());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    (1..members).for_each(|i| world.tell(i, Command::Join));
    world.run(10_000);
    world.agree(&(0..members).collect::<Vec<_>>());
    world
}

/// Members who agree, over real MLS.
pub fn members(members: usize, config: &Config) -> World<TestEngine> {
    members_by(World::new(), members, config, engine)
}

/// Puts an object on the relay, as anybody can.
pub fn put<E: Engine>(
    world: &mut World<E>,
    track: &FullTrackName,
    group: u64,
    object: u64,
    payload: impl Into<Bytes>,
) {
    world.put(Object {
        track: track.clone(),
        location: Location { group_id: group, object_id: object },
        payload: payload.into(),
    });
}

/// The group's Commit track, of participant 0.
pub fn commits<E: Engine>(world: &World<E>) -> FullTrackName {
    world.machine(0).tracks().commit(&world.id(0))
}

/// The newest object of a track.
pub fn newest<E: Engine>(world: &World<E>, track: &FullTrackName) -> (Location, Bytes) {
    let (at, payload) = world.lying(track).last_key_value().unwrap();
    (*at, payload.clone())
}

/// What the counter tells any client that asks about a slot.
pub fn read<E: Engine>(world: &World<E>, val: u64) -> CounterState {
    match world.counter().commit(&CommitRequest { counter: group(), val }) {
        CommitReply::Found { state, .. } | CommitReply::CounterError(state) => state,
        refused => panic!("{refused:?}"),
    }
}

/// The counter's next slot.
pub fn next_slot<E: Engine>(world: &World<E>) -> u64 {
    read(world, 0).current
}

/// Takes the lock of a slot if it is to be had.
pub fn hog<E: Engine>(world: &mut World<E>, val: u64) -> bool {
    let now = world.now();
    let request = LockRequest { counter: group(), val };
    matches!(world.counter_mut().lock(now, &request, Bytes::from_static(b"hog")), LockReply::Ok { .. })
}

/// Asks the counter for an increment.
pub fn increment<E: Engine>(world: &mut World<E>, request: &IncrementRequest) -> IncrementReply {
    let now = world.now();
    world.counter_mut().increment(now, request)
}

/// As [`increment`], of which the service must take it.
#[track_caller]
pub fn fill<E: Engine>(world: &mut World<E>, request: &IncrementRequest) {
    let reply = increment(world, request);
    assert!(matches!(reply, IncrementReply::Ok(_)), "{reply:?}");
}

/// Lets in a member with another library.
pub fn insider(world: &mut World<TestEngine>) -> Insider {
    let tracks = world.machine(0).tracks().clone();
    let mut insider = Insider::new("insider");
    let number = number_at(world.now().as_millis(), 77);
    let message = insider.key_package(world.now(), &group(), number);
    put(world, &tracks.key_package(insider.id()), KEY_PACKAGE_GROUP, number, message);
    world.run(5000);
    let invitation = unpinned(&newest(world, &tracks.welcome(insider.id())).1);
    insider.join(world.now(), &invitation);
    insider
}

/// An insider pins the commit that made its epoch, with the slot key of the epoch before.
pub fn pin_own<E: Engine>(world: &mut World<E>, insider: &Insider, key: Bytes, commit: Bytes) {
    let mut request = IncrementRequest::draft(group());
    let val = insider.epoch();
    (request.val, request.pin) = (Some(val), Some(insider.pin(&group(), &commit)));
    (request.prev, request.key, request.commit) = (read(world, val - 1).pin, Some(key), Some(commit));
    fill(world, &request);
}

/// A chain of slots that an attacker founds under any name: it makes up all pins but the last.
pub struct Chain {
    name: GroupName,
    newest: Option<Pin>,
    next: u64,
}

impl Chain {
    pub fn new(name: GroupName) -> Self {
        Self { name, newest: None, next: 0 }
    }

    /// Fills the next slot, with `winner` and its commit, or with something made up.
    pub fn fill<E: Engine>(&mut self, world: &mut World<E>, winner: Option<(Pin, Bytes)>) -> CounterState {
        let val = self.next;
        let key = |val: u64| Bytes::copy_from_slice(&sha256(&val.to_le_bytes()));
        let (pin, commit) = winner.unwrap_or_else(|| {
            let commit = Bytes::from(format!("commit {val}"));
            let hash = if val == 0 { [0; 32] } else { sha256(&commit) };
            (Pin::new(hash, [9; 32], sha256(&slot_lock_message(&self.name, val, &key(val)))), commit)
        });
        let mut request = IncrementRequest::draft(self.name.clone());
        (request.val, request.pin, request.prev) = (Some(val), Some(pin), self.newest);
        if val > 0 {
            (request.key, request.commit) = (Some(key(val - 1)), Some(commit));
        }
        let IncrementReply::Ok(state) = increment(world, &request) else {
            panic!("slot {val} is not filled")
        };
        (self.newest, self.next) = (Some(pin), val + 1);
        state
    }

    /// Lets the service sign `pin` for slot `val`, of this chain.
    pub fn signed<E: Engine>(&mut self, world: &mut World<E>, val: u64, pin: Pin, commit: Bytes) -> Bytes {
        while self.next < val {
            self.fill(world, None);
        }
        self.fill(world, Some((pin, commit))).receipt.unwrap()
    }
}

/// MLSMessage with a PrivateMessage of this group and epoch, as far as its clear header goes.
pub fn forged(content: u8, epoch: u64, salt: u64, len: usize) -> Bytes {
    let name = group();
    let mut out = vec![0, 1, 0, 2, u8::try_from(name.as_bytes().len()).unwrap()];
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
    // No authenticated data; then what should be the encrypted sender data.
    out.extend_from_slice(&[content, 0, 28]);
    out.extend_from_slice(&[7; 20]);
    out.extend_from_slice(&salt.to_be_bytes());
    let len = len.max(16);
    match len {
        0..64 => out.push(u8::try_from(len).unwrap()),
        64..16_384 => out.extend_from_slice(&(0x4000 | u16::try_from(len).unwrap()).to_be_bytes()),
        _ => out.extend_from_slice(&(0x8000_0000 | u32::try_from(len).unwrap()).to_be_bytes()),
    }
    out.resize(out.len() + len, 7);
    out.into()
}

/// Content types of [`forged`] messages.
pub const PROPOSAL: u8 = 2;
pub const COMMIT: u8 = 3;

/// A number on a KeyPackage track as an honest clock draws it.
pub fn number_at(millis: u64, low: u64) -> u64 {
    (millis << 16) | low
}

/// Puts a KeyPackage on its maker's own track.
pub fn ask(world: &mut World<TestEngine>, engine: &mut TestEngine, number: u64) -> OwnKeyPackage {
    let key = engine.generate_key_package(world.now(), &group(), number).unwrap();
    let track = world.machine(0).tracks().key_package(engine.sender_id());
    put(world, &track, KEY_PACKAGE_GROUP, number, key.message.clone());
    key
}

/// The MLSMessage in a Welcome object.
pub fn unpinned(payload: &Bytes) -> Bytes {
    WelcomeObject::decode(payload.clone()).unwrap().welcome
}

/// A member with a client of its own that keeps to the group and does what it likes.
pub struct Rogue {
    pub engine: TestEngine,
    pub group: <TestEngine as Engine>::Group,
    pub epoch: u64,
}

impl Rogue {
    /// Is let in as anybody is.
    pub fn join(world: &mut World<TestEngine>, name: &str) -> Self {
        let mut engine = engine(name);
        let number = number_at(world.now().as_millis(), 77);
        let key = ask(world, &mut engine, number);
        world.run(5000);
        let track = world.machine(0).tracks().welcome(engine.sender_id());
        let welcome = unpinned(&newest(world, &track).1);
        let info = engine.examine_welcome(&welcome, std::slice::from_ref(&key)).unwrap().unwrap();
        let group = engine.join(world.now(), &welcome, &key, None).unwrap().unwrap();
        let mut this = Self { engine, group, epoch: info.epoch };
        this.follow(world);
        this
    }

    pub fn id(&self) -> SenderId {
        self.engine.sender_id().clone()
    }

    /// Applies what won, as the counter has it.
    pub fn follow(&mut self, world: &World<TestEngine>) {
        loop {
            let request = CommitRequest { counter: group(), val: self.epoch + 1 };
            let CommitReply::Found { commit, .. } = world.counter().commit(&request) else { return };
            let staged = self.engine.stage_commit(&self.group, world.now(), &commit).unwrap().unwrap();
            let Some(next) = staged.next else { return };
            (self.group, self.epoch) = (next.group, self.epoch + 1);
        }
    }

    /// A commit on the present epoch, not applied, and its pin.
    pub fn create_commit(
        &self,
        world: &World<TestEngine>,
        adds: &[Bytes],
        removes: &[u32],
    ) -> (CommitOutput<<TestEngine as Engine>::Group>, Pin) {
        let built = self.engine.create_commit(&self.group, world.now(), adds, removes).unwrap().unwrap();
        let pin = pin_of(&self.engine, &group(), &built.commit, &built.next, self.epoch + 1);
        (built, pin)
    }

    /// What opens the next slot.
    pub fn slot_key(&self) -> Bytes {
        let key = self.engine.export_secret(&self.group, b"moq-mls slot key", b"", 32).unwrap();
        Bytes::copy_from_slice(key.as_bytes())
    }

    /// An increment of the next slot.
    pub fn increment(&self, world: &World<TestEngine>, commit: Bytes, pin: Pin) -> IncrementRequest {
        let mut request = IncrementRequest::draft(group());
        (request.val, request.pin, request.prev) =
            (Some(self.epoch + 1), Some(pin), read(world, self.epoch).pin);
        (request.key, request.commit) = (Some(self.slot_key()), Some(commit));
        request
    }
}

/// An outsider's own group under the group's name.
pub struct OtherGroup {
    engine: TestEngine,
    group: <TestEngine as Engine>::Group,
    epoch: u64,
}

impl OtherGroup {
    pub fn found(world: &World<TestEngine>, params: &ContextParams) -> Self {
        let mut engine = engine("mallory");
        let group = engine.create(world.now(), &group(), params, 0).unwrap();
        Self { engine, group, epoch: 0 }
    }

    /// Lets `epochs` of it pass.
    pub fn pass(&mut self, world: &World<TestEngine>, epochs: u64) {
        for _ in 0..epochs {
            self.group =
                self.engine.create_commit(&self.group, world.now(), &[], &[]).unwrap().unwrap().next.group;
            self.epoch += 1;
        }
    }

    /// As [`welcome`](Self::welcome), with the pin and the commit that go with it.
    pub fn welcome_pinned(&self, world: &World<TestEngine>, key_package: &Bytes) -> (u64, Bytes, Pin, Bytes) {
        let adds = std::slice::from_ref(key_package);
        let built = self.engine.create_commit(&self.group, world.now(), adds, &[]).unwrap().unwrap();
        let pin = pin_of(&self.engine, &group(), &built.commit, &built.next, self.epoch + 1);
        (self.epoch + 1, built.welcomes[0].1.clone(), pin, built.commit)
    }

    /// A Welcome into it, which anybody can make from a KeyPackage that is on the relay, and its epoch.
    pub fn welcome(&self, world: &World<TestEngine>, key_package: &Bytes) -> (u64, Bytes) {
        let adds = std::slice::from_ref(key_package);
        let built = self.engine.create_commit(&self.group, world.now(), adds, &[]).unwrap().unwrap();
        (self.epoch + 1, built.welcomes[0].1.clone())
    }
}

/// A Welcome object with whatever the counter tells of its slot, receipt and all, or with something made up.
pub fn pinned<E: Engine>(world: &World<E>, slot: u64, welcome: Bytes) -> Bytes {
    let state = read(world, slot);
    let pin = state.pin.unwrap_or_else(|| Pin::new([6; 32], [6; 32], [6; 32]));
    WelcomeObject::confirmed(pin, state.receipt, welcome).encode()
}

/// Milliseconds until all of `who` are at an epoch above `epoch`.
pub fn until<E: Engine>(world: &mut World<E>, who: &[usize], epoch: u64, most: u64) -> Option<u64> {
    let begin = world.now().as_millis();
    while world.now().as_millis() - begin < most {
        world.run(10);
        if who.iter().all(|w| world.machine(*w).epoch().is_some_and(|e| e > epoch)) {
            return Some(world.now().as_millis() - begin);
        }
    }
    None
}
