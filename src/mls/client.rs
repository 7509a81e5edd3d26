//! The engine itself, and what its parts need of the client inside.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::extension::ExtensionType;
use mls_rs::group::LeafNode;
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::MlsEncode;
use mls_rs::storage_provider::in_memory::InMemoryPreSharedKeyStorage;
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuite, Client, CryptoProvider, ExtensionList, IdentityProvider};
use mls_rs_core::identity::MemberValidationContext;

use crate::codec::leaf_origin::{self, LeafOrigin};
use crate::engine::{EngineError, Member, OwnKeyPackage, Rejection};
use crate::mls::crypto::{Primitives, Suites};
use crate::mls::error::{Stop, provider, unless_identity};
use crate::mls::hpke_keys::Kem;
use crate::mls::identity::UniqueKeys;
use crate::mls::message::{credential, extension, leaf_key, mls_time, origin};
use crate::mls::rules::StrictRules;
use crate::mls::settings::{
    CLOCK_SKEW, EngineConfig, Inner, LEAF_ORIGIN_EXTENSION, MAX_LIFETIME, Options, PARAMS_EXTENSION,
};
use crate::mls::storage::{GroupStateSlot, KeyPackageSlot};
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// [`Engine`](crate::engine::Engine) over mls-rs. `C` is the configuration of the embedder's own [`mls_rs::Client`].
pub struct MlsEngine<C: MlsConfig> {
    pub(super) client: Client<EngineConfig<C>>,
    pub(super) primitives: Arc<dyn Primitives>,
    pub(super) key_packages: KeyPackageSlot,
    pub(super) states: GroupStateSlot,
    pub(super) rules: StrictRules,
    pub(super) suite: CipherSuite,
    pub(super) sender: SenderId,
    /// As [`Options::draft_lifetime`].
    pub(super) draft_lifetime: Duration,
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
        C: 'static,
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
        C: 'static,
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
        let identities = UniqueKeys::new(client.identity_provider());
        // At time zero no lifetime of the client's overflows; ours replaces it.
        let client = client
            .to_builder(Some(MlsTime::from(0)))
            .identity_provider(identities)
            .key_package_repo(key_packages.clone())
            .group_state_storage(states.clone())
            .psk_store(InMemoryPreSharedKeyStorage::default())
            .mls_rules(rules.clone())
            .key_package_lifetime(lifetime)
            .extension_type(ExtensionType::new(LEAF_ORIGIN_EXTENSION))
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
            draft_lifetime: options.draft_lifetime,
            scratch: OnceLock::new(),
            welcomed: Mutex::new(None),
            slots: Mutex::new(()),
        })
    }

    /// The KEM of the group's cipher suite.
    pub(super) fn kem(&self) -> Kem {
        Kem::of(self.suite)
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, ()> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group of our own that nothing becomes of, to judge others' messages with.
    pub(super) fn scratch(&self, now: Timestamp) -> Result<Inner<C>, Stop> {
        if let Some(group) = self.scratch.get() {
            return Ok(group.clone());
        }
        let none = ExtensionList::new();
        let group = self
            .client
            .create_group_with_id(Vec::new(), none.clone(), none, Some(mls_time(now)))
            .map_err(unless_identity)?;
        Ok(self.scratch.get_or_init(|| Box::new(group)).clone())
    }

    /// What a leaf of our own says about where it comes from.
    pub(super) fn origin(&self, group: &GroupName, object_id: u64) -> Result<ExtensionList, EngineError> {
        let origin = LeafOrigin::new(object_id, &self.primitives.sha256(&group.root())?);
        Ok(extension(LEAF_ORIGIN_EXTENSION, leaf_origin::encode(&origin)))
    }

    pub(super) fn fingerprint(&self, identity: &SigningIdentity) -> Result<SenderId, EngineError> {
        self.primitives.sha256(&identity.signature_key).map(SenderId::from_fingerprint)
    }

    /// Returns who has a signing identity. The embedder's provider refuses a credential by an error.
    pub(super) fn identity(&self, of: &SigningIdentity, group: &ExtensionList) -> Result<Bytes, Rejection> {
        let identity = self.client.identity_provider().name(of, group);
        identity.map(Bytes::from).map_err(|e| Rejection::Invalid(Box::new(e)))
    }

    pub(super) fn member(&self, group: &Inner<C>, index: u32, leaf: &LeafNode) -> Result<Member, Stop> {
        // What another member made of its own leaf must not make the roster unreadable.
        let origin = origin(&leaf.extensions).unwrap_or_default();
        Ok(Member {
            leaf_index: index,
            sender: self.fingerprint(&leaf.signing_identity)?,
            identity: self.identity(&leaf.signing_identity, &group.context().extensions)?,
            credential: credential(&leaf.signing_identity)?,
            key_package_object_id: origin.map(|origin| origin.object_id),
            leaf_key: leaf_key(origin, leaf),
        })
    }

    pub(super) fn context_hash(
        &self,
        context: &mls_rs::group::GroupContext,
    ) -> Result<[u8; 32], EngineError> {
        let bytes = context.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?;
        self.primitives.sha256(&bytes)
    }

    pub(super) fn validate_credential(
        &self,
        group: &Inner<C>,
        identity: &SigningIdentity,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let context = group.context();
        let context = MemberValidationContext::ForCommit {
            current_context: context,
            new_extensions: &context.extensions,
        };
        self.client
            .identity_provider()
            .validate_member(identity, Some(mls_time(now)), context)
            .map_err(|e| Rejection::Invalid(Box::new(e)))
    }

    pub(super) fn welcomed(&self) -> MutexGuard<'_, Option<(Bytes, OwnKeyPackage, Inner<C>)>> {
        self.welcomed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
