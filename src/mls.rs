//! The [`Engine`] over mls-rs 0.57: the only place that names it.
//!
//! What mls-rs leaves to its user is settled here (`reliability.md` section 4): every commit is tried
//! or built on a clone, rules are strict ([`rules`]), handshake messages are encrypted and padded,
//! lifetimes are hours, and every call that can take a time gets the event's. Stores are ours and
//! empty between calls: key packages leave in [`OwnKeyPackage`], group states by [`Engine::save`].
//!
//! The embedder brings an `mls_rs::Client` with its crypto provider, identity provider and signing
//! identity. To name the engine in a struct, write `MlsEngine<C, P>` with the client's configuration
//! type `C` and crypto provider `P`.

pub mod rules;
mod scratch;

use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::{
    MakeConfig, MlsConfig, WithGroupStateStorage, WithKeyPackageRepo, WithMlsRules,
};
use mls_rs::crypto::SignaturePublicKey;
use mls_rs::error::{IntoAnyError, MlsError};
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, ContentType, ExportedTree, GroupContext, ProposalSender, ReceivedMessage};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::storage_provider::in_memory::{InMemoryGroupStateStorage, InMemoryKeyPackageStorage};
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Extension, ExtensionList, Group,
    GroupStateStorage, IdentityProvider, KeyPackage, MlsMessage, MlsMessageDescription,
};
use mls_rs_core::group::{GroupState, Member as MlsMember};
use mls_rs_core::identity::MemberValidationContext;

use self::rules::StrictRules;
use crate::Secret;
use crate::codec::params;
use crate::engine::{
    Built, Credential, Engine, EngineError, GroupParams, GroupView, KeyPackageInfo, Member, MessageKind,
    Next, OwnKeyPackage, Trial, WelcomeInfo,
};
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// Private-use LeafNode extension with the KeyPackage's object id: 8 bytes, big-endian (ours,
/// `design.md` row 13).
pub const SEQUENCE_EXTENSION: u16 = 0xF0A0;
/// Private-use GroupContext extension with the group's parameters ([`params`], ours).
pub const PARAMS_EXTENSION: u16 = 0xF0A1;
/// The lifetime of KeyPackages, unless set otherwise. mls-rs's own default is a year.
pub const KEY_PACKAGE_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// KeyPackages of others that would live longer than this, plus an hour of clock skew, are refused.
pub const MAX_KEY_PACKAGE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600 + 3600);

/// An embedder's client configuration with this crate's stores and rules put in.
pub type EngineConfig<C> = WithMlsRules<
    StrictRules,
    WithGroupStateStorage<
        InMemoryGroupStateStorage,
        WithKeyPackageRepo<InMemoryKeyPackageStorage, MakeConfig<C>>,
    >,
>;

/// [`Engine`] over an embedder's mls-rs client.
pub struct MlsEngine<C: MlsConfig, P> {
    client: Client<EngineConfig<C>>,
    /// Makes the throw-away groups that KeyPackages are looked at in.
    scratch: Client<scratch::ScratchConfig<C>>,
    crypto: P,
    keys: InMemoryKeyPackageStorage,
    groups: InMemoryGroupStateStorage,
    suite: CipherSuite,
    me: SenderId,
}

/// One member's group state at one epoch.
pub struct MlsGroup<C: MlsConfig>(Group<EngineConfig<C>>)
where
    EngineConfig<C>: MlsConfig;

