//! The participant over real MLS, with the providers and credentials that embedders bring.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::support;
use crate::support::engines::{basic, basic_client, engine, engine_of};
use crate::support::insider::{self, Insider};
use crate::support::{Steps, World, admit, asking, config};
use mls_rs::CryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::Action;
use moq_mls::codec::pinned::ReceiptObject;
use moq_mls::engine::{ContextParams, Credential, Engine};
use moq_mls::notice::{Fault, Hold, Notice};
use moq_mls::tracks::Location;
use moq_mls::{Command, Error, Misuse, Object, Participant, Phase};

fn life<P: CryptoProvider<CipherSuiteProvider: 'static> + Clone + 'static>(crypto: P) {
    let mut world = World::new();
    let everyone: Vec<usize> =
        (0..5).map(|i| world.enter(basic(&format!("member-{i}"), crypto.clone()), config())).collect();
    world.tell(0, Command::Join);
    world.run(1000);
    assert_eq!(world.agree(&[0]), 0);
    for who in 1..5 {
        world.tell(who, Command::Join);
    }
    world.run(5000);
    assert_eq!(world.agree(&everyone), 1, "one commit for all who wait: {}", world.log().to_text());
    world.tell(2, Command::Update);
    world.run(5000);
    assert_eq!(world.agree(&everyone), 2);
    let gone = world.id(3);
    world.tell(1, Command::Remove(gone));
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2, 4]), 3);
    assert_eq!(world.machine(3).phase(), Phase::Ended);
    world.tell(4, Command::Leave);
    world.run(5000);
    assert_eq!(world.agree(&[0, 1, 2]), 4);
    assert!(world.heard(4, |n| *n == Notice::Left));
}

#[test]
fn rustcrypto_basic() {
    life(mls_rs_crypto_rustcrypto::RustCryptoProvider::default());
}

#[test]
fn awslc_basic() {
    life(mls_rs_crypto_awslc::AwsLcCryptoProvider::default());
}

#[test]
fn second_device_of_an_identity_does_not_evict_the_first() {
    let mut world = World::new();
    for name in ["alice", "bob", "alice"] {
        world.enter(engine(name), asking());
    }
    world.tell(0, Command::Join);
    let bob = world.id(1);
    world.tell(0, admit(&bob, "bob"));
    world.tell(1, Command::Join);
    world.run(20_000);
    world.tell(2, Command::Join);
    world.run(20_000);
    let (first, second) = (world.id(0), world.id(2));
    assert!(world.agree(&[0, 1]) >= 1, "the first device is still in, alone");
    assert_eq!(world.machine(2).phase(), Phase::Joining);
    let asked = |n: &Notice| match n {
        Notice::JoinRequested { request, reason: Hold::SameIdentity { member } }
            if *request.sender() == second && *member == first =>
        {
            Some(request.clone())
        }
        _ => None,
    };
    let requests: Vec<_> = (0..2).map(|who| world.told(who).find_map(asked)).collect();
    let request = requests[1].clone().unwrap();
    assert!(requests[0].is_some() && request.key_package_ref().is_some_and(|r| r.len() == 32));

    // The embedder decides: the second device takes the place of the first.
    // Also for the KeyPackage that comes just after its decision.
    world.tell(1, Command::Admit { request, replacing: Some(first.clone()) });
    let track = world.machine(0).tracks().key_package(&second);
    let published = world.lying(&track).len();
    world.set_clock(2, 20_000);
    world.settle();
    assert_eq!(world.lying(&track).len(), published + 1);
    world.set_clock(2, 0);
    world.run(40_000);
    world.agree(&[1, 2]);
    let replaced = |n: &Notice| {
        matches!(n, Notice::MemberReplaced { old, new, credential, .. }
            if *old == first && *new == second && *credential == Credential::basic("alice"))
    };
    assert!(world.heard(1, replaced));
    assert_eq!(world.machine(0).phase(), Phase::Ended);
}

