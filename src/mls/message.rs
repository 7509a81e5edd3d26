//! Messages, times and extensions between mls-rs's types and this crate's.

use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::crypto::HpkePublicKey;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ContentType, LeafNode, NewEpoch, Sender};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::mls_rules::ProposalInfo;
use mls_rs::time::MlsTime;
use mls_rs::{Extension, ExtensionList, MlsMessage, MlsMessageDescription};

use crate::codec::leaf_origin::{self, LeafOrigin};
use crate::codec::tree_object;
use crate::engine::{Credential, RatchetTreeObject, Rejection};
use crate::mls::settings::{Inner, LEAF_ORIGIN_EXTENSION, SPENT_EXTENSION, TREE_EXTENSION};
use crate::time::Timestamp;

pub(super) fn mls_time(t: Timestamp) -> MlsTime {
    MlsTime::from(t.as_secs())
}

/// From `earlier` to `later`; zero if they are the other way round (`MlsTime - MlsTime` would panic).
pub(super) fn gap(earlier: MlsTime, later: MlsTime) -> Duration {
    Duration::from_secs(later.seconds_since_epoch().saturating_sub(earlier.seconds_since_epoch()))
}

pub(super) fn parse(message: &[u8]) -> Result<MlsMessage, Rejection> {
    MlsMessage::from_bytes(message).map_err(|_| Rejection::Malformed)
}

/// A PrivateMessage with content of the type `wanted`; a PublicMessage of a member too, where they are taken.
pub(super) fn handshake(message: &[u8], wanted: ContentType, public: bool) -> Result<MlsMessage, Rejection> {
    let message = parse(message)?;
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { content_type, .. } if content_type == wanted => {}
        MlsMessageDescription::PublicProtocolMessage { content_type, sender, .. }
            if public && content_type == wanted =>
        {
            // Everybody else can sign what it likes.
            if !matches!(sender, Sender::Member(_)) {
                return Err(Rejection::Stranger);
            }
        }
        MlsMessageDescription::PublicProtocolMessage { .. } => {
            return Err(Rejection::Forbidden("a handshake message that is not encrypted"));
        }
        _ => return Err(Rejection::Malformed),
    }
    Ok(message)
}

/// Whether `message` was sent in the group's epoch.
pub(super) fn sent_in<C: MlsConfig>(message: &MlsMessage, group: &Inner<C>) -> Result<(), Rejection> {
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { group_id, epoch_id, .. }
        | MlsMessageDescription::PublicProtocolMessage { group_id, epoch_id, .. }
            if group_id == group.group_id() && epoch_id == group.current_epoch() =>
        {
            Ok(())
        }
        _ => Err(Rejection::Invalid("of another group or epoch".into())),
    }
}

pub(super) fn extension(kind: u16, data: Vec<u8>) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(kind), data));
    list
}

/// Where a leaf comes from; `None` from a peer that knows only the draft.
pub(super) fn origin(extensions: &ExtensionList) -> Result<Option<LeafOrigin>, Rejection> {
    let found = extensions.get(ExtensionType::new(LEAF_ORIGIN_EXTENSION));
    found.map(|e| leaf_origin::decode(&e.extension_data)).transpose().map_err(|_| Rejection::Malformed)
}

/// What tells a leaf from others of its sender that does not say where it comes from.
pub(super) fn leaf_key(origin: Option<LeafOrigin>, leaf: &LeafNode) -> Option<Bytes> {
    origin.is_none().then(|| Bytes::copy_from_slice(&leaf.public_key))
}

/// The highest spent object id that a Welcome tells.
pub(super) fn spent(extensions: &ExtensionList) -> Result<Option<u64>, Rejection> {
    let found = extensions.get(ExtensionType::new(SPENT_EXTENSION));
    let number = |e: Extension| Some(u64::from_be_bytes(e.extension_data.try_into().ok()?));
    found.map(|e| number(e).ok_or(Rejection::Malformed)).transpose()
}

/// Returns where the tree of a Welcome is that comes without it.
pub(super) fn tree_place(extensions: &ExtensionList) -> Result<Option<RatchetTreeObject>, Rejection> {
    let found = extensions.get(ExtensionType::new(TREE_EXTENSION));
    found
        .map(|e| tree_object::decode(&e.extension_data))
        .transpose()
        .map_err(|e| Rejection::Invalid(Box::new(e)))
}

/// The type and the content of the one vector that a credential of any type consists of.
pub(super) fn credential(identity: &SigningIdentity) -> Result<Credential, Rejection> {
    let bytes = identity.credential.mls_encode_to_vec().map_err(|_| Rejection::Malformed)?;
    let mut rest = bytes.get(2..).unwrap_or_default();
    let data: Vec<u8> =
        mls_rs::mls_rs_codec::byte_vec::mls_decode(&mut rest).map_err(|_| Rejection::Malformed)?;
    Ok(Credential { kind: identity.credential.credential_type().raw_value(), data: data.into() })
}

/// The leaf of a KeyPackage in an MLSMessage, which is version, wire format, KeyPackage.
pub(super) fn leaf_of(message: &[u8]) -> Result<LeafNode, Rejection> {
    leaf_node(message.get(4..).unwrap_or_default())
}

/// The leaf of a KeyPackage, which mls-rs keeps to itself: it comes after version, cipher suite and
/// init key (RFC 9420 section 10).
pub(super) fn leaf_node(key_package: &[u8]) -> Result<LeafNode, Rejection> {
    let mut rest = key_package.get(4..).unwrap_or_default();
    HpkePublicKey::mls_decode(&mut rest).map_err(|_| Rejection::Malformed)?;
    LeafNode::mls_decode(&mut rest).map_err(|_| Rejection::Malformed)
}

pub(super) fn removed(epoch: &NewEpoch) -> Vec<u32> {
    let leaf = |p: &Proposal| match p {
        Proposal::Remove(remove) => Some(remove.to_remove()),
        _ => None,
    };
    epoch.applied_proposals.iter().filter_map(|p| leaf(&p.proposal)).collect()
}

/// The leaves that a commit changes by their members' Updates.
pub(super) fn updated(epoch: &NewEpoch) -> Vec<u32> {
    let leaf = |p: &ProposalInfo<Proposal>| match (&p.proposal, p.sender) {
        (Proposal::Update(_), Sender::Member(leaf)) => Some(leaf),
        _ => None,
    };
    epoch.applied_proposals.iter().filter_map(leaf).collect()
}
