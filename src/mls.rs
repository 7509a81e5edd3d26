//! [`Engine`] over mls-rs: the only place that names it.
//!
//! The embedder builds an [`mls_rs::Client`] with its crypto provider, its identity provider and its
//! signing identity. [`MlsEngine`] takes what it needs of it and puts storage, rules, lifetimes and
//! extension types of its own in place of the client's.
//!
//! A group state is a value. mls-rs would change it in place, burn a key on a message that fails
//! and apply a commit to any state; here each step works on a clone, so a failure leaves nothing
//! behind, and a commit can only lead to the state that was made from the state it was built on.
//!
//! Do not turn on mls-rs's `rayon` where bytes must be the same in every run. Its other features may
//! be on: the rules are a whitelist, and prior epochs are dropped even where `prior_epoch` keeps them.

mod crypto;
mod error;
mod rules;
mod storage;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes};
use mls_rs::client_builder::{
    MakeConfig, MlsConfig, PaddingMode, WithGroupStateStorage, WithKeyPackageRepo, WithMlsRules, WithPskStore,
};
use mls_rs::crypto::HpkePublicKey;
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{
    CommitEffect, ContentType, ExportedTree, LeafIndex, LeafNode, LeafNodeSource, NewEpoch, ProposalSender,
    ReceivedMessage,
};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::storage_provider::in_memory::InMemoryPreSharedKeyStorage;
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuite, Client, CryptoProvider, Extension, ExtensionList, IdentityProvider, MlsMessage,
    MlsMessageDescription,
};
use mls_rs_core::identity::MemberValidationContext;

use self::crypto::{Primitives, Suites};
use self::error::{invalid, provider};
pub use self::rules::{Broken, StrictRules};
pub use self::storage::{GroupStateSlot, KeyPackageSlot};
use crate::Secret;
use crate::codec::params;
use crate::engine::{
    Built, Credential, Engine, EngineError, GroupParams, GroupView, KeyPackageInfo, Member, MessageKind,
    Next, OwnKeyPackage, Trial, WelcomeInfo,
};
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// The leaf extension with the object id of the KeyPackage the leaf came from, 8 bytes big endian
/// (ours; private use, RFC 9420 section 17.3).
pub const SEQUENCE_EXTENSION: u16 = 0xF0A0;
/// The GroupContext extension with the [`GroupParams`] (ours; private use).
pub const PARAMS_EXTENSION: u16 = 0xF0A1;

/// A KeyPackage with a longer lifetime is refused: whoever made it does not mean to expire.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How far a peer's clock may be behind ours: a KeyPackage begins to live this much before it is made.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// How long after a KeyPackage expired a commit that adds it is still followed. The committer was
/// the one to judge; a member that is late must not lose the group over it.
pub const LATE: Duration = Duration::from_secs(24 * 3600);

/// The configuration of the client inside a [`MlsEngine`], for an embedder's client with `C`.
pub type EngineConfig<C> = WithMlsRules<
    StrictRules,
    WithPskStore<
        InMemoryPreSharedKeyStorage,
        WithGroupStateStorage<GroupStateSlot, WithKeyPackageRepo<KeyPackageSlot, MakeConfig<C>>>,
    >,
>;

type Inner<C> = mls_rs::Group<EngineConfig<C>>;

/// One member's state of one group at one epoch. Its clones are independent.
//
// The last field must not depend on `C`: rustc 1.95, asked at every call whether `&MlsGroup<C>` can be
// unsized by its last field, otherwise never comes back from a concrete `C`.
pub struct MlsGroup<C: MlsConfig>(Inner<C>, ());

impl<C: MlsConfig> Clone for MlsGroup<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), ())
    }
}

impl<C: MlsConfig> fmt::Debug for MlsGroup<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlsGroup")
            .field("group_id", &format_args!("{}", self.0.group_id().escape_ascii()))
            .field("epoch", &self.0.current_epoch())
            .finish_non_exhaustive()
    }
}

/// What an embedder may set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a KeyPackage lives, [`MAX_LIFETIME`] less [`CLOCK_SKEW`] at most.
    pub key_package_lifetime: Duration,
    /// How encrypted messages are padded.
    pub padding: PaddingMode,
}

impl Default for Options {
    fn default() -> Self {
        Self { key_package_lifetime: Duration::from_secs(24 * 3600), padding: PaddingMode::StepFunction }
    }
}

