//! An [`Engine`] without cryptography: a commit is its content, and all that can be known of a group is
//! a small value that can be cloned, compared, ordered and hashed.
//!
//! It has the engine's whole meaning: who can open what, whose commit leads from which state to which,
//! what is refused and why. It has no secrets and no signatures, so it shows what the *machine* does, in
//! a model checker, in fuzzing and in simulations of very many runs; that the real thing behaves so is
//! for the tests of [`mls`](crate::mls). **Never for production: everybody can read and make everything.**
//!
//! ```
//! use moq_mls::engine::{Engine, GroupParams};
//! use moq_mls::testing::symbolic::SymbolicEngine;
//! use moq_mls::{Timestamp, tracks::GroupName};
//!
//! let now = Timestamp::from_secs(0);
//! let (mut a, mut b) = (SymbolicEngine::new("a")?, SymbolicEngine::new("b")?);
//! let group = a.create(now, &GroupName::try_from("room")?, &GroupParams::default(), 0)?;
//! let key = b.generate_key_package(now, 0)?;
//! let built = a.build(&group, now, &[key.message.clone()], &[])??;
//! let joined = b.join(now, &built.welcomes[0].1, &key, None)??;
//! assert_eq!(a.epoch_authenticator(&built.next.group)?, b.epoch_authenticator(&joined)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod message;
mod mix;
mod wire;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};
use std::time::Duration;

use bytes::Bytes;

use self::message::{Apart, Commit, Header, KeyPackage, Leaf, Leave, State, Tree, Welcome, invalid, public};
pub use self::mix::{mix, mix64};
use self::wire::{Kind, Reader, Writer};
use crate::codec::{params, tree_object};
use crate::counter::service::ReceiptSigner;
use crate::engine::{
    Built, Engine, EngineError, GroupParams, GroupView, Judged, Kdf, KeyPackageInfo, Member, MessageKind,
    Next, OwnKeyPackage, Rejection, TREE_KEY_LEN, TreeObject, Trial, WelcomeInfo,
};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::tracks::{FullTrackName, GroupName, Location, NameError, SenderId};

/// A participant's engine: its name, and what makes its messages differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicEngine {
    sender: SenderId,
    identity: Bytes,
    incarnation: u64,
    lifetime: Duration,
    /// Key pairs and groups made so far.
    made: u64,
    nonce: Nonce,
    distrusted: BTreeSet<Bytes>,
}

