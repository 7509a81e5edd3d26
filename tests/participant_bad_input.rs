//! Bad input: each is counted and reported, nothing is lost, and the participant goes on joining and
//! following afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support;
use crate::support::engines::{TestEngine, basic_client, engine};
use crate::support::{Steps, World, admit, config, pin_of};
use bytes::Bytes;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::{FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use moq_mls::codec::pinned::{ReceiptObject, WelcomeObject};
use moq_mls::counter::{CounterState, IncrementReply, LockReply, Pin};
use moq_mls::engine::Engine;
use moq_mls::notice::{Fault, Notice, Refusal};
use moq_mls::tracks::{FullTrackName, GroupName, GroupTracks, Location, SenderId, TrackNamespace};
use moq_mls::{Command, Config, Event, Failure, Object, Participant, Phase};

/// Two members, and a third who is given something bad on its way in; then all must agree.
struct Bad {
    world: World<TestEngine>,
}

const MEMBER: usize = 0;
const JOINER: usize = 2;

impl Bad {
    fn new() -> Self {
        Self::with(World::new(), &config())
    }

    /// The counter service signs receipts.
    fn signed() -> Self {
        let mut world = World::new();
        let mut config = config();
        config.params.service_key = Some(world.sign_receipts());
        Self::with(world, &config)
    }

    fn with(mut world: World<TestEngine>, config: &Config) -> Self {
        for name in ["a", "b", "c"] {
            world.enter(engine(name), config.clone());
        }
        world.tell(0, Command::Join);
        world.tell(1, Command::Join);
        world.run(3000);
        world.agree(&[0, 1]);
        Self { world }
    }

    fn tracks(&self) -> GroupTracks {
        self.world.machine(MEMBER).tracks().clone()
    }

    /// Hands an object to one participant as if it had come from the relay.
    fn give(&mut self, who: usize, track: FullTrackName, group: u64, object: u64, payload: impl Into<Bytes>) {
        let object = Object {
            track,
            location: Location { group_id: group, object_id: object },
            payload: payload.into(),
        };
        self.event(who, Event::Object(object));
    }

    fn event(&mut self, who: usize, event: Event) {
        self.world.give(who, event);
    }

    #[track_caller]
    fn counted(&self, who: usize, fault: Fault) {
        assert_eq!(self.world.faults(who, fault), 1, "{fault:?}\n{}", self.world.log().to_text());
        let told = |n: &Notice| matches!(n, Notice::PeerFault { fault: f, .. } if *f == fault);
        assert!(self.world.heard(who, told), "no notice of {fault:?}");
    }

    /// The third joins, the second commits, everyone follows.
    #[track_caller]
    fn goes_on(mut self) {
        if self.world.machine(JOINER).phase() == Phase::New {
            self.world.tell(JOINER, Command::Join);
        }
        self.world.run(30_000);
        let epoch = self.world.agree(&[0, 1, 2]);
        self.world.tell(1, Command::Update);
        self.world.run(5000);
        assert_eq!(self.world.agree(&[0, 1, 2]), epoch + 1);
    }
}

fn somebody() -> SenderId {
    SenderId::from_fingerprint([7; 32])
}

fn key_package(name: &str, sequence: u64, bad: &Bad) -> (TestEngine, Bytes) {
    let mut engine = engine(name);
    let key = engine.generate_key_package(bad.world.now(), bad.tracks().group(), sequence).unwrap();
    (engine, key.message)
}

#[test]
fn junk_on_a_key_package_track() {
    for junk in [&b""[..], b"junk", &[0; 100], &[0xff; 2000]] {
        let mut bad = Bad::new();
        let track = bad.tracks().key_package(&somebody());
        bad.give(MEMBER, track, 0, 0, junk.to_vec());
        bad.counted(MEMBER, Fault::NotMls);
        bad.goes_on();
    }
}

#[test]
fn junk_does_not_push_the_real_key_package_aside() {
    let mut bad = Bad::new();
    let track = bad.tracks().key_package(&bad.world.id(JOINER));
    bad.give(MEMBER, track, 0, u64::MAX >> 2, &b"junk"[..]);
    bad.goes_on();
}

#[test]
fn a_truncated_key_package_and_one_with_bytes_behind() {
    for change in [-1_isize, 1] {
        let mut bad = Bad::new();
        let (engine, message) = key_package("x", 0, &bad);
        let mut message = message.to_vec();
        message.resize(message.len().checked_add_signed(change).unwrap(), 0);
        let track = bad.tracks().key_package(engine.sender_id());
        bad.give(MEMBER, track, 0, 0, message);
        bad.counted(MEMBER, Fault::NotMls);
        bad.goes_on();
    }
}

#[test]
fn oversized_objects() {
    let mut bad = Bad::new();
    let tracks = bad.tracks();
    let limits = Config::new(support::group()).limits;
    bad.give(MEMBER, tracks.key_package(&somebody()), 0, 0, vec![0; limits.key_package_bytes + 1]);
    bad.counted(MEMBER, Fault::TooLarge);
    let commits = tracks.commit(&somebody());
    bad.give(1, commits, 1, 0, vec![0; limits.handshake_bytes + 1]);
    bad.counted(1, Fault::TooLarge);
    bad.world.tell(JOINER, Command::Join);
    let welcome = tracks.welcome(&bad.world.id(JOINER));
    bad.give(JOINER, welcome, 1, 0, vec![0; limits.handshake_bytes + 1]);
    bad.counted(JOINER, Fault::TooLarge);
    bad.goes_on();
}

#[test]
fn a_key_package_whose_key_is_not_its_tracks() {
    let mut bad = Bad::new();
    let (_, message) = key_package("x", 0, &bad);
    let track = bad.tracks().key_package(&somebody());
    bad.give(MEMBER, track, 0, 0, message);
    bad.counted(MEMBER, Fault::WrongSender);
    bad.goes_on();
}

#[test]
fn a_key_package_at_another_place_than_its_own() {
    let mut bad = Bad::new();
    let (engine, message) = key_package("x", 0, &bad);
    let track = bad.tracks().key_package(engine.sender_id());
    bad.give(MEMBER, track.clone(), 0, 5, message.clone());
    bad.counted(MEMBER, Fault::BadLocation);
    bad.give(1, track, 3, 0, message);
    bad.counted(1, Fault::BadLocation);
    bad.goes_on();
}

#[test]
fn a_forged_and_an_expired_key_package() {
    let mut bad = Bad::new();
    let (engine, message) = key_package("x", 0, &bad);
    let track = bad.tracks().key_package(engine.sender_id());
    let mut forged = message.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    bad.give(MEMBER, track.clone(), 0, 0, forged);
    bad.counted(MEMBER, Fault::Invalid);
    // Valid for a day: two days later it is too late.
    bad.world.run(2 * 86_400_000);
    bad.give(1, track, 0, 0, message);
    bad.counted(1, Fault::Expired);
    bad.goes_on();
}

#[test]
fn a_key_package_of_another_group_is_not_taken() {
    use moq_mls::testing::symbolic::SymbolicEngine;
    let room = |name: &str| GroupName::try_from(name).unwrap();
    let tries = [
        ("room", "room-2", Some(Fault::WrongGroup)),
        ("room~1", "room-1", Some(Fault::WrongGroup)),
        ("room~1", "room", None),
        ("room", "room~1", None),
    ];
    for (here, there, fault) in tries {
        let mut world = World::new();
        world.enter(SymbolicEngine::new("a").unwrap(), Config::new(room(here)));
        world.tell(0, Command::Join);
        world.run(1000);
        let mut newcomer = SymbolicEngine::new("x").unwrap();
        let key = newcomer.generate_key_package(world.now(), &room(there), 1).unwrap();
        let track = world.machine(0).tracks().key_package(newcomer.sender_id());
        let (location, payload) = (Location { group_id: 0, object_id: 1 }, key.message.clone());
        world.put(Object { track, location, payload });
        world.run(5000);
        let members = world.machine(0).members().count();
        assert_eq!(members, if fault.is_some() { 1 } else { 2 }, "{there} in {here}");
        assert_eq!(world.faults(0, Fault::WrongGroup), u64::from(fault.is_some()), "{there} in {here}");
        if fault.is_some() {
            let refused = world.command(0, Command::Add(key.message));
            assert!(matches!(refused, Err(moq_mls::Error::Misuse(moq_mls::Misuse::BadKeyPackage))));
        }
    }
}

/// Before there is a group, and before one is in it: what is kept until then is bound too.
#[test]
fn a_key_package_of_another_group_is_not_kept_either() {
    let mut bad = Bad::new();
    let other = GroupName::try_from("room-2").unwrap();
    let mut stranger = engine("x");
    let payload = stranger.generate_key_package(bad.world.now(), &other, 0).unwrap().message;
    let track = bad.tracks().key_package(stranger.sender_id());
    let object = Object { track, location: Location { group_id: 0, object_id: 0 }, payload };

    let now = bad.world.now();
    let mut early = Participant::new(engine("y"), config(), now).unwrap();
    early.handle(now, Command::Join).unwrap();
    early.handle(now, Event::Object(object.clone())).unwrap();
    assert_eq!(early.phase(), Phase::Bootstrapping);
    assert_eq!(early.stats().faults.get(&Fault::WrongGroup), Some(&1));

    // Nobody's Welcome reaches it.
    bad.world.carriage_mut().set_deaf(JOINER, true);
    bad.world.tell(JOINER, Command::Join);
    assert_eq!(bad.world.machine(JOINER).phase(), Phase::Joining);
    bad.event(JOINER, Event::Object(object));
    bad.counted(JOINER, Fault::WrongGroup);
    bad.world.carriage_mut().set_deaf(JOINER, false);
    bad.goes_on();
}

/// It does not say which group it was made for.
#[test]
fn a_key_package_that_knows_only_the_draft_is_not_taken() {
    let mut bad = Bad::new();
    let now = Some(bad.world.now().as_secs().into());
    let client = basic_client("x", RustCryptoProvider::default())
        .to_builder(now)
        .key_package_lifetime(Duration::from_secs(3600))
        .build();
    let message = client.generate_key_package_message(Default::default(), Default::default(), now).unwrap();
    let message = Bytes::from(message.to_bytes().unwrap());
    let sender = engine("y").inspect_key_package(bad.world.now(), &message).unwrap().unwrap().sender;
    let track = bad.tracks().key_package(&sender);
    bad.give(MEMBER, track, 0, 0, message);
    bad.counted(MEMBER, Fault::Invalid);
    bad.goes_on();
}

#[test]
fn one_poisoned_key_package_does_not_sink_the_batch() {
    use moq_mls::testing::symbolic::SymbolicEngine;
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.enter(SymbolicEngine::new(name).unwrap(), config());
    }
    world.tell(0, Command::Join);
    world.tell(1, Command::Join);
    world.run(3000);
    let epoch = world.agree(&[0, 1]);
    let mut bad = SymbolicEngine::new("x").unwrap();
    let message = bad.poisoned_key_package(world.now(), &config().group, 1).message;
    let track = world.machine(0).tracks().key_package(bad.sender_id());
    world.tell(2, Command::Join);
    world.put(Object { track, location: Location { group_id: 0, object_id: 1 }, payload: message });
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), epoch + 1, "the good one came in with the first commit");
    let refused = Notice::Refused { sender: bad.sender_id().clone(), reason: Refusal::BadKeyPackage };
    assert!(world.heard(0, |n| *n == refused) || world.heard(1, |n| *n == refused));
}

