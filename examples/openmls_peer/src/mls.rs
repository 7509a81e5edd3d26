//! OpenMLS as this participant uses it: its keys, and a group with commits tried and not yet applied.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::storage::StorageProvider;
use openmls_traits::types::{AeadType, HashType};
use tls_codec::{Deserialize as _, Serialize as _};

use crate::wire::{self, Facts, ORIGIN, PARAMS, Pin, SPENT, TREE, TreePlace};

/// How this participant frames and composes what it sends.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Ours: pins, and the extensions that go with them. Else the draft and no more.
    pub pinned: bool,
    /// Whether trees of a pinned group may go apart from the Welcome.
    pub tree_objects: bool,
    /// Handshake messages as PublicMessage.
    pub public: bool,
    /// Commits that only add come without a path.
    pub without_path: bool,
    /// Proposals go out by themselves, and commits refer to them.
    pub by_reference: bool,
    /// Seconds that a KeyPackage is valid.
    pub lifetime: u64,
}

/// A participant's long-lived keys.
pub struct Identity {
    pub sender: String,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
    suite: Ciphersuite,
    style: Style,
    group: String,
}

/// A KeyPackage that can still be welcomed.
pub struct Own {
    pub number: u64,
    bundle: KeyPackageBundle,
}

/// A KeyPackage of another participant, validated.
#[derive(Clone)]
pub struct Theirs {
    pub sender: String,
    pub number: Option<u64>,
    key_package: KeyPackage,
}

impl Identity {
    pub fn new(name: &str, group: &str, suite: Ciphersuite, style: Style) -> Result<Self> {
        let signer = SignatureKeyPair::new(suite.signature_algorithm()).map_err(|e| anyhow!("{e:?}"))?;
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
            signature_key: signer.to_public_vec().into(),
        };
        let sender = wire::sender_id(signer.public());
        Ok(Self { sender, signer, credential, suite, style, group: group.to_owned() })
    }

    fn capabilities(&self) -> Capabilities {
        // An extension of a leaf must be in its own capabilities, one of the GroupContext in everybody's; those of a
        // GroupInfo in nobody's (RFC 9420 sections 7.2 and 13.4).
        let known = [ExtensionType::Unknown(ORIGIN), ExtensionType::Unknown(PARAMS)];
        let extensions = self.style.pinned.then_some(&known[..]);
        Capabilities::new(None, Some(&[self.suite]), extensions, None, None)
    }

    fn leaf_extensions(&self, number: u64) -> Result<Extensions<LeafNode>> {
        if !self.style.pinned {
            return Ok(Extensions::empty());
        }
        let content = UnknownExtension(wire::origin(number, &self.group));
        Extensions::single(Extension::Unknown(ORIGIN, content)).context("leaf extension")
    }

    fn policy(&self) -> WireFormatPolicy {
        if self.style.public {
            MIXED_PLAINTEXT_WIRE_FORMAT_POLICY
        } else {
            MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY
        }
    }

    pub fn key_package(&self, number: u64) -> Result<(Own, Bytes)> {
        let provider = OpenMlsRustCrypto::default();
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(self.capabilities())
            .leaf_node_extensions(self.leaf_extensions(number)?)
            .key_package_lifetime(Lifetime::new(self.style.lifetime))
            .build(self.suite, &provider, &self.signer, self.credential.clone())?;
        let message = MlsMessageOut::from(bundle.key_package().clone()).to_bytes()?;
        Ok((Own { number, bundle }, message.into()))
    }

    /// Reads and validates a KeyPackage from `sender`'s track.
    pub fn read_key_package(&self, sender: &str, number: u64, message: &[u8]) -> Result<Theirs> {
        let message = MlsMessageIn::tls_deserialize_exact(message)?;
        let MlsMessageBodyIn::KeyPackage(key_package) = message.extract() else { bail!("no KeyPackage") };
        let provider = OpenMlsRustCrypto::default();
        let key_package = key_package.validate(provider.crypto(), ProtocolVersion::Mls10)?;
        ensure!(key_package.ciphersuite() == self.suite, "another suite");
        key_package.life_time().validate()?;
        let leaf = key_package.leaf_node();
        ensure!(wire::sender_id(leaf.signature_key().as_slice()) == sender, "on another's track");
        let origin = number_of(leaf);
        if self.style.pinned {
            let (origin, root) = origin.context("not made for a group")?;
            ensure!(origin == number, "at another place");
            ensure!(wire::origin(number, &self.group)[8..] == root, "made for another group");
        }
        Ok(Theirs { sender: sender.to_owned(), number: origin.map(|(n, _)| n), key_package })
    }

    pub fn create(&self, number: u64) -> Result<Group> {
        let provider = OpenMlsRustCrypto::default();
        let mut builder = MlsGroup::builder()
            .ciphersuite(self.suite)
            .with_group_id(GroupId::from_slice(self.group.as_bytes()))
            .with_wire_format_policy(self.policy())
            .use_ratchet_tree_extension(true)
            .with_capabilities(self.capabilities())
            .with_leaf_node_extensions(self.leaf_extensions(number)?)?;
        if self.style.pinned {
            let content = UnknownExtension(wire::pinned_params(self.style.tree_objects));
            let params = Extensions::single(Extension::Unknown(PARAMS, content)).context("parameters")?;
            builder = builder.with_group_context_extensions(params);
        }
        let group = builder.build(&provider, &self.signer, self.credential.clone())?;
        Ok(Group::new(provider, group))
    }

    /// Opens a Welcome: what its GroupInfo tells, and the group once its tree is here.
    pub fn open_welcome(&self, own: &[Own], welcome: &[u8]) -> Result<Welcomed> {
        let provider = OpenMlsRustCrypto::default();
        for own in own {
            let reference = own.bundle.key_package().hash_ref(provider.crypto())?;
            provider.storage().write_key_package(&reference, &own.bundle).map_err(|e| anyhow!("{e:?}"))?;
        }
        let message = MlsMessageIn::tls_deserialize_exact(welcome)?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { bail!("no Welcome") };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(self.policy())
            .use_ratchet_tree_extension(true)
            .build();
        let opened = ProcessedWelcome::new_from_welcome(&provider, &config, welcome)?;
        let extensions = opened.unverified_group_info().extensions();
        let content =
            |kind| match extensions.iter().find(|e| e.extension_type() == ExtensionType::Unknown(kind)) {
                Some(Extension::Unknown(_, UnknownExtension(content))) => Some(content.clone()),
                _ => None,
            };
        let spent = content(SPENT).and_then(|spent| spent.try_into().ok()).map(u64::from_be_bytes);
        let tree =
            content(TREE).map(|place| wire::read_tree_place(&place).context("tree place")).transpose()?;
        let used = opened.own_key_package().context("no KeyPackage")?.hash_ref(provider.crypto())?;
        let by = |own: &&Own| own.bundle.key_package().hash_ref(provider.crypto()).is_ok_and(|r| r == used);
        let number = own.iter().find(by).context("another's KeyPackage")?.number;
        let epoch = opened.unverified_group_info().group_context().epoch().as_u64();
        Ok(Welcomed { provider, opened, number, epoch, spent, tree })
    }
}

