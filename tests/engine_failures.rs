//! Whose fault it is: an engine that fails at a peer's object is an error, and blames nobody; the same object
//! damaged is a fault of the peer's, and never an error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::engines::engine;
use crate::support::failing::{FAILURE, Failing, Plan};
use crate::support::{START, Steps, World, config};
use bytes::Bytes;
use moq_mls::action::{Action, LockRequestId};
use moq_mls::counter::{CounterState, LockReply};
use moq_mls::engine::{CommitOutput, ContextParams, Engine, EngineError};
use moq_mls::notice::{Fault, Notice, Refusal};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicGroup, SymbolicReceipts};
use moq_mls::testing::{faults::Receipts, symbolic};
use moq_mls::tracks::{FullTrackName, KEY_PACKAGE_GROUP, Location};
use moq_mls::{Command, Config, Error, Event, Misuse, Object, Participant, Phase, SafetyMode, Timestamp};

type Flaky = Failing<SymbolicEngine>;

fn peer(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

/// A whole run of a group, and what went wrong in it.
struct Life<E: Engine> {
    world: World<E>,
    /// Who failed, and the error, in order.
    errors: Vec<(usize, String)>,
    /// How many of the world's failures are among them.
    taken: usize,
    /// Gives everybody a damaged copy of what is published, ahead of it.
    damage: bool,
}

impl<E: Engine> Life<E> {
    fn new(engines: impl IntoIterator<Item = E>, config: &Config) -> Self {
        let mut world = World::new();
        for engine in engines {
            world.enter(engine, config.clone());
        }
        Self { world, errors: Vec::new(), taken: 0, damage: false }
    }

    fn wish(&mut self, who: usize, command: Command) {
        if let Err(error) = self.world.command(who, command) {
            self.errors.push((who, error.to_string()));
        }
        self.take_failures();
    }

    fn take_failures(&mut self) {
        self.errors.extend(self.world.failures().iter().skip(self.taken).cloned());
        self.taken = self.world.failures().len();
    }

    fn go_on(&mut self, seconds: u64) {
        let end = self.world.now().after(Duration::from_secs(seconds));
        while self.world.next_at().is_some_and(|at| at <= end) {
            let published = self.world.carriage_mut().take_published();
            for object in published.into_iter().filter(|_| self.damage) {
                for copy in damaged(&object) {
                    self.world.inject(0..self.world.len(), &copy);
                }
            }
            self.world.step();
        }
        self.take_failures();
    }

    /// Four come in, one at a time and two at once; a re-key, a leave, a removal, a KeyPackage from elsewhere.
    fn live(mut self, key_package: Bytes) -> Self {
        let steps = [
            vec![(0, Command::Join)],
            vec![(1, Command::Join)],
            vec![(2, Command::Join), (3, Command::Join)],
            vec![(1, Command::Update)],
            vec![(2, Command::Leave)],
            vec![(0, Command::Remove(self.world.id(3)))],
            vec![(0, Command::Add(key_package))],
        ];
        for step in steps {
            step.into_iter().for_each(|(who, command)| self.wish(who, command));
            self.go_on(8);
        }
        self
    }

    fn blamed(&self) -> BTreeSet<Fault> {
        let told = (0..self.world.len()).flat_map(|who| self.world.told(who));
        told.filter_map(|notice| match notice {
            Notice::PeerFault { fault, .. } => Some(*fault),
            _ => None,
        })
        .collect()
    }
}

/// The object with a bit flipped, here and there, and without its end.
fn damaged(object: &Object) -> Vec<Object> {
    let len = object.payload.len();
    let flipped = [0, len / 3, len / 2, len - 1].map(|at| {
        let mut payload = object.payload.to_vec();
        payload[at] ^= 1;
        Bytes::from(payload)
    });
    let payloads = flipped.into_iter().chain([object.payload.slice(..len - 1)]);
    payloads.map(|payload| Object { payload, ..object.clone() }).collect()
}

fn settings(mode: SafetyMode) -> Config {
    let mut config = config();
    config.params.mode = mode;
    config.tree_threshold = 3;
    config.params.service_key = (mode == SafetyMode::Pinned).then(|| Bytes::from_static(b"key"));
    config
}

fn symbolic_life(mode: SafetyMode, plan: &Plan, victim: usize) -> Life<Flaky> {
    let names = ["a", "b", "c", "d"].iter().enumerate();
    let engines = names.map(|(who, name)| {
        let plan = if who == victim { plan.clone() } else { Plan::default() };
        Failing { inner: peer(name), plan }
    });
    let mut life = Life::new(engines, &settings(mode));
    if let Some(key) = settings(mode).params.service_key {
        life.world.set_receipts(Receipts::by(SymbolicReceipts(key)));
    }
    life
}

fn elsewhere() -> Bytes {
    peer("e").generate_key_package(START, &config().group, 0).unwrap().message
}

/// The test world asks for these itself, outside of what participants handle.
const ASKED_BY_THE_WORLD: [&str; 2] = ["sha256", "epoch_authenticator"];

#[test]
fn whatever_fails_is_an_error_of_who_failed_and_nobodys_fault() {
    let mut seen = BTreeSet::new();
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced] {
        for victim in 0..4 {
            let plan = Plan::default();
            let life = symbolic_life(mode, &plan, victim).live(elsewhere());
            assert_eq!((life.errors.as_slice(), life.blamed()), (&[][..], BTreeSet::new()), "{mode:?}");
            for (method, calls) in plan.made() {
                if ASKED_BY_THE_WORLD.contains(&method) {
                    continue;
                }
                seen.insert(method);
                for after in 0..calls {
                    let plan = Plan::default();
                    plan.fail(method, after);
                    let life = symbolic_life(mode, &plan, victim).live(elsewhere());
                    let what = format!("{mode:?}, {method} number {after} of {victim}");
                    assert_eq!(plan.failed(), 1, "{what}");
                    let error = format!("provider failed: {FAILURE}");
                    let of_victim = |(who, _): &&(usize, String)| *who == victim;
                    let first = life.errors.iter().find(of_victim).map(|(_, error)| error);
                    assert_eq!(first, Some(&error), "{what}");
                    // Commands of the others may be misuse without it, and nothing else fails.
                    let others = life.errors.iter().filter(|e| !of_victim(e));
                    assert!(
                        others.clone().all(|(_, error)| *error == Misuse::NotAMember.to_string()),
                        "{what}"
                    );
                    assert_eq!(life.blamed(), BTreeSet::new(), "{what}");
                }
            }
        }
    }
    let expected = [
        "create_commit",
        "create_commit_apart",
        "classify",
        "create",
        "examine_welcome",
        "export_secret",
        "generate_key_package",
        "inspect_key_package",
        "join",
        "open_leave",
        "open_tree",
        "peek_key_package",
        "propose_leave",
        "random",
        "roster",
        "save",
        "survey",
        "stage_commit",
        "view",
    ];
    assert_eq!(seen, expected.into());
}

