//! Attacks on agreement, by a member or by an attacker between the members and the counter service. It wants two
//! members at one epoch with different keys, or a joiner in a group of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::convert::Infallible;

use crate::mls_support;
use crate::mls_support::Authority;
use crate::support::attackers::{
    Chain, OtherGroup, Rogue, commits, fill, insider, members, members_by, newest, next_slot, pin_own,
    pinned, put, read,
};
use crate::support::engines::{TestEngine, engine};
use crate::support::insider::{self, Forgery, Insider};
use crate::support::{Steps, World, config, group};
use bytes::Bytes;
use mls_rs::identity::{Credential, CredentialType, SigningIdentity};
use mls_rs::time::MlsTime;
use mls_rs::{Client, ExtensionList, IdentityProvider};
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use mls_rs_identity_x509::{CertificateChain, DerCertificate};
use moq_mls::action::Action;
use moq_mls::codec::pinned::{ReceiptObject, WelcomeObject};
use moq_mls::counter::{
    CommitReply, CounterState, IncrementReply, IncrementRequest, LockReply, Pin, slot_lock_message,
};
use moq_mls::engine::{ContextParams, Engine};
use moq_mls::mls::MlsEngine;
use moq_mls::notice::{Fault, Notice, ServiceFault};
use moq_mls::testing::sha256;
use moq_mls::tracks::{GroupName, Location};
use moq_mls::{Command, Config, Event, Object, Participant, Phase, SafetyMode, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair};

/// Members of a group whose service signs receipts, and their configuration.
fn signed(count: usize) -> (World<TestEngine>, Config) {
    let mut world = World::new();
    let mut config = config();
    config.params.service_key = Some(world.sign_receipts());
    (members_by(world, count, &config, engine), config)
}

/// Two members and an insider with a client of its own. A client asks to come in. The insider commits it first, with a
/// Welcome to keys of its own beside the real one. Returns the joiner, the epoch before, what the insider made, itself,
/// and what fills the slot.
fn insider_commits(world: &mut World<TestEngine>, config: &Config) -> (usize, u64, Forgery, Insider, Bytes) {
    let tracks = world.machine(0).tracks().clone();
    let mut insider = insider(world);
    let joiner = world.enter(engine("joiner"), config.clone());
    world.tell(joiner, Command::Join);
    let (_, asked) = newest(world, &tracks.key_package(&world.id(joiner)));
    let (epoch, key) = (insider.epoch(), insider.slot_key());
    let forgery = insider.add(world.now(), &asked, &[0x42; 32]);
    (joiner, epoch, forgery, insider, key)
}

/// Whether the joiner is a member beside participant 0 and has other keys.
fn apart(world: &World<TestEngine>, joiner: usize) -> bool {
    let (a, b) = (world.machine(0), world.machine(joiner));
    b.phase() == Phase::Member
        && a.epoch() == b.epoch()
        && a.epoch_authenticator().unwrap() != b.epoch_authenticator().unwrap()
}

#[test]
fn a_pinned_epoch_has_one_set_of_keys() {
    for signs in [false, true] {
        let (mut world, config) = if signs { signed(2) } else { (members(2, &config()), config()) };
        let (joiner, epoch, forgery, insider, key) = insider_commits(&mut world, &config);
        // Before anybody else does.
        pin_own(&mut world, &insider, key, forgery.commit.clone());
        let track = commits(&world);
        put(&mut world, &track, epoch, 98, forgery.commit);
        world.run(1000);
        assert_eq!(next_slot(&world), epoch + 2);
        assert_eq!(world.machine(0).epoch(), Some(epoch + 1));
        // The very pin, and its receipt, go with the forged Welcome.
        let welcome = world.machine(0).tracks().welcome(&world.id(joiner));
        let payload = pinned(&world, epoch + 1, forgery.forged);
        put(&mut world, &welcome, epoch + 1, 7, payload);
        let tried = world.faults(joiner, Fault::NotPinned);
        for _ in 0..600 {
            assert!(!apart(&world, joiner), "two members hold different keys for one pinned epoch");
            world.run(100);
        }
        assert_eq!(tried, 1, "the forged Welcome was not looked into");
        // A fresh KeyPackage, and the honest members let it in.
        assert_eq!(world.machine(joiner).phase(), Phase::Member);
        assert_eq!(world.machine(joiner).epoch(), world.machine(0).epoch());
    }
}

