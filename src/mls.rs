//! [`Engine`](crate::engine::Engine) over mls-rs: the only place that names it.
//!
//! The embedder builds an [`mls_rs::Client`] with its crypto provider, its identity provider and its
//! signing identity. [`MlsEngine`] takes what it needs of it and puts storage, rules, lifetimes and
//! extension types of its own in place of the client's.
//!
//! A group state is a value. mls-rs would change it in place, burn a key on a message that fails
//! and apply a commit to any state; here each step works on a clone or on what can be read back, so a
//! failure leaves nothing behind, and a commit can only lead to the state that was made from the state it was built on.
//!
//! Do not turn on mls-rs's `rayon` where bytes must be the same in every run. Its other features may
//! be on: the rules are a whitelist, and prior epochs are dropped even where `prior_epoch` keeps them.

mod ciphers;
mod crypto;
mod engine;
mod error;
mod group;
mod leaves;
mod message;
#[cfg(feature = "testing")]
pub mod private_keys;
mod rules;
mod storage;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::{
    MakeConfig, MlsConfig, PaddingMode, WithGroupStateStorage, WithKeyPackageRepo, WithMlsRules, WithPskStore,
};
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ContentType, LeafNode, NewEpoch, ReceivedMessage};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::storage_provider::in_memory::InMemoryPreSharedKeyStorage;
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuite, Client, CryptoProvider, ExtensionList, IdentityProvider, MlsMessage, MlsMessageDescription,
};
use mls_rs_core::identity::MemberValidationContext;

pub use self::ciphers::MlsCiphers;
use self::crypto::{Primitives, Suites};
use self::error::{invalid, provider};
pub use self::group::MlsGroup;
use self::leaves::{LeafKeys, leaf_at};
use self::message::{credential, gap, into_any, leaf_node, mls_time, parse, private, sent_in, sequence};
pub use self::rules::{Broken, StrictRules};
pub use self::storage::{GroupStateSlot, KeyPackageSlot};
use crate::engine::{EngineError, Member, Next, OwnKeyPackage};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// The leaf extension with the object id of the KeyPackage the leaf came from, 8 bytes big endian
/// (ours; private use, RFC 9420 section 17.3).
pub const SEQUENCE_EXTENSION: u16 = 0xF0A0;
/// The GroupContext extension with the [`GroupParams`](crate::engine::GroupParams) (ours; private use).
pub const PARAMS_EXTENSION: u16 = 0xF0A1;

/// The GroupInfo extension that says where the ratchet tree lies, in a Welcome that comes without it: a
/// [`TreeObject`](crate::engine::TreeObject) (ours; private use).
pub const TREE_EXTENSION: u16 = 0xF0A2;

/// A KeyPackage with a longer lifetime is refused: whoever made it does not mean to expire.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How far a peer's clock may be behind ours: a KeyPackage begins to live this much before it is made.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// Of this many bytes a Welcome with its tree inside is opened by joining, once for looking into it and for
/// joining by it. A forged one costs no more than checking the few leaves it has room for; a shorter one has no
/// room for the tree of two, and to try it would open it in vain.
const SMALL_WELCOME: RangeInclusive<usize> = 600..=8 * 1024;
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

/// Far too large to be moved about.
type Inner<C> = Box<mls_rs::Group<EngineConfig<C>>>;

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

