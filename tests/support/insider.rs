//! A malicious member: a client of mls-rs that keeps to no rule of ours, and makes Welcomes by hand.

use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::{
    BaseConfig, PaddingMode, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::crypto::{HpkePublicKey, SignatureSecretKey};
use mls_rs::extension::ExtensionType;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rs_codec::MlsEncode;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuiteProvider, Client, CryptoProvider, Extension, ExtensionList, Group, MlsMessage};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::Timestamp;
use moq_mls::codec::leaf_origin::{self, LeafOrigin};
use moq_mls::counter::{Pin, slot_lock_message};
use moq_mls::mls::{LEAF_ORIGIN_EXTENSION, PARAMS_EXTENSION};
use moq_mls::testing::sha256;
use moq_mls::tracks::{GroupName, SenderId};

use super::engines::SUITE;

type Config = WithMlsRules<
    DefaultMlsRules,
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<RustCryptoProvider, BaseConfig>>,
>;

/// Its client, and its group once it is let in.
pub struct Insider {
    client: Client<Config>,
    key: SignatureSecretKey,
    id: SenderId,
    group: Option<Group<Config>>,
}

/// A commit of the insider's that adds one, and two Welcomes to the epoch that it makes.
pub struct Forgery {
    pub commit: Bytes,
    /// As it should be.
    pub real: Bytes,
    /// To the same GroupContext and the same tree, from a joiner secret that the insider made up.
    pub forged: Bytes,
    /// The epoch secret that follows from it: what the insider knows of the joiner's keys.
    pub epoch_secret: Vec<u8>,
}

fn suite() -> impl CipherSuiteProvider<Error: std::fmt::Debug> {
    RustCryptoProvider::default().cipher_suite_provider(SUITE).unwrap()
}

fn time(now: Timestamp) -> MlsTime {
    MlsTime::from(now.as_secs())
}

impl Insider {
    pub fn new(name: &str) -> Self {
        let (key, public) = suite().signature_key_generate().unwrap();
        let id = SenderId::from_fingerprint(suite().hash(&public).unwrap().try_into().unwrap());
        let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
        let options = CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(true)
            .with_single_welcome_message(false);
        let rules = DefaultMlsRules::new()
            .with_commit_options(options)
            .with_encryption_options(EncryptionOptions::new(true, PaddingMode::None));
        let client = Client::builder()
            .crypto_provider(RustCryptoProvider::default())
            .identity_provider(BasicIdentityProvider)
            .mls_rules(rules)
            .extension_type(ExtensionType::new(LEAF_ORIGIN_EXTENSION))
            .extension_type(ExtensionType::new(PARAMS_EXTENSION))
            .key_package_lifetime(Duration::from_secs(24 * 3600))
            .signing_identity(SigningIdentity::new(credential, public), key.clone(), SUITE)
            .build();
        Self { client, key, id, group: None }
    }

    pub fn id(&self) -> &SenderId {
        &self.id
    }

    /// A KeyPackage for `group`, to be published as object `sequence`.
    pub fn key_package(&self, now: Timestamp, group: &GroupName, sequence: u64) -> Bytes {
        let root = suite().hash(&group.root()).unwrap().try_into().unwrap();
        let origin = leaf_origin::encode(&LeafOrigin::new(sequence, &root));
        let mut leaf = ExtensionList::new();
        leaf.set(Extension::new(ExtensionType::new(LEAF_ORIGIN_EXTENSION), origin));
        let made = self.client.generate_key_package_message(ExtensionList::new(), leaf, Some(time(now)));
        made.unwrap().to_bytes().unwrap().into()
    }

    /// Joins by a Welcome with the tree inside.
    pub fn join(&mut self, now: Timestamp, welcome: &Bytes) {
        let welcome = MlsMessage::from_bytes(welcome).unwrap();
        self.group = Some(self.client.join_group(None, &welcome, Some(time(now))).unwrap().0);
    }

    /// The epoch that it is in.
    pub fn epoch(&self) -> u64 {
        self.group.as_ref().unwrap().current_epoch()
    }

    /// The hash of the present epoch's GroupContext.
    pub fn context_hash(&self) -> [u8; 32] {
        let context = self.group.as_ref().unwrap().context().mls_encode_to_vec().unwrap();
        suite().hash(&context).unwrap().try_into().unwrap()
    }

    /// What fills the slot after the present epoch.
    pub fn slot_key(&self) -> Bytes {
        let key = self.group.as_ref().unwrap().export_secret(b"moq-mls slot key", b"", 32).unwrap();
        Bytes::copy_from_slice(&key)
    }

    /// The pin of the present epoch, which this commit made.
    pub fn pin(&self, name: &GroupName, commit: &Bytes) -> Pin {
        let lock = slot_lock_message(name, self.epoch(), &self.slot_key());
        Pin::new(sha256(commit), self.context_hash(), sha256(&lock))
    }

    /// Takes another signature key by a commit (RFC 9420 section 7.3), and goes on to the next epoch.
    pub fn take_another_key(&mut self, now: Timestamp) -> Bytes {
        let group = self.group.as_mut().unwrap();
        let held = group.current_member_signing_identity().unwrap().clone();
        let (key, public) = suite().signature_key_generate().unwrap();
        self.id = SenderId::from_fingerprint(suite().hash(&public).unwrap().try_into().unwrap());
        let builder = group.commit_builder().commit_time(time(now));
        let identity = SigningIdentity::new(held.credential, public);
        let built = builder.set_new_signing_identity(key.clone(), identity).build().unwrap();
        group.apply_pending_commit().unwrap();
        self.key = key;
        built.commit_message.to_bytes().unwrap().into()
    }

