//! The engine of a participant, and how it makes commits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::leaf_origin::LeafOrigin;
use crate::codec::tree_object;
use crate::engine::{
    CLOCK_TOLERANCE, CommitOutput, Judged, KeyPackageInfo, OwnKeyPackage, RatchetTreeObject, Rejection,
    StagedCommit, WelcomeInfo,
};
use crate::secret::Secret;
use crate::testing::sha256;
use crate::testing::symbolic::group::{SymbolicGroup, group_params};
use crate::testing::symbolic::leaf::{Leaf, Tree};
use crate::testing::symbolic::members::{leaves_hash, members_at};
use crate::testing::symbolic::message::{Apart, Commit, KeyPackage, Welcome, invalid, public};
use crate::testing::symbolic::mix::mix;
use crate::testing::symbolic::nonce::Nonce;
use crate::time::Timestamp;
use crate::tracks::{GroupName, NameError, SenderId};

/// A KeyPackage begins to live so long before it is made.
const SKEW: Duration = Duration::from_secs(3600);

pub(super) fn origin(group: &GroupName, object_id: u64) -> LeafOrigin {
    LeafOrigin::new(object_id, &sha256(&group.root()))
}

/// A participant's engine: its name, and what makes its messages differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicEngine {
    pub(super) sender: SenderId,
    pub(super) identity: Bytes,
    pub(super) incarnation: u64,
    pub(super) lifetime: Duration,
    /// Key pairs and groups made so far.
    pub(super) made: u64,
    pub(super) nonce: Nonce,
    pub(super) distrusted: BTreeSet<Bytes>,
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

    /// Which run of the participant this is. Give each restart another number: what is made again after a
    /// restart is then another key and another commit, as with real randomness.
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

    /// A KeyPackage that [`Engine::inspect_key_package`](crate::engine::Engine::inspect_key_package) finds good and
    /// that no commit can add.
    pub fn poisoned_key_package(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        object_id: u64,
    ) -> OwnKeyPackage {
        self.key_package(now, Some(origin(group, object_id)), true)
    }

    /// A KeyPackage of a peer that knows only the draft: its leaf does not say where it comes from.
    pub fn draft_key_package(&mut self, now: Timestamp) -> OwnKeyPackage {
        self.key_package(now, None, false)
    }

    /// As [`Engine::create_commit`](crate::engine::Engine::create_commit), but nobody but the committer can process the
    /// commit (RFC 9420 section 16.12).
    ///
    /// # Errors
    /// As [`Engine::create_commit`](crate::engine::Engine::create_commit).
    pub fn build_faulty(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
    ) -> Judged<CommitOutput<SymbolicGroup>> {
        Ok(self.commit(group, now, adds, removes, true, None, None))
    }

    /// The same Welcome with keys of its committer's own making: what a malicious committer can send, for the
    /// GroupContext does not name the keys. Nothing that the joiner can check is wrong with it.
    ///
    /// # Errors
    /// Rejected with [`Rejection::Malformed`] unless it is a Welcome.
    pub fn forge_welcome(&self, welcome: &Bytes, keys: [u8; 32]) -> Judged<Bytes> {
        Ok(Welcome::decode(welcome).map(|mut welcome| {
            welcome.state.keys = keys;
            welcome.encode()
        }))
    }

    pub(super) fn draw(&mut self, domain: &str) -> [u8; 32] {
        let words = [self.incarnation.to_be_bytes(), self.made.to_be_bytes()];
        self.made = self.made.wrapping_add(1);
        mix(domain, &[self.sender.as_bytes(), words.as_flattened()])
    }

    pub(super) fn key_package(
        &mut self,
        now: Timestamp,
        origin: Option<LeafOrigin>,
        poisoned: bool,
    ) -> OwnKeyPackage {
        let secret = self.draw("private init key");
        let leaf = self.leaf(origin, public(&secret));
        let (begins, expires) = (now.before(SKEW), now.after(self.lifetime));
        let message = KeyPackage { leaf, begins, expires, poisoned }.encode();
        OwnKeyPackage {
            object_id: origin.map_or(0, |origin| origin.object_id),
            key_package_ref: KeyPackage::reference(&message),
            message,
            secret: Secret::new(secret.to_vec()),
            expires,
        }
    }

    pub(super) fn leaf(&self, origin: Option<LeafOrigin>, init: u64) -> Leaf {
        Leaf { sender: self.sender.clone(), identity: self.identity.clone(), origin, init }
    }

    pub(super) fn trusts(&self, leaf: &Leaf) -> Result<(), Rejection> {
        if self.distrusted.contains(&leaf.identity) { Err(invalid("no valid credential")) } else { Ok(()) }
    }

    pub(super) fn welcomed<'a>(
        &self,
        welcome: &Bytes,
        keys: &'a [OwnKeyPackage],
    ) -> Result<(Welcome, &'a OwnKeyPackage), Rejection> {
        let welcome = Welcome::decode(welcome)?;
        let key = keys.iter().find(|key| key.key_package_ref == welcome.reference);
        let key = key.ok_or(Rejection::NotForMe)?;
        if public(key.secret.as_bytes()) != welcome.init {
            return Err(invalid("a Welcome that the key does not open"));
        }
        Ok((welcome, key))
    }

    #[expect(clippy::too_many_arguments, reason = "all that decides one commit")]
    pub(super) fn commit(
        &self,
        group: &SymbolicGroup,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        faulty: bool,
        apart: Option<&RatchetTreeObject>,
        spent: Option<u64>,
    ) -> Result<CommitOutput<SymbolicGroup>, Rejection> {
        let state = &group.state;
        let commit = Commit {
            header: state.header(),
            parent: state.seal(),
            committer: group.own,
            nonce: (self.incarnation, self.nonce.next(&state.context)),
            faulty,
            removes: removes.to_vec(),
            adds: adds.to_vec(),
        };
        let message = commit.encode();
        let begins = adds.iter().filter_map(|add| KeyPackage::decode(add).ok()).map(|k| k.begins).max();
        let at = begins.map_or(now, |begins| begins.max(now));
        let (next, added) = state.after(&commit, &message, |key_package| {
            self.trusts(&key_package.leaf)?;
            if key_package.expires < at { Err(Rejection::Expired) } else { Ok(()) }
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
            let init = next.at(member.leaf_index).map_or(0, |leaf| leaf.init);
            let (state, apart) = (state.clone(), place.clone());
            let welcome = Welcome { reference: KeyPackage::reference(add), init, state, apart, spent };
            (member.sender.clone(), welcome.encode())
        });
        let welcomes = welcomes.collect();
        Ok(CommitOutput {
            commit: message,
            welcomes,
            tree,
            added,
            next: SymbolicGroup::next(group.own, next),
        })
    }
}

