//! [`GroupParams`] as the bytes of the GroupContext extension.

use crate::SafetyMode;
use crate::engine::{EngineError, GroupParams};
use crate::tracks::CommitTrackPolicy;

const VERSION: u8 = 1;

pub(super) fn encode(params: &GroupParams) -> Vec<u8> {
    let mode = match params.mode {
        SafetyMode::Advisory => 0,
        SafetyMode::Pinned => 1,
    };
    let policy = match params.commit_tracks {
        CommitTrackPolicy::Shared => 0,
        CommitTrackPolicy::PerSender => 1,
    };
    let mut out = vec![VERSION, mode, policy, u8::from(params.tree_objects)];
    match params.service_key_hash {
        None => out.push(0),
        Some(hash) => {
            out.push(1);
            out.extend_from_slice(&hash);
        }
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<GroupParams, EngineError> {
    let Some((&[version, mode, policy, tree, keyed], rest)) = bytes.split_first_chunk::<5>() else {
        return Err(EngineError::Malformed);
    };
    if version != VERSION {
        return Err(EngineError::Unsupported("group parameters of another version"));
    }
    Ok(GroupParams {
        mode: match mode {
            0 => SafetyMode::Advisory,
            1 => SafetyMode::Pinned,
            _ => return Err(EngineError::Unsupported("safety mode")),
        },
        commit_tracks: match policy {
            0 => CommitTrackPolicy::Shared,
            1 => CommitTrackPolicy::PerSender,
            _ => return Err(EngineError::Unsupported("commit track policy")),
        },
        tree_objects: match tree {
            0 => false,
            1 => true,
            _ => return Err(EngineError::Malformed),
        },
        service_key_hash: match (keyed, rest) {
            (0, []) => None,
            (1, hash) => Some(hash.try_into().map_err(|_| EngineError::Malformed)?),
            _ => return Err(EngineError::Malformed),
        },
    })
}
