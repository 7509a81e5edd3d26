//! What an [`Engine`](crate::engine::Engine) takes and gives: plain values.

use std::fmt;

use bytes::Bytes;

use crate::config::SafetyMode;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{CommitTrackPolicy, SenderId};

/// What the GroupContext of a group says of [`GroupParams`](crate::GroupParams), from its creation on (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContextParams {
    /// How the winner of an epoch is decided.
    pub mode: SafetyMode,
    /// Where commits are published.
    pub commit_tracks: CommitTrackPolicy,
    /// Whether Welcomes may come without the ratchet tree, which is then in an object of its own.
    pub tree_objects: bool,
    /// SHA-256 of the counter service's receipt key, if receipts are used.
    pub service_key_hash: Option<[u8; 32]>,
    /// What is added to an MLS epoch for the embedder and for key ids: 0 but in a successor, whose key ids must not be
    /// those of the group before it.
    pub epoch_base: u64,
}

impl ContextParams {
    /// What a group has that knows only the draft. Such a group carries no parameters, so that
    /// members without this crate's extensions can be in it.
    pub fn draft() -> Self {
        Self {
            mode: SafetyMode::Advisory,
            commit_tracks: CommitTrackPolicy::Shared,
            tree_objects: false,
            service_key_hash: None,
            epoch_base: 0,
        }
    }
}

/// An own KeyPackage, with the private keys that open a Welcome to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnKeyPackage {
    /// Its object id on the KeyPackage track, which its leaf carries too.
    pub object_id: u64,
    /// The MLSMessage to publish.
    pub message: Bytes,
    /// Its KeyPackageRef (RFC 9420 section 5.2).
    pub key_package_ref: Bytes,
    /// The private keys, in the engine's own encoding. Secret.
    pub secret: Secret,
    /// The end of its lifetime.
    pub expires: Timestamp,
}

impl fmt::Debug for OwnKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKeyPackage")
            .field("object_id", &self.object_id)
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

impl Credential {
    /// Makes a basic credential (RFC 9420 section 5.3) of an identity.
    pub fn basic(identity: impl Into<Bytes>) -> Self {
        Self { kind: 1, data: identity.into() }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, {})", self.kind, self.data.slice(..self.data.len().min(32)).escape_ascii())
    }
}

/// The name of a basic credential, escaped and cut; of others the type.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            1 => self.data.slice(..self.data.len().min(64)).escape_ascii().fmt(f),
            kind => write!(f, "a credential of type {kind}"),
        }
    }
}

/// What a KeyPackage says of itself: anybody may have made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPackageClaim {
    /// As [`KeyPackageInfo::sender`].
    pub sender: SenderId,
    /// As [`KeyPackageInfo::object_id`].
    pub object_id: Option<u64>,
    /// As [`KeyPackageInfo::group`].
    pub group: Option<GroupMark>,
}

impl KeyPackageClaim {
    /// Whether it says that it is `sender`'s and was made for this place on its track. One that knows only the draft
    /// does not say for which.
    pub fn may_be_at(&self, sender: &SenderId, object_id: u64) -> bool {
        self.sender == *sender && self.object_id.is_none_or(|own| own == object_id)
    }
}

/// What a validated KeyPackage says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPackageInfo {
    /// The fingerprint of its signature key.
    pub sender: SenderId,
    /// The identity, as the identity provider names it.
    pub identity: Bytes,
    /// The credential.
    pub credential: Credential,
    /// KeyPackageRef.
    pub key_package_ref: Bytes,
    /// The object id its leaf carries; `None` from a peer that knows only the draft.
    pub object_id: Option<u64>,
    /// The mark of the group it was made for; `None` from a peer that knows only the draft.
    pub group: Option<GroupMark>,
    /// The HPKE public key of its leaf, if it has no object id that tells it from others of its sender.
    pub leaf_key: Option<Bytes>,
    /// The begin of its lifetime.
    pub begins: Timestamp,
    /// The end of its lifetime.
    pub expires: Timestamp,
}

impl KeyPackageInfo {
    /// What it says of itself, as [`Engine::peek_key_package`](crate::engine::Engine::peek_key_package) reads it.
    pub fn claim(&self) -> KeyPackageClaim {
        KeyPackageClaim { sender: self.sender.clone(), object_id: self.object_id, group: self.group }
    }
}