#[test]
fn whatever_is_damaged_is_a_fault_and_never_an_error() {
    for mode in [SafetyMode::Pinned, SafetyMode::Fenced] {
        let mut life = symbolic_life(mode, &Plan::default(), 0);
        life.damage = true;
        faulty(life.live(elsewhere()));
    }
}

#[test]
fn whatever_is_damaged_is_a_fault_over_real_cryptography_too() {
    let mut config = config();
    config.tree_threshold = 3;
    let mut life = Life::new(["a", "b", "c", "d"].map(engine), &config);
    life.damage = true;
    let key_package = engine("e").generate_key_package(START, &config.group, 0).unwrap().message;
    faulty(life.live(key_package));
}

fn faulty<E: Engine>(life: Life<E>) {
    assert_eq!(life.errors, [], "{}", life.world.log().to_text());
    let blamed = life.blamed();
    assert!(blamed.is_superset(&[Fault::NotMls, Fault::Invalid].into()), "{blamed:?}");
    assert_eq!(life.world.machine(0).phase(), Phase::Member);
}

/// One participant, and a member that is nothing but an engine.
struct Door {
    machine: Participant<Flaky>,
    now: Timestamp,
    plan: Plan,
    founder: SymbolicEngine,
    group: SymbolicGroup,
    /// What the participant published as its KeyPackages.
    key_packages: Vec<Bytes>,
    locks: Vec<LockRequestId>,
}

/// What `handle` said, and whom the participant blames.
type Said = (Result<(), Error>, Vec<Fault>);

impl Door {
    /// The participant has asked whether the group is there.
    fn new() -> Self {
        let mut founder = peer("founder");
        let config = settings(SafetyMode::Fenced);
        let params = ContextParams { mode: SafetyMode::Fenced, tree_objects: true, ..Default::default() };
        let group = founder.create(START, &config.group, &params, 0).unwrap();
        let plan = Plan::default();
        let engine = Failing { inner: peer("c"), plan: plan.clone() };
        let machine = Participant::new(engine, config, START).unwrap();
        let (key_packages, locks) = (Vec::new(), Vec::new());
        let mut this = Self { machine, now: START, plan, founder, group, key_packages, locks };
        this.works(Command::Join);
        assert_eq!(this.machine.phase(), Phase::Bootstrapping);
        this
    }