/// [`Engine`] over mls-rs. `C` is the configuration of the embedder's own [`mls_rs::Client`].
pub struct MlsEngine<C: MlsConfig> {
    client: Client<EngineConfig<C>>,
    primitives: Box<dyn Primitives>,
    key_packages: KeyPackageSlot,
    states: GroupStateSlot,
    suite: CipherSuite,
    sender: SenderId,
    /// A group nobody else is in: mls-rs validates a KeyPackage only for a group.
    scratch: OnceLock<Inner<C>>,
    /// Held by every call that goes through one of the slots. Last: see `MlsGroup`.
    slots: Mutex<()>,
}

impl<C: MlsConfig> fmt::Debug for MlsEngine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlsEngine").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl<C: MlsConfig> MlsEngine<C> {
    /// The engine for `client`, with default [`Options`]. `crypto` is the client's crypto provider,
    /// which mls-rs does not give back.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] without a SHA-256 suite, [`EngineError::Provider`] for a client
    /// without a signing identity.
    pub fn new<P>(client: &Client<C>, crypto: &P) -> Result<Self, EngineError>
    where
        P: CryptoProvider,
        P::CipherSuiteProvider: 'static,
    {
        Self::with_options(client, crypto, Options::default())
    }

    /// As [`MlsEngine::new`].
    ///
    /// # Errors
    /// As [`MlsEngine::new`], and [`EngineError::Unsupported`] for a lifetime that peers would refuse.
    pub fn with_options<P>(client: &Client<C>, crypto: &P, options: Options) -> Result<Self, EngineError>
    where
        P: CryptoProvider,
        P::CipherSuiteProvider: 'static,
    {
        let lifetime = options.key_package_lifetime.saturating_add(CLOCK_SKEW);
        if lifetime > MAX_LIFETIME {
            return Err(EngineError::Unsupported("a KeyPackage lifetime that peers refuse"));
        }
        let (identity, suite) = client.signing_identity().map_err(provider)?;
        let primitives = Box::new(Suites::new(crypto, suite)?);
        let sender = SenderId::from_fingerprint(primitives.sha256(&identity.signature_key)?);
        let key_packages = KeyPackageSlot::default();
        let states = GroupStateSlot::default();
        // At time zero no lifetime of the client's overflows; ours replaces it.
        let client = client
            .to_builder(Some(MlsTime::from(0)))
            .key_package_repo(key_packages.clone())
            .group_state_storage(states.clone())
            .psk_store(InMemoryPreSharedKeyStorage::default())
            .mls_rules(StrictRules::new(options.padding))
            .key_package_lifetime(lifetime)
            .extension_type(ExtensionType::new(SEQUENCE_EXTENSION))
            .extension_type(ExtensionType::new(PARAMS_EXTENSION))
            .build();
        Ok(Self {
            client,
            primitives,
            key_packages,
            states,
            suite,
            sender,
            slots: Mutex::new(()),
            scratch: OnceLock::new(),
        })
    }

    fn slots(&self) -> MutexGuard<'_, ()> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scratch(&self, now: Timestamp) -> Result<Inner<C>, EngineError> {
        if let Some(group) = self.scratch.get() {
            return Ok(group.clone());
        }
        let none = ExtensionList::new();
        let group = self
            .client
            .create_group_with_id(Vec::new(), none.clone(), none, Some(mls_time(now)))
            .map_err(provider)?;
        Ok(self.scratch.get_or_init(|| group).clone())
    }

    fn fingerprint(&self, identity: &SigningIdentity) -> Result<SenderId, EngineError> {
        self.primitives.sha256(&identity.signature_key).map(SenderId::from_fingerprint)
    }

    fn identity(&self, of: &SigningIdentity, group: &ExtensionList) -> Result<Bytes, EngineError> {
        let identity = self.client.identity_provider().identity(of, group);
        identity.map(Bytes::from).map_err(|e| EngineError::Invalid(Box::new(into_any(e))))
    }

    fn member(&self, group: &Inner<C>, m: &mls_rs::group::Member) -> Result<Member, EngineError> {
        Ok(Member {
            leaf: m.index,
            sender: self.fingerprint(&m.signing_identity)?,
            identity: self.identity(&m.signing_identity, &group.context().extensions)?,
            credential: credential(&m.signing_identity)?,
            // What another member made of its own leaf must not make the roster unreadable.
            sequence: sequence(&m.extensions).unwrap_or_default(),
        })
    }

    fn context_hash(&self, context: &mls_rs::group::GroupContext) -> Result<[u8; 32], EngineError> {
        let bytes = context.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?;
        self.primitives.sha256(&bytes)
    }

    /// A group that has just advanced, without what mls-rs may remember of the epoch before.
    fn next(&self, mut group: Inner<C>) -> Result<Next<MlsGroup<C>>, EngineError> {
        if self.states.must_flush() {
            let _guard = self.slots();
            group.write_to_storage().map_err(provider)?;
            self.states.take();
        }
        Ok(Next { context_hash: self.context_hash(group.context())?, group: MlsGroup(group, ()) })
    }

    /// Processes `message` on a clone. A KeyPackage that it adds may have expired since, or come
    /// from a clock ahead of ours: the message is then judged at the nearest time at which it lived.
    fn process(
        &self,
        group: &Inner<C>,
        now: Timestamp,
        message: &MlsMessage,
    ) -> Result<(Inner<C>, ReceivedMessage), EngineError> {
        const ATTEMPTS: usize = 8;
        let now = mls_time(now);
        let mut at = now;
        for _ in 0..ATTEMPTS {
            let mut clone = group.clone();
            match clone.process_incoming_message_with_time(message.clone(), at) {
                Ok(received) => return Ok((clone, received)),
                Err(MlsError::InvalidLifetime { not_before, not_after, .. }) => {
                    let begins = at < not_before;
                    at = if begins { not_before } else { not_after };
                    let (by, limit) = if begins { (gap(now, at), CLOCK_SKEW) } else { (gap(at, now), LATE) };
                    if by > limit {
                        break;
                    }
                }
                Err(e) => return Err(invalid(e)),
            }
        }
        Err(EngineError::Expired)
    }

    /// The members that `epoch` adds, looked up in the roster after it.
    fn added(&self, group: &Inner<C>, before: &BTreeSet<u32>) -> Result<Vec<Member>, EngineError> {
        let added = group.roster().members_iter().filter(|m| !before.contains(&m.index));
        added.map(|m| self.member(group, &m)).collect()
    }

    /// The members that `epoch`, which removes us, adds: mls-rs does not go there, so each add
    /// takes the leftmost free leaf here too (RFC 9420 section 12.1.1).
    fn added_without_us(
        &self,
        group: &Inner<C>,
        epoch: &NewEpoch,
        kept: &BTreeSet<u32>,
    ) -> Result<Vec<Member>, EngineError> {
        let mut free = (0u32..).filter(|leaf| !kept.contains(leaf));
        let mut added = Vec::new();
        for proposal in &epoch.applied_proposals {
            let Proposal::Add(add) = &proposal.proposal else { continue };
            let identity = add.signing_identity();
            let bytes = add.key_package().mls_encode_to_vec().map_err(|_| EngineError::Malformed)?;
            added.push(Member {
                leaf: free.next().ok_or(EngineError::Malformed)?,
                sender: self.fingerprint(identity)?,
                identity: self.identity(identity, &group.context().extensions)?,
                credential: credential(identity)?,
                sequence: sequence(&leaf_node(&bytes)?.extensions).unwrap_or_default(),
            });
        }
        Ok(added)
    }

    fn validate_credential(
        &self,
        group: &Inner<C>,
        identity: &SigningIdentity,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let context = group.context();
        let context = MemberValidationContext::ForCommit {
            current_context: context,
            new_extensions: &context.extensions,
        };
        self.client
            .identity_provider()
            .validate_member(identity, Some(mls_time(now)), context)
            .map_err(|e| EngineError::Invalid(Box::new(into_any(e))))
    }

    /// Runs `f` with the keys of the first of `keys` that `welcome` was made for, and of no other.
    fn with_welcomed<T>(
        &self,
        welcome: &Bytes,
        keys: &[OwnKeyPackage],
        f: impl FnOnce(&MlsMessage, &OwnKeyPackage) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let message = parse(welcome)?;
        let MlsMessageDescription::Welcome { key_package_refs, .. } = message.description() else {
            return Err(EngineError::Malformed);
        };
        let key = key_package_refs
            .iter()
            .find_map(|r| keys.iter().find(|key| key.reference[..] == r[..]))
            .ok_or(EngineError::NotForMe)?;
        let data = KeyPackageData::mls_decode_exhaustive(key.secret.as_bytes())
            .map_err(|_| EngineError::Malformed)?;
        let _guard = self.slots();
        self.key_packages.put(key.reference.to_vec(), data);
        let result = f(&message, key);
        self.key_packages.take();
        result
    }
}

