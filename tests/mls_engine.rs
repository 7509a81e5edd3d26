//! The whole run of a group over the Engine trait, for each provider and credential type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use crate::mls_support::*;
use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::engine::{ContextParams, Engine, MessageKind, Rejection};
use moq_mls::mls::MlsEngine;
use moq_mls::testing::seeded_crypto::{SeededEngine, seeded_engine};
use moq_mls::tracks::CommitTrackPolicy;
use moq_mls::{SafetyMode, Timestamp};

fn agree<C: MlsConfig>(parties: &[&Party<C>]) {
    let (first, rest) = parties.split_first().unwrap();
    for p in rest {
        assert_eq!(p.context_hash(), first.context_hash());
        assert_eq!(p.exported(), first.exported());
        assert_eq!(
            p.engine.epoch_authenticator(p.group()).unwrap(),
            first.engine.epoch_authenticator(first.group()).unwrap()
        );
        assert_eq!(p.engine.roster(p.group()).unwrap(), first.engine.roster(first.group()).unwrap());
    }
}

/// Everything a group goes through.
fn life<C: MlsConfig>(kind: u16, mut engine: impl FnMut(&str) -> MlsEngine<C>) {
    let params = ContextParams {
        mode: SafetyMode::Advisory,
        commit_tracks: CommitTrackPolicy::PerSender,
        tree_objects: false,
        service_key_hash: Some([7; 32]),
        epoch_base: 0,
    };
    let mut a = Party::new(engine("a"));
    let mut rest: Vec<_> = ["b", "c", "d", "e"].iter().map(|n| Party::new(engine(n))).collect();

    // Create.
    a.create(&params);
    let view = a.engine.view(a.group()).unwrap();
    assert_eq!((view.epoch, view.leaf_index, view.members), (0, 0, 1));
    assert_eq!(view.group_id, group_name().as_bytes());
    assert_eq!(view.params.as_ref(), Some(&params));

    // A batch of joiners, in an order that is not that of their ids.
    let adds: Vec<Bytes> = rest.iter_mut().rev().map(Party::key_package).collect();
    for (message, p) in adds.iter().rev().zip(&rest) {
        assert_eq!(p.engine.classify(message).unwrap().unwrap(), MessageKind::KeyPackage);
        let info = a.engine.inspect_key_package(NOW, message).unwrap().unwrap();
        let own = p.key.as_ref().unwrap();
        assert_eq!((&info.sender, info.object_id), (&p.id(), Some(own.object_id)));
        assert_eq!((&info.key_package_ref, info.expires), (&own.key_package_ref, own.expires));
        assert_eq!((info.expires, info.credential.kind), (NOW.after(hours(24)), kind));
    }
    let before = a.context_hash();
    let built = a.create_commit(&adds, &[]);
    assert_eq!(a.context_hash(), before, "build must not touch the group");
    assert_eq!(built.added.len(), 4);
    a.adopt(&built);
    for p in &mut rest {
        let own = p.key.clone().unwrap();
        let (_, welcome) = built.welcomes.iter().find(|(to, _)| *to == p.id()).unwrap();
        assert_eq!(p.engine.classify(welcome).unwrap().unwrap(), MessageKind::Welcome);
        let info = p.engine.examine_welcome(welcome, std::slice::from_ref(&own)).unwrap().unwrap();
        assert_eq!((info.epoch, info.has_tree), (1, true));
        assert_eq!((&info.group_id, &info.key_package_ref), (group_name().as_bytes(), &own.key_package_ref));
        assert_eq!((info.context_hash, info.params.as_ref()), (built.next.context_hash, Some(&params)));
        p.join(&built.welcomes);
    }
    agree(&[&a, &rest[0], &rest[1], &rest[2], &rest[3]]);
    for m in a.engine.roster(a.group()).unwrap() {
        assert_eq!(m.key_package_object_id, Some(u64::from(m.leaf_index != 0)));
        assert!(a.engine.credential_valid(a.group(), &m, NOW));
    }

    // Add one and remove another in the same commit, made by a joiner.
    let [mut b, mut c, mut d, e] = <[_; 4]>::try_from(rest).ok().unwrap();
    let mut f = Party::new(engine("f"));
    let built = b.create_commit(&[f.key_package()], &[e.leaf()]);
    let kind = b.engine.classify(&built.commit).unwrap().unwrap();
    assert_eq!(kind, MessageKind::Commit { group_id: group_name().as_bytes().clone(), epoch: 1 });
    let staged = a.engine.stage_commit(a.group(), NOW, &built.commit).unwrap().unwrap();
    assert_eq!((staged.committer, &staged.removed, &staged.added), (b.leaf(), &vec![e.leaf()], &built.added));
    let next = staged.next.unwrap();
    assert_eq!(next.context_hash, built.next.context_hash);
    assert_eq!(staged.added[0].sender, f.id());
    a.group = Some(next.group);
    let gone = e.engine.stage_commit(e.group(), NOW, &built.commit).unwrap().unwrap();
    assert!(gone.next.is_none());
    assert_eq!((gone.committer, gone.removed, gone.added), (b.leaf(), vec![e.leaf()], built.added.clone()));
    c.follow(&built.commit);
    d.follow(&built.commit);
    b.adopt(&built);
    f.join(&built.welcomes);
    agree(&[&a, &b, &c, &d, &f]);
    assert_ne!(e.exported(), a.exported());

    // Rejoin: the same SenderId removed and added in one commit.
    let stale = c.leaf();
    let again = c.key_package();
    let built = a.create_commit(&[again], &[stale]);
    let staged = c.engine.stage_commit(c.group(), NOW, &built.commit).unwrap().unwrap();
    assert!(staged.next.is_none());
    assert_eq!(staged.added, built.added, "the old state knows that it is the one rejoining");
    for p in [&mut b, &mut d, &mut f] {
        p.follow(&built.commit);
    }
    a.adopt(&built);
    c.join(&built.welcomes);
    agree(&[&a, &b, &c, &d, &f]);
    let roster = a.engine.roster(a.group()).unwrap();
    let member = roster.iter().find(|m| m.sender == c.id()).unwrap();
    assert_eq!(member.key_package_object_id, Some(2));

    // An update; sequences stay through the new leaf.
    let built = d.create_commit(&[], &[]);
    assert!(built.welcomes.is_empty());
    for p in [&mut a, &mut b, &mut c, &mut f] {
        p.follow(&built.commit);
    }
    assert!(matches!(d.engine.stage_commit(d.group(), NOW, &built.commit), Ok(Err(Rejection::Own))));
    d.adopt(&built);
    agree(&[&a, &b, &c, &d, &f]);
    assert_eq!(
        a.engine.roster(a.group()).unwrap().iter().map(|m| m.key_package_object_id).collect::<Vec<_>>(),
        roster.iter().map(|m| m.key_package_object_id).collect::<Vec<_>>()
    );

    // Save, load, continue.
    let saved = b.engine.save(b.group()).unwrap();
    assert_eq!(saved, b.engine.save(b.group()).unwrap());
    b.group = Some(b.engine.load(&saved).unwrap());
    agree(&[&a, &b]);
    let built = b.create_commit(&[], &[]);
    // The outbox: the next state is saved before the commit is published.
    let outbox = b.engine.save(&built.next.group).unwrap();
    for p in [&mut a, &mut c, &mut d, &mut f] {
        p.follow(&built.commit);
    }
    b.group = Some(b.engine.load(&outbox).unwrap());
    agree(&[&a, &b, &c, &d, &f]);

    // Leave: a request, opened by everyone else, and a commit.
    let request = f.engine.propose_leave(f.group(), NOW).unwrap();
    assert!(matches!(a.engine.classify(&request).unwrap().unwrap(), MessageKind::Proposal { epoch: 5, .. }));
    assert_eq!(a.engine.open_leave(a.group(), NOW, &request).unwrap().unwrap(), f.leaf());
    assert_eq!(a.engine.open_leave(a.group(), NOW, &request).unwrap().unwrap(), f.leaf());
    assert!(matches!(f.engine.open_leave(f.group(), NOW, &request), Ok(Err(Rejection::Own))));
    let built = a.create_commit(&[], &[f.leaf()]);
    assert!(f.engine.stage_commit(f.group(), NOW, &built.commit).unwrap().unwrap().next.is_none());
    for p in [&mut b, &mut c, &mut d] {
        p.follow(&built.commit);
    }
    a.adopt(&built);
    agree(&[&a, &b, &c, &d]);
    assert_ne!(f.exported(), a.exported());
}

