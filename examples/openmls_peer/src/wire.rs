//! What the draft and `vectors/README.md` say about names and bytes, written down once more.
//!
//! On purpose: nothing here calls moq-mls for a format. What its participants accept and send is checked only as long
//! as the other side was written from the texts alone.

use bytes::Bytes;
use moq_mls::tracks::{FullTrackName, TrackNamespace};
use sha2::{Digest, Sha256};

/// The leaf extension: object id on the KeyPackage track, first half of the hash of the group's root name.
pub const ORIGIN: u16 = 0xF0A0;
/// The GroupContext extension: the group's parameters.
pub const PARAMS: u16 = 0xF0A1;
/// The GroupInfo extension: where the ratchet tree is.
pub const TREE: u16 = 0xF0A2;
/// The GroupInfo extension: the highest spent number of a KeyPackage.
pub const SPENT: u16 = 0xF0A3;

/// The parameters of a pinned group with the shared Commit track and no receipts.
pub fn pinned_params(tree_objects: bool) -> Vec<u8> {
    vec![1, 1, 0, u8::from(tree_objects), 0]
}

pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.bytes().map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    Some(digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// A SenderId: the hex text of the hash of the signature key.
pub fn sender_id(signature_key: &[u8]) -> String {
    hex(&sha256(signature_key))
}

/// The content of [`ORIGIN`].
pub fn origin(number: u64, group: &str) -> Vec<u8> {
    let root = group.split('~').next().unwrap_or(group);
    [&number.to_be_bytes()[..], &sha256(root.as_bytes())[..16]].concat()
}

/// The number and the root hash in an [`ORIGIN`] extension.
pub fn read_origin(content: &[u8]) -> Option<(u64, [u8; 16])> {
    let (number, root) = content.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), root.try_into().ok()?))
}

/// The pin of a slot: hash of the commit, hash of the GroupContext, slot lock.
pub type Pin = [u8; 96];

pub fn pin(commit: Option<&[u8]>, context: &[u8], lock: [u8; 32]) -> Pin {
    let mut pin = [0; 96];
    if let Some(commit) = commit {
        pin[..32].copy_from_slice(&sha256(commit));
    }
    pin[32..64].copy_from_slice(&sha256(context));
    pin[64..].copy_from_slice(&lock);
    pin
}

/// The lock of the slot after `epoch`.
pub fn slot_lock(group: &str, epoch: u64, key: &[u8]) -> [u8; 32] {
    let length = u16::try_from(group.len()).unwrap_or(u16::MAX);
    let parts = [&b"moq-mls slot v2"[..], &length.to_be_bytes(), group.as_bytes(), &epoch.to_be_bytes(), key];
    sha256(&parts.concat())
}

/// A Welcome object of a pinned group, without a receipt.
pub fn welcome_object(pin: &Pin, welcome: &[u8]) -> Bytes {
    [&[2][..], pin, &[0, 0], welcome].concat().into()
}

/// Reads the pin and the Welcome in the Welcome object of a pinned group; no pin is there if the tree goes apart.
pub fn read_welcome_object(object: &[u8]) -> Option<(Option<Pin>, Vec<u8>)> {
    let rest = match object.split_first()? {
        (2, rest) => rest,
        (4, welcome) => return Some((None, welcome.to_vec())),
        _ => return None,
    };
    let (pin, rest) = rest.split_first_chunk::<96>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    Some((Some(*pin), rest.get(usize::from(u16::from_be_bytes(*length))..)?.to_vec()))
}

/// The place of a tree on the shared tree track, in the MOQT group of the Welcome's epoch, and its key.
pub struct TreePlace {
    pub object: u64,
    pub key: Vec<u8>,
}

/// Reads a [`TREE`] extension.
pub fn read_tree_place(content: &[u8]) -> Option<TreePlace> {
    let (&[2], rest) = content.split_first_chunk::<1>()? else { return None };
    let (object, key) = rest.split_first_chunk::<8>()?;
    // Behind the key of 16 bytes would be whose tree track it is.
    (key.len() == 16).then(|| TreePlace { object: u64::from_be_bytes(*object), key: key.to_vec() })
}

/// Track names of a group (draft sections 6.1, 6.3.1 and 6.3.2).
#[derive(Clone)]
pub struct Names {
    pub group: String,
}

impl Names {
    pub fn key_packages(&self, sender: &str) -> FullTrackName {
        self.track(&["keypackages"], sender)
    }

    pub fn welcome(&self, recipient: &str) -> FullTrackName {
        self.track(&["welcome"], recipient)
    }

    pub fn commits(&self) -> FullTrackName {
        self.track(&[], "commits")
    }

    pub fn trees(&self) -> FullTrackName {
        self.track(&["trees"], "tree")
    }

    fn track(&self, more: &[&str], name: &str) -> FullTrackName {
        let fields = [&[self.group.as_str()], more].concat();
        let fields = fields.into_iter().map(|f| Bytes::copy_from_slice(f.as_bytes())).collect();
        let namespace = TrackNamespace::new(fields).expect("few short fields");
        FullTrackName { namespace, name: Bytes::copy_from_slice(name.as_bytes()) }
    }

    /// What a full track name is serialized to where keys are derived: varint lengths of one or two bytes.
    pub fn serialized(track: &FullTrackName) -> Vec<u8> {
        let varint = |n: usize| match n {
            0..64 => vec![n as u8],
            _ => (n as u16 | 0x4000).to_be_bytes().to_vec(),
        };
        let fields = track.namespace.fields();
        let mut out = varint(fields.len());
        for field in fields.iter().chain([&track.name]) {
            out.extend(varint(field.len()));
            out.extend_from_slice(field);
        }
        out
    }
}

/// Where a group stands for one member: what all members must have alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub epoch: u64,
    pub authenticator: Vec<u8>,
    pub context_hash: [u8; 32],
    pub base_key: Vec<u8>,
    /// By leaf index.
    pub roster: Vec<(u32, String)>,
}

/// The media track whose base key is compared.
pub fn media_track() -> FullTrackName {
    let namespace = TrackNamespace::new(vec!["example.com".into(), "meeting".into()]).expect("short");
    FullTrackName { namespace, name: "alice/video".into() }
}