/// A Welcome that was opened.
pub struct Welcomed {
    provider: OpenMlsRustCrypto,
    opened: ProcessedWelcome,
    /// The number of the KeyPackage that it was made for.
    pub number: u64,
    pub epoch: u64,
    pub spent: Option<u64>,
    pub tree: Option<TreePlace>,
}

impl Welcomed {
    /// Joins, with the sealed tree if it came apart from the Welcome.
    pub fn join(self, sealed: Option<&[u8]>) -> Result<Group> {
        let Self { provider, opened, tree, .. } = self;
        let tree = match (tree, sealed) {
            (Some(place), Some(sealed)) => {
                let opened = provider
                    .crypto()
                    .aead_decrypt(AeadType::Aes128Gcm, &place.key, sealed, &[0; 12], b"")
                    .map_err(|e| anyhow!("tree: {e:?}"))?;
                Some(RatchetTreeIn::tls_deserialize_exact(&opened)?)
            }
            (Some(_), None) => bail!("the tree is missing"),
            (None, _) => None,
        };
        let group = opened.into_staged_welcome(&provider, tree)?.into_group(&provider)?;
        Ok(Group::new(provider, group))
    }
}

/// The number of the KeyPackage that a leaf came from, and its group's root hash.
fn number_of(leaf: &LeafNode) -> Option<(u64, [u8; 16])> {
    leaf.extensions().iter().find_map(|extension| match extension {
        Extension::Unknown(ORIGIN, UnknownExtension(content)) => wire::read_origin(content),
        _ => None,
    })
}

/// The participant's own commit, not yet applied.
pub struct Built {
    /// Proposals that it refers to, to be sent before it.
    pub proposals: Vec<Bytes>,
    pub commit: Bytes,
    pub welcome: Option<Bytes>,
    /// To whom the Welcome goes.
    pub added: Vec<String>,
    pub pin: Pin,
}

/// What a commit is to hold.
#[derive(Default)]
pub struct Work {
    pub adds: Vec<Theirs>,
    pub removes: Vec<u32>,
    pub spent: Option<u64>,
}

/// Another member's commit, tried.
struct Staged {
    commit: Box<StagedCommit>,
    /// `None` for a member that it removes.
    pin: Option<Pin>,
}