#[test]
fn a_welcome_for_another_person() {
    let mut bad = Bad::new();
    bad.world.tell(JOINER, Command::Join);
    // Every Welcome on the relay so far was for member 1.
    let tracks = bad.tracks();
    let other = tracks.welcome(&bad.world.id(1));
    let welcome = bad.world.lying(&other).values().next().unwrap().clone();
    let mine = tracks.welcome(&bad.world.id(JOINER));
    bad.give(JOINER, mine, 1, 0, welcome.clone());
    bad.counted(JOINER, Fault::NotForMe);
    // And one on a track that was never subscribed to.
    bad.give(MEMBER, other, 1, 0, welcome);
    bad.counted(MEMBER, Fault::NotForMe);
    bad.goes_on();
}

#[test]
fn a_welcome_to_another_group() {
    let mut bad = Bad::new();
    bad.world.tell(JOINER, Command::Join);
    // A stranger creates another group and adds the joiner by the KeyPackage it published here.
    let tracks = bad.tracks();
    let id = bad.world.id(JOINER);
    let key = bad.world.lying(&tracks.key_package(&id)).values().next().unwrap().clone();
    let mut stranger = engine("mallory");
    let name = GroupName::try_from("room-2").unwrap();
    let group = stranger.create(bad.world.now(), &name, &Default::default(), 0).unwrap();
    let built = stranger.create_commit(&group, bad.world.now(), &[key], &[]).unwrap().unwrap();
    let pin = pin_of(&stranger, &name, &built.commit, &built.next, 1);
    let welcome = WelcomeObject::confirmed(pin, None, built.welcomes[0].1.clone());
    let mine = tracks.welcome(&id);
    bad.give(JOINER, mine, 1, 0, welcome.encode());
    bad.counted(JOINER, Fault::WrongGroup);
    bad.goes_on();
}

