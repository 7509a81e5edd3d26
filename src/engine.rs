//! What a group can do, in this crate's words: the seam between the state machine and MLS.
//!
//! [`mls::MlsEngine`](crate::mls::MlsEngine) implements it over mls-rs. An engine holds the member's
//! long-lived keys; all state of one group at one epoch is a value, [`Engine::Group`], which the
//! machine clones, tries and throws away. Nothing here reads a clock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::SafetyMode;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{CommitTrackPolicy, FullTrackName, GroupName, Location, SenderId};

/// HKDF (RFC 5869) with the hash of a group's cipher suite.
pub trait Kdf: Send + Sync {
    /// HKDF-Extract.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError>;

    /// HKDF-Expand to `len` bytes.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError>;

    /// Nh: the output length of the hash, bytes.
    fn hash_len(&self) -> usize;
}

/// Cryptography and group state of one participant.
///
/// Every method is deterministic in the engine's state and its arguments, but for randomness drawn
/// inside the crypto provider. `&self` methods leave the passed group untouched.
pub trait Engine {
    /// One member's whole secret state at one epoch.
    type Group: Clone;

    /// The fingerprint of this participant's signature key.
    fn sender_id(&self) -> &SenderId;

    /// SHA-256 of `data`.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] if the crypto provider has no SHA-256 suite.
    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError>;

    /// Verifies an Ed25519 signature (of the counter service, over a receipt).
    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool;

    /// A fresh KeyPackage whose leaf carries `sequence`, its object id on the KeyPackage track.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn generate_key_package(&mut self, now: Timestamp, sequence: u64) -> Result<OwnKeyPackage, EngineError>;

    /// Validates a KeyPackage message: signature, lifetime at `now`, credential, cipher suite.
    ///
    /// # Errors
    /// [`EngineError::Malformed`], [`EngineError::Expired`], [`EngineError::Unsupported`] or
    /// [`EngineError::Invalid`].
    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, EngineError>;

