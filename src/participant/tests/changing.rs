//! Members that take another signature key or credential.

use super::*;
use crate::engine::{Credential, Member as GroupMember};
use crate::limits::Limits;

/// A credential that the group has already may have expired, and nobody leaves over it. One that is shown for the
/// first time must be valid.
#[test]
fn only_a_credential_that_is_new_to_the_group_must_be_valid_for_a_commit_to_be_followed() {
    for is_new in [false, true] {
        for trusted in [true, false] {
            let (mut a, mut others) = among(config(), &["b"]);
            let (b, of_b) = others.remove(0);
            if is_new {
                let held = epoch(&mut a).roster.of(b.sender_id()).unwrap().clone();
                epoch(&mut a).roster.change(GroupMember { credential: Credential::basic("it had"), ..held });
            }
            if !trusted {
                a.cx.engine.distrust("b");
            }
            let commit = b.create_commit(&of_b, NOW, &[], &[]).unwrap().unwrap().commit;
            let object = commit_at(&a, 1, 6, commit);
            arrive(&mut a, None, object);
            let taken = usize::from(!is_new || trusted);
            let seen = (slot(&mut a).candidates.len(), faults(&a, Fault::Invalid));
            assert_eq!(seen, (taken, 1 - taken as u64), "new {is_new}, trusted {trusted}");
        }
    }
}

/// Follows a commit of `b`'s that gives it another key and credential. (The symbolic engine has no such commits.)
fn change_b(a: &mut Machine, (b, of_b): &(SymbolicEngine, SymbolicGroup), new: &str) -> Vec<Notice> {
    let commit = b.create_commit(of_b, NOW, &[], &[]).unwrap().unwrap().commit;
    let object = commit_at(a, 1, 6, commit);
    arrive(a, None, object);
    let candidate = &mut slot(a).candidates[0];
    let pin = candidate.pin.unwrap();
    let (sender, credential) = (id(new), Credential::basic(new.to_owned()));
    let old = candidate.staged.updated.remove(0);
    candidate.staged.updated.push(GroupMember { sender, credential, ..old });
    decide(a, pin);
    assert_eq!(a.epoch(), Some(2));
    notices(a)
}

#[test]
fn what_is_intended_for_a_member_still_is_when_it_has_another_key() {
    let (mut a, others) = among(config(), &["b"]);
    let Carried { intents, joiners, .. } = &mut member(&mut a).carried;
    intents.removals.insert(id("b"), true);
    intents.leavers.insert(id("b"));
    let permit = Permit { credential: [1; 32], replacing: Some(id("b")) };
    let limits = Limits::default();
    joiners.let_in(&id("d"), &Credential::basic("d"), permit.clone(), &limits);
    joiners.let_in(&id("b"), &Credential::basic("b"), permit, &limits);

    let told = change_b(&mut a, &others[0], "c");
    let changed = Notice::MemberChanged {
        leaf_index: 1,
        old: id("b"),
        new: id("c"),
        credential: Credential::basic("c"),
    };
    assert!(told.contains(&changed), "{told:?}");
    assert!(epoch(&mut a).roster.of(&id("b")).is_none() && epoch(&mut a).roster.of(&id("c")).is_some());
    let Carried { intents, joiners, .. } = &member(&mut a).carried;
    assert_eq!(intents.removals, [(id("c"), true)].into());
    assert_eq!(intents.leavers, [id("c")].into());
    assert!(!joiners.admitted.contains(&id("b")), "the decision was for who it was");
    assert_eq!(joiners.admitted.get(&id("d")).unwrap().replacing, Some(id("c")));
}

#[test]
fn an_expired_credential_is_reported_again_after_the_member_changed_it() {
    let (mut a, others) = among(config(), &["b"]);
    a.cx.engine.distrust("b");
    let expired = |a: &mut Machine| {
        let Machine { cx, state: State::Member(member), .. } = a else { panic!("no member") };
        member.epoch.check_credentials(cx);
        notices(a).contains(&Notice::CredentialExpired { sender: id("b") })
    };
    assert!(expired(&mut a) && !expired(&mut a));
    let old = epoch(&mut a).roster.of(&id("b")).unwrap().clone();
    epoch(&mut a).roster.change(GroupMember { key_package_object_id: Some(7), ..old });
    change_b(&mut a, &others[0], "b");
    assert!(expired(&mut a));
}

/// Another member lets in whom the embedder wants in another's place: the other goes all the same, and once.
#[test]
fn a_replaced_member_is_removed_even_if_another_member_admitted_its_replacement() {
    let (mut a, others) = among(config(), &["b"]);
    let (b, of_b) = &others[0];
    let mut c = engine("c");
    let permit = Permit { credential: [1; 32], replacing: Some(id("b")) };
    let of_c = Credential::basic("c");
    member(&mut a).carried.joiners.let_in(&id("c"), &of_c, permit, &Limits::default());
    let key = c.generate_key_package(NOW, &config().group, 3).unwrap();
    let commit = b.create_commit(of_b, NOW, &[key.message], &[]).unwrap().unwrap().commit;
    let object = commit_at(&a, 1, 6, commit);
    arrive(&mut a, None, object);
    let pin = slot(&mut a).candidates[0].pin.unwrap();
    decide(&mut a, pin);
    let Carried { intents, joiners, .. } = &member(&mut a).carried;
    assert_eq!(intents.removals, [(id("b"), false)].into());
    assert_eq!(joiners.admitted.get(&id("c")).map(|permit| &permit.replacing), Some(&None));
}

/// A namesake that comes in as a member is put out does not save it from being barred; the embedder's decision
/// does.
#[test]
fn a_namesake_takes_nobodys_place_unasked() {
    for asked in [false, true] {
        let (mut a, others) = among(config(), &["b", "c"]);
        let (b, of_b) = &others[0];
        let mut d = engine("d").of("c");
        let key = d.generate_key_package(NOW, &config().group, 3).unwrap();
        if asked {
            let permit = Permit { credential: [1; 32], replacing: Some(id("c")) };
            let of_d = Credential::basic("c");
            member(&mut a).carried.joiners.let_in(&id("d"), &of_d, permit, &Limits::default());
        }
        let leaf = epoch(&mut a).roster.of(&id("c")).unwrap().leaf_index;
        let commit = b.create_commit(of_b, NOW, &[key.message], &[leaf]).unwrap().unwrap().commit;
        let object = commit_at(&a, 1, 6, commit);
        arrive(&mut a, None, object);
        let pin = slot(&mut a).candidates[0].pin.unwrap();
        decide(&mut a, pin);
        let Carried { intents, joiners, .. } = &member(&mut a).carried;
        assert_eq!((joiners.barred.contains(&id("c")), intents.removals.len()), (!asked, 0));
    }
}