#[test]
fn junk_on_the_welcome_track() {
    let mut bad = Bad::new();
    bad.world.carriage_mut().set_deaf(JOINER, true);
    bad.world.tell(JOINER, Command::Join);
    bad.world.carriage_mut().set_deaf(JOINER, false);
    let mine = bad.tracks().welcome(&bad.world.id(JOINER));
    bad.give(JOINER, mine.clone(), 1, 0, &b"junk"[..]);
    bad.counted(JOINER, Fault::NotMls);
    // A pin, and junk behind it.
    let pin = Pin::new([1; 32], [2; 32], [3; 32]);
    let junk = WelcomeObject::confirmed(pin, None, "junk".into());
    bad.give(JOINER, mine, 1, 3, junk.encode());
    assert_eq!(bad.world.faults(JOINER, Fault::NotMls), 2);
    bad.goes_on();
}

#[test]
fn junk_on_the_commit_track_takes_no_place_of_a_commits() {
    let mut bad = Bad::new();
    let commits = bad.tracks().commit(&somebody());
    let epoch = bad.world.agree(&[0, 1]);
    // On the relay, where it can never be replaced.
    let location = Location { group_id: epoch, object_id: 0 };
    bad.world.put(Object { track: commits.clone(), location, payload: Bytes::from_static(b"junk") });
    bad.world.settle();
    bad.counted(MEMBER, Fault::NotMls);
    let before = bad.world.lying(&commits).len();
    bad.world.tell(JOINER, Command::Join);
    bad.world.run(5000);
    assert!(bad.world.lying(&commits).len() > before);
    assert_eq!(bad.world.conflicts(), 0);
    bad.goes_on();
}

