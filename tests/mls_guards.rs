//! What mls-rs lets through and the engine must not; each test fails without its guard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::mls_support::*;
use bytes::Bytes;
use mls_rs::client_builder::{
    BaseConfig, ClientBuilder, PaddingMode, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::error::IntoAnyError;
use mls_rs::extension::ExtensionType;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::mls_rs_codec::MlsDecode;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Extension, ExtensionList, Group,
    IdentityProvider, MlsMessage,
};
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::codec::leaf_origin::{self, LeafOrigin};
use moq_mls::engine::{ContextParams, Engine, EngineError, Judged, Rejection};
use moq_mls::mls::{LEAF_ORIGIN_EXTENSION, MlsEngine, Options, PARAMS_EXTENSION};
use moq_mls::testing::seeded_crypto::{SeededConfig, seeded_engine};

type Seeded = Party<SeededConfig>;

fn seeded(name: &str) -> Seeded {
    Party::new(seeded_engine(name, 1))
}

/// A creator and `names`, in one group.
fn group_of(names: &[&str]) -> Vec<Seeded> {
    let mut parties: Vec<_> = names.iter().map(|n| seeded(n)).collect();
    assemble(&mut parties);
    parties
}

/// A member over bare mls-rs that keeps none of our rules.
struct Rogue {
    client: Client<RogueConfig>,
    group: Option<Group<RogueConfig>>,
}

type RogueConfig = WithMlsRules<
    DefaultMlsRules,
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<RustCryptoProvider, BaseConfig>>,
>;

fn rogue_with(encrypt: bool, tree: bool, lifetime: Duration) -> Rogue {
    let crypto = RustCryptoProvider::new();
    let (secret, public) = crypto.cipher_suite_provider(SUITE).unwrap().signature_key_generate().unwrap();
    let credential = BasicCredential::new(b"rogue".to_vec()).into_credential();
    let rules = DefaultMlsRules::new()
        .with_commit_options(
            CommitOptions::new().with_ratchet_tree_extension(tree).with_allow_external_commit(true),
        )
        .with_encryption_options(EncryptionOptions::new(encrypt, PaddingMode::None));
    let client = ClientBuilder::new()
        .crypto_provider(crypto)
        .identity_provider(BasicIdentityProvider::new())
        .mls_rules(rules)
        .key_package_lifetime(lifetime)
        .extension_types([ExtensionType::new(LEAF_ORIGIN_EXTENSION), ExtensionType::new(PARAMS_EXTENSION)])
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build();
    Rogue { client, group: None }
}

fn rogue(encrypt: bool) -> Rogue {
    rogue_with(encrypt, true, hours(24))
}

fn at(t: moq_mls::Timestamp) -> MlsTime {
    MlsTime::from(t.as_secs())
}

fn bytes(message: &MlsMessage) -> Bytes {
    message.to_bytes().unwrap().into()
}

impl Rogue {
    fn key_package(&self, from: moq_mls::Timestamp) -> Bytes {
        let none = ExtensionList::new();
        bytes(&self.client.generate_key_package_message(none.clone(), none, Some(at(from))).unwrap())
    }

    fn let_in(&mut self, by: &mut Seeded, others: &mut [Seeded]) {
        let built = by.create_commit(&[self.key_package(NOW)], &[]);
        by.adopt(&built);
        others.iter_mut().for_each(|p| p.follow(&built.commit));
        let welcome = MlsMessage::from_bytes(&built.welcomes[0].1).unwrap();
        self.group = Some(self.client.join_group(None, &welcome, Some(at(NOW))).unwrap().0);
    }

    fn group(&mut self) -> &mut Group<RogueConfig> {
        self.group.as_mut().unwrap()
    }
}

