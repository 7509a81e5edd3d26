//! Members that know RFC 9420 and the draft and nothing of this crate, on plain mls-rs clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use crate::mls_support::{NOW, Party, SUITE, basic, basic_with, group_name};
use crate::support;
use crate::support::attackers::fill;
use crate::support::{START, Steps, World};
use bytes::Bytes;
use mls_rs::client_builder::{MlsConfig, PaddingMode};
use mls_rs::extension::ExtensionType;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuiteProvider, Client, CryptoProvider, ExtensionList, Group, MlsMessage};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::counter::{IncrementRequest, LockReply, LockRequest};
use moq_mls::engine::{ContextParams, Engine, Member, Rejection, StagedCommit};
use moq_mls::mls::{MlsEngine, MlsGroup, Options, PARAMS_EXTENSION};
use moq_mls::notice::Notice;
use moq_mls::testing::sha256;
use moq_mls::tracks::{FullTrackName, GroupTracks, KEY_PACKAGE_GROUP, Location, SenderId};
use moq_mls::{Command, Config, Object, SafetyMode, Timestamp};

/// A client whose KeyPackages live for `lifetime`, and that sends handshake messages in the clear if they are `public`.
fn plain(name: &str, public: bool, lifetime: Duration) -> (Client<impl MlsConfig>, SenderId) {
    let crypto = RustCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).unwrap();
    let (secret, key) = suite.signature_key_generate().unwrap();
    let sender = SenderId::from_fingerprint(sha256(&key));
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let rules = DefaultMlsRules::new()
        .with_commit_options(CommitOptions::new().with_ratchet_tree_extension(true))
        .with_encryption_options(EncryptionOptions::new(!public, PaddingMode::None));
    let client = Client::builder()
        .crypto_provider(crypto)
        .identity_provider(BasicIdentityProvider)
        .mls_rules(rules)
        .extension_type(ExtensionType::new(PARAMS_EXTENSION))
        .key_package_lifetime(lifetime)
        .signing_identity(SigningIdentity::new(credential, key), secret, SUITE)
        .build();
    (client, sender)
}

fn time() -> MlsTime {
    MlsTime::from(NOW.as_secs())
}

fn key_package<C: MlsConfig>(client: &Client<C>, at: Timestamp) -> Bytes {
    let time = Some(MlsTime::from(at.as_secs()));
    let (none, nothing) = (ExtensionList::new(), ExtensionList::new());
    client.generate_key_package_message(none, nothing, time).unwrap().to_bytes().unwrap().into()
}

/// A group of ours with `params`, and plain members that it let in.
struct Mixed<C: MlsConfig, P: MlsConfig> {
    ours: Party<C>,
    plain: Vec<Group<P>>,
}

impl<C: MlsConfig, P: MlsConfig> Mixed<C, P> {
    fn new(engine: MlsEngine<C>, params: &ContextParams, clients: &[&Client<P>]) -> Self {
        let mut ours = Party::new(engine);
        ours.create(params);
        let adds: Vec<Bytes> = clients.iter().map(|client| key_package(client, NOW)).collect();
        let built = ours.create_commit(&adds, &[]);
        ours.adopt(&built);
        let join = |client: &&Client<P>| {
            let welcome = |(_, w): &(_, Bytes)| {
                let welcome = MlsMessage::from_bytes(w).unwrap();
                client.join_group(None, &welcome, None).ok().map(|(group, _)| group)
            };
            built.welcomes.iter().find_map(welcome).unwrap()
        };
        let plain = clients.iter().map(join).collect();
        Self { ours, plain }
    }

    fn stage_commit(
        &self,
        commit: &MlsMessage,
        proposals: &[&MlsMessage],
    ) -> Result<StagedCommit<MlsGroup<C>>, Rejection> {
        let bytes = |m: &MlsMessage| Bytes::from(m.to_bytes().unwrap());
        let proposals: Vec<Bytes> = proposals.iter().map(|m| bytes(m)).collect();
        for proposal in &proposals {
            self.ours.engine.inspect_proposal(self.ours.group(), NOW, proposal).unwrap()?;
        }
        self.ours.engine.stage_commit_with(self.ours.group(), NOW, &bytes(commit), &proposals).unwrap()
    }