#[test]
fn commits_of_other_groups_and_epochs() {
    let mut bad = Bad::new();
    let commits = bad.tracks().commit(&somebody());
    let epoch = bad.world.agree(&[0, 1]);
    let mut stranger = engine("mallory");
    let other = |name: &str, stranger: &mut TestEngine| {
        let name = GroupName::try_from(name).unwrap();
        let group = stranger.create(bad_now(), &name, &Default::default(), 0).unwrap();
        stranger.create_commit(&group, bad_now(), &[], &[]).unwrap().unwrap().commit
    };
    let foreign = other("room-2", &mut stranger);
    bad.give(MEMBER, commits.clone(), epoch, 0, foreign);
    bad.counted(MEMBER, Fault::WrongGroup);
    // Of this group by name, but of epoch 0.
    let early = other("room-1", &mut stranger);
    bad.give(MEMBER, commits.clone(), epoch, 2, early.clone());
    bad.counted(MEMBER, Fault::WrongEpoch);
    // An old commit again, in its old place: nothing to say about it.
    let lying = bad.world.lying(&commits).iter().find(|(place, _)| place.object_id.is_multiple_of(2));
    let old = lying.unwrap().1.clone();
    bad.give(MEMBER, commits.clone(), 0, 0, old.clone());
    // The same one in a place of the present epoch.
    bad.give(1, commits.clone(), epoch, 4, old);
    bad.counted(1, Fault::WrongEpoch);
    // Far ahead.
    bad.give(1, commits.clone(), epoch + 1000, 0, early.clone());
    assert_eq!(bad.world.faults(1, Fault::WrongEpoch), 2);
    // And whatever its object id.
    bad.give(1, commits, epoch, 1 << 40, early);
    assert_eq!(bad.world.faults(1, Fault::WrongEpoch), 3);
    bad.goes_on();
}