impl<C: MlsConfig> Clone for MlsGroup<C>
where
    EngineConfig<C>: MlsConfig,
{
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: MlsConfig + 'static, P: CryptoProvider + Clone> MlsEngine<C, P> {
    /// An engine over `client`, whose crypto provider must be given too: mls-rs does not show it.
    ///
    /// `now` dates nothing; mls-rs asks for a time where it copies the lifetime setting.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] if the client has no signing identity, or the provider lacks the
    /// client's cipher suite or SHA-256.
    pub fn new(client: &Client<C>, crypto: P, now: Timestamp) -> Result<Self, EngineError> {
        Self::with_lifetime(client, crypto, now, KEY_PACKAGE_LIFETIME)
    }

    /// As [`MlsEngine::new`], with another lifetime for one's own KeyPackages: at most a week.
    ///
    /// # Errors
    /// As [`MlsEngine::new`].
    pub fn with_lifetime(
        client: &Client<C>,
        crypto: P,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Self, EngineError> {
        let (identity, suite) = client
            .signing_identity()
            .map_err(|_| EngineError::Unsupported("a client without an identity"))?;
        let me = SenderId::from_fingerprint(sha256(&crypto, &identity.signature_key)?);
        let keys = InMemoryKeyPackageStorage::new();
        let groups = InMemoryGroupStateStorage::new();
        let build = |keys: InMemoryKeyPackageStorage, groups: InMemoryGroupStateStorage, path| {
            client
                .to_builder(Some(mls_time(now)))
                .key_package_repo(keys)
                .group_state_storage(groups)
                .mls_rules(StrictRules { path })
                .extension_types([SEQUENCE_EXTENSION.into(), PARAMS_EXTENSION.into()])
                .key_package_lifetime(lifetime.min(MAX_KEY_PACKAGE_LIFETIME))
        };
        Ok(Self {
            client: build(keys.clone(), groups.clone(), true).build(),
            scratch: scratch::client::<C>(
                build(Default::default(), Default::default(), false),
                client.identity_provider(),
            ),
            crypto,
            keys,
            groups,
            suite,
            me,
        })
    }

    fn member(&self, member: &MlsMember) -> Result<Member, EngineError> {
        let identity = self.identity(&member.signing_identity, &member.extensions)?;
        Ok(Member {
            leaf: member.index,
            sender: self.fingerprint(&member.signing_identity.signature_key)?,
            identity,
            credential: credential(&member.signing_identity)?,
            sequence: sequence(&member.extensions),
        })
    }

    fn identity(&self, who: &SigningIdentity, extensions: &ExtensionList) -> Result<Bytes, EngineError> {
        let identity = self.client.identity_provider().identity(who, extensions);
        identity.map(Bytes::from).map_err(|e| EngineError::Invalid(boxed(e)))
    }

    fn fingerprint(&self, key: &SignaturePublicKey) -> Result<SenderId, EngineError> {
        sha256(&self.crypto, key).map(SenderId::from_fingerprint)
    }

    fn context_hash(&self, context: &GroupContext) -> Result<[u8; 32], EngineError> {
        let bytes = context.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?;
        sha256(&self.crypto, &bytes)
    }

    fn next(&self, group: Group<EngineConfig<C>>) -> Result<Next<MlsGroup<C>>, EngineError> {
        let context_hash = self.context_hash(group.context())?;
        Ok(Next { group: MlsGroup(group), context_hash })
    }

    fn reference(&self, key_package: &KeyPackage) -> Result<Bytes, EngineError> {
        let suite = self
            .crypto
            .cipher_suite_provider(self.suite)
            .ok_or(EngineError::Unsupported("the client's cipher suite"))?;
        let reference = key_package.to_reference(&suite).map_err(invalid)?;
        Ok(Bytes::copy_from_slice(&reference))
    }

    /// The members that a commit added: those at leaves that were empty before or emptied by it.
    fn added(
        &self,
        group: &Group<EngineConfig<C>>,
        key_packages: &[&KeyPackage],
    ) -> Result<Vec<Member>, EngineError> {
        key_packages
            .iter()
            .map(|key_package| {
                let who = key_package.signing_identity();
                let identity = self.identity(who, &group.context().extensions)?;
                self.member(&group.member_with_identity(&identity).map_err(invalid)?)
            })
            .collect()
    }

    /// Opens the stores for one call and empties them whatever comes of it.
    fn with_keys<T>(
        &self,
        keys: &[&OwnKeyPackage],
        call: impl FnOnce(&Client<EngineConfig<C>>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        for key in keys {
            let data =
                KeyPackageData::mls_decode(&mut key.secret.as_bytes()).map_err(|_| EngineError::Malformed)?;
            self.keys.insert(key.reference.to_vec(), data);
        }
        let result = call(&self.client);
        for key in keys {
            self.keys.delete(&key.reference);
        }
        result
    }
}

impl<C: MlsConfig + 'static, P: CryptoProvider + Clone> Engine for MlsEngine<C, P> {
    type Group = MlsGroup<C>;

    fn sender_id(&self) -> &SenderId {
        &self.me
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        sha256(&self.crypto, data)
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        // Ed25519 is the signature scheme of this suite.
        let suite = self.crypto.cipher_suite_provider(CipherSuite::CURVE25519_AES128);
        suite.is_some_and(|s| s.verify(&service_key.to_vec().into(), signature, message).is_ok())
    }

    fn generate_key_package(&mut self, now: Timestamp, sequence: u64) -> Result<OwnKeyPackage, EngineError> {
        let message = self
            .client
            .generate_key_package_message(Default::default(), leaf_extensions(sequence), Some(mls_time(now)))
            .map_err(provider)?;
        let key_package = message.as_key_package().ok_or(EngineError::Malformed)?;
        let reference = self.reference(key_package)?;
        let data = self.keys.get(&reference).ok_or(EngineError::Malformed)?;
        self.keys.delete(&reference);
        let secret = data.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?;
        Ok(OwnKeyPackage {
            sequence,
            reference,
            expires: Timestamp::from_secs(key_package.expiration().map_err(provider)?.seconds_since_epoch()),
            secret: Secret::new(secret),
            message: encode(&message)?,
        })
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, EngineError> {
        let message = decode(message)?;
        let key_package = message.as_key_package().ok_or(EngineError::Malformed)?.clone();
        let expires = key_package.expiration().map_err(invalid)?;
        let latest = now.after(MAX_KEY_PACKAGE_LIFETIME);
        if expires.seconds_since_epoch() > latest.as_secs() {
            return Err(EngineError::Expired);
        }
        // mls-rs validates a KeyPackage only by adding it, and shows a leaf's extensions only then.
        let mut scratch = self
            .scratch
            .create_group_with_id(
                b"scratch".to_vec(),
                Default::default(),
                Default::default(),
                Some(mls_time(now)),
            )
            .map_err(provider)?;
        let builder = scratch.commit_builder().commit_time(mls_time(now));
        let built =
            builder.add_member(message).and_then(|b| b.build()).and_then(|_| scratch.apply_pending_commit());
        built.map_err(|e| match e {
            MlsError::InvalidLifetime { .. } => EngineError::Expired,
            other => invalid(other),
        })?;
        let added = scratch.member_at_index(1).ok_or(EngineError::Malformed)?;
        let member = self.member(&added)?;
        Ok(KeyPackageInfo {
            sender: member.sender,
            identity: member.identity,
            credential: member.credential,
            reference: self.reference(&key_package)?,
            sequence: member.sequence,
            expires: Timestamp::from_secs(expires.seconds_since_epoch()),
        })
    }

    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &GroupParams,
        sequence: u64,
    ) -> Result<Self::Group, EngineError> {
        let mut context = ExtensionList::new();
        if *params != GroupParams::draft() {
            context.set(Extension::new(PARAMS_EXTENSION.into(), params::encode(params)));
        }
        self.client
            .create_group_with_id(
                group.as_bytes().to_vec(),
                context,
                leaf_extensions(sequence),
                Some(mls_time(now)),
            )
            .map(MlsGroup)
            .map_err(provider)
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, EngineError> {
        let message = decode(welcome)?;
        let key = match message.description() {
            MlsMessageDescription::Welcome { key_package_refs, .. } => keys
                .iter()
                .find(|key| key_package_refs.iter().any(|r| r[..] == key.reference[..]))
                .ok_or(EngineError::NotForMe)?,
            _ => return Err(EngineError::Malformed),
        };
        let info =
            self.with_keys(&[key], |client| client.examine_welcome_message(&message).map_err(invalid))?;
        let context = info.group_context();
        Ok(WelcomeInfo {
            group_id: Bytes::copy_from_slice(&context.group_id),
            epoch: context.epoch,
            context_hash: self.context_hash(context)?,
            reference: key.reference.clone(),
            params: group_params(context)?,
            has_tree: info.extensions().has_extension(ExtensionType::RATCHET_TREE),
        })
    }

    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<Self::Group, EngineError> {
        let message = decode(welcome)?;
        let tree = tree.map(|t| ExportedTree::from_bytes(t)).transpose().map_err(invalid)?;
        self.with_keys(&[key], |client| {
            client
                .join_group(tree, &message, Some(mls_time(now)))
                .map(|(group, _)| MlsGroup(group))
                .map_err(invalid)
        })
    }

    fn view(&self, group: &Self::Group) -> Result<GroupView, EngineError> {
        let context = group.0.context();
        Ok(GroupView {
            group_id: Bytes::copy_from_slice(&context.group_id),
            epoch: context.epoch,
            context_hash: self.context_hash(context)?,
            leaf: group.0.current_member_index(),
            members: group.0.roster().members_iter().count(),
            params: group_params(context)?,
        })
    }

    fn roster(&self, group: &Self::Group) -> Result<Vec<Member>, EngineError> {
        group.0.roster().members_iter().map(|m| self.member(&m)).collect()
    }

    fn credential_valid(&self, group: &Self::Group, member: &Member, now: Timestamp) -> bool {
        let context = group.0.context();
        let context = MemberValidationContext::ForCommit {
            current_context: context,
            new_extensions: &context.extensions,
        };
        group.0.member_at_index(member.leaf).is_some_and(|m| {
            let provider = self.client.identity_provider();
            provider.validate_member(&m.signing_identity, Some(mls_time(now)), context).is_ok()
        })
    }

    fn classify(&self, message: &Bytes) -> Result<MessageKind, EngineError> {
        let message = decode(message)?;
        let handshake = |group_id: &[u8], epoch, content| {
            let group_id = Bytes::copy_from_slice(group_id);
            match content {
                ContentType::Commit => MessageKind::Commit { group_id, epoch },
                ContentType::Proposal => MessageKind::Proposal { group_id, epoch },
                _ => MessageKind::Other,
            }
        };
        Ok(match message.description() {
            MlsMessageDescription::KeyPackage => MessageKind::KeyPackage,
            MlsMessageDescription::Welcome { .. } => MessageKind::Welcome,
            MlsMessageDescription::PrivateProtocolMessage { group_id, epoch_id, content_type }
            | MlsMessageDescription::PublicProtocolMessage { group_id, epoch_id, content_type, .. } => {
                handshake(group_id, epoch_id, content_type)
            }
            MlsMessageDescription::GroupInfo => MessageKind::Other,
        })
    }

    fn trial(
        &self,
        group: &Self::Group,
        now: Timestamp,
        commit: &Bytes,
    ) -> Result<Trial<Self::Group>, EngineError> {
        let message = decode(commit)?;
        if !matches!(message.description(), MlsMessageDescription::PrivateProtocolMessage { .. }) {
            return Err(EngineError::Forbidden("a handshake message in the clear"));
        }
        // A failed attempt burns the message's key: the group itself is never the one that tries.
        let mut group = group.0.clone();
        let received =
            group.process_incoming_message_with_time(message, mls_time(now)).map_err(|e| match e {
                MlsError::CantProcessMessageFromSelf => EngineError::Own,
                other => invalid(other),
            })?;
        let ReceivedMessage::Commit(commit) = received else { return Err(EngineError::Malformed) };
        let (epoch, removes_me) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, false),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, true),
            CommitEffect::ReInit(_) => return Err(EngineError::Forbidden("ReInit")),
        };
        let mut removed = Vec::new();
        let mut adds = Vec::new();
        for info in epoch.applied_proposals() {
            match &info.proposal {
                Proposal::Remove(remove) => removed.push(remove.to_remove()),
                Proposal::Add(add) => adds.push(add.key_package()),
                _ => return Err(EngineError::Forbidden("a proposal that is neither Add nor Remove")),
            }
        }
        if removes_me {
            return Ok(Trial { author: commit.committer, removed, added: Vec::new(), next: None });
        }
        let added = self.added(&group, &adds)?;
        Ok(Trial { author: commit.committer, removed, added, next: Some(self.next(group)?) })
    }

    fn build(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Result<Built<Self::Group>, EngineError> {
        let mut group = group.0.clone();
        let mut messages = Vec::with_capacity(adds.len());
        for add in adds {
            messages.push(decode(add)?);
        }
        let mut builder = group.commit_builder().commit_time(mls_time(now));
        for leaf in removes {
            builder = builder.remove_member(*leaf).map_err(invalid)?;
        }
        for message in &messages {
            builder = builder.add_member(message.clone()).map_err(invalid)?;
        }
        let (output, secrets) = builder.build_detached().map_err(invalid)?;
        // mls-rs does not check what a detached commit is applied to; here it is the very clone it was
        // built on, and the result is a state of its own.
        group.apply_detached_commit(secrets).map_err(invalid)?;
        let key_packages: Vec<&KeyPackage> = messages.iter().filter_map(MlsMessage::as_key_package).collect();
        let mut welcomes = Vec::with_capacity(key_packages.len());
        for key_package in &key_packages {
            let reference = self.reference(key_package)?;
            let welcome = output
                .welcome_messages
                .iter()
                .find(|w| w.welcome_key_package_references().iter().any(|r| r[..] == reference[..]))
                .ok_or(EngineError::Malformed)?;
            let sender = self.fingerprint(&key_package.signing_identity().signature_key)?;
            welcomes.push((sender, encode(welcome)?));
        }
        let added = self.added(&group, &key_packages)?;
        Ok(Built { commit: encode(&output.commit_message)?, welcomes, added, next: self.next(group)? })
    }

    fn propose_leave(&self, group: &Self::Group, _now: Timestamp) -> Result<Bytes, EngineError> {
        let mut group = group.0.clone();
        let leaf = group.current_member_index();
        encode(&group.propose_remove(leaf, Vec::new()).map_err(provider)?)
    }

    fn open_leave(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Result<u32, EngineError> {
        let message = decode(message)?;
        let mut group = group.0.clone();
        let received = group.process_incoming_message_with_time(message, mls_time(now)).map_err(invalid)?;
        let ReceivedMessage::Proposal(proposal) = received else { return Err(EngineError::Malformed) };
        match (&proposal.sender, &proposal.proposal) {
            (ProposalSender::Member(sender), Proposal::Remove(remove)) if remove.to_remove() == *sender => {
                Ok(*sender)
            }
            _ => Err(EngineError::Forbidden("a proposal that is not a member's own removal")),
        }
    }

    fn export_secret(
        &self,
        group: &Self::Group,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let secret = group.0.export_secret(label, context, len).map_err(provider)?;
        Ok(Secret::new(secret.to_vec()))
    }

    fn epoch_authenticator(&self, group: &Self::Group) -> Result<Bytes, EngineError> {
        let secret = group.0.epoch_authenticator().map_err(provider)?;
        Ok(Bytes::copy_from_slice(&secret))
    }

    fn save(&self, group: &Self::Group) -> Result<Bytes, EngineError> {
        let mut group = group.0.clone();
        group.write_to_storage().map_err(provider)?;
        let id = group.group_id();
        let state = self.groups.state(id).map_err(|e| EngineError::Provider(boxed(e)))?;
        self.groups.delete_group(id);
        let state = state.ok_or(EngineError::Malformed)?;
        let mut bytes = Vec::with_capacity(id.len().saturating_add(state.len()).saturating_add(2));
        // A group name is at most 255 bytes.
        bytes.extend_from_slice(&(id.len() as u16).to_be_bytes());
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&state);
        Ok(bytes.into())
    }

    fn load(&self, bytes: &Bytes) -> Result<Self::Group, EngineError> {
        let (len, rest) = bytes.split_first_chunk::<2>().ok_or(EngineError::Malformed)?;
        let (id, state) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(EngineError::Malformed)?;
        let stored = GroupState { id: id.to_vec(), data: state.to_vec().into() };
        let mut groups = self.groups.clone();
        groups.write(stored, Vec::new(), Vec::new()).map_err(|e| EngineError::Provider(boxed(e)))?;
        let group = self.client.load_group(id);
        self.groups.delete_group(id);
        group.map(MlsGroup).map_err(|_| EngineError::Malformed)
    }
}