    /// Follows the commit that the plain member `by` has pending; all agree.
    fn follow(
        &mut self,
        by: usize,
        commit: &MlsMessage,
        proposals: &[&MlsMessage],
    ) -> StagedCommit<MlsGroup<C>> {
        let staged = self.stage_commit(commit, proposals).unwrap();
        self.ours.group = staged.next.clone().map(|next| next.group);
        self.plain[by].apply_pending_commit().unwrap();
        for (at, group) in self.plain.iter_mut().enumerate().filter(|(at, _)| *at != by) {
            let processed = group.process_incoming_message_with_time(commit.clone(), time());
            assert!(processed.is_ok(), "{at}: {:?}", processed.err());
        }
        for group in &self.plain {
            let authenticator = group.epoch_authenticator().unwrap();
            assert_eq!(
                self.ours.engine.epoch_authenticator(self.ours.group()).unwrap(),
                authenticator.to_vec()
            );
            let members = self.ours.engine.roster(self.ours.group()).unwrap();
            let leaves: Vec<u32> = members.iter().map(|m| m.leaf_index).collect();
            assert_eq!(leaves, group.roster().members_iter().map(|m| m.index).collect::<Vec<_>>());
        }
        staged
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn engine() -> MlsEngine<impl MlsConfig> {
    basic(&RustCryptoProvider::default(), "ours")
}

#[test]
fn commits_in_the_clear_and_without_a_path_are_followed_in_advisory_mode_only() {
    let pinned = ContextParams { mode: SafetyMode::Pinned, ..ContextParams::default() };
    for (params, taken) in [(ContextParams::draft(), true), (pinned, false)] {
        for public in [false, true] {
            let (p, _) = plain("p", public, YEAR);
            let (q, _) = plain("q", public, YEAR);
            let (r, _) = plain("r", public, YEAR);
            let mut group = Mixed::new(engine(), &params, &[&p, &q]);
            // An Add alone needs no path (RFC 9420 section 12.4).
            let add = MlsMessage::from_bytes(&key_package(&r, NOW)).unwrap();
            let commit =
                group.plain[0].commit_builder().commit_time(time()).add_member(add).unwrap().build().unwrap();
            if !taken {
                let refused = group.stage_commit(&commit.commit_message, &[]).err();
                assert!(matches!(refused, Some(Rejection::Forbidden(_))), "{refused:?}");
                continue;
            }
            let staged = group.follow(0, &commit.commit_message, &[]);
            assert_eq!((staged.added.len(), staged.removed.len()), (1, 0));
            let update = group.plain[1].commit_builder().commit_time(time()).build().unwrap();
            group.follow(1, &update.commit_message, &[]);
            let leaf = staged.added[0].leaf_index;
            let remove = group.plain[0]
                .commit_builder()
                .commit_time(time())
                .remove_member(leaf)
                .unwrap()
                .build()
                .unwrap();
            let staged = group.follow(0, &remove.commit_message, &[]);
            assert_eq!(staged.removed, [leaf]);
        }
    }
}

#[test]
fn commits_that_refer_to_members_proposals_are_followed_once_those_are_here() {
    for public in [false, true] {
        let clients: Vec<_> = ["p", "q", "r"].iter().map(|name| plain(name, public, YEAR).0).collect();
        let [p, q, r] = &clients[..] else { panic!() };
        let (newcomer, _) = plain("n", public, YEAR);
        let mut group = Mixed::new(engine(), &ContextParams::draft(), &[p, q, r]);
        // An Update by another member, the removal of a third, and a newcomer.
        let update = group.plain[1].propose_update(Vec::new()).unwrap();
        let leaf = group.plain[2].current_member_index();
        let gone = group.plain.pop().unwrap();
        assert_eq!(gone.current_epoch(), 1);
        let remove = group.plain[0].propose_remove(leaf, Vec::new()).unwrap();
        let add = MlsMessage::from_bytes(&key_package(&newcomer, NOW)).unwrap();
        let add = group.plain[0].propose_add(add, Vec::new()).unwrap();
        group.plain[0].process_incoming_message(update.clone()).unwrap();
        for proposal in [&remove, &add] {
            group.plain[1].process_incoming_message(proposal.clone()).unwrap();
        }
        let commit = group.plain[0].commit_builder().commit_time(time()).build().unwrap().commit_message;
        for lacking in [&[][..], &[&update], &[&update, &add]] {
            assert!(matches!(group.stage_commit(&commit, lacking), Err(Rejection::MissingProposal)));
        }
        let staged = group.follow(0, &commit, &[&add, &update, &remove]);
        let roster = group.ours.engine.roster(group.ours.group()).unwrap();
        for by in [0, 1] {
            let leaf = group.plain[by].current_member_index();
            let at = |members: &[Member]| members.iter().find(|m| m.leaf_index == leaf).cloned().unwrap();
            assert_eq!(at(&staged.updated), at(&roster), "{by}");
        }
        assert_eq!(staged.updated.len(), 2);
        assert_eq!((staged.removed, staged.added.len()), (vec![leaf], 1));
        // What the Update changed is known: the next commit is followed on that.
        let next = group.plain[1].commit_builder().commit_time(time()).build().unwrap().commit_message;
        group.follow(1, &next, &[]);
        // A pinned group takes no proposal by itself.
        let mut pinned = Mixed::new(engine(), &ContextParams::default(), &[p, q]);
        let update = pinned.plain[1].propose_update(Vec::new()).unwrap();
        let refused =
            pinned.ours.engine.inspect_proposal(pinned.ours.group(), NOW, &update.to_bytes().unwrap().into());
        assert!(matches!(refused, Ok(Err(Rejection::Forbidden(_)))));
    }
}

/// Every relay can read a PublicMessage, and change it.
#[test]
fn a_public_message_that_was_altered_is_a_strangers() {
    let (p, _) = plain("p", true, YEAR);
    let mut group = Mixed::new(engine(), &ContextParams::draft(), &[&p]);
    let commit = group.plain[0].commit_builder().commit_time(time()).build().unwrap().commit_message;
    let mut altered = commit.to_bytes().unwrap();
    *altered.last_mut().unwrap() ^= 1;
    for _ in 0..2 {
        let refused =
            group.ours.engine.stage_commit(group.ours.group(), NOW, &altered.clone().into()).unwrap();
        assert!(matches!(refused, Err(Rejection::Stranger)), "{:?}", refused.err());
    }
    group.follow(0, &commit, &[]);
}

#[test]
fn how_long_a_draft_peers_key_package_may_live_can_be_set() {
    let crypto = RustCryptoProvider::default();
    let days = |n: u64| Duration::from_secs(n * 24 * 3600);
    let judge = |engine: &MlsEngine<_>, lifetime| {
        let message = key_package(&plain("p", false, lifetime).0, NOW);
        engine.inspect_key_package(NOW, &message).unwrap().is_ok()
    };
    let [by_default, bounded, unbounded] = [None, Some(days(7)), Some(Duration::MAX)].map(|longest| {
        let mut options = Options::default();
        options.draft_lifetime = longest.unwrap_or(options.draft_lifetime);
        basic_with(&crypto, "ours", options)
    });
    for (lifetime, good) in [
        (days(7), [true, true, true]),
        (days(84), [true, false, true]),
        (days(365), [true, false, true]),
        (days(4000), [false, false, true]),
    ] {
        let judged = [&by_default, &bounded, &unbounded].map(|engine| judge(engine, lifetime));
        assert_eq!(judged, good, "{lifetime:?}");
    }
}

fn advisory() -> Config {
    let mut config = Config::new(group_name());
    config.params.mode = SafetyMode::Advisory;
    config
}

fn on_track(sender: &SenderId, object: u64, payload: Bytes) -> Object {
    let track = GroupTracks::new(group_name(), Default::default()).key_package(sender);
    Object { track, location: Location { group_id: KEY_PACKAGE_GROUP, object_id: object }, payload }
}

/// It has no number that says which KeyPackage it joined by.
#[test]
fn a_draft_peer_that_lost_its_state_is_let_in_again() {
    let mut world = World::new();
    world.enter(support::engines::engine("a"), advisory());
    world.tell(0, Command::Join);
    world.run(1000);
    let (p, sender) = plain("p", false, YEAR);
    let first = on_track(&sender, 0, key_package(&p, START));
    world.put(first.clone());
    world.run(1000);
    assert_eq!(world.machine(0).epoch(), Some(1));
    // What it joined by is shown once more, elsewhere: it is what it was.
    world.give(0, moq_mls::Event::Object(on_track(&sender, 1, first.payload)));
    world.run(20_000);
    assert_eq!(world.machine(0).epoch(), Some(1));
    world.put(on_track(&sender, 2, key_package(&p, START)));
    world.run(1000);
    assert_eq!(world.machine(0).epoch(), Some(2));
    assert_eq!(world.machine(0).members().filter(|m| m.sender == sender).count(), 1);
}

/// Relays show a newcomer the KeyPackages of members long gone, and may do so after its Welcome.
#[test]
fn a_newcomer_leaves_unknown_key_packages_to_those_who_were_there_before() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let who = world.enter(support::engines::engine(name), advisory());
        world.tell(who, Command::Join);
        world.run(1000);
    }
    let epoch = world.agree(&[0, 1]);
    let (p, gone) = plain("p", false, YEAR);
    world.inject([1], &on_track(&gone, 0, key_package(&p, START)));
    world.run(30_000);
    assert_eq!(world.agree(&[0, 1]), epoch);
    // One that comes later, or that asks again, is let in.
    world.inject([1], &on_track(&gone, 1, key_package(&p, START)));
    world.run(1000);
    assert_eq!([0, 1].map(|who| world.machine(who).epoch()), [Some(epoch + 1); 2]);
    // Who created the group has nobody to leave it to.
    let mut world = World::new();
    world.enter(support::engines::engine("a"), advisory());
    world.tell(0, Command::Join);
    world.run(100);
    world.inject([0], &on_track(&gone, 2, key_package(&p, START)));
    world.run(1000);
    assert_eq!(world.machine(0).epoch(), Some(1));
}