impl SymbolicEngine {
    /// The engine of a participant whose SenderId and identity are `name`.
    ///
    /// # Errors
    /// As [`SenderId::new`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        let name = Bytes::copy_from_slice(name.as_bytes());
        Ok(Self {
            sender: SenderId::new(name.clone())?,
            identity: name,
            incarnation: 0,
            lifetime: Duration::from_secs(24 * 3600),
            made: 0,
            nonce: Nonce::default(),
            distrusted: BTreeSet::new(),
        })
    }

    /// This participant is a device of `identity`, which may have others.
    #[must_use]
    pub fn of(self, identity: &str) -> Self {
        Self { identity: Bytes::copy_from_slice(identity.as_bytes()), ..self }
    }

    /// Which life of the participant this is. Give each restart another number: what is made again after
    /// a restart is then another key and another commit, as with real randomness.
    #[must_use]
    pub fn incarnation(self, incarnation: u64) -> Self {
        Self { incarnation, ..self }
    }

    /// How long KeyPackages live; a day unless said otherwise.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// From now on the identity provider calls `identity` invalid.
    pub fn distrust(&mut self, identity: &str) {
        self.distrusted.insert(Bytes::copy_from_slice(identity.as_bytes()));
    }

    /// A KeyPackage that [`Engine::inspect_key_package`] finds good and that no commit can add.
    pub fn poisoned_key_package(&mut self, now: Timestamp, sequence: u64) -> OwnKeyPackage {
        self.key_package(now, Some(sequence), true)
    }

    /// A KeyPackage of a peer that knows only the draft: its leaf has no sequence.
    pub fn draft_key_package(&mut self, now: Timestamp) -> OwnKeyPackage {
        self.key_package(now, None, false)
    }

    /// As [`Engine::build`], but nobody but the author can process the commit (RFC 9420 section 16.12).
    ///
    /// # Errors
    /// As [`Engine::build`].
    pub fn build_faulty(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Judged<Built<SymbolicGroup>> {
        Ok(self.commit(group, now, adds, removes, true, None))
    }

    fn draw(&mut self, domain: &str) -> [u8; 32] {
        let words = [self.incarnation.to_be_bytes(), self.made.to_be_bytes()];
        self.made = self.made.wrapping_add(1);
        mix(domain, &[self.sender.as_bytes(), words.as_flattened()])
    }

    fn key_package(&mut self, now: Timestamp, sequence: Option<u64>, poisoned: bool) -> OwnKeyPackage {
        let secret = self.draw("private init key");
        let leaf = self.leaf(sequence, public(&secret));
        let expires = now.after(self.lifetime);
        let message = KeyPackage { leaf, expires, poisoned }.encode();
        OwnKeyPackage {
            sequence: sequence.unwrap_or(0),
            reference: KeyPackage::reference(&message),
            message,
            secret: Secret::new(secret.to_vec()),
            expires,
        }
    }

    fn leaf(&self, sequence: Option<u64>, init: u64) -> Leaf {
        Leaf { sender: self.sender.clone(), identity: self.identity.clone(), sequence, init }
    }

    fn trusts(&self, leaf: &Leaf) -> Result<(), Rejection> {
        if self.distrusted.contains(&leaf.identity) { Err(invalid("no valid credential")) } else { Ok(()) }
    }

    fn welcomed<'a>(
        &self,
        welcome: &Bytes,
        keys: &'a [OwnKeyPackage],
    ) -> Result<(Welcome, &'a OwnKeyPackage), Rejection> {
        let welcome = Welcome::decode(welcome)?;
        let key = keys.iter().find(|key| key.reference == welcome.reference);
        let key = key.ok_or(Rejection::NotForMe)?;
        if public(key.secret.as_bytes()) != welcome.init {
            return Err(invalid("a Welcome that the key does not open"));
        }
        Ok((welcome, key))
    }

    fn commit(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        faulty: bool,
        apart: Option<&TreeObject>,
    ) -> Result<Built<SymbolicGroup>, Rejection> {
        let state = &group.state;
        let commit = Commit {
            header: state.header(),
            parent: state.context,
            author: group.own,
            nonce: (self.incarnation, self.nonce.next(&state.context)),
            faulty,
            removes: removes.to_vec(),
            adds: adds.to_vec(),
        };
        let message = commit.encode();
        let (next, added) = state.after(&commit, &message, |key_package| {
            self.trusts(&key_package.leaf)?;
            if key_package.expires < now { Err(Rejection::Expired) } else { Ok(()) }
        })?;
        let added = members_at(&next, &added);
        let tree = apart.map(|apart| {
            let key = Bytes::copy_from_slice(apart.key.as_bytes());
            Tree { key, leaves: next.leaves.clone() }.encode()
        });
        let place = apart.map(|apart| Apart {
            place: tree_object::encode(apart).into(),
            leaves: leaves_hash(&next.leaves),
        });
        let mut state = next.clone();
        if apart.is_some() {
            state.leaves.clear();
        }
        let welcomes = adds.iter().zip(&added).map(|(add, member)| {
            let init = next.at(member.leaf).map_or(0, |leaf| leaf.init);
            let (state, apart) = (state.clone(), place.clone());
            let welcome = Welcome { reference: KeyPackage::reference(add), init, state, apart };
            (member.sender.clone(), welcome.encode())
        });
        let welcomes = welcomes.collect();
        Ok(Built { commit: message, welcomes, tree, added, next: SymbolicGroup::next(group.own, next) })
    }
}

impl SymbolicEngine {
    fn judge_key_package(&self, now: Timestamp, message: &Bytes) -> Result<KeyPackageInfo, Rejection> {
        let KeyPackage { leaf, expires, .. } = KeyPackage::decode(message)?;
        self.trusts(&leaf)?;
        if expires < now {
            return Err(Rejection::Expired);
        }
        Ok(KeyPackageInfo {
            credential: leaf.credential(),
            sender: leaf.sender,
            identity: leaf.identity,
            reference: KeyPackage::reference(message),
            sequence: leaf.sequence,
            expires,
        })
    }

    fn judge_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Result<WelcomeInfo, Rejection> {
        let (Welcome { reference, state, apart, .. }, _) = self.welcomed(welcome, keys)?;
        let place = apart.as_ref().map(|apart| tree_object::decode(&apart.place)).transpose();
        Ok(WelcomeInfo {
            epoch: state.epoch,
            context_hash: state.context,
            reference,
            params: group_params(&state)?,
            has_tree: apart.is_none(),
            tree: place.map_err(|error| Rejection::Invalid(Box::new(error)))?,
            group_id: state.group_id,
        })
    }