#[test]
fn members_agree_with_rustcrypto_and_basic_credentials() {
    life(1, |name| basic(&RustCryptoProvider::new(), name));
}

#[test]
fn members_agree_with_awslc_and_basic_credentials() {
    life(1, |name| basic(&AwsLcCryptoProvider::new(), name));
}

#[test]
fn members_agree_with_rustcrypto_and_x509_credentials() {
    let authority = Authority::new();
    life(2, |name| authority.engine(&RustCryptoProvider::new(), name, 9));
}

#[test]
fn members_agree_with_awslc_and_x509_credentials() {
    let authority = Authority::new();
    life(2, |name| authority.engine(&AwsLcCryptoProvider::new(), name, 9));
}

#[test]
fn members_agree_with_seeded_crypto() {
    life(1, |name| seeded_engine(name, 1));
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let crypto = RustCryptoProvider::new();
    let mut a = Party::new(authority.engine(&crypto, "a", 9));
    let mut b = Party::new(authority.engine(&crypto, "b", 6));
    let mut late = Party::new(authority.engine(&crypto, "late", 4));
    let mut stranger = Party::new(Authority::new().engine(&crypto, "stranger", 9));
    a.create(&ContextParams::default());

    for p in [&mut late, &mut stranger] {
        let message = p.key_package();
        assert!(matches!(a.engine.inspect_key_package(NOW, &message), Ok(Err(Rejection::Invalid(_)))));
        assert!(matches!(
            a.engine.create_commit(a.group(), NOW, &[message], &[]),
            Ok(Err(Rejection::Invalid(_)))
        ));
    }

    let built = a.create_commit(&[b.key_package()], &[]);
    let (_, welcome) = &built.welcomes[0];
    let key = b.key.clone().unwrap();
    assert!(b.engine.join(june(), welcome, &key, None).unwrap().is_err(), "one's own certificate counts too");
    b.join(&built.welcomes);
}