/// The insider pins the lock that the joiner's keys make: nobody else takes that epoch for the group's.
#[test]
fn nobody_enters_an_epoch_whose_pin_confirms_other_keys() {
    // A participant that goes over to a successor is in no epoch meanwhile.
    let mut config = config();
    config.successor = false;
    let mut world = members(2, &config);
    let (joiner, epoch, forgery, insider, _) = insider_commits(&mut world, &config);
    let context = insider.context_hash();
    let key = insider::exported(&forgery.epoch_secret, "moq-mls slot key", b"", 32);
    let lock = sha256(&slot_lock_message(&group(), epoch + 1, &key));
    let pin = Pin::new(sha256(&forgery.commit), context, lock);
    let mut request = IncrementRequest::draft(group());
    (request.val, request.pin, request.prev) = (Some(epoch + 1), Some(pin), read(&world, epoch).pin);
    (request.key, request.commit) = (world.machine(0).slot_key(), Some(forgery.commit.clone()));
    fill(&mut world, &request);
    let track = commits(&world);
    put(&mut world, &track, epoch, 98, forgery.commit);
    let welcome = world.machine(0).tracks().welcome(&world.id(joiner));
    let payload = pinned(&world, epoch + 1, forgery.forged);
    put(&mut world, &welcome, epoch + 1, 7, payload);
    for _ in 0..600 {
        world.run(100);
        assert!(!apart(&world, joiner));
    }
    for who in 0..2 {
        assert!(world.heard(who, |n| matches!(n, Notice::DeadSlot { epoch: dead } if *dead == epoch + 1)));
        assert_eq!(world.machine(who).epoch(), Some(epoch), "its state is as it was");
    }
}

/// The service's answers as an attacker in between changes them: for each slot what `forge` says. The participant
/// goes on for five minutes with work to do.
fn under_forged_answers(
    mut machine: Participant<TestEngine>,
    mut now: Timestamp,
    forge: &dyn Fn(u64) -> (CounterState, Bytes),
) -> Participant<TestEngine> {
    if machine.phase() == Phase::Member {
        machine.handle(now, Command::Update).unwrap();
    }
    let end = Timestamp::from_millis(now.as_millis() + 300_000);
    let mut asked = 0;
    loop {
        while let Some(action) = machine.poll_action() {
            let event = match action {
                Action::Lock { id, request } => {
                    Event::LockReply { id, reply: Ok(LockReply::CounterError(forge(request.val).0)) }
                }
                Action::Increment { id, request } => {
                    let reply = Ok(IncrementReply::Ok(forge(request.val.unwrap()).0));
                    Event::IncrementReply { id, reply }
                }
                Action::GetCommit { id, request } => {
                    let (state, commit) = forge(request.val);
                    Event::CommitReply { id, reply: Ok(CommitReply::Found { state, commit }) }
                }
                Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
                Action::Publish { id, .. } => Event::PublishReply { id, reply: Ok(()) },
                _ => continue,
            };
            asked += 1;
            assert!(asked < 10_000, "it asks without end");
            machine.handle(now, event).unwrap();
        }
        let Some((at, _)) = machine.poll_timeout().filter(|(at, _)| *at <= end) else { return machine };
        now = now.max(at);
        machine.handle(now, Event::Timer).unwrap();
    }
}

fn state(current: u64, pin: Pin, receipt: Option<Bytes>) -> CounterState {
    CounterState { current, pin: Some(pin), receipt, pin_forgotten: false }
}

#[test]
fn an_answer_without_a_good_receipt_is_not_believed() {
    for attack in 0..6 {
        let (mut world, _) = signed(2);
        let epoch = world.agree(&[0, 1]);
        let made_up = Pin::new(sha256(b"commit"), [6; 32], [6; 32]);
        let commit = Bytes::from_static(b"commit");
        let (old, mine) = (read(&world, epoch), GroupName::try_from("mine").unwrap());
        let elsewhere = Chain::new(mine).signed(&mut world, epoch + 1, made_up, commit.clone());
        let next = epoch + 1;
        let forge = move |slot: u64| {
            let forged = match attack {
                // No receipt; bytes that are none; the receipt of the slot before, for its own pin and for another; and
                // one that the service itself gave to another group for this very pin and slot.
                0 => state(epoch + 2, made_up, None),
                1 => state(epoch + 2, made_up, Some(vec![0; 64].into())),
                2 => state(epoch + 2, old.pin.unwrap(), old.receipt.clone()),
                3 => state(epoch + 2, made_up, old.receipt.clone()),
                4 => state(epoch + 2, made_up, Some(elsewhere.clone())),
                // Pins that the service is said to have forgotten: no receipt goes with that.
                _ => {
                    let current = epoch + 2000;
                    CounterState { current, pin: None, receipt: None, pin_forgotten: true }
                }
            };
            let other = slot != next && attack < 5;
            (if other { state(epoch + 2, made_up, None) } else { forged }, commit.clone())
        };
        let now = world.now();
        let machine = under_forged_answers(world.take(0).unwrap(), now, &forge);
        assert_eq!((machine.phase(), machine.epoch()), (Phase::Member, Some(epoch)), "attack {attack}");
        if attack < 5 {
            assert!(machine.stats().bad_receipts > 5, "attack {attack}");
        }
    }
}