    /// Creates the group at epoch 0 with this participant as its only member; its leaf carries
    /// `sequence`, and its GroupContext `params` unless they are [`GroupParams::draft`].
    ///
    /// # Errors
    /// Any failure of the provider.
    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &GroupParams,
        sequence: u64,
    ) -> Result<Self::Group, EngineError>;

    /// Decrypts a Welcome's GroupInfo without joining.
    ///
    /// # Errors
    /// [`EngineError::NotForMe`] if none of `keys` opens it, else what is wrong with it.
    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, EngineError>;

    /// Joins by a Welcome with the key package it was made for, taking a ratchet tree sent apart.
    ///
    /// # Errors
    /// As [`Engine::examine_welcome`], and [`EngineError::Invalid`] for a tree that does not match.
    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<Self::Group, EngineError>;

    /// The public facts of a group state.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn view(&self, group: &Self::Group) -> Result<GroupView, EngineError>;

    /// All members, by leaf.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] for a leaf this crate cannot describe.
    fn roster(&self, group: &Self::Group) -> Result<Vec<Member>, EngineError>;

    /// Whether `member`'s credential is still valid at `now`, by the embedder's identity provider.
    fn credential_valid(&self, group: &Self::Group, member: &Member, now: Timestamp) -> bool;

    /// What kind of MLS message this is, read from its unencrypted header.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] also for trailing bytes.
    fn classify(&self, message: &Bytes) -> Result<MessageKind, EngineError>;

    /// Processes another member's commit as if on a clone, under strict rules: members' commits only, with
    /// a path, with proposals by value, no ReInit, no external init, no PSK.
    ///
    /// # Errors
    /// [`EngineError::Own`] for a commit of one's own, else what is wrong with it.
    fn trial(
        &self,
        group: &Self::Group,
        now: Timestamp,
        commit: &Bytes,
    ) -> Result<Trial<Self::Group>, EngineError>;

    /// Builds one commit as if on a clone: removes `removes` (leaf indices), then adds `adds` (KeyPackage
    /// messages, already inspected); an empty pair is an update. The group is untouched
    /// (RFC 9420 section 14).
    ///
    /// # Errors
    /// If any of the adds or removes cannot be committed the whole call fails; the caller bisects.
    fn build(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Result<Built<Self::Group>, EngineError>;

    /// As [`Engine::build`], but the Welcomes come without the ratchet tree: it is sealed under a key of its
    /// own ([`Built::tree`]), and each GroupInfo says where it will lie and what opens it ([`TreeObject`]).
    ///
    /// # Errors
    /// As [`Engine::build`].
    fn build_apart(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        track: &FullTrackName,
        location: Location,
    ) -> Result<Built<Self::Group>, EngineError>;

    /// Opens a tree object's payload; the tree, for [`Engine::join`].
    ///
    /// # Errors
    /// [`EngineError::Invalid`] if it was not sealed under this key.
    fn open_tree(&self, tree: &TreeObject, payload: &Bytes) -> Result<Bytes, EngineError>;

    /// A leave request: a PrivateMessage with a proposal to remove oneself.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn propose_leave(&self, group: &Self::Group, now: Timestamp) -> Result<Bytes, EngineError>;

    /// Opens a leave request on a clone; the sender's leaf.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] unless it is a proposal by a member to remove itself.
    fn open_leave(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Result<u32, EngineError>;

    /// MLS-Exporter (RFC 9420 section 8.5).
    ///
    /// # Errors
    /// Any failure of the provider.
    fn export_secret(
        &self,
        group: &Self::Group,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError>;

    /// HKDF with the hash of the group's cipher suite: a handle that outlives the engine.
    fn kdf(&self) -> Arc<dyn Kdf>;

    /// The epoch authenticator (RFC 9420 section 8.7).
    ///
    /// # Errors
    /// Any failure of the provider.
    fn epoch_authenticator(&self, group: &Self::Group) -> Result<Bytes, EngineError>;

    /// The group state as bytes for durable storage. Secret.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn save(&self, group: &Self::Group) -> Result<Bytes, EngineError>;

    /// The inverse of [`Engine::save`].
    ///
    /// # Errors
    /// [`EngineError::Malformed`] for bytes that `save` did not make.
    fn load(&self, bytes: &Bytes) -> Result<Self::Group, EngineError>;
}

/// What the members of a group must agree on; in its GroupContext from creation (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupParams {
    /// How the winner of an epoch is decided.
    pub mode: SafetyMode,
    /// Where commits are published.
    pub commit_tracks: CommitTrackPolicy,
    /// Whether Welcomes may come without the ratchet tree, which then lies in an object of its own.
    pub tree_objects: bool,
    /// SHA-256 of the counter service's receipt key, if receipts are used.
    pub service_key_hash: Option<[u8; 32]>,
}

impl GroupParams {
    /// What a group has that knows only the draft. Such a group carries no parameters, so that
    /// members without this crate's extensions can be in it.
    pub fn draft() -> Self {
        Self {
            mode: SafetyMode::Advisory,
            commit_tracks: CommitTrackPolicy::Shared,
            tree_objects: false,
            service_key_hash: None,
        }
    }
}

/// A KeyPackage of one's own, with the private keys that open a Welcome to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnKeyPackage {
    /// Its object id on the KeyPackage track, which its leaf carries too.
    pub sequence: u64,
    /// The MLSMessage to publish.
    pub message: Bytes,
    /// Its KeyPackageRef (RFC 9420 section 5.2).
    pub reference: Bytes,
    /// The private keys, in the engine's own encoding. Secret.
    pub secret: Secret,
    /// The end of its lifetime.
    pub expires: Timestamp,
}

impl fmt::Debug for OwnKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKeyPackage")
            .field("sequence", &self.sequence)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// An MLS credential (RFC 9420 section 5.3) as the embedder's identity provider knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credential {
    /// The MLS credential type: 1 basic, 2 X.509.
    pub kind: u16,
    /// The identity for basic; the TLS-encoded certificate chain, leaf first, for X.509.
    pub data: Bytes,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, {})", self.kind, self.data.slice(..self.data.len().min(32)).escape_ascii())
    }
}

/// A validated KeyPackage of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPackageInfo {
    /// The fingerprint of its signature key.
    pub sender: SenderId,
    /// The identity, as the identity provider names it.
    pub identity: Bytes,
    /// The credential.
    pub credential: Credential,
    /// KeyPackageRef.
    pub reference: Bytes,
    /// The object id its leaf carries; `None` from a peer that knows only the draft.
    pub sequence: Option<u64>,
    /// The end of its lifetime.
    pub expires: Timestamp,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Leaf index.
    pub leaf: u32,
    /// The fingerprint of its signature key.
    pub sender: SenderId,
    /// The identity, as the identity provider names it.
    pub identity: Bytes,
    /// The credential.
    pub credential: Credential,
    /// The object id of the KeyPackage it joined by; `None` from a peer that knows only the draft.
    pub sequence: Option<u64>,
}