fn forbidden<T>(judged: Judged<T>) -> &'static str {
    match judged.unwrap() {
        Err(Rejection::Forbidden(rule)) => rule,
        Err(e) => panic!("{e:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn an_external_commit_is_refused() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut insider = rogue(true);
    insider.let_in(&mut a, &mut []);
    let info = insider.group().group_info_message_allowing_ext_commit(true).unwrap();
    let stranger = {
        let crypto = RustCryptoProvider::new();
        let (secret, public) = crypto.cipher_suite_provider(SUITE).unwrap().signature_key_generate().unwrap();
        Client::builder()
            .crypto_provider(crypto)
            .identity_provider(BasicIdentityProvider::new())
            .extension_types([ExtensionType::new(PARAMS_EXTENSION)])
            .signing_identity(
                SigningIdentity::new(BasicCredential::new(b"x".to_vec()).into_credential(), public),
                secret,
                SUITE,
            )
            .build()
    };
    let (_, commit) = stranger.commit_external(info).unwrap();
    // Never encrypted, so refused for that; the rule behind it has a test beside the rules.
    let refused = a.engine.stage_commit(a.group(), NOW, &bytes(&commit));
    assert_eq!(forbidden(refused), "a handshake message that is not encrypted");
}

#[test]
fn only_adds_and_removes_are_followed() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue(true);
    rogue.let_in(&mut a, &mut []);
    let other = || "a proposal other than Add and Remove";

    let group = rogue.group().clone();
    let (mut g1, mut g2, mut g3) = (group.clone(), group.clone(), group.clone());
    let reinit = g1.commit_builder().reinit(None, group.protocol_version(), SUITE, ExtensionList::new());
    let commit = reinit.unwrap().commit_time(at(NOW)).build().unwrap().commit_message;
    assert_eq!(forbidden(a.engine.stage_commit(a.group(), NOW, &bytes(&commit))), other());

    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(PARAMS_EXTENSION), vec![1, 0, 0, 0, 0]));
    let context = g2.commit_builder().set_group_context_ext(list).unwrap().commit_time(at(NOW)).build();
    let commit = context.unwrap().commit_message;
    assert_eq!(forbidden(a.engine.stage_commit(a.group(), NOW, &bytes(&commit))), other());

    // By reference: nobody caches what the commit refers to.
    let mut proposer = group.clone();
    proposer.propose_update(Vec::new()).unwrap();
    let victim = a.leaf();
    proposer.propose_remove(victim, Vec::new()).unwrap();
    let commit = proposer.commit_builder().commit_time(at(NOW)).build().unwrap().commit_message;
    assert!(a.engine.stage_commit(a.group(), NOW, &bytes(&commit)).unwrap().is_err());

    // A plain update is fine: the rogue's commits fail for what is in them only.
    let commit = g3.commit_builder().commit_time(at(NOW)).build().unwrap().commit_message;
    assert!(a.engine.stage_commit(a.group(), NOW, &bytes(&commit)).unwrap().is_ok());
}

#[test]
fn a_commit_without_a_path_is_refused() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue(true);
    rogue.let_in(&mut a, &mut []);
    let joiner = MlsMessage::from_bytes(&seeded("b").key_package()).unwrap();
    let output =
        rogue.group().commit_builder().add_member(joiner).unwrap().commit_time(at(NOW)).build().unwrap();
    assert!(!output.contains_update_path, "mls-rs alone makes and takes such a commit");
    let refused = a.engine.stage_commit(a.group(), NOW, &bytes(&output.commit_message));
    assert_eq!(forbidden(refused), "a commit without a path");
}

#[test]
fn an_unencrypted_handshake_message_is_refused() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue(false);
    rogue.let_in(&mut a, &mut []);
    let rule = "a handshake message that is not encrypted";
    let leaf = rogue.group().current_member_index();
    let leave = rogue.group().clone().propose_remove(leaf, Vec::new()).unwrap();
    assert_eq!(forbidden(a.engine.open_leave(a.group(), NOW, &bytes(&leave))), rule);
    let commit = rogue.group().commit_builder().commit_time(at(NOW)).build().unwrap().commit_message;
    assert_eq!(forbidden(a.engine.stage_commit(a.group(), NOW, &bytes(&commit))), rule);
}