/// An insider makes two commits, and who sits before the service tells each of two members that another of them won,
/// with pins that are right in every part.
#[test]
fn who_sits_before_the_service_cannot_fork_a_group_that_has_its_key() {
    for attack in 0..4 {
        let (mut world, _) = signed(2);
        let rogue = Rogue::join(&mut world, "insider");
        let epoch = rogue.epoch;
        let built: Vec<_> = (0..2).map(|_| rogue.create_commit(&world, &[], &[])).collect();
        let track = commits(&world);
        let (old, now) = (read(&world, epoch), world.now());
        let mut after = Vec::new();
        for (who, (commit, pin)) in built.into_iter().enumerate() {
            let (commit, name) =
                (commit.commit, GroupName::try_from(format!("mine {who}").as_str()).unwrap());
            let receipt = match attack {
                0 => None,
                1 => Some(Bytes::from(vec![7; 64])),
                2 => old.receipt.clone(),
                _ => Some(Chain::new(name).signed(&mut world, epoch + 1, pin, commit.clone())),
            };
            let mut machine = world.take(who).unwrap();
            let here = |object, payload| {
                Event::Object(Object {
                    track: track.clone(),
                    location: Location { group_id: epoch, object_id: object },
                    payload,
                })
            };
            machine.handle(now, here(50, commit.clone())).unwrap();
            if let Some(receipt) = receipt.clone() {
                machine.handle(now, here(51, ReceiptObject { pin, receipt }.encode())).unwrap();
            }
            let forge = |_| (state(epoch + 2, pin, receipt.clone()), commit.clone());
            after.push(under_forged_answers(machine, now, &forge));
        }
        for machine in after {
            assert_eq!((machine.phase(), machine.epoch()), (Phase::Member, Some(epoch)), "attack {attack}");
            assert!(machine.stats().bad_receipts > 0);
        }
    }
}

/// The same before a joiner: an outsider's Welcome, with a pin that is right for the outsider's group.
#[test]
fn who_sits_before_the_service_cannot_take_a_joiner_in() {
    for attack in 0..4 {
        let (mut world, config) = signed(2);
        let joiner = world.enter(engine("joiner"), config);
        world.tell(joiner, Command::Join);
        let track = world.machine(0).tracks().key_package(&world.id(joiner));
        let (_, asked) = newest(&world, &track);
        let params = world.machine(joiner).params();
        let mut other = OtherGroup::found(&world, &params);
        other.pass(&world, 3);
        let (epoch, welcome, pin, commit) = other.welcome_pinned(&world, &asked);
        let old = read(&world, 1);
        let receipt = match attack {
            0 => None,
            1 => Some(Bytes::from(vec![7; 64])),
            2 => old.receipt.clone(),
            _ => {
                let mine = GroupName::try_from("mine").unwrap();
                Some(Chain::new(mine).signed(&mut world, epoch, pin, commit.clone()))
            }
        };
        let now = world.now();
        let mut machine = world.take(joiner).unwrap();
        let track = machine.tracks().welcome(machine.sender_id());
        let payload = WelcomeObject::confirmed(pin, receipt.clone(), welcome).encode();
        let location = Location { group_id: epoch, object_id: 1 };
        machine.handle(now, Event::Object(Object { track, location, payload })).unwrap();
        let forge = |_| (state(epoch + 1, pin, receipt.clone()), commit.clone());
        let machine = under_forged_answers(machine, now, &forge);
        assert_eq!((machine.phase(), machine.epoch()), (Phase::Joining, None), "attack {attack}");
        assert!(machine.stats().bad_receipts > 0);
    }
}

#[test]
fn an_audit_that_names_another_pin_is_noticed() {
    for signs in [false, true] {
        let mut world = if signs { signed(2).0 } else { members(2, &config()) };
        let epoch = world.agree(&[0, 1]);
        // The service was replaced by an empty one with the same key, and others made a group of that name.
        world.reset_counter();
        let mut chain = Chain::new(group());
        (0..=epoch).for_each(|_| drop(chain.fill(&mut world, None)));
        world.run(60_000);
        for who in 0..2 {
            let fault = Notice::ServiceFault(ServiceFault::LineageMismatch);
            assert!(world.heard(who, |n| *n == fault), "participant {who}, receipts: {signs}");
        }
        assert_eq!(world.agree(&[0, 1]), epoch, "nobody gave up its state for it");
    }
}

