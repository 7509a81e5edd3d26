//! The symbolic engine keeps the contract of `Engine`: who can open what, whose commit leads where, and
//! what is refused. What the real engine does is shown in `mls_engine.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use moq_mls::counter::service::ServiceCrypto;
use moq_mls::engine::{ContextParams, Engine, EngineError, MessageKind, OwnKeyPackage, Rejection};
use moq_mls::testing::symbolic::{
    SymbolicEngine, SymbolicGroup, SymbolicReceipts, forged_commit, junk, mix, other_message,
};
use moq_mls::tracks::GroupName;
use moq_mls::{Secret, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn room() -> GroupName {
    GroupName::try_from("room").unwrap()
}

fn engine(name: &str) -> SymbolicEngine {
    SymbolicEngine::new(name).unwrap()
}

/// A group of these members, made by the first; each with its engine.
fn group(names: &[&str]) -> Vec<(SymbolicEngine, SymbolicGroup)> {
    let mut creator = engine(names[0]);
    let alone = creator.create(NOW, &room(), &ContextParams::default(), 0).unwrap();
    let mut members = vec![(creator, alone)];
    let mut joiners: Vec<SymbolicEngine> = names[1..].iter().map(|name| engine(name)).collect();
    let keys: Vec<OwnKeyPackage> =
        joiners.iter_mut().map(|j| j.generate_key_package(NOW, &room(), 0).unwrap()).collect();
    if joiners.is_empty() {
        return members;
    }
    let adds: Vec<Bytes> = keys.iter().map(|key| key.message.clone()).collect();
    let built = members[0].0.create_commit(&members[0].1, NOW, &adds, &[]).unwrap().unwrap();
    for ((mut joiner, key), (to, welcome)) in joiners.into_iter().zip(&keys).zip(&built.welcomes) {
        assert_eq!(to, joiner.sender_id());
        let group = joiner.join(NOW, welcome, key, None).unwrap().unwrap();
        members.push((joiner, group));
    }
    members[0].1 = built.next.group;
    members
}

fn names(engine: &SymbolicEngine, group: &SymbolicGroup) -> Vec<(u32, String)> {
    let roster = engine.roster(group).unwrap();
    roster.into_iter().map(|m| (m.leaf_index, m.sender.to_string())).collect()
}

#[track_caller]
fn agree(members: &[(SymbolicEngine, SymbolicGroup)]) {
    for (engine, group) in members {
        let (first, their) = &members[0];
        assert_eq!(engine.view(group).unwrap().context_hash, first.view(their).unwrap().context_hash);
        assert_eq!(engine.epoch_authenticator(group).unwrap(), first.epoch_authenticator(their).unwrap());
        assert_eq!(engine.roster(group).unwrap(), first.roster(their).unwrap());
        assert_eq!(
            engine.export_secret(group, b"label", b"context", 40).unwrap(),
            first.export_secret(their, b"label", b"context", 40).unwrap()
        );
    }
}

#[test]
fn a_created_group_has_one_member_and_carries_its_parameters() {
    let mut a = engine("a");
    let params = ContextParams { service_key_hash: Some([7; 32]), ..ContextParams::default() };
    let group = a.create(NOW, &room(), &params, 5).unwrap();
    let view = a.view(&group).unwrap();
    assert_eq!((view.epoch, view.leaf_index, view.members), (0, 0, 1));
    assert_eq!((view.group_id, view.params), (Bytes::from_static(b"room"), Some(params)));
    assert_eq!(a.roster(&group).unwrap()[0].key_package_object_id, Some(5));
    // What only knows the draft finds no parameters.
    let draft = a.create(NOW, &room(), &ContextParams::draft(), 0).unwrap();
    assert_eq!(a.view(&draft).unwrap().params, None);
    // Created twice, two groups; also in another run.
    let again = a.create(NOW, &room(), &ContextParams::draft(), 0).unwrap();
    assert_ne!(draft.context_hash(), again.context_hash());
    let context = |life| {
        let mut a = engine("a").incarnation(life);
        *a.create(NOW, &room(), &ContextParams::draft(), 0).unwrap().context_hash()
    };
    assert_eq!(context(1), context(1));
    assert_ne!(context(0), context(1));
}

#[test]
fn key_packages_say_who_they_are_of_and_until_when() {
    let mut a = engine("a2").of("alice").lifetime(Duration::from_secs(60));
    let key = a.generate_key_package(NOW, &room(), 3).unwrap();
    assert_eq!((key.object_id, key.expires), (3, NOW.after(Duration::from_secs(60))));
    let mut b = engine("b");
    let info = b.inspect_key_package(NOW, &key.message).unwrap().unwrap();
    assert_eq!((&info.sender, &info.identity[..]), (a.sender_id(), &b"alice"[..]));
    assert_eq!(
        (info.object_id, info.key_package_ref, info.expires),
        (Some(3), key.key_package_ref.clone(), key.expires)
    );
    assert_eq!(info.credential.data, "alice");
    let late = key.expires.after(Duration::from_millis(1));
    assert!(matches!(b.inspect_key_package(late, &key.message), Ok(Err(Rejection::Expired))));
    assert_eq!(
        b.inspect_key_package(NOW, &a.draft_key_package(NOW).message).unwrap().unwrap().object_id,
        None
    );
    b.distrust("alice");
    assert!(matches!(b.inspect_key_package(NOW, &key.message), Ok(Err(Rejection::Invalid(_)))));
    // The same once more is another one: no init key twice.
    let again = a.generate_key_package(NOW, &room(), 3).unwrap();
    assert_ne!(
        (again.message, again.key_package_ref, again.secret),
        (key.message, key.key_package_ref, key.secret)
    );
}

#[test]
fn members_agree_through_adds_removes_and_updates() {
    let mut members = group(&["a", "b", "c"]);
    agree(&members);
    let before = members.clone();
    let built = members[1].0.create_commit(&members[1].1, NOW, &[], &[2]).unwrap().unwrap();
    let (c, in_c) = members.pop().unwrap();
    let staged = c.stage_commit(&in_c, NOW, &built.commit).unwrap().unwrap();
    assert!(staged.next.is_none() && staged.removed == [2]);
    let staged = members[0].0.stage_commit(&members[0].1, NOW, &built.commit).unwrap().unwrap();
    assert_eq!((staged.committer, &staged.removed[..], &staged.added[..]), (1, &[2][..], &[][..]));
    // Nothing happened to the groups it was built and tried on (RFC 9420 section 14).
    assert!(members.iter().zip(&before).all(|((_, now), (_, then))| now == then));
    let next = staged.next.unwrap();
    assert_eq!(next.context_hash, built.next.context_hash);
    assert_eq!(next.context_hash, members[0].0.view(&next.group).unwrap().context_hash);
    members[0].1 = next.group;
    members[1].1 = built.next.group;
    agree(&members);
    let built = members[0].0.create_commit(&members[0].1, NOW, &[], &[]).unwrap().unwrap();
    members[1].1 =
        members[1].0.stage_commit(&members[1].1, NOW, &built.commit).unwrap().unwrap().next.unwrap().group;
    members[0].1 = built.next.group;
    agree(&members);
    assert_eq!(members[0].0.view(&members[0].1).unwrap().epoch, 3);
}

#[test]
fn commits_of_one_epoch_are_exclusive_and_never_the_same_bytes() {
    let members = group(&["a", "b", "c"]);
    let ((a, in_a), (b, in_b), (c, in_c)) = (&members[0], &members[1], &members[2]);
    let one = a.create_commit(in_a, NOW, &[], &[]).unwrap().unwrap();
    let two = a.create_commit(in_a, NOW, &[], &[]).unwrap().unwrap();
    let rival = b.create_commit(in_b, NOW, &[], &[]).unwrap().unwrap();
    let other_life = a.clone().incarnation(1).create_commit(in_a, NOW, &[], &[]).unwrap().unwrap();
    let all: BTreeSet<Bytes> = [&one, &two, &rival, &other_life].map(|b| b.commit.clone()).into();
    assert_eq!(all.len(), 4);
    let contexts: BTreeSet<[u8; 32]> = [&one, &two, &rival].map(|b| b.next.context_hash).into();
    assert_eq!(contexts.len(), 3);
    // A member that followed one cannot follow another.
    let next = c.stage_commit(in_c, NOW, &one.commit).unwrap().unwrap().next.unwrap().group;
    for late in [&two, &rival, &one] {
        assert!(matches!(c.stage_commit(&next, NOW, &late.commit), Ok(Err(Rejection::Invalid(_)))));
    }
    // Nor can the two sides of a fork follow each other.
    let side = b.create_commit(&rival.next.group, NOW, &[], &[]).unwrap().unwrap();
    assert!(matches!(c.stage_commit(&next, NOW, &side.commit), Ok(Err(Rejection::Stranger))));
    // A member's own commit comes back as its own.
    assert!(matches!(a.stage_commit(in_a, NOW, &one.commit), Ok(Err(Rejection::Own))));
    // An engine in the same state makes the same bytes.
    assert_eq!(
        group(&["a", "b", "c"])[0].0.create_commit(in_a, NOW, &[], &[]).unwrap().unwrap().commit,
        one.commit
    );
}

#[test]
fn a_welcome_opens_for_its_key_package_alone() {
    let (mut b, mut c) = (engine("b"), engine("c"));
    let (a, alone) = group(&["a"]).remove(0);
    let (of_b, of_c) =
        (b.generate_key_package(NOW, &room(), 0).unwrap(), c.generate_key_package(NOW, &room(), 0).unwrap());
    let spare = b.generate_key_package(NOW, &room(), 1).unwrap();
    let built =
        a.create_commit(&alone, NOW, &[of_b.message.clone(), of_c.message.clone()], &[]).unwrap().unwrap();
    let (_, welcome) = &built.welcomes[0];
    let info = b.examine_welcome(welcome, &[spare.clone(), of_b.clone()]).unwrap().unwrap();
    assert_eq!((info.epoch, &info.group_id[..], info.has_tree), (1, &b"room"[..], true));
    assert_eq!(
        (info.context_hash, info.key_package_ref),
        (built.next.context_hash, of_b.key_package_ref.clone())
    );
    assert_eq!(info.params, Some(ContextParams::default()));
    assert!(matches!(b.examine_welcome(welcome, std::slice::from_ref(&spare)), Ok(Err(Rejection::NotForMe))));
    assert!(matches!(c.examine_welcome(welcome, std::slice::from_ref(&of_c)), Ok(Err(Rejection::NotForMe))));
    assert!(matches!(b.join(NOW, welcome, &spare, None), Ok(Err(Rejection::NotForMe))));
    let stolen = OwnKeyPackage { secret: Secret::new(vec![0; 32]), ..of_b.clone() };
    assert!(matches!(c.join(NOW, welcome, &stolen, None), Ok(Err(Rejection::Invalid(_)))));
    assert!(matches!(c.join(NOW, welcome, &of_b, None), Ok(Err(Rejection::Invalid(_)))), "not c's leaf");
    let joined = b.join(NOW, welcome, &of_b, None).unwrap().unwrap();
    assert_eq!(b.view(&joined).unwrap().leaf_index, 1);
    agree(&[(a, built.next.group), (b, joined)]);
}

#[test]
fn adds_fill_blank_leaves_from_the_left() {
    let members = group(&["a", "b", "c", "d"]);
    let (d, in_d) = &members[3];
    let built = d.create_commit(in_d, NOW, &[], &[0, 2]).unwrap().unwrap();
    let (d, in_d) = (d, built.next.group);
    assert_eq!(names(d, &in_d), [(1, "b".into()), (3, "d".into())]);
    let keys: Vec<Bytes> =
        ["x", "y", "z"].map(|n| engine(n).generate_key_package(NOW, &room(), 0).unwrap().message).into();
    let built = d.create_commit(&in_d, NOW, &keys, &[1]).unwrap().unwrap();
    let leaves: Vec<u32> = built.added.iter().map(|m| m.leaf_index).collect();
    assert_eq!(leaves, [0, 1, 2], "a leaf freed by the same commit is free");
    // A removed member still learns who came, and where.
    let (b, in_b) = (&members[1].0, &members[1].1);
    let first = members[3].0.clone().create_commit(&members[3].1, NOW, &keys[..1], &[1]).unwrap().unwrap();
    let staged = b.stage_commit(in_b, NOW, &first.commit).unwrap().unwrap();
    assert!(staged.next.is_none());
    assert_eq!(staged.added, first.added);
}

#[test]
fn what_cannot_be_committed_fails_the_whole_call() {
    let members = group(&["a", "b", "c"]);
    let (a, in_a) = &members[0];
    let refused = |adds: &[Bytes], removes: &[u32]| a.create_commit(in_a, NOW, adds, removes).unwrap().err();
    let mut b = engine("b").incarnation(1);
    let again = b.generate_key_package(NOW, &room(), 1).unwrap().message;
    let mut x = engine("x");
    let good = x.generate_key_package(NOW, &room(), 0).unwrap();
    let other = x.generate_key_package(NOW, &room(), 1).unwrap().message;
    let poisoned = engine("y").poisoned_key_package(NOW, &room(), 0);
    assert_eq!(
        a.inspect_key_package(NOW, &poisoned.message).unwrap().unwrap().key_package_ref,
        poisoned.key_package_ref
    );
    let invalid = |error| matches!(error, Some(Rejection::Invalid(_)));
    assert!(invalid(refused(std::slice::from_ref(&again), &[])), "a member already");
    assert!(invalid(refused(&[good.message.clone(), other], &[])), "one sender twice");
    assert!(invalid(refused(&[good.message.clone(), poisoned.message], &[])));
    assert!(invalid(refused(&[], &[0])), "itself");
    assert!(invalid(refused(&[], &[7])), "nobody");
    assert!(invalid(refused(&[], &[1, 1])), "twice");
    assert!(matches!(refused(&[junk(30)], &[]), Some(Rejection::Malformed)));
    let late = good.expires.after(Duration::from_secs(1));
    assert!(matches!(
        a.create_commit(in_a, late, std::slice::from_ref(&good.message), &[]),
        Ok(Err(Rejection::Expired))
    ));
    // A member comes back: its stale leaf goes in the same commit, and its stale copy learns that.
    let built = a.create_commit(in_a, NOW, std::slice::from_ref(&again), &[1]).unwrap().unwrap();
    assert_eq!(names(a, &built.next.group), [(0, "a".into()), (1, "b".into()), (2, "c".into())]);
    assert!(members[1].0.stage_commit(&members[1].1, NOW, &built.commit).unwrap().unwrap().next.is_none());
    let staged = members[2].0.stage_commit(&members[2].1, NOW, &built.commit).unwrap().unwrap();
    assert_eq!(staged.added[0].key_package_object_id, Some(1));
    // Two devices of one person are two members.
    let device = engine("b2").of("b").generate_key_package(NOW, &room(), 0).unwrap();
    assert!(a.create_commit(in_a, NOW, &[device.message], &[]).unwrap().is_ok());
}

#[test]
fn commits_that_are_not_for_this_state_change_nothing() {
    let members = group(&["a", "b"]);
    let (a, in_a) = &members[0];
    let (b, in_b) = &members[1];
    let invalid = |commit: &Bytes| {
        let refused = a.stage_commit(in_a, NOW, commit);
        matches!(refused, Ok(Err(Rejection::Invalid(_) | Rejection::Stranger)))
    };
    let forged = forged_commit(&room(), 1);
    let header = MessageKind::Commit { group_id: "room".into(), epoch: 1 };
    assert_eq!(a.classify(&forged).unwrap().unwrap(), header);
    assert!(invalid(&forged));
    let elsewhere = engine("z")
        .create(NOW, &GroupName::try_from("lobby").unwrap(), &ContextParams::default(), 0)
        .unwrap();
    assert!(
        invalid(&engine("z").create_commit(&elsewhere, NOW, &[], &[]).unwrap().unwrap().commit),
        "another group"
    );
    let built = b.create_commit(in_b, NOW, &[], &[]).unwrap().unwrap();
    assert!(
        invalid(&b.create_commit(&built.next.group, NOW, &[], &[]).unwrap().unwrap().commit),
        "a later epoch"
    );
    assert!(matches!(a.stage_commit(in_a, NOW, &junk(100)), Ok(Err(Rejection::Malformed))));
    let misplaced = engine("x").generate_key_package(NOW, &room(), 0).unwrap().message;
    assert!(matches!(a.stage_commit(in_a, NOW, &misplaced), Ok(Err(Rejection::Malformed))));
    // Every flipped bit is seen, and every truncation.
    for at in 0..built.commit.len() {
        let mut flipped = built.commit.to_vec();
        flipped[at] ^= 0x10;
        assert!(a.stage_commit(in_a, NOW, &flipped.into()).unwrap().is_err(), "byte {at}");
        assert!(a.stage_commit(in_a, NOW, &built.commit.slice(..at)).unwrap().is_err());
    }
    // A commit that only its committer can process.
    let faulty = b.build_faulty(in_b, NOW, &[], &[]).unwrap().unwrap();
    assert!(invalid(&faulty.commit));
    // An identity that one member trusts and the other does not.
    let mut strict = a.clone();
    strict.distrust("x");
    let key = engine("x").generate_key_package(NOW, &room(), 0).unwrap();
    let built = b.create_commit(in_b, NOW, &[key.message], &[]).unwrap().unwrap();
    assert!(a.stage_commit(in_a, NOW, &built.commit).unwrap().is_ok());
    assert!(strict.stage_commit(in_a, NOW, &built.commit).unwrap().is_err());
    let member = &built.added[0];
    assert!(a.credential_valid(&built.next.group, member, NOW));
    assert!(!strict.credential_valid(&built.next.group, member, NOW));
    // The last epoch has no successor: nothing overflows.
    assert!(a.stage_commit(in_a, NOW, &forged_commit(&room(), u64::MAX)).unwrap().is_err());
}

#[test]
fn a_leave_request_is_opened_in_its_epoch_by_others() {
    let members = group(&["a", "b"]);
    let ((a, in_a), (b, in_b)) = (&members[0], &members[1]);
    let wish = b.propose_leave(in_b, NOW).unwrap();
    assert_eq!(
        a.classify(&wish).unwrap().unwrap(),
        MessageKind::Proposal { group_id: "room".into(), epoch: 1 }
    );
    assert_eq!(a.open_leave(in_a, NOW, &wish).unwrap().unwrap(), 1);
    assert!(matches!(b.open_leave(in_b, NOW, &wish), Ok(Err(Rejection::Own))));
    let next = a.create_commit(in_a, NOW, &[], &[]).unwrap().unwrap().next.group;
    assert!(matches!(a.open_leave(&next, NOW, &wish), Ok(Err(Rejection::Invalid(_)))));
    assert!(matches!(a.open_leave(in_a, NOW, &junk(60)), Ok(Err(Rejection::Malformed))));
    assert!(matches!(a.open_leave(in_a, NOW, &forged_commit(&room(), 1)), Ok(Err(Rejection::Malformed))));
}

#[test]
fn kinds_of_messages_are_distinguished_without_a_key() {
    let members = group(&["a", "b"]);
    let (a, in_a) = &members[0];
    let key = engine("x").generate_key_package(NOW, &room(), 0).unwrap();
    let built = a.create_commit(in_a, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let stranger = engine("s");
    assert_eq!(stranger.classify(&key.message).unwrap().unwrap(), MessageKind::KeyPackage);
    assert_eq!(stranger.classify(&built.welcomes[0].1).unwrap().unwrap(), MessageKind::Welcome);
    assert_eq!(stranger.classify(&other_message()).unwrap().unwrap(), MessageKind::Other);
    for len in 0..64 {
        assert!(matches!(stranger.classify(&junk(len)), Ok(Err(Rejection::Malformed))));
    }
    let mut longer = key.message.to_vec();
    longer.push(0);
    assert!(matches!(stranger.classify(&longer.into()), Ok(Err(Rejection::Malformed))));
    assert!(matches!(stranger.classify(&a.save(in_a).unwrap()), Ok(Err(Rejection::Malformed))));
}

#[test]
fn saved_and_loaded_is_the_same_value() {
    let members = group(&["a", "b", "c"]);
    for (engine, group) in &members {
        let saved = engine.save(group).unwrap();
        let loaded = engine.load(&saved).unwrap();
        assert_eq!(loaded, *group);
        let hash = |g: &SymbolicGroup| {
            let mut hasher = DefaultHasher::new();
            g.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&loaded), hash(group));
        for len in 0..saved.len() {
            assert!(matches!(engine.load(&saved.slice(..len)), Err(EngineError::State)));
        }
    }
    assert_eq!(members.iter().map(|(_, g)| g.clone()).collect::<BTreeSet<_>>().len(), 3);
    assert!(format!("{:?}", members[1].1).starts_with("room@1#1 [a b c] "));
}

#[test]
fn secrets_depend_on_everything() {
    let members = group(&["a", "b"]);
    let (a, in_a) = &members[0];
    let next = a.create_commit(in_a, NOW, &[], &[]).unwrap().unwrap().next.group;
    let kdf = a.kdf();
    let secret = |group, label: &str, context: &str, len| {
        a.export_secret(group, label.as_bytes(), context.as_bytes(), len).unwrap().as_bytes().to_vec()
    };
    let all: BTreeSet<Vec<u8>> = [
        secret(in_a, "l", "c", 32),
        secret(in_a, "lc", "", 32),
        secret(in_a, "", "lc", 32),
        secret(in_a, "l", "d", 32),
        secret(&next, "l", "c", 32),
        a.epoch_authenticator(in_a).unwrap().to_vec(),
        kdf.extract(b"s", b"k").unwrap().as_bytes().to_vec(),
        kdf.extract(b"k", b"s").unwrap().as_bytes().to_vec(),
        kdf.expand(b"s", b"k", 32).unwrap().as_bytes().to_vec(),
    ]
    .into();
    assert_eq!(all.len(), 9);
    assert_eq!(secret(in_a, "l", "c", 100).len(), 100);
    assert_eq!(kdf.hash_len(), 32);
}

#[test]
fn receipts_are_the_services_for_this_message() {
    let service = SymbolicReceipts("key".into());
    let receipt = service.sign(b"message").unwrap();
    let a = engine("a");
    assert!(a.verify_receipt(b"key", b"message", &receipt));
    assert!(!a.verify_receipt(b"other", b"message", &receipt));
    assert!(!a.verify_receipt(b"key", b"massage", &receipt));
    assert!(!a.verify_receipt(b"key", b"message", &receipt[..31]));
}

#[test]
fn mixing_tells_short_inputs_apart() {
    let mut seen = BTreeSet::new();
    for a in 0..=255_u8 {
        for b in 0..=255_u8 {
            assert!(seen.insert(mix("t", &[&[a, b]])));
            assert!(seen.insert(mix("t", &[&[a], &[b]])));
        }
        assert!(seen.insert(mix("t", &[&[a]])));
        assert!(seen.insert(mix("t", &[&vec![0; usize::from(a) + 3]])));
    }
    assert_ne!(mix("a", &[b"b"]), mix("", &[b"a", b"b"]));
    // Half of all bits turn with each bit.
    let flips = |x: [u8; 32], y: [u8; 32]| x.iter().zip(y).map(|(x, y)| (x ^ y).count_ones()).sum::<u32>();
    for bit in 0..64 {
        let n = flips(mix("t", &[&0_u64.to_be_bytes()]), mix("t", &[&(1_u64 << bit).to_be_bytes()]));
        assert!((85..171).contains(&n), "bit {bit}: {n} of 256");
    }
}

#[test]
fn an_engine_can_go_anywhere() {
    fn anywhere<T: Clone + Eq + Ord + Hash + Send + Sync + 'static>() {}
    anywhere::<SymbolicEngine>();
    anywhere::<SymbolicGroup>();
}

/// A GroupContext does not name the keys, so that a committer can welcome a client to keys of its own making.
#[test]
fn one_context_can_have_two_sets_of_keys() {
    let mut members = group(&["a", "c"]);
    let mut b = engine("b");
    let key = b.generate_key_package(NOW, &room(), 0).unwrap();
    let (a, of_a) = members.swap_remove(0);
    let (c, of_c) = members.swap_remove(0);
    let built = a.create_commit(&of_a, NOW, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let (of_a, welcome) = (built.next.group, &built.welcomes[0].1);
    let of_c = c.stage_commit(&of_c, NOW, &built.commit).unwrap().unwrap().next.unwrap().group;
    let forged = a.forge_welcome(welcome, [7; 32]).unwrap().unwrap();
    assert!(a.forge_welcome(&built.commit, [7; 32]).unwrap().is_err());
    let keys = std::slice::from_ref(&key);
    let (real, made_up) = (b.examine_welcome(welcome, keys), b.examine_welcome(&forged, keys));
    assert_eq!(made_up.unwrap().unwrap(), real.unwrap().unwrap());
    let fooled = b.join(NOW, &forged, &key, None).unwrap().unwrap();
    let joined = b.join(NOW, welcome, &key, None).unwrap().unwrap();
    assert_eq!(b.view(&fooled).unwrap(), b.view(&joined).unwrap());
    assert_eq!(b.roster(&fooled).unwrap(), b.roster(&joined).unwrap());
    let secrets = |group| {
        let exported = b.export_secret(group, b"label", b"", 32).unwrap();
        (exported, b.epoch_authenticator(group).unwrap())
    };
    assert_eq!(secrets(&joined), secrets(&of_c));
    let (fooled_secrets, real_secrets) = (secrets(&fooled), secrets(&joined));
    assert!(fooled_secrets.0 != real_secrets.0 && fooled_secrets.1 != real_secrets.1);
    // Whatever is sent under the one keys does not open under the other, either way.
    let (commit, leave) = (c.create_commit(&of_c, NOW, &[], &[]), c.propose_leave(&of_c, NOW).unwrap());
    let commit = commit.unwrap().unwrap().commit;
    assert!(
        b.stage_commit(&joined, NOW, &commit).unwrap().is_ok()
            && b.open_leave(&joined, NOW, &leave).unwrap().is_ok()
    );
    assert!(
        b.stage_commit(&fooled, NOW, &commit).unwrap().is_err()
            && b.open_leave(&fooled, NOW, &leave).unwrap().is_err()
    );
    let commit = b.create_commit(&fooled, NOW, &[], &[]).unwrap().unwrap().commit;
    assert!(a.stage_commit(&of_a, NOW, &commit).unwrap().is_err());
    let saved = b.save(&fooled).unwrap();
    assert!(b.load(&saved).unwrap() == fooled && fooled != joined);
}