/// A group at one epoch.
pub struct Group {
    provider: OpenMlsRustCrypto,
    mls: MlsGroup,
    staged: BTreeMap<[u8; 32], Staged>,
}

/// A message on the group's tracks, read.
pub enum Read {
    Commit,
    /// A proposal, by the leaf that sent it; whether that leaf is to go.
    Proposal {
        leaf: u32,
        leaves: bool,
    },
    Own,
}

/// What a commit did to this member.
pub enum Merged {
    Stays,
    Removed,
    /// It took the own leaf and added an own KeyPackage: the way on is its Welcome.
    Replaced,
}

impl Group {
    fn new(provider: OpenMlsRustCrypto, mls: MlsGroup) -> Self {
        Self { provider, mls, staged: BTreeMap::new() }
    }

    pub fn epoch(&self) -> u64 {
        self.mls.epoch().as_u64()
    }

    pub fn leaf(&self) -> u32 {
        self.mls.own_leaf_index().u32()
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(self.mls.group_id().as_slice()).into_owned()
    }

    pub fn members(&self) -> Vec<(u32, String)> {
        self.mls.members().map(|m| (m.index.u32(), wire::sender_id(&m.signature_key))).collect()
    }

    /// The number of the KeyPackage that a leaf came by.
    pub fn number_at(&self, leaf: u32) -> Option<u64> {
        number_of(self.mls.public_group().leaf(LeafNodeIndex::new(leaf))?).map(|(number, _)| number)
    }

    /// Whether a leaf is what a KeyPackage, or a later one of the same sender, was added as.
    pub fn came_by(&self, leaf: u32, theirs: &Theirs) -> bool {
        let Some(leaf) = self.mls.public_group().leaf(LeafNodeIndex::new(leaf)) else { return false };
        let by = number_of(leaf).map(|(number, _)| number);
        let later = by.is_some_and(|by| theirs.number.is_some_and(|number| number <= by));
        later || leaf.encryption_key() == theirs.key_package.leaf_node().encryption_key()
    }

    fn export(&self, label: &str, context: &[u8], length: usize) -> Result<Vec<u8>> {
        Ok(self.mls.export_secret(self.provider.crypto(), label, context, length)?)
    }

    /// What opens the slot after this epoch.
    pub fn slot_key(&self) -> Result<Vec<u8>> {
        self.export("moq-mls slot key", b"", 32)
    }

    /// The pin of the present epoch, made from `commit`.
    pub fn pin(&self, commit: Option<&[u8]>) -> Result<Pin> {
        let lock = wire::slot_lock(&self.name(), self.epoch(), &self.slot_key()?);
        Ok(wire::pin(commit, &self.context()?, lock))
    }

    fn context(&self) -> Result<Vec<u8>> {
        Ok(self.mls.public_group().group_context().tls_serialize_detached()?)
    }

    /// What all members must have alike.
    pub fn facts(&self) -> Result<Facts> {
        let media = wire::Names::serialized(&wire::media_track());
        let crypto = self.provider.crypto();
        let master = self.export("moq-mls secure objects", self.name().as_bytes(), 32)?;
        let salt = [&b"SecureObject Epoch Master Key "[..], &self.epoch().to_be_bytes()].concat();
        let info = [&b"SecureObject Track Base Key "[..], &media].concat();
        let hkdf = |e| anyhow!("hkdf: {e:?}");
        let epoch = crypto.hkdf_extract(HashType::Sha2_256, &salt, &master).map_err(hkdf)?;
        let base = crypto.hkdf_expand(HashType::Sha2_256, epoch.as_slice(), &info, 32).map_err(hkdf)?;
        Ok(Facts {
            epoch: self.epoch(),
            authenticator: self.mls.epoch_authenticator().as_slice().to_vec(),
            context_hash: wire::sha256(&self.context()?),
            base_key: base.as_slice().to_vec(),
            roster: self.members(),
        })
    }

    /// A request to be removed.
    pub fn propose_leave(&mut self, who: &Identity) -> Result<Bytes> {
        Ok(self.mls.leave_group(&self.provider, &who.signer)?.to_bytes()?.into())
    }