#[test]
fn a_removed_member_can_neither_follow_nor_come_back_unasked() {
    let mut world = World::new();
    let client = basic_client("m2", RustCryptoProvider::default());
    let removed_engine = engine_of(&client);
    for (i, engine) in [engine("m0"), engine("m1"), engine_of(&client)].into_iter().enumerate() {
        world.enter(engine, config());
        world.tell(i, Command::Join);
        world.run(3000);
    }
    let removed = world.id(2);
    world.tell(0, Command::Remove(removed.clone()));
    world.run(3000);
    let epoch = world.agree(&[0, 1]);
    let removed_machine = world.machine(2);
    assert!(world.heard(2, |n| *n == Notice::Removed { epoch }));
    assert!(removed_machine.export_secret(b"x", b"", 32).is_err());

    // Its KeyPackage under a fresh object id, as after a restart: nobody lets it in unasked.
    let mut engine = removed_engine;
    let number = world.now().as_millis() << 16;
    let key = engine.generate_key_package(world.now(), &config().group, number).unwrap();
    let track = world.machine(0).tracks().key_package(&removed);
    let location = Location { group_id: 0, object_id: number };
    world.put(Object { track, location, payload: key.message });
    world.run(5000);
    assert_eq!(world.agree(&[0, 1]), epoch);
    assert!(world.heard(0, |n| matches!(n, Notice::JoinRequested { reason: Hold::Barred, .. })));
    world.tell(1, admit(&removed, "m2"));
    world.run(5000);
    assert_eq!(world.machine(0).members().count(), 3, "the embedder's decision lets it back in");
}

#[test]
fn commands_that_make_no_sense_are_misuse_and_change_nothing() {
    let mut world = World::new();
    world.enter(engine("a"), config());
    let me = world.id(0);
    let misuse = |result: Result<(), moq_mls::Error>| match result {
        Err(moq_mls::Error::Misuse(misuse)) => misuse,
        other => panic!("{other:?}"),
    };
    assert_eq!(misuse(world.command(0, Command::Update)), Misuse::NotAMember);
    assert_eq!(misuse(world.command(0, Command::Leave)), Misuse::NotAMember);
    world.command(0, Command::Join).unwrap();
    assert_eq!(misuse(world.command(0, Command::Join)), Misuse::AlreadyJoined);
    assert_eq!(misuse(world.command(0, Command::Remove(me))), Misuse::OwnName);
    world.run(1000);
    assert_eq!(misuse(world.command(0, Command::Add(bytes::Bytes::new()))), Misuse::BadKeyPackage);
    assert_eq!(world.agree(&[0]), 0);
}

#[test]
fn a_participant_goes_on_after_a_restart_at_any_action() {
    let client = basic_client("b", RustCryptoProvider::default());
    // Kill the second member after each of its first actions in turn, and see it through.
    for actions in 0..40 {
        let mut world = World::new();
        world.enter(engine("a"), config());
        world.enter(engine_of(&client), config());
        world.tell(0, Command::Join);
        world.run(1000);
        world.crash_after(1, actions);
        world.tell(1, Command::Join);
        world.run(1000);
        if world.peer(1).is_some_and(|p| p.phase() == Phase::Member) {
            world.tell(1, Command::Update);
        }
        world.run(1000);
        let durable = world.durable(1).is_some();
        if durable {
            world.again(1, engine_of(&client));
        } else {
            // Nothing was durable, so nothing had left it either.
            let me = world.id(1);
            let mut mine = world.carriage().store().objects(|t| t.name == *me.as_bytes());
            assert!(mine.next().is_none(), "{actions}");
            drop(mine);
            world.restart(1, engine_of(&client)).unwrap();
            world.tell(1, Command::Join);
        }
        world.run(60_000);
        world.agree(&[0, 1]);
        assert_eq!(world.conflicts(), 0, "{actions}");
    }
}

#[test]
fn snapshots_that_cannot_be_restored_are_typed_errors() {
    use moq_mls::snapshot::{Snapshot, SnapshotError};
    let client = basic_client("a", RustCryptoProvider::default());
    let mut world = World::new();
    world.enter(engine_of(&client), config());
    world.tell(0, Command::Join);
    world.run(1000);
    let good = world.durable(0).unwrap();
    let restore = |engine, config, snapshot: &Snapshot| match moq_mls::Participant::restore(
        engine,
        config,
        snapshot,
        world.now(),
    ) {
        Ok(p) => Ok(p.epoch()),
        Err(moq_mls::Error::Snapshot(error)) => Err(error),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(restore(engine_of(&client), config(), &good), Ok(Some(0)));
    assert_eq!(restore(engine("b"), config(), &good), Err(SnapshotError::OtherParticipant));
    let mut other = config();
    other.params.commit_tracks = moq_mls::tracks::CommitTrackPolicy::PerSender;
    assert_eq!(restore(engine_of(&client), other, &good), Err(SnapshotError::OtherGroup));
    let bytes = good.to_bytes();
    for cut in 0..bytes.len() {
        let cut = Snapshot::from_bytes(bytes.slice(..cut));
        assert_eq!(restore(engine_of(&client), config(), &cut), Err(SnapshotError::Malformed));
    }
    for bit in (0..bytes.len() * 8).step_by(37) {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(restore(engine_of(&client), config(), &Snapshot::from_bytes(flipped)).is_err());
    }
}

#[test]
fn nobody_comes_in_unasked_where_the_embedder_wants_to_be_asked() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.enter(engine(name), asking());
    }
    world.tell(0, Command::Join);
    world.run(1000);
    for who in [1, 2] {
        world.tell(who, Command::Join);
    }
    world.run(5000);
    assert_eq!(world.agree(&[0]), 0);
    let (yes, no) = (world.id(1), world.id(2));
    for sender in [&yes, &no] {
        let asked = |n: &Notice| matches!(n, Notice::JoinRequested { request, reason: Hold::Policy } if request.sender() == sender);
        assert!(world.heard(0, asked));
    }
    world.tell(0, admit(&yes, "b"));
    world.tell(0, Command::Refuse(no));
    world.run(30_000);
    world.agree(&[0, 1]);
    assert_eq!(world.machine(2).phase(), Phase::Joining);
}