/// The public facts of a group state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupView {
    /// The MLS `group_id`.
    pub group_id: Bytes,
    /// The MLS epoch.
    pub epoch: u64,
    /// SHA-256 of the TLS-serialized GroupContext.
    pub context_hash: [u8; 32],
    /// One's own leaf index.
    pub leaf: u32,
    /// Number of members.
    pub members: usize,
    /// The group's parameters; `None` if it was created without them.
    pub params: Option<GroupParams>,
}

/// What a Welcome says before one joins by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WelcomeInfo {
    /// The MLS `group_id`.
    pub group_id: Bytes,
    /// The epoch it admits to.
    pub epoch: u64,
    /// SHA-256 of the TLS-serialized GroupContext.
    pub context_hash: [u8; 32],
    /// The KeyPackageRef it was made for.
    pub reference: Bytes,
    /// The group's parameters; `None` if it was created without them.
    pub params: Option<GroupParams>,
    /// Whether the ratchet tree is inside.
    pub has_tree: bool,
    /// Where the ratchet tree lies, if the committer sent it apart.
    pub tree: Option<TreeObject>,
}

/// Length of the key of a tree object, bytes: AES-128-GCM.
pub const TREE_KEY_LEN: usize = 16;

/// Where a ratchet tree lies that its Welcomes come without, and what opens it (ours, `design.md` section 7).
///
/// The object is AES-128-GCM, with this key and a zero nonce, of the tree as RFC 9420 section 12.4.3.3
/// encodes it: a commit hides the roster from relays, and so must this. The key is fresh and seals nothing
/// else. No hash of the object is needed, nor could one be given, for the GroupInfo is signed before the
/// tree is there: the tree is checked against the tree hash in the GroupContext, which the pin names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeObject {
    /// The track.
    pub track: FullTrackName,
    /// The place in it.
    pub location: Location,
    /// [`TREE_KEY_LEN`] bytes.
    pub key: Secret,
}

/// A kind of MLS message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// A KeyPackage.
    KeyPackage,
    /// A Welcome.
    Welcome,
    /// A PrivateMessage, or a PublicMessage, that carries a commit.
    Commit {
        /// The MLS `group_id`.
        group_id: Bytes,
        /// The epoch it was sent in.
        epoch: u64,
    },
    /// A PrivateMessage, or a PublicMessage, that carries a proposal.
    Proposal {
        /// The MLS `group_id`.
        group_id: Bytes,
        /// The epoch it was sent in.
        epoch: u64,
    },
    /// Anything else.
    Other,
}

/// A commit that worked on a clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Trial<G> {
    /// The committer's leaf.
    pub author: u32,
    /// The members it removes, by leaf.
    pub removed: Vec<u32>,
    /// The members it adds.
    pub added: Vec<Member>,
    /// The group after it; `None` if it removes oneself.
    pub next: Option<Next<G>>,
}

/// A group state that waits for the word that its commit won.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Next<G> {
    /// The state.
    pub group: G,
    /// SHA-256 of its TLS-serialized GroupContext.
    pub context_hash: [u8; 32],
}

/// A commit of one's own, not applied.
#[derive(Clone)]
pub struct Built<G> {
    /// The MLSMessage to publish.
    pub commit: Bytes,
    /// One Welcome per added member.
    pub welcomes: Vec<(SenderId, Bytes)>,
    /// The payload of the tree object, if the Welcomes come without the tree.
    pub tree: Option<Bytes>,
    /// The members it adds.
    pub added: Vec<Member>,
    /// The group after it.
    pub next: Next<G>,
}

/// Why the engine refused. Errors about a peer's message never harm the group they were tried on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The bytes are not what they should be.
    #[error("malformed message")]
    Malformed,
    /// A version, cipher suite or extension this engine does not have.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// A lifetime that is over or has not begun.
    #[error("outside its lifetime")]
    Expired,
    /// A Welcome that no key of ours opens.
    #[error("a welcome for somebody else")]
    NotForMe,
    /// A commit of one's own came back.
    #[error("a message of our own")]
    Own,
    /// The strict rules forbid it.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// A message that does not verify or does not fit the group.
    #[error("invalid: {0}")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider failed.
    #[error("provider failed: {0}")]
    Provider(#[source] Box<dyn std::error::Error + Send + Sync>),
}