#[test]
fn nobody_asks_for_another_to_leave() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue(true);
    rogue.let_in(&mut a, &mut []);
    let victim = a.leaf();
    let request = rogue.group().clone().propose_remove(victim, Vec::new()).unwrap();
    assert!(matches!(a.engine.open_leave(a.group(), NOW, &bytes(&request)), Ok(Err(Rejection::Invalid(_)))));
    let update = rogue.group().clone().propose_update(Vec::new()).unwrap();
    assert!(matches!(a.engine.open_leave(a.group(), NOW, &bytes(&update)), Ok(Err(Rejection::Invalid(_)))));
}

#[test]
fn handshake_messages_are_encrypted_and_padded() {
    let name = "a-name-one-would-recognize";
    let make = |padding| {
        let mut options = Options::default();
        options.padding = padding;
        let mut a = Party::new(basic_with(&RustCryptoProvider::new(), "a", options));
        a.create(&ContextParams::default());
        let built = a.create_commit(&[seeded(name).key_package()], &[]);
        let leave = a.engine.propose_leave(&built.next.group, NOW).unwrap();
        (built.commit, leave)
    };
    let (commit, leave) = make(PaddingMode::StepFunction);
    for message in [&commit, &leave] {
        // MLSMessage: version 1, wire format 2 is PrivateMessage.
        assert_eq!(message[..4], [0, 1, 0, 2]);
        assert!(!message.windows(name.len()).any(|w| w == name.as_bytes()));
    }
    let (bare_commit, bare_leave) = make(PaddingMode::None);
    assert!(commit.len() > bare_commit.len());
    assert!(leave.len() > bare_leave.len());
}

#[test]
fn key_packages_live_for_a_day_from_the_time_passed_in() {
    let a = seeded("a");
    let mut b = seeded("b");
    let message = b.key_package();
    let inspect = |t| a.engine.inspect_key_package(t, &message).unwrap();
    assert_eq!(inspect(NOW).unwrap().expires, NOW.after(hours(24)));
    assert_eq!(b.key.as_ref().unwrap().expires, NOW.after(hours(24)));
    assert!(inspect(NOW.after(hours(24))).is_ok());
    assert!(matches!(inspect(NOW.after(hours(25))), Err(Rejection::Expired)));
    // A reader's clock may be behind the maker's by a day, and it begins to live an hour before it is made.
    let earlier = |secs| moq_mls::Timestamp::from_secs(NOW.as_secs() - secs);
    assert!(inspect(earlier(25 * 3600)).is_ok());
    assert!(matches!(inspect(earlier(25 * 3600 + 1)), Err(Rejection::Expired)));

    let crypto = RustCryptoProvider::new();
    let mut options = Options::default();
    options.key_package_lifetime = hours(2);
    let mut short = basic_with(&crypto, "c", options.clone());
    assert_eq!(short.generate_key_package(NOW, &group_name(), 1).unwrap().expires, NOW.after(hours(2)));
    options.key_package_lifetime = hours(24 * 7);
    let refused = MlsEngine::with_options(&basic_client(&crypto, "c"), &crypto, options);
    assert!(matches!(refused, Err(EngineError::Unsupported(_))));
}