#[test]
fn a_group_with_other_parameters_is_a_typed_mismatch() {
    let mut world = World::new();
    world.enter(engine("a"), config());
    let mut other = config();
    other.params.commit_tracks = moq_mls::tracks::CommitTrackPolicy::PerSender;
    world.enter(engine("b"), other);
    world.tell(0, Command::Join);
    world.run(1000);
    world.tell(1, Command::Join);
    world.run(20_000);
    let told = |n: &Notice| {
        matches!(n, Notice::ParamsMismatch { group: Some(params) }
        if params.commit_tracks == moq_mls::tracks::CommitTrackPolicy::Shared)
    };
    assert!(world.heard(1, told));
    assert_eq!(world.machine(1).phase(), Phase::Joining);
    // Reported once, and it goes on waiting for a Welcome to a group like its own: parameters are no proof of anything.
    world.run(60_000);
    assert_eq!(world.told(1).filter(|n| told(n)).count(), 1);
    assert_eq!(world.machine(1).phase(), Phase::Joining);
    // It leaves, and the embedder of the other says what to do about its leaf.
    world.tell(1, Command::Leave);
    world.run(3000);
    let leaf = world.id(1);
    world.tell(0, Command::Gone(leaf));
    world.run(3000);
    world.agree(&[0]);
}

#[test]
fn in_advisory_mode_a_fork_is_reported_and_one_side_joins_again() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let mut config = config();
        config.params.mode = moq_mls::SafetyMode::Advisory;
        world.enter(engine(name), config);
    }
    world.tell(0, Command::Join);
    world.run(1000);
    world.tell(1, Command::Join);
    world.run(3000);
    let epoch = world.agree(&[0, 1]);
    // Each is notified that the other holds something else: exactly one of them moves.
    for (who, other) in [(0, 1), (1, 0)] {
        let peer = world.id(other);
        let authenticator = bytes::Bytes::from_static(b"another");
        let event = moq_mls::Event::PeerAuthenticator { peer, epoch, authenticator };
        world.handle(who, event).unwrap();
    }
    world.settle();
    for who in 0..2 {
        assert!(world.heard(who, |n| matches!(n, Notice::ForkDetected { .. })));
    }
    let moved = (0..2).filter(|who| world.machine(*who).phase() == Phase::Joining).count();
    assert_eq!(moved, 1);
    world.run(20_000);
    assert!(world.agree(&[0, 1]) > epoch);
    // The truth is no fork.
    let authenticator = world.machine(0).epoch_authenticator().unwrap();
    let (peer, epoch) = (world.id(0), world.machine(1).epoch().unwrap());
    let event = moq_mls::Event::PeerAuthenticator { peer, epoch, authenticator };
    let before = world.notices(1).len();
    world.give(1, event);
    assert_eq!(world.notices(1).len(), before);
}

#[test]
fn with_receipts_members_confirm_without_asking_the_counter() {
    let mut world = World::new();
    let key = world.sign_receipts();
    for name in ["a", "b", "c"] {
        let mut config = config();
        config.params.service_key = Some(key.clone());
        let who = world.enter(engine(name), config);
        world.tell(who, Command::Join);
        world.run(3000);
    }
    let epoch = world.agree(&[0, 1, 2]);
    let asked = |world: &World<_>, who: usize| world.machine(who).stats().lock_requests;
    let before: Vec<u64> = (0..3).map(|who| asked(&world, who)).collect();
    world.tell(0, Command::Update);
    world.run(2000);
    assert_eq!(world.agree(&[0, 1, 2]), epoch + 1);
    assert_eq!(asked(&world, 0), before[0], "nobody else has that intent: no lock");
    for who in [1, 2] {
        assert_eq!(asked(&world, who), before[who], "nobody else asks");
        assert!(world.machine(who).stats().receipts_used >= 1);
    }
}