/// What has to be known before a commit is put together: what may not go into it, and what weighs how much.
///
/// The bytes are bounds from above, of which an engine knows the parts: the keys of its cipher suite, the members'
/// leaves, the GroupContext.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Survey {
    /// The leaves of others whose public key nothing can be sealed to that only its owner opens.
    pub invalid_leaves: Vec<u32>,
    /// Which of the KeyPackages asked about have the leaf key of a member: their places in the list, in order, each
    /// with the member's leaf. They can be added once that leaf is gone.
    pub taken: Vec<(usize, u32)>,
    /// Which of the others share a leaf key with one before them in the list: the two do not go into one commit.
    pub clashing: Vec<usize>,
    /// Leaves of the ratchet tree, blank ones too.
    pub leaves: usize,
    /// Members.
    pub members: usize,
    /// A commit of this participant, without what the other fields say, bytes.
    pub commit_bytes: usize,
    /// What every member adds to a commit by others, if no node of the tree saves any of it, bytes.
    pub member_bytes: usize,
    /// A Welcome without its ratchet tree, bytes.
    pub welcome_bytes: usize,
    /// The ratchet tree as RFC 9420 section 12.4.3.3 encodes it, bytes.
    pub tree_bytes: usize,
    /// One parent node of a path or of the ratchet tree, but for its unmerged leaves, bytes.
    pub node_bytes: usize,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Leaf index.
    pub leaf_index: u32,
    /// The fingerprint of its signature key.
    pub sender: SenderId,
    /// The identity, as the identity provider names it.
    pub identity: Bytes,
    /// The credential.
    pub credential: Credential,
    /// The object id of the KeyPackage it joined by; `None` from a peer that knows only the draft.
    pub key_package_object_id: Option<u64>,
    /// The HPKE public key of its leaf if it has no object id of a KeyPackage: its KeyPackage's, until it commits. A
    /// participant that was there before keeps that one.
    pub leaf_key: Option<Bytes>,
}

impl Member {
    /// Whether a KeyPackage of the same sender is another than the one this member joined by, though it has no number
    /// that says so.
    pub(crate) fn came_by_another(&self, info: &KeyPackageInfo) -> bool {
        self.key_package_object_id.is_none() && self.leaf_key != info.leaf_key
    }
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
    /// This member's own leaf index.
    pub leaf_index: u32,
    /// Number of members.
    pub members: usize,
    /// The group's parameters; `None` if it was created without them.
    pub params: Option<ContextParams>,
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
    pub key_package_ref: Bytes,
    /// The group's parameters; `None` if it was created without them.
    pub params: Option<ContextParams>,
    /// Whether the ratchet tree is inside.
    pub has_tree: bool,
    /// Where the ratchet tree is, if the committer sent it apart.
    pub tree: Option<RatchetTreeObject>,
    /// As [`Attached::spent`].
    pub spent: Option<u64>,
}

/// What the leaf of a KeyPackage says of the group that it is for: the first 16 bytes of SHA-256 of the group's
/// [root name](crate::tracks::GroupName::root).
pub type GroupMark = [u8; 16];

/// What goes into the GroupInfo of each Welcome besides what MLS has there (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attached {
    /// Where the ratchet tree is to go, if it is sent apart.
    pub tree: Option<TreePlace>,
    /// The highest object id of the KeyPackages that members joined by who are out again. One from there down, of a
    /// sender that is unknown to who joins, may be spent.
    pub spent: Option<u64>,
}

/// Length of the key of a tree object, bytes: AES-128-GCM.
pub const TREE_KEY_LEN: usize = 16;

/// Where a ratchet tree is that its Welcomes come without: on a tree track of the group, in the MOQT group of the
/// Welcomes' epoch (ours).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreePlace {
    /// Whose tree track it is; `None` for the shared one.
    pub publisher: Option<SenderId>,
    /// The MOQT object id.
    pub object_id: u64,
}

/// A ratchet tree that its Welcomes come without: its place, and what opens it (ours).
///
/// The object is AES-128-GCM, with this key and a zero nonce, of the tree as RFC 9420 section 12.4.3.3
/// encodes it: a commit hides the roster from relays, and so must this. The key is fresh and seals nothing
/// else. No hash of the object is needed, nor could one be given, for the GroupInfo is signed before the
/// tree is there: the tree is checked against the tree hash in the GroupContext, which the pin names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RatchetTreeObject {
    /// The place.
    pub place: TreePlace,
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
pub struct StagedCommit<G> {
    /// The committer's leaf.
    pub committer: u32,
    /// The members whose leaves it replaces, as it leaves them: the committer, by its path, and the senders of Updates
    /// that it refers to. That may bring another signature key, and so another name of its tracks, or another
    /// credential (RFC 9420 section 7.3). Whether such a credential is valid is not judged yet: see
    /// [`Engine::credential_valid`]. Empty if the commit removes oneself.
    ///
    /// [`Engine::credential_valid`]: crate::engine::Engine::credential_valid
    pub updated: Vec<Member>,
    /// The members it removes, by leaf.
    pub removed: Vec<u32>,
    /// The members it adds.
    pub added: Vec<Member>,
    /// The group after it; `None` if it removes oneself.
    pub next: Option<Next<G>>,
}

/// A group state that is not entered until it is known that its commit won.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Next<G> {
    /// The state.
    pub group: G,
    /// SHA-256 of its TLS-serialized GroupContext.
    pub context_hash: [u8; 32],
}

/// An own commit, not applied.
#[derive(Clone)]
pub struct CommitOutput<G> {
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