#[test]
fn a_key_package_that_hardly_expires_is_refused() {
    let a = seeded("a");
    let mut ours = ExtensionList::new();
    let origin = leaf_origin::encode(&LeafOrigin { object_id: 0, group: [0; 16] });
    ours.set(Extension::new(ExtensionType::new(LEAF_ORIGIN_EXTENSION), origin));
    // One that knows only the draft may live for as long as its library lets it.
    for (leaf, days) in [(ours, 7), (ExtensionList::new(), 366)] {
        for (lifetime, good) in [(hours(24 * days), true), (hours(24 * days + 1), false)] {
            let client = rogue_with(true, true, lifetime).client;
            let made = client.generate_key_package_message(ExtensionList::new(), leaf.clone(), Some(at(NOW)));
            let judged = a.engine.inspect_key_package(NOW, &bytes(&made.unwrap())).unwrap();
            assert_eq!(judged.is_ok(), good, "{lifetime:?}");
            assert!(good || matches!(judged, Err(Rejection::Invalid(_))));
        }
    }
}

#[test]
fn a_key_package_needs_the_groups_suite_and_both_extensions() {
    let a = seeded("a");
    let crypto = RustCryptoProvider::new();
    let mut ours = ExtensionList::new();
    let origin = leaf_origin::encode(&LeafOrigin { object_id: 0, group: [0; 16] });
    ours.set(Extension::new(ExtensionType::new(LEAF_ORIGIN_EXTENSION), origin));
    for (suite, extensions, good) in [
        (SUITE, &[LEAF_ORIGIN_EXTENSION, PARAMS_EXTENSION][..], true),
        (SUITE, &[LEAF_ORIGIN_EXTENSION], false),
        (CipherSuite::CURVE25519_CHACHA, &[LEAF_ORIGIN_EXTENSION, PARAMS_EXTENSION], false),
    ] {
        let (secret, public) = crypto.cipher_suite_provider(suite).unwrap().signature_key_generate().unwrap();
        let credential = BasicCredential::new(b"b".to_vec()).into_credential();
        let client = Client::builder()
            .crypto_provider(crypto.clone())
            .identity_provider(BasicIdentityProvider::new())
            .key_package_lifetime(hours(24))
            .extension_types(extensions.iter().copied().map(ExtensionType::new))
            .signing_identity(SigningIdentity::new(credential, public), secret, suite)
            .build();
        let made = client.generate_key_package_message(ExtensionList::new(), ours.clone(), Some(at(NOW)));
        let judged = a.engine.inspect_key_package(NOW, &bytes(&made.unwrap())).unwrap();
        assert_eq!(judged.is_ok(), good, "{suite:?} {extensions:?}");
        assert!(good || matches!(judged, Err(Rejection::Unsupported(_))), "{judged:?}");
    }
}

#[test]
fn a_key_package_that_was_tampered_with_is_refused() {
    let a = seeded("a");
    let message = seeded("b").key_package();
    for i in 0..message.len() {
        let mut bad = message.to_vec();
        bad[i] ^= 1;
        assert!(a.engine.inspect_key_package(NOW, &bad.into()).unwrap().is_err(), "byte {i}");
        assert!(a.engine.inspect_key_package(NOW, &message.slice(..i)).unwrap().is_err());
    }
    let mut long = message.to_vec();
    long.push(0);
    assert!(matches!(a.engine.inspect_key_package(NOW, &long.clone().into()), Ok(Err(Rejection::Malformed))));
    assert!(matches!(a.engine.classify(&long.into()), Ok(Err(Rejection::Malformed))));
}

#[test]
fn a_peer_that_knows_only_the_draft_has_no_sequence() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue(true);
    let info = a.engine.inspect_key_package(NOW, &rogue.key_package(NOW)).unwrap().unwrap();
    assert_eq!((info.object_id, info.group), (None, None));
    rogue.let_in(&mut a, &mut []);
    let roster = a.engine.roster(a.group()).unwrap();
    assert_eq!(roster.iter().map(|m| m.key_package_object_id).collect::<Vec<_>>(), [Some(0), None]);
    // Whatever it puts into its leaf later, the roster stays readable.
    let mut junk = ExtensionList::new();
    junk.set(Extension::new(ExtensionType::new(LEAF_ORIGIN_EXTENSION), b"junk".to_vec()));
    let commit = rogue.group().commit_builder().set_leaf_node_extensions(junk).commit_time(at(NOW));
    a.follow(&bytes(&commit.build().unwrap().commit_message));
    let roster = a.engine.roster(a.group()).unwrap();
    assert_eq!(roster.iter().map(|m| m.key_package_object_id).collect::<Vec<_>>(), [Some(0), None]);
}