    /// The participant is in the group, and holds a KeyPackage newer than the one it joined by.
    fn member() -> Self {
        let mut this = Self::new();
        this.answer_lock();
        (this.now, _) = this.machine.poll_timeout().unwrap();
        this.works(Event::Timer);
        assert_eq!((this.machine.phase(), this.key_packages.len()), (Phase::Joining, 2));
        let built = this.create_commit(&[this.key_packages[0].clone()]);
        let welcome = this.welcome(&built);
        this.works(welcome);
        this.group = built.next.group;
        assert_eq!(this.machine.phase(), Phase::Member);
        this
    }

    fn create_commit(&self, adds: &[Bytes]) -> CommitOutput<SymbolicGroup> {
        self.founder.create_commit(&self.group, START, adds, &[]).unwrap().unwrap()
    }

    fn welcome(&self, built: &CommitOutput<SymbolicGroup>) -> Event {
        let track = self.machine.tracks().welcome(self.machine.sender_id());
        object(track, built.next.group.epoch(), 0, built.welcomes[0].1.clone())
    }

    fn commit(&self, payload: Bytes) -> Event {
        let track = self.machine.tracks().commit(self.founder.sender_id());
        object(track, self.group.epoch(), 0, payload)
    }

    /// An object of the member's own KeyPackage track.
    fn of_founder(&self, payload: Bytes) -> Event {
        object(self.machine.tracks().key_package(self.founder.sender_id()), KEY_PACKAGE_GROUP, 9, payload)
    }

    fn answer_lock(&mut self) {
        let answer = self.lock_answer();
        self.works(answer);
    }

    /// The counter says that the group is there.
    fn lock_answer(&self) -> Event {
        let state = CounterState { current: 2, pin: None, receipt: None, pin_forgotten: false };
        let id = *self.locks.last().unwrap();
        Event::LockReply { id, reply: Ok(LockReply::CounterError(state)) }
    }

    fn works(&mut self, event: impl Into<Event>) {
        self.machine.handle(self.now, event).unwrap();
        self.poll();
    }

    fn poll(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let own = self.machine.tracks().key_package(self.machine.sender_id());
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Publish { object, .. } if object.track == own => {
                    self.key_packages.push(object.payload);
                }
                Action::Lock { id, .. } => self.locks.push(id),
                Action::Notify(Notice::PeerFault { fault, .. }) => faults.push(fault),
                _ => {}
            }
        }
        faults
    }

    /// Lets an event come while the next call of `method` fails.
    #[track_caller]
    fn fails(mut self, method: &'static str, event: Event) {
        self.plan.fail(method, 0);
        let before = self.plan.failed();
        let (said, faults) = self.says(event);
        assert_eq!(self.plan.failed(), before + 1, "{method} was not called");
        assert!(matches!(said, Err(Error::Engine(EngineError::Provider(_)))), "{method}: {said:?}");
        assert_eq!(faults, [], "{method}");
    }

    /// Lets an event come that is a peer's fault.
    #[track_caller]
    fn blames(mut self, event: Event, fault: Fault) {
        let (said, faults) = self.says(event);
        assert!(said.is_ok(), "{said:?}");
        assert_eq!(faults, [fault]);
    }

    fn says(&mut self, event: Event) -> Said {
        let said = self.machine.handle(self.now, event);
        (said, self.poll())
    }
}

fn object(track: FullTrackName, group: u64, object: u64, payload: Bytes) -> Event {
    Event::Object(Object { track, location: Location { group_id: group, object_id: object }, payload })
}

/// The payload with its last bit flipped: the header still reads well.
fn flipped(payload: &Bytes) -> Bytes {
    let mut payload = payload.to_vec();
    *payload.last_mut().unwrap() ^= 1;
    payload.into()
}

/// A participant that finds out that the group is there looks into the Welcomes that came before.
#[test]
fn a_failure_at_an_early_welcome_is_not_swallowed() {
    let early = |damage: bool| {
        let mut door = Door::new();
        let mut built = door.create_commit(&door.key_packages.clone());
        if damage {
            built.welcomes[0].1 = flipped(&built.welcomes[0].1);
        }
        let welcome = door.welcome(&built);
        door.works(welcome);
        assert_eq!(door.machine.phase(), Phase::Bootstrapping);
        let answer = door.lock_answer();
        (door, answer)
    };
    for method in ["examine_welcome", "join", "view", "save", "roster"] {
        let (door, answer) = early(false);
        door.fails(method, answer);
    }
    // One that no key opens is not kept at all.
    let (mut door, answer) = early(true);
    assert_eq!(door.machine.inside().early_welcomes, 0);
    let (said, faults) = door.says(answer);
    assert!(said.is_ok(), "{said:?}");
    assert_eq!((faults, door.machine.phase()), (vec![], Phase::Joining));
    let (mut door, answer) = early(false);
    assert_eq!(door.machine.inside().early_welcomes, 1);
    door.works(answer);
    assert_eq!(door.machine.phase(), Phase::Member);
}