    fn join_by(
        &self,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Result<SymbolicGroup, Rejection> {
        let (Welcome { init, mut state, apart, .. }, _) =
            self.welcomed(welcome, std::slice::from_ref(key))?;
        if let Some(apart) = apart {
            let leaves = Tree::decode(tree.ok_or(invalid("a Welcome without its tree"))?)?.leaves;
            if leaves_hash(&leaves) != apart.leaves {
                return Err(invalid("another tree"));
            }
            state.leaves = leaves;
        }
        group_params(&state)?;
        let own = state.members().find(|(_, leaf)| leaf.init == init && leaf.sender == self.sender);
        let (own, _) = own.ok_or(invalid("a Welcome to a group that one is not in"))?;
        state.members().try_for_each(|(_, leaf)| self.trusts(leaf))?;
        Ok(SymbolicGroup { own, state: Arc::new(state) })
    }

    fn judge_commit(&self, group: &SymbolicGroup, commit: &Bytes) -> Result<Trial<SymbolicGroup>, Rejection> {
        let state = &group.state;
        let content = Commit::decode(commit)?;
        state.check(&content.header, &content.parent)?;
        if state.at(content.author).is_none() {
            return Err(invalid("not by a member"));
        }
        if content.author == group.own {
            return Err(Rejection::Own);
        }
        if content.faulty {
            return Err(invalid("nobody can process this"));
        }
        // That a KeyPackage has expired since is no reason to lose the group over it.
        let (next, added) = state.after(&content, commit, |new| self.trusts(&new.leaf))?;
        let stays = !content.removes.contains(&group.own);
        Ok(Trial {
            author: content.author,
            added: members_at(&next, &added),
            removed: content.removes,
            next: stays.then(|| SymbolicGroup::next(group.own, next)),
        })
    }
}

fn kind(message: &Bytes) -> Result<MessageKind, Rejection> {
    let (kind, mut from) = Reader::open(message)?;
    let kind = match kind {
        Kind::KeyPackage => KeyPackage::read(&mut from).map(|_| MessageKind::KeyPackage)?,
        Kind::Welcome => Welcome::read(&mut from).map(|_| MessageKind::Welcome)?,
        Kind::Commit => {
            let Header { group_id, epoch } = Commit::read(&mut from)?.header;
            MessageKind::Commit { group_id, epoch }
        }
        Kind::Leave => {
            let Header { group_id, epoch } = Leave::read(&mut from)?.header;
            MessageKind::Proposal { group_id, epoch }
        }
        Kind::Tree => Tree::read(&mut from).map(|_| MessageKind::Other)?,
        Kind::Other => MessageKind::Other,
        Kind::Saved => return Err(Rejection::Malformed),
    };
    match from.end() {
        // A header is read without a key, and so without a check.
        Ok(()) | Err(Rejection::Invalid(_)) => Ok(kind),
        Err(error) => Err(error),
    }
}

fn open_tree(tree: &TreeObject, payload: &Bytes) -> Result<Bytes, Rejection> {
    let Tree { key, leaves } = Tree::decode(payload)?;
    if key != tree.key.as_bytes() {
        return Err(invalid("a tree under another key"));
    }
    Ok(Tree { key: Bytes::new(), leaves }.encode())
}

fn leaves_hash(leaves: &[Option<Leaf>]) -> [u8; 32] {
    mix("tree", &[&Tree { key: Bytes::new(), leaves: leaves.to_vec() }.encode()])
}

fn members_at(state: &State, leaves: &[u32]) -> Vec<Member> {
    leaves.iter().filter_map(|leaf| Some(state.at(*leaf)?.member(*leaf))).collect()
}

impl Engine for SymbolicEngine {
    type Group = SymbolicGroup;

    fn sender_id(&self) -> &SenderId {
        &self.sender
    }

    fn sha256(&self, data: &[u8]) -> Result<[u8; 32], EngineError> {
        Ok(mix("sha256", &[data]))
    }

    fn verify_receipt(&self, service_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        receipt(service_key, message) == signature
    }

    fn generate_key_package(&mut self, now: Timestamp, sequence: u64) -> Result<OwnKeyPackage, EngineError> {
        Ok(self.key_package(now, Some(sequence), false))
    }

    fn inspect_key_package(&self, now: Timestamp, message: &Bytes) -> Judged<KeyPackageInfo> {
        Ok(self.judge_key_package(now, message))
    }