/// An identity provider that can be made to fail.
#[derive(Clone)]
struct Flaky(Arc<AtomicBool>);

#[derive(Debug)]
struct Down;
impl IntoAnyError for Down {}

impl IdentityProvider for Flaky {
    type Error = Down;
    fn validate_member(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), Down> {
        if self.0.load(Ordering::SeqCst) { Err(Down) } else { Ok(()) }
    }
    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Down> {
        Err(Down)
    }
    fn identity(&self, s: &SigningIdentity, e: &ExtensionList) -> Result<Vec<u8>, Down> {
        BasicIdentityProvider::new().identity(s, e).map_err(|_| Down)
    }
    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Down> {
        Ok(true)
    }
    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::BASIC]
    }
}

#[test]
fn staging_that_failed_can_be_repeated() {
    let down = Arc::new(AtomicBool::new(false));
    let crypto = RustCryptoProvider::new();
    let mut flaky = {
        let (secret, public) = crypto.cipher_suite_provider(SUITE).unwrap().signature_key_generate().unwrap();
        let credential = BasicCredential::new(b"flaky".to_vec()).into_credential();
        let client = Client::builder()
            .crypto_provider(crypto.clone())
            .identity_provider(Flaky(down.clone()))
            .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
            .build();
        Party::new(MlsEngine::new(&client, &crypto).unwrap())
    };
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let built = a.create_commit(&[flaky.key_package()], &[]);
    a.adopt(&built);
    flaky.join(&built.welcomes);

    let built = a.create_commit(&[seeded("b").key_package()], &[]);
    down.store(true, Ordering::SeqCst);
    assert!(flaky.engine.stage_commit(flaky.group(), NOW, &built.commit).unwrap().is_err());
    down.store(false, Ordering::SeqCst);
    let staged = flaky.engine.stage_commit(flaky.group(), NOW, &built.commit).unwrap().unwrap();
    assert_eq!(staged.next.unwrap().context_hash, built.next.context_hash);
}

#[test]
fn a_commit_leads_only_from_its_own_epoch() {
    let mut parties = group_of(&["a", "b", "c"]);
    let [a, b, c] = &mut parties[..] else { unreachable!() };
    // Two candidates for one epoch: both work, on clones, and differ.
    let (from_a, from_b) = (a.create_commit(&[], &[]), b.create_commit(&[], &[]));
    let (ta, tb) = (
        c.engine.stage_commit(c.group(), NOW, &from_a.commit).unwrap().unwrap(),
        c.engine.stage_commit(c.group(), NOW, &from_b.commit).unwrap().unwrap(),
    );
    assert_ne!(ta.next.as_ref().unwrap().context_hash, tb.next.unwrap().context_hash);
    // Once one is adopted, the other leads nowhere; nor does the first again.
    c.group = ta.next.map(|n| n.group);
    a.adopt(&from_a);
    b.follow(&from_a.commit);
    for late in [&from_a.commit, &from_b.commit] {
        assert!(matches!(c.engine.stage_commit(c.group(), NOW, late), Ok(Err(Rejection::Invalid(_)))));
    }
    // What b built before is a value of the old epoch: it cannot be applied to what b has now.
    assert_eq!(b.engine.view(b.group()).unwrap().epoch, 2);
    assert_ne!(b.context_hash(), from_b.next.context_hash);
}

