//! What needs a look inside the engine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod altered;
mod odd_key;
mod own_identity;

use bytes::Bytes;
use mls_rs::GroupStateStorage;
use mls_rs::error::{IntoAnyError, MlsError};
use mls_rs::extension::ExtensionType;
use mls_rs_core::group::{EpochRecord, GroupState};

use crate::codec::leaf_origin::{self, LeafOrigin};
use crate::codec::params;
use crate::engine::{
    Attached, CommitOutput, ContextParams, Engine, EngineError, OwnKeyPackage, Rejection, TreePlace,
};
use crate::mls::error::{Stop, invalid};
use crate::mls::message::mls_time;
use crate::mls::settings::SMALL_WELCOME;
use crate::mls::{Broken, GroupStateSlot, MlsEngine, MlsGroup, PARAMS_EXTENSION};
use crate::testing::seeded_crypto::{SeededConfig, seeded_client, seeded_engine};
use crate::time::Timestamp;
use crate::tracks::GroupName;

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

fn name() -> GroupName {
    GroupName::try_from("g").unwrap()
}

fn group(engine: &mut MlsEngine<SeededConfig>) -> MlsGroup<SeededConfig> {
    engine.create(NOW, &name(), &ContextParams::default(), 0).unwrap()
}

type OneOf = MlsEngine<SeededConfig>;