/// A commit of `p` that refers to an Update of `q`, with that proposal, in a world where ours follows. By the Update `q`
/// may take another key; the name of its tracks afterwards.
fn by_reference(
    world: &mut World<support::engines::TestEngine>,
    takes_another_key: bool,
) -> (SenderId, Bytes, Bytes) {
    world.enter(support::engines::engine("a"), advisory());
    world.tell(0, Command::Join);
    world.run(1000);
    let clients = ["p", "q"].map(|name| plain(name, false, YEAR));
    let mut groups = Vec::new();
    for (client, sender) in &clients {
        world.put(on_track(sender, 0, key_package(client, START)));
        world.run(1000);
        let track = GroupTracks::new(group_name(), Default::default()).welcome(sender);
        let welcome = world.lying(&track).values().next_back().unwrap();
        let welcome = MlsMessage::from_bytes(welcome).unwrap();
        groups.push(client.join_group(None, &welcome, None).unwrap().0);
    }
    let commits = world.lying(&commit_track()).clone();
    let second = MlsMessage::from_bytes(&commits[&Location { group_id: 1, object_id: 0 }]).unwrap();
    let start = MlsTime::from(START.as_secs());
    groups[0].process_incoming_message_with_time(second, start).unwrap();
    assert_eq!(world.machine(0).epoch(), Some(2));
    let mut sender = clients[1].1.clone();
    let proposal = if takes_another_key {
        let suite = RustCryptoProvider::default().cipher_suite_provider(SUITE).unwrap();
        let (secret, key) = suite.signature_key_generate().unwrap();
        sender = SenderId::from_fingerprint(sha256(&key));
        let credential = BasicCredential::new(b"q".to_vec()).into_credential();
        let identity = SigningIdentity::new(credential, key);
        groups[1].propose_update_with_identity(secret, identity, Vec::new()).unwrap()
    } else {
        groups[1].propose_update(Vec::new()).unwrap()
    };
    groups[0].process_incoming_message(proposal.clone()).unwrap();
    let commit = groups[0].commit_builder().commit_time(start).build().unwrap().commit_message;
    let bytes = |m: &MlsMessage| Bytes::from(m.to_bytes().unwrap());
    (sender, bytes(&proposal), bytes(&commit))
}