impl<C: MlsConfig> Engine for MlsEngine<C> {
    type Group = MlsGroup<C>;

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        self.primitives.sha256(data)
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.primitives.verify_ed25519(service_key, message, signature)
    }

    fn generate_key_package(&mut self, now: Timestamp, sequence: u64) -> Result<OwnKeyPackage, EngineError> {
        let begins = mls_time(now).seconds_since_epoch().saturating_sub(CLOCK_SKEW.as_secs());
        let _guard = self.slots();
        let message = self
            .client
            .generate_key_package_message(
                ExtensionList::new(),
                sequence_extension(sequence),
                Some(MlsTime::from(begins)),
            )
            .map_err(provider)?;
        let (reference, data) =
            self.key_packages.take().ok_or(EngineError::Unsupported("mls-rs stored no KeyPackage"))?;
        Ok(OwnKeyPackage {
            sequence,
            message: message.to_bytes().map_err(provider)?.into(),
            reference: reference.into(),
            expires: Timestamp::from_secs(data.expiration),
            secret: Secret::new(data.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?),
        })
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, EngineError> {
        let parsed = parse(message)?;
        let key_package = parsed.as_key_package().ok_or(EngineError::Malformed)?;
        if key_package.cipher_suite() != self.suite {
            return Err(EngineError::Unsupported("cipher suite"));
        }
        // MLSMessage is version, wire format, KeyPackage.
        let leaf = leaf_node(message.get(4..).unwrap_or_default())?;
        let LeafNodeSource::KeyPackage(lifetime) = &leaf.leaf_node_source else {
            return Err(EngineError::Malformed);
        };
        if lifetime.not_after < lifetime.not_before {
            return Err(EngineError::Malformed);
        }
        if gap(lifetime.not_before, lifetime.not_after) > MAX_LIFETIME {
            return Err(EngineError::Invalid("a KeyPackage that lives for more than seven days".into()));
        }
        let sequence = sequence(&leaf.extensions)?;
        let params = ExtensionType::new(PARAMS_EXTENSION);
        if sequence.is_some() && !leaf.capabilities.extensions.contains(&params) {
            return Err(EngineError::Unsupported("our leaf extension without our group extension"));
        }
        let identity = key_package.signing_identity();
        let info = KeyPackageInfo {
            sender: self.fingerprint(identity)?,
            identity: self.identity(identity, &ExtensionList::new())?,
            credential: credential(identity)?,
            reference: self.primitives.key_package_ref(&parsed)?.into(),
            sequence,
            expires: Timestamp::from_secs(lifetime.not_after.seconds_since_epoch()),
        };
        match self.scratch(now)?.process_incoming_message_with_time(parsed, mls_time(now)) {
            Ok(ReceivedMessage::KeyPackage(_)) => Ok(info),
            Ok(_) => Err(EngineError::Malformed),
            Err(e) => Err(invalid(e)),
        }
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &GroupParams,
        sequence: u64,
    ) -> Result<MlsGroup<C>, EngineError> {
        // Members that know only the draft can be in a group without our extension alone.
        let params = if *params == GroupParams::draft() {
            ExtensionList::new()
        } else {
            extension(PARAMS_EXTENSION, params::encode(params))
        };
        self.client
            .create_group_with_id(
                group.as_bytes().to_vec(),
                params,
                sequence_extension(sequence),
                Some(mls_time(now)),
            )
            .map(|group| MlsGroup(group, ()))
            .map_err(provider)
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, EngineError> {
        self.with_welcomed(welcome, keys, |message, key| {
            let info = self.client.examine_welcome_message(message).map_err(invalid)?;
            let context = info.group_context();
            Ok(WelcomeInfo {
                group_id: Bytes::copy_from_slice(&context.group_id),
                epoch: context.epoch,
                context_hash: self.context_hash(context)?,
                reference: key.reference.clone(),
                params: group_params(&context.extensions)?,
                has_tree: info.extensions().has_extension(ExtensionType::RATCHET_TREE),
            })
        })
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<MlsGroup<C>, EngineError> {
        let tree = tree
            .map(|bytes| ExportedTree::mls_decode_exhaustive(bytes).map_err(|_| EngineError::Malformed))
            .transpose()?;
        let group = self.with_welcomed(welcome, std::slice::from_ref(key), |message, _| {
            // No time here: a member that has not committed since it joined still has the leaf of
            // its KeyPackage, and must not close the group to newcomers when that expires. (mls-rs
            // reads no clock instead.) Credentials are checked below.
            self.client.join_group(tree, message, None).map(|(group, _)| group).map_err(invalid)
        })?;
        group_params(&group.context().extensions)?;
        for identity in group.roster().member_identities_iter() {
            self.validate_credential(&group, identity, now)?;
        }
        Ok(MlsGroup(group, ()))
    }

    fn view(&self, group: &MlsGroup<C>) -> Result<GroupView, EngineError> {
        let group = &group.0;
        Ok(GroupView {
            group_id: Bytes::copy_from_slice(group.group_id()),
            epoch: group.current_epoch(),
            context_hash: self.context_hash(group.context())?,
            leaf: group.current_member_index(),
            members: group.roster().member_identities_iter().count(),
            params: group_params(&group.context().extensions)?,
        })
    }

    fn roster(&self, group: &MlsGroup<C>) -> Result<Vec<Member>, EngineError> {
        group.0.roster().members_iter().map(|m| self.member(&group.0, &m)).collect()
    }

    fn credential_valid(&self, group: &MlsGroup<C>, member: &Member, now: Timestamp) -> bool {
        let Some(held) = group.0.member_at_index(member.leaf) else { return false };
        self.fingerprint(&held.signing_identity).is_ok_and(|sender| sender == member.sender)
            && self.validate_credential(&group.0, &held.signing_identity, now).is_ok()
    }

    fn classify(&self, message: &Bytes) -> Result<MessageKind, EngineError> {
        Ok(match parse(message)?.description() {
            MlsMessageDescription::KeyPackage => MessageKind::KeyPackage,
            MlsMessageDescription::Welcome { .. } => MessageKind::Welcome,
            MlsMessageDescription::PrivateProtocolMessage { group_id, epoch_id, content_type }
            | MlsMessageDescription::PublicProtocolMessage { group_id, epoch_id, content_type, .. } => {
                let group_id = Bytes::copy_from_slice(group_id);
                match content_type {
                    ContentType::Commit => MessageKind::Commit { group_id, epoch: epoch_id },
                    ContentType::Proposal => MessageKind::Proposal { group_id, epoch: epoch_id },
                    ContentType::Application => MessageKind::Other,
                }
            }
            MlsMessageDescription::GroupInfo => MessageKind::Other,
        })
    }

    fn trial(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        commit: &Bytes,
    ) -> Result<Trial<MlsGroup<C>>, EngineError> {
        let group = &group.0;
        let message = private(commit, ContentType::Commit)?;
        let (next, received) = self.process(group, now, &message)?;
        let ReceivedMessage::Commit(commit) = received else { return Err(EngineError::Malformed) };
        if commit.is_external {
            return Err(EngineError::Forbidden("an external commit"));
        }
        let (epoch, stays) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, true),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, false),
            CommitEffect::ReInit(_) => return Err(EngineError::Forbidden("a reinitialization")),
        };
        let removed = removed(epoch);
        let mut kept: BTreeSet<u32> = group.roster().members_iter().map(|m| m.index).collect();
        removed.iter().for_each(|leaf| {
            kept.remove(leaf);
        });
        let author = commit.committer;
        if !stays {
            let added = self.added_without_us(group, epoch, &kept)?;
            return Ok(Trial { author, removed, added, next: None });
        }
        // Only a path gives the committer another leaf key. mls-rs asks for one where RFC 9420
        // does, which is not where all there is are adds.
        if leaf_key::<C>(group, author)? == leaf_key::<C>(&next, author)? {
            return Err(EngineError::Forbidden("a commit without a path"));
        }
        let added = self.added(&next, &kept)?;
        Ok(Trial { author, removed, added, next: Some(self.next(next)?) })
    }

    fn build(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Result<Built<MlsGroup<C>>, EngineError> {
        let mut next = group.0.clone();
        let mut recipients = BTreeMap::new();
        let mut builder = next.commit_builder().commit_time(mls_time(now));
        for leaf in removes {
            builder = builder.remove_member(*leaf).map_err(invalid)?;
        }
        for bytes in adds {
            let message = parse(bytes)?;
            let identity = message.as_key_package().ok_or(EngineError::Malformed)?.signing_identity();
            let sender = self.fingerprint(identity)?;
            recipients.insert(self.primitives.key_package_ref(&message)?, sender);
            builder = builder.add_member(message).map_err(invalid)?;
        }
        let (output, secrets) = builder.build_detached().map_err(invalid)?;
        // Applied on the very clone it was built on: the secrets fit no other state, and mls-rs
        // would not notice.
        next.apply_detached_commit(secrets).map_err(provider)?;

        let mut welcomes = Vec::with_capacity(output.welcome_messages.len());
        for welcome in &output.welcome_messages {
            let reference = match welcome.welcome_key_package_references().as_slice() {
                [one] => one.to_vec(),
                _ => return Err(EngineError::Unsupported("a Welcome for more than one")),
            };
            let recipient = recipients
                .remove(&reference)
                .ok_or(EngineError::Unsupported("a Welcome for nobody we added"))?;
            welcomes.push((recipient, welcome.to_bytes().map_err(provider)?.into()));
        }
        if !recipients.is_empty() {
            return Err(EngineError::Unsupported("an add without a Welcome"));
        }
        let mut kept: BTreeSet<u32> = group.0.roster().members_iter().map(|m| m.index).collect();
        removes.iter().for_each(|leaf| {
            kept.remove(leaf);
        });
        Ok(Built {
            commit: output.commit_message.to_bytes().map_err(provider)?.into(),
            welcomes,
            added: self.added(&next, &kept)?,
            next: self.next(next)?,
        })
    }

    fn propose_leave(&self, group: &MlsGroup<C>, _now: Timestamp) -> Result<Bytes, EngineError> {
        let mut clone = group.0.clone();
        let own = clone.current_member_index();
        let message = clone.propose_remove(own, Vec::new()).map_err(provider)?;
        message.to_bytes().map(Bytes::from).map_err(provider)
    }

    fn open_leave(&self, group: &MlsGroup<C>, now: Timestamp, message: &Bytes) -> Result<u32, EngineError> {
        let message = private(message, ContentType::Proposal)?;
        let (_, received) = self.process(&group.0, now, &message)?;
        let ReceivedMessage::Proposal(received) = received else { return Err(EngineError::Malformed) };
        match (received.sender, &received.proposal) {
            (ProposalSender::Member(leaf), Proposal::Remove(p)) if p.to_remove() == leaf => Ok(leaf),
            _ => Err(EngineError::Invalid("not a wish of a member to leave".into())),
        }
    }

    fn export_secret(
        &self,
        group: &MlsGroup<C>,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let secret = group.0.export_secret(label, context, len).map_err(provider)?;
        Ok(Secret::new(secret.to_vec()))
    }

    fn hkdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        self.primitives.hkdf_extract(salt, ikm)
    }

    fn hkdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError> {
        self.primitives.hkdf_expand(prk, info, len)
    }

    fn hash_len(&self) -> usize {
        self.primitives.hash_len()
    }

    fn epoch_authenticator(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        Ok(Bytes::copy_from_slice(&group.0.epoch_authenticator().map_err(provider)?))
    }

    fn save(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        let _guard = self.slots();
        group.0.clone().write_to_storage().map_err(provider)?;
        let state = self.states.take().ok_or(EngineError::Unsupported("a group of another engine"))?;
        let id_len = u16::try_from(state.id.len()).map_err(|_| EngineError::Unsupported("group id"))?;
        let mut out = Vec::with_capacity(3 + state.id.len() + state.data.len());
        out.put_u8(SAVE_VERSION);
        out.put_u16(id_len);
        out.put_slice(&state.id);
        out.put_slice(&state.data);
        Ok(out.into())
    }

    fn load(&self, bytes: &Bytes) -> Result<MlsGroup<C>, EngineError> {
        let Some((&[version, high, low], rest)) = bytes.split_first_chunk::<3>() else {
            return Err(EngineError::Malformed);
        };
        if version != SAVE_VERSION {
            return Err(EngineError::Malformed);
        }
        let id_len = usize::from(u16::from_be_bytes([high, low]));
        let (id, data) = rest.split_at_checked(id_len).ok_or(EngineError::Malformed)?;
        let _guard = self.slots();
        self.states.put(id.to_vec(), data.to_vec());
        let group = self.client.load_group(id);
        self.states.take();
        let group = group.map_err(|_| EngineError::Malformed)?;
        if group.group_id() != id {
            return Err(EngineError::Malformed);
        }
        Ok(MlsGroup(group, ()))
    }
}

