//! What a group can do, in this crate's terms: the seam between the state machine and MLS.
//!
//! [`mls::MlsEngine`](crate::mls::MlsEngine) implements it over mls-rs. An engine holds the member's
//! long-lived keys; all state of one group at one epoch is a value, [`Engine::Group`], which the
//! machine clones, tries and throws away. Nothing here reads a clock.

mod error;
mod values;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::{EngineError, Judged, Rejection};
pub use self::values::{
    Attached, CommitOutput, ContextParams, Credential, GroupMark, GroupView, KeyPackageClaim, KeyPackageInfo,
    Member, MessageKind, Next, OwnKeyPackage, RatchetTreeObject, StagedCommit, Survey, TREE_KEY_LEN,
    TreePlace, WelcomeInfo,
};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{GroupName, SenderId};

/// How far ahead of the reader's clock the lifetime of a KeyPackage may begin. Its maker's clock may be ahead, or the
/// reader's behind, and nothing is gained by one that is made early: to refuse it would only keep its maker out.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

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
///
/// A method that looks at what a peer made gives [`Judged`]: a failure of this engine, or what it says of the
/// message. Whatever goes wrong because of the peer's bytes is a [`Rejection`], also if the crypto provider
/// reports it; an error would let anybody stop this participant.
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

    /// Draws 64 bits that nobody can foresee.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn random(&mut self) -> Result<u64, EngineError>;

    /// Says whether `key` has the form of a counter service's public key: 32 bytes for Ed25519.
    fn is_service_key(&self, key: &[u8]) -> bool;

    /// Verifies an Ed25519 signature (of the counter service, over a receipt).
    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool;

    /// Makes a fresh KeyPackage for `group`. Its leaf carries `object_id`, its object id on the KeyPackage track,
    /// and the group's [mark](GroupMark): no other group takes it.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn generate_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> Result<OwnKeyPackage, EngineError>;

    /// Reads what a KeyPackage message says of itself. No signature is verified and no identity provider asked, so
    /// that it costs next to nothing, and nothing of it may be kept: [`Engine::inspect_key_package`] tells the same of
    /// one that it finds good.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Malformed`].
    fn peek_key_package(&self, message: &Bytes) -> Judged<KeyPackageClaim>;

    /// Validates a KeyPackage message: signature, lifetime at `now`, credential, cipher suite. One whose lifetime
    /// begins within [`CLOCK_TOLERANCE`] after `now` is judged at the time when it begins.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Malformed`], [`Rejection::Expired`],
    /// [`Rejection::Unsupported`] or [`Rejection::Invalid`].
    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo>;

    /// Creates the group at epoch 0 with this participant as its only member; its leaf carries
    /// `object_id` and the hash of the group's root name, and its GroupContext `params` unless they are
    /// [`ContextParams::draft`].
    ///
    /// # Errors
    /// Any failure of the provider.
    fn create(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        params: &ContextParams,
        object_id: u64,
    ) -> Result<Self::Group, EngineError>;

    /// Decrypts a Welcome's GroupInfo without joining.
    ///
    /// # Errors
    /// [`EngineError::State`] for a key that is none of this engine's. Rejected with [`Rejection::NotForMe`] if
    /// none of `keys` opens it, else with what is wrong with it.
    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo>;

    /// Joins by a Welcome with the key package it was made for, taking a ratchet tree sent apart.
    ///
    /// # Errors
    /// As [`Engine::examine_welcome`]. Rejected as there, and with [`Rejection::Invalid`] for a tree that does
    /// not match.
    fn join(
        &mut self,
        now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<Self::Group>;

    /// The public facts of a group state.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn view(&self, group: &Self::Group) -> Result<GroupView, EngineError>;

    /// All members, by leaf.
    ///
    /// # Errors
    /// Any failure of the provider: no member was let in that cannot be described.
    fn roster(&self, group: &Self::Group) -> Result<Vec<Member>, EngineError>;

    /// Whether `member`'s credential is still valid at `now`, by the embedder's identity provider.
    fn credential_valid(&self, group: &Self::Group, member: &Member, now: Timestamp) -> bool;

    /// What kind of MLS message this is, read from its unencrypted header.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Malformed`], also for trailing bytes.
    fn classify(&self, message: &Bytes) -> Judged<MessageKind>;

    /// Processes another member's commit as if on a clone, under strict rules: members' commits only, encrypted, with
    /// a path, with proposals by value, no ReInit, no external init, no PSK. In a group of
    /// [`SafetyMode::Advisory`](crate::SafetyMode::Advisory), a commit may also be a PublicMessage and refer to
    /// proposals of members. It may come without a path where RFC 9420 asks for none. Lifetimes of KeyPackages that it
    /// adds are not judged: RFC 9420 section 7.3 asks that of the committer, and only recommends it to others.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Own`] for an own commit, else with what is
    /// wrong with it.
    fn stage_commit(
        &self,
        group: &Self::Group,
        now: Timestamp,
        commit: &Bytes,
    ) -> Judged<StagedCommit<Self::Group>> {
        self.stage_commit_with(group, now, commit, &[])
    }

    /// As [`Engine::stage_commit`], of a commit that may refer to `proposals`: messages of its epoch that
    /// [`Engine::inspect_proposal`] found good.
    ///
    /// # Errors
    /// As [`Engine::stage_commit`]. Rejected with [`Rejection::MissingProposal`] for a commit that refers to another
    /// one.
    fn stage_commit_with(
        &self,
        group: &Self::Group,
        now: Timestamp,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Judged<StagedCommit<Self::Group>>;

    /// Judges a proposal that a later commit of its epoch may refer to (RFC 9420 section 12.4), as if on a clone.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Forbidden`] where the group takes no such proposals.
    fn inspect_proposal(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<()>;

    /// Looks at a group before a commit is put together that may add `key_packages` (messages, already inspected).
    /// With `by_sealing`, a leaf counts as invalid also if something was sealed to its key and the provider
    /// refused. That costs as much as a commit. Without, it counts as invalid as far as the key itself tells.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn survey(
        &self,
        group: &Self::Group,
        key_packages: &[Bytes],
        by_sealing: bool,
    ) -> Result<Survey, EngineError>;

    /// Builds one commit as if on a clone: removes `removes` (leaf indices), then adds `adds` (KeyPackage
    /// messages, already inspected); an empty pair is an update. The group is untouched
    /// (RFC 9420 section 14). The lifetimes of the KeyPackages are judged at `now`, or at the first moment after it
    /// at which all have begun.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected as a whole if any of the adds or removes cannot be committed; the
    /// caller bisects.
    fn create_commit(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Judged<CommitOutput<Self::Group>> {
        self.create_commit_with(group, now, adds, removes, &Attached::default())
    }

    /// As [`Engine::create_commit`], with what `attached` says in the GroupInfo of each Welcome. With a place for the
    /// ratchet tree, the Welcomes come without it: it is sealed under a key of its own ([`CommitOutput::tree`]), and
    /// each GroupInfo says where it will be and what opens it ([`RatchetTreeObject`]).
    ///
    /// # Errors
    /// As [`Engine::create_commit`].
    fn create_commit_with(
        &self,
        group: &Self::Group,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        attached: &Attached,
    ) -> Judged<CommitOutput<Self::Group>>;

    /// Opens a tree object's payload; the tree, for [`Engine::join`].
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Invalid`] if it was not sealed under this key.
    fn open_tree(&self, tree: &RatchetTreeObject, payload: &Bytes) -> Judged<Bytes>;

    /// A leave request: a PrivateMessage with a proposal to remove oneself.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn propose_leave(&self, group: &Self::Group, now: Timestamp) -> Result<Bytes, EngineError>;

    /// Opens a leave request as if on a clone; the sender's leaf.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Invalid`] unless it is a proposal by a member to
    /// remove itself.
    fn open_leave(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<u32>;

    /// Seals `data` for the members of the epoch, in an application PrivateMessage (RFC 9420 section 15). The state
    /// does not remember it: a member that seals twice in one epoch uses one key twice, and only the random reuse guard
    /// (RFC 9420 section 6.3.1) keeps the nonces apart. A founder to whom nobody came does so once it founds anew.
    ///
    /// # Errors
    /// Any failure of the provider.
    fn seal(&self, group: &Self::Group, data: &[u8]) -> Result<Bytes, EngineError>;

    /// Opens an application PrivateMessage of the epoch as if on a clone; the sender's leaf and the data.
    ///
    /// # Errors
    /// Any failure of the provider. Rejected with [`Rejection::Own`] for an own message, else with what is wrong
    /// with it.
    fn open(&self, group: &Self::Group, now: Timestamp, message: &Bytes) -> Judged<(u32, Bytes)>;

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
    /// [`EngineError::State`] for bytes that `save` did not make.
    fn load(&self, bytes: &Bytes) -> Result<Self::Group, EngineError>;
}