#[test]
fn a_welcome_needs_its_keys() {
    let mut a = seeded("a");
    let mut b = seeded("b");
    a.create(&ContextParams::default());
    let built = a.create_commit(&[b.key_package()], &[]);
    let (_, welcome) = &built.welcomes[0];
    let key = b.key.take().unwrap();
    b.key_package();
    let other = b.key.take().unwrap();
    b.group = Some(b.engine.join(NOW, welcome, &key, None).unwrap().unwrap());
    // The engine kept nothing, in the join or since the KeyPackage was made.
    assert!(matches!(b.engine.examine_welcome(welcome, &[]), Ok(Err(Rejection::NotForMe))));
    assert!(matches!(
        b.engine.examine_welcome(welcome, std::slice::from_ref(&other)),
        Ok(Err(Rejection::NotForMe))
    ));
    assert!(matches!(b.engine.join(NOW, welcome, &other, None), Ok(Err(Rejection::NotForMe))));
    // Among several keys the right one is found.
    assert_eq!(
        b.engine.examine_welcome(welcome, &[other, key.clone()]).unwrap().unwrap().key_package_ref,
        key.key_package_ref
    );
}

#[test]
fn one_bad_key_package_fails_the_build() {
    let mut parties = group_of(&["a", "b"]);
    let expired = {
        let mut c = seeded("c");
        let t = moq_mls::Timestamp::from_secs(NOW.as_secs() - 2 * 24 * 3600);
        c.engine.generate_key_package(t, &group_name(), 1).unwrap().message
    };
    let duplicate = parties[1].key_package();
    let good = seeded("d").key_package();
    let a = &parties[0];
    let before = a.engine.save(a.group()).unwrap();
    assert!(matches!(
        a.engine.create_commit(a.group(), NOW, &[good.clone(), expired], &[]),
        Ok(Err(Rejection::Expired))
    ));
    assert!(matches!(
        a.engine.create_commit(a.group(), NOW, &[good.clone(), duplicate], &[]),
        Ok(Err(Rejection::Invalid(_)))
    ));
    assert!(a.engine.create_commit(a.group(), NOW, std::slice::from_ref(&good), &[9]).unwrap().is_err());
    assert!(a.engine.create_commit(a.group(), NOW, &[], &[a.leaf()]).unwrap().is_err());
    assert_eq!(a.engine.save(a.group()).unwrap(), before);
    assert_eq!(a.create_commit(&[good], &[]).added.len(), 1);
}

#[test]
fn welcomes_find_their_recipients() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rest: Vec<_> = (0..40).map(|i| seeded(&format!("m{i}"))).collect();
    let mut adds: Vec<Bytes> = rest.iter_mut().map(Party::key_package).collect();
    // Any order but that of the parties.
    adds.sort_by_key(|m| m.iter().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(*b))));
    let built = a.create_commit(&adds, &[]);
    a.adopt(&built);
    assert_eq!(built.welcomes.len(), 40);
    for p in &mut rest {
        p.join(&built.welcomes);
        assert_eq!(p.context_hash(), a.context_hash());
        let own = built.added.iter().find(|m| m.sender == p.id()).unwrap();
        assert_eq!(own.leaf_index, p.leaf());
    }
}

#[test]
fn leaves_freed_by_a_commit_are_filled_from_the_left() {
    // The engine cannot read from mls-rs what it reports to a removed member about the added ones.
    let mut parties = group_of(&["a", "b", "c", "d", "e"]);
    let (b, d) = (parties[1].leaf(), parties[3].leaf());
    let adds: Vec<Bytes> = ["x", "y", "z"].iter().map(|n| seeded(n).key_package()).collect();
    let built = parties[0].create_commit(&adds, &[d, b]);
    let sorted = |mut members: Vec<moq_mls::engine::Member>| {
        members.sort_by_key(|m| m.leaf_index);
        members
    };
    for i in [1, 2, 3, 4] {
        let p = &mut parties[i];
        let staged = p.engine.stage_commit(p.group(), NOW, &built.commit).unwrap().unwrap();
        assert_eq!(sorted(staged.added), sorted(built.added.clone()));
        assert_eq!(staged.next.is_none(), i == 1 || i == 3);
    }
}