const SAVE_VERSION: u8 = 1;

fn mls_time(t: Timestamp) -> MlsTime {
    MlsTime::from(t.as_secs())
}

/// From `earlier` to `later`; zero if they are the other way round (`MlsTime - MlsTime` would panic).
fn gap(earlier: MlsTime, later: MlsTime) -> Duration {
    Duration::from_secs(later.seconds_since_epoch().saturating_sub(earlier.seconds_since_epoch()))
}

fn into_any(error: impl mls_rs::error::IntoAnyError) -> mls_rs::error::AnyError {
    error.into_any_error()
}

fn parse(message: &[u8]) -> Result<MlsMessage, EngineError> {
    MlsMessage::from_bytes(message).map_err(|_| EngineError::Malformed)
}

/// A PrivateMessage with content of the type `wanted`.
fn private(message: &[u8], wanted: ContentType) -> Result<MlsMessage, EngineError> {
    let message = parse(message)?;
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { content_type, .. } if content_type == wanted => {}
        MlsMessageDescription::PublicProtocolMessage { .. } => {
            return Err(EngineError::Forbidden("a handshake message that is not encrypted"));
        }
        _ => return Err(EngineError::Malformed),
    }
    Ok(message)
}

fn extension(kind: u16, data: Vec<u8>) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(kind), data));
    list
}