fn mls_time(now: Timestamp) -> MlsTime {
    MlsTime::from(now.as_secs())
}

fn sha256(crypto: &impl CryptoProvider, data: &[u8]) -> Result<[u8; 32], EngineError> {
    let suite = [CipherSuite::CURVE25519_AES128, CipherSuite::P256_AES128]
        .into_iter()
        .find_map(|suite| crypto.cipher_suite_provider(suite))
        .ok_or(EngineError::Unsupported("no cipher suite with SHA-256"))?;
    let hash = suite.hash(data).map_err(|e| EngineError::Provider(boxed(e)))?;
    hash.try_into().map_err(|_| EngineError::Unsupported("a SHA-256 of another length"))
}

fn leaf_extensions(sequence: u64) -> ExtensionList {
    let mut extensions = ExtensionList::new();
    extensions.set(Extension::new(SEQUENCE_EXTENSION.into(), sequence.to_be_bytes().to_vec()));
    extensions
}

fn sequence(extensions: &ExtensionList) -> Option<u64> {
    let extension = extensions.get(SEQUENCE_EXTENSION.into())?;
    extension.extension_data().try_into().ok().map(u64::from_be_bytes)
}

fn group_params(context: &GroupContext) -> Result<Option<GroupParams>, EngineError> {
    context
        .extensions
        .get(PARAMS_EXTENSION.into())
        .map(|extension| {
            params::decode(extension.extension_data()).map_err(|e| EngineError::Invalid(Box::new(e)))
        })
        .transpose()
}

fn credential(identity: &SigningIdentity) -> Result<Credential, EngineError> {
    let mut bytes = identity.credential.mls_encode_to_vec().map_err(|_| EngineError::Malformed)?;
    // RFC 9420 section 5.3: u16 type, then the type's own content as it stands.
    let content = bytes.split_off(2.min(bytes.len()));
    Ok(Credential { kind: identity.credential.credential_type().raw_value(), data: content.into() })
}

/// An MLSMessage that fills its bytes to the last (RFC 9420 section 6).
fn decode(bytes: &Bytes) -> Result<MlsMessage, EngineError> {
    let mut rest = &bytes[..];
    let message = MlsMessage::mls_decode(&mut rest).map_err(|_| EngineError::Malformed)?;
    if rest.is_empty() { Ok(message) } else { Err(EngineError::Malformed) }
}

fn encode(message: &MlsMessage) -> Result<Bytes, EngineError> {
    message.to_bytes().map(Bytes::from).map_err(provider)
}

fn boxed(error: impl IntoAnyError) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(error.into_any_error())
}

fn invalid(error: MlsError) -> EngineError {
    EngineError::Invalid(Box::new(error))
}

fn provider(error: MlsError) -> EngineError {
    EngineError::Provider(Box::new(error))
}
