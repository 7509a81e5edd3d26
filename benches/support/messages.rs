//! The draft's three messages, and the nearest ones of `moqtap-codec` with the same content.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::num::NonZeroU64;

use moq_mls::codec::{ControlMessage, NamespaceInfo, SubscribeNamespace, SubscribeNamespaceResponse};
use moq_mls::tracks::{CommitTrackPolicy, GroupName, GroupTracks, SenderId};
use moqtap_codec::draft18::message as theirs;
use moqtap_codec::types::TrackNamespace as TheirNamespace;
use moqtap_codec::varint::VarInt;

/// A field of a message after its type.
#[derive(Clone, Copy)]
pub enum Field {
    Number,
    Bytes,
}

pub struct Case {
    pub name: &'static str,
    pub ours: ControlMessage,
    pub theirs: theirs::ControlMessage,
    pub fields: &'static [Field],
}

pub fn cases() -> Vec<Case> {
    use Field::{Bytes as B, Number as N};
    let tracks = GroupTracks::new(GroupName::try_from("meeting-123").unwrap(), CommitTrackPolicy::Shared);
    let namespace = tracks.key_package_namespace();
    let sender = SenderId::from_fingerprint([0xab; 32]).as_bytes().clone();
    let (id, alias, reason) = (1000, 70_000, "namespace not served here");
    let their_namespace = TheirNamespace(namespace.fields().iter().map(|f| f.to_vec()).collect());
    let number = VarInt::from_u64_moqt;
    vec![
        Case {
            name: "subscribe_namespace",
            ours: SubscribeNamespace { namespace: namespace.to_flat(), id }.into(),
            theirs: theirs::ControlMessage::SubscribeNamespace(theirs::SubscribeNamespace {
                request_id: number(id),
                namespace_prefix: their_namespace.clone(),
                parameters: vec![],
            }),
            fields: &[B, N],
        },
        Case {
            name: "response_ok",
            ours: SubscribeNamespaceResponse { id, result: Ok(()) }.into(),
            theirs: theirs::ControlMessage::RequestOk(theirs::RequestOk {
                parameters: vec![],
                track_properties: vec![],
            }),
            fields: &[N, N],
        },
        Case {
            name: "response_error",
            ours: SubscribeNamespaceResponse {
                id,
                result: Err((NonZeroU64::new(4).unwrap(), reason.into())),
            }
            .into(),
            theirs: theirs::ControlMessage::RequestError(theirs::RequestError {
                error_code: number(4),
                retry_interval: number(0),
                reason_phrase: reason.into(),
                redirect: None,
            }),
            fields: &[N, N, B],
        },
        Case {
            name: "namespace_info",
            ours: NamespaceInfo {
                track_alias: alias,
                subscribe_id: id,
                namespace: namespace.to_flat(),
                name: sender.clone(),
                request_id: id,
            }
            .into(),
            theirs: theirs::ControlMessage::Publish(theirs::Publish {
                request_id: number(id),
                track_namespace: their_namespace,
                track_name: sender.to_vec(),
                track_alias: number(alias),
                parameters: vec![],
                track_properties: vec![],
            }),
            fields: &[N, N, B, B, N],
        },
    ]
}
