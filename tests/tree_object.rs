//! The ratchet tree sent once: Welcomes without it, every order of arrival, wrong and missing trees,
//! crashes of the committer; over real MLS and over the symbolic engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::engines::engine;
use crate::support::{Steps, World, config, pin_of};
use bytes::Bytes;
use moq_mls::action::{Action, FetchTarget, Timer};
use moq_mls::codec::pinned::{ReceiptObject, WelcomeObject};
use moq_mls::codec::tree_object::{decode, encode};
use moq_mls::counter::service::ServiceCrypto;
use moq_mls::counter::{CounterState, LockReply, Pin, receipt_message};
use moq_mls::engine::{Attached, ContextParams, Engine, RatchetTreeObject, TreePlace};
use moq_mls::notice::{Fault, Notice};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicGroup, SymbolicReceipts};
use moq_mls::tracks::{
    CommitTrackPolicy, FullTrackName, GroupTracks, Location, MAX_SENDER_ID, SenderId, TrackKind,
};
use moq_mls::{Command, Config, Event, Object, Participant, Phase, SafetyMode, Secret};

/// Trees go apart from two members on.
fn apart() -> Config {
    let mut config = config();
    config.tree_threshold = 2;
    config
}

/// The name of participant `i`: too long to be met in sealed bytes by chance.
fn name(i: usize) -> String {
    format!("participant-{i}")
}