#[test]
fn a_forged_receipt_confirms_nothing() {
    let mut world = World::new();
    let key = world.sign_receipts();
    for name in ["a", "b"] {
        let mut config = config();
        config.params.service_key = Some(key.clone());
        let who = world.enter(engine(name), config);
        world.tell(who, Command::Join);
        world.run(3000);
    }
    let epoch = world.agree(&[0, 1]);
    let used = world.machine(1).stats().receipts_used;
    // A commit that its committer never takes to the counter, with a receipt of its own making.
    let tracks = world.machine(0).tracks().clone();
    let track = tracks.commit(&world.id(0));
    world.carriage_mut().hold(|action| matches!(action, Action::Increment { .. }));
    world.tell(0, Command::Update);
    let held = (0..50).find_map(|_| {
        world.run(20);
        world.carriage_mut().take_held().pop()
    });
    let Some((0, Action::Increment { request, .. })) = held else { panic!("{held:?}") };
    world.crash(0);
    world.carriage_mut().hold(|_| false);
    assert_eq!(world.machine(1).inside().candidates, 1, "it has the commit");
    let receipt = ReceiptObject { pin: request.pin.unwrap(), receipt: vec![7; 64].into() };
    let at = Location { group_id: epoch, object_id: 1 };
    world.put(Object { track, location: at, payload: receipt.encode() });
    assert_eq!(world.faults(1, Fault::BadReceipt), 1);
    assert_eq!(world.machine(1).epoch(), Some(epoch));
    assert_eq!(world.machine(1).stats().receipts_used, used);
    // It asks instead, and finishes what the committer began.
    world.run(5000);
    assert_eq!((world.machine(1).stats().helped, world.machine(1).epoch()), (1, Some(epoch + 1)));
}

/// A GroupContext does not name the keys: it does not show what a Welcome from an insider leads to.
#[test]
fn an_insider_can_welcome_to_keys_of_its_own() {
    let (mut a, mut b) = (engine("a"), engine("b"));
    let (name, now) = (config().group, support::START);
    let mut insider = Insider::new("insider");
    let alone = a.create(now, &name, &ContextParams::default(), 0).unwrap();
    let built = a.create_commit(&alone, now, &[insider.key_package(now, &name, 0)], &[]).unwrap().unwrap();
    insider.join(now, &built.welcomes[0].1);
    let key = b.generate_key_package(now, &name, 0).unwrap();
    let forgery = insider.add(now, &key.message, &[7; 32]);
    let of_a = a.stage_commit(&built.next.group, now, &forgery.commit).unwrap().unwrap().next.unwrap();
    let mut seen = Vec::new();
    for welcome in [&forgery.real, &forgery.forged] {
        let info = b.examine_welcome(welcome, std::slice::from_ref(&key)).unwrap().unwrap();
        assert_eq!((info.context_hash, info.has_tree), (of_a.context_hash, true));
        let joined = b.join(now, welcome, &key, None).unwrap().unwrap();
        assert_eq!(b.roster(&joined).unwrap(), a.roster(&of_a.group).unwrap());
        let exported = b.export_secret(&joined, b"label", b"", 32).unwrap();
        seen.push((exported, b.epoch_authenticator(&joined).unwrap()));
    }
    let exported = |epoch_secret: &[u8]| insider::exported(epoch_secret, "label", b"", 32);
    assert_eq!(seen[0].0, a.export_secret(&of_a.group, b"label", b"", 32).unwrap());
    assert_eq!(seen[0].1, a.epoch_authenticator(&of_a.group).unwrap());
    assert_eq!(seen[1].0.as_bytes(), exported(&forgery.epoch_secret), "the insider has the joiner's keys");
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1);
}

#[test]
fn a_service_key_of_another_length_is_refused_at_once() {
    for len in [0, 31, 33, 64] {
        let mut config = config();
        config.params.service_key = Some(vec![9; len].into());
        let refused = Participant::new(engine("a"), config, support::START).map(|_| ());
        assert!(matches!(refused, Err(Error::Misuse(Misuse::BadServiceKey))), "{len}: {refused:?}");
    }
}