fn sequence_extension(sequence: u64) -> ExtensionList {
    extension(SEQUENCE_EXTENSION, sequence.to_be_bytes().to_vec())
}

fn sequence(extensions: &ExtensionList) -> Result<Option<u64>, EngineError> {
    let Some(found) = extensions.get(ExtensionType::new(SEQUENCE_EXTENSION)) else { return Ok(None) };
    let bytes = found.extension_data.as_slice().try_into().map_err(|_| EngineError::Malformed)?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

fn group_params(extensions: &ExtensionList) -> Result<Option<GroupParams>, EngineError> {
    let found = extensions.get(ExtensionType::new(PARAMS_EXTENSION));
    found
        .map(|e| params::decode(&e.extension_data))
        .transpose()
        .map_err(|e| EngineError::Invalid(Box::new(e)))
}

/// The type and the content of the one vector that a credential of any type consists of.
fn credential(identity: &SigningIdentity) -> Result<Credential, EngineError> {
    let bytes = identity.credential.mls_encode_to_vec().map_err(|_| EngineError::Malformed)?;
    let mut rest = bytes.get(2..).unwrap_or_default();
    let data: Vec<u8> =
        mls_rs::mls_rs_codec::byte_vec::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)?;
    Ok(Credential { kind: identity.credential.credential_type().raw_value(), data: data.into() })
}

/// The leaf of a KeyPackage, which mls-rs keeps to itself: it comes after version, cipher suite and
/// init key (RFC 9420 section 10).
fn leaf_node(key_package: &[u8]) -> Result<LeafNode, EngineError> {
    let mut rest = key_package.get(4..).unwrap_or_default();
    HpkePublicKey::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)?;
    LeafNode::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)
}

fn leaf_key<C: MlsConfig>(group: &Inner<C>, leaf: u32) -> Result<HpkePublicKey, EngineError> {
    let index = LeafIndex::try_from(leaf).map_err(invalid)?;
    let tree = group.export_tree();
    let leaf = tree.get_leaf(index).map_err(invalid)?;
    leaf.map(|l| l.public_key.clone()).ok_or(EngineError::Malformed)
}

fn removed(epoch: &NewEpoch) -> Vec<u32> {
    let leaf = |p: &Proposal| match p {
        Proposal::Remove(remove) => Some(remove.to_remove()),
        _ => None,
    };
    epoch.applied_proposals.iter().filter_map(|p| leaf(&p.proposal)).collect()
}