fn commit_track() -> FullTrackName {
    let nobody = SenderId::from_fingerprint([0; 32]);
    GroupTracks::new(group_name(), Default::default()).commit(&nobody)
}

fn commit_object(object: u64, payload: Bytes) -> Object {
    Object { track: commit_track(), location: Location { group_id: 2, object_id: object }, payload }
}

#[test]
fn a_commit_waits_for_the_proposal_that_it_refers_to() {
    // Both ways round, on the Commit track and on the sender's KeyPackage track.
    for (first, own_track) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut world = World::new();
        let (sender, proposal, commit) = by_reference(&mut world, false);
        let proposal = match own_track {
            false => commit_object(7, proposal),
            true => on_track(&sender, 1, proposal),
        };
        let commit = commit_object(0, commit);
        let (early, late) = if first { (proposal, commit) } else { (commit, proposal) };
        world.put(early);
        world.run(100);
        assert_eq!(world.machine(0).epoch(), Some(2));
        world.put(late);
        world.run(100);
        assert_eq!(world.machine(0).epoch(), Some(3), "{first} {own_track}");
    }
}

/// A client that joins at the next epoch reads the new key in the tree.
#[test]
fn another_key_that_an_update_brings_is_followed() {
    let mut world = World::new();
    let (sender, proposal, commit) = by_reference(&mut world, true);
    let name =
        |world: &World<_>| world.machine(0).members().find(|m| m.leaf_index == 2).unwrap().sender.clone();
    let old_name = name(&world);
    assert_ne!(old_name, sender);
    world.put(commit_object(7, proposal));
    world.put(commit_object(0, commit));
    world.run(100);
    assert_eq!((world.machine(0).epoch(), name(&world)), (Some(3), sender.clone()));
    let told = |n: &Notice| matches!(n, Notice::MemberChanged { leaf_index: 2, old, new, .. } if *old == old_name && *new == sender);
    assert_eq!(world.told(0).filter(|n| told(n)).count(), 1);
}

#[test]
fn a_proposal_that_was_lost_is_fetched_from_its_senders_track() {
    let mut world = World::new();
    let (sender, proposal, commit) = by_reference(&mut world, false);
    world.carriage_mut().store_mut().put(&on_track(&sender, 1, proposal));
    world.put(commit_object(0, commit));
    // Its committer fills the slot.
    let now = world.now();
    let token = Bytes::from_static(b"the plain member's");
    let lock = LockRequest { counter: group_name(), val: 3 };
    let LockReply::Ok { lock_id, .. } = world.counter_mut().lock(now, &lock, token) else {
        panic!("no lock")
    };
    let request = IncrementRequest {
        counter: group_name(),
        val: None,
        lock_id,
        prev: None,
        pin: None,
        key: None,
        commit: None,
    };
    fill(&mut world, &request);
    world.run(25_000);
    assert_eq!(world.machine(0).epoch(), Some(3));
}