/// A founder and `joiners` that have asked to join, not let in yet.
fn crowd<E: Engine>(world: &mut World<E>, new: &impl Fn(&str) -> E, config: &Config, joiners: usize) {
    for i in 0..=joiners {
        world.enter(new(&name(i)), config.clone());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    for who in 1..=joiners {
        world.tell(who, Command::Join);
    }
}

/// The objects of a kind of track that are on the relay.
fn lying<E: Engine>(world: &World<E>, wanted: impl Fn(&TrackKind) -> bool) -> Vec<Object> {
    let tracks = (0..world.len()).find_map(|who| world.peer(who)).expect("a participant is up").tracks();
    world.carriage().store().objects(|track| tracks.classify(track).is_some_and(|k| wanted(&k))).collect()
}

fn trees<E: Engine>(world: &World<E>) -> Vec<Object> {
    lying(world, |kind| matches!(kind, TrackKind::Tree(_)))
}

fn welcomes<E: Engine>(world: &World<E>) -> Vec<Object> {
    lying(world, |kind| matches!(kind, TrackKind::Welcome(_)))
}

/// What the relay does with fetches of ratchet trees.
enum Trees {
    Serve,
    Hide,
    Forge(Bytes),
}

fn fetched<E: Engine>(world: &mut World<E>, trees: Trees) {
    let namespace = GroupTracks::new(config().group, CommitTrackPolicy::Shared).tree_namespace();
    world.carriage_mut().meddle(move |objects| match &trees {
        Trees::Serve => {}
        Trees::Hide => objects.retain(|o| o.track.namespace != namespace),
        Trees::Forge(bytes) => {
            let trees = objects.iter_mut().filter(|o| o.track.namespace == namespace);
            trees.for_each(|o| o.payload = bytes.clone());
        }
    });
}

fn symbolic(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

fn once<E: Engine>(new: impl Fn(&str) -> E) {
    for policy in [CommitTrackPolicy::Shared, CommitTrackPolicy::PerSender] {
        let mut config = apart();
        config.params.commit_tracks = policy;
        let mut world = World::new();
        crowd(&mut world, &new, &config, 4);
        world.run(3000);
        assert_eq!(world.agree(&[0, 1, 2, 3, 4]), 1);
        let [tree] = &trees(&world)[..] else { panic!("one tree for all, not {}", trees(&world).len()) };
        assert_eq!(tree.location.group_id, 1);
        assert_eq!(welcomes(&world).len(), 4);
        // A later joiner, in an epoch of its own.
        let late = world.enter(new("late"), config.clone());
        world.tell(late, Command::Join);
        world.run(3000);
        assert_eq!(world.agree(&[0, 1, 2, 3, 4, late]), 2);
        assert!(!world.heard(late, |n| matches!(n, Notice::PeerFault { .. } | Notice::TreeMissing { .. })));
    }
}

#[test]
fn all_joiners_of_an_epoch_read_one_tree() {
    once(engine);
    once(symbolic);
}

#[test]
fn a_tree_object_hides_the_roster_and_shrinks_the_welcomes() {
    let bytes = |config: &Config| {
        let mut world = World::new();
        crowd(&mut world, &engine, config, 12);
        world.run(3000);
        let sum: usize = welcomes(&world).iter().map(|o| o.payload.len()).sum();
        (sum, trees(&world))
    };
    let (small, trees) = bytes(&apart());
    let [tree] = &trees[..] else { panic!() };
    // The credentials, which the tree has in clear.
    let name = name(3);
    assert!(!tree.payload.windows(name.len()).any(|w| w == name.as_bytes()), "a name in the clear");
    let (large, none) = bytes(&config());
    assert!(none.is_empty(), "below the threshold");
    assert!(small + 8 * tree.payload.len() < large, "{small} + {} against {large}", tree.payload.len());
}

fn missing<E: Engine>(new: impl Fn(&str) -> E) {
    let mut world = World::new();
    fetched(&mut world, Trees::Hide);
    crowd(&mut world, &new, &apart(), 2);
    world.run(2000);
    for who in [1, 2] {
        assert_eq!(world.machine(who).phase(), Phase::Joining, "never in without its tree");
        let told = |n: &&Notice| **n == (Notice::TreeMissing { epoch: 1 });
        assert_eq!(world.told(who).filter(told).count(), 1, "once, not at every fetch");
    }
    fetched(&mut world, Trees::Serve);
    world.run(3000);
    assert_eq!(world.agree(&[0, 1, 2]), 1, "by the very same Welcome");
    assert!(!world.machine(1).armed().contains(&Timer::Tree), "nothing is waited for any more");
}

#[test]
fn a_missing_tree_is_reported_and_fetched_again() {
    missing(engine);
    missing(symbolic);
}

fn wrong<E: Engine>(new: impl Fn(&str) -> E, forged: Bytes) {
    let mut world = World::new();
    fetched(&mut world, Trees::Forge(forged));
    crowd(&mut world, &new, &apart(), 1);
    world.run(1500);
    assert_eq!(world.machine(1).phase(), Phase::Joining, "never into a wrong group");
    let faults = world.faults(1, Fault::WrongTree);
    assert!((1..8).contains(&faults), "reported, and asked again with a growing pause: {faults}");
    fetched(&mut world, Trees::Serve);
    world.run(3000);
    assert_eq!(world.agree(&[0, 1]), 1);
}

#[test]
fn a_wrong_tree_is_a_counted_fault_and_fetched_again() {
    // Junk, and a whole tree object of another group of the same people.
    let other = |tree_of: Vec<Object>| tree_of[0].payload.clone();
    wrong(engine, Bytes::from_static(b"junk"));
    wrong(symbolic, Bytes::from_static(b"junk"));
    let mut world = World::new();
    crowd(&mut world, &engine, &apart(), 1);
    world.run(3000);
    wrong(engine, other(trees(&world)));
    let mut world = World::new();
    crowd(&mut world, &|name: &str| symbolic(name).incarnation(7), &apart(), 1);
    world.run(3000);
    wrong(symbolic, other(trees(&world)));
}

#[test]
fn a_joiner_that_never_gets_the_tree_is_let_in_by_a_fresh_key_package() {
    let mut world = World::new();
    fetched(&mut world, Trees::Hide);
    crowd(&mut world, &engine, &apart(), 1);
    world.run(9000);
    assert_eq!(world.machine(1).phase(), Phase::Joining);
    fetched(&mut world, Trees::Serve);
    // The first tree is gone for good.
    let lost = trees(&world).remove(0);
    world.carriage_mut().store_mut().remove(&lost.track, &lost.location).unwrap();
    world.run(20_000);
    assert!(world.agree(&[0, 1]) > 1);
}

/// Welcome, pin and tree reach the joiner in every order.
fn orders<E: Engine>(new: impl Fn(&str) -> E) {
    for seed in 0..24 {
        let mut world = World::late(400, seed);
        crowd(&mut world, &new, &apart(), 3);
        world.run(8000);
        assert!(world.agree(&[0, 1, 2, 3]) >= 1, "seed {seed}");
        assert_eq!(world.conflicts(), 0);
    }
    // The tree even before the Welcome.
    let mut world = World::new();
    crowd(&mut world, &new, &apart(), 1);
    world.carriage_mut().set_deaf(1, true);
    world.run(3000);
    fetched(&mut world, Trees::Hide);
    let (tree, welcome) = (trees(&world).remove(0), welcomes(&world).remove(0));
    assert_eq!(world.machine(1).phase(), Phase::Joining);
    world.handle(1, Event::Object(tree)).unwrap();
    world.handle(1, Event::Object(welcome)).unwrap();
    world.settle();
    assert_eq!(world.agree(&[0, 1]), 1, "at once, without a fetch that hides it");
}

#[test]
fn welcome_pin_and_tree_come_in_any_order() {
    orders(engine);
    orders(symbolic);
}

/// Wherever the committer stops, its snapshot has the tree, and all get in.
fn crash<E: Engine>(new: impl Fn(&str) -> E, again: impl Fn(&str) -> E) {
    let mut tree_was_last = false;
    for actions in 0..24 {
        let mut world = World::new();
        for i in 0..3 {
            world.enter(new(&format!("m{i}")), apart());
        }
        world.tell(0, Command::Join);
        world.run(1000);
        world.crash_after(0, actions);
        world.tell(1, Command::Join);
        world.tell(2, Command::Join);
        world.run(2000);
        tree_was_last |= trees(&world).len() == 1 && welcomes(&world).is_empty();
        // Another run draws other randomness.
        world.again(0, again("m0"));
        world.run(40_000);
        assert!(world.agree(&[0, 1, 2]) >= 1, "stopped after {actions}");
        assert_eq!(world.conflicts(), 0);
    }
    assert!(tree_was_last, "stopped between the tree and the Welcomes, too");
}

#[test]
fn a_committer_that_crashes_brings_the_tree_all_the_same() {
    crash(symbolic, |name| symbolic(name).incarnation(1));
    let crypto = |name: &str, life| moq_mls::testing::seeded_crypto::seeded_engine(name, life);
    crash(|name| crypto(name, 7), |name| crypto(name, 7));
}

#[test]
fn off_by_one_setting() {
    let mut off = config();
    off.params.tree_objects = false;
    let mut world = World::new();
    crowd(&mut world, &engine, &off, 2);
    world.run(3000);
    assert_eq!(world.agree(&[0, 1, 2]), 1);
    assert!(trees(&world).is_empty());
    // A client that has it on is notified that this group does not.
    let other = world.enter(engine("other"), apart());
    world.tell(other, Command::Join);
    world.run(3000);
    assert!(world.heard(other, |n| {
        matches!(n, Notice::ParamsMismatch { group: Some(ContextParams { tree_objects: false, .. }) })
    }));
    // The draft's own mode never has it.
    let mut draft = apart();
    draft.params.mode = SafetyMode::Advisory;
    let mut world = World::new();
    crowd(&mut world, &engine, &draft, 2);
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), 1);
    assert!(trees(&world).is_empty());
}