    fn create(
        &mut self,
        _now: Timestamp,
        group: &GroupName,
        params: &GroupParams,
        sequence: u64,
    ) -> Result<SymbolicGroup, EngineError> {
        let params = (*params != GroupParams::draft()).then(|| Bytes::from(params::encode(params)));
        let fresh = self.draw("create");
        let leaf = self.leaf(Some(sequence), public(&fresh));
        let state = State {
            group_id: group.as_bytes().clone(),
            epoch: 0,
            context: mix("genesis", &[group.as_bytes(), params.as_deref().unwrap_or_default(), &fresh]),
            params,
            leaves: vec![Some(leaf)],
        };
        Ok(SymbolicGroup { own: 0, state: Arc::new(state) })
    }

    fn examine_welcome(&self, welcome: &Bytes, keys: &[OwnKeyPackage]) -> Judged<WelcomeInfo> {
        Ok(self.judge_welcome(welcome, keys))
    }

    fn join(
        &mut self,
        _now: Timestamp,
        welcome: &Bytes,
        key: &OwnKeyPackage,
        tree: Option<&Bytes>,
    ) -> Judged<SymbolicGroup> {
        Ok(self.join_by(welcome, key, tree))
    }

    fn view(&self, group: &SymbolicGroup) -> Result<GroupView, EngineError> {
        let state = &group.state;
        Ok(GroupView {
            group_id: state.group_id.clone(),
            epoch: state.epoch,
            context_hash: state.context,
            leaf: group.own,
            members: state.members().count(),
            params: group_params(state).map_err(EngineError::unexpected)?,
        })
    }

    fn roster(&self, group: &SymbolicGroup) -> Result<Vec<Member>, EngineError> {
        Ok(group.state.members().map(|(leaf, member)| member.member(leaf)).collect())
    }

    fn credential_valid(&self, group: &SymbolicGroup, member: &Member, _now: Timestamp) -> bool {
        group
            .state
            .at(member.leaf)
            .is_some_and(|leaf| leaf.sender == member.sender && self.trusts(leaf).is_ok())
    }

    fn classify(&self, message: &Bytes) -> Judged<MessageKind> {
        Ok(kind(message))
    }

    fn trial(&self, group: &SymbolicGroup, _now: Timestamp, commit: &Bytes) -> Judged<Trial<SymbolicGroup>> {
        Ok(self.judge_commit(group, commit))
    }

    fn build(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Judged<Built<SymbolicGroup>> {
        Ok(self.commit(group, now, adds, removes, false, None))
    }

    fn build_apart(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        track: &FullTrackName,
        location: Location,
    ) -> Judged<Built<SymbolicGroup>> {
        // One key per state and author stands for a fresh one: a second commit has other leaves at most.
        let key = mix("tree key", &[&group.state.context, self.sender.as_bytes()]);
        let key = Secret::new(key.into_iter().take(TREE_KEY_LEN).collect());
        let tree = TreeObject { track: track.clone(), location, key };
        Ok(self.commit(group, now, adds, removes, false, Some(&tree)))
    }

    fn open_tree(&self, tree: &TreeObject, payload: &Bytes) -> Judged<Bytes> {
        Ok(open_tree(tree, payload))
    }

    fn propose_leave(&self, group: &SymbolicGroup, _now: Timestamp) -> Result<Bytes, EngineError> {
        let state = &group.state;
        Ok(Leave { header: state.header(), parent: state.context, leaf: group.own }.encode())
    }

    fn open_leave(&self, group: &SymbolicGroup, _now: Timestamp, message: &Bytes) -> Judged<u32> {
        Ok(group.open_leave(message))
    }

    fn export_secret(
        &self,
        group: &SymbolicGroup,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let root = mix("exporter", &[&group.state.context, label, context]);
        SymbolicKdf.expand(&root, b"exporter", len)
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        Arc::new(SymbolicKdf)
    }

    fn epoch_authenticator(&self, group: &SymbolicGroup) -> Result<Bytes, EngineError> {
        Ok(Bytes::copy_from_slice(&mix("authenticator", &[&group.state.context])))
    }

    fn save(&self, group: &SymbolicGroup) -> Result<Bytes, EngineError> {
        Ok(group.state.save(group.own))
    }

    fn load(&self, bytes: &Bytes) -> Result<SymbolicGroup, EngineError> {
        let (own, state) = State::load(bytes).map_err(|_| EngineError::State)?;
        Ok(SymbolicGroup { own, state: Arc::new(state) })
    }
}

struct SymbolicKdf;

impl Kdf for SymbolicKdf {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        Ok(Secret::new(mix("extract", &[salt, ikm]).to_vec()))
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError> {
        let blocks = (0_u64..).flat_map(|i| mix("expand", &[prk, info, &i.to_be_bytes()]));
        Ok(Secret::new(blocks.take(len).collect()))
    }