    /// Adds a client by its KeyPackage and goes on to the next epoch.
    pub fn add(&mut self, now: Timestamp, key_package: &Bytes, joiner_secret: &[u8; 32]) -> Forgery {
        let group = self.group.as_mut().unwrap();
        let message = MlsMessage::from_bytes(key_package).unwrap();
        let reference = message.key_package_reference(&suite()).unwrap().unwrap().to_vec();
        let builder = group.commit_builder().commit_time(time(now)).add_member(message).unwrap();
        let built = builder.build().unwrap();
        group.apply_pending_commit().unwrap();
        let (forged, epoch_secret) = welcome(key_package, &reference, group, &self.key, joiner_secret);
        let bytes = |message: &MlsMessage| Bytes::from(message.to_bytes().unwrap());
        Forgery {
            commit: bytes(&built.commit_message),
            real: bytes(&built.welcome_messages[0]),
            forged,
            epoch_secret,
        }
    }
}

/// MLS-Exporter of RFC 9420 section 8.5, from an epoch secret.
pub fn exported(epoch_secret: &[u8], label: &str, context: &[u8], len: usize) -> Vec<u8> {
    let exporter = expand(epoch_secret, "exporter", b"", 32);
    let derived = expand(&exporter, label, b"", 32);
    expand(&derived, "exported", &suite().hash(context).unwrap(), len)
}

/// A vector of RFC 9420 section 2.1.2.
fn vector(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    let mut out = match len {
        0..64 => vec![u8::try_from(len).unwrap()],
        64..16_384 => (0x4000 | u16::try_from(len).unwrap()).to_be_bytes().to_vec(),
        _ => (0x8000_0000 | len).to_be_bytes().to_vec(),
    };
    out.extend_from_slice(bytes);
    out
}

/// What a vector at `at` holds, and where it ends.
fn read_vector(bytes: &[u8], at: usize) -> (&[u8], usize) {
    let head = 1 << (bytes[at] >> 6);
    let first = usize::from(bytes[at] & 0x3f);
    let len = bytes[at + 1..at + head].iter().fold(first, |len, byte| (len << 8) | usize::from(*byte));
    (&bytes[at + head..at + head + len], at + head + len)
}

fn labelled(label: &str, content: &[u8]) -> Vec<u8> {
    [vector(format!("MLS 1.0 {label}").as_bytes()), vector(content)].concat()
}

fn expand(secret: &[u8], label: &str, context: &[u8], len: usize) -> Vec<u8> {
    let info = [u16::try_from(len).unwrap().to_be_bytes().to_vec(), labelled(label, context)].concat();
    suite().kdf_expand(secret, &info, len).unwrap().to_vec()
}

/// A Welcome to the group's present epoch by hand (RFC 9420 section 12.4.3), from any joiner secret, and the epoch
/// secret that follows.
fn welcome(
    key_package: &[u8],
    reference: &[u8],
    group: &Group<Config>,
    key: &SignatureSecretKey,
    joiner_secret: &[u8],
) -> (Bytes, Vec<u8>) {
    let suite = suite();
    let context = group.context().mls_encode_to_vec().unwrap();
    // Version and cipher suite, group id, epoch, tree hash, confirmed transcript hash.
    let (_, at) = read_vector(&context, 4);
    let (_, at) = read_vector(&context, at + 8);
    let (transcript, _) = read_vector(&context, at);
    let member = suite.kdf_extract(joiner_secret, &[0; 32]).unwrap();
    let welcome_secret = expand(&member, "welcome", b"", 32);
    let epoch_secret = expand(&member, "epoch", &context, 32);
    let tag = suite.mac(&expand(&epoch_secret, "confirm", b"", 32), transcript).unwrap();
    let tree = group.export_tree().to_bytes().unwrap();
    let extension = [vec![0, 2], vector(&tree)].concat();
    let signer = group.current_member_index().to_be_bytes();
    let signed = [&context[..], &vector(&extension), &vector(&tag), &signer].concat();
    let signature = suite.sign(key, &labelled("GroupInfoTBS", &signed)).unwrap();
    let info = [signed, vector(&signature)].concat();
    let (nonce, aead) = (expand(&welcome_secret, "nonce", b"", 12), expand(&welcome_secret, "key", b"", 16));
    let sealed = suite.aead_seal(&aead, &info, None, &nonce).unwrap();
    // No path secret: the joiner needs none to follow, it only shares no inner node yet.
    let secrets = [vector(joiner_secret), vec![0], vector(b"")].concat();
    // MLSMessage and KeyPackage begin with two times two bytes each.
    let (init_key, _) = read_vector(key_package, 8);
    let to = HpkePublicKey::from(init_key.to_vec());
    let hpke = suite.hpke_seal(&to, &labelled("Welcome", &sealed), None, &secrets).unwrap();
    let entry = [vector(reference), vector(&hpke.kem_output), vector(&hpke.ciphertext)].concat();
    // MLSMessage: version 1, a Welcome, cipher suite 1.
    let out = [vec![0, 1, 0, 3, 0, 1], vector(&entry), vector(&sealed)].concat();
    (out.into(), epoch_secret)
}