#[test]
fn tree_objects_are_bounded() {
    let mut config = apart();
    config.limits.tree_bytes = 100;
    let mut world = World::new();
    let who = world.enter(symbolic("a"), config);
    world.tell(who, Command::Join);
    let track = world.machine(who).tracks().tree(&world.id(who));
    let mut give = |location: Location, len: usize| {
        let object = Object { track: track.clone(), location, payload: vec![0; len].into() };
        world.give(who, Event::Object(object));
    };
    give(Location { group_id: 1, object_id: 0 }, 100);
    give(Location { group_id: 1, object_id: 0 }, 101);
    give(Location { group_id: 1, object_id: 1 << 61 }, 100);
    assert_eq!((world.faults(who, Fault::TooLarge), world.faults(who, Fault::BadLocation)), (1, 0));
}

#[test]
fn a_reference_to_a_tree_reads_back_and_nothing_else_does() {
    let tree = RatchetTreeObject {
        place: TreePlace { publisher: None, object_id: 7 },
        key: Secret::new(vec![9; 16]),
    };
    let bytes = encode(&tree);
    assert_eq!(decode(&bytes).unwrap(), tree);
    assert_eq!(hex::encode(&bytes), "02000000000000000709090909090909090909090909090909");
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(
        hex::encode(decode(&[&bytes[..], b"me"].concat()).unwrap().place.publisher.unwrap().as_bytes()),
        "6d65"
    );
    // The longest SenderId there is.
    for (len, whole) in [(MAX_SENDER_ID, true), (MAX_SENDER_ID + 1, false)] {
        assert_eq!(decode(&[&bytes[..], &vec![b'n'; len]].concat()).is_ok(), whole);
    }
    for version in [0, 1, 3] {
        assert!(decode(&[&[version], &bytes[1..]].concat()).is_err(), "version {version}");
    }
}