fn bad_now() -> moq_mls::Timestamp {
    moq_mls::Timestamp::from_secs(1_700_000_000)
}

#[test]
fn a_damaged_commit_does_not_burn_the_real_one() {
    let mut bad = Bad::new();
    let commits = bad.tracks().commit(&somebody());
    let epoch = bad.world.agree(&[0, 1]);
    bad.world.carriage_mut().set_deaf(1, true);
    bad.world.tell(0, Command::Update);
    bad.world.run(1000);
    // A receipt has an odd object id.
    let of_this_epoch = |place: &Location| place.group_id == epoch && place.object_id.is_multiple_of(2);
    let lying = bad.world.lying(&commits).iter().find(|(place, _)| of_this_epoch(place));
    let (place, real) = lying.map(|(place, payload)| (place.object_id, payload.clone())).unwrap();
    let mut damaged = real.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    bad.give(1, commits.clone(), epoch, place, damaged);
    bad.counted(1, Fault::Invalid);
    bad.world.carriage_mut().set_deaf(1, false);
    bad.give(1, commits, epoch, place, real);
    bad.world.run(5000);
    bad.world.agree(&[0, 1]);
    bad.goes_on();
}

#[test]
fn objects_on_tracks_of_no_group_of_ours() {
    let mut bad = Bad::new();
    let namespace = TrackNamespace::new(vec![Bytes::from_static(b"room-2")]).unwrap();
    bad.give(MEMBER, FullTrackName { namespace, name: Bytes::from_static(b"commits") }, 0, 0, &b"x"[..]);
    bad.counted(MEMBER, Fault::ForeignTrack);
    bad.goes_on();
}

#[test]
fn replies_to_requests_never_made() {
    let mut bad = Bad::new();
    let state = CounterState { current: 9, pin: None, receipt: None, pin_forgotten: false };
    let replies = [
        Event::LockReply { id: LockRequestId(999), reply: Ok(LockReply::CounterError(state.clone())) },
        Event::IncrementReply { id: IncrementRequestId(999), reply: Ok(IncrementReply::Ok(state)) },
        Event::PublishReply { id: PublishId(999), reply: Err(Failure::Unknown) },
        Event::FetchReply { id: FetchId(999), reply: Ok(Vec::new()) },
        Event::SubscribeReply { id: SubscribeId(999), reply: Err(Failure::NotSent) },
    ];
    for (i, reply) in (1..).zip(replies) {
        bad.event(MEMBER, reply);
        assert_eq!(bad.world.faults(MEMBER, Fault::UnknownReply), i);
    }
    bad.goes_on();
}

#[test]
fn junk_as_a_receipt() {
    let mut bad = Bad::signed();
    let commits = bad.tracks().commit(&somebody());
    let epoch = bad.world.agree(&[0, 1]);
    bad.give(MEMBER, commits.clone(), epoch, 1, vec![0; 300]);
    bad.counted(MEMBER, Fault::BadReceipt);
    // One of a commit that nobody has is verified all the same, for it would say that the slot is decided.
    let pin = Pin::new([1; 32], [2; 32], [3; 32]);
    let receipt = ReceiptObject { pin, receipt: vec![0; 64].into() };
    bad.give(MEMBER, commits, epoch, 1, receipt.encode());
    assert_eq!(bad.world.faults(MEMBER, Fault::BadReceipt), 2);
    bad.goes_on();
}