#[test]
fn a_saved_group_forgets() {
    let mut parties = group_of(&["a", "b"]);
    let [a, b] = &mut parties[..] else { unreachable!() };
    let contains = |saved: &Bytes, secret: &[u8]| saved.windows(secret.len()).any(|w| w == secret);
    let authenticator = |p: &Seeded| p.engine.epoch_authenticator(p.group()).unwrap();
    let old = authenticator(a);
    assert!(contains(&a.engine.save(a.group()).unwrap(), &old));
    let size = a.engine.save(a.group()).unwrap().len();
    for _ in 0..10 {
        let built = b.create_commit(&[], &[]);
        b.adopt(&built);
        a.follow(&built.commit);
        let built = a.create_commit(&[], &[]);
        a.adopt(&built);
        b.follow(&built.commit);
    }
    for p in [&*a, &*b] {
        let saved = p.engine.save(p.group()).unwrap();
        assert!(contains(&saved, &authenticator(p)));
        assert!(!contains(&saved, &old));
        assert!(saved.len() < size + 512, "{size} grew to {}", saved.len());
    }

    // The init key dies with the join.
    let mut c = seeded("c");
    let built = a.create_commit(&[c.key_package()], &[]);
    let data = KeyPackageData::mls_decode(&mut c.key.as_ref().unwrap().secret.as_bytes()).unwrap();
    c.join(&built.welcomes);
    let saved = c.engine.save(c.group()).unwrap();
    assert!(contains(&saved, &data.leaf_node_key));
    assert!(!contains(&saved, &data.init_key));
}

#[test]
fn a_damaged_save_is_refused() {
    let parties = group_of(&["a", "b"]);
    let a = &parties[0];
    let saved = a.engine.save(a.group()).unwrap();
    assert!(a.engine.load(&saved).is_ok());
    for cut in 0..saved.len() {
        assert!(matches!(a.engine.load(&saved.slice(..cut)), Err(EngineError::State)), "{cut}");
    }
    assert!(a.engine.load(&Bytes::from_static(b"\x02\0\0")).is_err());
}

#[test]
fn junk_is_refused_without_harm() {
    let parties = group_of(&["a", "b"]);
    let [a, b] = &parties[..] else { unreachable!() };
    let commit = a.create_commit(&[], &[]).commit;
    for i in 0..commit.len() {
        let mut bad = commit.to_vec();
        bad[i] ^= 0x40;
        let bad = Bytes::from(bad);
        assert!(b.engine.stage_commit(b.group(), NOW, &bad).unwrap().is_err(), "byte {i}");
        assert!(b.engine.stage_commit(b.group(), NOW, &commit.slice(..i)).unwrap().is_err());
        assert!(b.engine.classify(&commit.slice(..i)).unwrap().is_err());
        let _ = b.engine.classify(&bad).unwrap();
        assert!(b.engine.open_leave(b.group(), NOW, &bad).unwrap().is_err());
        assert!(b.engine.examine_welcome(&bad, &[]).unwrap().is_err());
    }
    assert!(b.engine.stage_commit(b.group(), NOW, &commit).unwrap().is_ok());
}

#[test]
fn a_late_member_still_follows() {
    let mut parties = group_of(&["a", "b"]);
    let [a, b] = &mut parties[..] else { unreachable!() };
    // Added in the last second of its lifetime.
    let mut c = seeded("c");
    let message = c.key_package();
    let last = NOW.after(hours(24));
    let built = a.engine.create_commit(a.group(), last, &[message], &[]).unwrap().unwrap();
    let staged = |t| b.engine.stage_commit(b.group(), t, &built.commit).unwrap();
    assert!(staged(last.after(Duration::from_secs(1))).is_ok());
    // The committer was the one to judge: a clock that is wrong by days costs nobody the group.
    assert!(staged(last.after(hours(24 * 30))).is_ok());
    let back = |secs: u64| moq_mls::Timestamp::from_secs(NOW.as_secs() - secs);
    assert!(staged(back(30 * 24 * 3600)).is_ok());
}