#[test]
fn a_failure_at_a_members_objects_is_not_theirs() {
    let commit = |door: &Door| door.create_commit(&[]).commit;
    for method in ["sha256", "stage_commit", "save"] {
        let door = Door::member();
        let event = door.commit(commit(&door));
        door.fails(method, event);
    }
    // What is wrong with a bad one is asked afterwards.
    let door = Door::member();
    let event = door.commit(flipped(&commit(&door)));
    door.fails("classify", event);
    let door = Door::member();
    let event = door.commit(flipped(&commit(&door)));
    door.blames(event, Fault::Invalid);

    let leave = |door: &Door| door.founder.propose_leave(&door.group, START).unwrap();
    for method in ["classify", "open_leave"] {
        let door = Door::member();
        let event = door.of_founder(leave(&door));
        door.fails(method, event);
    }
    let door = Door::member();
    let event = door.of_founder(flipped(&leave(&door)));
    door.blames(event, Fault::Invalid);
}

/// Kept until the next epoch, and opened then.
#[test]
fn a_failure_at_a_leave_request_that_came_early_is_not_the_leavers() {
    let early = |damage: bool| {
        let mut door = Door::member();
        let built = door.create_commit(&[]);
        let request = door.founder.propose_leave(&built.next.group, START).unwrap();
        let request = door.of_founder(if damage { flipped(&request) } else { request });
        door.works(request);
        let event = door.commit(built.commit);
        (door, event)
    };
    let (door, event) = early(false);
    door.fails("open_leave", event);
    let (door, event) = early(true);
    door.blames(event, Fault::Invalid);
}

/// A member looks into a Welcome only if it holds a key that might open it.
#[test]
fn a_failure_at_a_members_welcome_is_not_the_welcomes() {
    let door = Door::member();
    let mut elsewhere = peer("other");
    let params = ContextParams { mode: SafetyMode::Fenced, tree_objects: true, ..Default::default() };
    let group = elsewhere.create(START, &config().group, &params, 0).unwrap();
    let built = elsewhere.create_commit(&group, START, &door.key_packages[1..], &[]).unwrap().unwrap();
    let welcome = door.welcome(&built);
    for method in ["classify", "examine_welcome"] {
        Door::member().fails(method, welcome.clone());
    }
}

#[test]
fn a_key_package_is_refused_for_what_it_is_and_not_for_a_failure() {
    let key_package = |door: &Door, payload: &Bytes| {
        let track = door.machine.tracks().key_package(peer("e").sender_id());
        object(track, KEY_PACKAGE_GROUP, 0, payload.clone())
    };
    for method in ["classify", "peek_key_package", "inspect_key_package"] {
        let door = Door::member();
        let event = key_package(&door, &elsewhere());
        door.fails(method, event);
    }
    let door = Door::member();
    let event = key_package(&door, &flipped(&elsewhere()));
    door.blames(event, Fault::Invalid);
    // Before it is known who lets it in.
    let mut door = Door::new();
    let event = key_package(&door, &elsewhere());
    door.answer_lock();
    door.fails("inspect_key_package", event.clone());
    Door::new().fails("inspect_key_package", event);

    let add = || Event::Command(Command::Add(elsewhere()));
    Door::member().fails("inspect_key_package", add());
}

/// What anybody can send again and again, or to another place, is refused before a signature is verified.
#[test]
fn a_key_package_is_verified_once() {
    let mut door = Door::member();
    let track = door.machine.tracks().key_package(peer("e").sender_id());
    let of_other = door.machine.tracks().key_package(peer("other").sender_id());
    let at = |track: &FullTrackName, place| object(track.clone(), KEY_PACKAGE_GROUP, place, elsewhere());
    let verified = |door: &Door| door.plan.made().get("inspect_key_package").copied().unwrap_or_default();
    let before = verified(&door);
    assert_eq!(door.says(at(&track, 1)).1, [Fault::BadLocation]);
    assert_eq!(door.says(at(&of_other, 0)).1, [Fault::WrongSender]);
    assert_eq!(verified(&door), before);
    for _ in 0..3 {
        assert_eq!(door.says(at(&track, 0)).1, []);
        assert_eq!(verified(&door), before + 1);
    }
}