    /// Builds a commit, and what every member needs to process it.
    pub fn build(&mut self, who: &Identity, work: Work) -> Result<Built> {
        let style = who.style;
        let mut proposals = Vec::new();
        let added: Vec<String> = work.adds.iter().map(|theirs| theirs.sender.clone()).collect();
        let adds: Vec<KeyPackage> = work.adds.into_iter().map(|theirs| theirs.key_package).collect();
        let removes: Vec<_> = work.removes.iter().map(|leaf| LeafNodeIndex::new(*leaf)).collect();
        if style.by_reference {
            for leaf in &removes {
                let (message, _) = self.mls.propose_remove_member(&self.provider, &who.signer, *leaf)?;
                proposals.push(message.to_bytes()?.into());
            }
            for add in &adds {
                let (message, _) = self.mls.propose_add_member(&self.provider, &who.signer, add)?;
                proposals.push(message.to_bytes()?.into());
            }
        }
        let mut builder = self
            .mls
            .commit_builder()
            .consume_proposal_store(style.by_reference)
            .force_self_update(!style.without_path || adds.is_empty());
        if !style.by_reference {
            builder = builder.propose_removals(removes).propose_adds(adds);
        }
        let mut builder = builder.load_psks(self.provider.storage())?.use_ratchet_tree_extension(true);
        if let Some(spent) = work.spent.filter(|_| style.pinned) {
            let content = UnknownExtension(spent.to_be_bytes().to_vec());
            builder = builder.create_group_info_with_extensions([Extension::Unknown(SPENT, content)])?;
        }
        let bundle = builder
            .build(self.provider.rand(), self.provider.crypto(), &who.signer, |_| true)?
            .stage_commit(&self.provider)?;
        let (commit, welcome, _) = bundle.into_messages();
        let commit: Bytes = commit.to_bytes()?.into();
        let welcome = welcome.map(|welcome| welcome.to_bytes()).transpose()?.map(Bytes::from);
        let pending = self.mls.pending_commit().context("no pending commit")?;
        let pin = self.pin_of(&commit, pending)?;
        Ok(Built { proposals, commit, welcome, added, pin })
    }

    fn pin_of(&self, commit: &[u8], staged: &StagedCommit) -> Result<Pin> {
        let key = staged.export_secret(self.provider.crypto(), "moq-mls slot key", b"", 32)?;
        let lock = wire::slot_lock(&self.name(), staged.epoch().as_u64(), &key);
        Ok(wire::pin(Some(commit), &staged.group_context().tls_serialize_detached()?, lock))
    }

    /// Applies the own commit.
    pub fn merge_own(&mut self) -> Result<()> {
        self.staged.clear();
        Ok(self.mls.merge_pending_commit(&self.provider)?)
    }

    /// Reads a message of this epoch. A commit is kept for [`Self::merge`], and a proposal for commits to come if
    /// it is `stored`.
    pub fn read(&mut self, message: &[u8], stored: bool) -> Result<Read> {
        let hash = wire::sha256(message);
        if self.staged.contains_key(&hash) {
            return Ok(Read::Commit);
        }
        let parsed = MlsMessageIn::tls_deserialize_exact(message)?.try_into_protocol_message()?;
        ensure!(parsed.epoch() == self.mls.epoch(), "of epoch {}", parsed.epoch().as_u64());
        let processed = self.mls.process_message(&self.provider, parsed)?;
        let Sender::Member(leaf) = *processed.sender() else { bail!("not by a member") };
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                let pin = if commit.self_removed() { None } else { Some(self.pin_of(message, &commit)?) };
                self.staged.insert(hash, Staged { commit, pin });
                Ok(Read::Commit)
            }
            ProcessedMessageContent::ProposalMessage(proposal) => {
                let gone = match proposal.proposal() {
                    Proposal::Remove(remove) => Some(remove.removed()),
                    _ => None,
                };
                if stored {
                    self.mls
                        .store_pending_proposal(self.provider.storage(), *proposal)
                        .map_err(|e| anyhow!("{e:?}"))?;
                }
                Ok(Read::Proposal { leaf: leaf.u32(), leaves: gone == Some(leaf) })
            }
            ProcessedMessageContent::OwnPrivateMessage => Ok(Read::Own),
            other => bail!("{other:?}"),
        }
    }

    /// The pin of a commit that was read; `None` if it removes this member, which cannot know it.
    pub fn pin_read(&self, hash: &[u8; 32]) -> Option<Pin> {
        self.staged.get(hash)?.pin
    }

    /// Applies a commit that was read.
    pub fn merge(&mut self, hash: &[u8; 32]) -> Result<Merged> {
        let Staged { commit, .. } = self.staged.remove(hash).context("a commit that was not read")?;
        self.staged.clear();
        let own = self.mls.own_leaf_node().context("no leaf")?.signature_key().clone();
        let back = commit
            .add_proposals()
            .any(|add| *add.add_proposal().key_package().leaf_node().signature_key() == own);
        let removed = commit.self_removed();
        self.mls.merge_staged_commit(&self.provider, *commit)?;
        Ok(match (removed, back) {
            (false, _) => Merged::Stays,
            (true, false) => Merged::Removed,
            (true, true) => Merged::Replaced,
        })
    }
}