    fn hash_len(&self) -> usize {
        32
    }
}

fn group_params(state: &State) -> Result<Option<GroupParams>, Rejection> {
    let decoded = state.params.as_ref().map(|content| params::decode(content)).transpose();
    decoded.map_err(|error| Rejection::Invalid(Box::new(error)))
}

/// One member's state of one group at one epoch: what all members share, and one's own leaf. A clone
/// costs a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicGroup {
    own: u32,
    state: Arc<State>,
}

impl SymbolicGroup {
    fn open_leave(&self, message: &Bytes) -> Result<u32, Rejection> {
        let leave = Leave::decode(message)?;
        self.state.check(&leave.header, &leave.parent)?;
        match self.state.at(leave.leaf) {
            None => Err(invalid("not by a member")),
            Some(_) if leave.leaf == self.own => Err(Rejection::Own),
            Some(_) => Ok(leave.leaf),
        }
    }

    fn next(own: u32, state: State) -> Next<Self> {
        Next { context_hash: state.context, group: Self { own, state: Arc::new(state) } }
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// Stands for the whole history: equal for two groups exactly if the same was committed in both.
    pub fn context_hash(&self) -> &[u8; 32] {
        &self.state.context
    }

    /// One's own leaf.
    pub fn leaf(&self) -> u32 {
        self.own
    }

    /// The members, by leaf.
    pub fn members(&self) -> impl Iterator<Item = (u32, &SenderId)> {
        self.state.members().map(|(leaf, member)| (leaf, &member.sender))
    }
}

impl fmt::Debug for SymbolicGroup {
    /// `room@3#2 [a - b] 5f3a01c2`: name, epoch, own leaf, leaves, context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { group_id, epoch, context, leaves, .. } = &*self.state;
        write!(f, "{}@{epoch}#{} [", group_id.escape_ascii(), self.own)?;
        for (i, leaf) in leaves.iter().enumerate() {
            let gap = if i > 0 { " " } else { "" };
            match leaf {
                Some(leaf) => write!(f, "{gap}{}", leaf.sender)?,
                None => write!(f, "{gap}-")?,
            }
        }
        write!(f, "] {}", hex::encode(context.first_chunk::<4>().unwrap_or(&[0; 4])))
    }
}

/// How many commits were built on the present state.
///
/// It starts again with each state, so that a checker does not tell apart what differs only in how
/// often somebody once tried. Building is a `&self` method of [`Engine`], hence the atomic.
#[derive(Default)]
struct Nonce(AtomicU64);

impl Nonce {
    /// Counts the commits; the rest remembers the state they were built on.
    const COUNT: u64 = 0xffff;

    fn next(&self, context: &[u8; 32]) -> u64 {
        let state = mix64("nonce", &[context]) & !Self::COUNT;
        let old = self.get();
        let count = if old & !Self::COUNT == state { old.wrapping_add(1) & Self::COUNT } else { 1 };
        self.0.store(state | count, atomic::Ordering::Relaxed);
        count
    }

    fn get(&self) -> u64 {
        self.0.load(atomic::Ordering::Relaxed)
    }
}

impl Clone for Nonce {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.get()))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get() & Self::COUNT)
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Nonce {}

impl PartialOrd for Nonce {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Nonce {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl Hash for Nonce {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.get().hash(hasher);
    }
}

/// Receipts that [`SymbolicEngine`] verifies, by a service with this "key".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicReceipts(pub Bytes);

impl ReceiptSigner for SymbolicReceipts {
    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&receipt(&self.0, message)))
    }
}

fn receipt(key: &[u8], message: &[u8]) -> [u8; 32] {
    mix("receipt", &[key, message])
}

/// Bytes that are no message of any kind.
pub fn junk(len: usize) -> Bytes {
    vec![0x5c; len].into()
}

/// A commit whose header is right and that no state can process: by a stranger.
pub fn forged_commit(group: &GroupName, epoch: u64) -> Bytes {
    let header = Header { group_id: group.as_bytes().clone(), epoch };
    let parent = mix("forged", &[]);
    let (removes, adds) = (Vec::new(), Vec::new());
    Commit { header, parent, author: 0, nonce: (0, 0), faulty: true, removes, adds }.encode()
}

/// A message of a kind that no track is for.
pub fn other_message() -> Bytes {
    Writer::new(Kind::Other).finish()
}