/// Of two that are to be committed one cannot be: the halves are tried, and one of these calls fails.
#[test]
fn a_failing_build_drops_nobody() {
    for after in 0..3 {
        let plan = Plan::default();
        let mut world = World::new();
        let alone = Failing { inner: peer("a"), plan: plan.clone() };
        world.enter(alone, config());
        world.tell(0, Command::Join);
        let tracks = world.machine(0).tracks().clone();
        let good = peer("x").generate_key_package(world.now(), &config().group, 1).unwrap();
        let poisoned = peer("y").poisoned_key_package(world.now(), &config().group, 1);
        for (name, key) in [("x", good), ("y", poisoned)] {
            let track = tracks.key_package(peer(name).sender_id());
            let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: key.object_id };
            world.put(Object { track, location, payload: key.message });
        }
        plan.fail("create_commit", after);
        world.run_for(Duration::from_secs(8));
        let error = format!("provider failed: {FAILURE}");
        assert_eq!(world.failures().first(), Some(&(0, error)), "{after}");
        let refused = |n: &Notice| matches!(n, Notice::Refused { reason: Refusal::BadKeyPackage, .. });
        assert!(!world.heard(0, refused), "{after}");
    }
}

/// A member's key may be one that nothing can be sealed to: a peer's doing, and no reason to stop.
#[test]
fn a_commit_that_cannot_be_built_at_all_is_tried_again_later() {
    let plan = Plan::default();
    let mut world = World::new();
    world.enter(Failing { inner: peer("a"), plan: plan.clone() }, config());
    world.tell(0, Command::Join);
    let epoch = world.agree(&[0]);
    // Each try makes two calls.
    plan.refuse(2 * 5);
    world.tell(0, Command::Update);
    world.run(300_000);
    assert_eq!(world.faults(0, Fault::Invalid), 5);
    assert_eq!(world.agree(&[0]), epoch + 1);
}

#[test]
fn junk_is_a_rejection_wherever_it_is_looked_at() {
    let junk = symbolic::junk(40);
    let mut a = peer("a");
    let group = a.create(START, &config().group, &ContextParams::default(), 0).unwrap();
    let key = a.generate_key_package(START, &config().group, 1).unwrap();
    assert!(a.inspect_key_package(START, &junk).unwrap().is_err());
    assert!(a.examine_welcome(&junk, std::slice::from_ref(&key)).unwrap().is_err());
    assert!(a.join(START, &junk, &key, None).unwrap().is_err());
    assert!(a.classify(&junk).unwrap().is_err());
    assert!(a.stage_commit(&group, START, &junk).unwrap().is_err());
    assert!(a.open_leave(&group, START, &junk).unwrap().is_err());
    assert!(a.create_commit(&group, START, &[junk], &[]).unwrap().is_err());
}

#[test]
fn after_a_failure_all_is_refused_but_a_restore() {
    let plan = Plan::default();
    let flaky = || Failing { inner: peer("a"), plan: plan.clone() };
    let mut a = Participant::new(flaky(), config(), START).unwrap();
    a.handle(START, Command::Join).unwrap();
    let id = a.clone().actions().find_map(|action| match action {
        Action::Lock { id, .. } => Some(id),
        _ => None,
    });
    let used = CounterState { current: 3, pin: None, receipt: None, pin_forgotten: false };
    let reply = Ok(LockReply::CounterError(used));
    a.handle(START, Event::LockReply { id: id.unwrap(), reply }).unwrap();
    let before: Vec<Action> = a.clone().actions().collect();
    let durable = a.snapshot().unwrap();

    // Another KeyPackage is due.
    plan.fail("generate_key_package", 0);
    let at = START.after(a.config().timers.join_retry);
    assert!(matches!(a.handle(at, Event::Timer), Err(Error::Engine(_))));
    assert_eq!(a.phase(), Phase::Poisoned);
    assert_eq!(a.poll_timeout(), None, "nothing is waited for");
    for event in [Event::Timer, Command::Join.into(), Command::Leave.into()] {
        assert!(matches!(a.handle(at, event), Err(Error::Poisoned)));
    }
    assert!(matches!(a.snapshot(), Err(Error::Poisoned)));
    assert_eq!(a.epoch(), None);
    assert_eq!(a.actions().collect::<Vec<_>>(), before, "that call's actions are dropped, and no others");

    let mut restored = Participant::restore(flaky(), config(), &durable, at).unwrap();
    assert_eq!(restored.phase(), Phase::Joining);
    let later = at.after(restored.config().timers.join_retry);
    restored.handle(later, Event::Timer).unwrap();
}