impl SymbolicEngine {
    pub(super) fn judge_key_package(
        &self,
        now: Timestamp,
        message: &Bytes,
    ) -> Result<KeyPackageInfo, Rejection> {
        let KeyPackage { leaf, begins, expires, .. } = KeyPackage::decode(message)?;
        self.trusts(&leaf)?;
        if expires < now || begins.since(now) > CLOCK_TOLERANCE {
            return Err(Rejection::Expired);
        }
        Ok(KeyPackageInfo {
            leaf_key: leaf.key(),
            credential: leaf.credential(),
            sender: leaf.sender,
            identity: leaf.identity,
            key_package_ref: KeyPackage::reference(message),
            object_id: leaf.origin.map(|origin| origin.object_id),
            group: leaf.origin.map(|origin| origin.group),
            begins,
            expires,
        })
    }

    pub(super) fn judge_welcome(
        &self,
        welcome: &Bytes,
        keys: &[OwnKeyPackage],
    ) -> Result<WelcomeInfo, Rejection> {
        let (Welcome { reference, state, apart, spent, .. }, _) = self.welcomed(welcome, keys)?;
        let place = apart.as_ref().map(|apart| tree_object::decode(&apart.place)).transpose();
        Ok(WelcomeInfo {
            epoch: state.epoch,
            context_hash: state.context,
            key_package_ref: reference,
            params: group_params(&state)?,
            has_tree: apart.is_none(),
            spent,
            tree: place.map_err(|error| Rejection::Invalid(Box::new(error)))?,
            group_id: state.group_id,
        })
    }

    pub(super) fn join_by(
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

    pub(super) fn judge_commit(
        &self,
        group: &SymbolicGroup,
        commit: &Bytes,
    ) -> Result<StagedCommit<SymbolicGroup>, Rejection> {
        let state = &group.state;
        let content = Commit::decode(commit)?;
        state.check(&content.header, &content.parent)?;
        if state.at(content.committer).is_none() {
            return Err(invalid("not by a member"));
        }
        if content.committer == group.own {
            return Err(Rejection::Own);
        }
        if content.faulty {
            return Err(invalid("nobody can process this"));
        }
        // That a KeyPackage has expired since is no reason to lose the group over it.
        let (next, added) = state.after(&content, commit, |new| self.trusts(&new.leaf))?;
        let stays = !content.removes.contains(&group.own);
        Ok(StagedCommit {
            committer: content.committer,
            updated: if stays { members_at(&next, &[content.committer]) } else { Vec::new() },
            added: members_at(&next, &added),
            removed: content.removes,
            next: stays.then(|| SymbolicGroup::next(group.own, next)),
        })
    }
}