/// How many of 60 seconds a joiner's group is an outsider's.
fn taken_in<E: Engine>(
    mut world: World<E>,
    config: &Config,
    joiner: E,
    found: impl Fn(&World<E>, &ContextParams, &Bytes) -> Bytes,
) -> usize {
    let joiner = world.enter(joiner, config.clone());
    world.tell(joiner, Command::Join);
    let tracks = world.machine(0).tracks().clone();
    let (_, asked) = newest(&world, &tracks.key_package(&world.id(joiner)));
    let params = world.machine(0).params();
    let welcome = found(&world, &params, &asked);
    let payload = if config.params.mode == SafetyMode::Pinned { pinned(&world, 1, welcome) } else { welcome };
    let track = tracks.welcome(&world.id(joiner));
    put(&mut world, &track, 900, 0, payload);
    let seconds = (0..60).filter(|_| {
        let mallory = world.machine(joiner).members().any(|m| m.identity.ends_with(b"mallory"));
        world.run(1000);
        mallory
    });
    let seconds = seconds.count();
    assert_eq!(world.machine(joiner).phase(), Phase::Member);
    seconds
}

/// An identity provider that takes everybody.
#[derive(Clone)]
struct Anybody;

impl IdentityProvider for Anybody {
    type Error = Infallible;
    fn validate_member(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), Infallible> {
        Ok(())
    }
    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Infallible> {
        Ok(())
    }
    fn identity(&self, identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Infallible> {
        Ok(identity.signature_key.to_vec())
    }
    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Infallible> {
        Ok(true)
    }
    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::X509]
    }
}

/// A client with a certificate of its own making.
fn self_made(crypto: &RustCryptoProvider, name: &str) -> impl Engine + use<> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2033, 1, 1);
    params.not_after = rcgen::date_time_ymd(2033, 12, 1);
    let certificate = params.self_signed(&key).unwrap();
    let chain = CertificateChain::from(vec![DerCertificate::new(certificate.der().to_vec())]);
    let public = key.public_key_raw().to_vec();
    // PKCS #8 has the seed at a fixed place; mls-rs wants seed and public key.
    let secret = [&key.serialize_der()[16..48], &public].concat();
    let identity = SigningIdentity::new(Credential::X509(chain), public.into());
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(Anybody)
        .signing_identity(identity, secret.into(), mls_support::SUITE)
        .build();
    MlsEngine::new(&client, crypto).unwrap()
}

fn by_anybody(world: &World<TestEngine>, params: &ContextParams, asked: &Bytes) -> Bytes {
    OtherGroup::found(world, params).welcome(world, asked).1
}

fn in_mode(mode: SafetyMode) -> Config {
    let mut config = config();
    config.params.mode = mode;
    config
}

#[test]
fn where_slots_are_pinned_a_joiner_is_not_taken_into_an_outsiders_group() {
    let config = config();
    assert_eq!(taken_in(members(2, &config), &config, engine("joiner"), by_anybody), 0);
}

#[test]
#[ignore = "nothing is promised: where nothing is pinned and anybody can make a credential, anybody can welcome"]
fn a_joiner_is_not_taken_into_an_outsiders_group() {
    for config in [in_mode(SafetyMode::Fenced), in_mode(SafetyMode::Advisory)] {
        assert_eq!(
            taken_in(members(2, &config), &config, engine("joiner"), by_anybody),
            0,
            "{:?}",
            config.params.mode
        );
    }
}

/// Where nothing is pinned it is the identity provider that keeps strangers' groups out.
#[test]
fn a_joiner_that_knows_its_members_certificates_is_not_taken_into_an_outsiders_group() {
    let crypto = RustCryptoProvider::default();
    for mode in SafetyMode::ALL {
        let (authority, config) = (Authority::new(), in_mode(mode));
        let new = |name: &str| authority.engine(&crypto, name, 12);
        let world = members_by(World::at_once(mls_support::NOW), 2, &config, new);
        let found = |world: &World<_>, params: &ContextParams, asked: &Bytes| {
            let mut mallory = self_made(&crypto, "mallory");
            let alone = mallory.create(world.now(), &group(), params, 0).unwrap();
            let built = mallory
                .create_commit(&alone, world.now(), std::slice::from_ref(asked), &[])
                .unwrap()
                .unwrap();
            built.welcomes[0].1.clone()
        };
        assert_eq!(taken_in(world, &config, new("joiner"), found), 0, "{mode:?}");
    }
}