/// Two members, each with its group.
fn two() -> (OneOf, MlsGroup<SeededConfig>, OneOf, MlsGroup<SeededConfig>) {
    let (mut a, mut b) = (seeded_engine("a", 1), seeded_engine("b", 1));
    let key = b.generate_key_package(NOW, &name(), 1).unwrap();
    let alone = group(&mut a);
    let built = a.create_commit(&alone, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let of_b = b.join(NOW, built.welcomes.first().map(|(_, w)| w).unwrap(), &key, None).unwrap().unwrap();
    (a, built.next.group, b, of_b)
}

#[test]
fn nothing_stays_in_the_slots() {
    let (mut a, mut b) = (seeded_engine("a", 1), seeded_engine("b", 1));
    let empty = |e: &MlsEngine<SeededConfig>| {
        assert!(e.key_packages.take().is_none());
        assert!(e.states.take().is_none());
    };
    let key = b.generate_key_package(NOW, &name(), 1).unwrap();
    empty(&b);
    let other = b.generate_key_package(NOW, &name(), 2).unwrap();
    let group = group(&mut a);
    let built = a.create_commit(&group, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    empty(&a);
    let (_, welcome) = &built.welcomes[0];
    b.examine_welcome(welcome, &[other.clone(), key.clone()]).unwrap().unwrap();
    empty(&b);
    let mixed = OwnKeyPackage { secret: other.secret.clone(), ..key.clone() };
    assert!(b.examine_welcome(welcome, std::slice::from_ref(&mixed)).unwrap().is_err());
    assert!(b.join(NOW, welcome, &mixed, None).unwrap().is_err());
    empty(&b);
    let joined = b.join(NOW, welcome, &key, None).unwrap().unwrap();
    empty(&b);
    let saved = b.save(&joined).unwrap();
    empty(&b);
    b.load(&saved).unwrap();
    b.load(&saved.slice(..saved.len() / 2)).unwrap_err();
    empty(&b);
}

/// A small Welcome is opened once for both, and nobody can tell: any other Welcome or key is opened anew.
#[test]
fn a_welcome_looked_into_is_joined_by_as_it_was() {
    let (mut a, mut b) = (seeded_engine("a", 1), seeded_engine("b", 1));
    let keys = [1, 2].map(|object_id| b.generate_key_package(NOW, &name(), object_id).unwrap());
    let welcomed = |a: &MlsEngine<SeededConfig>, group: &MlsGroup<SeededConfig>, key: &OwnKeyPackage| {
        a.create_commit(group, NOW, std::slice::from_ref(&key.message), &[])
            .unwrap()
            .unwrap()
            .welcomes
            .remove(0)
            .1
    };
    let group = group(&mut a);
    let [first, second] = [0, 1].map(|i| welcomed(&a, &group, &keys[i]));
    let join = |b: &mut MlsEngine<SeededConfig>, welcome, key| {
        let joined = b.join(NOW, welcome, key, None).unwrap().unwrap();
        b.epoch_authenticator(&joined).unwrap()
    };
    let (unseen_first, unseen_second) = (join(&mut b, &first, &keys[0]), join(&mut b, &second, &keys[1]));

    let info = b.examine_welcome(&first, &keys).unwrap().unwrap();
    assert!(info.has_tree && b.welcomed().is_some());
    let joined = b.join(NOW, &first, &keys[0], None).unwrap().unwrap();
    assert!(b.welcomed().is_none(), "it was opened twice");
    assert_eq!(b.view(&joined).unwrap().context_hash, info.context_hash);
    assert_eq!(b.epoch_authenticator(&joined).unwrap(), unseen_first);
    assert_eq!(join(&mut b, &first, &keys[0]), unseen_first);

    b.examine_welcome(&first, &keys).unwrap().unwrap();
    assert_eq!(join(&mut b, &second, &keys[1]), unseen_second);
    let tree = Bytes::from_static(b"no tree");
    assert!(b.join(NOW, &first, &keys[0], Some(&tree)).unwrap().is_err(), "what came with it counts");
    b.generate_key_package(NOW, &name(), 3).unwrap();
    assert!(b.welcomed().is_none(), "secrets of a group that nobody joined");
    b.examine_welcome(&first, &keys).unwrap().unwrap();
    let own = self::group(&mut b);
    b.save(&own).unwrap();
    assert!(b.welcomed().is_none(), "secrets of a group that nobody joins any more");
}

/// A buffer that nobody else holds and that does not erase itself is unique to [`Bytes`].
#[test]
fn a_saved_group_is_erased_in_the_end() {
    let mut a = seeded_engine("a", 1);
    let group = group(&mut a);
    let saved = a.save(&group).unwrap();
    drop(group);
    assert!(!saved.is_unique() && Bytes::from(saved.to_vec()).is_unique());
}

/// To try to join by it would open it once more in vain, as the tree is not there yet.
#[test]
fn only_a_welcome_with_its_tree_inside_is_tried() {
    let (mut a, mut b) = (seeded_engine("a", 1), seeded_engine("b", 1));
    let key = b.generate_key_package(NOW, &name(), 1).unwrap();
    let (group, adds) = (group(&mut a), std::slice::from_ref(&key.message));
    let whole = a.create_commit(&group, NOW, adds, &[]).unwrap().unwrap();
    let attached = Attached { tree: Some(TreePlace { publisher: None, object_id: 0 }), spent: None };
    let apart = a.create_commit_with(&group, NOW, adds, &[], &attached).unwrap().unwrap();
    let small = |built: &CommitOutput<_>| SMALL_WELCOME.contains(&built.welcomes.first().unwrap().1.len());
    assert_eq!((small(&whole), small(&apart)), (true, false), "the smallest tree there is, and none");
}

#[test]
fn the_rules_refuse_a_proposal_by_reference() {
    let (a, of_a, b, of_b) = two();
    let (mut of_a, mut joined) = (a.take(&of_a).unwrap().0, b.take(&of_b).unwrap().0);
    let own = joined.current_member_index();
    let wish = joined.propose_remove(own, Vec::new()).unwrap();
    of_a.process_incoming_message_with_time(wish, mls_time(NOW)).unwrap();
    let refused = of_a.commit_builder().commit_time(mls_time(NOW)).build().map(|_| ()).map_err(invalid);
    assert!(
        matches!(refused, Err(Stop::Rejected(Rejection::Forbidden("a proposal by reference")))),
        "{refused:?}"
    );
}

#[test]
fn the_rules_refuse_a_commit_of_a_stranger() {
    let mut a = seeded_engine("a", 1);
    let group = group(&mut a);
    let mut group = a.take(&group).unwrap().0;
    let info = group.group_info_message_allowing_ext_commit(true).unwrap();
    let stranger = seeded_client("x", 1).0.to_builder(Some(mls_time(NOW)));
    let stranger = stranger.extension_type(ExtensionType::new(PARAMS_EXTENSION)).build();
    let (_, commit) = stranger.commit_external(info).unwrap();
    let refused = group.process_incoming_message_with_time(commit, mls_time(NOW)).map_err(invalid);
    assert!(
        matches!(refused, Err(Stop::Rejected(Rejection::Forbidden("an external commit")))),
        "{refused:?}"
    );
}

/// mls-rs says the same of a key that nothing can be sealed to and of a provider that fails.
#[test]
fn a_commit_that_cannot_be_built_is_not_held_against_a_provider_that_works() {
    let why = |engine: &MlsEngine<_>| {
        engine.why_not_built(NOW, MlsError::CryptoProviderError(Broken("no such key").into_any_error()))
    };
    assert!(matches!(why(&seeded_engine("a", 1)), Stop::Rejected(Rejection::Invalid(_))));
    let (client, crypto) = seeded_client("a", 1);
    let (identity, suite) = client.signing_identity().unwrap();
    // It cannot sign, and so it cannot build a thing.
    let dumb = client.to_builder(None).signing_identity(identity.clone(), Vec::new().into(), suite).build();
    assert!(matches!(why(&MlsEngine::new(&dumb, &crypto).unwrap()), Stop::Failed(EngineError::Provider(_))));
    let engine = seeded_engine("a", 1);
    let other = engine.why_not_built(NOW, MlsError::CommitterSelfRemoval);
    assert!(matches!(other, Stop::Rejected(Rejection::Invalid(_))));
}

#[test]
fn prior_epochs_are_flushed_where_mls_rs_keeps_them() {
    let state = || GroupState { id: vec![1], data: vec![2].into() };
    let mut slot = GroupStateSlot::default();
    assert!(slot.must_flush());
    slot.write(state(), Vec::new(), Vec::new()).unwrap();
    assert!(!slot.must_flush());
    slot.write(state(), vec![EpochRecord::new(1, vec![3].into())], Vec::new()).unwrap();
    assert!(slot.must_flush());
    assert!(slot.epoch(&[1], 1).unwrap().is_none());
}

#[test]
fn params_round_trip_and_refuse_junk() {
    for hash in [None, Some([9; 32])] {
        let params = ContextParams { tree_objects: true, service_key_hash: hash, ..Default::default() };
        let bytes = params::encode(&params);
        assert_eq!(params::decode(&bytes).unwrap(), params);
        (0..bytes.len()).for_each(|cut| assert!(params::decode(&bytes[..cut]).is_err()));
        assert!(params::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}

#[test]
fn a_leaf_says_where_it_comes_from() {
    let origin = LeafOrigin { object_id: 7, group: [9; 16] };
    let bytes = leaf_origin::encode(&origin);
    assert_eq!(leaf_origin::decode(&bytes), Ok(origin));
    (0..bytes.len()).for_each(|cut| assert!(leaf_origin::decode(&bytes[..cut]).is_err()));
    assert!(leaf_origin::decode(&[bytes.as_slice(), &[0]].concat()).is_err());

    let mut a = seeded_engine("a", 1);
    let of = |e: &mut MlsEngine<_>, name: &str| {
        let key = e.generate_key_package(NOW, &GroupName::try_from(name).unwrap(), 3).unwrap();
        let info = e.inspect_key_package(NOW, &key.message).unwrap().unwrap();
        assert_eq!(info.object_id, Some(3));
        info.group.unwrap()
    };
    let room = of(&mut a, "room");
    assert_eq!(room, leaf_origin::mark(&a.sha256(b"room").unwrap()));
    assert_eq!((of(&mut a, "room~1") == room, of(&mut a, "lobby") == room), (true, false));
    assert_ne!(a.random().unwrap(), a.random().unwrap());
}

/// A commit is staged on the group itself once that was saved, and nobody can tell: the group is what it was.
#[test]
fn a_group_that_was_used_up_is_read_back() {
    let (a, of_a, b, of_b) = two();
    let commit = a.create_commit(&of_a, NOW, &[], &[]).unwrap().unwrap().commit;
    let held = |g: &MlsGroup<SeededConfig>| g.is_held();

    // Not saved: nothing could bring it back, and the commit is staged on a clone.
    let first = b.stage_commit(&of_b, NOW, &commit).unwrap().unwrap().next.unwrap();
    assert!(held(&of_b));
    let saved = b.save(&of_b).unwrap();
    let (before, roster) = (b.view(&of_b).unwrap(), b.roster(&of_b).unwrap());
    let second = b.stage_commit(&of_b, NOW, &commit).unwrap().unwrap().next.unwrap();
    assert!(!held(&of_b), "a clone was made for nothing");
    assert!(second.group.knows_its_leaves(), "a tree was walked through for nothing");
    assert_eq!(first.context_hash, second.context_hash);
    assert_eq!(b.save(&of_b).unwrap(), saved, "what is saved needs no group");
    assert!(!held(&of_b));
    assert_eq!((b.view(&of_b).unwrap(), b.roster(&of_b).unwrap()), (before, roster));
    assert!(held(&of_b));

    // A commit that fails spoils nothing, and neither does the member's own commit.
    let mut bad = commit.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    assert!(b.stage_commit(&of_b, NOW, &bad.into()).unwrap().is_err());
    assert!(b.create_commit(&of_b, NOW, &[Bytes::from_static(b"junk")], &[]).unwrap().is_err());
    b.create_commit(&of_b, NOW, &[], &[]).unwrap().unwrap();
    let again = b.stage_commit(&of_b.clone(), NOW, &commit).unwrap().unwrap().next.unwrap();
    assert_eq!(again.context_hash, first.context_hash);
    assert_eq!(b.epoch_authenticator(&again.group).unwrap(), b.epoch_authenticator(&first.group).unwrap());
}

/// The same message with one byte changed.
fn changed(message: &Bytes, at: usize, by: u8) -> Bytes {
    let mut changed = message.to_vec();
    *changed.get_mut(at).unwrap() ^= by;
    changed.into()
}

/// In a PrivateMessage to the group `g`: behind version, wire format, group, epoch, content type and no
/// authenticated data, in the sender data of 28 bytes.
const SENDER_DATA: usize = 20;

/// What a stranger sends, or what one sent oneself, uses up nothing of the group, and nobody has to read it back.
#[test]
fn a_forgery_leaves_the_group_held() {
    let (a, of_a, b, of_b) = two();
    let built = a.create_commit(&of_a, NOW, &[], &[]).unwrap().unwrap();
    let leave = a.propose_leave(&of_a, NOW).unwrap();
    let own = b.propose_leave(&of_b, NOW).unwrap();
    for saved in [false, true] {
        if saved {
            b.save(&of_b).unwrap();
        }
        for i in 1..=100 {
            assert!(b.stage_commit(&of_b, NOW, &changed(&built.commit, SENDER_DATA, i)).unwrap().is_err());
            assert!(b.open_leave(&of_b, NOW, &changed(&leave, SENDER_DATA, i)).unwrap().is_err());
            // Another version of MLS.
            assert!(b.stage_commit(&of_b, NOW, &changed(&built.commit, 1, i)).unwrap().is_err());
            assert!(matches!(b.open_leave(&of_b, NOW, &own).unwrap(), Err(Rejection::Own)));
            assert!(of_b.is_held(), "{i}: it was used up");
        }
        assert_eq!(b.open_leave(&of_b, NOW, &leave).unwrap().unwrap(), 0);
        let next = b.stage_commit(&of_b, NOW, &built.commit).unwrap().unwrap().next.unwrap();
        assert_eq!(of_b.is_held(), !saved);
        assert_eq!(next.context_hash, built.next.context_hash);
    }
}