/// A joiner before a group whose only member makes whatever Welcomes it likes.
struct Door {
    founder: SymbolicEngine,
    group: SymbolicGroup,
    /// With the joiner alone in it. No fetch is answered, and the counter by hand.
    world: World<SymbolicEngine>,
    key_package: Bytes,
    /// What the counter says of slot 1.
    pin: Option<Pin>,
    /// How often it was asked about that slot.
    asked: usize,
}

impl Door {
    fn new(config: Config) -> Self {
        let mut world = World::new();
        world.enter(symbolic("joiner"), config);
        world.carriage_mut().hold(|action| matches!(action, Action::Lock { .. } | Action::Fetch { .. }));
        let (founder, group) = Self::found("founder", &world);
        let mut this = Self { founder, group, world, key_package: Bytes::new(), pin: None, asked: 0 };
        this.world.tell(0, Command::Join);
        this.drive();
        assert_eq!(this.machine().phase(), Phase::Joining);
        this
    }

    fn machine(&self) -> &Participant<SymbolicEngine> {
        self.world.machine(0)
    }

    fn found(name: &str, world: &World<SymbolicEngine>) -> (SymbolicEngine, SymbolicGroup) {
        let mut founder = symbolic(name);
        let params = world.machine(0).params();
        let group = founder.create(world.now(), &config().group, &params, 0).unwrap();
        (founder, group)
    }

    /// A Welcome that names a tree at [`PLACE`], its commit's pin, and the tree; `with` is let in too.
    fn welcome(&mut self, publisher: Option<SenderId>, with: &[Bytes]) -> (Bytes, Pin, Bytes) {
        let adds = [std::slice::from_ref(&self.key_package), with].concat();
        let tree = Some(TreePlace { publisher, object_id: PLACE.object_id });
        let attached = Attached { tree, spent: None };
        let now = self.world.now();
        let built =
            self.founder.create_commit_with(&self.group, now, &adds, &[], &attached).unwrap().unwrap();
        let pin = pin_of(&self.founder, &config().group, &built.commit, &built.next, 1);
        let me = self.machine().sender_id();
        let (_, welcome) = built.welcomes.into_iter().find(|(to, _)| to == me).unwrap();
        (welcome, pin, built.tree.unwrap())
    }

    fn take_welcome(&mut self, welcome: Bytes, pin: Pin) -> usize {
        self.pin = Some(pin);
        let track = self.machine().tracks().welcome(self.machine().sender_id());
        self.take(track, WelcomeObject::confirmed(pin, None, welcome).encode())
    }

    /// How many fetches of trees come of an object at group 1, object 0 of its track.
    fn take(&mut self, track: FullTrackName, payload: Bytes) -> usize {
        let object = Object { track, location: PLACE, payload };
        self.world.give(0, Event::Object(object));
        self.drive()
    }

    /// The same, of the next timer.
    fn wait(&mut self) -> usize {
        let (at, _) = self.machine().poll_timeout().unwrap();
        self.world.run_for(at.since(self.world.now()));
        self.drive()
    }