#[test]
fn a_silent_member_does_not_close_the_group() {
    // b never commits: its leaf is still that of its KeyPackage, long expired.
    let mut parties = group_of(&["a", "b"]);
    let a = &mut parties[0];
    let later = NOW.after(hours(24 * 30));
    let mut c = seeded("c");
    let key = c.engine.generate_key_package(later, &group_name(), 1).unwrap();
    let built =
        a.engine.create_commit(a.group(), later, std::slice::from_ref(&key.message), &[]).unwrap().unwrap();
    let joined = c.engine.join(later, &built.welcomes[0].1, &key, None).unwrap().unwrap();
    assert_eq!(c.engine.view(&joined).unwrap().members, 3);
}

#[test]
fn a_tree_can_come_apart() {
    let mut a = seeded("a");
    a.create(&ContextParams::default());
    let mut rogue = rogue_with(true, false, hours(24));
    rogue.let_in(&mut a, &mut []);
    let mut b = seeded("b");
    let joiner = MlsMessage::from_bytes(&b.key_package()).unwrap();
    let group = rogue.group();
    let wrong: Bytes = group.export_tree().to_bytes().unwrap().into();
    let output = group.commit_builder().add_member(joiner).unwrap().commit_time(at(NOW)).build().unwrap();
    let welcome = bytes(&output.welcome_messages[0]);
    let tree: Bytes = output.ratchet_tree.unwrap().to_bytes().unwrap().into();
    let key = b.key.clone().unwrap();
    assert!(!b.engine.examine_welcome(&welcome, std::slice::from_ref(&key)).unwrap().unwrap().has_tree);
    let mut join = |tree: Option<&Bytes>| b.engine.join(NOW, &welcome, &key, tree).unwrap();
    assert!(matches!(join(None), Err(Rejection::Invalid(_))));
    assert!(matches!(join(Some(&wrong)), Err(Rejection::Invalid(_))));
    assert!(matches!(join(Some(&tree.slice(..9))), Err(Rejection::Malformed)));
    assert!(join(Some(&tree)).is_ok());
}

/// Everything a small group puts on the wire or into storage.
fn transcript(seed: u64) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut parties: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|n| Party::new(seeded_engine(n, seed))).collect();
    let (a, rest) = parties.split_first_mut().unwrap();
    a.create(&ContextParams::default());
    let adds: Vec<Bytes> = rest.iter_mut().map(Party::key_package).collect();
    adds.iter().for_each(|m| assert!(a.engine.inspect_key_package(NOW, m).unwrap().is_ok()));
    let built = a.create_commit(&adds, &[]);
    out.extend(adds);
    out.push(built.commit.clone());
    out.extend(built.welcomes.iter().map(|(_, w)| w.clone()));
    a.adopt(&built);
    rest.iter_mut().for_each(|p| p.join(&built.welcomes));
    let [b, c, d] = rest else { unreachable!() };
    out.push(d.engine.propose_leave(d.group(), NOW).unwrap());
    let again = c.key_package();
    let built = b.create_commit(&[again], &[c.leaf(), d.leaf()]);
    a.follow(&built.commit);
    b.adopt(&built);
    out.push(built.commit.clone());
    out.extend(built.welcomes.iter().map(|(_, w)| w.clone()));
    out.extend([&*a, &*b].iter().map(|p| p.engine.save(p.group()).unwrap()));
    out
}

#[test]
fn seeded_runs_are_the_same_byte_for_byte() {
    let first = transcript(7);
    assert_eq!(first, transcript(7));
    let other = transcript(8);
    assert!(first.iter().zip(&other).all(|(x, y)| x != y));
}