/// When certificates until 6 have expired.
fn june() -> Timestamp {
    NOW.after(hours(24 * 21))
}

/// Two members: the certificate of the first holds until 9, that of the second until 6.
fn nine_and_six(authority: &Authority) -> (Party<impl MlsConfig + use<>>, Party<impl MlsConfig + use<>>) {
    let crypto = RustCryptoProvider::new();
    let mut a = Party::new(authority.engine(&crypto, "a", 9));
    let mut b = Party::new(authority.engine(&crypto, "b", 6));
    a.create(&ContextParams::default());
    let built = a.create_commit(&[b.key_package()], &[]);
    a.adopt(&built);
    b.join(&built.welcomes);
    (a, b)
}

/// What to do about it is the embedder's to say.
#[test]
fn a_member_whose_certificate_expired_is_reported_and_followed_until_it_is_removed() {
    let (a, b) = nine_and_six(&Authority::new());
    let roster = a.engine.roster(a.group()).unwrap();
    let valid = |now| roster.iter().map(|m| a.engine.credential_valid(a.group(), m, now)).collect::<Vec<_>>();
    assert_eq!(valid(NOW), [true, true]);
    assert_eq!(valid(june()), [true, false]);

    let update = b.engine.create_commit(b.group(), NOW, &[], &[]).unwrap().unwrap();
    for now in [NOW, june()] {
        let staged = a.engine.stage_commit(a.group(), now, &update.commit).unwrap().unwrap();
        assert_eq!(staged.updated, [roster[1].clone()]);
        let next = staged.next.unwrap();
        assert_eq!(a.engine.credential_valid(&next.group, &staged.updated[0], now), now == NOW);
    }
}

/// Not by the time at which its KeyPackage still lived: that ends at 22:33 on 31 May, its certificate at midnight, and
/// the commit is followed at 3:33.
#[test]
fn an_added_member_is_judged_by_the_time_its_commit_is_followed() {
    let authority = Authority::new();
    let (a, b) = nine_and_six(&authority);
    let made = NOW.after(hours(24 * 12 + 19));
    for (name, until, followed) in [("c", 6, false), ("d", 9, true)] {
        let mut c = Party::new(authority.engine(&RustCryptoProvider::new(), name, until));
        let message = c.engine.generate_key_package(made, &group_name(), 3).unwrap().message;
        let add = b.engine.create_commit(b.group(), made, &[message], &[]).unwrap().unwrap();
        for (now, good) in [(made, true), (NOW.after(hours(24 * 14)), followed)] {
            assert_eq!(
                a.engine.stage_commit(a.group(), now, &add.commit).unwrap().is_ok(),
                good,
                "{name} {now:?}"
            );
        }
    }
}

#[test]
fn an_embedder_can_name_the_types() {
    struct App {
        engine: SeededEngine,
        group: <SeededEngine as Engine>::Group,
    }
    fn send<T: Send>(_: &T) {}
    let mut engine = seeded_engine("a", 1);
    let group = engine.create(NOW, &group_name(), &ContextParams::default(), 0).unwrap();
    let app = App { engine, group };
    send(&app);
    assert_eq!(format!("{:?}", app.group), "MlsGroup { group_id: call-7, epoch: 0, .. }");
    assert!(format!("{:?}", app.engine).starts_with("MlsEngine { sender: SenderId("));
}

#[test]
fn receipts_are_verified_with_ed25519() {
    use mls_rs::{CipherSuiteProvider, CryptoProvider};
    let suite = RustCryptoProvider::new().cipher_suite_provider(SUITE).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    let signature = suite.sign(&secret, b"receipt").unwrap();
    let engine = seeded_engine("a", 1);
    assert!(engine.verify_receipt(&public, b"receipt", &signature));
    assert!(!engine.verify_receipt(&public, b"another", &signature));
    assert!(!engine.verify_receipt(b"short", b"receipt", &signature));
    assert_eq!(
        hex::encode(engine.sha256(b"abc").unwrap()),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}