/// [`Engine`](crate::engine::Engine) over mls-rs. `C` is the configuration of the embedder's own [`mls_rs::Client`].
pub struct MlsEngine<C: MlsConfig> {
    client: Client<EngineConfig<C>>,
    primitives: Arc<dyn Primitives>,
    key_packages: KeyPackageSlot,
    states: GroupStateSlot,
    rules: StrictRules,
    suite: CipherSuite,
    sender: SenderId,
    /// A group nobody else is in: mls-rs validates a KeyPackage only for a group.
    scratch: OnceLock<Inner<C>>,
    /// The last small Welcome looked into, with what opened it and the group it admits to.
    welcomed: Mutex<Option<(Bytes, OwnKeyPackage, Inner<C>)>>,
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
        let primitives = Arc::new(Suites::new(crypto, suite)?);
        let sender = SenderId::from_fingerprint(primitives.sha256(&identity.signature_key)?);
        let key_packages = KeyPackageSlot::default();
        let states = GroupStateSlot::default();
        let rules = StrictRules::new(options.padding);
        // At time zero no lifetime of the client's overflows; ours replaces it.
        let client = client
            .to_builder(Some(MlsTime::from(0)))
            .key_package_repo(key_packages.clone())
            .group_state_storage(states.clone())
            .psk_store(InMemoryPreSharedKeyStorage::default())
            .mls_rules(rules.clone())
            .key_package_lifetime(lifetime)
            .extension_type(ExtensionType::new(SEQUENCE_EXTENSION))
            .extension_type(ExtensionType::new(PARAMS_EXTENSION))
            .build();
        Ok(Self {
            client,
            primitives,
            key_packages,
            states,
            rules,
            suite,
            sender,
            scratch: OnceLock::new(),
            welcomed: Mutex::new(None),
            slots: Mutex::new(()),
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
        Ok(self.scratch.get_or_init(|| Box::new(group)).clone())
    }

    fn fingerprint(&self, identity: &SigningIdentity) -> Result<SenderId, EngineError> {
        self.primitives.sha256(&identity.signature_key).map(SenderId::from_fingerprint)
    }

    fn identity(&self, of: &SigningIdentity, group: &ExtensionList) -> Result<Bytes, EngineError> {
        let identity = self.client.identity_provider().identity(of, group);
        identity.map(Bytes::from).map_err(|e| EngineError::Invalid(Box::new(into_any(e))))
    }

    fn member(&self, group: &Inner<C>, index: u32, leaf: &LeafNode) -> Result<Member, EngineError> {
        Ok(Member {
            leaf: index,
            sender: self.fingerprint(&leaf.signing_identity)?,
            identity: self.identity(&leaf.signing_identity, &group.context().extensions)?,
            credential: credential(&leaf.signing_identity)?,
            // What another member made of its own leaf must not make the roster unreadable.
            sequence: sequence(&leaf.extensions).unwrap_or_default(),
        })
    }

    fn context_hash(&self, context: &mls_rs::group::GroupContext) -> Result<[u8; 32], EngineError> {
        let bytes = context.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?;
        self.primitives.sha256(&bytes)
    }

    /// A group that `author` has just advanced, without what mls-rs may remember of the epoch before. `kept` are
    /// the leaves before, less the removed.
    fn next(
        &self,
        mut group: Inner<C>,
        kept: LeafKeys,
        author: u32,
        added: &[Member],
    ) -> Result<Next<MlsGroup<C>>, EngineError> {
        let mut keys = kept;
        for leaf in added.iter().map(|member| member.leaf).chain([author]) {
            keys.update(&group.export_tree(), leaf)?;
        }
        debug_assert!(keys == LeafKeys::of::<C>(&group), "a commit changed another leaf");
        if self.states.must_flush() {
            let _guard = self.slots();
            group.write_to_storage().map_err(provider)?;
            self.states.take();
        }
        Ok(Next {
            context_hash: self.context_hash(group.context())?,
            group: MlsGroup::with_keys(group, keys),
        })
    }

    /// Processes a PrivateMessage with content of the type `wanted` on what `work_on` makes of `group`, and
    /// returns the group after it. A KeyPackage that it adds may have expired since, or come from a clock ahead
    /// of ours: the message is then judged, on another one, at the nearest time at which it lived.
    fn process(
        &self,
        group: &MlsGroup<C>,
        mut work_on: impl FnMut(&Self, &MlsGroup<C>) -> Result<Inner<C>, EngineError>,
        now: Timestamp,
        bytes: &[u8],
        wanted: ContentType,
    ) -> Result<(Inner<C>, ReceivedMessage), EngineError> {
        const ATTEMPTS: usize = 8;
        let now = mls_time(now);
        let mut at = now;
        for _ in 0..ATTEMPTS {
            let message = private(bytes, wanted)?;
            // Before a group is used up for it.
            self.with(group, |group| sent_in::<C>(&message, group))?;
            let mut next = work_on(self, group)?;
            match next.process_incoming_message_with_time(message, at) {
                Ok(received) => return Ok((next, received)),
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

    /// The members that a commit with `adds` adds, looked up in the roster after it: each took the leftmost
    /// leaf that was free (RFC 9420 section 12.1.1).
    fn added(&self, group: &Inner<C>, kept: &LeafKeys, adds: usize) -> Result<Vec<Member>, EngineError> {
        let tree = group.export_tree();
        let member = |leaf| self.member(group, leaf, leaf_at(&tree, leaf)?.ok_or(EngineError::Malformed)?);
        kept.free().take(adds).map(member).collect()
    }

    /// The members that `epoch`, which removes us, adds: mls-rs does not go there.
    fn added_without_us(
        &self,
        group: &Inner<C>,
        epoch: &NewEpoch,
        kept: &LeafKeys,
    ) -> Result<Vec<Member>, EngineError> {
        let mut free = kept.free();
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

    fn welcomed(&self) -> MutexGuard<'_, Option<(Bytes, OwnKeyPackage, Inner<C>)>> {
        self.welcomed.lock().unwrap_or_else(PoisonError::into_inner)
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