    /// Answers for the counter; how many fetches of trees there were.
    fn drive(&mut self) -> usize {
        let mut fetches = 0;
        loop {
            let held = self.world.carriage_mut().take_held();
            if held.is_empty() {
                break;
            }
            for (who, action) in held {
                match action {
                    Action::Lock { id, request } => {
                        let pin = self.pin.filter(|_| request.val == 1);
                        self.asked += usize::from(request.val == 1);
                        let receipt = pin.map(|pin| signature(&pin));
                        let state = CounterState { current: 2, pin, receipt, pin_forgotten: false };
                        let reply = Ok(LockReply::CounterError(state));
                        self.world.give(who, Event::LockReply { id, reply });
                    }
                    Action::Fetch { target: FetchTarget::Track(track), .. } => {
                        let kind = self.machine().tracks().classify(&track);
                        fetches += usize::from(matches!(kind, Some(TrackKind::Tree(_))));
                    }
                    Action::Fetch { target: FetchTarget::Namespace(_), .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let published = self.world.carriage_mut().take_published();
        self.key_package =
            published.last().map_or(std::mem::take(&mut self.key_package), |o| o.payload.clone());
        fetches
    }

    fn faults(&self, fault: Fault) -> u64 {
        self.world.faults(0, fault)
    }

    fn tree_track(&self) -> FullTrackName {
        self.machine().tracks().tree(self.founder.sender_id())
    }
}

/// Where the tree of epoch 1 is.
const PLACE: Location = Location { group_id: 1, object_id: 0 };

#[test]
fn a_welcome_that_states_a_wrong_track_for_its_tree_is_refused() {
    // In a group with one tree track, on the track of a sender; and in the other kind of group, on none.
    let founder = symbolic("founder").sender_id().clone();
    for (policy, publisher) in
        [(CommitTrackPolicy::Shared, Some(founder)), (CommitTrackPolicy::PerSender, None)]
    {
        let mut config = apart();
        config.params.commit_tracks = policy;
        let mut door = Door::new(config);
        let (welcome, pin, _) = door.welcome(publisher, &[]);
        assert_eq!(door.take_welcome(welcome, pin), 0);
        assert_eq!((door.faults(Fault::Invalid), door.machine().phase()), (1, Phase::Joining));
    }
}

#[test]
fn a_tree_that_opens_and_is_of_another_commit_is_thrown_away() {
    let mut door = Door::new(apart());
    let track = door.tree_track();
    let (welcome, pin, tree) = door.welcome(None, &[]);
    // Symbolic trees of one committer and epoch have one key.
    let mut friend = Participant::new(symbolic("friend"), apart(), door.world.now()).unwrap();
    friend.handle(door.world.now(), Command::Join).unwrap();
    let published = |action| match action {
        Action::Publish { object, .. } => Some(object.payload),
        _ => None,
    };
    let with = friend.actions().find_map(published).unwrap();
    let (_, _, wrong) = door.welcome(None, &[with]);
    // Before its Welcome: then nothing was fetched yet, and must not be at once.
    assert_eq!(door.take(track.clone(), wrong), 0);
    assert_eq!(door.take_welcome(welcome, pin), 0);
    assert_eq!((door.faults(Fault::WrongTree), door.machine().phase()), (1, Phase::Joining));
    assert_eq!(door.wait(), 1, "asked for a little later");
    door.take(track, tree);
    assert_eq!(door.machine().epoch(), Some(1));
}

#[test]
fn trees_are_waited_for_once_each_and_not_without_bound() {
    let mut config = apart();
    config.limits.own_key_packages = 1;
    let mut door = Door::new(config);
    let (welcome, pin, _) = door.welcome(None, &[]);
    assert_eq!(door.take_welcome(welcome.clone(), pin), 1);
    assert_eq!(door.take_welcome(welcome, pin), 0, "it is waited for already");
    // A second Welcome to the same epoch, as valid: another founder's.
    (door.founder, door.group) = Door::found("another", &door.world);
    let (welcome, pin, _) = door.welcome(None, &[]);
    door.take_welcome(welcome, pin);
    assert_eq!(door.wait(), 1, "the newer one is waited for in place of the first");
}

const SERVICE_KEY: &[u8] = b"service key";

/// What the service signs of slot 1.
fn signature(pin: &Pin) -> Bytes {
    SymbolicReceipts(SERVICE_KEY.into()).sign(&receipt_message(&config().group, 1, pin)).unwrap()
}

/// A joiner that knows the service's key, before a Welcome without a pin; with the Welcome's pin, and the tree.
fn bare() -> (Door, Bytes, Pin, Bytes) {
    let mut config = apart();
    config.params.service_key = Some(SERVICE_KEY.into());
    let mut door = Door::new(config);
    let (welcome, pin, tree) = door.welcome(None, &[]);
    door.pin = Some(pin);
    (door, WelcomeObject { confirmation: None, welcome }.encode(), pin, tree)
}

impl Door {
    fn take_bare(&mut self, welcome: &Bytes) -> usize {
        let track = self.machine().tracks().welcome(self.machine().sender_id());
        self.take(track, welcome.clone())
    }

    /// An object of the Commit track, beside the commit that made epoch 1.
    fn take_receipt(&mut self, object: u64, pin: Pin, receipt: Bytes) -> usize {
        let track = self.machine().tracks().commit(self.founder.sender_id());
        let payload = ReceiptObject { pin, receipt }.encode();
        self.world.give(
            0,
            Event::Object(Object { track, location: Location { group_id: 0, object_id: object }, payload }),
        );
        self.drive()
    }
}

#[test]
fn one_receipt_on_the_commit_track_lets_a_crowd_in() {
    for before in [false, true] {
        let (mut door, welcome, pin, tree) = bare();
        let mut fetches = 0;
        if before {
            fetches += door.take_receipt(1, pin, signature(&pin));
        }
        fetches += door.take_bare(&welcome);
        assert_eq!((fetches, door.asked), (usize::from(before), 0), "a crowd need not ask");
        if !before {
            fetches += door.take_receipt(1, pin, signature(&pin));
        }
        door.take(door.tree_track(), tree);
        assert_eq!((fetches, door.asked, door.machine().epoch()), (1, 0, Some(1)), "{before}");
        assert_eq!(door.machine().stats().receipts_used, 1);
    }
}

#[test]
fn a_receipt_that_nobody_signed_lets_nobody_in_and_keeps_nobody_out() {
    let (mut door, welcome, pin, tree) = bare();
    let context = <[u8; 32]>::try_from(pin.context_hash()).unwrap();
    let other = Pin::new([1; 32], context, [2; 32]);
    assert_eq!(door.take_receipt(1, pin, "forged".into()) + door.take_bare(&welcome), 0);
    assert_eq!(door.take_receipt(3, other, signature(&pin)) + door.take_receipt(5, pin, "forged".into()), 0);
    assert_eq!((door.asked, door.machine().phase()), (0, Phase::Joining));
    assert_eq!(door.wait(), 1, "the service is asked in its place");
    assert_eq!(door.asked, 1);
    door.take(door.tree_track(), tree);
    assert_eq!(door.machine().epoch(), Some(1));
}

#[test]
fn receipts_of_a_commit_track_cost_a_joiner_no_more_than_so_many_verifications() {
    let (mut door, welcome, pin, _) = bare();
    door.take_bare(&welcome);
    let most = door.machine().config().limits.commits_per_epoch as u64;
    let forged = (0..most).map(|i| door.take_receipt(2 * i + 1, pin, "forged".into())).sum::<usize>();
    assert_eq!(forged + door.take_receipt(2 * most + 1, pin, signature(&pin)), 0, "not looked at any more");
    assert_eq!(door.wait(), 1, "and the service says it all the same");
}

#[test]
fn without_receipts_a_welcome_without_a_pin_is_asked_about_at_once() {
    let mut door = Door::new(apart());
    let (welcome, pin, _) = door.welcome(None, &[]);
    door.pin = Some(pin);
    assert_eq!(door.take_bare(&WelcomeObject { confirmation: None, welcome }.encode()), 1);
    assert_eq!(door.asked, 1);
}