#[test]
fn a_refused_joiner_stays_out() {
    let mut bad = Bad::new();
    let id = bad.world.id(JOINER);
    bad.world.tell(0, Command::Refuse(id.clone()));
    bad.world.tell(1, Command::Refuse(id.clone()));
    bad.world.tell(JOINER, Command::Join);
    bad.world.run(20_000);
    assert_eq!(bad.world.machine(JOINER).phase(), Phase::Joining);
    let refused = Notice::Refused { sender: id.clone(), reason: Refusal::NotAdmitted };
    assert!(bad.world.heard(0, |n| *n == refused));
    bad.world.tell(0, admit(&id, "c"));
    bad.goes_on();
}

#[test]
fn mls_messages_of_the_wrong_kind_for_their_track() {
    let mut bad = Bad::new();
    let tracks = bad.tracks();
    let epoch = bad.world.agree(&[0, 1]);
    let (_, key_package) = key_package("x", 0, &bad);
    let welcome = bad.world.lying(&tracks.welcome(&bad.world.id(1))).values().next().unwrap().clone();
    bad.give(MEMBER, tracks.key_package(&somebody()), 0, 0, welcome.clone());
    bad.give(MEMBER, tracks.commit(&somebody()), epoch, 0, key_package.clone());
    bad.give(MEMBER, tracks.commit(&somebody()), epoch, 2, welcome);
    assert_eq!(bad.world.faults(MEMBER, Fault::NotMls), 3);
    bad.world.tell(JOINER, Command::Join);
    let mine = tracks.welcome(&bad.world.id(JOINER));
    bad.give(JOINER, mine.clone(), 1, 0, key_package);
    // A message type that MLS does not have.
    bad.give(JOINER, mine, 1, 0, vec![0, 1, 0x7f, 0xff, 1, 2, 3]);
    assert_eq!(bad.world.faults(JOINER, Fault::NotMls), 2);
    bad.goes_on();
}

#[test]
fn a_flood_of_empty_commits_is_bounded() {
    let mut bad = Bad::new();
    bad.world.carriage_mut().set_deaf(JOINER, true);
    bad.world.tell(JOINER, Command::Join);
    let commits = bad.tracks().commit(&somebody());
    let told = |bad: &Bad| (0..3).map(|who| bad.world.notices(who).len()).sum::<usize>();
    let before = told(&bad);
    for group in 1000..40_000 {
        bad.give(JOINER, commits.clone(), group, 0, Bytes::new());
    }
    // Of 39,000 objects, the 4 MiB hold 16,384; the oldest make room and none is a fault.
    assert_eq!(told(&bad), before);
    bad.give(JOINER, commits, 500, 0, Bytes::new());
    bad.counted(JOINER, Fault::TooMany);
    bad.world.carriage_mut().set_deaf(JOINER, false);
    bad.goes_on();
}

#[test]
fn a_member_whose_fresh_key_package_cannot_be_committed_stays_in() {
    use moq_mls::testing::symbolic::SymbolicEngine;
    let mut world = World::new();
    for (who, name) in ["a", "b", "c"].into_iter().enumerate() {
        world.enter(SymbolicEngine::new(name).unwrap(), config());
        world.tell(who, Command::Join);
        world.run(3000);
    }
    let epoch = world.agree(&[0, 1, 2]);
    let mut engine = SymbolicEngine::new("c").unwrap();
    // A later number than that of any KeyPackage so far.
    let number = world.now().as_millis() << 16;
    let poisoned = engine.poisoned_key_package(world.now(), &config().group, number);
    let track = world.machine(0).tracks().key_package(&world.id(2));
    world.put(Object {
        track,
        location: Location { group_id: 0, object_id: number },
        payload: poisoned.message,
    });
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), epoch);
    let refused = Notice::Refused { sender: world.id(2), reason: Refusal::BadKeyPackage };
    assert!(world.heard(0, |n| *n == refused));
}
